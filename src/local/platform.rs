//! What differs between systems: making things durable, renaming without overwriting, looking without following links.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::{DirId, FileStat};

/// More files than this are made durable by one `syncfs` instead of an `fsync` each.
///
/// Measured on ext4 with 8 KB files: an fsync each, 1,100 files/s; one syncfs for 500, 5,600/s. One syncfs also writes what
/// other programs left unwritten on the same disk, so a handful of files is not worth it.
#[cfg(target_os = "linux")]
const FSYNC_AT_MOST: usize = 16;

/// What something in the tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Dir,
    Link,
    Special,
}

/// What `lstat` tells, as far as it matters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looked {
    pub(crate) kind: Kind,
    pub(crate) stat: FileStat,
    pub(crate) id: DirId,
    pub(crate) ctime_ns: i64,
}

/// Looks at a path without following a link; `None` when nothing is there.
pub(crate) fn look(path: &Path) -> io::Result<Option<Looked>> {
    match fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(looked(&stat))),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Looks at an open file.
pub(crate) fn stat_file(file: &File) -> io::Result<Looked> {
    Ok(looked(&fs::fstat(file)?))
}

fn looked(stat: &Stat) -> Looked {
    let (mtime_ns, ctime_ns) =
        (nanos(stat.st_mtime.into(), stat.st_mtime_nsec), nanos(stat.st_ctime.into(), stat.st_ctime_nsec));
    Looked {
        kind: kind(FileType::from_raw_mode(stat.st_mode)),
        stat: FileStat { len: u64::try_from(stat.st_size).unwrap_or(0), mtime_ns, ino: stat.st_ino },
        #[allow(clippy::unnecessary_cast, reason = "signed and 32 bits wide on macOS")]
        id: DirId { dev: stat.st_dev as u64, ino: stat.st_ino },
        ctime_ns,
    }
}

fn nanos(seconds: i128, nanos: impl TryInto<i64>) -> i64 {
    let total = seconds * 1_000_000_000 + i128::from(nanos.try_into().unwrap_or(0));
    i64::try_from(total).unwrap_or(if total < 0 { i64::MIN } else { i64::MAX })
}

pub(crate) fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Link,
        _ => Kind::Special,
    }
}

/// Opens a directory for listing or syncing; a link in its place is an error.
pub(crate) fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    Ok(fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens a file for reading. Neither follows a link nor waits for a pipe's writer; what it is must be looked at afterwards.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(fs::open(path, flags, Mode::empty())?))
}

/// Whether the error of [`open_file`] means that a link or a socket is there.
pub(crate) fn is_not_openable(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::NXIO | Errno::OPNOTSUPP | Errno::MLINK))
}

/// Whether the error means that the path is longer than the system can use.
pub(crate) fn is_too_long(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::NAMETOOLONG)
}

/// Creates a file for its owner alone, whatever the umask; it must not exist.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    let mode = Mode::RUSR | Mode::WUSR;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::open(path, flags, mode)?;
    fs::fchmod(&file, mode)?;
    Ok(File::from(file))
}

/// Empties the file and goes back to its start.
pub(crate) fn truncate(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    io::Seek::rewind(file)
}

/// Creates a directory for its owner alone, whatever the umask. Returns whether it was made; one that is there is left as it is.
pub(crate) fn create_dir(path: &Path) -> io::Result<bool> {
    match fs::mkdir(path, Mode::RWXU) {
        Ok(()) => fs::chmod(path, Mode::RWXU).map(|()| true).map_err(io::Error::from),
        Err(Errno::EXIST) => match look(path)? {
            Some(found) if found.kind == Kind::Dir => Ok(false),
            _ => Err(Errno::EXIST.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Renames without ever overwriting: the error is `AlreadyExists` then.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => rename_new_by_link(from, to),
        done => done.map_err(io::Error::from),
    }
}

/// For file systems that cannot rename without overwriting (NFS, some FUSE ones). A directory cannot be linked, but a rename
/// never replaces one that holds anything.
fn rename_new_by_link(from: &Path, to: &Path) -> io::Result<()> {
    match look(from)? {
        Some(found) if found.kind == Kind::Dir => {
            if look(to)?.is_some() {
                return Err(Errno::EXIST.into());
            }
            std::fs::rename(from, to)
        }
        Some(_) => match std::fs::hard_link(from, to) {
            Ok(()) => std::fs::remove_file(from),
            // No links either (FAT): the look just before is the best there is.
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied || error.kind() == io::ErrorKind::Unsupported =>
            {
                if look(to)?.is_some() {
                    return Err(Errno::EXIST.into());
                }
                std::fs::rename(from, to)
            }
            Err(error) => Err(error),
        },
        None => Err(Errno::NOENT.into()),
    }
}

/// Lets two files change places at once. `Ok(false)` where the file system cannot.
pub(crate) fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    match fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Makes one file's data, or one directory's entries, durable.
pub(crate) fn sync(file: &impl std::os::fd::AsFd) -> io::Result<()> {
    #[cfg(target_vendor = "apple")]
    {
        // fsync only reaches the drive's cache there.
        match fs::fcntl_fullfsync(file) {
            Err(Errno::NOTSUP | Errno::INVAL) => {}
            done => return done.map_err(io::Error::from),
        }
    }
    match fs::fsync(file) {
        // Some network file systems cannot sync a directory, and need not.
        Err(Errno::INVAL) => Ok(()),
        done => done.map_err(io::Error::from),
    }
}

/// Makes a directory's entries durable; one that is gone needs nothing.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    match open_dir(path) {
        Ok(dir) => sync(&dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes everything on the file system of a directory durable.
pub(crate) fn sync_everything(within: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return Ok(fs::syncfs(open_dir(within)?)?);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = within;
        fs::sync();
        Ok(())
    }
}

/// Lets the system begin to write a part of a file to the disk, so that less is left to do when it is to be durable. What is written need not stay in
/// memory: nobody reads it soon.
pub(crate) fn begin_to_write(file: &File, from: u64, bytes: u64) {
    #[cfg(target_os = "linux")]
    if let Some(bytes) = std::num::NonZeroU64::new(bytes) {
        // It is no more than advice.
        let _ = fs::fadvise(file, from, Some(bytes), fs::Advice::DontNeed);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, from, bytes);
}

/// Makes the data of many files of one file system durable, or the entries of many directories. `paths` that are gone need nothing.
pub(crate) fn sync_all(paths: &[&Path], within: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if paths.len() > FSYNC_AT_MOST {
        return Ok(fs::syncfs(open_dir(within)?)?);
    }
    let _ = within;
    paths.iter().try_for_each(|path| match open_file(path) {
        Ok(file) => sync(&file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    })
}
