//! Brings a page's changes into the local tree.
//!
//! Order: bodies into `tmp`; rows of what arrives ("arriving"); files into place, durably; renames, moves and replacements, made durable; then
//! in one transaction all rows and the sync state. A run that is cut off before that finds the same page again, and files and rows that
//! already say what the page says.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, StreamExt};

use super::bodies::StagingSink;
use super::scan::{LocalFile, LocalView, base_marks};
use super::tree::{Directory, Place, Tree};
use super::{Action, NoticeKind, Progress, Run, Step, SyncError, lock, stops_run};
use crate::format::mime;
use crate::local::{
    Changed, Delivery, FolderDir, FolderForm, Keywords, LocalWrite, MessageName, Moved, StagedFile, delivered_key,
};
use crate::pim::{Digest, FileKey, FolderKey, ItemId, ItemKey, Marks, ServerMessage, SyncState, UnixTime};
use crate::plan::{Content, LocalState, Op, RemoteState};
use crate::remote::{Fetched, ItemError, RemoteWrite};
use crate::state::{CHANGED, ItemRow, Standing, StateError, Subject, Writer, search_hash};

/// What a pull does.
pub(super) type PullOp = Op<Box<ServerMessage>, LocalFile>;
type Remote = RemoteState<Box<ServerMessage>>;

/// Bodies fetched with one call: enough to fill the wire, few enough to keep few files open.
const GROUP_ITEMS: usize = 64;
const GROUP_BYTES: u64 = 8 << 20;
/// Groups fetched at a time.
const GROUPS_AT_ONCE: usize = 4;

/// One page to be carried out.
pub(super) struct Page<'p> {
    pub(super) place: &'p Place,
    pub(super) pulls: Vec<PullOp>,
    pub(super) notes: Vec<Note>,
    /// Where the listing goes on after this page; `None` for changes that no listing told of.
    pub(super) state: Option<SyncState>,
}

/// Something to be noted with the page.
#[derive(Clone, Debug)]
pub(super) enum Note {
    /// The server reported the item gone.
    Gone(ItemKey, ItemId),
    /// A message is to be asked for again by the next run.
    Retry { id: ItemId, label: String },
    /// Whatever trouble there was with a message is over.
    EndTrouble(ItemId),
    /// A message could not be taken in.
    Trouble { id: ItemId, label: String, code: String, reason: String },
    /// A row as it is now.
    Row(ItemRow),
    /// A row that is no more.
    Forget(ItemKey),
}

impl Note {
    fn write(&self, tx: &Writer<'_>, folder: FolderKey, now: UnixTime) -> Result<(), StateError> {
        match self {
            Self::Gone(key, id) => tx.set_gone(*key, id),
            Self::Retry { id, label } => {
                let why = ("Held", "the local folder could not be read in full");
                tx.add_trouble(folder, &Subject::Message(id.clone()), label, why, now)
            }
            Self::EndTrouble(id) => tx.end_trouble(folder, &Subject::Message(id.clone())),
            Self::Trouble { id, label, code, reason } => {
                tx.add_trouble(folder, &Subject::Message(id.clone()), label, (code, reason), now)
            }
            Self::Row(row) => tx.set_item(row),
            Self::Forget(key) => tx.forget_item(*key),
        }
    }
}

/// Notes trouble with an item at once, and tells of it.
pub(super) async fn trouble<R, L>(
    run: &Run<'_, R, L>,
    place: &Place,
    subject: Subject,
    label: String,
    error: &ItemError,
) -> Result<(), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let (folder, now, code, reason) = (place.key(), run.now(), error.code.clone(), error.message.clone());
    run.commit(move |tx| tx.add_trouble(folder, &subject, &label, (&code, &reason), now)).await
}

/// Carries a page out and notes it.
pub(super) async fn carry_out<R, L>(
    run: &Run<'_, R, L>,
    tree: &Tree,
    view: &Mutex<LocalView>,
    page: Page<'_>,
) -> Result<(), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let place = page.place;
    let mut puller = Puller { run, tree, view, place, notes: page.notes, touched: BTreeSet::new() };
    if run.is_dry() {
        page.pulls.into_iter().try_for_each(|op| puller.pretend(op))?;
        return puller.note_pretended();
    }
    let mut downloads = Vec::new();
    let mut others = Vec::new();
    for op in page.pulls {
        match op {
            Op::Download { remote, instead_of } => downloads.push((remote, instead_of)),
            other => others.push(other),
        }
    }
    puller.download(downloads).await?;
    for op in others {
        puller.one(op).await?;
    }
    puller.note(page.state).await
}

struct Puller<'p, 'e, R, L> {
    run: &'p Run<'e, R, L>,
    tree: &'p Tree,
    view: &'p Mutex<LocalView>,
    place: &'p Place,
    notes: Vec<Note>,
    /// Directories in which names changed.
    touched: BTreeSet<FolderDir>,
}

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Puller<'_, '_, R, L> {
    /// Makes renames durable, then notes everything.
    async fn note(mut self, state: Option<SyncState>) -> Result<(), SyncError> {
        let touched: Vec<FolderDir> = std::mem::take(&mut self.touched).into_iter().collect();
        if !touched.is_empty() {
            self.run.blocking(move |local| local.settle(&touched)).await?;
        }
        self.run.step(Step::PageDone)?;
        let (folder, now, notes) = (self.place.key(), self.run.now(), self.notes);
        let mut listing = self.place.row.listing.clone();
        self.run
            .commit(move |tx| {
                notes.iter().try_for_each(|note| note.write(tx, folder, now))?;
                if let Some(state) = state {
                    // The folder counts as not asked until its listing has come to an end.
                    listing.state = Some(state);
                    listing.activity = None;
                    tx.set_listing(folder, &listing)?;
                }
                Ok(())
            })
            .await?;
        self.run.step(Step::PageNoted)
    }

    fn trouble(&mut self, message: &ServerMessage, code: &str, reason: String) {
        let label = label(message);
        if code == CHANGED {
            // The next round settles it; should none be left, the next run does.
            self.run.look_again();
        } else {
            self.run.notice(self.place.path(), NoticeKind::Skipped, Some(label.clone()), reason.clone());
        }
        self.notes.push(Note::Trouble { id: message.id.clone(), label, code: code.to_owned(), reason });
    }

    /// The folder's directory; made anew where it vanished here while something in it is new there.
    async fn directory(&mut self, folder: FolderKey) -> Result<Option<FolderDir>, SyncError> {
        let Some(place) = self.tree.place(folder) else { return Ok(None) };
        let dir = place.dir()?;
        if place.directory == Directory::Away {
            let (at, name) = (dir.clone(), place.row.name.clone());
            self.run.blocking(move |local| make_directories(local, &at, &name)).await?;
        }
        Ok(Some(dir))
    }

    async fn keywords(&mut self, dir: &FolderDir, marks: &[&Marks]) -> Result<Keywords, SyncError> {
        let categories: crate::pim::Categories =
            marks.iter().flat_map(|marks| marks.categories.iter().cloned()).collect();
        let at = dir.clone();
        let keywords = self.run.blocking(move |local| match categories.is_empty() {
            true => local.keywords(&at),
            false => local.assign_keywords(&at, &categories),
        });
        match keywords.await {
            Ok(keywords) => Ok(keywords),
            // Without the file the categories cannot be shown here; the base has them all the same.
            Err(SyncError::Local(error)) if !stops_run(&error) => {
                self.run.notice(self.place.path(), NoticeKind::Skipped, None, error.to_string());
                Ok(Keywords::default())
            }
            Err(error) => Err(error),
        }
    }

    async fn download(&mut self, downloads: Vec<(Remote, Option<ItemKey>)>) -> Result<(), SyncError> {
        if downloads.is_empty() {
            return Ok(());
        }
        let Some(dir) = self.directory(self.place.key()).await? else { return Ok(()) };
        let messages: Vec<&ServerMessage> = downloads.iter().map(|(remote, _)| &*remote.at).collect();
        let staged = self.fetch(&dir, &messages).await?;
        self.run.step(Step::BodiesStaged)?;
        let marks: Vec<Marks> = downloads.iter().map(|(remote, _)| remote.marks.to_local()).collect();
        let keywords = self.keywords(&dir, &marks.iter().collect::<Vec<_>>()).await?;

        let mut arrivals = Vec::new();
        for (((remote, instead_of), staged), marks) in downloads.into_iter().zip(staged).zip(&marks) {
            match staged {
                Ok(staged) => {
                    let (letters, _) = keywords.letters_for(&marks.categories);
                    let file = delivered_key(received(&remote.at), &remote.at.id);
                    let name = MessageName::for_delivery(file.clone(), marks.flags, letters);
                    let row = self.arriving_row(&remote, file, marks, &staged);
                    arrivals.push(Arrival { row, instead_of, staged, name, remote });
                }
                Err(error) => self.trouble(&remote.at, &error.code, error.message),
            }
        }
        self.deliver(&dir, arrivals).await
    }

    fn arriving_row(&self, remote: &Remote, file: FileKey, marks: &Marks, staged: &StagedFile) -> ItemRow {
        ItemRow {
            key: ItemKey(0),
            folder: self.place.key(),
            id: remote.at.id.clone(),
            change_key: remote.at.change_key.clone(),
            search: remote.at.search_key.as_ref().map(search_hash),
            size: remote.at.size,
            server: remote.marks.clone(),
            file,
            flags: marks.flags,
            len: staged.len(),
            digest: staged.digest(),
            rendering: if remote.marks.draft { rendering_of(staged) } else { None },
            standing: Standing::Arriving,
        }
    }

    /// Fetches bodies into `tmp`, several groups at a time. An answer for each message, in order.
    async fn fetch(
        &self,
        dir: &FolderDir,
        messages: &[&ServerMessage],
    ) -> Result<Vec<Result<StagedFile, ItemError>>, SyncError> {
        let groups = groups(messages);
        let mut fetched: Vec<_> = stream::iter(
            groups.into_iter().enumerate().map(|(at, group)| async move { (at, self.fetch_group(dir, group).await) }),
        )
        .buffer_unordered(GROUPS_AT_ONCE)
        .collect()
        .await;
        fetched.sort_by_key(|(at, _)| *at);
        let mut staged = Vec::with_capacity(messages.len());
        for (_, group) in fetched {
            staged.extend(group?);
        }
        Ok(staged)
    }

    async fn fetch_group(
        &self,
        dir: &FolderDir,
        group: &[&ServerMessage],
    ) -> Result<Vec<Result<StagedFile, ItemError>>, SyncError> {
        let engine = self.run.engine;
        let items: Vec<(ItemId, u64)> = group.iter().map(|message| (message.id.clone(), message.size)).collect();
        let mut sink =
            StagingSink::new(Arc::clone(&engine.local), dir.clone(), Arc::clone(&engine.observer), items.len());
        let answers = engine.remote.bodies(&items, &mut sink).await;
        if let Some(failure) = sink.failure.take() {
            return Err(failure.into());
        }
        let mut staged = Vec::with_capacity(group.len());
        for (slot, (answer, message)) in answers?.into_iter().zip(group).enumerate() {
            if let Ok(Fetched::Rebuilt) = answer {
                let text = "the server cannot render it: what is here was put together from its headers and text; \
                            its attachments are on the server only";
                self.run.notice(self.place.path(), NoticeKind::Skipped, Some(label(message)), text.to_owned());
            }
            staged.push(match (answer, sink.take(slot)) {
                (Ok(_), Some(file)) => Ok(file.finish(Some(received(message)))?),
                (Ok(_), None) => Err(ItemError {
                    class: crate::remote::ItemErrorClass::Unrenderable,
                    code: "NoBody".to_owned(),
                    message: "the server answered without a body".to_owned(),
                }),
                (Err(error), _) => Err(error),
            });
        }
        self.run.progress(&Progress::Messages(group.len() as u64));
        Ok(staged)
    }

    /// Rows first, then the files, then the rows say that the files are there.
    async fn deliver(&mut self, dir: &FolderDir, arrivals: Vec<Arrival>) -> Result<(), SyncError> {
        if arrivals.is_empty() {
            return Ok(());
        }
        let rows: Vec<(ItemRow, Option<ItemKey>)> =
            arrivals.iter().map(|arrival| (arrival.row.clone(), arrival.instead_of)).collect();
        let keys = self
            .run
            .commit(move |tx| {
                rows.iter()
                    .map(|(row, instead_of)| {
                        instead_of.map_or(Ok(()), |key| tx.forget_item(key))?;
                        tx.add_item(row)
                    })
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
        self.run.step(Step::ArrivalsNoted)?;

        let mut batch = Vec::with_capacity(arrivals.len());
        let mut waiting = Vec::with_capacity(arrivals.len());
        for (arrival, key) in arrivals.into_iter().zip(keys) {
            batch.push(Delivery { staged: arrival.staged, dir: dir.clone(), name: arrival.name.clone() });
            waiting.push((
                ItemRow { key, standing: Standing::Agreed, ..arrival.row },
                arrival.name,
                arrival.remote,
                arrival.instead_of,
            ));
        }
        let delivered = self.run.blocking(move |local| local.deliver(batch)).await?;
        self.run.step(Step::Delivered)?;
        for ((row, name, remote, instead_of), answer) in waiting.into_iter().zip(delivered) {
            match answer {
                Ok(_) => {
                    self.run.tally(self.place, |tally| tally.downloaded += 1);
                    let mut view = lock(self.view);
                    instead_of.map(|key| view.away.remove(&key));
                    let arrived = LocalFile {
                        folder: row.folder,
                        name: name.clone(),
                        marks: base_marks(&row),
                        edited: false,
                        content: None,
                    };
                    // An interrupted delivery left this very file behind: it is no stranger.
                    view.claim(&arrived);
                    view.settle(row.key, row.folder, name);
                    self.notes.push(Note::EndTrouble(row.id.clone()));
                    self.notes.push(Note::Row(row));
                }
                Err(error) if stops_run(&error) => return Err(error.into()),
                Err(error) => {
                    self.notes.push(Note::Forget(row.key));
                    self.trouble(&remote.at, "Local", error.to_string());
                }
            }
        }
        Ok(())
    }

    async fn one(&mut self, op: PullOp) -> Result<(), SyncError> {
        match op {
            Op::Update { key, remote, local, marks, agreed, content, move_to } => {
                let update = Update { key, remote, local, marks, agreed, content, move_to };
                self.update(update).await
            }
            Op::Adopt { remote, local, marks, agreed, content } => {
                self.adopt(remote, local, marks, agreed, content).await
            }
            Op::Refresh { key, remote, local } => self.refresh(key, remote, local),
            Op::Forget { key } => {
                self.notes.push(Note::Forget(key));
                Ok(())
            }
            // Deletions are judged together, at the end of the round; pushes come after that.
            Op::Remove { .. }
            | Op::Download { .. }
            | Op::Upload { .. }
            | Op::Push { .. }
            | Op::PushAdopted { .. }
            | Op::Delete { .. } => Ok(()),
        }
    }

    /// In a dry run: tells of an operation, and notes what would be noted, so that the rest of the run is judged as after it. The state is a
    /// copy in memory.
    fn pretend(&mut self, op: PullOp) -> Result<(), SyncError> {
        let here = self.place.path();
        match op {
            Op::Download { remote, instead_of } => {
                self.run.planned(here, Action::Download, label(&remote.at), String::new());
                if let Some(key) = instead_of {
                    lock(self.view).away.remove(&key);
                    self.notes.push(Note::Forget(key));
                }
            }
            Op::Update { key, remote, local, marks, agreed, content, move_to } => {
                let Some(mut row) = self.row(key)? else { return Ok(()) };
                let file = local.map_or_else(|| lock(self.view).file(&row), |local| local.at);
                let folder = move_to.unwrap_or(file.folder);
                if folder != file.folder {
                    let to = self.tree.place(folder).map_or("", Place::path).to_owned();
                    self.run.planned(here, Action::MoveHere, label(&remote.at), to);
                } else if marks != file.marks || content != Content::Keep {
                    self.run.planned(here, Action::ChangeHere, label(&remote.at), describe(&marks));
                }
                take_remote(&mut row, &remote);
                take_content(&mut row, &file);
                row.flags = agreed.flags;
                let edited = file.edited && content == Content::Keep;
                self.settle(row, LocalFile { folder, marks, edited, ..file }, agreed);
            }
            Op::Adopt { remote: _, local, marks, agreed, content: _ } => {
                let name = local.at.name.key().to_string();
                if marks != agreed {
                    self.run.planned(here, Action::ChangeThere, name.clone(), describe(&marks));
                }
                self.run.planned(here, Action::Adopt, name, String::new());
                lock(self.view).claim(&local.at);
            }
            Op::Refresh { key, remote, local } => self.refresh(key, remote, local)?,
            Op::Forget { key } => self.notes.push(Note::Forget(key)),
            Op::Remove { .. } | Op::Upload { .. } | Op::Push { .. } | Op::PushAdopted { .. } | Op::Delete { .. } => {}
        }
        Ok(())
    }

    fn note_pretended(self) -> Result<(), SyncError> {
        let (folder, now) = (self.place.key(), self.run.now());
        self.run.state().write(|tx| self.notes.iter().try_for_each(|note| note.write(tx, folder, now)))?;
        Ok(())
    }

    fn row(&self, key: ItemKey) -> Result<Option<ItemRow>, SyncError> {
        Ok(self.run.state().read(|state| state.item(key))?)
    }

    async fn update(&mut self, update: Update) -> Result<(), SyncError> {
        let Some(mut row) = self.row(update.key)? else { return Ok(()) };
        let file = update.local.map_or_else(|| lock(self.view).file(&row), |local| local.at);
        let target = update.move_to.unwrap_or(file.folder);
        let (Some(from), Some(to)) = (self.directory(file.folder).await?, self.directory(target).await?) else {
            return Ok(());
        };
        let mut edited = file.edited;
        if update.content != Content::Keep {
            match self.replace(&mut row, &file, &from, &update.remote, update.content).await? {
                Replaced::Done => edited = false,
                Replaced::Later(reason) => {
                    self.later(row, &update.remote, reason);
                    return Ok(());
                }
            }
        }
        let keywords = self.keywords(&to, &[&update.marks]).await?;
        let (letters, _) = keywords.letters_for(&update.marks.categories);
        let name = file.name.with_marks(update.marks.flags, letters.union(keywords.unassigned(file.name.letters())));
        let name = match self.rename(&from, &file.name, &to, name).await? {
            Ok(name) => name,
            Err(reason) => {
                self.later(row, &update.remote, reason);
                return Ok(());
            }
        };
        let moved = target != file.folder;
        let changed = file.marks != update.marks || update.content != Content::Keep;
        self.run.tally(self.place, |tally| {
            tally.moved_here += u64::from(moved);
            tally.changed_here += u64::from(changed);
        });
        take_remote(&mut row, &update.remote);
        take_content(&mut row, &file);
        row.flags = update.agreed.flags;
        let still = LocalFile { folder: target, name: name.clone(), marks: update.marks, edited, content: None };
        self.settle(row, still, update.agreed);
        Ok(())
    }

    /// The file was changed in the very instant. Until it is looked at again the base stays as it was, but for the id that the message has
    /// now: under the old one it is gone, which must not be taken for a deletion.
    fn later(&mut self, row: ItemRow, remote: &Remote, reason: String) {
        self.notes.push(Note::Row(ItemRow { id: remote.at.id.clone(), standing: Standing::Agreed, ..row }));
        self.trouble(&remote.at, CHANGED, reason);
    }

    /// Notes a row and what its file says now; what the file says beyond the base is left for the push.
    fn settle(&mut self, mut row: ItemRow, now: LocalFile, agreed: Marks) {
        row.file = now.name.key().clone();
        let mut view = lock(self.view);
        if now.marks == agreed && !now.edited && now.folder == row.folder {
            view.settle(row.key, row.folder, now.name);
        } else {
            view.away.remove(&row.key);
            view.changed.insert(row.key, now);
        }
        self.notes.push(Note::Row(row));
    }

    /// Renames or moves a file. `Err` says why it could not be done just now.
    async fn rename(
        &mut self,
        from: &FolderDir,
        name: &MessageName,
        to: &FolderDir,
        wanted: MessageName,
    ) -> Result<Result<MessageName, String>, SyncError> {
        if from == to && *name == wanted {
            return Ok(Ok(wanted));
        }
        for attempt in 0..20 {
            let target = if attempt == 0 { wanted.clone() } else { wanted.with_key(numbered(wanted.key(), attempt)) };
            let (dir, old, into, new) = (from.clone(), name.clone(), to.clone(), target.clone());
            let moved = self.run.blocking(move |local| match dir == into {
                true => local.rename(&dir, &old, &new),
                false => local.move_message(&dir, &old, &into, &new),
            });
            match moved.await {
                Ok(Moved::Done) => {
                    self.touched.insert(from.clone());
                    self.touched.insert(to.clone());
                    self.run.step(Step::FileChanged)?;
                    return Ok(Ok(target));
                }
                Ok(Moved::Vanished) => return Ok(Err("its file was renamed or removed during the sync".to_owned())),
                Ok(Moved::Taken) => {}
                Err(SyncError::Local(error)) if !stops_run(&error) => return Ok(Err(error.to_string())),
                Err(error) => return Err(error),
            }
        }
        Ok(Err("every name for it is taken".to_owned()))
    }

    /// Puts the server's body in the place of the file's.
    async fn replace(
        &mut self,
        row: &mut ItemRow,
        file: &LocalFile,
        dir: &FolderDir,
        remote: &Remote,
        content: Content,
    ) -> Result<Replaced, SyncError> {
        let mut fetched = self.fetch(dir, &[&remote.at]).await?;
        let staged = match fetched.pop() {
            Some(Ok(staged)) => staged,
            Some(Err(error)) => return Ok(Replaced::Later(error.to_string())),
            None => return Ok(Replaced::Later("the server answered without a body".to_owned())),
        };
        self.run.step(Step::BodiesStaged)?;
        let (digest, len, rendering) = (staged.digest(), staged.len(), rendering_of(&staged));
        let (at, name) = (dir.clone(), file.name.clone());
        let expected = match file.edited {
            false => Some(row.digest),
            true => self.run.blocking(move |local| Ok(local.digest(&at, &name)?.map(|(digest, _)| digest))).await?,
        };
        let Some(expected) = expected else {
            return Ok(Replaced::Later("its file vanished during the sync".to_owned()));
        };
        if content == Content::ReplaceKeepingCopy {
            let (at, name) = (dir.clone(), file.name.clone());
            let Some(copy) = self.run.blocking(move |local| local.keep_conflict_copy(&at, &name)).await? else {
                return Ok(Replaced::Later("its file vanished during the sync".to_owned()));
            };
            let copy = copy.display().to_string();
            let text =
                format!("edited here and on the server: the server's version is in place, yours is kept as {copy}");
            self.run.notice(self.place.path(), NoticeKind::Conflict, Some(label(&remote.at)), text);
            self.run.tally(self.place, |tally| tally.conflicts += 1);
            // Noted at once: after a cut-off, both sides say the same, and nothing else tells of the copy.
            let (folder, key, now) = (self.place.key(), row.key, self.run.now());
            self.run.commit(move |tx| tx.add_conflict(folder, key, &copy, now)).await?;
        }
        let (at, name) = (dir.clone(), file.name.clone());
        match self.run.blocking(move |local| local.replace(&at, &name, staged, expected)).await {
            Ok(Changed::Done) => {}
            Ok(Changed::Vanished | Changed::ChangedMeanwhile) => {
                return Ok(Replaced::Later("its file was changed during the sync".to_owned()));
            }
            Err(SyncError::Local(error)) if !stops_run(&error) => return Ok(Replaced::Later(error.to_string())),
            Err(error) => return Err(error),
        }
        self.run.step(Step::FileChanged)?;
        (row.digest, row.len, row.rendering) = (digest, len, rendering);
        Ok(Replaced::Done)
    }

    /// Both sides have it: the file stays as it is, but for the marks that the server has and it has not, and a body that is another one.
    async fn adopt(
        &mut self,
        remote: Remote,
        local: LocalState<LocalFile>,
        marks: Marks,
        agreed: Marks,
        content: Content,
    ) -> Result<(), SyncError> {
        let file = local.at;
        let Some(dir) = self.directory(file.folder).await? else { return Ok(()) };
        let (at, name) = (dir.clone(), file.name.clone());
        let read = self.run.blocking(move |local| local.digest(&at, &name)).await;
        let (digest, len) = match read {
            Ok(Some(read)) => read,
            Ok(None) => {
                self.trouble(&remote.at, CHANGED, "its file vanished during the sync".to_owned());
                return Ok(());
            }
            Err(SyncError::Local(error)) if !stops_run(&error) => {
                self.trouble(&remote.at, "Local", error.to_string());
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut row = ItemRow {
            key: ItemKey(0),
            folder: file.folder,
            id: remote.at.id.clone(),
            change_key: remote.at.change_key.clone(),
            search: remote.at.search_key.as_ref().map(search_hash),
            size: remote.at.size,
            server: remote.marks.clone(),
            file: file.name.key().clone(),
            flags: agreed.flags,
            len,
            digest,
            rendering: None,
            standing: Standing::Agreed,
        };
        if content != Content::Keep
            && let Replaced::Later(reason) = self.replace(&mut row, &file, &dir, &remote, content).await?
        {
            self.trouble(&remote.at, CHANGED, reason);
            return Ok(());
        }
        let keywords = self.keywords(&dir, &[&marks]).await?;
        let (letters, _) = keywords.letters_for(&marks.categories);
        let wanted = file.name.with_marks(marks.flags, letters.union(keywords.unassigned(file.name.letters())));
        let name = match self.rename(&dir, &file.name, &dir, wanted).await? {
            Ok(name) => name,
            Err(reason) => {
                self.trouble(&remote.at, CHANGED, reason);
                return Ok(());
            }
        };
        row.file = name.key().clone();
        let new = row.clone();
        let tag = self.run.tag(self.place, &row.file);
        let key = self
            .run
            .commit(move |tx| {
                tx.end_upload(&tag)?;
                tx.add_item(&new)
            })
            .await?;
        self.run.tally(self.place, |tally| tally.adopted += 1);
        lock(self.view).claim(&file);
        let edited = file.edited && content == Content::Keep;
        let now = LocalFile { folder: file.folder, name, marks, edited, content: None };
        self.settle(ItemRow { key, ..row }, now, agreed);
        Ok(())
    }

    fn refresh(
        &mut self,
        key: ItemKey,
        remote: Option<Remote>,
        local: Option<LocalState<LocalFile>>,
    ) -> Result<(), SyncError> {
        let Some(row) = self.row(key)? else { return Ok(()) };
        self.notes.push(Note::Row(refreshed(row, remote.as_ref(), local.as_ref())));
        if let Some(local) = local {
            lock(self.view).settle(key, local.folder, local.at.name);
        }
        Ok(())
    }
}

/// A row with what both sides agree on now.
pub(super) fn refreshed(mut row: ItemRow, remote: Option<&Remote>, local: Option<&LocalState<LocalFile>>) -> ItemRow {
    if let Some(remote) = remote {
        take_remote(&mut row, remote);
    }
    if let Some(local) = local {
        row.folder = local.folder;
        row.file = local.at.name.key().clone();
        row.flags = local.marks.flags;
        take_content(&mut row, &local.at);
    }
    row
}

fn take_content(row: &mut ItemRow, file: &LocalFile) {
    if let Some(content) = file.content {
        (row.digest, row.len, row.rendering) = (content.digest, content.len, content.rendering);
    }
}

/// Takes the server's state into the row.
fn take_remote(row: &mut ItemRow, remote: &Remote) {
    row.folder = remote.folder;
    row.id = remote.at.id.clone();
    row.change_key = remote.at.change_key.clone();
    row.search = remote.at.search_key.as_ref().map(search_hash).or(row.search);
    row.size = if remote.at.size == 0 { row.size } else { remote.at.size };
    row.server = remote.marks.clone();
    row.standing = Standing::Agreed;
}

struct Arrival {
    row: ItemRow,
    instead_of: Option<ItemKey>,
    staged: StagedFile,
    name: MessageName,
    remote: Remote,
}

/// The fields of [`Op::Update`].
struct Update {
    key: ItemKey,
    remote: Remote,
    local: Option<LocalState<LocalFile>>,
    marks: Marks,
    agreed: Marks,
    content: Content,
    move_to: Option<FolderKey>,
}

enum Replaced {
    Done,
    /// Not now; why.
    Later(String),
}

fn rendering_of(staged: &StagedFile) -> Option<Digest> {
    mime::semantic_digest(std::io::BufReader::new(staged.open().ok()?)).ok()
}

/// When a message was received; what has no time counts as of 1970, since it must be the same each time.
pub(super) fn received(message: &ServerMessage) -> UnixTime {
    message.received.unwrap_or(UnixTime(0))
}

/// What people know a message by.
pub(super) fn label(message: &ServerMessage) -> String {
    message.message_id.clone().unwrap_or_else(|| message.id.to_string())
}

/// A key for a name that is taken.
fn numbered(key: &FileKey, number: u32) -> FileKey {
    FileKey::new([key.as_bytes(), format!(".{number}").as_bytes()].concat())
}

/// Cuts messages into groups by number and size.
fn groups<'m, 's>(messages: &'s [&'m ServerMessage]) -> Vec<&'s [&'m ServerMessage]> {
    let mut groups = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (at, message) in messages.iter().enumerate() {
        if at > from && (at - from >= GROUP_ITEMS || bytes + message.size > GROUP_BYTES) {
            groups.extend(messages.get(from..at));
            (from, bytes) = (at, 0);
        }
        bytes += message.size;
    }
    groups.extend(messages.get(from..).filter(|rest| !rest.is_empty()));
    groups
}

/// Makes a directory that vanished, and those above it.
pub(super) fn make_directories<L: LocalWrite>(
    local: &L,
    dir: &FolderDir,
    name: &str,
) -> Result<(), crate::local::LocalError> {
    if let Some(parent) = dir.parent().filter(|parent| !parent.is_root()) {
        let name = crate::local::foldername::decode(parent.name());
        if !local.folders()?.folders.iter().any(|folder| folder.dir == parent) {
            make_directories(local, &parent, &name)?;
        }
    }
    local.create_folder(dir, FolderForm::Maildir, name).map(drop)
}

/// Flags and categories in words of a few letters.
pub(super) fn describe(marks: &Marks) -> String {
    let flags: String = marks.flags.letters().map(char::from).collect();
    let categories: Vec<&str> = marks.categories.iter().map(|category| category.0.as_str()).collect();
    match (flags.is_empty(), categories.is_empty()) {
        (true, true) => "no flags".to_owned(),
        (false, true) => format!("flags {flags}"),
        (true, false) => format!("categories {}", categories.join(", ")),
        (false, false) => format!("flags {flags}, categories {}", categories.join(", ")),
    }
}

/// Rows by their numbers, for those that are still there.
pub(super) fn rows_of<R, L>(
    run: &Run<'_, R, L>,
    keys: impl IntoIterator<Item = ItemKey>,
) -> Result<HashMap<ItemKey, ItemRow>, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let rows = run.state().read(|state| {
        keys.into_iter()
            .filter_map(|key| state.item(key).transpose())
            .map(|row| row.map(|row| (row.key, row)))
            .collect::<Result<_, _>>()
    })?;
    Ok(rows)
}
