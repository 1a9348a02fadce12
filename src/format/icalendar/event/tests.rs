use jiff::civil::{Date, DateTime, date};
use proptest::prelude::*;

use super::*;
use crate::format::icalendar::rule::tests::{ZONES, series};
use crate::pim::event::{Answer, At, Attendee, Busy, Details, EventState, Person, Role, When, ZoneName};
use crate::pim::{Attachment, Attachments, Blob, Category, Importance, Sensitivity, Text};

const NOW: UnixTime = UnixTime(1_772_000_000);

fn parse(text: &str) -> EventFile {
    EventFile::parse(text.as_bytes().to_vec()).unwrap()
}

fn text(file: &EventFile) -> String {
    String::from_utf8(file.to_bytes()).unwrap()
}

fn calendar(events: &[&str]) -> String {
    let events = events.iter().map(|lines| format!("BEGIN:VEVENT\nUID:1\n{lines}END:VEVENT\n")).collect::<String>();
    format!("BEGIN:VCALENDAR\nVERSION:2.0\n{events}END:VCALENDAR\n")
}

fn berlin(time: DateTime) -> At {
    At { time, zone: ZoneName::Named { tzid: "Europe/Berlin".into(), iana: "Europe/Berlin".into() } }
}

const WEEKLY: &str = "DTSTART;TZID=Europe/Berlin:20260302T090000\nDTEND;TZID=Europe/Berlin:20260302T100000\n\
    RRULE:FREQ=WEEKLY;BYDAY=MO\nSUMMARY:Team\nX-OWN:1\n";

#[test]
fn exceptions_are_told_by_their_days_in_the_series_zone() {
    // After the change to summer time, nine in Berlin is seven in UTC.
    let file = parse(&calendar(&[
        &format!(
            "{WEEKLY}EXDATE:20260309T080000Z\nEXDATE;TZID=Europe/Berlin:20260330T090000,20260406T090000\nEXDATE:20260310T080000Z\n"
        ),
        "RECURRENCE-ID:20260413T070000Z\nDTSTART:20260413T120000Z\nDTEND:20260413T130000Z\nSUMMARY:Late\n",
    ]));
    let event = file.event().unwrap();
    let deleted: Vec<Date> = event.deleted.iter().copied().collect();
    assert_eq!(deleted, [date(2026, 3, 9), date(2026, 3, 30), date(2026, 4, 6)], "the fourth is no occurrence");
    assert_eq!(event.overrides.keys().copied().collect::<Vec<_>>(), [date(2026, 4, 13)]);
}

#[test]
fn a_length_beyond_all_calendars_stops_nothing() {
    for length in ["P999999999W", "-P999999999W", "PT99999999999H", "P9223372036854775807D"] {
        let file = parse(&calendar(&[&format!("DTSTART;VALUE=DATE:20260302\nDURATION:{length}\nSUMMARY:Long\n")]));
        drop(file.event());
    }
}

#[test]
fn one_occurrence_changed_leaves_the_series_alone() {
    let original = calendar(&[WEEKLY]);
    let mut file = parse(&original);
    let mut event = file.event().unwrap();
    event.deleted.insert(date(2026, 3, 9));
    file.patch(&event).unwrap();
    let with_exdate = original.replace("X-OWN:1\n", "X-OWN:1\nEXDATE;TZID=Europe/Berlin:20260309T090000\n");
    // The zone had no definition, and gets none for that.
    assert_eq!(text(&file), with_exdate);
    let mut moved = event.details.clone();
    moved.when =
        When::Zoned { start: berlin(date(2026, 3, 17).at(9, 0, 0, 0)), end: berlin(date(2026, 3, 17).at(10, 0, 0, 0)) };
    event.overrides.insert(date(2026, 3, 16), moved);
    file.patch(&event).unwrap();
    assert_eq!(file.event().unwrap(), event);
    assert!(text(&file).contains("RECURRENCE-ID;TZID=Europe/Berlin:20260316T090000\n"));
    event.overrides.clear();
    event.deleted.clear();
    file.patch(&event).unwrap();
    assert_eq!(text(&file), original);
}

#[test]
fn a_series_that_moves_takes_its_exceptions_along() {
    let mut file = parse(&calendar(&[
        &format!("{WEEKLY}EXDATE;TZID=Europe/Berlin:20260309T090000\n"),
        "RECURRENCE-ID;TZID=Europe/Berlin:20260316T090000\nDTSTART;TZID=Europe/Berlin:20260316T110000\nSUMMARY:x\n",
    ]));
    let mut event = file.event().unwrap();
    event.details.when =
        When::Zoned { start: berlin(date(2026, 3, 2).at(8, 0, 0, 0)), end: berlin(date(2026, 3, 2).at(9, 0, 0, 0)) };
    file.patch(&event).unwrap();
    assert_eq!(file.event().unwrap(), event);
    assert!(text(&file).contains("EXDATE;TZID=Europe/Berlin:20260309T080000\n"));
    assert!(text(&file).contains("RECURRENCE-ID;TZID=Europe/Berlin:20260316T080000\n"));
}

#[test]
fn an_occurrence_has_files_of_its_own_and_may_repeat_those_of_its_series() {
    let line = |name: &str| format!("ATTACH;ENCODING=BASE64;VALUE=BINARY;FILENAME={name}:QQ==\n");
    let (day, original) = (
        date(2026, 3, 16),
        "RECURRENCE-ID;TZID=Europe/Berlin:20260316T090000\nDTSTART;TZID=Europe/Berlin:20260316T110000\n",
    );
    let [series, own] = ["series", "own"].map(|name| Attachment::new(name, Blob::new("A")));
    let mut file = parse(&calendar(&[
        &format!("{WEEKLY}{}", line("series")),
        &format!("{original}{}{}SUMMARY:x\n", line("series"), line("own")),
    ]));
    let mut event = file.event().unwrap();
    assert_eq!(event.attachments, [series].into_iter().collect());
    assert_eq!(event.overrides[&day].files, [own.clone()].into_iter().collect());
    // What the series no longer has, none of its occurrences repeats.
    event.attachments = [Attachment::new("new", Blob::new("B"))].into_iter().collect();
    file.patch(&event).unwrap();
    assert_eq!(file.event().unwrap(), event);
    assert_eq!((text(&file).matches("FILENAME=series").count(), text(&file).matches("FILENAME=own").count()), (0, 1));
    event.overrides.get_mut(&day).unwrap().files = Attachments::default();
    file.patch(&event).unwrap();
    assert!(
        text(&file).ends_with(&format!("BEGIN:VEVENT\nUID:1\n{original}SUMMARY:x\nEND:VEVENT\nEND:VCALENDAR\n")),
        "{}",
        text(&file)
    );
    // What one has becomes the whole series'.
    event.overrides.get_mut(&day).unwrap().files = [own.clone()].into_iter().collect();
    event.take(&Event { attachments: [own].into_iter().collect(), ..Event::default() }, EventField::Attachments);
    assert!(event.overrides[&day].files.is_empty());
    file.patch(&event).unwrap();
    assert_eq!(file.event().unwrap(), event);
}

#[test]
fn whole_days_are_whole_days_everywhere() {
    let file =
        parse(&calendar(&["DTSTART;VALUE=DATE:20260302\nRRULE:FREQ=DAILY;COUNT=5\nEXDATE;VALUE=DATE:20260303\n"]));
    let event = file.event().unwrap();
    assert_eq!(event.details.when, When::AllDay { first: date(2026, 3, 2), end: date(2026, 3, 3) });
    assert_eq!(event.deleted, [date(2026, 3, 3)].into());
}

#[test]
fn times_are_read_as_they_are_written() {
    let when = |lines: &str| parse(&calendar(&[lines])).event().unwrap().details.when;
    let floating = when("DTSTART:20260302T090000\nDURATION:PT1H30M\n");
    assert_eq!(
        floating,
        When::Floating { start: date(2026, 3, 2).at(9, 0, 0, 0), end: date(2026, 3, 2).at(10, 30, 0, 0) }
    );
    assert_eq!(when("DTSTART;VALUE=DATE:20260302\nDTEND;VALUE=DATE:20260302\n"), when("DTSTART:20260302\n"));
    let When::Zoned { start, end } =
        when("DTSTART;TZID=\"W. Europe Standard Time\":20260302T090000\nDTEND:20260302T090000Z\n")
    else {
        panic!("it has a zone");
    };
    assert_eq!(start.zone, ZoneName::Named { tzid: "W. Europe Standard Time".into(), iana: "Europe/Berlin".into() });
    assert_eq!(end.zone, ZoneName::Utc);
}

#[test]
fn what_the_server_cannot_hold_is_told() {
    let error = |events: &[&str]| match EventFile::parse(calendar(events).into_bytes()) {
        Err(error) => error.to_string(),
        Ok(file) => file.event().unwrap_err().to_string(),
    };
    let daily = "DTSTART:20260302T090000Z\nRRULE:FREQ=DAILY\n";
    assert!(error(&[&format!("{daily}RDATE:20260401T090000Z\n")]).starts_with("RDATE has no counterpart"));
    assert!(error(&[&format!("{daily}RRULE:FREQ=YEARLY\n")]).starts_with("a second RRULE has no counterpart"));
    assert!(
        error(&[daily, "RECURRENCE-ID:20260303T100000Z\nDTSTART:20260303T100000Z\n"])
            .contains("belongs to no occurrence")
    );
    assert!(
        error(&[daily, "RECURRENCE-ID;RANGE=THISANDFUTURE:20260303T090000Z\nDTSTART:20260303T100000Z\n"])
            .contains("RANGE")
    );
    assert!(error(&["RECURRENCE-ID:20260303T100000Z\nDTSTART:20260303T100000Z\n"]).contains("not the series itself"));
    assert!(
        error(&["DTSTART;TZID=Customized Time Zone:20260303T100000\n"]).contains("use a name such as Europe/Berlin")
    );
    assert!(error(&["DTSTART:soon\n"]).contains("DTSTART is \"soon\""));
    assert!(error(&["SUMMARY:x\n"]).contains("there is no DTSTART"));
    assert!(error(&["DTSTART:20260302T090000Z\nDTEND:20260302T080000Z\n"]).contains("DTEND is"));
    assert!(error(&[daily, daily]).starts_with("there are 2 VEVENTs"));
}

#[test]
fn a_series_of_a_billion_occurrences_ends() {
    let exdates: String = (0..20_000)
        .map(|n| {
            format!(
                "EXDATE:{}T090000Z\n",
                date(2026, 3, 2).checked_add(jiff::Span::new().days(n)).unwrap().strftime("%Y%m%d")
            )
        })
        .collect();
    let file = parse(&calendar(&[&format!("DTSTART:20260302T090000Z\nRRULE:FREQ=DAILY\n{exdates}")]));
    assert_eq!(file.event().unwrap().deleted.len(), 20_000);
    let error =
        parse(&calendar(&["DTSTART:20260302T090000Z\nRRULE:FREQ=DAILY;COUNT=1000000000\n"])).event().unwrap_err();
    assert!(error.to_string().contains("COUNT=1000000000 is more than the 999"), "{error}");
}

#[test]
fn who_is_invited_keeps_what_the_server_does_not_know() {
    let line = "ATTENDEE;CUTYPE=INDIVIDUAL;RSVP=TRUE;CN=Ann;PARTSTAT=NEEDS-ACTION;X-NUM=3:mailto:ann@example.org\n";
    let original = calendar(&[&format!("DTSTART:20260302T090000Z\nORGANIZER;CN=Boss:MAILTO:boss@example.org\n{line}")]);
    let mut file = parse(&original);
    let mut event = file.event().unwrap();
    assert_eq!(event.organiser, Some(Person { name: "Boss".into(), address: "boss@example.org".into() }));
    event.attendees[0].answer = Answer::Accepted;
    file.patch(&event).unwrap();
    assert_eq!(text(&file).replace("\n ", ""), original.replace("NEEDS-ACTION", "ACCEPTED"));
}

/// At half past two in the night to summer time it is half past three.
#[test]
fn a_time_that_the_clocks_skip_is_what_they_show_then() {
    let night = "DTSTART;TZID=Europe/Berlin:20260329T023000\nDTEND;TZID=Europe/Berlin:20260329T043000\n";
    let shown = berlin(date(2026, 3, 29).at(3, 30, 0, 0));
    let single = calendar(&[night]);
    let mut file = parse(&single);
    let event = file.event().unwrap();
    assert_eq!(
        event.details.when,
        When::Zoned { start: shown.clone(), end: berlin(date(2026, 3, 29).at(4, 30, 0, 0)) }
    );
    file.patch(&event).unwrap();
    assert_eq!(text(&file), single);
    let nightly =
        "DTSTART;TZID=Europe/Berlin:20260327T023000\nDTEND;TZID=Europe/Berlin:20260327T043000\nRRULE:FREQ=DAILY\n";
    let series = parse(&calendar(&[nightly, &format!("RECURRENCE-ID;TZID=Europe/Berlin:20260329T023000\n{night}")]));
    let event = series.event().unwrap();
    let When::Zoned { start, .. } = &event.overrides[&date(2026, 3, 29)].when else { panic!("{event:?}") };
    assert_eq!(*start, shown);
    // All others would be at half past three.
    let begun = parse(&calendar(&[&format!("{night}RRULE:FREQ=DAILY\n")]));
    assert_eq!(begun.event(), Err(EventError::Skipped(date(2026, 3, 29).at(2, 30, 0, 0))));
}

fn words() -> impl Strategy<Value = Text> {
    "[ -~ä\n]{0,16}".prop_map(Text::from)
}

fn zone() -> impl Strategy<Value = ZoneName> {
    let named =
        prop::sample::select(ZONES.to_vec()).prop_map(|zone| ZoneName::Named { tzid: zone.into(), iana: zone.into() });
    prop_oneof![
        1 => Just(ZoneName::Utc),
        1 => Just(ZoneName::Named { tzid: "W. Europe Standard Time".into(), iana: "Europe/Berlin".into() }),
        4 => named,
    ]
}

/// Times that start on that day, not within the hours that zones leave out.
fn when(first: Date) -> impl Strategy<Value = When> {
    let after = move |days: i64| first.checked_add(jiff::Span::new().days(days)).unwrap();
    let start = (4..24i8, 0..60i8).prop_map(move |(hour, minute)| first.at(hour, minute, 0, 0));
    let later = (1..5i64, 4..24i8).prop_map(move |(days, hour)| after(days).at(hour, 0, 0, 0));
    (0..3u8, start, later, 1..9i64, zone(), zone()).prop_map(move |(kind, start, end, days, from, to)| match kind {
        0 => When::AllDay { first, end: after(days) },
        1 => When::Floating { start, end },
        _ => When::Zoned {
            start: At { time: start, zone: from },
            end: At { time: end.checked_add(jiff::Span::new().days(2)).unwrap(), zone: to },
        },
    })
}

fn details(first: Date) -> impl Strategy<Value = Details> {
    let busy = vec![Busy::Free, Busy::Tentative, Busy::Busy, Busy::OutOfOffice, Busy::WorkingElsewhere];
    let classes = (
        prop::sample::select(busy),
        prop::sample::select(vec![EventState::Planned, EventState::Cancelled]),
        prop::option::of(0..20_000u32),
        prop::sample::select(vec![Importance::Low, Importance::Normal, Importance::High]),
        prop::sample::select(vec![
            Sensitivity::Normal,
            Sensitivity::Personal,
            Sensitivity::Private,
            Sensitivity::Confidential,
        ]),
        prop::collection::btree_set("[a-z,;]{1,9}".prop_map(Category), 0..3),
    );
    (words(), words(), words(), words(), when(first), classes).prop_map(
        |(subject, location, body, html, when, (busy, state, reminder, importance, sensitivity, categories))| Details {
            subject,
            location,
            body,
            html,
            when,
            busy,
            state,
            reminder,
            importance,
            sensitivity,
            categories,
            files: Attachments::default(),
        },
    )
}

fn people() -> impl Strategy<Value = (Option<Person>, Vec<Attendee>)> {
    let person = ("[A-Za-z ,:;\"]{0,9}", "[a-z]{1,5}@[a-z]{1,5}")
        .prop_map(|(name, address)| Person { name: name.into(), address: address.into() });
    let attendee = (
        person.clone(),
        prop::sample::select(vec![Role::Required, Role::Optional, Role::Resource]),
        prop::sample::select(vec![Answer::None, Answer::Accepted, Answer::Tentative, Answer::Declined]),
    )
        .prop_map(|(person, role, answer)| Attendee { person, role, answer });
    (prop::option::of(person), prop::collection::vec(attendee, 0..3))
}

fn attachments() -> impl Strategy<Value = Attachments> {
    let file = ("[A-Za-z ,:;\"^.äß]{0,9}", prop::collection::vec(any::<u8>(), 0..90), "([a-z]{1,5}/[a-z.+-]{1,9})?")
        .prop_map(|(name, data, media_type)| Attachment {
            media_type: media_type.into(),
            ..Attachment::new(&name, Blob::new(data))
        });
    prop::collection::vec(file, 0..3).prop_map(|files| files.into_iter().collect())
}

/// Any event.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    let exceptions = prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..5);
    (prop::option::of(series()), exceptions)
        .prop_flat_map(|(recurrence, exceptions)| {
            let first = recurrence.as_ref().map_or(date(2026, 3, 2), |recurrence| recurrence.start);
            let days: Vec<Date> = recurrence.iter().flat_map(|recurrence| recurrence.days().take(50)).collect();
            let chosen: Vec<(Date, bool)> = match days.is_empty() {
                true => Vec::new(),
                false => exceptions.into_iter().map(|(index, deleted)| (*index.get(&days), deleted)).collect(),
            };
            let count = chosen.len();
            let overrides = prop::collection::vec((details(first), attachments()), count);
            (words(), details(first), people(), attachments(), Just(recurrence), Just(chosen), overrides)
        })
        .prop_map(|(uid, details, (organiser, attendees), attachments, recurrence, chosen, differences)| {
            let mut event = Event { uid, details, organiser, attendees, attachments, recurrence, ..Event::default() };
            for ((day, deleted), different) in chosen.into_iter().zip(differences) {
                if deleted {
                    event.overrides.remove(&day);
                    event.deleted.insert(day);
                } else if !event.deleted.contains(&day) {
                    let (details, files) = different;
                    event.overrides.insert(day, Details { files, ..details });
                }
            }
            event.settle_files();
            event
        })
}

fn some_cases() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if asked { ProptestConfig::default() } else { ProptestConfig::with_cases(96) }
}

proptest! {
    #![proptest_config(some_cases())]

    #[test]
    fn an_event_comes_back_from_its_file(event in event()) {
        let mut file = EventFile::new(&event, NOW).unwrap();
        prop_assert_eq!(file.event().unwrap(), event.clone());
        prop_assert_eq!(parse(&text(&file)).event().unwrap(), event.clone());
        let before = file.clone();
        file.patch(&event).unwrap();
        prop_assert_eq!(file, before);
    }

    #[test]
    fn a_file_takes_any_event(one in event(), other in event()) {
        let mut file = EventFile::new(&one, NOW).unwrap();
        file.patch(&other).unwrap();
        prop_assert_eq!(file.event().unwrap(), other);
    }

    #[test]
    fn one_field_changed_changes_that_field(event in event(), other in event(), field in prop::sample::select(DetailsField::ALL.to_vec())) {
        let mut file = EventFile::new(&event, NOW).unwrap();
        let mut changed = event.clone();
        if field != DetailsField::When {
            changed.details.take(&other.details, field);
        }
        file.patch(&changed).unwrap();
        prop_assert_eq!(file.event().unwrap(), changed);
        // Files of occurrences have lines like those of the series.
        let rows = usize::from(field != DetailsField::Files);
        prop_assert_eq!(ROWS.iter().filter(|row| row.fields.contains(&field)).count(), rows);
    }

    #[test]
    fn a_merge_with_an_unchanged_side_is_the_other(base in event(), other in event()) {
        prop_assert_eq!(Event::merge(&base, &other, &base).item, other.clone());
        prop_assert_eq!(Event::merge(&base, &base, &other).item, other.clone());
        prop_assert_eq!(Event::merge(&base, &other, &other).item, other);
    }
}
