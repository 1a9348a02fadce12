//! Random worlds: one tree that both sides agree on, then each side edited by a script of its own.

use pimsync::pim::marks::{Categories, Category, FollowUp, LastVerb, Marks};
use pimsync::pim::{Flag, FolderKey, ServerMarks};
use proptest::prelude::*;

use super::{File, Message, Origin, World};

/// How many folders there are.
pub(crate) const FOLDERS: i64 = 4;

/// Something that a person or a program does on one side. `u8`s pick a message among those that are there.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Body(u8),
    Delete(u8),
    Move(u8, FolderKey),
    Copy(u8, FolderKey),
    Mark(u8, Mark),
    New(FolderKey, bool),
    /// The same message comes to both sides if both have this edit.
    Twin(u8),
    /// Locally another name for the same file; on the server moved away and back, so another id.
    Reissue(u8),
}

/// A change of flags or categories.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    Toggle(Flag),
    FollowUp(FollowUp),
    Verb(LastVerb),
    Category(u8),
}

/// How scripts differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scripts {
    pub(crate) items: usize,
    pub(crate) edits: usize,
    pub(crate) copies: bool,
}

/// Worlds in which both sides were edited since they agreed, with the agreed world.
pub(crate) fn worlds(scripts: Scripts) -> impl Strategy<Value = (World, World)> {
    let items = prop::collection::vec((folder(), marks(), any::<(bool, bool)>()), 0..=scripts.items);
    let script = || prop::collection::vec(edit(scripts.copies), 0..=scripts.edits);
    (items, script(), script()).prop_map(|(items, remote, local)| {
        let base = agreed(items);
        let mut world = base.clone();
        remote.iter().for_each(|edit| edit_remote(&mut world, edit));
        local.iter().for_each(|edit| edit_local(&mut world, edit));
        tell_apart(&base, &mut world);
        (base, world)
    })
}

fn agreed(items: Vec<(FolderKey, ServerMarks, (bool, bool))>) -> World {
    let mut world = World {
        remote: Default::default(),
        local: Default::default(),
        rows: Default::default(),
        copies: Vec::new(),
        next: 10_000,
    };
    for (origin, (folder, remote, (trashed, both))) in items.into_iter().enumerate() {
        let mut local = remote.to_local();
        local.flags = local.flags.with(Flag::Trashed, trashed);
        if both && remote.verb.flag().is_some() {
            local.flags = local.flags.with(Flag::Replied, true).with(Flag::Passed, true);
        }
        world.agree_on(Origin::try_from(origin).expect("few"), folder, remote, local);
    }
    world
}

pub(crate) fn folder() -> impl Strategy<Value = FolderKey> {
    (0..FOLDERS).prop_map(FolderKey)
}

pub(crate) fn marks() -> impl Strategy<Value = ServerMarks> {
    let categories = prop::collection::btree_set(0..4u8, 0..3);
    (any::<bool>(), follow_up(), verb(), categories, prop::bool::weighted(0.2)).prop_map(
        |(read, follow_up, verb, categories, draft)| ServerMarks {
            read,
            follow_up,
            verb,
            categories: categories.into_iter().map(category).collect(),
            draft,
        },
    )
}

pub(crate) fn follow_up() -> impl Strategy<Value = FollowUp> {
    prop::sample::select(vec![FollowUp::NotFlagged, FollowUp::Flagged, FollowUp::Complete])
}

pub(crate) fn verb() -> impl Strategy<Value = LastVerb> {
    prop::sample::select(vec![
        LastVerb::None,
        LastVerb::Reply,
        LastVerb::ReplyAll,
        LastVerb::Forward,
        LastVerb::Other(5),
    ])
}

/// Every other one is written in capitals now and then, which makes no other category of it.
pub(crate) fn category(number: u8) -> Category {
    Category(if number < 4 { format!("category {number}") } else { format!("CATEGORY {}", number - 4) })
}

fn mark() -> impl Strategy<Value = Mark> {
    prop_oneof![
        4 => prop::sample::select(Flag::ALL.to_vec()).prop_map(Mark::Toggle),
        2 => follow_up().prop_map(Mark::FollowUp),
        2 => verb().prop_map(Mark::Verb),
        2 => (0..8u8).prop_map(Mark::Category),
    ]
}

fn edit(copies: bool) -> impl Strategy<Value = Edit> {
    prop_oneof![
        3 => any::<u8>().prop_map(Edit::Body),
        3 => any::<u8>().prop_map(Edit::Delete),
        3 => (any::<u8>(), folder()).prop_map(|(item, folder)| Edit::Move(item, folder)),
        u32::from(copies) * 3 => (any::<u8>(), folder()).prop_map(|(item, folder)| Edit::Copy(item, folder)),
        5 => (any::<u8>(), mark()).prop_map(|(item, mark)| Edit::Mark(item, mark)),
        2 => (folder(), any::<bool>()).prop_map(|(folder, draft)| Edit::New(folder, draft)),
        2 => (0..3u8).prop_map(Edit::Twin),
        1 => any::<u8>().prop_map(Edit::Reissue),
    ]
}

fn nth<K: Copy, V>(map: &std::collections::BTreeMap<K, V>, number: u8) -> Option<K> {
    map.keys().nth(usize::from(number).checked_rem(map.len())?).copied()
}

fn edit_remote(world: &mut World, edit: &Edit) {
    let fresh = world.fresh();
    match edit {
        Edit::Body(item) => {
            if let Some(id) = nth(&world.remote, *item) {
                world.remote.get_mut(&id).expect("picked").body = fresh;
            }
        }
        Edit::Delete(item) => drop(nth(&world.remote, *item).and_then(|id| world.remote.remove(&id))),
        Edit::Move(item, folder) => {
            if let Some(mut message) = nth(&world.remote, *item).and_then(|id| world.remote.remove(&id)) {
                message.folder = *folder;
                world.remote.insert(fresh, message);
            }
        }
        Edit::Copy(item, folder) => {
            if let Some(message) = nth(&world.remote, *item).map(|id| world.remote[&id].clone()) {
                world.remote.insert(fresh, Message { origin: fresh, folder: *folder, ..message });
            }
        }
        Edit::Mark(item, mark) => {
            if let Some(id) = nth(&world.remote, *item) {
                mark_remote(&mut world.remote.get_mut(&id).expect("picked").marks, mark);
            }
        }
        Edit::New(folder, draft) => {
            let marks = ServerMarks { draft: *draft, ..ServerMarks::default() };
            let message = Message { origin: fresh, folder: *folder, marks, body: fresh, search_key: fresh };
            world.remote.insert(fresh, message);
        }
        Edit::Twin(number) => {
            let (origin, folder) = twin(*number);
            if world.remote.values().all(|message| message.origin != origin) {
                let marks = ServerMarks { read: true, ..ServerMarks::default() };
                let message = Message { origin, folder, marks, body: origin, search_key: fresh };
                world.remote.insert(fresh, message);
            }
        }
        Edit::Reissue(item) => {
            if let Some(message) = nth(&world.remote, *item).and_then(|id| world.remote.remove(&id)) {
                world.remote.insert(fresh, message);
            }
        }
    }
}

fn edit_local(world: &mut World, edit: &Edit) {
    let fresh = world.fresh();
    match edit {
        Edit::Body(item) => {
            if let Some(inode) = nth(&world.local, *item) {
                world.local.get_mut(&inode).expect("picked").body = fresh;
            }
        }
        Edit::Delete(item) => drop(nth(&world.local, *item).and_then(|inode| world.local.remove(&inode))),
        Edit::Move(item, folder) => {
            if let Some(inode) = nth(&world.local, *item) {
                world.local.get_mut(&inode).expect("picked").folder = *folder;
            }
        }
        Edit::Copy(item, folder) => {
            if let Some(file) = nth(&world.local, *item).map(|inode| world.local[&inode].clone()) {
                world.local.insert(fresh, File { origin: fresh, folder: *folder, name: fresh, ..file });
            }
        }
        Edit::Mark(item, mark) => {
            if let Some(inode) = nth(&world.local, *item) {
                mark_local(&mut world.local.get_mut(&inode).expect("picked").marks, mark);
            }
        }
        Edit::New(folder, draft) => {
            let mut marks = Marks::default();
            marks.flags = marks.flags.with(Flag::Draft, *draft);
            let file = File { origin: fresh, folder: *folder, name: fresh, marks, body: fresh };
            world.local.insert(fresh, file);
        }
        Edit::Twin(number) => {
            let (origin, folder) = twin(*number);
            if world.local.values().all(|file| file.origin != origin) {
                let mut marks = Marks { categories: [category(*number)].into(), ..Marks::default() };
                marks.flags = marks.flags.with(Flag::Flagged, true).with(Flag::Trashed, number % 2 == 0);
                world.local.insert(fresh, File { origin, folder, name: fresh, marks, body: origin });
            }
        }
        Edit::Reissue(item) => {
            if let Some(inode) = nth(&world.local, *item) {
                world.local.get_mut(&inode).expect("picked").name = fresh;
            }
        }
    }
}

fn twin(number: u8) -> (Origin, FolderKey) {
    (Origin::from(number) + 3000, FolderKey(i64::from(number) % FOLDERS))
}

pub(crate) fn mark_remote(marks: &mut ServerMarks, mark: &Mark) {
    match mark {
        Mark::Toggle(Flag::Seen) => marks.read = !marks.read,
        // Exchange fixes what a draft is, and has no mark for the trash.
        Mark::Toggle(Flag::Draft | Flag::Trashed) => {}
        Mark::Toggle(Flag::Flagged) => marks.follow_up = FollowUp::Flagged,
        Mark::Toggle(Flag::Replied) => marks.verb = LastVerb::Reply,
        Mark::Toggle(Flag::Passed) => marks.verb = LastVerb::Forward,
        Mark::FollowUp(follow_up) => marks.follow_up = *follow_up,
        Mark::Verb(verb) => marks.verb = *verb,
        Mark::Category(number) => toggle(&mut marks.categories, category(*number)),
    }
}

pub(crate) fn mark_local(marks: &mut Marks, mark: &Mark) {
    let flag = match mark {
        Mark::Toggle(flag) => Some(*flag),
        Mark::FollowUp(_) => Some(Flag::Flagged),
        Mark::Verb(verb) => verb.flag(),
        Mark::Category(_) => None,
    };
    if let Some(flag) = flag {
        marks.flags = marks.flags.with(flag, !marks.flags.has(flag));
    }
    if let Mark::Category(number) = mark {
        toggle(&mut marks.categories, category(*number));
    }
}

fn toggle(categories: &mut Categories, category: Category) {
    if !categories.remove(&category) {
        categories.insert(category);
    }
}

/// Gives another origin to what nobody could recognise: a file with another name or place *and* another body than agreed, a twin
/// that was moved or edited on one side.
fn tell_apart(base: &World, world: &mut World) {
    let mut next = world.next;
    for file in world.local.values_mut() {
        let known = base.local.values().find(|known| known.origin == file.origin);
        if known.is_some_and(|known| (known.folder, known.name) != (file.folder, file.name) && known.body != file.body)
        {
            next += 1;
            file.origin = next;
        }
        let twin = world.remote.values().find(|message| message.origin == file.origin && known.is_none());
        if twin.is_some_and(|twin| (twin.folder, twin.body) != (file.folder, file.body)) {
            next += 1;
            file.origin = next;
        }
    }
    world.next = next;
}
