//! Which names are taken in which directory.

use std::collections::{BTreeMap, HashMap};

use super::known::Known;
use crate::local::{FolderDir, LocalFolder, foldername};
use crate::pim::FolderKey;

/// A name in a directory, as file systems compare names that do not tell case apart.
type Spot = (FolderDir, String);

/// The names that directories have, and those that the base has promised.
pub(super) struct Names {
    met: HashMap<Spot, Vec<FolderDir>>,
    promised: HashMap<Spot, Vec<FolderKey>>,
}

impl Names {
    pub(super) fn new(known: &Known, folders: &BTreeMap<FolderDir, LocalFolder>, blocked: &[FolderDir]) -> Self {
        let mut names = Self { met: HashMap::new(), promised: HashMap::new() };
        folders.keys().chain(blocked).for_each(|dir| names.add_met(dir));
        for row in known.rows() {
            if let Some(dir) = row.dir.as_deref().and_then(|dir| FolderDir::new(dir).ok()) {
                names.add_promised(&dir, row.key);
            }
        }
        names
    }

    pub(super) fn add_met(&mut self, dir: &FolderDir) {
        if let Some(spot) = spot(dir) {
            self.met.entry(spot).or_default().push(dir.clone());
        }
    }

    pub(super) fn add_promised(&mut self, dir: &FolderDir, key: FolderKey) {
        if let Some(spot) = spot(dir) {
            self.promised.entry(spot).or_default().push(key);
        }
    }

    /// Whether another folder than `own` has the name, or is to have it.
    pub(super) fn is_taken(&self, above: &FolderDir, twin_key: &str, own: Option<FolderKey>, known: &Known) -> bool {
        let spot = (above.clone(), twin_key.to_owned());
        let is_own = |key: Option<FolderKey>| own.is_some() && key == own;
        self.met.get(&spot).is_some_and(|dirs| dirs.iter().any(|dir| !is_own(known.in_dir(dir))))
            || self.promised.get(&spot).is_some_and(|keys| keys.iter().any(|key| !is_own(Some(*key))))
    }
}

fn spot(dir: &FolderDir) -> Option<Spot> {
    Some((dir.parent()?, foldername::twin_key(dir.name())))
}
