//! Rows of messages: with what both sides agree on now, and how a message is called.

use std::collections::HashMap;

use super::view::LocalFile;
use super::{Run, SyncError};
use crate::format::mime;
use crate::local::{LocalWrite, StagedFile};
use crate::pim::{Digest, ItemKey, ServerMessage, UnixTime};
use crate::plan::{LocalState, RemoteState};
use crate::remote::RemoteWrite;
use crate::state::{ItemRow, Standing, search_hash};

/// A message as the server has it.
pub(super) type Remote = RemoteState<Box<ServerMessage>>;

/// A row with what both sides agree on now.
pub(super) fn refreshed(mut row: ItemRow, remote: Option<&Remote>, local: Option<&LocalState<LocalFile>>) -> ItemRow {
    if let Some(remote) = remote {
        take_remote(&mut row, remote);
    }
    if let Some(local) = local {
        row.folder = local.folder;
        row.file = local.at.name.key().clone();
        row.flags = local.marks.flags;
        take_content(&mut row, &local.at);
    }
    row
}

pub(super) fn take_content(row: &mut ItemRow, file: &LocalFile) {
    if let Some(content) = file.content {
        (row.digest, row.len, row.rendering) = (content.digest, content.len, content.rendering);
    }
}

/// Takes the server's state into the row.
pub(super) fn take_remote(row: &mut ItemRow, remote: &Remote) {
    row.folder = remote.folder;
    row.id = remote.at.id.clone();
    row.change_key = remote.at.change_key.clone();
    row.search = remote.at.search_key.as_ref().map(search_hash).or(row.search);
    row.size = if remote.at.size == 0 { row.size } else { remote.at.size };
    row.server = remote.marks.clone();
    row.standing = Standing::Agreed;
}

pub(super) fn rendering_of(staged: &StagedFile) -> Option<Digest> {
    mime::semantic_digest(std::io::BufReader::new(staged.open().ok()?)).ok()
}

/// When a message was received; what has no time counts as of 1970, since it must be the same each time.
pub(super) fn received(message: &ServerMessage) -> UnixTime {
    message.received.unwrap_or(UnixTime(0))
}

/// What people know a message by.
pub(super) fn label(message: &ServerMessage) -> String {
    message.message_id.clone().unwrap_or_else(|| message.id.to_string())
}

/// Rows by their numbers, for those that are still there.
pub(super) fn rows_of<R, L>(
    run: &Run<'_, R, L>,
    keys: impl IntoIterator<Item = ItemKey>,
) -> Result<HashMap<ItemKey, ItemRow>, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let rows = run.state().read(|state| {
        keys.into_iter()
            .filter_map(|key| state.item(key).transpose())
            .map(|row| row.map(|row| (row.key, row)))
            .collect::<Result<_, _>>()
    })?;
    Ok(rows)
}
