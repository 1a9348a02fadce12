//! What an interrupted run leaves in `tmp`, and how it is put right.
//!
//! | in `tmp` | what it is | what becomes of it |
//! |---|---|---|
//! | `pimsync.PID.N` | a file that was being written, or written but not delivered | removed: its source still has it |
//! | `pimsync.aside.SUB/NAME` | a message that was to be removed | put back: whether it may go is decided anew |
//! | `pimsync.swap.SUB.OLD.NEW/NAME` | one of the two contents of a message that was being replaced | removed when its digest is OLD or NEW; anything else was somebody's edit, and becomes a message |

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{as_os, look, sync};
use super::platform::{self, Kind};
use super::scan::{digest_at, list};
use super::{FolderDir, Leftovers, LocalError, LocalRead, MailTree, MessageName, Problem, ProblemKind, Subdir, vdir};
use crate::pim::{Digest, FileKey};

/// How names of ours in `tmp` begin.
pub(super) const STAGED: &str = "pimsync.";
const ASIDE: &str = "pimsync.aside.";
const SWAP: &str = "pimsync.swap.";

/// Whether a name in `tmp` is one of ours.
pub(super) fn is_ours(name: &[u8]) -> bool {
    name.starts_with(STAGED.as_bytes())
}

impl MailTree {
    /// Where a message of that directory waits for its removal.
    pub(super) fn aside_path(&self, dir: &FolderDir, subdir: Subdir) -> PathBuf {
        self.tmp_path(dir).join(format!("{ASIDE}{}", subdir.as_str()))
    }

    /// Where the new content of a message waits to change places with the old one.
    pub(super) fn swap_path(&self, dir: &FolderDir, subdir: Subdir, old: Digest, new: Digest) -> PathBuf {
        self.tmp_path(dir).join(format!("{SWAP}{}.{}.{}", subdir.as_str(), hex(old), hex(new)))
    }

    pub(super) fn clear_leftovers(&self) -> Result<Leftovers, LocalError> {
        let mut done = Leftovers::default();
        let folders = self.folders()?.folders;
        for folder in folders.iter().filter(|folder| folder.maildir) {
            let path = self.folder_path(&folder.dir);
            self.clear_tmp(&folder.dir, &path, &mut done);
        }
        if vdir::clear(&self.account, &mut done).is_err() {
            let (dir, path) = (FolderDir::root(), self.account.clone());
            done.problems.push(Problem { dir, path, kind: ProblemKind::Unreadable });
        }
        for folder in folders.iter().filter(|folder| !folder.maildir) {
            let path = self.folder_path(&folder.dir);
            if vdir::clear(&path, &mut done).is_err() {
                done.problems.push(Problem { dir: folder.dir.clone(), path, kind: ProblemKind::Unreadable });
            }
        }
        self.clear_tmp(&FolderDir::root(), &self.conflicts_path(), &mut done);
        Ok(done)
    }

    /// One folder that cannot be cleared does not keep the others from it.
    fn clear_tmp(&self, dir: &FolderDir, maildir: &Path, done: &mut Leftovers) {
        if let Err(error) = clear_maildir(maildir, done)
            && !matches!(&error, LocalError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
        {
            done.problems.push(Problem { dir: dir.clone(), path: maildir.join("tmp"), kind: ProblemKind::Unreadable });
        }
    }
}

fn clear_maildir(maildir: &Path, done: &mut Leftovers) -> Result<(), LocalError> {
    let tmp = maildir.join("tmp");
    let mut ours = Vec::new();
    list_into(&tmp, &mut |name, kind| {
        if is_ours(name) {
            ours.push((name.to_owned(), kind));
        }
    })?;
    if ours.is_empty() {
        return Ok(());
    }
    for (name, kind) in ours {
        let path = tmp.join(as_os(&name));
        match (kind, Aside::parse(&name)) {
            (Kind::File, _) => {
                done.removed += u64::from(remove_file(&path)?);
            }
            (Kind::Dir, Some(aside)) => clear_aside(maildir, &path, &aside, done)?,
            (Kind::Dir | Kind::Link | Kind::Special, _) => {}
        }
    }
    Subdir::ALL.iter().map(|subdir| maildir.join(subdir.as_str())).chain([tmp]).try_for_each(|path| sync(&path))
}

/// What the name of a directory of ours says.
struct Aside {
    subdir: Subdir,
    /// Contents that are safe elsewhere.
    redundant: Vec<String>,
}

impl Aside {
    fn parse(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let rest = name.strip_prefix(ASIDE).or_else(|| name.strip_prefix(SWAP))?;
        let mut parts = rest.split('.');
        let word = parts.next()?;
        let subdir = Subdir::ALL.into_iter().find(|subdir| subdir.as_str() == word)?;
        Some(Self { subdir, redundant: parts.map(str::to_owned).collect() })
    }
}

fn clear_aside(maildir: &Path, path: &Path, aside: &Aside, done: &mut Leftovers) -> Result<(), LocalError> {
    let mut names = Vec::new();
    list_into(path, &mut |name, kind| {
        if kind == Kind::File {
            names.push(MessageName::parse_bytes(aside.subdir, name));
        }
    })?;
    for name in names {
        let file = path.join(name.file_name());
        match digest_at(&file)? {
            Some((digest, _)) if aside.redundant.contains(&hex(digest)) => {
                done.removed += u64::from(remove_file(&file)?);
            }
            Some(_) => {
                put_back(&file, maildir, &name)?;
                done.restored += 1;
            }
            None => {}
        }
    }
    match fs::remove_dir(path) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
            Err(LocalError::io("remove", path, error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Gives a message that was put aside its name again; another one where its own is taken by now. Never loses it: on an error it
/// stays aside.
pub(super) fn put_back(file: &Path, maildir: &Path, name: &MessageName) -> Result<(), LocalError> {
    let target = |name: &MessageName| maildir.join(name.subdir().as_str()).join(name.file_name());
    let own = target(name);
    match platform::rename_new(file, &own) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        done => return done.map_err(|error| LocalError::io("put back", &own, error)),
    }
    let Some((digest, _)) = digest_at(file)? else { return Ok(()) };
    if matches!(digest_at(&own), Ok(Some((other, _))) if other == digest) {
        return remove_file(file).map(drop);
    }
    let time = look(file)?.map_or(0, |found| found.stat.mtime().0.max(0));
    let other = target(&name.with_key(FileKey::new(format!("{time}.{}.pimsync-saved", hex(digest)).into_bytes())));
    match platform::rename_new(file, &other) {
        // The same content under the same key: it was saved before.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => remove_file(file).map(drop),
        done => done.map_err(|error| LocalError::io("put back", &other, error)),
    }
}

/// Returns whether there was one.
fn remove_file(path: &Path) -> Result<bool, LocalError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(LocalError::io("remove", path, error)),
    }
}

fn list_into(path: &Path, visit: &mut dyn FnMut(&[u8], Kind)) -> Result<(), LocalError> {
    list(path, true, &mut |entry| visit(entry.name, entry.kind)).map_err(|error| LocalError::io("list", path, error))
}

pub(super) fn hex(digest: Digest) -> String {
    use std::fmt::Write;
    digest.0.iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
