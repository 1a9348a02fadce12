//! One engine per identity at a time. The lock is the operating system's, so it ends with its process, however that ends.

use std::fs::File;
use std::io;
use std::path::PathBuf;

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
        let _ = (layout, now);
        todo!()
    }

    /// Who holds the lock now; `None` when nobody does.
    pub fn holder(layout: &Layout) -> Result<Option<Holder>, LockError> {
        let _ = layout;
        todo!()
    }
}
