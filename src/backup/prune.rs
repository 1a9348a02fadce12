//! Letting go of archives that others stand in for.

use std::collections::BTreeSet;

use super::retention::{self, Candidate, Condition, Retention, Superseded, Verdict};
use super::{Archive, BackupError, Form, Found, Known, Target};
use crate::pim::UnixTime;

/// An archive, and what is to become of it.
#[derive(Debug)]
pub struct Weighed {
    /// The archive.
    pub found: Found,
    /// What is to become of it, and why.
    pub verdict: Verdict,
    /// Why it cannot be read.
    pub error: Option<BackupError>,
}

/// What became of archives that could go.
#[derive(Debug, Default)]
pub struct Pruned {
    /// The numbers of those that went.
    pub dropped: Vec<u32>,
    /// Their bytes.
    pub freed: u64,
    /// Why others did not.
    pub failed: Vec<BackupError>,
}

/// Says what is to become of each of an identity's archives in a target, by number: of those that are called after it and have its `id` in them. Nothing is
/// changed.
///
/// # Errors
/// That the target cannot be listed.
pub fn weigh(
    target: &Target,
    id: &str,
    identity: &str,
    known: Option<&Known>,
    retention: &Retention,
    now: UnixTime,
) -> Result<Vec<Weighed>, BackupError> {
    let archives = target.archives(identity)?;
    let looker = Looker { id, known };
    let mut looks: Vec<Look> =
        archives.iter().map(|found| looker.by_note(found).unwrap_or_else(|| looker.open(found))).collect();
    let verdicts = loop {
        let candidates: Vec<Candidate> = looks.iter().map(|look| look.candidate.clone()).collect();
        let verdicts = retention::decide(&candidates, retention, now);
        // What others go for is not only taken for whole because it was.
        let stand_in: BTreeSet<u32> = verdicts.iter().filter_map(Verdict::superseded_by).collect();
        let mut all_opened = true;
        for (found, look) in archives.iter().zip(&mut looks) {
            if look.is_by_note && found.name.form == Form::Plain && stand_in.contains(&found.name.number) {
                *look = looker.open(found);
                all_opened = false;
            }
        }
        if all_opened {
            break verdicts;
        }
    };
    let weighed = archives.into_iter().zip(verdicts).zip(looks);
    Ok(weighed.map(|((found, verdict), look)| Weighed { found, verdict, error: look.error }).collect())
}

/// What is known of an archive, and why it is no more.
struct Look {
    candidate: Candidate,
    error: Option<BackupError>,
    /// Whether it was not opened.
    is_by_note: bool,
}

/// Looks at archives.
struct Looker<'a> {
    /// The identity's id.
    id: &'a str,
    known: Option<&'a Known>,
}

impl Looker<'_> {
    /// What is noted of an archive that was made here.
    fn by_note(&self, found: &Found) -> Option<Look> {
        let noted = self.known?.noted(found).filter(|noted| noted.is_still(found))?;
        let needs = noted.builds_upon.iter().map(|link| link.number).collect();
        let condition = Condition::Whole { needs, alarms: noted.alarms };
        let candidate = candidate(found, condition, self.was_verified(&noted.archive.id));
        Some(Look { candidate, error: None, is_by_note: true })
    }

    fn open(&self, found: &Found) -> Look {
        let (condition, verified, error) = match Archive::open(&found.stored) {
            Ok(archive) => {
                let header = &archive.manifest().header;
                let needs = header.chain.iter().map(|link| link.number).collect();
                let own = header.identity_id == self.id;
                let condition =
                    if own { Condition::Whole { needs, alarms: header.alarms } } else { Condition::Foreign };
                (condition, self.was_verified(&header.id), None)
            }
            Err(error) => (Condition::Unreadable, false, Some(error)),
        };
        Look { candidate: candidate(found, condition, verified), error, is_by_note: false }
    }

    fn was_verified(&self, id: &str) -> bool {
        self.known.is_some_and(|known| known.verified.iter().any(|known| known.archive.id == id))
    }
}

fn candidate(found: &Found, condition: Condition, verified: bool) -> Candidate {
    Candidate { number: found.name.number, created: found.name.created, condition, verified }
}

/// Removes what can go. The newest first, so that a run that is cut off leaves no archive without what it builds upon.
pub fn prune(weighed: &[Weighed]) -> Pruned {
    let mut pruned = Pruned::default();
    for weighed in weighed.iter().rev() {
        let Verdict::Drop(proof) = weighed.verdict else { continue };
        match remove(&weighed.found, proof) {
            Ok(()) => {
                pruned.dropped.push(weighed.found.name.number);
                pruned.freed += weighed.found.length;
            }
            Err(error) => pruned.failed.push(error),
        }
    }
    pruned
}

fn remove(found: &Found, _proof: Superseded) -> Result<(), BackupError> {
    found.stored.remove()
}
