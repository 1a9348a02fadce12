//! `pimsync backup`: archives the identity. Silent when all is well and nobody watches, since cron runs it.

mod elsewhere;
mod keep;
mod list;
mod pick;
mod prune;
mod stage;
mod text;
mod verify;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::context::Context;
use super::failure::{Failure, UsageError};
use super::output::Output;
use super::{ExitCode, Global};
use crate::backup::retention::Retention;
use crate::backup::{
    self, Alarm, AlarmKind, BackupError, Checked, CutReport, Extent, Form, Known, Level, Location, Noted, Recipients,
    Record, Sealing, Source, Staged, Stored, Taken, Target, Unread, Verification,
};
use crate::identity::{IdentityLock, Marker};

pub(super) use pick::{Day, Pick, moment};
pub(super) use text::{bytes, count};

/// Archive the whole identity, above all what is only on this machine
///
/// Writes one file with all that lies in the identity's Database directory: accounts and settings, mail, what is in On My Computer, and
/// what the last sync agreed on. What an earlier archive in the same target holds is only listed, and comes back from there; keep them together. It
/// never holds a password. It can run at any time: it does not wait for a sync and makes none wait, and
/// mail readers may go on. The file has its name only when it is whole and safe on the disk; `tar --zstd -xf` extracts it, too.
///
/// Without a terminal it says nothing when all is well. When items that the last sync left are gone or changed though no sync did it,
/// or something cannot be read, it says so and ends with 3; the archive is made all the same, and earlier ones stay.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    /// Put the archive into this directory or s3://BUCKET/PREFIX, instead of the identity's Backups; can be given several times
    ///
    /// A bucket of S3 or of a store that is compatible with it is reached by what the environment says: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and
    /// AWS_SESSION_TOKEN), or PIMSYNC_S3_CREDENTIALS_COMMAND for a command that prints them; AWS_REGION, AWS_ENDPOINT_URL, AWS_CA_BUNDLE.
    #[arg(long, value_name = "TARGET")]
    to: Vec<PathBuf>,
    /// Encrypt the archive with age for this recipient (age1…), so that only who has its key can read it; can be given several times
    ///
    /// age-keygen makes a key and prints its recipient. Keep the key where a fire or a thief on this machine does not reach it, and never only here:
    /// without it nobody reads the archive. It is not needed for backups, only for what is brought back.
    #[arg(long, value_name = "RECIPIENT")]
    encrypt_to: Vec<String>,
    /// Hold everything in the new archive, instead of only what earlier ones in the same target do not hold
    ///
    /// Without it an archive builds upon at most six earlier ones, and holds everything when more than half is new.
    #[arg(long)]
    full: bool,
    /// Read the new archive back, every byte, and compare it with what was written, as backup verify --read-data does
    #[arg(long)]
    verify: bool,
    /// Then remove archives that newer ones stand in for, as pimsync backup prune does; each --keep option asks for it, too
    ///
    /// Nothing is removed after a backup that failed, or that found something lost, changed or unreadable. Archives of another directory are only removed
    /// together with --verify.
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    keeping: keep::Keeping,
    #[command(flatten)]
    elsewhere: elsewhere::Elsewhere,
    #[command(flatten)]
    staging: stage::Staging,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(list::Args),
    Prune(prune::Args),
    Verify(verify::Args),
}

/// What is told of a run.
#[derive(Serialize)]
struct Results {
    targets: Vec<TargetRun>,
}

/// How it went with one target.
#[derive(Default, Serialize)]
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
    /// Files that this archive holds itself.
    stored: u64,
    /// The numbers of the archives that hold the others.
    builds_upon: Vec<u32>,
    /// Messages that the last sync left, and that are gone.
    lost: Vec<String>,
    /// Messages that the last sync left otherwise.
    changed: Vec<String>,
    unread: Vec<UnreadItem>,
    /// Links and other things that are no files.
    left_alone: Vec<String>,
    /// Whether it was read back.
    verified: bool,
    /// What became of older archives; none where they were left alone.
    pruned: Option<prune::Results>,
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
            Some(Action::Prune(args)) => args.json,
            Some(Action::Verify(args)) => args.json,
            None => self.json,
        }
    }
}

pub(super) fn run(args: Args, global: Global, output: &Output) -> anyhow::Result<ExitCode> {
    let context = Context::new(global)?;
    match args.action {
        Some(Action::List(args)) => list::run(args, &context, output),
        Some(Action::Prune(args)) => prune::run(args, &context, output),
        Some(Action::Verify(args)) => verify::run(args, &context, output),
        None => take(&args, &context, output),
    }
}

fn take(args: &Args, context: &Context, output: &Output) -> anyhow::Result<ExitCode> {
    let recipients = Recipients::new(&args.encrypt_to)?;
    let sealing = if args.encrypt_to.is_empty() { Sealing::None } else { Sealing::For(&recipients) };
    if let Some(code) = args.staging.run(context, output)? {
        return Ok(code);
    }
    let home = std::env::var_os("HOME").map(PathBuf::from);
    if let Some(found) = args.elsewhere.find(home.as_deref())? {
        if args.retention().is_some() && !args.verify {
            let why = "archives of another directory are only removed when the new one was read back: add --verify";
            return Err(UsageError(why.to_owned()).into());
        }
        let _lock = found.lock()?;
        let runs = args.to.iter().map(|at| args.take_elsewhere(&found, at, sealing, context)).collect();
        return tell(runs, output);
    }
    let marker = Marker::read(&context.layout)?;
    let _lock = IdentityLock::acquire_for_backup(&context.layout, context.now())?;
    let targets = if args.to.is_empty() {
        context.layout.create()?;
        vec![context.layout.backups()]
    } else {
        args.to.clone()
    };
    tell(targets.iter().map(|at| args.take_one(at, &marker, sealing, context)).collect(), output)
}

fn tell(runs: Vec<TargetRun>, output: &Output) -> anyhow::Result<ExitCode> {
    for run in &runs {
        run.complain(output);
    }
    let code = code_of(&runs);
    let watched = output.is_watched();
    output.results(code, Results { targets: runs }, |results| {
        if watched { results.targets.iter().map(text::taken).collect() } else { String::new() }
    })
}

impl Args {
    /// What is to stay of older archives; nothing where they are left alone.
    fn retention(&self) -> Option<Retention> {
        self.keeping.said().or(self.prune.then_some(Retention::TIME_MACHINE))
    }

    fn take_into(
        &self,
        source: &Source,
        target: &Target,
        known: Option<&Known>,
        sealing: Sealing<'_>,
        context: &Context,
    ) -> Result<Taken, BackupError> {
        let extent = if self.full { Extent::Full } else { Extent::New { known } };
        backup::take(source, target, extent, sealing, context.now(), context.env.clock.unique())
    }

    /// Archives a directory that is no identity; nothing is noted of it.
    fn take_elsewhere(
        &self,
        found: &elsewhere::Found,
        at: &Path,
        sealing: Sealing<'_>,
        context: &Context,
    ) -> TargetRun {
        let target = match context.target(at, None) {
            Ok(target) => target,
            Err(error) => return TargetRun::failed(&at.into(), &error),
        };
        let scratch = target.location().path().map_or_else(std::env::temp_dir, Path::to_owned);
        let source = Source::directory(&found.name, &found.database, &scratch);
        let taken = self.take_into(&source, &target, None, sealing, context);
        let made = taken.as_ref().ok().filter(|_| self.verify).map(|taken| (taken.archive.clone(), taken.note()));
        let mut run = TargetRun::of(&target, taken);
        if let Some((stored, note)) = made
            && let Err(error) = self.finish_elsewhere(&mut run, &source, &stored, note, &scratch, context)
        {
            run.error = Some(Failure::of(&error.into()));
        }
        run
    }

    /// What is done once the archive of another directory is there, of which nothing is noted.
    fn finish_elsewhere(
        &self,
        run: &mut TargetRun,
        source: &Source,
        stored: &Stored,
        note: Noted,
        scratch: &Path,
        context: &Context,
    ) -> Result<(), BackupError> {
        let (mut checked, now) = (Checked::default(), context.now());
        let verification = Verification { archive: note.archive.clone(), at: now.0, rehearsed: false };
        let form = note.form;
        let known = Known { archives: vec![note], verified: vec![verification], ..Known::default() };
        match form {
            Form::Plain => backup::verify(stored, Level::ReadData, scratch, &mut checked)?,
            Form::Sealed => backup::verify_sealed(stored, Level::ReadData, Some(&known), &mut checked)?,
        };
        run.verified = true;
        if let Some(retention) = self.retention().filter(|_| !run.needs_attention()) {
            run.pruned = Some(prune::prune_elsewhere(source, stored.target(), &known, &retention, now)?);
        }
        Ok(())
    }

    fn take_one(&self, at: &Path, marker: &Marker, sealing: Sealing<'_>, context: &Context) -> TargetRun {
        let source = Source::identity(&context.layout, marker);
        let target = match context.target(at, None) {
            Ok(target) => target,
            Err(error) => return TargetRun::failed(&at.into(), &error),
        };
        // What cannot be read of it tells nothing.
        let record = Record::read(&context.layout).unwrap_or_default();
        let known = record.target(&context.layout, target.location());
        let taken = known.and_then(|known| self.take_into(&source, &target, known, sealing, context));
        let made = taken.as_ref().ok().map(|taken| (taken.archive.clone(), taken.note()));
        let mut run = TargetRun::of(&target, taken);
        if let Some((stored, made)) = made
            && let Err(error) = self.finish(&mut run, &stored, made, marker, context)
        {
            run.error = Some(Failure::of(&error));
        }
        run
    }

    /// What is done once the archive is there.
    fn finish(
        &self,
        run: &mut TargetRun,
        stored: &Stored,
        made: Noted,
        marker: &Marker,
        context: &Context,
    ) -> anyhow::Result<()> {
        let target = stored.target();
        Record::note_made(&context.layout, target.location(), made)?;
        if self.verify {
            verify::verify(context, stored, Level::ReadData, &mut Checked::default())?;
            run.verified = true;
        }
        if let Some(retention) = self.retention().filter(|_| !run.needs_attention()) {
            run.pruned = Some(prune::prune(context, marker, target, &retention, prune::Mode::Real)?);
        }
        Ok(())
    }
}

fn code_of(runs: &[TargetRun]) -> ExitCode {
    let failure = runs.iter().find_map(|run| run.error.as_ref()).map(|failure| failure.code);
    let pruned = || runs.iter().filter_map(|run| run.pruned.as_ref()).map(prune::Results::code);
    let held = if runs.iter().any(TargetRun::needs_attention) { ExitCode::Held } else { ExitCode::Done };
    failure.or_else(|| pruned().find(|code| *code != ExitCode::Done)).unwrap_or(held)
}

impl TargetRun {
    fn of(target: &Target, taken: Result<Taken, BackupError>) -> Self {
        match taken {
            Ok(taken) => Self {
                archive: Some(taken.archive.location().to_string()),
                number: Some(taken.number),
                length: taken.length,
                items: taken.items,
                files: taken.files,
                bytes: taken.bytes,
                stored: taken.stored,
                builds_upon: taken.builds_upon.iter().map(|link| link.number).collect(),
                ..Self::met(target.location(), &taken.report, &taken.alarms)
            },
            Err(error) => Self::failed(target.location(), &error.into()),
        }
    }

    fn failed(target: &Location, error: &anyhow::Error) -> Self {
        Self { error: Some(Failure::of(error)), ..Self::met(target, &CutReport::default(), &[]) }
    }

    /// What was met in the tree, whatever became of it.
    fn met(target: &Location, report: &CutReport, alarms: &[Alarm]) -> Self {
        let named = |kind| {
            let alarms = alarms.iter().filter(|alarm| alarm.kind == kind);
            alarms.map(|alarm| alarm.path.clone()).collect()
        };
        let unread = |unread: &Unread| UnreadItem {
            path: unread.path.as_ref().map(ToString::to_string),
            reason: unread.reason.clone(),
        };
        Self {
            target: target.to_string(),
            lost: named(AlarmKind::Lost),
            changed: named(AlarmKind::Changed),
            unread: report.unread.iter().map(unread).collect(),
            left_alone: report.left_alone.iter().map(ToString::to_string).collect(),
            ..Self::default()
        }
    }

    fn of_stage(staged: &Staged) -> Self {
        Self::met(&staged.dir().into(), &staged.report, &staged.alarms)
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
        if let Some(pruned) = &self.pruned {
            pruned.complain(output);
        }
    }
}
