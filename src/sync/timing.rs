//! When `watch` synchronizes what. Pure: events and the time go in, orders come out; nothing here waits, reads or writes.
//!
//! # Promises
//! 1. All folders are checked once per poll interval, counted from the start of the last check.
//! 2. What changes in a folder here goes to the server when the push delay has passed since the *first* of the changes, and not before, however
//!    many follow. A check that falls into the time between takes the server's changes in and leaves these alone.
//! 3. Changes of folders in haste (Sent Items) go out at once, and so are folders synchronized that the server gives a hint of.
//! 4. One piece of work at a time. It can be of many folders: the engine does as many of them at a time as its settings say.
//! 5. A change during a piece of work belongs to a later one, with a time of its own. One whose work failed keeps its time.
//! 6. Connecting starts a check, and so does reaching the server again. While it cannot be reached, it is tried at growing distances.
//! 7. Time that the machine slept counts as passed. A clock that is set, forward or back, makes at most one check early, and holds nothing up.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::pim::UnixTime;

/// The pause after a piece of work before the next begins.
pub const REST: Duration = Duration::from_secs(1);
/// The shortest distance between two checks of all folders, whatever calls for them.
pub const SHORTEST_CHECK: Duration = Duration::from_secs(10);
/// Nothing sleeps longer: so soon is it noticed that the machine slept.
pub const HEARTBEAT: Duration = Duration::from_secs(20);
/// The first distance between tries to reach a server that cannot be reached; doubled each time.
pub const FIRST_RETRY: Duration = Duration::from_secs(10);
/// The longest distance between such tries.
pub const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// The longest distance between tries after other failures, which a person has to mend.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// The clock on the wall is ahead of the time that passed by so much only when the machine slept, or the clock was set.
const SLEPT: Duration = Duration::from_secs(5);

/// The settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// From the start of a check of all folders to the start of the next.
    pub poll_interval: Duration,
    /// From the first local change of a folder to the push.
    pub push_delay: Duration,
}

impl Default for Rhythm {
    /// What Outlook for Mac 2011 did.
    fn default() -> Self {
        Self { poll_interval: Duration::from_secs(60), push_delay: Duration::from_secs(60) }
    }
}

/// Now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time since some fixed moment; may stand still while the machine sleeps.
    pub elapsed: Duration,
    /// The time of day; may be set.
    pub wall: UnixTime,
}

/// When local changes of a folder go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// After the push delay.
    Delayed,
    /// At once.
    AtOnce,
}

/// How a piece of work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done; single items or folders may have failed, and are tried again by the next check.
    Done,
    /// The server could not be reached.
    Unreachable,
    /// The server asks to wait so long.
    Wait(Duration),
    /// It failed in another way.
    Failed,
}

/// The pause after a failure that so many others came before: doubled each time, up to the longest.
pub fn growing(first: Duration, before: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << before.min(16)).min(longest.max(first))
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time passed.
    Tick,
    /// Something changed in the directory of this folder.
    LocalChange(String, Haste),
    /// The same, noticed at that time, and not said before.
    EarlierChange(String, Haste, Duration),
    /// The server says that something changed in this folder.
    ServerHint(String),
    /// Something may have been missed: all is to be looked at.
    Unsure,
    /// The server is reached (again).
    Connected,
    /// The connection to the server was lost.
    Disconnected,
    /// A piece of work that was not ordered began. Only while none is under way.
    Begun(Work),
    /// The piece of work under way ended.
    Ended(Outcome),
}

/// Which folders are synchronized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// These, by path.
    Folders(BTreeSet<String>),
}

/// A piece of work: one run of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Which folders.
    pub scope: Scope,
    /// Folders whose local changes have more time.
    pub later: BTreeSet<String>,
}

impl Work {
    /// Whether it takes local changes of this folder to the server.
    pub fn pushes(&self, folder: &str) -> bool {
        let within = match &self.scope {
            Scope::All => true,
            Scope::Folders(folders) => folders.contains(folder),
        };
        within && !self.later.contains(folder)
    }

    /// Whether it takes the server's changes of this folder in.
    pub fn pulls(&self, folder: &str) -> bool {
        match &self.scope {
            Scope::All => true,
            Scope::Folders(folders) => folders.contains(folder),
        }
    }
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orders {
    /// Begin this, and say how it ended.
    pub begin: Option<Work>,
    /// Send a [`Event::Tick`] after so long, should nothing else happen. Never zero.
    pub wake_in: Duration,
}

/// Local changes of a folder that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pending {
    due: Duration,
}

/// Whether work succeeds at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Well,
    /// The last work failed; so often in a row, and so long is waited.
    Failing {
        times: u32,
        retry_at: Duration,
        wait: Duration,
    },
}

struct UnderWay {
    work: Work,
    /// The changes that it takes along, and the hints.
    pushes: BTreeMap<String, Pending>,
    hints: BTreeSet<String>,
}

/// The state machine of one account.
pub struct Timing {
    rhythm: Rhythm,
    standing: Standing,
    /// When the next check of all folders is due.
    check_at: Duration,
    /// When the last one began.
    checked_at: Option<Duration>,
    /// No work before this.
    rested_at: Duration,
    pending: BTreeMap<String, Pending>,
    hints: BTreeSet<String>,
    under_way: Option<UnderWay>,
    seen: Moment,
}

impl Timing {
    /// Nothing happened yet; the first event, whatever it is, starts a check.
    pub fn new(rhythm: Rhythm, now: Moment) -> Self {
        Self {
            rhythm,
            standing: Standing::Well,
            check_at: now.elapsed,
            checked_at: None,
            rested_at: now.elapsed,
            pending: BTreeMap::new(),
            hints: BTreeSet::new(),
            under_way: None,
            seen: now,
        }
    }

    /// Takes an event in. Of several that happened together, the last goes to [`Self::on`].
    pub fn note(&mut self, now: Moment, event: Event) {
        self.keep_time(now);
        self.take(now.elapsed, event);
    }

    /// Takes an event in and says what to do.
    pub fn on(&mut self, now: Moment, event: Event) -> Orders {
        self.note(now, event);
        let begin = self.next(now.elapsed);
        if let Some(work) = &begin {
            self.begin(now.elapsed, work.clone());
        }
        Orders { begin, wake_in: self.wake_in(now.elapsed) }
    }

    /// How long until the next check of all folders, or the next try, as far as can be told.
    pub fn next_check_in(&self, now: Moment) -> Duration {
        self.check_due().saturating_sub(now.elapsed)
    }

    /// The folders with local changes that wait, and how long they still do.
    pub fn pending(&self, now: Moment) -> impl Iterator<Item = (&str, Duration)> {
        self.pending.iter().map(move |(folder, pending)| (folder.as_str(), pending.due.saturating_sub(now.elapsed)))
    }

    /// Whether the last work succeeded.
    pub fn is_well(&self) -> bool {
        self.standing == Standing::Well
    }

    /// Time that was slept counts; and nothing is ever further away than it was when it was set.
    fn keep_time(&mut self, now: Moment) {
        let passed = now.elapsed.saturating_sub(self.seen.elapsed);
        let shown = u64::try_from(now.wall.0.saturating_sub(self.seen.wall.0)).unwrap_or(0);
        let slept = Duration::from_secs(shown).saturating_sub(passed);
        if slept > SLEPT {
            self.hasten(slept);
        }
        self.seen = now;
        let now = now.elapsed;
        self.check_at = self.check_at.min(now.saturating_add(self.rhythm.poll_interval));
        self.checked_at = self.checked_at.map(|at| at.min(now));
        self.rested_at = self.rested_at.min(now.saturating_add(REST));
        for pending in self.pending.values_mut() {
            pending.due = pending.due.min(now.saturating_add(self.rhythm.push_delay));
        }
        if let Standing::Failing { retry_at, wait, .. } = &mut self.standing {
            *retry_at = (*retry_at).min(now.saturating_add(*wait));
        }
    }

    fn hasten(&mut self, by: Duration) {
        self.check_at = self.check_at.saturating_sub(by);
        for pending in self.pending.values_mut() {
            pending.due = pending.due.saturating_sub(by);
        }
        if let Standing::Failing { retry_at, .. } = &mut self.standing {
            *retry_at = retry_at.saturating_sub(by);
        }
    }

    fn take(&mut self, now: Duration, event: Event) {
        match event {
            Event::Tick => {}
            Event::LocalChange(folder, haste) => self.changed(now, folder, haste),
            Event::EarlierChange(folder, haste, at) => self.changed(at.min(now), folder, haste),
            Event::ServerHint(folder) => {
                self.hints.insert(folder);
            }
            Event::Unsure => self.check_at = now,
            Event::Connected => {
                self.check_at = now;
                if let Standing::Failing { retry_at, .. } = &mut self.standing {
                    *retry_at = now;
                }
            }
            Event::Disconnected => {
                self.check_at = now;
                if self.standing == Standing::Well && self.under_way.is_none() {
                    self.fail(now, FIRST_RETRY, LONGEST_RETRY);
                }
            }
            Event::Begun(work) => self.begin(now, work),
            Event::Ended(outcome) => self.end(now, outcome),
        }
    }

    fn changed(&mut self, at: Duration, folder: String, haste: Haste) {
        let due = match haste {
            Haste::AtOnce => at,
            Haste::Delayed => at.saturating_add(self.rhythm.push_delay),
        };
        self.wait_until(folder, Pending { due });
    }

    /// The first change of a folder sets the time; one in haste can only bring it forward.
    fn wait_until(&mut self, folder: String, pending: Pending) {
        let known = self.pending.entry(folder).or_insert(pending);
        known.due = known.due.min(pending.due);
    }

    fn begin(&mut self, now: Duration, work: Work) {
        if work.scope == Scope::All {
            self.checked_at = Some(now);
            self.check_at = now.saturating_add(self.rhythm.poll_interval);
        }
        let pushes = self.pending.extract_if(.., |folder, _| work.pushes(folder)).collect();
        let hints = self.hints.extract_if(.., |folder| work.pulls(folder)).collect();
        self.under_way = Some(UnderWay { work, pushes, hints });
    }

    fn end(&mut self, now: Duration, outcome: Outcome) {
        let Some(UnderWay { work, pushes, hints }) = self.under_way.take() else { return };
        self.rested_at = now.saturating_add(REST);
        if work.scope == Scope::All {
            // A check that takes longer than the interval is not followed by the next without a breath.
            let breath = (self.rhythm.poll_interval / 6).min(SHORTEST_CHECK);
            self.check_at = self.check_at.max(now.saturating_add(breath));
        }
        if outcome != Outcome::Done {
            self.hints.extend(hints);
            pushes.into_iter().for_each(|(folder, pending)| self.wait_until(folder, pending));
        }
        match outcome {
            Outcome::Done => self.standing = Standing::Well,
            Outcome::Unreachable => self.fail(now, FIRST_RETRY, LONGEST_RETRY),
            Outcome::Failed => self.fail(now, self.rhythm.poll_interval, LONGEST_PAUSE),
            Outcome::Wait(wait) => {
                let wait = wait.clamp(FIRST_RETRY, LONGEST_PAUSE);
                self.fail(now, wait, wait);
            }
        }
    }

    fn fail(&mut self, now: Duration, first: Duration, longest: Duration) {
        let times = match self.standing {
            Standing::Well => 0,
            Standing::Failing { times, .. } => times,
        };
        let wait = growing(first, times, longest);
        self.standing = Standing::Failing { times: times.saturating_add(1), retry_at: now.saturating_add(wait), wait };
    }

    /// When all folders are to be checked next.
    fn check_due(&self) -> Duration {
        let called_for = match self.standing {
            Standing::Well => self.check_at,
            Standing::Failing { retry_at, .. } => retry_at,
        };
        let shortest = SHORTEST_CHECK.min(self.rhythm.poll_interval);
        let earliest = self.checked_at.map_or(Duration::ZERO, |at| at.saturating_add(shortest));
        called_for.max(earliest).max(self.rested_at)
    }

    /// When single folders are to be synchronized next. A server that cannot be reached is tried by a check of all.
    fn folders_due(&self) -> Option<Duration> {
        if !self.is_well() {
            return None;
        }
        let pushes = self.pending.values().map(|pending| pending.due);
        let hints = (!self.hints.is_empty()).then_some(Duration::ZERO);
        pushes.chain(hints).min().map(|due| due.max(self.rested_at))
    }

    fn next(&self, now: Duration) -> Option<Work> {
        if self.under_way.is_some() {
            return None;
        }
        let later = |folder: &&String| self.pending.get(*folder).is_some_and(|pending| pending.due > now);
        if self.check_due() <= now {
            let later = self.pending.keys().filter(later).cloned().collect();
            return Some(Work { scope: Scope::All, later });
        }
        if self.folders_due().is_none_or(|due| due > now) {
            return None;
        }
        let pushes = self.pending.keys().filter(|folder| !later(folder));
        let folders: BTreeSet<String> = pushes.chain(&self.hints).cloned().collect();
        let later = folders.iter().filter(later).cloned().collect();
        Some(Work { scope: Scope::Folders(folders), later })
    }

    fn wake_in(&self, now: Duration) -> Duration {
        if self.under_way.is_some() {
            return HEARTBEAT;
        }
        let next = self.folders_due().into_iter().fold(self.check_due(), Duration::min);
        next.saturating_sub(now).clamp(Duration::from_millis(1), HEARTBEAT)
    }
}
