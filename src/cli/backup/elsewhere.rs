//! Directories that are no identity of this program: another program's, such as Outlook for Mac 2011's, or one that lies elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::failure::UsageError;
use crate::identity::{IdentityName, LockError};

/// The options that name such a directory.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Another directory")]
pub(super) struct Elsewhere {
    /// Archive this directory as it is, instead of an identity's; programs that write into it should be closed
    #[arg(long, value_name = "DIR", requires = "to", conflicts_with = "outlook_2011")]
    database: Option<PathBuf>,
    /// Archive the Database directory of Outlook for Mac 2011's identity NAME; without NAME of the only one there is
    ///
    /// It is looked for in Documents/Microsoft User Data/Office 2011 Identities in your home directory. Outlook and its database daemon should be closed.
    #[arg(long, value_name = "NAME", num_args = 0..=1, requires = "to")]
    outlook_2011: Option<Option<String>>,
    /// Call its archives NAME, instead of after the directory that it lies in
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// A directory that is to be archived, and what its archives are called after.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: IdentityName,
    pub(super) database: PathBuf,
}

impl Elsewhere {
    /// The directory; none where an identity is meant. `home` is where Outlook's are looked for.
    pub(super) fn find(&self, home: Option<&Path>) -> anyhow::Result<Option<Found>> {
        let database = match (&self.database, &self.outlook_2011) {
            (Some(dir), _) => dir.clone(),
            (None, Some(wanted)) => outlook(home, wanted.as_deref())?,
            (None, None) => return Ok(None),
        };
        let full = fs::canonicalize(&database)
            .map_err(|error| UsageError(format!("cannot read {}: {error}", database.display())))?;
        let name = self.name.clone().unwrap_or_else(|| called(&full));
        let name = IdentityName::new(&name)
            .map_err(|error| UsageError(format!("{error}; say --name NAME for what its archives are called")))?;
        Ok(Some(Found { name, database }))
    }
}

impl Found {
    /// Locks the directory, as long as the result lives: archives are built upon others that nobody may remove meanwhile.
    pub(super) fn lock(&self) -> anyhow::Result<fs::File> {
        let dir = fs::File::open(&self.database)
            .map_err(|error| UsageError(format!("cannot read {}: {error}", self.database.display())))?;
        match dir.try_lock() {
            // Some network file systems have no locks.
            Ok(()) | Err(fs::TryLockError::Error(_)) => Ok(dir),
            Err(fs::TryLockError::WouldBlock) => Err(LockError::Held { holder: None }.into()),
        }
    }
}

/// The name of what a directory called Database lies in, or of any other directory.
fn called(dir: &Path) -> String {
    let named = if dir.file_name().is_some_and(|name| name == "Database") { dir.parent() } else { Some(dir) };
    named.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
}

/// Where Outlook for Mac 2011 keeps its identities, below the home directory.
const OUTLOOK: &str = "Documents/Microsoft User Data/Office 2011 Identities";

fn outlook(home: Option<&Path>, wanted: Option<&str>) -> Result<PathBuf, UsageError> {
    let home = home.ok_or_else(|| UsageError("HOME is not set: name the directory with --database".to_owned()))?;
    let place = home.join(OUTLOOK);
    let is_identity = |name: &String| place.join(name).join("Database").is_dir();
    let entries = fs::read_dir(&place).map_err(|error| {
        UsageError(format!("cannot read {}: {error}; --database names a directory", place.display()))
    })?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<String> = names.filter(is_identity).collect();
    found.sort();
    let name = match wanted {
        Some(wanted) => found.iter().find(|name| *name == wanted),
        None => found.first().filter(|_| found.len() == 1),
    };
    match name {
        Some(name) => Ok(place.join(name).join("Database")),
        None if found.is_empty() => Err(UsageError(format!("there is no identity in {}", place.display()))),
        None => Err(UsageError(format!("say which identity with --outlook-2011 NAME: {}", found.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(identities: &[&str]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join(OUTLOOK).join("Library")).unwrap();
        for name in identities {
            fs::create_dir_all(home.path().join(OUTLOOK).join(name).join("Database")).unwrap();
        }
        home
    }

    fn found(home: &Path, wanted: Option<&str>) -> Result<Option<Found>, String> {
        let wanted = Some(wanted.map(str::to_owned));
        let options = Elsewhere { database: None, outlook_2011: wanted, name: None };
        options.find(Some(home)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_identity_of_outlook_is_found_by_its_name_or_because_it_is_the_only_one() {
        let one = home(&["Main Identity"]);
        let main = found(one.path(), None).unwrap().unwrap();
        assert_eq!(main.name.as_str(), "Main Identity");
        assert_eq!(main.database, one.path().join(OUTLOOK).join("Main Identity/Database"));
        let two = home(&["Main Identity", "Work"]);
        assert_eq!(found(two.path(), Some("Work")).unwrap().unwrap().name.as_str(), "Work");
        for wanted in [None, Some("work")] {
            assert!(found(two.path(), wanted).unwrap_err().contains("Main Identity, Work"));
        }
        assert!(found(home(&[]).path(), None).unwrap_err().contains("there is no identity"));
        assert!(found(Path::new("/nowhere"), None).unwrap_err().contains("--database"));
    }
}
