//! Whoever reorders folders on both sides at once must find the same tree on both afterwards, special folders where they were, and
//! a server that tells nonsense must neither stop a sync nor slow it down.

mod single;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::cases;
use pimsync::pim::{FolderId, FolderKey};
use pimsync::plan::folders::{BaseFolder, FolderOp, LocalFolder, RemoteFolder, Trees, plan_folders};
use proptest::prelude::*;
use world::{edit, edit_local, edit_remote, name, worlds};

proptest! {
    #![proptest_config(cases(4000))]

    #[test]
    fn both_trees_are_equal_after_a_few_rounds(world in worlds(8)) {
        let mut world = world;
        let special: BTreeMap<_, _> = world
            .base
            .values()
            .filter(|base| base.special)
            .map(|base| (base.id.clone(), world.remote[&base.id].clone()))
            .collect();
        let quiet = (0..5).any(|_| !world.round());
        prop_assert!(quiet, "still to do: {:?}", world.ops());
        world.assert_agreement();
        for (id, before) in special {
            let after = &world.remote[&id];
            prop_assert_eq!((&after.parent, &after.name), (&before.parent, &before.name));
        }
    }

    #[test]
    fn changes_on_one_side_alone_are_followed_and_none_is_taken_back(world in worlds(0), edits in prop::collection::vec(edit(), 0..8)) {
        for here in [false, true] {
            let mut world = world.clone();
            world.base.values_mut().for_each(|base| base.special = false);
            world.changed.clear();
            // A calendar has no directory, but a name that a new directory cannot have.
            world.remote.values_mut().for_each(|folder| folder.mail = true);
            world.round();
            edits.iter().for_each(|edit| if here { edit_local(&mut world, edit) } else { edit_remote(&mut world, edit) });
            let wanted = if here { world.paths_here() } else { BTreeSet::new() };
            // A second round gives away the names of what the first one deleted.
            let quiet = (0..4).any(|_| !world.round());
            prop_assert!(quiet, "still to do: {:?}", world.ops());
            world.assert_agreement();
            if here {
                // A directory deleted and made anew is the same folder, spelt as on the server.
                let folded = |paths: BTreeSet<String>| paths.into_iter().map(|path| path.to_lowercase()).collect::<BTreeSet<_>>();
                prop_assert_eq!(folded(world.paths_here()), folded(wanted), "nothing done here was taken back");
            }
        }
    }
}

fn id(number: u8) -> FolderId {
    FolderId::new(number.to_string())
}

fn nonsense() -> impl Strategy<Value = (Vec<BaseFolder>, Vec<RemoteFolder>, Vec<LocalFolder<u8>>)> {
    let few = || 0..8u8;
    let key = |number: u8| FolderKey(i64::from(number));
    let base = (few(), few(), prop::option::of(few()), few(), any::<(bool, bool)>()).prop_map(
        move |(number, folder, parent, named, (special, mirrored))| BaseFolder {
            key: key(number),
            id: id(folder),
            parent: parent.map(key),
            name: name(named),
            special,
            mirrored,
        },
    );
    let remote =
        (few(), prop::option::of(few()), few(), any::<bool>()).prop_map(|(folder, parent, named, mirrored)| {
            RemoteFolder { id: id(folder), parent: parent.map(id), name: name(named), mirrored }
        });
    let local = (few(), prop::option::of(few()), few(), prop::option::of(few())).prop_map(
        move |(dir, parent, named, known)| LocalFolder { dir, parent, name: name(named), known: known.map(key) },
    );
    let some = 0..10usize;
    (
        prop::collection::vec(base, some.clone()),
        prop::collection::vec(remote, some.clone()),
        prop::collection::vec(local, some),
    )
}

proptest! {
    #![proptest_config(cases(5000))]

    #[test]
    fn nonsense_from_a_server_or_a_disk_is_planned_for_without_a_panic((base, remote, local) in nonsense()) {
        let ops = plan_folders(&Trees { base: &base, remote: &remote, local: &local });
        prop_assert!(ops.len() <= 4 * (base.len() + remote.len() + local.len()));
        for op in &ops {
            let (FolderOp::RenameRemote { key, .. } | FolderOp::MoveRemote { key, .. }) = op else { continue };
            let known = base.iter().rev().find(|base| base.key == *key).expect("a known folder");
            prop_assert!(!known.special);
        }
    }
}
