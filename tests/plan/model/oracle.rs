//! What must be true after a sync, worked out from the two sides alone: nothing here asks the plan.

use std::collections::{BTreeMap, BTreeSet};

use pimsync::pim::marks::{FollowUp, LastVerb, Marks};
use pimsync::pim::{Flag, FolderKey, ServerMarks};
use pimsync::plan::ConflictPolicy;

use super::{Body, File, Message, Origin, World};

/// Both sides hold the same messages, field by field as far as each can say it, and the base knows each of them once.
pub(crate) fn assert_agreement(world: &World) {
    let ids: BTreeSet<_> = world.rows.values().map(|row| row.id).collect();
    let names: BTreeSet<_> = world.rows.values().map(|row| (row.base.folder, row.name)).collect();
    assert_eq!(ids.len(), world.rows.len(), "an id is known once");
    assert_eq!(names.len(), world.rows.len(), "a file is known once");
    assert_eq!(world.remote.len(), world.rows.len(), "every message is known");
    assert_eq!(world.local.len(), world.rows.len(), "every file is known");
    for row in world.rows.values() {
        let message = world.remote.get(&row.id).expect("a known message is there");
        let place = (row.base.folder, row.name);
        let file = world.local.values().find(|file| (file.folder, file.name) == place);
        let file = file.expect("a known file is there");
        assert_eq!(message.folder, file.folder);
        assert_eq!(message.body, file.body);
        assert_eq!((&row.base.remote, &row.base.local), (&message.marks, &file.marks), "the base is up to date");
        assert_marks_agree(&message.marks, &file.marks);
    }
}

/// Both say the same wherever both can say it.
pub(crate) fn assert_marks_agree(remote: &ServerMarks, local: &Marks) {
    let pair = format!("{remote:?} {local:?}");
    assert_eq!(remote.read, local.flags.has(Flag::Seen), "read: {pair}");
    assert_eq!(remote.draft, local.flags.has(Flag::Draft), "draft: {pair}");
    assert_eq!(remote.follow_up == FollowUp::Flagged, local.flags.has(Flag::Flagged), "follow-up: {pair}");
    assert_eq!(remote.categories, local.categories, "categories: {pair}");
    match remote.verb {
        LastVerb::None => {
            assert!(!local.flags.has(Flag::Replied) && !local.flags.has(Flag::Passed), "no verb: {pair}");
        }
        verb => assert!(verb.flag().is_none_or(|flag| local.flags.has(flag)), "verb: {pair}"),
    }
}

/// One origin's three states.
struct Three<'a> {
    base: Option<(FolderKey, &'a ServerMarks, &'a Marks, Body)>,
    remote: Option<&'a Message>,
    local: Option<&'a File>,
}

impl Three<'_> {
    fn remote_changed(&self) -> bool {
        self.base.zip(self.remote).is_none_or(|((folder, marks, _, body), message)| {
            (message.folder, &message.marks, message.body) != (folder, marks, body)
        })
    }

    /// Marking a file for removal is no change that would keep its message.
    fn local_changed(&self) -> bool {
        let kept = |marks: &Marks| Marks { flags: marks.flags.with(Flag::Trashed, false), ..marks.clone() };
        self.base.zip(self.local).is_none_or(|((folder, _, marks, body), file)| {
            (file.folder, kept(&file.marks), file.body) != (folder, kept(marks), body)
        })
    }

    fn remote_edited(&self) -> bool {
        self.base.zip(self.remote).is_some_and(|((.., body), message)| message.body != body)
    }

    fn local_edited(&self) -> bool {
        self.base.zip(self.local).is_some_and(|((.., body), file)| file.body != body)
    }

    /// Deleted on one side, and untouched on the other.
    fn deleted(&self) -> bool {
        match (self.base, self.remote, self.local) {
            (Some(_), None, None) => true,
            (Some(_), Some(_), None) => !self.remote_changed(),
            (Some(_), None, Some(_)) => !self.local_changed(),
            (Some(_), Some(_), Some(_)) | (None, _, _) => false,
        }
    }

    /// Where it lies in the end.
    fn folder(&self, policy: ConflictPolicy) -> Option<FolderKey> {
        let there = self.remote.map(|message| message.folder);
        let here = self.local.map(|file| file.folder);
        let Some((base, ..)) = self.base else { return there.or(here) };
        match (there.filter(|folder| *folder != base), here.filter(|folder| *folder != base)) {
            (Some(_), Some(here)) if policy == ConflictPolicy::Local => Some(here),
            (Some(there), _) => Some(there),
            (None, Some(here)) => Some(here),
            (None, None) => Some(base),
        }
    }

    /// The bodies that must be in place, and those that must be kept beside.
    fn bodies(&self, policy: ConflictPolicy) -> (Option<Body>, Option<Body>) {
        let there = self.remote.map(|message| message.body);
        let here = self.local.map(|file| file.body);
        match (self.remote_edited(), self.local_edited(), policy) {
            (true, true, ConflictPolicy::KeepBoth) => (there, here),
            (true, true, ConflictPolicy::Local) => (here, None),
            (true, true, ConflictPolicy::Server) | (true, false, _) => (there, None),
            (false, true, _) => (here, None),
            (false, false, _) => (there.or(here), None),
        }
    }

    fn seen(&self) -> bool {
        let there = self.remote.map(|message| message.marks.read);
        let here = self.local.map(|file| file.marks.flags.has(Flag::Seen));
        match (self.base, there, here) {
            (Some((_, base, ..)), Some(there), Some(here)) => {
                if base.read {
                    there && here
                } else {
                    there || here
                }
            }
            (None, Some(there), Some(here)) => there || here,
            (_, there, here) => there.or(here).unwrap_or_default(),
        }
    }
}

fn threes<'a>(base: &'a World, before: &'a World) -> BTreeMap<Origin, Three<'a>> {
    let mut threes: BTreeMap<Origin, Three<'a>> = BTreeMap::new();
    let new = || Three { base: None, remote: None, local: None };
    for row in base.rows.values() {
        let three = threes.entry(base.remote[&row.id].origin).or_insert_with(new);
        three.base = Some((row.base.folder, &row.base.remote, &row.base.local, row.remote_body));
    }
    for message in before.remote.values() {
        threes.entry(message.origin).or_insert_with(new).remote = Some(message);
    }
    for file in before.local.values() {
        threes.entry(file.origin).or_insert_with(new).local = Some(file);
    }
    threes
}

/// Where nothing was copied, every message's fate is known exactly.
pub(crate) fn assert_each_fate(base: &World, before: &World, after: &World, policy: ConflictPolicy) {
    let mut left: Vec<Origin> = after.remote.values().map(|message| message.origin).collect();
    left.sort_unstable();
    let mut expected = Vec::new();
    let mut copies = Vec::new();
    for (origin, three) in threes(base, before).iter().filter(|(_, three)| !three.deleted()) {
        expected.push(*origin);
        let message = after.remote.values().find(|message| message.origin == *origin);
        let message = message.unwrap_or_else(|| panic!("message {origin} was lost"));
        let (in_place, beside) = three.bodies(policy);
        copies.extend(beside);
        assert_eq!(Some(message.body), in_place, "the body of {origin}");
        assert_eq!(Some(message.folder), three.folder(policy), "the folder of {origin}");
        if three.remote.zip(three.local).is_none() || three.base.is_some() {
            assert_eq!(message.marks.read, three.seen(), "whether {origin} is read");
        }
    }
    assert_eq!(left, expected, "each once, and none that was deleted");
    let mut kept = after.copies.clone();
    kept.sort_unstable();
    copies.sort_unstable();
    assert_eq!(kept, copies, "the conflict copies");
}

/// The bodies that may be gone: all that hold them were deleted or overwritten on the other side, or lost a conflict. A copy whose
/// original is gone on its side is no other than the original moved, so it shares the original's fate.
fn allowed_losses(base: &World, before: &World, policy: ConflictPolicy) -> BTreeSet<Body> {
    let threes = threes(base, before);
    let gone = |is_gone: fn(&Three<'_>) -> bool| -> BTreeSet<Body> {
        threes.values().filter(|three| is_gone(three)).filter_map(|three| Some(three.base?.3)).collect()
    };
    let replaced_there = gone(|three| three.remote.is_none() && (three.local.is_none() || three.local_edited()));
    let replaced_here = gone(|three| three.local.is_none() && (three.remote.is_none() || three.remote_edited()));
    let mut may_go = BTreeSet::new();
    let mut must_stay = BTreeSet::new();
    for three in threes.values() {
        if let Some(message) = three.remote {
            let beaten = three.local_edited() && (!three.remote_edited() || policy == ConflictPolicy::Local);
            let moved = three.base.is_none() && replaced_there.contains(&message.body);
            let set = if three.deleted() || beaten || moved { &mut may_go } else { &mut must_stay };
            set.insert(message.body);
        }
        if let Some(file) = three.local {
            let beaten = three.remote_edited() && (!three.local_edited() || policy == ConflictPolicy::Server);
            let moved = three.base.is_none() && replaced_here.contains(&file.body);
            let set = if three.deleted() || beaten || moved { &mut may_go } else { &mut must_stay };
            set.insert(file.body);
        }
    }
    let unclear = unclear_bodies(base, before);
    must_stay.retain(|body| !unclear.contains(body));
    may_go.difference(&must_stay).copied().chain(unclear).collect()
}

/// Where a message went from its place on the server, copies of it were made, and one of them was edited: which of them is the
/// message then, nobody can know, so nobody can say which edit belongs to which.
fn unclear_bodies(base: &World, before: &World) -> BTreeSet<Body> {
    let mut unclear = BTreeSet::new();
    for row in base.rows.values().filter(|row| !before.remote.contains_key(&row.id)) {
        let origin = base.remote[&row.id].origin;
        let family: Vec<_> = before.remote.values().filter(|message| message.search_key == row.search_key).collect();
        let copied = family.iter().any(|message| message.origin != origin);
        if copied && family.iter().any(|message| message.body != row.remote_body) {
            unclear.extend(family.iter().map(|message| message.body));
            let files = before.local.values().filter(|file| file.origin == origin || file.body == row.local_body);
            unclear.extend(files.map(|file| file.body));
        }
    }
    unclear
}

/// Every body that one side had is still somewhere, unless it may be gone.
pub(crate) fn assert_no_loss(base: &World, before: &World, after: &World, policy: ConflictPolicy) {
    let held = bodies(before);
    let kept = bodies(after);
    let allowed = allowed_losses(base, before, policy);
    let lost: Vec<_> = held.difference(&kept).filter(|body| !allowed.contains(body)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}

/// Every body on either side or kept beside.
pub(crate) fn bodies(world: &World) -> BTreeSet<Body> {
    let there = world.remote.values().map(|message| message.body);
    there.chain(world.local.values().map(|file| file.body)).chain(world.copies.iter().copied()).collect()
}

/// There are no more messages than were ever created.
pub(crate) fn assert_no_duplicates(before: &World, after: &World) {
    let there = before.remote.values().map(|message| message.origin);
    let created: BTreeSet<Origin> = there.chain(before.local.values().map(|file| file.origin)).collect();
    assert!(after.remote.len() <= created.len(), "{} of {} created", after.remote.len(), created.len());
}
