//! What to do about the folders: three trees in, operations out.
//!
//! A folder's name and its place are merged field by field; where both sides changed the same one, the server's holds. A folder
//! that vanished on one side is not deleted here: its items are planned one by one first, and only what is empty then goes.

use std::collections::{BTreeMap, BTreeSet};

use super::guard::{Brake, too_many};
use super::proof::FolderRemoval;
use crate::pim::{FolderId, FolderKey};
use crate::plan::Side;

/// Where a folder lies: below another one, or at the top.
pub type Parent<T> = Option<T>;

/// A folder that both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseFolder {
    /// Its number.
    pub key: FolderKey,
    /// Its id on the server.
    pub id: FolderId,
    /// The folder it lies in.
    pub parent: Parent<FolderKey>,
    /// Its true name.
    pub name: String,
    /// Whether it has a fixed role: never renamed, moved or deleted.
    pub special: bool,
    /// Whether it has a directory.
    pub mirrored: bool,
}

/// A folder on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFolder {
    /// Its id.
    pub id: FolderId,
    /// The folder it lies in.
    pub parent: Parent<FolderId>,
    /// Its name.
    pub name: String,
    /// Whether it is to have a directory.
    pub mirrored: bool,
}

/// A directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFolder<D> {
    /// Where it is.
    pub dir: D,
    /// The directory it lies in.
    pub parent: Parent<D>,
    /// Its true name.
    pub name: String,
    /// The folder that it is known to belong to.
    pub known: Option<FolderKey>,
}

/// The three trees.
#[derive(Clone, Debug)]
pub struct Trees<'a, D> {
    /// What was agreed.
    pub base: &'a [BaseFolder],
    /// The server's whole tree.
    pub remote: &'a [RemoteFolder],
    /// All directories, parents first.
    pub local: &'a [LocalFolder<D>],
}

/// One thing to do about one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderOp<D> {
    /// The server has a folder that is new to us: note it, and make its directory if it is to have one.
    MakeLocal(FolderId),
    /// Both sides have it already.
    Adopt {
        /// On the server.
        id: FolderId,
        /// On disk.
        dir: D,
    },
    /// The directory moves to where the server has the folder, or back to where a special folder belongs.
    PlaceLocal(FolderKey),
    /// A folder that we knew without a directory is to have one now.
    GiveDirectory(FolderKey),
    /// The directory is new: create the folder on the server.
    MakeRemote(D),
    /// The directory was renamed: rename the folder.
    RenameRemote {
        /// The folder.
        key: FolderKey,
        /// Its new name.
        name: String,
    },
    /// The directory was moved: move the folder.
    MoveRemote {
        /// The folder.
        key: FolderKey,
        /// The directory that it lies in now; `None` at the top.
        into: Parent<D>,
    },
    /// The folder vanished on that side. Once its items are dealt with, what is empty goes on the other side too.
    Vanished {
        /// The folder.
        key: FolderKey,
        /// Where it is gone.
        on: Side,
    },
    /// The folder is gone on both sides.
    Forget(FolderKey),
}

/// Plans for the folders. Operations on parents come before those on what lies in them.
pub fn plan_folders<D: Clone + Ord>(trees: &Trees<'_, D>) -> Vec<FolderOp<D>> {
    let planner = Planner::new(trees);
    let mut ops = Vec::new();
    for folder in planner.remote_parents_first() {
        ops.extend(planner.for_remote(folder));
    }
    for folder in trees.base {
        ops.extend(planner.for_base(folder));
    }
    for folder in trees.local {
        ops.extend(planner.for_local(folder));
    }
    ops
}

struct Planner<'a, D> {
    trees: &'a Trees<'a, D>,
    base: BTreeMap<FolderKey, &'a BaseFolder>,
    known_ids: BTreeMap<&'a FolderId, &'a BaseFolder>,
    remote: BTreeMap<&'a FolderId, &'a RemoteFolder>,
    by_known: BTreeMap<FolderKey, &'a LocalFolder<D>>,
    by_dir: BTreeMap<&'a D, &'a LocalFolder<D>>,
    /// New folders that lie on both sides.
    adopted: BTreeMap<&'a FolderId, &'a D>,
}

impl<'a, D: Clone + Ord> Planner<'a, D> {
    fn new(trees: &'a Trees<'a, D>) -> Self {
        let mut planner = Self {
            trees,
            base: trees.base.iter().map(|folder| (folder.key, folder)).collect(),
            known_ids: trees.base.iter().map(|folder| (&folder.id, folder)).collect(),
            remote: trees.remote.iter().map(|folder| (&folder.id, folder)).collect(),
            by_known: trees.local.iter().filter_map(|folder| Some((folder.known?, folder))).collect(),
            by_dir: trees.local.iter().map(|folder| (&folder.dir, folder)).collect(),
            adopted: BTreeMap::new(),
        };
        planner.adopted = planner.find_adopted();
        planner
    }

    /// The server's tree with parents first. A folder whose parents lead in a circle, or to nowhere, comes last.
    fn remote_parents_first(&self) -> Vec<&'a RemoteFolder> {
        let mut folders: Vec<_> = self.trees.remote.iter().map(|folder| (self.remote_depth(folder), folder)).collect();
        folders.sort_by_key(|(depth, _)| *depth);
        folders.into_iter().map(|(_, folder)| folder).collect()
    }

    fn remote_depth(&self, folder: &RemoteFolder) -> usize {
        let mut parent = folder.parent.as_ref();
        for depth in 0..self.trees.remote.len() {
            match parent {
                None => return depth,
                Some(id) => match self.remote.get(id) {
                    Some(above) => parent = above.parent.as_ref(),
                    None => break,
                },
            }
        }
        usize::MAX
    }

    /// Pairs new folders of the server with new directories of the same name in the same place. Parents come first, so a pair
    /// can lead to pairs below it.
    fn find_adopted(&self) -> BTreeMap<&'a FolderId, &'a D> {
        let mut free: BTreeMap<(Parent<&D>, String), &'a LocalFolder<D>> = BTreeMap::new();
        for folder in self.trees.local.iter().rev().filter(|folder| folder.known.is_none()) {
            free.insert((folder.parent.as_ref(), fold(&folder.name)), folder);
        }
        let mut pairs: BTreeMap<&'a FolderId, &'a D> = BTreeMap::new();
        for folder in self.remote_parents_first() {
            if self.known_ids.get(&folder.id).is_some_and(|base| base.mirrored) || !folder.mirrored {
                continue;
            }
            let place = match &folder.parent {
                None => None,
                Some(parent) => match self.dir_of(parent).or_else(|| pairs.get(parent).copied()) {
                    Some(dir) => Some(dir),
                    None => continue,
                },
            };
            if let Some(twin) = free.remove(&(place, fold(&folder.name))) {
                pairs.insert(&folder.id, &twin.dir);
            }
        }
        pairs
    }

    /// The directory of a known folder.
    fn dir_of(&self, id: &FolderId) -> Option<&'a D> {
        let base = self.known_ids.get(id)?;
        self.by_known.get(&base.key).map(|folder| &folder.dir)
    }

    fn for_remote(&self, folder: &'a RemoteFolder) -> Option<FolderOp<D>> {
        if let Some(dir) = self.adopted.get(&folder.id) {
            return Some(FolderOp::Adopt { id: folder.id.clone(), dir: (*dir).clone() });
        }
        let Some(base) = self.known_ids.get(&folder.id) else {
            return Some(FolderOp::MakeLocal(folder.id.clone()));
        };
        if !base.mirrored {
            return folder.mirrored.then_some(FolderOp::GiveDirectory(base.key));
        }
        let local = self.by_known.get(&base.key)?;
        let renamed_there = folder.name != base.name;
        let moved_there = folder.parent.as_ref() != self.base_parent_id(base);
        let displaced_here = base.special && (self.renamed_here(base, local) || self.moved_here(base, local));
        (renamed_there || moved_there || displaced_here).then_some(FolderOp::PlaceLocal(base.key))
    }

    fn for_base(&self, base: &BaseFolder) -> Option<FolderOp<D>> {
        let remote = self.remote.contains_key(&base.id);
        let local = self.by_known.contains_key(&base.key);
        match (remote, local, base.mirrored) {
            (true, true, _) | (true, false, false) => None,
            (true, false, true) => Some(FolderOp::Vanished { key: base.key, on: Side::Local }),
            (false, true, _) => Some(FolderOp::Vanished { key: base.key, on: Side::Remote }),
            (false, false, _) => Some(FolderOp::Forget(base.key)),
        }
    }

    fn for_local(&self, local: &LocalFolder<D>) -> Vec<FolderOp<D>> {
        let Some(base) = local.known.and_then(|key| self.base.get(&key)) else {
            let adopted = self.adopted.values().any(|dir| **dir == local.dir);
            return if adopted { vec![] } else { vec![FolderOp::MakeRemote(local.dir.clone())] };
        };
        let Some(remote) = self.remote.get(&base.id) else { return vec![] };
        if base.special {
            return vec![];
        }
        let mut ops = Vec::new();
        if self.moved_here(base, local) && remote.parent.as_ref() == self.base_parent_id(base) {
            ops.push(FolderOp::MoveRemote { key: base.key, into: local.parent.clone() });
        }
        if self.renamed_here(base, local) && remote.name == base.name {
            ops.push(FolderOp::RenameRemote { key: base.key, name: local.name.clone() });
        }
        ops
    }

    fn renamed_here(&self, base: &BaseFolder, local: &LocalFolder<D>) -> bool {
        local.name != base.name
    }

    fn moved_here(&self, base: &BaseFolder, local: &LocalFolder<D>) -> bool {
        match (&local.parent, base.parent) {
            (None, None) => false,
            (Some(dir), Some(key)) => self.by_dir.get(dir).and_then(|parent| parent.known) != Some(key),
            (None, Some(_)) | (Some(_), None) => true,
        }
    }

    fn base_parent_id(&self, base: &BaseFolder) -> Parent<&FolderId> {
        base.parent.and_then(|key| self.base.get(&key)).map(|parent| &parent.id)
    }
}

/// How names compare: as Exchange does, without regard to case.
fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// A folder that vanished on one side, after its items were dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emptied {
    /// The folder.
    pub key: FolderKey,
    /// The folder it lies in, if that vanished too.
    pub within: Option<FolderKey>,
    /// The side on which it is still there.
    pub left_on: Side,
    /// Whether it has a fixed role.
    pub special: bool,
    /// Whether anything is left in it on that side, besides folders that vanished too.
    pub in_use: bool,
}

/// What becomes of a folder that vanished on one side.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// It goes on the other side too.
    Remove(FolderKey, Side, FolderRemoval),
    /// It is made again where it vanished: it has a fixed role, or something in it was new, changed or held.
    Restore(FolderKey, Side),
    /// Too many folders would go at once.
    Held(FolderKey, Side),
}

/// Decides about vanished folders, given with those that lie deeper first. `total` is how many folders the base knows, for the
/// brake.
pub fn end_folders(emptied: &[Emptied], brake: Brake, total: u64) -> Vec<Ending> {
    let mut kept = BTreeSet::new();
    for folder in emptied {
        if folder.special || folder.in_use || kept.contains(&folder.key) {
            kept.insert(folder.key);
            kept.extend(folder.within);
        }
    }
    let removals = emptied.iter().filter(|folder| !kept.contains(&folder.key)).count();
    let held = brake == Brake::On && too_many(removals as u64, total);
    let ending = |folder: &Emptied| match (kept.contains(&folder.key), held) {
        (true, _) => Ending::Restore(folder.key, folder.left_on),
        (false, true) => Ending::Held(folder.key, folder.left_on),
        (false, false) => Ending::Remove(folder.key, folder.left_on, FolderRemoval::proven()),
    };
    emptied.iter().map(ending).collect()
}
