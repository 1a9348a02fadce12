//! Recurrences (MS-OXWSCDATA `RecurrenceType`, `TaskRecurrenceType`): an element for the pattern, one for the range.

use jiff::civil::{Date, Weekday};

use super::super::property::{leaf, node};
use super::super::request::Version;
use super::super::shape;
use super::super::xml::Element;
use super::classes::name_of;
use super::day;
use crate::pim::recurrence::{
    Count, DayOfMonth, End, Interval, Month, Pattern, Recurrence, RelativeDays, WeekIndex, Weekdays,
};
use crate::pim::task::{RegenerationUnit, TaskRecurrence};

pub(super) const WEEKDAYS: [(Weekday, &str); 7] = [
    (Weekday::Monday, "Monday"),
    (Weekday::Tuesday, "Tuesday"),
    (Weekday::Wednesday, "Wednesday"),
    (Weekday::Thursday, "Thursday"),
    (Weekday::Friday, "Friday"),
    (Weekday::Saturday, "Saturday"),
    (Weekday::Sunday, "Sunday"),
];

const RELATIVE_DAYS: [(RelativeDays, &str); 3] =
    [(RelativeDays::Day, "Day"), (RelativeDays::Workday, "Weekday"), (RelativeDays::WeekendDay, "WeekendDay")];

const INDICES: [(WeekIndex, &str); 5] = [
    (WeekIndex::First, "First"),
    (WeekIndex::Second, "Second"),
    (WeekIndex::Third, "Third"),
    (WeekIndex::Fourth, "Fourth"),
    (WeekIndex::Last, "Last"),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const UNITS: [(RegenerationUnit, &str); 4] = [
    (RegenerationUnit::Days, "DailyRegeneration"),
    (RegenerationUnit::Weeks, "WeeklyRegeneration"),
    (RegenerationUnit::Months, "MonthlyRegeneration"),
    (RegenerationUnit::Years, "YearlyRegeneration"),
];

pub(super) fn look_up<T: Copy>(table: &[(T, &str)], word: &str) -> Option<T> {
    table.iter().find(|row| row.1.eq_ignore_ascii_case(word)).map(|row| row.0)
}

fn number(element: &Element, name: &str) -> Option<u16> {
    element.value(name)?.parse().ok()
}

/// What the element says; `None` where that is no recurrence which pimsync knows.
pub(super) fn read(recurrence: &Element) -> Option<Recurrence> {
    let (start, end) = range(recurrence)?;
    let pattern = recurrence.children.iter().find_map(pattern).filter(|pattern| pattern.is_sound())?;
    Some(Recurrence { pattern, start, end })
}

/// The same of a task.
pub(super) fn read_task(recurrence: &Element) -> Option<TaskRecurrence> {
    let regeneration = recurrence.children.iter().find_map(|child| Some((look_up(&UNITS, &child.name)?, child)));
    let Some((unit, pattern)) = regeneration else {
        return read(recurrence).map(TaskRecurrence::Regular);
    };
    let (start, end) = range(recurrence)?;
    Some(TaskRecurrence::Regenerating { unit, interval: interval(pattern)?, start, end })
}

/// Missing counts as one: patterns of years have none.
fn interval(pattern: &Element) -> Option<Interval> {
    pattern.value("Interval").map_or(Interval::new(1), |text| Interval::new(text.parse().ok()?))
}

fn pattern(element: &Element) -> Option<Pattern> {
    let interval = || interval(element);
    let day = || number(element, "DayOfMonth").and_then(DayOfMonth::new);
    let index = || look_up(&INDICES, element.value("DayOfWeekIndex")?);
    let month = || {
        let word = element.value("Month")?;
        let at = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(word))?;
        Month::new(u16::try_from(at + 1).ok()?)
    };
    Some(match &*element.name {
        "DailyRecurrence" => Pattern::Daily { interval: interval()? },
        "WeeklyRecurrence" => Pattern::Weekly {
            interval: interval()?,
            days: weekdays(element.value("DaysOfWeek")?)?,
            // Outlook's weeks begin so, and servers before 2010 tell nothing.
            first_day: look_up(&WEEKDAYS, element.value("FirstDayOfWeek").unwrap_or_default())
                .unwrap_or(Weekday::Sunday),
        },
        "AbsoluteMonthlyRecurrence" => Pattern::AbsoluteMonthly { interval: interval()?, day: day()? },
        "RelativeMonthlyRecurrence" => {
            Pattern::RelativeMonthly { interval: interval()?, index: index()?, days: relative_days(element)? }
        }
        "AbsoluteYearlyRecurrence" => {
            let (month, day) = (month()?, day()?);
            // A day that the month never has means its last one, and so does the longest that it can have.
            let day = DayOfMonth::new(day.get().min(month.longest()))?;
            Pattern::AbsoluteYearly { month, day }
        }
        "RelativeYearlyRecurrence" => {
            Pattern::RelativeYearly { month: month()?, index: index()?, days: relative_days(element)? }
        }
        _ => return None,
    })
}

/// A list of days, in which the words for several may stand, too.
fn weekdays(words: &str) -> Option<Weekdays> {
    let mut days = Vec::new();
    for word in words.split_whitespace() {
        match look_up(&RELATIVE_DAYS, word) {
            Some(several) => days.extend(several.weekdays().iter()),
            None => days.push(look_up(&WEEKDAYS, word)?),
        }
    }
    Some(days.into_iter().collect())
}

fn relative_days(element: &Element) -> Option<RelativeDays> {
    let words = element.value("DaysOfWeek")?;
    let several = look_up(&RELATIVE_DAYS, words);
    several.or_else(|| look_up(&WEEKDAYS, words).map(RelativeDays::One)).or_else(|| {
        let days = weekdays(words)?;
        RELATIVE_DAYS.iter().map(|row| row.0).find(|several| several.weekdays() == days)
    })
}

fn range(recurrence: &Element) -> Option<(Date, End)> {
    let range = recurrence.children.iter().find(|child| child.child("StartDate").is_some())?;
    let start = date(range.value("StartDate")?)?;
    let end = match &*range.name {
        "NoEndRecurrence" => End::Never,
        "EndDateRecurrence" => End::On(date(range.value("EndDate")?)?),
        "NumberedRecurrence" => End::After(Count::new(number(range, "NumberOfOccurrences")?)?),
        _ => return None,
    };
    Some((start, end))
}

/// A date, with an offset behind it or without; some servers tell the instant at which it begins.
fn date(text: &str) -> Option<Date> {
    match text.contains('T') {
        true => shape::parse_time(text).and_then(day::of_instant),
        false => text.get(..10)?.parse().ok(),
    }
}

/// The pattern and the range.
pub(super) fn elements(recurrence: &Recurrence, version: Version) -> Vec<Element> {
    vec![write_pattern(recurrence.pattern, version), write_range(recurrence.start, recurrence.end)]
}

/// The same of a task.
pub(super) fn task_elements(recurrence: &TaskRecurrence, version: Version) -> Vec<Element> {
    match recurrence {
        TaskRecurrence::Regular(recurrence) => elements(recurrence, version),
        TaskRecurrence::Regenerating { unit, interval, start, end } => {
            vec![node(name_of(&UNITS, *unit), vec![write_interval(*interval)]), write_range(*start, *end)]
        }
    }
}

fn write_interval(interval: Interval) -> Element {
    leaf("Interval", interval.get().to_string())
}

fn write_pattern(pattern: Pattern, version: Version) -> Element {
    let day_of_month = |day: DayOfMonth| leaf("DayOfMonth", day.get().to_string());
    let month_word =
        |month: Month| leaf("Month", *MONTHS.get(usize::from(month.get()).saturating_sub(1)).unwrap_or(&"January"));
    let index_word = |index: WeekIndex| leaf("DayOfWeekIndex", name_of(&INDICES, index));
    match pattern {
        Pattern::Daily { interval } => node("DailyRecurrence", vec![write_interval(interval)]),
        Pattern::Weekly { interval, days, first_day } => {
            let words: Vec<&str> = days.iter().map(|day| name_of(&WEEKDAYS, day)).collect();
            let mut children = vec![write_interval(interval), leaf("DaysOfWeek", words.join(" "))];
            if version.has_zones() {
                children.push(leaf("FirstDayOfWeek", name_of(&WEEKDAYS, first_day)));
            }
            node("WeeklyRecurrence", children)
        }
        Pattern::AbsoluteMonthly { interval, day } => {
            node("AbsoluteMonthlyRecurrence", vec![write_interval(interval), day_of_month(day)])
        }
        Pattern::RelativeMonthly { interval, index, days } => {
            node("RelativeMonthlyRecurrence", vec![write_interval(interval), relative_word(days), index_word(index)])
        }
        Pattern::AbsoluteYearly { month, day } => {
            node("AbsoluteYearlyRecurrence", vec![day_of_month(day), month_word(month)])
        }
        Pattern::RelativeYearly { month, index, days } => {
            node("RelativeYearlyRecurrence", vec![relative_word(days), index_word(index), month_word(month)])
        }
    }
}

fn relative_word(days: RelativeDays) -> Element {
    let word = match days {
        RelativeDays::One(day) => name_of(&WEEKDAYS, day),
        several => name_of(&RELATIVE_DAYS, several),
    };
    leaf("DaysOfWeek", word)
}

fn write_range(start: Date, end: End) -> Element {
    let start = leaf("StartDate", start.to_string());
    match end {
        End::Never => node("NoEndRecurrence", vec![start]),
        End::On(last) => node("EndDateRecurrence", vec![start, leaf("EndDate", last.to_string())]),
        End::After(count) => {
            node("NumberedRecurrence", vec![start, leaf("NumberOfOccurrences", count.get().to_string())])
        }
    }
}
