//! Synchronization as the two servers do it: a client that loses or doubles a change here would do so with real mail.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::client::{Answer, Client};
use pimsync::exchange::{Mailbox, NewMessage, Options, Personality};

fn add(mailbox: &Mailbox, folder: &str, number: usize) -> String {
    let mail = format!("Subject: {number}\r\nMessage-ID: <{number}@x>\r\n\r\nText\r\n");
    mailbox.add_message(folder, NewMessage { mime: mail.as_bytes(), ..NewMessage::default() }).unwrap()
}

fn ids(answer: &Answer) -> Vec<String> {
    answer.all("<t:ItemId Id=\"", "\"")
}

#[test]
fn a_listing_stays_whole_while_the_folder_changes() {
    let client = Client::start(Personality::Exchange);
    let mailbox = client.mailbox();
    let mut all: Vec<String> = (0..30).map(|number| add(&mailbox, "Inbox", number)).collect();
    let mut seen = BTreeSet::new();
    let mut state = String::new();
    let mut round = 0;
    loop {
        let page = client.call(&client.sync("inbox", &state, 7));
        for (kind, id) in page.kinds().iter().zip(ids(&page)) {
            if kind == "Delete" {
                seen.remove(&id)
            } else {
                seen.insert(id)
            };
        }
        state = page.sync_state();
        if page.is_last() && page.kinds().is_empty() {
            break;
        }
        if round < 4 {
            mailbox.delete_item(&all.remove(round * 3)).unwrap();
            mailbox.touch(&all[5 + round]).unwrap();
            all.push(add(&mailbox, "Inbox", 100 + round));
        }
        round += 1;
    }
    let now: BTreeSet<String> = mailbox.items("Inbox").unwrap().into_iter().map(|item| item.id).collect();
    assert_eq!(seen, now);
}

#[test]
fn pages_of_changes_lose_nothing() {
    let client = Client::start(Personality::Exchange);
    let mailbox = client.mailbox();
    let kept = add(&mailbox, "Inbox", 0);
    let start = client.call(&client.sync("inbox", "", 512));
    let new = add(&mailbox, "Inbox", 1);
    let gone = add(&mailbox, "Inbox", 2);
    mailbox.delete_item(&gone).unwrap();
    mailbox.set_categories(&kept, &["a"]).unwrap();
    let page = client.call(&client.sync("inbox", &start.sync_state(), 1));
    assert_eq!((page.kinds(), page.is_last()), (vec!["Create".to_owned()], false));
    mailbox.set_categories(&new, &["b"]).unwrap();
    let page = client.call(&client.sync("inbox", &page.sync_state(), 512));
    // What came since the state is new to the client, however often it changed.
    assert_eq!(page.kinds(), ["Update", "Create"], "{}", page.body);
    assert!(client.call(&client.sync("inbox", &page.sync_state(), 512)).kinds().is_empty());
}

#[test]
fn states_belong_to_their_folder() {
    let client = Client::start(Personality::Exchange);
    add(&client.mailbox(), "Inbox", 0);
    let state = client.call(&client.sync("inbox", "", 512)).sync_state();
    assert_eq!(client.call(&client.sync("drafts", &state, 512)).codes(), ["ErrorInvalidSyncStateData"]);
    assert_eq!(client.call(&client.sync("inbox", "H4sIAAA=", 512)).codes(), ["ErrorInvalidSyncStateData"]);
    let cut = &state[..state.len() - 4];
    assert_eq!(client.call(&client.sync("inbox", cut, 512)).codes(), ["ErrorInvalidSyncStateData"]);

    let gromox = Client::start(Personality::Gromox);
    add(&gromox.mailbox(), "Inbox", 0);
    let silent = gromox.call(&gromox.sync("inbox", "garbage", 512));
    assert_eq!((silent.codes(), silent.kinds()), (vec!["NoError".to_owned()], vec!["Create".to_owned()]));
}

#[test]
fn bodies_are_not_to_be_had_by_synchronizing() {
    let client = Client::start(Personality::Exchange);
    let request = client.sync("inbox", "", 512).replace("item:Subject", "item:Body");
    assert_eq!(client.call(&request).codes(), ["ErrorInvalidPropertyForOperation"]);
    let request = client
        .sync("inbox", "", 512)
        .replace("</t:BaseShape>", "</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent>");
    assert_eq!(client.call(&request).codes(), ["ErrorInvalidPropertyForOperation"]);
}

#[test]
fn the_folder_tree_synchronizes() {
    let client = Client::start(Personality::Exchange);
    let mailbox = client.mailbox();
    let sync = |state: &str, root: bool| {
        let root =
            if root { "<m:SyncFolderId><t:DistinguishedFolderId Id=\"msgfolderroot\"/></m:SyncFolderId>" } else { "" };
        let state = if state.is_empty() { String::new() } else { format!("<m:SyncState>{state}</m:SyncState>") };
        client.call(&format!(
            "<m:SyncFolderHierarchy><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>\
             <t:FieldURI FieldURI=\"folder:DisplayName\"/></t:AdditionalProperties></m:FolderShape>{root}{state}\
             </m:SyncFolderHierarchy>"
        ))
    };
    let first = sync("", true);
    assert!(first.all("<t:DisplayName>", "<").contains(&"Inbox".to_owned()));
    assert_eq!(sync(&first.sync_state(), false).codes(), ["ErrorInvalidSyncStateData"]);
    mailbox.create_folder("Inbox", "New", "IPF.Note").unwrap();
    let gone = mailbox.create_folder("", "Gone", "IPF.Note").unwrap();
    let second = sync(&first.sync_state(), true);
    assert_eq!(second.kinds(), ["Create", "Create"]);
    mailbox.rename_folder("Inbox/New", "Newer").unwrap();
    mailbox.delete_folder(&gone).unwrap();
    add(&mailbox, "Inbox/Newer", 1);
    let third = sync(&second.sync_state(), true);
    assert_eq!(third.kinds(), ["Update", "Delete"], "{}", third.body);
    assert!(sync(&third.sync_state(), true).kinds().is_empty());
}

#[test]
fn gromox_tells_pages_of_deletions_as_the_last() {
    let client = Client::start(Personality::Gromox);
    let mailbox = client.mailbox();
    let all: Vec<String> = (0..25).map(|number| add(&mailbox, "Inbox", number)).collect();
    let mut state = client.call(&client.sync("inbox", "", 512)).sync_state();
    for id in &all[..22] {
        mailbox.delete_item(id).unwrap();
    }
    mailbox.touch(&all[24]).unwrap();
    let mut kinds = Vec::new();
    let first = client.call(&client.sync("inbox", &state, 10));
    assert!(first.is_last());
    assert_eq!(first.kinds().len(), 10);
    loop {
        let page = client.call(&client.sync("inbox", &state, 10));
        if page.kinds().is_empty() {
            break;
        }
        kinds.extend(page.kinds());
        state = page.sync_state();
    }
    assert_eq!(kinds.iter().filter(|kind| *kind == "Delete").count(), 22);
    assert_eq!(kinds.last().map(String::as_str), Some("Update"));
}

#[test]
fn gromox_shows_read_flags_by_who_set_them() {
    let client = Client::start(Personality::Gromox);
    let mailbox = client.mailbox();
    let id = add(&mailbox, "Inbox", 1);
    let state = client.call(&client.sync("inbox", "", 512)).sync_state();
    let update = format!(
        "<m:UpdateItem ConflictResolution=\"NeverOverwrite\"><m:ItemChanges><t:ItemChange><t:ItemId Id=\"{id}\" ChangeKey=\"stale\"/>\
         <t:Updates><t:SetItemField><t:FieldURI FieldURI=\"message:IsRead\"/><t:Message><t:IsRead>true</t:IsRead></t:Message>\
         </t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
    );
    assert_eq!(client.call(&update).codes(), ["NoError"]);
    let over_ews = client.call(&client.sync("inbox", &state, 512));
    assert_eq!(over_ews.kinds(), ["Update"]);
    mailbox.set_read(&id, false).unwrap();
    let elsewhere = client.call(&client.sync("inbox", &over_ews.sync_state(), 512));
    assert_eq!(elsewhere.kinds(), ["ReadFlagChange"]);
}

#[test]
fn gromox_goes_its_own_ways() {
    let client = Client::start(Personality::Gromox);
    let unknown = client.call("<m:GetServerTimeZones ReturnFullTimeZoneData=\"false\"/>");
    assert_eq!(unknown.status, 500);
    assert!(unknown.body.contains("Unknown request"));
    let id = add(&client.mailbox(), "Inbox", 1);
    let moved = |extra: &str, id: &str| {
        client.call(&format!(
            "<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id=\"junkemail\"/></m:ToFolderId><m:ItemIds><t:ItemId Id=\"{id}\"/>\
             </m:ItemIds>{extra}</m:MoveItem>"
        ))
    };
    let new = moved("", &id).item_id();
    assert!(ids(&moved("<m:ReturnNewItemIds>true</m:ReturnNewItemIds>", &new)).is_empty());
    // Last, since such a fault is said twice, and the second time is there for whoever asks next on the connection.
    let broken = client.post("<a><b></a>");
    assert_eq!(broken.status, 200);
    assert!(broken.body.contains("SOAP:Client"));
    assert_eq!(broken.header("content-type"), Some("text/xml"));
}

#[test]
fn a_large_sample_is_quick() {
    let start = Instant::now();
    let client = Client::with(Options { sample_messages: 2000, ..Options::default() });
    assert!(start.elapsed().as_secs() < 60);
    let folders = client.mailbox().folders().unwrap();
    let total =
        |class: &str| -> u64 { folders.iter().filter(|folder| folder.class == class).map(|folder| folder.total).sum() };
    assert_eq!(total("IPF.Note"), 2000);
    let kinds = ["IPF.Appointment", "IPF.Contact", "IPF.Task", "IPF.StickyNote", "IPF.Journal"].map(total);
    assert_eq!(kinds, [89, 9, 7, 4, 1]);
    assert!(folders.iter().any(|folder| folder.path == "Inbox/Projects/Library/Drawings & Plans" && folder.total > 0));
    let start = Instant::now();
    let page = client.call(&client.sync("inbox", "", 512));
    assert_eq!(page.kinds().len(), 512);
    assert!(start.elapsed().as_secs() < 5);
    let again = Client::with(Options { sample_messages: 2000, ..Options::default() });
    let subjects = |client: &Client| {
        client.mailbox().items("Drafts").unwrap().into_iter().map(|item| (item.subject, item.mime)).collect::<Vec<_>>()
    };
    assert_eq!(subjects(&client), subjects(&again));
}

#[test]
fn whatever_happens_between_pages_the_client_ends_with_the_same_items() {
    for like in [Personality::Exchange, Personality::Gromox] {
        let client = Client::start(like);
        let mailbox = client.mailbox();
        let mut chance = 0x2545_F491_4F6C_DD1D_u64;
        let mut below = |limit: usize| {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            usize::try_from(chance % limit as u64).unwrap()
        };
        let mut there: Vec<String> = (0..40).map(|number| add(&mailbox, "Inbox", number)).collect();
        let (mut seen, mut state) = (BTreeSet::new(), String::new());
        for round in 0..60 {
            for _ in 0..below(12) {
                let at = below(there.len().max(1));
                match below(6) {
                    0 | 1 => there.push(add(&mailbox, "Inbox", 1000 + round)),
                    2 if !there.is_empty() => mailbox.delete_item(&there.swap_remove(at)).unwrap(),
                    3 if !there.is_empty() => drop(mailbox.move_item(&there.swap_remove(at), "Drafts").unwrap()),
                    4 if !there.is_empty() => mailbox.touch(&there[at]).unwrap(),
                    _ if !there.is_empty() => mailbox.set_read(&there[at], below(2) == 0).unwrap(),
                    _ => {}
                }
            }
            let page = client.call(&client.sync("inbox", &state, 1 + below(9)));
            state = take(&page, &mut seen);
        }
        loop {
            let page = client.call(&client.sync("inbox", &state, 5));
            state = take(&page, &mut seen);
            if page.is_last() && page.kinds().is_empty() {
                break;
            }
        }
        let now: BTreeSet<String> = there.into_iter().collect();
        assert_eq!(seen, now, "{like:?}");
    }
}

/// Applies a page to what the client knows; answers the next state.
fn take(page: &Answer, seen: &mut BTreeSet<String>) -> String {
    for (kind, id) in page.kinds().iter().zip(ids(page)) {
        match kind.as_str() {
            "Delete" => drop(seen.remove(&id)),
            "Create" => drop(seen.insert(id)),
            kind => assert!(seen.contains(&id), "{kind} of an item that the client never saw"),
        }
    }
    page.sync_state()
}
