//! Messages: created, marked, replaced, moved, deleted.

use pimsync::pim::{Category, ChangeKey, FollowUp, LastVerb, ServerMarks, UnixTime};
use pimsync::plan::proof::MessageRemoval;
use pimsync::remote::{
    Disposal, ItemError, ItemErrorClass, MarkUpdate, PerItem, Placed, RemoteError, RemoteRead, RemoteWrite, Upload,
    Versioned,
};

use super::{A, ARCHIVE, B, C, INBOX, KEY_A, KEY_B, KEY_C, NOON, Talk, folder, item, versioned};
use crate::house::{InMemory, message_removal, tag};

fn placed(id: &str, key: &str) -> Placed {
    Placed { id: item(id), change_key: ChangeKey::new(key) }
}

fn marks(change: impl FnOnce(&mut ServerMarks)) -> ServerMarks {
    let mut marks = ServerMarks::default();
    change(&mut marks);
    marks
}

fn categories(names: &[&str]) -> std::collections::BTreeSet<Category> {
    names.iter().map(|name| Category((*name).to_owned())).collect()
}

async fn create(talk: &Talk) -> Result<Vec<PerItem<Placed>>, RemoteError> {
    // Line ends as they lie on disk: one of each.
    let first = InMemory(b"Subject: 1\nMIME-Version: 1.0\n\nOne.\n".to_vec());
    let second = InMemory("Subject: 2\r\n\r\nZwei – „zwei“.".as_bytes().to_vec());
    let answered = ServerMarks {
        read: true,
        follow_up: FollowUp::Flagged,
        verb: LastVerb::Reply,
        categories: categories(&["R&D", "Grüne Kategorie"]),
        draft: false,
    };
    let uploads = [
        Upload { tag: tag(1), marks: answered, received: UnixTime(NOON), body: &first },
        Upload { tag: tag(2), marks: marks(|marks| marks.draft = true), received: UnixTime(-1), body: &second },
    ];
    talk.client.create_messages(&folder(INBOX), &uploads).await
}

fn error(class: ItemErrorClass, code: &str, message: &str) -> ItemError {
    ItemError { class, code: code.to_owned(), message: message.to_owned() }
}

#[tokio::test]
async fn create_messages() {
    let talk = Talk::new(&[("create-messages", "create-messages.exchange")]);
    let full = error(ItemErrorClass::Quota, "ErrorQuotaExceeded", "The mailbox has exceeded its quota.");
    talk.gives(&create(&talk).await, &vec![Ok(placed(A, KEY_A)), Err(full)]);

    let talk = Talk::new(&[("create-messages", "create-messages.gromox")]);
    talk.gives(&create(&talk).await, &vec![Ok(placed(A, KEY_A)), Ok(placed(B, KEY_B))]);
}

/// Nobody knows what was done before the accident: the tags tell, and only what is missing is sent again.
#[tokio::test]
async fn create_messages_whose_answer_is_lost() {
    for (accident, found, rest) in [
        ("internal-error.exchange", "created-before.exchange", "create-messages-second.exchange"),
        ("internal-error.gromox", "created-before.gromox", "create-messages-second.gromox"),
    ] {
        let talk =
            Talk::new(&[("create-messages", accident), ("find-tagged", found), ("create-messages-second", rest)]);
        talk.gives(&create(&talk).await, &vec![Ok(placed(A, KEY_A)), Ok(placed(B, KEY_B))]);
    }
}

fn updates() -> Vec<MarkUpdate> {
    let update = |id: &str, key: &str, from, to| MarkUpdate { id: item(id), change_key: ChangeKey::new(key), from, to };
    let everything = ServerMarks {
        read: true,
        follow_up: FollowUp::Flagged,
        verb: LastVerb::Forward,
        categories: categories(&["R&D"]),
        draft: false,
    };
    let complete = marks(|marks| marks.follow_up = FollowUp::Complete);
    vec![
        update(A, KEY_A, ServerMarks::default(), everything.clone()),
        update(B, KEY_B, everything, complete),
        update(C, KEY_C, ServerMarks::default(), marks(|marks| marks.read = true)),
    ]
}

/// Exchange compares versions itself. Before it has said what it is, they are compared all the same.
#[tokio::test]
async fn update_marks_of_exchange() {
    let talk = Talk::new(&[
        ("whereabouts-abc", "whereabouts-abc.exchange"),
        ("update-marks", "update-marks.exchange"),
        ("update-marks", "update-marks.exchange"),
    ]);
    let message = "The send or update operation could not be performed because the change key passed in the request does not \
        match the current change key for the item.";
    let conflict = error(ItemErrorClass::Conflict, "ErrorIrresolvableConflict", message);
    let want = vec![Ok(ChangeKey::new("CQAAABYAAADn+0ra")), Ok(ChangeKey::new("CQAAABYAAADn+0rb")), Err(conflict)];
    talk.gives_so_far(&talk.client.update_marks(&updates()).await, &want);
    talk.gives(&talk.client.update_marks(&updates()).await, &want);
}

fn changed_meanwhile() -> ItemError {
    error(ItemErrorClass::Conflict, "ErrorIrresolvableConflict", "it was changed on the server meanwhile")
}

/// gromox overwrites whatever the version: what changed is not sent.
#[tokio::test]
async fn update_marks_of_gromox() {
    let talk = Talk::new(&[
        ("whereabouts-abc", "whereabouts-abc.gromox"),
        ("update-marks-ab", "update-marks.gromox"),
        ("whereabouts-abc", "whereabouts-abc.gromox"),
        ("update-marks-ab", "update-marks.gromox"),
    ]);
    let want = vec![Ok(ChangeKey::new("CQAAABYAAADn+0ra")), Ok(ChangeKey::new(KEY_B)), Err(changed_meanwhile())];
    talk.gives_so_far(&talk.client.update_marks(&updates()).await, &want);
    talk.gives(&talk.client.update_marks(&updates()).await, &want);
}

#[tokio::test]
async fn replace_draft() {
    for (compare, answer) in
        [("whereabouts-a.exchange", "replace-draft.exchange"), ("whereabouts-a.gromox", "replace-draft.gromox")]
    {
        let talk = Talk::new(&[("whereabouts-a", compare), ("replace-draft", answer)]);
        let body = InMemory(b"Subject: draft\n\nBetter.\n".to_vec());
        let replaced = talk.client.replace_draft(&versioned(A, KEY_A), &body).await;
        talk.gives(&replaced, &Ok(ChangeKey::new("CQAAABYAAADn+0ra")));
    }
}

fn both() -> [Versioned; 2] {
    [versioned(A, KEY_A), versioned(B, KEY_B)]
}

#[tokio::test]
async fn move_messages() {
    let moved = vec![
        Ok(placed("AAMkADgzAAAb+zEAAQ==", "CQAAABYAAADn+0ra")),
        Ok(placed("AAMkADgzAAAb+zEAAg==", "CQAAABYAAADn+0rb")),
    ];
    for (compare, answer) in
        [("whereabouts-ab.exchange", "move-messages.exchange"), ("whereabouts-ab.gromox", "move-messages.gromox")]
    {
        let talk = Talk::new(&[("whereabouts-ab", compare), ("move-messages", answer)]);
        talk.gives(&talk.client.move_messages(&both(), &folder(ARCHIVE)).await, &moved);
    }

    // Into a public folder: no ids, so that each is looked for by what it keeps.
    let talk = Talk::new(&[
        ("whereabouts-ab", "whereabouts-ab.exchange"),
        ("move-messages", "move-messages-silent.exchange"),
        ("find-by-search-key", "find-by-search-key.exchange"),
        ("find-by-message-id", "find-by-message-id.exchange"),
    ]);
    talk.gives(&talk.client.move_messages(&both(), &folder(ARCHIVE)).await, &moved);
}

async fn delete(talk: &Talk, disposal: Disposal) -> Result<Vec<PerItem<()>>, RemoteError> {
    let items: Vec<(Versioned, MessageRemoval)> = both().into_iter().map(|item| (item, message_removal())).collect();
    talk.client.delete_messages(&items, disposal).await
}

#[tokio::test]
async fn delete_messages() {
    for (request, disposal) in
        [("delete-messages", Disposal::ToDeletedItems), ("delete-messages-dispose", Disposal::Dispose)]
    {
        let talk = Talk::new(&[("whereabouts-ab", "whereabouts-ab.exchange"), (request, "delete-messages.exchange")]);
        let gone = error(ItemErrorClass::Gone, "ErrorItemNotFound", "The specified object was not found in the store.");
        talk.gives(&delete(&talk, disposal).await, &vec![Ok(()), Err(gone)]);
    }
    let talk = Talk::new(&[
        ("whereabouts-ab", "whereabouts-ab-changed.gromox"),
        ("delete-messages-a", "delete-messages-a.gromox"),
    ]);
    talk.gives(&delete(&talk, Disposal::ToDeletedItems).await, &vec![Ok(()), Err(changed_meanwhile())]);
}

/// Servers before 2013 know neither `Flag` nor `SuppressReadReceipts`.
#[tokio::test]
async fn writes_for_an_older_server() {
    let talk = Talk::new(&[
        ("item-changes", "fault-version.exchange"),
        ("item-changes-2010", "item-changes-2010.exchange"),
        ("update-marks-2010", "update-marks-2010.exchange"),
        ("update-marks-2010-clear", "update-marks-2010.exchange"),
        ("create-messages-2010", "create-messages-2010.exchange"),
        ("whereabouts-ab-2010", "whereabouts-ab-2010.exchange"),
        ("delete-messages-2010", "delete-messages-2010.exchange"),
    ]);
    let page = talk.client.item_changes(&folder(INBOX), None, 100).await.unwrap();
    assert_eq!(crate::house::present(&page)[0].marks.follow_up, FollowUp::Flagged);
    assert!(talk.client.update_marks(&updates()[..1]).await.unwrap()[0].is_ok());
    let [everything, _, _] = &updates()[..] else { panic!() };
    let (from, to) = (everything.to.clone(), everything.from.clone());
    assert!(talk.client.update_marks(&[MarkUpdate { from, to, ..everything.clone() }]).await.unwrap()[0].is_ok());
    assert!(create(&talk).await.unwrap().iter().all(Result::is_ok));
    talk.gives(&delete(&talk, Disposal::ToDeletedItems).await, &vec![Ok(()), Ok(())]);
}
