//! Contacts, notes and tasks between the server and their files: both ways, field by field, and nothing lost whatever happens.

mod finds;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::world::others::Others;
use crate::world::{CutAt, USER, World};
use pimsync::exchange::Personality;
use pimsync::pim::{Contact, Entry, Note, PhoneKey, SpecialFolder, Task, Text};
use pimsync::plan::ConflictPolicy;
use pimsync::sync::{NoticeKind, Report, Step, SyncError};

pub(super) const BOTH: [Personality; 2] = [Personality::Exchange, Personality::Gromox];

fn ada() -> Entry {
    contact(|contact| {
        contact.display_name = "Ada Lovelace".into();
        contact.given = "Ada".into();
        contact.surname = "Lovelace".into();
        contact.emails = vec!["ada@example.org".into()];
        contact.company = "Engines".into();
        contact.phones = [(PhoneKey::MobilePhone, Text::new("1"))].into();
    })
}

fn contact(fill: impl FnOnce(&mut Contact)) -> Entry {
    let mut contact = Contact::default();
    fill(&mut contact);
    Entry::Contact(Box::new(contact))
}

fn note(text: &str) -> Entry {
    Entry::Note(Note { text: text.into(), ..Note::default() })
}

fn task(subject: &str) -> Entry {
    Entry::Task(Box::new(Task { subject: subject.into(), uid: format!("uid-{subject}").into(), ..Task::default() }))
}

fn as_contact(entry: &mut Entry) -> &mut Contact {
    match entry {
        Entry::Contact(contact) => contact,
        other => panic!("{other:?} is no contact"),
    }
}

/// The files of a folder, by name; hidden ones too, since none of ours may stay.
fn files(world: &World, folder: &str) -> BTreeMap<String, String> {
    let dir = world.account_dir().join(folder);
    let Ok(listed) = fs::read_dir(&dir) else { return BTreeMap::new() };
    listed
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() || path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap_or_else(|_| "a directory".to_owned()))
        })
        .collect()
}

pub(super) fn only_file(world: &World, folder: &str) -> (PathBuf, String) {
    let files = files(world, folder);
    assert_eq!(files.len(), 1, "{files:?}");
    let (name, text) = files.into_iter().next().unwrap();
    (world.account_dir().join(folder).join(name), text)
}

pub(super) fn edit(world: &World, folder: &str, from: &str, to: &str) {
    let (path, text) = only_file(world, folder);
    assert!(text.contains(from), "{from:?} is not in {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

pub(super) fn write(world: &World, path: &str, text: &str) {
    fs::write(world.account_dir().join(path), text.replace('\n', "\r\n")).unwrap();
}

pub(super) fn copies(world: &World) -> Vec<String> {
    let dir = world.database().join("On My Computer/Conflicts");
    let Ok(listed) = fs::read_dir(dir) else { return Vec::new() };
    let mut copies: Vec<String> = listed
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    copies.sort();
    copies
}

pub(super) fn settled(world: &World) -> Report {
    let report = world.sync();
    let dry = world.dry_run();
    assert_eq!(dry.planned, [], "a dry run after a sync plans something; the sync: {report:#?}");
    let again = world.sync();
    assert!(again.folders.values().all(pimsync::sync::Tally::is_empty), "a second sync did something: {again:?}");
    report
}

#[test]
fn each_kind_comes_and_goes_both_ways() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        others.create(SpecialFolder::Contacts, &ada());
        others.create(SpecialFolder::Notes, &note("Buy milk\nand bread"));
        others.create(SpecialFolder::Tasks, &task("Paint"));
        settled(&world);
        let (path, vcard) = only_file(&world, "Contacts");
        assert!(vcard.contains("FN:Ada Lovelace") && vcard.contains("EMAIL:ada@example.org"), "{vcard}");
        assert!(vcard.contains(&format!("UID:{}", path.file_stem().unwrap().to_string_lossy())), "{vcard}");
        assert_eq!(files(&world, "Notes"), [("Buy milk.md".to_owned(), "Buy milk\nand bread".to_owned())].into());
        let (_, todo) = only_file(&world, "Tasks");
        assert!(todo.contains("SUMMARY:Paint") && todo.contains("UID:uid-Paint"), "{todo}");

        // Changed there.
        others.update(SpecialFolder::Contacts, |entry| as_contact(entry).company = "Analysis".into());
        others.update(SpecialFolder::Notes, |entry| *entry = note("Buy milk\nand butter"));
        settled(&world);
        assert_eq!(only_file(&world, "Contacts").1, vcard.replace("Engines", "Analysis"), "that line alone");
        assert_eq!(only_file(&world, "Notes").1, "Buy milk\nand butter");

        // Changed here.
        edit(&world, "Contacts", "Analysis", "Poetry");
        edit(&world, "Notes", "butter", "jam");
        edit(&world, "Tasks", "Paint", "Paint it");
        settled(&world);
        let entry = &mut others.all(SpecialFolder::Contacts)[0].entry;
        assert_eq!(as_contact(entry).company.as_str(), "Poetry");
        assert_eq!(others.all(SpecialFolder::Notes)[0].entry, note("Buy milk\nand jam"));
        assert_eq!(others.all(SpecialFolder::Tasks)[0].entry.label(), "Paint it");

        // Gone there, and gone here.
        others.delete(SpecialFolder::Contacts);
        fs::remove_file(only_file(&world, "Notes").0).unwrap();
        settled(&world);
        assert_eq!(files(&world, "Contacts"), BTreeMap::new());
        assert_eq!(others.all(SpecialFolder::Notes), []);
        assert_eq!(only_file(&world, "Tasks").0.extension().unwrap(), "ics");
    }
}

const BOB: &str = "BEGIN:VCARD\nVERSION:3.0\nPRODID:-//somebody//EN\nUID:bob-1\nN:Bird;Bob;;;\nFN:Bob Bird\n\
                   TEL;TYPE=CELL:2\nTEL;TYPE=CELL:3\nX-SKYPE:bob\nREV:2026-01-01T00:00:00Z\nEND:VCARD\n";

#[test]
fn a_new_file_is_uploaded_once_and_what_the_server_has_no_fields_for_survives() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        write(&world, "Contacts/bob.vcf", BOB);
        settled(&world);
        assert_eq!(only_file(&world, "Contacts").1, BOB.replace('\n', "\r\n"), "its own file is left as it is");
        let there = Others(&world).all(SpecialFolder::Contacts);
        assert_eq!(there.len(), 1);
        assert_eq!(there[0].entry.label(), "Bob Bird");

        // Another machine, or this one with nothing left.
        let other = World::home();
        fs::rename(world.database(), other.path().join("Database")).unwrap();
        fs::create_dir_all(world.database()).unwrap();
        pimsync::local::MailTree::create(&world.database(), USER, world.clock.clone()).unwrap();
        settled(&world);
        let (path, text) = only_file(&world, "Contacts");
        assert_eq!(path.file_name().unwrap(), "bob-1.vcf");
        for line in ["X-SKYPE:bob", "FN:Bob Bird", "UID:bob-1", ":3"] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
    }
}

#[test]
fn changes_of_different_fields_are_merged() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        others.create(SpecialFolder::Contacts, &ada());
        settled(&world);
        others.update(SpecialFolder::Contacts, |entry| as_contact(entry).company = "Analysis".into());
        edit(&world, "Contacts", "ada@example.org", "ada@example.com");
        let report = settled(&world);
        assert_eq!(report.notices, []);
        let (_, text) = only_file(&world, "Contacts");
        assert!(text.contains("Analysis") && text.contains("ada@example.com"), "{text}");
        let entry = &mut others.all(SpecialFolder::Contacts)[0].entry;
        assert_eq!(as_contact(entry).emails, [Text::new("ada@example.com")]);
        assert_eq!(as_contact(entry).company.as_str(), "Analysis");
    }
}

#[test]
fn changes_of_one_field_are_a_conflict() {
    for (policy, company, kept) in [
        (ConflictPolicy::KeepBoth, "Theirs", 1),
        (ConflictPolicy::Server, "Theirs", 0),
        (ConflictPolicy::Local, "Mine", 0),
    ] {
        let mut world = World::new(Personality::Exchange);
        world.policy = policy;
        let others = Others(&world);
        others.create(SpecialFolder::Contacts, &ada());
        settled(&world);
        others.update(SpecialFolder::Contacts, |entry| {
            as_contact(entry).company = "Theirs".into();
            as_contact(entry).nickname = "A".into();
        });
        edit(&world, "Contacts", "Engines", "Mine");
        let report = settled(&world);
        let conflicts = report.notices.iter().filter(|notice| notice.kind == NoticeKind::Conflict).count();
        assert_eq!(conflicts, kept, "{report:?}");
        let (_, text) = only_file(&world, "Contacts");
        assert!(text.contains(company) && text.contains("NICKNAME:A"), "{text}");
        let entry = &mut others.all(SpecialFolder::Contacts)[0].entry;
        assert_eq!(as_contact(entry).company.as_str(), company);
        let copies = copies(&world);
        assert_eq!(copies.len(), kept);
        assert!(copies.iter().all(|copy| copy.contains("Mine")), "{copies:?}");
    }
}

#[test]
fn an_edit_wins_over_a_deletion_on_either_side() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        others.create(SpecialFolder::Contacts, &ada());
        settled(&world);
        others.delete(SpecialFolder::Contacts);
        edit(&world, "Contacts", "Engines", "Mine");
        settled(&world);
        assert!(only_file(&world, "Contacts").1.contains("Mine"));
        assert_eq!(others.all(SpecialFolder::Contacts).len(), 1);

        others.update(SpecialFolder::Contacts, |entry| as_contact(entry).company = "Theirs".into());
        fs::remove_file(only_file(&world, "Contacts").0).unwrap();
        settled(&world);
        assert!(only_file(&world, "Contacts").1.contains("Theirs"));
        assert_eq!(others.all(SpecialFolder::Contacts).len(), 1);
    }
}

#[test]
fn a_file_that_is_no_contact_is_held_with_its_reason_and_stays() {
    let world = World::new(Personality::Exchange);
    let others = Others(&world);
    others.create(SpecialFolder::Contacts, &ada());
    settled(&world);
    write(&world, "Contacts/old.vcf", "BEGIN:VCARD\nVERSION:2.1\nFN:Old\nEND:VCARD\n");
    let (path, text) = {
        let (name, text) = files(&world, "Contacts").into_iter().find(|(name, _)| name != "old.vcf").unwrap();
        (world.account_dir().join("Contacts").join(name), text)
    };
    fs::write(&path, "nonsense").unwrap();
    others.update(SpecialFolder::Contacts, |entry| as_contact(entry).company = "Theirs".into());
    let report = world.sync();
    let told: Vec<String> = report.notices.iter().map(|notice| notice.text.clone()).collect();
    assert!(told.iter().any(|text| text.contains("2.1")), "{told:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "nonsense");
    assert_eq!(others.all(SpecialFolder::Contacts).len(), 1);
    // Mended: the server's change comes, too, and nothing is there twice.
    fs::write(&path, text.replace("ada@example.org", "ada@example.com")).unwrap();
    fs::remove_file(world.account_dir().join("Contacts/old.vcf")).unwrap();
    world.advance(2 * 86_400);
    settled(&world);
    let (_, text) = only_file(&world, "Contacts");
    assert!(text.contains("Theirs") && text.contains("ada@example.com"), "{text}");
    assert_eq!(others.all(SpecialFolder::Contacts).len(), 1);
    assert_eq!(world.troubles(), Vec::<String>::new());
}

#[test]
fn renaming_and_moving_files_is_no_deletion() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        others.create(SpecialFolder::Contacts, &ada());
        world.mailbox.create_folder("Contacts", "Friends", "IPF.Contact").unwrap();
        settled(&world);
        let id = others.all(SpecialFolder::Contacts)[0].id.clone();
        let dir = world.account_dir().join("Contacts");
        fs::rename(only_file(&world, "Contacts").0, dir.join("ada.vcf")).unwrap();
        settled(&world);
        assert_eq!(others.all(SpecialFolder::Contacts)[0].id, id, "renamed here, and nothing else");

        fs::rename(dir.join("ada.vcf"), dir.join("Friends/ada.vcf")).unwrap();
        let report = settled(&world);
        assert_eq!(report.total().moved_there, 1, "{report:?}");
        assert_eq!(others.all(SpecialFolder::Contacts), []);

        // Moved back there.
        let friends =
            world.mailbox.folders().unwrap().into_iter().find(|folder| folder.path == "Contacts/Friends").unwrap();
        let item = world.mailbox.items(&friends.id).unwrap().remove(0);
        world.mailbox.move_item(&item.id, "Contacts").unwrap();
        let report = settled(&world);
        assert_eq!(report.total().moved_here, 1, "{report:?}");
        assert_eq!(only_file(&world, "Contacts").0.file_name().unwrap(), "ada.vcf");
    }
}

#[test]
fn a_lost_state_is_made_anew_from_both_sides() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        others.create(SpecialFolder::Contacts, &ada());
        others.create(SpecialFolder::Notes, &note("Buy milk"));
        others.create(SpecialFolder::Tasks, &task("Paint"));
        world.sync();
        write(&world, "Contacts/bob.vcf", BOB);
        settled(&world);
        let before = ["Contacts", "Notes", "Tasks"].map(|folder| files(&world, folder));
        world.lose_state();
        let report = settled(&world);
        assert_eq!(report.total().adopted, 4, "{report:?}");
        assert_eq!(["Contacts", "Notes", "Tasks"].map(|folder| files(&world, folder)), before);
        assert_eq!(others.all(SpecialFolder::Contacts).len(), 2);
        assert_eq!(copies(&world), Vec::<String>::new());
    }
}

#[test]
fn many_deletions_are_held() {
    let world = World::new(Personality::Exchange);
    world.sync();
    for number in 0..30 {
        let card = BOB.replace("bob-1", &format!("bob-{number}")).replace("Bob", &format!("Bob{number}"));
        write(&world, &format!("Contacts/{number}.vcf"), &card);
    }
    settled(&world);
    for number in 0..7 {
        fs::remove_file(world.account_dir().join(format!("Contacts/{number}.vcf"))).unwrap();
    }
    let report = world.sync();
    assert!(report.notices.iter().any(|notice| notice.text.contains("7 entries would be deleted")), "{report:?}");
    assert_eq!(Others(&world).all(SpecialFolder::Contacts).len(), 30);
    world.sync_with(&World::allow_deletes());
    assert_eq!(Others(&world).all(SpecialFolder::Contacts).len(), 23);
    settled(&world);
}

/// A day with something of everything, on both sides.
fn busy_day(world: &World) {
    let others = Others(world);
    others.create(SpecialFolder::Contacts, &contact(|contact| contact.display_name = "New there".into()));
    write(world, "Contacts/bob.vcf", BOB);
    write(world, "Notes/Here.md", "Here\n");
    others.update(SpecialFolder::Tasks, |entry| {
        *entry = {
            let Entry::Task(task) = entry else { panic!() };
            Entry::Task(Box::new(Task { body: "at once".into(), ..(**task).clone() }))
        }
    });
    edit(world, "Tasks", "Paint", "Paint it");
    others.delete(SpecialFolder::Notes);
}

fn end_of(world: &World) -> (Vec<Entry>, Vec<String>) {
    let others = Others(world);
    let kinds = [SpecialFolder::Contacts, SpecialFolder::Notes, SpecialFolder::Tasks];
    let mut there: Vec<Entry> = kinds.iter().flat_map(|kind| others.all(*kind)).map(|entry| entry.entry).collect();
    there.sort_by_key(|entry| format!("{entry:?}"));
    let mut here: Vec<String> = ["Contacts", "Notes", "Tasks"]
        .iter()
        .flat_map(|folder| files(world, folder))
        .map(|(_, text)| {
            text.lines()
                .filter(|line| !line.starts_with("UID:") && !line.starts_with("DTSTAMP:"))
                .map(|line| format!("{line}\n"))
                .collect()
        })
        .collect();
    here.sort();
    (there, here)
}

fn before_the_day(like: Personality) -> World {
    let world = World::unrecorded(like);
    let others = Others(&world);
    others.create(SpecialFolder::Contacts, &ada());
    others.create(SpecialFolder::Notes, &note("Buy milk"));
    others.create(SpecialFolder::Tasks, &task("Paint"));
    settled(&world);
    busy_day(&world);
    world
}

#[test]
fn a_run_that_is_cut_off_anywhere_ends_as_one_that_was_not() {
    for like in BOTH {
        let world = before_the_day(like);
        let whole = Arc::new(CutAt::default());
        world.try_sync(&Default::default(), whole.clone()).unwrap();
        settled(&world);
        let wanted = end_of(&world);
        let steps: Vec<Step> = whole.passed.lock().unwrap().clone();
        assert!(steps.len() > 15, "{steps:?}");
        for at in 1..=steps.len() {
            let world = before_the_day(like);
            let cut = Arc::new(CutAt { at: Some(at), ..CutAt::default() });
            match world.try_sync(&Default::default(), cut) {
                Err(SyncError::CutOff(_)) | Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
            settled(&world);
            assert_eq!(end_of(&world), wanted, "cut off at step {at}, {:?}", steps[at - 1]);
            assert_eq!(copies(&world), Vec::<String>::new(), "cut off at step {at}, {:?}", steps[at - 1]);
        }
    }
}

pub(super) const TEA: &str = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//somebody//EN\nBEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\n\
                   DTSTART:19701025T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nEND:STANDARD\n\
                   BEGIN:DAYLIGHT\nDTSTART:19700329T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\n\
                   END:DAYLIGHT\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:tea-1\nDTSTAMP:20260101T000000Z\nSUMMARY:Tea\n\
                   DTSTART;TZID=Europe/Berlin:20260302T160000\nDTEND;TZID=Europe/Berlin:20260302T170000\nLOCATION:Garden\nX-TEAPOT:blue\n\
                   END:VEVENT\nEND:VCALENDAR\n";

pub(super) fn as_event(entry: &Entry) -> &pimsync::pim::Event {
    match entry {
        Entry::Event(event) => event,
        other => panic!("{other:?} is no event"),
    }
}

#[test]
fn an_event_goes_both_ways() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        world.sync();
        write(&world, "Calendar/tea.ics", TEA);
        let report = settled(&world);
        assert_eq!(report.notices, []);
        let there = others.all(SpecialFolder::Calendar);
        assert_eq!(there.len(), 1);
        let event = as_event(&there[0].entry);
        assert_eq!((event.uid.as_str(), event.details.location.as_str()), ("tea-1", "Garden"));
        assert!(only_file(&world, "Calendar").1.contains("X-TEAPOT:blue"));
        others.update(SpecialFolder::Calendar, |entry| {
            let Entry::Event(event) = entry else { panic!() };
            event.details.location = "Kitchen".into();
        });
        edit(&world, "Calendar", "SUMMARY:Tea", "SUMMARY:Green tea");
        settled(&world);
        let text = only_file(&world, "Calendar").1;
        assert!(text.contains("LOCATION:Kitchen") && text.contains("SUMMARY:Green tea"), "{text}");
        assert!(
            text.contains("DTSTART;TZID=Europe/Berlin:20260302T160000") && text.contains("X-TEAPOT:blue"),
            "{text}"
        );
        let there = others.all(SpecialFolder::Calendar).remove(0).entry;
        assert_eq!(as_event(&there).details.subject.as_str(), "Green tea");
        others.delete(SpecialFolder::Calendar);
        settled(&world);
        assert_eq!(files(&world, "Calendar"), BTreeMap::new());
    }
}

#[test]
fn a_series_goes_both_ways_with_its_exceptions() {
    let world = World::new(Personality::Exchange);
    let others = Others(&world);
    world.sync();
    let weekly = TEA.replace("LOCATION:Garden", "LOCATION:Garden\nRRULE:FREQ=WEEKLY;COUNT=10");
    write(&world, "Calendar/tea.ics", &weekly);
    assert_eq!(settled(&world).notices, []);
    // An occurrence that is deleted here, and one that is moved here, across the change of the clocks.
    let exception = "BEGIN:VEVENT\nUID:tea-1\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID;TZID=Europe/Berlin:20260330T160000\n\
                     DTSTART;TZID=Europe/Berlin:20260331T180000\nDTEND;TZID=Europe/Berlin:20260331T190000\nSUMMARY:Late tea\n\
                     LOCATION:Garden\nEND:VEVENT\nEND:VCALENDAR\n";
    let edited = weekly
        .replace("COUNT=10\n", "COUNT=10\nEXDATE;TZID=Europe/Berlin:20260316T160000\n")
        .replace("END:VCALENDAR\n", exception);
    write(&world, "Calendar/tea.ics", &edited);
    assert_eq!(settled(&world).notices, []);
    let there = others.all(SpecialFolder::Calendar).remove(0).entry;
    let event = as_event(&there);
    assert_eq!(event.deleted, [jiff::civil::date(2026, 3, 16)].into());
    let late = &event.overrides[&jiff::civil::date(2026, 3, 30)];
    assert_eq!((late.subject.as_str(), late.when.first_day()), ("Late tea", jiff::civil::date(2026, 3, 31)));
    assert_eq!(only_file(&world, "Calendar").1, edited.replace('\n', "\r\n"), "the file is left as it is");
    // And there.
    others.update(SpecialFolder::Calendar, |entry| {
        let Entry::Event(event) = entry else { panic!() };
        event.deleted.insert(jiff::civil::date(2026, 4, 6));
    });
    assert_eq!(settled(&world).notices, []);
    let text = only_file(&world, "Calendar").1;
    assert!(
        text.contains("20260406T160000") && text.contains("20260316T160000") && text.contains("Late tea"),
        "{text}"
    );
}

#[test]
fn what_exchange_cannot_say_is_held_with_what_would_work() {
    let world = World::new(Personality::Exchange);
    world.sync();
    write(&world, "Calendar/odd.ics", &TEA.replace("LOCATION:Garden", "RRULE:FREQ=HOURLY"));
    let report = world.sync();
    assert!(report.notices.iter().any(|notice| notice.text.contains("HOURLY")), "{report:?}");
    assert_eq!(Others(&world).all(SpecialFolder::Calendar), []);
    assert_eq!(files(&world, "Calendar").len(), 1);
    edit(&world, "Calendar", "HOURLY", "DAILY;COUNT=3");
    world.advance(2 * 86_400);
    settled(&world);
    assert_eq!(Others(&world).all(SpecialFolder::Calendar).len(), 1);
    assert_eq!(world.troubles(), Vec::<String>::new());
}

#[test]
fn folders_of_entries_are_made_renamed_and_removed_on_both_sides() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        fs::create_dir_all(world.account_dir().join("Contacts/Friends/Old")).unwrap();
        write(&world, "Contacts/Friends/bob.vcf", BOB);
        settled(&world);
        let kinds: Vec<_> =
            world.mailbox.folders().unwrap().into_iter().map(|folder| (folder.path, folder.class)).collect();
        for path in ["Contacts/Friends", "Contacts/Friends/Old"] {
            assert!(kinds.iter().any(|(is, class)| is == path && class.starts_with("IPF.Contact")), "{kinds:?}");
        }
        let others = Others(&world);
        assert_eq!(others.all_in(&others.at("Contacts/Friends"), pimsync::pim::EntryKind::Contact).len(), 1);
        // Renamed there, then deleted there while something is new here.
        world.mailbox.rename_folder("Contacts/Friends", "Mates").unwrap();
        settled(&world);
        assert!(world.account_dir().join("Contacts/Mates/bob.vcf").is_file());
        write(&world, "Contacts/Mates/eve.vcf", &BOB.replace("bob-1", "eve-1").replace("Bob", "Eve"));
        world.mailbox.delete_folder("Contacts/Mates").unwrap();
        world.sync_with(&World::allow_deletes());
        settled(&world);
        let left = others.all_in(&others.at("Contacts/Mates"), pimsync::pim::EntryKind::Contact);
        assert_eq!(left.iter().map(|entry| entry.entry.uid()).collect::<Vec<_>>(), ["eve-1"]);
        assert!(world.account_dir().join("Contacts/Mates/eve.vcf").is_file());
        // Removed here with all that is in it.
        fs::remove_dir_all(world.account_dir().join("Contacts/Mates")).unwrap();
        world.sync_with(&World::allow_deletes());
        settled(&world);
        assert!(world.mailbox.folder("Contacts/Mates").is_err(), "it is in Deleted Items, or nowhere");
    }
}

#[test]
fn hostile_files_are_held_and_the_others_go_on() {
    let world = World::new(Personality::Exchange);
    world.sync();
    let dir = world.account_dir().join("Calendar");
    fs::File::create(dir.join("huge.ics")).unwrap().set_len(65 << 20).unwrap();
    let deep = format!("{}{}", "BEGIN:X\r\n".repeat(100_000), "END:X\r\n".repeat(100_000));
    fs::write(dir.join("deep.ics"), deep).unwrap();
    fs::write(dir.join("line.ics"), format!("BEGIN:VCALENDAR\r\nX:{}\r\n", "x".repeat(20 << 20))).unwrap();
    fs::write(dir.join("bytes.ics"), [0xFF, 0xFE, 0, 10]).unwrap();
    fs::write(dir.join("empty.ics"), "").unwrap();
    write(
        &world,
        "Calendar/endless.ics",
        &TEA.replace("LOCATION:Garden", "RRULE:FREQ=DAILY;COUNT=4000000000").replace("tea-1", "e"),
    );
    write(&world, "Calendar/tea.ics", TEA);
    let report = world.sync();
    assert_eq!(report.total().uploaded, 1, "{report:?}");
    let held: std::collections::BTreeSet<_> = report.notices.iter().filter_map(|notice| notice.item.clone()).collect();
    let wanted = ["bytes.ics", "deep.ics", "empty.ics", "endless.ics", "huge.ics", "line.ics"];
    assert_eq!(held, wanted.map(str::to_owned).into(), "{:?}", report.notices);
    assert_eq!(files(&world, "Calendar").len(), 7);
    assert_eq!(Others(&world).all(SpecialFolder::Calendar).len(), 1);
}
