//! Exceptions: occurrences of a series that differ from it. Each is a row among the items that no listing shows; it
//! holds its own values of the elements that it overrides and follows its series in all others.

use rusqlite::{Connection, params};

use super::items::{Change, Item, drop_content, insert_row, query, save_item};

/// The rows of a series. Only with its second part does SQLite see that the index of exceptions holds them.
const OF_SERIES: &str = "WHERE master = ?1 AND master > 0";

/// The exceptions of a series, each with what it has from the series.
pub(in super::super) fn exceptions(db: &Connection, master: &Item) -> rusqlite::Result<Vec<Item>> {
    let rows = query(db, &format!("{OF_SERIES} ORDER BY instance"), &[master.id])?;
    Ok(rows.iter().map(|row| overlay(master, row)).collect())
}

/// The series with what an exception overrides.
fn overlay(master: &Item, row: &Item) -> Item {
    let mut item = Item { id: row.id, master: row.master, instance: row.instance, ..master.clone() };
    for name in &row.meta.overrides {
        match name.as_str() {
            "Subject" => item.subject.clone_from(&row.subject),
            "Body" | "Attachments" => {
                item.content = row.content;
                item.size = row.size;
                item.has_attachments = row.has_attachments;
            }
            name => item.meta.take(name, &row.meta),
        }
    }
    item.meta.overrides.clone_from(&row.meta.overrides);
    item
}

/// Stores an occurrence as an exception. The caller stores the series, which changes with it.
pub(in super::super) fn save_exception(db: &Connection, item: &mut Item, mime: Option<&[u8]>) -> rusqlite::Result<()> {
    if item.id == 0 {
        insert_row(db, item)?;
    }
    save_item(db, item, Change::Full, mime)
}

/// Removes one exception.
pub(in super::super) fn remove_exception(db: &Connection, item: &Item) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM items WHERE id = ?1 AND master > 0")?.execute([item.id])?;
    drop_content(db, item.content)
}

/// Removes all exceptions of a series.
pub(in super::super) fn drop_exceptions(db: &Connection, master: i64) -> rusqlite::Result<()> {
    for row in query(db, OF_SERIES, &[master])? {
        remove_exception(db, &row)?;
    }
    Ok(())
}

/// Lets the exceptions go where their series went.
pub(super) fn move_exceptions(db: &Connection, from: i64, to: &Item) -> rusqlite::Result<()> {
    db.prepare_cached(&format!("UPDATE items SET master = ?2, folder = ?3 {OF_SERIES}"))?
        .execute(params![from, to.id, to.folder])?;
    Ok(())
}

/// Gives a copy of a series copies of its exceptions.
pub(super) fn copy_exceptions(db: &Connection, from: i64, to: &Item) -> rusqlite::Result<()> {
    for mut row in query(db, OF_SERIES, &[from])? {
        (row.master, row.folder) = (to.id, to.folder);
        insert_row(db, &mut row)?;
    }
    Ok(())
}
