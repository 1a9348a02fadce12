//! What a public folder holds: told by the server as changes where it does so (gromox), else listed from the beginning each time.
//!
//! A listing counts as whole when it told of as many different items as the folder held when it began, and as it holds when it ends. When that is
//! not so, something was changed meanwhile, and it begins anew; after a few times the folder is left for the next run. So no item counts as gone
//! because a page passed it over.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use super::super::EwsClient;
use super::super::read::{is_last_page, no_sense, rows};
use super::super::request;
use super::super::shape;
use super::{PublicFolders, hash_of, lock};
use crate::pim::{FolderId, SyncState};
use crate::remote::{ChangePage, ItemChange, Reach, RemoteError, RemoteRead as _, WholeListing};

const OPERATION: &str = "FindItem";
/// The state of a folder that was listed. It leads nowhere.
const LISTED: &str = "pimsync:listed";
/// How often a listing begins anew because the folder changes meanwhile.
const MOST_TRIES: u32 = 3;

/// A listing that goes on.
pub(super) struct Underway {
    /// Which one it is: its states hold for no other.
    number: u64,
    offset: u64,
    /// How many items the folder held when it began.
    before: Option<u64>,
    told: HashSet<u64>,
    tries: u32,
}

impl Underway {
    fn state(&self) -> SyncState {
        SyncState::new(format!("pimsync:part:{}:{}:{}", self.number, self.tries, self.offset))
    }

    fn begin_anew(&mut self) {
        (self.offset, self.before, self.tries) = (0, None, self.tries + 1);
        self.told.clear();
    }
}

impl PublicFolders {
    /// One page of what there is in a folder, or of what changed in it.
    pub(super) async fn page(
        &self,
        folder: &FolderId,
        since: Option<&SyncState>,
        max: u16,
    ) -> Result<ChangePage, RemoteError> {
        let client = self.at(folder).await?;
        let is_ours = since.is_some_and(|state| state.as_str().starts_with("pimsync:"));
        if !is_ours && !self.only_lists.load(Ordering::Relaxed) {
            match client.item_changes(folder, since, max).await {
                Err(RemoteError::Rejected { code, .. }) => {
                    tracing::debug!(code, "the server tells no changes of public folders: they are listed");
                    self.only_lists.store(true, Ordering::Relaxed);
                }
                // Perhaps only because it is a public folder.
                Err(RemoteError::FolderGone | RemoteError::AccessDenied) => {}
                page => return page,
            }
        }
        let page = self.list(&client, folder, since, max).await?;
        self.learn(folder, page.changes.iter().filter_map(present)).await?;
        Ok(page)
    }

    async fn list(
        &self,
        client: &EwsClient,
        folder: &FolderId,
        since: Option<&SyncState>,
        max: u16,
    ) -> Result<ChangePage, RemoteError> {
        let known = lock(&self.underway).remove(folder);
        let mut listing = match since {
            None => {
                let number = self.listings.fetch_add(1, Ordering::Relaxed);
                Underway { number, offset: 0, before: None, told: HashSet::new(), tries: 0 }
            }
            // What was listed by an earlier run, or another one, is listed from the beginning.
            Some(state) => known.filter(|listing| listing.state() == *state).ok_or(RemoteError::StateInvalid)?,
        };
        let offset = listing.offset;
        let response = client
            .ask_one(OPERATION, |version| request::list_items(version, folder, offset, max, &shape::LISTED))
            .await?;
        let root = response.body.child("RootFolder");
        let number = |name| root.and_then(|root| root.attribute(name)).and_then(|text| text.parse::<u64>().ok());
        let total = number("TotalItemsInView")
            .ok_or_else(|| no_sense(OPERATION, "it does not tell how many items there are"))?;
        let rows = rows(&response, "Items");
        let before = *listing.before.get_or_insert(total);
        listing.told.extend(rows.iter().filter_map(shape::item_id).map(|(id, _)| hash_of(&id)));
        let changes =
            rows.iter().filter_map(shape::message).map(|message| ItemChange::Present(Box::new(message))).collect();
        let next = number("IndexedPagingOffset").unwrap_or(offset + rows.len() as u64);
        if !is_last_page(&response) && next > offset {
            listing.offset = next;
            return Ok(self.part(folder, listing, changes));
        }
        if let Some(whole) = WholeListing::of(listing.told.len() as u64, before, total) {
            return Ok(ChangePage { changes, state: SyncState::new(LISTED), reach: Reach::Whole(whole) });
        }
        listing.begin_anew();
        if listing.tries < MOST_TRIES {
            return Ok(self.part(folder, listing, changes));
        }
        Err(no_sense(OPERATION, "the folder changed each time that it was listed; the next sync lists it again"))
    }

    fn part(&self, folder: &FolderId, listing: Underway, changes: Vec<ItemChange>) -> ChangePage {
        let state = listing.state();
        lock(&self.underway).insert(folder.clone(), listing);
        ChangePage { changes, state, reach: Reach::Part }
    }
}

fn present(change: &ItemChange) -> Option<&crate::pim::ItemId> {
    match change {
        ItemChange::Present(message) => Some(&message.id),
        ItemChange::Read { .. } | ItemChange::Gone(_) => None,
    }
}
