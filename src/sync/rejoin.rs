//! Files that were edited or rewritten, and moved or given another name: neither the name nor the bytes tell whose they are, but the Message-ID does.
//! So does a file whose body the server's has replaced right before a crash, if it had been moved before that.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::bodies::rendering_of_file;
use super::moves::join;
use super::rows::rows_of;
use super::view::{Content, LocalFile, LocalView};
use super::{Run, SyncError};
use crate::format::mime;
use crate::local::{FolderDir, LocalRead, LocalWrite, MessageName};
use crate::pim::{Digest, FileKey, FolderKey, ItemId, ItemKey};
use crate::plan::adopt::{Clue, Loose, adopt};
use crate::remote::{ItemErrorClass, RemoteWrite};
use crate::state::{ItemRow, Standing};

/// A Message-ID without what servers add or leave away.
pub(super) fn normal_message_id(id: &str) -> String {
    id.trim().trim_start_matches('<').trim_end_matches('>').to_owned()
}

/// The Message-ID that a file has; `None` also where it cannot be read.
pub(super) fn message_id_of_file<L: LocalRead>(local: &L, dir: &FolderDir, name: &MessageName) -> Option<String> {
    let facts = mime::facts(local.open(dir, name).ok()??).ok()?;
    Some(normal_message_id(&facts.message_id?))
}

/// Pairs items whose files are gone with files that no item is known for, by the Message-IDs that the server tells and the files have.
pub(super) async fn rejoin<R, L>(run: &Run<'_, R, L>, view: &mut LocalView) -> Result<(), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    if view.away.is_empty() || view.loose.is_empty() {
        return Ok(());
    }
    let strangers = tokio::task::block_in_place(|| strangers(run.local(), view));
    if strangers.is_empty() {
        return Ok(());
    }
    let mut rows = rows_of(run, view.away.iter().copied())?;
    // What was superseded has its content in a file of its own; what is arriving or gone there is no message that could be asked.
    rows.retain(|_, row| row.standing == Standing::Agreed && row.digest != Digest([0; 16]));
    let missing = message_ids(run, view, &rows).await?;
    let pairs = pair(&missing, &strangers);
    let files: HashMap<(FolderKey, FileKey), LocalFile> =
        strangers.into_iter().map(|(file, _)| ((file.folder, file.name.key().clone()), file)).collect();
    let pairs = pairs.into_iter().filter_map(|(key, place)| Some((rows.get(&key)?, files.get(&place)?.clone())));
    let judged: Vec<(ItemKey, LocalFile)> = tokio::task::block_in_place(|| {
        pairs.map(|(row, file)| (row.key, judged(run.local(), view, row, file))).collect()
    });
    view.rejoined.extend(judged.iter().filter(|(_, file)| file.edited).map(|(key, _)| *key));
    join(view, &rows, judged);
    Ok(())
}

/// The file as edited; but where it says what was agreed on, in other bytes, nobody has edited anything, and its own content is taken into the
/// base.
fn judged<L: LocalRead>(local: &L, view: &LocalView, row: &ItemRow, file: LocalFile) -> LocalFile {
    let same = || {
        let dir = &view.scanned.get(&file.folder)?.dir;
        rendering_of_file(local, dir, &file.name).filter(|says| Some(*says) == row.rendering)?;
        let (digest, len) = local.digest(dir, &file.name).ok()??;
        Some(Content { digest, len, rendering: row.rendering })
    };
    match same() {
        Some(content) => LocalFile { edited: false, content: Some(content), ..file },
        None => LocalFile { edited: true, ..file },
    }
}

/// Files that no item is known for, with their Message-IDs.
fn strangers<L: LocalRead>(local: &L, view: &LocalView) -> Vec<(LocalFile, String)> {
    let mut found = Vec::new();
    for (folder, files) in &view.loose {
        let Some(scanned) = view.scanned.get(folder) else { continue };
        for file in files.values() {
            let id = message_id_of_file(local, &scanned.dir, &file.name);
            found.extend(id.map(|id| (file.clone(), id)));
        }
    }
    found
}

/// The Message-IDs of items, in their order. One that the server does not tell just now is in doubt: nothing follows from its file's absence.
async fn message_ids<R, L>(
    run: &Run<'_, R, L>,
    view: &mut LocalView,
    rows: &HashMap<ItemKey, ItemRow>,
) -> Result<Vec<(FolderKey, ItemKey, String)>, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let mut rows: Vec<&ItemRow> = rows.values().collect();
    rows.sort_by_key(|row| row.key);
    let mut told = Vec::new();
    for rows in rows.chunks(100) {
        let ids: Vec<ItemId> = rows.iter().map(|row| row.id.clone()).collect();
        for (row, answer) in rows.iter().zip(run.remote().messages(&ids).await?) {
            match answer {
                Ok(message) => {
                    told.extend(message.message_id.map(|id| (row.folder, row.key, normal_message_id(&id))));
                }
                Err(error) if error.class == ItemErrorClass::Gone => {}
                Err(_) => view.doubt(row),
            }
        }
    }
    Ok(told)
}

/// What stayed in its folder goes before what was moved.
fn pair(
    missing: &[(FolderKey, ItemKey, String)],
    strangers: &[(LocalFile, String)],
) -> Vec<(ItemKey, (FolderKey, FileKey))> {
    let items = |folder: Option<FolderKey>, taken: &HashSet<ItemKey>| -> Vec<Loose<ItemKey>> {
        let open =
            missing.iter().filter(|(at, key, _)| folder.is_none_or(|folder| folder == *at) && !taken.contains(key));
        open.map(|(_, key, id)| Loose { at: *key, clues: vec![Clue::MessageId(id.clone())] }).collect()
    };
    let files =
        |folder: Option<FolderKey>, taken: &HashSet<(FolderKey, FileKey)>| -> Vec<Loose<(FolderKey, FileKey)>> {
            let place = |file: &LocalFile| (file.folder, file.name.key().clone());
            let open = strangers
                .iter()
                .filter(|(file, _)| folder.is_none_or(|folder| folder == file.folder) && !taken.contains(&place(file)));
            open.map(|(file, id)| Loose { at: place(file), clues: vec![Clue::MessageId(id.clone())] }).collect()
        };
    let folders: BTreeSet<FolderKey> = missing.iter().map(|(folder, ..)| *folder).collect();
    let mut pairs: Vec<(ItemKey, (FolderKey, FileKey))> = Vec::new();
    for folder in folders.into_iter().map(Some).chain([None]) {
        let taken_items = pairs.iter().map(|(key, _)| *key).collect();
        let taken_files = pairs.iter().map(|(_, place)| place.clone()).collect();
        pairs.extend(adopt(&items(folder, &taken_items), &files(folder, &taken_files)));
    }
    pairs
}
