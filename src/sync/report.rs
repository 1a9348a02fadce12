//! What a run did, and what it says while it is at it.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counts of what was done in a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// New messages from the server.
    pub downloaded: u64,
    /// New messages to the server.
    pub uploaded: u64,
    /// Messages whose marks or body were changed here.
    pub changed_here: u64,
    /// Messages whose marks or body were changed on the server.
    pub changed_there: u64,
    /// Messages that followed a move, here.
    pub moved_here: u64,
    /// Messages that followed a move, on the server.
    pub moved_there: u64,
    /// Messages that were deleted here.
    pub deleted_here: u64,
    /// Messages that were deleted on the server.
    pub deleted_there: u64,
    /// Messages that lay on both sides already.
    pub adopted: u64,
    /// Conflict copies that were made.
    pub conflicts: u64,
}

impl Tally {
    /// Whether anything was done.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            downloaded: self.downloaded + other.downloaded,
            uploaded: self.uploaded + other.uploaded,
            changed_here: self.changed_here + other.changed_here,
            changed_there: self.changed_there + other.changed_there,
            moved_here: self.moved_here + other.moved_here,
            moved_there: self.moved_there + other.moved_there,
            deleted_here: self.deleted_here + other.deleted_here,
            deleted_there: self.deleted_there + other.deleted_there,
            adopted: self.adopted + other.adopted,
            conflicts: self.conflicts + other.conflicts,
        }
    }
}

/// Something that a person should know of, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Notice {
    /// The folder, by its path.
    pub folder: String,
    /// What sort it is.
    pub kind: NoticeKind,
    /// Which item, if it is one.
    pub item: Option<String>,
    /// What happened, and what to do.
    pub text: String,
}

/// Sorts of notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// A change was held back.
    Held,
    /// The server does not take a value, and keeps its own; what is here stays, and is not sent again until it changes.
    Refused,
    /// An item was left out of the sync for now.
    Skipped,
    /// Both sides changed the same thing; a copy was kept.
    Conflict,
    /// A folder could not be synchronized.
    FolderFailed,
}

/// One thing that a dry run would do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Planned {
    /// The folder, by its path.
    pub folder: String,
    /// What would be done.
    pub action: Action,
    /// To which item: a file name, a Message-ID, a folder's name.
    pub item: String,
    /// Further words, such as the flags it would have.
    pub detail: String,
}

/// What can be done to an item or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Make a folder here.
    CreateFolderHere,
    /// Rename or move a folder here.
    MoveFolderHere,
    /// Remove a folder here.
    RemoveFolderHere,
    /// Create a folder on the server.
    CreateFolderThere,
    /// Rename or move a folder on the server.
    MoveFolderThere,
    /// Remove a folder on the server.
    RemoveFolderThere,
    /// Download a message.
    Download,
    /// Change a message here.
    ChangeHere,
    /// Move a message here.
    MoveHere,
    /// Delete a message here.
    DeleteHere,
    /// Take note that both sides have it.
    Adopt,
    /// Upload a message.
    Upload,
    /// Change a message on the server.
    ChangeThere,
    /// Move a message on the server.
    MoveThere,
    /// Delete a message on the server.
    DeleteThere,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Per folder, by path, where anything was done.
    pub folders: BTreeMap<String, Tally>,
    /// What a person should know of.
    pub notices: Vec<Notice>,
    /// What a dry run would do.
    pub planned: Vec<Planned>,
    /// How many folders were looked at.
    pub folders_seen: u64,
}

impl Report {
    /// The sum over all folders.
    pub fn total(&self) -> Tally {
        self.folders.values().fold(Tally::default(), |sum, tally| sum.plus(*tally))
    }

    /// Whether everything that was to be done was done.
    pub fn is_clean(&self) -> bool {
        self.notices.is_empty()
    }
}

/// Told while a run goes on, to show progress.
#[derive(Clone, Debug)]
pub enum Progress<'a> {
    /// A folder is begun; the server counts so many items in it that we do not have yet.
    FolderBegun {
        /// Its path.
        folder: &'a str,
        /// Messages to come, as far as the server told.
        expected: u64,
    },
    /// So many bytes of bodies went over the wire.
    Bytes(u64),
    /// So many messages are done.
    Messages(u64),
    /// A folder is done.
    FolderDone {
        /// Its path.
        folder: &'a str,
    },
    /// More uploads are ahead.
    UploadsAhead(u64),
}

/// Watches a run.
pub trait Observer: Send + Sync {
    /// Something went on.
    fn progress(&self, progress: &Progress<'_>);
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn progress(&self, _progress: &Progress<'_>) {}
}
