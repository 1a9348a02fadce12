//! What an appointment shows that is made of its other properties.

use jiff::Unit;

use super::super::super::Personality;
use super::super::super::store::{Item, Meta};
use super::super::super::xml::XmlOut;
use super::super::super::zones::Zone;
use super::super::recurrence::{End, Recurrence};
use super::super::{Reader, values};
use super::{attendees, is_organizer, zone_of};

/// The element of this name; none when it is not made of others.
pub(in super::super) fn computed(reader: Reader<'_>, item: &Item, name: &str) -> Option<String> {
    let meta = &item.meta;
    let text = match name {
        "CalendarItemType" => kind(item).to_owned(),
        "IsRecurring" => is_recurring(item).to_string(),
        "IsMeeting" => (state(meta) & 1 != 0).to_string(),
        "IsCancelled" => (state(meta) & 4 != 0).to_string(),
        "IsOrganizer" => is_organizer(meta).to_string(),
        "Duration" => duration(meta)?,
        "ReminderDueBy" => reader.time(values::time(&meta.fields, "Start")?),
        "DisplayTo" => names(meta, &["RequiredAttendees"])?,
        "DisplayCc" => names(meta, &["OptionalAttendees", "Resources"])?,
        "TimeZone" if meta.fields.contains_key("Recurrence") => zone_of(meta).name,
        "StartTimeZoneId" => zone_of(meta).id,
        "EndTimeZoneId" => end_zone(meta).id,
        "StartWallClock" => wall(&zone_of(meta), values::time(&meta.fields, "Start")?),
        "EndWallClock" => wall(&end_zone(meta), values::time(&meta.fields, "End")?),
        "Recurrence" => return recurrence(reader, meta),
        "MeetingTimeZone" => return Some(old_zone(&zone_of(meta))),
        // gromox may tell a zone twice.
        "StartTimeZone" if reader.like == Personality::Gromox => return meta.fields.get(name).map(|xml| xml.repeat(2)),
        _ => return None,
    };
    let mut out = XmlOut::new();
    out.put(&format!("t:{name}"), &text);
    Some(out.buffer)
}

fn kind(item: &Item) -> &'static str {
    match (item.master, item.id) {
        (0, _) if item.meta.fields.contains_key("Recurrence") => "RecurringMaster",
        (0, _) => "Single",
        (_, 0) => "Occurrence",
        _ => "Exception",
    }
}

/// Whether Exchange calls it recurring: occurrences, and of the series themselves only those of somebody else.
fn is_recurring(item: &Item) -> bool {
    item.master > 0 || (item.meta.fields.contains_key("Recurrence") && !is_organizer(&item.meta))
}

fn state(meta: &Meta) -> i64 {
    values::text(&meta.fields, "AppointmentState").and_then(|state| state.parse().ok()).unwrap_or(0)
}

fn end_zone(meta: &Meta) -> Zone {
    let zone = values::element(&meta.fields, "EndTimeZone").and_then(|zone| Zone::read(&zone));
    zone.unwrap_or_else(|| zone_of(meta))
}

fn wall(zone: &Zone, at: i64) -> String {
    zone.wall(at).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// `PT1H30M`
fn duration(meta: &Meta) -> Option<String> {
    let (start, end) = (values::time(&meta.fields, "Start")?, values::time(&meta.fields, "End")?);
    let span = jiff::SignedDuration::from_millis(end - start);
    let span = jiff::Span::try_from(span).ok()?.round(jiff::SpanRound::new().largest(Unit::Day).days_are_24_hours());
    span.ok().map(|span| span.to_string())
}

fn names(meta: &Meta, lists: &[&str]) -> Option<String> {
    let names: Vec<String> = lists
        .iter()
        .flat_map(|list| attendees::people(meta, list))
        .map(|person| if person.name.is_empty() { person.address } else { person.name })
        .collect();
    Some(names.join("; ")).filter(|names| !names.is_empty())
}

/// The dates of a range, each with the offset that its midnight has in the series' zone.
fn recurrence(reader: Reader<'_>, meta: &Meta) -> Option<String> {
    let recurrence = Recurrence::read(&values::element(&meta.fields, "Recurrence")?).ok()?;
    if reader.like == Personality::Gromox {
        return Some(recurrence.xml("T00:00:00Z", "T00:00:00Z"));
    }
    let zone = zone_of(meta);
    let offset = |day| zone.offset(zone.midnight(day));
    let end = match recurrence.end {
        End::On(day) => offset(day),
        End::Never | End::After(_) => String::new(),
    };
    Some(recurrence.xml(&offset(recurrence.start), &end))
}

fn old_zone(zone: &Zone) -> String {
    let mut out = XmlOut::new();
    out.leaf("t:MeetingTimeZone", &[("TimeZoneName", &zone.id)], "");
    out.buffer
}
