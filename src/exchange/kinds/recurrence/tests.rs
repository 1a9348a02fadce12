//! Which days a recurrence names, by hand and by an independent library.

use super::*;
use crate::exchange::xml;

fn read(pattern: &str, range: &str) -> Result<Recurrence, String> {
    let element = xml::parse(&format!("<Recurrence>{pattern}{range}</Recurrence>")).unwrap();
    Recurrence::read(&element).map_err(|refusal| refusal.code)
}

fn first(pattern: &str, range: &str) -> Vec<String> {
    read(pattern, range).unwrap().days().take(5).map(|day| day.to_string()).collect()
}

const FROM_JANUARY: &str = "<NoEndRecurrence><StartDate>2026-01-10</StartDate></NoEndRecurrence>";

#[test]
fn each_pattern_names_its_days() {
    let day = "<Interval>1</Interval><DayOfMonth>31</DayOfMonth>";
    let clamped = first(&format!("<AbsoluteMonthlyRecurrence>{day}</AbsoluteMonthlyRecurrence>"), FROM_JANUARY);
    assert_eq!(clamped, ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]);
    let weekly = "<WeeklyRecurrence><Interval>2</Interval><DaysOfWeek>Monday Sunday</DaysOfWeek>\
         <FirstDayOfWeek>Monday</FirstDayOfWeek></WeeklyRecurrence>";
    let days = first(weekly, FROM_JANUARY);
    assert_eq!(days, ["2026-01-11", "2026-01-19", "2026-01-25", "2026-02-02", "2026-02-08"]);
    let days = first(&weekly.replace("Monday</First", "Sunday</First"), FROM_JANUARY);
    assert_eq!(days, ["2026-01-18", "2026-01-19", "2026-02-01", "2026-02-02", "2026-02-15"]);
    let last_workday = "<RelativeMonthlyRecurrence><Interval>3</Interval><DaysOfWeek>Weekday</DaysOfWeek>\
         <DayOfWeekIndex>Last</DayOfWeekIndex></RelativeMonthlyRecurrence>";
    let days = first(last_workday, FROM_JANUARY);
    assert_eq!(days, ["2026-01-30", "2026-04-30", "2026-07-31", "2026-10-30", "2027-01-29"]);
    let leap =
        "<AbsoluteYearlyRecurrence><DayOfMonth>29</DayOfMonth><Month>February</Month></AbsoluteYearlyRecurrence>";
    let days = first(leap, FROM_JANUARY);
    assert_eq!(days, ["2026-02-28", "2027-02-28", "2028-02-29", "2029-02-28", "2030-02-28"]);
    let third = "<RelativeYearlyRecurrence><DaysOfWeek>Tuesday</DaysOfWeek><DayOfWeekIndex>Third</DayOfWeekIndex>\
         <Month>January</Month></RelativeYearlyRecurrence>";
    assert_eq!(first(third, FROM_JANUARY)[..2], ["2026-01-20", "2027-01-19"]);
    let daily = "<DailyRecurrence><Interval>3</Interval></DailyRecurrence>";
    let numbered = "<NumberedRecurrence><StartDate>2026-01-10+01:00</StartDate>\
         <NumberOfOccurrences>2</NumberOfOccurrences></NumberedRecurrence>";
    assert_eq!(first(daily, numbered), ["2026-01-10", "2026-01-13"]);
}

#[test]
fn what_is_out_of_bounds_is_refused() {
    let daily = |interval| format!("<DailyRecurrence><Interval>{interval}</Interval></DailyRecurrence>");
    assert_eq!(read(&daily(1000), FROM_JANUARY), Err("ErrorCalendarOutOfRange".to_owned()));
    assert_eq!(read(&daily(0), FROM_JANUARY), Err("ErrorCalendarOutOfRange".to_owned()));
    let until = |day| {
        format!("<EndDateRecurrence><StartDate>2026-01-10</StartDate><EndDate>{day}</EndDate></EndDateRecurrence>")
    };
    assert_eq!(read(&daily(1), &until("4500-09-02")), Err("ErrorRecurrenceEndDateTooBig".to_owned()));
    assert_eq!(read(&daily(1), &until("2026-01-09")), Err("ErrorCalendarEndDateIsEarlierThanStartDate".to_owned()));
    let weekly = "<WeeklyRecurrence><Interval>1</Interval><DaysOfWeek>Sunday</DaysOfWeek></WeeklyRecurrence>";
    assert_eq!(read(weekly, &until("2026-01-10")), Err("ErrorRecurrenceHasNoOccurrence".to_owned()));
    let odd = weekly.replace("Sunday", "Weekday");
    assert_eq!(read(&odd, FROM_JANUARY), Err("ErrorCalendarInvalidDayForWeeklyRecurrence".to_owned()));
}

#[test]
fn what_is_written_reads_the_same() {
    for (name, _) in UNITS {
        let read = read(&format!("<{name}><Interval>2</Interval></{name}>"), FROM_JANUARY).unwrap();
        let again = xml::parse(&read.xml("+01:00", "").replace("t:", "")).unwrap();
        assert_eq!(Recurrence::read(&again).ok(), Some(read));
    }
}

/// The rule of RFC 5545 that says the same; none where a month can be too short for the day.
fn rule(pattern: &Pattern) -> Option<String> {
    let names = |bits: u8| {
        let days = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"].into_iter().enumerate();
        days.filter(|(at, _)| bits & (1 << at) != 0).map(|(_, name)| name).collect::<Vec<_>>().join(",")
    };
    let day_in = |day: &DayIn| match day {
        DayIn::Absolute(day) if *day > 28 => None,
        DayIn::Absolute(day) => Some(format!("BYMONTHDAY={day}")),
        DayIn::Relative(bits, 5) => Some(format!("BYDAY={};BYSETPOS=-1", names(*bits))),
        DayIn::Relative(bits, index) => Some(format!("BYDAY={};BYSETPOS={index}", names(*bits))),
    };
    Some(match pattern {
        Pattern::Daily(every) => format!("FREQ=DAILY;INTERVAL={every}"),
        Pattern::Weekly(every, bits, first) => {
            let first = names(1 << first.unwrap_or(Weekday::Sunday).to_sunday_zero_offset());
            format!("FREQ=WEEKLY;INTERVAL={every};BYDAY={};WKST={first}", names(*bits))
        }
        Pattern::Monthly(every, day) => format!("FREQ=MONTHLY;INTERVAL={every};{}", day_in(day)?),
        Pattern::Yearly(month, day) => format!("FREQ=YEARLY;BYMONTH={month};{}", day_in(day)?),
        Pattern::Regenerating(..) => return None,
    })
}

/// Every kind of pattern, many of each.
fn patterns() -> Vec<Pattern> {
    let mut all: Vec<Pattern> = (1..=9).map(Pattern::Daily).collect();
    for every in 1..=4 {
        for bits in [0b000_0001, 0b000_0010, 0b100_0000, 0b001_0101, 0b111_1111, 0b100_0001] {
            all.extend(
                [None, Some(Weekday::Monday), Some(Weekday::Thursday)].map(|first| Pattern::Weekly(every, bits, first)),
            );
        }
    }
    let mut days: Vec<DayIn> = [1, 15, 28].map(DayIn::Absolute).to_vec();
    let sets = [0b000_0001, 0b000_1000, 0b111_1111, 0b011_1110, 0b100_0001];
    days.extend(sets.iter().flat_map(|bits| (1..=5).map(|index| DayIn::Relative(*bits, index))));
    for day in days {
        all.extend([1, 2, 5, 12].map(|every| Pattern::Monthly(every, day.clone())));
        all.extend([1, 2, 11].map(|month| Pattern::Yearly(month, day.clone())));
    }
    all
}

#[test]
fn an_independent_library_finds_the_same_days() {
    let mut compared = 0;
    for pattern in patterns() {
        for start in ["2026-01-01", "2026-02-28", "2027-05-31"] {
            let start: Date = start.parse().unwrap();
            let recurrence = Recurrence { pattern: pattern.clone(), start, end: End::Never };
            let ours: Vec<Date> = recurrence.days().take(60).collect();
            // That library counts its own first day as one; ours begins with the first day of the pattern.
            let first = ours[0].strftime("%Y%m%d");
            let Some(rule) = rule(&pattern) else { continue };
            // Weeks and months are counted from where the series starts, which must not be lost with the days before.
            let aligned = match &pattern {
                Pattern::Weekly(every, ..) => *every == 1,
                Pattern::Monthly(every, _) => *every == 1,
                _ => true,
            } || ours[0] == start;
            if !aligned {
                continue;
            }
            let text = format!("DTSTART:{first}T120000Z\nRRULE:{rule}");
            let theirs: rrule::RRuleSet = text.parse().unwrap();
            let theirs: Vec<String> =
                theirs.into_iter().take(60).map(|day| day.format("%Y-%m-%d").to_string()).collect();
            let ours: Vec<String> = ours.iter().map(Date::to_string).collect();
            assert_eq!(ours, theirs, "{text}");
            compared += 1;
        }
    }
    assert!(compared > 400, "{compared}");
}
