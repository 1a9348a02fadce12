//! Sticky notes (MS-OXONOTE): messages of a class of their own.

use super::super::property::{Content, Property, PropertySet};
use super::super::shape::MESSAGE_FLAGS;
use super::classes::categories_row;
use super::spelling::{BODY, Change, Row, Value, word};
use crate::pim::{EntryKind, Note, NoteColour, Text};

/// PidLidNoteColor.
const COLOUR: Property = Property::Named(PropertySet::Note, 0x8B00, "Integer");
const SUBJECT: Property = Property::Field("item:Subject");

/// All rows.
pub(super) const ROWS: &[Row<Note>] = &[
    Row {
        properties: &[SUBJECT, BODY],
        read: |item, note| {
            let text = BODY.text(item);
            note.text = if text.is_empty() { SUBJECT.text(item) } else { text };
        },
        spell: |note, to| {
            to.text(SUBJECT, &subject(note));
            to.body(&note.text);
        },
        change: Change::Each,
    },
    Row {
        properties: &[COLOUR],
        read: |item, note| {
            note.colour = COLOUR.of(item).and_then(|number| number.parse().ok()).and_then(NoteColour::from_number);
        },
        spell: |note, to| to.put(COLOUR, note.colour.map(|colour| Content::Text(colour.number().to_string()))),
        change: Change::Each,
    },
    categories_row!(),
];

/// What a new note says besides: which class it is of, and that it is no draft.
pub(super) fn at_birth() -> Vec<Value> {
    let class = Property::Field("item:ItemClass");
    vec![
        (class, Some(class.holding(word(EntryKind::Note.class())))),
        (MESSAGE_FLAGS, Some(MESSAGE_FLAGS.holding(word("1")))),
    ]
}

/// The title, as far as a subject holds it.
fn subject(note: &Note) -> Text {
    const LONGEST: usize = 255;
    Text::from(note.title().chars().take(LONGEST).collect::<String>())
}
