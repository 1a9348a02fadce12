//! The way in to a running `watch`: a socket in the identity, over which `pimsync sync` hands it work and `pimsync status` asks how it stands.
//!
//! One line of JSON goes in, lines of JSON come out. Only the identity's owner can knock: the socket lies in a directory of theirs, is theirs
//! alone, and both ends look at who the other is.

mod host;
mod visit;

use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use host::{Host, Room};
pub(in crate::cli) use visit::{nudge, standing, sync};

use crate::pim::UnixTime;

/// The longest line that is read.
const LONGEST_LINE: u64 = 64 << 20;
/// A socket's path has no room for more bytes: 104 on macOS, 108 on Linux, with a zero at the end.
const LONGEST_PATH: usize = 103;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
enum Question {
    /// How it stands.
    Status,
    /// That the sides are brought in step now.
    Sync(Wish),
}

/// The arguments of `pimsync sync`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::cli) struct Wish {
    pub(in crate::cli) account: Option<String>,
    pub(in crate::cli) folders: Vec<String>,
    pub(in crate::cli) dry_run: bool,
    pub(in crate::cli) allow_deletes: bool,
    pub(in crate::cli) full: bool,
    /// How the result is worded.
    pub(in crate::cli) quiet: bool,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
enum Answer {
    /// The work goes on.
    Progress { account: String, progress: Passed },
    /// It is done.
    Done(Relayed),
    /// How it stands.
    Standing { accounts: Vec<WatchedAccount> },
}

/// Progress, as it is passed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Passed {
    FolderBegun { folder: String, expected: u64 },
    FolderDone { folder: String },
    Bytes(u64),
    Messages(u64),
    UploadsAhead(u64),
}

/// The result of a sync that another process did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Relayed {
    code: u8,
    /// What is told on standard error.
    complaints: Vec<String>,
    /// The results for programs, and for people.
    body: Value,
    text: String,
}

/// How an account stands that is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct WatchedAccount {
    pub(in crate::cli) account: String,
    /// Since when all goes well, in seconds since 1970; none while it does not.
    pub(in crate::cli) connected_since: Option<i64>,
    pub(in crate::cli) next_check: Option<i64>,
    /// Whether it is being synchronized.
    pub(in crate::cli) busy: bool,
    /// Folders with local changes, and when these go out.
    pub(in crate::cli) pending: Vec<(String, i64)>,
    /// How changes on the server are learned of; none until that is known.
    #[serde(default)]
    pub(in crate::cli) heard: Option<HeardHow>,
}

/// How changes on the server are learned of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) enum HeardHow {
    /// The server tells at once.
    Streaming,
    /// The server tells when it is asked, every few seconds.
    Pull,
    /// By the checks alone.
    Checks,
}

fn socket(home: &Path) -> PathBuf {
    home.join("watch.sock")
}

/// Whether a socket lies there, and not something else, such as a link to one.
fn is_socket(path: &Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) => Ok(meta.file_type().is_socket()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A path to the socket that is short enough. Where the identity's own is too long, one through the open directory is taken, as long as that is
/// open.
fn short_path(home: &Path) -> io::Result<(PathBuf, Option<std::fs::File>)> {
    let path = socket(home);
    if path.as_os_str().len() <= LONGEST_PATH {
        return Ok((path, None));
    }
    if !cfg!(target_os = "linux") {
        return Err(io::Error::new(io::ErrorKind::InvalidFilename, "the identity's path is too long for a socket"));
    }
    let directory = rustix::fs::OFlags::DIRECTORY.bits().cast_signed();
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(directory).open(home)?;
    let number = std::os::fd::AsRawFd::as_raw_fd(&opened);
    Ok((Path::new(&format!("/proc/self/fd/{number}")).join("watch.sock"), Some(opened)))
}

/// Whether the other end is the same person.
fn is_ours(stream: &tokio::net::UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == rustix::process::geteuid().as_raw())
}

fn seconds(time: UnixTime) -> i64 {
    time.0
}
