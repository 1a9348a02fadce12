//! A dry run tells what a real one would do, and writes nothing.

use std::fs;
use std::path::PathBuf;

use super::local::{BOTH, world_with};
use super::state_lost::{BUSY, busy};
use crate::world::World;

/// Every file of the identity with its content.
fn snapshot(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    fn walk(dir: &std::path::Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.push((path.clone(), vec![]));
                walk(&path, found);
            } else {
                let bytes = fs::read(&path).unwrap();
                found.push((path, bytes));
            }
        }
    }
    let mut found = Vec::new();
    walk(&world.database(), &mut found);
    found.sort();
    found
}

#[test]
fn a_dry_run_writes_nothing_and_tells_what_the_real_one_does() {
    for like in BOTH {
        let world = world_with(like, &BUSY);
        world.arrive("Inbox", "kept-there");
        world.sync();
        busy(&world);
        let (files, remote) = (snapshot(&world), world.remote());
        world.server.clear_requests();
        let dry = world.dry_run();
        assert_eq!(snapshot(&world), files);
        assert_eq!(world.remote(), remote);
        let real = world.sync().total();
        world.assert_settled();
        let count = |action| dry.planned.iter().filter(|planned| planned.action == action).count() as u64;
        use pimsync::sync::Action;
        let planned = [
            count(Action::Download),
            count(Action::Upload),
            count(Action::ChangeHere),
            count(Action::ChangeThere),
            count(Action::MoveHere),
            count(Action::MoveThere),
            count(Action::DeleteHere),
            count(Action::DeleteThere),
        ];
        // A dry run does not look into folders that are yet to be made, nor at what comes back of its own: the message that is put into
        // Deleted Items.
        let done = [
            real.downloaded - 1,
            real.uploaded - 1,
            real.changed_here,
            real.changed_there,
            real.moved_here,
            real.moved_there,
            real.deleted_here,
            real.deleted_there,
        ];
        assert_eq!(planned, done, "{:#?}", dry.planned);
    }
}

#[test]
fn a_dry_run_of_a_first_sync_writes_nothing() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.mkdir("Inbox");
        world.put("Inbox", "a", ":2,S");
        let files = snapshot(&world);
        world.dry_run();
        assert_eq!(snapshot(&world), files);
        world.settle();
        assert_eq!(world.remote()["Inbox"].len(), 1);
    }
}
