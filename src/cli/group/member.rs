//! Members as people and programs are told of them, and as people name them.

use serde::Serialize;

use super::shelf::Stored;
use crate::cli::failure::UsageError;
use crate::pim::Text;
use crate::pim::group::{AddressBook, Candidate, Group, Mailbox, Member, Reached, Uid, UnreachedReason};

/// A member and where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct MemberLine {
    kind: &'static str,
    name: Option<String>,
    /// Where it is reached now.
    address: Option<String>,
    uid: Option<String>,
    state: &'static str,
}

impl MemberLine {
    pub(super) fn of(member: &Member, book: &AddressBook) -> Self {
        let uid = match member {
            Member::Linked(link) => Some(link.uid.to_string()),
            Member::Address(_) | Member::Unusable(_) => None,
        };
        let at = |kind, state, mailbox: Mailbox| Self {
            kind,
            name: some(&mailbox.name),
            address: Some(mailbox.address.to_string()),
            uid: uid.clone(),
            state,
        };
        let nowhere = |kind, name, state| Self { kind, name, address: None, uid: uid.clone(), state };
        match book.reach(member) {
            Reached::Address(mailbox) => at("address", "ok", mailbox),
            Reached::Contact(mailbox, others) if others.is_empty() => at("contact", "ok", mailbox),
            Reached::Contact(mailbox, _) => at("contact", "ambiguous", mailbox),
            Reached::LastSeen(mailbox) => at("contact", "gone", mailbox),
            Reached::Group(group) => nowhere("group", some(&group.name), "ok"),
            Reached::Nowhere(UnreachedReason::Unusable) => nowhere("unusable", last_name(member), "unusable"),
            Reached::Nowhere(UnreachedReason::NoAddress) => nowhere("contact", last_name(member), "no-address"),
            Reached::Nowhere(UnreachedReason::Missing | UnreachedReason::Ambiguous(_)) => {
                nowhere("unknown", last_name(member), "missing")
            }
        }
    }

    /// For people: who it is.
    pub(super) fn who(&self) -> String {
        match (&self.name, &self.address) {
            (Some(name), Some(address)) => format!("{} <{address}>", line(name)),
            (None, Some(address)) => address.clone(),
            (Some(name), None) => line(name),
            (None, None) => self.uid.as_deref().map(line).unwrap_or_default(),
        }
    }

    /// For people: what is to be known about it.
    pub(super) fn remark(&self) -> Option<&'static str> {
        Some(match (self.kind, self.state) {
            ("group", _) => "a group",
            ("contact", "ok") => "follows the contact",
            ("contact", "gone") => "the contact is gone; its address as it was last seen",
            ("contact", "ambiguous") => "files of this contact have different addresses",
            ("contact", _) => "the contact has no address",
            ("unknown", _) => "no contact and no group has this UID",
            ("unusable", _) => "neither an address nor a UID",
            _ => return None,
        })
    }
}

/// What is known of a member that leads nowhere.
fn last_name(member: &Member) -> Option<String> {
    match member {
        Member::Address(mailbox) => some(&mailbox.name),
        Member::Linked(link) => some(&link.name),
        Member::Unusable(text) => some(text),
    }
}

fn some(text: &Text) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}

/// Text that stays on its line, and does nothing to a terminal.
pub(super) fn line(text: &str) -> String {
    plain(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Text without what steers a terminal, or turns the direction of what follows.
pub(super) fn plain(text: &str) -> String {
    let steers = |character: char| {
        character.is_control() || matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if steers(character) { char::REPLACEMENT_CHARACTER } else { character }).collect()
}

/// Whom somebody means who names a new member.
pub(super) enum Named<'b> {
    Member(Member),
    /// A group that no member can link to yet, since it has no UID.
    GroupWithoutUid(&'b Group),
}

/// The new member that is meant: an address, or else the contact or group of that name or UID.
pub(super) fn new_member<'b>(wanted: &str, book: &'b AddressBook) -> Result<Named<'b>, UsageError> {
    let address = Mailbox::parse(wanted);
    if let Ok(mailbox) = address {
        return Ok(Named::Member(book.member_for(mailbox)));
    }
    match book.candidates(wanted).as_slice() {
        [] => Err(UsageError(match address {
            Err(error) if wanted.contains('@') => format!("{wanted:?} is no address: {error}"),
            _ => format!("{wanted:?} is no address, and no contact or group has that name or UID"),
        })),
        [Candidate::Person(person)] => book.member_of(person).map(Named::Member).ok_or_else(|| {
            UsageError(format!("the contact {wanted:?} ({}) has neither a UID nor an address", person.source))
        }),
        [Candidate::Group(group)] => Ok(match &group.uid {
            Some(uid) => {
                Named::Member(Member::Linked(crate::pim::group::Link::to_group(uid.clone(), group.name.clone())))
            }
            None => Named::GroupWithoutUid(group),
        }),
        several => {
            Err(UsageError(format!("several are {wanted:?}; name one by its UID or address: {}", told(several))))
        }
    }
}

fn told(candidates: &[Candidate<'_>]) -> String {
    let uid = |uid: Option<&Uid>| uid.map_or_else(|| "no UID".to_owned(), ToString::to_string);
    let one = |candidate: &Candidate<'_>| match candidate {
        Candidate::Person(person) => format!("{} ({})", person.source, uid(person.uid.as_ref())),
        Candidate::Group(group) => format!("the group {} ({})", line(group.name.as_str()), uid(group.uid.as_ref())),
    };
    candidates.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The members of a group, by their places, that are meant: all who are reached at an address, or the one of a name or UID.
pub(super) fn old_members(wanted: &str, stored: &Stored, book: &AddressBook) -> Result<Vec<usize>, UsageError> {
    let members = &stored.group.members;
    let places = |fits: &dyn Fn(&Member, &MemberLine) -> bool| -> Vec<usize> {
        let lines = members.iter().map(|member| (member, MemberLine::of(member, book)));
        lines.enumerate().filter(|(_, (member, line))| fits(member, line)).map(|(place, _)| place).collect()
    };
    let uid = Uid::new(wanted);
    let by_uid = places(&|member, _| matches!(member, Member::Linked(link) if Some(&link.uid) == uid.as_ref()));
    if !by_uid.is_empty() {
        return Ok(by_uid);
    }
    if let Ok(mailbox) = Mailbox::parse(wanted) {
        let address = &mailbox.address;
        let here = |line: &MemberLine| line.address.as_ref().is_some_and(|now| now.to_lowercase() == address.key());
        let by_address = places(&|member, line| member.own_address() == Some(address) || here(line));
        if !by_address.is_empty() {
            return Ok(by_address);
        }
    }
    let name = line(wanted).to_lowercase();
    let is_name = |theirs: Option<&str>| theirs.is_some_and(|theirs| line(theirs).to_lowercase() == name);
    let by_name = places(&|member, line| is_name(line.name.as_deref()) || is_name(last_name(member).as_deref()));
    match by_name.as_slice() {
        [] => Err(UsageError(format!(
            "nobody in {:?} is {wanted:?}; pimsync group show names its members",
            stored.group.name.as_str()
        ))),
        [_] => Ok(by_name),
        several => Err(UsageError(format!(
            "{} members of {:?} are {wanted:?}; name one by its address or UID",
            several.len(),
            stored.group.name.as_str()
        ))),
    }
}
