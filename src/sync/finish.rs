//! The end of a round: what is left after the pulls is planned as one, so that the brake sees all deletions together, and carried out.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;

use super::pull::describe;
use super::push;
use super::rejoin::rejoin;
use super::rows::{refreshed, rows_of};
use super::tree::{Directory, Place, Tree};
use super::view::{LocalFile, LocalView, base_marks};
use super::{Action, Echo, NoticeKind, Run, Step, SyncError, stops_run};
use crate::local::{Changed, DirStamp, Expect, FolderDir, FolderRemoved, LocalWrite};
use crate::pim::{FolderKey, ItemKey, ServerMessage, SpecialFolder};
use crate::plan::ending::{Emptied, Ending, end_folders};
use crate::plan::item::PushContent;
use crate::plan::proof::{FolderRemoval, MessageRemoval};
use crate::plan::{self, Base, Case, Evidence, FolderSize, HeldReason, Op, Plan, RemoteState, Seen, Side};
use crate::remote::{Disposal, ItemErrorClass, RemoteWrite};
use crate::state::{ItemRow, Listing, Reader, Standing, Subject, WAITS_FOR_FOLDER};

type FinalCase = Case<Box<ServerMessage>, LocalFile>;
pub(super) type FinalOp = Op<Box<ServerMessage>, LocalFile>;

/// Plans and carries out what is left. `places` are the folders of messages that were asked for, `chosen` all folders.
pub(super) async fn finish<R, L>(
    run: &Run<'_, R, L>,
    tree: &Tree,
    (places, chosen): (&[Place], BTreeSet<FolderKey>),
    mut view: LocalView,
    gone_before: &BTreeSet<ItemKey>,
) -> Result<Echo, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    if view.scanned_late {
        rejoin(run, &mut view).await?;
    }
    let finisher = Finisher { run, tree, chosen };
    let (mut cases, sizes) = finisher.cases(&view)?;
    let waits = finisher.let_wait(&mut cases, &view, gone_before)?;
    let mut plan = plan::plan(cases, run.engine.settings.policy, run.request.brake, &sizes);
    finisher.postpone(&mut plan)?;
    finisher.hold(&plan);
    if run.is_dry() {
        finisher.tell(&plan)?;
        return Ok(Echo::None);
    }
    let held: BTreeSet<FolderKey> = plan.held.iter().map(|held| held.folder).collect();
    let left: HashSet<FolderKey> = finisher.folders_with_changes(&plan, &view)?;
    finisher.pull(plan.pulls, &mut view).await?;
    let pushed = push::push_all(run, tree, &view, plan.pushes).await?;
    let removed = finisher.end_folders(&view, &held).await?;
    finisher.end_troubles(&view).await?;
    finisher.note_stamps(places, &view, &left).await?;
    let again = run.look_again.swap(false, Ordering::Relaxed);
    Ok(if pushed || removed || waits || again { Echo::Expected } else { Echo::None })
}

struct Finisher<'f, 'e, R, L> {
    run: &'f Run<'e, R, L>,
    tree: &'f Tree,
    chosen: BTreeSet<FolderKey>,
}

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Finisher<'_, '_, R, L> {
    /// Every item that is not as agreed, and how many items the folders hold that they lie in.
    fn cases(&self, view: &LocalView) -> Result<(Vec<FinalCase>, Vec<FolderSize>), SyncError> {
        let state = self.run.state();
        let gone = state.read(|state| state.items_standing(self.run.account, Standing::Gone))?;
        let mut keys: BTreeSet<ItemKey> = gone.iter().map(|row| row.key).collect();
        keys.extend(view.changed.keys());
        keys.extend(&view.away);
        for place in self.tree.places.iter().filter(|place| !place.on_server) {
            state.read(|state| {
                state.briefs(place.key(), |_, brief| {
                    keys.insert(brief.key);
                })
            })?;
        }
        let rows = rows_of(self.run, keys)?;
        let mut rows: Vec<&ItemRow> = rows.values().collect();
        rows.sort_by_key(|row| row.key);
        let mut cases = Vec::new();
        // One that was arriving, and whose delivery failed, never was here: that it is not is no deletion.
        for row in rows.iter().filter(|row| row.standing != Standing::Arriving) {
            let lies_in = view.changed.get(&row.key).map_or(row.folder, |file| file.folder);
            if !self.chosen.contains(&row.folder) && !self.chosen.contains(&lies_in) {
                continue;
            }
            let base = Base { key: row.key, folder: row.folder, local: base_marks(row), remote: row.server.clone() };
            cases.push(Case { base: Some(base), remote: self.remote_of(row, view), local: view.seen(row) });
        }
        cases.extend(self.loose_cases(view)?);
        let folders: BTreeSet<FolderKey> = rows.iter().map(|row| row.folder).collect();
        let sizes = folders
            .into_iter()
            .map(|folder| Ok(FolderSize { folder, items: state.read(|state| state.count_items(folder))? }))
            .collect::<Result<_, SyncError>>()?;
        Ok((cases, sizes))
    }

    /// What was changed here, and is gone from its folder there, is uploaded anew unless it was only moved. Whether it was, the listings of all
    /// folders tell, and those of this round may have been made before it was; and so may a message that waits to be known. Returns whether the next round has to look.
    fn let_wait(
        &self,
        cases: &mut Vec<FinalCase>,
        view: &LocalView,
        gone_before: &BTreeSet<ItemKey>,
    ) -> Result<bool, SyncError> {
        if self.run.is_dry() {
            return Ok(false);
        }
        let troubles = self.run.state().read(|state| state.troubles(self.run.account))?;
        let settled = troubles.iter().all(|trouble| trouble.code != WAITS_FOR_FOLDER);
        let all = self.run.request.folders.is_empty() && view.remote_unknown.is_empty() && settled;
        let mut waits = false;
        cases.retain(|case| {
            let (Some(base), Seen::Away(_), Seen::Here(_)) = (&case.base, &case.remote, &case.local) else {
                return true;
            };
            let ripe = gone_before.contains(&base.key) || self.tree.place(base.folder).is_some_and(|place| !place.on_server);
            match (all, ripe) {
                (true, true) => return true,
                (true, false) => waits = true,
                (false, _) => {
                    if let Some(place) = self.tree.place(base.folder) {
                        let text = "was changed here and is gone from this folder on the server; a sync of all folders tells whether it was moved";
                        self.run.notice(place.path(), NoticeKind::Held, None, text.to_owned());
                    }
                }
            }
            false
        });
        Ok(waits)
    }

    fn remote_of(&self, row: &ItemRow, view: &LocalView) -> Seen<RemoteState<Box<ServerMessage>>> {
        let on_server = self.tree.place(row.folder).is_some_and(|place| place.on_server);
        if row.standing == Standing::Gone || !on_server {
            Seen::Away(Evidence::Reported)
        } else if view.remote_unknown.contains(&row.folder) {
            Seen::Unknown
        } else {
            Seen::Same
        }
    }

    /// Files that no item is known for. Those that the server refused wait until they are due; and all of a folder wait while messages of the
    /// server are still to be compared with them, since each could be one of those.
    fn loose_cases(&self, view: &LocalView) -> Result<Vec<FinalCase>, SyncError> {
        if view.moving {
            return Ok(Vec::new());
        }
        let troubles = self.run.state().read(|state| state.troubles(self.run.account))?;
        let waiting: HashSet<(FolderKey, &[u8])> = troubles
            .iter()
            .filter(|trouble| !self.run.is_due(trouble))
            .filter_map(|trouble| match &trouble.subject {
                Subject::File(file) => Some((trouble.folder, file.as_bytes())),
                Subject::Message(_) => None,
            })
            .collect();
        let uncompared: HashSet<FolderKey> =
            troubles.iter().filter(|trouble| trouble.code == WAITS_FOR_FOLDER).map(|trouble| trouble.folder).collect();
        let mut cases = Vec::new();
        for (folder, files) in view.loose.iter().filter(|(folder, _)| self.chosen.contains(folder)) {
            for file in files.values().filter(|file| !waiting.contains(&(*folder, file.name.key().as_bytes()))) {
                let remote = match view.remote_unknown.contains(folder) || uncompared.contains(folder) {
                    true => Seen::Unknown,
                    false => Seen::Away(Evidence::CompleteListing),
                };
                cases.push(Case { base: None, remote, local: Seen::Here(file.state()) });
            }
        }
        Ok(cases)
    }

    /// Leaves what folders would send out that have more time. As after a run that was cut off before its pushes, the next one plans it anew: the
    /// stamp of a folder in which something differs is never noted.
    fn postpone(&self, plan: &mut Plan<Box<ServerMessage>, LocalFile>) -> Result<(), SyncError> {
        if !self.run.anything_postponed() {
            return Ok(());
        }
        let keys = plan.pushes.iter().filter_map(|op| match op {
            Op::Push { key, .. } | Op::Delete { key, .. } => Some(*key),
            _ => None,
        });
        let rows = rows_of(self.run, keys)?;
        self.hold_read_only(plan, &rows);
        let waits = |key: &ItemKey| rows.get(key).is_some_and(|row| self.run.is_postponed(row.folder));
        plan.pushes.retain(|op| match op {
            Op::Upload { local, .. } => !self.run.is_postponed(local.folder),
            Op::Push { key, local, .. } => !waits(key) && !self.run.is_postponed(local.folder),
            Op::Delete { key, .. } => !waits(key),
            Op::Download { .. } | Op::Update { .. } | Op::Adopt { .. } => true,
            Op::Remove { .. } | Op::Refresh { .. } | Op::Forget { .. } => true,
        });
        Ok(())
    }

    /// What may not be done on the server goes into the notices and into the state. Flags and categories of messages in such a folder are one's own
    /// business, and stay here without a word.
    fn hold_read_only(&self, plan: &Plan<Box<ServerMessage>, LocalFile>, rows: &HashMap<ItemKey, ItemRow>) {
        let folder_of = |key: &ItemKey| rows.get(key).map(|row| row.folder);
        let mut counts: BTreeMap<FolderKey, u64> = BTreeMap::new();
        for op in &plan.pushes {
            let (folder, key) = match op {
                Op::Upload { local, .. } => (Some(local.folder), None),
                Op::Push { content: PushContent::Keep, move_to: None, .. } => continue,
                Op::Push { key, move_to, .. } => match move_to.filter(|to| self.run.is_read_only(*to)) {
                    Some(to) => (Some(to), Some(*key)),
                    None => (folder_of(key), Some(*key)),
                },
                Op::Delete { key, .. } => (folder_of(key), Some(*key)),
                Op::Download { .. } | Op::Update { .. } | Op::Adopt { .. } => continue,
                Op::Remove { .. } | Op::Refresh { .. } | Op::Forget { .. } => continue,
            };
            let place =
                folder.filter(|folder| self.run.is_read_only(*folder)).and_then(|folder| self.tree.place(folder));
            if let Some(place) = place {
                self.run.hold_read_only(place, key);
                *counts.entry(place.key()).or_default() += 1;
            }
        }
        for (folder, count) in counts {
            if let Some(place) = self.tree.place(folder) {
                self.run.tell_read_only(place, count);
            }
        }
    }

    /// What the plan holds back goes into the notices and into the state.
    fn hold(&self, plan: &Plan<Box<ServerMessage>, LocalFile>) {
        let mut groups: BTreeMap<(FolderKey, Side, &'static str), u64> = BTreeMap::new();
        for held in &plan.held {
            let Some(place) = self.tree.place(held.folder) else { continue };
            let (word, detail) = match held.reason {
                HeldReason::Brake => ("brake", "too much of the folder would be deleted at once"),
                HeldReason::Restored => ("restored", "nothing is deleted there after a restore, until that is allowed"),
                HeldReason::OtherSideUnknown => ("other-side-unknown", "the other side could not be read in full"),
            };
            self.run.hold(place, held.key, held.side, word, detail);
            *groups.entry((held.folder, held.side, word)).or_default() += 1;
        }
        for ((folder, side, word), count) in groups {
            let Some(place) = self.tree.place(folder) else { continue };
            let side = match side {
                Side::Remote => "on the server",
                Side::Local => "here",
            };
            let text = match word {
                "brake" => format!(
                    "{count} messages would be deleted {side}, more than a fifth of the folder; nothing was deleted. \
                     If that is meant, run `pimsync sync --allow-deletes`"
                ),
                "restored" => format!(
                    "{count} messages would be deleted {side}, and this identity was restored from a backup; nothing was deleted. \
                     If that is meant, run `pimsync sync --allow-deletes`"
                ),
                _ => format!("{count} changes {side} wait until the other side can be read in full"),
            };
            self.run.notice(place.path(), NoticeKind::Held, None, text);
        }
    }

    fn path(&self, folder: FolderKey) -> String {
        self.tree.place(folder).map_or("", Place::path).to_owned()
    }

    /// Says what would be done.
    fn tell(&self, plan: &Plan<Box<ServerMessage>, LocalFile>) -> Result<(), SyncError> {
        let name = |key: &ItemKey| -> Result<(String, String), SyncError> {
            let row = self.run.state().read(|state| state.item(*key))?;
            Ok(row.map_or_else(Default::default, |row| (self.path(row.folder), row.file.to_string())))
        };
        for op in plan.pulls.iter().chain(&plan.pushes) {
            let (folder, action, item, detail) = match op {
                Op::Remove { key, .. } => {
                    let (folder, item) = name(key)?;
                    (folder, Action::DeleteHere, item, String::new())
                }
                Op::Delete { key, .. } => {
                    let (folder, item) = name(key)?;
                    (folder, Action::DeleteThere, item, String::new())
                }
                Op::Upload { local, .. } => {
                    (self.path(local.folder), Action::Upload, local.at.name.key().to_string(), describe(&local.marks))
                }
                Op::Push { key, local, move_to: Some(to), .. } => {
                    (name(key)?.0, Action::MoveThere, local.at.name.key().to_string(), self.path(*to))
                }
                Op::Push { local, .. } => (
                    self.path(local.folder),
                    Action::ChangeThere,
                    local.at.name.key().to_string(),
                    describe(&local.marks),
                ),
                Op::Download { .. } | Op::Update { .. } | Op::Adopt { .. } | Op::Refresh { .. } | Op::Forget { .. } => {
                    continue;
                }
            };
            self.run.planned(&folder, action, item, detail);
        }
        Ok(())
    }

    /// Folders in which something differs from the base: their stamps are not to be believed next time.
    fn folders_with_changes(
        &self,
        plan: &Plan<Box<ServerMessage>, LocalFile>,
        view: &LocalView,
    ) -> Result<HashSet<FolderKey>, SyncError> {
        let mut folders: HashSet<FolderKey> = view.changed.values().map(|file| file.folder).collect();
        // A file that was moved is missing where it was: should the server refuse the move, that has to be seen again.
        folders.extend(rows_of(self.run, view.changed.keys().copied())?.values().map(|row| row.folder));
        folders.extend(view.loose.iter().filter(|(_, files)| !files.is_empty()).map(|(folder, _)| *folder));
        folders.extend(plan.held.iter().map(|held| held.folder));
        if !view.away.is_empty() {
            folders.extend(view.scanned.keys());
        }
        Ok(folders)
    }

    /// Deletions of files, and what both sides agree on.
    async fn pull(&self, pulls: Vec<FinalOp>, view: &mut LocalView) -> Result<(), SyncError> {
        let mut touched: BTreeSet<FolderDir> = BTreeSet::new();
        let mut forgotten = Vec::new();
        let mut rows = Vec::new();
        for op in pulls {
            match op {
                Op::Remove { key, local, proof } => {
                    let Some(row) = self.run.state().read(|state| state.item(key))? else { continue };
                    let file = local.map_or_else(|| view.file(&row), |local| local.at);
                    if let Some(dir) = self.remove(&row, file, proof).await? {
                        touched.insert(dir);
                        forgotten.push(key);
                    }
                }
                Op::Forget { key } => forgotten.push(key),
                Op::Refresh { key, remote, local } => {
                    if let Some(row) = self.run.state().read(|state| state.item(key))? {
                        rows.push(refreshed(row, remote.as_ref(), local.as_ref()));
                    }
                }
                // Whatever the server shows was pulled page by page; none of these can come out of the cases of this plan.
                Op::Download { .. } | Op::Update { .. } | Op::Adopt { .. } => {}
                Op::Upload { .. } | Op::Push { .. } | Op::Delete { .. } => {}
            }
        }
        let touched: Vec<FolderDir> = touched.into_iter().collect();
        if !touched.is_empty() {
            self.run.blocking(move |local| local.settle(&touched)).await?;
        }
        if !forgotten.is_empty() || !rows.is_empty() {
            self.run
                .commit(move |tx| {
                    forgotten.iter().try_for_each(|key| tx.forget_item(*key))?;
                    rows.iter().try_for_each(|row| tx.set_item(row))
                })
                .await?;
            self.run.step(Step::PushNoted)?;
        }
        Ok(())
    }

    /// Removes a file whose message is gone on the server. `None` when it was edited in the last instant: then it stays.
    async fn remove(
        &self,
        row: &ItemRow,
        file: LocalFile,
        proof: MessageRemoval,
    ) -> Result<Option<FolderDir>, SyncError> {
        let Some(place) = self.tree.place(file.folder) else { return Ok(None) };
        let (dir, name, digest) = (place.dir()?, file.name, row.digest);
        let at = dir.clone();
        match self.run.blocking(move |local| local.remove(&at, &name, &Expect::Digest(digest), proof)).await {
            Ok(Changed::Done) => {
                self.run.tally(place, |tally| tally.deleted_here += 1);
                self.run.step(Step::FileChanged)?;
                Ok(Some(dir))
            }
            // Renamed or edited during the sync: the next one sees which, and an edit wins.
            Ok(Changed::Vanished | Changed::ChangedMeanwhile) => Ok(None),
            Err(SyncError::Local(error)) if !stops_run(&error) => {
                self.run.notice(place.path(), NoticeKind::Skipped, Some(row.file.to_string()), error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Folders that vanished on one side, and are empty now, go on the other.
    async fn end_folders(&self, view: &LocalView, held: &BTreeSet<FolderKey>) -> Result<bool, SyncError> {
        let mut emptied = Vec::new();
        // A folder that is gone here is not made again because the deletion of what was in it waits.
        let mut doubtful = self.run.anything_postponed();
        for place in self.tree.places.iter().filter(|place| !place.on_server || place.directory == Directory::Away) {
            if let Some((folder, sure)) = self.emptied(place, view).await? {
                emptied.push(folder);
                doubtful |= !sure;
            }
        }
        emptied.sort_by_key(|folder| std::cmp::Reverse(self.depth(folder.key)));
        let endings = end_folders(&emptied, self.run.request.brake, self.tree.places.len() as u64);
        let mut changed = false;
        for ending in endings {
            match ending {
                Ending::Remove(key, side, proof) => {
                    let Some(place) = self.tree.place(key) else { continue };
                    changed |= match side {
                        Side::Remote => self.remove_remote(place, proof).await?,
                        Side::Local => self.remove_local(place, proof).await?,
                    };
                }
                Ending::Restore(key, Side::Remote) if !held.contains(&key) && !doubtful => {
                    let Some(place) = self.tree.place(key) else { continue };
                    self.tree.make_directory(self.run, place).await?;
                    self.run.step(Step::FolderPlacedLocally)?;
                }
                // On the server a folder is made again by the upload of what is in it.
                Ending::Restore(..) => {}
                Ending::Held(key, side, reason) => {
                    let Some(place) = self.tree.place(key) else { continue };
                    let (word, detail, text) = match reason {
                        HeldReason::Restored => (
                            "restored",
                            "nothing is deleted there after a restore, until that is allowed",
                            "the folder would be removed on the server, and this identity was restored from a backup; if that is meant, run \
                             `pimsync sync --allow-deletes`",
                        ),
                        HeldReason::Brake | HeldReason::OtherSideUnknown => (
                            "brake",
                            "too many folders would be removed at once",
                            "the folder would be removed together with too many others; if that is meant, run `pimsync sync --allow-deletes`",
                        ),
                    };
                    self.run.hold(place, None, side, word, detail);
                    self.run.notice(place.path(), NoticeKind::Held, None, text.to_owned());
                }
            }
        }
        Ok(changed)
    }

    fn depth(&self, key: FolderKey) -> usize {
        let parent = |key: &FolderKey| self.tree.place(*key).and_then(|place| place.row.parent);
        std::iter::successors(Some(key), parent).take(self.tree.places.len() + 1).count()
    }

    /// What is known of a folder that vanished on one side, and whether that is sure; `None` for one that is not to be judged now.
    async fn emptied(&self, place: &Place, view: &LocalView) -> Result<Option<(Emptied, bool)>, SyncError> {
        let key = place.key();
        let row = self.run.state().read(|state| state.folder(key))?;
        // Made again on the server by an upload meanwhile.
        if !place.on_server && row.is_none_or(|row| row.id != place.row.id) {
            return Ok(None);
        }
        let count = |state: &Reader<'_>| Ok(state.count_items(key)? + state.count_entries(key)?);
        let items = self.run.state().read(count)?;
        let mut sure = true;
        let (left_on, in_use) = match (place.on_server, place.directory) {
            (false, Directory::Away | Directory::None) => {
                if items == 0 && !self.has_rows_below(key)? {
                    self.run.commit(move |tx| tx.forget_folder(key)).await?;
                }
                return Ok(None);
            }
            (false, Directory::Unknown) => return Ok(None),
            (false, Directory::Here) => (Side::Local, items > 0 || view.unknown.contains(&key)),
            (true, _) => {
                if !self.chosen.contains(&key) && place.is_mirrored() || view.remote_unknown.contains(&key) {
                    return Ok(None);
                }
                let in_use = self.in_use_there(place).await?;
                sure = in_use.is_some();
                (Side::Remote, items > 0 || in_use.unwrap_or(true))
            }
        };
        let vanished_alike = |other: &&Place| match left_on {
            Side::Local => !other.on_server,
            Side::Remote => other.directory == Directory::Away,
        };
        let within = place.row.parent.and_then(|parent| self.tree.place(parent)).filter(vanished_alike).map(Place::key);
        let below = |other: &&Place| other.row.parent == Some(key);
        let used_below = self.tree.places.iter().filter(below).any(|child| !vanished_alike(&child));
        let special = place.row.special.is_some();
        Ok(Some((Emptied { key, within, left_on, special, in_use: in_use || used_below }, sure)))
    }

    fn has_rows_below(&self, key: FolderKey) -> Result<bool, SyncError> {
        Ok(self.run.state().read(|state| state.has_folders_in(key))?)
    }

    /// Whether the server counts anything in the folder, such as items that are not mirrored; `None` when it does not say.
    async fn in_use_there(&self, place: &Place) -> Result<Option<bool>, SyncError> {
        let answers = self.run.remote().activity(std::slice::from_ref(&place.row.id)).await?;
        Ok(match answers.first() {
            Some(Ok(activity)) => Some(activity.total != Some(0)),
            Some(Err(_)) | None => None,
        })
    }

    async fn remove_remote(&self, place: &Place, proof: FolderRemoval) -> Result<bool, SyncError> {
        let trash = self.tree.special(SpecialFolder::DeletedItems).map(Place::key);
        let in_trash = std::iter::successors(Some(place.key()), |key| self.tree.place(*key)?.row.parent)
            .take(self.tree.places.len() + 1)
            .any(|key| Some(key) == trash);
        let disposal = if in_trash { Disposal::Dispose } else { Disposal::ToDeletedItems };
        match self.run.remote().delete_folder(&place.row.id, disposal, proof).await? {
            Ok(()) => {}
            Err(error) if error.class == ItemErrorClass::Gone => {}
            Err(error) => {
                let text = format!("the folder was not removed on the server: {error}; the next sync tries again");
                self.run.notice(place.path(), NoticeKind::Held, None, text);
                return Ok(false);
            }
        }
        self.forget(place).await?;
        Ok(true)
    }

    async fn remove_local(&self, place: &Place, proof: FolderRemoval) -> Result<bool, SyncError> {
        let dir = place.dir()?;
        let removed = self.run.blocking(move |local| local.remove_folder(&dir, proof)).await;
        match removed {
            Ok(FolderRemoved::Done | FolderRemoved::Vanished) => self.forget(place).await?,
            Err(SyncError::Local(error)) if !stops_run(&error) => {
                self.run.notice(place.path(), NoticeKind::FolderFailed, None, error.to_string());
            }
            Err(error) => return Err(error),
            Ok(FolderRemoved::NotEmpty(paths)) => {
                let some: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
                let text = format!(
                    "the folder is gone on the server, but its directory holds more than messages: {}; remove or move that",
                    some.join(", ")
                );
                self.run.notice(place.path(), NoticeKind::Held, None, text);
            }
        }
        Ok(false)
    }

    async fn forget(&self, place: &Place) -> Result<(), SyncError> {
        self.run.step(Step::FolderRemoved)?;
        let key = place.key();
        if self.has_rows_below(key)? {
            return Ok(());
        }
        self.run.commit(move |tx| tx.forget_folder(key)).await
    }

    /// Trouble with a file is over when the file is gone, or when both sides agree about it.
    async fn end_troubles(&self, view: &LocalView) -> Result<(), SyncError> {
        let away = rows_of(self.run, view.away.iter().copied())?;
        let differing: HashSet<&[u8]> = view
            .changed
            .values()
            .chain(view.loose.values().flat_map(BTreeMap::values))
            .map(|file| file.name.key().as_bytes())
            .chain(away.values().map(|row| row.file.as_bytes()))
            .collect();
        let troubles = self.run.state().read(|state| state.troubles(self.run.account))?;
        let over: Vec<_> = troubles
            .into_iter()
            .filter(|trouble| view.scanned.contains_key(&trouble.folder) && !view.unknown.contains(&trouble.folder))
            .filter(|trouble| match &trouble.subject {
                Subject::File(file) => !differing.contains(file.as_bytes()),
                Subject::Message(_) => false,
            })
            .collect();
        if over.is_empty() {
            return Ok(());
        }
        self.run
            .commit(move |tx| over.iter().try_for_each(|trouble| tx.end_trouble(trouble.folder, &trouble.subject)))
            .await
    }

    /// Directories in which nothing was left to do need not be listed again until their stamps change.
    async fn note_stamps(
        &self,
        places: &[Place],
        view: &LocalView,
        left: &HashSet<FolderKey>,
    ) -> Result<(), SyncError> {
        let edited = view.changed.values().filter(|file| file.edited);
        let mut edited: HashSet<FolderKey> = edited.map(|file| file.folder).collect();
        let keys = view.changed.iter().filter(|(_, file)| file.edited).map(|(key, _)| *key);
        edited.extend(rows_of(self.run, keys)?.values().map(|row| row.folder));
        let mut stamps = Vec::new();
        for place in places {
            let Some(scanned) = view.scanned.get(&place.key()) else { continue };
            let Some(row) = self.run.state().read(|state| state.folder(place.key()))? else { continue };
            let stamp = scanned.stamp.filter(|_| !left.contains(&place.key())).map(|stamp: DirStamp| stamp.to_text());
            let compared = scanned.compared.filter(|_| !edited.contains(&place.key()));
            let listing = Listing { stamp, compared_at: compared.or(row.listing.compared_at), ..row.listing.clone() };
            if listing != row.listing {
                stamps.push((place.key(), listing));
            }
        }
        if stamps.is_empty() {
            return Ok(());
        }
        self.run.commit(move |tx| stamps.iter().try_for_each(|(key, listing)| tx.set_listing(*key, listing))).await
    }
}
