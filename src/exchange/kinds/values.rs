//! The values of an item that the server keeps as elements, and how they are made equal.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::super::xml::{self, Element, TYPES, XmlOut};
use super::super::zones::Zone;

/// Elements by name, as they are answered.
pub(in super::super) type Kept = BTreeMap<String, String>;

/// An element that is kept.
pub(in super::super) fn element(kept: &Kept, name: &str) -> Option<Element> {
    let bound = kept.get(name)?.replacen(&format!("<t:{name}"), &format!("<t:{name} xmlns:t=\"{TYPES}\""), 1);
    xml::parse(&bound).ok()
}

/// The text of an element that is kept; none when it is empty, too.
pub(in super::super) fn text(kept: &Kept, name: &str) -> Option<String> {
    element(kept, name).map(|element| element.text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The time that an element holds.
pub(in super::super) fn time(kept: &Kept, name: &str) -> Option<i64> {
    Zone::utc().parse(&text(kept, name)?)
}

/// Whether an element says true.
pub(in super::super) fn flag(kept: &Kept, name: &str) -> bool {
    text(kept, name).is_some_and(|text| matches!(text.as_str(), "true" | "1"))
}

/// Keeps an element that holds a text.
pub(in super::super) fn put(kept: &mut Kept, name: &str, text: &str) {
    let mut out = XmlOut::new();
    out.put(&format!("t:{name}"), text);
    kept.insert(name.to_owned(), out.buffer);
}

/// Keeps an element that holds a time, as UTC.
pub(in super::super) fn put_time(kept: &mut Kept, name: &str, millis: i64) {
    put(kept, name, &Zone::utc().iso(millis));
}

/// Keeps an element that holds a day: midnight of UTC.
pub(in super::super) fn put_day(kept: &mut Kept, name: &str, day: Date) {
    put(kept, name, &format!("{day}T00:00:00Z"));
}

/// The day that such an element holds.
pub(in super::super) fn day(kept: &Kept, name: &str) -> Option<Date> {
    time(kept, name).map(|millis| Zone::utc().wall(millis).date())
}
