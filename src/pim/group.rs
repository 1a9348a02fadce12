//! Groups of people (RFC 6350 §6.1.4, `KIND:group`): on this computer only.
//!
//! A member is an address, or a link by UID to a contact or another group. A link keeps the address that was last seen, so that it still reaches
//! somebody when the contact is gone.

mod address;
mod book;
mod roll;
mod uid;

use std::num::NonZeroU8;

pub use address::{BadAddress, EmailAddress, Mailbox};
pub use book::{AddressBook, Candidate, Expansion, Person, Reached, Unreached, UnreachedReason};
pub use roll::{Entered, Roll};
pub use uid::Uid;
pub(crate) use uid::decode;

use super::Text;

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// What other groups know it by.
    pub uid: Option<Uid>,
    /// Its name.
    pub name: Text,
    /// Who is in it, in the order of the file.
    pub members: Vec<Member>,
}

/// Somebody in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// An address, whoever has it.
    Address(Mailbox),
    /// A contact, whatever its address, or all in another group.
    Linked(Link),
    /// What is neither, as the file has it. It stays there.
    Unusable(Text),
}

/// A contact or group as a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its UID.
    pub uid: Uid,
    /// The name that was last seen.
    pub name: Text,
    /// The address that was last seen; none for a group.
    pub last_seen: Option<EmailAddress>,
    /// Which of the contact's addresses is meant, from 1 on; without it, the one that the contact prefers.
    pub place: Option<NonZeroU8>,
}

impl Link {
    /// A link to a group.
    pub fn to_group(uid: Uid, name: Text) -> Self {
        Self { uid, name, last_seen: None, place: None }
    }
}

impl Member {
    /// The address by which it is known without a look at the contacts.
    pub fn own_address(&self) -> Option<&EmailAddress> {
        match self {
            Self::Address(mailbox) => Some(&mailbox.address),
            Self::Linked(link) => link.last_seen.as_ref(),
            Self::Unusable(_) => None,
        }
    }
}
