//! Where an item lies, below `Database`.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A path below `Database`: bytes, since a file name need not be UTF-8. Never absolute, never with `.`, `..` or an empty part, so that
/// nothing that an archive says leads out of the place that it is restored to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemPath(Box<[u8]>);

/// The longest path and the longest name that systems take.
const MAX_BYTES: usize = 4096;
const MAX_NAME_BYTES: usize = 255;

/// What is told of by the same key is the same item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 16]);

impl Key {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut key = [0; 16];
        blake3::Hasher::new().update(bytes).finalize_xof().fill(&mut key);
        Self(key)
    }
}

impl ItemPath {
    /// Checks a path.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() > MAX_BYTES {
            return Err("a path is too long");
        }
        for name in bytes.split(|byte| *byte == b'/') {
            match name {
                b"" => return Err("a path is absolute, or has an empty part"),
                b"." | b".." => return Err("a path climbs"),
                name if name.len() > MAX_NAME_BYTES => return Err("a name is too long"),
                name if name.contains(&0) => return Err("a path holds a NUL"),
                _ => {}
            }
        }
        Ok(Self(bytes.into()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As the system takes it.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The last part.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    /// What it lies in; nothing for what lies in `Database` itself.
    pub fn parent(&self) -> &[u8] {
        let cut = self.0.len() - self.name().len();
        self.0.get(..cut.saturating_sub(1)).unwrap_or_default()
    }

    /// The path of something in this directory. `name` must be one that a directory listing gave.
    pub(super) fn child(&self, name: &[u8]) -> Result<Self, &'static str> {
        Self::new(&[&*self.0, name].join(&b'/'))
    }

    /// Below this directory.
    pub(super) fn under(&self, dir: &Path) -> PathBuf {
        dir.join(self.as_path())
    }

    /// Whether it is `dir` or lies below it.
    pub fn is_within(&self, dir: &[u8]) -> bool {
        self.0.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    /// For a message the same whatever its flags are.
    pub(super) fn key(&self) -> Key {
        match self.message() {
            Some((folder, key)) => Key::of(&[folder, &b"//"[..], key].concat()),
            None => Key::of(&self.0),
        }
    }

    /// The folder and the key of a message's file; `None` for anything else. The key is the part of the name before `:`.
    pub(super) fn message(&self) -> Option<(&[u8], &[u8])> {
        let parent = self.parent();
        let folder = parent.strip_suffix(b"/cur").or_else(|| parent.strip_suffix(b"/new"))?;
        let key = self.name().split(|byte| *byte == b':').next().unwrap_or_default();
        (!key.is_empty() && !key.starts_with(b".")).then_some((folder, key))
    }
}

impl fmt::Display for ItemPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for ItemPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ItemPath({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_its_place() {
        for bad in ["", "/", "/etc/passwd", "..", "a/../b", "a/..", "./a", "a//b", "a/", "a\0b"] {
            assert!(ItemPath::new(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(ItemPath::new(&[b'x'; 256]).is_err());
        assert!(ItemPath::new(&b"x/".repeat(2100)).is_err());
        assert_eq!(ItemPath::new(b"a/\xff").unwrap().as_bytes(), b"a/\xff");
    }

    #[test]
    fn a_message_is_known_by_its_folder_and_key() {
        let path = |text: &str| ItemPath::new(text.as_bytes()).unwrap();
        for name in ["Inbox/cur/1.2:2,S", "Inbox/new/1.2", "Inbox/cur/1.2:2,FS"] {
            assert_eq!(path(name).message(), Some((&b"Inbox"[..], &b"1.2"[..])));
        }
        for other in ["Inbox/tmp/1", "cur/1", "Inbox/cur/.hidden", "Inbox/cur", "a.ics"] {
            assert_eq!(path(other).message(), None, "{other}");
        }
        assert!(path("a/b").is_within(b"a") && path("a").is_within(b"a") && !path("ab").is_within(b"a"));
        assert_eq!((path("a/b/c").parent(), path("a").parent()), (&b"a/b"[..], &b""[..]));
    }
}
