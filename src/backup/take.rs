//! Making a backup, from the cut to the name.

use std::path::PathBuf;

use super::archive::{FORMAT, New, Writer};
use super::manifest::{Header, Kind};
use super::{Alarm, ArchiveName, BackupError, CutReport, ItemPath, Target, check, cut};
use crate::identity::{Layout, Marker};
use crate::local::platform;
use crate::pim::UnixTime;
use crate::state::State;

/// What is backed up.
pub struct Source<'a> {
    /// Where it lies.
    pub layout: &'a Layout,
    /// Its marker.
    pub marker: &'a Marker,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The archive.
    pub path: PathBuf,
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
    /// What was met in the tree besides.
    pub report: CutReport,
    /// What the identity has lost or found changed since its last sync.
    pub alarms: Vec<Alarm>,
}

/// Archives an identity's whole directory. `random` must be 128 random bits.
///
/// # Errors
/// What cannot be read of the identity or written to the target. Then the target is as it was before.
pub fn take(source: &Source<'_>, target: &Target, now: UnixTime, random: u128) -> Result<Taken, BackupError> {
    let identity = source.layout.identity().as_str().to_owned();
    let number = next_number(target, &identity)?;
    let name = ArchiveName { identity, created: now, number };
    let unfinished = target.begin(&name)?;
    let file = unfinished.file.try_clone().map_err(|error| BackupError::io("write", &unfinished.path, error))?;
    let writer = Writer::new(file, number);
    match fill(source, writer, &name, target, random) {
        Ok(mut taken) => {
            taken.path = unfinished.finish(&name)?;
            Ok(taken)
        }
        Err(error) => {
            unfinished.discard();
            Err(error)
        }
    }
}

/// One more than the highest that any file in the target has: of all archives with the identity's name, whole or not.
fn next_number(target: &Target, identity: &str) -> Result<u32, BackupError> {
    let highest = target.archives(identity)?.iter().map(|found| found.name.number).max();
    Ok(highest.unwrap_or(0).saturating_add(1))
}

fn fill(
    source: &Source<'_>,
    mut writer: Writer,
    name: &ArchiveName,
    target: &Target,
    random: u128,
) -> Result<Taken, BackupError> {
    let database = source.layout.database();
    add_state(source.layout, &mut writer, target)?;
    let report = cut::cut(&database, &mut writer, target.dir(), name.created)?;
    let state = source.layout.state();
    let alarms = if state.exists() {
        check::check(&State::open_to_read(&state)?, &database, writer.entries())?
    } else {
        Vec::new()
    };
    let header = Header {
        pimsync_archive: FORMAT,
        identity: name.identity.clone(),
        identity_id: source.marker.identity.clone(),
        id: format!("{random:032x}"),
        number: name.number,
        created: name.created.0,
        program: concat!("pimsync ", env!("CARGO_PKG_VERSION")).to_owned(),
        frames: 0,
        entries: 0,
        alarms: (alarms.len() + report.unread.len()) as u64,
        chain: Vec::new(),
    };
    let (manifest, length) = writer.finish(header).map_err(|error| BackupError::io("write", target.dir(), error))?;
    Ok(Taken {
        path: PathBuf::new(),
        number: name.number,
        id: manifest.header.id.clone(),
        created: name.created,
        length,
        items: manifest.files().filter(|entry| entry.kind.is_item()).count() as u64,
        files: manifest.files().count() as u64,
        bytes: manifest.files().map(|entry| entry.size).sum(),
        report,
        alarms,
    })
}

/// Adds a copy of `state.db` that is one committed state, though an engine may write at this moment.
fn add_state(layout: &Layout, writer: &mut Writer, target: &Target) -> Result<(), BackupError> {
    let path = layout.state();
    if !path.exists() {
        return Ok(());
    }
    let home = layout.home();
    let failed = |error| BackupError::io("write", &home, error);
    let copies = tempfile::Builder::new().prefix(".backup-").tempdir_in(&home).map_err(failed)?;
    let copy = copies.path().join("state.db");
    State::open_to_read(&path)?.copy_to(&copy)?;
    let file = platform::open_file(&copy).map_err(failed)?;
    let looked = platform::stat_file(&file).map_err(failed)?;
    let (size, mtime_ns) = (looked.stat.len, looked.stat.mtime_ns);
    let Ok(path) = ItemPath::new(b"state.db") else { return Ok(()) };
    let new = New { path, kind: Kind::State, id: None, mtime_ns, inode: 0 };
    writer.add_large(new, size, file).map(drop).map_err(|error| BackupError::io("write", target.dir(), error))
}
