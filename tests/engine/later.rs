//! Runs that leave the local changes of some folders for a later one: nothing of theirs goes out, what the server changed comes in, and the
//! later run finds everything that was left.

use std::fs;

use pimsync::exchange::{NewMessage, Personality};
use pimsync::sync::Request;

use crate::local::{BOTH, one, world_with};
use crate::world::World;

fn without(folders: &[&str]) -> Request {
    Request { later: folders.iter().map(|folder| (*folder).to_owned()).collect(), ..Request::default() }
}

#[test]
fn nothing_goes_out_and_everything_comes_in() {
    for like in BOTH {
        let world = world_with(like, &["flagged", "moved", "deleted", "kept"]);
        world.flag("flagged", "F");
        world.shift("moved", "Archive");
        world.remove("deleted");
        world.put("Inbox", "new", ":2,S");
        world.arrive("Inbox", "arrived");
        world.mailbox.set_read(&world.id("kept"), true).unwrap();
        let before = world.remote();
        for _ in 0..2 {
            world.advance(60);
            world.sync_with(&without(&["Inbox", "No Such Folder"]));
            assert_eq!(world.remote(), before, "{like:?}");
        }
        assert!(world.local()["Inbox"].iter().any(|message| message.id == "arrived@example.org"));
        assert!(world.file("kept").to_str().unwrap().ends_with('S'), "what the server says of a message comes in");
        let report = world.settle();
        let total = report.total();
        assert_eq!((total.changed_there, total.moved_there, total.deleted_there, total.uploaded), (1, 1, 1, 1));
        assert_eq!(one(&world, "Archive", "moved").id, "moved@example.org");
    }
}

#[test]
fn other_folders_are_not_held_up() {
    let world = world_with(Personality::Exchange, &["a"]);
    world.put("Inbox", "later", ":2,S");
    world.put("Archive", "now", ":2,S");
    world.sync_with(&without(&["Inbox"]));
    assert_eq!(one(&world, "Archive", "now").flags, "S");
    assert!(world.find("later").is_none());
    world.settle();
}

#[test]
fn a_folder_that_was_deleted_here_is_not_made_again_while_it_waits() {
    for like in BOTH {
        let world = world_with(like, &[]);
        world.arrive_as("Archive", "old", NewMessage::default());
        world.sync();
        fs::remove_dir_all(world.account_dir().join("Archive")).unwrap();
        for _ in 0..2 {
            world.advance(60);
            world.sync_with(&without(&["Archive"]));
            assert!(!world.account_dir().join("Archive").exists());
            assert!(world.find("old").is_some());
        }
        world.settle();
        assert!(!world.mailbox.folders().unwrap().iter().any(|folder| folder.path == "Archive"));
    }
}

#[test]
fn entries_wait_too() {
    let world = World::new(Personality::Exchange);
    world.sync();
    let dir = world.account_dir().join("Notes");
    fs::write(dir.join("first.md"), "First\n").unwrap();
    world.sync();
    let count = || world.mailbox.items("Notes").unwrap().len();
    assert_eq!(count(), 1);
    fs::write(dir.join("second.md"), "Second\n").unwrap();
    fs::remove_file(dir.join("first.md")).unwrap();
    world.advance(60);
    world.sync_with(&without(&["Notes"]));
    assert_eq!(world.mailbox.items("Notes").unwrap()[0].subject, "First");
    world.sync();
    assert_eq!((count(), world.mailbox.items("Notes").unwrap()[0].subject.as_str()), (1, "Second"));
}
