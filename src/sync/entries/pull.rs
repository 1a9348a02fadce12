//! The server's side of a folder of entries: listed page by page, and read where it changed.

use std::collections::{BTreeSet, HashSet};

use futures_util::future;

use super::super::pages::{Advance, MISSED_EVERY, PAGE};
use super::super::tree::Place;
use super::super::{Activity, Progress, Step, SyncError};
use super::Entries;
use super::look::Look;
use crate::local::LocalWrite;
use crate::pim::{EntryKey, ItemId, ServerEntry, SyncState};
use crate::remote::{ItemChange, ItemError, ItemErrorClass, PerItem, RemoteError, RemoteWrite};
use crate::state::{EntryBrief, EntryStanding, Listing, Reader, Subject, search_hash};

/// Entries that are read from the server with one request, and whose files are made durable together.
pub(super) const BATCH: usize = 50;

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Entries<'_, '_, R, L> {
    /// Takes in all that changed in a folder on the server; where it need not be `listed`, what is still to be read again.
    pub(super) async fn pull(&self, place: &Place, activity: Option<Activity>, listed: bool) -> Result<(), SyncError> {
        self.read_again(place).await?;
        if !listed {
            return Ok(());
        }
        let total = activity.as_ref().and_then(|activity| activity.total);
        let have = self.with_look(place.key(), |look| look.rows.len() as u64).unwrap_or(0);
        let expected = total.unwrap_or(0).saturating_sub(have);
        self.run.progress(&Progress::FolderBegun { folder: place.path(), expected });
        let since = place.row.listing.state.clone().filter(|_| !self.run.wants_full(place));
        let full = since.is_none();
        let (state, full) = match self.pull_since(place, since, total).await {
            Err(SyncError::Remote(RemoteError::StateInvalid)) => (self.pull_since(place, None, total).await?, true),
            other => (other?, full),
        };
        let (state, full) = match !full && self.missed_departures(place, total).await? {
            true => (self.pull_since(place, None, total).await?, true),
            false => (state, full),
        };
        // A first listing is not over while anything of it could not be read: what lies here may be that.
        let was_first = place.row.listing.listed_at.is_none();
        let is_over = (full || was_first) && !(was_first && self.has_unread(place)?);
        let (key, now) = (place.key(), self.run.now());
        let listing = Listing {
            state: Some(state),
            activity: activity.and_then(|activity| activity.mark),
            asked_at: Some(now),
            listed_at: if is_over { Some(now) } else { place.row.listing.listed_at },
            compared_at: if self.run.compares_files(place) { Some(now) } else { place.row.listing.compared_at },
            ..place.row.listing.clone()
        };
        if !self.run.is_dry() {
            self.run.commit(move |tx| tx.set_listing(key, &listing)).await?;
        }
        self.run.progress(&Progress::FolderDone { folder: place.path() });
        Ok(())
    }

    /// Whether the server holds fewer entries than are known: what was uploaded and deleted there between two listings is in neither.
    pub(super) async fn missed_departures(&self, place: &Place, total: Option<u64>) -> Result<bool, SyncError> {
        let is_there = |row: &&EntryBrief| row.standing != EntryStanding::Gone;
        let have = self.with_look(place.key(), |look| look.rows.values().filter(is_there).count() as u64).unwrap_or(0);
        let listed = place.row.listing.listed_at;
        let lately = |at: crate::pim::UnixTime| (0..MISSED_EVERY).contains(&self.run.now().0.saturating_sub(at.0));
        if total.is_none_or(|total| have <= total) || listed.is_some_and(lately) {
            return Ok(false);
        }
        // New entries may have come since the count was taken.
        let now = self.run.remote().activity(std::slice::from_ref(&place.row.id)).await?;
        Ok(matches!(now.first(), Some(Ok(now)) if now.total.is_some_and(|total| have > total)))
    }

    pub(super) async fn pull_since(
        &self,
        place: &Place,
        since: Option<SyncState>,
        total: Option<u64>,
    ) -> Result<SyncState, SyncError> {
        let folder = &place.row.id;
        let mut unmet: Option<HashSet<ItemId>> = None;
        if since.is_none() {
            self.forget_only_there(place).await?;
            let is_there = |row: &&EntryBrief| row.standing != EntryStanding::Gone;
            unmet = self
                .with_look(place.key(), |look| look.rows.values().filter(is_there).map(|row| row.id.clone()).collect());
        }
        let mut page = self.run.remote().item_changes(folder, since.as_ref(), PAGE).await?;
        let mut advance = Advance::default();
        loop {
            let is_new = advance.check(&page)?;
            let is_short = page.changes.len() < usize::from(PAGE / 2);
            let state = page.state.clone();
            let is_whole = page.is_whole() || since.is_none() && total.is_some_and(|total| advance.tells_whole(total));
            if let Some(unmet) = &mut unmet {
                page.changes.iter().for_each(|change| {
                    unmet.remove(change.id());
                });
            }
            // What says "last" too early are pages that are full, of deletions or of read flags.
            let last = page.is_last() && (!is_new || is_whole || is_short);
            let lasting = page.lasting_state().cloned();
            self.take_in(place, page.changes, lasting.as_ref()).await?;
            if last {
                self.end_sweep(place, unmet).await?;
                return Ok(state);
            }
            page = self.run.remote().item_changes(folder, Some(&state), PAGE).await?;
            if page.state == state && page.is_last() {
                self.end_sweep(place, unmet).await?;
                return Ok(state);
            }
        }
    }

    /// After a complete listing: what was not met is asked for by its id, since a listing that began anew proves nothing by itself.
    pub(super) async fn end_sweep(&self, place: &Place, unmet: Option<HashSet<ItemId>>) -> Result<(), SyncError> {
        let mut unmet: Vec<ItemId> = unmet.unwrap_or_default().into_iter().collect();
        unmet.sort();
        for ids in unmet.chunks(100) {
            let answers = self.run.remote().messages(ids).await?;
            let changes = ids.iter().zip(answers).filter_map(|(id, answer)| match answer {
                Ok(message) if message.folder.as_ref().is_some_and(|folder| *folder != place.row.id) => None,
                Ok(message) => Some(ItemChange::Present(Box::new(message))),
                Err(error) if error.class == ItemErrorClass::Gone => Some(ItemChange::Gone(id.clone())),
                Err(_) => None,
            });
            self.take_in(place, changes.collect(), None).await?;
        }
        Ok(())
    }

    /// What could not be taken in before is read again, changed or not.
    pub(super) async fn read_again(&self, place: &Place) -> Result<(), SyncError> {
        let mut ids: BTreeSet<ItemId> = self
            .with_look(place.key(), |look| {
                let stale = look.rows.values().filter(|row| row.standing == EntryStanding::Stale);
                stale.map(|row| row.id.clone()).collect()
            })
            .unwrap_or_default();
        for trouble in self.run.state().read(|state| state.troubles(self.run.account))? {
            match &trouble.subject {
                Subject::Message(id) if trouble.folder == place.key() && self.run.is_due(&trouble) => {
                    ids.insert(id.clone());
                }
                Subject::Message(_) | Subject::File(_) => {}
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<ItemId> = ids.into_iter().collect();
        self.read_and_take(place, &ids).await?;
        if self.run.is_dry() {
            return Ok(());
        }
        // What was only jotted of new files becomes durable with this, as with a page's state: no listing tells of them again.
        let (folder, listing) = (place.key(), place.row.listing.clone());
        self.run.commit(move |tx| tx.set_listing(folder, &listing)).await
    }

    /// Takes in a page. Its state is noted after all else.
    pub(super) async fn take_in(
        &self,
        place: &Place,
        changes: Vec<ItemChange>,
        state: Option<&SyncState>,
    ) -> Result<(), SyncError> {
        let Some(kind) = place.entry_kind() else { return Ok(()) };
        let (mut wanted, mut gone, mut back, mut strangers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut forgotten = Vec::new();
        let mut met = HashSet::new();
        // The last word on each item counts.
        let changes: Vec<ItemChange> =
            changes.into_iter().rev().filter(|change| met.insert(change.id().clone())).collect();
        let known = self.known(changes.iter().map(ItemChange::id))?;
        for (change, known) in changes.into_iter().zip(known) {
            match (change, known) {
                (ItemChange::Present(message), Some(row))
                    if row.change_key == message.change_key && row.folder == place.key() =>
                {
                    match row.standing {
                        EntryStanding::Gone => back.push(row.key),
                        EntryStanding::Stale | EntryStanding::Arriving => wanted.push(message.id),
                        EntryStanding::Agreed => {}
                    }
                }
                (ItemChange::Present(message), Some(_)) => wanted.push(message.id),
                (ItemChange::Present(message), None) if message.class.is_of(kind.class()) => wanted.push(message.id),
                (ItemChange::Present(message), None) => strangers.push(*message),
                (ItemChange::Gone(id), Some(row)) if row.folder == place.key() => gone.push((row.key, id)),
                (ItemChange::Gone(id), None) => forgotten.push(id),
                (ItemChange::Gone(_), Some(_)) | (ItemChange::Read { .. }, _) => {}
            }
        }
        wanted.reverse();
        self.read_and_take(place, &wanted).await?;
        self.note_strangers(place, strangers).await?;
        self.with_look(place.key(), |look| {
            // One that was met under another id is not gone.
            let left = |look: &Look, key: &EntryKey, id: &ItemId| look.rows.get(key).is_some_and(|row| row.id == *id);
            gone.retain(|(key, id)| left(look, key, id));
            let gone = gone.iter().map(|(key, _)| (*key, EntryStanding::Gone));
            for (key, standing) in gone.chain(back.iter().map(|key| (*key, EntryStanding::Agreed))) {
                look.rows.entry(key).and_modify(|row| row.standing = standing);
            }
        });
        if self.run.is_dry() {
            return Ok(());
        }
        self.run.step(Step::PageDone)?;
        let (folder, mut listing, state) = (place.key(), place.row.listing.clone(), state.cloned());
        self.run
            .commit(move |tx| {
                for key in back {
                    tx.set_entry_standing(key, EntryStanding::Agreed)?;
                }
                for (key, id) in gone {
                    tx.set_entry_standing(key, EntryStanding::Gone)?;
                    tx.end_only_there(folder, &id)?;
                    tx.end_trouble(folder, &Subject::Message(id))?;
                }
                forgotten.iter().try_for_each(|id| tx.end_only_there(folder, id))?;
                if let Some(state) = state {
                    // The folder counts as not asked until its listing has come to an end.
                    (listing.state, listing.activity) = (Some(state), None);
                    tx.set_listing(folder, &listing)?;
                }
                Ok(())
            })
            .await?;
        self.run.step(Step::PageNoted)
    }

    /// Reads entries from the server and brings what they say into the files; the next ones are on their way meanwhile.
    async fn read_and_take(&self, place: &Place, ids: &[ItemId]) -> Result<(), SyncError> {
        let Some(kind) = place.entry_kind() else { return Ok(()) };
        let mut rest = ids;
        let mut have: Option<(&[ItemId], _)> = None;
        while have.is_some() || !rest.is_empty() {
            let next = rest.get(..BATCH).unwrap_or(rest);
            let read = async {
                if next.is_empty() { Ok(Vec::new()) } else { self.run.remote().first_entries(kind, next).await }
            };
            let take = async {
                match have.take() {
                    Some((ids, answers)) => self.take(place, ids, answers).await,
                    None => Ok(()),
                }
            };
            // Not the one without the other: what is under way in the files is not dropped because of a lost connection.
            let (read, taken) = future::join(read, take).await;
            taken?;
            let answers = read?;
            let (answered, left) = rest.split_at(answers.len().min(next.len()));
            have = (!answered.is_empty()).then_some((answered, answers));
            rest = left;
        }
        Ok(())
    }

    /// What is known of the entries with these ids.
    fn known<'i>(&self, ids: impl Iterator<Item = &'i ItemId>) -> Result<Vec<Option<EntryBrief>>, SyncError> {
        let account = self.run.account;
        Ok(self.run.state().read(|state| ids.map(|id| state.entry_by_id(account, id)).collect())?)
    }

    /// The search keys of these that are known: what has one of them is a copy, or was moved.
    pub(super) fn alike<'s>(&self, servers: impl Iterator<Item = &'s ServerEntry>) -> Result<HashSet<i64>, SyncError> {
        let account = self.run.account;
        let keys = servers.filter_map(|server| server.search_key.as_ref().map(search_hash));
        let is_known = |key: i64, state: &Reader<'_>| {
            state.entries_by_search_key(account, key).map(|alike| (!alike.is_empty()).then_some(key))
        };
        Ok(self.run.state().read(|state| keys.filter_map(|key| is_known(key, state).transpose()).collect())?)
    }

    /// Brings what entries say on the server into the files.
    async fn take(&self, place: &Place, ids: &[ItemId], answers: Vec<PerItem<ServerEntry>>) -> Result<(), SyncError> {
        self.note_left(place, answers.iter().filter_map(|answer| answer.as_ref().ok())).await?;
        let is_gone = |error: &ItemError| error.class == ItemErrorClass::Gone;
        let told = ids.iter().zip(&answers).filter(|(_, answer)| answer.as_ref().err().is_none_or(is_gone));
        self.end_item_troubles(place, told.map(|(id, _)| id)).await?;
        let mut news = Vec::new();
        let (known, alike) = (self.known(ids.iter())?, self.alike(answers.iter().flatten())?);
        for ((id, known), answer) in ids.iter().zip(known).zip(answers) {
            match (answer, known) {
                (Ok(server), Some(row)) => self.take_known(place, row.key, server).await?,
                (Ok(server), None) => news.extend(self.take_unknown(place, server, &alike).await?),
                // Another listing tells what became of it.
                (Err(error), _) if is_gone(&error) => {}
                (Err(error), known) => {
                    if let Some(row) = known {
                        self.mark_stale(place, row.key).await?;
                    }
                    self.trouble_with_item(place, id.clone(), "", &error).await?;
                }
            }
        }
        self.create(place, news).await
    }

    async fn end_item_troubles(&self, place: &Place, ids: impl Iterator<Item = &ItemId>) -> Result<(), SyncError> {
        let folder = place.key();
        let troubles = self.run.state().read(|state| state.troubles(self.run.account))?;
        let troubled: HashSet<Subject> =
            troubles.into_iter().filter(|trouble| trouble.folder == folder).map(|trouble| trouble.subject).collect();
        if troubled.is_empty() || self.run.is_dry() {
            return Ok(());
        }
        let over: Vec<Subject> =
            ids.map(|id| Subject::Message(id.clone())).filter(|subject| troubled.contains(subject)).collect();
        if over.is_empty() {
            return Ok(());
        }
        self.run.commit(move |tx| over.iter().try_for_each(|subject| tx.end_trouble(folder, subject))).await
    }
}
