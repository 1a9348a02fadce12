//! What changed here goes to the server: moves, changes, new entries.

use std::collections::BTreeSet;

use super::super::tree::{Place, remake};
use super::super::{Action, NoticeKind, Progress, Step, SyncError};
use super::look::Found;
use super::pull::BATCH;
use super::take::{brief_of, row_of, said_with_uid};
use super::{Entries, INEXPRESSIBLE, Read};
use crate::local::LocalWrite;
use crate::pim::{Digest, Entry, EntryField, EntryKey, EntryKind, FileKey, FolderKey, ItemId, Said, Tag};
use crate::plan::entry::{self, Agreed, Pushed};
use crate::remote::{EntryUpdate, EntryUpload, ItemError, ItemErrorClass, Placed, RemoteError, RemoteWrite, Versioned};
use crate::state::{CHANGED, EntryBrief, EntryRow, EntryStanding, EntryUploadRow, Subject, Words};

/// A file that is to become an entry on the server.
struct Upload {
    file: String,
    tag: Tag,
    said: Said,
    digest: Digest,
}

/// A change that is to be sent.
pub(super) struct Update {
    row: EntryRow,
    file_folder: FolderKey,
    file: String,
    digest: Digest,
    here: Said,
    shall: Said,
    sent: Vec<EntryField>,
}

/// Bytes of attachments and pictures beyond which no further entry joins those that are sent together.
const MOST_HELD: u64 = 16 << 20;

/// What is sent together: so many entries, fewer of large ones.
struct Load<T> {
    entries: Vec<T>,
    held: u64,
}

impl<T> Default for Load<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), held: 0 }
    }
}

impl<T> Load<T> {
    /// Adds an entry that holds so many bytes. Returns all of them where no further one may join.
    fn add(&mut self, entry: T, held: u64) -> Option<Vec<T>> {
        self.entries.push(entry);
        self.held += held;
        let is_full = self.entries.len() >= BATCH || self.held >= MOST_HELD;
        is_full.then(|| std::mem::take(self).rest())
    }

    fn rest(self) -> Vec<T> {
        self.entries
    }
}

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Entries<'_, '_, R, L> {
    /// Sends what changed in these folders.
    pub(super) async fn push(&self, places: &[&Place]) -> Result<(), SyncError> {
        self.end_file_troubles(places).await?;
        let (waiting, unread) = (self.waiting()?, self.unread_kinds()?);
        for place in places {
            let there = place.on_server && self.with_look(place.key(), |look| look.listed_there) == Some(true);
            if !place.on_server {
                self.make_again(place).await?;
            }
            if there {
                self.push_moves(place).await?;
                self.push_changes(place, &waiting).await?;
                // One of the new files may be what could not be read there.
                if place.entry_kind().is_none_or(|kind| !unread.contains(&kind)) {
                    self.push_new(place, &waiting).await?;
                }
            }
        }
        Ok(())
    }

    /// A folder that is gone on the server is made again there for what is new in it; the next round uploads that.
    async fn make_again(&self, place: &Place) -> Result<(), SyncError> {
        let has_new =
            self.with_look(place.key(), |look| look.complete && look.loose.values().any(|found| found.clues.is_ok()));
        if has_new != Some(true) || self.run.is_dry() {
            return Ok(());
        }
        let mut missing = vec![place.row.clone()];
        let mut at = place.row.parent;
        let above = loop {
            let Some(key) = at else {
                let account = self.run.state().read(|state| state.account(&self.run.engine.settings.account))?;
                break account.and_then(|account| account.root);
            };
            let Some(parent) = self.tree.place(key) else { return Ok(()) };
            if parent.on_server {
                break Some(parent.row.id.clone());
            }
            missing.push(parent.row.clone());
            at = parent.row.parent;
        };
        let Some(above) = above else { return Ok(()) };
        missing.reverse();
        self.expect_echo();
        if let Some((row, error)) = remake(self.run, above, missing).await?.refused {
            let text = format!("the folder could not be made again on the server: {error}; the next sync tries again");
            self.run.notice(row.dir.as_deref().unwrap_or(&row.name), NoticeKind::Held, None, text);
        }
        Ok(())
    }

    /// Files that the server refused, and that are not due yet.
    fn waiting(&self) -> Result<BTreeSet<(FolderKey, String)>, SyncError> {
        let troubles = self.run.state().read(|state| state.troubles(self.run.account))?;
        let waits = troubles.into_iter().filter(|trouble| !self.run.is_due(trouble));
        Ok(waits
            .filter_map(|trouble| match trouble.subject {
                Subject::File(file) => Some((trouble.folder, file.to_string())),
                Subject::Message(_) => None,
            })
            .collect())
    }

    /// Trouble with a file is over when the file is gone, or as agreed, or changed: then it is tried again at once.
    async fn end_file_troubles(&self, places: &[&Place]) -> Result<(), SyncError> {
        let troubles = self.run.state().read(|state| state.troubles(self.run.account))?;
        let mut over = Vec::new();
        for trouble in troubles {
            let Subject::File(file) = &trouble.subject else { continue };
            let name = file.to_string();
            let differs = self.with_look(trouble.folder, |look| {
                !look.complete
                    || look.loose.contains_key(&name)
                    || look.changed.values().any(|found| found.name == name)
            });
            if places.iter().any(|place| place.key() == trouble.folder) && differs == Some(false) {
                over.push((trouble.folder, trouble.subject));
            }
        }
        if over.is_empty() || self.run.is_dry() {
            return Ok(());
        }
        self.run.commit(move |tx| over.iter().try_for_each(|(folder, subject)| tx.end_trouble(*folder, subject))).await
    }

    /// Files that lie in another folder now: their entries go there, too.
    async fn push_moves(&self, place: &Place) -> Result<(), SyncError> {
        let moved = self.with_look(place.key(), |look| look.moved.clone()).unwrap_or_default();
        for (key, (to, file)) in moved {
            let Some(target) = self.tree.place(to).filter(|target| target.on_server).cloned() else { continue };
            let Some(mut row) = self.run.state().read(|state| state.entry(key))? else { continue };
            if row.brief.standing == EntryStanding::Gone || self.run.is_postponed(to) {
                continue;
            }
            if self.run.is_dry() {
                self.run.planned(place.path(), Action::MoveThere, file, target.path().to_owned());
                continue;
            }
            let item = Versioned { id: row.brief.id.clone(), change_key: row.brief.change_key.clone() };
            let answers = self.run.remote().move_messages(std::slice::from_ref(&item), &target.row.id).await?;
            self.run.step(Step::MovesPushed)?;
            match answers.into_iter().next() {
                Some(Ok(Placed { id, change_key })) => {
                    self.expect_echo();
                    self.run.tally(place, |tally| tally.moved_there += 1);
                    row.brief = EntryBrief { folder: to, id, change_key, file, ..row.brief };
                    let taken = self.with_look(place.key(), |look| {
                        look.moved.remove(&key);
                        look.rows.remove(&key);
                        look.changed.remove(&key)
                    });
                    self.with_look(to, |look| {
                        look.rows.insert(key, row.brief.clone());
                        look.changed.extend(taken.flatten().map(|found| (key, found)));
                    });
                    self.run.commit(move |tx| tx.set_entry(&row)).await?;
                    self.run.step(Step::PushNoted)?;
                }
                // Changed or gone there: the next round tells.
                Some(Err(error)) if matches!(error.class, ItemErrorClass::Gone | ItemErrorClass::Conflict) => {
                    self.expect_echo()
                }
                Some(Err(error)) => {
                    let text = format!("the server does not move it: {error}; the next sync tries again");
                    self.run.notice(place.path(), NoticeKind::Held, Some(file), text);
                }
                None => {}
            }
        }
        Ok(())
    }

    async fn push_changes(&self, place: &Place, waiting: &BTreeSet<(FolderKey, String)>) -> Result<(), SyncError> {
        let changed: Vec<(EntryKey, Found)> = self
            .with_look(place.key(), |look| {
                let there =
                    |key: &EntryKey| look.rows.get(key).is_some_and(|row| row.standing == EntryStanding::Agreed);
                let changed = look.changed.iter().filter(|(key, _)| there(key));
                changed.map(|(key, found)| (*key, found.clone())).collect()
            })
            .unwrap_or_default();
        let mut load = Load::default();
        for (key, found) in changed {
            if let Err(reason) = &found.clues {
                self.trouble_with_file(place, &found.name, INEXPRESSIBLE, reason).await?;
                continue;
            }
            let Some((lies_in, file)) = self.whereabouts(place.key(), key) else { continue };
            if waiting.contains(&(place.key(), file.clone())) {
                continue;
            }
            if let Some(update) = self.update_of(place, key, lies_in, file, &found).await? {
                let held = update.shall.entry.held();
                if let Some(full) = load.add(update, held) {
                    self.send_updates(place, full).await?;
                }
            }
        }
        self.send_updates(place, load.rest()).await
    }

    /// What is to be sent of a changed file; nothing where it says what was agreed, in other words.
    pub(super) async fn update_of(
        &self,
        place: &Place,
        key: EntryKey,
        file_folder: FolderKey,
        file: String,
        found: &Found,
    ) -> Result<Option<Update>, SyncError> {
        let (Some(kind), Some(file_place)) = (place.entry_kind(), self.tree.place(file_folder)) else {
            return Ok(None);
        };
        let Some(mut row) = self.run.state().read(|state| state.entry(key))? else { return Ok(None) };
        let Some(Read { digest, said: Ok(here), .. }) = self.read(&file_place.dir()?, kind, &file).await? else {
            self.expect_echo();
            return Ok(None);
        };
        let agreed = Agreed { server: row.server.clone(), here: row.said_here().clone() };
        let Some((shall, sent)) = entry::push(&agreed, &here) else {
            row.brief.digest = digest;
            row.brief.stat = found.stat.filter(|_| found.digest == digest);
            row.brief.ino = Some(found.ino);
            row.here = Some(here).filter(|here| *here != row.server);
            self.with_look(place.key(), |look| look.changed.remove(&key));
            self.set_row(place, row).await?;
            return Ok(None);
        };
        Ok(Some(Update { row, file_folder, file, digest, here, shall, sent }))
    }

    async fn send_updates(&self, place: &Place, batch: Vec<Update>) -> Result<(), SyncError> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.run.is_dry() {
            for update in batch {
                self.run.planned(place.path(), Action::ChangeThere, update.file, String::new());
            }
            return Ok(());
        }
        let noted: Vec<_> = batch.iter().map(|update| (update.row.brief.key, update.shall.clone())).collect();
        self.run.commit(move |tx| noted.iter().try_for_each(|(key, shall)| tx.note_sent(*key, shall))).await?;
        self.run.step(Step::DraftNoted)?;
        let asked: Vec<EntryUpdate<'_>> = batch
            .iter()
            .map(|update| EntryUpdate {
                id: &update.row.brief.id,
                change_key: &update.row.brief.change_key,
                from: &update.row.server.entry,
                to: &update.shall.entry,
                extra: update.sent.contains(&EntryField::Extra).then_some(&update.shall.extra),
            })
            .collect();
        let answers = self.run.remote().update_entries(&asked).await?;
        self.run.step(Step::MarksPushed)?;
        if batch.iter().any(|update| has_guests(&update.shall)) {
            self.expect_echo();
        }
        let mut done = Vec::new();
        for (update, answer) in batch.into_iter().zip(answers) {
            match answer {
                Ok(_) => done.push(update),
                Err(error) => self.refused(place, &update.file, update.row.brief.key, &error).await?,
            }
        }
        self.read_back(place, done).await
    }

    /// A change that the server did not take.
    async fn refused(&self, place: &Place, file: &str, key: EntryKey, error: &ItemError) -> Result<(), SyncError> {
        match error.class {
            // Changed there meanwhile, or gone: what is there is read first.
            ItemErrorClass::Conflict | ItemErrorClass::Gone | ItemErrorClass::Unknown => {
                self.mark_stale(place, key).await?;
                self.expect_echo();
                Ok(())
            }
            _ => self.trouble_with_file(place, file, &error.code, &error.message).await,
        }
    }

    /// Reads what the server says after a push, and notes that. Then the echo of the push tells nothing new, and can wait for the next listing.
    async fn read_back(&self, place: &Place, done: Vec<Update>) -> Result<(), SyncError> {
        let Some(kind) = place.entry_kind() else { return Ok(()) };
        if done.is_empty() {
            return Ok(());
        }
        let expected: Vec<(ItemId, &Entry)> =
            done.iter().map(|update| (update.row.brief.id.clone(), &update.shall.entry)).collect();
        let answers = self.run.remote().entries_like(kind, &expected).await?;
        for (update, answer) in done.into_iter().zip(answers) {
            self.run.tally(place, |tally| tally.changed_there += 1);
            let Update { mut row, file_folder, file, digest, here, shall, sent } = update;
            let server = match answer {
                Ok(server) => server,
                // It was changed, and then it went, as a meeting does that is declined. Nothing of the file is news to the server.
                Err(error) if error.class == ItemErrorClass::Gone => {
                    self.expect_echo();
                    let key = row.brief.key;
                    row.brief.digest = digest;
                    (row.server, row.here, row.sent) = (shall, None, None);
                    self.with_look(place.key(), |look| look.changed.remove(&key));
                    self.set_row(place, row).await?;
                    continue;
                }
                Err(_) => {
                    self.expect_echo();
                    self.mark_stale(place, row.brief.key).await?;
                    continue;
                }
            };
            let back = said_with_uid(&server, &shall);
            let brief = brief_of(row.brief.folder, &server, &row.brief.file, digest);
            row.brief = EntryBrief { key: row.brief.key, ..brief };
            let pushed = entry::pushed(&shall, &sent, back, &here);
            self.note_pushed(place, (file_folder, &file), row, pushed).await?;
        }
        self.run.step(Step::PushNoted)
    }

    /// Notes what came of a push; `row` has the hash of the file as it was sent.
    async fn note_pushed(
        &self,
        place: &Place,
        (file_folder, file): (FolderKey, &str),
        mut row: EntryRow,
        pushed: Pushed,
    ) -> Result<(), SyncError> {
        let key = row.brief.key;
        let Pushed { agreed, file: says, refused } = pushed;
        if !refused.is_empty() {
            let fields: Vec<String> = refused.iter().map(|field| field.to_string()).collect();
            let is_meeting = matches!(&agreed.server.entry, Entry::Event(event) if event.organiser.is_some());
            let whose = if is_meeting { " (of a meeting most is its organiser's alone to change)" } else { "" };
            let text = format!(
                "the server keeps its own value of {}{whose}; the file says what you wrote, and is not sent again until you change it",
                fields.join(", ")
            );
            // It is told now or never: the next round has nothing to send.
            self.run.notice(place.path(), NoticeKind::Refused, Some(file.to_owned()), text);
        }
        if let (Some(says), Some(file_place)) = (says, self.tree.place(file_folder)) {
            let read = self.read(&file_place.dir()?, says.entry.kind(), file).await?;
            let sent = row.brief.digest;
            match read.filter(|read| read.digest == sent) {
                Some(read) => match self.write(file_place, (key, file), read, (&says, Words::Agreed)).await? {
                    Some(written) => row.brief.digest = written,
                    None => self.expect_echo(),
                },
                // Changed meanwhile: what the server changed along is brought in together with that.
                None => {
                    row.brief.standing = EntryStanding::Stale;
                    self.expect_echo();
                }
            }
        }
        if let Some(file_place) = self.tree.place(file_folder) {
            row.brief.ino = self.number(&file_place.dir()?, file).await?;
        }
        row.here = Some(agreed.here).filter(|here| *here != agreed.server);
        (row.server, row.sent) = (agreed.server, None);
        self.with_look(place.key(), |look| look.changed.remove(&key));
        self.set_row(place, row).await?;
        let (folder, subject) = (place.key(), Subject::File(FileKey::new(file.as_bytes())));
        self.run.commit(move |tx| tx.end_trouble(folder, &subject)).await
    }

    /// Files that no entry is known for become entries on the server.
    async fn push_new(&self, place: &Place, waiting: &BTreeSet<(FolderKey, String)>) -> Result<(), SyncError> {
        let sure = self.with_look(place.key(), |look| look.is_sure()) == Some(true);
        let Some(kind) = place.entry_kind().filter(|_| sure) else { return Ok(()) };
        // One of the files may be an upload of which it is still not known whether the server has it.
        if !self.run.state().read(|state| state.entry_uploads(place.key()))?.is_empty() {
            self.expect_echo();
            return Ok(());
        }
        let loose: Vec<Found> =
            self.with_look(place.key(), |look| look.loose.values().cloned().collect()).unwrap_or_default();
        let uids = self.uids(place)?;
        let mut files = Vec::new();
        for found in loose.into_iter().filter(|found| !waiting.contains(&(place.key(), found.name.clone()))) {
            let clues = match &found.clues {
                Ok(clues) => clues,
                Err(reason) => {
                    self.trouble_with_file(place, &found.name, INEXPRESSIBLE, reason).await?;
                    continue;
                }
            };
            if !clues.uid.is_empty() && uids.contains(&clues.uid) {
                let reason = format!(
                    "another file of the folder has its UID {:?}; give it one of its own, or remove it",
                    clues.uid
                );
                self.trouble_with_file(place, &found.name, "SameUid", &reason).await?;
                continue;
            }
            if self.run.is_dry() {
                self.run.planned(place.path(), Action::Upload, found.name, clues.label.clone());
                continue;
            }
            files.push(found.name);
        }
        self.run.progress(&Progress::UploadsAhead(files.len() as u64));
        let mut load = Load::default();
        for file in files {
            let Some(Read { digest, said: Ok(said), .. }) = self.read(&place.dir()?, kind, &file).await? else {
                self.expect_echo();
                continue;
            };
            let tag = self.run.tag(place, &FileKey::new(file.as_bytes()));
            let held = said.entry.held();
            if let Some(full) = load.add(Upload { file, tag, said, digest }, held) {
                self.upload(place, kind, full).await?;
            }
        }
        self.upload(place, kind, load.rest()).await
    }

    /// The UIDs of what is known in a folder: two events of one UID are one event to every calendar program.
    fn uids(&self, place: &Place) -> Result<BTreeSet<String>, SyncError> {
        let keys: Vec<EntryKey> = self
            .with_look(place.key(), |look| {
                if look.loose.is_empty() { Vec::new() } else { look.rows.keys().copied().collect() }
            })
            .unwrap_or_default();
        let mut uids = BTreeSet::new();
        for key in keys {
            let row = self.run.state().read(|state| state.entry(key))?;
            uids.extend(row.map(|row| row.server.entry.uid().to_owned()).filter(|uid| !uid.is_empty()));
        }
        Ok(uids)
    }

    async fn upload(&self, place: &Place, kind: EntryKind, batch: Vec<Upload>) -> Result<(), SyncError> {
        if batch.is_empty() {
            return Ok(());
        }
        let folder = place.key();
        let noted = |upload: &Upload| EntryUploadRow {
            tag: upload.tag.clone(),
            file: upload.file.clone(),
            said: upload.said.clone(),
        };
        let noted: Vec<EntryUploadRow> = batch.iter().map(noted).collect();
        self.run.commit(move |tx| noted.iter().try_for_each(|upload| tx.add_entry_upload(folder, upload))).await?;
        self.run.step(Step::UploadsNoted)?;
        let asked: Vec<EntryUpload<'_>> = batch
            .iter()
            .map(|upload| EntryUpload {
                tag: &upload.tag,
                entry: &upload.said.entry,
                extra: Some(&upload.said.extra).filter(|extra| !extra.is_empty()),
            })
            .collect();
        let answers = match self.run.remote().create_entries(&place.row.id, &asked).await {
            Err(RemoteError::FolderGone) => {
                self.expect_echo();
                return Ok(());
            }
            answers => answers?,
        };
        self.run.step(Step::UploadsSent)?;
        let mut done = Vec::new();
        for (upload, answer) in batch.into_iter().zip(answers) {
            match answer {
                Ok(placed) => done.push((upload, placed)),
                // Its tag is looked for by the next round.
                Err(error) if error.class == ItemErrorClass::Unknown => {
                    self.trouble_with_file(place, &upload.file, CHANGED, &error.message).await?;
                }
                Err(error) => {
                    self.trouble_with_file(place, &upload.file, &error.code, &error.message).await?;
                    self.run.commit(move |tx| tx.end_entry_upload(&upload.tag)).await?;
                }
            }
        }
        self.note_uploaded(place, kind, done).await
    }

    async fn note_uploaded(
        &self,
        place: &Place,
        kind: EntryKind,
        done: Vec<(Upload, Placed)>,
    ) -> Result<(), SyncError> {
        if done.is_empty() {
            return Ok(());
        }
        // How many there are is told by a listing only.
        self.expect_echo();
        let ids: Vec<ItemId> = done.iter().map(|(_, placed)| placed.id.clone()).collect();
        let answers = self.run.remote().entries(kind, &ids).await?;
        for ((upload, placed), answer) in done.into_iter().zip(answers) {
            // What cannot be read back is found by its tag in the next round.
            let Ok(server) = answer else { continue };
            let Upload { file, tag, said, digest } = upload;
            let back = said_with_uid(&server, &said);
            let sent = said.diff(&Said::nothing(kind));
            let pushed = entry::pushed(&said, &sent, back.clone(), &said);
            let brief = EntryBrief { id: placed.id, ..brief_of(place.key(), &server, &file, digest) };
            // Until the file says what the server made of it, what was sent is what both said: a run that is cut off here sends nothing again.
            let agreed = entry::uploaded(&said, &back);
            let unread = EntryBrief { digest: Digest([0; 16]), standing: EntryStanding::Stale, ..brief.clone() };
            let noted = row_of(unread, agreed);
            let mut row = EntryRow { brief, server: back, here: None, sent: None };
            row.brief.key = self
                .run
                .commit(move |tx| {
                    tx.end_entry_upload(&tag)?;
                    tx.add_entry(&noted)
                })
                .await?;
            self.with_look(place.key(), |look| look.loose.remove(&file));
            self.run.tally(place, |tally| tally.uploaded += 1);
            self.note_pushed(place, (place.key(), &file), row, pushed).await?;
        }
        self.run.step(Step::PushNoted)
    }
}

/// Whether others take part: then the server may have sent mail, which is in a folder of its own.
fn has_guests(said: &Said) -> bool {
    matches!(&said.entry, Entry::Event(event) if !event.attendees.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_together_is_bounded_by_number_and_by_bytes() {
        let sizes = |held: &[u64]| {
            let mut load = Load::default();
            let mut sent: Vec<usize> =
                held.iter().filter_map(|held| load.add((), *held)).map(|all| all.len()).collect();
            sent.push(load.rest().len());
            sent
        };
        assert_eq!(sizes(&[0; 2 * BATCH + 1]), [BATCH, BATCH, 1]);
        assert_eq!(sizes(&[MOST_HELD / 2; 5]), [2, 2, 1]);
        assert_eq!(sizes(&[1, 3 * MOST_HELD, 1]), [2, 1]);
    }
}
