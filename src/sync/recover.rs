//! Settles what the last run left half done, before anything is looked at.
//!
//! | Cut off | What is found | What is done |
//! |---|---|---|
//! | while bodies were staged | our files in `tmp` | they are removed; the page is listed again |
//! | between a row "arriving" and its file | a row without a file | the row is forgotten; the page is listed again. A file that somebody moved since counts as delivered |
//! | between a file in place and its page | a row "arriving" with its file | it counts as agreed, or as gone when the server no longer has it |
//! | between a file that was changed and its row | what was begun, and the file says so | it is noted as done |
//! | between an upload and its answer | an intent | its tag is looked for; what is found is the uploaded message |
//!
//! Everything else needs no recovery: the next observation shows it as a change that both sides made alike.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::moves::{Looked, digest_of_size, vanished_file};
use super::rejoin::{message_id_of_file, normal_message_id};
use super::{Depth, Run, SyncError, stops_run};
use crate::local::{FolderDir, LocalWrite, MessageName};
use crate::pim::{FileKey, FolderKey, ItemId, ItemKey, Marks, ServerMessage};
use crate::plan::moves::{Appeared, Likeness, Vanished, local_moves};
use crate::remote::{ItemErrorClass, RemoteError, RemoteWrite};
use crate::state::{ItemRow, Pulling, Standing, UploadIntent, name_hash, search_hash};

/// Tags looked for with one request.
const TAGS: usize = 50;

/// Settles what the last run left half done.
pub(super) async fn recover<R, L>(run: &Run<'_, R, L>) -> Result<(), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let arriving = run.state().read(|state| state.items_standing(run.account, Standing::Arriving))?;
    let intents = run.state().read(|state| state.upload_intents(run.account))?;
    // Only a run that was cut off leaves files in `tmp`.
    let tidy = run.request.depth == Depth::Changes && run.state().read(|state| state.ended_well(run.account))?;
    match if tidy { Ok(None) } else { run.blocking(|local| local.clear_stale_tmp()).await.map(Some) } {
        Ok(_) => {}
        // The account's directory is made by the folders' alignment, or missing altogether, which that says.
        Err(SyncError::Local(error)) if !stops_run(&error) => {}
        Err(error) => return Err(error),
    }
    settle_pullings(run).await?;
    settle_arrivals(run, arriving).await?;
    settle_uploads(run, intents).await
}

/// A file that says what it was to say was changed by us, not by its owner.
async fn settle_pullings<R, L>(run: &Run<'_, R, L>) -> Result<(), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let mut by_folder: BTreeMap<FolderKey, Vec<Pulling>> = BTreeMap::new();
    for pulling in run.state().read(|state| state.pullings(run.account))? {
        by_folder.entry(pulling.lies_in).or_default().push(pulling);
    }
    for (folder, begun) in by_folder {
        let said = marks_of(run, folder, &begun)?;
        run.commit(move |tx| {
            for Pulling { row, says, .. } in &begun {
                match said.get(&row.file) == Some(says) {
                    true => tx.set_item(row)?,
                    false => tx.end_pulling(row.key)?,
                }
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// What the files of a folder say, where they are asked for.
fn marks_of<R, L>(
    run: &Run<'_, R, L>,
    folder: FolderKey,
    asked: &[Pulling],
) -> Result<HashMap<FileKey, Marks>, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let mut said = HashMap::new();
    let row = run.state().read(|state| state.folder(folder))?;
    let Some(dir) = row.and_then(|row| row.dir) else { return Ok(said) };
    let dir = FolderDir::new(&dir)?;
    let wanted: HashSet<&FileKey> = asked.iter().map(|pulling| &pulling.row.file).collect();
    let scanned = run.local().keywords(&dir).and_then(|keywords| {
        run.local().scan(&dir, &mut |name: MessageName| {
            if wanted.contains(name.key()) {
                let categories = keywords.categories(name.letters());
                said.insert(name.key().clone(), Marks { flags: name.flags(), categories });
            }
        })
    });
    match scanned {
        Err(error) if stops_run(&error) => Err(error.into()),
        Ok(_) | Err(_) => Ok(said),
    }
}

async fn settle_arrivals<R, L>(run: &Run<'_, R, L>, arriving: Vec<ItemRow>) -> Result<(), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let mut by_folder: BTreeMap<FolderKey, Vec<ItemRow>> = BTreeMap::new();
    for row in arriving {
        by_folder.entry(row.folder).or_default().push(row);
    }
    for (folder, rows) in by_folder {
        let there = files_of(run, folder)?;
        let (mut delivered, lost): (Vec<ItemRow>, Vec<ItemRow>) =
            rows.into_iter().partition(|row| there.contains(&row.file));
        let (moved, lost) = moved_since(run, lost)?;
        delivered.extend(moved);
        let (rewritten, lost) = rewritten_since(run, lost).await?;
        delivered.extend(rewritten);
        let lost: Vec<ItemKey> = lost.into_iter().map(|row| row.key).collect();
        run.commit(move |tx| lost.iter().try_for_each(|key| tx.forget_item(*key))).await?;
        for rows in delivered.chunks(100) {
            let ids: Vec<ItemId> = rows.iter().map(|row| row.id.clone()).collect();
            let answers = run.remote().messages(&ids).await?;
            let standings: Vec<(ItemKey, Standing)> = rows
                .iter()
                .zip(answers)
                .map(|(row, answer)| match answer {
                    Err(error) if error.class == ItemErrorClass::Gone => (row.key, Standing::Gone),
                    _ => (row.key, Standing::Agreed),
                })
                .collect();
            run.commit(move |tx| standings.iter().try_for_each(|(key, standing)| tx.set_standing(*key, *standing)))
                .await?;
        }
    }
    Ok(())
}

/// Which of the files lie elsewhere: somebody moved them after they were delivered. The rest never was, or was written into, too.
fn moved_since<R, L>(run: &Run<'_, R, L>, lost: Vec<ItemRow>) -> Result<(Vec<ItemRow>, Vec<ItemRow>), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    if lost.is_empty() {
        return Ok((vec![], vec![]));
    }
    let sizes: HashSet<u64> = lost.iter().map(|row| row.len).collect();
    let mut appeared = Vec::new();
    for_strangers(run, |folder, dir, name| {
        if let Looked::At(digest, _) = digest_of_size(run.local(), dir, &name, &sizes)? {
            let is = Likeness { folder, file: name.key().clone(), flags: name.flags(), digest };
            appeared.push(Appeared { at: (), is });
        }
        Ok(())
    })?;
    let vanished: Vec<Vanished> = lost.iter().map(vanished_file).collect();
    let found: HashSet<ItemKey> = local_moves(&vanished, &appeared).into_iter().map(|(key, ())| key).collect();
    Ok(lost.into_iter().partition(|row| found.contains(&row.key)))
}

/// Which of the files lie under another name, and with another text: they count as delivered, and are found again by their Message-IDs like
/// any other that was edited and renamed.
async fn rewritten_since<R, L>(
    run: &Run<'_, R, L>,
    lost: Vec<ItemRow>,
) -> Result<(Vec<ItemRow>, Vec<ItemRow>), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let mut strangers = HashSet::new();
    if !lost.is_empty() {
        for_strangers(run, |_, dir, name| {
            strangers.extend(message_id_of_file(run.local(), dir, &name));
            Ok(())
        })?;
    }
    if strangers.is_empty() {
        return Ok((vec![], lost));
    }
    let mut found = HashSet::new();
    for rows in lost.chunks(100) {
        let ids: Vec<ItemId> = rows.iter().map(|row| row.id.clone()).collect();
        for (row, answer) in rows.iter().zip(run.remote().messages(&ids).await?) {
            let id = answer.ok().and_then(|message| message.message_id);
            found.extend(id.filter(|id| strangers.contains(&normal_message_id(id))).map(|_| row.key));
        }
    }
    Ok(lost.into_iter().partition(|row| found.contains(&row.key)))
}

/// Shows the files that the base does not know.
fn for_strangers<R, L>(
    run: &Run<'_, R, L>,
    mut show: impl FnMut(FolderKey, &FolderDir, MessageName) -> Result<(), SyncError>,
) -> Result<(), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    for folder in run.local().folders()?.folders.iter().filter(|folder| folder.maildir) {
        let known = known_names(run, folder.dir.as_str())?;
        let mut strangers = Vec::new();
        let scanned = run.local().scan(&folder.dir, &mut |name| {
            if !known.names.contains(&name_hash(name.key())) {
                strangers.push(name);
            }
        });
        match scanned {
            Err(error) if stops_run(&error) => return Err(error.into()),
            Ok(_) | Err(_) => {}
        }
        strangers.into_iter().try_for_each(|name| show(known.folder, &folder.dir, name))?;
    }
    Ok(())
}

/// What the base knows in a directory.
struct KnownNames {
    /// The folder that it belongs to; 0 for none.
    folder: FolderKey,
    /// The hashes of the names.
    names: HashSet<i64>,
}

fn known_names<R, L>(run: &Run<'_, R, L>, dir: &str) -> Result<KnownNames, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let mut known = KnownNames { folder: FolderKey(0), names: HashSet::new() };
    run.state().read(|state| {
        let folders = state.folders(run.account)?;
        let folder = folders.iter().find(|row| row.dir.as_deref() == Some(dir));
        let Some(folder) = folder else { return Ok(()) };
        known.folder = folder.key;
        state.briefs(folder.key, |hash, _| {
            known.names.insert(hash);
        })
    })?;
    Ok(known)
}

/// The unique names of all files in a folder.
fn files_of<R, L>(run: &Run<'_, R, L>, folder: FolderKey) -> Result<HashSet<FileKey>, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let mut names = HashSet::new();
    let row = run.state().read(|state| state.folder(folder))?;
    let Some(dir) = row.and_then(|row| row.dir) else { return Ok(names) };
    let dir = FolderDir::new(&dir)?;
    match run.local().scan(&dir, &mut |name: MessageName| {
        names.insert(name.key().clone());
    }) {
        Ok(_) => Ok(names),
        Err(error) if stops_run(&error) => Err(error.into()),
        Err(_) => Ok(names),
    }
}

async fn settle_uploads<R, L>(run: &Run<'_, R, L>, intents: Vec<UploadIntent>) -> Result<(), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let mut by_folder: BTreeMap<FolderKey, Vec<UploadIntent>> = BTreeMap::new();
    for intent in intents {
        by_folder.entry(intent.folder).or_default().push(intent);
    }
    for (folder, intents) in by_folder {
        let Some(row) = run.state().read(|state| state.folder(folder))? else { continue };
        for intents in intents.chunks(TAGS) {
            let tags: Vec<_> = intents.iter().map(|intent| intent.tag.clone()).collect();
            let found = match run.remote().find_tagged(&row.id, &tags).await {
                Ok(found) => found,
                Err(RemoteError::FolderGone | RemoteError::AccessDenied) => vec![],
                Err(error) => return Err(error.into()),
            };
            settle_found(run, intents, found).await?;
        }
    }
    Ok(())
}

/// What was found is the uploaded message. What was not found stays noted: it may turn up in another folder, where somebody moved it.
async fn settle_found<R, L>(
    run: &Run<'_, R, L>,
    intents: &[UploadIntent],
    found: Vec<ServerMessage>,
) -> Result<(), SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    for message in found {
        let Some(intent) = intents.iter().find(|intent| message.tag.as_ref() == Some(&intent.tag)) else { continue };
        adopt_upload(run, intent, &message).await?;
    }
    Ok(())
}

/// Makes the item of an upload whose answer was lost. Returns its row, as if it still lay where it was uploaded to.
pub(super) async fn adopt_upload<R, L>(
    run: &Run<'_, R, L>,
    intent: &UploadIntent,
    message: &ServerMessage,
) -> Result<Option<ItemRow>, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    if run.state().read(|state| state.item_by_id(run.account, &message.id))?.is_some() {
        let tag = intent.tag.clone();
        run.commit(move |tx| tx.end_upload(&tag)).await?;
        return Ok(None);
    }
    // What was uploaded is what was agreed: whatever the message says beyond that, somebody has changed there since.
    let says = intent.says.clone().unwrap_or_else(|| message.marks.to_local());
    let row = ItemRow {
        key: ItemKey(0),
        folder: intent.folder,
        id: message.id.clone(),
        change_key: message.change_key.clone(),
        search: message.search_key.as_ref().map(search_hash),
        // Somebody may have edited a draft since: it is compared when it is listed.
        size: if message.marks.draft { 0 } else { message.size },
        server: says.to_server(),
        file: intent.file.clone(),
        flags: says.flags,
        len: intent.len,
        digest: intent.digest,
        rendering: intent.rendering,
        standing: Standing::Agreed,
    };
    let (new, intent) = (row.clone(), intent.clone());
    let before = match intent.instead_of {
        Some(key) => run.state().read(|state| state.item(key))?,
        None => None,
    };
    let key = run
        .commit(move |tx| {
            before.as_ref().map_or(Ok(()), |before| tx.supersede(before))?;
            tx.end_upload(&intent.tag)?;
            tx.add_item(&new)
        })
        .await?;
    Ok(Some(ItemRow { key, ..row }))
}
