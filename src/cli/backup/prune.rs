//! `pimsync backup prune`: removes archives that others stand in for, and says why each stays or goes.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::keep::Keeping;
use super::{Pick, bytes, count};
use crate::backup::retention::{Reason, Retention, Verdict};
use crate::backup::{self, BackupError, Known, Pruned, Record, Source, Target, Weighed};
use crate::cli::ExitCode;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::time::{self, for_people};
use crate::identity::{IdentityLock, Marker};
use crate::pim::UnixTime;

/// Remove archives that newer ones stand in for
///
/// Without more, archives are thinned out as Time Machine does it: one of each hour stays for 24 hours, one of each day for a month (31 days), one
/// of each week for ever. With any of the --keep options only what they say stays. It is said of each archive why it stays or goes.
///
/// Whatever is asked for, these stay: the newest archive; the newest one that was verified with --read-data or --rehearse; the newest one from
/// a time when nothing was lost; what others build upon; what cannot be read, and all that is older than that; other identities' archives; and those
/// whose time does not fit to their number, since then a clock was wrong.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Look into this directory or s3://BUCKET/PREFIX, instead of the identity's Backups
    #[arg(long, value_name = "TARGET")]
    from: Option<PathBuf>,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    keeping: Keeping,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

/// What became of a target's archives.
#[derive(Serialize)]
pub(super) struct Results {
    target: String,
    dry_run: bool,
    archives: Vec<Judged>,
    dropped: u64,
    /// Bytes.
    freed: u64,
    /// Why some that could go did not.
    errors: Vec<Failure>,
}

#[derive(Serialize)]
struct Judged {
    archive: String,
    number: u32,
    #[serde(serialize_with = "time::serialize")]
    created: UnixTime,
    length: u64,
    verdict: &'static str,
    reasons: Vec<Told>,
    error: Option<Failure>,
}

#[derive(Serialize)]
struct Told {
    reason: &'static str,
    /// The archive that it is because of.
    by: Option<u32>,
}

/// Whether archives go, or it is only said which would.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Real,
    Dry,
}

pub(super) fn run(args: Args, context: &Context, output: &Output) -> anyhow::Result<ExitCode> {
    let marker = Marker::read(&context.layout)?;
    let _lock = IdentityLock::acquire_for_backup(&context.layout, context.now())?;
    let target = Pick { archive: None, from: args.from.as_deref(), at: None, keys: None }.target(context)?;
    let retention = args.keeping.said().unwrap_or(Retention::TIME_MACHINE);
    let mode = if args.dry_run { Mode::Dry } else { Mode::Real };
    let results = prune(context, &marker, &target, &retention, mode)?;
    results.complain(output);
    let quiet = output.is_quiet();
    output.results(results.code(), results, |results| if quiet { String::new() } else { text(results) })
}

/// Removes what can go from a target of another directory, whose newest archive was just verified. The caller must hold the directory's lock.
pub(super) fn prune_elsewhere(
    source: &Source,
    target: &Target,
    known: &Known,
    retention: &Retention,
    now: UnixTime,
) -> Result<Results, BackupError> {
    let weighed = backup::weigh(target, source.id(), source.name(), Some(known), retention, now)?;
    let pruned = backup::prune(&weighed);
    Ok(Results::of(target, weighed, pruned, Mode::Real))
}

/// Removes what can go from a target. The caller must hold the lock of backups.
pub(super) fn prune(
    context: &Context,
    marker: &Marker,
    target: &Target,
    retention: &Retention,
    mode: Mode,
) -> anyhow::Result<Results> {
    let (layout, now) = (&context.layout, context.now());
    let record = Record::read(layout)?;
    let known = record.target(layout, target.location())?;
    let weighed = backup::weigh(target, &marker.identity, layout.identity().as_str(), known, retention, now)?;
    let pruned = match mode {
        Mode::Real => backup::prune(&weighed),
        Mode::Dry => would_go(&weighed),
    };
    if mode == Mode::Real && !pruned.dropped.is_empty() {
        Record::note_gone(layout, target.location(), &pruned.dropped)?;
    }
    Ok(Results::of(target, weighed, pruned, mode))
}

fn would_go(weighed: &[Weighed]) -> Pruned {
    let going = || weighed.iter().filter(|weighed| matches!(weighed.verdict, Verdict::Drop(_)));
    Pruned {
        dropped: going().map(|weighed| weighed.found.name.number).collect(),
        freed: going().map(|weighed| weighed.found.length).sum(),
        failed: Vec::new(),
    }
}

impl Results {
    fn of(target: &Target, weighed: Vec<Weighed>, pruned: Pruned, mode: Mode) -> Self {
        Self {
            target: target.location().to_string(),
            dry_run: mode == Mode::Dry,
            archives: weighed.into_iter().map(Judged::of).collect(),
            dropped: pruned.dropped.len() as u64,
            freed: pruned.freed,
            errors: pruned.failed.into_iter().map(|error| Failure::of(&error.into())).collect(),
        }
    }

    pub(super) fn code(&self) -> ExitCode {
        match self.errors.first() {
            Some(failure) => failure.code,
            None if self.archives.iter().any(|judged| judged.error.is_some()) => ExitCode::Held,
            None => ExitCode::Done,
        }
    }

    pub(super) fn complain(&self, output: &Output) {
        let unreadable = self.archives.iter().filter_map(|judged| judged.error.as_ref());
        for failure in unreadable.chain(&self.errors) {
            output.complain(failure);
        }
    }

    /// What went, in a line; nothing where nothing did.
    pub(super) fn summary(&self) -> String {
        if self.dropped == 0 {
            return String::new();
        }
        let would = if self.dry_run { "would be " } else { "" };
        let (dropped, left) = (count(self.dropped, "archive"), self.archives.len() as u64 - self.dropped);
        format!("{dropped} {would}removed from {}, {} freed; {left} stay\n", self.target, bytes(self.freed))
    }
}

impl Judged {
    fn of(weighed: Weighed) -> Self {
        let (verdict, reasons) = match &weighed.verdict {
            Verdict::Keep(reasons) => ("keep", reasons.iter().map(|reason| Told::of(*reason)).collect()),
            Verdict::Drop(proof) => ("drop", vec![Told { reason: "superseded", by: Some(proof.by()) }]),
        };
        Self {
            archive: weighed.found.name.to_string(),
            number: weighed.found.name.number,
            created: weighed.found.name.created,
            length: weighed.found.length,
            verdict,
            reasons,
            error: weighed.error.map(|error| Failure::of(&error.into())),
        }
    }
}

impl Told {
    fn of(reason: Reason) -> Self {
        let (reason, by) = match reason {
            Reason::Newest => ("newest", None),
            Reason::NewestVerified => ("newest-verified", None),
            Reason::NewestSound => ("newest-sound", None),
            Reason::Last => ("last", None),
            Reason::Hour => ("hour", None),
            Reason::Day => ("day", None),
            Reason::Week => ("week", None),
            Reason::Month => ("month", None),
            Reason::Year => ("year", None),
            Reason::Needed(by) => ("needed", Some(by)),
            Reason::MayBeNeeded(by) => ("may-be-needed", Some(by)),
            Reason::OddTime => ("odd-time", None),
            Reason::Foreign => ("foreign", None),
            Reason::Unreadable => ("unreadable", None),
        };
        Self { reason, by }
    }

    fn words(&self) -> String {
        let by = self.by.map(|by| format!("{by:06}")).unwrap_or_default();
        match self.reason {
            "newest" => "the newest".to_owned(),
            "newest-verified" => "the newest that was verified".to_owned(),
            "newest-sound" => "the newest from when nothing was lost".to_owned(),
            "last" => "of the last ones".to_owned(),
            "needed" => format!("{by} builds upon it"),
            "may-be-needed" => format!("{by} cannot be read, and may build upon it"),
            "odd-time" => "its time does not fit to its number".to_owned(),
            "foreign" => "another identity's".to_owned(),
            "unreadable" => "it cannot be read".to_owned(),
            "superseded" => format!("{by} is newer, and stays"),
            period => format!("of its {period}"),
        }
    }
}

fn text(results: &Results) -> String {
    if results.archives.is_empty() {
        return format!("There is no archive in {}.\n", results.target);
    }
    let mut text = String::new();
    for judged in &results.archives {
        let reasons: Vec<String> = judged.reasons.iter().map(Told::words).collect();
        let created = for_people(judged.created);
        let _ = writeln!(text, "{}  {:06}  {created}  {}", judged.verdict, judged.number, reasons.join(", "));
    }
    let summary = results.summary();
    text + if summary.is_empty() { "Nothing goes.\n" } else { &summary }
}
