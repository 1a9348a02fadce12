//! Listens to a server for as long as it is let, and says by [`Signals`] where to look. Whatever fails here costs time and nothing else: the
//! check of all folders finds what nobody told.
//!
//! After each new subscription, and so after each that was lost, everything is looked at once: what happened before it is told by nobody.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::timing::{FIRST_RETRY, LONGEST_PAUSE, LONGEST_RETRY, REST, growing};
use super::watch::{Board, Signals};
use crate::clock::{Clock, within};
use crate::pim::FolderId;
use crate::remote::{Heard, RemoteError, RemoteListen, Silence, Subscription, Telling};

/// How long after an answer a server that only tells when it is asked is asked again.
pub const PULL_INTERVAL: Duration = Duration::from_secs(15);
/// A connection that lasted so long was a good one, however it ended.
const LASTING: Duration = Duration::from_secs(300);
/// A connection that the server ended sooner says nothing.
const SHORTEST: Duration = Duration::from_secs(30);
/// After so many bad ones in a row the server is listened to in another way.
const MOST_STRIKES: u32 = 4;
/// How long the server gets to hear that nobody listens any more.
const FAREWELL: Duration = Duration::from_secs(1);

/// How it is listened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listening {
    /// The server tells what happens.
    To(Telling),
    /// It does not, for this reason.
    Not(String),
}

/// One account's ear.
pub trait Ear: Send + Sync + 'static {
    /// The server.
    type Remote: RemoteListen + 'static;

    /// The way to the server, if there is one now.
    fn remote(&self) -> impl Future<Output = Option<Arc<Self::Remote>>> + Send;

    /// The path of a folder; `None` where it is not mirrored, or not known yet.
    fn folder(&self, id: &FolderId) -> Option<String>;

    /// Takes note of how it is listened.
    fn note(&self, listening: Listening);
}

/// Listens for one account.
pub struct Hearing<E> {
    ear: Arc<E>,
    clock: Arc<dyn Clock>,
    signals: Arc<Signals>,
    board: watch::Receiver<Board>,
    telling: Telling,
    /// How often in a row it went badly.
    strikes: u32,
    /// The server could not be reached when it was tried last.
    is_cut_off: bool,
    /// Folders that nobody knows and that something was heard of.
    strangers: BTreeSet<FolderId>,
    noted: Option<Listening>,
}

/// How a subscription ended.
enum End {
    /// It was stopped from here.
    Stopped,
    /// The server does not tell in that way.
    Unavailable(String),
    /// It was lost, or the connection was; whether that one was a good one.
    Lost { good: bool },
    /// There was none: no way to the server.
    CutOff,
    /// The server asks to wait.
    Wait(Duration),
}

impl<E: Ear> Hearing<E> {
    /// What has not begun to listen.
    pub fn new(ear: Arc<E>, clock: Arc<dyn Clock>, signals: Arc<Signals>, board: watch::Receiver<Board>) -> Self {
        Self {
            ear,
            clock,
            signals,
            board,
            telling: Telling::Streaming,
            strikes: 0,
            is_cut_off: false,
            strangers: BTreeSet::new(),
            noted: None,
        }
    }

    /// Listens until [`Signals::stop`].
    pub async fn run(mut self) {
        loop {
            let end = self.subscribed().await;
            let pause = match end {
                End::Stopped => return,
                End::Unavailable(reason) => self.other_way(reason),
                End::Lost { good: true } => {
                    self.strikes = 0;
                    REST
                }
                End::Lost { good: false } => self.strike("the connection does not last"),
                End::CutOff => {
                    self.is_cut_off = true;
                    self.signals.disconnected();
                    self.strike("the server does not answer")
                }
                End::Wait(wait) => wait.max(REST),
            };
            if self.stopped_within(pause).await {
                return;
            }
        }
    }

    fn strike(&mut self, reason: &str) -> Duration {
        self.strikes += 1;
        match self.strikes {
            MOST_STRIKES.. => self.other_way(reason.to_owned()),
            1 => REST,
            strikes => growing(FIRST_RETRY, strikes - 2, LONGEST_RETRY),
        }
    }

    /// The server is listened to in the other way next; when both were tried, much later.
    fn other_way(&mut self, reason: String) -> Duration {
        self.strikes = 0;
        match self.telling {
            Telling::Streaming => {
                self.telling = Telling::Pull;
                REST
            }
            Telling::Pull => {
                self.telling = Telling::Streaming;
                self.note(Listening::Not(reason));
                LONGEST_PAUSE
            }
        }
    }

    /// Listens by one subscription. Before the server was reached by a run, and while it is not, nothing is tried: that is the run's business.
    async fn subscribed(&mut self) -> End {
        let (signals, clock) = (Arc::clone(&self.signals), Arc::clone(&self.clock));
        tokio::select! {
            biased;
            () = signals.stopped() => return End::Stopped,
            well = self.board.wait_for(|board| board.well_since.is_some()) => {
                if well.is_err() {
                    return End::Stopped;
                }
            }
        }
        let Some(remote) = self.ear.remote().await else { return End::CutOff };
        let subscribing = tokio::select! {
            biased;
            () = signals.stopped() => return End::Stopped,
            subscribing = remote.subscribe(self.telling) => subscribing,
        };
        let mut subscription = match subscribing {
            Ok(Ok(subscription)) => subscription,
            Ok(Err(refused)) => return End::Unavailable(refused.to_string()),
            Err(error) => return unheard(&error),
        };
        if std::mem::take(&mut self.is_cut_off) {
            signals.connected();
        } else {
            signals.unsure();
        }
        let begun = clock.elapsed();
        let end = self.listen(&*remote, &mut subscription, begun).await;
        if matches!(end, End::Stopped) {
            // Who does not hear it finds out in time.
            let _ = within(&*clock, FAREWELL, remote.unsubscribe(&subscription)).await;
        }
        end
    }

    async fn listen(&mut self, remote: &E::Remote, subscription: &mut Subscription, begun: Duration) -> End {
        let (signals, clock) = (Arc::clone(&self.signals), Arc::clone(&self.clock));
        let lasted = |from: Duration| clock.elapsed().saturating_sub(from) >= LASTING;
        loop {
            let from = clock.elapsed();
            let mut hear = |heard| self.hear(heard);
            let listening = tokio::select! {
                biased;
                () = signals.stopped() => return End::Stopped,
                listening = remote.listen(subscription, &mut hear) => listening,
            };
            match listening {
                Ok(Silence::Lost) => return End::Lost { good: lasted(begun) },
                // Before anything is said of the server, it is tried again.
                Err(RemoteError::Unreachable { .. } | RemoteError::Protocol { .. }) => {
                    return End::Lost { good: lasted(from) };
                }
                Err(error) => return unheard(&error),
                Ok(Silence::Over) if subscription.telling == Telling::Pull => {
                    // Perhaps it tells at once by now.
                    if clock.elapsed().saturating_sub(begun) >= LONGEST_PAUSE {
                        self.telling = Telling::Streaming;
                        return End::Lost { good: true };
                    }
                    if self.stopped_within(PULL_INTERVAL).await {
                        return End::Stopped;
                    }
                }
                // A server that hangs up at once is not asked for ever.
                Ok(Silence::Over) if clock.elapsed().saturating_sub(from) < SHORTEST => {
                    return End::Lost { good: false };
                }
                Ok(Silence::Over) => {
                    if self.stopped_within(REST).await {
                        return End::Stopped;
                    }
                }
            }
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Ready => self.note(Listening::To(self.telling)),
            Heard::Folders => self.signals.unsure(),
            Heard::In(folder) => match self.ear.folder(&folder) {
                Some(path) => self.signals.server_hint(&path),
                // A new folder, or one of the many that no mirror has: that is looked into once.
                None if self.strangers.insert(folder) => self.signals.unsure(),
                None => {}
            },
        }
    }

    fn note(&mut self, listening: Listening) {
        if self.noted.as_ref() != Some(&listening) {
            self.ear.note(listening.clone());
            self.noted = Some(listening);
        }
    }

    /// Waits; whether it was stopped meanwhile.
    async fn stopped_within(&self, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.signals.stopped() => true,
            () = self.clock.sleep(time) => false,
        }
    }
}

/// What an error of the account means for a subscription.
fn unheard(error: &RemoteError) -> End {
    tracing::debug!(%error, "the server is not listened to");
    match error {
        RemoteError::Throttled { wait } => End::Wait(*wait),
        _ => End::CutOff,
    }
}
