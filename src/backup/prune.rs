//! Letting go of archives that others stand in for.

use super::archive::footer_hash;
use super::retention::{self, Candidate, Condition, Retention, Superseded, Verdict};
use super::{Archive, BackupError, Form, Found, Known, Noted, Target};
use crate::identity::Marker;
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

/// Says what is to become of each of the identity's archives in a target, by number. Nothing is changed.
///
/// # Errors
/// That the target cannot be listed.
pub fn weigh(
    target: &Target,
    marker: &Marker,
    identity: &str,
    known: Option<&Known>,
    retention: &Retention,
    now: UnixTime,
) -> Result<Vec<Weighed>, BackupError> {
    let archives = target.archives(identity)?;
    let (candidates, errors): (Vec<Candidate>, Vec<Option<BackupError>>) =
        archives.iter().map(|found| look(found, marker, known)).unzip();
    let verdicts = retention::decide(&candidates, retention, now);
    let weighed = archives.into_iter().zip(verdicts).zip(errors);
    Ok(weighed.map(|((found, verdict), error)| Weighed { found, verdict, error }).collect())
}

fn look(found: &Found, marker: &Marker, known: Option<&Known>) -> (Candidate, Option<BackupError>) {
    let mut verified = false;
    let was_verified = |id: &str| known.is_some_and(|known| known.verified.iter().any(|known| known.archive.id == id));
    let noted = known.and_then(|known| known.noted(found)).filter(|noted| is_still(found, noted));
    if let Some(noted) = noted {
        let needs = noted.builds_upon.iter().map(|link| link.number).collect();
        let condition = Condition::Whole { needs, alarms: noted.alarms };
        return (candidate(found, condition, was_verified(&noted.archive.id)), None);
    }
    let (condition, error) = match Archive::open(&found.stored) {
        Ok(archive) => {
            let header = &archive.manifest().header;
            verified = was_verified(&header.id);
            let needs = header.chain.iter().map(|link| link.number).collect();
            let own = header.identity_id == marker.identity;
            (if own { Condition::Whole { needs, alarms: header.alarms } } else { Condition::Foreign }, None)
        }
        Err(error) => (Condition::Unreadable, Some(error)),
    };
    (candidate(found, condition, verified), error)
}

fn candidate(found: &Found, condition: Condition, verified: bool) -> Candidate {
    Candidate { number: found.name.number, created: found.name.created, condition, verified }
}

/// Whether a file is the one that is noted, as far as its footer tells, in which the hash of the manifest is. Nothing tells more of an encrypted one without
/// reading it than its name and its length, which are as noted.
fn is_still(found: &Found, noted: &Noted) -> bool {
    match noted.form {
        Form::Sealed => true,
        Form::Plain => {
            let footer = footer_hash(&found.stored).ok().flatten();
            footer.is_some_and(|footer| footer.to_hex().as_str() == noted.blake3)
        }
    }
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
