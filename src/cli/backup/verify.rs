//! `pimsync backup verify`: is an archive what was written, and does everything come back out of it?

use std::path::PathBuf;

use serde::Serialize;

use super::{Pick, bytes, count};
use crate::backup::{self, ArchiveName, BackupError, Checked, Level, Made, OpenError, Record, Stored, Verified};
use crate::cli::ExitCode;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Verify that an archive is what was written, and that everything comes back out of it
///
/// Without more, footer and manifest of the newest archive are looked at: that takes no time, and shows a file that was cut. Says nothing
/// without a terminal when all is well.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive: its file, or its number; without it, the newest
    #[arg(value_name = "ARCHIVE", conflicts_with = "all")]
    archive: Option<String>,
    /// Look into this directory or s3://BUCKET/PREFIX, instead of the identity's Backups
    #[arg(long, value_name = "TARGET")]
    from: Option<PathBuf>,
    /// The file with the keys of encrypted archives, as age-keygen writes it; instead of it, PIMSYNC_AGE_IDENTITY can name it
    ///
    /// Without a key, an encrypted archive that was made on this machine is compared with what was noted then: the length of its file or, with
    /// --read-data, every byte.
    #[arg(long, value_name = "FILE")]
    age_identity: Option<PathBuf>,
    /// Verify all archives
    #[arg(long)]
    all: bool,
    /// Read every byte, and compare it with what was written
    #[arg(long, conflicts_with = "rehearse")]
    read_data: bool,
    /// Restore everything into a temporary directory beside the archive (or, when it is in a bucket, in the identity's), compare it, and remove it
    #[arg(long)]
    rehearse: bool,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Serialize)]
struct Results {
    level: &'static str,
    archives: Vec<Looked>,
}

#[derive(Serialize)]
struct Looked {
    archive: String,
    items: Option<u64>,
    files: Option<u64>,
    bytes: Option<u64>,
    alarms: Option<u64>,
    error: Option<Failure>,
}

impl Args {
    fn level(&self) -> Level {
        match (self.rehearse, self.read_data) {
            (true, _) => Level::Rehearse,
            (false, true) => Level::ReadData,
            (false, false) => Level::Structure,
        }
    }
}

pub(super) fn run(args: Args, context: &Context, output: &Output) -> anyhow::Result<ExitCode> {
    let pick = Pick {
        archive: args.archive.as_deref(),
        from: args.from.as_deref(),
        at: None,
        keys: args.age_identity.as_deref(),
    };
    let all = if args.all {
        let found = pick.target(context)?.archives(context.layout.identity().as_str())?;
        found.into_iter().map(|found| found.stored).collect()
    } else {
        vec![pick.one(context)?]
    };
    let mut checked = Checked::default();
    let archives: Vec<Looked> =
        all.into_iter().map(|stored| look(context, &stored, args.level(), &mut checked)).collect();
    for failure in archives.iter().filter_map(|looked| looked.error.as_ref()) {
        output.complain(failure);
    }
    let failure = archives.iter().find_map(|looked| looked.error.as_ref()).map(|failure| failure.code);
    let level = match args.level() {
        Level::Structure => "structure",
        Level::ReadData => "read-data",
        Level::Rehearse => "rehearse",
    };
    let tell = output.is_watched();
    output.results(failure.unwrap_or(ExitCode::Done), Results { level, archives }, |results| {
        if tell { results.archives.iter().map(text).collect() } else { String::new() }
    })
}

/// Verifies an archive, and notes how that came out.
pub(super) fn verify(
    context: &Context,
    stored: &Stored,
    level: Level,
    checked: &mut Checked,
) -> Result<Verified, BackupError> {
    let at = stored.target().location();
    let layout = &context.layout;
    let verified = match backup::verify(stored, level, &scratch(context, stored), checked) {
        Err(BackupError::Sealed { source: OpenError::NoKey, .. }) => {
            let record = Record::read(layout)?;
            backup::verify_sealed(stored, level, record.target(layout, at)?, checked)
        }
        verified => verified,
    };
    let name = stored.name().to_str().and_then(ArchiveName::parse);
    // Archives can be verified where no identity is; then there is nothing to note it in.
    let Some(name) = name.filter(|name| layout.home().is_dir() && name.identity == layout.identity().as_str()) else {
        return verified;
    };
    match &verified {
        Ok(verified) => {
            let made = Made { number: verified.number, id: verified.id.clone(), created: verified.created.0 };
            Record::note_verified(layout, at, made, level, context.now())?;
        }
        Err(BackupError::Damaged { archives, .. } | BackupError::SealedChanged { archives, .. }) => {
            Record::note_damaged(layout, at, name.number, archives)?
        }
        Err(BackupError::Incomplete { .. } | BackupError::Manifest { .. }) => {
            Record::note_damaged(layout, at, name.number, &[])?;
        }
        // That it could not be looked at says nothing of it.
        Err(_) => {}
    }
    verified
}

/// Where a rehearsal takes place.
fn scratch(context: &Context, stored: &Stored) -> PathBuf {
    let home = context.layout.home();
    match stored.target().location().path() {
        Some(dir) => dir.to_owned(),
        None if home.is_dir() => home,
        None => std::env::temp_dir(),
    }
}

fn look(context: &Context, stored: &Stored, level: Level, checked: &mut Checked) -> Looked {
    let verified = verify(context, stored, level, checked);
    let archive = stored.location().to_string();
    let told = verified.as_ref().ok();
    Looked {
        archive,
        items: told.map(|verified| verified.items),
        files: told.map(|verified| verified.files),
        bytes: told.map(|verified| verified.bytes),
        alarms: told.map(|verified| verified.alarms),
        error: verified.err().map(|error: BackupError| Failure::of(&error.into())),
    }
}

fn text(looked: &Looked) -> String {
    let (Some(items), Some(files), Some(size)) = (looked.items, looked.files, looked.bytes) else {
        return String::new();
    };
    format!("{}: whole: {}, {}, {}\n", looked.archive, count(items, "item"), count(files, "file"), bytes(size))
}
