//! Encryption: an encrypted archive is a whole archive in an age file (<https://age-encryption.org/v1>), so that `age -d` gives it back.
//!
//! age encrypts in chunks of 64 KiB, each of which can be read by itself. So nothing else about an archive is different: its footer, its manifest and each
//! frame are read where they lie, without the rest.
//!
//! Whoever makes backups needs only what the recipients publish. What this machine must know of its own archives without being able to read them is in its
//! record and its [`super::memory`].

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use age::stream::{StreamReader, StreamWriter};
use age::{DecryptError, Decryptor, Encryptor, IdentityFile, x25519};

use super::target::{Content, Store, Unfinished};

/// The plain bytes of a chunk.
const CHUNK: u64 = 64 << 10;

/// An identity file is not longer.
const MAX_KEYS: u64 = 1 << 20;

/// Who can read encrypted archives.
#[derive(Clone)]
pub struct Recipients(Vec<(String, x25519::Recipient)>);

/// What opens encrypted archives. Never shown.
#[derive(Clone, Default)]
pub struct Keys(Arc<Vec<Box<dyn age::Identity + Send + Sync>>>);

/// What is wrong with recipients or keys.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It is no recipient.
    #[error("{text:?} is no recipient of age: it begins with age1, and age-keygen prints it")]
    Recipient {
        /// What was given.
        text: String,
    },
    /// A file has no keys.
    #[error("cannot read the keys in {}: {reason}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// Why an encrypted file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There are no keys.
    #[error("it is encrypted, and no key was given: name the file with it by --age-identity or PIMSYNC_AGE_IDENTITY")]
    NoKey,
    /// None of the keys fits.
    #[error("it is encrypted for others: none of the keys that were given opens it")]
    WrongKey,
    /// It is no age file.
    #[error("it is no age file, or damaged at its begin: {0}")]
    Damaged(String),
}

impl Recipients {
    /// Takes the recipients, in any order.
    ///
    /// # Errors
    /// That one is none.
    pub fn new(texts: &[String]) -> Result<Self, SealError> {
        let parse = |text: &String| match text.parse() {
            Ok(recipient) => Ok((text.clone(), recipient)),
            Err(_) => Err(SealError::Recipient { text: text.clone() }),
        };
        let mut all = texts.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all.dedup_by(|(one, _), (other, _)| one == other);
        Ok(Self(all))
    }

    /// As they were given, sorted.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(text, _)| text.as_str())
    }
}

impl std::fmt::Debug for Recipients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

impl Keys {
    /// Reads an identity file, as `age-keygen` writes it.
    ///
    /// # Errors
    /// That it cannot be read, or has no keys.
    pub fn read(path: &Path) -> Result<Self, SealError> {
        let bad = |reason: String| SealError::Keys { path: path.to_owned(), reason };
        // Not only a regular file: a shell can put the output of a program there, such as of age -d.
        let file = File::open(path).map_err(|error| bad(error.to_string()))?;
        let read = IdentityFile::from_buffer(BufReader::new(file.take(MAX_KEYS)));
        let keys = read.map_err(|error| bad(error.to_string()))?.into_identities();
        let keys = keys.map_err(|error| bad(error.to_string()))?;
        if keys.is_empty() { Err(bad("there are none".to_owned())) } else { Ok(Self(Arc::new(keys))) }
    }

    fn open(&self, content: Box<dyn Content>) -> io::Result<Reader> {
        let decryptor = Decryptor::new_buffered(BufReader::new(content)).map_err(open_error)?;
        if self.0.is_empty() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, OpenError::NoKey));
        }
        decryptor.decrypt(self.0.iter().map(|key| &**key as &dyn age::Identity)).map_err(open_error)
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("count", &self.0.len()).finish()
    }
}

fn open_error(error: DecryptError) -> io::Error {
    match error {
        DecryptError::Io(error) => error,
        DecryptError::NoMatchingKeys => io::Error::new(io::ErrorKind::PermissionDenied, OpenError::WrongKey),
        other => io::Error::new(io::ErrorKind::InvalidData, OpenError::Damaged(other.to_string())),
    }
}

type Reader = StreamReader<BufReader<Box<dyn Content>>>;

/// An encrypted file, read as what is in it.
pub(super) struct Unsealed {
    store: Arc<dyn Store>,
    file: OsString,
    keys: Keys,
    /// None after a chunk that cannot be read: the reader does not find out of one by itself.
    reader: Option<Reader>,
}

impl Unsealed {
    pub(super) fn open(store: Arc<dyn Store>, file: OsString, keys: Keys) -> io::Result<Self> {
        let reader = Some(keys.open(store.open(&file)?)?);
        Ok(Self { store, file, keys, reader })
    }

    fn reader(&mut self) -> io::Result<&mut Reader> {
        if self.reader.is_none() {
            self.reader = Some(self.keys.open(self.store.open(&self.file)?)?);
        }
        self.reader.as_mut().ok_or_else(|| io::ErrorKind::Other.into())
    }

    /// Copies all chunks that can be read to their places in a file; what cannot be is a hole there.
    pub(super) fn copy_what_is_whole(mut self, to: &mut File) -> io::Result<()> {
        let end = self.store.length(&self.file)?.unwrap_or(0);
        let mut chunk = Vec::with_capacity(usize::try_from(CHUNK).unwrap_or_default());
        for at in (0..end).step_by(usize::try_from(CHUNK).unwrap_or(usize::MAX)) {
            chunk.clear();
            if self.read_chunk(at, &mut chunk).is_ok() {
                to.seek(SeekFrom::Start(at))?;
                to.write_all(&chunk)?;
                if (chunk.len() as u64) < CHUNK {
                    break;
                }
            }
        }
        to.rewind()
    }

    fn read_chunk(&mut self, at: u64, chunk: &mut Vec<u8>) -> io::Result<()> {
        let starts_anew = self.reader.is_none();
        let reader = self.reader()?;
        if starts_anew {
            // Its begin is only found by way of the end, which may be missing; its second byte is found without.
            reader.seek(SeekFrom::Start(at + 1))?;
            reader.seek(SeekFrom::Start(at))?;
        }
        let read = reader.take(CHUNK).read_to_end(chunk);
        if read.is_err() {
            self.reader = None;
        }
        read.map(drop)
    }
}

impl Read for Unsealed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.reader {
            Some(reader) => reader.read(buffer),
            None => return Err(io::ErrorKind::InvalidData.into()),
        };
        if read.is_err() {
            self.reader = None;
        }
        read
    }
}

impl Seek for Unsealed {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let sought = self.reader()?.seek(to);
        if sought.is_err() {
            self.reader = None;
        }
        sought
    }
}

/// What was written of an encrypted file: its bytes, and their hash.
#[derive(Clone, Default)]
pub(super) struct Tally(Arc<Mutex<(u64, blake3::Hasher)>>);

impl Tally {
    fn add(&self, bytes: &[u8]) {
        if let Ok(mut tally) = self.0.lock() {
            tally.0 += bytes.len() as u64;
            tally.1.update(bytes);
        }
    }

    /// The file's bytes, and the hash of all of them. None where a thread that wrote it broke off.
    pub(super) fn told(&self) -> Option<(u64, blake3::Hash)> {
        self.0.lock().ok().map(|tally| (tally.0, tally.1.finalize()))
    }
}

/// Tells a tally what is written.
struct Tallied {
    out: Box<dyn Unfinished>,
    tally: Tally,
}

impl Write for Tallied {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.tally.add(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Encrypts what is written.
struct Sealing(StreamWriter<Tallied>);

/// Encrypts all that is written to a file from here on.
pub(super) fn seal(out: Box<dyn Unfinished>, recipients: &Recipients, tally: Tally) -> io::Result<Box<dyn Unfinished>> {
    let all = recipients.0.iter().map(|(_, recipient)| recipient as &dyn age::Recipient);
    let encryptor = Encryptor::with_recipients(all).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Box::new(Sealing(encryptor.wrap_output(Tallied { out, tally })?)))
}

impl Write for Sealing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Unfinished for Sealing {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.finish()?.out.finish()
    }
}
