//! A state that is lost, or older than what it tells of, costs nobody a message.

use std::fs;
use std::path::PathBuf;

use super::local::{BOTH, one, renamed, world_with};
use crate::world::{World, all_files};
use pimsync::exchange::{Flag, NewMessage, Personality};

/// The edits of a busy day, on both sides.
pub(super) fn busy(world: &World) {
    let mailbox = &world.mailbox;
    mailbox.move_item(&world.id("moved-there"), "Archive").unwrap();
    world.shift("moved-here", "Archive");
    mailbox.move_item(&world.id("moved-both"), "Archive").unwrap();
    world.shift("moved-both", "Archive");
    mailbox.set_flag(&world.id("marked-there"), Flag::Flagged).unwrap();
    world.flag("marked-here", "F");
    mailbox.set_read(&world.id("marked-both"), true).unwrap();
    world.flag("marked-both", "S");
    mailbox.set_read(&world.id("marked-apart"), true).unwrap();
    world.flag("marked-apart", "F");
    mailbox.delete_item(&world.id("gone-there")).unwrap();
    world.remove("gone-here");
    mailbox.delete_item(&world.id("gone-both")).unwrap();
    world.remove("gone-both");
    mailbox.delete_item(&world.id("kept-here")).unwrap();
    world.flag("kept-here", "F");
    world.remove("kept-there");
    mailbox.set_flag(&world.id("kept-there"), Flag::Flagged).unwrap();
    world.arrive("Inbox", "new-there");
    world.put("Inbox", "new-here", ":2,S");
    mailbox.create_folder("Inbox", "Made there", "IPF.Note").unwrap();
    world.mkdir("Inbox/Made here");
    world.put("Inbox/Made here", "new-deep", ":2,S");
}

pub(super) const BUSY: [&str; 11] = [
    "moved-there",
    "moved-here",
    "moved-both",
    "marked-there",
    "marked-here",
    "marked-both",
    "marked-apart",
    "gone-there",
    "gone-here",
    "gone-both",
    "kept-here",
];

#[test]
fn state_lost_with_edits_pending_costs_none_of_them() {
    for like in BOTH {
        let world = world_with(like, &["a", "b", "c", "d"]);
        world.flag("a", "FS");
        world.shift("b", "Archive");
        world.put("Inbox", "new", ":2,S");
        world.remove("d");
        world.mailbox.set_categories(&world.id("a"), &["Blue"]).unwrap();
        world.lose_state();
        let dry = world.dry_run();
        world.sync();
        world.assert_settled();
        let a = one(&world, "Inbox", "a");
        assert_eq!((a.flags.as_str(), a.categories), ("FS", vec!["Blue".to_owned()]));
        // Without a base a deletion cannot be told from a message that never was here, and a move not from a copy.
        assert!(world.find("d").is_some() && world.find_file("b").is_some());
        assert_eq!(one(&world, "Inbox", "new").flags, "S");
        let uploads = dry.planned.iter().filter(|planned| planned.action == pimsync::sync::Action::Upload).count();
        assert_eq!(uploads, 2, "{:?}", dry.planned);
    }
}

/// What a file says of itself (its place and name, marks included), and what the server's items are.
pub(super) fn identities(world: &World) -> (Vec<PathBuf>, Vec<String>) {
    let mut files = all_files(&world.account_dir());
    files.sort();
    let folders = world.mail_folders();
    let mut items: Vec<String> = folders
        .iter()
        .flat_map(|(id, _)| world.mailbox.items(id).unwrap())
        .map(|item| format!("{} {}", item.id, item.change_key))
        .collect();
    items.sort();
    (files, items)
}

#[test]
fn a_lost_state_is_made_anew_from_messages_of_every_kind() {
    for like in BOTH {
        let world = world_with(like, &["plain", "flagged", "answered", "categories", "moved", "renamed", "original"]);
        world.arrive_as("Drafts", "draft", NewMessage { draft: true, ..NewMessage::default() });
        let nameless = b"From: a@example.org\r\nSubject: without an id\r\n\r\nno id\r\n";
        for folder in ["Inbox", "Archive"] {
            world.mailbox.add_message(folder, NewMessage { mime: nameless, ..NewMessage::default() }).unwrap();
        }
        world.sync();
        world.flag("flagged", "FS");
        world.flag("answered", "RS");
        world.mailbox.set_categories(&world.id("categories"), &["Blue", "A & B"]).unwrap();
        world.shift("moved", "Archive");
        renamed(&world.file("renamed"), "1800000001.R7.host");
        // Two that are alike in one folder, and one in another.
        let original = world.file("original");
        fs::copy(&original, original.with_file_name("1800000009.C2.host")).unwrap();
        fs::copy(&original, world.account_dir().join("Archive/cur/1800000009.C1.host:2,S")).unwrap();
        world.put("Archive", "mine", ":2,FS");
        if like == Personality::Exchange {
            // gromox adds HTML to a plain draft: without the base that is another text, and the one here is kept as a conflict copy.
            fs::write(world.file("draft"), World::mime_with("draft", "rewritten")).unwrap();
        }
        world.settle();
        let before = identities(&world);
        assert_eq!((before.0.len(), before.1.len()), (13, 13));
        world.lose_state();
        let report = world.sync();
        let total = report.total();
        assert_eq!((total.downloaded, total.uploaded, total.adopted), (0, 0, 13), "{report:?}");
        assert_eq!((total.deleted_here, total.deleted_there, total.conflicts), (0, 0, 0));
        assert_eq!(identities(&world), before, "something was touched");
        world.assert_settled();
        // And it is a base as good as the lost one.
        fs::remove_file(world.file("plain")).unwrap();
        world.mailbox.delete_item(&world.id("flagged")).unwrap();
        let total = world.sync().total();
        assert_eq!((total.deleted_here, total.deleted_there, total.uploaded), (1, 1, 0));
    }
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// A day's work after a backup was made: on both sides, all of it synchronized.
fn later(world: &World) {
    world.arrive("Inbox", "later-there");
    world.put("Inbox", "later-here", ":2,S");
    world.flag("a", "F");
    world.shift("b", "Archive");
    world.mailbox.move_item(&world.id("c"), "Archive").unwrap();
    world.remove("d");
    world.mailbox.delete_item(&world.id("e")).unwrap();
    world.mkdir("Inbox/Later");
    world.put("Inbox/Later", "later-deep", ":2,S");
    world.advance(60);
    world.settle();
}

const LATER: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[test]
fn yesterdays_database_takes_nothing_from_the_server() {
    for like in BOTH {
        let world = world_with(like, &LATER);
        let backup = world.home.path().join("backup");
        copy_dir(&world.database(), &backup);
        later(&world);
        let there = world.remote();
        fs::remove_dir_all(world.database()).unwrap();
        copy_dir(&backup, &world.database());
        world.settle();
        assert_eq!(world.remote(), there);
    }
}

#[test]
fn a_state_that_is_older_than_the_tree_takes_nothing_from_the_server() {
    for like in BOTH {
        let world = world_with(like, &LATER);
        let state = world.home.path().join("state.db");
        fs::copy(world.database().join("state.db"), &state).unwrap();
        later(&world);
        let there = world.remote();
        world.lose_state();
        fs::copy(&state, world.database().join("state.db")).unwrap();
        world.settle();
        assert_eq!(world.remote(), there);
    }
}

#[test]
fn a_tree_that_is_older_than_the_state_is_stopped_by_the_brake() {
    for like in BOTH {
        let names: Vec<String> = (0..10).map(|number| format!("old{number}")).collect();
        let world = world_with(like, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let backup = world.home.path().join("backup");
        copy_dir(&world.account_dir(), &backup);
        for number in 0..30 {
            world.arrive("Inbox", &format!("new{number}"));
        }
        world.sync();
        fs::remove_dir_all(world.account_dir()).unwrap();
        copy_dir(&backup, &world.account_dir());
        let report = world.sync();
        assert!(!report.is_clean());
        assert_eq!(world.remote()["Inbox"].len(), 40);
        world.lose_state();
        world.settle();
        assert_eq!(world.local()["Inbox"].len(), 40);
    }
}
