//! `pimsync group expand`: the addresses that groups reach, for mail programs.

use clap::ValueEnum;
use serde::Serialize;

use super::member::line;
use super::mutt::aliases;
use super::shelf::{Shelf, Stored};
use crate::cli::ExitCode;
use crate::cli::context::Context;
use crate::cli::output::Output;
use crate::pim::group::{Expansion, Mailbox, Unreached, UnreachedReason};

/// Print the addresses of a group, one a line
///
/// Groups within groups are opened, and each address comes once. Members that are contacts are reached where these are reached now. Without GROUP
/// all groups are meant. A member that leads nowhere is told on standard error, the others are printed, and the exit code is 3.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The groups, by their names, their files or their UIDs
    #[arg(value_name = "GROUP")]
    groups: Vec<String>,
    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "addresses", conflicts_with = "json")]
    format: Format,
    /// Print the results as a JSON document (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The addresses of all of the groups, one a line
    Addresses,
    /// An alias of mutt or neomutt for each group that reaches anybody; source the file
    Mutt,
}

#[derive(Serialize)]
struct Results {
    /// All addresses, each once.
    addresses: Vec<Address>,
    groups: Vec<Expanded>,
    unreached: Vec<Missed>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Expanded {
    name: String,
    addresses: Vec<Address>,
}

#[derive(Serialize)]
struct Address {
    name: Option<String>,
    address: String,
}

#[derive(Serialize)]
struct Missed {
    group: String,
    member: String,
    reason: &'static str,
}

impl From<&Mailbox> for Address {
    fn from(mailbox: &Mailbox) -> Self {
        let name = Some(mailbox.name.to_string()).filter(|name| !name.is_empty());
        Self { name, address: mailbox.address.to_string() }
    }
}

impl From<&Unreached> for Missed {
    fn from(missed: &Unreached) -> Self {
        let reason = match missed.reason {
            UnreachedReason::Missing => "missing",
            UnreachedReason::NoAddress => "no-address",
            UnreachedReason::Ambiguous(_) => "ambiguous",
            UnreachedReason::Unusable => "unusable",
        };
        Self { group: missed.group.to_string(), member: missed.member.clone(), reason }
    }
}

pub(super) fn run(args: Args, context: &Context, output: &Output) -> anyhow::Result<ExitCode> {
    let mut shelf = Shelf::read(context);
    let book = shelf.book();
    let unread = super::code_of(&shelf.problems, output);
    let groups: Vec<&Stored> = match args.groups.as_slice() {
        [] => shelf.groups.iter().collect(),
        wanted => wanted.iter().map(|wanted| shelf.find(wanted)).collect::<Result<_, _>>()?,
    };
    let expansions: Vec<(&str, Expansion)> =
        groups.iter().map(|stored| (stored.group.name.as_str(), book.expand([&stored.group]))).collect();
    let all = book.expand(groups.iter().map(|stored| &stored.group));
    all.unreached.iter().for_each(|missed| output.remark(&format!("pimsync: {}", told(missed))));
    let code = if all.unreached.is_empty() { unread } else { ExitCode::Held };
    let results = Results {
        addresses: all.mailboxes.iter().map(Address::from).collect(),
        groups: expansions
            .iter()
            .map(|(name, found)| Expanded {
                name: (*name).to_owned(),
                addresses: found.mailboxes.iter().map(Address::from).collect(),
            })
            .collect(),
        unreached: all.unreached.iter().map(Missed::from).collect(),
        problems: shelf.problems.clone(),
    };
    output.results(code, results, |results| match args.format {
        Format::Addresses => results.addresses.iter().map(|found| format!("{}\n", found.address)).collect(),
        Format::Mutt => aliases(&expansions),
    })
}

fn told(missed: &Unreached) -> String {
    let (group, member) = (line(missed.group.as_str()), line(&missed.member));
    match &missed.reason {
        UnreachedReason::Missing => format!(
            "{group}: {member} is no contact and no group that is here, and has no address that was seen; pimsync group remove takes it out"
        ),
        UnreachedReason::NoAddress => format!("{group}: the contact {member} has no address of mail"),
        UnreachedReason::Ambiguous(files) => format!(
            "{group}: files of the contact {member} have different addresses; one was taken, {} has another",
            files.join(", ")
        ),
        UnreachedReason::Unusable => {
            format!("{group}: {member:?} is neither an address nor a UID; pimsync group remove takes it out")
        }
    }
}
