//! Drafts, which are edited on both sides.

use super::*;

/// The draft was taken for the server's because of its name, and the edit was never seen again.
#[test]
fn a_draft_that_was_edited_before_the_state_was_lost_is_kept() {
    let world = World::new(Personality::Exchange);
    world.arrive_as("Drafts", "letter", draft());
    world.arrive_as("Drafts", "other", draft());
    world.sync();
    world.put("Drafts", "mine", ":2,DS");
    world.settle();
    fs::write(world.file("letter"), World::mime_with("letter", "edited")).unwrap();
    world.lose_state();
    let report = world.sync();
    assert_eq!((report.total().conflicts, report.total().adopted), (1, 3));
    assert_eq!((world.remote()["Drafts"][0].body.as_str(), world.conflicts()), ("letter", vec!["edited".to_owned()]));
    world.assert_settled();
}

/// The old version was taken for what had been moved, since it held the same; so the new one was deleted, and a third one uploaded.
#[test]
fn a_finished_draft_that_is_moved_before_its_old_version_is_deleted_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive_as("Drafts", "a", draft());
        world.sync();
        world.flag("a", "");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::PushNoted)).unwrap_err());
        world.shift("a", "Sent Items");
        let report = world.settle();
        assert_eq!((report.total().uploaded, report.total().moved_there, report.total().deleted_there), (0, 1, 1));
        assert_eq!((world.remote()["Sent Items"].len(), copies(&world, "a")), (1, 2));
    }
}

/// What it held was noted as agreed on, so that the edit never went anywhere.
#[test]
fn a_draft_that_followed_right_before_a_crash_and_is_edited_since_goes_there() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive_as("Drafts", "a", draft());
        world.sync();
        world.mailbox.move_item(&world.id("a"), "Junk Email").unwrap();
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::FileChanged)).unwrap_err());
        fs::write(world.file("a"), World::mime_with("a", "edited")).unwrap();
        world.settle();
        assert_eq!(world.remote()["Junk Email"][0].body, "edited");
    }
}

/// Neither its name nor what it held was known any more, so that it was fetched once more, and the file uploaded.
#[test]
fn a_draft_that_was_renamed_here_and_replaced_right_before_a_crash_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive_as("Drafts", "a", draft());
        world.sync();
        world.shift("a", "Drafts");
        world.mailbox.replace_mime(&world.id("a"), &World::mime_with("a", "edited there")).unwrap();
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::FileChanged)).unwrap_err());
        let report = world.settle();
        assert_eq!((report.total().downloaded, report.total().uploaded, copies(&world, "a")), (0, 0, 1));
        assert_eq!(world.remote()["Drafts"][0].body, "edited there");
    }
}

/// Nothing told which side had edited it; where the server was to win, the edit was lost.
#[test]
fn a_draft_from_here_that_is_edited_here_and_marked_there_is_no_conflict() {
    for like in BOTH {
        let world = World { policy: ConflictPolicy::Server, ..World::new(like) };
        world.sync();
        world.put("Drafts", "a", ":2,DS");
        world.settle();
        world.mailbox.set_categories(&world.id("a"), &["Blue"]).unwrap();
        fs::write(world.file("a"), World::mime_with("a", "edited")).unwrap();
        world.settle();
        let drafts = &world.remote()["Drafts"];
        assert_eq!((drafts[0].body.as_str(), drafts[0].categories.as_slice()), ("edited", &["Blue".to_owned()][..]));
    }
}

/// The comparison of the bodies was refused, and the new version was noted all the same: nobody looked at it again.
#[test]
fn a_draft_edited_there_that_could_not_be_compared_is_fetched_later() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive_as("Drafts", "a", NewMessage { draft: true, ..NewMessage::default() });
        world.sync();
        world.mailbox.replace_mime(&world.id("a"), &World::mime_with("a", "theirs")).unwrap();
        let code = "ErrorAccessDenied".to_owned();
        world.server.faults().add(Rule::on("GetItem", Action::Fault { code }));
        let _ = world.try_sync(&Request::default(), Arc::new(CutAt::default()));
        world.server.faults().clear();
        world.advance(2 * 86_400);
        world.sync();
        assert_eq!(world.local()["Drafts"][0].body, "theirs");
        world.assert_settled();
    }
}

/// What was in the file was noted as agreed, though the server said something else, until the push that never came.
#[test]
fn an_adopted_draft_that_wins_against_the_server_is_pushed_even_if_it_is_moved_meanwhile() {
    for nth in 1..8 {
        let mut world = World::new(Personality::Exchange);
        world.policy = ConflictPolicy::Local;
        world.arrive_as("Drafts", "a", NewMessage { draft: true, ..NewMessage::default() });
        world.sync();
        world.lose_state();
        fs::write(world.file("a"), World::mime_with("a", "mine")).unwrap();
        drop(world.try_sync(&Request::default(), CutAtNth::new(nth, Step::PageNoted)));
        world.shift("a", "Sent Items");
        world.settle();
        let texts: Vec<String> = world.remote()["Sent Items"].iter().map(|seen| seen.body.clone()).collect();
        assert_eq!(texts, ["mine"], "cut off at page {nth}");
        world.assert_alike();
    }
}

/// What somebody wrote into it there counted as what had been uploaded.
#[test]
fn a_draft_whose_upload_was_not_answered_and_that_is_edited_there_is_fetched() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        world.put("Drafts", "a", ":2,DS");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::UploadsSent)).unwrap_err());
        world.mailbox.replace_mime(&world.id("a"), &World::mime_with("a", "theirs")).unwrap();
        world.settle();
        assert_eq!((world.local()["Drafts"][0].body.as_str(), copies(&world, "a")), ("theirs", 1));
        world.assert_alike();
    }
}

/// What was written into it between the comparison and the noting counted as compared.
#[test]
fn a_draft_that_is_edited_while_it_is_adopted_is_edited() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive_as("Drafts", "a", NewMessage { draft: true, ..NewMessage::default() });
        world.sync();
        world.lose_state();
        world.arrive_as("Drafts", "b", NewMessage { draft: true, ..NewMessage::default() });
        let file = world.file("a");
        let edit = During::nth(1, Step::BodiesStaged, move || fs::write(file, World::mime_with("a", "mine")).unwrap());
        world.try_sync(&Request::default(), edit).unwrap();
        world.settle();
        assert!(world.remote()["Drafts"].iter().any(|seen| seen.body == "mine"), "{:?}", world.remote());
        world.assert_alike();
    }
}

/// The copy has the search key of the draft that was deleted: it was taken for it, and its text for the newer one.
#[test]
fn a_draft_edited_here_and_deleted_there_is_not_taken_for_a_copy_of_another() {
    for like in BOTH {
        let world = World { policy: ConflictPolicy::Server, ..World::new(like) };
        let first = world.arrive_as("Drafts", "a", draft());
        let second = world.mailbox.copy_item(&first, "Sent Items").unwrap();
        world.sync();
        world.mailbox.replace_mime(&second, &World::mime_with("a", "another")).unwrap();
        world.sync();
        let file = files(&world.account_dir().join("Drafts")).pop().unwrap();
        fs::write(file, World::mime_with("a", "mine")).unwrap();
        world.mailbox.copy_item(&second, "Junk Email").unwrap();
        world.mailbox.delete_item(&first).unwrap();
        world.settle();
        let remote = world.remote();
        assert!(remote.values().flatten().any(|seen| seen.body == "mine"), "{remote:?}");
    }
}

/// Its Message-ID could not be asked for, since it had another id there by now.
#[test]
fn a_draft_that_is_moved_there_and_edited_under_another_name_here_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive_as("Drafts", "a", draft());
        world.sync();
        world.mailbox.move_item(&id, "Deleted Items").unwrap();
        world.remove("a");
        world.put_bytes("Drafts", &World::mime_with("a", "mine"), ":2,DS");
        world.settle();
        let moved = &world.remote()["Deleted Items"];
        assert_eq!((copies(&world, "a"), moved[0].body.as_str()), (1, "mine"));
    }
}

/// The server says what was sent to it: that is no edit by somebody else.
#[test]
fn a_draft_that_is_edited_again_after_a_push_without_an_answer_is_no_conflict() {
    {
        let world = World::new(Personality::Exchange);
        world.arrive_as("Drafts", "a", draft());
        world.sync();
        let edit = |text: &str| fs::write(world.file("a"), World::mime_with("a", text)).unwrap();
        edit("second");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::DraftReplaced)).unwrap_err());
        edit("third");
        let report = world.settle();
        assert_eq!((report.total().conflicts, world.remote()["Drafts"][0].body.as_str()), (0, "third"));
        edit("fourth");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::DraftReplaced)).unwrap_err());
        edit("third");
        let report = world.settle();
        assert_eq!((report.total().conflicts, world.remote()["Drafts"][0].body.as_str()), (0, "third"));
    }
}

/// gromox says in its own way what it was sent: nobody can tell whether it is that, and the later edit was lost where the server was to win.
#[test]
fn a_draft_that_may_have_been_sent_does_not_replace_a_later_one_without_a_trace() {
    let world = World { policy: ConflictPolicy::Server, ..World::new(Personality::Gromox) };
    world.arrive_as("Drafts", "a", draft());
    world.sync();
    let edit = |text: &str| fs::write(world.file("a"), World::mime_with("a", text)).unwrap();
    edit("second");
    drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::DraftReplaced)).unwrap_err());
    edit("third");
    world.settle();
    assert_eq!((world.conflicts().len(), world.remote()["Drafts"][0].body.as_str()), (1, "second"));
}

/// Neither its name nor its text was known any more, nor its Message-ID, since the message had another id there by now.
#[test]
fn a_draft_moved_here_and_there_and_replaced_right_before_a_crash_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive_as("Drafts", "a", draft());
        world.sync();
        world.mailbox.replace_mime(&id, &World::mime_with("a", "theirs")).unwrap();
        world.mailbox.move_item(&id, "Deleted Items").unwrap();
        let moved = world.shift("a", "Outbox");
        fs::rename(&moved, moved.with_file_name("1.another:2,DS")).unwrap();
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::FileChanged)).unwrap_err());
        world.settle();
        assert_eq!(copies(&world, "a"), 1);
    }
}

/// The copy was taken for the draft itself, moved and edited: where this side was to win, it was written over what the draft had become there.
#[test]
fn a_copy_of_a_draft_that_is_deleted_here_and_edited_there_does_not_win_over_the_edit() {
    for like in BOTH {
        let world = World { policy: ConflictPolicy::Local, ..World::new(like) };
        world.arrive_as("Drafts", "a", draft());
        world.sync();
        world.mailbox.replace_mime(&world.id("a"), &World::mime_with("a", "edited there")).unwrap();
        world.remove("a");
        // It says the same, in other bytes than the server's.
        world.put_bytes("Junk Email", &World::mime("a"), ":2,DS");
        world.settle();
        let bodies: Vec<String> = world.remote().into_values().flatten().map(|message| message.body).collect();
        assert!(bodies.contains(&"edited there".to_owned()), "{bodies:?}");
        world.assert_settled();
    }
}
