//! Exchange Web Services.
//!
//! Arrows go down only:
//! ```text
//! store                                           a mailbox, or public folders
//! public                                          folders that tell no changes, made to look as if they did
//! read  bodies  entries  lists  listen  write     what the engine asks for (RemoteRead, RemoteListen, RemoteWrite)
//!   └──────┴───┼───┴───────┴───────┴──────┘
//! mailbox                                        which mailbox that is about
//! ask (reads)   settle (writes)  until it is answered: retries, fates of lost writes
//!   request  shape  property     requests as text; properties as items
//!   transport  payload  throttle one request, one answer; the gate that all pass
//!   http                         connections, signed in
//!   answer  codes                envelopes; what response codes mean
//!   xml                          filter, parser, base64
//! ```
//! [`autodiscover`] finds the URL that all of this talks to, over the same connections.
//!
//! A read is asked again until it is answered. A write is never sent again before it is known that it was not done.

mod answer;
mod ask;
pub mod autodiscover;
mod bodies;
mod categories;
mod codes;
mod codes_table;
mod entries;
mod http;
mod listen;
mod lists;
mod mailbox;
mod payload;
mod property;
mod public;
mod read;
mod rebuild;
mod request;
mod settle;
mod shape;
mod store;
mod throttle;
mod trace;
mod transport;
mod write;
mod xml;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::pim::event::Mailing;
use crate::pim::{OtherMailbox, Text};
use crate::remote::RemoteError;
use crate::remote::auth::{Scheme, SignIn};
use crate::remote::reach::Reach;
use entries::Meetings;
use mailbox::Whose;
pub use public::{PublicFolder, PublicFolders};
pub use store::Store;
use transport::{Route, Transport};

/// How a server is reached.
pub struct Settings {
    /// The endpoint, such as `https://mail.example.org/EWS/Exchange.asmx`. Plain HTTP is for loopback only.
    pub url: String,
    /// How to sign in.
    pub sign_in: Box<dyn SignIn>,
    /// How it is reached, and whom to trust.
    pub reach: Reach,
    /// A folder that takes a copy of each request and response (`--trace-soap`).
    pub trace: Option<PathBuf>,
    /// What the program calls itself. Administrators filter by it, so it should stay the same.
    pub user_agent: String,
    /// The mailbox's address: a meeting that this address organises is the owner's own. The name of who signs in may be none.
    pub address: String,
    /// The mailbox, where it is not that of who signs in.
    pub mailbox: Option<OtherMailbox>,
    /// The address of a mailbox as whose owner all is done (ExchangeImpersonation), where that is not who signs in.
    pub impersonate: Option<String>,
    /// Who is mailed about meetings.
    pub mailing: Mailing,
    /// The zone (IANA) of the person: in it whole days begin on the server, and times are that are in no zone.
    pub zone: String,
    /// How long silence is borne.
    pub limits: TimeLimits,
    /// How long one spell of throttling may hold this run up before it fails with [`RemoteError::Throttled`].
    pub max_throttle_wait: Duration,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
}

impl Settings {
    /// Settings for a server, a sign-in and a clock, the rest as it is best for most.
    pub fn new(url: impl Into<String>, sign_in: Box<dyn SignIn>, clock: Arc<dyn Clock>) -> Self {
        Self {
            url: url.into(),
            address: sign_in.user().to_owned(),
            mailbox: None,
            impersonate: None,
            mailing: Mailing::Nobody,
            sign_in,
            reach: Reach::default(),
            trace: None,
            user_agent: concat!("pimsync/", env!("CARGO_PKG_VERSION")).to_owned(),
            zone: jiff::tz::TimeZone::system().iana_name().unwrap_or("UTC").to_owned(),
            limits: TimeLimits::default(),
            max_throttle_wait: Duration::from_secs(15 * 60),
            clock,
        }
    }
}

/// How long silence is borne.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimits {
    /// For a connection to be made.
    pub connect: Duration,
    /// For a sign of life while an answer is awaited or comes in. There is no limit on the whole: large messages take their time.
    pub idle: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(30), idle: Duration::from_secs(180) }
    }
}

/// A mailbox on a server that speaks EWS.
pub struct EwsClient {
    transport: Arc<Transport>,
    /// Where requests are led to.
    route: Route,
    /// [`Settings::mailbox`].
    whose: Whose,
    /// [`Settings::zone`].
    zone: Text,
    /// Whose it is, and who is mailed.
    meetings: Arc<Meetings>,
}

impl EwsClient {
    /// Prepares the way to a mailbox. Nothing is sent yet.
    ///
    /// # Errors
    /// [`RemoteError::Refused`] when the address or the certificate file cannot be used, [`RemoteError::Io`] when it cannot be read.
    pub fn new(settings: Settings) -> Result<Self, RemoteError> {
        let (zone, meetings) = (Text::new(&settings.zone), Arc::new(Meetings::new(&settings)));
        let whose = Whose::new(settings.mailbox.clone());
        Ok(Self { transport: Arc::new(Transport::new(settings)?), route: whose.route(), whose, zone, meetings })
    }

    /// The same way, with requests led to another mailbox.
    fn at(&self, route: Route) -> Self {
        let (transport, meetings) = (Arc::clone(&self.transport), Arc::clone(&self.meetings));
        Self { transport, route, whose: self.whose.clone(), zone: self.zone.clone(), meetings }
    }

    /// How it signs in; `None` until the server has been asked what it takes.
    pub fn scheme(&self) -> Option<Scheme> {
        self.transport.scheme()
    }

    /// How many seconds the server's clock is ahead of this machine's; `None` until the server told the time.
    pub fn ahead(&self) -> Option<i64> {
        self.transport.ahead()
    }
}

impl std::fmt::Debug for EwsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EwsClient").finish_non_exhaustive()
    }
}
