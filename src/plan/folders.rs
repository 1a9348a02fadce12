//! What to do about the folders: three trees in, operations out.
//!
//! A folder's name and its place are merged field by field; where both sides changed the same one, the server's holds. A folder
//! that vanished on one side is not deleted here: its items are planned one by one first, and only what is empty then goes
//! ([`super::ending`]).
//!
//! The merged places must make a tree again: where a move here and a move there would put two folders inside each other, the one
//! made here is taken back. Folders of the server whose parents lead in a circle or to nowhere are left alone.

use std::collections::{BTreeMap, BTreeSet};

use super::item::Side;
use super::pushing::{Pushing, Spot, Target, Wish};
use crate::pim::{FolderId, FolderKey};

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
    /// Both sides have it already, perhaps spelt with other capitals here: the server's spelling is noted for the directory.
    Adopt {
        /// On the server.
        id: FolderId,
        /// On disk.
        dir: D,
    },
    /// The directory follows the folder on the server, or goes back to where the server has it. The base takes the server's name
    /// and place; of the directory, only what is named here changes, since the rest may be a change of its own that is pushed later.
    PlaceLocal {
        /// The folder.
        key: FolderKey,
        /// Whether the directory takes the server's name.
        renamed: bool,
        /// Whether the directory moves into the server's place.
        moved: bool,
    },
    /// A folder that we knew without a directory is to have one now.
    GiveDirectory(FolderKey),
    /// The directory is new: create the folder on the server.
    MakeRemote(D),
    /// The directory was renamed: rename the folder. Where names were swapped, one of them is given another name in between.
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

/// Plans for the folders, to be carried out in this order: parents come before what lies in them, and a name is given up before
/// another folder takes it. A name of a folder that vanished here is not asked for before that is dealt with; one that nothing gives
/// up is asked for all the same: the server refuses it, and the person is told.
pub fn plan_folders<D: Clone + Ord>(trees: &Trees<'_, D>) -> Vec<FolderOp<D>> {
    let mut planner = Planner::new(trees);
    planner.take_back_circles();
    let depths = planner.merged_depths();
    let mut ops = Vec::new();
    for folder in planner.remote_in_order(&depths) {
        ops.extend(planner.for_remote(folder));
    }
    for folder in trees.base {
        ops.extend(planner.for_base(folder));
    }
    ops.extend(planner.pushes(&depths));
    ops
}

struct Planner<'a, D> {
    trees: &'a Trees<'a, D>,
    base: BTreeMap<FolderKey, &'a BaseFolder>,
    known_ids: BTreeMap<&'a FolderId, &'a BaseFolder>,
    remote: BTreeMap<&'a FolderId, &'a RemoteFolder>,
    by_known: BTreeMap<FolderKey, &'a LocalFolder<D>>,
    by_dir: BTreeMap<&'a D, &'a LocalFolder<D>>,
    /// The folders of the server that lie below its root, and how deep.
    depths: BTreeMap<&'a FolderId, usize>,
    /// Folders of the server whose directories are new to us.
    adopted: BTreeMap<&'a FolderId, &'a D>,
    adopted_dirs: BTreeMap<&'a D, &'a FolderId>,
    /// Folders that were moved here, and must go back.
    taken_back: BTreeSet<FolderKey>,
}

/// How deep everything lies once both sides agree.
type Depths<'a, D> = BTreeMap<Spot<'a, D>, usize>;

impl<'a, D: Clone + Ord> Planner<'a, D> {
    fn new(trees: &'a Trees<'a, D>) -> Self {
        let mut planner = Self {
            trees,
            base: trees.base.iter().map(|folder| (folder.key, folder)).collect(),
            known_ids: trees.base.iter().map(|folder| (&folder.id, folder)).collect(),
            remote: trees.remote.iter().map(|folder| (&folder.id, folder)).collect(),
            by_known: trees.local.iter().filter_map(|folder| Some((folder.known?, folder))).collect(),
            by_dir: trees.local.iter().map(|folder| (&folder.dir, folder)).collect(),
            depths: BTreeMap::new(),
            adopted: BTreeMap::new(),
            adopted_dirs: BTreeMap::new(),
            taken_back: BTreeSet::new(),
        };
        planner.depths = planner.remote_depths();
        planner.adopted = planner.find_adopted();
        planner.adopted_dirs = planner.adopted.iter().map(|(id, dir)| (*dir, *id)).collect();
        planner
    }

    fn remote_depths(&self) -> BTreeMap<&'a FolderId, usize> {
        let above = |id: &&'a FolderId| self.remote.get(id).map(|folder| folder.parent.as_ref());
        depths(self.remote.keys().copied(), above)
    }

    /// Pairs folders of the server that have no directory, or lost theirs, with new directories of the same name in the same place.
    /// Parents come first, so a pair can lead to pairs below it.
    fn find_adopted(&self) -> BTreeMap<&'a FolderId, &'a D> {
        let mut free: BTreeMap<(Parent<&D>, String), Vec<&'a LocalFolder<D>>> = BTreeMap::new();
        for folder in self.trees.local.iter().filter(|folder| self.base_of(folder).is_none()) {
            free.entry((folder.parent.as_ref(), fold(&folder.name))).or_default().push(folder);
        }
        let mut folders: Vec<_> = self.depths.iter().map(|(id, depth)| (*depth, *id)).collect();
        folders.sort_unstable();
        let mut pairs: BTreeMap<&'a FolderId, &'a D> = BTreeMap::new();
        for folder in folders.into_iter().filter_map(|(_, id)| self.remote.get(id)) {
            if self.dir_of(&folder.id).is_some() || !folder.mirrored {
                continue;
            }
            let place = match &folder.parent {
                None => None,
                Some(parent) => match self.dir_of(parent).or_else(|| pairs.get(parent).copied()) {
                    Some(dir) => Some(dir),
                    None => continue,
                },
            };
            let Some(twins) = free.get_mut(&(place, fold(&folder.name))) else { continue };
            let spelt_alike = twins.iter().position(|twin| twin.name == folder.name).unwrap_or_default();
            if spelt_alike < twins.len() {
                pairs.insert(&folder.id, &twins.remove(spelt_alike).dir);
            }
        }
        pairs
    }

    /// The directory of a known folder.
    fn dir_of(&self, id: &FolderId) -> Option<&'a D> {
        let base = self.known_ids.get(id)?;
        self.by_known.get(&base.key).map(|folder| &folder.dir)
    }

    /// The folder that a directory belongs to.
    fn base_of(&self, local: &LocalFolder<D>) -> Option<&'a BaseFolder> {
        local.known.and_then(|key| self.base.get(&key)).copied()
    }

    /// Takes back the moves made here that would put folders inside each other, or into one that is gone on the server.
    fn take_back_circles(&mut self) {
        let moved: Vec<_> = self.trees.local.iter().filter_map(|local| self.wishes_move(local)).collect();
        let mut safe = BTreeSet::new();
        for base in moved {
            while self.wishes_move_of(base.key) {
                match self.way_up(Spot::Folder(&base.id), &safe) {
                    Ok(path) => {
                        safe.extend(path);
                        break;
                    }
                    Err(culprits) if culprits.is_empty() => break,
                    Err(culprits) => self.taken_back.extend(culprits),
                }
            }
        }
    }

    /// What lies between something and the top, or something safe, in the tree that both sides would agree on. Where no way leads up:
    /// the moves made here that are to blame.
    fn way_up(&self, from: Spot<'a, D>, safe: &BTreeSet<Spot<'a, D>>) -> Result<Vec<Spot<'a, D>>, Vec<FolderKey>> {
        let moved_here = |spot: &Spot<'a, D>| self.key_of(*spot).filter(|key| self.wishes_move_of(*key));
        let mut path = Vec::new();
        let mut seen = BTreeSet::new();
        let mut at = Some(from);
        while let Some(spot) = at {
            if spot == Spot::Top || safe.contains(&spot) {
                return Ok(path);
            }
            if !seen.insert(spot) {
                return Err(path.iter().skip_while(|other| **other != spot).filter_map(moved_here).collect());
            }
            path.push(spot);
            at = self.merged_parent(spot);
        }
        Err(path.iter().rev().find_map(moved_here).into_iter().collect())
    }

    fn key_of(&self, spot: Spot<'a, D>) -> Option<FolderKey> {
        match spot {
            Spot::Folder(id) => self.known_ids.get(id).map(|base| base.key),
            Spot::Top | Spot::Dir(_) => None,
        }
    }

    fn wishes_move_of(&self, key: FolderKey) -> bool {
        self.by_known.get(&key).is_some_and(|local| self.wishes_move(local).is_some())
    }

    /// The folder, if its directory was moved and the server is to follow.
    fn wishes_move(&self, local: &LocalFolder<D>) -> Option<&'a BaseFolder> {
        let base = self.base_of(local)?;
        let remote = self.remote.get(&base.id)?;
        let follows = !base.special && !self.moved_there(base, remote) && !self.taken_back.contains(&base.key);
        (follows && self.depths.contains_key(&base.id) && self.moved_here(base, local)).then_some(base)
    }

    /// The folder, if its directory was renamed and the server is to follow.
    fn wishes_name(&self, local: &LocalFolder<D>) -> Option<&'a BaseFolder> {
        let base = self.base_of(local)?;
        let remote = self.remote.get(&base.id)?;
        (!base.special && remote.name == base.name && self.renamed_here(base, local)).then_some(base)
    }

    /// The place of a directory, by its folder where it has one.
    fn spot(&self, dir: Parent<&'a D>) -> Spot<'a, D> {
        let Some(dir) = dir else { return Spot::Top };
        let known = self.by_dir.get(dir).and_then(|local| self.base_of(local)).map(|base| &base.id);
        match known.or_else(|| self.adopted_dirs.get(dir).copied()) {
            Some(id) => Spot::Folder(id),
            None => Spot::Dir(dir),
        }
    }

    /// What something lies in once both sides agree. `None` when that is gone on the server, or leads to nowhere.
    fn merged_parent(&self, spot: Spot<'a, D>) -> Option<Spot<'a, D>> {
        match spot {
            Spot::Top => None,
            Spot::Dir(dir) => self.by_dir.get(dir).map(|local| self.spot(local.parent.as_ref())),
            Spot::Folder(id) => {
                let remote = self.remote.get(id).filter(|_| self.depths.contains_key(id))?;
                let key = self.known_ids.get(id).map(|base| base.key);
                let local = key.and_then(|key| self.by_known.get(&key));
                match local.filter(|local| self.wishes_move(local).is_some()) {
                    Some(local) => Some(self.spot(local.parent.as_ref())),
                    None => Some(remote.parent.as_ref().map_or(Spot::Top, Spot::Folder)),
                }
            }
        }
    }

    fn merged_depths(&self) -> Depths<'a, D> {
        let folders = self.depths.keys().map(|id| Spot::Folder(id));
        let dirs = self.trees.local.iter().map(|local| self.spot(Some(&local.dir)));
        let above = |spot: &Spot<'a, D>| self.merged_parent(*spot).map(|spot| (spot != Spot::Top).then_some(spot));
        depths(folders.chain(dirs), above)
    }

    /// The server's folders, parents first in the tree that both sides will agree on, so that no directory is moved into itself.
    fn remote_in_order(&self, depths: &Depths<'a, D>) -> Vec<&'a RemoteFolder> {
        let depth = |folder: &RemoteFolder| depths.get(&Spot::Folder(&folder.id)).copied();
        let reached = self.trees.remote.iter().filter(|folder| self.depths.contains_key(&folder.id));
        let mut folders: Vec<_> = reached.filter_map(|folder| Some((depth(folder)?, folder))).collect();
        folders.sort_by_key(|(depth, _)| *depth);
        folders.into_iter().map(|(_, folder)| folder).collect()
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
        let renamed = folder.name != base.name || base.special && self.renamed_here(base, local);
        let taken_back = base.special && self.moved_here(base, local) || self.taken_back.contains(&base.key);
        let moved = self.moved_there(base, folder) || taken_back;
        (renamed || moved).then_some(FolderOp::PlaceLocal { key: base.key, renamed, moved })
    }

    fn is_away_here(&self, base: &BaseFolder) -> bool {
        !self.by_known.contains_key(&base.key) && !self.adopted.contains_key(&base.id)
    }

    fn for_base(&self, base: &BaseFolder) -> Option<FolderOp<D>> {
        let remote = self.remote.contains_key(&base.id);
        let local = !self.is_away_here(base);
        match (remote, local, base.mirrored) {
            (true, true, _) | (true, false, false) => None,
            (true, false, true) => Some(FolderOp::Vanished { key: base.key, on: Side::Local }),
            (false, true, _) => Some(FolderOp::Vanished { key: base.key, on: Side::Remote }),
            (false, false, _) => Some(FolderOp::Forget(base.key)),
        }
    }

    /// What the server is told, in an order that it can follow.
    fn pushes(&self, depths: &Depths<'a, D>) -> Vec<FolderOp<D>> {
        let depth = |local: &'a LocalFolder<D>| depths.get(&self.spot(Some(&local.dir))).copied();
        let mut wishes: Vec<_> =
            self.trees.local.iter().filter_map(|local| Some((depth(local)?, self.wish(local)?))).collect();
        wishes.sort_by_key(|(depth, _)| *depth);
        let wishes = wishes.into_iter().map(|(_, wish)| wish).collect();
        let vanished_here = |base: &&BaseFolder| base.mirrored && !base.special && self.is_away_here(base);
        let leaving = self.trees.base.iter().filter(vanished_here).map(|base| Spot::Folder(&base.id)).collect();
        Pushing::new(self.trees.remote, wishes, leaving).ops()
    }

    fn wish(&self, local: &'a LocalFolder<D>) -> Option<Wish<'a, D>> {
        let into = self.spot(local.parent.as_ref());
        let Some(base) = self.base_of(local) else {
            let target = Target { into: Some((into, local.parent.as_ref())), name: Some(local.name.clone()) };
            let adopted = self.adopted_dirs.contains_key(&local.dir);
            return (!adopted).then_some(Wish { spot: Spot::Dir(&local.dir), key: None, target });
        };
        let target = Target {
            into: self.wishes_move(local).map(|_| (into, local.parent.as_ref())),
            name: self.wishes_name(local).map(|_| local.name.clone()),
        };
        let wished = target.into.is_some() || target.name.is_some();
        wished.then_some(Wish { spot: Spot::Folder(&base.id), key: Some(base.key), target })
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

    fn moved_there(&self, base: &BaseFolder, remote: &RemoteFolder) -> bool {
        let agreed = base.parent.and_then(|key| self.base.get(&key)).map(|parent| &parent.id);
        remote.parent.as_ref() != agreed
    }
}

/// How deep everything lies, given what each lies in: `Some(None)` at the top, `None` where that is not known. What leads in a
/// circle or to nowhere has no depth. Each is looked at once, however deep the tree.
pub(crate) fn depths<T: Copy + Ord>(
    all: impl Iterator<Item = T>,
    above: impl Fn(&T) -> Option<Option<T>>,
) -> BTreeMap<T, usize> {
    let mut depths: BTreeMap<T, Option<usize>> = BTreeMap::new();
    for start in all {
        let mut path = Vec::new();
        let mut at = Some(Some(start));
        let top = loop {
            match at {
                None => break None,
                Some(None) => break Some(0),
                Some(Some(place)) => match depths.get(&place) {
                    Some(depth) => break depth.map(|depth| depth + 1),
                    None => {
                        // No depth until the path is known to end: a circle meets this.
                        depths.insert(place, None);
                        path.push(place);
                        at = above(&place);
                    }
                },
            }
        };
        for (depth, place) in path.into_iter().rev().enumerate() {
            depths.insert(place, top.map(|top| top + depth));
        }
    }
    depths.into_iter().filter_map(|(place, depth)| Some((place, depth?))).collect()
}

/// How names compare: as Exchange does, without regard to case.
pub(super) fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// The name that a folder has on its way to the one that is wanted, where that is not free yet. The same each time, so that a folder that
/// a run was cut off with is known again.
pub fn spare_name(wanted: &str, key: FolderKey) -> String {
    format!("{wanted} ({})", key.0)
}
