//! Properties that events and tasks have in common.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::super::content::{Component, Property, escape, unescape};
use crate::pim::{Importance, Text, UnixTime};

/// The text of the first property of that name.
pub(super) fn text(component: &Component, name: &str) -> Text {
    component.property(name).map(|property| Text::from(unescape(&property.value))).unwrap_or_default()
}

/// Writes text; empty text takes the property away.
pub(super) fn set_text(component: &mut Component, name: &str, text: &Text) {
    component.set(name, Some(escape(text.as_str())).as_deref().filter(|_| !text.is_empty()));
}

/// RFC 5545 §3.8.1.9 for three levels. The bounds are the numbers up to which a priority is high, and then normal.
pub(super) fn importance(component: &Component, bounds: [u8; 2]) -> Importance {
    let [high, normal] = bounds;
    match component.property("PRIORITY").and_then(|priority| priority.value.trim().parse::<u8>().ok()) {
        Some(0) | None => Importance::Normal,
        Some(number) if number <= high => Importance::High,
        Some(number) if number <= normal => Importance::Normal,
        Some(_) => Importance::Low,
    }
}

/// Writes the importance. A number that says the same level stays, since only what differs is written.
pub(super) fn set_importance(component: &mut Component, importance: Importance) {
    let number = match importance {
        Importance::High => "1",
        Importance::Low => "9",
        Importance::Normal if component.property("PRIORITY").is_none() => return,
        Importance::Normal => "5",
    };
    component.set("PRIORITY", Some(number));
}

/// A date or a date and time as written, with whether it is in UTC.
pub(super) fn civil(value: &str) -> Option<(Date, Option<(DateTime, bool)>)> {
    let value = value.trim();
    match value.split_once(['T', 't']) {
        None => Some((Date::strptime("%Y%m%d", value).ok()?, None)),
        Some((date, time)) => {
            let date = Date::strptime("%Y%m%d", date).ok()?;
            let clock = time.strip_suffix(['Z', 'z']);
            // A second that is inserted (60) does not exist in civil time.
            let digits = clock.unwrap_or(time).replacen("60", "59", usize::from(time.get(4..6) == Some("60")));
            let time = jiff::civil::Time::strptime("%H%M%S", digits).ok()?;
            Some((date, Some((date.to_datetime(time), clock.is_some()))))
        }
    }
}

/// The day of a property, as it is written there.
pub(super) fn day(component: &Component, name: &str) -> Option<Date> {
    civil(&component.property(name)?.value).map(|(date, _)| date)
}

/// Sets the day of a property. A time of day and a zone that stand there stay: the server does not know them.
pub(super) fn set_day(component: &mut Component, name: &str, day: Option<Date>) {
    let Some(day) = day else {
        return component.set(name, None);
    };
    let digits = day.strftime("%Y%m%d").to_string();
    component.rewrite(name, |mut old| {
        let fresh = || Property::new(name, digits.clone()).with("VALUE", "DATE");
        let first = if old.is_empty() { fresh() } else { old.remove(0) };
        let first = match civil(&first.value) {
            Some((_, Some(_))) => {
                let time = first.value.trim().get(8..).unwrap_or_default().to_owned();
                first.with_value(digits.clone() + &time)
            }
            Some((_, None)) => first.with_value(digits.clone()),
            None => fresh(),
        };
        old.insert(0, first);
        old
    });
}

/// An instant in UTC.
pub(super) fn instant(value: &str) -> Option<UnixTime> {
    let (_, time) = civil(value)?;
    let (time, _) = time.filter(|(_, is_utc)| *is_utc)?;
    Some(UnixTime(TimeZone::UTC.to_timestamp(time).ok()?.as_second()))
}

/// An instant as RFC 5545 §3.3.5 writes it in UTC; `None` outside of the years that it can write.
pub(super) fn write_instant(instant: UnixTime) -> Option<String> {
    let time = Timestamp::from_second(instant.0).ok()?.to_zoned(TimeZone::UTC);
    (0..=9999).contains(&time.year()).then(|| time.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// The instant of the first alarm that has one (RFC 5545 §3.8.6.3).
pub(super) fn absolute_alarm(component: &Component) -> Option<UnixTime> {
    component.components("VALARM").find_map(absolute_trigger)
}

fn absolute_trigger(alarm: &Component) -> Option<UnixTime> {
    instant(&alarm.property("TRIGGER")?.value)
}

/// Sets the first alarm that has an instant; other alarms stay as they are.
pub(super) fn set_absolute_alarm(component: &mut Component, at: Option<UnixTime>) {
    let Some(at) = at.and_then(write_instant) else {
        return component.retain_components(|inner| inner.name() != "VALARM" || absolute_trigger(inner).is_none());
    };
    if let Some(alarm) = component.components_mut("VALARM").find(|alarm| absolute_trigger(alarm).is_some()) {
        return alarm.set("TRIGGER", Some(&at));
    }
    let mut alarm = Component::new("VALARM");
    alarm.set("ACTION", Some("DISPLAY"));
    alarm.set("DESCRIPTION", Some("Reminder"));
    alarm.push(&Property::new("TRIGGER", at).with("VALUE", "DATE-TIME"));
    component.push_component(alarm);
}
