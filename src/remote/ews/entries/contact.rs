//! Contacts (MS-OXWSCONT `ContactItemType`): a row for each field, as in the table of their files.

use std::collections::BTreeMap;

use super::super::property::{Content, Property, PropertySet};
use super::super::shape::{parse_time, write_time};
use super::super::xml::Element;
use super::classes::{categories_row, sensitivity_row};
use super::spelling::{Change, Row, Spelled, body_row, text_row, word};
use crate::pim::{Address, AddressKey, Contact, DayOfLife, Gender, PhoneKey, Text, UnixTime};

const fn field(uri: &'static str) -> Property {
    Property::Field(uri)
}

const UID: Property = Property::Public("urn:schemas:contacts:uid", "String");
const DISPLAY_NAME: Property = field("contacts:DisplayName");
const SUBJECT: Property = field("item:Subject");
/// PidTagDisplayNamePrefix: `contacts:CompleteName` has it, too, but cannot be written.
const PREFIX: Property = Property::Mapi(0x3A45, "String");
/// PidTagPersonalHomePage.
const PERSONAL_PAGE: Property = Property::Mapi(0x3A50, "String");
/// PidTagGender.
const GENDER: Property = Property::Mapi(0x3A4D, "Short");
/// PidLidFreeBusyLocation.
const FREE_BUSY: Property = Property::Named(PropertySet::Address, 0x80D8, "String");

/// The row of a day.
macro_rules! day {
    ($member:ident, $property:expr) => {
        Row {
            properties: &[$property],
            read: |item, contact| {
                contact.$member = $property.of(item).and_then(parse_time).and_then(DayOfLife::from_instant)
            },
            spell: |contact, to| to.time($property, contact.$member.and_then(instant)),
            change: Change::Each,
        }
    };
}

/// All rows. The photo is an attachment, and is fetched and sent apart.
pub(super) const ROWS: &[Row<Contact>] = &[
    text_row!(uid, UID),
    Row {
        properties: &[SUBJECT, DISPLAY_NAME],
        read: |item, contact| {
            let name = DISPLAY_NAME.text(item);
            contact.display_name = if name.is_empty() { SUBJECT.text(item) } else { name };
        },
        // Lists of search results and of deleted items show the subject.
        spell: |contact, to| {
            to.text(SUBJECT, &contact.display_name);
            to.text(DISPLAY_NAME, &contact.display_name);
        },
        change: Change::Each,
    },
    text_row!(prefix, PREFIX),
    text_row!(given, field("contacts:GivenName")),
    text_row!(middle, field("contacts:MiddleName")),
    text_row!(surname, field("contacts:Surname")),
    text_row!(suffix, field("contacts:Generation")),
    text_row!(nickname, field("contacts:Nickname")),
    text_row!(file_as, field("contacts:FileAs")),
    Row {
        properties: &[field("contacts:EmailAddresses"), FURTHER_EMAILS],
        read: |item, contact| contact.emails = read_places(item, EMAILS, FURTHER_EMAILS, mail_address),
        spell: |contact, to| spell_places(&contact.emails, EMAILS, FURTHER_EMAILS, to),
        // The entry does not tell which places are empty between them.
        change: Change::All,
    },
    Row {
        properties: &[field("contacts:PhoneNumbers")],
        read: |item, contact| contact.phones = phones(item),
        spell: |contact, to| {
            for (key, place) in PHONES {
                to.text(place, contact.phones.get(&key).unwrap_or(&Text::default()));
            }
        },
        change: Change::Each,
    },
    Row {
        properties: &[field("contacts:PhysicalAddresses"), BUSINESS_BOX, HOME_BOX, OTHER_BOX],
        read: |item, contact| contact.addresses = addresses(item),
        spell: |contact, to| {
            for (key, place) in ADDRESSES {
                let empty = Address::default();
                place.spell(contact.addresses.get(&key).unwrap_or(&empty), to);
            }
        },
        change: Change::Each,
    },
    text_row!(company, field("contacts:CompanyName")),
    text_row!(department, field("contacts:Department")),
    text_row!(job_title, field("contacts:JobTitle")),
    text_row!(profession, field("contacts:Profession")),
    text_row!(business_page, field("contacts:BusinessHomePage")),
    text_row!(personal_page, PERSONAL_PAGE),
    day!(birthday, field("contacts:Birthday")),
    day!(anniversary, field("contacts:WeddingAnniversary")),
    body_row!(note),
    Row {
        properties: &[field("contacts:ImAddresses"), FURTHER_MESSENGERS],
        read: |item, contact| {
            contact.messengers = read_places(item, MESSENGERS, FURTHER_MESSENGERS, |entry| Text::new(&entry.text));
        },
        spell: |contact, to| spell_places(&contact.messengers, MESSENGERS, FURTHER_MESSENGERS, to),
        change: Change::All,
    },
    text_row!(spouse, field("contacts:SpouseName")),
    Row {
        properties: &[field("contacts:Children")],
        read: |item, contact| contact.children = field("contacts:Children").texts(item),
        spell: |contact, to| to.texts(field("contacts:Children"), &contact.children),
        change: Change::Each,
    },
    text_row!(assistant, field("contacts:AssistantName")),
    text_row!(manager, field("contacts:Manager")),
    categories_row!(),
    sensitivity_row!(),
    Row {
        properties: &[GENDER],
        read: |item, contact| contact.gender = gender(item),
        spell: |contact, to| {
            let number = contact.gender.map(|gender| match gender {
                Gender::Female => "1",
                Gender::Male => "2",
            });
            to.put(GENDER, number.map(word));
        },
        change: Change::Each,
    },
    text_row!(free_busy, FREE_BUSY),
];

/// The instant that stands for a day, if the server can hold it: its times begin in 1601.
fn instant(day: DayOfLife) -> Option<UnixTime> {
    day.to_instant().filter(|instant| parse_time(&write_time(*instant)).is_some())
}

fn gender(item: &Element) -> Option<Gender> {
    match GENDER.of(item)? {
        "1" => Some(Gender::Female),
        "2" => Some(Gender::Male),
        _ => None,
    }
}

/// Three places.
type Places = [Property; 3];

const EMAILS: Places = [
    Property::Indexed("contacts:EmailAddress", "EmailAddress1"),
    Property::Indexed("contacts:EmailAddress", "EmailAddress2"),
    Property::Indexed("contacts:EmailAddress", "EmailAddress3"),
];
const MESSENGERS: Places = [
    Property::Indexed("contacts:ImAddress", "ImAddress1"),
    Property::Indexed("contacts:ImAddress", "ImAddress2"),
    Property::Indexed("contacts:ImAddress", "ImAddress3"),
];
/// The fourth address of mail, and those after it.
const FURTHER_EMAILS: Property = Property::Public("pimsync-emails", "StringArray");
/// The fourth address of instant messages, and those after it.
const FURTHER_MESSENGERS: Property = Property::Public("pimsync-messengers", "StringArray");

fn read_places(item: &Element, places: Places, further: Property, read: fn(&Element) -> Text) -> Vec<Text> {
    let found = places.iter().filter_map(|place| place.find(item)).map(read).filter(|text| !text.is_empty());
    found.chain(further.texts(item)).collect()
}

fn spell_places(texts: &[Text], places: Places, further: Property, to: &mut Spelled<'_>) {
    let mut rest = texts.iter().filter(|text| !text.as_str().trim().is_empty());
    for place in places {
        to.put(place, rest.next().map(|text| Content::Text(text.as_str().to_owned())));
    }
    to.texts(further, rest);
}

/// Addresses come with a prefix at times. Of those within the organisation, the server may tell the name that the directory gives them, and
/// beside it what people see, which often is the address.
fn mail_address(entry: &Element) -> Text {
    let address = entry.text.as_str();
    let prefixed = address.get(..5).is_some_and(|prefix| prefix.eq_ignore_ascii_case("smtp:"));
    let is_of_directory = entry.attribute("RoutingType").is_some_and(|routing| routing.eq_ignore_ascii_case("EX"));
    let shown = entry.attribute("OriginalDisplayName").filter(|shown| is_of_directory && shown.contains('@'));
    Text::new(shown.unwrap_or(if prefixed { address.get(5..).unwrap_or_default() } else { address }))
}

const fn phone(key: &'static str) -> Property {
    Property::Indexed("contacts:PhoneNumber", key)
}

const PHONES: [(PhoneKey, Property); 19] = [
    (PhoneKey::AssistantPhone, phone("AssistantPhone")),
    (PhoneKey::BusinessFax, phone("BusinessFax")),
    (PhoneKey::BusinessPhone, phone("BusinessPhone")),
    (PhoneKey::BusinessPhone2, phone("BusinessPhone2")),
    (PhoneKey::Callback, phone("Callback")),
    (PhoneKey::CarPhone, phone("CarPhone")),
    (PhoneKey::CompanyMainPhone, phone("CompanyMainPhone")),
    (PhoneKey::HomeFax, phone("HomeFax")),
    (PhoneKey::HomePhone, phone("HomePhone")),
    (PhoneKey::HomePhone2, phone("HomePhone2")),
    (PhoneKey::Isdn, phone("Isdn")),
    (PhoneKey::MobilePhone, phone("MobilePhone")),
    (PhoneKey::OtherFax, phone("OtherFax")),
    (PhoneKey::OtherTelephone, phone("OtherTelephone")),
    (PhoneKey::Pager, phone("Pager")),
    (PhoneKey::PrimaryPhone, phone("PrimaryPhone")),
    (PhoneKey::RadioPhone, phone("RadioPhone")),
    (PhoneKey::Telex, phone("Telex")),
    (PhoneKey::TtyTddPhone, phone("TtyTddPhone")),
];

fn phones(item: &Element) -> BTreeMap<PhoneKey, Text> {
    let found = PHONES.iter().map(|(key, place)| (*key, place.text(item)));
    found.filter(|(_, number)| !number.is_empty()).collect()
}

/// Where the parts of an address are. The box has no name in EWS.
#[derive(Clone, Copy)]
struct AddressPlace {
    key: &'static str,
    po_box: Property,
}

/// PidLidWorkAddressPostOfficeBox.
const BUSINESS_BOX: Property = Property::Named(PropertySet::Address, 0x804A, "String");
/// PidTagHomeAddressPostOfficeBox.
const HOME_BOX: Property = Property::Mapi(0x3A5E, "String");
/// PidTagOtherAddressPostOfficeBox.
const OTHER_BOX: Property = Property::Mapi(0x3A64, "String");

const ADDRESSES: [(AddressKey, AddressPlace); 3] = [
    (AddressKey::Business, AddressPlace { key: "Business", po_box: BUSINESS_BOX }),
    (AddressKey::Home, AddressPlace { key: "Home", po_box: HOME_BOX }),
    (AddressKey::Other, AddressPlace { key: "Other", po_box: OTHER_BOX }),
];

impl AddressPlace {
    fn parts(self) -> [Property; 6] {
        let part = |uri| Property::Indexed(uri, self.key);
        [
            self.po_box,
            part("contacts:PhysicalAddress:Street"),
            part("contacts:PhysicalAddress:City"),
            part("contacts:PhysicalAddress:State"),
            part("contacts:PhysicalAddress:CountryOrRegion"),
            part("contacts:PhysicalAddress:PostalCode"),
        ]
    }

    fn read(self, item: &Element) -> Address {
        let [po_box, street, city, state, country, postal_code] = self.parts().map(|part| part.text(item));
        Address { po_box, street, city, state, postal_code, country }
    }

    fn spell(self, address: &Address, to: &mut Spelled<'_>) {
        let Address { po_box, street, city, state, postal_code, country } = address;
        for (part, text) in self.parts().into_iter().zip([po_box, street, city, state, country, postal_code]) {
            to.text(part, text);
        }
    }
}

fn addresses(item: &Element) -> BTreeMap<AddressKey, Address> {
    let found = ADDRESSES.iter().map(|(key, place)| (*key, place.read(item)));
    found.filter(|(_, address)| !address.is_empty()).collect()
}
