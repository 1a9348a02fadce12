//! A model of a mailbox, a directory and the base between them: small enough to see whole, honest about what each side is like.
//!
//! A message that moves gets a new id on the server and keeps its search key; a file is known by its folder and name. The model
//! observes as the engine does, with the plan's own pairing of moves and adoptions, and carries out a plan's operations.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a model that meets what cannot be fails its test"
)]

pub(crate) mod edits;
pub(crate) mod oracle;

use std::collections::{BTreeMap, BTreeSet};

use pimsync::pim::marks::Marks;
use pimsync::pim::{Digest, FileKey, Flag, FolderKey, ItemKey, SearchKey, ServerMarks};
use pimsync::plan::adopt::{Clue, Loose, adopt};
use pimsync::plan::moves::{Appeared, Arrived, Departed, KnownBy, Likeness, Vanished, local_moves, remote_moves};
use pimsync::plan::{
    Base, Brake, Case, ConflictPolicy, Content, Evidence, FolderSize, LocalState, Op, Plan, PushContent, RemoteState,
    Seen, plan,
};
use proptest::prelude::ProptestConfig;

/// `default` cases, or what PROPTEST_CASES says.
pub(crate) fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A body's text, as a number.
pub(crate) type Body = u32;
/// What was created once: kept through edits and moves, new for a copy.
pub(crate) type Origin = u32;
/// An id that the model's server gives.
pub(crate) type Id = u32;
/// A file, however it is named at the moment.
pub(crate) type Inode = u32;

/// A message on the model's server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) origin: Origin,
    pub(crate) folder: FolderKey,
    pub(crate) marks: ServerMarks,
    pub(crate) body: Body,
    pub(crate) search_key: u32,
}

/// A file in the model's directory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct File {
    pub(crate) origin: Origin,
    pub(crate) folder: FolderKey,
    pub(crate) name: u32,
    pub(crate) marks: Marks,
    pub(crate) body: Body,
}

/// What the base notes of an item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) base: Base,
    pub(crate) id: Id,
    pub(crate) search_key: u32,
    pub(crate) remote_body: Body,
    pub(crate) name: u32,
    pub(crate) local_body: Body,
}

/// Which folders could not be looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unseen {
    pub(crate) remote: BTreeSet<FolderKey>,
    pub(crate) local: BTreeSet<FolderKey>,
}

/// Both sides and the base.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct World {
    pub(crate) remote: BTreeMap<Id, Message>,
    pub(crate) local: BTreeMap<Inode, File>,
    pub(crate) rows: BTreeMap<ItemKey, Row>,
    /// The bodies of the conflict copies.
    pub(crate) copies: Vec<Body>,
    pub(crate) next: u32,
}

pub(crate) type ModelPlan = Plan<Id, Inode>;
pub(crate) type ModelOp = Op<Id, Inode>;

impl World {
    pub(crate) fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// A message that both sides hold and agree on.
    pub(crate) fn agree_on(&mut self, origin: Origin, folder: FolderKey, remote: ServerMarks, local: Marks) {
        let (id, inode, search_key, name) = (self.fresh(), self.fresh(), self.fresh(), self.fresh());
        let key = ItemKey(i64::from(self.fresh()));
        self.remote.insert(id, Message { origin, folder, marks: remote.clone(), body: origin, search_key });
        self.local.insert(inode, File { origin, folder, name, marks: local.clone(), body: origin });
        let base = Base { key, folder, local, remote };
        self.rows.insert(key, Row { base, id, search_key, remote_body: origin, name, local_body: origin });
    }

    pub(crate) fn sizes(&self) -> Vec<FolderSize> {
        let mut sizes: BTreeMap<FolderKey, u64> = BTreeMap::new();
        for row in self.rows.values() {
            *sizes.entry(row.base.folder).or_default() += 1;
        }
        sizes.into_iter().map(|(folder, items)| FolderSize { folder, items }).collect()
    }

    /// Looks at both sides and plans.
    pub(crate) fn plan(&self, policy: ConflictPolicy, brake: Brake, unseen: &Unseen, noisy: bool) -> ModelPlan {
        plan(self.observe(unseen, noisy), policy, brake, &self.sizes())
    }

    /// What the engine would see. `noisy`: items are shown in full although nothing about them changed.
    pub(crate) fn observe(&self, unseen: &Unseen, noisy: bool) -> Vec<Case<Id, Inode>> {
        let remote = self.observe_remote(unseen, noisy);
        let local = self.observe_local(unseen, noisy);
        let mut cases: Vec<_> = self
            .rows
            .iter()
            .map(|(key, row)| Case {
                base: Some(row.base.clone()),
                remote: remote.known.get(key).cloned().unwrap_or(Seen::Away(Evidence::Reported)),
                local: local.known.get(key).cloned().unwrap_or(Seen::Away(Evidence::CompleteListing)),
            })
            .collect();
        cases.extend(self.observe_new(remote.new, local.new, unseen));
        cases
    }

    fn observe_remote(&self, unseen: &Unseen, noisy: bool) -> Observed<RemoteState<Id>> {
        let visible = |message: &Message| !unseen.remote.contains(&message.folder);
        let state = |id: Id, message: &Message, row: Option<&Row>| RemoteState {
            at: id,
            folder: message.folder,
            marks: message.marks.clone(),
            edited: row.is_some_and(|row| row.remote_body != message.body),
        };
        let mut observed = Observed::default();
        let mut departed = Vec::new();
        for (key, row) in &self.rows {
            match self.remote.get(&row.id).filter(|message| message.folder == row.base.folder) {
                Some(message) if visible(message) => {
                    let state = state(row.id, message, Some(row));
                    let same = !noisy && state.marks == row.base.remote && !state.edited;
                    observed.known.insert(*key, if same { Seen::Same } else { Seen::Here(state) });
                }
                Some(_) => drop(observed.known.insert(*key, Seen::Unknown)),
                None => departed.push(Departed {
                    key: *key,
                    search_key: search_key(row.search_key),
                    text: None,
                    here: None,
                    known_by: KnownBy::SearchKey,
                }),
            }
        }
        let known: BTreeSet<Id> = self
            .rows
            .values()
            .filter(|row| self.remote.get(&row.id).is_some_and(|message| message.folder == row.base.folder))
            .map(|row| row.id)
            .collect();
        let loose: Vec<_> =
            self.remote.iter().filter(|(id, message)| visible(message) && !known.contains(id)).collect();
        let arrived: Vec<_> = loose
            .iter()
            .map(|(id, message)| Arrived { at: **id, search_key: search_key(message.search_key), text: None })
            .collect();
        let moved = remote_moves(&departed, &arrived);
        for (key, id) in &moved {
            observed.known.insert(*key, Seen::Here(state(*id, &self.remote[id], self.rows.get(key))));
        }
        let found: BTreeSet<Id> = moved.iter().map(|(_, id)| *id).collect();
        if !unseen.remote.is_empty() {
            for item in &departed {
                observed.known.entry(item.key).or_insert(Seen::Unknown);
            }
        }
        observed.new = loose
            .into_iter()
            .filter(|(id, _)| !found.contains(id))
            .map(|(id, message)| state(*id, message, None))
            .collect();
        observed
    }

    fn observe_local(&self, unseen: &Unseen, noisy: bool) -> Observed<LocalState<Inode>> {
        let visible = |file: &File| !unseen.local.contains(&file.folder);
        let state = |inode: Inode, file: &File, row: Option<&Row>| LocalState {
            at: inode,
            folder: file.folder,
            marks: file.marks.clone(),
            edited: row.is_some_and(|row| row.local_body != file.body),
        };
        let by_name: BTreeMap<_, _> =
            self.local.iter().map(|(inode, file)| ((file.folder, file.name), *inode)).collect();
        let mut observed = Observed::default();
        let mut vanished = Vec::new();
        let mut known = BTreeSet::new();
        for (key, row) in &self.rows {
            match by_name.get(&(row.base.folder, row.name)) {
                Some(inode) if visible(&self.local[inode]) => {
                    known.insert(*inode);
                    let state = state(*inode, &self.local[inode], Some(row));
                    let same = !noisy && state.marks == row.base.local && !state.edited;
                    observed.known.insert(*key, if same { Seen::Same } else { Seen::Here(state) });
                }
                Some(_) => drop(observed.known.insert(*key, Seen::Unknown)),
                None => {
                    let was = Likeness {
                        folder: row.base.folder,
                        file: file_key(row.name),
                        flags: row.base.local.flags,
                        digest: digest(row.local_body),
                    };
                    vanished.push(Vanished { key: *key, was });
                }
            }
        }
        let loose: Vec<_> = self.local.iter().filter(|(inode, file)| visible(file) && !known.contains(inode)).collect();
        let appeared: Vec<_> = loose
            .iter()
            .map(|(inode, file)| {
                let (name, flags) = (file_key(file.name), file.marks.flags);
                let is = Likeness { folder: file.folder, file: name, flags, digest: digest(file.body) };
                Appeared { at: **inode, is }
            })
            .collect();
        let moved = local_moves(&vanished, &appeared);
        for (key, inode) in &moved {
            observed.known.insert(*key, Seen::Here(state(*inode, &self.local[inode], self.rows.get(key))));
        }
        let found: BTreeSet<Inode> = moved.iter().map(|(_, inode)| *inode).collect();
        if !unseen.local.is_empty() {
            for item in &vanished {
                observed.known.entry(item.key).or_insert(Seen::Unknown);
            }
        }
        observed.new = loose
            .into_iter()
            .filter(|(inode, _)| !found.contains(inode))
            .map(|(inode, file)| state(*inode, file, None))
            .collect();
        observed
    }

    /// What no item is known for: adopted where both sides have it in the same folder.
    fn observe_new(
        &self,
        mut remote: Vec<RemoteState<Id>>,
        mut local: Vec<LocalState<Inode>>,
        unseen: &Unseen,
    ) -> Vec<Case<Id, Inode>> {
        let mut cases = Vec::new();
        let folders: BTreeSet<FolderKey> = remote.iter().map(|state| state.folder).collect();
        for folder in folders {
            let clue = |body: Body| vec![Clue::MessageId(body.to_string())];
            let there: Vec<_> = remote
                .iter()
                .filter(|state| state.folder == folder)
                .map(|state| Loose { at: state.at, clues: clue(self.remote[&state.at].body) })
                .collect();
            let here: Vec<_> = local
                .iter()
                .filter(|state| state.folder == folder)
                .map(|state| Loose { at: state.at, clues: clue(self.local[&state.at].body) })
                .collect();
            for (id, inode) in adopt(&there, &here) {
                let there = remote.remove(remote.iter().position(|state| state.at == id).expect("just listed"));
                let here = local.remove(local.iter().position(|state| state.at == inode).expect("just listed"));
                cases.push(Case { base: None, remote: Seen::Here(there), local: Seen::Here(here) });
            }
        }
        cases.extend(remote.into_iter().map(|state| {
            let local = if unseen.local.contains(&state.folder) { Seen::Unknown } else { absent() };
            Case { base: None, remote: Seen::Here(state), local }
        }));
        cases.extend(local.into_iter().map(|state| {
            let remote = if unseen.remote.contains(&state.folder) { Seen::Unknown } else { absent() };
            Case { base: None, remote, local: Seen::Here(state) }
        }));
        cases
    }

    /// Carries out one operation.
    pub(crate) fn apply(&mut self, op: ModelOp) {
        match op {
            Op::Download { remote, instead_of } => self.download(&remote, instead_of),
            Op::Update { key, remote, local, marks, agreed, content, move_to } => {
                self.update(key, &remote, local.as_ref(), marks, agreed, content, move_to);
            }
            Op::Remove { key, local, proof: _ } => {
                let row = self.rows.remove(&key).expect("removes a known item");
                let inode = local.map_or_else(|| self.file_of(&row), |local| local.at);
                self.local.remove(&inode).expect("removes a file that is there");
            }
            Op::Adopt { remote, local, marks, agreed, content } => {
                assert_eq!(content, Content::Keep, "the bodies are the same");
                let file = self.local.get_mut(&local.at).expect("adopts a file that is there");
                file.marks = marks;
                self.note(remote.at, local.at, agreed, remote.marks);
            }
            Op::Refresh { key, remote, local } => self.refresh(key, remote, local),
            Op::Forget { key } => drop(self.rows.remove(&key).expect("forgets a known item")),
            Op::Upload { local, instead_of } => {
                let file = self.local[&local.at].clone();
                assert_eq!(file.marks, local.marks);
                let id = self.create(&file, local.marks.to_server());
                if let Some(key) = instead_of {
                    self.rows.remove(&key).expect("instead of a known item");
                }
                self.note(id, local.at, local.marks.clone(), local.marks.to_server());
            }
            Op::Push { key, local, marks, content, move_to } => self.push(key, &local, marks, content, move_to),
            Op::Delete { key, proof: _ } => {
                let row = self.rows.remove(&key).expect("deletes a known item");
                self.remote.remove(&row.id).expect("deletes a message that is there");
            }
        }
    }

    fn download(&mut self, remote: &RemoteState<Id>, instead_of: Option<ItemKey>) {
        let message = self.remote[&remote.at].clone();
        let (inode, name) = (self.fresh(), self.fresh());
        let marks = remote.marks.to_local();
        let (origin, folder, body) = (message.origin, remote.folder, message.body);
        self.local.insert(inode, File { origin, folder, name, marks: marks.clone(), body });
        if let Some(key) = instead_of {
            self.rows.remove(&key).expect("instead of a known item");
        }
        self.note(remote.at, inode, marks, remote.marks.clone());
    }

    #[allow(clippy::too_many_arguments)]
    fn update(
        &mut self,
        key: ItemKey,
        remote: &RemoteState<Id>,
        local: Option<&LocalState<Inode>>,
        marks: Marks,
        agreed: Marks,
        content: Content,
        move_to: Option<FolderKey>,
    ) {
        let message = self.remote[&remote.at].clone();
        let inode = local.map_or_else(|| self.file_of(&self.rows[&key]), |local| local.at);
        let file = self.local.get_mut(&inode).expect("updates a file that is there");
        let row = self.rows.get_mut(&key).expect("updates a known item");
        match content {
            Content::Keep => {}
            Content::Replace => (file.body, row.local_body) = (message.body, message.body),
            Content::ReplaceKeepingCopy => {
                self.copies.push(file.body);
                (file.body, row.local_body) = (message.body, message.body);
            }
        }
        file.marks = marks;
        file.folder = move_to.unwrap_or(file.folder);
        row.name = file.name;
        row.base = Base { key, folder: remote.folder, local: agreed, remote: remote.marks.clone() };
        (row.id, row.remote_body) = (remote.at, message.body);
    }

    fn refresh(&mut self, key: ItemKey, remote: Option<RemoteState<Id>>, local: Option<LocalState<Inode>>) {
        let row = self.rows.get_mut(&key).expect("refreshes a known item");
        if let Some(remote) = remote {
            row.remote_body = self.remote[&remote.at].body;
            (row.id, row.base.folder, row.base.remote) = (remote.at, remote.folder, remote.marks);
        }
        if let Some(local) = local {
            let file = &self.local[&local.at];
            assert_eq!(local.folder, row.base.folder, "both sides agree on the folder");
            (row.name, row.local_body, row.base.local) = (file.name, file.body, local.marks);
        }
    }

    fn push(
        &mut self,
        key: ItemKey,
        local: &LocalState<Inode>,
        marks: ServerMarks,
        content: PushContent,
        move_to: Option<FolderKey>,
    ) {
        let file = self.local[&local.at].clone();
        assert_eq!((&file.marks, file.folder), (&local.marks, local.folder), "the plan knows the file after the pull");
        let row = self.rows[&key].clone();
        let mut message = self.remote.remove(&row.id).expect("pushes to a message that is there");
        let id = match content {
            PushContent::Recreate(_) => {
                let id = self.create(&file, marks.clone());
                message = self.remote.remove(&id).expect("just created");
                assert_eq!(
                    marks.draft,
                    file.marks.flags.has(Flag::Draft),
                    "made anew as what the file says that it is"
                );
                id
            }
            PushContent::ReplaceDraft | PushContent::Keep => {
                assert_eq!(message.marks.draft, marks.draft, "the server fixes this when a message is created");
                if content == PushContent::ReplaceDraft {
                    assert!(message.marks.draft);
                    message.body = file.body;
                }
                if move_to.is_some() { self.fresh() } else { row.id }
            }
        };
        message.marks = marks.clone();
        message.folder = move_to.unwrap_or(row.base.folder);
        let row = self.rows.get_mut(&key).expect("pushes a known item");
        row.base = Base { key, folder: message.folder, local: local.marks.clone(), remote: marks };
        (row.id, row.search_key, row.remote_body) = (id, message.search_key, message.body);
        (row.name, row.local_body) = (file.name, file.body);
        self.remote.insert(id, message);
    }

    fn create(&mut self, file: &File, marks: ServerMarks) -> Id {
        let (id, search_key) = (self.fresh(), self.fresh());
        let (origin, folder, body) = (file.origin, file.folder, file.body);
        self.remote.insert(id, Message { origin, folder, marks, body, search_key });
        id
    }

    fn note(&mut self, id: Id, inode: Inode, local: Marks, remote: ServerMarks) {
        let key = ItemKey(i64::from(self.fresh()));
        let (message, file) = (&self.remote[&id], &self.local[&inode]);
        let base = Base { key, folder: file.folder, local, remote };
        let (search_key, remote_body, name, local_body) = (message.search_key, message.body, file.name, file.body);
        self.rows.insert(key, Row { base, id, search_key, remote_body, name, local_body });
    }

    fn file_of(&self, row: &Row) -> Inode {
        let found = self.local.iter().find(|(_, file)| (file.folder, file.name) == (row.base.folder, row.name));
        *found.expect("the noted file is there").0
    }
}

/// What was seen on one side: of the known items, and besides them.
struct Observed<S> {
    known: BTreeMap<ItemKey, Seen<S>>,
    new: Vec<S>,
}

impl<S> Default for Observed<S> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), new: Vec::new() }
    }
}

fn absent<T>() -> Seen<T> {
    Seen::Away(Evidence::CompleteListing)
}

fn search_key(key: u32) -> SearchKey {
    SearchKey::new(key.to_string())
}

fn file_key(name: u32) -> FileKey {
    FileKey::new(name.to_string().as_bytes())
}

fn digest(body: Body) -> Digest {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&body.to_le_bytes());
    Digest(bytes)
}
