//! What to do about an item: one exhaustive decision on what the base, the server and the disk say of it.
//!
//! The base is the last state that both sides agreed on. A decision is made in two halves that are carried out one after the
//! other: the *pull* brings the server's change into the local tree, after which the base says what the server says; the *push*
//! then takes what is still different in the local tree to the server. So a run that ends between the two has lost nothing: the
//! next one sees the push as a plain local change.

use super::guard::{Brake, FolderSize, Guard};
use super::proof::MessageRemoval;
use crate::pim::marks::{self, Marks, ServerMarks};
use crate::pim::{Flag, FolderKey, ItemKey};

/// Which of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The server.
    Remote,
    /// The directory on disk.
    Local,
}

/// What was agreed about an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Its number.
    pub key: ItemKey,
    /// The folder it lay in.
    pub folder: FolderKey,
    /// What its file said.
    pub local: Marks,
    /// What the server said.
    pub remote: ServerMarks,
}

/// What the server says of an item now. `R` refers to it: an index, an id, whatever the caller needs to find it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteState<R> {
    /// Where the caller finds it.
    pub at: R,
    /// The folder it lies in.
    pub folder: FolderKey,
    /// Its flags and categories.
    pub marks: ServerMarks,
    /// Whether its body is another than the agreed one.
    pub edited: bool,
}

/// What the disk says of an item now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalState<L> {
    /// Where the caller finds it.
    pub at: L,
    /// The folder it lies in.
    pub folder: FolderKey,
    /// Its flags and categories.
    pub marks: Marks,
    /// Whether its body is another than the agreed one.
    pub edited: bool,
}

/// How an absence was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The side told that the item is gone.
    Reported,
    /// A complete listing, stable while it was made, does not have it.
    CompleteListing,
    /// It was asked for by its id, and is not there.
    AskedFor,
}

/// What was seen of an item on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<T> {
    /// It is as agreed.
    Same,
    /// It is there, and this is how.
    Here(T),
    /// It is not there.
    Away(Evidence),
    /// The side could not be looked at, or not to the end. Nothing follows from it.
    Unknown,
}

/// Everything known of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case<R, L> {
    /// What was agreed; `None` for an item that is new on one side, or on both.
    pub base: Option<Base>,
    /// What the server shows.
    pub remote: Seen<RemoteState<R>>,
    /// What the disk shows.
    pub local: Seen<LocalState<L>>,
}

/// Who wins when the same thing was changed on both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConflictPolicy {
    /// The server's version stays in place, the local one is kept as a conflict copy.
    #[default]
    KeepBoth,
    /// The server's version replaces the local one.
    Server,
    /// The local version replaces the server's.
    Local,
}

impl ConflictPolicy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::KeepBoth, Self::Server, Self::Local];

    /// Its word in identity.toml.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeepBoth => "keep-both",
            Self::Server => "server",
            Self::Local => "local",
        }
    }

    /// The policy with that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == word)
    }

    /// The policy where it is not known whether it is a conflict at all: what is in doubt replaces nothing without a trace.
    #[must_use]
    pub fn in_doubt(self, doubt: Doubt) -> Self {
        match (doubt, self) {
            (Doubt::Theirs, Self::Local) => Self::Local,
            (Doubt::Theirs, Self::KeepBoth | Self::Server) | (Doubt::Ours, _) => Self::KeepBoth,
        }
    }
}

/// What may be no version of the item at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// What the server says: it may be what was last sent there, told in its own way.
    Theirs,
    /// What the file says: it may be a copy that somebody has made, in place of the one that is gone.
    Ours,
}

/// What a pull does about a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The file keeps its body.
    Keep,
    /// The server's body takes its place.
    Replace,
    /// The server's body takes its place, after the local one was kept as a conflict copy.
    ReplaceKeepingCopy,
}

impl Content {
    fn of(edited_there: bool, edited_here: bool, policy: ConflictPolicy) -> Self {
        match (edited_there, edited_here, policy) {
            (false, _, _) | (true, true, ConflictPolicy::Local) => Self::Keep,
            (true, false, _) | (true, true, ConflictPolicy::Server) => Self::Replace,
            (true, true, ConflictPolicy::KeepBoth) => Self::ReplaceKeepingCopy,
        }
    }
}

/// What a push does about a body.
#[derive(Debug, PartialEq, Eq)]
pub enum PushContent {
    /// The server keeps its body.
    Keep,
    /// The draft's body is replaced in place.
    ReplaceDraft,
    /// A message that is no draft cannot be rewritten: a new one is created, then the old one is deleted, which this allows.
    Recreate(MessageRemoval),
}

/// One thing to do about one item.
#[derive(Debug, PartialEq, Eq)]
pub enum Op<R, L> {
    /// Pull: fetch the body and write a new file.
    Download {
        /// What to fetch, and where it belongs.
        remote: RemoteState<R>,
        /// The known item whose file was deleted here while it was changed there: the change wins.
        instead_of: Option<ItemKey>,
    },
    /// Pull: change, replace or move the file.
    Update {
        /// The item.
        key: ItemKey,
        /// What the server says.
        remote: RemoteState<R>,
        /// The file, where it differs from the agreed one.
        local: Option<LocalState<L>>,
        /// What the file shall say.
        marks: Marks,
        /// What the base shall say of the file.
        agreed: Marks,
        /// What happens to the body.
        content: Content,
        /// The folder it moves to.
        move_to: Option<FolderKey>,
    },
    /// Pull: the server deleted the item, so delete the file.
    Remove {
        /// The item.
        key: ItemKey,
        /// The file, where it is not the noted one: somebody gave it another name.
        local: Option<LocalState<L>>,
        /// Why that is allowed.
        proof: MessageRemoval,
    },
    /// Pull: the same message lies on both sides, new to us on both. What the file says beyond `agreed` is pushed once the base knows the
    /// message: by the plan that is made then.
    Adopt {
        /// The server's.
        remote: RemoteState<R>,
        /// The file.
        local: LocalState<L>,
        /// What the file shall say.
        marks: Marks,
        /// What the base shall say of the file.
        agreed: Marks,
        /// What happens to the body.
        content: Content,
    },
    /// Base: neither side is written to; what we noted of the ones given is out of date (a version, a file's name, marks that
    /// both sides have or that the other cannot hold).
    Refresh {
        /// The item.
        key: ItemKey,
        /// What the server says now, if it says anything new.
        remote: Option<RemoteState<R>>,
        /// The file, if it differs.
        local: Option<LocalState<L>>,
    },
    /// Base: the item is gone on both sides.
    Forget {
        /// The item.
        key: ItemKey,
    },
    /// Push: create the message on the server.
    Upload {
        /// The file.
        local: LocalState<L>,
        /// The known item that was deleted there while its file was changed here: the change wins.
        instead_of: Option<ItemKey>,
    },
    /// Push: change, replace or move the message.
    Push {
        /// The item.
        key: ItemKey,
        /// The file.
        local: LocalState<L>,
        /// What the server shall say.
        marks: ServerMarks,
        /// What happens to the body.
        content: PushContent,
        /// The folder it moves to.
        move_to: Option<FolderKey>,
    },
    /// Push: the file was deleted, so delete the message.
    Delete {
        /// The item.
        key: ItemKey,
        /// Why that is allowed.
        proof: MessageRemoval,
    },
}

/// Something that the plan would do but for a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held<K = ItemKey> {
    /// The item, when it is a known one.
    pub key: Option<K>,
    /// The folder that it concerns.
    pub folder: FolderKey,
    /// The side that would be changed.
    pub side: Side,
    /// Why not.
    pub reason: HeldReason,
}

/// Why the plan holds something back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldReason {
    /// Too large a part of the folder would be deleted at once.
    Brake,
    /// It would be deleted on the server, and the local side was restored from a backup.
    Restored,
    /// The other side could not be looked at in full.
    OtherSideUnknown,
}

/// What to do, in order: all pulls may go first, in any order among themselves, then all pushes, in any order among themselves.
/// A push of an item counts on its pull: where that could not be carried out, the push is left to the next run.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan<R, L> {
    /// Changes to the local tree and to the base.
    pub pulls: Vec<Op<R, L>>,
    /// Changes to the server.
    pub pushes: Vec<Op<R, L>>,
    /// What is held back.
    pub held: Vec<Held>,
}

impl<R, L> Default for Plan<R, L> {
    fn default() -> Self {
        Self { pulls: Vec::new(), pushes: Vec::new(), held: Vec::new() }
    }
}

/// Plans for a set of items. `sizes` says how many items each folder holds in the base, for the brake.
pub fn plan<R, L: Clone>(
    cases: impl IntoIterator<Item = Case<R, L>>,
    policy: ConflictPolicy,
    brake: Brake,
    sizes: &[FolderSize],
) -> Plan<R, L> {
    let mut plan = Plan::default();
    let mut guard = Guard::new(brake, sizes);
    for case in cases {
        let decision = decide(case, policy);
        plan.pulls.extend(decision.pull);
        plan.pushes.extend(decision.push);
        plan.held.extend(decision.held);
        if let Some((base, removal)) = decision.removal {
            guard.wish((base.key, base.folder), removal.side(), removal);
        }
    }
    let verdict = guard.judge();
    for (key, removal, proof) in verdict.allowed {
        match removal {
            Removal::OfFile(local) => plan.pulls.push(Op::Remove { key, local, proof }),
            Removal::OfMessage => plan.pushes.push(Op::Delete { key, proof }),
        }
    }
    plan.held.extend(verdict.held);
    plan
}

/// What is to be done about one item.
struct Decision<R, L> {
    pull: Option<Op<R, L>>,
    push: Option<Op<R, L>>,
    /// A deletion that the guard must judge.
    removal: Option<(Base, Removal<L>)>,
    held: Option<Held>,
}

/// What a deletion would delete.
enum Removal<L> {
    /// The file, where it is not as noted.
    OfFile(Option<LocalState<L>>),
    OfMessage,
}

impl<L> Removal<L> {
    /// The side to delete it on.
    fn side(&self) -> Side {
        match self {
            Self::OfFile(_) => Side::Local,
            Self::OfMessage => Side::Remote,
        }
    }
}

impl<R, L> Decision<R, L> {
    const NOTHING: Self = Self { pull: None, push: None, removal: None, held: None };

    fn pull(op: Op<R, L>) -> Self {
        Self { pull: Some(op), ..Self::NOTHING }
    }

    fn push(op: Op<R, L>) -> Self {
        Self { push: Some(op), ..Self::NOTHING }
    }

    fn remove(base: Base, removal: Removal<L>) -> Self {
        Self { removal: Some((base, removal)), ..Self::NOTHING }
    }

    fn hold(key: Option<ItemKey>, folder: FolderKey, side: Side) -> Self {
        Self { held: Some(Held { key, folder, side, reason: HeldReason::OtherSideUnknown }), ..Self::NOTHING }
    }
}

/// The decision. Every combination has its line; none is left to a default.
fn decide<R, L: Clone>(case: Case<R, L>, policy: ConflictPolicy) -> Decision<R, L> {
    use Seen::{Away, Here, Same, Unknown};
    match (case.base, case.remote, case.local) {
        // Known, and both sides were seen.
        (Some(_), Same, Same) => Decision::NOTHING,
        (Some(base), Here(remote), Same) => merge(&base, Some(remote), None, policy),
        (Some(base), Same, Here(local)) => merge(&base, None, Some(local), policy),
        (Some(base), Here(remote), Here(local)) => merge(&base, Some(remote), Some(local), policy),
        (Some(base), Away(_), Same) => Decision::remove(base, Removal::OfFile(None)),
        (Some(base), Same, Away(_)) => Decision::remove(base, Removal::OfMessage),
        (Some(base), Away(_), Here(local)) => edit_or_removal_local(base, local),
        (Some(base), Here(remote), Away(_)) => edit_or_removal_remote(base, remote),
        (Some(base), Away(_), Away(_)) => Decision::pull(Op::Forget { key: base.key }),

        // Known, but one side could not be looked at: nothing is deleted or written on the strength of that.
        (Some(base), Here(_) | Away(_), Unknown) => Decision::hold(Some(base.key), base.folder, Side::Local),
        (Some(base), Unknown, Here(_) | Away(_)) => Decision::hold(Some(base.key), base.folder, Side::Remote),
        (Some(_), Unknown, Same | Unknown) | (Some(_), Same, Unknown) => Decision::NOTHING,

        // New.
        (None, Here(remote), Here(local)) => adopt(remote, local, policy),
        (None, Here(remote), Away(_) | Same) => Decision::pull(Op::Download { remote, instead_of: None }),
        (None, Away(_) | Same, Here(local)) => Decision::push(Op::Upload { local, instead_of: None }),
        (None, Here(remote), Unknown) => Decision::hold(None, remote.folder, Side::Local),
        (None, Unknown, Here(local)) => Decision::hold(None, local.folder, Side::Remote),
        (None, Same | Away(_) | Unknown, Same | Away(_) | Unknown) => Decision::NOTHING,
    }
}

/// Deleted there, present here: an edit wins over the deletion. Being marked for removal (`T`) is no edit.
fn edit_or_removal_local<R, L>(base: Base, local: LocalState<L>) -> Decision<R, L> {
    let kept = Marks {
        flags: local.marks.flags.with(Flag::Trashed, base.local.flags.has(Flag::Trashed)),
        ..local.marks.clone()
    };
    if local.edited || local.folder != base.folder || kept != base.local {
        Decision::push(Op::Upload { local, instead_of: Some(base.key) })
    } else {
        Decision::remove(base, Removal::OfFile(Some(local)))
    }
}

/// Deleted here, present there: an edit wins over the deletion.
fn edit_or_removal_remote<R, L>(base: Base, remote: RemoteState<R>) -> Decision<R, L> {
    if remote_changed(&base, &remote) {
        Decision::pull(Op::Download { remote, instead_of: Some(base.key) })
    } else {
        // The version that was seen is noted, since it is the one that may be deleted.
        let seen = Op::Refresh { key: base.key, remote: Some(remote), local: None };
        Decision { pull: Some(seen), ..Decision::remove(base, Removal::OfMessage) }
    }
}

fn local_changed<L>(base: &Base, local: &LocalState<L>) -> bool {
    local.edited || local.folder != base.folder || local.marks != base.local
}

fn remote_changed<R>(base: &Base, remote: &RemoteState<R>) -> bool {
    remote.edited || remote.folder != base.folder || remote.marks != base.remote
}

/// The same message on both sides, known to neither: what either side says of it holds. Where the bodies differ, nobody can tell which one
/// was edited.
fn adopt<R, L>(remote: RemoteState<R>, local: LocalState<L>, policy: ConflictPolicy) -> Decision<R, L> {
    let mut marks = local.marks.clone();
    let there = remote.marks.to_local();
    for flag in Flag::ALL {
        marks.flags = marks.flags.with(flag, there.flags.has(flag) || (flag != Flag::Draft && marks.flags.has(flag)));
    }
    marks.categories.extend(there.categories.clone());
    let told = marks::push(&there, &marks, &remote.marks);
    let content = Content::of(remote.edited, local.edited, policy);
    let agreed = if told == remote.marks { marks.clone() } else { there };
    Decision::pull(Op::Adopt { remote, local, marks, agreed, content })
}

/// Present on both sides: field by field, what changed there comes here, and what changed here goes there.
fn merge<R, L: Clone>(
    base: &Base,
    remote: Option<RemoteState<R>>,
    local: Option<LocalState<L>>,
    policy: ConflictPolicy,
) -> Decision<R, L> {
    let Some(remote) = remote else {
        return Decision { push: local.and_then(|local| push(base, local)), ..Decision::NOTHING };
    };
    let pulled = Pulled::new(base, &remote, local.as_ref(), policy);
    let rest = local.clone().map(|local| pulled.rest(local)).filter(|rest| local_changed(&pulled.base, rest));
    let push = rest.and_then(|rest| push(&pulled.base, rest));
    Decision { pull: Some(pulled.op(base, remote, local)), push, ..Decision::NOTHING }
}

/// What a pull makes of the base and of the file.
struct Pulled {
    base: Base,
    marks: Marks,
    content: Content,
    move_to: Option<FolderKey>,
}

impl Pulled {
    fn new<R, L>(base: &Base, remote: &RemoteState<R>, local: Option<&LocalState<L>>, policy: ConflictPolicy) -> Self {
        let moved_there = remote.folder != base.folder;
        let lies_in = local.map_or(base.folder, |local| local.folder);
        let stays_here = policy == ConflictPolicy::Local && lies_in != base.folder;
        let content = Content::of(remote.edited, local.is_some_and(|local| local.edited), policy);
        Self {
            marks: marks::pull(&base.remote, &remote.marks, local.map_or(&base.local, |local| &local.marks)),
            base: Base {
                key: base.key,
                folder: remote.folder,
                local: marks::pull(&base.remote, &remote.marks, &base.local),
                remote: remote.marks.clone(),
            },
            content,
            move_to: (moved_there && lies_in != remote.folder && !stays_here).then_some(remote.folder),
        }
    }

    /// The file as it is after the pull.
    fn rest<L>(&self, local: LocalState<L>) -> LocalState<L> {
        LocalState {
            folder: self.move_to.unwrap_or(local.folder),
            marks: self.marks.clone(),
            edited: local.edited && self.content == Content::Keep,
            at: local.at,
        }
    }

    fn op<R, L>(self, base: &Base, remote: RemoteState<R>, local: Option<LocalState<L>>) -> Op<R, L> {
        let file_says = local.as_ref().map_or(&base.local, |local| &local.marks);
        if self.content == Content::Keep && self.move_to.is_none() && self.marks == *file_says {
            // Nothing for the file: the base alone is brought up to date, a local change is left for the push.
            let agreed = local.as_ref().is_none_or(|local| !local_changed(&self.base, local));
            if agreed {
                return Op::Refresh { key: base.key, remote: Some(remote), local };
            }
            if self.base.local == base.local {
                return Op::Refresh { key: base.key, remote: Some(remote), local: None };
            }
        }
        Op::Update {
            key: base.key,
            remote,
            local,
            marks: self.marks,
            agreed: self.base.local,
            content: self.content,
            move_to: self.move_to,
        }
    }
}

/// What the server has to be told about a file that differs from the base.
fn push<R, L>(base: &Base, local: LocalState<L>) -> Option<Op<R, L>> {
    let mut marks = marks::push(&base.local, &local.marks, &base.remote);
    let move_to = (local.folder != base.folder).then_some(local.folder);
    let draft_toggled = local.marks.flags.has(Flag::Draft) != base.remote.draft
        && local.marks.flags.has(Flag::Draft) != base.local.flags.has(Flag::Draft);
    let content = match (local.edited, draft_toggled, base.remote.draft) {
        (_, true, _) | (true, false, false) => PushContent::Recreate(MessageRemoval::proven()),
        (true, false, true) => PushContent::ReplaceDraft,
        (false, false, _) => PushContent::Keep,
    };
    if matches!(content, PushContent::Recreate(_)) {
        marks.draft = local.marks.flags.has(Flag::Draft);
    }
    if content == PushContent::Keep && move_to.is_none() && marks == base.remote {
        return Some(Op::Refresh { key: base.key, remote: None, local: Some(local) });
    }
    Some(Op::Push { key: base.key, local, marks, content, move_to })
}
