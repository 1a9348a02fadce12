//! Events and tasks as iCalendar files (RFC 5545).
//!
//! A file is patched: what the server cannot hold, such as further alarms or X- properties, stays in it.

pub mod event;
mod parts;
pub mod rule;
pub mod todo;

use super::content::{Component, ContentError, Document, Limits};
use crate::pim::recurrence::Inexpressible;

/// Why a file is no item of a calendar that the server can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// It is no file of content lines.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// No VCALENDAR, or nothing of the kind in it.
    #[error("there is no {0} in the file")]
    Missing(&'static str),
    /// One file is one item.
    #[error("there are {count} {name}s of different items in the file: give each a file of its own")]
    Several {
        /// What there are several of.
        name: &'static str,
        /// How many.
        count: usize,
    },
    /// Nothing says when it begins.
    #[error("there is no DTSTART in it, which says when it begins")]
    NoStart,
    /// A value that makes no sense.
    #[error("{property} is {value:?}, which RFC 5545 does not allow there")]
    Value {
        /// The property.
        property: &'static str,
        /// Its value, at most so much of it as a message can show.
        value: String,
    },
    /// Its repetition cannot be said to the server.
    #[error(transparent)]
    Inexpressible(#[from] Inexpressible),
}

/// Properties by which programs keep their books, and those that say when an item is: nothing that a user would miss.
const BOOKKEEPING: &[&str] =
    &["UID", "DTSTAMP", "CREATED", "LAST-MODIFIED", "SEQUENCE", "DTSTART", "DTEND", "DUE", "DURATION"];

/// Reads a file with one VCALENDAR, and gives how many components of that name are in it.
fn parse(bytes: impl Into<bytes::Bytes>, name: &'static str) -> Result<(Document, usize), CalendarError> {
    let document = Document::parse(bytes, Limits::default())?;
    let calendars = document.components("VCALENDAR").count();
    match calendars {
        0 => Err(CalendarError::Missing("VCALENDAR")),
        1 => {
            let count = document.components("VCALENDAR").flat_map(|calendar| calendar.components(name)).count();
            if count == 0 { Err(CalendarError::Missing(name)) } else { Ok((document, count)) }
        }
        count => Err(CalendarError::Several { name: "VCALENDAR", count }),
    }
}

/// A calendar with nothing in it (RFC 5545 §3.4 and §3.6).
fn empty() -> Component {
    let mut calendar = Component::new("VCALENDAR");
    calendar.set("VERSION", Some("2.0"));
    calendar.set("PRODID", Some("-//pimsync//pimsync//EN"));
    calendar
}
