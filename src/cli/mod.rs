//! The command line: one file or directory a subcommand, each with its arguments and its `run`.
//!
//! Raw arguments become a [`context::Context`] once; what a subcommand found out goes to `output`, which alone knows whether people or
//! programs read it; why it failed goes to `failure`, which alone knows exit codes and hints.

mod account;
mod backup;
mod context;
mod demo_server;
mod doctor;
pub mod exit;
mod failure;
mod folders;
mod group;
mod output;
mod progress;
mod restore;
mod send;
mod server_url;
mod setup;
mod status;
mod sync;
mod time;
mod watch;

use std::path::PathBuf;

use clap::{CommandFactory as _, Parser, Subcommand};
pub use exit::{ExitCode, Sysexit};
use output::Output;

/// Keep an Exchange mailbox and a directory of plain files in step, both ways
///
/// pimsync mirrors an Exchange account as plain files: mail as Maildirs that neomutt, aerc and notmuch can work on, contacts, events, tasks
/// and notes as files that khal, khard, todoman or an editor can; and brings what is changed there back to the server. `pimsync setup` sets an account up and synchronizes it for the first time, `pimsync sync`
/// brings both sides in step, `pimsync watch` keeps them so, `pimsync status` tells what is pending, held back or in conflict, `pimsync backup`
/// archives everything, above all what is only on this machine, and `pimsync restore` brings it back. `pimsync send` sends mail as sendmail does. `pimsync group` works on groups of
/// people, which are on this machine only. `pimsync doctor` finds out what is wrong when a sync fails.
///
/// Try it without an Exchange server: `pimsync setup --demo`.
#[derive(Debug, Parser)]
#[command(name = "pimsync", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// The options that every subcommand has.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Where the identities lie, instead of the platform's data folder
    #[arg(long, global = true, value_name = "DIR", env = context::ROOT_VARIABLE, hide_env_values = true)]
    root: Option<PathBuf>,
    /// The identity to work on
    #[arg(long, global = true, value_name = "NAME", default_value = context::DEFAULT_IDENTITY)]
    identity: String,
    /// Write each request and response into a file of this directory, with passwords left out
    ///
    /// The files hold the content of messages. With more than one account each has a directory of its own in DIR.
    #[arg(long, global = true, value_name = "DIR")]
    trace_soap: Option<PathBuf>,
    /// Say nothing but errors and what needs attention
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more on standard error; twice for even more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    Setup(setup::Args),
    Sync(sync::Args),
    Watch(watch::Args),
    Status(status::Args),
    Folders(folders::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Group(group::Args),
    Send(send::Args),
    Doctor(doctor::Args),
    DemoServer(demo_server::Args),
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Self::Setup(_) => "setup",
            Self::Sync(_) => "sync",
            Self::Watch(_) => "watch",
            Self::Status(_) => "status",
            Self::Folders(_) => "folders",
            Self::Backup(_) => "backup",
            Self::Restore(_) => "restore",
            Self::Group(_) => "group",
            Self::Send(_) => "send",
            Self::Doctor(_) => "doctor",
            Self::DemoServer(_) => "demo-server",
        }
    }

    fn wants_json(&self) -> bool {
        match self {
            Self::Setup(args) => args.json,
            Self::Sync(args) => args.json,
            Self::Watch(args) => args.json,
            Self::Status(args) => args.json,
            Self::Folders(args) => args.json,
            Self::Backup(args) => args.wants_json(),
            Self::Restore(args) => args.json,
            Self::Group(args) => args.wants_json(),
            Self::Doctor(args) => args.json,
            Self::Send(_) | Self::DemoServer(_) => false,
        }
    }
}

/// The definition of the command line, from which manual pages and completions are made.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the process's arguments, runs the subcommand and says how it ended.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let usage = if is_send() { ExitCode::Mail(Sysexit::Usage) } else { ExitCode::Usage };
            let code = if error.use_stderr() { usage } else { ExitCode::Done };
            // Nothing can be done about a closed standard output or error.
            let _ = error.print();
            return code;
        }
    };
    // All that is made from here on is its owner's alone, also what SQLite makes.
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    keep_memory();
    let output = Output::new(cli.command.name(), &cli.global, cli.command.wants_json());
    output.start_log();
    let result = match cli.command {
        Command::Setup(args) => setup::run(args, cli.global, &output),
        Command::Sync(args) => sync::run(args, cli.global, &output),
        Command::Watch(args) => watch::run(args, cli.global, &output),
        Command::Status(args) => status::run(args, cli.global, &output),
        Command::Folders(args) => folders::run(args, cli.global, &output),
        Command::Backup(args) => backup::run(args, cli.global, &output),
        Command::Restore(args) => restore::run(args, cli.global, &output),
        Command::Group(args) => group::run(args, cli.global, &output),
        Command::Doctor(args) => doctor::run(args, cli.global, &output),
        Command::Send(args) => Ok(send::run(args, cli.global, &output)),
        Command::DemoServer(args) => demo_server::run(args),
    };
    result.unwrap_or_else(|error| output.failed(&error))
}

/// Lets nobody see what is in this process's memory, passwords among it: no core dump, and on Linux nobody else of the same user. Where the system
/// does not let itself be told, the work goes on.
fn keep_memory() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none);
    // A system that hands dumps to a program of its own does so whatever the limit is.
    #[cfg(target_os = "linux")]
    let limited = limited.and(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable));
    if let Err(error) = limited {
        tracing::debug!(%error, "core dumps could not be switched off");
    }
}

/// Whether the arguments that could not be read were for `send`, whose exit codes are sendmail's.
fn is_send() -> bool {
    let command = Cli::command();
    let is_name = |word: &String| command.get_subcommands().any(|known| known.get_name() == word);
    let mut words = std::env::args_os().skip(1).filter_map(|word| word.into_string().ok());
    words.find(is_name).is_some_and(|word| word == "send")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        command().debug_assert();
    }
}
