//! Contacts, tasks, notes and events: read, created, changed.

use jiff::civil::date;
use pimsync::pim::event::{At, Attendee, Busy, Details, Person, Role, When, ZoneName};
use pimsync::pim::note::NoteColour;
use pimsync::pim::recurrence::{Count, DayOfMonth, End, Interval, Pattern, Recurrence, Weekdays};
use pimsync::pim::task::{Percent, RegenerationUnit, TaskRecurrence, TaskStatus};
use pimsync::pim::{
    Address, AddressKey, Category, ChangeKey, Contact, DayOfLife, Entry, EntryKind, Event, Gender, Importance, Note,
    PhoneKey, Photo, SearchKey, Sensitivity, ServerEntry, Tag, Task, Text, UnixTime,
};
use pimsync::remote::{
    EntryUpdate, EntryUpload, ItemError, ItemErrorClass, PerItem, Placed, RemoteError, RemoteRead, RemoteWrite,
};

use super::{A, B, C, INBOX, KEY_A, KEY_B, KEY_C, Talk, folder, item};
use crate::house::tag;

/// The version after one change, and after two.
const NEXT: &str = "CQAAABYAAADn+0ra";
const LAST: &str = "CQAAABYAAADn+0rb";

fn placed(id: &str, key: &str) -> Placed {
    Placed { id: item(id), change_key: ChangeKey::new(key) }
}

fn own_error(class: ItemErrorClass, code: &str, message: &str) -> ItemError {
    ItemError { class, code: code.to_owned(), message: message.to_owned() }
}

fn texts(list: &[&str]) -> Vec<Text> {
    list.iter().map(|text| Text::new(text)).collect()
}

fn categories(names: &[&str]) -> std::collections::BTreeSet<Category> {
    names.iter().map(|name| Category((*name).to_owned())).collect()
}

fn picture() -> Option<Photo> {
    Some(Photo::new("jpeg", b"\x89PNG".to_vec()))
}

/// A contact with something in each place.
fn full() -> Contact {
    let address = Address {
        po_box: "7".into(),
        street: "1 High St\nTop floor".into(),
        city: "London".into(),
        state: "LDN".into(),
        postal_code: "W1".into(),
        country: "UK".into(),
    };
    Contact {
        uid: "uid-1".into(),
        display_name: "Ada <Lovelace>".into(),
        prefix: "Lady".into(),
        given: "Ada".into(),
        middle: "King".into(),
        surname: "Lovelace".into(),
        suffix: "I".into(),
        nickname: "A".into(),
        file_as: "Lovelace, Ada".into(),
        emails: texts(&["1@example.org", "2@example.org", "3@example.org", "4@example.org", "5@example.org"]),
        phones: [(PhoneKey::MobilePhone, "+44 2".into()), (PhoneKey::TtyTddPhone, "+44 3".into())].into(),
        addresses: [
            (AddressKey::Home, address.clone()),
            (AddressKey::Business, Address { street: "".into(), ..address }),
        ]
        .into(),
        company: "Analytical".into(),
        department: "R&D".into(),
        job_title: "Analyst".into(),
        profession: "Countess".into(),
        business_page: "www.example.org".into(),
        personal_page: "ada.example.org".into(),
        birthday: DayOfLife::new(date(1815, 12, 10)),
        anniversary: DayOfLife::without_year(7, 8),
        photo: picture(),
        note: "First\nprogrammer".into(),
        messengers: texts(&["xmpp:1@example.org", "xmpp:2@example.org"]),
        spouse: "William".into(),
        children: texts(&["Byron", "Anne"]),
        assistant: "C".into(),
        manager: "B".into(),
        categories: categories(&["Friends"]),
        sensitivity: Sensitivity::Private,
        gender: Some(Gender::Female),
        free_busy: "fb.example.org".into(),
    }
}

async fn create(talk: &Talk, entries: &[Entry]) -> Result<Vec<PerItem<Placed>>, RemoteError> {
    let extra = Text::new("X-OWN:1\nX-OTHER:2");
    let tags: Vec<Tag> = (1..=entries.len()).map(tag).collect();
    let upload = |(entry, tag)| EntryUpload { tag, entry, extra: Some(&extra) };
    let uploads: Vec<EntryUpload<'_>> = entries.iter().zip(&tags).map(upload).collect();
    talk.client.create_entries(&folder(INBOX), &uploads).await
}

async fn update(talk: &Talk, from: &Entry, to: &Entry) -> Result<Vec<PerItem<ChangeKey>>, RemoteError> {
    change(talk, KEY_A, from, to, None).await
}

async fn change(
    talk: &Talk,
    key: &str,
    from: &Entry,
    to: &Entry,
    extra: Option<&Text>,
) -> Result<Vec<PerItem<ChangeKey>>, RemoteError> {
    let (id, change_key) = (item(A), ChangeKey::new(key));
    talk.client.update_entries(&[EntryUpdate { id: &id, change_key: &change_key, from, to, extra }]).await
}

fn contact(contact: Contact) -> Entry {
    Entry::Contact(Box::new(contact))
}

#[tokio::test]
async fn contacts_are_read_with_their_pictures() {
    let read = |photo: PerItem<Option<Photo>>| {
        photo.map(|photo| ServerEntry {
            id: item(A),
            change_key: ChangeKey::new(KEY_A),
            search_key: Some(SearchKey::new("K0/8Zt1m0E6bZ0RkY2hpY2s=")),
            tag: Some(tag(1)),
            entry: contact(Contact {
                display_name: "Ada Lovelace".into(),
                note: "First".into(),
                photo,
                ..Contact::default()
            }),
            extra: Some("X-OWN:1".into()),
            left: Vec::new(),
        })
    };
    let gone = |class| own_error(class, "ErrorItemNotFound", "The specified object was not found in the store.");
    let list = own_error(ItemErrorClass::Permanent, "OtherClass", "it is no contact");
    let ids = [A, B, C].map(item);
    let talk =
        Talk::new(&[("entries/contacts", "entries/contacts.exchange"), ("entries/photos", "entries/photos.exchange")]);
    let want = vec![read(Ok(picture())), Err(list.clone()), Err(gone(ItemErrorClass::Gone))];
    talk.gives(&talk.client.entries(EntryKind::Contact, &ids).await, &want);
    // A picture that went meanwhile is no contact that did.
    let talk = Talk::new(&[
        ("entries/contacts", "entries/contacts.exchange"),
        ("entries/photos", "entries/photos-gone.exchange"),
    ]);
    let want = vec![read(Err(gone(ItemErrorClass::Transient))), Err(list), Err(gone(ItemErrorClass::Gone))];
    talk.gives(&talk.client.entries(EntryKind::Contact, &ids).await, &want);
}

#[tokio::test]
async fn create_a_contact_with_everything() {
    let talk = Talk::new(&[
        ("entries/create-contact", "entries/created-contact.exchange"),
        ("entries/create-photo", "entries/photo-created.exchange"),
    ]);
    talk.gives(&create(&talk, &[contact(full())]).await, &vec![Ok(placed(A, LAST))]);
}

#[tokio::test]
async fn a_contact_whose_answer_is_lost_is_found_by_its_tag() {
    let talk = Talk::new(&[
        ("entries/create-bare-contact", "internal-error.exchange"),
        ("entries/find-contact", "entries/created-before.exchange"),
    ]);
    let bare = contact(Contact { given: "Ada".into(), ..Contact::default() });
    talk.gives(&create(&talk, &[bare]).await, &vec![Ok(placed(A, KEY_A))]);
}

/// Only what differs is sent: numbers one by one, addresses part by part, and mail addresses all, since nobody knows which places are empty.
#[tokio::test]
async fn update_a_contact() {
    let before = full();
    let mut after = Contact {
        given: "Augusta".into(),
        nickname: "".into(),
        emails: texts(&["2@example.org", "6@example.org"]),
        birthday: None,
        note: "".into(),
        children: Vec::new(),
        categories: categories(&[]),
        gender: None,
        sensitivity: Sensitivity::Normal,
        ..before.clone()
    };
    after.phones.insert(PhoneKey::Pager, "+44 9".into());
    after.phones.remove(&PhoneKey::TtyTddPhone);
    let home = after.addresses.get_mut(&AddressKey::Home).unwrap();
    (home.city, home.state, home.po_box) = ("Paris".into(), "".into(), "8".into());
    let talk = Talk::new(&[
        ("entries/compare", "entries/compared.exchange"),
        ("entries/update-contact", "entries/updated-contact.exchange"),
    ]);
    let extra = Text::default();
    let updated = change(&talk, KEY_A, &contact(before), &contact(after), Some(&extra)).await;
    talk.gives(&updated, &vec![Ok(ChangeKey::new(NEXT))]);
}

#[tokio::test]
async fn another_picture_takes_the_place_of_the_first() {
    let (before, after) = (full(), Contact { photo: Some(Photo::new("png", vec![1])), ..full() });
    let places = ("entries/photo-places", "entries/photo-places.exchange");
    let removal = ("entries/delete-photo", "entries/photo-deleted.exchange");
    let compare = ("entries/compare", "entries/compared.exchange");
    let talk = Talk::new(&[compare, places, removal, ("entries/create-png", "entries/photo-created.exchange")]);
    let updated = update(&talk, &contact(before.clone()), &contact(after)).await;
    talk.gives(&updated, &vec![Ok(ChangeKey::new(LAST))]);
    let talk = Talk::new(&[compare, places, removal]);
    let updated = update(&talk, &contact(before.clone()), &contact(Contact { photo: None, ..before })).await;
    talk.gives(&updated, &vec![Ok(ChangeKey::new(NEXT))]);
}

fn task(task: Task) -> Entry {
    Entry::Task(Box::new(task))
}

fn rent() -> Task {
    let monthly = Pattern::AbsoluteMonthly { interval: Interval::new(1).unwrap(), day: DayOfMonth::new(1).unwrap() };
    Task {
        uid: "task-1".into(),
        subject: "Pay the rent".into(),
        body: "On time".into(),
        status: TaskStatus::WaitingOnOthers,
        percent: Percent::new(25).unwrap(),
        start: Some(date(2026, 12, 1)),
        due: Some(date(2026, 12, 3)),
        recurrence: Some(TaskRecurrence::Regular(Recurrence {
            pattern: monthly,
            start: date(2026, 12, 1),
            end: End::On(date(2027, 12, 31)),
        })),
        reminder: Some(UnixTime(1_796_112_000)),
        importance: Importance::High,
        sensitivity: Sensitivity::Personal,
        categories: categories(&["Home"]),
        completed: None,
    }
}

#[tokio::test]
async fn create_a_task() {
    let talk = Talk::new(&[("entries/create-task", "entries/created-task.exchange")]);
    talk.gives(&create(&talk, &[task(rent())]).await, &vec![Ok(placed(A, KEY_A))]);
}

/// Exchange lets the date of completion say all; gromox has to be told each.
#[tokio::test]
async fn create_a_task_that_is_done() {
    let done = Task {
        subject: "Done".into(),
        status: TaskStatus::Completed,
        percent: Percent::new(100).unwrap(),
        completed: Some(UnixTime(1_796_169_600)),
        ..Task::default()
    };
    let talk = Talk::new(&[("entries/create-done-task", "entries/created-task.exchange")]);
    talk.gives(&create(&talk, &[task(done.clone())]).await, &vec![Ok(placed(A, KEY_A))]);
    let talk = Talk::new(&[
        ("entries/compare", "entries/compared.gromox"),
        ("entries/create-done-task-each", "entries/created-task.gromox"),
    ]);
    let moved = task(Task { start: Some(date(2026, 12, 1)), ..Task::default() });
    let stale = change(&talk, "stale", &task(Task::default()), &moved, None).await;
    let changed =
        own_error(ItemErrorClass::Conflict, "ErrorIrresolvableConflict", "it was changed on the server meanwhile");
    talk.gives_so_far(&stale, &vec![Err(changed)]);
    talk.gives(&create(&talk, &[task(done)]).await, &vec![Ok(placed(A, KEY_A))]);
}

#[tokio::test]
async fn update_a_task() {
    let after = Task {
        body: "".into(),
        status: TaskStatus::Completed,
        percent: Percent::new(100).unwrap(),
        completed: Some(UnixTime(1_796_169_600)),
        start: None,
        due: Some(date(2026, 12, 5)),
        recurrence: Some(TaskRecurrence::Regenerating {
            unit: RegenerationUnit::Weeks,
            interval: Interval::new(2).unwrap(),
            start: date(2026, 12, 1),
            end: End::Never,
        }),
        reminder: None,
        categories: categories(&["Home", "Bills"]),
        ..rent()
    };
    let compare = ("entries/compare", "entries/compared.exchange");
    let talk = Talk::new(&[compare, ("entries/update-task", "entries/updated-task.exchange")]);
    talk.gives(&update(&talk, &task(rent()), &task(after)).await, &vec![Ok(ChangeKey::new(NEXT))]);
    // Somebody takes it up again, and leaves the number as it is.
    let done = Task { status: TaskStatus::Completed, percent: Percent::new(100).unwrap(), ..Task::default() };
    let again = Task { status: TaskStatus::NotStarted, ..done.clone() };
    let talk = Talk::new(&[compare, ("entries/update-task-again", "entries/updated-task.exchange")]);
    talk.gives(&update(&talk, &task(done), &task(again)).await, &vec![Ok(ChangeKey::new(NEXT))]);
}

#[tokio::test]
async fn notes() {
    let first =
        Note { text: "Milk\n\nBread".into(), colour: Some(NoteColour::Green), categories: categories(&["Shop"]) };
    let talk = Talk::new(&[("entries/create-note", "entries/created-note.exchange")]);
    talk.gives(&create(&talk, &[Entry::Note(first.clone())]).await, &vec![Ok(placed(A, KEY_A))]);
    let second = Note { text: "Butter\n\nBread".into(), colour: None, ..first.clone() };
    let talk = Talk::new(&[
        ("entries/compare", "entries/compared.exchange"),
        ("entries/update-note", "entries/updated-note.exchange"),
    ]);
    let updated = update(&talk, &Entry::Note(first), &Entry::Note(second)).await;
    talk.gives(&updated, &vec![Ok(ChangeKey::new(NEXT))]);
}

fn event(event: Event) -> Entry {
    Entry::Event(Box::new(event))
}

fn in_zone(zone: &str, time: jiff::civil::DateTime) -> At {
    At { time, zone: ZoneName::Named { tzid: zone.into(), iana: zone.into() } }
}

fn person(address: &str) -> Person {
    Person { name: "Bob".into(), address: address.into() }
}

/// A meeting in a zone that shares its name on the server with others, whole days, and a time that is in no zone.
#[tokio::test]
async fn create_events() {
    let (start, end) = (date(2026, 11, 3).at(9, 0, 0, 0), date(2026, 11, 3).at(10, 30, 0, 0));
    let meeting = Event {
        uid: "u1".into(),
        details: Details {
            subject: "Board".into(),
            location: "Here".into(),
            body: "Agenda".into(),
            html: "<p>Agenda".into(),
            when: When::Zoned { start: in_zone("Europe/Vienna", start), end: in_zone("America/New_York", end) },
            busy: Busy::WorkingElsewhere,
            reminder: Some(0),
            importance: Importance::High,
            sensitivity: Sensitivity::Confidential,
            categories: categories(&["Work"]),
            ..Details::default()
        },
        attendees: vec![
            Attendee { person: person("bob@example.org"), ..Attendee::default() },
            Attendee { person: person("room@example.org"), role: Role::Resource, ..Attendee::default() },
        ],
        ..Event::default()
    };
    let days = When::AllDay { first: date(2026, 11, 3), end: date(2026, 11, 5) };
    let holiday = Event { details: Details { when: days, ..Details::default() }, ..Event::default() };
    let floating = Event {
        details: Details { when: When::Floating { start, end }, body: "Pills".into(), ..Details::default() },
        // Somebody else's meeting cannot be made here with its guests.
        organiser: Some(person("eve@example.org")),
        attendees: meeting.attendees.clone(),
        ..Event::default()
    };
    let talk = Talk::new(&[
        ("entries/resolve-owner", "entries/resolved-owner.exchange"),
        ("entries/create-events", "entries/created-events.exchange"),
    ]);
    let created = create(&talk, &[event(meeting), event(holiday), event(floating)]).await;
    talk.gives(&created, &vec![Ok(placed(A, KEY_A)), Ok(placed(B, KEY_B)), Ok(placed(C, KEY_C))]);
}

/// One who is known in the directory by another address than the one that the account has is asked for once, and keeps their guests.
#[tokio::test]
async fn a_meeting_that_ones_other_address_organises_is_ones_own() {
    let guest = Attendee { person: person("bob@example.org"), ..Attendee::default() };
    let meeting = |subject: &str| {
        event(Event {
            details: Details { subject: subject.into(), ..Details::default() },
            organiser: Some(person("Ada.Golden@example.org")),
            attendees: vec![guest.clone()],
            ..Event::default()
        })
    };
    let talk = Talk::new(&[
        ("entries/resolve-owner", "entries/resolved-owner.exchange"),
        ("entries/create-own-meetings", "entries/created-events.exchange"),
    ]);
    let created = create(&talk, &[meeting("One"), meeting("Two"), meeting("Three")]).await;
    talk.gives(&created, &vec![Ok(placed(A, KEY_A)), Ok(placed(B, KEY_B)), Ok(placed(C, KEY_C))]);
}

/// Mondays at nine in Berlin, five of them.
fn series() -> Event {
    let nine = date(2026, 3, 16).at(9, 0, 0, 0);
    Event {
        uid: "u1".into(),
        details: Details {
            subject: "Team".into(),
            body: "Agenda".into(),
            when: When::Zoned {
                start: in_zone("Europe/Berlin", nine),
                end: in_zone("Europe/Berlin", date(2026, 3, 16).at(10, 0, 0, 0)),
            },
            ..Details::default()
        },
        recurrence: Some(Recurrence {
            pattern: Pattern::Weekly {
                interval: Interval::new(1).unwrap(),
                days: [jiff::civil::Weekday::Monday].into_iter().collect::<Weekdays>(),
                first_day: jiff::civil::Weekday::Monday,
            },
            start: date(2026, 3, 16),
            end: End::After(Count::new(5).unwrap()),
        }),
        ..Event::default()
    }
}

/// The same with the third one deleted and the fourth one moved and renamed.
fn with_exceptions() -> Event {
    let late = Details {
        subject: "Team, late".into(),
        when: When::Zoned {
            start: in_zone("Europe/Berlin", date(2026, 4, 6).at(12, 0, 0, 0)),
            end: in_zone("Europe/Berlin", date(2026, 4, 6).at(13, 0, 0, 0)),
        },
        ..series().details
    };
    Event { deleted: [date(2026, 3, 30)].into(), overrides: [(date(2026, 4, 6), late)].into(), ..series() }
}

#[tokio::test]
async fn events_are_read_with_their_exceptions() {
    let talk = Talk::new(&[
        ("entries/events", "entries/events.exchange"),
        ("entries/exceptions", "entries/exceptions.exchange"),
    ]);
    let read = ServerEntry {
        id: item(A),
        change_key: ChangeKey::new(KEY_A),
        search_key: None,
        tag: None,
        entry: event(with_exceptions()),
        extra: None,
        left: Vec::new(),
    };
    let other = own_error(ItemErrorClass::Permanent, "OtherClass", "it is no event");
    let ids = [A, B].map(item);
    talk.gives(&talk.client.entries(EntryKind::Event, &ids).await, &vec![Ok(read), Err(other.clone())]);
    // An exception that went meanwhile is no series that did.
    let talk = Talk::new(&[
        ("entries/events", "entries/events.exchange"),
        ("entries/exceptions", "entries/exceptions-gone.exchange"),
    ]);
    let message = "The specified object was not found in the store.";
    let gone = own_error(ItemErrorClass::Transient, "ErrorItemNotFound", message);
    talk.gives(&talk.client.entries(EntryKind::Event, &ids).await, &vec![Err(gone), Err(other)]);
}

/// Servers before 2013 tell a body in one form only.
#[tokio::test]
async fn events_of_an_old_server() {
    let talk = Talk::new(&[
        ("entries/events-a", "fault-version.exchange"),
        ("entries/events-2010", "entries/events-2010.exchange"),
        ("entries/texts-2010", "entries/texts-2010.exchange"),
    ]);
    let mut details = series().details;
    (details.subject, details.html) = ("".into(), "<p>Agenda</p>".into());
    let read = ServerEntry {
        id: item(A),
        change_key: ChangeKey::new(KEY_A),
        search_key: None,
        tag: None,
        entry: event(Event { details, ..Event::default() }),
        extra: None,
        left: Vec::new(),
    };
    talk.gives(&talk.client.entries(EntryKind::Event, &[item(A)]).await, &vec![Ok(read)]);
}

/// What a server does not know is not said to it: zones and the first day of a week since 2010, working elsewhere since 2013.
#[tokio::test]
async fn create_a_series_on_ever_older_servers() {
    let too_new = |request| (request, "fault-version.exchange");
    let told = |request| (request, "entries/created-note.exchange");
    let created = |request| (request, "entries/created-series.exchange");
    let details = Details { busy: Busy::WorkingElsewhere, ..series().details };
    let elsewhere = event(Event { details, ..series() });
    for steps in [
        vec![too_new("entries/notes"), told("entries/notes-2010"), created("entries/create-elsewhere-2010")],
        vec![
            too_new("entries/notes"),
            too_new("entries/notes-2010"),
            told("entries/notes-2007"),
            created("entries/create-elsewhere-2007"),
        ],
    ] {
        let talk = Talk::new(&steps);
        talk.client.entries(EntryKind::Note, &[item(A)]).await.unwrap();
        let created = create(&talk, std::slice::from_ref(&elsewhere)).await;
        talk.gives(&created, &vec![Ok(placed(A, KEY_A))]);
    }
}

/// After the series is there: what is deleted is deleted, what is different is changed, each after its number was checked.
const EXCEPTIONS: [(&str, &str); 5] = [
    ("entries/look-at-3", "entries/occurrence-3.exchange"),
    ("entries/delete-3", "entries/occurrence-deleted.exchange"),
    ("entries/look-at-4", "entries/occurrence-4.exchange"),
    ("entries/update-4", "entries/occurrence-updated.exchange"),
    ("entries/series-key", "entries/series-key.exchange"),
];

#[tokio::test]
async fn create_a_series() {
    let steps: Vec<_> =
        [("entries/create-series", "entries/created-series.exchange")].into_iter().chain(EXCEPTIONS).collect();
    let talk = Talk::new(&steps);
    talk.gives(&create(&talk, &[event(with_exceptions())]).await, &vec![Ok(placed(A, LAST))]);
}

#[tokio::test]
async fn change_occurrences_alone() {
    let steps: Vec<_> = [("entries/compare", "entries/compared.exchange")].into_iter().chain(EXCEPTIONS).collect();
    let talk = Talk::new(&steps);
    let updated = update(&talk, &event(series()), &event(with_exceptions())).await;
    talk.gives(&updated, &vec![Ok(ChangeKey::new(LAST))]);
    // One that was different already is found under its number, wherever it is now.
    let mut longer = with_exceptions();
    longer.overrides.get_mut(&date(2026, 4, 6)).unwrap().location = "Upstairs".into();
    let talk = Talk::new(&[
        ("entries/compare", "entries/compared.exchange"),
        ("entries/look-at-4", "entries/occurrence-4-moved.exchange"),
        ("entries/update-4-again", "entries/occurrence-updated.exchange"),
        ("entries/series-key", "entries/series-key.exchange"),
    ]);
    let updated = update(&talk, &event(with_exceptions()), &event(longer)).await;
    talk.gives(&updated, &vec![Ok(ChangeKey::new(LAST))]);
}

/// A server that counts otherwise must not lose the wrong occurrence.
#[tokio::test]
async fn an_occurrence_that_is_not_where_it_should_be_is_left_alone() {
    let talk = Talk::new(&[
        ("entries/compare", "entries/compared.exchange"),
        ("entries/look-at-3", "entries/occurrence-3-elsewhere.exchange"),
    ]);
    let deleted = Event { overrides: Default::default(), ..with_exceptions() };
    let message = "the server counts the occurrences in another way: that of 2026-03-30 is not where it should be";
    let want = vec![Err(own_error(ItemErrorClass::Permanent, "OtherOccurrence", message))];
    talk.gives(&update(&talk, &event(series()), &event(deleted)).await, &want);
}

/// A new time for all: the server may have forgotten the exceptions, so they are read again, and made again.
#[tokio::test]
async fn a_series_that_moves_keeps_its_exceptions() {
    let mut longer = with_exceptions();
    let When::Zoned { end, .. } = &mut longer.details.when else { panic!("it has a zone") };
    end.time = date(2026, 3, 16).at(11, 0, 0, 0);
    let steps: Vec<_> = [
        ("entries/compare", "entries/compared.exchange"),
        ("entries/update-series", "entries/updated-series.exchange"),
        ("entries/events-a", "entries/series-without.exchange"),
    ]
    .into_iter()
    .chain(EXCEPTIONS)
    .collect();
    let talk = Talk::new(&steps);
    let updated = update(&talk, &event(with_exceptions()), &event(longer)).await;
    talk.gives(&updated, &vec![Ok(ChangeKey::new(LAST))]);
}

/// Of somebody else's meeting only what is the reader's own is sent.
#[tokio::test]
async fn a_meeting_of_somebody_else() {
    let before = Event { organiser: Some(person("bob@example.org")), ..series() };
    let mut after = before.clone();
    (after.details.subject, after.details.reminder) = ("Mine".into(), Some(5));
    after.deleted = [date(2026, 3, 30)].into();
    let talk = Talk::new(&[
        ("entries/my-response", "entries/my-response.exchange"),
        ("entries/update-own", "entries/updated-series.exchange"),
    ]);
    let updated = update(&talk, &event(before.clone()), &event(after)).await;
    talk.gives(&updated, &vec![Ok(ChangeKey::new(NEXT))]);
    let renamed = Event { details: Details { subject: "Ours".into(), ..before.details.clone() }, ..before.clone() };
    let talk = Talk::new(&[
        ("entries/my-response", "entries/my-response-organiser.exchange"),
        ("entries/update-subject", "entries/updated-series.exchange"),
    ]);
    let updated = update(&talk, &event(before), &event(renamed)).await;
    talk.gives(&updated, &vec![Ok(ChangeKey::new(NEXT))]);
}

#[tokio::test]
async fn a_series_in_a_zone_that_exchange_lacks_is_refused() {
    let mut lost = series();
    let nine = date(2026, 3, 16).at(9, 0, 0, 0);
    let at = in_zone("Antarctica/Troll", nine);
    lost.details.when = When::Zoned { start: at.clone(), end: at };
    let talk = Talk::new(&[]);
    let message = "Exchange has no time zone \"Antarctica/Troll\", and a series must be in one that it has";
    let refused = own_error(ItemErrorClass::Permanent, "UnknownTimeZone", message);
    talk.gives(&create(&talk, &[event(lost)]).await, &vec![Err(refused)]);
}

#[tokio::test]
async fn nothing_is_sent_where_nothing_differs() {
    let talk = Talk::new(&[]);
    let updated = update(&talk, &contact(full()), &contact(full())).await;
    talk.gives(&updated, &vec![Ok(ChangeKey::new(KEY_A))]);
}
