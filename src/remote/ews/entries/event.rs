//! Events (MS-OXWSMTGS `CalendarItemType`): a row for each field of an occurrence, as in the table of their files, and rows for what a series
//! has besides.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::super::ask::own_error;
use super::super::property::{Content, Property, leaf, node};
use super::super::shape::{is_true, item_id, parse_time};
use super::super::xml::Element;
use super::attachments::ATTACHMENTS;
use super::classes::{CATEGORIES, SENSITIVITY, categories_row, importance_row, name_of, named, sensitivity_row};
use super::spelling::{self, BODY, Change, Context, Row, Spelled, Value, text_row};
use super::{recurrence, when};
use crate::pim::event::{Answer, Attendee, Busy, Details, Event, EventState, Person, Role, When};
use crate::pim::{ItemId, Text};
use crate::remote::{ItemError, ItemErrorClass, PerItem};

const fn field(uri: &'static str) -> Property {
    Property::Field(uri)
}

const TEXT_BODY: Property = field("item:TextBody");
const BUSY: Property = field("calendar:LegacyFreeBusyStatus");
const IS_CANCELLED: Property = field("calendar:IsCancelled");
const REMINDER_IS_SET: Property = field("item:ReminderIsSet");
const REMINDER_MINUTES: Property = field("item:ReminderMinutesBeforeStart");

/// The rows of an occurrence, and of the event itself.
pub(super) const DETAILS: &[Row<Details>] = &[
    text_row!(subject, field("item:Subject")),
    text_row!(location, field("calendar:Location")),
    Row {
        properties: &[BODY, TEXT_BODY],
        read: |item, details| (details.body, details.html) = bodies(item),
        // The server makes the text from HTML, where there is any.
        spell: |details, to| match (details.html.is_empty(), details.body.is_empty()) {
            (false, _) => to.put_element(BODY, Some(spelling::typed_body("HTML", &details.html))),
            (true, false) => to.body(&details.body),
            (true, true) => {}
        },
        // Whichever changed is written, for either takes the place of the other.
        change: Change::Own(|from, details, to| {
            if from.html != details.html && !details.html.is_empty() {
                to.put_element(BODY, Some(spelling::typed_body("HTML", &details.html)));
            } else if from.html != details.html || from.body != details.body {
                to.body(&details.body);
            }
        }),
    },
    Row {
        properties: &[when::START, when::END, when::ALL_DAY, when::START_ZONE, when::END_ZONE, when::ZONES],
        read: |item, details| details.when = when::read(item),
        spell: |details, to| when::spell(&details.when, to),
        change: Change::All,
    },
    Row {
        properties: &[BUSY],
        read: |item, details| details.busy = named(&BUSY_WORDS, BUSY.of(item)),
        spell: |details, to| {
            let is_known = details.busy != Busy::WorkingElsewhere || to.context.version.has_text_body();
            to.word(BUSY, name_of(&BUSY_WORDS, if is_known { details.busy } else { Busy::Busy }));
        },
        change: Change::Each,
    },
    // Only its organiser can cancel a meeting, and only by mail.
    Row {
        properties: &[IS_CANCELLED],
        read: |item, details| {
            let is_cancelled = is_true(IS_CANCELLED.of(item));
            details.state = if is_cancelled { EventState::Cancelled } else { EventState::Planned };
        },
        spell: |_, _| (),
        change: Change::Each,
    },
    Row {
        properties: &[REMINDER_IS_SET, REMINDER_MINUTES],
        read: |item, details| {
            let minutes = REMINDER_MINUTES.of(item).and_then(|minutes| minutes.parse().ok());
            details.reminder = minutes.filter(|_| is_true(REMINDER_IS_SET.of(item)));
        },
        spell: |details, to| {
            to.word(REMINDER_IS_SET, if details.reminder.is_some() { "true" } else { "false" });
            if let Some(minutes) = details.reminder {
                to.word(REMINDER_MINUTES, &minutes.to_string());
            }
        },
        change: Change::Each,
    },
    importance_row!(),
    sensitivity_row!(),
    categories_row!(),
];

const BUSY_WORDS: [(Busy, &str); 5] = [
    (Busy::Free, "Free"),
    (Busy::Tentative, "Tentative"),
    (Busy::Busy, "Busy"),
    (Busy::OutOfOffice, "OOF"),
    (Busy::WorkingElsewhere, "WorkingElsewhere"),
];

/// The text and the HTML. The body comes as what it is, and of HTML there is the text, too.
fn bodies(item: &Element) -> (Text, Text) {
    let is_html = BODY.find(item).and_then(|body| body.attribute("BodyType")).is_some_and(|kind| kind == "HTML");
    if !is_html {
        return (BODY.text(item), Text::default());
    }
    let (text, html) = (TEXT_BODY.text(item), BODY.text(item));
    // What Outlook leaves where nobody wrote anything.
    let is_blank = text.as_str().trim().is_empty() && !html.as_str().to_ascii_lowercase().contains("<img");
    if is_blank { (Text::default(), Text::default()) } else { (text, html) }
}

const UID: Property = field("calendar:UID");
const ORGANISER: Property = field("calendar:Organizer");
const IS_MEETING: Property = field("calendar:IsMeeting");
const RECURRENCE: Property = field("calendar:Recurrence");
const DELETED: Property = field("calendar:DeletedOccurrences");
const MODIFIED: Property = field("calendar:ModifiedOccurrences");
pub(super) const ORIGINAL_START: Property = field("calendar:OriginalStart");
pub(super) const MY_RESPONSE: Property = field("calendar:MyResponseType");

/// The rows of what an event has once, however often it takes place.
pub(super) const SERIES: &[Row<Event>] = &[
    Row {
        properties: &[UID],
        read: |item, event| event.uid = UID.text(item),
        spell: |event, to| to.text(UID, &event.uid),
        // It is given to a new item only.
        change: Change::Own(|_, _, _| ()),
    },
    // The organiser of a new item is the owner of the mailbox.
    Row {
        properties: &[IS_MEETING, ORGANISER],
        read: |item, event| event.organiser = ORGANISER.find(item).map(person).filter(|_| is_meeting(item)),
        spell: |_, _| (),
        change: Change::Each,
    },
    Row {
        properties: &[
            field("calendar:RequiredAttendees"),
            field("calendar:OptionalAttendees"),
            field("calendar:Resources"),
            // What the owner answered is in none of the lists.
            MY_RESPONSE,
        ],
        read: |item, event| event.attendees = attendees(item),
        spell: spell_attendees,
        change: Change::Each,
    },
    // Reading it can fail, so it is read apart.
    Row {
        properties: &[RECURRENCE, MODIFIED, DELETED],
        read: |_, _| (),
        spell: |event, to| {
            let version = to.context.version;
            let elements = event.recurrence.as_ref().map(|found| recurrence::elements(found, version));
            to.put(RECURRENCE, elements.map(Content::Tree));
        },
        change: Change::Each,
    },
];

/// Whether anybody else is concerned. Every event has an organiser on the server.
fn is_meeting(item: &Element) -> bool {
    is_true(IS_MEETING.of(item))
        || ROLES.iter().any(|(_, place)| place.find(item).is_some_and(|list| !list.children.is_empty()))
}

const ROLES: [(Role, Property); 3] = [
    (Role::Required, field("calendar:RequiredAttendees")),
    (Role::Optional, field("calendar:OptionalAttendees")),
    (Role::Resource, field("calendar:Resources")),
];

const ANSWERS: [(Answer, &str); 4] = [
    (Answer::Accepted, "Accept"),
    (Answer::Accepted, "Organizer"),
    (Answer::Tentative, "Tentative"),
    (Answer::Declined, "Decline"),
];

fn person(holder: &Element) -> Person {
    let told = |name| holder.at(&["Mailbox", name]).map(|text| Text::new(&text.text)).unwrap_or_default();
    Person { name: told("Name"), address: told("EmailAddress") }
}

fn attendees(item: &Element) -> Vec<Attendee> {
    let of_role = |(role, place): &(Role, Property)| {
        let role = *role;
        let found = place.find(item).map(|list| list.children.as_slice()).unwrap_or_default();
        found.iter().map(move |attendee| {
            let answer = attendee.value("ResponseType");
            let answer = ANSWERS.iter().find(|row| Some(row.1) == answer).map_or(Answer::None, |row| row.0);
            Attendee { person: person(attendee), role, answer }
        })
    };
    ROLES.iter().flat_map(of_role).filter(|attendee| attendee.person != Person::default()).collect()
}

/// What they answered is theirs to say.
fn spell_attendees(event: &Event, to: &mut Spelled<'_>) {
    for (role, place) in ROLES {
        let invited = event.attendees.iter().filter(|attendee| attendee.role == role);
        let invited = invited.filter(|attendee| !attendee.person.address.is_empty());
        let elements: Vec<Element> = invited.map(|attendee| attendee_element(&attendee.person)).collect();
        to.put(place, Some(elements).filter(|elements| !elements.is_empty()).map(Content::Tree));
    }
}

fn attendee_element(person: &Person) -> Element {
    let mut mailbox = Vec::new();
    if !person.name.is_empty() {
        mailbox.push(leaf("Name", person.name.as_str()));
    }
    mailbox.push(leaf("EmailAddress", person.address.as_str()));
    mailbox.push(leaf("RoutingType", "SMTP"));
    node("Attendee", vec![node("Mailbox", mailbox)])
}

/// The properties that are asked for of an event.
pub(super) fn asked() -> Vec<Property> {
    spelling::asked(DETAILS).chain(spelling::asked(SERIES)).chain([ATTACHMENTS]).collect()
}

/// An occurrence that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exception {
    pub(super) id: ItemId,
    /// The day on which it was.
    pub(super) day: Date,
}

/// The occurrences of a series that are different, by the days on which they were.
pub(super) fn exceptions(item: &Element) -> Vec<Exception> {
    let zone = when::zones(item).map(|(zone, _)| zone);
    let exception = |occurrence: &Element| {
        let original = occurrence.value("OriginalStart").and_then(parse_time)?;
        Some(Exception { id: item_id(occurrence)?.0, day: when::day_in(zone.as_ref(), original)? })
    };
    let mut found: Vec<Exception> =
        MODIFIED.find(item).into_iter().flat_map(|list| &list.children).filter_map(exception).collect();
    found.sort_by_key(|exception| exception.day);
    found.dedup_by_key(|exception| exception.day);
    found
}

/// What an item says, with the occurrences of it that are different.
pub(super) fn read(item: &Element, exceptions: Vec<(Date, Details)>) -> PerItem<Event> {
    let mut event = Event { details: details(item), ..spelling::read(SERIES, item) };
    let Some(rule) = RECURRENCE.find(item).filter(|rule| !rule.children.is_empty()) else {
        return Ok(event);
    };
    let rule = recurrence::read(rule).ok_or_else(unknown_recurrence)?;
    // Where the days of a series are is not known without its zone.
    if when::has_unknown_zone(item) && !matches!(event.details.when, When::AllDay { .. }) {
        return Err(unknown_zone(&named_zone(item)));
    }
    let rule = rule.trimmed().unwrap_or(rule);
    event.deleted = deleted(item);
    event.deleted.retain(|day| rule.has(*day));
    event.overrides =
        exceptions.into_iter().filter(|(day, _)| rule.has(*day) && !event.deleted.contains(day)).collect();
    event.recurrence = Some(rule);
    Ok(event)
}

/// What an occurrence says.
pub(super) fn details(item: &Element) -> Details {
    spelling::read(DETAILS, item)
}

fn deleted(item: &Element) -> BTreeSet<Date> {
    let zone = when::zones(item).map(|(zone, _)| zone);
    let list = DELETED.find(item).into_iter().flat_map(|list| &list.children);
    let starts = list.filter_map(|occurrence| parse_time(occurrence.value("Start")?));
    starts.filter_map(|start| when::day_in(zone.as_ref(), start)).collect()
}

fn named_zone(item: &Element) -> String {
    let id = |property: Property| property.find(item)?.attribute("Id").filter(|id| !id.is_empty());
    id(when::START_ZONE).or_else(|| id(when::END_ZONE)).unwrap_or_default().chars().take(80).collect()
}

fn unknown_recurrence() -> ItemError {
    let message = "it repeats in a way that is not known here: change how it repeats in Outlook";
    own_error(ItemErrorClass::Unrenderable, "UnknownRecurrence", message)
}

fn unknown_zone(name: &str) -> ItemError {
    let message = format!("it repeats in the time zone {name:?}, which is not known here: choose a named zone for it");
    own_error(ItemErrorClass::Unrenderable, "UnknownTimeZone", message)
}

/// All that a new event says; its exceptions come after it.
pub(super) fn spell(event: &Event, context: &Context) -> Vec<Value> {
    let mut values = spelling::spell(DETAILS, &event.details, context);
    values.extend(spelling::spell(SERIES, event, context));
    values
}

/// What makes the one event the other, but for its exceptions.
pub(super) fn changes(from: &Event, to: &Event, context: &Context) -> Vec<Value> {
    let mut values = spelling::changes(DETAILS, &from.details, &to.details, context);
    values.extend(spelling::changes(SERIES, from, to, context));
    values
}

/// What somebody who is invited may say of a meeting. The rest is its organiser's.
const OWN: [Property; 5] = [BUSY, REMINDER_IS_SET, REMINDER_MINUTES, SENSITIVITY, CATEGORIES];

/// The changes that are the owner's of the mailbox to make in a meeting of somebody else.
pub(super) fn own_changes(from: &Event, to: &Event, context: &Context) -> Vec<Value> {
    changes(from, to, context).into_iter().filter(|(property, _)| OWN.contains(property)).collect()
}

/// Whether these changes concern those who are invited, too.
pub(super) fn concern_guests(values: &[Value]) -> bool {
    values.iter().any(|(property, _)| !OWN.contains(property) && *property != super::reading::EXTRA)
}

/// Whether somebody else organises it.
pub(super) fn is_of_others(item: &Element) -> bool {
    MY_RESPONSE.of(item).is_some_and(|response| !matches!(response, "" | "Organizer" | "Unknown"))
}

/// Whether any occurrence is different.
pub(super) fn has_exceptions(event: &Event) -> bool {
    !event.deleted.is_empty() || !event.overrides.is_empty()
}

pub(super) fn has_same_exceptions(one: &Event, other: &Event) -> bool {
    (&one.deleted, &one.overrides) == (&other.deleted, &other.overrides)
}

/// The same event without any exception.
pub(super) fn bare(event: &Event) -> Event {
    Event { deleted: BTreeSet::new(), overrides: BTreeMap::new(), ..event.clone() }
}

pub(super) fn cannot_restore(day: Date, why: &str) -> ItemError {
    let message = format!(
        "Exchange cannot take back what became of the occurrence of {day}: {why}; delete the series and make it anew"
    );
    own_error(ItemErrorClass::Permanent, "CannotRestoreOccurrence", message)
}

/// What an occurrence has besides its fields, and would not get back: its own attachments, and guests of its own.
pub(super) const BESIDES: [Property; 4] = [ATTACHMENTS, ROLES[0].1, ROLES[1].1, ROLES[2].1];

/// Whether the same people are invited to both.
pub(super) fn has_same_guests(one: &Element, other: &Element) -> bool {
    let guests = |item: &Element| -> BTreeSet<String> {
        attendees(item).iter().map(|guest| format!("{:?} {}", guest.role, guest.person.address.as_str())).collect()
    };
    guests(one) == guests(other)
}

/// Whether the server can hold it.
pub(super) fn check(event: &Event) -> PerItem<()> {
    // An occurrence that is different is an instant: any zone will do for it.
    let stranger = match &event.details.when {
        When::Zoned { start, .. } if !when::is_known_there(&start.zone) => Some(start.zone.clone()),
        _ => None,
    };
    match (&event.recurrence, stranger) {
        (Some(_), Some(crate::pim::event::ZoneName::Named { tzid, .. })) => {
            let message = format!("Exchange has no time zone {tzid:?}, and a series must be in one that it has");
            Err(own_error(ItemErrorClass::Permanent, "UnknownTimeZone", message))
        }
        _ => Ok(()),
    }
}
