//! What is said of all that goes on: a calm view on a terminal, a line for each event elsewhere, and numbers for monitoring.

use std::collections::{BTreeMap, BTreeSet};

use indicatif::ProgressBar;
use serde::Serialize;

use super::super::account::{AccountRun, tally_words};
use super::super::failure::Failure;
use super::super::output::{Output, SCHEMA};
use super::super::sync::notices_text;
use super::super::time::{for_people, for_programs};
use super::metrics::{Life, Metrics};
use super::worker::Told;
use crate::remote::Telling;
use crate::sync::Notice;
use crate::sync::hearing::{Listening, PULL_INTERVAL};
use crate::sync::timing::{Scope, Work};
use crate::sync::watch::Board;

/// Says what goes on.
pub(super) struct Teller<'a> {
    output: &'a Output,
    metrics: Option<Metrics>,
    view: Option<ProgressBar>,
    accounts: BTreeMap<String, Seen>,
    /// Why the numbers were not written, as it was told.
    unwritten: Option<String>,
}

/// What was told of an account.
#[derive(Default)]
struct Seen {
    board: Board,
    /// A run of single folders says nothing of others, so that only a check of all can take some away.
    notices: BTreeSet<Notice>,
    failure: Option<String>,
}

/// A run, as a line for programs.
#[derive(Serialize)]
struct RunLine<'a> {
    schema: u32,
    event: &'static str,
    time: String,
    /// The folders that were synchronized; all when none.
    only: Vec<&'a str>,
    /// Folders whose local changes had more time.
    later: Vec<&'a str>,
    #[serde(flatten)]
    run: &'a AccountRun,
}

/// How a server is listened to, as a line for programs.
#[derive(Serialize)]
struct ListeningLine<'a> {
    schema: u32,
    event: &'static str,
    account: &'a str,
    how: &'static str,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(output: &'a Output, metrics: Option<Metrics>) -> Self {
        Self { output, metrics, view: output.view(), accounts: BTreeMap::new(), unwritten: None }
    }

    pub(super) fn tell(&mut self, told: Told) -> anyhow::Result<()> {
        match told {
            Told::Remark(text) => self.output.remark(&format!("pimsync: {text}")),
            Told::Run(work, run) => self.run(&work, &run)?,
            Told::Listening(account, listening) => self.listening(&account, &listening)?,
            Told::Board(account, board) => {
                if let Some(metrics) = &mut self.metrics {
                    metrics.show(&account, &board);
                }
                self.accounts.entry(account).or_default().board = board;
                if let Some(view) = &self.view {
                    view.set_message(self.summary());
                }
            }
        }
        self.write_metrics(Life::Running);
        Ok(())
    }

    pub(super) fn complain(&self, failure: &Failure) {
        self.output.complain(failure);
    }

    /// Numbers that cannot be written are told once, and are no reason to stop.
    pub(super) fn write_metrics(&mut self, life: Life) {
        let Some(metrics) = &self.metrics else { return };
        let error = metrics.write(life).err().map(|error| Failure::of(&error));
        if let Some(failure) = &error
            && self.unwritten.as_ref() != Some(&failure.message)
        {
            self.output.complain(failure);
        }
        self.unwritten = error.map(|failure| failure.message);
    }

    /// How all stands, in one line.
    pub(super) fn summary(&self) -> String {
        let accounts: Vec<String> =
            self.accounts.iter().map(|(name, seen)| format!("{name}: {}", seen.text())).collect();
        accounts.join(" | ")
    }

    fn listening(&self, account: &str, listening: &Listening) -> anyhow::Result<()> {
        let (how, reason, text) = match listening {
            Listening::To(Telling::Streaming) => ("streaming", None, "the server tells of changes at once".to_owned()),
            Listening::To(Telling::Pull) => {
                let seconds = PULL_INTERVAL.as_secs();
                ("pull", None, format!("the server tells of changes when it is asked, every {seconds} seconds"))
            }
            Listening::Not(reason) => (
                "none",
                Some(reason.as_str()),
                format!("the server does not tell of changes, so they are found by checks: {reason}"),
            ),
        };
        let is_news = reason.is_some() || self.output.is_verbose();
        let text = if is_news { format!("{account}: {text}") } else { String::new() };
        self.output.line(&ListeningLine { schema: SCHEMA, event: "listening", account, how, reason }, &text)
    }

    fn run(&mut self, work: &Work, run: &AccountRun) -> anyhow::Result<()> {
        if let Some(metrics) = &mut self.metrics {
            metrics.count(run);
        }
        let seen = self.accounts.entry(run.account.clone()).or_default();
        let message = run.error.as_ref().map(|failure| failure.message.clone());
        let recovered = seen.failure.is_some() && message.is_none();
        if let Some(failure) = &run.error
            && message != seen.failure
        {
            self.output.complain(failure);
        }
        seen.failure = message;
        // What stays as it is was told; `status` goes on telling it.
        let news =
            notices_text(&run.account, run.report.notices.iter().filter(|notice| !seen.notices.contains(notice)));
        if run.error.is_none() {
            if work.scope == Scope::All {
                seen.notices.clear();
            }
            seen.notices.extend(run.report.notices.iter().cloned());
        }
        let text = run_text(work, run, recovered || self.output.is_verbose());
        let text = if news.is_empty() { text } else { format!("{text}\n{news}").trim().to_owned() };
        let (only, later) = match &work.scope {
            Scope::All => (Vec::new(), &work.later),
            Scope::Folders(folders) => (folders.iter().map(String::as_str).collect(), &work.later),
        };
        let later = later.iter().map(String::as_str).collect();
        let time = for_programs(run.ended);
        self.output.line(&RunLine { schema: SCHEMA, event: "run", time, only, later, run }, &text)
    }
}

/// What a run did; nothing where that is nothing, unless all is to be told.
fn run_text(work: &Work, run: &AccountRun, all: bool) -> String {
    let words = match (tally_words(&run.total), &run.error) {
        // That was told already.
        (_, Some(_)) => return String::new(),
        (Some(words), None) => words,
        (None, None) if all => "in step".to_owned(),
        (None, None) => return String::new(),
    };
    let what = match &work.scope {
        Scope::All => String::new(),
        Scope::Folders(folders) => {
            format!(" ({})", folders.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
    };
    format!("{} {}: {words}{what}", for_programs(run.ended), run.account)
}

impl Seen {
    fn text(&self) -> String {
        let board = &self.board;
        let standing = match (&board.under_way, &self.failure) {
            (Some(_), _) => "synchronizing".to_owned(),
            (None, Some(failure)) => failure.clone(),
            (None, None) => "in step".to_owned(),
        };
        let next = board.next_check.map(|time| format!(", next check {}", for_people(time))).unwrap_or_default();
        let pending = match board.pending.len() {
            0 => String::new(),
            1 => ", 1 folder has changes to push".to_owned(),
            many => format!(", {many} folders have changes to push"),
        };
        format!("{standing}{next}{pending}")
    }
}
