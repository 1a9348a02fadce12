//! What has to be settled before the three trees can be compared folder by folder.

use std::collections::{BTreeMap, BTreeSet};

use super::folders::{BaseFolder, Parent, Trees, fold, spare_name};
use crate::pim::{FolderId, FolderKey};

/// One thing to settle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Groundwork {
    /// The folder was on its way to another name, by way of a spare one, when a run was cut off: nobody on the server named it so. The base
    /// takes that name.
    Spare {
        /// The folder.
        key: FolderKey,
        /// The name that it has on the server.
        name: String,
    },
    /// The folder is gone on the server, and another one of the same name in the same place is new there: it was made again, by us for what
    /// was new in it here, or by somebody there. It is listed from the beginning.
    Reborn {
        /// The folder.
        key: FolderKey,
        /// Its new id.
        id: FolderId,
    },
    /// The folder is gone on the server, but folders were made in it, or moved into it, here: it is made again there.
    MakeAgain(FolderKey),
}

/// Finds what has to be settled, in the order in which it is to be.
pub fn groundwork<D: Ord>(trees: &Trees<'_, D>) -> Vec<Groundwork> {
    let reborn = reborn(trees);
    let mut work = spare_names(trees);
    let needed = needed_again(trees, &reborn);
    work.extend(reborn.into_iter().map(|(key, id)| Groundwork::Reborn { key, id: id.clone() }));
    work.extend(needed.into_iter().map(Groundwork::MakeAgain));
    work
}

fn spare_names<D>(trees: &Trees<'_, D>) -> Vec<Groundwork> {
    let ids: BTreeMap<FolderKey, &FolderId> = trees.base.iter().map(|base| (base.key, &base.id)).collect();
    let names: BTreeMap<&FolderId, &str> = trees.remote.iter().map(|there| (&there.id, &*there.name)).collect();
    let spare = trees.local.iter().filter_map(|here| {
        let key = here.known?;
        let name = spare_name(&here.name, key);
        (names.get(ids.get(&key)?) == Some(&&*name)).then_some(Groundwork::Spare { key, name })
    });
    spare.collect()
}

fn reborn<'a, D>(trees: &Trees<'a, D>) -> BTreeMap<FolderKey, &'a FolderId> {
    let known: BTreeMap<&FolderId, FolderKey> = trees.base.iter().map(|base| (&base.id, base.key)).collect();
    let there: BTreeSet<&FolderId> = trees.remote.iter().map(|folder| &folder.id).collect();
    let mut strangers: BTreeMap<(Parent<FolderKey>, String), &'a FolderId> = BTreeMap::new();
    for folder in trees.remote.iter().filter(|folder| !known.contains_key(&folder.id)) {
        let parent = match &folder.parent {
            None => None,
            Some(id) => match known.get(id) {
                Some(key) => Some(*key),
                None => continue,
            },
        };
        strangers.insert((parent, fold(&folder.name)), &folder.id);
    }
    let gone = trees.base.iter().filter(|base| !there.contains(&base.id));
    gone.filter_map(|base| Some((base.key, strangers.remove(&(base.parent, fold(&base.name)))?))).collect()
}

fn needed_again<D: Ord>(trees: &Trees<'_, D>, reborn: &BTreeMap<FolderKey, &FolderId>) -> BTreeSet<FolderKey> {
    let base: BTreeMap<FolderKey, &BaseFolder> = trees.base.iter().map(|base| (base.key, base)).collect();
    let there: BTreeSet<&FolderId> = trees.remote.iter().map(|folder| &folder.id).collect();
    let in_dir: BTreeMap<&D, FolderKey> =
        trees.local.iter().filter_map(|here| Some((&here.dir, here.known?))).collect();
    let is_there = |base: &&&BaseFolder| there.contains(&base.id) || reborn.contains_key(&base.key);
    let mut needed = BTreeSet::new();
    for here in trees.local {
        let Some(above) = here.parent.as_ref().and_then(|dir| in_dir.get(dir)) else { continue };
        if base.get(above).filter(is_there).is_some() {
            continue;
        }
        let is_newcomer = match here.known {
            None => true,
            Some(key) => base.get(&key).filter(is_there).is_some_and(|folder| folder.parent != Some(*above)),
        };
        if is_newcomer {
            needed.insert(*above);
        }
    }
    needed
}
