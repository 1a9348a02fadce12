//! What vanished here and appeared there: which loose file is which item's.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::view::{Content, LocalFile, LocalView};
use super::{NoticeKind, Run, SyncError, letters, stops_run};
use crate::format::mime;
use crate::local::{FolderDir, LocalError, LocalRead, LocalWrite, MessageName, delivered_mark};
use crate::pim::{Digest, FileKey, FolderKey, ItemKey};
use crate::plan::moves::{Appeared, Likeness, Vanished, edited_moves, local_moves};
use crate::remote::RemoteWrite;
use crate::state::ItemRow;

/// Pairs what vanished with what appeared. Only files of the right size are read. What may be one half of a move whose other half cannot be
/// seen now waits: it would be uploaded, and deleted where it was. So what vanished waits for all folders to be read.
pub(super) fn find_moves<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    view: &mut LocalView,
) -> Result<(), SyncError> {
    let may_have_moved = !view.away.is_empty() || !view.unknown.is_empty();
    if may_have_moved && !view.loose.is_empty() {
        pair_moves(run, view)?;
    }
    if view.unknown.is_empty() { Ok(()) } else { doubt_absences(run, view) }
}

/// Nothing follows from any absence for now.
pub(super) fn doubt_absences<R: RemoteWrite + 'static, L: LocalWrite + 'static>(
    run: &Run<'_, R, L>,
    view: &mut LocalView,
) -> Result<(), SyncError> {
    for key in view.away.clone() {
        let row = run.state().read(|state| state.item(key))?;
        row.into_iter().for_each(|row| view.doubt(&row));
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
    // Renamed or moved since it was listed: whose it is, the next round tells.
    let mut gone = Vec::new();
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
                Looked::Gone => {
                    unread.push(None);
                    gone.push(file.clone());
                }
                Looked::Failed(len) => {
                    unread.push(len);
                    waiting.push((file.clone(), "it cannot be read, and may be a message that was moved"));
                }
            }
        }
    }
    for file in &gone {
        view.claim(file);
        view.look_again_at(file.folder);
        run.look_again();
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
    /// It has another size.
    Passed,
    /// It is no longer under that name.
    Gone,
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
        Ok(Some(stat)) => Some(stat.len).filter(|len| sizes.contains(len)),
        Ok(None) => return Ok(Looked::Gone),
        Err(error) if stops_run(&error) => return Err(error.into()),
        Err(_) => return Ok(Looked::Failed(None)),
    };
    let Some(len) = len else { return Ok(Looked::Passed) };
    match local.digest(dir, name) {
        Ok(Some((digest, len))) => Ok(Looked::At(digest, len)),
        Ok(None) => Ok(Looked::Gone),
        Err(error) if stops_run(&error) => Err(error.into()),
        Err(_) => Ok(Looked::Failed(Some(len))),
    }
}
