//! Entries in answers that are out of taste, hostile or wrong: what is wrong with one costs none of the others.

use std::sync::Arc;

use pimsync::pim::{Entry, EntryKind, ItemId, ServerEntry};
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{EwsClient, Settings};
use pimsync::remote::{ItemErrorClass, PerItem, RemoteError, RemoteRead};

use crate::canned::{Canned, ok, whole};
use crate::house::TestClock;

fn client(canned: &Canned) -> EwsClient {
    let sign_in = Box::new(Basic::new("ada@example.org", "secret".into()));
    EwsClient::new(Settings::new(canned.url(), sign_in, Arc::new(TestClock::default()))).unwrap()
}

/// A server that answers `item` for each id in a request.
fn serving(operation: &'static str, item: impl Fn(&str) -> String + Send + 'static) -> Canned {
    Canned::with(move |request| {
        let ids = request.split(" Id=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
        let responses: String =
            ids.map(|id| format!("<Message ResponseClass='Success'><Items>{}</Items></Message>", item(id))).collect();
        let body = format!(
            "<Envelope><Body><{operation}><ResponseMessages>{responses}</ResponseMessages></{operation}></Body></Envelope>"
        );
        whole(ok(body.as_bytes()))
    })
}

fn note(id: &str, text: &str) -> String {
    format!(
        "<Message><ItemId Id='{id}' ChangeKey='k'/><ItemClass>IPM.StickyNote</ItemClass><Body>{text}</Body></Message>"
    )
}

async fn read(canned: &Canned, kind: EntryKind, ids: &[&str]) -> Result<Vec<PerItem<ServerEntry>>, RemoteError> {
    let ids: Vec<ItemId> = ids.iter().map(|id| ItemId::new(*id)).collect();
    client(canned).entries(kind, &ids).await
}

fn text(found: &PerItem<ServerEntry>) -> Result<&str, &str> {
    match found {
        Ok(ServerEntry { entry: Entry::Note(note), .. }) => Ok(note.text.as_str()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(&error.code),
    }
}

#[tokio::test]
async fn a_note_without_end_costs_only_itself() {
    let canned = serving("GetItemResponse", |id| match id {
        "huge" => note(id, &"x".repeat(20 << 20)),
        _ => note(id, "fine"),
    });
    let found = read(&canned, EntryKind::Note, &["a", "huge", "b"]).await.unwrap();
    assert_eq!(found.iter().map(text).collect::<Vec<_>>(), [Ok("fine"), Err("AnswerUnreadable"), Ok("fine")]);
    assert_eq!(found[1].as_ref().unwrap_err().class, ItemErrorClass::Permanent);
}

/// Where nothing can be read, it is the server, and nobody is told that each of a thousand items is broken.
#[tokio::test]
async fn a_server_that_makes_no_sense_is_no_broken_item() {
    let canned = Canned::new(vec![ok(b"<html>hello</html>")]);
    let ids: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let failed = read(&canned, EntryKind::Note, &ids).await;
    assert!(matches!(failed, Err(RemoteError::Protocol { .. })), "{failed:?}");
}

#[tokio::test]
async fn an_answer_about_another_item_is_not_believed() {
    let canned = serving("GetItemResponse", |id| note(if id == "a" { "b" } else { id }, id));
    let found = read(&canned, EntryKind::Note, &["a", "b"]).await.unwrap();
    assert_eq!(found.iter().map(text).collect::<Vec<_>>(), [Err("WrongAnswer"), Ok("b")]);
    let empty = serving("GetItemResponse", |_| String::new());
    let found = read(&empty, EntryKind::Note, &["a"]).await.unwrap();
    assert_eq!(text(&found[0]), Err("WrongAnswer"));
}

/// A picture whose bytes are none, or those of another, is for a later run; the contact is not taken for one without a picture.
#[tokio::test]
async fn a_picture_that_is_none_is_not_no_picture() {
    let attachment = "<Attachments><FileAttachment><AttachmentId Id='p'/><IsContactPhoto>true</IsContactPhoto><Size>lots</Size></FileAttachment></Attachments>";
    for content in [
        "<FileAttachment><AttachmentId Id='p'/></FileAttachment>",
        "<FileAttachment><AttachmentId Id='p'/><Content>%%%</Content></FileAttachment>",
        "<FileAttachment><AttachmentId Id='other'/><Content>AAAA</Content></FileAttachment>",
        "",
    ] {
        let canned = Canned::with(move |request| {
            let inside = match request.contains("GetAttachment") {
                true => format!("<Attachments>{content}</Attachments>"),
                false => format!(
                    "<Items><Contact><ItemId Id='c' ChangeKey='k'/><ItemClass>IPM.Contact</ItemClass>{attachment}</Contact></Items>"
                ),
            };
            let body = format!(
                "<Envelope><Body><R><ResponseMessages><M ResponseClass='Success'>{inside}</M></ResponseMessages></R></Body></Envelope>"
            );
            whole(ok(body.as_bytes()))
        });
        let found = read(&canned, EntryKind::Contact, &["c"]).await.unwrap();
        let error = found[0].as_ref().unwrap_err();
        assert_eq!(
            (error.class, error.code.as_str()),
            (ItemErrorClass::Transient, "AttachmentUnreadable"),
            "{content}"
        );
    }
}
