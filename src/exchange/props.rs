//! Extended properties: MAPI properties that clients name by tag or by property set, and how requests write their names.

use serde::{Deserialize, Serialize};

use super::xml::Element;

/// The name of an extended property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PropertyName {
    /// A property tag without its type.
    Tag(u32),
    /// A property set and a name in it.
    Named(String, String),
    /// A property set and a number in it.
    Numbered(String, i64),
}

/// An extended property as it is stored: its values in the form in which XML holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ExtendedProperty {
    pub(super) name: PropertyName,
    /// `String`, `Integer`, `SystemTime`, `StringArray` …
    pub(super) kind: String,
    pub(super) values: Vec<String>,
}

/// The name and type of an extended property as a request wrote it, so that the answer can repeat it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PropertyPath {
    pub(super) name: PropertyName,
    pub(super) kind: String,
    attributes: Vec<(String, String)>,
}

/// The property sets that have a name of their own.
const SETS: &[(&str, &str)] = &[
    ("Meeting", "6ed8da90-450b-101b-98da-00aa003f1305"),
    ("Appointment", "00062002-0000-0000-c000-000000000046"),
    ("Common", "00062008-0000-0000-c000-000000000046"),
    ("PublicStrings", "00020329-0000-0000-c000-000000000046"),
    ("Address", "00062004-0000-0000-c000-000000000046"),
    ("InternetHeaders", "00020386-0000-0000-c000-000000000046"),
    ("CalendarAssistant", "11000e07-b51b-40d6-af21-caa85edab1d0"),
    ("UnifiedMessaging", "4442858e-a9e3-4e80-b900-317a210cc15b"),
    ("Task", "00062003-0000-0000-c000-000000000046"),
    ("Sharing", "00062040-0000-0000-c000-000000000046"),
];

/// Property tags that the server keeps as properties of their own.
pub(super) mod tag {
    /// PidTagMessageFlags: 1 read, 8 unsent, 16 has attachments.
    pub(in super::super) const MESSAGE_FLAGS: u32 = 0x0E07;
    /// PidTagMessageDeliveryTime.
    pub(in super::super) const DELIVERY_TIME: u32 = 0x0E06;
    /// PidTagClientSubmitTime.
    pub(in super::super) const SUBMIT_TIME: u32 = 0x0039;
    /// PidTagLastVerbExecuted: 102 reply, 103 reply all, 104 forward.
    pub(in super::super) const LAST_VERB: u32 = 0x1081;
    /// PidTagIconIndex.
    pub(in super::super) const ICON: u32 = 0x1080;
    /// PidTagSearchKey: survives moves and copies.
    pub(in super::super) const SEARCH_KEY: u32 = 0x300B;
    /// PidTagFlagStatus: 1 complete, 2 flagged.
    pub(in super::super) const FLAG_STATUS: u32 = 0x1090;
    /// PidTagMessageSize.
    pub(in super::super) const SIZE: u32 = 0x0E08;
    /// PidTagSubject.
    pub(in super::super) const SUBJECT: u32 = 0x0037;
    /// PidTagMessageClass.
    pub(in super::super) const MESSAGE_CLASS: u32 = 0x001A;
    /// PidTagInternetMessageId.
    pub(in super::super) const MESSAGE_ID: u32 = 0x1035;
    /// PidTagCreationTime.
    pub(in super::super) const CREATION_TIME: u32 = 0x3007;
    /// PidTagLastModificationTime.
    pub(in super::super) const MODIFICATION_TIME: u32 = 0x3008;
    /// PidTagInternetArticleNumber: grows with each item, the UID of IMAP.
    pub(in super::super) const ARTICLE_NUMBER: u32 = 0x0E23;
    /// PidTagRecordKey.
    pub(in super::super) const RECORD_KEY: u32 = 0x0FF9;
    /// PidTagEntryId.
    pub(in super::super) const ENTRY_ID: u32 = 0x0FFF;
    /// PidTagDisplayTo.
    pub(in super::super) const DISPLAY_TO: u32 = 0x0E04;
    /// PidTagDisplayCc.
    pub(in super::super) const DISPLAY_CC: u32 = 0x0E03;
    /// PidTagImportance: 0 low, 1 normal, 2 high.
    pub(in super::super) const IMPORTANCE: u32 = 0x0017;
    /// PidTagRead.
    pub(in super::super) const READ: u32 = 0x0E69;
    /// PidTagHasAttachments.
    pub(in super::super) const HAS_ATTACHMENTS: u32 = 0x0E1B;
    /// PidTagAttributeHidden, of a folder.
    pub(in super::super) const HIDDEN: u32 = 0x10F4;
    /// PidTagLocalCommitTimeMax, of a folder.
    pub(in super::super) const COMMIT_TIME: u32 = 0x670A;
    /// PidTagDeletedCountTotal, of a folder.
    pub(in super::super) const DELETED_COUNT: u32 = 0x670B;
    /// PidTagContainerClass, of a folder.
    pub(in super::super) const CONTAINER_CLASS: u32 = 0x3613;
}

/// Whether this is the named property under which the categories appear besides `item:Categories`.
pub(super) fn is_keywords(name: &PropertyName) -> bool {
    matches!(name, PropertyName::Named(set, name) if set.starts_with("00020329-") && name == "Keywords")
}

impl PropertyPath {
    /// Reads an `ExtendedFieldURI`; none when its attributes don't name a property.
    pub(super) fn read(element: &Element) -> Option<PropertyPath> {
        let set = element
            .attribute("DistinguishedPropertySetId")
            .and_then(|name| SETS.iter().find(|(known, _)| *known == name))
            .map(|(_, guid)| (*guid).to_owned())
            .or_else(|| {
                element.attribute("PropertySetId").map(|guid| guid.trim_matches(['{', '}']).to_ascii_lowercase())
            });
        let name = match (
            element.attribute("PropertyTag"),
            set,
            element.attribute("PropertyName"),
            element.attribute("PropertyId"),
        ) {
            (Some(tag), None, None, None) => PropertyName::Tag(parse_tag(tag)?),
            (None, Some(set), Some(name), None) => PropertyName::Named(set, name.to_owned()),
            (None, Some(set), None, Some(id)) => PropertyName::Numbered(set, id.trim().parse().ok()?),
            _ => return None,
        };
        let kind = element.attribute("PropertyType")?.to_owned();
        Some(PropertyPath { name, kind, attributes: element.attributes.clone() })
    }

    /// The attributes as an answer has them: those of the request, but tags in lower-case hex.
    pub(super) fn attributes(&self) -> Vec<(String, String)> {
        let write = |(key, value): &(String, String)| match (&self.name, key.as_str()) {
            (PropertyName::Tag(tag), "PropertyTag") => (key.clone(), format!("0x{tag:x}")),
            _ => (key.clone(), value.clone()),
        };
        self.attributes.iter().map(write).collect()
    }

    /// The property's tag, when it has one.
    pub(super) fn tag(&self) -> Option<u32> {
        match self.name {
            PropertyName::Tag(tag) => Some(tag),
            PropertyName::Named(..) | PropertyName::Numbered(..) => None,
        }
    }
}

impl ExtendedProperty {
    /// Reads an `ExtendedProperty` with its value or values.
    pub(super) fn read(element: &Element) -> Option<ExtendedProperty> {
        let path = PropertyPath::read(element.child("ExtendedFieldURI")?)?;
        let values = match element.child("Values") {
            Some(values) => values.children.iter().map(|value| value.text.clone()).collect(),
            None => vec![element.child("Value").map(|value| value.text.clone()).unwrap_or_default()],
        };
        Some(ExtendedProperty { name: path.name, kind: path.kind, values })
    }

    /// The first value as a number.
    pub(super) fn number(&self) -> Option<i64> {
        self.values.first()?.trim().parse().ok()
    }
}

fn parse_tag(text: &str) -> Option<u32> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
