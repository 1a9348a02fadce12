//! Messages that are moved and copied.

use super::*;

/// The move was taken for a deletion, and the message went to Deleted Items while it was uploaded anew later.
#[test]
fn a_move_out_of_the_only_folder_asked_for_is_a_move() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
        let id = world.arrive("Inbox", "a");
        world.sync();
        world.shift("a", "Archive");
        let report = world.sync_with(&only("Inbox"));
        assert_eq!((report.total().moved_there, report.total().deleted_there), (1, 0));
        assert_eq!(world.find("a").unwrap().1, "Archive");
        assert!(world.mailbox.item(&id).is_err() && copies(&world, "a") == 1);
        world.settle();
    }
}

/// The folder that it went to had been listed already, so that it was taken for deleted and uploaded anew.
#[test]
fn a_message_that_is_moved_there_during_the_run_and_was_flagged_here_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Last", "IPF.Note").unwrap();
        world.arrive("Last", "a");
        world.sync();
        world.flag("a", "F");
        let (mailbox, id) = (world.mailbox.clone(), world.id("a"));
        let moved = During::nth(6, Step::PageNoted, move || drop(mailbox.move_item(&id, "Inbox").unwrap()));
        let report = sync_in_order(&world, &World::full(), moved);
        assert_eq!((report.total().uploaded, report.total().downloaded, report.total().moved_here), (0, 0, 1));
        assert_eq!(copies(&world, "a"), 1);
        assert_eq!(world.remote()["Inbox"][0].flags, "F");
        world.assert_settled();
    }
}

/// It was uploaded anew, and then deleted where it came from.
#[test]
fn a_move_into_the_only_folder_asked_for_is_a_move() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
        world.arrive("Inbox", "a");
        world.sync();
        world.shift("a", "Archive");
        let report = world.sync_with(&only("Archive"));
        assert_eq!((report.total().moved_there, report.total().uploaded), (1, 0));
        assert_eq!((world.find("a").unwrap().1.as_str(), copies(&world, "a")), ("Archive", 1));
        world.settle();
    }
}

/// The run was killed between the delivery and its note; the message was moved before the next one, and fetched once more.
#[test]
fn a_message_that_is_moved_right_after_a_crash_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
        world.sync();
        world.arrive("Inbox", "a");
        let cut = Arc::new(CutAt { at: Some(3), ..CutAt::default() });
        drop(world.try_sync(&Request::default(), cut.clone()).unwrap_err());
        assert_eq!(cut.passed.lock().unwrap().get(2), Some(&Step::ArrivalsNoted));
        assert!(world.find_file("a").is_none());
        let cut = Arc::new(CutAt { at: Some(4), ..CutAt::default() });
        drop(world.try_sync(&Request::default(), cut.clone()).unwrap_err());
        assert_eq!(cut.passed.lock().unwrap().get(3), Some(&Step::Delivered));
        world.shift("a", "Archive");
        world.settle();
        assert_eq!((world.find("a").unwrap().1.as_str(), copies(&world, "a")), ("Archive", 1));
    }
}

/// Under the id that was noted it is gone there, so that no Message-ID can be asked: the bytes alone tell whose file it is.
#[test]
fn a_message_that_is_moved_on_both_sides_right_after_a_cut_off_delivery_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
        world.sync();
        let id = world.arrive("Inbox", "a");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::Delivered)).unwrap_err());
        world.shift("a", "Archive");
        world.mailbox.move_item(&id, "Junk Email").unwrap();
        let report = world.settle();
        assert_eq!((report.total().downloaded, report.total().uploaded, copies(&world, "a")), (0, 0, 1));
    }
}

/// Its letter meant nothing in the folder that it came from, so that it was taken for nothing.
#[test]
fn a_category_that_is_given_right_after_a_move_goes_there() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
        let plain = world.arrive("Inbox", "plain");
        let red = world.arrive("Inbox", "red");
        world.mailbox.set_categories(&red, &["Red"]).unwrap();
        world.sync();
        assert!(world.mailbox.item(&plain).unwrap().categories.is_empty());
        fs::write(world.account_dir().join("Archive/dovecot-keywords"), "0 Blue\n1 Green\n").unwrap();
        // The program does not know of letters, and takes `a` along.
        for (name, letters) in [("plain", "b"), ("red", "ab")] {
            world.shift(name, "Archive");
            world.flag(name, letters);
        }
        world.settle();
        let categories: Vec<_> = world.remote()["Archive"].iter().map(|seen| seen.categories.clone()).collect();
        assert_eq!(categories, [vec!["Green".to_owned()], vec!["Green".to_owned(), "Red".to_owned()]]);
    }
}

/// The folder that it had come from was looked at too late to see where its file was.
#[test]
fn a_message_that_moved_there_into_the_only_folder_asked_for_is_not_fetched_anew() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["One", "Two"] {
            world.mailbox.create_folder("", name, "IPF.Note").unwrap();
        }
        for name in ["renamed", "moved"] {
            world.arrive("One", name);
        }
        world.sync();
        world.shift("renamed", "One");
        world.shift("moved", "Two");
        for name in ["renamed", "moved"] {
            world.mailbox.move_item(&world.id(name), "Junk Email").unwrap();
        }
        let report = world.sync_with(&only("Junk Email"));
        assert_eq!(report.total().downloaded, 0);
        world.settle();
        assert_eq!((copies(&world, "renamed"), copies(&world, "moved")), (1, 1));
    }
}

/// It was taken for a deletion, and its text for the text of the message that the deletion moved there.
#[test]
fn a_message_rewritten_and_moved_here_into_deleted_items_is_rewritten_there() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        rewritten_elsewhere(&world, "a", "Deleted Items", "mine");
        world.sync_with(&only("Inbox"));
        world.settle();
        let trash = |side: Side| side["Deleted Items"].iter().filter(|seen| seen.body == "mine").count();
        assert_eq!((trash(world.remote()), trash(world.local())), (1, 1));
        world.assert_alike();
    }
}

/// The server's text had been put in the place of the file's, where it had been moved to: it was taken for a new message.
#[test]
fn a_message_moved_here_and_rewritten_there_stays_one_when_the_run_is_cut_off() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        let file = world.shift("a", "Junk Email");
        fs::rename(&file, file.with_file_name("1800000001.R7.host:2,S")).unwrap();
        world
            .mailbox
            .replace_mime(&world.id("a"), &World::mime_with("a", "a text that is a good deal longer"))
            .unwrap();
        drop(world.try_sync(&World::full(), CutAtNth::new(1, Step::FileChanged)).unwrap_err());
        world.settle();
        assert_eq!((copies(&world, "a"), world.remote()["Junk Email"].len()), (1, 1));
    }
}

/// They changed places, a draft and what had become of it, so that both were made anew.
#[test]
fn copies_that_get_other_names_do_not_change_places() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        let original = world.file("a");
        let copy = world.account_dir().join("Junk Email/cur/1800000002.C1.host:2,FS");
        fs::copy(&original, &copy).unwrap();
        world.settle();
        fs::rename(&copy, copy.with_file_name("1800000003.C2.host:2,FS")).unwrap();
        fs::rename(&original, original.with_file_name("1800000004.C3.host")).unwrap();
        let total = world.settle().total();
        assert_eq!((total.uploaded, total.moved_there, total.changed_there), (0, 0, 0));
    }
}

/// Two folders are listed at a time: the item was taken for the one message and for the other, and the other never came.
#[test]
fn a_message_that_was_moved_there_and_copied_comes_twice() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive("Inbox", "a");
        world.sync();
        let moved = world.mailbox.move_item(&id, "Sent Items").unwrap();
        world.mailbox.copy_item(&moved, "Junk Email").unwrap();
        world.mailbox.copy_item(&moved, "Outbox").unwrap();
        world.settle();
    }
}

/// Whether the old id is gone could not be asked, and the message was fetched as a new one, while the file was uploaded anew.
#[test]
fn a_message_that_may_have_been_moved_there_waits_until_that_can_be_asked() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive("Inbox", "a");
        world.sync();
        world.mailbox.move_item(&id, "Sent Items").unwrap();
        world.flag("a", "F");
        world.server.faults().add(Rule::on("GetItem", Action::InternalServerErrorWithInnerBusy).containing(&id));
        drop(world.try_sync(&Request::default(), Arc::new(CutAt::default())));
        world.server.faults().clear();
        world.advance(2 * 86_400);
        world.settle();
        assert_eq!(copies(&world, "a"), 1);
        assert_eq!(world.remote()["Sent Items"][0].flags, "F");
    }
}

/// The copy was fetched once more and got the name of the file that had just become the moved one's: two messages had one file.
#[test]
fn a_message_whose_file_was_taken_for_another_gets_one_of_its_own() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
        world.arrive("Inbox", "a");
        world.mailbox.copy_item(&world.id("a"), "Archive").unwrap();
        world.settle();
        world.lose_state();
        world.sync_with(&only("Inbox"));
        fs::remove_file(&files(&world.account_dir().join("Inbox"))[0]).unwrap();
        world.settle();
        assert_eq!(files(&world.account_dir().join("Archive")).len(), world.remote()["Archive"].len());
        world.assert_alike();
    }
}

/// The other copy was taken for the one that was moved. That one had been marked here and was gone there, so that it was uploaded once more.
#[test]
fn of_two_copies_that_are_gone_the_one_that_was_changed_here_is_the_moved_one() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["One", "Two"] {
            world.mailbox.create_folder("", name, "IPF.Note").unwrap();
        }
        world.arrive("One", "a");
        let first = world.id("a");
        let second = world.mailbox.copy_item(&first, "Two").unwrap();
        world.settle();
        world.mailbox.delete_item(&first).unwrap();
        world.mailbox.move_item(&second, "Drafts").unwrap();
        let file = files(&world.account_dir().join("Two")).remove(0);
        let name = file.file_name().unwrap().to_str().unwrap().split(':').next().unwrap().to_owned();
        fs::rename(&file, file.with_file_name(format!("{name}:2,F"))).unwrap();
        world.settle();
        assert_eq!((copies(&world, "a"), world.remote()["Drafts"][0].flags.as_str()), (1, "F"));
    }
}

/// Its file said already what the message says, and passed for an edit of what it had said before: it was uploaded, and the message fetched anew.
#[test]
fn a_draft_that_is_moved_and_edited_there_is_known_again_after_a_crash_though_there_is_a_copy_of_it() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive_as("Drafts", "a", NewMessage { draft: true, ..NewMessage::default() });
        world.mailbox.copy_item(&id, "Outbox").unwrap();
        world.settle();
        let moved = world.mailbox.move_item(&id, "Deleted Items").unwrap();
        world.mailbox.replace_mime(&moved, &World::mime_with("a", "edited")).unwrap();
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::FileChanged)).unwrap_err());
        world.settle();
        assert_eq!((copies(&world, "a"), world.remote()["Deleted Items"].len()), (2, 1));
        world.assert_alike();
    }
}

/// The copy lies where the draft lay, and was taken for it: a draft that is none any more is made anew, so that there was one message too many.
#[test]
fn a_draft_that_is_moved_does_not_change_places_with_a_copy_that_is_no_draft() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        world.flag("a", "D");
        world.settle();
        let place = |folder: &str| world.account_dir().join(folder);
        let [now, before] = ["Inbox", "Deleted Items"].map(|folder| files(&place(folder)).remove(0));
        fs::rename(now, place("Junk Email/cur/1800000001.C1.host:2,DS")).unwrap();
        fs::copy(before, place("Inbox/cur/1800000002.C2.host:2,")).unwrap();
        let total = world.settle().total();
        assert_eq!((total.uploaded, total.moved_there, copies(&world, "a")), (1, 1, 3));
        assert_eq!(world.remote()["Deleted Items"].len(), 1);
    }
}

/// It had been found again once in that round already, so that it was fetched as a new message, and the edit uploaded where it had been in between.
#[test]
fn a_draft_edited_here_that_is_moved_there_and_back_during_the_run_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Last", "IPF.Note").unwrap();
        let id = world.arrive_as("Last", "a", draft());
        world.sync();
        fs::write(world.file("a"), World::mime_with("a", "mine")).unwrap();
        let moved = world.mailbox.move_item(&id, "Inbox").unwrap();
        let mailbox = world.mailbox.clone();
        let back = During::nth(1, Step::ChangesNoted, move || drop(mailbox.move_item(&moved, "Last").unwrap()));
        let report = sync_in_order(&world, &Request::default(), back);
        assert_eq!((report.total().downloaded, report.total().uploaded, copies(&world, "a")), (0, 0, 1));
        assert_eq!(world.remote()["Last"][0].body, "mine");
        world.assert_settled();
    }
}
