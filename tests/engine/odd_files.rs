//! What lies in a tree besides ordinary messages: what is none, what cannot be read, what has no name that is text, what is too large. It costs
//! nobody a message, and stops nobody.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use super::local::{BOTH, world_with};
use crate::mortal;
use crate::world::{CutAt, World};
use pimsync::exchange::{Flag, Personality};
use pimsync::sync::Request;

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
        let result = world.try_sync(&Request::default(), std::sync::Arc::new(CutAt::default()));
        fs::set_permissions(&cur, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!result.unwrap().is_clean());
        assert_eq!(world.find("a").unwrap().1, "Inbox");
        world.settle();
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
