//! Reading public folders.

use super::super::ask::own_error;
use super::super::read::mixed_up;
use super::super::shape::ACTIVITY_AND_RIGHTS;
use super::super::transport::Route;
use super::PublicFolders;
use super::routes::{by_route, pick};
use crate::pim::{CategoryList, Entry, EntryKind, FolderId, ItemId, ServerEntry, ServerMessage, SyncState, Tag};
use crate::remote::{
    Absence, BodySink, Capabilities, ChangePage, Fetched, FolderActivity, FolderChanges, FoundList, ItemErrorClass,
    ListId, ListMembers, PerItem, RemoteError, RemoteListen, RemoteRead, Silence, SpecialFolders, Subscription,
    Telling,
};

impl RemoteRead for PublicFolders {
    fn capabilities(&self) -> Capabilities {
        Capabilities { absence: Absence::Hidden, category_list: false }
    }

    async fn special_folders(&self) -> Result<SpecialFolders, RemoteError> {
        Ok(SpecialFolders { root: self.root().await?, special: Vec::new() })
    }

    async fn folder_changes(&self, _: Option<&SyncState>) -> Result<FolderChanges, RemoteError> {
        let shown = self.look().await?;
        let (changed, hidden) = (shown.folders.clone(), shown.hidden.clone());
        Ok(FolderChanges { changed, gone: Vec::new(), hidden, state: SyncState::new("pimsync:shown") })
    }

    async fn activity(&self, folders: &[FolderId]) -> Result<Vec<PerItem<FolderActivity>>, RemoteError> {
        let shown = self.shown().await?;
        let route = |folder: &FolderId| shown.routes.get(folder).cloned().unwrap_or_default();
        let mut routes: Vec<Route> = folders.iter().map(route).collect();
        routes.sort();
        routes.dedup();
        let mut answers: Vec<PerItem<FolderActivity>> = folders.iter().map(|_| Err(mixed_up("GetFolder"))).collect();
        for at in routes {
            let slots: Vec<usize> =
                folders.iter().enumerate().filter(|(_, folder)| route(folder) == at).map(|(slot, _)| slot).collect();
            let said = self.client.at(at).activity_with(&pick(folders, &slots), &ACTIVITY_AND_RIGHTS).await?;
            for (slot, said) in slots.into_iter().zip(said) {
                if let Some(answer) = answers.get_mut(slot) {
                    *answer = said;
                }
            }
        }
        Ok(answers)
    }

    async fn item_changes(
        &self,
        folder: &FolderId,
        since: Option<&SyncState>,
        max: u16,
    ) -> Result<ChangePage, RemoteError> {
        self.page(folder, since, max).await
    }

    async fn messages(&self, ids: &[ItemId]) -> Result<Vec<PerItem<ServerMessage>>, RemoteError> {
        by_route!(self, ids, |id| id, |client, part| client.messages(part))
    }

    async fn subjects(&self, ids: &[ItemId]) -> Result<Vec<PerItem<String>>, RemoteError> {
        by_route!(self, ids, |id| id, |client, part| client.subjects(part))
    }

    async fn bodies(
        &self,
        items: &[(ItemId, u64)],
        sink: &mut dyn BodySink,
    ) -> Result<Vec<PerItem<Fetched>>, RemoteError> {
        let ids: Vec<&ItemId> = items.iter().map(|(id, _)| id).collect();
        let mut answers: Vec<PerItem<Fetched>> = items.iter().map(|_| Err(mixed_up("GetItem"))).collect();
        for (route, slots) in self.groups(&ids).await? {
            let part = pick(items, &slots);
            let fetched = self.client.at(route).bodies(&part, &mut Part { sink: &mut *sink, slots: &slots }).await?;
            for (slot, fetched) in slots.into_iter().zip(fetched) {
                if let Some(answer) = answers.get_mut(slot) {
                    *answer = fetched;
                }
            }
        }
        Ok(answers)
    }

    async fn entries_like(
        &self,
        kind: EntryKind,
        expected: &[(ItemId, &Entry)],
    ) -> Result<Vec<PerItem<ServerEntry>>, RemoteError> {
        by_route!(self, expected, |(id, _)| id, |client, part| client.entries_like(kind, part))
    }

    async fn first_entries(&self, kind: EntryKind, ids: &[ItemId]) -> Result<Vec<PerItem<ServerEntry>>, RemoteError> {
        let asked: Vec<&ItemId> = ids.iter().collect();
        let groups = self.groups(&asked).await?;
        // The first of them that lie together.
        let Some((route, slots)) = groups.into_iter().find(|(_, slots)| slots.first() == Some(&0)) else {
            return Ok(Vec::new());
        };
        let together = slots.iter().enumerate().take_while(|(at, slot)| at == *slot).count();
        let first = ids.get(..together).unwrap_or(ids);
        self.client.at(route).first_entries(kind, first).await
    }

    async fn find_tagged(&self, folder: &FolderId, tags: &[Tag]) -> Result<Vec<ServerMessage>, RemoteError> {
        let found = self.at(folder).await?.find_tagged(folder, tags).await?;
        self.learn(folder, found.iter().map(|message| &message.id)).await?;
        Ok(found)
    }

    async fn find_lists(&self, _: &str) -> Result<Vec<FoundList>, RemoteError> {
        Ok(Vec::new())
    }

    async fn list_members(&self, _: &ListId) -> Result<PerItem<ListMembers>, RemoteError> {
        Ok(Err(own_error(ItemErrorClass::Gone, "PublicFolders", "lists are in mailboxes")))
    }

    async fn category_list(&self) -> Result<PerItem<Option<CategoryList>>, RemoteError> {
        Ok(Ok(None))
    }
}

/// Bodies of some of the messages that were asked for.
struct Part<'a> {
    sink: &'a mut dyn BodySink,
    slots: &'a [usize],
}

impl BodySink for Part<'_> {
    fn begin(&mut self, slot: usize) -> std::io::Result<()> {
        match self.slots.get(slot) {
            Some(slot) => self.sink.begin(*slot),
            None => Err(std::io::Error::other("a body that nobody asked for")),
        }
    }
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.sink.write(bytes)
    }
}

impl RemoteListen for PublicFolders {
    /// A subscription can be about one public folder alone, and a mailbox has few of them.
    async fn subscribe(&self, _: Telling) -> Result<PerItem<Subscription>, RemoteError> {
        let message = "public folders are looked at by the checks";
        Ok(Err(own_error(ItemErrorClass::Permanent, "PublicFolders", message)))
    }

    async fn listen(
        &self,
        _: &mut Subscription,
        _: &mut (dyn FnMut(crate::remote::Heard) + Send),
    ) -> Result<Silence, RemoteError> {
        Ok(Silence::Lost)
    }

    async fn unsubscribe(&self, _: &Subscription) {}
}
