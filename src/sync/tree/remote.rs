//! The server's folders.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Directory;
use super::known::Known;
use super::local::Directories;
use crate::local::LocalWrite;
use crate::pim::{EntryKind, FolderId, FolderKey, FolderKind, ServerFolder, SpecialFolder, SyncState};
use crate::plan::folders::depths;
use crate::remote::{Absence, HiddenFolder, RemoteError, RemoteWrite};
use crate::state::FolderRow;
use crate::sync::{NoticeKind, Run, SyncError};

/// The server's tree as it was listed.
pub(super) struct RemoteTree {
    pub(super) folders: BTreeMap<FolderId, ServerFolder>,
    pub(super) special: HashMap<FolderId, SpecialFolder>,
    pub(super) root: FolderId,
    pub(super) state: SyncState,
    /// Known folders that are out of sight: they stay as they are known, on both sides.
    pub(super) hidden: BTreeSet<FolderKey>,
}

impl RemoteTree {
    pub(super) fn parent(&self, folder: &ServerFolder) -> Option<FolderId> {
        (folder.parent != self.root).then(|| folder.parent.clone())
    }

    /// Whether a folder lies in Deleted Items.
    pub(super) fn is_deleted(&self, folder: &ServerFolder) -> bool {
        std::iter::successors(Some(folder), |folder| self.folders.get(&folder.parent))
            .take(self.folders.len() + 1)
            .any(|folder| self.special.get(&folder.parent) == Some(&SpecialFolder::DeletedItems))
    }

    /// The folders that get a directory: those with messages or entries that people see, and what they lie in. People see what leads up to the root, and what no
    /// internal folder holds.
    pub(super) fn mirrored(&self) -> BTreeSet<FolderId> {
        let above = |id: &&FolderId| {
            let folder = self.folders.get(*id).filter(|folder| folder.kind != FolderKind::Internal)?;
            Some((folder.parent != self.root).then_some(&folder.parent))
        };
        let visible = depths(self.folders.keys(), above);
        let mut mirrored = BTreeSet::new();
        let has_files =
            |folder: &&ServerFolder| folder.kind == FolderKind::Mail || EntryKind::of_folder(folder.kind).is_some();
        for folder in self.folders.values().filter(has_files) {
            let mut at = Some(folder).filter(|folder| visible.contains_key(&folder.id));
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

/// The server's whole tree: what the base knows, with the changes since.
pub(super) async fn observe<R, L>(run: &Run<'_, R, L>, known: &Known) -> Result<RemoteTree, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    if run.remote().capabilities().absence == Absence::Hidden {
        return observe_shown(run, known).await;
    }
    let account = run.state().read(|state| state.account(&run.engine.settings.account))?;
    let listed = account.and_then(|account| Some((account.root?, account.hierarchy?)));
    let changes = match &listed {
        Some((_, state)) => match run.remote().folder_changes(Some(state)).await {
            Err(RemoteError::StateInvalid) => None,
            other => Some(other?),
        },
        None => None,
    };
    if let (Some((root, _)), Some(changes)) = (listed, changes) {
        let mut folders: BTreeMap<_, _> = known
            .rows()
            .filter(|row| row.on_server)
            .map(|row| (row.id.clone(), server_folder(row, known, &root)))
            .collect();
        changes.gone.iter().for_each(|id| drop(folders.remove(id)));
        folders.extend(changes.changed.into_iter().map(|folder| (folder.id.clone(), folder)));
        let special = known.rows().filter_map(|row| Some((row.id.clone(), row.special?))).collect();
        return Ok(RemoteTree { folders, special, root, state: changes.state, hidden: BTreeSet::new() });
    }
    let special = run.remote().special_folders().await?;
    let changes = run.remote().folder_changes(None).await?;
    let mut folders: BTreeMap<_, _> = changes.changed.into_iter().map(|folder| (folder.id.clone(), folder)).collect();
    let hidden = match run.remote().capabilities().absence {
        Absence::Gone | Absence::Hidden => BTreeSet::new(),
        Absence::Doubtful => keep_unlisted(known, &special.root, &mut folders),
    };
    let roles = special.special.into_iter().map(|(role, id)| (id, role)).collect();
    Ok(RemoteTree { folders, special: roles, root: special.root, state: changes.state, hidden })
}

const UNLISTED: &str = "the server shows this folder no more: it was deleted, or is hidden from you. Nothing was changed on either side; \
                        if it was deleted, remove its directory here";

/// Judges the folders that are known and not listed any more, where they may only be out of our sight: those whose directories are gone, too, are
/// gone on both sides. The others are told.
pub(super) fn judge_unlisted<R, L>(run: &Run<'_, R, L>, known: &Known, local: &Directories, remote: &mut RemoteTree)
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    if run.remote().capabilities().absence != Absence::Doubtful {
        return;
    }
    for row in std::mem::take(&mut remote.hidden).into_iter().filter_map(|key| known.row(key)) {
        if row.dir_id.is_some() && local.directory(row, known.dir_of(row.key)) == Directory::Away {
            remote.folders.remove(&row.id);
            continue;
        }
        remote.hidden.insert(row.key);
        run.notice(row.dir.as_deref().unwrap_or(&row.name), NoticeKind::FolderFailed, None, UNLISTED.to_owned());
    }
}

/// Adds the known folders that a listing does not tell of, as they are known.
fn keep_unlisted(
    known: &Known,
    root: &FolderId,
    folders: &mut BTreeMap<FolderId, ServerFolder>,
) -> BTreeSet<FolderKey> {
    let unlisted: Vec<&FolderRow> =
        known.rows().filter(|row| row.on_server && !folders.contains_key(&row.id)).collect();
    for row in &unlisted {
        folders.insert(row.id.clone(), server_folder(row, known, root));
    }
    unlisted.into_iter().map(|row| row.key).collect()
}

/// The folders that the server shows, where it follows nothing from it that it does not show one. All of them are what the settings name, so
/// that none is renamed, moved or deleted from here.
async fn observe_shown<R, L>(run: &Run<'_, R, L>, known: &Known) -> Result<RemoteTree, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let root = run.remote().special_folders().await?.root;
    let changes = run.remote().folder_changes(None).await?;
    for HiddenFolder { path, reason } in changes.hidden {
        run.notice(&path, NoticeKind::FolderFailed, None, reason);
    }
    let mut folders: BTreeMap<_, _> = changes.changed.into_iter().map(|folder| (folder.id.clone(), folder)).collect();
    let hidden = keep_unlisted(known, &root, &mut folders);
    let special = folders.keys().map(|id| (id.clone(), SpecialFolder::Public)).collect();
    Ok(RemoteTree { folders, special, root, state: changes.state, hidden })
}

fn server_folder(row: &FolderRow, known: &Known, root: &FolderId) -> ServerFolder {
    let parent = row.parent.and_then(|key| known.row(key));
    ServerFolder {
        id: row.id.clone(),
        change_key: None,
        parent: parent.map_or_else(|| root.clone(), |above| above.id.clone()),
        name: row.name.clone(),
        kind: row.kind,
    }
}
