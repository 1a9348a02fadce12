//! Takes local changes to the server.
//!
//! Each batch is noted as soon as its answer is in, so that a run that is cut off repeats no more than one.

mod outgoing;
mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use super::finish::FinalOp;
use super::rows::{refreshed, rows_of, take_content};
use super::tree::{Place, Remade, Tree, remake};
use super::view::{LocalFile, LocalView};
use super::{NoticeKind, Run, Step, SyncError, letters, stops_run};
use crate::local::LocalWrite;
use crate::pim::{ChangeKey, Digest, Flag, FolderId, FolderKey, ItemKey, ServerMarks, SpecialFolder};
use crate::plan::proof::MessageRemoval;
use crate::plan::{LocalState, Op, PushContent};
use crate::remote::{Disposal, ItemError, ItemErrorClass, MarkUpdate, Placed, RemoteWrite, Versioned};
use crate::state::{ItemRow, Replacing, Subject};
use outgoing::{FileBody, FileFacts, Meant};
use upload::NewMessage;
pub(super) use upload::tag_of_version;

/// Items of one batch.
const BATCH: usize = 100;

/// Carries the pushes out. Whether the server was changed.
pub(super) async fn push_all<R, L>(
    run: &Run<'_, R, L>,
    tree: &Tree,
    view: &LocalView,
    pushes: Vec<FinalOp>,
) -> Result<bool, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let mut pusher = Pusher {
        run,
        tree,
        view,
        folders: BTreeMap::new(),
        changed: AtomicBool::new(false),
        full: AtomicBool::new(false),
    };
    let mut work = Work::default();
    for op in pushes {
        work.sort(op);
    }
    pusher.refresh(work.refreshes).await?;
    pusher.marks(work.marks).await?;
    pusher.drafts(work.drafts).await?;
    pusher.moves(work.moves).await?;
    pusher.uploads(work.uploads).await?;
    pusher.deletes(work.deletes).await?;
    Ok(pusher.changed.into_inner())
}

/// Pushes, sorted by what they take.
#[derive(Default)]
struct Work {
    refreshes: Vec<(ItemKey, LocalState<LocalFile>)>,
    marks: Vec<(ItemKey, LocalState<LocalFile>, ServerMarks)>,
    drafts: Vec<(ItemKey, LocalState<LocalFile>)>,
    moves: Vec<(ItemKey, LocalState<LocalFile>, FolderKey)>,
    uploads: Vec<NewMessage>,
    deletes: Vec<(ItemKey, MessageRemoval)>,
}

impl Work {
    fn sort(&mut self, op: FinalOp) {
        match op {
            Op::Upload { local, instead_of } => {
                self.uploads.push(NewMessage { local, instead_of, replaces: None });
            }
            Op::Push { key, local, marks, content, move_to } => match content {
                PushContent::Recreate(removal) => {
                    self.uploads.push(NewMessage { local, instead_of: Some(key), replaces: Some(removal) });
                }
                PushContent::ReplaceDraft => {
                    self.drafts.push((key, local.clone()));
                    self.marks.push((key, local.clone(), marks));
                    self.moves.extend(move_to.map(|to| (key, local, to)));
                }
                PushContent::Keep => {
                    self.marks.push((key, local.clone(), marks));
                    self.moves.extend(move_to.map(|to| (key, local, to)));
                }
            },
            Op::Refresh { key, local, .. } => self.refreshes.extend(local.map(|local| (key, local))),
            Op::Delete { key, proof } => self.deletes.push((key, proof)),
            // Pulls were carried out before.
            Op::Download { .. } | Op::Update { .. } | Op::Remove { .. } | Op::Adopt { .. } | Op::Forget { .. } => {}
        }
    }
}

struct Pusher<'p, 'e, R, L> {
    run: &'p Run<'e, R, L>,
    tree: &'p Tree,
    view: &'p LocalView,
    /// Folders that were made again on the server.
    folders: BTreeMap<FolderKey, FolderId>,
    changed: AtomicBool,
    /// Whether the mailbox is over its quota.
    full: AtomicBool,
}

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Pusher<'_, '_, R, L> {
    fn place(&self, folder: FolderKey) -> Option<&Place> {
        self.tree.place(folder)
    }

    async fn refresh(&mut self, refreshes: Vec<(ItemKey, LocalState<LocalFile>)>) -> Result<(), SyncError> {
        if refreshes.is_empty() {
            return Ok(());
        }
        let rows = rows_of(self.run, refreshes.iter().map(|(key, _)| *key))?;
        let fresh: Vec<ItemRow> = refreshes
            .into_iter()
            .filter_map(|(key, local)| Some(refreshed(rows.get(&key)?.clone(), None, Some(&local))))
            .collect();
        self.run.commit(move |tx| fresh.iter().try_for_each(|row| tx.set_item(row))).await
    }

    /// What to do about an item that the server refused: a conflict or a deletion is taken in by the next round; the rest is told.
    async fn refused(&self, folder: FolderKey, file: &LocalFile, error: &ItemError) -> Result<(), SyncError> {
        let Some(place) = self.place(folder).cloned() else { return Ok(()) };
        match error.class {
            ItemErrorClass::Conflict | ItemErrorClass::Gone => {
                self.changed.store(true, Ordering::Relaxed);
                return Ok(());
            }
            ItemErrorClass::Quota => {
                if !self.full.swap(true, Ordering::Relaxed) {
                    let text = "the mailbox is over its quota, so nothing more is uploaded; make room on the server, then sync again";
                    self.run.notice(place.path(), NoticeKind::Held, None, text.to_owned());
                }
                return Ok(());
            }
            ItemErrorClass::Exists
            | ItemErrorClass::Unrenderable
            | ItemErrorClass::Transient
            | ItemErrorClass::Unknown
            | ItemErrorClass::Denied
            | ItemErrorClass::Permanent => {}
        }
        let text = format!("the server refused it: {error}; it is kept here, and tried again later");
        self.run.notice(place.path(), NoticeKind::Skipped, Some(file.name.key().to_string()), text);
        let (key, label) = (file.name.key().clone(), file.name.key().to_string());
        super::pull::trouble(self.run, &place, Subject::File(key), label, error).await
    }

    async fn marks(&mut self, marks: Vec<(ItemKey, LocalState<LocalFile>, ServerMarks)>) -> Result<(), SyncError> {
        let marks: Vec<_> = marks.into_iter().collect();
        for batch in marks.chunks(BATCH) {
            let rows = rows_of(self.run, batch.iter().map(|(key, ..)| *key))?;
            let mut fresh = Vec::new();
            let mut sent = Vec::new();
            for (key, local, to) in batch {
                let Some(row) = rows.get(key) else { continue };
                if *to == row.server {
                    fresh.push(ItemRow { flags: local.marks.flags, ..row.clone() });
                } else {
                    sent.push((row, local, to));
                }
            }
            let updates: Vec<MarkUpdate> = sent
                .iter()
                .map(|(row, _, to)| MarkUpdate {
                    id: row.id.clone(),
                    change_key: row.change_key.clone(),
                    from: row.server.clone(),
                    to: (*to).clone(),
                })
                .collect();
            let answers = if updates.is_empty() { vec![] } else { self.run.remote().update_marks(&updates).await? };
            if !updates.is_empty() {
                self.run.step(Step::MarksPushed)?;
            }
            for ((row, local, to), answer) in sent.into_iter().zip(answers) {
                match answer {
                    Ok(change_key) => {
                        self.changed.store(true, Ordering::Relaxed);
                        if let Some(place) = self.place(row.folder) {
                            self.run.tally(place, |tally| tally.changed_there += 1);
                        }
                        let (server, flags) = (to.clone(), local.marks.flags);
                        fresh.push(ItemRow { change_key, server, flags, ..row.clone() });
                    }
                    Err(error) => self.refused(row.folder, &local.at, &error).await?,
                }
            }
            self.note(fresh).await?;
        }
        Ok(())
    }

    async fn note(&self, rows: Vec<ItemRow>) -> Result<(), SyncError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.run
            .commit(move |tx| {
                rows.iter().try_for_each(|row| {
                    tx.end_trouble(row.folder, &Subject::File(row.file.clone()))?;
                    tx.set_item(row)
                })
            })
            .await?;
        self.run.step(Step::PushNoted)
    }

    async fn drafts(&mut self, drafts: Vec<(ItemKey, LocalState<LocalFile>)>) -> Result<(), SyncError> {
        for (key, local) in drafts {
            let Some(row) = self.run.state().read(|state| state.item(key))? else { continue };
            let Some(file) = self.read_file(&local.at).await? else { continue };
            let body = self.body(&local.at, &file)?;
            let item = Versioned { id: row.id.clone(), change_key: row.change_key.clone() };
            if let Some(rendering) = file.rendering {
                let sent = Replacing { digest: file.digest, len: file.len, rendering };
                self.run.commit(move |tx| tx.begin_replacing(key, &sent)).await?;
                self.run.step(Step::DraftNoted)?;
            }
            match self.run.remote().replace_draft(&item, &body).await? {
                Ok(change_key) => {
                    self.run.step(Step::DraftReplaced)?;
                    self.changed.store(true, Ordering::Relaxed);
                    if let Some(place) = self.place(row.folder) {
                        self.run.tally(place, |tally| tally.changed_there += 1);
                    }
                    let rendering = self.rendering_there(&row, &change_key).await?;
                    let (digest, len) = (file.digest, file.len);
                    self.note(vec![ItemRow { change_key, digest, len, rendering, size: 0, ..row }]).await?;
                }
                Err(error) => self.refused(row.folder, &local.at, &error).await?,
            }
        }
        Ok(())
    }

    /// How the server renders what it was just given: a later change there is told by a difference from this. `None` when it was changed again
    /// meanwhile, so that what it renders is somebody else's.
    async fn rendering_there(&self, row: &ItemRow, given: &ChangeKey) -> Result<Option<Digest>, SyncError> {
        let asked = [(row.id.clone(), row.len)];
        let now = super::bodies::renderings(self.run.remote(), &asked).await?;
        let after = self.run.remote().messages(std::slice::from_ref(&row.id)).await?;
        let ours = matches!(after.first(), Some(Ok(message)) if message.change_key == *given);
        Ok(now.first().and_then(|now| now.digest()).filter(|_| ours))
    }

    /// Reads a file, for what is noted of it. `None` when it vanished or cannot be read.
    async fn read_file(&self, file: &LocalFile) -> Result<Option<FileFacts>, SyncError> {
        let Some(place) = self.place(file.folder).cloned() else { return Ok(None) };
        let (dir, name) = (place.dir()?, file.name.clone());
        let meant = if file.marks.flags.has(Flag::Draft) { Meant::ToBeEdited } else { Meant::ToStay };
        let read = self.run.blocking(move |local| FileFacts::read(local, &dir, &name, meant));
        match read.await {
            Ok(facts) => Ok(facts),
            Err(SyncError::Local(error)) if !stops_run(&error) => {
                self.run.notice(
                    place.path(),
                    NoticeKind::Skipped,
                    Some(file.name.key().to_string()),
                    error.to_string(),
                );
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn body(&self, file: &LocalFile, facts: &FileFacts) -> Result<FileBody<L>, SyncError> {
        let dir = match self.place(file.folder) {
            Some(place) => place.dir()?,
            None => crate::local::FolderDir::root(),
        };
        Ok(facts.body(&self.run.engine.local, dir, file.name.clone()))
    }

    async fn moves(&mut self, moves: Vec<(ItemKey, LocalState<LocalFile>, FolderKey)>) -> Result<(), SyncError> {
        let mut by_target: BTreeMap<FolderKey, Vec<(ItemKey, LocalState<LocalFile>)>> = BTreeMap::new();
        for (key, local, target) in moves {
            by_target.entry(target).or_default().push((key, local));
        }
        for (target, items) in by_target {
            let Some(to) = self.folder_there(target).await? else { continue };
            for batch in items.chunks(BATCH) {
                self.move_batch(target, &to, batch).await?;
            }
        }
        Ok(())
    }

    async fn move_batch(
        &mut self,
        target: FolderKey,
        to: &FolderId,
        batch: &[(ItemKey, LocalState<LocalFile>)],
    ) -> Result<(), SyncError> {
        let rows = rows_of(self.run, batch.iter().map(|(key, _)| *key))?;
        let mut known: Vec<(&ItemRow, LocalState<LocalFile>)> = Vec::new();
        for (key, local) in batch {
            let (Some(row), mut local) = (rows.get(key), local.clone()) else { continue };
            if letters::translate(self.run, self.tree, self.view, &mut local.at).await? {
                known.push((row, local));
            }
        }
        if known.is_empty() {
            return Ok(());
        }
        let items: Vec<Versioned> =
            known.iter().map(|(row, _)| Versioned { id: row.id.clone(), change_key: row.change_key.clone() }).collect();
        let answers = self.run.remote().move_messages(&items, to).await?;
        self.run.step(Step::MovesPushed)?;
        let mut fresh = Vec::new();
        for ((row, local), answer) in known.iter().zip(answers) {
            match answer {
                Ok(Placed { id, change_key }) => {
                    self.changed.store(true, Ordering::Relaxed);
                    if let Some(place) = self.place(row.folder) {
                        self.run.tally(place, |tally| tally.moved_there += 1);
                    }
                    let file = local.at.name.key().clone();
                    let mut row = ItemRow { id, change_key, folder: target, file, ..(*row).clone() };
                    take_content(&mut row, &local.at);
                    fresh.push(row);
                }
                Err(error) => self.refused(row.folder, &local.at, &error).await?,
            }
        }
        self.note(fresh).await
    }

    /// The folder's id on the server; it is made again where it vanished there while something in it is new here.
    async fn folder_there(&mut self, folder: FolderKey) -> Result<Option<FolderId>, SyncError> {
        let mut missing = Vec::new();
        let mut at = Some(folder);
        let mut parent = loop {
            let Some(key) = at else {
                let account = self.run.state().read(|state| state.account(&self.run.engine.settings.account))?;
                break account.and_then(|account| account.root);
            };
            let Some(place) = self.place(key) else { return Ok(None) };
            match self.folders.get(&key) {
                Some(id) => break Some(id.clone()),
                None if place.on_server => break Some(place.row.id.clone()),
                None => {
                    at = place.row.parent;
                    missing.push(place.row.clone());
                }
            }
        };
        let Some(above) = parent.as_mut() else { return Ok(None) };
        missing.reverse();
        let Remade { folders, refused } = remake(self.run, above.clone(), missing).await?;
        for row in folders {
            self.changed.store(true, Ordering::Relaxed);
            self.folders.insert(row.key, row.id.clone());
            *above = row.id;
        }
        if let Some((row, error)) = refused {
            let text = format!("the folder could not be made again on the server: {error}; the next sync tries again");
            self.run.notice(row.dir.as_deref().unwrap_or(&row.name), NoticeKind::Held, None, text);
            return Ok(None);
        }
        Ok(parent)
    }

    /// What is gone here may have been copied into On My Computer, by a program that left it to the system when to write that to the disk. So
    /// that comes first.
    async fn deletes(&mut self, deletes: Vec<(ItemKey, MessageRemoval)>) -> Result<(), SyncError> {
        if deletes.is_empty() {
            return Ok(());
        }
        self.run.blocking(move |local| local.settle_all()).await?;
        let trash = self.trash();
        let mut rows = rows_of(self.run, deletes.iter().map(|(key, _)| *key))?;
        let mut by_disposal: [Vec<(ItemRow, MessageRemoval)>; 2] = [vec![], vec![]];
        let [to_trash, for_good] = &mut by_disposal;
        for (key, proof) in deletes {
            let Some(row) = rows.remove(&key) else { continue };
            if trash.contains(&row.folder) { for_good.push((row, proof)) } else { to_trash.push((row, proof)) }
        }
        for (disposal, items) in [Disposal::ToDeletedItems, Disposal::Dispose].into_iter().zip(by_disposal) {
            let mut items = items.into_iter().peekable();
            while items.peek().is_some() {
                let batch: Vec<_> = items.by_ref().take(BATCH).collect();
                self.delete_batch(batch, disposal).await?;
            }
        }
        Ok(())
    }

    /// Deleted Items and the folders in it.
    fn trash(&self) -> BTreeSet<FolderKey> {
        let Some(top) = self.tree.special(SpecialFolder::DeletedItems).map(Place::key) else { return BTreeSet::new() };
        let mut trash = BTreeSet::from([top]);
        loop {
            let more: Vec<FolderKey> = self
                .tree
                .places
                .iter()
                .filter(|place| place.row.parent.is_some_and(|parent| trash.contains(&parent)))
                .map(Place::key)
                .filter(|key| !trash.contains(key))
                .collect();
            if more.is_empty() {
                return trash;
            }
            trash.extend(more);
        }
    }

    async fn delete_batch(&self, batch: Vec<(ItemRow, MessageRemoval)>, disposal: Disposal) -> Result<(), SyncError> {
        let mut rows = Vec::new();
        let mut items = Vec::new();
        for (row, proof) in batch {
            items.push((Versioned { id: row.id.clone(), change_key: row.change_key.clone() }, proof));
            rows.push(row);
        }
        let answers = self.run.remote().delete_messages(&items, disposal).await?;
        self.run.step(Step::DeletesPushed)?;
        let mut forgotten = Vec::new();
        for (row, answer) in rows.into_iter().zip(answers) {
            match answer {
                Ok(()) => {
                    self.changed.store(true, Ordering::Relaxed);
                    if let Some(place) = self.place(row.folder) {
                        self.run.tally(place, |tally| tally.deleted_there += 1);
                    }
                    forgotten.push(row.key);
                }
                // Moved or deleted there meanwhile: the next round finds out which.
                Err(error) if matches!(error.class, ItemErrorClass::Gone | ItemErrorClass::Conflict) => {
                    self.changed.store(true, Ordering::Relaxed);
                }
                Err(error) => {
                    let file = self.view.file(&row);
                    self.refused(row.folder, &file, &error).await?;
                }
            }
        }
        self.run.commit(move |tx| forgotten.iter().try_for_each(|key| tx.forget_item(*key))).await?;
        self.run.step(Step::PushNoted)
    }
}
