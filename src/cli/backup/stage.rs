//! `pimsync backup --stage DIR -- COMMAND`: the cut for another backup program.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::TargetRun;
use crate::backup::{self, Source};
use crate::cli::ExitCode;
use crate::cli::context::Context;
use crate::cli::output::Output;
use crate::identity::{IdentityLock, Marker};

/// The options that hand the cut to another program.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "For another backup program")]
pub(super) struct Staging {
    /// Lay everything out in DIR, as it was at one moment, run COMMAND in it, and remove it again; no archive is made
    ///
    /// DIR must not exist, or be empty. On the identity's own file system, messages are clones of the files or further links to them, and take no room.
    /// COMMAND finds the path of DIR in PIMSYNC_STAGE.
    #[arg(
        long,
        value_name = "DIR",
        requires = "command",
        conflicts_with_all = ["to", "encrypt_to", "full", "verify", "prune", "database", "outlook_2011", "json"]
    )]
    stage: Option<PathBuf>,
    /// The program that is run, and its arguments: restic backup .
    #[arg(last = true, value_name = "COMMAND", requires = "stage")]
    command: Vec<OsString>,
}

impl Staging {
    /// Lays the cut out and runs the command; nothing where that was not asked for.
    pub(super) fn run(&self, context: &Context, output: &Output) -> anyhow::Result<Option<ExitCode>> {
        let (Some(dir), Some((program, arguments))) = (&self.stage, self.command.split_first()) else {
            return Ok(None);
        };
        let layout = &context.layout;
        let marker = Marker::read(layout)?;
        let _lock = IdentityLock::acquire_for_backup(layout, context.now())?;
        let source = Source::identity(layout, &marker);
        let staged = backup::stage(&source, dir, &layout.staged_record(), context.now())?;
        let report = TargetRun::of_stage(&staged);
        report.complain(output);
        let shown = program.to_string_lossy();
        let ended = Command::new(program)
            .args(arguments)
            .current_dir(staged.dir())
            .env("PIMSYNC_STAGE", staged.dir())
            .status()
            .with_context(|| format!("cannot run {shown}"))?;
        anyhow::ensure!(ended.success(), "{shown} failed ({ended}); its messages say why");
        Ok(Some(if report.needs_attention() { ExitCode::Held } else { ExitCode::Done }))
    }
}
