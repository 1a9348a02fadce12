//! Appointments and meetings: single ones and series.

mod attendees;
mod properties;
mod series;
mod shown;
mod uid;

use jiff::civil::DateTime;

use super::super::Personality;
use super::super::soap::Refusal;
use super::super::store::Meta;
use super::super::xml::Element;
use super::super::zones::Zone;
use super::recurrence::{End, Recurrence};
use super::values;
use super::{Access, Draft, Field, Shown, Stage, Value, field};

pub(in super::super) use attendees::{ATTENDEES, answer_of, people};
pub(in super::super) use properties::property;
pub(in super::super) use series::{Instance, Series};
pub(super) use shown::computed;

/// The properties of an appointment (MS-OXWSMTGS `CalendarItemType`).
pub(super) const FIELDS: &[Field] = &[
    field("ReminderIsSet", Value::Bool, Access::Write, Shown::All, "false"),
    field("ReminderMinutesBeforeStart", Value::Number, Access::Write, Shown::All, "15"),
    field("ReminderDueBy", Value::Time, Access::Write, Shown::All, ""),
    field("UID", Value::Text, Access::Create, Shown::All, ""),
    field("RecurrenceId", Value::Time, Access::Read, Shown::All, ""),
    field("DateTimeStamp", Value::Time, Access::Read, Shown::All, ""),
    field("Start", Value::Wall, Access::Write, Shown::Default, ""),
    field("End", Value::Wall, Access::Write, Shown::Default, ""),
    field("OriginalStart", Value::Time, Access::Read, Shown::All, ""),
    field("IsAllDayEvent", Value::Bool, Access::Write, Shown::Default, "false"),
    field("LegacyFreeBusyStatus", Value::Text, Access::Write, Shown::Default, "Busy"),
    field("Location", Value::Text, Access::Write, Shown::Default, ""),
    field("When", Value::Text, Access::Write, Shown::Named, ""),
    field("IsMeeting", Value::Bool, Access::Read, Shown::All, ""),
    field("IsCancelled", Value::Bool, Access::Read, Shown::All, ""),
    field("IsRecurring", Value::Bool, Access::Read, Shown::All, ""),
    field("MeetingRequestWasSent", Value::Bool, Access::Read, Shown::All, "false"),
    field("IsResponseRequested", Value::Bool, Access::Write, Shown::All, "true"),
    field("CalendarItemType", Value::Text, Access::Read, Shown::Default, ""),
    field("MyResponseType", Value::Text, Access::Read, Shown::All, "Organizer"),
    field("Organizer", Value::Tree, Access::Read, Shown::Default, ""),
    field("RequiredAttendees", Value::Attendees, Access::Write, Shown::Deep, ""),
    field("OptionalAttendees", Value::Attendees, Access::Write, Shown::Deep, ""),
    field("Resources", Value::Attendees, Access::Write, Shown::Deep, ""),
    field("ConflictingMeetingCount", Value::Number, Access::Read, Shown::Named, ""),
    field("AdjacentMeetingCount", Value::Number, Access::Read, Shown::Named, ""),
    field("ConflictingMeetings", Value::Tree, Access::Read, Shown::Named, ""),
    field("AdjacentMeetings", Value::Tree, Access::Read, Shown::Named, ""),
    field("Duration", Value::Text, Access::Read, Shown::All, ""),
    field("TimeZone", Value::Text, Access::Read, Shown::All, ""),
    field("AppointmentReplyTime", Value::Time, Access::Read, Shown::All, ""),
    field("AppointmentSequenceNumber", Value::Number, Access::Read, Shown::All, "0"),
    field("AppointmentState", Value::Number, Access::Read, Shown::All, "0"),
    field("Recurrence", Value::Tree, Access::Write, Shown::Deep, ""),
    field("FirstOccurrence", Value::Tree, Access::Read, Shown::Deep, ""),
    field("LastOccurrence", Value::Tree, Access::Read, Shown::Deep, ""),
    field("ModifiedOccurrences", Value::Tree, Access::Read, Shown::Deep, ""),
    field("DeletedOccurrences", Value::Tree, Access::Read, Shown::Deep, ""),
    field("MeetingTimeZone", Value::OldZone, Access::Write, Shown::Named, ""),
    field("StartTimeZone", Value::Zone, Access::Write, Shown::All, ""),
    field("EndTimeZone", Value::Zone, Access::Write, Shown::All, ""),
    field("ConferenceType", Value::Number, Access::Write, Shown::Named, ""),
    field("AllowNewTimeProposal", Value::Bool, Access::Write, Shown::All, "true"),
    field("IsOnlineMeeting", Value::Bool, Access::Read, Shown::All, "false"),
    field("MeetingWorkspaceUrl", Value::Text, Access::Write, Shown::All, ""),
    field("NetShowUrl", Value::Text, Access::Write, Shown::All, ""),
    field("EnhancedLocation", Value::Tree, Access::Write, Shown::Named, ""),
    field("StartWallClock", Value::Time, Access::Read, Shown::Named, ""),
    field("EndWallClock", Value::Time, Access::Read, Shown::Named, ""),
    field("StartTimeZoneId", Value::Text, Access::Read, Shown::Named, ""),
    field("EndTimeZoneId", Value::Text, Access::Read, Shown::Named, ""),
    field("IsOrganizer", Value::Bool, Access::Read, Shown::All, ""),
];

/// What decides when a series takes place: with another value of one of these, its exceptions mean nothing any more.
const TIMING: [&str; 6] = ["Start", "End", "IsAllDayEvent", "StartTimeZone", "EndTimeZone", "Recurrence"];

/// The longest that an appointment may take: five years.
const LONGEST: i64 = 5 * 366 * 86_400_000;
const HALF_HOUR: i64 = 1_800_000;

/// What no occurrence has of its own.
const OF_SERIES: [&str; 2] = ["Recurrence", "UID"];

/// Refuses to set what the item does not have for itself.
pub(super) fn check(draft: &Draft<'_>, name: &str) -> Result<(), Refusal> {
    let foreign = ATTENDEES.contains(&name) && !is_organizer(draft.meta);
    if (draft.stage == Stage::Occurrence && OF_SERIES.contains(&name)) || foreign {
        return Err(super::not_settable(name));
    }
    Ok(())
}

/// Whether the mailbox's owner invited to it, if anybody did.
pub(in super::super) fn is_organizer(meta: &Meta) -> bool {
    values::text(&meta.fields, "AppointmentState").is_none_or(|state| state.parse::<i64>().unwrap_or(0) & 2 == 0)
}

/// The zone that an appointment's times are meant in.
pub(in super::super) fn zone_of(meta: &Meta) -> Zone {
    values::element(&meta.fields, "StartTimeZone").and_then(|zone| Zone::read(&zone)).unwrap_or_else(Zone::utc)
}

/// The times that are told without a zone, resolved; zones that were not told; and the rules that hold for all of it.
pub(super) fn finish(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    zones(draft);
    times(draft)?;
    if draft.stage != Stage::Occurrence {
        recur(draft)?;
    }
    if draft.stage == Stage::Create {
        begin(draft);
    }
    let invited = ATTENDEES.iter().any(|list| draft.meta.fields.contains_key(*list));
    if is_organizer(draft.meta) {
        let cancelled = values::text(&draft.meta.fields, "AppointmentState").is_some_and(|state| state == "5");
        let state = i64::from(invited) + if cancelled { 4 } else { 0 };
        values::put(&mut draft.meta.fields, "AppointmentState", &state.to_string());
    }
    if draft.stage == Stage::Update && draft.before.is_some_and(|before| timing_differs(before, draft.meta)) {
        draft.meta.deleted.clear();
        draft.drops_exceptions = true;
    }
    Ok(())
}

fn timing_differs(before: &Meta, after: &Meta) -> bool {
    TIMING.iter().any(|name| before.fields.get(*name) != after.fields.get(*name))
}

fn zones(draft: &mut Draft<'_>) {
    let start = values::element(&draft.meta.fields, "StartTimeZone").and_then(|zone| Zone::read(&zone));
    let start = start.unwrap_or_else(|| draft.zone.clone());
    draft.meta.fields.insert("StartTimeZone".to_owned(), start.xml("StartTimeZone"));
    let follows = draft.has_touched("StartTimeZone") && !draft.has_touched("EndTimeZone");
    if follows || !draft.meta.fields.contains_key("EndTimeZone") {
        draft.meta.fields.insert("EndTimeZone".to_owned(), start.xml("EndTimeZone"));
    }
}

fn times(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    let zone = zone_of(draft.meta);
    let now = draft.now - draft.now.rem_euclid(HALF_HOUR) + HALF_HOUR;
    let start = instant(draft, "Start", "StartTimeZone").unwrap_or(now);
    let end = instant(draft, "End", "EndTimeZone").unwrap_or(start + HALF_HOUR);
    if end < start {
        return Err(Refusal::new("ErrorCalendarEndDateIsEarlierThanStartDate"));
    }
    if end - start > LONGEST {
        return Err(Refusal::new("ErrorCalendarDurationIsTooLong"));
    }
    let (start, end) = match values::flag(&draft.meta.fields, "IsAllDayEvent") {
        true => whole_days(&zone, start, end),
        false => (start, end),
    };
    values::put_time(&mut draft.meta.fields, "Start", start);
    values::put_time(&mut draft.meta.fields, "End", end);
    Ok(())
}

/// A time that was told without an offset is one of its zone. One that was not told keeps its wall clock when the zone
/// changes.
fn instant(draft: &Draft<'_>, name: &str, zone_name: &str) -> Option<i64> {
    let zone = |meta: &Meta| values::element(&meta.fields, zone_name).and_then(|zone| Zone::read(&zone));
    let (text, new) = (values::text(&draft.meta.fields, name)?, zone(draft.meta).unwrap_or_else(Zone::utc));
    let at = new.parse(&text)?;
    match draft.before.and_then(zone).filter(|_| !draft.has_touched(name)) {
        Some(old) => Some(new.instant(old.wall(at))),
        None => Some(at),
    }
}

/// From midnight to midnight, at least one day.
fn whole_days(zone: &Zone, start: i64, end: i64) -> (i64, i64) {
    let first = zone.wall(start).date();
    let last = zone.wall(end);
    let midnight = last.time() == jiff::civil::Time::midnight();
    let after = if midnight { last.date() } else { last.date().tomorrow().unwrap_or(last.date()) };
    let after = if after > first { after } else { first.tomorrow().unwrap_or(first) };
    (zone.midnight(first), zone.midnight(after))
}

/// Moves a series to its first occurrence, and refuses one whose occurrences overlap.
fn recur(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    let Some(element) = values::element(&draft.meta.fields, "Recurrence") else {
        draft.meta.deleted.clear();
        return Ok(());
    };
    let mut recurrence = Recurrence::read(&element)?;
    let zone = zone_of(draft.meta);
    let wall = |name: &str| values::time(&draft.meta.fields, name).map(|at| zone.wall(at));
    let (Some(start), Some(end)) = (wall("Start"), wall("End")) else { return Ok(()) };
    let moved = recurrence.days().next().is_some_and(|first| first != start.date());
    let restarts = draft.has_touched("Start") && !draft.has_touched("Recurrence");
    if draft.stage == Stage::Update && restarts && moved {
        recurrence.start = start.date();
        if let End::On(last) = recurrence.end
            && last < recurrence.start
        {
            return Err(Refusal::new("ErrorRecurrenceHasNoOccurrence"));
        }
    }
    let first = recurrence.days().next().ok_or_else(|| Refusal::new("ErrorRecurrenceHasNoOccurrence"))?;
    let begins = DateTime::from_parts(first, start.time());
    let length = start.until(end).unwrap_or_default();
    let ends = begins.checked_add(length).unwrap_or(end);
    values::put_time(&mut draft.meta.fields, "Start", zone.instant(begins));
    values::put_time(&mut draft.meta.fields, "End", zone.instant(ends));
    draft.meta.fields.insert("Recurrence".to_owned(), recurrence.xml("", ""));
    let overlap = recurrence.days().zip(recurrence.days().skip(1)).take(60).any(|(one, next)| {
        let next = DateTime::from_parts(next, start.time());
        DateTime::from_parts(one, start.time()).checked_add(length).is_ok_and(|end| end > next)
    });
    if overlap {
        return Err(Refusal::new("ErrorOccurrenceTimeSpanTooBig"));
    }
    Ok(())
}

/// What a new appointment has without being told: a UID, and on Exchange a reminder.
fn begin(draft: &mut Draft<'_>) {
    if values::text(&draft.meta.fields, "UID").is_none() {
        let seed = format!("{}/{}/{:?}", draft.now, draft.subject, draft.meta.fields);
        values::put(&mut draft.meta.fields, "UID", &uid::new(draft.now, &seed));
    }
    if draft.like == Personality::Exchange && !draft.meta.fields.contains_key("ReminderIsSet") {
        values::put(&mut draft.meta.fields, "ReminderIsSet", "true");
    }
    values::put_time(&mut draft.meta.fields, "DateTimeStamp", draft.now);
}

/// Keeps a zone under its element's name.
pub(super) fn keep_zone(meta: &mut Meta, name: &str, value: &Element) -> Result<(), Refusal> {
    let unknown = || Refusal::new("ErrorCalendarInvalidTimeZone");
    match name {
        "MeetingTimeZone" => {
            let zone = Zone::read_old(value).ok_or_else(unknown)?;
            for name in ["StartTimeZone", "EndTimeZone"] {
                meta.fields.entry(name.to_owned()).or_insert_with(|| zone.xml(name));
            }
        }
        name => {
            let zone = Zone::read(value).ok_or_else(unknown)?;
            meta.fields.insert(name.to_owned(), zone.xml(name));
        }
    }
    Ok(())
}

/// Keeps a list of attendees: their answers are the server's to know.
pub(super) fn keep_attendees(meta: &mut Meta, name: &str, value: &Element) {
    let list = attendees::merged(meta, value);
    meta.fields.insert(name.to_owned(), list.to_xml());
}
