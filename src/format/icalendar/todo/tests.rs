use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::format::icalendar::rule::tests::series;
use crate::pim::{Category, Importance, Sensitivity, Text};

const NOW: UnixTime = UnixTime(1_772_000_000);

fn parse(text: &str) -> TodoFile {
    TodoFile::parse(text.as_bytes().to_vec()).unwrap()
}

fn text(file: &TodoFile) -> String {
    String::from_utf8(file.to_bytes()).unwrap()
}

fn todo(lines: &str) -> String {
    format!("BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VTODO\nUID:1\n{lines}END:VTODO\nEND:VCALENDAR\n")
}

#[test]
fn a_task_of_others_keeps_what_the_server_does_not_know() {
    let original = todo(
        "SUMMARY:Pay\nDUE;TZID=Europe/Berlin:20260305T170000\nPRIORITY:2\nSTATUS:NEEDS-ACTION\nX-APPLE-SORT-ORDER:5\n\
         RELATED-TO:0\nBEGIN:VALARM\nACTION:AUDIO\nTRIGGER:-PT15M\nEND:VALARM\n",
    );
    let mut file = parse(&original);
    let mut task = file.task().unwrap();
    assert_eq!((task.status, task.importance), (TaskStatus::NotStarted, Importance::High));
    assert_eq!((task.due, task.reminder), (Some(date(2026, 3, 5)), None), "an alarm before the end has no place");
    task.due = Some(date(2026, 3, 6));
    file.patch(&task);
    assert_eq!(text(&file), original.replace("20260305T", "20260306T"), "it is still due at five");
    task.status = TaskStatus::WaitingOnOthers;
    file.patch(&task);
    assert_eq!(file.task().unwrap(), task);
    let done = text(&file).replace("STATUS:NEEDS-ACTION", "STATUS:COMPLETED");
    assert_eq!(parse(&done).task().unwrap().status, TaskStatus::Completed, "who knows only STATUS is believed");
}

#[test]
fn a_repetition_that_moved_on_keeps_its_first_day() {
    let mut file = parse(&todo("DTSTART;VALUE=DATE:20260302\nRRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=5\n"));
    let mut task = file.task().unwrap();
    task.start = Some(date(2026, 3, 9));
    file.patch(&task);
    assert_eq!(file.task().unwrap(), task);
    assert!(text(&file).contains("X-EWS-RECURRENCE-START;VALUE=DATE:20260302\n"), "{}", text(&file));
    task.recurrence = None;
    file.patch(&task);
    assert_eq!(text(&file), todo("DTSTART;VALUE=DATE:20260309\n"));
}

#[test]
fn what_no_task_of_the_server_can_be_is_told() {
    let error = |text: &str| match TodoFile::parse(text.as_bytes().to_vec()) {
        Err(error) => error.to_string(),
        Ok(file) => file.task().unwrap_err().to_string(),
    };
    assert_eq!(error("BEGIN:VCALENDAR\nEND:VCALENDAR\n"), "there is no VTODO in the file");
    assert!(error(&todo("END:VTODO\nBEGIN:VTODO\n")).starts_with("there are 2 VTODOs"));
    assert!(error(&todo("DUE:20260302\nRRULE:FREQ=HOURLY\n")).starts_with("HOURLY: Exchange repeats by days"));
    assert!(error(&todo("DUE:20260302\nRRULE:FREQ=DAILY\nEXDATE:20260303\n")).starts_with("EXDATE has no counterpart"));
    assert!(error(&todo("RRULE:FREQ=DAILY\n")).starts_with("there is no DTSTART"));
}

fn words() -> impl Strategy<Value = Text> {
    "[ -~ä\n]{0,24}".prop_map(Text::from)
}

fn day() -> impl Strategy<Value = Option<Date>> {
    prop::option::of((0..3000i64).prop_map(|days| date(2024, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap()))
}

fn recurrences() -> impl Strategy<Value = Option<TaskRecurrence>> {
    let units = prop::sample::select(UNITS.map(|row| row.0).to_vec());
    let regenerating =
        (units, 1..=999u16, series()).prop_map(|(unit, interval, series)| TaskRecurrence::Regenerating {
            unit,
            interval: Interval::new(interval).unwrap(),
            start: series.start,
            end: series.end,
        });
    prop::option::of(prop_oneof![series().prop_map(TaskRecurrence::Regular), regenerating])
}

/// Any task.
pub(crate) fn task() -> impl Strategy<Value = Task> {
    let statuses = prop::sample::select(STATUSES.map(|row| row.0).to_vec());
    let instant = || prop::option::of((0..4_000_000_000i64).prop_map(UnixTime));
    let classes = (
        prop::sample::select(vec![Importance::Low, Importance::Normal, Importance::High]),
        prop::sample::select(vec![
            Sensitivity::Normal,
            Sensitivity::Personal,
            Sensitivity::Private,
            Sensitivity::Confidential,
        ]),
        prop::collection::btree_set("[a-z,;]{1,9}".prop_map(Category), 0..3),
    );
    let texts = (words(), words(), words());
    (texts, statuses, 0..=100u8, (instant(), instant()), (day(), day()), recurrences(), classes).prop_map(
        |((uid, subject, body), status, percent, (completed, reminder), (start, due), recurrence, classes)| Task {
            uid,
            subject,
            body,
            status,
            percent: Percent::new(percent).unwrap(),
            completed,
            start,
            due,
            recurrence,
            reminder,
            importance: classes.0,
            sensitivity: classes.1,
            categories: classes.2,
        },
    )
}

fn file() -> impl Strategy<Value = String> {
    const LINES: [&str; 14] = [
        "DTSTART:20260302T100000Z\n",
        "DTSTART;VALUE=DATE:20260302\n",
        "DUE;TZID=X:20260303T120000\n",
        "DUE:odd\n",
        "RRULE:FREQ=DAILY\n",
        "RRULE:FREQ=WEEKLY;BYDAY=MO\n",
        "STATUS:ODD\n",
        "X-EWS-STATUS:WaitingOnOthers\n",
        "PERCENT-COMPLETE:101\n",
        "PRIORITY:4\n",
        "COMPLETED:20260302T100060Z\n",
        "CLASS:PRIVATE\n",
        "BEGIN:VALARM\nTRIGGER;VALUE=DATE-TIME:20260302T100000Z\nEND:VALARM\n",
        "BEGIN:VALARM\nTRIGGER:-PT5M\nEND:VALARM\n",
    ];
    prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..9).prop_map(|lines| todo(&lines.concat()))
}

proptest! {
    #[test]
    fn a_task_comes_back_from_its_file(task in task()) {
        let mut file = TodoFile::new(&task, NOW);
        prop_assert_eq!(file.task().unwrap(), task.clone());
        prop_assert_eq!(parse(&text(&file)).task().unwrap(), task.clone());
        let before = file.clone();
        file.patch(&task);
        prop_assert_eq!(file, before);
    }

    #[test]
    fn any_file_takes_any_task(original in file(), task in task()) {
        let mut file = parse(&original);
        if let Ok(same) = file.task() {
            file.patch(&same);
            prop_assert_eq!(text(&file), original);
            file.patch(&task);
            prop_assert_eq!(file.task().unwrap(), task);
        }
    }

    #[test]
    fn one_field_changed_changes_that_field(task in task(), other in task(), field in prop::sample::select(Field::ALL.to_vec())) {
        let mut file = TodoFile::new(&task, NOW);
        let mut changed = task.clone();
        changed.take(&other, field);
        file.patch(&changed);
        prop_assert_eq!(file.task().unwrap(), changed);
        prop_assert_eq!(ROWS.iter().filter(|row| row.field == field).count(), 1);
    }
}
