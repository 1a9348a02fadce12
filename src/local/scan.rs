//! Reading a folder: its listing, its stamp, its messages.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Dir, FileType};

use super::disk::look;
use super::platform::{self, Kind};
use super::stamp::PathStamp;
use super::{DirStamp, FileStat, FolderDir, LocalError, MailTree, MessageName, Problem, ProblemKind, ScanEnd, Subdir};
use crate::pim::Digest;

/// The file that says which keyword letters stand for what.
pub(super) const KEYWORDS: &str = "dovecot-keywords";

/// An entry of a directory, hidden ones left out.
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    /// What it is; from the listing itself where the file system tells.
    pub(super) kind: Kind,
}

/// Lists a directory without following links and without a look at the files themselves. Files that vanish meanwhile are left out.
pub(super) fn list(path: &Path, hidden: bool, visit: &mut dyn FnMut(Entry<'_>)) -> io::Result<()> {
    let mut dir = Dir::new(platform::open_dir(path)?)?;
    while let Some(entry) = dir.read() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") || (!hidden && name.starts_with(b".")) {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => match platform::look(&path.join(OsStr::from_bytes(name)))? {
                Some(found) => found.kind,
                None => continue,
            },
            known => platform::kind(known),
        };
        visit(Entry { name, kind });
    }
    Ok(())
}

impl MailTree {
    pub(super) fn scan_folder(
        &self,
        dir: &FolderDir,
        visit: &mut dyn FnMut(MessageName),
    ) -> Result<ScanEnd, LocalError> {
        let now = self.clock.wall();
        let before = self.stamp_folder(dir)?;
        let listed = Fingerprint::default();
        let (held, problems) = (Vec::new(), Vec::new());
        let mut end = ScanEnd { complete: true, stable: true, stamp: None, listed, held, problems };
        let mut listed = Fingerprint::default();
        for subdir in Subdir::ALL {
            self.scan_subdir(dir, subdir, &mut end, &mut |name, entry| {
                listed.add(subdir, entry);
                visit(name);
            })?;
        }
        let settled = before.is_settled(now);
        end.stable = (settled || self.fingerprint_folder(dir)? == listed) && self.stamp_folder(dir)? == before;
        end.stamp = (settled && end.stable).then_some(before);
        end.listed = listed;
        Ok(end)
    }

    fn scan_subdir(
        &self,
        dir: &FolderDir,
        subdir: Subdir,
        end: &mut ScanEnd,
        visit: &mut dyn FnMut(MessageName, &[u8]),
    ) -> Result<(), LocalError> {
        let path = self.subdir_path(dir, subdir);
        let ScanEnd { complete, held, problems, .. } = end;
        let listed = list(&path, false, &mut |entry| {
            let name = MessageName::parse_bytes(subdir, entry.name);
            let kind = match entry.kind {
                Kind::File => return visit(name, entry.name),
                Kind::Dir => ProblemKind::Directory,
                Kind::Link => ProblemKind::Symlink,
                Kind::Special => ProblemKind::Special,
            };
            problems.push(Problem { dir: dir.clone(), path: path.join(OsStr::from_bytes(entry.name)), kind });
            held.push(name);
        });
        match listed {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                *complete = false;
                problems.push(Problem { dir: dir.clone(), path, kind: ProblemKind::Incomplete });
                Ok(())
            }
            Err(error) => Err(LocalError::io("list", &path, error)),
        }
    }

    /// Lists once more. Where the folder changed within the clock's last tick, its times cannot show that it went on changing.
    pub(super) fn fingerprint_folder(&self, dir: &FolderDir) -> Result<Fingerprint, LocalError> {
        let mut listed = Fingerprint::default();
        for subdir in Subdir::ALL {
            let path = self.subdir_path(dir, subdir);
            let result = list(&path, false, &mut |entry| {
                if entry.kind == Kind::File {
                    listed.add(subdir, entry.name);
                }
            });
            match result {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(LocalError::io("list", &path, error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(listed)
    }

    pub(super) fn stamp_folder(&self, dir: &FolderDir) -> Result<DirStamp, LocalError> {
        let path = self.folder_path(dir);
        let at = |name: &str| look(&path.join(name));
        let stamp = |found: Option<platform::Looked>| found.as_ref().map_or_else(PathStamp::default, PathStamp::of);
        let subdir = |name: &str| Ok(at(name)?.filter(|found| found.kind == Kind::Dir));
        let (cur, new) = (subdir("cur")?, subdir("new")?);
        if cur.is_none() && new.is_none() {
            return Err(match look(&path)? {
                Some(_) => LocalError::NotMaildir { path },
                None => LocalError::FolderGone { path },
            });
        }
        Ok(DirStamp { cur: stamp(cur), new: stamp(new), keywords: stamp(at(KEYWORDS)?) })
    }

    pub(super) fn stat_message(&self, dir: &FolderDir, name: &MessageName) -> Result<Option<FileStat>, LocalError> {
        let path = self.message_path(dir, name);
        match look(&path)? {
            Some(found) if found.kind == Kind::File => Ok(Some(found.stat)),
            Some(_) => Err(LocalError::NotAFile { path }),
            None => Ok(None),
        }
    }
}

/// Tells two listings of a folder apart, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    count: u64,
    sum: u64,
}

impl Fingerprint {
    fn add(&mut self, subdir: Subdir, name: &[u8]) {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (subdir, name).hash(&mut hasher);
        self.count += 1;
        self.sum = self.sum.wrapping_add(hasher.finish());
    }
}

/// Opens a message; `None` when nothing is there.
pub(super) fn open_at(path: &Path) -> Result<Option<File>, LocalError> {
    let not_a_file = || LocalError::NotAFile { path: path.to_owned() };
    match platform::open_file(path) {
        Ok(file) => match platform::stat_file(&file).map_err(|error| LocalError::io("read", path, error))?.kind {
            Kind::File => Ok(Some(file)),
            Kind::Dir | Kind::Link | Kind::Special => Err(not_a_file()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if platform::is_not_openable(&error) => Err(not_a_file()),
        Err(error) => Err(LocalError::io("read", path, error)),
    }
}

/// The digest and length of a file's content; `None` when nothing is there.
pub(super) fn digest_at(path: &Path) -> Result<Option<(Digest, u64)>, LocalError> {
    /// A file that is being rewritten in place gets this many chances to hold still.
    const TRIES: usize = 3;
    let io = |error| LocalError::io("read", path, error);
    for attempt in 1.. {
        let Some(mut file) = open_at(path)? else { return Ok(None) };
        let before = platform::stat_file(&file).map_err(io)?.stat;
        let read = digest_file(&mut file).map_err(io)?;
        if attempt == TRIES || platform::stat_file(&file).map_err(io)?.stat == before {
            return Ok(Some(read));
        }
    }
    Ok(None)
}

fn digest_file(file: &mut File) -> io::Result<(Digest, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut len = 0;
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => return Ok((Digest::of(&hasher), len)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(buffer.get(..count).unwrap_or_default());
        len += count as u64;
    }
}
