//! What is done for one account: runs of the engine, and listening for changes in its directory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::super::account::{AccountRun, run_engine};
use super::super::context::{Company, Link, Way};
use super::super::failure::STOPPED;
use super::door::HeardHow;
use super::own::{Noticing, OwnWrites, Sifted};
use crate::identity::config::{Notifications, Tree};
use crate::identity::{Account, ConfigError, Marker, MarkerError, SecretError};
use crate::local::is_other_trees;
use crate::local::notice::{ChangeNotice, Noticed, places_of};
use crate::pim::{FolderId, SpecialFolder};
use crate::remote::ews::Store;
use crate::remote::{RemoteError, Telling};
use crate::state::{State, StateError};
use crate::sync::agreed::Agreed;
use crate::sync::hearing::{Ear, Listening};
use crate::sync::timing::{Haste, Outcome, Scope, Work};
use crate::sync::watch::{Board, Signals, Worker};
use crate::sync::{CutOff, Fault, Observer, Report, Request, Step, SyncError, Unobserved};

/// How long after a failure to listen the next try is.
const LISTEN_AGAIN: Duration = Duration::from_secs(600);

/// What is told of an account.
pub(super) enum Told {
    /// A run ended.
    Run(Work, Box<AccountRun>),
    /// How it stands changed.
    Board(String, Board),
    /// How its server tells what happens there changed.
    Listening(String, Listening),
    /// Something that people should know once.
    Remark(String),
}

/// Ends runs at the next step after which nothing is left to settle.
#[derive(Default)]
pub(super) struct StopSwitch(AtomicBool);

/// Whether runs go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switched {
    On,
    Off,
}

impl StopSwitch {
    pub(super) fn set(&self, switched: Switched) {
        self.0.store(switched == Switched::Off, Ordering::Relaxed);
    }
}

impl Fault for StopSwitch {
    fn at(&self, step: Step) -> Result<(), CutOff> {
        let settled = matches!(step, Step::FoldersNoted | Step::PageNoted | Step::PushNoted);
        if settled && self.0.load(Ordering::Relaxed) { Err(CutOff(step)) } else { Ok(()) }
    }
}

/// What is known of the account's folders.
#[derive(Default)]
struct Known {
    dirs: BTreeSet<String>,
    /// The same by the server's ids.
    ids: BTreeMap<FolderId, String>,
    /// Those whose changes go out at once.
    hasty: BTreeSet<String>,
}

/// Works for one account.
pub(super) struct AccountWorker {
    way: Way,
    account: Account,
    company: Company,
    /// One engine per identity at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
    link: tokio::sync::Mutex<Option<Arc<Link>>>,
    known: Mutex<Known>,
    notices: Mutex<Notices>,
    own: Mutex<OwnWrites>,
    heard: Mutex<Option<HeardHow>>,
    pub(super) signals: Arc<Signals>,
    told: mpsc::UnboundedSender<Told>,
}

/// Listening for changes in the directory.
#[derive(Default)]
struct Notices {
    notice: Option<ChangeNotice>,
    /// When it was tried last, and what was said about it.
    tried: Option<Duration>,
    said: Option<String>,
}

impl Worker for AccountWorker {
    /// The engine works on a thread of its own.
    async fn work(self: Arc<Self>, work: Work) -> Outcome {
        let runtime = tokio::runtime::Handle::current();
        let run = tokio::task::spawn_blocking(move || runtime.block_on(self.work_through(work)));
        // Work that panicked is no reason to stop.
        run.await.unwrap_or(Outcome::Failed)
    }
}

impl Ear for AccountWorker {
    type Remote = Store;

    async fn remote(&self) -> Option<Arc<Store>> {
        self.link().await.ok().map(|link| Arc::clone(&link.client))
    }

    fn folder(&self, id: &FolderId) -> Option<String> {
        lock(&self.known).ids.get(id).cloned()
    }

    fn note(&self, listening: Listening) {
        *lock(&self.heard) = Some(HeardHow::of(&listening));
        // Nobody listens any more when the process ends.
        let _ = self.told.send(Told::Listening(self.account.name.to_string(), listening));
    }
}

impl HeardHow {
    fn of(listening: &Listening) -> Self {
        match listening {
            Listening::To(Telling::Streaming) => Self::Streaming,
            Listening::To(Telling::Pull) => Self::Pull,
            Listening::Not(_) => Self::Checks,
        }
    }
}

impl AccountWorker {
    /// How changes on the server are learned of; `None` until that is known.
    pub(super) fn heard(&self) -> Option<HeardHow> {
        *lock(&self.heard)
    }

    async fn work_through(self: Arc<Self>, work: Work) -> Outcome {
        let folders = match &work.scope {
            Scope::All => Vec::new(),
            Scope::Folders(folders) => folders.iter().cloned().collect(),
        };
        let request = Request { folders, later: work.later.iter().cloned().collect(), ..Request::default() };
        let (mut run, mut outcome) = self.sync(&request, Arc::new(Unobserved)).await;
        // A directory that is no folder yet, or not any more.
        if run.error.as_ref().is_some_and(|error| error.kind == "no-such-folder") {
            let all = Request { folders: Vec::new(), ..request };
            (run, outcome) = self.sync(&all, Arc::new(Unobserved)).await;
        }
        if run.error.as_ref().is_some_and(|error| error.kind == STOPPED) {
            return outcome;
        }
        if work.scope == Scope::All {
            self.listen();
        }
        // Nobody listens any more when the process ends.
        let _ = self.told.send(Told::Run(work, Box::new(run)));
        outcome
    }

    pub(super) fn new(
        way: Way,
        account: Account,
        company: Company,
        turn: Arc<tokio::sync::Mutex<()>>,
        told: mpsc::UnboundedSender<Told>,
    ) -> Arc<Self> {
        let heard = (account.watch.notifications == Notifications::Off).then_some(HeardHow::Checks);
        let worker = Self {
            way,
            account,
            company,
            turn,
            link: tokio::sync::Mutex::default(),
            known: Mutex::default(),
            notices: Mutex::default(),
            own: Mutex::default(),
            heard: Mutex::new(heard),
            signals: Arc::default(),
            told,
        };
        worker.learn();
        Arc::new(worker)
    }

    /// A run that somebody asked for, on a thread of its own; nothing when it panicked.
    pub(super) async fn sync_aside(
        self: Arc<Self>,
        request: Request,
        observer: Arc<dyn Observer>,
    ) -> Option<(AccountRun, Outcome)> {
        let runtime = tokio::runtime::Handle::current();
        let run = move || runtime.block_on(self.sync(&request, observer));
        tokio::task::spawn_blocking(run).await.ok()
    }

    /// One run of the engine, when it is this account's turn.
    async fn sync(&self, request: &Request, observer: Arc<dyn Observer>) -> (AccountRun, Outcome) {
        let _turn = self.turn.lock().await;
        let started = self.way.now();
        lock(&self.own).begin();
        let result = self.attempt(request, observer).await;
        self.learn();
        let noticed = lock(&self.own).end(self.way.env.clock.elapsed());
        self.compare(noticed);
        if let Some(Err(error)) = self.way.known_state().map(|state| state?.rest()) {
            tracing::debug!(%error, "state.db keeps its memory");
        }
        let outcome = outcome_of(&result);
        if outcome == Outcome::Failed {
            // The password may be another one next time.
            *self.link.lock().await = None;
        }
        (AccountRun::of(&self.account, (started, self.way.now()), &result), outcome)
    }

    async fn attempt(&self, request: &Request, observer: Arc<dyn Observer>) -> anyhow::Result<Report> {
        // Each time: its disk may have been taken away.
        let marker = Marker::read(&self.way.layout)?;
        let link = self.link().await?;
        run_engine(&self.way, &marker, &self.account, &link, request, observer).await
    }

    async fn link(&self) -> anyhow::Result<Arc<Link>> {
        let mut link = self.link.lock().await;
        if let Some(link) = &*link {
            return Ok(Arc::clone(link));
        }
        let made = Arc::new(self.way.connect(&self.account, self.company).await?);
        *link = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Takes note of the folders. What cannot be read now is as it was.
    fn learn(&self) {
        let read = || -> anyhow::Result<Known> {
            let state = self.way.known_state().context("nothing was synchronized yet")??;
            let folders = state.read(|state| match state.account(self.account.name.as_str())? {
                Some(account) => state.folders(account.key),
                None => Ok(Vec::new()),
            })?;
            let mut known = Known::default();
            for (id, dir, special) in folders.into_iter().filter_map(|row| Some((row.id, row.dir?, row.special))) {
                known.ids.insert(id, dir.clone());
                if self.account.watch.at_once.iter().any(|name| is_meant(name, &dir, special)) {
                    known.hasty.insert(dir.clone());
                }
                known.dirs.insert(dir);
            }
            Ok(known)
        };
        if let Ok(known) = read() {
            *lock(&self.known) = known;
        }
    }

    /// Begins to listen for changes in the directory, where that does not go on already.
    pub(super) fn listen(self: &Arc<Self>) {
        let mut listening = lock(&self.notices);
        let now = self.way.env.clock.elapsed();
        let waits = listening.tried.is_some_and(|tried| now.saturating_sub(tried) < LISTEN_AGAIN);
        let directory = self.way.layout.account(&self.account.name);
        // The first run makes that of public folders or another mailbox.
        let is_to_come = self.account.tree != Tree::Mailbox && !directory.exists();
        if listening.notice.is_some() || waits || is_to_come {
            return;
        }
        listening.tried = Some(now);
        let worker = Arc::downgrade(self);
        let tell = move |noticed| {
            if let Some(worker) = worker.upgrade() {
                worker.hear(noticed);
            }
        };
        match ChangeNotice::begin(&directory, tell) {
            Ok(notice) => listening.notice = Some(notice),
            Err(error) => {
                let interval = self.account.watch.poll_interval;
                let text = format!("{error}; the directory is looked through every {interval} seconds instead");
                if listening.said.as_ref() != Some(&text) {
                    let _ = self.told.send(Told::Remark(format!("{}: {text}", self.account.name)));
                    listening.said = Some(text);
                }
            }
        }
    }

    fn hear(&self, noticed: Noticed) {
        let Noticed::Changed(paths) = noticed else { return self.signals.unsure() };
        let sifted = lock(&self.own).sift(paths, self.way.env.clock.elapsed());
        match sifted {
            Sifted::Others(noticed) => self.count(&noticed),
            Sifted::Compare(noticed) => self.compare(noticed),
            Sifted::Held => {}
        }
    }

    /// Counts what is not as a run left it.
    fn compare(&self, mut noticed: Noticing) {
        if noticed.is_empty() {
            return;
        }
        let (layout, clock) = (&self.way.layout, self.way.env.clock.clone());
        // Where nothing can be compared, all of it counts.
        let open = |state: Result<Arc<State>, StateError>| {
            Agreed::open(&layout.database(), state?, self.account.name.as_str(), clock)
        };
        if let Some(Ok(mut agreed)) = self.way.known_state().map(open) {
            noticed.retain(|(path, _)| !agreed.on(path));
        }
        self.count(&noticed);
    }

    /// Says in which folders something was changed.
    fn count(&self, noticed: &Noticing) {
        let root = self.way.layout.account(&self.account.name);
        let known = lock(&self.known);
        // The public folders and the other mailboxes have workers of their own.
        let is_others =
            |place: &str| self.account.tree == Tree::Mailbox && place.split('/').next().is_some_and(is_other_trees);
        let is_folder = |place: &String| !is_others(place) && (known.dirs.contains(place) || root.join(place).is_dir());
        let mut first: BTreeMap<String, Duration> = BTreeMap::new();
        for (path, at) in noticed {
            for place in places_of(path) {
                let since = first.entry(place).or_insert(*at);
                *since = (*since).min(*at);
            }
        }
        for (place, at) in first.into_iter().filter(|(place, _)| is_folder(place)) {
            let haste = if known.hasty.contains(&place) { Haste::AtOnce } else { Haste::Delayed };
            self.signals.earlier_change(&place, haste, at);
        }
    }
}

/// Whether a name in `at_once` means this folder: by its path, or by the role that it names.
fn is_meant(name: &str, dir: &str, special: Option<SpecialFolder>) -> bool {
    let role = name.replace(' ', "");
    dir.eq_ignore_ascii_case(name) || special.is_some_and(|special| special.as_str().eq_ignore_ascii_case(&role))
}

/// What a result means for when to try again: what a person has to mend is tried ever more seldom.
fn outcome_of(result: &anyhow::Result<Report>) -> Outcome {
    let Err(error) = result else { return Outcome::Done };
    let remote = error.chain().find_map(|cause| match cause.downcast_ref::<SyncError>() {
        Some(SyncError::Remote(error)) => Some(error),
        _ => cause.downcast_ref::<RemoteError>(),
    });
    let is_settings =
        error.chain().any(|cause| cause.is::<SecretError>() || cause.is::<ConfigError>() || cause.is::<MarkerError>());
    match remote {
        Some(RemoteError::Throttled { wait }) => Outcome::Wait(*wait),
        Some(RemoteError::Token(error)) if error.is_passing() => Outcome::Unreachable,
        Some(
            RemoteError::Token(_)
            | RemoteError::SignInRefused { .. }
            | RemoteError::TokenRefused { .. }
            | RemoteError::NoSignIn { .. }
            | RemoteError::Untrusted { .. }
            | RemoteError::EwsDisabled { .. }
            | RemoteError::Account { .. }
            | RemoteError::Refused { .. },
        ) => Outcome::Failed,
        _ if is_settings => Outcome::Failed,
        _ => Outcome::Unreachable,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::auth::Scheme;

    #[test]
    fn sent_items_is_known_by_its_role_in_any_language() {
        let sent = Some(SpecialFolder::SentItems);
        assert!(is_meant("Sent Items", "Gesendete Elemente", sent));
        assert!(is_meant("team/ALL", "Team/All", None));
        assert!(!is_meant("Sent Items", "Inbox", Some(SpecialFolder::Inbox)));
    }

    #[test]
    fn a_refused_sign_in_is_not_tried_every_minute() {
        let error = |error: RemoteError| outcome_of(&Err(SyncError::from(error).into()));
        let host = || "x.org".to_owned();
        let refused =
            RemoteError::SignInRefused { host: host(), user: String::new(), scheme: Scheme::Basic, ahead: None };
        assert_eq!(error(refused), Outcome::Failed);
        assert_eq!(error(RemoteError::Unreachable { host: host(), reason: String::new() }), Outcome::Unreachable);
        let wait = Duration::from_secs(7);
        assert_eq!(error(RemoteError::Throttled { wait }), Outcome::Wait(wait));
        assert_eq!(outcome_of(&Err(RemoteError::Quota.into())), Outcome::Unreachable);
        assert_eq!(outcome_of(&Ok(Report::default())), Outcome::Done);
    }

    #[test]
    fn a_run_is_stopped_only_where_nothing_is_left_to_settle() {
        let switch = StopSwitch::default();
        assert!(Step::ALL.iter().all(|step| switch.at(*step).is_ok()));
        switch.set(Switched::Off);
        let stopped: Vec<Step> = Step::ALL.into_iter().filter(|step| switch.at(*step).is_err()).collect();
        assert_eq!(stopped, [Step::FoldersNoted, Step::PageNoted, Step::PushNoted]);
    }
}
