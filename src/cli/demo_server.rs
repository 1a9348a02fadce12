//! `pimsync demo-server`: runs the embedded Exchange alone.

use super::ExitCode;

/// Run the embedded Exchange server alone, for any EWS client
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: Args) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::Done)
}
