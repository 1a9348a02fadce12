//! A cut as a directory, for another backup program to read: messages as links or clones of the files that are there, anything else as copies.

use std::fs::{self, File, FileTimes};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::archive::{Hashed, Large, New, Times};
use super::cut::{Listing, cut};
use super::manifest::{Entry, Hash, Kind, Place};
use super::path::Key;
use super::restore::time;
use super::sink::Sink;
use super::take::{Source, add_state};
use super::{Alarm, BackupError, CutReport, ItemPath, check};
use crate::identity::files;
use crate::local::platform::{self, Looked};
use crate::pim::{Digest, UnixTime};
use crate::state::State;

/// A cut that lies in a directory, as long as this lives.
#[derive(Debug)]
pub struct Staged {
    dir: PathBuf,
    /// Whether the directory was made for it.
    made: bool,
    /// Names it as long as something is in it.
    record: PathBuf,
    /// Items in it.
    pub items: u64,
    /// Files in it.
    pub files: u64,
    /// What was met in the tree besides.
    pub report: CutReport,
    /// What the identity has lost since its last sync.
    pub alarms: Vec<Alarm>,
}

/// Lays a cut of the directory out in `dir`, which must not exist, or be empty. It is gone when the result is dropped; what a run that was killed has
/// left there, `record` tells, and it is cleared by the next one.
///
/// # Errors
/// [`BackupError::Taken`], and what cannot be read or written.
pub fn stage(source: &Source, dir: &Path, record: &Path, now: UnixTime) -> Result<Staged, BackupError> {
    let dir = &std::path::absolute(dir).map_err(|error| BackupError::io("use", dir, error))?;
    let was_left = fs::read(record).is_ok_and(|left| left == dir.as_os_str().as_bytes());
    if was_left && holds_only_what_is_in(dir, source.database()) {
        clear(dir).map_err(|error| BackupError::io("clear", dir, error))?;
    }
    let made = begin(dir)?;
    files::write(record, dir.as_os_str().as_bytes()).map_err(|error| BackupError::io("write", record, error))?;
    let mut staged = Staged {
        dir: dir.to_owned(),
        made,
        record: record.to_owned(),
        items: 0,
        files: 0,
        report: CutReport::default(),
        alarms: Vec::new(),
    };
    let (database, state) = (source.database(), source.state());
    let mut tree = Tree { database: database.to_owned(), dir: dir.to_owned(), entries: Vec::new() };
    let listing = Listing::of(database, source.state_kind())?;
    if let Some(state) = state {
        add_state(state, source.scratch(), &mut tree, &dir.as_path().into())?;
    }
    staged.report = cut(database, &mut tree, &dir.as_path().into(), now, listing)?;
    if let Some(state) = state {
        let read = |entry: &Entry| tree.digest(entry);
        let contents = check::Contents::Unread(&read);
        staged.alarms = check::check(&State::open_to_read(state)?, database, &tree.entries, &contents)?;
    }
    staged.files = tree.entries.iter().filter(|entry| entry.kind != Kind::Directory).count() as u64;
    staged.items = tree.entries.iter().filter(|entry| entry.kind.is_item()).count() as u64;
    Ok(staged)
}

/// Makes the directory, unless an empty one is there.
fn begin(dir: &Path) -> Result<bool, BackupError> {
    let failed = |error| BackupError::io("create", dir, error);
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(false),
            Some(_) => Err(BackupError::Taken { path: dir.to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            platform::create_dir(dir).map(|_| true).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

impl Staged {
    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // What cannot be removed stays, and is for the next run.
        if clear(&self.dir).is_ok() {
            let _ = fs::remove_file(&self.record);
        }
        if self.made {
            let _ = fs::remove_dir(&self.dir);
        }
    }
}

/// Whether a cut may have left everything that is in the directory, and nobody has put anything else there since.
fn holds_only_what_is_in(dir: &Path, database: &Path) -> bool {
    let names = fs::read_dir(dir).into_iter().flatten();
    names.flatten().all(|entry| database.join(entry.file_name()).symlink_metadata().is_ok())
}

/// Removes what is in a directory.
fn clear(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}

struct Tree {
    database: PathBuf,
    dir: PathBuf,
    entries: Vec<Entry>,
}

impl Tree {
    /// What a message's file holds; `None` where it cannot be read.
    fn digest(&self, entry: &Entry) -> Option<Digest> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(entry.path.under(&self.dir)).ok()?).ok()?;
        Some(check::digest(&hasher.finalize()))
    }

    /// Where a file comes, in a directory that is there.
    fn place(&self, path: &ItemPath) -> io::Result<PathBuf> {
        let place = path.under(&self.dir);
        let above: Vec<&Path> = place.ancestors().skip(1).take_while(|above| *above != self.dir).collect();
        for above in above.into_iter().rev() {
            platform::create_dir(above)?;
        }
        Ok(place)
    }

    fn list(&mut self, new: New, size: u64, hash: Hash) {
        let New { path, kind, id, times: Times { mtime_ns, inode, ctime_ns } } = new;
        let place = Place { archive: 0, frame: 0, offset: 0 };
        self.entries.push(Entry { path, kind, id, size, mtime_ns, inode, ctime_ns, hash, place });
    }

    /// Makes a clone of a file or, where the file system has none, another name for it.
    fn link(&self, path: &ItemPath, looked: &Looked) -> io::Result<bool> {
        let (from, to) = (path.under(&self.database), self.place(path)?);
        if clone(&from, &to, looked)? {
            return Ok(true);
        }
        if fs::hard_link(&from, &to).is_err() {
            return Ok(false);
        }
        let same = platform::look(&to)?.is_some_and(|found| found.id == looked.id && found.kind == looked.kind);
        if !same {
            fs::remove_file(&to)?;
        }
        Ok(same)
    }
}

#[cfg(target_os = "linux")]
fn clone(from: &Path, to: &Path, looked: &Looked) -> io::Result<bool> {
    let Ok(source) = platform::open_file(from) else { return Ok(false) };
    let file = platform::create_new(to)?;
    if rustix::fs::ioctl_ficlone(&file, &source).is_ok() && file.metadata()?.len() == looked.stat.len {
        file.set_times(FileTimes::new().set_modified(time(looked.stat.mtime_ns)))?;
        return Ok(true);
    }
    fs::remove_file(to)?;
    Ok(false)
}

#[cfg(not(target_os = "linux"))]
fn clone(_from: &Path, _to: &Path, _looked: &Looked) -> io::Result<bool> {
    Ok(false)
}

impl Sink for Tree {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn unlist(&mut self, is_unwanted: &dyn Fn(&Entry) -> bool) -> io::Result<()> {
        let (unwanted, wanted) = std::mem::take(&mut self.entries).into_iter().partition(is_unwanted);
        self.entries = wanted;
        let unwanted: Vec<Entry> = unwanted;
        unwanted.iter().try_for_each(|entry| fs::remove_file(entry.path.under(&self.dir)))
    }

    fn add_directory(&mut self, new: New) -> io::Result<()> {
        platform::create_dir(&self.place(&new.path)?)?;
        self.list(new, 0, blake3::hash(b""));
        Ok(())
    }

    fn takes_unread(&self) -> bool {
        true
    }

    fn add_unread(&mut self, path: &ItemPath, _key: &Key, looked: &Looked) -> io::Result<bool> {
        if path.message().is_none() || !self.link(path, looked)? {
            return Ok(false);
        }
        // It is not read. A file that is moved is the same file.
        let hash = blake3::hash(&[looked.id.dev.to_le_bytes(), looked.id.ino.to_le_bytes()].concat());
        let new = New { path: path.clone(), kind: Kind::Message, id: None, times: Times::of(looked) };
        self.list(new, looked.stat.len, hash);
        Ok(true)
    }

    fn add(&mut self, new: New, content: &[u8]) -> io::Result<()> {
        self.add_large(new, content.len() as u64, &mut &*content).map(drop)
    }

    fn add_large(&mut self, new: New, size: u64, content: &mut dyn Read) -> io::Result<Large> {
        let place = self.place(&new.path)?;
        let mut file = platform::create_new(&place)?;
        let mut content = Hashed::new(content.take(size));
        if io::copy(&mut content, &mut file)? != size {
            fs::remove_file(&place)?;
            return Ok(Large::Shrunk);
        }
        file.set_times(FileTimes::new().set_modified(time(new.times.mtime_ns)))?;
        self.list(new, size, content.hash());
        Ok(Large::Added)
    }
}
