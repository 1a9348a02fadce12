//! Reading a tree that lives: listed again and again until a listing shows nothing new.
//!
//! A message whose file vanished between its listing and its reading was renamed, moved or removed. Where it was renamed or moved, a later
//! listing shows it: by its key in the same folder, or as something that was not met before in another one. Only what no listing shows any
//! more is gone.
//!
//! A listing can miss a file that is renamed while its directory is read. So one that shows nothing new is only believed when no directory
//! changed meanwhile, as their times tell; where they cannot tell, it takes several in a row.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{Dir, FileType};

use super::archive::{FRAME_BYTES, Large, New, Times};
use super::classify::classify;
use super::earlier::{Earlier, TICK_NS};
use super::manifest::{Entry, Hash, Kind, shortened};
use super::path::Key;
use super::sink::Sink;
use super::{BackupError, ItemPath, Location};
use crate::local::platform::{self, Kind as Sort, Looked};
use crate::pim::UnixTime;

/// A tree that does not come to rest within so many listings is archived as it is, and that is told.
const MOST_LISTINGS: usize = 30;

/// So many listings in a row that show nothing new end the cut of a tree that never holds still. Each misses a given file with a chance of
/// a few per cent at most.
const FRUITLESS_LISTINGS: usize = 5;

/// A file that is being rewritten in place gets so many chances to hold still.
const TRIES: usize = 3;

/// So much of a large file is looked at for its kind and id.
const HEAD_BYTES: u64 = 64 * 1024;

/// What belongs to `state.db`, which is copied in another way.
const STATE: [&[u8]; 4] = [b"state.db", b"state.db-wal", b"state.db-shm", b"state.db-journal"];

/// What was met in the tree besides what is in the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CutReport {
    /// What could not be read: it is not in the archive.
    pub unread: Vec<Unread>,
    /// Links, sockets, pipes and devices: they are never followed or opened, and not in the archive.
    pub left_alone: Vec<ItemPath>,
    /// How often the tree was listed.
    pub listings: usize,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Where it lies; `None`: its path cannot be told.
    pub path: Option<ItemPath>,
    /// Why it could not.
    pub reason: String,
}

/// Archives everything below `database` but `state.db`. `present` is what a first listing showed.
///
/// # Errors
/// Those of the archive that is written, and that `database` itself cannot be listed. What else cannot be read is in the report.
pub(super) fn cut<S: Sink>(
    database: &Path,
    sink: &mut S,
    target: &Location,
    began: UnixTime,
    mut present: Listing,
) -> Result<CutReport, BackupError> {
    let settled_before = began.0.saturating_mul(1_000_000_000).saturating_sub(TICK_NS);
    let mut cut = Cut {
        database,
        sink,
        target,
        settled_before,
        met: HashSet::new(),
        twins: HashSet::new(),
        failed: HashMap::new(),
        report: CutReport::default(),
    };
    let mut fruitless = 0;
    loop {
        cut.report.listings += 1;
        let fresh = cut.take_in(&present)?;
        fruitless = if fresh { 0 } else { fruitless + 1 };
        if fruitless >= FRUITLESS_LISTINGS || (fruitless > 0 && cut.held_still(&present)) {
            break;
        }
        if cut.report.listings == MOST_LISTINGS {
            let reason = format!("the directory did not hold still within {MOST_LISTINGS} listings");
            cut.report.unread.push(Unread { path: None, reason });
            break;
        }
        let state = present.state;
        // Not two at a time: each is as large as the tree.
        drop(present);
        present = Listing::of(database, state)?;
    }
    cut.unlist_moved(&present)?;
    cut.unlist_renamed(&present)?;
    cut.report.unread.extend(cut.failed.into_values());
    cut.report.unread.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(cut.report)
}

/// What `state.db` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// An engine may write it: it is copied in another way.
    #[default]
    ADatabase,
    /// A file like any other.
    AFile,
}

/// What a listing of the whole tree shows.
#[derive(Default)]
pub(super) struct Listing {
    directories: Vec<ItemPath>,
    files: Vec<ItemPath>,
    /// The files' keys.
    keys: Vec<Key>,
    odd: Vec<ItemPath>,
    unread: Vec<Unread>,
    /// What is left out at the top.
    state: State,
    /// The times of each directory before it was listed.
    times: Vec<Option<(i64, i64)>>,
    /// What was seen of each file when it was looked at after the listing; empty where none was.
    looked: Vec<Option<Looked>>,
}

impl Listing {
    /// Lists everything below `database`, but for what belongs to `state.db` where that is copied in another way.
    ///
    /// # Errors
    /// That `database` itself cannot be listed.
    pub(super) fn of(database: &Path, state: State) -> Result<Self, BackupError> {
        let mut found = Self { state, ..Self::default() };
        let names = list(database).map_err(|error| BackupError::io("list", database, error))?;
        let is_meant = |name: &[u8]| state == State::AFile || !STATE.contains(&name);
        let names = names.into_iter().filter(|(name, _)| is_meant(name)).collect();
        sort_out(names, &ItemPath::new, &mut found);
        let mut next = 0;
        while let Some(dir) = found.directories.get(next).cloned() {
            next += 1;
            found.times.push(times(database, &dir));
            match list(&dir.under(database)) {
                Ok(names) => sort_out(names, &|name| dir.child(name), &mut found),
                // Moved or removed meanwhile: a later listing shows it where it is.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    found.unread.push(Unread { path: Some(dir), reason: error.to_string() });
                }
            }
        }
        found.keys = found.files.iter().map(ItemPath::key).collect();
        Ok(found)
    }

    /// How many files and directories there are.
    pub(super) fn len(&self) -> usize {
        self.directories.len() + self.files.len()
    }

    /// The keys that several files have.
    fn twins(&self) -> HashSet<Key> {
        let mut keys = HashSet::new();
        self.keys.iter().copied().filter(|key| !keys.insert(*key)).collect()
    }

    /// Looks at each file, and answers whether more than half of the bytes are probably in no earlier archive.
    pub(super) fn is_mostly_new(&mut self, database: &Path, earlier: &Earlier) -> bool {
        let look = |path: &ItemPath| platform::look(&path.under(database)).ok().flatten();
        self.looked = self.files.iter().map(look).collect();
        let (mut all, mut new) = (0_u64, 0_u64);
        for (key, looked) in self.keys.iter().zip(&self.looked) {
            let Some(looked) = looked else { continue };
            all = all.saturating_add(looked.stat.len);
            if !earlier.resembles(key, looked) {
                new = new.saturating_add(looked.stat.len);
            }
        }
        new > all / 2
    }
}

fn times(database: &Path, dir: &ItemPath) -> Option<(i64, i64)> {
    platform::look(&dir.under(database)).ok().flatten().map(|looked| (looked.stat.mtime_ns, looked.ctime_ns))
}

struct Cut<'a, S> {
    database: &'a Path,
    sink: &'a mut S,
    target: &'a Location,
    /// A directory that changed after this may have changed again unseen.
    settled_before: i64,
    /// What is in the archive.
    met: HashSet<Key>,
    /// The keys that several files had.
    twins: HashSet<Key>,
    /// What could not be read so far.
    failed: HashMap<Key, Unread>,
    report: CutReport,
}

/// How the reading of a file ended.
enum Reading {
    Done,
    Vanished,
    Failed(String),
}

impl<S: Sink> Cut<'_, S> {
    /// Whether no directory changed while the tree was listed.
    fn held_still(&self, found: &Listing) -> bool {
        found.directories.iter().zip(&found.times).all(|(dir, before)| {
            let settled = before.is_some_and(|(mtime, ctime)| mtime.max(ctime) < self.settled_before);
            settled && times(self.database, dir) == *before
        })
    }

    /// Archives what was not met before. Answers whether there was anything.
    fn take_in(&mut self, found: &Listing) -> Result<bool, BackupError> {
        let mut fresh = false;
        self.failed.clear();
        for unread in &found.unread {
            let key = Key::of(unread.reason.as_bytes());
            self.failed.insert(unread.path.as_ref().map_or(key, ItemPath::key), unread.clone());
        }
        self.report.left_alone.clone_from(&found.odd);
        for path in &found.directories {
            if self.met.insert(path.key()) {
                fresh = true;
                self.add_directory(path)?;
            }
        }
        let twins = found.twins();
        self.twins.extend(&twins);
        let listed = if twins.is_empty() { HashSet::new() } else { self.listed() };
        for (place, (path, key)) in found.files.iter().zip(&found.keys).enumerate() {
            let key = *key;
            // Two files with the same key are two items, though their names break the rules.
            let is_twin = twins.contains(&key);
            let is_met = if is_twin { listed.contains(&Key::of(path.as_bytes())) } else { self.met.contains(&key) };
            if is_met {
                continue;
            }
            match self.add_file(path, key, found.looked.get(place).copied().flatten())? {
                Reading::Done => {
                    self.met.insert(key);
                    fresh = true;
                }
                Reading::Vanished => fresh = true,
                Reading::Failed(reason) => {
                    self.failed.insert(key, Unread { path: Some(path.clone()), reason });
                }
            }
        }
        Ok(fresh)
    }

    /// What is in the archive, by whole paths.
    fn listed(&self) -> HashSet<Key> {
        self.sink.entries().iter().map(|entry| Key::of(entry.path.as_bytes())).collect()
    }

    fn add_directory(&mut self, path: &ItemPath) -> Result<(), BackupError> {
        let looked = platform::look(&path.under(self.database)).ok().flatten();
        let times = looked.map_or_else(Times::default, |looked| Times::of(&looked));
        let new = New { path: path.clone(), kind: Kind::Directory, id: None, times };
        self.sink.add_directory(new).map_err(|error| BackupError::io("write", self.target, error))
    }

    /// `looked` is what was seen of the file after it was listed; it is as good as what is seen now, since a later change is for the next backup.
    fn add_file(&mut self, path: &ItemPath, key: Key, looked: Option<Looked>) -> Result<Reading, BackupError> {
        let look = || platform::look(&path.under(self.database)).ok().flatten();
        if self.sink.takes_unread()
            && let Some(looked) = looked.or_else(look)
            && looked.kind == Sort::File
            && self
                .sink
                .add_unread(path, &key, &looked)
                .map_err(|error| BackupError::io("write", self.target, error))?
        {
            return Ok(Reading::Done);
        }
        for _ in 0..TRIES {
            let mut file = match platform::open_file(&path.under(self.database)) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Reading::Vanished),
                Err(error) => return Ok(Reading::Failed(error.to_string())),
            };
            let before = match platform::stat_file(&file) {
                Ok(looked) if looked.kind == Sort::File => looked,
                Ok(_) => return Ok(Reading::Failed("it is no regular file any more".to_owned())),
                Err(error) => return Ok(Reading::Failed(error.to_string())),
            };
            let added = if before.stat.len <= FRAME_BYTES as u64 {
                self.add_small(path, &mut file, &before)?
            } else {
                self.add_large(path, &mut file, &before)?
            };
            if let Some(reading) = added {
                return Ok(reading);
            }
        }
        Ok(Reading::Failed("it was being rewritten each time that it was read".to_owned()))
    }

    /// `None`: the file changed while it was read.
    fn add_small(
        &mut self,
        path: &ItemPath,
        file: &mut std::fs::File,
        before: &Looked,
    ) -> Result<Option<Reading>, BackupError> {
        let mut content = Vec::with_capacity(usize::try_from(before.stat.len + 1).unwrap_or(0));
        if let Err(error) = file.take(FRAME_BYTES as u64 + 1).read_to_end(&mut content) {
            return Ok(Some(Reading::Failed(error.to_string())));
        }
        if !is_unchanged(file, before) || content.len() as u64 != before.stat.len {
            return Ok(None);
        }
        let new = new(path, before, &content);
        self.sink.add(new, &content).map_err(|error| BackupError::io("write", self.target, error))?;
        Ok(Some(Reading::Done))
    }

    /// As [`Self::add_small`], but the content is not held whole: what was written of a file that changed is taken back.
    fn add_large(
        &mut self,
        path: &ItemPath,
        file: &mut std::fs::File,
        before: &Looked,
    ) -> Result<Option<Reading>, BackupError> {
        let mut head = Vec::new();
        if let Err(error) = file.take(HEAD_BYTES).read_to_end(&mut head).and_then(|_| file.rewind()) {
            return Ok(Some(Reading::Failed(error.to_string())));
        }
        let mut source = Source { file, failed: None };
        let added = self.sink.add_large(new(path, before, &head), before.stat.len, &mut source);
        let failed = source.failed.take();
        let added = added.map_err(|error| BackupError::io("write", self.target, error))?;
        if let Some(error) = failed {
            return Ok(Some(Reading::Failed(error.to_string())));
        }
        if added == Large::Shrunk {
            return Ok(None);
        }
        if !is_unchanged(file, before) {
            self.unlist(&|entry| entry.path == *path)?;
            return Ok(None);
        }
        Ok(Some(Reading::Done))
    }

    /// Whether what was met is what is there now: all of that was met, and there is as much of it.
    fn has_only(&self, present: &Listing) -> bool {
        let is_listed = |entry: &&Entry| {
            entry.kind != Kind::Directory && (present.state == State::AFile || entry.kind != Kind::State)
        };
        self.twins.is_empty()
            && self.failed.is_empty()
            && present.keys.iter().all(|key| self.met.contains(key))
            && self.sink.entries().iter().filter(is_listed).count() == present.files.len()
    }

    /// A message that was moved while the tree was read was met in both places. It is listed in the one where it ended, unless it is not
    /// there as it was.
    fn unlist_moved(&mut self, present: &Listing) -> Result<(), BackupError> {
        if self.has_only(present) {
            return Ok(());
        }
        let there: HashSet<Key> = present.files.iter().map(ItemPath::key).collect();
        let kept: HashSet<Hash> = self
            .sink
            .entries()
            .iter()
            .filter(|entry| there.contains(&entry.path.key()))
            .map(|entry| entry.hash)
            .collect();
        self.unlist(&|entry| {
            entry.kind == Kind::Message && !there.contains(&entry.path.key()) && kept.contains(&entry.hash)
        })
    }

    fn unlist(&mut self, is_unwanted: &dyn Fn(&Entry) -> bool) -> Result<(), BackupError> {
        self.sink.unlist(is_unwanted).map_err(|error| BackupError::io("write", self.target, error))
    }

    /// A message that was renamed while its directory was listed can be met under both names, as two of the same key. It is listed under the one
    /// that it has in the end.
    fn unlist_renamed(&mut self, present: &Listing) -> Result<(), BackupError> {
        if self.twins.is_empty() {
            return Ok(());
        }
        let twins = std::mem::take(&mut self.twins);
        let there: HashSet<&ItemPath> = present.files.iter().filter(|path| twins.contains(&path.key())).collect();
        let mut entries: Vec<&Entry> =
            self.sink.entries().iter().filter(|entry| twins.contains(&entry.path.key())).collect();
        entries.sort_by_key(|entry| !there.contains(&entry.path));
        let mut kept = HashSet::new();
        let surplus: HashSet<ItemPath> = entries
            .into_iter()
            .filter(|entry| !kept.insert((entry.path.key(), entry.hash)) && !there.contains(&entry.path))
            .map(|entry| entry.path.clone())
            .collect();
        self.unlist(&|entry| surplus.contains(&entry.path))
    }
}

/// A file that is read while it is archived. An error of its own must not be taken for one of the archive.
struct Source<'f> {
    file: &'f mut std::fs::File,
    failed: Option<io::Error>,
}

impl io::Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.file.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                // The archive sees a file that ended too early, and takes it back.
                self.failed = Some(error);
                Ok(0)
            }
            read => read,
        }
    }
}

fn new(path: &ItemPath, looked: &Looked, head: &[u8]) -> New {
    let (kind, id) = classify(path, head);
    let id = id.map(|id| shortened(&id));
    New { path: path.clone(), kind, id, times: Times::of(looked) }
}

fn is_unchanged(file: &std::fs::File, before: &Looked) -> bool {
    platform::stat_file(file).is_ok_and(|after| after.stat == before.stat)
}

type Names = Vec<(Vec<u8>, Sort)>;

/// A directory's entries, sorted, hidden ones too. What vanishes meanwhile is left out.
fn list(path: &Path) -> io::Result<Names> {
    let mut dir = Dir::new(platform::open_dir(path)?)?;
    let mut names = Names::new();
    while let Some(entry) = dir.read() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let sort = match entry.file_type() {
            FileType::Unknown => match platform::look(&path.join(OsStr::from_bytes(name)))? {
                Some(found) => found.kind,
                None => continue,
            },
            known => platform::kind(known),
        };
        names.push((name.to_owned(), sort));
    }
    names.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(names)
}

fn sort_out(names: Names, path: &dyn Fn(&[u8]) -> Result<ItemPath, &'static str>, found: &mut Listing) {
    for (name, sort) in names {
        match (path(&name), sort) {
            (Ok(path), Sort::Dir) => found.directories.push(path),
            (Ok(path), Sort::File) => found.files.push(path),
            (Ok(path), Sort::Link | Sort::Special) => found.odd.push(path),
            (Err(reason), _) => {
                let reason = format!("{}: {reason}", String::from_utf8_lossy(&name));
                found.unread.push(Unread { path: None, reason });
            }
        }
    }
}
