//! Small files, written whole or not at all.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::local::platform;

/// Writes a file for its owner alone: a reader sees the old content or the new one, also after a power loss.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = draft(path, content)?;
    fs::rename(&draft, path)?;
    sync_parent(path)
}

/// The same, but never over a file that is there: the error is `AlreadyExists` then.
pub(super) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = draft(path, content)?;
    if let Err(error) = platform::rename_new(&draft, path) {
        fs::remove_file(&draft)?;
        return Err(error);
    }
    sync_parent(path)
}

/// The content, durable, beside the file.
fn draft(path: &Path, content: &[u8]) -> io::Result<PathBuf> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".draft");
    let draft = path.with_file_name(name);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = platform::create_new(&draft)?;
    file.write_all(content)?;
    platform::sync(&file)?;
    Ok(draft)
}

/// Makes a directory and those above it that are missing, each for its owner alone. What is there stays as it is.
pub(crate) fn make_dirs(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_dirs(parent)?;
    }
    platform::create_dir(path)?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), platform::sync_dir)
}
