//! Hearing what happens in a mailbox as it happens.
//!
//! What is heard is a hint and never data: it only says which folder to synchronize soon. A hint that never comes costs time, nothing else.

use std::future::Future;

use super::{PerItem, RemoteError};
use crate::pim::FolderId;

/// How a server tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// At once, over a connection that stays open.
    Streaming,
    /// When it is asked.
    Pull,
}

/// What the server is to tell: all that happens in the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The server's name for it.
    pub id: String,
    /// How it is told.
    pub telling: Telling,
    /// How far it was told, where the server says so.
    pub watermark: Option<String>,
}

/// Something that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The server tells: from the subscription on nothing is missed.
    Ready,
    /// Something about what this folder holds.
    In(FolderId),
    /// A folder came, went, or is elsewhere.
    Folders,
}

/// Why nothing more is heard for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// All was told, or the time of the connection is over: the subscription goes on.
    Over,
    /// The server no longer knows the subscription, or did not keep up: what happened meanwhile is not told.
    Lost,
}

/// A server that tells what happens.
pub trait RemoteListen: Send + Sync {
    /// Asks to be told of all that happens in the mailbox from now on.
    ///
    /// # Errors
    /// An [`super::ItemError`] where the server does not tell in that way.
    fn subscribe(&self, telling: Telling) -> impl Future<Output = Result<PerItem<Subscription>, RemoteError>> + Send;

    /// Listens: with [`Telling::Streaming`] as long as the server keeps the connection open, which is half an hour; with [`Telling::Pull`] until
    /// it has said what it has to say. To stop, drop the future. Does not count among the connections that other requests take turns at.
    fn listen(
        &self,
        subscription: &mut Subscription,
        hear: &mut (dyn FnMut(Heard) + Send),
    ) -> impl Future<Output = Result<Silence, RemoteError>> + Send;

    /// Ends a subscription. Where that fails, the server forgets it after a while.
    fn unsubscribe(&self, subscription: &Subscription) -> impl Future<Output = ()> + Send;
}
