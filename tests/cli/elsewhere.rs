//! `pimsync backup --database`: directories of other programs, as they are.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Machine, tree};

/// A home directory with an identity of Outlook for Mac 2011.
fn outlook(machine: &Machine) -> PathBuf {
    let database =
        machine.home.path().join("Documents/Microsoft User Data/Office 2011 Identities/Main Identity/Database");
    let records = database.join("Data Records/Messages/0T/0B/0M/0K");
    fs::create_dir_all(&records).unwrap();
    fs::write(records.join("x00_1.olk14Message"), vec![7; 70_000]).unwrap();
    fs::write(database.join("Database"), vec![8; 200_000]).unwrap();
    fs::write(database.join("Database_Inline_Images.dat"), "").unwrap();
    // It is nothing of ours there.
    fs::write(database.join("state.db"), "no database").unwrap();
    database
}

fn contents(dir: &Path) -> Vec<(PathBuf, i64, Vec<u8>)> {
    tree(dir).into_iter().map(|(path, (_, time, _, content))| (path, time, content)).collect()
}

#[test]
fn the_database_of_outlook_comes_back_as_it_was() {
    let machine = Machine::new();
    let database = outlook(&machine);
    let target = machine.home.path().join("disk");
    fs::create_dir(&target).unwrap();
    let target = target.display().to_string();
    machine.run(&["backup", "--outlook-2011", "--to", &target, "--verify"]).expect_code(0);
    fs::write(database.join("Data Records/new"), "new").unwrap();
    let database_name = database.display().to_string();
    let json = machine.json(&["backup", "--database", &database_name, "--to", &target], 0);
    assert_eq!((&json["targets"][0]["stored"], &json["targets"][0]["builds_upon"][0]), (&1.into(), &1.into()));
    let to = machine.home.path().join("back");
    let back = to.display().to_string();
    let from = ["--identity", "Main Identity", "restore", "--from", &target];
    machine.run(&[&from[..], &["--to", &back]].concat()).expect_code(0);
    assert_eq!(contents(&to), contents(&database));
    // It is no identity of this program, and does not become one.
    machine.run(&[&from[..], &["--into", "Main"]].concat()).expect_code(1).expect_err("it names no identity");
    assert!(!machine.database().exists());
}

#[test]
fn older_archives_of_another_directory_go_once_the_new_one_was_read_back() {
    let machine = Machine::new();
    let database = outlook(&machine).display().to_string();
    let target = machine.home.path().join("disk");
    fs::create_dir(&target).unwrap();
    let target = target.display().to_string();
    let backup = |name: &str, more: &[&str]| {
        let arguments = ["backup", "--full", "--database", &database, "--to", &target, "--name", name];
        machine.json(&[&arguments[..], more].concat(), 0)["targets"][0].clone()
    };
    backup("Other", &[]);
    for _ in 0..3 {
        backup("Mac", &[]);
    }
    let made = backup("Mac", &["--verify", "--keep-last", "2"]);
    assert_eq!((&made["verified"], &made["pruned"]["dropped"]), (&true.into(), &2.into()), "{made}");
    let mut left: Vec<String> =
        fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    let numbers: Vec<&str> = left.iter().map(|name| name.rsplit_once('-').unwrap().1).collect();
    assert!(left[2].starts_with("Other-"), "{left:?}");
    assert_eq!(numbers, ["000003.tar.zst", "000004.tar.zst", "000001.tar.zst"]);
    // While another run archives the directory, none does.
    let held = fs::File::open(&database).unwrap();
    held.lock().unwrap();
    machine.run(&["backup", "--database", &database, "--to", &target]).expect_code(5);
}

#[test]
fn what_is_meant_has_to_be_said() {
    let machine = Machine::new();
    let database = outlook(&machine).display().to_string();
    let target = machine.home.path().display().to_string();
    machine.run(&["backup", "--database", &database]).expect_code(2).expect_err("--to");
    machine.run(&["backup", "--outlook-2011", "Other", "--to", &target]).expect_code(2).expect_err("Main Identity");
    machine.run(&["backup", "--database", "/nowhere", "--to", &target]).expect_code(2).expect_err("/nowhere");
    let keep = ["backup", "--database", &database, "--to", &target, "--keep-last", "1"];
    machine.run(&keep).expect_code(2).expect_err("--verify");
    machine.run(&["backup", "--database", &database, "--to", &target, "--name", "Mac"]).expect_code(0);
    assert!(
        fs::read_dir(&target).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("Mac-2"))
    );
}
