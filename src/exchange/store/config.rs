//! User configurations: named settings that lie hidden in a folder, the master category list among them.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::next_change;

/// A user configuration as it is stored.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Configuration {
    /// The dictionary's entries, as XML.
    pub(in super::super) dictionary: Option<String>,
    pub(in super::super) xml: Option<Vec<u8>>,
    pub(in super::super) binary: Option<Vec<u8>>,
    /// The number by which its item id is made.
    pub(in super::super) item: i64,
}

/// The configuration of this name in a folder.
pub(in super::super) fn get_configuration(
    db: &Connection,
    folder: i64,
    name: &str,
) -> rusqlite::Result<Option<Configuration>> {
    db.prepare_cached("SELECT dictionary, xml, binary, item FROM configurations WHERE folder = ?1 AND name = ?2")?
        .query_row(params![folder, name], |row| {
            Ok(Configuration { dictionary: row.get(0)?, xml: row.get(1)?, binary: row.get(2)?, item: row.get(3)? })
        })
        .optional()
}

/// Stores a configuration, a new one or over an old one.
pub(in super::super) fn put_configuration(
    db: &Connection,
    mailbox: i64,
    folder: i64,
    name: &str,
    value: &Configuration,
) -> rusqlite::Result<()> {
    let cn = next_change(db, mailbox)?;
    db.prepare_cached(
        "INSERT INTO configurations (folder, name, dictionary, xml, binary, item) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (folder, name) DO UPDATE SET dictionary = ?3, xml = ?4, binary = ?5, item = ?6",
    )?
    .execute(params![folder, name, value.dictionary, value.xml, value.binary, cn])?;
    Ok(())
}

/// Removes a configuration; tells whether there was one.
pub(in super::super) fn delete_configuration(db: &Connection, folder: i64, name: &str) -> rusqlite::Result<bool> {
    let gone = db
        .prepare_cached("DELETE FROM configurations WHERE folder = ?1 AND name = ?2")?
        .execute(params![folder, name])?;
    Ok(gone > 0)
}
