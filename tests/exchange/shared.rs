//! Mailboxes of others, archives and impersonation, as a client meets them.

use pimsync::exchange::{NewMessage, Options, Personality, Role, User};

use crate::client::Client;

const TEAM: &str = "team@example.org";

fn client(like: Personality, impersonators: &[&str]) -> Client {
    let user = |address: &str| User { address: address.to_owned(), password: "demo".to_owned() };
    let users = vec![user("demo@example.org"), user(TEAM)];
    let impersonators = impersonators.iter().map(|who| (*who).to_owned()).collect();
    Client::with(Options { like, users, impersonators, ..Options::default() })
}

fn distinguished(name: &str) -> String {
    format!(
        "<t:DistinguishedFolderId Id=\"{name}\"><t:Mailbox><t:EmailAddress>{TEAM}</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>"
    )
}

fn get_folder(id: &str) -> String {
    format!(
        "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds>{id}</m:FolderIds></m:GetFolder>"
    )
}

fn sync_folders(id: &str) -> String {
    format!(
        "<m:SyncFolderHierarchy><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:SyncFolderId>{id}</m:SyncFolderId></m:SyncFolderHierarchy>"
    )
}

fn delete(id: &str, how: &str) -> String {
    format!("<m:DeleteItem DeleteType=\"{how}\"><m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:DeleteItem>")
}

#[test]
fn what_is_not_shared_is_not_there() {
    for like in [Personality::Exchange, Personality::Gromox] {
        let client = client(like, &[]);
        let team = client.server.mailbox(TEAM).unwrap();
        assert_ne!(client.call(&get_folder(&distinguished("inbox"))).codes(), ["NoError"], "{like:?}");
        team.set_role("Calendar", Some("demo@example.org"), Role::Reviewer).unwrap();
        assert_eq!(client.call(&get_folder(&distinguished("calendar"))).codes(), ["NoError"]);
        assert_ne!(client.call(&sync_folders(&distinguished("msgfolderroot"))).codes(), ["NoError"]);
        // All but one: that one is in no listing.
        team.share("demo@example.org", Role::Owner).unwrap();
        team.set_role("Notes", Some("demo@example.org"), Role::Nobody).unwrap();
        let listed = client.call(&sync_folders(&distinguished("msgfolderroot"))).body;
        assert!(listed.contains(">Calendar<") && !listed.contains(">Notes<"), "{listed}");
    }
}

#[test]
fn a_delegate_moves_to_deleted_items_and_listens_to_nothing() {
    let client = client(Personality::Exchange, &[]);
    let team = client.server.mailbox(TEAM).unwrap();
    team.share("demo@example.org", Role::Owner).unwrap();
    let id =
        team.add_message("Inbox", NewMessage { mime: b"Subject: x\r\n\r\nx\r\n", ..NewMessage::default() }).unwrap();
    assert_eq!(client.call(&delete(&id, "MoveToDeletedItems")).codes(), ["ErrorCannotDeleteObject"]);
    let subscribe = format!(
        "<m:Subscribe><m:StreamingSubscriptionRequest><t:FolderIds>{}</t:FolderIds><t:EventTypes><t:EventType>NewMailEvent</t:EventType>\
         </t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>",
        distinguished("inbox")
    );
    assert_eq!(client.call(&subscribe).codes(), ["ErrorSubscriptionDelegateAccessNotSupported"]);
    assert_eq!(client.call(&delete(&id, "SoftDelete")).codes(), ["NoError"]);
    assert!(team.items("Inbox").unwrap().is_empty());
}

#[test]
fn an_archive_is_its_owners_and_of_whom_they_let() {
    let client = client(Personality::Exchange, &[]);
    let own = "<t:DistinguishedFolderId Id=\"archivemsgfolderroot\"/>";
    assert_ne!(client.call(&get_folder(own)).codes(), ["NoError"], "there is none yet");
    client.server.archive("demo@example.org").unwrap().create_folder("", "2019", "IPF.Note").unwrap();
    assert!(client.call(&sync_folders(own)).body.contains(">2019<"));
    let archive = client.server.archive(TEAM).unwrap();
    let top = distinguished("archivemsgfolderroot");
    assert_ne!(client.call(&get_folder(&top)).codes(), ["NoError"]);
    archive.share("demo@example.org", Role::Reviewer).unwrap();
    assert_eq!(client.call(&get_folder(&top)).codes(), ["NoError"]);
}
