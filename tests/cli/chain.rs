//! Archives that build upon earlier ones: what is new is in them, and everything comes back from any of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Machine, mime, tree};
use serde_json::Value;

/// A machine with more bytes that stay than bytes that change.
fn machine() -> Machine {
    let machine = Machine::with_messages(20);
    let mut random = fastrand::Rng::with_seed(3);
    let content: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(6 << 20).collect();
    fs::write(local(&machine, "Notes/large.md"), content).unwrap();
    fs::write(local(&machine, "Inbox/cur/one:2,"), mime("one")).unwrap();
    fs::write(local(&machine, "Inbox/cur/two:2,S"), mime("two")).unwrap();
    settle(&machine);
    machine
}

fn local(machine: &Machine, path: &str) -> PathBuf {
    machine.database().join("On My Computer").join(path)
}

/// What was changed in the last seconds before a backup is read again by the next one; this makes everything older than that.
fn settle(machine: &Machine) {
    for (path, _) in tree(&machine.database()) {
        let path = machine.database().join(path);
        if path.is_file() {
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000)).unwrap();
        }
    }
}

fn backup(machine: &Machine, arguments: &[&str]) -> Value {
    let all: Vec<&str> = ["backup"].iter().chain(arguments).copied().collect();
    machine.json(&all, 0)["targets"][0].clone()
}

fn archives(machine: &Machine) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(machine.identity().join("Backups")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

type Contents = BTreeMap<PathBuf, (i64, Vec<u8>)>;

fn contents(dir: &Path) -> Contents {
    let files = tree(dir).into_iter().filter(|(path, _)| !path.to_string_lossy().starts_with("state.db"));
    files.map(|(path, (_, time, _, content))| (path, (time, content))).collect()
}

fn restored(machine: &Machine, number: usize) -> Contents {
    let to = machine.home.path().join(format!("back-{number}-{}", fastrand::u64(..)));
    machine.run(&["restore", &number.to_string(), "--to", &to.display().to_string()]).expect_code(0);
    contents(&to)
}

/// Changes of every sort, and what was there after each.
fn seven_days(machine: &Machine) -> Vec<Contents> {
    let mut days = Vec::new();
    let inbox = local(machine, "Inbox/cur");
    let changes: [&dyn Fn(); 7] = [
        &|| {},
        &|| {},
        // Another flag, another folder, a copy, a new one, an edit that keeps length and time, a deletion.
        &|| fs::rename(inbox.join("one:2,"), inbox.join("one:2,FS")).unwrap(),
        &|| fs::rename(inbox.join("two:2,S"), local(machine, "Drafts/cur/two-moved:2,S")).unwrap(),
        &|| {
            fs::copy(inbox.join("one:2,FS"), local(machine, "Drafts/cur/copy:2,")).unwrap();
        },
        &|| {
            let path = inbox.join("one:2,FS");
            let file = fs::File::options().write(true).open(&path).unwrap();
            let before = file.metadata().unwrap().modified().unwrap();
            let changed = fs::read_to_string(&path).unwrap().replace("one", "ONE");
            fs::write(&path, changed).unwrap();
            file.set_modified(before).unwrap();
        },
        &|| fs::remove_file(local(machine, "Drafts/cur/two-moved:2,S")).unwrap(),
    ];
    for change in changes {
        change();
        backup(machine, &[]);
        days.push(contents(&machine.database()));
    }
    days
}

#[test]
fn everything_comes_back_from_each_archive_of_a_chain() {
    let machine = machine();
    let days = seven_days(&machine);
    for (day, wanted) in days.iter().enumerate() {
        assert!(restored(&machine, day + 1) == *wanted, "day {day}");
    }
    machine.run(&["backup", "verify", "--all", "--rehearse"]).expect_code(0);
    let sizes: Vec<u64> = archives(&machine).iter().map(|path| path.metadata().unwrap().len()).collect();
    assert!(sizes[1..].iter().all(|size| *size * 20 < sizes[0]), "{sizes:?}");
}

#[test]
fn a_chain_ends_after_seven_and_when_a_full_archive_is_asked_for_or_more_than_half_is_new() {
    let machine = machine();
    let upon = |made: &Value| made["builds_upon"].as_array().unwrap().len();
    assert_eq!(upon(&backup(&machine, &[])), 0);
    let second = backup(&machine, &[]);
    assert_eq!(upon(&second), 1);
    assert_ne!(second["files"], second["stored"]);
    assert_eq!(upon(&backup(&machine, &["--full"])), 0);
    let mut random = fastrand::Rng::with_seed(4);
    let content: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(14 << 20).collect();
    fs::write(local(&machine, "Notes/larger.md"), content).unwrap();
    assert_eq!(upon(&backup(&machine, &[])), 0, "more than half is new");
    // Something of each stays.
    for number in 5..=10 {
        fs::write(local(&machine, &format!("Notes/{number}.md")), format!("{number}\n").repeat(100)).unwrap();
        assert_eq!(upon(&backup(&machine, &[])), number - 4);
    }
    assert_eq!(upon(&backup(&machine, &[])), 0, "the chain is long enough");
    let list = machine.json(&["backup", "list"], 0);
    assert_eq!(list["archives"][9]["builds_upon"], serde_json::json!([4, 5, 6, 7, 8, 9]));
}

#[test]
fn what_a_missing_archive_held_is_named_and_the_rest_comes_back() {
    let machine = machine();
    backup(&machine, &[]);
    fs::write(local(&machine, "Notes/new.md"), "new\n").unwrap();
    backup(&machine, &[]);
    let first = archives(&machine)[0].clone();
    let aside = machine.home.path().join("aside");
    fs::rename(&first, &aside).unwrap();
    let to = machine.home.path().join("back");
    let argument = to.display().to_string();
    machine.run(&["restore", "2", "--to", &argument]).expect_code(1).expect_err("000001").expect_err("put it there");
    assert!(!to.exists());
    machine.run(&["backup", "verify", "2", "--read-data"]).expect_code(1).expect_err("000001");
    machine.run(&["restore", "2", "--to", &argument, "--item", "new.md"]).expect_code(0);
    assert_eq!(fs::read_to_string(to.join("On My Computer/Notes/new.md")).unwrap(), "new\n");
    let salvaged = machine.home.path().join("salvaged");
    machine
        .run(&["restore", "2", "--to", &salvaged.display().to_string(), "--salvage"])
        .expect_code(3)
        .expect_err("large.md");
    assert!(salvaged.join("On My Computer/Notes/new.md").exists());
    // Nothing is built upon what is not there.
    assert_eq!(backup(&machine, &[])["builds_upon"], serde_json::json!([]));
    fs::rename(&aside, &first).unwrap();
    assert!(restored(&machine, 2) == contents(&machine.database()));
}

#[test]
fn nothing_is_built_upon_an_archive_that_is_known_to_be_damaged() {
    let machine = machine();
    backup(&machine, &[]);
    backup(&machine, &["--verify"]);
    let first = archives(&machine)[0].clone();
    let good = fs::read(&first).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 4;
    fs::write(&first, &bad).unwrap();
    machine
        .run(&["backup", "verify", "2", "--read-data"])
        .expect_code(1)
        .expect_err("in archive 000001, which it builds upon");
    let made = backup(&machine, &["--verify"]);
    assert_eq!(made["builds_upon"], serde_json::json!([]));
    // Another one with its number is not it.
    fs::write(&first, fs::read(&archives(&machine)[2]).unwrap()).unwrap();
    machine.run(&["backup", "verify", "2"]).expect_code(0);
    machine.run(&["backup", "verify", "2", "--read-data"]).expect_code(1).expect_err("another archive of that number");
}

#[test]
fn two_files_of_one_key_are_two_items() {
    let machine = machine();
    fs::write(local(&machine, "Inbox/cur/one:2,F"), mime("another")).unwrap();
    for full in [&["--full"][..], &[]] {
        backup(&machine, full);
    }
    for number in [1, 2] {
        assert!(restored(&machine, number) == contents(&machine.database()));
    }
}

/// What `tests/golden/archives` says that comes out of an archive.
fn listed(dir: &Path) -> String {
    let files = tree(dir).into_iter().filter(|(path, _)| dir.join(path).is_file());
    let mut lines: Vec<(Vec<u8>, String)> = files
        .map(|(path, (_, time, _, content))| {
            let path = path.into_os_string().into_encoded_bytes();
            let quoted: String = path.iter().map(|byte| quoted(*byte)).collect();
            (path, format!("{} {} {quoted}\n", time / 1_000_000_000, blake3::hash(&content)))
        })
        .collect();
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

fn quoted(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"/ @:,.-_~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[test]
fn archives_of_earlier_versions_restore_for_ever() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/archives");
    let mut found = 0;
    for entry in fs::read_dir(&golden).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.file_name().unwrap().to_str().unwrap().strip_suffix(".tar.zst") else { continue };
        let list = fs::read_to_string(golden.join(&name[name.len() - 6..]).with_extension("txt")).unwrap();
        let machine = Machine::new();
        let to = machine.home.path().join("back");
        let (from, to_name) = (path.display().to_string(), to.display().to_string());
        machine.run(&["restore", &from, "--to", &to_name]).expect_code(0);
        assert_eq!(listed(&to), list, "{name}");
        found += 1;
    }
    assert_eq!(found, 2);
}
