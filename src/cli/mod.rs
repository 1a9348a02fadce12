//! The command line: one file a subcommand, each with its arguments and its `run`.

mod demo_server;
pub mod exit;

use clap::{Parser, Subcommand};
pub use exit::ExitCode;

/// Keep an Exchange mailbox and a directory of plain files in step, both ways
#[derive(Debug, Parser)]
#[command(name = "pimsync", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    DemoServer(demo_server::Args),
}

/// Parses the process's arguments, runs the subcommand and says how it ended.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done };
            // Nothing can be done about a closed standard output or error.
            let _ = error.print();
            return code;
        }
    };
    let result = match cli.command {
        Command::DemoServer(args) => demo_server::run(args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("pimsync: {error:#}");
        ExitCode::Failed
    })
}
