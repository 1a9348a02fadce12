//! An entry that is sent and read again is the same, and so is one that is changed into another.

use proptest::prelude::*;

use super::super::{contact, event, note, occurrences, recurrence, spelling, task, when};
use super::{NEWEST, changed, context, over_the_wire};
use crate::format::icalendar::event::tests as events;
use crate::format::icalendar::todo::tests as todos;
use crate::format::vcard::tests as cards;
use crate::pim::event::{Attendee, Details, EventState};
use crate::pim::recurrence::Recurrence;
use crate::pim::{Category, Contact, ContactField, DayOfLife, Event, Note, NoteColour, Task, TaskField, Text};
use crate::remote::ews::property::{Content, Property};
use crate::remote::ews::request::Version;

/// A contact as the server can hold it: its times begin in 1601.
fn held(contact: Contact) -> Contact {
    let day = |day: Option<DayOfLife>| day.filter(|day| day.year().is_none_or(|year| (1602..4500).contains(&year)));
    let some =
        |texts: Vec<Text>| -> Vec<Text> { texts.into_iter().filter(|text| !text.as_str().trim().is_empty()).collect() };
    Contact {
        birthday: day(contact.birthday),
        anniversary: day(contact.anniversary),
        emails: some(contact.emails),
        messengers: some(contact.messengers),
        photo: None,
        ..contact
    }
}

fn note() -> impl Strategy<Value = Note> {
    let colour = prop::option::of(prop::sample::select(NoteColour::TABLE.map(|row| row.0).to_vec()));
    let categories = prop::collection::btree_set("[a-z,;]{1,9}".prop_map(Category), 0..3);
    ("[ -~ä\n]{0,24}", colour, categories).prop_map(|(text, colour, categories)| Note {
        text: text.into(),
        colour,
        categories,
    })
}

/// What the server makes of an occurrence: the text from HTML, where there is any, and that it takes place.
fn kept(details: Details, text: &Text) -> Details {
    let body = if details.html.is_empty() { details.body } else { text.clone() };
    // Files go in requests of their own.
    Details { body, state: EventState::Planned, files: Default::default(), ..details }
}

/// The text that the server makes from any HTML.
const RENDERED: &str = "Rendered";

fn read_event(
    mut values: Vec<spelling::Value>,
    exceptions: Vec<(jiff::civil::Date, Details)>,
    deleted: &Event,
) -> Event {
    let text = Property::Field("item:TextBody");
    values.push((text, Some(text.holding(Content::Text(RENDERED.to_owned())))));
    let mut item = over_the_wire(values);
    let starts = deleted.deleted.iter().map(|day| {
        let start = spelling::spell(event::DETAILS, &occurrences::as_ever(&deleted.details, *day), &context(NEWEST));
        let start = start.into_iter().find_map(|(property, element)| element.filter(|_| property == when::START));
        super::node("DeletedOccurrence", start.into_iter().collect())
    });
    item.children.push(super::node("DeletedOccurrences", starts.collect()));
    event::read(&item, exceptions).unwrap()
}

proptest! {
    #[test]
    fn a_contact_is_what_was_sent(one in cards::contact(), other in cards::contact()) {
        let context = context(NEWEST);
        let values = spelling::spell(contact::ROWS, &one, &context);
        let read: Contact = spelling::read(contact::ROWS, &over_the_wire(values.clone()));
        prop_assert_eq!(&read, &held(one.clone()));
        let changes = spelling::changes(contact::ROWS, &one, &other, &context);
        let read: Contact = spelling::read(contact::ROWS, &over_the_wire(changed(values, changes)));
        prop_assert_eq!(&read, &held(other));
        prop_assert_eq!(spelling::changes(contact::ROWS, &one, &one, &context), vec![]);
    }

    #[test]
    fn one_field_of_a_contact_changed_changes_that_field(
        one in cards::contact(), other in cards::contact(), field in prop::sample::select(ContactField::ALL.to_vec()),
    ) {
        let context = context(NEWEST);
        let mut wanted = one.clone();
        wanted.take(&other, field);
        let changes = spelling::changes(contact::ROWS, &one, &wanted, &context);
        prop_assert!(held(one.clone()) != held(wanted.clone()) || changes.is_empty(), "{changes:?}");
        let values = changed(spelling::spell(contact::ROWS, &one, &context), changes);
        prop_assert_eq!(spelling::read::<Contact>(contact::ROWS, &over_the_wire(values)), held(wanted));
    }

    #[test]
    fn one_field_of_a_task_changed_changes_that_field(
        one in todos::task(), other in todos::task(), field in prop::sample::select(TaskField::ALL.to_vec()),
    ) {
        let context = context(NEWEST);
        let mut wanted = one.clone();
        wanted.take(&other, field);
        let changes = spelling::changes(task::ROWS, &one, &wanted, &context);
        prop_assert_eq!(changes.is_empty(), one == wanted);
        let values = changed(spelling::spell(task::ROWS, &one, &context), changes);
        prop_assert_eq!(spelling::read::<Task>(task::ROWS, &over_the_wire(values)), wanted);
    }

    #[test]
    fn a_task_is_what_was_sent(one in todos::task(), other in todos::task()) {
        let context = context(NEWEST);
        let values = spelling::spell(task::ROWS, &one, &context);
        prop_assert_eq!(spelling::read::<Task>(task::ROWS, &over_the_wire(values.clone())), one.clone());
        let changes = spelling::changes(task::ROWS, &one, &other, &context);
        prop_assert_eq!(spelling::read::<Task>(task::ROWS, &over_the_wire(changed(values, changes))), other);
        prop_assert_eq!(spelling::changes(task::ROWS, &one, &one, &context), vec![]);
    }

    #[test]
    fn a_note_is_what_was_sent(one in note(), other in note()) {
        let context = context(NEWEST);
        let values = spelling::spell(note::ROWS, &one, &context);
        prop_assert_eq!(spelling::read::<Note>(note::ROWS, &over_the_wire(values.clone())), one.clone());
        let changes = spelling::changes(note::ROWS, &one, &other, &context);
        prop_assert_eq!(spelling::read::<Note>(note::ROWS, &over_the_wire(changed(values, changes))), other);
    }

    #[test]
    fn a_recurrence_is_what_was_sent(one in crate::format::icalendar::rule::tests::series()) {
        for version in [NEWEST, Version::Exchange2010Sp2] {
            let item = super::node("Recurrence", recurrence::elements(&one, version));
            prop_assert_eq!(recurrence::read(&item), Some(one.clone()));
        }
        // Days of the week are the same ones where they are told in another order, or by the words for several.
        let Recurrence { pattern, .. } = one;
        prop_assert!(pattern.is_sound());
    }
}

fn some_cases() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if asked { ProptestConfig::default() } else { ProptestConfig::with_cases(96) }
}

proptest! {
    #![proptest_config(some_cases())]

    #[test]
    fn an_event_is_what_was_sent(one in events::event(), other in events::event()) {
        let context = context(NEWEST);
        let expected = |event: &Event| {
            let mut attendees: Vec<Attendee> = event.attendees.clone();
            attendees.sort_by_key(|attendee| attendee.role as u8);
            attendees.iter_mut().for_each(|attendee| attendee.answer = Default::default());
            let rendered = Text::new(RENDERED);
            let overrides = event.overrides.iter().map(|(day, details)| (*day, kept(details.clone(), &rendered)));
            Event {
                details: kept(event.details.clone(), &rendered),
                organiser: None,
                attendees,
                // They go in requests of their own.
                attachments: Default::default(),
                overrides: overrides.collect(),
                ..event.clone()
            }
        };
        let overrides = |event: &Event| -> Vec<(jiff::civil::Date, Details)> {
            event.overrides.iter().map(|(day, details)| {
                let read = read_event(spelling::spell(event::DETAILS, details, &context), Vec::new(), &Event::default());
                (*day, read.details)
            }).collect()
        };
        let values = event::spell(&one, &context);
        prop_assert_eq!(read_event(values.clone(), overrides(&one), &one), expected(&one));
        let changes = event::changes(&one, &other, &context);
        let mut wanted = expected(&other);
        wanted.uid = one.uid.clone();
        // The text takes the place of HTML, or HTML that of the text, whichever changed.
        let read = read_event(changed(values, changes), overrides(&other), &other);
        if one.details.html != other.details.html || one.details.body == other.details.body {
            prop_assert_eq!(read, wanted);
        } else {
            wanted.details.html = Text::default();
            wanted.details.body = other.details.body.clone();
            prop_assert_eq!(read, wanted);
        }
        prop_assert_eq!(event::changes(&one, &one, &context), vec![]);
    }
}
