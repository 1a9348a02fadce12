//! Groups as vCards: `KIND:group` and `MEMBER` (RFC 6350 §6.1.4 and §6.6.5), or the properties of the same meaning that Apple puts into version 3.0.
//!
//! A linked member is `MEMBER;X-EMAIL=anna@example.org;X-CN=Anna Berg:urn:uuid:…`: programs that know contacts by UID find it, and the address and the
//! name that were last seen, in parameters that several programs use, stay with it. `X-EMAIL-PLACE` is pimsync's own.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;

use super::super::content::{Component, Document, Property, escape};
use super::values::{some_text, text};
use super::{VcardError, one_card};
use crate::pim::Text;
use crate::pim::group::{EmailAddress, Group, Link, Mailbox, Member, Uid, decode};

/// The address that was last seen.
const EMAIL: &str = "X-EMAIL";
/// Which of the contact's addresses is meant.
const PLACE: &str = "X-EMAIL-PLACE";
/// The name that was last seen, as several programs spell it; the first one is written.
const NAMES: [&str; 3] = ["X-CN", "CN", "X-OX-FN"];

/// A group's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFile {
    document: Document,
    member: &'static str,
}

impl GroupFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It holds no vCard of one group, of a version that is read.
    pub fn parse(bytes: impl Into<bytes::Bytes>) -> Result<Self, VcardError> {
        let (document, _) = one_card(bytes)?;
        let member = document.components("VCARD").next().and_then(member_property).ok_or(VcardError::NoGroup)?;
        Ok(Self { document, member })
    }

    /// A file, in version 4.0, for a group that has none.
    pub fn new(group: &Group) -> Self {
        let mut card = Component::new("VCARD");
        card.set("VERSION", Some("4.0"));
        card.set("KIND", Some("group"));
        card.set("FN", Some(""));
        let mut file = Self { document: Document::of(card), member: "MEMBER" };
        file.patch(group);
        file
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.document.to_bytes()
    }

    /// What the file says.
    pub fn group(&self) -> Group {
        let Some(card) = self.document.components("VCARD").next() else { return Group::default() };
        let members = card.properties(self.member).map(|property| read(&property));
        Group { uid: Uid::new(text(card, &["UID"]).as_str()), name: text(card, &["FN"]), members: members.collect() }
    }

    /// Brings the file to what `group` says. Only the lines of what differs are written.
    pub fn patch(&mut self, group: &Group) {
        let before = self.group();
        let member = self.member;
        let Some(card) = self.document.components_mut("VCARD").next() else { return };
        if group.name != before.name {
            card.set("FN", Some(&escape(group.name.as_str())));
        }
        if group.uid != before.uid {
            card.set("UID", group.uid.as_ref().map(Uid::to_uri).as_deref());
        }
        card.rewrite(member, |old| patch_members(member, old, &group.members));
    }
}

/// Whether a card is a group: the property that holds its members then.
pub(super) fn member_property(card: &Component) -> Option<&'static str> {
    let is_group = |name| card.property(name).is_some_and(|kind| kind.value.trim().eq_ignore_ascii_case("group"));
    match (is_group("KIND"), is_group("X-ADDRESSBOOKSERVER-KIND")) {
        (true, _) => Some("MEMBER"),
        (false, true) => Some("X-ADDRESSBOOKSERVER-MEMBER"),
        (false, false) => None,
    }
}

/// Each member with the property that it had: as it is where it says the same, brought up to date where it is the same member.
fn patch_members(name: &str, old: Vec<Property>, members: &[Member]) -> Vec<Property> {
    let mut known: HashMap<String, VecDeque<Property>> = HashMap::new();
    for property in old {
        known.entry(identity(&read(&property))).or_default().push_back(property);
    }
    let mut own = |member: &Member| {
        let properties = known.get_mut(&identity(member))?;
        let at = properties.iter().position(|property| read(property) == *member);
        properties.remove(at.unwrap_or(0))
    };
    let with_own = |member| match own(member) {
        Some(property) if read(&property) == *member => property,
        Some(property) => write(property, member),
        None => write(Property::new(name, ""), member),
    };
    members.iter().map(with_own).collect()
}

/// The same for members of which one can be the other as it was.
fn identity(member: &Member) -> String {
    match member {
        Member::Address(mailbox) => format!("a{}", mailbox.address.key()),
        Member::Linked(link) => format!("u{}", link.uid),
        Member::Unusable(text) => format!("x{text}"),
    }
}

fn read(property: &Property) -> Member {
    let value = some_text(property).unwrap_or_default();
    let value = value.as_str().trim();
    let name = NAMES.iter().find_map(|name| property.parameter(name)).map(Text::new).unwrap_or_default();
    if let Some(mailbox) = mailbox(value) {
        return match mailbox {
            Some(Mailbox { name: inner, address }) => {
                Member::Address(Mailbox { name: if name.is_empty() { inner } else { name }, address })
            }
            None => Member::Unusable(Text::new(value)),
        };
    }
    let Some(uid) = Uid::new(value) else { return Member::Unusable(Text::new(value)) };
    Member::Linked(Link {
        uid,
        name,
        last_seen: property.parameter(EMAIL).and_then(|address| EmailAddress::new(address).ok()),
        place: property.parameter(PLACE).and_then(|place| place.trim().parse().ok()),
    })
}

/// The mailbox of a `mailto:` (RFC 6068) or of an address as it stands; `None` where it is something else, `Some(None)` where it is a broken one.
fn mailbox(value: &str) -> Option<Option<Mailbox>> {
    const SCHEME: &str = "mailto:";
    match value.get(..SCHEME.len()).filter(|head| head.eq_ignore_ascii_case(SCHEME)) {
        Some(_) => {
            let rest = value.get(SCHEME.len()..).unwrap_or_default();
            let address = rest.split('?').next().unwrap_or_default();
            Some(Mailbox::parse(&decode(address)).ok())
        }
        None if value.contains('@') && !value.contains(':') => Mailbox::parse(value).ok().map(Some),
        None => None,
    }
}

/// A property, new or of the same member as it was, brought to what `member` says.
fn write(mut property: Property, member: &Member) -> Property {
    let (name, last_seen, place) = match member {
        Member::Address(mailbox) => {
            property.value = format!("mailto:{}", encode(mailbox.address.as_str()));
            (&mailbox.name, None, None)
        }
        Member::Linked(link) => {
            if property.value.is_empty() {
                property.value = link.uid.to_uri();
            }
            (&link.name, link.last_seen.as_ref(), link.place)
        }
        Member::Unusable(text) => return property.with_value(escape(text.as_str())),
    };
    property.set_parameter(EMAIL, last_seen.map(EmailAddress::as_str));
    property.set_parameter(PLACE, place.map(|place| place.to_string()).as_deref());
    let used = NAMES.iter().find(|name| property.parameter(name).is_some()).unwrap_or(&NAMES[0]);
    for known in NAMES {
        let value = Some(name.as_str()).filter(|name| known == *used && !name.is_empty());
        property.set_parameter(known, value);
    }
    property
}

/// An address in a `mailto:` (RFC 6068 §2).
fn encode(address: &str) -> String {
    address.bytes().fold(String::with_capacity(address.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~!$'*+=@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> GroupFile {
        GroupFile::parse(text.as_bytes().to_vec()).unwrap()
    }

    fn text(file: &GroupFile) -> String {
        String::from_utf8(file.to_bytes()).unwrap()
    }

    fn address(text: &str) -> Member {
        Member::Address(Mailbox::parse(text).unwrap())
    }

    #[test]
    fn a_new_group_is_of_version_4() {
        let link = Link {
            uid: Uid::new("03a0e51f-d1aa-4385-8a53-e29025acd8af").unwrap(),
            name: "Anna Berg".into(),
            last_seen: EmailAddress::new("anna@x").ok(),
            place: None,
        };
        let members = vec![Member::Linked(link), address("Ben <ben@x>"), address("o'k%@bücher.example")];
        let group = Group { uid: Uid::new("u1"), name: "Team; A".into(), members };
        let file = GroupFile::new(&group);
        let expected = "BEGIN:VCARD\r\nVERSION:4.0\r\nKIND:group\r\nFN:Team\\; A\r\nUID:urn:uuid:u1\r\n\
            MEMBER;X-EMAIL=anna@x;X-CN=Anna Berg:urn:uuid:03a0e51f-d1aa-4385-8a53-e2902\r\n 5acd8af\r\n\
            MEMBER;X-CN=Ben:mailto:ben@x\r\nMEMBER:mailto:o'k%25@b%C3%BCcher.example\r\nEND:VCARD\r\n";
        assert_eq!(text(&file), expected);
        assert_eq!(parse(expected).group(), group);
    }

    #[test]
    fn a_change_of_one_member_leaves_the_other_lines() {
        const FILE: &str = "BEGIN:VCARD\nVERSION:4.0\nN:x;;;;\nKIND:Group\nFN:A\\, b,c\nitem1.MEMBER;PREF=1:mailto:a\n @x?subject=hi\n\
            X-ODD:1\nMEMBER;X-OX-FN=Ben:URN:UUID:b\nMEMBER:mailto:%22C%22%20%3Cc@x%3E\nMEMBER:mailto:broken\nNOTE:n\nEND:VCARD\n";
        let mut file = parse(FILE);
        let mut group = file.group();
        assert_eq!(group.members[2], address("C <c@x>"));
        assert_eq!(group.members[3], Member::Unusable("mailto:broken".into()));
        file.patch(&group);
        assert_eq!(text(&file), FILE);
        group.members.push(address("d@x"));
        let Member::Linked(link) = &mut group.members[1] else { panic!("{group:?}") };
        link.last_seen = EmailAddress::new("ben@x").ok();
        file.patch(&group);
        let expected = FILE
            .replace("X-OX-FN=Ben:", "X-OX-FN=Ben;X-EMAIL=ben@x:")
            .replace("broken\n", "broken\nMEMBER:mailto:d@x\n");
        assert_eq!(text(&file), expected);
        group.members.truncate(1);
        group.name = "New".into();
        file.patch(&group);
        let expected = "BEGIN:VCARD\nVERSION:4.0\nN:x;;;;\nKIND:Group\nFN:New\nitem1.MEMBER;PREF=1:mailto:a\n @x?subject=hi\n\
            X-ODD:1\nNOTE:n\nEND:VCARD\n";
        assert_eq!(text(&file), expected);
    }

    #[test]
    fn groups_of_apple_keep_their_properties() {
        const FILE: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nX-ADDRESSBOOKSERVER-KIND:group\r\nFN:Club\r\n\
            X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:4CF5-ABPerson\r\nEND:VCARD\r\n";
        let mut file = parse(FILE);
        let mut group = file.group();
        group.members.push(address("a@x"));
        file.patch(&group);
        let added = FILE.replace("ABPerson\r\n", "ABPerson\r\nX-ADDRESSBOOKSERVER-MEMBER:mailto:a@x\r\n");
        assert_eq!(text(&file), added);
    }

    #[test]
    fn what_is_no_group_is_told() {
        let error = |text: &str| GroupFile::parse(text.as_bytes().to_vec()).unwrap_err().to_string();
        assert_eq!(error("BEGIN:VCARD\nVERSION:4.0\nFN:x\nEND:VCARD\n"), "the vCard is no group: it has no KIND:group");
        assert_eq!(error("hello"), "there is no VCARD in the file");
        assert!(error("BEGIN:VCARD\nKIND:group\n").contains("cut short"));
    }

    fn member() -> impl Strategy<Value = Member> {
        let email = "[a-zA-Z0-9.%+ä&?/{}-]{1,12}@[a-zé.]{1,9}"
            .prop_filter_map("no address", |text| EmailAddress::new(&text).ok());
        let name = prop_oneof![Just(String::new()), "[ -~ä\n\t]{1,20}"].prop_map(Text::from);
        let uid =
            prop_oneof!["[0-9A-Fa-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "(a:|http://)?[ -~ä]{1,40}"]
                .prop_filter_map("no uid", |text| Uid::new(&text))
                .prop_filter("an address", |uid| !uid.to_uri().contains('@') || uid.to_uri().contains(':'));
        let link = (uid, name.clone(), prop::option::of(email.clone()), any::<u8>());
        prop_oneof![
            (name, email).prop_map(|(name, address)| Member::Address(Mailbox { name, address })),
            link.prop_map(|(uid, name, last_seen, place)| Member::Linked(Link {
                uid,
                name,
                last_seen,
                place: std::num::NonZeroU8::new(place),
            })),
        ]
    }

    fn group() -> impl Strategy<Value = Group> {
        let uid = prop::option::of("[a-z0-9 :,]{1,9}").prop_map(|uid| uid.and_then(|uid| Uid::new(&uid)));
        (uid, "[ -~ä\n]{1,30}", prop::collection::vec(member(), 0..9)).prop_map(|(uid, name, members)| Group {
            uid,
            name: name.into(),
            members,
        })
    }

    proptest! {
        #[test]
        fn a_group_comes_back_from_its_file(group in group()) {
            let file = GroupFile::new(&group);
            prop_assert_eq!(file.group(), group.clone());
            let mut again = GroupFile::parse(file.to_bytes()).unwrap();
            prop_assert_eq!(again.group(), group.clone());
            again.patch(&group);
            prop_assert_eq!(again.to_bytes(), file.to_bytes());
        }

        #[test]
        fn any_group_becomes_any_other_and_other_lines_stay(one in group(), other in group()) {
            let mut written = text(&GroupFile::new(&one));
            written.insert_str(written.len() - "END:VCARD\r\n".len(), "item1.X-ODD;x=\"a;b\":kept\r\n");
            let mut file = parse(&written);
            file.patch(&other);
            prop_assert_eq!(file.group(), other.clone());
            prop_assert_eq!(parse(&text(&file)).group(), other);
            prop_assert!(text(&file).contains("item1.X-ODD;x=\"a;b\":kept\r\n"));
        }

        #[test]
        fn members_that_stay_keep_their_bytes(members in prop::collection::vec(member(), 1..9), gone in any::<prop::sample::Index>()) {
            let mut group = Group { uid: None, name: "x".into(), members };
            let mut file = GroupFile::new(&group);
            let lines = |file: &GroupFile| text(file).replace("\r\n ", "").lines().map(str::to_owned).collect::<Vec<_>>();
            let before = lines(&file);
            let gone = group.members.remove(gone.index(group.members.len()));
            file.patch(&group);
            let after = lines(&file);
            prop_assert_eq!(after.len() + 1, before.len(), "{:?}", gone);
            prop_assert!(after.iter().all(|line| before.contains(line)));
        }
    }
}
