//! One row per property of a contact: how it is spelled in a file, how on the server, and how it is read and written.

use super::super::classes;
use super::super::content::{Component, Property, escape};
use super::Version;
use super::keyed::{self, PageKey};
use super::people::{ASSISTANT, CHILD, MANAGER, Relation, SPOUSE};
use super::values::{
    Adr, Tel, Url, day, part, read_photo, set_day, set_list, set_photo, set_structure, set_text, some_text, text, uri,
};
use crate::pim::{Contact, ContactField as Field, Gender, Text};

/// A property.
pub struct Row {
    /// The fields that it holds.
    pub fields: &'static [Field],
    /// How files spell it.
    pub vcard: &'static str,
    /// How the server spells it: a property of MS-OXWSCONT, or the id of a MAPI property (`A:` of the set Address, `P:` of PublicStrings).
    pub ews: &'static str,
    read: fn(&Component, &mut Contact),
    write: fn(&mut Component, &Contact, Version),
}

/// A row of one text. The first name is the one that pimsync writes.
macro_rules! text {
    ($field:ident, $member:ident, [$new:literal $(, $name:literal)*], $ews:literal) => {
        Row {
            fields: &[Field::$field],
            vcard: $new,
            ews: $ews,
            read: |card, contact| contact.$member = text(card, &[$new $(, $name)*]),
            write: |card, contact, _| set_text(card, &[$new $(, $name)*], $new, &contact.$member),
        }
    };
}

macro_rules! person {
    ($field:ident, $member:ident, $relation:ident, $vcard:literal, $ews:literal) => {
        Row {
            fields: &[Field::$field],
            vcard: $vcard,
            ews: $ews,
            read: |card, contact| contact.$member = one($relation.read(card)),
            write: |card, contact, version| write_one(&$relation, card, &contact.$member, version),
        }
    };
}

/// All properties.
pub const ROWS: &[Row] = &[
    text!(Uid, uid, ["UID"], "P:urn:schemas:contacts:uid"),
    Row {
        fields: &[Field::DisplayName],
        vcard: "FN",
        ews: "contacts:DisplayName",
        read: |card, contact| contact.display_name = text(card, &["FN"]),
        // Both versions want one, be it empty.
        write: |card, contact, _| card.set("FN", Some(&escape(contact.display_name.as_str()))),
    },
    Row {
        fields: &[Field::Surname, Field::Given, Field::Middle, Field::Prefix, Field::Suffix],
        vcard: "N",
        ews: "contacts:Surname contacts:GivenName contacts:MiddleName 0x3A45 contacts:Generation",
        read: |card, contact| {
            let name = card.property("N");
            contact.surname = part(name.as_ref(), 0);
            contact.given = part(name.as_ref(), 1);
            contact.middle = part(name.as_ref(), 2);
            contact.prefix = part(name.as_ref(), 3);
            contact.suffix = part(name.as_ref(), 4);
        },
        write: |card, contact, _| {
            let Contact { surname, given, middle, prefix, suffix, .. } = contact;
            set_structure(card, "N", &[(0, surname), (1, given), (2, middle), (3, prefix), (4, suffix)]);
        },
    },
    text!(Nickname, nickname, ["NICKNAME"], "contacts:Nickname"),
    text!(FileAs, file_as, ["X-FILE-AS", "X-EVOLUTION-FILE-AS", "SORT-STRING"], "contacts:FileAs"),
    Row {
        fields: &[Field::Emails],
        vcard: "EMAIL",
        ews: "contacts:EmailAddress:EmailAddress1…3, further ones P:",
        read: |card, contact| contact.emails = card.properties("EMAIL").filter_map(|line| some_text(&line)).collect(),
        write: |card, contact, version| {
            let fresh = || match version {
                Version::V3 => Property::new("EMAIL", "").with("TYPE", "INTERNET"),
                Version::V4 => Property::new("EMAIL", ""),
            };
            let write = |line: Property, address: &Text| line.with_value(escape(address.as_str()));
            card.rewrite("EMAIL", |old| set_list(old, &contact.emails, some_text, write, fresh));
        },
    },
    Row {
        fields: &[Field::Phones],
        vcard: "TEL",
        ews: "contacts:PhoneNumber:KEY",
        read: |card, contact| contact.phones = keyed::read::<_, _, Tel>(card),
        write: |card, contact, _| keyed::write::<_, _, Tel>(card, &contact.phones),
    },
    Row {
        fields: &[Field::Addresses],
        vcard: "ADR",
        ews: "contacts:PhysicalAddress:PART:KEY, boxes A:0x804A 0x3A5E 0x3A64",
        read: |card, contact| contact.addresses = keyed::read::<_, _, Adr>(card),
        write: |card, contact, _| keyed::write::<_, _, Adr>(card, &contact.addresses),
    },
    Row {
        fields: &[Field::Company, Field::Department],
        vcard: "ORG",
        ews: "contacts:CompanyName contacts:Department",
        read: |card, contact| {
            let organisation = card.property("ORG");
            contact.company = part(organisation.as_ref(), 0);
            contact.department = part(organisation.as_ref(), 1);
        },
        write: |card, contact, _| set_structure(card, "ORG", &[(0, &contact.company), (1, &contact.department)]),
    },
    text!(JobTitle, job_title, ["TITLE"], "contacts:JobTitle"),
    text!(Profession, profession, ["ROLE"], "contacts:Profession"),
    Row {
        fields: &[Field::BusinessPage, Field::PersonalPage],
        vcard: "URL",
        ews: "contacts:BusinessHomePage 0x3A50",
        read: |card, contact| {
            let mut pages = keyed::read::<PageKey, _, Url>(card);
            contact.business_page = pages.remove(&PageKey::Business).unwrap_or_default();
            contact.personal_page = pages.remove(&PageKey::Personal).unwrap_or_default();
        },
        write: |card, contact, _| {
            let pages = [(PageKey::Business, &contact.business_page), (PageKey::Personal, &contact.personal_page)];
            let pages = pages.into_iter().filter(|page| !page.1.is_empty());
            keyed::write::<_, _, Url>(card, &pages.map(|(key, page)| (key, page.clone())).collect());
        },
    },
    Row {
        fields: &[Field::Birthday],
        vcard: "BDAY",
        ews: "contacts:Birthday",
        read: |card, contact| contact.birthday = day(card, &["BDAY"]),
        write: |card, contact, version| set_day(card, &["BDAY"], "BDAY", contact.birthday, version),
    },
    Row {
        fields: &[Field::Anniversary],
        vcard: "ANNIVERSARY",
        ews: "contacts:WeddingAnniversary",
        read: |card, contact| contact.anniversary = day(card, ANNIVERSARIES),
        write: |card, contact, version| {
            let new = match version {
                Version::V3 => "X-ANNIVERSARY",
                Version::V4 => "ANNIVERSARY",
            };
            set_day(card, ANNIVERSARIES, new, contact.anniversary, version);
        },
    },
    Row {
        fields: &[Field::Photo],
        vcard: "PHOTO",
        ews: "the attachment with IsContactPhoto",
        read: |card, contact| contact.photo = card.properties("PHOTO").find_map(|line| read_photo(&line)),
        write: |card, contact, version| set_photo(card, contact.photo.as_ref(), version),
    },
    text!(Note, note, ["NOTE"], "item:Body"),
    Row {
        fields: &[Field::Messengers],
        vcard: "IMPP",
        ews: "contacts:ImAddress:ImAddress1…3, further ones P:",
        read: |card, contact| {
            contact.messengers = card.properties("IMPP").filter_map(|line| some_text(&line)).collect()
        },
        write: |card, contact, _| {
            let write = |line: Property, address: &Text| line.with_value(uri(address));
            let fresh = || Property::new("IMPP", "");
            card.rewrite("IMPP", |old| set_list(old, &contact.messengers, some_text, write, fresh));
        },
    },
    person!(Spouse, spouse, SPOUSE, "RELATED;TYPE=spouse", "contacts:SpouseName"),
    Row {
        fields: &[Field::Children],
        vcard: "RELATED;TYPE=child",
        ews: "contacts:Children",
        read: |card, contact| contact.children = CHILD.read(card),
        write: |card, contact, version| CHILD.write(card, &contact.children, version),
    },
    person!(Assistant, assistant, ASSISTANT, "X-ASSISTANT", "contacts:AssistantName"),
    person!(Manager, manager, MANAGER, "X-MANAGER", "contacts:Manager"),
    Row {
        fields: &[Field::Categories],
        vcard: "CATEGORIES",
        ews: "item:Categories",
        read: |card, contact| contact.categories = classes::categories(card),
        write: |card, contact, _| classes::set_categories(card, &contact.categories),
    },
    Row {
        fields: &[Field::Sensitivity],
        vcard: "CLASS",
        ews: "item:Sensitivity",
        read: |card, contact| contact.sensitivity = classes::sensitivity(card),
        write: |card, contact, _| classes::set_sensitivity(card, contact.sensitivity),
    },
    Row {
        fields: &[Field::Gender],
        vcard: "GENDER",
        ews: "0x3A4D",
        read: |card, contact| contact.gender = gender(card),
        write: write_gender,
    },
    text!(FreeBusy, free_busy, ["FBURL"], "A:0x80D8"),
];

const ANNIVERSARIES: &[&str] =
    &["ANNIVERSARY", "X-ANNIVERSARY", "X-MS-ANNIVERSARY", "X-EVOLUTION-ANNIVERSARY", "X-KADDRESSBOOK-X-ANNIVERSARY"];

/// What a card says.
pub(super) fn read(card: &Component) -> Contact {
    let mut contact = Contact::default();
    for row in ROWS {
        (row.read)(card, &mut contact);
    }
    contact
}

/// Writes the rows of which a field differs from what the card says, which is `before`.
pub(super) fn patch(card: &mut Component, before: &Contact, contact: &Contact, version: Version) {
    let changed = before.diff(contact);
    for row in ROWS.iter().filter(|row| row.fields.iter().any(|field| changed.contains(field))) {
        (row.write)(card, contact, version);
    }
}

fn one(names: Vec<Text>) -> Text {
    names.into_iter().next().unwrap_or_default()
}

/// Sets the first name; further ones stay, unless there is to be none.
fn write_one(relation: &Relation, card: &mut Component, name: &Text, version: Version) {
    let mut names = relation.read(card);
    match (name.is_empty(), names.first_mut()) {
        (true, _) => names.clear(),
        (false, Some(first)) => first.clone_from(name),
        (false, None) => names.push(name.clone()),
    }
    relation.write(card, &names, version);
}

/// RFC 6350 §6.2.7; before that, some programs used a name of their own.
const GENDERS: [&str; 2] = ["GENDER", "X-GENDER"];

fn gender(card: &Component) -> Option<Gender> {
    let property = GENDERS.iter().find_map(|name| card.property(name))?;
    match part(Some(&property), 0).as_str().trim().to_ascii_lowercase().as_str() {
        "f" | "female" => Some(Gender::Female),
        "m" | "male" => Some(Gender::Male),
        _ => None,
    }
}

fn write_gender(card: &mut Component, contact: &Contact, version: Version) {
    let letter = match contact.gender {
        Some(Gender::Female) => "F",
        Some(Gender::Male) => "M",
        None => return GENDERS.iter().for_each(|name| card.set(name, None)),
    };
    let new = match version {
        Version::V3 => "X-GENDER",
        Version::V4 => "GENDER",
    };
    let name = GENDERS.iter().find(|name| card.property(name).is_some()).unwrap_or(&new);
    card.set(name, Some(letter));
}
