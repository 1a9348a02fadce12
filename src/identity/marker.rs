//! The marker: what a run looks for before it believes that anything is missing.

use std::io;
use std::path::{Path, PathBuf};

use super::files;
use super::layout::{FORMAT, Layout, MARKER};
use crate::pim::UnixTime;

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
    #[error("{} is of format {found}, and this version of pimsync knows format {FORMAT}; use the one that wrote it; nothing was changed", path.display())]
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

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::identity::IdentityName;

    fn layout(root: &Path) -> Layout {
        Layout::new(Some(root), IdentityName::new("Main").unwrap()).unwrap()
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
        assert_eq!(layout.marker().metadata().unwrap().permissions().mode() & 0o777, 0o600);
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
