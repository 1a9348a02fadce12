//! Delivery: staged files become messages.
//!
//! Order: data durable → names → directories durable. A crash before the names leaves files in `tmp`, which the next run clears;
//! after the names, messages that the next run recognises by their deterministic keys.

use super::{FileStat, FolderDir, LocalError, MailTree, MessageName, StagedFile};

/// A staged file and the message that it becomes.
#[derive(Debug)]
pub struct Delivery {
    /// The file.
    pub staged: StagedFile,
    /// The folder. Need not be the one that the file was staged in.
    pub dir: FolderDir,
    /// The message's name.
    pub name: MessageName,
}

impl MailTree {
    pub(super) fn deliver_all(&self, batch: Vec<Delivery>) -> Result<Vec<Result<FileStat, LocalError>>, LocalError> {
        let _ = batch;
        todo!()
    }
}
