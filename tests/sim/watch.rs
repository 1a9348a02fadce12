//! Runs as a watch decides on them: checks of all folders, rounds over those that somebody heard of, changes that go out after their delay or at once. The
//! time is played; notices can be lost, come for nothing, or come for a folder that is gone; the watch can die at any step of a run, and begins anew.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use pimsync::clock::{Clock, Wait};
use pimsync::remote::RemoteError;
use pimsync::state::State;
use pimsync::sync::timing::{Haste, Outcome, Rhythm, Scope, Work};
use pimsync::sync::watch::{Driver, Signals, Worker};
use pimsync::sync::{Report, Request, SyncError};

use super::model::Failure;
use super::play::{Hook, Player, told};
use super::script::Edit;
use super::sides::{folders_here, here, there};
use super::world::{ACCOUNT, World};

/// What both sides hold, by folder: enough to see in which of them something was changed.
pub struct Seen {
    /// By id.
    there: BTreeMap<String, Vec<String>>,
    /// By directory below the account's.
    here: BTreeMap<String, Vec<String>>,
}

impl Seen {
    pub fn of(world: &World) -> Self {
        let (mut on_server, mut in_directory): (BTreeMap<_, Vec<_>>, BTreeMap<_, Vec<_>>) = Default::default();
        for item in there(world) {
            on_server.entry(item.folder.clone()).or_default().push(format!("{item:?}"));
        }
        let dir = |folder: &PathBuf| folder.strip_prefix(world.account_dir()).unwrap().display().to_string();
        for (_, folder) in folders_here(world) {
            in_directory.entry(dir(&folder)).or_default();
        }
        for file in here(world) {
            in_directory.entry(dir(&file.folder)).or_default().push(format!("{file:?}"));
        }
        Self { there: on_server, here: in_directory }
    }
}

fn differing(before: &BTreeMap<String, Vec<String>>, after: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let all = before.keys().chain(after.keys());
    all.filter(|folder| before.get(*folder) != after.get(*folder)).cloned().collect()
}

/// Whoever notices what people do while a watch runs.
pub struct Ears {
    signals: Arc<Signals>,
    dice: Mutex<fastrand::Rng>,
}

impl Ears {
    /// Tells of what was changed, mostly.
    pub fn tell(&self, world: &World, before: &Seen) {
        let after = Seen::of(world);
        let mut dice = self.dice.lock().unwrap();
        for folder in differing(&before.here, &after.here) {
            match dice.u32(..10) {
                0 => {}
                1 => self.signals.unsure(),
                2 => self.signals.local_change(&folder, Haste::AtOnce),
                _ => self.signals.local_change(&folder, haste_of(&folder)),
            }
        }
        let known = dirs_by_id(world);
        for folder in differing(&before.there, &after.there) {
            match (known.get(&folder), dice.u32(..10)) {
                (None, _) | (_, 0) => {}
                (Some(dir), _) => self.signals.server_hint(dir),
            }
        }
    }

    /// What a run did comes back as notices, now and then.
    fn echo(&self, report: &Report) {
        let mut dice = self.dice.lock().unwrap();
        for folder in report.folders.keys() {
            match dice.u32(..6) {
                0 => self.signals.local_change(folder, haste_of(folder)),
                1 => self.signals.server_hint(folder),
                _ => {}
            }
        }
    }
}

fn haste_of(folder: &str) -> Haste {
    if folder == "Sent Items" { Haste::AtOnce } else { Haste::Delayed }
}

fn dirs_by_id(world: &World) -> BTreeMap<String, String> {
    let Ok(state) = State::open_to_read(&world.database().join("state.db")) else { return BTreeMap::new() };
    let rows = state.read(|state| match state.account(ACCOUNT)? {
        Some(account) => state.folders(account.key),
        None => Ok(Vec::new()),
    });
    rows.unwrap_or_default().into_iter().filter_map(|row| Some((row.id.as_str().to_owned(), row.dir?))).collect()
}

/// A watch, and the time in which it lives.
struct Life {
    player: Player,
    now: AtomicU64,
    ends: u64,
    /// What people do meanwhile, by the second.
    amid: Mutex<VecDeque<(u64, Edit, u64)>>,
    ears: Mutex<Option<Arc<Ears>>>,
    died: AtomicBool,
}

struct PlayedClock(Arc<Life>);

impl Life {
    fn pass(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
        self.player.world().advance(i64::try_from(seconds).unwrap());
    }

    fn stop(&self) {
        if let Some(ears) = &*self.ears.lock().unwrap() {
            ears.signals.stop();
        }
    }

    /// Lets time pass until somebody does something, or until then.
    fn play(&self, until: u64) {
        let now = self.now.load(Ordering::SeqCst);
        let mut amid = self.amid.lock().unwrap();
        match amid.front().copied() {
            Some((at, edit, pick)) if at <= until => {
                amid.pop_front();
                drop(amid);
                self.pass(at.saturating_sub(now));
                self.player.edit(edit, pick);
            }
            _ => self.pass(until.saturating_sub(now)),
        }
        if self.now.load(Ordering::SeqCst) >= self.ends {
            self.stop();
        }
    }

    fn run(&self, work: &Work) -> Outcome {
        let folders = match &work.scope {
            Scope::All => Vec::new(),
            Scope::Folders(folders) => folders.iter().cloned().collect(),
        };
        self.player.note(format!("watch runs {folders:?}, later {:?}", work.later));
        let request = Request { folders, later: work.later.iter().cloned().collect(), ..Request::default() };
        self.pass(1);
        let mut result = self.attempt(&request);
        if let Err(SyncError::NoSuchFolder(_)) = &result {
            result = self.attempt(&Request { folders: Vec::new(), ..request });
        }
        if let Err(failure) = self.player.judge(&result) {
            self.player.fail(failure);
            self.stop();
            return Outcome::Failed;
        }
        match &result {
            Ok(report) => {
                if let Some(ears) = &*self.ears.lock().unwrap() {
                    ears.echo(report);
                }
                Outcome::Done
            }
            Err(SyncError::CutOff(_)) => {
                self.died.store(true, Ordering::SeqCst);
                self.stop();
                Outcome::Failed
            }
            Err(SyncError::Remote(RemoteError::Throttled { wait })) => Outcome::Wait(*wait),
            Err(SyncError::Remote(RemoteError::Unreachable { .. })) => Outcome::Unreachable,
            Err(_) => Outcome::Failed,
        }
    }

    fn attempt(&self, request: &Request) -> Result<Report, SyncError> {
        self.player.begin_run();
        let result = self.player.sync(request, Arc::new(Hook(Arc::clone(&self.player.scene))));
        self.player.note(told(&result));
        result
    }
}

impl Worker for Life {
    async fn work(self: Arc<Self>, work: Work) -> Outcome {
        tokio::task::spawn_blocking(move || self.run(&work)).await.unwrap()
    }
}

impl Clock for PlayedClock {
    fn wall(&self) -> SystemTime {
        self.0.player.world().clock.wall()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.now.load(Ordering::SeqCst))
    }

    fn sleep(&self, time: Duration) -> Wait {
        let life = Arc::clone(&self.0);
        // There is no smaller part of time here than a second.
        let until = life.now.load(Ordering::SeqCst) + time.as_secs().max(1);
        // In one go: the driver hears all of what somebody did together.
        Box::pin(async move { life.play(until) })
    }

    fn alarm(&self, time: Duration) -> Wait {
        self.0.player.world().clock.alarm(time)
    }

    fn random(&self) -> u64 {
        0
    }
}

/// Lets a watch live for so long; when it dies, the next begins.
pub fn watch(player: &Player, minutes: u64, pick: u64, amid: VecDeque<(u64, Edit, u64)>) -> Result<(), Failure> {
    let life = Arc::new(Life {
        player: player.clone(),
        now: AtomicU64::new(0),
        ends: minutes * 60,
        amid: Mutex::new(amid),
        ears: Mutex::default(),
        died: AtomicBool::new(false),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut number = 0;
    loop {
        let signals: Arc<Signals> = Arc::default();
        let dice = Mutex::new(fastrand::Rng::with_seed(pick.wrapping_add(number)));
        let ears = Arc::new(Ears { signals: Arc::clone(&signals), dice });
        *life.ears.lock().unwrap() = Some(Arc::clone(&ears));
        player.scene.hear_with(Some(ears));
        let clock = Arc::new(PlayedClock(Arc::clone(&life)));
        let rhythm = Rhythm { poll_interval: Duration::from_secs(60), push_delay: Duration::from_secs(45) };
        runtime.block_on(Driver::new(Arc::clone(&life), clock, signals, rhythm).run());
        number += 1;
        player.note("the watch ends".to_owned());
        if !life.died.swap(false, Ordering::SeqCst) || life.now.load(Ordering::SeqCst) >= life.ends {
            break;
        }
    }
    player.scene.hear_with(None);
    player.failed()
}
