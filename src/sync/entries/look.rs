//! What lies in the directories, compared with the base.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::tree::{Directory, Place};
use super::super::{NoticeKind, Run, SyncError, stops_run};
use super::{Looks, Read, says};
use crate::format::entry::extension;
use crate::local::vdir::digest_of;
use crate::local::{EntryContent, EntryListing, FileStat, LocalError, LocalWrite, Settled};
use crate::pim::{Digest, EntryKey, EntryKind, FolderKey};
use crate::remote::RemoteWrite;
use crate::state::{EntryBrief, EntryStanding};

/// What was seen in one folder.
pub(super) struct Look {
    /// What it holds.
    pub(super) kind: EntryKind,
    /// The entries of the base.
    pub(super) rows: BTreeMap<EntryKey, EntryBrief>,
    /// Known entries whose files are not as agreed.
    pub(super) changed: BTreeMap<EntryKey, Found>,
    /// Known entries that have no file.
    pub(super) away: BTreeSet<EntryKey>,
    /// Files that no entry is known for.
    pub(super) loose: BTreeMap<String, Found>,
    by_uid: HashMap<String, Vec<String>>,
    by_says: HashMap<Digest, Vec<String>>,
    /// Known entries whose file lies in another folder now: which, and under which name.
    pub(super) moved: BTreeMap<EntryKey, (FolderKey, String)>,
    /// Whether the directory was read in full.
    pub(super) complete: bool,
    /// Whether the server's side was read in full.
    pub(super) listed_there: bool,
    /// Whether the directory is missing.
    pub(super) directory_away: bool,
}

/// A file that is not as agreed.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Its name.
    pub(super) name: String,
    /// Its size and time, where they tell that it does not change.
    pub(super) stat: Option<FileStat>,
    /// Its number on the file system.
    pub(super) ino: u64,
    /// The hash of its content.
    pub(super) digest: Digest,
    /// What it is known by, or why it is no entry that the server can hold.
    pub(super) clues: Result<Clues, String>,
}

/// What an entry's file is known by.
#[derive(Clone, Debug)]
pub(super) struct Clues {
    pub(super) uid: String,
    pub(super) says: Digest,
    pub(super) label: String,
}

impl Look {
    fn new(kind: EntryKind) -> Self {
        Self {
            kind,
            rows: BTreeMap::new(),
            changed: BTreeMap::new(),
            away: BTreeSet::new(),
            loose: BTreeMap::new(),
            by_uid: HashMap::new(),
            by_says: HashMap::new(),
            moved: BTreeMap::new(),
            complete: false,
            listed_there: true,
            directory_away: false,
        }
    }

    /// Whether both sides were read in full.
    pub(super) fn is_sure(&self) -> bool {
        self.complete && self.listed_there
    }

    fn add_loose(&mut self, found: Found) {
        if let Ok(clues) = &found.clues {
            match clues.uid.is_empty() {
                true => self.by_says.entry(clues.says).or_default().push(found.name.clone()),
                false => self.by_uid.entry(clues.uid.clone()).or_default().push(found.name.clone()),
            }
        }
        self.loose.insert(found.name.clone(), found);
    }

    /// The file with that UID that no entry is known for.
    pub(super) fn loose_with_uid(&self, uid: &str) -> Option<&Found> {
        self.by_uid.get(uid)?.iter().find_map(|name| self.loose.get(name))
    }

    /// The file without a UID that says so and that no entry is known for.
    pub(super) fn loose_that_says(&self, says: Digest) -> Option<&Found> {
        self.by_says.get(&says)?.iter().find_map(|name| self.loose.get(name))
    }

    /// The only file with that title that no entry is known for.
    pub(super) fn loose_with_title(&self, title: &str) -> Option<&Found> {
        let is_titled = |found: &&Found| found.clues.as_ref().is_ok_and(|clues| clues.label == title);
        let mut alike = self.loose.values().filter(is_titled);
        alike.next().filter(|_| alike.next().is_none())
    }

    /// Takes note of an entry, whose file is as agreed.
    pub(super) fn agree(&mut self, brief: EntryBrief) {
        self.loose.remove(&brief.file);
        self.away.remove(&brief.key);
        self.changed.remove(&brief.key);
        self.rows.insert(brief.key, brief);
    }
}

/// Lists each of these folders, reads what differs, and finds what was moved between them.
pub(super) async fn look_at_all<R, L>(run: &Run<'_, R, L>, places: &[&Place]) -> Result<Looks, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    tokio::task::block_in_place(|| {
        let mut looks = Looks::new();
        let mut listings = HashMap::new();
        for place in places {
            let Some(kind) = place.entry_kind() else { continue };
            let mut look = Look::new(kind);
            if let Some(listing) = list(run, place, &mut look)? {
                compare(run, place, &mut look, &listing)?;
                listings.insert(place.key(), listing);
            }
            looks.insert(place.key(), look);
        }
        let is_missing = |look: &Look| !look.away.is_empty() || !look.loose.is_empty();
        if looks.values().any(is_missing) && !hold_still(run, places, &listings)? {
            // What is missing in one may have been moved into another that had been listed before: nothing follows from it yet.
            run.look_again();
            for look in looks.values_mut() {
                look.complete = false;
            }
        }
        let renamed = find_moves(run, &mut looks)?;
        let arrivals = settle_arrivals(&mut looks);
        let any = !renamed.is_empty() || !arrivals.is_empty();
        if any && !run.is_dry() {
            run.state().write(|tx| {
                renamed.iter().try_for_each(|(key, file)| tx.set_entry_file(*key, file))?;
                arrivals.iter().try_for_each(|(key, arrived)| match arrived {
                    true => tx.set_entry_standing(*key, EntryStanding::Agreed),
                    false => tx.forget_entry(*key),
                })
            })?;
        }
        Ok(looks)
    })
}

/// Whether each folder still has the names that it had when it was listed.
fn hold_still<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    places: &[&Place],
    listings: &HashMap<FolderKey, EntryListing>,
) -> Result<bool, SyncError> {
    for place in places {
        let (Some(before), Some(kind)) = (listings.get(&place.key()), place.entry_kind()) else { continue };
        let names =
            |listing: &EntryListing| -> Vec<String> { listing.files.iter().map(|file| file.0.clone()).collect() };
        match run.local().list_entries(&place.dir()?, extension(kind)) {
            Ok(now) if now.stable && names(&now) == names(before) => {}
            Ok(_) => return Ok(false),
            Err(LocalError::FolderGone { .. }) if place.directory == Directory::Away => {}
            Err(error) if stops_run(&error) => return Err(error.into()),
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}

/// Lists a directory; `None` where that is not possible.
fn list<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    place: &Place,
    look: &mut Look,
) -> Result<Option<EntryListing>, SyncError> {
    let rows = run.state().read(|state| state.entry_briefs(place.key()))?;
    look.rows = rows.into_iter().map(|row| (row.key, row)).collect();
    match place.directory {
        Directory::Away => {
            (look.complete, look.directory_away) = (true, true);
            return Ok(Some(EntryListing { stable: true, ..EntryListing::default() }));
        }
        Directory::Unknown | Directory::None => return Ok(None),
        Directory::Here => {}
    }
    match run.local().list_entries(&place.dir()?, extension(look.kind)) {
        Ok(listing) => {
            look.complete = listing.stable;
            for problem in &listing.problems {
                let path = problem.path.display().to_string();
                run.notice(place.path(), NoticeKind::Skipped, Some(path), problem.kind.advice().to_owned());
            }
            Ok(Some(listing))
        }
        Err(error) if stops_run(&error) => Err(error.into()),
        Err(error) => {
            run.notice(place.path(), NoticeKind::FolderFailed, None, error.to_string());
            Ok(None)
        }
    }
}

/// Compares a listing with the base.
fn compare<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    place: &Place,
    look: &mut Look,
    listing: &EntryListing,
) -> Result<(), SyncError> {
    // The name that an arriving file got is not known yet.
    let has_name = |row: &&EntryBrief| row.standing != EntryStanding::Arriving;
    let by_name: HashMap<String, EntryKey> =
        look.rows.values().filter(has_name).map(|row| (row.file.clone(), row.key)).collect();
    let arriving = look.rows.values().filter(|row| !has_name(row)).map(|row| row.key);
    look.away.extend(arriving);
    let mut met: BTreeSet<EntryKey> = BTreeSet::new();
    let full = run.compares_files(place);
    let mut settled = Vec::new();
    for (name, stat, when) in &listing.files {
        let known = by_name.get(name).and_then(|key| look.rows.get(key)).cloned();
        if let Some(row) = &known {
            met.insert(row.key);
            if !full && row.stat == Some(*stat) {
                continue;
            }
        }
        let agreed = known.as_ref().map(|row| row.digest);
        match (find(run, place, look, name, (*stat, *when), agreed)?, known) {
            (Met::AsAgreed, Some(row)) => {
                let now = (Some(*stat).filter(|_| *when == Settled::Yes), Some(stat.ino));
                if (row.stat, row.ino) != now {
                    settled.push((row.key, now.0, stat.ino));
                }
                look.rows.entry(row.key).and_modify(|row| (row.stat, row.ino) = now);
            }
            (Met::Other(found), Some(row)) => drop(look.changed.insert(row.key, found)),
            (Met::Other(found), None) => look.add_loose(found),
            (Met::Vanished, _) | (Met::AsAgreed, None) => {}
        }
    }
    for (name, key) in by_name.into_iter().filter(|(_, key)| !met.contains(key)) {
        // What lies there under its name but is no file hides it; that is no absence.
        if !listing.held.contains(&name) {
            look.away.insert(key);
        }
    }
    if !run.is_dry() && !settled.is_empty() {
        run.state().jot(|tx| settled.iter().try_for_each(|(key, stat, ino)| tx.set_entry_stat(*key, *stat, *ino)))?;
    }
    Ok(())
}

/// Entries whose files were about to be written when a run was cut off. One whose file was found, wherever it lies now and whatever it says, did
/// arrive; another one is forgotten, and its page is listed again.
fn settle_arrivals(looks: &mut Looks) -> Vec<(EntryKey, bool)> {
    let mut settled = Vec::new();
    for look in looks.values_mut().filter(|look| look.complete) {
        let arriving: Vec<EntryKey> =
            look.rows.values().filter(|row| row.standing == EntryStanding::Arriving).map(|row| row.key).collect();
        for key in arriving {
            let arrived = !look.away.remove(&key);
            if arrived {
                look.rows.entry(key).and_modify(|row| row.standing = EntryStanding::Agreed);
            } else {
                look.rows.remove(&key);
            }
            settled.push((key, arrived));
        }
    }
    settled
}

/// How a file was met.
enum Met {
    /// It says what was agreed, to the byte.
    AsAgreed,
    /// It says something else, or nobody knows it.
    Other(Found),
    /// It is not there any more.
    Vanished,
}

/// Reads a file, and takes it apart where it is not as agreed.
fn find<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    place: &Place,
    look: &mut Look,
    name: &str,
    (stat, settled): (FileStat, Settled),
    agreed: Option<Digest>,
) -> Result<Met, SyncError> {
    let found = |digest, clues, settled| Found {
        name: name.to_owned(),
        stat: Some(stat).filter(|_| settled == Settled::Yes),
        ino: stat.ino,
        digest,
        clues,
    };
    let content = match run.local().read_entry(&place.dir()?, name) {
        Ok(content) => content,
        Err(error) if stops_run(&error) => return Err(error.into()),
        Err(error) => {
            return Ok(Met::Other(found(Digest([0; 16]), Err(error.to_string()), Settled::NotYet)));
        }
    };
    if let EntryContent::Bytes(bytes) = &content
        && agreed == Some(digest_of(bytes))
    {
        return Ok(Met::AsAgreed);
    }
    let Some(read) = Read::of(look.kind, content) else {
        look.complete = false;
        return Ok(Met::Vanished);
    };
    let clues = read.said.map(|said| Clues {
        uid: said.entry.uid().to_owned(),
        says: says(&said),
        label: said.entry.label().to_owned(),
    });
    Ok(Met::Other(found(read.digest, clues, settled)))
}

/// What vanished in one folder and appeared in one of its kind was moved or, in the same folder, renamed: it is known by its content, by its
/// number on the file system, or by its UID. Those that were renamed are returned.
fn find_moves<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    looks: &mut Looks,
) -> Result<Vec<(EntryKey, String)>, SyncError> {
    let mut departed: Vec<(FolderKey, EntryKind, EntryBrief)> = Vec::new();
    for (folder, look) in looks.iter().filter(|(_, look)| look.complete) {
        let away = look.away.iter().filter_map(|key| look.rows.get(key));
        departed.extend(away.map(|row| (*folder, look.kind, row.clone())));
    }
    if departed.is_empty() || looks.values().all(|look| look.loose.is_empty()) {
        return Ok(Vec::new());
    }
    let mut renamed = Vec::new();
    for (from, kind, row) in departed {
        let said = run.state().read(|state| state.entry(row.key))?;
        let uid = said.map(|row| row.server.entry.uid().to_owned()).filter(|uid| !uid.is_empty());
        let Some((to, found)) = destination(looks, kind, &row, uid.as_deref()) else { continue };
        if let Some(look) = looks.get_mut(&to) {
            look.loose.remove(&found.name);
        }
        let Some(look) = looks.get_mut(&from) else { continue };
        look.away.remove(&row.key);
        if to == from {
            look.rows.entry(row.key).and_modify(|row| row.file.clone_from(&found.name));
            renamed.push((row.key, found.name.clone()));
        } else {
            look.moved.insert(row.key, (to, found.name.clone()));
        }
        if found.digest != row.digest {
            look.changed.insert(row.key, found);
        }
    }
    Ok(renamed)
}

/// Where the file of an entry lies now: the one of its content before the one of its number, and that before the one of its UID.
fn destination(looks: &Looks, kind: EntryKind, row: &EntryBrief, uid: Option<&str>) -> Option<(FolderKey, Found)> {
    let loose = || {
        let alike = looks.iter().filter(|(_, look)| look.kind == kind);
        alike.flat_map(|(to, look)| look.loose.values().map(|found| (*to, found)))
    };
    let ino = row.ino;
    // Under the name that it was to get: a note, which has no UID, and was edited since.
    let is_arriving = row.standing == EntryStanding::Arriving && kind == EntryKind::Note;
    let has_uid = |found: &Found| uid.is_some() && found.clues.as_ref().ok().map(|clues| clues.uid.as_str()) == uid;
    loose()
        .find(|(_, found)| found.digest == row.digest || row.coming.is_some_and(|coming| coming.digest == found.digest))
        .or_else(|| loose().find(|(_, found)| ino == Some(found.ino) && found.clues.is_ok()))
        .or_else(|| loose().find(|(_, found)| has_uid(found)))
        .or_else(|| loose().find(|(to, found)| *to == row.folder && is_arriving && found.name == row.file))
        .map(|(to, found)| (to, found.clone()))
}
