//! `pimsync backup --stage`: the cut for another backup program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Machine, mime, tree};

/// A machine with mail, and a message that was moved since the last sync.
fn machine() -> Machine {
    let machine = Machine::with_messages(5);
    let local = machine.database().join("On My Computer");
    fs::write(local.join("Inbox/cur/only-here:2,S"), mime("only-here")).unwrap();
    fs::write(local.join("Notes/note.md"), "Milk\n").unwrap();
    let moved = machine.messages("Inbox").remove(0);
    fs::rename(&moved, local.join("Drafts/cur/moved:2,")).unwrap();
    machine
}

fn contents(dir: &Path) -> BTreeMap<PathBuf, (i64, Vec<u8>)> {
    let files = tree(dir).into_iter().filter(|(path, _)| !path.to_string_lossy().starts_with("state.db"));
    files.map(|(path, (_, time, _, content))| (path, (time, content))).collect()
}

#[test]
fn another_program_gets_everything_as_it_was_and_nothing_stays() {
    let machine = machine();
    let (stage, copy) = (machine.home.path().join("stage"), machine.home.path().join("copy"));
    let script = format!("test \"$PWD\" = \"$PIMSYNC_STAGE\" && cp -a . '{}'", copy.display());
    let stage_name = stage.display().to_string();
    let arguments = ["backup", "--stage", &stage_name, "--", "sh", "-c", &script];
    machine.run(&arguments).expect_code(0);
    assert_eq!(contents(&copy), contents(&machine.database()));
    assert!(copy.join("state.db").exists() && !copy.join("state.db-wal").exists());
    assert!(!stage.exists() && !machine.identity().join(".staged").exists());
    // What a run that was killed has left is no hindrance; what somebody else has put there is.
    fs::rename(&copy, &stage).unwrap();
    fs::write(machine.identity().join(".staged"), &stage_name).unwrap();
    machine.run(&arguments).expect_code(0);
    assert!(fs::read_dir(&stage).unwrap().next().is_none());
    fs::write(stage.join("mine"), "mine").unwrap();
    fs::write(machine.identity().join(".staged"), &stage_name).unwrap();
    machine.run(&arguments).expect_code(2).expect_err("is there already");
    assert_eq!(fs::read_to_string(stage.join("mine")).unwrap(), "mine");
}

#[test]
fn what_goes_wrong_is_told_by_message_and_exit_code() {
    let machine = machine();
    let stage = machine.home.path().join("stage").display().to_string();
    let run = |command: &[&str]| machine.run(&[&["backup", "--stage", &stage], command].concat());
    run(&["--", "sh", "-c", "exit 7"]).expect_code(1).expect_err("sh failed (exit status: 7)");
    run(&["--", "no-such-program"]).expect_code(1).expect_err("cannot run no-such-program");
    run(&[]).expect_code(2);
    run(&["--to", "/tmp", "--", "true"]).expect_code(2);
    let lost = machine.messages("Inbox").remove(0);
    fs::remove_file(&lost).unwrap();
    run(&["--", "true"]).expect_code(3).expect_err("1 item that the last sync left here");
    assert!(!Path::new(&stage).exists());
}
