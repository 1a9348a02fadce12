//! The directory: a tree of Maildirs that other programs read and write at the same time.
//!
//! Whoever holds only a [`LocalRead`] cannot change the tree. [`MailTree`] is the one implementation.
//!
//! **Everything can change at any instant**: a mail reader renames a file between its listing and its reading, so "vanished" is
//! an answer here, not an error; a name is never overwritten without a look at what is there; and what we take away is first put
//! aside, looked at once more, and only then removed.
//!
//! **What a listing proves**: only a [`ScanEnd`] that is `complete` and `stable` shows that a message is gone. A folder that is
//! missing in [`LocalTree::folders`] is gone only where no entry of `unreadable`, `blocked` and `unnamed` could be it.
//!
//! **Order of durable writing**: data → rename → directory ([`LocalWrite::deliver`]). Renames and removals are durable after
//! [`LocalWrite::settle`], not before.

pub mod cards;
mod change;
mod conflicts;
mod deliver;
mod dir;
mod disk;
mod error;
pub mod foldername;
mod folders;
mod keywords;
mod keywords_file;
mod leftovers;
mod letters;
mod message_name;
pub mod notice;
pub mod on_my_computer;
pub mod outgoing;
pub(crate) mod platform;
mod remembered;
mod remove_folder;
mod scan;
mod staged;
mod stamp;
mod taken;
#[cfg(test)]
mod tests;
mod tree;
pub mod vdir;

use std::fs::File;
use std::path::PathBuf;

pub use conflicts::find_conflict_copy;
pub use deliver::Delivery;
pub use dir::FolderDir;
pub use error::{LocalError, LocalErrorClass, Problem, ProblemKind};
pub use keywords::Keywords;
pub use letters::Letters;
pub use message_name::{MessageName, Subdir, delivered_at, delivered_key, delivered_mark, id_mark};
pub use remembered::Remembered;
pub use scan::Fingerprint;
pub use staged::{Staged, StagedFile};
pub use stamp::DirStamp;
pub use tree::MailTree;
pub(crate) use tree::{EXCHANGE, OTHER_MAILBOXES, PUBLIC_FOLDERS, is_other_trees};
pub use vdir::{EntryContent, EntryListing, NewEntry, Settled};

use crate::pim::{Categories, Digest, UnixTime};
use crate::plan::proof::{FolderRemoval, MessageRemoval};

/// What makes a directory the same one after it was renamed or moved. A number is used again after its directory is gone, so
/// equal ids are a strong hint, not a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirId {
    /// The file system.
    pub dev: u64,
    /// The directory on it.
    pub ino: u64,
}

/// A folder's directory as it was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFolder {
    /// Where it lies.
    pub dir: FolderDir,
    /// The name that it stands for, decoded.
    pub name: String,
    /// What it is recognised by when it moves.
    pub id: DirId,
    /// Whether it is a Maildir (has `cur` or `new`), or a plain directory that may hold folders.
    pub maildir: bool,
}

/// All folders of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalTree {
    /// The folders, parents before what lies in them; siblings by name. Never the account's directory itself.
    pub folders: Vec<LocalFolder>,
    /// What was not followed, and why.
    pub problems: Vec<Problem>,
    /// Directories, not in `folders`, about which (and about all below) nothing is known: their absence proves nothing.
    pub unreadable: Vec<FolderDir>,
    /// Directories that have no usable name. A folder with such an id was renamed; it is not gone.
    pub unnamed: Vec<DirId>,
    /// Files in places where a folder could lie: such a folder is not there, but nobody took it away either.
    pub blocked: Vec<FolderDir>,
    /// Nothing was added, removed or renamed while the tree was read. If it was, a folder that was on its way from one place to
    /// another may be in neither: no absence is proven.
    pub stable: bool,
}

/// How a listing of a folder ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanEnd {
    /// Both `cur` and `new` are there and were read to their ends.
    pub complete: bool,
    /// Nothing was added, removed or renamed while it was read.
    pub stable: bool,
    /// To be stored, and compared with [`LocalRead::stamp`] next time. `None` where a later change could go unseen: the folder
    /// changed during the listing or within the [two seconds](DirStamp::is_settled) before it.
    pub stamp: Option<DirStamp>,
    /// What was listed.
    pub listed: Fingerprint,
    /// Names under which something else than a file lies: their messages cannot be read, but are not gone.
    pub held: Vec<MessageName>,
    /// What was met that is no message.
    pub problems: Vec<Problem>,
}

impl ScanEnd {
    /// Whether what was not listed (and is not `held`) is not there.
    pub fn proves_absence(&self) -> bool {
        self.complete && self.stable
    }
}

/// What changes when a file's content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// Bytes.
    pub len: u64,
    /// Time of the last change of its content, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Its number on the file system: survives renames, not replacements.
    pub ino: u64,
}

impl FileStat {
    /// The time in whole seconds: by convention, when the message was received.
    pub fn mtime(&self) -> UnixTime {
        UnixTime(self.mtime_ns.div_euclid(1_000_000_000))
    }
}

/// Everything that only reads.
pub trait LocalRead: Send + Sync {
    /// All folders of the account.
    ///
    /// # Errors
    /// [`LocalError::FolderGone`] when the account's own directory is not there: that proves nothing about its folders.
    fn folders(&self) -> Result<LocalTree, LocalError>;

    /// Lists a folder's messages, without a look at the files themselves.
    ///
    /// Hidden files are passed over silently; directories, links, pipes and sockets are reported as problems.
    ///
    /// # Errors
    /// [`LocalError::FolderGone`], [`LocalError::NotMaildir`], or the system's error. What was visited until then proves nothing.
    fn scan(&self, dir: &FolderDir, visit: &mut dyn FnMut(MessageName)) -> Result<ScanEnd, LocalError>;

    /// Changes whenever a message is added, removed or renamed, or a keyword's letter is assigned; three or four `stat`s. Does
    /// *not* change when a file is rewritten in place.
    ///
    /// # Errors
    /// As [`Self::scan`].
    fn stamp(&self, dir: &FolderDir) -> Result<DirStamp, LocalError>;

    /// What tells whether the folder holds the same names as when it was listed, also where its times cannot tell.
    fn fingerprint(&self, dir: &FolderDir) -> Result<Fingerprint, LocalError>;

    /// Which letters stand for which categories in this folder. None at all without a `dovecot-keywords` file.
    fn keywords(&self, dir: &FolderDir) -> Result<Keywords, LocalError>;

    /// The size and time of a message's file; `None` when it vanished.
    fn stat(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<FileStat>, LocalError>;

    /// The hash and length of a message's content; `None` when it vanished.
    ///
    /// # Errors
    /// [`LocalError::NotAFile`] for links, pipes and other things, which are never opened.
    fn digest(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<(Digest, u64)>, LocalError>;

    /// The hash of a message that is asked for again and again, and how its file was found just now; `None` when it vanished.
    ///
    /// # Errors
    /// As [`Self::digest`].
    fn digest_again(&self, dir: &FolderDir, name: &MessageName, _stat: FileStat) -> Result<Option<Digest>, LocalError> {
        Ok(self.digest(dir, name)?.map(|(digest, _)| digest))
    }

    /// Opens a message's file for reading; `None` when it vanished. Errors as [`Self::digest`].
    fn open(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<File>, LocalError>;

    /// Lists a folder's entries: the files whose names end in `extension`, in any case. Hidden files are passed over silently.
    ///
    /// # Errors
    /// [`LocalError::FolderGone`], or the system's error.
    fn list_entries(&self, dir: &FolderDir, extension: &str) -> Result<EntryListing, LocalError>;

    /// The size and time of an entry's file; `None` when it vanished.
    fn stat_entry(&self, dir: &FolderDir, name: &str) -> Result<Option<FileStat>, LocalError>;

    /// Reads an entry. Errors as [`Self::digest`].
    fn read_entry(&self, dir: &FolderDir, name: &str) -> Result<EntryContent, LocalError>;
}

/// What a new folder is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderForm {
    /// A Maildir.
    Maildir,
    /// A plain directory.
    Plain,
}

/// How a rename went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It has the new name.
    Done,
    /// It was not there any more.
    Vanished,
    /// The new name is in use; nothing changed.
    Taken,
}

/// How a removal or replacement went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Removed, or replaced.
    Done,
    /// It was not there any more; nothing changed.
    Vanished,
    /// It is no longer what was expected; nothing changed.
    ChangedMeanwhile,
}

/// How the removal of a folder went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderRemoved {
    /// It is gone.
    Done,
    /// It was not there any more.
    Vanished,
    /// It holds something that is nobody's to remove: a few of the paths. Nothing was removed but what is made again.
    NotEmpty(Vec<PathBuf>),
}

/// What a message must still be for it to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The same file, with the same size and time.
    Stat(FileStat),
    /// The same content.
    Digest(Digest),
}

/// What was found and done about an interrupted run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Unfinished or redundant files that were removed.
    pub removed: u64,
    /// Messages that had been put aside, and are back in their folders.
    pub restored: u64,
    /// What could not be looked at.
    pub problems: Vec<Problem>,
}

/// Everything that changes the tree.
pub trait LocalWrite: LocalRead {
    /// Creates a folder, or completes one that is there; durable. `true_name` is what the directory's name stands for: where it
    /// cannot be decoded back, a file `displayname` in the directory holds it.
    ///
    /// # Errors
    /// [`LocalError::FolderGone`] when the parent is not there; [`LocalError::Taken`] when a file has the name.
    fn create_folder(&self, dir: &FolderDir, form: FolderForm, true_name: &str) -> Result<DirId, LocalError>;

    /// Renames or moves a folder with all below it, and never onto another one; durable.
    fn rename_folder(&self, from: &FolderDir, to: &FolderDir, true_name: &str) -> Result<Moved, LocalError>;

    /// Removes a folder that holds no message and no folder. Files that this or another mail program keeps about the folder and
    /// makes again go with it; anything else makes it stay.
    fn remove_folder(&self, dir: &FolderDir, proof: FolderRemoval) -> Result<FolderRemoved, LocalError>;

    /// Begins a new file in the folder's `tmp`.
    fn stage(&self, dir: &FolderDir) -> Result<Staged, LocalError>;

    /// Gives staged files their names: all data durable first, then the names, then the directories. The answers are in the
    /// order given; a message is there durably when its answer is `Ok`.
    ///
    /// Never overwrites: a name that is taken by a file of equal content counts as delivered, with that file's stat.
    ///
    /// # Errors
    /// For one message [`LocalError::Taken`], [`LocalError::FolderGone`], …; for all when the data could not be made durable:
    /// nothing was delivered then.
    fn deliver(&self, batch: Vec<Delivery>) -> Result<Vec<Result<FileStat, LocalError>>, LocalError>;

    /// Gives a message another name within its folder: its flags, keywords, or `cur` instead of `new`.
    fn rename(&self, dir: &FolderDir, from: &MessageName, to: &MessageName) -> Result<Moved, LocalError>;

    /// Moves a message to another folder.
    fn move_message(
        &self,
        from_dir: &FolderDir,
        from: &MessageName,
        to_dir: &FolderDir,
        to: &MessageName,
    ) -> Result<Moved, LocalError>;

    /// Removes a message that is still what is expected. It is taken aside first, so that an edit in the last instant is seen and
    /// put back.
    fn remove(
        &self,
        dir: &FolderDir,
        name: &MessageName,
        expect: &Expect,
        proof: MessageRemoval,
    ) -> Result<Changed, LocalError>;

    /// Replaces the content of a message that still has the expected content; durable. A reader sees the old content or the new
    /// one; an edit in the last instant is seen and stays.
    fn replace(
        &self,
        dir: &FolderDir,
        name: &MessageName,
        staged: StagedFile,
        expect: Digest,
    ) -> Result<Changed, LocalError>;

    /// Gives each of the categories a letter in this folder, as far as the 26 letters last; durable. Which got none shows in
    /// [`Keywords::letters_for`].
    ///
    /// # Errors
    /// [`LocalError::Busy`] while another program holds `dovecot-keywords.lock`.
    fn assign_keywords(&self, dir: &FolderDir, categories: &Categories) -> Result<Keywords, LocalError>;

    /// Copies a message durably to the local folder *Conflicts*, under a name that says where it is from; where the same copy is
    /// there already, nothing happens. Returns the copy's path below the Database directory; `None` when the message vanished.
    fn keep_conflict_copy(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<PathBuf>, LocalError>;

    /// Writes new entries, each under the name that it would like or, where that is taken, one like it; durable. Returns their names and stats.
    fn create_entries(&self, dir: &FolderDir, entries: Vec<NewEntry>) -> Result<Vec<(String, FileStat)>, LocalError>;

    /// Replaces the content of an entry that still has the expected content; durable. A reader sees the old content or the new one; an edit in
    /// the last instant is seen and stays.
    fn replace_entry(&self, dir: &FolderDir, name: &str, expect: Digest, content: &[u8])
    -> Result<Changed, LocalError>;

    /// Removes an entry that still has the expected content; durable. An edit in the last instant is seen and stays.
    fn remove_entry(
        &self,
        dir: &FolderDir,
        name: &str,
        expect: Digest,
        proof: MessageRemoval,
    ) -> Result<Changed, LocalError>;

    /// Moves an entry to another folder; durable. Returns its name there, another one where its own is taken.
    fn move_entry(&self, from_dir: &FolderDir, name: &str, to_dir: &FolderDir) -> Result<(Moved, String), LocalError>;

    /// Copies an entry durably to the local folder *Conflicts*, as [`Self::keep_conflict_copy`] does a message.
    fn keep_entry_copy(&self, dir: &FolderDir, name: &str) -> Result<Option<PathBuf>, LocalError>;

    /// Makes all renames and removals in these folders durable. Folders that are gone are passed over.
    fn settle(&self, dirs: &[FolderDir]) -> Result<(), LocalError>;

    /// Makes durable whatever other programs have written and moved anywhere in the identity's directory.
    fn settle_all(&self) -> Result<(), LocalError>;

    /// Clears what an interrupted run left in the folders' `tmp`: unfinished files go, messages put aside come back. Only ever
    /// touches our own, and only with the identity's lock held.
    fn clear_stale_tmp(&self) -> Result<Leftovers, LocalError>;
}
