//! Where everything lies.
//!
//! ```text
//! ROOT                               --root, PIMSYNC_ROOT, else the platform's data folder + pimsync
//! ├─ Identities/NAME/
//! │  ├─ Database/                    identity.toml, state.db, .pimsync, Exchange/ACCOUNT, On My Computer;
//! │  │                               the public folders of an account in Exchange/ACCOUNT/Public Folders,
//! │  │                               its other mailboxes in Exchange/ACCOUNT/Other Mailboxes/MAILBOX
//! │  ├─ Backups/
//! │  ├─ backups.json                 what is known of the backup targets
//! │  └─ lock                         outside Database: a backup never holds it, a restore never replaces it
//! └─ Secrets/NAME/ACCOUNT            outside the identity: no backup of it ever holds a password or a token
//! ```

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::files;
use crate::local::{EXCHANGE, OTHER_MAILBOXES, PUBLIC_FOLDERS, foldername, on_my_computer};
use crate::pim::OtherMailbox;

/// The environment variable that names the root.
pub const ROOT_VARIABLE: &str = "PIMSYNC_ROOT";

/// The version of the layout that this program writes and reads.
pub const FORMAT: u32 = 1;

const IDENTITIES: &str = "Identities";

/// The name of the marker.
pub(super) const MARKER: &str = ".pimsync";

/// Longest name: an address has at most 254 bytes (RFC 5321 §4.5.3.1), but a directory's name needs room for more.
const MAX_NAME_BYTES: usize = 190;

/// Why a name or a root cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The name cannot be a directory's on every system.
    #[error("{name:?} cannot be used as {what}: {reason}")]
    BadName {
        /// The name.
        name: String,
        /// What it was to name.
        what: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// The root was given as nothing.
    #[error("--root or PIMSYNC_ROOT is empty; leave it out, or give it a directory")]
    EmptyRoot,
    /// No root was given, and the system has no home directory to tell one from.
    #[error("there is no home directory; say with --root or PIMSYNC_ROOT where the identities lie")]
    NoHome,
    /// A directory cannot be made or read.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With which path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The name of an identity: its directory's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityName(String);

impl IdentityName {
    /// The identity that is meant when none is named.
    pub const DEFAULT: &str = "Main";

    /// Checks the name: a plain directory name on any system.
    pub fn new(name: &str) -> Result<Self, LayoutError> {
        check_name(name, "an identity's name")?;
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an account: its directory's name, and its name on the command line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

impl AccountName {
    /// Checks the name.
    pub fn new(name: &str) -> Result<Self, LayoutError> {
        check_name(name, "an account's name")?;
        Ok(Self(name.to_owned()))
    }

    /// The name that an account with this e-mail address gets: the address in lower case, without what no directory can hold.
    pub fn from_email(email: &str) -> Result<Self, LayoutError> {
        let bad = |reason| Err(LayoutError::BadName { name: email.to_owned(), what: "an e-mail address", reason });
        match email.rsplit_once('@') {
            Some((local, domain)) if !local.is_empty() && !local.contains('@') && !domain.is_empty() => {}
            _ => return bad("it must be like name@example.org"),
        }
        if email.chars().any(|character| character.is_whitespace() || character.is_control()) {
            return bad("it holds a space");
        }
        let name = email.to_lowercase().replace(['/', '%', ':', '\\'], "_");
        Self::new(&name.replacen(['.', '-'], "_", usize::from(name.starts_with(['.', '-']))))
    }

    /// The name that the account's public folders have, as a tree of their own: that of their directory, too.
    #[must_use]
    pub fn public_folders(&self) -> Self {
        Self(format!("{}/{PUBLIC_FOLDERS}", self.0))
    }

    /// The name that another mailbox of the account has, as a tree of its own: that of its directory, too.
    #[must_use]
    pub fn other_mailbox(&self, mailbox: &OtherMailbox) -> Self {
        Self(format!("{}/{OTHER_MAILBOXES}/{}", self.0, mailbox.title()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdentityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name must be its own directory's name, and none that a shell or a program takes for an option.
fn check_name(name: &str, what: &'static str) -> Result<(), LayoutError> {
    let encoded = foldername::encode(name, &|_| false);
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_NAME_BYTES {
        "it is too long"
    } else if name.starts_with('-') {
        "it begins with -"
    } else if encoded.name != name || foldername::decode(name) != name {
        "it is reserved, begins or ends with a dot or space, or holds a character that not every file system can"
    } else {
        return Ok(());
    };
    Err(LayoutError::BadName { name: name.to_owned(), what, reason })
}

/// The paths of one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
    identity: IdentityName,
}

impl Layout {
    /// The identity's layout under the root that was given, or under the platform's data folder.
    ///
    /// `given` is what `--root` or `PIMSYNC_ROOT` says (the command line reads both).
    pub fn new(given: Option<&Path>, identity: IdentityName) -> Result<Self, LayoutError> {
        let root = match given {
            Some(path) if path.as_os_str().is_empty() => return Err(LayoutError::EmptyRoot),
            Some(path) => std::path::absolute(path).map_err(|error| failed("use", path, error))?,
            None => etcetera::base_strategy::choose_native_strategy()
                .map_err(|_| LayoutError::NoHome)?
                .data_dir()
                .join("pimsync"),
        };
        Ok(Self { root, identity })
    }

    /// The names of all identities under the root, sorted.
    pub fn identities(&self) -> Result<Vec<IdentityName>, LayoutError> {
        let path = self.root.join(IDENTITIES);
        let io = |error| failed("list", &path, error);
        let entries = match std::fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(io)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io)?;
            if entry.path().is_dir() {
                names.extend(entry.file_name().to_str().and_then(|name| IdentityName::new(name).ok()));
            }
        }
        names.sort();
        Ok(names)
    }

    /// The root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The identity's name.
    pub fn identity(&self) -> &IdentityName {
        &self.identity
    }

    /// `Identities/NAME`.
    pub fn home(&self) -> PathBuf {
        self.root.join(IDENTITIES).join(self.identity.as_str())
    }

    /// `Database`: all that the identity owns.
    pub fn database(&self) -> PathBuf {
        self.home().join("Database")
    }

    /// `Backups`: the default backup target.
    pub fn backups(&self) -> PathBuf {
        self.home().join("Backups")
    }

    /// `Database/identity.toml`.
    pub fn config(&self) -> PathBuf {
        self.database().join("identity.toml")
    }

    /// `Database/state.db`.
    pub fn state(&self) -> PathBuf {
        self.database().join("state.db")
    }

    /// `Database/.pimsync`.
    pub fn marker(&self) -> PathBuf {
        self.database().join(MARKER)
    }

    /// `Database/Exchange/ACCOUNT`.
    pub fn account(&self, account: &AccountName) -> PathBuf {
        self.database().join(EXCHANGE).join(account.as_str())
    }

    /// `Database/On My Computer`.
    pub fn on_my_computer(&self) -> PathBuf {
        self.database().join(on_my_computer::LOCAL)
    }

    /// The file whose lock says that an engine runs.
    pub fn lock(&self) -> PathBuf {
        self.home().join("lock")
    }

    /// The file whose lock says that a backup runs.
    pub fn backup_lock(&self) -> PathBuf {
        self.home().join("backup.lock")
    }

    /// Names the directory that a cut is laid out in, as long as it is.
    pub fn staged_record(&self) -> PathBuf {
        self.home().join(".staged")
    }

    /// What is in the newest encrypted archives of the backup targets.
    pub fn manifests(&self) -> PathBuf {
        self.home().join("Manifests")
    }

    /// What is known of the backup targets.
    pub fn backup_record(&self) -> PathBuf {
        self.home().join("backups.json")
    }

    /// The file whose lock says that it is being changed.
    pub fn backup_record_lock(&self) -> PathBuf {
        self.home().join("backups.lock")
    }

    /// The file whose lock says that a token of the identity is being renewed. No account has its name.
    pub fn renewal_lock(&self) -> PathBuf {
        self.root.join("Secrets").join(self.identity.as_str()).join(".renewal")
    }

    /// Where a stored password of the account lies, or its tokens.
    pub fn secret(&self, account: &AccountName) -> PathBuf {
        self.root.join("Secrets").join(self.identity.as_str()).join(account.as_str())
    }

    /// Makes what an identity lies in, and the default backup target; not its `Database`.
    ///
    /// # Errors
    /// Which directory cannot be made.
    pub fn create_home(&self) -> Result<(), LayoutError> {
        let dir = self.backups();
        files::make_dirs(&dir).map_err(|error| failed("create", &dir, error))
    }

    /// Makes the identity's directories, for their owner alone; what is there stays as it is. The marker is written last, by
    /// [`super::Marker::create`].
    pub fn create(&self) -> Result<(), LayoutError> {
        let dirs = [self.database(), self.database().join(EXCHANGE), self.on_my_computer(), self.backups()];
        dirs.iter().try_for_each(|dir| files::make_dirs(dir).map_err(|error| failed("create", dir, error)))
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> LayoutError {
    LayoutError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn layout(root: &Path) -> Layout {
        Layout::new(Some(root), IdentityName::new("Main").unwrap()).unwrap()
    }

    #[test]
    fn no_name_leads_out_of_the_root() {
        for bad in ["", ".", "..", "a/b", "/etc", ".hidden", "a.", "a ", "-x", "cur", "NEW", "a\0", "a%2Fb", "a\nb"] {
            assert!(IdentityName::new(bad).is_err(), "{bad:?}");
            assert!(AccountName::new(bad).is_err(), "{bad:?}");
        }
        assert!(IdentityName::new(&"x".repeat(191)).is_err());
        assert_eq!(IdentityName::new("Büro 2").unwrap().as_str(), "Büro 2");
    }

    #[test]
    fn an_address_names_an_account() {
        for (email, name) in [
            ("Anna.Berg@Example.ORG", "anna.berg@example.org"),
            ("a/b%c@example.org", "a_b_c@example.org"),
            (".x@example.org", "_x@example.org"),
        ] {
            assert_eq!(AccountName::from_email(email).unwrap().as_str(), name);
        }
        for good in ["a@b", "anna.o'neil+x@example.org", "üla@exämple.org"] {
            assert!(AccountName::from_email(good).is_ok(), "{good}");
        }
        for bad in ["", "anna", "@example.org", "anna@", "a@b@c", "an na@example.org"] {
            assert!(AccountName::from_email(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn everything_is_for_its_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let layout = layout(&root.path().join("deep/root"));
        layout.create().unwrap();
        layout.create().unwrap();
        for (path, mode) in [(layout.home(), 0o700), (layout.backups(), 0o700), (layout.database(), 0o700)] {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
        }
        assert_eq!(layout.identities().unwrap(), [IdentityName::new("Main").unwrap()]);
        assert!(!layout.lock().starts_with(layout.database()));
        assert!(!layout.secret(&AccountName::new("a@b").unwrap()).starts_with(layout.home()));
    }
}
