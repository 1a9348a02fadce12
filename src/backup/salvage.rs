//! What can be had from an archive whose end is missing or damaged: every frame that is whole, found by reading from the start.
//!
//! Without a manifest nothing tells what was there; each frame's own checksum tells that what comes out is what went in.

use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use super::archive::{MANIFEST, PREFIX, decoder, read_member};
use super::restore::Stage;
use super::target::Content;
use super::{BackupError, ItemPath, Stored};

/// How each zstd frame begins (RFC 8878 §3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Frames up to this size are held in memory until their checksum is seen, larger ones in a file.
const SPOOL_BYTES: usize = 8 << 20;

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames that were whole.
    pub frames: u64,
    /// Bytes of the file that belong to no whole frame.
    pub unreadable: u64,
    /// Files that were met but not taken, and why.
    pub refused: Vec<String>,
}

/// Brings all files of all whole frames into the directory `to`, which must not exist, or be empty.
///
/// # Errors
/// That the archive cannot be read, or `to` not be written.
pub fn salvage(stored: &Stored, to: &Path) -> Result<Salvaged, BackupError> {
    let failed = |error| BackupError::io("read", stored.location(), error);
    let stage = Stage::begin(to, 0)?;
    let mut content = stored.open_damaged(stage.parent())?;
    let length = content.seek(SeekFrom::End(0)).map_err(failed)?;
    let mut salvaged = Salvaged::default();
    let mut at = 0;
    while let Some(start) = next_magic(&mut *content, at, length).map_err(failed)? {
        salvaged.unreadable += start - at;
        at = match whole_frame(&mut *content, start, length).map_err(failed)? {
            Some((mut plain, size)) => {
                salvaged.frames += 1;
                take_members(&mut plain, &stage, &mut salvaged)?;
                start + size
            }
            None => {
                salvaged.unreadable += 1;
                start + 1
            }
        };
    }
    salvaged.unreadable += length.saturating_sub(at);
    stage.finish()?;
    Ok(salvaged)
}

/// The next place from `at` on where a frame may begin.
fn next_magic(content: &mut dyn Content, at: u64, length: u64) -> io::Result<Option<u64>> {
    let mut buffer = vec![0; 64 * 1024];
    let mut at = at;
    while at + (MAGIC.len() as u64) <= length {
        content.seek(SeekFrom::Start(at))?;
        let count = content.read(&mut buffer)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if let Some(found) = memchr::memmem::find(bytes, &MAGIC) {
            return Ok(Some(at + found as u64));
        }
        // The magic number may begin in what was read and end behind it.
        at += (count as u64).saturating_sub(MAGIC.len() as u64 - 1).max(1);
    }
    Ok(None)
}

type Spool = tempfile::SpooledTempFile;

/// The content of the frame that begins there, with the frame's size; `None` where it is not whole.
fn whole_frame(content: &mut dyn Content, start: u64, length: u64) -> io::Result<Option<(Spool, u64)>> {
    content.seek(SeekFrom::Start(start))?;
    let Ok(mut decoder) = decoder((&mut *content).take(length - start)) else { return Ok(None) };
    let mut plain = tempfile::spooled_tempfile(SPOOL_BYTES);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => io::Write::write_all(&mut plain, buffer.get(..count).unwrap_or_default())?,
            Err(_) => return Ok(None),
        }
    }
    let rest: BufReader<_> = decoder.finish();
    let used = (length - start) - rest.get_ref().limit() - rest.buffer().len() as u64;
    plain.rewind()?;
    Ok(Some((plain, used)))
}

/// Brings out the members of a frame. What is odd about one ends the frame: where the next one begins is not known then.
fn take_members(plain: &mut Spool, stage: &Stage, salvaged: &mut Salvaged) -> Result<(), BackupError> {
    loop {
        let member = match read_member(plain) {
            Ok(Some(member)) => member,
            Ok(None) => return Ok(()),
            Err(error) => {
                salvaged.refused.push(error.to_string());
                return Ok(());
            }
        };
        let blocks = member.size.div_ceil(512).saturating_mul(512);
        let name = String::from_utf8_lossy(&member.name).into_owned();
        let path = member.name.strip_prefix(PREFIX.as_bytes()).ok_or("it lies elsewhere").and_then(ItemPath::new);
        let mut content = plain.take(blocks);
        if let (Ok(path), false) = (&path, member.directory) {
            take_file(&mut content, path, &member, stage, salvaged)?;
        } else if !member.directory && name != MANIFEST {
            salvaged.refused.push(format!("{name}: {}", path.err().unwrap_or_default()));
        }
        if io::copy(&mut content, &mut io::sink()).is_err() {
            return Ok(());
        }
    }
}

fn take_file(
    content: &mut impl Read,
    path: &ItemPath,
    member: &super::archive::Member,
    stage: &Stage,
    salvaged: &mut Salvaged,
) -> Result<(), BackupError> {
    let (full, mut file) = match stage.create(path) {
        Ok(created) => created,
        // The same path twice: the first one stays.
        Err(BackupError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
            salvaged.refused.push(format!("{path}: it is there twice"));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let copied =
        io::copy(&mut content.take(member.size), &mut file).map_err(|error| BackupError::io("write", &full, error))?;
    if copied != member.size {
        salvaged.refused.push(format!("{path}: it is cut"));
        return std::fs::remove_file(&full).map_err(|error| BackupError::io("remove", &full, error));
    }
    let mtime_ns = i64::try_from(member.mtime).unwrap_or(0).saturating_mul(1_000_000_000);
    stage.keep(&file, &full, copied, mtime_ns)?;
    salvaged.files += 1;
    salvaged.bytes += copied;
    Ok(())
}
