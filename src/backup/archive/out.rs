//! What an archive is written to.
//!
//! A frame whose content is streamed may have to be taken back: its file shrank meanwhile, or turned out to be held by an earlier archive. The end of a
//! file can be taken back; what went into an upload or through a cipher cannot, so it is held back until it is known to stay.

use std::io::{self, Seek as _, Write};
use std::path::PathBuf;

use tempfile::SpooledTempFile;

use crate::backup::target::{NewFile, Unfinished};

/// So much is held back in memory; more of it in a file without a name.
const IN_MEMORY: usize = 8 << 20;

/// An archive's file, before it has its name. Dropped, it leaves nothing.
pub(in crate::backup) enum Out {
    /// A file on a disk.
    File(NewFile),
    /// What can only be added to.
    Stream(Held),
}

/// Something that can only be added to, and what is held back of it.
pub(in crate::backup) struct Held {
    out: Box<dyn Unfinished>,
    scratch: PathBuf,
    held: Option<SpooledTempFile>,
}

impl Out {
    /// Wraps what can only be added to. What is held back for a while lies in `scratch`.
    pub(in crate::backup) fn stream(out: Box<dyn Unfinished>, scratch: PathBuf) -> Self {
        Self::Stream(Held { out, scratch, held: None })
    }

    /// The file itself, to be written to through something else.
    pub(in crate::backup) fn into_inner(self) -> Box<dyn Unfinished> {
        match self {
            Self::File(file) => Box::new(file),
            Self::Stream(held) => held.out,
        }
    }

    /// From here on what is written may be taken back.
    pub(super) fn hold(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.mark(),
            Self::Stream(held) => {
                held.held = Some(tempfile::spooled_tempfile_in(IN_MEMORY, &held.scratch));
                Ok(())
            }
        }
    }

    /// What was written since [`Self::hold`] stays.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        let Self::Stream(Held { out, held, .. }) = self else { return Ok(()) };
        let Some(mut held) = held.take() else { return Ok(()) };
        held.rewind()?;
        io::copy(&mut held, out).map(drop)
    }

    /// What was written since [`Self::hold`] was never written.
    pub(super) fn take_back(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.take_back(),
            Self::Stream(held) => {
                held.held = None;
                Ok(())
            }
        }
    }

    /// Makes it durable, and gives it its name. Never over another one.
    pub(in crate::backup) fn finish(self) -> io::Result<()> {
        match self {
            Self::File(file) => Box::new(file).finish(),
            Self::Stream(held) => held.out.finish(),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stream(Held { held: Some(held), .. }) => held.write(bytes),
            Self::Stream(Held { out, .. }) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stream(Held { held: Some(held), .. }) => held.flush(),
            Self::Stream(Held { out, .. }) => out.flush(),
        }
    }
}
