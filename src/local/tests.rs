//! What takes a proof, and what a crash leaves: tests that need more than the traits show.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::clock::SystemClock;
use crate::pim::{FileKey, Flag, Flags};

struct Bench {
    _root: tempfile::TempDir,
    tree: MailTree,
    inbox: FolderDir,
}

fn bench() -> Bench {
    let root = tempfile::tempdir().unwrap();
    let tree = MailTree::create(root.path(), "a@x.org", Arc::new(SystemClock::new())).unwrap();
    let inbox = FolderDir::new("Inbox").unwrap();
    tree.create_folder(&inbox, FolderForm::Maildir, "Inbox").unwrap();
    Bench { _root: root, tree, inbox }
}

fn seen(key: &str) -> MessageName {
    MessageName::for_delivery(FileKey::new(key.as_bytes()), Flags::NONE.with(Flag::Seen, true), Letters::NONE)
}

impl Bench {
    fn put(&self, key: &str, content: &str) -> (MessageName, PathBuf) {
        let name = seen(key);
        let path = self.tree.message_path(&self.inbox, &name);
        fs::write(&path, content).unwrap();
        (name, path)
    }

    fn staged(&self, content: &str) -> StagedFile {
        let mut staged = self.tree.stage(&self.inbox).unwrap();
        staged.write_all(content.as_bytes()).unwrap();
        staged.finish(None).unwrap()
    }

    fn digest(&self, name: &MessageName) -> Digest {
        self.tree.digest(&self.inbox, name).unwrap().unwrap().0
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.tree.scan(&self.inbox, &mut |name| names.push(name.to_string())).unwrap();
        names.sort();
        names
    }

    fn tmp(&self) -> Vec<String> {
        let entries = fs::read_dir(self.tree.tmp_path(&self.inbox)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn remove(&self, name: &MessageName, expect: Expect) -> Changed {
        self.tree.remove(&self.inbox, name, &expect, MessageRemoval::for_tests()).unwrap()
    }
}

#[test]
fn only_what_is_still_as_expected_is_removed() {
    let bench = bench();
    let (name, path) = bench.put("1.x", "old");
    let stat = bench.tree.stat(&bench.inbox, &name).unwrap().unwrap();
    let digest = bench.digest(&name);
    fs::write(&path, "edited").unwrap();
    assert_eq!(bench.remove(&name, Expect::Stat(stat)), Changed::ChangedMeanwhile);
    assert_eq!(bench.remove(&name, Expect::Digest(digest)), Changed::ChangedMeanwhile);
    assert_eq!(fs::read_to_string(&path).unwrap(), "edited");
    assert_eq!(bench.remove(&name, Expect::Digest(bench.digest(&name))), Changed::Done);
    assert_eq!(bench.remove(&name, Expect::Digest(digest)), Changed::Vanished);
    bench.tree.settle(std::slice::from_ref(&bench.inbox)).unwrap();
    assert!(!path.exists() && bench.tmp().is_empty());
}

#[test]
fn a_removal_without_tmp_makes_it() {
    let bench = bench();
    let (name, _) = bench.put("1.x", "old");
    fs::remove_dir(bench.tree.tmp_path(&bench.inbox)).unwrap();
    assert_eq!(bench.remove(&name, Expect::Digest(bench.digest(&name))), Changed::Done);
    assert_eq!(bench.names(), [""; 0]);
}

#[test]
fn only_what_is_still_as_expected_is_replaced() {
    let bench = bench();
    let (name, path) = bench.put("1.x", "old");
    let old = bench.digest(&name);
    fs::write(&path, "edited").unwrap();
    let replace = |expect| bench.tree.replace(&bench.inbox, &name, bench.staged("new"), expect).unwrap();
    assert_eq!(replace(old), Changed::ChangedMeanwhile);
    assert_eq!(fs::read_to_string(&path).unwrap(), "edited");
    assert_eq!(replace(bench.digest(&name)), Changed::Done);
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    fs::remove_file(&path).unwrap();
    assert_eq!(replace(old), Changed::Vanished);
    assert!(bench.tmp().is_empty() && bench.names().is_empty());
}

#[test]
fn an_edit_in_the_last_instant_outlives_a_replacement() {
    let bench = bench();
    let (name, path) = bench.put("1.x", "old");
    let (old, new) = (bench.digest(&name), bench.staged("new").digest());
    // As if an editor had saved between the look and the exchange.
    let swap_dir = bench.tree.swap_path(&bench.inbox, Subdir::Cur, old, new);
    fs::create_dir(&swap_dir).unwrap();
    let swap = swap_dir.join(name.file_name());
    fs::write(&swap, "edited").unwrap();
    fs::write(&path, "new").unwrap();
    assert_eq!(bench.tree.verify_swap(&bench.inbox, &name, &swap, (old, new)).unwrap(), Changed::ChangedMeanwhile);
    assert_eq!(fs::read_to_string(&path).unwrap(), "edited");
    assert_eq!(fs::read_to_string(&swap).unwrap(), "new");
    // As if it had saved twice.
    fs::write(&swap, "first").unwrap();
    fs::write(&path, "second").unwrap();
    bench.tree.verify_swap(&bench.inbox, &name, &swap, (old, new)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "first");
    assert_eq!(bench.names().len(), 2, "both edits are messages now");
}

#[test]
fn where_files_cannot_change_places_nothing_is_lost_either() {
    let bench = bench();
    let (name, path) = bench.put("1.x", "old");
    let old = bench.digest(&name);
    let swap = bench.tree.tmp_path(&bench.inbox).join("pimsync.swap-test");
    let slowly = || {
        fs::write(&swap, "new").unwrap();
        bench.tree.replace_slowly(&bench.inbox, &name, &swap, old).unwrap()
    };
    assert_eq!(slowly(), Changed::Done);
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    fs::write(&path, "edited").unwrap();
    assert_eq!(slowly(), Changed::ChangedMeanwhile);
    assert_eq!(fs::read_to_string(&path).unwrap(), "edited");
    fs::remove_file(&path).unwrap();
    assert_eq!(slowly(), Changed::Vanished);
}

#[test]
fn what_a_crash_left_is_put_right() {
    let bench = bench();
    let tmp = bench.tree.tmp_path(&bench.inbox);
    let (taken, _) = bench.put("taken", "present");
    let aside = bench.tree.aside_path(&bench.inbox, Subdir::Cur);
    let (old, new) = (blake("old"), blake("new"));
    let swap = bench.tree.swap_path(&bench.inbox, Subdir::Cur, old, new);
    fs::create_dir(&aside).unwrap();
    fs::create_dir(&swap).unwrap();
    fs::write(tmp.join("pimsync.1.0"), "half").unwrap();
    fs::write(tmp.join("1700.M1.other"), "another program's").unwrap();
    for (path, content) in [
        (aside.join("1.x:2,S"), "to be removed"),
        (aside.join(taken.file_name()), "other content under a taken name"),
        (swap.join("2.x:2,S"), "old"),
        (swap.join("3.x:2,S"), "new"),
        (swap.join("4.x:2,S"), "an edit"),
    ] {
        fs::write(path, content).unwrap();
    }
    let done = bench.tree.clear_stale_tmp().unwrap();
    assert_eq!((done.removed, done.restored, done.problems.len()), (3, 3, 0));
    assert_eq!(bench.tmp(), ["1700.M1.other"]);
    let names = bench.names();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.contains(&"cur/1.x:2,S".to_owned()) && names.contains(&"cur/4.x:2,S".to_owned()));
    assert_eq!(bench.tree.clear_stale_tmp().unwrap(), Leftovers::default());
}

fn blake(content: &str) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(content.as_bytes());
    Digest::of(&hasher)
}

#[test]
fn a_folder_goes_only_when_nothing_is_in_it() {
    let bench = bench();
    let path = bench.tree.folder_path(&bench.inbox);
    let remove = |dir: &FolderDir| bench.tree.remove_folder(dir, FolderRemoval::for_tests());
    fs::write(path.join("dovecot-keywords"), "0 a\n").unwrap();
    fs::write(path.join("displayname"), "x").unwrap();
    let in_the_way =
        [path.join("cur/1.x:2,S"), path.join("tmp/1.other"), path.join("notes.txt"), path.join("new/.keep")];
    for file in &in_the_way {
        fs::write(file, "x").unwrap();
        match remove(&bench.inbox).unwrap() {
            FolderRemoved::NotEmpty(paths) => assert_eq!(paths, std::slice::from_ref(file)),
            other => panic!("{other:?}"),
        }
        assert!(path.join("dovecot-keywords").exists() && path.join("new").exists(), "nothing was touched");
        fs::remove_file(file).unwrap();
    }
    let child = bench.inbox.child("Sub").unwrap();
    bench.tree.create_folder(&child, FolderForm::Plain, "Sub").unwrap();
    assert!(matches!(remove(&bench.inbox).unwrap(), FolderRemoved::NotEmpty(_)));
    fs::create_dir(bench.tree.aside_path(&bench.inbox, Subdir::New)).unwrap();
    fs::write(path.join("tmp/pimsync.9.9"), "half").unwrap();
    assert_eq!(remove(&child).unwrap(), FolderRemoved::Done);
    assert_eq!(remove(&bench.inbox).unwrap(), FolderRemoved::Done);
    assert_eq!(remove(&bench.inbox).unwrap(), FolderRemoved::Vanished);
    assert!(!path.exists());
    assert!(matches!(remove(&FolderDir::root()), Err(LocalError::BadName { .. })));
}
