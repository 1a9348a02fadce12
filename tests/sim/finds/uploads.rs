//! Messages that are created on the server.

use super::*;

/// Its body was the server's, but was taken for an edit when something else about it was changed here: it was uploaded anew.
#[test]
fn a_message_that_was_replaced_right_before_a_crash_and_is_flagged_since_is_not_uploaded() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        let body = "a longer text\r\n".repeat(200);
        world.mailbox.replace_mime(&world.id("a"), &World::mime_with("a", &body)).unwrap();
        drop(world.try_sync(&World::full(), CutAtNth::new(1, Step::FileChanged)).unwrap_err());
        world.flag("a", "R");
        let report = world.sync_with(&World::full());
        assert_eq!((report.total().uploaded, report.total().deleted_there, report.total().changed_there), (0, 0, 1));
        world.assert_settled();
        assert_eq!((copies(&world, "a"), world.sync_with(&World::full()).total().uploaded), (1, 0));
    }
}

/// Its search key was not known yet, so that it was taken for deleted there, and for another one where it lay; and was uploaded anew.
#[test]
fn an_upload_that_is_moved_there_before_it_is_listed_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        world.put("Inbox", "a", ":2,S");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::PushNoted)).unwrap_err());
        world.mailbox.move_item(&world.id("a"), "Junk Email").unwrap();
        world.flag("a", "FS");
        let report = world.settle();
        assert_eq!((report.total().uploaded, report.total().downloaded, copies(&world, "a")), (0, 0, 1));
        assert_eq!(world.remote()["Junk Email"][0].flags, "FS");
    }
}

#[test]
fn an_upload_that_is_copied_there_before_it_is_listed_is_not_moved() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        world.put("Inbox", "a", ":2,S");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::PushNoted)).unwrap_err());
        world.mailbox.copy_item(&world.id("a"), "Junk Email").unwrap();
        world.settle();
        assert_eq!((world.remote()["Inbox"].len(), world.remote()["Junk Email"].len()), (1, 1));
    }
}

/// The folder that it had been moved out of was not looked at again, so that it was taken for a new one where it lay.
#[test]
fn a_message_whose_move_was_refused_is_not_uploaded() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        world.shift("a", "Junk Email");
        let code = "ErrorAccessDenied".to_owned();
        world.server.faults().add(Rule::on("MoveItem", Action::Fault { code }).times(1));
        assert_eq!(world.sync().total().moved_there, 0);
        let report = world.sync();
        assert_eq!((report.total().moved_there, report.total().uploaded, copies(&world, "a")), (1, 0, 1));
        world.assert_settled();
    }
}

/// Nothing told that it was not the text that had been uploaded.
#[test]
fn an_upload_rewritten_there_before_it_is_listed_is_fetched() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        world.put("Inbox", "a", ":2,S");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::PushNoted)).unwrap_err());
        world.mailbox.replace_mime(&world.id("a"), &World::mime_with("a", "theirs")).unwrap();
        world.settle();
        assert_eq!(world.local()["Inbox"][0].body, "theirs");
    }
}

/// What somebody had changed on it there counted as uploaded, and never came here.
#[test]
fn an_upload_that_is_marked_there_before_its_answer_comes_is_marked_here() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        world.put("Inbox", "a", ":2,S");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::UploadsSent)).unwrap_err());
        world.mailbox.set_categories(&world.id("a"), &["Blue"]).unwrap();
        world.settle();
        assert_eq!(
            (world.local()["Inbox"][0].categories.as_slice(), copies(&world, "a")),
            (&["Blue".to_owned()][..], 1)
        );
    }
}

/// The base said what was read before, the server what was read later: the same text was uploaded once more.
#[test]
fn what_is_written_into_a_file_while_it_is_uploaded_is_an_edit() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        let file = world.put("Inbox", "a", ":2,S");
        let edit = During::nth(1, Step::UploadsNoted, move || fs::write(file, World::mime_with("a", "mine")).unwrap());
        world.try_sync(&Request::default(), edit).unwrap();
        world.sync_with(&World::full());
        let texts = |folder: &str| world.remote()[folder].iter().map(|seen| seen.body.clone()).collect::<Vec<_>>();
        assert_eq!((texts("Inbox"), texts("Deleted Items")), (vec!["mine".to_owned()], vec!["a".to_owned()]));
    }
}

/// That it was found there counted as the one time that it is found again, so that it was fetched as a new message, and its file uploaded once more.
#[test]
fn an_upload_without_an_answer_that_is_moved_twice_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Last", "IPF.Note").unwrap();
        world.sync();
        world.put("Inbox", "a", ":2,S");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::UploadsSent)).unwrap_err());
        world.flag("a", "FS");
        let moved = world.mailbox.move_item(&world.id("a"), "Junk Email").unwrap();
        // All folders are asked.
        world.advance(7200);
        let mailbox = world.mailbox.clone();
        let again = During::nth(1, Step::ChangesNoted, move || drop(mailbox.move_item(&moved, "Last").unwrap()));
        let report = sync_in_order(&world, &Request::default(), again);
        assert_eq!((report.total().downloaded, report.total().uploaded, copies(&world, "a")), (0, 0, 1));
        assert_eq!(world.remote()["Last"][0].flags, "FS");
        world.assert_settled();
    }
}
