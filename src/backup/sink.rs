//! Where a cut goes: into an archive, or into a directory that another program reads.

use std::io::{self, Read};

use super::ItemPath;
use super::archive::{Large, New, Writer};
use super::manifest::Entry;
use super::path::Key;
use crate::local::platform::Looked;

/// What takes the files of a cut.
pub(super) trait Sink {
    /// What was added so far.
    fn entries(&self) -> &[Entry];

    /// Takes entries back.
    fn unlist(&mut self, is_unwanted: &dyn Fn(&Entry) -> bool) -> io::Result<()>;

    fn add_directory(&mut self, new: New) -> io::Result<()>;

    /// Whether there are files that it may take without their being read.
    fn takes_unread(&self) -> bool;

    /// Takes a file without its being read; or answers that it must be. `key` is its path's.
    fn add_unread(&mut self, path: &ItemPath, key: &Key, looked: &Looked) -> io::Result<bool>;

    /// Adds a file whose content is at hand.
    fn add(&mut self, new: New, content: &[u8]) -> io::Result<()>;

    /// Adds a large file without holding it whole.
    fn add_large(&mut self, new: New, size: u64, content: &mut dyn Read) -> io::Result<Large>;
}

impl Sink for Writer {
    fn entries(&self) -> &[Entry] {
        self.entries()
    }

    fn unlist(&mut self, is_unwanted: &dyn Fn(&Entry) -> bool) -> io::Result<()> {
        self.unlist(is_unwanted);
        Ok(())
    }

    fn add_directory(&mut self, new: New) -> io::Result<()> {
        self.add_directory(new)
    }

    fn takes_unread(&self) -> bool {
        self.earlier().is_some()
    }

    fn add_unread(&mut self, path: &ItemPath, key: &Key, looked: &Looked) -> io::Result<bool> {
        Ok(self.add_unchanged(path, key, looked))
    }

    fn add(&mut self, new: New, content: &[u8]) -> io::Result<()> {
        self.add(new, content)
    }

    fn add_large(&mut self, new: New, size: u64, content: &mut dyn Read) -> io::Result<Large> {
        self.add_large(new, size, content)
    }
}
