//! The brake: a run that would delete much of a folder at once holds those deletions until a person says that they are meant.

use std::collections::BTreeMap;

use super::item::{Base, Held, HeldReason, Side};
use super::proof::MessageRemoval;
use crate::pim::{FolderKey, ItemKey};

/// Whether the brake is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Brake {
    /// Mass deletions are held.
    #[default]
    On,
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

/// Gathers the deletions that a plan would like, and judges them together. `T` is what the plan needs to carry one out.
pub(super) struct Guard<T> {
    brake: Brake,
    sizes: BTreeMap<FolderKey, u64>,
    wishes: BTreeMap<(FolderKey, Side), Vec<(ItemKey, T)>>,
}

/// What the guard says.
pub(super) struct Verdict<T> {
    pub(super) allowed: Vec<(ItemKey, T, MessageRemoval)>,
    pub(super) held: Vec<Held>,
}

impl<T> Guard<T> {
    pub(super) fn new(brake: Brake, sizes: &[FolderSize]) -> Self {
        let sizes = sizes.iter().map(|size| (size.folder, size.items)).collect();
        Self { brake, sizes, wishes: BTreeMap::new() }
    }

    pub(super) fn wish(&mut self, base: &Base, side: Side, removal: T) {
        self.wishes.entry((base.folder, side)).or_default().push((base.key, removal));
    }

    pub(super) fn judge(self) -> Verdict<T> {
        let mut verdict = Verdict { allowed: Vec::new(), held: Vec::new() };
        for ((folder, side), wishes) in self.wishes {
            let items = self.sizes.get(&folder).copied().unwrap_or_default();
            if self.brake == Brake::On && too_many(wishes.len() as u64, items) {
                let reason = HeldReason::Brake;
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
    fn the_brake_holds_above_a_fifth_of_25_or_more() {
        assert!(!too_many(24, 24));
        assert!(!too_many(5, 25));
        assert!(too_many(6, 25));
        assert!(!too_many(20, 100));
        assert!(too_many(21, 100));
        assert!(!too_many(0, 0));
    }
}
