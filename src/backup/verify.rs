//! Is an archive what was written, and does everything come back out of it?

use std::collections::BTreeSet;
use std::path::Path;

use super::archive::{Archive, Checked, FrameId};
use super::manifest::{Entry, Link};
use super::record::{Known, Noted};
use super::seal::OpenError;
use super::{BackupError, Form, Found, ItemPath, Selection, Stored, restore};
use crate::backup::restore::OnDamage;
use crate::pim::UnixTime;

/// How closely an archive is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Footer and manifest: the file is whole, as far as they tell.
    Structure,
    /// Every byte of the file.
    ReadData,
    /// Everything is restored into a directory, compared and removed again.
    Rehearse,
}

/// An archive that is what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its number.
    pub number: u32,
    /// Its id.
    pub id: String,
    /// When its backup began.
    pub created: UnixTime,
    /// Items in it.
    pub items: u64,
    /// Files in all.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What the identity had lost when it was made.
    pub alarms: u64,
}

/// Verifies one archive. A rehearsal makes a directory in `scratch`. What was `checked` before is not read again.
///
/// # Errors
/// [`BackupError::Damaged`] and what else is wrong.
pub fn verify(stored: &Stored, level: Level, scratch: &Path, checked: &mut Checked) -> Result<Verified, BackupError> {
    let mut archive = Archive::open(stored)?;
    if level != Level::Structure {
        let damage = archive.damaged_frames(checked)?;
        if !damage.is_empty() {
            return Err(damaged(&archive, damage));
        }
    }
    if level == Level::Rehearse {
        rehearse(&mut archive, scratch)?;
    }
    let manifest = archive.manifest();
    Ok(Verified {
        number: manifest.header.number,
        id: manifest.header.id.clone(),
        created: UnixTime(manifest.header.created),
        items: manifest.files().filter(|entry| entry.kind.is_item()).count() as u64,
        files: manifest.files().count() as u64,
        bytes: manifest.files().map(|entry| entry.size).sum(),
        alarms: manifest.header.alarms,
    })
}

/// Verifies an encrypted archive without its key: that it and those that it builds upon are, byte for byte, the files that were made, as is noted of
/// them.
///
/// # Errors
/// [`BackupError::SealedChanged`]; [`BackupError::Sealed`] where nothing is noted of it, and for a rehearsal, which takes the key.
pub fn verify_sealed(
    stored: &Stored,
    level: Level,
    known: Option<&Known>,
    checked: &mut Checked,
) -> Result<Verified, BackupError> {
    let locked = || BackupError::Sealed { at: stored.location(), source: OpenError::NoKey };
    let known = known.filter(|_| level != Level::Rehearse).ok_or_else(locked)?;
    let name = stored.name().to_str().and_then(super::ArchiveName::parse).ok_or_else(locked)?;
    let noted = known.archives.iter().find(|noted| {
        (noted.archive.number, noted.archive.created, noted.form) == (name.number, name.created.0, name.form)
    });
    let noted = noted.ok_or_else(locked)?;
    let found = stored.target().archives(&name.identity)?;
    let own = Link { number: noted.archive.number, id: noted.archive.id.clone() };
    let mut changed = Vec::new();
    for link in noted.builds_upon.iter().chain([&own]) {
        let noted = known.archives.iter().find(|noted| noted.archive.id == link.id);
        if !is_the_file(noted, &found, level, checked)? {
            changed.push(link.clone());
        }
    }
    if !changed.is_empty() {
        return Err(BackupError::SealedChanged { at: stored.location(), archives: changed });
    }
    Ok(Verified {
        number: noted.archive.number,
        id: noted.archive.id.clone(),
        created: UnixTime(noted.archive.created),
        items: noted.items,
        files: noted.files,
        bytes: noted.bytes,
        alarms: noted.alarms,
    })
}

/// Whether one of the files is what is noted.
fn is_the_file(
    noted: Option<&Noted>,
    found: &[Found],
    level: Level,
    checked: &mut Checked,
) -> Result<bool, BackupError> {
    let Some(noted) = noted.filter(|noted| noted.form == Form::Sealed) else { return Ok(false) };
    let is_it = |found: &&Found| {
        (found.name.number, found.name.form, found.length) == (noted.archive.number, noted.form, noted.length)
    };
    let Some(found) = found.iter().find(is_it) else { return Ok(false) };
    if level == Level::Structure || checked.files.contains(&noted.archive.id) {
        return Ok(true);
    }
    let mut hasher = blake3::Hasher::new();
    let read = hasher.update_reader(found.stored.open_as_it_is()?).map(|hasher| hasher.finalize());
    let hash = read.map_err(|error| BackupError::io("read", found.stored.location(), error))?;
    let same = hash.to_hex().as_str() == noted.blake3;
    if same {
        checked.files.insert(noted.archive.id.clone());
    }
    Ok(same)
}

fn damaged(archive: &Archive, damage: Vec<super::Damage>) -> BackupError {
    let manifest = archive.manifest();
    let damaged: BTreeSet<FrameId> = damage.iter().map(|damage| damage.frame_id(archive)).collect();
    let is_lost = |entry: &&Entry| damaged.contains(&entry.place.frame_id());
    let lost = manifest.files().filter(is_lost).count() as u64;
    let files = manifest.files().count() as u64;
    archive.damaged(damage, lost, files - lost)
}

/// Restores everything, and reads it back from the disk.
fn rehearse(archive: &mut Archive, scratch: &Path) -> Result<(), BackupError> {
    let failed = |error| BackupError::io("create", scratch, error);
    let place = tempfile::Builder::new().prefix(".rehearsal-").tempdir_in(scratch).map_err(failed)?;
    let to = place.path().join("Database");
    restore(archive, &Selection::default(), &to, OnDamage::Fail)?;
    for entry in archive.manifest().files() {
        let path = entry.path.under(&to);
        let mut hasher = blake3::Hasher::new();
        let read =
            std::fs::File::open(&path).and_then(|file| hasher.update_reader(file).map(|hasher| hasher.finalize()));
        if read.map_err(|error| BackupError::io("read", &path, error))? != entry.hash {
            return Err(differs(archive, &entry.path));
        }
    }
    Ok(())
}

fn differs(archive: &Archive, path: &ItemPath) -> BackupError {
    let reason = format!("{path} was restored with another content than it was archived with");
    BackupError::Manifest { at: archive.stored().location(), reason }
}
