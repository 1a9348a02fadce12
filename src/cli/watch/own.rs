//! What the runs of a watch write themselves is noticed, too. While a run goes on and shortly after it, what was noticed is compared with what both sides agreed
//! on: what differs is somebody else's, and counts from when it was noticed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// How long after a run what it wrote can still be noticed.
const AFTERWARDS: Duration = Duration::from_secs(3);
/// So much is kept until a run ends; beyond that it counts as somebody else's.
const MOST_HELD: usize = 10_000;

/// What was noticed, and when.
pub(super) type Noticing = Vec<(PathBuf, Duration)>;

/// What is to be done about what was noticed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sifted {
    /// It is somebody else's.
    Others(Noticing),
    /// It is to be compared.
    Compare(Noticing),
    /// It waits for the end of the run.
    Held,
}

/// Whether a run goes on, and what was noticed in it.
#[derive(Debug, Default)]
pub(super) struct OwnWrites {
    phase: Phase,
    held: Noticing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Quiet,
    Running,
    Ended(Duration),
}

impl OwnWrites {
    pub(super) fn begin(&mut self) {
        self.phase = Phase::Running;
    }

    /// The run ended: what was noticed in it.
    pub(super) fn end(&mut self, now: Duration) -> Noticing {
        self.phase = Phase::Ended(now);
        std::mem::take(&mut self.held)
    }

    pub(super) fn sift(&mut self, paths: BTreeSet<PathBuf>, now: Duration) -> Sifted {
        let noticed = paths.into_iter().map(|path| (path, now));
        match self.phase {
            Phase::Running => {
                self.held.extend(noticed);
                match self.held.len() > MOST_HELD {
                    true => Sifted::Others(std::mem::take(&mut self.held)),
                    false => Sifted::Held,
                }
            }
            Phase::Ended(at) if now.saturating_sub(at) < AFTERWARDS => Sifted::Compare(noticed.collect()),
            Phase::Ended(_) | Phase::Quiet => {
                self.phase = Phase::Quiet;
                Sifted::Others(noticed.collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noticed(own: &mut OwnWrites, at: u64) -> Sifted {
        own.sift(BTreeSet::from(["Inbox/cur/x".into()]), Duration::from_secs(at))
    }

    #[test]
    fn what_is_noticed_in_a_run_and_after_it_is_compared() {
        let one = |at| vec![(PathBuf::from("Inbox/cur/x"), Duration::from_secs(at))];
        let mut own = OwnWrites::default();
        assert_eq!(noticed(&mut own, 1), Sifted::Others(one(1)));
        own.begin();
        assert_eq!(noticed(&mut own, 2), Sifted::Held);
        assert_eq!(own.end(Duration::from_secs(4)), one(2), "it keeps its time");
        assert_eq!(noticed(&mut own, 5), Sifted::Compare(one(5)));
        assert_eq!(noticed(&mut own, 8), Sifted::Others(one(8)));
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut own = OwnWrites::default();
        own.begin();
        let most = (0..MOST_HELD).map(|number| PathBuf::from(format!("Inbox/cur/{number}"))).collect();
        assert_eq!(own.sift(most, Duration::ZERO), Sifted::Held);
        assert!(matches!(noticed(&mut own, 1), Sifted::Others(all) if all.len() == MOST_HELD + 1));
        assert_eq!(own.end(Duration::ZERO), []);
    }
}
