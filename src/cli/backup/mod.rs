//! `pimsync backup`: archives the identity. Silent when all is well and nobody watches, since cron runs it.

mod list;
mod pick;
mod text;
mod verify;

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use super::context::Context;
use super::failure::Failure;
use super::output::Output;
use super::{ExitCode, Global};
use crate::backup::{self, AlarmKind, BackupError, Source, Taken, Target};
use crate::identity::{IdentityLock, Marker};

pub(super) use pick::{Day, Pick, moment};
pub(super) use text::{bytes, count};

/// Archive the whole identity, above all what is only on this machine
///
/// Writes one file with all that lies in the identity's Database directory: accounts and settings, mail, what is in On My Computer, and
/// what the last sync agreed on. It never holds a password. It can run at any time: it does not wait for a sync and makes none wait, and
/// mail readers may go on. The file has its name only when it is whole and safe on the disk; `tar --zstd -xf` extracts it, too.
///
/// Without a terminal it says nothing when all is well. When messages that the last sync left are gone or changed though no sync did it,
/// or something cannot be read, it says so and ends with 3; the archive is made all the same, and earlier ones stay.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    /// Put the archive into this directory, instead of the identity's Backups; can be given several times
    #[arg(long, value_name = "DIR")]
    to: Vec<PathBuf>,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(list::Args),
    Verify(verify::Args),
}

/// What is told of a run.
#[derive(Serialize)]
struct Results {
    targets: Vec<TargetRun>,
}

/// How it went with one target.
#[derive(Serialize)]
struct TargetRun {
    target: String,
    /// The archive; none when it failed.
    archive: Option<String>,
    number: Option<u32>,
    /// Bytes of the archive.
    length: u64,
    items: u64,
    files: u64,
    /// Bytes of the files.
    bytes: u64,
    /// Messages that the last sync left, and that are gone.
    lost: Vec<String>,
    /// Messages that the last sync left otherwise.
    changed: Vec<String>,
    unread: Vec<UnreadItem>,
    /// Links and other things that are no files.
    left_alone: Vec<String>,
    error: Option<Failure>,
}

#[derive(Serialize)]
struct UnreadItem {
    path: Option<String>,
    reason: String,
}

impl Args {
    pub(super) fn wants_json(&self) -> bool {
        match &self.action {
            Some(Action::List(args)) => args.json,
            Some(Action::Verify(args)) => args.json,
            None => self.json,
        }
    }
}

pub(super) fn run(args: Args, global: Global, output: &Output) -> anyhow::Result<ExitCode> {
    let context = Context::new(global)?;
    match args.action {
        Some(Action::List(args)) => list::run(args, &context, output),
        Some(Action::Verify(args)) => verify::run(args, &context, output),
        None => take(&args.to, &context, output),
    }
}

fn take(to: &[PathBuf], context: &Context, output: &Output) -> anyhow::Result<ExitCode> {
    let marker = Marker::read(&context.layout)?;
    let _lock = IdentityLock::acquire_for_backup(&context.layout, context.now())?;
    let targets = if to.is_empty() {
        context.layout.create()?;
        vec![context.layout.backups()]
    } else {
        to.to_owned()
    };
    let source = Source { layout: &context.layout, marker: &marker };
    let runs: Vec<TargetRun> = targets
        .into_iter()
        .map(|dir| {
            let taken = backup::take(&source, &Target::new(dir.clone()), context.now(), context.env.clock.unique());
            TargetRun::of(dir, taken)
        })
        .collect();
    for run in &runs {
        run.complain(output);
    }
    let code = code_of(&runs);
    let tell = output.is_watched();
    output.results(code, Results { targets: runs }, |results| {
        if tell { results.targets.iter().map(text::taken).collect() } else { String::new() }
    })
}

fn code_of(runs: &[TargetRun]) -> ExitCode {
    let failure = runs.iter().find_map(|run| run.error.as_ref()).map(|failure| failure.code);
    let held = runs.iter().any(TargetRun::needs_attention);
    failure.unwrap_or(if held { ExitCode::Held } else { ExitCode::Done })
}

impl TargetRun {
    fn of(dir: PathBuf, taken: Result<Taken, BackupError>) -> Self {
        let target = dir.display().to_string();
        let (taken, error) = match taken {
            Ok(taken) => (Some(taken), None),
            Err(error) => (None, Some(Failure::of(&error.into()))),
        };
        let alarms = |kind| {
            let alarms = taken.iter().flat_map(|taken| &taken.alarms);
            alarms.filter(|alarm| alarm.kind == kind).map(|alarm| alarm.path.clone()).collect()
        };
        let report = taken.as_ref().map(|taken| taken.report.clone()).unwrap_or_default();
        Self {
            target,
            archive: taken.as_ref().map(|taken| taken.path.display().to_string()),
            number: taken.as_ref().map(|taken| taken.number),
            length: taken.as_ref().map_or(0, |taken| taken.length),
            items: taken.as_ref().map_or(0, |taken| taken.items),
            files: taken.as_ref().map_or(0, |taken| taken.files),
            bytes: taken.as_ref().map_or(0, |taken| taken.bytes),
            lost: alarms(AlarmKind::Lost),
            changed: alarms(AlarmKind::Changed),
            unread: report
                .unread
                .into_iter()
                .map(|unread| UnreadItem { path: unread.path.map(|path| path.to_string()), reason: unread.reason })
                .collect(),
            left_alone: report.left_alone.iter().map(ToString::to_string).collect(),
            error,
        }
    }

    fn needs_attention(&self) -> bool {
        !self.lost.is_empty() || !self.changed.is_empty() || !self.unread.is_empty()
    }

    /// Says on standard error what cron should mail.
    fn complain(&self, output: &Output) {
        if let Some(failure) = &self.error {
            output.complain(failure);
        }
        for line in text::attention(self) {
            output.remark(&format!("pimsync: {line}"));
        }
    }
}
