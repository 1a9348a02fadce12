//! A server, a directory and a base in memory, people who edit both sides, and rounds of the plan between them.

use std::collections::{BTreeMap, BTreeSet};

use pimsync::pim::{FolderId, FolderKey};
use pimsync::plan::ending::{Emptied, Ending, end_folders};
use pimsync::plan::folders::{BaseFolder, FolderOp, LocalFolder, RemoteFolder, Trees, plan_folders};
use pimsync::plan::{Brake, Side};
use proptest::prelude::*;

type Dir = u32;
type Parents<T> = BTreeMap<T, (Option<T>, String)>;

/// A folder of the model's server.
#[derive(Clone, Debug)]
pub(super) struct There {
    pub(super) parent: Option<FolderId>,
    pub(super) name: String,
    pub(super) mail: bool,
}

/// A directory of the model. Its number stays when it moves.
#[derive(Clone, Debug)]
struct Here {
    parent: Option<Dir>,
    name: String,
    known: Option<FolderKey>,
}

/// Both trees and the base.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) remote: BTreeMap<FolderId, There>,
    local: BTreeMap<Dir, Here>,
    pub(super) base: BTreeMap<FolderKey, BaseFolder>,
    /// Folders in which something was new or changed when they vanished.
    pub(super) changed: BTreeSet<u32>,
    next: u32,
}

impl World {
    fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn mirrored(&self) -> BTreeSet<FolderId> {
        let mut mirrored = BTreeSet::new();
        for (id, _) in self.remote.iter().filter(|(_, folder)| folder.mail) {
            let mut at = Some(id.clone());
            while let Some(id) = at.filter(|id| mirrored.insert(id.clone())) {
                at = self.remote[&id].parent.clone();
            }
        }
        mirrored
    }

    pub(super) fn ops(&self) -> Vec<FolderOp<Dir>> {
        let mirrored = self.mirrored();
        let base: Vec<_> = self.base.values().cloned().collect();
        let remote: Vec<_> = self
            .remote
            .iter()
            .map(|(id, folder)| RemoteFolder {
                id: id.clone(),
                parent: folder.parent.clone(),
                name: folder.name.clone(),
                mirrored: mirrored.contains(id),
            })
            .collect();
        let mut local: Vec<_> = self
            .local
            .iter()
            .map(|(dir, folder)| LocalFolder {
                dir: *dir,
                parent: folder.parent,
                name: folder.name.clone(),
                known: folder.known,
            })
            .collect();
        local.sort_by_key(|folder| self.depth_here(folder.dir));
        plan_folders(&Trees { base: &base, remote: &remote, local: &local })
    }

    fn depth_here(&self, dir: Dir) -> usize {
        std::iter::successors(Some(dir), |dir| self.local[dir].parent).take(1000).count()
    }

    fn dir_of(&self, key: FolderKey) -> Option<Dir> {
        self.local.iter().find(|(_, folder)| folder.known == Some(key)).map(|(dir, _)| *dir)
    }

    fn key_of(&self, id: &FolderId) -> Option<FolderKey> {
        self.base.values().find(|folder| folder.id == *id).map(|folder| folder.key)
    }

    /// The directory of a folder of the server; what vanished of the way to it is made again.
    fn dir_for(&mut self, id: &FolderId) -> Dir {
        let key = self.key_of(id).expect("parents come first");
        if let Some(dir) = self.dir_of(key) {
            return dir;
        }
        let folder = self.remote[id].clone();
        let parent = folder.parent.map(|parent| self.dir_for(&parent));
        let dir = self.fresh();
        self.local.insert(dir, Here { parent, name: folder.name, known: Some(key) });
        self.base.get_mut(&key).expect("known").mirrored = true;
        dir
    }

    fn note(&mut self, id: &FolderId, mirrored: bool) -> FolderKey {
        let key = self.key_of(id).unwrap_or_else(|| FolderKey(i64::from(self.fresh())));
        let folder = self.remote[id].clone();
        let parent = folder.parent.map(|parent| self.key_of(&parent).expect("parents come first"));
        let special = self.base.get(&key).is_some_and(|base| base.special);
        self.base.insert(key, BaseFolder { key, id: id.clone(), parent, name: folder.name, special, mirrored });
        key
    }

    /// Whether the server refuses the name there.
    fn refuses(&self, parent: Option<&FolderId>, name: &str, own: Option<&FolderId>) -> bool {
        self.remote.iter().any(|(id, folder)| {
            Some(id) != own && folder.parent.as_ref() == parent && folder.name.to_lowercase() == name.to_lowercase()
        })
    }

    /// Carries out one operation; returns what vanished.
    fn apply(&mut self, op: FolderOp<Dir>) -> Option<(FolderKey, Side)> {
        match op {
            FolderOp::MakeLocal(id) => {
                let mirrored = self.mirrored().contains(&id);
                self.note(&id, mirrored);
                if mirrored {
                    self.dir_for(&id);
                }
            }
            FolderOp::Adopt { id, dir } => {
                let key = self.note(&id, true);
                let name = self.remote[&id].name.clone();
                let folder = self.local.get_mut(&dir).expect("adopts what is there");
                (folder.known, folder.name) = (Some(key), name);
            }
            FolderOp::PlaceLocal { key, renamed, moved } => self.place_local(key, renamed, moved),
            FolderOp::GiveDirectory(key) => {
                let id = self.base[&key].id.clone();
                self.note(&id, true);
                self.dir_for(&id);
            }
            FolderOp::MakeRemote(dir) => self.make_remote(dir),
            FolderOp::RenameRemote { key, name } => {
                let base = self.base.get(&key).expect("known").clone();
                assert!(!base.special, "a special folder is never renamed");
                let parent = self.remote[&base.id].parent.clone();
                if self.refuses(parent.as_ref(), &name, Some(&base.id)) {
                    self.rename_by_hand(self.dir_of(key).expect("there"));
                } else {
                    self.remote.get_mut(&base.id).expect("there").name = name;
                    self.note(&base.id, true);
                }
            }
            FolderOp::MoveRemote { key, into } => self.move_remote(key, into),
            FolderOp::Vanished { key, on } => return Some((key, on)),
            FolderOp::Forget(key) => drop(self.base.remove(&key)),
        }
        None
    }

    fn place_local(&mut self, key: FolderKey, renamed: bool, moved: bool) {
        let id = self.base[&key].id.clone();
        let folder = self.remote[&id].clone();
        let dir = self.dir_of(key).expect("places what is there");
        let parent = if moved { folder.parent.map(|id| self.dir_for(&id)) } else { self.local[&dir].parent };
        let above = std::iter::successors(parent, |dir| self.local[dir].parent);
        assert!(above.take(1000).all(|above| above != dir), "a directory moved into itself");
        let here = self.local.get_mut(&dir).expect("there");
        here.parent = parent;
        if renamed {
            here.name = folder.name;
        }
        self.note(&id, true);
    }

    fn make_remote(&mut self, dir: Dir) {
        let Here { parent, name, .. } = self.local[&dir].clone();
        let parent = match parent.map(|parent| self.local[&parent].known) {
            None => None,
            Some(Some(key)) => Some(self.base[&key].id.clone()),
            // The parent was refused.
            Some(None) => return,
        };
        if self.refuses(parent.as_ref(), &name, None) {
            return self.rename_by_hand(dir);
        }
        let id = FolderId::new(self.fresh().to_string());
        self.remote.insert(id.clone(), There { parent, name, mail: true });
        let key = self.note(&id, true);
        self.local.get_mut(&dir).expect("there").known = Some(key);
    }

    fn move_remote(&mut self, key: FolderKey, into: Option<Dir>) {
        let base = self.base[&key].clone();
        assert!(!base.special, "a special folder is never moved");
        let into = match into.map(|dir| self.local[&dir].known) {
            None => None,
            Some(Some(key)) => Some(self.base[&key].id.clone()),
            Some(None) => return,
        };
        let mut above = std::iter::successors(into.clone(), |id| self.remote[id].parent.clone());
        assert!(above.all(|id| id != base.id), "a folder moved into itself");
        let name = self.remote[&base.id].name.clone();
        if self.refuses(into.as_ref(), &name, Some(&base.id)) {
            return self.rename_by_hand(self.dir_of(key).expect("there"));
        }
        self.remote.get_mut(&base.id).expect("there").parent = into;
        self.note(&base.id, true);
    }

    /// The person was told that the server has that name already.
    fn rename_by_hand(&mut self, dir: Dir) {
        let number = self.fresh();
        self.local.get_mut(&dir).expect("there").name = format!("by hand {number}");
    }

    /// Deals with what vanished.
    fn end(&mut self, vanished: &BTreeMap<FolderKey, Side>) {
        let mut emptied: Vec<(usize, Emptied)> = vanished
            .iter()
            .filter(|(key, _)| self.dir_of(**key).is_none() || !self.remote.contains_key(&self.base[key].id))
            .map(|(key, on)| self.emptied(*key, *on, vanished))
            .collect();
        emptied.sort_by_key(|(depth, _)| std::cmp::Reverse(*depth));
        let emptied: Vec<Emptied> = emptied.into_iter().map(|(_, folder)| folder).collect();
        let endings = end_folders(&emptied, Brake::Released, self.base.len() as u64);
        for ending in endings {
            match ending {
                Ending::Remove(key, side, _) => self.remove(key, side),
                Ending::Restore(key, Side::Remote) => {
                    let id = self.base[&key].id.clone();
                    self.dir_for(&id);
                    self.note(&id, true);
                }
                Ending::Restore(key, Side::Local) => drop(self.restore_there(key)),
                Ending::Held(..) => unreachable!("the brake is released"),
            }
        }
    }

    fn emptied(&self, key: FolderKey, on: Side, vanished: &BTreeMap<FolderKey, Side>) -> (usize, Emptied) {
        let base = &self.base[&key];
        let gone = |key: Option<FolderKey>| key.filter(|key| vanished.get(key) == Some(&on));
        let (depth, within, used, left_on) = match on {
            Side::Local => {
                let mut below = self.remote.iter().filter(|(_, folder)| folder.parent.as_ref() == Some(&base.id));
                let used = below.any(|(id, _)| gone(self.key_of(id)).is_none());
                let above = std::iter::successors(Some(base.id.clone()), |id| self.remote[id].parent.clone());
                let within = self.remote[&base.id].parent.as_ref().and_then(|id| gone(self.key_of(id)));
                (above.count(), within, used, Side::Remote)
            }
            Side::Remote => {
                let dir = self.dir_of(key).expect("left here");
                let mut below = self.local.values().filter(|folder| folder.parent == Some(dir));
                let used = below.any(|folder| gone(folder.known).is_none());
                let within = self.local[&dir].parent.and_then(|dir| gone(self.local[&dir].known));
                (self.depth_here(dir), within, used, Side::Local)
            }
        };
        let changed = self.changed.contains(&u32::try_from(key.0).expect("small"));
        (depth, Emptied { key, within, left_on, special: base.special, in_use: used || changed })
    }

    fn remove(&mut self, key: FolderKey, side: Side) {
        let base = self.base.remove(&key).expect("known");
        assert!(!base.special, "a special folder is never removed");
        match side {
            Side::Remote => {
                assert!(self.remote.values().all(|folder| folder.parent.as_ref() != Some(&base.id)), "in use");
                self.remote.remove(&base.id);
            }
            Side::Local => {
                let dir = self.local.iter().find(|(_, folder)| folder.known == Some(key)).map(|(dir, _)| *dir);
                let dir = dir.expect("there");
                assert!(self.local.values().all(|folder| folder.parent != Some(dir)), "in use");
                self.local.remove(&dir);
            }
        }
    }

    fn restore_there(&mut self, key: FolderKey) -> FolderId {
        if self.remote.contains_key(&self.base[&key].id) {
            return self.base[&key].id.clone();
        }
        let dir = self.dir_of(key).expect("left here");
        let above = self.local[&dir].parent.and_then(|dir| self.local[&dir].known);
        let parent = above.map(|key| self.restore_there(key));
        if self.refuses(parent.as_ref(), &self.local[&dir].name, None) {
            self.rename_by_hand(dir);
        }
        let id = FolderId::new(self.fresh().to_string());
        let name = self.local[&dir].name.clone();
        self.remote.insert(id.clone(), There { parent, name, mail: true });
        self.base.get_mut(&key).expect("known").id = id.clone();
        self.note(&id, true);
        id
    }

    /// One round; whether there was anything to do.
    pub(super) fn round(&mut self) -> bool {
        let ops = self.ops();
        let busy = !ops.is_empty();
        let vanished: Vec<_> = ops.into_iter().filter_map(|op| self.apply(op)).collect();
        self.end(&vanished.into_iter().collect());
        for id in self.base.values().filter(|base| !base.mirrored).map(|base| base.id.clone()).collect::<Vec<_>>() {
            self.note(&id, false);
        }
        busy
    }

    fn paths_there(&self) -> BTreeSet<String> {
        let mirrored = self.base.values().filter(|base| base.mirrored).map(|base| base.id.clone());
        let tree: Parents<FolderId> =
            self.remote.iter().map(|(id, folder)| (id.clone(), (folder.parent.clone(), folder.name.clone()))).collect();
        mirrored.map(|id| path(&tree, &id)).collect()
    }

    pub(super) fn paths_here(&self) -> BTreeSet<String> {
        let tree: Parents<Dir> =
            self.local.iter().map(|(dir, folder)| (*dir, (folder.parent, folder.name.clone()))).collect();
        tree.keys().map(|dir| path(&tree, dir)).collect()
    }

    pub(super) fn assert_agreement(&self) {
        assert_eq!(self.paths_there(), self.paths_here());
        assert!(self.remote.keys().all(|id| self.key_of(id).is_some()));
        assert!(self.local.values().all(|folder| folder.known.is_some()));
        assert_eq!(self.base.len(), self.remote.len());
    }
}

fn path<T: Clone + Ord>(tree: &Parents<T>, at: &T) -> String {
    let (parent, name) = &tree[at];
    parent.as_ref().map_or_else(|| name.clone(), |parent| format!("{}/{name}", path(tree, parent)))
}

/// Something that a person does to one side's folders.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Create(Option<u8>, u8, bool),
    Rename(u8, u8),
    Swap(u8, u8),
    Move(u8, Option<u8>),
    Delete(u8),
}

pub(super) fn edit() -> impl Strategy<Value = Edit> {
    let parent = || prop::option::weighted(0.7, any::<u8>());
    prop_oneof![
        3 => (parent(), 0..8u8, any::<bool>()).prop_map(|(parent, name, mail)| Edit::Create(parent, name, mail)),
        2 => (any::<u8>(), 0..8u8).prop_map(|(folder, name)| Edit::Rename(folder, name)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(one, other)| Edit::Swap(one, other)),
        5 => (any::<u8>(), parent()).prop_map(|(folder, parent)| Edit::Move(folder, parent)),
        1 => any::<u8>().prop_map(Edit::Delete),
    ]
}

/// Few names, some of which differ by their capitals alone.
pub(super) fn name(number: u8) -> String {
    let name = char::from(b'a' + number % 4);
    if number < 4 { name.to_string() } else { name.to_uppercase().to_string() }
}

/// An edit of a tree that both sides' trees have in common; `false` where the side would not let a person do that.
fn edit_tree<T: Clone + Ord>(tree: &mut Parents<T>, fixed: &BTreeSet<T>, fresh: T, edit: &Edit) {
    let before = tree.clone();
    let nth = |number: u8| before.keys().nth(usize::from(number).checked_rem(before.len())?).cloned();
    let free = |folder: Option<u8>| folder.and_then(nth).filter(|folder| !fixed.contains(folder));
    match edit {
        Edit::Create(parent, number, _) => drop(tree.insert(fresh, (parent.and_then(nth), name(*number)))),
        Edit::Rename(folder, number) => {
            if let Some(folder) = free(Some(*folder)) {
                tree.get_mut(&folder).expect("picked").1 = name(*number);
            }
        }
        Edit::Swap(one, other) => {
            if let (Some(one), Some(other)) = (free(Some(*one)), free(Some(*other))) {
                tree.get_mut(&one).expect("picked").1.clone_from(&before[&other].1);
                tree.get_mut(&other).expect("picked").1.clone_from(&before[&one].1);
            }
        }
        Edit::Move(folder, into) => {
            if let Some(folder) = free(Some(*folder)) {
                tree.get_mut(&folder).expect("picked").0 = into.and_then(nth);
            }
        }
        Edit::Delete(folder) => {
            if let Some(folder) = free(Some(*folder)) {
                let within = |other: &T| above(&before, other).contains(&folder);
                if !fixed.iter().any(within) {
                    tree.retain(|other, _| !within(other));
                }
            }
        }
    }
    let seats: BTreeSet<_> = tree.values().map(|(parent, name)| (parent.clone(), name.to_lowercase())).collect();
    let circles = tree.keys().any(|folder| above(tree, folder).len() > tree.len());
    if seats.len() != tree.len() || circles {
        *tree = before;
    }
}

/// A folder and all above it; more than there are in a circle.
fn above<T: Clone + Ord>(tree: &Parents<T>, folder: &T) -> Vec<T> {
    std::iter::successors(Some(folder.clone()), |at| tree.get(at)?.0.clone()).take(tree.len() + 1).collect()
}

pub(super) fn edit_remote(world: &mut World, edit: &Edit) {
    let fresh = FolderId::new(world.fresh().to_string());
    let mut tree: Parents<FolderId> =
        world.remote.iter().map(|(id, folder)| (id.clone(), (folder.parent.clone(), folder.name.clone()))).collect();
    let fixed = world.base.values().filter(|base| base.special).map(|base| base.id.clone()).collect();
    edit_tree(&mut tree, &fixed, fresh, edit);
    let mail = |id: &FolderId| match (world.remote.get(id), edit) {
        (Some(folder), _) => folder.mail,
        (None, Edit::Create(_, _, mail)) => *mail,
        (None, _) => true,
    };
    world.remote = tree
        .into_iter()
        .map(|(id, (parent, name))| {
            let mail = mail(&id);
            (id, There { parent, name, mail })
        })
        .collect();
}

pub(super) fn edit_local(world: &mut World, edit: &Edit) {
    let fresh = world.fresh();
    let mut tree: Parents<Dir> =
        world.local.iter().map(|(dir, folder)| (*dir, (folder.parent, folder.name.clone()))).collect();
    // Here nothing is fixed: somebody may well move or delete the directory of the inbox.
    edit_tree(&mut tree, &BTreeSet::new(), fresh, edit);
    let known = |dir: &Dir| world.local.get(dir).and_then(|folder| folder.known);
    world.local = tree
        .into_iter()
        .map(|(dir, (parent, name))| {
            let known = known(&dir);
            (dir, Here { parent, name, known })
        })
        .collect();
}

pub(super) fn worlds(edits: usize) -> impl Strategy<Value = World> {
    let script = |edits| prop::collection::vec(edit(), 0..=edits);
    let changed = prop::collection::btree_set(0..40u32, 0..8);
    (script(8), script(edits), script(edits), changed, 0..3usize).prop_map(|(base, remote, local, changed, special)| {
        let mut world = World { changed, ..World::default() };
        base.iter().for_each(|edit| edit_remote(&mut world, edit));
        assert!((0..3).any(|_| !world.round()), "a first sync only downloads");
        world.base.values_mut().take(special).for_each(|base| base.special = true);
        remote.iter().for_each(|edit| edit_remote(&mut world, edit));
        local.iter().for_each(|edit| edit_local(&mut world, edit));
        world
    })
}
