//! What has no file here: items of other kinds than their folder's, and what is attached to events and no file can have. It is never touched, and
//! noted for `status` to name.

use std::collections::HashSet;

use super::super::SyncError;
use super::super::tree::Place;
use super::Entries;
use crate::local::LocalWrite;
use crate::pim::{ItemId, ServerEntry, ServerMessage};
use crate::remote::{PerItem, RemoteWrite};
use crate::state::OnlyThere;

/// So many characters of a name are noted.
const LONGEST_NAME: usize = 120;

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Entries<'_, '_, R, L> {
    /// A listing begins anew, which tells all of them again.
    pub(super) async fn forget_only_there(&self, place: &Place) -> Result<(), SyncError> {
        let folder = place.key();
        if self.run.is_dry() || self.known_there(place)?.is_empty() {
            return Ok(());
        }
        self.run.commit(move |tx| tx.clear_only_there(folder)).await
    }

    /// Notes items of other kinds, by what they are called.
    pub(super) async fn note_strangers(&self, place: &Place, strangers: Vec<ServerMessage>) -> Result<(), SyncError> {
        if strangers.is_empty() || self.run.is_dry() {
            return Ok(());
        }
        let ids: Vec<ItemId> = strangers.iter().map(|stranger| stranger.id.clone()).collect();
        let names = self.run.remote().subjects(&ids).await?;
        let row = |(stranger, name): (ServerMessage, PerItem<String>)| OnlyThere {
            folder: place.key(),
            id: stranger.id,
            class: stranger.class.0,
            name: shortened(&name.unwrap_or_default()),
        };
        self.replace(place, &ids, strangers.into_iter().zip(names).map(row).collect()).await
    }

    /// Notes what is attached to entries and stays on the server; tells of it where it is new.
    pub(super) async fn note_left<'a>(
        &self,
        place: &Place,
        entries: impl Iterator<Item = &'a ServerEntry>,
    ) -> Result<(), SyncError> {
        if self.run.is_dry() {
            return Ok(());
        }
        let known = self.known_there(place)?;
        let (mut ids, mut rows) = (Vec::new(), Vec::new());
        for entry in entries.filter(|entry| !entry.left.is_empty() || known.contains(&entry.id)) {
            ids.push(entry.id.clone());
            rows.extend(entry.left.iter().map(|left| OnlyThere {
                folder: place.key(),
                id: entry.id.clone(),
                class: String::new(),
                name: shortened(&format!("{left}, of {:?}", entry.entry.label())),
            }));
        }
        self.replace(place, &ids, rows).await
    }

    async fn replace(&self, place: &Place, ids: &[ItemId], rows: Vec<OnlyThere>) -> Result<(), SyncError> {
        if ids.is_empty() {
            return Ok(());
        }
        let (folder, ids) = (place.key(), ids.to_vec());
        self.run
            .commit(move |tx| {
                ids.iter().try_for_each(|id| tx.end_only_there(folder, id))?;
                rows.iter().try_for_each(|row| tx.add_only_there(row))
            })
            .await
    }

    fn known_there(&self, place: &Place) -> Result<HashSet<ItemId>, SyncError> {
        let known = self.run.state().read(|state| state.only_there(self.run.account))?;
        Ok(known.into_iter().filter(|row| row.folder == place.key()).map(|row| row.id).collect())
    }
}

fn shortened(name: &str) -> String {
    name.trim().chars().take(LONGEST_NAME).collect()
}
