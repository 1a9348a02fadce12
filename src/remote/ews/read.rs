//! Reading: folders, listings, items.

use std::collections::{HashMap, HashSet};

use super::answer::Response;
use super::ask::{FOLDERS_PER_CALL, ITEMS_PER_CALL, own_error};
use super::request::{self, FolderRef};
use super::shape::{self, Property};
use super::xml::Element;
use super::{EwsClient, mailbox};
use crate::pim::{
    CategoryList, Entry, EntryKind, FolderId, ItemId, ServerEntry, ServerFolder, ServerMessage, SyncState, Tag,
};
use crate::remote::{
    Absence, BodySink, Capabilities, ChangePage, Fetched, FolderActivity, FolderChanges, FoundList, ItemChange,
    ItemError, ItemErrorClass, ListId, ListMembers, PerItem, Reach, RemoteError, RemoteRead, SpecialFolders,
};

/// Values in one search: more make the restriction too complex for some servers.
const VALUES_PER_SEARCH: usize = 25;
/// Folders in one search.
const FOLDERS_PER_SEARCH: usize = 50;
/// Pages of a folder listing before it is taken for endless.
const MOST_PAGES: usize = 10_000;

impl RemoteRead for EwsClient {
    /// In a mailbox of others, what is just not listed may be hidden from us. Its list of categories is its owner's.
    fn capabilities(&self) -> Capabilities {
        let absence = if self.whose.is_shared() { Absence::Doubtful } else { Absence::Gone };
        Capabilities { absence, category_list: !self.whose.is_other() }
    }

    async fn special_folders(&self) -> Result<SpecialFolders, RemoteError> {
        self.standard().await
    }

    async fn folder_changes(&self, since: Option<&SyncState>) -> Result<FolderChanges, RemoteError> {
        if since.is_some_and(mailbox::were_found) {
            return self.found_folders(since).await;
        }
        match (self.listed_folders(since).await, since) {
            (Err(error), None) if self.lists_no_folders(&error) => self.found_folders(None).await,
            // Perhaps some are shown still.
            (Err(error), Some(_)) if self.lists_no_folders(&error) => Err(RemoteError::StateInvalid),
            (changes, _) => changes,
        }
    }

    async fn activity(&self, folders: &[FolderId]) -> Result<Vec<PerItem<FolderActivity>>, RemoteError> {
        match self.whose.is_shared() {
            true => self.activity_with(folders, &shape::ACTIVITY_AND_RIGHTS).await,
            false => self.activity_with(folders, &shape::ACTIVITY).await,
        }
    }

    async fn item_changes(
        &self,
        folder: &FolderId,
        since: Option<&SyncState>,
        max: u16,
    ) -> Result<ChangePage, RemoteError> {
        const OPERATION: &str = "SyncFolderItems";
        let response =
            self.ask_one(OPERATION, |version| request::sync_items(version, folder, since, max, &shape::LISTED)).await?;
        Ok(ChangePage {
            changes: response.body.children_of("Changes").filter_map(item_change).collect(),
            state: sync_state(OPERATION, &response)?,
            reach: Reach::Changes { last: response.body.value("IncludesLastItemInRange") != Some("false") },
        })
    }

    async fn messages(&self, ids: &[ItemId]) -> Result<Vec<PerItem<ServerMessage>>, RemoteError> {
        self.messages_with(ids, &shape::BY_ID).await
    }

    async fn subjects(&self, ids: &[ItemId]) -> Result<Vec<PerItem<String>>, RemoteError> {
        const SUBJECT: Property = Property::Field("item:Subject");
        let responses = self
            .ask_each("GetItem", ids, ITEMS_PER_CALL, |version, ids| {
                request::get_items(version, ids.iter().copied(), &[SUBJECT])
            })
            .await?;
        let subject = |response: &Response| {
            let found = response.checked()?.first().ok_or_else(|| mixed_up("GetItem"))?;
            Ok(SUBJECT.text(found).as_str().to_owned())
        };
        Ok(responses.iter().map(subject).collect())
    }

    async fn bodies(
        &self,
        items: &[(ItemId, u64)],
        sink: &mut dyn BodySink,
    ) -> Result<Vec<PerItem<Fetched>>, RemoteError> {
        self.fetch_bodies(items, sink).await
    }

    async fn entries_like(
        &self,
        kind: EntryKind,
        expected: &[(ItemId, &Entry)],
    ) -> Result<Vec<PerItem<ServerEntry>>, RemoteError> {
        self.read_like(kind, expected).await
    }

    async fn first_entries(&self, kind: EntryKind, ids: &[ItemId]) -> Result<Vec<PerItem<ServerEntry>>, RemoteError> {
        self.read_entries(kind, ids).await
    }

    async fn find_tagged(&self, folder: &FolderId, tags: &[Tag]) -> Result<Vec<ServerMessage>, RemoteError> {
        let values: Vec<&str> = tags.iter().map(Tag::as_str).collect();
        let mut found = self.find_messages(folder, Property::Tag, &values).await?;
        // The server's idea of equality may pass over case.
        found.retain(|message| message.tag.as_ref().is_some_and(|tag| tags.contains(tag)));
        Ok(found)
    }

    async fn find_lists(&self, name: &str) -> Result<Vec<FoundList>, RemoteError> {
        self.lists_named(name).await
    }

    async fn list_members(&self, list: &ListId) -> Result<PerItem<ListMembers>, RemoteError> {
        self.members_of(list).await
    }

    async fn category_list(&self) -> Result<PerItem<Option<CategoryList>>, RemoteError> {
        Ok(self.category_document().await?.map(|document| document.map(|document| document.list().clone())))
    }
}

impl EwsClient {
    /// What the server tells of its folders.
    async fn listed_folders(&self, since: Option<&SyncState>) -> Result<FolderChanges, RemoteError> {
        const OPERATION: &str = "SyncFolderHierarchy";
        let (mut said, top) = (LastWords::default(), self.whose.top());
        let mut state = since.cloned();
        for _ in 0..MOST_PAGES {
            let response = self
                .ask_one(OPERATION, |version| request::sync_hierarchy(version, top, state.as_ref(), &shape::FOLDER))
                .await?;
            let before = state.replace(sync_state(OPERATION, &response)?);
            response.body.children_of("Changes").for_each(|change| said.hear(change));
            let last = response.body.value("IncludesLastFolderInRange") != Some("false") || before == state;
            if let (true, Some(state)) = (last, state.clone()) {
                return Ok(said.into_changes(state));
            }
        }
        Err(no_sense(OPERATION, "the listing does not end"))
    }

    /// What folders say without being listed, as far as `properties` tell.
    pub(super) async fn activity_with(
        &self,
        folders: &[FolderId],
        properties: &[Property],
    ) -> Result<Vec<PerItem<FolderActivity>>, RemoteError> {
        let responses = self
            .ask_each("GetFolder", folders, FOLDERS_PER_CALL, |version, ids| {
                let ids: Vec<FolderRef<'_>> = ids.iter().map(|id| FolderRef::Id(id)).collect();
                request::get_folders(version, &ids, properties)
            })
            .await?;
        let activity = |(asked, response): (&FolderId, &Response)| {
            let found = response.checked()?.first().and_then(shape::activity);
            found.filter(|activity| activity.id == *asked).ok_or_else(|| mixed_up("GetFolder"))
        };
        Ok(folders.iter().zip(&responses).map(activity).collect())
    }

    /// How these messages are now, as far as `properties` tell.
    pub(super) async fn messages_with(
        &self,
        ids: &[ItemId],
        properties: &[Property],
    ) -> Result<Vec<PerItem<ServerMessage>>, RemoteError> {
        let responses = self
            .ask_each("GetItem", ids, ITEMS_PER_CALL, |version, ids| {
                request::get_items(version, ids.iter().copied(), properties)
            })
            .await?;
        let message = |(asked, response): (&ItemId, &Response)| {
            let found = response.checked()?.first().and_then(shape::message);
            found.filter(|message| message.id == *asked).ok_or_else(|| mixed_up("GetItem"))
        };
        Ok(ids.iter().zip(&responses).map(message).collect())
    }

    /// The messages of a folder where a property has one of these values.
    pub(super) async fn find_messages(
        &self,
        folder: &FolderId,
        property: Property,
        values: &[&str],
    ) -> Result<Vec<ServerMessage>, RemoteError> {
        let mut found = Vec::new();
        let mut known = HashSet::new();
        for values in values.chunks(VALUES_PER_SEARCH) {
            let mut offset = 0;
            loop {
                let response = self
                    .ask_one("FindItem", |version| {
                        request::find_items(version, &[folder], property, values, offset, &shape::LISTED)
                    })
                    .await?;
                let rows = rows(&response, "Items");
                offset += rows.len() as u64;
                let before = found.len();
                found.extend(rows.iter().filter_map(shape::message).filter(|message| known.insert(message.id.clone())));
                if is_last_page(&response) || found.len() == before {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Which of the tags messages of any of these folders carry. A folder that is gone has none.
    ///
    /// # Errors
    /// That a folder cannot be searched: then nobody knows.
    pub(super) async fn tags_in(&self, folders: &[FolderId], tags: &[Tag]) -> Result<HashSet<Tag>, RemoteError> {
        const OPERATION: &str = "FindItem";
        let mut found = HashSet::new();
        for values in tags.chunks(VALUES_PER_SEARCH) {
            let values: Vec<&str> = values.iter().map(Tag::as_str).collect();
            let responses = self
                .ask_each(OPERATION, folders, FOLDERS_PER_SEARCH, |version, folders| {
                    request::find_items(version, folders, Property::Tag, &values, 0, &[Property::Tag])
                })
                .await?;
            for response in &responses {
                match response.checked() {
                    Ok(response) => found.extend(
                        rows(response, "Items").iter().filter_map(shape::message).filter_map(|message| message.tag),
                    ),
                    Err(error) if error.class == ItemErrorClass::Gone => {}
                    Err(ItemError { code, message, .. }) => {
                        return Err(RemoteError::Rejected { operation: OPERATION, code, message });
                    }
                }
            }
        }
        // The server's idea of equality may pass over case.
        found.retain(|tag| tags.contains(tag));
        Ok(found)
    }

    /// The folders right below another.
    pub(super) async fn subfolders(&self, parent: &FolderId) -> Result<Vec<ServerFolder>, RemoteError> {
        let found = self.folders_below(parent, &shape::FOLDER).await?;
        Ok(found.iter().filter_map(shape::folder).collect())
    }

    /// The same, as the server tells of them.
    pub(super) async fn folders_below(
        &self,
        parent: &FolderId,
        properties: &[Property],
    ) -> Result<Vec<Element>, RemoteError> {
        let mut found: Vec<Element> = Vec::new();
        let mut known = HashSet::new();
        let mut offset = 0;
        loop {
            let response = self
                .ask_one("FindFolder", |version| request::find_folders(version, parent, offset, properties))
                .await?;
            let rows = rows(&response, "Folders");
            offset += rows.len() as u64;
            let before = found.len();
            let is_new = |row: &&Element| shape::folder_id(row, "FolderId").is_some_and(|id| known.insert(id));
            found.extend(rows.iter().filter(is_new).cloned());
            if is_last_page(&response) || found.len() == before {
                break;
            }
        }
        Ok(found)
    }

    /// A folder's properties; [`ItemErrorClass::Gone`] if it is not there.
    pub(super) async fn folder_with(
        &self,
        folder: FolderRef<'_>,
        properties: &[Property],
    ) -> Result<PerItem<Element>, RemoteError> {
        let responses = self
            .ask_each("GetFolder", &[folder], 1, |version, folders| {
                let folders: Vec<FolderRef<'_>> = folders.iter().map(|folder| **folder).collect();
                request::get_folders(version, &folders, properties)
            })
            .await?;
        let found = responses.first().map(|response| response.checked().map(Response::first));
        Ok(found.and_then(Result::transpose).unwrap_or_else(|| Err(mixed_up("GetFolder"))).cloned())
    }
}

/// What a listing said of each folder last.
#[derive(Default)]
struct LastWords {
    /// `None`: it is gone.
    folders: HashMap<FolderId, Option<ServerFolder>>,
    /// In the order in which they were first spoken of.
    order: Vec<FolderId>,
}

impl LastWords {
    fn hear(&mut self, change: &Element) {
        let (id, folder) = if &*change.name == "Delete" {
            let Some(id) = shape::folder_id(change, "FolderId") else { return };
            (id, None)
        } else {
            let Some(folder) = change.children.first().and_then(shape::folder) else { return };
            (folder.id.clone(), Some(folder))
        };
        if self.folders.insert(id.clone(), folder).is_none() {
            self.order.push(id);
        }
    }

    fn into_changes(mut self, state: SyncState) -> FolderChanges {
        let mut changes = FolderChanges { changed: Vec::new(), gone: Vec::new(), hidden: Vec::new(), state };
        for id in self.order {
            match self.folders.remove(&id).flatten() {
                Some(folder) => changes.changed.push(folder),
                None => changes.gone.push(id),
            }
        }
        changes
    }
}

pub(super) fn rows<'a>(response: &'a Response, list: &str) -> &'a [Element] {
    response.body.at(&["RootFolder", list]).map(|list| list.children.as_slice()).unwrap_or_default()
}

/// Whether nothing follows. A page that brings nothing new is the last one too, whatever it says.
pub(super) fn is_last_page(response: &Response) -> bool {
    let root = response.body.child("RootFolder");
    root.and_then(|root| root.attribute("IncludesLastItemInRange")) != Some("false")
}

fn sync_state(operation: &'static str, response: &Response) -> Result<SyncState, RemoteError> {
    let state = response.body.value("SyncState").filter(|state| !state.is_empty());
    state.map(SyncState::new).ok_or_else(|| no_sense(operation, "it has no sync state"))
}

/// Create and Update come mixed up; both say that the item is there. What has no id is passed over.
fn item_change(change: &Element) -> Option<ItemChange> {
    match &*change.name {
        "Create" | "Update" => change.children.first().and_then(shape::message).map(Box::new).map(ItemChange::Present),
        "Delete" => shape::item_id(change).map(|(id, _)| ItemChange::Gone(id)),
        "ReadFlagChange" => {
            let read = matches!(change.value("IsRead"), Some("true" | "1"));
            shape::item_id(change).map(|(id, _)| ItemChange::Read { id, read })
        }
        _ => None,
    }
}

pub(super) fn no_sense(operation: &'static str, reason: &str) -> RemoteError {
    RemoteError::Protocol { operation, reason: reason.to_owned() }
}

/// The answer for a slot is not about what was asked there.
pub(super) fn mixed_up(operation: &str) -> ItemError {
    own_error(ItemErrorClass::Transient, "WrongAnswer", format!("{operation} answered for something else"))
}
