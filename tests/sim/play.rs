//! Plays a script: edits, runs, crashes and agreements, with a trace of all of it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use pimsync::clock::{Clock, Wait};
use pimsync::exchange::{Action, Rule};
use pimsync::local::MailTree;
use pimsync::plan::Brake;
use pimsync::remote::RemoteWrite;
use pimsync::state::State;
use pimsync::sync::{
    CutOff, Depth, Engine, Env, Fault, Mode, NoFault, Notice, NoticeKind, Report, Request, Settings, Step, SyncError,
    Unobserved,
};

use super::eager::Eager;
use super::edits::{Hand, Pick};
use super::model::{Failure, Model, check_alike, fail};
use super::script::{Asked, Edit, Entry, Script};
use super::sides::{check_whole, conflict_count, here, present, there};
use super::watch::{self, Ears, Seen};
use super::world::{ACCOUNT, TestClock, World};

/// The clock that the directory is read by: beside the hand's edits no stamp is old enough to be believed.
struct StampClock {
    quiet: Arc<AtomicBool>,
    clock: Arc<TestClock>,
}

impl Clock for StampClock {
    fn wall(&self) -> SystemTime {
        if self.quiet.load(Ordering::SeqCst) { self.clock.wall() } else { SystemTime::now() }
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn sleep(&self, time: Duration) -> Wait {
        self.clock.sleep(time)
    }

    fn alarm(&self, time: Duration) -> Wait {
        self.clock.alarm(time)
    }

    fn random(&self) -> u64 {
        self.clock.random()
    }
}

/// What the hook at the steps needs.
struct Stage {
    model: Model,
    trace: Vec<String>,
    queue: Vec<(usize, Edit, u64)>,
    /// What people do while the next watch lives, by the second.
    amid: Vec<(u64, Edit, u64)>,
    cut: Option<usize>,
    steps: usize,
    failure: Option<Failure>,
    /// Whether there is nothing more to be judged.
    over: bool,
}

pub struct Scene {
    world: World,
    stage: Mutex<Stage>,
    alone: bool,
    /// Whether times of directories are to be believed at once: only where nobody edits during the run, since file systems' clocks are coarse.
    quiet: Arc<AtomicBool>,
    /// Who notices what people do.
    ears: Mutex<Option<Arc<Ears>>>,
}

impl Scene {
    /// What people do is noticed by these from now on.
    pub fn hear_with(&self, ears: Option<Arc<Ears>>) {
        *self.ears.lock().unwrap_or_else(PoisonError::into_inner) = ears;
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn edit(&self, stage: &mut Stage, edit: Edit, pick: u64) {
        let ears = self.ears.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let before = ears.as_ref().map(|_| Seen::of(&self.world));
        let mut hand = Hand { world: &self.world, model: &mut stage.model, alone: self.alone };
        if let Some(done) = hand.edit(edit, pick) {
            stage.trace.push(done);
        }
        if let (Some(ears), Some(before)) = (ears, before) {
            ears.tell(&self.world, &before);
        }
    }
}

pub struct Hook(pub Arc<Scene>);

impl Fault for Hook {
    fn at(&self, step: Step) -> Result<(), CutOff> {
        let mut stage = self.0.stage();
        let stage = &mut *stage;
        let number = stage.steps;
        stage.steps += 1;
        stage.trace.push(format!("  {number} {step:?}"));
        if stage.failure.is_none() {
            stage.failure = check_whole(&self.0.world).err();
        }
        let (due, later) = std::mem::take(&mut stage.queue).into_iter().partition(|(at, ..)| *at <= number);
        stage.queue = later;
        let due: Vec<(usize, Edit, u64)> = due;
        for (_, edit, pick) in due {
            self.0.edit(stage, edit, pick);
        }
        if stage.cut.is_some_and(|cut| number >= cut) { Err(CutOff(step)) } else { Ok(()) }
    }
}

/// Plays a script to its end or to its first failure; the trace in either case.
pub fn play(script: &Script) -> (Vec<String>, Option<Failure>) {
    let mut world = World::unrecorded(script.like);
    world.policy = script.policy;
    let scene = Arc::new(Scene {
        world,
        stage: Mutex::new(Stage {
            model: Model::new(script.policy, script.like),
            trace: Vec::new(),
            queue: Vec::new(),
            amid: Vec::new(),
            cut: None,
            steps: 0,
            failure: None,
            over: false,
        }),
        alone: script.folders_at_once == 1,
        quiet: Arc::default(),
        ears: Mutex::default(),
    });
    let player = Player { scene: Arc::clone(&scene), folders_at_once: script.folders_at_once };
    let played = catch_unwind(AssertUnwindSafe(|| player.play(&script.entries)));
    let failure = match played {
        Ok(played) => played.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some(Failure { kind: "panic", text: text.unwrap_or_default() })
        }
    };
    let mut trace = std::mem::take(&mut scene.stage().trace);
    trace.extend(
        scene.world.server.requests().into_iter().map(|request| format!("{} {}", request.operation, request.status)),
    );
    (trace, failure)
}

#[derive(Clone)]
pub struct Player {
    pub scene: Arc<Scene>,
    folders_at_once: usize,
}

impl Player {
    pub fn world(&self) -> &World {
        &self.scene.world
    }

    pub fn note(&self, text: String) {
        self.scene.stage().trace.push(text);
    }

    fn play(&self, entries: &[Entry]) -> Result<(), Failure> {
        for entry in entries {
            if self.scene.stage().over {
                return Ok(());
            }
            match *entry {
                Entry::Edit { at: Some(at), edit, pick } => self.scene.stage().queue.push((at, edit, pick)),
                Entry::Edit { at: None, edit, pick } => self.edit(edit, pick),
                Entry::Amid { second, edit, pick } => self.scene.stage().amid.push((second, edit, pick)),
                Entry::Watch { minutes, pick, cut } => self.watch(minutes, pick, cut)?,
                Entry::Trouble { pick } => self.trouble(pick),
                Entry::Run { asked, cut } => self.run(asked, cut)?,
                Entry::Settle => self.settle()?,
            }
        }
        if self.scene.stage().over { Ok(()) } else { self.settle() }
    }

    pub fn edit(&self, edit: Edit, pick: u64) {
        let mut stage = self.scene.stage();
        // Without the state, nothing tells that a message was written over which is no draft.
        if edit == Edit::LoseState && stage.model.epoch.body_written {
            return;
        }
        self.scene.edit(&mut stage, edit, pick);
    }

    fn trouble(&self, pick: u64) {
        let rule = trouble(&mut Pick::new(pick));
        self.note(format!("trouble: {rule:?}"));
        self.world().server.faults().add(rule);
        self.scene.stage().model.epoch.faulty = true;
    }

    fn run(&self, asked: Asked, cut: Option<usize>) -> Result<(), Failure> {
        let request = self.request(asked);
        {
            let mut stage = self.scene.stage();
            stage.cut = cut;
            stage.steps = 0;
            stage.model.epoch.runs += 1;
            stage.trace.push(format!("run {asked:?}"));
            self.scene.quiet.store(stage.queue.is_empty(), Ordering::SeqCst);
        }
        self.world().advance(60);
        let result = self.sync(&request, Arc::new(Hook(Arc::clone(&self.scene))));
        self.note(told(&result));
        self.scene.stage().queue.clear();
        self.judge(&result)
    }

    /// Whether a run ended as it may, with everything there.
    pub fn judge(&self, result: &Result<Report, SyncError>) -> Result<(), Failure> {
        let mut stage = self.scene.stage();
        let faulty = stage.model.epoch.faulty;
        match result {
            Ok(_) => {}
            Err(SyncError::CutOff(_)) => {
                stage.model.epoch.cuts += 1;
                stage.cut = None;
            }
            Err(SyncError::NoSuchFolder(_)) => {}
            Err(SyncError::Remote(_)) if faulty => {}
            Err(error) => return fail("error", format!("a run failed: {error}")),
        }
        if let Some(failure) = stage.failure.take() {
            return Err(failure);
        }
        check_whole(self.world())?;
        stage.model.check_kept(&present(self.world()))
    }

    /// A run of a watch begins; its steps are counted on from those of the last.
    pub fn begin_run(&self) {
        self.scene.stage().model.epoch.runs += 1;
    }

    pub fn fail(&self, failure: Failure) {
        self.scene.stage().failure = Some(failure);
    }

    /// What was found wrong, if anything was.
    pub fn failed(&self) -> Result<(), Failure> {
        self.scene.stage().failure.take().map_or(Ok(()), Err)
    }

    fn watch(&self, minutes: u64, pick: u64, cut: Option<usize>) -> Result<(), Failure> {
        let mut amid = {
            let mut stage = self.scene.stage();
            stage.cut = cut;
            stage.steps = 0;
            stage.trace.push(format!("watch for {minutes} minutes"));
            self.scene.quiet.store(false, Ordering::SeqCst);
            std::mem::take(&mut stage.amid)
        };
        amid.sort_by_key(|(second, ..)| *second);
        let result = watch::watch(self, minutes, pick, VecDeque::from(amid));
        let mut stage = self.scene.stage();
        stage.cut = None;
        stage.queue.clear();
        result
    }

    fn request(&self, asked: Asked) -> Request {
        let one = |pick| Pick::new(pick).one(self.world().mail_folders()).map(|(_, path)| path).into_iter().collect();
        let (folders, later) = match asked {
            Asked::OneFolder(pick) => (one(pick), vec![]),
            Asked::Later(pick) => (vec![], one(pick)),
            Asked::Plain | Asked::Full | Asked::AllowDeletes => (vec![], vec![]),
        };
        let depth = if asked == Asked::Full { Depth::Full } else { Depth::Changes };
        let brake = if asked == Asked::AllowDeletes { Brake::Released } else { Brake::On };
        Request { folders, later, brake, depth, ..Request::default() }
    }

    pub fn sync(&self, request: &Request, fault: Arc<dyn Fault>) -> Result<Report, SyncError> {
        let client = self.world().client();
        match self.scene.alone {
            true => self.engine(Eager(client), fault, None, request),
            false => self.engine(client, fault, None, request),
        }
    }

    fn engine<R: RemoteWrite + 'static>(
        &self,
        remote: R,
        fault: Arc<dyn Fault>,
        state: Option<State>,
        request: &Request,
    ) -> Result<Report, SyncError> {
        let world = self.world();
        let quiet = Arc::clone(&self.scene.quiet);
        let stamps = StampClock { quiet, clock: world.clock.clone() };
        let state = match state {
            Some(state) => state,
            None => State::open(&world.database().join("state.db"))?,
        };
        let engine = Engine {
            remote: Arc::new(remote),
            local: Arc::new(MailTree::open(&world.database(), ACCOUNT, Arc::new(stamps))?),
            state: Arc::new(state),
            env: Env { clock: world.clock.clone(), fault },
            settings: Settings {
                account: ACCOUNT.to_owned(),
                identity: "0123456789abcdef".to_owned(),
                policy: world.policy,
                folders_at_once: self.folders_at_once,
            },
            observer: Arc::new(Unobserved),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(engine.run(request))
    }

    /// Nobody does anything any more: one run brings all in step, and after it there is nothing left to do.
    fn settle(&self) -> Result<(), Failure> {
        let world = self.world();
        world.server.faults().clear();
        world.advance(2 * 86_400);
        self.scene.quiet.store(true, Ordering::SeqCst);
        self.scene.stage().queue.clear();
        self.note("settle".to_owned());
        let request = Request { depth: Depth::Full, brake: Brake::Released, ..Request::default() };
        let result = self.sync(&request, Arc::new(NoFault));
        self.note(told(&result));
        let report = match result {
            Ok(report) => report,
            Err(error) => return fail("error", format!("a run that nothing disturbed failed: {error}")),
        };
        let (remote, local) = (there(world), here(world));
        check_whole(world)?;
        let mut stage = self.scene.stage();
        stage.model.check_kept(&present(world))?;
        if report.notices.iter().any(is_name_clash) {
            // Two folders want the same name: a person has to choose. The rest of the script knows nothing of that.
            stage.over = true;
            return stage.model.check_copies(&remote);
        }
        check_alike(&remote, &local).map_err(|failure| failure.with(&report))?;
        stage.model.check_agreement(&remote)?;
        stage.model.agree(&remote);
        drop(stage);
        self.nothing_left(conflict_count(world))
    }

    /// Convergence: a dry run plans nothing, and another run does nothing.
    fn nothing_left(&self, conflicts: usize) -> Result<(), Failure> {
        let world = self.world();
        let before = (there(world), here(world));
        let state = State::copy_in_memory(&world.database().join("state.db")).unwrap();
        let dry = Request { mode: Mode::DryRun, ..Request::default() };
        match self.engine(Eager(world.client()), Arc::new(NoFault), Some(state), &dry) {
            Ok(report) if report.planned.is_empty() => {}
            Ok(report) => return fail("plans", format!("a dry run after a sync plans {:?}", report.planned)),
            Err(error) => return fail("error", format!("a dry run failed: {error}")),
        }
        for depth in [Depth::Changes, Depth::Full] {
            match self.sync(&Request { depth, ..Request::default() }, Arc::new(NoFault)) {
                Ok(report) if report.folders.values().all(|tally| tally.is_empty()) => {}
                Ok(report) => return fail("does more", format!("a second sync, {depth:?}, did something: {report:?}")),
                Err(error) => return fail("error", format!("a second sync failed: {error}")),
            }
        }
        if (there(world), here(world)) == before && conflict_count(world) == conflicts {
            Ok(())
        } else {
            fail("does more", "a second sync changed something".to_owned())
        }
    }
}

fn is_name_clash(notice: &Notice) -> bool {
    notice.kind == NoticeKind::Held && notice.text.contains("a folder of that name exists there")
}

impl Failure {
    fn with(mut self, report: &Report) -> Self {
        self.text = format!("{}\n  notices: {:?}", self.text, report.notices);
        self
    }
}

/// The outcome of a run, without what differs from one run of a seed to the next.
pub fn told(result: &Result<Report, SyncError>) -> String {
    match result {
        Ok(report) => {
            let kinds: Vec<_> = report.notices.iter().map(|notice| (&notice.folder, notice.kind)).collect();
            format!("done: {:?}, {kinds:?}", report.total())
        }
        Err(SyncError::CutOff(cut)) => cut.to_string(),
        Err(SyncError::Remote(_)) => "the server failed".to_owned(),
        Err(_) => "failed".to_owned(),
    }
}

/// Something that goes wrong on the server, a few times.
fn trouble(pick: &mut Pick) -> Rule {
    const READS: [&str; 5] = ["SyncFolderItems", "GetItem", "GetFolder", "SyncFolderHierarchy", "FindItem"];
    const WRITES: [&str; 5] = ["CreateItem", "UpdateItem", "MoveItem", "DeleteItem", "CreateFolder"];
    let operations: Vec<&str> =
        READS.into_iter().chain(WRITES).chain(["UpdateFolder", "MoveFolder", "DeleteFolder"]).collect();
    let any = operations[pick.below(operations.len())];
    let write = WRITES[pick.below(WRITES.len())];
    let backoff_ms = [None, Some(500)][pick.below(2)];
    let codes = [
        "ErrorItemCorrupt",
        "ErrorInternalServerError",
        "ErrorAccessDenied",
        "ErrorContentConversionFailed",
        "ErrorTimeoutExpired",
    ];
    let code = codes[pick.below(codes.len())].to_owned();
    let fault = [
        "ErrorInternalServerTransientError",
        "ErrorMailboxStoreUnavailable",
        "ErrorConnectionFailed",
        "ErrorTimeoutExpired",
        "ErrorAccessDenied",
        "ErrorInternalServerError",
    ];
    let rule = match pick.below(28) {
        0 => Rule::on(any, Action::ServerBusyFault { backoff_ms }),
        1 => Rule::on(any, Action::ServerBusyInMessage { backoff_ms }),
        2 => Rule::on(any, Action::InternalServerErrorWithInnerBusy),
        3 => Rule::on(any, Action::Http429 { retry_after: Some(2) }),
        4 => Rule::on(any, Action::Http503 { retry_after: None }),
        5 => Rule::on(any, Action::Unauthorized401),
        6 => Rule::on(any, Action::Redirect302),
        7 => Rule::on(any, Action::HtmlErrorPage),
        8 => Rule::on(any, Action::ExceededConnectionCount),
        9 => Rule::on(any, Action::ResetBeforeCommit),
        10..=13 => Rule::on(write, Action::ResetAfterCommit),
        14 => Rule::on(any, Action::CutBody { at: pick.below(900) }),
        15 => Rule::on("SyncFolderItems", Action::InvalidSyncState),
        16 => Rule::on("SyncFolderHierarchy", Action::InvalidSyncState),
        17 => Rule::on("SyncFolderItems", Action::SilentlyResetSyncState),
        18 => Rule::on("SyncFolderItems", Action::DuplicateChanges),
        19 => Rule::on("GetItem", Action::OddBase64),
        20 => Rule::on(any, Action::Garbage),
        21 => Rule::on("CreateItem", Action::ItemError { code: "ErrorQuotaExceeded".to_owned() }),
        22 => Rule::on(any, Action::IllegalXml),
        23 => Rule::on(any, Action::Slow { ms: 1 + pick.below(40) as u64 }),
        24 | 25 => Rule::on(any, Action::Fault { code: fault[pick.below(fault.len())].to_owned() }),
        _ => Rule::on(
            ["GetItem", "CreateItem", "UpdateItem", "MoveItem", "DeleteItem"][pick.below(5)],
            Action::ItemError { code },
        ),
    };
    // A message that is refused again and again is put together from its headers alone, and stays without its text: that is meant, and nothing
    // that could be judged here.
    let reads_item = rule.operation.as_deref() == Some("GetItem") && matches!(rule.action, Action::ItemError { .. });
    match if reads_item { 1 } else { pick.below(4) } {
        0 => rule.times(1),
        1 => rule.nth(1 + pick.below(4) as u64),
        2 => rule.every(2 + pick.below(3) as u64).times(1 + pick.below(6) as u64),
        _ => rule.times(1 + pick.below(6) as u64),
    }
}
