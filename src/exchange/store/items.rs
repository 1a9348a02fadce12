//! Items: one row each, their MIME aside in `contents`, which copies share.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::super::props::ExtendedProperty;
use super::super::time;
use super::{events, folders, next_change, series};

/// A name and an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Person {
    pub(in super::super) name: String,
    pub(in super::super) address: String,
}

/// What an item has besides what the server searches and sorts by.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Meta {
    pub(in super::super) from: Option<Person>,
    pub(in super::super) sender: Option<Person>,
    pub(in super::super) to: Vec<Person>,
    pub(in super::super) cc: Vec<Person>,
    pub(in super::super) bcc: Vec<Person>,
    pub(in super::super) reply_to: Vec<Person>,
    pub(in super::super) in_reply_to: Option<String>,
    pub(in super::super) references: Option<String>,
    pub(in super::super) categories: Vec<String>,
    /// 0 not flagged, 1 complete, 2 flagged (PidTagFlagStatus).
    pub(in super::super) flag: i64,
    /// Start, due and completion of the flag, as they were given.
    pub(in super::super) flag_times: BTreeMap<String, String>,
    pub(in super::super) last_verb: Option<i64>,
    pub(in super::super) icon: Option<i64>,
    pub(in super::super) importance: Option<String>,
    pub(in super::super) sensitivity: Option<String>,
    /// Of a series: the numbers of its occurrences that were deleted.
    pub(in super::super) deleted: Vec<i64>,
    /// Of an exception: the elements in which it differs from its series.
    pub(in super::super) overrides: Vec<String>,
    /// The attachment that is a contact's picture, by its key.
    pub(in super::super) photo: Option<u64>,
    /// Elements that are kept as they are answered (start of an appointment, phone numbers of a contact …), by name.
    pub(in super::super) fields: BTreeMap<String, String>,
    pub(in super::super) extended: Vec<ExtendedProperty>,
}

impl Meta {
    /// Takes over what an element holds from elsewhere.
    pub(super) fn take(&mut self, name: &str, from: &Meta) {
        match name {
            "Sensitivity" => self.sensitivity.clone_from(&from.sensitivity),
            "Importance" => self.importance.clone_from(&from.importance),
            "Categories" => self.categories.clone_from(&from.categories),
            "Flag" => {
                self.flag = from.flag;
                self.flag_times.clone_from(&from.flag_times);
            }
            "ExtendedProperty" => self.extended.clone_from(&from.extended),
            name => match from.fields.get(name) {
                Some(xml) => drop(self.fields.insert(name.to_owned(), xml.clone())),
                None => drop(self.fields.remove(name)),
            },
        }
    }
}

/// An item as it is stored. Times are in milliseconds since 1970.
#[derive(Debug, Clone)]
pub(in super::super) struct Item {
    pub(in super::super) id: i64,
    pub(in super::super) mailbox: i64,
    pub(in super::super) folder: i64,
    pub(super) content: i64,
    pub(in super::super) class: String,
    /// The element that it is shown as: `Message`, `CalendarItem` …
    pub(in super::super) element: String,
    pub(in super::super) subject: String,
    pub(in super::super) message_id: Option<String>,
    pub(in super::super) is_read: bool,
    pub(in super::super) is_draft: bool,
    pub(in super::super) associated: bool,
    pub(in super::super) received: i64,
    pub(in super::super) sent: i64,
    pub(in super::super) created: i64,
    pub(in super::super) modified: i64,
    pub(in super::super) size: i64,
    pub(in super::super) has_attachments: bool,
    pub(in super::super) search_key: Vec<u8>,
    pub(in super::super) meta: Meta,
    pub(in super::super) created_cn: i64,
    pub(in super::super) changed_cn: i64,
    pub(in super::super) read_cn: i64,
    pub(in super::super) key_cn: i64,
    /// Of an occurrence: its series, and which one in the series it is, from 1 on; else 0. An occurrence that is no
    /// exception has the id 0.
    pub(in super::super) master: i64,
    pub(in super::super) instance: i64,
}

/// An item to be made.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct NewItem {
    pub(in super::super) class: String,
    pub(in super::super) element: String,
    pub(in super::super) subject: String,
    pub(in super::super) message_id: Option<String>,
    pub(in super::super) is_read: bool,
    pub(in super::super) is_draft: bool,
    pub(in super::super) associated: bool,
    pub(in super::super) received: i64,
    pub(in super::super) sent: i64,
    pub(in super::super) has_attachments: bool,
    pub(in super::super) meta: Meta,
    pub(in super::super) mime: Vec<u8>,
}

/// How a change of an item shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Change {
    /// A new change key; an Update for synchronizing clients.
    Full,
    /// Only the read flag: the change key stays.
    ReadFlag,
    /// A new change key, and nothing for synchronizing clients.
    Untold,
}

const COLUMNS: &str = "id, mailbox, folder, content, class, element, subject, message_id, is_read, is_draft, associated, \
    received, sent, created, modified, size, has_attachments, search_key, meta, created_cn, changed_cn, read_cn, key_cn, \
    master, instance";

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Item> {
    let meta: String = row.get(18)?;
    Ok(Item {
        id: row.get(0)?,
        mailbox: row.get(1)?,
        folder: row.get(2)?,
        content: row.get(3)?,
        class: row.get(4)?,
        element: row.get(5)?,
        subject: row.get(6)?,
        message_id: row.get(7)?,
        is_read: row.get(8)?,
        is_draft: row.get(9)?,
        associated: row.get(10)?,
        received: row.get(11)?,
        sent: row.get(12)?,
        created: row.get(13)?,
        modified: row.get(14)?,
        size: row.get(15)?,
        has_attachments: row.get(16)?,
        search_key: row.get(17)?,
        meta: serde_json::from_str(&meta).unwrap_or_default(),
        created_cn: row.get(19)?,
        changed_cn: row.get(20)?,
        read_cn: row.get(21)?,
        key_cn: row.get(22)?,
        master: row.get(23)?,
        instance: row.get(24)?,
    })
}

/// Runs a query over items; `condition` follows `FROM items`.
pub(super) fn query(db: &Connection, condition: &str, values: &[i64]) -> rusqlite::Result<Vec<Item>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM items {condition}"))?
        .query_map(rusqlite::params_from_iter(values), read)?
        .collect()
}

/// The item with this number, of this mailbox.
pub(in super::super) fn item(db: &Connection, mailbox: i64, id: i64) -> rusqlite::Result<Option<Item>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM items WHERE mailbox = ?1 AND id = ?2"))?
        .query_row([mailbox, id], read)
        .optional()
}

/// All items of a folder, the last received first.
pub(in super::super) fn items_in(db: &Connection, folder: i64, associated: bool) -> rusqlite::Result<Vec<Item>> {
    let condition = "WHERE folder = ?1 AND master = 0 AND associated = ?2 ORDER BY received DESC, id DESC";
    query(db, condition, &[folder, i64::from(associated)])
}

/// Some items of a folder, by the time of receipt.
pub(in super::super) fn items_page(
    db: &Connection,
    folder: i64,
    associated: bool,
    ascending: bool,
    offset: i64,
    limit: i64,
) -> rusqlite::Result<Vec<Item>> {
    let order = if ascending { "received, id" } else { "received DESC, id DESC" };
    let condition = format!("WHERE folder = ?1 AND master = 0 AND associated = ?2 ORDER BY {order} LIMIT ?3 OFFSET ?4");
    query(db, &condition, &[folder, i64::from(associated), limit, offset])
}

/// How many items a folder has.
pub(in super::super) fn count_items(db: &Connection, folder: i64, associated: bool) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT COUNT(*) FROM items WHERE folder = ?1 AND master = 0 AND associated = ?2")?
        .query_row(params![folder, associated], |row| row.get(0))
}

/// The MIME of an item as it was stored.
pub(in super::super) fn content(db: &Connection, item: &Item) -> rusqlite::Result<Vec<u8>> {
    db.prepare_cached("SELECT mime FROM contents WHERE id = ?1")?.query_row([item.content], |row| row.get(0))
}

/// Stores a new item.
pub(in super::super) fn insert_item(
    db: &Connection,
    mailbox: i64,
    folder: i64,
    new: NewItem,
) -> rusqlite::Result<Item> {
    db.prepare_cached("INSERT INTO contents (mime) VALUES (?1)")?.execute([&new.mime])?;
    let content = db.last_insert_rowid();
    let cn = next_change(db, mailbox)?;
    let now = time::now_millis();
    let seed = format!("{mailbox}/{content}/{cn}/{}", new.message_id.as_deref().unwrap_or_default());
    let search_key = blake3::hash(seed.as_bytes()).as_bytes().iter().take(16).copied().collect();
    let mut item = Item {
        id: 0,
        mailbox,
        folder,
        content,
        class: new.class,
        element: new.element,
        subject: new.subject,
        message_id: new.message_id,
        is_read: new.is_read,
        is_draft: new.is_draft,
        associated: new.associated,
        received: new.received,
        sent: new.sent,
        created: now,
        modified: now,
        size: size_of(new.mime.len()),
        has_attachments: new.has_attachments,
        search_key,
        meta: new.meta,
        created_cn: cn,
        changed_cn: cn,
        read_cn: cn,
        key_cn: cn,
        master: 0,
        instance: 0,
    };
    insert_row(db, &mut item)?;
    events::note_item(db, "CreatedEvent", &item, None)?;
    Ok(item)
}

/// What the server tells as the size of an item: its MIME and some properties about it.
fn size_of(mime: usize) -> i64 {
    i64::try_from(mime).unwrap_or(i64::MAX).saturating_add(1_184)
}

pub(super) fn insert_row(db: &Connection, item: &mut Item) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO items (mailbox, folder, content, class, element, subject, message_id, is_read, is_draft, associated,
         received, sent, created, modified, size, has_attachments, search_key, meta, created_cn, changed_cn, read_cn, key_cn,
         master, instance)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)",
    )?
    .execute(params![
        item.mailbox,
        item.folder,
        item.content,
        item.class,
        item.element,
        item.subject,
        item.message_id,
        item.is_read,
        item.is_draft,
        item.associated,
        item.received,
        item.sent,
        item.created,
        item.modified,
        item.size,
        item.has_attachments,
        item.search_key,
        meta_text(&item.meta),
        item.created_cn,
        item.changed_cn,
        item.read_cn,
        item.key_cn,
        item.master,
        item.instance,
    ])?;
    item.id = db.last_insert_rowid();
    let (total, unread) = counts(item);
    folders::touch(db, item.folder, total, unread, 0)
}

fn meta_text(meta: &Meta) -> String {
    serde_json::to_string(meta).unwrap_or_else(|_| "{}".to_owned())
}

/// What an item adds to its folder's total and unread counts.
fn counts(item: &Item) -> (i64, i64) {
    if item.associated || item.master > 0 { (0, 0) } else { (1, i64::from(!item.is_read)) }
}

/// Stores a changed item, and its MIME when that changed too.
pub(in super::super) fn save_item(
    db: &Connection,
    item: &mut Item,
    change: Change,
    mime: Option<&[u8]>,
) -> rusqlite::Result<()> {
    let was_read: bool =
        db.prepare_cached("SELECT is_read FROM items WHERE id = ?1")?.query_row([item.id], |row| row.get(0))?;
    if let Some(mime) = mime {
        let old = item.content;
        db.prepare_cached("INSERT INTO contents (mime) VALUES (?1)")?.execute([mime])?;
        item.content = db.last_insert_rowid();
        item.size = size_of(mime.len());
        db.prepare_cached("UPDATE items SET content = ?2 WHERE id = ?1")?.execute([item.id, item.content])?;
        drop_content(db, old)?;
    }
    let cn = next_change(db, item.mailbox)?;
    item.modified = time::now_millis();
    match change {
        Change::Full => (item.changed_cn, item.key_cn) = (cn, cn),
        Change::ReadFlag => item.read_cn = cn,
        Change::Untold => item.key_cn = cn,
    }
    db.prepare_cached(
        "UPDATE items SET class = ?2, subject = ?3, message_id = ?4, is_read = ?5, is_draft = ?6, received = ?7, sent = ?8,
         modified = ?9, size = ?10, has_attachments = ?11, meta = ?12, changed_cn = ?13, read_cn = ?14, key_cn = ?15
         WHERE id = ?1",
    )?
    .execute(params![
        item.id,
        item.class,
        item.subject,
        item.message_id,
        item.is_read,
        item.is_draft,
        item.received,
        item.sent,
        item.modified,
        item.size,
        item.has_attachments,
        meta_text(&item.meta),
        item.changed_cn,
        item.read_cn,
        item.key_cn,
    ])?;
    if change != Change::Untold {
        events::note_item(db, "ModifiedEvent", item, None)?;
    }
    let unread = if item.associated { 0 } else { i64::from(was_read) - i64::from(item.is_read) };
    folders::touch(db, item.folder, 0, unread, 0)
}

/// Moves an item: it leaves a tombstone and comes back under a new number; search key and change key stay.
pub(in super::super) fn move_item(db: &Connection, item: &Item, folder: i64) -> rusqlite::Result<Item> {
    bury(db, item)?;
    let cn = next_change(db, item.mailbox)?;
    let mut moved = Item { folder, created_cn: cn, changed_cn: cn, read_cn: cn, ..item.clone() };
    insert_row(db, &mut moved)?;
    series::move_exceptions(db, item.id, &moved)?;
    events::note_item(db, "MovedEvent", &moved, Some(item))?;
    Ok(moved)
}

/// Copies an item; the copy shares the search key.
pub(in super::super) fn copy_item(db: &Connection, item: &Item, folder: i64) -> rusqlite::Result<Item> {
    let cn = next_change(db, item.mailbox)?;
    let now = time::now_millis();
    let mut copy = Item {
        folder,
        created: now,
        modified: now,
        created_cn: cn,
        changed_cn: cn,
        read_cn: cn,
        key_cn: cn,
        ..item.clone()
    };
    insert_row(db, &mut copy)?;
    series::copy_exceptions(db, item.id, &copy)?;
    events::note_item(db, "CopiedEvent", &copy, Some(item))?;
    Ok(copy)
}

/// Deletes an item for good.
pub(in super::super) fn delete_item(db: &Connection, item: &Item) -> rusqlite::Result<()> {
    series::drop_exceptions(db, item.id)?;
    bury(db, item)?;
    events::note_item(db, "DeletedEvent", item, None)?;
    drop_content(db, item.content)
}

fn bury(db: &Connection, item: &Item) -> rusqlite::Result<()> {
    let cn = next_change(db, item.mailbox)?;
    db.prepare_cached(
        "INSERT INTO tombstones (folder, item, created_cn, deleted_cn, associated) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![item.folder, item.id, item.created_cn, cn, item.associated])?;
    db.prepare_cached("DELETE FROM items WHERE id = ?1")?.execute([item.id])?;
    let (total, unread) = counts(item);
    folders::touch(db, item.folder, -total, -unread, 1)
}

pub(super) fn drop_content(db: &Connection, content: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM contents WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM items WHERE content = ?1)")?
        .execute([content])?;
    Ok(())
}

/// Deletes all items of a folder.
pub(super) fn delete_all(db: &Connection, folder: i64) -> rusqlite::Result<()> {
    for item in query(db, "WHERE folder = ?1 AND master = 0", &[folder])? {
        delete_item(db, &item)?;
    }
    Ok(())
}
