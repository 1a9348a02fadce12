//! A part of a bucket as a target.

use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;

use object_store::client::HttpErrorKind;
use object_store::multipart::MultipartStore;
use object_store::path::Path as Key;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use tokio::runtime::Handle;

use super::ranges::Ranges;
use super::upload::Upload;
use super::{ArchiveName, Content, Out, Store};

/// What lies below a prefix of a bucket.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) store: Arc<dyn ObjectStore>,
    /// Takes the parts of large objects.
    pub(super) parts: Arc<dyn MultipartStore>,
    /// Makes an object of its parts, only where none has its name.
    pub(super) closing: Arc<dyn MultipartStore>,
    pub(super) prefix: Key,
    pub(super) runtime: Handle,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("store", &self.store).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Bucket {
    fn key(&self, file: &OsStr) -> io::Result<Key> {
        let odd = || io::Error::new(io::ErrorKind::InvalidInput, "an object cannot have that name");
        let name = file.to_str().ok_or_else(odd)?;
        let key = if self.prefix.is_root() { name.to_owned() } else { format!("{}/{name}", self.prefix) };
        Key::parse(key).map_err(|_| odd())
    }

    /// Waits for something that the store does.
    pub(super) fn wait<T>(&self, doing: impl Future<Output = object_store::Result<T>>) -> io::Result<T> {
        self.runtime.block_on(doing).map_err(told)
    }

    /// What is told of an object; none where it is not there.
    pub(super) fn head(&self, key: &Key) -> io::Result<Option<ObjectMeta>> {
        match self.wait(self.store.head(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            meta => meta.map(Some),
        }
    }
}

impl Store for Bucket {
    fn list(&self) -> io::Result<Vec<(OsString, Option<u64>)>> {
        let prefix = (!self.prefix.is_root()).then_some(&self.prefix);
        let listed = self.wait(self.store.list_with_delimiter(prefix))?;
        let named = |object: ObjectMeta| Some((object.location.filename()?.into(), Some(object.size)));
        Ok(listed.objects.into_iter().filter_map(named).collect())
    }

    fn length(&self, file: &OsStr) -> io::Result<Option<u64>> {
        Ok(self.head(&self.key(file)?)?.map(|meta| meta.size))
    }

    fn open(&self, file: &OsStr) -> io::Result<Box<dyn Content>> {
        let key = self.key(file)?;
        let meta = self.wait(self.store.head(&key))?;
        Ok(Box::new(Ranges::new(self.clone(), key, &meta)))
    }

    fn begin(&self, name: &ArchiveName, scratch: &Path) -> io::Result<Out> {
        let key = self.key(OsStr::new(&name.to_string()))?;
        Ok(Out::stream(Box::new(Upload::new(self.clone(), key)), scratch.to_owned()))
    }

    fn remove(&self, file: &OsStr) -> io::Result<()> {
        self.wait(self.store.delete(&self.key(file)?))
    }
}

/// What an object store said, or that it said nothing.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub struct StoreError {
    said: String,
}

/// So much is told of what a server says.
const MOST_SAID: usize = 300;

/// As the system's errors are told: `NotFound`, `AlreadyExists`, `PermissionDenied`, `NotConnected`, or another kind.
pub(super) fn told(error: Error) -> io::Error {
    let kind = match &error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => io::ErrorKind::AlreadyExists,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ if is_unreachable(&error) => io::ErrorKind::NotConnected,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, StoreError { said: said(&error) })
}

fn causes(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |error| std::error::Error::source(*error))
}

fn is_unreachable(error: &Error) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<object_store::client::HttpError>()).any(|error| {
        matches!(error.kind(), HttpErrorKind::Connect | HttpErrorKind::Timeout | HttpErrorKind::Interrupted)
    })
}

/// The code and the message of a server's answer (an XML document); else the innermost cause.
fn said(error: &Error) -> String {
    let whole = error.to_string();
    let inner = causes(error).last().map_or_else(|| whole.clone(), ToString::to_string);
    let answer = match (element(&whole, "Code"), element(&whole, "Message")) {
        (Some(code), Some(message)) => format!("the server says {code}: {message}"),
        (Some(code), None) => format!("the server says {code}"),
        (None, _) => inner,
    };
    // Anybody can be at the other end.
    let printable = answer.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(MOST_SAID).collect()
}

fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(content, _)| content)
}
