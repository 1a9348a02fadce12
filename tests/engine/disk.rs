//! A disk that fails in every way it can, at every call: while it does, a run ends with an error that says what happened or goes on with the
//! rest; after it, a sync ends whole. Nothing is lost, nothing is there twice.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::world::day::{self, difference};
use crate::world::{CutAt, Side, World};
use pimsync::exchange::{Flag, NewMessage, Personality};
use pimsync::local::{
    Changed, Delivery, DirId, DirStamp, EntryContent, EntryListing, Expect, FileStat, Fingerprint, FolderDir,
    FolderForm, FolderRemoved, Keywords, Leftovers, LocalError, LocalRead, LocalTree, LocalWrite, MailTree,
    MessageName, Moved, NewEntry, ScanEnd, Staged, StagedFile,
};
use pimsync::pim::{Categories, Digest};
use pimsync::plan::proof::{FolderRemoval, MessageRemoval};
use pimsync::sync::{Engine, Report, Request, SyncError};

/// Which calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ill {
    /// That one alone.
    Once(usize),
    /// That one and all after it.
    From(usize),
    /// Each one of that name.
    Each(&'static str),
}

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Writing,
    ReadingAndWriting,
}

/// Told which call is made for which folder: after a listing, before a look at a file.
type Meddle = Box<dyn Fn(&'static str, &FolderDir) + Send + Sync>;

/// A tree on a disk that fails.
struct Sick {
    tree: MailTree,
    ill: Ill,
    at: At,
    how: io::ErrorKind,
    calls: AtomicUsize,
    /// What another program does in the middle of it.
    meddle: Option<Meddle>,
    failed: std::sync::Mutex<&'static str>,
}

impl Sick {
    fn call(&self, action: &'static str) -> Result<(), LocalError> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let fails = match self.ill {
            Ill::Once(at) => number == at,
            Ill::From(at) => number >= at,
            Ill::Each(name) => action == name,
        };
        match fails {
            true => {
                *self.failed.lock().unwrap() = action;
                Err(LocalError::Io { action, path: PathBuf::from("/sick/disk"), source: self.how.into() })
            }
            false => Ok(()),
        }
    }

    fn read(&self, action: &'static str) -> Result<(), LocalError> {
        if self.at == At::ReadingAndWriting { self.call(action) } else { Ok(()) }
    }
}

impl LocalRead for Sick {
    fn folders(&self) -> Result<LocalTree, LocalError> {
        self.read("folders")?;
        self.tree.folders()
    }
    fn scan(&self, dir: &FolderDir, visit: &mut dyn FnMut(MessageName)) -> Result<ScanEnd, LocalError> {
        self.read("scan")?;
        let end = self.tree.scan(dir, visit)?;
        self.meddle.iter().for_each(|meddle| meddle("scan", dir));
        Ok(end)
    }
    fn fingerprint(&self, dir: &FolderDir) -> Result<Fingerprint, LocalError> {
        self.read("fingerprint")?;
        self.tree.fingerprint(dir)
    }
    fn stamp(&self, dir: &FolderDir) -> Result<DirStamp, LocalError> {
        self.read("stamp")?;
        self.tree.stamp(dir)
    }
    fn keywords(&self, dir: &FolderDir) -> Result<Keywords, LocalError> {
        self.read("keywords")?;
        self.tree.keywords(dir)
    }
    fn stat(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<FileStat>, LocalError> {
        self.read("stat")?;
        self.meddle.iter().for_each(|meddle| meddle("stat", dir));
        self.tree.stat(dir, name)
    }
    fn digest(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<(Digest, u64)>, LocalError> {
        self.read("digest")?;
        self.tree.digest(dir, name)
    }
    fn open(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<File>, LocalError> {
        self.read("open")?;
        self.tree.open(dir, name)
    }
    fn list_entries(&self, dir: &FolderDir, extension: &str) -> Result<EntryListing, LocalError> {
        self.read("list_entries")?;
        let listing = self.tree.list_entries(dir, extension)?;
        self.meddle.iter().for_each(|meddle| meddle("list_entries", dir));
        Ok(listing)
    }
    fn stat_entry(&self, dir: &FolderDir, name: &str) -> Result<Option<FileStat>, LocalError> {
        self.read("stat_entry")?;
        self.tree.stat_entry(dir, name)
    }
    fn read_entry(&self, dir: &FolderDir, name: &str) -> Result<EntryContent, LocalError> {
        self.read("read_entry")?;
        self.tree.read_entry(dir, name)
    }
}

impl LocalWrite for Sick {
    fn create_folder(&self, dir: &FolderDir, form: FolderForm, true_name: &str) -> Result<DirId, LocalError> {
        self.call("create_folder")?;
        self.tree.create_folder(dir, form, true_name)
    }
    fn rename_folder(&self, from: &FolderDir, to: &FolderDir, true_name: &str) -> Result<Moved, LocalError> {
        self.call("rename_folder")?;
        self.tree.rename_folder(from, to, true_name)
    }
    fn remove_folder(&self, dir: &FolderDir, proof: FolderRemoval) -> Result<FolderRemoved, LocalError> {
        self.call("remove_folder")?;
        self.tree.remove_folder(dir, proof)
    }
    fn stage(&self, dir: &FolderDir) -> Result<Staged, LocalError> {
        self.call("stage")?;
        self.tree.stage(dir)
    }
    fn deliver(&self, batch: Vec<Delivery>) -> Result<Vec<Result<FileStat, LocalError>>, LocalError> {
        self.call("deliver")?;
        self.tree.deliver(batch)
    }
    fn rename(&self, dir: &FolderDir, from: &MessageName, to: &MessageName) -> Result<Moved, LocalError> {
        self.call("rename")?;
        self.tree.rename(dir, from, to)
    }
    fn move_message(
        &self,
        from_dir: &FolderDir,
        from: &MessageName,
        to_dir: &FolderDir,
        to: &MessageName,
    ) -> Result<Moved, LocalError> {
        self.call("move_message")?;
        self.tree.move_message(from_dir, from, to_dir, to)
    }
    fn remove(
        &self,
        dir: &FolderDir,
        name: &MessageName,
        expect: &Expect,
        proof: MessageRemoval,
    ) -> Result<Changed, LocalError> {
        self.call("remove")?;
        self.tree.remove(dir, name, expect, proof)
    }
    fn replace(
        &self,
        dir: &FolderDir,
        name: &MessageName,
        staged: StagedFile,
        expect: Digest,
    ) -> Result<Changed, LocalError> {
        self.call("replace")?;
        self.tree.replace(dir, name, staged, expect)
    }
    fn assign_keywords(&self, dir: &FolderDir, categories: &Categories) -> Result<Keywords, LocalError> {
        self.call("assign_keywords")?;
        self.tree.assign_keywords(dir, categories)
    }
    fn keep_conflict_copy(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<PathBuf>, LocalError> {
        self.call("keep_conflict_copy")?;
        self.tree.keep_conflict_copy(dir, name)
    }
    fn create_entries(&self, dir: &FolderDir, entries: Vec<NewEntry>) -> Result<Vec<(String, FileStat)>, LocalError> {
        self.call("create_entries")?;
        self.tree.create_entries(dir, entries)
    }
    fn replace_entry(
        &self,
        dir: &FolderDir,
        name: &str,
        expect: Digest,
        content: &[u8],
    ) -> Result<Changed, LocalError> {
        self.call("replace_entry")?;
        self.tree.replace_entry(dir, name, expect, content)
    }
    fn remove_entry(
        &self,
        dir: &FolderDir,
        name: &str,
        expect: Digest,
        proof: MessageRemoval,
    ) -> Result<Changed, LocalError> {
        self.call("remove_entry")?;
        self.tree.remove_entry(dir, name, expect, proof)
    }
    fn move_entry(&self, from_dir: &FolderDir, name: &str, to_dir: &FolderDir) -> Result<(Moved, String), LocalError> {
        self.call("move_entry")?;
        self.tree.move_entry(from_dir, name, to_dir)
    }
    fn keep_entry_copy(&self, dir: &FolderDir, name: &str) -> Result<Option<PathBuf>, LocalError> {
        self.call("keep_entry_copy")?;
        self.tree.keep_entry_copy(dir, name)
    }
    fn settle(&self, dirs: &[FolderDir]) -> Result<(), LocalError> {
        self.call("settle")?;
        self.tree.settle(dirs)
    }
    fn settle_all(&self) -> Result<(), LocalError> {
        self.call("settle_all")?;
        self.tree.settle_all()
    }
    fn clear_stale_tmp(&self) -> Result<Leftovers, LocalError> {
        self.call("clear_stale_tmp")?;
        self.tree.clear_stale_tmp()
    }
}

/// A busy day, with a category, a draft that was edited on both sides, and a message in a folder that is gone here.
fn prepared() -> World {
    let world = World::unrecorded(Personality::Exchange);
    world.arrive_as("Drafts", "both", NewMessage { draft: true, ..NewMessage::default() });
    day::before(&world);
    day::edits(&world);
    world.mailbox.set_flag(&world.id("kept"), Flag::Flagged).unwrap();
    fs::write(world.file("both"), World::mime_with("both", "mine")).unwrap();
    world.mailbox.replace_mime(&world.id("both"), &World::mime_with("both", "theirs")).unwrap();
    world
}

fn run(world: &World, ill: Ill, at: At, how: io::ErrorKind) -> (Result<Report, SyncError>, usize, &'static str) {
    run_with(world, ill, at, how, None)
}

fn run_with(
    world: &World,
    ill: Ill,
    at: At,
    how: io::ErrorKind,
    meddle: Option<Meddle>,
) -> (Result<Report, SyncError>, usize, &'static str) {
    let Engine { remote, local, state, env, settings, observer } = world.engine(Arc::new(CutAt::default()));
    let tree = Arc::into_inner(local).unwrap();
    let local = Arc::new(Sick { tree, ill, at, how, calls: AtomicUsize::new(0), meddle, failed: Default::default() });
    let engine = Engine { remote, local: local.clone(), state, env, settings, observer };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let result = runtime.block_on(engine.run(&Request::default()));
    drop((runtime, engine));
    let failed = *local.failed.lock().unwrap();
    (result, local.calls.load(Ordering::SeqCst), failed)
}

type Ends = (Side, Side, Vec<String>);

fn ends(world: &World) -> Ends {
    let (remote, local) = day::ends(world);
    (remote, local, world.conflicts())
}

/// What is wrong after a run on a failing disk and one after it.
fn recovers(world: &World, wanted: &Ends) -> Result<(), String> {
    let error = |error: SyncError| error.to_string();
    let sync = || world.try_sync(&Request::default(), Arc::new(CutAt::default()));
    world.advance(2 * 86_400);
    let report = sync().map_err(error)?;
    let mut is = ends(world);
    // Where one end of a move could not be seen, it became an upload and a deletion: a second copy may lie where deleted messages do.
    for side in [&mut is.0, &mut is.1] {
        side.get_mut("Deleted Items").unwrap().retain(|seen| seen.id != "m-here@example.org");
    }
    let differences = [difference(&is.0, &wanted.0), difference(&is.1, &wanted.1)].concat();
    let again = sync().map_err(error)?;
    let busy = !again.folders.is_empty() || !world.dry_run().planned.is_empty();
    if differences.is_empty() && is.2 == wanted.2 && world.troubles().is_empty() && !busy {
        return Ok(());
    }
    Err(format!("{differences:?}, copies {:?}, {:?}, {:?}, again {again:?}", is.2, report.notices, world.troubles()))
}

/// Lets the disk fail at each call in turn. `judge` says what is wrong with how the run under it ended.
fn befall(at: At, how: io::ErrorKind, ill: fn(usize) -> Ill, judge: fn(&Result<Report, SyncError>) -> Option<String>) {
    let world = prepared();
    world.sync();
    world.sync();
    let wanted = ends(&world);
    assert_eq!(wanted.2, ["mine"]);
    let mut failed = Vec::new();
    for number in 1.. {
        let world = prepared();
        let ill = ill(number);
        let (result, calls, call) = run(&world, ill, at, how);
        if calls < number {
            break;
        }
        let told = judge(&result);
        let after = recovers(&world, &wanted).err();
        failed.extend(told.into_iter().chain(after).map(|how| format!("{ill:?}, {call}: {how}")));
    }
    assert!(failed.is_empty(), "{how:?}:\n{}", failed.join("\n\n"));
}

/// The whole run stops, and says where and why.
fn stops(result: &Result<Report, SyncError>) -> Option<String> {
    match result {
        Err(SyncError::Local(error)) if error.to_string().contains("/sick/disk") => None,
        other => Some(format!("the run did not stop with the disk's error: {other:?}")),
    }
}

#[test]
fn a_full_disk_stops_the_run_and_loses_nothing() {
    befall(At::Writing, io::ErrorKind::StorageFull, Ill::From, |result| {
        let full = |error: &SyncError| error.to_string().contains("make room");
        stops(result).or_else(|| (!result.as_ref().err().is_some_and(full)).then(|| format!("no advice: {result:?}")))
    });
}

#[test]
fn a_disk_that_became_read_only_stops_the_run_and_loses_nothing() {
    befall(At::Writing, io::ErrorKind::ReadOnlyFilesystem, Ill::Once, stops);
}

#[test]
fn a_disk_with_a_bad_block_stops_the_run_and_loses_nothing() {
    befall(At::ReadingAndWriting, io::ErrorKind::Other, Ill::Once, |_| None);
}

#[test]
fn what_may_not_be_done_once_is_told_and_done_later() {
    befall(At::ReadingAndWriting, io::ErrorKind::PermissionDenied, Ill::Once, |_| None);
}

#[test]
fn what_may_not_be_written_is_told_and_written_later() {
    befall(At::Writing, io::ErrorKind::PermissionDenied, Ill::From, |result| {
        // What cannot be made durable must not be noted; all else concerns one folder or message.
        let stopped = result.as_ref().err().map(SyncError::to_string);
        stopped.filter(|error| !error.contains("settle")).map(|error| format!("the whole run stopped: {error}"))
    });
}

/// Another program may have copied the message elsewhere, and have left it to the system when to write the copy.
#[test]
fn nothing_is_deleted_there_before_all_that_is_here_is_on_the_disk() {
    let world = World::unrecorded(Personality::Exchange);
    world.arrive("Inbox", "a");
    world.sync();
    let kept = world.database().join("On My Computer/Inbox/cur");
    fs::create_dir_all(&kept).unwrap();
    fs::copy(world.file("a"), kept.join("a:2,S")).unwrap();
    world.remove("a");
    let (result, ..) = run(&world, Ill::Each("settle_all"), At::Writing, io::ErrorKind::StorageFull);
    assert!(result.is_err(), "{result:?}");
    assert_eq!(world.find("a").unwrap().1, "Inbox");
    world.sync();
    assert_eq!(world.find("a").unwrap().1, "Deleted Items");
}

/// It was missing in both or there in both, so that it was deleted there and uploaded anew: a second copy lay in Deleted Items.
#[test]
fn what_is_moved_between_the_looks_at_two_folders_is_moved() {
    let ways = [("Inbox", "Archive"), ("Archive", "Inbox")];
    for ((from, to), after) in ways.into_iter().flat_map(|(from, to)| [((from, to), from), ((from, to), to)]) {
        let world = World::unrecorded(Personality::Exchange);
        world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
        world.arrive(from, "a");
        world.sync();
        world.advance(60);
        // Both are looked at, since something is new in them.
        world.put("Inbox", "b", ":2,S");
        world.put("Archive", "c", ":2,S");
        let (file, target) = (world.file("a"), world.account_dir().join(to));
        let moved = target.join("cur").join(file.file_name().unwrap());
        let meddle: Meddle = Box::new(move |call, dir| {
            if call == "scan" && dir.as_str() == after && file.exists() {
                fs::rename(&file, &moved).unwrap();
            }
        });
        run_with(&world, Ill::From(usize::MAX), At::Writing, io::ErrorKind::Other, Some(meddle)).0.unwrap();
        world.settle();
        let there = world.remote();
        let copies = there.values().flatten().filter(|seen| seen.id == "a@example.org").count();
        assert_eq!((world.find("a").unwrap().1.as_str(), copies), (to, 1), "{from} to {to}, after {after}");
    }
}

/// It was not found under its name when its content was to be compared, and passed for edited: a new version was uploaded, and the old one deleted.
#[test]
fn what_is_moved_and_then_flagged_while_it_is_compared_is_moved() {
    let world = World::unrecorded(Personality::Exchange);
    world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
    world.arrive("Inbox", "a");
    world.sync();
    world.advance(60);
    let file = world.file("a");
    let key = file.file_name().unwrap().to_str().unwrap().split(':').next().unwrap().to_owned();
    let archive = world.account_dir().join("Archive/cur");
    let (moved, flagged) = (archive.join(format!("{key}:2,")), archive.join(format!("{key}:2,FS")));
    fs::rename(&file, &moved).unwrap();
    let meddle: Meddle = Box::new(move |call, dir| {
        if call == "stat" && dir.as_str() == "Archive" && moved.exists() {
            fs::rename(&moved, &flagged).unwrap();
        }
    });
    run_with(&world, Ill::From(usize::MAX), At::Writing, io::ErrorKind::Other, Some(meddle)).0.unwrap();
    world.settle();
    let there = world.remote();
    let copies = there.values().flatten().filter(|seen| seen.id == "a@example.org").count();
    assert_eq!((world.find("a").unwrap().1.as_str(), copies, there["Archive"][0].flags.as_str()), ("Archive", 1, "FS"));
}
