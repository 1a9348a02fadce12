//! Names that are in use in a directory, kept while nobody else changes it.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::disk::look;
use super::scan::list;
use super::stamp::PathStamp;
use super::{LocalError, foldername};

/// Directories whose names are kept: as many as are filled at a time.
const KEPT: usize = 4;

/// The names in use of the directories that were filled last, each as its [`foldername::twin_key`].
///
/// Many files are made in batches, and a directory is not to be listed anew for each of them. A name that another program uses since, within one
/// tick of the file system's clock, can be missing: a file is still never overwritten, but may get a name that differs from that one in case only.
#[derive(Debug, Default)]
pub(super) struct TakenNames(Mutex<HashMap<PathBuf, (PathStamp, BTreeSet<String>)>>);

impl TakenNames {
    /// The names in use in a directory.
    pub(super) fn of(&self, path: &Path) -> Result<BTreeSet<String>, LocalError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
        match (kept, stamp(path)?) {
            (Some((then, names)), Some(now)) if then == now => Ok(names),
            _ => taken_in(path),
        }
    }

    /// Keeps the names of a directory, as it is now.
    pub(super) fn keep(&self, path: &Path, names: BTreeSet<String>) -> Result<(), LocalError> {
        let Some(now) = stamp(path)? else { return Ok(()) };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(path.to_owned(), (now, names));
        Ok(())
    }
}

fn stamp(path: &Path) -> Result<Option<PathStamp>, LocalError> {
    Ok(look(path)?.as_ref().map(PathStamp::of))
}

/// The names that are in use, as those that some file system takes for the same.
pub(super) fn taken_in(path: &Path) -> Result<BTreeSet<String>, LocalError> {
    let mut taken = BTreeSet::new();
    list(path, true, &mut |entry| {
        taken.insert(foldername::twin_key(&String::from_utf8_lossy(entry.name)));
    })
    .map_err(|error| LocalError::io("list", path, error))?;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_others_add_and_remove_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let names = TakenNames::default();
        fs::write(dir.path().join("One.vcf"), "").unwrap();
        let taken = names.of(dir.path()).unwrap();
        assert_eq!(taken, ["one.vcf".to_owned()].into());
        names.keep(dir.path(), taken).unwrap();
        // Another time than that of the tick before.
        let times = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        fs::rename(dir.path().join("One.vcf"), dir.path().join("Two.vcf")).unwrap();
        fs::File::open(dir.path()).unwrap().set_times(times).unwrap();
        assert_eq!(names.of(dir.path()).unwrap(), ["two.vcf".to_owned()].into());
    }
}
