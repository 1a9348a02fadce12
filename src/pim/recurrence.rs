//! Recurrences as the server has them (MS-OXWSCDATA `RecurrenceType`): one pattern and one range, over days.
//!
//! A pattern names days, never times; the time of day and its zone belong to the event.

use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};

/// When a series repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrence {
    /// Which days.
    pub pattern: Pattern,
    /// The first day that counts. The first occurrence is the first day of the pattern from here on.
    pub start: Date,
    /// The last one.
    pub end: End,
}

/// Which days a series has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// Every so many days.
    Daily {
        /// Days from one to the next.
        interval: Interval,
    },
    /// Some days of every so many weeks.
    Weekly {
        /// Weeks from one to the next.
        interval: Interval,
        /// The days.
        days: Weekdays,
        /// The day that weeks begin with: it tells which weeks are counted where the interval is more than one.
        #[serde(with = "weekday")]
        first_day: Weekday,
    },
    /// A day of every so many months; where a month is too short, its last day.
    AbsoluteMonthly {
        /// Months from one to the next.
        interval: Interval,
        /// The day.
        day: DayOfMonth,
    },
    /// Such as the second Tuesday of every so many months.
    RelativeMonthly {
        /// Months from one to the next.
        interval: Interval,
        /// Which one in the month.
        index: WeekIndex,
        /// Of which days.
        days: RelativeDays,
    },
    /// A day of a month, each year; where the month is too short, its last day.
    AbsoluteYearly {
        /// The month.
        month: Month,
        /// The day.
        day: DayOfMonth,
    },
    /// Such as the last Friday of November, each year.
    RelativeYearly {
        /// The month.
        month: Month,
        /// Which one in the month.
        index: WeekIndex,
        /// Of which days.
        days: RelativeDays,
    },
}

/// When a series ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// Never.
    Never,
    /// With its last occurrence on or before that day.
    On(Date),
    /// After so many occurrences.
    After(Count),
}

/// A number that the server does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is out of bounds")]
pub struct OutOfBounds(u16);

/// A number within the limits of the server.
macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident, $most:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u16", into = "u16")]
        pub struct $name(u16);

        impl From<$name> for u16 {
            fn from(number: $name) -> Self {
                number.0
            }
        }

        impl TryFrom<u16> for $name {
            type Error = OutOfBounds;

            fn try_from(number: u16) -> Result<Self, OutOfBounds> {
                Self::new(number).ok_or(OutOfBounds(number))
            }
        }

        impl $name {
            /// The most that the server takes.
            pub const MAX: u16 = $most;

            /// `None` for 0, and for more than the server takes.
            pub fn new(number: u16) -> Option<Self> {
                (1..=Self::MAX).contains(&number).then_some(Self(number))
            }

            /// The number.
            pub fn get(self) -> u16 {
                self.0
            }
        }
    };
}

bounded! {
    /// Days, weeks or months from one time to the next. The server takes more than 99 for days only: [`Pattern::is_sound`].
    Interval, 999
}
bounded! {
    /// Occurrences of a series.
    Count, 999
}
bounded! {
    /// A day of a month.
    DayOfMonth, 31
}
bounded! {
    /// A month of the year.
    Month, 12
}

impl Month {
    /// The most days that it can have.
    pub fn longest(self) -> u16 {
        match self.0 {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
}

/// A set of days of the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Weekdays(u8);

impl Weekdays {
    /// Monday to Friday.
    pub const WORKDAYS: Self = Self(0b001_1111);
    /// Saturday and Sunday.
    pub const WEEKEND: Self = Self(0b110_0000);
    /// All seven.
    pub const ALL: Self = Self(0b111_1111);

    /// Whether the day is in it.
    pub fn has(self, day: Weekday) -> bool {
        self.0 & Self::bit(day) != 0
    }

    /// The days, Monday first.
    pub fn iter(self) -> impl Iterator<Item = Weekday> {
        Weekday::Monday.cycle_forward().take(7).filter(move |day| self.has(*day))
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn bit(day: Weekday) -> u8 {
        1 << day.to_monday_zero_offset()
    }
}

impl FromIterator<Weekday> for Weekdays {
    fn from_iter<I: IntoIterator<Item = Weekday>>(days: I) -> Self {
        Self(days.into_iter().fold(0, |bits, day| bits | Self::bit(day)))
    }
}

/// Days that are counted in a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelativeDays {
    /// One day of the week.
    One(#[serde(with = "weekday")] Weekday),
    /// Any day.
    Day,
    /// Monday to Friday.
    Workday,
    /// Saturday and Sunday.
    WeekendDay,
}

impl RelativeDays {
    /// The days of the week that count.
    pub fn weekdays(self) -> Weekdays {
        match self {
            Self::One(day) => std::iter::once(day).collect(),
            Self::Day => Weekdays::ALL,
            Self::Workday => Weekdays::WORKDAYS,
            Self::WeekendDay => Weekdays::WEEKEND,
        }
    }
}

/// A weekday as its number, Monday 1.
mod weekday {
    use jiff::civil::Weekday;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(day: &Weekday, to: S) -> Result<S::Ok, S::Error> {
        day.to_monday_one_offset().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Weekday, D::Error> {
        Weekday::from_monday_one_offset(i8::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// Which of the days that are counted in a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WeekIndex {
    /// The first one.
    First,
    /// The second one.
    Second,
    /// The third one.
    Third,
    /// The fourth one.
    Fourth,
    /// The last one.
    Last,
}

impl WeekIndex {
    /// Each with the number by which RFC 5545 counts it.
    pub const TABLE: [(Self, i8); 5] =
        [(Self::First, 1), (Self::Second, 2), (Self::Third, 3), (Self::Fourth, 4), (Self::Last, -1)];

    /// Its number.
    pub fn number(self) -> i8 {
        Self::TABLE.iter().find(|row| row.0 == self).map_or(-1, |row| row.1)
    }

    /// The one with that number.
    pub fn from_number(number: i8) -> Option<Self> {
        Self::TABLE.iter().find(|row| row.1 == number).map(|row| row.0)
    }
}

/// Why a rule of RFC 5545 cannot be a recurrence on the server. It is never approximated: the item is held, and this is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inexpressible {
    /// Several times a day.
    #[error("{0}: Exchange repeats by days, weeks, months and years; use DAILY, WEEKLY, MONTHLY or YEARLY")]
    Frequency(String),
    /// A part that has no counterpart, such as BYWEEKNO.
    #[error("{0} has no counterpart in Exchange; make several events, or leave it out")]
    Part(String),
    /// Such as several BYMONTHDAY.
    #[error("{0} has several values, and Exchange takes one; make an event for each")]
    Several(&'static str),
    /// Days that Exchange cannot count, such as the fifth Friday or the second last one.
    #[error(
        "BYDAY and BYSETPOS name no day that Exchange can count: the first to fourth or last one of a weekday, of MO-FR, of SA,SU or of all"
    )]
    RelativeDay,
    /// The rule passes months over that Exchange would put at their last day.
    #[error(
        "day {0} is missing in some of the months: BYMONTHDAY={0} passes them over, Exchange takes their last day; BYMONTHDAY=-1 is the last day in both"
    )]
    ShortMonths(u16),
    /// The first occurrence is not where the series begins.
    #[error("the series begins on {start}, and its rule first on {first}: let DTSTART be the first occurrence")]
    StartOffPattern {
        /// DTSTART.
        start: Date,
        /// The first day of the rule.
        first: Date,
    },
    /// Not a single occurrence.
    #[error("the series has no occurrence: it ends before it begins")]
    Empty,
    /// Too large a number.
    #[error("{part}={found} is more than the {limit} that Exchange takes")]
    TooMany {
        /// The part of the rule.
        part: &'static str,
        /// Its number.
        found: u32,
        /// The limit.
        limit: u16,
    },
    /// The date is past the last one of Exchange.
    #[error("the series ends after {0}, the last day of Exchange")]
    TooLate(Date),
    /// Another rule than one RRULE.
    #[error("{0} has no counterpart in Exchange: only one RRULE and EXDATE have")]
    Property(&'static str),
    /// An override of an occurrence that the rule does not have.
    #[error("the override for {0} belongs to no occurrence of the rule")]
    OverrideOffPattern(Date),
    /// It is no rule.
    #[error("{0:?} is no rule of RFC 5545 §3.3.10")]
    Malformed(String),
}

impl Pattern {
    /// Whether the server takes it: intervals of weeks and months are at most 99, a weekly pattern has a day, a day of a year is one that its
    /// month can have (a longer one means the same: the last).
    pub fn is_sound(self) -> bool {
        const MOST_WEEKS_OR_MONTHS: u16 = 99;
        match self {
            Self::Daily { .. } | Self::RelativeYearly { .. } => true,
            Self::Weekly { interval, days, .. } => interval.get() <= MOST_WEEKS_OR_MONTHS && !days.is_empty(),
            Self::AbsoluteMonthly { interval, .. } | Self::RelativeMonthly { interval, .. } => {
                interval.get() <= MOST_WEEKS_OR_MONTHS
            }
            Self::AbsoluteYearly { month, day } => day.get() <= month.longest(),
        }
    }
}

impl Recurrence {
    /// The days of the series, in order; never more than the calendar has.
    pub fn days(&self) -> impl Iterator<Item = Date> + use<> {
        let Self { pattern, start, end } = *self;
        let most = match end {
            End::After(count) => usize::from(count.get()),
            End::Never | End::On(_) => usize::MAX,
        };
        let last = match end {
            End::On(last) => last,
            End::Never | End::After(_) => Date::MAX,
        };
        let periods = (0..).map_while(move |number: i32| begins(pattern, number, start));
        let days = periods.flat_map(move |begin| days_of_period(pattern, begin, start));
        days.filter(move |day| *day >= start).take_while(move |day| *day <= last).take(most)
    }

    /// The same days, told from the first of them on, as a file has to tell them; `None` where there are none.
    pub fn trimmed(&self) -> Option<Self> {
        Some(Self { start: self.days().next()?, ..self.clone() })
    }

    /// Whether an occurrence is on that day. Takes no longer for a day that is far away.
    pub fn has(&self, date: Date) -> bool {
        let is_of_pattern = || {
            let begin =
                period_of(self.pattern, self.start, date).and_then(|number| begins(self.pattern, number, self.start));
            begin.is_some_and(|begin| days_of_period(self.pattern, begin, self.start).any(|day| day == date))
        };
        match self.end {
            _ if date < self.start => false,
            End::Never => is_of_pattern(),
            End::On(last) => date <= last && is_of_pattern(),
            // At most 999.
            End::After(_) => self.days().take_while(|day| *day <= date).any(|day| day == date),
        }
    }

    /// The number by which the server knows an occurrence (`InstanceIndex`): from 1, deleted ones counted, too.
    pub fn index_of(&self, date: Date) -> Option<usize> {
        let before = self.days().take_while(|day| *day <= date).enumerate().last()?;
        (before.1 == date).then_some(before.0 + 1)
    }
}

/// The number of the period (a day, week, month or year) that a day lies in, counting only those that the interval does not pass over.
fn period_of(pattern: Pattern, start: Date, date: Date) -> Option<i32> {
    let first = begins(pattern, 0, start)?;
    let months = i32::from(date.year() - first.year()) * 12 + i32::from(date.month() - first.month());
    let days = || first.until(date).map(|span| span.get_days());
    match pattern {
        Pattern::Daily { interval } => Some(days().ok()? / i32::from(interval.get())),
        Pattern::Weekly { interval, .. } => Some(days().ok()? / (7 * i32::from(interval.get()))),
        Pattern::AbsoluteMonthly { interval, .. } | Pattern::RelativeMonthly { interval, .. } => {
            Some(months / i32::from(interval.get()))
        }
        Pattern::AbsoluteYearly { .. } | Pattern::RelativeYearly { .. } => Some(i32::from(date.year() - first.year())),
    }
}

/// The first day of the period with that number; `None` past the end of the calendar.
fn begins(pattern: Pattern, number: i32, start: Date) -> Option<Date> {
    let days = |first: Date, step: i32| {
        first.checked_add(jiff::Span::new().try_days(i64::from(number) * i64::from(step)).ok()?).ok()
    };
    match pattern {
        Pattern::Daily { interval } => days(start, interval.get().into()),
        Pattern::Weekly { interval, first_day, .. } => {
            let into_week = first_day.until(start.weekday());
            let week = start.checked_sub(jiff::Span::new().days(into_week)).ok()?;
            days(week, 7 * i32::from(interval.get()))
        }
        Pattern::AbsoluteMonthly { interval, .. } | Pattern::RelativeMonthly { interval, .. } => {
            let month = i64::from(start.year()) * 12 + i64::from(start.month()) - 1;
            let month = month + i64::from(number) * i64::from(interval.get());
            let year = i16::try_from(month.div_euclid(12)).ok()?;
            Date::new(year, i8::try_from(month.rem_euclid(12)).ok()? + 1, 1).ok()
        }
        Pattern::AbsoluteYearly { month, .. } | Pattern::RelativeYearly { month, .. } => {
            let year = i16::try_from(i32::from(start.year()).checked_add(number)?).ok()?;
            Date::new(year, i8::try_from(month.get()).ok()?, 1).ok()
        }
    }
}

/// The days of the pattern in the period that begins there.
fn days_of_period(pattern: Pattern, begin: Date, start: Date) -> impl Iterator<Item = Date> {
    let one = match pattern {
        Pattern::Daily { .. } => Some(begin),
        Pattern::Weekly { .. } => None,
        Pattern::AbsoluteMonthly { day, .. } | Pattern::AbsoluteYearly { day, .. } => clamped(begin, day),
        Pattern::RelativeMonthly { index, days, .. } | Pattern::RelativeYearly { index, days, .. } => {
            relative(begin, index, days.weekdays())
        }
    };
    let week = match pattern {
        Pattern::Weekly { days, .. } => days,
        _ => Weekdays::default(),
    };
    let in_week = (0..7).filter_map(move |day| begin.checked_add(jiff::Span::new().days(day)).ok());
    one.into_iter().chain(in_week.filter(move |day| week.has(day.weekday()))).filter(move |day| *day >= start)
}

/// The day, or the last one of a month that is too short for it.
fn clamped(month: Date, day: DayOfMonth) -> Option<Date> {
    let day = i8::try_from(day.get()).ok()?.min(month.days_in_month());
    Date::new(month.year(), month.month(), day).ok()
}

fn relative(month: Date, index: WeekIndex, days: Weekdays) -> Option<Date> {
    let all = (1..=month.days_in_month()).filter_map(|day| Date::new(month.year(), month.month(), day).ok());
    let mut counted = all.filter(|day| days.has(day.weekday()));
    match index {
        WeekIndex::First => counted.next(),
        WeekIndex::Second => counted.nth(1),
        WeekIndex::Third => counted.nth(2),
        WeekIndex::Fourth => counted.nth(3),
        WeekIndex::Last => counted.next_back(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn days(pattern: Pattern, start: Date, end: End) -> Vec<String> {
        Recurrence { pattern, start, end }.days().take(6).map(|day| day.to_string()).collect()
    }

    fn interval(number: u16) -> Interval {
        Interval::new(number).unwrap()
    }

    #[test]
    fn a_day_that_a_month_does_not_have_is_its_last() {
        let pattern = Pattern::AbsoluteMonthly { interval: interval(1), day: DayOfMonth::new(31).unwrap() };
        let found = days(pattern, date(2026, 1, 31), End::After(Count::new(4).unwrap()));
        assert_eq!(found, ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]);
        let leap = Pattern::AbsoluteYearly { month: Month::new(2).unwrap(), day: DayOfMonth::new(29).unwrap() };
        let found = days(leap, date(2024, 2, 29), End::On(date(2026, 12, 31)));
        assert_eq!(found, ["2024-02-29", "2025-02-28", "2026-02-28"]);
    }

    #[test]
    fn the_day_that_weeks_begin_with_tells_which_ones_count() {
        // The example of RFC 5545 §3.8.5.3.
        let weekly = |first_day| Pattern::Weekly {
            interval: interval(2),
            days: [Weekday::Tuesday, Weekday::Sunday].into_iter().collect(),
            first_day,
        };
        let end = End::After(Count::new(4).unwrap());
        let monday = days(weekly(Weekday::Monday), date(1997, 8, 5), end);
        assert_eq!(monday, ["1997-08-05", "1997-08-10", "1997-08-19", "1997-08-24"]);
        let sunday = days(weekly(Weekday::Sunday), date(1997, 8, 5), end);
        assert_eq!(sunday, ["1997-08-05", "1997-08-17", "1997-08-19", "1997-08-31"]);
    }

    #[test]
    fn days_are_counted_in_a_month() {
        let last =
            Pattern::RelativeMonthly { interval: interval(3), index: WeekIndex::Last, days: RelativeDays::Workday };
        assert_eq!(days(last, date(2026, 2, 1), End::Never)[..3], ["2026-02-27", "2026-05-29", "2026-08-31"]);
        let friday = Pattern::RelativeYearly {
            month: Month::new(11).unwrap(),
            index: WeekIndex::Fourth,
            days: RelativeDays::One(Weekday::Thursday),
        };
        assert_eq!(days(friday, date(2026, 11, 27), End::Never)[..2], ["2027-11-25", "2028-11-23"]);
    }

    #[test]
    fn an_occurrence_has_the_number_that_the_server_gives_it() {
        let series = Recurrence {
            pattern: Pattern::Daily { interval: interval(3) },
            start: date(2026, 3, 1),
            end: End::After(Count::new(10).unwrap()),
        };
        assert_eq!((series.index_of(date(2026, 3, 1)), series.index_of(date(2026, 3, 7))), (Some(1), Some(3)));
        assert_eq!((series.index_of(date(2026, 3, 8)), series.index_of(date(2026, 4, 30))), (None, None));
    }

    #[test]
    fn the_calendar_ends() {
        let series = Recurrence {
            pattern: Pattern::Daily { interval: interval(999) },
            start: date(9990, 1, 1),
            end: End::Never,
        };
        assert_eq!(series.days().count(), 4);
    }
}
