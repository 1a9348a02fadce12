//! The server's side of a folder: its changes, page by page, observed and turned into cases for the plan.

mod recognise;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;

use tokio::sync::SemaphorePermit;

use super::bodies::{Rendering, rendering_of_file, renderings};
use super::pull;
use super::scan::scan_late;
use super::tree::{Place, Tree};
use super::view::{Content, LocalFile, LocalView};
use super::{Activity, Progress, Run, SyncError, lock};
use crate::local::LocalWrite;
use crate::pim::{ItemId, ItemKey, ServerMarks, ServerMessage, SyncState};
use crate::plan::{self, Base, Case, Doubt, Plan, RemoteState, Seen};
use crate::remote::{ChangePage, ItemChange, ItemErrorClass, RemoteError, RemoteWrite};
use crate::state::{ItemRow, Listing, Standing, Subject, UNRENDERED};

/// Changes asked for in one page: what a server allows at most (MS-OXWSSYNC 3.1.4.2.3.3, `MaxChangesReturned`).
pub(super) const PAGE: u16 = 512;
/// A folder that seems to hold too few items is listed from the beginning at most so often, in seconds.
pub(super) const MISSED_EVERY: i64 = 86_400;
/// So many pages in a row that repeat earlier ones, or are empty, and claim that more follows, are a listing that does not end.
const FRUITLESS_PAGES: usize = 50;
/// A body was probably changed when the size differs by more than flags and categories explain.
const SIZE_OF_MARKS: u64 = 1024;

/// Takes in all that changed in a folder on the server.
pub(super) async fn pull_folder<R, L>(
    run: &Run<'_, R, L>,
    tree: &Tree,
    place: &Place,
    activity: Option<Activity>,
    view: &Mutex<LocalView>,
) -> Result<(), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let total = activity.as_ref().and_then(|activity| activity.total).unwrap_or(0);
    let have = run.state().read(|state| state.count_items(place.key()))?;
    run.progress(&Progress::FolderBegun { folder: place.path(), expected: total.saturating_sub(have) });
    let expected = activity.as_ref().and_then(|activity| activity.total);
    let turn = run.turns.acquire().await.ok();
    let mut puller = Puller { run, tree, place, view, sweep: None, unrendered: HashSet::new(), expected, turn };
    puller.retry_troubled().await?;
    let since = place.row.listing.state.clone().filter(|_| !run.wants_full(place));
    let state = match puller.pull_since(since).await {
        Err(SyncError::Remote(RemoteError::StateInvalid)) => puller.pull_since(None).await?,
        other => other?,
    };
    let state = if puller.missed_departures(activity.as_ref()).await? { puller.pull_since(None).await? } else { state };
    puller.note_listed(state, activity).await?;
    run.progress(&Progress::FolderDone { folder: place.path() });
    Ok(())
}

/// Watches that a listing gets on.
#[derive(Default)]
pub(super) struct Advance {
    met: HashSet<u64>,
    fruitless: usize,
    /// Items that were told of as being there.
    present: u64,
    /// Whether anything else was told, too.
    mixed: bool,
}

impl Advance {
    /// Whether a page told of anything that no earlier one did.
    pub(super) fn check(&mut self, page: &ChangePage) -> Result<bool, RemoteError> {
        let mut hasher = DefaultHasher::new();
        page.changes.iter().for_each(|change| change.id().hash(&mut hasher));
        let is_new = self.met.insert(hasher.finish()) && !page.changes.is_empty();
        self.fruitless = if is_new { 0 } else { self.fruitless + 1 };
        if is_new {
            let is_item = |change: &&ItemChange| matches!(change, ItemChange::Present(_));
            let present: HashSet<&ItemId> = page.changes.iter().filter(is_item).map(ItemChange::id).collect();
            self.present += present.len() as u64;
            self.mixed |= !page.changes.iter().all(|change| is_item(&change));
        }
        if self.fruitless < FRUITLESS_PAGES {
            return Ok(is_new);
        }
        let reason = format!("the listing does not end: {FRUITLESS_PAGES} pages in a row brought nothing new");
        Err(RemoteError::Protocol { operation: "SyncFolderItems", reason })
    }

    /// Whether a listing from the beginning has told of so many items, and of nothing but items: what says "last" too early are pages of
    /// deletions and of read flags.
    pub(super) fn tells_whole(&self, expected: u64) -> bool {
        !self.mixed && self.present >= expected
    }
}

struct Puller<'p, 'e, R, L> {
    run: &'p Run<'e, R, L>,
    tree: &'p Tree,
    place: &'p Place,
    view: &'p Mutex<LocalView>,
    /// While everything is listed: the items that were not met yet.
    sweep: Option<HashSet<ItemKey>>,
    /// Messages that the server could not render: they are compared again, whether they changed or not.
    unrendered: HashSet<ItemId>,
    /// How many items the server counted in the folder before it was listed.
    expected: Option<u64>,
    /// The right to read from the server, until the last bodies have come.
    turn: Option<SemaphorePermit<'p>>,
}

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Puller<'_, '_, R, L> {
    /// Lists from `since` to the end. While one page is taken in, the next one is asked for already.
    async fn pull_since(&mut self, since: Option<SyncState>) -> Result<SyncState, SyncError> {
        let (run, folder) = (self.run, &self.place.row.id);
        if since.is_none() {
            self.sweep = Some(run.state().read(|state| state.item_keys(self.place.key()))?);
        }
        let mut page = run.remote().item_changes(folder, since.as_ref(), PAGE).await?;
        let mut advance = Advance::default();
        loop {
            let is_new = advance.check(&page)?;
            // Some servers say "last" too early, so only an empty page ends the listing, or one that completes a listing from the beginning.
            // One that repeats itself does not go on.
            let state = page.state.clone();
            let is_whole = page.is_whole()
                || since.is_none() && self.expected.is_some_and(|expected| advance.tells_whole(expected));
            if page.is_last() && (!is_new || is_whole) {
                let turn = self.turn.take();
                let lasting = page.lasting_state().cloned();
                self.take_in_changes(page.changes, lasting, turn).await?;
                break self.end_sweep(state).await;
            }
            let (taken, next) = tokio::join!(self.take_in(page), run.remote().item_changes(folder, Some(&state), PAGE));
            taken?;
            page = next?;
            if page.state == state && page.is_last() {
                break self.end_sweep(state).await;
            }
        }
    }

    /// After a complete listing: what was not met is asked for by its id, since a listing that began anew proves nothing by itself.
    async fn end_sweep(&mut self, state: SyncState) -> Result<SyncState, SyncError> {
        let mut unmet: Vec<ItemKey> = self.sweep.iter_mut().flat_map(HashSet::drain).collect();
        unmet.sort();
        for keys in unmet.chunks(100) {
            let rows = super::rows::rows_of(self.run, keys.iter().copied())?;
            let mut rows: Vec<&ItemRow> = rows.values().filter(|row| row.folder == self.place.key()).collect();
            rows.sort_by_key(|row| row.key);
            let ids: Vec<ItemId> = rows.iter().map(|row| row.id.clone()).collect();
            let answers = self.run.remote().messages(&ids).await?;
            let changes = ids.into_iter().zip(answers).filter_map(|(id, answer)| match answer {
                // Its move has not come here yet, and is for the folder where it lies to tell.
                Ok(message) if self.lies_elsewhere(&message) => None,
                Ok(message) => Some(ItemChange::Present(Box::new(message))),
                Err(error) if error.class == ItemErrorClass::Gone => Some(ItemChange::Gone(id)),
                Err(_) => None,
            });
            self.take_in_changes(changes.collect(), None, None).await?;
        }
        Ok(state)
    }

    /// Whether the server holds fewer items than were told of: it began its listing anew without a word, so that what is gone was not told.
    async fn missed_departures(&self, activity: Option<&Activity>) -> Result<bool, SyncError> {
        let key = self.place.key();
        let listed = self.place.row.listing.listed_at;
        let lately =
            listed.is_some_and(|listed| (0..MISSED_EVERY).contains(&self.run.now().0.saturating_sub(listed.0)));
        let have = self.run.state().read(|state| state.count_present(key))?;
        let Some(total) = activity.and_then(|activity| activity.total).filter(|total| have > *total) else {
            return Ok(false);
        };
        tracing::info!(folder = self.place.path(), have, total, "the server holds fewer items than were told of");
        if lately || self.sweep.is_some() {
            return Ok(false);
        }
        // New mail may have come since the count was taken.
        let now = self.run.remote().activity(std::slice::from_ref(&self.place.row.id)).await?;
        Ok(matches!(now.first(), Some(Ok(now)) if now.total.is_some_and(|total| have > total)))
    }

    async fn note_listed(&self, state: SyncState, activity: Option<Activity>) -> Result<(), SyncError> {
        let (key, now) = (self.place.key(), self.run.now());
        let listing = Listing {
            state: Some(state),
            activity: activity.and_then(|activity| activity.mark),
            asked_at: Some(now),
            listed_at: if self.sweep.is_some() { Some(now) } else { self.place.row.listing.listed_at },
            ..self.place.row.listing.clone()
        };
        self.run.commit(move |tx| tx.set_listing(key, &listing)).await
    }

    /// Messages that could not be taken in when they were listed are asked for again.
    async fn retry_troubled(&mut self) -> Result<(), SyncError> {
        let troubles = self.run.state().read(|state| state.troubles(self.run.account))?;
        let due: Vec<(ItemId, String)> = troubles
            .into_iter()
            .filter(|trouble| trouble.folder == self.place.key() && self.run.is_due(trouble))
            .filter_map(|trouble| match trouble.subject {
                Subject::Message(id) => {
                    self.unrendered.extend((trouble.code == UNRENDERED).then(|| id.clone()));
                    Some((id, trouble.label))
                }
                Subject::File(_) => None,
            })
            .collect();
        for due in due.chunks(100) {
            let ids: Vec<ItemId> = due.iter().map(|(id, _)| id.clone()).collect();
            let answers = self.run.remote().messages(&ids).await?;
            let mut changes = Vec::new();
            for ((id, label), answer) in due.iter().zip(answers) {
                match answer {
                    Ok(message) if self.lies_elsewhere(&message) => {}
                    Ok(message) => changes.push(ItemChange::Present(Box::new(message))),
                    Err(error) if error.class == ItemErrorClass::Gone => changes.push(ItemChange::Gone(id.clone())),
                    Err(mut error) => {
                        if self.unrendered.contains(id) {
                            error.code = UNRENDERED.to_owned();
                        }
                        let subject = Subject::Message(id.clone());
                        pull::trouble(self.run, self.place, subject, label.clone(), &error).await?;
                    }
                }
            }
            self.take_in_changes(changes, None, None).await?;
        }
        Ok(())
    }

    /// Whether a message that was asked for by its id lies in another folder than this.
    fn lies_elsewhere(&self, message: &ServerMessage) -> bool {
        let is_other =
            |place: &Place| Some(&place.row.id) == message.folder.as_ref() && place.key() != self.place.key();
        message.folder.as_ref() != Some(&self.place.row.id) && self.tree.places.iter().any(is_other)
    }

    async fn take_in(&mut self, page: ChangePage) -> Result<(), SyncError> {
        let lasting = page.lasting_state().cloned();
        self.take_in_changes(page.changes, lasting, None).await
    }

    /// `turn` is given up once the bodies have come.
    async fn take_in_changes(
        &mut self,
        changes: Vec<ItemChange>,
        state: Option<SyncState>,
        turn: Option<SemaphorePermit<'_>>,
    ) -> Result<(), SyncError> {
        let observed = self.observe(changes).await?;
        let (policy, brake) = (self.run.engine.settings.policy, self.run.request.brake);
        let mut cases: Vec<_> = observed.cases.into_iter().enumerate().collect();
        let mut plan = Plan::default();
        for doubt in [Some(Doubt::Theirs), Some(Doubt::Ours), None] {
            let policy = doubt.map_or(policy, |doubt| policy.in_doubt(doubt));
            let alike = cases.extract_if(.., |(at, _)| observed.in_doubt.get(at).copied() == doubt);
            let part = plan::plan(alike.map(|(_, case)| case), policy, brake, &[]);
            plan.pulls.extend(part.pulls);
            plan.held.extend(part.held);
        }
        for held in &plan.held {
            self.run.hold(
                self.place,
                held.key,
                held.side,
                "other-side-unknown",
                "the local folder could not be read in full",
            );
        }
        let page = pull::Page { place: self.place, pulls: plan.pulls, notes: observed.notes, state, turn };
        pull::carry_out(self.run, self.tree, self.view, page).await
    }

    /// Turns a page into cases. Only reads.
    async fn observe(&mut self, changes: Vec<ItemChange>) -> Result<Observed, SyncError> {
        let mut observed = Observed::default();
        let mut unknown: Vec<ServerMessage> = Vec::new();
        let mut known: Vec<(ServerMessage, ItemRow)> = Vec::new();
        let mut incomplete: Vec<ItemRow> = Vec::new();
        let changes = latest(changes);
        let rows: Vec<Option<ItemRow>> = self
            .run
            .state()
            .read(|state| changes.iter().map(|change| state.item_by_id(self.run.account, change.id())).collect())?;
        for (change, row) in changes.into_iter().zip(rows) {
            if let (Some(sweep), Some(row)) = (&mut self.sweep, &row) {
                sweep.remove(&row.key);
            }
            match (change, row) {
                // Its delivery failed in this very run: it never was here, so that its absence is no deletion.
                (ItemChange::Present(message), Some(row)) if self.never_came(&row)? => {
                    observed.notes.push(pull::Note::Forget(row.key));
                    unknown.push(*message);
                }
                (ItemChange::Present(message), Some(row)) => known.push((*message, row)),
                (ItemChange::Present(message), None) if message.class.is_mail() => unknown.push(*message),
                (ItemChange::Present(message), None) => observed.notes.push(pull::Note::EndTrouble(message.id)),
                (ItemChange::Read { read, .. }, Some(row)) => {
                    self.ensure_scanned(&row)?;
                    // Its file was deleted here: should it come back, all of it is needed.
                    if lock(self.view).away.contains(&row.key) {
                        incomplete.push(row);
                        continue;
                    }
                    let message = self.as_known(&row, ServerMarks { read, ..row.server.clone() });
                    self.known(message, row, &mut observed)?;
                }
                (ItemChange::Gone(id), Some(row)) => {
                    observed.notes.push(pull::Note::EndTrouble(id));
                    if row.folder == self.place.key() {
                        observed.notes.push(pull::Note::Gone(row.key, row.id));
                    }
                }
                (ItemChange::Gone(id), None) => observed.notes.push(pull::Note::EndTrouble(id)),
                (ItemChange::Read { .. }, None) => {}
            }
        }
        self.complete(incomplete, &mut known, &mut observed).await?;
        for (message, row) in known {
            self.known(message, row, &mut observed)?;
        }
        self.unknown(unknown, &mut observed).await?;
        self.settle_edited(&mut observed).await?;
        Ok(observed)
    }

    /// Asks for messages of which a listing told the read state alone.
    async fn complete(
        &self,
        rows: Vec<ItemRow>,
        known: &mut Vec<(ServerMessage, ItemRow)>,
        observed: &mut Observed,
    ) -> Result<(), SyncError> {
        if rows.is_empty() {
            return Ok(());
        }
        let ids: Vec<ItemId> = rows.iter().map(|row| row.id.clone()).collect();
        for (row, answer) in rows.into_iter().zip(self.run.remote().messages(&ids).await?) {
            match answer {
                Ok(message) if self.lies_elsewhere(&message) => {}
                Ok(message) => known.push((message, row)),
                Err(error) if error.class == ItemErrorClass::Gone => {
                    observed.notes.push(pull::Note::Gone(row.key, row.id));
                }
                Err(_) => {
                    let (id, label) = (row.id.clone(), row.file.to_string());
                    lock(self.view).doubt(&row);
                    let why = "the server does not tell just now what it is";
                    observed.notes.push(pull::Note::Retry { id, label, why });
                }
            }
        }
        Ok(())
    }

    fn never_came(&self, row: &ItemRow) -> Result<bool, SyncError> {
        if row.standing != Standing::Arriving {
            return Ok(false);
        }
        self.ensure_scanned(row)?;
        Ok(lock(self.view).away.remove(&row.key))
    }

    /// A known item, as a listing would show it.
    fn as_known(&self, row: &ItemRow, marks: ServerMarks) -> ServerMessage {
        ServerMessage {
            id: row.id.clone(),
            change_key: row.change_key.clone(),
            class: crate::pim::ItemClass(String::new()),
            size: row.size,
            marks,
            received: None,
            search_key: None,
            message_id: None,
            tag: None,
            folder: None,
        }
    }

    fn known(&self, message: ServerMessage, row: ItemRow, observed: &mut Observed) -> Result<(), SyncError> {
        let unrendered = self.unrendered.contains(&message.id);
        if !unrendered {
            observed.notes.push(pull::Note::EndTrouble(message.id.clone()));
        }
        let here = row.folder == self.place.key();
        let same = message.change_key == row.change_key && message.marks == row.server && !unrendered;
        if same && here && row.standing == Standing::Agreed && (row.size == message.size || message.size == 0) {
            return Ok(());
        }
        let perhaps = unrendered || perhaps_edited(&row, &message);
        let state = self.remote_state(message);
        self.case(row, state, perhaps, observed)
    }

    fn case(
        &self,
        row: ItemRow,
        remote: RemoteState<Box<ServerMessage>>,
        perhaps: bool,
        observed: &mut Observed,
    ) -> Result<(), SyncError> {
        self.ensure_scanned(&row)?;
        let local = lock(self.view).seen(&row);
        if matches!(local, Seen::Unknown) {
            // The plan holds it back, and no listing tells of it again.
            let message = &remote.at;
            let label = super::rows::label(message);
            observed.notes.push(pull::Note::Retry { id: message.id.clone(), label, why: pull::UNREADABLE });
        }
        if perhaps {
            observed.perhaps.push((observed.cases.len(), row.clone()));
        }
        let base =
            Base { key: row.key, folder: row.folder, local: super::view::base_marks(&row), remote: row.server.clone() };
        observed.cases.push(Case { base: Some(base), remote: Seen::Here(remote), local });
        Ok(())
    }

    /// An item can come from a folder that had no reason to be scanned.
    fn ensure_scanned(&self, row: &ItemRow) -> Result<(), SyncError> {
        let mut view = lock(self.view);
        if view.scanned.contains_key(&row.folder) || view.unknown.contains(&row.folder) {
            return Ok(());
        }
        match self.tree.place(row.folder) {
            Some(place) => tokio::task::block_in_place(|| scan_late(self.run, &self.tree.places, place, &mut view)),
            None => Ok(()),
        }
    }

    /// Where a body may have changed, the renderings are compared.
    async fn settle_edited(&self, observed: &mut Observed) -> Result<(), SyncError> {
        if observed.perhaps.is_empty() {
            return Ok(());
        }
        let ask = |(at, _): &(usize, ItemRow)| match observed.cases.get(*at)?.remote {
            Seen::Here(ref remote) => Some((remote.at.id.clone(), remote.at.size)),
            Seen::Same | Seen::Away(_) | Seen::Unknown => None,
        };
        let asked: Vec<_> = observed.perhaps.iter().filter_map(ask).collect();
        let now = renderings(self.run.remote(), &asked).await?;
        for ((at, row), now) in std::mem::take(&mut observed.perhaps).into_iter().zip(now) {
            let file = lock(self.view).file(&row);
            let here = self.content_of(&file);
            let Some(case) = observed.cases.get_mut(at) else { continue };
            let Seen::Here(remote) = &mut case.remote else { continue };
            let now = match now {
                Rendering::Says(now) => now,
                // It is fetched once more, and if that fails, too, the base keeps the old version.
                Rendering::NotNow => {
                    remote.edited = true;
                    continue;
                }
                // What would come is no match for the file that is here.
                Rendering::Never => {
                    observed.notes.push(pull::Note::unrendered(&remote.at));
                    continue;
                }
            };
            // What waits for its folder here goes on waiting.
            if self.unrendered.contains(&remote.at.id) && !matches!(case.local, Seen::Unknown) {
                observed.notes.push(pull::Note::EndTrouble(remote.at.id.clone()));
            }
            // A scan does not read each file.
            let agreed = file.content.map_or(row.digest, |content| content.digest);
            let rewritten = here.is_some_and(|content| content.digest != agreed);
            let edited = file.edited || rewritten && !matches!(case.local, Seen::Unknown);
            let sent = self.run.state().read(|state| state.replacing(row.key))?;
            let doubt = match &sent {
                Some(_) => Some(Doubt::Theirs),
                None => lock(self.view).rejoined.contains(&row.key).then_some(Doubt::Ours),
            };
            observed.in_doubt.extend(doubt.map(|doubt| (at, doubt)));
            let sent = sent.filter(|sent| sent.rendering == now && !matches!(case.local, Seen::Unknown));
            match here {
                // Both sides were edited alike: an answer to a push was lost, or a pull was cut off.
                Some(content) if edited && content.rendering == Some(now) => {
                    let alike = LocalFile { edited: false, content: Some(content), ..file };
                    case.local = Seen::Here(alike.state());
                    lock(self.view).changed.insert(row.key, alike);
                }
                // It says what was sent to it: the answer was lost, and the file was edited once more.
                Some(content) if let Some(sent) = sent => {
                    let agreed = Content { digest: sent.digest, len: sent.len, rendering: Some(now) };
                    let edited = content.digest != sent.digest;
                    let file = LocalFile { edited, content: Some(agreed), ..file };
                    case.local = Seen::Here(file.state());
                    lock(self.view).changed.insert(row.key, file);
                }
                Some(content) if !edited => {
                    // What was put together may say the same, and lacks headers all the same.
                    let put_together = self.unrendered.contains(&remote.at.id);
                    remote.edited = put_together || row.rendering.or(content.rendering) != Some(now);
                }
                _ => {
                    let by_size = perhaps_edited(&row, &remote.at);
                    remote.edited = row.rendering.map_or(by_size, |before| before != now);
                    if edited && !file.edited {
                        let file = LocalFile { edited, ..file };
                        case.local = Seen::Here(file.state());
                        lock(self.view).changed.insert(row.key, file);
                    }
                }
            }
        }
        Ok(())
    }

    /// What a file holds now; `None` when it cannot be read.
    fn content_of(&self, file: &LocalFile) -> Option<Content> {
        let dir = self.tree.place(file.folder)?.dir().ok()?;
        tokio::task::block_in_place(|| {
            let (digest, len) = self.run.local().digest(&dir, &file.name).ok()??;
            let rendering = rendering_of_file(self.run.local(), &dir, &file.name);
            Some(Content { digest, len, rendering })
        })
    }

    fn remote_state(&self, message: ServerMessage) -> RemoteState<Box<ServerMessage>> {
        RemoteState { folder: self.place.key(), marks: message.marks.clone(), edited: false, at: Box::new(message) }
    }
}

/// A page, turned into cases.
#[derive(Default)]
struct Observed {
    cases: Vec<Case<Box<ServerMessage>, LocalFile>>,
    notes: Vec<pull::Note>,
    /// Cases whose bodies may have changed, with what was agreed.
    perhaps: Vec<(usize, ItemRow)>,
    /// Cases that may be no conflicts though both sides say something new: drafts that were sent without an answer, since a server can say in its
    /// own way what it was given; and files that are known by their Message-IDs alone.
    in_doubt: HashMap<usize, Doubt>,
}

/// The last word on each item of a page: items can be listed more than once.
fn latest(changes: Vec<ItemChange>) -> Vec<ItemChange> {
    let mut seen = HashSet::new();
    let mut latest: Vec<ItemChange> = Vec::with_capacity(changes.len());
    for change in changes.into_iter().rev() {
        let read_only = matches!(change, ItemChange::Read { .. });
        if seen.insert((change.id().clone(), read_only)) {
            latest.push(change);
        }
    }
    // A read state that was told together with the item itself says nothing more.
    let whole: BTreeSet<ItemId> = seen.iter().filter(|(_, read_only)| !read_only).map(|(id, _)| id.clone()).collect();
    latest.retain(|change| !matches!(change, ItemChange::Read { id, .. } if whole.contains(id)));
    latest.reverse();
    latest
}

/// Whether a body may have changed. A change key changes with anything, so the size has to tell, but for drafts, which are meant to be
/// edited.
fn perhaps_edited(row: &ItemRow, message: &ServerMessage) -> bool {
    if message.change_key == row.change_key {
        return row.size == 0 && message.marks.draft;
    }
    // No listing has told the size of what was just uploaded: somebody was faster than the listing.
    if row.size == 0 {
        return true;
    }
    let difference = if message.size == 0 { 0 } else { row.size.abs_diff(message.size) };
    let only_size = difference > 0 && message.marks == row.server && row.folder.0 != 0;
    message.marks.draft || difference > SIZE_OF_MARKS || only_size
}

impl ItemChange {
    pub(super) fn id(&self) -> &ItemId {
        match self {
            Self::Present(message) => &message.id,
            Self::Read { id, .. } | Self::Gone(id) => id,
        }
    }
}
