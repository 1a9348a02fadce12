//! Making a backup, from the cut to the name.

use std::path::{Path, PathBuf};

use super::archive::{FORMAT, New, Out, Times, Writer, Written};
use super::cut::Listing;
use super::earlier::Earlier;
use super::manifest::Link;
use super::manifest::{Header, Kind, Manifest};
use super::memory::Memory;
use super::record::{Made, Noted};
use super::seal::{Tally, seal};
use super::sink::Sink;
use super::{
    Alarm, ArchiveName, BackupError, CutReport, Form, ItemPath, Known, Location, Recipients, Stored, Target, check, cut,
};
use crate::identity::{IdentityName, Layout, Marker};
use crate::local::platform;
use crate::pim::UnixTime;
use crate::state::State;

/// What is backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What its archives are called after.
    name: String,
    /// The identity's id; nothing where the directory is no identity of ours.
    id: String,
    database: PathBuf,
    /// `state.db`, which is copied in another way than other files.
    state: Option<PathBuf>,
    /// Where that copy may lie for a while.
    scratch: PathBuf,
    /// Where what is in encrypted archives is remembered; none where nothing is.
    memory: Option<PathBuf>,
}

impl Source {
    /// An identity.
    pub fn identity(layout: &Layout, marker: &Marker) -> Self {
        Self {
            name: layout.identity().as_str().to_owned(),
            id: marker.identity.clone(),
            database: layout.database(),
            state: Some(layout.state()),
            scratch: layout.home(),
            memory: Some(layout.manifests()),
        }
    }

    /// Any directory, as it is: another program's, or an identity's that lies elsewhere.
    pub fn directory(name: &IdentityName, database: &Path, scratch: &Path) -> Self {
        let marker = Marker::read_in(database).ok();
        Self {
            name: name.as_str().to_owned(),
            state: marker.as_ref().map(|_| database.join("state.db")),
            id: marker.map(|marker| marker.identity).unwrap_or_default(),
            database: database.to_owned(),
            scratch: scratch.to_owned(),
            memory: None,
        }
    }
}

impl Source {
    /// What its archives are called after.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The identity's id; nothing where the directory is no identity of ours.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn database(&self) -> &Path {
        &self.database
    }

    /// Its `state.db`, where it has one.
    pub(super) fn state(&self) -> Option<&Path> {
        self.state.as_deref().filter(|state| state.exists())
    }

    pub(super) fn memory(&self) -> Option<Memory<'_>> {
        self.memory.as_deref().map(|dir| Memory { dir })
    }

    pub(super) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// What a file `state.db` in it is.
    pub(super) fn state_kind(&self) -> cut::State {
        if self.state.is_some() { cut::State::ADatabase } else { cut::State::AFile }
    }
}

/// How much an archive holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent<'a> {
    /// Everything.
    Full,
    /// What archives in the same target do not hold, as long as that is not more than half.
    New {
        /// What is known of the target.
        known: Option<&'a Known>,
    },
}

/// Whether an archive is encrypted.
#[derive(Clone, Copy, Debug)]
pub enum Sealing<'a> {
    /// It is not.
    None,
    /// These can read it, and nobody else.
    For(&'a Recipients),
}

impl Sealing<'_> {
    /// Who can read it, sorted.
    pub(super) fn recipients(self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::For(recipients) => recipients.texts().map(str::to_owned).collect(),
        }
    }

    /// What the archive's bytes are.
    pub(super) fn form(self) -> Form {
        match self {
            Self::None => Form::Plain,
            Self::For(_) => Form::Sealed,
        }
    }
}

/// A backup that was made.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The archive.
    pub archive: Stored,
    /// Its number.
    pub number: u32,
    /// Its id.
    pub id: String,
    /// When its backup began.
    pub created: UnixTime,
    /// Its bytes.
    pub length: u64,
    /// How many items are in it.
    pub items: u64,
    /// Files in all, items included.
    pub files: u64,
    /// The bytes of all files.
    pub bytes: u64,
    /// How many of the files are in this archive itself.
    pub stored: u64,
    /// The archives that hold the others; none for a full one.
    pub builds_upon: Vec<Link>,
    /// What its bytes are.
    pub form: Form,
    /// The hash of the whole file where it is encrypted, else of its footer.
    pub hash: blake3::Hash,
    /// What was lost, changed or unreadable, counted.
    pub noted_alarms: u64,
    /// What was met in the tree besides.
    pub report: CutReport,
    /// What the identity has lost or found changed since its last sync.
    pub alarms: Vec<Alarm>,
}

impl Taken {
    /// What is worth noting of it.
    pub fn note(&self) -> Noted {
        Noted {
            archive: Made { number: self.number, id: self.id.clone(), created: self.created.0 },
            form: self.form,
            length: self.length,
            blake3: self.hash.to_hex().to_string(),
            builds_upon: self.builds_upon.clone(),
            items: self.items,
            files: self.files,
            bytes: self.bytes,
            alarms: self.noted_alarms,
        }
    }
}

/// Archives the whole directory. `random` must be 128 random bits.
///
/// # Errors
/// What cannot be read of the identity or written to the target. Then the target is as it was before.
pub fn take(
    source: &Source,
    target: &Target,
    extent: Extent<'_>,
    sealing: Sealing<'_>,
    now: UnixTime,
    random: u128,
) -> Result<Taken, BackupError> {
    let identity = source.name.clone();
    let number = next_number(target, &identity)?;
    let name = ArchiveName { identity, created: now, number, form: sealing.form() };
    let begun = target.begin(&name, &source.scratch)?;
    let tally = Tally::default();
    let out = match sealing {
        Sealing::None => begun,
        Sealing::For(recipients) => {
            let sealed = seal(begun.into_inner(), recipients, tally.clone());
            let sealed = sealed.map_err(|error| BackupError::io("write", target.location(), error))?;
            Out::stream(sealed, source.scratch.clone())
        }
    };
    let earlier = match extent {
        Extent::Full => None,
        Extent::New { known } => Earlier::find(source, target, known, sealing),
    };
    let (mut taken, manifest) = fill(source, Writer::new(out, number, earlier), &name, target, random)?;
    if let Sealing::For(_) = sealing {
        (taken.length, taken.hash) = tally.told().unwrap_or((taken.length, taken.hash));
    }
    let is_far = target.location().path().is_none();
    if let Some(memory) = source.memory().filter(|_| is_far || sealing.form() == Form::Sealed) {
        // Without it the next archive holds everything, or takes longer.
        let _ = memory.write(target.location(), sealing, &manifest);
    }
    Ok(taken)
}

/// One more than the highest that any file in the target has: of all archives with the identity's name, whole or not.
fn next_number(target: &Target, identity: &str) -> Result<u32, BackupError> {
    let highest = target.archives(identity)?.iter().map(|found| found.name.number).max();
    Ok(highest.unwrap_or(0).saturating_add(1))
}

fn fill(
    source: &Source,
    mut writer: Writer,
    name: &ArchiveName,
    target: &Target,
    random: u128,
) -> Result<(Taken, Manifest), BackupError> {
    let (database, state, at) = (source.database(), source.state(), target.location());
    let mut listing = Listing::of(database, source.state_kind())?;
    if writer.earlier().is_some_and(|earlier| listing.is_mostly_new(database, earlier)) {
        writer.forget_earlier();
    }
    writer.prepare_for(listing.len());
    if let Some(state) = state {
        add_state(state, source.scratch(), &mut writer, at)?;
    }
    let report = cut::cut(database, &mut writer, at, name.created, listing)?;
    let alarms = match state {
        Some(state) => {
            check::check(&State::open_to_read(state)?, database, writer.entries(), &check::Contents::Hashed)?
        }
        None => Vec::new(),
    };
    let header = Header {
        pimsync_archive: FORMAT,
        identity: name.identity.clone(),
        identity_id: source.id.clone(),
        id: format!("{random:032x}"),
        number: name.number,
        created: name.created.0,
        program: concat!("pimsync ", env!("CARGO_PKG_VERSION")).to_owned(),
        frames: 0,
        entries: 0,
        alarms: (alarms.len() + report.unread.len()) as u64,
        chain: Vec::new(),
    };
    let archive = target.file(name.to_string());
    let written = writer.finish(header).map_err(|error| BackupError::io("write", at, error))?;
    let Written { manifest, length, footer, out } = written;
    out.finish().map_err(|error| BackupError::io("create", archive.location(), error))?;
    let taken = Taken {
        archive,
        number: name.number,
        id: manifest.header.id.clone(),
        created: name.created,
        length,
        items: manifest.files().filter(|entry| entry.kind.is_item()).count() as u64,
        files: manifest.files().count() as u64,
        bytes: manifest.files().map(|entry| entry.size).sum(),
        stored: manifest.files().filter(|entry| entry.place.archive == name.number).count() as u64,
        builds_upon: manifest.header.chain.clone(),
        form: name.form,
        hash: footer,
        noted_alarms: manifest.header.alarms,
        report,
        alarms,
    };
    Ok((taken, manifest))
}

/// Adds a copy of `state.db` that is one committed state, though an engine may write at this moment.
pub(super) fn add_state(
    state: &Path,
    scratch: &Path,
    sink: &mut impl Sink,
    target: &Location,
) -> Result<(), BackupError> {
    let failed = |error| BackupError::io("write", scratch, error);
    let copies = tempfile::Builder::new().prefix(".backup-").tempdir_in(scratch).map_err(failed)?;
    let copy = copies.path().join("state.db");
    State::open_to_read(state)?.copy_to(&copy)?;
    let file = platform::open_file(&copy).map_err(failed)?;
    let looked = platform::stat_file(&file).map_err(failed)?;
    let times = Times { mtime_ns: looked.stat.mtime_ns, ..Times::default() };
    let Ok(path) = ItemPath::new(b"state.db") else { return Ok(()) };
    let new = New { path, kind: Kind::State, id: None, times };
    let added = sink.add_large(new, looked.stat.len, &mut &file);
    added.map(drop).map_err(|error| BackupError::io("write", target, error))
}
