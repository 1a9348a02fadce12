//! Contacts (item class `IPM.Contact`).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::fields::item;
use super::{Blob, Categories, Sensitivity, Text, UnixTime};

item! {
    /// A contact. Empty text is the same as none.
    Contact,
    /// A field of a contact.
    ContactField {
        /// What identifies it in files (RFC 6350 §6.7.6).
        uid / Uid: Text,
        /// The name as it is shown.
        display_name / DisplayName: Text,
        /// Titles before the name.
        prefix / Prefix: Text,
        /// Given name.
        given / Given: Text,
        /// Middle names.
        middle / Middle: Text,
        /// Family name.
        surname / Surname: Text,
        /// What follows the name, such as "jun.".
        suffix / Suffix: Text,
        /// What friends call them.
        nickname / Nickname: Text,
        /// How Outlook sorts them.
        file_as / FileAs: Text,
        /// Addresses of mail. Exchange has three places; [`Contact::EMAILS`].
        emails / Emails: Vec<Text>,
        /// Numbers.
        phones / Phones: BTreeMap<PhoneKey, Text>,
        /// Addresses of paper mail.
        addresses / Addresses: BTreeMap<AddressKey, Address>,
        /// Company.
        company / Company: Text,
        /// Department of the company.
        department / Department: Text,
        /// What they are called at work.
        job_title / JobTitle: Text,
        /// What they do.
        profession / Profession: Text,
        /// Page of the company.
        business_page / BusinessPage: Text,
        /// Page of their own.
        personal_page / PersonalPage: Text,
        /// Birthday.
        birthday / Birthday: Option<DayOfLife>,
        /// Wedding anniversary.
        anniversary / Anniversary: Option<DayOfLife>,
        /// Photo.
        photo / Photo: Option<Photo>,
        /// Notes about them.
        note / Note: Text,
        /// Addresses of instant messages. Exchange has three places.
        messengers / Messengers: Vec<Text>,
        /// Husband, wife, partner.
        spouse / Spouse: Text,
        /// Children.
        children / Children: Vec<Text>,
        /// Assistant.
        assistant / Assistant: Text,
        /// Manager.
        manager / Manager: Text,
        /// Categories.
        categories / Categories: Categories,
        /// Who may see it.
        sensitivity / Sensitivity: Sensitivity,
        /// Gender, of those that the server knows.
        gender / Gender: Option<Gender>,
        /// Where their free and busy times are published.
        free_busy / FreeBusy: Text,
    }
}

impl Contact {
    /// So many addresses of mail have a place on the server; further ones are kept in a property of pimsync's own.
    pub const EMAILS: usize = 3;
}

/// The places for numbers on the server (MS-OXWSCONT `PhoneNumberKeyType`), one number each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the server's names")]
pub enum PhoneKey {
    BusinessPhone,
    BusinessPhone2,
    HomePhone,
    HomePhone2,
    MobilePhone,
    BusinessFax,
    HomeFax,
    OtherFax,
    Pager,
    CarPhone,
    Isdn,
    OtherTelephone,
    PrimaryPhone,
    AssistantPhone,
    Callback,
    CompanyMainPhone,
    RadioPhone,
    Telex,
    TtyTddPhone,
}

/// The places for addresses on the server (MS-OXWSCONT `PhysicalAddressKeyType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the server's names")]
pub enum AddressKey {
    Business,
    Home,
    Other,
}

/// An address of paper mail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Post office box.
    pub po_box: Text,
    /// Street and number.
    pub street: Text,
    /// City.
    pub city: Text,
    /// State, county, canton.
    pub state: Text,
    /// Postal code.
    pub postal_code: Text,
    /// Country.
    pub country: Text,
}

impl Address {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A picture of somebody. Two are equal when their bytes are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Photo {
    #[serde(flatten)]
    content: Blob,
    #[serde(skip)]
    kind: Text,
}

impl Photo {
    /// The picture with these bytes; `kind` is the media type's second half, such as `jpeg`, and empty where nobody tells it.
    pub fn new(kind: impl Into<Text>, data: impl Into<Bytes>) -> Self {
        Self { content: Blob::new(data), kind: kind.into() }
    }

    /// The media type's second half, or nothing.
    pub fn kind(&self) -> &Text {
        &self.kind
    }

    /// Its bytes; `None` where it is only remembered.
    pub fn data(&self) -> Option<&Bytes> {
        self.content.data().filter(|data| !data.is_empty())
    }
}

impl PartialEq for Photo {
    fn eq(&self, other: &Self) -> bool {
        self.content == other.content
    }
}

impl Eq for Photo {}

/// PidTagGender (0x3A4D).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gender {
    /// 1.
    Female,
    /// 2.
    Male,
}

/// A day in somebody's life: a date, with or without its year, and never an instant, so that it is the same day in every zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DayOfLife(jiff::civil::Date);

impl DayOfLife {
    /// The year that Outlook writes where none is known. It is a leap year, so every day has its date.
    const NO_YEAR: i16 = 1604;

    /// The day of that date, from the year 1 on. A date in 1604 is a day without a year.
    pub fn new(date: jiff::civil::Date) -> Option<Self> {
        (date.year() > 0).then_some(Self(date))
    }

    /// A day of which the year is not known; `None` when there is no such day.
    pub fn without_year(month: i8, day: i8) -> Option<Self> {
        jiff::civil::Date::new(Self::NO_YEAR, month, day).ok().map(Self)
    }

    /// The year, where it is known.
    pub fn year(self) -> Option<i16> {
        Some(self.0.year()).filter(|year| *year != Self::NO_YEAR)
    }

    /// Month and day.
    pub fn month_and_day(self) -> (i8, i8) {
        (self.0.month(), self.0.day())
    }

    /// The day that the server tells as an instant.
    ///
    /// It is noon in UTC, or one minute before, where a client knew the trap, and midnight of the writer's own zone where it did not.
    /// So from 12:00 in UTC on the instant stands for the next day: right for every writer from UTC−11 to UTC+12.
    pub fn from_instant(instant: UnixTime) -> Option<Self> {
        const HALF_A_DAY: i64 = 12 * 3600;
        let shifted = jiff::Timestamp::from_second(instant.0.checked_add(HALF_A_DAY)?).ok()?;
        Self::new(shifted.to_zoned(jiff::tz::TimeZone::UTC).date())
    }

    /// The instant that the server is told: one minute before noon in UTC, as Exchange itself puts it.
    pub fn to_instant(self) -> Option<UnixTime> {
        let noon = self.0.at(11, 59, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(UnixTime(noon.timestamp().as_second()))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_birthday_stays_on_its_day() {
        let day = DayOfLife::new(date(1985, 4, 12)).unwrap();
        assert_eq!(day.to_instant().and_then(DayOfLife::from_instant), Some(day), "as pimsync and Exchange write it");
        for hours in -11..=12 {
            let midnight = UnixTime(
                date(1985, 4, 12).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second() - hours * 3600,
            );
            assert_eq!(DayOfLife::from_instant(midnight), Some(day), "midnight at UTC{hours:+}");
        }
        assert_eq!(DayOfLife::from_instant(UnixTime(i64::MAX)), None);
        assert_eq!(DayOfLife::without_year(2, 29).unwrap().year(), None);
        assert_eq!(DayOfLife::without_year(2, 30), None);
    }

    #[test]
    fn two_sides_may_change_different_fields_and_numbers() {
        let phones = |pairs: &[(PhoneKey, &str)]| pairs.iter().map(|(key, number)| (*key, Text::new(number))).collect();
        let base = Contact {
            nickname: "A".into(),
            phones: phones(&[(PhoneKey::HomePhone, "1"), (PhoneKey::Pager, "9")]),
            ..Contact::default()
        };
        let remote = Contact {
            company: "C".into(),
            phones: phones(&[(PhoneKey::HomePhone, "2"), (PhoneKey::Pager, "9")]),
            ..base.clone()
        };
        let local = Contact {
            nickname: "B".into(),
            phones: phones(&[(PhoneKey::HomePhone, "1"), (PhoneKey::MobilePhone, "3")]),
            ..base.clone()
        };
        let merged = Contact::merge(&base, &remote, &local);
        let both = phones(&[(PhoneKey::HomePhone, "2"), (PhoneKey::MobilePhone, "3")]);
        assert_eq!(merged.item, Contact { nickname: "B".into(), company: "C".into(), phones: both, ..base.clone() });
        assert_eq!(merged.conflicts, []);
        let clash = Contact { company: "D".into(), phones: phones(&[(PhoneKey::HomePhone, "4")]), ..base.clone() };
        let merged = Contact::merge(&base, &remote, &clash);
        assert_eq!(merged.conflicts, [ContactField::Phones, ContactField::Company]);
        assert_eq!(merged.item, remote, "the server's version stays in place");
    }

    proptest! {
        #[test]
        fn a_merge_takes_a_change_of_one_side_and_knows_equal_ones(base in 0..4u8, remote in 0..4u8, local in 0..4u8) {
            let with = |number: u8| Contact { note: Text::new(&number.to_string()), ..Contact::default() };
            let merged = Contact::merge(&with(base), &with(remote), &with(local));
            let conflict = remote != base && local != base && remote != local;
            prop_assert_eq!(merged.conflicts.is_empty(), !conflict);
            prop_assert_eq!(merged.item, with(if remote == base { local } else { remote }));
            prop_assert_eq!(Contact::merge(&with(base), &with(base), &with(local)).item, with(local));
        }
    }
}
