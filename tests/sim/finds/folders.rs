//! Folders that are made, moved, renamed and deleted while others do the same.

use super::*;

/// The directory that it was to come into is not there, and that ended each and every run.
#[test]
fn a_folder_comes_from_the_server_into_one_that_was_removed_here() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["One", "Two", "Three"] {
            world.mailbox.create_folder("", name, "IPF.Note").unwrap();
        }
        world.mailbox.create_folder("Three", "Deep", "IPF.Note").unwrap();
        world.arrive("Two", "a");
        world.sync();
        for name in ["One", "Three"] {
            fs::remove_dir_all(world.account_dir().join(name)).unwrap();
        }
        world.mailbox.move_folder("Two", "One").unwrap();
        world.mailbox.create_folder("Three/Deep", "Fresh", "IPF.Note").unwrap();
        world.sync();
        assert!(world.file("a").starts_with(world.account_dir().join("One/Two")));
        assert!(world.account_dir().join("Three/Deep/Fresh/cur").is_dir());
        world.assert_settled();
    }
}

#[test]
fn a_message_that_moved_to_a_folder_that_was_not_asked_for_waits() {
    let world = World::new(Personality::Exchange);
    world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
    world.arrive("Inbox", "a");
    world.sync();
    world.flag("a", "F");
    world.mailbox.move_item(&world.id("a"), "Archive").unwrap();
    world.sync_with(&only("Inbox"));
    assert!(world.file("a").starts_with(world.account_dir().join("Inbox")));
    world.settle();
    assert_eq!((copies(&world, "a"), world.remote()["Archive"][0].flags.as_str()), (1, "F"));
}

/// No list of changes had it, so that each run asked for it again, and what was put into it here was never taken anywhere.
#[test]
fn a_folder_that_we_made_there_and_that_was_deleted_before_the_next_run_is_gone() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        world.mkdir("Mine");
        world.sync_with(&only("Inbox"));
        world.mailbox.delete_folder("Mine").unwrap();
        world.put("Mine", "a", ":2,S");
        let report = world.sync();
        assert!(report.is_clean(), "{report:?}");
        world.assert_settled();
        assert_eq!(world.find("a").unwrap().1, "Mine");
    }
}

/// The server refused each time to make the new one in one that is not there.
#[test]
fn a_folder_that_is_put_into_one_that_was_deleted_there_goes_up_with_it() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["One", "Two"] {
            world.mailbox.create_folder("", name, "IPF.Note").unwrap();
        }
        world.arrive("Two", "b");
        world.sync();
        world.mailbox.delete_folder("One").unwrap();
        world.mkdir("One/New");
        world.put("One/New", "a", ":2,S");
        fs::rename(world.account_dir().join("Two"), world.account_dir().join("One/Two")).unwrap();
        let report = world.settle();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!((world.find("a").unwrap().1.as_str(), world.find("b").unwrap().1.as_str()), ("One/New", "One/Two"));
    }
}

/// The directory went back to where it was, while the folder was moved there: each side had its own tree from then on.
#[test]
fn a_folder_that_is_moved_here_and_renamed_there_is_both() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["One", "Two", "Into"] {
            world.mailbox.create_folder("", name, "IPF.Note").unwrap();
        }
        world.arrive("One", "a");
        world.arrive("Two", "b");
        world.sync();
        let dir = |path: &str| world.account_dir().join(path);
        fs::rename(dir("One"), dir("Into/One")).unwrap();
        world.mailbox.rename_folder("One", "Uno").unwrap();
        fs::rename(dir("Two"), dir("Due")).unwrap();
        world.mailbox.move_folder("Two", "Into").unwrap();
        world.settle();
        assert_eq!(
            (world.find("a").unwrap().1.as_str(), world.find("b").unwrap().1.as_str()),
            ("Into/Uno", "Into/Due")
        );
    }
}

#[test]
fn two_folders_that_are_moved_into_each_other_lie_as_the_server_has_them() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["One", "Two"] {
            world.mailbox.create_folder("", name, "IPF.Note").unwrap();
            world.arrive(name, &format!("in-{name}"));
        }
        world.sync();
        fs::rename(world.account_dir().join("One"), world.account_dir().join("Two/One")).unwrap();
        world.mailbox.move_folder("Two", "One").unwrap();
        let report = world.settle();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(world.find("in-Two").unwrap().1, "One/Two");
    }
}

/// The server's message could not be compared with what was not there, and was not asked for again before that was uploaded.
#[test]
fn a_folder_that_is_moved_while_it_is_adopted_keeps_its_messages_one() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["One", "Two"] {
            world.mailbox.create_folder("", name, "IPF.Note").unwrap();
        }
        world.arrive("Inbox", "other");
        world.arrive("Two", "a");
        world.sync();
        world.flag("other", "S");
        world.lose_state();
        let (from, to) = (world.account_dir().join("Two"), world.account_dir().join("One/Two"));
        let moved = During::nth(1, Step::FoldersNoted, move || fs::rename(from, to).unwrap());
        let report = sync_in_order(&world, &Request::default(), moved);
        assert_eq!(report.total().uploaded, 0);
        world.settle();
        assert_eq!((world.find("a").unwrap().1.as_str(), copies(&world, "a")), ("One/Two", 1));
    }
}

/// Its directory was made again where the folder had been, and stayed there.
#[test]
fn a_folder_that_is_removed_here_and_moved_there_comes_back_where_it_is_now() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("Inbox", "One", "IPF.Note").unwrap();
        world.mailbox.create_folder("Inbox/One", "Deep", "IPF.Note").unwrap();
        world.sync();
        fs::remove_dir_all(world.account_dir().join("Inbox/One")).unwrap();
        world.mailbox.move_folder("Inbox/One", "").unwrap();
        world.mailbox.rename_folder("One", "Uno").unwrap();
        world.arrive("Uno/Deep", "a");
        world.settle();
        assert!(world.file("a").starts_with(world.account_dir().join("Uno/Deep")));
    }
}

/// The letter of the category could not be assigned where the folder no longer was; nothing ever did it again.
#[test]
fn a_category_of_a_message_in_a_folder_that_is_moved_here_meanwhile_comes_here() {
    let world = World::new(Personality::Exchange);
    world.mailbox.create_folder("Inbox", "One", "").unwrap();
    world.mailbox.create_folder("", "Two", "").unwrap();
    world.arrive("Inbox/One", "a");
    world.sync();
    world.mailbox.set_categories(&world.id("a"), &["Green"]).unwrap();
    let root = world.account_dir();
    let edit = During::nth(1, Step::ChangesNoted, move || {
        fs::rename(root.join("Inbox/One"), root.join("Two/One")).unwrap();
    });
    world.try_sync(&Request::default(), edit).unwrap();
    world.settle();
    assert_eq!(world.local()["Two/One"][0].categories, ["Green"]);
}

/// The answer that was lost had said that the name is taken: the folder of that name was taken for the new one, and the run failed.
#[test]
fn a_folder_is_not_taken_for_one_of_its_name_when_the_answer_is_lost() {
    let world = World::new(Personality::Exchange);
    world.mailbox.create_folder("", "One", "").unwrap();
    world.sync();
    world.mailbox.rename_folder("One", "Two").unwrap();
    world.mkdir("Two");
    world.server.faults().add(Rule::on("CreateFolder", Action::CutBody { at: 200 }).times(4));
    world.sync();
    world.server.faults().clear();
    let report = world.sync();
    assert!(report.notices.iter().any(|notice| notice.text.contains("exists")), "{:?}", report.notices);
}

/// It was in no folder that could be read: it was deleted there, and uploaded anew.
#[test]
fn a_message_moved_here_into_a_folder_that_is_renamed_during_the_run_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "One", "").unwrap();
        world.arrive("Inbox", "a");
        world.sync();
        world.shift("a", "One");
        let root = world.account_dir();
        let edit = During::nth(1, Step::FoldersNoted, move || fs::rename(root.join("One"), root.join("Two")).unwrap());
        world.try_sync(&Request::default(), edit).unwrap();
        world.settle();
        assert_eq!((world.find("a").unwrap().1.as_str(), copies(&world, "a")), ("Two", 1));
    }
}

/// Its new place was passed over as that of one that both sides have deleted, and was never told again.
#[test]
fn a_folder_that_goes_to_deleted_items_within_another_one_and_stays_for_what_came_into_it_lies_there() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["One", "Two"] {
            world.mailbox.create_folder("", name, "IPF.Note").unwrap();
        }
        world.arrive("One", "a");
        world.sync();
        fs::remove_dir_all(world.account_dir().join("One")).unwrap();
        let (mailbox, two) = (world.mailbox.clone(), world.account_dir().join("Two"));
        let edit = During::nth(1, Step::DeletesPushed, move || {
            fs::remove_dir_all(two).unwrap();
            mailbox.add_message("Two", NewMessage { mime: &World::mime("b"), ..NewMessage::default() }).unwrap();
            mailbox.move_folder("Two", "One").unwrap();
        });
        world.try_sync(&World::allow_deletes(), edit).unwrap();
        world.settle();
        assert_eq!(world.find("b").unwrap().1, "Deleted Items/One/Two");
        world.assert_alike();
    }
}
