//! The engine: brings one account and its directory in step.
//!
//! # A run
//! 1. **Recover**: what the last run left half done is settled ([`recover`]).
//! 2. **Folders**: the server's tree, the directories and the base are compared, and the folders are put in step ([`tree`]).
//! 3. **Scan**: directories that may have changed are compared with the base ([`scan`]); what vanished here and appeared there with the
//!    same content was moved.
//!    Contacts, events, notes and tasks ([`entries`]) and the master list of categories ([`categories`]) have rounds of their own.
//! 4. **Pull**: for each folder, four at a time, page by page: what changed on the server is planned and brought into the local tree
//!    ([`pages`], [`pull`]); the sync state of a page is stored with its rows, after its files are durable.
//! 5. **Push**: what is left (local changes, and everything that is gone on a side) is planned as one, so that the brake sees it whole, and
//!    carried out ([`finish`], [`push`]).
//! 6. Folders that are gone on one side and empty are removed on the other.
//!
//! What was pushed comes back as an echo; a further round takes it in, so that the next run has nothing to do.
//!
//! # Order of writing
//! Intents, then effects, then rows and sync state. Each boundary is a [`Step`] at which tests cut a run off.

pub mod agreed;
mod bodies;
mod categories;
mod entries;
pub mod env;
mod finish;
pub mod hearing;
mod letters;
mod moves;
mod pages;
mod pull;
mod push;
mod recover;
mod rejoin;
pub mod report;
mod rights;
mod rows;
mod scan;
pub mod sending;
pub mod timing;
mod tree;
mod view;
pub mod watch;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::{self, StreamExt};
use tokio::sync::Semaphore;

pub use env::{CrashWindow, CutOff, Env, Fault, NoFault, Step};
pub use report::{Action, Notice, NoticeKind, Observer, Planned, Progress, Report, Tally, Unobserved};

use crate::local::{LocalError, LocalErrorClass, LocalWrite};
use crate::pim::{FolderKey, FolderKind, ItemKey, SpecialFolder, UnixTime};
use crate::plan::{Brake, ConflictPolicy, Side};
use crate::remote::{RemoteError, RemoteWrite, Rights};
use crate::state::{
    AccountKey, CHANGED, LONGEST_PATIENCE, Standing, State, StateError, Trouble, UNRENDERED, WAITS_FOR_FOLDER,
};
use tree::{Place, Tree};
use view::LocalView;

/// The server's hint that nothing changed is believed for so long, in seconds.
const HINT_GOOD_FOR: i64 = 3600;
/// Each side is looked at in full after so long, in seconds.
const FULL_EVERY: i64 = 7 * 86_400;
/// Rounds of a run. The second takes in the echo of the first; more are needed only while others change things too.
const MAX_ROUNDS: usize = 4;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The server.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The directory.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// state.db.
    #[error(transparent)]
    State(#[from] StateError),
    /// A test cut the run off.
    #[error(transparent)]
    CutOff(#[from] CutOff),
    /// A folder that was asked for does not exist.
    #[error("there is no folder {0:?} in this account; `pimsync status` lists them")]
    NoSuchFolder(String),
    /// A part of the program failed.
    #[error("a part of pimsync stopped unexpectedly: {0}")]
    Internal(String),
}

/// What does not change from run to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account's name.
    pub account: String,
    /// The identity's id, from its marker. Goes into the tags of uploads.
    pub identity: String,
    /// Who wins in a conflict.
    pub policy: ConflictPolicy,
    /// How many folders are pulled at a time.
    pub folders_at_once: usize,
}

impl Settings {
    fn folders_at_once(&self) -> usize {
        self.folders_at_once.clamp(1, 4)
    }

    /// How many folders are pulled at a time: those that have a turn at the server, and those whose last bodies are being made durable
    /// meanwhile. Where one has a turn, they come strictly one after the other.
    fn folders_under_way(&self) -> usize {
        match self.folders_at_once() {
            1 => 1,
            many => 2 * many,
        }
    }
}

/// Whether anything is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Do it.
    #[default]
    Apply,
    /// Say what would be done. The engine must then have been given a copy of the state.
    DryRun,
}

/// How closely to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// At what the sides say changed.
    #[default]
    Changes,
    /// At everything: complete listings on both sides, sizes and times of all files.
    Full,
}

/// What is asked of a run.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Only these folders, by path; all when empty.
    pub folders: Vec<String>,
    /// Folders, by path, whose local changes are not taken to the server yet: what the server changed comes in, and what it had to be told waits
    /// for another run. The folders themselves are put in step all the same. Unknown ones are passed over.
    pub later: Vec<String>,
    /// Whether mass deletions are held.
    pub brake: Brake,
    /// Whether anything is written.
    pub mode: Mode,
    /// How closely to look.
    pub depth: Depth,
}

/// The engine for one account.
pub struct Engine<R, L> {
    /// The server.
    pub remote: Arc<R>,
    /// The account's directory.
    pub local: Arc<L>,
    /// The base.
    pub state: Arc<State>,
    /// Time and failure.
    pub env: Env,
    /// What does not change from run to run.
    pub settings: Settings,
    /// Watches.
    pub observer: Arc<dyn Observer>,
}

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Engine<R, L> {
    /// Brings both sides in step.
    ///
    /// # Errors
    /// What concerns the whole account. What concerns one folder or item is in the report, and the rest goes on.
    pub async fn run(&self, request: &Request) -> Result<Report, SyncError> {
        let account = self.state.write(|state| state.ensure_account(&self.settings.account))?;
        let run = Run {
            engine: self,
            request,
            account,
            report: Mutex::default(),
            held: Mutex::default(),
            later: Mutex::default(),
            read_only: Mutex::default(),
            look_again: AtomicBool::new(false),
            turns: Semaphore::new(self.settings.folders_at_once()),
        };
        if request.mode == Mode::Apply {
            recover::recover(&run).await?;
        }
        for round in 0..MAX_ROUNDS {
            if run.round(round).await? == Echo::None || request.mode == Mode::DryRun {
                break;
            }
        }
        run.note_held()?;
        run.tell_outstanding()?;
        let mut report = run.report.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.notices.sort();
        report.notices.dedup();
        report.planned.sort();
        Ok(report)
    }
}

/// Whether the server was changed, so that the change comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Echo {
    None,
    Expected,
}

/// What was held, as `state.db` keeps it.
type HeldNote = (FolderKey, Option<ItemKey>, Side, &'static str, String);

/// One run.
struct Run<'e, R, L> {
    engine: &'e Engine<R, L>,
    request: &'e Request,
    account: AccountKey,
    report: Mutex<Report>,
    held: Mutex<Vec<HeldNote>>,
    /// [`Request::later`].
    later: Mutex<BTreeSet<FolderKey>>,
    /// Folders in which nothing may be changed on the server: their local changes never go out.
    read_only: Mutex<BTreeSet<FolderKey>>,
    /// Something was changed in the very instant, so that the next round has to look at it again.
    look_again: AtomicBool,
    /// Folders whose server side may be read at a time.
    turns: Semaphore,
}

/// Whether the disk as a whole has failed, rather than one file or folder.
fn stops_run(error: &LocalError) -> bool {
    matches!(error.class(), LocalErrorClass::NoRoom | LocalErrorClass::Other)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Run<'_, R, L> {
    fn state(&self) -> &Arc<State> {
        &self.engine.state
    }

    fn remote(&self) -> &R {
        &self.engine.remote
    }

    fn local(&self) -> &L {
        &self.engine.local
    }

    fn now(&self) -> UnixTime {
        self.engine.env.clock.now()
    }

    fn is_dry(&self) -> bool {
        self.request.mode == Mode::DryRun
    }

    fn step(&self, step: Step) -> Result<(), SyncError> {
        Ok(self.engine.env.fault.at(step)?)
    }

    fn progress(&self, progress: &Progress<'_>) {
        self.engine.observer.progress(progress);
    }

    fn tally(&self, place: &Place, change: impl FnOnce(&mut Tally)) {
        change(lock(&self.report).folders.entry(place.path().to_owned()).or_default());
    }

    fn notice(&self, folder: &str, kind: NoticeKind, item: Option<String>, text: String) {
        lock(&self.report).notices.push(Notice { folder: folder.to_owned(), kind, item, text });
    }

    fn planned(&self, folder: &str, action: Action, item: String, detail: String) {
        lock(&self.report).planned.push(Planned { folder: folder.to_owned(), action, item, detail });
    }

    /// Does disk work without holding up the network.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&L) -> Result<T, LocalError> + Send + 'static,
    ) -> Result<T, SyncError> {
        let local = Arc::clone(&self.engine.local);
        join(tokio::task::spawn_blocking(move || work(&local)).await)?.map_err(SyncError::from)
    }

    /// Commits without holding up the network.
    async fn commit<T: Send + 'static>(
        &self,
        write: impl FnOnce(&crate::state::Writer<'_>) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, SyncError> {
        let state = Arc::clone(&self.engine.state);
        join(tokio::task::spawn_blocking(move || state.write(write)).await)?.map_err(SyncError::from)
    }

    /// As [`Self::commit`], but does not wait until it is durable: for what a later run finds out by itself where a power failure takes it away.
    async fn jot<T: Send + 'static>(
        &self,
        write: impl FnOnce(&crate::state::Writer<'_>) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, SyncError> {
        let state = Arc::clone(&self.engine.state);
        join(tokio::task::spawn_blocking(move || state.jot(write)).await)?.map_err(SyncError::from)
    }

    async fn round(&self, round: usize) -> Result<Echo, SyncError> {
        // What is still held is told again.
        lock(&self.held).clear();
        lock(&self.report)
            .notices
            .retain(|notice| notice.kind != NoticeKind::Held || notice.folder == categories::FILE);
        let tree = tree::align_folders(self).await?;
        let places = self.chosen(&tree)?;
        lock(&self.report).folders_seen = places.len() as u64;
        let activity = self.activity(&tree).await?;
        let read_only = rights::read_only(&activity);
        *lock(&self.later) = self.postponed(&tree.places).union(&read_only).copied().collect();
        *lock(&self.read_only) = read_only;
        let due: BTreeSet<FolderKey> = self.due(&places, &activity, round)?;
        let gone_before: BTreeSet<ItemKey> = self
            .state()
            .read(|state| state.items_standing(self.account, Standing::Gone))?
            .iter()
            .map(|row| row.key)
            .collect();
        let (entries, unknown) = entries::sync_entries(self, &tree, &places, &due, &activity).await?;
        let calendar = tree.special(SpecialFolder::Calendar).filter(|place| place.on_server);
        let has_list = self.remote().capabilities().category_list;
        let asked_for = self.request.folders.is_empty()
            || calendar.is_some_and(|place| places.iter().any(|chosen| chosen.key() == place.key()));
        let categories = if has_list && asked_for {
            let mark = calendar.and_then(|place| activity.get(&place.key())?.mark.clone());
            categories::sync_categories(self, mark, round).await?
        } else {
            Echo::None
        };
        let chosen: BTreeSet<FolderKey> = places.iter().map(Place::key).collect();
        let places: Vec<Place> = places.into_iter().filter(Place::is_mail).collect();
        let mut view = scan::scan_all(self, &tree.places, &places, &due).await?;
        rejoin::rejoin(self, &mut view).await?;
        let view = Mutex::new(view);
        let pulls = places.iter().filter(|place| due.contains(&place.key()) && place.on_server);
        let results: Vec<_> = stream::iter(pulls.map(|place| {
            let activity = activity.get(&place.key()).cloned();
            let (view, tree) = (&view, &tree);
            async move { (place, pages::pull_folder(self, tree, place, activity, view).await) }
        }))
        .buffer_unordered(self.engine.settings.folders_under_way())
        .collect()
        .await;
        let mut gone = false;
        for (place, result) in results {
            if let Err(SyncError::Remote(RemoteError::FolderGone)) = result
                && round + 1 < MAX_ROUNDS
            {
                gone = true;
                lock(&view).remote_unknown.insert(place.key());
            } else {
                self.folder_result(place, result, &view)?;
            }
        }
        let mut view = view.into_inner().unwrap_or_else(PoisonError::into_inner);
        view.unknown.extend(&unknown);
        view.remote_unknown.extend(unknown);
        let echo = finish::finish(self, &tree, (&places, chosen), view, &gone_before).await?;
        let echo = if entries == Echo::Expected || categories == Echo::Expected { Echo::Expected } else { echo };
        if gone {
            // A folder that was made and deleted since the last listing is in no list of changes: the next round lists them all.
            self.state().write(|state| state.set_hierarchy(self.account, None))?;
            return Ok(Echo::Expected);
        }
        Ok(echo)
    }

    /// A folder that failed does not stop the others, unless the account or the disk has failed.
    fn folder_result(
        &self,
        place: &Place,
        result: Result<(), SyncError>,
        view: &Mutex<LocalView>,
    ) -> Result<(), SyncError> {
        let error = match result {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let text = self.folder_failure(error)?;
        lock(view).remote_unknown.insert(place.key());
        self.notice(place.path(), NoticeKind::FolderFailed, None, text);
        Ok(())
    }

    /// What people are told of a folder that failed; an error where the account or the disk has.
    fn folder_failure(&self, error: SyncError) -> Result<String, SyncError> {
        Ok(match &error {
            SyncError::Remote(RemoteError::FolderGone) => {
                // That the listing of folders does not tell so can mean that it began anew without a word; then it never will.
                self.state().write(|state| state.set_hierarchy(self.account, None))?;
                "the folder went away on the server during the sync; the next sync takes that in".to_owned()
            }
            SyncError::Remote(RemoteError::AccessDenied) => {
                "the server denies access to this folder; ask its owner for the right to read it".to_owned()
            }
            SyncError::Remote(error @ (RemoteError::Protocol { .. } | RemoteError::Rejected { .. })) => {
                error.to_string()
            }
            SyncError::Local(error) if !stops_run(error) => error.to_string(),
            _ => return Err(error),
        })
    }

    /// The folders that the request names, or all.
    fn chosen(&self, tree: &Tree) -> Result<Vec<Place>, SyncError> {
        let (wanted, places) = (&self.request.folders, &tree.places);
        let missing = wanted.iter().find(|name| !places.iter().any(|place| place.is_named(name)));
        if let Some(name) = missing {
            return Err(SyncError::NoSuchFolder(name.clone()));
        }
        let chosen = |place: &&Place| wanted.is_empty() || wanted.iter().any(|name| place.is_named(name));
        let is_shown = |place: &&Place| place.is_mirrored() && !tree.hidden.contains(&place.key());
        Ok(places.iter().filter(is_shown).filter(chosen).cloned().collect())
    }

    /// The folders whose local changes wait.
    fn postponed(&self, places: &[Place]) -> BTreeSet<FolderKey> {
        let is_later = |place: &&Place| self.request.later.iter().any(|name| place.is_named(name));
        places.iter().filter(is_later).map(Place::key).collect()
    }

    fn is_postponed(&self, folder: FolderKey) -> bool {
        lock(&self.later).contains(&folder)
    }

    /// What each folder of the server says without being listed; also notes the totals of folders that are not mirrored.
    async fn activity(&self, tree: &Tree) -> Result<HashMap<FolderKey, Activity>, SyncError> {
        let is_asked = |place: &&Place| {
            place.on_server && place.row.kind != FolderKind::Branch && !tree.hidden.contains(&place.key())
        };
        let asked: Vec<&Place> = tree.places.iter().filter(is_asked).collect();
        let ids: Vec<_> = asked.iter().map(|place| place.row.id.clone()).collect();
        let answers = self.remote().activity(&ids).await?;
        let mut activity = HashMap::new();
        let mut totals = Vec::new();
        for (place, answer) in asked.iter().zip(answers) {
            // A folder that cannot be asked is listed, and that says what is wrong with it.
            let Ok(answer) = answer else { continue };
            if let Some(total) = answer.total
                && place.row.total != Some(total)
            {
                totals.push((place.key(), total));
            }
            activity.insert(place.key(), Activity { mark: answer.mark, total: answer.total, rights: answer.rights });
        }
        if !totals.is_empty() {
            self.commit(move |state| totals.iter().try_for_each(|(folder, total)| state.set_total(*folder, *total)))
                .await?;
        }
        Ok(activity)
    }

    /// The folders whose items have to be asked for.
    fn due(
        &self,
        places: &[Place],
        activity: &HashMap<FolderKey, Activity>,
        round: usize,
    ) -> Result<BTreeSet<FolderKey>, SyncError> {
        let now = self.now();
        let troubles = self.state().read(|state| state.troubles(self.account))?;
        let each_round = |code: &str| code == CHANGED || code == WAITS_FOR_FOLDER;
        let retry: BTreeSet<FolderKey> = troubles
            .iter()
            .filter(|trouble| (round == 0 || each_round(&trouble.code)) && self.is_due(trouble))
            .map(|trouble| trouble.folder)
            .collect();
        let is_due = |place: &&Place| {
            let listing = &place.row.listing;
            let asked = listing.asked_at.map_or(i64::MAX, |asked| now.0.saturating_sub(asked.0));
            let same = activity
                .get(&place.key())
                .is_some_and(|activity| activity.mark.is_some() && activity.mark == listing.activity);
            let looks_full = round == 0 && self.wants_full(place);
            looks_full
                || listing.state.is_none()
                || !same
                || !(0..HINT_GOOD_FOR).contains(&asked)
                || retry.contains(&place.key())
        };
        Ok(places.iter().filter(is_due).map(Place::key).collect())
    }

    /// Nothing waits longer than the longest patience: a clock that was wrong has set times that are further away.
    fn is_due(&self, trouble: &Trouble) -> bool {
        let wait = trouble.retry_at.0.saturating_sub(self.now().0);
        self.request.depth == Depth::Full || !(1..=LONGEST_PATIENCE).contains(&wait)
    }

    /// Whether the server's side of a folder is to be listed from the beginning. A first listing that was cut off goes on where it was.
    fn wants_full(&self, place: &Place) -> bool {
        self.request.depth == Depth::Full || place.row.listing.listed_at.is_some_and(|listed| self.is_old(listed))
    }

    /// Whether each file of a folder is to be compared with its row.
    fn compares_files(&self, place: &Place) -> bool {
        self.request.depth == Depth::Full || place.row.listing.compared_at.is_none_or(|compared| self.is_old(compared))
    }

    fn is_old(&self, time: UnixTime) -> bool {
        !(0..FULL_EVERY).contains(&self.now().0.saturating_sub(time.0))
    }

    fn look_again(&self) {
        self.look_again.store(true, Ordering::Relaxed);
    }

    fn hold(&self, place: &Place, item: Option<ItemKey>, side: Side, reason: &'static str, detail: &str) {
        lock(&self.held).push((place.key(), item, side, reason, detail.to_owned()));
    }

    /// What an earlier run left in trouble, and this one had no reason to try again, is told all the same.
    fn tell_outstanding(&self) -> Result<(), SyncError> {
        let mut troubles = self.state().read(|state| state.troubles(self.account))?;
        let told: BTreeSet<Option<String>> =
            lock(&self.report).notices.iter().map(|notice| notice.item.clone()).collect();
        // What the server cannot render was told when it came; `status` goes on telling it.
        troubles.retain(|trouble| trouble.code != UNRENDERED && !told.contains(&Some(trouble.label.clone())));
        if troubles.is_empty() {
            return Ok(());
        }
        let folders = self.state().read(|state| state.folders(self.account))?;
        let dirs: HashMap<FolderKey, String> =
            folders.into_iter().filter_map(|row| Some((row.key, row.dir?))).collect();
        for trouble in troubles {
            let dir = dirs.get(&trouble.folder).map_or("", String::as_str);
            let text = format!("{}: {}", trouble.code, trouble.reason);
            self.notice(dir, NoticeKind::Skipped, Some(trouble.label), text);
        }
        Ok(())
    }

    /// What was held goes into the report and into `state.db`.
    fn note_held(&self) -> Result<(), SyncError> {
        let held = lock(&self.held).clone();
        if self.is_dry() {
            return Ok(());
        }
        self.state().write(|state| state.set_held(self.account, &held))?;
        Ok(())
    }
}

/// What a folder of the server says without being listed.
#[derive(Clone, Debug)]
struct Activity {
    mark: Option<crate::pim::ActivityMark>,
    total: Option<u64>,
    rights: Rights,
}

fn join<T>(result: Result<T, tokio::task::JoinError>) -> Result<T, SyncError> {
    result.map_err(|error| SyncError::Internal(error.to_string()))
}
