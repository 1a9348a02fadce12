//! The tables, and their version.

use std::path::Path;

use rusqlite::Connection;

use super::{StateError, damaged};

/// The format of the tables below.
const FORMAT: i64 = 7;
/// Tells our databases from others' (`file` shows it).
const APPLICATION_ID: i64 = 0x7069_6d73;

/// Ids are base64 and stored decoded, a quarter smaller; see `items.rs`. Sizes matter here: 300,000 rows are common.
const TABLES: &str = "
CREATE TABLE account (
    key INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    root TEXT,                -- the server's msgfolderroot
    hierarchy_state TEXT      -- where the listing of folders goes on
) STRICT;

CREATE TABLE folder (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES account(key),
    remote_id TEXT NOT NULL,
    parent INTEGER REFERENCES folder(key) DEFERRABLE INITIALLY DEFERRED,  -- NULL: at the top
    name TEXT NOT NULL,       -- the true name
    kind TEXT NOT NULL,
    special TEXT,             -- the fixed role, if any
    dir TEXT,                 -- its directory below the account's; NULL: not mirrored
    dev INTEGER, ino INTEGER, -- the directory's identity, to know it again under another name
    sync_state TEXT,          -- where the listing of items goes on; NULL: from the beginning
    activity TEXT,            -- the hint that went with sync_state
    asked_at INTEGER,         -- when sync_state was last brought up to date
    listed_at INTEGER,        -- when the server's items were last listed from the beginning
    compared_at INTEGER,      -- when the files were last compared one by one
    stamp TEXT,               -- the directory's times at the last scan that found nothing to do
    on_server INTEGER NOT NULL DEFAULT 1, -- 0: gone there, and not yet dealt with here
    total INTEGER,            -- items that the server counts, for kinds not mirrored
    UNIQUE (account, remote_id)
) STRICT;

CREATE TABLE item (
    key INTEGER PRIMARY KEY,
    folder INTEGER NOT NULL REFERENCES folder(key),
    remote_id ANY NOT NULL,
    remote_hash INTEGER NOT NULL,
    change_key ANY NOT NULL,
    search_hash INTEGER,      -- of PidTagSearchKey
    size INTEGER NOT NULL,    -- as the server counts; 0: not yet told
    server INTEGER NOT NULL,  -- what the server says, packed
    categories INTEGER,       -- a row of `category_set`
    file BLOB NOT NULL,       -- the unique part of the file's name
    file_hash INTEGER NOT NULL,
    flags INTEGER NOT NULL,   -- what the file says
    len INTEGER NOT NULL,
    digest BLOB NOT NULL,     -- of the file
    rendering BLOB,           -- semantic digest of the server's rendering, where it is not that of the file
    standing INTEGER NOT NULL -- 0 agreed, 1 arriving, 2 gone on the server
) STRICT;
CREATE INDEX item_remote ON item(remote_hash);
CREATE INDEX item_file ON item(folder, file_hash);
CREATE INDEX item_search ON item(search_hash);
CREATE INDEX item_draft ON item(folder) WHERE (server & 2) <> 0;
CREATE INDEX item_standing ON item(standing) WHERE standing <> 0;

CREATE TABLE category_set (
    key INTEGER PRIMARY KEY,
    names TEXT NOT NULL UNIQUE -- JSON array, sorted
) STRICT;

CREATE TABLE upload (
    tag TEXT PRIMARY KEY,
    folder INTEGER NOT NULL,
    file BLOB NOT NULL,
    len INTEGER NOT NULL,
    digest BLOB NOT NULL,
    since INTEGER NOT NULL,
    instead_of INTEGER,       -- the item that it is a new version of
    rendering BLOB,           -- of a draft: its semantic digest
    flags INTEGER,            -- what the file said
    categories INTEGER        -- a row of `category_set`
) STRICT;

CREATE TABLE trouble (
    key INTEGER PRIMARY KEY,
    folder INTEGER NOT NULL,
    side TEXT NOT NULL,       -- remote: the item of that id cannot be brought here; local: the file cannot be brought there
    subject BLOB NOT NULL,    -- the id, or the file's name
    label TEXT NOT NULL,      -- what people know it by
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    retry_at INTEGER NOT NULL,
    UNIQUE (folder, side, subject)
) STRICT;

CREATE TABLE conflict (
    key INTEGER PRIMARY KEY,
    folder INTEGER NOT NULL,
    item INTEGER,
    path TEXT NOT NULL UNIQUE, -- of the copy, below Database; settled when it is gone
    at INTEGER NOT NULL
) STRICT;

CREATE TABLE held (
    folder INTEGER NOT NULL,
    item INTEGER,
    side TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE TABLE run (
    key INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER,
    result TEXT,
    summary TEXT
) STRICT;
";

/// Changes of files that are under way.
const PULLING: &str = "
CREATE TABLE pulling (
    item INTEGER PRIMARY KEY,
    lies_in INTEGER NOT NULL, -- the folder in which the file will lie
    file BLOB NOT NULL,
    says INTEGER NOT NULL,    -- the flags that the file will have
    says_categories INTEGER,  -- a row of `category_set`
    folder INTEGER NOT NULL,  -- this and the rest: as `item` will have it
    remote_id ANY NOT NULL,
    change_key ANY NOT NULL,
    search_hash INTEGER,
    size INTEGER NOT NULL,
    server INTEGER NOT NULL,
    categories INTEGER,
    flags INTEGER NOT NULL
) STRICT;
";

/// New bodies of drafts that were sent and not answered yet.
const REPLACING: &str = "
CREATE TABLE replacing (
    item INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,     -- of the file that was sent
    len INTEGER NOT NULL,
    rendering BLOB NOT NULL   -- its semantic digest
) STRICT;
";

/// Contacts, events, notes and tasks, which the fourth format added.
const ENTRIES: &str = "
CREATE TABLE entry (
    key INTEGER PRIMARY KEY,
    folder INTEGER NOT NULL REFERENCES folder(key),
    remote_id ANY NOT NULL,
    remote_hash INTEGER NOT NULL,
    change_key ANY NOT NULL,
    search_hash INTEGER,      -- of PidTagSearchKey
    server TEXT NOT NULL,     -- what the server says, as JSON
    here TEXT,                -- what the file says, where the server keeps another value
    sent TEXT,                -- what the server was told and has not answered
    file TEXT NOT NULL,       -- its name
    digest BLOB NOT NULL,     -- of the file
    len INTEGER, mtime_ns INTEGER, ino INTEGER, -- the file's, where they tell that it did not change
    coming BLOB,              -- hash of what the file is about to say
    coming_agreed INTEGER NOT NULL DEFAULT 0, -- 1: both sides agreed on all of that
    standing INTEGER NOT NULL -- 0 agreed, 1 arriving, 2 gone on the server, 3 to be read again there
) STRICT;
CREATE INDEX entry_remote ON entry(remote_hash);
CREATE INDEX entry_folder ON entry(folder);
CREATE INDEX entry_search ON entry(search_hash);

CREATE TABLE entry_upload (
    tag TEXT PRIMARY KEY,
    folder INTEGER NOT NULL,
    file TEXT NOT NULL,
    said TEXT NOT NULL        -- what was sent, as JSON
) STRICT;
";

/// What the fifth format added to the fourth.
const FIFTH: &str = "ALTER TABLE entry ADD COLUMN coming BLOB;";

/// What the seventh format added to the tables of the sixth.
const SEVENTH: &str = "ALTER TABLE entry ADD COLUMN coming_agreed INTEGER NOT NULL DEFAULT 0;";

/// The master list of categories, which the sixth format added.
const CATEGORIES: &str = "
CREATE TABLE category_list (
    account INTEGER PRIMARY KEY REFERENCES account(key),
    base TEXT NOT NULL,       -- what was agreed, as JSON
    digest BLOB,              -- of the file as it was left; NULL: there was none
    len INTEGER, mtime_ns INTEGER, ino INTEGER, -- the file's, where they tell that it did not change
    refused BLOB,             -- of the file that the server did not take
    held TEXT,                -- whose deletions wait for a word of the owner: names, as JSON
    trouble TEXT,             -- why the list is not in step; it was told
    asked_at INTEGER,         -- when the server was last asked
    activity TEXT             -- the calendar's hint at that time
) STRICT;
";

/// What is on the server only, which the seventh format added.
const ONLY_THERE: &str = "
CREATE TABLE only_there (
    folder INTEGER NOT NULL REFERENCES folder(key) ON DELETE CASCADE,
    remote_id TEXT NOT NULL,
    class TEXT NOT NULL,      -- of the item; empty: something attached to it
    name TEXT NOT NULL,       -- what people know it by
    PRIMARY KEY (folder, remote_id, class, name)
) STRICT, WITHOUT ROWID;
";

/// What the third format added to the second.
const THIRD: &str = "
ALTER TABLE upload ADD COLUMN flags INTEGER;
ALTER TABLE upload ADD COLUMN categories INTEGER;
ALTER TABLE folder ADD COLUMN compared_at INTEGER;
";

/// Sets the connection up and makes the tables where there are none.
pub(super) fn prepare(connection: &Connection, path: &Path) -> Result<(), StateError> {
    connection.pragma_update(None, "journal_mode", "wal").map_err(|error| damaged(path, error))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -8192)?;
    let version = check_version(connection, path)?;
    let change = match version {
        0 => format!("{TABLES}{PULLING}{REPLACING}{ENTRIES}"),
        1 => format!("ALTER TABLE upload ADD COLUMN rendering BLOB;\n{PULLING}{THIRD}{REPLACING}{ENTRIES}"),
        2 => format!("{THIRD}{REPLACING}{ENTRIES}"),
        3 => ENTRIES.to_owned(),
        4 => format!("{FIFTH}{SEVENTH}"),
        5 | 6 => SEVENTH.to_owned(),
        _ => return Ok(()),
    };
    let categories = if version < 6 { CATEGORIES } else { "" };
    let change = &format!("{change}{categories}{ONLY_THERE}");
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.execute_batch(change)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    connection.execute_batch("COMMIT")?;
    Ok(())
}

/// The format of the file; 0 for an empty one.
pub(super) fn check_version(connection: &Connection, path: &Path) -> Result<i64, StateError> {
    let found: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|error| damaged(path, error))?;
    if found > FORMAT {
        return Err(StateError::Newer { path: path.to_owned(), found, known: FORMAT });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_of_the_first_format_is_brought_up_to_date() {
        let connection = Connection::open_in_memory().unwrap();
        let first = TABLES
            .replace(
                "    instead_of INTEGER,       -- the item that it is a new version of\n",
                "    instead_of INTEGER\n",
            )
            .replace(
                "    rendering BLOB,           -- of a draft: its semantic digest\n    flags INTEGER,            -- what the file said\n    categories INTEGER        -- a row of `category_set`\n",
                "",
            );
        let first =
            first.replace("    compared_at INTEGER,      -- when the files were last compared one by one\n", "");
        connection.execute_batch(&first).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        let columns = |connection: &Connection| -> i64 {
            connection.query_row("SELECT count(*) FROM pragma_table_info('upload')", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(columns(&connection), 7);
        prepare(&connection, Path::new("state.db")).unwrap();
        assert_eq!((columns(&connection), check_version(&connection, Path::new("state.db")).unwrap()), (10, FORMAT));
        prepare(&connection, Path::new("state.db")).unwrap();
    }
}
