//! What every implementation of `LocalRead` and `LocalWrite` must do, tried on the real one in a temporary folder.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail by panicking")]

#[path = "world/clock.rs"]
mod clock;
mod mortal;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use clock::TestClock;
use pimsync::local::{
    Delivery, FolderDir, FolderForm, Letters, LocalError, LocalErrorClass, LocalRead, LocalWrite, MailTree,
    MessageName, Moved, ProblemKind, ScanEnd, StagedFile, Subdir, find_conflict_copy, foldername,
};
use pimsync::pim::{Categories, Category, FileKey, Flag, Flags, UnixTime};

struct Bench {
    root: tempfile::TempDir,
    tree: MailTree,
}

/// A tree whose clock is ten minutes ahead, so that what was written just now counts as settled.
fn bench() -> Bench {
    at(Duration::from_secs(600))
}

fn at(ahead: Duration) -> Bench {
    let root = tempfile::tempdir().unwrap();
    let tree = MailTree::create(root.path(), "a@x.org", Arc::new(TestClock::ahead(ahead))).unwrap();
    Bench { root, tree }
}

fn dir(path: &str) -> FolderDir {
    FolderDir::new(path).unwrap()
}

fn name(subdir: Subdir, text: &str) -> MessageName {
    MessageName::parse(subdir, OsStr::new(text))
}

fn fresh(key: &str) -> MessageName {
    MessageName::for_delivery(FileKey::new(key.as_bytes()), Flags::NONE, Letters::NONE)
}

impl Bench {
    fn maildir(&self, path: &str) -> FolderDir {
        let dir = dir(path);
        self.tree.create_folder(&dir, FolderForm::Maildir, dir.name()).unwrap();
        dir
    }

    fn path(&self, path: &str) -> PathBuf {
        self.tree.path().join(path)
    }

    fn stage(&self, dir: &FolderDir, content: &[u8]) -> StagedFile {
        let mut staged = self.tree.stage(dir).unwrap();
        staged.write_all(content).unwrap();
        staged.finish(Some(UnixTime(1_000_000_000))).unwrap()
    }

    fn deliver(&self, dir: &FolderDir, name: &MessageName, content: &[u8]) -> Result<u64, LocalError> {
        let delivery = Delivery { staged: self.stage(dir, content), dir: dir.clone(), name: name.clone() };
        self.tree.deliver(vec![delivery]).unwrap().remove(0).map(|stat| stat.len)
    }

    fn scan(&self, dir: &FolderDir) -> (BTreeSet<String>, ScanEnd) {
        let mut names = BTreeSet::new();
        let end = self.tree.scan(dir, &mut |name| assert!(names.insert(name.to_string()))).unwrap();
        (names, end)
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_account_without_its_directory_is_an_error_not_an_empty_one() {
    let root = tempfile::tempdir().unwrap();
    let clock = || Arc::new(TestClock::default());
    assert!(matches!(MailTree::open(root.path(), "a@x.org", clock()), Err(LocalError::FolderGone { .. })));
    assert!(matches!(MailTree::open(root.path(), "../x", clock()), Err(LocalError::BadName { .. })));
    let bench = bench();
    fs::remove_dir(bench.tree.path()).unwrap();
    assert!(matches!(bench.tree.folders(), Err(LocalError::FolderGone { .. })), "never \"no folders\"");
}

#[test]
fn folders_are_listed_parents_first_with_their_true_names() {
    let bench = bench();
    let long = "ü".repeat(200);
    let short = foldername::encode(&long, &|_| false).name;
    for (path, true_name) in [("Inbox", "Inbox"), ("Inbox/A%2FB", "A/B"), ("Archive", "Archive"), (&short, &long)] {
        let form = if path == "Archive" { FolderForm::Plain } else { FolderForm::Maildir };
        let id = bench.tree.create_folder(&dir(path), form, true_name).unwrap();
        assert_eq!(bench.tree.create_folder(&dir(path), form, true_name).unwrap(), id, "again: the same");
    }
    let tree = bench.tree.folders().unwrap();
    assert!(tree.stable && tree.problems.is_empty() && tree.unreadable.is_empty());
    let listed: Vec<_> = tree.folders.iter().map(|one| (one.dir.as_str(), one.name.as_str(), one.maildir)).collect();
    let expected =
        [("Archive", "Archive", false), ("Inbox", "Inbox", true), ("Inbox/A%2FB", "A/B", true), (&short, &long, true)];
    assert_eq!(listed, expected);
}

#[test]
fn everything_made_is_for_its_owner_alone() {
    let bench = bench();
    let inbox = bench.maildir("Inbox");
    bench.deliver(&inbox, &fresh("1.x"), b"x").unwrap();
    bench.tree.assign_keywords(&inbox, &[Category("Red".into())].into()).unwrap();
    bench.tree.keep_conflict_copy(&inbox, &fresh("1.x")).unwrap().unwrap();
    let mut waiting = vec![bench.root.path().join("Exchange"), bench.root.path().join("On My Computer")];
    while let Some(path) = waiting.pop() {
        let is_dir = path.is_dir();
        assert_eq!(mode(&path), if is_dir { 0o700 } else { 0o600 }, "{}", path.display());
        if is_dir {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}

#[test]
fn what_is_no_folder_is_told_and_proves_nothing() {
    let bench = bench();
    bench.maildir("Inbox");
    bench.maildir("Real");
    fs::rename(bench.path("Real"), bench.root.path().join("elsewhere")).unwrap();
    symlink(bench.root.path().join("elsewhere"), bench.path("Real")).unwrap();
    fs::create_dir(bench.tree.path().join(OsStr::from_bytes(b"caf\xe9"))).unwrap();
    let _socket = UnixListener::bind(bench.path("socket")).unwrap();
    fs::create_dir(bench.path(".hidden")).unwrap();
    fs::write(bench.path("stray.txt"), "x").unwrap();
    let tree = bench.tree.folders().unwrap();
    let kinds: BTreeSet<_> = tree.problems.iter().map(|problem| format!("{:?}", problem.kind)).collect();
    assert_eq!(kinds, ["NotUtf8", "Special", "Symlink"].map(str::to_owned).into());
    assert_eq!(tree.folders.len(), 1);
    assert_eq!(tree.unreadable, [dir("Real"), dir("socket")], "a folder behind a link, or something else, is not gone");
    assert_eq!(tree.unnamed.len(), 1);
}

#[test]
fn an_unreadable_folder_is_unknown_not_empty() {
    if !mortal::is_mortal("an_unreadable_folder_is_unknown_not_empty") {
        return;
    }
    let bench = bench();
    let inbox = bench.maildir("Inbox");
    bench.maildir("Inbox/Sub");
    fs::set_permissions(bench.path("Inbox"), Permissions::from_mode(0o000)).unwrap();
    let tree = bench.tree.folders().unwrap();
    let scan = bench.tree.scan(&dir("Inbox/Sub"), &mut |_| {});
    fs::set_permissions(bench.path("Inbox"), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(tree.unreadable, [inbox]);
    assert!(tree.folders.is_empty());
    assert_eq!(scan.unwrap_err().class(), LocalErrorClass::Denied);
}

#[test]
fn messages_are_listed_and_all_else_is_not() {
    let bench = bench();
    let inbox = bench.maildir("Inbox");
    fs::write(bench.path("Inbox/new/1.x"), "").unwrap();
    fs::write(bench.path("Inbox/cur/2.x:2,FSab"), "").unwrap();
    fs::write(bench.path("Inbox/cur").join(OsStr::from_bytes(b"3\xff:2,")), "").unwrap();
    fs::write(bench.path("Inbox/cur/.hidden"), "").unwrap();
    fs::write(bench.path("Inbox/tmp/4.x"), "").unwrap();
    let (names, end) = bench.scan(&inbox);
    assert_eq!(names.len(), 3);
    assert!(end.proves_absence() && end.problems.is_empty() && end.held.is_empty());
    symlink("2.x:2,FSab", bench.path("Inbox/cur/5.x:2,S")).unwrap();
    fs::create_dir(bench.path("Inbox/cur/dir")).unwrap();
    let _socket = UnixListener::bind(bench.path("Inbox/new/6.x")).unwrap();
    let (again, end) = bench.scan(&inbox);
    assert_eq!(again, names);
    let kinds: BTreeSet<_> = end.problems.iter().map(|problem| format!("{:?}", problem.kind)).collect();
    assert_eq!(kinds, ["Directory", "Special", "Symlink"].map(str::to_owned).into());
    assert!(end.held.contains(&name(Subdir::Cur, "5.x:2,S")), "it is not gone");
}

#[test]
fn a_maildir_that_lost_a_part_proves_no_deletion() {
    let bench = bench();
    let inbox = bench.maildir("Inbox");
    fs::remove_dir(bench.path("Inbox/cur")).unwrap();
    let (_, end) = bench.scan(&inbox);
    assert!(!end.proves_absence());
    assert_eq!(end.problems[0].kind, ProblemKind::Incomplete);
    fs::remove_dir(bench.path("Inbox/new")).unwrap();
    assert!(matches!(bench.tree.scan(&inbox, &mut |_| {}), Err(LocalError::NotMaildir { .. })));
    fs::remove_dir_all(bench.path("Inbox")).unwrap();
    assert!(matches!(bench.tree.scan(&inbox, &mut |_| {}), Err(LocalError::FolderGone { .. })));
}

#[test]
fn a_folder_that_changes_while_it_is_listed_proves_no_deletion() {
    for ahead in [600, 0] {
        let bench = at(Duration::from_secs(ahead));
        let inbox = bench.maildir("Inbox");
        fs::write(bench.path("Inbox/new/1.x"), "").unwrap();
        let path = bench.path("Inbox/cur/2.x:2,S");
        let end = bench.tree.scan(&inbox, &mut |_| fs::write(&path, "").unwrap()).unwrap();
        assert!(end.complete && !end.stable && end.stamp.is_none());
        assert!(bench.scan(&inbox).1.proves_absence(), "the next listing is good, however soon");
    }
}

#[test]
fn a_stamp_changes_with_every_name_and_letter() {
    let bench = bench();
    let inbox = bench.maildir("Inbox");
    fs::write(bench.path("Inbox/new/1.x"), "").unwrap();
    assert_eq!(bench.scan(&inbox).1.stamp, Some(bench.tree.stamp(&inbox).unwrap()));
    let changes: [(&str, &dyn Fn()); 3] = [
        ("rename", &|| {
            let to = name(Subdir::Cur, "1.x:2,S");
            assert_eq!(bench.tree.rename(&inbox, &fresh("1.x"), &to).unwrap(), Moved::Done);
        }),
        ("removal", &|| fs::remove_file(bench.path("Inbox/cur/1.x:2,S")).unwrap()),
        ("keyword", &|| fs::write(bench.path("Inbox/dovecot-keywords"), "0 Red\n").unwrap()),
    ];
    for (what, change) in changes {
        // Long ago, so that a change shows however coarse the file system's clock is.
        for part in ["Inbox/cur", "Inbox/new"] {
            fs::File::open(bench.path(part)).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        let before = bench.tree.stamp(&inbox).unwrap();
        change();
        assert_ne!(bench.tree.stamp(&inbox).unwrap(), before, "{what}");
    }
}

#[test]
fn a_fresh_change_gives_no_stamp_to_rely_on() {
    let bench = at(Duration::ZERO);
    let inbox = bench.maildir("Inbox");
    let (_, end) = bench.scan(&inbox);
    assert!(end.proves_absence() && end.stamp.is_none());
}

#[test]
fn delivered_messages_are_whole_dated_and_named() {
    let bench = bench();
    let inbox = bench.maildir("Inbox");
    let seen = MessageName::for_delivery(FileKey::new(*b"2.x"), Flags::NONE.with(Flag::Seen, true), Letters::NONE);
    let batch = vec![
        Delivery { staged: bench.stage(&inbox, b"one"), dir: inbox.clone(), name: fresh("1.x") },
        Delivery { staged: bench.stage(&inbox, b""), dir: inbox.clone(), name: seen.clone() },
    ];
    let digest = batch[0].staged.digest();
    let stats: Vec<_> = bench.tree.deliver(batch).unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(bench.scan(&inbox).0, ["cur/2.x:2,S", "new/1.x"].map(str::to_owned).into());
    assert_eq!(bench.tree.digest(&inbox, &fresh("1.x")).unwrap(), Some((digest, 3)));
    assert_eq!(bench.tree.stat(&inbox, &fresh("1.x")).unwrap(), Some(stats[0]));
    assert_eq!((stats[0].mtime(), stats[1].len), (UnixTime(1_000_000_000), 0));
    assert_eq!(fs::read_dir(bench.path("Inbox/tmp")).unwrap().count(), 0);
}

#[test]
fn a_delivery_never_overwrites() {
    let bench = bench();
    let inbox = bench.maildir("Inbox");
    bench.deliver(&inbox, &fresh("1.x"), b"first").unwrap();
    let ino = fs::metadata(bench.path("Inbox/new/1.x")).unwrap().ino();
    assert_eq!(bench.deliver(&inbox, &fresh("1.x"), b"first").unwrap(), 5, "delivered already");
    assert!(matches!(bench.deliver(&inbox, &fresh("1.x"), b"other"), Err(LocalError::Taken { .. })));
    assert_eq!(fs::metadata(bench.path("Inbox/new/1.x")).unwrap().ino(), ino);
    assert_eq!(fs::read(bench.path("Inbox/new/1.x")).unwrap(), b"first");
    assert_eq!(fs::read_dir(bench.path("Inbox/tmp")).unwrap().count(), 0, "what was not needed is gone");
}

#[test]
fn one_bad_delivery_does_not_spoil_the_batch() {
    let bench = bench();
    let inbox = bench.maildir("Inbox");
    let gone = dir("Gone");
    let mut batch: Vec<_> = (0..40)
        .map(|number| Delivery {
            staged: bench.stage(&inbox, format!("{number}").as_bytes()),
            dir: inbox.clone(),
            name: fresh(&format!("{number}.x")),
        })
        .collect();
    batch[7].dir = gone;
    batch[9].name = fresh(&"n".repeat(300));
    let done = bench.tree.deliver(batch).unwrap();
    assert!(matches!(done[7], Err(LocalError::FolderGone { .. })));
    assert!(matches!(done[9], Err(LocalError::Io { .. })));
    assert_eq!(done.iter().filter(|one| one.is_ok()).count(), 38);
    assert_eq!(bench.scan(&inbox).0.len(), 38);
}

#[test]
fn what_is_not_finished_or_delivered_leaves_nothing() {
    let bench = bench();
    let inbox = bench.maildir("Inbox");
    let mut staged = bench.tree.stage(&inbox).unwrap();
    staged.write_all(b"half").unwrap();
    assert_eq!(fs::read_dir(bench.path("Inbox/tmp")).unwrap().count(), 1);
    staged.restart().unwrap();
    staged.write_all(b"again").unwrap();
    let staged = staged.finish(None).unwrap();
    let mut content = String::new();
    staged.open().unwrap().read_to_string(&mut content).unwrap();
    assert_eq!((content.as_str(), staged.len()), ("again", 5));
    drop(staged);
    drop(bench.tree.stage(&inbox).unwrap());
    assert_eq!(fs::read_dir(bench.path("Inbox/tmp")).unwrap().count(), 0);
}

#[test]
fn renames_never_overwrite_and_vanished_is_an_answer() {
    let bench = bench();
    let (inbox, other) = (bench.maildir("Inbox"), bench.maildir("Other"));
    bench.deliver(&inbox, &fresh("1.x"), b"one").unwrap();
    bench.deliver(&inbox, &fresh("2.x"), b"two").unwrap();
    let seen = name(Subdir::Cur, "1.x:2,S");
    assert_eq!(bench.tree.rename(&inbox, &fresh("1.x"), &fresh("2.x")).unwrap(), Moved::Taken);
    assert_eq!(bench.tree.rename(&inbox, &fresh("1.x"), &seen).unwrap(), Moved::Done);
    assert_eq!(bench.tree.rename(&inbox, &fresh("1.x"), &seen).unwrap(), Moved::Vanished);
    assert_eq!(bench.tree.rename(&inbox, &seen, &seen).unwrap(), Moved::Done);
    assert_eq!(bench.tree.move_message(&inbox, &seen, &other, &seen).unwrap(), Moved::Done);
    assert_eq!(bench.tree.move_message(&inbox, &seen, &other, &seen).unwrap(), Moved::Vanished);
    let lost = bench.tree.move_message(&other, &seen, &dir("Gone"), &seen);
    assert!(matches!(lost, Err(LocalError::FolderGone { .. })));
    bench.tree.settle(&[inbox.clone(), other.clone(), dir("Gone")]).unwrap();
    assert_eq!(bench.scan(&inbox).0, ["new/2.x".to_owned()].into());
    assert_eq!(bench.scan(&other).0, ["cur/1.x:2,S".to_owned()].into());
    assert!(bench.tree.open(&inbox, &seen).unwrap().is_none());
    assert_eq!(bench.tree.digest(&inbox, &seen).unwrap(), None);
    assert_eq!(bench.tree.stat(&inbox, &seen).unwrap(), None);
}

#[test]
fn links_and_pipes_are_never_opened() {
    let bench = bench();
    let inbox = bench.maildir("Inbox");
    let outside = bench.root.path().join("secret");
    fs::write(&outside, "secret").unwrap();
    symlink(&outside, bench.path("Inbox/cur/1.x:2,S")).unwrap();
    let pipe = bench.path("Inbox/cur/2.x:2,S");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _socket = UnixListener::bind(bench.path("Inbox/cur/3.x:2,S")).unwrap();
    fs::create_dir(bench.path("Inbox/cur/4.x:2,S")).unwrap();
    for key in 1..=4 {
        let name = name(Subdir::Cur, &format!("{key}.x:2,S"));
        assert!(matches!(bench.tree.open(&inbox, &name), Err(LocalError::NotAFile { .. })), "{key}");
        assert!(matches!(bench.tree.digest(&inbox, &name), Err(LocalError::NotAFile { .. })), "{key}");
        assert!(matches!(bench.tree.stat(&inbox, &name), Err(LocalError::NotAFile { .. })), "{key}");
        assert!(bench.tree.keep_conflict_copy(&inbox, &name).is_err(), "{key}");
    }
}

#[test]
fn folders_move_with_all_in_them_and_never_onto_another() {
    let bench = bench();
    let (inbox, sub) = (bench.maildir("Inbox"), bench.maildir("Inbox/Sub"));
    let other = bench.maildir("Other");
    bench.deliver(&sub, &fresh("1.x"), b"one").unwrap();
    let id = bench.tree.folders().unwrap().folders[1].id;
    assert_eq!(bench.tree.rename_folder(&sub, &other, "Other").unwrap(), Moved::Taken);
    assert_eq!(bench.tree.rename_folder(&sub, &dir("Other/New"), "New").unwrap(), Moved::Done);
    assert_eq!(bench.tree.rename_folder(&sub, &dir("Other/New"), "New").unwrap(), Moved::Vanished);
    assert!(bench.tree.rename_folder(&other, &dir("Other/New/In"), "In").is_err());
    assert!(bench.tree.rename_folder(&inbox, &FolderDir::root(), "").is_err());
    let tree = bench.tree.folders().unwrap();
    let moved = tree.folders.iter().find(|folder| folder.dir == dir("Other/New")).unwrap();
    assert_eq!(moved.id, id, "it is recognised");
    assert_eq!(bench.scan(&moved.dir).0.len(), 1);
    let long = "n".repeat(250);
    let short = dir(&foldername::encode(&long, &|_| false).name);
    assert_eq!(bench.tree.rename_folder(&moved.dir, &short, &long).unwrap(), Moved::Done);
    let tree = bench.tree.folders().unwrap();
    assert!(tree.folders.iter().any(|folder| folder.dir == short && folder.name == long));
}

#[test]
fn categories_get_letters_that_dovecot_reads() {
    let bench = bench();
    let inbox = bench.maildir("Inbox");
    let file = bench.path("Inbox/dovecot-keywords");
    assert_eq!(bench.tree.keywords(&inbox).unwrap(), Default::default());
    fs::write(&file, "1 $Forwarded\n").unwrap();
    let categories: Categories = ["Red Category", "Grün"].map(|name| Category(name.into())).into();
    let keywords = bench.tree.assign_keywords(&inbox, &categories).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "1 $Forwarded\n0 Gr+C3+BCn\n2 Red_Category\n");
    assert_eq!(bench.tree.keywords(&inbox).unwrap(), keywords);
    assert_eq!(keywords.letters_for(&categories).0, Letters::from_bytes(b"ac"));
    let ino = fs::metadata(&file).unwrap().ino();
    bench.tree.assign_keywords(&inbox, &categories).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().ino(), ino, "nothing new, nothing written");
    assert!(!bench.path("Inbox/dovecot-keywords.lock").exists());
}

#[test]
fn dovecots_lock_is_respected_and_a_dead_ones_is_not() {
    let categories: Categories = [Category("Red".into())].into();
    for (ahead, works) in [(0, false), (600, true)] {
        let bench = at(Duration::from_secs(ahead));
        let inbox = bench.maildir("Inbox");
        fs::write(bench.path("Inbox/dovecot-keywords.lock"), "").unwrap();
        match bench.tree.assign_keywords(&inbox, &categories) {
            Ok(keywords) => assert!(works && keywords.letter(&Category("red".into())) == Some(b'a')),
            Err(LocalError::Busy { .. }) => assert!(!works),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(fs::read_dir(bench.path("Inbox/tmp")).unwrap().count(), 0);
    }
}

#[test]
fn a_conflict_copy_is_made_once_and_says_where_it_is_from() {
    let bench = bench();
    let database = bench.root.path().to_owned();
    let (inbox, sub) = (bench.maildir("Inbox"), bench.maildir("Inbox/A: B"));
    bench.deliver(&sub, &fresh("1.x"), b"mine").unwrap();
    let noted = bench.tree.keep_conflict_copy(&sub, &fresh("1.x")).unwrap().unwrap();
    assert_eq!(find_conflict_copy(&database, &noted), Some(noted.clone()));
    let copy = database.join(&noted);
    assert!(copy.to_string_lossy().contains("On My Computer/Conflicts/new/"));
    assert!(copy.to_string_lossy().ends_with("a@x.org%2FInbox%2FA%3A B"), "{}", copy.display());
    assert_eq!(fs::read(&copy).unwrap(), b"mine");
    let read =
        copy.parent().unwrap().with_file_name("cur").join(format!("{}:2,S", copy.file_name().unwrap().display()));
    fs::rename(&copy, &read).unwrap();
    let now = Some(read.strip_prefix(&database).unwrap().to_owned());
    assert_eq!(bench.tree.keep_conflict_copy(&sub, &fresh("1.x")).unwrap(), now, "read, but the same");
    assert_eq!(find_conflict_copy(&database, &noted), now, "a copy that was read is still there");
    bench.deliver(&inbox, &fresh("1.x"), b"mine").unwrap();
    assert_ne!(bench.tree.keep_conflict_copy(&inbox, &fresh("1.x")).unwrap(), now, "from elsewhere");
    fs::remove_file(&read).unwrap();
    assert_eq!(find_conflict_copy(&database, &noted), None);
    assert_eq!(bench.tree.keep_conflict_copy(&sub, &fresh("2.x")).unwrap(), None);
    assert_eq!(bench.scan(&sub).0.len(), 1, "a copy, not a move");
}

#[test]
fn errors_say_which_path_and_what_to_do() {
    if !mortal::is_mortal("errors_say_which_path_and_what_to_do") {
        return;
    }
    let bench = bench();
    let inbox = bench.maildir("Inbox");
    fs::set_permissions(bench.path("Inbox/tmp"), Permissions::from_mode(0o500)).unwrap();
    let error = bench.tree.stage(&inbox).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("Inbox/tmp/pimsync.") && text.contains("permissions"), "{text}");
    assert_eq!(error.class(), LocalErrorClass::Denied);
    let io = |kind: std::io::ErrorKind| LocalError::Io { action: "write", path: "/m/x".into(), source: kind.into() };
    let full = io(std::io::ErrorKind::StorageFull);
    assert_eq!(full.class(), LocalErrorClass::NoRoom);
    assert!(full.to_string().contains("/m/x") && full.to_string().contains("make room"));
}

#[test]
fn a_mail_reader_at_work_never_makes_a_message_look_gone() {
    const MESSAGES: usize = 300;
    let bench = at(Duration::ZERO);
    let inbox = bench.maildir("Inbox");
    for number in 0..MESSAGES {
        fs::write(bench.path(&format!("Inbox/cur/{number}.x:2,")), "").unwrap();
    }
    let done = AtomicBool::new(false);
    let (flags, proofs) = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut flags = 0;
            while !done.load(Ordering::Relaxed) {
                let (number, marks) = (flags % MESSAGES, ["", "S", "FS", "RS"]);
                let path = |at: usize| bench.path(&format!("Inbox/cur/{number}.x:2,{}", marks[at % marks.len()]));
                fs::rename(path(flags / MESSAGES), path(flags / MESSAGES + 1)).unwrap();
                flags += 1;
            }
            flags
        });
        let mut proofs = 0;
        for _ in 0..200 {
            let mut keys = BTreeSet::new();
            let end = bench.tree.scan(&inbox, &mut |name| keys.extend([name.key().clone()])).unwrap();
            if end.proves_absence() {
                proofs += 1;
                assert_eq!(keys.len(), MESSAGES, "a listing that missed a message passed as a proof");
            }
        }
        done.store(true, Ordering::Relaxed);
        (reader.join().unwrap(), proofs)
    });
    println!("{flags} renames, {proofs} of 200 listings held still");
    assert!(bench.scan(&inbox).1.proves_absence());
}
