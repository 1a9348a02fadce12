//! Which properties are asked for, and how they become items and folders: one table for both.

use jiff::Timestamp;

pub(super) use super::property::Property;
use super::xml::Element;
use crate::pim::{
    ActivityMark, Categories, Category, ChangeKey, FolderId, FolderKind, FollowUp, ItemClass, ItemId, LastVerb,
    SearchKey, ServerFolder, ServerMarks, ServerMessage, Tag, UnixTime,
};
use crate::remote::{FolderActivity, Rights};

/// PidTagLastVerbExecuted.
pub(super) const LAST_VERB: Property = Property::Mapi(0x1081, "Integer");
/// PidTagIconIndex: the envelope that Outlook shows for the last verb.
pub(super) const ICON: Property = Property::Mapi(0x1080, "Integer");
/// PidTagMessageFlags: bit 1 read, bit 8 unsent.
pub(super) const MESSAGE_FLAGS: Property = Property::Mapi(0x0E07, "Integer");
/// PidTagMessageDeliveryTime.
pub(super) const DELIVERY_TIME: Property = Property::Mapi(0x0E06, "SystemTime");
/// PidTagSearchKey: kept through moves.
pub(super) const SEARCH_KEY: Property = Property::Mapi(0x300B, "Binary");
/// PidTagFlagStatus: what servers before 2013 have for `item:Flag`.
pub(super) const FLAG_STATUS: Property = Property::Mapi(0x1090, "Integer");
/// PidTagAttributeHidden.
const HIDDEN: Property = Property::Mapi(0x10F4, "Boolean");
/// PR_LOCAL_COMMIT_TIME_MAX: moves with every change in the folder.
const COMMIT_TIME: Property = Property::Mapi(0x670A, "SystemTime");
/// PR_DELETED_COUNT_TOTAL.
const DELETED_COUNT: Property = Property::Mapi(0x670B, "Integer");

/// What a listing says of each message. Each costs the server a little, so nothing is here that is not used.
pub(super) const LISTED: [Property; 11] = [
    Property::Field("item:ItemClass"),
    Property::Field("item:DateTimeReceived"),
    Property::Field("item:Size"),
    Property::Field("item:Categories"),
    Property::Field("item:IsDraft"),
    Property::Field("item:Flag"),
    Property::Field("message:InternetMessageId"),
    Property::Field("message:IsRead"),
    LAST_VERB,
    SEARCH_KEY,
    Property::Tag,
];
/// What is asked of messages by their ids, which do not tell the folder as a listing does.
pub(super) const BY_ID: [Property; 12] = {
    let [class, received, size, categories, draft, flag, message_id, read, verb, search_key, tag] = LISTED;
    let folder = Property::Field("item:ParentFolderId");
    [class, received, size, categories, draft, flag, message_id, read, verb, search_key, tag, folder]
};
/// What a listing says of each folder.
pub(super) const FOLDER: [Property; 4] = [
    Property::Field("folder:ParentFolderId"),
    Property::Field("folder:FolderClass"),
    Property::Field("folder:DisplayName"),
    HIDDEN,
];
/// What tells whether something in a folder changed.
pub(super) const ACTIVITY: [Property; 3] = [Property::Field("folder:TotalCount"), COMMIT_TIME, DELETED_COUNT];
/// The same, with what may be done in it.
pub(super) const ACTIVITY_AND_RIGHTS: [Property; 4] = {
    let [total, commit_time, deleted] = ACTIVITY;
    [total, commit_time, deleted, EFFECTIVE_RIGHTS]
};
const EFFECTIVE_RIGHTS: Property = Property::Field("folder:EffectiveRights");
/// PidTagReplicaList: the mailbox that holds what is in a public folder.
pub(super) const REPLICA_LIST: Property = Property::Mapi(0x6698, "Binary");
/// What a listing says of each public folder.
pub(super) const PUBLIC_FOLDER: [Property; 7] = {
    let [parent, class, name, hidden] = FOLDER;
    [parent, class, name, Property::Field("folder:TotalCount"), EFFECTIVE_RIGHTS, hidden, REPLICA_LIST]
};
/// Where a folder lies.
pub(super) const PARENT: [Property; 1] = [Property::Field("folder:ParentFolderId")];
/// By what an item is found after a move.
pub(super) const WHEREABOUTS: [Property; 3] = [Property::Field("message:InternetMessageId"), SEARCH_KEY, Property::Tag];

/// Booleans of XML Schema; missing is false.
pub(super) fn is_true(value: Option<&str>) -> bool {
    matches!(value, Some("true" | "1" | "True"))
}

/// The id and version in an item, a deletion or anything else with an `ItemId`.
pub(super) fn item_id(item: &Element) -> Option<(ItemId, ChangeKey)> {
    let id = item.child("ItemId")?;
    Some((ItemId::new(id.attribute("Id")?), ChangeKey::new(id.attribute("ChangeKey").unwrap_or_default())))
}

/// The id of a folder in an element.
pub(super) fn folder_id(folder: &Element, name: &str) -> Option<FolderId> {
    folder.child(name)?.attribute("Id").map(FolderId::new)
}

/// An item of a listing; `None` if it has no id. What a server leaves out has its default.
pub(super) fn message(item: &Element) -> Option<ServerMessage> {
    let (id, change_key) = item_id(item)?;
    let class = item.value("ItemClass").filter(|class| !class.is_empty());
    Some(ServerMessage {
        id,
        change_key,
        class: ItemClass(class.unwrap_or_else(|| class_of_element(&item.name)).to_owned()),
        size: item.value("Size").and_then(|size| size.parse().ok()).unwrap_or(0),
        marks: ServerMarks {
            read: is_true(item.value("IsRead")),
            follow_up: follow_up(item),
            verb: LastVerb::from_number(LAST_VERB.of(item).and_then(|verb| verb.parse().ok()).unwrap_or(0)),
            categories: categories(item),
            draft: is_true(item.value("IsDraft")),
        },
        received: item.value("DateTimeReceived").and_then(parse_time),
        search_key: SEARCH_KEY.of(item).filter(|key| !key.is_empty()).map(SearchKey::new),
        message_id: item.value("InternetMessageId").filter(|id| !id.is_empty()).map(str::to_owned),
        tag: Property::Tag.of(item).filter(|tag| !tag.is_empty()).map(Tag::new),
        folder: folder_id(item, "ParentFolderId"),
    })
}

/// The class of an item that does not tell it.
pub(super) fn class_of_element(name: &str) -> &'static str {
    match name {
        "CalendarItem" => "IPM.Appointment",
        "Contact" => "IPM.Contact",
        "DistributionList" => "IPM.DistList",
        "Task" => "IPM.Task",
        "PostItem" => "IPM.Post",
        _ => "IPM.Note",
    }
}

fn follow_up(item: &Element) -> FollowUp {
    let status = item.child("Flag").and_then(|flag| flag.value("FlagStatus")).or_else(|| FLAG_STATUS.of(item));
    match status {
        Some("Flagged" | "2") => FollowUp::Flagged,
        Some("Complete" | "1") => FollowUp::Complete,
        _ => FollowUp::NotFlagged,
    }
}

/// How `item:Flag` names a follow-up flag.
pub(super) fn flag_word(follow_up: FollowUp) -> &'static str {
    match follow_up {
        FollowUp::NotFlagged => "NotFlagged",
        FollowUp::Flagged => "Flagged",
        FollowUp::Complete => "Complete",
    }
}

/// How [`FLAG_STATUS`] counts it; what is not flagged does not have it (MS-OXOFLAG §2.2.1.1).
pub(super) fn flag_number(follow_up: FollowUp) -> Option<&'static str> {
    match follow_up {
        FollowUp::NotFlagged => None,
        FollowUp::Flagged => Some("2"),
        FollowUp::Complete => Some("1"),
    }
}

/// The icon that goes with a verb (MS-OXOMSG §2.2.1.10): replied, forwarded, or none in particular.
pub(super) fn icon_of(verb: LastVerb) -> &'static str {
    match verb {
        LastVerb::Reply | LastVerb::ReplyAll => "261",
        LastVerb::Forward => "262",
        LastVerb::None | LastVerb::Other(_) => "-1",
    }
}

pub(super) fn categories(item: &Element) -> Categories {
    let names = item.children_of("Categories").map(|name| name.text.trim());
    names.filter(|name| !name.is_empty()).map(|name| Category(name.to_owned())).collect()
}

/// A folder of a listing; `None` if it has no id.
pub(super) fn folder(element: &Element) -> Option<ServerFolder> {
    let id = element.child("FolderId")?;
    Some(ServerFolder {
        id: FolderId::new(id.attribute("Id")?),
        change_key: id.attribute("ChangeKey").map(ChangeKey::new),
        parent: folder_id(element, "ParentFolderId")?,
        name: element.child("DisplayName").map(|name| name.text.clone()).unwrap_or_default(),
        kind: folder_kind(element),
    })
}

/// Hidden and search folders are not mirrored. A folder that does not tell its class is what its element says.
fn folder_kind(element: &Element) -> FolderKind {
    if &*element.name == "SearchFolder" || is_true(HIDDEN.of(element)) {
        return FolderKind::Internal;
    }
    match (element.value("FolderClass"), &*element.name) {
        (Some(class), _) if !class.is_empty() => FolderKind::of_class(class),
        (_, "CalendarFolder") => FolderKind::Calendar,
        (_, "ContactsFolder") => FolderKind::Contacts,
        (_, "TasksFolder") => FolderKind::Tasks,
        _ => FolderKind::Mail,
    }
}

/// The class of a folder to be created; `None` for those that nobody but their program creates.
pub(super) fn folder_class(kind: FolderKind) -> Option<&'static str> {
    match kind {
        FolderKind::Mail => Some("IPF.Note"),
        FolderKind::Calendar => Some("IPF.Appointment"),
        FolderKind::Contacts => Some("IPF.Contact"),
        FolderKind::Tasks => Some("IPF.Task"),
        FolderKind::Notes => Some("IPF.StickyNote"),
        FolderKind::Journal => Some("IPF.Journal"),
        FolderKind::Branch | FolderKind::Internal => None,
    }
}

/// What a folder says of its activity.
pub(super) fn activity(element: &Element) -> Option<FolderActivity> {
    let deleted = DELETED_COUNT.of(element).unwrap_or_default();
    Some(FolderActivity {
        id: folder_id(element, "FolderId")?,
        mark: COMMIT_TIME.of(element).map(|time| ActivityMark(format!("{time}|{deleted}"))),
        total: element.value("TotalCount").and_then(|count| count.parse().ok()),
        rights: if may(element, &["CreateContents", "Modify", "Delete"]) { Rights::Write } else { Rights::ReadOnly },
    })
}

/// Whether one of these may be done in a folder; a server that does not tell lets it be tried.
pub(super) fn may(folder: &Element, what: &[&str]) -> bool {
    let rights = folder.child("EffectiveRights");
    rights.is_none_or(|rights| what.iter().any(|right| is_true(rights.value(right))))
}

/// A time as servers write it: with fractions of any length, with or without an offset (none means UTC). Times that stand for
/// "none" in MAPI (1601, 4501) are none.
pub(super) fn parse_time(text: &str) -> Option<UnixTime> {
    let (date, time) = text.split_once('T')?;
    let zone = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone);
    let clock = clock.split('.').next()?;
    let zone = if zone.is_empty() { "Z" } else { zone };
    let year: i16 = date.split('-').next()?.parse().ok()?;
    let moment: Timestamp = format!("{date}T{clock}{zone}").parse().ok()?;
    (1602..4500).contains(&year).then(|| UnixTime(moment.as_second()))
}

/// A time as requests carry it.
pub(super) fn write_time(time: UnixTime) -> String {
    Timestamp::from_second(time.0).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_in_many_dresses() {
        let noon = Some(UnixTime(1_793_707_200));
        for text in [
            "2026-11-03T12:00:00Z",
            "2026-11-03T12:00:00.123456789Z",
            "2026-11-03T12:00:00.1234567",
            "2026-11-03T12:00:00",
            "2026-11-03T13:00:00+01:00",
        ] {
            assert_eq!(parse_time(text), noon, "{text}");
        }
        for none in ["1601-01-01T00:00:00Z", "4501-01-01T00:00:00Z", "0001-01-01T00:00:00", "", "soon", "T", "éT"] {
            assert_eq!(parse_time(none), None, "{none}");
        }
        assert_eq!(write_time(UnixTime(1_793_707_200)), "2026-11-03T12:00:00Z");
    }
}
