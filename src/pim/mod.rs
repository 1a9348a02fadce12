//! Items and folders as pure values: what they are, never where they lie.
//!
//! Nothing here knows of files, networks, databases or clocks.

pub mod attachment;
pub mod category_list;
mod classes;
pub mod contact;
pub mod entry;
pub mod event;
mod fields;
pub mod folder;
pub mod group;
pub mod ids;
pub mod mailbox;
pub mod marks;
pub mod message;
pub mod note;
pub mod recurrence;
pub mod task;
mod text;

pub use attachment::{Attachment, Attachments, Blob};
pub use category_list::{CategoryColour, CategoryList, MasterCategory};
pub use classes::{Importance, Sensitivity};
pub use contact::{Address, AddressKey, Contact, ContactField, DayOfLife, Gender, PhoneKey, Photo};
pub use entry::{Entry, EntryField, EntryKind, LeftThere, Said, ServerEntry};
pub use event::{Event, EventField};
pub use fields::{FieldValue, Merged};
pub use folder::{ActivityMark, FolderKind, PublicPath, ServerFolder, SpecialFolder};
pub use ids::{
    ChangeKey, Digest, EntryKey, FileKey, FolderId, FolderKey, ItemId, ItemKey, SearchKey, SyncState, Tag, UnixTime,
};
pub use mailbox::OtherMailbox;
pub use marks::{Categories, Category, Flag, Flags, FollowUp, LastVerb, Marks, ServerMarks};
pub use message::{ItemClass, ServerMessage};
pub use note::{Note, NoteColour, NoteField};
pub use task::{Task, TaskField};
pub use text::Text;
