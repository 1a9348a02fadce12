//! Events as VEVENT (RFC 5545 §3.6.1): a series and its overrides are one file.

mod attachments;
mod details;
mod people;
mod series;
mod time;

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::super::content::{Component, Document, Property};
use super::super::timezone::ZoneError;
use super::{CalendarError, parts};
use crate::pim::UnixTime;
use crate::pim::event::{Details, DetailsField, Event, EventField};
use crate::pim::recurrence::Inexpressible;

pub use details::{ROWS, Row};

use time::Zones;

/// An event's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFile {
    document: Document,
}

/// Why an event in a file cannot be one on the server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It is no calendar of one event, or a value in it makes no sense.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// It repeats in a way that the server cannot.
    #[error(transparent)]
    Inexpressible(#[from] Inexpressible),
    /// It is not known when it is.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// Single occurrences of a series, as an invitation to one has them.
    #[error("the file has occurrences of a series (RECURRENCE-ID) and not the series itself")]
    NoSeries,
    /// The first occurrence of a series is at a time that does not come on that day.
    #[error(
        "the clocks skip {0}, when the series begins or its first occurrence ends, and Exchange knows its time of day by that occurrence: begin it on another day"
    )]
    Skipped(jiff::civil::DateTime),
}

impl EventFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It holds no VEVENT, or several with different UIDs.
    pub fn parse(bytes: impl Into<bytes::Bytes>) -> Result<Self, EventError> {
        let (document, _) = super::parse(bytes, "VEVENT")?;
        let file = Self { document };
        let uids: BTreeSet<_> = file.events().map(|event| parts::text(event, "UID")).collect();
        match (file.events().filter(|event| is_master(event)).count(), uids.len()) {
            (0, _) => Err(EventError::NoSeries),
            (1, 1) => Ok(file),
            (masters, uids) => Err(CalendarError::Several { name: "VEVENT", count: masters.max(uids) }.into()),
        }
    }

    /// A file for an event that has none, made at `now`.
    ///
    /// # Errors
    ///
    /// As [`EventFile::patch`].
    pub fn new(event: &Event, now: UnixTime) -> Result<Self, EventError> {
        let mut vevent = Component::new("VEVENT");
        vevent.set("DTSTAMP", parts::write_instant(now).as_deref());
        vevent.push(&Property::new("DTSTART", "19700101").with("VALUE", "DATE"));
        let mut calendar = super::empty();
        calendar.push_component(vevent);
        let mut file = Self { document: Document::of(calendar) };
        file.patch(event)?;
        Ok(file)
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.document.to_bytes()
    }

    /// What the file says.
    ///
    /// # Errors
    ///
    /// It says something that the server cannot hold: which property, and what would work.
    pub fn event(&self) -> Result<Event, EventError> {
        let master = self.events().find(|event| is_master(event)).ok_or(EventError::NoSeries)?;
        let zones = Zones::of(&self.document);
        let mut details = details::read(master, &zones)?;
        let recurrence = series::recurrence(master, &details.when)?;
        if recurrence.is_some() {
            time::check_first(&details.when)?;
        } else {
            time::settle(&mut details.when)?;
        }
        let mut event = Event {
            uid: parts::text(master, "UID"),
            organiser: people::organiser(master),
            attendees: people::attendees(master),
            attachments: attachments::attachments(master),
            recurrence,
            details,
            ..Event::default()
        };
        let overrides: Vec<&Component> = self.events().filter(|event| !is_master(event)).collect();
        if event.recurrence.is_none() && overrides.is_empty() {
            return Ok(event);
        }
        let days = series::Days::of(&event);
        event.deleted = series::deleted(master, &days, &zones)?;
        for component in overrides {
            let day = series::original_day(component, &days, &zones)?;
            // Who deletes an occurrence after changing it often leaves the override behind.
            if !event.deleted.contains(&day) {
                let mut details = details::read(component, &zones)?;
                time::settle(&mut details.when)?;
                details.files = attachments::attachments(component);
                event.overrides.insert(day, details);
            }
        }
        event.settle_files();
        Ok(event)
    }

    /// Brings the file to what `event` says. Only the lines of fields that differ are written.
    ///
    /// # Errors
    ///
    /// What the file says cannot be read, so that nobody knows what differs; or a zone of the event is not known. Then the file stays as
    /// it is.
    pub fn patch(&mut self, event: &Event) -> Result<(), EventError> {
        let before = self.event()?;
        let mut patched = self.clone();
        patched.change(&before, event)?;
        *self = patched;
        Ok(())
    }

    /// Writes what differs from what the file says, which is `before`.
    fn change(&mut self, before: &Event, event: &Event) -> Result<(), EventError> {
        for calendar in self.document.components_mut("VCALENDAR") {
            Change::new(calendar, before, event).write(calendar)?;
        }
        Ok(())
    }

    /// What the file says besides `event`, which is all that it says of what an event has fields for: lines and components of the event, or of the
    /// series, as they are.
    pub fn besides(&self, event: &Event) -> String {
        let mut rest = self.clone();
        let details = Details { when: event.details.when.clone(), ..Details::default() };
        // A file that can be read can be patched; and were it not, it would say more besides.
        drop(rest.change(event, &Event { uid: event.uid.clone(), details, ..Event::default() }));
        rest.events().find(|event| is_master(event)).map(|event| event.besides(super::BOOKKEEPING)).unwrap_or_default()
    }

    /// Adds what another file of the event said besides.
    pub fn append(&mut self, besides: &str) {
        let events = self.document.components_mut("VCALENDAR").flat_map(|calendar| calendar.components_mut("VEVENT"));
        events.filter(|event| is_master(event)).take(1).for_each(|event| event.append(besides));
    }

    fn events(&self) -> impl Iterator<Item = &Component> {
        self.document.components("VCALENDAR").flat_map(|calendar| calendar.components("VEVENT"))
    }
}

fn is_master(event: &Component) -> bool {
    event.property("RECURRENCE-ID").is_none()
}

/// What a file is to say instead of what it says.
struct Change<'a> {
    before: &'a Event,
    event: &'a Event,
    fields: Vec<EventField>,
    /// Fields of the series itself.
    details: Vec<DetailsField>,
    /// How the days of exceptions are told, before and after: by the time at which the series starts.
    days_before: series::Days,
    days: series::Days,
    zones: Zones,
}

impl<'a> Change<'a> {
    fn new(calendar: &Component, before: &'a Event, event: &'a Event) -> Self {
        let fields = before.diff(event);
        let of_details = |field: &EventField| match field {
            EventField::Details(field) => Some(*field),
            _ => None,
        };
        let details = fields.iter().filter_map(of_details).collect();
        let [days_before, days] = [before, event].map(series::Days::of);
        Self { before, event, fields, details, days_before, days, zones: Zones::in_calendar(calendar) }
    }

    fn moved(&self) -> bool {
        self.details.contains(&DetailsField::When)
    }

    /// Whether the files of the whole series differ.
    fn files_changed(&self) -> bool {
        self.fields.contains(&EventField::Attachments)
    }

    fn write(&self, calendar: &mut Component) -> Result<(), EventError> {
        let written = self.write_overrides(calendar)?;
        let mut stamp = None;
        if let Some(master) = calendar.components_mut("VEVENT").find(|component| is_master(component)) {
            stamp = master.property("DTSTAMP").map(|stamp| stamp.value);
            self.write_master(master)?;
        }
        for (day, details) in self.event.overrides.iter().filter(|(day, _)| !written.contains(day)) {
            let mut component = Component::new("VEVENT");
            component.set("DTSTAMP", stamp.as_deref());
            parts::set_text(&mut component, "UID", &self.event.uid);
            self.days.write_original(&mut component, *day);
            details::write(&mut component, DetailsField::ALL, details)?;
            attachments::set_files(&mut component, &details.files, &self.event.attachments);
            calendar.push_component(component);
        }
        time::define_zones(calendar, self.before, self.event)
    }

    /// Writes the overrides that the file has, takes away those that are no more, and tells which days those are.
    fn write_overrides(&self, calendar: &mut Component) -> Result<BTreeSet<Date>, EventError> {
        let mut written = BTreeSet::new();
        let mut gone = BTreeSet::new();
        for component in calendar.components_mut("VEVENT").filter(|component| !is_master(component)) {
            let day = series::original_day(component, &self.days_before, &self.zones)?;
            written.insert(day);
            let (old, new) = (self.before.overrides.get(&day), self.event.overrides.get(&day));
            match (old, new) {
                (Some(old), Some(new)) => details::write(component, &old.diff(new), new)?,
                (None, Some(new)) => details::write(component, DetailsField::ALL, new)?,
                // Nobody sees it as long as its occurrence is deleted.
                (None, None) if self.event.deleted.contains(&day) => {}
                (_, None) => {
                    gone.insert(parts::text(component, "RECURRENCE-ID"));
                    continue;
                }
            }
            let files = [old, new].map(|details| details.map(|details| &details.files));
            if let Some(new) = files[1].filter(|_| files[0] != files[1] || self.files_changed()) {
                attachments::set_files(component, new, &self.event.attachments);
            }
            if self.moved() {
                self.days.write_original(component, day);
            }
            if self.fields.contains(&EventField::Uid) {
                parts::set_text(component, "UID", &self.event.uid);
            }
        }
        calendar.retain_components(|component| !gone.contains(&parts::text(component, "RECURRENCE-ID")));
        Ok(written)
    }

    fn write_master(&self, master: &mut Component) -> Result<(), EventError> {
        let Self { before, event, .. } = self;
        details::write(master, &self.details, &event.details)?;
        for field in &self.fields {
            match field {
                EventField::Uid => parts::set_text(master, "UID", &event.uid),
                EventField::Organiser => people::set_organiser(master, event.organiser.as_ref()),
                EventField::Attendees => people::set_attendees(master, &event.attendees),
                EventField::Attachments => attachments::set_attachments(master, &event.attachments),
                EventField::Details(_) | EventField::Recurrence | EventField::Occurrence(_) => {}
            }
        }
        let rule_changed = before.recurrence != event.recurrence;
        if rule_changed || (self.moved() && event.recurrence.is_some()) {
            series::set_recurrence(master, event, before);
        }
        if rule_changed || self.moved() || before.deleted != event.deleted {
            self.days.write_deleted(master, &event.deleted, &self.days_before, &self.zones, self.moved());
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
