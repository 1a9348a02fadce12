//! Where archives are kept: a directory.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::{ArchiveName, BackupError};
use crate::local::platform;

/// A directory with archives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    dir: PathBuf,
}

/// An archive in a target. Whether it is whole is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What its name says.
    pub name: ArchiveName,
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub length: u64,
}

/// A file under its temporary name. Its lock tells other runs that it is being written.
pub(super) struct Unfinished {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

const UNFINISHED: &str = ".unfinished";

impl Target {
    /// The target in that directory.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The archives of an identity, by number.
    ///
    /// # Errors
    /// That the directory cannot be listed.
    pub fn archives(&self, identity: &str) -> Result<Vec<Found>, BackupError> {
        let mut found = Vec::new();
        for (name, path) in self.files()? {
            let Some(name) = ArchiveName::parse(&name).filter(|name| name.identity == identity) else { continue };
            // One that vanishes meanwhile is not there.
            if let Some(looked) = platform::look(&path).map_err(|error| BackupError::io("read", &path, error))? {
                found.push(Found { name, path, length: looked.stat.len });
            }
        }
        found.sort_by_key(|found| (found.name.number, found.name.created));
        Ok(found)
    }

    fn files(&self) -> Result<Vec<(String, PathBuf)>, BackupError> {
        let failed = |error| BackupError::io("list", &self.dir, error);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            files.extend(entry.file_name().to_str().map(|name| (name.to_owned(), entry.path())));
        }
        Ok(files)
    }

    /// Begins a file that will have that name.
    pub(super) fn begin(&self, name: &ArchiveName) -> Result<Unfinished, BackupError> {
        self.clear_unfinished(&name.identity)?;
        let path = self.dir.join(format!(".{name}.{}{UNFINISHED}", std::process::id()));
        let failed = |error| BackupError::io("create", &path, error);
        let file = platform::create_new(&path).map_err(failed)?;
        match file.try_lock() {
            // Some network file systems have no locks.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Unfinished { path, file }),
            Err(TryLockError::WouldBlock) => Err(failed(io::Error::other("another program has locked it"))),
        }
    }

    /// Removes what runs of this identity that were killed have left.
    fn clear_unfinished(&self, identity: &str) -> Result<(), BackupError> {
        for (name, path) in self.files()? {
            let Some(rest) = name.strip_suffix(UNFINISHED).and_then(|name| name.strip_prefix('.')) else { continue };
            let archive = rest.rsplit_once('.').and_then(|(archive, _)| ArchiveName::parse(archive));
            if archive.is_none_or(|archive| archive.identity != identity) {
                continue;
            }
            let free = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if free {
                fs::remove_file(&path).map_err(|error| BackupError::io("remove", &path, error))?;
            }
        }
        Ok(())
    }
}

impl Unfinished {
    /// Gives the file, which must be durable, its name, durably. Never over another one.
    pub(super) fn finish(self, name: &ArchiveName) -> Result<PathBuf, BackupError> {
        let path = self.path.with_file_name(name.to_string());
        platform::rename_new(&self.path, &path).map_err(|error| BackupError::io("create", &path, error))?;
        let dir = path.parent().unwrap_or(&path);
        platform::sync_dir(dir).map_err(|error| BackupError::io("write", dir, error))?;
        Ok(path)
    }

    pub(super) fn discard(self) {
        // The next run tries again.
        let _ = fs::remove_file(&self.path);
    }
}
