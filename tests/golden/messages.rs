//! Messages: listed, looked at, fetched, searched.

use std::collections::BTreeMap;

use pimsync::pim::{
    Category, ChangeKey, FollowUp, ItemClass, LastVerb, SearchKey, ServerMarks, ServerMessage, SyncState, Tag, UnixTime,
};
use pimsync::remote::{ChangePage, Fetched, ItemChange, ItemError, ItemErrorClass, Reach, RemoteRead};

use super::{A, B, C, INBOX, KEY_A, KEY_B, KEY_C, NOON, Talk, folder, item};
use crate::house::{Bodies, tag};

/// The message that has everything.
fn full() -> ServerMessage {
    ServerMessage {
        id: item(A),
        change_key: ChangeKey::new(KEY_A),
        class: ItemClass("IPM.Note".to_owned()),
        size: 48_213,
        marks: ServerMarks {
            read: true,
            follow_up: FollowUp::Flagged,
            verb: LastVerb::ReplyAll,
            categories: ["Grüne Kategorie", "R&D"].map(|name| Category(name.to_owned())).into(),
            draft: false,
        },
        received: Some(UnixTime(NOON)),
        search_key: Some(SearchKey::new("K0/8Zt1m0E6bZ0RkY2hpY2s=")),
        message_id: Some("<1f0c+7@mail.example.org>".to_owned()),
        tag: Some(tag(1)),
        folder: None,
    }
}

/// A message that has next to nothing.
fn bare(id: &str, key: &str, class: &str) -> ServerMessage {
    ServerMessage {
        id: item(id),
        change_key: ChangeKey::new(key),
        class: ItemClass(class.to_owned()),
        size: 0,
        marks: ServerMarks::default(),
        received: None,
        search_key: None,
        message_id: None,
        folder: None,
        tag: None,
    }
}

fn present(message: ServerMessage) -> ItemChange {
    ItemChange::Present(Box::new(message))
}

#[tokio::test]
async fn item_changes_of_exchange() {
    let talk =
        Talk::new(&[("item-changes", "item-changes-1.exchange"), ("item-changes-next", "item-changes-2.exchange")]);
    let state = SyncState::new("H4sIAAAAAAAEAGNgYGcAAotqE9+1==");
    let invitation = ServerMessage {
        size: 6_120,
        received: Some(UnixTime(NOON - 3600)),
        search_key: Some(SearchKey::new("bWVldGluZyByZXF1ZXN0AA==")),
        message_id: Some("<invitation@mail.example.org>".to_owned()),
        ..bare(B, KEY_B, "IPM.Schedule.Meeting.Request")
    };
    let draft = ServerMessage {
        size: 512,
        marks: ServerMarks { read: true, draft: true, follow_up: FollowUp::Complete, ..ServerMarks::default() },
        received: Some(UnixTime(NOON - 7200)),
        ..bare(C, KEY_C, "IPM.Note")
    };
    let post = bare("AAMkADgzAAAQk9+/AABc=", "CQAAABYAAADn+0qW", "IPM.Post");
    let want = ChangePage {
        changes: vec![present(full()), present(invitation), present(draft), present(post)],
        state: state.clone(),
        reach: Reach::Changes { last: false },
    };
    talk.gives_so_far(&talk.client.item_changes(&folder(INBOX), None, 100).await, &want);

    let voted = ServerMessage {
        marks: ServerMarks { verb: LastVerb::Other(1), ..ServerMarks::default() },
        received: Some(UnixTime(NOON)),
        size: 2_048,
        ..bare(B, "CQAAABYAAADn+0qX", "IPM.Note")
    };
    let want = ChangePage {
        changes: vec![
            present(voted),
            ItemChange::Gone(item(C)),
            ItemChange::Read { id: item(A), read: false },
            ItemChange::Read { id: item("AAMkADgzAAAQk9+/AABc="), read: true },
        ],
        state: SyncState::new("H4sIAAAAAAAEAO29B2AcSZYlJi9t+2=="),
        reach: Reach::Changes { last: true },
    };
    talk.gives(&talk.client.item_changes(&folder(INBOX), Some(&state), 512).await, &want);
}

/// Deletions first, generic elements, long fractions, properties twice, and "nothing follows" before it is true.
#[tokio::test]
async fn item_changes_of_gromox() {
    let talk =
        Talk::new(&[("item-changes-next", "item-changes.gromox"), ("item-changes-empty", "item-changes-empty.gromox")]);
    let since = SyncState::new("H4sIAAAAAAAEAGNgYGcAAotqE9+1==");
    let next = SyncState::new("AQAAAAAAAAAYAAAAZ3JvbW94");
    let note = ServerMessage {
        size: 733,
        received: Some(UnixTime(NOON)),
        search_key: Some(SearchKey::new("Z3JvbW94IHNlYXJjaCBrZXk=")),
        message_id: Some("<2@mail.example.org>".to_owned()),
        marks: ServerMarks { verb: LastVerb::Forward, follow_up: FollowUp::Flagged, ..ServerMarks::default() },
        tag: Some(tag(2)),
        ..bare(B, KEY_B, "IPM.Note")
    };
    let want = ChangePage {
        changes: vec![
            ItemChange::Gone(item(C)),
            present(full()),
            present(note),
            ItemChange::Read { id: item(A), read: true },
            ItemChange::Read { id: item(A), read: true },
        ],
        state: next.clone(),
        reach: Reach::Changes { last: true },
    };
    talk.gives_so_far(&talk.client.item_changes(&folder(INBOX), Some(&since), 512).await, &want);
    let want = ChangePage {
        changes: Vec::new(),
        state: SyncState::new("AQAAAAAAAAAZAAAAZ3JvbW94"),
        reach: Reach::Changes { last: true },
    };
    talk.gives(&talk.client.item_changes(&folder(INBOX), Some(&next), 512).await, &want);
}

fn error(class: ItemErrorClass, code: &str, message: &str) -> ItemError {
    ItemError { class, code: code.to_owned(), message: message.to_owned() }
}

#[tokio::test]
async fn messages() {
    let ids = [item(A), item(B)];
    let talk = Talk::new(&[("messages", "messages.exchange")]);
    let gone = error(ItemErrorClass::Gone, "ErrorItemNotFound", "The specified object was not found in the store.");
    talk.gives(&talk.client.messages(&ids).await, &vec![Ok(full()), Err(gone)]);

    // One id that it cannot read, and gromox refuses them all.
    let talk = Talk::new(&[
        ("messages", "fault-bad-id.gromox"),
        ("messages-a", "messages-a.gromox"),
        ("messages-b", "fault-bad-id.gromox"),
    ]);
    let bad = error(ItemErrorClass::Permanent, "ErrorInvalidIdMalformed", "Invalid item ID");
    talk.gives(&talk.client.messages(&ids).await, &vec![Ok(full()), Err(bad)]);
}

#[tokio::test]
async fn bodies() {
    let first = "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\r\nEin Satz.\r\n";
    let second = "Subject: 2\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\u{FC}\u{3BB}\u{1F642}\r\n";
    for answer in ["bodies.exchange", "bodies.gromox"] {
        let talk = Talk::new(&[("bodies", answer)]);
        let mut sink = Bodies::default();
        let fetched = talk.client.bodies(&[(item(A), 100), (item(B), 200)], &mut sink).await;
        talk.gives(&fetched, &vec![Ok(Fetched::Rendered), Ok(Fetched::Rendered)]);
        assert_eq!((sink.text(0).as_str(), sink.text(1).as_str()), (first, second), "{answer}");
    }
}

/// Asked for alone, then by its properties, then by those that headers are made of.
#[tokio::test]
async fn a_body_that_the_server_cannot_render() {
    let head =
        "From: =?utf-8?B?TMO2d2UsIEFkYQ==?= <ada@example.org>\r\nTo: Bob <bob@example.org>,\r\n cleo@example.org\r\n";
    let tail = "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\nDate: Tue, 3 Nov 2026 12:00:00 -0000\r\n\
        Message-ID: <2@mail.example.org>\r\nX-Pimsync-Rebuilt: yes\r\nMIME-Version: 1.0\r\n";
    let text = "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        PHA+R3LDvMOfZSAmYW1wOyBLw7xzc2U8L3A+\r\n";
    let nothing = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let by_properties = [
        ("bodies", "bodies-unrenderable.exchange"),
        ("bodies-b", "bodies-b-unrenderable.exchange"),
        ("bodies-b-properties", "bodies-b-properties.exchange"),
    ];
    let by_headers = [
        ("bodies", "bodies-unrenderable.exchange"),
        ("bodies-b", "bodies-b-unrenderable.exchange"),
        ("bodies-b-properties", "bodies-b-unrenderable.exchange"),
        ("bodies-b-headers", "bodies-b-headers.exchange"),
    ];
    // gromox answers without MIME.
    let of_gromox = [
        ("bodies", "bodies-empty.gromox"),
        ("bodies-b", "bodies-b-empty.gromox"),
        ("bodies-b-properties", "bodies-b-properties.gromox"),
    ];
    for (steps, body) in [(&by_properties[..], text), (&by_headers[..], nothing), (&of_gromox[..], text)] {
        let talk = Talk::new(steps);
        let mut sink = Bodies::default();
        let fetched = talk.client.bodies(&[(item(A), 100), (item(B), 200)], &mut sink).await;
        talk.gives(&fetched, &vec![Ok(Fetched::Rendered), Ok(Fetched::Rebuilt)]);
        let want = BTreeMap::from([(0, "Subject: 1\r\n\r\n1\r\n".to_owned()), (1, [head, tail, body].concat())]);
        let got = BTreeMap::from([(0, sink.text(0)), (1, sink.text(1))]);
        super::compare("the bodies", &format!("{want:#?}"), &format!("{got:#?}"), "it is to be corrected by hand");
    }
}

#[tokio::test]
async fn find_tagged() {
    let talk = Talk::new(&[("find-tagged", "find-tagged-1.exchange"), ("find-tagged-next", "find-tagged-2.exchange")]);
    let second = ServerMessage { tag: Some(tag(2)), size: 733, ..bare(B, KEY_B, "IPM.Note") };
    talk.gives(&talk.client.find_tagged(&folder(INBOX), &[tag(1), tag(2)]).await, &vec![full(), second]);

    // What was found has the tag in another case: it is another tag.
    let talk = Talk::new(&[("find-tagged-one", "find-tagged.gromox")]);
    let tags = [Tag::new("0123456789abcdef0123456789abcdef")];
    talk.gives(&talk.client.find_tagged(&folder(INBOX), &tags).await, &Vec::new());
}
