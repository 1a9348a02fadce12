//! Reading a folder: its listing, its stamp, its messages.

use std::fs::File;
use std::path::Path;

use super::{DirStamp, FileStat, FolderDir, Keywords, LocalError, MailTree, MessageName, ScanEnd, Staged};
use crate::pim::{Categories, Digest};

impl MailTree {
    pub(super) fn scan_folder(
        &self,
        _dir: &FolderDir,
        _visit: &mut dyn FnMut(MessageName),
    ) -> Result<ScanEnd, LocalError> {
        todo!()
    }
    pub(super) fn stamp_folder(&self, _dir: &FolderDir) -> Result<DirStamp, LocalError> {
        todo!()
    }
    pub(super) fn read_keywords(&self, _dir: &FolderDir) -> Result<Keywords, LocalError> {
        todo!()
    }
    pub(super) fn write_keywords(&self, _dir: &FolderDir, _categories: &Categories) -> Result<Keywords, LocalError> {
        todo!()
    }
    pub(super) fn stat_message(&self, _dir: &FolderDir, _name: &MessageName) -> Result<Option<FileStat>, LocalError> {
        todo!()
    }
    pub(super) fn stage_in(&self, _dir: &FolderDir) -> Result<Staged, LocalError> {
        todo!()
    }
}

pub(super) fn digest_at(_path: &Path) -> Result<Option<(Digest, u64)>, LocalError> {
    todo!()
}

pub(super) fn open_at(_path: &Path) -> Result<Option<File>, LocalError> {
    todo!()
}
