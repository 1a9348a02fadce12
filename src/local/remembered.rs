//! Hashes of files that are looked at again and again, such as drafts: these are edited in place, which no directory tells. One that still has the number, the
//! size and the time with which it was read says what it said.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::FileStat;
use super::stamp::is_settled;
use crate::pim::Digest;

/// So many are kept; where there are more, all are read again.
const MOST: usize = 20_000;

/// What files said when they were read, for as long as a process lives.
#[derive(Debug, Default)]
pub struct Remembered(Mutex<HashMap<PathBuf, (FileStat, Digest)>>);

impl Remembered {
    /// What a file says that is as it was when it was read.
    pub(super) fn get(&self, path: &Path, stat: FileStat) -> Option<Digest> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(path).filter(|(then, _)| *then == stat).map(|(_, digest)| *digest)
    }

    /// Takes note of what a file says that was like that before and after it was read. One that was written just now could be written once more within
    /// the same tick of the clock.
    pub(super) fn note(&self, path: PathBuf, stat: FileStat, digest: Digest, now: SystemTime) {
        if !is_settled(stat.mtime_ns, now) {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(path, (stat, digest));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn only_what_is_as_it_was_is_remembered() {
        let (remembered, path) = (Remembered::default(), Path::new("/a/Drafts/cur/x"));
        let stat = FileStat { len: 3, mtime_ns: 1_000_000_000_000, ino: 7 };
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        remembered.note(path.to_owned(), stat, Digest([1; 16]), at(1001));
        assert_eq!(remembered.get(path, stat), None, "it may be written again within the same tick");
        remembered.note(path.to_owned(), stat, Digest([1; 16]), at(1010));
        assert_eq!(remembered.get(path, stat), Some(Digest([1; 16])));
        for other in
            [FileStat { len: 4, ..stat }, FileStat { mtime_ns: stat.mtime_ns + 1, ..stat }, FileStat { ino: 8, ..stat }]
        {
            assert_eq!(remembered.get(path, other), None);
        }
    }
}
