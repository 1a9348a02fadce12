//! What to do about the master list of categories: category by category, since it is one file here and one document there.
//!
//! A list that is not there (no file, or no document on the server) proves nothing about its categories: it is made again. That goes for a list in
//! which nothing is left, too, unless the person says that it is meant: an emptied file is a likelier accident than a wish.

use std::collections::BTreeSet;

use super::guard::Brake;
use super::item::{ConflictPolicy, HeldReason, Side};
use crate::pim::category_list::Contradiction;
use crate::pim::{Categories, Category, CategoryList, MasterCategory};

/// The list as it was agreed, and as both sides have it now.
#[derive(Clone, Copy, Debug)]
pub struct Lists<'a> {
    /// What was agreed; empty where nothing was.
    pub base: &'a CategoryList,
    /// The server's; `None` where it has none.
    pub remote: Option<&'a CategoryList>,
    /// The file's; `None` where there is none.
    pub local: Option<&'a CategoryList>,
    /// The deletions that were held: they are until the list's owner says that they are meant.
    pub held: &'a Categories,
}

/// What is to become of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPlan {
    /// What the server's list is to say.
    pub remote: CategoryList,
    /// What the file is to say.
    pub local: CategoryList,
    /// What is agreed then.
    pub base: CategoryList,
    /// The categories in which the file said something else than the server, and loses: a copy of it is to be kept first.
    pub clash: Vec<Category>,
    /// The deletions that are held: the side that would lose them, why, and which they are.
    pub held: Vec<(Side, HeldReason, Categories)>,
}

/// Categories that are gone on the other side, and as agreed on this one.
struct Gone<'a> {
    side: Side,
    names: BTreeSet<&'a Category>,
    /// Why all of them are held.
    reason: Option<HeldReason>,
}

impl<'a> Gone<'a> {
    /// What that side is to lose.
    fn from(side: Side, lists: Lists<'a>, brake: Brake) -> Self {
        let (Some(remote), Some(local)) = (lists.remote, lists.local) else {
            return Self { side, names: BTreeSet::new(), reason: None };
        };
        let (from, other) = match side {
            Side::Remote => (remote, local),
            Side::Local => (local, remote),
        };
        let is_gone = |base: &&MasterCategory| from.get(&base.name) == Some(base) && other.get(&base.name).is_none();
        let names: BTreeSet<&Category> = lists.base.iter().filter(is_gone).map(|base| &base.name).collect();
        let reason = holds(brake, side, names.len(), from.len());
        Self { side, names, reason }
    }

    /// Why a deletion is held.
    fn held(&self, name: &Category, lists: Lists<'_>, brake: Brake) -> Option<HeldReason> {
        let before = || (brake != Brake::Released && lists.held.contains(name)).then_some(HeldReason::Brake);
        self.reason.or_else(before)
    }
}

/// Decides about the list.
pub fn plan(lists: Lists<'_>, policy: ConflictPolicy, brake: Brake) -> ListPlan {
    let nothing = CategoryList::default();
    let (remote, local) = (lists.remote.unwrap_or(&nothing), lists.local.unwrap_or(&nothing));
    let mut plan = ListPlan::default();
    let gone = [Side::Remote, Side::Local].map(|side| Gone::from(side, lists, brake));
    let names: BTreeSet<&Category> = remote.iter().chain(local.iter()).map(|category| &category.name).collect();
    for name in names {
        let kept = match (remote.get(name), local.get(name)) {
            (Some(category), None) | (None, Some(category)) => match gone.iter().find(|gone| gone.names.contains(name))
            {
                Some(gone) => {
                    if let Some(reason) = gone.held(name, lists, brake) {
                        plan.hold(gone.side, reason, category);
                    }
                    continue;
                }
                None => category.clone(),
            },
            (Some(there), Some(here)) => merged(lists.base.get(name), there, here, policy, &mut plan.clash),
            (None, None) => continue,
        };
        for list in [&mut plan.remote, &mut plan.local, &mut plan.base] {
            list.add(kept.clone());
        }
    }
    plan
}

impl ListPlan {
    /// A deletion from that side is held: the category stays there, and is agreed as before.
    fn hold(&mut self, side: Side, reason: HeldReason, category: &MasterCategory) {
        let list = if side == Side::Remote { &mut self.remote } else { &mut self.local };
        list.add(category.clone());
        self.base.add(category.clone());
        match self.held.iter_mut().find(|held| (held.0, held.1) == (side, reason)) {
            Some((.., names)) => drop(names.insert(category.name.clone())),
            None => self.held.push((side, reason, [category.name.clone()].into())),
        }
    }
}

fn merged(
    base: Option<&MasterCategory>,
    there: &MasterCategory,
    here: &MasterCategory,
    policy: ConflictPolicy,
    clash: &mut Vec<Category>,
) -> MasterCategory {
    let (merged, contradiction) = MasterCategory::merge(base, there, here);
    match (contradiction, policy) {
        (Contradiction::None, _) | (Contradiction::Some, ConflictPolicy::Server) => merged,
        // What the server changed alone is taken over; of the rest the file's holds.
        (Contradiction::Some, ConflictPolicy::Local) => {
            MasterCategory { name: merged.name, ..MasterCategory::merge(base, here, there).0 }
        }
        (Contradiction::Some, ConflictPolicy::KeepBoth) => {
            clash.push(merged.name.clone());
            merged
        }
    }
}

/// Why so many deletions of a list of so many categories are held. That nothing would be left of it is always too much.
fn holds(brake: Brake, side: Side, removals: usize, categories: usize) -> Option<HeldReason> {
    if removals == 0 {
        return None;
    }
    let all = removals == categories && brake != Brake::Released;
    brake.holds(side, removals as u64, categories as u64).or(all.then_some(HeldReason::Brake))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pim::CategoryColour;

    fn category(name: &str, colour: i32, shortcut: u32) -> MasterCategory {
        MasterCategory { colour: CategoryColour(colour), shortcut, ..MasterCategory::named(name) }
    }

    fn list(names: &str) -> CategoryList {
        names.split_whitespace().map(|name| category(name, 1, 0)).collect()
    }

    fn planned(base: &str, remote: Option<&str>, local: Option<&str>, brake: Brake) -> ListPlan {
        let (base, remote, local) = (list(base), remote.map(list), local.map(list));
        let lists = Lists { base: &base, remote: remote.as_ref(), local: local.as_ref(), held: &Categories::new() };
        plan(lists, ConflictPolicy::KeepBoth, brake)
    }

    fn held(side: Side, reason: HeldReason, names: &str) -> Vec<(Side, HeldReason, Categories)> {
        vec![(side, reason, names.split_whitespace().map(|name| Category(name.to_owned())).collect())]
    }

    #[test]
    fn what_is_new_or_gone_on_one_side_is_on_the_other() {
        let plan = planned("a b c", Some("b c d"), Some("a b e"), Brake::On);
        assert_eq!((&plan.remote, &plan.local, &plan.base), (&list("b d e"), &list("b d e"), &list("b d e")));
        assert_eq!((plan.clash, plan.held), (vec![], vec![]));
    }

    #[test]
    fn a_list_that_is_not_there_is_made_again() {
        for (remote, local) in [(Some("a b"), None), (None, Some("a b"))] {
            let plan = planned("a b", remote, local, Brake::Released);
            assert_eq!((plan.remote, plan.local, plan.held), (list("a b"), list("a b"), vec![]));
        }
    }

    #[test]
    fn an_emptied_list_empties_no_other() {
        let emptied = planned("a b", Some("a b"), Some(""), Brake::On);
        assert_eq!((emptied.remote, emptied.base), (list("a b"), list("a b")));
        assert_eq!((emptied.local, emptied.held), (list(""), held(Side::Remote, HeldReason::Brake, "a b")));
        let emptied = planned("a b", Some(""), Some("a b"), Brake::On);
        assert_eq!((emptied.local, emptied.held), (list("a b"), held(Side::Local, HeldReason::Brake, "a b")));
        let meant = planned("a b", Some("a b"), Some(""), Brake::Released);
        assert_eq!((meant.remote, meant.held), (list(""), vec![]));
    }

    #[test]
    fn what_was_held_is_held_until_it_is_meant() {
        let all = list("a b c");
        let (remote, held) = (list("a b c"), Categories::from([Category("A".to_owned()), Category("B".to_owned())]));
        let lists = Lists { base: &all, remote: Some(&remote), local: Some(&list("c")), held: &held };
        assert_eq!(plan(lists, ConflictPolicy::KeepBoth, Brake::On).remote, all, "though c is new on both sides");
        assert_eq!(plan(lists, ConflictPolicy::KeepBoth, Brake::Released).remote, list("c"));
        let back = Lists { local: Some(&all), ..lists };
        assert_eq!(plan(back, ConflictPolicy::KeepBoth, Brake::On).held, vec![]);
    }

    #[test]
    fn after_a_restore_nothing_is_deleted_there() {
        let plan = planned("a b", Some("a b"), Some("a"), Brake::Fenced);
        assert_eq!((plan.remote, plan.held), (list("a b"), held(Side::Remote, HeldReason::Restored, "b")));
        assert_eq!(planned("a b", Some("a b"), Some("a"), Brake::On).remote, list("a"));
    }

    #[test]
    fn a_contradiction_is_settled_as_the_policy_says() {
        let of = |category| [category].into_iter().collect::<CategoryList>();
        let (base, remote, local) = (of(category("a", 1, 0)), of(category("a", 2, 0)), of(category("A", 3, 5)));
        for (policy, colour, clashes) in
            [(ConflictPolicy::KeepBoth, 2, 1), (ConflictPolicy::Server, 2, 0), (ConflictPolicy::Local, 3, 0)]
        {
            let lists = Lists { base: &base, remote: Some(&remote), local: Some(&local), held: &Categories::new() };
            let plan = plan(lists, policy, Brake::On);
            assert_eq!(plan.local, of(category("A", colour, 5)), "{policy:?}");
            assert_eq!((plan.remote, plan.clash.len()), (plan.local, clashes));
        }
    }

    fn some_list() -> impl Strategy<Value = CategoryList> {
        let name = prop::sample::select(&["a", "A", "b", "B", "c", "d", "e", "f", "g"][..]);
        prop::collection::vec((name, -1..4i32, 0..3u32), 0..8)
            .prop_map(|all| all.into_iter().map(|(name, colour, key)| category(name, colour, key)).collect())
    }

    fn policy() -> impl Strategy<Value = ConflictPolicy> {
        prop::sample::select(&[ConflictPolicy::KeepBoth, ConflictPolicy::Server, ConflictPolicy::Local][..])
    }

    fn brake() -> impl Strategy<Value = Brake> {
        prop::sample::select(&[Brake::On, Brake::Fenced, Brake::Released][..])
    }

    proptest! {
        #[test]
        fn nothing_new_is_lost_and_a_second_plan_does_nothing(
            base in some_list(),
            remote in prop::option::of(some_list()),
            local in prop::option::of(some_list()),
            policy in policy(),
            brake in brake(),
        ) {
            let none = Categories::new();
            let lists = Lists { base: &base, remote: remote.as_ref(), local: local.as_ref(), held: &none };
            let first = plan(lists, policy, brake);
            for category in remote.iter().chain(&local).flat_map(CategoryList::iter) {
                if base.get(&category.name) != Some(category) {
                    prop_assert!(first.remote.get(&category.name).is_some() && first.local.get(&category.name).is_some());
                }
            }
            // Cut off after the file was written, after the server was, or after both.
            for (there, here) in [
                (remote.as_ref(), Some(&first.local)),
                (Some(&first.remote), local.as_ref()),
                (Some(&first.remote), Some(&first.local)),
            ] {
                if first.held.is_empty() {
                    let again = plan(Lists { base: &base, remote: there, local: here, held: &none }, policy, Brake::Released);
                    prop_assert_eq!((&again.remote, &again.local), (&first.remote, &first.local));
                }
            }
            let held: Categories = first.held.iter().flat_map(|(.., names)| names.clone()).collect();
            let settled =
                Lists { base: &first.base, remote: Some(&first.remote), local: Some(&first.local), held: &held };
            let second = plan(settled, policy, brake);
            prop_assert_eq!((&second.remote, &second.local, &second.base), (&first.remote, &first.local, &first.base));
            prop_assert_eq!((second.clash, second.held), (vec![], first.held));
        }
    }
}
