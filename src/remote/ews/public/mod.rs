//! The public folders that the settings name, as a tree of their own.
//!
//! Exchange tells no changes of them (SyncFolderHierarchy and SyncFolderItems refuse), so the folders are found by their names, level by level,
//! and what is in them is listed ([`listing`]). Nothing follows from a folder that is not shown: it may have another name, or be hidden from us.
//!
//! What a folder holds can lie in any of several mailboxes, which the servers have to be led to. Each folder tells its own
//! (PidTagReplicaList); items are asked for where their folder is, and those whose folder is not known, everywhere: only what is nowhere is gone.

mod catalogue;
mod listing;
mod read;
mod routes;
mod write;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{EwsClient, Settings};
use crate::pim::{FolderId, ItemId, PublicPath};
use crate::remote::RemoteError;
pub use catalogue::PublicFolder;
use catalogue::Shown;
use listing::Underway;
use routes::Learned;

/// The public folders of a server that the settings name.
pub struct PublicFolders {
    client: EwsClient,
    /// What the settings name.
    named: Vec<PublicPath>,
    /// The domain of the mailboxes that hold public folders.
    domain: String,
    /// `publicfoldersroot`, once it was asked for.
    root: Mutex<Option<FolderId>>,
    /// What the last look at the folders showed.
    shown: Mutex<Option<Arc<Shown>>>,
    /// Whether the server refused to tell changes of items.
    only_lists: AtomicBool,
    /// Listings that go on.
    underway: Mutex<HashMap<FolderId, Underway>>,
    /// Numbers them.
    listings: AtomicU64,
    /// Where items lie, as far as there is more than one mailbox.
    learned: Mutex<Learned>,
}

impl PublicFolders {
    /// Prepares the way to public folders. Nothing is sent yet.
    ///
    /// # Errors
    /// As [`EwsClient::new`].
    pub fn new(settings: Settings, named: Vec<PublicPath>) -> Result<Self, RemoteError> {
        let domain = settings.address.rsplit_once('@').map(|(_, domain)| domain.to_owned()).unwrap_or_default();
        Ok(Self {
            client: EwsClient::new(settings)?,
            named,
            domain,
            root: Mutex::default(),
            shown: Mutex::default(),
            only_lists: AtomicBool::new(false),
            underway: Mutex::default(),
            listings: AtomicU64::new(0),
            learned: Mutex::default(),
        })
    }

    /// What talks to the server.
    pub(super) fn client(&self) -> &EwsClient {
        &self.client
    }
}

impl std::fmt::Debug for PublicFolders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicFolders").field("named", &self.named).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A short stand-in for an item's id.
fn hash_of(id: &ItemId) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
