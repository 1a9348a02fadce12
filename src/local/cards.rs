//! vCards as files: the groups in *On My Computer*, and the contacts of an identity wherever they lie.
//!
//! Only groups are written here, as entries are ([`vdir`]): an edit of another program in the last instant stays, and what a crash leaves is put right
//! by the next change. The caller holds the identity's lock.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::disk::{as_os, sync};
use super::on_my_computer::{self, LOCAL};
use super::platform::{self, Kind};
use super::scan::{list, open_at};
use super::taken::taken_in;
use super::vdir::digest_of;
use super::{Changed, Leftovers, LocalError, NewEntry, foldername, vdir};

const EXTENSION: &str = ".vcf";

/// The files that were found, sorted, and what could not be looked at.
#[derive(Debug, Default)]
pub struct Listing {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Directories that cannot be read; links and other things with a name as of a vCard.
    pub problems: Vec<LocalError>,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardContent {
    /// All of it.
    Bytes(Vec<u8>),
    /// More than was asked for: so many bytes.
    TooLarge(u64),
    /// It is not there any more.
    Vanished,
}

/// The files of all groups.
pub fn group_files(database: &Path) -> Listing {
    let mut listing = Listing::default();
    listing.collect(&groups(database), &mut |_| {});
    listing.sorted()
}

/// All vCards below the folders of accounts and below the local *Contacts*. Messages are not looked at.
pub fn contact_files(database: &Path) -> Listing {
    let mut listing = Listing::default();
    let mut open = vec![database.join(super::EXCHANGE), database.join(LOCAL).join("Contacts")];
    while let Some(dir) = open.pop() {
        listing.collect(&dir, &mut |name| {
            if !matches!(name, b"cur" | b"new" | b"tmp") {
                open.push(dir.join(as_os(name)));
            }
        });
    }
    listing.sorted()
}

fn groups(database: &Path) -> PathBuf {
    database.join(LOCAL).join("Groups")
}

impl Listing {
    fn collect(&mut self, dir: &Path, folder: &mut dyn FnMut(&[u8])) {
        let listed = list(dir, false, &mut |entry| {
            let is_card = || entry.name.to_ascii_lowercase().ends_with(EXTENSION.as_bytes());
            match entry.kind {
                Kind::Dir => folder(entry.name),
                Kind::File if is_card() => self.files.push(dir.join(as_os(entry.name))),
                Kind::Link | Kind::Special if is_card() => {
                    self.problems.push(LocalError::NotAFile { path: dir.join(as_os(entry.name)) });
                }
                Kind::File | Kind::Link | Kind::Special => {}
            }
        });
        match listed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.problems.push(LocalError::io("read", dir, error));
            }
            Ok(()) | Err(_) => {}
        }
    }

    fn sorted(mut self) -> Self {
        self.files.sort();
        self
    }
}

/// Reads a file of at most so many bytes.
///
/// # Errors
/// It is no regular file, or the system's error.
pub fn read_card(path: &Path, most: u64) -> Result<CardContent, LocalError> {
    let io = |error| LocalError::io("read", path, error);
    let Some(file) = open_at(path)? else { return Ok(CardContent::Vanished) };
    let length = platform::stat_file(&file).map_err(io)?.stat.len;
    if length > most {
        return Ok(CardContent::TooLarge(length));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(io)?;
    let read = bytes.len() as u64;
    Ok(if read > most { CardContent::TooLarge(read) } else { CardContent::Bytes(bytes) })
}

/// The directory of the groups, to be written to.
#[derive(Debug)]
pub struct GroupDir {
    dir: PathBuf,
}

impl GroupDir {
    /// Makes the directory where it is missing. The caller holds the identity's lock.
    ///
    /// # Errors
    /// The system's error, with the path.
    pub fn open(database: &Path) -> Result<Self, LocalError> {
        on_my_computer::complete(database)?;
        let dir = groups(database);
        vdir::clear(&dir, &mut Leftovers::default())?;
        Ok(Self { dir })
    }

    /// Writes a new file for a group of that name, beside those whose names differ in case only; durable. Returns its path.
    ///
    /// # Errors
    /// The system's error, with the path.
    pub fn create(&self, name: &str, content: &[u8]) -> Result<PathBuf, LocalError> {
        let entry = NewEntry { stem: name.to_owned(), extension: EXTENSION, content: content.to_owned() };
        let named = vdir::create_in(&self.dir, &[entry], &mut taken_in(&self.dir)?)?.into_iter().next();
        named.map(|(name, _)| self.dir.join(name)).ok_or_else(|| LocalError::FolderGone { path: self.dir.clone() })
    }

    /// Replaces the content of a file that still has the old one; durable.
    ///
    /// # Errors
    /// It is no regular file, or the system's error.
    pub fn replace(&self, path: &Path, old: &[u8], new: &[u8]) -> Result<Changed, LocalError> {
        vdir::replace_in(&self.dir, path.file_name().unwrap_or_default(), digest_of(old), new)
    }

    /// Removes a file that still has that content; durable.
    ///
    /// # Errors
    /// It is no regular file, or the system's error.
    pub fn remove(&self, path: &Path, old: &[u8]) -> Result<Changed, LocalError> {
        vdir::remove_from(&self.dir, path.file_name().unwrap_or_default(), digest_of(old))
    }

    /// Gives a file the name that a group of `to` gets, where it had the one of a group of `from`; durable. Returns its path.
    ///
    /// # Errors
    /// The system's error, with the path.
    pub fn rename(&self, path: &Path, from: &str, to: &str) -> Result<PathBuf, LocalError> {
        let Some(stem) = stem(path).filter(|stem| is_named_after(stem, from)) else { return Ok(path.to_owned()) };
        let mut taken = self.taken()?;
        taken.remove(&foldername::twin_key(stem));
        let new = self.dir.join(file_name(to, &taken));
        if new == *path {
            return Ok(new);
        }
        match platform::rename_new(path, &new) {
            // Somebody was faster, or the file system does not tell the two names apart. The name in the file is what counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(path.to_owned()),
            renamed => renamed.map_err(|error| LocalError::io("rename", path, error))?,
        }
        sync(&self.dir)?;
        Ok(new)
    }

    /// The names that are in use, as those that some file system takes for the same.
    fn taken(&self) -> Result<BTreeSet<String>, LocalError> {
        let mut taken = BTreeSet::new();
        list(&self.dir, false, &mut |entry| {
            let name = String::from_utf8_lossy(entry.name);
            let end = name.len().saturating_sub(EXTENSION.len());
            if name.get(end..).is_some_and(|extension| extension.eq_ignore_ascii_case(EXTENSION)) {
                taken.extend(name.get(..end).map(foldername::twin_key));
            }
        })
        .map_err(|error| LocalError::io("read", &self.dir, error))?;
        Ok(taken)
    }
}

fn file_name(name: &str, taken: &BTreeSet<String>) -> String {
    foldername::encode(name, &|key| taken.contains(key)).name + EXTENSION
}

fn stem(path: &Path) -> Option<&str> {
    std::str::from_utf8(path.file_name()?.as_bytes()).ok()?.strip_suffix(EXTENSION)
}

fn is_named_after(stem: &str, name: &str) -> bool {
    foldername::decode(stem) == name || foldername::is_shortened_from(stem, name)
}

/// The name of a group whose file tells none.
pub fn group_name_of(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    foldername::decode(name.strip_suffix(EXTENSION).unwrap_or(&name))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Place {
        root: tempfile::TempDir,
        groups: GroupDir,
    }

    impl Place {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let groups = GroupDir::open(root.path()).unwrap();
            Self { root, groups }
        }

        fn names(&self) -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(&self.groups.dir)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    #[test]
    fn names_that_no_file_can_have_or_another_one_has_are_encoded() {
        let place = Place::new();
        // Whatever lies beside them: a name that is shorter than any extension, or cut within a character where it would begin.
        for name in ["x", "€€", "vcf"] {
            fs::write(place.groups.dir.join(name), "x").unwrap();
        }
        for name in ["Team", "TEAM", "../etc/passwd", ".hidden", "a\u{202E}b"] {
            place.groups.create(name, name.as_bytes()).unwrap();
        }
        let long = place.groups.create(&"ü/".repeat(300), b"x").unwrap();
        assert_eq!(fs::metadata(&long).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_file(long).unwrap();
        assert_eq!(
            place.names(),
            [
                "%2E.%2Fetc%2Fpasswd.vcf",
                "%2Ehidden.vcf",
                "TEAM%~2.vcf",
                "Team.vcf",
                "a%E2%80%AEb.vcf",
                "vcf",
                "x",
                "€€"
            ]
        );
        assert_eq!(group_files(place.root.path()).files.len(), 5);
        assert_eq!(group_name_of(Path::new("x/TEAM%~2.vcf")), "TEAM");
    }

    #[test]
    fn what_another_program_wrote_is_not_overwritten() {
        let place = Place::new();
        let path = place.groups.create("Team", b"one").unwrap();
        assert_eq!(place.groups.replace(&path, b"one", b"two").unwrap(), Changed::Done);
        fs::write(&path, "theirs").unwrap();
        assert_eq!(place.groups.replace(&path, b"two", b"three").unwrap(), Changed::ChangedMeanwhile);
        assert_eq!(place.groups.remove(&path, b"two").unwrap(), Changed::ChangedMeanwhile);
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(place.groups.remove(&path, b"theirs").unwrap(), Changed::Done);
        assert_eq!(place.groups.replace(&path, b"theirs", b"x").unwrap(), Changed::Vanished);
        assert_eq!(place.groups.remove(&path, b"theirs").unwrap(), Changed::Vanished);
        assert_eq!(place.names(), Vec::<String>::new(), "no draft stays");
    }

    #[test]
    fn a_file_follows_its_groups_name_where_it_had_it() {
        let place = Place::new();
        let path = place.groups.create("Team", b"x").unwrap();
        let path = place.groups.rename(&path, "Team", "team").unwrap();
        assert_eq!(place.names(), ["team.vcf"]);
        place.groups.create("Board", b"y").unwrap();
        place.groups.rename(&path, "team", "BOARD").unwrap();
        assert_eq!(place.names(), ["BOARD%~2.vcf", "Board.vcf"]);
        let own = place.groups.dir.join("4711.vcf");
        fs::write(&own, "z").unwrap();
        assert_eq!(place.groups.rename(&own, "Chess", "Go").unwrap(), own);
    }

    #[test]
    fn contacts_are_found_in_all_folders_and_links_are_told() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for path in ["Exchange/a@x/Contacts/Old/1.vcf", "Exchange/b@x/People/2.VCF", "On My Computer/Contacts/3.vcf"] {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), path).unwrap();
        }
        for path in ["Exchange/a@x/Inbox/cur/no.vcf", "On My Computer/Groups/no.vcf", "Exchange/a@x/Contacts/.no.vcf"] {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), path).unwrap();
        }
        std::os::unix::fs::symlink("/dev/zero", at("Exchange/a@x/Contacts/link.vcf")).unwrap();
        let listing = contact_files(root.path());
        let found: Vec<_> = listing.files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(found, ["1.vcf", "2.VCF", "3.vcf"]);
        assert!(listing.problems[0].to_string().contains("link.vcf"));
        assert_eq!(read_card(&at("Exchange/a@x/Contacts/Old/1.vcf"), 5).unwrap(), CardContent::TooLarge(31));
    }
}
