//! `pimsync group`: groups of people, which are on this computer only. Nothing but `import` asks a server.

mod change;
mod edit;
mod expand;
mod import;
mod list;
mod member;
mod mutt;
mod shelf;
mod show;

use clap::Subcommand;

use super::context::Context;
use super::output::Output;
use super::{ExitCode, Global};
use crate::identity::Marker;

/// Work on groups of people, which are on this computer only
///
/// A group is a vCard with KIND:group in On My Computer/Groups; it is never synchronized, and always backed up. A GROUP is named by its name, its
/// file or its UID. A member is an address, a contact or another group. One that is a contact follows it: when the contact gets another address, the
/// group reaches it there; when the contact is gone, the address that was last seen stays in the group.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(list::Args),
    Show(show::Args),
    Create(edit::CreateArgs),
    Add(edit::AddArgs),
    Remove(edit::RemoveArgs),
    Rename(edit::RenameArgs),
    Delete(edit::DeleteArgs),
    Expand(expand::Args),
    Import(import::Args),
}

impl Args {
    pub(super) fn wants_json(&self) -> bool {
        match &self.action {
            Action::List(args) => args.json,
            Action::Show(args) => args.json,
            Action::Create(args) => args.how.json,
            Action::Add(args) => args.how.json,
            Action::Remove(args) => args.how.json,
            Action::Rename(args) => args.how.json,
            Action::Delete(args) => args.how.json,
            Action::Expand(args) => args.json,
            Action::Import(args) => args.how.json,
        }
    }
}

pub(super) fn run(args: Args, global: Global, output: &Output) -> anyhow::Result<ExitCode> {
    let context = Context::new(global)?;
    Marker::read(&context.layout)?;
    match args.action {
        Action::List(args) => list::run(args, &context, output),
        Action::Show(args) => show::run(args, &context, output),
        Action::Create(args) => edit::create(args, &context, output),
        Action::Add(args) => edit::add(args, &context, output),
        Action::Remove(args) => edit::remove(args, &context, output),
        Action::Rename(args) => edit::rename(args, &context, output),
        Action::Delete(args) => edit::delete(args, &context, output),
        Action::Expand(args) => expand::run(args, &context, output),
        Action::Import(args) => import::run(args, &context, output),
    }
}

/// Says what could not be read, and which exit code tells it.
fn code_of(problems: &[String], output: &Output) -> ExitCode {
    problems.iter().for_each(|problem| output.remark(&format!("pimsync: {problem}")));
    if problems.is_empty() { ExitCode::Done } else { ExitCode::Held }
}
