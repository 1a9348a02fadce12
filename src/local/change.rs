//! Changes to messages that are there: rename, move, remove, replace.

use super::{Changed, Expect, FolderDir, LocalError, MailTree, MessageName, Moved, StagedFile};
use crate::pim::Digest;
use crate::plan::proof::MessageRemoval;

impl MailTree {
    pub(super) fn rename_message(
        &self,
        _from_dir: &FolderDir,
        _from: &MessageName,
        _to_dir: &FolderDir,
        _to: &MessageName,
    ) -> Result<Moved, LocalError> {
        todo!()
    }

    pub(super) fn remove_message(
        &self,
        _dir: &FolderDir,
        _name: &MessageName,
        _expect: &Expect,
        _proof: MessageRemoval,
    ) -> Result<Changed, LocalError> {
        todo!()
    }

    pub(super) fn replace_message(
        &self,
        _dir: &FolderDir,
        _name: &MessageName,
        _staged: StagedFile,
        _expect: Digest,
    ) -> Result<Changed, LocalError> {
        todo!()
    }

    pub(super) fn settle_folders(&self, _dirs: &[FolderDir]) -> Result<(), LocalError> {
        todo!()
    }
}
