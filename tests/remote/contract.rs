//! What every back end must do for the engine, against the embedded server in both of its personalities.

use std::sync::Arc;
use std::time::Duration;

use crate::house::*;
use pimsync::clock::Clock;
use pimsync::exchange::{Action, Flag, NewMessage, Personality, Rule};
use pimsync::pim::Flags;
use pimsync::pim::{
    Category, FolderId, FolderKind, FollowUp, ItemId, LastVerb, ServerMarks, SpecialFolder, SyncState, UnixTime,
};
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{EwsClient, Settings};
use pimsync::remote::{
    Disposal, Fetched, ItemChange, ItemErrorClass, MarkUpdate, RemoteError, RemoteRead, RemoteWrite, Upload, Versioned,
};

/// Makes a test of each function for each personality.
macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod exchange {
            $(#[tokio::test] async fn $name() { super::$name(super::House::like(super::Personality::Exchange)).await })*
        }
        mod gromox {
            $(#[tokio::test] async fn $name() { super::$name(super::House::like(super::Personality::Gromox)).await })*
        }
    };
}

contract!(
    special_folders_and_their_root_are_found,
    the_tree_of_folders_is_listed_and_followed,
    an_unknown_hierarchy_state_starts_over,
    a_listing_tells_everything_but_bodies,
    changes_are_followed,
    pages_are_followed_to_their_end,
    activity_tells_which_folders_changed,
    bodies_arrive_whole_and_in_their_slots,
    a_listed_message_that_is_gone_costs_only_itself,
    an_unrenderable_message_is_rebuilt,
    illegal_characters_cost_nothing,
    cut_bodies_are_fetched_again,
    a_body_that_is_always_cut_is_for_a_later_run,
    reads_survive_every_shape_of_throttling,
    long_throttling_ends_the_run,
    created_messages_are_what_was_sent,
    lost_answers_never_make_a_second_copy,
    throttled_uploads_never_make_a_second_copy,
    a_body_that_cannot_be_read_costs_only_itself,
    marks_are_set_and_conflicts_left_alone,
    a_lost_answer_to_marks_is_no_conflict,
    messages_move_and_conflicts_stay,
    a_lost_answer_to_a_move_is_found_again,
    messages_are_deleted_and_conflicts_stay,
    a_lost_answer_to_a_deletion_is_no_error,
    folders_are_deleted_with_all_below_them,
    folders_are_made_renamed_and_moved,
    drafts_are_replaced,
    large_messages_stream,
    garbage_is_an_error_and_not_a_deletion,
);

async fn special_folders_and_their_root_are_found(house: House) {
    let found = house.client.special_folders().await.unwrap();
    let inbox = found.special.iter().find(|(special, _)| *special == SpecialFolder::Inbox).unwrap();
    assert_eq!(inbox.1, house.folder("Inbox"));
    assert_eq!(house.server.requests().len(), 1, "it is the cheapest proof that the sign-in works");
    let tree = house.client.folder_changes(None).await.unwrap();
    assert!(tree.changed.iter().any(|folder| folder.id == inbox.1 && folder.parent == found.root));
}

async fn the_tree_of_folders_is_listed_and_followed(house: House) {
    let first = house.client.folder_changes(None).await.unwrap();
    let kind = |path: &str| first.changed.iter().find(|folder| folder.id == house.folder(path)).unwrap().kind;
    assert_eq!(kind("Inbox"), FolderKind::Mail);
    assert_eq!(kind("Calendar"), FolderKind::Calendar);
    let made = house.mailbox.create_folder("Inbox", "A/B <&> \"é\"", "IPF.Note").unwrap();
    let second = house.client.folder_changes(Some(&first.state)).await.unwrap();
    let folder = second.changed.iter().find(|folder| folder.id.as_str() == made).unwrap();
    assert_eq!((folder.name.as_str(), &folder.parent), ("A/B <&> \"é\"", &house.folder("Inbox")));
    house.mailbox.move_folder(&made, "").unwrap();
    let third = house.client.folder_changes(Some(&second.state)).await.unwrap();
    assert!(third.changed.iter().any(|folder| folder.id.as_str() == made && folder.parent != house.folder("Inbox")));
    house.mailbox.delete_folder(&made).unwrap();
    let fourth = house.client.folder_changes(Some(&third.state)).await.unwrap();
    assert!(fourth.gone.iter().any(|id| id.as_str() == made));
}

/// Exchange says so; gromox lists everything again. Both are the truth.
async fn an_unknown_hierarchy_state_starts_over(house: House) {
    let all = house.client.folder_changes(None).await.unwrap();
    match house.client.folder_changes(Some(&SyncState::new("bm9uc2Vuc2Ugbm9uc2Vuc2Ugbm9uc2Vuc2U="))).await {
        Err(RemoteError::StateInvalid) => {}
        Ok(again) => assert_eq!(again.changed.len(), all.changed.len()),
        Err(error) => panic!("{error}"),
    }
}

async fn a_listing_tells_everything_but_bodies(house: House) {
    let mail = mime("listed");
    house
        .mailbox
        .add_message(
            "Inbox",
            NewMessage {
                mime: &mail,
                read: true,
                flag: Flag::Flagged,
                categories: vec!["Red".to_owned(), "Größe & <Co>".to_owned()],
                received: Some(1_700_000_000_000),
                last_verb: Some(103),
                draft: false,
            },
        )
        .unwrap();
    let page = house.client.item_changes(&house.folder("Inbox"), None, 512).await.unwrap();
    let [message] = present(&page)[..] else { panic!("{page:?}") };
    assert_eq!(
        message.marks,
        ServerMarks {
            read: true,
            follow_up: FollowUp::Flagged,
            verb: LastVerb::ReplyAll,
            categories: [Category("Red".to_owned()), Category("Größe & <Co>".to_owned())].into(),
            draft: false,
        }
    );
    assert_eq!(message.received, Some(UnixTime(1_700_000_000)));
    assert_eq!(message.message_id.as_deref(), Some("<listed@example.org>"));
    assert!(message.class.is_mail() && message.size > 0 && message.search_key.is_some() && message.tag.is_none());
    let again = all_ok(house.client.messages(std::slice::from_ref(&message.id)).await.unwrap());
    let at_home = pimsync::pim::ServerMessage { folder: Some(house.folder("Inbox")), ..message.clone() };
    assert_eq!(again, [at_home], "GetItem and SyncFolderItems say the same, but for the folder");
}

async fn changes_are_followed(house: House) {
    let inbox = house.folder("Inbox");
    let ids = house.fill("Inbox", &["a", "b", "c"]);
    let pages = all_changes(&house.client, &inbox, 512).await;
    let mut state = pages.last().unwrap().state.clone();
    house.mailbox.set_read(ids[0].as_str(), true).unwrap();
    house.mailbox.set_flag(ids[1].as_str(), Flag::Flagged).unwrap();
    house.mailbox.delete_item(ids[2].as_str()).unwrap();
    let mut seen = Vec::new();
    loop {
        let page = house.client.item_changes(&inbox, Some(&state), 512).await.unwrap();
        if page.changes.is_empty() {
            break;
        }
        state = page.state;
        seen.extend(page.changes);
    }
    assert!(seen.iter().any(|change| match change {
        ItemChange::Read { id, read } => *id == ids[0] && *read,
        ItemChange::Present(message) => message.id == ids[0] && message.marks.read,
        ItemChange::Gone(_) => false,
    }));
    assert!(seen.iter().any(|change| matches!(change, ItemChange::Present(message)
        if message.id == ids[1] && message.marks.follow_up == FollowUp::Flagged)));
    assert!(seen.contains(&ItemChange::Gone(ids[2].clone())));
}

async fn pages_are_followed_to_their_end(house: House) {
    let subjects: Vec<String> = (0..25).map(|n| format!("m{n}")).collect();
    let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
    let ids = house.fill("Inbox", &subjects);
    let inbox = house.folder("Inbox");
    let pages = all_changes(&house.client, &inbox, 10).await;
    assert!(pages.iter().all(|page| page.changes.len() <= 10));
    let listed: std::collections::BTreeSet<_> = pages.iter().flat_map(present).map(|message| &message.id).collect();
    assert_eq!(listed, ids.iter().collect());
    for id in &ids[..21] {
        house.mailbox.delete_item(id.as_str()).unwrap();
    }
    let mut state = pages.last().unwrap().state.clone();
    let mut gone = std::collections::BTreeSet::new();
    loop {
        let page = house.client.item_changes(&inbox, Some(&state), 10).await.unwrap();
        if page.changes.is_empty() {
            break;
        }
        gone.extend(page.changes.into_iter().filter_map(|change| match change {
            ItemChange::Gone(id) => Some(id),
            _ => None,
        }));
        state = page.state;
    }
    assert_eq!(gone.len(), 21, "also where the server says too early that nothing follows");
}

async fn activity_tells_which_folders_changed(house: House) {
    let folders = [house.folder("Inbox"), house.folder("Drafts"), house.folder("Sent Items")];
    let before = all_ok(house.client.activity(&folders).await.unwrap());
    assert_eq!(before.iter().map(|activity| &activity.id).collect::<Vec<_>>(), folders.iter().collect::<Vec<_>>());
    let ids = house.fill("Drafts", &["new"]);
    let after = all_ok(house.client.activity(&folders).await.unwrap());
    assert_eq!(house.count("GetFolder"), 2);
    assert!(before[0] == after[0] && before[2] == after[2] && before[1].mark != after[1].mark);
    assert_eq!(after[1].total, Some(1));
    house.mailbox.set_read(ids[0].as_str(), true).unwrap();
    let read = all_ok(house.client.activity(&folders).await.unwrap());
    assert!(read[1].mark.is_some() && read[1].mark != after[1].mark);
    let missing = house.mailbox.create_folder("", "Gone", "IPF.Note").unwrap();
    house.mailbox.delete_folder(&missing).unwrap();
    let mixed = house.client.activity(&[folders[0].clone(), pimsync::pim::FolderId::new(missing)]).await.unwrap();
    assert!(mixed[0].is_ok());
    assert_eq!(mixed[1].as_ref().unwrap_err().class, ItemErrorClass::Gone);
}

async fn bodies_arrive_whole_and_in_their_slots(house: House) {
    let subjects: Vec<String> = (0..120).map(|n| format!("message {n}")).collect();
    let ids = house.fill("Inbox", &subjects.iter().map(String::as_str).collect::<Vec<_>>());
    let items: Vec<(ItemId, u64)> = ids.into_iter().map(|id| (id, 500)).collect();
    let mut sink = Bodies::default();
    let results = house.client.bodies(&items, &mut sink).await.unwrap();
    assert!(results.iter().all(|result| *result == Ok(Fetched::Rendered)));
    for (slot, subject) in subjects.iter().enumerate() {
        assert!(sink.text(slot).contains(&format!("Subject: {subject}\r\n")), "slot {slot}: {}", sink.text(slot));
    }
    assert_eq!(house.count("GetItem"), 2, "at most 100 in one request");
}

async fn a_listed_message_that_is_gone_costs_only_itself(house: House) {
    let ids = house.fill("Inbox", &["a", "b", "c"]);
    house.mailbox.delete_item(ids[1].as_str()).unwrap();
    let mut sink = Bodies::default();
    let items: Vec<(ItemId, u64)> = ids.iter().map(|id| (id.clone(), 500)).collect();
    let results = house.client.bodies(&items, &mut sink).await.unwrap();
    assert!(results[0].is_ok() && results[2].is_ok());
    assert_eq!(results[1].as_ref().unwrap_err().class, ItemErrorClass::Gone);
    let messages = house.client.messages(&ids).await.unwrap();
    assert!(messages[0].is_ok() && messages[2].is_ok());
    assert_eq!(messages[1].as_ref().unwrap_err().class, ItemErrorClass::Gone);
}

async fn an_unrenderable_message_is_rebuilt(house: House) {
    let ids = house.fill("Inbox", &["fine", "broken", "fine too"]);
    let items: Vec<(ItemId, u64)> = ids.iter().map(|id| (id.clone(), 500)).collect();
    for (code, times) in
        [("ErrorMimeContentConversionFailed", 2), ("ErrorInternalServerError", 2), ("ErrorItemCorrupt", 3)]
    {
        house.server.faults().clear();
        let fault = Action::ItemError { code: code.to_owned() };
        house.server.faults().add(Rule::on("GetItem", fault).for_item(ids[1].as_str()).times(times));
        let mut sink = Bodies::default();
        let results = house.client.bodies(&items, &mut sink).await.unwrap();
        assert_eq!(results, [Ok(Fetched::Rendered), Ok(Fetched::Rebuilt), Ok(Fetched::Rendered)], "{code}");
        let text = sink.text(1);
        assert!(text.contains("Subject: broken\r\n") && text.contains("<broken@example.org>"), "{text}");
    }
    house.server.faults().clear();
    let fault = Action::ItemError { code: "ErrorItemCorrupt".to_owned() };
    house.server.faults().add(Rule::on("GetItem", fault).for_item(ids[1].as_str()));
    let results = house.client.bodies(&items, &mut Bodies::default()).await.unwrap();
    assert_eq!(results[1].as_ref().unwrap_err().class, ItemErrorClass::Unrenderable);
}

async fn illegal_characters_cost_nothing(house: House) {
    let ids = house.fill("Inbox", &["one", "two"]);
    house.server.faults().add(Rule::always(Action::IllegalXml));
    let page = house.client.item_changes(&house.folder("Inbox"), None, 100).await.unwrap();
    assert_eq!(present(&page).len(), 2);
    assert!(house.client.folder_changes(None).await.unwrap().changed.len() > 5);
    let items: Vec<(ItemId, u64)> = ids.into_iter().map(|id| (id, 500)).collect();
    assert!(house.client.bodies(&items, &mut Bodies::default()).await.unwrap().iter().all(Result::is_ok));
}

async fn cut_bodies_are_fetched_again(house: House) {
    let subjects: Vec<String> = (0..10).map(|n| format!("cut {n}")).collect();
    let ids = house.fill("Inbox", &subjects.iter().map(String::as_str).collect::<Vec<_>>());
    let items: Vec<(ItemId, u64)> = ids.into_iter().map(|id| (id, 500)).collect();
    for at in [0, 1, 200, 2000, 4000, 6000] {
        house.server.faults().clear();
        house.server.faults().add(Rule::on("GetItem", Action::CutBody { at }).times(2));
        let mut sink = Bodies::default();
        let results = house.client.bodies(&items, &mut sink).await.unwrap();
        assert!(results.iter().all(|result| *result == Ok(Fetched::Rendered)), "cut at {at}: {results:?}");
        for (slot, subject) in subjects.iter().enumerate() {
            let text = sink.text(slot);
            assert!(text.contains(&format!("Subject: {subject}\r\n")) && text.ends_with("\r\n"), "{text}");
        }
        let page = house.client.item_changes(&house.folder("Inbox"), None, 100).await.unwrap();
        assert_eq!(page.changes.len(), 10);
    }
}

/// It is not put together from its properties: what is rebuilt has no attachments, and is never fetched again.
async fn a_body_that_is_always_cut_is_for_a_later_run(house: House) {
    let long = [mime("long"), b"and so on\r\n".repeat(2000)].concat();
    let id = house.mailbox.add_message("Inbox", NewMessage { mime: &long, ..NewMessage::default() }).unwrap();
    let ids = house.fill("Inbox", &["short"]);
    let items = [(ItemId::new(id.clone()), 20_000), (ids[0].clone(), 500)];
    for rules in [&["GetItem"][..], &[]] {
        house.server.faults().clear();
        for operation in rules {
            house.server.faults().add(Rule::on(operation, Action::CutBody { at: 6000 }).containing(&id));
        }
        let mut sink = Bodies::default();
        let results = house.client.bodies(&items, &mut sink).await.unwrap();
        assert_eq!(results[1], Ok(Fetched::Rendered));
        match rules {
            [] => assert!(results[0] == Ok(Fetched::Rendered) && sink.slots[&0].len() >= long.len(), "{results:?}"),
            _ => assert_eq!(results[0].as_ref().unwrap_err().class, ItemErrorClass::Transient, "{results:?}"),
        }
    }
    // Where nothing is answered at all, it is the server that is gone.
    house.server.faults().add(Rule::always(Action::ResetBeforeCommit));
    let error = house.client.bodies(&items[..1], &mut Bodies::default()).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
}

fn throttling() -> Vec<Action> {
    vec![
        Action::ServerBusyFault { backoff_ms: Some(20_000) },
        Action::ServerBusyFault { backoff_ms: None },
        Action::ServerBusyInMessage { backoff_ms: Some(20_000) },
        Action::ServerBusyInMessage { backoff_ms: None },
        Action::InternalServerErrorWithInnerBusy,
        Action::Http429 { retry_after: Some(20) },
        Action::Http429 { retry_after: None },
        Action::Http503 { retry_after: Some(20) },
        Action::Http503 { retry_after: None },
        Action::Redirect302,
        Action::HtmlErrorPage,
        Action::ExceededConnectionCount,
        Action::Unauthorized401,
    ]
}

async fn reads_survive_every_shape_of_throttling(house: House) {
    let ids = house.fill("Inbox", &["a", "b"]);
    let items: Vec<(ItemId, u64)> = ids.iter().map(|id| (id.clone(), 500)).collect();
    let inbox = house.folder("Inbox");
    house.client.special_folders().await.unwrap();
    for shape in throttling() {
        house.server.faults().clear();
        let rule = house.server.faults().add(Rule::always(shape.clone()).every(2));
        let before = house.clock.elapsed();
        assert_eq!(house.client.item_changes(&inbox, None, 10).await.unwrap().changes.len(), 2, "{shape:?}");
        assert_eq!(house.client.messages(&ids).await.unwrap().iter().filter(|m| m.is_ok()).count(), 2, "{shape:?}");
        let results = house.client.bodies(&items, &mut Bodies::default()).await.unwrap();
        assert_eq!(results, [Ok(Fetched::Rendered), Ok(Fetched::Rendered)], "{shape:?}");
        let waited = house.clock.elapsed() - before;
        assert!(house.server.faults().fired(rule) > 0 && waited >= Duration::from_secs(10), "{shape:?} {waited:?}");
    }
}

async fn long_throttling_ends_the_run(house: House) {
    house.server.faults().add(Rule::always(Action::Http503 { retry_after: Some(7200) }));
    let error = house.client.special_folders().await.unwrap_err();
    assert!(matches!(error, RemoteError::Throttled { wait } if wait > Duration::from_secs(7000)), "{error}");
    assert_eq!(house.server.requests().len(), 1);
    house.server.faults().clear();
    house.server.faults().add(Rule::always(Action::ServerBusyInMessage { backoff_ms: Some(0) }));
    let house = House { client: EwsClient::new(settings(&house.server, &house.clock)).unwrap(), ..house };
    let error = house.client.folder_changes(None).await.unwrap_err();
    assert!(matches!(error, RemoteError::Throttled { .. }), "{error}");
}

async fn created_messages_are_what_was_sent(house: House) {
    let inbox = house.folder("Inbox");
    let marks = ServerMarks {
        read: true,
        follow_up: FollowUp::Flagged,
        verb: LastVerb::Reply,
        categories: [Category("A & \u{1}B".to_owned()), Category("Ü".to_owned())].into(),
        draft: false,
    };
    let lf = String::from_utf8(mime("sent")).unwrap().replace("\r\n", "\n").into_bytes();
    let (one, two) = (InMemory(lf), InMemory(mime("draft")));
    let drafty = ServerMarks { draft: true, ..ServerMarks::default() };
    let uploads = [
        Upload { tag: tag(1), marks: marks.clone(), received: UnixTime(1_600_000_000), body: &one },
        Upload { tag: tag(2), marks: drafty.clone(), received: UnixTime(1_600_000_001), body: &two },
    ];
    let placed = all_ok(house.client.create_messages(&inbox, &uploads).await.unwrap());
    let ids: Vec<ItemId> = placed.iter().map(|placed| placed.id.clone()).collect();
    let now = all_ok(house.client.messages(&ids).await.unwrap());
    assert_eq!(
        now[0].marks,
        ServerMarks { categories: [Category("A & B".to_owned()), Category("Ü".to_owned())].into(), ..marks }
    );
    assert_eq!(now[1].marks, drafty);
    assert_eq!((now[0].received, now[0].tag.clone()), (Some(UnixTime(1_600_000_000)), Some(tag(1))));
    assert_eq!(now[0].change_key, placed[0].change_key);
    let stored = house.mailbox.item(ids[0].as_str()).unwrap();
    assert_eq!(stored.mime, mime("sent"), "LF became CRLF, and no more");
    let found = house.client.find_tagged(&inbox, &[tag(2), tag(3)]).await.unwrap();
    assert_eq!(found.iter().map(|message| &message.id).collect::<Vec<_>>(), [&ids[1]]);
}

async fn upload_three(house: &House) -> Vec<Result<pimsync::remote::Placed, pimsync::remote::ItemError>> {
    let bodies: Vec<InMemory> = ["x", "y", "z"].iter().map(|subject| InMemory(mime(subject))).collect();
    let uploads: Vec<Upload<'_>> = bodies.iter().enumerate().map(|(n, body)| upload(n, body)).collect();
    house.client.create_messages(&house.folder("Inbox"), &uploads).await.unwrap()
}

async fn clean_inbox(house: &House) {
    house.server.faults().clear();
    for item in house.mailbox.items("Inbox").unwrap() {
        house.mailbox.delete_item(&item.id).unwrap();
    }
}

async fn lost_answers_never_make_a_second_copy(house: House) {
    house.client.special_folders().await.unwrap();
    let faults = [
        Action::ResetBeforeCommit,
        Action::ResetAfterCommit,
        Action::Garbage,
        Action::CutBody { at: 0 },
        Action::CutBody { at: 700 },
    ];
    for fault in faults {
        for times in [1, 2] {
            clean_inbox(&house).await;
            house.server.faults().add(Rule::on("CreateItem", fault.clone()).times(times));
            let placed = all_ok(upload_three(&house).await);
            assert_eq!(house.subjects("Inbox"), ["x", "y", "z"], "{fault:?} {times}");
            let ids: Vec<ItemId> = placed.into_iter().map(|placed| placed.id).collect();
            let now = all_ok(house.client.messages(&ids).await.unwrap());
            assert!(now.iter().enumerate().all(|(n, message)| message.tag == Some(tag(n))));
        }
    }
    // When not even the look-up is answered, the fate is unknown, and said to be.
    clean_inbox(&house).await;
    house.server.faults().add(Rule::on("CreateItem", Action::ResetAfterCommit));
    house.server.faults().add(Rule::on("FindItem", Action::ResetBeforeCommit));
    let results = upload_three(&house).await;
    assert!(results.iter().all(|result| result.as_ref().unwrap_err().class == ItemErrorClass::Unknown), "{results:?}");
    assert_eq!(house.subjects("Inbox"), ["x", "y", "z"]);
}

async fn throttled_uploads_never_make_a_second_copy(house: House) {
    house.client.special_folders().await.unwrap();
    for shape in throttling() {
        clean_inbox(&house).await;
        let rule = house.server.faults().add(Rule::on("CreateItem", shape.clone()).nth(1));
        all_ok(upload_three(&house).await);
        assert_eq!(house.subjects("Inbox"), ["x", "y", "z"], "{shape:?}");
        assert_eq!(house.server.faults().fired(rule), 1);
    }
    for code in ["ErrorServerBusy", "ErrorInternalServerError", "ErrorMailboxStoreUnavailable"] {
        clean_inbox(&house).await;
        let fault = Action::ItemError { code: code.to_owned() };
        house.server.faults().add(Rule::on("CreateItem", fault).for_subject("y").times(2));
        all_ok(upload_three(&house).await);
        assert_eq!(house.subjects("Inbox"), ["x", "y", "z"], "{code}");
    }
    clean_inbox(&house).await;
    let fault = Action::ItemError { code: "ErrorMessageSizeExceeded".to_owned() };
    house.server.faults().add(Rule::on("CreateItem", fault).for_subject("y"));
    let results = upload_three(&house).await;
    assert!(results[0].is_ok() && results[2].is_ok());
    assert_eq!(results[1].as_ref().unwrap_err().class, ItemErrorClass::Permanent);
    clean_inbox(&house).await;
    house.server.faults().add(
        Rule::on("CreateItem", Action::Fault { code: "ErrorSchemaValidation".to_owned() }).containing("0000000001"),
    );
    let results = upload_three(&house).await;
    assert!(results[0].is_ok() && results[2].is_ok(), "one message that the server cannot take costs only itself");
    assert_eq!(results[1].as_ref().unwrap_err().class, ItemErrorClass::Permanent);
    assert_eq!(house.subjects("Inbox"), ["x", "z"]);
}

async fn a_body_that_cannot_be_read_costs_only_itself(house: House) {
    let fine = InMemory(mime("fine"));
    let uploads = [upload(1, &Missing), upload(2, &fine)];
    let results = house.client.create_messages(&house.folder("Inbox"), &uploads).await.unwrap();
    assert_eq!(results[0].as_ref().unwrap_err().class, ItemErrorClass::Transient);
    assert!(results[1].is_ok());
    assert_eq!(house.subjects("Inbox"), ["fine"]);
}

async fn listed(house: &House, ids: &[ItemId]) -> Vec<pimsync::pim::ServerMessage> {
    all_ok(house.client.messages(ids).await.unwrap())
}

async fn marks_are_set_and_conflicts_left_alone(house: House) {
    let ids = house.fill("Inbox", &["a", "b", "c"]);
    let now = listed(&house, &ids).await;
    let to = ServerMarks {
        read: true,
        follow_up: FollowUp::Flagged,
        verb: LastVerb::Forward,
        categories: [Category("Blue".to_owned())].into(),
        draft: false,
    };
    let update = |n: usize, to: &ServerMarks| MarkUpdate {
        id: now[n].id.clone(),
        change_key: now[n].change_key.clone(),
        from: now[n].marks.clone(),
        to: to.clone(),
    };
    house.mailbox.set_categories(ids[1].as_str(), &["Theirs"]).unwrap();
    let results = house.client.update_marks(&[update(0, &to), update(1, &to), update(2, &now[2].marks)]).await.unwrap();
    let after = listed(&house, &ids).await;
    assert_eq!(after[0].marks, to);
    assert_eq!(results[0].as_ref().unwrap(), &after[0].change_key);
    assert_eq!(results[1].as_ref().unwrap_err().class, ItemErrorClass::Conflict);
    assert_eq!(after[1].marks.categories, [Category("Theirs".to_owned())].into());
    assert!(!after[1].marks.read);
    assert_eq!(results[2].as_ref().unwrap(), &now[2].change_key, "nothing to change, nothing sent");
    let back = MarkUpdate {
        id: after[0].id.clone(),
        change_key: after[0].change_key.clone(),
        from: to,
        to: ServerMarks::default(),
    };
    all_ok(house.client.update_marks(&[back]).await.unwrap());
    assert_eq!(listed(&house, &ids[..1]).await[0].marks, ServerMarks::default());
    assert_eq!(Flags::NONE, after[2].marks.to_local().flags);
}

async fn a_lost_answer_to_marks_is_no_conflict(house: House) {
    house.client.special_folders().await.unwrap();
    let ids = house.fill("Inbox", &["a", "b"]);
    for fault in [Action::ResetAfterCommit, Action::ResetBeforeCommit, Action::ServerBusyInMessage { backoff_ms: None }]
    {
        let now = listed(&house, &ids).await;
        let updates: Vec<MarkUpdate> = now
            .iter()
            .map(|message| MarkUpdate {
                id: message.id.clone(),
                change_key: message.change_key.clone(),
                from: message.marks.clone(),
                to: ServerMarks { read: !message.marks.read, ..message.marks.clone() },
            })
            .collect();
        house.server.faults().clear();
        house.server.faults().add(Rule::on("UpdateItem", fault.clone()).nth(1));
        let keys = all_ok(house.client.update_marks(&updates).await.unwrap());
        let after = listed(&house, &ids).await;
        for (n, message) in after.iter().enumerate() {
            assert_eq!((message.marks.read, &message.change_key), (!now[n].marks.read, &keys[n]), "{fault:?}");
        }
    }
}

async fn versioned(house: &House, ids: &[ItemId]) -> Vec<Versioned> {
    let now = listed(house, ids).await;
    now.into_iter().map(|message| Versioned { id: message.id, change_key: message.change_key }).collect()
}

async fn messages_move_and_conflicts_stay(house: House) {
    let ids = house.fill("Inbox", &["a", "b", "c"]);
    let items = versioned(&house, &ids).await;
    house.mailbox.set_flag(ids[1].as_str(), Flag::Flagged).unwrap();
    house.mailbox.delete_item(ids[2].as_str()).unwrap();
    let results = house.client.move_messages(&items, &house.folder("Drafts")).await.unwrap();
    let placed = results[0].as_ref().unwrap();
    assert_eq!(house.mailbox.item(placed.id.as_str()).unwrap().subject, "a");
    assert_eq!(house.mailbox.item(placed.id.as_str()).unwrap().change_key, placed.change_key.as_str());
    assert_eq!(results[1].as_ref().unwrap_err().class, ItemErrorClass::Conflict);
    assert_eq!(results[2].as_ref().unwrap_err().class, ItemErrorClass::Gone);
    assert_eq!((house.subjects("Inbox"), house.subjects("Drafts")), (vec!["b".to_owned()], vec!["a".to_owned()]));
}

async fn a_lost_answer_to_a_move_is_found_again(house: House) {
    for fault in [Action::ResetAfterCommit, Action::ResetBeforeCommit, Action::Http503 { retry_after: None }] {
        let ids = house.fill("Inbox", &["a", "b"]);
        let items = versioned(&house, &ids).await;
        house.server.faults().clear();
        house.server.faults().add(Rule::on("MoveItem", fault.clone()).nth(1));
        let placed = all_ok(house.client.move_messages(&items, &house.folder("Drafts")).await.unwrap());
        for (placed, subject) in placed.iter().zip(["a", "b"]) {
            assert_eq!(house.mailbox.item(placed.id.as_str()).unwrap().subject, subject, "{fault:?}");
            house.mailbox.delete_item(placed.id.as_str()).unwrap();
        }
        assert!(house.subjects("Inbox").is_empty());
    }
}

async fn messages_are_deleted_and_conflicts_stay(house: House) {
    for (disposal, kept) in [(Disposal::ToDeletedItems, true), (Disposal::Dispose, false)] {
        let ids = house.fill("Inbox", &["a", "b", "c"]);
        let items = versioned(&house, &ids).await;
        house.mailbox.set_flag(ids[1].as_str(), Flag::Flagged).unwrap();
        house.mailbox.delete_item(ids[2].as_str()).unwrap();
        let items: Vec<_> = items.into_iter().map(|item| (item, message_removal())).collect();
        let results = house.client.delete_messages(&items, disposal).await.unwrap();
        assert!(results[0].is_ok());
        assert_eq!(results[1].as_ref().unwrap_err().class, ItemErrorClass::Conflict);
        assert_eq!(results[2].as_ref().unwrap_err().class, ItemErrorClass::Gone);
        assert_eq!(house.subjects("Inbox"), ["b"]);
        assert_eq!(house.subjects("Deleted Items") == ["a"], kept);
        for folder in ["Inbox", "Deleted Items"] {
            for item in house.mailbox.items(folder).unwrap() {
                house.mailbox.delete_item(&item.id).unwrap();
            }
        }
    }
}

async fn a_lost_answer_to_a_deletion_is_no_error(house: House) {
    for fault in [Action::ResetAfterCommit, Action::ResetBeforeCommit, Action::Http429 { retry_after: Some(5) }] {
        let ids = house.fill("Inbox", &["a", "b"]);
        let items = versioned(&house, &ids).await;
        house.server.faults().clear();
        house.server.faults().add(Rule::on("DeleteItem", fault.clone()).nth(1));
        let items: Vec<_> = items.into_iter().map(|item| (item, message_removal())).collect();
        all_ok(house.client.delete_messages(&items, Disposal::ToDeletedItems).await.unwrap());
        assert!(house.subjects("Inbox").is_empty(), "{fault:?}");
    }
    assert_eq!(house.subjects("Deleted Items").len(), 6);
}

async fn folders_are_deleted_with_all_below_them(house: House) {
    for disposal in [Disposal::ToDeletedItems, Disposal::Dispose] {
        for fault in [None, Some(Action::ResetAfterCommit), Some(Action::ResetBeforeCommit)] {
            let name = format!("{disposal:?} {}", fault.is_some());
            let made = FolderId::new(house.mailbox.create_folder("Inbox", &name, "IPF.Note").unwrap());
            house.mailbox.create_folder(made.as_str(), "Below", "IPF.Note").unwrap();
            house.server.faults().clear();
            if let Some(fault) = fault.clone() {
                house.server.faults().add(Rule::on("DeleteFolder", fault).nth(1));
            }
            house.client.delete_folder(&made, disposal, folder_removal()).await.unwrap().unwrap();
            assert!(house.mailbox.folder(&format!("Inbox/{name}")).is_err(), "{fault:?}");
            let again = house.client.delete_folder(&made, Disposal::Dispose, folder_removal()).await.unwrap();
            assert_eq!(again.is_ok(), disposal == Disposal::ToDeletedItems);
        }
    }
}

async fn folders_are_made_renamed_and_moved(house: House) {
    let client = &house.client;
    let inbox = house.folder("Inbox");
    let made = client.create_folder(&inbox, "Pläne / <1>", FolderKind::Mail).await.unwrap().unwrap();
    let again = client.create_folder(&inbox, "Pläne / <1>", FolderKind::Mail).await.unwrap();
    assert_eq!(again.unwrap_err().class, ItemErrorClass::Exists);
    client.rename_folder(&made, "Plans").await.unwrap().unwrap();
    assert_eq!(house.folder("Inbox/Plans"), made);
    client.move_folder(&made, &house.folder("Drafts")).await.unwrap().unwrap();
    assert_eq!(house.folder("Drafts/Plans"), made);
    for fault in [Action::ResetAfterCommit, Action::ResetBeforeCommit] {
        house.server.faults().clear();
        for operation in ["CreateFolder", "UpdateFolder", "MoveFolder"] {
            house.server.faults().add(Rule::on(operation, fault.clone()).nth(1));
        }
        let name = format!("{fault:?}");
        let made = client.create_folder(&inbox, &name, FolderKind::Mail).await.unwrap().unwrap();
        client.rename_folder(&made, &format!("{name}2")).await.unwrap().unwrap();
        client.move_folder(&made, &house.folder("Drafts")).await.unwrap().unwrap();
        assert_eq!(house.folder(&format!("Drafts/{name}2")), made);
        assert_eq!(house.mailbox.folders().unwrap().iter().filter(|folder| folder.name.starts_with(&name)).count(), 1);
    }
    house.mailbox.delete_folder(made.as_str()).unwrap();
    assert_eq!(client.rename_folder(&made, "x").await.unwrap().unwrap_err().class, ItemErrorClass::Gone);
    assert_eq!(client.move_folder(&made, &inbox).await.unwrap().unwrap_err().class, ItemErrorClass::Gone);
    assert_eq!(
        client.create_folder(&made, "x", FolderKind::Mail).await.unwrap().unwrap_err().class,
        ItemErrorClass::Gone
    );
}

async fn drafts_are_replaced(house: House) {
    let mail = mime("before");
    let id =
        house.mailbox.add_message("Drafts", NewMessage { mime: &mail, draft: true, ..NewMessage::default() }).unwrap();
    let [item] = &versioned(&house, &[ItemId::new(id.clone())]).await[..] else { panic!() };
    let key = house.client.replace_draft(item, &InMemory(mime("after"))).await.unwrap().unwrap();
    let view = house.mailbox.item(&id).unwrap();
    assert_eq!((view.subject.as_str(), view.change_key.as_str()), ("after", key.as_str()));
    let stale = house.client.replace_draft(item, &InMemory(mime("stale"))).await.unwrap();
    assert_eq!(stale.unwrap_err().class, ItemErrorClass::Conflict);
    assert_eq!(house.mailbox.item(&id).unwrap().subject, "after");
}

async fn large_messages_stream(house: House) {
    let mut large = mime("large");
    while large.len() < 20 << 20 {
        large.extend_from_slice(b"0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz\r\n");
    }
    let (large, small) = (InMemory(large), InMemory(mime("small")));
    let uploads = [upload(1, &large), upload(2, &small)];
    let placed = all_ok(house.client.create_messages(&house.folder("Inbox"), &uploads).await.unwrap());
    assert_eq!(house.count("CreateItem"), 2, "a large message goes alone");
    let items: Vec<(ItemId, u64)> =
        placed.iter().map(|placed| (placed.id.clone(), house.mailbox.item(placed.id.as_str()).unwrap().size)).collect();
    let mut sink = Bodies::default();
    all_ok(house.client.bodies(&items, &mut sink).await.unwrap());
    assert!(sink.slots[&0].len() >= large.0.len() * 9 / 10 && sink.largest_piece <= 2 << 20, "{}", sink.largest_piece);
}

async fn garbage_is_an_error_and_not_a_deletion(house: House) {
    house.fill("Inbox", &["a"]);
    house.client.special_folders().await.unwrap();
    house.server.faults().add(Rule::always(Action::Garbage));
    assert!(house.client.item_changes(&house.folder("Inbox"), None, 10).await.is_err());
    assert!(house.client.folder_changes(None).await.is_err());
    house.server.faults().clear();
    let house = House { client: EwsClient::new(settings(&house.server, &house.clock)).unwrap(), ..house };
    house.server.faults().add(Rule::on("SyncFolderItems", Action::InvalidSyncState));
    let state = SyncState::new("AAAA");
    match house.client.item_changes(&house.folder("Inbox"), Some(&state), 10).await {
        Err(RemoteError::StateInvalid) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_never_shown() {
    let house = House::like(Personality::Exchange);
    let sign_in = Box::new(Basic::new("demo@example.org", "wrong-secret".into()));
    let trace = tempfile::tempdir().unwrap();
    let client = EwsClient::new(Settings {
        trace: Some(trace.path().to_owned()),
        ..Settings::new(house.server.url(), sign_in, house.clock.clone())
    })
    .unwrap();
    let error = client.special_folders().await.unwrap_err();
    assert!(matches!(error, RemoteError::SignInRefused { .. }), "{error}");
    let requests = std::fs::read_dir(trace.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with("-request.xml"));
    assert_eq!(requests.count(), 1, "accounts are locked after a few tries");
    assert!(!format!("{error:?} {client:?}").contains("wrong-secret"));
}

#[tokio::test]
async fn a_refusal_after_success_is_doubted_once() {
    let house = House::like(Personality::Exchange);
    house.client.special_folders().await.unwrap();
    house.server.faults().add(Rule::always(Action::Unauthorized401));
    house.server.clear_requests();
    let error = house.client.folder_changes(None).await.unwrap_err();
    assert!(matches!(error, RemoteError::SignInRefused { .. }), "{error}");
    assert_eq!(house.server.requests().len(), 2);
}

#[tokio::test]
async fn passwords_travel_in_the_clear_only_within_this_machine() {
    let new = |url: &str| {
        EwsClient::new(Settings::new(url, Box::new(Basic::new("a", "b".into())), Arc::new(TestClock::default())))
    };
    for refused in
        ["http://mail.example.org/EWS", "http://127.0.0.1.example.org/", "ftp://localhost/", "mail.example.org", ""]
    {
        assert!(matches!(new(refused), Err(RemoteError::Refused { .. })), "{refused}");
    }
    for allowed in ["http://localhost:1/", "http://127.0.0.1/", "http://[::1]/"] {
        assert!(new(allowed).is_ok(), "{allowed}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let house = House::like(Personality::Exchange);
    let clock = house.clock.clone();
    let settings = settings(&house.server, &clock);
    drop(house);
    let error = EwsClient::new(settings).unwrap().special_folders().await.unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn older_servers_are_spoken_to_in_their_own_version() {
    let house = House::like(Personality::Exchange);
    let old = Action::Fault { code: "ErrorInvalidServerVersion".to_owned() };
    house.server.faults().add(Rule::always(old).containing("Exchange2013_SP1"));
    let mail = InMemory(mime("old"));
    let marks = ServerMarks { follow_up: FollowUp::Flagged, ..ServerMarks::default() };
    let upload = Upload { tag: tag(1), marks, received: UnixTime(1_600_000_000), body: &mail };
    let placed = all_ok(house.client.create_messages(&house.folder("Inbox"), &[upload]).await.unwrap());
    let now = listed(&house, &[placed[0].id.clone()]).await;
    assert_eq!(now[0].marks.follow_up, FollowUp::Flagged);
}

#[tokio::test]
async fn many_marks_cost_few_requests() {
    let house = House::like(Personality::Exchange);
    let subjects: Vec<String> = (0..450).map(|n| format!("m{n}")).collect();
    let ids = house.fill("Inbox", &subjects.iter().map(String::as_str).collect::<Vec<_>>());
    let now = listed(&house, &ids).await;
    let updates: Vec<MarkUpdate> = now
        .iter()
        .map(|message| MarkUpdate {
            id: message.id.clone(),
            change_key: message.change_key.clone(),
            from: message.marks.clone(),
            to: ServerMarks { read: true, ..message.marks.clone() },
        })
        .collect();
    house.server.clear_requests();
    all_ok(house.client.update_marks(&updates).await.unwrap());
    assert_eq!(house.server.requests().len(), 5);
}

#[tokio::test]
async fn a_trace_holds_no_secret() {
    let house = House::like(Personality::Exchange);
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let settings = Settings { trace: Some(trace.clone()), ..settings(&house.server, &house.clock) };
    let client = EwsClient::new(settings).unwrap();
    let mail = InMemory(mime("traced"));
    all_ok(client.create_messages(&house.folder("Inbox"), &[upload(1, &mail)]).await.unwrap());
    client.special_folders().await.unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&trace).unwrap() {
        let entry = entry.unwrap();
        let text = std::fs::read_to_string(entry.path()).unwrap();
        assert!(!text.contains("ZGVtb0BleGFtcGxlLm9yZzpkZW1v") && !text.to_lowercase().contains("authorization"));
        names.push(entry.file_name().into_string().unwrap());
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&entry.metadata().unwrap().permissions()) & 0o777, 0o600);
    }
    names.sort();
    assert_eq!(names[0], "000001-CreateItem-request.xml");
    assert!(names.contains(&"000002-GetFolder-response.xml".to_owned()));
    let sent = std::fs::read_to_string(trace.join("000001-CreateItem-request.xml")).unwrap();
    assert!(sent.ends_with("</s:Envelope>") && sent.contains("</t:MimeContent>"));
}
