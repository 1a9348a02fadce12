//! What writes: messages and folders are made, changed, moved and deleted, once each, whatever becomes of the answer.

use super::throttling;
use crate::house::*;
use pimsync::exchange::{Action, Flag, NewMessage, Personality, Rule};
use pimsync::pim::{Category, Flags, FolderId, FolderKind, FollowUp, ItemId, LastVerb, ServerMarks, UnixTime};
use pimsync::remote::{Disposal, ItemErrorClass, MarkUpdate, RemoteRead, RemoteWrite, Upload};

contract!(
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
);

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
