//! Disks that fail under the whole program: what a person is told, and that nothing is lost.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Machine, Ran};
use pimsync::exchange::NewMessage;

fn state(machine: &Machine) -> PathBuf {
    machine.database().join("state.db")
}

/// The message that tells what to do about state.db, and that doing so loses and doubles nothing.
fn move_aside_and_sync(machine: &Machine) {
    let aside = machine.home.path().join("aside");
    fs::create_dir_all(&aside).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let path = machine.database().join(format!("state.db{suffix}"));
        if path.exists() {
            fs::rename(&path, aside.join(format!("state.db{suffix}"))).unwrap();
        }
    }
    let json = machine.json(&["sync"], 0);
    let total = &json["accounts"][0]["total"];
    assert_eq!((&total["downloaded"], &total["uploaded"]), (&0.into(), &0.into()), "{json}");
    assert_eq!((machine.subjects("Inbox").len(), machine.messages("Inbox").len()), (40, 40));
    machine.run(&["sync"]).expect_code(0).expect_out("nothing to do");
}

#[test]
fn a_state_that_is_no_database_is_told_and_left_alone() {
    for content in
        [&b"this is no database, whatever it is called; it is rather long, as far as such things go"[..], &[0xFF; 9000]]
    {
        let machine = Machine::with_messages(40);
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(machine.database().join(format!("state.db{suffix}")));
        }
        fs::write(state(&machine), content).unwrap();
        for command in [&["sync"][..], &["status"], &["sync", "--dry-run"]] {
            machine.run(command).expect_code(1).expect_err("state.db is damaged").expect_err("move it aside");
        }
        assert_eq!(fs::read(state(&machine)).unwrap(), content, "it was touched");
        move_aside_and_sync(&machine);
    }
}

/// Damaged in the middle, so that it can be opened, and shows it only when it is needed.
#[test]
fn a_state_with_damaged_pages_is_told_and_loses_nothing() {
    let mut told = 0;
    for page in (1..24).step_by(2) {
        let machine = Machine::with_messages(40);
        let mut bytes = fs::read(state(&machine)).unwrap();
        assert!(!machine.database().join("state.db-wal").exists());
        let Some(page) = bytes.chunks_mut(4096).nth(page) else { break };
        page.fill(0xA5);
        fs::write(state(&machine), bytes).unwrap();
        fs::remove_file(&machine.messages("Inbox")[0]).unwrap();
        machine.deliver("Inbox", "new");
        let ran = machine.run(&["sync"]);
        if ran.code != 0 {
            told += 1;
            ran.expect_code(1).expect_err("state.db is damaged").expect_err("move it aside");
        }
        // What is not known to be deleted is kept.
        assert!(machine.subjects("Inbox").len() + machine.subjects("Deleted Items").len() >= 40);
    }
    assert!(told > 2, "only {told} damaged pages showed");
    let machine = Machine::with_messages(40);
    let mut bytes = fs::read(state(&machine)).unwrap();
    bytes[4096..].fill(0xA5);
    fs::write(state(&machine), bytes).unwrap();
    machine.run(&["sync"]).expect_code(1).expect_err("state.db is damaged");
    move_aside_and_sync(&machine);
}

#[test]
fn a_state_from_a_newer_version_is_told_and_left_alone() {
    let machine = Machine::with_messages(40);
    let connection = rusqlite::Connection::open(state(&machine)).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    fs::remove_file(&machine.messages("Inbox")[0]).unwrap();
    for command in [&["sync"][..], &["status"], &["sync", "--dry-run"]] {
        machine.run(command).expect_code(1).expect_err("format 99").expect_err("use a newer pimsync");
    }
    assert_eq!(machine.subjects("Inbox").len(), 40);
    let connection = rusqlite::Connection::open(state(&machine)).unwrap();
    let items: i64 = connection.query_row("SELECT count(*) FROM item", [], |row| row.get(0)).unwrap();
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!((items, version), (40, 99));
}

/// A run whose files may not grow beyond `blocks` of 512 bytes: for each write beyond that, the system says so, whoever asks.
fn limited(machine: &Machine, blocks: u64) -> Ran {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" sync");
    let mut command = Command::new("sh");
    command.arg0("sh").args(["-c", &script, env!("CARGO_BIN_EXE_pimsync")]);
    command.env("HOME", machine.home.path()).env("PIMSYNC_ROOT", machine.root()).env("RUST_BACKTRACE", "0");
    command.output().unwrap().into()
}

#[test]
fn a_message_that_cannot_be_written_in_full_is_told_and_comes_later() {
    let machine = Machine::with_messages(3);
    let large = [crate::support::mime("large").into_bytes(), b"and so on and on and on\r\n".repeat(200_000)].concat();
    machine.mailbox.add_message("Inbox", NewMessage { mime: &large, ..NewMessage::default() }).unwrap();
    machine.arrive("Inbox", "small");
    let ran = limited(&machine, 4000).expect_code(1);
    let told = ran.expect_err("Inbox/tmp/").expect_err("too large");
    assert!(!told.err.contains("Content-Type"), "{}", told.err);
    let whole = |file: &PathBuf| fs::read(file).unwrap().ends_with(b"\r\n");
    assert!(machine.messages("Inbox").iter().all(whole), "a part of a message is shown");
    assert_eq!(fs::read_dir(machine.folder("Inbox/tmp")).unwrap().count(), 0);
    machine.run(&["sync"]).expect_code(0);
    assert_eq!((machine.messages("Inbox").len(), machine.subjects("Inbox").len()), (5, 5));
    machine.run(&["sync"]).expect_code(0).expect_out("nothing to do");
}

#[test]
fn a_state_that_cannot_be_written_is_told_and_nothing_is_done_twice() {
    for blocks in [0, 1, 8, 64, 200] {
        let machine = Machine::with_messages(3);
        for number in 0..40 {
            machine.arrive("Inbox", &format!("there-{number}"));
            machine.deliver("Inbox", &format!("here-{number}"));
        }
        let ran = limited(&machine, blocks);
        if ran.code != 0 {
            assert!(ran.err.contains("state.db") || ran.err.contains("cannot"), "{}", ran.err);
        }
        machine.run(&["sync"]).expect_code(0);
        assert_eq!((machine.messages("Inbox").len(), machine.subjects("Inbox").len()), (83, 83), "{blocks}");
        machine.run(&["sync"]).expect_code(0).expect_out("nothing to do");
    }
}
