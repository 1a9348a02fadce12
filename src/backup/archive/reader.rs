//! Reading an archive. Nothing that it says is believed before its hash is checked, and nothing takes more memory than is bounded here.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::footer::Footer;
use super::member::{Member, read_member, skip};
use super::{FORMAT, MANIFEST, PREFIX, WINDOW_LOG_MAX};
use crate::backup::manifest::{Entry, Frame, Hash, Manifest};
use crate::backup::{BackupError, Damage};

/// A manifest is mostly hashes, which do not compress: one that grows more than this is a bomb.
const MANIFEST_GROWTH: u64 = 64;

/// A whole archive.
pub struct Archive {
    path: PathBuf,
    file: File,
    length: u64,
    manifest: Manifest,
}

impl Archive {
    /// Opens an archive that is whole, as its footer and manifest tell. Its frames are not looked at.
    ///
    /// # Errors
    /// [`BackupError::Incomplete`] for a file that was cut or is no archive; [`BackupError::Manifest`]; [`BackupError::OtherFormat`].
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let io = |source| BackupError::io("read", path, source);
        let mut file = crate::local::platform::open_file(path).map_err(io)?;
        let meta = file.metadata().map_err(io)?;
        if !meta.is_file() {
            return Err(io(io::Error::other("it is no regular file")));
        }
        let footer = read_footer(&mut file, meta.len()).map_err(io)?.ok_or_else(|| incomplete(path, CUT))?;
        if footer.format != FORMAT {
            return Err(BackupError::OtherFormat { path: path.to_owned(), found: footer.format });
        }
        let end = footer.at.checked_add(footer.length).and_then(|end| end.checked_add(Footer::LENGTH as u64));
        if end != Some(meta.len()) {
            return Err(incomplete(path, "its end does not fit to its length"));
        }
        let damaged = |reason| BackupError::Manifest { path: path.to_owned(), reason };
        let manifest = read_manifest(&mut file, &footer).map_err(damaged)?;
        if !manifest.header.chain.is_empty() {
            return Err(damaged("it builds upon other archives, which this version of pimsync cannot read".to_owned()));
        }
        if manifest.frames.last().map_or(0, |frame| frame.at + frame.length) != footer.at {
            return Err(damaged("its frames do not fill the file".to_owned()));
        }
        Ok(Self { path: path.to_owned(), file, length: meta.len(), manifest })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What it holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The frames that are not, byte for byte, what was written.
    ///
    /// # Errors
    /// That the file cannot be read.
    pub fn damaged_frames(&mut self) -> Result<Vec<Damage>, BackupError> {
        let mut damage = Vec::new();
        for number in 0..self.manifest.frames.len() {
            damage.extend(self.check_frame(number)?);
        }
        Ok(damage)
    }

    fn check_frame(&mut self, number: usize) -> Result<Option<Damage>, BackupError> {
        let Some(frame) = self.manifest.frames.get(number).copied() else { return Ok(None) };
        let io = |source| BackupError::io("read", &self.path, source);
        self.file.seek(SeekFrom::Start(frame.at)).map_err(io)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader((&self.file).take(frame.length)).map_err(io)?;
        Ok((hasher.finalize() != frame.hash).then(|| damage(number, &frame, "its content was changed")))
    }

    /// Begins to read a frame.
    ///
    /// # Errors
    /// That the file cannot be read.
    pub(crate) fn frame(&mut self, number: usize) -> Result<Option<FrameReader<'_>>, BackupError> {
        let Some(frame) = self.manifest.frames.get(number).copied() else { return Ok(None) };
        let io = |source| BackupError::io("read", &self.path, source);
        self.file.seek(SeekFrom::Start(frame.at)).map_err(io)?;
        let decoder = decoder((&self.file).take(frame.length)).map_err(io)?;
        Ok(Some(FrameReader { inner: decoder.take(frame.plain), at: 0 }))
    }

    /// Why a frame counts as damaged.
    pub(crate) fn damage(&self, number: usize, reason: &str) -> Option<Damage> {
        self.manifest.frames.get(number).map(|frame| damage(number, frame, reason))
    }
}

const CUT: &str = "its end is missing (it was cut off, is still being written, or is something else); restore --salvage brings out what is whole";

fn incomplete(path: &Path, reason: &'static str) -> BackupError {
    BackupError::Incomplete { path: path.to_owned(), reason }
}

fn damage(number: usize, frame: &Frame, reason: &str) -> Damage {
    Damage { frame: number, from: frame.at, to: frame.at + frame.length, reason: reason.to_owned() }
}

/// A decoder for one frame, whose memory is bounded.
pub(crate) fn decoder<R: Read>(reader: R) -> io::Result<zstd::Decoder<'static, BufReader<R>>> {
    let mut decoder = zstd::Decoder::new(reader)?.single_frame();
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(decoder)
}

fn read_footer(file: &mut File, length: u64) -> io::Result<Option<Footer>> {
    let Some(at) = length.checked_sub(Footer::LENGTH as u64) else { return Ok(None) };
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::with_capacity(Footer::LENGTH);
    file.take(Footer::LENGTH as u64).read_to_end(&mut bytes)?;
    Ok(Footer::parse(&bytes))
}

fn read_manifest(file: &mut File, footer: &Footer) -> Result<Manifest, String> {
    let words = |error: io::Error| error.to_string();
    if footer.plain > footer.length.saturating_mul(MANIFEST_GROWTH).saturating_add(1 << 20) {
        return Err("it grows beyond measure when it is decompressed".to_owned());
    }
    file.seek(SeekFrom::Start(footer.at)).map_err(words)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader((&*file).take(footer.length)).map_err(words)?;
    if hasher.finalize() != footer.hash {
        return Err("its content was changed".to_owned());
    }
    file.seek(SeekFrom::Start(footer.at)).map_err(words)?;
    let mut plain = decoder((&*file).take(footer.length)).map_err(words)?.take(footer.plain);
    match read_member(&mut plain).map_err(words)? {
        Some(Member { name, directory: false, size, .. }) if name == MANIFEST.as_bytes() => {
            Manifest::read(BufReader::new(plain.take(size)))
        }
        _ => Err("another member is in its place".to_owned()),
    }
}

/// The members of a frame, in their order.
pub(crate) struct FrameReader<'a> {
    inner: io::Take<zstd::Decoder<'static, BufReader<io::Take<&'a File>>>>,
    at: u64,
}

impl FrameReader<'_> {
    /// Copies the content of an entry of this frame, which must lie behind those that were copied before. Answers its hash.
    ///
    /// # Errors
    /// What is wrong with the archive, as `InvalidData`, `UnexpectedEof` or what zstd says; or what `out` says, marked by [`Failed`].
    pub(crate) fn copy(&mut self, entry: &Entry, out: &mut impl io::Write) -> io::Result<Hash> {
        let ahead = entry.place.offset.checked_sub(self.at).ok_or_else(overlap)?;
        skip(self, ahead)?;
        let member = read_member(self)?.ok_or_else(overlap)?;
        let name = member.name.strip_prefix(PREFIX.as_bytes());
        if name != Some(entry.path.as_bytes()) || member.size != entry.size || member.directory {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "another member is in its place"));
        }
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut left = entry.size;
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let count = self.read(buffer.get_mut(..room).unwrap_or_default())?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let bytes = buffer.get(..count).unwrap_or_default();
            hasher.update(bytes);
            out.write_all(bytes).map_err(|error| io::Error::other(Failed(error)))?;
            left -= count as u64;
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
