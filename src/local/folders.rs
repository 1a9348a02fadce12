//! The folders themselves: listing, creating, renaming and removing directories.

use super::{DirId, FolderDir, FolderForm, FolderRemoved, LocalError, LocalTree, MailTree, Moved};
use crate::plan::proof::FolderRemoval;

impl MailTree {
    pub(super) fn list_folders(&self) -> Result<LocalTree, LocalError> {
        todo!()
    }

    pub(super) fn make_folder(&self, _dir: &FolderDir, _form: FolderForm, _name: &str) -> Result<DirId, LocalError> {
        todo!()
    }

    pub(super) fn move_folder(&self, _from: &FolderDir, _to: &FolderDir, _name: &str) -> Result<Moved, LocalError> {
        todo!()
    }

    pub(super) fn take_folder(&self, _dir: &FolderDir, _proof: FolderRemoval) -> Result<FolderRemoved, LocalError> {
        todo!()
    }
}
