//! Local tools as users: what neomutt, aerc, notmuch, cp, rm and a person with an editor do to the tree reaches the server as it was meant,
//! and nothing of it costs a message.

use std::fs;
use std::path::PathBuf;

use crate::world::{CutAt, Seen, World, header};
use pimsync::exchange::{Flag, NewMessage, Personality};
use pimsync::plan::ConflictPolicy;
use pimsync::sync::{NoticeKind, Request};

pub(super) const BOTH: [Personality; 2] = [Personality::Exchange, Personality::Gromox];

pub(super) fn world_with(like: Personality, names: &[&str]) -> World {
    let world = World::new(like);
    world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
    for name in names {
        world.arrive("Inbox", name);
    }
    world.sync();
    world
}

pub(super) fn one(world: &World, folder: &str, name: &str) -> Seen {
    let seen = world.remote()[folder].clone();
    let mut found: Vec<Seen> = seen.into_iter().filter(|message| message.id == format!("{name}@example.org")).collect();
    assert_eq!(found.len(), 1, "{name} in {folder}");
    found.remove(0)
}

pub(super) fn letters(path: &std::path::Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.split_once(":2,").map_or("", |(_, letters)| letters).to_owned()
}

/// Another name in the same directory.
pub(super) fn renamed(path: &std::path::Path, name: &str) -> PathBuf {
    let target = path.with_file_name(name);
    fs::rename(path, &target).unwrap();
    target
}

#[test]
fn reading_a_new_message_is_told_to_the_server() {
    for like in BOTH {
        let world = world_with(like, &["a"]);
        assert!(world.file("a").parent().unwrap().ends_with("new"));
        world.flag("a", "S");
        let report = world.settle();
        assert_eq!((report.total().changed_there, report.total().uploaded), (1, 0));
        assert_eq!(one(&world, "Inbox", "a").flags, "S");
    }
}

#[test]
fn another_unique_part_is_the_same_message() {
    for like in BOTH {
        let world = world_with(like, &["a", "b"]);
        let id = world.id("a");
        renamed(&world.file("a"), "1800000001.R7.host");
        renamed(&world.flag("b", "S"), "1800000002.R8.host:2,FS");
        let report = world.settle();
        assert_eq!((report.total().uploaded, report.total().deleted_there), (0, 0), "{report:?}");
        assert_eq!(world.id("a"), id);
        assert_eq!(one(&world, "Inbox", "b").flags, "FS");
        world.mailbox.set_read(&id, true).unwrap();
        world.settle();
        assert!(world.file("a").to_str().unwrap().contains("R7"));
    }
}

/// As neomutt does when it saves a message: a length that servers do not keep, and the empty line with its own kind of line end.
fn with_traces(path: &std::path::Path) -> Vec<u8> {
    let text = String::from_utf8(fs::read(path).unwrap()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    format!("{head}\r\nContent-Length: {}\nLines: 3\n\n{body}", body.len()).into_bytes()
}

#[test]
fn a_message_that_a_mail_reader_moves_and_writes_its_traces_into_is_the_same_message() {
    for (like, target) in BOTH.into_iter().flat_map(|like| [(like, "Archive"), (like, "Inbox")]) {
        let world = world_with(like, &["a", "b"]);
        let path = world.file("a");
        let saved = world.account_dir().join(target).join("cur/1700000000.neomutt.host:2,FS");
        fs::write(&saved, with_traces(&path)).unwrap();
        fs::remove_file(&path).unwrap();
        let report = world.settle();
        let total = report.total();
        assert_eq!((total.uploaded, total.downloaded, total.deleted_there), (0, 0, 0), "{target}: {report:?}");
        assert_eq!(one(&world, target, "a").flags, "FS");
        let bytes = fs::read(world.file("a")).unwrap();
        assert!(String::from_utf8(bytes).unwrap().contains("Content-Length"), "the file stays as it was written");
        let full = world.sync_with(&Request { depth: pimsync::sync::Depth::Full, ..Request::default() });
        assert!(full.total().is_empty(), "{full:?}");
    }
}

#[test]
fn moved_and_marked_at_once_is_one_move() {
    for like in BOTH {
        let world = world_with(like, &["a", "b", "c"]);
        world.flag("a", "FS");
        world.shift("a", "Archive");
        world.shift("b", "Archive");
        world.flag("b", "R");
        let report = world.settle();
        let total = report.total();
        assert_eq!((total.moved_there, total.uploaded, total.deleted_there), (2, 0, 0));
        assert_eq!((one(&world, "Archive", "a").flags, one(&world, "Archive", "b").flags), ("FS".into(), "R".into()));
    }
}

#[test]
fn a_copy_is_a_message_of_its_own_and_the_original_stays() {
    for like in BOTH {
        let world = world_with(like, &["a"]);
        let id = world.id("a");
        let original = world.file("a");
        fs::copy(&original, world.account_dir().join("Archive/cur/1800000009.C1.host:2,S")).unwrap();
        fs::copy(&original, original.with_file_name("1800000009.C2.host")).unwrap();
        // A copy that kept its name, as `cp` makes it.
        fs::copy(&original, world.account_dir().join("Drafts/new").join(original.file_name().unwrap())).unwrap();
        let report = world.settle();
        assert_eq!((report.total().uploaded, report.total().moved_there), (3, 0));
        assert!(world.mailbox.item(&id).is_ok());
        assert_eq!((world.remote()["Inbox"].len(), world.remote()["Archive"].len()), (2, 1));
        // Each of them can go alone.
        fs::remove_file(&original).unwrap();
        world.settle();
        assert_eq!((world.remote()["Inbox"].len(), world.remote()["Archive"].len()), (1, 1));
        assert!(world.mailbox.item(&id).is_err());
    }
}

#[test]
fn two_files_of_one_name_are_told_and_neither_is_lost() {
    for like in BOTH {
        let world = world_with(like, &["a"]);
        let path = world.flag("a", "S");
        let key = path.file_name().unwrap().to_str().unwrap().split(':').next().unwrap().to_owned();
        let twin = path.with_file_name(format!("{key}:2,FS"));
        fs::write(&twin, World::mime("other")).unwrap();
        let report = world.sync();
        assert!(report.notices.iter().any(|notice| notice.kind == NoticeKind::Skipped), "{report:?}");
        world.sync();
        assert!(path.exists() && twin.exists());
        assert!(world.find("a").is_some());
        renamed(&twin, "1800000003.M1.host:2,FS");
        world.settle();
        assert_eq!((one(&world, "Inbox", "a").flags, one(&world, "Inbox", "other").flags), ("S".into(), "FS".into()));
    }
}

#[test]
fn what_exchange_cannot_say_stays_in_the_name() {
    for like in BOTH {
        let world = world_with(like, &["trash", "letters", "both"]);
        world.flag("trash", "ST");
        // `q` has no assignment, `Q` is some program's own.
        world.flag("letters", "SqQ");
        world.flag("both", "PRS");
        world.sync();
        world.mailbox.set_flag(&world.id("trash"), Flag::Flagged).unwrap();
        world.mailbox.set_flag(&world.id("letters"), Flag::Flagged).unwrap();
        world.mailbox.set_categories(&world.id("letters"), &["Blue"]).unwrap();
        world.sync();
        assert_eq!(letters(&world.file("trash")), "FST");
        assert_eq!(letters(&world.file("letters")), "FSaqQ");
        assert_eq!(letters(&world.file("both")), "PRS");
        assert_eq!(one(&world, "Inbox", "both").flags.len(), 2, "one of the verbs, and seen");
        // A verb on the server does not take the other one away here.
        world.mailbox.set_last_verb(&world.id("both"), Some(104)).unwrap();
        world.mailbox.set_read(&world.id("both"), false).unwrap();
        world.sync();
        assert_eq!(letters(&world.file("both")), "PR");
        // And the messages that are to be thrown away can be.
        world.remove("trash");
        world.sync();
        assert_eq!(world.find("trash").unwrap().1, "Deleted Items");
    }
}

#[test]
fn a_follow_up_that_is_done_survives_other_changes_here() {
    for like in BOTH {
        let world = world_with(like, &["a"]);
        let id = world.id("a");
        world.mailbox.set_flag(&id, Flag::Complete).unwrap();
        world.sync();
        world.flag("a", "RS");
        world.settle();
        let item = world.mailbox.item(&id).unwrap();
        assert!(item.read && item.last_verb == Some(102));
        assert_eq!(item.flag, Flag::Complete);
        // Flagged anew here, it is open again.
        world.flag("a", "FRS");
        world.settle();
        assert_eq!(world.mailbox.item(&id).unwrap().flag, Flag::Flagged);
    }
}

#[test]
fn a_draft_can_be_finished_and_a_message_made_a_draft() {
    for like in BOTH {
        let world = world_with(like, &["sent"]);
        world.arrive_as("Drafts", "letter", NewMessage { draft: true, ..NewMessage::default() });
        world.sync();
        world.flag("letter", "S");
        world.flag("sent", "DS");
        world.settle();
        // One each, although a draft cannot be made a message in place: the old versions lie in Deleted Items.
        assert_eq!(one(&world, "Drafts", "letter").flags, "S");
        assert_eq!(one(&world, "Inbox", "sent").flags, "DS");
    }
}

#[test]
fn a_message_edited_in_place_is_found_by_a_full_comparison() {
    for like in BOTH {
        let world = world_with(like, &["a", "b"]);
        fs::write(world.file("a"), World::mime_with("a", "with a note of mine")).unwrap();
        world.sync_with(&World::full());
        world.assert_settled();
        assert_eq!(one(&world, "Inbox", "a").body, "with a note of mine");
        // The old version can still be had back.
        assert_eq!(world.remote()["Deleted Items"].len(), 1);
    }
}

#[test]
fn conflict_policies_choose_whose_edit_stays() {
    for like in BOTH {
        for (policy, stays) in [(ConflictPolicy::Server, "theirs"), (ConflictPolicy::Local, "mine")] {
            let mut world = World::new(like);
            world.policy = policy;
            world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
            world.mailbox.create_folder("", "Other", "IPF.Note").unwrap();
            world.arrive_as("Drafts", "letter", NewMessage { draft: true, ..NewMessage::default() });
            world.arrive("Inbox", "moved");
            world.sync();
            fs::write(world.file("letter"), World::mime_with("letter", "mine")).unwrap();
            world.mailbox.replace_mime(&world.id("letter"), &World::mime_with("letter", "theirs")).unwrap();
            world.shift("moved", "Archive");
            world.mailbox.move_item(&world.id("moved"), "Other").unwrap();
            world.settle();
            assert_eq!(world.remote()["Drafts"][0].body, stays);
            let folder = if policy == ConflictPolicy::Local { "Archive" } else { "Other" };
            assert_eq!(world.find("moved").unwrap().1, folder);
            assert!(world.conflicts().is_empty());
        }
    }
}

#[test]
fn categories_beyond_the_letters_are_not_lost() {
    for like in BOTH {
        let world = world_with(like, &["many", "last"]);
        let names: Vec<String> = (0..30).map(|number| format!("Category {number:02}")).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        world.mailbox.set_categories(&world.id("many"), &all).unwrap();
        world.mailbox.set_categories(&world.id("last"), &all[28..]).unwrap();
        world.sync();
        world.sync();
        let path = world.file("many");
        assert_eq!(letters(&path), "abcdefghijklmnopqrstuvwxyz");
        // Taken away here: the one with a letter; those without letters stay.
        world.flag("many", "Fbcdefghijklmnopqrstuvwxyz");
        world.flag("last", "S");
        world.sync();
        let mut left = world.mailbox.item(&world.id("many")).unwrap().categories;
        left.sort();
        assert_eq!(left, names[1..]);
        assert_eq!(world.mailbox.item(&world.id("last")).unwrap().categories.len(), 2);
        // And there: one without a letter.
        world.mailbox.set_categories(&world.id("last"), &all[29..]).unwrap();
        world.mailbox.set_categories(&world.id("many"), &all[1..3]).unwrap();
        world.sync();
        assert_eq!(letters(&world.file("many")), "Fbc");
        assert_eq!(world.mailbox.item(&world.id("last")).unwrap().categories, [all[29]]);
        world.shift("last", "Archive");
        world.sync();
        assert_eq!(world.mailbox.item(&world.id("last")).unwrap().categories, [all[29]]);
        let again = world.sync();
        assert!(again.folders.values().all(|tally| tally.is_empty()), "{again:?}");
    }
}

#[test]
fn a_moved_message_keeps_its_categories_where_letters_mean_something_else() {
    for like in BOTH {
        let world = world_with(like, &["red", "blue", "two"]);
        world.mailbox.set_categories(&world.id("blue"), &["Blue"]).unwrap();
        world.mailbox.move_item(&world.id("blue"), "Archive").unwrap();
        world.sync();
        world.mailbox.set_categories(&world.id("red"), &["Red"]).unwrap();
        world.mailbox.set_categories(&world.id("two"), &["Green", "Red"]).unwrap();
        world.settle();
        assert_eq!((letters(&world.file("red")), letters(&world.file("blue"))), ("a".into(), "a".into()));
        world.mailbox.create_folder("", "Without letters", "IPF.Note").unwrap();
        world.sync();
        world.shift("red", "Archive");
        world.shift("two", "Without letters");
        let dry = world.dry_run();
        assert_eq!(dry.planned.len(), 2, "{dry:?}");
        world.settle();
        assert_eq!(one(&world, "Archive", "red").categories, ["Red"]);
        assert_eq!(one(&world, "Without letters", "two").categories, ["Green", "Red"]);
    }
}

#[test]
fn the_received_date_is_kept_on_upload() {
    for like in BOTH {
        let world = world_with(like, &[]);
        let mime = String::from_utf8(World::mime("received")).unwrap();
        let with = format!(
            "Received: from a by b; Mon, 02 Nov 2026 09:30:00 +0100\r\nReceived: from x by a; Sun, 01 Nov 2026 01:00:00 +0000\r\n{mime}"
        );
        world.put_bytes("Inbox", with.as_bytes(), ":2,S");
        world.put("Inbox", "dated", ":2,S");
        world.settle();
        assert_eq!(world.mailbox.item(&world.id("received")).unwrap().received, 1_793_608_200_000);
        assert_eq!(world.mailbox.item(&world.id("dated")).unwrap().received, 1_793_700_000_000);
    }
}

#[test]
fn items_of_other_kinds_are_left_alone() {
    for like in BOTH {
        let world = world_with(like, &["a"]);
        world.mailbox.create_folder("Inbox", "Appointments", "IPF.Appointment").unwrap();
        world.mailbox.create_folder("", "Settings", "IPF.Configuration").unwrap();
        world.arrive("Inbox/Appointments", "not a mail");
        let report = world.settle();
        assert!(report.is_clean());
        assert!(!world.account_dir().join("Settings").exists());
        assert!(world.find_file("not a mail").is_none());
        assert_eq!(world.mailbox.items("Inbox/Appointments").unwrap().len(), 1);
    }
}

#[test]
fn one_folder_can_be_synchronized_alone() {
    for like in BOTH {
        let world = world_with(like, &["a", "b", "moved", "edited"]);
        world.arrive("Archive", "c");
        world.put("Archive", "d", ":2,S");
        world.flag("a", "S");
        world.shift("moved", "Archive");
        world.shift("edited", "Archive");
        world.flag("edited", "F");
        let inbox = Request { folders: vec!["Inbox".to_owned()], ..Request::default() };
        world.sync_with(&inbox);
        assert_eq!(one(&world, "Inbox", "a").flags, "S");
        assert!(world.find_file("c").is_none() && world.find("d").is_none());
        // What was moved out of the folder is not thrown away.
        assert_eq!(world.find("moved").unwrap().1, "Archive");
        assert!(world.remote()["Deleted Items"].is_empty());
        world.settle();
        assert_eq!(one(&world, "Archive", "edited").flags, "F");
        assert!(world.find_file("c").is_some() && world.find("d").is_some());
        let missing = Request { folders: vec!["Nowhere".to_owned()], ..Request::default() };
        assert!(world.try_sync(&missing, std::sync::Arc::new(CutAt::default())).is_err());
    }
}

#[test]
fn a_message_moved_there_out_of_the_one_folder_is_not_doubled() {
    for like in BOTH {
        let world = world_with(like, &["a", "b"]);
        world.mailbox.move_item(&world.id("a"), "Archive").unwrap();
        world.mailbox.move_item(&world.id("b"), "Archive").unwrap();
        world.flag("a", "F");
        world.sync_with(&Request { folders: vec!["inbox".to_owned()], ..Request::default() });
        world.settle();
        assert_eq!(one(&world, "Archive", "a").flags, "F");
        assert_eq!((world.remote()["Inbox"].len(), world.remote()["Archive"].len()), (0, 2));
    }
}

#[test]
fn a_clock_set_back_delays_nothing_for_long() {
    for like in BOTH {
        let world = world_with(like, &["a"]);
        world.advance(10 * 365 * 86_400);
        world.put("Inbox", "refused", ":2,S");
        let refuse = pimsync::exchange::Action::ItemError { code: "ErrorItemSavePropertyError".to_owned() };
        world.server.faults().add(pimsync::exchange::Rule::on("CreateItem", refuse));
        world.sync();
        world.server.faults().clear();
        world.advance(-10 * 365 * 86_400);
        world.arrive("Inbox", "b");
        world.flag("a", "S");
        world.sync();
        assert_eq!((world.local()["Inbox"].len(), one(&world, "Inbox", "a").flags), (3, "S".into()));
        world.advance(2 * 86_400);
        world.settle();
        assert!(world.find("refused").is_some());
        assert_eq!(world.troubles(), Vec::<String>::new());
    }
}

#[test]
fn a_file_that_vanishes_in_mid_sync_is_looked_at_again() {
    struct Vanish {
        path: PathBuf,
        at: pimsync::sync::Step,
    }
    impl pimsync::sync::Fault for Vanish {
        fn at(&self, step: pimsync::sync::Step) -> Result<(), pimsync::sync::CutOff> {
            if step == self.at && self.path.exists() {
                fs::remove_file(&self.path).unwrap();
            }
            Ok(())
        }
    }
    for like in BOTH {
        for at in [pimsync::sync::Step::FoldersNoted, pimsync::sync::Step::UploadsNoted] {
            let world = world_with(like, &["a"]);
            let path = world.put("Inbox", "gone", ":2,S");
            world.put("Inbox", "stays", ":2,S");
            world.try_sync(&Request::default(), std::sync::Arc::new(Vanish { path, at })).unwrap();
            world.settle();
            // What was read before it vanished is deleted as if it had been there for longer: into Deleted Items.
            let gone = world.find("gone").map(|(_, folder)| folder);
            let expected = (at == pimsync::sync::Step::UploadsNoted).then(|| "Deleted Items".to_owned());
            assert_eq!((world.find("stays").is_some(), gone), (true, expected), "{like:?} {at:?}");
        }
    }
}

#[test]
fn bytes_of_a_known_file_are_never_rewritten_for_a_mark() {
    for like in BOTH {
        let world = world_with(like, &[]);
        let bytes = [World::mime("mine"), b"trailing \xff bytes\n.\nFrom here\n".to_vec()].concat();
        world.put_bytes("Inbox", &bytes, ":2,S");
        world.sync();
        world.mailbox.set_flag(&world.id("mine"), Flag::Flagged).unwrap();
        world.mailbox.move_item(&world.id("mine"), "Archive").unwrap();
        world.sync();
        let path = world.file("mine");
        assert!(path.starts_with(world.account_dir().join("Archive")));
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(header(&bytes, "message-id"), "<mine@example.org>");
    }
}
