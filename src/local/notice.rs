//! Notices changes in an account's directory as they are made: inotify on Linux, FSEvents on macOS.
//!
//! What is noticed only says where to look. Where it cannot be relied on, the regular check finds what changed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecursiveMode, Watcher as _};

/// What was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// Something changed at these paths below the account's directory. What is not a message yet is left out.
    Changed(BTreeSet<PathBuf>),
    /// More changed than could be told.
    Overflow,
}

/// Why changes are not noticed as they are made.
#[derive(Debug, thiserror::Error)]
pub enum Unnoticed {
    /// What other machines change there is not told.
    #[error("{} lies on a network file system ({kind}), which does not tell what changes", path.display())]
    Network {
        /// The directory.
        path: PathBuf,
        /// The sort of file system.
        kind: &'static str,
    },
    /// The system watches no more directories.
    #[error(
        "the system's limit of watched directories is reached (on Linux, raise fs.inotify.max_user_watches or max_user_instances)"
    )]
    Limit,
    /// The system refused.
    #[error("changes in {} cannot be noticed: {reason}", path.display())]
    Refused {
        /// The directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Notices changes as long as it lives.
#[derive(Debug)]
pub struct ChangeNotice {
    _watcher: notify::RecommendedWatcher,
}

impl ChangeNotice {
    /// Begins to notice what changes below an account's directory. `tell` is called on a thread of its own.
    ///
    /// # Errors
    /// Why that is not possible here.
    pub fn begin(account: &Path, tell: impl Fn(Noticed) + Send + 'static) -> Result<Self, Unnoticed> {
        let refused = |reason: String| Unnoticed::Refused { path: account.to_owned(), reason };
        if let Some(kind) = network_kind(account).map_err(|error| refused(error.to_string()))? {
            return Err(Unnoticed::Network { path: account.to_owned(), kind });
        }
        // FSEvents tells whole paths, without links.
        let root = account.canonicalize().map_err(|error| refused(error.to_string()))?;
        let failed = |error: notify::Error| match error.kind {
            notify::ErrorKind::MaxFilesWatch => Unnoticed::Limit,
            _ => refused(error.to_string()),
        };
        let top = root.clone();
        let hear = move |event: notify::Result<Event>| match event {
            Ok(event) if event.need_rescan() => tell(Noticed::Overflow),
            Ok(event) if changes_something(event.kind) => {
                let below = event.paths.iter().filter_map(|path| path.strip_prefix(&top).ok());
                let paths: BTreeSet<PathBuf> =
                    below.filter(|path| !places_of(path).is_empty()).map(Path::to_owned).collect();
                if !paths.is_empty() {
                    tell(Noticed::Changed(paths));
                }
            }
            Ok(_) => {}
            Err(_) => tell(Noticed::Overflow),
        };
        let mut watcher = notify::recommended_watcher(hear).map_err(failed)?;
        watcher.watch(&root, RecursiveMode::Recursive).map_err(failed)?;
        Ok(Self { _watcher: watcher })
    }
}

/// Reading is told, too; our own checks would wake us up for ever.
fn changes_something(kind: EventKind) -> bool {
    match kind {
        EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) => true,
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) | EventKind::Any | EventKind::Other => false,
    }
}

/// The parts of a path below an account's directory; `None` where one of them is no text.
pub(crate) fn names_in(below: &Path) -> Option<Vec<&str>> {
    let name = |component| match component {
        Component::Normal(name) => OsStr::to_str(name),
        _ => None,
    };
    below.components().map(name).collect()
}

/// The folders that a path below an account's directory could be about: the Maildir that it is a message of; else itself, should it be a folder, and what
/// it lies in. Nothing for what is not a message yet.
pub fn places_of(below: &Path) -> Vec<String> {
    let Some(names) = names_in(below) else { return Vec::new() };
    let of = |names: &[&str]| (!names.is_empty()).then(|| names.join("/"));
    match names.as_slice() {
        [.., "tmp"] | [.., "tmp", _] => Vec::new(),
        [folder @ .., "cur" | "new"] | [folder @ .., "cur" | "new", _] => of(folder).into_iter().collect(),
        [folder @ .., _] => of(&names).into_iter().chain(of(folder)).collect(),
        [] => Vec::new(),
    }
}

/// The network file system that a path lies on, if it does.
#[cfg(target_os = "linux")]
pub(crate) fn network_kind(path: &Path) -> std::io::Result<Option<&'static str>> {
    let magic = rustix::fs::statfs(path)?.f_type;
    // The numbers of statfs(2); the width of the field differs between machines.
    Ok(match u32::try_from(i128::from(magic) & 0xffff_ffff).unwrap_or(0) {
        0x6969 => Some("NFS"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => Some("SMB"),
        0x0102_1997 => Some("9P"),
        0x00c3_6400 => Some("Ceph"),
        0x5346_414f => Some("AFS"),
        0x6573_5546 => Some("FUSE"),
        _ => None,
    })
}

/// The network file system that a path lies on, if it does.
#[cfg(not(target_os = "linux"))]
pub(crate) fn network_kind(_path: &Path) -> std::io::Result<Option<&'static str>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_path_tells_its_folder() {
        let places = |path: &str| places_of(Path::new(path));
        assert_eq!(places("Inbox/Projects/cur/1.host:2,S"), ["Inbox/Projects"]);
        assert_eq!(places("Inbox/new"), ["Inbox"]);
        assert_eq!(places("Inbox/dovecot-keywords"), ["Inbox/dovecot-keywords", "Inbox"]);
        assert_eq!(places("Contacts/x.vcf"), ["Contacts/x.vcf", "Contacts"]);
        assert_eq!(places("New"), ["New"]);
        for none in ["", "Inbox/tmp/1.host", "Inbox/tmp", "cur"] {
            assert!(places(none).is_empty(), "{none}");
        }
        assert!(places_of(Path::new("/b/Inbox/cur/1")).is_empty());
    }

    #[test]
    fn a_new_message_is_noticed_and_reading_is_not() {
        let root = tempfile::tempdir().unwrap();
        let cur = root.path().join("Inbox/cur");
        std::fs::create_dir_all(&cur).unwrap();
        std::fs::write(cur.join("old"), "old").unwrap();
        let (tell, told) = mpsc::channel();
        let _notice = ChangeNotice::begin(root.path(), move |noticed| tell.send(noticed).unwrap()).unwrap();
        std::fs::read(cur.join("old")).unwrap();
        std::fs::read_dir(&cur).unwrap().for_each(drop);
        std::fs::write(root.path().join("Inbox/displayname"), "Inbox").unwrap();
        let first = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(first, Noticed::Changed(BTreeSet::from(["Inbox/displayname".into()])));
        std::fs::write(cur.join("new:2,"), "new").unwrap();
        let is_inbox = |noticed: Noticed| noticed == Noticed::Changed(BTreeSet::from(["Inbox/cur/new:2,".into()]));
        assert!(told.iter().any(is_inbox));
    }

    #[test]
    fn a_directory_that_is_not_there_is_told() {
        let root = tempfile::tempdir().unwrap();
        let error = ChangeNotice::begin(&root.path().join("missing"), drop).unwrap_err();
        assert!(matches!(error, Unnoticed::Refused { .. }), "{error}");
    }
}
