//! A day on which every kind of change is made on either side.

use std::fs;

use pimsync::exchange::{Flag, NewMessage, Personality};

use super::{Side, World};

/// What both sides agreed on, before a day on which every kind of change is made on either side.
pub fn before(world: &World) {
    for name in ["Archive", "Renamed there", "Renamed here", "Gone there", "Gone here"] {
        world.mailbox.create_folder("", name, "IPF.Note").unwrap();
    }
    for name in ["m-there", "m-here", "f-there", "f-here", "d-there", "d-here", "kept"] {
        world.arrive("Inbox", name);
    }
    world.arrive_as("Drafts", "letter", NewMessage { draft: true, ..NewMessage::default() });
    world.arrive_as("Drafts", "finished", NewMessage { draft: true, ..NewMessage::default() });
    world.sync();
    world.advance(60);
}

pub fn edits(world: &World) {
    let mailbox = &world.mailbox;
    mailbox.rename_folder("Renamed there", "New there").unwrap();
    fs::rename(world.account_dir().join("Renamed here"), world.account_dir().join("New here")).unwrap();
    mailbox.delete_folder("Gone there").unwrap();
    mailbox.create_folder("Archive", "Made there", "IPF.Note").unwrap();
    world.mkdir("Archive/Made here");
    // After that, since an empty directory whose number is used again counts as one that was moved.
    fs::remove_dir_all(world.account_dir().join("Gone here")).unwrap();
    mailbox.move_item(&world.id("m-there"), "Archive").unwrap();
    world.shift("m-here", "Archive");
    mailbox.set_flag(&world.id("f-there"), Flag::Flagged).unwrap();
    world.flag("f-here", "F");
    mailbox.delete_item(&world.id("d-there")).unwrap();
    world.remove("d-here");
    world.arrive("Archive/Made there", "n-there");
    world.arrive("Inbox", "n-there-too");
    world.put("Archive/Made here", "n-here", ":2,S");
    world.put("Inbox", "n-here-too", ":2,S");
    fs::write(world.file("letter"), World::mime_with("letter", "rewritten")).unwrap();
    world.flag("finished", "S");
}

pub fn ends(world: &World) -> (Side, Side) {
    (world.remote(), world.local())
}

/// How a day ends on which nothing goes wrong.
pub fn wanted(like: Personality) -> (Side, Side) {
    let world = World::unrecorded(like);
    before(&world);
    edits(&world);
    world.settle();
    ends(&world)
}

/// Folders that are not as they should be, with what is in them and what should be.
pub fn difference(is: &Side, should: &Side) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = is.keys().chain(should.keys()).collect();
    let brief = |side: &Side, name: &String| -> Option<Vec<String>> {
        Some(side.get(name)?.iter().map(|seen| format!("{} {} {}", seen.id, seen.flags, seen.body)).collect())
    };
    let differs = names.into_iter().filter(|name| is.get(*name) != should.get(*name));
    differs.map(|name| format!("{name}: {:?} for {:?}", brief(is, name), brief(should, name))).collect()
}
