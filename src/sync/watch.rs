//! Keeps one account in step for as long as it is let: gathers what happens, asks [`Timing`] what to do, and has it done.
//!
//! Nothing here knows the engine, a disk or a server: a [`Worker`] does the work, and whoever notices something says so by [`Signals`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::timing::{Event, HEARTBEAT, Haste, Moment, Orders, Outcome, Rhythm, Timing, Work};
use crate::clock::Clock;
use crate::pim::UnixTime;

/// Does pieces of work, one at a time.
pub trait Worker: Send + Sync + 'static {
    /// Does one, and says how it ended.
    fn work(self: Arc<Self>, work: Work) -> impl Future<Output = Outcome> + Send + 'static;
}

/// Work that somebody asks for besides.
pub struct Ask {
    /// Which folders it is about.
    pub work: Work,
    /// What does it.
    pub run: Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

/// Where everybody says what they noticed. Takes no more room than there are folders, however much is said.
#[derive(Default)]
pub struct Signals {
    gathered: Mutex<Gathered>,
    notify: Notify,
    /// Told when it is stopped, to all who wait for that.
    stopped: Notify,
}

#[derive(Default)]
struct Gathered {
    changes: BTreeMap<String, Haste>,
    earlier: BTreeMap<String, (Haste, Duration)>,
    hints: BTreeSet<String>,
    /// Connected, disconnected, unsure: the last of them.
    other: Option<Event>,
    asks: VecDeque<Ask>,
    stop: bool,
}

impl Signals {
    /// Files of a folder changed here.
    pub fn local_change(&self, folder: &str, haste: Haste) {
        self.say(|gathered| match haste {
            Haste::AtOnce => {
                gathered.changes.insert(folder.to_owned(), haste);
            }
            Haste::Delayed => {
                gathered.changes.entry(folder.to_owned()).or_insert(haste);
            }
        });
    }

    /// The same, noticed at that time of the clock, and not said before.
    pub fn earlier_change(&self, folder: &str, haste: Haste, at: Duration) {
        self.say(|gathered| {
            let (known, since) = gathered.earlier.entry(folder.to_owned()).or_insert((haste, at));
            *since = at.min(*since);
            if haste == Haste::AtOnce {
                *known = haste;
            }
        });
    }

    /// The server says that something changed in a folder.
    pub fn server_hint(&self, folder: &str) {
        self.say(|gathered| {
            gathered.hints.insert(folder.to_owned());
        });
    }

    /// Something may have been missed.
    pub fn unsure(&self) {
        self.say(|gathered| gathered.other = gathered.other.take().or(Some(Event::Unsure)));
    }

    /// The server is reached again.
    pub fn connected(&self) {
        self.say(|gathered| gathered.other = Some(Event::Connected));
    }

    /// The connection to the server was lost.
    pub fn disconnected(&self) {
        self.say(|gathered| gathered.other = Some(Event::Disconnected));
    }

    /// Somebody asks for work. It is done when what is under way is; once this is stopped, never: then it is dropped.
    pub fn ask(&self, ask: Ask) {
        self.say(|gathered| {
            if !gathered.stop {
                gathered.asks.push_back(ask);
            }
        });
    }

    /// No work is begun any more.
    pub fn stop(&self) {
        self.say(|gathered| {
            gathered.stop = true;
            gathered.asks.clear();
        });
        self.stopped.notify_waiters();
    }

    /// Comes back when it is stopped.
    pub async fn stopped(&self) {
        let mut stopped = pin!(self.stopped.notified());
        // From here on none is missed.
        stopped.as_mut().enable();
        if !self.is_stopped() {
            stopped.await;
        }
    }

    fn say(&self, say: impl FnOnce(&mut Gathered)) {
        say(&mut self.gathered());
        self.notify.notify_one();
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.gathered().stop
    }

    pub(super) fn take_events(&self) -> Vec<Event> {
        let mut gathered = self.gathered();
        let changes = std::mem::take(&mut gathered.changes);
        let earlier = std::mem::take(&mut gathered.earlier);
        let hints = std::mem::take(&mut gathered.hints);
        let other = gathered.other.take();
        let changes = changes.into_iter().map(|(folder, haste)| Event::LocalChange(folder, haste));
        let earlier = earlier.into_iter().map(|(folder, (haste, at))| Event::EarlierChange(folder, haste, at));
        changes.chain(earlier).chain(hints.into_iter().map(Event::ServerHint)).chain(other).collect()
    }
}

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// What is done now.
    pub under_way: Option<Work>,
    /// Since when all went well; `None` while it does not.
    pub well_since: Option<UnixTime>,
    /// When all folders are checked next, or the server is tried next.
    pub next_check: Option<UnixTime>,
    /// Folders with local changes, and when these go out.
    pub pending: Vec<(String, UnixTime)>,
}

/// Keeps one account in step.
pub struct Driver<W> {
    worker: Arc<W>,
    clock: Arc<dyn Clock>,
    signals: Arc<Signals>,
    timing: Timing,
    under_way: Option<Work>,
    well_since: Option<UnixTime>,
    board: watch::Sender<Board>,
}

impl<W: Worker> Driver<W> {
    /// A driver that has not begun.
    pub fn new(worker: Arc<W>, clock: Arc<dyn Clock>, signals: Arc<Signals>, rhythm: Rhythm) -> Self {
        let timing = Timing::new(rhythm, moment(&*clock));
        let board = watch::Sender::new(Board::default());
        Self { worker, clock, signals, timing, under_way: None, well_since: None, board }
    }

    /// Where it says how it stands.
    pub fn board(&self) -> watch::Receiver<Board> {
        self.board.subscribe()
    }

    /// Runs until [`Signals::stop`]; what is under way then is ended first.
    pub async fn run(mut self) {
        // Holds one piece of work at most.
        let mut running: JoinSet<Outcome> = JoinSet::new();
        let mut orders = self.timing.on(moment(&*self.clock), Event::Tick);
        loop {
            if let Some(work) = orders.begin.take() {
                self.under_way = Some(work.clone());
                running.spawn(Arc::clone(&self.worker).work(work));
            }
            if running.is_empty() {
                if self.signals.is_stopped() {
                    return;
                }
                self.begin_asked(&mut running);
            }
            self.show();
            let ended = if running.is_empty() {
                tokio::select! {
                    biased;
                    () = self.signals.notify.notified() => {}
                    () = self.clock.sleep(orders.wake_in) => {}
                }
                None
            } else {
                tokio::select! {
                    biased;
                    ended = running.join_next() => ended,
                    () = self.signals.notify.notified() => None,
                }
            };
            orders = match ended {
                // Work that panicked is no reason to stop.
                Some(ended) => self.ended(ended.unwrap_or(Outcome::Failed)),
                None => {
                    let now = self.hear();
                    self.orders(now)
                }
            };
        }
    }

    /// Tells the machine what was said. What was noticed together is told together, so that none of it gets ahead of the rest.
    fn hear(&mut self) -> Moment {
        let now = moment(&*self.clock);
        for event in self.signals.take_events() {
            self.timing.note(now, event);
        }
        if !self.timing.is_well() {
            self.well_since = None;
        }
        now
    }

    /// What to do now. Once it is stopped, nothing is begun: it would have no time left. And who asked goes first.
    fn orders(&mut self, now: Moment) -> Orders {
        if self.signals.is_stopped() || !self.signals.gathered().asks.is_empty() {
            return Orders { begin: None, wake_in: HEARTBEAT };
        }
        self.timing.on(now, Event::Tick)
    }

    fn ended(&mut self, outcome: Outcome) -> Orders {
        self.under_way = None;
        let now = self.hear();
        self.timing.note(now, Event::Ended(outcome));
        self.well_since = match (self.timing.is_well(), self.well_since) {
            (true, since) => since.or(Some(now.wall)),
            (false, _) => None,
        };
        self.orders(now)
    }

    fn begin_asked(&mut self, running: &mut JoinSet<Outcome>) {
        let Some(Ask { work, run }) = self.signals.gathered().asks.pop_front() else { return };
        self.timing.note(moment(&*self.clock), Event::Begun(work.clone()));
        self.under_way = Some(work);
        running.spawn(run);
    }

    fn show(&self) {
        let now = moment(&*self.clock);
        let at =
            |wait: Duration| UnixTime(now.wall.0.saturating_add(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX)));
        let board = Board {
            under_way: self.under_way.clone(),
            well_since: self.well_since,
            next_check: Some(at(self.timing.next_check_in(now))),
            pending: self.timing.pending(now).map(|(folder, wait)| (folder.to_owned(), at(wait))).collect(),
        };
        self.board.send_if_modified(|shown| {
            let differs = *shown != board;
            *shown = board;
            differs
        });
    }
}

fn moment(clock: &dyn Clock) -> Moment {
    Moment { elapsed: clock.elapsed(), wall: clock.now() }
}
