//! Which message is this? What the server shows under an id that no item has: uploads whose answers were lost, items that were moved, files
//! that lie here already, and what is really new.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Observed, Puller, perhaps_edited};
use crate::local::{FolderDir, LocalWrite, MessageName, delivered_mark, id_mark};
use crate::pim::{FileKey, Flag, FolderKey, ItemId, ItemKey, SearchKey, ServerMessage, Tag};
use crate::plan::adopt::{Clue, Loose, adopt};
use crate::plan::moves::{Arrived, Departed, KnownBy, remote_moves};
use crate::plan::{Case, Evidence, Seen};
use crate::remote::{ItemErrorClass, RemoteWrite};
use crate::state::{ItemRow, search_hash};
use crate::sync::bodies::{Rendering, renderings};
use crate::sync::pull::{self, UNREADABLE};
use crate::sync::push::tag_of_version;
use crate::sync::recover;
use crate::sync::rejoin::{message_id_of_file, normal_message_id};
use crate::sync::rows::{label, received};
use crate::sync::tree::Place;
use crate::sync::view::{Content, LocalFile, LocalView};
use crate::sync::{SyncError, lock};

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Puller<'_, '_, R, L> {
    /// Messages that no item is known for under their id: uploads whose answer was lost, moves, messages that lie here already, and what is
    /// really new.
    pub(super) async fn unknown(&self, messages: Vec<ServerMessage>, observed: &mut Observed) -> Result<(), SyncError> {
        if messages.is_empty() {
            return Ok(());
        }
        let Moved { mut rows, unclear } = self.moved(&messages).await?;
        self.claim_moved(&mut rows);
        self.follow(&messages, &rows).await?;
        let mut rest = Vec::new();
        for message in messages {
            match rows.remove(&message.id) {
                Some(row) => {
                    // A file that was edited may have been edited alike there.
                    let edited = lock(self.view).changed.get(&row.key).is_some_and(|file| file.edited);
                    let perhaps = edited || perhaps_edited(&row, &message);
                    let state = self.remote_state(message);
                    self.case(row, state, perhaps, observed)?;
                }
                None if unclear.contains(&message.id) => {
                    self.wait(message, "the server does not tell just now whether it was moved here", observed);
                }
                None => rest.push(message),
            }
        }
        let mut adopted = self.adopted(self.place, &rest).await?;
        let uncompared = self.find_edited(&rest, &mut adopted).await?;
        let unknown_here = lock(self.view).unknown.contains(&self.place.key());
        for message in rest {
            let file = adopted.remove(&message.id);
            let local = match file {
                _ if uncompared.contains(&message.id) => {
                    self.wait(message, "the server does not tell just now what it says", observed);
                    continue;
                }
                Some(file) => Seen::Here(file.state()),
                None if unknown_here => {
                    self.wait(message, UNREADABLE, observed);
                    continue;
                }
                None => Seen::Away(Evidence::CompleteListing),
            };
            let mut remote = self.remote_state(message);
            remote.edited = matches!(&local, Seen::Here(file) if file.edited);
            observed.cases.push(Case { base: None, remote: Seen::Here(remote), local });
        }
        Ok(())
    }

    /// What a message is cannot be told for now; no listing tells of it again.
    fn wait(&self, message: ServerMessage, why: &'static str, observed: &mut Observed) {
        observed.notes.push(pull::Note::Retry { id: message.id.clone(), label: label(&message), why });
        let remote = Seen::Here(self.remote_state(message));
        observed.cases.push(Case { base: None, remote, local: Seen::Unknown });
    }

    /// A file that a moved message had, and that is gone from where it was, may lie here already: after a state.db from a backup, say, since
    /// before the move. Or it lies where it was, or where somebody moved it, under another name and edited.
    async fn follow(&self, messages: &[ServerMessage], moved: &HashMap<ItemId, ItemRow>) -> Result<(), SyncError> {
        let rows = || messages.iter().filter_map(|message| moved.get(&message.id));
        let before: BTreeSet<FolderKey> = rows().map(|row| row.folder).filter(|key| *key != self.place.key()).collect();
        let strangers: Vec<FolderKey> = lock(self.view).loose.keys().copied().collect();
        let anywhere = strangers.into_iter().map(|folder| (folder, true));
        let likely = [self.place.key()].into_iter().chain(before).map(|folder| (folder, false));
        for (folder, for_all) in likely.chain(anywhere) {
            let Some(place) = self.tree.place(folder) else { continue };
            let without_file = |row: &&ItemRow| {
                (for_all || folder == self.place.key() || folder == row.folder)
                    && lock(self.view).away.contains(&row.key)
            };
            let without_file: Vec<ServerMessage> = messages
                .iter()
                .filter(|message| moved.get(&message.id).filter(without_file).is_some())
                .cloned()
                .collect();
            for (id, file) in self.adopted(place, &without_file).await? {
                let Some(row) = moved.get(&id) else { continue };
                let edited = self.content_of(&file).is_none_or(|content| content.digest != row.digest);
                let mut view = lock(self.view);
                view.claim(&file);
                view.away.remove(&row.key);
                view.changed.insert(row.key, LocalFile { edited, ..file });
            }
        }
        Ok(())
    }

    /// Which of the messages are known items that moved here: the search key is the same, and the old id is gone.
    async fn moved(&self, messages: &[ServerMessage]) -> Result<Moved, SyncError> {
        let mut arrived = Vec::new();
        let mut candidates: BTreeMap<ItemKey, ItemRow> = BTreeMap::new();
        let mut moved = Moved { rows: self.uploaded(messages).await?, unclear: HashSet::new() };
        self.find_moved_uploads(messages, &mut moved).await?;
        let unmoved = messages.iter().filter(|message| !moved.rows.contains_key(&message.id));
        self.run.state().read(|state| {
            for message in unmoved {
                let Some(search) = &message.search_key else { continue };
                let rows = state.items_by_search(self.run.account, search_hash(search))?;
                if !rows.is_empty() {
                    arrived.push(Arrived { at: message.id.clone(), search_key: search.clone(), text: None });
                    candidates.extend(rows.into_iter().map(|row| (row.key, row)));
                }
            }
            Ok(())
        })?;
        if candidates.is_empty() {
            return Ok(moved);
        }
        let (mut departed, unclear) = self.departed(&candidates, messages).await?;
        self.tell_copies_apart(&candidates, &mut departed, &mut arrived, messages).await?;
        let pairs = remote_moves(&departed, &arrived);
        moved.rows.extend(pairs.into_iter().filter_map(|(key, id)| Some((id, candidates.remove(&key)?))));
        let unclear = arrived.into_iter().filter(|message| unclear.contains(&search_hash(&message.search_key)));
        moved.unclear.extend(unclear.map(|message| message.at));
        Ok(moved)
    }

    /// Several folders are listed at a time, and a copy of what was moved can have arrived in another one: each id that is gone became one other.
    /// That one can be gone, too, by the time that the next folder is listed.
    fn claim_moved(&self, moved: &mut HashMap<ItemId, ItemRow>) {
        let mut view = lock(self.view);
        // An upload that was found by its tag has the id under which it was found.
        moved.retain(|id, row| {
            row.id == *id || view.found_again.entry(row.id.clone()).or_insert_with(|| id.clone()) == id
        });
    }

    /// Which of the messages are uploads whose answers were lost, and which somebody has moved here since.
    async fn uploaded(&self, messages: &[ServerMessage]) -> Result<HashMap<ItemId, ItemRow>, SyncError> {
        let mut uploaded = HashMap::new();
        if self.run.is_dry() || messages.iter().all(|message| message.tag.is_none()) {
            return Ok(uploaded);
        }
        let intents = self.run.state().read(|state| state.upload_intents(self.run.account))?;
        for message in messages {
            let intent = intents.iter().find(|intent| Some(&intent.tag) == message.tag.as_ref());
            if let Some(intent) = intent
                && self.claim_upload(&intent.tag, &message.id)
                && let Some(row) = recover::adopt_upload(self.run, intent, message).await?
            {
                self.forget_loose(&row);
                uploaded.insert(message.id.clone(), row);
            }
        }
        Ok(uploaded)
    }

    fn claim_upload(&self, tag: &Tag, id: &ItemId) -> bool {
        let mut view = lock(self.view);
        view.uploads_found.entry(tag.clone()).or_insert_with(|| id.clone()) == id
    }

    /// Which of the messages were uploaded by us, and moved here before a listing told their search keys: their tags tell.
    async fn find_moved_uploads(&self, messages: &[ServerMessage], known: &mut Moved) -> Result<(), SyncError> {
        let tagged: HashMap<&str, &ItemId> = messages
            .iter()
            .filter(|message| !known.rows.contains_key(&message.id))
            .filter_map(|message| Some((message.tag.as_ref()?.as_str(), &message.id)))
            .collect();
        if tagged.is_empty() {
            return Ok(());
        }
        let mut uploads: Vec<(&ItemId, ItemRow)> = Vec::new();
        for row in self.run.state().read(|state| state.items_without_search(self.run.account))? {
            let Some(place) = self.tree.place(row.folder) else { continue };
            let tag = self.run.tag(place, &row.file);
            let version = tag_of_version(&tag, row.digest, row.flags);
            if let Some(id) = [tag, version].iter().find_map(|tag| tagged.get(tag.as_str())) {
                uploads.push((*id, row));
            }
        }
        for uploads in uploads.chunks(100) {
            let ids: Vec<ItemId> = uploads.iter().map(|(_, row)| row.id.clone()).collect();
            let answers = self.run.remote().messages(&ids).await?;
            for ((id, row), answer) in uploads.iter().zip(answers) {
                match answer {
                    // It is still there: this is a copy.
                    Ok(_) => {}
                    Err(error) if error.class == ItemErrorClass::Gone => {
                        known.rows.insert((*id).clone(), row.clone());
                    }
                    Err(_) => {
                        known.unclear.insert((*id).clone());
                    }
                }
            }
        }
        Ok(())
    }

    /// The file of an upload is no stranger any more.
    fn forget_loose(&self, row: &ItemRow) {
        let mut view = lock(self.view);
        match view.loose.get_mut(&row.folder).and_then(|files| files.remove(&row.file)) {
            Some(file) => {
                view.changed.insert(row.key, file);
            }
            None => {
                view.away.insert(row.key);
            }
        }
    }

    /// Which of the items are no longer under their id, and the search keys of those that the server does not tell it of just now.
    async fn departed(
        &self,
        candidates: &BTreeMap<ItemKey, ItemRow>,
        messages: &[ServerMessage],
    ) -> Result<(Vec<Departed>, HashSet<i64>), SyncError> {
        let rows: Vec<&ItemRow> = candidates.values().collect();
        let (mut departed, mut unclear) = (Vec::new(), HashSet::new());
        let hash_of: HashMap<i64, &SearchKey> = messages
            .iter()
            .filter_map(|message| message.search_key.as_ref())
            .map(|key| (search_hash(key), key))
            .collect();
        for rows in rows.chunks(100) {
            let ids: Vec<ItemId> = rows.iter().map(|row| row.id.clone()).collect();
            let answers = self.run.remote().messages(&ids).await?;
            for (row, answer) in rows.iter().zip(answers) {
                let gone = matches!(&answer, Err(error) if error.class == ItemErrorClass::Gone);
                unclear.extend(row.search.filter(|_| answer.is_err() && !gone));
                if let (true, Some(search)) = (gone, row.search.and_then(|hash| hash_of.get(&hash))) {
                    let (search_key, known_by) = ((*search).clone(), KnownBy::SearchKey);
                    departed.push(Departed { key: row.key, search_key, text: None, here: None, known_by });
                }
            }
        }
        Ok((departed, unclear))
    }

    /// A copy has the search key of what it was made from. Where one of several was edited here, what they say is looked at: its edit is not
    /// for a copy of another. One that was changed here comes first, and one whose file is gone last: what is left over is forgotten where nobody
    /// has changed it, and would be uploaded once more where somebody has.
    async fn tell_copies_apart(
        &self,
        candidates: &BTreeMap<ItemKey, ItemRow>,
        departed: &mut [Departed],
        arrived: &mut [Arrived<ItemId>],
        messages: &[ServerMessage],
    ) -> Result<(), SyncError> {
        let mut alike: HashMap<i64, usize> = HashMap::new();
        let searches = candidates.values().filter_map(|row| row.search);
        for search in searches.chain(arrived.iter().map(|message| search_hash(&message.search_key))) {
            *alike.entry(search).or_default() += 1;
        }
        let mut asked: HashSet<SearchKey> = HashSet::new();
        for item in departed.iter_mut() {
            let copies = alike.get(&search_hash(&item.search_key)).is_some_and(|count| *count > 2);
            let Some(row) = candidates.get(&item.key).filter(|_| copies) else { continue };
            self.ensure_scanned(row)?;
            let file = lock(self.view).file(row);
            let content = self.content_of(&file);
            let edited = file.edited || content.is_some_and(|content| content.digest != row.digest);
            item.text = row.rendering.or(content.filter(|_| !edited).and_then(|content| content.rendering));
            if edited {
                item.here = content.and_then(|content| content.rendering);
                item.known_by = KnownBy::Text;
                asked.insert(item.search_key.clone());
            }
        }
        let mut looked_at: Vec<&mut Arrived<ItemId>> =
            arrived.iter_mut().filter(|message| asked.contains(&message.search_key)).collect();
        let ids: Vec<_> =
            looked_at.iter().map(|message| (message.at.clone(), size_of(messages, &message.at))).collect();
        for (message, there) in looked_at.iter_mut().zip(renderings(self.run.remote(), &ids).await?) {
            message.text = there.digest();
        }
        let view = lock(self.view);
        departed.sort_by_key(|item| match (view.changed.contains_key(&item.key), view.away.contains(&item.key)) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        });
        Ok(())
    }

    /// Which of the messages lie in a directory already, as files that no item is known for.
    async fn adopted(
        &self,
        place: &Place,
        messages: &[ServerMessage],
    ) -> Result<HashMap<ItemId, LocalFile>, SyncError> {
        let is_empty = lock(self.view).loose.get(&place.key()).is_none_or(BTreeMap::is_empty);
        if is_empty || messages.is_empty() {
            return Ok(HashMap::new());
        }
        self.gather_clues(place)?;
        let remote: Vec<Loose<ItemId>> =
            messages.iter().map(|message| Loose { at: message.id.clone(), clues: clues_of_message(message) }).collect();
        let mut search = Search { place, remote, files: BTreeMap::new(), clues: BTreeMap::new() };
        search.find_candidates(&lock(self.view));
        self.know_by_version(&mut search, messages);
        self.know_by_text(&mut search, messages).await?;
        Ok(search.pairs())
    }

    /// A new version of a message is uploaded with a tag of its own.
    fn know_by_version(&self, search: &mut Search<'_>, messages: &[ServerMessage]) {
        for message in messages {
            let Some(tag) = message.tag.as_ref() else { continue };
            // No file is read for what the plain tag tells.
            if !search.files_with(&BTreeSet::from([Clue::Tag(tag.to_string())])).is_empty() {
                continue;
            }
            let candidates = search.files_with(&message.message_id.iter().map(|id| message_id_clue(id)).collect());
            for key in candidates {
                let Some((file, content)) =
                    search.files.get(&key).and_then(|file| Some((file, self.content_of(file)?)))
                else {
                    continue;
                };
                let plain = self.run.tag(search.place, &key);
                if tag_of_version(&plain, content.digest, file.name.flags()) == *tag {
                    search.clues.entry(key).or_default().push(Clue::Tag(tag.to_string()));
                }
            }
        }
    }

    /// Messages can share a Message-ID and yet say different things. Where it does not tell them apart, their texts do.
    async fn know_by_text(&self, search: &mut Search<'_>, messages: &[ServerMessage]) -> Result<(), SyncError> {
        let mut asked = Vec::new();
        let mut read = BTreeSet::new();
        for (id, unsure) in search.unsure() {
            let files = search.files_with(&BTreeSet::from([id]));
            if !files.is_empty() && (files.len() > 1 || unsure.len() > 1) {
                asked.extend(unsure);
                read.extend(files);
            }
        }
        let asked: Vec<(ItemId, u64)> = asked.into_iter().map(|id| (id.clone(), size_of(messages, &id))).collect();
        let there = renderings(self.run.remote(), &asked).await?;
        for ((id, _), there) in asked.iter().zip(there) {
            let message = search.remote.iter_mut().find(|message| message.at == *id);
            message.into_iter().for_each(|message| message.clues.extend(there.digest().map(Clue::Text)));
        }
        for key in read {
            let here = search.files.get(&key).and_then(|file| self.content_of(file)?.rendering);
            search.clues.entry(key).or_default().extend(here.map(Clue::Text));
        }
        Ok(())
    }

    /// What a folder's loose files could be known by: read once, since every page of a listing may ask for it.
    fn gather_clues(&self, place: &Place) -> Result<(), SyncError> {
        let (folder, dir) = (place.key(), place.dir()?);
        let names: Vec<MessageName> = {
            let view = lock(self.view);
            if view.clues.contains_key(&folder) {
                return Ok(());
            }
            view.loose.get(&folder).into_iter().flat_map(BTreeMap::values).map(|file| file.name.clone()).collect()
        };
        let mut index: HashMap<Clue, Vec<FileKey>> = HashMap::new();
        tokio::task::block_in_place(|| {
            for name in names {
                for clue in self.clues_of_file(place, &dir, &name) {
                    index.entry(clue).or_default().push(name.key().clone());
                }
            }
        });
        lock(self.view).clues.insert(folder, index);
        Ok(())
    }

    /// Marks the adopted files whose bodies are not the server's. Only those are compared that may have been edited: drafts, and what was
    /// delivered here and has another time since. Of the rest nobody knows how the server rendered it when both sides agreed, and renderings
    /// differ from what was uploaded: what they say now counts as agreed, whatever somebody writes into them later. Returns the messages that
    /// could not be read just now.
    async fn find_edited(
        &self,
        messages: &[ServerMessage],
        adopted: &mut HashMap<ItemId, LocalFile>,
    ) -> Result<HashSet<ItemId>, SyncError> {
        for file in adopted.values_mut() {
            let (dir, name) = (self.place.dir()?, &file.name);
            let read = tokio::task::block_in_place(|| self.run.local().digest(&dir, name)).ok().flatten();
            file.content = read.map(|(digest, len)| Content { digest, len, rendering: None });
        }
        let perhaps = |message: &&ServerMessage| {
            adopted
                .get(&message.id)
                .is_some_and(|file| is_draft(file, message) || self.changed_since_delivery(file, message))
        };
        let asked: Vec<_> = messages.iter().filter(perhaps).map(|message| (message.id.clone(), message.size)).collect();
        let there = renderings(self.run.remote(), &asked).await?;
        let mut uncompared = HashSet::new();
        for ((id, _), there) in asked.iter().zip(there) {
            let Some(file) = adopted.get_mut(id) else { continue };
            let here = self.content_of(file);
            match (here.and_then(|content| content.rendering), there) {
                (Some(here), Rendering::Says(there)) if here != there => {
                    file.edited = true;
                    file.content = Some(Content::only_there(there));
                }
                (_, Rendering::NotNow) => {
                    uncompared.insert(id.clone());
                }
                // What was compared is what is agreed on, whatever somebody writes into it before that is noted.
                (Some(_) | None, Rendering::Says(_) | Rendering::Never) => file.content = here,
            }
        }
        Ok(uncompared)
    }

    fn changed_since_delivery(&self, file: &LocalFile, message: &ServerMessage) -> bool {
        let Ok(dir) = self.place.dir() else { return false };
        let stat = tokio::task::block_in_place(|| self.run.local().stat(&dir, &file.name));
        delivered_mark(file.name.key()).is_some() && matches!(stat, Ok(Some(stat)) if stat.mtime() != received(message))
    }

    fn clues_of_file(&self, place: &Place, dir: &FolderDir, name: &MessageName) -> Vec<Clue> {
        let mut clues: Vec<Clue> =
            delivered_mark(name.key()).map(|mark| Clue::Name(mark.to_owned())).into_iter().collect();
        clues.push(Clue::Tag(self.run.tag(place, name.key()).to_string()));
        clues.extend(message_id_of_file(self.run.local(), dir, name).map(Clue::MessageId));
        clues
    }
}

fn size_of(messages: &[ServerMessage], id: &ItemId) -> u64 {
    messages.iter().find(|message| message.id == *id).map_or(0, |message| message.size)
}

fn is_draft(file: &LocalFile, message: &ServerMessage) -> bool {
    message.marks.draft || file.marks.flags.has(Flag::Draft)
}

/// Messages that are known items, or that may be.
struct Moved {
    rows: HashMap<ItemId, ItemRow>,
    /// What is to be asked again.
    unclear: HashSet<ItemId>,
}

/// A search for messages among the loose files of a directory.
struct Search<'p> {
    place: &'p Place,
    remote: Vec<Loose<ItemId>>,
    /// Files that share a clue with a message.
    files: BTreeMap<FileKey, LocalFile>,
    /// What those are known by.
    clues: BTreeMap<FileKey, Vec<Clue>>,
}

impl Search<'_> {
    fn find_candidates(&mut self, view: &LocalView) {
        let folder = self.place.key();
        let (Some(files), Some(index)) = (view.loose.get(&folder), view.clues.get(&folder)) else { return };
        let clues: BTreeSet<&Clue> = self.remote.iter().flat_map(|message| &message.clues).collect();
        for clue in clues {
            for key in index.get(clue).into_iter().flatten() {
                let Some(file) = files.get(key) else { continue };
                self.files.entry(key.clone()).or_insert_with(|| file.clone());
                self.clues.entry(key.clone()).or_default().push(clue.clone());
            }
        }
    }

    /// The candidates that have one of these clues.
    fn files_with(&self, clues: &BTreeSet<Clue>) -> Vec<FileKey> {
        let has_one = |has: &[Clue]| has.iter().any(|clue| clues.contains(clue));
        self.clues.iter().filter(|(_, has)| has_one(has)).map(|(key, _)| key.clone()).collect()
    }

    /// Messages of which nothing but the Message-ID tells which file is theirs, by that.
    fn unsure(&self) -> BTreeMap<Clue, Vec<ItemId>> {
        let known: BTreeSet<&Clue> = self.clues.values().flatten().collect();
        let mut unsure: BTreeMap<Clue, Vec<ItemId>> = BTreeMap::new();
        for message in &self.remote {
            let (by_id, surer): (Vec<&Clue>, Vec<&Clue>) =
                message.clues.iter().partition(|clue| matches!(clue, Clue::MessageId(_)));
            if !surer.iter().any(|clue| known.contains(clue)) {
                by_id.into_iter().for_each(|id| unsure.entry(id.clone()).or_default().push(message.at.clone()));
            }
        }
        unsure
    }

    fn pairs(self) -> HashMap<ItemId, LocalFile> {
        let local: Vec<Loose<FileKey>> = self.clues.into_iter().map(|(at, clues)| Loose { at, clues }).collect();
        let pairs = adopt(&self.remote, &local);
        pairs.into_iter().filter_map(|(id, key)| Some((id, self.files.get(&key)?.clone()))).collect()
    }
}

fn message_id_clue(id: &str) -> Clue {
    Clue::MessageId(normal_message_id(id))
}

fn clues_of_message(message: &ServerMessage) -> Vec<Clue> {
    let mut clues = vec![Clue::Name(id_mark(&message.id))];
    clues.extend(message.tag.as_ref().map(|tag| Clue::Tag(tag.to_string())));
    clues.extend(message.message_id.as_deref().map(message_id_clue));
    clues
}
