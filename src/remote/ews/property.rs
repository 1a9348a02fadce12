//! Properties: how requests name them, and how items carry their values.

use super::request::Version;
use super::shape::FLAG_STATUS;
use super::xml::{Element, Xml};
use crate::pim::Text;

/// A property as requests name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Property {
    /// A property of the schema: `item:Size`.
    Field(&'static str),
    /// One of several under one name, by its key: `contacts:EmailAddress` and `EmailAddress1`.
    Indexed(&'static str, &'static str),
    /// A MAPI property by its number and type.
    Mapi(u16, &'static str),
    /// A MAPI property by its set, its number there, and its type.
    Named(PropertySet, u16, &'static str),
    /// A MAPI property by its name in PublicStrings, and its type.
    Public(&'static str, &'static str),
    /// The mark that uploads carry: a named property in PublicStrings, since those survive MoveItem and can be searched for.
    Tag,
}

/// Sets of named properties (MS-OXPROPS §1.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PropertySet {
    /// PSETID_Address.
    Address,
    /// PSETID_Note, which EWS has no name for.
    Note,
}

/// The name of [`Property::Tag`].
const TAG_NAME: &str = "pimsync-tag";

/// The names of indexed properties, the element that lists them, and the part of an entry that they are.
const INDEXED: [(&str, &str, Option<&str>); 8] = [
    ("contacts:EmailAddress", "EmailAddresses", None),
    ("contacts:ImAddress", "ImAddresses", None),
    ("contacts:PhoneNumber", "PhoneNumbers", None),
    ("contacts:PhysicalAddress:Street", "PhysicalAddresses", Some("Street")),
    ("contacts:PhysicalAddress:City", "PhysicalAddresses", Some("City")),
    ("contacts:PhysicalAddress:State", "PhysicalAddresses", Some("State")),
    ("contacts:PhysicalAddress:CountryOrRegion", "PhysicalAddresses", Some("CountryOrRegion")),
    ("contacts:PhysicalAddress:PostalCode", "PhysicalAddresses", Some("PostalCode")),
];

/// The elements that list indexed properties.
pub(super) const LISTS: [&str; 4] = ["EmailAddresses", "ImAddresses", "PhoneNumbers", "PhysicalAddresses"];

/// What a property holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Text, or anything that is written as such.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// Elements.
    Tree(Vec<Element>),
}

impl Property {
    /// Its name as an element, the way that requests and values begin.
    fn uri(self) -> Element {
        let (name, attributes): (&str, Vec<(&str, String)>) = match self {
            Self::Field(uri) => ("FieldURI", vec![("FieldURI", uri.to_owned())]),
            Self::Indexed(uri, key) => {
                ("IndexedFieldURI", vec![("FieldURI", uri.to_owned()), ("FieldIndex", key.to_owned())])
            }
            Self::Mapi(number, kind) => (
                "ExtendedFieldURI",
                vec![("PropertyTag", format!("0x{number:04X}")), ("PropertyType", kind.to_owned())],
            ),
            Self::Named(set, number, kind) => {
                let set = match set {
                    PropertySet::Address => ("DistinguishedPropertySetId", "Address".to_owned()),
                    PropertySet::Note => ("PropertySetId", "0006200E-0000-0000-C000-000000000046".to_owned()),
                };
                // In decimal, unlike property tags.
                let number = ("PropertyId", number.to_string());
                ("ExtendedFieldURI", vec![set, number, ("PropertyType", kind.to_owned())])
            }
            Self::Public(name, kind) => (
                "ExtendedFieldURI",
                vec![
                    ("DistinguishedPropertySetId", "PublicStrings".to_owned()),
                    ("PropertyName", name.to_owned()),
                    ("PropertyType", kind.to_owned()),
                ],
            ),
            Self::Tag => return Self::Public(TAG_NAME, "String").uri(),
        };
        let attributes = attributes.into_iter().map(|(key, value)| (key.into(), value)).collect();
        Element { name: name.into(), attributes, ..Element::default() }
    }

    /// Writes its name.
    pub(super) fn write(self, xml: &mut Xml) {
        xml.tree(&self.uri());
    }

    /// Writes it with a value, as items carry it.
    pub(super) fn write_value(self, xml: &mut Xml, value: &str) {
        xml.tree(&self.holding(Content::Text(value.to_owned())));
    }

    /// The property that a server of that version has for it.
    pub(super) fn for_version(self, version: Version) -> Self {
        match self {
            Self::Field("item:Flag") if !version.has_flag() => FLAG_STATUS,
            other => other,
        }
    }

    /// Whether servers of that version know it at all.
    pub(super) fn is_known(self, version: Version) -> bool {
        match self {
            Self::Field("calendar:StartTimeZone" | "calendar:EndTimeZone") => version.has_zones(),
            Self::Field("item:TextBody") => version.has_text_body(),
            _ => true,
        }
    }

    /// The element of an item that holds this.
    pub(super) fn holding(self, content: Content) -> Element {
        let (name, below) = match self {
            Self::Field(uri) => (uri.rsplit(':').next().unwrap_or(uri), None),
            Self::Indexed(uri, key) => return entry(uri, key, content),
            _ => ("ExtendedProperty", Some(self.uri())),
        };
        match (below, content) {
            (None, Content::Text(text)) => leaf(name, text),
            (None, Content::Texts(texts)) => node(name, texts.into_iter().map(|text| leaf("String", text)).collect()),
            (None, Content::Tree(children)) => node(name, children),
            (Some(uri), Content::Text(text)) => node(name, vec![uri, leaf("Value", text)]),
            (Some(uri), Content::Texts(texts)) => {
                let values = texts.into_iter().map(|text| leaf("Value", text)).collect();
                node(name, vec![uri, node("Values", values)])
            }
            (Some(uri), Content::Tree(children)) => node(name, vec![uri, node("Values", children)]),
        }
    }

    /// The element of an item that holds it.
    pub(super) fn find(self, item: &Element) -> Option<&Element> {
        match self {
            Self::Field(uri) => item.child(uri.rsplit(':').next().unwrap_or(uri)),
            Self::Indexed(uri, key) => {
                let (_, list, part) = INDEXED.iter().find(|row| row.0 == uri)?;
                let entry = item.children_of(list).find(|entry| entry.attribute("Key") == Some(key))?;
                part.map_or(Some(entry), |part| entry.child(part))
            }
            _ => item.children.iter().find(|property| self.is_named_in(property)),
        }
    }

    /// Whether an element is an extended property of that name. Numbers are compared as numbers: servers write them in several ways.
    /// Those in sets are told by their numbers alone, since the set has a name or an id, as the server likes.
    fn is_named_in(self, property: &Element) -> bool {
        let Some(uri) = property.child("ExtendedFieldURI").filter(|_| &*property.name == "ExtendedProperty") else {
            return false;
        };
        match self {
            Self::Mapi(number, _) => uri.attribute("PropertyTag").and_then(parse_number) == Some(number),
            Self::Named(_, number, _) => uri.attribute("PropertyId").and_then(parse_number) == Some(number),
            Self::Public(name, _) => uri.attribute("PropertyName") == Some(name),
            Self::Tag => uri.attribute("PropertyName") == Some(TAG_NAME),
            Self::Field(_) | Self::Indexed(..) => false,
        }
    }

    /// What is written there, with the white space around it.
    fn raw(self, item: &Element) -> Option<&str> {
        let found = self.find(item)?;
        let holder = match self {
            Self::Field(_) | Self::Indexed(..) => found,
            _ => found.child("Value")?,
        };
        Some(&holder.text)
    }

    /// Its value in an answer, without the white space around it.
    pub(super) fn of(self, item: &Element) -> Option<&str> {
        self.raw(item).map(str::trim)
    }

    /// Its value as text for people; empty where there is none.
    pub(super) fn text(self, item: &Element) -> Text {
        Text::new(self.raw(item).unwrap_or_default())
    }

    /// Its values as texts for people, without empty ones.
    pub(super) fn texts(self, item: &Element) -> Vec<Text> {
        let Some(found) = self.find(item) else { return Vec::new() };
        let values = match self {
            Self::Field(_) | Self::Indexed(..) => Some(found),
            // Some servers answer a list of one as one.
            _ => found.child("Values").or(Some(found).filter(|found| found.child("Value").is_some())),
        };
        let values = values.into_iter().flat_map(|values| &values.children);
        let texts = values.filter(|value| matches!(&*value.name, "String" | "Value"));
        texts.map(|value| Text::new(&value.text)).filter(|text| !text.is_empty()).collect()
    }
}

fn entry(uri: &str, key: &str, content: Content) -> Element {
    let row = INDEXED.iter().find(|row| row.0 == uri);
    let (list, part) = row.map_or(("", None), |row| (row.1, row.2));
    let text = match content {
        Content::Text(text) => text,
        Content::Texts(_) | Content::Tree(_) => String::new(),
    };
    let mut entry = match part {
        Some(part) => node("Entry", vec![leaf(part, text)]),
        None => leaf("Entry", text),
    };
    entry.attributes.push(("Key".into(), key.to_owned()));
    node(list, vec![entry])
}

/// An element with text in it.
pub(super) fn leaf(name: &str, text: impl Into<String>) -> Element {
    Element { name: name.into(), text: text.into(), ..Element::default() }
}

/// An element with elements in it.
pub(super) fn node(name: &str, children: Vec<Element>) -> Element {
    Element { name: name.into(), children, ..Element::default() }
}

fn parse_number(text: &str) -> Option<u16> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u16::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn property_numbers_are_compared_as_numbers() {
        for text in ["0x1081", "0X1081", "0x001081", "4225"] {
            assert_eq!(parse_number(text), Some(0x1081), "{text}");
        }
        assert_eq!(parse_number("0xe07"), Some(0x0E07));
        assert_eq!(parse_number("x"), None);
    }

    #[test]
    fn what_a_property_holds_is_found_again() {
        let properties = [
            Property::Field("item:Subject"),
            Property::Indexed("contacts:EmailAddress", "EmailAddress2"),
            Property::Indexed("contacts:PhysicalAddress:City", "Home"),
            Property::Mapi(0x3A45, "String"),
            Property::Named(PropertySet::Note, 0x8B00, "Integer"),
            Property::Public("name", "String"),
            Property::Tag,
        ];
        for property in properties {
            let element = property.holding(Content::Text(" a ".to_owned()));
            let item = node("Item", vec![leaf("Other", "x"), element]);
            assert_eq!((property.of(&item), property.text(&item).as_str()), (Some("a"), " a "), "{property:?}");
        }
        let list = Property::Field("contacts:Children");
        let item = node("Contact", vec![list.holding(Content::Texts(vec!["A".into(), String::new(), "B".into()]))]);
        assert_eq!(list.texts(&item), ["A".into(), "B".into()]);
        let own = Property::Public("list", "StringArray");
        let item = node("Contact", vec![own.holding(Content::Texts(vec!["A".into(), "B".into()]))]);
        assert_eq!(own.texts(&item), ["A".into(), "B".into()]);
        let alone = node("Contact", vec![own.holding(Content::Text("A".into()))]);
        assert_eq!(own.texts(&alone), ["A".into()], "as some servers answer a list of one");
    }
}
