//! What happened in the mailboxes that somebody listens to, in the order in which it happened. The table is a temporary one: it lives as long as
//! the server runs, and so do subscriptions; and what a change that is rolled back told is rolled back with it.

use rusqlite::{Connection, Row, params};

use super::super::time;
use super::Item;

pub(super) const TABLES: &str = "
PRAGMA temp_store = MEMORY;
CREATE TEMP TABLE listened (mailbox INTEGER PRIMARY KEY);
CREATE TEMP TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, mailbox INTEGER NOT NULL, kind TEXT NOT NULL, time INTEGER NOT NULL,
    item INTEGER, folder INTEGER, parent INTEGER NOT NULL, old INTEGER, old_parent INTEGER, unread INTEGER);
";

/// So many events are kept.
const KEPT: i64 = 20_000;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Thing {
    Item(i64),
    Folder(i64),
}

/// One event.
#[derive(Debug, Clone)]
pub(in super::super) struct EventRow {
    pub(in super::super) number: i64,
    /// The element that tells it: `CreatedEvent` …
    pub(in super::super) kind: String,
    /// In milliseconds since 1970.
    pub(in super::super) time: i64,
    pub(in super::super) thing: Thing,
    pub(in super::super) parent: i64,
    /// Of what was moved or copied: what it was before, and where.
    pub(in super::super) old: Option<(i64, i64)>,
    /// Of a folder whose content changed: how much of it is unread.
    pub(in super::super) unread: Option<i64>,
}

/// From now on the events of a mailbox are kept. Answers the number of the last event before.
pub(in super::super) fn listen_to(db: &Connection, mailbox: i64) -> rusqlite::Result<i64> {
    db.prepare_cached("INSERT OR IGNORE INTO temp.listened VALUES (?1)")?.execute([mailbox])?;
    last_event(db)
}

/// The number of the last event.
pub(in super::super) fn last_event(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT COALESCE(MAX(number), 0) FROM temp.events")?.query_row([], |row| row.get(0))
}

/// The number of the first event that is still kept.
pub(in super::super) fn first_event(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT COALESCE(MIN(number), 0) FROM temp.events")?.query_row([], |row| row.get(0))
}

/// The events of a mailbox after a number.
pub(in super::super) fn events_after(
    db: &Connection,
    mailbox: i64,
    number: i64,
    most: i64,
) -> rusqlite::Result<Vec<EventRow>> {
    db.prepare_cached(
        "SELECT number, kind, time, item, folder, parent, old, old_parent, unread FROM temp.events
         WHERE number > ?2 AND mailbox = ?1 ORDER BY number LIMIT ?3",
    )?
    .query_map([mailbox, number, most], read)?
    .collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let (item, folder): (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
    let (old, old_parent): (Option<i64>, Option<i64>) = (row.get(6)?, row.get(7)?);
    Ok(EventRow {
        number: row.get(0)?,
        kind: row.get(1)?,
        time: row.get(2)?,
        thing: item.map_or(Thing::Folder(folder.unwrap_or(0)), Thing::Item),
        parent: row.get(5)?,
        old: old.zip(old_parent),
        unread: row.get(8)?,
    })
}

/// Notes that something happened to an item; `old` is what it was before it was moved or copied.
pub(super) fn note_item(db: &Connection, kind: &str, item: &Item, old: Option<&Item>) -> rusqlite::Result<()> {
    if item.master > 0 || item.associated {
        return Ok(());
    }
    let old = old.map(|old| (old.id, old.folder));
    note(db, item.mailbox, kind, Thing::Item(item.id), item.folder, old)
}

/// Notes that something happened to a folder; `old` is where it was before it was moved.
pub(super) fn note_folder(
    db: &Connection,
    kind: &str,
    mailbox: i64,
    folder: i64,
    parent: i64,
    old: Option<i64>,
) -> rusqlite::Result<()> {
    note(db, mailbox, kind, Thing::Folder(folder), parent, old.map(|old| (folder, old)))
}

/// Notes that a message came in.
pub(in super::super) fn note_new_mail(db: &Connection, item: &Item) -> rusqlite::Result<()> {
    note_item(db, "NewMailEvent", item, None)
}

/// Notes that what a folder holds changed.
pub(super) fn note_content(db: &Connection, folder: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO temp.events (mailbox, kind, time, folder, parent, unread)
         SELECT mailbox, 'ModifiedEvent', ?2, id, COALESCE(parent, id), unread FROM folders
         WHERE id = ?1 AND mailbox IN (SELECT mailbox FROM temp.listened)",
    )?
    .execute([folder, time::now_millis()])?;
    Ok(())
}

fn note(
    db: &Connection,
    mailbox: i64,
    kind: &str,
    thing: Thing,
    parent: i64,
    old: Option<(i64, i64)>,
) -> rusqlite::Result<()> {
    let (item, folder) = match thing {
        Thing::Item(item) => (Some(item), None),
        Thing::Folder(folder) => (None, Some(folder)),
    };
    let noted = db
        .prepare_cached(
            "INSERT INTO temp.events (mailbox, kind, time, item, folder, parent, old, old_parent)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS (SELECT 1 FROM temp.listened WHERE mailbox = ?1)",
        )?
        .execute(params![
            mailbox,
            kind,
            time::now_millis(),
            item,
            folder,
            parent,
            old.map(|(old, _)| old),
            old.map(|(_, parent)| parent)
        ])?;
    if noted > 0 {
        let last = db.last_insert_rowid();
        if last % 1024 == 0 {
            db.prepare_cached("DELETE FROM temp.events WHERE number <= ?1")?.execute([last - KEPT])?;
        }
    }
    Ok(())
}
