//! `pimsync backup prune`: what a full disk may cost, and what it may not.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Machine;
use pimsync::backup::{ArchiveName, Form};
use pimsync::pim::UnixTime;
use serde_json::Value;

/// Monday 2026-01-05 10:00 UTC.
const MONDAY: i64 = 1_767_607_200;
const DAY: i64 = 86_400;

/// A machine with archives of these days, numbered from 1.
fn machine(days: &[i64]) -> Machine {
    let machine = Machine::with_messages(3);
    machine.run(&["backup"]).expect_code(0);
    let made = backups(&machine).pop().unwrap();
    let content = fs::read(&made).unwrap();
    fs::remove_file(made).unwrap();
    for (day, number) in days.iter().zip(1..) {
        fs::write(path_of(&machine, number, *day), &content).unwrap();
    }
    machine
}

fn path_of(machine: &Machine, number: u32, day: i64) -> PathBuf {
    let name =
        ArchiveName { identity: "Main".to_owned(), created: UnixTime(MONDAY + day * DAY), number, form: Form::Plain };
    machine.identity().join("Backups").join(name.to_string())
}

fn backups(machine: &Machine) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(machine.identity().join("Backups")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort_by_key(|path| number(path));
    found
}

fn number(path: &Path) -> Option<u32> {
    ArchiveName::parse(path.file_name()?.to_str()?).map(|name| name.number)
}

fn numbers(machine: &Machine) -> Vec<u32> {
    backups(machine).iter().filter_map(|path| number(path)).collect()
}

fn with_verdict(json: &Value, verdict: &str) -> Vec<u64> {
    let archives = json["archives"].as_array().unwrap().iter();
    archives.filter(|archive| archive["verdict"] == verdict).filter_map(|archive| archive["number"].as_u64()).collect()
}

#[test]
fn each_archive_is_told_why_it_stays_or_goes_before_it_does() {
    let machine = machine(&[0, 1, 2, 7, 8, 60]);
    let before = numbers(&machine);
    let dry = machine.json(&["backup", "prune", "--dry-run", "--keep-weekly", "all"], 0);
    assert_eq!((with_verdict(&dry, "drop"), numbers(&machine)), (vec![1, 2, 4], before));
    let ran = machine.run(&["backup", "prune", "--keep-weekly", "all"]).expect_code(0);
    ran.expect_out("drop  000001  2026-01-05 10:00  000003 is newer, and stays")
        .expect_out("keep  000006  2026-03-06 10:00  the newest, the newest from when nothing was lost, of its week")
        .expect_out("3 archives removed from");
    assert_eq!(numbers(&machine), [3, 5, 6]);
    machine.run(&["backup", "verify", "--all", "--read-data"]).expect_code(0);
    machine.run(&["backup", "prune", "--keep-weekly", "all"]).expect_code(0).expect_out("Nothing goes.");
    // As Time Machine: all three are of other weeks.
    machine.run(&["backup", "prune"]).expect_code(0).expect_out("Nothing goes.");
    let ran = machine.run(&["backup", "prune", "--keep-last", "1", "--quiet"]).expect_code(0);
    assert_eq!((ran.out.as_str(), numbers(&machine)), ("", vec![6]));
    machine.run(&["backup", "prune", "--keep-last", "some"]).expect_code(2).expect_err("a number, or all");
}

#[test]
fn a_damaged_archive_is_told_and_nothing_older_goes() {
    let machine = machine(&[0, 1, 2, 3, 4]);
    let third = path_of(&machine, 3, 2);
    let bytes = fs::read(&third).unwrap();
    fs::write(&third, &bytes[..bytes.len() - 1]).unwrap();
    let json = machine.json(&["backup", "prune", "--keep-last", "1"], 3);
    assert_eq!(numbers(&machine), [1, 2, 3, 5]);
    assert_eq!(json["archives"][0]["reasons"][0], serde_json::json!({ "reason": "may-be-needed", "by": 3 }));
    assert_eq!(json["archives"][2]["error"]["kind"], "archive");
    // The newest is damaged: then the newest whole one stays, and all before it.
    let fifth = path_of(&machine, 5, 4);
    fs::write(&fifth, "").unwrap();
    machine.run(&["backup", "prune", "--keep-last", "1"]).expect_code(3).expect_err("no whole archive");
    assert_eq!(numbers(&machine), [1, 2, 3, 5]);
}

#[test]
fn the_newest_verified_archive_stays_until_a_newer_one_is_verified() {
    let machine = Machine::with_messages(3);
    for _ in 0..2 {
        machine.run(&["backup", "--full"]).expect_code(0);
    }
    machine.run(&["backup", "verify", "1", "--read-data"]).expect_code(0);
    machine.run(&["backup", "--full"]).expect_code(0);
    // That it is whole by its footer is no such verification.
    machine.run(&["backup", "verify", "2"]).expect_code(0);
    machine.run(&["backup", "prune", "--keep-last", "1"]).expect_code(0).expect_out("the newest that was verified");
    assert_eq!(numbers(&machine), [1, 3]);
    let json = machine.json(&["backup", "--full", "--verify", "--keep-last", "1"], 0);
    let run = &json["targets"][0];
    assert_eq!((&run["verified"], &run["pruned"]["dropped"]), (&true.into(), &2.into()));
    assert_eq!(numbers(&machine), [4]);
}

#[test]
fn a_backup_that_misses_something_removes_nothing() {
    let machine = Machine::with_messages(3);
    machine.run(&["backup"]).expect_code(0);
    fs::remove_file(&machine.messages("Inbox")[0]).unwrap();
    machine.run(&["backup", "--full", "--keep-last", "1"]).expect_code(3).expect_err("earlier archives may hold them");
    assert_eq!(numbers(&machine), [1, 2]);
    // The last sound one stays, whatever is asked for.
    machine.run(&["backup", "prune", "--keep-last", "1"]).expect_code(0).expect_out("from when nothing was lost");
    assert_eq!(numbers(&machine), [1, 2]);
    machine.run(&["sync"]).expect_code(0);
    let ran = machine.run(&["backup", "--full", "--prune", "--keep-last", "2"]).expect_code(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str(), numbers(&machine)), ("", "", vec![2, 3]), "cron hears nothing");
}

#[test]
fn what_an_archive_builds_upon_stays_as_long_as_it_does() {
    let machine = Machine::with_messages(3);
    for _ in 0..3 {
        machine.run(&["backup"]).expect_code(0);
    }
    machine.run(&["backup", "prune", "--keep-last", "1"]).expect_code(0).expect_out("000003 builds upon it");
    machine.run(&["restore", "--to", &machine.home.path().join("back").display().to_string()]).expect_code(0);
    machine.run(&["backup", "--full", "--keep-last", "1"]).expect_code(0);
    assert_eq!(numbers(&machine), [4]);
}

#[test]
fn a_clock_that_was_wrong_and_another_machine_of_the_same_name_cost_nothing() {
    // The third was made while the clock stood in the year 2090.
    let mine = machine(&[0, 1, 64 * 366, 3, 4]);
    let other = Machine::with_messages(1);
    other.run(&["backup"]).expect_code(0);
    let foreign = path_of(&mine, 6, 5);
    fs::copy(backups(&other).pop().unwrap(), &foreign).unwrap();
    mine.run(&["backup", "prune", "--keep-last", "0"])
        .expect_code(0)
        .expect_out("its time does not fit to its number")
        .expect_out("another identity's");
    assert_eq!(numbers(&mine), [3, 5, 6]);
}

#[test]
fn only_one_of_backup_and_prune_runs_at_a_time() {
    let machine = machine(&[0, 1]);
    let lock = fs::File::create(machine.identity().join("backup.lock")).unwrap();
    lock.try_lock().unwrap();
    machine.run(&["backup", "prune", "--keep-last", "1"]).expect_code(5);
    assert_eq!(numbers(&machine), [1, 2]);
}

#[test]
fn every_member_of_the_document_is_in_the_manual() {
    let machine = machine(&[0, 1]);
    let json = machine.json(&["backup", "--prune"], 0);
    let page = fs::read_to_string("man/pimsync-json.5").unwrap();
    let pruned = json["targets"][0]["pruned"].as_object().unwrap();
    let judged = pruned["archives"][0].as_object().unwrap();
    for member in pruned.keys().chain(judged.keys()) {
        assert!(page.contains(member.as_str()), "{member} is not in pimsync-json(5)");
    }
}

#[test]
fn an_archive_that_is_damaged_since_it_was_noted_stands_in_for_none() {
    let machine = Machine::with_messages(3);
    for _ in 0..4 {
        machine.run(&["backup", "--full"]).expect_code(0);
    }
    // A byte of the manifest, which the footer does not lie in, of one that goes, and of the newest.
    let damage = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let place = bytes.len() - 200;
        bytes[place] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    damage(&backups(&machine)[0]);
    let dry = machine.json(&["backup", "prune", "--keep-last", "1", "--dry-run"], 0);
    assert_eq!(with_verdict(&dry, "drop"), [1, 2, 3], "what goes is not opened");
    damage(&backups(&machine)[3]);
    machine.run(&["backup", "prune", "--keep-last", "1"]).expect_code(3).expect_err("000004");
    assert_eq!(numbers(&machine), [1, 2, 3, 4], "nobody knows what the newest needs");
}
