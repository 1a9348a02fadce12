//! Writing an archive: members are gathered into frames, which two threads compress while the next ones are gathered.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, BufWriter, IntoInnerError, Read, Write};
use std::thread::{self, JoinHandle};

use zstd::zstd_safe::CParameter;

use super::footer::Footer;
use super::member::{Member, padding};
use super::{FRAME_BYTES, LEVEL, MANIFEST, Out, PREFIX};
use crate::backup::ItemPath;
use crate::backup::earlier::Earlier;
use crate::backup::manifest::{Entry, Frame, Header, Kind, Manifest, Place};
use crate::backup::path::Key;
use crate::local::platform::Looked;

/// So many frames are compressed at a time.
const WORKERS: usize = 2;

/// So much is given to a thread at a time where one frame is compressed by several; each holds that much in memory.
const JOB_BYTES: u32 = 2 << 20;

/// So much is gathered before it is compressed.
const GATHERED: usize = 64 << 10;

/// What ends a tar.
const TAR_END: [u8; 1024] = [0; 1024];

/// A file or directory that is to be added.
pub(crate) struct New {
    pub(crate) path: ItemPath,
    pub(crate) kind: Kind,
    pub(crate) id: Option<Box<str>>,
    pub(crate) times: Times,
}

/// What tells a file from the one that it was.
#[derive(Clone, Copy, Default)]
pub(crate) struct Times {
    pub(crate) mtime_ns: i64,
    pub(crate) inode: u64,
    pub(crate) ctime_ns: Option<i64>,
}

impl Times {
    pub(crate) fn of(looked: &Looked) -> Self {
        Self { mtime_ns: looked.stat.mtime_ns, inode: looked.stat.ino, ctime_ns: Some(looked.ctime_ns) }
    }
}

/// How the adding of a large file went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Large {
    /// It is in the archive.
    Added,
    /// It ended too early. Nothing of it is in the archive.
    Shrunk,
}

/// An archive all of which was written.
pub(crate) struct Written {
    pub(crate) manifest: Manifest,
    /// The archive's bytes.
    pub(crate) length: u64,
    /// The hash of its footer.
    pub(crate) footer: blake3::Hash,
    /// Its file, which has to be finished.
    pub(crate) out: Out,
}

type Compressed = JoinHandle<io::Result<(Vec<u8>, u64)>>;

/// An archive that is being written.
pub(crate) struct Writer {
    out: Out,
    number: u32,
    at: u64,
    frames: Vec<Frame>,
    entries: Vec<Entry>,
    /// What need not be in it again.
    earlier: Option<Earlier>,
    /// Members of the frame that is being gathered.
    batch: Vec<u8>,
    /// Frames that are being compressed, in order.
    under_way: VecDeque<Compressed>,
}

impl Writer {
    /// Begins an archive with that number in an empty file. What is in earlier ones is listed as being there.
    pub(crate) fn new(out: Out, number: u32, earlier: Option<Earlier>) -> Self {
        let batch = Vec::with_capacity(FRAME_BYTES);
        let (frames, entries, under_way) = (Vec::new(), Vec::new(), VecDeque::new());
        Self { out, number, at: 0, frames, entries, earlier, batch, under_way }
    }

    /// What earlier archives hold.
    pub(crate) fn earlier(&self) -> Option<&Earlier> {
        self.earlier.as_ref()
    }

    /// So many files and directories are going to be added.
    pub(crate) fn prepare_for(&mut self, count: usize) {
        self.entries.reserve(count);
    }

    /// From now on everything is held by this archive itself. Nothing may have been added.
    pub(crate) fn forget_earlier(&mut self) {
        self.earlier = None;
    }

    /// What was added so far.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Takes entries out of what will be listed; their content stays.
    pub(crate) fn unlist(&mut self, is_unwanted: impl Fn(&Entry) -> bool) {
        self.entries.retain(|entry| !is_unwanted(entry));
    }

    pub(crate) fn add_directory(&mut self, new: New) -> io::Result<()> {
        let offset = self.append(&new, true, 0)?;
        let place = self.next_frame(offset);
        self.list(new, 0, blake3::hash(b""), place);
        self.cut_if_full()
    }

    /// Lists a file that is as it was in an earlier archive, so that it need not be read; else answers that it must be.
    pub(crate) fn add_unchanged(&mut self, path: &ItemPath, key: &Key, looked: &Looked) -> bool {
        let found = self.earlier.as_mut().and_then(|earlier| earlier.take_unchanged(key, looked));
        let Some(known) = found else { return false };
        let new = New { path: path.clone(), kind: known.kind, id: known.id, times: Times::of(looked) };
        self.list(new, looked.stat.len, known.hash, known.place);
        true
    }

    /// Where an earlier archive holds that content.
    fn held_earlier(&mut self, hash: &blake3::Hash, size: u64) -> Option<Place> {
        self.earlier.as_mut()?.take_content(hash, size).map(|known| known.place)
    }

    /// Adds a file whose content is at hand.
    pub(crate) fn add(&mut self, new: New, content: &[u8]) -> io::Result<()> {
        let (size, hash) = (content.len() as u64, blake3::hash(content));
        if let Some(place) = self.held_earlier(&hash, size) {
            self.list(new, size, hash, place);
            return Ok(());
        }
        if self.batch.len() + content.len() > FRAME_BYTES && !self.batch.is_empty() {
            self.cut()?;
        }
        let offset = self.append(&new, false, size)?;
        self.batch.extend_from_slice(content);
        self.batch.extend_from_slice(padding(size));
        let place = self.next_frame(offset);
        self.list(new, size, hash, place);
        self.cut_if_full()
    }

    /// Adds a large file as a frame of its own, without holding it whole.
    pub(crate) fn add_large(&mut self, new: New, size: u64, content: impl Read) -> io::Result<Large> {
        self.cut()?;
        self.drain(0)?;
        let header = member(&new, false, size).to_bytes()?;
        let plain = header.len() as u64 + size + padding(size).len() as u64;
        let mut content = Hashed::new(content.take(size));
        self.out.hold()?;
        let frame = self.stream(plain, |out| {
            out.write_all(&header)?;
            if io::copy(&mut content, out)? != size {
                return Ok(false);
            }
            out.write_all(padding(size)).map(|()| true)
        })?;
        let Some(frame) = frame else {
            self.out.take_back()?;
            return Ok(Large::Shrunk);
        };
        let hash = content.hash();
        let place = match self.held_earlier(&hash, size) {
            Some(place) => {
                self.out.take_back()?;
                place
            }
            None => {
                self.out.keep()?;
                let place = self.next_frame(0);
                self.push(frame);
                place
            }
        };
        self.list(new, size, hash, place);
        Ok(Large::Added)
    }

    /// Writes the manifest and the footer.
    pub(crate) fn finish(mut self, mut header: Header) -> io::Result<Written> {
        self.cut()?;
        self.drain(0)?;
        self.entries.sort_by_key(|entry| entry.place);
        (header.frames, header.entries) = (self.frames.len() as u64, self.entries.len() as u64);
        let used: BTreeSet<u32> = self.entries.iter().map(|entry| entry.place.archive).collect();
        header.chain = self.earlier.take().map(|earlier| earlier.links(&used)).unwrap_or_default();
        let manifest =
            Manifest { header, frames: std::mem::take(&mut self.frames), entries: std::mem::take(&mut self.entries) };
        let mut counter = Counter(0);
        manifest.write(&mut counter)?;
        let size = counter.0;
        let mtime = u64::try_from(manifest.header.created).unwrap_or(0);
        let head = Member { name: MANIFEST.into(), directory: false, size, mtime }.to_bytes()?;
        let plain = head.len() as u64 + size + (padding(size).len() + TAR_END.len()) as u64;
        let frame = self.stream(plain, |out| {
            out.write_all(&head)?;
            manifest.write(&mut *out)?;
            out.write_all(padding(size))?;
            out.write_all(&TAR_END).map(|()| true)
        })?;
        let Some(Frame { at, length, plain, hash }) = frame else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let footer = Footer { format: super::FORMAT, at, length, plain, hash };
        let footer = footer.to_bytes();
        self.out.write_all(&footer)?;
        let length = at + length + footer.len() as u64;
        Ok(Written { manifest, length, footer: blake3::hash(&footer), out: self.out })
    }

    /// Puts a member's header into the frame that is being gathered; answers where it begins there.
    fn append(&mut self, new: &New, directory: bool, size: u64) -> io::Result<u64> {
        let offset = self.batch.len() as u64;
        self.batch.extend(member(new, directory, size).to_bytes()?);
        Ok(offset)
    }

    /// A place in the frame that comes next.
    fn next_frame(&self, offset: u64) -> Place {
        let frame = u32::try_from(self.frames.len() + self.under_way.len()).unwrap_or(u32::MAX);
        Place { archive: self.number, frame, offset }
    }

    fn list(&mut self, new: New, size: u64, hash: blake3::Hash, place: Place) {
        let New { path, kind, id, times: Times { mtime_ns, inode, ctime_ns } } = new;
        self.entries.push(Entry { path, kind, id, size, mtime_ns, inode, ctime_ns, hash, place });
    }

    fn cut_if_full(&mut self) -> io::Result<()> {
        if self.batch.len() < FRAME_BYTES { Ok(()) } else { self.cut() }
    }

    /// Ends the frame that is being gathered.
    fn cut(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.drain(WORKERS - 1)?;
        let plain = std::mem::replace(&mut self.batch, Vec::with_capacity(FRAME_BYTES));
        self.under_way.push_back(thread::spawn(move || Ok((compress(&plain)?, plain.len() as u64))));
        Ok(())
    }

    /// Writes frames that are compressed, until at most so many are under way.
    fn drain(&mut self, at_most: usize) -> io::Result<()> {
        while self.under_way.len() > at_most {
            let Some(frame) = self.under_way.pop_front() else { break };
            let joined = frame.join().map_err(|_| io::Error::other("the compression broke off"))?;
            let (bytes, plain) = joined?;
            self.out.write_all(&bytes)?;
            self.push(Frame { at: self.at, length: bytes.len() as u64, plain, hash: blake3::hash(&bytes) });
        }
        Ok(())
    }

    /// Notes a frame that was written.
    fn push(&mut self, frame: Frame) {
        self.at += frame.length;
        self.frames.push(frame);
    }

    /// Writes a frame whose content is streamed; `None` where `write` says that it is not good.
    fn stream(
        &mut self,
        plain: u64,
        write: impl FnOnce(&mut dyn Write) -> io::Result<bool>,
    ) -> io::Result<Option<Frame>> {
        let mut encoder =
            zstd::Encoder::new(Measured { out: &mut self.out, hasher: blake3::Hasher::new(), length: 0 }, LEVEL)?;
        encoder.include_checksum(true)?;
        encoder.multithread(WORKERS as u32)?;
        encoder.set_parameter(CParameter::JobSize(JOB_BYTES))?;
        // The encoder is slow at taking a few bytes at a time.
        let mut out = BufWriter::with_capacity(GATHERED, encoder);
        let good = write(&mut out)?;
        let Measured { hasher, length, .. } = out.into_inner().map_err(IntoInnerError::into_error)?.finish()?;
        Ok(good.then(|| Frame { at: self.at, length, plain, hash: hasher.finalize() }))
    }
}

fn member(new: &New, directory: bool, size: u64) -> Member {
    let name = [PREFIX.as_bytes(), new.path.as_bytes()].concat();
    Member { name, directory, size, mtime: u64::try_from(new.times.mtime_ns / 1_000_000_000).unwrap_or(0) }
}

fn compress(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    compressor.include_checksum(true)?;
    compressor.compress(plain)
}

/// Hashes what is read.
pub(crate) struct Hashed<R> {
    inner: R,
    hasher: blake3::Hasher,
}

impl<R> Hashed<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hasher: blake3::Hasher::new() }
    }

    /// The hash of what was read so far.
    pub(crate) fn hash(&self) -> blake3::Hash {
        self.hasher.finalize()
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Hashes and counts what is written.
struct Measured<'o> {
    out: &'o mut Out,
    hasher: blake3::Hasher,
    length: u64,
}

impl Write for Measured<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
