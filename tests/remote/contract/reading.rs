//! What reads: folders, listings, bodies; and what comes of it when the server is busy, or talks nonsense.

use std::time::Duration;

use super::throttling;
use crate::house::*;
use pimsync::clock::Clock;
use pimsync::exchange::{Action, Flag, NewMessage, Personality, Rule};
use pimsync::pim::{Category, FolderKind, FollowUp, ItemId, LastVerb, ServerMarks, SpecialFolder, SyncState, UnixTime};
use pimsync::remote::ews::EwsClient;
use pimsync::remote::{Fetched, ItemChange, ItemErrorClass, RemoteError, RemoteRead};

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
