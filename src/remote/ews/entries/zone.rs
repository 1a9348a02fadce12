//! Zones that the server tells by their rules (MS-OXWSGTZ `TimeZoneDefinitionType`): those of invitations from other programs have no name that
//! means anything. The rules are written as a VTIMEZONE, and the zone that has the same ones is it.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time, Weekday};

use super::super::xml::Element;
use super::recurrence::{WEEKDAYS, look_up};
use crate::format::content::Component;

/// When each year an offset begins, and which one.
struct Onset {
    month: i8,
    /// 1 to 4, or −1 for the last one.
    number: i8,
    day: Weekday,
    time: Time,
    offset: SignedDuration,
}

/// The rules that hold on that day as a VTIMEZONE; `None` where there are none, or none that are understood.
pub(super) fn definition(zone: &Element, around: Date) -> Option<Component> {
    let group = group_of(zone, around)?;
    let mut definition = Component::new("VTIMEZONE");
    let transitions = &group.children;
    if transitions.iter().all(|transition| &*transition.name == "Transition") {
        let offset = offset_of(zone, transitions.last()?)?;
        definition.push_component(observance("STANDARD", Date::constant(1970, 1, 1).at(0, 0, 0, 0), offset, offset)?);
        return Some(definition);
    }
    let mut onsets: Vec<Onset> = transitions.iter().map(|transition| onset(zone, transition)).collect::<Option<_>>()?;
    onsets.sort_by_key(|onset| onset.month);
    let standard = onsets.iter().map(|onset| onset.offset).min()?;
    for (at, onset) in onsets.iter().enumerate() {
        let before = onsets.get(at.checked_sub(1).unwrap_or(onsets.len() - 1))?;
        let name = if onset.offset == standard { "STANDARD" } else { "DAYLIGHT" };
        let first = Date::new(1970, onset.month, 1).ok()?.nth_weekday_of_month(onset.number, onset.day).ok()?;
        let mut part = observance(name, first.to_datetime(onset.time), before.offset, onset.offset)?;
        let (_, code) = CODES.iter().find(|row| row.0 == onset.day)?;
        part.set("RRULE", Some(&format!("FREQ=YEARLY;BYMONTH={};BYDAY={}{code}", onset.month, onset.number)));
        definition.push_component(part);
    }
    Some(definition)
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

/// The group of rules that holds on that day: the last one that began before.
fn group_of(zone: &Element, around: Date) -> Option<&Element> {
    let begun = zone.children_of("Transitions").filter(|transition| {
        let begins = transition.value("DateTime").and_then(|begins| begins.get(..10)?.parse::<Date>().ok());
        begins.is_none_or(|begins| begins <= around)
    });
    let id = begun.last().and_then(|transition| transition.value("To"));
    let mut groups = zone.children_of("TransitionsGroups");
    groups.find(|group| id.is_none() || group.attribute("Id") == id)
}

/// The offset of the period that a transition leads to. A bias is what is to be added for UTC.
fn offset_of(zone: &Element, transition: &Element) -> Option<SignedDuration> {
    let id = transition.value("To")?;
    let period = zone.children_of("Periods").find(|period| period.attribute("Id") == Some(id))?;
    let bias: SignedDuration = period.attribute("Bias")?.parse().ok()?;
    bias.checked_neg()
}

fn onset(zone: &Element, transition: &Element) -> Option<Onset> {
    if &*transition.name != "RecurringDayTransition" {
        return None;
    }
    let time: SignedDuration = transition.value("TimeOffset")?.parse().ok()?;
    let number = match transition.value("Occurrence")?.parse().ok()? {
        number @ (1..=4 | -1) => number,
        5 => -1,
        _ => return None,
    };
    Some(Onset {
        month: transition.value("Month")?.parse().ok().filter(|month| (1..=12).contains(month))?,
        number,
        day: look_up(&WEEKDAYS, transition.value("DayOfWeek")?)?,
        time: Time::midnight().checked_add(time).ok()?,
        offset: offset_of(zone, transition)?,
    })
}

fn observance(name: &str, start: DateTime, before: SignedDuration, after: SignedDuration) -> Option<Component> {
    let mut part = Component::new(name);
    part.set("DTSTART", Some(&start.strftime("%Y%m%dT%H%M%S").to_string()));
    part.set("TZOFFSETFROM", Some(&write_offset(before)?));
    part.set("TZOFFSETTO", Some(&write_offset(after)?));
    Some(part)
}

fn write_offset(offset: SignedDuration) -> Option<String> {
    let minutes = offset.as_mins();
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    (minutes < 24 * 60).then(|| format!("{sign}{:02}{:02}", minutes / 60, minutes % 60))
}
