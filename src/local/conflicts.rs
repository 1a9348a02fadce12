//! Conflict copies: the version of a message that lost, kept where nothing is ever synchronized.

use std::path::PathBuf;

use super::{FolderDir, LocalError, MailTree, MessageName, StagedFile};

impl MailTree {
    pub(super) fn copy_conflict(&self, _dir: &FolderDir, _name: &MessageName) -> Result<Option<PathBuf>, LocalError> {
        todo!()
    }

    pub(super) fn place_conflict(&self, _staged: StagedFile, _dir: &FolderDir) -> Result<PathBuf, LocalError> {
        todo!()
    }
}
