//! Somebody else is at it at the same time: at each step of a sync one side is edited. The next sync settles; no message is lost, none is
//! there twice.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::world::{World, all_files};
use pimsync::exchange::{Flag, NewMessage, Personality};
use pimsync::sync::{CutOff, Fault, Request, Step};

/// Edits at a step, once.
struct Meddler {
    world: Arc<World>,
    at: usize,
    edit: fn(&World),
    passed: AtomicUsize,
    step: Mutex<Option<Step>>,
}

impl Fault for Meddler {
    fn at(&self, step: Step) -> Result<(), CutOff> {
        if self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            *self.step.lock().unwrap() = Some(step);
            (self.edit)(&self.world);
        }
        Ok(())
    }
}

const DELETED: [&str; 3] = ["d-there", "d-here", "d-both"];

fn before(world: &World) {
    for name in ["Archive", "Other"] {
        world.mailbox.create_folder("", name, "IPF.Note").unwrap();
    }
    for name in ["m-there", "m-here", "m-both", "f-there", "f-here", "f-both", "d-there", "d-here", "d-both", "kept"] {
        world.arrive("Inbox", name);
    }
    world.arrive_as("Drafts", "letter", NewMessage { draft: true, ..NewMessage::default() });
    world.sync();
    world.advance(60);
}

fn edits(world: &World) {
    let mailbox = &world.mailbox;
    for name in ["m-there", "m-both"] {
        mailbox.move_item(&world.id(name), "Archive").unwrap();
    }
    for name in ["m-here", "m-both"] {
        world.shift(name, "Archive");
    }
    mailbox.set_flag(&world.id("f-there"), Flag::Flagged).unwrap();
    mailbox.set_categories(&world.id("f-both"), &["Blue"]).unwrap();
    world.flag("f-here", "F");
    world.flag("f-both", "R");
    for name in ["d-there", "d-both"] {
        mailbox.delete_item(&world.id(name)).unwrap();
    }
    for name in ["d-here", "d-both"] {
        world.remove(name);
    }
    world.arrive("Inbox", "n-there");
    world.arrive("Archive", "n-there-too");
    world.put("Inbox", "n-here", ":2,S");
    world.put("Archive", "n-here-too", ":2,");
    fs::write(world.file("letter"), World::mime_with("letter", "mine")).unwrap();
}

/// Every message that the server shows outside Deleted Items.
fn everywhere(world: &World) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (id, path) in world.mail_folders() {
        if !path.starts_with("Deleted Items") {
            found.extend(world.mailbox.items(&id).unwrap().into_iter().map(|item| (item.id, path.clone())));
        }
    }
    found
}

fn files(world: &World) -> Vec<std::path::PathBuf> {
    all_files(&world.account_dir())
        .into_iter()
        .filter(|path| !path.starts_with(world.account_dir().join("Deleted Items")))
        .collect()
}

fn info(path: &std::path::Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.split_once(":2,").map_or(String::new(), |(_, info)| info.to_owned())
}

fn mark_there(world: &World) {
    for (id, _) in everywhere(world) {
        world.mailbox.set_read(&id, true).unwrap();
        world.mailbox.set_categories(&id, &["Late"]).unwrap();
    }
}

fn move_there(world: &World) {
    for (id, path) in everywhere(world) {
        if path != "Other" {
            world.mailbox.move_item(&id, "Other").unwrap();
        }
    }
}

fn delete_there(world: &World) {
    for (id, _) in everywhere(world) {
        world.mailbox.delete_item(&id).unwrap();
    }
}

fn arrive_there(world: &World) {
    for folder in ["Inbox", "Archive", "Drafts"] {
        world.arrive(folder, &format!("late-{folder}"));
    }
}

fn mark_here(world: &World) {
    for path in files(world) {
        let folder = path.parent().unwrap().parent().unwrap();
        let key = path.file_name().unwrap().to_str().unwrap().split(':').next().unwrap().to_owned();
        let mut letters: Vec<char> = info(&path).chars().chain(['S']).collect();
        letters.sort_unstable();
        letters.dedup();
        let letters: String = letters.into_iter().collect();
        fs::rename(&path, folder.join("cur").join(format!("{key}:2,{letters}"))).unwrap();
    }
}

fn move_here(world: &World) {
    for (number, path) in files(world).into_iter().enumerate() {
        let name = format!("1800000001.Q{number}.host:2,{}", info(&path));
        fs::rename(&path, world.account_dir().join("Other/cur").join(name)).unwrap();
    }
}

fn delete_here(world: &World) {
    files(world).iter().for_each(|path| fs::remove_file(path).unwrap());
}

fn add_here(world: &World) {
    for folder in ["Inbox", "Archive", "Drafts"] {
        world.put(folder, &format!("late-{folder}"), ":2,S");
    }
}

fn edit_here(world: &World) {
    if let Some(path) = world.find_file("letter") {
        fs::write(path, World::mime_with("letter", "mine again")).unwrap();
    }
}

fn edit_there(world: &World) {
    if let Some((id, _)) = world.find("letter") {
        world.mailbox.replace_mime(&id, &World::mime_with("letter", "theirs")).unwrap();
    }
}

/// How often each message is there, in Deleted Items or not.
fn counts(world: &World) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (path, seen) in world.remote() {
        for message in seen.into_iter().filter(|_| !path.starts_with("Deleted Items")) {
            *counts.entry(message.id.trim_end_matches("@example.org").to_owned()).or_default() += 1;
        }
    }
    counts
}

const ALL: [&str; 15] = [
    "m-there",
    "m-here",
    "m-both",
    "f-there",
    "f-here",
    "f-both",
    "d-there",
    "d-here",
    "d-both",
    "kept",
    "letter",
    "n-there",
    "n-there-too",
    "n-here",
    "n-here-too",
];

fn meddle(like: Personality, what: &str, edit: fn(&World), deletes: bool, every: usize) {
    let mut failed = Vec::new();
    for at in (1..).step_by(every) {
        let world = Arc::new(World::unrecorded(like));
        before(&world);
        edits(&world);
        let meddler = Arc::new(Meddler {
            world: Arc::clone(&world),
            at,
            edit,
            passed: AtomicUsize::new(0),
            step: Mutex::default(),
        });
        let first = world.try_sync(&Request::default(), meddler.clone());
        let Some(step) = *meddler.step.lock().unwrap() else { break };
        let told = format!("{like:?}, {what} at step {at}, {step:?}");
        if let Err(error) = &first {
            failed.push(format!("{told}: {error}"));
        }
        world.advance(2 * 86_400);
        let second = world.sync();
        world.advance(60);
        let third = world.sync();
        if third.folders.values().any(|tally| !tally.is_empty()) || !third.is_clean() {
            failed.push(format!("{told}: is not settled: {second:?}, then {third:?}"));
        }
        if world.remote() != world.local() {
            failed.push(format!("{told}: the sides differ: {:?} and {:?}", world.remote(), world.local()));
        }
        let counts = counts(&world);
        for name in ALL {
            let count = counts.get(name).copied().unwrap_or(0);
            let may_be_gone = deletes || DELETED.contains(&name);
            if count > 1 || count == 0 && !may_be_gone {
                failed.push(format!("{told}: {name} is there {count} times: {second:?}"));
            }
        }
        let late: usize = counts.iter().filter(|(name, _)| name.starts_with("late-")).map(|(_, count)| count).sum();
        if late != 0 && late != 3 {
            failed.push(format!("{told}: {late} of 3 late ones"));
        }
        let troubles = world.troubles();
        if !troubles.is_empty() {
            failed.push(format!("{told}: {troubles:?}"));
        }
        let written = match what {
            "edit_here" => Some("mine again"),
            "edit_there" => Some("theirs"),
            _ => None,
        };
        if let Some(text) = written {
            let kept = world.conflicts().iter().any(|body| body == text)
                || world.remote().values().flatten().any(|seen| seen.body == text);
            if !kept {
                failed.push(format!("{told}: the edit is lost: {second:?}, conflicts {:?}", world.conflicts()));
            }
        }
    }
    assert!(failed.is_empty(), "{} failures\n{}", failed.len(), failed.join("\n\n"));
}

macro_rules! meddling {
    ($($name:ident: $edit:ident, $deletes:expr;)*) => {$(
        #[test]
        fn $name() {
            // Every step takes minutes: PIMSYNC_TEST_EVERY_STEP=1.
            let all = std::env::var_os("PIMSYNC_TEST_EVERY_STEP").is_some();
            meddle(Personality::Exchange, stringify!($edit), $edit, $deletes, if all { 1 } else { 3 });
            meddle(Personality::Gromox, stringify!($edit), $edit, $deletes, if all { 1 } else { 8 });
        }
    )*};
}

meddling! {
    marked_there: mark_there, false;
    moved_there: move_there, false;
    deleted_there: delete_there, true;
    arrived_there: arrive_there, false;
    edited_there: edit_there, false;
    marked_here: mark_here, false;
    moved_here: move_here, false;
    deleted_here: delete_here, true;
    added_here: add_here, false;
    edited_here: edit_here, false;
}

/// The server's new body is on its way, and just then the draft is saved here.
#[test]
fn a_draft_that_is_saved_here_while_its_new_body_comes_is_not_written_over() {
    for like in [Personality::Exchange, Personality::Gromox] {
        let mut steps = Vec::new();
        for at in 1.. {
            let world = Arc::new(World::unrecorded(like));
            before(&world);
            edit_there(&world);
            let (passed, step) = (AtomicUsize::new(0), Mutex::default());
            let meddler = Arc::new(Meddler { world: Arc::clone(&world), at, edit: edit_here, passed, step });
            world.try_sync(&Request::default(), meddler.clone()).unwrap();
            let Some(step) = *meddler.step.lock().unwrap() else { break };
            steps.push(step);
            world.settle();
            let mut bodies: Vec<String> = world.remote()["Drafts"].iter().map(|seen| seen.body.clone()).collect();
            bodies.extend(world.conflicts());
            assert!(bodies.iter().any(|body| body == "mine again"), "{like:?}, saved at {step:?}: {bodies:?}");
        }
        assert!(steps.contains(&Step::BodiesStaged), "{steps:?}");
    }
}
