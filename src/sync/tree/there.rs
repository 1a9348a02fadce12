//! What the folders' plan does to the server's folders.

use super::aligner::Aligner;
use crate::local::{FolderDir, LocalWrite};
use crate::pim::{EntryKind, FolderId, FolderKey, FolderKind, ServerFolder};
use crate::remote::{ItemError, ItemErrorClass, PerItem, RemoteWrite};
use crate::state::{FolderRow, Listing};
use crate::sync::{Action, NoticeKind, Run, Step, SyncError};

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Aligner<'_, '_, R, L> {
    /// Makes a folder that is gone on the server again there, for what is new in it here.
    pub(super) async fn make_again(&mut self, key: FolderKey) -> Result<(), SyncError> {
        let Some(row) = self.known.row(key).cloned() else { return Ok(()) };
        if self.run.is_dry() {
            let dir = row.dir.clone().unwrap_or_default();
            self.run.planned(&dir, Action::CreateFolderThere, row.name, String::new());
            return Ok(());
        }
        self.id_there(Some(&row)).await.map(drop)
    }

    /// A new directory. The server is told first; when the answer is lost, the next listing has the folder, and it is adopted by its
    /// name.
    pub(super) async fn make_remote(&mut self, dir: FolderDir) -> Result<(), SyncError> {
        let name = self.local_name(&dir);
        let parent = dir.parent().filter(|parent| !parent.is_root());
        let parent_row = match parent.map(|parent| self.known.in_dir(&parent).and_then(|key| self.known.row(key))) {
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
        let kind = self.kind_of_new(&dir, parent_row.as_ref());
        match create(self.run, &parent_id, &name, kind).await? {
            Ok(id) => {
                self.run.step(Step::FolderPlacedRemotely)?;
                let folder = ServerFolder { id, change_key: None, parent: parent_id.clone(), name, kind };
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

    /// What a new directory is to hold: messages if it is a Maildir, else what the folder holds that it lies in.
    fn kind_of_new(&self, dir: &FolderDir, parent: Option<&FolderRow>) -> FolderKind {
        let is_maildir = self.local.folders.get(dir).is_some_and(|folder| folder.maildir);
        let of_entries = parent.map(|parent| parent.kind).filter(|kind| EntryKind::of_folder(*kind).is_some());
        of_entries.filter(|_| !is_maildir).unwrap_or(FolderKind::Mail)
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
                    at = row.parent.and_then(|parent| self.known.row(parent).cloned());
                    missing.push(row);
                }
            }
        };
        missing.reverse();
        let Remade { folders, refused } = remake(self.run, id.clone(), missing).await?;
        for row in folders {
            let parent = std::mem::replace(&mut id, row.id.clone());
            let folder =
                ServerFolder { id: row.id.clone(), change_key: None, parent, name: row.name.clone(), kind: row.kind };
            self.remote.folders.insert(row.id.clone(), folder);
            self.known.note(row);
        }
        match refused {
            None => Ok(Some(id)),
            Some((row, error)) => {
                let dir = FolderDir::new(row.dir.as_deref().unwrap_or_default())?;
                self.folder_refused(&dir, "made again", &error);
                Ok(None)
            }
        }
    }

    pub(super) async fn rename_remote(&mut self, key: FolderKey, name: String) -> Result<(), SyncError> {
        let Some(mut row) = self.known.row(key).cloned() else { return Ok(()) };
        let Some(dir) = self.known.dir_of(key).cloned() else { return Ok(()) };
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

    pub(super) async fn move_remote(&mut self, key: FolderKey, into: Option<FolderDir>) -> Result<(), SyncError> {
        let Some(mut row) = self.known.row(key).cloned() else { return Ok(()) };
        let Some(dir) = self.known.dir_of(key).cloned() else { return Ok(()) };
        let parent = match into.map(|into| self.known.in_dir(&into).and_then(|key| self.known.row(key).cloned())) {
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
    pub(super) async fn note_dir(&mut self, row: &mut FolderRow, dir: &FolderDir) -> Result<(), SyncError> {
        let before = row.dir.take();
        row.dir = Some(dir.as_str().to_owned());
        self.set_row(row.clone()).await?;
        if let Some(before) = before.and_then(|before| FolderDir::new(&before).ok())
            && before != *dir
        {
            self.names = None;
            let changed = self.known.rebase_rows(&before, dir);
            self.note_rows(changed).await?;
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
}

/// Folders that were made again on the server.
pub(in crate::sync) struct Remade {
    /// As they are noted now.
    pub(in crate::sync) folders: Vec<FolderRow>,
    /// The one that the server refused, before those below it could be asked for.
    pub(in crate::sync) refused: Option<(FolderRow, ItemError)>,
}

/// Makes folders again on the server that are gone there: the first in `above`, each other in the one before it. They are listed from the
/// beginning.
pub(in crate::sync) async fn remake<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    mut above: FolderId,
    missing: Vec<FolderRow>,
) -> Result<Remade, SyncError> {
    let mut folders = Vec::new();
    for row in missing {
        match create(run, &above, &row.name, row.kind).await? {
            Ok(id) => {
                run.step(Step::FolderPlacedRemotely)?;
                let row = FolderRow { id: id.clone(), on_server: true, listing: Listing::default(), ..row };
                let fresh = row.clone();
                run.commit(move |tx| {
                    tx.set_folder(&fresh)?;
                    tx.set_listing(fresh.key, &fresh.listing)
                })
                .await?;
                folders.push(row);
                above = id;
            }
            Err(error) => return Ok(Remade { folders, refused: Some((row, error)) }),
        }
    }
    Ok(Remade { folders, refused: None })
}

/// Creates a folder. When the answer is lost, a folder of that name may be another that we know: then the answer was that the name is taken.
async fn create<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    parent: &FolderId,
    name: &str,
    kind: FolderKind,
) -> Result<PerItem<FolderId>, SyncError> {
    let created = run.remote().create_folder(parent, name, kind).await?;
    let Ok(id) = created else { return Ok(created) };
    if !run.state().read(|state| state.knows_folder(run.account, &id))? {
        return Ok(Ok(id));
    }
    Ok(Err(ItemError {
        class: ItemErrorClass::Exists,
        code: "ErrorFolderExists".to_owned(),
        message: "a folder of that name exists there".to_owned(),
    }))
}
