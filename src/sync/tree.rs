//! The folders: the server's tree, the directories and the base are compared and put in step before any item is looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Action, NoticeKind, Run, Step, SyncError};
use crate::local::{DirId, FolderDir, FolderForm, LocalError, LocalFolder, LocalTree, LocalWrite, Moved, foldername};
use crate::pim::{FolderId, FolderKey, FolderKind, ServerFolder, SpecialFolder, SyncState};
use crate::plan::Brake;
use crate::plan::folders::{self, FolderOp, Trees};
use crate::remote::{ItemError, ItemErrorClass, RemoteError, RemoteWrite};
use crate::state::{FolderRow, Listing, name_hash};

/// A folder and where it can be found now.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) row: FolderRow,
    /// Whether the server has it.
    pub(super) on_server: bool,
    /// How its directory was met.
    pub(super) directory: Directory,
}

/// How a folder's directory was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directory {
    /// It is there.
    Here,
    /// It is not there, and all directories were read.
    Away,
    /// It could not be looked at.
    Unknown,
    /// The folder has none.
    None,
}

impl Place {
    pub(super) fn key(&self) -> FolderKey {
        self.row.key
    }

    /// The folder's path, for people.
    pub(super) fn path(&self) -> &str {
        self.row.dir.as_deref().unwrap_or(&self.row.name)
    }

    /// Its directory below the account's.
    pub(super) fn dir(&self) -> Result<FolderDir, LocalError> {
        FolderDir::new(self.row.dir.as_deref().unwrap_or_default())
    }

    /// Whether its items are kept in step: a mail folder that has a directory.
    pub(super) fn is_mirrored(&self) -> bool {
        self.row.kind == FolderKind::Mail && self.row.dir.is_some()
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        let name = name.trim_matches('/');
        self.row.dir.as_deref().is_some_and(|dir| dir.eq_ignore_ascii_case(name))
            || self.row.special.is_some_and(|special| special.as_str().eq_ignore_ascii_case(name))
    }
}

/// All folders of the account.
pub(super) struct Tree {
    pub(super) places: Vec<Place>,
}

impl Tree {
    pub(super) fn place(&self, key: FolderKey) -> Option<&Place> {
        self.places.iter().find(|place| place.key() == key)
    }

    pub(super) fn special(&self, special: SpecialFolder) -> Option<&Place> {
        self.places.iter().find(|place| place.row.special == Some(special))
    }
}

/// Puts the folders in step and returns them.
pub(super) async fn align_folders<R, L>(run: &Run<'_, R, L>) -> Result<Tree, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let mut aligner = Aligner::observe(run).await?;
    aligner.recognise_reborn().await?;
    aligner.restore_for_newcomers().await?;
    let ops = aligner.plan();
    let placed: Vec<FolderOp<FolderDir>> =
        ops.iter().filter(|op| matches!(op, FolderOp::PlaceLocal { .. })).cloned().collect();
    for op in ops {
        let op = aligner.rebased(op);
        aligner.apply(op).await?;
    }
    if !run.is_dry() {
        // What stood in the way of some may have moved out of it since.
        for op in placed {
            aligner.apply(op).await?;
        }
    }
    aligner.finish().await
}

/// The server's tree as it was listed.
struct RemoteTree {
    folders: BTreeMap<FolderId, ServerFolder>,
    special: HashMap<FolderId, SpecialFolder>,
    root: FolderId,
    state: SyncState,
}

impl RemoteTree {
    fn parent(&self, folder: &ServerFolder) -> Option<FolderId> {
        (folder.parent != self.root).then(|| folder.parent.clone())
    }

    /// The folders whose parents lead up to the root, and which no internal folder holds: what people see.
    fn visible(&self) -> BTreeSet<FolderId> {
        let mut visible = BTreeSet::new();
        for folder in self.folders.values() {
            let mut path = vec![];
            let mut at = Some(folder);
            let reached = loop {
                match at {
                    Some(folder) if folder.kind == FolderKind::Internal || path.contains(&&folder.id) => break false,
                    Some(folder) if folder.parent == self.root || visible.contains(&folder.parent) => {
                        path.push(&folder.id);
                        break true;
                    }
                    Some(folder) => {
                        path.push(&folder.id);
                        at = self.folders.get(&folder.parent);
                    }
                    None => break false,
                }
            };
            if reached {
                visible.extend(path.into_iter().cloned());
            }
        }
        visible
    }

    /// The folders that get a directory: mail folders, and what they lie in.
    fn mirrored(&self, visible: &BTreeSet<FolderId>) -> BTreeSet<FolderId> {
        let mut mirrored = BTreeSet::new();
        for folder in self.folders.values().filter(|folder| folder.kind == FolderKind::Mail) {
            let mut at = Some(folder).filter(|folder| visible.contains(&folder.id));
            while let Some(folder) = at {
                if !mirrored.insert(folder.id.clone()) {
                    break;
                }
                at = self.folders.get(&folder.parent);
            }
        }
        mirrored
    }
}

struct Aligner<'r, 'e, R, L> {
    run: &'r Run<'e, R, L>,
    rows: BTreeMap<FolderKey, FolderRow>,
    remote: RemoteTree,
    mirrored: BTreeSet<FolderId>,
    local: LocalTree,
    known: HashMap<FolderDir, FolderKey>,
    /// Directories that were moved since the plan was made, in order.
    moves: Vec<(FolderDir, FolderDir)>,
    /// Whether every change that the server told was carried out, so that its listing may go on from here.
    all_taken_in: bool,
}

impl<'r, 'e, R: RemoteWrite + 'static, L: LocalWrite + 'static> Aligner<'r, 'e, R, L> {
    async fn observe(run: &'r Run<'e, R, L>) -> Result<Self, SyncError> {
        let rows = run.state().read(|state| state.folders(run.account))?;
        let remote = Self::observe_remote(run, &rows).await?;
        let mut local = run.blocking(|local| local.folders()).await?;
        let useful: HashSet<FolderDir> = local
            .folders
            .iter()
            .filter(|folder| folder.maildir)
            .flat_map(|folder| std::iter::successors(Some(folder.dir.clone()), FolderDir::parent))
            .collect();
        let mut rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.key, row)).collect();
        let base_dirs: HashSet<&str> = rows.values().filter_map(|row| row.dir.as_deref()).collect();
        local.folders.retain(|folder| useful.contains(&folder.dir) || base_dirs.contains(folder.dir.as_str()));
        for problem in &local.problems {
            let path = problem.path.display().to_string();
            run.notice(problem.dir.as_str(), NoticeKind::Skipped, Some(path), problem.kind.advice().to_owned());
        }
        let known = match_directories(run, &rows, &local)?;
        recognise_spare_names(&mut rows, &remote, &local, &known);
        let mirrored = remote.mirrored(&remote.visible());
        Ok(Self { run, rows, remote, mirrored, local, known, moves: Vec::new(), all_taken_in: true })
    }

    /// The server's whole tree: what the base knows, with the changes since.
    async fn observe_remote(run: &Run<'e, R, L>, rows: &[FolderRow]) -> Result<RemoteTree, SyncError> {
        let account = run.state().read(|state| state.account(&run.engine.settings.account))?;
        let known = account.and_then(|account| Some((account.root?, account.hierarchy?)));
        let changes = match &known {
            Some((_, state)) => match run.remote().folder_changes(Some(state)).await {
                Err(RemoteError::StateInvalid) => None,
                other => Some(other?),
            },
            None => None,
        };
        if let (Some((root, _)), Some(changes)) = (known, changes) {
            let mut folders: BTreeMap<_, _> = rows
                .iter()
                .filter(|row| row.on_server)
                .map(|row| (row.id.clone(), server_folder(row, rows, &root)))
                .collect();
            changes.gone.iter().for_each(|id| drop(folders.remove(id)));
            folders.extend(changes.changed.into_iter().map(|folder| (folder.id.clone(), folder)));
            let special = rows.iter().filter_map(|row| Some((row.id.clone(), row.special?))).collect();
            return Ok(RemoteTree { folders, special, root, state: changes.state });
        }
        let special = run.remote().special_folders().await?;
        let changes = run.remote().folder_changes(None).await?;
        let folders = changes.changed.into_iter().map(|folder| (folder.id.clone(), folder)).collect();
        let roles = special.special.into_iter().map(|(role, id)| (id, role)).collect();
        Ok(RemoteTree { folders, special: roles, root: special.root, state: changes.state })
    }

    /// A folder that is gone on the server, and another one of the same name in the same place, are one folder that was made again: by us,
    /// for what was new in it here, or by somebody there. It is listed from the beginning.
    async fn recognise_reborn(&mut self) -> Result<(), SyncError> {
        let known: HashSet<FolderId> = self.rows.values().map(|row| row.id.clone()).collect();
        let mut strangers: HashMap<(Option<FolderKey>, String), FolderId> = HashMap::new();
        for folder in self.remote.folders.values().filter(|folder| !known.contains(&folder.id)) {
            if let Some(parent) = self.parent_row(folder) {
                strangers.insert((parent.map(|row| row.key), folder.name.to_lowercase()), folder.id.clone());
            }
        }
        let gone: Vec<FolderRow> =
            self.rows.values().filter(|row| !self.remote.folders.contains_key(&row.id)).cloned().collect();
        for mut row in gone {
            let Some(id) = strangers.remove(&(row.parent, row.name.to_lowercase())) else { continue };
            (row.id, row.on_server, row.listing) = (id, true, Listing::default());
            self.note_new_listing(row).await?;
        }
        Ok(())
    }

    /// A folder that is gone on the server is made again there for folders that were made in it, or moved into it, here.
    async fn restore_for_newcomers(&mut self) -> Result<(), SyncError> {
        let mut needed = BTreeSet::new();
        for folder in self.local.folders.iter().filter(|folder| folder.maildir) {
            let above = folder.dir.parent().and_then(|above| self.known.get(&above).copied());
            let Some(above) = above.filter(|above| !self.is_there(*above)) else { continue };
            let is_newcomer = match self.known.get(&folder.dir) {
                None => true,
                Some(key) => self.is_there(*key) && self.rows.get(key).is_some_and(|row| row.parent != Some(above)),
            };
            if is_newcomer {
                needed.insert(above);
            }
        }
        for key in needed {
            let Some(row) = self.rows.get(&key).cloned() else { continue };
            if self.run.is_dry() {
                let dir = row.dir.clone().unwrap_or_default();
                self.run.planned(&dir, Action::CreateFolderThere, row.name, String::new());
            } else {
                self.id_there(Some(&row)).await?;
            }
        }
        Ok(())
    }

    /// Whether the server has a known folder.
    fn is_there(&self, key: FolderKey) -> bool {
        self.rows.get(&key).is_some_and(|row| self.remote.folders.contains_key(&row.id))
    }

    fn plan(&self) -> Vec<FolderOp<FolderDir>> {
        let base: Vec<_> = self
            .rows
            .values()
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
            .iter()
            .map(|folder| folders::LocalFolder {
                dir: folder.dir.clone(),
                parent: folder.dir.parent().filter(|parent| !parent.is_root()),
                name: folder.name.clone(),
                known: self.known.get(&folder.dir).copied(),
            })
            .collect();
        folders::plan_folders(&Trees { base: &base, remote: &remote, local: &local })
    }

    /// The operation with its directories where they lie by now.
    fn rebased(&self, op: FolderOp<FolderDir>) -> FolderOp<FolderDir> {
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

    async fn apply(&mut self, op: FolderOp<FolderDir>) -> Result<(), SyncError> {
        match op {
            FolderOp::MakeLocal(id) => self.make_local(&id).await,
            FolderOp::Adopt { id, dir } => self.adopt(&id, dir).await,
            FolderOp::PlaceLocal { key, renamed, moved } => self.place_local(key, renamed, moved).await,
            FolderOp::GiveDirectory(key) => self.give_directory(key).await,
            FolderOp::MakeRemote(dir) => self.make_remote(dir).await,
            FolderOp::RenameRemote { key, name } => self.rename_remote(key, name).await,
            FolderOp::MoveRemote { key, into } => self.move_remote(key, into).await,
            // Judged at the end of the round, after the items.
            FolderOp::Vanished { .. } | FolderOp::Forget(_) => Ok(()),
        }
    }

    fn row_of(&self, id: &FolderId) -> Option<&FolderRow> {
        self.rows.values().find(|row| row.id == *id)
    }

    /// The row of the folder that a server folder lies in: `None` when that is not known, `Some(None)` at the top.
    fn parent_row(&self, folder: &ServerFolder) -> Option<Option<FolderRow>> {
        match self.remote.parent(folder) {
            None => Some(None),
            Some(id) => self.row_of(&id).map(|row| Some(row.clone())),
        }
    }

    /// A new folder of the server. Its directory is made first, so that a row never names one that is not there.
    async fn make_local(&mut self, id: &FolderId) -> Result<(), SyncError> {
        let Some(folder) = self.remote.folders.get(id).cloned() else { return Ok(()) };
        let Some(parent) = self.parent_row(&folder) else { return Ok(()) };
        let mut row = self.new_row(&folder, parent.as_ref());
        if self.mirrored.contains(id) {
            self.restore(parent.as_ref()).await?;
            let Some(above) = self.dir_above(parent.as_ref())? else { return Ok(()) };
            let dir = self.free_dir(&above, &folder.name, None)?;
            row.dir_id = self.create_directory(&dir, &row).await?;
            row.dir = Some(dir.as_str().to_owned());
        }
        self.add_row(row).await
    }

    /// A folder that lies on both sides but that the base does not know with a directory.
    async fn adopt(&mut self, id: &FolderId, dir: FolderDir) -> Result<(), SyncError> {
        let Some(folder) = self.remote.folders.get(id).cloned() else { return Ok(()) };
        let Some(parent) = self.parent_row(&folder) else { return Ok(()) };
        let mut row = self.row_of(id).cloned().unwrap_or_else(|| self.new_row(&folder, parent.as_ref()));
        row.dir_id = self.create_directory(&dir, &row).await?;
        row.dir = Some(dir.as_str().to_owned());
        self.known.insert(dir, row.key);
        if self.rows.contains_key(&row.key) { self.set_row(row).await } else { self.add_row(row).await }
    }

    async fn give_directory(&mut self, key: FolderKey) -> Result<(), SyncError> {
        let Some(mut row) = self.rows.get(&key).cloned() else { return Ok(()) };
        let parent = row.parent.and_then(|parent| self.rows.get(&parent).cloned());
        self.restore(parent.as_ref()).await?;
        let Some(above) = self.dir_above(parent.as_ref())? else { return Ok(()) };
        let dir = self.free_dir(&above, &row.name, Some(key))?;
        row.dir_id = self.create_directory(&dir, &row).await?;
        row.dir = Some(dir.as_str().to_owned());
        self.set_row(row).await
    }

    async fn create_directory(&mut self, dir: &FolderDir, row: &FolderRow) -> Result<Option<(u64, u64)>, SyncError> {
        if self.run.is_dry() {
            self.run.planned(dir.as_str(), Action::CreateFolderHere, row.name.clone(), String::new());
            return Ok(None);
        }
        let form = if row.kind == FolderKind::Mail { FolderForm::Maildir } else { FolderForm::Plain };
        let (at, name) = (dir.clone(), row.name.clone());
        let id = self.run.blocking(move |local| local.create_folder(&at, form, &name)).await?;
        self.run.step(Step::FolderPlacedLocally)?;
        self.local.folders.push(LocalFolder {
            dir: dir.clone(),
            name: row.name.clone(),
            id,
            maildir: form == FolderForm::Maildir,
        });
        Ok(Some((id.dev, id.ino)))
    }

    /// Directories that vanished here are made again for what comes into them from the server.
    async fn restore(&mut self, folder: Option<&FolderRow>) -> Result<(), SyncError> {
        let above = |row: &FolderRow| self.rows.get(&row.parent?).cloned();
        let missing: Vec<FolderRow> =
            std::iter::successors(folder.cloned(), above).take_while(|row| self.dir_of(row.key).is_none()).collect();
        for row in missing.into_iter().rev() {
            let Some(dir) = row.dir.as_deref().map(FolderDir::new).transpose()? else { continue };
            self.create_directory(&dir, &row).await?;
            self.known.insert(dir, row.key);
        }
        Ok(())
    }

    /// The directory follows the folder on the server, or goes back to where the server has it. The base takes the server's name and place;
    /// what the directory keeps of its own is pushed later.
    async fn place_local(&mut self, key: FolderKey, renamed: bool, moved: bool) -> Result<(), SyncError> {
        let Some(mut row) = self.rows.get(&key).cloned() else { return Ok(()) };
        let Some(folder) = self.remote.folders.get(&row.id).cloned() else { return Ok(()) };
        let Some(parent) = self.parent_row(&folder) else { return Ok(()) };
        let Some(from) = self.dir_of(key) else { return Ok(()) };
        if moved {
            self.restore(parent.as_ref()).await?;
        }
        let name = if renamed { folder.name.clone() } else { self.local_name(&from) };
        let above = match moved {
            true => match self.dir_above(parent.as_ref())? {
                Some(above) => above,
                None => return Ok(()),
            },
            false => from.parent().unwrap_or_else(FolderDir::root),
        };
        let to = if renamed || moved { self.free_dir(&above, &name, Some(key))? } else { from.clone() };
        if from != to {
            if self.run.is_dry() {
                self.run.planned(from.as_str(), Action::MoveFolderHere, to.as_str().to_owned(), String::new());
                return Ok(());
            }
            let (source, target) = (from.clone(), to.clone());
            match self.run.blocking(move |local| local.rename_folder(&source, &target, &name)).await? {
                Moved::Done => self.run.step(Step::FolderPlacedLocally)?,
                Moved::Vanished | Moved::Taken => {
                    self.all_taken_in = false;
                    return Ok(());
                }
            }
            self.rebase(&from, &to).await?;
            row = self.rows.get(&key).cloned().unwrap_or(row);
        }
        row.name = folder.name;
        row.kind = folder.kind;
        row.parent = parent.map(|parent| parent.key);
        row.dir = Some(to.as_str().to_owned());
        self.set_row(row).await
    }

    /// A new directory. The server is told first; when the answer is lost, the next listing has the folder, and it is adopted by its
    /// name.
    async fn make_remote(&mut self, dir: FolderDir) -> Result<(), SyncError> {
        let name = self.local_name(&dir);
        let parent = dir.parent().filter(|parent| !parent.is_root());
        let parent_row = match parent.map(|parent| self.known.get(&parent).and_then(|key| self.rows.get(key))) {
            None => None,
            Some(Some(row)) => Some(row.clone()),
            // The parent could not be created; that was said already.
            Some(None) => return Ok(()),
        };
        if self.run.is_dry() {
            self.run.planned(dir.as_str(), Action::CreateFolderThere, name, String::new());
            return Ok(());
        }
        let Some(parent_id) = self.id_there(parent_row.as_ref()).await? else { return Ok(()) };
        match self.run.remote().create_folder(&parent_id, &name, FolderKind::Mail).await? {
            Ok(id) => {
                self.run.step(Step::FolderPlacedRemotely)?;
                let folder =
                    ServerFolder { id, change_key: None, parent: parent_id.clone(), name, kind: FolderKind::Mail };
                let mut row = self.new_row(&folder, parent_row.as_ref());
                self.remote.folders.insert(folder.id.clone(), folder);
                row.dir_id = self.create_directory(&dir, &row).await?;
                row.dir = Some(dir.as_str().to_owned());
                self.add_row(row).await?;
            }
            Err(error) => self.folder_refused(&dir, "created", &error),
        }
        Ok(())
    }

    /// The id of the folder that something is to be made in. Where it is gone on the server, it is made again first, and what it lies in.
    async fn id_there(&mut self, row: Option<&FolderRow>) -> Result<Option<FolderId>, SyncError> {
        let mut missing = Vec::new();
        let mut at = row.cloned();
        let mut id = loop {
            match at {
                None => break self.remote.root.clone(),
                Some(row) if self.remote.folders.contains_key(&row.id) => break row.id,
                Some(row) => {
                    at = row.parent.and_then(|parent| self.rows.get(&parent).cloned());
                    missing.push(row);
                }
            }
        };
        while let Some(mut row) = missing.pop() {
            match self.run.remote().create_folder(&id, &row.name, FolderKind::Mail).await? {
                Ok(made) => {
                    self.run.step(Step::FolderPlacedRemotely)?;
                    let folder = ServerFolder {
                        id: made.clone(),
                        change_key: None,
                        parent: std::mem::replace(&mut id, made.clone()),
                        name: row.name.clone(),
                        kind: row.kind,
                    };
                    self.remote.folders.insert(made.clone(), folder);
                    (row.id, row.on_server, row.listing) = (made, true, Listing::default());
                    self.note_new_listing(row).await?;
                }
                Err(error) => {
                    let dir = FolderDir::new(row.dir.as_deref().unwrap_or_default())?;
                    self.folder_refused(&dir, "made again", &error);
                    return Ok(None);
                }
            }
        }
        Ok(Some(id))
    }

    /// Notes a folder that is listed from the beginning.
    async fn note_new_listing(&mut self, row: FolderRow) -> Result<(), SyncError> {
        let fresh = row.clone();
        self.run
            .commit(move |tx| {
                tx.set_folder(&fresh)?;
                tx.set_listing(fresh.key, &fresh.listing)
            })
            .await?;
        self.note_row(row);
        Ok(())
    }

    async fn rename_remote(&mut self, key: FolderKey, name: String) -> Result<(), SyncError> {
        let Some(mut row) = self.rows.get(&key).cloned() else { return Ok(()) };
        let Some(dir) = self.dir_of(key) else { return Ok(()) };
        if self.run.is_dry() {
            self.run.planned(dir.as_str(), Action::MoveFolderThere, name, String::new());
            return Ok(());
        }
        match self.run.remote().rename_folder(&row.id, &name).await? {
            Ok(()) => {
                self.run.step(Step::FolderPlacedRemotely)?;
                row.name = name;
                self.note_dir(&mut row, &dir).await?;
            }
            Err(error) => self.folder_refused(&dir, "renamed", &error),
        }
        Ok(())
    }

    async fn move_remote(&mut self, key: FolderKey, into: Option<FolderDir>) -> Result<(), SyncError> {
        let Some(mut row) = self.rows.get(&key).cloned() else { return Ok(()) };
        let Some(dir) = self.dir_of(key) else { return Ok(()) };
        let parent = match into.map(|into| self.known.get(&into).and_then(|key| self.rows.get(key).cloned())) {
            None => None,
            Some(Some(row)) => Some(row),
            Some(None) => return Ok(()),
        };
        if self.run.is_dry() {
            self.run.planned(dir.as_str(), Action::MoveFolderThere, row.name, String::new());
            return Ok(());
        }
        let target = parent.as_ref().map_or(&self.remote.root, |parent| &parent.id);
        match self.run.remote().move_folder(&row.id, target).await? {
            Ok(()) => {
                self.run.step(Step::FolderPlacedRemotely)?;
                row.parent = parent.map(|parent| parent.key);
                self.note_dir(&mut row, &dir).await?;
            }
            Err(error) => self.folder_refused(&dir, "moved", &error),
        }
        Ok(())
    }

    /// Notes where a folder's directory lies now, and with it those below.
    async fn note_dir(&mut self, row: &mut FolderRow, dir: &FolderDir) -> Result<(), SyncError> {
        let before = row.dir.take();
        row.dir = Some(dir.as_str().to_owned());
        self.set_row(row.clone()).await?;
        if let Some(before) = before.and_then(|before| FolderDir::new(&before).ok())
            && before != *dir
        {
            self.rebase_rows(&before, dir).await?;
        }
        Ok(())
    }

    fn folder_refused(&self, dir: &FolderDir, done: &str, error: &ItemError) {
        let why = match error.class {
            ItemErrorClass::Exists => "a folder of that name exists there; give it another name".to_owned(),
            _ => format!("{error}; the next sync tries again"),
        };
        self.run.notice(
            dir.as_str(),
            NoticeKind::Held,
            None,
            format!("the folder was not {done} on the server: {why}"),
        );
    }

    /// A directory was moved: so was everything below it.
    async fn rebase(&mut self, from: &FolderDir, to: &FolderDir) -> Result<(), SyncError> {
        self.moves.push((from.clone(), to.clone()));
        for folder in &mut self.local.folders {
            folder.dir = folder.dir.rebased(from, to);
            if folder.dir == *to {
                folder.name = foldername::decode(to.name());
            }
        }
        self.known = self.known.drain().map(|(dir, key)| (dir.rebased(from, to), key)).collect();
        self.rebase_rows(from, to).await
    }

    async fn rebase_rows(&mut self, from: &FolderDir, to: &FolderDir) -> Result<(), SyncError> {
        let mut changed = Vec::new();
        for row in self.rows.values_mut() {
            let Some(dir) = row.dir.as_deref().and_then(|dir| FolderDir::new(dir).ok()) else { continue };
            if dir.is_within(from) {
                row.dir = Some(dir.rebased(from, to).as_str().to_owned());
                changed.push(row.clone());
            }
        }
        self.run.commit(move |state| changed.iter().try_for_each(|row| state.set_folder(row))).await
    }

    /// Where a known folder's directory was met.
    fn dir_of(&self, key: FolderKey) -> Option<FolderDir> {
        self.known.iter().find(|(_, known)| **known == key).map(|(dir, _)| dir.clone())
    }

    fn local_name(&self, dir: &FolderDir) -> String {
        let folder = self.local.folders.iter().find(|folder| folder.dir == *dir);
        folder.map_or_else(|| foldername::decode(dir.name()), |folder| folder.name.clone())
    }

    /// The directory of the folder that another one lies in; `None` when it has none.
    fn dir_above(&self, parent: Option<&FolderRow>) -> Result<Option<FolderDir>, SyncError> {
        let Some(row) = parent else { return Ok(Some(FolderDir::root())) };
        let Some(dir) = row.dir.as_deref() else { return Ok(None) };
        Ok(Some(self.dir_of(row.key).map_or_else(|| FolderDir::new(dir), Ok)?))
    }

    /// A directory for a folder of that name. The one that the folder itself has, or had, counts as free.
    fn free_dir(&self, above: &FolderDir, name: &str, own: Option<FolderKey>) -> Result<FolderDir, SyncError> {
        let met = self.local.folders.iter().map(|folder| &folder.dir).chain(&self.local.blocked);
        let strangers = met.filter(|dir| own.is_none_or(|own| self.known.get(*dir) != Some(&own))).cloned();
        let others = self.rows.values().filter(|row| Some(row.key) != own);
        let rows = others.filter_map(|row| FolderDir::new(row.dir.as_deref()?).ok());
        let taken: HashSet<String> = strangers
            .chain(rows)
            .filter(|dir| dir.parent().as_ref() == Some(above))
            .map(|dir| foldername::twin_key(dir.name()))
            .collect();
        let encoded = foldername::encode(name, &|key| taken.contains(key));
        Ok(above.child(&encoded.name)?)
    }

    fn new_row(&self, folder: &ServerFolder, parent: Option<&FolderRow>) -> FolderRow {
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

    async fn add_row(&mut self, mut row: FolderRow) -> Result<(), SyncError> {
        let (account, new) = (self.run.account, row.clone());
        row.key = self.run.commit(move |state| state.add_folder(account, &new)).await?;
        self.note_row(row);
        Ok(())
    }

    async fn set_row(&mut self, row: FolderRow) -> Result<(), SyncError> {
        let new = row.clone();
        self.run.commit(move |state| state.set_folder(&new)).await?;
        self.note_row(row);
        Ok(())
    }

    fn note_row(&mut self, row: FolderRow) {
        if let Some(dir) = row.dir.as_deref().and_then(|dir| FolderDir::new(dir).ok()) {
            self.known.insert(dir, row.key);
        }
        self.rows.insert(row.key, row);
    }

    /// Notes how far the server's tree was taken in, and what was learned about directories on the way.
    async fn finish(mut self) -> Result<Tree, SyncError> {
        let stale: Vec<FolderRow> = self.rows.values().filter_map(|row| self.refreshed(row)).collect();
        for row in &stale {
            self.rows.insert(row.key, row.clone());
        }
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
        let mut places: Vec<Place> = self.rows.values().map(|row| self.place(row)).collect();
        self.tell_blocked();
        if self.run.request.brake == Brake::On && is_swept_clean(&places) {
            places.iter_mut().filter(|place| place.directory == Directory::Away).for_each(|place| {
                place.directory = Directory::Unknown;
            });
            let text = "none of the account's folders is here, so nothing is deleted on the server: if they lie on another disk, mount it; \
                        if they are to go, run `pimsync sync --allow-deletes`";
            self.run.notice("", NoticeKind::Held, None, text.to_owned());
        }
        Ok(Tree { places })
    }

    /// Known folders in whose places files lie.
    fn tell_blocked(&self) {
        for row in self.rows.values() {
            if self.local.blocked.iter().any(|blocked| Some(blocked.as_str()) == row.dir.as_deref()) {
                let text = "a file lies where the folder's directory was: move it away, and the directory back";
                self.run.notice(
                    row.dir.as_deref().unwrap_or_default(),
                    NoticeKind::FolderFailed,
                    None,
                    text.to_owned(),
                );
            }
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
        let met = self.local.folders.iter().find(|folder| self.known.get(&folder.dir) == Some(&row.key));
        if let Some(folder) = met {
            fresh.dir = Some(folder.dir.as_str().to_owned());
            fresh.dir_id = Some((folder.id.dev, folder.id.ino));
        }
        (fresh != *row).then_some(fresh)
    }

    fn place(&self, row: &FolderRow) -> Place {
        let met = self.local.folders.iter().find(|folder| self.known.get(&folder.dir) == Some(&row.key));
        let directory = match (row.dir.as_deref().map(FolderDir::new), met) {
            (None, _) => Directory::None,
            (Some(_), None) if !self.local.stable => Directory::Unknown,
            (Some(_), Some(_)) => Directory::Here,
            (Some(Ok(dir)), None)
                if self.local.unreadable.iter().chain(&self.local.blocked).any(|other| dir.is_within(other)) =>
            {
                Directory::Unknown
            }
            (Some(Ok(_)), None)
                if row.dir_id.is_some_and(|(dev, ino)| self.local.unnamed.contains(&DirId { dev, ino })) =>
            {
                Directory::Unknown
            }
            (Some(Ok(_)), None) => Directory::Away,
            (Some(Err(_)), None) => Directory::Unknown,
        };
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

/// A folder that was on its way to another name, by way of a spare one, when the run was cut off: nobody on the server named it so.
fn recognise_spare_names(
    rows: &mut BTreeMap<FolderKey, FolderRow>,
    remote: &RemoteTree,
    local: &LocalTree,
    known: &HashMap<FolderDir, FolderKey>,
) {
    for folder in &local.folders {
        let Some(row) = known.get(&folder.dir).and_then(|key| rows.get_mut(key)) else { continue };
        let spare = folders::spare_name(&folder.name, row.key);
        if remote.folders.get(&row.id).is_some_and(|there| there.name == spare) {
            row.name = spare;
        }
    }
}

fn server_folder(row: &FolderRow, rows: &[FolderRow], root: &FolderId) -> ServerFolder {
    let parent = row.parent.and_then(|key| rows.iter().find(|above| above.key == key));
    ServerFolder {
        id: row.id.clone(),
        change_key: None,
        parent: parent.map_or_else(|| root.clone(), |above| above.id.clone()),
        name: row.name.clone(),
        kind: row.kind,
    }
}

/// Which known folder each directory belongs to.
///
/// A directory in its old place is the old one, unless nothing in it is known while another one holds it all. One in a new place is known
/// by its number on the file system or, after a copy or a restore, by the messages in it.
fn match_directories<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    rows: &BTreeMap<FolderKey, FolderRow>,
    local: &LocalTree,
) -> Result<HashMap<FolderDir, FolderKey>, SyncError> {
    let by_dir: HashMap<&str, &LocalFolder> =
        local.folders.iter().map(|folder| (folder.dir.as_str(), folder)).collect();
    let mut known = HashMap::new();
    let mut lost: Vec<&FolderRow> = Vec::new();
    for row in rows.values() {
        let Some(dir) = row.dir.as_deref() else { continue };
        match by_dir.get(dir) {
            Some(folder) if is_id(row, folder) => {
                known.insert(folder.dir.clone(), row.key);
            }
            Some(folder) => match overlap(run, row, folder)? {
                Overlap::Nothing if by_id(row, local).is_some() => lost.push(row),
                _ => {
                    known.insert(folder.dir.clone(), row.key);
                }
            },
            None => lost.push(row),
        }
    }
    for row in lost {
        let free = |folder: &&LocalFolder| !known.contains_key(&folder.dir);
        let found = match by_id(row, local).filter(|folder| free(folder)) {
            Some(folder) if overlap(run, row, folder)? != Overlap::Nothing => Some(folder),
            _ => {
                let mut found = None;
                for folder in local.folders.iter().filter(free).filter(|folder| folder.maildir) {
                    if overlap(run, row, folder)? == Overlap::Most {
                        found = Some(folder);
                        break;
                    }
                }
                found
            }
        };
        if let Some(folder) = found {
            known.insert(folder.dir.clone(), row.key);
        }
    }
    Ok(known)
}

fn is_id(row: &FolderRow, folder: &LocalFolder) -> bool {
    row.dir_id == Some((folder.id.dev, folder.id.ino))
}

fn by_id<'t>(row: &FolderRow, local: &'t LocalTree) -> Option<&'t LocalFolder> {
    local.folders.iter().find(|folder| is_id(row, folder))
}

/// How many of a folder's known messages lie in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overlap {
    /// The folder has no messages that could tell.
    Untold,
    /// None of them.
    Nothing,
    /// Some.
    Some,
    /// At least half.
    Most,
}

fn overlap<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    row: &FolderRow,
    folder: &LocalFolder,
) -> Result<Overlap, SyncError> {
    let mut names = HashSet::new();
    run.state().read(|state| {
        state.briefs(row.key, |hash, _| {
            names.insert(hash);
        })
    })?;
    if names.is_empty() {
        return Ok(Overlap::Untold);
    }
    let mut met = 0_usize;
    let count = &mut |name: crate::local::MessageName| met += usize::from(names.contains(&name_hash(name.key())));
    match run.local().scan(&folder.dir, count) {
        Ok(_) => {}
        Err(error) if super::stops_run(&error) => return Err(error.into()),
        Err(_) => return Ok(Overlap::Nothing),
    }
    Ok(match met {
        0 => Overlap::Nothing,
        met if met * 2 >= names.len() => Overlap::Most,
        _ => Overlap::Some,
    })
}
