//! What the folders' plan does to directories.

use super::aligner::Aligner;
use super::names::Names;
use super::{Directory, form_of};
use crate::local::{FolderDir, FolderForm, LocalFolder, LocalWrite, Moved, foldername};
use crate::pim::{FolderId, FolderKey};
use crate::remote::RemoteWrite;
use crate::state::FolderRow;
use crate::sync::{Action, Step, SyncError};

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Aligner<'_, '_, R, L> {
    /// A new folder of the server. Its directory is made first, so that a row never names one that is not there.
    pub(super) async fn make_local(&mut self, id: &FolderId) -> Result<(), SyncError> {
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
    pub(super) async fn adopt(&mut self, id: &FolderId, dir: FolderDir) -> Result<(), SyncError> {
        let Some(folder) = self.remote.folders.get(id).cloned() else { return Ok(()) };
        let Some(parent) = self.parent_row(&folder) else { return Ok(()) };
        let mut row = self.known.row_of(id).cloned().unwrap_or_else(|| self.new_row(&folder, parent.as_ref()));
        row.dir_id = self.create_directory(&dir, &row).await?;
        row.dir = Some(dir.as_str().to_owned());
        if self.known.row(row.key).is_none() {
            return self.add_row(row).await;
        }
        self.note_directory(&row);
        self.set_row(row).await
    }

    pub(super) async fn give_directory(&mut self, key: FolderKey) -> Result<(), SyncError> {
        let Some(mut row) = self.known.row(key).cloned() else { return Ok(()) };
        let parent = row.parent.and_then(|parent| self.known.row(parent).cloned());
        self.restore(parent.as_ref()).await?;
        let Some(above) = self.dir_above(parent.as_ref())? else { return Ok(()) };
        let dir = self.free_dir(&above, &row.name, Some(key))?;
        row.dir_id = self.create_directory(&dir, &row).await?;
        row.dir = Some(dir.as_str().to_owned());
        self.note_directory(&row);
        self.set_row(row).await
    }

    pub(super) async fn create_directory(
        &mut self,
        dir: &FolderDir,
        row: &FolderRow,
    ) -> Result<Option<(u64, u64)>, SyncError> {
        if self.run.is_dry() {
            self.run.planned(dir.as_str(), Action::CreateFolderHere, row.name.clone(), String::new());
            return Ok(None);
        }
        let form = form_of(row.kind);
        let (at, name) = (dir.clone(), row.name.clone());
        let id = self.run.blocking(move |local| local.create_folder(&at, form, &name)).await?;
        self.run.step(Step::FolderPlacedLocally)?;
        if let Some(names) = &mut self.names {
            names.add_met(dir);
        }
        let maildir = form == FolderForm::Maildir;
        self.local.folders.insert(dir.clone(), LocalFolder { dir: dir.clone(), name: row.name.clone(), id, maildir });
        Ok(Some((id.dev, id.ino)))
    }

    /// Directories that vanished here are made again for what comes into them from the server.
    pub(super) async fn restore(&mut self, folder: Option<&FolderRow>) -> Result<(), SyncError> {
        let above = |row: &FolderRow| self.known.row(row.parent?).cloned();
        let missing: Vec<FolderRow> = std::iter::successors(folder.cloned(), above)
            .take_while(|row| self.known.dir_of(row.key).is_none())
            .collect();
        for row in missing.into_iter().rev() {
            let Some(dir) = row.dir.as_deref().map(FolderDir::new).transpose()? else { continue };
            self.create_directory(&dir, &row).await?;
            self.note_directory(&row);
        }
        Ok(())
    }

    /// The directory follows the folder on the server, or goes back to where the server has it. The base takes the server's name and place;
    /// what the directory keeps of its own is pushed later.
    pub(super) async fn place_local(&mut self, key: FolderKey, renamed: bool, moved: bool) -> Result<(), SyncError> {
        let Some(mut row) = self.known.row(key).cloned() else { return Ok(()) };
        let Some(folder) = self.remote.folders.get(&row.id).cloned() else { return Ok(()) };
        let Some(parent) = self.parent_row(&folder) else { return Ok(()) };
        let Some(from) = self.known.dir_of(key).cloned() else { return Ok(()) };
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
            row = self.known.row(key).cloned().unwrap_or(row);
        }
        row.name = folder.name;
        row.kind = folder.kind;
        row.parent = parent.map(|parent| parent.key);
        row.dir = Some(to.as_str().to_owned());
        self.set_row(row).await
    }

    /// A folder whose directory is gone takes the server's name and place all the same: what comes into it makes the directory there again.
    pub(super) async fn follow_without_directory(&mut self, key: FolderKey) -> Result<(), SyncError> {
        let Some(mut row) = self.known.row(key).cloned() else { return Ok(()) };
        let Some(folder) = self.remote.folders.get(&row.id).cloned() else { return Ok(()) };
        let Some(parent) = self.parent_row(&folder) else { return Ok(()) };
        let into = parent.as_ref().map(|parent| parent.key);
        if row.name == folder.name && row.parent == into {
            return Ok(());
        }
        // One that went to Deleted Items was deleted on both sides: perhaps by us, right before a crash. Should it stay after all, for what came
        // into it, its place has to be told again.
        if self.remote.is_deleted(&folder) || self.local.directory(&row, None) != Directory::Away {
            self.all_taken_in = false;
            return Ok(());
        }
        let Some(above) = self.dir_above(parent.as_ref())? else { return Ok(()) };
        let dir = self.free_dir(&above, &folder.name, Some(key))?;
        (row.name, row.parent) = (folder.name, into);
        self.note_dir(&mut row, &dir).await
    }

    pub(super) fn local_name(&self, dir: &FolderDir) -> String {
        let folder = self.local.folders.get(dir);
        folder.map_or_else(|| foldername::decode(dir.name()), |folder| folder.name.clone())
    }

    /// The directory of the folder that another one lies in; `None` when it has none.
    fn dir_above(&self, parent: Option<&FolderRow>) -> Result<Option<FolderDir>, SyncError> {
        let Some(row) = parent else { return Ok(Some(FolderDir::root())) };
        let Some(dir) = row.dir.as_deref() else { return Ok(None) };
        Ok(Some(self.known.dir_of(row.key).cloned().map_or_else(|| FolderDir::new(dir), Ok)?))
    }

    /// A directory for a folder of that name. The one that the folder itself has, or had, counts as free.
    fn free_dir(&mut self, above: &FolderDir, name: &str, own: Option<FolderKey>) -> Result<FolderDir, SyncError> {
        let known = &self.known;
        let names = self.names.get_or_insert_with(|| Names::new(known, &self.local.folders, &self.local.blocked));
        let encoded = foldername::encode(name, &|twin_key| names.is_taken(above, twin_key, own, known));
        Ok(above.child(&encoded.name)?)
    }
}
