//! Local tools as users: what neomutt, aerc, notmuch, cp, rm and a person with an editor do to the tree reaches the server as it was meant,
//! and nothing of it costs a message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod mortal;
mod world;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use pimsync::exchange::{Flag, NewMessage, Personality};
use pimsync::plan::ConflictPolicy;
use pimsync::sync::{NoticeKind, Request};
use world::{Seen, World, header};

const BOTH: [Personality; 2] = [Personality::Exchange, Personality::Gromox];

fn world_with(like: Personality, names: &[&str]) -> World {
    let world = World::new(like);
    world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
    for name in names {
        world.arrive("Inbox", name);
    }
    world.sync();
    world
}

fn one(world: &World, folder: &str, name: &str) -> Seen {
    let seen = world.remote()[folder].clone();
    let mut found: Vec<Seen> = seen.into_iter().filter(|message| message.id == format!("{name}@example.org")).collect();
    assert_eq!(found.len(), 1, "{name} in {folder}");
    found.remove(0)
}

fn letters(path: &std::path::Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.split_once(":2,").map_or("", |(_, letters)| letters).to_owned()
}

/// Another name in the same directory.
fn renamed(path: &std::path::Path, name: &str) -> PathBuf {
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
fn what_is_no_message_is_told_and_left_alone() {
    for like in BOTH {
        let world = world_with(like, &["a", "b"]);
        let inbox = world.account_dir().join("Inbox");
        let outside = world.home.path().join("outside");
        fs::write(&outside, World::mime("outside")).unwrap();
        std::os::unix::fs::symlink(&outside, inbox.join("cur/1800000001.L1.host:2,S")).unwrap();
        let away = world.home.path().join("tree");
        for sub in ["cur", "new", "tmp"] {
            fs::create_dir_all(away.join(sub)).unwrap();
        }
        fs::write(away.join("cur/1.x:2,S"), World::mime("linked")).unwrap();
        std::os::unix::fs::symlink(&away, world.account_dir().join("Linked")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(inbox.join("cur/1800000002.S1.host:2,S")).unwrap();
        fs::create_dir(inbox.join("cur/1800000003.D1.host:2,S")).unwrap();
        let report = world.sync();
        assert_eq!(report.total().uploaded, 0);
        let text = format!("{:?}", report.notices);
        for name in ["L1", "Linked", "S1", "D1"] {
            assert!(text.contains(name), "{name}: {text}");
        }
        assert!(world.find("outside").is_none() && world.find("linked").is_none());
        assert!(world.find("a").is_some() && world.find("b").is_some());
    }
}

#[test]
fn a_link_in_the_place_of_a_message_does_not_delete_it() {
    for like in BOTH {
        let world = world_with(like, &["a"]);
        let path = world.file("a");
        let kept = world.home.path().join("kept");
        fs::rename(&path, &kept).unwrap();
        std::os::unix::fs::symlink(&kept, &path).unwrap();
        world.sync();
        assert_eq!(world.find("a").unwrap().1, "Inbox");
        fs::remove_file(&path).unwrap();
        fs::rename(&kept, &path).unwrap();
        world.settle();
    }
}

#[test]
fn leftovers_of_other_programs_go_nowhere() {
    for like in BOTH {
        let world = world_with(like, &["a"]);
        let account = world.account_dir();
        for file in [".mbsyncstate", ".uidvalidity", "dovecot-uidlist", "dovecot.index.log", "maildirfolder", ".lock"] {
            fs::write(account.join("Inbox").join(file), "3 V1\n").unwrap();
        }
        fs::create_dir_all(account.join(".notmuch/xapian")).unwrap();
        fs::write(account.join(".notmuch/xapian/flintlock"), "").unwrap();
        fs::write(account.join("Inbox/cur/.hidden"), World::mime("hidden")).unwrap();
        fs::write(account.join("Inbox/tmp/1.half.host"), World::mime("half")).unwrap();
        fs::create_dir_all(account.join("plain/notes")).unwrap();
        fs::write(account.join("plain/notes/todo.txt"), "x").unwrap();
        let report = world.settle();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(world.remote()["Inbox"].len(), 1);
        assert!(world.mailbox.folder("plain").is_err() && world.mailbox.folder(".notmuch").is_err());
        assert!(account.join("Inbox/tmp/1.half.host").exists() && account.join("Inbox/.uidvalidity").exists());
    }
}

#[test]
fn names_that_are_no_text_and_files_without_content() {
    for like in BOTH {
        let world = world_with(like, &[]);
        let cur = world.account_dir().join("Inbox/cur");
        let odd = cur.join(OsStr::from_bytes(b"1800000001.\xff\xfe.host:2,S"));
        fs::write(&odd, World::mime("odd")).unwrap();
        let empty = cur.join("1800000002.E.host:2,S");
        fs::write(&empty, "").unwrap();
        fs::write(cur.join("1800000003.N.host:2,S"), b"\x00\xff\x00 no message at all").unwrap();
        fs::write(cur.join("no-colon-at-all"), World::mime("plain")).unwrap();
        fs::write(cur.join(format!("{}:2,S", "n".repeat(240))), World::mime("long")).unwrap();
        let report = world.sync();
        // The empty one makes no message: the server refuses it, which is told; it stays.
        assert_eq!(report.total().uploaded, 4, "{report:?}");
        assert!(report.notices.iter().any(|notice| notice.item.as_deref() == Some("1800000002.E.host")), "{report:?}");
        assert_eq!(fs::metadata(&empty).unwrap().len(), 0);
        assert_eq!(world.mailbox.items("Inbox").unwrap().len(), 4);
        let again = world.sync();
        assert!(again.folders.values().all(|tally| tally.is_empty()), "{again:?}");
        assert_eq!(world.dry_run().planned, []);
        // Marks and a deletion find such files again, and what was refused is forgotten with its file.
        fs::rename(&odd, cur.join(OsStr::from_bytes(b"1800000001.\xff\xfe.host:2,FS"))).unwrap();
        fs::remove_file(&empty).unwrap();
        fs::remove_file(cur.join("no-colon-at-all")).unwrap();
        world.sync();
        let items = world.mailbox.items("Inbox").unwrap();
        assert_eq!((items.len(), items.iter().filter(|item| item.flag == Flag::Flagged).count()), (3, 1));
        assert_eq!(world.troubles(), Vec::<String>::new());
    }
}

#[test]
fn a_file_that_cannot_be_read_waits_and_stops_nobody() {
    if !mortal::is_mortal("a_file_that_cannot_be_read_waits_and_stops_nobody") {
        return;
    }
    for like in BOTH {
        let world = world_with(like, &["known", "other"]);
        let path = world.put("Inbox", "closed", ":2,S");
        let known = world.file("known");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
        world.put("Inbox", "open", ":2,S");
        let report = world.sync();
        assert_eq!(report.total().uploaded, 1);
        assert!(!report.is_clean());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        world.advance(86_400);
        world.settle();
        assert_eq!(world.find("closed").unwrap().1, "Inbox");
        assert!(known.exists());
    }
}

#[test]
fn a_directory_that_cannot_be_read_proves_nothing() {
    if !mortal::is_mortal("a_directory_that_cannot_be_read_proves_nothing") {
        return;
    }
    for like in BOTH {
        let world = world_with(like, &["a"]);
        let cur = world.account_dir().join("Inbox");
        fs::set_permissions(&cur, fs::Permissions::from_mode(0o0)).unwrap();
        let result = world.try_sync(&Request::default(), std::sync::Arc::new(world::CutAt::default()));
        fs::set_permissions(&cur, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!result.unwrap().is_clean());
        assert_eq!(world.find("a").unwrap().1, "Inbox");
        world.settle();
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
        assert!(world.try_sync(&missing, std::sync::Arc::new(world::CutAt::default())).is_err());
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

/// Every file of the identity with its content.
fn snapshot(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    fn walk(dir: &std::path::Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.push((path.clone(), vec![]));
                walk(&path, found);
            } else {
                let bytes = fs::read(&path).unwrap();
                found.push((path, bytes));
            }
        }
    }
    let mut found = Vec::new();
    walk(&world.database(), &mut found);
    found.sort();
    found
}

/// The edits of a busy day, on both sides.
fn busy(world: &World) {
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

const BUSY: [&str; 11] = [
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
fn a_dry_run_writes_nothing_and_tells_what_the_real_one_does() {
    for like in BOTH {
        let world = world_with(like, &BUSY);
        world.arrive("Inbox", "kept-there");
        world.sync();
        busy(&world);
        let (files, remote) = (snapshot(&world), world.remote());
        world.server.clear_requests();
        let dry = world.dry_run();
        assert_eq!(snapshot(&world), files);
        assert_eq!(world.remote(), remote);
        let real = world.sync().total();
        world.assert_settled();
        let count = |action| dry.planned.iter().filter(|planned| planned.action == action).count() as u64;
        use pimsync::sync::Action;
        let planned = [
            count(Action::Download),
            count(Action::Upload),
            count(Action::ChangeHere),
            count(Action::ChangeThere),
            count(Action::MoveHere),
            count(Action::MoveThere),
            count(Action::DeleteHere),
            count(Action::DeleteThere),
        ];
        // A dry run does not look into folders that are yet to be made, nor at what comes back of its own: the message that is put into
        // Deleted Items.
        let done = [
            real.downloaded - 1,
            real.uploaded - 1,
            real.changed_here,
            real.changed_there,
            real.moved_here,
            real.moved_there,
            real.deleted_here,
            real.deleted_there,
        ];
        assert_eq!(planned, done, "{:#?}", dry.planned);
    }
}

#[test]
fn a_dry_run_of_a_first_sync_writes_nothing() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.mkdir("Inbox");
        world.put("Inbox", "a", ":2,S");
        let files = snapshot(&world);
        world.dry_run();
        assert_eq!(snapshot(&world), files);
        world.settle();
        assert_eq!(world.remote()["Inbox"].len(), 1);
    }
}

#[test]
fn state_lost_with_edits_pending_costs_none_of_them() {
    for like in BOTH {
        let world = world_with(like, &["a", "b", "c", "d"]);
        world.flag("a", "FS");
        world.shift("b", "Archive");
        world.put("Inbox", "new", ":2,S");
        world.remove("d");
        world.mailbox.set_categories(&world.id("a"), &["Blue"]).unwrap();
        forget_state(&world);
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
fn identities(world: &World) -> (Vec<PathBuf>, Vec<String>) {
    let mut files = world::all_files(&world.account_dir());
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
        forget_state(&world);
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

fn forget_state(world: &World) {
    for suffix in ["", "-wal", "-shm"] {
        // A journal need not be there.
        let _ = fs::remove_file(world.database().join(format!("state.db{suffix}")));
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
        forget_state(&world);
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
        forget_state(&world);
        world.settle();
        assert_eq!(world.local()["Inbox"].len(), 40);
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
            let report = world.try_sync(&Request::default(), std::sync::Arc::new(Vanish { path, at })).unwrap();
            assert!(report.total().uploaded <= 1, "{report:?}");
            world.settle();
            assert!(world.find("stays").is_some() && world.find("gone").is_none(), "{like:?} {at:?}");
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

/// A message of that many bytes, of which each piece says where it lies.
fn write_large(path: &std::path::Path, megabytes: usize) {
    use std::io::Write;
    let mut file = std::io::BufWriter::new(fs::File::create(path).unwrap());
    file.write_all(&World::mime("large")).unwrap();
    let line = format!("{}\r\n", "x".repeat(62));
    for _ in 0..megabytes * (1 << 14) {
        file.write_all(line.as_bytes()).unwrap();
    }
}

#[test]
fn a_message_that_is_too_large_for_the_server_stays_here_and_stops_nobody() {
    let world = world_with(Personality::Exchange, &["a"]);
    let path = world.account_dir().join("Inbox/cur/1800000001.large.host:2,S");
    write_large(&path, 200);
    world.put("Inbox", "small", ":2,S");
    let before = fs::metadata(&path).unwrap().len();
    let report = world.sync();
    assert_eq!(report.total().uploaded, 1, "{report:?}");
    assert!(report.notices.iter().any(|notice| notice.item.as_deref() == Some("1800000001.large.host")), "{report:?}");
    assert_eq!(fs::metadata(&path).unwrap().len(), before);
    assert!(world.find("small").is_some() && world.find("a").is_some());
}

#[test]
fn a_large_message_goes_both_ways() {
    let world = world_with(Personality::Exchange, &["a"]);
    write_large(&world.account_dir().join("Inbox/cur/1800000001.large.host:2,S"), 12);
    let report = world.sync();
    assert_eq!(report.total().uploaded, 1, "{report:?}");
    let copy = world.mailbox.copy_item(&world.id("large"), "Archive").unwrap();
    world.mailbox.set_flag(&copy, Flag::Flagged).unwrap();
    let report = world.sync();
    assert_eq!(report.total().downloaded, 1);
    world.sync();
    assert_eq!(world.remote()["Archive"], world.local()["Archive"]);
}

/// A Maildir without its `cur` was not emptied by a mail reader: something else is wrong with it.
#[test]
fn a_maildir_that_lost_a_part_deletes_nothing_there() {
    for (like, part) in BOTH.into_iter().flat_map(|like| [(like, "cur"), (like, "new")]) {
        let world = world_with(like, &["read", "unread"]);
        world.flag("read", "S");
        world.settle();
        world.advance(60);
        let part = world.account_dir().join("Inbox").join(part);
        assert_eq!(fs::read_dir(&part).unwrap().count(), 1);
        fs::remove_dir_all(part).unwrap();
        let report = world.sync();
        assert_eq!(report.total().deleted_there, 0, "{report:?}");
        assert!(!report.is_clean(), "it is told: {report:?}");
        world.advance(60);
        world.sync();
        assert_eq!(world.remote()["Inbox"].len(), 2);
    }
}
