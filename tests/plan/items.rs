//! Whoever edits both sides of a mailbox at once must lose nothing by it, get nothing twice, and find both sides equal afterwards,
//! in whatever order the operations were carried out and wherever the run was cut off.

use std::collections::BTreeSet;

use crate::model::edits::{Scripts, folder, worlds};
use crate::model::{ModelOp, ModelPlan, Unseen, World, cases, oracle};
use pimsync::pim::{FolderKey, ItemKey, ServerMarks};
use pimsync::plan::{Brake, ConflictPolicy, HeldReason, Side};
use proptest::prelude::*;

const POLICIES: [ConflictPolicy; 3] = [ConflictPolicy::KeepBoth, ConflictPolicy::Server, ConflictPolicy::Local];
const SCRIPTS: Scripts = Scripts { items: 6, edits: 10, copies: false };
const WITH_COPIES: Scripts = Scripts { copies: true, ..SCRIPTS };

fn policy() -> impl Strategy<Value = ConflictPolicy> {
    prop::sample::select(POLICIES.to_vec())
}

fn shuffled(mut ops: Vec<ModelOp>, seed: u64) -> Vec<ModelOp> {
    fastrand::Rng::with_seed(seed).shuffle(&mut ops);
    ops
}

/// Carries a plan out in an order that it allows, up to `limit` operations.
fn carry_out(world: &mut World, plan: ModelPlan, seed: u64, limit: usize) {
    let ops = shuffled(plan.pulls, seed).into_iter().chain(shuffled(plan.pushes, seed));
    ops.take(limit).for_each(|op| world.apply(op));
}

fn plan(world: &World, policy: ConflictPolicy) -> ModelPlan {
    world.plan(policy, Brake::Released, &Unseen::default(), false)
}

/// As the engine does: what is pushed is planned when the pulls are done.
fn sync(world: &mut World, policy: ConflictPolicy, seed: u64) {
    let mut pulled = plan(world, policy);
    assert!(pulled.held.is_empty(), "{:?}", pulled.held);
    pulled.pushes.clear();
    carry_out(world, pulled, seed, usize::MAX);
    let pushed = plan(world, policy);
    carry_out(world, pushed, seed, usize::MAX);
}

/// A second sync plans nothing, and both sides agree.
fn assert_converged(world: &World, policy: ConflictPolicy) {
    assert_eq!(plan(world, policy), ModelPlan::default());
    oracle::assert_agreement(world);
}

/// What a plan pushes, but for messages that were adopted meanwhile: only a plan made after that knows them.
fn pushes(plan: ModelPlan, adopted: &BTreeSet<ItemKey>) -> Vec<String> {
    let of_adopted = |op: &ModelOp| matches!(op, ModelOp::Push { key, .. } if adopted.contains(key));
    let mut pushes: Vec<String> = plan.pushes.iter().filter(|op| !of_adopted(op)).map(|op| format!("{op:?}")).collect();
    pushes.sort();
    pushes
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn every_message_has_the_fate_that_its_two_sides_ask_for(
        (base, before) in worlds(SCRIPTS), policy in policy(), seed: u64,
    ) {
        let mut after = before.clone();
        sync(&mut after, policy, seed);
        assert_converged(&after, policy);
        oracle::assert_each_fate(&base, &before, &after, policy);
        oracle::assert_no_loss(&base, &before, &after, policy);
    }

    #[test]
    fn copies_of_a_message_are_neither_lost_nor_multiplied(
        (base, before) in worlds(WITH_COPIES), policy in policy(), seed: u64,
    ) {
        let mut after = before.clone();
        sync(&mut after, policy, seed);
        assert_converged(&after, policy);
        oracle::assert_no_loss(&base, &before, &after, policy);
        oracle::assert_no_duplicates(&before, &after);
    }

    #[test]
    fn what_is_shown_in_full_without_a_change_does_no_harm(
        (base, before) in worlds(SCRIPTS), policy in policy(), seed: u64,
    ) {
        let mut after = before.clone();
        let noisy = after.plan(policy, Brake::Released, &Unseen::default(), true);
        carry_out(&mut after, noisy, seed, usize::MAX);
        sync(&mut after, policy, seed);
        assert_converged(&after, policy);
        oracle::assert_each_fate(&base, &before, &after, policy);
    }

    #[test]
    fn a_run_that_ends_between_pull_and_push_changes_nothing_about_the_pushes(
        (_, before) in worlds(SCRIPTS), policy in policy(), seed: u64,
    ) {
        let mut world = before;
        let mut first = plan(&world, policy);
        let pulls = std::mem::take(&mut first.pulls);
        let new: BTreeSet<_> = pulls.iter().filter_map(|op| match op {
            ModelOp::Adopt { remote, .. } => Some(remote.at),
            _ => None,
        }).collect();
        shuffled(pulls, seed).into_iter().for_each(|op| world.apply(op));
        let second = plan(&world, policy);
        prop_assert!(second.pulls.is_empty(), "{:?}", second.pulls);
        let adopted = world.rows.iter().filter(|(_, row)| new.contains(&row.id)).map(|(key, _)| *key).collect();
        prop_assert_eq!(pushes(second, &adopted), pushes(first, &adopted));
    }

    #[test]
    fn a_run_that_ends_anywhere_loses_nothing_and_the_next_one_finishes(
        (base, before) in worlds(SCRIPTS), policy in policy(), seed: u64, limit in 0..24usize,
    ) {
        let mut after = before.clone();
        let cut_off = plan(&after, policy);
        carry_out(&mut after, cut_off, seed, limit);
        oracle::assert_no_loss(&base, &before, &after, policy);
        sync(&mut after, policy, seed);
        assert_converged(&after, policy);
        oracle::assert_each_fate(&base, &before, &after, policy);
    }

    #[test]
    fn a_folder_that_cannot_be_looked_at_is_left_alone_until_it_can(
        (base, before) in worlds(SCRIPTS), policy in policy(), seed: u64,
        remote in prop::collection::btree_set(folder(), 0..3), local in prop::collection::btree_set(folder(), 0..3),
    ) {
        let mut after = before.clone();
        let unseen = Unseen { remote, local };
        let partial = after.plan(policy, Brake::Released, &unseen, false);
        prop_assert!(partial.held.iter().all(|held| held.reason == HeldReason::OtherSideUnknown));
        carry_out(&mut after, partial, seed, usize::MAX);
        for (id, message) in before.remote.iter().filter(|(_, message)| unseen.remote.contains(&message.folder)) {
            prop_assert_eq!(after.remote.get(id), Some(message), "an unseen message was changed");
        }
        for (inode, file) in before.local.iter().filter(|(_, file)| unseen.local.contains(&file.folder)) {
            prop_assert_eq!(after.local.get(inode), Some(file), "an unseen file was changed");
        }
        oracle::assert_no_loss(&base, &before, &after, policy);
        sync(&mut after, policy, seed);
        assert_converged(&after, policy);
        oracle::assert_no_loss(&base, &before, &after, policy);
    }
}

/// One folder of `items`, of which some were deleted here and some there.
fn thinned(items: u32, gone_here: &[bool], gone_there: &[bool]) -> (World, [u64; 2]) {
    let mut world = World {
        remote: Default::default(),
        local: Default::default(),
        rows: Default::default(),
        copies: Vec::new(),
        next: 10_000,
    };
    (0..items).for_each(|origin| {
        world.agree_on(origin, FolderKey(0), ServerMarks::default(), ServerMarks::default().to_local());
    });
    let keys: Vec<ItemKey> = world.rows.keys().copied().collect();
    let mut wishes = [0, 0];
    for ((key, here), there) in keys.iter().zip(gone_here).zip(gone_there) {
        let id = world.rows[key].id;
        let origin = world.remote[&id].origin;
        if *here {
            world.local.retain(|_, file| file.origin != origin);
        }
        if *there {
            world.remote.remove(&id);
        }
        wishes[0] += u64::from(*here && !*there);
        wishes[1] += u64::from(*there && !*here);
    }
    (world, wishes)
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn the_brake_holds_deletions_of_much_of_a_folder_and_nothing_else(
        items in 20..45u32, seed: u64,
        here in prop::collection::vec(prop::bool::weighted(0.2), 45),
        there in prop::collection::vec(prop::bool::weighted(0.2), 45),
    ) {
        let (mut world, wishes) = thinned(items, &here, &there);
        let too_many = |wishes: u64| items >= 25 && wishes * 5 > u64::from(items);
        let plan = world.plan(ConflictPolicy::KeepBoth, Brake::On, &Unseen::default(), false);
        for (side, wishes) in [(Side::Remote, wishes[0]), (Side::Local, wishes[1])] {
            let held = plan.held.iter().filter(|held| held.side == side && held.reason == HeldReason::Brake).count();
            prop_assert_eq!(held as u64, if too_many(wishes) { wishes } else { 0 });
        }
        let deletions = plan.pushes.len() + plan.pulls.iter().filter(|op| matches!(op, ModelOp::Remove { .. })).count();
        let allowed: u64 = wishes.into_iter().filter(|wishes| !too_many(*wishes)).sum();
        prop_assert_eq!(deletions as u64, allowed);
        carry_out(&mut world, plan, seed, usize::MAX);
        sync(&mut world, ConflictPolicy::KeepBoth, seed);
        assert_converged(&world, ConflictPolicy::KeepBoth);
    }

    #[test]
    fn the_brake_holds_nothing_but_deletions(
        (base, before) in worlds(Scripts { items: 60, edits: 60, copies: false }), seed: u64,
    ) {
        let mut after = before.clone();
        let braked = after.plan(ConflictPolicy::KeepBoth, Brake::On, &Unseen::default(), false);
        let released = plan(&after, ConflictPolicy::KeepBoth);
        prop_assert_eq!(
            braked.pulls.len() + braked.pushes.len() + braked.held.len(),
            released.pulls.len() + released.pushes.len()
        );
        carry_out(&mut after, braked, seed, usize::MAX);
        sync(&mut after, ConflictPolicy::KeepBoth, seed);
        assert_converged(&after, ConflictPolicy::KeepBoth);
        oracle::assert_each_fate(&base, &before, &after, ConflictPolicy::KeepBoth);
    }
}
