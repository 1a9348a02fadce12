//! Entries as files: one contact, event, note or task a file, in a plain directory that other programs write, too (the vdir convention).
//!
//! Nothing is overwritten unseen. A file is replaced by letting it change places with the new content, which lies durable beside it; one that is to
//! go is taken aside first. What came out is looked at before it is dropped: an edit of another program in that instant goes back. Both places are
//! hidden, so that such programs pass over them, and say enough for the next run to put right what a crash left:
//!
//! | in the directory | what it is | what becomes of it |
//! |---|---|---|
//! | `.pimsync.new.N` | a file that was being written | removed: its source still has it |
//! | `.pimsync.aside/NAME` | an entry that was to be removed | put back: whether it may go is decided anew |
//! | `.pimsync.swap.OLD.NEW/NAME` | one of the two contents of an entry that was being replaced | removed when its digest is OLD or NEW; anything else was somebody's edit, and becomes an entry |

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::disk::{look, make_dir, sync};
use super::leftovers::hex;
use super::on_my_computer::LOCAL;
use super::platform::{self, Kind};
use super::scan::{digest_at, list, open_at};
use super::stamp::is_settled;
use super::{Changed, FileStat, FolderDir, Leftovers, LocalError, MailTree, Moved, Problem, ProblemKind, foldername};
use crate::pim::Digest;

/// Bytes of a file; what is larger is no entry that anybody wrote.
pub const MAX_ENTRY: u64 = 64 << 20;

/// New files have no directory of their own: making and removing one for each batch makes ext4 slow at making files.
const NEW: &str = ".pimsync.new.";
const ASIDE: &str = ".pimsync.aside";
const SWAP: &str = ".pimsync.swap.";

/// What a listing of a folder's entries found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryListing {
    /// The files by their names, with their sizes and times. `None` for one that was changed so recently that another change could leave the same time.
    pub files: Vec<(String, FileStat, Settled)>,
    /// Nothing was added, removed or renamed while it was read: what was not listed is not there.
    pub stable: bool,
    /// Names of entries under which something else than a file lies: those cannot be read, but are not gone.
    pub held: BTreeSet<String>,
    /// What was met that is no entry.
    pub problems: Vec<Problem>,
}

/// Whether a file's size and time tell that it did not change since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Any later change leaves another time.
    Yes,
    /// It was changed a moment ago: a further change may leave the same time.
    NotYet,
}

/// An entry's file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryContent {
    /// All of it.
    Bytes(Bytes),
    /// It has so many bytes, more than [`MAX_ENTRY`].
    TooLarge(u64),
    /// It is not there any more.
    Vanished,
}

/// An entry to be written.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The name that it would like, without what makes it a name of its kind; any text.
    pub stem: String,
    /// What names of its kind end in, such as `.vcf`.
    pub extension: &'static str,
    /// Its content.
    pub content: Vec<u8>,
}

/// The hash by which contents are compared.
pub fn digest_of(content: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(content);
    Digest::of(&hasher)
}

/// Whether a file of that name is an entry of that kind.
fn is_entry(name: &[u8], extension: &str) -> bool {
    let end = name.len().saturating_sub(extension.len());
    end > 0 && name.get(end..).is_some_and(|end| end.eq_ignore_ascii_case(extension.as_bytes()))
}

impl MailTree {
    pub(super) fn list_vdir(&self, dir: &FolderDir, extension: &str) -> Result<EntryListing, LocalError> {
        let path = self.folder_path(dir);
        let now = self.clock.wall();
        let gone = || LocalError::FolderGone { path: path.clone() };
        let before = look(&path)?.ok_or_else(gone)?;
        let mut listing = EntryListing { stable: true, ..EntryListing::default() };
        let mut names = Vec::new();
        let problem = |name: &[u8], kind| Problem { dir: dir.clone(), path: path.join(super::disk::as_os(name)), kind };
        let listed = list(&path, false, &mut |entry| {
            if !is_entry(entry.name, extension) {
                return;
            }
            let name = match (std::str::from_utf8(entry.name), entry.kind) {
                (Ok(name), _) => name,
                (Err(_), Kind::Dir) => return,
                (Err(_), _) => return listing.problems.push(problem(entry.name, ProblemKind::NotUtf8)),
            };
            match entry.kind {
                Kind::File => names.push(name.to_owned()),
                Kind::Dir => drop(listing.held.insert(name.to_owned())),
                Kind::Link | Kind::Special => {
                    let kind = if entry.kind == Kind::Link { ProblemKind::Symlink } else { ProblemKind::Special };
                    listing.problems.push(problem(entry.name, kind));
                    listing.held.insert(name.to_owned());
                }
            }
        });
        listed.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => gone(),
            _ => LocalError::io("list", &path, error),
        })?;
        names.sort();
        for name in names {
            match look(&path.join(&name))? {
                Some(found) => {
                    let settled = is_settled(found.stat.mtime_ns.max(found.ctime_ns), now);
                    listing.files.push((name, found.stat, if settled { Settled::Yes } else { Settled::NotYet }));
                }
                None => listing.stable = false,
            }
        }
        let after = look(&path)?.ok_or_else(gone)?;
        let times = |looked: &platform::Looked| (looked.id, looked.stat.mtime_ns, looked.ctime_ns);
        listing.stable &= times(&before) == times(&after);
        if listing.stable && !is_settled(before.stat.mtime_ns, now) {
            // A change within the clock's tick leaves the same time: a second look tells.
            let mut again = BTreeSet::new();
            list(&path, false, &mut |entry| {
                if entry.kind == Kind::File && is_entry(entry.name, extension) {
                    again.insert(entry.name.to_owned());
                }
            })
            .map_err(|error| LocalError::io("list", &path, error))?;
            let utf8 = again.iter().filter_map(|name| std::str::from_utf8(name).ok());
            listing.stable = utf8.eq(listing.files.iter().map(|(name, ..)| name.as_str()));
        }
        Ok(listing)
    }

    fn entry_path(&self, dir: &FolderDir, name: &str) -> PathBuf {
        self.folder_path(dir).join(name)
    }

    pub(super) fn stat_in_vdir(&self, dir: &FolderDir, name: &str) -> Result<Option<FileStat>, LocalError> {
        Ok(look(&self.entry_path(dir, name))?.map(|found| found.stat))
    }

    pub(super) fn read_vdir_entry(&self, dir: &FolderDir, name: &str) -> Result<EntryContent, LocalError> {
        let path = self.entry_path(dir, name);
        let io = |error| LocalError::io("read", &path, error);
        let Some(file) = open_at(&path)? else { return Ok(EntryContent::Vanished) };
        let mut bytes = Vec::new();
        file.take(MAX_ENTRY + 1).read_to_end(&mut bytes).map_err(io)?;
        let read = bytes.len() as u64;
        Ok(if read > MAX_ENTRY { EntryContent::TooLarge(read) } else { EntryContent::Bytes(bytes.into()) })
    }

    pub(super) fn create_in_vdir(
        &self,
        dir: &FolderDir,
        entries: &[NewEntry],
    ) -> Result<Vec<(String, FileStat)>, LocalError> {
        let path = self.folder_path(dir);
        let mut taken = self.taken.of(&path)?;
        let created = create_in(&path, entries, &mut taken)?;
        self.taken.keep(&path, taken)?;
        Ok(created)
    }

    pub(super) fn replace_in_vdir(
        &self,
        dir: &FolderDir,
        name: &str,
        expect: Digest,
        content: &[u8],
    ) -> Result<Changed, LocalError> {
        replace_in(&self.folder_path(dir), OsStr::new(name), expect, content)
    }

    pub(super) fn remove_from_vdir(&self, dir: &FolderDir, name: &str, expect: Digest) -> Result<Changed, LocalError> {
        remove_from(&self.folder_path(dir), OsStr::new(name), expect)
    }

    pub(super) fn move_between_vdirs(
        &self,
        from_dir: &FolderDir,
        name: &str,
        to_dir: &FolderDir,
    ) -> Result<(Moved, String), LocalError> {
        let (from, folder) = (self.entry_path(from_dir, name), self.folder_path(to_dir));
        let mut taken = self.taken.of(&folder)?;
        let (stem, extension) =
            name.rsplit_once('.').map_or((name, ""), |(stem, _)| (stem, name.get(stem.len()..).unwrap_or_default()));
        loop {
            let new = free_name(stem, extension, &taken);
            match platform::rename_new(&from, &folder.join(&new)) {
                Ok(()) => {
                    taken.insert(foldername::twin_key(&new));
                    self.taken.keep(&folder, taken)?;
                    sync(&folder)?;
                    sync(&self.folder_path(from_dir))?;
                    return Ok((Moved::Done, new));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    taken.insert(foldername::twin_key(&new));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Moved::Vanished, new)),
                Err(error) => return Err(LocalError::io("move", &from, error)),
            }
        }
    }

    /// Copies an entry durably to the local folder *Conflicts*, under a name that says where it is from.
    pub(super) fn copy_vdir_conflict(&self, dir: &FolderDir, name: &str) -> Result<Option<PathBuf>, LocalError> {
        let content = match self.read_vdir_entry(dir, name)? {
            EntryContent::Bytes(content) => content,
            EntryContent::TooLarge(_) => return Err(LocalError::NotAFile { path: self.entry_path(dir, name) }),
            EntryContent::Vanished => return Ok(None),
        };
        let conflicts = self.conflicts_path();
        make_dir(&self.database.join(LOCAL))?;
        make_dir(&conflicts)?;
        let account = self.account.file_name().unwrap_or_default().to_string_lossy();
        let origin = foldername::encode(&format!("{account} {dir}"), &|_| false).name;
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let digest = hex(digest_of(&content));
        let short: String = stem.chars().take(60).collect();
        let origin: String = origin.chars().take(60).collect();
        let copy = conflicts.join(format!("{short} ({origin} {}).{extension}", digest.get(..8).unwrap_or_default()));
        if look(&copy)?.is_none() {
            let staged = conflicts.join(format!(".pimsync.{digest}"));
            remove_file(&staged)?;
            write_durably(&staged, &content)?;
            platform::rename_new(&staged, &copy).map_err(|error| LocalError::io("write", &copy, error))?;
            [conflicts.as_path(), &self.database.join(LOCAL), &self.database].into_iter().try_for_each(sync)?;
        }
        Ok(Some(copy.strip_prefix(&self.database).map(Path::to_owned).unwrap_or(copy)))
    }
}

/// Writes new files, beside those that are there; durable. Returns their names and stats.
pub(super) fn create_in(
    path: &Path,
    entries: &[NewEntry],
    taken: &mut BTreeSet<String>,
) -> Result<Vec<(String, FileStat)>, LocalError> {
    let mut staged = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        staged.push(stage(path, number, &entry.content)?);
    }
    let paths: Vec<&Path> = staged.iter().map(PathBuf::as_path).collect();
    platform::sync_all(&paths, path).map_err(|error| LocalError::io("write", path, error))?;
    let mut names = Vec::new();
    for (staged, entry) in staged.iter().zip(entries) {
        let stat = look(staged)?.ok_or_else(|| LocalError::FolderGone { path: path.to_owned() })?.stat;
        names.push((give_name(path, staged, entry, taken)?, stat));
    }
    sync(path)?;
    Ok(names)
}

/// Replaces the content of a file that still has the expected one; durable.
pub(super) fn replace_in(folder: &Path, name: &OsStr, expect: Digest, content: &[u8]) -> Result<Changed, LocalError> {
    let path = folder.join(name);
    match digest_at(&path)? {
        Some((found, _)) if found == expect => {}
        Some(_) => return Ok(Changed::ChangedMeanwhile),
        None => return Ok(Changed::Vanished),
    }
    let new = digest_of(content);
    let swap_dir = folder.join(format!("{SWAP}{}.{}", hex(expect), hex(new)));
    let swap = swap_dir.join(name);
    make_dir(&swap_dir)?;
    // An earlier try may have been interrupted.
    clear_swap(folder, &swap_dir, &mut Leftovers::default())?;
    // Written elsewhere first: what is cut off there is removed, and what lies here and is neither of the two is somebody's.
    let staged = folder.join(format!("{NEW}swap"));
    remove_file(&staged)?;
    write_durably(&staged, content)?;
    make_dir(&swap_dir)?;
    platform::rename_new(&staged, &swap).map_err(|error| LocalError::io("write", &swap, error))?;
    sync(&swap_dir)?;
    sync(folder)?;
    let done = match platform::exchange(&swap, &path) {
        Ok(true) => verify_swap(folder, &path, &swap, (expect, new))?,
        Ok(false) => replace_slowly(folder, name, &swap, expect)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Changed::Vanished,
        Err(error) => return Err(LocalError::io("replace", &path, error)),
    };
    sync(folder)?;
    // Whatever lies there now is one of the two contents that are safe elsewhere.
    remove_file(&swap)?;
    drop(fs::remove_dir(&swap_dir));
    Ok(done)
}

/// For file systems on which files cannot change places: for an instant there is no file of that name.
fn replace_slowly(folder: &Path, name: &OsStr, swap: &Path, expect: Digest) -> Result<Changed, LocalError> {
    let path = folder.join(name);
    let Some(aside) = take_aside(folder, name)? else { return Ok(Changed::Vanished) };
    if digest_at(&aside)?.is_some_and(|(got, _)| got != expect) {
        put_back(folder, &aside, name)?;
        return Ok(Changed::ChangedMeanwhile);
    }
    match platform::rename_new(swap, &path) {
        Ok(()) => {}
        // Somebody wrote a new file of that name: theirs stays.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            remove_file(&aside)?;
            return Ok(Changed::ChangedMeanwhile);
        }
        Err(error) => {
            put_back(folder, &aside, name)?;
            return Err(LocalError::io("replace", &path, error));
        }
    }
    sync(folder)?;
    remove_file(&aside)?;
    Ok(Changed::Done)
}

/// Removes a file that still has the expected content; durable.
pub(super) fn remove_from(folder: &Path, name: &OsStr, expect: Digest) -> Result<Changed, LocalError> {
    match digest_at(&folder.join(name))? {
        Some((found, _)) if found == expect => {}
        Some(_) => return Ok(Changed::ChangedMeanwhile),
        None => return Ok(Changed::Vanished),
    }
    let Some(aside) = take_aside(folder, name)? else { return Ok(Changed::Vanished) };
    if digest_at(&aside)?.is_some_and(|(got, _)| got != expect) {
        put_back(folder, &aside, name)?;
        return Ok(Changed::ChangedMeanwhile);
    }
    remove_file(&aside)?;
    // It must not come back from there.
    sync(&folder.join(ASIDE))?;
    sync(folder)?;
    drop(fs::remove_dir(folder.join(ASIDE)));
    Ok(Changed::Done)
}

/// Puts right what an interrupted run left in a plain directory.
pub(super) fn clear(folder: &Path, done: &mut Leftovers) -> Result<(), LocalError> {
    let mut ours = Vec::new();
    list(folder, true, &mut |entry| {
        let is_ours = match entry.kind {
            Kind::Dir => entry.name.starts_with(b".pimsync."),
            Kind::File => entry.name.starts_with(NEW.as_bytes()),
            Kind::Link | Kind::Special => false,
        };
        if is_ours {
            ours.extend(String::from_utf8(entry.name.to_vec()));
        }
    })
    .map_err(|error| LocalError::io("list", folder, error))?;
    for name in &ours {
        let path = folder.join(name);
        match name.as_str() {
            name if name.starts_with(NEW) => {
                remove_file(&path)?;
                done.removed += 1;
            }
            ASIDE => {
                for (file, name) in files_in(&path)? {
                    put_back(folder, &file, &name)?;
                    done.restored += 1;
                }
                drop(fs::remove_dir(&path));
            }
            name if name.starts_with(SWAP) => clear_swap(folder, &path, done)?,
            _ => {}
        }
    }
    if ours.is_empty() { Ok(()) } else { sync(folder) }
}

fn stage(folder: &Path, number: usize, content: &[u8]) -> Result<PathBuf, LocalError> {
    let path = folder.join(format!("{NEW}{number}"));
    let created = platform::create_new(&path).or_else(|error| match error.kind() {
        // An earlier one was cut off.
        io::ErrorKind::AlreadyExists => fs::remove_file(&path).and_then(|()| platform::create_new(&path)),
        _ => Err(error),
    });
    let written = created.and_then(|mut file| file.write_all(content));
    written.map_err(|error| {
        drop(fs::remove_file(&path));
        LocalError::io("write", &path, error)
    })?;
    Ok(path)
}

fn write_durably(path: &Path, content: &[u8]) -> Result<(), LocalError> {
    let written = platform::create_new(path).and_then(|mut file| {
        file.write_all(content)?;
        platform::sync(&file)
    });
    written.map_err(|error| {
        // What cannot be removed here is cleared by the next run.
        drop(fs::remove_file(path));
        LocalError::io("write", path, error)
    })
}

/// Gives a staged file the name that it would like, or the next one that is free.
fn give_name(
    folder: &Path,
    staged: &Path,
    entry: &NewEntry,
    taken: &mut BTreeSet<String>,
) -> Result<String, LocalError> {
    loop {
        let name = free_name(&entry.stem, entry.extension, taken);
        taken.insert(foldername::twin_key(&name));
        let path = folder.join(&name);
        match platform::rename_new(staged, &path) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && look(folder)?.is_none() => {
                return Err(LocalError::FolderGone { path: folder.to_owned() });
            }
            Err(error) => return Err(LocalError::io("create", &path, error)),
        }
    }
}

fn free_name(stem: &str, extension: &str, taken: &BTreeSet<String>) -> String {
    let is_taken = |key: &str| taken.contains(&foldername::twin_key(&format!("{key}{extension}")));
    foldername::encode(stem, &is_taken).name + extension
}

/// The contents have changed places: is what came out what was expected?
fn verify_swap(folder: &Path, path: &Path, swap: &Path, (old, new): (Digest, Digest)) -> Result<Changed, LocalError> {
    if digest_at(swap)?.is_some_and(|(got, _)| got == old) {
        return Ok(Changed::Done);
    }
    let name = path.file_name().unwrap_or_default();
    match platform::exchange(swap, path) {
        Ok(_) if digest_at(swap)?.is_none_or(|(got, _)| got == new) => {}
        // Changed once more, or renamed: what is in our hands becomes an entry of its own.
        Ok(_) => put_back(folder, swap, name)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => put_back(folder, swap, name)?,
        Err(error) => return Err(LocalError::io("put back", path, error)),
    }
    Ok(Changed::ChangedMeanwhile)
}

/// Takes an entry out of its folder's listing; `None` when it vanished.
fn take_aside(folder: &Path, name: &OsStr) -> Result<Option<PathBuf>, LocalError> {
    let (path, aside_dir) = (folder.join(name), folder.join(ASIDE));
    make_dir(&aside_dir)?;
    let aside = aside_dir.join(name);
    match platform::rename_new(&path, &aside) {
        Ok(()) => return Ok(Some(aside)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(LocalError::io("take aside", &path, error)),
    }
    // An interrupted run left one of that name.
    put_back(folder, &aside, name)?;
    match platform::rename_new(&path, &aside) {
        Ok(()) => Ok(Some(aside)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LocalError::io("take aside", &path, error)),
    }
}

/// Gives an entry that was put aside its name again; another one where its own is taken by now. Never loses it: on an error it stays aside.
fn put_back(folder: &Path, file: &Path, name: &OsStr) -> Result<(), LocalError> {
    let own = folder.join(name);
    match platform::rename_new(file, &own) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        done => return done.map_err(|error| LocalError::io("put back", &own, error)),
    }
    let Some((digest, _)) = digest_at(file)? else { return Ok(()) };
    if matches!(digest_at(&own), Ok(Some((other, _))) if other == digest) {
        return remove_file(file);
    }
    let name = name.to_string_lossy();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    let other = folder.join(format!("{stem} (saved {}).{extension}", hex(digest).get(..8).unwrap_or_default()));
    match platform::rename_new(file, &other) {
        // The same content under the same name: it was saved before.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => remove_file(file),
        done => done.map_err(|error| LocalError::io("put back", &other, error)),
    }
}

fn clear_swap(folder: &Path, swap_dir: &Path, done: &mut Leftovers) -> Result<(), LocalError> {
    let told = swap_dir.file_name().unwrap_or_default().to_string_lossy();
    let redundant: Vec<&str> = told.strip_prefix(SWAP).unwrap_or_default().split('.').collect();
    for (file, name) in files_in(swap_dir)? {
        match digest_at(&file)? {
            Some((digest, _)) if redundant.contains(&hex(digest).as_str()) => {
                remove_file(&file)?;
                done.removed += 1;
            }
            Some(_) => {
                put_back(folder, &file, &name)?;
                done.restored += 1;
            }
            None => {}
        }
    }
    drop(fs::remove_dir(swap_dir));
    Ok(())
}

fn files_in(dir: &Path) -> Result<Vec<(PathBuf, OsString)>, LocalError> {
    let mut files = Vec::new();
    let listed = list(dir, true, &mut |entry| {
        if entry.kind == Kind::File {
            let name = super::disk::as_os(entry.name);
            files.push((dir.join(name), name.to_owned()));
        }
    });
    match listed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LocalError::io("list", dir, error)),
        Ok(()) | Err(_) => Ok(files),
    }
}

fn remove_file(path: &Path) -> Result<(), LocalError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LocalError::io("remove", path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
