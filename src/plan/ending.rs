//! What becomes of folders that vanished on one side, once their items are dealt with.

use std::collections::BTreeSet;

use super::guard::Brake;
use super::item::{HeldReason, Side};
use super::proof::FolderRemoval;
use crate::pim::FolderKey;

/// A folder that vanished on one side, after its items were dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emptied {
    /// The folder.
    pub key: FolderKey,
    /// The folder it lies in, if that vanished too.
    pub within: Option<FolderKey>,
    /// The side on which it is still there.
    pub left_on: Side,
    /// Whether it has a fixed role.
    pub special: bool,
    /// Whether anything is left in it on that side, besides folders that vanished too.
    pub in_use: bool,
}

/// What becomes of a folder that vanished on one side.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// It goes on the other side too.
    Remove(FolderKey, Side, FolderRemoval),
    /// It is made again where it vanished: it has a fixed role, or something in it was new, changed or held.
    Restore(FolderKey, Side),
    /// It would go, and does not for that reason.
    Held(FolderKey, Side, HeldReason),
}

/// Decides about vanished folders, given with those that lie deeper first; the answers come in the same order, so a folder that is
/// made again may need those above it made first. `total` is how many folders the base knows, for the brake.
pub fn end_folders(emptied: &[Emptied], brake: Brake, total: u64) -> Vec<Ending> {
    let mut kept = BTreeSet::new();
    for folder in emptied {
        if folder.special || folder.in_use || kept.contains(&folder.key) {
            kept.insert(folder.key);
            kept.extend(folder.within);
        }
    }
    let removals = emptied.iter().filter(|folder| !kept.contains(&folder.key)).count();
    let ending = |folder: &Emptied| {
        if kept.contains(&folder.key) {
            return Ending::Restore(folder.key, folder.left_on);
        }
        match brake.holds(folder.left_on, removals as u64, total) {
            Some(reason) => Ending::Held(folder.key, folder.left_on, reason),
            None => Ending::Remove(folder.key, folder.left_on, FolderRemoval::proven()),
        }
    };
    emptied.iter().map(ending).collect()
}
