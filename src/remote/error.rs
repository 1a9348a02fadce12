//! What can go wrong with a server: for the whole account, or for one item.

use std::time::Duration;

use super::auth::Scheme;
use super::auth::oauth::TokenError;

/// An error that concerns the account or a whole folder, not one item.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The server could not be reached, or kept failing in passing ways.
    #[error("the server at {host} cannot be reached: {reason}")]
    Unreachable {
        /// The server's host name.
        host: String,
        /// What happened at the last try.
        reason: String,
    },
    /// The server's certificate is not trusted.
    #[error("the server at {host} cannot be reached: {reason} (--ca-file names a private authority)")]
    Untrusted {
        /// The server's host name.
        host: String,
        /// Why not.
        reason: String,
    },
    /// EWS is switched off for the mailbox, for the whole organisation, or for this program.
    #[error("the server at {host} refuses EWS for this mailbox or this program (HTTP {status})")]
    EwsDisabled {
        /// The server's host name.
        host: String,
        /// The HTTP status that says so.
        status: u16,
    },
    /// The sign-in was refused.
    #[error("the server at {host} refused the sign-in of {user} by {scheme}")]
    SignInRefused {
        /// The server's host name.
        host: String,
        /// The user who was to be signed in.
        user: String,
        /// How.
        scheme: Scheme,
        /// How many seconds the server's clock is ahead of this machine's, where that is known.
        ahead: Option<i64>,
    },
    /// The server does not take the token.
    #[error("the server at {host} refused the token of {user}{}", reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    TokenRefused {
        /// The server's host name.
        host: String,
        /// The user whose it is.
        user: String,
        /// The server's words.
        reason: Option<String>,
        /// How many seconds the server's clock is ahead of this machine's, where that is known.
        ahead: Option<i64>,
    },
    /// There is no token to show.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The server offers no way to sign in that can be used.
    #[error("the server at {host} does not let anybody sign in by {}: it offers {}", wanted_words(*.wanted), offered_words(.offered))]
    NoSignIn {
        /// The server's host name.
        host: String,
        /// What it offers, by its own names.
        offered: Vec<String>,
        /// The way that was asked for; any that is known, without it.
        wanted: Option<Scheme>,
    },
    /// The server asks to slow down, for longer than this run is willing to wait.
    #[error("the server asks to wait {} seconds before the next request", .wait.as_secs())]
    Throttled {
        /// How long from now.
        wait: Duration,
    },
    /// Something about the way to the server cannot be used.
    #[error("{code} cannot be used: {hint}")]
    Refused {
        /// What it is.
        code: String,
        /// What the person or an administrator can do.
        hint: String,
    },
    /// The mailbox cannot be used at all: it does not exist, is disabled, or its password expired.
    #[error("the mailbox cannot be used: {code}: {message}")]
    Account {
        /// The server's response code.
        code: String,
        /// The server's words.
        message: String,
    },
    /// The sync state is no longer valid: list again from the beginning.
    #[error("the server no longer knows where the last listing ended")]
    StateInvalid,
    /// The folder is no longer there.
    #[error("the folder is no longer on the server")]
    FolderGone,
    /// The folder may not be read.
    #[error("the server denies access to the folder")]
    AccessDenied,
    /// The mailbox is full: nothing can be uploaded, but downloading goes on.
    #[error("the mailbox is over its quota")]
    Quota,
    /// The answer made no sense.
    #[error("the server's answer to {operation} makes no sense: {reason}")]
    Protocol {
        /// The operation asked for.
        operation: &'static str,
        /// What was wrong.
        reason: String,
    },
    /// The server rejected a request as a whole.
    #[error("the server rejected {operation}: {code}: {message}")]
    Rejected {
        /// The operation asked for.
        operation: &'static str,
        /// The server's response code.
        code: String,
        /// The server's words.
        message: String,
    },
    /// The place where bodies go, or come from, failed: the disk, not the server.
    #[error("writing or reading a message on disk failed")]
    Io(#[from] std::io::Error),
}

fn wanted_words(wanted: Option<Scheme>) -> String {
    wanted.map_or_else(|| "NTLM, Negotiate or Basic".to_owned(), |scheme| scheme.to_string())
}

fn offered_words(offered: &[String]) -> String {
    if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") }
}

/// Why one item of a batch failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ItemError {
    /// What it means for the engine.
    pub class: ItemErrorClass,
    /// The server's response code, such as `ErrorItemCorrupt`.
    pub code: String,
    /// The server's words, or ours.
    pub message: String,
}

/// What an item's error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemErrorClass {
    /// The item is not there (or not for us to see).
    Gone,
    /// The item changed since the version that the write was based on.
    Conflict,
    /// A folder or item of that name exists.
    Exists,
    /// The server cannot render the item. Never a deletion.
    Unrenderable,
    /// Passing: try again in a later run.
    Transient,
    /// It may have been done or not: its tag must be looked for before it is tried again.
    Unknown,
    /// The mailbox is full.
    Quota,
    /// No right to do it.
    Denied,
    /// It will fail each time, until the item or the server's settings change.
    Permanent,
}
