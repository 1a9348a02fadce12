//! Folders: found, followed, made, renamed, moved, deleted.

use pimsync::pim::{ActivityMark, ChangeKey, FolderId, FolderKind, ServerFolder, SpecialFolder as Special, SyncState};
use pimsync::remote::{
    Disposal, FolderActivity, FolderChanges, ItemError, ItemErrorClass, RemoteRead, RemoteWrite, Rights, SpecialFolders,
};

use super::{ARCHIVE, BIN, INBOX, PROJECTS, ROOT, Talk, folder};
use crate::house::folder_removal;

fn all_special() -> Vec<(Special, FolderId)> {
    let ids = ["EM", "EQ", "EN", "EU", "EO", "ES", "EP", "ER", "ET", "EV", "EW"];
    let id = |letters: &str| folder(&format!("AAMkADgzAAAAA{letters}AAA=="));
    Special::ALL.into_iter().zip(ids.map(id)).collect()
}

#[tokio::test]
async fn special_folders() {
    let talk = Talk::new(&[("special-folders", "special-folders.exchange")]);
    let mut special = all_special();
    special.retain(|(name, _)| *name != Special::Journal);
    talk.gives(&talk.client.special_folders().await, &SpecialFolders { root: folder(ROOT), special });

    let talk = Talk::new(&[("special-folders", "special-folders.gromox")]);
    let mut special = all_special();
    special.retain(|(name, _)| *name != Special::Notes);
    talk.gives(&talk.client.special_folders().await, &SpecialFolders { root: folder(ROOT), special });
}

fn listed(id: &str, key: &str, parent: &str, name: &str, kind: FolderKind) -> ServerFolder {
    ServerFolder {
        id: folder(id),
        change_key: Some(ChangeKey::new(key)),
        parent: folder(parent),
        name: name.to_owned(),
        kind,
    }
}

#[tokio::test]
async fn folder_changes_of_exchange() {
    let talk = Talk::new(&[
        ("folder-changes", "folder-changes-1.exchange"),
        ("folder-changes-next", "folder-changes-2.exchange"),
    ]);
    let changed = vec![
        listed(INBOX, "AQAAABYAAADn+0p1", ROOT, "Inbox", FolderKind::Mail),
        listed("AAMkADgzAAAAAEPAAA==", "AgAAABYAAADn+0p2", ROOT, "Calendar", FolderKind::Calendar),
        listed("AAMkADgzAAAAAERAAA==", "AwAAABYAAADn+0p3", ROOT, "Contacts", FolderKind::Contacts),
        listed("AAMkADgzAAAAAETAAA==", "BAAAABYAAADn+0p4", ROOT, "Tasks", FolderKind::Tasks),
        listed("AAMkADgzAAAAAEVAAA==", "AQAAABYAAADn+0p5", ROOT, "Notes", FolderKind::Notes),
        listed(PROJECTS, "AQAAABYAAADn+0pC", INBOX, "Projects/2026 & “later”", FolderKind::Mail),
        listed("AAMkADgzAAAb/zIAAA==", "BwAAABYAAADn+0p8", ROOT, "Unread Mail", FolderKind::Internal),
        listed("AAMkADgzAAAb/zMAAA==", "AwAAABYAAADn+0p9", ROOT, "Recipient Cache", FolderKind::Internal),
        listed("AAMkADgzAAAb/zQAAA==", "AQAAABYAAADn+0pA", ROOT, "Quick Step Settings", FolderKind::Internal),
    ];
    let gone = vec![folder("AAMkADgzAAAb/zUAAA=="), folder("AAMkADgzAAAb/zYAAA==")];
    let want =
        FolderChanges { changed, hidden: Vec::new(), gone, state: SyncState::new("H4sIAAAAAAAEAO29B2AcSZYlJi9t+2==") };
    talk.gives(&talk.client.folder_changes(None).await, &want);
}

/// A folder that was deleted and made again in the same round is there; what has no parent is passed over.
#[tokio::test]
async fn folder_changes_of_gromox() {
    let talk = Talk::new(&[("folder-changes-next", "folder-changes.gromox")]);
    let changed = vec![
        listed(PROJECTS, "AQAAAAAAAAAD", INBOX, "Übersicht ", FolderKind::Mail),
        listed("AAMkADgzAAAb/zcAAA==", "AQAAAAAAAAAE", ROOT, "Termine", FolderKind::Calendar),
        listed("AAMkADgzAAAb/zgAAA==", "AQAAAAAAAAAF", ROOT, "Settings", FolderKind::Internal),
    ];
    let want = FolderChanges {
        changed,
        hidden: Vec::new(),
        gone: vec![folder(ARCHIVE)],
        state: SyncState::new("AQAAAAAAAAAYAAAAZ3JvbW94"),
    };
    let since = SyncState::new("H4sIAAAAAAAEAGNgYGcAAotqE9+1==");
    talk.gives(&talk.client.folder_changes(Some(&since)).await, &want);
}

fn activity(id: &str, mark: &str, total: u64) -> Result<FolderActivity, ItemError> {
    Ok(FolderActivity {
        id: folder(id),
        mark: Some(ActivityMark(mark.to_owned())),
        total: Some(total),
        rights: Rights::Write,
    })
}

#[tokio::test]
async fn activity_of_folders() {
    let folders = [INBOX, PROJECTS, ARCHIVE].map(folder);
    let gone = |code: &str, message: &str| {
        Err(ItemError { class: ItemErrorClass::Gone, code: code.to_owned(), message: message.to_owned() })
    };

    let talk = Talk::new(&[("activity", "activity.exchange")]);
    let want = vec![
        activity(INBOX, "2026-11-03T12:00:00Z|17", 1024),
        Ok(FolderActivity { id: folder(PROJECTS), mark: None, total: Some(0), rights: Rights::Write }),
        gone(
            "ErrorItemNotFound",
            "The specified object was not found in the store., The process failed to get the correct properties.",
        ),
    ];
    talk.gives(&talk.client.activity(&folders).await, &want);

    let talk = Talk::new(&[("activity", "activity.gromox")]);
    let want = vec![
        activity(INBOX, "2026-11-03T12:00:00.123456700Z|17", 1024),
        activity(PROJECTS, "2026-11-03T12:00:00.000000100Z|", 0),
        gone("ErrorFolderNotFound", "Failed to get folder properties: folder not found"),
    ];
    talk.gives(&talk.client.activity(&folders).await, &want);
}

/// A name that needs escaping, and holds a character that XML forbids.
const NAME: &str = "Bücher & \"Söhne\" <2026>\u{1}";

#[tokio::test]
async fn create_folder() {
    for answer in ["create-folder.exchange", "create-folder.gromox"] {
        let talk = Talk::new(&[("create-folder", answer)]);
        let made = talk.client.create_folder(&folder(INBOX), NAME, FolderKind::Mail).await;
        talk.gives(&made, &Ok(folder(PROJECTS)));
    }
    let talk = Talk::new(&[("create-folder", "create-folder-exists.exchange")]);
    let message = "A folder with the specified name already exists., Could not create folder.";
    let exists =
        ItemError { class: ItemErrorClass::Exists, code: "ErrorFolderExists".to_owned(), message: message.to_owned() };
    talk.gives(&talk.client.create_folder(&folder(INBOX), NAME, FolderKind::Mail).await, &Err(exists));
}

#[tokio::test]
async fn create_folder_for_events() {
    let talk = Talk::new(&[("create-folder-calendar", "create-folder.exchange")]);
    talk.gives(&talk.client.create_folder(&folder(ROOT), "Team", FolderKind::Calendar).await, &Ok(folder(PROJECTS)));
}

#[tokio::test]
async fn rename_folder() {
    for (look, answer) in [
        ("rename-folder-look.exchange", "rename-folder.exchange"),
        ("rename-folder-look.gromox", "rename-folder.gromox"),
    ] {
        let talk = Talk::new(&[("rename-folder-look", look), ("rename-folder", answer)]);
        talk.gives(&talk.client.rename_folder(&folder(PROJECTS), NAME).await, &Ok(()));
    }
}

#[tokio::test]
async fn move_folder() {
    for answer in ["move-folder.exchange", "move-folder.gromox"] {
        let talk = Talk::new(&[("move-folder", answer)]);
        talk.gives(&talk.client.move_folder(&folder(PROJECTS), &folder(ARCHIVE)).await, &Ok(()));
    }
}

#[tokio::test]
async fn delete_folder() {
    for answer in ["delete-folder.exchange", "delete-folder.gromox"] {
        for (request, disposal) in
            [("delete-folder", Disposal::ToDeletedItems), ("delete-folder-dispose", Disposal::Dispose)]
        {
            let talk = Talk::new(&[(request, answer)]);
            let deleted = talk.client.delete_folder(&folder(PROJECTS), disposal, folder_removal()).await;
            talk.gives(&deleted, &Ok(()));
        }
    }
}

/// The answer was an accident: the folder lies in Deleted Items, so it was deleted, and is not deleted again.
#[tokio::test]
async fn delete_folder_whose_answer_is_lost() {
    let talk = Talk::new(&[
        ("delete-folder", "internal-error.exchange"),
        ("delete-folder-look", "delete-folder-look.exchange"),
        ("deleted-items", "deleted-items.exchange"),
    ]);
    let deleted = talk.client.delete_folder(&folder(PROJECTS), Disposal::ToDeletedItems, folder_removal()).await;
    talk.gives(&deleted, &Ok(()));
    assert!(std::fs::read_to_string(super::path("deleted-items.exchange.xml")).unwrap().contains(BIN));
}

/// What arrived of the name counts: the server never saw the character that XML forbids.
#[tokio::test]
async fn rename_folder_whose_answer_is_lost() {
    let talk = Talk::new(&[
        ("rename-folder-look", "rename-folder-look.exchange"),
        ("rename-folder", "internal-error.exchange"),
        ("rename-folder-check", "rename-folder-check.exchange"),
    ]);
    talk.gives(&talk.client.rename_folder(&folder(PROJECTS), NAME).await, &Ok(()));
}

/// The same for a new folder: a sibling that has its name is the one that was made.
#[tokio::test]
async fn create_folder_whose_answer_is_lost() {
    let talk =
        Talk::new(&[("create-folder", "internal-error.exchange"), ("subfolders-inbox", "subfolders-inbox.exchange")]);
    talk.gives(&talk.client.create_folder(&folder(INBOX), NAME, FolderKind::Mail).await, &Ok(folder(PROJECTS)));

    let talk = Talk::new(&[
        ("create-folder-calendar", "internal-error.exchange"),
        ("subfolders", "subfolders-1.exchange"),
        ("subfolders-next", "subfolders-2.exchange"),
    ]);
    talk.gives(&talk.client.create_folder(&folder(ROOT), "Team", FolderKind::Calendar).await, &Ok(folder(PROJECTS)));

    let talk = Talk::new(&[
        ("create-folder-calendar", "internal-error.gromox"),
        ("subfolders", "subfolders-none.gromox"),
        ("create-folder-calendar", "create-folder.gromox"),
    ]);
    talk.gives(&talk.client.create_folder(&folder(ROOT), "Team", FolderKind::Calendar).await, &Ok(folder(PROJECTS)));
}
