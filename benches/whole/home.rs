//! An identity for the program.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pimsync::exchange::Server;

use super::mailbox::{PASSWORD, USER};
use super::measure::{Cost, measure};

/// An identity that is set up with one account.
pub struct Home {
    root: tempfile::TempDir,
}

/// A directory on the disk that holds the target directory.
pub fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// What is removed when a comparison is over: file systems take their time over making files where many were deleted just before.
#[derive(Default)]
pub struct Rubbish(RefCell<Vec<tempfile::TempDir>>);

impl Rubbish {
    pub fn put(&self, directory: tempfile::TempDir) {
        self.0.borrow_mut().push(directory);
    }
}

impl Home {
    pub fn set_up(server: &Server) -> Self {
        let home = Self { root: directory() };
        let secret = home.root.path().join("password");
        fs::write(&secret, PASSWORD).unwrap();
        let status = home
            .command(&["setup", USER, "--server", &server.url(), "--non-interactive", "--no-sync", "--password-file"])
            .arg(&secret)
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
        home
    }

    /// Gives the directory away.
    pub fn into_directory(self) -> tempfile::TempDir {
        self.root
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pimsync"));
        command.args(arguments).env("PIMSYNC_ROOT", self.root.path().join("root"));
        command
    }

    /// A measured run.
    pub fn sync(&self) -> Cost {
        measure(&self.command(&["sync"]))
    }

    /// A measured run of anything.
    pub fn run(&self, arguments: &[&str]) -> Cost {
        measure(&self.command(arguments))
    }

    /// A directory of On My Computer.
    pub fn only_here(&self, path: &str) -> PathBuf {
        self.database().join("On My Computer").join(path)
    }

    pub fn database(&self) -> PathBuf {
        let identities = fs::read_dir(self.root.path().join("root/Identities")).unwrap();
        let mut found = identities.map(|entry| entry.unwrap().path().join("Database")).filter(|path| path.is_dir());
        found.next().unwrap()
    }

    /// The account's directory.
    pub fn account(&self) -> PathBuf {
        self.database().join("Exchange").join(USER)
    }

    /// The bytes of state.db and what belongs to it.
    pub fn state_bytes(&self) -> u64 {
        let length = |name: &str| fs::metadata(self.database().join(name)).map_or(0, |data| data.len());
        length("state.db") + length("state.db-wal")
    }

    /// How many messages lie in the account's directory.
    pub fn messages(&self) -> usize {
        files(&self.account()).len()
    }
}

/// The messages below a directory.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let is_mail = dir.file_name().is_some_and(|name| name == "cur" || name == "new");
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else if is_mail {
            found.push(entry.path());
        }
    }
    found
}

/// A measured run of the bare client.
pub fn bare(work: &str, server: &str, dir: &Path) -> Cost {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["bare", work, server]).arg(dir);
    measure(&command)
}
