//! Times as people and programs read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serializer;

use crate::pim::UnixTime;

fn timestamp(time: UnixTime) -> Timestamp {
    Timestamp::from_second(time.0).unwrap_or(if time.0 < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// `2026-11-22 16:53`, in the zone of the machine.
pub(super) fn for_people(time: UnixTime) -> String {
    timestamp(time).to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// `2026-11-22T15:53:07Z` (RFC 3339), always in UTC.
pub(super) fn for_programs(time: UnixTime) -> String {
    timestamp(time).to_string()
}

/// For `#[serde(serialize_with = …)]`.
pub(super) fn serialize<S: Serializer>(time: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&for_programs(*time))
}

/// The same where there may be none.
pub(super) fn serialize_option<S: Serializer>(time: &Option<UnixTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serialize(time, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_utc() {
        assert_eq!(for_programs(UnixTime(0)), "1970-01-01T00:00:00Z");
        assert_eq!(for_programs(UnixTime(1_795_359_187)), "2026-11-22T14:53:07Z");
    }

    #[test]
    fn a_time_that_no_clock_shows_is_no_reason_to_fail() {
        assert!(for_programs(UnixTime(i64::MAX)).starts_with("9999-"));
        assert!(for_programs(UnixTime(i64::MIN)).starts_with("-00"));
    }
}
