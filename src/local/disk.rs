//! What is asked of the disk most, with errors that say what was done to which path.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{LocalError, platform};

/// Makes a directory's three parts, `cur` last: with it the directory counts as a Maildir with all it needs.
pub(super) fn make_maildir(path: &Path) -> Result<(), LocalError> {
    ["tmp", "new", "cur"].iter().try_for_each(|part| make_dir(&path.join(part)))
}

/// Makes a directory for its owner alone; one that is there is left as it is.
pub(super) fn make_dir(path: &Path) -> Result<(), LocalError> {
    match platform::create_dir(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(LocalError::Taken { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(LocalError::FolderGone { path: path.parent().unwrap_or(path).to_owned() })
        }
        Err(error) => Err(LocalError::io("create", path, error)),
    }
}

/// Looks at a path without following a link; `None` when nothing is there.
pub(super) fn look(path: &Path) -> Result<Option<platform::Looked>, LocalError> {
    platform::look(path).map_err(|error| LocalError::io("read", path, error))
}

/// Makes a directory's entries durable; one that is gone needs nothing.
pub(super) fn sync(path: &Path) -> Result<(), LocalError> {
    platform::sync_dir(path).map_err(|error| LocalError::io("write", path, error))
}

pub(super) fn as_os(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}
