//! A message's file while it is being written: in the folder's `tmp`, where no mail reader looks.

use std::fs::{File, FileTimes};
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::disk::make_dir;
use super::{FileStat, FolderDir, LocalError, MailTree, platform};
use crate::pim::{Digest, UnixTime};

/// A new file that is being written, and hashed on the way. Dropped unfinished, it is removed.
#[derive(Debug)]
pub struct Staged {
    file: File,
    path: TmpPath,
    hasher: Box<blake3::Hasher>,
    len: u64,
}

/// A file that is written in full, not yet durable, and not yet a message. Dropped undelivered, it is removed.
#[derive(Debug)]
pub struct StagedFile {
    path: TmpPath,
    digest: Digest,
    stat: FileStat,
    dev: u64,
}

/// Removes the file that it names when dropped, unless it was given away.
#[derive(Debug)]
struct TmpPath(PathBuf);

impl Drop for TmpPath {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // What cannot be removed here is cleared as a leftover by the next run.
            drop(std::fs::remove_file(&self.0));
        }
    }
}

impl MailTree {
    pub(super) fn stage_in(&self, dir: &FolderDir) -> Result<Staged, LocalError> {
        let tmp = self.tmp_path(dir);
        match self.stage_at(&tmp) {
            Err(LocalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.make_tmp(dir)?;
                self.stage_at(&tmp)
            }
            done => done,
        }
    }

    /// Begins a new file in this `tmp`.
    pub(super) fn stage_at(&self, tmp: &Path) -> Result<Staged, LocalError> {
        loop {
            match Staged::create(tmp.join(self.unique_name())) {
                // A run that died had the same number.
                Err(LocalError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
                done => return done,
            }
        }
    }

    /// Some tools drop empty directories; `tmp` is empty most of the time.
    pub(super) fn make_tmp(&self, dir: &FolderDir) -> Result<(), LocalError> {
        self.stamp_folder(dir)?;
        make_dir(&self.tmp_path(dir))
    }
}

impl Staged {
    /// Creates the file. `path` must be in a `tmp` and not be in use.
    pub(super) fn create(path: PathBuf) -> Result<Self, LocalError> {
        let file = platform::create_new(&path).map_err(|error| LocalError::io("create", &path, error))?;
        Ok(Self { file, path: TmpPath(path), hasher: Box::new(blake3::Hasher::new()), len: 0 })
    }

    /// Where it is written, for people.
    pub fn path(&self) -> &Path {
        &self.path.0
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.len
    }

    /// Begins again, as after a broken connection.
    pub fn restart(&mut self) -> Result<(), LocalError> {
        self.hasher.reset();
        self.len = 0;
        platform::truncate(&mut self.file).map_err(|error| LocalError::io("write", &self.path.0, error))
    }

    /// Ends the file. By convention a message's file has the time at which it was received.
    pub fn finish(self, received: Option<UnixTime>) -> Result<StagedFile, LocalError> {
        let Self { file, path, hasher, .. } = self;
        let io = |error| LocalError::io("write", &path.0, error);
        if let Some(time) = received.and_then(system_time) {
            file.set_times(FileTimes::new().set_modified(time)).map_err(io)?;
        }
        let looked = platform::stat_file(&file).map_err(io)?;
        Ok(StagedFile { path, digest: Digest::of(&hasher), stat: looked.stat, dev: looked.id.dev })
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        self.len += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl StagedFile {
    /// The hash of its content.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its size in bytes.
    pub fn len(&self) -> u64 {
        self.stat.len
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its size and time; they stay what they are when it is delivered.
    pub fn stat(&self) -> FileStat {
        self.stat
    }

    /// Opens it for reading, such as for its headers.
    pub fn open(&self) -> Result<File, LocalError> {
        File::open(&self.path.0).map_err(|error| LocalError::io("read", &self.path.0, error))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path.0
    }

    /// The device that it lies on.
    pub(super) fn dev(&self) -> u64 {
        self.dev
    }

    /// After this the file is no longer removed on drop: it has another name, or another role.
    pub(super) fn keep(mut self) {
        mem::take(&mut self.path.0);
    }
}

fn system_time(time: UnixTime) -> Option<SystemTime> {
    let span = Duration::from_secs(time.0.unsigned_abs());
    if time.0 < 0 { UNIX_EPOCH.checked_sub(span) } else { UNIX_EPOCH.checked_add(span) }
}
