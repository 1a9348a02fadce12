//! What the archives in a target hold already, so that a new one needs to hold only what they do not.
//!
//! A file counts as known without being read when everything tells that it is the one that was archived: where it lies (a message whatever its
//! flags are), its length, its number on the file system, and the times of its last change and of its inode's. The last one nobody can set. A time
//! that is so close to the earlier backup that another change may have left the same one behind tells nothing. Any other file is read, and is known
//! when its hash is.
//!
//! What an earlier archive holds once is used once, so that a frame is read from its begin to its end.

use std::collections::{BTreeSet, HashMap};

use super::manifest::{Entry, Hash, Header, Kind, Link, Place};
use super::path::Key;
use super::record::Known as Verified;
use super::take::{Sealing, Source};
use super::{Archive, Found, Target};
use crate::local::platform::Looked;

/// So many archives make a chain at most, the newest one included: with a backup each day, one a week is full.
const CHAIN: usize = 7;

/// Within this time of a change another one may leave the same time behind.
pub(super) const TICK_NS: i64 = 2_000_000_000;

/// What is in earlier archives.
#[derive(Default)]
pub(super) struct Earlier {
    /// The archives, oldest first.
    chain: Vec<Link>,
    files: Vec<Option<File>>,
    by_key: HashMap<Key, u32>,
    /// Made when it is first asked: mostly each file is where it was.
    by_hash: Option<HashMap<Hash, u32>>,
    /// A file that changed after this may have changed again unseen.
    settled_before: i64,
}

/// A file in an earlier archive.
pub(super) struct File {
    pub(super) kind: Kind,
    pub(super) id: Option<Box<str>>,
    pub(super) hash: Hash,
    pub(super) place: Place,
    size: u64,
    mtime_ns: i64,
    inode: u64,
    ctime_ns: Option<i64>,
}

impl Earlier {
    /// The newest archive of the identity in a target, where a new one can build upon it: it is whole, so are those that it builds upon, they are
    /// not too many, and nothing wrong is known of any. What cannot be read is passed over: a new archive then holds more.
    ///
    /// All archives of a chain are encrypted for the same recipients, or none is: each comes back with the keys that the newest one does.
    pub(super) fn find(
        source: &Source,
        target: &Target,
        known: Option<&Verified>,
        sealing: Sealing<'_>,
    ) -> Option<Self> {
        let archives = target.archives(source.name()).ok()?;
        let newest = archives.last().filter(|found| found.name.form == sealing.form())?;
        let (header, earlier) = match (remembered(source, target, sealing, &archives, known), sealing) {
            (Some(remembered), _) => remembered,
            (None, Sealing::For(_)) => return None,
            (None, Sealing::None) => {
                let mut earlier = Self::default();
                let mut archive = Archive::visit(&newest.stored, |entry| earlier.add(entry)).ok()?;
                archive.has_its_chain().then(|| (archive.into_manifest().header, earlier))?
            }
        };
        let chain = with_its_chain(&header);
        let own = header.identity_id == source.id() && header.number == newest.name.number;
        let damaged = |link: &Link| known.is_some_and(|known| known.damaged.contains(&link.id));
        let settled_before = header.created.saturating_mul(1_000_000_000).saturating_sub(TICK_NS);
        if !own || chain.len() >= CHAIN || chain.iter().any(damaged) {
            return None;
        }
        Some(Self { chain, settled_before, ..earlier })
    }

    fn add(&mut self, entry: Entry) {
        let Ok(at) = u32::try_from(self.files.len()) else { return };
        if entry.kind == Kind::Directory {
            return;
        }
        self.by_key.insert(entry.path.key(), at);
        let Entry { kind, id, hash, place, size, mtime_ns, inode, ctime_ns, .. } = entry;
        self.files.push(Some(File { kind, id, hash, place, size, mtime_ns, inode, ctime_ns }));
    }

    /// Whether a file is probably known; for an estimate.
    pub(super) fn resembles(&self, key: &Key, looked: &Looked) -> bool {
        let file = self.by_key.get(key).and_then(|at| self.files.get(*at as usize)?.as_ref());
        file.is_some_and(|file| (file.size, file.mtime_ns) == (looked.stat.len, looked.stat.mtime_ns))
    }

    /// Takes the file that is the same as it was.
    pub(super) fn take_unchanged(&mut self, key: &Key, looked: &Looked) -> Option<File> {
        let file = self.files.get_mut(*self.by_key.get(key)? as usize)?;
        let stat = &looked.stat;
        let same = |file: &mut File| {
            (file.size, file.mtime_ns, file.inode) == (stat.len, stat.mtime_ns, stat.ino)
                && file.ctime_ns == Some(looked.ctime_ns)
                && looked.ctime_ns < self.settled_before
        };
        file.take_if(same)
    }

    /// Takes a file of that content.
    pub(super) fn take_content(&mut self, hash: &Hash, size: u64) -> Option<File> {
        let by_hash = self.by_hash.get_or_insert_with(|| {
            let files = self.files.iter().zip(0..);
            files.filter_map(|(file, at)| file.as_ref().map(|file| (file.hash, at))).collect()
        });
        let at = *by_hash.get(hash)?;
        self.files.get_mut(at as usize)?.take_if(|file| file.size == size)
    }

    /// Those of the archives that have one of these numbers.
    pub(super) fn links(&self, numbers: &BTreeSet<u32>) -> Vec<Link> {
        self.chain.iter().filter(|link| numbers.contains(&link.number)).cloned().collect()
    }
}

/// The archives that a new one would build upon, oldest first.
fn with_its_chain(header: &Header) -> Vec<Link> {
    let own = Link { number: header.number, id: header.id.clone() };
    header.chain.iter().cloned().chain([own]).collect()
}

/// What is in the newest archive, where that is remembered, and where it and those that it builds upon are the files that were made here, as far as their
/// names, their lengths and (where they are not encrypted) their footers tell.
fn remembered(
    source: &Source,
    target: &Target,
    sealing: Sealing<'_>,
    archives: &[Found],
    known: Option<&Verified>,
) -> Option<(Header, Earlier)> {
    let known = known?;
    let mut earlier = Earlier::default();
    let header = source.memory()?.visit(target.location(), sealing, |entry| earlier.add(entry))?.header;
    let is_there = |link: &Link| {
        let is_it = |found: &&Found| known.noted(found).is_some_and(|noted| noted.archive.id == link.id);
        let found = archives.iter().find(is_it);
        let noted = found.and_then(|found| known.noted(found).filter(|noted| noted.is_still(found)));
        noted.is_some_and(|noted| noted.form == sealing.form())
    };
    with_its_chain(&header).iter().all(is_there).then_some((header, earlier))
}

#[cfg(test)]
mod tests {
    use super::super::ItemPath;
    use super::*;
    use crate::local::platform;

    fn entry(path: &str, looked: &Looked, content: &[u8]) -> Entry {
        Entry {
            path: ItemPath::new(path.as_bytes()).unwrap(),
            kind: Kind::Message,
            id: None,
            size: looked.stat.len,
            mtime_ns: looked.stat.mtime_ns,
            inode: looked.stat.ino,
            ctime_ns: Some(looked.ctime_ns),
            hash: blake3::hash(content),
            place: Place { archive: 1, frame: 0, offset: 0 },
        }
    }

    fn earlier(entries: Vec<Entry>, settled_before: i64) -> Earlier {
        let chain = vec![Link { number: 1, id: "1".repeat(32) }];
        let mut earlier = Earlier { chain, settled_before, ..Earlier::default() };
        entries.into_iter().for_each(|entry| earlier.add(entry));
        earlier
    }

    #[test]
    fn a_file_is_only_passed_over_when_nothing_speaks_for_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, "old").unwrap();
        let looked = platform::look(&path).unwrap().unwrap();
        let entry = entry("Inbox/cur/x:2,S", &looked, b"old");
        let key = ItemPath::new(b"Inbox/cur/x:2,").unwrap().key();
        let after = looked.ctime_ns + 1;
        assert!(earlier(vec![entry.clone()], after).take_unchanged(&key, &looked).is_some());
        assert!(earlier(vec![entry.clone()], looked.ctime_ns).take_unchanged(&key, &looked).is_none(), "too close");
        let other = ItemPath::new(b"Inbox/cur/y:2,").unwrap().key();
        assert!(earlier(vec![entry.clone()], after).take_unchanged(&other, &looked).is_none());
        for change in [
            (|entry| entry.size += 1) as fn(&mut Entry),
            |entry| entry.mtime_ns += 1,
            |entry| entry.inode += 1,
            |entry| entry.ctime_ns = None,
            |entry| entry.ctime_ns = entry.ctime_ns.map(|time| time - 1),
        ] {
            let mut changed = entry.clone();
            change(&mut changed);
            assert!(earlier(vec![changed], after).take_unchanged(&key, &looked).is_none());
        }
    }

    #[test]
    fn what_is_held_once_is_used_once() {
        let dir = tempfile::tempdir().unwrap();
        let looked = platform::look(dir.path()).unwrap().unwrap();
        let entry = entry("Inbox/cur/x", &looked, b"x");
        let (size, hash) = (entry.size, entry.hash);
        let mut earlier = earlier(vec![entry], 0);
        assert!(earlier.take_content(&hash, size + 1).is_none());
        assert!(earlier.take_content(&hash, size).is_some());
        assert!(earlier.take_content(&hash, size).is_none());
    }
}
