//! Entries: contacts, events, notes and tasks by their properties.
//!
//! How a field is spelled is told in one place: a row of the table of its kind.

mod attachments;
mod classes;
mod contact;
mod day;
mod event;
mod files;
mod meetings;
mod note;
mod occurrences;
mod photo;
mod reading;
mod recurrence;
mod request;
mod spelling;
mod task;
mod updates;
mod uploads;
mod when;
mod zone;

pub(super) use meetings::Meetings;

#[cfg(test)]
mod tests;
