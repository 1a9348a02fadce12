//! A run of the engine over one account, with its place in the list of runs, and what it did in words.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::context::{Context, Link, Way};
use super::failure::Failure;
use super::output::Output;
use super::{ExitCode, time};
use crate::identity::config::Tree;
use crate::identity::{Account, Marker};
use crate::local::MailTree;
use crate::local::outgoing::{OUTGOING, Outgoing};
use crate::pim::UnixTime;
use crate::plan::Brake;
use crate::state::{RunResult, State};
use crate::sync::sending::{SendError, Sender, Which, never_cut};
use crate::sync::{Engine, Mode, Notice, NoticeKind, Observer, Report, Request, Settings, SyncError, Tally};

/// How a run over an account went.
#[derive(Debug, Serialize)]
pub(super) struct AccountRun {
    pub(super) account: String,
    pub(super) result: &'static str,
    #[serde(serialize_with = "time::serialize")]
    pub(super) started: UnixTime,
    #[serde(serialize_with = "time::serialize")]
    pub(super) ended: UnixTime,
    pub(super) total: Tally,
    #[serde(flatten)]
    pub(super) report: Report,
    pub(super) error: Option<Failure>,
}

/// What `state.db` keeps of a run, for `status`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RunNote {
    /// What was done, or why it failed.
    pub(super) text: String,
    /// The folders it was restricted to.
    #[serde(default)]
    pub(super) only: Vec<String>,
    /// The folders that failed, and why.
    #[serde(default)]
    pub(super) failed: BTreeMap<String, String>,
}

impl RunNote {
    fn of(request: &Request, report: &Report) -> Self {
        let failed = report.notices.iter().filter(|notice| notice.kind == NoticeKind::FolderFailed);
        Self {
            text: tally_words(&report.total()).unwrap_or_else(|| "nothing to do".to_owned()),
            only: request.folders.clone(),
            failed: failed.map(|notice| (notice.folder.clone(), notice.text.clone())).collect(),
        }
    }

    fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl AccountRun {
    pub(super) fn code(&self) -> ExitCode {
        match &self.error {
            Some(failure) => failure.code,
            None if self.report.is_clean() => ExitCode::Done,
            None => ExitCode::Held,
        }
    }
}

/// The exit code of several runs: that of the first failure, else whether anything was held.
pub(super) fn code_of(runs: &[AccountRun]) -> ExitCode {
    let failure = runs.iter().find_map(|run| run.error.as_ref()).map(|failure| failure.code);
    let held = runs.iter().any(|run| run.code() == ExitCode::Held);
    failure.unwrap_or(if held { ExitCode::Held } else { ExitCode::Done })
}

/// Synchronizes one account. The identity's lock must be held, unless it is a dry run.
pub(super) fn sync_account(
    context: &Context,
    marker: &Marker,
    account: &Account,
    link: anyhow::Result<Link>,
    request: &Request,
    output: &Output,
) -> AccountRun {
    let started = context.now();
    let ended = link.and_then(|link| {
        let progress = output.progress(account.name.as_str());
        let way = context.way();
        let run = run_engine(&way, marker, account, &link, request, progress.observer());
        let result = context.runtime.block_on(run);
        progress.finish();
        result
    });
    AccountRun::of(account, (started, context.now()), &ended)
}

impl AccountRun {
    /// What is told of a run that ended so.
    pub(super) fn of(
        account: &Account,
        (started, ended): (UnixTime, UnixTime),
        result: &anyhow::Result<Report>,
    ) -> Self {
        let (report, error) = match result {
            Ok(report) => (report.clone(), None),
            Err(error) => (Report::default(), Some(Failure::of(error))),
        };
        let (account, total) = (account.name.to_string(), report.total());
        Self { account, result: result_of(result).as_str(), started, ended, total, report, error }
    }
}

fn result_of(ended: &anyhow::Result<Report>) -> RunResult {
    match ended {
        Ok(report) if report.is_clean() => RunResult::Done,
        Ok(_) => RunResult::Held,
        Err(_) => RunResult::Failed,
    }
}

/// Runs the engine over an account, and notes the run.
pub(super) async fn run_engine(
    way: &Way,
    marker: &Marker,
    account: &Account,
    link: &Link,
    request: &Request,
    observer: Arc<dyn Observer>,
) -> anyhow::Result<Report> {
    let layout = &way.layout;
    let request = &fenced(request, marker);
    let state = match request.mode {
        Mode::Apply => way.state()?,
        Mode::DryRun if layout.state().exists() => Arc::new(State::copy_in_memory(&layout.state())?),
        Mode::DryRun => Arc::new(State::in_memory()?),
    };
    let local = Arc::new(open_tree(way, &state, account)?.remembering(Arc::clone(&way.remembered)));
    let journal = Journal::begin(way, &state, account, request)?;
    let engine = Engine {
        remote: Arc::clone(&link.client),
        local,
        state: Arc::clone(&state),
        env: way.env.clone(),
        settings: Settings {
            account: account.name.to_string(),
            identity: marker.identity.clone(),
            policy: account.conflicts,
            folders_at_once: account.folders_at_a_time.into(),
        },
        observer,
    };
    let notices = post(way, marker, account, link, request).await;
    let result = engine.run(request).await.map(|mut report| {
        report.notices.extend(notices);
        report
    });
    // One that was stopped has not ended: the next goes on where it was.
    if matches!(result, Err(SyncError::CutOff(_))) {
        return Ok(result?);
    }
    let result = result.map_err(anyhow::Error::from);
    journal.end(way, &state, request, &result)?;
    result
}

/// Opens the directory of a tree. That of public folders or another mailbox is made when it is named; once there were any folders, its absence is
/// no wish.
fn open_tree(way: &Way, state: &State, account: &Account) -> anyhow::Result<MailTree> {
    let (database, name, clock) = (way.layout.database(), account.name.as_str(), way.env.clock.clone());
    let was_there = state.read(|state| match state.account(name)? {
        Some(account) => Ok(!state.folders(account.key)?.is_empty()),
        None => Ok(false),
    })?;
    Ok(match account.tree {
        Tree::PublicFolders { .. } | Tree::OtherMailbox { .. } if !was_there => {
            MailTree::create(&database, name, clock)?
        }
        Tree::PublicFolders { .. } | Tree::OtherMailbox { .. } | Tree::Mailbox => {
            MailTree::open(&database, name, clock)?
        }
    })
}

/// Sends the letters that wait; what of them a person should know. Only a run over everything does, so that what was sent comes into Sent Items.
async fn post(way: &Way, marker: &Marker, account: &Account, link: &Link, request: &Request) -> Vec<Notice> {
    if request.mode == Mode::DryRun || !request.folders.is_empty() || account.tree != Tree::Mailbox {
        return Vec::new();
    }
    let outgoing = Outgoing::of(&way.layout.database());
    let name = account.name.as_str();
    let clock = &*way.env.clock;
    let sender = Sender { remote: &*link.client, outgoing: &outgoing, account: name, clock, fault: &never_cut };
    let posted = if marker.fence.is_some() { sender.hold(RESTORED) } else { sender.flush(Which::Due).await };
    match posted {
        Ok(posted) => posted.notices,
        // The run finds it out, too, and tells it.
        Err(SendError::Remote(error)) => {
            tracing::info!(%error, "letters that wait were not sent");
            Vec::new()
        }
        Err(error) => {
            let (folder, kind) = (OUTGOING.to_owned(), NoticeKind::FolderFailed);
            vec![Notice { folder, kind, item: None, text: error.to_string() }]
        }
    }
}

/// Why letters of an identity that was restored stay: they may have been sent after the backup.
const RESTORED: &str =
    "the identity was restored from a backup: it is sent once pimsync sync --allow-deletes has confirmed that";

/// What is asked of a run over an identity that was restored.
fn fenced(request: &Request, marker: &Marker) -> Request {
    let brake = match request.brake {
        Brake::On if marker.fence.is_some() => Brake::Fenced,
        brake => brake,
    };
    Request { brake, ..request.clone() }
}

/// The run's place in the list of runs; none for a dry run.
struct Journal(Option<i64>);

impl Journal {
    fn begin(way: &Way, state: &State, account: &Account, request: &Request) -> anyhow::Result<Self> {
        if request.mode == Mode::DryRun {
            return Ok(Self(None));
        }
        let now = way.now();
        let run = state.jot(|state| {
            let account = state.ensure_account(account.name.as_str())?;
            state.begin_run(account, now)
        })?;
        Ok(Self(Some(run)))
    }

    fn end(self, way: &Way, state: &State, request: &Request, result: &anyhow::Result<Report>) -> anyhow::Result<()> {
        let Some(run) = self.0 else { return Ok(()) };
        let note = match result {
            Ok(report) => RunNote::of(request, report),
            Err(error) => RunNote { text: Failure::of(error).message, ..RunNote::default() },
        };
        let ended = state.jot(|state| state.end_run(run, way.now(), result_of(result), &note.to_text()));
        match result {
            Ok(_) => Ok(ended?),
            // Why the run failed matters more than that this cannot be noted.
            Err(_) => Ok(()),
        }
    }
}

/// `3 downloaded, 1 uploaded`; `None` when nothing was done.
pub(super) fn tally_words(tally: &Tally) -> Option<String> {
    let parts = [
        (tally.downloaded, "downloaded"),
        (tally.uploaded, "uploaded"),
        (tally.changed_here, "changed here"),
        (tally.changed_there, "changed on the server"),
        (tally.moved_here, "moved here"),
        (tally.moved_there, "moved on the server"),
        (tally.deleted_here, "deleted here"),
        (tally.deleted_there, "deleted on the server"),
        (tally.adopted, "found on both sides"),
        (tally.conflicts, "kept as a conflict copy"),
    ];
    let words: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(error: Option<ExitCode>, clean: bool) -> AccountRun {
        let mut report = Report::default();
        if !clean {
            let text = String::new();
            report.notices.push(crate::sync::Notice { folder: text.clone(), kind: NoticeKind::Held, item: None, text });
        }
        let error = error.map(|code| Failure { kind: "failed", message: String::new(), hint: None, code });
        let (started, ended) = (UnixTime(0), UnixTime(0));
        AccountRun { account: String::new(), result: "", started, ended, total: Tally::default(), report, error }
    }

    #[test]
    fn a_failure_outweighs_what_was_held() {
        assert_eq!(code_of(&[run(None, true)]), ExitCode::Done);
        assert_eq!(code_of(&[run(None, true), run(None, false)]), ExitCode::Held);
        assert_eq!(code_of(&[run(None, false), run(Some(ExitCode::Unreachable), true)]), ExitCode::Unreachable);
        assert_eq!(
            code_of(&[run(Some(ExitCode::SignInRefused), true), run(Some(ExitCode::Unreachable), true)]),
            ExitCode::SignInRefused
        );
    }

    #[test]
    fn words_tell_only_what_was_done() {
        assert_eq!(tally_words(&Tally::default()), None);
        let tally = Tally { downloaded: 3, moved_there: 1, ..Tally::default() };
        assert_eq!(tally_words(&tally).unwrap(), "3 downloaded, 1 moved on the server");
    }
}
