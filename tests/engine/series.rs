//! A series of which an exception is taken back: the server has no operation for that, so the series is rewritten. Whatever cuts that off, it ends as
//! the file says, and no exception is lost on the way.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use jiff::civil::{Date, date};
use pimsync::exchange::{Action, Options, Personality, Rule, User};
use pimsync::pim::event::When;
use pimsync::pim::{Entry, Event, SpecialFolder};
use pimsync::sync::{NoticeKind, Step};

use super::entries::{BOTH, TEA, as_event, copies, only_file, settled, write};
use crate::client::Client;
use crate::world::others::Others;
use crate::world::{CutAt, USER, World};

pub(super) const EXDATE: &str = "EXDATE;TZID=Europe/Berlin:20260316T160000\n";

pub(super) fn exception(day: &str, summary: &str, hour: &str) -> String {
    format!(
        "BEGIN:VEVENT\nUID:tea-1\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID;TZID=Europe/Berlin:{day}T160000\nDTSTART;TZID=Europe/Berlin:{day}T{hour}0000\n\
         DTEND;TZID=Europe/Berlin:{day}T200000\nSUMMARY:{summary}\nLOCATION:Garden\nX-CUPS:{hour}\nEND:VEVENT\n"
    )
}

/// A series with one occurrence deleted and two different.
fn series() -> String {
    let rule = format!("LOCATION:Garden\nRRULE:FREQ=WEEKLY;COUNT=10\n{EXDATE}");
    let exceptions = exception("20260309", "Late tea", "18") + &exception("20260330", "Later tea", "19");
    TEA.replace("LOCATION:Garden\n", &rule).replace("END:VCALENDAR\n", &format!("{exceptions}END:VCALENDAR\n"))
}

/// What somebody does to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    /// The deleted occurrence is there again.
    TakeBackDeletion,
    /// One of the different ones is as ever.
    TakeBackException,
    /// It ends later: a server may drop all exceptions for that.
    Prolong,
    /// It is at another time, and an occurrence is there again.
    MoveAll,
}

const EDITS: [Edit; 4] = [Edit::TakeBackDeletion, Edit::TakeBackException, Edit::Prolong, Edit::MoveAll];

fn edited(how: Edit) -> String {
    let series = series();
    match how {
        Edit::TakeBackDeletion => series.replace(EXDATE, ""),
        Edit::TakeBackException => series.replace(&exception("20260309", "Late tea", "18"), ""),
        Edit::Prolong => series.replace("COUNT=10", "COUNT=12"),
        Edit::MoveAll => series
            .replace(EXDATE, "")
            .replace("T160000", "T150000")
            .replace("DTEND;TZID=Europe/Berlin:20260302T170000", "DTEND;TZID=Europe/Berlin:20260302T163000"),
    }
}

fn before(like: Personality) -> World {
    let world = World::unrecorded(like);
    world.sync();
    write(&world, "Calendar/tea.ics", &series());
    assert_eq!(settled(&world).notices, []);
    world
}

fn there(world: &World) -> Event {
    let mut all = Others(world).all(SpecialFolder::Calendar);
    assert_eq!(all.len(), 1, "{all:?}");
    as_event(&all.remove(0).entry).clone()
}

/// The exceptions that the server is to have: of each day, what it is called; nothing where it is deleted.
fn exceptions(event: &Event) -> BTreeMap<Date, String> {
    let different = event.overrides.iter().map(|(day, details)| (*day, details.subject.to_string()));
    event.deleted.iter().map(|day| (*day, String::new())).chain(different).collect()
}

fn wanted(how: Edit) -> BTreeMap<Date, String> {
    let mut wanted = BTreeMap::from([
        (date(2026, 3, 9), "Late tea".to_owned()),
        (date(2026, 3, 16), String::new()),
        (date(2026, 3, 30), "Later tea".to_owned()),
    ]);
    match how {
        Edit::TakeBackDeletion | Edit::MoveAll => drop(wanted.remove(&date(2026, 3, 16))),
        Edit::TakeBackException => drop(wanted.remove(&date(2026, 3, 9))),
        Edit::Prolong => {}
    }
    wanted
}

fn assert_done(world: &World, how: Edit, told: &str) {
    let event = there(world);
    assert_eq!(exceptions(&event), wanted(how), "{told}");
    assert_eq!(
        event.recurrence.as_ref().map(|rule| rule.days().count()),
        Some(if how == Edit::Prolong { 12 } else { 10 })
    );
    let When::Zoned { start, .. } = &event.details.when else { panic!("{told}: {event:?}") };
    assert_eq!(start.time, date(2026, 3, 2).at(if how == Edit::MoveAll { 15 } else { 16 }, 0, 0, 0), "{told}");
    assert_eq!(only_file(world, "Calendar").1, edited(how).replace('\n', "\r\n"), "the file is left as it is: {told}");
    assert_eq!(copies(world), Vec::<String>::new(), "{told}");
    assert!(world.mailbox.items("Sent Items").unwrap().is_empty(), "nobody is mailed: {told}");
}

fn change(world: &World, how: Edit) {
    fs::write(only_file(world, "Calendar").0, edited(how).replace('\n', "\r\n")).unwrap();
}

#[test]
fn an_exception_is_taken_back_and_all_others_stay() {
    for like in BOTH {
        for how in EDITS {
            let world = World::new(like);
            world.sync();
            write(&world, "Calendar/tea.ics", &series());
            settled(&world);
            let id = Others(&world).all(SpecialFolder::Calendar).remove(0).id;
            change(&world, how);
            assert_eq!(settled(&world).notices, [], "{like:?} {how:?}");
            assert_done(&world, how, &format!("{like:?} {how:?}"));
            assert_eq!(Others(&world).all(SpecialFolder::Calendar).remove(0).id, id, "it is the same item");
        }
    }
}

/// The server carries out requests before the `nth`, and what `at_first` says of that one, and answers it no more, nor any after it.
pub(super) fn silent_from(world: &World, nth: u64, at_first: Action) {
    let faults = world.server.faults();
    faults.clear();
    faults.add(Rule::always(at_first).nth(nth));
    for nth in nth + 1..nth + 120 {
        faults.add(Rule::always(Action::ResetBeforeCommit).nth(nth));
    }
}

/// The numbers of the requests of an uncut run, from the one before the first that changes something on.
fn requests_of(world: &World) -> std::ops::RangeInclusive<u64> {
    let before = world.server.requests().len();
    world.sync();
    let requests = world.server.requests();
    let first = requests[before..].iter().position(|request| request.operation == "UpdateItem").unwrap();
    first as u64..=(requests.len() - before) as u64
}

/// Cuts a run off at each of its requests; `after` is what happens then. Returns how often it was.
fn cut_off_everywhere(like: Personality, how: Edit, after: &dyn Fn(&World, &str)) -> usize {
    let world = before(like);
    change(&world, how);
    let mut times = 0;
    for nth in requests_of(&world) {
        let world = before(like);
        change(&world, how);
        silent_from(&world, nth, Action::ResetAfterCommit);
        drop(world.try_sync(&Default::default(), Arc::new(CutAt::default())));
        world.server.faults().clear();
        // A change that did not get through waits for a while.
        world.advance(2 * 86_400);
        after(&world, &format!("{like:?}, {how:?}, no answer from request {nth} on"));
        times += 1;
    }
    times
}

#[test]
fn whatever_cuts_a_rewriting_off_it_ends_as_the_file_says() {
    for like in BOTH {
        for how in EDITS {
            let times = cut_off_everywhere(like, how, &|world, told| {
                settled(world);
                assert_done(world, how, told);
            });
            assert!(times > 6, "{times}");
        }
    }
}

#[test]
fn a_run_that_is_cut_off_at_a_step_ends_as_the_file_says() {
    for like in BOTH {
        for how in EDITS {
            let world = before(like);
            change(&world, how);
            let whole = Arc::new(CutAt::default());
            world.try_sync(&Default::default(), whole.clone()).unwrap();
            let steps: Vec<Step> = whole.passed.lock().unwrap().clone();
            for at in 1..=steps.len() {
                let world = before(like);
                change(&world, how);
                drop(world.try_sync(&Default::default(), Arc::new(CutAt { at: Some(at), ..CutAt::default() })));
                settled(&world);
                assert_done(&world, how, &format!("{like:?} {how:?} at step {at}, {:?}", steps[at - 1]));
            }
        }
    }
}

/// Somebody edits the half-written series there, before it is whole again.
#[test]
fn an_edit_of_a_half_written_series_is_kept_with_all_exceptions() {
    let how = Edit::TakeBackDeletion;
    for like in BOTH {
        cut_off_everywhere(like, how, &|world, told| {
            Others(world).update(SpecialFolder::Calendar, |entry| {
                let Entry::Event(event) = entry else { panic!() };
                event.details.importance = pimsync::pim::Importance::High;
            });
            settled(world);
            let event = there(world);
            assert_eq!(exceptions(&event), wanted(how), "{told}");
            assert_eq!(event.details.importance, pimsync::pim::Importance::High, "{told}");
            let text = only_file(world, "Calendar").1;
            assert!(text.contains("PRIORITY:1"), "{told}: {text}");
            assert_eq!(text.matches("RECURRENCE-ID").count(), 2, "{told}: {text}");
            assert!(text.contains("RRULE:FREQ=WEEKLY;COUNT=10\r\n") && !text.contains("EXDATE"), "{told}: {text}");
        });
    }
}

/// The file is deleted, and the edit there wins: what comes back is the series, not the half of it.
#[test]
fn a_half_written_series_comes_back_whole() {
    let how = Edit::TakeBackDeletion;
    for like in BOTH {
        cut_off_everywhere(like, how, &|world, told| {
            fs::remove_file(only_file(world, "Calendar").0).unwrap();
            Others(world).update(SpecialFolder::Calendar, |entry| {
                let Entry::Event(event) = entry else { panic!() };
                event.details.importance = pimsync::pim::Importance::High;
            });
            settled(world);
            // Before anything was sent, or after all of it was known, the exceptions are the server's.
            let event = there(world);
            let mut found = exceptions(&event);
            found.remove(&date(2026, 3, 16));
            assert_eq!(found, wanted(how), "{told}");
            assert!(event.recurrence.is_some(), "{told}");
            let text = only_file(world, "Calendar").1;
            assert_eq!(text.matches("RECURRENCE-ID").count(), 2, "{told}: {text}");
            assert!(text.contains("RRULE:FREQ=WEEKLY") && text.contains("PRIORITY:1"), "{told}: {text}");
        });
    }
}

/// A file that says what it said before, while the server was told something else: the file counts.
#[test]
fn a_file_that_is_as_before_after_a_cut_off_counts() {
    for like in BOTH {
        for how in [Edit::TakeBackDeletion, Edit::Prolong] {
            cut_off_everywhere(like, how, &|world, told| {
                fs::write(only_file(world, "Calendar").0, series().replace('\n', "\r\n")).unwrap();
                settled(world);
                assert_eq!(exceptions(&there(world)), wanted(Edit::Prolong), "{told}");
                assert_eq!(only_file(world, "Calendar").1, series().replace('\n', "\r\n"), "{told}");
            });
        }
    }
}

#[test]
fn a_meeting_of_somebody_else_is_not_rewritten() {
    let user = |address: &str| User { address: address.to_owned(), password: "demo".to_owned() };
    let client = Client::with(Options { users: vec![user(USER), user("ben@example.org")], ..Options::default() });
    let series = "<t:CalendarItem><t:Subject>Plans</t:Subject><t:Start>2026-11-02T09:00:00Z</t:Start><t:End>2026-11-02T10:00:00Z</t:End>\
                  <t:RequiredAttendees><t:Attendee><t:Mailbox><t:EmailAddress>demo@example.org</t:EmailAddress></t:Mailbox></t:Attendee>\
                  </t:RequiredAttendees><t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NumberedRecurrence>\
                  <t:StartDate>2026-11-02</t:StartDate><t:NumberOfOccurrences>5</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>\
                  </t:CalendarItem>";
    let invitation = format!(
        "<m:CreateItem SendMeetingInvitations=\"SendToAllAndSaveCopy\"><m:Items>{series}</m:Items></m:CreateItem>"
    );
    client.post_as("ben@example.org", &client.envelope(&invitation));
    let world = World::over(client.server, World::home());
    let mine = world.mailbox.items("Calendar").unwrap().remove(0).id;
    world.mailbox.delete_occurrence(&world.mailbox.occurrence(&mine, 3).unwrap()).unwrap();
    settled(&world);
    let (path, text) = only_file(&world, "Calendar");
    let exdate = text.split_inclusive('\n').find(|line| line.starts_with("EXDATE")).unwrap_or_else(|| panic!("{text}"));
    fs::write(&path, text.replace(exdate, "")).unwrap();
    let before = there(&world);
    let report = world.sync();
    let held = |notice: &&pimsync::sync::Notice| {
        notice.kind == NoticeKind::Refused && notice.text.contains("occurrence of 2026-11-04")
    };
    assert_eq!(report.notices.iter().filter(held).count(), 1, "{report:?}");
    settled(&world);
    assert_eq!(there(&world), before);
    assert!(!only_file(&world, "Calendar").1.contains("EXDATE"), "the file says what its owner wrote");
}

/// A server can take a request and leave everything as it was. Nothing of the file is lost by that, it is told once, and not tried for ever.
#[test]
fn what_the_server_keeps_of_a_series_is_told_once_and_the_file_stays() {
    for like in BOTH {
        for how in [Edit::TakeBackDeletion, Edit::TakeBackException] {
            let world = before(like);
            let agreed = there(&world);
            change(&world, how);
            world.server.faults().add(Rule::on("UpdateItem", Action::SilentlyUnchanged));
            let report = world.sync();
            let told = |notice: &&pimsync::sync::Notice| notice.text.contains("the server keeps it");
            assert_eq!(report.notices.iter().filter(told).count(), 1, "{like:?} {how:?} {report:?}");
            let asked = |world: &World| {
                world.server.requests().iter().filter(|request| request.operation == "UpdateItem").count()
            };
            let requests = asked(&world);
            world.sync();
            assert_eq!(asked(&world), requests, "{like:?} {how:?}");
            assert_eq!(
                (exceptions(&there(&world)), there(&world).recurrence),
                (exceptions(&agreed), agreed.recurrence)
            );
            assert_eq!(only_file(&world, "Calendar").1, edited(how).replace('\n', "\r\n"), "{like:?} {how:?}");
            // When it does what it says, the file is carried out.
            world.server.faults().clear();
            world.advance(2 * 86_400);
            settled(&world);
            assert_done(&world, how, &format!("{like:?} {how:?}"));
        }
    }
}

/// An occurrence of a series in Berlin that takes place by the clock of another place.
#[test]
fn an_exception_can_be_in_another_zone_than_its_series() {
    let late = exception("20260309", "Late tea", "18");
    let zones = ["America/New_York", "Asia/Tokyo", "Pacific/Auckland", "Europe/Vienna", "Antarctica/Troll"];
    let ways = zones.map(|zone| {
        late.replace("DTSTART;TZID=Europe/Berlin", &format!("DTSTART;TZID={zone}"))
            .replace("DTEND;TZID=Europe/Berlin", &format!("DTEND;TZID={zone}"))
    });
    let utc = late
        .replace("DTSTART;TZID=Europe/Berlin:20260309T180000", "DTSTART:20260309T180000Z")
        .replace("DTEND;TZID=Europe/Berlin:20260309T200000", "DTEND:20260309T200000Z");
    let whole = late
        .replace("DTSTART;TZID=Europe/Berlin:20260309T180000", "DTSTART;VALUE=DATE:20260309")
        .replace("DTEND;TZID=Europe/Berlin:20260309T200000", "DTEND;VALUE=DATE:20260310");
    let floating = utc.replace("0000Z", "0000").replace("DTSTAMP:20260101T000000", "DTSTAMP:20260101T000000Z");
    for (abroad, like) in ways.iter().chain([&utc, &whole, &floating]).flat_map(|way| BOTH.map(|like| (way, like))) {
        let world = World::new(like);
        world.sync();
        let text = series().replace(&late, abroad);
        // New with it, and changed to it and back.
        write(&world, "Calendar/tea.ics", &text);
        assert_eq!(settled(&world).notices, [], "{like:?} {abroad}");
        assert_eq!(only_file(&world, "Calendar").1, text.replace('\n', "\r\n"), "{like:?} {abroad}");
        for text in [series(), text] {
            fs::write(only_file(&world, "Calendar").0, text.replace('\n', "\r\n")).unwrap();
            assert_eq!(settled(&world).notices, [], "{like:?} {abroad}");
            assert_eq!(only_file(&world, "Calendar").1, text.replace('\n', "\r\n"), "{like:?} {abroad}");
        }
        let event = there(&world);
        let start = match &event.overrides[&date(2026, 3, 9)].when {
            When::Zoned { start, .. } => start.time,
            When::Floating { start, .. } => *start,
            When::AllDay { first, .. } => first.at(18, 0, 0, 0),
        };
        assert_eq!(start, date(2026, 3, 9).at(18, 0, 0, 0), "{like:?} {abroad}");
    }
}

/// What was sent is read back with its exceptions in one request, and a changed series costs no more than any other event.
#[test]
fn a_changed_series_with_exceptions_takes_four_requests() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        write(&world, "Calendar/tea.ics", &series());
        settled(&world);
        let (path, text) = only_file(&world, "Calendar");
        fs::write(path, text.replacen("SUMMARY:Tea", "SUMMARY:Green tea", 1)).unwrap();
        world.server.clear_requests();
        world.sync();
        let operations: Vec<String> = world.server.requests().into_iter().map(|request| request.operation).collect();
        let reads = operations.iter().filter(|operation| *operation == "GetItem").count();
        // Of a server that does not compare versions, the version is asked for before.
        let compared = usize::from(like == Personality::Gromox);
        assert_eq!((reads, operations.len()), (1 + compared, 4 + compared), "{operations:?}");
        settled(&world);
        assert_eq!(exceptions(&there(&world)), wanted(Edit::Prolong));
    }
}
