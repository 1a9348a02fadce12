//! Removing a folder that holds nothing any more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{as_os, look, make_maildir, sync};
use super::folders::DISPLAY_NAME;
use super::leftovers::is_ours;
use super::platform::Kind;
use super::scan::list;
use super::{FolderDir, FolderRemoved, LocalError, MailTree};
use crate::plan::proof::FolderRemoval;

/// So many of the paths that are in the way are told.
const TELL: usize = 5;

/// Files that mail programs keep about a Maildir and make again when they miss them.
const METADATA: [&str; 6] =
    [DISPLAY_NAME, "displayname.pimsync", "color", "maildirfolder", ".DS_Store", ".uidvalidity"];
const METADATA_PREFIXES: [&str; 3] = ["dovecot", ".mbsyncstate", ".dovecot"];

#[derive(Default)]
struct Contents {
    in_the_way: Vec<PathBuf>,
    maildir: bool,
    /// Metadata and our own leftovers.
    files: Vec<PathBuf>,
    /// Directories that should be empty, inner ones first.
    dirs: Vec<PathBuf>,
}

impl MailTree {
    pub(super) fn take_folder(&self, dir: &FolderDir, proof: FolderRemoval) -> Result<FolderRemoved, LocalError> {
        let FolderRemoval { .. } = proof;
        let path = self.folder_path(dir);
        let Some(parent) = dir.parent() else {
            return Err(LocalError::BadName { name: String::new(), reason: "the account itself is no folder" });
        };
        if look(&path)?.is_none() {
            return Ok(FolderRemoved::Vanished);
        }
        let contents = Contents::of(&path)?;
        if !contents.in_the_way.is_empty() {
            return Ok(FolderRemoved::NotEmpty(contents.in_the_way));
        }
        match contents.remove(&path) {
            Ok(()) => sync(&self.folder_path(&parent)).map(|()| FolderRemoved::Done),
            // Something came in just now: the folder stays, and whole.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                if contents.maildir {
                    make_maildir(&path)?;
                }
                Ok(FolderRemoved::NotEmpty(vec![path]))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(FolderRemoved::Vanished),
            Err(error) => Err(LocalError::io("remove", &path, error)),
        }
    }
}

impl Contents {
    fn of(path: &Path) -> Result<Self, LocalError> {
        let mut contents = Self::default();
        let mut parts = Vec::new();
        entries(path, &mut |entry, name, kind| match (kind, name) {
            (Kind::Dir, b"cur" | b"new" | b"tmp") => parts.push(entry),
            (Kind::File, name) if is_metadata(name) => contents.files.push(entry),
            _ => contents.hinder(entry),
        })?;
        for part in parts {
            contents.maildir |= !part.ends_with("tmp");
            contents.look_into(part)?;
        }
        Ok(contents)
    }

    fn look_into(&mut self, part: PathBuf) -> Result<(), LocalError> {
        let in_tmp = part.ends_with("tmp");
        let mut aside = Vec::new();
        entries(&part, &mut |entry, name, kind| match kind {
            Kind::File if in_tmp && is_ours(name) => self.files.push(entry),
            Kind::Dir if in_tmp && is_ours(name) => aside.push(entry),
            _ => self.hinder(entry),
        })?;
        for dir in aside {
            // What is put aside in here are messages.
            entries(&dir, &mut |entry, _, _| self.hinder(entry))?;
            self.dirs.push(dir);
        }
        self.dirs.push(part);
        Ok(())
    }

    fn hinder(&mut self, path: PathBuf) {
        if self.in_the_way.len() < TELL {
            self.in_the_way.push(path);
        }
    }

    /// The error is `NotFound` only where the folder itself is gone.
    fn remove(&self, path: &Path) -> io::Result<()> {
        // Directories first: each fails when it is not empty, and then no metadata is lost.
        self.files.iter().filter(|file| is_tmp(file)).try_for_each(|file| unless_gone(fs::remove_file(file)))?;
        self.dirs.iter().try_for_each(|dir| unless_gone(fs::remove_dir(dir)))?;
        self.files.iter().filter(|file| !is_tmp(file)).try_for_each(|file| unless_gone(fs::remove_file(file)))?;
        fs::remove_dir(path)
    }
}

/// What somebody else removed meanwhile is as it shall be.
fn unless_gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn is_tmp(file: &Path) -> bool {
    file.parent().is_some_and(|parent| parent.ends_with("tmp"))
}

fn is_metadata(name: &[u8]) -> bool {
    METADATA.iter().any(|known| known.as_bytes() == name)
        || METADATA_PREFIXES.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
}

fn entries(path: &Path, visit: &mut dyn FnMut(PathBuf, &[u8], Kind)) -> Result<(), LocalError> {
    list(path, true, &mut |entry| visit(path.join(as_os(entry.name)), entry.name, entry.kind))
        .map_err(|error| LocalError::io("list", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is half removed, and counts as gone, would be a new one for the next run, and come back on the server.
    #[test]
    fn what_somebody_removes_in_the_same_instant_leaves_no_half_of_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("Old");
        fs::create_dir(&path).unwrap();
        make_maildir(&path).unwrap();
        fs::write(path.join(DISPLAY_NAME), "x").unwrap();
        let contents = Contents::of(&path).unwrap();
        fs::remove_dir(path.join("tmp")).unwrap();
        fs::remove_file(path.join(DISPLAY_NAME)).unwrap();
        contents.remove(&path).unwrap();
        assert!(!path.exists());
        assert_eq!(contents.remove(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
