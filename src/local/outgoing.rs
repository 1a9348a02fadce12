//! Mail on its way out: letters that were accepted and are not known to be sent.
//!
//! A letter is two files in `Outgoing/`: `ID.eml`, the message as it leaves, and `ID.json`, what is known of it. The second makes it one: a
//! message without it was never accepted, and is removed; and where it is gone, the letter is done with. Each is written whole, and durable
//! before anybody is told of it. Who works on a letter holds a lock on its message, which ends with the process.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{LocalError, platform};

/// The directory's name below the identity's Database.
pub const OUTGOING: &str = "Outgoing";

/// What is known of a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The account that sends it.
    pub account: String,
    /// What the copy in Sent Items is found by.
    pub tag: String,
    /// Everybody who gets it.
    pub recipients: Vec<String>,
    /// Those of them who are in no header.
    pub blind: Vec<String>,
    /// Its subject, to show.
    pub subject: String,
    /// When it was accepted, in seconds since 1970.
    pub accepted: i64,
    /// How far it is.
    pub stage: Stage,
    /// How often it was tried.
    #[serde(default)]
    pub tries: u32,
    /// Not before this time it is tried again, in seconds since 1970.
    #[serde(default)]
    pub not_before: i64,
    /// Why it is not sent yet.
    #[serde(default)]
    pub reason: Option<String>,
}

/// How far a letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It was not sent.
    Waiting,
    /// The server may have been asked to send it: whether it did is to be looked up.
    Tried,
    /// The server refused it. It is not sent before a person says so.
    Refused,
}

/// The letters of an identity.
#[derive(Clone, Debug)]
pub struct Outgoing {
    dir: PathBuf,
}

/// A letter in a list: its id, and what is known of it, or why that cannot be read.
pub type Listed = (String, Result<Note, String>);

/// A letter that nobody else works on.
#[derive(Debug)]
pub struct Letter {
    id: String,
    dir: PathBuf,
    /// What is known of it.
    pub note: Note,
    _lock: File,
}

impl Outgoing {
    /// The letters of the identity whose Database directory this is.
    pub fn of(database: &Path) -> Self {
        Self { dir: database.join(OUTGOING) }
    }

    /// Takes a letter in: `head` and what `body` has follow each other. When this returns, it survives a power loss.
    pub fn accept(&self, id: &str, head: &[u8], body: &mut dyn Read, note: Note) -> Result<Letter, LocalError> {
        let io = |error| LocalError::io("write", &self.dir, error);
        platform::create_dir(&self.dir).map_err(io)?;
        if let Some(parent) = self.dir.parent() {
            platform::sync_dir(parent).map_err(io)?;
        }
        let path = message(&self.dir, id);
        let io = |error| LocalError::io("write", &path, error);
        let mut file = create_locked(&path).map_err(io)?;
        let written = file.write_all(head).and_then(|()| io::copy(body, &mut file)).and_then(|_| platform::sync(&file));
        if let Err(error) = written {
            // It was not accepted; what is left of it is removed by the next look.
            let _ = fs::remove_file(&path);
            return Err(io(error));
        }
        let letter = Letter { id: id.to_owned(), dir: self.dir.clone(), note, _lock: file };
        letter.save()?;
        Ok(letter)
    }

    /// All letters, the oldest first.
    pub fn list(&self) -> Result<Vec<Listed>, LocalError> {
        let io = |error| LocalError::io("list", &self.dir, error);
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(io)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.map_err(io)?.file_name();
            let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".json")) else { continue };
            if id.starts_with('.') {
                continue;
            }
            match read(&self.dir, id) {
                Ok(Some(note)) => found.push((id.to_owned(), Ok(note))),
                Ok(None) => {}
                Err(reason) => found.push((id.to_owned(), Err(reason))),
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found)
    }

    /// Takes a letter up; `None` while somebody else works on it, and when it is gone.
    pub fn take(&self, id: &str) -> Result<Option<Letter>, LocalError> {
        let path = message(&self.dir, id);
        let file = match platform::open_file(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LocalError::io("read", &path, error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(LocalError::io("lock", &path, error)),
        }
        let note = read(&self.dir, id).map_err(|reason| {
            LocalError::io("read", &noted(&self.dir, id), io::Error::new(io::ErrorKind::InvalidData, reason))
        })?;
        let dir = self.dir.clone();
        Ok(note.map(|note| Letter { id: id.to_owned(), dir, note, _lock: file }))
    }

    /// Removes messages that never were accepted, and of letters that are done with, and what was half noted. What somebody works on stays.
    pub fn clear(&self) -> Result<(), LocalError> {
        let Ok(entries) = fs::read_dir(&self.dir) else { return Ok(()) };
        let names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        for id in names.iter().filter_map(|name| name.strip_suffix(".eml")) {
            if noted(&self.dir, id).exists() {
                continue;
            }
            let path = message(&self.dir, id);
            let is_free =
                platform::open_file(&path).is_ok_and(|file| file.try_lock().is_ok() && !noted(&self.dir, id).exists());
            if is_free {
                remove(&path)?;
            }
        }
        for id in names.iter().filter_map(|name| name.strip_prefix('.')?.strip_suffix(".draft")) {
            match platform::open_file(&message(&self.dir, id)) {
                // Whoever writes it has the message locked.
                Ok(file) if file.try_lock().is_ok() => remove(&half_noted(&self.dir, id))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => remove(&half_noted(&self.dir, id))?,
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }
}

impl Letter {
    /// What it is called.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Opens the message.
    pub fn open(&self) -> io::Result<File> {
        platform::open_file(&message(&self.dir, &self.id))
    }

    /// Stores what is known of it, durably.
    pub fn save(&self) -> Result<(), LocalError> {
        let path = noted(&self.dir, &self.id);
        let write = || -> io::Result<()> {
            let draft = half_noted(&self.dir, &self.id);
            match fs::remove_file(&draft) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let mut file = platform::create_new(&draft)?;
            file.write_all(&serde_json::to_vec_pretty(&self.note)?)?;
            platform::sync(&file)?;
            fs::rename(&draft, &path)?;
            platform::sync_dir(&self.dir)
        };
        write().map_err(|error| LocalError::io("write", &path, error))
    }

    /// It is done with.
    pub fn done(self) -> Result<(), LocalError> {
        for path in [noted(&self.dir, &self.id), message(&self.dir, &self.id)] {
            fs::remove_file(&path).map_err(|error| LocalError::io("remove", &path, error))?;
            platform::sync_dir(&self.dir).map_err(|error| LocalError::io("write", &self.dir, error))?;
        }
        Ok(())
    }
}

/// Makes a message's file and locks it. [`Outgoing::clear`] may have taken it for one that was left behind, in the instant before it was locked.
fn create_locked(path: &Path) -> io::Result<File> {
    const TRIES: usize = 5;
    for _ in 0..TRIES {
        let file = platform::create_new(path)?;
        let is_locked = file.try_lock().is_ok();
        let stays = platform::look(path)?.map(|there| there.id) == Some(platform::stat_file(&file)?.id);
        if is_locked && stays {
            return Ok(file);
        }
        if stays {
            fs::remove_file(path)?;
        }
    }
    Err(io::Error::other("it vanishes as soon as it is made"))
}

/// The name of a letter that is accepted now, with chance enough that no other has it. Later ones sort behind it.
pub fn letter_id(now: SystemTime, chance: u128) -> String {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:018}-{chance:032x}", since.as_micros())
}

fn message(dir: &Path, id: &str) -> PathBuf {
    dir.join(format!("{id}.eml"))
}

fn noted(dir: &Path, id: &str) -> PathBuf {
    dir.join(format!("{id}.json"))
}

/// What is to be known of a letter while it is written.
fn half_noted(dir: &Path, id: &str) -> PathBuf {
    dir.join(format!(".{id}.draft"))
}

fn remove(path: &Path) -> Result<(), LocalError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LocalError::io("remove", path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What is known of a letter; `None` when it is gone.
fn read(dir: &Path, id: &str) -> Result<Option<Note>, String> {
    const LONGEST: u64 = 16 << 20;
    let file = match platform::open_file(&noted(dir, id)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    serde_json::from_reader(io::BufReader::new(file.take(LONGEST))).map(Some).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Note {
        Note {
            account: "anna".to_owned(),
            tag: "t".to_owned(),
            recipients: vec!["b@x.org".to_owned()],
            blind: Vec::new(),
            subject: "s".to_owned(),
            accepted: 5,
            stage: Stage::Waiting,
            tries: 0,
            not_before: 0,
            reason: None,
        }
    }

    #[test]
    fn what_was_half_noted_when_its_writer_was_killed_goes() {
        let database = tempfile::tempdir().unwrap();
        let outgoing = Outgoing::of(database.path());
        let letter = outgoing.accept("locked", b"", &mut io::empty(), note()).unwrap();
        drop(outgoing.accept("free", b"", &mut io::empty(), note()).unwrap());
        let drafts = ["locked", "free", "gone"].map(|id| half_noted(&outgoing.dir, id));
        drafts.iter().for_each(|draft| fs::write(draft, "{").unwrap());
        outgoing.clear().unwrap();
        assert_eq!(drafts.map(|draft| draft.exists()), [true, false, false]);
        drop(letter);
        outgoing.clear().unwrap();
        assert!(!half_noted(&outgoing.dir, "locked").exists());
        assert_eq!(outgoing.list().unwrap().len(), 2, "both letters are there");
    }

    #[test]
    fn a_letter_is_there_until_it_is_done_with() {
        let home = tempfile::tempdir().unwrap();
        let outgoing = Outgoing::of(home.path());
        assert!(outgoing.list().unwrap().is_empty());
        let id = letter_id(SystemTime::UNIX_EPOCH, 7);
        let mut letter = outgoing.accept(&id, b"A: 1\n\n", &mut b"body".as_slice(), note()).unwrap();
        assert!(outgoing.take(&id).unwrap().is_none(), "somebody works on it");
        letter.note.stage = Stage::Tried;
        letter.save().unwrap();
        drop(letter);
        let letter = outgoing.take(&id).unwrap().unwrap();
        assert_eq!(letter.note.stage, Stage::Tried);
        let mut text = String::new();
        letter.open().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "A: 1\n\nbody");
        letter.done().unwrap();
        assert!(outgoing.list().unwrap().is_empty());
        assert!(outgoing.take(&id).unwrap().is_none());
        assert_eq!(fs::read_dir(home.path().join(OUTGOING)).unwrap().count(), 0);
    }

    #[test]
    fn what_was_never_accepted_is_removed_and_what_cannot_be_read_is_told() {
        let home = tempfile::tempdir().unwrap();
        let outgoing = Outgoing::of(home.path());
        let kept = outgoing.accept("1-kept", b"", &mut b"".as_slice(), note()).unwrap();
        let dir = home.path().join(OUTGOING);
        fs::write(dir.join("2-cut.eml"), "half a mess").unwrap();
        fs::write(dir.join("3-odd.eml"), "").unwrap();
        fs::write(dir.join("3-odd.json"), "{").unwrap();
        outgoing.clear().unwrap();
        assert!(!dir.join("2-cut.eml").exists());
        let listed = outgoing.list().unwrap();
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[0], ("1-kept".to_owned(), Ok(kept.note.clone())));
        assert!(listed[1].1.is_err());
        assert!(outgoing.take("3-odd").is_err());
    }
}
