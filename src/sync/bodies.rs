//! Where message bodies go as they come off the wire.

use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;

use super::{Observer, Progress, SyncError};
use crate::format::mime;
use crate::local::{FolderDir, LocalError, LocalRead, LocalWrite, MessageName, Staged};
use crate::pim::{Digest, ItemId};
use crate::remote::{BodySink, Fetched, ItemErrorClass, PerItem, RemoteRead};

/// Nameless files that are open at a time.
const OPEN_AT_ONCE: usize = 64;

/// Writes each body into a file in the folder's `tmp`.
pub(super) struct StagingSink<L> {
    local: Arc<L>,
    dir: FolderDir,
    observer: Arc<dyn Observer>,
    slots: Vec<Option<Staged>>,
    current: usize,
    /// The disk's own words, since the sink can only pass on an [`io::Error`].
    pub(super) failure: Option<LocalError>,
}

impl<L: LocalWrite> StagingSink<L> {
    pub(super) fn new(local: Arc<L>, dir: FolderDir, observer: Arc<dyn Observer>, slots: usize) -> Self {
        let slots = std::iter::repeat_with(|| None).take(slots).collect();
        Self { local, dir, observer, slots, current: 0, failure: None }
    }

    /// What came for a slot.
    pub(super) fn take(&mut self, slot: usize) -> Option<Staged> {
        self.slots.get_mut(slot).and_then(Option::take)
    }

    fn fail(&mut self, error: LocalError) -> io::Error {
        self.failure = Some(error);
        io::Error::other("the message cannot be written to disk")
    }
}

impl<L: LocalWrite> BodySink for StagingSink<L> {
    fn begin(&mut self, slot: usize) -> io::Result<()> {
        self.current = slot;
        let begun = match self.take(slot) {
            Some(mut staged) => staged.restart().map(|()| staged),
            None => self.local.stage(&self.dir),
        };
        let staged = begun.map_err(|error| self.fail(error))?;
        let place = self.slots.get_mut(slot).ok_or_else(|| io::Error::other("a body that was not asked for"))?;
        *place = Some(staged);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let slot = self.slots.get_mut(self.current).and_then(Option::as_mut);
        let staged = slot.ok_or_else(|| io::Error::other("a body without a beginning"))?;
        if let Err(error) = staged.write_all(bytes) {
            let error = LocalError::io("write", staged.path(), error);
            return Err(self.fail(error));
        }
        self.observer.progress(&Progress::Bytes(bytes.len() as u64));
        Ok(())
    }
}

/// Writes bodies into nameless files outside the tree, for a look at them.
struct LookingSink {
    slots: Vec<Option<std::fs::File>>,
    current: usize,
}

impl BodySink for LookingSink {
    fn begin(&mut self, slot: usize) -> io::Result<()> {
        self.current = slot;
        let place = self.slots.get_mut(slot).ok_or_else(|| io::Error::other("a body that was not asked for"))?;
        *place = Some(tempfile::tempfile()?);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let slot = self.slots.get_mut(self.current).and_then(Option::as_mut);
        slot.ok_or_else(|| io::Error::other("a body without a beginning"))?.write_all(bytes)
    }
}

/// What a look at a body on the server came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rendering {
    /// It says this (semantic digest).
    Says(Digest),
    /// It could not be read just now.
    NotNow,
    /// The server cannot render it, so that there is nothing to compare with.
    Never,
}

impl Rendering {
    pub(super) fn digest(self) -> Option<Digest> {
        match self {
            Self::Says(digest) => Some(digest),
            Self::NotNow | Self::Never => None,
        }
    }

    fn of(answer: PerItem<Fetched>, file: Option<std::fs::File>) -> Self {
        match answer {
            Ok(Fetched::Rendered) => file.and_then(says).map_or(Self::NotNow, Self::Says),
            Ok(Fetched::Rebuilt) => Self::Never,
            Err(error) => match error.class {
                ItemErrorClass::Unrenderable | ItemErrorClass::Permanent => Self::Never,
                ItemErrorClass::Gone
                | ItemErrorClass::Conflict
                | ItemErrorClass::Exists
                | ItemErrorClass::Transient
                | ItemErrorClass::Unknown
                | ItemErrorClass::Quota
                | ItemErrorClass::Denied => Self::NotNow,
            },
        }
    }
}

fn says(mut file: std::fs::File) -> Option<Digest> {
    file.seek(SeekFrom::Start(0)).ok()?;
    mime::semantic_digest(io::BufReader::new(file)).ok()
}

/// What bodies on the server say.
pub(super) async fn renderings<R: RemoteRead>(
    remote: &R,
    items: &[(ItemId, u64)],
) -> Result<Vec<Rendering>, SyncError> {
    let mut told = Vec::with_capacity(items.len());
    for items in items.chunks(OPEN_AT_ONCE) {
        let mut sink = LookingSink { slots: std::iter::repeat_with(|| None).take(items.len()).collect(), current: 0 };
        let answers = remote.bodies(items, &mut sink).await?;
        let look = |(answer, file)| Rendering::of(answer, file);
        told.extend(tokio::task::block_in_place(|| answers.into_iter().zip(sink.slots).map(look).collect::<Vec<_>>()));
    }
    Ok(told)
}

/// The semantic digest of a file; `None` when it vanished or cannot be read.
pub(super) fn rendering_of_file<L: LocalRead>(local: &L, dir: &FolderDir, name: &MessageName) -> Option<Digest> {
    let file = local.open(dir, name).ok()??;
    mime::semantic_digest(io::BufReader::new(file)).ok()
}
