//! The brake: a run that would delete much of a folder at once holds those deletions until a person says that they are meant.

use std::collections::BTreeMap;

use super::item::{Held, HeldReason, Side};
use super::proof::MessageRemoval;
use crate::pim::FolderKey;

/// Whether the brake is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Brake {
    /// Mass deletions are held.
    #[default]
    On,
    /// The same, and nothing is deleted on the server, since the local side was restored from a backup.
    Fenced,
    /// The person said that deletions are meant (`--allow-deletes`).
    Released,
}

/// A folder of fewer items is never held: small folders are emptied in daily use.
pub const SMALLEST_BRAKED: u64 = 25;
/// The part of a folder, in percent, that may go in one run.
pub const LARGEST_PART: u64 = 20;

/// How many items a folder holds in the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderSize {
    /// The folder.
    pub folder: FolderKey,
    /// Its items.
    pub items: u64,
}

/// Whether deleting `removals` of `items` is too much for one run.
pub fn too_many(removals: u64, items: u64) -> bool {
    items >= SMALLEST_BRAKED && removals.saturating_mul(100) > items.saturating_mul(LARGEST_PART)
}

impl Brake {
    /// Why so many deletions of so many items on that side are held; `None` when they are not.
    pub(super) fn holds(self, side: Side, removals: u64, items: u64) -> Option<HeldReason> {
        match (self, side) {
            (Self::Fenced, Side::Remote) => Some(HeldReason::Restored),
            (Self::On | Self::Fenced, _) => too_many(removals, items).then_some(HeldReason::Brake),
            (Self::Released, _) => None,
        }
    }
}

/// Gathers the deletions that a plan would like, and judges them together. `K` is what an item is known by, `T` what the plan needs to carry one
/// out.
pub(super) struct Guard<K, T> {
    brake: Brake,
    sizes: BTreeMap<FolderKey, u64>,
    wishes: BTreeMap<(FolderKey, Side), Vec<(K, T)>>,
}

/// What the guard says.
pub(super) struct Verdict<K, T> {
    pub(super) allowed: Vec<(K, T, MessageRemoval)>,
    pub(super) held: Vec<Held<K>>,
}

impl<K, T> Guard<K, T> {
    pub(super) fn new(brake: Brake, sizes: &[FolderSize]) -> Self {
        let sizes = sizes.iter().map(|size| (size.folder, size.items)).collect();
        Self { brake, sizes, wishes: BTreeMap::new() }
    }

    /// Asks for the deletion of an item that lay in `folder`.
    pub(super) fn wish(&mut self, (key, folder): (K, FolderKey), side: Side, removal: T) {
        self.wishes.entry((folder, side)).or_default().push((key, removal));
    }

    pub(super) fn judge(self) -> Verdict<K, T> {
        let mut verdict = Verdict { allowed: Vec::new(), held: Vec::new() };
        for ((folder, side), wishes) in self.wishes {
            let items = self.sizes.get(&folder).copied().unwrap_or_default();
            if let Some(reason) = self.brake.holds(side, wishes.len() as u64, items) {
                verdict.held.extend(wishes.into_iter().map(|(key, _)| Held { key: Some(key), folder, side, reason }));
            } else {
                let proven = |(key, removal)| (key, removal, MessageRemoval::proven());
                verdict.allowed.extend(wishes.into_iter().map(proven));
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_deleted_on_the_server_of_a_restored_identity() {
        let holds = |brake: Brake, side| [brake.holds(side, 1, 100), brake.holds(side, 30, 100)];
        let braked = [None, Some(HeldReason::Brake)];
        assert_eq!(holds(Brake::Fenced, Side::Remote), [Some(HeldReason::Restored); 2]);
        assert_eq!(holds(Brake::Fenced, Side::Local), braked);
        assert_eq!((holds(Brake::On, Side::Remote), holds(Brake::On, Side::Local)), (braked, braked));
        assert_eq!(holds(Brake::Released, Side::Remote), [None; 2]);
    }

    #[test]
    fn the_brake_holds_above_a_fifth_of_25_or_more() {
        assert!(!too_many(24, 24));
        assert!(!too_many(5, 25));
        assert!(too_many(6, 25));
        assert!(!too_many(20, 100));
        assert!(too_many(21, 100));
        assert!(!too_many(0, 0));
    }
}
