//! Contacts as vCards: 4.0 (RFC 6350) is written, 3.0 (RFC 2426) and 4.0 are read, each file stays in its version.
//!
//! A file is patched: what a contact on the server cannot hold, such as a second mobile number, stays in it.

pub mod group;
mod keyed;
mod people;
mod table;
mod values;

use super::content::{Component, ContentError, Document, Limits, Property};
use crate::pim::Contact;

pub use table::{ROWS, Row};
use values::some_text;

/// A contact's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VcardFile {
    document: Document,
    version: Version,
}

/// The versions that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// RFC 2426.
    V3,
    /// RFC 6350.
    V4,
}

/// Why a file is no contact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VcardError {
    /// It is no file of content lines.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// No VCARD is in it.
    #[error("there is no VCARD in the file")]
    NoCard,
    /// One file is one contact.
    #[error("there are {0} VCARDs in the file: give each contact a file of its own")]
    Several(usize),
    /// Another version, such as 2.1.
    #[error("the vCard's version is {0:?}: save it as 3.0 or 4.0")]
    Version(String),
    /// `KIND:group`: groups stay on this computer.
    #[error("the vCard is a group, not a contact")]
    Group,
    /// A contact where a group is wanted.
    #[error("the vCard is no group: it has no KIND:group")]
    NoGroup,
}

impl VcardFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It holds no vCard of one contact, of a version that is read.
    pub fn parse(bytes: impl Into<bytes::Bytes>) -> Result<Self, VcardError> {
        let (document, version) = one_card(bytes)?;
        if document.components("VCARD").any(|card| group::member_property(card).is_some()) {
            return Err(VcardError::Group);
        }
        Ok(Self { document, version })
    }

    /// A file, in version 4.0, for a contact that has none.
    pub fn new(contact: &Contact) -> Self {
        let mut card = Component::new("VCARD");
        // RFC 6350 §6.7.9 and §6.2.1: VERSION comes first, FN is never missing.
        card.set("VERSION", Some("4.0"));
        card.set("FN", Some(""));
        let mut file = Self { document: Document::of(card), version: Version::V4 };
        file.patch(contact);
        file
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.document.to_bytes()
    }

    /// What the file says.
    pub fn contact(&self) -> Contact {
        self.document.components("VCARD").next().map(table::read).unwrap_or_default()
    }

    /// Which of [`Contact::emails`] it prefers, counted from 0: the one of the smallest `PREF` (RFC 6350 §5.3), one of `TYPE=pref` (RFC 2426
    /// §3.3.2), else the first.
    pub fn preferred_email(&self) -> usize {
        let card = self.document.components("VCARD").next();
        let emails =
            card.into_iter().flat_map(|card| card.properties("EMAIL")).filter(|line| some_text(line).is_some());
        let rank = |email: &Property| match email.parameter("PREF").and_then(|rank| rank.trim().parse::<u8>().ok()) {
            Some(rank) => u16::from(rank),
            None if email.has_type("pref") => 1,
            None => u16::MAX,
        };
        emails.enumerate().min_by_key(|(_, email)| rank(email)).map_or(0, |(at, _)| at)
    }

    /// What the file says besides `contact`, which is all that it says of what a contact has fields for: its lines as they are.
    pub fn besides(&self, contact: &Contact) -> String {
        let mut rest = self.clone();
        if let Some(card) = rest.document.components_mut("VCARD").next() {
            table::patch(card, contact, &Contact::default(), self.version);
        }
        let card = rest.document.components("VCARD").next();
        card.map(|card| card.besides(&["VERSION", "FN", "N", "PRODID", "REV", "KIND"])).unwrap_or_default()
    }

    /// Adds what another file of the contact said besides.
    pub fn append(&mut self, besides: &str) {
        self.document.components_mut("VCARD").next().into_iter().for_each(|card| card.append(besides));
    }

    /// Brings the file to what `contact` says. Only the lines of fields that differ are written.
    pub fn patch(&mut self, contact: &Contact) {
        let version = self.version;
        if let Some(card) = self.document.components_mut("VCARD").next() {
            let before = table::read(card);
            table::patch(card, &before, contact, version);
        }
    }
}

/// The one card of a file, whatever it is of.
fn one_card(bytes: impl Into<bytes::Bytes>) -> Result<(Document, Version), VcardError> {
    let document = Document::parse(bytes, Limits::default())?;
    let mut cards = document.components("VCARD");
    let card = cards.next().ok_or(VcardError::NoCard)?;
    let more = cards.count();
    if more > 0 {
        return Err(VcardError::Several(1 + more));
    }
    let version = version(card)?;
    Ok((document, version))
}

fn version(card: &Component) -> Result<Version, VcardError> {
    let version = card.property("VERSION").map(|version| version.value.trim().to_owned()).unwrap_or_default();
    match version.as_str() {
        "3.0" => Ok(Version::V3),
        "4.0" => Ok(Version::V4),
        _ => Err(VcardError::Version(version.chars().take(20).collect())),
    }
}

#[cfg(test)]
pub(crate) mod tests;
