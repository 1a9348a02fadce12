//! What can go wrong with a backup: always with the file, and with what can still be done.

use std::ops::Range;
use std::path::PathBuf;
use std::{fmt, io};

use super::archive::FORMAT;
use super::manifest::Link;
use super::seal::OpenError;
use super::target::Location;
use crate::state::StateError;

/// An error of a backup or a restore.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The operating system or an object store refused.
    #[error("cannot {action} {at}: {source}")]
    Io {
        /// What was to be done, such as "read".
        action: &'static str,
        /// To what.
        at: Location,
        /// Why not.
        source: io::Error,
    },
    /// `state.db` cannot be copied.
    #[error(transparent)]
    State(#[from] StateError),
    /// The end of the archive is not that of a whole one.
    #[error("{at} is no whole archive: {reason}")]
    Incomplete {
        /// The archive.
        at: Location,
        /// What is missing.
        reason: &'static str,
    },
    /// A later version of the program wrote it.
    #[error(
        "{at} has format {found}, and this version of pimsync knows format {FORMAT}; use a newer pimsync, or tar --zstd -xf"
    )]
    OtherFormat {
        /// The archive.
        at: Location,
        /// Its format.
        found: u64,
    },
    /// What the archive says of itself makes no sense.
    #[error("the manifest of {at} is damaged: {reason}")]
    Manifest {
        /// The archive.
        at: Location,
        /// What is wrong, and where.
        reason: String,
    },
    /// Parts of the archive are not what was written.
    #[error(
        "{at} is damaged: {} of {frames} frames; {lost} items are lost, {whole} can still be restored (first: {})",
        damage.len(), damage.first().map(ToString::to_string).unwrap_or_default()
    )]
    Damaged {
        /// The archive.
        at: Location,
        /// Which parts.
        damage: Vec<Damage>,
        /// The archives that they are in: it, or some that it builds upon.
        archives: Vec<Link>,
        /// How many frames it has.
        frames: usize,
        /// Items in the damaged ones.
        lost: u64,
        /// Items in the others.
        whole: u64,
    },
    /// It is encrypted, and cannot be opened.
    #[error("cannot open {at}: {source}")]
    Sealed {
        /// The archive.
        at: Location,
        /// Why not.
        source: OpenError,
    },
    /// An encrypted archive or one that it builds upon is not what was written, as far as can be told without a key.
    #[error("{at} is damaged: {} is not the file that was written", archives.iter().map(|link| format!("archive {:06}", link.number)).collect::<Vec<_>>().join(", "))]
    SealedChanged {
        /// The archive.
        at: Location,
        /// Those that were changed.
        archives: Vec<Link>,
    },
    /// What is noted of the targets cannot be understood.
    #[error("{} is damaged: {reason}; it tells which archives were verified: remove it, and verify them again", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such archive.
    #[error("there is no archive {wanted} in {target}")]
    NoArchive {
        /// Where it was looked for.
        target: Location,
        /// Which.
        wanted: String,
    },
    /// The place to restore to is in use.
    #[error("{} is there already, and nothing is ever overwritten: name a directory that does not exist, or an empty one", path.display())]
    Taken {
        /// The place.
        path: PathBuf,
    },
    /// There is too little room for what is to be restored.
    #[error("{} has {free} bytes free, and {needed} are needed; nothing was written", path.display())]
    NoRoom {
        /// The place.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
}

/// A part of an archive, or of one that it builds upon, that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The number of the archive that it builds upon, where it is in one.
    pub below: Option<u32>,
    /// The frame, from 0.
    pub frame: usize,
    /// Its bytes in the file; none where the file is not there.
    pub bytes: Option<Range<u64>>,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.below {
            write!(f, "in archive {number:06}, which it builds upon: ")?;
        }
        write!(f, "frame {}", self.frame)?;
        if let Some(bytes) = &self.bytes {
            write!(f, ", bytes {} to {}", bytes.start, bytes.end)?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl BackupError {
    /// Wraps the system's error.
    pub(super) fn io(action: &'static str, at: impl Into<Location>, source: io::Error) -> Self {
        Self::Io { action, at: at.into(), source }
    }
}
