//! What can change about a message besides its body: flags and categories, on either side, and how the two are merged.
//!
//! The sides do not hold the same things. A Maildir name has a bit each for "replied" and "passed"; Exchange has one last
//! verb for both. A Maildir flag is there or not; a follow-up flag in Exchange is absent, set or complete. So the merge works
//! on what *changed* on each side and leaves alone what the other side cannot say.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One Maildir flag (the Maildir convention, https://cr.yp.to/proto/maildir.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// `D`: the message is a draft.
    Draft,
    /// `F`: flagged for follow-up.
    Flagged,
    /// `P`: passed on (forwarded, resent or bounced).
    Passed,
    /// `R`: replied to.
    Replied,
    /// `S`: seen.
    Seen,
    /// `T`: moved to the trash, to be removed later. Exchange has no such mark, so it stays local.
    Trashed,
}

impl Flag {
    /// All flags in the order of their letters, in which a file name lists them.
    pub const ALL: [Self; 6] = [Self::Draft, Self::Flagged, Self::Passed, Self::Replied, Self::Seen, Self::Trashed];

    /// Its letter in a file name.
    pub fn letter(self) -> u8 {
        match self {
            Self::Draft => b'D',
            Self::Flagged => b'F',
            Self::Passed => b'P',
            Self::Replied => b'R',
            Self::Seen => b'S',
            Self::Trashed => b'T',
        }
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

/// A set of Maildir flags.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flags(u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);

    /// The flags among `letters`; other letters are passed over.
    pub fn from_letters(letters: &[u8]) -> Self {
        Flag::ALL.into_iter().filter(|flag| letters.contains(&flag.letter())).collect()
    }

    /// The letters, in order.
    pub fn letters(self) -> impl Iterator<Item = u8> {
        Flag::ALL.into_iter().filter(move |flag| self.has(*flag)).map(Flag::letter)
    }

    /// The set as a small number, for state.db.
    pub fn to_bits(self) -> u8 {
        self.0
    }

    /// The set that `to_bits` gave the number of.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & 0x3F)
    }

    /// Whether the flag is set.
    pub fn has(self, flag: Flag) -> bool {
        self.0 & flag.bit() != 0
    }

    /// The set with the flag set or cleared.
    #[must_use]
    pub fn with(self, flag: Flag, set: bool) -> Self {
        if set { Self(self.0 | flag.bit()) } else { Self(self.0 & !flag.bit()) }
    }
}

impl FromIterator<Flag> for Flags {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> Self {
        flags.into_iter().fold(Self::NONE, |set, flag| set.with(flag, true))
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters: String = self.letters().map(char::from).collect();
        write!(f, "Flags({letters})")
    }
}

/// A category's name. Exchange compares names without regard to case, and so does this type.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Category(pub String);

impl Category {
    fn folded(&self) -> impl Iterator<Item = char> {
        self.0.chars().flat_map(char::to_lowercase)
    }
}

impl PartialEq for Category {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Category {}
impl PartialOrd for Category {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Category {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

/// The categories of an item.
pub type Categories = BTreeSet<Category>;

/// What a local file says of its message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Maildir flags.
    pub flags: Flags,
    /// Categories, by their names.
    pub categories: Categories,
}

/// A follow-up flag (MS-OXWSCDATA `FlagStatus`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FollowUp {
    /// No flag.
    #[default]
    NotFlagged,
    /// Flagged.
    Flagged,
    /// Done: Maildir cannot say it, so it reads as "not flagged" there.
    Complete,
}

/// PidTagLastVerbExecuted (0x1081): what was last done with the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastVerb {
    /// Nothing.
    #[default]
    None,
    /// 102: replied to the sender.
    Reply,
    /// 103: replied to all.
    ReplyAll,
    /// 104: forwarded.
    Forward,
    /// Anything else, such as a vote.
    Other(i32),
}

impl LastVerb {
    /// The verb with that number.
    pub fn from_number(number: i32) -> Self {
        match number {
            0 => Self::None,
            102 => Self::Reply,
            103 => Self::ReplyAll,
            104 => Self::Forward,
            other => Self::Other(other),
        }
    }

    /// Its number.
    pub fn number(self) -> i32 {
        match self {
            Self::None => 0,
            Self::Reply => 102,
            Self::ReplyAll => 103,
            Self::Forward => 104,
            Self::Other(number) => number,
        }
    }

    /// The Maildir flag that says the same.
    pub fn flag(self) -> Option<Flag> {
        match self {
            Self::Reply | Self::ReplyAll => Some(Flag::Replied),
            Self::Forward => Some(Flag::Passed),
            Self::None | Self::Other(_) => None,
        }
    }
}

/// What the server says of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerMarks {
    /// Whether it was read.
    pub read: bool,
    /// Its follow-up flag.
    pub follow_up: FollowUp,
    /// What was last done with it.
    pub verb: LastVerb,
    /// Its categories.
    pub categories: Categories,
    /// Whether it is a draft: set when it is created, never changed after.
    pub draft: bool,
}

impl ServerMarks {
    /// What a local file says when it knows no more than the server.
    pub fn to_local(&self) -> Marks {
        let verb = self.verb.flag();
        let flags = Flags::NONE
            .with(Flag::Seen, self.read)
            .with(Flag::Flagged, self.follow_up == FollowUp::Flagged)
            .with(Flag::Replied, verb == Some(Flag::Replied))
            .with(Flag::Passed, verb == Some(Flag::Passed))
            .with(Flag::Draft, self.draft);
        Marks { flags, categories: self.categories.clone() }
    }
}

impl Marks {
    /// What the server is told of a message that it does not have yet.
    pub fn to_server(&self) -> ServerMarks {
        ServerMarks { draft: self.flags.has(Flag::Draft), ..push(&Marks::default(), self, &ServerMarks::default()) }
    }
}

/// Brings the server's change from `base` to `remote` into what the local file says.
///
/// Only what changed on the server changes; what Maildir says beyond Exchange (a second verb, `T`) stays.
pub fn pull(base: &ServerMarks, remote: &ServerMarks, local: &Marks) -> Marks {
    let mut flags = local.flags;
    if base.read != remote.read {
        flags = flags.with(Flag::Seen, remote.read);
    }
    if base.follow_up != remote.follow_up {
        flags = flags.with(Flag::Flagged, remote.follow_up == FollowUp::Flagged);
    }
    if base.verb != remote.verb {
        match remote.verb.flag() {
            Some(flag) => flags = flags.with(flag, true),
            None => flags = flags.with(Flag::Replied, false).with(Flag::Passed, false),
        }
    }
    if base.draft != remote.draft {
        flags = flags.with(Flag::Draft, remote.draft);
    }
    Marks { flags, categories: merge_categories(&base.categories, &remote.categories, &local.categories) }
}

/// Brings the local change from `base` to `local` into what the server says.
///
/// `draft` is left alone: Exchange fixes it when a message is created.
pub fn push(base: &Marks, local: &Marks, remote: &ServerMarks) -> ServerMarks {
    let changed = |flag: Flag| (base.flags.has(flag) != local.flags.has(flag)).then(|| local.flags.has(flag));
    let follow_up = match changed(Flag::Flagged) {
        Some(true) => FollowUp::Flagged,
        Some(false) if remote.follow_up == FollowUp::Flagged => FollowUp::NotFlagged,
        Some(false) | None => remote.follow_up,
    };
    ServerMarks {
        read: changed(Flag::Seen).unwrap_or(remote.read),
        follow_up,
        verb: push_verb(changed(Flag::Replied), changed(Flag::Passed), local.flags, remote.verb),
        categories: merge_categories(&base.categories, &local.categories, &remote.categories),
        draft: remote.draft,
    }
}

/// One last verb stands for two flags: the newly set one wins; when the one that the verb stands for goes, the other takes over.
fn push_verb(replied: Option<bool>, passed: Option<bool>, local: Flags, verb: LastVerb) -> LastVerb {
    match (replied, passed) {
        (None, None) => verb,
        (Some(true), _) if verb.flag() != Some(Flag::Replied) => LastVerb::Reply,
        (_, Some(true)) if verb.flag() != Some(Flag::Passed) && replied != Some(true) => LastVerb::Forward,
        _ => match verb.flag() {
            Some(flag) if !local.has(flag) && local.has(Flag::Replied) => LastVerb::Reply,
            Some(flag) if !local.has(flag) && local.has(Flag::Passed) => LastVerb::Forward,
            Some(flag) if !local.has(flag) => LastVerb::None,
            _ => verb,
        },
    }
}

/// `onto` with what `from` gained or lost since `base`: a category at a time, so that nothing can conflict.
pub(super) fn merge_categories(base: &Categories, from: &Categories, onto: &Categories) -> Categories {
    onto.iter()
        .filter(|category| from.contains(category) || !base.contains(category))
        .chain(from.iter().filter(|category| !base.contains(category)))
        .cloned()
        .collect()
}
