//! Sending mail.

use std::future::Future;

use super::{BodySource, PerItem, RemoteError};
use crate::pim::Tag;

/// A message to be sent to everybody in its To and Cc.
pub struct Letter<'a> {
    /// Left on the copy in Sent Items, so that it is found if the answer is lost.
    pub tag: &'a Tag,
    /// Who gets it besides, and is in no header.
    pub blind: &'a [String],
    /// The message, without Bcc.
    pub body: &'a dyn BodySource,
}

/// What the mailbox says of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// Its copy lies in Sent Items, or in the folder that it was moved to since.
    Sent,
    /// The server has it, and is about to send it.
    UnderWay,
    /// Nothing is known of it.
    Nowhere,
}

/// A server that sends mail.
pub trait RemoteSend: Send + Sync {
    /// What became of the letters with these tags, in their order.
    fn whereabouts(&self, tags: &[Tag]) -> impl Future<Output = Result<Vec<Whereabouts>, RemoteError>> + Send;

    /// Sends a letter and keeps a copy in Sent Items. It is never sent again here: one whose answer was lost, and that is not in Sent Items, has an
    /// error of class [`super::ItemErrorClass::Unknown`].
    fn send(&self, letter: &Letter<'_>) -> impl Future<Output = Result<PerItem<()>, RemoteError>> + Send;
}
