//! A back end whose page of changes is there as soon as it is asked for. The engine asks for the next page while it takes in the last one, and
//! which of the two comes first is up to the machine; so a simulation could not be repeated.

use pimsync::pim::{
    CategoryList, ChangeKey, EntryKind, FolderId, FolderKind, ItemId, ServerEntry, ServerMessage, SyncState, Tag,
};
use pimsync::plan::proof::{FolderRemoval, MessageRemoval};
use pimsync::remote::ews::EwsClient;
use pimsync::remote::{
    BodySink, BodySource, ChangePage, Disposal, EntryUpdate, EntryUpload, Fetched, FolderActivity, FolderChanges,
    FoundList, ListId, ListMembers, MarkUpdate, PerItem, Placed, RemoteError, RemoteRead, RemoteWrite, SpecialFolders,
    Upload, Versioned,
};
use tokio::runtime::Handle;

type Answer<T> = Result<T, RemoteError>;

pub struct Eager(pub EwsClient);

impl RemoteRead for Eager {
    async fn special_folders(&self) -> Answer<SpecialFolders> {
        self.0.special_folders().await
    }

    async fn folder_changes(&self, since: Option<&SyncState>) -> Answer<FolderChanges> {
        self.0.folder_changes(since).await
    }

    async fn activity(&self, folders: &[FolderId]) -> Answer<Vec<PerItem<FolderActivity>>> {
        self.0.activity(folders).await
    }

    fn item_changes(
        &self,
        folder: &FolderId,
        since: Option<&SyncState>,
        max: u16,
    ) -> impl Future<Output = Answer<ChangePage>> + Send {
        let page = tokio::task::block_in_place(|| Handle::current().block_on(self.0.item_changes(folder, since, max)));
        std::future::ready(page)
    }

    async fn messages(&self, ids: &[ItemId]) -> Answer<Vec<PerItem<ServerMessage>>> {
        self.0.messages(ids).await
    }

    async fn bodies(&self, items: &[(ItemId, u64)], sink: &mut dyn BodySink) -> Answer<Vec<PerItem<Fetched>>> {
        self.0.bodies(items, sink).await
    }

    async fn subjects(&self, ids: &[ItemId]) -> Answer<Vec<PerItem<String>>> {
        self.0.subjects(ids).await
    }

    async fn first_entries(&self, kind: EntryKind, ids: &[ItemId]) -> Answer<Vec<PerItem<ServerEntry>>> {
        self.0.first_entries(kind, ids).await
    }

    async fn find_tagged(&self, folder: &FolderId, tags: &[Tag]) -> Answer<Vec<ServerMessage>> {
        self.0.find_tagged(folder, tags).await
    }

    async fn find_lists(&self, name: &str) -> Answer<Vec<FoundList>> {
        self.0.find_lists(name).await
    }

    async fn list_members(&self, list: &ListId) -> Answer<PerItem<ListMembers>> {
        self.0.list_members(list).await
    }

    async fn category_list(&self) -> Answer<PerItem<Option<CategoryList>>> {
        self.0.category_list().await
    }
}

impl RemoteWrite for Eager {
    async fn create_folder(&self, parent: &FolderId, name: &str, kind: FolderKind) -> Answer<PerItem<FolderId>> {
        self.0.create_folder(parent, name, kind).await
    }

    async fn rename_folder(&self, folder: &FolderId, name: &str) -> Answer<PerItem<()>> {
        self.0.rename_folder(folder, name).await
    }

    async fn move_folder(&self, folder: &FolderId, parent: &FolderId) -> Answer<PerItem<()>> {
        self.0.move_folder(folder, parent).await
    }

    async fn delete_folder(&self, folder: &FolderId, disposal: Disposal, proof: FolderRemoval) -> Answer<PerItem<()>> {
        self.0.delete_folder(folder, disposal, proof).await
    }

    async fn create_messages(&self, folder: &FolderId, uploads: &[Upload<'_>]) -> Answer<Vec<PerItem<Placed>>> {
        self.0.create_messages(folder, uploads).await
    }

    async fn create_entries(&self, folder: &FolderId, uploads: &[EntryUpload<'_>]) -> Answer<Vec<PerItem<Placed>>> {
        self.0.create_entries(folder, uploads).await
    }

    async fn update_entries(&self, updates: &[EntryUpdate<'_>]) -> Answer<Vec<PerItem<ChangeKey>>> {
        self.0.update_entries(updates).await
    }

    async fn update_marks(&self, updates: &[MarkUpdate]) -> Answer<Vec<PerItem<ChangeKey>>> {
        self.0.update_marks(updates).await
    }

    async fn update_category_list(
        &self,
        from: Option<&CategoryList>,
        to: &CategoryList,
    ) -> Answer<PerItem<CategoryList>> {
        self.0.update_category_list(from, to).await
    }

    async fn replace_draft(&self, item: &Versioned, body: &dyn BodySource) -> Answer<PerItem<ChangeKey>> {
        self.0.replace_draft(item, body).await
    }

    async fn move_messages(&self, items: &[Versioned], to: &FolderId) -> Answer<Vec<PerItem<Placed>>> {
        self.0.move_messages(items, to).await
    }

    async fn delete_messages(
        &self,
        items: &[(Versioned, MessageRemoval)],
        disposal: Disposal,
    ) -> Answer<Vec<PerItem<()>>> {
        self.0.delete_messages(items, disposal).await
    }
}
