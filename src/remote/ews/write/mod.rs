//! What changes the mailbox.

mod folders;
pub(super) mod messages;
mod sending;
pub(super) mod uploads;

use super::EwsClient;
use crate::pim::{CategoryList, ChangeKey, FolderId, FolderKind};
use crate::plan::proof::{FolderRemoval, MessageRemoval};
use crate::remote::{
    BodySource, Disposal, EntryUpdate, EntryUpload, MarkUpdate, PerItem, Placed, RemoteError, RemoteWrite, Upload,
    Versioned,
};

impl RemoteWrite for EwsClient {
    async fn create_folder(
        &self,
        parent: &FolderId,
        name: &str,
        kind: FolderKind,
    ) -> Result<PerItem<FolderId>, RemoteError> {
        self.make_folder(parent, name, kind).await
    }

    async fn rename_folder(&self, folder: &FolderId, name: &str) -> Result<PerItem<()>, RemoteError> {
        self.give_folder_name(folder, name).await
    }

    async fn move_folder(&self, folder: &FolderId, parent: &FolderId) -> Result<PerItem<()>, RemoteError> {
        self.put_folder_under(folder, parent).await
    }

    async fn delete_folder(
        &self,
        folder: &FolderId,
        disposal: Disposal,
        _proof: FolderRemoval,
    ) -> Result<PerItem<()>, RemoteError> {
        self.remove_folder(folder, disposal).await
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
        self.remove_messages(&items, disposal).await
    }
}

/// The single result of a single write.
pub(super) fn only<T>(results: Vec<PerItem<T>>) -> PerItem<T> {
    results.into_iter().next().unwrap_or_else(|| Err(super::read::mixed_up("the request")))
}
