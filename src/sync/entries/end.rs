//! Entries that are missing on one side.

use std::collections::{BTreeMap, BTreeSet};

use super::super::tree::Place;
use super::super::{Action, NoticeKind, Step, SyncError};
use super::pull::BATCH;
use super::{Entries, Read};
use crate::local::{Changed, LocalWrite};
use crate::pim::{Digest, EntryKey, FolderKey, SpecialFolder};
use crate::plan::entry::{self, Agreed, End, Missing, ends};
use crate::plan::proof::MessageRemoval;
use crate::plan::{FolderSize, Held, HeldReason, Side};
use crate::remote::{Disposal, ItemErrorClass, RemoteWrite, Versioned};
use crate::state::{Coming, EntryBrief, EntryStanding, Words};

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Entries<'_, '_, R, L> {
    /// What is missing on one side goes on the other, unless it was edited there, or that would be too much at once.
    pub(super) async fn end(&self, places: &[&Place]) -> Result<(), SyncError> {
        let mut missing = Vec::new();
        let mut rows: BTreeMap<EntryKey, EntryBrief> = BTreeMap::new();
        let mut sizes = Vec::new();
        let unread = self.unread_kinds()?;
        for place in places.iter().filter(|place| place.entry_kind().is_none_or(|kind| !unread.contains(&kind))) {
            let folder = place.key();
            let found = self.with_look(folder, |look| {
                let items = look.rows.len() as u64;
                let found: Vec<_> =
                    look.rows.values().filter_map(|row| Some((row.clone(), missing_of(look, row, place)?))).collect();
                (items, found)
            });
            let Some((items, found)) = found else { continue };
            sizes.push(FolderSize { folder, items });
            for (mut row, mut how) in found {
                if how == Missing::ThereAndEditedHere
                    && let Some(digest) = self.says_the_same(place, &row).await?
                {
                    (row.digest, how) = (digest, Missing::There);
                }
                missing.push((row.key, folder, how));
                rows.insert(row.key, row);
            }
        }
        let (ends, held) = ends(missing, self.run.request.brake, &sizes);
        self.hold(&held);
        let mut deletions: BTreeMap<FolderKey, Vec<(EntryBrief, MessageRemoval)>> = BTreeMap::new();
        let mut forgotten = Vec::new();
        for end in ends {
            match end {
                End::Remove(key, proof) => {
                    if let Some(row) = rows.remove(&key)
                        && self.remove(&row, proof).await?
                    {
                        forgotten.push(key);
                    }
                }
                End::Delete(key, proof) => {
                    if let Some(row) = rows.remove(&key)
                        && !self.run.is_postponed(row.folder)
                    {
                        deletions.entry(row.folder).or_default().push((row, proof));
                    }
                }
                // Its file is new then, and uploaded by the next round.
                End::Upload(key) => {
                    self.expect_echo();
                    forgotten.push(key);
                }
                End::Forget(key) => forgotten.push(key),
            }
        }
        self.forget(forgotten).await?;
        self.delete(deletions).await
    }

    /// Whether a file that was written anew says what was agreed all the same: its hash then.
    async fn says_the_same(&self, place: &Place, row: &EntryBrief) -> Result<Option<Digest>, SyncError> {
        let Some((lies_in, name)) = self.whereabouts(row.folder, row.key) else { return Ok(None) };
        let (Some(file_place), Some(kind)) = (self.tree.place(lies_in), place.entry_kind()) else { return Ok(None) };
        let Some(known) = self.run.state().read(|state| state.entry(row.key))? else { return Ok(None) };
        let read = self.read(&file_place.dir()?, kind, &name).await?;
        let agreed = Agreed { server: known.server.clone(), here: known.said_here().clone() };
        // A run that was cut off may have written what both sides agreed on, and not have noted it.
        let was_coming = |read: &Read| row.coming == Some(Coming { digest: read.digest, words: Words::Agreed });
        let is_same = |read: &Read| match (&read.said, &known.sent) {
            _ if was_coming(read) => true,
            (Ok(said), _) if *said == agreed.here => true,
            // It is gone because it was declined, and then the run was cut off.
            (Ok(said), Some(sent)) if entry::declines(&agreed.server, sent) => {
                entry::push(&agreed, said).is_some_and(|(shall, _)| shall == *sent)
            }
            (Ok(_), _) | (Err(_), _) => false,
        };
        Ok(read.filter(is_same).map(|read| read.digest))
    }

    async fn forget(&self, keys: Vec<EntryKey>) -> Result<(), SyncError> {
        if keys.is_empty() || self.run.is_dry() {
            return Ok(());
        }
        self.run.commit(move |tx| keys.iter().try_for_each(|key| tx.forget_entry(*key))).await?;
        self.run.step(Step::PushNoted)
    }

    /// Removes a file whose entry is gone on the server; not when it was edited in the last instant.
    async fn remove(&self, row: &EntryBrief, proof: MessageRemoval) -> Result<bool, SyncError> {
        let Some((lies_in, name)) = self.whereabouts(row.folder, row.key) else { return Ok(false) };
        let Some(place) = self.tree.place(lies_in) else { return Ok(false) };
        if self.run.is_dry() {
            self.run.planned(place.path(), Action::DeleteHere, name, String::new());
            return Ok(false);
        }
        let (dir, digest) = (place.dir()?, row.digest);
        match self.run.blocking(move |local| local.remove_entry(&dir, &name, digest, proof)).await? {
            Changed::Done => {
                self.run.tally(place, |tally| tally.deleted_here += 1);
                self.run.step(Step::FileChanged)?;
                Ok(true)
            }
            Changed::Vanished | Changed::ChangedMeanwhile => {
                self.expect_echo();
                Ok(false)
            }
        }
    }

    async fn delete(&self, deletions: BTreeMap<FolderKey, Vec<(EntryBrief, MessageRemoval)>>) -> Result<(), SyncError> {
        if deletions.is_empty() {
            return Ok(());
        }
        if !self.run.is_dry() {
            // What is gone here may have been copied into On My Computer, by a program that left it to the system when to write that.
            self.run.blocking(|local| local.settle_all()).await?;
        }
        let trash = self.trash();
        for (folder, entries) in deletions {
            let Some(place) = self.tree.place(folder) else { continue };
            let disposal = if trash.contains(&folder) { Disposal::Dispose } else { Disposal::ToDeletedItems };
            let mut entries = entries.into_iter().peekable();
            while entries.peek().is_some() {
                let batch: Vec<_> = entries.by_ref().take(BATCH).collect();
                self.delete_batch(place, batch, disposal).await?;
            }
        }
        Ok(())
    }

    async fn delete_batch(
        &self,
        place: &Place,
        batch: Vec<(EntryBrief, MessageRemoval)>,
        disposal: Disposal,
    ) -> Result<(), SyncError> {
        let (mut rows, mut items) = (Vec::new(), Vec::new());
        for (row, proof) in batch {
            items.push((Versioned { id: row.id.clone(), change_key: row.change_key.clone() }, proof));
            rows.push(row);
        }
        if self.run.is_dry() {
            for row in rows {
                self.run.planned(place.path(), Action::DeleteThere, row.file, String::new());
            }
            return Ok(());
        }
        let answers = self.run.remote().delete_messages(&items, disposal).await?;
        self.run.step(Step::DeletesPushed)?;
        self.expect_echo();
        let mut gone = Vec::new();
        for (row, answer) in rows.into_iter().zip(answers) {
            match answer {
                Ok(()) => {
                    self.run.tally(place, |tally| tally.deleted_there += 1);
                    gone.push(row.key);
                }
                // Changed or gone there meanwhile: the next round reads it again.
                Err(error) if matches!(error.class, ItemErrorClass::Gone | ItemErrorClass::Conflict) => {
                    self.mark_stale(place, row.key).await?;
                }
                Err(error) => {
                    let text = format!("the server does not delete it: {error}; the next sync tries again");
                    self.run.notice(place.path(), NoticeKind::Held, Some(row.file), text);
                }
            }
        }
        self.forget(gone).await
    }

    /// Deleted Items and the folders in it.
    fn trash(&self) -> BTreeSet<FolderKey> {
        let Some(top) = self.tree.special(SpecialFolder::DeletedItems).map(Place::key) else { return BTreeSet::new() };
        let parent = |key: &FolderKey| self.tree.place(*key).and_then(|place| place.row.parent);
        let is_within = |place: &&Place| {
            std::iter::successors(Some(place.key()), parent).take(self.tree.places.len() + 1).any(|key| key == top)
        };
        self.tree.places.iter().filter(is_within).map(Place::key).collect()
    }

    fn hold(&self, held: &[Held<EntryKey>]) {
        let mut groups: BTreeMap<(FolderKey, Side, &'static str), u64> = BTreeMap::new();
        for held in held {
            let Some(place) = self.tree.place(held.folder) else { continue };
            let (word, detail) = held_words(held.reason);
            self.run.hold(place, None, held.side, word, detail);
            *groups.entry((held.folder, held.side, word)).or_default() += 1;
        }
        for ((folder, side, word), count) in groups {
            let Some(place) = self.tree.place(folder) else { continue };
            let side = if side == Side::Remote { "on the server" } else { "here" };
            let why = if word == "brake" {
                "more than a fifth of the folder"
            } else {
                "and this identity was restored from a backup"
            };
            let text = format!(
                "{count} entries would be deleted {side}, {why}; nothing was deleted. If that is meant, run `pimsync sync --allow-deletes`"
            );
            self.run.notice(place.path(), NoticeKind::Held, None, text);
        }
    }
}

fn held_words(reason: HeldReason) -> (&'static str, &'static str) {
    match reason {
        HeldReason::Brake => ("brake", "too much of the folder would be deleted at once"),
        HeldReason::Restored => ("restored", "nothing is deleted there after a restore, until that is allowed"),
        HeldReason::OtherSideUnknown => ("other-side-unknown", "the other side could not be read in full"),
    }
}

/// How an entry is missing; `None` where it is not, or where that is not sure.
fn missing_of(look: &super::look::Look, row: &EntryBrief, place: &Place) -> Option<Missing> {
    let gone_there = row.standing == EntryStanding::Gone || !place.on_server;
    let gone_here = look.away.contains(&row.key);
    match (gone_there, gone_here) {
        (false, false) => None,
        _ if !look.complete => None,
        (true, true) => Some(Missing::Everywhere),
        (true, false) if look.changed.contains_key(&row.key) => Some(Missing::ThereAndEditedHere),
        // A move of the file that the server's deletion crossed: the file goes with it.
        (true, false) => Some(Missing::There),
        (false, true) if row.standing == EntryStanding::Agreed && look.listed_there => Some(Missing::Here),
        (false, true) => None,
    }
}
