//! *On My Computer*: folders that never leave the machine. Nothing but this, conflict copies and backups looks into them.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{look, make_maildir, sync};
use super::platform::{self, Kind};
use super::scan::list;
use super::{FolderDir, LocalError, Problem, ProblemKind};
use crate::pim::FolderKind;

/// Where local folders lie, below `Database`.
pub const LOCAL: &str = "On My Computer";

/// What a local folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LocalKind {
    /// What a folder of an account could hold, too.
    Of(FolderKind),
    /// Groups of contacts; they are local only.
    Groups,
}

/// The folders that each identity has.
pub const FOLDERS: [(&str, LocalKind); 8] = [
    ("Inbox", LocalKind::Of(FolderKind::Mail)),
    ("Drafts", LocalKind::Of(FolderKind::Mail)),
    ("Sent Items", LocalKind::Of(FolderKind::Mail)),
    ("Calendar", LocalKind::Of(FolderKind::Calendar)),
    ("Contacts", LocalKind::Of(FolderKind::Contacts)),
    ("Tasks", LocalKind::Of(FolderKind::Tasks)),
    ("Notes", LocalKind::Of(FolderKind::Notes)),
    ("Groups", LocalKind::Groups),
];

/// A folder below *On My Computer*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlyHere {
    /// Its directory below *On My Computer*, with `/` between the parts.
    pub path: String,
    /// What it holds.
    pub kind: LocalKind,
    /// How many items lie in it, not counting its sub-folders'.
    pub items: u64,
}

impl LocalKind {
    /// Its word in `status` and in archives.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Of(kind) => kind.as_str(),
            Self::Groups => "groups",
        }
    }

    /// The kind of a folder that is no Maildir, by the folder at the top of *On My Computer* that it is or lies in. What lies elsewhere is
    /// told by its files only; as contacts, events and notes all could be in it, it counts as notes: plain files.
    fn of_top(top: &str) -> Self {
        let known = FOLDERS.iter().find(|(name, kind)| *name == top && *kind != Self::Of(FolderKind::Mail));
        known.map_or(Self::Of(FolderKind::Notes), |(_, kind)| *kind)
    }
}

/// Makes those of the [`FOLDERS`] that are missing, durably; what is there stays as it is, whatever it is.
///
/// # Errors
/// The system's error, with the path.
pub fn complete(database: &Path) -> Result<(), LocalError> {
    let local = database.join(LOCAL);
    if !local.is_dir() {
        make(&local, database)?;
    }
    for (name, kind) in FOLDERS {
        let path = local.join(name);
        if look(&path)?.is_some() {
            continue;
        }
        make(&path, &local)?;
        if kind == LocalKind::Of(FolderKind::Mail) {
            make_maildir(&path)?;
            sync(&path)?;
        }
    }
    Ok(())
}

fn make(path: &Path, parent: &Path) -> Result<(), LocalError> {
    platform::create_dir(path).map_err(|error| LocalError::io("create", path, error))?;
    sync(parent)
}

/// All folders below *On My Computer*, by path, and what could not be looked at. Links are not followed.
pub fn only_here(database: &Path) -> (Vec<OnlyHere>, Vec<Problem>) {
    let mut walk = Walk { found: Vec::new(), problems: Vec::new() };
    walk.children(&database.join(LOCAL), "");
    walk.found.sort_by_cached_key(|folder| folder.path.to_lowercase());
    (walk.found, walk.problems)
}

struct Walk {
    found: Vec<OnlyHere>,
    problems: Vec<Problem>,
}

impl Walk {
    /// Looks at each folder that lies in this one.
    fn children(&mut self, dir: &Path, path: &str) {
        let mut names: Vec<String> = Vec::new();
        let result = list(dir, false, &mut |entry| {
            if entry.kind == Kind::Dir
                && let Ok(name) = std::str::from_utf8(entry.name)
                && !is_part(name)
            {
                names.push(name.to_owned());
            }
        });
        self.note(dir, result);
        for name in names {
            let below = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            self.folder(&dir.join(&name), below);
        }
    }

    fn folder(&mut self, dir: &Path, path: String) {
        let is_maildir = dir.join("cur").is_dir() || dir.join("new").is_dir();
        let parts: Vec<PathBuf> =
            if is_maildir { vec![dir.join("cur"), dir.join("new")] } else { vec![dir.to_owned()] };
        let mut items = 0;
        for part in parts {
            let result = list(&part, false, &mut |entry| {
                items += u64::from(entry.kind == Kind::File && (is_maildir || is_item(entry.name)));
            });
            self.note(&part, result);
        }
        let top = path.split('/').next().unwrap_or_default();
        let kind = if is_maildir { LocalKind::Of(FolderKind::Mail) } else { LocalKind::of_top(top) };
        self.found.push(OnlyHere { path: path.clone(), kind, items });
        self.children(dir, &path);
    }

    fn note(&mut self, path: &Path, result: io::Result<()>) {
        match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.problems.push(Problem {
                    dir: FolderDir::root(),
                    path: path.to_owned(),
                    kind: ProblemKind::Unreadable,
                });
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// What makes a directory a Maildir is no folder in it.
fn is_part(name: &str) -> bool {
    matches!(name, "cur" | "new" | "tmp")
}

/// The vdir convention keeps two files about the folder itself.
fn is_item(name: &[u8]) -> bool {
    !matches!(name, b"displayname" | b"color")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_there_stays_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let local = root.path().join(LOCAL);
        fs::create_dir_all(local.join("Inbox")).unwrap();
        fs::write(local.join("Notes"), "a file of somebody's").unwrap();
        complete(root.path()).unwrap();
        complete(root.path()).unwrap();
        assert_eq!(fs::read(local.join("Notes")).unwrap(), b"a file of somebody's");
        assert!(!local.join("Inbox/cur").exists() && local.join("Drafts/cur").is_dir());
        assert!(local.join("Groups").is_dir());
    }

    #[test]
    fn every_item_that_is_only_here_is_counted_in_its_folder() {
        let root = tempfile::tempdir().unwrap();
        let local = root.path().join(LOCAL);
        complete(root.path()).unwrap();
        fs::create_dir_all(local.join("Contacts/Club%2FOld")).unwrap();
        for file in
            ["Inbox/cur/1:2,S", "Inbox/new/2", "Inbox/tmp/3", "Contacts/Club%2FOld/a.vcf", "Contacts/displayname"]
        {
            fs::write(local.join(file), "x").unwrap();
        }
        let (found, problems) = only_here(root.path());
        assert_eq!(problems, []);
        let counts: Vec<_> = found
            .iter()
            .filter(|folder| folder.items > 0)
            .map(|folder| (&*folder.path, folder.kind, folder.items))
            .collect();
        let (mail, contacts) = (LocalKind::Of(FolderKind::Mail), LocalKind::Of(FolderKind::Contacts));
        assert_eq!(counts, [("Contacts/Club%2FOld", contacts, 1), ("Inbox", mail, 2)]);
        assert_eq!(found.len(), 9);
    }
}
