//! What is compared, noted, adopted and taken for a deletion.

use super::*;

#[test]
fn a_message_that_was_rewritten_before_the_state_was_lost_is_kept() {
    let world = World::new(Personality::Exchange);
    world.arrive("Inbox", "a");
    world.arrive("Inbox", "b");
    world.sync();
    fs::write(world.file("a"), World::mime_with("a", "rewritten")).unwrap();
    world.lose_state();
    let report = world.sync();
    assert_eq!((report.total().conflicts, report.total().adopted), (1, 2));
    assert_eq!(world.conflicts(), ["rewritten"]);
    world.assert_settled();
}

/// The server refused each deletion, since the version was not the noted one, and the version was never noted.
#[test]
fn a_message_that_was_deleted_here_goes_although_its_version_changed_there() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        world.remove("a");
        world.mailbox.touch(&world.id("a")).unwrap();
        world.settle();
        assert_eq!(world.find("a").unwrap().1, "Deleted Items");
    }
}

/// The old version changed there, so that it came back; but the name that follows from its id belonged to the new one by then.
#[test]
fn both_versions_are_here_when_the_old_one_changed_there_in_the_last_instant() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        fs::write(world.file("a"), World::mime_with("a", "rewritten")).unwrap();
        let (mailbox, id) = (world.mailbox.clone(), world.id("a"));
        let flagged = During::nth(1, Step::UploadsSent, move || mailbox.set_flag(&id, Flag::Flagged).unwrap());
        let report = sync_in_order(&world, &World::full(), flagged);
        assert!(report.is_clean(), "{report:?}");
        world.assert_settled();
        let bodies: Vec<_> = world.local()["Inbox"].iter().map(|seen| seen.body.clone()).collect();
        assert_eq!(bodies, ["rewritten", "a"]);
    }
}

/// It stayed as it was put together from its headers, for good.
#[test]
fn a_message_that_the_server_can_render_again_is_fetched_whole() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive("Inbox", "a");
        let is_rebuilt = || fs::read_to_string(world.file("a")).unwrap().contains("X-Pimsync-Rebuilt");
        refuse_to_render(&world, &id);
        world.sync();
        assert!(is_rebuilt());
        world.advance(3_600);
        refuse_to_render(&world, &id);
        world.sync();
        assert_eq!((is_rebuilt(), world.troubles().len()), (true, 1));
        world.server.faults().clear();
        world.advance(2 * 86_400);
        world.sync();
        assert_eq!((is_rebuilt(), world.troubles().len()), (false, 0));
        world.assert_settled();
    }
}

#[test]
fn a_whole_file_is_kept_while_the_server_cannot_render_a_new_version() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive_as("Drafts", "a", NewMessage { draft: true, ..NewMessage::default() });
        world.sync();
        let whole = fs::read(world.file("a")).unwrap();
        world.mailbox.replace_mime(&id, &World::mime_with("a", "theirs")).unwrap();
        refuse_to_render(&world, &id);
        world.sync();
        assert_eq!(fs::read(world.file("a")).unwrap(), whole);
        world.advance(2 * 86_400);
        world.sync();
        assert_eq!(world.local()["Drafts"][0].body, "theirs");
        world.assert_settled();
    }
}

/// The server's change, which the run had carried out here before it was cut off, was then taken back there: the file looked as if its owner had
/// made the change.
#[test]
fn a_change_that_is_taken_back_there_after_a_crash_is_taken_back_here() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "flagged");
        world.arrive("Inbox", "moved");
        world.sync();
        world.mailbox.set_flag(&world.id("flagged"), Flag::Flagged).unwrap();
        world.mailbox.move_item(&world.id("moved"), "Junk Email").unwrap();
        for _ in 0..2 {
            drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::FileChanged)));
        }
        world.mailbox.set_flag(&world.id("flagged"), Flag::NotFlagged).unwrap();
        world.mailbox.move_item(&world.id("moved"), "Inbox").unwrap();
        world.settle();
        let report = world.remote();
        assert!(report["Inbox"].iter().all(|seen| !seen.flags.contains('F')), "{report:?}");
        assert_eq!((report["Inbox"].len(), report["Junk Email"].len()), (2, 0));
        world.assert_alike();
    }
}

/// The server's text had been put into the file; a sync that reads no files then noted the message as agreed, and the next one took the text
/// for an edit made here.
#[test]
fn a_text_taken_over_right_before_a_crash_is_no_edit() {
    for like in BOTH {
        let world = World { policy: ConflictPolicy::Local, ..World::new(like) };
        let id = world.arrive("Inbox", "a");
        world.sync();
        world.mailbox.replace_mime(&id, &World::mime_with("a", "theirs, and longer than what it was before")).unwrap();
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::FileChanged)).unwrap_err());
        world.sync();
        let report = world.sync_with(&World::full());
        assert_eq!((report.total().uploaded, copies(&world, "a")), (0, 1));
    }
}

/// It was read only after it had been told that it lies there already, so that the edit counted as agreed.
#[test]
fn a_message_that_is_edited_while_it_is_adopted_is_edited() {
    let world = World::new(Personality::Exchange);
    world.arrive("Inbox", "a");
    world.arrive("Inbox", "b");
    world.sync();
    world.lose_state();
    let id = world.id("b");
    world.mailbox.set_read(&id, true).unwrap();
    world.mailbox.set_flag(&world.id("a"), Flag::Flagged).unwrap();
    let (first, second) = (world.file("a"), world.file("b"));
    // One of the two is renamed first; the other is not read yet.
    let edit = During::nth(1, Step::FileChanged, move || {
        for (name, file) in [("a", first), ("b", second)].into_iter().filter(|(_, file)| file.exists()) {
            fs::write(file, World::mime_with(name, "mine")).unwrap();
        }
    });
    world.try_sync(&Request::default(), edit).unwrap();
    world.sync_with(&World::full());
    world.assert_alike();
    assert!(world.remote()["Inbox"].iter().any(|seen| seen.body == "mine"), "{:?}", world.remote());
}

/// The Message-ID told nothing, and the file was taken for the other message's.
#[test]
fn messages_of_one_message_id_are_known_by_what_they_say() {
    for names in [["1.elsewhere:2,", "2.elsewhere:2,"], ["2.elsewhere:2,", "1.elsewhere:2,"]] {
        let world = World::new(Personality::Exchange);
        let (old, new) = (World::mime_with("a", "old"), World::mime_with("a", "new"));
        world.mailbox.add_message("Inbox", NewMessage { mime: &old, ..NewMessage::default() }).unwrap();
        world.mailbox.add_message("Inbox", NewMessage { mime: &new, ..NewMessage::default() }).unwrap();
        world.sync();
        world.lose_state();
        for file in files(&world.account_dir().join("Inbox")) {
            let bytes = fs::read(&file).unwrap();
            fs::remove_file(&file).unwrap();
            let elsewhere = world.put_bytes("Inbox", &bytes, ":2,");
            fs::rename(&elsewhere, elsewhere.with_file_name(names[usize::from(body_of(&bytes) == "old")])).unwrap();
        }
        world.settle();
        let ids: Vec<String> = world.mailbox.items("Inbox").unwrap().into_iter().map(|item| item.id).collect();
        world.mailbox.set_flag(&ids[0], Flag::Flagged).unwrap();
        world.settle();
        assert_eq!(copies(&world, "a"), 2);
    }
}

/// The server began its listing anew, and the files counted as compared, too.
#[test]
fn a_message_rewritten_here_is_found_although_the_server_was_listed_anew_meanwhile() {
    let world = World::new(Personality::Exchange);
    world.sync();
    let file = world.put("Inbox", "a", ":2,S");
    world.settle();
    world.advance(86_400);
    // It is as long as before.
    fs::write(&file, World::mime_with("a", "b")).unwrap();
    let now = UNIX_EPOCH + Duration::from_secs(world.clock.now().0.cast_unsigned());
    fs::File::options().write(true).open(&file).unwrap().set_modified(now).unwrap();
    world.advance(86_400);
    let inbox = world.mailbox.folder("Inbox").unwrap();
    world.server.faults().add(Rule::on("SyncFolderItems", Action::InvalidSyncState).containing(&inbox).times(1));
    world.sync();
    assert_eq!(world.remote()["Inbox"][0].body, "a");
    world.advance(8 * 86_400);
    world.sync();
    assert_eq!(world.remote()["Inbox"][0].body, "b");
}

/// The listing told of its read state alone, so that nothing was known of it but that: neither what it could be found again by, nor its time.
#[test]
fn a_message_deleted_here_and_marked_there_comes_back_whole() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive_as("Deleted Items", "a", NewMessage { read: true, ..NewMessage::default() });
        world.sync();
        let name = world.file("a").file_name().unwrap().to_owned();
        world.remove("a");
        world.mailbox.set_read(&id, false).unwrap();
        world.sync();
        assert_eq!(delivered_part(world.file("a").file_name().unwrap()), delivered_part(&name));
        world.mailbox.move_item(&id, "Junk Email").unwrap();
        world.flag("a", "F");
        world.settle();
        assert_eq!(copies(&world, "a"), 1);
    }
}

/// It was taken for a message that lay there already, and its text for the server's.
#[test]
fn a_message_rewritten_under_another_name_right_after_a_cut_off_delivery_is_rewritten_there() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::Delivered)).unwrap_err());
        rewritten_elsewhere(&world, "a", "Inbox", "mine");
        world.sync_with(&World::full());
        assert_eq!(world.remote()["Inbox"].iter().map(|seen| seen.body.as_str()).collect::<Vec<_>>(), ["mine"]);
    }
}
