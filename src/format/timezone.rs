//! Time zones: the names that Windows, IANA and programs give them, and VTIMEZONE (RFC 5545 §3.6.5).
//!
//! The name that a file has is never changed: Europe/Paris and Europe/Brussels are one zone to Exchange, and come back as they were.

mod definition;
mod names;
mod table;

use std::sync::OnceLock;

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::content::Component;

pub use definition::define;

/// A zone of a file or of the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// The name that it has there.
    pub tzid: Box<str>,
    /// Its name in the IANA database.
    pub iana: Box<str>,
    /// Its rules.
    pub rules: TimeZone,
}

/// Why it is not known which zone is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// Neither the name nor the rules are those of a zone.
    #[error("the time zone {0:?} is not known, and no known zone has its rules: use a name such as Europe/Berlin")]
    Unknown(String),
}

/// The id of Windows for a zone of IANA, be its name an old one or a new one.
pub fn windows(iana: &str) -> Option<&'static str> {
    let exact = table::IANA.binary_search_by(|row| row.0.cmp(iana)).ok().and_then(|at| table::IANA.get(at));
    exact.or_else(|| table::IANA.iter().find(|row| row.0.eq_ignore_ascii_case(iana))).map(|row| row.1)
}

/// The zone of IANA for an id of Windows.
pub fn iana(windows: &str) -> Option<&'static str> {
    let exact = table::WINDOWS.binary_search_by(|row| row.0.cmp(windows)).ok().and_then(|at| table::WINDOWS.get(at));
    exact.or_else(|| table::WINDOWS.iter().find(|row| row.0.eq_ignore_ascii_case(windows))).map(|row| row.1)
}

/// Finds the zone that a TZID means: by its name, or else by the rules of its VTIMEZONE in the ten years from `around` on.
///
/// Names that mean nothing ("Customized Time Zone") or not what they say are common; the rules are then what the author saw.
///
/// # Errors
///
/// Nothing tells which zone it is. A series must not be guessed at.
pub fn resolve(tzid: &str, definition: Option<&Component>, around: Date) -> Result<Zone, ZoneError> {
    let location = definition.and_then(|definition| definition.property("X-LIC-LOCATION"));
    let named = names::zone(tzid).or_else(|| names::zone(location.as_ref()?.value.trim()));
    let by_rules = || definition::zone_with(definition?, around);
    let (iana, rules) = named.or_else(by_rules).ok_or_else(|| ZoneError::Unknown(tzid.chars().take(80).collect()))?;
    Ok(Zone { tzid: tzid.into(), iana: iana.into(), rules })
}

/// The zone of that name in the IANA database that is part of the program, so that every machine sees the same.
fn database(iana: &str) -> Option<TimeZone> {
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    DATABASE.get_or_init(TimeZoneDatabase::bundled).get(iana).ok()
}

#[cfg(test)]
mod tests;
