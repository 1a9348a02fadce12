//! Events: when they are, how they repeat, and what became of single occurrences.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime, Weekday, date};
use pimsync::exchange::{Action, Personality, Rule};
use pimsync::pim::event::{At, Attendee, Busy, Details, Person, Role, When, ZoneName};
use pimsync::pim::recurrence::{
    Count, DayOfMonth, End, Interval, Month, Pattern, Recurrence, RelativeDays, WeekIndex, Weekdays,
};
use pimsync::pim::{Category, Entry, EntryKind, Event, Importance, ItemId, Sensitivity, ServerEntry};
use pimsync::remote::{ItemErrorClass, RemoteRead};

use super::entries::{change, changed, create, created, read};
use crate::house::*;

contract!(
    events_are_when_they_were_said_to_be,
    events_change_field_by_field,
    series_repeat_as_they_were_said_to,
    exceptions_are_made_and_read,
    a_series_that_moves_takes_its_exceptions_along,
    what_became_of_an_occurrence_is_taken_back,
    exceptions_with_guests_of_their_own_are_not_rewritten,
    a_lost_answer_deletes_no_second_occurrence,
    series_that_changed_meanwhile_are_left_alone,
);

fn entry(event: &Event) -> Entry {
    Entry::Event(Box::new(event.clone()))
}

fn event_of(entry: &ServerEntry) -> &Event {
    let Entry::Event(event) = &entry.entry else { panic!("{entry:?}") };
    event
}

fn at(zone: &str, time: DateTime) -> At {
    let zone = match zone {
        "UTC" => ZoneName::Utc,
        zone => ZoneName::Named { tzid: zone.into(), iana: zone.into() },
    };
    At { time, zone }
}

fn zoned(zone: &str, start: DateTime, end: DateTime) -> When {
    When::Zoned { start: at(zone, start), end: at(zone, end) }
}

/// The server gives one a UID.
fn same(now: &ServerEntry, event: &Event) {
    let found = event_of(now);
    let mut wanted = event.clone();
    if wanted.uid.is_empty() {
        wanted.uid = found.uid.clone();
    }
    assert_eq!(*found, wanted);
}

async fn events_are_when_they_were_said_to_be(house: House) {
    house.client.special_folders().await.unwrap();
    let (start, end) = (date(2026, 3, 28).at(9, 0, 0, 0), date(2026, 3, 29).at(10, 30, 0, 0));
    let named = |tzid: &str, iana: &str| ZoneName::Named { tzid: tzid.into(), iana: iana.into() };
    let with = |from: ZoneName, to: ZoneName| When::Zoned {
        start: At { time: start, zone: from },
        end: At { time: end, zone: to },
    };
    let all = [
        zoned("UTC", start, end),
        zoned("Europe/Berlin", start, end),
        zoned("Europe/Vienna", start, end),
        zoned("Antarctica/Troll", start, end),
        zoned("Pacific/Kiritimati", start, end),
        with(named("My zone", "America/St_Johns"), named("America/Caracas", "America/Caracas")),
        with(ZoneName::Utc, named("Europe/Paris", "Europe/Paris")),
        When::Floating { start, end },
        When::AllDay { first: start.date(), end: end.date() },
        When::AllDay { first: date(2026, 10, 24), end: date(2026, 10, 27) },
    ];
    let events: Vec<Event> = all
        .into_iter()
        .map(|when| Event { details: Details { subject: "x".into(), when, ..Details::default() }, ..Event::default() })
        .collect();
    let placed = all_ok(create(&house, &events.iter().map(entry).collect::<Vec<_>>()).await);
    let ids: Vec<ItemId> = placed.into_iter().map(|placed| placed.id).collect();
    let now = read(&house, EntryKind::Event, &ids).await;
    now.iter().zip(&events).for_each(|(now, event)| same(now, event));
    // Each can become any other.
    let mut first = now.into_iter().next().unwrap();
    for event in &events {
        let to = Event { uid: event_of(&first).uid.clone(), ..event.clone() };
        first = changed(&house, &first, &entry(&to)).await;
        same(&first, &to);
    }
}

fn meeting(house: &House) -> Event {
    let (start, end) = (date(2026, 11, 3).at(9, 0, 0, 0), date(2026, 11, 3).at(10, 0, 0, 0));
    Event {
        uid: "event-1".into(),
        details: Details {
            subject: "Board".into(),
            location: "Here".into(),
            body: "Agenda".into(),
            when: zoned("Europe/Berlin", start, end),
            busy: Busy::OutOfOffice,
            // gromox takes no reminder that comes later.
            reminder: Some(15).filter(|_| house.like == Personality::Exchange),
            importance: Importance::High,
            sensitivity: Sensitivity::Confidential,
            categories: [Category("Work".into())].into(),
            ..Details::default()
        },
        ..Event::default()
    }
}

async fn events_change_field_by_field(house: House) {
    house.client.special_folders().await.unwrap();
    let event = meeting(&house);
    let mut now = created(&house, &entry(&event)).await;
    same(&now, &event);
    let details = |change: fn(&mut Details)| {
        let mut event = event.clone();
        change(&mut event.details);
        event
    };
    let mut others = vec![
        details(|details| details.subject = "".into()),
        details(|details| details.location = "".into()),
        details(|details| details.body = "".into()),
        details(|details| details.sensitivity = Sensitivity::Normal),
        details(|details| details.importance = Importance::Low),
        details(|details| details.categories.clear()),
        details(|details| details.categories = [Category("A".into()), Category("B".into())].into()),
    ];
    if house.like == Personality::Exchange {
        others.extend([
            details(|details| details.busy = Busy::Free),
            details(|details| details.reminder = None),
            details(|details| details.reminder = Some(0)),
        ]);
    }
    for other in others {
        now = changed(&house, &now, &entry(&other)).await;
        same(&now, &other);
        now = changed(&house, &now, &entry(&event)).await;
        same(&now, &event);
    }
    // HTML and text are one: what was written last is there.
    let html = Event { details: Details { html: "<p>Plan</p>".into(), ..event.details.clone() }, ..event.clone() };
    now = changed(&house, &now, &entry(&html)).await;
    let found = &event_of(&now).details;
    assert!(found.html.as_str().contains("Plan") && found.body.as_str().contains("Plan"), "{found:?}");
    let mut text = event_of(&now).clone();
    text.details.body = "Text again".into();
    now = changed(&house, &now, &entry(&text)).await;
    let found = &event_of(&now).details;
    assert_eq!((found.body.as_str(), found.html.as_str()), ("Text again", ""));
    // Guests are invited, and nobody is told.
    let guest = |address: &str, role| Attendee {
        person: Person { name: "Bob".into(), address: address.into() },
        role,
        ..Attendee::default()
    };
    let mut with = event_of(&now).clone();
    with.attendees = vec![guest("bob@example.org", Role::Required), guest("eve@example.org", Role::Optional)];
    now = changed(&house, &now, &entry(&with)).await;
    assert_eq!(event_of(&now).attendees, with.attendees);
    assert!(house.mailbox.items("Sent Items").unwrap().is_empty());
}

fn interval(number: u16) -> Interval {
    Interval::new(number).unwrap()
}

fn patterns() -> Vec<Pattern> {
    let days = |days: &[Weekday]| days.iter().copied().collect::<Weekdays>();
    let month = |number| Month::new(number).unwrap();
    let day = |number| DayOfMonth::new(number).unwrap();
    vec![
        Pattern::Daily { interval: interval(3) },
        Pattern::Weekly {
            interval: interval(2),
            days: days(&[Weekday::Tuesday, Weekday::Sunday]),
            first_day: Weekday::Monday,
        },
        Pattern::Weekly {
            interval: interval(2),
            days: days(&[Weekday::Tuesday, Weekday::Sunday]),
            first_day: Weekday::Sunday,
        },
        Pattern::AbsoluteMonthly { interval: interval(1), day: day(31) },
        Pattern::RelativeMonthly { interval: interval(2), index: WeekIndex::Last, days: RelativeDays::Workday },
        Pattern::RelativeMonthly {
            interval: interval(1),
            index: WeekIndex::Second,
            days: RelativeDays::One(Weekday::Tuesday),
        },
        Pattern::AbsoluteYearly { month: month(2), day: day(29) },
        Pattern::RelativeYearly {
            month: month(11),
            index: WeekIndex::Fourth,
            days: RelativeDays::One(Weekday::Thursday),
        },
    ]
}

/// A series from its first day on.
fn series(pattern: Pattern, end: End, when: impl Fn(Date) -> When) -> Event {
    let rule = Recurrence { pattern, start: date(2026, 3, 2), end }.trimmed().unwrap();
    let details = Details { subject: "Series".into(), when: when(rule.start), ..Details::default() };
    Event { uid: "series".into(), details, recurrence: Some(rule), ..Event::default() }
}

fn at_nine(zone: &'static str) -> impl Fn(Date) -> When {
    move |day| zoned(zone, day.at(9, 0, 0, 0), day.at(9, 30, 0, 0))
}

async fn series_repeat_as_they_were_said_to(house: House) {
    house.client.special_folders().await.unwrap();
    let ends = [End::Never, End::On(date(2036, 12, 31)), End::After(Count::new(7).unwrap())];
    let mut events = Vec::new();
    for (number, pattern) in patterns().into_iter().enumerate() {
        let end = ends[number % 3];
        let zones = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"];
        events.push(series(pattern, end, at_nine(zones[number % 4])));
        events.push(series(pattern, end, |first| When::AllDay { first, end: first.tomorrow().unwrap() }));
    }
    for (number, event) in events.iter_mut().enumerate() {
        event.uid = format!("series-{number}").into();
    }
    let placed = all_ok(create(&house, &events.iter().map(entry).collect::<Vec<_>>()).await);
    let ids: Vec<ItemId> = placed.into_iter().map(|placed| placed.id).collect();
    let now = read(&house, EntryKind::Event, &ids).await;
    now.iter().zip(&events).for_each(|(now, event)| same(now, event));
    // A series becomes another one, and no series at all.
    let mut first = now.into_iter().next().unwrap();
    for event in &events[1..] {
        let to = Event { uid: "series-0".into(), ..event.clone() };
        first = changed(&house, &first, &entry(&to)).await;
        same(&first, &to);
    }
    let single = Event { recurrence: None, ..event_of(&first).clone() };
    let first = changed(&house, &first, &entry(&single)).await;
    same(&first, &single);
}

/// The occurrence of a day, an hour later and under another name.
fn later(event: &Event, day: Date) -> Details {
    let When::Zoned { start, .. } = &event.details.when else { panic!("{event:?}") };
    let ZoneName::Named { iana, .. } = &start.zone else { panic!("{event:?}") };
    let when = zoned(iana.as_str(), day.at(10, 0, 0, 0), day.at(11, 0, 0, 0));
    Details { subject: "Later".into(), location: "Upstairs".into(), when, ..event.details.clone() }
}

/// Some of the first occurrences deleted, some different, on both sides of the changes of the clocks.
fn with_exceptions(event: &Event) -> Event {
    let days: Vec<Date> = event.recurrence.as_ref().unwrap().days().take(7).collect();
    let overrides: BTreeMap<Date, Details> =
        [1, 4, 6].into_iter().map(|at| (days[at], later(event, days[at]))).collect();
    Event { deleted: [days[2], days[5]].into(), overrides, ..event.clone() }
}

async fn exceptions_are_made_and_read(house: House) {
    house.client.special_folders().await.unwrap();
    for (number, pattern) in patterns().into_iter().enumerate() {
        for zone in ["Europe/Berlin", "America/New_York", "Pacific/Auckland"] {
            let mut plain = series(pattern, End::After(Count::new(8).unwrap()), at_nine(zone));
            plain.uid = format!("{number} {zone}").into();
            let full = with_exceptions(&plain);
            // All at once, and one after the other.
            let now = created(&house, &entry(&full)).await;
            same(&now, &full);
            plain.uid = format!("{number} {zone} again").into();
            let mut now = created(&house, &entry(&plain)).await;
            let mut event = plain.clone();
            for day in &full.deleted {
                event.deleted.insert(*day);
                now = changed(&house, &now, &entry(&event)).await;
                same(&now, &event);
            }
            for (day, details) in &full.overrides {
                event.overrides.insert(*day, details.clone());
                now = changed(&house, &now, &entry(&event)).await;
                same(&now, &event);
            }
            // One that is different already changes once more, and is deleted in the end.
            let (day, details) = full.overrides.iter().next().unwrap();
            event.overrides.insert(*day, Details { location: "Elsewhere".into(), ..details.clone() });
            now = changed(&house, &now, &entry(&event)).await;
            same(&now, &event);
            event.overrides.remove(day);
            event.deleted.insert(*day);
            now = changed(&house, &now, &entry(&event)).await;
            same(&now, &event);
        }
    }
}

fn weekly() -> Event {
    let monday = Pattern::Weekly {
        interval: interval(1),
        days: [Weekday::Monday].into_iter().collect(),
        first_day: Weekday::Monday,
    };
    series(monday, End::Never, at_nine("Europe/Berlin"))
}

async fn a_series_that_moves_takes_its_exceptions_along(house: House) {
    house.client.special_folders().await.unwrap();
    let full = with_exceptions(&weekly());
    let now = created(&house, &entry(&full)).await;
    let mut renamed = full.clone();
    renamed.details.location = "Room 2".into();
    let now = changed(&house, &now, &entry(&renamed)).await;
    assert_eq!(event_of(&now).deleted, full.deleted);
    assert_eq!(event_of(&now).overrides.keys().collect::<Vec<_>>(), full.overrides.keys().collect::<Vec<_>>());
    let mut moved = event_of(&now).clone();
    let day = moved.recurrence.as_ref().unwrap().start;
    moved.details.when = zoned("Europe/Berlin", day.at(8, 0, 0, 0), day.at(8, 45, 0, 0));
    let now = changed(&house, &now, &entry(&moved)).await;
    same(&now, &moved);
}

/// There is no operation for it: the series is rewritten, nobody is told, and all else about it stays.
async fn what_became_of_an_occurrence_is_taken_back(house: House) {
    house.client.special_folders().await.unwrap();
    let full = with_exceptions(&weekly());
    let days: Vec<Date> = full.recurrence.as_ref().unwrap().days().take(7).collect();
    let guest = Person { name: "Bob".into(), address: "bob@example.org".into() };
    let full = Event { attendees: vec![Attendee { person: guest, ..Attendee::default() }], ..full };
    let mut now = created(&house, &entry(&full)).await;
    let changes: [fn(&mut Event, &[Date]); 5] = [
        |event, days| assert!(event.deleted.remove(&days[2])),
        |event, days| drop(event.overrides.remove(&days[4])),
        |event, days| {
            event.deleted.remove(&days[5]);
            event.overrides.insert(days[5], later(event, days[5]));
            event.details.location = "Room 2".into();
        },
        |event, days| {
            event.overrides.clear();
            event.deleted = [days[3]].into();
        },
        |event, _| event.deleted.clear(),
    ];
    let mut wanted = event_of(&now).clone();
    for fault in [None, Some(Action::ResetBeforeCommit), Some(Action::ResetAfterCommit), Some(Action::Garbage)] {
        for change in changes {
            change(&mut wanted, &days);
            for operation in ["UpdateItem", "DeleteItem"] {
                house.server.faults().clear();
                if let Some(fault) = &fault {
                    house.server.faults().add(Rule::on(operation, fault.clone()).times(1));
                }
            }
            now = changed(&house, &now, &entry(&wanted)).await;
            same(&now, &wanted);
        }
        house.server.faults().clear();
        let back = Event { deleted: full.deleted.clone(), overrides: full.overrides.clone(), ..wanted.clone() };
        now = changed(&house, &now, &entry(&back)).await;
        same(&now, &back);
        wanted = back;
    }
    assert!(house.mailbox.items("Sent Items").unwrap().is_empty());
    assert!(house.mailbox.items("Outbox").unwrap().is_empty());
}

/// What cannot be put back would be lost.
async fn exceptions_with_guests_of_their_own_are_not_rewritten(house: House) {
    house.client.special_folders().await.unwrap();
    let full = with_exceptions(&weekly());
    let now = created(&house, &entry(&full)).await;
    let day = *full.overrides.keys().next().unwrap();
    let occurrence = house.mailbox.occurrence(now.id.as_str(), 2).unwrap();
    let guest = "<t:Attendee><t:Mailbox><t:EmailAddress>eve@example.org</t:EmailAddress></t:Mailbox></t:Attendee>";
    house.mailbox.set_fields(&occurrence, &format!("<t:RequiredAttendees>{guest}</t:RequiredAttendees>")).unwrap();
    let now = read(&house, EntryKind::Event, std::slice::from_ref(&now.id)).await.remove(0);
    let back = Event { deleted: Default::default(), ..event_of(&now).clone() };
    let error = change(&house, &now, &entry(&back)).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ItemErrorClass::Permanent, "CannotRestoreOccurrence"));
    assert!(error.message.contains(&day.to_string()), "{}", error.message);
    let after = read(&house, EntryKind::Event, std::slice::from_ref(&now.id)).await.remove(0);
    assert_eq!(event_of(&after), event_of(&now));
    // Without that occurrence nothing is in the way.
    let mut back = back;
    back.overrides.remove(&day);
    same(&changed(&house, &after, &entry(&back)).await, &back);
}

async fn a_lost_answer_deletes_no_second_occurrence(house: House) {
    house.client.special_folders().await.unwrap();
    let full = with_exceptions(&weekly());
    for (number, fault) in
        [Action::ResetBeforeCommit, Action::ResetAfterCommit, Action::Garbage].into_iter().enumerate()
    {
        let plain = Event { uid: format!("{number}").into(), ..weekly() };
        let now = created(&house, &entry(&plain)).await;
        house.server.faults().add(Rule::on("DeleteItem", fault.clone()).times(1));
        house.server.faults().add(Rule::on("UpdateItem", fault.clone()).times(1));
        let to = Event { uid: plain.uid.clone(), ..full.clone() };
        same(&changed(&house, &now, &entry(&to)).await, &to);
        house.server.faults().clear();
    }
}

async fn series_that_changed_meanwhile_are_left_alone(house: House) {
    house.client.special_folders().await.unwrap();
    let before = created(&house, &entry(&weekly())).await;
    let renamed = Event { details: Details { subject: "Theirs".into(), ..weekly().details }, ..weekly() };
    let then = changed(&house, &before, &entry(&renamed)).await;
    // A change of single occurrences alone, too.
    let error = change(&house, &before, &entry(&with_exceptions(&weekly()))).await.unwrap_err();
    assert_eq!(error.class, ItemErrorClass::Conflict);
    assert_eq!(read(&house, EntryKind::Event, &[before.id]).await.remove(0), then);
}
