//! Backups and restores, against the programs that people use for them. What is archived lies in On My Computer, so that no server has a part in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::home::{Home, Rubbish, directory};
use super::mailbox::{Sizes, message, server};
use super::measure::{Cost, measure};
use super::{compare, megabytes, scaled, seconds, tell};

/// So many of each large note make 10 GB.
const NOTE_BYTES: usize = 3 << 20;
const NOTES: usize = 3400;

/// An identity with so many messages that are only here, none of which changed in the last seconds.
fn filled(count: usize, sizes: Sizes) -> Home {
    let home = Home::set_up(&server(Duration::ZERO));
    let inbox = home.only_here("Inbox/cur");
    for number in 0..count {
        let path = inbox.join(format!("{number}.bench:2,S"));
        fs::write(&path, message(number, sizes)).unwrap();
    }
    settle(&inbox);
    home
}

/// What changed just before a backup is read again by the next one.
fn settle(dir: &Path) {
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for entry in fs::read_dir(dir).unwrap() {
        fs::File::options().write(true).open(entry.unwrap().path()).unwrap().set_modified(long_ago).unwrap();
    }
    std::thread::sleep(Duration::from_secs(3));
}

fn shell(script: &str, arguments: &[&Path]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).args(arguments);
    command
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("version").output().is_ok() || Command::new(program).arg("--version").output().is_ok()
}

fn archive_in(dir: &Path) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found.pop().unwrap()
}

/// 20,000 messages, median 8 KB with a tail to 20 MB: all of them into one archive.
pub fn full() {
    let home = filled(scaled(20_000), Sizes::Mail);
    let rubbish = Rubbish::default();
    compare(
        "tar c | zstd -3 -T0",
        || {
            let to = directory();
            let script = "tar -C \"$1\" -c . | zstd -q -3 -T0 -o \"$2/all.tar.zst\"";
            let cost = measure(&shell(script, &[&home.database(), to.path()]));
            rubbish.put(to);
            cost
        },
        || {
            let to = directory();
            let cost = home.run(&["backup", "--full", "--to", to.path().to_str().unwrap()]);
            rubbish.put(to);
            cost
        },
    );
}

/// 100,000 messages, none of which changed since the last backup.
pub fn nothing_new() {
    if !is_there("restic") {
        println!("restic is not there: apt-get install restic");
        return;
    }
    let home = filled(scaled(100_000), Sizes::Small);
    let (ours, theirs) = (directory(), directory());
    let restic = |script: &str| {
        let mut command = shell(script, &[theirs.path(), &home.database()]);
        command.env("RESTIC_PASSWORD", "bench").env("RESTIC_CACHE_DIR", theirs.path().join("cache"));
        measure(&command)
    };
    restic("restic -q -r \"$1/repository\" init");
    let backup = "restic -q -r \"$1/repository\" backup \"$2\"";
    restic(backup);
    let to = ours.path().to_str().unwrap();
    home.run(&["backup", "--to", to]);
    compare("restic backup", || restic(backup), || home.run(&["backup", "--to", to]));
}

/// 20,000 messages, all of them out of one archive.
pub fn restore() {
    let home = filled(scaled(20_000), Sizes::Mail);
    let archives = directory();
    home.run(&["backup", "--full", "--to", archives.path().to_str().unwrap()]);
    let archive = archive_in(archives.path());
    let rubbish = Rubbish::default();
    compare(
        "zstd -d | tar x",
        || {
            let to = directory();
            let cost = measure(&shell("zstd -q -dc \"$1\" | tar -C \"$2\" -x", &[&archive, to.path()]));
            rubbish.put(to);
            cost
        },
        || {
            let to = directory();
            let back = to.path().join("back");
            let cost = home.run(&["restore", archive.to_str().unwrap(), "--to", back.to_str().unwrap()]);
            rubbish.put(to);
            cost
        },
    );
}

/// One message out of an archive of 10 GB.
pub fn one_item() {
    let home = filled(1, Sizes::Small);
    let notes = home.only_here("Notes");
    for number in 0..scaled(NOTES) {
        let mut random = fastrand::Rng::with_seed(number as u64);
        let content: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(NOTE_BYTES).collect();
        fs::write(notes.join(format!("{number}.md")), content).unwrap();
    }
    let archives = directory();
    let cost = home.run(&["backup", "--to", archives.path().to_str().unwrap()]);
    let archive = archive_in(archives.path());
    println!(
        "an archive of {:.0} MB took {}, memory {:.1} MB",
        megabytes(archive.metadata().unwrap().len()),
        seconds(cost.wall),
        megabytes(cost.memory)
    );
    let costs: Vec<Cost> = (0..super::number("PIMSYNC_BENCH_ROUNDS", 5))
        .map(|_| {
            let to = directory();
            let back = to.path().join("back");
            let cost =
                home.run(&["restore", archive.to_str().unwrap(), "--item", "0.bench", "--to", back.to_str().unwrap()]);
            assert!(back.join("On My Computer/Inbox/cur/0.bench:2,S").exists());
            cost
        })
        .collect();
    tell("one message", &costs);
}
