//! Where archives are kept: a directory, or a part of a bucket of an object store.
//!
//! Whatever it is, a target keeps files by their names, gives them back in parts, and takes new ones: never over another one, and under their names only
//! when they are whole and durable. [`Store`] is what it must be able to do; all else is the same for all.

mod directory;
mod location;
mod objects;
mod ranges;
mod s3;
#[cfg(test)]
mod tests;
mod upload;

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use super::seal::{Keys, OpenError, Unsealed};
use super::{ArchiveName, BackupError, Form};
use crate::backup::archive::Out;
use directory::Directory;
pub(super) use directory::NewFile;
pub use location::{Location, LocationError};
pub use objects::StoreError;
pub use s3::{Access, AccessError};

/// A place with archives.
#[derive(Clone, Debug)]
pub struct Target {
    location: Location,
    store: Arc<dyn Store>,
    /// What opens encrypted archives in it.
    keys: Keys,
}

/// What a target must be able to do.
pub(super) trait Store: std::fmt::Debug + Send + Sync {
    /// The names of all files that lie directly in it, and their bytes where that is told with them.
    fn list(&self) -> io::Result<Vec<(OsString, Option<u64>)>>;

    /// The bytes of a file; none where it is not there.
    fn length(&self, file: &OsStr) -> io::Result<Option<u64>>;

    /// Opens a file.
    fn open(&self, file: &OsStr) -> io::Result<Box<dyn Content>>;

    /// Begins an archive that will have that name. What has to be held back for a while goes into `scratch`.
    fn begin(&self, name: &ArchiveName, scratch: &Path) -> io::Result<Out>;

    /// Removes a file, durably.
    fn remove(&self, file: &OsStr) -> io::Result<()>;
}

/// What a file holds, read at any place.
pub(super) trait Content: Read + Seek + Send {}

impl<C: Read + Seek + Send> Content for C {}

/// A file that has no name until it is whole. Dropped, it leaves nothing.
pub(super) trait Unfinished: Write + Send {
    /// Makes it durable, and gives it its name. Never over another one.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// A file in a target.
#[derive(Clone, Debug)]
pub struct Stored {
    target: Target,
    file: OsString,
}

/// An archive in a target. Whether it is whole is not known.
#[derive(Clone, Debug)]
pub struct Found {
    /// What its name says.
    pub name: ArchiveName,
    /// The file.
    pub stored: Stored,
    /// Its bytes.
    pub length: u64,
}

impl Target {
    /// The target in a directory, which must be there.
    pub fn directory(dir: &Path) -> Self {
        Self { location: dir.into(), store: Arc::new(Directory::new(dir)), keys: Keys::default() }
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// A file in it, whether it is there or not.
    pub fn file(&self, name: impl Into<OsString>) -> Stored {
        Stored { target: self.clone(), file: name.into() }
    }

    /// The archives of an identity, by number.
    ///
    /// # Errors
    /// That the target cannot be listed.
    pub fn archives(&self, identity: &str) -> Result<Vec<Found>, BackupError> {
        let mut found = Vec::new();
        for (file, length) in self.store.list().map_err(|error| BackupError::io("list", &self.location, error))? {
            let name = file.to_str().and_then(ArchiveName::parse).filter(|name| name.identity == identity);
            let Some(name) = name else { continue };
            let stored = self.file(file);
            // One that vanishes meanwhile is not there.
            let length = match length {
                Some(length) => Some(length),
                None => stored.length()?,
            };
            found.extend(length.map(|length| Found { name, stored, length }));
        }
        found.sort_by_key(|found| (found.name.number, found.name.created));
        Ok(found)
    }

    /// Begins an archive that will have that name.
    pub(super) fn begin(&self, name: &ArchiveName, scratch: &Path) -> Result<Out, BackupError> {
        let begun = self.store.begin(name, scratch);
        begun.map_err(|error| BackupError::io("create", self.location.join(OsStr::new(&name.to_string())), error))
    }
}

impl Stored {
    /// The file of that path.
    pub fn at(path: &Path) -> Self {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Target::directory(dir).file(path.file_name().unwrap_or(path.as_os_str()))
    }

    /// The target that it lies in.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Its name.
    pub fn name(&self) -> &OsStr {
        &self.file
    }

    /// Where it is.
    pub fn location(&self) -> Location {
        self.target.location.join(&self.file)
    }

    /// Its bytes; none where it is not there.
    pub(super) fn length(&self) -> Result<Option<u64>, BackupError> {
        self.target.store.length(&self.file).map_err(|error| BackupError::io("read", self.location(), error))
    }

    /// Opens the file; an encrypted one as what is in it.
    pub(super) fn open(&self) -> Result<Box<dyn Content>, BackupError> {
        match Form::of(&self.file.to_string_lossy()) {
            Form::Plain => self.open_as_it_is(),
            Form::Sealed => Ok(Box::new(self.unseal()?)),
        }
    }

    /// Opens the file; an encrypted one as what it is.
    pub(super) fn open_as_it_is(&self) -> Result<Box<dyn Content>, BackupError> {
        self.target.store.open(&self.file).map_err(|error| self.not_opened(error))
    }

    /// As [`Self::open`], though parts of it or its end may not be what was written. What of an encrypted file cannot be read is a hole then, in a file
    /// without a name that lies in `scratch`.
    pub(super) fn open_damaged(&self, scratch: &Path) -> Result<Box<dyn Content>, BackupError> {
        if Form::of(&self.file.to_string_lossy()) == Form::Plain {
            return self.open_as_it_is();
        }
        let mut copy = tempfile::tempfile_in(scratch).map_err(|error| BackupError::io("create", scratch, error))?;
        let copied = self.unseal()?.copy_what_is_whole(&mut copy);
        copied.map_err(|error| BackupError::io("read", self.location(), error))?;
        Ok(Box::new(copy))
    }

    fn unseal(&self) -> Result<Unsealed, BackupError> {
        let Target { store, keys, .. } = &self.target;
        Unsealed::open(store.clone(), self.file.clone(), keys.clone()).map_err(|error| self.not_opened(error))
    }

    fn not_opened(&self, error: io::Error) -> BackupError {
        match error.downcast::<OpenError>() {
            Ok(source) => BackupError::Sealed { at: self.location(), source },
            Err(error) => BackupError::io("read", self.location(), error),
        }
    }

    pub(super) fn remove(&self) -> Result<(), BackupError> {
        self.target.store.remove(&self.file).map_err(|error| BackupError::io("remove", self.location(), error))
    }
}
