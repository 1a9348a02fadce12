//! Identifiers. Each kind has a type of its own, so that none is mistaken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes the text as the server gave it.
            pub fn new(text: impl Into<Box<str>>) -> Self {
                Self(text.into())
            }

            /// The text, to send back verbatim.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

text_id! {
    /// The server's id of a folder: opaque, case-sensitive, kept through renames and moves (MS-OXWSFOLD `FolderId`).
    FolderId
}
text_id! {
    /// The server's id of an item: opaque, case-sensitive, new after every move to another folder (MS-OXWSCDATA `ItemId`).
    ItemId
}
text_id! {
    /// The version of an item or folder that a write expects to replace (MS-OXWSCDATA `ChangeKey`).
    ChangeKey
}
text_id! {
    /// Where a listing of changes goes on (MS-OXWSSYNC `SyncState`): opaque, of one folder of one mailbox.
    SyncState
}
text_id! {
    /// PidTagSearchKey (0x300B) in base64: kept through moves, shared by copies.
    SearchKey
}
text_id! {
    /// The mark that pimsync leaves on what it uploads, so that an upload whose answer was lost is found again.
    ///
    /// 32 hexadecimal digits: a hash of the identity, the folder's id and the file's key.
    Tag
}

macro_rules! row_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);
    };
}

row_key! {
    /// The number by which the base tree knows a folder; never reused.
    FolderKey
}
row_key! {
    /// The number by which the base tree knows an item; never reused.
    ItemKey
}

row_key! {
    /// The number by which the base tree knows an entry; never reused.
    EntryKey
}

/// The unique part of a Maildir file name: everything before `:`. Bytes, since a file name need not be UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileKey(Box<[u8]>);

impl FileKey {
    /// Takes the part of a file name before its `:`.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileKey({self})")
    }
}

/// The first 16 bytes of a BLAKE3 hash: tells whether two contents are equal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// What a hasher was given so far.
    pub fn of(hasher: &blake3::Hasher) -> Self {
        let mut digest = [0; 16];
        hasher.finalize_xof().fill(&mut digest);
        Self(digest)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(pub i64);
