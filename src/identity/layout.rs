//! Where everything lies.
//!
//! ```text
//! ROOT                               --root, PIMSYNC_ROOT, else the platform's data folder + pimsync
//! ├─ Identities/NAME/
//! │  ├─ Database/                    identity.toml, state.db, .pimsync, Exchange/ACCOUNT, On My Computer
//! │  ├─ Backups/
//! │  ├─ backups.json                 what is known of the backup targets
//! │  └─ lock                         outside Database: a backup never holds it, a restore never replaces it
//! └─ Secrets/NAME/ACCOUNT            outside the identity: no backup of it ever holds a password
//! ```

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::files;
use crate::local::{foldername, on_my_computer};
use crate::pim::UnixTime;

/// The environment variable that names the root.
pub const ROOT_VARIABLE: &str = "PIMSYNC_ROOT";

/// The version of the layout that this program writes and reads.
pub const FORMAT: u32 = 1;

const IDENTITIES: &str = "Identities";

const MARKER: &str = ".pimsync";

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
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() => {}
            _ => return bad("it must be like name@example.org"),
        }
        if email.chars().any(|character| character.is_whitespace() || character.is_control()) {
            return bad("it holds a space");
        }
        let name = email.to_lowercase().replace(['/', '%', ':', '\\'], "_");
        Self::new(&name.replacen(['.', '-'], "_", usize::from(name.starts_with(['.', '-']))))
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
        self.database().join("Exchange").join(account.as_str())
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

    /// What is known of the backup targets.
    pub fn backup_record(&self) -> PathBuf {
        self.home().join("backups.json")
    }

    /// The file whose lock says that it is being changed.
    pub fn backup_record_lock(&self) -> PathBuf {
        self.home().join("backups.lock")
    }

    /// Where a stored password of the account lies.
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
    /// [`Marker::create`].
    pub fn create(&self) -> Result<(), LayoutError> {
        let dirs = [self.database(), self.database().join("Exchange"), self.on_my_computer(), self.backups()];
        dirs.iter().try_for_each(|dir| files::make_dirs(dir).map_err(|error| failed("create", dir, error)))
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> LayoutError {
    LayoutError::Io { action, path: path.to_owned(), source }
}

/// The marker file: shows that the database is really there, and not an empty mount point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The identity's id: 32 hexadecimal digits, made once.
    pub identity: String,
    /// The version of the layout.
    pub format: u32,
    /// How often the identity was restored from an archive.
    pub epoch: u32,
    /// When it was last restored, as long as nobody has confirmed that items may be deleted on the server since.
    pub fence: Option<UnixTime>,
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
        found: i64,
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
        Self { identity: format!("{random:032x}"), format: FORMAT, epoch: 0, fence: None }
    }

    /// The marker of an identity that was restored for the `epoch`th time; `None` where `identity` is no identity's id.
    pub(crate) fn restored(identity: &str, epoch: u32, now: UnixTime) -> Option<Self> {
        is_id(identity).then(|| Self { identity: identity.to_owned(), format: FORMAT, epoch, fence: Some(now) })
    }

    /// Reads the marker.
    pub fn read(layout: &Layout) -> Result<Self, MarkerError> {
        Self::read_file(layout.marker())
    }

    /// The marker of a directory that is no identity's yet.
    pub(crate) fn read_in(database: &Path) -> Result<Self, MarkerError> {
        Self::read_file(database.join(MARKER))
    }

    fn read_file(path: PathBuf) -> Result<Self, MarkerError> {
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Err(MarkerError::Missing { path })
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(MarkerError::Damaged { path, reason: "it is not text".to_owned() })
            }
            Err(source) => Err(MarkerError::Io { action: "read", path, source }),
        }
    }

    /// Writes the marker where there is none yet; durable. Returns the one that counts: a marker that is there is never replaced.
    pub fn create(self, layout: &Layout) -> Result<Self, MarkerError> {
        let path = layout.marker();
        match files::write_new(&path, self.text().as_bytes()) {
            Ok(()) => Ok(self),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::read(layout),
            Err(source) => Err(MarkerError::Io { action: "create", path, source }),
        }
    }

    /// Writes the marker into a directory that is no identity's yet, over the one that is there.
    pub(crate) fn write_in(&self, database: &Path) -> io::Result<()> {
        files::write(&database.join(MARKER), self.text().as_bytes())
    }

    /// Notes that a person has confirmed that items may be deleted on the server again.
    ///
    /// # Errors
    /// That the marker cannot be written.
    pub fn lift_fence(mut self, layout: &Layout) -> Result<(), MarkerError> {
        let path = layout.marker();
        self.fence = None;
        self.write_in(&layout.database()).map_err(|source| MarkerError::Io { action: "write", path, source })
    }

    fn text(&self) -> String {
        let mut text = format!(
            "# Shows pimsync that this directory is an identity's database, and that its disk is mounted. Keep it.\n\
             format = {}\nidentity = \"{}\"\n",
            self.format, self.identity
        );
        if self.epoch > 0 {
            text.push_str(&format!("# How often it was restored from an archive.\nepoch = {}\n", self.epoch));
        }
        if let Some(fence) = self.fence {
            text.push_str(&format!(
                "# When it was (seconds since 1970). As long as this stands here, no sync deletes anything on the server;\n\
                 # pimsync sync --allow-deletes takes it away.\nfence = {}\n",
                fence.0
            ));
        }
        text
    }

    fn parse(text: &str, path: PathBuf) -> Result<Self, MarkerError> {
        let damaged = |path, reason: &str| Err(MarkerError::Damaged { path, reason: reason.to_owned() });
        let Ok(table) = text.parse::<toml::Table>() else { return damaged(path, "it is not TOML") };
        // The format first: another one may keep the rest elsewhere.
        let Some(format) = table.get("format").and_then(toml::Value::as_integer) else {
            return damaged(path, "it has no format");
        };
        if format != i64::from(FORMAT) {
            return Err(MarkerError::OtherFormat { path, found: format });
        }
        match table.get("identity").and_then(toml::Value::as_str) {
            Some(id) if is_id(id) => {
                let number = |name: &str| table.get(name).map(toml::Value::as_integer);
                // What cannot be understood holds deletions back all the more.
                let fence = number("fence").map(|time| UnixTime(time.unwrap_or_default()));
                let epoch = number("epoch").flatten().and_then(|epoch| epoch.try_into().ok()).unwrap_or(0);
                Ok(Self { identity: id.to_owned(), format: FORMAT, epoch, fence })
            }
            _ => damaged(path, "it has no identity of 32 hexadecimal digits"),
        }
    }
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
        for bad in ["", "anna", "@example.org", "anna@", "an na@example.org"] {
            assert!(AccountName::from_email(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn everything_is_for_its_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let layout = layout(&root.path().join("deep/root"));
        layout.create().unwrap();
        layout.create().unwrap();
        Marker::new(7).create(&layout).unwrap();
        for (path, mode) in [(layout.home(), 0o700), (layout.backups(), 0o700), (layout.marker(), 0o600)] {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
        }
        assert_eq!(layout.identities().unwrap(), [IdentityName::new("Main").unwrap()]);
        assert!(!layout.lock().starts_with(layout.database()));
        assert!(!layout.secret(&AccountName::new("a@b").unwrap()).starts_with(layout.home()));
    }

    #[test]
    fn a_marker_is_made_once() {
        let root = tempfile::tempdir().unwrap();
        let layout = layout(root.path());
        assert!(matches!(Marker::read(&layout), Err(MarkerError::Missing { .. })));
        layout.create().unwrap();
        assert!(matches!(Marker::read(&layout), Err(MarkerError::Missing { .. })));
        let first = Marker::new(u128::MAX).create(&layout).unwrap();
        assert_eq!(Marker::new(1).create(&layout).unwrap(), first, "an identity keeps its id");
        assert_eq!(Marker::read(&layout).unwrap(), first);
    }

    #[test]
    fn a_restored_identity_is_fenced_until_that_is_lifted() {
        let root = tempfile::tempdir().unwrap();
        let layout = layout(root.path());
        layout.create().unwrap();
        let first = Marker::new(7).create(&layout).unwrap();
        assert_eq!((first.epoch, first.fence), (0, None));
        let restored = Marker::restored(&first.identity, 3, UnixTime(1_795_343_400)).unwrap();
        restored.write_in(&layout.database()).unwrap();
        assert_eq!(Marker::read(&layout).unwrap(), restored);
        restored.clone().lift_fence(&layout).unwrap();
        assert_eq!(Marker::read(&layout).unwrap(), Marker { fence: None, ..restored });
        // A fence that was scribbled on still is one.
        let text = format!("format = 1\nidentity = \"{}\"\nfence = \"yes\"\n", first.identity);
        std::fs::write(layout.marker(), text).unwrap();
        assert!(Marker::read(&layout).unwrap().fence.is_some());
        assert_eq!(Marker::restored("../../etc", 1, UnixTime(0)), None);
    }

    #[test]
    fn a_strange_marker_stops_the_run() {
        let root = tempfile::tempdir().unwrap();
        let layout = layout(root.path());
        layout.create().unwrap();
        let with = |text: &[u8]| {
            std::fs::write(layout.marker(), text).unwrap();
            Marker::read(&layout).unwrap_err()
        };
        assert!(matches!(with(b"format = 2\nnew = 1"), MarkerError::OtherFormat { found: 2, .. }));
        for damaged in [&b""[..], b"\xff", b"format = 1", b"format = 1\nidentity = \"x\"", b"{"] {
            assert!(matches!(with(damaged), MarkerError::Damaged { .. }));
        }
    }
}
