//! Where something lies, as people say it: a path, or the URL of something in a bucket.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

const SCHEME: &str = "s3://";

/// A place on a disk or in an object store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// A path.
    Disk(PathBuf),
    /// `s3://BUCKET/KEY`, without a slash at its end.
    Object(String),
}

/// Why a URL names no place in a bucket.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} names no bucket: write it like s3://bucket/directory")]
pub struct LocationError(String);

impl Location {
    /// The bucket and the key of something in an object store.
    ///
    /// # Errors
    /// That there is no bucket in it.
    pub(super) fn bucket_and_key(&self) -> Option<Result<(&str, &str), LocationError>> {
        let Self::Object(url) = self else { return None };
        let rest = url.strip_prefix(SCHEME).unwrap_or_default();
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let is_named = !bucket.is_empty() && !bucket.contains(|c: char| c.is_whitespace() || "?#@:".contains(c));
        Some(if is_named { Ok((bucket, key)) } else { Err(LocationError(url.clone())) })
    }

    /// Something that lies in it.
    pub(super) fn join(&self, name: &OsStr) -> Self {
        match self {
            Self::Disk(path) => Self::Disk(path.join(name)),
            Self::Object(url) => Self::Object(format!("{url}/{}", name.to_string_lossy())),
        }
    }

    /// The path; none where it is not on a disk.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Disk(path) => Some(path),
            Self::Object(_) => None,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(path) => path.display().fmt(f),
            Self::Object(url) => f.write_str(url),
        }
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        match path.to_str() {
            Some(url) if url.starts_with(SCHEME) => Self::Object(url.trim_end_matches('/').to_owned()),
            _ => Self::Disk(path.to_owned()),
        }
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<&Location> for Location {
    fn from(location: &Location) -> Self {
        location.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_the_scheme_is_in_a_bucket_and_all_else_is_a_path() {
        let at = |text: &str| Location::from(Path::new(text));
        let parts = |text: &str| at(text).bucket_and_key().map(|parts| parts.map(|(one, two)| format!("{one}|{two}")));
        assert_eq!(parts("/mnt/disk"), None);
        assert_eq!(parts("s3:/bucket"), None);
        assert_eq!(parts("s3://bucket"), Some(Ok("bucket|".to_owned())));
        assert_eq!(parts("s3://bucket/my/mail//"), Some(Ok("bucket|my/mail".to_owned())));
        for bad in ["s3://", "s3:///key", "s3://key:secret@host/x"] {
            assert!(matches!(parts(bad), Some(Err(_))), "{bad}");
        }
        assert_eq!(at("s3://bucket/").join(OsStr::new("x")).to_string(), "s3://bucket/x");
        assert_eq!(at("/mnt").join(OsStr::new("x")), at("/mnt/x"));
    }
}
