use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::pim::recurrence::{Count, DayOfMonth, Inexpressible, Interval, Month, WeekIndex};

/// Zones with different rules, or none, for daylight time.
pub(crate) const ZONES: [&str; 10] = [
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "America/St_Johns",
    "Europe/London",
    "America/Los_Angeles",
];

pub(crate) fn zone(name: &str) -> TimeZone {
    jiff::tz::TimeZoneDatabase::bundled().get(name).unwrap()
}

fn berlin(start: DateTime) -> Start {
    Start::Zoned(start, zone("Europe/Berlin"))
}

fn on(start: Date) -> Start {
    Start::Day(start)
}

#[test]
fn rules_say_the_same_on_both_sides() {
    let cases = [
        ("FREQ=DAILY;INTERVAL=3", date(2026, 3, 2)),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;WKST=SU", date(2026, 3, 2)),
        ("FREQ=MONTHLY;BYMONTHDAY=2", date(2026, 3, 2)),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", date(2026, 3, 31)),
        ("FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1", date(2026, 2, 28)),
        ("FREQ=MONTHLY;INTERVAL=2;BYDAY=2TU", date(2026, 3, 10)),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", date(2026, 3, 31)),
        ("FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=2;COUNT=7", date(2026, 3, 2)),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1", date(2026, 2, 28)),
        ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH;UNTIL=20301231", date(2026, 11, 26)),
    ];
    for (rule, start) in cases {
        let found = read(rule, &on(start)).unwrap_or_else(|reason| panic!("{rule}: {reason}"));
        assert_eq!(write(&found, &on(start)), rule);
    }
}

#[test]
fn what_other_programs_leave_out_is_the_start() {
    let same = |rule: &str, other: &str| {
        assert_eq!(read(rule, &on(date(2026, 3, 3))), read(other, &on(date(2026, 3, 3))), "{rule}")
    };
    same("FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=TU");
    same("FREQ=MONTHLY", "FREQ=MONTHLY;BYMONTHDAY=3");
    same("FREQ=YEARLY", "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=3");
    same("freq=daily;byday=mo,tu,we,th,fr", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR");
    same("FREQ=YEARLY;INTERVAL=2", "FREQ=MONTHLY;INTERVAL=24");
    same("FREQ=MONTHLY;BYDAY=TU;BYSETPOS=1", "FREQ=MONTHLY;BYDAY=1TU");
    same("FREQ=DAILY;", "INTERVAL=1;FREQ=DAILY");
}

#[test]
fn what_exchange_cannot_say_is_never_approximated() {
    use Inexpressible as Reason;
    let start = on(date(2026, 1, 31));
    let reason = |rule: &str| read(rule, &start).unwrap_err();
    assert_eq!(reason("FREQ=HOURLY"), Reason::Frequency("HOURLY".into()));
    assert_eq!(reason("FREQ=MONTHLY;BYMONTHDAY=31"), Reason::ShortMonths(31));
    assert_eq!(reason("FREQ=MONTHLY"), Reason::ShortMonths(31));
    assert_eq!(reason("FREQ=MONTHLY;BYMONTHDAY=1,15"), Reason::Several("BYMONTHDAY"));
    assert_eq!(reason("FREQ=YEARLY;BYMONTH=1,7"), Reason::Several("BYMONTH"));
    assert_eq!(reason("FREQ=MONTHLY;BYDAY=5SA"), Reason::RelativeDay);
    assert_eq!(reason("FREQ=MONTHLY;BYDAY=-2SA"), Reason::RelativeDay);
    assert_eq!(reason("FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1"), Reason::RelativeDay);
    assert_eq!(reason("FREQ=MONTHLY;BYDAY=MO"), Reason::RelativeDay, "all Mondays");
    assert_eq!(reason("FREQ=YEARLY;BYWEEKNO=5"), Reason::Part("BYWEEKNO".into()));
    assert_eq!(reason("FREQ=YEARLY;BYYEARDAY=31"), Reason::Part("BYYEARDAY".into()));
    assert_eq!(reason("FREQ=DAILY;BYHOUR=9,12"), Reason::Part("BYHOUR".into()));
    assert_eq!(reason("FREQ=DAILY;COUNT=1000"), Reason::TooMany { part: "COUNT", found: 1000, limit: 999 });
    assert_eq!(reason("FREQ=WEEKLY;INTERVAL=100"), Reason::TooMany { part: "INTERVAL", found: 100, limit: 99 });
    assert_eq!(reason("FREQ=YEARLY;INTERVAL=9"), Reason::TooMany { part: "INTERVAL", found: 108, limit: 99 });
    assert_eq!(reason("FREQ=DAILY;UNTIL=45000902"), Reason::TooLate(date(4500, 9, 1)));
    assert_eq!(reason("FREQ=DAILY;UNTIL=20260130"), Reason::Empty);
    let off = Reason::StartOffPattern { start: date(2026, 1, 31), first: date(2026, 2, 2) };
    assert_eq!(reason("FREQ=WEEKLY;BYDAY=MO"), off);
    for broken in [
        "",
        "FREQ=",
        "FREQ",
        "COUNT=1",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;COUNT=1;UNTIL=20270101",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=WEEKLY;BYDAY=X",
        "FREQ=WEEKLY;BYDAY=ä",
        "FREQ=DAILY;UNTIL=20261301",
        "FREQ=DAILY;COUNT=99999999999",
    ] {
        assert!(matches!(reason(broken), Reason::Malformed(_) | Reason::Frequency(_)), "{broken}");
    }
    assert!(read("FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=31", &start).is_ok(), "each January has 31 days");
    assert!(read("FREQ=MONTHLY;INTERVAL=12", &start).is_ok());
    assert_eq!(read("FREQ=YEARLY", &on(date(2024, 2, 29))), Err(Reason::ShortMonths(29)));
}

#[test]
fn until_is_the_last_start_that_can_be() {
    let start = berlin(date(2026, 3, 2).at(0, 30, 0, 0));
    let until = |text: &str| read(&format!("FREQ=DAILY;UNTIL={text}"), &start).unwrap().end;
    // Half past midnight in Berlin is the day before in UTC.
    assert_eq!(until("20260630T223000Z"), End::On(date(2026, 7, 1)));
    assert_eq!(until("20260630T222959Z"), End::On(date(2026, 6, 30)));
    assert_eq!(until("20260701"), End::On(date(2026, 7, 1)));
    assert_eq!(until("20260701T003000"), End::On(date(2026, 7, 1)));
    let daily = Pattern::Daily { interval: Interval::new(1).unwrap() };
    let series = Recurrence { pattern: daily, start: date(2026, 3, 2), end: End::On(date(2026, 7, 1)) };
    assert_eq!(write(&series, &start), "FREQ=DAILY;UNTIL=20260630T223000Z");
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let interval = |most: u16| (1..=most).prop_map(|number| Interval::new(number).unwrap());
    let days = prop::collection::vec(weekday(), 1..5).prop_map(|days| days.into_iter().collect::<Weekdays>());
    let index = || prop::sample::select(WeekIndex::TABLE.map(|row| row.0).to_vec());
    let set = || {
        prop_oneof![
            weekday().prop_map(RelativeDays::One),
            Just(RelativeDays::Day),
            Just(RelativeDays::Workday),
            Just(RelativeDays::WeekendDay)
        ]
    };
    let month = || (1..=12u16).prop_map(|number| Month::new(number).unwrap());
    let day = || (1..=31u16).prop_map(|number| DayOfMonth::new(number).unwrap());
    prop_oneof![
        interval(40).prop_map(|interval| Pattern::Daily { interval }),
        (interval(5), days, weekday()).prop_map(|(interval, days, first_day)| Pattern::Weekly {
            interval,
            days,
            first_day
        }),
        (interval(24), day()).prop_map(|(interval, day)| Pattern::AbsoluteMonthly { interval, day }),
        (interval(24), index(), set()).prop_map(|(interval, index, days)| Pattern::RelativeMonthly {
            interval,
            index,
            days
        }),
        (month(), day()).prop_map(|(month, day)| Pattern::AbsoluteYearly { month, day }),
        (month(), index(), set()).prop_map(|(month, index, days)| Pattern::RelativeYearly { month, index, days }),
    ]
    .prop_filter("unsound", |pattern| pattern.is_sound())
}

fn weekday() -> impl Strategy<Value = Weekday> {
    prop::sample::select(CODES.map(|row| row.0).to_vec())
}

/// A series that begins with its first occurrence, as both sides want it.
pub(crate) fn series() -> impl Strategy<Value = Recurrence> {
    let end = prop_oneof![
        Just(None),
        (1..=60u16).prop_map(|count| Some(End::After(Count::new(count).unwrap()))),
        (0..3000i64)
            .prop_map(|days| Some(End::On(date(2026, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap()))),
    ];
    (pattern(), 0..1500i64, end).prop_map(|(pattern, days, end)| {
        let from = date(2025, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
        let start = Recurrence { pattern, start: from, end: End::Never }.days().next().unwrap();
        let end = match end {
            Some(End::On(last)) => End::On(last.max(start)),
            end => end.unwrap_or(End::Never),
        };
        Recurrence { pattern, start, end }
    })
}

/// All starts of the series in the ten years from its first one, less some, as an independent library finds them in the file.
fn independent(recurrence: &Recurrence, time: DateTime, zone_name: &str, without: &[Date]) -> Vec<i64> {
    let start = Start::Zoned(time, zone(zone_name));
    let mut text =
        format!("DTSTART;TZID={zone_name}:{}\nRRULE:{}", time.strftime("%Y%m%dT%H%M%S"), write(recurrence, &start));
    for date in without {
        text += &format!("\nEXDATE;TZID={zone_name}:{}", date.to_datetime(time.time()).strftime("%Y%m%dT%H%M%S"));
    }
    let set: rrule::RRuleSet = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    let after_ten_years = ten_years_after(time.date());
    let starts = set.into_iter().take_while(|start| {
        let day = start.format("%Y%m%d").to_string();
        Date::strptime("%Y%m%d", day).unwrap() < after_ten_years
    });
    starts.map(|start| start.timestamp()).collect()
}

fn ten_years_after(date: Date) -> Date {
    date.checked_add(jiff::Span::new().years(10)).unwrap()
}

fn thousands() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if asked { ProptestConfig::default() } else { ProptestConfig::with_cases(2000) }
}

proptest! {
    #[test]
    fn a_recurrence_comes_back_from_its_rule(series in series(), hour in 0..24i8, zone_name in prop::sample::select(ZONES.to_vec()), kind in 0..3u8) {
        let time = series.start.at(hour, 30, 0, 0);
        let start = match kind {
            0 => Start::Day(series.start),
            1 => Start::Floating(time),
            _ => Start::Zoned(time, zone(zone_name)),
        };
        prop_assert_eq!(read(&write(&series, &start), &start), Ok(series));
    }

    #[test]
    fn a_day_is_found_without_counting(series in series(), offset in -40..2000i64) {
        let day = series.start.checked_add(jiff::Span::new().days(offset)).unwrap();
        prop_assert_eq!(series.has(day), series.days().take_while(|found| *found <= day).any(|found| found == day));
        prop_assert!(series.days().skip(20).take(20).all(|found| series.has(found)));
    }

    #[test]
    fn a_series_may_be_told_from_its_first_day_on(pattern in pattern(), days in 0..1500i64) {
        let start = date(2025, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
        let series = Recurrence { pattern, start, end: End::Never };
        let told = series.trimmed().unwrap();
        prop_assert_eq!(told.days().take(60).collect::<Vec<_>>(), series.days().take(60).collect::<Vec<_>>());
    }

    #[test]
    fn any_rule_ends(rule in "(FREQ|INTERVAL|COUNT|UNTIL|BYDAY|BYMONTHDAY|BYMONTH|BYSETPOS|WKST|BYX|;|=|,|DAILY|YEARLY|MONTHLY|WEEKLY|MO|-?[0-9]{1,9}|2TU|T|Z|ä){0,20}") {
        let _ = read(&rule, &on(date(2026, 3, 2)));
        let _ = read(&format!("FREQ=MONTHLY;{rule}"), &berlin(date(2026, 3, 2).at(9, 0, 0, 0)));
    }
}

proptest! {
    #![proptest_config(thousands())]

    /// If it failed, meetings would be shown at other times here than on the server.
    #[test]
    fn the_series_and_its_rule_have_the_same_starts(
        series in series(),
        // Not within the hours that zones leave out or have twice, which libraries treat in different ways: Santiago turns its clocks back at
        // midnight. RFC 5545 3.3.5 means the first of the two, as we do.
        hour in 4..23i8,
        zone_name in prop::sample::select(ZONES.to_vec()),
        without in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let time = series.start.at(hour, 0, 0, 0);
        let end = ten_years_after(series.start);
        let days: Vec<Date> = series.days().take_while(|day| *day < end).collect();
        let without: Vec<Date> = without.iter().map(|index| *index.get(&days)).collect();
        let zone = zone(zone_name);
        let kept = days.iter().filter(|day| !without.contains(day));
        let ours: Vec<i64> = kept
            .map(|day| zone.to_ambiguous_zoned(day.to_datetime(time.time())).compatible().unwrap().timestamp().as_second())
            .collect();
        prop_assert_eq!(independent(&series, time, zone_name, &without), ours);
    }
}
