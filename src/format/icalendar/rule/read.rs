//! A rule becomes a recurrence, or the reason why it cannot.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

use super::{CODES, LAST_DAY, Start};
use crate::pim::recurrence::{
    Count, DayOfMonth, End, Inexpressible as Reason, Interval, Month, Pattern, Recurrence, RelativeDays, WeekIndex,
    Weekdays,
};

/// The longest rule that is read; the longest sensible one has some 200 characters.
const MAX_RULE: usize = 2000;

/// The parts of a rule.
struct Parts {
    interval: u32,
    count: Option<u32>,
    until: Option<String>,
    /// Days, with the number before them (0 where there is none).
    days: Vec<(i8, Weekday)>,
    month_days: Vec<i8>,
    months: Vec<u16>,
    positions: Vec<i8>,
    first_day: Weekday,
}

/// Reads a rule of a series that starts there.
///
/// # Errors
///
/// No recurrence of Exchange has exactly the same days; or it is no rule.
pub fn read(rule: &str, start: &Start) -> Result<Recurrence, Reason> {
    let (frequency, parts) = parse(rule)?;
    let date = start.date();
    let pattern = match frequency.as_str() {
        "DAILY" => daily(&parts)?,
        "WEEKLY" => weekly(&parts, parts.interval, date)?,
        "MONTHLY" => monthly(&parts, date)?,
        "YEARLY" => yearly(&parts, date)?,
        _ => return Err(Reason::Frequency(frequency)),
    };
    let end = end(&parts, start)?;
    let recurrence = Recurrence { pattern, start: date, end };
    let endless = Recurrence { end: End::Never, ..recurrence.clone() };
    match endless.days().next() {
        Some(first) if first != date => Err(Reason::StartOffPattern { start: date, first }),
        Some(first) if matches!(end, End::On(last) if last < first) => Err(Reason::Empty),
        Some(_) => Ok(recurrence),
        None => Err(Reason::Empty),
    }
}

fn parse(rule: &str) -> Result<(String, Parts), Reason> {
    let malformed = || Reason::Malformed(rule.chars().take(60).collect());
    if rule.len() > MAX_RULE {
        return Err(malformed());
    }
    let mut frequency = None;
    let mut parts = Parts {
        interval: 1,
        count: None,
        until: None,
        days: Vec::new(),
        month_days: Vec::new(),
        months: Vec::new(),
        positions: Vec::new(),
        first_day: Weekday::Monday,
    };
    let mut seen = Vec::new();
    for part in rule.trim().split(';').filter(|part| !part.trim().is_empty()) {
        let (name, value) = part.split_once('=').ok_or_else(malformed)?;
        let (name, value) = (name.trim().to_ascii_uppercase(), value.trim().to_ascii_uppercase());
        if seen.contains(&name) {
            return Err(malformed());
        }
        match name.as_str() {
            "FREQ" => frequency = Some(value),
            "INTERVAL" => parts.interval = value.parse().ok().filter(|number| *number > 0).ok_or_else(malformed)?,
            "COUNT" => parts.count = Some(value.parse().ok().filter(|number| *number > 0).ok_or_else(malformed)?),
            "UNTIL" => parts.until = Some(value),
            "BYDAY" => parts.days = list(&value, day).ok_or_else(malformed)?,
            "BYMONTHDAY" => parts.month_days = list(&value, |day| day.parse().ok()).ok_or_else(malformed)?,
            "BYMONTH" => parts.months = list(&value, |month| month.parse().ok()).ok_or_else(malformed)?,
            "BYSETPOS" => parts.positions = list(&value, |number| number.parse().ok()).ok_or_else(malformed)?,
            "WKST" => parts.first_day = weekday(&value).ok_or_else(malformed)?,
            _ => return Err(Reason::Part(name.chars().take(40).collect())),
        }
        seen.push(name);
    }
    if parts.count.is_some() && parts.until.is_some() {
        return Err(malformed());
    }
    Ok((frequency.ok_or_else(malformed)?, parts))
}

fn list<T>(value: &str, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    value.split(',').map(|item| read(item.trim())).collect()
}

fn weekday(code: &str) -> Option<Weekday> {
    CODES.iter().find(|row| row.1 == code).map(|row| row.0)
}

fn day(item: &str) -> Option<(i8, Weekday)> {
    let (number, code) = item.split_at_checked(item.len().checked_sub(2)?)?;
    let number = if number.is_empty() { 0 } else { number.parse().ok().filter(|number| *number != 0)? };
    Some((number, weekday(code)?))
}

fn daily(parts: &Parts) -> Result<Pattern, Reason> {
    no("BYMONTHDAY", &parts.month_days)?;
    no("BYMONTH", &parts.months)?;
    no("BYSETPOS", &parts.positions)?;
    match (parts.days.is_empty(), parts.interval) {
        (true, _) => Ok(Pattern::Daily { interval: interval(parts.interval, Interval::MAX)? }),
        // Each day of some weekdays is each week on those days.
        (false, 1) => {
            Ok(Pattern::Weekly { interval: interval(1, 1)?, days: plain_days(parts)?, first_day: parts.first_day })
        }
        (false, _) => Err(Reason::Part("DAILY with an INTERVAL and BYDAY".to_owned())),
    }
}

fn weekly(parts: &Parts, weeks: u32, start: Date) -> Result<Pattern, Reason> {
    no("BYMONTHDAY", &parts.month_days)?;
    no("BYMONTH", &parts.months)?;
    no("BYSETPOS", &parts.positions)?;
    let days = if parts.days.is_empty() { std::iter::once(start.weekday()).collect() } else { plain_days(parts)? };
    Ok(Pattern::Weekly { interval: interval(weeks, MOST)?, days, first_day: parts.first_day })
}

/// Weeks and months.
const MOST: u16 = 99;

fn monthly(parts: &Parts, start: Date) -> Result<Pattern, Reason> {
    no("BYMONTH", &parts.months)?;
    let interval = interval(parts.interval, MOST)?;
    if !parts.days.is_empty() {
        no("BYMONTHDAY", &parts.month_days)?;
        let (index, days) = relative(parts)?;
        return Ok(Pattern::RelativeMonthly { interval, index, days });
    }
    let day = match month_day(parts, start)? {
        MonthDay::Clamped(day) => day,
        MonthDay::PassedOver(day) if day.get() <= shortest(start, interval) => day,
        MonthDay::PassedOver(day) => return Err(Reason::ShortMonths(day.get())),
    };
    Ok(Pattern::AbsoluteMonthly { interval, day })
}

fn yearly(parts: &Parts, start: Date) -> Result<Pattern, Reason> {
    let month = match parts.months.as_slice() {
        [month] => Month::new(*month).ok_or_else(|| Reason::Malformed(format!("BYMONTH={month}")))?,
        [] if parts.days.is_empty() && parts.month_days.is_empty() => month_of(start)?,
        [] => return Err(Reason::Part("YEARLY with days but without BYMONTH".to_owned())),
        _ => return Err(Reason::Several("BYMONTH")),
    };
    // The server's yearly patterns have no interval: so many years are twelve times as many months.
    let months = match parts.interval {
        1 => None,
        years => Some(interval(years.saturating_mul(12), MOST)?),
    };
    if months.is_some() && month != month_of(start)? {
        let first = Date::new(start.year(), i8::try_from(month.get()).unwrap_or(1), 1).unwrap_or(start);
        return Err(Reason::StartOffPattern { start, first });
    }
    if !parts.days.is_empty() {
        no("BYMONTHDAY", &parts.month_days)?;
        let (index, days) = relative(parts)?;
        return Ok(match months {
            None => Pattern::RelativeYearly { month, index, days },
            Some(interval) => Pattern::RelativeMonthly { interval, index, days },
        });
    }
    let always = if month.get() == 2 { 28 } else { month.longest() };
    let day = match month_day(parts, start)? {
        MonthDay::Clamped(day) => day,
        MonthDay::PassedOver(day) if day.get() <= always => day,
        MonthDay::PassedOver(day) => return Err(Reason::ShortMonths(day.get())),
    };
    let day = DayOfMonth::new(day.get().min(month.longest())).unwrap_or(day);
    Ok(match months {
        None => Pattern::AbsoluteYearly { month, day },
        Some(interval) => Pattern::AbsoluteMonthly { interval, day },
    })
}

fn month_of(date: Date) -> Result<Month, Reason> {
    u16::try_from(date.month()).ok().and_then(Month::new).ok_or(Reason::Empty)
}

/// A day of a month, and what becomes of it in a month that is too short.
enum MonthDay {
    Clamped(DayOfMonth),
    PassedOver(DayOfMonth),
}

fn month_day(parts: &Parts, start: Date) -> Result<MonthDay, Reason> {
    let named = |day: i8| {
        u16::try_from(day).ok().and_then(DayOfMonth::new).ok_or_else(|| Reason::Part(format!("BYMONTHDAY={day}")))
    };
    match (parts.month_days.as_slice(), parts.positions.as_slice()) {
        ([], []) => named(start.day()).map(MonthDay::PassedOver),
        ([-1], [] | [1 | -1]) => named(31).map(MonthDay::Clamped),
        ([day], [] | [1 | -1]) => named(*day).map(MonthDay::PassedOver),
        // The last of the days up to the one that is meant.
        (days, [-1]) => {
            let mut days = days.to_vec();
            days.sort_unstable();
            days.dedup();
            match days.as_slice() {
                [28, 29] => named(29).map(MonthDay::Clamped),
                [28, 29, 30] => named(30).map(MonthDay::Clamped),
                [28, 29, 30, 31] => named(31).map(MonthDay::Clamped),
                _ => Err(Reason::Several("BYMONTHDAY")),
            }
        }
        ([], _) => Err(Reason::Part("BYSETPOS without BYDAY".to_owned())),
        (_, _) => Err(Reason::Several("BYMONTHDAY")),
    }
}

/// The days of the shortest month that the rule meets.
fn shortest(start: Date, interval: Interval) -> u16 {
    let month = |number: u16| (u16::try_from(start.month()).unwrap_or(1) - 1 + number * interval.get()) % 12 + 1;
    let lengths = (0..12).filter_map(|number| Month::new(month(number)));
    lengths.map(|month| if month.get() == 2 { 28 } else { month.longest() }).min().unwrap_or(28)
}

fn plain_days(parts: &Parts) -> Result<Weekdays, Reason> {
    match parts.days.iter().all(|(number, _)| *number == 0) {
        true => Ok(parts.days.iter().map(|(_, day)| *day).collect()),
        false => Err(Reason::RelativeDay),
    }
}

fn relative(parts: &Parts) -> Result<(WeekIndex, RelativeDays), Reason> {
    if let ([(number, day)], []) = (parts.days.as_slice(), parts.positions.as_slice()) {
        let index = WeekIndex::from_number(*number).ok_or(Reason::RelativeDay)?;
        return Ok((index, RelativeDays::One(*day)));
    }
    let [position] = parts.positions.as_slice() else {
        return Err(Reason::RelativeDay);
    };
    let index = WeekIndex::from_number(*position).ok_or(Reason::RelativeDay)?;
    let days = plain_days(parts)?;
    let sets = [RelativeDays::Day, RelativeDays::Workday, RelativeDays::WeekendDay];
    let ones = days.iter().map(RelativeDays::One);
    let found = sets.into_iter().chain(ones).find(|set| set.weekdays() == days);
    Ok((index, found.ok_or(Reason::RelativeDay)?))
}

fn no<T>(name: &str, values: &[T]) -> Result<(), Reason> {
    if values.is_empty() { Ok(()) } else { Err(Reason::Part(name.to_owned())) }
}

fn interval(number: u32, limit: u16) -> Result<Interval, Reason> {
    let within = u16::try_from(number).ok().filter(|number| *number <= limit).and_then(Interval::new);
    within.ok_or(Reason::TooMany { part: "INTERVAL", found: number, limit })
}

fn end(parts: &Parts, start: &Start) -> Result<End, Reason> {
    if let Some(count) = parts.count {
        let within = u16::try_from(count).ok().and_then(Count::new);
        return within.map(End::After).ok_or(Reason::TooMany { part: "COUNT", found: count, limit: Count::MAX });
    }
    let Some(until) = &parts.until else {
        return Ok(End::Never);
    };
    let last = last_day(until, start).ok_or_else(|| Reason::Malformed(format!("UNTIL={until}")))?;
    if last > LAST_DAY { Err(Reason::TooLate(LAST_DAY)) } else { Ok(End::On(last)) }
}

/// The day of the last occurrence that UNTIL lets be. Many programs write it in another way than RFC 5545 wants for that start.
fn last_day(until: &str, start: &Start) -> Option<Date> {
    let (date, time) = match until.split_once('T') {
        None => (until, None),
        Some((date, time)) => (date, Some(time)),
    };
    let date = Date::strptime("%Y%m%d", date).ok()?;
    let Some(time) = time else {
        return Some(date);
    };
    let clock = jiff::civil::Time::strptime("%H%M%S", time.strip_suffix('Z').unwrap_or(time)).ok()?;
    let until = date.to_datetime(clock);
    match start {
        Start::Day(_) => Some(date),
        Start::Zoned(start, zone) if time.ends_with('Z') => {
            let instant = until.to_zoned(TimeZone::UTC).ok()?;
            let local = instant.with_time_zone(zone.clone()).date();
            let candidate = zone.to_ambiguous_zoned(local.to_datetime(start.time())).compatible().ok()?;
            if candidate.timestamp() <= instant.timestamp() { Some(local) } else { local.yesterday().ok() }
        }
        Start::Floating(start) | Start::Zoned(start, _) => last_by_clock(until, *start),
    }
}

fn last_by_clock(until: DateTime, start: DateTime) -> Option<Date> {
    if start.time() <= until.time() { Some(until.date()) } else { until.date().yesterday().ok() }
}
