//! `pimsync backup` and `pimsync restore`: what people need on their worst day.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{ANNA, Machine, PASSWORD, mime, tree};
use pimsync::backup::{Archive, ArchiveName, Checked, Stored};
use serde_json::Value;

/// A machine with mail and with items that are only here.
fn machine() -> Machine {
    let machine = Machine::with_messages(30);
    let local = machine.database().join("On My Computer");
    for (path, content) in [
        ("Inbox/cur/only-here:2,S", mime("only-here").as_str()),
        ("Contacts/ada.vcf", "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:ada\r\nFN:Ada\r\nEND:VCARD\r\n"),
        ("Notes/Grüße ☕.md", "Milk\n"),
    ] {
        fs::write(local.join(path), content).unwrap();
    }
    fs::write(local.join("Notes").join(std::ffi::OsStr::from_bytes(b"not \xff utf-8.md")), "x").unwrap();
    machine
}

fn archives(machine: &Machine) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(machine.identity().join("Backups")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn backup(machine: &Machine) -> PathBuf {
    machine.run(&["backup"]).expect_code(0);
    archives(machine).pop().unwrap()
}

/// Every file below a directory with its content and its time, but for state.db, which is copied in another way.
fn contents(dir: &Path) -> BTreeMap<PathBuf, (i64, Vec<u8>)> {
    let files = tree(dir).into_iter().filter(|(path, _)| !path.to_string_lossy().starts_with("state.db"));
    files.map(|(path, (_, time, _, content))| (path, (time, content))).collect()
}

fn restore_to(machine: &Machine, name: &str) -> (String, PathBuf) {
    let to = machine.home.path().join(name);
    (to.display().to_string(), to)
}

#[test]
fn everything_comes_back_as_it_was() {
    let machine = machine();
    let archive = backup(&machine);
    let name = ArchiveName::parse(archive.file_name().unwrap().to_str().unwrap()).unwrap();
    assert_eq!((name.identity.as_str(), name.number), ("Main", 1));
    assert_eq!(archive.metadata().unwrap().mode() & 0o777, 0o600);
    let (argument, to) = restore_to(&machine, "back");
    let json = machine.json(&["restore", "--to", &argument], 0);
    assert_eq!(json["items"], 34);
    assert_eq!(contents(&to), contents(&machine.database()));
    assert!(to.join("state.db").exists() && !to.join("state.db-wal").exists());
}

#[test]
fn cron_hears_nothing_when_all_is_well() {
    let machine = machine();
    for arguments in [&["backup"][..], &["backup", "verify"], &["backup", "verify", "--rehearse"]] {
        let ran = machine.run(arguments).expect_code(0);
        assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""), "{arguments:?}");
    }
    assert_eq!(archives(&machine).len(), 1, "a rehearsal leaves nothing behind");
    let json = machine.json(&["backup"], 0);
    assert_eq!(json["targets"][0]["number"], 2);
    assert_eq!(json["targets"][0]["items"], 34);
    let list = machine.json(&["backup", "list"], 0);
    let numbers: Vec<&Value> = list["archives"].as_array().unwrap().iter().map(|listed| &listed["number"]).collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn a_backup_holds_no_password_and_changes_nothing() {
    let machine = machine();
    let before = tree(&machine.database());
    let archive = backup(&machine);
    assert_eq!(tree(&machine.database()), before);
    let plain = zstd::decode_all(fs::File::open(archive).unwrap()).unwrap();
    assert!(!plain.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()));
    let home: Vec<String> = fs::read_dir(machine.identity())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(home.iter().all(|name| !name.starts_with(".backup")), "{home:?}");
}

#[test]
fn several_targets_are_served_and_one_that_is_not_mounted_stops_none() {
    let machine = machine();
    let good = machine.home.path().join("disk");
    fs::create_dir(&good).unwrap();
    let missing = machine.home.path().join("not-mounted");
    let (good, missing) = (good.display().to_string(), missing.display().to_string());
    let ran = machine.run(&["backup", "--to", &missing, "--to", &good]).expect_code(1);
    ran.expect_err("not-mounted").expect_err("mounted?");
    assert!(!Path::new(&missing).exists());
    machine.run(&["backup", "verify", "--read-data", "--from", &good]).expect_code(0);
}

#[test]
fn a_contact_or_a_note_that_was_lost_without_a_sync_is_told() {
    let machine = machine();
    for name in ["Ada", "Bob", "Carl", "Dora"] {
        let card = format!("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{name}\r\nFN:{name}\r\nEND:VCARD\r\n");
        fs::write(machine.folder("Contacts").join(format!("{name}.vcf")), card).unwrap();
        fs::write(machine.folder("Notes").join(format!("{name}.md")), name).unwrap();
    }
    machine.run(&["sync"]).expect_code(0);
    machine.run(&["backup"]).expect_code(0);
    for (folder, extension) in [("Contacts", "vcf"), ("Notes", "md")] {
        let file = |name: &str| machine.folder(folder).join(format!("{name}.{extension}"));
        fs::remove_file(file("Ada")).unwrap();
        // Edited, renamed or moved is not lost.
        fs::write(file("Bob"), fs::read_to_string(file("Bob")).unwrap().replace("FN:", "FN:Dear ")).unwrap();
        fs::rename(file("Carl"), file("Karl")).unwrap();
        fs::rename(file("Dora"), machine.database().join("On My Computer").join(folder).join(format!("d.{extension}")))
            .unwrap();
    }
    let json = machine.json(&["backup"], 3);
    let lost: Vec<&str> =
        json["targets"][0]["lost"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    let at = |path: &str| format!("Exchange/{ANNA}/{path}");
    assert_eq!(lost, [at("Contacts/Ada.vcf"), at("Notes/Ada.md")]);
    machine.run(&["sync"]).expect_code(0);
    machine.run(&["backup"]).expect_code(0);
}

#[test]
fn what_was_lost_without_a_sync_is_told() {
    let machine = machine();
    machine.run(&["backup"]).expect_code(0);
    let messages = machine.messages("Inbox");
    fs::remove_file(&messages[0]).unwrap();
    fs::write(&messages[1], "the disk ate it").unwrap();
    // Renamed, flagged or moved is neither lost nor changed.
    let name = messages[2].file_name().unwrap().to_str().unwrap().split(':').next().unwrap().to_owned();
    fs::rename(&messages[2], machine.folder("Inbox/cur").join(format!("{name}:2,FRS"))).unwrap();
    fs::rename(&messages[3], machine.folder("Archive/cur/moved:2,S")).unwrap_or_else(|_| {
        fs::rename(&messages[3], machine.database().join("On My Computer/Inbox/cur/moved:2,S")).unwrap();
    });
    let json = machine.json(&["backup"], 3);
    let run = &json["targets"][0];
    assert_eq!((run["lost"].as_array().unwrap().len(), run["changed"].as_array().unwrap().len()), (1, 1), "{run}");
    let ran = machine.run(&["backup"]).expect_code(3);
    assert_eq!(ran.out, "");
    assert!(ran.err.lines().count() == 2 && ran.err.contains("earlier archives"), "{}", ran.err);
    let list = machine.json(&["backup", "list"], 0);
    assert_eq!((&list["archives"][0]["alarms"], &list["archives"][1]["alarms"]), (&0.into(), &2.into()));
    // A sync settles a deletion: then it is known that it was meant. Other content is told until it is as it was.
    machine.run(&["sync"]).expect_code(0);
    let json = machine.json(&["backup"], 3);
    let run = &json["targets"][0];
    assert_eq!((run["lost"].as_array().unwrap().len(), run["changed"].as_array().unwrap().len()), (0, 1), "{run}");
    let (argument, to) = restore_to(&machine, "back");
    machine.run(&["restore", "1", "--to", &argument]).expect_code(0);
    fs::copy(to.join(messages[1].strip_prefix(machine.database()).unwrap()), &messages[1]).unwrap();
    machine.run(&["backup"]).expect_code(0);
}

#[test]
fn what_is_no_file_or_cannot_be_read_is_told_and_stops_nothing() {
    let machine = machine();
    let notes = machine.database().join("On My Computer/Notes");
    std::os::unix::fs::symlink("/etc/passwd", notes.join("link.md")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, notes.join("pipe.md"), rustix::fs::Mode::RUSR).unwrap();
    let json = machine.json(&["backup"], 0);
    assert_eq!(json["targets"][0]["left_alone"].as_array().unwrap().len(), 2);
    let (argument, to) = restore_to(&machine, "back");
    machine.run(&["restore", "--to", &argument]).expect_code(0);
    assert!(!to.join("On My Computer/Notes/link.md").exists() && to.join("On My Computer/Notes/Grüße ☕.md").exists());
}

#[test]
fn one_thing_can_be_brought_back() {
    let machine = machine();
    backup(&machine);
    let restored = |name: &str, selection: &[&str]| -> Vec<String> {
        let (argument, to) = restore_to(&machine, name);
        machine.run(&[&["restore", "--to", &argument], selection].concat()).expect_code(0);
        let files = tree(&to).into_iter().filter(|(path, _)| to.join(path).is_file());
        files.map(|(path, _)| path.to_string_lossy().into_owned()).collect()
    };
    assert_eq!(restored("item", &["--item", "only-here"]), ["On My Computer/Inbox/cur/only-here:2,S"]);
    assert_eq!(restored("id", &["--message-id", "message-7@example.org"]).len(), 1);
    assert_eq!(restored("uid", &["--message-id", "ada"]), ["On My Computer/Contacts/ada.vcf"]);
    assert_eq!(restored("local", &["--only-local"]).len(), 4);
    assert_eq!(restored("folder", &["--folder", "Contacts"]), ["On My Computer/Contacts/ada.vcf"]);
    assert_eq!(restored("since", &["--since", "2000-01-01", "--folder", "Inbox"]).len(), 31);
    machine.run(&["restore", "--to", "x", "--item", "nowhere"]).expect_code(2).expect_err("--list shows");
    machine.run(&["restore", "--to", "x", "--since", "tomorrow"]).expect_code(2).expect_err("is no time");
    assert!(!machine.home.path().join("x").exists());
    machine.run(&["restore", "--list", "--only-local"]).expect_code(0).expect_out("only-here@example.org");
    machine.run(&["restore", "--dry-run"]).expect_code(0).expect_out("34 items");
    let json = machine.json(&["restore", "--list"], 0);
    assert_eq!(json["listed"].as_array().unwrap().iter().filter(|item| item["kind"] == "message").count(), 31);
}

#[test]
fn a_restore_never_overwrites() {
    let machine = machine();
    backup(&machine);
    let (argument, to) = restore_to(&machine, "back");
    fs::create_dir(&to).unwrap();
    fs::write(to.join("precious"), "mine").unwrap();
    machine.run(&["restore", "--to", &argument]).expect_code(2).expect_err("nothing is ever overwritten");
    assert_eq!(fs::read(to.join("precious")).unwrap(), b"mine");
    fs::remove_file(to.join("precious")).unwrap();
    machine.run(&["restore", "--to", &argument]).expect_code(0);
    machine.run(&["restore", "--to", &argument]).expect_code(2);
    let database = machine.database().display().to_string();
    machine.run(&["restore", "--to", &database]).expect_code(2);
}

#[test]
fn a_time_picks_the_archive_and_another_machine_can_restore() {
    let machine = machine();
    let archive = backup(&machine);
    machine.run(&["restore", "--at", "2020-01-01", "--dry-run"]).expect_code(2).expect_err("no archive");
    machine.run(&["restore", "--at", "2100-01-01", "--dry-run"]).expect_code(0);
    let other = Machine::new();
    let from = archive.parent().unwrap().display().to_string();
    let to = other.home.path().join("back");
    other.run(&["restore", "1", "--from", &from, "--to", &to.display().to_string()]).expect_code(0);
    assert_eq!(contents(&to), contents(&machine.database()));
}

#[test]
fn only_one_backup_runs_at_a_time() {
    let machine = machine();
    let lock = fs::File::create(machine.identity().join("backup.lock")).unwrap();
    lock.try_lock().unwrap();
    machine.run(&["backup"]).expect_code(5);
    assert!(archives(&machine).is_empty());
    machine.run(&["sync"]).expect_code(0);
}

#[test]
fn what_a_killed_backup_left_is_cleared_and_never_taken_for_an_archive() {
    let machine = machine();
    let backups = machine.identity().join("Backups");
    let left = backups.join(".Main-20261122T103000Z-000001.tar.zst.77.unfinished");
    let others = backups.join(".Other-20261122T103000Z-000001.tar.zst.77.unfinished");
    fs::write(&left, "half").unwrap();
    fs::write(&others, "half").unwrap();
    assert_eq!(machine.json(&["backup", "list"], 0)["archives"], serde_json::json!([]));
    machine.run(&["backup"]).expect_code(0);
    assert!(!left.exists() && others.exists());
}

/// Frames that are no larger than a test can wait for need a few megabytes that do not compress.
fn large_machine() -> Machine {
    let machine = machine();
    let notes = machine.database().join("On My Computer/Notes");
    let mut random = fastrand::Rng::with_seed(7);
    for (name, size) in [("a.md", 3 << 20), ("b.md", 3 << 20), ("huge.md", 9 << 20), ("z.md", 5000)] {
        let content: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(size).collect();
        fs::write(notes.join(name), content).unwrap();
    }
    machine
}

#[test]
fn an_archive_that_was_cut_anywhere_is_never_taken_for_whole() {
    let machine = large_machine();
    let archive = backup(&machine);
    let bytes = fs::read(&archive).unwrap();
    let frames = Archive::open(&Stored::at(&archive)).unwrap().manifest().frames.clone();
    assert!(frames.len() >= 4, "{}", frames.len());
    let wanted = contents(&machine.database());
    let whole = bytes.len() as u64;
    let cuts = frames.iter().flat_map(|frame| [frame.at, frame.at + 1, frame.at + frame.length]).chain([whole - 1]);
    for (number, cut) in cuts.enumerate() {
        fs::write(&archive, &bytes[..usize::try_from(cut).unwrap()]).unwrap();
        machine.run(&["backup", "verify"]).expect_code(1).expect_err("no whole archive").expect_err("--salvage");
        machine.run(&["restore", "--to", "nowhere"]).expect_code(1);
        let (argument, to) = restore_to(&machine, &format!("salvaged-{number}"));
        machine.run(&["restore", "--salvage", "--to", &argument]).expect_code(3);
        let whole = frames.iter().filter(|frame| frame.at + frame.length <= cut).count();
        let came = contents(&to);
        assert!(came.iter().all(|(path, found)| to.join(path).is_dir() || wanted[path].1 == found.1));
        let has = |name: &str| came.keys().any(|path| path.ends_with(name));
        assert_eq!(
            (has("z.md"), has("huge.md")),
            (whole == frames.len(), cut >= after(&archive, &bytes, "huge.md")),
            "cut at {cut}"
        );
    }
    assert!(!machine.home.path().join("nowhere").exists());
}

/// The byte after the frame that a file lies in.
fn after(archive: &Path, bytes: &[u8], name: &str) -> u64 {
    let whole = archive.with_file_name("copy");
    fs::write(&whole, bytes).unwrap();
    let archive = Archive::open(&Stored::at(&whole)).unwrap();
    let manifest = archive.manifest();
    let entry = manifest.entries.iter().find(|entry| entry.path.name() == name.as_bytes()).unwrap();
    let frame = manifest.frames[entry.place.frame as usize];
    fs::remove_file(&whole).unwrap();
    frame.at + frame.length
}

#[test]
fn each_of_a_thousand_flipped_bits_is_found_and_located() {
    let machine = large_machine();
    let archive = backup(&machine);
    let bytes = fs::read(&archive).unwrap();
    let frames = Archive::open(&Stored::at(&archive)).unwrap().manifest().frames.clone();
    let end = frames.last().map(|frame| frame.at + frame.length).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let file = fs::OpenOptions::new().write(true).open(&archive).unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    for round in 0..1000 {
        // Every other one in the end, which is the smaller part by far.
        let at = if round % 2 == 0 { random.u64(..bytes.len() as u64) } else { random.u64(end..bytes.len() as u64) };
        let good = bytes[usize::try_from(at).unwrap()];
        let write = |byte: u8| std::os::unix::fs::FileExt::write_all_at(&file, &[byte], at).unwrap();
        write(good ^ (1 << random.u8(..8)));
        let opened = Archive::open(&Stored::at(&archive));
        assert_eq!(opened.is_err(), at >= end, "byte {at}");
        if let Ok(mut opened) = opened {
            let damage = opened.damaged_frames(&mut Checked::default()).unwrap();
            assert!(damage.len() == 1 && damage[0].bytes.as_ref().unwrap().contains(&at), "byte {at}: {damage:?}");
            if round % 100 == 0 {
                let level = pimsync::backup::Level::Rehearse;
                let verified =
                    pimsync::backup::verify(&Stored::at(&archive), level, scratch.path(), &mut Checked::default());
                assert!(verified.is_err(), "byte {at}");
            }
        }
        write(good);
    }
    machine.run(&["backup", "verify", "--rehearse"]).expect_code(0);
}

#[test]
fn from_a_damaged_archive_comes_what_is_whole_and_no_more() {
    let machine = large_machine();
    let archive = backup(&machine);
    let mut bytes = fs::read(&archive).unwrap();
    let at = usize::try_from(after(&archive, &bytes, "huge.md")).unwrap() - 1000;
    bytes[at] ^= 0x10;
    fs::write(&archive, &bytes).unwrap();
    machine.run(&["backup", "verify"]).expect_code(0);
    machine.run(&["backup", "verify", "--read-data"]).expect_code(1).expect_err("1 of ").expect_err("1 items are lost");
    let (argument, to) = restore_to(&machine, "back");
    machine.run(&["restore", "--to", &argument]).expect_code(1).expect_err("can still be restored");
    assert!(!to.exists(), "what is not whole has no name");
    machine.run(&["restore", "--to", &argument, "--salvage"]).expect_code(3).expect_err("huge.md");
    let mut wanted = contents(&machine.database());
    wanted.retain(|path, _| !path.ends_with("huge.md"));
    assert_eq!(contents(&to), wanted);
    let left = fs::read_dir(machine.home.path()).unwrap();
    assert!(left.flatten().all(|entry| !entry.file_name().to_string_lossy().starts_with(".pimsync-restore")));
}

/// Ends the meddling, also when the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn other_programs_lose_nothing_by_renaming_meanwhile() {
    let machine = Machine::with_messages(1);
    let inbox = machine.database().join("On My Computer/Inbox");
    let sent = machine.database().join("On My Computer/Sent Items");
    const MESSAGES: usize = 1000;
    for number in 0..MESSAGES {
        fs::write(inbox.join(format!("cur/{number}:2,")), mime(&format!("m{number}"))).unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stop = Stop(&done);
        let meddler = scope.spawn(|| {
            let mut random = fastrand::Rng::with_seed(3);
            let mut at: Vec<PathBuf> = (0..MESSAGES).map(|number| inbox.join(format!("cur/{number}:2,"))).collect();
            while !done.load(Ordering::SeqCst) {
                let number = random.usize(..MESSAGES);
                let folder = if random.u8(..10) == 0 {
                    if random.bool() { &inbox } else { &sent }
                } else {
                    at[number].ancestors().nth(2).unwrap()
                };
                let flags = ["", "S", "FS", "RS", "FRS"][random.usize(..5)];
                let to = folder.join(format!("cur/{number}:2,{flags}"));
                fs::rename(&at[number], &to).unwrap();
                at[number] = to;
            }
        });
        for round in 0..3 {
            let ran = machine.run(&["backup", "--json"]);
            let json = ran.json();
            let restless = json["targets"][0]["unread"].as_array().unwrap().len();
            assert!(ran.code == 0 || (ran.code == 3 && restless == 1), "{json}");
            let (argument, to) = restore_to(&machine, &format!("back-{round}"));
            machine.run(&["restore", "--to", &argument]).expect_code(0);
            let mut found = std::collections::BTreeSet::new();
            for folder in ["Inbox", "Sent Items"] {
                for path in crate::support::messages_in(&to.join("On My Computer").join(folder)) {
                    found.insert(path.file_name().unwrap().to_str().unwrap().split(':').next().unwrap().to_owned());
                }
            }
            assert_eq!(found.len(), MESSAGES, "round {round}");
        }
        drop(stop);
        meddler.join().unwrap();
    });
}

/// Runs the program and kills it as soon as `now` says so; answers whether it was killed.
pub fn kill_when(machine: &Machine, arguments: &[&str], now: impl Fn() -> bool) -> bool {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pimsync"));
    let mut child = command.args(arguments).env("PIMSYNC_ROOT", machine.root()).spawn().unwrap();
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if now() {
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
        std::thread::yield_now();
    }
}

/// The bytes of all files below a directory.
pub fn bytes_below(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

#[test]
fn what_looks_complete_is_complete_whenever_a_run_is_killed() {
    let machine = large_machine();
    let first = backup(&machine);
    let size = first.metadata().unwrap().len();
    let backups = machine.identity().join("Backups");
    let mut random = fastrand::Rng::with_seed(5);
    let mut killed = 0;
    for _ in 0..50 {
        let before = bytes_below(&backups);
        let enough = before + random.u64(1..size);
        killed += u32::from(kill_when(&machine, &["backup"], || bytes_below(&backups) >= enough));
    }
    machine.run(&["backup", "verify", "--all", "--read-data"]).expect_code(0);
    let home = machine.home.path().join("restores");
    fs::create_dir(&home).unwrap();
    let (to, wanted) = (home.join("back"), contents(&machine.database()));
    for _ in 0..50 {
        let enough = bytes_below(&home) + random.u64(1..size);
        killed += u32::from(kill_when(&machine, &["restore", "--quiet", "--to", to.to_str().unwrap()], || {
            bytes_below(&home) >= enough
        }));
        if to.exists() {
            assert_eq!(contents(&to), wanted);
            fs::remove_dir_all(&to).unwrap();
        }
    }
    assert!(killed > 20, "only {killed} runs were killed before they ended");
}

/// Writes an archive anew with another manifest, and a footer that fits, as man 5 pimsync-archive describes it.
fn forge(archive: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let bytes = fs::read(archive).unwrap();
    let (rest, footer) = bytes.split_at(bytes.len() - 112);
    let at = usize::try_from(u64::from_le_bytes(footer[24..32].try_into().unwrap())).unwrap();
    let mut plain = zstd::decode_all(&rest[at..]).unwrap();
    let place = plain.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    plain[place..place + from.len()].copy_from_slice(to.as_bytes());
    let frame = zstd::encode_all(&plain[..], 3).unwrap();
    let mut footer = footer[..32].to_vec();
    footer.extend((frame.len() as u64).to_le_bytes());
    footer.extend((plain.len() as u64).to_le_bytes());
    footer.extend(blake3::hash(&frame).as_bytes());
    let own = blake3::hash(&footer);
    footer.extend(own.as_bytes());
    fs::write(archive, [&rest[..at], &frame, &footer].concat()).unwrap();
}

#[test]
fn an_archive_that_lies_about_itself_leads_nowhere() {
    let machine = large_machine();
    let archive = backup(&machine);
    let good = fs::read(&archive).unwrap();
    let (argument, to) = restore_to(&machine, "back");
    for (from, lie, code, told) in [
        ("\"On My Computer/Notes/z.md\"", "\"../../../../../../evil.md\"", 1, "climbs"),
        ("\"On My Computer/Notes/z.md\"", "\"/n My Computer/Notes/z.md\"", 1, "absolute"),
        // Then it would be restored over another one.
        ("\"On My Computer/Notes/z.md\"", "\"On My Computer/Notes/a.md\"", 1, "twice"),
        ("\"On My Computer/Notes/z.md\"", "\"On My Computer/Notes/y.md\"", 1, "another member"),
        ("\"size\":5000", "\"size\":4999", 1, "another member"),
        ("\"chain\":[]", "\"chain\":{}", 1, "manifest"),
        ("\"pimsync_archive\":1", "\"pimsync_archive\":2", 1, "format 2"),
    ] {
        fs::write(&archive, &good).unwrap();
        forge(&archive, from, lie);
        machine.run(&["restore", "--to", &argument]).expect_code(code).expect_err(told);
        assert!(!to.exists(), "{lie}");
    }
    assert!(!machine.home.path().join("evil.md").exists());
    // What it says of other members is still true.
    fs::write(&archive, &good).unwrap();
    forge(&archive, "\"size\":5000", "\"size\":4999");
    machine.run(&["restore", "--salvage", "--to", &argument]).expect_code(3).expect_err("z.md");
    assert!(to.join("On My Computer/Notes/huge.md").exists() && !to.join("On My Computer/Notes/z.md").exists());
}

/// A tar member of any sort and name, in a frame of its own.
fn frame(sort: tar::EntryType, name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(sort);
    header.set_size(content.len() as u64);
    header.set_mode(0o7777);
    header.set_mtime(0);
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_gnu_mut().unwrap().linkname[..4].copy_from_slice(b"/etc");
    header.set_cksum();
    let mut plain = header.as_bytes().to_vec();
    plain.extend(content);
    plain.resize(plain.len().div_ceil(512) * 512, 0);
    zstd::encode_all(&plain[..], 3).unwrap()
}

#[test]
fn a_salvage_of_a_hostile_file_stays_where_it_is_told() {
    use tar::EntryType;
    let machine = Machine::new();
    let file = machine.home.path().join("hostile.tar.zst");
    let frames = [
        frame(EntryType::Regular, "Database/../../evil", b"x"),
        frame(EntryType::Regular, "/evil", b"x"),
        frame(EntryType::Symlink, "Database/link", b""),
        frame(EntryType::Regular, "Database/link/passwd", b"not there"),
        frame(EntryType::Char, "Database/device", b""),
        vec![0; 1000],
        frame(EntryType::Regular, "Database/good", b"good"),
        frame(EntryType::Regular, "Database/good", b"over it"),
    ];
    fs::write(&file, frames.concat()).unwrap();
    let to = machine.home.path().join("inner/back");
    fs::create_dir(to.parent().unwrap()).unwrap();
    let (file, to_text) = (file.display().to_string(), to.display().to_string());
    machine.run(&["restore", &file, "--to", &to_text]).expect_code(1).expect_err("no whole archive");
    machine
        .run(&["restore", &file, "--to", &to_text, "--salvage"])
        .expect_code(3)
        .expect_err("neither file nor directory");
    let paths: Vec<PathBuf> = tree(machine.home.path().join("inner").as_path()).into_keys().collect();
    assert_eq!(paths, ["back", "back/good", "back/link", "back/link/passwd"].map(PathBuf::from));
    assert_eq!(fs::read(to.join("good")).unwrap(), b"good");
    assert!(to.join("link").symlink_metadata().unwrap().is_dir());
}

#[test]
fn every_member_of_every_document_is_in_the_manual() {
    let machine = machine();
    let (argument, _) = restore_to(&machine, "back");
    fs::remove_file(&machine.messages("Inbox")[0]).unwrap();
    let documents = [
        machine.json(&["backup"], 3),
        machine.json(&["backup", "list"], 0),
        machine.json(&["backup", "verify"], 0),
        machine.json(&["restore", "--list"], 0),
        machine.json(&["restore", "--to", &argument], 0),
    ];
    let page = fs::read_to_string("man/pimsync-json.5").unwrap();
    let mut members = std::collections::BTreeSet::new();
    documents.iter().for_each(|document| collect(document, &mut members));
    for member in members {
        assert!(page.contains(&member), "{member} is not in pimsync-json(5)");
    }
}

fn collect(json: &Value, members: &mut std::collections::BTreeSet<String>) {
    match json {
        Value::Object(object) => object.iter().for_each(|(name, value)| {
            members.insert(name.clone());
            collect(value, members);
        }),
        Value::Array(array) => array.iter().for_each(|value| collect(value, members)),
        _ => {}
    }
}
