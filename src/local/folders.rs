//! The folders themselves: listing, creating, renaming and removing directories.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::disk::{as_os, look, make_dir, make_maildir, sync};
use super::platform::{self, Kind, Looked};
use super::scan::{list, open_at};
use super::stamp::is_settled;
use super::{
    DirId, FolderDir, FolderForm, LocalError, LocalFolder, LocalTree, MailTree, Moved, Problem, ProblemKind,
    foldername, is_other_trees,
};

/// The file in a folder that holds its name for people (the vdir convention).
pub(super) const DISPLAY_NAME: &str = "displayname";

/// No name is longer, so a file that is longer is none.
const MAX_NAME_BYTES: u64 = 4096;

/// What a listing of the tree collects.
struct Walk<'a> {
    tree: &'a MailTree,
    found: LocalTree,
    /// The listed directories and their times before, to see afterwards whether they held still.
    times: Vec<(PathBuf, i64)>,
}

/// What one directory holds.
#[derive(Default)]
struct Listing {
    maildir: bool,
    children: BTreeMap<String, Looked>,
}

impl MailTree {
    pub(super) fn list_folders(&self) -> Result<LocalTree, LocalError> {
        let now = self.clock.wall();
        let mut walk = self.walk_folders()?;
        let settled = walk.times.iter().all(|(_, time)| is_settled(*time, now));
        walk.found.stable = walk.held_still() && (settled || self.walk_folders()?.found.folders == walk.found.folders);
        Ok(walk.found)
    }

    fn walk_folders(&self) -> Result<Walk<'_>, LocalError> {
        let mut walk = Walk { tree: self, found: LocalTree::default(), times: Vec::new() };
        let root = FolderDir::root();
        let Some(looked) = look(&self.account)? else {
            return Err(LocalError::FolderGone { path: self.account.clone() });
        };
        let listing = walk.list(&root, looked.stat.mtime_ns).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => LocalError::FolderGone { path: self.account.clone() },
            _ => LocalError::io("list", &self.account, error),
        })?;
        let mut waiting = stack(&root, listing.children);
        while let Some((dir, looked)) = waiting.pop() {
            waiting.extend(walk.visit(dir, &looked));
        }
        Ok(walk)
    }

    pub(super) fn make_folder(&self, dir: &FolderDir, form: FolderForm, true_name: &str) -> Result<DirId, LocalError> {
        let path = self.folder_path(dir);
        let parent = dir.parent().map(|parent| self.folder_path(&parent));
        make_dir(&path)?;
        if form == FolderForm::Maildir {
            make_maildir(&path)?;
        }
        self.write_display_name(dir, &path, true_name)?;
        sync(&path)?;
        parent.as_deref().map_or(Ok(()), sync)?;
        look(&path)?.map(|found| found.id).ok_or(LocalError::FolderGone { path })
    }

    pub(super) fn move_folder(&self, from: &FolderDir, to: &FolderDir, true_name: &str) -> Result<Moved, LocalError> {
        let (old, new) = (self.folder_path(from), self.folder_path(to));
        if from.is_root() || to.is_root() || (to != from && to.is_within(from)) {
            return Err(LocalError::BadName {
                name: to.to_string(),
                reason: "a folder cannot become a part of itself",
            });
        }
        let id = |path: &Path| Ok::<_, LocalError>(look(path)?.map(|found| found.id));
        let Some(old_id) = id(&old)? else { return Ok(Moved::Vanished) };
        let done = match id(&new)? {
            // The same directory under both names: only the case differs, on a file system that does not tell case apart.
            Some(new_id) if new_id == old_id => std::fs::rename(&old, &new),
            Some(_) => return Ok(Moved::Taken),
            None => platform::rename_new(&old, &new),
        };
        match done {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Moved::Taken),
            Err(error) if error.kind() == io::ErrorKind::NotFound && id(&old)?.is_none() => return Ok(Moved::Vanished),
            Err(error) => return Err(LocalError::io("rename", &old, error)),
        }
        self.write_display_name(to, &new, true_name)?;
        for parent in [from.parent(), to.parent()].into_iter().flatten() {
            sync(&self.folder_path(&parent))?;
        }
        Ok(Moved::Done)
    }

    /// Only for a shortened name: any other folder's `displayname` is its owner's business.
    fn write_display_name(&self, dir: &FolderDir, path: &Path, true_name: &str) -> Result<(), LocalError> {
        let file = path.join(DISPLAY_NAME);
        if !foldername::is_shortened_from(dir.name(), true_name)
            || read_display_name(&file)?.as_deref() == Some(true_name)
        {
            return Ok(());
        }
        let io = |error| LocalError::io("write", &file, error);
        let draft = path.join("displayname.pimsync");
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            Ok(()) | Err(_) => {}
        }
        let mut written = platform::create_new(&draft).map_err(io)?;
        written.write_all(true_name.as_bytes()).and_then(|()| platform::sync(&written)).map_err(io)?;
        std::fs::rename(&draft, &file).map_err(io)?;
        sync(path)
    }
}

impl Walk<'_> {
    /// Takes a directory into the tree. Returns what lies in it.
    fn visit(&mut self, dir: FolderDir, looked: &Looked) -> Vec<(FolderDir, Looked)> {
        let path = self.tree.folder_path(&dir);
        match self.list(&dir, looked.stat.mtime_ns) {
            Ok(listing) => {
                let (name, id) = (display_name(&dir, &path), looked.id);
                self.found.folders.push(LocalFolder { dir: dir.clone(), name, id, maildir: listing.maildir });
                stack(&dir, listing.children)
            }
            // What vanished during the listing shows in the parent's time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                let kind = if platform::is_too_long(&error) { ProblemKind::TooDeep } else { ProblemKind::Unreadable };
                self.found.problems.push(Problem { dir: dir.clone(), path, kind });
                self.found.unreadable.push(dir);
                Vec::new()
            }
        }
    }

    /// Lists a directory that had this time before.
    fn list(&mut self, dir: &FolderDir, mtime_ns: i64) -> io::Result<Listing> {
        let path = self.tree.folder_path(dir);
        let mut listing = Listing::default();
        let mut dirs = Vec::new();
        let mut odd = Vec::new();
        let mut files = Vec::new();
        list(&path, false, &mut |entry| match entry.kind {
            Kind::Dir => match entry.name {
                b"cur" | b"new" => listing.maildir = true,
                b"tmp" => {}
                name => dirs.push(name.to_owned()),
            },
            Kind::Link => odd.push((entry.name.to_owned(), ProblemKind::Symlink)),
            Kind::Special => odd.push((entry.name.to_owned(), ProblemKind::Special)),
            Kind::File => files.push(entry.name.to_owned()),
        })?;
        self.times.push((path.clone(), mtime_ns));
        for name in dirs {
            // Another tree's.
            match std::str::from_utf8(&name) {
                Ok(others) if dir.is_root() && is_other_trees(others) => {
                    self.found.unreadable.extend(dir.child(others));
                }
                _ => self.child(dir, &path, name, &mut listing),
            }
        }
        let names = files.into_iter().filter_map(|name| String::from_utf8(name).ok());
        self.found.blocked.extend(names.filter_map(|name| dir.child(&name).ok()));
        for (name, kind) in odd {
            self.oddity(dir, &path, name, kind);
        }
        Ok(listing)
    }

    fn child(&mut self, dir: &FolderDir, path: &Path, name: Vec<u8>, listing: &mut Listing) {
        let path = path.join(as_os(&name));
        match (String::from_utf8(name), platform::look(&path)) {
            (Ok(name), Ok(Some(looked))) => {
                listing.children.insert(name, looked);
            }
            (Err(_), Ok(Some(looked))) => {
                self.found.problems.push(Problem { dir: dir.clone(), path, kind: ProblemKind::NotUtf8 });
                self.found.unnamed.push(looked.id);
            }
            // What vanished meanwhile shows in the parent's time.
            (_, Ok(None)) => {}
            (Ok(name), Err(error)) => {
                let kind = if platform::is_too_long(&error) { ProblemKind::TooDeep } else { ProblemKind::Unreadable };
                self.found.problems.push(Problem { dir: dir.clone(), path, kind });
                self.found.unreadable.extend(dir.child(&name));
            }
            (Err(_), Err(_)) => {
                self.found.problems.push(Problem { dir: dir.clone(), path, kind: ProblemKind::Unreadable });
            }
        }
    }

    /// A link, say, may stand where a folder was moved away from: nothing is known of that folder then.
    fn oddity(&mut self, dir: &FolderDir, path: &Path, name: Vec<u8>, kind: ProblemKind) {
        self.found.problems.push(Problem { dir: dir.clone(), path: path.join(as_os(&name)), kind });
        if let Ok(name) = String::from_utf8(name) {
            self.found.unreadable.extend(dir.child(&name));
        }
    }

    fn held_still(&self) -> bool {
        self.times
            .iter()
            .all(|(path, time)| matches!(platform::look(path), Ok(Some(found)) if found.stat.mtime_ns == *time))
    }
}

/// Children in the order in which a stack gives them back sorted.
fn stack(dir: &FolderDir, children: BTreeMap<String, Looked>) -> Vec<(FolderDir, Looked)> {
    children.into_iter().rev().filter_map(|(name, looked)| Some((dir.child(&name).ok()?, looked))).collect()
}

fn display_name(dir: &FolderDir, path: &Path) -> String {
    if foldername::is_shortened(dir.name())
        && let Ok(Some(name)) = read_display_name(&path.join(DISPLAY_NAME))
        && foldername::is_shortened_from(dir.name(), &name)
    {
        return name;
    }
    foldername::decode(dir.name())
}

fn read_display_name(file: &Path) -> Result<Option<String>, LocalError> {
    let Some(open) = open_at(file)? else { return Ok(None) };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(open, MAX_NAME_BYTES), &mut bytes)
        .map_err(|error| LocalError::io("read", file, error))?;
    Ok(String::from_utf8(bytes).ok())
}
