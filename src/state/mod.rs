//! `state.db`: the base tree, what is under way, what is in trouble, and the runs.
//!
//! SQLite in WAL mode with `synchronous=FULL`: a committed transaction survives power loss, and readers (`status`) never wait for the
//! engine. Everything that a sync needs to go on after a crash is here; everything here but the agreement itself can be found out anew
//! from both sides.

mod categories;
mod entries;
mod folders;
mod items;
mod journal;
mod only_there;
mod pulling;
mod schema;
mod trouble;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

pub use categories::CategoryListRow;
pub use entries::{Coming, EntryBrief, EntryRow, EntryStanding, EntryUploadRow, KnownEntry, Words};
pub use folders::{Account, AccountKey, FolderRow, Listing};
pub use items::{Brief, ItemRow, KnownFile, Standing, name_hash, search_hash};
pub use journal::{Replacing, RunResult, RunRow, UploadIntent};
pub use only_there::OnlyThere;
pub use pulling::Pulling;
pub use trouble::{CHANGED, Conflict, HeldRow, LONGEST_PATIENCE, Subject, Trouble, UNRENDERED, WAITS_FOR_FOLDER};

/// What can go wrong with `state.db`.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A later version of this program wrote it.
    #[error("{path} has format {found}, and this version of pimsync knows format {known}; use a newer pimsync")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that we know.
        known: i64,
    },
    /// It is damaged.
    #[error(
        "{path} is damaged ({reason}); move it aside and run `pimsync sync`: it is made anew from both sides, and no message is lost"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
    /// SQLite failed: the disk is full, the file cannot be written …
    #[error("state.db: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// The open `state.db` of one identity.
pub struct State {
    connection: Mutex<Connection>,
    path: PathBuf,
}

/// Reads within one transaction.
pub struct Reader<'a>(&'a Connection);

/// Reads and writes within one transaction.
pub struct Writer<'a>(Transaction<'a>);

impl<'a> std::ops::Deref for Writer<'a> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl Writer<'_> {
    /// Reads what this transaction sees.
    pub fn reader(&self) -> Reader<'_> {
        Reader(&self.0)
    }
}

/// Prepared statements that are kept: more than there are, since each that is dropped is parsed again for the next message.
const STATEMENTS: usize = 64;

impl State {
    /// Opens `path`, creating it where it is missing.
    ///
    /// # Errors
    /// [`StateError::Newer`], [`StateError::Damaged`], or what SQLite says.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let connection = Connection::open(path).map_err(|error| damaged(path, error))?;
        Self::prepare(connection, path)
    }

    /// Opens `path` to read only. The engine may be at work meanwhile.
    ///
    /// # Errors
    /// As [`State::open`]; also when the file is missing.
    pub fn open_to_read(path: &Path) -> Result<Self, StateError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| damaged(path, error))?;
        connection.busy_timeout(Duration::from_secs(10))?;
        schema::check_version(&connection, path)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(Self { connection: Mutex::new(connection), path: path.to_owned() })
    }

    /// Gives back the memory that is only good for going on at once. For whoever keeps it open and lets it rest.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn rest(&self) -> Result<(), StateError> {
        Ok(self.lock().execute_batch("PRAGMA shrink_memory")?)
    }

    /// Reads all of it, and makes sure that each page is where it belongs.
    ///
    /// # Errors
    /// [`StateError::Damaged`], or what SQLite says.
    pub fn check(&self) -> Result<(), StateError> {
        let found = self.read(|state| {
            let mut statement = state.0.prepare("PRAGMA quick_check(1)")?;
            Ok(statement.query_row([], |row| row.get::<_, String>(0))?)
        })?;
        match found.as_str() {
            "ok" => Ok(()),
            _ => Err(StateError::Damaged { path: self.path.clone(), reason: found }),
        }
    }

    /// A state that lives in memory, for `sync --dry-run` of a new account and for tests.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn in_memory() -> Result<Self, StateError> {
        Self::prepare(Connection::open_in_memory()?, Path::new(":memory:"))
    }

    /// A copy in memory of the state at `path`: what a dry run may scribble on.
    ///
    /// # Errors
    /// As [`State::open_to_read`].
    pub fn copy_in_memory(path: &Path) -> Result<Self, StateError> {
        let source = Self::open_to_read(path)?;
        let mut connection = Connection::open_in_memory()?;
        rusqlite::backup::Backup::new(&source.lock(), &mut connection)?
            .run_to_completion(1000, Duration::ZERO, None)
            .map_err(|error| damaged(path, error))?;
        Ok(Self { connection: Mutex::new(connection), path: path.to_owned() })
    }

    /// Copies the state, as it is at one instant, into a file that must not exist. The engine may write meanwhile and does not wait.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn copy_to(&self, path: &Path) -> Result<(), StateError> {
        let source = self.lock();
        let mut copy = Connection::open(path)?;
        rusqlite::backup::Backup::new(&source, &mut copy)?
            .run_to_completion(i32::MAX, Duration::ZERO, None)
            .map_err(|error| damaged(&self.path, error))?;
        // The copy is one file, without a log beside it.
        copy.pragma_update(None, "journal_mode", "delete")?;
        Ok(())
    }

    fn prepare(connection: Connection, path: &Path) -> Result<Self, StateError> {
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // A plan never depends on the values that are bound: where it might, SQLite parses the statement anew for each row.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        schema::prepare(&connection, path)?;
        Ok(Self { connection: Mutex::new(connection), path: path.to_owned() })
    }

    /// A panic while the lock was held cannot have left half a change: the transaction was rolled back.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a consistent picture.
    ///
    /// # Errors
    /// What `read` says.
    pub fn read<T>(&self, read: impl FnOnce(&Reader<'_>) -> Result<T, StateError>) -> Result<T, StateError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        read(&Reader(&transaction)).map_err(|error| self.judged(error))
    }

    /// Writes all or nothing. When this returns, it is durable.
    ///
    /// # Errors
    /// What `write` says; then nothing was written.
    pub fn write<T>(&self, write: impl FnOnce(&Writer<'_>) -> Result<T, StateError>) -> Result<T, StateError> {
        self.write_over(&mut self.lock(), write)
    }

    /// Writes all or nothing, like [`State::write`], but does not wait until it is durable: for what nothing else depends on. The next durable
    /// write takes it along.
    ///
    /// # Errors
    /// As [`State::write`].
    pub fn jot<T>(&self, write: impl FnOnce(&Writer<'_>) -> Result<T, StateError>) -> Result<T, StateError> {
        // Under one lock: nobody else's write is to be less than durable meanwhile.
        let mut connection = self.lock();
        connection.pragma_update(None, "synchronous", "normal")?;
        let written = self.write_over(&mut connection, write);
        connection.pragma_update(None, "synchronous", "full")?;
        written
    }

    fn write_over<T>(
        &self,
        connection: &mut Connection,
        write: impl FnOnce(&Writer<'_>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let writer = Writer(connection.transaction_with_behavior(TransactionBehavior::Immediate)?);
        let value = write(&writer).map_err(|error| self.judged(error))?;
        writer.0.commit().map_err(|error| self.judged(error.into()))?;
        Ok(value)
    }

    /// Damage can show long after the file was opened.
    fn judged(&self, error: StateError) -> StateError {
        match error {
            StateError::Sqlite(error) => damaged(&self.path, error),
            other => other,
        }
    }
}

fn damaged(path: &Path, error: rusqlite::Error) -> StateError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            StateError::Damaged { path: path.to_owned(), reason: error.to_string() }
        }
        _ => StateError::Sqlite(error),
    }
}
