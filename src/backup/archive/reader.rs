//! Reading an archive. Nothing that it says is believed before its hash is checked, and nothing takes more memory than is bounded here.
//!
//! What it has from archives that it builds upon is read from there. They are looked for in its target when something is wanted of them, so
//! that what does not need them comes back without them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};

use super::footer::Footer;
use super::member::{Member, read_member, skip};
use super::{FORMAT, MANIFEST, PREFIX, WINDOW_LOG_MAX};
use crate::backup::manifest::{Entry, Frame, Hash, Header, Kind, Link, Manifest, Place};
use crate::backup::target::{Content, Stored};
use crate::backup::{BackupError, Damage};

/// A manifest is mostly hashes, which do not compress: one that grows more than this is a bomb.
const MANIFEST_GROWTH: u64 = 64;

/// Bytes that are taken out of a frame at a time.
const COPIED_AT_ONCE: usize = 64 << 10;

/// A whole archive.
pub struct Archive {
    stored: Stored,
    content: Box<dyn Content>,
    length: u64,
    manifest: Manifest,
    /// Those that it builds upon and that were looked for, without their entries; or why there is none.
    below: BTreeMap<u32, Result<Box<Archive>, String>>,
}

/// What is known to be what was written, by the ids of the archives.
#[derive(Debug, Default)]
pub struct Checked {
    /// Frames.
    whole: HashSet<(String, u32)>,
    /// Files of encrypted archives.
    pub(crate) files: HashSet<String>,
}

/// A frame of an archive or of one that it builds upon: the archive's number, and the frame's.
pub(crate) type FrameId = (u32, u32);

impl Archive {
    /// Opens an archive that is whole, as its footer and manifest tell. Its frames are not looked at.
    ///
    /// # Errors
    /// [`BackupError::Incomplete`] for a file that was cut or is no archive; [`BackupError::Manifest`]; [`BackupError::OtherFormat`].
    pub fn open(stored: &Stored) -> Result<Self, BackupError> {
        Self::open_with(stored, |lines| Manifest::read(lines))
    }

    /// As [`Self::open`], but each entry is given to `visit`, and none is kept.
    ///
    /// # Errors
    /// As [`Self::open`]; what was visited before is worth nothing.
    pub(crate) fn visit(stored: &Stored, visit: impl FnMut(Entry)) -> Result<Self, BackupError> {
        Self::open_with(stored, |lines| Manifest::visit(lines, visit))
    }

    /// Opens it once more, to be read in another place at the same time. The entries stay here.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn again(&self) -> Result<Self, BackupError> {
        Self::open_with(&self.stored, |lines| Manifest::read_head(lines))
    }

    fn open_with(
        stored: &Stored,
        read: impl FnOnce(&mut dyn BufRead) -> Result<Manifest, String>,
    ) -> Result<Self, BackupError> {
        let io = |source: io::Error| match source.kind() {
            // What is encrypted cannot be read where it was changed or cut.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => incomplete(stored, CUT),
            _ => BackupError::io("read", stored.location(), source),
        };
        let mut content = stored.open()?;
        let length = content.seek(SeekFrom::End(0)).map_err(io)?;
        let footer = read_footer(&mut *content, length).map_err(io)?.ok_or_else(|| incomplete(stored, CUT))?;
        if footer.format != FORMAT {
            return Err(BackupError::OtherFormat { at: stored.location(), found: footer.format });
        }
        let end = footer.at.checked_add(footer.length).and_then(|end| end.checked_add(Footer::LENGTH as u64));
        if end != Some(length) {
            return Err(incomplete(stored, "its end does not fit to its length"));
        }
        let damaged = |reason| BackupError::Manifest { at: stored.location(), reason };
        let manifest = read_manifest(&mut *content, &footer, read).map_err(damaged)?;
        if manifest.frames.last().map_or(0, |frame| frame.at + frame.length) != footer.at {
            return Err(damaged("its frames do not fill the file".to_owned()));
        }
        Ok(Self { stored: stored.clone(), content, length, manifest, below: BTreeMap::new() })
    }

    /// Looks in the target for an archive that this one builds upon.
    fn open_below(&self, link: &Link, header: &Header) -> Result<Box<Self>, String> {
        let target = self.stored.target();
        let found = target.archives(&header.identity).map_err(|error| error.to_string())?;
        let mut others = Vec::new();
        for found in found.into_iter().filter(|found| found.name.number == link.number) {
            match Self::open_with(&found.stored, |lines| Manifest::read_head(lines)) {
                Ok(archive) if archive.manifest.header.id == link.id => return Ok(Box::new(archive)),
                Ok(_) => others.push(format!("{} is another archive of that number", found.stored.location())),
                Err(error) => others.push(error.to_string()),
            }
        }
        let missing = || format!("it is not in {}; put it there", target.location());
        Err(others.pop().unwrap_or_else(missing))
    }

    /// Its file.
    pub fn stored(&self) -> &Stored {
        &self.stored
    }

    /// Its bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What it holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// As [`Self::manifest`], once nothing else is wanted of it.
    pub(crate) fn into_manifest(self) -> Manifest {
        self.manifest
    }

    /// Whether each archive is there, whole, that it builds upon.
    pub(crate) fn has_its_chain(&mut self) -> bool {
        let numbers: Vec<u32> = self.manifest.header.chain.iter().map(|link| link.number).collect();
        numbers.into_iter().all(|number| self.holder(number).is_ok())
    }

    /// All frames that something lies in, and all of its own.
    pub(crate) fn frames_in_use(&self) -> BTreeSet<FrameId> {
        let Manifest { header, frames, entries } = &self.manifest;
        let own = (0..frames.len()).filter_map(|frame| Some((header.number, u32::try_from(frame).ok()?)));
        let used = entries.iter().filter(|entry| entry.kind != Kind::Directory).map(|entry| entry.place.frame_id());
        own.chain(used).collect()
    }

    /// The frames that are not, byte for byte, what was written: its own, and those that it has something from. `checked` spares reading
    /// frames that other archives have something from, too.
    ///
    /// # Errors
    /// That its file cannot be read.
    pub fn damaged_frames(&mut self, checked: &mut Checked) -> Result<Vec<Damage>, BackupError> {
        let mut damage = Vec::new();
        for id in self.frames_in_use() {
            let known = self.link(id.0).map(|link| (link.id.clone(), id.1));
            if known.as_ref().is_some_and(|known| checked.whole.contains(known)) {
                continue;
            }
            match self.is_whole(id) {
                Ok(true) => checked.whole.extend(known),
                Ok(false) => damage.push(self.damage(id, "its content was changed")),
                // What is encrypted cannot be read where it was changed.
                Err(error) if self.is_own(id) && error.kind() != io::ErrorKind::InvalidData => {
                    return Err(BackupError::io("read", self.stored.location(), error));
                }
                Err(error) => damage.push(self.damage(id, &error.to_string())),
            }
        }
        Ok(damage)
    }

    /// The archive itself, or one that it builds upon, by its number.
    pub(crate) fn link(&self, number: u32) -> Option<Link> {
        let header = &self.manifest.header;
        let own = || Link { number, id: header.id.clone() };
        if number == header.number {
            Some(own())
        } else {
            header.chain.iter().find(|link| link.number == number).cloned()
        }
    }

    /// That parts are damaged; `lost` items lie in them.
    pub(crate) fn damaged(&self, damage: Vec<Damage>, lost: u64, whole: u64) -> BackupError {
        let numbers: BTreeSet<u32> = damage.iter().map(|damage| damage.frame_id(self).0).collect();
        BackupError::Damaged {
            at: self.stored.location(),
            frames: self.frames_in_use().len(),
            archives: numbers.into_iter().filter_map(|number| self.link(number)).collect(),
            damage,
            lost,
            whole,
        }
    }

    fn is_whole(&mut self, id: FrameId) -> io::Result<bool> {
        let (content, frame) = self.find(id)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(content.take(frame.length))?;
        Ok(hasher.finalize() == frame.hash)
    }

    /// Begins to read a frame.
    ///
    /// # Errors
    /// That it cannot be read.
    pub(crate) fn frame(&mut self, id: FrameId) -> io::Result<FrameReader<'_>> {
        let is_own = self.is_own(id);
        let (content, frame) = self.find(id)?;
        let inner = decoder(content.take(frame.length))?.take(frame.plain);
        Ok(FrameReader { inner, buffer: vec![0; COPIED_AT_ONCE], at: 0, is_own })
    }

    /// The file that a frame lies in, ready to be read from its first byte on.
    fn find(&mut self, id: FrameId) -> io::Result<(&mut dyn Content, Frame)> {
        let archive = self.holder(id.0).map_err(io::Error::other)?;
        let frame = archive.manifest.frames.get(id.1 as usize).copied();
        let frame = frame.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "there is no such frame"))?;
        archive.content.seek(SeekFrom::Start(frame.at))?;
        Ok((&mut *archive.content, frame))
    }

    /// The archive with that number: this one, or one that it builds upon.
    fn holder(&mut self, number: u32) -> Result<&mut Self, String> {
        let header = &self.manifest.header;
        if number == header.number {
            return Ok(self);
        }
        if !self.below.contains_key(&number) {
            let link = header.chain.iter().find(|link| link.number == number).ok_or("it is not in the chain")?;
            let found = self.open_below(link, header);
            self.below.insert(number, found);
        }
        let found = self.below.get_mut(&number).ok_or("it was not looked for")?;
        found.as_mut().map(|archive| &mut **archive).map_err(|reason| reason.clone())
    }

    fn is_own(&self, id: FrameId) -> bool {
        id.0 == self.manifest.header.number
    }

    /// Why a frame counts as damaged.
    pub(crate) fn damage(&self, id: FrameId, reason: &str) -> Damage {
        let below = (!self.is_own(id)).then_some(id.0);
        let holder = match below {
            None => Some(self),
            Some(number) => self.below.get(&number).and_then(|found| found.as_deref().ok()),
        };
        let frame = holder.and_then(|archive| archive.manifest.frames.get(id.1 as usize));
        let bytes = frame.map(|frame| frame.at..frame.at + frame.length);
        Damage { below, frame: id.1 as usize, bytes, reason: reason.to_owned() }
    }
}

impl Place {
    pub(crate) fn frame_id(self) -> FrameId {
        (self.archive, self.frame)
    }
}

impl Damage {
    /// The frame that it is in.
    pub(crate) fn frame_id(&self, archive: &Archive) -> FrameId {
        let number = self.below.unwrap_or(archive.manifest.header.number);
        (number, u32::try_from(self.frame).unwrap_or(u32::MAX))
    }
}

const CUT: &str = "its end is missing (it was cut off, is still being written, or is something else); restore --salvage brings out what is whole";

fn incomplete(stored: &Stored, reason: &'static str) -> BackupError {
    BackupError::Incomplete { at: stored.location(), reason }
}

/// The hash of a file's footer; none where it has none.
pub(crate) fn footer_hash(stored: &Stored) -> Result<Option<Hash>, BackupError> {
    let io = |source| BackupError::io("read", stored.location(), source);
    let mut content = stored.open_as_it_is()?;
    let length = content.seek(SeekFrom::End(0)).map_err(io)?;
    let footer = read_footer(&mut *content, length).map_err(io)?;
    Ok(footer.map(|footer| blake3::hash(&footer.to_bytes())))
}

/// A decoder for one frame, whose memory is bounded.
pub(crate) fn decoder<R: Read>(reader: R) -> io::Result<zstd::Decoder<'static, BufReader<R>>> {
    let mut decoder = zstd::Decoder::new(reader)?.single_frame();
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(decoder)
}

fn read_footer(content: &mut dyn Content, length: u64) -> io::Result<Option<Footer>> {
    let Some(at) = length.checked_sub(Footer::LENGTH as u64) else { return Ok(None) };
    content.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::with_capacity(Footer::LENGTH);
    content.take(Footer::LENGTH as u64).read_to_end(&mut bytes)?;
    Ok(Footer::parse(&bytes))
}

fn read_manifest(
    content: &mut dyn Content,
    footer: &Footer,
    read: impl FnOnce(&mut dyn BufRead) -> Result<Manifest, String>,
) -> Result<Manifest, String> {
    let words = |error: io::Error| error.to_string();
    if footer.plain > footer.length.saturating_mul(MANIFEST_GROWTH).saturating_add(1 << 20) {
        return Err("it grows beyond measure when it is decompressed".to_owned());
    }
    content.seek(SeekFrom::Start(footer.at)).map_err(words)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader((&mut *content).take(footer.length)).map_err(words)?;
    if hasher.finalize() != footer.hash {
        return Err("its content was changed".to_owned());
    }
    content.seek(SeekFrom::Start(footer.at)).map_err(words)?;
    let mut plain = decoder((&mut *content).take(footer.length)).map_err(words)?.take(footer.plain);
    match read_member(&mut plain).map_err(words)? {
        Some(Member { name, directory: false, size, .. }) if name == MANIFEST.as_bytes() => {
            read(&mut BufReader::new(plain.take(size)))
        }
        _ => Err("another member is in its place".to_owned()),
    }
}

/// The members of a frame, in their order.
pub(crate) struct FrameReader<'a> {
    inner: io::Take<zstd::Decoder<'static, BufReader<io::Take<&'a mut dyn Content>>>>,
    buffer: Vec<u8>,
    at: u64,
    /// Whether it is one of the archive's own.
    is_own: bool,
}

impl FrameReader<'_> {
    /// Copies the content of an entry of this frame, which must lie behind those that were copied before. Answers its hash, which is the entry's
    /// where the archive tells the truth.
    ///
    /// # Errors
    /// What is wrong with the archive, as `InvalidData`, `UnexpectedEof` or what zstd says; or what `out` says, marked by [`Failed`].
    pub(crate) fn copy(&mut self, entry: &Entry, out: &mut impl io::Write) -> io::Result<Hash> {
        let ahead = entry.place.offset.checked_sub(self.at).ok_or_else(overlap)?;
        skip(self, ahead)?;
        let member = read_member(self)?.ok_or_else(overlap)?;
        let name = member.name.strip_prefix(PREFIX.as_bytes());
        // In an earlier archive it has the name that it had then. What it is, the hash tells.
        let is_named = name.is_some_and(|name| !self.is_own || name == entry.path.as_bytes());
        if !is_named || member.size != entry.size || member.directory {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "another member is in its place"));
        }
        let mut hasher = blake3::Hasher::new();
        let mut left = entry.size;
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let room = self.buffer.get_mut(..room).unwrap_or_default();
            let count = self.inner.read(room)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let bytes = room.get(..count).unwrap_or_default();
            hasher.update(bytes);
            out.write_all(bytes).map_err(|error| io::Error::other(Failed(error)))?;
            left -= count as u64;
            self.at += count as u64;
        }
        Ok(hasher.finalize())
    }
}

/// It is the place that is written to which failed, not the archive.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failed(pub(crate) io::Error);

fn overlap() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "members overlap")
}

impl Read for FrameReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}
