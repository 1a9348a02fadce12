//! Contacts, tasks and notes: what is sent is there, and what is changed is changed, once, whatever becomes of the answer.

use jiff::civil::date;
use pimsync::exchange::{Action, Personality, Rule};
use pimsync::pim::note::NoteColour;
use pimsync::pim::recurrence::{Count, End, Interval, Pattern, Recurrence, Weekdays};
use pimsync::pim::task::{Percent, TaskRecurrence, TaskStatus};
use pimsync::pim::{
    Address, AddressKey, Category, ChangeKey, Contact, DayOfLife, Entry, EntryKind, Gender, Importance, ItemId, Note,
    PhoneKey, Photo, Sensitivity, ServerEntry, Tag, Task, Text, UnixTime,
};
use pimsync::remote::{EntryUpdate, EntryUpload, ItemErrorClass, PerItem, Placed, RemoteRead, RemoteWrite};

use crate::house::*;

contract!(
    created_entries_are_what_was_sent,
    changed_entries_are_what_was_sent,
    each_field_of_a_contact_is_cleared,
    pictures_come_and_go,
    a_picture_that_does_not_get_through_makes_no_second_contact,
    entries_that_changed_meanwhile_are_left_alone,
    lost_answers_never_make_a_second_entry,
    a_lost_answer_to_a_change_is_no_conflict,
    entries_of_another_class_are_told,
    how_far_a_task_is_comes_to_the_same_on_both_sides,
);

pub(super) fn folder_of(entry: &Entry) -> &'static str {
    match entry {
        Entry::Contact(_) => "Contacts",
        Entry::Event(_) => "Calendar",
        Entry::Note(_) => "Notes",
        Entry::Task(_) => "Tasks",
    }
}

pub(super) async fn create(house: &House, entries: &[Entry]) -> Vec<PerItem<Placed>> {
    let folder = house.folder(folder_of(&entries[0]));
    let tags: Vec<Tag> = (1..=entries.len()).map(tag).collect();
    let upload = |(entry, tag)| EntryUpload { tag, entry, extra: None };
    let uploads: Vec<EntryUpload<'_>> = entries.iter().zip(&tags).map(upload).collect();
    house.client.create_entries(&folder, &uploads).await.unwrap()
}

pub(super) async fn read(house: &House, kind: EntryKind, ids: &[ItemId]) -> Vec<ServerEntry> {
    all_ok(house.client.entries(kind, ids).await.unwrap())
}

/// Creates an entry and tells how it is there.
pub(super) async fn created(house: &House, entry: &Entry) -> ServerEntry {
    let placed = all_ok(create(house, std::slice::from_ref(entry)).await).remove(0);
    let now = read(house, entry.kind(), &[placed.id]).await.remove(0);
    assert_eq!(now.change_key, placed.change_key, "what is told is the newest version");
    now
}

pub(super) async fn change(house: &House, now: &ServerEntry, to: &Entry) -> PerItem<ChangeKey> {
    let update = EntryUpdate { id: &now.id, change_key: &now.change_key, from: &now.entry, to, extra: None };
    house.client.update_entries(&[update]).await.unwrap().remove(0)
}

/// Changes an entry and tells how it is then.
pub(super) async fn changed(house: &House, now: &ServerEntry, to: &Entry) -> ServerEntry {
    let key = change(house, now, to).await.unwrap();
    let then = read(house, to.kind(), std::slice::from_ref(&now.id)).await.remove(0);
    assert_eq!(then.change_key, key, "what is told is the newest version");
    then
}

fn texts(list: &[&str]) -> Vec<Text> {
    list.iter().map(|text| Text::new(text)).collect()
}

/// gromox has one place for addresses of instant messages.
fn messengers(house: &House, list: &[&str]) -> Vec<Text> {
    let most = if house.like == Personality::Gromox { 1 } else { list.len() };
    texts(&list[..most.min(list.len())])
}

fn contact(house: &House) -> Contact {
    let address = Address {
        po_box: "7".into(),
        street: "1 High St".into(),
        city: "London".into(),
        state: "LDN".into(),
        postal_code: "W1".into(),
        country: "UK".into(),
    };
    Contact {
        uid: "uid-1".into(),
        display_name: "Ada Lovelace".into(),
        prefix: "Lady".into(),
        given: "Ada".into(),
        middle: "King".into(),
        surname: "Lovelace".into(),
        suffix: "I".into(),
        nickname: "A".into(),
        file_as: "Lovelace, Ada".into(),
        emails: texts(&["1@example.org", "2@example.org", "3@example.org", "4@example.org"]),
        phones: [(PhoneKey::MobilePhone, "+44 2".into()), (PhoneKey::TtyTddPhone, "+44 3".into())].into(),
        addresses: [(AddressKey::Home, address.clone()), (AddressKey::Business, address)].into(),
        company: "Analytical".into(),
        department: "R&D".into(),
        job_title: "Analyst".into(),
        profession: "Countess".into(),
        business_page: "https://example.org".into(),
        personal_page: "https://example.org/~ada".into(),
        birthday: DayOfLife::new(date(1815, 12, 10)),
        anniversary: DayOfLife::without_year(7, 8),
        photo: Some(Photo::new("jpeg", vec![0xFF, 0xD8, 0xFF, 0])),
        note: "First\nprogrammer".into(),
        messengers: messengers(
            house,
            &["xmpp:1@example.org", "xmpp:2@example.org", "xmpp:3@example.org", "xmpp:4@example.org"],
        ),
        spouse: "William".into(),
        children: texts(&["Byron", "Anne"]),
        assistant: "C".into(),
        manager: "B".into(),
        categories: [Category("Friends".into()), Category("Ä & B".into())].into(),
        sensitivity: Sensitivity::Private,
        gender: Some(Gender::Female),
        free_busy: "https://example.org/fb".into(),
    }
}

/// gromox keeps no repetitions of tasks, and no reminders that come later.
fn task(house: &House) -> Task {
    let weekly = Pattern::Weekly {
        interval: Interval::new(2).unwrap(),
        days: [jiff::civil::Weekday::Tuesday].into_iter().collect::<Weekdays>(),
        first_day: jiff::civil::Weekday::Monday,
    };
    let recurrence = Recurrence { pattern: weekly, start: date(2026, 12, 1), end: End::After(Count::new(5).unwrap()) };
    Task {
        uid: "task-1".into(),
        subject: "Pay the rent".into(),
        body: "On time".into(),
        status: TaskStatus::WaitingOnOthers,
        percent: Percent::new(25).unwrap(),
        completed: None,
        start: Some(date(2026, 12, 1)),
        due: Some(date(2026, 12, 1)),
        recurrence: Some(TaskRecurrence::Regular(recurrence)).filter(|_| house.like == Personality::Exchange),
        reminder: Some(UnixTime(1_796_112_000)),
        importance: Importance::High,
        sensitivity: Sensitivity::Personal,
        categories: [Category("Home".into())].into(),
    }
}

fn note() -> Note {
    Note { text: "Milk\n\nBread".into(), colour: Some(NoteColour::Green), categories: [Category("Shop".into())].into() }
}

fn one_of_each(house: &House) -> [Entry; 3] {
    [Entry::Contact(Box::new(contact(house))), Entry::Task(Box::new(task(house))), Entry::Note(note())]
}

async fn created_entries_are_what_was_sent(house: House) {
    house.client.special_folders().await.unwrap();
    for entry in one_of_each(&house) {
        let now = created(&house, &entry).await;
        assert_eq!(now.entry, entry);
        assert_eq!((now.tag, now.extra), (Some(tag(1)), None));
    }
    // What the file says besides is kept beside it, long lines and all.
    let extra = Text::from("X-OWN:ä\nX-LONG:".to_owned() + &"x".repeat(40_000));
    let entry = Entry::Note(note());
    let upload = EntryUpload { tag: &tag(9), entry: &entry, extra: Some(&extra) };
    let placed = all_ok(house.client.create_entries(&house.folder("Notes"), &[upload]).await.unwrap()).remove(0);
    let now = read(&house, EntryKind::Note, std::slice::from_ref(&placed.id)).await.remove(0);
    assert_eq!(now.extra.as_ref(), Some(&extra));
    for (extra, want) in [(Text::new("X-OWN:2"), Some(Text::new("X-OWN:2"))), (Text::default(), None)] {
        let now = read(&house, EntryKind::Note, std::slice::from_ref(&placed.id)).await.remove(0);
        let update =
            EntryUpdate { id: &now.id, change_key: &now.change_key, from: &entry, to: &entry, extra: Some(&extra) };
        all_ok(house.client.update_entries(&[update]).await.unwrap());
        let then = read(&house, EntryKind::Note, std::slice::from_ref(&placed.id)).await.remove(0);
        assert_eq!((then.extra, then.entry), (want, entry.clone()));
    }
}

async fn changed_entries_are_what_was_sent(house: House) {
    house.client.special_folders().await.unwrap();
    let mut other = Contact {
        given: "Augusta".into(),
        emails: texts(&["4@example.org"]),
        birthday: DayOfLife::new(date(1816, 2, 29)),
        children: texts(&["Ralph"]),
        gender: Some(Gender::Male),
        sensitivity: Sensitivity::Normal,
        note: "Also a poet's daughter".into(),
        ..contact(&house)
    };
    other.phones.insert(PhoneKey::Pager, "+44 9".into());
    other.phones.remove(&PhoneKey::MobilePhone);
    other.addresses.remove(&AddressKey::Business);
    other.addresses.get_mut(&AddressKey::Home).unwrap().city = "Paris".into();
    let busy = Task {
        subject: "Rent".into(),
        status: TaskStatus::InProgress,
        percent: Percent::new(75).unwrap(),
        start: None,
        due: Some(date(2026, 12, 24)),
        recurrence: None,
        importance: Importance::Low,
        ..task(&house)
    };
    let shop = Note { text: "Butter".into(), colour: None, categories: Default::default() };
    let others = [Entry::Contact(Box::new(other)), Entry::Task(Box::new(busy)), Entry::Note(shop)];
    for (entry, other) in one_of_each(&house).into_iter().zip(others) {
        let now = created(&house, &entry).await;
        let then = changed(&house, &now, &other).await;
        assert_eq!(then.entry, other);
        assert_eq!(changed(&house, &then, &entry).await.entry, entry, "and back");
    }
}

async fn each_field_of_a_contact_is_cleared(house: House) {
    house.client.special_folders().await.unwrap();
    let now = created(&house, &Entry::Contact(Box::new(contact(&house)))).await;
    let empty = Entry::Contact(Box::default());
    let then = changed(&house, &now, &empty).await;
    assert_eq!(then.entry, empty);
}

async fn pictures_come_and_go(house: House) {
    house.client.special_folders().await.unwrap();
    let with =
        |photo: Option<Photo>| Entry::Contact(Box::new(Contact { given: "Ada".into(), photo, ..Contact::default() }));
    let mut now = created(&house, &with(None)).await;
    for number in [Some(1), Some(2), None, Some(3)] {
        let photo = number.map(|number| Photo::new("png", vec![number; 5000]));
        now = changed(&house, &now, &with(photo.clone())).await;
        let Entry::Contact(contact) = &now.entry else { panic!("{now:?}") };
        assert_eq!(contact.photo, photo);
        assert_eq!(contact.photo.as_ref().and_then(Photo::data), photo.as_ref().and_then(Photo::data));
    }
    // Its answer is lost, and there is one picture all the same.
    for fault in [Action::ResetBeforeCommit, Action::ResetAfterCommit, Action::Garbage] {
        house.server.faults().add(Rule::on("CreateAttachment", fault.clone()).times(1));
        house.server.faults().add(Rule::on("DeleteAttachment", fault.clone()).times(1));
        let photo = Some(Photo::new("jpeg", format!("{fault:?}").into_bytes()));
        now = changed(&house, &now, &with(photo.clone())).await;
        assert_eq!(now.entry, with(photo));
        house.server.faults().clear();
    }
}

async fn entries_that_changed_meanwhile_are_left_alone(house: House) {
    house.client.special_folders().await.unwrap();
    for entry in one_of_each(&house) {
        let mut mine = entry.clone();
        let mut theirs = entry.clone();
        for (entry, word) in [(&mut mine, "mine"), (&mut theirs, "theirs")] {
            match entry {
                Entry::Contact(contact) => contact.company = word.into(),
                Entry::Event(event) => event.details.subject = word.into(),
                Entry::Note(note) => note.text = word.into(),
                Entry::Task(task) => task.subject = word.into(),
            }
        }
        let before = created(&house, &entry).await;
        let then = changed(&house, &before, &theirs).await;
        assert_eq!(change(&house, &before, &mine).await.unwrap_err().class, ItemErrorClass::Conflict);
        assert_eq!(read(&house, entry.kind(), &[before.id]).await.remove(0), then);
    }
    // A picture alone is no property, and is compared all the same.
    let entry = Entry::Contact(Box::new(Contact { photo: None, ..contact(&house) }));
    let before = created(&house, &entry).await;
    let then = changed(
        &house,
        &before,
        &Entry::Contact(Box::new(Contact { photo: None, given: "B".into(), ..contact(&house) })),
    )
    .await;
    let pictured = Entry::Contact(Box::new(contact(&house)));
    assert_eq!(change(&house, &before, &pictured).await.unwrap_err().class, ItemErrorClass::Conflict);
    assert_eq!(read(&house, EntryKind::Contact, &[before.id]).await.remove(0), then);
}

async fn lost_answers_never_make_a_second_entry(house: House) {
    house.client.special_folders().await.unwrap();
    let faults = [Action::ResetBeforeCommit, Action::ResetAfterCommit, Action::Garbage, Action::CutBody { at: 700 }];
    for entry in one_of_each(&house) {
        let folder = folder_of(&entry);
        for fault in &faults {
            house.server.faults().clear();
            for item in house.mailbox.items(folder).unwrap() {
                house.mailbox.delete_item(&item.id).unwrap();
            }
            house.server.faults().add(Rule::on("CreateItem", fault.clone()).times(1));
            let placed = all_ok(create(&house, &[entry.clone(), entry.clone()]).await);
            assert_eq!(house.mailbox.items(folder).unwrap().len(), 2, "{folder} {fault:?}");
            let ids: Vec<ItemId> = placed.into_iter().map(|placed| placed.id).collect();
            let now = read(&house, entry.kind(), &ids).await;
            assert!(now.iter().enumerate().all(|(n, now)| now.tag == Some(tag(n + 1)) && now.entry == entry));
        }
    }
}

async fn a_lost_answer_to_a_change_is_no_conflict(house: House) {
    house.client.special_folders().await.unwrap();
    let mut now = created(&house, &Entry::Note(note())).await;
    for (number, fault) in
        [Action::ResetBeforeCommit, Action::ResetAfterCommit, Action::Garbage].into_iter().enumerate()
    {
        house.server.faults().add(Rule::on("UpdateItem", fault).times(1));
        let to = Entry::Note(Note { text: format!("version {number}").into(), ..note() });
        now = changed(&house, &now, &to).await;
        assert_eq!(now.entry, to);
        house.server.faults().clear();
    }
}

async fn entries_of_another_class_are_told(house: House) {
    house.client.special_folders().await.unwrap();
    let mail = house.fill("Inbox", &["mail"]).remove(0);
    let note = created(&house, &Entry::Note(note())).await;
    for kind in [EntryKind::Contact, EntryKind::Event, EntryKind::Task, EntryKind::Note] {
        let ids = [mail.clone(), note.id.clone(), ItemId::new("AAMkbogus")];
        let results = house.client.entries(kind, &ids).await.unwrap();
        let codes: Vec<Option<&str>> =
            results.iter().map(|result| result.as_ref().err().map(|error| error.code.as_str())).collect();
        let own = (kind != EntryKind::Note).then_some("OtherClass");
        assert_eq!(codes[..2], [Some("OtherClass"), own]);
        assert!(results[2].is_err());
    }
}

/// Exchange lets one of the three say all; gromox keeps each.
async fn how_far_a_task_is_comes_to_the_same_on_both_sides(house: House) {
    house.client.special_folders().await.unwrap();
    // gromox is known by what it says of itself, and not before it said anything.
    let state = |status, percent, completed: Option<i64>| Task {
        subject: "x".into(),
        status,
        percent: Percent::new(percent).unwrap(),
        completed: completed.map(UnixTime),
        ..Task::default()
    };
    // A day that is over, as the server has it.
    let yesterday = Some(1_772_150_400);
    let states = [
        state(TaskStatus::NotStarted, 0, None),
        state(TaskStatus::InProgress, 50, None),
        state(TaskStatus::Completed, 100, yesterday),
        state(TaskStatus::Deferred, 0, None),
        state(TaskStatus::WaitingOnOthers, 25, None),
        state(TaskStatus::InProgress, 0, None),
    ];
    for one in &states {
        let one = Entry::Task(Box::new(one.clone()));
        let mut now = created(&house, &one).await;
        assert_eq!(now.entry, one, "new");
        for other in &states {
            let other = Entry::Task(Box::new(other.clone()));
            for to in [&other, &one] {
                let before = now.entry.clone();
                now = changed(&house, &now, to).await;
                assert_eq!(&now.entry, to, "after {before:?}");
            }
        }
    }
}

/// What is created stays created, also where its picture does not get through: it is a change for a later run.
async fn a_picture_that_does_not_get_through_makes_no_second_contact(house: House) {
    house.client.special_folders().await.unwrap();
    let rule = house.server.faults().add(Rule::on("CreateAttachment", Action::ResetBeforeCommit));
    let entry = Entry::Contact(Box::new(contact(&house)));
    let error = create(&house, std::slice::from_ref(&entry)).await.remove(0).unwrap_err();
    assert_eq!(error.class, ItemErrorClass::Unknown, "it is there, so it is to be looked for");
    assert!(house.server.faults().fired(rule) > 0);
    let found = house.client.find_tagged(&house.folder("Contacts"), &[tag(1)]).await.unwrap();
    assert_eq!(found.len(), 1);
    let now = read(&house, EntryKind::Contact, std::slice::from_ref(&found[0].id)).await.remove(0);
    assert_eq!(now.entry, Entry::Contact(Box::new(Contact { photo: None, ..contact(&house) })));
    // The same with a change: it is told, and made good later.
    assert_eq!(change(&house, &now, &entry).await.unwrap_err().class, ItemErrorClass::Transient);
    house.server.faults().clear();
    let now = read(&house, EntryKind::Contact, std::slice::from_ref(&now.id)).await.remove(0);
    assert_eq!(changed(&house, &now, &entry).await.entry, entry);
}
