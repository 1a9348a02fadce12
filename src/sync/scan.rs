//! The local side: directories that may have changed are compared with the base.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::moves::{doubt_absences, find_moves};
use super::tree::{Directory, Place};
use super::view::{LocalFile, LocalView, Scanned, base_marks};
use super::{NoticeKind, Run, SyncError, stops_run};
use crate::local::{
    DirStamp, Fingerprint, FolderDir, Keywords, Letters, LocalError, LocalWrite, MessageName, ScanEnd, delivered_at,
};
use crate::pim::{FolderKey, ItemKey, Marks, UnixTime};
use crate::remote::RemoteWrite;
use crate::state::{Brief, ItemRow, name_hash};

/// So many rows are read in one go.
const ROWS_AT_ONCE: usize = 500;

/// Scans the directories that may have changed, and finds what was moved between them.
pub(super) async fn scan_all<R, L>(
    run: &Run<'_, R, L>,
    all: &[Place],
    places: &[Place],
    due: &BTreeSet<FolderKey>,
) -> Result<LocalView, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let mut view = LocalView::default();
    let gone = run.state().read(|state| state.items_standing(run.account, crate::state::Standing::Gone))?;
    let gone: BTreeSet<FolderKey> = gone.iter().map(|row| row.folder).collect();
    let drafts = run.state().read(|state| state.folders_with_drafts(run.account))?;
    tokio::task::block_in_place(|| {
        for place in places {
            if due.contains(&place.key()) || gone.contains(&place.key()) || may_have_changed(run, place, &drafts)? {
                scan_into(run, place, &mut view)?;
            }
        }
        if !view.away.is_empty() || !view.loose.is_empty() {
            let chosen: BTreeSet<FolderKey> = places.iter().map(Place::key).collect();
            scan_others(run, all, &chosen, &mut view)?;
        }
        find_moves(run, &mut view)?;
        believe(run, all, &mut view)
    })?;
    Ok(view)
}

/// One folder is looked at after the other. What is missing in one may have been moved into another one right after that was looked at, and what
/// is new in one may come from another one that still had it. So nothing follows from either unless every folder still is as it was when it was
/// looked at; the next round looks again.
fn believe<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    all: &[Place],
    view: &mut LocalView,
) -> Result<(), SyncError> {
    let agrees = view.away.is_empty() && view.loose.values().all(BTreeMap::is_empty);
    if agrees || hold_still(run, all, view)? {
        return Ok(());
    }
    view.moving = true;
    run.look_again();
    doubt_absences(run, view)
}

/// Whether no folder changed since it was looked at.
fn hold_still<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    all: &[Place],
    view: &LocalView,
) -> Result<bool, SyncError> {
    let local = run.local();
    let is_here =
        |place: &&Place| place.is_mail() && place.directory == Directory::Here && !view.unknown.contains(&place.key());
    for place in all.iter().filter(is_here) {
        let dir = place.dir()?;
        let scanned = view.scanned.get(&place.key());
        let before = match scanned {
            Some(scanned) => scanned.stamp,
            None => place.row.listing.stamp.as_deref().and_then(DirStamp::from_text),
        };
        let still = local.stamp(&dir).and_then(|now| match scanned {
            _ if before == Some(now) => Ok(true),
            Some(scanned) => Ok(local.fingerprint(&dir)? == scanned.listed),
            None => Ok(false),
        });
        match still {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) if stops_run(&error) => return Err(error.into()),
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}

/// What a folder lacks, or has anew, may have been moved to or from one that had no reason to be looked at.
fn scan_others<R, L>(
    run: &Run<'_, R, L>,
    all: &[Place],
    looked_at: &BTreeSet<FolderKey>,
    view: &mut LocalView,
) -> Result<(), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let drafts = run.state().read(|state| state.folders_with_drafts(run.account))?;
    for place in all.iter().filter(|place| place.is_mail() && !looked_at.contains(&place.key())) {
        if may_have_changed(run, place, &drafts)? {
            scan_into(run, place, view)?;
        }
    }
    Ok(())
}

/// Scans a directory that turns out to be needed, and finds what was moved out of it.
pub(super) fn scan_late<R, L>(
    run: &Run<'_, R, L>,
    all: &[Place],
    place: &Place,
    view: &mut LocalView,
) -> Result<(), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    scan_into(run, place, view)?;
    view.scanned_late = true;
    if !view.away.is_empty() || !view.loose.is_empty() {
        let looked_at = view.scanned.keys().chain(&view.unknown).copied().collect();
        scan_others(run, all, &looked_at, view)?;
    }
    find_moves(run, view)?;
    believe(run, all, view)
}

/// Whether a directory has to be listed. Drafts are edited in place, which no directory tells.
fn may_have_changed<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    place: &Place,
    drafts: &HashSet<FolderKey>,
) -> Result<bool, SyncError> {
    let (Directory::Here, Some(stored)) = (place.directory, &place.row.listing.stamp) else { return Ok(true) };
    if run.compares_files(place) || !place.on_server || drafts.contains(&place.key()) {
        return Ok(true);
    }
    let now = match run.local().stamp(&place.dir()?) {
        Ok(stamp) => Some(stamp),
        Err(error) if stops_run(&error) => return Err(error.into()),
        Err(_) => None,
    };
    Ok(now.is_none() || now != DirStamp::from_text(stored))
}

/// Scans one directory; done again while a mail reader renames files under it, since a listing can miss those.
pub(super) fn scan_into<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    place: &Place,
    view: &mut LocalView,
) -> Result<(), SyncError> {
    const TRIES: usize = 5;
    match place.directory {
        Directory::None => return Ok(()),
        Directory::Unknown => {
            view.unknown.insert(place.key());
            return Ok(());
        }
        Directory::Away => {
            let (dir, listed) = (place.dir()?, Fingerprint::default());
            let empty = Scanned {
                dir,
                keywords: Keywords::default(),
                odd: HashMap::new(),
                stamp: None,
                listed,
                compared: None,
            };
            view.scanned.insert(place.key(), empty);
            run.state().read(|state| {
                state.briefs(place.key(), |_, brief| {
                    view.away.insert(brief.key);
                })
            })?;
            return Ok(());
        }
        Directory::Here => {}
    }
    for attempt in 1..=TRIES {
        match Scan::of(run, place) {
            Ok(scan) if scan.end.proves_absence() || scan.vanished.is_empty() || attempt == TRIES => {
                scan.into_view(run, place, view);
                return Ok(());
            }
            Ok(_) => {}
            Err(SyncError::Local(error)) if !stops_run(&error) => {
                run.notice(place.path(), NoticeKind::FolderFailed, None, error.to_string());
                view.unknown.insert(place.key());
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One listing of a directory against the base.
struct Scan {
    dir: FolderDir,
    keywords: Keywords,
    changed: Vec<(ItemKey, LocalFile)>,
    vanished: Vec<ItemKey>,
    loose: Vec<LocalFile>,
    twins: Vec<MessageName>,
    odd: HashMap<ItemKey, MessageName>,
    end: ScanEnd,
    compared: Option<UnixTime>,
}

impl Scan {
    fn of<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
        run: &Run<'_, R, L>,
        place: &Place,
    ) -> Result<Self, SyncError> {
        let (dir, folder) = (place.dir()?, place.key());
        let mut base: HashMap<i64, Brief> = HashMap::new();
        run.state().read(|state| {
            state.briefs(folder, |hash, brief| {
                base.insert(hash, brief);
            })
        })?;
        let keywords = run.local().keywords(&dir)?;
        let mut unmet: HashSet<ItemKey> = base.values().map(|brief| brief.key).collect();
        let mut met = HashSet::new();
        let (mut check, mut loose, mut twins, mut odd) = (vec![], vec![], vec![], HashMap::new());
        let full = run.compares_files(place);
        let compared = full.then(|| run.now());
        let end = run.local().scan(&dir, &mut |name| {
            let hash = name_hash(name.key());
            if !met.insert(hash) {
                twins.push(name);
                return;
            }
            let Some(brief) = base.get(&hash) else {
                loose.push(name);
                return;
            };
            unmet.remove(&brief.key);
            let marked = name.flags() != brief.flags || !name.letters().is_empty() || brief.categories;
            if marked || brief.draft || full {
                check.push((brief.key, name));
            } else if name != MessageName::for_delivery(name.key().clone(), brief.flags, Letters::NONE) {
                odd.insert(brief.key, name);
            }
        })?;
        let file = |name: MessageName| LocalFile {
            folder,
            marks: Marks { flags: name.flags(), categories: keywords.categories(name.letters()) },
            name,
            edited: false,
            content: None,
        };
        let loose = loose.into_iter().map(file).collect();
        let mut scan = Self {
            dir,
            keywords,
            changed: vec![],
            vanished: unmet.into_iter().collect(),
            loose,
            twins,
            odd,
            end,
            compared,
        };
        scan.vanished.sort();
        // What lies there under the name of a message but is none (a link, say) hides it; that is no absence.
        let hidden: HashSet<ItemKey> =
            scan.end.held.iter().filter_map(|name| base.get(&name_hash(name.key()))).map(|brief| brief.key).collect();
        scan.vanished.retain(|key| !hidden.contains(key));
        for some in check.chunks(ROWS_AT_ONCE) {
            let rows = run
                .state()
                .read(|state| some.iter().map(|(key, _)| state.item(*key)).collect::<Result<Vec<_>, _>>())?;
            for ((key, name), row) in some.iter().zip(rows) {
                if let Some(row) = row {
                    scan.check(run, place, row, *key, name.clone())?;
                }
            }
        }
        Ok(scan)
    }

    /// Compares a file with its row.
    fn check<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
        &mut self,
        run: &Run<'_, R, L>,
        place: &Place,
        row: ItemRow,
        key: ItemKey,
        name: MessageName,
    ) -> Result<(), SyncError> {
        let edited = match is_edited(run, place, &self.dir, &row, &name) {
            Ok(Some(edited)) => edited,
            Ok(None) => {
                self.vanished.push(key);
                self.end.stable = false;
                return Ok(());
            }
            Err(error) if stops_run(&error) => return Err(error.into()),
            Err(error) => {
                run.notice(place.path(), NoticeKind::Skipped, Some(name.key().to_string()), error.to_string());
                false
            }
        };
        let marks = Marks { flags: name.flags(), categories: self.categories(&row, &name) };
        if edited || marks != base_marks(&row) {
            let file = LocalFile { folder: place.key(), name, marks, edited, content: None };
            self.changed.push((key, file));
        } else if name != MessageName::for_delivery(row.file, row.flags, Letters::NONE) {
            self.odd.insert(key, name);
        }
        Ok(())
    }

    /// The categories that a file's letters stand for, and those that the folder has no letter for: they were not taken away.
    fn categories(&self, row: &ItemRow, name: &MessageName) -> crate::pim::Categories {
        let mut categories = self.keywords.categories(name.letters());
        let (_, unspeakable) = self.keywords.letters_for(&row.server.categories);
        categories.extend(unspeakable);
        categories
    }

    fn into_view<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
        self,
        run: &Run<'_, R, L>,
        place: &Place,
        view: &mut LocalView,
    ) {
        let folder = place.key();
        for problem in &self.end.problems {
            run.notice(
                place.path(),
                NoticeKind::Skipped,
                Some(problem.path.display().to_string()),
                problem.kind.advice().to_owned(),
            );
        }
        for twin in self.twins {
            let text = "two files share the part of their names before the colon; give one of them another name";
            run.notice(place.path(), NoticeKind::Skipped, Some(twin.key().to_string()), text.to_owned());
        }
        if self.end.proves_absence() {
            view.away.extend(self.vanished);
        } else if !self.vanished.is_empty() {
            view.unknown.insert(folder);
        }
        view.changed.extend(self.changed);
        if !self.loose.is_empty() {
            view.loose.insert(folder, self.loose.into_iter().map(|file| (file.name.key().clone(), file)).collect());
        }
        let Self { dir, keywords, odd, compared, .. } = self;
        let scanned = Scanned { dir, keywords, odd, stamp: self.end.stamp, listed: self.end.listed, compared };
        view.scanned.insert(folder, scanned);
    }
}

/// Whether a known file's content was changed in place; `None` when it vanished. Drafts are read each time; other messages only when all files
/// are compared and it has another size or a later time: than when it was delivered, or than the last time that all were compared.
fn is_edited<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    place: &Place,
    dir: &FolderDir,
    row: &ItemRow,
    name: &MessageName,
) -> Result<Option<bool>, LocalError> {
    if !row.server.draft && !run.compares_files(place) {
        return Ok(Some(false));
    }
    let Some(stat) = run.local().stat(dir, name)? else { return Ok(None) };
    let compared = place.row.listing.compared_at.unwrap_or(UnixTime(0));
    let untouched = stat.mtime() < compared || delivered_at(name.key()) == Some(stat.mtime());
    if !row.server.draft && stat.len == row.len && untouched {
        return Ok(Some(false));
    }
    Ok(run.local().digest_again(dir, name, stat)?.map(|digest| digest != row.digest))
}
