//! Mail both ways: what a user does on one side shows on the other, and is there once.

use std::fs;

use crate::world::World;
use pimsync::exchange::{Flag, NewMessage, Personality};

const BOTH: [Personality; 2] = [Personality::Exchange, Personality::Gromox];

#[test]
fn a_first_sync_brings_the_mailbox_down() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "one");
        world.arrive_as("Inbox", "two", NewMessage { read: true, flag: Flag::Flagged, ..NewMessage::default() });
        world.mailbox.create_folder("Inbox", "Projects", "IPF.Note").unwrap();
        let categories = vec!["Red category".to_owned()];
        world.arrive_as(
            "Inbox/Projects",
            "three",
            NewMessage { last_verb: Some(102), categories, ..NewMessage::default() },
        );
        let report = world.settle();
        assert_eq!(report.total().downloaded, 3);
        assert!(world.file("one").to_str().unwrap().contains("/Inbox/new/"));
        assert!(world.file("two").to_str().unwrap().ends_with(":2,FS"));
    }
}

#[test]
fn new_local_messages_go_up_once_and_stay_as_they_are() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        let path = world.put("Inbox", "mine", ":2,RS");
        let draft = world.put("Drafts", "unfinished", ":2,DS");
        let before = fs::read(&path).unwrap();
        let report = world.settle();
        assert_eq!(report.total().uploaded, 2);
        assert_eq!(fs::read(&path).unwrap(), before);
        assert!(draft.exists());
        let item = world.mailbox.item(&world.id("mine")).unwrap();
        assert!(item.read && !item.draft && item.last_verb == Some(102));
        assert!(world.mailbox.item(&world.id("unfinished")).unwrap().draft);
    }
}

#[test]
fn flags_and_categories_go_both_ways_and_merge() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive("Inbox", "a");
        world.arrive("Inbox", "b");
        world.sync();
        world.flag("a", "S");
        world.flag("b", "FRS");
        world.mailbox.set_flag(&id, Flag::Flagged).unwrap();
        world.mailbox.set_categories(&id, &["Blue"]).unwrap();
        world.settle();
        let (_, inbox) = world.remote().into_iter().find(|(path, _)| path == "Inbox").unwrap();
        assert_eq!(inbox[0].flags, "FS");
        assert_eq!(inbox[0].categories, ["Blue"]);
        assert_eq!(inbox[1].flags, "FRS");
        world.flag("a", "");
        world.mailbox.set_categories(&world.id("a"), &[]).unwrap();
        world.settle();
        let (_, inbox) = world.remote().into_iter().find(|(path, _)| path == "Inbox").unwrap();
        assert_eq!((inbox[0].flags.as_str(), inbox[0].categories.len()), ("", 0));
    }
}

#[test]
fn moves_are_moves_in_both_directions() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
        for name in ["there", "here", "both"] {
            world.arrive("Inbox", name);
        }
        world.sync();
        world.server.clear_requests();
        world.mailbox.move_item(&world.id("there"), "Archive").unwrap();
        world.shift("here", "Archive");
        world.mailbox.move_item(&world.id("both"), "Archive").unwrap();
        world.shift("both", "Archive");
        let report = world.sync();
        let total = report.total();
        assert_eq!((total.moved_here, total.moved_there, total.downloaded, total.uploaded), (1, 1, 0, 0));
        world.assert_settled();
        assert_eq!(world.remote()["Archive"].len(), 3);
    }
}

#[test]
fn deletions_go_both_ways_and_an_edit_beats_one() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["gone-there", "gone-here", "kept-there", "kept-here", "gone-both"] {
            world.arrive("Inbox", name);
        }
        world.sync();
        world.mailbox.delete_item(&world.id("gone-there")).unwrap();
        world.remove("gone-here");
        world.mailbox.delete_item(&world.id("kept-here")).unwrap();
        world.flag("kept-here", "F");
        world.remove("kept-there");
        world.mailbox.set_flag(&world.id("kept-there"), Flag::Flagged).unwrap();
        world.mailbox.delete_item(&world.id("gone-both")).unwrap();
        world.remove("gone-both");
        world.settle();
        assert!(world.find_file("gone-there").is_none());
        assert_eq!(world.find("gone-here").unwrap().1, "Deleted Items");
        assert!(world.find("kept-here").is_some() && world.find_file("kept-there").is_some());
        assert!(world.find("gone-both").is_none());
    }
}

#[test]
fn folders_go_both_ways() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("Inbox", "Theirs", "IPF.Note").unwrap();
        world.mailbox.create_folder("", "Away/there: \"x\"", "IPF.Note").unwrap();
        world.arrive("Inbox/Theirs", "t");
        world.sync();
        world.mkdir("Inbox/Mine/Deep");
        world.put("Inbox/Mine/Deep", "m", ":2,S");
        world.settle();
        assert_eq!(world.find("m").unwrap().1, "Inbox/Mine/Deep");
        let inbox = world.account_dir().join("Inbox");
        fs::rename(inbox.join("Mine"), inbox.join("Renamed")).unwrap();
        world.mailbox.rename_folder("Inbox/Theirs", "Theirs now").unwrap();
        let report = world.settle();
        assert_eq!(report.total().downloaded + report.total().uploaded, 0);
        assert_eq!(world.find("m").unwrap().1, "Inbox/Renamed/Deep");
        fs::rename(inbox.join("Renamed/Deep"), world.account_dir().join("Deep")).unwrap();
        world.mailbox.move_folder("Inbox/Theirs now", "").unwrap();
        world.settle();
        assert_eq!(world.find("m").unwrap().1, "Deep");
        fs::remove_dir_all(world.account_dir().join("Deep")).unwrap();
        world.mailbox.delete_folder("Theirs now").unwrap();
        world.settle();
        assert!(!world.account_dir().join("Theirs now").exists());
        assert!(world.mailbox.folder("Deep").is_err());
        assert_eq!(world.find("m").unwrap().1, "Deleted Items");
    }
}

#[test]
fn a_draft_is_edited_in_place_on_both_sides() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive_as("Drafts", "letter", NewMessage { draft: true, ..NewMessage::default() });
        world.sync();
        fs::write(world.file("letter"), World::mime_with("letter", "mine")).unwrap();
        world.settle();
        assert_eq!(world.remote()["Drafts"][0].body, "mine");
        world.mailbox.replace_mime(&world.id("letter"), &World::mime_with("letter", "theirs")).unwrap();
        world.settle();
        assert_eq!(world.local()["Drafts"][0].body, "theirs");
        fs::write(world.file("letter"), World::mime_with("letter", "mine again")).unwrap();
        world.mailbox.replace_mime(&world.id("letter"), &World::mime_with("letter", "theirs again")).unwrap();
        let report = world.sync();
        assert_eq!(report.total().conflicts, 1);
        assert_eq!(world.local()["Drafts"][0].body, "theirs again");
        assert_eq!(world.conflicts(), ["mine again"]);
        world.assert_settled();
    }
}

#[test]
fn mass_deletions_are_held_until_they_are_meant() {
    for like in BOTH {
        let world = World::new(like);
        for number in 0..30 {
            world.arrive("Inbox", &format!("m{number}"));
        }
        world.sync();
        for number in 0..10 {
            world.remove(&format!("m{number}"));
        }
        let report = world.sync();
        assert!(!report.is_clean());
        assert_eq!(world.remote()["Inbox"].len(), 30);
        world.sync_with(&World::allow_deletes());
        assert_eq!(world.remote()["Inbox"].len(), 20);
        world.assert_settled();
    }
}

#[test]
fn a_lost_state_is_made_anew_without_a_copy() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("Inbox", "Sub", "IPF.Note").unwrap();
        for number in 0..5 {
            world.arrive("Inbox", &format!("m{number}"));
            world.arrive("Inbox/Sub", &format!("s{number}"));
        }
        world.sync();
        world.put("Inbox", "mine", ":2,S");
        world.settle();
        world.shift("m1", "Inbox/Sub");
        world.settle();
        world.lose_state();
        let report = world.sync();
        assert_eq!((report.total().downloaded, report.total().uploaded), (0, 0), "{report:?}");
        world.assert_settled();
        assert_eq!(world.remote()["Inbox"].len() + world.remote()["Inbox/Sub"].len(), 11);
    }
}

#[test]
fn a_sync_with_nothing_to_do_asks_twice() {
    for like in BOTH {
        let world = World::new(like);
        for number in 0..20 {
            world.mailbox.create_folder("Inbox", &format!("f{number}"), "IPF.Note").unwrap();
            world.arrive(&format!("Inbox/f{number}"), &format!("m{number}"));
        }
        world.settle();
        world.server.clear_requests();
        world.sync();
        let operations: Vec<String> = world.server.requests().into_iter().map(|request| request.operation).collect();
        assert_eq!(operations, ["SyncFolderHierarchy", "GetFolder"], "{like:?}");
    }
}
