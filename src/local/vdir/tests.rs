use std::sync::Arc;

use super::*;
use crate::clock::SystemClock;
use crate::local::LocalWrite as _;
use crate::plan::proof::MessageRemoval;

struct Place {
    _root: tempfile::TempDir,
    tree: MailTree,
    dir: FolderDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let tree = MailTree::create(root.path(), "a@x", Arc::new(SystemClock::new())).unwrap();
        let dir = FolderDir::root().child("Contacts").unwrap();
        tree.create_folder(&dir, crate::local::FolderForm::Plain, "Contacts").unwrap();
        Self { _root: root, tree, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.tree.entry_path(&self.dir, name)
    }

    fn create(&self, stem: &str, content: &str) -> String {
        let entry = NewEntry { stem: stem.to_owned(), extension: ".vcf", content: content.into() };
        self.tree.create_in_vdir(&self.dir, &[entry]).unwrap().remove(0).0
    }

    fn replace(&self, name: &str, old: &str, new: &str) -> Changed {
        self.tree.replace_in_vdir(&self.dir, name, digest_of(old.as_bytes()), new.as_bytes()).unwrap()
    }

    fn remove(&self, name: &str, old: &str) -> Changed {
        let proof = MessageRemoval::for_tests();
        self.tree.remove_entry(&self.dir, name, digest_of(old.as_bytes()), proof).unwrap()
    }

    /// All that lies in the directory, hidden things, too.
    fn all(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> = fs::read_dir(self.tree.folder_path(&self.dir))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let content = fs::read_to_string(entry.path()).unwrap_or_else(|_| "a directory".to_owned());
                (entry.file_name().into_string().unwrap(), content)
            })
            .collect();
        all.sort();
        all
    }

    fn clear(&self) -> Leftovers {
        let mut done = Leftovers::default();
        clear(&self.tree.folder_path(&self.dir), &mut done).unwrap();
        done
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
}

#[test]
fn entries_get_names_of_their_own() {
    let place = Place::new();
    let names: Vec<_> = ["Ada", "ADA", "../x", ".hidden", ""].iter().map(|stem| place.create(stem, stem)).collect();
    assert_eq!(names, ["Ada.vcf", "ADA%~2.vcf", "%2E.%2Fx.vcf", "%2Ehidden.vcf", "%~1.vcf"]);
    let listing = place.tree.list_vdir(&place.dir, ".vcf").unwrap();
    assert_eq!(listing.files.len(), 5);
    assert!(listing.stable && listing.problems.is_empty());
    assert!(listing.files.iter().all(|(.., settled)| *settled == Settled::NotYet), "they were written a moment ago");
    assert_eq!(place.all().len(), 5, "nothing of ours stays");
}

#[test]
fn links_and_directories_are_told_and_not_taken_for_absent() {
    let place = Place::new();
    place.create("Ada", "x");
    fs::create_dir(place.path("dir.vcf")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", place.path("link.vcf")).unwrap();
    fs::write(place.path("other.txt"), "x").unwrap();
    fs::write(place.path(".hidden.vcf"), "x").unwrap();
    let listing = place.tree.list_vdir(&place.dir, ".vcf").unwrap();
    assert_eq!(listing.files.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), ["Ada.vcf"]);
    assert_eq!(listing.held, ["dir.vcf", "link.vcf"].map(str::to_owned).into());
    assert_eq!(listing.problems.len(), 1);
    assert!(place.tree.read_vdir_entry(&place.dir, "link.vcf").is_err());
    assert_eq!(place.tree.read_vdir_entry(&place.dir, "nobody.vcf").unwrap(), EntryContent::Vanished);
}

#[test]
fn what_another_program_wrote_is_not_overwritten() {
    let place = Place::new();
    let name = place.create("Ada", "one");
    assert_eq!(place.replace(&name, "one", "two"), Changed::Done);
    fs::write(place.path(&name), "theirs").unwrap();
    assert_eq!(place.replace(&name, "two", "three"), Changed::ChangedMeanwhile);
    assert_eq!(place.remove(&name, "two"), Changed::ChangedMeanwhile);
    assert_eq!(place.all(), pairs(&[("Ada.vcf", "theirs")]));
    assert_eq!(place.remove(&name, "theirs"), Changed::Done);
    assert_eq!(place.replace(&name, "theirs", "x"), Changed::Vanished);
    assert_eq!(place.remove(&name, "theirs"), Changed::Vanished);
    assert_eq!(place.all(), []);
}

#[test]
fn an_edit_in_the_last_instant_goes_back() {
    let place = Place::new();
    let (old, new) = (digest_of(b"old"), digest_of(b"new"));
    let folder = place.tree.folder_path(&place.dir);
    let (path, swap) = (place.path("Ada.vcf"), folder.join("swap"));
    // As it is after the contents have changed places, and what came out is not what was expected.
    fs::write(&path, "new").unwrap();
    fs::write(&swap, "theirs").unwrap();
    assert_eq!(verify_swap(&folder, &path, &swap, (old, new)).unwrap(), Changed::ChangedMeanwhile);
    assert_eq!(fs::read(&path).unwrap(), b"theirs");
    // Once more, and meanwhile they wrote again.
    fs::write(&swap, "theirs once more").unwrap();
    assert_eq!(verify_swap(&folder, &path, &swap, (old, new)).unwrap(), Changed::ChangedMeanwhile);
    let kept: BTreeSet<_> = place.all().into_iter().map(|(_, content)| content).collect();
    assert!(kept.is_superset(&["theirs".to_owned(), "theirs once more".to_owned()].into()), "{kept:?}");
}

#[test]
fn what_a_crash_left_is_put_right() {
    let place = Place::new();
    let swap = format!("{SWAP}{}.{}", hex(digest_of(b"old")), hex(digest_of(b"new")));
    for (dir, name, content) in
        [(ASIDE, "Bob.vcf", "to be removed"), (swap.as_str(), "Ada.vcf", "old"), (swap.as_str(), "Eve.vcf", "an edit")]
    {
        fs::create_dir_all(place.path(dir)).unwrap();
        fs::write(place.path(dir).join(name), content).unwrap();
    }
    fs::write(place.path(&format!("{NEW}0")), "half").unwrap();
    fs::write(place.path("Ada.vcf"), "new").unwrap();
    fs::write(place.path("Eve.vcf"), "new").unwrap();
    let done = place.clear();
    assert_eq!((done.removed, done.restored), (2, 2));
    let saved = format!("Eve (saved {}).vcf", &hex(digest_of(b"an edit"))[..8]);
    assert_eq!(
        place.all(),
        pairs(&[("Ada.vcf", "new"), ("Bob.vcf", "to be removed"), (&saved, "an edit"), ("Eve.vcf", "new")])
    );
}

#[test]
fn a_conflict_copy_says_where_it_is_from_and_is_made_once() {
    let place = Place::new();
    let name = place.create("Ada", "x");
    let copy = place.tree.copy_vdir_conflict(&place.dir, &name).unwrap().unwrap();
    assert_eq!(place.tree.copy_vdir_conflict(&place.dir, &name).unwrap().unwrap(), copy);
    let text = copy.to_string_lossy();
    assert!(text.starts_with("On My Computer/Conflicts/Ada (a@x Contacts ") && text.ends_with(").vcf"), "{text}");
    assert_eq!(fs::read(place.tree.database.join(copy)).unwrap(), b"x");
}
