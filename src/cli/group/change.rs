//! Changes to groups: made under the identity's lock, against what was read, or only told.

use std::fmt::Write as _;

use serde::Serialize;

use super::member::{MemberLine, line};
use super::shelf::{Shelf, Stored};
use crate::cli::ExitCode;
use crate::cli::context::Context;
use crate::cli::failure::{Hinted, UsageError};
use crate::cli::output::Output;
use crate::format::vcard::group::GroupFile;
use crate::identity::IdentityLock;
use crate::local::Changed;
use crate::local::cards::GroupDir;
use crate::pim::Text;
use crate::pim::group::Group;

/// Most characters of a name, as of a folder's.
const MAX_NAME: usize = 255;

/// What each subcommand that changes something has.
#[derive(Debug, clap::Args)]
pub(super) struct How {
    /// Say what would be done, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

/// The groups while they are being changed. In a dry run there is nothing to write with.
pub(super) struct Desk<'c> {
    context: &'c Context,
    pub(super) shelf: Shelf,
    dir: Option<GroupDir>,
    _lock: Option<IdentityLock>,
}

/// What was done.
#[derive(Debug, Default, Serialize)]
pub(super) struct Results {
    pub(super) dry_run: bool,
    pub(super) action: &'static str,
    pub(super) group: String,
    /// Below the Database directory; none for one that would be made.
    pub(super) file: Option<String>,
    /// The name that it had.
    pub(super) renamed_from: Option<String>,
    pub(super) added: Vec<MemberLine>,
    pub(super) removed: Vec<MemberLine>,
    /// Members that were to be added, and were there already.
    pub(super) already: Vec<MemberLine>,
    /// Groups that a deleted one is still a member of.
    pub(super) still_in: Vec<String>,
    pub(super) problems: Vec<String>,
}

impl<'c> Desk<'c> {
    /// Takes the identity's lock, so that no other run changes a group meanwhile, and only then reads them.
    pub(super) fn open(context: &'c Context, how: &How) -> anyhow::Result<Self> {
        let (lock, dir) = if how.dry_run {
            (None, None)
        } else {
            let lock = IdentityLock::acquire(&context.layout, context.now())?;
            (Some(lock), Some(GroupDir::open(&context.layout.database())?))
        };
        Ok(Self { context, shelf: Shelf::read(context), dir, _lock: lock })
    }

    /// A UID that nobody else has.
    pub(super) fn new_uid(&self) -> crate::pim::group::Uid {
        crate::pim::group::Uid::random(self.context.env.clock.unique())
    }

    /// Writes a new group. Returns where, below the Database directory.
    pub(super) fn create(&self, group: &Group) -> anyhow::Result<Option<String>> {
        let Some(dir) = &self.dir else { return Ok(None) };
        let path = dir.create(group.name.as_str(), &GroupFile::new(group).to_bytes())?;
        Ok(Some(self.shelf.shown(&path)))
    }

    /// Brings a group's file to what `group` says.
    pub(super) fn write(&self, stored: &Stored, group: &Group) -> anyhow::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let mut file = stored.file.clone();
        file.patch(group);
        let new = file.to_bytes();
        if new == stored.bytes {
            return Ok(());
        }
        check(stored, dir.replace(&stored.path, &stored.bytes, &new)?)
    }

    /// Gives a group's file the name that goes with the group's new one. Returns where it is then, below the Database directory.
    pub(super) fn rename_file(&self, stored: &Stored, to: &Text) -> anyhow::Result<String> {
        let Some(dir) = &self.dir else { return Ok(stored.shown.clone()) };
        let path = dir.rename(&stored.path, stored.group.name.as_str(), to.as_str())?;
        Ok(self.shelf.shown(&path))
    }

    pub(super) fn delete(&self, stored: &Stored) -> anyhow::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        check(stored, dir.remove(&stored.path, &stored.bytes)?)
    }

    /// Gives the results, with what could not be read.
    pub(super) fn finish(self, mut results: Results, output: &Output) -> anyhow::Result<ExitCode> {
        results.dry_run = self.dir.is_none();
        results.problems.extend(self.shelf.problems);
        let code = super::code_of(&results.problems, output);
        let quiet = output.is_quiet() && !results.dry_run;
        output.results(code, results, |results| if quiet { String::new() } else { text(results) })
    }
}

fn check(stored: &Stored, changed: Changed) -> anyhow::Result<()> {
    match changed {
        Changed::Done => Ok(()),
        Changed::Vanished | Changed::ChangedMeanwhile => Err(Hinted {
            message: format!(
                "{} was changed by another program in this very moment; that was left as it is",
                stored.shown
            ),
            hint: "run the same command again",
        }
        .into()),
    }
}

/// A name that a group can have.
pub(super) fn group_name(wanted: &str) -> Result<Text, UsageError> {
    let name = wanted.trim();
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.chars().count() > MAX_NAME {
        "it is longer than 255 characters"
    } else if name.chars().any(char::is_control) {
        "it holds a control character"
    } else {
        return Ok(Text::new(name));
    };
    Err(UsageError(format!("{wanted:?} cannot name a group: {reason}")))
}

fn text(results: &Results) -> String {
    let group = line(&results.group);
    let mut text = match (results.action, &results.renamed_from) {
        ("create" | "import", _) => format!("{group} is created\n"),
        ("delete", _) => format!("{group} is deleted\n"),
        (_, Some(from)) => format!("{} is now {group}\n", line(from)),
        _ => String::new(),
    };
    for (members, word) in
        [(&results.added, "added"), (&results.removed, "removed"), (&results.already, "there already")]
    {
        for member in members {
            let remark = member.remark().map(|remark| format!(" ({remark})")).unwrap_or_default();
            let _ = writeln!(text, "{group}: {word}: {}{remark}", member.who());
        }
    }
    for other in &results.still_in {
        let _ = writeln!(text, "{group} is still a member of {}, where it reaches nobody now", line(other));
    }
    if results.dry_run {
        text.insert_str(0, "Would be done (nothing was written):\n");
    }
    text
}
