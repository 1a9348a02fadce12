//! Does the directory still have what the last sync left in it?

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::ItemPath;
use super::manifest::{Entry, Hash, Kind};
use crate::local::EXCHANGE;
use crate::pim::Digest;
use crate::state::{KnownEntry, Standing, State, StateError};

/// Something that changed otherwise than by a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What happened to it.
    pub kind: AlarmKind,
    /// The folder and the file's name; of a message's, the part before `:`.
    pub path: String,
}

/// What happened to an item since the last sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    /// No file in the whole directory has its content any more.
    Lost,
    /// Its file has another content. Only of messages that are no drafts: all else is edited.
    Changed,
}

/// What is known of the contents of entries.
pub(super) enum Contents<'a> {
    /// Their hashes are those of their contents.
    Hashed,
    /// They were not read, and are read like this; only those that may be what is missing elsewhere.
    Unread(&'a dyn Fn(&Entry) -> Option<Digest>),
}

/// Compares what `state.db` knows with what was archived. It must be read after that: what a sync changed meanwhile is then known.
pub(super) fn check(
    state: &State,
    database: &Path,
    entries: &[Entry],
    contents: &Contents<'_>,
) -> Result<Vec<Alarm>, StateError> {
    let messages = entries.iter().filter(|entry| entry.kind == Kind::Message);
    let files: HashMap<(&[u8], &[u8]), &Entry> =
        messages.clone().filter_map(|entry| Some((entry.path.message()?, entry))).collect();
    let mut alarms = Vec::new();
    let mut missing = Vec::new();
    let mut met: HashSet<&ItemPath> = HashSet::new();
    state.read(|state| {
        state.all_files(|file| {
            if file.standing != Standing::Agreed || file.draft {
                return;
            }
            let folder = format!("{EXCHANGE}/{}/{}", file.account, file.dir);
            let path = format!("{folder}/{}", file.key);
            match files.get(&(folder.as_bytes(), file.key.as_bytes())) {
                Some(found) => {
                    met.insert(&found.path);
                    if matches!(contents, Contents::Hashed) && digest(&found.hash) != file.digest {
                        alarms.push(Alarm { kind: AlarmKind::Changed, path });
                    }
                }
                None => missing.push((folder, file.key.as_bytes().to_vec(), path, file.digest)),
            }
        })
    })?;
    if !missing.is_empty() {
        let elsewhere: HashSet<Digest> = match contents {
            Contents::Hashed => messages.map(|entry| digest(&entry.hash)).collect(),
            Contents::Unread(read) => messages.filter(|entry| !met.contains(&entry.path)).filter_map(read).collect(),
        };
        missing.retain(|(.., digest)| !elsewhere.contains(digest));
    }
    let there = present(database, missing.iter().map(|(folder, ..)| folder));
    let lost = missing.into_iter().filter(|(folder, key, ..)| !there.contains(&(folder.clone(), key.clone())));
    alarms.extend(lost.map(|(_, _, path, _)| Alarm { kind: AlarmKind::Lost, path }));
    alarms.extend(check_entries(state, database, entries, contents)?);
    alarms.sort_by(|one, other| (one.kind, &one.path).cmp(&(other.kind, &other.path)));
    Ok(alarms)
}

/// The same for contacts, events, notes and tasks. One whose file is gone is known elsewhere by its content or its UID.
fn check_entries(
    state: &State,
    database: &Path,
    entries: &[Entry],
    contents: &Contents<'_>,
) -> Result<Vec<Alarm>, StateError> {
    let is_entry = |entry: &&Entry| matches!(entry.kind, Kind::Contact | Kind::Event | Kind::Note | Kind::Task);
    let files: HashMap<&[u8], &Entry> =
        entries.iter().filter(is_entry).map(|entry| (entry.path.as_bytes(), entry)).collect();
    let mut missing: Vec<(KnownEntry, String)> = Vec::new();
    let mut met: HashSet<&ItemPath> = HashSet::new();
    state.read(|state| {
        state.all_entry_files(|known| {
            let path = format!("{EXCHANGE}/{}/{}/{}", known.account, known.dir, known.file);
            match files.get(path.as_bytes()) {
                Some(found) => drop(met.insert(&found.path)),
                None => missing.push((known, path)),
            }
        })
    })?;
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let others = || entries.iter().filter(is_entry).filter(|entry| !met.contains(&entry.path));
    let uids: HashSet<&str> = others().filter_map(|entry| entry.id.as_deref()).collect();
    let digests: HashSet<Digest> = match contents {
        Contents::Hashed => others().map(|entry| digest(&entry.hash)).collect(),
        Contents::Unread(read) => others().filter_map(read).collect(),
    };
    // Some write `urn:uuid:` before it.
    let has_uid = |uid: &str| !uid.is_empty() && (uids.contains(uid) || uids.iter().any(|other| other.ends_with(uid)));
    let is_lost = |(known, path): &(KnownEntry, String)| {
        !has_uid(&known.uid)
            && !digests.contains(&known.digest)
            // It came after the archive was cut.
            && database.join(path).symlink_metadata().is_err()
    };
    let lost = missing.into_iter().filter(is_lost);
    Ok(lost.map(|(_, path)| Alarm { kind: AlarmKind::Lost, path }).collect())
}

/// As the engine notes the content of a file.
pub(super) fn digest(hash: &Hash) -> Digest {
    let mut digest = [0; 16];
    digest.copy_from_slice(hash.as_bytes().first_chunk::<16>().unwrap_or(&[0; 16]));
    Digest(digest)
}

/// The messages that lie in these folders now: those that came after the archive was cut are not lost.
fn present<'f>(database: &Path, folders: impl Iterator<Item = &'f String>) -> HashSet<(String, Vec<u8>)> {
    let mut found = HashSet::new();
    for folder in folders.collect::<HashSet<_>>() {
        for part in ["cur", "new"] {
            let Ok(entries) = std::fs::read_dir(database.join(folder).join(part)) else { continue };
            for entry in entries.flatten() {
                let name = std::os::unix::ffi::OsStringExt::into_vec(entry.file_name());
                let Ok(path) = ItemPath::new(&[b"x/cur/", &*name].concat()) else { continue };
                found.extend(path.message().map(|(_, key)| (folder.clone(), key.to_vec())));
            }
        }
    }
    found
}
