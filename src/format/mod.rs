//! Items to bytes and back.

pub mod categories;
mod classes;
pub mod content;
pub mod entry;
pub mod icalendar;
pub mod mime;
pub mod note;
pub mod timezone;
pub mod vcard;
