//! The folders that the base knows, found by number, by id and by directory.

use std::collections::{BTreeMap, HashMap};

use crate::local::FolderDir;
use crate::pim::{FolderId, FolderKey};
use crate::state::FolderRow;

/// The base's folders, and which directories they were met in.
#[derive(Default)]
pub(super) struct Known {
    rows: BTreeMap<FolderKey, FolderRow>,
    by_id: HashMap<FolderId, FolderKey>,
    in_dir: HashMap<FolderDir, FolderKey>,
    dirs: HashMap<FolderKey, FolderDir>,
}

impl Known {
    pub(super) fn new(rows: Vec<FolderRow>) -> Self {
        let mut known = Self::default();
        rows.into_iter().for_each(|row| known.note(row));
        known
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &FolderRow> {
        self.rows.values()
    }

    pub(super) fn row(&self, key: FolderKey) -> Option<&FolderRow> {
        self.rows.get(&key)
    }

    pub(super) fn row_of(&self, id: &FolderId) -> Option<&FolderRow> {
        self.by_id.get(id).and_then(|key| self.rows.get(key))
    }

    /// Takes a row as it is now.
    pub(super) fn note(&mut self, row: FolderRow) {
        if let Some(before) = self.rows.get(&row.key).filter(|before| before.id != row.id) {
            self.by_id.remove(&before.id);
        }
        self.by_id.insert(row.id.clone(), row.key);
        self.rows.insert(row.key, row);
    }

    /// The folder that a directory belongs to.
    pub(super) fn in_dir(&self, dir: &FolderDir) -> Option<FolderKey> {
        self.in_dir.get(dir).copied()
    }

    /// The directory that a folder was met in.
    pub(super) fn dir_of(&self, key: FolderKey) -> Option<&FolderDir> {
        self.dirs.get(&key)
    }

    /// Notes that a folder's directory is this one.
    pub(super) fn meet(&mut self, key: FolderKey, dir: FolderDir) {
        if let Some(before) = self.dirs.insert(key, dir.clone()).filter(|before| *before != dir) {
            self.in_dir.remove(&before);
        }
        self.in_dir.insert(dir, key);
    }

    /// A directory was moved, and what lies below it with it. The rows that name another directory now.
    pub(super) fn rebase(&mut self, from: &FolderDir, to: &FolderDir) -> Vec<FolderRow> {
        self.in_dir = self.in_dir.drain().map(|(dir, key)| (dir.rebased(from, to), key)).collect();
        self.dirs.values_mut().for_each(|dir| *dir = dir.rebased(from, to));
        self.rebase_rows(from, to)
    }

    /// The rows' directories alone; those that name another one now.
    pub(super) fn rebase_rows(&mut self, from: &FolderDir, to: &FolderDir) -> Vec<FolderRow> {
        let mut changed = Vec::new();
        for row in self.rows.values_mut() {
            let Some(dir) = row.dir.as_deref().and_then(|dir| FolderDir::new(dir).ok()) else { continue };
            if dir.is_within(from) {
                row.dir = Some(dir.rebased(from, to).as_str().to_owned());
                changed.push(row.clone());
            }
        }
        changed
    }
}
