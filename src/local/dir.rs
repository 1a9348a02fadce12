//! Where a folder lies: its directory, relative to the account's.

use std::fmt;
use std::path::{Path, PathBuf};

use super::LocalError;

/// A folder's directory, relative to the account's directory, with `/` between the parts: `Inbox/Projects`.
///
/// The empty one is the account's directory itself. Never absolute, never with `.`, `..` or an empty part.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderDir(Box<str>);

impl FolderDir {
    /// The account's directory.
    pub fn root() -> Self {
        Self("".into())
    }

    /// Takes a relative path as state.db keeps it.
    ///
    /// # Errors
    /// [`LocalError::BadName`] for a path that is absolute or climbs.
    pub fn new(path: &str) -> Result<Self, LocalError> {
        if path.is_empty() {
            return Ok(Self::root());
        }
        path.split('/').try_for_each(check_part)?;
        Ok(Self(path.into()))
    }

    /// The directory with that name in this one.
    ///
    /// # Errors
    /// [`LocalError::BadName`] for a name that is no plain directory name; `foldername::encode` makes one of any text.
    pub fn child(&self, name: &str) -> Result<Self, LocalError> {
        check_part(name)?;
        let path = if self.is_root() { name.to_owned() } else { format!("{}/{name}", self.0) };
        Ok(Self(path.into()))
    }

    /// The directory that this one lies in; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(Self(self.0.rsplit_once('/').map_or("", |(parent, _)| parent).into()))
    }

    /// The last part of the path; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// Whether this is the account's directory.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is `other` or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        other.is_root() || self.0.strip_prefix(&*other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// This directory after `from`, in which it lies or which it is, became `to`; unchanged elsewhere.
    #[must_use]
    pub fn rebased(&self, from: &Self, to: &Self) -> Self {
        if !self.is_within(from) || from.is_root() {
            return self.clone();
        }
        let rest = self.0.strip_prefix(&*from.0).unwrap_or_default();
        Self(if to.is_root() { rest.trim_start_matches('/').into() } else { format!("{}{rest}", to.0).into() })
    }

    /// How many parts it has; 0 for the root.
    pub fn depth(&self) -> usize {
        if self.is_root() { 0 } else { self.0.split('/').count() }
    }

    /// The text, for state.db.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below `account`.
    pub(crate) fn under(&self, account: &Path) -> PathBuf {
        if self.is_root() { account.to_owned() } else { account.join(&*self.0) }
    }
}

impl fmt::Display for FolderDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FolderDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FolderDir({:?})", self.0)
    }
}

fn check_part(name: &str) -> Result<(), LocalError> {
    let bad = |reason| Err(LocalError::BadName { name: name.to_owned(), reason });
    match name {
        "" => bad("it is empty"),
        "." | ".." => bad("it stands for a directory elsewhere"),
        _ if name.contains(['/', '\0']) => bad("it holds a character that no file name can"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(path: &str) -> FolderDir {
        FolderDir::new(path).unwrap()
    }

    #[test]
    fn no_path_climbs_out_of_the_account() {
        for bad in ["/etc", "..", "a/../b", "a//b", "a/", "./a", "a\0b"] {
            assert!(FolderDir::new(bad).is_err(), "{bad:?}");
        }
        assert!(dir("a").child("b/c").is_err());
        assert!(dir("a").child("..").is_err());
    }

    #[test]
    fn parts_are_told_apart() {
        assert_eq!(dir("Inbox/Projects").parent(), Some(dir("Inbox")));
        assert_eq!(dir("Inbox").parent(), Some(FolderDir::root()));
        assert_eq!(FolderDir::root().parent(), None);
        assert_eq!(dir("Inbox/Projects").name(), "Projects");
        assert_eq!(dir("Inbox").child("x").unwrap(), dir("Inbox/x"));
        assert_eq!((FolderDir::root().depth(), dir("a").depth(), dir("a/b").depth()), (0, 1, 2));
    }

    #[test]
    fn a_twin_with_a_longer_name_is_not_within() {
        assert!(dir("Inbox/a").is_within(&dir("Inbox")));
        assert!(dir("Inbox").is_within(&dir("Inbox")));
        assert!(!dir("Inbox2").is_within(&dir("Inbox")));
        assert!(dir("Inbox2").is_within(&FolderDir::root()));
    }

    #[test]
    fn what_lies_in_a_renamed_folder_moves_along() {
        assert_eq!(dir("a/b/c").rebased(&dir("a/b"), &dir("x")), dir("x/c"));
        assert_eq!(dir("a/b").rebased(&dir("a/b"), &dir("x")), dir("x"));
        assert_eq!(dir("a/bb").rebased(&dir("a/b"), &dir("x")), dir("a/bb"));
        assert_eq!(dir("a/b/c").rebased(&dir("a/b"), &FolderDir::root()), dir("c"));
    }
}
