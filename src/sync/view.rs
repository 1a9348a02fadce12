//! What was seen of the local side in a round: what differs from the base, and the few names that do not follow from it. A folder can hold
//! hundreds of thousands of messages, so nothing else is kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::local::{DirStamp, Fingerprint, FolderDir, Keywords, Letters, MessageName};
use crate::pim::{Digest, FileKey, FolderKey, ItemId, ItemKey, Marks, Tag, UnixTime};
use crate::plan::adopt::Clue;
use crate::plan::{Evidence, LocalState, Seen};
use crate::state::ItemRow;

/// A message's file as it was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LocalFile {
    /// The folder it lies in.
    pub(super) folder: FolderKey,
    /// Its name.
    pub(super) name: MessageName,
    /// What it says.
    pub(super) marks: Marks,
    /// Whether its content is another than the base's.
    pub(super) edited: bool,
    /// What the base is to note of its content, where that is not what it says already: the file was edited on both sides alike, or is only
    /// being adopted.
    pub(super) content: Option<Content>,
}

/// What is noted of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) digest: Digest,
    pub(super) len: u64,
    pub(super) rendering: Option<Digest>,
}

impl Content {
    /// What the base holds where the file says something else than the server: nothing that the file could be known by.
    pub(super) fn only_there(rendering: Digest) -> Self {
        Self { digest: Digest([0; 16]), len: 0, rendering: Some(rendering) }
    }
}

impl LocalFile {
    pub(super) fn state(&self) -> LocalState<LocalFile> {
        LocalState { at: self.clone(), folder: self.folder, marks: self.marks.clone(), edited: self.edited }
    }
}

/// What was seen of the local side.
#[derive(Default)]
pub(super) struct LocalView {
    /// Known items whose file differs from the base.
    pub(super) changed: BTreeMap<ItemKey, LocalFile>,
    /// Known items whose file is gone.
    pub(super) away: BTreeSet<ItemKey>,
    /// Those of the changed ones whose files are known by nothing but their Message-IDs.
    pub(super) rejoined: BTreeSet<ItemKey>,
    /// Files that no item is known for, by folder.
    pub(super) loose: BTreeMap<FolderKey, BTreeMap<FileKey, LocalFile>>,
    /// What those files could be known by, for the folders where that was asked.
    pub(super) clues: BTreeMap<FolderKey, HashMap<Clue, Vec<FileKey>>>,
    /// Folders that could not be looked at in full.
    pub(super) unknown: BTreeSet<FolderKey>,
    /// Folders of the server that could not be listed in full.
    pub(super) remote_unknown: BTreeSet<FolderKey>,
    /// Folders that were scanned.
    pub(super) scanned: BTreeMap<FolderKey, Scanned>,
    /// Ids that are gone, and under which each was found again in this round.
    pub(super) found_again: HashMap<ItemId, ItemId>,
    /// Uploads whose answers were lost and that were found in this round.
    pub(super) uploads_found: HashMap<Tag, ItemId>,
    /// Whether folders changed while others were looked at: what is new may have been moved, and is not uploaded for now.
    pub(super) moving: bool,
    /// Whether some of them were scanned only when it turned out to be needed.
    pub(super) scanned_late: bool,
}

/// What a scan found out about a directory.
pub(super) struct Scanned {
    /// Where it lies.
    pub(super) dir: FolderDir,
    /// Which letters stand for which categories.
    pub(super) keywords: Keywords,
    /// Names that do not follow from the base, of items that did not change.
    pub(super) odd: HashMap<ItemKey, MessageName>,
    /// To be stored when nothing was left to do.
    pub(super) stamp: Option<DirStamp>,
    /// What was listed.
    pub(super) listed: Fingerprint,
    /// When the scan began, if it compared each file with its row.
    pub(super) compared: Option<UnixTime>,
}

impl LocalView {
    /// What the plan is told about an item of the base.
    pub(super) fn seen(&self, row: &ItemRow) -> Seen<LocalState<LocalFile>> {
        if let Some(file) = self.changed.get(&row.key) {
            Seen::Here(file.state())
        } else if self.away.contains(&row.key) {
            Seen::Away(Evidence::CompleteListing)
        } else if self.unknown.contains(&row.folder) {
            Seen::Unknown
        } else {
            Seen::Same
        }
    }

    /// The file of an item that is there. Only for items of scanned folders.
    pub(super) fn file(&self, row: &ItemRow) -> LocalFile {
        if let Some(file) = self.changed.get(&row.key) {
            return file.clone();
        }
        let scanned = self.scanned.get(&row.folder);
        let name = match scanned.and_then(|scanned| scanned.odd.get(&row.key)) {
            Some(name) => name.clone(),
            None => MessageName::for_delivery(row.file.clone(), row.flags, Letters::NONE),
        };
        LocalFile { folder: row.folder, name, marks: base_marks(row), edited: false, content: None }
    }

    /// Notes that an item's file is now this, and that the base says so too.
    pub(super) fn settle(&mut self, key: ItemKey, folder: FolderKey, name: MessageName) {
        self.changed.remove(&key);
        self.away.remove(&key);
        if let Some(scanned) = self.scanned.get_mut(&folder) {
            if name == MessageName::for_delivery(name.key().clone(), name.flags(), Letters::NONE) {
                scanned.odd.remove(&key);
            } else {
                scanned.odd.insert(key, name);
            }
        }
    }

    /// Not everything in a folder was dealt with, so that it has to be listed again next time.
    pub(super) fn look_again_at(&mut self, folder: FolderKey) {
        if let Some(scanned) = self.scanned.get_mut(&folder) {
            scanned.stamp = None;
        }
    }

    /// Nothing follows from the absence of an item's file for now.
    pub(super) fn doubt(&mut self, row: &ItemRow) {
        self.away.remove(&row.key);
        self.unknown.insert(row.folder);
        self.look_again_at(row.folder);
    }

    /// Takes a loose file away: it belongs to an item now.
    pub(super) fn claim(&mut self, file: &LocalFile) {
        if let Some(loose) = self.loose.get_mut(&file.folder) {
            loose.remove(file.name.key());
        }
    }
}

/// What the base says of an item's file.
pub(super) fn base_marks(row: &ItemRow) -> Marks {
    Marks { flags: row.flags, categories: row.server.categories.clone() }
}
