//! What this machine knows of its targets, also while they are not mounted: `backups.json` beside `Database`.
//!
//! It is a convenience: without it nothing is lost but the knowledge of what was verified when.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::archive::footer_hash;
use super::manifest::Link;
use super::{BackupError, Form, Found, Level, Location};
use crate::identity::{Layout, files};
use crate::pim::UnixTime;

/// So many archives of a target are noted.
const NOTED: usize = 2000;

/// So many verified archives of a target are remembered.
const REMEMBERED: usize = 100;

/// No record is longer.
const MAX_BYTES: u64 = 4 << 20;

/// What is known of all targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// By their directories or URLs; those in the identity's own by the path from there.
    targets: BTreeMap<PathBuf, Known>,
}

/// What is known of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The last archive that was made in it.
    pub last: Option<Made>,
    /// The archives that were verified, by number.
    pub verified: Vec<Verification>,
    /// The ids of those that are not what was written, so that no other one builds upon them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
    /// What is noted of the archives that were made, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub archives: Vec<Noted>,
}

/// What is noted of an archive that was made here, so that it need not be opened to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// The archive.
    #[serde(flatten)]
    pub archive: Made,
    /// What its bytes are.
    pub form: Form,
    /// How many they are.
    pub length: u64,
    /// A BLAKE3 hash in hexadecimal digits: of an encrypted archive that of the whole file, of another one that of its footer.
    pub blake3: String,
    /// The archives that it builds upon, oldest first.
    pub builds_upon: Vec<Link>,
    /// Items in it.
    pub items: u64,
    /// Files in all.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What the identity had lost when it was made.
    pub alarms: u64,
}

/// An archive that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Its number.
    pub number: u32,
    /// Its id.
    pub id: String,
    /// When its backup began: seconds since 1970.
    pub created: i64,
}

/// An archive all of whose bytes were read and are what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The archive.
    #[serde(flatten)]
    pub archive: Made,
    /// When it was last verified: seconds since 1970.
    pub at: i64,
    /// Whether it was restored, too.
    pub rehearsed: bool,
}

impl Noted {
    /// Whether a file whose name and length are as noted is the one that is noted, as far as its footer tells, in which the hash of the manifest is. Nothing
    /// more can be told of an encrypted one without reading all of it.
    pub(super) fn is_still(&self, found: &Found) -> bool {
        match self.form {
            Form::Sealed => true,
            Form::Plain => {
                let footer = footer_hash(&found.stored).ok().flatten();
                footer.is_some_and(|footer| footer.to_hex().as_str() == self.blake3)
            }
        }
    }
}

impl Known {
    /// The newest archive that was verified.
    pub fn last_verified(&self) -> Option<&Verification> {
        self.verified.last()
    }

    /// What is noted of an archive, as long as it is the file that was made, as far as its name and length tell.
    pub fn noted(&self, found: &Found) -> Option<&Noted> {
        let is_it = |noted: &&Noted| {
            (noted.archive.number, noted.archive.created, noted.form, noted.length)
                == (found.name.number, found.name.created.0, found.name.form, found.length)
        };
        self.archives.iter().find(is_it)
    }

    fn forget(&mut self, id: &str) {
        self.verified.retain(|verification| verification.archive.id != id);
    }
}

impl Record {
    /// Reads what is known; nothing where no backup was made.
    ///
    /// # Errors
    /// That it cannot be read or understood.
    pub fn read(layout: &Layout) -> Result<Self, BackupError> {
        let path = layout.backup_record();
        let text = match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            text => text.map_err(|error| BackupError::io("read", &path, error))?,
        };
        serde_json::from_str(&text).map_err(|error| BackupError::Record { path, reason: error.to_string() })
    }

    /// The targets with what is known of them.
    pub fn targets(&self, layout: &Layout) -> impl Iterator<Item = (PathBuf, &Known)> {
        let home = layout.home();
        self.targets.iter().map(move |(at, known)| match Location::from(at) {
            Location::Disk(dir) => (home.join(dir), known),
            Location::Object(_) => (at.clone(), known),
        })
    }

    /// What is known of one.
    ///
    /// # Errors
    /// That a directory has no absolute path.
    pub fn target(&self, layout: &Layout, at: impl Into<Location>) -> Result<Option<&Known>, BackupError> {
        Ok(self.targets.get(&key(layout, &at.into())?))
    }

    /// Notes that an archive was made.
    ///
    /// # Errors
    /// That it cannot be written.
    pub fn note_made(layout: &Layout, at: impl Into<Location>, made: Noted) -> Result<(), BackupError> {
        Self::update(layout, &at.into(), |targets, key| {
            let known = targets.entry(key).or_default();
            known.last = Some(made.archive.clone());
            known.archives.retain(|noted| noted.archive.number != made.archive.number);
            known.archives.push(made);
            let surplus = known.archives.len().saturating_sub(NOTED);
            known.archives.drain(..surplus);
        })
    }

    /// Notes how the verification of an archive came out. Nothing is noted of directories that no backup goes to.
    ///
    /// # Errors
    /// That it cannot be written.
    pub fn note_verified(
        layout: &Layout,
        at: impl Into<Location>,
        archive: Made,
        level: Level,
        now: UnixTime,
    ) -> Result<(), BackupError> {
        Self::update(layout, &at.into(), |targets, key| {
            let Some(known) = targets.get_mut(&key).filter(|_| level != Level::Structure) else { return };
            let before = known.verified.iter().find(|known| known.archive.id == archive.id);
            let rehearsed = level == Level::Rehearse || before.is_some_and(|before| before.rehearsed);
            known.forget(&archive.id);
            known.verified.push(Verification { archive, at: now.0, rehearsed });
            known.verified.sort_by_key(|verification| verification.archive.number);
            let surplus = known.verified.len().saturating_sub(REMEMBERED);
            known.verified.drain(..surplus);
        })
    }

    /// Notes that an archive is not what was written, since these are damaged: it, or some that it builds upon.
    ///
    /// # Errors
    /// That it cannot be written.
    pub fn note_damaged(
        layout: &Layout,
        at: impl Into<Location>,
        number: u32,
        damaged: &[Link],
    ) -> Result<(), BackupError> {
        Self::update(layout, &at.into(), |targets, key| {
            let Some(known) = targets.get_mut(&key) else { return };
            // Later ones may build upon them.
            let first = damaged.iter().map(|link| link.number).chain([number]).min().unwrap_or(number);
            known.verified.retain(|verification| verification.archive.number < first);
            known.damaged.retain(|id| damaged.iter().all(|link| link.id != *id));
            known.damaged.extend(damaged.iter().map(|link| link.id.clone()));
            let surplus = known.damaged.len().saturating_sub(REMEMBERED);
            known.damaged.drain(..surplus);
        })
    }

    /// Notes that archives are no more: by their numbers.
    ///
    /// # Errors
    /// That it cannot be written.
    pub fn note_gone(layout: &Layout, at: impl Into<Location>, numbers: &[u32]) -> Result<(), BackupError> {
        Self::update(layout, &at.into(), |targets, key| {
            if let Some(known) = targets.get_mut(&key) {
                known.verified.retain(|verification| !numbers.contains(&verification.archive.number));
                known.archives.retain(|noted| !numbers.contains(&noted.archive.number));
            }
        })
    }

    fn update(
        layout: &Layout,
        at: &Location,
        change: impl FnOnce(&mut BTreeMap<PathBuf, Known>, PathBuf),
    ) -> Result<(), BackupError> {
        let path = layout.backup_record();
        let failed = |error| BackupError::io("write", &path, error);
        let lock = File::create(layout.backup_record_lock()).map_err(failed)?;
        // Held for an instant. Where the file system has no locks, an entry can be lost.
        let _ = lock.lock();
        let mut record = match Self::read(layout) {
            // What cannot be understood is of no use to anybody.
            Err(BackupError::Record { .. }) => Self::default(),
            record => record?,
        };
        let before = record.clone();
        change(&mut record.targets, key(layout, at)?);
        if record == before {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&record).map_err(|error| failed(error.into()))?;
        files::write(&path, text.as_bytes()).map_err(failed)
    }
}

/// The default target is known as such also after the root was moved.
fn key(layout: &Layout, at: &Location) -> Result<PathBuf, BackupError> {
    let dir = match at {
        Location::Disk(dir) => dir,
        Location::Object(url) => return Ok(url.into()),
    };
    let dir = std::path::absolute(dir).map_err(|error| BackupError::io("use", dir, error))?;
    Ok(dir.strip_prefix(layout.home()).map(Path::to_owned).unwrap_or(dir))
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(File::open(path)?, MAX_BYTES), &mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentityName;

    fn made(number: u32) -> Made {
        Made { number, id: format!("{number:032x}"), created: i64::from(number) }
    }

    fn noted(number: u32) -> Noted {
        let (form, blake3, builds_upon) = (Form::Plain, String::new(), Vec::new());
        Noted { archive: made(number), form, length: 1, blake3, builds_upon, items: 1, files: 1, bytes: 1, alarms: 0 }
    }

    #[test]
    fn what_was_verified_is_remembered_by_target_and_only_while_it_is_true() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(Some(root.path()), IdentityName::new("Main").unwrap()).unwrap();
        layout.create().unwrap();
        let (own, disk) = (layout.backups(), Path::new("/mnt/disk"));
        let verify = |dir: &Path, number, level| {
            Record::note_verified(&layout, dir, made(number), level, UnixTime(9)).unwrap();
        };
        verify(disk, 1, Level::ReadData);
        assert_eq!(Record::read(&layout).unwrap(), Record::default(), "no backup goes there");
        Record::note_made(&layout, &own, noted(2)).unwrap();
        Record::note_made(&layout, disk, noted(5)).unwrap();
        verify(&own, 2, Level::Rehearse);
        verify(&own, 2, Level::ReadData);
        verify(&own, 1, Level::ReadData);
        verify(&own, 3, Level::Structure);
        let record = Record::read(&layout).unwrap();
        let known = record.target(&layout, &own).unwrap().unwrap();
        assert_eq!(known.last_verified(), Some(&Verification { archive: made(2), at: 9, rehearsed: true }));
        assert_eq!(record.target(&layout, disk).unwrap().unwrap().last_verified(), None);
        let dirs: Vec<PathBuf> = record.targets(&layout).map(|(dir, _)| dir).collect();
        assert_eq!(dirs, [disk.to_owned(), own.clone()]);
        Record::note_gone(&layout, &own, &[2]).unwrap();
        let record = Record::read(&layout).unwrap();
        assert_eq!(record.target(&layout, &own).unwrap().unwrap().last_verified().unwrap().archive, made(1));
    }

    #[test]
    fn a_record_that_was_scribbled_on_is_told_and_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(Some(root.path()), IdentityName::new("Main").unwrap()).unwrap();
        layout.create().unwrap();
        std::fs::write(layout.backup_record(), "{\"targets\": 7").unwrap();
        assert!(matches!(Record::read(&layout), Err(BackupError::Record { .. })));
        Record::note_made(&layout, &layout.backups(), noted(1)).unwrap();
        let record = Record::read(&layout).unwrap();
        assert_eq!(record.target(&layout, &layout.backups()).unwrap().unwrap().last, Some(made(1)));
    }

    #[test]
    fn what_lies_in_a_bucket_is_known_by_its_url() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(Some(root.path()), IdentityName::new("Main").unwrap()).unwrap();
        layout.create().unwrap();
        let url = Path::new("s3://bucket/mail/");
        Record::note_made(&layout, url, noted(1)).unwrap();
        let record = Record::read(&layout).unwrap();
        let known: Vec<PathBuf> = record.targets(&layout).map(|(at, _)| at).collect();
        assert_eq!(known, [PathBuf::from("s3://bucket/mail")]);
        assert_eq!(record.target(&layout, &known[0]).unwrap().unwrap().last, Some(made(1)));
    }
}
