//! Times: milliseconds and 100 ns ticks since 1970, and their XML forms.

use jiff::Timestamp;

/// Now, in milliseconds since 1970.
pub(super) fn now_millis() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Now, in units of 100 ns since 1970.
pub(super) fn now_ticks() -> i64 {
    Timestamp::now().as_microsecond().saturating_mul(10)
}

/// `2026-11-03T10:00:00Z`
pub(super) fn iso(millis: i64) -> String {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time with all its seven digits, as PidTagLocalCommitTimeMax is answered.
pub(super) fn iso_ticks(ticks: i64) -> String {
    let seconds = Timestamp::from_second(ticks.div_euclid(10_000_000)).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{}.{:07}Z", seconds.strftime("%Y-%m-%dT%H:%M:%S"), ticks.rem_euclid(10_000_000))
}

/// Reads an XML dateTime; one without an offset is UTC.
pub(super) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let stamp = text.parse::<Timestamp>().ok().or_else(|| format!("{text}Z").parse().ok())?;
    Some(stamp.as_millisecond())
}

/// A date as mail headers have it, in UTC.
pub(super) fn rfc2822(millis: i64) -> String {
    let time = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%a, %-d %b %Y %H:%M:%S +0000").to_string()
}
