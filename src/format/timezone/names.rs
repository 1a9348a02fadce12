//! The names that programs give zones.

use jiff::civil::date;
use jiff::tz::{Offset, TimeZone};

use super::{database, iana, table};

/// What Windows shows for zones that it does not name after cities, in English, without the offset before it.
const DISPLAYED: [(&str, &str); 24] = [
    ("Alaska", "Alaskan Standard Time"),
    ("Aleutian Islands", "Aleutian Standard Time"),
    ("Arizona", "US Mountain Standard Time"),
    ("Atlantic Time (Canada)", "Atlantic Standard Time"),
    ("Central America", "Central America Standard Time"),
    ("Central Time (US & Canada)", "Central Standard Time"),
    ("Coordinated Universal Time", "UTC"),
    ("Easter Island", "Easter Island Standard Time"),
    ("Eastern Time (US & Canada)", "Eastern Standard Time"),
    ("Baja California", "Pacific Standard Time (Mexico)"),
    ("Greenland", "Greenland Standard Time"),
    ("Greenwich Mean Time", "GMT Standard Time"),
    ("Hawaii", "Hawaiian Standard Time"),
    ("Indiana (East)", "US Eastern Standard Time"),
    ("International Date Line West", "Dateline Standard Time"),
    ("Kiritimati Island", "Line Islands Standard Time"),
    ("Mid-Atlantic", "UTC-02"),
    ("Mountain Time (US & Canada)", "Mountain Standard Time"),
    ("Newfoundland", "Newfoundland Standard Time"),
    ("Pacific Time (US & Canada)", "Pacific Standard Time"),
    ("Samoa", "Samoa Standard Time"),
    ("Saskatchewan", "Canada Central Standard Time"),
    ("West Central Africa", "W. Central Africa Standard Time"),
    ("Yukon", "Yukon Standard Time"),
];

/// Names of UTC besides those of IANA and Windows. The first one is what Exchange answers for it.
const UTC: [&str; 3] = ["tzone://Microsoft/Utc", "Z", "(UTC) Coordinated Universal Time"];

/// The zone that a name means by itself, with its name in the IANA database.
pub(super) fn zone(name: &str) -> Option<(&str, TimeZone)> {
    let name = name.trim().trim_matches('"');
    if UTC.iter().any(|utc| utc.eq_ignore_ascii_case(name)) {
        return Some(("Etc/UTC", TimeZone::UTC));
    }
    let known = |name| Some((name, database(name)?));
    known(name).or_else(|| known(iana(name)?)).or_else(|| tail(name)).or_else(|| known(displayed(name)?))
}

/// A name of IANA behind a prefix, such as `/freeassociation.sourceforge.net/Europe/Berlin` or `/mozilla.org/20050126_1/Europe/Berlin`.
fn tail(name: &str) -> Option<(&str, TimeZone)> {
    const LONGEST: usize = 200;
    if name.len() > LONGEST || !name.starts_with('/') {
        return None;
    }
    let tails = name.match_indices('/').filter_map(|(at, _)| name.get(at + 1..));
    tails.filter(|tail| tail.contains('/')).find_map(|tail| Some((tail, database(tail)?)))
}

/// What Windows shows: `(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna`.
///
/// The cities that the IANA database has must be in one zone of Windows, and that one must have the offset.
fn displayed(name: &str) -> Option<&'static str> {
    let (offset, places) = match name.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((offset, places)) => (Some(read_offset(offset)?), places.trim()),
        None => (None, name),
    };
    if let Some(row) = DISPLAYED.iter().find(|row| row.0.eq_ignore_ascii_case(places)) {
        return iana(row.1);
    }
    let offset = offset?;
    let places = places.split([',', '/', '&', ';']).map(|place| place.trim().replace(' ', "_"));
    let mut found: Vec<&str> = places.filter_map(|place| zone_of_city(&place)).collect();
    found.dedup();
    match found.as_slice() {
        [windows] => iana(windows).filter(|zone| database(zone).is_some_and(|rules| standard_offset(&rules) == offset)),
        _ => None,
    }
}

fn zone_of_city(city: &str) -> Option<&'static str> {
    let is_it = |row: &&(&str, &str)| row.0.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(city));
    table::IANA.iter().find(is_it).map(|row| row.1)
}

/// `UTC+01:00`, `GMT-03.30`, `UTC`.
fn read_offset(text: &str) -> Option<Offset> {
    let rest = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT"))?.trim();
    if rest.is_empty() {
        return Some(Offset::UTC);
    }
    let (sign, rest) = match rest.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-" | "\u{2212}", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once([':', '.']).unwrap_or((rest, "0"));
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..=25).contains(&hours) || !(0..60).contains(&minutes) {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// The lesser offset of a year is the one without daylight time.
fn standard_offset(rules: &TimeZone) -> Offset {
    let offset = |month| {
        rules.to_ambiguous_timestamp(date(2026, month, 15).at(12, 0, 0, 0)).compatible().map(|at| rules.to_offset(at))
    };
    let [winter, summer] = [offset(1), offset(7)].map(|offset| offset.unwrap_or(Offset::UTC));
    winter.min(summer)
}
