//! How an event repeats: RRULE, EXDATE, RECURRENCE-ID.
//!
//! Exceptions are told by the start that an occurrence would have had; here they are told by its day where the series is.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::super::super::content::{Component, Property};
use super::super::rule::{self, Start};
use super::EventError;
use super::time::{Moment, Zones, instant, odd, rules, set_moment, with_moment};
use crate::pim::event::{At, Event, When};
use crate::pim::recurrence::{Inexpressible, Recurrence};

/// The days of a series and how a start on one of them is written.
pub(super) struct Days {
    when: When,
    recurrence: Option<Recurrence>,
}

pub(super) fn start(when: &When) -> Result<Start, EventError> {
    Ok(match when {
        When::AllDay { first, .. } => Start::Day(*first),
        When::Floating { start, .. } => Start::Floating(*start),
        When::Zoned { start, .. } => Start::Zoned(start.time, rules(&start.zone)?),
    })
}

pub(super) fn recurrence(master: &Component, when: &When) -> Result<Option<Recurrence>, EventError> {
    for name in ["RDATE", "EXRULE"] {
        if master.property(name).is_some() {
            return Err(Inexpressible::Property(name).into());
        }
    }
    let mut rules = master.properties("RRULE");
    let Some(first) = rules.next() else {
        return Ok(None);
    };
    if rules.next().is_some() {
        return Err(Inexpressible::Property("a second RRULE").into());
    }
    Ok(Some(rule::read(&first.value, &start(when)?)?))
}

/// Writes the rule. One that says the same stays as it is written.
pub(super) fn set_recurrence(master: &mut Component, event: &Event, before: &Event) {
    let Some(recurrence) = &event.recurrence else {
        return master.set("RRULE", None);
    };
    let Ok(start) = start(&event.details.when) else {
        return;
    };
    let is_said =
        master.property("RRULE").is_some_and(|rule| rule::read(&rule.value, &start).as_ref() == Ok(recurrence));
    if !is_said || before.recurrence.is_none() {
        master.set("RRULE", Some(&rule::write(recurrence, &start)));
    }
}

impl Days {
    pub(super) fn of(event: &Event) -> Self {
        Self { when: event.details.when.clone(), recurrence: event.recurrence.clone() }
    }

    /// The start of the occurrence on that day.
    fn moment(&self, day: Date) -> Moment {
        match &self.when {
            When::AllDay { .. } => Moment::Day(day),
            When::Floating { start, .. } => Moment::Floating(day.to_datetime(start.time())),
            When::Zoned { start, .. } => {
                Moment::Zoned(At { time: day.to_datetime(start.time.time()), zone: start.zone.clone() })
            }
        }
    }

    /// The day whose occurrence starts at that moment; `None` where it is no moment at which one would start.
    ///
    /// A day alone means its occurrence, as many programs write it for series with times; and one that a clock skips starts later.
    fn day_of(&self, moment: &Moment) -> Result<Option<Date>, EventError> {
        let day = match (&self.when, moment) {
            (_, Moment::Day(day)) => *day,
            (When::AllDay { .. }, Moment::Floating(time) | Moment::Zoned(At { time, .. })) => time.date(),
            (When::Floating { start, .. }, Moment::Floating(time) | Moment::Zoned(At { time, .. })) => {
                return Ok(Some(time.date()).filter(|_| time.time() == start.time()));
            }
            (When::Zoned { start, .. }, Moment::Floating(time)) => {
                return Ok(Some(time.date()).filter(|_| time.time() == start.time.time()));
            }
            (When::Zoned { start, .. }, Moment::Zoned(at)) => {
                let zone = rules(&start.zone)?;
                let found = instant(at)?;
                let day = zone.to_datetime(found).date();
                return Ok(Some(day).filter(|day| starts_at(&zone, day.to_datetime(start.time.time())) == Some(found)));
            }
        };
        Ok(Some(day))
    }

    fn has(&self, day: Date) -> bool {
        self.recurrence.as_ref().is_some_and(|recurrence| recurrence.has(day))
    }

    /// Writes which occurrence an override is for.
    pub(super) fn write_original(&self, component: &mut Component, day: Date) {
        set_moment(component, "RECURRENCE-ID", &self.moment(day));
    }

    /// Writes which occurrences are deleted. Lines that say what is still true stay, and so does what no occurrence is.
    pub(super) fn write_deleted(
        &self,
        master: &mut Component,
        deleted: &BTreeSet<Date>,
        before: &Self,
        zones: &Zones,
        moved: bool,
    ) {
        master.rewrite("EXDATE", |old| {
            let mut left = deleted.clone();
            let mut lines = Vec::new();
            for line in old {
                let mut kept = Vec::new();
                for value in line.value.split(',') {
                    let day =
                        Moment::read(&line, value, zones).ok().and_then(|moment| before.day_of(&moment).ok().flatten());
                    match day {
                        Some(day) if !moved && deleted.contains(&day) => {
                            left.remove(&day);
                            kept.push(value);
                        }
                        Some(day) if before.has(day) || self.has(day) => {}
                        _ if moved => {}
                        _ => kept.push(value),
                    }
                }
                let value = kept.join(",");
                if !kept.is_empty() {
                    lines.push(line.with_value(value));
                }
            }
            lines.extend(left.into_iter().map(|day| with_moment(Property::new("EXDATE", ""), &self.moment(day))));
            lines
        });
    }
}

fn starts_at(zone: &TimeZone, time: DateTime) -> Option<jiff::Timestamp> {
    zone.to_ambiguous_zoned(time).compatible().ok().map(|start| start.timestamp())
}

/// The days whose occurrence is deleted. What is no occurrence deletes nothing, and is no error: programs leave such lines behind.
pub(super) fn deleted(master: &Component, days: &Days, zones: &Zones) -> Result<BTreeSet<Date>, EventError> {
    let mut deleted = BTreeSet::new();
    for line in master.properties("EXDATE") {
        for value in line.value.split(',').filter(|value| !value.trim().is_empty()) {
            deleted.extend(days.day_of(&Moment::read(&line, value, zones)?)?);
        }
    }
    deleted.retain(|day| days.has(*day));
    Ok(deleted)
}

/// The day of the occurrence that an override is for.
pub(super) fn original_day(component: &Component, days: &Days, zones: &Zones) -> Result<Date, EventError> {
    let Some(id) = component.property("RECURRENCE-ID") else {
        return Err(EventError::NoSeries);
    };
    if id.parameter("RANGE").is_some() {
        return Err(Inexpressible::Property("RECURRENCE-ID;RANGE").into());
    }
    let moment = Moment::read(&id, &id.value, zones)?;
    let day = match &moment {
        Moment::Day(day) => *day,
        Moment::Floating(time) | Moment::Zoned(At { time, .. }) => time.date(),
    };
    match days.day_of(&moment)? {
        Some(day) if days.has(day) => Ok(day),
        Some(_) | None if days.recurrence.is_none() => Err(odd(&id)),
        Some(_) | None => Err(Inexpressible::OverrideOffPattern(day).into()),
    }
}
