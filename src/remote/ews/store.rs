//! What an account's tree of folders lies in: a mailbox, or the public folders. The engine does not tell them apart.

use super::ask::own_error;
use super::{EwsClient, PublicFolders};
use crate::pim::{
    CategoryList, ChangeKey, Entry, EntryKind, FolderId, FolderKind, ItemId, ServerEntry, ServerMessage, SyncState, Tag,
};
use crate::plan::proof::{FolderRemoval, MessageRemoval};
use crate::remote::auth::Scheme;
use crate::remote::{
    BodySink, BodySource, Capabilities, ChangePage, Disposal, EntryUpdate, EntryUpload, Fetched, FolderActivity,
    FolderChanges, FoundList, Heard, ItemErrorClass, Letter, ListId, ListMembers, MarkUpdate, PerItem, Placed,
    RemoteError, RemoteListen, RemoteRead, RemoteSend, RemoteWrite, Silence, SpecialFolders, Subscription, Telling,
    Upload, Versioned, Whereabouts,
};

/// What a tree of folders lies in.
#[derive(Debug)]
pub enum Store {
    /// A mailbox.
    Mailbox(EwsClient),
    /// Public folders.
    Public(Box<PublicFolders>),
}

type Answer<T> = Result<T, RemoteError>;

macro_rules! either {
    ($store:ident, $inner:ident => $work:expr) => {
        match $store {
            Store::Mailbox($inner) => $work,
            Store::Public($inner) => $work,
        }
    };
}

impl Store {
    /// As [`EwsClient::scheme`].
    pub fn scheme(&self) -> Option<Scheme> {
        match self {
            Self::Mailbox(client) => client.scheme(),
            Self::Public(folders) => folders.client().scheme(),
        }
    }

    /// As [`EwsClient::ahead`].
    pub fn ahead(&self) -> Option<i64> {
        match self {
            Self::Mailbox(client) => client.ahead(),
            Self::Public(folders) => folders.client().ahead(),
        }
    }
}

impl RemoteRead for Store {
    fn capabilities(&self) -> Capabilities {
        either!(self, store => store.capabilities())
    }
    async fn special_folders(&self) -> Answer<SpecialFolders> {
        either!(self, store => store.special_folders().await)
    }
    async fn folder_changes(&self, since: Option<&SyncState>) -> Answer<FolderChanges> {
        either!(self, store => store.folder_changes(since).await)
    }
    async fn activity(&self, folders: &[FolderId]) -> Answer<Vec<PerItem<FolderActivity>>> {
        either!(self, store => store.activity(folders).await)
    }
    async fn item_changes(&self, folder: &FolderId, since: Option<&SyncState>, max: u16) -> Answer<ChangePage> {
        either!(self, store => store.item_changes(folder, since, max).await)
    }
    async fn messages(&self, ids: &[ItemId]) -> Answer<Vec<PerItem<ServerMessage>>> {
        either!(self, store => store.messages(ids).await)
    }
    async fn subjects(&self, ids: &[ItemId]) -> Answer<Vec<PerItem<String>>> {
        either!(self, store => store.subjects(ids).await)
    }
    async fn bodies(&self, items: &[(ItemId, u64)], sink: &mut dyn BodySink) -> Answer<Vec<PerItem<Fetched>>> {
        either!(self, store => store.bodies(items, sink).await)
    }
    async fn entries_like(&self, kind: EntryKind, expected: &[(ItemId, &Entry)]) -> Answer<Vec<PerItem<ServerEntry>>> {
        either!(self, store => store.entries_like(kind, expected).await)
    }
    async fn first_entries(&self, kind: EntryKind, ids: &[ItemId]) -> Answer<Vec<PerItem<ServerEntry>>> {
        either!(self, store => store.first_entries(kind, ids).await)
    }
    async fn find_tagged(&self, folder: &FolderId, tags: &[Tag]) -> Answer<Vec<ServerMessage>> {
        either!(self, store => store.find_tagged(folder, tags).await)
    }
    async fn find_lists(&self, name: &str) -> Answer<Vec<FoundList>> {
        either!(self, store => store.find_lists(name).await)
    }
    async fn list_members(&self, list: &ListId) -> Answer<PerItem<ListMembers>> {
        either!(self, store => store.list_members(list).await)
    }
    async fn category_list(&self) -> Answer<PerItem<Option<CategoryList>>> {
        either!(self, store => store.category_list().await)
    }
}

impl RemoteWrite for Store {
    async fn create_folder(&self, parent: &FolderId, name: &str, kind: FolderKind) -> Answer<PerItem<FolderId>> {
        either!(self, store => store.create_folder(parent, name, kind).await)
    }
    async fn rename_folder(&self, folder: &FolderId, name: &str) -> Answer<PerItem<()>> {
        either!(self, store => store.rename_folder(folder, name).await)
    }
    async fn move_folder(&self, folder: &FolderId, parent: &FolderId) -> Answer<PerItem<()>> {
        either!(self, store => store.move_folder(folder, parent).await)
    }
    async fn delete_folder(&self, folder: &FolderId, disposal: Disposal, proof: FolderRemoval) -> Answer<PerItem<()>> {
        either!(self, store => store.delete_folder(folder, disposal, proof).await)
    }
    async fn create_messages(&self, folder: &FolderId, uploads: &[Upload<'_>]) -> Answer<Vec<PerItem<Placed>>> {
        either!(self, store => store.create_messages(folder, uploads).await)
    }
    async fn create_entries(&self, folder: &FolderId, uploads: &[EntryUpload<'_>]) -> Answer<Vec<PerItem<Placed>>> {
        either!(self, store => store.create_entries(folder, uploads).await)
    }
    async fn update_entries(&self, updates: &[EntryUpdate<'_>]) -> Answer<Vec<PerItem<ChangeKey>>> {
        either!(self, store => store.update_entries(updates).await)
    }
    async fn update_marks(&self, updates: &[MarkUpdate]) -> Answer<Vec<PerItem<ChangeKey>>> {
        either!(self, store => store.update_marks(updates).await)
    }
    async fn update_category_list(
        &self,
        from: Option<&CategoryList>,
        to: &CategoryList,
    ) -> Answer<PerItem<CategoryList>> {
        either!(self, store => store.update_category_list(from, to).await)
    }
    async fn replace_draft(&self, item: &Versioned, body: &dyn BodySource) -> Answer<PerItem<ChangeKey>> {
        either!(self, store => store.replace_draft(item, body).await)
    }
    async fn move_messages(&self, items: &[Versioned], to: &FolderId) -> Answer<Vec<PerItem<Placed>>> {
        either!(self, store => store.move_messages(items, to).await)
    }
    async fn delete_messages(
        &self,
        items: &[(Versioned, MessageRemoval)],
        disposal: Disposal,
    ) -> Answer<Vec<PerItem<()>>> {
        either!(self, store => store.delete_messages(items, disposal).await)
    }
}

impl RemoteListen for Store {
    async fn subscribe(&self, telling: Telling) -> Answer<PerItem<Subscription>> {
        either!(self, store => store.subscribe(telling).await)
    }
    async fn listen(&self, subscription: &mut Subscription, hear: &mut (dyn FnMut(Heard) + Send)) -> Answer<Silence> {
        either!(self, store => store.listen(subscription, hear).await)
    }
    async fn unsubscribe(&self, subscription: &Subscription) {
        either!(self, store => store.unsubscribe(subscription).await);
    }
}

impl RemoteSend for Store {
    async fn whereabouts(&self, tags: &[Tag]) -> Answer<Vec<Whereabouts>> {
        match self {
            Self::Mailbox(client) => client.whereabouts(tags).await,
            Self::Public(_) => Ok(vec![Whereabouts::Nowhere; tags.len()]),
        }
    }

    async fn send(&self, letter: &Letter<'_>) -> Answer<PerItem<()>> {
        match self {
            Self::Mailbox(client) => client.send(letter).await,
            Self::Public(_) => {
                Ok(Err(own_error(ItemErrorClass::Permanent, "PublicFolders", "mail is sent from a mailbox")))
            }
        }
    }
}
