//! The directories, and which known folder each belongs to.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::Directory;
use super::known::Known;
use crate::local::{DirId, FolderDir, LocalFolder, LocalTree, LocalWrite, MessageName, foldername};
use crate::pim::EntryKind;
use crate::remote::RemoteWrite;
use crate::state::{FolderRow, name_hash};
use crate::sync::{NoticeKind, Run, SyncError, stops_run};

/// The directories as they were met.
pub(super) struct Directories {
    pub(super) folders: BTreeMap<FolderDir, LocalFolder>,
    /// Whether nothing moved while they were listed.
    stable: bool,
    unreadable: Vec<FolderDir>,
    unnamed: Vec<DirId>,
    pub(super) blocked: Vec<FolderDir>,
}

impl Directories {
    /// The folders among the directories: those with mail, those that hold such, those in folders of entries, and those that the base knows.
    pub(super) async fn observe<R, L>(run: &Run<'_, R, L>, known: &Known) -> Result<Self, SyncError>
    where
        R: RemoteWrite + 'static,
        L: LocalWrite + 'static,
    {
        let LocalTree { folders, problems, unreadable, unnamed, blocked, stable } =
            run.blocking(|local| local.folders()).await?;
        for problem in problems {
            let path = problem.path.display().to_string();
            run.notice(problem.dir.as_str(), NoticeKind::Skipped, Some(path), problem.kind.advice().to_owned());
        }
        let with_mail: HashSet<FolderDir> = folders
            .iter()
            .filter(|folder| folder.maildir)
            .flat_map(|folder| std::iter::successors(Some(folder.dir.clone()), FolderDir::parent))
            .collect();
        let entries = known.rows().filter(|row| EntryKind::of_folder(row.kind).is_some());
        let entries: HashSet<&str> = entries.filter_map(|row| row.dir.as_deref()).collect();
        let is_among_entries = |folder: &LocalFolder| {
            std::iter::successors(folder.dir.parent(), FolderDir::parent).any(|dir| entries.contains(dir.as_str()))
        };
        let in_base: HashSet<&str> = known.rows().filter_map(|row| row.dir.as_deref()).collect();
        // A directory of entries that somebody gave another name shows by its number alone that it is one.
        let numbers: HashSet<(u64, u64)> = known.rows().filter_map(|row| row.dir_id).collect();
        let folders = folders
            .into_iter()
            .filter(|folder| {
                with_mail.contains(&folder.dir)
                    || in_base.contains(folder.dir.as_str())
                    || numbers.contains(&(folder.id.dev, folder.id.ino))
                    || is_among_entries(folder)
            })
            .map(|folder| (folder.dir.clone(), folder))
            .collect();
        Ok(Self { folders, stable, unreadable, unnamed, blocked })
    }

    /// How the directory of a folder was met.
    pub(super) fn directory(&self, row: &FolderRow, met: Option<&FolderDir>) -> Directory {
        let Some(dir) = row.dir.as_deref() else { return Directory::None };
        if met.is_some_and(|met| self.folders.contains_key(met)) {
            return Directory::Here;
        }
        let Ok(dir) = FolderDir::new(dir) else { return Directory::Unknown };
        let hidden = self.unreadable.iter().chain(&self.blocked).any(|other| dir.is_within(other));
        let renamed = row.dir_id.is_some_and(|(dev, ino)| self.unnamed.contains(&DirId { dev, ino }));
        if !self.stable || hidden || renamed { Directory::Unknown } else { Directory::Away }
    }

    /// A directory was moved: so was everything below it.
    pub(super) fn rebase(&mut self, from: &FolderDir, to: &FolderDir) {
        let folders = std::mem::take(&mut self.folders).into_values();
        let moved = folders.map(|folder| {
            let dir = folder.dir.rebased(from, to);
            let name = if dir == *to { foldername::decode(to.name()) } else { folder.name };
            (dir.clone(), LocalFolder { dir, name, ..folder })
        });
        self.folders = moved.collect();
    }
}

/// Notes which directory each folder of the base was met in.
///
/// A directory in its old place is the old one, unless nothing in it is known while another one holds it all. One in a new place is known
/// by its number on the file system or, after a copy or a restore, by the messages in it.
pub(super) fn match_directories<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    known: &mut Known,
    local: &Directories,
) -> Result<(), SyncError> {
    let by_id: HashMap<(u64, u64), &LocalFolder> =
        local.folders.values().map(|folder| ((folder.id.dev, folder.id.ino), folder)).collect();
    let by_id = |row: &FolderRow| row.dir_id.and_then(|id| by_id.get(&id).copied());
    let mut comparison = Comparison { run, listed: HashMap::new() };
    let mut met = Vec::new();
    let mut lost = Vec::new();
    for row in known.rows() {
        let Some(dir) = row.dir.as_deref() else { continue };
        let found = match FolderDir::new(dir).ok().and_then(|dir| local.folders.get(&dir)) {
            Some(folder) if is_id(row, folder) || by_id(row).is_none() => Some(folder),
            Some(folder) if comparison.overlap(&comparison.names(row)?, folder)? != Overlap::Nothing => Some(folder),
            Some(_) | None => None,
        };
        match found {
            Some(folder) => met.push((row.key, folder.dir.clone())),
            None => lost.push(row.clone()),
        }
    }
    met.into_iter().for_each(|(key, dir)| known.meet(key, dir));
    for row in lost {
        let names = comparison.names(&row)?;
        let is_free = |folder: &&LocalFolder| known.in_dir(&folder.dir).is_none();
        let renamed = match by_id(&row).filter(is_free) {
            Some(folder) if comparison.overlap(&names, folder)? != Overlap::Nothing => Some(folder),
            Some(_) | None => None,
        };
        let mut found = renamed;
        // Without messages nothing more can tell.
        if found.is_none() && !names.is_empty() {
            for folder in local.folders.values().filter(|folder| folder.maildir).filter(is_free) {
                if comparison.overlap(&names, folder)? == Overlap::Most {
                    found = Some(folder);
                    break;
                }
            }
        }
        if let Some(folder) = found {
            known.meet(row.key, folder.dir.clone());
        }
    }
    Ok(())
}

fn is_id(row: &FolderRow, folder: &LocalFolder) -> bool {
    row.dir_id == Some((folder.id.dev, folder.id.ino))
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

/// Compares the messages of folders with what lies in directories, each of which is listed once.
struct Comparison<'c, 'e, R, L> {
    run: &'c Run<'e, R, L>,
    /// The hashes of the names in a directory; none in one that cannot be listed.
    listed: HashMap<FolderDir, Vec<i64>>,
}

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Comparison<'_, '_, R, L> {
    /// The hashes of the names of a folder's known messages.
    fn names(&self, row: &FolderRow) -> Result<HashSet<i64>, SyncError> {
        let mut names = HashSet::new();
        self.run.state().read(|state| {
            state.briefs(row.key, |hash, _| {
                names.insert(hash);
            })
        })?;
        Ok(names)
    }

    fn overlap(&mut self, names: &HashSet<i64>, folder: &LocalFolder) -> Result<Overlap, SyncError> {
        if names.is_empty() {
            return Ok(Overlap::Untold);
        }
        let listed = match self.listed.entry(folder.dir.clone()) {
            Entry::Occupied(listed) => listed.into_mut(),
            Entry::Vacant(listed) => listed.insert(list(self.run, &folder.dir)?),
        };
        Ok(match listed.iter().filter(|hash| names.contains(hash)).count() {
            0 => Overlap::Nothing,
            met if met * 2 >= names.len() => Overlap::Most,
            _ => Overlap::Some,
        })
    }
}

fn list<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    dir: &FolderDir,
) -> Result<Vec<i64>, SyncError> {
    let mut hashes = Vec::new();
    match run.local().scan(dir, &mut |name: MessageName| hashes.push(name_hash(name.key()))) {
        Ok(_) => Ok(hashes),
        Err(error) if stops_run(&error) => Err(error.into()),
        Err(_) => Ok(Vec::new()),
    }
}
