//! Delivery: staged files become messages.
//!
//! Order: data durable → names → directories durable. A crash before the names leaves files in `tmp`, which the next run clears;
//! after the names, messages that the next run recognises by their deterministic keys.

use std::collections::BTreeSet;
use std::io;

use super::disk::look;
use super::platform;
use super::scan::digest_at;
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
        let dirs: BTreeSet<_> = batch.iter().map(|one| self.subdir_path(&one.dir, one.name.subdir())).collect();
        self.sync_found(&batch.iter().map(|one| (one.staged.path(), one.staged.dev())).collect::<Vec<_>>())?;
        let named = batch.into_iter().map(|one| self.name(one)).collect();
        self.sync_dirs(&dirs.into_iter().collect::<Vec<_>>())?;
        Ok(named)
    }

    fn name(&self, one: Delivery) -> Result<FileStat, LocalError> {
        let Delivery { staged, dir, name } = one;
        let path = self.message_path(&dir, &name);
        match platform::rename_new(staged.path(), &path) {
            Ok(()) => {
                let stat = staged.stat();
                staged.keep();
                Ok(stat)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match digest_at(&path)? {
                Some((digest, _)) if digest == staged.digest() => {
                    Ok(look(&path)?.map_or_else(|| staged.stat(), |found| found.stat))
                }
                _ => Err(LocalError::Taken { path }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let subdir = self.subdir_path(&dir, name.subdir());
                match look(&subdir)? {
                    None => Err(LocalError::FolderGone { path: subdir }),
                    Some(_) => Err(LocalError::io("deliver", staged.path(), error)),
                }
            }
            Err(error) => Err(LocalError::io("deliver", &path, error)),
        }
    }
}
