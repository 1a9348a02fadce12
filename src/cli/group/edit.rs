//! `pimsync group create`, `add`, `remove`, `rename` and `delete`.

use super::change::{Desk, How, Results, group_name};
use super::member::{MemberLine, Named, new_member, old_members};
use crate::cli::ExitCode;
use crate::cli::context::Context;
use crate::cli::failure::UsageError;
use crate::cli::output::Output;
use crate::pim::group::{AddressBook, Entered, Group, Link, Member, Roll};

/// Make a new group
#[derive(Debug, clap::Args)]
pub(super) struct CreateArgs {
    /// The name of the group
    #[arg(value_name = "NAME")]
    name: String,
    /// Who is in it: addresses, such as anna@example.org or "Anna Berg <anna@example.org>", and the names or UIDs of contacts and other groups
    #[arg(value_name = "MEMBER")]
    members: Vec<String>,
    #[command(flatten)]
    pub(super) how: How,
}

/// Add members to a group
///
/// An address that exactly one contact has follows this contact from then on.
#[derive(Debug, clap::Args)]
pub(super) struct AddArgs {
    /// The group, by its name, its file or its UID
    #[arg(value_name = "GROUP")]
    group: String,
    /// Addresses, such as anna@example.org or "Anna Berg <anna@example.org>", and the names or UIDs of contacts and other groups
    #[arg(value_name = "MEMBER", required = true)]
    members: Vec<String>,
    #[command(flatten)]
    pub(super) how: How,
}

/// Remove members from a group
#[derive(Debug, clap::Args)]
pub(super) struct RemoveArgs {
    /// The group, by its name, its file or its UID
    #[arg(value_name = "GROUP")]
    group: String,
    /// Addresses, names or UIDs, as pimsync group show has them
    #[arg(value_name = "MEMBER", required = true)]
    members: Vec<String>,
    #[command(flatten)]
    pub(super) how: How,
}

/// Give a group another name
#[derive(Debug, clap::Args)]
pub(super) struct RenameArgs {
    /// The group, by its name, its file or its UID
    #[arg(value_name = "GROUP")]
    group: String,
    /// The new name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    pub(super) how: How,
}

/// Delete a group; contacts stay
#[derive(Debug, clap::Args)]
pub(super) struct DeleteArgs {
    /// The group, by its name, its file or its UID
    #[arg(value_name = "GROUP")]
    group: String,
    #[command(flatten)]
    pub(super) how: How,
}

pub(super) fn create(args: CreateArgs, context: &Context, output: &Output) -> anyhow::Result<ExitCode> {
    let name = group_name(&args.name)?;
    let mut desk = Desk::open(context, &args.how)?;
    if let Some(there) = desk.shelf.named(&name) {
        return Err(UsageError(format!("there is a group of that name: {}", there.shown)).into());
    }
    let book = if args.members.is_empty() { AddressBook::default() } else { desk.shelf.with_contacts() };
    let mut group = Group { uid: Some(desk.new_uid()), name, members: Vec::new() };
    let mut results = Results { action: "create", group: group.name.to_string(), ..Results::default() };
    add_all(&mut group, &args.members, &book, &desk, &mut results)?;
    results.file = desk.create(&group)?;
    desk.finish(results, output)
}

pub(super) fn add(args: AddArgs, context: &Context, output: &Output) -> anyhow::Result<ExitCode> {
    let mut desk = Desk::open(context, &args.how)?;
    let book = desk.shelf.with_contacts();
    let stored = desk.shelf.find(&args.group)?;
    let mut group = stored.group.clone();
    let mut results = results_of("add", &group, &stored.shown);
    add_all(&mut group, &args.members, &book, &desk, &mut results)?;
    book.note_seen(&mut group);
    desk.write(stored, &group)?;
    desk.finish(results, output)
}

fn results_of(action: &'static str, group: &Group, file: &str) -> Results {
    Results { action, group: group.name.to_string(), file: Some(file.to_owned()), ..Results::default() }
}

/// Adds all, or fails before anything is written of this group.
fn add_all(
    group: &mut Group,
    wanted: &[String],
    book: &AddressBook,
    desk: &Desk<'_>,
    results: &mut Results,
) -> anyhow::Result<()> {
    let named: Vec<Named<'_>> = wanted.iter().map(|wanted| new_member(wanted, book)).collect::<Result<_, _>>()?;
    let mut roll = Roll::of(group, book);
    for named in named {
        let member = match named {
            Named::Member(member) => member,
            Named::GroupWithoutUid(inner) => link_to(inner, desk)?,
        };
        refuse_circle(group, &member, book)?;
        let line = MemberLine::of(&member, book);
        match roll.enter(group, member, book) {
            Entered::New => results.added.push(line),
            Entered::Already => results.already.push(line),
        }
    }
    Ok(())
}

/// A link to a group that has no UID: it gets one.
fn link_to(inner: &Group, desk: &Desk<'_>) -> anyhow::Result<Member> {
    let uid = desk.new_uid();
    if let Some(stored) = desk.shelf.groups.iter().find(|stored| stored.group == *inner) {
        desk.write(stored, &Group { uid: Some(uid.clone()), ..inner.clone() })?;
    }
    Ok(Member::Linked(Link::to_group(uid, inner.name.clone())))
}

/// A group within itself would do no harm, but is nothing that anybody means.
fn refuse_circle(group: &Group, member: &Member, book: &AddressBook) -> Result<(), UsageError> {
    let (Some(own), Member::Linked(link)) = (&group.uid, member) else { return Ok(()) };
    let within = Group { members: vec![Member::Linked(link.clone())], ..Group::default() };
    if book.is_within(own, &within) {
        let (group, inner) = (group.name.as_str(), link.name.as_str());
        return Err(UsageError(format!("{group:?} cannot be in itself: {inner:?} is it, or has it among its members")));
    }
    Ok(())
}

pub(super) fn remove(args: RemoveArgs, context: &Context, output: &Output) -> anyhow::Result<ExitCode> {
    let mut desk = Desk::open(context, &args.how)?;
    let book = desk.shelf.book();
    let stored = desk.shelf.find(&args.group)?;
    let mut results = results_of("remove", &stored.group, &stored.shown);
    let mut gone = std::collections::BTreeSet::new();
    for wanted in &args.members {
        gone.extend(old_members(wanted, stored, &book)?);
    }
    let mut group = Group { members: Vec::new(), ..stored.group.clone() };
    for (place, member) in stored.group.members.iter().enumerate() {
        if gone.contains(&place) {
            results.removed.push(MemberLine::of(member, &book));
        } else {
            group.members.push(member.clone());
        }
    }
    book.note_seen(&mut group);
    desk.write(stored, &group)?;
    desk.finish(results, output)
}

pub(super) fn rename(args: RenameArgs, context: &Context, output: &Output) -> anyhow::Result<ExitCode> {
    let name = group_name(&args.name)?;
    let desk = Desk::open(context, &args.how)?;
    let stored = desk.shelf.find(&args.group)?;
    if let Some(there) = desk.shelf.named(&name).filter(|there| there.path != stored.path) {
        return Err(UsageError(format!("there is a group of that name: {}", there.shown)).into());
    }
    let mut results = results_of("rename", &stored.group, &stored.shown);
    results.renamed_from = Some(std::mem::replace(&mut results.group, name.to_string()));
    // The name in the file first: it is what counts, should the program end in between.
    desk.write(stored, &Group { name: name.clone(), ..stored.group.clone() })?;
    results.file = Some(desk.rename_file(stored, &name)?);
    desk.finish(results, output)
}

pub(super) fn delete(args: DeleteArgs, context: &Context, output: &Output) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(context, &args.how)?;
    let stored = desk.shelf.find(&args.group)?;
    let mut results = results_of("delete", &stored.group, &stored.shown);
    if let Some(uid) = &stored.group.uid {
        let links = |member: &Member| matches!(member, Member::Linked(link) if link.uid == *uid);
        let others = desk.shelf.groups.iter().filter(|other| other.path != stored.path);
        let others = others.filter(|other| other.group.members.iter().any(links));
        results.still_in = others.map(|other| other.group.name.to_string()).collect();
    }
    desk.delete(stored)?;
    desk.finish(results, output)
}
