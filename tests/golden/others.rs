//! What is not in one's own mailbox: shared mailboxes, archives, public folders; and one's own by way of somebody else's sign-in.

use pimsync::pim::{FolderKind, OtherMailbox, PublicPath, SpecialFolder as Special};
use pimsync::remote::ews::{EwsClient, PublicFolders, Settings};
use pimsync::remote::{Disposal, FolderChanges, ItemChange, Reach, RemoteRead, RemoteWrite, SpecialFolders};

use super::{A, B, BIN, KEY_A, KEY_B, PROJECTS, ROOT, Talk, folder, item, versioned};
use crate::house::message_removal;

const TEAM: &str = "team@example.org";
const CALENDAR: &str = "AAMkADgzAAAAAEPAAA==";

fn in_mailbox(name: &'static str) -> impl FnOnce(Settings) -> EwsClient {
    let mailbox: OtherMailbox = name.parse().unwrap();
    move |settings| EwsClient::new(Settings { mailbox: Some(mailbox), ..settings }).unwrap()
}

/// Every request is led to the mailbox.
fn is_led(talk: &Talk, to: &str) {
    let anchor = format!("x-anchormailbox: {to}");
    assert!(talk.heads().iter().all(|head| head.lines().any(|line| line == anchor)), "{:?}", talk.heads());
}

#[tokio::test]
async fn a_shared_mailbox_is_named_by_its_address() {
    let steps = [("shared-folders", "special-folders.exchange")];
    let talk = Talk::with(&steps, in_mailbox(TEAM));
    let folders = talk.client.special_folders().await.unwrap();
    talk.went_as_it_should();
    assert_eq!((folders.root, folders.special.len()), (folder(ROOT), 10));
    is_led(&talk, TEAM);

    let steps = [("shared-changes", "folder-changes-2.exchange")];
    let talk = Talk::with(&steps, in_mailbox(TEAM));
    talk.client.folder_changes(None).await.unwrap();
    talk.went_as_it_should();

    let steps = [("shared-activity", "activity.exchange")];
    let talk = Talk::with(&steps, in_mailbox(TEAM));
    talk.client.activity(&[super::INBOX, PROJECTS, super::ARCHIVE].map(folder)).await.unwrap();
    talk.went_as_it_should();
}

/// The top and all other folders are hidden: the calendar is found all the same.
#[tokio::test]
async fn a_calendar_that_is_shared_alone_is_found() {
    let steps = [("shared-changes", "response-folder-gone.exchange"), ("shared-folders", "shared-calendar.exchange")];
    let talk = Talk::with(&steps, in_mailbox(TEAM));
    let FolderChanges { changed, gone, .. } = talk.client.folder_changes(None).await.unwrap();
    talk.went_as_it_should();
    let found: Vec<_> = changed.iter().map(|found| (found.id.as_str(), found.name.as_str(), found.kind)).collect();
    assert_eq!(found, [(CALENDAR, "Calendar", FolderKind::Calendar)]);
    assert_eq!(gone, []);
}

/// Delegates may not delete to Deleted Items: it is moved there.
#[tokio::test]
async fn what_is_deleted_in_a_shared_mailbox_is_moved() {
    let steps = [
        ("shared-deleted-items", "deleted-items.exchange"),
        ("whereabouts-ab", "whereabouts-ab.exchange"),
        ("shared-delete", "move-messages.exchange"),
    ];
    let talk = Talk::with(&steps, in_mailbox(TEAM));
    let items = [(versioned(A, KEY_A), message_removal()), (versioned(B, KEY_B), message_removal())];
    let deleted = talk.client.delete_messages(&items, Disposal::ToDeletedItems).await;
    talk.gives(&deleted, &vec![Ok(()), Ok(())]);
}

#[tokio::test]
async fn an_archive_has_names_of_its_own() {
    for (mailbox, request) in [("archive", "archive-folders"), ("archive:team@example.org", "shared-archive-folders")] {
        let talk = Talk::with(&[(request, "archive-folders.exchange")], in_mailbox(mailbox));
        let special = vec![(Special::DeletedItems, folder(BIN))];
        talk.gives(&talk.client.special_folders().await, &SpecialFolders { root: folder(ROOT), special });
    }
}

#[tokio::test]
async fn who_impersonates_says_whom() {
    let acting = |settings| EwsClient::new(Settings { impersonate: Some("ben@example.org".to_owned()), ..settings });
    let talk = Talk::with(&[("impersonated", "special-folders.exchange")], |settings| acting(settings).unwrap());
    talk.client.special_folders().await.unwrap();
    talk.went_as_it_should();
    is_led(&talk, "ben@example.org");
}

/// Found level by level, and listed page by page, since the server tells no changes.
#[tokio::test]
async fn public_folders_are_found_and_listed() {
    let steps = [
        ("public-root", "public-root.exchange"),
        ("public-level", "public-level.exchange"),
        ("public-changes", "public-refused.exchange"),
        ("public-items", "public-items-1.exchange"),
        ("public-items-next", "public-items-2.exchange"),
    ];
    let named = vec![PublicPath::new("Team", vec!["Team".to_owned()]).unwrap()];
    let talk = Talk::with(&steps, |settings| PublicFolders::new(settings, named).unwrap());
    let found = talk.client.folder_changes(None).await.unwrap();
    assert_eq!(found.changed.iter().map(|found| found.id.clone()).collect::<Vec<_>>(), [folder(PROJECTS)]);
    let first = talk.client.item_changes(&folder(PROJECTS), None, 512).await.unwrap();
    let second = talk.client.item_changes(&folder(PROJECTS), Some(&first.state), 512).await.unwrap();
    talk.went_as_it_should();
    let mut ids = Vec::new();
    for change in first.changes.iter().chain(&second.changes) {
        if let ItemChange::Present(message) = change {
            ids.push(message.id.clone());
        }
    }
    assert_eq!(ids, [item(A), item(B)]);
    assert_eq!(first.reach, Reach::Part);
    assert!(matches!(second.reach, Reach::Whole(_)));
    // What it holds lies in a mailbox of its own.
    let to = "5bcd8a2d-2d8f-4b0c-9f7c-3a0b6f1d0e11@example.org";
    for (head, led) in talk.heads().iter().zip([false, false, true, true, true]) {
        for name in ["x-anchormailbox", "x-publicfoldermailbox"] {
            assert_eq!(head.lines().any(|line| line == format!("{name}: {to}")), led, "{head}");
        }
    }
}
