//! Changes to messages that are there: rename, move, remove, replace.
//!
//! A mail reader or an editor may change the message in the very same instant. So a removal first takes the message aside, and a
//! replacement lets the two contents change places; only then is looked at what was really got, and what is not what was
//! expected goes back. `leftovers` puts right what a crash in between leaves.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{look, sync};
use super::leftovers::put_back;
use super::platform::{self, Kind};
use super::scan::digest_at;
use super::{Changed, Expect, FileStat, FolderDir, LocalError, MailTree, MessageName, Moved, StagedFile, Subdir};
use crate::pim::Digest;
use crate::plan::proof::MessageRemoval;

impl MailTree {
    pub(super) fn rename_message(
        &self,
        from_dir: &FolderDir,
        from: &MessageName,
        to_dir: &FolderDir,
        to: &MessageName,
    ) -> Result<Moved, LocalError> {
        let (old, new) = (self.message_path(from_dir, from), self.message_path(to_dir, to));
        if old == new {
            return Ok(if look(&old)?.is_some() { Moved::Done } else { Moved::Vanished });
        }
        match platform::rename_new(&old, &new) {
            Ok(()) => Ok(Moved::Done),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => finish_link(&old, &new),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match look(&old)? {
                None => Ok(Moved::Vanished),
                // The name's directory is what is missing.
                Some(_) => Err(LocalError::FolderGone { path: self.subdir_path(to_dir, to.subdir()) }),
            },
            Err(error) => Err(LocalError::io("rename", &old, error)),
        }
    }

    pub(super) fn remove_message(
        &self,
        dir: &FolderDir,
        name: &MessageName,
        expect: &Expect,
        proof: MessageRemoval,
    ) -> Result<Changed, LocalError> {
        let MessageRemoval { .. } = proof;
        let path = self.message_path(dir, name);
        let seen = match self.check(&path, expect)? {
            Ok(seen) => seen,
            Err(other) => return Ok(other),
        };
        let Some(aside) = self.take_aside(dir, name)? else { return Ok(Changed::Vanished) };
        let same = look(&aside)?.is_some_and(|found| found.stat == seen) || self.check(&aside, expect)?.is_ok();
        if !same {
            put_back(&aside, &self.folder_path(dir), name)?;
            return Ok(Changed::ChangedMeanwhile);
        }
        fs::remove_file(&aside).map_err(|error| LocalError::io("remove", &aside, error))?;
        Ok(Changed::Done)
    }

    /// Whether the file is what is expected, and its stat.
    fn check(&self, path: &Path, expect: &Expect) -> Result<Result<FileStat, Changed>, LocalError> {
        let Some(found) = look(path)? else { return Ok(Err(Changed::Vanished)) };
        if found.kind != Kind::File {
            return Err(LocalError::NotAFile { path: path.to_owned() });
        }
        let same = match expect {
            Expect::Stat(stat) => *stat == found.stat,
            Expect::Digest(digest) => digest_at(path)?.is_some_and(|(now, _)| now == *digest),
        };
        Ok(if same { Ok(found.stat) } else { Err(Changed::ChangedMeanwhile) })
    }

    /// Takes a message out of its folder, where `leftovers` finds it after a crash. `None` when it vanished.
    fn take_aside(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<PathBuf>, LocalError> {
        let path = self.message_path(dir, name);
        let aside_dir = self.aside_path(dir, name.subdir());
        let aside = aside_dir.join(name.file_name());
        for made in [false, true] {
            match platform::rename_new(&path, &aside) {
                Ok(()) => return Ok(Some(aside)),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !made => {
                    if look(&path)?.is_none() {
                        return Ok(None);
                    }
                    self.make_in_tmp(dir, &aside_dir)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(LocalError::io("take aside", &path, error)),
            }
        }
        Ok(None)
    }

    fn make_in_tmp(&self, dir: &FolderDir, path: &Path) -> Result<(), LocalError> {
        self.make_tmp(dir)?;
        platform::create_dir(path).map(drop).map_err(|error| LocalError::io("create", path, error))
    }

    pub(super) fn replace_message(
        &self,
        dir: &FolderDir,
        name: &MessageName,
        staged: StagedFile,
        expect: Digest,
    ) -> Result<Changed, LocalError> {
        let path = self.message_path(dir, name);
        if let Err(other) = self.check(&path, &Expect::Digest(expect))? {
            return Ok(other);
        }
        let new = staged.digest();
        let swap_dir = self.swap_path(dir, name.subdir(), expect, new);
        self.make_in_tmp(dir, &swap_dir)?;
        let swap = swap_dir.join(name.file_name());
        // An earlier try may have been interrupted.
        match digest_at(&swap)? {
            Some((left, _)) if left != expect && left != new => put_back(&swap, &self.folder_path(dir), name)?,
            _ => discard(&swap)?,
        }
        self.prepare_swap(dir, staged, &swap)?;
        let done = match platform::exchange(&swap, &path) {
            Ok(true) => self.verify_swap(dir, name, &swap, (expect, new)),
            Ok(false) => self.replace_slowly(dir, name, &swap, expect),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Changed::Vanished),
            Err(error) => Err(LocalError::io("replace", &path, error)),
        }?;
        // Whatever lies there now is one of the two contents that are safe elsewhere.
        discard(&swap)?;
        drop(fs::remove_dir(&swap_dir));
        Ok(done)
    }

    /// Brings the new content where it is found after a crash, durably.
    fn prepare_swap(&self, dir: &FolderDir, staged: StagedFile, swap: &Path) -> Result<(), LocalError> {
        let io = |error| LocalError::io("write", swap, error);
        platform::sync_all(&[staged.path()], &self.account).map_err(io)?;
        platform::rename_new(staged.path(), swap).map_err(io)?;
        staged.keep();
        swap.parent().map_or(Ok(()), sync)?;
        sync(&self.tmp_path(dir))
    }

    /// The contents have changed places: is what came out what was expected?
    pub(super) fn verify_swap(
        &self,
        dir: &FolderDir,
        name: &MessageName,
        swap: &Path,
        (old, new): (Digest, Digest),
    ) -> Result<Changed, LocalError> {
        if digest_at(swap)?.is_some_and(|(got, _)| got == old) {
            sync(&self.subdir_path(dir, name.subdir()))?;
            return Ok(Changed::Done);
        }
        let path = self.message_path(dir, name);
        match platform::exchange(swap, &path) {
            Ok(_) if digest_at(swap)?.is_none_or(|(got, _)| got == new) => {}
            // Changed once more, or renamed: what is in our hands becomes a message of its own.
            Ok(_) => put_back(swap, &self.folder_path(dir), name)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => put_back(swap, &self.folder_path(dir), name)?,
            Err(error) => return Err(LocalError::io("put back", &path, error)),
        }
        Ok(Changed::ChangedMeanwhile)
    }

    /// For file systems on which files cannot change places: for an instant there is no file of that name.
    pub(super) fn replace_slowly(
        &self,
        dir: &FolderDir,
        name: &MessageName,
        swap: &Path,
        expect: Digest,
    ) -> Result<Changed, LocalError> {
        let (path, folder) = (self.message_path(dir, name), self.folder_path(dir));
        let Some(aside) = self.take_aside(dir, name)? else { return Ok(Changed::Vanished) };
        if digest_at(&aside)?.is_some_and(|(got, _)| got != expect) {
            put_back(&aside, &folder, name)?;
            return Ok(Changed::ChangedMeanwhile);
        }
        match platform::rename_new(swap, &path) {
            Ok(()) => {}
            // Somebody wrote a new file of that name: theirs stays.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                discard(&aside)?;
                return Ok(Changed::ChangedMeanwhile);
            }
            Err(error) => {
                put_back(&aside, &folder, name)?;
                return Err(LocalError::io("replace", &path, error));
            }
        }
        sync(&self.subdir_path(dir, name.subdir()))?;
        discard(&aside)?;
        Ok(Changed::Done)
    }

    pub(super) fn settle_folders(&self, dirs: &[FolderDir]) -> Result<(), LocalError> {
        let aside: Vec<PathBuf> = dirs
            .iter()
            .flat_map(|dir| Subdir::ALL.map(|subdir| self.aside_path(dir, subdir)))
            .filter(|path| path.exists())
            .collect();
        let listed = dirs.iter().flat_map(|dir| Subdir::ALL.map(|subdir| self.subdir_path(dir, subdir)));
        // A message that was taken aside and removed must not come back from there: that half has to be durable, too.
        self.sync_dirs(&listed.chain(aside.iter().cloned()).collect::<Vec<_>>())?;
        // One that still holds something waits for `leftovers`.
        aside.iter().for_each(|path| drop(fs::remove_dir(path)));
        Ok(())
    }

    /// Makes the entries of directories durable, at once where there are many on one file system.
    pub(super) fn sync_dirs(&self, paths: &[PathBuf]) -> Result<(), LocalError> {
        let mut found = Vec::with_capacity(paths.len());
        for path in paths {
            found.extend(look(path)?.map(|looked| (path.as_path(), looked.id.dev)));
        }
        self.sync_found(&found)
    }

    /// Makes files or directories durable of which it is known on which device they lie.
    pub(super) fn sync_found(&self, found: &[(&Path, u64)]) -> Result<(), LocalError> {
        let home = look(&self.account)?.map(|found| found.id.dev);
        let mut here = Vec::with_capacity(found.len());
        for (path, dev) in found {
            if Some(*dev) == home {
                here.push(*path);
            } else {
                // A folder on a disk of its own.
                platform::sync_all(&[path], path).map_err(|error| LocalError::io("write", path, error))?;
            }
        }
        platform::sync_all(&here, &self.account).map_err(|error| LocalError::io("write", &self.account, error))
    }
}

/// A rename by link and unlink that was interrupted in between is finished.
fn finish_link(old: &Path, new: &Path) -> Result<Moved, LocalError> {
    match (look(old)?, look(new)?) {
        (Some(one), Some(other)) if one.id == other.id => {
            fs::remove_file(old).map_err(|error| LocalError::io("rename", old, error))?;
            Ok(Moved::Done)
        }
        (None, _) => Ok(Moved::Vanished),
        _ => Ok(Moved::Taken),
    }
}

fn discard(path: &Path) -> Result<(), LocalError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LocalError::io("remove", path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
