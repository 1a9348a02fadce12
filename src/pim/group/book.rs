//! Who the members of a group are now: links looked up in the contacts, groups within groups opened.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU8;

use super::super::Text;
use super::{EmailAddress, Group, Link, Mailbox, Member, Uid};

/// A contact, as far as groups need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Its UID; without one nothing can link to it.
    pub uid: Option<Uid>,
    /// The name as it is shown.
    pub name: Text,
    /// Its addresses in the order of its file.
    pub emails: Vec<EmailAddress>,
    /// Which of them, counted from 0, it prefers.
    pub preferred: usize,
    /// Where it is written, for people.
    pub source: String,
}

/// All contacts and groups.
#[derive(Clone, Debug, Default)]
pub struct AddressBook {
    people: Vec<Person>,
    people_by_uid: BTreeMap<Uid, Vec<usize>>,
    people_by_address: BTreeMap<EmailAddress, Vec<usize>>,
    groups: Vec<Group>,
    groups_by_uid: BTreeMap<Uid, usize>,
}

/// Whom somebody may mean who names a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate<'b> {
    /// A contact.
    Person(&'b Person),
    /// A group.
    Group(&'b Group),
}

/// Whom a group reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expansion {
    /// Each address once, in the order in which they were met.
    pub mailboxes: Vec<Mailbox>,
    /// The members that lead nowhere, or not surely where they should.
    pub unreached: Vec<Unreached>,
}

/// A member that could not be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// The group that it is in.
    pub group: Text,
    /// What is known of it: a name, or its UID.
    pub member: String,
    /// Why.
    pub reason: UnreachedReason,
}

/// Why a member could not be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnreachedReason {
    /// No contact and no group has its UID, and no address was ever seen.
    Missing,
    /// The contact has no address of mail.
    NoAddress,
    /// Contacts of one UID have different addresses; that of the first one was taken. The files.
    Ambiguous(Vec<String>),
    /// It is neither an address nor a UID.
    Unusable,
}

/// Where one member leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached<'b> {
    /// An address that is a member itself.
    Address(Mailbox),
    /// A contact, and the address of it that is meant; the other files of this UID that say otherwise.
    Contact(Mailbox, Vec<String>),
    /// The address that a contact had which is gone.
    LastSeen(Mailbox),
    /// Another group.
    Group(&'b Group),
    /// Nowhere.
    Nowhere(UnreachedReason),
}

impl AddressBook {
    /// Puts contacts and groups together. Where several groups have one UID, the first one counts.
    pub fn new(people: Vec<Person>, groups: Vec<Group>) -> Self {
        let mut book = Self { people, groups, ..Self::default() };
        for (index, person) in book.people.iter().enumerate() {
            if let Some(uid) = &person.uid {
                book.people_by_uid.entry(uid.clone()).or_default().push(index);
            }
            for email in &person.emails {
                book.people_by_address.entry(email.clone()).or_default().push(index);
            }
        }
        for (index, group) in book.groups.iter().enumerate() {
            if let Some(uid) = &group.uid {
                book.groups_by_uid.entry(uid.clone()).or_insert(index);
            }
        }
        book
    }

    /// Where a member leads now.
    pub fn reach(&self, member: &Member) -> Reached<'_> {
        match member {
            Member::Address(mailbox) => Reached::Address(mailbox.clone()),
            Member::Linked(link) => self.follow(link),
            Member::Unusable(_) => Reached::Nowhere(UnreachedReason::Unusable),
        }
    }

    fn follow(&self, link: &Link) -> Reached<'_> {
        let people: Vec<&Person> = self.people_of(&link.uid).collect();
        let Some(first) = people.first() else {
            return match (self.groups_by_uid.get(&link.uid).and_then(|index| self.groups.get(*index)), &link.last_seen)
            {
                (Some(group), _) => Reached::Group(group),
                (None, Some(address)) => {
                    Reached::LastSeen(Mailbox { name: link.name.clone(), address: address.clone() })
                }
                (None, None) => Reached::Nowhere(UnreachedReason::Missing),
            };
        };
        // The same contact in two accounts is no trouble as long as both say the same.
        let unchanged =
            people.iter().find(|person| link.place.is_some() && person.place_of(link.last_seen.as_ref()).is_some());
        let chosen = unchanged.unwrap_or(first);
        let Some((_, address)) = chosen.meant(link) else { return Reached::Nowhere(UnreachedReason::NoAddress) };
        let others = people.iter().filter(|other| other.meant(link).is_some_and(|(_, meant)| meant != address));
        let mailbox = Mailbox { name: chosen.name.clone(), address: address.clone() };
        Reached::Contact(mailbox, others.map(|other| other.source.clone()).collect())
    }

    fn people_of(&self, uid: &Uid) -> impl Iterator<Item = &Person> {
        self.people_by_uid.get(uid).into_iter().flatten().filter_map(|index| self.people.get(*index))
    }

    /// A member for an address: linked to the contact that has it, where exactly one does.
    pub fn member_for(&self, mailbox: Mailbox) -> Member {
        let owners = self.people_by_address.get(&mailbox.address).into_iter().flatten();
        let owners = owners.filter_map(|index| self.people.get(*index));
        let mut owners = owners.filter_map(|person| Some((person, person.place_of(Some(&mailbox.address))?)));
        let Some((owner, place)) = owners.next() else { return Member::Address(mailbox) };
        match &owner.uid {
            Some(uid) if owners.all(|(other, _)| other.uid.as_ref() == Some(uid)) => Member::Linked(Link {
                uid: uid.clone(),
                name: owner.name.clone(),
                last_seen: Some(mailbox.address),
                place: Some(place),
            }),
            Some(_) | None => Member::Address(mailbox),
        }
    }

    /// A member for a contact, by whichever address it prefers. `None` where it has neither UID nor address.
    pub fn member_of(&self, person: &Person) -> Option<Member> {
        let address = person.emails.get(person.preferred).or_else(|| person.emails.first()).cloned();
        let name = person.name.clone();
        match (&person.uid, address) {
            (Some(uid), last_seen) => Some(Member::Linked(Link { uid: uid.clone(), name, last_seen, place: None })),
            (None, Some(address)) => Some(Member::Address(Mailbox { name, address })),
            (None, None) => None,
        }
    }

    /// The contacts and groups of that UID, or else of that name, in any case. A contact that is in several places counts once.
    pub fn candidates(&self, wanted: &str) -> Vec<Candidate<'_>> {
        let uid = Uid::new(wanted);
        let by_uid = self.pick(|theirs, _| theirs.is_some() && theirs == uid.as_ref());
        if !by_uid.is_empty() {
            return by_uid;
        }
        let wanted = wanted.trim().to_lowercase();
        self.pick(|_, name| !wanted.is_empty() && name.as_str().trim().to_lowercase() == wanted)
    }

    fn pick(&self, fits: impl Fn(Option<&Uid>, &Text) -> bool) -> Vec<Candidate<'_>> {
        let mut met = BTreeSet::new();
        let mut is_new = |uid: Option<&Uid>| uid.is_none_or(|uid| met.insert(uid.clone()));
        let people = self.people.iter().filter(|person| fits(person.uid.as_ref(), &person.name));
        let people = people.filter(|person| is_new(person.uid.as_ref())).map(Candidate::Person).collect::<Vec<_>>();
        let groups = self.groups.iter().filter(|group| fits(group.uid.as_ref(), &group.name)).map(Candidate::Group);
        people.into_iter().chain(groups).collect()
    }

    /// Notes the address and name that each linked contact has now.
    pub fn note_seen(&self, group: &mut Group) {
        for member in &mut group.members {
            let Member::Linked(link) = member else { continue };
            let Reached::Contact(mailbox, others) = self.follow(link) else { continue };
            if !others.is_empty() {
                continue;
            }
            if link.place.is_some() {
                link.place = self.people_of(&link.uid).find_map(|person| person.place_of(Some(&mailbox.address)));
            }
            (link.name, link.last_seen) = (mailbox.name, Some(mailbox.address));
        }
    }

    /// All whom the groups reach, each once.
    ///
    /// A group that is in itself, by whatever way, adds nobody a second time.
    pub fn expand<'b>(&'b self, groups: impl IntoIterator<Item = &'b Group>) -> Expansion {
        let mut walk =
            Walk { book: self, opened: BTreeSet::new(), known: BTreeSet::new(), found: Expansion::default() };
        for group in groups {
            walk.open(group);
        }
        walk.found
    }

    /// Whether a group is, by whatever way, in another one.
    pub fn is_within(&self, inner: &Uid, outer: &Group) -> bool {
        let mut met = BTreeSet::new();
        let mut open = vec![outer];
        while let Some(group) = open.pop() {
            for member in &group.members {
                let Member::Linked(link) = member else { continue };
                if link.uid == *inner {
                    return true;
                }
                if let Reached::Group(next) = self.follow(link)
                    && met.insert(&link.uid)
                {
                    open.push(next);
                }
            }
        }
        false
    }
}

impl Person {
    /// Which of its addresses that is, from 1 on.
    fn place_of(&self, address: Option<&EmailAddress>) -> Option<NonZeroU8> {
        let at = self.emails.iter().position(|email| Some(email) == address)?;
        // Nobody has so many that the last ones need to be told apart.
        NonZeroU8::new(u8::try_from(at).unwrap_or(u8::MAX).saturating_add(1))
    }

    /// The address that a link means: the one that was last seen while the contact has it, else what is in its place now, else the preferred one.
    fn meant(&self, link: &Link) -> Option<(usize, &EmailAddress)> {
        let place = link.place.map(|place| usize::from(place.get()) - 1);
        let kept = place.and_then(|_| self.emails.iter().position(|email| Some(email) == link.last_seen.as_ref()));
        let ways = [kept, place, Some(self.preferred), Some(0)];
        ways.into_iter().flatten().find_map(|at| Some((at, self.emails.get(at)?)))
    }
}

struct Walk<'b> {
    book: &'b AddressBook,
    opened: BTreeSet<&'b Uid>,
    known: BTreeSet<EmailAddress>,
    found: Expansion,
}

impl<'b> Walk<'b> {
    /// Opens a group and all within it. Not recursive, so that no chain of groups can exhaust the stack.
    fn open(&mut self, group: &'b Group) {
        self.opened.extend(&group.uid);
        let mut open = vec![(group, group.members.iter())];
        while let Some((group, members)) = open.last_mut() {
            let Some(member) = members.next() else {
                open.pop();
                continue;
            };
            let group = *group;
            match self.book.reach(member) {
                Reached::Address(mailbox) | Reached::LastSeen(mailbox) => self.add(mailbox),
                Reached::Contact(mailbox, others) => {
                    self.add(mailbox);
                    if !others.is_empty() {
                        self.miss(group, member, UnreachedReason::Ambiguous(others));
                    }
                }
                Reached::Group(inner) => {
                    if inner.uid.as_ref().is_some_and(|uid| self.opened.insert(uid)) {
                        open.push((inner, inner.members.iter()));
                    }
                }
                Reached::Nowhere(reason) => self.miss(group, member, reason),
            }
        }
    }

    fn add(&mut self, mailbox: Mailbox) {
        if self.known.insert(mailbox.address.clone()) {
            self.found.mailboxes.push(mailbox);
        }
    }

    fn miss(&mut self, group: &Group, member: &Member, reason: UnreachedReason) {
        let member = match member {
            Member::Address(mailbox) => mailbox.address.to_string(),
            Member::Linked(link) if !link.name.is_empty() => link.name.to_string(),
            Member::Linked(link) => link.uid.to_string(),
            Member::Unusable(text) => text.to_string(),
        };
        let missed = Unreached { group: group.name.clone(), member, reason };
        if !self.found.unreached.contains(&missed) {
            self.found.unreached.push(missed);
        }
    }
}

#[cfg(test)]
mod tests;
