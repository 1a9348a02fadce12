//! When an event is: DTSTART, DTEND, DURATION, and the zones that they name.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::super::super::content::{Component, Document, Property};
use super::super::super::timezone::{self, Zone, ZoneError};
use super::super::{CalendarError, parts};
use super::EventError;
use crate::pim::Text;
use crate::pim::event::{At, Event, When, ZoneName};

/// The VTIMEZONEs of a file.
pub(super) struct Zones(Vec<(Text, Component)>);

impl Zones {
    pub(super) fn of(document: &Document) -> Self {
        document.components("VCALENDAR").next().map_or(Self(Vec::new()), Self::in_calendar)
    }

    pub(super) fn in_calendar(calendar: &Component) -> Self {
        let named = |zone: &Component| (parts::text(zone, "TZID"), zone.clone());
        Self(calendar.components("VTIMEZONE").map(named).collect())
    }

    fn resolve(&self, tzid: &str, around: Date) -> Result<Zone, ZoneError> {
        let definition = self.0.iter().find(|(name, _)| name.as_str() == tzid).map(|(_, definition)| definition);
        timezone::resolve(tzid, definition, around)
    }
}

/// A date, or a date and time, as a property has it.
pub(super) enum Moment {
    Day(Date),
    Floating(DateTime),
    Zoned(At),
}

impl Moment {
    pub(super) fn read(property: &Property, value: &str, zones: &Zones) -> Result<Self, EventError> {
        let odd = || odd(property);
        // Written without the quotation marks that its colon asks for (RFC 5545 §3.2), so that a part of the name is before the value.
        let (value, whole) = match property.parameter("TZID").filter(|tzid| tzid.eq_ignore_ascii_case("tzone")) {
            Some(scheme) if value.starts_with("//") => {
                let (rest, value) = value.rsplit_once(':').ok_or_else(odd)?;
                (value, Some(format!("{scheme}:{rest}")))
            }
            _ => (value, None),
        };
        let (date, time) = parts::civil(value).ok_or_else(odd)?;
        let Some((time, is_utc)) = time else {
            return Ok(Self::Day(date));
        };
        if property.parameter("VALUE").is_some_and(|value| value.eq_ignore_ascii_case("DATE")) {
            return Ok(Self::Day(date));
        }
        match whole.as_deref().or(property.parameter("TZID")) {
            _ if is_utc => Ok(Self::Zoned(At { time, zone: ZoneName::Utc })),
            None => Ok(Self::Floating(time)),
            Some(tzid) => {
                let zone = zones.resolve(tzid, date)?;
                Ok(Self::Zoned(At { time, zone: ZoneName::Named { tzid: tzid.into(), iana: Text::new(&zone.iana) } }))
            }
        }
    }
}

pub(super) fn odd(property: &Property) -> EventError {
    let known = ["DTSTART", "DTEND", "DURATION", "RECURRENCE-ID", "EXDATE"];
    let name = known.into_iter().find(|name| property.name.eq_ignore_ascii_case(name)).unwrap_or("a date");
    EventError::Calendar(CalendarError::Value { property: name, value: property.value.chars().take(60).collect() })
}

/// The rules of a zone.
pub(super) fn rules(zone: &ZoneName) -> Result<TimeZone, ZoneError> {
    match zone {
        ZoneName::Utc => Ok(TimeZone::UTC),
        ZoneName::Named { iana, .. } => Ok(timezone::resolve(iana.as_str(), None, Date::constant(2026, 1, 1))?.rules),
    }
}

pub(super) fn read(event: &Component, zones: &Zones) -> Result<When, EventError> {
    let missing = || EventError::Calendar(CalendarError::NoStart);
    let start = event.property("DTSTART").ok_or_else(missing)?;
    let end = event.property("DTEND");
    let duration = event.property("DURATION");
    let end_moment = end.as_ref().map(|end| Moment::read(end, &end.value, zones)).transpose()?;
    let length =
        duration.as_ref().map(|duration| read_duration(&duration.value).ok_or_else(|| odd(duration))).transpose()?;
    let backwards = || end.as_ref().or(duration.as_ref()).map_or_else(missing, odd);
    match Moment::read(&start, &start.value, zones)? {
        Moment::Day(first) => {
            let end = match end_moment {
                Some(Moment::Day(end)) => Some(end),
                Some(Moment::Floating(end) | Moment::Zoned(At { time: end, .. })) => Some(end.date()),
                // A length beyond all calendars counts as none.
                None => length
                    .and_then(|length| jiff::Span::new().try_days(length.as_hours() / 24).ok())
                    .and_then(|days| first.checked_add(days).ok()),
            };
            // RFC 5545 §3.6.1: one day where nothing else is said, and programs that write the first day as the end mean that, too.
            let next = first.tomorrow().map_err(|_| odd(&start))?;
            let end = end.filter(|end| *end != first).unwrap_or(next);
            if end > first { Ok(When::AllDay { first, end }) } else { Err(backwards()) }
        }
        Moment::Floating(start) => {
            let end = match end_moment {
                Some(Moment::Floating(end) | Moment::Zoned(At { time: end, .. })) => end,
                Some(Moment::Day(end)) => end.to_datetime(jiff::civil::Time::midnight()),
                None => start.checked_add(length.unwrap_or_default()).map_err(|_| backwards())?,
            };
            if end >= start { Ok(When::Floating { start, end }) } else { Err(backwards()) }
        }
        Moment::Zoned(start) => {
            let end = match end_moment {
                Some(Moment::Zoned(end)) => end,
                Some(Moment::Floating(time)) => At { time, zone: start.zone.clone() },
                Some(Moment::Day(day)) => {
                    At { time: day.to_datetime(jiff::civil::Time::midnight()), zone: start.zone.clone() }
                }
                None => after(&start, length.unwrap_or_default()).ok_or_else(backwards)?,
            };
            let (from, until) = (instant(&start)?, instant(&end)?);
            if from <= until { Ok(When::Zoned { start, end }) } else { Err(backwards()) }
        }
    }
}

/// The instant of a time somewhere; one that a clock skips is as much later as it skips.
pub(super) fn instant(at: &At) -> Result<jiff::Timestamp, EventError> {
    let zoned = rules(&at.zone)?.to_ambiguous_zoned(at.time).compatible();
    let odd = || CalendarError::Value { property: "DTSTART", value: at.time.to_string() };
    Ok(zoned.map_err(|_| odd())?.timestamp())
}

/// Says times that a clock skips as what it shows then: the server tells them so.
pub(super) fn settle(when: &mut When) -> Result<(), EventError> {
    if let When::Zoned { start, end } = when {
        for at in [start, end] {
            at.time = shown(at)?;
        }
    }
    Ok(())
}

/// Refuses a series whose first occurrence is at a time that a clock skips: by its instant, all others would be as much later.
pub(super) fn check_first(when: &When) -> Result<(), EventError> {
    let When::Zoned { start, end } = when else { return Ok(()) };
    for at in [start, end] {
        if shown(at)? != at.time {
            return Err(EventError::Skipped(at.time));
        }
    }
    Ok(())
}

/// What the clock shows at a time.
fn shown(at: &At) -> Result<DateTime, EventError> {
    Ok(rules(&at.zone)?.to_datetime(instant(at)?))
}

fn after(start: &At, length: SignedDuration) -> Option<At> {
    let end = instant(start).ok()?.checked_add(length).ok()?;
    Some(At { time: rules(&start.zone).ok()?.to_datetime(end), zone: start.zone.clone() })
}

/// RFC 5545 §3.3.6: `P1D`, `PT1H30M`, `-PT15M`, `P2W`. Days are 24 hours here.
pub(super) fn read_duration(value: &str) -> Option<SignedDuration> {
    let value = value.trim();
    let (sign, rest) = match value.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, value.strip_prefix('+').unwrap_or(value)),
    };
    let mut seconds: i64 = 0;
    let mut number = String::new();
    for character in rest.strip_prefix('P')?.chars() {
        let unit = match character {
            '0'..='9' if number.len() < 9 => {
                number.push(character);
                continue;
            }
            'T' if number.is_empty() => continue,
            'W' => 7 * 86_400,
            'D' => 86_400,
            'H' => 3600,
            'M' => 60,
            'S' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.parse::<i64>().ok()? * unit)?;
        number.clear();
    }
    number.is_empty().then(|| SignedDuration::from_secs(sign * seconds))
}

/// Writes the start and the end. A duration becomes an end.
pub(super) fn write(event: &mut Component, when: &When) {
    let (start, end) = match when {
        When::AllDay { first, end } => (Moment::Day(*first), Moment::Day(*end)),
        When::Floating { start, end } => (Moment::Floating(*start), Moment::Floating(*end)),
        When::Zoned { start, end } => (Moment::Zoned(start.clone()), Moment::Zoned(end.clone())),
    };
    event.set("DURATION", None);
    set_moment(event, "DTSTART", &start);
    set_moment(event, "DTEND", &end);
}

/// Sets a property to a moment; parameters that do not tell which kind it is stay.
pub(super) fn set_moment(event: &mut Component, name: &str, moment: &Moment) {
    event.rewrite(name, |mut old| {
        old.truncate(1);
        vec![with_moment(old.pop().unwrap_or_else(|| Property::new(name, "")), moment)]
    });
}

pub(super) fn with_moment(mut property: Property, moment: &Moment) -> Property {
    let (value, kind, tzid) = match moment {
        Moment::Day(day) => (day.strftime("%Y%m%d").to_string(), Some("DATE"), None),
        Moment::Floating(time) => (time.strftime("%Y%m%dT%H%M%S").to_string(), None, None),
        Moment::Zoned(At { time, zone: ZoneName::Utc }) => (time.strftime("%Y%m%dT%H%M%SZ").to_string(), None, None),
        Moment::Zoned(At { time, zone: ZoneName::Named { tzid, .. } }) => {
            (time.strftime("%Y%m%dT%H%M%S").to_string(), None, Some(tzid.as_str()))
        }
    };
    property.set_parameter("VALUE", kind);
    property.set_parameter("TZID", tzid);
    property.with_value(value)
}

/// Adds a VTIMEZONE for each zone that has none and that the event was not in before: who wrote the file did without.
pub(super) fn define_zones(calendar: &mut Component, before: &Event, event: &Event) -> Result<(), EventError> {
    let mut known: BTreeSet<Text> = calendar.components("VTIMEZONE").map(|zone| parts::text(zone, "TZID")).collect();
    known.extend(named(before).map(|(tzid, _)| tzid.clone()));
    for (tzid, at) in named(event) {
        if known.insert(tzid.clone()) {
            let definition = timezone::define(tzid.as_str(), &rules(&at.zone)?, at.time.date());
            calendar.insert_component(definition, "VEVENT");
        }
    }
    Ok(())
}

/// The zones that an event names.
fn named(event: &Event) -> impl Iterator<Item = (&Text, &At)> {
    let all = std::iter::once(&event.details).chain(event.overrides.values());
    let times = all.flat_map(|details| match &details.when {
        When::Zoned { start, end } => vec![start, end],
        When::AllDay { .. } | When::Floating { .. } => Vec::new(),
    });
    times.filter_map(|at| match &at.zone {
        ZoneName::Named { tzid, .. } => Some((tzid, at)),
        ZoneName::Utc => None,
    })
}
