//! `pimsync backup verify`: is an archive what was written, and does everything come back out of it?

use std::path::PathBuf;

use serde::Serialize;

use super::{Pick, bytes, count};
use crate::backup::{self, BackupError, Level};
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
    let archives: Vec<Looked> = paths.into_iter().map(|path| look(path, args.level())).collect();
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

fn look(path: PathBuf, level: Level) -> Looked {
    let scratch = path.parent().map(PathBuf::from).filter(|parent| !parent.as_os_str().is_empty());
    let verified = backup::verify(&path, level, &scratch.unwrap_or_else(|| PathBuf::from(".")));
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
