//! Conflict copies: the version of a message that lost, kept where nothing is ever synchronized.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{look, make_dir, make_maildir, sync};
use super::foldername;
use super::leftovers::hex;
use super::on_my_computer::LOCAL;
use super::platform;
use super::scan::{list, open_at};
use super::{FolderDir, LocalError, MailTree, MessageName, StagedFile, Subdir};
use crate::pim::{Digest, UnixTime};

const CONFLICTS: &str = "Conflicts";

/// So much of the folder's path goes into a copy's name.
const ORIGIN_BYTES: usize = 120;

impl MailTree {
    /// The local folder that holds conflict copies.
    pub fn conflicts_path(&self) -> PathBuf {
        self.database.join(LOCAL).join(CONFLICTS)
    }

    pub(super) fn copy_conflict(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<PathBuf>, LocalError> {
        let path = self.message_path(dir, name);
        let Some(mut source) = open_at(&path)? else { return Ok(None) };
        let stat = platform::stat_file(&source).map_err(|error| LocalError::io("read", &path, error))?.stat;
        self.make_conflicts()?;
        let mut staged = self.stage_at(&self.conflicts_path().join("tmp"))?;
        io::copy(&mut source, &mut staged).map_err(|error| LocalError::io("copy", &path, error))?;
        let staged = staged.finish(Some(stat.mtime()))?;
        let copy = self.place_conflict(staged, dir)?;
        Ok(Some(copy.strip_prefix(&self.database).map(Path::to_owned).unwrap_or(copy)))
    }

    fn place_conflict(&self, staged: StagedFile, dir: &FolderDir) -> Result<PathBuf, LocalError> {
        self.make_conflicts()?;
        let conflicts = self.conflicts_path();
        let key = self.conflict_key(staged.stat().mtime(), staged.digest(), dir);
        if let Some(copy) = find_copy(&conflicts, &key)? {
            return Ok(copy);
        }
        let io = |error| LocalError::io("write", &conflicts, error);
        platform::sync_all(&[staged.path()], &conflicts).map_err(io)?;
        let new = conflicts.join(Subdir::New.as_str());
        let path = new.join(&key);
        platform::rename_new(staged.path(), &path).map_err(io)?;
        staged.keep();
        sync(&new)?;
        Ok(path)
    }

    fn make_conflicts(&self) -> Result<(), LocalError> {
        let (local, conflicts) = (self.database.join(LOCAL), self.conflicts_path());
        if look(&conflicts.join("cur"))?.is_some() && look(&conflicts.join("new"))?.is_some() {
            return make_dir(&conflicts.join("tmp"));
        }
        make_dir(&local)?;
        make_dir(&conflicts)?;
        make_maildir(&conflicts)?;
        [&conflicts, &local, &self.database].into_iter().try_for_each(|path| sync(path))
    }

    /// The same for the same content from the same folder, and telling where it is from.
    fn conflict_key(&self, time: UnixTime, digest: Digest, dir: &FolderDir) -> String {
        let account = self.account.file_name().unwrap_or_default().to_string_lossy();
        let from = format!("{account}/{dir}");
        let readable = foldername::encode(&from, &|_| false).name.replace(':', "%3A");
        let short: String = readable
            .char_indices()
            .take_while(|(at, character)| at + character.len_utf8() <= ORIGIN_BYTES)
            .map(|(_, character)| character)
            .collect();
        let mut origin = blake3::hash(from.as_bytes()).to_hex();
        origin.truncate(8);
        format!("{}.{}{origin}.pimsync-conflict.{short}", time.0.max(0), hex(digest))
    }
}

/// Where a conflict copy lies now, below the Database directory; `None` when its owner has done with it. `noted` is what
/// [`keep_conflict_copy`](super::LocalWrite::keep_conflict_copy) returned: a copy that was read since has another name.
pub fn find_conflict_copy(database: &Path, noted: &Path) -> Option<PathBuf> {
    if database.join(noted).exists() {
        return Some(noted.to_owned());
    }
    let (new, key) = (noted.parent()?, noted.file_name()?);
    let copy = find_copy(database.join(new).parent()?, &key.to_string_lossy()).ok().flatten()?;
    copy.strip_prefix(database).map(Path::to_owned).ok()
}

/// A copy that was made before, whatever flags its owner gave it since.
fn find_copy(conflicts: &Path, key: &str) -> Result<Option<PathBuf>, LocalError> {
    let mut found = None;
    for subdir in Subdir::ALL {
        let path = conflicts.join(subdir.as_str());
        list(&path, false, &mut |entry| {
            let name = MessageName::parse_bytes(subdir, entry.name);
            if name.key().as_bytes() == key.as_bytes() {
                found = Some(path.join(name.file_name()));
            }
        })
        .map_err(|error| LocalError::io("list", &path, error))?;
    }
    Ok(found)
}
