//! What happened to an entry since both sides agreed, and whether what became of it is what people may expect.

use std::collections::BTreeSet;

use super::super::model::{Failure, fail};
use super::{Shown, Side, values_of};
use pimsync::pim::EntryKind;

/// A value that was written.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) side: Side,
    /// Which of the two values.
    pub(super) at: usize,
    pub(super) token: String,
    /// How many runs there had been.
    pub(super) runs: usize,
    /// Its own side deleted the entry later.
    pub(super) void: bool,
}

/// A file that was attached. Each has a name of its own, so that one that was taken away never comes again.
#[derive(Clone, Debug)]
pub(super) struct Attached {
    pub(super) side: Side,
    pub(super) name: String,
    /// Its own side deleted the event later.
    pub(super) void: bool,
}

/// What happened to an entry since both sides agreed.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// What each value was.
    pub(super) agreed: Option<[String; 2]>,
    /// The files that it had.
    pub(super) had: BTreeSet<String>,
    pub(super) attached: Vec<Attached>,
    pub(super) detached: Vec<(Side, String)>,
    pub(super) writes: Vec<Write>,
    pub(super) deleted: Vec<(Side, usize)>,
    pub(super) moved: bool,
    /// Whether a program added something to its file that the server has no field for.
    pub(super) folded: bool,
}

impl History {
    /// Whether what is there now is what people may expect.
    pub(super) fn judge(
        &self,
        name: &str,
        kind: EntryKind,
        now: Option<&Shown>,
        copies: &str,
        state_lost: bool,
    ) -> Result<(), Failure> {
        if state_lost && self.moved {
            // There may have been two of it, of which one was deleted.
            return Ok(());
        }
        let in_copy = |token: &String| copies.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == token);
        let Some(now) = now else {
            if self.deleted.is_empty() {
                return fail("lost", format!("{name}: nobody deleted it: {self:?}"));
            }
            // An edit that the deleting side cannot have seen wins.
            let unseen = self
                .writes
                .iter()
                .filter(|write| !write.void && !in_copy(&write.token))
                .find(|write| self.deleted.iter().all(|(side, runs)| *side != write.side && *runs == write.runs));
            return match unseen {
                Some(write) => fail("lost", format!("{name}: {write:?} was made while it was deleted: {self:?}")),
                None => Ok(()),
            };
        };
        let editors = || {
            let files = self.attached.iter().map(|file| file.side).chain(self.detached.iter().map(|(side, _)| *side));
            self.writes.iter().map(|write| write.side).chain(files)
        };
        let edited_elsewhere = |side: Side| editors().any(|editor| editor != side) || self.agreed.is_none();
        if !state_lost && !self.moved && !self.folded && self.deleted.iter().any(|(side, _)| !edited_elsewhere(*side)) {
            return fail("came back", format!("{name}: {self:?}"));
        }
        self.judge_files(name, now, in_copy, state_lost)?;
        for at in 0..values_of(kind) {
            let writes: Vec<_> = self.writes.iter().filter(|write| write.at == at).collect();
            let last = |side: Side| writes.iter().rfind(|write| write.side == side && !write.void);
            let is = &now.values[at];
            let lasts: Vec<_> = [last(Side::There), last(Side::Here)].into_iter().flatten().collect();
            let agreed = self.agreed.as_ref().map(|values| values[at].clone()).unwrap_or_default();
            // What was deleted by its writer can come back with what the other side made of it, and what was agreed with a lost state.
            let may_be =
                writes.iter().filter(|write| write.void || state_lost).map(|write| &write.token).chain([&agreed]);
            let excused = lasts.is_empty() || state_lost || !self.deleted.is_empty();
            let known = lasts.iter().any(|write| write.token == *is);
            let known = known || excused && may_be.into_iter().any(|token| token == is);
            if !known {
                return fail("wrong value", format!("{name}: {is}, and written last was {lasts:?}: {self:?}"));
            }
            for write in &lasts {
                let overwritten = writes
                    .iter()
                    .any(|other| other.side != write.side && other.token == *is && other.runs > write.runs);
                if write.token != *is && !in_copy(&write.token) && !overwritten {
                    return fail("lost", format!("{name}: {write:?} is nowhere, there is {is}: {self:?}"));
                }
            }
        }
        Ok(())
    }

    /// Whether each file is there that was attached and not taken away, and no other one.
    fn judge_files(
        &self,
        name: &str,
        now: &Shown,
        in_copy: impl Fn(&String) -> bool,
        state_lost: bool,
    ) -> Result<(), Failure> {
        let was_there = |file: &String| self.had.contains(file) || self.attached.iter().any(|new| new.name == *file);
        let is_detached = |file: &String| self.detached.iter().any(|(_, gone)| gone == file);
        let stays = |file: &&String| !is_detached(file) && !now.attached.contains(*file) && !in_copy(file);
        // An event that was deleted by one side comes back with what the other one knew of it.
        let new = self.attached.iter().filter(|file| !file.void).map(|file| &file.name);
        let lost = self.had.iter().filter(|_| self.deleted.is_empty()).chain(new).find(stays);
        if let Some(file) = lost {
            return fail("lost", format!("{name}: the file {file} is nowhere: {now:?}, {self:?}"));
        }
        for file in &now.attached {
            let is_over = is_detached(file) && !state_lost && !self.moved && self.deleted.is_empty();
            if !was_there(file) || is_over {
                return fail("wrong file", format!("{name}: {file} is there: {self:?}"));
            }
        }
        Ok(())
    }
}
