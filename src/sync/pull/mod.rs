//! Brings a page's changes into the local tree.
//!
//! Order: bodies into `tmp`; rows of what arrives ("arriving"); files into place, durably; what other files are about to say; their renames,
//! moves and replacements, made durable; then in one transaction all rows and the sync state. A run that is cut off before that finds the same page again, and files and rows that
//! already say what the page says.

mod arrive;
mod change;
mod notes;
mod pretend;

use std::collections::BTreeSet;
use std::sync::Mutex;

use tokio::sync::SemaphorePermit;

use super::rows::{Remote, label, refreshed, take_content, take_remote};
use super::tree::{Directory, Place, Tree};
use super::view::{LocalFile, LocalView};
use super::{NoticeKind, Run, Step, SyncError, lock, stops_run};
use crate::local::{FolderDir, Keywords, LocalErrorClass, LocalWrite};
use crate::pim::{FolderKey, ItemKey, Marks, ServerMessage, SyncState};
use crate::plan::{Content, LocalState, Op};
use crate::remote::RemoteWrite;
use crate::state::{CHANGED, ItemRow, Pulling, Standing};
use change::Update;
pub(super) use notes::{Note, UNREADABLE, trouble};
pub(super) use pretend::describe;

/// What a pull does.
pub(super) type PullOp = Op<Box<ServerMessage>, LocalFile>;

/// One page to be carried out.
pub(super) struct Page<'p> {
    pub(super) place: &'p Place,
    pub(super) pulls: Vec<PullOp>,
    pub(super) notes: Vec<Note>,
    /// Where the listing goes on after this page; `None` for changes that no listing told of.
    pub(super) state: Option<SyncState>,
    /// The right to read from the server, given up when the bodies have come; `None` where more is read after that.
    pub(super) turn: Option<SemaphorePermit<'p>>,
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
    let (touched, made_again) = (BTreeSet::new(), BTreeSet::new());
    let mut puller = Puller { run, tree, view, place, notes: page.notes, touched, made_again };
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
    puller.download(downloads, page.turn).await?;
    puller.announce(&others).await?;
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
    /// Folders that had vanished here, and have their directories again.
    made_again: BTreeSet<FolderKey>,
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
        if place.directory == Directory::Away && self.made_again.insert(folder) {
            self.tree.make_directory(self.run, place).await?;
        }
        Ok(Some(place.dir()?))
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
            // What lies in it is elsewhere now, and without the letters of its categories until they can be written.
            Err(SyncError::Local(error)) if error.class() == LocalErrorClass::Gone => Err(error.into()),
            // Without the file the categories cannot be shown here; the base has them all the same.
            Err(SyncError::Local(error)) if !stops_run(&error) => {
                self.run.notice(self.place.path(), NoticeKind::Skipped, None, error.to_string());
                Ok(Keywords::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Notes what files are about to say: should the run be cut off and the server take its change back, they would look changed by a person.
    async fn announce(&self, ops: &[PullOp]) -> Result<(), SyncError> {
        let mut begun = Vec::new();
        for op in ops {
            let Op::Update { key, remote, local, marks, agreed, content: Content::Keep, move_to } = op else {
                continue;
            };
            let Some(mut row) = self.row(*key)? else { continue };
            let lies_in = move_to.unwrap_or(local.as_ref().map_or(row.folder, |local| local.folder));
            take_remote(&mut row, remote);
            row.flags = agreed.flags;
            if let Some(local) = local {
                row.file = local.at.name.key().clone();
            }
            begun.push(Pulling { row, lies_in, says: marks.clone() });
        }
        if begun.is_empty() {
            return Ok(());
        }
        self.run.commit(move |tx| begun.iter().try_for_each(|pulling| tx.begin_pulling(pulling))).await?;
        self.run.step(Step::ChangesNoted)
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
            Op::Remove { .. } | Op::Download { .. } | Op::Upload { .. } | Op::Push { .. } | Op::Delete { .. } => Ok(()),
        }
    }

    fn row(&self, key: ItemKey) -> Result<Option<ItemRow>, SyncError> {
        Ok(self.run.state().read(|state| state.item(key))?)
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

    fn refresh(
        &mut self,
        key: ItemKey,
        remote: Option<Remote>,
        local: Option<LocalState<LocalFile>>,
    ) -> Result<(), SyncError> {
        let Some(row) = self.row(key)? else { return Ok(()) };
        let mut row = refreshed(row, remote.as_ref(), local.as_ref());
        let mut view = lock(self.view);
        match (local, view.changed.get(&key)) {
            (Some(local), _) => view.settle(key, local.folder, local.at.name),
            // What the file says otherwise is left for the push; its body is agreed on.
            (None, Some(file)) => take_content(&mut row, file),
            (None, None) => {}
        }
        self.notes.push(Note::Row(row));
        Ok(())
    }
}
