//! What is read out of a message's bytes (RFC 5322, RFC 2045): the facts in its header, and a digest of what it says.

use std::io::{self, Read};

use crate::pim::{Digest, UnixTime};

/// What a message's header says of it. Text is decoded (RFC 2047); what is missing or unreadable is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFacts {
    /// Message-ID, with its angle brackets.
    pub message_id: Option<String>,
    /// Subject.
    pub subject: Option<String>,
    /// From, as written.
    pub from: Option<String>,
    /// To, as written.
    pub to: Option<String>,
    /// Cc, as written.
    pub cc: Option<String>,
    /// Date.
    pub date: Option<UnixTime>,
    /// The date of the topmost Received header.
    pub received: Option<UnixTime>,
}

/// Reads the header block, at most 1 MiB of it.
pub fn facts(_reader: impl Read) -> io::Result<MessageFacts> {
    todo!()
}

/// A digest of what the message says.
pub fn semantic_digest(_reader: impl Read) -> io::Result<Digest> {
    todo!()
}
