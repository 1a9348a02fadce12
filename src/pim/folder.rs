//! Folders as the server tells of them.

use super::{ChangeKey, FolderId};

/// What a folder holds, by its class (EWS.md names are PidTagContainerClass values such as `IPF.Note`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FolderKind {
    /// Messages: `IPF.Note`, its sub-classes, and folders without a class.
    Mail,
    /// Events: `IPF.Appointment`.
    Calendar,
    /// Contacts: `IPF.Contact`.
    Contacts,
    /// Tasks: `IPF.Task`.
    Tasks,
    /// Notes: `IPF.StickyNote`.
    Notes,
    /// Journal entries: `IPF.Journal`.
    Journal,
    /// What only leads to other folders: its own items are not mirrored.
    Branch,
    /// What programs keep for themselves; never mirrored.
    Internal,
}

/// Classes (or starts of classes) of folders that programs keep for themselves.
const INTERNAL_CLASSES: [&str; 12] = [
    "IPF.Configuration",
    "IPF.StoreItem",
    "IPF.Files",
    "IPF.SkypeTeams",
    "IPF.SmsAndChatsSync",
    "Outlook.Reminder",
    "IPF.Contact.RecipientCache",
    "IPF.Contact.MOC",
    "IPF.Contact.GalContacts",
    "IPF.Contact.OrganizationalContacts",
    "IPF.Contact.PeopleCentricConversationBuddies",
    "IPF.Contact.Company",
];

impl FolderKind {
    /// The kind that a folder class stands for. Sub-classes count as their parent: `IPF.Note.OutlookHomepage` is mail.
    pub fn of_class(class: &str) -> Self {
        let is = |parent: &str| {
            class.get(..parent.len()).is_some_and(|head| head.eq_ignore_ascii_case(parent))
                && matches!(class.as_bytes().get(parent.len()), None | Some(b'.'))
        };
        if INTERNAL_CLASSES.iter().any(|internal| is(internal)) {
            return Self::Internal;
        }
        match class {
            "" => Self::Mail,
            _ if is("IPF.Appointment") => Self::Calendar,
            _ if is("IPF.Contact") => Self::Contacts,
            _ if is("IPF.Task") => Self::Tasks,
            _ if is("IPF.StickyNote") => Self::Notes,
            _ if is("IPF.Journal") => Self::Journal,
            _ if is("IPF.Note") || is("IPF") => Self::Mail,
            _ => Self::Internal,
        }
    }

    /// The word for it in `status`, in JSON and in state.db.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Calendar => "calendar",
            Self::Contacts => "contacts",
            Self::Tasks => "tasks",
            Self::Notes => "notes",
            Self::Journal => "journal",
            Self::Branch => "branch",
            Self::Internal => "internal",
        }
    }

    /// The kind with that word.
    pub fn from_word(word: &str) -> Option<Self> {
        let kinds = [Self::Mail, Self::Calendar, Self::Contacts, Self::Tasks, Self::Notes, Self::Journal];
        kinds.into_iter().chain([Self::Branch, Self::Internal]).find(|kind| kind.as_str() == word)
    }
}

/// A folder with a fixed role, found by its distinguished name (MS-OXWSFOLD `DistinguishedFolderIdNameType`).
/// Special folders are never deleted, renamed or moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpecialFolder {
    /// Arriving mail.
    Inbox,
    /// Unfinished mail.
    Drafts,
    /// Copies of sent mail.
    SentItems,
    /// Where deleted items go first.
    DeletedItems,
    /// Mail on its way out.
    Outbox,
    /// Unwanted mail.
    JunkEmail,
    /// The main calendar.
    Calendar,
    /// The main address book.
    Contacts,
    /// The main task list.
    Tasks,
    /// The notes.
    Notes,
    /// The journal.
    Journal,
    /// A public folder that the settings name, or one above it. There can be many, and none of them is in a mailbox.
    Public,
}

impl SpecialFolder {
    /// All that a mailbox can have, one of each.
    pub const ALL: [Self; 11] = [
        Self::Inbox,
        Self::Drafts,
        Self::SentItems,
        Self::DeletedItems,
        Self::Outbox,
        Self::JunkEmail,
        Self::Calendar,
        Self::Contacts,
        Self::Tasks,
        Self::Notes,
        Self::Journal,
    ];

    /// The distinguished name that EWS knows it by; also its word in state.db.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Drafts => "drafts",
            Self::SentItems => "sentitems",
            Self::DeletedItems => "deleteditems",
            Self::Outbox => "outbox",
            Self::JunkEmail => "junkemail",
            Self::Calendar => "calendar",
            Self::Contacts => "contacts",
            Self::Tasks => "tasks",
            Self::Notes => "notes",
            Self::Journal => "journal",
            Self::Public => "public",
        }
    }

    /// The special folder with that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Public]).find(|special| special.as_str() == word)
    }
}

/// The path of a public folder, as the settings name it: names with `/` between, encoded as directories' names are where that is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicPath {
    text: String,
    names: Vec<String>,
}

impl PublicPath {
    /// Takes a path and the true names that it stands for; `None` where there is no name.
    pub fn new(text: impl Into<String>, names: Vec<String>) -> Option<Self> {
        let is_named = !names.is_empty() && names.iter().all(|name| !name.is_empty());
        is_named.then(|| Self { text: text.into(), names })
    }

    /// The path, as it is named.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names from the top down.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// A folder below the root of the mailbox's visible tree (`msgfolderroot`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFolder {
    /// Its id.
    pub id: FolderId,
    /// Its version.
    pub change_key: Option<ChangeKey>,
    /// The folder that it lies in; the root itself is not part of the tree.
    pub parent: FolderId,
    /// The name that people see: any text, also what a file system cannot hold.
    pub name: String,
    /// What it holds. Hidden folders (PidTagAttributeHidden) count as [`FolderKind::Internal`].
    pub kind: FolderKind,
}

/// Changes whenever something in the folder does: PR_LOCAL_COMMIT_TIME_MAX (0x670A), its text verbatim, and
/// PR_DELETED_COUNT_TOTAL (0x670B). Only good for a comparison with an earlier one of the same folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityMark(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_classes_are_of_their_parents_kind() {
        for (class, kind) in [
            ("", FolderKind::Mail),
            ("IPF.Note", FolderKind::Mail),
            ("ipf.note.outlookhomepage", FolderKind::Mail),
            ("IPF", FolderKind::Mail),
            ("IPF.Imap", FolderKind::Mail),
            ("IPF.Appointment.Birthday", FolderKind::Calendar),
            ("IPF.Contact", FolderKind::Contacts),
            ("IPF.Contact.MOC.QuickContacts", FolderKind::Internal),
            ("IPF.Contacts2", FolderKind::Mail),
            ("IPF.Configuration", FolderKind::Internal),
            ("Outlook.Reminder", FolderKind::Internal),
            ("é", FolderKind::Internal),
        ] {
            assert_eq!(FolderKind::of_class(class), kind, "{class}");
        }
    }
}
