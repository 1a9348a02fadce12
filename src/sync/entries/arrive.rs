//! Entries that the base does not know: uploads that were cut off, moved ones, those that lie here already, and new ones.

use std::collections::{BTreeMap, HashSet};

use super::super::tree::Place;
use super::super::{Action, Progress, Step, SyncError, lock};
use super::look::Found;
use super::take::{Change, brief_of, row_of, said_of, said_with_uid};
use super::{Entries, says};
use crate::format::entry::{EntryFile, extension, stem};
use crate::local::vdir::digest_of;
use crate::local::{LocalWrite, Moved, NewEntry, foldername};
use crate::pim::{
    Digest, EntryKey, EntryKind, FolderKey, ItemId, Said, ServerEntry, ServerMessage, Tag, Text, UnixTime,
};
use crate::plan::entry::{self, Pull};
use crate::remote::{ItemErrorClass, RemoteError, RemoteWrite};
use crate::state::{Coming, EntryBrief, EntryRow, EntryStanding, EntryUploadRow, Words, search_hash};

/// Tags that are looked for with one request.
const TAGS: usize = 25;

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Entries<'_, '_, R, L> {
    /// What a run that was cut off left unknown: uploads whose answers were lost are looked for by their tags. Those that are not found where they
    /// were sent to may have been moved since: the listings tell.
    pub(super) async fn settle_begun(&self, places: &[&Place]) -> Result<(), SyncError> {
        for place in places.iter().filter(|place| place.on_server) {
            let begun = self.run.state().read(|state| state.entry_uploads(place.key()))?;
            if begun.is_empty() || self.run.is_dry() {
                continue;
            }
            let mut begun: BTreeMap<Tag, EntryUploadRow> =
                begun.into_iter().map(|upload| (upload.tag.clone(), upload)).collect();
            for tags in begun.keys().cloned().collect::<Vec<_>>().chunks(TAGS) {
                match self.run.remote().find_tagged(&place.row.id, tags).await {
                    Ok(found) => {
                        let tags: Vec<Tag> = found.iter().filter_map(|message| message.tag.clone()).collect();
                        self.take_over_uploads(place, found, &begun).await?;
                        begun.retain(|tag, _| !tags.contains(tag));
                    }
                    Err(RemoteError::FolderGone) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            lock(&self.begun).extend(begun.into_iter().map(|(tag, upload)| (tag, (place.key(), upload))));
        }
        Ok(())
    }

    /// After all listings: an upload that none of them told of never came.
    pub(super) async fn end_begun(&self) -> Result<(), SyncError> {
        if lock(&self.looks).values().any(|look| !look.listed_there) {
            return Ok(());
        }
        let tags: Vec<Tag> = std::mem::take(&mut *lock(&self.begun)).into_keys().collect();
        if tags.is_empty() {
            return Ok(());
        }
        self.run.commit(move |tx| tags.iter().try_for_each(|tag| tx.end_entry_upload(tag))).await
    }

    /// What is found is what was uploaded. Both sides said what was sent; what either says otherwise by now was changed since.
    pub(super) async fn take_over_uploads(
        &self,
        place: &Place,
        found: Vec<ServerMessage>,
        begun: &BTreeMap<Tag, EntryUploadRow>,
    ) -> Result<(), SyncError> {
        let Some(kind) = place.entry_kind() else { return Ok(()) };
        let (mut news, mut settled) = (Vec::new(), Vec::new());
        for message in found {
            match self.run.state().read(|state| state.entry_by_id(self.run.account, &message.id))? {
                None => news.push(message),
                Some(_) => settled.extend(message.tag),
            }
        }
        if !settled.is_empty() {
            self.run.commit(move |tx| settled.iter().try_for_each(|tag| tx.end_entry_upload(tag))).await?;
        }
        let ids: Vec<ItemId> = news.iter().map(|message| message.id.clone()).collect();
        let answers = self.run.remote().entries(kind, &ids).await?;
        for (message, answer) in news.iter().zip(answers) {
            let upload = message.tag.as_ref().and_then(|tag| begun.get(tag));
            let (Ok(server), Some(upload)) = (answer, upload) else { continue };
            let (lies_in, file) = self.file_of(place.key(), upload);
            let brief = brief_of(place.key(), &server, &file, Digest([0; 16]));
            let agreed = entry::uploaded(&upload.said, &said_with_uid(&server, &upload.said));
            let row = row_of(brief, agreed);
            let key = self.note_new(place, lies_in, row).await?;
            let tag = upload.tag.clone();
            self.run.commit(move |tx| tx.end_entry_upload(&tag)).await?;
            self.take_known(place, key, server).await?;
        }
        Ok(())
    }

    /// The file of an upload, which may have been renamed since, or moved into another folder.
    fn file_of(&self, folder: FolderKey, upload: &EntryUploadRow) -> (FolderKey, String) {
        let said = &upload.said;
        let found = self.with_look(folder, |look| {
            let by_title = || look.loose_with_title(said.entry.label()).filter(|_| look.kind == EntryKind::Note);
            let found = look.loose.get(&upload.file).or_else(|| look.loose_with_uid(said.entry.uid()));
            let found = found.or_else(|| look.loose_that_says(says(said))).or_else(by_title);
            found.map(|found| found.name.clone())
        });
        if let Some(name) = found.flatten() {
            return (folder, name);
        }
        let elsewhere =
            lock(&self.looks).iter().filter(|(_, look)| look.kind == said.entry.kind()).find_map(|(at, look)| {
                let found = look.loose_with_uid(said.entry.uid()).or_else(|| look.loose_that_says(says(said)))?;
                Some((*at, found.name.clone()))
            });
        elsewhere.unwrap_or_else(|| (folder, upload.file.clone()))
    }

    /// Notes a new row; its file, if there is one, counts as changed, and as moved where it lies in another folder.
    pub(super) async fn note_new(
        &self,
        place: &Place,
        lies_in: FolderKey,
        mut row: EntryRow,
    ) -> Result<EntryKey, SyncError> {
        let found = self.with_look(lies_in, |look| look.loose.remove(&row.brief.file)).flatten();
        let coming = found.as_ref().filter(|_| lies_in != place.key());
        row.brief.coming = coming.map(|found| Coming { digest: found.digest, words: Words::Own });
        let added = row.clone();
        let key = self.run.commit(move |tx| tx.add_entry(&added)).await?;
        row.brief.key = key;
        self.with_look(place.key(), |look| {
            match found {
                Some(found) => {
                    if lies_in != place.key() {
                        look.moved.insert(key, (lies_in, found.name.clone()));
                    }
                    look.changed.insert(key, found);
                }
                None => drop(look.away.insert(key)),
            }
            look.rows.insert(key, row.brief);
        });
        Ok(key)
    }

    /// An entry that the base does not know: it was moved here, or lies in the directory already, or is new and to be created. `alike` are the search
    /// keys that are known.
    pub(super) async fn take_unknown(
        &self,
        place: &Place,
        server: ServerEntry,
        alike: &HashSet<i64>,
    ) -> Result<Option<ServerEntry>, SyncError> {
        if let Some(row) = self.moved_from(&server, alike).await? {
            return self.follow_move(place, row, server).await.map(|()| None);
        }
        let begun = server.tag.as_ref().and_then(|tag| lock(&self.begun).remove(tag));
        if let Some((folder, upload)) = begun
            && let Some(from) = self.tree.place(folder)
        {
            let (lies_in, file) = self.file_of(folder, &upload);
            let brief = brief_of(folder, &server, &file, Digest([0; 16]));
            let agreed = entry::uploaded(&upload.said, &said_with_uid(&server, &upload.said));
            let mut row = row_of(brief, agreed);
            row.brief.key = self.note_new(from, lies_in, row.clone()).await?;
            self.run.commit(move |tx| tx.end_entry_upload(&upload.tag)).await?;
            return self.follow_move(place, row, server).await.map(|()| None);
        }
        let Some(name) = self.twin(place, &server) else { return Ok(Some(server)) };
        if self.run.is_dry() {
            self.run.planned(place.path(), Action::Adopt, name, String::new());
            return Ok(None);
        }
        let dir = place.dir()?;
        let Some(read) = self.read(&dir, server.entry.kind(), &name).await? else { return Ok(Some(server)) };
        let Ok(here) = read.said.clone() else { return Ok(Some(server)) };
        let there = said_with_uid(&server, &here);
        let Pull::Agree { agreed, file, clash } = entry::adopt(there.clone(), &here, self.run.engine.settings.policy)
        else {
            return Ok(None);
        };
        // Nothing is agreed yet: a run that is cut off here has to compare both sides again.
        let mut nothing = Said::nothing(server.entry.kind());
        nothing.entry.set_uid(there.entry.uid().into());
        let brief = brief_of(place.key(), &server, &name, Digest([0; 16]));
        let brief = EntryBrief { standing: EntryStanding::Stale, ..brief };
        let row = EntryRow { brief, server: nothing, here: None, sent: None };
        let key = self.note_new(place, place.key(), row.clone()).await?;
        let row = EntryRow { brief: EntryBrief { key, ..row.brief }, ..row };
        self.run.tally(place, |tally| tally.adopted += 1);
        let change = Change { place, name, read: Some(read), agreed, file, kept: !clash.is_empty() };
        self.agree(place, row, &server, change).await?;
        Ok(None)
    }

    /// The file in the folder's directory that is this entry: by its UID or, where nothing tells, by what it says.
    pub(super) fn twin(&self, place: &Place, server: &ServerEntry) -> Option<String> {
        let uids = uids_of(server);
        let is_first = place.row.listing.listed_at.is_none();
        let said = says(&Said { entry: server.entry.clone(), extra: Text::default() });
        self.with_look(place.key(), |look| {
            let by_uid = || uids.iter().find_map(|uid| look.loose_with_uid(uid));
            let found = by_uid().or_else(|| look.loose_that_says(said));
            // Notes have no UID. Where nothing was agreed yet, one title is one note.
            let by_title =
                || look.loose_with_title(server.entry.label()).filter(|_| is_first && look.kind == EntryKind::Note);
            found.or_else(by_title).map(|found| found.name.clone())
        })
        .flatten()
    }

    /// The entry of another folder that this one was: moves keep the search key, and the old id is gone.
    async fn moved_from(&self, server: &ServerEntry, alike: &HashSet<i64>) -> Result<Option<EntryRow>, SyncError> {
        let search = server.search_key.as_ref().map(search_hash).filter(|search| alike.contains(search));
        let Some(search) = search else { return Ok(None) };
        let alike = self.run.state().read(|state| state.entries_by_search_key(self.run.account, search))?;
        for brief in alike {
            let gone = match brief.standing {
                EntryStanding::Gone => true,
                EntryStanding::Arriving => false,
                EntryStanding::Agreed | EntryStanding::Stale => {
                    let answers = self.run.remote().messages(std::slice::from_ref(&brief.id)).await?;
                    matches!(answers.first(), Some(Err(error)) if error.class == ItemErrorClass::Gone)
                }
            };
            if gone {
                return Ok(self.run.state().read(|state| state.entry(brief.key))?);
            }
        }
        Ok(None)
    }

    /// The file follows its entry into the folder where the server has it now.
    pub(super) async fn follow_move(
        &self,
        place: &Place,
        mut row: EntryRow,
        server: ServerEntry,
    ) -> Result<(), SyncError> {
        let (old, key) = (row.brief.folder, row.brief.key);
        let Some((lies_in, name)) = self.whereabouts(old, key) else { return Ok(()) };
        if self.run.is_dry() {
            self.run.planned(place.path(), Action::MoveHere, name, String::new());
            return Ok(());
        }
        let taken = self.with_look(old, |look| {
            (look.rows.remove(&key), look.changed.remove(&key), look.away.remove(&key), look.moved.remove(&key))
        });
        let Some((_, changed, away, _)) = taken else { return Ok(()) };
        let mut file = name.clone();
        if !away && lies_in != place.key() {
            let Some(from) = self.tree.place(lies_in) else { return Ok(()) };
            let (from, to, at) = (from.dir()?, self.directory(place).await?, name);
            let (moved, new) = self.run.blocking(move |local| local.move_entry(&from, &at, &to)).await?;
            if moved == Moved::Done {
                file = new;
                self.run.step(Step::FileChanged)?;
                self.run.tally(place, |tally| tally.moved_here += 1);
            } else {
                self.expect_echo();
            }
        }
        row.brief = EntryBrief {
            folder: place.key(),
            id: server.id.clone(),
            search: server.search_key.as_ref().map(search_hash),
            file: file.clone(),
            standing: EntryStanding::Agreed,
            ..row.brief
        };
        self.with_look(place.key(), |look| {
            if let Some(found) = changed {
                look.changed.insert(key, Found { name: file, ..found });
            }
            if away {
                look.away.insert(key);
            }
            look.rows.insert(key, row.brief.clone());
        });
        let noted = row.clone();
        self.run.commit(move |tx| tx.set_entry(&noted)).await?;
        self.take_known(place, key, server).await
    }

    /// Writes the files of new entries: rows first, then the files, durably, then their names.
    pub(super) async fn create(&self, place: &Place, news: Vec<ServerEntry>) -> Result<(), SyncError> {
        if self.run.is_dry() {
            for server in news {
                self.run.planned(place.path(), Action::Download, server.entry.label().to_owned(), String::new());
            }
            return Ok(());
        }
        let (mut rows, mut files) = (Vec::new(), Vec::new());
        let mut alike = self.alike(news.iter())?;
        let (folder, now) = (place.key(), self.run.now());
        let made = self
            .run
            .blocking(move |_| Ok(news.into_iter().map(|server| made(server, &mut alike, (folder, now))).collect()))
            .await;
        let made: Vec<Made> = made?;
        for made in made {
            match made {
                Ok((row, file)) => {
                    rows.push(row);
                    files.push(file);
                }
                Err((server, reason)) => self.cannot_hold(place, &server, &reason).await?,
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let noted = rows.clone();
        let keys: Vec<EntryKey> =
            self.run.commit(move |tx| noted.iter().map(|row| tx.add_entry(row)).collect::<Result<_, _>>()).await?;
        self.run.step(Step::ArrivalsNoted)?;
        let dir = self.directory(place).await?;
        let names = self.run.blocking(move |local| local.create_entries(&dir, files)).await?;
        self.run.step(Step::Delivered)?;
        let count = names.len() as u64;
        let mut done = Vec::new();
        for ((row, key), (file, stat)) in rows.into_iter().zip(keys).zip(names) {
            let ino = Some(stat.ino);
            done.push(EntryBrief { key, file, ino, standing: EntryStanding::Agreed, ..row.brief });
        }
        self.with_look(place.key(), |look| done.iter().cloned().for_each(|brief| look.agree(brief)));
        self.run.tally(place, |tally| tally.downloaded += count);
        self.run.progress(&Progress::Messages(count));
        // The files are durable; what becomes of a row that still says that its file is about to be written, is told by the file.
        self.run
            .jot(move |tx| {
                done.iter().try_for_each(|brief| {
                    tx.set_entry_file(brief.key, &brief.file)?;
                    tx.set_entry_stat(brief.key, None, brief.ino.unwrap_or_default())?;
                    tx.set_entry_standing(brief.key, EntryStanding::Agreed)
                })
            })
            .await
    }
}

/// The row and the file of a new entry; or why no file can hold it.
type Made = Result<(EntryRow, NewEntry), (Box<ServerEntry>, String)>;

fn made(server: ServerEntry, alike: &mut HashSet<i64>, (folder, now): (FolderKey, UnixTime)) -> Made {
    let mut said = said_of(server.clone());
    if said.entry.uid().is_empty() {
        said.entry.set_uid(new_uid(&server, alike).into());
    }
    let file = match EntryFile::new(&said, now) {
        Ok(file) => file,
        Err(reason) => return Err((Box::new(server), reason.to_string())),
    };
    let (content, kind) = (file.to_bytes(), said.entry.kind());
    let name = foldername::encode(&stem(&said.entry), &|_| false).name + extension(kind);
    let brief = brief_of(folder, &server, &name, digest_of(&content));
    let brief = EntryBrief { standing: EntryStanding::Arriving, ..brief };
    // What a file says is not always what it was made of: a field that a format cannot hold in full.
    let here = file.said().ok().filter(|here| *here != said);
    let file = NewEntry { stem: stem(&said.entry), extension: extension(kind), content };
    Ok((EntryRow { brief, server: said, here, sent: None }, file))
}

/// A UID for an entry that has none on the server: the same each time, from what it keeps; from its id where it is a copy of one that has that.
fn new_uid(server: &ServerEntry, alike: &mut HashSet<i64>) -> String {
    let is_copy = server.search_key.as_ref().is_some_and(|key| !alike.insert(search_hash(key)));
    let uids = uids_of(server);
    let chosen = if is_copy { uids.first() } else { uids.last() };
    chosen.cloned().unwrap_or_default()
}

/// The UIDs that a file of the entry can have: its own; else one by its id, and one by its search key.
fn uids_of(server: &ServerEntry) -> Vec<String> {
    let own = server.entry.uid();
    if !own.is_empty() || server.entry.kind() == EntryKind::Note {
        return if own.is_empty() { Vec::new() } else { vec![own.to_owned()] };
    }
    let by_id = made_uid(server.id.as_str());
    std::iter::once(by_id).chain(server.search_key.as_ref().map(|key| made_uid(key.as_str()))).collect()
}

/// A UUID (RFC 9562 §5.8) from anything.
fn made_uid(from: &str) -> String {
    let hash = blake3::hash(from.as_bytes()).to_hex();
    let part = |range: std::ops::Range<usize>| hash.get(range).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0..8), part(8..12), part(13..16), part(17..20), part(20..32))
}
