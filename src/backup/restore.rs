//! Bringing items back, into a directory of their own. Nothing is ever overwritten, and what is not whole never has its final name.

use std::fs::{self, File, FileTimes};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::archive::{Archive, Failed};
use super::manifest::{Entry, Kind};
use super::{BackupError, Damage, ItemPath};
use crate::local::on_my_computer::LOCAL;
use crate::local::{EXCHANGE, platform};
use crate::pim::UnixTime;

/// Which items are meant. What is given must all be so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those in this folder, and below it: `Inbox/Projects` of any account or of On My Computer, or a path below `Database`.
    pub folder: Option<String>,
    /// The ones with these paths below `Database`, or with these file names (for a message the part before `:` will do).
    pub items: Vec<String>,
    /// Messages with this Message-ID, with or without its angle brackets; other items with this UID.
    pub id: Option<String>,
    /// Those that are not older.
    pub since: Option<UnixTime>,
    /// Those below On My Computer.
    pub only_local: bool,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Items.
    pub items: u64,
    /// Files, items included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What could not be brought back, and why.
    pub lost: Vec<(ItemPath, String)>,
    /// The damaged parts of the archive.
    pub damage: Vec<Damage>,
}

impl Restored {
    fn add(&mut self, other: Self) {
        self.items += other.items;
        self.files += other.files;
        self.bytes += other.bytes;
        self.lost.extend(other.lost);
        self.damage.extend(other.damage);
    }
}

/// What to do about an archive that is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDamage {
    /// Bring nothing back.
    Fail,
    /// Bring back all that is whole.
    Salvage,
}

impl Selection {
    /// Whether everything is meant.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    fn holds(&self, entry: &Entry) -> bool {
        let path = &entry.path;
        let folder = self.folder.as_deref().is_none_or(|folder| is_in_folder(path, folder.trim_matches('/')));
        let item = self.items.is_empty() || self.items.iter().any(|item| is_item(path, item));
        let id = self.id.as_deref().is_none_or(|id| entry.id.as_deref().is_some_and(|own| bare(own) == bare(id)));
        let since = self.since.is_none_or(|since| entry.mtime() >= since);
        let local = !self.only_local || path.is_within(LOCAL.as_bytes());
        // Directories have no ids and no age of their own; they come with what lies in them.
        let directory =
            entry.kind != Kind::Directory || (self.id.is_none() && self.since.is_none() && self.items.is_empty());
        folder && item && id && since && local && directory
    }
}

fn is_in_folder(path: &ItemPath, folder: &str) -> bool {
    let below = |top: &str| path.as_bytes().strip_prefix(top.as_bytes()).and_then(|rest| rest.strip_prefix(b"/"));
    let within = |rest: &[u8]| {
        rest.strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    let in_account =
        below(EXCHANGE).and_then(|rest| rest.iter().position(|byte| *byte == b'/').and_then(|at| rest.get(at + 1..)));
    path.is_within(folder.as_bytes()) || below(LOCAL).is_some_and(within) || in_account.is_some_and(within)
}

fn is_item(path: &ItemPath, item: &str) -> bool {
    let key = path.message().map(|(_, key)| key);
    path.as_bytes() == item.as_bytes() || path.name() == item.as_bytes() || key == Some(item.as_bytes())
}

fn bare(id: &str) -> &str {
    id.trim().trim_start_matches('<').trim_end_matches('>')
}

/// The entries that are meant.
pub fn selected<'a>(archive: &'a Archive, selection: &Selection) -> Vec<&'a Entry> {
    archive.manifest().entries.iter().filter(|entry| selection.holds(entry)).collect()
}

/// Brings the selected items back into the directory `to`, which must not exist, or be empty.
///
/// # Errors
/// [`BackupError::Taken`], [`BackupError::NoRoom`]; [`BackupError::Damaged`] where `on_damage` says so. Then `to` is as it was before.
pub fn restore(
    archive: &mut Archive,
    selection: &Selection,
    to: &Path,
    on_damage: OnDamage,
) -> Result<Restored, BackupError> {
    let entries: Vec<Entry> = selected(archive, selection).into_iter().cloned().collect();
    let stage = Stage::begin(to, entries.iter().map(|entry| entry.size).sum())?;
    let mut restored = Restored::default();
    for entry in entries.iter().filter(|entry| entry.kind == Kind::Directory) {
        stage.make_dirs(&entry.path)?;
    }
    let files: Vec<&Entry> = entries.iter().filter(|entry| entry.kind != Kind::Directory).collect();
    let frames: Vec<&[&Entry]> = files.chunk_by(|one, other| one.place.frame_id() == other.place.frame_id()).collect();
    restore_frames(archive, &frames, &stage, &mut restored)?;
    if on_damage == OnDamage::Fail && !restored.damage.is_empty() {
        return Err(archive.damaged(restored.damage, restored.lost.len() as u64, restored.files));
    }
    // Last, since a directory's time changes with what is put into it.
    for entry in entries.iter().rev().filter(|entry| entry.kind == Kind::Directory) {
        stage.set_time(&entry.path, entry.mtime_ns)?;
    }
    stage.finish()?;
    Ok(restored)
}

/// Restores frames, two at a time: while one waits for its files to be made, the other one is decompressed.
fn restore_frames(
    archive: &mut Archive,
    frames: &[&[&Entry]],
    stage: &Stage,
    restored: &mut Restored,
) -> Result<(), BackupError> {
    let next = AtomicUsize::new(0);
    let work = |archive: &mut Archive| -> Result<Vec<(usize, Restored)>, BackupError> {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(frame) = frames.get(at) else { return Ok(done) };
            let mut restored = Restored::default();
            if let Err(error) = restore_frame(archive, frame, stage, &mut restored) {
                // The other one need not go on.
                next.store(frames.len(), Ordering::Relaxed);
                return Err(error);
            }
            done.push((at, restored));
        }
    };
    let mut done = if frames.len() < WORTH_TWO {
        work(archive)?
    } else {
        let mut second = archive.again()?;
        let (mine, others) = thread::scope(|scope| {
            let others = scope.spawn(|| work(&mut second));
            (work(archive), others.join())
        });
        let others = others.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        mine?.into_iter().chain(others?).collect()
    };
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().for_each(|(_, frame)| restored.add(frame));
    Ok(())
}

/// Restores entries of one frame, in their order. Where the frame turns out to be damaged, those that were restored before stay.
fn restore_frame(
    archive: &mut Archive,
    entries: &[&Entry],
    stage: &Stage,
    restored: &mut Restored,
) -> Result<(), BackupError> {
    let Some(id) = entries.first().map(|entry| entry.place.frame_id()) else { return Ok(()) };
    let mut broken: Option<String> = None;
    {
        let mut frame = archive.frame(id).map_err(|error| broken = Some(error.to_string())).ok();
        for entry in entries {
            if let Some(frame) = frame.as_mut().filter(|_| broken.is_none()) {
                let (path, mut file) = stage.create(&entry.path)?;
                match frame.copy(entry, &mut file) {
                    Ok(hash) if hash == entry.hash => {
                        stage.keep(&file, &path, entry.size, entry.mtime_ns)?;
                        restored.items += u64::from(entry.kind.is_item());
                        restored.files += 1;
                        restored.bytes += entry.size;
                        continue;
                    }
                    Ok(_) => broken = Some("its content was changed".to_owned()),
                    Err(error) => broken = Some(archive_error(error, &path)?),
                }
                fs::remove_file(&path).map_err(|error| BackupError::io("remove", &path, error))?;
            }
            let reason = broken.clone().unwrap_or_default();
            restored.lost.push((entry.path.clone(), reason));
        }
    }
    restored.damage.extend(broken.map(|reason| archive.damage(id, &reason)));
    Ok(())
}

/// Tells what is wrong with the archive from what is wrong with the place that is restored to.
fn archive_error(error: io::Error, path: &Path) -> Result<String, BackupError> {
    match error.downcast::<Failed>() {
        Ok(Failed(error)) => Err(BackupError::io("write", path, error)),
        Err(error) => Ok(error.to_string()),
    }
}

/// Fewer frames than this are not worth a second thread and a second look at the manifest.
const WORTH_TWO: usize = 8;

/// So many bytes are written before the disk is given them, while the next ones are written.
const SYNCED_AT_ONCE: u64 = 32 << 20;

/// A directory beside the final one, which it becomes in the end.
pub(super) struct Stage {
    dir: tempfile::TempDir,
    to: PathBuf,
    /// The directory that was made last: most files lie where the one before them does.
    made: Mutex<PathBuf>,
    /// Bytes that the disk was not given yet.
    unsynced: AtomicU64,
    syncing: Syncing,
}

/// A thread that makes durable what was written so far, so that little is left to wait for in the end.
struct Syncing {
    ask: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncing {
    fn begin(dir: &Path) -> Self {
        let (ask, asked) = sync_channel(1);
        let dir = dir.to_owned();
        let thread = thread::spawn(move || {
            for () in asked {
                // What fails here fails in the end, too, and is told then.
                let _ = platform::sync_everything(&dir);
            }
        });
        Self { ask: Some(ask), thread: Some(thread) }
    }

    fn ask(&self) {
        // Where it is still at it, what was written since waits for the next time.
        if let Some(ask) = &self.ask {
            let _ = ask.try_send(());
        }
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Stage {
    /// Makes sure that nothing is at `to`, and that there is room.
    pub(super) fn begin(to: &Path, needed: u64) -> Result<Self, BackupError> {
        let io = |error| BackupError::io("read", to, error);
        match platform::look(to).map_err(io)?.map(|looked| looked.kind) {
            None => {}
            Some(platform::Kind::Dir) if fs::read_dir(to).map_err(io)?.next().is_none() => {}
            Some(_) => return Err(BackupError::Taken { path: to.to_owned() }),
        }
        let to = std::path::absolute(to).map_err(io)?;
        let parent = to.parent().unwrap_or(&to);
        let failed = |error| BackupError::io("create", parent, error);
        let dir = tempfile::Builder::new().prefix(".pimsync-restore-").tempdir_in(parent).map_err(failed)?;
        let room = rustix::fs::statvfs(dir.path()).map_err(|error| failed(error.into()))?;
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        if needed > free {
            return Err(BackupError::NoRoom { path: to, needed, free });
        }
        let syncing = Syncing::begin(dir.path());
        Ok(Self { dir, to, made: Mutex::default(), unsynced: AtomicU64::new(0), syncing })
    }

    /// The directory that it will lie in.
    pub(super) fn parent(&self) -> &Path {
        self.to.parent().unwrap_or(&self.to)
    }

    /// Makes a directory and those above it.
    fn make_dirs(&self, path: &ItemPath) -> Result<PathBuf, BackupError> {
        self.make(path.as_path())
    }

    fn make(&self, path: &Path) -> Result<PathBuf, BackupError> {
        let full = self.dir.path().join(path);
        for at in full.ancestors().take(path.components().count()).collect::<Vec<_>>().into_iter().rev() {
            platform::create_dir(at).map_err(|error| BackupError::io("create", at, error))?;
        }
        Ok(full)
    }

    /// Begins a file; nothing may have its name.
    pub(super) fn create(&self, path: &ItemPath) -> Result<(PathBuf, File), BackupError> {
        if let Some(parent) = path.as_path().parent().filter(|parent| *lock(&self.made) != *parent) {
            self.make(parent)?;
            parent.clone_into(&mut lock(&self.made));
        }
        let full = path.under(self.dir.path());
        let file = platform::create_new(&full).map_err(|error| BackupError::io("create", &full, error))?;
        Ok((full, file))
    }

    /// Ends a file that is whole, and has so many bytes.
    pub(super) fn keep(&self, mut file: &File, path: &Path, bytes: u64, mtime_ns: i64) -> Result<(), BackupError> {
        let set = file.flush().and_then(|()| file.set_times(FileTimes::new().set_modified(time(mtime_ns))));
        set.map_err(|error| BackupError::io("write", path, error))?;
        if self.unsynced.fetch_add(bytes, Ordering::Relaxed) + bytes >= SYNCED_AT_ONCE {
            self.unsynced.store(0, Ordering::Relaxed);
            self.syncing.ask();
        }
        Ok(())
    }

    fn set_time(&self, path: &ItemPath, mtime_ns: i64) -> Result<(), BackupError> {
        let full = path.under(self.dir.path());
        let set = File::open(&full).and_then(|dir| dir.set_times(FileTimes::new().set_modified(time(mtime_ns))));
        set.map_err(|error| BackupError::io("write", &full, error))
    }

    /// Makes everything durable, and gives it its name.
    pub(super) fn finish(self) -> Result<(), BackupError> {
        drop(self.syncing);
        let failed = |error| BackupError::io("write", &self.to, error);
        sync_below(self.dir.path()).map_err(failed)?;
        // An empty directory may be replaced, any other thing may not.
        fs::rename(self.dir.path(), &self.to).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                BackupError::Taken { path: self.to.clone() }
            }
            _ => failed(error),
        })?;
        // It has its name; there is nothing left to remove.
        let _ = self.dir.keep();
        self.to.parent().map_or(Ok(()), platform::sync_dir).map_err(failed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes all files and directories below one durable.
fn sync_below(top: &Path) -> io::Result<()> {
    let mut waiting = vec![top.to_owned()];
    let mut all = Vec::new();
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            } else {
                all.push(entry.path());
            }
        }
        all.push(dir);
    }
    platform::sync_all(&all.iter().map(PathBuf::as_path).collect::<Vec<_>>(), top)
}

/// The time of so many nanoseconds since 1970.
pub(super) fn time(mtime_ns: i64) -> SystemTime {
    let distance = Duration::from_nanos(mtime_ns.unsigned_abs());
    let time = if mtime_ns < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    time.unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Place;
    use super::*;

    fn entry(path: &str, id: &str, mtime: i64) -> Entry {
        Entry {
            path: ItemPath::new(path.as_bytes()).unwrap(),
            kind: Kind::Message,
            id: Some(id.into()),
            size: 0,
            mtime_ns: mtime * 1_000_000_000,
            inode: 0,
            ctime_ns: None,
            hash: blake3::hash(b""),
            place: Place { archive: 1, frame: 0, offset: 0 },
        }
    }

    #[test]
    fn people_find_an_item_by_what_they_know_of_it() {
        let there = entry("Exchange/a@x/Inbox/Plans/cur/1.a:2,S", "<m@x>", 100);
        let here = entry("On My Computer/Inbox/cur/2:2,", "<n@x>", 200);
        let both = |selection: &Selection| (selection.holds(&there), selection.holds(&here));
        let folder = |folder: &str| both(&Selection { folder: Some(folder.to_owned()), ..Selection::default() });
        assert_eq!(both(&Selection::default()), (true, true));
        assert_eq!(folder("Inbox"), (true, true));
        assert_eq!(folder("Inbox/Plans/"), (true, false));
        assert_eq!(folder("Exchange/a@x/Inbox"), (true, false));
        assert_eq!(folder("On My Computer"), (false, true));
        assert_eq!(folder("Inb"), (false, false));
        let item = |item: &str| both(&Selection { items: vec![item.to_owned()], ..Selection::default() });
        assert_eq!(item("1.a"), (true, false));
        assert_eq!(item("1.a:2,S"), (true, false));
        assert_eq!(item("On My Computer/Inbox/cur/2:2,"), (false, true));
        assert_eq!(both(&Selection { id: Some("m@x".to_owned()), ..Selection::default() }), (true, false));
        assert_eq!(both(&Selection { since: Some(UnixTime(150)), ..Selection::default() }), (false, true));
        assert_eq!(both(&Selection { only_local: true, ..Selection::default() }), (false, true));
    }
}
