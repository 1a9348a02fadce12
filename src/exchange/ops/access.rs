//! What somebody may do in folders that are not their own.
//!
//! A request is about one mailbox: the first that an id in it names. Archives are mailboxes of their own, each with its owner. In one's own everything is allowed; in others what a [`Role`] says
//! (MS-OXWSCDATA `PermissionLevelType`). What may not be seen is not there.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;

use super::super::props::PropertyName;
use super::super::soap::Refusal;
use super::super::store::{self, FolderRow, Item, MailboxRow};
use super::super::xml::Element;
use super::super::{Role, ids};
use super::Context;

/// PidTagReplicaList.
const REPLICA_LIST: u16 = 0x6698;

/// Who asks, and what they may do in the mailbox that the request is about.
#[derive(Debug, Default)]
pub(in super::super) struct Access {
    /// None in one's own mailbox.
    roles: Option<HashMap<i64, Role>>,
    /// Whether it is the public folders.
    public: bool,
    /// The mailbox that the client wants to be led to (X-PublicFolderMailbox).
    route: Option<String>,
}

/// What is to be done in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    See,
    Read,
    Create,
    Edit,
    Delete,
    /// To make folders in it.
    CreateFolder,
    /// To change the folder itself.
    Own,
}

impl Role {
    fn may(self, right: Right) -> bool {
        match self {
            Role::Owner => true,
            Role::Editor => !matches!(right, Right::Own | Right::CreateFolder),
            Role::Poster => matches!(right, Right::See | Right::Read | Right::Create),
            Role::Reviewer => matches!(right, Right::See | Right::Read),
            Role::Visitor => right == Right::See,
            Role::Nobody => false,
        }
    }
}

/// The mailbox that a request is about, and what may be done in it.
pub(in super::super) fn addressed(
    db: &Connection,
    request: &Element,
    user: &MailboxRow,
    route: Option<&str>,
) -> Result<(MailboxRow, Access), Refusal> {
    let mailbox = match mailbox_in(db, request, user)? {
        Some(mailbox) if mailbox.address == store::archive_of(&user.address) => {
            return Ok((mailbox, Access::default()));
        }
        Some(mailbox) if mailbox.id != user.id => mailbox,
        _ => return Ok((user.clone(), Access::default())),
    };
    let public = mailbox.address == store::PUBLIC;
    let roles = Some(store::roles_of(db, mailbox.id, &user.address)?);
    Ok((mailbox, Access { roles, public, route: route.map(str::to_owned) }))
}

fn mailbox_in(db: &Connection, element: &Element, user: &MailboxRow) -> Result<Option<MailboxRow>, Refusal> {
    if element.name == "DistinguishedFolderId" {
        if element.attribute("Id") == Some("publicfoldersroot") {
            return Ok(store::mailbox(db, store::PUBLIC)?);
        }
        let named = element.child("Mailbox").and_then(|mailbox| mailbox.child_text("EmailAddress"));
        if is_of_archive(element) {
            return Ok(store::mailbox(db, &store::archive_of(named.unwrap_or(&user.address)))?);
        }
        if let Some(address) = named {
            // One that there is not is refused in its slot.
            return Ok(store::mailbox(db, address)?.filter(|mailbox| mailbox.address != store::PUBLIC));
        }
    }
    for name in ["Id", "RecurringMasterId", "OccurrenceId"] {
        if let Some(guid) = element.attribute(name).and_then(ids::guid_of) {
            return Ok(store::mailbox_with_guid(db, &guid)?);
        }
    }
    for child in &element.children {
        if let Some(found) = mailbox_in(db, child, user)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whether a distinguished folder is one of an archive.
pub(super) fn is_of_archive(id: &Element) -> bool {
    id.attribute("Id").is_some_and(|name| name.starts_with("archive"))
}

impl Context<'_> {
    pub(super) fn is_public(&self) -> bool {
        self.access.public
    }

    pub(super) fn is_own(&self) -> bool {
        self.access.roles.is_none()
    }

    /// What the one who asks is in a folder.
    pub(super) fn role(&self, folder: i64) -> Role {
        let Some(roles) = &self.access.roles else { return Role::Owner };
        let default = if self.access.public { Role::Editor } else { Role::Nobody };
        roles.get(&folder).or_else(|| roles.get(&store::ALL_FOLDERS)).copied().unwrap_or(default)
    }

    pub(super) fn may(&self, folder: i64, right: Right) -> Result<(), Refusal> {
        let role = self.role(folder);
        match () {
            () if role.may(right) => Ok(()),
            () if !role.may(Right::See) => Err(Refusal::new("ErrorItemNotFound")),
            () if right == Right::Create => Err(Refusal::new("ErrorCreateItemAccessDenied")),
            () if right == Right::CreateFolder => Err(Refusal::new("ErrorCreateSubfolderAccessDenied")),
            () => Err(Refusal::new("ErrorAccessDenied")),
        }
    }

    /// Checks what an operation does to a folder that an id of it names.
    pub(super) fn check_folder(&self, folder: &FolderRow) -> Result<(), Refusal> {
        let right = match self.operation {
            "FindItem" | "SyncFolderItems" => Right::Read,
            "UpdateFolder" | "DeleteFolder" | "MoveFolder" | "EmptyFolder" => Right::Own,
            _ => Right::See,
        };
        self.may(folder.id, right)?;
        self.check_route(folder, right)
    }

    /// Checks what an operation does to the folder that an element of this name holds.
    pub(super) fn check_target(&self, folder: &FolderRow, element: &str) -> Result<(), Refusal> {
        let right = match (self.operation, element) {
            ("CreateFolder" | "MoveFolder", _) => Right::CreateFolder,
            (_, "SavedItemFolderId" | "ToFolderId") => Right::Create,
            _ => return Ok(()),
        };
        self.may(folder.id, right)?;
        self.check_route(folder, right)
    }

    /// Checks what an operation does to an item.
    pub(super) fn check_item(&self, db: &Connection, item: &Item) -> Result<(), Refusal> {
        let right = match self.operation {
            "UpdateItem" | "CreateAttachment" | "DeleteAttachment" | "MarkAllItemsAsRead" => Right::Edit,
            "DeleteItem" | "MoveItem" => Right::Delete,
            _ => Right::Read,
        };
        self.may(item.folder, right)?;
        match self.access.public {
            true => match store::folder(db, self.mailbox.id, item.folder)? {
                Some(folder) => self.check_route(&folder, right),
                None => Err(Refusal::new("ErrorItemNotFound")),
            },
            false => Ok(()),
        }
    }

    /// What a public folder holds lies in a mailbox of its own, and a request that is not led there finds nothing. (Exchange may lead it on, or have
    /// another error; the one that would do most harm is given.)
    fn check_route(&self, folder: &FolderRow, right: Right) -> Result<(), Refusal> {
        if !self.access.public || self.is_gromox() || matches!(right, Right::See | Right::CreateFolder | Right::Own) {
            return Ok(());
        }
        let wanted = self.access.route.as_deref().and_then(|route| route.split('@').next());
        match wanted == Some(&*self.replica(folder)) {
            true => Ok(()),
            false => Err(Refusal::new("ErrorItemNotFound")),
        }
    }

    /// The mailbox that holds what is in a public folder.
    fn replica(&self, folder: &FolderRow) -> String {
        let own = folder.extended.iter().find(|property| property.name == PropertyName::Tag(REPLICA_LIST.into()));
        own.and_then(|property| property.values.first().cloned()).unwrap_or_else(|| self.mailbox.guid.clone())
    }

    /// PidTagReplicaList of a public folder; gromox has none.
    pub(super) fn replica_list(&self, folder: &FolderRow, tag: Option<u32>) -> Option<String> {
        let is_asked = self.access.public && !self.is_gromox() && tag == Some(REPLICA_LIST.into());
        is_asked.then(|| STANDARD.encode(format!("{}\0", self.replica(folder))))
    }

    /// `<t:EffectiveRights>` of a folder.
    pub(super) fn rights_xml(&self, folder: &FolderRow) -> String {
        let role = self.role(folder.id);
        let word = |right| if role.may(right) { "true" } else { "false" };
        format!(
            "<t:EffectiveRights><t:CreateAssociated>{own}</t:CreateAssociated><t:CreateContents>{create}</t:CreateContents>\
             <t:CreateHierarchy>{folders}</t:CreateHierarchy><t:Delete>{own}</t:Delete><t:Modify>{own}</t:Modify>\
             <t:Read>{read}</t:Read><t:ViewPrivateItems>{own}</t:ViewPrivateItems></t:EffectiveRights>",
            own = word(Right::Own),
            create = word(Right::Create),
            folders = word(Right::CreateFolder),
            read = word(Right::Read),
        )
    }
}
