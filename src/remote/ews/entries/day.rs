//! Days that the server tells as instants.

use jiff::civil::Date;

use crate::pim::{DayOfLife, UnixTime};

/// The day that an instant stands for: its midnight in UTC, or in the zone of whoever wrote it. Right from UTC−11 to UTC+12.
pub(super) fn of_instant(instant: UnixTime) -> Option<Date> {
    // The same as with birthdays, but for the year that stands for none.
    let day = DayOfLife::from_instant(instant)?;
    let (month, day_of_month) = day.month_and_day();
    Date::new(day.year()?, month, day_of_month).ok()
}

/// Midnight of a day in UTC.
pub(super) fn to_instant(day: Date) -> Option<UnixTime> {
    let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(UnixTime(midnight.timestamp().as_second()))
}
