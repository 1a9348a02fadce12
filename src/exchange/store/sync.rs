//! What happened in a folder or in the folder tree since a change number.

use rusqlite::Connection;

use super::items::{Item, query};
use super::{FolderRow, folder, folders_under};

/// One change of a folder's items.
#[derive(Debug)]
pub(in super::super) enum ItemChange {
    Create(Item),
    Update(Item),
    ReadFlag(Item),
    /// The number of an item that left, and the change by which it left.
    Delete(i64, i64),
}

impl ItemChange {
    /// The number of the change.
    pub(in super::super) fn number(&self) -> i64 {
        match self {
            ItemChange::Create(item) | ItemChange::Update(item) | ItemChange::ReadFlag(item) => {
                item.changed_cn.max(item.read_cn)
            }
            ItemChange::Delete(_, number) => *number,
        }
    }
}

/// Changes in the order in which they happened, and where the next page begins.
#[derive(Debug)]
pub(in super::super) struct ItemPage {
    pub(in super::super) changes: Vec<ItemChange>,
    /// The change number of the last change of the page.
    pub(in super::super) cursor: i64,
    pub(in super::super) more: bool,
}

/// Items that a first listing shows, the newest first: those that came before `snapshot` and, when the listing has
/// begun, before `below`.
pub(in super::super) fn listed_items(
    db: &Connection,
    folder: i64,
    associated: bool,
    snapshot: i64,
    below: i64,
    limit: i64,
) -> rusqlite::Result<Vec<Item>> {
    let kinds = if associated { 1 } else { 0 };
    let condition = "WHERE folder = ?1 AND master = 0 AND associated <= ?2 AND created_cn <= ?3 AND created_cn < ?4 \
         ORDER BY created_cn DESC LIMIT ?5";
    query(db, condition, &[folder, kinds, snapshot, below, limit])
}

/// The changes after `cursor`. What came into the folder after `base` is new to the client.
pub(in super::super) fn changed_items(
    db: &Connection,
    folder: i64,
    associated: bool,
    base: i64,
    cursor: i64,
    limit: usize,
) -> rusqlite::Result<ItemPage> {
    let kinds = if associated { 1 } else { 0 };
    let most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let condition = "WHERE folder = ?1 AND master = 0 AND associated <= ?2 AND id IN (
             SELECT id FROM items WHERE folder = ?1 AND changed_cn > ?3
             UNION SELECT id FROM items WHERE folder = ?1 AND read_cn > ?3)
         ORDER BY MAX(changed_cn, read_cn) LIMIT ?4";
    let mut changes: Vec<ItemChange> = query(db, condition, &[folder, kinds, cursor, most])?
        .into_iter()
        .map(|item| classify(item, base, cursor))
        .collect();
    let mut statement = db.prepare_cached(
        "SELECT deleted_cn, item FROM tombstones
         WHERE folder = ?1 AND associated <= ?2 AND deleted_cn > ?3 AND created_cn <= ?3 ORDER BY deleted_cn LIMIT ?4",
    )?;
    let deleted =
        statement.query_map([folder, kinds, cursor, most], |row| Ok(ItemChange::Delete(row.get(1)?, row.get(0)?)))?;
    for row in deleted {
        changes.push(row?);
    }
    changes.sort_by_key(ItemChange::number);
    let more = changes.len() > limit;
    changes.truncate(limit);
    let cursor = changes.last().map_or(cursor, ItemChange::number);
    Ok(ItemPage { changes, cursor, more })
}

fn classify(item: Item, base: i64, cursor: i64) -> ItemChange {
    if item.created_cn > base {
        ItemChange::Create(item)
    } else if item.changed_cn > cursor {
        ItemChange::Update(item)
    } else {
        ItemChange::ReadFlag(item)
    }
}

/// One change of the folder tree.
#[derive(Debug)]
pub(in super::super) enum FolderChange {
    Create(FolderRow),
    Update(FolderRow),
    Delete(i64),
}

/// The changes of the tree below `root` after a change number; all of it after 0.
pub(in super::super) fn changed_folders(
    db: &Connection,
    mailbox: i64,
    root: i64,
    since: i64,
) -> rusqlite::Result<Vec<FolderChange>> {
    let mut changes = Vec::new();
    for row in folders_under(db, mailbox, root, true)? {
        let created: i64 =
            db.prepare_cached("SELECT created_cn FROM folders WHERE id = ?1")?.query_row([row.id], |row| row.get(0))?;
        if created > since {
            changes.push(FolderChange::Create(row));
        } else if row.changed_cn > since {
            changes.push(FolderChange::Update(row));
        }
    }
    if since > 0 && folder(db, mailbox, root)?.is_some() {
        let mut statement = db.prepare_cached(
            "SELECT folder FROM folder_tombstones WHERE mailbox = ?1 AND deleted_cn > ?2 AND created_cn <= ?2 ORDER BY deleted_cn",
        )?;
        for id in statement.query_map([mailbox, since], |row| row.get(0))? {
            changes.push(FolderChange::Delete(id?));
        }
    }
    Ok(changes)
}
