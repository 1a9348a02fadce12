//! A month of `watch` in a minute: edits on both sides, bursts, nights in which the machine sleeps, outages, throttling, restarts. The engine, the
//! server and the directory are real; the time is played. Nothing is lost, nothing is doubled, both sides agree, changes go out when they were
//! promised to, and no more is done than there is reason for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use pimsync::clock::{Clock, Wait};
use pimsync::exchange::{Action, Personality, Rule};
use pimsync::remote::RemoteError;
use pimsync::sync::timing::{Haste, Outcome, Rhythm, Scope, Work};
use pimsync::sync::watch::{Driver, Signals, Worker};
use pimsync::sync::{NoFault, Request, SyncError, Tally};

use crate::world::World;

const DAY: u64 = 86_400;
const RHYTHM: Rhythm = Rhythm { poll_interval: Duration::from_secs(900), push_delay: Duration::from_secs(60) };

/// What happens at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Arrive,
    /// So many new files in one folder within a second.
    Deliver(u64),
    DeliverSent,
    FlagHere,
    ReadThere,
    MoveHere,
    /// The server is away for so many seconds.
    Outage(u64),
    Busy,
    /// The machine sleeps so many seconds: only the clock on the wall goes on.
    Sleep(u64),
    Restart,
}

/// The time, and all that happens in it.
struct Play {
    world: World,
    /// Seconds that passed, sleep not included.
    elapsed: AtomicU64,
    script: Mutex<VecDeque<(u64, Act)>>,
    signals: Mutex<Arc<Signals>>,
    chance: Mutex<fastrand::Rng>,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    names: BTreeSet<String>,
    /// By name: when a file was put into the Inbox, and when a run ended after which it was on the server.
    waiting: BTreeMap<String, u64>,
    delays: Vec<u64>,
    /// By name: when a message came to the server's Inbox, and how long after that it was here.
    arriving: BTreeMap<String, u64>,
    arrivals: Vec<u64>,
    runs: u64,
    checks: Vec<u64>,
    sleeps: Vec<u64>,
    outages: Vec<(u64, u64)>,
    restart: bool,
}

/// The play's clock, for the driver.
struct PlayedClock(Arc<Play>);

impl Play {
    fn now(&self) -> u64 {
        self.elapsed.load(Ordering::SeqCst)
    }

    fn pass(&self, seconds: u64) {
        self.elapsed.fetch_add(seconds, Ordering::SeqCst);
        self.world.advance(i64::try_from(seconds).unwrap());
    }

    /// Lets time pass until something happens, or until then.
    fn play(&self, until: u64) {
        let next = self.script.lock().unwrap().front().copied();
        match next {
            Some((at, act)) if at <= until => {
                self.pass(at.saturating_sub(self.now()));
                self.script.lock().unwrap().pop_front();
                self.act(act);
            }
            Some(_) => self.pass(until - self.now()),
            None => self.signals.lock().unwrap().stop(),
        }
    }

    fn name(&self) -> String {
        let mut log = self.log.lock().unwrap();
        let name = format!("m{}", log.names.len());
        log.names.insert(name.clone());
        name
    }

    /// One of the messages that are here.
    fn one(&self, folder: &str) -> Option<String> {
        let here = self.world.local().remove(folder).unwrap_or_default();
        let number = self.chance.lock().unwrap().usize(..here.len().max(1));
        here.get(number).map(|message| message.id.trim_end_matches("@example.org").to_owned())
    }

    fn changed(&self, folder: &str, haste: Haste) {
        self.signals.lock().unwrap().local_change(folder, haste);
    }

    /// The server tells of a change in a folder, unless it is away.
    fn hint(&self, folder: &str) {
        if self.log.lock().unwrap().outages.is_empty() {
            self.signals.lock().unwrap().server_hint(folder);
        }
    }

    fn act(&self, act: Act) {
        let world = &self.world;
        match act {
            Act::Arrive => {
                let name = self.name();
                world.arrive("Inbox", &name);
                self.log.lock().unwrap().arriving.insert(name, self.now());
                self.hint("Inbox");
            }
            Act::Deliver(count) => {
                for _ in 0..count {
                    let name = self.name();
                    world.put("Inbox", &name, ":2,S");
                    self.log.lock().unwrap().waiting.insert(name, self.now());
                    self.changed("Inbox", Haste::Delayed);
                }
            }
            Act::DeliverSent => {
                world.put("Sent Items", &self.name(), ":2,S");
                self.changed("Sent Items", Haste::AtOnce);
            }
            Act::FlagHere => {
                if let Some(name) = self.one("Inbox") {
                    world.flag(&name, "FS");
                    self.changed("Inbox", Haste::Delayed);
                }
            }
            Act::ReadThere => {
                if let Some((id, _)) = self.one("Inbox").and_then(|name| world.find(&name)) {
                    world.mailbox.set_read(&id, true).unwrap();
                    self.hint("Inbox");
                }
            }
            Act::MoveHere => {
                if let Some(name) = self.one("Inbox").filter(|name| world.find(name).is_some()) {
                    world.shift(&name, "Archive");
                    self.changed("Inbox", Haste::Delayed);
                    self.changed("Archive", Haste::Delayed);
                }
            }
            Act::Outage(seconds) => {
                world.server.faults().add(Rule::always(Action::ResetBeforeCommit));
                self.log.lock().unwrap().outages.push((self.now(), self.now() + seconds));
            }
            Act::Busy => {
                world.server.faults().add(Rule::always(Action::ServerBusyFault { backoff_ms: Some(2000) }).times(3));
            }
            Act::Sleep(seconds) => {
                world.advance(i64::try_from(seconds).unwrap());
                self.log.lock().unwrap().sleeps.push(self.now());
            }
            Act::Restart => {
                self.log.lock().unwrap().restart = true;
                self.signals.lock().unwrap().stop();
            }
        }
    }

    /// An outage ends with its time.
    fn mend(&self) {
        let mut log = self.log.lock().unwrap();
        let now = self.now();
        let before = log.outages.len();
        log.outages.retain(|(_, end)| *end > now);
        if before > 0 && log.outages.is_empty() {
            self.world.server.faults().clear();
        }
    }
}

impl Clock for PlayedClock {
    fn wall(&self) -> SystemTime {
        self.0.world.clock.wall()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.now())
    }

    fn sleep(&self, time: Duration) -> Wait {
        let play = Arc::clone(&self.0);
        // The driver waits for a second at least, since time here has no smaller part.
        let until = play.now() + time.as_secs().max(1);
        Box::pin(async move { play.play(until) })
    }

    fn alarm(&self, time: Duration) -> Wait {
        self.0.world.clock.alarm(time)
    }

    fn random(&self) -> u64 {
        0
    }
}

impl Worker for Play {
    async fn work(self: Arc<Self>, work: Work) -> Outcome {
        tokio::task::spawn_blocking(move || self.run(&work)).await.unwrap()
    }
}

impl Play {
    fn run(&self, work: &Work) -> Outcome {
        self.mend();
        let folders = match &work.scope {
            Scope::All => Vec::new(),
            Scope::Folders(folders) => folders.iter().cloned().collect(),
        };
        let request = Request { folders, later: work.later.iter().cloned().collect(), ..Request::default() };
        let result = self.world.try_sync(&request, Arc::new(NoFault));
        let mut log = self.log.lock().unwrap();
        log.runs += 1;
        if work.scope == Scope::All {
            log.checks.push(self.now());
        }
        let report = match result {
            Ok(report) => report,
            Err(SyncError::Remote(RemoteError::Throttled { wait })) => return Outcome::Wait(wait),
            Err(_) => return Outcome::Unreachable,
        };
        if work.pushes("Inbox") {
            let now = self.now();
            let there: BTreeSet<String> =
                self.world.remote().into_values().flatten().map(|message| message.id).collect();
            let (done, waiting) = std::mem::take(&mut log.waiting)
                .into_iter()
                .partition::<BTreeMap<_, _>, _>(|(name, _)| there.contains(&format!("{name}@example.org")));
            log.waiting = waiting;
            log.delays.extend(done.values().map(|at| now - at));
        }
        if work.pulls("Inbox") {
            let now = self.now();
            let here: BTreeSet<String> = self.world.local().into_values().flatten().map(|message| message.id).collect();
            let (came, arriving) = std::mem::take(&mut log.arriving)
                .into_iter()
                .partition::<BTreeMap<_, _>, _>(|(name, _)| here.contains(&format!("{name}@example.org")));
            log.arriving = arriving;
            log.arrivals.extend(came.values().map(|at| now - at));
        }
        drop(log);
        // What is written here is noticed, too; and the server tells of what is written there.
        report.folders.keys().for_each(|folder| self.changed(folder, Haste::Delayed));
        let written =
            |tally: &Tally| tally.uploaded + tally.changed_there + tally.moved_there + tally.deleted_there > 0;
        report.folders.iter().filter(|(_, tally)| written(tally)).for_each(|(folder, _)| self.hint(folder));
        Outcome::Done
    }
}

/// Thirty days: people work from eight to ten in the evening; at night the machine sleeps, mostly.
fn script(chance: &mut fastrand::Rng) -> VecDeque<(u64, Act)> {
    let mut acts = Vec::new();
    for day in 0..30 {
        // Sleeping takes no time of the machine's.
        let morning = day * DAY * 14 / 24;
        for _ in 0..10 {
            let act = match chance.u32(..10) {
                0..=2 => Act::Arrive,
                3 => Act::Deliver(1),
                4 => Act::DeliverSent,
                5 | 6 => Act::FlagHere,
                7 => Act::ReadThere,
                8 => Act::MoveHere,
                _ => Act::Deliver(2),
            };
            acts.push((morning + chance.u64(600..50_000), act));
        }
        match day % 6 {
            0 => acts.push((morning + 20_000, Act::Deliver(40))),
            1 => acts.push((morning + 30_000, Act::Outage(4000))),
            2 => acts.push((morning + 25_000, Act::Busy)),
            3 => acts.push((morning + 10_000, Act::Restart)),
            4 => acts.push((morning + 15_000, Act::Sleep(300))),
            _ => {}
        }
        if day % 7 != 6 {
            acts.push((morning + 50_399, Act::Sleep(10 * 3600)));
        }
    }
    acts.push((30 * DAY * 14 / 24 + 2000, Act::Sleep(1)));
    acts.sort_by_key(|(at, _)| *at);
    acts.into()
}

#[test]
fn nothing_is_lost_and_nothing_is_done_without_reason() {
    let mut chance = fastrand::Rng::with_seed(4711);
    let world = World::unrecorded(Personality::Exchange);
    world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
    world.sync();
    let script = script(&mut chance);
    let edits = script.len() as u64;
    let play = Arc::new(Play {
        world,
        elapsed: AtomicU64::new(0),
        script: Mutex::new(script),
        signals: Mutex::default(),
        chance: Mutex::new(chance),
        log: Mutex::default(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    loop {
        let signals: Arc<Signals> = Arc::default();
        *play.signals.lock().unwrap() = Arc::clone(&signals);
        let clock = Arc::new(PlayedClock(Arc::clone(&play)));
        runtime.block_on(Driver::new(Arc::clone(&play), clock, signals, RHYTHM).run());
        if !std::mem::take(&mut play.log.lock().unwrap().restart) {
            break;
        }
    }
    let log = play.log.lock().unwrap();
    let days = 30 * 14 * 3600;
    assert!(play.now() >= days, "the month was cut off after {} s", play.now());
    assert_eq!(log.waiting, BTreeMap::new(), "never went out");
    assert!(log.delays.len() > 200);
    // Not before the minute was over but after a start; and not long after it but in an outage of 4000 s.
    let late = log.delays.iter().filter(|delay| **delay > 65).count();
    let early = log.delays.iter().filter(|delay| **delay < 60).count();
    assert!(log.delays.iter().all(|delay| *delay <= 4000 + 300 + 60), "{:?}", log.delays);
    assert!(late + early < log.delays.len() / 10, "{late} late, {early} early of {}", log.delays.len());
    // A check each quarter of an hour; each edit is pushed, and what it wrote is looked at, once.
    let checks = days / 900;
    assert!((checks..checks + edits).contains(&(log.checks.len() as u64)), "{} checks", log.checks.len());
    assert!(log.runs < log.checks.len() as u64 + 5 * edits, "{} runs for {edits} edits", log.runs);
    // What the server tells of is here within seconds; what came while it was away, with the check that finds it again.
    let late = log.arrivals.iter().filter(|delay| **delay > 5).count();
    assert_eq!(log.arriving, BTreeMap::new(), "never came in");
    assert!(log.arrivals.len() > 60 && late < log.arrivals.len() / 10, "{late} late of {:?}", log.arrivals);
    let names: BTreeSet<String> = log.names.iter().map(|name| format!("{name}@example.org")).collect();
    let remote: Vec<String> = play.world.remote().into_values().flatten().map(|message| message.id).collect();
    assert_eq!(remote.len(), names.len(), "something is lost or doubled");
    assert_eq!(remote.into_iter().collect::<BTreeSet<_>>(), names);
    play.world.settle();
}
