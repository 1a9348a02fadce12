//! Who wants to hear of what happens in which mailbox. Subscriptions live as long as the server runs, as those of Exchange live as long as
//! their mailbox server does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::watch;

use super::Personality;

/// The most subscriptions of a mailbox (`EwsMaxSubscriptions`).
const MOST: usize = 5000;
/// The most streaming connections of a mailbox at once.
const MOST_STREAMS: usize = 10;

/// How a subscriber hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It asks.
    Pull,
    /// It keeps a connection open.
    Streaming,
}

/// Somebody's wish to hear of something.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    pub(super) mailbox: i64,
    pub(super) way: Way,
    /// The folders that it is about; all when none.
    pub(super) folders: Option<Vec<i64>>,
    /// The events that it is about.
    pub(super) kinds: Vec<String>,
    /// The last event before it.
    pub(super) begin: i64,
    /// The last event that was told.
    pub(super) cursor: i64,
    lifetime: Duration,
    seen: Instant,
    /// In how many connections it is told now.
    streams: usize,
}

impl Subscription {
    pub(super) fn new(mailbox: i64, way: Way, begin: i64, lifetime: Duration) -> Subscription {
        Subscription {
            mailbox,
            way,
            folders: None,
            kinds: Vec::new(),
            begin,
            cursor: begin,
            lifetime,
            seen: Instant::now(),
            streams: 0,
        }
    }

    /// The same about these folders and events.
    pub(super) fn about(self, folders: Option<Vec<i64>>, kinds: Vec<String>) -> Subscription {
        Subscription { folders, kinds, ..self }
    }

    fn is_expired(&self) -> bool {
        self.streams == 0 && self.seen.elapsed() > self.lifetime
    }
}

/// Why a subscription cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    Unknown,
    Expired,
    /// It is of another mailbox.
    Foreign,
}

/// All subscriptions of a server.
#[derive(Debug)]
pub(super) struct Subscriptions {
    /// How long a minute of their lifetimes is.
    pub(super) minute: Duration,
    open: Mutex<Open>,
    /// Sent to when streaming connections are to break.
    breaking: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Open {
    subscriptions: HashMap<String, Subscription>,
    /// How many streaming connections each mailbox has.
    streams: HashMap<i64, usize>,
    count: u64,
}

impl Subscriptions {
    pub(super) fn new(minute: Duration) -> Subscriptions {
        Subscriptions { minute, open: Mutex::default(), breaking: watch::Sender::new(()) }
    }

    /// How long a streaming subscription lives that nobody listens to.
    pub(super) fn streaming_lifetime(&self, like: Personality) -> Duration {
        match like {
            Personality::Exchange => self.minute * 30,
            Personality::Gromox => self.minute * 5,
        }
    }

    /// Takes a subscription in and gives it an id; none when there are too many.
    pub(super) fn add(&self, subscription: Subscription) -> Option<String> {
        let mut open = self.open();
        if open.subscriptions.len() >= MOST {
            open.subscriptions.retain(|_, subscription| !subscription.is_expired());
        }
        if open.subscriptions.values().filter(|other| other.mailbox == subscription.mailbox).count() >= MOST {
            return None;
        }
        open.count += 1;
        let mut bytes = b"\x0c\x00example.org\x10\x00".to_vec();
        bytes.extend(u128::from(fastrand::u64(..)).to_be_bytes());
        bytes.extend(open.count.to_be_bytes());
        let id = STANDARD.encode(bytes);
        open.subscriptions.insert(id.clone(), subscription);
        Some(id)
    }

    /// Looks at a subscription of a mailbox, which keeps it alive.
    pub(super) fn get(&self, mailbox: i64, id: &str) -> Result<Subscription, Unusable> {
        let mut open = self.open();
        let found = open.subscriptions.get_mut(id.trim()).ok_or(Unusable::Unknown)?;
        if found.mailbox != mailbox {
            return Err(Unusable::Foreign);
        }
        if found.is_expired() {
            return Err(Unusable::Expired);
        }
        found.seen = Instant::now();
        Ok(found.clone())
    }

    /// Notes how far the events of a subscription were told.
    pub(super) fn told(&self, id: &str, cursor: i64) {
        if let Some(subscription) = self.open().subscriptions.get_mut(id) {
            subscription.cursor = subscription.cursor.max(cursor);
        }
    }

    /// Ends a subscription.
    pub(super) fn remove(&self, mailbox: i64, id: &str) -> Result<(), Unusable> {
        self.get(mailbox, id)?;
        self.open().subscriptions.remove(id.trim());
        Ok(())
    }

    /// Forgets all subscriptions, as when another server takes a mailbox over.
    pub(super) fn forget(&self) {
        self.open().subscriptions.clear();
    }

    /// Breaks all streaming connections.
    pub(super) fn break_streams(&self) {
        self.breaking.send_replace(());
    }

    /// Tells when streaming connections are to break.
    pub(super) fn breaks(&self) -> watch::Receiver<()> {
        self.breaking.subscribe()
    }

    /// Opens a streaming connection over subscriptions; none when the mailbox has too many.
    pub(super) fn stream(self: &Arc<Self>, mailbox: i64, ids: Vec<String>) -> Option<StreamGuard> {
        let mut open = self.open();
        let streams = open.streams.entry(mailbox).or_default();
        if *streams >= MOST_STREAMS {
            return None;
        }
        *streams += 1;
        for id in &ids {
            if let Some(subscription) = open.subscriptions.get_mut(id) {
                subscription.streams += 1;
            }
        }
        Some(StreamGuard { subscriptions: Arc::clone(self), mailbox, ids })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A streaming connection, which keeps its subscriptions alive.
#[derive(Debug)]
pub(super) struct StreamGuard {
    subscriptions: Arc<Subscriptions>,
    pub(super) mailbox: i64,
    pub(super) ids: Vec<String>,
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let mut open = self.subscriptions.open();
        if let Some(streams) = open.streams.get_mut(&self.mailbox) {
            *streams = streams.saturating_sub(1);
        }
        for id in &self.ids {
            if let Some(subscription) = open.subscriptions.get_mut(id) {
                subscription.streams = subscription.streams.saturating_sub(1);
                subscription.seen = Instant::now();
            }
        }
    }
}
