//! The server's contacts, notes, tasks and events as another client of it sees them.

use std::sync::atomic::Ordering;

use super::World;
use pimsync::pim::{Entry, EntryKind, FolderId, ItemId, ServerEntry, SpecialFolder, Tag};
use pimsync::remote::ews::EwsClient;
use pimsync::remote::{EntryUpdate, EntryUpload, ItemChange, RemoteRead, RemoteWrite};

/// Another client of the server.
pub struct Others<'w>(pub &'w World);

impl Others<'_> {
    fn run<T>(&self, work: impl AsyncFnOnce(EwsClient) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(work(self.0.client()))
    }

    pub fn folder(&self, special: SpecialFolder) -> FolderId {
        self.run(async |client| {
            let found = client.special_folders().await.unwrap();
            found.special.into_iter().find(|(role, _)| *role == special).unwrap().1
        })
    }

    /// The folder of that path.
    pub fn at(&self, path: &str) -> FolderId {
        FolderId::new(self.0.mailbox.folder(path).unwrap())
    }

    pub fn create(&self, folder: SpecialFolder, entry: &Entry) -> ItemId {
        self.create_in(&self.folder(folder), entry)
    }

    pub fn create_in(&self, folder: &FolderId, entry: &Entry) -> ItemId {
        let tag = Tag::new(format!("{:032x}", self.0.next.fetch_add(1, Ordering::SeqCst)));
        let upload = EntryUpload { tag: &tag, entry, extra: None };
        self.run(async |client| client.create_entries(folder, &[upload]).await.unwrap().remove(0).unwrap().id)
    }

    /// All that lies in a folder.
    pub fn all(&self, folder: SpecialFolder) -> Vec<ServerEntry> {
        self.all_in(&self.folder(folder), kind_of(folder))
    }

    pub fn all_in(&self, folder: &FolderId, kind: EntryKind) -> Vec<ServerEntry> {
        self.run(async |client| {
            let mut ids: Vec<ItemId> = Vec::new();
            let mut since = None;
            loop {
                let page = client.item_changes(folder, since.as_ref(), 512).await.unwrap();
                let before = ids.len();
                ids.extend(page.changes.into_iter().filter_map(|change| match change {
                    ItemChange::Present(message) => Some(message.id),
                    _ => None,
                }));
                if ids.len() == before {
                    break;
                }
                since = Some(page.state);
            }
            client.entries(kind, &ids).await.unwrap().into_iter().map(Result::unwrap).collect()
        })
    }

    /// Changes what is alone in its folder.
    pub fn update(&self, folder: SpecialFolder, change: impl FnOnce(&mut Entry)) {
        self.change(self.all(folder).remove(0), change);
    }

    pub fn change(&self, now: ServerEntry, change: impl FnOnce(&mut Entry)) {
        let mut to = now.entry.clone();
        change(&mut to);
        let update = EntryUpdate { id: &now.id, change_key: &now.change_key, from: &now.entry, to: &to, extra: None };
        self.run(async |client| client.update_entries(&[update]).await.unwrap().remove(0).unwrap());
    }

    /// Deletes what is alone in its folder.
    pub fn delete(&self, folder: SpecialFolder) {
        let now = self.all(folder).remove(0);
        self.0.mailbox.delete_item(now.id.as_str()).unwrap();
    }
}

fn kind_of(folder: SpecialFolder) -> EntryKind {
    match folder {
        SpecialFolder::Contacts => EntryKind::Contact,
        SpecialFolder::Tasks => EntryKind::Task,
        SpecialFolder::Notes => EntryKind::Note,
        _ => EntryKind::Event,
    }
}
