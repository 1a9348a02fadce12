//! What changes the mailbox.

mod folders;
pub(super) mod messages;
mod sending;
pub(super) mod uploads;

use super::ask::own_error;
use super::mailbox::is_no_top;
use super::{EwsClient, shape};
use crate::pim::{CategoryList, ChangeKey, FolderId, FolderKind};
use crate::plan::proof::{FolderRemoval, MessageRemoval};
use crate::remote::{
    BodySource, Disposal, EntryUpdate, EntryUpload, ItemErrorClass, MarkUpdate, PerItem, Placed, RemoteError,
    RemoteWrite, Upload, Versioned,
};

impl RemoteWrite for EwsClient {
    async fn create_folder(
        &self,
        parent: &FolderId,
        name: &str,
        kind: FolderKind,
    ) -> Result<PerItem<FolderId>, RemoteError> {
        if is_no_top(parent) {
            return Ok(Err(own_error(ItemErrorClass::Permanent, "NoTop", NO_TOP)));
        }
        self.make_folder(parent, name, kind).await
    }

    async fn rename_folder(&self, folder: &FolderId, name: &str) -> Result<PerItem<()>, RemoteError> {
        self.give_folder_name(folder, name).await
    }

    async fn move_folder(&self, folder: &FolderId, parent: &FolderId) -> Result<PerItem<()>, RemoteError> {
        if is_no_top(parent) {
            return Ok(Err(own_error(ItemErrorClass::Permanent, "NoTop", NO_TOP)));
        }
        self.put_folder_under(folder, parent).await
    }

    async fn delete_folder(
        &self,
        folder: &FolderId,
        disposal: Disposal,
        _proof: FolderRemoval,
    ) -> Result<PerItem<()>, RemoteError> {
        let removed = self.remove_folder(folder, disposal).await?;
        match (&removed, self.whose.is_shared()) {
            (Err(error), true) if error.code == NOT_TO_BIN => self.bin_folder(folder).await,
            _ => Ok(removed),
        }
    }

    async fn create_messages(
        &self,
        folder: &FolderId,
        uploads: &[Upload<'_>],
    ) -> Result<Vec<PerItem<Placed>>, RemoteError> {
        self.upload(folder, uploads).await
    }

    async fn create_entries(
        &self,
        folder: &FolderId,
        uploads: &[EntryUpload<'_>],
    ) -> Result<Vec<PerItem<Placed>>, RemoteError> {
        self.upload_entries(folder, uploads).await
    }

    async fn update_entries(&self, updates: &[EntryUpdate<'_>]) -> Result<Vec<PerItem<ChangeKey>>, RemoteError> {
        self.change_entries(updates).await
    }

    async fn update_marks(&self, updates: &[MarkUpdate]) -> Result<Vec<PerItem<ChangeKey>>, RemoteError> {
        self.set_marks(updates).await
    }

    async fn update_category_list(
        &self,
        from: Option<&CategoryList>,
        to: &CategoryList,
    ) -> Result<PerItem<CategoryList>, RemoteError> {
        self.put_category_list(from, to).await
    }

    async fn replace_draft(&self, item: &Versioned, body: &dyn BodySource) -> Result<PerItem<ChangeKey>, RemoteError> {
        self.replace_body(item, body).await
    }

    async fn move_messages(&self, items: &[Versioned], to: &FolderId) -> Result<Vec<PerItem<Placed>>, RemoteError> {
        self.put_messages_into(items, to).await
    }

    async fn delete_messages(
        &self,
        items: &[(Versioned, MessageRemoval)],
        disposal: Disposal,
    ) -> Result<Vec<PerItem<()>>, RemoteError> {
        let items: Vec<Versioned> = items.iter().map(|(item, _proof)| item.clone()).collect();
        match (disposal, self.whose.is_shared()) {
            (Disposal::ToDeletedItems, true) => self.bin_messages(&items).await,
            _ => self.remove_messages(&items, disposal).await,
        }
    }
}

/// What is said of a folder that is to be made in a mailbox of which only some folders are shown.
const NO_TOP: &str = "the top of this mailbox is not shown to you, so that no folder can be made or moved there; ask its owner for the right to";

/// What Exchange says to a delegate who deletes to Deleted Items.
const NOT_TO_BIN: &str = "ErrorCannotDeleteObject";

impl EwsClient {
    /// Deletes what is in a mailbox of others: they may move it to Deleted Items, but not delete it there (delegates are refused). Where
    /// Deleted Items is not shown either, it goes to where the owner can recover it for a while.
    async fn bin_messages(&self, items: &[Versioned]) -> Result<Vec<PerItem<()>>, RemoteError> {
        match self.bin().await? {
            Some(bin) => {
                let placed = self.put_messages_into(items, &bin).await?;
                // Where it is there is of no concern.
                let is_done = |placed: PerItem<Placed>| match placed {
                    Err(error) if error.code == messages::NEW_ID_UNKNOWN => Ok(()),
                    placed => placed.map(drop),
                };
                Ok(placed.into_iter().map(is_done).collect())
            }
            None => self.remove_messages(items, Disposal::Dispose).await,
        }
    }

    async fn bin_folder(&self, folder: &FolderId) -> Result<PerItem<()>, RemoteError> {
        match self.bin().await? {
            Some(bin) => self.put_folder_under(folder, &bin).await,
            None => self.remove_folder(folder, Disposal::Dispose).await,
        }
    }

    /// Deleted Items, where it is shown.
    async fn bin(&self) -> Result<Option<FolderId>, RemoteError> {
        let found = self.folder_with(self.whose.bin(), &[]).await?;
        Ok(found.ok().and_then(|bin| shape::folder_id(&bin, "FolderId")))
    }
}

/// The single result of a single write.
pub(super) fn only<T>(results: Vec<PerItem<T>>) -> PerItem<T> {
    results.into_iter().next().unwrap_or_else(|| Err(super::read::mixed_up("the request")))
}
