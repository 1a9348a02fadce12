//! Rules of RFC 5545 §3.3.10 and recurrences of Exchange, into one another where they say exactly the same.

mod read;

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

use crate::pim::recurrence::{End, Pattern, Recurrence, RelativeDays, Weekdays};

pub use read::read;

/// The last day of a series on the server (EndDateRecurrence).
const LAST_DAY: Date = Date::constant(4500, 9, 1);

/// When the first occurrence starts: it tells how UNTIL is written (RFC 5545 §3.3.10: as a day, in local time, or in UTC).
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// On a day.
    Day(Date),
    /// At that time, wherever one is.
    Floating(DateTime),
    /// At that time in a zone; UTC is one.
    Zoned(DateTime, TimeZone),
}

impl Start {
    /// Its day.
    pub fn date(&self) -> Date {
        match self {
            Self::Day(date) => *date,
            Self::Floating(start) | Self::Zoned(start, _) => start.date(),
        }
    }
}

/// The rule that says the same. DTSTART has to be the first occurrence.
pub fn write(recurrence: &Recurrence, start: &Start) -> String {
    let (frequency, interval, rest) = match recurrence.pattern {
        Pattern::Daily { interval } => ("DAILY", interval.get(), String::new()),
        Pattern::Weekly { interval, days, first_day } => {
            let week = if first_day == Weekday::Monday { String::new() } else { format!(";WKST={}", code(first_day)) };
            ("WEEKLY", interval.get(), format!(";BYDAY={}{week}", codes(days)))
        }
        Pattern::AbsoluteMonthly { interval, day } => ("MONTHLY", interval.get(), month_day(day.get())),
        Pattern::RelativeMonthly { interval, index, days } => {
            ("MONTHLY", interval.get(), relative(index.number(), days))
        }
        // Only the 29th of February is missing in some years.
        Pattern::AbsoluteYearly { month, day } if day.get() == 29 && month.get() == 2 => {
            ("YEARLY", 1, ";BYMONTH=2;BYMONTHDAY=-1".to_owned())
        }
        Pattern::AbsoluteYearly { month, day } => {
            ("YEARLY", 1, format!(";BYMONTH={};BYMONTHDAY={}", month.get(), day.get()))
        }
        Pattern::RelativeYearly { month, index, days } => {
            ("YEARLY", 1, format!(";BYMONTH={}{}", month.get(), relative(index.number(), days)))
        }
    };
    let mut rule = format!("FREQ={frequency}");
    if interval > 1 {
        let _ = write!(rule, ";INTERVAL={interval}");
    }
    rule + &rest + &end(recurrence.end, start)
}

/// Exchange clamps, RFC 5545 passes over: the last of the days up to the one that is meant says the same.
fn month_day(day: u16) -> String {
    match day {
        31 => ";BYMONTHDAY=-1".to_owned(),
        30 => ";BYMONTHDAY=28,29,30;BYSETPOS=-1".to_owned(),
        29 => ";BYMONTHDAY=28,29;BYSETPOS=-1".to_owned(),
        day => format!(";BYMONTHDAY={day}"),
    }
}

fn relative(number: i8, days: RelativeDays) -> String {
    match days {
        RelativeDays::One(day) => format!(";BYDAY={number}{}", code(day)),
        days => format!(";BYDAY={};BYSETPOS={number}", codes(days.weekdays())),
    }
}

fn end(end: End, start: &Start) -> String {
    match (end, start) {
        (End::Never, _) => String::new(),
        (End::After(count), _) => format!(";COUNT={}", count.get()),
        (End::On(last), Start::Day(_)) => format!(";UNTIL={}", last.strftime("%Y%m%d")),
        (End::On(last), Start::Floating(start)) => {
            format!(";UNTIL={}", last.to_datetime(start.time()).strftime("%Y%m%dT%H%M%S"))
        }
        // The last start that can be, since a day is meant.
        (End::On(last), Start::Zoned(start, zone)) => {
            let until = zone.to_ambiguous_zoned(last.to_datetime(start.time())).compatible();
            let until =
                until.map_or(last.to_datetime(start.time()), |until| until.with_time_zone(TimeZone::UTC).datetime());
            format!(";UNTIL={}", until.strftime("%Y%m%dT%H%M%SZ"))
        }
    }
}

const CODES: [(Weekday, &str); 7] = [
    (Weekday::Monday, "MO"),
    (Weekday::Tuesday, "TU"),
    (Weekday::Wednesday, "WE"),
    (Weekday::Thursday, "TH"),
    (Weekday::Friday, "FR"),
    (Weekday::Saturday, "SA"),
    (Weekday::Sunday, "SU"),
];

pub(in crate::format) fn code(day: Weekday) -> &'static str {
    CODES.iter().find(|row| row.0 == day).map_or("", |row| row.1)
}

fn codes(days: Weekdays) -> String {
    days.iter().map(code).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
pub(crate) mod tests;
