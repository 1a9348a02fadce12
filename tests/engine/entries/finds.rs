//! What the simulation and readers of the code found, each as short as it can be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use super::{BOB, BOTH, ada, as_contact, copies, edit, files, note, only_file, settled, write};
use crate::world::others::Others;
use crate::world::{CutAt, World};
use pimsync::exchange::{Action, Rule};
use pimsync::pim::{Entry, SpecialFolder};
use pimsync::remote::RemoteError;
use pimsync::sync::{Request, Step, SyncError};

/// Runs until that step is come to for the first time.
fn cut_off_at(world: &World, step: Step) {
    struct At(Step);
    impl pimsync::sync::Fault for At {
        fn at(&self, step: Step) -> Result<(), pimsync::sync::CutOff> {
            if step == self.0 { Err(pimsync::sync::CutOff(step)) } else { Ok(()) }
        }
    }
    match world.try_sync(&Default::default(), Arc::new(At(step))) {
        Err(SyncError::CutOff(_)) => {}
        other => panic!("{step:?} was not come to: {other:?}"),
    }
}

fn friends(world: &World) -> usize {
    let others = Others(world);
    others.all_in(&others.at("Contacts/Friends"), pimsync::pim::EntryKind::Contact).len()
}

#[test]
fn a_file_that_arrived_right_before_a_crash_may_be_moved_and_edited() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        world.mailbox.create_folder("Contacts", "Friends", "IPF.Contact").unwrap();
        world.sync();
        others.create(SpecialFolder::Contacts, &ada());
        others.create(SpecialFolder::Notes, &note("Milk\nfresh"));
        cut_off_at(&world, Step::Delivered);
        world.sync_with(&pimsync::sync::Request { folders: vec!["Inbox".to_owned()], ..Default::default() });
        for (folder, from, to) in [("Contacts", "Engines", "Mine"), ("Notes", "fresh", "cold")] {
            if !files(&world, folder).is_empty() {
                edit(&world, folder, from, to);
            }
        }
        if let Some(name) = files(&world, "Contacts").keys().next() {
            let dir = world.account_dir().join("Contacts");
            fs::rename(dir.join(name), dir.join("Friends").join(name)).unwrap();
        }
        settled(&world);
        assert_eq!(others.all(SpecialFolder::Contacts).len() + friends(&world), 1);
        assert_eq!(others.all(SpecialFolder::Notes).len(), 1);
    }
}

#[test]
fn an_upload_without_an_answer_may_be_moved_edited_and_renamed_before_it_is_known() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        world.mailbox.create_folder("Contacts", "Friends", "IPF.Contact").unwrap();
        world.sync();
        write(&world, "Contacts/bob.vcf", BOB);
        cut_off_at(&world, Step::UploadsSent);
        others.update(SpecialFolder::Contacts, |entry| as_contact(entry).company = "Theirs".into());
        let id = others.all(SpecialFolder::Contacts)[0].id.clone();
        world.mailbox.move_item(id.as_str(), "Contacts/Friends").unwrap();
        let dir = world.account_dir().join("Contacts");
        fs::rename(dir.join("bob.vcf"), dir.join("robert.vcf")).unwrap();
        settled(&world);
        assert_eq!((others.all(SpecialFolder::Contacts).len(), friends(&world)), (0, 1));
        let text = only_file(&world, "Contacts/Friends").1;
        assert!(text.contains("Theirs") && text.contains("X-SKYPE:bob"), "{text}");
    }
}

#[test]
fn an_entry_that_is_uploaded_and_deleted_there_between_two_listings_goes_here() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        world.sync();
        write(&world, "Contacts/bob.vcf", BOB);
        cut_off_at(&world, Step::PushNoted);
        others.delete(SpecialFolder::Contacts);
        world.advance(2 * 86_400);
        world.sync();
        settled(&world);
        assert_eq!(files(&world, "Contacts"), BTreeMap::new());
    }
}

#[test]
fn a_note_that_was_being_written_when_a_run_was_cut_off_may_be_renamed() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        others.create(SpecialFolder::Notes, &note("Milk\nfresh"));
        settled(&world);
        others.update(SpecialFolder::Notes, |entry| *entry = note("Milk\ncold"));
        cut_off_at(&world, Step::FileChanged);
        let (path, text) = only_file(&world, "Notes");
        assert_eq!(text, "Milk\ncold");
        fs::rename(&path, path.with_file_name("renamed.md")).unwrap();
        settled(&world);
        assert_eq!(files(&world, "Notes"), [("renamed.md".to_owned(), text)].into());
        assert_eq!(others.all(SpecialFolder::Notes).len(), 1);
        assert_eq!(copies(&world), Vec::<String>::new());
    }
}

#[test]
fn a_note_that_was_coming_back_when_a_run_was_cut_off_is_there_once() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        others.create(SpecialFolder::Notes, &note("Milk\nfresh"));
        settled(&world);
        others.update(SpecialFolder::Notes, |entry| *entry = note("Bread\nfresh"));
        fs::remove_file(only_file(&world, "Notes").0).unwrap();
        cut_off_at(&world, Step::Delivered);
        settled(&world);
        assert_eq!(files(&world, "Notes"), [("Bread.md".to_owned(), "Bread\nfresh".to_owned())].into());
        assert_eq!(others.all(SpecialFolder::Notes).len(), 1);
    }
}

#[test]
fn an_upload_without_an_answer_that_cannot_be_read_now_is_not_sent_again() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        world.sync();
        write(&world, "Contacts/bob.vcf", BOB);
        cut_off_at(&world, Step::UploadsSent);
        let busy = Action::ItemError { code: "ErrorMailboxStoreUnavailable".to_owned() };
        world.server.faults().add(Rule::on("GetItem", busy));
        // However often that is tried, and whether or not a run lasts until the server has time.
        for _ in 0..8 {
            match world.try_sync(&Request::default(), Arc::new(CutAt::default())) {
                Ok(_) | Err(SyncError::Remote(RemoteError::Throttled { .. })) => {}
                Err(error) => panic!("{error}"),
            }
            world.advance(2 * 86_400);
        }
        world.server.faults().clear();
        assert_eq!(others.all(SpecialFolder::Contacts).len(), 1);
        world.advance(2 * 86_400);
        settled(&world);
        assert_eq!(others.all(SpecialFolder::Contacts).len(), 1);
        assert_eq!(only_file(&world, "Contacts").1, BOB.replace('\n', "\r\n"));
    }
}

/// Nothing of an item can be read for now.
fn unreadable(world: &World) {
    let failed = Action::ItemError { code: "ErrorInternalServerError".to_owned() };
    world.server.faults().add(Rule::on("GetItem", failed));
}

#[test]
fn a_file_that_was_uploaded_without_an_answer_may_be_moved_and_its_entry_changed() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        world.mailbox.create_folder("Contacts", "Friends", "IPF.Contact").unwrap();
        world.sync();
        write(&world, "Contacts/bob.vcf", BOB);
        cut_off_at(&world, Step::UploadsSent);
        others.update(SpecialFolder::Contacts, |entry| as_contact(entry).company = "Theirs".into());
        let dir = world.account_dir().join("Contacts");
        fs::rename(dir.join("bob.vcf"), dir.join("Friends/bob.vcf")).unwrap();
        settled(&world);
        assert_eq!((others.all(SpecialFolder::Contacts).len(), friends(&world)), (0, 1));
        assert_eq!(files(&world, "Contacts"), BTreeMap::new());
        assert!(only_file(&world, "Contacts/Friends").1.contains("Theirs"));
    }
}

#[test]
fn what_was_moved_there_and_cannot_be_read_is_not_uploaded_again() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        world.mailbox.create_folder("Contacts", "Friends", "IPF.Contact").unwrap();
        others.create(SpecialFolder::Contacts, &ada());
        settled(&world);
        let id = others.all(SpecialFolder::Contacts)[0].id.clone();
        world.mailbox.move_item(id.as_str(), "Contacts/Friends").unwrap();
        edit(&world, "Contacts", "Engines", "Mine");
        unreadable(&world);
        world.sync();
        world.server.faults().clear();
        world.advance(86_400);
        settled(&world);
        assert_eq!((others.all(SpecialFolder::Contacts).len(), friends(&world)), (0, 1));
        assert!(only_file(&world, "Contacts/Friends").1.contains("Mine"));
    }
}

#[test]
fn what_cannot_be_read_when_the_state_was_lost_is_not_uploaded_again() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        others.create(SpecialFolder::Notes, &note("Milk\nfresh"));
        settled(&world);
        edit(&world, "Notes", "fresh", "cold");
        world.lose_state();
        unreadable(&world);
        world.sync();
        world.server.faults().clear();
        world.advance(86_400);
        settled(&world);
        assert_eq!(others.all(SpecialFolder::Notes).len(), 1);
        assert_eq!(files(&world, "Notes").len(), 1);
    }
}

const SERIES: &str = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//somebody//EN\nBEGIN:VEVENT\nUID:s1\nDTSTAMP:20260101T000000Z\nSUMMARY:Tea\n\
                      DTSTART:20260105T100000Z\nDTEND:20260105T110000Z\nRRULE:FREQ=WEEKLY;COUNT=10\nEXDATE:20260119T100000Z\nEND:VEVENT\n\
                      BEGIN:VEVENT\nUID:s1\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID:20260202T100000Z\nSUMMARY:Cake\n\
                      DTSTART:20260202T120000Z\nDTEND:20260202T130000Z\nEND:VEVENT\nEND:VCALENDAR\n";

#[test]
fn a_series_that_was_uploaded_without_its_exceptions_gets_them() {
    for like in BOTH {
        for operation in ["UpdateItem", "DeleteItem"] {
            let world = World::new(like);
            world.sync();
            write(&world, "Calendar/s1.ics", SERIES);
            world.server.faults().add(Rule::on(operation, Action::ResetBeforeCommit));
            drop(world.try_sync(&Default::default(), Arc::new(pimsync::sync::NoFault)));
            world.server.faults().clear();
            world.advance(86_400);
            settled(&world);
            assert_eq!(only_file(&world, "Calendar").1, SERIES.replace('\n', "\r\n"));
            let there = Others(&world).all(SpecialFolder::Calendar);
            assert_eq!(there.len(), 1);
            let pimsync::pim::Entry::Event(event) = &there[0].entry else { panic!("{there:?}") };
            assert_eq!((event.deleted.len(), event.overrides.len()), (1, 1), "{operation}: {event:?}");
        }
    }
}

#[test]
fn a_contact_that_was_uploaded_without_its_picture_gets_it() {
    let card = BOB.replace("END:VCARD", "PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==\nEND:VCARD");
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        write(&world, "Contacts/bob.vcf", &card);
        world.server.faults().add(Rule::on("CreateAttachment", Action::ResetBeforeCommit));
        drop(world.try_sync(&Default::default(), Arc::new(pimsync::sync::NoFault)));
        world.server.faults().clear();
        world.advance(86_400);
        settled(&world);
        assert_eq!(only_file(&world, "Contacts").1, card.replace('\n', "\r\n"));
        let there = &mut Others(&world).all(SpecialFolder::Contacts);
        assert_eq!(there.len(), 1);
        assert!(as_contact(&mut there[0].entry).photo.is_some(), "{there:?}");
    }
}

#[test]
fn a_picture_that_is_replaced_is_not_lost_on_the_way() {
    let card = |picture: &str| BOB.replace("END:VCARD", &format!("PHOTO;ENCODING=b;TYPE=JPEG:{picture}\nEND:VCARD"));
    let (old, new) = (card("/9j/4AAQSkZJRgABAQAAAQABAAD/2Q=="), card("/9j/4AAQSkZJRgABAQAAAQACAAD/2Q=="));
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        write(&world, "Contacts/bob.vcf", &old);
        settled(&world);
        write(&world, "Contacts/bob.vcf", &new);
        world.server.faults().add(Rule::on("CreateAttachment", Action::ResetBeforeCommit));
        drop(world.try_sync(&Default::default(), Arc::new(pimsync::sync::NoFault)));
        world.server.faults().clear();
        world.advance(86_400);
        settled(&world);
        assert_eq!(only_file(&world, "Contacts").1, new.replace('\n', "\r\n"));
        assert_eq!(copies(&world), Vec::<String>::new());
        let there = &mut Others(&world).all(SpecialFolder::Contacts);
        let photo = as_contact(&mut there[0].entry).photo.clone().unwrap();
        assert_eq!(photo.data().unwrap()[17], 2, "{photo:?}");
    }
}

#[test]
fn what_was_being_written_when_a_run_was_cut_off_goes_with_its_deletion_there() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        others.create(SpecialFolder::Contacts, &ada());
        settled(&world);
        others.update(SpecialFolder::Contacts, |entry| as_contact(entry).company = "Theirs".into());
        cut_off_at(&world, Step::FileChanged);
        others.delete(SpecialFolder::Contacts);
        settled(&world);
        assert_eq!(files(&world, "Contacts"), BTreeMap::new());
        assert_eq!(others.all(SpecialFolder::Contacts).len(), 0);
    }
}

#[test]
fn a_note_that_was_being_written_when_a_run_was_cut_off_goes_with_its_deletion_there() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        others.create(SpecialFolder::Notes, &note("Buy milk\nfirst"));
        settled(&world);
        others.update(SpecialFolder::Notes, |entry| *entry = note("Buy milk\nsecond"));
        cut_off_at(&world, Step::FileChanged);
        others.delete(SpecialFolder::Notes);
        settled(&world);
        assert_eq!(files(&world, "Notes"), BTreeMap::new());
        assert_eq!(others.all(SpecialFolder::Notes).len(), 0);
    }
}

#[test]
fn a_note_with_words_of_its_own_that_was_being_written_stays() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        let with = |text: &str, colour| {
            pimsync::pim::Entry::Note(pimsync::pim::Note { text: text.into(), colour, ..Default::default() })
        };
        others.create(SpecialFolder::Notes, &with("Buy milk\nfirst", Default::default()));
        settled(&world);
        others.update(SpecialFolder::Notes, |entry| {
            *entry = with("Buy milk\nfirst", Some(pimsync::pim::NoteColour::Pink))
        });
        edit(&world, "Notes", "first", "mine");
        cut_off_at(&world, Step::FileChanged);
        others.delete(SpecialFolder::Notes);
        settled(&world);
        assert!(only_file(&world, "Notes").1.contains("mine"));
        assert_eq!(others.all(SpecialFolder::Notes).len(), 1, "an edit wins over a deletion");
    }
}

#[test]
fn an_adoption_that_was_cut_off_is_decided_again() {
    for like in BOTH {
        for at in 1.. {
            let world = World::new(like);
            let others = Others(&world);
            others.create(SpecialFolder::Notes, &note("Milk\nfresh"));
            settled(&world);
            edit(&world, "Notes", "fresh", "cold");
            others.update(SpecialFolder::Notes, |entry| *entry = note("Milk\nsour"));
            world.lose_state();
            let cut = world.try_sync(&Default::default(), Arc::new(CutAt { at: Some(at), ..CutAt::default() }));
            settled(&world);
            let there = others.all(SpecialFolder::Notes);
            assert_eq!(there.len(), 1, "cut off at step {at}");
            assert_eq!(there[0].entry, note("Milk\nsour"), "cut off at step {at}: theirs holds");
            assert_eq!(copies(&world), ["Milk\ncold"], "cut off at step {at}: and mine is kept");
            if cut.is_ok() {
                break;
            }
        }
    }
}

/// A copy on the server keeps the search key, from which a contact that has no UID gets one.
#[test]
fn copies_that_come_together_get_uids_of_their_own() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        others.create(SpecialFolder::Contacts, &ada());
        let original = world.mailbox.items("Contacts").unwrap().remove(0).id;
        world.mailbox.copy_item(&original, "Contacts").unwrap();
        settled(&world);
        let uid = |text: &String| text.lines().find(|line| line.starts_with("UID:")).unwrap().to_owned();
        let uids: BTreeSet<String> = files(&world, "Contacts").values().map(uid).collect();
        assert_eq!(uids.len(), 2, "{like:?}: {uids:?}");
        // What each of them says goes to its own.
        for (name, text) in files(&world, "Contacts") {
            write(&world, &format!("Contacts/{name}"), &text.replace("\r\n", "\n").replace("Engines", &name));
        }
        settled(&world);
        let mut there: Vec<Entry> = others.all(SpecialFolder::Contacts).into_iter().map(|there| there.entry).collect();
        let companies: BTreeSet<String> =
            there.iter_mut().map(|entry| as_contact(entry).company.as_str().to_owned()).collect();
        assert_eq!(companies, files(&world, "Contacts").into_keys().collect());
    }
}

/// What is remembered of a picture is its hash: the file that comes back has the server's.
#[test]
fn a_contact_that_comes_back_has_its_picture() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        others.create(SpecialFolder::Contacts, &ada());
        let id = world.mailbox.items("Contacts").unwrap().remove(0).id;
        world.mailbox.set_picture(&id, Some(&[0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3])).unwrap();
        settled(&world);
        let photo = |text: &str| text.lines().find(|line| line.starts_with("PHOTO")).map(str::to_owned);
        let (path, text) = only_file(&world, "Contacts");
        assert!(photo(&text).is_some(), "{text}");
        fs::remove_file(path).unwrap();
        others.update(SpecialFolder::Contacts, |entry| as_contact(entry).company = "Analysis".into());
        settled(&world);
        let (_, again) = only_file(&world, "Contacts");
        assert!(again.contains("Analysis"), "{again}");
        assert_eq!(photo(&again), photo(&text));
    }
}
