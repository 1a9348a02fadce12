//! Many accounts at once, from a file that says how they are to be:
//!
//! ```toml
//! [[account]]
//! identity = "Main"                 # the one of --identity, if left out
//! email = "anna@example.org"
//! password_command = "pass show mail/anna"
//! # and any of: server user auth client_id tenant authority grant scope token_command password_credential password_file
//! # ca_file pin client_certificate proxy impersonate mailboxes allow_redirect conflicts meetings folders_at_a_time
//! ```
//!
//! Each is set up as by arguments of the same names; one that fails holds up no other.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Parser;
use serde::{Deserialize, Serialize};
use toml::{Spanned, Value};

use super::values::Values;
use super::{Args, Results, checked, set_up};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::output::Output;
use crate::cli::{ExitCode, Global, sync};
use crate::identity::IdentityName;
use crate::identity::config::MOST_FOLDERS;
use crate::pim::event::Mailing;
use crate::plan::ConflictPolicy;
use crate::sync::Mode;

/// What are arguments of `pimsync setup`, too.
const ARGUMENTS: [&str; 17] = [
    "server",
    "user",
    "auth",
    "client_id",
    "tenant",
    "authority",
    "grant",
    "scope",
    "token_command",
    "password_command",
    "password_credential",
    "password_file",
    "ca_file",
    "pin",
    "client_certificate",
    "proxy",
    "impersonate",
];

/// Which of them are paths: relative ones begin where the file lies.
const PATHS: [&str; 3] = ["password_file", "ca_file", "client_certificate"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    account: Vec<Spanned<RawEntry>>,
}

#[derive(Deserialize)]
struct RawEntry {
    identity: Option<String>,
    email: String,
    #[serde(default)]
    allow_redirect: Vec<String>,
    #[serde(default)]
    mailboxes: Vec<String>,
    conflicts: Option<String>,
    meetings: Option<String>,
    folders_at_a_time: Option<u8>,
    #[serde(flatten)]
    arguments: BTreeMap<String, Value>,
}

/// An account as it is to be.
struct Entry {
    identity: IdentityName,
    args: Args,
    conflicts: Option<ConflictPolicy>,
    meetings: Option<Mailing>,
    folders_at_a_time: Option<u8>,
}

/// As many arguments as an entry can have.
#[derive(Parser)]
#[command(name = "setup")]
struct Alone {
    #[command(flatten)]
    args: Args,
}

/// How it went with an account.
#[derive(Serialize)]
struct Done {
    identity: String,
    #[serde(flatten)]
    results: Option<Results>,
    /// The address, where there are no results.
    #[serde(rename = "email", skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
    error: Option<Failure>,
    #[serde(skip)]
    code: ExitCode,
}

#[derive(Serialize)]
struct All {
    accounts: Vec<Done>,
}

pub(super) fn run(file: &Path, args: &Args, global: &Global, output: &Output) -> anyhow::Result<ExitCode> {
    let entries = read(file, args, global)?;
    let mut all = All { accounts: Vec::new() };
    for entry in entries {
        let (identity, email) = (entry.identity.as_str().to_owned(), entry.args.email.clone());
        let done = match one(entry, global, output) {
            Ok(results) => Done { identity, code: results.code, results: Some(results), failed: None, error: None },
            Err(error) => {
                let failure = Failure::of(&error);
                output.remark(&format!("{}:", email.as_deref().unwrap_or_default()));
                output.complain(&failure);
                Done { identity, code: failure.code, results: None, failed: email, error: Some(failure) }
            }
        };
        all.accounts.push(done);
    }
    let first = |is_meant: fn(&Done) -> bool| all.accounts.iter().find(|done| is_meant(done)).map(|done| done.code);
    let failed = first(|done| !matches!(done.code, ExitCode::Done | ExitCode::Held));
    let code = failed.or_else(|| first(|done| done.code == ExitCode::Held)).unwrap_or(ExitCode::Done);
    output.results(code, all, |all| text(all, args, output))
}

fn one(entry: Entry, global: &Global, output: &Output) -> anyhow::Result<Results> {
    let global = Global { identity: entry.identity.as_str().to_owned(), ..global.clone() };
    let context = Context::new(global)?;
    let mut values = Values::gather(&context, &entry.args)?;
    let account = &mut values.account;
    account.conflicts = entry.conflicts.unwrap_or(account.conflicts);
    account.meetings = entry.meetings.unwrap_or(account.meetings);
    account.folders_at_a_time = entry.folders_at_a_time.unwrap_or(account.folders_at_a_time);
    set_up(&context, &mut values, &entry.args, output)
}

fn read(file: &Path, args: &Args, global: &Global) -> anyhow::Result<Vec<Entry>> {
    let told = file.display();
    let wrong = |reason: String| UsageError(format!("{told}{reason}"));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(format!(": {error}")))?;
    let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    // The error's own text would show the line, with what may be a misplaced password.
    let raw: RawFile = toml::from_str(&text).map_err(|error| {
        let place = error.span().map(|span| format!(", line {}", line(span.start))).unwrap_or_default();
        wrong(format!("{place}: {}", error.message()))
    })?;
    let here = file.parent().unwrap_or(Path::new(""));
    let mut entries: Vec<Entry> = Vec::new();
    for spanned in raw.account {
        let at = line(spanned.span().start);
        let entry = spanned.into_inner();
        let email = entry.email.clone();
        let entry =
            entry.check(args, global, here).map_err(|reason| wrong(format!(", line {at}: {email}: {reason}")))?;
        let is_same = |other: &Entry| {
            let emails = (other.args.email.as_deref().unwrap_or_default(), email.as_str());
            other.identity == entry.identity && emails.0.eq_ignore_ascii_case(emails.1)
        };
        if entries.iter().any(is_same) {
            return Err(wrong(format!(", line {at}: {email} is there twice")).into());
        }
        entries.push(entry);
    }
    Ok(entries)
}

impl RawEntry {
    fn check(self, args: &Args, global: &Global, here: &Path) -> Result<Entry, String> {
        let mut words = vec!["setup".to_owned()];
        for (key, value) in &self.arguments {
            if !ARGUMENTS.contains(&key.as_str()) {
                return Err(format!("{key:?} is no key; pimsync-identity(5) lists them"));
            }
            // Its value is not told back: it may be a misplaced password.
            let Value::String(value) = value else { return Err(format!("{key} must be a text")) };
            let value = if PATHS.contains(&key.as_str()) {
                here.join(value).to_string_lossy().into_owned()
            } else {
                value.clone()
            };
            words.push(format!("--{}={value}", key.replace('_', "-")));
        }
        words.extend(self.allow_redirect.iter().map(|host| format!("--allow-redirect={host}")));
        words.extend(self.mailboxes.iter().map(|mailbox| format!("--mailbox={mailbox}")));
        words.push("--non-interactive".to_owned());
        words.extend(args.no_sync.then(|| "--no-sync".to_owned()));
        words.extend(args.check.then(|| "--check".to_owned()));
        words.extend(["--".to_owned(), self.email]);
        let Alone { args } = Alone::try_parse_from(words).map_err(|error| first_line(&error))?;
        let identity = self.identity.as_deref().unwrap_or(&global.identity);
        let identity = IdentityName::new(identity).map_err(|error| error.to_string())?;
        let conflicts = chosen(self.conflicts.as_deref(), ConflictPolicy::from_word, "conflicts")?;
        let meetings = chosen(self.meetings.as_deref(), Mailing::from_word, "meetings")?;
        if self.folders_at_a_time.is_some_and(|number| !(1..=MOST_FOLDERS).contains(&number)) {
            return Err(format!("folders_at_a_time must be 1 to {MOST_FOLDERS}"));
        }
        Ok(Entry { identity, args, conflicts, meetings, folders_at_a_time: self.folders_at_a_time })
    }
}

fn chosen<T>(word: Option<&str>, from_word: impl Fn(&str) -> Option<T>, key: &str) -> Result<Option<T>, String> {
    let choose = |word: &str| from_word(word).ok_or_else(|| format!("{key} has a value that is not known"));
    word.map(choose).transpose()
}

/// What an argument's error says first; the rest is how to write a command line.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn text(all: &All, args: &Args, output: &Output) -> String {
    let mut text = String::new();
    for Done { identity, results, .. } in &all.accounts {
        let Some(results) = results else { continue };
        if args.check {
            text.push_str(&checked(results));
            continue;
        }
        let told = if output.is_quiet() { sync::Told::Attention } else { sync::Told::All };
        let runs = results.sync.iter().chain(&results.others);
        let synced: String = runs.map(|run| sync::text(run, Mode::Apply, told)).collect();
        if !output.is_quiet() {
            let what = if results.changed { "is set up" } else { "was set up already; nothing was changed" };
            text.push_str(&format!("{identity}: {} {what}.\n", results.account));
        }
        text.push_str(&synced);
    }
    text
}
