//! What the server keeps, in SQLite: mailboxes, folders, items, their content, and the change numbers that tell a
//! synchronizing client what happened since it last asked.
//!
//! Every change in a mailbox takes the mailbox's next change number. An item remembers the number at which it came into
//! its folder, the number of its last change and the number of its last read-flag change; what left a folder leaves a
//! tombstone. SOAP operations and the Rust API go through the same functions, so their changes are tracked alike.

mod config;
mod events;
mod folders;
mod items;
mod roles;
mod schema;
mod series;
mod sync;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::watch;

pub(super) use config::Configuration;
pub(super) use events::{EventRow, Thing};
pub(super) use folders::FolderRow;
pub(super) use items::{Change, Item, Meta, NewItem, Person};
pub(super) use sync::{FolderChange, ItemChange, ItemPage};

use super::Error;

/// The database, one connection for all.
#[derive(Debug)]
pub(super) struct Store {
    connection: Mutex<Connection>,
    /// Sent to after every change.
    changed: watch::Sender<()>,
    /// Whether the database was made by this run.
    pub(super) is_new: bool,
}

/// A mailbox of the server.
#[derive(Debug, Clone)]
pub(super) struct MailboxRow {
    pub(super) id: i64,
    pub(super) address: String,
    pub(super) guid: String,
}

impl Store {
    /// Opens or makes the database; without a path it lives in memory.
    pub(super) fn open(path: Option<&Path>) -> Result<Store, Error> {
        let connection = match path {
            Some(path) => Connection::open(path)?,
            None => Connection::open_in_memory()?,
        };
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.set_prepared_statement_cache_capacity(128);
        connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=OFF;")?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let is_new = version == 0;
        if is_new {
            connection.execute_batch(schema::SCHEMA)?;
        } else if version == 1 {
            connection.execute_batch(schema::SECOND)?;
        }
        connection.execute_batch(events::TABLES)?;
        connection.execute_batch(roles::TABLE)?;
        Ok(Store { connection: Mutex::new(connection), changed: watch::Sender::new(()), is_new })
    }

    /// The connection, for reading.
    pub(super) fn read(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `change` in a transaction that is kept when it succeeds.
    pub(super) fn write<T, E: From<rusqlite::Error>>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.read();
        let transaction = connection.transaction()?;
        let value = change(&transaction)?;
        transaction.commit()?;
        self.changed.send_replace(());
        Ok(value)
    }

    /// Tells of a change where there is none.
    pub(super) fn wake(&self) {
        self.changed.send_replace(());
    }

    /// Tells of every change from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

/// The mailbox with this address; addresses have no case.
pub(super) fn mailbox(db: &Connection, address: &str) -> rusqlite::Result<Option<MailboxRow>> {
    db.prepare_cached("SELECT id, address, guid FROM mailboxes WHERE address = ?1 COLLATE NOCASE")?
        .query_row([address], |row| Ok(MailboxRow { id: row.get(0)?, address: row.get(1)?, guid: row.get(2)? }))
        .optional()
}

/// The mailbox with this GUID.
pub(super) fn mailbox_with_guid(db: &Connection, guid: &str) -> rusqlite::Result<Option<MailboxRow>> {
    db.prepare_cached("SELECT id, address, guid FROM mailboxes WHERE guid = ?1")?
        .query_row([guid], |row| Ok(MailboxRow { id: row.get(0)?, address: row.get(1)?, guid: row.get(2)? }))
        .optional()
}

/// All mailboxes that have an address: no public folders, and no archives.
pub(super) fn mailboxes(db: &Connection) -> rusqlite::Result<Vec<MailboxRow>> {
    db.prepare_cached("SELECT id, address, guid FROM mailboxes WHERE address NOT LIKE '% %' ORDER BY id")?
        .query_map([], |row| Ok(MailboxRow { id: row.get(0)?, address: row.get(1)?, guid: row.get(2)? }))?
        .collect()
}

/// Stands for the public folders where mailboxes have addresses.
pub(super) const PUBLIC: &str = "public folders";

/// Makes the public folders' root, where it is missing.
pub(super) fn create_public(db: &Connection) -> rusqlite::Result<()> {
    if mailbox(db, PUBLIC)?.is_none() {
        let public = new_mailbox(db, PUBLIC)?;
        folders::create_public(db, public.id)?;
    }
    Ok(())
}

/// Stands for the archive of a mailbox where mailboxes have addresses.
pub(super) fn archive_of(address: &str) -> String {
    format!("archive of {address}")
}

/// The archive of a mailbox, which is made if there is none.
pub(super) fn create_archive(db: &Connection, owner: &MailboxRow) -> rusqlite::Result<MailboxRow> {
    let address = archive_of(&owner.address);
    if let Some(archive) = mailbox(db, &address)? {
        return Ok(archive);
    }
    let archive = new_mailbox(db, &address)?;
    folders::create_archive(db, archive.id)?;
    Ok(archive)
}

/// Makes a mailbox with the folders that every mailbox has.
pub(super) fn create_mailbox(db: &Connection, address: &str) -> rusqlite::Result<MailboxRow> {
    let mailbox = new_mailbox(db, address)?;
    folders::create_standard(db, mailbox.id)?;
    Ok(mailbox)
}

fn new_mailbox(db: &Connection, address: &str) -> rusqlite::Result<MailboxRow> {
    let hash = blake3::hash(address.to_ascii_lowercase().as_bytes()).to_hex();
    let hex = |range: std::ops::Range<usize>| hash.get(range).unwrap_or_default().to_owned();
    let guid = format!("{}-{}-{}-{}-{}", hex(0..8), hex(8..12), hex(12..16), hex(16..20), hex(20..32));
    db.execute("INSERT INTO mailboxes (address, guid, cn) VALUES (?1, ?2, 0)", params![address, guid])?;
    Ok(MailboxRow { id: db.last_insert_rowid(), address: address.to_owned(), guid })
}

/// Takes the mailbox's next change number.
pub(super) fn next_change(db: &Connection, mailbox: i64) -> rusqlite::Result<i64> {
    db.prepare_cached("UPDATE mailboxes SET cn = cn + 1 WHERE id = ?1 RETURNING cn")?
        .query_row([mailbox], |row| row.get(0))
}

/// The mailbox's last change number.
pub(super) fn last_change(db: &Connection, mailbox: i64) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT cn FROM mailboxes WHERE id = ?1")?.query_row([mailbox], |row| row.get(0))
}

pub(super) use config::{delete_configuration, get_configuration, put_configuration};
pub(super) use events::{events_after, first_event, last_event, listen_to, note_new_mail};
pub(super) use folders::{
    create_folder, delete_folder, deleted_items, distinguished_folder, folder, folders_under, move_folder, save_folder,
};
pub(super) use items::{
    content, copy_item, count_items, delete_item, insert_item, item, items_in, items_page, move_item, save_item,
};
pub(super) use roles::{ALL_FOLDERS, ANYBODY, roles_of, set_role};
pub(super) use series::{drop_exceptions, exceptions, remove_exception, save_exception};
pub(super) use sync::{changed_folders, changed_items, listed_items};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_the_first_version_learns_of_exceptions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exchange.db");
        let first = schema::SCHEMA
            .replace(",\n    master INTEGER NOT NULL DEFAULT 0, instance INTEGER NOT NULL DEFAULT 0);", ");")
            .replace("CREATE INDEX items_master ON items (master) WHERE master > 0;", "")
            .replace("user_version = 2", "user_version = 1");
        assert!(!first.contains("master"));
        Connection::open(&path).unwrap().execute_batch(&first).unwrap();
        let store = Store::open(Some(&path)).unwrap();
        let count = store.write(|db| {
            let mailbox = create_mailbox(db, "a@example.org")?;
            let folder = distinguished_folder(db, mailbox.id, "calendar")?.map_or(0, |folder| folder.id);
            insert_item(db, mailbox.id, folder, NewItem::default())?;
            count_items(db, folder, false)
        });
        assert_eq!((store.is_new, count), (false, Ok(1)));
    }
}
