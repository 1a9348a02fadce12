//! The manifest: what an archive says of itself, of its frames and of all items. Lines of JSON: first a [`Header`], then a [`Frame`] each,
//! then an [`Entry`] each.
//!
//! Reading is strict: a manifest is only believed as a whole, since what it does not list would be lost unnoticed.

use std::collections::HashSet;
use std::io::{BufRead, Read as _, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::ItemPath;
use super::archive::FORMAT;
use super::path::Key;
use crate::local::{MessageName, Subdir};
use crate::pim::{Flag, UnixTime};

/// No line of a manifest is longer: a path of 4,096 bytes, all of them escaped, and ids.
const MAX_LINE: u64 = 128 * 1024;

/// The most that is kept of an item's id.
const MAX_ID: usize = 1024;

/// So many archives make a chain at most, the newest one included. More are made by nobody but who wants to do harm.
const MOST_ARCHIVES: usize = 64;

/// The hash of a content: BLAKE3.
pub type Hash = blake3::Hash;

/// What an archive says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub pimsync_archive: u64,
    /// The identity's name.
    pub identity: String,
    /// The identity's id, as in its marker.
    pub identity_id: String,
    /// The archive's own id: 32 hexadecimal digits.
    pub id: String,
    /// Its number.
    pub number: u32,
    /// When the backup began: seconds since 1970.
    pub created: i64,
    /// What wrote it.
    pub program: String,
    /// How many lines of frames follow.
    pub frames: u64,
    /// How many lines of items follow them.
    pub entries: u64,
    /// How many items the identity had lost or found changed since its last sync.
    pub alarms: u64,
    /// The archives that hold what this one does not, oldest first. Empty for a full one.
    pub chain: Vec<Link>,
}

/// An archive that another one builds upon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its number.
    pub number: u32,
    /// Its id.
    pub id: String,
}

/// A zstd frame of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its first byte in the file.
    pub at: u64,
    /// Its bytes in the file.
    pub length: u64,
    /// Its bytes when decompressed.
    pub plain: u64,
    /// Of its bytes in the file.
    pub hash: Hash,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A directory.
    Directory,
    /// A message.
    Message,
    /// An event, or a series of them.
    Event,
    /// A task.
    Task,
    /// A contact.
    Contact,
    /// A group of contacts.
    Group,
    /// A note.
    Note,
    /// `state.db`.
    State,
    /// Anything else.
    File,
}

impl Kind {
    /// Whether it is something that people count.
    pub fn is_item(self) -> bool {
        !matches!(self, Self::Directory | Self::State | Self::File)
    }
}

/// Where an entry's content lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The number of the archive.
    pub archive: u32,
    /// The frame in it, from 0.
    pub frame: u32,
    /// Where the tar member begins in the decompressed frame.
    pub offset: u64,
}

/// A file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies, below `Database`.
    pub path: ItemPath,
    /// What it is.
    pub kind: Kind,
    /// Its Message-ID or UID.
    pub id: Option<Box<str>>,
    /// Bytes; 0 for a directory.
    pub size: u64,
    /// The time of its last change, in nanoseconds since 1970. For a message by convention when it was received.
    pub mtime_ns: i64,
    /// Its number on the file system; only good for a comparison with the same file later.
    pub inode: u64,
    /// When its inode last changed, in nanoseconds since 1970; good for the same. None in archives of early versions.
    pub ctime_ns: Option<i64>,
    /// The hash of its content.
    pub hash: Hash,
    /// Where its content lies.
    pub place: Place,
}

impl Entry {
    /// The time of its last change.
    pub fn mtime(&self) -> UnixTime {
        UnixTime(self.mtime_ns.div_euclid(1_000_000_000))
    }
}

#[derive(Serialize, Deserialize)]
struct FrameLine {
    frame: u64,
    at: u64,
    length: u64,
    plain: u64,
    blake3: String,
}

#[derive(Serialize, Deserialize)]
struct EntryLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// A path that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    kind: Kind,
    /// For people who read the manifest with other tools; the path says the same.
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    folder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    flags: Option<String>,
    size: u64,
    mtime_ns: i64,
    inode: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ctime_ns: Option<i64>,
    blake3: String,
    /// None: in this archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<u32>,
    frame: u32,
    offset: u64,
}

impl EntryLine {
    fn of(entry: &Entry, here: u32) -> Self {
        let path = std::str::from_utf8(entry.path.as_bytes()).ok().map(str::to_owned);
        let id = entry.id.as_deref().map(str::to_owned);
        let (message_id, uid) = if entry.kind == Kind::Message { (id, None) } else { (None, id) };
        let folder = entry.path.message().map_or_else(|| entry.path.parent(), |(folder, _)| folder);
        Self {
            path_base64: path.is_none().then(|| BASE64.encode(entry.path.as_bytes())),
            path,
            kind: entry.kind,
            folder: entry.kind.is_item().then(|| String::from_utf8_lossy(folder).into_owned()),
            message_id,
            uid,
            flags: (entry.kind == Kind::Message).then(|| flags(&entry.path)),
            size: entry.size,
            mtime_ns: entry.mtime_ns,
            inode: entry.inode,
            ctime_ns: entry.ctime_ns,
            blake3: entry.hash.to_hex().to_string(),
            archive: (entry.place.archive != here).then_some(entry.place.archive),
            frame: entry.place.frame,
            offset: entry.place.offset,
        }
    }

    fn check(self, header: &Header) -> Result<Entry, String> {
        let bytes = match (self.path, self.path_base64) {
            (Some(path), None) => path.into_bytes(),
            (None, Some(path)) => BASE64.decode(path).map_err(|_| "a path is no base64")?,
            _ => return Err("an item has no path, or two".to_owned()),
        };
        let path = ItemPath::new(&bytes)?;
        let archive = self.archive.unwrap_or(header.number);
        if archive != header.number && !header.chain.iter().any(|link| link.number == archive) {
            return Err(format!("{path} lies in archive {archive}, which is not in the chain"));
        }
        Ok(Entry {
            kind: self.kind,
            id: self.message_id.or(self.uid).map(|id| shortened(&id)),
            size: self.size,
            mtime_ns: self.mtime_ns,
            inode: self.inode,
            ctime_ns: self.ctime_ns,
            hash: Hash::from_hex(&self.blake3).map_err(|_| format!("the hash of {path} is no BLAKE3 hash"))?,
            place: Place { archive, frame: self.frame, offset: self.offset },
            path,
        })
    }
}

/// An id of bounded length.
pub(super) fn shortened(id: &str) -> Box<str> {
    let end = (0..=MAX_ID.min(id.len())).rev().find(|end| id.is_char_boundary(*end)).unwrap_or(0);
    id.get(..end).unwrap_or_default().into()
}

/// The letters of a message's flags.
fn flags(path: &ItemPath) -> String {
    let name = MessageName::parse_bytes(Subdir::Cur, path.name());
    let flags = name.flags();
    Flag::ALL.into_iter().filter(|flag| flags.has(*flag)).map(|flag| char::from(flag.letter())).collect()
}

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What the archive says of itself.
    pub header: Header,
    /// The frames, in the order of the file.
    pub frames: Vec<Frame>,
    /// The items, sorted by where they lie.
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// The entries that are no directories.
    pub fn files(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.kind != Kind::Directory)
    }

    /// Writes the lines.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, mut out: impl Write) -> std::io::Result<()> {
        line(&mut out, &self.header)?;
        for (number, frame) in self.frames.iter().enumerate() {
            let Frame { at, length, plain, hash } = *frame;
            line(&mut out, &FrameLine { frame: number as u64, at, length, plain, blake3: hash.to_hex().to_string() })?;
        }
        self.entries.iter().try_for_each(|entry| line(&mut out, &EntryLine::of(entry, self.header.number)))
    }

    /// Reads the lines.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn read(lines: impl BufRead) -> Result<Self, String> {
        let mut entries = Vec::new();
        let head = Self::visit(lines, |entry| entries.push(entry))?;
        Ok(Self { entries, ..head })
    }

    /// As [`Self::read`], but each entry is given to `visit`. What is returned has none.
    ///
    /// # Errors
    /// What is wrong, and in which line; what was visited before is worth nothing.
    pub fn visit(lines: impl BufRead, mut visit: impl FnMut(Entry)) -> Result<Self, String> {
        let mut lines = Lines { lines, number: 0 };
        let head = lines.head()?;
        let mut paths = HashSet::new();
        for _ in 0..head.header.entries {
            let entry = lines.next::<EntryLine>()?.check(&head.header).map_err(|reason| lines.at(&reason))?;
            check_place(&entry, &head.header, &head.frames).map_err(|reason| lines.at(&reason))?;
            if !paths.insert(Key::of(entry.path.as_bytes())) {
                return Err(lines.at(&format!("{} is there twice", entry.path)));
            }
            visit(entry);
        }
        lines.end()?;
        Ok(head)
    }

    /// Reads the lines of a manifest whose hash was checked, up to its entries.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn read_head(lines: impl BufRead) -> Result<Self, String> {
        Lines { lines, number: 0 }.head()
    }
}

/// An archive builds upon older ones only, so that no chain leads in a circle.
fn check_chain(header: &Header) -> Result<(), String> {
    let numbers: Vec<u32> = header.chain.iter().map(|link| link.number).chain([header.number]).collect();
    if numbers.len() > MOST_ARCHIVES || !numbers.is_sorted_by(|one, next| one < next) {
        return Err("the archives that it builds upon are not older ones in their order".to_owned());
    }
    Ok(())
}

fn check_place(entry: &Entry, header: &Header, frames: &[Frame]) -> Result<(), String> {
    if entry.place.archive != header.number || entry.kind == Kind::Directory {
        return Ok(());
    }
    let frame = frames.get(entry.place.frame as usize);
    let end = entry.place.offset.checked_add(entry.size).and_then(|end| end.checked_add(512));
    match (frame, end) {
        (Some(frame), Some(end)) if end <= frame.plain => Ok(()),
        _ => Err(format!("{} lies outside of its frame", entry.path)),
    }
}

fn line(out: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

struct Lines<R> {
    lines: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn at(&self, reason: &str) -> String {
        format!("line {}: {reason}", self.number)
    }

    fn next<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, String> {
        self.number += 1;
        let mut bytes = Vec::new();
        let read = (&mut self.lines).take(MAX_LINE).read_until(b'\n', &mut bytes);
        read.map_err(|error| self.at(&error.to_string()))?;
        if bytes.last() != Some(&b'\n') {
            return Err(self.at("it ends too early, or the line is too long"));
        }
        serde_json::from_slice(&bytes).map_err(|error| self.at(&error.to_string()))
    }

    /// The header and the frames.
    fn head(&mut self) -> Result<Manifest, String> {
        let header: Header = self.next()?;
        if header.pimsync_archive != FORMAT {
            return Err(format!("it has format {}", header.pimsync_archive));
        }
        check_chain(&header)?;
        let mut frames = Vec::new();
        let mut at = 0;
        for _ in 0..header.frames {
            frames.push(self.frame(at)?);
            at += frames.last().map_or(0, |frame: &Frame| frame.length);
        }
        Ok(Manifest { header, frames, entries: Vec::new() })
    }

    /// A frame that begins where the one before ended: no byte of the file belongs to none.
    fn frame(&mut self, at: u64) -> Result<Frame, String> {
        let line: FrameLine = self.next()?;
        if line.at != at || line.length > i64::MAX as u64 || at > i64::MAX as u64 {
            return Err(self.at("the frame does not begin where the one before ended"));
        }
        let hash = Hash::from_hex(&line.blake3).map_err(|_| self.at("the hash is no BLAKE3 hash"))?;
        Ok(Frame { at, length: line.length, plain: line.plain, hash })
    }

    fn end(&mut self) -> Result<(), String> {
        match self.lines.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err("there is more than its first line says".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let name = prop::collection::vec(any::<u8>().prop_filter("allowed", |byte| !matches!(byte, 0 | b'/')), 1..20)
            .prop_filter("climbs", |name| !matches!(&name[..], b"." | b".."));
        let path = prop::collection::vec(name, 1..4).prop_map(|parts| ItemPath::new(&parts.join(&b'/')).unwrap());
        let kind = prop::sample::select(vec![Kind::Message, Kind::Event, Kind::Note, Kind::File, Kind::Directory]);
        (
            path,
            kind,
            prop::option::of("[^\\x00]{1,30}"),
            0..4000u64,
            any::<i64>(),
            any::<u64>(),
            prop::option::of(any::<i64>()),
            any::<[u8; 32]>(),
            0..2u32,
            0..1000u64,
        )
            .prop_map(|(path, kind, id, size, mtime_ns, inode, ctime_ns, hash, archive, offset)| Entry {
                path,
                kind,
                id: id.map(Into::into),
                size,
                mtime_ns,
                inode,
                ctime_ns,
                hash: Hash::from_bytes(hash),
                place: Place { archive: 7 - archive, frame: 0, offset },
            })
    }

    fn manifest(mut entries: Vec<Entry>) -> Manifest {
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        entries.dedup_by(|one, other| one.path == other.path);
        let header = Header {
            pimsync_archive: FORMAT,
            identity: "Main".to_owned(),
            identity_id: "0".repeat(32),
            id: "1".repeat(32),
            number: 7,
            created: 1_795_343_400,
            program: "pimsync".to_owned(),
            frames: 1,
            entries: entries.len() as u64,
            alarms: 0,
            chain: vec![Link { number: 6, id: "2".repeat(32) }],
        };
        Manifest { header, frames: vec![Frame { at: 0, length: 900, plain: 9000, hash: blake3::hash(b"x") }], entries }
    }

    fn text(manifest: &Manifest) -> String {
        let mut bytes = Vec::new();
        manifest.write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #[test]
        fn a_manifest_is_read_as_it_was_written(entries in prop::collection::vec(entry(), 0..20)) {
            let manifest = manifest(entries);
            prop_assert_eq!(Manifest::read(text(&manifest).as_bytes()), Ok(manifest));
        }

        #[test]
        fn a_manifest_that_is_cut_is_not_believed(entries in prop::collection::vec(entry(), 0..5), cut in 1..2000usize) {
            let text = text(&manifest(entries));
            let end = text.len() - cut.min(text.len());
            prop_assert!(Manifest::read(&text.as_bytes()[..end]).is_err());
        }

        #[test]
        fn anything_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Manifest::read(&bytes[..]);
        }
    }

    #[test]
    fn what_lies_elsewhere_than_it_can_is_refused() {
        let good = Entry {
            path: ItemPath::new(b"a").unwrap(),
            kind: Kind::File,
            id: None,
            size: 10,
            mtime_ns: 0,
            inode: 0,
            ctime_ns: None,
            hash: blake3::hash(b""),
            place: Place { archive: 7, frame: 0, offset: 0 },
        };
        let read =
            |change: &dyn Fn(String) -> String| Manifest::read(change(text(&manifest(vec![good.clone()]))).as_bytes());
        assert!(read(&|text| text).is_ok());
        for (from, to, told) in [
            ("\"path\":\"a\"", "\"path\":\"../a\"", "climbs"),
            ("\"path\":\"a\"", "\"path\":\"/a\"", "absolute"),
            ("\"frame\":0,\"offset\":0", "\"frame\":1,\"offset\":0", "outside of its frame"),
            ("\"frame\":0,\"offset\":0", "\"frame\":0,\"offset\":8990", "outside of its frame"),
            ("\"frame\":0,\"offset\":0", "\"archive\":3,\"frame\":0,\"offset\":0", "not in the chain"),
            ("\"at\":0", "\"at\":1", "begin where"),
            ("\"entries\":1", "\"entries\":0", "more than"),
            ("\"pimsync_archive\":1", "\"pimsync_archive\":9", "format 9"),
            ("\"chain\":[{\"number\":6", "\"chain\":[{\"number\":7", "older ones"),
            ("\"chain\":[{\"number\":6", "\"chain\":[{\"number\":6,\"id\":\"x\"},{\"number\":5", "older ones"),
        ] {
            let error = read(&|text| text.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(told), "{to}: {error}");
        }
    }
}
