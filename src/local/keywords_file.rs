//! The file `dovecot-keywords` on disk, changed the way Dovecot changes it: under `dovecot-keywords.lock`, which becomes the file.

use std::io::{Read, Write};
use std::time::Duration;

use super::disk::sync;
use super::scan::{KEYWORDS, open_at};
use super::{FolderDir, Keywords, LocalError, MailTree, platform};
use crate::pim::Categories;

const LOCK: &str = "dovecot-keywords.lock";

/// A lock of this age was left by a program that died (Dovecot's own limit).
const STALE: Duration = Duration::from_secs(120);

/// More than any 26 names need.
const MAX_BYTES: u64 = 1 << 20;

/// How often another program may be faster.
const TRIES: usize = 5;

impl MailTree {
    pub(super) fn read_keywords(&self, dir: &FolderDir) -> Result<Keywords, LocalError> {
        Ok(Keywords::parse(&self.keywords_bytes(dir)?))
    }

    fn keywords_bytes(&self, dir: &FolderDir) -> Result<Vec<u8>, LocalError> {
        let path = self.folder_path(dir).join(KEYWORDS);
        let mut bytes = Vec::new();
        if let Some(file) = open_at(&path)? {
            file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|error| LocalError::io("read", &path, error))?;
        }
        Ok(bytes)
    }

    pub(super) fn write_keywords(&self, dir: &FolderDir, categories: &Categories) -> Result<Keywords, LocalError> {
        let folder = self.folder_path(dir);
        let (path, lock) = (folder.join(KEYWORDS), folder.join(LOCK));
        for _ in 0..TRIES {
            let read = self.keywords_bytes(dir)?;
            let mut keywords = Keywords::parse(&read);
            if !keywords.assign(categories) {
                return Ok(keywords);
            }
            let mut staged = self.stage_in(dir)?;
            let staged = staged
                .write_all(&keywords.to_bytes())
                .map_err(|error| LocalError::io("write", &path, error))
                .and_then(|()| staged.finish(None))?;
            platform::sync_all(&[staged.path()], &folder).map_err(|error| LocalError::io("write", &path, error))?;
            match platform::rename_new(staged.path(), &lock) {
                Ok(()) => staged.keep(),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    self.break_stale(&lock)?;
                    continue;
                }
                Err(error) => return Err(LocalError::io("write", &lock, error)),
            }
            if self.keywords_bytes(dir)? == read {
                std::fs::rename(&lock, &path).map_err(|error| LocalError::io("write", &path, error))?;
                sync(&folder)?;
                return Ok(keywords);
            }
            std::fs::remove_file(&lock).map_err(|error| LocalError::io("remove", &lock, error))?;
        }
        Err(LocalError::Busy { path: lock })
    }

    fn break_stale(&self, lock: &std::path::Path) -> Result<(), LocalError> {
        let busy = || LocalError::Busy { path: lock.to_owned() };
        let Ok(modified) = std::fs::symlink_metadata(lock).and_then(|meta| meta.modified()) else { return Ok(()) };
        if self.clock.wall().duration_since(modified).is_ok_and(|age| age > STALE) {
            return std::fs::remove_file(lock).map_err(|_| busy());
        }
        Err(busy())
    }
}
