//! Whether what lies at a path is what both sides agreed on: so a watch tells what its own runs wrote from what others did.
//!
//! What cannot be told is not agreed on. Files beside messages and entries, such as `displayname`, say nothing.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use crate::clock::Clock;
use crate::format::entry::extension;
use crate::local::vdir::digest_of;
use crate::local::{
    EntryContent, FolderDir, Keywords, LocalError, LocalRead as _, MailTree, MessageName, Subdir, notice,
};
use crate::pim::{EntryKind, FolderKey, Marks};
use crate::state::{EntryBrief, FolderRow, ItemRow, Standing, State, StateError};

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// The directory cannot be read.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// `state.db` cannot.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What both sides agreed on for one account or another tree.
pub struct Agreed {
    state: Arc<State>,
    tree: MailTree,
    /// By directory.
    folders: HashMap<String, FolderRow>,
    /// Entries by folder and name, once they were asked for.
    entries: HashMap<FolderKey, HashMap<String, EntryBrief>>,
}

impl Agreed {
    /// Reads which folders there are.
    ///
    /// # Errors
    /// What concerns the directory or `state.db`.
    pub fn open(database: &Path, state: Arc<State>, account: &str, clock: Arc<dyn Clock>) -> Result<Self, Untold> {
        let tree = MailTree::open(database, account, clock)?;
        let rows = state.read(|state| match state.account(account)? {
            Some(account) => state.folders(account.key),
            None => Ok(Vec::new()),
        })?;
        let folders = rows.into_iter().filter_map(|row| Some((row.dir.clone()?, row))).collect();
        Ok(Self { state, tree, folders, entries: HashMap::new() })
    }

    /// Whether what lies at a path below the account's directory, or that nothing does, is as agreed.
    pub fn on(&mut self, path: &Path) -> bool {
        self.look(path).unwrap_or(false)
    }

    fn look(&mut self, path: &Path) -> Result<bool, Untold> {
        let Some(names) = notice::names_in(path) else { return Ok(false) };
        match names.as_slice() {
            [] => Ok(true),
            [folder @ .., "cur" | "new"] => Ok(self.folders.contains_key(&folder.join("/"))),
            [folder @ .., "cur", file] => self.message(&folder.join("/"), Subdir::Cur, file),
            [folder @ .., "new", file] => self.message(&folder.join("/"), Subdir::New, file),
            [folder @ .., file] => self.other(&names.join("/"), &folder.join("/"), file),
        }
    }

    fn message(&self, folder: &str, subdir: Subdir, file: &str) -> Result<bool, Untold> {
        let Some(row) = self.folders.get(folder) else { return Ok(false) };
        let (dir, name) = (FolderDir::new(folder)?, MessageName::parse(subdir, OsStr::new(file)));
        let is_there = self.tree.stat(&dir, &name)?.is_some();
        let Some(item) = self.state.read(|state| state.item_of_file(row.key, name.key()))? else {
            return Ok(!is_there);
        };
        let keywords = self.tree.keywords(&dir)?;
        match is_there {
            true => Ok(!is_changed(&self.tree, &dir, &item, &name, &keywords)?),
            // It has another name by now, as agreed.
            false => Ok(item.standing == Standing::Gone || says_other(&item, &name, &keywords)),
        }
    }

    /// A directory, or a file that is no message.
    fn other(&mut self, path: &str, folder: &str, file: &str) -> Result<bool, Untold> {
        let is_directory = self.tree.path().join(path).is_dir();
        if is_directory || self.folders.contains_key(path) {
            return Ok(is_directory && self.folders.contains_key(path));
        }
        let Some(row) = self.folders.get(folder) else { return Ok(false) };
        match EntryKind::of_folder(row.kind) {
            Some(kind) if file.ends_with(extension(kind)) => self.entry(row.key, &FolderDir::new(folder)?, file),
            _ => Ok(true),
        }
    }

    fn entry(&mut self, folder: FolderKey, dir: &FolderDir, file: &str) -> Result<bool, Untold> {
        if !self.entries.contains_key(&folder) {
            let briefs = self.state.read(|state| state.entry_briefs(folder))?;
            self.entries.insert(folder, briefs.into_iter().map(|brief| (brief.file.clone(), brief)).collect());
        }
        let brief = self.entries.get(&folder).and_then(|entries| entries.get(file));
        Ok(match (self.tree.stat_entry(dir, file)?, brief) {
            (None, None) => true,
            (Some(stat), Some(brief)) if brief.stat == Some(stat) => true,
            (Some(_), Some(brief)) => match self.tree.read_entry(dir, file)? {
                EntryContent::Bytes(content) => digest_of(&content) == brief.digest,
                EntryContent::TooLarge(_) | EntryContent::Vanished => false,
            },
            (Some(_), None) | (None, Some(_)) => false,
        })
    }
}

/// Whether a name says other flags or categories than both sides agreed on.
fn says_other(item: &ItemRow, name: &MessageName, keywords: &Keywords) -> bool {
    let mut categories = keywords.categories(name.letters());
    // What the folder has no letter for was not taken away.
    categories.extend(keywords.letters_for(&item.server.categories).1);
    let marks = Marks { flags: name.flags(), categories };
    marks != Marks { flags: item.flags, categories: item.server.categories.clone() }
}

/// Whether a message has other marks, or, as a draft, other content than both sides agreed on.
///
/// # Errors
/// That the file cannot be read.
pub fn is_changed(
    tree: &MailTree,
    dir: &FolderDir,
    item: &ItemRow,
    name: &MessageName,
    keywords: &Keywords,
) -> Result<bool, LocalError> {
    if says_other(item, name, keywords) {
        return Ok(true);
    }
    Ok(item.server.draft && tree.digest(dir, name)?.is_some_and(|(digest, _)| digest != item.digest))
}
