//! A message's file on its way to the server: what is noted of it, and its bytes.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use crate::format::mime;
use crate::local::{FolderDir, LocalError, LocalRead, MessageName};
use crate::pim::{Digest, UnixTime};
use crate::remote::BodySource;
use crate::sync::bodies::rendering_of_file;

/// Files up to this size are read once, and sent from memory: what is noted of them is what was sent, whoever writes into them meanwhile.
const SMALL: u64 = 256 << 10;

/// What is noted of a file that is uploaded.
pub(super) struct FileFacts {
    pub(super) digest: Digest,
    pub(super) len: u64,
    pub(super) received: UnixTime,
    /// Of a draft: by it, an edit there is told from one here.
    pub(super) rendering: Option<Digest>,
    /// All of a small file.
    bytes: Option<Arc<[u8]>>,
}

/// Whether it has to be known what a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// A draft, which is edited on either side.
    ToBeEdited,
    /// Any other message.
    ToStay,
}

impl FileFacts {
    /// Reads a file. `None` when it vanished.
    pub(super) fn read<L: LocalRead>(
        local: &L,
        dir: &FolderDir,
        name: &MessageName,
        meant: Meant,
    ) -> Result<Option<Self>, LocalError> {
        let Some(file) = local.open(dir, name)? else { return Ok(None) };
        match small(file) {
            Ok(Some(bytes)) => Self::of_bytes(local, dir, name, bytes, meant),
            // What cannot be read to the end is told by the reading that names it.
            Ok(None) | Err(_) => Self::of_file(local, dir, name, meant),
        }
    }

    fn of_bytes<L: LocalRead>(
        local: &L,
        dir: &FolderDir,
        name: &MessageName,
        bytes: Vec<u8>,
        meant: Meant,
    ) -> Result<Option<Self>, LocalError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&bytes);
        let facts = mime::facts(bytes.as_slice()).ok();
        let Some(received) = received(local, dir, name, facts)? else { return Ok(None) };
        let rendering = match meant {
            Meant::ToBeEdited => mime::semantic_digest(bytes.as_slice()).ok(),
            Meant::ToStay => None,
        };
        let (digest, len) = (Digest::of(&hasher), bytes.len() as u64);
        Ok(Some(Self { digest, len, received, rendering, bytes: Some(bytes.into()) }))
    }

    fn of_file<L: LocalRead>(
        local: &L,
        dir: &FolderDir,
        name: &MessageName,
        meant: Meant,
    ) -> Result<Option<Self>, LocalError> {
        let Some((digest, len)) = local.digest(dir, name)? else { return Ok(None) };
        let facts = local.open(dir, name)?.and_then(|file| mime::facts(io::BufReader::new(file)).ok());
        let Some(received) = received(local, dir, name, facts)? else { return Ok(None) };
        let rendering = match meant {
            Meant::ToBeEdited => rendering_of_file(local, dir, name),
            Meant::ToStay => None,
        };
        Ok(Some(Self { digest, len, received, rendering, bytes: None }))
    }

    /// The file as the source of an upload.
    pub(super) fn body<L: LocalRead>(&self, local: &Arc<L>, dir: FolderDir, name: MessageName) -> FileBody<L> {
        match &self.bytes {
            Some(bytes) => FileBody::Read(Arc::clone(bytes)),
            None => FileBody::OnDisk { local: Arc::clone(local), dir, name },
        }
    }
}

/// The bytes of a small file; `None` of a larger one.
fn small(mut file: std::fs::File) -> io::Result<Option<Vec<u8>>> {
    let len = file.metadata()?.len();
    if len > SMALL {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default().saturating_add(1));
    file.by_ref().take(SMALL + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= SMALL))
}

/// When the message came, as its headers or else its file tell; `None` when it vanished.
fn received<L: LocalRead>(
    local: &L,
    dir: &FolderDir,
    name: &MessageName,
    facts: Option<mime::MessageFacts>,
) -> Result<Option<UnixTime>, LocalError> {
    match facts.and_then(|facts| facts.received.or(facts.date)) {
        Some(told) => Ok(Some(told)),
        None => Ok(local.stat(dir, name)?.map(|stat| stat.mtime())),
    }
}

/// A message's file as the source of an upload.
pub(super) enum FileBody<L> {
    /// It was read.
    Read(Arc<[u8]>),
    /// It is read as it is sent.
    OnDisk { local: Arc<L>, dir: FolderDir, name: MessageName },
}

impl<L: LocalRead> BodySource for FileBody<L> {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Self::Read(bytes) => Ok(Box::new(Cursor::new(Arc::clone(bytes)))),
            Self::OnDisk { local, dir, name } => {
                let file = local.open(dir, name).map_err(|error| io::Error::other(error.to_string()))?;
                match file {
                    Some(file) => Ok(Box::new(io::BufReader::with_capacity(64 * 1024, file))),
                    None => Err(io::Error::new(io::ErrorKind::NotFound, "the file vanished")),
                }
            }
        }
    }
}
