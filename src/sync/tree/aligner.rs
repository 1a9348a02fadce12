//! Has the folders' plan made and carried out, and keeps the books of it.

use std::collections::{BTreeSet, HashSet};

use super::known::Known;
use super::local::{Directories, match_directories};
use super::names::Names;
use super::remote::{self, RemoteTree};
use super::{Directory, Place, Tree};
use crate::local::{FolderDir, LocalWrite};
use crate::pim::{FolderId, FolderKey, FolderKind, ServerFolder};
use crate::plan::folders::{self, FolderOp, Trees};
use crate::plan::groundwork::{Groundwork, groundwork};
use crate::plan::{Brake, Side};
use crate::remote::RemoteWrite;
use crate::state::{FolderRow, Listing};
use crate::sync::{NoticeKind, Run, Step, SyncError, stops_run};

pub(super) struct Aligner<'r, 'e, R, L> {
    pub(super) run: &'r Run<'e, R, L>,
    pub(super) known: Known,
    pub(super) remote: RemoteTree,
    pub(super) mirrored: BTreeSet<FolderId>,
    pub(super) local: Directories,
    /// Made when it is needed first, and again after a move.
    pub(super) names: Option<Names>,
    /// Directories that were moved since the plan was made, in order.
    moves: Vec<(FolderDir, FolderDir)>,
    /// Whether every change that the server told was carried out, so that its listing may go on from here.
    pub(super) all_taken_in: bool,
}

impl<'r, 'e, R: RemoteWrite + 'static, L: LocalWrite + 'static> Aligner<'r, 'e, R, L> {
    pub(super) async fn observe(run: &'r Run<'e, R, L>) -> Result<Self, SyncError> {
        let mut known = Known::new(run.state().read(|state| state.folders(run.account))?);
        let mut remote = remote::observe(run, &known).await?;
        let local = Directories::observe(run, &known).await?;
        match_directories(run, &mut known, &local)?;
        remote::judge_unlisted(run, &known, &local, &mut remote);
        let mirrored = remote.mirrored();
        Ok(Self { run, known, remote, mirrored, local, names: None, moves: Vec::new(), all_taken_in: true })
    }

    pub(super) fn plan(&self) -> Vec<FolderOp<FolderDir>> {
        self.with_trees(folders::plan_folders)
    }

    /// Settles what has to be before the folders are compared one by one.
    pub(super) async fn lay_ground(&mut self) -> Result<(), SyncError> {
        for work in self.with_trees(groundwork) {
            match work {
                Groundwork::Spare { key, name } => {
                    let Some(row) = self.known.row(key) else { continue };
                    self.known.note(FolderRow { name, ..row.clone() });
                }
                Groundwork::Reborn { key, id } => {
                    let Some(row) = self.known.row(key).cloned() else { continue };
                    let reborn = FolderRow { id, on_server: true, listing: Listing::default(), ..row };
                    self.note_new_listing(reborn).await?;
                }
                Groundwork::MakeAgain(key) => self.make_again(key).await?,
            }
        }
        Ok(())
    }

    /// The three trees, as the plan reads them.
    fn with_trees<T>(&self, read: impl Fn(&Trees<'_, FolderDir>) -> T) -> T {
        let base: Vec<_> = self
            .known
            .rows()
            .map(|row| folders::BaseFolder {
                key: row.key,
                id: row.id.clone(),
                parent: row.parent,
                name: row.name.clone(),
                special: row.special.is_some(),
                mirrored: row.dir.is_some(),
            })
            .collect();
        let remote: Vec<_> = self
            .remote
            .folders
            .values()
            .map(|folder| folders::RemoteFolder {
                id: folder.id.clone(),
                parent: self.remote.parent(folder),
                name: folder.name.clone(),
                mirrored: self.mirrored.contains(&folder.id),
            })
            .collect();
        let local: Vec<_> = self
            .local
            .folders
            .values()
            .map(|folder| folders::LocalFolder {
                dir: folder.dir.clone(),
                parent: folder.dir.parent().filter(|parent| !parent.is_root()),
                name: folder.name.clone(),
                known: self.known.in_dir(&folder.dir),
            })
            .collect();
        read(&Trees { base: &base, remote: &remote, local: &local })
    }

    /// The operation with its directories where they lie by now.
    pub(super) fn rebased(&self, op: FolderOp<FolderDir>) -> FolderOp<FolderDir> {
        let now = |dir: FolderDir| self.moves.iter().fold(dir, |dir, (from, to)| dir.rebased(from, to));
        match op {
            FolderOp::Adopt { id, dir } => FolderOp::Adopt { id, dir: now(dir) },
            FolderOp::MakeRemote(dir) => FolderOp::MakeRemote(now(dir)),
            FolderOp::MoveRemote { key, into } => FolderOp::MoveRemote { key, into: into.map(now) },
            other @ (FolderOp::MakeLocal(_)
            | FolderOp::PlaceLocal { .. }
            | FolderOp::GiveDirectory(_)
            | FolderOp::RenameRemote { .. }
            | FolderOp::Vanished { .. }
            | FolderOp::Forget(_)) => other,
        }
    }

    /// What may not be done to a directory is told, and tried again by the next run; the other folders go on.
    pub(super) async fn apply(&mut self, op: FolderOp<FolderDir>) -> Result<(), SyncError> {
        match self.carry_out(op).await {
            Err(SyncError::Local(error)) if !stops_run(&error) => {
                self.all_taken_in = false;
                self.run.notice("", NoticeKind::FolderFailed, None, error.to_string());
                Ok(())
            }
            other => other,
        }
    }

    async fn carry_out(&mut self, op: FolderOp<FolderDir>) -> Result<(), SyncError> {
        match op {
            FolderOp::MakeLocal(id) => self.make_local(&id).await,
            FolderOp::Adopt { id, dir } => self.adopt(&id, dir).await,
            FolderOp::PlaceLocal { key, renamed, moved } => self.place_local(key, renamed, moved).await,
            FolderOp::GiveDirectory(key) => self.give_directory(key).await,
            FolderOp::MakeRemote(dir) => self.make_remote(dir).await,
            FolderOp::RenameRemote { key, name } => self.rename_remote(key, name).await,
            FolderOp::MoveRemote { key, into } => self.move_remote(key, into).await,
            // Judged at the end of the round, after the items.
            FolderOp::Vanished { key, on: Side::Local } => self.follow_without_directory(key).await,
            FolderOp::Vanished { on: Side::Remote, .. } | FolderOp::Forget(_) => Ok(()),
        }
    }

    /// The row of the folder that a server folder lies in: `None` when that is not known, `Some(None)` at the top.
    pub(super) fn parent_row(&self, folder: &ServerFolder) -> Option<Option<FolderRow>> {
        match self.remote.parent(folder) {
            None => Some(None),
            Some(id) => self.known.row_of(&id).map(|row| Some(row.clone())),
        }
    }

    /// A directory was moved: so was everything below it.
    pub(super) async fn rebase(&mut self, from: &FolderDir, to: &FolderDir) -> Result<(), SyncError> {
        self.moves.push((from.clone(), to.clone()));
        self.names = None;
        self.local.rebase(from, to);
        let changed = self.known.rebase(from, to);
        self.note_rows(changed).await
    }

    pub(super) async fn note_rows(&mut self, changed: Vec<FolderRow>) -> Result<(), SyncError> {
        self.run.commit(move |state| changed.iter().try_for_each(|row| state.set_folder(row))).await
    }

    pub(super) fn new_row(&self, folder: &ServerFolder, parent: Option<&FolderRow>) -> FolderRow {
        FolderRow {
            key: FolderKey(0),
            id: folder.id.clone(),
            parent: parent.map(|row| row.key),
            name: folder.name.clone(),
            kind: folder.kind,
            special: self.remote.special.get(&folder.id).copied(),
            dir: None,
            dir_id: None,
            on_server: true,
            listing: Listing::default(),
            total: None,
        }
    }

    /// Adds a folder to the base, with the directory that was made for it.
    pub(super) async fn add_row(&mut self, mut row: FolderRow) -> Result<(), SyncError> {
        let (account, new) = (self.run.account, row.clone());
        row.key = self.run.commit(move |state| state.add_folder(account, &new)).await?;
        self.note_directory(&row);
        self.known.note(row);
        Ok(())
    }

    pub(super) async fn set_row(&mut self, row: FolderRow) -> Result<(), SyncError> {
        let new = row.clone();
        self.run.commit(move |state| state.set_folder(&new)).await?;
        self.known.note(row);
        Ok(())
    }

    /// A row's directory is there now.
    pub(super) fn note_directory(&mut self, row: &FolderRow) {
        let Some(dir) = row.dir.as_deref().and_then(|dir| FolderDir::new(dir).ok()) else { return };
        if let Some(names) = &mut self.names {
            names.add_promised(&dir, row.key);
        }
        self.known.meet(row.key, dir);
    }

    /// Notes a folder that is listed from the beginning.
    pub(super) async fn note_new_listing(&mut self, row: FolderRow) -> Result<(), SyncError> {
        let fresh = row.clone();
        self.run
            .commit(move |tx| {
                tx.set_folder(&fresh)?;
                tx.set_listing(fresh.key, &fresh.listing)
            })
            .await?;
        self.known.note(row);
        Ok(())
    }

    /// Notes how far the server's tree was taken in, and what was learned about directories on the way.
    pub(super) async fn finish(mut self) -> Result<Tree, SyncError> {
        let stale: Vec<FolderRow> = self.known.rows().filter_map(|row| self.refreshed(row)).collect();
        for row in &stale {
            let was_branch = self.known.row(row.key).is_some_and(|before| before.kind == FolderKind::Branch);
            if let (true, Some(dir)) = (was_branch && row.kind != FolderKind::Branch, row.dir.as_deref()) {
                // What only led to others holds items of its own from now on.
                self.create_directory(&FolderDir::new(dir)?, row).await?;
            }
        }
        stale.iter().cloned().for_each(|row| self.known.note(row));
        let (account, root) = (self.run.account, self.remote.root.clone());
        let state = self.all_taken_in.then(|| self.remote.state.clone());
        self.run
            .commit(move |tx| {
                stale.iter().try_for_each(|row| tx.set_folder(row))?;
                tx.set_root(account, &root)?;
                match state {
                    Some(state) => tx.set_hierarchy(account, Some(&state)),
                    None => Ok(()),
                }
            })
            .await?;
        self.run.step(Step::FoldersNoted)?;
        let mut places: Vec<Place> = self.known.rows().map(|row| self.place(row)).collect();
        self.tell_blocked();
        if self.run.request.brake != Brake::Released && is_swept_clean(&places) {
            places.iter_mut().filter(|place| place.directory == Directory::Away).for_each(|place| {
                place.directory = Directory::Unknown;
            });
            let text = "none of the account's folders is here, so nothing is deleted on the server: if they lie on another disk, mount it; \
                        if they are to go, run `pimsync sync --allow-deletes`";
            self.run.notice("", NoticeKind::Held, None, text.to_owned());
        }
        Ok(Tree { places, hidden: self.remote.hidden })
    }

    /// Known folders in whose places files lie.
    fn tell_blocked(&self) {
        let blocked: HashSet<&str> = self.local.blocked.iter().map(FolderDir::as_str).collect();
        for dir in self.known.rows().filter_map(|row| row.dir.as_deref()).filter(|dir| blocked.contains(dir)) {
            let text = "a file lies where the folder's directory was: move it away, and the directory back";
            self.run.notice(dir, NoticeKind::FolderFailed, None, text.to_owned());
        }
    }

    /// The row with what is new about it on either side, if anything is.
    fn refreshed(&self, row: &FolderRow) -> Option<FolderRow> {
        let mut fresh = row.clone();
        fresh.on_server = self.remote.folders.contains_key(&row.id);
        if let Some(folder) = self.remote.folders.get(&row.id)
            && row.dir.is_none()
        {
            fresh.kind = folder.kind;
            fresh.name.clone_from(&folder.name);
            fresh.parent = self.parent_row(folder).and_then(|parent| Some(parent?.key));
        }
        if let Some(folder) = self.remote.folders.get(&row.id)
            && (row.kind == FolderKind::Branch) != (folder.kind == FolderKind::Branch)
            && !self.remote.hidden.contains(&row.key)
        {
            fresh.kind = folder.kind;
        }
        let met = self.known.dir_of(row.key).and_then(|dir| self.local.folders.get(dir));
        if let Some(folder) = met {
            fresh.dir = Some(folder.dir.as_str().to_owned());
            fresh.dir_id = Some((folder.id.dev, folder.id.ino));
        }
        (fresh != *row).then_some(fresh)
    }

    fn place(&self, row: &FolderRow) -> Place {
        let directory = self.local.directory(row, self.known.dir_of(row.key));
        Place { row: row.clone(), on_server: row.on_server, directory }
    }
}

/// Whether there were directories, and every single one is gone: more likely a disk that is not mounted than somebody's wish. One that a dry run
/// would make was never there, and has no identity.
fn is_swept_clean(places: &[Place]) -> bool {
    let were_there = places.iter().filter(|place| place.row.dir_id.is_some());
    let mut directories = were_there.map(|place| place.directory).filter(|directory| *directory != Directory::None);
    directories.clone().next().is_some() && directories.all(|directory| directory == Directory::Away)
}
