//! Encrypted archives: made without a key, kept without a key, and of no use to anybody without one.

use std::fs;
use std::path::PathBuf;

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use serde_json::Value;

use crate::support::{Machine, Ran, mime, tree};

/// A machine with something that is only here, and a key that is not on it.
struct Sealed {
    machine: Machine,
    key: PathBuf,
    recipient: String,
}

impl Sealed {
    fn new() -> Self {
        let machine = Machine::set_up();
        let mut random = fastrand::Rng::with_seed(3);
        let content: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(6 << 20).collect();
        fs::write(machine.database().join("On My Computer/Notes/large.md"), content).unwrap();
        fs::write(machine.database().join("On My Computer/Inbox/cur/one:2,S"), mime("one")).unwrap();
        for (path, _) in tree(&machine.database()) {
            let path = machine.database().join(path);
            if path.is_file() {
                let file = fs::File::options().write(true).open(&path).unwrap();
                file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000)).unwrap();
            }
        }
        let (key, recipient) = new_key(&machine, "key.txt");
        Self { machine, key, recipient }
    }

    fn backup(&self, more: &[&str]) -> Value {
        let arguments = [&["backup", "--encrypt-to", &self.recipient], more].concat();
        self.machine.json(&arguments, 0)["targets"][0].clone()
    }

    fn with_key(&self, arguments: &[&str]) -> Ran {
        self.machine.command().env("PIMSYNC_AGE_IDENTITY", &self.key).args(arguments).output().unwrap().into()
    }

    fn archives(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.machine.identity().join("Backups")).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    fn is_back(&self, dir: &str) -> bool {
        let without_state = |top: PathBuf| {
            let all = tree(&top).into_iter().filter(|(path, _)| !path.to_string_lossy().starts_with("state.db"));
            all.map(|(path, (_, _, _, content))| (path, content)).collect::<Vec<_>>()
        };
        without_state(self.machine.home.path().join(dir)) == without_state(self.machine.database())
    }
}

fn new_key(machine: &Machine, name: &str) -> (PathBuf, String) {
    let identity = Identity::generate();
    let path = machine.home.path().join(name);
    fs::write(&path, format!("# a key\n{}\n", identity.to_string().expose_secret())).unwrap();
    (path, identity.to_public().to_string())
}

#[test]
fn who_has_the_key_gets_everything_back_and_nobody_else_gets_anything() {
    let sealed = Sealed::new();
    let made = sealed.backup(&[]);
    assert!(made["archive"].as_str().unwrap().ends_with("-000001.tar.zst.age"));
    let bytes = fs::read(&sealed.archives()[0]).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1\n"));
    let refused = sealed.machine.run(&["restore", "--to", "back"]).expect_code(1);
    refused.expect_err("--age-identity").expect_err("PIMSYNC_AGE_IDENTITY");
    let (other, _) = new_key(&sealed.machine, "other.txt");
    let other = other.display().to_string();
    let refused = sealed.machine.run(&["restore", "--to", "back", "--age-identity", &other]).expect_code(1);
    refused.expect_err("none of the keys");
    assert!(!sealed.machine.home.path().join("back").exists());
    let key = sealed.key.display().to_string();
    sealed.machine.run(&["restore", "--to", "back", "--age-identity", &key]).expect_code(0);
    assert!(sealed.is_back("back"));
    sealed.with_key(&["restore", "--to", "one", "--item", "one"]).expect_code(0);
    assert!(sealed.machine.home.path().join("one/On My Computer/Inbox/cur/one:2,S").exists());
    sealed.with_key(&["backup", "verify", "--rehearse"]).expect_code(0);
}

#[test]
fn an_encrypted_archive_builds_upon_the_last_one_though_nobody_has_the_key() {
    let sealed = Sealed::new();
    sealed.backup(&[]);
    fs::write(sealed.machine.database().join("On My Computer/Notes/new.md"), "new\n").unwrap();
    let second = sealed.backup(&["--verify"]);
    assert_eq!((&second["builds_upon"], &second["verified"]), (&serde_json::json!([1]), &serde_json::json!(true)));
    assert!(second["length"].as_u64().unwrap() < 1 << 20);
    sealed.with_key(&["restore", "--to", "back"]).expect_code(0);
    assert!(sealed.is_back("back"));
    // For somebody else, unencrypted, or without what is remembered, everything is in the next one.
    let (_, other) = new_key(&sealed.machine, "other.txt");
    let everything = |arguments: &[&str]| {
        let made = sealed.machine.json(arguments, 0);
        assert_eq!(made["targets"][0]["builds_upon"], serde_json::json!([]), "{arguments:?}");
    };
    everything(&["backup", "--encrypt-to", &other]);
    everything(&["backup"]);
    everything(&["backup", "--encrypt-to", &other]);
    fs::remove_dir_all(sealed.machine.identity().join("Manifests")).unwrap();
    everything(&["backup", "--encrypt-to", &other]);
}

#[test]
fn without_a_key_an_archive_is_listed_verified_and_let_go_by_what_was_noted() {
    let sealed = Sealed::new();
    sealed.backup(&[]);
    sealed.backup(&["--verify"]);
    let machine = &sealed.machine;
    let listed = machine.json(&["backup", "list"], 0);
    let second = &listed["archives"][1];
    assert_eq!((&second["encrypted"], &second["builds_upon"]), (&Value::Bool(true), &serde_json::json!([1])));
    assert!(second["items"].as_u64().unwrap() > 0);
    machine.run(&["status", "--max-age", "1h"]).expect_code(0);
    machine.run(&["backup", "verify", "--rehearse"]).expect_code(1).expect_err("no key");
    // Another machine knows nothing, and says so.
    let listed = Machine::new()
        .json(&["backup", "list", "--from", &machine.identity().join("Backups").display().to_string()], 0);
    assert!(listed["archives"][0]["encrypted"] == true && listed["archives"][0]["items"].is_null());
    // One bit of the first one, which the second one builds upon.
    let path = sealed.archives()[0].clone();
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&path, &bad).unwrap();
    machine.run(&["backup", "verify"]).expect_code(0);
    machine.run(&["backup", "verify", "--read-data"]).expect_code(1).expect_err("archive 000001");
    assert_eq!(sealed.backup(&[])["builds_upon"], serde_json::json!([]), "nothing is built upon it");
    fs::write(&path, &good).unwrap();
    machine.run(&["backup", "verify", "--all", "--read-data"]).expect_code(0);
    sealed.backup(&["--full"]);
    let pruned = machine.json(&["backup", "prune", "--keep-last", "1"], 0);
    assert_eq!(pruned["dropped"], 2, "{pruned}");
    assert_eq!(sealed.archives().len(), 2);
}

#[test]
fn what_is_whole_of_a_damaged_encrypted_archive_comes_back() {
    let sealed = Sealed::new();
    for number in 0..40 {
        let mut random = fastrand::Rng::with_seed(number);
        let content: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(300_000).collect();
        fs::write(sealed.machine.database().join(format!("On My Computer/Notes/{number}.md")), content).unwrap();
    }
    sealed.backup(&[]);
    let path = sealed.archives()[0].clone();
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let cut = good[..good.len() * 2 / 3].to_vec();
    let header = good[..20].to_vec();
    for (name, bytes, lost) in [("flipped", flipped, "decryption error"), ("cut", cut, "whole frame")] {
        fs::write(&path, bytes).unwrap();
        sealed.with_key(&["backup", "verify", "--read-data"]).expect_code(1);
        sealed.with_key(&["restore", "--to", name]).expect_code(1);
        assert!(!sealed.machine.home.path().join(name).exists());
        sealed.with_key(&["restore", "--salvage", "--to", name]).expect_code(3).expect_err("lost").expect_err(lost);
        let back = tree(&sealed.machine.home.path().join(name));
        let here = tree(&sealed.machine.database());
        let notes = |path: &&PathBuf| path.to_string_lossy().contains("Notes/") && path.extension().is_some();
        let count = back.keys().filter(notes).count();
        assert!((20..41).contains(&count), "{name}: {count}");
        assert!(back.keys().filter(notes).all(|path| back[path].3 == here[path].3), "{name}");
    }
    fs::write(&path, header).unwrap();
    sealed.with_key(&["restore", "--salvage", "--to", "nothing"]).expect_code(1).expect_err("age");
}

#[test]
fn what_is_no_recipient_or_no_key_is_told_and_nothing_is_written() {
    let sealed = Sealed::new();
    let machine = &sealed.machine;
    machine.run(&["backup", "--encrypt-to", "age1nobody"]).expect_code(2).expect_err("age-keygen");
    machine.run(&["backup", "--encrypt-to", ""]).expect_code(2);
    assert!(sealed.archives().is_empty());
    sealed.backup(&[]);
    fs::write(&sealed.key, "AGE-SECRET-KEY-1HUSH\n").unwrap();
    let refused = sealed.with_key(&["restore", "--to", "back"]).expect_code(2);
    assert!(!refused.err.contains("HUSH"), "{}", refused.err);
    machine.run(&["restore", "--to", "back", "--age-identity", "/nowhere"]).expect_code(2).expect_err("/nowhere");
}
