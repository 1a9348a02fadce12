//! A directory as a target.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{ArchiveName, Content, Out, Store, Unfinished};
use crate::local::platform;

const UNFINISHED: &str = ".unfinished";

/// So many bytes are gathered before the system is told to write them.
const WRITTEN_AT_ONCE: u64 = 8 << 20;

#[derive(Debug)]
pub(super) struct Directory {
    dir: PathBuf,
}

impl Directory {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Removes what runs of this identity that were killed have left.
    fn clear_unfinished(&self, identity: &str) -> io::Result<()> {
        for (name, _) in self.list()? {
            let Some(rest) =
                name.to_str().and_then(|name| name.strip_suffix(UNFINISHED)).and_then(|name| name.strip_prefix('.'))
            else {
                continue;
            };
            let archive = rest.rsplit_once('.').and_then(|(archive, _)| ArchiveName::parse(archive));
            if archive.is_none_or(|archive| archive.identity != identity) {
                continue;
            }
            let path = self.dir.join(&name);
            let free = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if free {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

impl Store for Directory {
    fn list(&self) -> io::Result<Vec<(OsString, Option<u64>)>> {
        fs::read_dir(&self.dir)?.map(|entry| Ok((entry?.file_name(), None))).collect()
    }

    fn length(&self, file: &OsStr) -> io::Result<Option<u64>> {
        Ok(platform::look(&self.dir.join(file))?.map(|looked| looked.stat.len))
    }

    fn open(&self, file: &OsStr) -> io::Result<Box<dyn Content>> {
        let file = platform::open_file(&self.dir.join(file))?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        Ok(Box::new(file))
    }

    fn begin(&self, name: &ArchiveName, _scratch: &Path) -> io::Result<Out> {
        self.clear_unfinished(&name.identity)?;
        let path = self.dir.join(format!(".{name}.{}{UNFINISHED}", std::process::id()));
        let file = platform::create_new(&path)?;
        match file.try_lock() {
            // Some network file systems have no locks.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another program has locked it")),
        }
        Ok(Out::File(NewFile {
            file,
            path,
            name: self.dir.join(name.to_string()),
            mark: 0,
            at: 0,
            begun: 0,
            named: false,
        }))
    }

    fn remove(&self, file: &OsStr) -> io::Result<()> {
        fs::remove_file(self.dir.join(file))?;
        platform::sync_dir(&self.dir)
    }
}

/// A file under its temporary name. Its lock tells other runs that it is being written.
pub(in crate::backup) struct NewFile {
    file: File,
    path: PathBuf,
    /// Its final name.
    name: PathBuf,
    mark: u64,
    /// How far it is written.
    at: u64,
    /// How far the system was told to bring it to the disk.
    begun: u64,
    named: bool,
}

impl NewFile {
    /// Marks the place that [`Self::take_back`] goes back to.
    pub(in crate::backup) fn mark(&mut self) -> io::Result<()> {
        self.mark = self.at;
        Ok(())
    }

    /// Forgets what was written after the mark.
    pub(in crate::backup) fn take_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.mark)?;
        self.at = self.file.seek(SeekFrom::Start(self.mark))?;
        self.begun = self.begun.min(self.at);
        Ok(())
    }
}

impl Unfinished for NewFile {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        platform::sync(&self.file)?;
        platform::rename_new(&self.path, &self.name)?;
        self.named = true;
        self.name.parent().map_or(Ok(()), platform::sync_dir)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.at += count as u64;
        if self.at - self.begun >= WRITTEN_AT_ONCE {
            platform::begin_to_write(&self.file, self.begun, self.at - self.begun);
            self.begun = self.at;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.named {
            // The next run tries again.
            let _ = fs::remove_file(&self.path);
        }
    }
}
