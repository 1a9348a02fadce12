//! The requests about entries, as text.

use super::super::property::{Property, leaf};
use super::super::request::{
    FolderRef, Version, begin_told_update, delete, end_update, invitations_word, request, write_properties,
};
use super::super::xml::{Element, Xml};
use super::attachments::Sort;
use super::spelling::Value;
use crate::pim::event::Mailing;
use crate::pim::{ChangeKey, EntryKind, FolderId, ItemId};
use crate::remote::Disposal;

/// An item by its id, or an occurrence by its number in its series.
#[derive(Clone, Copy, Debug)]
pub(super) enum ItemRef<'a> {
    Item(&'a ItemId),
    /// Counted from 1, over what the rule has, whatever became of it.
    Occurrence(&'a ItemId, usize),
}

impl ItemRef<'_> {
    fn write(self, xml: &mut Xml) {
        match self {
            Self::Item(id) => xml.empty("t:ItemId", &[("Id", id.as_str())]),
            Self::Occurrence(series, number) => {
                let number = number.to_string();
                xml.empty("t:OccurrenceItemId", &[("RecurringMasterId", series.as_str()), ("InstanceIndex", &number)]);
            }
        }
    }
}

fn write_refs<'a>(xml: &mut Xml, items: impl IntoIterator<Item = ItemRef<'a>>) {
    xml.element("m:ItemIds", |xml| items.into_iter().for_each(|item| item.write(xml)));
}

/// How the body of an item is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyType {
    /// As what it is.
    Best,
    Text,
}

pub(super) fn get<'a>(
    version: Version,
    items: impl IntoIterator<Item = ItemRef<'a>>,
    body: BodyType,
    properties: &[Property],
) -> String {
    request(version, "m:GetItem", &[], |xml| {
        xml.element("m:ItemShape", |xml| {
            xml.leaf("t:BaseShape", "IdOnly");
            let word = match body {
                BodyType::Best => "Best",
                BodyType::Text => "Text",
            };
            xml.leaf("t:BodyType", word);
            let mut known: Vec<Property> = Vec::new();
            for property in properties.iter().filter(|property| property.is_known(version)) {
                if !known.contains(property) {
                    known.push(*property);
                }
            }
            write_properties(xml, version, &known);
        });
        write_refs(xml, items);
    })
}

/// The element that an entry of a kind is in requests.
fn element_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Contact => "t:Contact",
        EntryKind::Event => "t:CalendarItem",
        // Of its class, but nothing that EWS has an element for.
        EntryKind::Note => "t:Message",
        EntryKind::Task => "t:Task",
    }
}

/// New items.
pub(super) fn create(
    version: Version,
    folder: &FolderId,
    items: &[(EntryKind, Vec<Element>)],
    mailing: Mailing,
) -> String {
    let attributes = [("MessageDisposition", "SaveOnly"), ("SendMeetingInvitations", invitations_word(mailing))];
    request(version, "m:CreateItem", &attributes, |xml| {
        xml.element("m:SavedItemFolderId", |xml| FolderRef::Id(folder).write(xml));
        xml.element("m:Items", |xml| {
            for (kind, elements) in items {
                xml.element(element_name(*kind), |xml| elements.iter().for_each(|element| xml.tree(element)));
            }
        });
    })
}

/// A change to an item.
#[derive(Clone, Debug)]
pub(super) struct Edit<'a> {
    pub(super) id: &'a ItemId,
    pub(super) change_key: &'a ChangeKey,
    pub(super) kind: EntryKind,
    pub(super) values: Vec<Value>,
}

/// Changes: one description for each property, since the server takes no two in one.
pub(super) fn update(version: Version, edits: &[Edit<'_>], mailing: Mailing) -> String {
    let mut xml = begin_told_update(version, mailing);
    for edit in edits {
        xml.element("t:ItemChange", |xml| {
            xml.empty("t:ItemId", &[("Id", edit.id.as_str()), ("ChangeKey", edit.change_key.as_str())]);
            xml.element("t:Updates", |xml| edit.values.iter().for_each(|value| write_change(xml, edit.kind, value)));
        });
    }
    end_update(xml)
}

fn write_change(xml: &mut Xml, kind: EntryKind, (property, element): &Value) {
    match element {
        Some(element) => xml.element("t:SetItemField", |xml| {
            property.write(xml);
            xml.element(element_name(kind), |xml| xml.tree(element));
        }),
        None => xml.element("t:DeleteItemField", |xml| property.write(xml)),
    }
}

/// The deletion of occurrences.
pub(super) fn delete_occurrences(
    version: Version,
    series: &ItemId,
    numbers: &[usize],
    disposal: Disposal,
    mailing: Mailing,
) -> String {
    delete(version, disposal, mailing, |xml| {
        write_refs(xml, numbers.iter().map(|number| ItemRef::Occurrence(series, *number)));
    })
}

fn write_attachment_ids(xml: &mut Xml, ids: &[&str]) {
    xml.element("m:AttachmentIds", |xml| ids.iter().for_each(|id| xml.empty("t:AttachmentId", &[("Id", id)])));
}

pub(super) fn get_attachments(version: Version, ids: &[&str]) -> String {
    request(version, "m:GetAttachment", &[], |xml| write_attachment_ids(xml, ids))
}

pub(super) fn delete_attachments(version: Version, ids: &[&str]) -> String {
    request(version, "m:DeleteAttachment", &[], |xml| write_attachment_ids(xml, ids))
}

/// A file to be attached.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewFile<'a> {
    pub(super) sort: Sort,
    pub(super) name: &'a str,
    pub(super) media_type: &'a str,
    /// By which HTML shows it; empty where it does not.
    pub(super) content_id: &'a str,
}

/// A file attached to an item.
pub(super) fn create_attachment(version: Version, item: &ItemId, file: &NewFile<'_>, base64: &str) -> String {
    let is_shown = !file.content_id.is_empty();
    request(version, "m:CreateAttachment", &[], |xml| {
        xml.empty("m:ParentItemId", &[("Id", item.as_str())]);
        xml.element("m:Attachments", |xml| {
            xml.element("t:FileAttachment", |xml| {
                xml.leaf("t:Name", file.name);
                xml.leaf("t:ContentType", file.media_type);
                if is_shown {
                    xml.leaf("t:ContentId", file.content_id);
                }
                xml.leaf("t:IsInline", if is_shown { "true" } else { "false" });
                if file.sort == Sort::Picture {
                    xml.leaf("t:IsContactPhoto", "true");
                }
                xml.tree(&leaf("Content", base64));
            });
        });
    })
}
