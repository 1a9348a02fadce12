//! What can go wrong with the directory: always with the path, and with what the person can do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::FolderDir;

/// An error of the local side.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}{}", path.display(), hint_of(source))]
    Io {
        /// What was to be done, such as "read".
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The folder's directory is not there. For the account's own directory: the disk may not be mounted.
    #[error("the directory {} is not there", path.display())]
    FolderGone {
        /// The directory.
        path: PathBuf,
    },
    /// The directory is there, but has neither `cur` nor `new`. It proves nothing about the messages that were in it.
    #[error("{} is not a Maildir: it has neither a directory \"cur\" nor \"new\"; if it was one, make both again (mkdir)", path.display())]
    NotMaildir {
        /// The directory.
        path: PathBuf,
    },
    /// The name is in use for something else; nothing was overwritten.
    #[error("{} exists already, with other content; it was not overwritten", path.display())]
    Taken {
        /// The name.
        path: PathBuf,
    },
    /// Something else than a plain file is there. It was not opened.
    #[error("{} is no regular file; it is left alone", path.display())]
    NotAFile {
        /// Its path.
        path: PathBuf,
    },
    /// Another program is writing the file just now.
    #[error("{} is locked by another program; the next run tries again (remove the lock if no program runs)", path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// A folder's name that climbs out of the tree or that no file system can hold.
    #[error("{name:?} cannot name a folder: {reason}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// What an error means for the rest of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LocalErrorClass {
    /// The disk or the quota is full, or it is read-only: nothing can be written; stop writing, keep what is there.
    NoRoom,
    /// Not permitted: this folder or file only.
    Denied,
    /// The folder vanished meanwhile, or a file is where it or a part of it was: look again in the next run.
    Gone,
    /// A name is taken, a file is no file, a lock is held: this item only.
    Item,
    /// Anything else, such as a failing disk.
    Other,
}

impl LocalError {
    /// Wraps the system's error; "not found" stays an I/O error, since what it means depends on the caller.
    pub(crate) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { action, path: path.to_owned(), source: source.into() }
    }

    /// What the error means for the rest of the run.
    pub fn class(&self) -> LocalErrorClass {
        match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem => {
                    LocalErrorClass::NoRoom
                }
                io::ErrorKind::PermissionDenied => LocalErrorClass::Denied,
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => LocalErrorClass::Gone,
                _ => LocalErrorClass::Other,
            },
            Self::FolderGone { .. } | Self::NotMaildir { .. } => LocalErrorClass::Gone,
            Self::Taken { .. } | Self::NotAFile { .. } | Self::Busy { .. } | Self::BadName { .. } => {
                LocalErrorClass::Item
            }
        }
    }
}

fn hint_of(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => " (the disk is full: make room, then run again; nothing was lost)",
        io::ErrorKind::QuotaExceeded => " (your disk quota is used up: make room, then run again; nothing was lost)",
        io::ErrorKind::ReadOnlyFilesystem => {
            " (the disk is mounted read-only, often after a fault: see the system's log)"
        }
        io::ErrorKind::PermissionDenied => " (check who owns it and its permissions)",
        io::ErrorKind::NotADirectory => " (a file lies where a directory belongs: move it away)",
        _ => "",
    }
}

/// Something in the tree that is not synchronized, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The folder that it lies in.
    pub dir: FolderDir,
    /// Its path.
    pub path: PathBuf,
    /// What it is.
    pub kind: ProblemKind,
}

/// What is wrong with something in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The directory cannot be read.
    Unreadable,
    /// The directory's name is not UTF-8: it cannot be a folder's name on the server.
    NotUtf8,
    /// A symbolic link; links are not followed.
    Symlink,
    /// A socket, pipe or device.
    Special,
    /// A directory where a message should be.
    Directory,
    /// A Maildir without its `cur` or without its `new`.
    Incomplete,
    /// A path so long that the system cannot use it.
    TooDeep,
}

impl ProblemKind {
    /// A sentence for people: what it is, and what to do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Unreadable => {
                "cannot be read: check its owner and permissions; nothing in it is synchronized until then"
            }
            Self::NotUtf8 => "has a name that is not UTF-8: rename it to have it synchronized",
            Self::Symlink => {
                "is a symbolic link: links are not followed; move the files here to have them synchronized"
            }
            Self::Special => "is a socket, pipe or device: it is left alone",
            Self::Directory => "is a directory where messages belong: it is left alone",
            Self::Incomplete => {
                "lacks its directory cur or new: make it again (mkdir), empty if need be; until then nothing is deleted on the server"
            }
            Self::TooDeep => "lies too deep for the system: move it up",
        }
    }
}
