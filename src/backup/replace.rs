//! Making an archive an identity's `Database`. What is there is moved aside, never overwritten.
//!
//! **Order**: everything is restored beside the final place and made durable → the old `Database` gets another name → the new one gets its
//! name. A run that is cut off between the last two leaves an identity without a `Database`, with which every command refuses to work; restoring again
//! mends that.
//!
//! The new `Database` comes without `state.db`: what both sides agreed on when the archive was made is of the past, and a base that is older
//! than the mailbox would take what is new on the server for known, and what is missing here for deleted. Without it, the next sync compares
//! both sides, matches what is equal, and deletes nothing. Its marker says that it was restored: until a person confirms it, no sync deletes anything
//! on the server.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Archive, BackupError, OnDamage, Restored, Selection, restore};
use crate::identity::{Layout, Marker, files};
use crate::local::platform;
use crate::pim::UnixTime;

/// Where a restore that is not complete lies, in the identity's directory.
const UNFINISHED: &str = ".restoring";

/// An identity that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// What came back.
    pub restored: Restored,
    /// Where the `Database` is now that was there before.
    pub moved_aside: Option<PathBuf>,
    /// How often the identity was restored, this time included.
    pub epoch: u32,
}

/// Makes everything in an archive the identity's `Database`. The caller must hold both locks of the identity.
///
/// # Errors
/// As those of [`restore`]; then the identity is as it was before.
pub fn replace(
    archive: &mut Archive,
    layout: &Layout,
    on_damage: OnDamage,
    now: UnixTime,
) -> Result<Replaced, BackupError> {
    let database = layout.database();
    let stage = Stage::begin(layout)?;
    let restored = restore(archive, &Selection::default(), &stage.database(), on_damage)?;
    let epoch = stage.prepare(archive, layout, now)?;
    let moved_aside = move_aside(&database, now)?;
    let moved = platform::rename_new(&stage.database(), &database).and_then(|()| platform::sync_dir(&layout.home()));
    if let Err(error) = moved {
        // Back to where it was; where that fails, too, the error below is told, and nothing is lost.
        moved_aside.iter().for_each(|aside| drop(platform::rename_new(aside, &database)));
        return Err(BackupError::io("create", &database, error));
    }
    stage.end()?;
    Ok(Replaced { restored, moved_aside, epoch })
}

/// Where what comes back lies until it has its place.
pub(super) struct Stage(PathBuf);

impl Stage {
    /// Clears what a run that was killed has left.
    pub(super) fn begin(layout: &Layout) -> Result<Self, BackupError> {
        let stage = Self(layout.home().join(UNFINISHED));
        stage.end()?;
        files::make_dirs(&stage.0).map_err(|error| BackupError::io("create", &stage.0, error))?;
        Ok(stage)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.0.join("Database")
    }

    /// Where files about the folders come that items lie in.
    pub(super) fn keywords(&self) -> PathBuf {
        self.0.join("Keywords")
    }

    /// Takes the old base away, and writes a marker that tells of the restore. Answers its epoch.
    fn prepare(&self, archive: &Archive, layout: &Layout, now: UnixTime) -> Result<u32, BackupError> {
        let database = self.database();
        for name in ["state.db", "state.db-wal", "state.db-shm", "state.db-journal"] {
            remove(&database.join(name))?;
        }
        let header = &archive.manifest().header;
        let archived = Marker::read_in(&database).map_or(0, |marker| marker.epoch);
        let present = Marker::read(layout).map_or(0, |marker| marker.epoch);
        let epoch = archived.max(present).saturating_add(1);
        let marker = Marker::restored(&header.identity_id, epoch, now).ok_or_else(|| BackupError::Manifest {
            at: archive.stored().location(),
            reason: "it names no identity".to_owned(),
        })?;
        marker.write_in(&database).map_err(|error| BackupError::io("write", &database, error))?;
        platform::sync_dir(&database).map_err(|error| BackupError::io("write", &database, error))?;
        Ok(epoch)
    }

    pub(super) fn end(&self) -> Result<(), BackupError> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(BackupError::io("remove", &self.0, error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn remove(path: &Path) -> Result<(), BackupError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(BackupError::io("remove", path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Gives what is there a name that tells until when it was in use.
fn move_aside(database: &Path, now: UnixTime) -> Result<Option<PathBuf>, BackupError> {
    let failed = |error| BackupError::io("move aside", database, error);
    if platform::look(database).map_err(failed)?.is_none() {
        return Ok(None);
    }
    let time = Timestamp::from_second(now.0).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y%m%dT%H%M%SZ").to_string();
    let names = std::iter::once(String::new()).chain((2..100).map(|number| format!("-{number}")));
    let mut taken = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
    for suffix in names {
        let aside = database.with_file_name(format!("Database-until-{time}{suffix}"));
        match platform::rename_new(database, &aside) {
            Ok(()) => return Ok(Some(aside)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => taken = error,
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed(taken))
}
