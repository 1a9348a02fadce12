//! Taking members into a group: nobody twice, and who was an address becomes the contact that has it.

use std::collections::{BTreeMap, BTreeSet};

use super::{AddressBook, EmailAddress, Group, Member, Reached, Uid};

/// Who is in a group, as far as it matters for who comes next.
#[derive(Debug, Default)]
pub struct Roll {
    /// Places of the members that are addresses.
    plain: BTreeMap<EmailAddress, usize>,
    /// Links, with the address to which they lead; a contact can be a member by several of its addresses.
    linked: BTreeSet<(Uid, Option<EmailAddress>)>,
    /// All addresses that are reached.
    reached: BTreeSet<EmailAddress>,
}

/// What became of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is in the group now, behind the others or in the place of the address that it has.
    New,
    /// It was there.
    Already,
}

impl Roll {
    /// The roll of a group as it is.
    pub fn of(group: &Group, book: &AddressBook) -> Self {
        let mut roll = Self::default();
        for (place, member) in group.members.iter().enumerate() {
            roll.note(member, place, book);
        }
        roll
    }

    /// Takes a member into the group that this is the roll of.
    pub fn enter(&mut self, group: &mut Group, member: Member, book: &AddressBook) -> Entered {
        let address = leads_to(&member, book);
        let instead = match (&member, &address) {
            (Member::Address(mailbox), _) if self.reached.contains(&mailbox.address) => return Entered::Already,
            (Member::Linked(link), address) if self.linked.contains(&(link.uid.clone(), address.clone())) => {
                return Entered::Already;
            }
            (Member::Linked(_), Some(address)) => self.plain.remove(address),
            (Member::Address(_) | Member::Linked(_) | Member::Unusable(_), _) => None,
        };
        let place = instead.unwrap_or(group.members.len());
        self.note(&member, place, book);
        match group.members.get_mut(place) {
            Some(old) => *old = member,
            None => group.members.push(member),
        }
        Entered::New
    }

    fn note(&mut self, member: &Member, place: usize, book: &AddressBook) {
        let address = leads_to(member, book);
        self.reached.extend(address.clone());
        match member {
            Member::Address(mailbox) => drop(self.plain.insert(mailbox.address.clone(), place)),
            Member::Linked(link) => drop(self.linked.insert((link.uid.clone(), address))),
            Member::Unusable(_) => {}
        }
    }
}

fn leads_to(member: &Member, book: &AddressBook) -> Option<EmailAddress> {
    match book.reach(member) {
        Reached::Address(mailbox) | Reached::Contact(mailbox, _) | Reached::LastSeen(mailbox) => Some(mailbox.address),
        Reached::Group(_) | Reached::Nowhere(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Link, Mailbox, Person};
    use super::*;
    use crate::pim::Text;

    fn address(text: &str) -> EmailAddress {
        EmailAddress::new(text).unwrap()
    }

    fn plain(text: &str) -> Member {
        Member::Address(Mailbox { name: Text::default(), address: address(text) })
    }

    fn book(people: &[(&str, &[&str])]) -> AddressBook {
        let person = |(uid, emails): &(&str, &[&str])| Person {
            uid: Uid::new(uid),
            name: Text::new(uid),
            emails: emails.iter().map(|email| address(email)).collect(),
            preferred: 0,
            source: String::new(),
        };
        AddressBook::new(people.iter().map(person).collect(), Vec::new())
    }

    fn enter(group: &mut Group, text: &str, book: &AddressBook) -> Entered {
        let member = book.member_for(Mailbox::parse(text).unwrap());
        Roll::of(group, book).enter(group, member, book)
    }

    #[test]
    fn nobody_is_in_a_group_twice() {
        let book = book(&[("anna", &["anna@work", "anna@home"]), ("ben", &["ben@x"])]);
        let mut group = Group { members: vec![plain("ANNA@work"), plain("carla@x")], ..Group::default() };
        assert_eq!(enter(&mut group, "Carla@X", &book), Entered::Already);
        assert_eq!(enter(&mut group, "anna@work", &book), Entered::New, "the address becomes the contact");
        assert!(matches!(&group.members[0], Member::Linked(link) if link.uid.as_str() == "anna"), "{group:?}");
        assert_eq!(enter(&mut group, "anna@work", &book), Entered::Already);
        assert_eq!(enter(&mut group, "anna@home", &book), Entered::New, "one who is to get it in both places");
        assert_eq!(group.members.len(), 3);
    }

    #[test]
    fn contacts_that_share_an_address_are_two() {
        let book = book(&[("anna", &["office@x"]), ("ben", &["office@x"])]);
        let link = |uid: &str| {
            Member::Linked(Link {
                last_seen: Some(address("office@x")),
                ..Link::to_group(Uid::new(uid).unwrap(), Text::default())
            })
        };
        let mut group = Group::default();
        let mut roll = Roll::of(&group, &book);
        assert_eq!(roll.enter(&mut group, link("anna"), &book), Entered::New);
        assert_eq!(roll.enter(&mut group, link("ben"), &book), Entered::New);
        assert_eq!(roll.enter(&mut group, plain("office@x"), &book), Entered::Already, "it is reached");
        assert_eq!(roll.enter(&mut group, link("anna"), &book), Entered::Already);
        assert_eq!(group.members.len(), 2);
    }
}
