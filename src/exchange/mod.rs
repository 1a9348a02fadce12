//! The embedded Exchange: a real HTTP and SOAP server on loopback over SQLite, for `--demo`, tests and benches.
//!
//! It answers other people's EWS clients too, and does nothing for pimsync that Exchange would not do. Requests are read
//! over HTTP, checked against the schema, and answered by one function an operation; all of them, and the Rust API
//! ([`Mailbox`]), change the store through the same functions, so that every change is tracked alike. A second
//! personality misbehaves as gromox does, and [`Faults`] make either of them fail where a test wants it.

mod autodiscover;
mod faults;
mod http;
mod ids;
mod intake;
mod kinds;
mod mailbox;
mod mime;
mod ops;
mod process;
mod props;
mod sample;
mod schema;
mod server;
mod sign_in;
mod soap;
mod store;
mod stream;
mod subscriptions;
mod time;
mod wire;
mod xml;
mod zones;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use faults::{Action, FaultScript, Faults, Rule};
pub use mailbox::{Flag, FolderView, ItemView, Mailbox, NewMember, NewMessage};
pub use server::{RequestLog, Server};

/// Whose behaviour the server shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Personality {
    /// Microsoft Exchange 2019.
    #[default]
    Exchange,
    /// gromox, with its own ideas of faults, paging and change keys.
    Gromox,
}

/// A way to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Way {
    /// Name and password with each request.
    Basic,
    /// NTLMv2 on each connection.
    Ntlm,
    /// The same within SPNEGO.
    Negotiate,
    /// A token with each request, of those that [`Server::grant`] makes good.
    #[value(skip)]
    Bearer,
}

/// What somebody may do in a folder that is not their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Owner,
    /// To read, make, change and delete items.
    Editor,
    /// To read items and make new ones.
    Poster,
    /// To read items.
    Reviewer,
    /// To see that the folder is there.
    Visitor,
    /// Nothing: for them the folder is not there.
    Nobody,
}

impl Role {
    const ALL: [Role; 6] = [Role::Owner, Role::Editor, Role::Poster, Role::Reviewer, Role::Visitor, Role::Nobody];

    fn word(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Editor => "editor",
            Role::Poster => "poster",
            Role::Reviewer => "reviewer",
            Role::Visitor => "visitor",
            Role::Nobody => "nobody",
        }
    }

    /// The role with this word.
    pub fn from_word(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// Somebody with a mailbox.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The mail address, which is the login too.
    pub address: String,
    /// The password for Basic sign-in.
    pub password: String,
}

impl std::fmt::Debug for User {
    /// Shows the address only.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("User").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A distribution list of the directory, which all mailboxes share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The name as it is shown.
    pub name: String,
    /// The mail address.
    pub address: String,
    /// Names and addresses of its members: people with or without a mailbox here, and other lists.
    pub members: Vec<(String, String)>,
}

impl List {
    /// Lists to try things on, of the people who write the sample messages.
    pub fn samples() -> Vec<List> {
        sample::lists()
    }
}

/// How to run the server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The database file; none keeps everything in memory.
    pub store: Option<PathBuf>,
    /// The mailboxes; missing ones are made.
    pub users: Vec<User>,
    /// Whose behaviour to show.
    pub like: Personality,
    /// How one can sign in.
    pub ways: Vec<Way>,
    /// The URL of EWS that Autodiscover tells; its own, if none.
    pub public_url: Option<String>,
    /// The certificate (DER) of who ends TLS in front of the server. With it a handshake must be bound to that (Extended Protection).
    pub certificate: Option<Vec<u8>>,
    /// How long every answer is held back.
    pub latency: Duration,
    /// What goes wrong, from the start on.
    pub faults: FaultScript,
    /// How many sample messages each new mailbox gets.
    pub sample_messages: usize,
    /// The distribution lists of the directory.
    pub lists: Vec<List>,
    /// A folder for every request and response body: `NNNNNN-OPERATION-request.xml` and `…-response.xml`.
    pub record: Option<PathBuf>,
    /// Who may act as the owner of any mailbox (ApplicationImpersonation).
    pub impersonators: Vec<String>,
    /// How long a minute of a subscription or a streaming connection is.
    pub minute: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            store: None,
            users: vec![User { address: "demo@example.org".to_owned(), password: "demo".to_owned() }],
            like: Personality::default(),
            ways: vec![Way::Basic],
            public_url: None,
            certificate: None,
            latency: Duration::ZERO,
            faults: FaultScript::default(),
            sample_messages: 0,
            lists: Vec::new(),
            record: None,
            impersonators: Vec::new(),
            minute: Duration::from_secs(60),
        }
    }
}

/// Why the server could not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error("the server's store failed: {0}")]
    Store(#[from] rusqlite::Error),
    /// The operating system refused: the address is taken, a thread cannot be started …
    #[error("the server could not be run: {0}")]
    Io(#[from] std::io::Error),
    /// There is no mailbox of this address.
    #[error("the server has no mailbox {0}")]
    NoMailbox(String),
    /// There is no such folder or item.
    #[error("the mailbox has no {0}")]
    NotFound(String),
    /// The server's rules do not allow it.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The fault script is wrong.
    #[error("the fault script is wrong: {0}")]
    Faults(String),
}
