//! A year of appointments: series with exceptions and deletions, whole days, meetings, other zones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;

use super::super::Error;
use super::super::kinds::values;
use super::super::ops::{Maker, nth_occurrence};
use super::super::store::{self, Change, Item, MailboxRow};
use super::compose::Random;
use super::put;
use super::words::{PEOPLE, TOPICS};

/// Subject, beginning and end on the wall of the zone, and elements that stand before the times, between them and the
/// recurrence, and the recurrence.
type Event = (&'static str, &'static str, &'static str, &'static str, &'static str);

const BUSY: &str = "<t:LegacyFreeBusyStatus>Busy</t:LegacyFreeBusyStatus>";
const ALL_DAY: &str = "<t:IsAllDayEvent>true</t:IsAllDayEvent><t:LegacyFreeBusyStatus>Free</t:LegacyFreeBusyStatus>";
const AWAY: &str = "<t:IsAllDayEvent>true</t:IsAllDayEvent><t:LegacyFreeBusyStatus>OOF</t:LegacyFreeBusyStatus>";

/// The zone that most of them are in.
const HOME: &str = "W. Europe Standard Time";

/// Appointments that take place once.
const SINGLE: &[Event] = &[
    ("Site meeting", "2026-11-10T10:00:00", "2026-11-10T11:00:00", "<t:Location>Quay 4</t:Location>", HOME),
    (
        "Dentist",
        "2026-11-12T15:30:00",
        "2026-11-12T16:00:00",
        "<t:LegacyFreeBusyStatus>OOF</t:LegacyFreeBusyStatus>",
        HOME,
    ),
    ("New Year's Day", "2026-01-01T00:00:00", "2026-01-02T00:00:00", ALL_DAY, HOME),
    ("Holiday in Brittany", "2026-08-03T00:00:00", "2026-08-15T00:00:00", AWAY, HOME),
    ("Trade fair", "2026-04-20T00:00:00", "2026-04-24T00:00:00", AWAY, HOME),
    (
        "Telephone: Hanako",
        "2026-03-11T17:00:00",
        "2026-03-11T17:45:00",
        "<t:LegacyFreeBusyStatus>Tentative</t:LegacyFreeBusyStatus>",
        "Tokyo Standard Time",
    ),
    ("Conference call", "2026-03-17T10:00:00", "2026-03-17T11:30:00", BUSY, "Eastern Standard Time"),
    (
        "Night train to Vienna",
        "2026-10-24T20:15:00",
        "2026-10-25T08:30:00",
        "<t:Location>Platform 12</t:Location>",
        HOME,
    ),
    ("Überfällig: Steuererklärung", "2026-05-29T09:00:00", "2026-05-29T12:00:00", BUSY, HOME),
];

/// Files that are attached: to what, their names, kinds and texts.
const FILES: &[(&str, &str, &str, &str)] = &[
    ("Site meeting", "Agenda.txt", "text/plain", "1. The crane\r\n2. Safety\r\n3. What else there is\r\n"),
    ("Night train to Vienna", "Reservation.html", "text/html", "<p>Carriage 265, berths 11 and 13</p>\r\n"),
    (
        "Team meeting",
        "Who takes the minutes.txt",
        "text/plain",
        "January: Ada. February: Hanako. Then by the alphabet.\r\n",
    ),
];

/// Series: the last is the pattern and the range.
const SERIES: &[Event] = &[
    (
        "Team meeting",
        "2026-01-05T09:00:00",
        "2026-01-05T10:00:00",
        "<t:Location>Room 1</t:Location>",
        "<t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday</t:DaysOfWeek>\
         <t:FirstDayOfWeek>Monday</t:FirstDayOfWeek></t:WeeklyRecurrence>\
         <t:NoEndRecurrence><t:StartDate>2026-01-05</t:StartDate></t:NoEndRecurrence>",
    ),
    (
        "Round of the site",
        "2026-01-08T13:30:00",
        "2026-01-08T15:00:00",
        "<t:Location>Gate B</t:Location>",
        "<t:WeeklyRecurrence><t:Interval>2</t:Interval><t:DaysOfWeek>Tuesday Thursday</t:DaysOfWeek>\
         <t:FirstDayOfWeek>Monday</t:FirstDayOfWeek></t:WeeklyRecurrence>\
         <t:EndDateRecurrence><t:StartDate>2026-01-08</t:StartDate><t:EndDate>2026-12-18</t:EndDate></t:EndDateRecurrence>",
    ),
    (
        "Monthly report",
        "2026-01-30T16:00:00",
        "2026-01-30T17:00:00",
        BUSY,
        "<t:RelativeMonthlyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Weekday</t:DaysOfWeek>\
         <t:DayOfWeekIndex>Last</t:DayOfWeekIndex></t:RelativeMonthlyRecurrence>\
         <t:NumberedRecurrence><t:StartDate>2026-01-01</t:StartDate><t:NumberOfOccurrences>12</t:NumberOfOccurrences>\
         </t:NumberedRecurrence>",
    ),
    (
        "Rent",
        "2026-01-31T00:00:00",
        "2026-02-01T00:00:00",
        ALL_DAY,
        "<t:AbsoluteMonthlyRecurrence><t:Interval>1</t:Interval><t:DayOfMonth>31</t:DayOfMonth></t:AbsoluteMonthlyRecurrence>\
         <t:NoEndRecurrence><t:StartDate>2026-01-31</t:StartDate></t:NoEndRecurrence>",
    ),
    (
        "Ada's birthday",
        "2015-12-10T00:00:00",
        "2015-12-11T00:00:00",
        ALL_DAY,
        "<t:AbsoluteYearlyRecurrence><t:DayOfMonth>10</t:DayOfMonth><t:Month>December</t:Month></t:AbsoluteYearlyRecurrence>\
         <t:NoEndRecurrence><t:StartDate>2015-12-10</t:StartDate></t:NoEndRecurrence>",
    ),
    (
        "Harbour festival",
        "2024-09-21T11:00:00",
        "2024-09-21T22:00:00",
        "<t:LegacyFreeBusyStatus>Free</t:LegacyFreeBusyStatus>",
        "<t:RelativeYearlyRecurrence><t:DaysOfWeek>Saturday</t:DaysOfWeek><t:DayOfWeekIndex>Third</t:DayOfWeekIndex>\
         <t:Month>September</t:Month></t:RelativeYearlyRecurrence>\
         <t:NoEndRecurrence><t:StartDate>2024-09-01</t:StartDate></t:NoEndRecurrence>",
    ),
    (
        "Physiotherapy",
        "2026-10-12T07:30:00",
        "2026-10-12T08:00:00",
        "<t:LegacyFreeBusyStatus>OOF</t:LegacyFreeBusyStatus>",
        "<t:DailyRecurrence><t:Interval>2</t:Interval></t:DailyRecurrence>\
         <t:NumberedRecurrence><t:StartDate>2026-10-12</t:StartDate><t:NumberOfOccurrences>14</t:NumberOfOccurrences>\
         </t:NumberedRecurrence>",
    ),
];

/// Occurrences that were deleted: of which series, and their numbers.
const DELETED: &[(&str, &[i64])] =
    &[("Team meeting", &[14, 21, 31, 32]), ("Round of the site", &[31, 32]), ("Physiotherapy", &[4])];

/// An occurrence that was changed: of which series, which one, and elements with their values.
type Changed = (&'static str, i64, &'static [(&'static str, &'static str)]);

const CHANGED: &[Changed] = &[
    ("Team meeting", 7, &[("Start", "2026-02-16T13:00:00Z"), ("End", "2026-02-16T14:30:00Z"), ("Location", "Room 4")]),
    ("Team meeting", 40, &[("Subject", "Team meeting with the ministry")]),
    ("Monthly report", 6, &[("Start", "2026-06-29T14:00:00Z"), ("End", "2026-06-29T15:00:00Z")]),
    ("Physiotherapy", 9, &[("Location", "Room 2, first floor")]),
];

/// How many small appointments there are besides.
const SMALL: u64 = 70;

/// The first Monday of the year, in days since 1970.
const FIRST_MONDAY: i64 = 20_458;

/// Puts them into a new mailbox.
pub(super) fn seed(db: &Connection, mailbox: &MailboxRow, maker: &Maker<'_>) -> Result<(), Error> {
    for (number, (subject, start, end, more, zone)) in SINGLE.iter().enumerate() {
        let xml = event(&format!("single-{number}"), subject, (start, end), ("", more, ""), zone);
        put(db, mailbox, maker, "calendar", &xml)?;
    }
    for (number, (subject, start, end, more, recurrence)) in SERIES.iter().enumerate() {
        let recurrence = format!("<t:Recurrence>{recurrence}</t:Recurrence>");
        let people = if *subject == "Team meeting" { attendees() } else { String::new() };
        let xml = event(&format!("series-{number}"), subject, (start, end), (&people, more, &recurrence), HOME);
        if let Some(series) = put(db, mailbox, maker, "calendar", &xml)? {
            change(db, series, subject)?;
        }
    }
    small(db, mailbox, maker)?;
    invited(db, mailbox, maker)
}

fn event(
    uid: &str,
    subject: &str,
    (start, end): (&str, &str),
    (people, more, rule): (&str, &str, &str),
    zone: &str,
) -> String {
    let files = attached(subject);
    format!(
        "<t:CalendarItem><t:Subject>{subject}</t:Subject>{files}<t:UID>{uid}@sample.example.org</t:UID><t:Start>{start}</t:Start>\
         <t:End>{end}</t:End>{more}{people}{rule}<t:StartTimeZone Id=\"{zone}\"/><t:EndTimeZone Id=\"{zone}\"/></t:CalendarItem>"
    )
}

fn attached(subject: &str) -> String {
    let file = |(_, name, kind, text): &(&str, &str, &str, &str)| {
        let content = STANDARD.encode(text);
        format!(
            "<t:FileAttachment><t:Name>{name}</t:Name><t:ContentType>{kind}</t:ContentType><t:Content>{content}</t:Content></t:FileAttachment>"
        )
    };
    let files: String = FILES.iter().filter(|(holder, ..)| *holder == subject).map(file).collect();
    if files.is_empty() { files } else { format!("<t:Attachments>{files}</t:Attachments>") }
}

fn attendees() -> String {
    let attendee = |(name, address): &(&str, &str)| {
        format!(
            "<t:Attendee><t:Mailbox><t:Name>{name}</t:Name><t:EmailAddress>{address}</t:EmailAddress></t:Mailbox></t:Attendee>"
        )
    };
    let list = |people: &[(&str, &str)]| people.iter().map(attendee).collect::<String>();
    let (required, optional) = PEOPLE.split_at(3);
    let optional = optional.get(..2).unwrap_or_default();
    format!(
        "<t:RequiredAttendees>{}</t:RequiredAttendees><t:OptionalAttendees>{}</t:OptionalAttendees>",
        list(required),
        list(optional)
    )
}

/// Deletes and changes occurrences of a series.
fn change(db: &Connection, mut series: Item, subject: &str) -> Result<(), Error> {
    for (_, numbers) in DELETED.iter().filter(|(name, _)| *name == subject) {
        series.meta.deleted.extend_from_slice(numbers);
    }
    store::save_item(db, &mut series, Change::Full, None)?;
    for (_, number, values) in CHANGED.iter().filter(|(name, ..)| *name == subject) {
        let Ok(mut one) = nth_occurrence(db, &series, *number) else { continue };
        for (name, value) in *values {
            one.meta.overrides.push((*name).to_owned());
            match *name {
                "Subject" => one.subject = (*value).to_owned(),
                name => values::put(&mut one.meta.fields, name, value),
            }
        }
        store::save_exception(db, &mut one, None)?;
    }
    Ok(())
}

/// Appointments of everyday life, on workdays.
fn small(db: &Connection, mailbox: &MailboxRow, maker: &Maker<'_>) -> Result<(), Error> {
    let mut random = Random::new(0xCA1E);
    for number in 0..SMALL {
        let day = |days: u64| i64::try_from(days).unwrap_or(0);
        let days = FIRST_MONDAY + day(random.below(50) * 7 + random.below(5));
        let minutes = 8 * 60 + day(random.below(18) * 30);
        let length = 30 + day(random.below(4) * 30);
        let at =
            |minutes: i64| super::super::time::iso((days * 1440 + minutes) * 60_000).trim_end_matches('Z').to_owned();
        let (name, _) = random.one(PEOPLE);
        let subject = match random.below(3) {
            0 => format!("{}: {}", random.one(TOPICS), name),
            1 => format!("Telephone {name}"),
            _ => (*random.one(TOPICS)).to_owned(),
        };
        let place =
            *random.one(&["", "<t:Location>Room 2</t:Location>", "<t:Location>Library, 1st floor</t:Location>"]);
        let xml =
            event(&format!("small-{number}"), &subject, (&at(minutes), &at(minutes + length)), ("", place, ""), HOME);
        put(db, mailbox, maker, "calendar", &xml)?;
    }
    Ok(())
}

/// Meetings to which others invited: the subject, who, the answer, and when.
const INVITED: &[(&str, usize, &str, &str, &str)] = &[
    ("Budget 2027", 2, "Accept", "2026-11-17T14:00:00", "2026-11-17T15:30:00"),
    ("Reading room: opening hours", 7, "Tentative", "2026-11-19T11:00:00", "2026-11-19T12:00:00"),
    ("Crane inspection", 3, "NoResponseReceived", "2026-11-24T08:00:00", "2026-11-24T09:00:00"),
];

fn invited(db: &Connection, mailbox: &MailboxRow, maker: &Maker<'_>) -> Result<(), Error> {
    for (number, (subject, who, answer, start, end)) in INVITED.iter().enumerate() {
        let xml = event(&format!("invited-{number}"), subject, (start, end), ("", BUSY, ""), HOME);
        let Some(mut item) = put(db, mailbox, maker, "calendar", &xml)? else { continue };
        let (name, address) = PEOPLE.get(*who).copied().unwrap_or_default();
        let fields = &mut item.meta.fields;
        values::put(fields, "MyResponseType", answer);
        values::put(fields, "AppointmentState", "3");
        let mailbox =
            format!("<t:Mailbox><t:Name>{name}</t:Name><t:EmailAddress>{address}</t:EmailAddress></t:Mailbox>");
        fields.insert("Organizer".to_owned(), format!("<t:Organizer>{mailbox}</t:Organizer>"));
        let own = format!(
            "<t:RequiredAttendees><t:Attendee>{mailbox}<t:ResponseType>Organizer</t:ResponseType></t:Attendee></t:RequiredAttendees>"
        );
        fields.insert("RequiredAttendees".to_owned(), own);
        store::save_item(db, &mut item, Change::Full, None)?;
    }
    Ok(())
}
