//! A machine for whole runs of the binary: a home of its own, and an Exchange server to talk to.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use assert_cmd::Command;
use pimsync::exchange::{List, Mailbox, NewMessage, Options, Server, User, Way};
use serde_json::Value;

pub const ANNA: &str = "anna@example.org";
/// Long and odd, so that it is found wherever it should not be.
pub const PASSWORD: &str = "Sesame-4711-öffne-dich";

/// A program without a mailbox, which may act as the owner of any.
pub const PROGRAM: &str = "program@example.org";

pub struct Machine {
    pub home: tempfile::TempDir,
    pub server: Server,
    pub mailbox: Mailbox,
}

/// All files and directories below one, with what can be told of them.
pub type Tree = BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>;

/// What a run gave back.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }

    #[track_caller]
    pub fn expect_err(self, words: &str) -> Self {
        assert!(self.err.contains(words), "{words:?} is not in: {}", self.err);
        self
    }

    #[track_caller]
    pub fn expect_out(self, words: &str) -> Self {
        assert!(self.out.contains(words), "{words:?} is not in: {}", self.out);
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("the program was killed"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Machine {
    pub fn new() -> Self {
        Self::offering(&[Way::Basic])
    }

    /// A machine and a server that lets people sign in these ways.
    pub fn offering(ways: &[Way]) -> Self {
        let user = |name: &str| User { address: name.to_owned(), password: PASSWORD.to_owned() };
        let record = trace_folder();
        let users = vec![user(ANNA), user("ben@example.org")];
        let (ways, impersonators) = (ways.to_vec(), vec![PROGRAM.to_owned()]);
        let options = Options { users, lists: List::samples(), record, ways, impersonators, ..Options::default() };
        let server = Server::start(options).unwrap();
        let mailbox = server.mailbox(ANNA).unwrap();
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("password"), format!("{PASSWORD}\nanother line\n")).unwrap();
        Self { home, server, mailbox }
    }

    /// A machine with Anna's account, not synchronized yet.
    pub fn set_up() -> Self {
        let machine = Self::new();
        machine.run(&machine.setup_arguments()).expect_code(0);
        machine
    }

    /// A machine whose mailbox has so many messages in the Inbox, all synchronized.
    pub fn with_messages(count: usize) -> Self {
        let machine = Self::set_up();
        for number in 0..count {
            machine.arrive("Inbox", &format!("message-{number}"));
        }
        machine.run(&["sync"]).expect_code(0);
        machine
    }

    pub fn setup_arguments(&self) -> Vec<String> {
        let password = self.home.path().join("password").display().to_string();
        ["setup", ANNA, "--server", &self.server.url(), "--password-file", &password, "--non-interactive", "--no-sync"]
            .map(str::to_owned)
            .to_vec()
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pimsync"));
        command
            .env("HOME", self.home.path())
            .env("PIMSYNC_ROOT", self.root())
            .env_remove("XDG_DATA_HOME")
            .env("RUST_BACKTRACE", "0")
            .env("TZ", "UTC")
            .current_dir(self.home.path());
        command
    }

    #[track_caller]
    pub fn run<S: AsRef<str>>(&self, arguments: &[S]) -> Ran {
        self.command().args(arguments.iter().map(AsRef::as_ref)).output().unwrap().into()
    }

    #[track_caller]
    pub fn json<S: AsRef<str>>(&self, arguments: &[S], code: i32) -> Value {
        let mut command = self.command();
        let ran: Ran = command.args(arguments.iter().map(AsRef::as_ref)).arg("--json").output().unwrap().into();
        let ran = ran.expect_code(code);
        let json = ran.json();
        assert_eq!(json["exit_code"], code);
        assert_eq!(json["schema"], 1);
        json
    }

    pub fn root(&self) -> PathBuf {
        self.home.path().join("root")
    }

    pub fn identity(&self) -> PathBuf {
        self.root().join("Identities/Main")
    }

    pub fn database(&self) -> PathBuf {
        self.identity().join("Database")
    }

    pub fn config(&self) -> PathBuf {
        self.database().join("identity.toml")
    }

    /// The directory of one of Anna's folders.
    pub fn folder(&self, path: &str) -> PathBuf {
        self.database().join("Exchange").join(ANNA).join(path)
    }

    /// The files of the messages in one of Anna's folders.
    pub fn messages(&self, folder: &str) -> Vec<PathBuf> {
        messages_in(&self.folder(folder))
    }

    /// A new message on the server; answers its id.
    pub fn arrive(&self, folder: &str, name: &str) -> String {
        let mime = mime(name);
        self.mailbox.add_message(folder, NewMessage { mime: mime.as_bytes(), ..NewMessage::default() }).unwrap()
    }

    /// A new message here, as a mail program delivers it.
    pub fn deliver(&self, folder: &str, name: &str) -> PathBuf {
        let path = self.folder(folder).join("cur").join(format!("{name}:2,S"));
        fs::write(&path, mime(name).replace("\r\n", "\n")).unwrap();
        path
    }

    /// The subjects of a folder's messages on the server, sorted.
    pub fn subjects(&self, folder: &str) -> Vec<String> {
        let mut subjects: Vec<String> =
            self.mailbox.items(folder).unwrap().into_iter().map(|item| item.subject).collect();
        subjects.sort();
        subjects
    }

    /// Where the next tree of traces goes.
    pub fn trace(&self) -> PathBuf {
        self.home.path().join("trace")
    }
}

pub fn messages_in(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ["cur", "new"]
        .iter()
        .flat_map(|part| fs::read_dir(dir.join(part)).unwrap().map(|entry| entry.unwrap().path()))
        .collect();
    files.sort();
    files
}

pub fn mime(name: &str) -> String {
    format!(
        "From: Ada <ada@example.org>\r\nTo: {ANNA}\r\nSubject: {name}\r\nDate: Tue, 03 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <{name}@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{name}\r\n"
    )
}

/// Every file and directory below `dir`: mode, time of change, inode (not of directories, which the reading of SQLite may touch) and
/// content.
pub fn tree(dir: &Path) -> Tree {
    let mut tree = Tree::new();
    collect(dir, dir, &mut tree);
    tree
}

fn collect(top: &Path, dir: &Path, tree: &mut Tree) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(top).unwrap().to_owned();
        let mode = meta.permissions().mode() & 0o7777;
        if meta.is_dir() {
            tree.insert(name, (mode, 0, 0, Vec::new()));
            collect(top, &path, tree);
        } else {
            let time = meta.mtime() * 1_000_000_000 + meta.mtime_nsec();
            tree.insert(name, (mode, time, i64::try_from(meta.ino()).unwrap(), fs::read(&path).unwrap()));
        }
    }
}

/// A folder of its own for what this server hears and says, where CI wants to validate it.
fn trace_folder() -> Option<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let folder = PathBuf::from(std::env::var_os("PIMSYNC_TEST_TRACE")?);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let folder = folder.join(format!("{since}-cli-{}", NUMBER.fetch_add(1, Ordering::SeqCst)));
    fs::create_dir_all(&folder).unwrap();
    Some(folder)
}
