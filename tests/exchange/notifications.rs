//! Notifications: a client that misses one here would find real mail late, and one that is told of none would never hear that it must ask.

use std::time::Duration;

use crate::client::{Answer, Client, USER};
use pimsync::exchange::{NewMessage, Options, Personality, User};

const ALL: &str = "<t:EventTypes><t:EventType>CopiedEvent</t:EventType><t:EventType>CreatedEvent</t:EventType>\
    <t:EventType>DeletedEvent</t:EventType><t:EventType>ModifiedEvent</t:EventType><t:EventType>MovedEvent</t:EventType>\
    <t:EventType>NewMailEvent</t:EventType></t:EventTypes>";

fn pull(client: &Client) -> Answer {
    client.call(&format!(
        "<m:Subscribe><m:PullSubscriptionRequest SubscribeToAllFolders=\"true\">{ALL}<t:Timeout>10</t:Timeout>\
         </m:PullSubscriptionRequest></m:Subscribe>"
    ))
}

fn streaming(client: &Client) -> String {
    let answer = client.call(&format!(
        "<m:Subscribe><m:StreamingSubscriptionRequest SubscribeToAllFolders=\"true\">{ALL}\
         </m:StreamingSubscriptionRequest></m:Subscribe>"
    ));
    assert!(!answer.body.contains("Watermark"), "{}", answer.body);
    answer.first("<m:SubscriptionId>", "<")
}

fn get_events(id: &str, watermark: &str) -> String {
    format!(
        "<m:GetEvents><m:SubscriptionId>{id}</m:SubscriptionId><m:Watermark>{watermark}</m:Watermark></m:GetEvents>"
    )
}

fn stream(id: &str, minutes: u32) -> String {
    format!(
        "<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>{id}</t:SubscriptionId></m:SubscriptionIds>\
         <m:ConnectionTimeout>{minutes}</m:ConnectionTimeout></m:GetStreamingEvents>"
    )
}

/// The events of items, without what is told of the folders' numbers.
fn events(answer: &Answer) -> Vec<String> {
    let kinds = ["Copied", "Created", "Deleted", "Modified", "Moved", "NewMail"];
    let mut found = Vec::new();
    for part in answer.body.split("Event><t:").collect::<Vec<_>>().windows(2) {
        let kind = part[0].rsplit("<t:").next().unwrap();
        let of_item = part[1].split("ParentFolderId").next().unwrap().contains("ItemId");
        if kinds.contains(&kind) && of_item {
            found.push(kind.to_owned());
        }
    }
    found
}

fn add(client: &Client, name: &str) -> String {
    let mime = format!("Subject: {name}\r\nMessage-ID: <{name}@x>\r\n\r\nText\r\n");
    client.mailbox().add_message("Inbox", NewMessage { mime: mime.as_bytes(), ..NewMessage::default() }).unwrap()
}

fn quick(like: Personality) -> Client {
    Client::with(Options { like, minute: Duration::from_millis(240), ..Options::default() })
}

#[test]
fn who_asks_is_told_what_happened_since() {
    let client = Client::start(Personality::Exchange);
    let mailbox = client.mailbox();
    add(&client, "before");
    let subscribed = pull(&client);
    let (id, start) = (subscribed.first("<m:SubscriptionId>", "<"), subscribed.first("<m:Watermark>", "<"));
    let nothing = client.call(&get_events(&id, &start));
    assert_eq!(nothing.first("<t:PreviousWatermark>", "<"), start);
    assert!(
        nothing.body.contains("<t:MoreEvents>false</t:MoreEvents><t:StatusEvent><t:Watermark>"),
        "{}",
        nothing.body
    );

    let item = add(&client, "new");
    mailbox.set_categories(&item, &["red"]).unwrap();
    let moved = mailbox.move_item(&item, "Drafts").unwrap();
    mailbox.copy_item(&moved, "Inbox").unwrap();
    mailbox.delete_item(&moved).unwrap();
    let told = client.call(&get_events(&id, &start));
    assert_eq!(events(&told), ["Created", "Modified", "Moved", "Copied", "Deleted"], "{}", told.body);
    let moving = told.first("<t:MovedEvent>", "</t:MovedEvent>");
    let (inbox, drafts) = (mailbox.folder("Inbox").unwrap(), mailbox.folder("Drafts").unwrap());
    for (element, value) in
        [("ItemId", &moved), ("ParentFolderId", &drafts), ("OldItemId", &item), ("OldParentFolderId", &inbox)]
    {
        assert!(moving.contains(&format!("<t:{element} Id=\"{value}\"")), "{element}: {moving}");
    }
    // The numbers of the folders changed, too.
    assert!(told.body.contains("<t:UnreadCount>"));
    // What was told is told again to whoever asks from before it.
    assert_eq!(events(&client.call(&get_events(&id, &start))), events(&told));
    let last = told.all("<t:Watermark>", "<").pop().unwrap();
    assert_eq!(events(&client.call(&get_events(&id, &last))), [""; 0]);
}

#[test]
fn many_events_come_in_pieces() {
    let client = Client::start(Personality::Exchange);
    let subscribed = pull(&client);
    let (id, mut mark) = (subscribed.first("<m:SubscriptionId>", "<"), subscribed.first("<m:Watermark>", "<"));
    (0..120).for_each(|number| drop(add(&client, &number.to_string())));
    let mut found = 0;
    loop {
        let answer = client.call(&get_events(&id, &mark));
        found += events(&answer).len();
        mark = answer.all("<t:Watermark>", "<").pop().unwrap();
        if answer.body.contains("<t:MoreEvents>false") {
            break;
        }
    }
    assert_eq!(found, 120);
}

#[test]
fn folders_and_deliveries_are_told_of() {
    let client = Client::start(Personality::Exchange);
    let subscribed = pull(&client);
    let (id, mark) = (subscribed.first("<m:SubscriptionId>", "<"), subscribed.first("<m:Watermark>", "<"));
    let mailbox = client.mailbox();
    let folder = mailbox.create_folder("Inbox", "New", "IPF.Note").unwrap();
    mailbox.rename_folder(&folder, "Newer").unwrap();
    mailbox.move_folder(&folder, "").unwrap();
    mailbox.delete_folder(&folder).unwrap();
    let told = client.call(&get_events(&id, &mark));
    let kinds: Vec<String> = told.all(&format!("<t:FolderId Id=\"{folder}\""), "</t:P");
    assert_eq!(kinds.len(), 4, "{}", told.body);
    assert!(told.body.contains("<t:MovedEvent>") && told.body.contains("<t:OldFolderId Id="), "{}", told.body);

    let mark = told.all("<t:Watermark>", "<").pop().unwrap();
    client.create(
        "sentitems",
        "MessageDisposition=\"SendAndSaveCopy\"",
        &format!(
            "<t:Message><t:Subject>to me</t:Subject><t:ToRecipients><t:Mailbox><t:EmailAddress>{USER}</t:EmailAddress>\
             </t:Mailbox></t:ToRecipients></t:Message>"
        ),
    );
    let told = client.call(&get_events(&id, &mark));
    assert_eq!(events(&told), ["Created", "NewMail", "Created"], "{}", told.body);
}

#[test]
fn what_cannot_be_told_is_refused_with_its_reason() {
    let other = "other@example.org";
    let users = [USER, other].map(|name| User { address: name.to_owned(), password: "demo".to_owned() }).to_vec();
    let client = Client::with(Options { users, minute: Duration::from_micros(1), ..Options::default() });
    let expired = pull(&client).first("<m:SubscriptionId>", "<");
    let mark = pull(&client).first("<m:Watermark>", "<");
    assert_eq!(client.call(&get_events(&expired, &mark)).codes(), ["ErrorExpiredSubscription"]);

    let users = [USER, other].map(|name| User { address: name.to_owned(), password: "demo".to_owned() }).to_vec();
    let client = Client::with(Options { users, ..Options::default() });
    let subscribed = pull(&client);
    let (id, mark) = (subscribed.first("<m:SubscriptionId>", "<"), subscribed.first("<m:Watermark>", "<"));
    let codes = |request: &str| client.call(request).codes();
    assert_eq!(codes(&get_events(&id, "nonsense")), ["ErrorInvalidWatermark"]);
    assert_eq!(codes(&get_events(&id, "AAAAAP//AAAAAAAAAQ==")), ["ErrorInvalidWatermark"], "of what has not happened");
    assert_eq!(codes(&get_events("nobody", &mark)), ["ErrorSubscriptionNotFound"]);
    let foreign = client.post_as(other, &client.envelope(&get_events(&id, &mark)));
    assert_eq!(foreign.codes(), ["ErrorSubscriptionAccessDenied"]);
    let stream_id = streaming(&client);
    assert_eq!(codes(&get_events(&stream_id, &mark)), ["ErrorInvalidPullSubscriptionId"]);
    assert_eq!(codes(&stream(&id, 1)), ["ErrorInvalidSubscription"]);
    let unsubscribe = format!("<m:Unsubscribe><m:SubscriptionId>{id}</m:SubscriptionId></m:Unsubscribe>");
    assert_eq!(codes(&unsubscribe), ["NoError"]);
    assert_eq!(codes(&unsubscribe), ["ErrorSubscriptionNotFound"]);
    assert_eq!(codes(&get_events(&id, &mark)), ["ErrorSubscriptionNotFound"]);
    let both = format!(
        "<m:Subscribe><m:StreamingSubscriptionRequest SubscribeToAllFolders=\"true\"><t:FolderIds>\
         <t:DistinguishedFolderId Id=\"inbox\"/></t:FolderIds>{ALL}</m:StreamingSubscriptionRequest></m:Subscribe>"
    );
    assert_eq!(codes(&both), ["ErrorInvalidSubscriptionRequest"]);
    assert_eq!(client.call(&stream(&stream_id, 31)).fault(), "ErrorSchemaValidation");
}

#[test]
fn a_stream_tells_what_waited_stays_alive_and_is_closed_in_time() {
    let client = quick(Personality::Exchange);
    let id = streaming(&client);
    add(&client, "new");
    let answer = client.call(&stream(&id, 3));
    let envelopes: Vec<&str> = answer.body.split("<?xml").skip(1).collect();
    assert!(envelopes[0].contains("<m:ConnectionStatus>OK</m:ConnectionStatus>"), "{}", answer.body);
    assert!(envelopes[1].contains("<m:Notifications><m:Notification><t:SubscriptionId>"), "{}", answer.body);
    assert_eq!(events(&answer), ["Created"], "{}", answer.body);
    assert!(!answer.body.contains("Watermark"));
    assert!(envelopes[2].contains("<m:ConnectionStatus>OK"), "a sign of life: {}", answer.body);
    assert!(envelopes.last().unwrap().contains("<m:ConnectionStatus>Closed"), "{}", answer.body);
    // What was told is not told again, and what happens between two connections is.
    add(&client, "newer");
    assert_eq!(events(&client.call(&stream(&id, 1))), ["Created"]);
    assert_eq!(events(&client.call(&stream(&id, 1))), [""; 0]);

    client.server.forget_subscriptions();
    let lost = client.call(&stream(&id, 1));
    assert_eq!(lost.codes(), ["ErrorSubscriptionNotFound"]);
    assert!(lost.body.contains(&format!("<m:ErrorSubscriptionIds><m:SubscriptionId>{id}<")), "{}", lost.body);
}

#[test]
fn a_stream_is_for_the_folders_and_events_that_were_wished_for() {
    let client = quick(Personality::Exchange);
    let id = client
        .call(
            "<m:Subscribe><m:StreamingSubscriptionRequest><t:FolderIds><t:DistinguishedFolderId Id=\"drafts\"/></t:FolderIds>\
             <t:EventTypes><t:EventType>MovedEvent</t:EventType></t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>",
        )
        .first("<m:SubscriptionId>", "<");
    let item = add(&client, "new");
    let there = client.mailbox().move_item(&item, "Drafts").unwrap();
    client.mailbox().move_item(&there, "Inbox").unwrap();
    client.mailbox().move_item(&add(&client, "other"), "Deleted Items").unwrap();
    assert_eq!(events(&client.call(&stream(&id, 1))), ["Moved", "Moved"]);
}

#[test]
fn gromox_tells_each_event_once_without_watermarks_and_moves_in_two_parts() {
    let client = quick(Personality::Gromox);
    let subscribed = pull(&client);
    let id = subscribed.first("<m:SubscriptionId>", "<");
    let item = add(&client, "new");
    client.mailbox().move_item(&item, "Drafts").unwrap();
    let told = client.call(&get_events(&id, ""));
    assert_eq!(events(&told), ["Created", "Deleted", "Created"], "{}", told.body);
    assert!(!subscribed.body.contains("Watermark") && !told.body.contains("Watermark"), "{}", told.body);
    assert_eq!(events(&client.call(&get_events(&id, ""))), [""; 0]);
}

#[test]
fn gromox_does_not_keep_up_with_everything() {
    let client = Client::start(Personality::Gromox);
    let id = streaming(&client);
    (0..2001).for_each(|number| client.mailbox().set_read(&add(&client, &number.to_string()), true).unwrap());
    assert_eq!(client.call(&stream(&id, 1)).codes(), ["NoError", "ErrorInvalidSubscription"]);
}
