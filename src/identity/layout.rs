//! Where everything lies.
//!
//! ```text
//! ROOT                               --root, PIMSYNC_ROOT, else the platform's data folder + pimsync
//! ├─ Identities/NAME/
//! │  ├─ Database/                    identity.toml, state.db, .pimsync, Exchange/ACCOUNT, On My Computer
//! │  ├─ Backups/
//! │  └─ lock                         outside Database: a backup never holds it, a restore never replaces it
//! └─ Secrets/NAME/ACCOUNT            outside the identity: no backup of it ever holds a password
//! ```

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The environment variable that names the root.
pub const ROOT_VARIABLE: &str = "PIMSYNC_ROOT";

/// The version of the layout that this program writes and reads.
pub const FORMAT: u32 = 1;

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
    /// The root is not an absolute path.
    #[error("the root {} is not an absolute path; give --root or PIMSYNC_ROOT one that begins with /", path.display())]
    Relative {
        /// The path.
        path: PathBuf,
    },
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

    /// Checks the name: 1 to 64 characters, a plain directory name on any system.
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
        let _ = email;
        todo!()
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

fn check_name(_name: &str, _what: &'static str) -> Result<(), LayoutError> {
    todo!()
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
        let _ = (given, identity);
        todo!()
    }

    /// The names of all identities under the root.
    pub fn identities(&self) -> Result<Vec<IdentityName>, LayoutError> {
        todo!()
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
        self.root.join("Identities").join(self.identity.as_str())
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
        self.database().join(".pimsync")
    }

    /// `Database/Exchange/ACCOUNT`.
    pub fn account(&self, account: &AccountName) -> PathBuf {
        self.database().join("Exchange").join(account.as_str())
    }

    /// `Database/On My Computer`.
    pub fn on_my_computer(&self) -> PathBuf {
        self.database().join("On My Computer")
    }

    /// The file whose lock says that an engine runs.
    pub fn lock(&self) -> PathBuf {
        self.home().join("lock")
    }

    /// Where a stored password of the account lies.
    pub fn secret(&self, account: &AccountName) -> PathBuf {
        self.root.join("Secrets").join(self.identity.as_str()).join(account.as_str())
    }

    /// Makes the identity's directories, for their owner alone; what is there stays as it is. The marker is written last, by
    /// [`Marker::create`].
    pub fn create(&self) -> Result<(), LayoutError> {
        todo!()
    }
}

/// The marker file: shows that the database is really there, and not an empty mount point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The identity's id: 32 hexadecimal digits, made once.
    pub identity: String,
    /// The version of the layout.
    pub format: u32,
}

/// Why there is no usable marker.
#[derive(Debug, thiserror::Error)]
pub enum MarkerError {
    /// There is none: nothing may be concluded from what else is missing.
    #[error(
        "{} is missing: the identity was never set up (run `pimsync setup`), or its disk is not mounted; nothing was changed",
        path.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Another version of the program wrote it.
    #[error("{} is of format {found}, this pimsync knows format {FORMAT}; nothing was changed", path.display())]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It cannot be understood.
    #[error("{} is damaged: {reason}; nothing was changed", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Marker {
    /// A new identity's marker. `random` must be 128 random bits.
    pub fn new(random: u128) -> Self {
        Self { identity: format!("{random:032x}"), format: FORMAT }
    }

    /// Reads the marker.
    pub fn read(layout: &Layout) -> Result<Self, MarkerError> {
        let _ = layout;
        todo!()
    }

    /// Writes the marker where there is none yet; durable. Returns the one that counts: a marker that is there is never replaced.
    pub fn create(self, layout: &Layout) -> Result<Self, MarkerError> {
        let _ = layout;
        todo!()
    }
}
