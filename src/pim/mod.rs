//! Items and folders as pure values: what they are, never where they lie.
//!
//! Nothing here knows of files, networks, databases or clocks.

pub mod folder;
pub mod ids;
pub mod marks;
pub mod message;

pub use folder::{ActivityMark, FolderKind, ServerFolder, SpecialFolder};
pub use ids::{ChangeKey, Digest, FileKey, FolderId, FolderKey, ItemId, ItemKey, SearchKey, SyncState, Tag, UnixTime};
pub use marks::{Categories, Category, Flag, Flags, FollowUp, LastVerb, Marks, ServerMarks};
pub use message::{ItemClass, ServerMessage};
