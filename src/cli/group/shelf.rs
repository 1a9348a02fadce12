//! The groups and contacts of the identity, read from their files. What cannot be read is told, and the rest goes on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::member::{line, plain};

use crate::cli::context::Context;
use crate::cli::failure::UsageError;
use crate::format::content::{ContentError, Limits};
use crate::format::vcard::group::GroupFile;
use crate::format::vcard::{VcardError, VcardFile};
use crate::local::cards::{self, CardContent, Listing};
use crate::pim::Text;
use crate::pim::group::{AddressBook, EmailAddress, Group, Member, Person, Uid};

/// So many groups are named where one is not found.
const NAMED: usize = 8;

/// A group and its file.
pub(super) struct Stored {
    pub(super) path: PathBuf,
    /// The path below the Database directory, for people.
    pub(super) shown: String,
    /// The content as it was read, which a change expects to replace.
    pub(super) bytes: Vec<u8>,
    pub(super) file: GroupFile,
    pub(super) group: Group,
}

/// All groups.
pub(super) struct Shelf {
    database: PathBuf,
    pub(super) groups: Vec<Stored>,
    pub(super) problems: Vec<String>,
}

impl Shelf {
    pub(super) fn read(context: &Context) -> Self {
        let database = context.layout.database();
        let Listing { files, problems } = cards::group_files(&database);
        let problems = problems.iter().map(|problem| plain(&problem.to_string())).collect();
        let mut shelf = Self { database, groups: Vec::new(), problems };
        for path in files {
            let shown = shown(&shelf.database, &path);
            match load(&path, |bytes| GroupFile::parse(bytes.to_vec())) {
                Ok(Some((bytes, file))) => shelf.groups.push(Stored::of(path, shown, bytes, file)),
                Ok(None) => {}
                Err(error) => shelf.problems.push(error.told(&shown)),
            }
        }
        shelf.tell_twins();
        shelf
    }

    /// Two groups of one UID: within another group only the first one is found.
    fn tell_twins(&mut self) {
        let mut firsts: BTreeMap<&Uid, &str> = BTreeMap::new();
        for stored in &self.groups {
            let Some(uid) = &stored.group.uid else { continue };
            let first = *firsts.entry(uid).or_insert(&stored.shown);
            if first != stored.shown {
                self.problems.push(format!(
                    "{} has the UID of {first}: where that UID is a member, the latter is meant; give one of them another UID",
                    stored.shown
                ));
            }
        }
    }

    /// The group of that name, file or UID.
    pub(super) fn find(&self, wanted: &str) -> Result<&Stored, UsageError> {
        let uid = Uid::new(wanted);
        let lower = wanted.to_lowercase();
        let ways: [&dyn Fn(&Stored) -> bool; 4] = [
            &|stored| stored.group.name.as_str() == wanted,
            &|stored| stored.is_file(wanted),
            &|stored| uid.is_some() && stored.group.uid == uid,
            &|stored| stored.group.name.as_str().to_lowercase() == lower,
        ];
        for fits in ways {
            let found: Vec<&Stored> = self.groups.iter().filter(|stored| fits(stored)).collect();
            match found.as_slice() {
                [] => {}
                [one] => return Ok(one),
                several => {
                    let files: Vec<&str> = several.iter().map(|stored| stored.shown.as_str()).collect();
                    return Err(UsageError(format!(
                        "several groups are {wanted:?}; name one by its file: {}",
                        files.join(", ")
                    )));
                }
            }
        }
        Err(UsageError(format!("there is no group {wanted:?}{}", self.names())))
    }

    /// The group of exactly that name.
    pub(super) fn named(&self, name: &Text) -> Option<&Stored> {
        self.groups.iter().find(|stored| stored.group.name == *name)
    }

    fn names(&self) -> String {
        let names: Vec<String> =
            self.groups.iter().take(NAMED).map(|stored| line(stored.group.name.as_str())).collect();
        match self.groups.len().saturating_sub(NAMED) {
            _ if names.is_empty() => "; pimsync group create makes one".to_owned(),
            0 => format!("; there are: {}", names.join(", ")),
            more => format!("; there are: {} and {more} more (pimsync group list)", names.join(", ")),
        }
    }

    /// The groups with all contacts. Contacts that cannot be read are among the problems from then on.
    pub(super) fn with_contacts(&mut self) -> AddressBook {
        let Listing { files, problems } = cards::contact_files(&self.database);
        self.problems.extend(problems.iter().map(|problem| plain(&problem.to_string())));
        let mut people = Vec::new();
        for path in files {
            let shown = shown(&self.database, &path);
            match load(&path, |bytes| VcardFile::parse(bytes.to_vec())) {
                Ok(Some((_, file))) => people.push(person(&file, shown)),
                // Programs keep groups among contacts; they are no local groups.
                Ok(None) | Err(CardError::Card(VcardError::Group)) => {}
                Err(error) => self.problems.push(error.told(&shown)),
            }
        }
        AddressBook::new(people, self.all())
    }

    /// The groups, with the contacts where any member could be one.
    pub(super) fn book(&mut self) -> AddressBook {
        let is_link = |member: &Member| matches!(member, Member::Linked(_));
        if self.groups.iter().any(|stored| stored.group.members.iter().any(is_link)) {
            self.with_contacts()
        } else {
            AddressBook::new(Vec::new(), self.all())
        }
    }

    /// A path as people are told it: below the Database directory.
    pub(super) fn shown(&self, path: &Path) -> String {
        shown(&self.database, path)
    }

    fn all(&self) -> Vec<Group> {
        self.groups.iter().map(|stored| stored.group.clone()).collect()
    }
}

impl Stored {
    fn of(path: PathBuf, shown: String, bytes: Vec<u8>, file: GroupFile) -> Self {
        let mut group = file.group();
        if group.name.as_str().trim().is_empty() {
            group.name = Text::from(cards::group_name_of(&path));
        }
        Self { path, shown, bytes, file, group }
    }

    fn is_file(&self, wanted: &str) -> bool {
        let name = self.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        name == wanted || name.strip_suffix(".vcf") == Some(wanted) || self.shown == wanted
    }
}

/// Why a file tells nothing.
enum CardError {
    Local(crate::local::LocalError),
    Card(VcardError),
}

impl CardError {
    /// With the file that it is about.
    fn told(&self, shown: &str) -> String {
        match self {
            Self::Local(error) => plain(&error.to_string()),
            Self::Card(error) => format!("{shown} is passed over: {error}"),
        }
    }
}

/// Reads a file. `None` when it vanished meanwhile.
fn load<T>(path: &Path, parse: impl FnOnce(&[u8]) -> Result<T, VcardError>) -> Result<Option<(Vec<u8>, T)>, CardError> {
    let limit = Limits::default().bytes;
    match cards::read_card(path, limit as u64).map_err(CardError::Local)? {
        CardContent::Bytes(bytes) => {
            let file = parse(&bytes).map_err(CardError::Card)?;
            Ok(Some((bytes, file)))
        }
        CardContent::TooLarge(found) => {
            let found = usize::try_from(found).unwrap_or(usize::MAX);
            Err(CardError::Card(ContentError::TooLarge { found, limit }.into()))
        }
        CardContent::Vanished => Ok(None),
    }
}

/// What groups need of a contact. What is no address, as groups take it, is none of its addresses.
fn person(file: &VcardFile, source: String) -> Person {
    let contact = file.contact();
    let wanted = file.preferred_email();
    let mut preferred = 0;
    let mut emails = Vec::new();
    for (at, text) in contact.emails.iter().enumerate() {
        if let Ok(address) = EmailAddress::new(text.as_str()) {
            if at == wanted {
                preferred = emails.len();
            }
            emails.push(address);
        }
    }
    Person { uid: Uid::new(contact.uid.as_str()), name: contact.display_name, emails, preferred, source }
}

fn shown(database: &Path, path: &Path) -> String {
    plain(&path.strip_prefix(database).unwrap_or(path).display().to_string())
}
