//! What the tests of the remote side share: a server, a client of it, and clocks that nobody waits for.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use pimsync::exchange::{List, Mailbox, NewMessage, Options, Personality, Server};
use pimsync::pim::{FolderId, FolderKey, ItemId, ItemKey, Marks, ServerMarks, Tag, UnixTime};
use pimsync::plan::ending::{Emptied, Ending, end_folders};
use pimsync::plan::proof::{FolderRemoval, MessageRemoval};
use pimsync::plan::{Base, Brake, Case, ConflictPolicy, Evidence, Op, Seen, Side, plan};
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{EwsClient, Settings};
use pimsync::remote::{BodySink, BodySource, ChangePage, ItemChange, PerItem, RemoteRead, Upload, Versioned};

pub(crate) use crate::clock::TestClock;

/// A server with an empty mailbox, and a client of it.
pub(crate) struct House {
    pub(crate) like: Personality,
    pub(crate) server: Server,
    pub(crate) mailbox: Mailbox,
    pub(crate) client: EwsClient,
    pub(crate) clock: Arc<TestClock>,
}

pub(crate) fn settings(server: &Server, clock: &Arc<TestClock>) -> Settings {
    let sign_in = Box::new(Basic::new("demo@example.org", "demo".into()));
    Settings {
        // CI validates what lies there.
        trace: std::env::var_os("PIMSYNC_TEST_TRACE").map(|folder| {
            PathBuf::from(folder).join(format!(
                "{}-{}",
                std::process::id(),
                std::thread::current().name().unwrap_or("test").replace(':', "_")
            ))
        }),
        zone: "Europe/Berlin".to_owned(),
        ..Settings::new(server.url(), sign_in, clock.clone())
    }
}

impl House {
    pub(crate) fn like(like: Personality) -> Self {
        let server = Server::start(Options { like, lists: List::samples(), ..Options::default() }).unwrap();
        let clock = Arc::new(TestClock::default());
        let client = EwsClient::new(settings(&server, &clock)).unwrap();
        Self { like, mailbox: server.mailbox("demo@example.org").unwrap(), server, client, clock }
    }

    pub(crate) fn folder(&self, path: &str) -> FolderId {
        FolderId::new(self.mailbox.folder(path).unwrap())
    }

    /// Puts messages with these subjects into a folder.
    pub(crate) fn fill(&self, folder: &str, subjects: &[&str]) -> Vec<ItemId> {
        let add = |subject: &&str| {
            ItemId::new(
                self.mailbox.add_message(folder, NewMessage { mime: &mime(subject), ..NewMessage::default() }).unwrap(),
            )
        };
        subjects.iter().map(add).collect()
    }

    /// How many requests of an operation the server got.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.server.requests().iter().filter(|request| request.operation == operation).count()
    }

    /// The subjects in a folder, sorted.
    pub(crate) fn subjects(&self, folder: &str) -> Vec<String> {
        let mut subjects: Vec<String> =
            self.mailbox.items(folder).unwrap().into_iter().map(|item| item.subject).collect();
        subjects.sort();
        subjects
    }
}

/// A small message with CRLF line ends.
pub(crate) fn mime(subject: &str) -> Vec<u8> {
    format!(
        "From: Ada <ada@example.org>\r\nTo: demo@example.org\r\nSubject: {subject}\r\nDate: Tue, 03 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{}@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nBody of {subject}\r\n",
        subject.replace(' ', "-")
    )
    .into_bytes()
}

/// A body in memory.
pub(crate) struct InMemory(pub(crate) Vec<u8>);

impl BodySource for InMemory {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.0.clone())))
    }
}

/// A body that cannot be read.
pub(crate) struct Missing;

impl BodySource for Missing {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Err(io::Error::from(io::ErrorKind::NotFound))
    }
}

/// Bodies as they came, by slot.
#[derive(Default)]
pub(crate) struct Bodies {
    pub(crate) slots: BTreeMap<usize, Vec<u8>>,
    pub(crate) begun: usize,
    current: usize,
    pub(crate) largest_piece: usize,
}

impl Bodies {
    pub(crate) fn text(&self, slot: usize) -> String {
        String::from_utf8_lossy(self.slots.get(&slot).map(Vec::as_slice).unwrap_or_default()).into_owned()
    }
}

impl BodySink for Bodies {
    fn begin(&mut self, slot: usize) -> io::Result<()> {
        self.begun += 1;
        self.current = slot;
        self.slots.insert(slot, Vec::new());
        Ok(())
    }
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.largest_piece = self.largest_piece.max(bytes.len());
        self.slots.get_mut(&self.current).unwrap().extend_from_slice(bytes);
        Ok(())
    }
}

/// A tag for a number.
pub(crate) fn tag(number: usize) -> Tag {
    Tag::new(format!("{number:032x}"))
}

pub(crate) fn upload(number: usize, body: &dyn BodySource) -> Upload<'_> {
    Upload { tag: tag(number), marks: ServerMarks::default(), received: UnixTime(1_700_000_000), body }
}

/// All pages of a folder's changes, until one is empty.
pub(crate) async fn all_changes(client: &EwsClient, folder: &FolderId, max: u16) -> Vec<ChangePage> {
    let mut pages: Vec<ChangePage> = Vec::new();
    loop {
        let state = pages.last().map(|page| page.state.clone());
        let page = client.item_changes(folder, state.as_ref(), max).await.unwrap();
        if page.changes.is_empty() {
            return pages;
        }
        pages.push(page);
        assert!(pages.len() < 500, "the listing does not end");
    }
}

pub(crate) fn present(page: &ChangePage) -> Vec<&pimsync::pim::ServerMessage> {
    page.changes
        .iter()
        .filter_map(|change| match change {
            ItemChange::Present(message) => Some(&**message),
            _ => None,
        })
        .collect()
}

pub(crate) fn all_ok<T: std::fmt::Debug>(results: Vec<PerItem<T>>) -> Vec<T> {
    results.into_iter().map(|result| result.unwrap()).collect()
}

/// A proof that a message may be deleted, as a sync gets it: agreed, there, and no longer here.
pub(crate) fn message_removal() -> MessageRemoval {
    let base = Base { key: ItemKey(1), folder: FolderKey(1), local: Marks::default(), remote: ServerMarks::default() };
    let case: Case<(), ()> =
        Case { base: Some(base), remote: Seen::Same, local: Seen::Away(Evidence::CompleteListing) };
    let plan = plan([case], ConflictPolicy::default(), Brake::On, &[]);
    match plan.pushes.into_iter().next() {
        Some(Op::Delete { proof, .. }) => proof,
        other => panic!("{other:?}"),
    }
}

/// A proof that a folder may be deleted, as a sync gets it.
pub(crate) fn folder_removal() -> FolderRemoval {
    let emptied = Emptied { key: FolderKey(1), within: None, left_on: Side::Remote, special: false, in_use: false };
    match end_folders(&[emptied], Brake::On, 1).into_iter().next() {
        Some(Ending::Remove(_, _, proof)) => proof,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn listed(house: &House, ids: &[ItemId]) -> Vec<pimsync::pim::ServerMessage> {
    all_ok(house.client.messages(ids).await.unwrap())
}

pub(crate) async fn versioned(house: &House, ids: &[ItemId]) -> Vec<Versioned> {
    let now = listed(house, ids).await;
    now.into_iter().map(|message| Versioned { id: message.id, change_key: message.change_key }).collect()
}
