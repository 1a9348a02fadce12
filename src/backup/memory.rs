//! What is in the newest archive of a target, on this machine: of an encrypted one, so that the next one can build upon it though nobody has the key; of one in a
//! bucket, so that its manifest need not be fetched each time.
//!
//! It tells no more than the identity's own directory does, beside which it lies, and it is in no archive. Without it the
//! next archive holds everything, or the manifest is fetched.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, IntoInnerError, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::archive::decoder;
use super::manifest::{Entry, Manifest};
use super::{Location, Sealing};
use crate::identity::files;

/// No first line is longer.
const MAX_LINE: u64 = 64 * 1024;

const LEVEL: i32 = 3;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    /// Who can read the archive; nobody where it is not encrypted.
    recipients: Vec<String>,
}

/// The directory with what is remembered.
pub(super) struct Memory<'m> {
    pub(super) dir: &'m Path,
}

impl Memory<'_> {
    /// One file a target, named so that any target's location makes a name.
    fn path(&self, target: &Location) -> PathBuf {
        let name = blake3::hash(target.to_string().as_bytes()).to_hex();
        self.dir.join(format!("{}.jsonl.zst", name.get(..32).unwrap_or_default()))
    }

    /// Notes what is in an archive that was made in a target.
    pub(super) fn write(&self, target: &Location, sealing: Sealing<'_>, manifest: &Manifest) -> io::Result<()> {
        files::make_dirs(self.dir)?;
        let head = Head { recipients: sealing.recipients() };
        // The encoder is slow at taking a few bytes at a time.
        let mut out = BufWriter::with_capacity(64 << 10, zstd::Encoder::new(Vec::new(), LEVEL)?);
        writeln!(out, "{}", serde_json::to_string(&head)?)?;
        manifest.write(&mut out)?;
        let encoder = out.into_inner().map_err(IntoInnerError::into_error)?;
        files::write(&self.path(target), &encoder.finish()?)
    }

    /// What is in the newest archive of a target, where it was made for the same recipients. Each entry is given to `visit`, and none is kept; where
    /// nothing is returned, what was visited is worth nothing.
    pub(super) fn visit(&self, target: &Location, sealing: Sealing<'_>, visit: impl FnMut(Entry)) -> Option<Manifest> {
        let mut lines = BufReader::new(decoder(File::open(self.path(target)).ok()?).ok()?);
        let mut head = String::new();
        io::Read::take(&mut lines, MAX_LINE).read_line(&mut head).ok()?;
        let head: Head = serde_json::from_str(&head).ok()?;
        if head.recipients != sealing.recipients() {
            return None;
        }
        Manifest::visit(lines, visit).ok()
    }
}
