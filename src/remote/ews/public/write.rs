//! Changing what is in public folders. The folders themselves are made and changed with Outlook: the settings name them.

use super::super::ask::own_error;
use super::super::read::mixed_up;
use super::super::write::only;
use super::PublicFolders;
use super::routes::by_route;
use crate::pim::{CategoryList, ChangeKey, FolderId, FolderKind, ItemId};
use crate::plan::proof::{FolderRemoval, MessageRemoval};
use crate::remote::{
    BodySource, Disposal, EntryUpdate, EntryUpload, ItemErrorClass, MarkUpdate, PerItem, Placed, RemoteError,
    RemoteWrite, Upload, Versioned,
};

impl PublicFolders {
    async fn learn_placed(&self, folder: &FolderId, placed: &[PerItem<Placed>]) -> Result<(), RemoteError> {
        self.learn(folder, placed.iter().flatten().map(|placed| &placed.id)).await
    }
}

impl RemoteWrite for PublicFolders {
    async fn create_folder(&self, _: &FolderId, _: &str, _: FolderKind) -> Result<PerItem<FolderId>, RemoteError> {
        refused(
            "it is none of the public folders that public_folders in identity.toml names. Make it with Outlook and name it there, or move the \
                 directory elsewhere",
        )
    }

    async fn rename_folder(&self, _: &FolderId, _: &str) -> Result<PerItem<()>, RemoteError> {
        refused("public folders are renamed with Outlook")
    }

    async fn move_folder(&self, _: &FolderId, _: &FolderId) -> Result<PerItem<()>, RemoteError> {
        refused("public folders are moved with Outlook")
    }

    async fn delete_folder(&self, _: &FolderId, _: Disposal, _: FolderRemoval) -> Result<PerItem<()>, RemoteError> {
        refused("public folders are deleted with Outlook")
    }

    async fn create_messages(
        &self,
        folder: &FolderId,
        uploads: &[Upload<'_>],
    ) -> Result<Vec<PerItem<Placed>>, RemoteError> {
        let placed = self.at(folder).await?.create_messages(folder, uploads).await?;
        self.learn_placed(folder, &placed).await?;
        Ok(placed)
    }

    async fn create_entries(
        &self,
        folder: &FolderId,
        uploads: &[EntryUpload<'_>],
    ) -> Result<Vec<PerItem<Placed>>, RemoteError> {
        let placed = self.at(folder).await?.create_entries(folder, uploads).await?;
        self.learn_placed(folder, &placed).await?;
        Ok(placed)
    }

    async fn update_entries(&self, updates: &[EntryUpdate<'_>]) -> Result<Vec<PerItem<ChangeKey>>, RemoteError> {
        by_route!(self, updates, |update| update.id, |client, part| client.update_entries(part))
    }

    async fn update_marks(&self, updates: &[MarkUpdate]) -> Result<Vec<PerItem<ChangeKey>>, RemoteError> {
        by_route!(self, updates, |update| &update.id, |client, part| client.update_marks(part))
    }

    async fn update_category_list(
        &self,
        _: Option<&CategoryList>,
        _: &CategoryList,
    ) -> Result<PerItem<CategoryList>, RemoteError> {
        refused("public folders have no master list of categories")
    }

    async fn replace_draft(&self, item: &Versioned, body: &dyn BodySource) -> Result<PerItem<ChangeKey>, RemoteError> {
        let groups = self.groups(&[&item.id]).await?;
        let route = groups.into_iter().next().map(|(route, _)| route).unwrap_or_default();
        self.client.at(route).replace_draft(item, body).await
    }

    /// One by one mailbox: what leaves one is looked for in the other by what it keeps.
    async fn move_messages(&self, items: &[Versioned], to: &FolderId) -> Result<Vec<PerItem<Placed>>, RemoteError> {
        let placed: Vec<PerItem<Placed>> = self.move_by_route(items, to).await?;
        self.learn_placed(to, &placed).await?;
        Ok(placed)
    }

    /// There is no Deleted Items in public folders: what is deleted can be recovered by their administrator for a while.
    async fn delete_messages(
        &self,
        items: &[(Versioned, MessageRemoval)],
        _: Disposal,
    ) -> Result<Vec<PerItem<()>>, RemoteError> {
        let items: Vec<Versioned> = items.iter().map(|(item, _proof)| item.clone()).collect();
        by_route!(self, &items, |item| &item.id, |client, part| client.remove_messages(part, Disposal::Dispose))
    }
}

impl PublicFolders {
    async fn move_by_route(&self, items: &[Versioned], to: &FolderId) -> Result<Vec<PerItem<Placed>>, RemoteError> {
        by_route!(self, items, |item| &item.id, |client, part| client.move_messages(part, to))
    }
}

fn refused<T>(why: &str) -> Result<PerItem<T>, RemoteError> {
    Ok(only(vec![Err(own_error(ItemErrorClass::Permanent, "PublicFolders", why))]))
}
