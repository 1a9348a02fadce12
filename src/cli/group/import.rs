//! `pimsync group import`: copies the present members of a distribution list of the server into a group. The one action that asks a server.

use std::collections::BTreeSet;

use super::change::{Desk, How, Results, group_name};
use super::member::{MemberLine, line};
use crate::cli::ExitCode;
use crate::cli::context::{Company, Context, chosen};
use crate::cli::failure::UsageError;
use crate::cli::output::Output;
use crate::identity::Account;
use crate::pim::group::{AddressBook, Entered, Group, Mailbox, Roll};
use crate::pim::{ItemId, Text};
use crate::remote::{FoundList, ListId, ListMember, RemoteError, RemoteRead};

/// So many lists are named where a name can mean several.
const NAMED: usize = 8;

/// Copy the members that a distribution list of the server has now into a new group
///
/// The list is one of the directory, or a personal one among your contacts on the server. A personal list within it is copied, too; one of the
/// directory becomes a member by its address, which the server opens for each message. From then on the group is on its own: it does not follow the list.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The list, by its name, how that begins, or its address
    #[arg(value_name = "LIST")]
    list: String,
    /// The name of the group, instead of the list's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The account on whose server the list is; needed where the identity has several
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    #[command(flatten)]
    pub(super) how: How,
}

pub(super) fn run(args: Args, context: &Context, output: &Output) -> anyhow::Result<ExitCode> {
    let name = args.name.as_deref().map(group_name).transpose()?;
    let identity = context.identity()?;
    let account = match chosen(&identity.config, args.account.as_deref())?.as_slice() {
        [account] => *account,
        _ => {
            return Err(
                UsageError("this identity has several accounts: say with --account whose is meant".to_owned()).into()
            );
        }
    };
    let copied = copy(&args.list, account, context)?;
    let name = match name {
        Some(name) => name,
        None => group_name(&line(&copied.name))?,
    };
    let mut desk = Desk::open(context, &args.how)?;
    if let Some(there) = desk.shelf.named(&name) {
        let text = format!("there is a group of that name: {}; --name gives the new one another", there.shown);
        return Err(UsageError(text).into());
    }
    let book = desk.shelf.with_contacts();
    let mut group = Group { uid: Some(desk.new_uid()), name, members: Vec::new() };
    let mut results = Results { action: "import", group: group.name.to_string(), ..Results::default() };
    take_over(copied, &mut group, &book, &mut results);
    results.file = desk.create(&group)?;
    desk.finish(results, output)
}

/// A list as it is on the server.
struct Copied {
    name: String,
    members: Vec<ListMember>,
    problems: Vec<String>,
}

fn copy(wanted: &str, account: &Account, context: &Context) -> anyhow::Result<Copied> {
    let link = context.connect(account, Company::Alone)?;
    context.runtime.block_on(async {
        let found = pick(wanted, link.client.find_lists(wanted).await?)?;
        let mut copied = Copied { name: found.name, members: Vec::new(), problems: Vec::new() };
        copied.open(found.id, &*link.client).await?;
        Ok(copied)
    })
}

/// The list of exactly that name or address, or the only one.
fn pick(wanted: &str, mut found: Vec<FoundList>) -> Result<FoundList, UsageError> {
    let wanted_lower = wanted.trim().to_lowercase();
    let is_it = |list: &FoundList| {
        let by_address = matches!(&list.id, ListId::Directory(address) if address.to_lowercase() == wanted_lower);
        by_address || list.name.to_lowercase() == wanted_lower
    };
    if found.iter().filter(|list| is_it(list)).count() == 1 {
        found.retain(is_it);
    }
    if found.len() > 1 {
        let names: Vec<String> = found.iter().take(NAMED).map(told).collect();
        let more = found.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        return Err(UsageError(format!("{wanted:?} can be several lists: {}{more}", names.join(", "))));
    }
    found.pop().ok_or_else(|| UsageError(format!("the server knows no distribution list {wanted:?}")))
}

fn told(list: &FoundList) -> String {
    match &list.id {
        ListId::Directory(address) => format!("{} <{address}>", line(&list.name)),
        ListId::Personal(_) => format!("{} (a personal list)", line(&list.name)),
    }
}

impl Copied {
    /// Takes the members of a list, and of the personal lists within it, each list once.
    async fn open(&mut self, list: ListId, server: &impl RemoteRead) -> anyhow::Result<()> {
        let members = match server.list_members(&list).await? {
            Ok(members) => members,
            Err(error) => {
                return Err(
                    RemoteError::Rejected { operation: "ExpandDL", code: error.code, message: error.message }.into()
                );
            }
        };
        self.note_cut(members.complete, &self.name.clone());
        let mut opened: BTreeSet<ItemId> = match list {
            ListId::Personal(item) => BTreeSet::from([item]),
            ListId::Directory(_) => BTreeSet::new(),
        };
        let mut open: Vec<ListMember> = members.members.into_iter().rev().collect();
        while let Some(member) = open.pop() {
            let Some(item) = member.list.clone() else {
                self.members.push(member);
                continue;
            };
            if !opened.insert(item.clone()) {
                continue;
            }
            match server.list_members(&ListId::Personal(item)).await? {
                Ok(inner) => {
                    self.note_cut(inner.complete, &member.name);
                    open.extend(inner.members.into_iter().rev());
                }
                Err(error) => {
                    self.problems.push(format!(
                        "the list {} within {} was not copied: {error}",
                        line(&member.name),
                        line(&self.name)
                    ));
                }
            }
        }
        Ok(())
    }

    fn note_cut(&mut self, complete: bool, list: &str) {
        if !complete {
            self.problems.push(format!("the server did not tell all members of {}", line(list)));
        }
    }
}

/// Makes members of those who have an address.
fn take_over(copied: Copied, group: &mut Group, book: &AddressBook, results: &mut Results) {
    results.problems = copied.problems;
    let mut roll = Roll::of(group, book);
    for ListMember { name, address, .. } in copied.members {
        let mailbox = address.as_deref().map(Mailbox::parse);
        let Some(Ok(mut mailbox)) = mailbox else {
            let known = address.unwrap_or_else(|| "no address".to_owned());
            results.problems.push(format!(
                "{} was not copied: it has no address of mail ({})",
                line(&name),
                line(&known)
            ));
            continue;
        };
        // Where there is no name, Exchange puts the address in its place.
        if !name.eq_ignore_ascii_case(mailbox.address.as_str()) {
            mailbox.name = Text::from(line(&name));
        }
        let member = book.member_for(mailbox);
        let line = MemberLine::of(&member, book);
        if roll.enter(group, member, book) == Entered::New {
            results.added.push(line);
        }
    }
}
