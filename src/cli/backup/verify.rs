//! `pimsync backup verify`: is an archive what was written, and does everything come back out of it?

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Pick, bytes, count};
use crate::backup::{self, ArchiveName, BackupError, Checked, Level, Made, Record, Verified};
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
    /// Look into this directory, instead of the identity's Backups
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Verify all archives
    #[arg(long)]
    all: bool,
    /// Read every byte, and compare it with what was written
    #[arg(long, conflicts_with = "rehearse")]
    read_data: bool,
    /// Restore everything into a temporary directory beside the archive, compare it, and remove it
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
    let pick = Pick { archive: args.archive.as_deref(), from: args.from.as_deref(), at: None };
    let paths = if args.all {
        let found = pick.target(context).archives(context.layout.identity().as_str())?;
        found.into_iter().map(|found| found.path).collect()
    } else {
        vec![pick.one(context)?]
    };
    let mut checked = Checked::default();
    let archives: Vec<Looked> = paths.into_iter().map(|path| look(context, path, args.level(), &mut checked)).collect();
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
    path: &Path,
    level: Level,
    checked: &mut Checked,
) -> Result<Verified, BackupError> {
    let dir = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let verified = backup::verify(path, level, dir, checked);
    let name = path.file_name().and_then(OsStr::to_str).and_then(ArchiveName::parse);
    // Archives can be verified where no identity is; then there is nothing to note it in.
    let layout = &context.layout;
    let Some(name) = name.filter(|name| layout.home().is_dir() && name.identity == layout.identity().as_str()) else {
        return verified;
    };
    match &verified {
        Ok(verified) => {
            let made = Made { number: verified.number, id: verified.id.clone(), created: verified.created.0 };
            Record::note_verified(layout, dir, made, level, context.now())?;
        }
        Err(BackupError::Damaged { archives, .. }) => Record::note_damaged(layout, dir, name.number, archives)?,
        Err(BackupError::Incomplete { .. } | BackupError::Manifest { .. }) => {
            Record::note_damaged(layout, dir, name.number, &[])?;
        }
        // That it could not be looked at says nothing of it.
        Err(_) => {}
    }
    verified
}

fn look(context: &Context, path: PathBuf, level: Level, checked: &mut Checked) -> Looked {
    let verified = verify(context, &path, level, checked);
    let archive = path.display().to_string();
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
