//! Recurrences: a pattern of days and a range, as appointments and tasks have them.

use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};

use super::super::soap::Refusal;
use super::super::xml::{Element, XmlOut};
use super::super::zones::DAYS;

/// When something recurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Recurrence {
    pub(in super::super) pattern: Pattern,
    /// The first day that counts.
    pub(in super::super) start: Date,
    pub(in super::super) end: End,
}

/// Which days; the numbers are how many days, weeks or months lie between two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Pattern {
    Daily(i64),
    /// The days as a set of bits, Sunday the lowest, and the day that weeks begin with.
    Weekly(i64, u8, Option<Weekday>),
    Monthly(i64, DayIn),
    /// In this month of each year.
    Yearly(i8, DayIn),
    /// Of a task: so many days, weeks, months or years after it was completed.
    Regenerating(Unit, i64),
}

/// Which day of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum DayIn {
    /// This one, or the last one where the month is too short.
    Absolute(i8),
    /// The first to fourth (1 to 4) or last (5) of these days.
    Relative(u8, i8),
}

/// What a regenerating task counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Unit {
    Day,
    Week,
    Month,
    Year,
}

/// When it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum End {
    Never,
    On(Date),
    After(i64),
}

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
const INDEXES: [&str; 5] = ["First", "Second", "Third", "Fourth", "Last"];
/// Words for several days, besides the days' own names.
const SETS: [(&str, u8); 3] = [("Day", 0b111_1111), ("Weekday", 0b011_1110), ("WeekendDay", 0b100_0001)];
const UNITS: [(&str, Unit); 4] = [
    ("DailyRegeneration", Unit::Day),
    ("WeeklyRegeneration", Unit::Week),
    ("MonthlyRegeneration", Unit::Month),
    ("YearlyRegeneration", Unit::Year),
];

/// The last day on which a series may end.
fn last_day() -> Date {
    Date::constant(4500, 9, 1)
}

fn out_of_range(what: &str) -> Refusal {
    Refusal::because("ErrorCalendarOutOfRange", format!("{what} is out of range."))
}

fn number(element: &Element, name: &str, most: i64) -> Result<i64, Refusal> {
    let number = element.child_text(name).and_then(|text| text.parse().ok()).unwrap_or(1);
    if (1..=most).contains(&number) { Ok(number) } else { Err(out_of_range(name)) }
}

/// The date of an xs:date, whatever offset follows it.
fn date(element: &Element, name: &str) -> Result<Date, Refusal> {
    let text = element.child_text(name).unwrap_or_default();
    let day = text.get(..10).and_then(|day| day.parse().ok());
    day.ok_or_else(|| Refusal::because("ErrorCalendarInvalidRecurrence", format!("{name} is no date.")))
}

/// The days that a list of names means.
fn days(text: &str) -> u8 {
    let bit = |word: &str| {
        let day = DAYS.iter().position(|day| *day == word).map(|at| 1u8 << at);
        day.or_else(|| SETS.iter().find(|(name, _)| *name == word).map(|(_, bits)| *bits)).unwrap_or(0)
    };
    text.split_ascii_whitespace().fold(0, |bits, word| bits | bit(word))
}

fn day_names(bits: u8) -> String {
    let names = DAYS.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0).map(|(_, name)| *name);
    names.collect::<Vec<_>>().join(" ")
}

fn has(bits: u8, day: Weekday) -> bool {
    bits & (1 << day.to_sunday_zero_offset()) != 0
}

impl DayIn {
    fn read(element: &Element) -> Result<DayIn, Refusal> {
        if element.name.starts_with("Absolute") {
            let day = number(element, "DayOfMonth", 31)?;
            return Ok(DayIn::Absolute(i8::try_from(day).unwrap_or(31)));
        }
        let index = INDEXES.iter().position(|name| Some(*name) == element.child_text("DayOfWeekIndex"));
        let bits = days(element.child_text("DaysOfWeek").unwrap_or_default());
        let index = index.filter(|_| bits != 0).ok_or_else(|| Refusal::new("ErrorCalendarInvalidRecurrence"))?;
        Ok(DayIn::Relative(bits, i8::try_from(index).unwrap_or(4) + 1))
    }

    /// The day in the month that begins with `first`.
    fn of(&self, first: Date) -> Option<Date> {
        match self {
            DayIn::Absolute(day) => first.with().day((*day).min(first.days_in_month())).build().ok(),
            DayIn::Relative(bits, index) => {
                let mut matching: Vec<Date> = first
                    .series(1.day())
                    .take_while(|day| day.month() == first.month())
                    .filter(|day| has(*bits, day.weekday()))
                    .collect();
                if *index == 5 {
                    return matching.pop();
                }
                matching.into_iter().nth(usize::try_from(index - 1).ok()?)
            }
        }
    }

    fn write(&self, out: &mut XmlOut) {
        match self {
            DayIn::Absolute(day) => out.put("t:DayOfMonth", &day.to_string()),
            DayIn::Relative(bits, index) => {
                let set = SETS.iter().find(|(_, known)| known == bits).map(|(name, _)| (*name).to_owned());
                out.put("t:DaysOfWeek", &set.unwrap_or_else(|| day_names(*bits)));
                let index = usize::try_from(index - 1).ok().and_then(|at| INDEXES.get(at));
                out.put("t:DayOfWeekIndex", index.copied().unwrap_or("Last"));
            }
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            DayIn::Absolute(_) => "Absolute",
            DayIn::Relative(..) => "Relative",
        }
    }
}

impl Pattern {
    fn read(element: &Element) -> Result<Pattern, Refusal> {
        let month = || {
            let at = MONTHS.iter().position(|name| Some(*name) == element.child_text("Month"));
            at.and_then(|at| i8::try_from(at + 1).ok()).ok_or_else(|| Refusal::new("ErrorCalendarInvalidRecurrence"))
        };
        match element.name.as_str() {
            "DailyRecurrence" => Ok(Pattern::Daily(number(element, "Interval", 999)?)),
            "WeeklyRecurrence" => {
                let names = element.child_text("DaysOfWeek").unwrap_or_default();
                if names.is_empty() || names.split_ascii_whitespace().any(|name| !DAYS.contains(&name)) {
                    return Err(Refusal::new("ErrorCalendarInvalidDayForWeeklyRecurrence"));
                }
                let first = element.child_text("FirstDayOfWeek").and_then(weekday);
                Ok(Pattern::Weekly(number(element, "Interval", 99)?, days(names), first))
            }
            "AbsoluteMonthlyRecurrence" | "RelativeMonthlyRecurrence" => {
                Ok(Pattern::Monthly(number(element, "Interval", 99)?, DayIn::read(element)?))
            }
            "AbsoluteYearlyRecurrence" | "RelativeYearlyRecurrence" => {
                Ok(Pattern::Yearly(month()?, DayIn::read(element)?))
            }
            name => match UNITS.iter().find(|(known, _)| *known == name) {
                Some((_, unit)) => Ok(Pattern::Regenerating(*unit, number(element, "Interval", 999)?)),
                None => Err(Refusal::new("ErrorCalendarInvalidRecurrence")),
            },
        }
    }

    fn write(&self, out: &mut XmlOut) {
        let interval = |out: &mut XmlOut, number: &i64| out.put("t:Interval", &number.to_string());
        match self {
            Pattern::Daily(every) => {
                out.raw("<t:DailyRecurrence>");
                interval(out, every);
                out.raw("</t:DailyRecurrence>");
            }
            Pattern::Weekly(every, bits, first) => {
                out.raw("<t:WeeklyRecurrence>");
                interval(out, every);
                out.put("t:DaysOfWeek", &day_names(*bits));
                if let Some(first) = first {
                    out.put("t:FirstDayOfWeek", &day_names(1 << first.to_sunday_zero_offset()));
                }
                out.raw("</t:WeeklyRecurrence>");
            }
            Pattern::Monthly(every, day) => {
                let name = format!("t:{}MonthlyRecurrence", day.kind());
                out.open(&name, &[]);
                interval(out, every);
                day.write(out);
                out.close(&name);
            }
            Pattern::Yearly(month, day) => {
                let name = format!("t:{}YearlyRecurrence", day.kind());
                out.open(&name, &[]);
                day.write(out);
                let month = usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at));
                out.put("t:Month", month.copied().unwrap_or_default());
                out.close(&name);
            }
            Pattern::Regenerating(unit, every) => {
                let name = UNITS.iter().find(|(_, known)| known == unit).map_or("", |(name, _)| name);
                let name = format!("t:{name}");
                out.open(&name, &[]);
                interval(out, every);
                out.close(&name);
            }
        }
    }

    /// The days of the pattern that are not before `start`, in their order, without an end.
    fn days(&self, start: Date) -> Box<dyn Iterator<Item = Date> + '_> {
        match self {
            Pattern::Daily(every) | Pattern::Regenerating(Unit::Day, every) => Box::new(start.series((*every).days())),
            Pattern::Regenerating(Unit::Week, every) => Box::new(start.series((every * 7).days())),
            Pattern::Regenerating(Unit::Month, every) => Box::new(start.series((*every).months())),
            Pattern::Regenerating(Unit::Year, every) => Box::new(start.series((*every).years())),
            Pattern::Weekly(every, bits, first) => {
                let first = first.unwrap_or(Weekday::Sunday);
                let back = i64::from(start.weekday().since(first));
                let begin = start.checked_sub(back.days()).unwrap_or(start);
                let weeks = begin.series((every * 7).days());
                let days = weeks.flat_map(|week| week.series(1.day()).take(7));
                Box::new(days.filter(move |day| *day >= start && has(*bits, day.weekday())))
            }
            Pattern::Monthly(every, day) => {
                let days = start.first_of_month().series((*every).months()).filter_map(|month| day.of(month));
                Box::new(days.filter(move |day| *day >= start))
            }
            Pattern::Yearly(month, day) => {
                let first = Date::new(start.year(), *month, 1).unwrap_or(start);
                let days = first.series(1.year()).filter_map(|month| day.of(month));
                Box::new(days.filter(move |day| *day >= start))
            }
        }
    }
}

fn weekday(name: &str) -> Option<Weekday> {
    let at = DAYS.iter().position(|day| *day == name)?;
    Weekday::from_sunday_zero_offset(i8::try_from(at).ok()?).ok()
}

impl Recurrence {
    /// Reads a `Recurrence` and refuses what Exchange refuses.
    pub(in super::super) fn read(element: &Element) -> Result<Recurrence, Refusal> {
        let [pattern, range] = element.children.as_slice() else {
            return Err(Refusal::new("ErrorCalendarInvalidRecurrence"));
        };
        let start = date(range, "StartDate")?;
        let end = match range.name.as_str() {
            "EndDateRecurrence" => End::On(date(range, "EndDate")?),
            "NumberedRecurrence" => End::After(number(range, "NumberOfOccurrences", 999)?),
            _ => End::Never,
        };
        if matches!(end, End::On(day) if day > last_day()) {
            return Err(Refusal::new("ErrorRecurrenceEndDateTooBig"));
        }
        if matches!(end, End::On(day) if day < start) {
            return Err(Refusal::new("ErrorCalendarEndDateIsEarlierThanStartDate"));
        }
        let recurrence = Recurrence { pattern: Pattern::read(pattern)?, start, end };
        if recurrence.days().next().is_none() {
            return Err(Refusal::new("ErrorRecurrenceHasNoOccurrence"));
        }
        Ok(recurrence)
    }

    /// The recurrence as XML; what follows the dates is an offset.
    pub(in super::super) fn xml(&self, after_start: &str, after_end: &str) -> String {
        let mut out = XmlOut::new();
        out.raw("<t:Recurrence>");
        self.pattern.write(&mut out);
        let start = format!("{}{after_start}", self.start);
        match self.end {
            End::Never => {
                out.raw("<t:NoEndRecurrence>");
                out.put("t:StartDate", &start);
                out.raw("</t:NoEndRecurrence>");
            }
            End::On(day) => {
                out.raw("<t:EndDateRecurrence>");
                out.put("t:StartDate", &start);
                out.put("t:EndDate", &format!("{day}{after_end}"));
                out.raw("</t:EndDateRecurrence>");
            }
            End::After(count) => {
                out.raw("<t:NumberedRecurrence>");
                out.put("t:StartDate", &start);
                out.put("t:NumberOfOccurrences", &count.to_string());
                out.raw("</t:NumberedRecurrence>");
            }
        }
        out.raw("</t:Recurrence>");
        out.buffer
    }

    /// The days of all occurrences.
    pub(in super::super) fn days(&self) -> impl Iterator<Item = Date> + '_ {
        let (last, most) = match self.end {
            End::Never => (last_day(), usize::MAX),
            End::On(day) => (day, usize::MAX),
            End::After(count) => (last_day(), usize::try_from(count).unwrap_or(usize::MAX)),
        };
        self.pattern.days(self.start).take_while(move |day| *day <= last).take(most)
    }

    /// The same from its next occurrence on; none when this was the last one. A regenerating one begins anew from the
    /// day on which it was completed.
    pub(in super::super) fn advanced(&self, completed: Date) -> Option<Recurrence> {
        let next = match self.pattern {
            Pattern::Regenerating(..) => self.pattern.days(completed).nth(1)?,
            _ => self.days().nth(1)?,
        };
        let end = match self.end {
            End::After(1) => return None,
            End::After(count) => End::After(count - 1),
            End::On(day) if day < next => return None,
            end => end,
        };
        Some(Recurrence { start: next, end, ..self.clone() })
    }
}

#[cfg(test)]
mod tests;
