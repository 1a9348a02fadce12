//! A small world for tests of the whole engine: an embedded Exchange, a temporary identity, and both sides seen as plain values.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

pub mod clock;
pub mod day;
pub mod others;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use pimsync::exchange::{Mailbox, NewMessage, Options, Personality, Server};
use pimsync::local::MailTree;
use pimsync::plan::{Brake, ConflictPolicy};
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{EwsClient, Settings as EwsSettings};
use pimsync::state::State;
use pimsync::sync::{CutOff, Depth, Engine, Env, Fault, Mode, Report, Request, Settings, Step, SyncError, Unobserved};

pub use clock::TestClock;

pub const USER: &str = "demo@example.org";
pub const ACCOUNT: &str = "demo@example.org";

/// Cuts a run off at its `n`th step, and counts the steps that were passed.
#[derive(Default)]
pub struct CutAt {
    pub at: Option<usize>,
    pub passed: Mutex<Vec<Step>>,
}

impl Fault for CutAt {
    fn at(&self, step: Step) -> Result<(), CutOff> {
        let mut passed = self.passed.lock().unwrap();
        passed.push(step);
        if self.at.is_some_and(|at| passed.len() >= at) { Err(CutOff(step)) } else { Ok(()) }
    }
}

pub struct World {
    pub home: tempfile::TempDir,
    pub server: Server,
    pub mailbox: Mailbox,
    pub clock: Arc<TestClock>,
    pub policy: ConflictPolicy,
    pub next: AtomicU64,
}

/// A message as either side shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// Its Message-ID.
    pub id: String,
    /// Maildir letters; a follow-up that is complete is none.
    pub flags: String,
    pub categories: Vec<String>,
    /// The text that the test gave it.
    pub body: String,
}

pub type Side = BTreeMap<String, Vec<Seen>>;

impl World {
    /// A home in memory where the machine has such a place (Linux): making things durable is what takes the time.
    pub fn home() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
    }

    pub fn new(like: Personality) -> Self {
        Self::new_in(like, Self::home())
    }

    /// A world whose traffic is not recorded for the schema's sake: its server answers nonsense on purpose.
    pub fn unrecorded(like: Personality) -> Self {
        Self::with(like, Self::home(), None)
    }

    pub fn new_in(like: Personality, home: tempfile::TempDir) -> Self {
        Self::with(like, home, trace_folder())
    }

    fn with(like: Personality, home: tempfile::TempDir, record: Option<PathBuf>) -> Self {
        Self::over(Server::start(Options { like, record, ..Options::default() }).unwrap(), home)
    }

    /// A world around a server on which something happened already.
    pub fn over(server: Server, home: tempfile::TempDir) -> Self {
        let mailbox = server.mailbox(USER).unwrap();
        let world = Self {
            home,
            server,
            mailbox,
            clock: Arc::default(),
            policy: ConflictPolicy::KeepBoth,
            next: AtomicU64::new(1),
        };
        fs::create_dir_all(world.database()).unwrap();
        MailTree::create(&world.database(), ACCOUNT, world.clock.clone()).unwrap();
        world
    }

    pub fn database(&self) -> PathBuf {
        self.home.path().join("Database")
    }

    /// `state.db` is gone; its journals need not be there.
    pub fn lose_state(&self) {
        for suffix in ["", "-wal", "-shm"] {
            drop(fs::remove_file(self.database().join(format!("state.db{suffix}"))));
        }
    }

    pub fn account_dir(&self) -> PathBuf {
        self.database().join("Exchange").join(ACCOUNT)
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.advance(seconds);
    }

    pub fn client(&self) -> EwsClient {
        let sign_in = Box::new(Basic::new(USER, "demo".to_owned().into()));
        EwsClient::new(EwsSettings::new(self.server.url(), sign_in, self.clock.clone())).unwrap()
    }

    pub fn engine(&self, fault: Arc<dyn Fault>) -> Engine<EwsClient, MailTree> {
        self.engine_with(fault, State::open(&self.database().join("state.db")).unwrap())
    }

    pub fn engine_with(&self, fault: Arc<dyn Fault>, state: State) -> Engine<EwsClient, MailTree> {
        Engine {
            remote: Arc::new(self.client()),
            local: Arc::new(MailTree::open(&self.database(), ACCOUNT, self.clock.clone()).unwrap()),
            state: Arc::new(state),
            env: Env { clock: self.clock.clone(), fault },
            settings: Settings {
                account: ACCOUNT.to_owned(),
                identity: "0123456789abcdef".to_owned(),
                policy: self.policy,
                folders_at_once: 4,
            },
            observer: Arc::new(Unobserved),
        }
    }

    pub fn try_sync(&self, request: &Request, fault: Arc<dyn Fault>) -> Result<Report, SyncError> {
        let engine = self.engine(fault);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(engine.run(request))
    }

    pub fn sync_with(&self, request: &Request) -> Report {
        self.try_sync(request, Arc::new(CutAt::default())).unwrap()
    }

    pub fn sync(&self) -> Report {
        self.sync_with(&Request::default())
    }

    pub fn dry_run(&self) -> Report {
        let path = self.database().join("state.db");
        let state = if path.exists() { State::copy_in_memory(&path).unwrap() } else { State::in_memory().unwrap() };
        let engine = self.engine_with(Arc::new(CutAt::default()), state);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(engine.run(&Request { mode: Mode::DryRun, ..Request::default() })).unwrap()
    }

    /// A sync after which both sides agree, and after which there is nothing left to do.
    pub fn settle(&self) -> Report {
        let report = self.sync();
        self.assert_settled();
        report
    }

    pub fn assert_settled(&self) {
        self.assert_alike();
        let before = self.remote();
        let dry = self.dry_run();
        assert_eq!(dry.planned, [], "a dry run after a sync plans something");
        let again = self.sync();
        assert!(again.folders.values().all(|tally| tally.is_empty()), "a second sync did something: {again:?}");
        assert_eq!(before, self.remote());
        self.assert_alike();
    }

    pub fn assert_alike(&self) {
        let (remote, local) = (self.remote(), self.local());
        assert_eq!(remote, local, "\nthe sides differ: remote (left), local (right)");
    }

    pub fn full() -> Request {
        Request { depth: Depth::Full, ..Request::default() }
    }

    pub fn allow_deletes() -> Request {
        Request { brake: Brake::Released, ..Request::default() }
    }

    // --- the server's side

    /// A new message's bytes; its Message-ID and body are `name`.
    pub fn mime(name: &str) -> Vec<u8> {
        format!(
            "From: Ada <ada@example.org>\r\nTo: {USER}\r\nSubject: {name}\r\nDate: Tue, 03 Nov 2026 10:00:00 +0000\r\n\
             Message-ID: <{name}@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{name}\r\n"
        )
        .into_bytes()
    }

    pub fn mime_with(name: &str, body: &str) -> Vec<u8> {
        String::from_utf8(Self::mime(name))
            .unwrap()
            .replace(&format!("\r\n\r\n{name}\r\n"), &format!("\r\n\r\n{body}\r\n"))
            .into_bytes()
    }

    pub fn arrive(&self, folder: &str, name: &str) -> String {
        self.arrive_as(folder, name, NewMessage::default())
    }

    pub fn arrive_as(&self, folder: &str, name: &str, message: NewMessage<'_>) -> String {
        let mime = Self::mime(name);
        self.mailbox.add_message(folder, NewMessage { mime: &mime, ..message }).unwrap()
    }

    /// The id of the message of that name, wherever it lies.
    pub fn id(&self, name: &str) -> String {
        self.find(name).unwrap_or_else(|| panic!("{name} is not on the server")).0
    }

    pub fn find(&self, name: &str) -> Option<(String, String)> {
        let wanted = format!("<{name}@example.org>");
        for folder in self.mail_folders() {
            for item in self.mailbox.items(&folder.0).unwrap() {
                if item.message_id.as_deref() == Some(&wanted) {
                    return Some((item.id, folder.1));
                }
            }
        }
        None
    }

    /// Ids and paths of the folders that are mirrored.
    pub fn mail_folders(&self) -> Vec<(String, String)> {
        let folders = self.mailbox.folders().unwrap();
        folders
            .into_iter()
            .filter(|folder| {
                !folder.path.is_empty() && (folder.class.is_empty() || folder.class.starts_with("IPF.Note"))
            })
            .map(|folder| (folder.id, folder.path))
            .collect()
    }

    pub fn remote(&self) -> Side {
        let mut side = Side::new();
        for (id, path) in self.mail_folders() {
            let mut seen: Vec<Seen> = self
                .mailbox
                .items(&id)
                .unwrap()
                .into_iter()
                .filter(|item| item.class.starts_with("IPM.Note"))
                .map(|item| {
                    let verb = item.last_verb.unwrap_or(0);
                    let letters = [
                        ("D", item.draft),
                        ("F", item.flag == pimsync::exchange::Flag::Flagged),
                        ("P", verb == 104),
                        ("R", verb == 102 || verb == 103),
                        ("S", item.read),
                    ];
                    let mut categories = item.categories;
                    categories.sort();
                    Seen {
                        id: item.message_id.unwrap_or_default().trim_matches(['<', '>']).to_owned(),
                        flags: letters.iter().filter(|(_, set)| *set).map(|(letter, _)| *letter).collect(),
                        categories,
                        body: body_of(&item.mime),
                    }
                })
                .collect();
            seen.sort();
            side.insert(path, seen);
        }
        side
    }

    // --- the local side

    pub fn local(&self) -> Side {
        let mut side = Side::new();
        self.collect(&self.account_dir(), "", &mut side);
        side
    }

    fn collect(&self, dir: &Path, path: &str, side: &mut Side) {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if !entry.file_type().unwrap().is_dir()
                || ["cur", "new", "tmp"].contains(&name.as_str())
                || name.starts_with('.')
            {
                continue;
            }
            let true_name = pimsync::local::foldername::decode(&name);
            let child = if path.is_empty() { true_name } else { format!("{path}/{true_name}") };
            if entry.path().join("cur").is_dir() {
                side.insert(child.clone(), self.maildir(&entry.path()));
            }
            self.collect(&entry.path(), &child, side);
        }
    }

    fn maildir(&self, dir: &Path) -> Vec<Seen> {
        let keywords = fs::read_to_string(dir.join("dovecot-keywords")).unwrap_or_default();
        let names: BTreeMap<char, String> = keywords
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(number, name)| (char::from(b'a' + number.parse::<u8>().unwrap()), name.replace('_', " ")))
            .collect();
        let mut seen = Vec::new();
        for path in files(dir) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let info = name.split_once(":2,").map_or("", |(_, info)| info);
            let bytes = fs::read(&path).unwrap();
            let mut categories: Vec<String> = info.chars().filter_map(|letter| names.get(&letter).cloned()).collect();
            categories.sort();
            let mut flags: Vec<char> =
                info.chars().filter(|letter| letter.is_ascii_uppercase() && *letter != 'T').collect();
            // Two verbs are one on the server; tests that set both look at the letters themselves.
            flags.sort_unstable();
            seen.push(Seen {
                id: header(&bytes, "message-id").trim_matches(['<', '>']).to_owned(),
                flags: flags.into_iter().collect(),
                categories,
                body: body_of(&bytes),
            });
        }
        seen.sort();
        seen
    }

    /// The file of the message of that name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.find_file(name).unwrap_or_else(|| panic!("{name} is not here: {:?}", self.local()))
    }

    pub fn find_file(&self, name: &str) -> Option<PathBuf> {
        let wanted = format!("<{name}@example.org>");
        all_files(&self.account_dir()).into_iter().find(|path| header(&fs::read(path).unwrap(), "message-id") == wanted)
    }

    /// Puts a new message into a folder, as a mail program does.
    pub fn put(&self, folder: &str, name: &str, info: &str) -> PathBuf {
        self.put_bytes(folder, &Self::mime(name), info)
    }

    pub fn put_bytes(&self, folder: &str, bytes: &[u8], info: &str) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let sub = if info.is_empty() { "new" } else { "cur" };
        let path = self.account_dir().join(folder).join(sub).join(format!("1800000000.M{number}.host{info}"));
        fs::write(&path, bytes).unwrap();
        path
    }

    pub fn mkdir(&self, folder: &str) {
        for sub in ["cur", "new", "tmp"] {
            fs::create_dir_all(self.account_dir().join(folder).join(sub)).unwrap();
        }
    }

    /// Sets the letters of a message's file, as a mail program does.
    pub fn flag(&self, name: &str, letters: &str) -> PathBuf {
        let path = self.file(name);
        let file = path.file_name().unwrap().to_str().unwrap();
        let key = file.split(':').next().unwrap();
        let folder = path.parent().unwrap().parent().unwrap();
        let target = folder.join("cur").join(format!("{key}:2,{letters}"));
        fs::rename(&path, &target).unwrap();
        target
    }

    /// Moves a message's file to another folder under a new name, as neomutt does.
    pub fn shift(&self, name: &str, folder: &str) -> PathBuf {
        let path = self.file(name);
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let file = path.file_name().unwrap().to_str().unwrap();
        let info = file.split_once(':').map_or(String::new(), |(_, info)| format!(":{info}"));
        let sub = path.parent().unwrap().file_name().unwrap();
        let target = self.account_dir().join(folder).join(sub).join(format!("1800000000.R{number}.host{info}"));
        fs::rename(&path, &target).unwrap();
        target
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap();
    }

    /// What `state.db` notes as not to be brought over for now.
    pub fn troubles(&self) -> Vec<String> {
        let state = State::open(&self.database().join("state.db")).unwrap();
        let account = state.read(|state| state.account(ACCOUNT)).unwrap().unwrap();
        let troubles = state.read(|state| state.troubles(account.key)).unwrap();
        troubles.into_iter().map(|trouble| format!("{:?}: {}", trouble.subject, trouble.code)).collect()
    }

    /// What `state.db` notes as being on the server only.
    pub fn only_there(&self) -> Vec<String> {
        let state = State::open(&self.database().join("state.db")).unwrap();
        let account = state.read(|state| state.account(ACCOUNT)).unwrap().unwrap();
        let folders = state.read(|state| state.folders(account.key)).unwrap();
        let rows = state.read(|state| state.only_there(account.key)).unwrap();
        let folder = |key| folders.iter().find(|folder| folder.key == key).and_then(|folder| folder.dir.clone());
        rows.into_iter().map(|row| format!("{}: {}{}", folder(row.folder).unwrap(), row.class, row.name)).collect()
    }

    /// The conflict copies' bodies.
    pub fn conflicts(&self) -> Vec<String> {
        let dir = self.database().join("On My Computer").join("Conflicts");
        let mut bodies: Vec<String> = files(&dir).iter().map(|path| body_of(&fs::read(path).unwrap())).collect();
        bodies.sort();
        bodies
    }
}

pub fn trace_folder() -> Option<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let folder = PathBuf::from(std::env::var_os("PIMSYNC_TEST_TRACE")?);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let folder = folder.join(format!("{since}-{}", NUMBER.fetch_add(1, Ordering::SeqCst)));
    fs::create_dir_all(&folder).unwrap();
    Some(folder)
}

pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for sub in ["cur", "new"] {
        if let Ok(entries) = fs::read_dir(dir.join(sub)) {
            let shown =
                |path: &PathBuf| path.is_file() && !path.file_name().unwrap().to_string_lossy().starts_with('.');
            files.extend(entries.map(|entry| entry.unwrap().path()).filter(shown));
        }
    }
    files
}

pub fn all_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = files(dir);
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if entry.file_type().unwrap().is_dir() && !["cur", "new", "tmp"].iter().any(|sub| name == *sub) {
            found.extend(all_files(&entry.path()));
        }
    }
    found
}

pub fn header(bytes: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines()
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)))
        .map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

/// The text of a message, without what a server does to its form.
pub fn body_of(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let body = text.split_once("\n\n").map_or("", |(_, body)| body);
    let plain: Vec<&str> = body
        .lines()
        .filter(|line| !line.starts_with("--") && !line.to_ascii_lowercase().starts_with("content-"))
        .filter(|line| !line.trim().is_empty())
        .collect();
    plain.first().copied().unwrap_or_default().trim_end_matches('=').to_owned()
}
