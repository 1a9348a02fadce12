//! Putting single items back among those that are there: as new ones, which the next sync uploads. Nothing is overwritten, and what is there already
//! is not put there twice.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::{Entry, Hash};
use super::replace::Stage;
use super::{Archive, BackupError, ItemPath, OnDamage, Restored, Selection, restore, selected};
use crate::clock::Clock;
use crate::identity::{Layout, files};
use crate::local::on_my_computer::LOCAL;
use crate::local::{EXCHANGE, FolderDir, Keywords, LocalWrite as _, MailTree, MessageName, Subdir, platform};
use crate::pim::FileKey;

/// The file that says which categories a folder's letters stand for.
const KEYWORDS: &str = "dovecot-keywords";

/// Items that were put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutBack {
    /// What came back, and what did not.
    pub restored: Restored,
    /// How many were not put back, since they are where they were.
    pub already_there: u64,
}

/// Puts the selected items back into an identity's `Database`. The caller must hold the identity's lock of backups.
///
/// # Errors
/// As those of [`restore`]; then nothing was put back. What concerns one item is in the report.
pub fn put_back(
    archive: &mut Archive,
    selection: &Selection,
    layout: &Layout,
    on_damage: OnDamage,
    clock: &Arc<dyn Clock>,
) -> Result<PutBack, BackupError> {
    let stage = Stage::begin(layout)?;
    let entries: Vec<Entry> =
        selected(archive, selection).into_iter().filter(|entry| entry.kind.is_item()).cloned().collect();
    let keywords: BTreeSet<String> = entries.iter().filter_map(keywords_of).collect();
    if !keywords.is_empty() {
        let keywords = Selection { items: keywords.into_iter().collect(), ..Selection::default() };
        restore(archive, &keywords, &stage.keywords(), on_damage)?;
    }
    let restored = restore(archive, selection, &stage.database(), on_damage)?;
    let mut placer = Placer { layout, stage: &stage, clock, present: HashMap::new() };
    let mut report = PutBack { restored: Restored { items: 0, files: 0, bytes: 0, ..restored }, already_there: 0 };
    let lost: HashSet<ItemPath> = report.restored.lost.iter().map(|(path, _)| path.clone()).collect();
    for entry in entries.iter().filter(|entry| !lost.contains(&entry.path)) {
        match placer.place(entry) {
            Ok(Placed::There) => report.already_there += 1,
            Ok(Placed::New) => {
                report.restored.items += 1;
                report.restored.files += 1;
                report.restored.bytes += entry.size;
            }
            Err(reason) => report.restored.lost.push((entry.path.clone(), reason)),
        }
    }
    stage.end()?;
    Ok(report)
}

/// The path of the keywords of a message's folder.
fn keywords_of(entry: &Entry) -> Option<String> {
    let (folder, _) = entry.path.message()?;
    Some(format!("{}/{KEYWORDS}", std::str::from_utf8(folder).ok()?))
}

enum Placed {
    New,
    /// The same item is there.
    There,
}

struct Placer<'p> {
    layout: &'p Layout,
    stage: &'p Stage,
    clock: &'p Arc<dyn Clock>,
    /// The files of directories that were looked at, by their lengths.
    present: HashMap<PathBuf, HashMap<u64, Vec<PathBuf>>>,
}

impl Placer<'_> {
    /// Puts an item where it was; or the reason why not.
    fn place(&mut self, entry: &Entry) -> Result<Placed, String> {
        match entry.path.message() {
            Some((folder, _)) => self.place_message(entry, folder),
            None => self.place_file(entry),
        }
    }

    fn place_message(&mut self, entry: &Entry, folder: &[u8]) -> Result<Placed, String> {
        let folder = std::str::from_utf8(folder).map_err(|_| "its folder's name is no text".to_owned())?;
        let (tree, dir) = self.tree(folder)?;
        self.make_maildirs(tree.path(), &dir).map_err(words)?;
        let path = self.layout.database().join(folder);
        for part in ["cur", "new"] {
            if self.holds(&path.join(part), entry).map_err(words)? {
                return Ok(Placed::There);
            }
        }
        let subdir = if entry.path.parent().ends_with(b"/new") { Subdir::New } else { Subdir::Cur };
        let archived = MessageName::parse_bytes(subdir, entry.path.name());
        let mut name = archived.with_key(self.new_key());
        if !archived.letters().is_empty() {
            let categories = self.archived_keywords(folder).categories(archived.letters());
            let keywords = tree.assign_keywords(&dir, &categories).map_err(words)?;
            let (letters, missing) = keywords.letters_for(&categories);
            if !missing.is_empty() {
                return Err("its folder has no letter left for its categories; restore it --to a directory".to_owned());
            }
            name = name.with_marks(archived.flags(), letters);
        }
        self.rename(entry, &path.join(name.subdir().as_str()).join(name.file_name())).map_err(words)?;
        Ok(Placed::New)
    }

    /// The tree that a folder lies in, and where in it.
    fn tree(&self, folder: &str) -> Result<(MailTree, FolderDir), String> {
        let (database, clock) = (self.layout.database(), Arc::clone(self.clock));
        let (tree, dir) = if let Some(dir) = folder.strip_prefix(LOCAL).and_then(|rest| rest.strip_prefix('/')) {
            (MailTree::open_on_my_computer(&database, clock), dir)
        } else {
            let below = folder.strip_prefix(EXCHANGE).and_then(|rest| rest.strip_prefix('/'));
            let (account, dir) = below.and_then(|below| below.split_once('/')).ok_or("it lies in no account")?;
            (MailTree::open(&database, account, clock), dir)
        };
        Ok((tree.map_err(words)?, FolderDir::new(dir).map_err(words)?))
    }

    /// Makes the folder and those that it lies in, where they are missing.
    fn make_maildirs(&self, tree: &Path, dir: &FolderDir) -> io::Result<()> {
        let above = std::iter::successors(Some(dir.clone()), FolderDir::parent).filter(|dir| !dir.is_root());
        for dir in above.collect::<Vec<_>>().iter().rev() {
            let path = tree.join(dir.as_str());
            if platform::look(&path)?.is_none() {
                ["", "cur", "new", "tmp"]
                    .iter()
                    .try_for_each(|part| platform::create_dir(&path.join(part)).map(drop))?;
                path.parent().map_or(Ok(()), platform::sync_dir)?;
            }
        }
        Ok(())
    }

    fn archived_keywords(&self, folder: &str) -> Keywords {
        // Where there are none, letters stand for nothing.
        Keywords::parse(&fs::read(self.stage.keywords().join(folder).join(KEYWORDS)).unwrap_or_default())
    }

    /// A key that no message had, so that it is uploaded as a new one.
    fn new_key(&self) -> FileKey {
        let key = format!("{}.R{:032x}.restored", self.clock.now().0, self.clock.unique());
        FileKey::new(key.into_bytes())
    }

    /// Another item than a message keeps its name where that is free.
    fn place_file(&mut self, entry: &Entry) -> Result<Placed, String> {
        let path = entry.path.under(&self.layout.database());
        let dir = path.parent().ok_or("it lies nowhere")?.to_owned();
        files::make_dirs(&dir).map_err(words)?;
        if self.holds(&dir, entry).map_err(words)? {
            return Ok(Placed::There);
        }
        let name = String::from_utf8_lossy(entry.path.name()).into_owned();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
        let others = (1..100).map(|number| dir.join(format!("{stem} (restored {number}).{extension}")));
        for place in std::iter::once(path).chain(others) {
            match self.rename(entry, &place) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                placed => return placed.map(|()| Placed::New).map_err(words),
            }
        }
        Err("too many others have its name".to_owned())
    }

    /// Whether a directory holds a file of the same content.
    fn holds(&mut self, dir: &Path, entry: &Entry) -> io::Result<bool> {
        if !self.present.contains_key(dir) {
            self.present.insert(dir.to_owned(), by_length(dir)?);
        }
        let alike = self.present.get(dir).and_then(|files| files.get(&entry.size)).into_iter().flatten();
        for path in alike {
            // One that vanished meanwhile is not there.
            if let Ok(file) = platform::open_file(path)
                && hash(file)? == entry.hash
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn rename(&self, entry: &Entry, to: &Path) -> io::Result<()> {
        platform::rename_new(&entry.path.under(&self.stage.database()), to)?;
        to.parent().map_or(Ok(()), platform::sync_dir)
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn by_length(dir: &Path) -> io::Result<HashMap<u64, Vec<PathBuf>>> {
    let mut files: HashMap<u64, Vec<PathBuf>> = HashMap::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if let Some(found) = platform::look(&path)?.filter(|found| found.kind == platform::Kind::File) {
            files.entry(found.stat.len).or_default().push(path);
        }
    }
    Ok(files)
}

fn hash(file: File) -> io::Result<Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok(hasher.finalize())
}
