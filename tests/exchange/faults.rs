//! Scripted faults: if one of them did not fire as told, the tests of the client's recovery would prove nothing.

use std::time::{Duration, Instant};

use crate::client::Client;
use pimsync::exchange::{Action, FaultScript, NewMessage, Options, Personality, Rule};

const MAIL: &str = "From: Ada <ada@example.com>\r\nSubject: Hello\r\nMessage-ID: <one@example.com>\r\n\r\nText\r\n";
const FOLDER: &str = "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds>\
    <t:DistinguishedFolderId Id=\"inbox\"/></m:FolderIds></m:GetFolder>";

fn exchange() -> Client {
    Client::start(Personality::Exchange)
}

#[test]
fn throttling_has_its_shapes() {
    let client = exchange();
    let faults = client.server.faults().clone();
    let busy = faults.add(Rule::on("GetFolder", Action::ServerBusyFault { backoff_ms: Some(12_345) }).nth(2));
    assert_eq!(client.call(FOLDER).codes(), ["NoError"]);
    let answer = client.call(FOLDER);
    assert_eq!((answer.status, answer.fault().as_str()), (500, "ErrorServerBusy"));
    assert_eq!(answer.first("<t:Value Name=\"BackOffMilliseconds\">", "<"), "12345");
    assert_eq!(client.call(FOLDER).codes(), ["NoError"]);
    assert_eq!(faults.fired(busy), 1);

    let once = |action: Action| {
        faults.clear();
        faults.add(Rule::on("GetFolder", action).times(1));
    };
    once(Action::ServerBusyInMessage { backoff_ms: None });
    let answer = client.call(FOLDER);
    assert_eq!((answer.status, answer.codes()), (200, vec!["ErrorServerBusy".to_owned()]));
    once(Action::InternalServerErrorWithInnerBusy);
    let answer = client.call(FOLDER);
    assert_eq!(answer.codes(), ["ErrorInternalServerError"]);
    assert_eq!(answer.first("<t:Value Name=\"InnerErrorResponseCode\">", "<"), "ErrorServerBusy");
    once(Action::Http503 { retry_after: Some(7) });
    let answer = client.call(FOLDER);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("7")));
    once(Action::Http429 { retry_after: None });
    assert_eq!(client.call(FOLDER).status, 429);
    once(Action::Unauthorized401);
    assert_eq!(client.call(FOLDER).status, 401);
    once(Action::Redirect302);
    let answer = client.call(FOLDER);
    assert_eq!(answer.status, 302);
    assert!(answer.header("location").is_some_and(|value| value.starts_with("/ews/genericerrorpage.htm")));
    once(Action::HtmlErrorPage);
    let answer = client.call(FOLDER);
    assert_eq!((answer.status, answer.header("connection")), (500, Some("close")));
    once(Action::ExceededConnectionCount);
    assert_eq!(client.call(FOLDER).fault(), "ErrorExceededConnectionCount");
    once(Action::Garbage);
    assert!(!client.call(FOLDER).body.contains("Envelope"));
    assert_eq!(client.call(FOLDER).codes(), ["NoError"]);
}

#[test]
fn an_answer_is_lost_before_or_after_the_commit() {
    let client = exchange();
    let request = client.envelope(&format!(
        "<m:CreateItem MessageDisposition=\"SaveOnly\"><m:SavedItemFolderId><t:DistinguishedFolderId Id=\"inbox\"/>\
         </m:SavedItemFolderId><m:Items><t:Message><t:Subject>{}</t:Subject></t:Message></m:Items></m:CreateItem>",
        "x".repeat(40)
    ));
    client.server.faults().add(Rule::on("CreateItem", Action::ResetBeforeCommit).nth(1));
    client.server.faults().add(Rule::on("CreateItem", Action::ResetAfterCommit).nth(2));
    assert!(client.try_post(&request).is_err());
    assert!(client.mailbox().items("Inbox").unwrap().is_empty());
    assert!(client.try_post(&request).is_err());
    assert_eq!(client.mailbox().items("Inbox").unwrap().len(), 1);
    let statuses: Vec<u16> = client.server.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [0, 0]);
}

#[test]
fn a_body_ends_in_the_middle() {
    let client = exchange();
    client.server.faults().add(Rule::on("GetFolder", Action::CutBody { at: 300 }).times(1));
    assert!(client.try_post(&client.envelope(FOLDER)).is_err());
    assert_eq!(client.call(FOLDER).codes(), ["NoError"]);
}

#[test]
fn sync_states_go_bad_loudly_or_silently() {
    let client = exchange();
    client.create_mail("inbox", MAIL, "");
    let state = client.call(&client.sync("inbox", "", 512)).sync_state();
    let faults = client.server.faults();
    faults.add(Rule::on("SyncFolderItems", Action::InvalidSyncState).times(1));
    assert_eq!(client.call(&client.sync("inbox", &state, 512)).codes(), ["ErrorInvalidSyncStateData"]);
    faults.clear();
    faults.add(Rule::on("SyncFolderItems", Action::SilentlyResetSyncState).times(1));
    assert_eq!(client.call(&client.sync("inbox", &state, 512)).kinds(), ["Create"]);
    faults.add(Rule::on("SyncFolderItems", Action::DuplicateChanges));
    assert_eq!(client.call(&client.sync("inbox", "", 512)).kinds(), ["Create", "Create"]);
}

#[test]
fn single_items_are_unreadable() {
    let client = exchange();
    let mailbox = client.mailbox();
    let ids: Vec<String> = (0..4)
        .map(|number| {
            let mail = format!("Subject: mail {number}\r\n\r\nText\r\n");
            mailbox.add_message("Inbox", NewMessage { mime: mail.as_bytes(), ..NewMessage::default() }).unwrap()
        })
        .collect();
    let list: String = ids.iter().map(|id| format!("<t:ItemId Id=\"{id}\"/>")).collect();
    let get = format!(
        "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:ItemIds>{list}</m:ItemIds></m:GetItem>"
    );
    let faults = client.server.faults();
    let code = |code: &str| Action::ItemError { code: code.to_owned() };
    faults.add(Rule::on("GetItem", code("ErrorItemCorrupt")).for_subject("mail 1"));
    faults.add(Rule::on("GetItem", code("ErrorItemNotFound")).for_item(&ids[2]));
    faults.add(Rule::on("GetItem", code("ErrorMimeContentConversionFailed")).for_slot(3).times(1));
    assert_eq!(
        client.call(&get).codes(),
        ["NoError", "ErrorItemCorrupt", "ErrorItemNotFound", "ErrorMimeContentConversionFailed"]
    );
    assert_eq!(client.call(&get).codes()[3], "NoError");
    assert_eq!(client.call(&client.sync("inbox", "", 512)).kinds().len(), 4);
    faults.clear();
    faults.add(Rule::on("GetItem", code("ErrorQuotaExceeded")).for_slot(1));
    let stopped = client.call(&get);
    assert_eq!(
        stopped.codes(),
        ["NoError", "ErrorQuotaExceeded", "ErrorBatchProcessingStopped", "ErrorBatchProcessingStopped"]
    );
    assert!(stopped.body.contains("ResponseClass=\"Warning\""));
}

#[test]
fn texts_hold_characters_that_xml_does_not_have() {
    let client = exchange();
    client.server.faults().add(Rule::on("GetFolder", Action::IllegalXml));
    let body = client.call(FOLDER).body;
    assert!(body.contains("Inbox&#x1F;&#x0;") && body.contains('\u{b}'));
    client.server.faults().add(Rule::on("GetItem", Action::OddBase64));
    let id = client.create_mail("inbox", MAIL, "").item_id();
    let base64 = client.call(&client.get_item(&id, "")).first("<t:MimeContent CharacterSet=\"UTF-8\">", "</");
    assert!(base64.contains("&#xD;\n") && !base64.contains('='), "{base64}");
}

#[test]
fn a_script_is_read_and_a_slow_answer_is_slow() {
    let script = FaultScript::from_toml(
        "[[rule]]\noperation = \"GetFolder\"\nnth = 1\naction = { do = \"slow\", ms = 300 }\n\
         [[rule]]\nevery = 2\naction = { do = \"server-busy-fault\", backoff-ms = 5 }\n\
         [[rule]]\nsubject = \"x\"\naction = { do = \"item-error\", code = \"ErrorAccessDenied\" }\n",
    )
    .unwrap();
    let client = Client::with(Options { faults: script, latency: Duration::from_millis(20), ..Options::default() });
    let start = Instant::now();
    assert_eq!(client.call(FOLDER).codes(), ["NoError"]);
    assert!(start.elapsed() >= Duration::from_millis(320));
    assert_eq!(client.call(FOLDER).fault(), "ErrorServerBusy");
    assert!(FaultScript::from_toml("[[rule]]\naction = { do = \"explode\" }").is_err());
}

#[test]
fn requests_are_counted_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::with(Options { record: Some(folder.path().join("new")), ..Options::default() });
    client.call(FOLDER);
    client.create_mail("inbox", MAIL, "");
    let log = client.server.requests();
    let names: Vec<&str> = log.iter().map(|request| request.operation.as_str()).collect();
    assert_eq!(names, ["GetFolder", "CreateItem"]);
    assert!(log.iter().all(|request| request.status == 200 && request.bytes_in > 300 && request.bytes_out > 300));
    let request = std::fs::read_to_string(folder.path().join("new/000002-CreateItem-request.xml")).unwrap();
    assert!(request.contains("SavedItemFolderId"));
    assert!(folder.path().join("new/000001-GetFolder-response.xml").exists());
    client.server.clear_requests();
    assert!(client.server.requests().is_empty());
}

#[test]
fn a_store_outlives_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        || Options { store: Some(folder.path().join("exchange.db")), sample_messages: 5, ..Options::default() };
    let id = {
        let client = Client::with(options());
        client.create_mail("inbox", MAIL, "").item_id()
    };
    let client = Client::with(options());
    assert_eq!(client.call(&client.get_item(&id, "")).codes(), ["NoError"]);
    let total: u64 = client.mailbox().folders().unwrap().iter().map(|folder| folder.total).sum();
    assert_eq!(total, 116);
}

#[test]
fn many_large_messages_come_in_pieces() {
    let client = exchange();
    let mailbox = client.mailbox();
    let text = "0123456789abcdef\r\n".repeat(40_000);
    let ids: Vec<String> = (0..6)
        .map(|number| {
            let mail = format!("Subject: {number}\r\n\r\n{text}");
            mailbox.add_message("Inbox", NewMessage { mime: mail.as_bytes(), ..NewMessage::default() }).unwrap()
        })
        .collect();
    let list: String = ids.iter().map(|id| format!("<t:ItemId Id=\"{id}\"/>")).collect();
    let answer = client.call(&format!(
        "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent></m:ItemShape>\
         <m:ItemIds>{list}</m:ItemIds></m:GetItem>"
    ));
    assert_eq!(answer.codes().len(), 6);
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(client.server.requests()[0].bytes_out, answer.body.len() as u64);
    assert!(answer.body.ends_with("</s:Envelope>"));
    assert!(answer.mime().contains(&text[..10_000]));
}
