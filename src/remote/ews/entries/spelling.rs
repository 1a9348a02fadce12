//! How what an entry says is spelled on the server: tables with a row for each field, and what requests make of them.

use super::super::property::{Content, LISTS, Property, leaf};
use super::super::request::Version;
use super::super::shape::write_time;
use super::super::xml::Element;
use crate::pim::{Categories, Text, UnixTime};

/// A row of a table.
pub(super) struct Row<T: 'static> {
    /// The properties that are asked for.
    pub(super) properties: &'static [Property],
    /// Takes what an item of an answer says. What a server leaves out, or says in words that nobody knows, has its default.
    pub(super) read: fn(&Element, &mut T),
    /// Says it in properties.
    pub(super) spell: fn(&T, &mut Spelled<'_>),
    /// What is sent when it changes.
    pub(super) change: Change<T>,
}

/// What of a row is sent when it changes.
pub(super) enum Change<T: 'static> {
    /// The properties that differ.
    Each,
    /// All of its properties, since the server holds them together, or since their places are not known.
    All,
    /// What this makes of what it was and what it is to be.
    Own(fn(&T, &T, &mut Spelled<'_>)),
}

/// A property, and the element that holds its value; `None` clears it.
pub(super) type Value = (Property, Option<Element>);

/// Where and for whom something is spelled.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) version: Version,
    /// The zone (IANA) in which whole days begin, and in which times are that are in no zone.
    pub(super) home: Text,
    pub(super) task_rules: TaskRules,
}

/// What a server makes of how far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskRules {
    /// Status, percentage and date of completion set each other; the last one wins.
    OneForAll,
    /// It keeps what it is told of each.
    EachByItself,
}

/// Properties with their values.
pub(super) struct Spelled<'a> {
    pub(super) context: &'a Context,
    values: Vec<Value>,
}

impl Spelled<'_> {
    pub(super) fn put(&mut self, property: Property, content: Option<Content>) {
        self.put_element(property, content.map(|content| property.holding(content)));
    }

    pub(super) fn put_element(&mut self, property: Property, element: Option<Element>) {
        if property.is_known(self.context.version) {
            self.values.push((property, element));
        }
    }

    /// Text; empty text is none.
    pub(super) fn text(&mut self, property: Property, text: &Text) {
        self.put(property, Some(text.as_str()).filter(|text| !text.is_empty()).map(word));
    }

    /// What is always there.
    pub(super) fn word(&mut self, property: Property, value: &str) {
        self.put(property, Some(word(value)));
    }

    /// Texts; an empty list is none.
    pub(super) fn texts<'a>(&mut self, property: Property, texts: impl IntoIterator<Item = &'a Text>) {
        let texts: Vec<String> =
            texts.into_iter().filter(|text| !text.is_empty()).map(|text| text.as_str().to_owned()).collect();
        self.put(property, Some(texts).filter(|texts| !texts.is_empty()).map(Content::Texts));
    }

    pub(super) fn categories(&mut self, property: Property, categories: &Categories) {
        let names: Vec<String> = categories.iter().map(|category| category.0.clone()).collect();
        // An empty list is no way to clear it.
        self.put(property, Some(names).filter(|names| !names.is_empty()).map(Content::Texts));
    }

    pub(super) fn time(&mut self, property: Property, time: Option<UnixTime>) {
        self.put(property, time.map(|time| Content::Text(write_time(time))));
    }

    /// The body as plain text, also where it is empty: not every server lets a body be cleared.
    pub(super) fn body(&mut self, text: &Text) {
        self.put_element(BODY, Some(typed_body("Text", text)));
    }
}

/// The body of an item.
pub(super) const BODY: Property = Property::Field("item:Body");

/// A body of that type.
pub(super) fn typed_body(kind: &str, text: &Text) -> Element {
    let mut body = leaf("Body", text.as_str());
    body.attributes.push(("BodyType".into(), kind.to_owned()));
    body
}

pub(super) fn word(value: &str) -> Content {
    Content::Text(value.to_owned())
}

/// The row of one text.
macro_rules! text_row {
    ($member:ident, $property:expr) => {
        $crate::remote::ews::entries::spelling::Row {
            properties: &[$property],
            read: |item, entry| entry.$member = $property.text(item),
            spell: |entry, to| to.text($property, &entry.$member),
            change: $crate::remote::ews::entries::spelling::Change::Each,
        }
    };
}

/// The row of a body that is plain text.
macro_rules! body_row {
    ($member:ident) => {
        $crate::remote::ews::entries::spelling::Row {
            properties: &[$crate::remote::ews::entries::spelling::BODY],
            read: |item, entry| entry.$member = $crate::remote::ews::entries::spelling::BODY.text(item),
            spell: |entry, to| {
                if !entry.$member.is_empty() {
                    to.body(&entry.$member);
                }
            },
            change: $crate::remote::ews::entries::spelling::Change::Own(|from, entry, to| {
                if from.$member != entry.$member {
                    to.body(&entry.$member);
                }
            }),
        }
    };
}

pub(super) use {body_row, text_row};

/// All that a new item says.
pub(super) fn spell<T>(rows: &[Row<T>], entry: &T, context: &Context) -> Vec<Value> {
    rows.iter().flat_map(|row| spell_row(row, entry, context)).collect()
}

fn spell_row<T>(row: &Row<T>, entry: &T, context: &Context) -> Vec<Value> {
    let mut spelled = Spelled { context, values: Vec::new() };
    (row.spell)(entry, &mut spelled);
    spelled.values
}

/// What makes the one entry the other.
pub(super) fn changes<T>(rows: &[Row<T>], from: &T, to: &T, context: &Context) -> Vec<Value> {
    rows.iter().flat_map(|row| change_row(row, from, to, context)).collect()
}

fn change_row<T>(row: &Row<T>, from: &T, to: &T, context: &Context) -> Vec<Value> {
    if let Change::Own(change) = row.change {
        let mut spelled = Spelled { context, values: Vec::new() };
        change(from, to, &mut spelled);
        return spelled.values;
    }
    let before = spell_row(row, from, context);
    let mut after = spell_row(row, to, context);
    match row.change {
        Change::All if before == after => after.clear(),
        Change::All | Change::Own(_) => {}
        Change::Each => after.retain(|(property, value)| {
            let old = before.iter().find(|(known, _)| known == property);
            old.and_then(|(_, old)| old.as_ref()) != value.as_ref()
        }),
    }
    after
}

/// The properties that a table asks for.
pub(super) fn asked<T>(rows: &[Row<T>]) -> impl Iterator<Item = Property> {
    rows.iter().flat_map(|row| row.properties.iter().copied())
}

/// Reads an item by a table.
pub(super) fn read<T: Default>(rows: &[Row<T>], item: &Element) -> T {
    let mut entry = T::default();
    rows.iter().for_each(|row| (row.read)(item, &mut entry));
    entry
}

/// The elements that a new item may have, in the order of the schema: another one is `ErrorSchemaValidation`. The kinds of items have
/// theirs after those that all have; where two kinds share one, both orders hold.
const ORDER: [&str; 51] = [
    "ItemClass",
    "Subject",
    "Sensitivity",
    "Body",
    "Categories",
    "Importance",
    "ReminderDueBy",
    "ReminderIsSet",
    "ReminderMinutesBeforeStart",
    "ExtendedProperty",
    // Contacts.
    "FileAs",
    "DisplayName",
    "GivenName",
    "MiddleName",
    "Nickname",
    "CompanyName",
    "EmailAddresses",
    "PhysicalAddresses",
    "PhoneNumbers",
    "AssistantName",
    "Birthday",
    "BusinessHomePage",
    "Children",
    "Department",
    "Generation",
    "ImAddresses",
    "JobTitle",
    "Manager",
    "Profession",
    "SpouseName",
    "Surname",
    "WeddingAnniversary",
    // Events and tasks.
    "UID",
    "Start",
    "End",
    "IsAllDayEvent",
    "LegacyFreeBusyStatus",
    "Location",
    "RequiredAttendees",
    "OptionalAttendees",
    "Resources",
    "CompleteDate",
    "DueDate",
    "PercentComplete",
    "Recurrence",
    "StartDate",
    "Status",
    "StartTimeZone",
    "EndTimeZone",
    // Messages.
    "IsRead",
    "Flag",
];

/// The elements of a new item with these values.
pub(super) fn elements(values: Vec<Value>) -> Vec<Element> {
    let mut elements: Vec<Element> = values.into_iter().filter_map(|(_, element)| element).collect();
    let place = |element: &Element| ORDER.iter().position(|name| **name == *element.name).unwrap_or(ORDER.len());
    elements.sort_by_key(place);
    let mut merged = Vec::new();
    elements.into_iter().for_each(|element| merge(&mut merged, element));
    merged
}

/// Entries of one list are one element, and so are the parts of one of them.
fn merge(into: &mut Vec<Element>, element: Element) {
    let is_list = &*element.name == "Entry" || LISTS.contains(&&*element.name);
    let same = |known: &&mut Element| is_list && known.name == element.name && known.attributes == element.attributes;
    match into.iter_mut().find(same) {
        Some(known) => element.children.into_iter().for_each(|child| merge(&mut known.children, child)),
        None => into.push(element),
    }
}
