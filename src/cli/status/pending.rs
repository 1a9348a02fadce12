//! What was changed in the directory since both sides agreed. Folders whose stamp did not change are not listed.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use crate::format::entry::extension;
use crate::local::vdir::digest_of;
use crate::local::{
    DirStamp, EntryContent, FolderDir, LocalError, LocalFolder, LocalRead, MailTree, MessageName, Problem, ScanEnd,
};
use crate::pim::{EntryKind, ItemKey};
use crate::state::{Brief, EntryBrief, FolderRow, State, StateError, name_hash};
use crate::sync::agreed::is_changed;

/// Changes that the next sync will bring to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Pending {
    /// Messages that are new.
    pub(super) new: u64,
    /// Messages with other flags, categories or content.
    pub(super) changed: u64,
    /// Messages that are gone.
    pub(super) gone: u64,
}

/// The account's directory, as it is.
pub(super) struct LocalFolders {
    tree: Option<MailTree>,
    folders: BTreeMap<FolderDir, LocalFolder>,
    problems: Vec<String>,
}

/// Why a folder's changes are not known.
enum Obstacle {
    Local(LocalError),
    State(StateError),
}

impl From<LocalError> for Obstacle {
    fn from(error: LocalError) -> Self {
        Self::Local(error)
    }
}

impl From<StateError> for Obstacle {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl LocalFolders {
    pub(super) fn read(tree: Result<MailTree, LocalError>) -> Result<Self, LocalError> {
        let tree = tree?;
        let found = tree.folders()?;
        Ok(Self {
            tree: Some(tree),
            folders: found.folders.into_iter().map(|folder| (folder.dir.clone(), folder)).collect(),
            problems: found.problems.iter().map(words).collect(),
        })
    }

    /// Nothing is known of the directory.
    pub(super) fn unknown() -> Self {
        Self { tree: None, folders: BTreeMap::new(), problems: Vec::new() }
    }

    /// What changed in a folder of the base; `None` where that cannot be told.
    pub(super) fn pending(&mut self, state: &State, row: &FolderRow) -> Result<Option<Pending>, StateError> {
        let Some(tree) = &self.tree else { return Ok(None) };
        let Some(folder) = find(&self.folders, row) else {
            let gone = state.read(|state| Ok(state.count_items(row.key)? + state.count_entries(row.key)?))?;
            return Ok(Some(Pending { gone, ..Pending::default() }));
        };
        let dir = folder.dir.clone();
        self.folders.remove(&dir);
        let changes = match EntryKind::of_folder(row.kind) {
            Some(kind) => entry_changes(tree, state, row, &dir, kind),
            None => changes(tree, state, row, &dir).map(|(pending, end)| (pending, end.map(|end| end.problems))),
        };
        match changes {
            Ok((pending, problems)) => {
                self.problems.extend(problems.iter().flatten().map(words));
                Ok(Some(pending))
            }
            Err(Obstacle::Local(error)) => {
                self.problems.push(error.to_string());
                Ok(None)
            }
            Err(Obstacle::State(error)) => Err(error),
        }
    }

    /// Maildirs that no folder of the base lies in, with what is new in them.
    pub(super) fn unknown_to_base(&mut self) -> Vec<(String, Option<Pending>)> {
        let Some(tree) = &self.tree else { return Vec::new() };
        let maildirs = self.folders.values().filter(|folder| folder.maildir);
        let mut problems = Vec::new();
        let new = maildirs
            .map(|folder| {
                let mut new = 0;
                let pending = match tree.scan(&folder.dir, &mut |_| new += 1) {
                    Ok(_) => Some(Pending { new, ..Pending::default() }),
                    Err(error) => {
                        problems.push(error.to_string());
                        None
                    }
                };
                (folder.dir.as_str().to_owned(), pending)
            })
            .collect();
        self.problems.extend(problems);
        new
    }

    pub(super) fn into_problems(self) -> Vec<String> {
        self.problems
    }
}

/// A problem for people: where it is, and what to do.
pub(super) fn words(problem: &Problem) -> String {
    format!("{} {}", problem.path.display(), problem.kind.advice())
}

/// The folder's directory: the one with its path, else the one that it was renamed to.
fn find<'f>(folders: &'f BTreeMap<FolderDir, LocalFolder>, row: &FolderRow) -> Option<&'f LocalFolder> {
    let dir = FolderDir::new(row.dir.as_deref()?).ok()?;
    folders.get(&dir).or_else(|| folders.values().find(|folder| row.dir_id == Some((folder.id.dev, folder.id.ino))))
}

fn changes(
    tree: &MailTree,
    state: &State,
    row: &FolderRow,
    dir: &FolderDir,
) -> Result<(Pending, Option<ScanEnd>), Obstacle> {
    let stored = row.listing.stamp.as_deref().and_then(DirStamp::from_text);
    if stored.is_some() && stored == tree.stamp(dir).ok() && !state.read(|state| state.has_drafts(row.key))? {
        return Ok((Pending::default(), None));
    }
    let mut base: HashMap<i64, Brief> = HashMap::new();
    state.read(|state| {
        state.briefs(row.key, |hash, brief| {
            base.insert(hash, brief);
        })
    })?;
    let mut pending = Pending::default();
    let mut gone: HashSet<ItemKey> = base.values().map(|brief| brief.key).collect();
    let mut check: Vec<(Brief, MessageName)> = Vec::new();
    let end = tree.scan(dir, &mut |name| match base.get(&name_hash(name.key())) {
        None => pending.new += 1,
        Some(brief) => {
            gone.remove(&brief.key);
            if name.flags() != brief.flags {
                pending.changed += 1;
            } else if brief.draft || brief.categories || !name.letters().is_empty() {
                check.push((*brief, name));
            }
        }
    })?;
    pending.gone = gone.len() as u64;
    let keywords = tree.keywords(dir)?;
    for (brief, name) in check {
        if let Some(item) = state.read(|state| state.item(brief.key))?
            && is_changed(tree, dir, &item, &name, &keywords)?
        {
            pending.changed += 1;
        }
    }
    Ok((pending, Some(end)))
}

/// What changed in a folder of entries. A file counts as changed when its bytes did.
fn entry_changes(
    tree: &MailTree,
    state: &State,
    row: &FolderRow,
    dir: &FolderDir,
    kind: EntryKind,
) -> Result<(Pending, Option<Vec<Problem>>), Obstacle> {
    let mut base: HashMap<String, EntryBrief> =
        state.read(|state| state.entry_briefs(row.key))?.into_iter().map(|brief| (brief.file.clone(), brief)).collect();
    let listing = tree.list_entries(dir, extension(kind))?;
    let mut pending = Pending::default();
    for (name, stat, _) in &listing.files {
        match base.remove(name) {
            None => pending.new += 1,
            Some(brief) if brief.stat == Some(*stat) => {}
            Some(brief) => match tree.read_entry(dir, name)? {
                EntryContent::Bytes(content) if digest_of(&content) == brief.digest => {}
                EntryContent::Bytes(_) | EntryContent::TooLarge(_) => pending.changed += 1,
                EntryContent::Vanished => pending.gone += 1,
            },
        }
    }
    pending.gone += base.len() as u64;
    Ok((pending, Some(listing.problems)))
}
