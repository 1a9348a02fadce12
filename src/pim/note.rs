//! Sticky notes (item class `IPM.StickyNote`).

use serde::{Deserialize, Serialize};

use super::fields::item;
use super::{Categories, Text};

item! {
    /// A sticky note.
    Note,
    /// A field of a note.
    NoteField {
        /// All of its text.
        text / Text: Text,
        /// Its colour; `None` where nobody chose one.
        colour / Colour: Option<NoteColour>,
        /// Its categories.
        categories / Categories: Categories,
    }
}

impl Note {
    /// The title is the first line, and Exchange calls it the subject.
    pub fn title(&self) -> &str {
        self.text.as_str().lines().next().unwrap_or_default().trim()
    }
}

/// PidLidNoteColor (MS-OXONOTE §2.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NoteColour {
    /// 0.
    Blue,
    /// 1.
    Green,
    /// 2.
    Pink,
    /// 3: what Outlook takes when nobody chose.
    Yellow,
    /// 4.
    White,
}

impl NoteColour {
    /// Each colour with its number on the server and its name in files.
    pub const TABLE: [(Self, i32, &str); 5] = [
        (Self::Blue, 0, "blue"),
        (Self::Green, 1, "green"),
        (Self::Pink, 2, "pink"),
        (Self::Yellow, 3, "yellow"),
        (Self::White, 4, "white"),
    ];

    /// The colour with that number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::TABLE.iter().find(|row| row.1 == number).map(|row| row.0)
    }

    /// The colour with that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::TABLE.iter().find(|row| row.2.eq_ignore_ascii_case(name)).map(|row| row.0)
    }

    /// Its number on the server.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// Its name in files.
    pub fn name(self) -> &'static str {
        Self::TABLE.iter().find(|row| row.0 == self).map_or("", |row| row.2)
    }
}
