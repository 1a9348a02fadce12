//! `pimsync doctor`: tries each step that a sync takes, one after the other, and says which one fails and what to do. It changes nothing anywhere.

mod account;
mod machine;

use serde::Serialize;

use super::context::{Context, chosen};
use super::failure::Failure;
use super::output::Output;
use super::{ExitCode, Global};

/// Find out what is wrong: try each step that a sync takes, and say which one fails
///
/// Looked at are the identity and its settings, the disk, the lock, state.db and the limits of watching; and for each account the password, the
/// server's name, its connection and certificate, the sign-in, the mailbox, the clock, and whether Autodiscover leads to that server. Nothing is changed on
/// either side; tokens that are about to end are renewed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this account, by its name or its address
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Ok,
    /// It works, but not as well as it could.
    Warning,
    Failed,
    /// It was not tried, since one before it failed, or there is nothing to try.
    Skipped,
}

/// A step, and how it ended.
#[derive(Clone, Debug, Serialize)]
struct Check {
    /// Whose it is; none where it is about the machine.
    account: Option<String>,
    check: &'static str,
    outcome: Outcome,
    text: String,
    hint: Option<String>,
    #[serde(skip)]
    code: ExitCode,
}

impl Check {
    fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self { account: None, check, outcome: Outcome::Ok, text: text.into(), hint: None, code: ExitCode::Done }
    }

    fn skipped(check: &'static str, text: impl Into<String>) -> Self {
        Self { outcome: Outcome::Skipped, ..Self::ok(check, text) }
    }

    fn warning(check: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { outcome: Outcome::Warning, hint: Some(hint.into()), code: ExitCode::Held, ..Self::ok(check, text) }
    }

    fn failed(check: &'static str, failure: Failure) -> Self {
        let hint = failure.hint.map(str::to_owned);
        Self { outcome: Outcome::Failed, hint, code: failure.code, ..Self::ok(check, failure.message) }
    }

    fn error(check: &'static str, error: impl Into<anyhow::Error>) -> Self {
        Self::failed(check, Failure::of(&error.into()))
    }
}

/// What is told of a run.
#[derive(Serialize)]
struct Results {
    checks: Vec<Check>,
}

pub(super) fn run(args: Args, global: Global, output: &Output) -> anyhow::Result<ExitCode> {
    let context = Context::new(global)?;
    let (mut checks, identity) = machine::checks(&context);
    if let Some(identity) = identity {
        for account in chosen(&identity.config, args.account.as_deref())? {
            let name = account.name.to_string();
            let found = context.runtime.block_on(account::checks(&context, account));
            checks.extend(found.into_iter().map(|check| Check { account: Some(name.clone()), ..check }));
        }
    }
    output.results(code_of(&checks), Results { checks }, |results| text(results, output.is_quiet()))
}

/// That of the first step that failed; else whether there is a warning.
fn code_of(checks: &[Check]) -> ExitCode {
    let first = |outcome| checks.iter().find(|check| check.outcome == outcome).map(|check| check.code);
    first(Outcome::Failed).or_else(|| first(Outcome::Warning)).unwrap_or(ExitCode::Done)
}

fn text(results: &Results, is_quiet: bool) -> String {
    let is_told = |check: &&Check| !is_quiet || matches!(check.outcome, Outcome::Warning | Outcome::Failed);
    let mut text = String::new();
    for group in results.checks.chunk_by(|one, other| one.account == other.account) {
        let told: Vec<&Check> = group.iter().filter(is_told).collect();
        let Some(first) = told.first() else { continue };
        text.push_str(first.account.as_deref().unwrap_or("This machine"));
        text.push('\n');
        for check in told {
            let outcome = match check.outcome {
                Outcome::Ok => "ok",
                Outcome::Warning => "warning",
                Outcome::Failed => "FAILED",
                Outcome::Skipped => "-",
            };
            text.push_str(&format!("  {outcome:<8} {:<12} {}\n", check.check, check.text));
            if let Some(hint) = &check.hint {
                text.push_str(&format!("           {:<12} {hint}\n", ""));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_tells_the_exit_code() {
        let failed = |code| Check { outcome: Outcome::Failed, code, ..Check::ok("name", "") };
        let warning = || Check::warning("disk", "full", "make room");
        assert_eq!(code_of(&[Check::ok("disk", ""), Check::skipped("name", "")]), ExitCode::Done);
        assert_eq!(code_of(&[warning(), Check::ok("name", "")]), ExitCode::Held);
        let both = [warning(), failed(ExitCode::Unreachable), failed(ExitCode::SignInRefused)];
        assert_eq!(code_of(&both), ExitCode::Unreachable);
    }
}
