//! What the engine asks of a server, whatever it speaks: one trait to read, one to hear what happens, one to write, one to send mail.
//!
//! Whoever holds only a [`RemoteRead`] cannot change the mailbox. The back end is `ews`; a second one must pass the same
//! contract suite (`tests/remote/contract`).

pub mod auth;
pub mod error;
pub mod ews;
mod listen;
pub mod reach;
mod send;
mod tls;

use std::future::Future;
use std::io;

pub use error::{ItemError, ItemErrorClass, RemoteError};
pub use listen::{Heard, RemoteListen, Silence, Subscription, Telling};
pub use send::{Letter, RemoteSend, Whereabouts};

use crate::pim::{
    ActivityMark, CategoryList, ChangeKey, Entry, EntryKind, FolderId, FolderKind, ItemId, ServerEntry, ServerFolder,
    ServerMarks, ServerMessage, SpecialFolder, SyncState, Tag, Text, UnixTime,
};
use crate::plan::proof::{FolderRemoval, MessageRemoval};

/// The answer for one item of a batch.
pub type PerItem<T> = Result<T, ItemError>;

/// What changed in the tree of folders since a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderChanges {
    /// New or changed folders, parents not necessarily first.
    pub changed: Vec<ServerFolder>,
    /// Folders that are gone.
    pub gone: Vec<FolderId>,
    /// Folders that the settings name and the server does not show, or not to us.
    pub hidden: Vec<HiddenFolder>,
    /// From here on next time.
    pub state: SyncState,
}

/// A folder that the settings name and that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HiddenFolder {
    /// Its path, as it is named.
    pub path: String,
    /// Why it cannot be had, and what to do.
    pub reason: String,
}

/// What a back end can tell and keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// What it means that a known folder is not in the tree that [`RemoteRead::folder_changes`] tells.
    pub absence: Absence,
    /// Whether there is a master list of categories.
    pub category_list: bool,
}

impl Default for Capabilities {
    /// A mailbox.
    fn default() -> Self {
        Self { absence: Absence::Gone, category_list: true }
    }
}

/// What it means that a folder is in no complete listing of folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// It is gone.
    Gone,
    /// It may be out of our sight: only what the server says to be gone is.
    Doubtful,
    /// It is out of our sight, or somebody gave it another name: nothing follows from it.
    Hidden,
}

/// A change to an item of one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemChange {
    /// The item is new or something about it changed; the two are not told apart, since servers mix them up. Boxed: it is large.
    Present(Box<ServerMessage>),
    /// Only the read state changed; the change key is not told.
    Read {
        /// The item.
        id: ItemId,
        /// Whether it is read now.
        read: bool,
    },
    /// The item is no longer in this folder: deleted, or moved away.
    Gone(ItemId),
}

/// One page of a folder's changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangePage {
    /// The changes, in the server's order.
    pub changes: Vec<ItemChange>,
    /// Where the next page begins.
    pub state: SyncState,
    /// What the page belongs to.
    pub reach: Reach,
}

/// What a page of a folder's changes belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A list of changes, and whether the server says that nothing follows. Some say so too early: a page with changes is always worth one
    /// more call. Its state is good for later, once every change of the page is durable.
    Changes {
        /// Whether nothing follows.
        last: bool,
    },
    /// A listing of all that is there, which goes on. Its state leads to the next page and nowhere else: it is not stored.
    Part,
    /// The end of such a listing, in which everything was told. Its state says that the folder was listed, and is good for nothing else.
    Whole(WholeListing),
}

/// Shows that a listing, page by page, told of as many items as the folder holds, and that this number did not change meanwhile. Only what made
/// the listing can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeListing(());

impl WholeListing {
    /// Where a listing told of `told` different items of a folder that held `before` when it began and `after` at its end.
    pub fn of(told: u64, before: u64, after: u64) -> Option<Self> {
        (told == before && before == after).then_some(Self(()))
    }
}

impl ChangePage {
    /// Whether the server says that nothing follows.
    pub fn is_last(&self) -> bool {
        !matches!(self.reach, Reach::Changes { last: false } | Reach::Part)
    }

    /// Whether certainly nothing follows.
    pub fn is_whole(&self) -> bool {
        matches!(self.reach, Reach::Whole(_))
    }

    /// The state, where it may be stored.
    pub fn lasting_state(&self) -> Option<&SyncState> {
        match self.reach {
            Reach::Changes { .. } | Reach::Whole(_) => Some(&self.state),
            Reach::Part => None,
        }
    }
}

/// Takes the bodies of messages as they come in, piece by piece.
///
/// A slot can begin again after a lost connection: what came for it before is void then.
pub trait BodySink: Send {
    /// The body of the message in that slot of the request begins.
    fn begin(&mut self, slot: usize) -> io::Result<()>;
    /// The next bytes of the body that began last.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// Gives the body of a message to be uploaded. Opened anew for each try, so it can be read more than once.
pub trait BodySource: Send + Sync {
    /// Opens the body at its start. RFC 5322 bytes with LF or CRLF line ends as they lie on disk.
    fn open(&self) -> io::Result<Box<dyn io::Read + Send>>;
}

/// A message body was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// As the server renders it.
    Rendered,
    /// The server could not render it: headers and text were put together from its properties.
    Rebuilt,
}

/// What a folder says without being listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderActivity {
    /// The folder.
    pub id: FolderId,
    /// Its mark; `None` where the server has none to give.
    pub mark: Option<ActivityMark>,
    /// How many items it says it holds.
    pub total: Option<u64>,
    /// What may be done in it.
    pub rights: Rights,
}

/// What may be done in a folder (MS-OXWSCDATA `EffectiveRights`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rights {
    /// Something besides reading. Whether a certain item may be changed shows when that is tried.
    #[default]
    Write,
    /// Nothing but reading.
    ReadOnly,
}

/// A message to be created.
pub struct Upload<'a> {
    /// Left on the message, so that it is found if the answer is lost.
    pub tag: Tag,
    /// Its flags and categories, and whether it is a draft.
    pub marks: ServerMarks,
    /// When it was received.
    pub received: UnixTime,
    /// Its body.
    pub body: &'a dyn BodySource,
}

/// What the server says of an item that was just created or moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its id from now on.
    pub id: ItemId,
    /// Its version.
    pub change_key: ChangeKey,
}

/// A change to a message's flags and categories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkUpdate {
    /// The message.
    pub id: ItemId,
    /// The version that the change is based on: another one is a conflict.
    pub change_key: ChangeKey,
    /// What the server says now, as far as we know.
    pub from: ServerMarks,
    /// What it shall say. Only what differs from `from` is sent.
    pub to: ServerMarks,
}

/// An entry to be created.
#[derive(Clone, Copy, Debug)]
pub struct EntryUpload<'a> {
    /// Left on the entry, so that it is found if the answer is lost.
    pub tag: &'a Tag,
    /// What it says.
    pub entry: &'a Entry,
    /// What its file says besides.
    pub extra: Option<&'a Text>,
}

/// A change to what an entry says.
#[derive(Clone, Copy, Debug)]
pub struct EntryUpdate<'a> {
    /// The entry.
    pub id: &'a ItemId,
    /// The version that the change is based on: another one is a conflict.
    pub change_key: &'a ChangeKey,
    /// What the server says now, as far as we know.
    pub from: &'a Entry,
    /// What it shall say. Only the fields that differ from `from` are sent.
    pub to: &'a Entry,
    /// What its file says besides, where that is to be replaced; empty text removes it.
    pub extra: Option<&'a Text>,
}

/// A message to be deleted or moved; its version is compared just before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The message.
    pub id: ItemId,
    /// The version it must still have.
    pub change_key: ChangeKey,
}

/// Where a deleted message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposal {
    /// Into Deleted Items, where its owner can take it back.
    ToDeletedItems,
    /// Out of the mailbox's folders: what deleting it from Deleted Items means (`SoftDelete`, still recoverable for an administrator's while).
    Dispose,
}

/// Everything that only reads.
pub trait RemoteRead: Send + Sync {
    /// What can be told and kept here.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// The special folders that the mailbox has, and the root of its visible tree, in one request. Also the cheapest proof that the
    /// sign-in works.
    fn special_folders(&self) -> impl Future<Output = Result<SpecialFolders, RemoteError>> + Send;

    /// What changed in the tree below the root since `since`; the whole tree without it. All pages together.
    ///
    /// # Errors
    /// [`RemoteError::StateInvalid`] when the server no longer knows the state: ask again without.
    fn folder_changes(
        &self,
        since: Option<&SyncState>,
    ) -> impl Future<Output = Result<FolderChanges, RemoteError>> + Send;

    /// The activity of many folders, in few requests; in the order asked. A folder that cannot be read has its own error.
    fn activity(
        &self,
        folders: &[FolderId],
    ) -> impl Future<Output = Result<Vec<PerItem<FolderActivity>>, RemoteError>> + Send;

    /// One page of a folder's changes since `since`; from the beginning without it. `max` is 1 to 512. Where the server tells no changes, each
    /// round is a listing of all that is there ([`Reach::Part`]).
    ///
    /// # Errors
    /// [`RemoteError::StateInvalid`], [`RemoteError::FolderGone`].
    fn item_changes(
        &self,
        folder: &FolderId,
        since: Option<&SyncState>,
        max: u16,
    ) -> impl Future<Output = Result<ChangePage, RemoteError>> + Send;

    /// How these messages are now, in the order asked; [`ItemErrorClass::Gone`] for those that are not there.
    fn messages(&self, ids: &[ItemId])
    -> impl Future<Output = Result<Vec<PerItem<ServerMessage>>, RemoteError>> + Send;

    /// What these items are called, whatever they are.
    fn subjects(&self, ids: &[ItemId]) -> impl Future<Output = Result<Vec<PerItem<String>>, RemoteError>> + Send;

    /// Fetches bodies into `sink`, in one request or few; `sizes` are what the listing said, to cut batches by. Returns per slot
    /// how it went; a slot with an error may have begun, and what it wrote is void.
    fn bodies(
        &self,
        items: &[(ItemId, u64)],
        sink: &mut dyn BodySink,
    ) -> impl Future<Output = Result<Vec<PerItem<Fetched>>, RemoteError>> + Send;

    /// What these items say that a folder of that kind holds, in the order asked; [`ItemErrorClass::Gone`] for those that are not there.
    ///
    /// What is of another class than entries of that kind (a distribution list among contacts) is an error of class
    /// [`ItemErrorClass::Permanent`] with the code `OtherClass`. What cannot be said here without guessing, such as a series in a zone that
    /// nobody knows, is [`ItemErrorClass::Unrenderable`].
    fn entries(
        &self,
        kind: EntryKind,
        ids: &[ItemId],
    ) -> impl Future<Output = Result<Vec<PerItem<ServerEntry>>, RemoteError>> + Send
    where
        Self: Sync,
    {
        async move {
            let mut entries = Vec::new();
            while let Some(rest) = ids.get(entries.len()..).filter(|rest| !rest.is_empty()) {
                entries.extend(self.first_entries(kind, rest).await?);
            }
            Ok(entries)
        }
    }

    /// The same, of entries that are expected to say this by now: it can take fewer requests.
    fn entries_like(
        &self,
        kind: EntryKind,
        expected: &[(ItemId, &Entry)],
    ) -> impl Future<Output = Result<Vec<PerItem<ServerEntry>>, RemoteError>> + Send
    where
        Self: Sync,
    {
        let ids: Vec<ItemId> = expected.iter().map(|(id, _)| id.clone()).collect();
        async move { self.entries(kind, &ids).await }
    }

    /// The same for the first of these, at least one: how many are held at once is bounded where large files belong to them.
    fn first_entries(
        &self,
        kind: EntryKind,
        ids: &[ItemId],
    ) -> impl Future<Output = Result<Vec<PerItem<ServerEntry>>, RemoteError>> + Send;

    /// The messages in a folder that carry one of the tags.
    fn find_tagged(
        &self,
        folder: &FolderId,
        tags: &[Tag],
    ) -> impl Future<Output = Result<Vec<ServerMessage>, RemoteError>> + Send;

    /// The distribution lists that a name, or the beginning of one, or an address could mean: those of the directory, and personal ones among the
    /// owner's contacts. None where nobody has such a name.
    fn find_lists(&self, name: &str) -> impl Future<Output = Result<Vec<FoundList>, RemoteError>> + Send;

    /// Who is in a distribution list. Lists within it are members, and are not opened.
    ///
    /// # Errors
    /// An [`ItemError`] where there is no such list.
    fn list_members(&self, list: &ListId) -> impl Future<Output = Result<PerItem<ListMembers>, RemoteError>> + Send;

    /// The mailbox's master list of categories; `None` where it has none yet.
    ///
    /// # Errors
    /// An [`ItemError`] where the server keeps no such lists, or keeps something else in its place.
    fn category_list(&self) -> impl Future<Output = Result<PerItem<Option<CategoryList>>, RemoteError>> + Send;
}

/// What a distribution list is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListId {
    /// The address of a list of the directory.
    Directory(String),
    /// A list in the owner's mailbox.
    Personal(ItemId),
}

/// A distribution list that a name could mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundList {
    /// Its name as it is shown.
    pub name: String,
    /// What it is known by.
    pub id: ListId,
}

/// Somebody in a distribution list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListMember {
    /// The name; may be empty.
    pub name: String,
    /// The address of mail; `None` where the server tells another sort of address, or none at all.
    pub address: Option<String>,
    /// The personal list that it is. A list of the directory is reached by its address.
    pub list: Option<ItemId>,
}

/// The members of a distribution list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListMembers {
    /// The members in the server's order.
    pub members: Vec<ListMember>,
    /// Whether these are all.
    pub complete: bool,
}

/// The mailbox's special folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecialFolders {
    /// The root of the visible tree (`msgfolderroot`).
    pub root: FolderId,
    /// The ones that it has.
    pub special: Vec<(SpecialFolder, FolderId)>,
}

/// Everything that changes the mailbox.
pub trait RemoteWrite: RemoteRead {
    /// Creates a folder.
    ///
    /// # Errors
    /// An [`ItemError`] of class [`ItemErrorClass::Exists`] when a sibling has the name.
    fn create_folder(
        &self,
        parent: &FolderId,
        name: &str,
        kind: FolderKind,
    ) -> impl Future<Output = Result<PerItem<FolderId>, RemoteError>> + Send;

    /// Renames a folder.
    fn rename_folder(
        &self,
        folder: &FolderId,
        name: &str,
    ) -> impl Future<Output = Result<PerItem<()>, RemoteError>> + Send;

    /// Moves a folder, with all below it, under another parent.
    fn move_folder(
        &self,
        folder: &FolderId,
        parent: &FolderId,
    ) -> impl Future<Output = Result<PerItem<()>, RemoteError>> + Send;

    /// Deletes a folder with all below it.
    fn delete_folder(
        &self,
        folder: &FolderId,
        disposal: Disposal,
        proof: FolderRemoval,
    ) -> impl Future<Output = Result<PerItem<()>, RemoteError>> + Send;

    /// Creates messages in a folder, in the order given. Never sent twice: when the answer is lost, the tags are looked for, and what
    /// is there counts as created. A message whose fate stays unknown has an error of class [`ItemErrorClass::Unknown`].
    fn create_messages(
        &self,
        folder: &FolderId,
        uploads: &[Upload<'_>],
    ) -> impl Future<Output = Result<Vec<PerItem<Placed>>, RemoteError>> + Send;

    /// Creates entries in a folder, in the order given. Never sent twice, as with [`Self::create_messages`]. One of which a part could not
    /// be created after it (a picture, an exception) counts as created: [`RemoteRead::entries`] tells what is missing.
    fn create_entries(
        &self,
        folder: &FolderId,
        uploads: &[EntryUpload<'_>],
    ) -> impl Future<Output = Result<Vec<PerItem<Placed>>, RemoteError>> + Send;

    /// Changes what entries say; returns the new versions. A version that is no longer current is an error of class
    /// [`ItemErrorClass::Conflict`], also on servers that would overwrite. Nobody is mailed, unless the back end was set up so. In a meeting of
    /// somebody else the owner's own answer is given, and a declined one is gone then. What the server then says is for
    /// [`RemoteRead::entries`] to tell: it may keep its own value of a field, or change others along.
    ///
    /// An occurrence that was deleted or different cannot be made as ever again where the server has no operation for it: an error of class
    /// [`ItemErrorClass::Permanent`] with the code `CannotRestoreOccurrence`, and nothing was sent.
    fn update_entries(
        &self,
        updates: &[EntryUpdate<'_>],
    ) -> impl Future<Output = Result<Vec<PerItem<ChangeKey>>, RemoteError>> + Send;

    /// Changes flags and categories; returns the new versions. A version that is no longer current is an error of class
    /// [`ItemErrorClass::Conflict`], also on servers that would overwrite.
    fn update_marks(
        &self,
        updates: &[MarkUpdate],
    ) -> impl Future<Output = Result<Vec<PerItem<ChangeKey>>, RemoteError>> + Send;

    /// Makes the master list of categories say `to`, whatever else it says of them. Where it no longer says `from` (`None`: there is none),
    /// nothing is written, and the error is of class [`ItemErrorClass::Conflict`]. Returns what it then says: a server may keep its own.
    fn update_category_list(
        &self,
        from: Option<&CategoryList>,
        to: &CategoryList,
    ) -> impl Future<Output = Result<PerItem<CategoryList>, RemoteError>> + Send;

    /// Replaces the body of a draft.
    fn replace_draft(
        &self,
        item: &Versioned,
        body: &dyn BodySource,
    ) -> impl Future<Output = Result<PerItem<ChangeKey>, RemoteError>> + Send;

    /// Moves messages or entries to another folder. What was changed since its version is left alone ([`ItemErrorClass::Conflict`]).
    fn move_messages(
        &self,
        items: &[Versioned],
        to: &FolderId,
    ) -> impl Future<Output = Result<Vec<PerItem<Placed>>, RemoteError>> + Send;

    /// Deletes messages or entries. What was changed since its version is left alone ([`ItemErrorClass::Conflict`]); what is gone already is
    /// [`ItemErrorClass::Gone`].
    fn delete_messages(
        &self,
        items: &[(Versioned, MessageRemoval)],
        disposal: Disposal,
    ) -> impl Future<Output = Result<Vec<PerItem<()>>, RemoteError>> + Send;
}
