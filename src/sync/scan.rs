//! The local side: directories that may have changed are compared with the base.
//!
//! A folder can hold hundreds of thousands of messages, so only what differs from the base is kept, and the few names that do not follow
//! from the base.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::tree::{Directory, Place};
use super::{NoticeKind, Run, SyncError, letters, stops_run};
use crate::format::mime;
use crate::local::{
    DirStamp, FolderDir, Keywords, Letters, LocalError, LocalRead, LocalWrite, MessageName, ScanEnd, delivered_at,
    delivered_mark,
};
use crate::pim::{Digest, FileKey, FolderKey, ItemId, ItemKey, Marks, Tag, UnixTime};
use crate::plan::adopt::Clue;
use crate::plan::moves::{Appeared, Likeness, Vanished, edited_moves, local_moves};
use crate::plan::{Evidence, LocalState, Seen};
use crate::remote::RemoteWrite;
use crate::state::{Brief, ItemRow, name_hash};

/// A message's file as it was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LocalFile {
    /// The folder it lies in.
    pub(super) folder: FolderKey,
    /// Its name.
    pub(super) name: MessageName,
    /// What it says.
    pub(super) marks: Marks,
    /// Whether its content is another than the base's.
    pub(super) edited: bool,
    /// What the base is to note of its content, where that is not what it says already: the file was edited on both sides alike, or is only
    /// being adopted.
    pub(super) content: Option<Content>,
}

/// What is noted of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) digest: Digest,
    pub(super) len: u64,
    pub(super) rendering: Option<Digest>,
}

impl Content {
    /// What the base holds where the file says something else than the server: nothing that the file could be known by.
    pub(super) fn only_there(rendering: Digest) -> Self {
        Self { digest: Digest([0; 16]), len: 0, rendering: Some(rendering) }
    }
}

impl LocalFile {
    pub(super) fn state(&self) -> LocalState<LocalFile> {
        LocalState { at: self.clone(), folder: self.folder, marks: self.marks.clone(), edited: self.edited }
    }
}

/// What was seen of the local side.
#[derive(Default)]
pub(super) struct LocalView {
    /// Known items whose file differs from the base.
    pub(super) changed: BTreeMap<ItemKey, LocalFile>,
    /// Known items whose file is gone.
    pub(super) away: BTreeSet<ItemKey>,
    /// Files that no item is known for, by folder.
    pub(super) loose: BTreeMap<FolderKey, BTreeMap<FileKey, LocalFile>>,
    /// What those files could be known by, for the folders where that was asked.
    pub(super) clues: BTreeMap<FolderKey, HashMap<Clue, Vec<FileKey>>>,
    /// Folders that could not be looked at in full.
    pub(super) unknown: BTreeSet<FolderKey>,
    /// Folders of the server that could not be listed in full.
    pub(super) remote_unknown: BTreeSet<FolderKey>,
    /// Folders that were scanned.
    pub(super) scanned: BTreeMap<FolderKey, Scanned>,
    /// Items that were found again under another id in this round, and the ids.
    pub(super) found_again: BTreeMap<ItemKey, ItemId>,
    /// Uploads whose answers were lost and that were found in this round.
    pub(super) uploads_found: HashMap<Tag, ItemId>,
    /// Whether some of them were scanned only when it turned out to be needed.
    pub(super) scanned_late: bool,
}

/// What a scan found out about a directory.
pub(super) struct Scanned {
    /// Where it lies.
    pub(super) dir: FolderDir,
    /// Which letters stand for which categories.
    pub(super) keywords: Keywords,
    /// Names that do not follow from the base, of items that did not change.
    odd: HashMap<ItemKey, MessageName>,
    /// To be stored when nothing was left to do.
    pub(super) stamp: Option<DirStamp>,
    /// When the scan began, if it compared each file with its row.
    pub(super) compared: Option<UnixTime>,
}

impl LocalView {
    /// What the plan is told about an item of the base.
    pub(super) fn seen(&self, row: &ItemRow) -> Seen<LocalState<LocalFile>> {
        if let Some(file) = self.changed.get(&row.key) {
            Seen::Here(file.state())
        } else if self.away.contains(&row.key) {
            Seen::Away(Evidence::CompleteListing)
        } else if self.unknown.contains(&row.folder) {
            Seen::Unknown
        } else {
            Seen::Same
        }
    }

    /// The file of an item that is there. Only for items of scanned folders.
    pub(super) fn file(&self, row: &ItemRow) -> LocalFile {
        if let Some(file) = self.changed.get(&row.key) {
            return file.clone();
        }
        let scanned = self.scanned.get(&row.folder);
        let name = match scanned.and_then(|scanned| scanned.odd.get(&row.key)) {
            Some(name) => name.clone(),
            None => MessageName::for_delivery(row.file.clone(), row.flags, Letters::NONE),
        };
        LocalFile { folder: row.folder, name, marks: base_marks(row), edited: false, content: None }
    }

    /// Notes that an item's file is now this, and that the base says so too.
    pub(super) fn settle(&mut self, key: ItemKey, folder: FolderKey, name: MessageName) {
        self.changed.remove(&key);
        self.away.remove(&key);
        if let Some(scanned) = self.scanned.get_mut(&folder) {
            if name == MessageName::for_delivery(name.key().clone(), name.flags(), Letters::NONE) {
                scanned.odd.remove(&key);
            } else {
                scanned.odd.insert(key, name);
            }
        }
    }

    /// Not everything in a folder was dealt with, so that it has to be listed again next time.
    fn look_again_at(&mut self, folder: FolderKey) {
        if let Some(scanned) = self.scanned.get_mut(&folder) {
            scanned.stamp = None;
        }
    }

    /// Nothing follows from the absence of an item's file for now.
    pub(super) fn doubt(&mut self, row: &ItemRow) {
        self.away.remove(&row.key);
        self.unknown.insert(row.folder);
        self.look_again_at(row.folder);
    }

    /// Takes a loose file away: it belongs to an item now.
    pub(super) fn claim(&mut self, file: &LocalFile) {
        if let Some(loose) = self.loose.get_mut(&file.folder) {
            loose.remove(file.name.key());
        }
    }
}

/// What the base says of an item's file.
pub(super) fn base_marks(row: &ItemRow) -> Marks {
    Marks { flags: row.flags, categories: row.server.categories.clone() }
}

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
    tokio::task::block_in_place(|| {
        for place in places {
            if due.contains(&place.key()) || gone.contains(&place.key()) || may_have_changed(run, place)? {
                scan_into(run, place, &mut view)?;
            }
        }
        if !view.away.is_empty() || !view.loose.is_empty() {
            let chosen: BTreeSet<FolderKey> = places.iter().map(Place::key).collect();
            scan_others(run, all, &chosen, &mut view)?;
        }
        find_moves(run, &mut view)
    })?;
    Ok(view)
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
    for place in all.iter().filter(|place| place.is_mirrored() && !looked_at.contains(&place.key())) {
        if may_have_changed(run, place)? {
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
    if view.away.is_empty() {
        return Ok(());
    }
    let looked_at = view.scanned.keys().chain(&view.unknown).copied().collect();
    scan_others(run, all, &looked_at, view)?;
    find_moves(run, view)
}

/// Whether a directory has to be listed. Drafts are edited in place, which no directory tells.
fn may_have_changed<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    place: &Place,
) -> Result<bool, SyncError> {
    let (Directory::Here, Some(stored)) = (place.directory, &place.row.listing.stamp) else { return Ok(true) };
    if run.compares_files(place) || !place.on_server {
        return Ok(true);
    }
    let now = match run.local().stamp(&place.dir()?) {
        Ok(stamp) => Some(stamp),
        Err(error) if stops_run(&error) => return Err(error.into()),
        Err(_) => None,
    };
    Ok(now != DirStamp::from_text(stored)
        || now.is_none()
        || run.state().read(|state| state.has_drafts(place.key()))?)
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
            let dir = place.dir()?;
            let empty =
                Scanned { dir, keywords: Keywords::default(), odd: HashMap::new(), stamp: None, compared: None };
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
        for (key, name) in check {
            scan.check(run, place, key, name)?;
        }
        Ok(scan)
    }

    /// Compares a file with its row.
    fn check<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
        &mut self,
        run: &Run<'_, R, L>,
        place: &Place,
        key: ItemKey,
        name: MessageName,
    ) -> Result<(), SyncError> {
        let Some(row) = run.state().read(|state| state.item(key))? else { return Ok(()) };
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
        let scanned = Scanned { dir, keywords, odd, stamp: self.end.stamp, compared };
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
    Ok(run.local().digest(dir, name)?.map(|(digest, _)| digest != row.digest))
}

/// Pairs what vanished with what appeared. Only files of the right size are read. What may be one half of a move whose other half cannot be
/// seen now waits: it would be uploaded, and deleted where it was. So what vanished waits for all folders to be read.
fn find_moves<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    view: &mut LocalView,
) -> Result<(), SyncError> {
    if !view.loose.is_empty() && !(view.away.is_empty() && view.unknown.is_empty()) {
        pair_moves(run, view)?;
    }
    if !view.unknown.is_empty() {
        for key in view.away.clone() {
            let row = run.state().read(|state| state.item(key))?;
            row.into_iter().for_each(|row| view.doubt(&row));
        }
    }
    Ok(())
}

fn pair_moves<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    view: &mut LocalView,
) -> Result<(), SyncError> {
    let mut vanished = Vec::new();
    let mut rows: HashMap<ItemKey, ItemRow> = HashMap::new();
    for key in &view.away {
        let Some(row) = run.state().read(|state| state.item(*key))? else { continue };
        vanished.push(vanished_file(&row));
        rows.insert(row.key, row);
    }
    let out_of_sight = out_of_sight(run, view)?;
    let sizes: HashSet<u64> =
        rows.values().map(|row| row.len).chain(out_of_sight.iter().map(|(len, _)| *len)).collect();
    let mut appeared = Vec::new();
    let mut waiting = Vec::new();
    // The sizes of files that cannot be read; none where not even that can be told.
    let mut unread: Vec<Option<u64>> = Vec::new();
    for (folder, files) in &view.loose {
        let Some(scanned) = view.scanned.get(folder) else { continue };
        for file in files.values() {
            match digest_of_size(run.local(), &scanned.dir, &file.name, &sizes)? {
                Looked::At(digest, len) if out_of_sight.contains(&(len, digest)) => {
                    waiting.push((file.clone(), "it may have been moved out of a folder that cannot be read"));
                }
                Looked::At(digest, _) => appeared.push(appeared_file(file.clone(), digest)),
                Looked::Passed => {}
                Looked::Failed(len) => {
                    unread.push(len);
                    waiting.push((file.clone(), "it cannot be read, and may be a message that was moved"));
                }
            }
        }
    }
    let mut pairs = local_moves(&vanished, &appeared);
    let mut free = Free::new(view, &waiting, &pairs, &mut vanished);
    if !vanished.is_empty() {
        let found = local_moves(&vanished, &stored_anew(run.local(), view, &free, &rows)?);
        free.take(&found, &mut vanished);
        pairs.extend(found);
    }
    pairs.extend(edited_moves(&vanished, &free.edited(view), |file| delivered_mark(file).is_some()));
    join(view, &rows, pairs);
    for (file, why) in waiting {
        view.claim(&file);
        view.look_again_at(file.folder);
        let text = format!("{why}; it waits until that can be told");
        let folder = view.scanned.get(&file.folder).map_or("", |scanned| scanned.dir.as_str());
        run.notice(folder, NoticeKind::Held, Some(file.name.key().to_string()), text);
    }
    let doubtful = |row: &ItemRow| unread.iter().any(|len| len.is_none_or(|len| len == row.len));
    for row in rows.values().filter(|row| view.away.contains(&row.key) && doubtful(row)).collect::<Vec<_>>() {
        view.doubt(row);
    }
    Ok(())
}

/// Notes that these files are the items', wherever they lie now.
pub(super) fn join(view: &mut LocalView, rows: &HashMap<ItemKey, ItemRow>, pairs: Vec<(ItemKey, LocalFile)>) {
    for (key, mut file) in pairs {
        view.claim(&file);
        view.away.remove(&key);
        if let (Some(content), Some(row)) = (&mut file.content, rows.get(&key)) {
            content.rendering = row.rendering;
        }
        if let Some((row, scanned)) = rows.get(&key).and_then(|row| Some((row, view.scanned.get(&row.folder)?))) {
            if file.folder != row.folder {
                let to = view.scanned.get(&file.folder).map(|scanned| &scanned.keywords);
                file.marks.categories =
                    letters::taken_along(row, &file, &scanned.keywords, to.unwrap_or(&scanned.keywords));
            } else {
                let (_, unspeakable) = scanned.keywords.letters_for(&row.server.categories);
                file.marks.categories.extend(unspeakable);
            }
        }
        view.changed.insert(key, file);
    }
}

/// An item's file as it was.
pub(super) fn vanished_file(row: &ItemRow) -> Vanished {
    let was = Likeness { folder: row.folder, file: row.file.clone(), flags: row.flags, digest: row.digest };
    Vanished { key: row.key, was }
}

fn appeared_file(at: LocalFile, digest: Digest) -> Appeared<LocalFile> {
    let is = Likeness { folder: at.folder, file: at.name.key().clone(), flags: at.marks.flags, digest };
    Appeared { at, is }
}

/// Loose files that may still be somebody's.
struct Free(BTreeSet<(FolderKey, FileKey)>);

impl Free {
    /// All but those that wait to be judged and those that are paired already.
    fn new(
        view: &LocalView,
        waiting: &[(LocalFile, &str)],
        pairs: &[(ItemKey, LocalFile)],
        vanished: &mut Vec<Vanished>,
    ) -> Self {
        let all = view.loose.iter().flat_map(|(folder, files)| files.keys().map(|key| (*folder, key.clone())));
        let mut free = Self(all.collect());
        for (file, _) in waiting {
            free.0.remove(&(file.folder, file.name.key().clone()));
        }
        free.take(pairs, vanished);
        free
    }

    fn take(&mut self, pairs: &[(ItemKey, LocalFile)], vanished: &mut Vec<Vanished>) {
        let paired: HashSet<ItemKey> = pairs.iter().map(|(key, _)| *key).collect();
        vanished.retain(|item| !paired.contains(&item.key));
        for (_, file) in pairs {
            self.0.remove(&(file.folder, file.name.key().clone()));
        }
    }

    fn files<'v>(&self, view: &'v LocalView) -> impl Iterator<Item = &'v LocalFile> {
        self.0.iter().filter_map(|(folder, key)| view.loose.get(folder)?.get(key))
    }

    /// The files as what they would be if an item's name told that they are its.
    fn edited(&self, view: &LocalView) -> Vec<Appeared<LocalFile>> {
        self.files(view)
            .map(|file| appeared_file(LocalFile { edited: true, ..file.clone() }, Digest([0; 16])))
            .collect()
    }
}

/// Loose files into whose headers a mail reader wrote, as they were before. Their own content is taken into the base with the move.
fn stored_anew<L: LocalRead>(
    local: &L,
    view: &LocalView,
    free: &Free,
    gone: &HashMap<ItemKey, ItemRow>,
) -> Result<Vec<Appeared<LocalFile>>, SyncError> {
    let (shortest, longest) =
        gone.values().fold((u64::MAX, 0), |(low, high), row| (low.min(row.len), high.max(row.len)));
    let mut found = Vec::new();
    for file in free.files(view) {
        let Some(scanned) = view.scanned.get(&file.folder) else { continue };
        match stored(local, &scanned.dir, file, (shortest, longest)) {
            Ok(appeared) => found.extend(appeared),
            Err(error) if stops_run(&error) => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(found)
}

/// The items of folders that could not be looked at, by size and content: any of them may have been moved out of there.
fn out_of_sight<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    view: &LocalView,
) -> Result<HashSet<(u64, Digest)>, SyncError> {
    let mut keys = Vec::new();
    for folder in &view.unknown {
        run.state().read(|state| state.briefs(*folder, |_, brief| keys.push(brief.key)))?;
    }
    let mut found = HashSet::new();
    for key in keys {
        found.extend(run.state().read(|state| state.item(key))?.map(|row| (row.len, row.digest)));
    }
    Ok(found)
}

fn stored<L: LocalRead>(
    local: &L,
    dir: &FolderDir,
    file: &LocalFile,
    (shortest, longest): (u64, u64),
) -> Result<Option<Appeared<LocalFile>>, LocalError> {
    // What a reader adds is a few lines; it takes none away but the line end's half.
    const MOST_ADDED: u64 = 1024;
    let Some(stat) = local.stat(dir, &file.name)? else { return Ok(None) };
    if stat.len < shortest || stat.len > longest.saturating_add(MOST_ADDED) {
        return Ok(None);
    }
    let Some(bytes) = local.open(dir, &file.name)? else { return Ok(None) };
    let Some(before) = mime::digest_before_storing(bytes).ok().flatten() else { return Ok(None) };
    let Some((digest, len)) = local.digest(dir, &file.name)? else { return Ok(None) };
    let at = LocalFile { content: Some(Content { digest, len, rendering: None }), ..file.clone() };
    Ok(Some(appeared_file(at, before)))
}

/// What a look at a file's content came to.
pub(super) enum Looked {
    /// Its hash and size.
    At(Digest, u64),
    /// It has another size, or is gone.
    Passed,
    /// It cannot be read; its size, where that can be told.
    Failed(Option<u64>),
}

/// The hash of a file whose size is one of these.
pub(super) fn digest_of_size<L: LocalRead>(
    local: &L,
    dir: &FolderDir,
    name: &MessageName,
    sizes: &HashSet<u64>,
) -> Result<Looked, SyncError> {
    let len = match local.stat(dir, name) {
        Ok(stat) => stat.map(|stat| stat.len).filter(|len| sizes.contains(len)),
        Err(error) if stops_run(&error) => return Err(error.into()),
        Err(_) => return Ok(Looked::Failed(None)),
    };
    let Some(len) = len else { return Ok(Looked::Passed) };
    match local.digest(dir, name) {
        Ok(Some((digest, len))) => Ok(Looked::At(digest, len)),
        Ok(None) => Ok(Looked::Passed),
        Err(error) if stops_run(&error) => Err(error.into()),
        Err(_) => Ok(Looked::Failed(Some(len))),
    }
}
