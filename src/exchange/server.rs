//! Starts and stops the server: its thread, its runtime, its mailboxes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;

use super::faults::Faults;
use super::sign_in::Tokens;
use super::store::{self, Store};
use super::subscriptions::Subscriptions;
use super::{Error, List, Mailbox, Options, Personality, User, Way, http, sample};

/// What one request was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLog {
    /// The operation, such as `GetItem`; empty when the request held none.
    pub operation: String,
    /// The length of the request's body.
    pub bytes_in: u64,
    /// The length of the answer's body before compression; 0 when none was sent.
    pub bytes_out: u64,
    /// The HTTP status; 0 when the connection was broken instead.
    pub status: u16,
}

/// What the connections of a server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Arc<Store>,
    /// The users by their address in lower case.
    pub(super) users: HashMap<String, User>,
    pub(super) like: Personality,
    pub(super) ways: Vec<Way>,
    pub(super) certificate: Option<Vec<u8>>,
    pub(super) tokens: Tokens,
    public_url: Option<String>,
    address: SocketAddr,
    pub(super) latency: Duration,
    pub(super) faults: Faults,
    pub(super) lists: Vec<List>,
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) record: Option<PathBuf>,
    pub(super) impersonators: Vec<String>,
    recorded: AtomicU64,
    requests: Mutex<Vec<RequestLog>>,
}

impl Shared {
    /// Notes a request that was answered, or not.
    pub(super) fn log(&self, entry: RequestLog) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// Where EWS is, as clients are told.
    pub(super) fn public_url(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{}/EWS/Exchange.asmx", self.address))
    }

    /// The number of the next recorded request.
    pub(super) fn next_record(&self) -> u64 {
        self.recorded.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// A running server. It stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Opens the store, makes the mailboxes and begins to listen.
    pub fn start(options: Options) -> Result<Server, Error> {
        let store = Arc::new(Store::open(options.store.as_deref())?);
        prepare(&store, &options)?;
        if let Some(folder) = &options.record {
            std::fs::create_dir_all(folder)?;
        }
        let listener = std::net::TcpListener::bind(options.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let users = options.users.iter().map(|user| (user.address.to_lowercase(), user.clone())).collect();
        let shared = Arc::new(Shared {
            store,
            users,
            like: options.like,
            ways: options.ways,
            certificate: options.certificate,
            tokens: Tokens::default(),
            public_url: options.public_url,
            address,
            latency: options.latency,
            faults: Faults::new(options.faults),
            lists: options.lists,
            subscriptions: Arc::new(Subscriptions::new(options.minute)),
            record: options.record,
            impersonators: options.impersonators,
            recorded: AtomicU64::new(0),
            requests: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("exchange")
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("exchange".to_owned()).spawn(move || {
            runtime.block_on(http::serve(listener, served, stopped));
            runtime.shutdown_timeout(Duration::from_secs(5));
        })?;
        Ok(Server { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where EWS clients find it.
    pub fn url(&self) -> String {
        format!("http://{}/EWS/Exchange.asmx", self.address)
    }

    /// Makes a token good, as if an authority had issued it: for who is named, till then.
    pub fn grant(&self, token: &str, user: &str, until: SystemTime) {
        self.shared.tokens.grant(token, user, until);
    }

    /// Takes a token's good back before its time.
    pub fn revoke(&self, token: &str) {
        self.shared.tokens.revoke(token);
    }

    /// A mailbox, to look into it and to change it as if by another client.
    pub fn mailbox(&self, address: &str) -> Result<Mailbox, Error> {
        let row = store::mailbox(&self.shared.store.read(), address)?;
        let row = row.ok_or_else(|| Error::NoMailbox(address.to_owned()))?;
        Ok(Mailbox::new(Arc::clone(&self.shared.store), row, self.shared.like))
    }

    /// The public folders, to look into them and to change them as if by another client. Paths are below their root.
    pub fn public_folders(&self) -> Result<Mailbox, Error> {
        let row = store::mailbox(&self.shared.store.read(), store::PUBLIC)?;
        let row = row.ok_or_else(|| Error::NoMailbox(store::PUBLIC.to_owned()))?;
        Ok(Mailbox::new(Arc::clone(&self.shared.store), row, self.shared.like))
    }

    /// The archive of a mailbox, which is made if there is none yet. Exchange only: gromox has no archives.
    pub fn archive(&self, address: &str) -> Result<Mailbox, Error> {
        let row = self.shared.store.write(|db| {
            let row = store::mailbox(db, address)?.ok_or_else(|| Error::NoMailbox(address.to_owned()))?;
            Ok::<_, Error>(store::create_archive(db, &row)?)
        })?;
        Ok(Mailbox::new(Arc::clone(&self.shared.store), row, self.shared.like))
    }

    /// The rules by which it misbehaves.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Forgets all subscriptions, as when another server takes the mailboxes over.
    pub fn forget_subscriptions(&self) {
        self.shared.subscriptions.forget();
        // Whoever listens is to notice.
        self.shared.store.wake();
    }

    /// Breaks all streaming connections in the middle of what they tell; the subscriptions stay.
    pub fn break_streams(&self) {
        self.shared.subscriptions.break_streams();
    }

    /// The requests it got, in the order in which they were done with.
    pub fn requests(&self) -> Vec<RequestLog> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the requests it got.
    pub fn clear_requests(&self) {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended on its own.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// Makes the mailboxes that are missing, with their samples.
fn prepare(store: &Store, options: &Options) -> Result<(), Error> {
    store.write(|db| {
        store::create_public(db)?;
        if store.is_new && options.sample_messages > 0 { sample::seed_public(db) } else { Ok(()) }
    })?;
    for user in &options.users {
        store.write(|db| {
            if store::mailbox(db, &user.address)?.is_some() {
                return Ok(());
            }
            let mailbox = store::create_mailbox(db, &user.address)?;
            sample::seed(db, &mailbox, if store.is_new { options.sample_messages } else { 0 })?;
            Ok::<(), Error>(())
        })?;
    }
    Ok(())
}
