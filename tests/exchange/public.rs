//! Public folders and rights, as a client sees them.

use crate::client::Client;
use pimsync::exchange::{NewMessage, Personality, Role};

const ROOT: &str = "<t:DistinguishedFolderId Id=\"publicfoldersroot\"/>";
const OTHER: &str = "demo@example.org";

fn find_folders(traversal: &str) -> String {
    format!(
        "<m:FindFolder Traversal=\"{traversal}\"><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>\
         <t:FieldURI FieldURI=\"folder:DisplayName\"/><t:FieldURI FieldURI=\"folder:EffectiveRights\"/>\
         <t:ExtendedFieldURI PropertyTag=\"0x6698\" PropertyType=\"Binary\"/></t:AdditionalProperties></m:FolderShape>\
         <m:ParentFolderIds>{ROOT}</m:ParentFolderIds></m:FindFolder>"
    )
}

fn find_items(folder: &str) -> String {
    format!(
        "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>\
         <m:ParentFolderIds><t:FolderId Id=\"{folder}\"/></m:ParentFolderIds></m:FindItem>"
    )
}

fn sync_items(folder: &str) -> String {
    format!(
        "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:SyncFolderId>\
         <t:FolderId Id=\"{folder}\"/></m:SyncFolderId><m:MaxChangesReturned>10</m:MaxChangesReturned></m:SyncFolderItems>"
    )
}

#[test]
fn exchange_tells_no_changes_of_them_and_gromox_does() {
    for like in [Personality::Exchange, Personality::Gromox] {
        let client = Client::start(like);
        let public = client.server.public_folders().unwrap();
        let team = public.create_folder("", "Team", "IPF.Note").unwrap();
        public.add_message("Team", NewMessage { mime: b"Subject: x\r\n\r\nx\r\n", ..NewMessage::default() }).unwrap();
        let found = client.call(&find_folders("Shallow"));
        assert!(found.body.contains("<t:DisplayName>Team</t:DisplayName>"), "{}", found.body);
        assert!(found.body.contains("<t:CreateContents>true</t:CreateContents>"));
        let changes = client.call(&sync_items(&team)).codes();
        let hierarchy = client.call(
            "<m:SyncFolderHierarchy><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:SyncFolderId>\
             <t:DistinguishedFolderId Id=\"publicfoldersroot\"/></m:SyncFolderId></m:SyncFolderHierarchy>",
        );
        match like {
            Personality::Exchange => {
                assert_eq!(changes, ["ErrorPublicFolderSyncException"]);
                assert_eq!(hierarchy.codes(), ["ErrorPublicFolderSyncException"]);
                assert_ne!(client.call(&find_folders("Deep")).codes(), ["NoError"]);
                assert!(found.body.contains("0x6698"), "each tells where its content lies");
                // Nobody led this request there.
                assert_eq!(client.call(&find_items(&team)).codes(), ["ErrorItemNotFound"]);
            }
            Personality::Gromox => {
                assert_eq!((changes, hierarchy.codes()), (vec!["NoError".to_owned()], vec!["NoError".to_owned()]));
                assert!(client.call(&find_items(&team)).body.contains("TotalItemsInView=\"1\""));
            }
        }
    }
}

#[test]
fn rights_are_what_a_role_says() {
    // gromox asks nobody where a request is led to, so that rights alone decide.
    let client = Client::start(Personality::Gromox);
    let public = client.server.public_folders().unwrap();
    let team = public.create_folder("", "Team", "IPF.Note").unwrap();
    let message = NewMessage { mime: b"Subject: x\r\n\r\nx\r\n", ..NewMessage::default() };
    let id = public.add_message("Team", message).unwrap();
    let create = format!(
        "<m:CreateItem MessageDisposition=\"SaveOnly\"><m:SavedItemFolderId><t:FolderId Id=\"{team}\"/></m:SavedItemFolderId>\
         <m:Items><t:Message><t:Subject>new</t:Subject></t:Message></m:Items></m:CreateItem>"
    );
    let update = format!(
        "<m:UpdateItem MessageDisposition=\"SaveOnly\" ConflictResolution=\"AutoResolve\"><m:ItemChanges><t:ItemChange>\
         <t:ItemId Id=\"{id}\"/><t:Updates><t:SetItemField><t:FieldURI FieldURI=\"item:Subject\"/><t:Message>\
         <t:Subject>other</t:Subject></t:Message></t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
    );
    let delete = format!(
        "<m:DeleteItem DeleteType=\"HardDelete\"><m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:DeleteItem>"
    );
    let read = client.get_item(&id, "");
    let (ok, denied, gone) = ("NoError", "ErrorAccessDenied", "ErrorItemNotFound");
    let table = [
        (Role::Nobody, [gone, gone, "ErrorFolderNotFound", gone, gone]),
        (Role::Visitor, [denied, denied, "ErrorCreateItemAccessDenied", denied, denied]),
        (Role::Reviewer, [ok, ok, "ErrorCreateItemAccessDenied", denied, denied]),
        (Role::Poster, [ok, ok, ok, denied, denied]),
        (Role::Editor, [ok, ok, ok, ok, ok]),
    ];
    for (role, expected) in table {
        public.set_role("Team", Some(OTHER), role).unwrap();
        let asked = [&find_items(&team), &read, &create, &update, &delete];
        let codes: Vec<String> = asked.iter().flat_map(|request| client.call(request).codes()).collect();
        assert_eq!(codes, expected, "{role:?}");
        let shown = client.call(&find_folders("Shallow")).body.contains("Team");
        assert_eq!(shown, role != Role::Nobody, "{role:?}");
    }
}

#[test]
fn the_sample_has_some() {
    let client = Client::with(pimsync::exchange::Options { sample_messages: 5, ..Default::default() });
    let public = client.server.public_folders().unwrap();
    let of = |path: &str| public.items(path).unwrap().len();
    assert_eq!(
        (of("Harbour Office/Announcements"), of("Harbour Office/Tides"), of("Harbour Office/Suppliers")),
        (6, 3, 2)
    );
}
