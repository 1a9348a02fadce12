//! Folders as people and tools treat them: renamed, swapped, nested, replaced, lost; no message goes with them that nobody threw away.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::world::{CutAt, World, all_files};
use pimsync::exchange::Personality;
use pimsync::sync::{Request, SyncError, Tally};

const BOTH: [Personality; 2] = [Personality::Exchange, Personality::Gromox];

fn world_with(like: Personality, folders: &[&str]) -> World {
    let world = World::new(like);
    world.arrive("Inbox", "in-Inbox");
    for path in folders {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        world.mailbox.create_folder(parent, name, "IPF.Note").unwrap();
        world.arrive(path, &format!("in-{name}"));
    }
    world.sync();
    world
}

fn rename(world: &World, from: &str, to: &str) {
    fs::rename(world.account_dir().join(from), world.account_dir().join(to)).unwrap();
}

fn where_is(world: &World, name: &str) -> String {
    world.find(&format!("in-{name}")).unwrap_or_else(|| panic!("in-{name} is lost")).1
}

/// Nothing was uploaded, downloaded or thrown away: the folders alone changed.
fn settle_folders(world: &World) {
    let report = world.settle();
    assert!(report.is_clean(), "{report:?}");
    let total = report.total();
    assert_eq!((total.uploaded, total.downloaded, total.deleted_here, total.deleted_there), (0, 0, 0, 0), "{report:?}");
}

#[test]
fn two_folders_swap_their_names_here() {
    for like in BOTH {
        let world = world_with(like, &["One", "Two"]);
        rename(&world, "One", "x");
        rename(&world, "Two", "One");
        rename(&world, "x", "Two");
        world.sync();
        settle_folders(&world);
        assert_eq!((where_is(&world, "One"), where_is(&world, "Two")), ("Two".into(), "One".into()));
    }
}

#[test]
fn folders_of_one_name_change_places_and_a_new_one_takes_an_old_name() {
    for like in BOTH {
        let world = world_with(like, &["One", "Two", "One/Same", "Two/Same", "Old"]);
        let marker = world.account_dir().join("One/Same/new/1800000000.M0.host");
        fs::write(marker, World::mime("in-first")).unwrap();
        world.sync();
        rename(&world, "One/Same", "x");
        rename(&world, "Two/Same", "One/Same");
        rename(&world, "x", "Two/Same");
        rename(&world, "Old", "Older");
        world.mkdir("Old");
        world.put("Old", "fresh", ":2,S");
        let report = world.sync();
        assert_eq!((report.total().uploaded, report.total().deleted_there), (1, 0), "{report:?}");
        settle_folders(&world);
        assert_eq!((where_is(&world, "first"), where_is(&world, "Old")), ("Two/Same".into(), "Older".into()));
        assert_eq!(world.find("fresh").unwrap().1, "Old");
    }
}

#[test]
fn a_run_cut_off_while_folders_change_names_loses_nothing() {
    for like in BOTH {
        for at in 1.. {
            let world = world_with(like, &["One", "Two", "Two/Low"]);
            rename(&world, "One", "x");
            rename(&world, "Two", "One");
            rename(&world, "x", "Two");
            let cut = world.try_sync(&Request::default(), Arc::new(CutAt { at: Some(at), ..CutAt::default() }));
            let report = world.sync();
            assert_eq!((report.total().uploaded, report.total().deleted_there), (0, 0), "step {at}: {report:?}");
            settle_folders(&world);
            assert_eq!((where_is(&world, "One"), where_is(&world, "Two")), ("Two".into(), "One".into()), "step {at}");
            assert_eq!(where_is(&world, "Low"), "One/Low");
            if cut.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn a_file_in_the_place_of_a_new_folder_stops_nothing() {
    for like in BOTH {
        let world = world_with(like, &["One"]);
        fs::write(world.account_dir().join("One/Sub"), "mine").unwrap();
        world.mailbox.create_folder("One", "Sub", "IPF.Note").unwrap();
        world.arrive("One/Sub", "in-Sub");
        world.arrive("Inbox", "new");
        world.settle();
        assert!(world.find_file("new").is_some() && world.find_file("in-Sub").is_some());
        assert_eq!(fs::read_to_string(world.account_dir().join("One/Sub")).unwrap(), "mine");
    }
}

#[test]
fn two_folders_swap_their_names_there() {
    for like in BOTH {
        let world = world_with(like, &["One", "Two"]);
        world.mailbox.rename_folder("One", "x").unwrap();
        world.mailbox.rename_folder("Two", "One").unwrap();
        world.mailbox.rename_folder("x", "Two").unwrap();
        world.sync();
        settle_folders(&world);
        assert!(world.account_dir().join("One/new").read_dir().unwrap().next().is_some());
        assert!(world.find_file("in-One").unwrap().starts_with(world.account_dir().join("Two")));
    }
}

#[test]
fn three_folders_change_places_in_a_circle() {
    for like in BOTH {
        let world = world_with(like, &["One", "Two", "Three"]);
        rename(&world, "One", "x");
        rename(&world, "Three", "One");
        rename(&world, "Two", "Three");
        rename(&world, "x", "Two");
        world.sync();
        settle_folders(&world);
        assert_eq!(where_is(&world, "One"), "Two");
        assert_eq!(where_is(&world, "Two"), "Three");
        assert_eq!(where_is(&world, "Three"), "One");
    }
}

#[test]
fn a_folder_renamed_on_both_sides_gets_the_servers_name() {
    for like in BOTH {
        let world = world_with(like, &["One", "Two"]);
        world.mailbox.rename_folder("One", "Theirs").unwrap();
        rename(&world, "One", "Mine");
        world.mailbox.rename_folder("Two", "Alike").unwrap();
        rename(&world, "Two", "Alike");
        settle_folders(&world);
        assert_eq!((where_is(&world, "One"), where_is(&world, "Two")), ("Theirs".into(), "Alike".into()));
        assert!(!world.account_dir().join("Mine").exists());
    }
}

#[test]
fn a_folder_moved_on_one_side_and_renamed_on_the_other_is_both() {
    for like in BOTH {
        let world = world_with(like, &["One", "Two", "Three"]);
        world.mailbox.rename_folder("One", "Uno").unwrap();
        rename(&world, "One", "Two/One");
        world.mailbox.move_folder("Three", "Two").unwrap();
        rename(&world, "Three", "Tres");
        world.sync();
        settle_folders(&world);
        assert_eq!((where_is(&world, "One"), where_is(&world, "Three")), ("Two/Uno".into(), "Two/Tres".into()));
    }
}

#[test]
fn only_the_case_of_a_name_changes() {
    for like in BOTH {
        let world = world_with(like, &["Projects", "Plans"]);
        rename(&world, "Projects", "PROJECTS");
        world.mailbox.rename_folder("Plans", "plans").unwrap();
        world.sync();
        settle_folders(&world);
        assert_eq!((where_is(&world, "Projects"), where_is(&world, "Plans")), ("PROJECTS".into(), "plans".into()));
    }
}

#[test]
fn a_nested_folder_moves_into_another_moved_one() {
    for like in BOTH {
        let world = world_with(like, &["One", "One/Deep", "Two", "Two/Low"]);
        rename(&world, "Two", "Inbox/Two");
        rename(&world, "One/Deep", "Inbox/Two/Low/Deep");
        world.mailbox.rename_folder("One", "Uno").unwrap();
        world.sync();
        settle_folders(&world);
        assert_eq!(where_is(&world, "Deep"), "Inbox/Two/Low/Deep");
        assert_eq!(where_is(&world, "One"), "Uno");
        // Inside out: what lay below now lies above.
        rename(&world, "Inbox/Two/Low/Deep", "Deep");
        rename(&world, "Inbox/Two/Low", "Deep/Low");
        rename(&world, "Inbox/Two", "Deep/Low/Two");
        world.sync();
        settle_folders(&world);
        assert_eq!(where_is(&world, "Two"), "Deep/Low/Two");
        assert_eq!(where_is(&world, "Low"), "Deep/Low");
    }
}

#[test]
fn folders_turned_inside_out_there() {
    for like in BOTH {
        let world = world_with(like, &["A", "A/B", "A/B/C"]);
        world.mailbox.move_folder("A/B/C", "").unwrap();
        world.mailbox.move_folder("A/B", "C").unwrap();
        world.mailbox.move_folder("A", "C/B").unwrap();
        world.sync();
        settle_folders(&world);
        assert!(world.find_file("in-A").unwrap().starts_with(world.account_dir().join("C/B/A")));
    }
}

#[test]
fn names_that_no_file_system_holds() {
    for like in BOTH {
        let world = World::new(like);
        let long = "n".repeat(300);
        let names =
            ["a/b", "cur", "new", "tmp", ".hidden", "..", ".", "CON", "tail.", " space ", "50% off", &long, "Été"];
        for name in names {
            let id = world.mailbox.create_folder("", name, "IPF.Note").unwrap();
            let mime = World::mime(&format!("m{}", name.len()));
            world
                .mailbox
                .add_message(&id, pimsync::exchange::NewMessage { mime: &mime, ..Default::default() })
                .unwrap();
        }
        let report = world.sync();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(report.total().downloaded, names.len() as u64);
        let again = world.sync();
        assert!(again.folders.values().all(|tally| tally.is_empty()), "{again:?}");
        assert_eq!(world.dry_run().planned, []);
        let folders = world.mailbox.folders().unwrap();
        for name in names {
            assert_eq!(folders.iter().filter(|folder| folder.name == name).count(), 1, "{name}");
        }
        // They are put in step like any other.
        for path in all_files(&world.account_dir()) {
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            fs::rename(&path, path.with_file_name("../cur").join(format!("{file}:2,S"))).unwrap();
        }
        let report = world.sync();
        assert_eq!(report.total().changed_there, names.len() as u64);
    }
}

#[test]
fn a_special_folder_renamed_or_removed_here_comes_back() {
    for like in BOTH {
        let world = world_with(like, &["One"]);
        rename(&world, "Sent Items", "Sent");
        rename(&world, "Inbox", "One/Inbox");
        fs::remove_dir_all(world.account_dir().join("Drafts")).unwrap();
        world.sync();
        settle_folders(&world);
        for name in ["Inbox", "Sent Items", "Drafts"] {
            assert!(world.account_dir().join(name).join("cur").is_dir(), "{name}");
            assert!(world.mailbox.folder(name).is_ok());
        }
        assert!(world.mailbox.folder("Sent").is_err() && world.mailbox.folder("One/Inbox").is_err());
        assert_eq!(where_is(&world, "Inbox"), "Inbox");
        assert!(world.find_file("in-Inbox").unwrap().starts_with(world.account_dir().join("Inbox")));
    }
}

#[test]
fn a_file_in_the_place_of_a_folder_deletes_nothing() {
    for like in BOTH {
        let world = world_with(like, &["One", "One/Deep"]);
        let kept = world.home.path().join("kept");
        fs::rename(world.account_dir().join("One"), &kept).unwrap();
        fs::write(world.account_dir().join("One"), "not a folder").unwrap();
        let report = world.sync();
        assert!(!report.is_clean(), "it is told");
        assert_eq!((where_is(&world, "One"), where_is(&world, "Deep")), ("One".into(), "One/Deep".into()));
        fs::remove_file(world.account_dir().join("One")).unwrap();
        fs::rename(&kept, world.account_dir().join("One")).unwrap();
        settle_folders(&world);
    }
}

#[test]
fn a_link_in_the_place_of_a_folder_deletes_nothing() {
    for like in BOTH {
        let world = world_with(like, &["One", "One/Deep"]);
        let kept = world.home.path().join("kept");
        fs::rename(world.account_dir().join("One"), &kept).unwrap();
        std::os::unix::fs::symlink(&kept, world.account_dir().join("One")).unwrap();
        let report = world.sync();
        assert!(!report.is_clean(), "it is told");
        assert_eq!((where_is(&world, "One"), where_is(&world, "Deep")), ("One".into(), "One/Deep".into()));
        fs::remove_file(world.account_dir().join("One")).unwrap();
        fs::rename(&kept, world.account_dir().join("One")).unwrap();
        settle_folders(&world);
    }
}

#[test]
fn a_part_of_a_maildir_that_is_gone_deletes_nothing() {
    for like in BOTH {
        for part in ["cur", "new"] {
            let world = world_with(like, &["One"]);
            if part == "cur" {
                world.flag("in-One", "S");
                world.sync();
            }
            fs::remove_dir_all(world.account_dir().join("One").join(part)).unwrap();
            let report = world.sync();
            assert!(!report.is_clean());
            world.sync();
            assert_eq!(where_is(&world, "One"), "One");
            // New mail goes on arriving, or waits.
            world.arrive("One", "later");
            world.mailbox.set_read(&world.id("later"), true).unwrap();
            world.sync();
            fs::create_dir_all(world.account_dir().join("One").join(part)).unwrap();
            world.advance(86_400);
            world.sync();
            world.assert_settled();
            assert_eq!(world.find("later").unwrap().1, "One");
            // It was in the part that is gone, which now is there, and empty: now its absence is what the person wanted.
            assert_eq!(where_is(&world, "One"), "Deleted Items");
        }
    }
}

#[test]
fn a_file_in_the_place_of_tmp_stops_its_own_folder_only() {
    for like in BOTH {
        let world = world_with(like, &["One", "Two"]);
        let tmp = world.account_dir().join("One/tmp");
        fs::remove_dir_all(&tmp).unwrap();
        fs::write(&tmp, "not a directory").unwrap();
        world.arrive("One", "for-One");
        world.arrive("Two", "for-Two");
        world.remove("in-One");
        assert!(!world.sync().is_clean(), "it is told");
        assert!(world.find_file("for-Two").is_some());
        fs::remove_file(&tmp).unwrap();
        world.settle();
        assert!(world.find_file("for-One").is_some());
    }
}

/// What was thrown away here comes back for what is new in it there; a name that no directory can have whole must not be cut on the server then.
#[test]
fn a_long_name_outlives_its_directory() {
    for like in BOTH {
        let long = "long ".repeat(50).trim_end().to_owned();
        let deep = format!("{long}/Deep");
        let world = world_with(like, &[]);
        world.mailbox.create_folder("", &long, "IPF.Note").unwrap();
        world.mailbox.create_folder(&long, "Deep", "IPF.Note").unwrap();
        world.arrive(&deep, "in-Deep");
        world.sync();
        let dir = world.file("in-Deep").ancestors().nth(3).unwrap().to_owned();
        fs::remove_dir_all(&dir).unwrap();
        world.arrive(&deep, "news");
        world.sync();
        assert_eq!(world.sync().total(), Tally::default());
        assert!(world.file("news").starts_with(&dir));
        assert_eq!(world.find("news").unwrap().1, deep);
    }
}

#[test]
fn tmp_is_made_again() {
    for like in BOTH {
        let world = world_with(like, &["One"]);
        fs::remove_dir(world.account_dir().join("One/tmp")).unwrap();
        world.arrive("One", "later");
        let report = world.settle();
        assert_eq!(report.total().downloaded, 1);
    }
}

#[test]
fn an_account_directory_that_is_gone_deletes_nothing() {
    for like in BOTH {
        let world = world_with(like, &["One"]);
        let there = world.remote();
        let engine = world.engine(Arc::new(CutAt::default()));
        let kept = world.home.path().join("kept");
        fs::rename(world.account_dir(), &kept).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let result = runtime.block_on(engine.run(&Request::default()));
        assert!(matches!(result, Err(SyncError::Local(_))), "{result:?}");
        assert_eq!(world.remote(), there);
        assert!(!world.account_dir().exists());
        drop(engine);
        fs::rename(&kept, world.account_dir()).unwrap();
        settle_folders(&world);
    }
}

#[test]
fn an_account_directory_that_is_empty_deletes_nothing() {
    for like in BOTH {
        let world = world_with(like, &["One"]);
        let there = world.remote();
        let kept = world.home.path().join("kept");
        fs::rename(world.account_dir(), &kept).unwrap();
        fs::create_dir(world.account_dir()).unwrap();
        let report = world.sync();
        assert!(!report.is_clean(), "it is told");
        assert_eq!(world.remote(), there);
        fs::remove_dir_all(world.account_dir()).unwrap();
        fs::rename(&kept, world.account_dir()).unwrap();
        world.sync();
        settle_folders(&world);
    }
}

#[test]
fn what_lies_beside_the_messages_keeps_a_folder() {
    for like in BOTH {
        let world = world_with(like, &["One"]);
        fs::write(world.account_dir().join("One/notes.txt"), "mine").unwrap();
        world.mailbox.delete_folder("One").unwrap();
        let report = world.sync();
        assert!(!report.is_clean());
        assert!(world.account_dir().join("One/notes.txt").exists());
        assert!(world.mailbox.folder("One").is_err());
        fs::remove_file(world.account_dir().join("One/notes.txt")).unwrap();
        world.settle();
        assert!(!world.account_dir().join("One").exists());
    }
}

#[test]
fn a_folder_merged_into_another_by_hand() {
    for like in BOTH {
        let world = world_with(like, &["One", "Two"]);
        let file = world.file("in-One");
        fs::rename(&file, world.account_dir().join("Two/new").join(file.file_name().unwrap())).unwrap();
        fs::remove_dir_all(world.account_dir().join("One")).unwrap();
        world.settle();
        assert_eq!(where_is(&world, "One"), "Two");
        assert!(world.mailbox.folder("One").is_err());
    }
}

#[test]
fn a_copied_folder_is_a_new_one() {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy(&path, &target);
            } else {
                fs::copy(&path, &target).unwrap();
            }
        }
    }
    for like in BOTH {
        let world = world_with(like, &["One"]);
        copy(&world.account_dir().join("One"), &world.account_dir().join("Copy"));
        world.settle();
        assert_eq!((world.remote()["One"].len(), world.remote()["Copy"].len()), (1, 1));
        // Copied and the original removed: a move over a file system's border.
        copy(&world.account_dir().join("One"), &world.account_dir().join("Inbox/One"));
        fs::remove_dir_all(world.account_dir().join("One")).unwrap();
        world.sync();
        settle_folders(&world);
        assert!(world.mailbox.folder("One").is_err());
        assert_eq!(world.remote()["Inbox/One"].len(), 1);
    }
}
