//! One engine per identity at a time. The lock is the operating system's, so it ends with its process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Layout;
use crate::pim::UnixTime;

/// Held as long as it lives.
#[derive(Debug)]
pub struct IdentityLock {
    _file: File,
}

/// Who holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Since when.
    pub since: UnixTime,
}

/// Why the lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds it.
    #[error("another run of pimsync works on this identity{}", holder.map(|holder| format!(" (process {})", holder.pid)).unwrap_or_default())]
    Held {
        /// Who; unknown for an instant after it was taken.
        holder: Option<Holder>,
    },
    /// The lock file cannot be used.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl IdentityLock {
    /// Takes the lock, or says who has it. Never waits.
    pub fn acquire(layout: &Layout, now: UnixTime) -> Result<Self, LockError> {
        Self::acquire_file(layout.lock(), now)
    }

    /// The same for a backup, of which there is one at a time, too. Neither waits for the other.
    pub fn acquire_for_backup(layout: &Layout, now: UnixTime) -> Result<Self, LockError> {
        Self::acquire_file(layout.backup_lock(), now)
    }

    fn acquire_file(path: PathBuf, now: UnixTime) -> Result<Self, LockError> {
        /// `check` holds the lock for an instant, too.
        const TRIES: usize = 3;
        let mut file = open(&path)?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => {
                    note(&mut file, now).map_err(|source| failed(&path, source))?;
                    return Ok(Self { _file: file });
                }
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
                Err(TryLockError::Error(source)) => return Err(failed(&path, source)),
            }
        }
        Err(LockError::Held { holder: read(&mut file) })
    }

    /// Makes sure that nobody holds the lock now, without taking it. A moment later it may be otherwise.
    ///
    /// # Errors
    /// [`LockError::Held`], with who holds it.
    pub fn check(layout: &Layout) -> Result<(), LockError> {
        let path = layout.lock();
        if !path.exists() {
            return Ok(());
        }
        let mut file = open(&path)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(LockError::Held { holder: read(&mut file) }),
            Err(TryLockError::Error(source)) => Err(failed(&path, source)),
        }
    }
}

fn open(path: &Path) -> Result<File, LockError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| failed(path, source))
}

fn note(file: &mut File, now: UnixTime) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{} {}", std::process::id(), now.0)
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(64).read_to_string(&mut text).ok()?;
    let (pid, since) = text.trim().split_once(' ')?;
    Some(Holder { pid: pid.parse().ok()?, since: UnixTime(since.parse().ok()?) })
}

fn failed(path: &Path, source: io::Error) -> LockError {
    LockError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentityName;

    #[test]
    fn one_engine_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(Some(root.path()), IdentityName::new("Main").unwrap()).unwrap();
        IdentityLock::check(&layout).unwrap();
        assert!(matches!(IdentityLock::acquire(&layout, UnixTime(0)), Err(LockError::Io { .. })), "no identity there");
        layout.create().unwrap();
        let me = Holder { pid: std::process::id(), since: UnixTime(1_700_000_000) };
        let lock = IdentityLock::acquire(&layout, me.since).unwrap();
        for refused in [IdentityLock::acquire(&layout, UnixTime(1)).map(drop), IdentityLock::check(&layout)] {
            match refused {
                Err(LockError::Held { holder }) => assert_eq!(holder, Some(me)),
                other => panic!("{other:?}"),
            }
        }
        drop(lock);
        IdentityLock::check(&layout).unwrap();
        drop(IdentityLock::acquire(&layout, UnixTime(2)).unwrap());
    }
}
