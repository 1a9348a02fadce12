//! The name of a message's file, in which a Maildir keeps the message's flags (<https://cr.yp.to/proto/maildir.html>).
//!
//! Other programs wrote most of the names that are met, so every name is taken as it is and given back byte for byte until a
//! flag is really changed: also one that is not UTF-8, lists its letters out of order, or has letters of some program's own.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::Letters;
use crate::pim::{FileKey, Flags, ItemId, UnixTime};

/// Which of a Maildir's directories a message lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subdir {
    /// `new`: no mail reader has seen it yet.
    New,
    /// `cur`: all else.
    Cur,
}

impl Subdir {
    /// Both.
    pub const ALL: [Self; 2] = [Self::New, Self::Cur];

    /// The directory's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Cur => "cur",
        }
    }
}

/// A message's file name and the directory that it lies in, taken apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageName {
    key: FileKey,
    subdir: Subdir,
    info: Info,
}

/// What follows the key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Info {
    /// Nothing.
    None,
    /// `:2,` and flags.
    Flags {
        flags: Flags,
        letters: Letters,
        /// Letters of other programs' own.
        other: Box<[u8]>,
        /// What followed `:2,`, where it differs from what we would write.
        verbatim: Option<Box<[u8]>>,
    },
    /// `:1,…` or anything else after a colon: not ours to read. The bytes from the colon on.
    Other(Box<[u8]>),
}

const INFO: &[u8] = b":2,";

impl MessageName {
    /// Takes a file's name apart. Every name has a reading, and [`Self::file_name`] gives the same bytes back.
    pub fn parse(subdir: Subdir, name: &OsStr) -> Self {
        Self::parse_bytes(subdir, name.as_bytes())
    }

    pub(crate) fn parse_bytes(subdir: Subdir, name: &[u8]) -> Self {
        if let Some(at) = name.windows(INFO.len()).rposition(|window| window == INFO)
            && let (Some(key), Some(marks)) = (name.get(..at), name.get(at + INFO.len()..))
        {
            return Self { key: FileKey::new(key), subdir, info: Info::parse(marks) };
        }
        let colon = name.iter().position(|byte| *byte == b':').unwrap_or(name.len());
        let (key, rest) = name.split_at(colon);
        let info = if rest.is_empty() { Info::None } else { Info::Other(rest.into()) };
        Self { key: FileKey::new(key), subdir, info }
    }

    /// The name under which a message from the server is delivered: unseen mail without any mark goes to `new`, as from any
    /// mail program, all else to `cur`.
    pub fn for_delivery(key: FileKey, flags: Flags, letters: Letters) -> Self {
        if flags == Flags::NONE && letters.is_empty() {
            return Self { key, subdir: Subdir::New, info: Info::None };
        }
        Self { key, subdir: Subdir::Cur, info: Info::new(flags, letters, Box::default()) }
    }

    /// The same message with these flags and keyword letters; letters of other programs' own are kept.
    ///
    /// A message in `new` moves to `cur` with its first mark, since names in `new` have none; none moves back. Unchanged marks
    /// leave the name as it is.
    #[must_use]
    pub fn with_marks(&self, flags: Flags, letters: Letters) -> Self {
        if flags == self.flags() && letters == self.letters() {
            return self.clone();
        }
        let other = match &self.info {
            // Colons last: without the letters between them, the others could look like another `:2,`.
            Info::Flags { other, .. } => {
                let (colons, rest): (Vec<u8>, Vec<u8>) = other.iter().partition(|byte| **byte == b':');
                [rest, colons].concat().into()
            }
            Info::None | Info::Other(_) => Box::default(),
        };
        Self { key: self.key.clone(), subdir: Subdir::Cur, info: Info::new(flags, letters, other) }
    }

    /// The same marks under another key.
    #[must_use]
    pub fn with_key(&self, key: FileKey) -> Self {
        Self { key, ..self.clone() }
    }

    /// The unique part.
    pub fn key(&self) -> &FileKey {
        &self.key
    }

    /// Where it lies.
    pub fn subdir(&self) -> Subdir {
        self.subdir
    }

    /// Its flags.
    pub fn flags(&self) -> Flags {
        match &self.info {
            Info::Flags { flags, .. } => *flags,
            Info::None | Info::Other(_) => Flags::NONE,
        }
    }

    /// Its keyword letters.
    pub fn letters(&self) -> Letters {
        match &self.info {
            Info::Flags { letters, .. } => *letters,
            Info::None | Info::Other(_) => Letters::NONE,
        }
    }

    /// The file's name.
    pub fn file_name(&self) -> OsString {
        let mut name = self.key.as_bytes().to_vec();
        match &self.info {
            Info::None => {}
            Info::Flags { flags, letters, other, verbatim } => {
                name.extend_from_slice(INFO);
                match verbatim {
                    Some(bytes) => name.extend_from_slice(bytes),
                    None => name.extend(canonical(*flags, *letters, other)),
                }
            }
            Info::Other(bytes) => name.extend_from_slice(bytes),
        }
        OsString::from_vec(name)
    }
}

impl Info {
    fn new(flags: Flags, letters: Letters, other: Box<[u8]>) -> Self {
        Self::Flags { flags, letters, other, verbatim: None }
    }

    fn parse(marks: &[u8]) -> Self {
        let flags = Flags::from_letters(marks);
        let letters = Letters::from_bytes(marks);
        let known = |byte: &u8| byte.is_ascii_lowercase() || flags.letters().any(|flag| flag == *byte);
        let other: Box<[u8]> = marks.iter().copied().filter(|byte| !known(byte)).collect();
        let verbatim = (canonical(flags, letters, &other) != marks).then(|| marks.into());
        Self::Flags { flags, letters, other, verbatim }
    }
}

fn canonical(flags: Flags, letters: Letters, other: &[u8]) -> Vec<u8> {
    flags.letters().chain(letters.bytes()).chain(other.iter().copied()).collect()
}

impl fmt::Display for MessageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.subdir.as_str(), self.file_name().display())
    }
}

impl fmt::Debug for MessageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageName({self})")
    }
}

/// The key under which a server's message is delivered: the same each time, so that a delivery that was interrupted is found
/// again instead of being repeated.
pub fn delivered_key(received: UnixTime, id: &ItemId) -> FileKey {
    FileKey::new(format!("{}.{}.pimsync", received.0.max(0), id_mark(id)).into_bytes())
}

/// The part of a key of [`delivered_key`] that tells the item, as [`id_mark`] gives it; `None` for a key of another making.
pub fn delivered_mark(key: &FileKey) -> Option<&str> {
    delivered(key).map(|(_, mark)| mark)
}

/// The time of a key of [`delivered_key`], which the file has as long as nobody writes into it; `None` for a key of another making.
pub fn delivered_at(key: &FileKey) -> Option<UnixTime> {
    delivered(key)?.0.parse().ok().map(UnixTime)
}

fn delivered(key: &FileKey) -> Option<(&str, &str)> {
    let key = std::str::from_utf8(key.as_bytes()).ok()?;
    let (secs, mark) = key.strip_suffix(".pimsync")?.rsplit_once('.')?;
    (!secs.is_empty() && secs.bytes().all(|byte| byte.is_ascii_digit())).then_some((secs, mark))
}

/// What the key of a delivered message tells its item by: the start of a hash of the id.
pub fn id_mark(id: &ItemId) -> String {
    blake3::hash(id.as_str().as_bytes()).to_hex().chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pim::Flag;

    fn name(subdir: Subdir, text: &str) -> MessageName {
        MessageName::parse(subdir, OsStr::new(text))
    }

    fn key(text: &str) -> FileKey {
        FileKey::new(text.as_bytes())
    }

    #[test]
    fn flags_and_keywords_are_read() {
        let read = name(Subdir::Cur, "1.M2P3.host,S=12:2,FSab");
        assert_eq!(read.key(), &key("1.M2P3.host,S=12"));
        assert_eq!(read.flags(), [Flag::Flagged, Flag::Seen].into_iter().collect());
        assert_eq!(read.letters(), Letters::NONE.with(b'a').with(b'b'));
    }

    #[test]
    fn names_without_marks_or_with_others_marks_are_kept() {
        for text in
            ["1.x.host", "1.x:2,", "1.x:1,abc", "1.x:", "1.x:3", "a:b:2,S", ":2,S", "1:2,SF", "1:2,SSaQ", "1:2,;S"]
        {
            assert_eq!(name(Subdir::Cur, text).file_name(), OsStr::new(text));
        }
        assert_eq!(name(Subdir::Cur, "a:b:2,S").key(), &key("a:b"));
        assert_eq!(name(Subdir::Cur, "1.x:1,S").flags(), Flags::NONE);
    }

    #[test]
    fn other_programs_letters_outlive_a_change_of_flags() {
        let changed = name(Subdir::Cur, "1:2,QSX").with_marks(Flags::NONE.with(Flag::Flagged, true), Letters::NONE);
        assert_eq!(changed.file_name(), OsStr::new("1:2,FQX"));
    }

    #[test]
    fn other_programs_letters_never_become_a_part_of_the_key() {
        let changed = name(Subdir::Cur, "1:2,:S2,").with_marks(Flags::NONE, Letters::NONE);
        assert_eq!(changed.file_name(), OsStr::new("1:2,2,:"));
        assert_eq!(name(Subdir::Cur, "1:2,2,:").key(), &key("1"));
    }

    #[test]
    fn a_first_mark_takes_a_message_out_of_new() {
        let seen = Flags::NONE.with(Flag::Seen, true);
        let read = name(Subdir::New, "1.x").with_marks(seen, Letters::NONE);
        assert_eq!((read.subdir(), read.file_name()), (Subdir::Cur, "1.x:2,S".into()));
        let unread = read.with_marks(Flags::NONE, Letters::NONE);
        assert_eq!((unread.subdir(), unread.file_name()), (Subdir::Cur, "1.x:2,".into()));
        assert_eq!(name(Subdir::New, "1.x").with_marks(Flags::NONE, Letters::NONE).subdir(), Subdir::New);
    }

    #[test]
    fn delivery_goes_where_mail_readers_expect_it() {
        let fresh = MessageName::for_delivery(key("1.x"), Flags::NONE, Letters::NONE);
        assert_eq!(fresh, name(Subdir::New, "1.x"));
        let seen = MessageName::for_delivery(key("1.x"), Flags::from_letters(b"S"), Letters::NONE.with(b'c'));
        assert_eq!(seen, name(Subdir::Cur, "1.x:2,Sc"));
    }

    #[test]
    fn a_delivered_key_belongs_to_its_item_alone() {
        let (id, other) = (ItemId::new("AAMk="), ItemId::new("AAMk1"));
        let made = delivered_key(UnixTime(1_700_000_000), &id);
        assert_eq!(delivered_mark(&made), Some(id_mark(&id).as_str()));
        assert_ne!(id_mark(&id), id_mark(&other));
        assert_eq!(delivered_at(&delivered_key(UnixTime(-5), &id)), Some(UnixTime(0)));
        assert_eq!(delivered_at(&key("1.x.pimsync")), Some(UnixTime(1)));
    }

    proptest! {
        #[test]
        fn every_name_round_trips(bytes in prop::collection::vec(prop_oneof![Just(b':'), Just(b'2'), Just(b','), 1u8..], 1..40)) {
            let parsed = MessageName::parse_bytes(Subdir::Cur, &bytes);
            prop_assert_eq!(parsed.file_name().into_vec(), bytes);
            prop_assert_eq!(&parsed.with_marks(parsed.flags(), parsed.letters()), &parsed);
        }

        #[test]
        fn marks_that_are_set_are_read_back(bytes in prop::collection::vec(1u8.., 1..40), flags in 0u8..64, letters: u32) {
            let (flags, letters) = (Flags::from_bits(flags), Letters::from_bits(letters));
            let parsed = MessageName::parse_bytes(Subdir::Cur, &bytes);
            let set = parsed.with_marks(flags, letters);
            prop_assert_eq!((set.key(), set.flags(), set.letters()), (parsed.key(), flags, letters));
            prop_assert_eq!(MessageName::parse(set.subdir(), &set.file_name()), set);
        }
    }
}
