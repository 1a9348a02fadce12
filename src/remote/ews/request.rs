//! The requests, as text. The order of elements is the schema's: another one is `ErrorSchemaValidation`.

use super::payload::{Mime, Part, Payload};
use super::shape::{
    DELIVERY_TIME, FLAG_STATUS, ICON, LAST_VERB, MESSAGE_FLAGS, Property, flag_number, flag_word, icon_of, write_time,
};
use super::xml::Xml;
use crate::pim::event::Mailing;
use crate::pim::{ChangeKey, FolderId, FollowUp, ItemId, LastVerb, ServerMarks, SyncState, UnixTime};
use crate::remote::{Disposal, ListId, MarkUpdate, Versioned};

/// The versions of EWS that requests can be written for, newest first (MS-OXWSCDATA `RequestServerVersion`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    Exchange2013Sp1,
    Exchange2010Sp2,
    Exchange2007Sp1,
}

impl Version {
    pub(super) const OLDEST: Self = Self::Exchange2007Sp1;

    pub(super) fn nth(number: u8) -> Self {
        match number {
            0 => Self::Exchange2013Sp1,
            1 => Self::Exchange2010Sp2,
            _ => Self::Exchange2007Sp1,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Exchange2013Sp1 => "Exchange2013_SP1",
            Self::Exchange2010Sp2 => "Exchange2010_SP2",
            Self::Exchange2007Sp1 => "Exchange2007_SP1",
        }
    }

    /// Whether items have a `Flag`.
    pub(super) fn has_flag(self) -> bool {
        self == Self::Exchange2013Sp1
    }

    /// Whether calendar items have a `StartTimeZone` and an `EndTimeZone`, and weeks of recurrences a first day.
    pub(super) fn has_zones(self) -> bool {
        self <= Self::Exchange2010Sp2
    }

    /// Whether items have a `TextBody`.
    pub(super) fn has_text_body(self) -> bool {
        self == Self::Exchange2013Sp1
    }

    /// Whether clients can keep configurations in folders.
    pub(super) fn has_configurations(self) -> bool {
        self <= Self::Exchange2010Sp2
    }

    fn has_suppress_receipts(self) -> bool {
        self == Self::Exchange2013Sp1
    }
}

const ENVELOPE: [(&str, &str); 3] = [
    ("xmlns:s", "http://schemas.xmlsoap.org/soap/envelope/"),
    ("xmlns:m", "http://schemas.microsoft.com/exchange/services/2006/messages"),
    ("xmlns:t", "http://schemas.microsoft.com/exchange/services/2006/types"),
];

/// A folder by its id, or by the name that it has in every mailbox: one's own, or that of whose primary address is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum FolderRef<'a> {
    Id(&'a FolderId),
    Named(&'a str),
    Of(&'a str, &'a str),
}

impl FolderRef<'_> {
    pub(super) fn write(self, xml: &mut Xml) {
        match self {
            Self::Id(id) => xml.empty("t:FolderId", &[("Id", id.as_str())]),
            Self::Named(name) => xml.empty("t:DistinguishedFolderId", &[("Id", name)]),
            Self::Of(name, owner) => xml.element_with("t:DistinguishedFolderId", &[("Id", name)], |xml| {
                xml.element("t:Mailbox", |xml| xml.leaf("t:EmailAddress", owner));
            }),
        }
    }
}

pub(super) fn begin(version: Version) -> Xml {
    let mut xml = Xml::default();
    xml.open("s:Envelope", &ENVELOPE);
    xml.element("s:Header", |xml| xml.empty("t:RequestServerVersion", &[("Version", version.word())]));
    xml.open("s:Body", &[]);
    xml
}

/// The same request, done as if by the owner of another mailbox (MS-OXWSCDATA `ExchangeImpersonationType`).
pub(super) fn acting_as(text: &str, address: &str) -> String {
    let mut header = Xml::default();
    header.element("t:ExchangeImpersonation", |xml| {
        xml.element("t:ConnectingSID", |xml| xml.leaf("t:PrimarySmtpAddress", address));
    });
    text.replacen(HEADER_END, &format!("{}{HEADER_END}", header.take()), 1)
}

/// What each request has, and before it a place for more headers.
const HEADER_END: &str = "</s:Header>";

pub(super) fn end(mut xml: Xml) -> String {
    xml.close("s:Body");
    xml.close("s:Envelope");
    xml.take()
}

pub(super) fn request(
    version: Version,
    operation: &str,
    attributes: &[(&str, &str)],
    inside: impl FnOnce(&mut Xml),
) -> String {
    let mut xml = begin(version);
    xml.element_with(operation, attributes, inside);
    end(xml)
}

pub(super) fn write_properties(xml: &mut Xml, version: Version, properties: &[Property]) {
    if !properties.is_empty() {
        xml.element("t:AdditionalProperties", |xml| {
            properties.iter().for_each(|property| property.for_version(version).write(xml));
        });
    }
}

fn shape(xml: &mut Xml, name: &str, base: &str, version: Version, properties: &[Property]) {
    xml.element(name, |xml| {
        xml.leaf("t:BaseShape", base);
        write_properties(xml, version, properties);
    });
}

fn write_item_ids<'a>(xml: &mut Xml, ids: impl IntoIterator<Item = &'a ItemId>) {
    xml.element("m:ItemIds", |xml| {
        for id in ids {
            xml.empty("t:ItemId", &[("Id", id.as_str())]);
        }
    });
}

pub(super) fn write_versioned(xml: &mut Xml, id: &ItemId, change_key: &ChangeKey) {
    xml.empty("t:ItemId", &[("Id", id.as_str()), ("ChangeKey", change_key.as_str())]);
}

pub(super) fn resolve_names(version: Version, name: &str) -> String {
    request(version, "m:ResolveNames", &[("ReturnFullContactData", "false")], |xml| {
        xml.leaf("m:UnresolvedEntry", name);
    })
}

pub(super) fn expand_list(version: Version, list: &ListId) -> String {
    request(version, "m:ExpandDL", &[], |xml| {
        xml.element("m:Mailbox", |xml| match list {
            ListId::Directory(address) => xml.leaf("t:EmailAddress", address),
            ListId::Personal(item) => xml.empty("t:ItemId", &[("Id", item.as_str())]),
        });
    })
}

pub(super) fn get_folders(version: Version, folders: &[FolderRef<'_>], properties: &[Property]) -> String {
    request(version, "m:GetFolder", &[], |xml| {
        shape(xml, "m:FolderShape", "IdOnly", version, properties);
        xml.element("m:FolderIds", |xml| folders.iter().for_each(|folder| folder.write(xml)));
    })
}

pub(super) fn find_folders(version: Version, parent: &FolderId, offset: u64, properties: &[Property]) -> String {
    request(version, "m:FindFolder", &[("Traversal", "Shallow")], |xml| {
        shape(xml, "m:FolderShape", "IdOnly", version, properties);
        let offset = offset.to_string();
        xml.empty(
            "m:IndexedPageFolderView",
            &[("MaxEntriesReturned", "1000"), ("Offset", &offset), ("BasePoint", "Beginning")],
        );
        xml.element("m:ParentFolderIds", |xml| FolderRef::Id(parent).write(xml));
    })
}

pub(super) fn sync_hierarchy(
    version: Version,
    top: FolderRef<'_>,
    since: Option<&SyncState>,
    properties: &[Property],
) -> String {
    request(version, "m:SyncFolderHierarchy", &[], |xml| {
        shape(xml, "m:FolderShape", "IdOnly", version, properties);
        // Always the same root: with another one, the server does not know its own state.
        xml.element("m:SyncFolderId", |xml| top.write(xml));
        if let Some(state) = since {
            xml.leaf("m:SyncState", state.as_str());
        }
    })
}

pub(super) fn sync_items(
    version: Version,
    folder: &FolderId,
    since: Option<&SyncState>,
    max: u16,
    properties: &[Property],
) -> String {
    request(version, "m:SyncFolderItems", &[], |xml| {
        shape(xml, "m:ItemShape", "IdOnly", version, properties);
        xml.element("m:SyncFolderId", |xml| FolderRef::Id(folder).write(xml));
        if let Some(state) = since {
            xml.leaf("m:SyncState", state.as_str());
        }
        xml.leaf("m:MaxChangesReturned", &max.clamp(1, 512).to_string());
    })
}

/// How much of an item is asked for when it is to become a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rendering {
    /// RFC 5322, made by the server.
    Mime,
    /// Every property, and the body as text.
    Properties,
    /// The properties that headers are made of: what is left when the body is what is broken.
    Headers,
}

const HEADERS: [Property; 8] = [
    Property::Field("item:Subject"),
    Property::Field("item:DateTimeSent"),
    Property::Field("item:DateTimeReceived"),
    Property::Field("message:From"),
    Property::Field("message:ToRecipients"),
    Property::Field("message:CcRecipients"),
    Property::Field("message:InternetMessageId"),
    Property::Field("item:InReplyTo"),
];

pub(super) fn get_items<'a>(
    version: Version,
    ids: impl IntoIterator<Item = &'a ItemId>,
    properties: &[Property],
) -> String {
    request(version, "m:GetItem", &[], |xml| {
        shape(xml, "m:ItemShape", "IdOnly", version, properties);
        write_item_ids(xml, ids);
    })
}

pub(super) fn render_items<'a>(
    version: Version,
    ids: impl IntoIterator<Item = &'a ItemId>,
    rendering: Rendering,
) -> String {
    request(version, "m:GetItem", &[], |xml| {
        xml.element("m:ItemShape", |xml| match rendering {
            Rendering::Mime => {
                xml.leaf("t:BaseShape", "IdOnly");
                xml.leaf("t:IncludeMimeContent", "true");
            }
            Rendering::Properties => {
                xml.leaf("t:BaseShape", "AllProperties");
                xml.leaf("t:BodyType", "Best");
            }
            Rendering::Headers => {
                xml.leaf("t:BaseShape", "IdOnly");
                write_properties(xml, version, &HEADERS);
            }
        });
        write_item_ids(xml, ids);
    })
}

/// Items of each of these folders where a property has one of these values; there is a response for each folder.
pub(super) fn find_items(
    version: Version,
    folders: &[&FolderId],
    property: Property,
    values: &[&str],
    offset: u64,
    properties: &[Property],
) -> String {
    let equals = |xml: &mut Xml, value: &str| {
        xml.element("t:IsEqualTo", |xml| {
            property.write(xml);
            xml.element("t:FieldURIOrConstant", |xml| xml.empty("t:Constant", &[("Value", value)]));
        });
    };
    request(version, "m:FindItem", &[("Traversal", "Shallow")], |xml| {
        shape(xml, "m:ItemShape", "IdOnly", version, properties);
        let offset = offset.to_string();
        xml.empty(
            "m:IndexedPageItemView",
            &[("MaxEntriesReturned", "250"), ("Offset", &offset), ("BasePoint", "Beginning")],
        );
        xml.element("m:Restriction", |xml| match values {
            [value] => equals(xml, value),
            _ => xml.element("t:Or", |xml| values.iter().for_each(|value| equals(xml, value))),
        });
        xml.element("m:ParentFolderIds", |xml| folders.iter().for_each(|folder| FolderRef::Id(folder).write(xml)));
    })
}

/// All items of a folder, those that came last at the end: what comes meanwhile moves nothing to another page.
pub(super) fn list_items(
    version: Version,
    folder: &FolderId,
    offset: u64,
    max: u16,
    properties: &[Property],
) -> String {
    request(version, "m:FindItem", &[("Traversal", "Shallow")], |xml| {
        shape(xml, "m:ItemShape", "IdOnly", version, properties);
        let (offset, max) = (offset.to_string(), max.max(1).to_string());
        xml.empty(
            "m:IndexedPageItemView",
            &[("MaxEntriesReturned", &max), ("Offset", &offset), ("BasePoint", "Beginning")],
        );
        xml.element("m:SortOrder", |xml| {
            xml.element_with("t:FieldOrder", &[("Order", "Ascending")], |xml| {
                Property::Field("item:DateTimeReceived").write(xml);
            });
        });
        xml.element("m:ParentFolderIds", |xml| FolderRef::Id(folder).write(xml));
    })
}

pub(super) fn create_folder(version: Version, parent: &FolderId, name: &str, class: &str) -> String {
    request(version, "m:CreateFolder", &[], |xml| {
        xml.element("m:ParentFolderId", |xml| FolderRef::Id(parent).write(xml));
        xml.element("m:Folders", |xml| {
            // The class may be given with the generic element only (ErrorNoFolderClassOverride).
            xml.element("t:Folder", |xml| {
                xml.leaf("t:FolderClass", class);
                xml.leaf("t:DisplayName", name);
            });
        });
    })
}

pub(super) fn rename_folder(version: Version, folder: &FolderId, change_key: &ChangeKey, name: &str) -> String {
    request(version, "m:UpdateFolder", &[], |xml| {
        xml.element("m:FolderChanges", |xml| {
            xml.element("t:FolderChange", |xml| {
                xml.empty("t:FolderId", &[("Id", folder.as_str()), ("ChangeKey", change_key.as_str())]);
                xml.element("t:Updates", |xml| {
                    xml.element("t:SetFolderField", |xml| {
                        Property::Field("folder:DisplayName").write(xml);
                        xml.element("t:Folder", |xml| xml.leaf("t:DisplayName", name));
                    });
                });
            });
        });
    })
}

pub(super) fn move_folder(version: Version, folder: &FolderId, parent: &FolderId) -> String {
    request(version, "m:MoveFolder", &[], |xml| {
        xml.element("m:ToFolderId", |xml| FolderRef::Id(parent).write(xml));
        xml.element("m:FolderIds", |xml| FolderRef::Id(folder).write(xml));
    })
}

fn disposal_word(disposal: Disposal) -> &'static str {
    match disposal {
        Disposal::ToDeletedItems => "MoveToDeletedItems",
        Disposal::Dispose => "SoftDelete",
    }
}

pub(super) fn delete_folder(version: Version, folder: &FolderId, disposal: Disposal) -> String {
    request(version, "m:DeleteFolder", &[("DeleteType", disposal_word(disposal))], |xml| {
        xml.element("m:FolderIds", |xml| FolderRef::Id(folder).write(xml));
    })
}

/// MoveItem without ReturnNewItemIds: Exchange passes over it, and gromox takes it the wrong way round.
pub(super) fn move_items<'a>(version: Version, ids: impl IntoIterator<Item = &'a ItemId>, to: &FolderId) -> String {
    request(version, "m:MoveItem", &[], |xml| {
        xml.element("m:ToFolderId", |xml| FolderRef::Id(to).write(xml));
        write_item_ids(xml, ids);
    })
}

/// Who is told of a meeting that is made, changed or deleted (MS-OXWSCDATA `CalendarItemCreateOrDeleteOperationType` and its kin).
pub(super) fn invitations_word(mailing: Mailing) -> &'static str {
    match mailing {
        Mailing::Nobody => "SendToNone",
        Mailing::Concerned => "SendToAllAndSaveCopy",
    }
}

/// A deletion; of meetings, those are told who are concerned.
pub(super) fn delete_items<'a>(
    version: Version,
    ids: impl IntoIterator<Item = &'a ItemId>,
    disposal: Disposal,
    mailing: Mailing,
) -> String {
    delete(version, disposal, mailing, |xml| write_item_ids(xml, ids))
}

/// The same of what `write_ids` names.
pub(super) fn delete(
    version: Version,
    disposal: Disposal,
    mailing: Mailing,
    write_ids: impl FnOnce(&mut Xml),
) -> String {
    let mut attributes = vec![
        ("DeleteType", disposal_word(disposal)),
        ("SendMeetingCancellations", invitations_word(mailing)),
        ("AffectedTaskOccurrences", "AllOccurrences"),
    ];
    if version.has_suppress_receipts() {
        attributes.push(("SuppressReadReceipts", "true"));
    }
    request(version, "m:DeleteItem", &attributes, write_ids)
}

/// An update that refuses stale versions and mails nobody.
pub(super) fn begin_update(version: Version) -> Xml {
    begin_told_update(version, Mailing::Nobody)
}

/// An update that refuses stale versions; of meetings, those are told who are concerned.
pub(super) fn begin_told_update(version: Version, mailing: Mailing) -> Xml {
    let mut attributes = vec![
        ("ConflictResolution", "NeverOverwrite"),
        ("MessageDisposition", "SaveOnly"),
        ("SendMeetingInvitationsOrCancellations", invitations_word(mailing)),
    ];
    if version.has_suppress_receipts() {
        attributes.push(("SuppressReadReceipts", "true"));
    }
    let mut xml = begin(version);
    xml.open("m:UpdateItem", &attributes);
    xml.open("m:ItemChanges", &[]);
    xml
}

pub(super) fn end_update(mut xml: Xml) -> String {
    xml.close("m:ItemChanges");
    xml.close("m:UpdateItem");
    end(xml)
}

pub(super) fn update_marks<'a>(version: Version, updates: impl IntoIterator<Item = &'a MarkUpdate>) -> String {
    let mut xml = begin_update(version);
    for update in updates {
        xml.element("t:ItemChange", |xml| {
            write_versioned(xml, &update.id, &update.change_key);
            xml.element("t:Updates", |xml| write_differences(xml, version, &update.from, &update.to));
        });
    }
    end_update(xml)
}

/// One change description for each property that differs: the server takes no two in one.
fn write_differences(xml: &mut Xml, version: Version, from: &ServerMarks, to: &ServerMarks) {
    if from.read != to.read {
        set_field(xml, Property::Field("message:IsRead"), |xml| xml.leaf("t:IsRead", word(to.read)));
    }
    if from.follow_up != to.follow_up {
        match flag_number(to.follow_up) {
            _ if version.has_flag() => {
                set_field(xml, Property::Field("item:Flag"), |xml| write_flag(xml, to.follow_up))
            }
            Some(number) => set_mapi(xml, FLAG_STATUS, number),
            None => delete_field(xml, FLAG_STATUS),
        }
    }
    if from.verb != to.verb {
        set_mapi(xml, LAST_VERB, &to.verb.number().to_string());
        set_mapi(xml, ICON, icon_of(to.verb));
    }
    if from.categories != to.categories {
        let property = Property::Field("item:Categories");
        if to.categories.is_empty() {
            // An empty list is no way to clear it.
            delete_field(xml, property);
        } else {
            set_field(xml, property, |xml| write_categories(xml, to));
        }
    }
}

fn set_field(xml: &mut Xml, property: Property, value: impl FnOnce(&mut Xml)) {
    xml.element("t:SetItemField", |xml| {
        property.write(xml);
        xml.element("t:Message", value);
    });
}

fn delete_field(xml: &mut Xml, property: Property) {
    xml.element("t:DeleteItemField", |xml| property.write(xml));
}

fn set_mapi(xml: &mut Xml, property: Property, value: &str) {
    set_field(xml, property, |xml| property.write_value(xml, value));
}

fn word(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn write_flag(xml: &mut Xml, follow_up: FollowUp) {
    xml.element("t:Flag", |xml| xml.leaf("t:FlagStatus", flag_word(follow_up)));
}

fn write_categories(xml: &mut Xml, marks: &ServerMarks) {
    xml.element("t:Categories", |xml| marks.categories.iter().for_each(|category| xml.leaf("t:String", &category.0)));
}

pub(super) fn replace_mime<'a>(version: Version, item: &Versioned, mime: Mime<'a>) -> Payload<'a> {
    let mut xml = begin_update(version);
    xml.open("t:ItemChange", &[]);
    write_versioned(&mut xml, &item.id, &item.change_key);
    xml.open("t:Updates", &[]);
    xml.open("t:SetItemField", &[]);
    Property::Field("item:MimeContent").write(&mut xml);
    xml.open("t:Message", &[]);
    xml.open("t:MimeContent", &[("CharacterSet", "UTF-8")]);
    let before = xml.take();
    for name in ["t:MimeContent", "t:Message", "t:SetItemField", "t:Updates", "t:ItemChange"] {
        xml.close(name);
    }
    Payload(vec![Part::Text(before), Part::Mime(mime), Part::Text(end_update(xml))])
}

/// A message to be created, as the request needs it.
pub(super) struct NewMessage<'a> {
    pub(super) tag: &'a str,
    pub(super) marks: &'a ServerMarks,
    pub(super) received: UnixTime,
    pub(super) mime: Mime<'a>,
}

pub(super) fn create_messages<'a>(version: Version, folder: &FolderId, messages: &[&NewMessage<'a>]) -> Payload<'a> {
    let mut xml = begin(version);
    let mut parts = Vec::new();
    xml.open("m:CreateItem", &[("MessageDisposition", "SaveOnly")]);
    xml.element("m:SavedItemFolderId", |xml| FolderRef::Id(folder).write(xml));
    xml.open("m:Items", &[]);
    for message in messages {
        xml.open("t:Message", &[]);
        xml.open("t:MimeContent", &[("CharacterSet", "UTF-8")]);
        parts.push(Part::Text(xml.take()));
        parts.push(Part::Mime(message.mime));
        xml.close("t:MimeContent");
        write_new_marks(&mut xml, version, message);
        xml.close("t:Message");
    }
    xml.close("m:Items");
    xml.close("m:CreateItem");
    parts.push(Part::Text(end(xml)));
    Payload(parts)
}

fn write_new_marks(xml: &mut Xml, version: Version, message: &NewMessage<'_>) {
    let marks = message.marks;
    if !marks.categories.is_empty() {
        write_categories(xml, marks);
    }
    // Fixed once saved; without it every message would be a draft.
    let flags = i32::from(marks.read) | if marks.draft { 8 } else { 0 };
    MESSAGE_FLAGS.write_value(xml, &flags.to_string());
    DELIVERY_TIME.write_value(xml, &write_time(message.received));
    if marks.verb != LastVerb::None {
        LAST_VERB.write_value(xml, &marks.verb.number().to_string());
        ICON.write_value(xml, icon_of(marks.verb));
    }
    if let (false, Some(number)) = (version.has_flag(), flag_number(marks.follow_up)) {
        FLAG_STATUS.write_value(xml, number);
    }
    Property::Tag.write_value(xml, message.tag);
    if marks.follow_up != FollowUp::NotFlagged && version.has_flag() {
        write_flag(xml, marks.follow_up);
    }
    xml.leaf("t:IsRead", word(marks.read));
}
