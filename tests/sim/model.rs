//! What each side was given, kept apart from the engine, and what has to hold of it.
//!
//! Each body has a token of its own, `m7v2`: the second text of message 7. A token may go only when somebody deletes or overwrites it.

use std::collections::{BTreeMap, BTreeSet};

use super::sides::{Here, There};
use pimsync::exchange::Personality;
use pimsync::plan::ConflictPolicy;

/// What went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    pub kind: &'static str,
    pub text: String,
}

pub fn fail<T>(kind: &'static str, text: String) -> Result<T, Failure> {
    Err(Failure { kind, text })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    There,
    Here,
}

/// Something about a message that somebody changed, and what it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    Read(bool),
    Flagged(bool),
    Verb,
    Categories(Vec<String>),
    Path(String),
    Token(String),
    Draft,
    Gone,
}

/// A message at the last agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Agreed {
    read: bool,
    flagged: bool,
    categories: Vec<String>,
    path: String,
    token: String,
}

impl Agreed {
    fn of(item: &There) -> Self {
        Self {
            read: item.read,
            flagged: item.flagged,
            categories: item.categories.clone(),
            path: item.path.clone(),
            token: item.token.clone(),
        }
    }

    fn has(&self, write: &Write) -> bool {
        match write {
            Write::Read(read) => self.read == *read,
            Write::Flagged(flagged) => self.flagged == *flagged,
            Write::Categories(categories) => self.categories == *categories,
            Write::Path(path) => self.path == *path,
            Write::Token(token) => self.token == *token,
            Write::Verb | Write::Draft => true,
            Write::Gone => false,
        }
    }
}

/// What happened since the last agreement.
#[derive(Clone, Debug, Default)]
pub struct Epoch {
    had: BTreeMap<String, usize>,
    added: BTreeMap<String, usize>,
    removed: BTreeMap<String, usize>,
    /// Copies that are left over where a message that is no draft is made anew.
    spare: BTreeMap<String, usize>,
    writes: Vec<(String, Side, Write, usize)>,
    agreed: BTreeMap<String, Vec<Agreed>>,
    copied: BTreeSet<String>,
    /// Messages, not drafts, that were written over here.
    remade: BTreeSet<String>,
    /// Runs that were begun.
    pub runs: usize,
    pub cuts: usize,
    pub state_lost: bool,
    /// Whether a message that is no draft was written over.
    pub body_written: bool,
    pub folders_changed: bool,
    pub faulty: bool,
}

#[derive(Debug, Default)]
pub struct Model {
    policy: ConflictPolicy,
    /// Whether the server says texts in its own way, so that what was sent and not answered cannot be known again.
    retells: bool,
    families: usize,
    versions: BTreeMap<String, usize>,
    pub epoch: Epoch,
}

pub fn family_of(token: &str) -> String {
    token.split('v').next().unwrap_or_default().to_owned()
}

impl Model {
    pub fn new(policy: ConflictPolicy, like: Personality) -> Self {
        Self { policy, retells: like == Personality::Gromox, ..Self::default() }
    }

    pub fn new_family(&mut self) -> String {
        self.families += 1;
        format!("m{}", self.families)
    }

    pub fn new_token(&mut self, family: &str) -> String {
        let version = self.versions.entry(family.to_owned()).or_default();
        *version += 1;
        format!("{family}v{version}")
    }

    pub fn added(&mut self, token: &str) {
        *self.epoch.added.entry(token.to_owned()).or_default() += 1;
    }

    pub fn copied(&mut self, token: &str) {
        self.added(token);
        self.epoch.copied.insert(family_of(token));
    }

    pub fn remade(&mut self, family: &str) {
        self.epoch.remade.insert(family.to_owned());
    }

    pub fn removed(&mut self, token: &str) {
        *self.epoch.removed.entry(token.to_owned()).or_default() += 1;
    }

    pub fn spare(&mut self, token: &str) {
        *self.epoch.spare.entry(family_of(token)).or_default() += 1;
    }

    pub fn wrote(&mut self, token: &str, side: Side, write: Write) {
        self.epoch.writes.push((family_of(token), side, write, self.epoch.runs));
    }

    fn count(counts: &BTreeMap<String, usize>, token: &str) -> usize {
        counts.get(token).copied().unwrap_or_default()
    }

    /// No loss: whatever nobody deleted is somewhere.
    pub fn check_kept(&self, present: &BTreeSet<String>) -> Result<(), Failure> {
        let epoch = &self.epoch;
        for token in epoch.had.keys().chain(epoch.added.keys()) {
            let given = Self::count(&epoch.had, token) + Self::count(&epoch.added, token);
            if given > Self::count(&epoch.removed, token) && !present.contains(token) && !self.may_lose(token) {
                return fail("loss", format!("{token} is lost: nobody deleted it, and it is nowhere"));
            }
        }
        Ok(())
    }

    /// Whether that version lost against one of the other side, and is not to be kept. Without the state, nothing tells which is the older one.
    fn may_lose(&self, token: &str) -> bool {
        let loser = match self.policy {
            ConflictPolicy::KeepBoth => return false,
            ConflictPolicy::Server => Side::Here,
            ConflictPolicy::Local => Side::There,
        };
        let family = family_of(token);
        let rewrites =
            || self.epoch.writes.iter().filter(|(of, _, write, _)| *of == family && matches!(write, Write::Token(_)));
        let wins = self.epoch.state_lost || rewrites().any(|(_, side, ..)| *side != loser);
        wins && rewrites().any(|(_, side, write, _)| *side == loser && *write == Write::Token(token.to_owned()))
    }

    /// No duplicates, no skipped change: after an agreement.
    pub fn check_agreement(&self, there: &[There]) -> Result<(), Failure> {
        self.check_copies(there)?;
        let mut families: BTreeSet<&String> = self.epoch.agreed.keys().collect();
        families.extend(self.epoch.writes.iter().map(|(family, ..)| family));
        families.into_iter().try_for_each(|family| self.check_family(family, there))
    }

    /// No duplicates, where names wait for a person to settle them.
    pub fn check_copies(&self, there: &[There]) -> Result<(), Failure> {
        let epoch = &self.epoch;
        let moved = epoch.folders_changed
            || epoch.writes.iter().any(|(_, _, write, _)| matches!(write, Write::Path(_) | Write::Gone));
        // Whether a message was moved cannot be known without the state.
        if epoch.state_lost && moved {
            return Ok(());
        }
        for (token, count) in counts(there) {
            let most = Self::count(&epoch.had, &token)
                + Self::count(&epoch.added, &token)
                + Self::count(&epoch.spare, &family_of(&token));
            // A draft that has copies, and whose new text was taken without an answer: where the server says that text in its own way and somebody moves
            // it there, it is not known again, and both are kept.
            let family = family_of(&token);
            let is_write = |(of, by, write, _): &&(String, Side, Write, usize)| {
                *of == family && *by == Side::Here && matches!(write, Write::Token(_))
            };
            if self.retells
                && epoch.faulty
                && epoch.copied.contains(&family)
                && epoch.writes.iter().any(|write| is_write(&write))
            {
                continue;
            }
            if count > most {
                return fail("duplicate", format!("{token} is there {count} times, and was given {most} times"));
            }
        }
        Ok(())
    }

    /// What only one side changed is what that side last said. Only for messages of which there is one.
    fn check_family(&self, family: &String, there: &[There]) -> Result<(), Failure> {
        let epoch = &self.epoch;
        let now: Vec<&There> = there.iter().filter(|item| family_of(&item.token) == *family).collect();
        let agreed = match epoch.agreed.get(family).map(Vec::as_slice) {
            None => None,
            Some([agreed]) => Some(agreed),
            Some(_) => return Ok(()),
        };
        if epoch.state_lost || epoch.folders_changed || epoch.copied.contains(family) {
            return Ok(());
        }
        let writes: Vec<_> = epoch.writes.iter().filter(|(of, ..)| of == family).collect();
        if writes.iter().any(|(_, _, write, _)| *write == Write::Draft) {
            return Ok(());
        }
        // What was deleted lies in Deleted Items, and somebody took it out again.
        let gone = writes.iter().position(|(_, _, write, _)| *write == Write::Gone).unwrap_or(writes.len());
        if writes.iter().skip(gone).any(|(_, _, write, _)| matches!(write, Write::Path(_))) {
            return Ok(());
        }
        // What was done afterwards can have been done to the version that was written over.
        if epoch.remade.contains(family) && writes.len() > 1 {
            return Ok(());
        }
        let by = |side: Side| writes.iter().filter(move |(_, by, ..)| *by == side);
        let deleted = |side: Side| by(side).any(|(_, _, write, _)| *write == Write::Gone);
        let kept: Vec<&&There> = now.iter().filter(|item| !item.path.starts_with("Deleted Items")).collect();
        for (side, other) in [(Side::Here, Side::There), (Side::There, Side::Here)] {
            if !deleted(side) || deleted(other) {
                continue;
            }
            let Some(agreed) = agreed else { return Ok(()) };
            if by(other).next().is_none() && epoch.cuts == 0 && !kept.is_empty() {
                return fail("undeleted", format!("{family} was deleted {side:?} and is back: {kept:?}"));
            }
            let quiet = writes.iter().all(|(.., run)| *run == 0);
            let trashed = by(other)
                .any(|(_, _, write, _)| matches!(write, Write::Path(path) if path.starts_with("Deleted Items")));
            let last: Vec<&Write> = last_of(by(other).map(|(_, _, write, _)| write));
            if quiet && !trashed && last.iter().any(|write| !agreed.has(write)) && now.is_empty() {
                return fail(
                    "edit lost to deletion",
                    format!("{family} was deleted {side:?}, but edited {other:?}: {last:?}"),
                );
            }
        }
        if deleted(Side::Here) || deleted(Side::There) {
            return Ok(());
        }
        let rewritten = writes.iter().any(|(_, side, write, _)| matches!((side, write), (Side::Here, Write::Token(_))));
        // What was moved and written over before the engine saw it has nothing left to be known by.
        if rewritten && by(Side::Here).any(|(_, _, write, _)| matches!(write, Write::Path(_))) {
            return Ok(());
        }
        let [item] = (if rewritten { kept.into_iter().copied().collect() } else { now })[..] else {
            let count = there.iter().filter(|item| family_of(&item.token) == *family).count();
            return if rewritten || count > 0 {
                Ok(())
            } else {
                fail("gone", format!("{family} was not deleted, and is not there"))
            };
        };
        let is = Agreed::of(item);
        let ours = |token: &str| by(Side::Here).any(|(_, _, write, _)| *write == Write::Token(token.to_owned()));
        for side in [Side::Here, Side::There] {
            let other = if side == Side::Here { Side::There } else { Side::Here };
            for write in last_of(by(side).map(|(_, _, write, _)| write)) {
                let contested = by(other).any(|(_, _, theirs, _)| same_field(theirs, write));
                let kept_beside = self.retells && epoch.cuts > 0 && matches!(write, Write::Token(_)) && ours(&is.token);
                if !contested && !is.has(write) && !kept_beside {
                    return fail("skipped", format!("{family}: {side:?} last wrote {write:?}, but it is {is:?}"));
                }
            }
        }
        let Some(agreed) = agreed else { return Ok(()) };
        let untouched = |write: &Write| !writes.iter().any(|(_, _, made, _)| same_field(made, write));
        let before = [
            Write::Read(agreed.read),
            Write::Flagged(agreed.flagged),
            Write::Categories(agreed.categories.clone()),
            Write::Path(agreed.path.clone()),
            Write::Token(agreed.token.clone()),
        ];
        match before.iter().find(|write| untouched(write) && !is.has(write)) {
            Some(write) => fail("changed", format!("{family}: nobody changed {write:?}, but it is {is:?}")),
            None => Ok(()),
        }
    }

    /// A new beginning: this is what both sides have.
    pub fn agree(&mut self, there: &[There]) {
        let mut agreed: BTreeMap<String, Vec<Agreed>> = BTreeMap::new();
        for item in there {
            agreed.entry(family_of(&item.token)).or_default().push(Agreed::of(item));
        }
        self.epoch = Epoch { had: counts(there), agreed, ..Epoch::default() };
    }
}

fn counts(there: &[There]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for item in there {
        *counts.entry(item.token.clone()).or_default() += 1;
    }
    counts
}

fn same_field(one: &Write, other: &Write) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

/// The last word on each field.
fn last_of<'w>(writes: impl Iterator<Item = &'w Write>) -> Vec<&'w Write> {
    let mut last: Vec<&Write> = Vec::new();
    for write in writes {
        last.retain(|before| !same_field(before, write));
        last.push(write);
    }
    last
}

/// Both sides alike, field by field. Two verbs are one on the server.
pub fn check_alike(there: &[There], here: &[Here]) -> Result<(), Failure> {
    type Fields = (String, String, bool, bool, bool, bool, Vec<String>);
    let mut one: Vec<Fields> = there
        .iter()
        .map(|item| {
            let verb = !item.verb.is_empty();
            (item.path.clone(), item.token.clone(), item.draft, item.flagged, verb, item.read, item.categories.clone())
        })
        .collect();
    let mut other: Vec<Fields> = here
        .iter()
        .map(|file| {
            let has = |letter| file.flags.contains(letter);
            let verb = has('R') || has('P');
            (file.path.clone(), file.token.clone(), has('D'), has('F'), verb, has('S'), file.categories.clone())
        })
        .collect();
    one.sort();
    other.sort();
    if one == other {
        return Ok(());
    }
    let only_there: Vec<&Fields> = one.iter().filter(|item| !other.contains(item)).collect();
    let only_here: Vec<&Fields> = other.iter().filter(|item| !one.contains(item)).collect();
    fail(
        "differ",
        format!(
            "the sides differ ({} there, {} here); (path, token, draft, flagged, verb, read, categories)\n  only there: {only_there:?}\n  only here: {only_here:?}",
            one.len(),
            other.len()
        ),
    )
}
