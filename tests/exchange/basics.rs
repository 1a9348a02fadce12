//! The embedded Exchange as a client sees it, over raw HTTP: if these fail, nothing that is tested against it can be
//! trusted.

use crate::client::Client;
use pimsync::exchange::{NewMessage, Personality};

const MAIL: &str = "From: Ada <ada@example.com>\r\nTo: Bob <bob@example.com>\r\nSubject: Hello\r\n\
    Date: Tue, 03 Nov 2026 10:00:00 +0100\r\nMessage-ID: <one@example.com>\r\nX-Mailer: tester\r\n\r\nText\r\n";

#[test]
fn the_wrong_password_is_refused() {
    let client = Client::start(Personality::Exchange).with_password("wrong");
    let answer = client.post("<x/>");
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Basic")));
}

#[test]
fn distinguished_folders_answer_in_their_slots() {
    for like in [Personality::Exchange, Personality::Gromox] {
        let client = Client::start(like);
        let answer = client.call(
            "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>\
             <t:FieldURI FieldURI=\"folder:DisplayName\"/>\
             <t:ExtendedFieldURI PropertyTag=\"0x670A\" PropertyType=\"SystemTime\"/>\
             <t:ExtendedFieldURI PropertyTag=\"0x670B\" PropertyType=\"Integer\"/>\
             <t:ExtendedFieldURI PropertyTag=\"0x10F4\" PropertyType=\"Boolean\"/></t:AdditionalProperties></m:FolderShape>\
             <m:FolderIds><t:DistinguishedFolderId Id=\"inbox\"/><t:DistinguishedFolderId Id=\"archivemsgfolderroot\"/>\
             <t:DistinguishedFolderId Id=\"calendar\"/></m:FolderIds></m:GetFolder>",
        );
        assert_eq!(answer.codes().len(), 3, "{}", answer.body);
        assert_eq!(answer.codes()[0], "NoError");
        assert_ne!(answer.codes()[1], "NoError");
        assert_eq!(answer.codes()[2], "NoError");
        assert!(answer.body.contains("PropertyTag=\"0x670a\"") && answer.body.contains("<t:CalendarFolder>"));
    }
}

#[test]
fn a_message_is_created_read_updated_moved_and_deleted() {
    let client = Client::start(Personality::Exchange);
    let created = client.create_mail("inbox", MAIL, "<t:IsRead>false</t:IsRead>");
    let id = created.item_id();
    assert_eq!(id.len(), 152);
    let read = client.call(&client.get_item(&id, ""));
    let mime = read.mime();
    assert!(mime.contains("Message-ID: <one@example.com>"), "{mime}");
    assert!(mime.contains("Date: Tue, 3 Nov 2026 09:00:00 +0000"), "{mime}");
    assert!(!mime.contains("X-Mailer"), "{mime}");

    let stale = created.change_key();
    let update = |key: &str, subject: &str| {
        format!(
            "<m:UpdateItem MessageDisposition=\"SaveOnly\" ConflictResolution=\"NeverOverwrite\"><m:ItemChanges><t:ItemChange>\
             <t:ItemId Id=\"{id}\" ChangeKey=\"{key}\"/><t:Updates><t:SetItemField><t:FieldURI FieldURI=\"item:Subject\"/>\
             <t:Message><t:Subject>{subject}</t:Subject></t:Message></t:SetItemField></t:Updates></t:ItemChange>\
             </m:ItemChanges></m:UpdateItem>"
        )
    };
    let updated = client.call(&update(&stale, "New"));
    assert_eq!(updated.codes(), ["NoError"], "{}", updated.body);
    assert_ne!(updated.change_key(), stale);
    assert_eq!(client.call(&update(&stale, "Lost")).codes(), ["ErrorIrresolvableConflict"]);
    assert_eq!(client.call(&update("garbage", "Lost")).codes(), ["ErrorInvalidChangeKey"]);

    let moved = client.call(&format!(
        "<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id=\"junkemail\"/></m:ToFolderId><m:ItemIds><t:ItemId \
         Id=\"{id}\"/></m:ItemIds></m:MoveItem>"
    ));
    let new = moved.item_id();
    assert_ne!(new, id);
    assert_eq!(client.call(&client.get_item(&id, "")).codes(), ["ErrorItemNotFound"]);
    assert_eq!(client.mailbox().items("Junk Email").unwrap()[0].subject, "New");

    let delete = format!(
        "<m:DeleteItem DeleteType=\"HardDelete\"><m:ItemIds><t:ItemId Id=\"{new}\"/></m:ItemIds></m:DeleteItem>"
    );
    assert_eq!(client.call(&delete).codes(), ["NoError"]);
    assert_eq!(client.call(&delete).codes(), ["ErrorItemNotFound"]);
}

#[test]
fn changes_come_once_and_in_order() {
    let client = Client::start(Personality::Exchange);
    let mailbox = client.mailbox();
    let mut ids = Vec::new();
    for number in 0..5 {
        let mail = format!("Subject: {number}\r\nMessage-ID: <{number}@x>\r\n\r\nText\r\n");
        ids.push(mailbox.add_message("Inbox", NewMessage { mime: mail.as_bytes(), ..NewMessage::default() }).unwrap());
    }
    let first = client.call(&client.sync("inbox", "", 2));
    assert_eq!(first.changes(), ["Create 4", "Create 3"], "{}", first.body);
    assert!(!first.is_last());
    mailbox.delete_item(&ids[1]).unwrap();
    let second = client.call(&client.sync("inbox", &first.sync_state(), 512));
    assert_eq!(second.changes(), ["Create 2", "Create 0"]);
    assert!(second.is_last());
    mailbox.set_read(&ids[0], true).unwrap();
    mailbox.set_categories(&ids[2], &["Red"]).unwrap();
    mailbox.move_item(&ids[3], "Drafts").unwrap();
    let third = client.call(&client.sync("inbox", &second.sync_state(), 512));
    assert_eq!(third.kinds(), ["Delete", "ReadFlagChange", "Update", "Delete"], "{}", third.body);
    let fourth = client.call(&client.sync("inbox", &third.sync_state(), 512));
    assert!(fourth.kinds().is_empty());
}
