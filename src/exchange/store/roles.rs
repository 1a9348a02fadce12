//! Who may do what in folders of others: in the public folders, and in mailboxes that are shared.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::super::Role;

pub(super) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS roles (
    mailbox INTEGER NOT NULL, folder INTEGER NOT NULL, user TEXT NOT NULL COLLATE NOCASE, role TEXT NOT NULL,
    PRIMARY KEY (mailbox, folder, user));
";

/// Stands for all folders of a mailbox.
pub(in super::super) const ALL_FOLDERS: i64 = 0;
/// Stands for whoever has no role of their own.
pub(in super::super) const ANYBODY: &str = "";

/// Gives somebody a role in a folder.
pub(in super::super) fn set_role(
    db: &Connection,
    mailbox: i64,
    folder: i64,
    user: &str,
    role: Role,
) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO roles (mailbox, folder, user, role) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![mailbox, folder, user, role.word()])?;
    Ok(())
}

/// The roles of somebody in a mailbox, by folder; their own go before anybody's.
pub(in super::super) fn roles_of(db: &Connection, mailbox: i64, user: &str) -> rusqlite::Result<HashMap<i64, Role>> {
    let mut statement =
        db.prepare_cached("SELECT folder, role FROM roles WHERE mailbox = ?1 AND user IN (?2, ?3) ORDER BY user = ?3")?;
    // Those of anybody come last, and take no place that is taken.
    let mut roles = HashMap::new();
    let rows = statement
        .query_map(params![mailbox, user, ANYBODY], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    for row in rows {
        let (folder, word) = row?;
        if let Some(role) = Role::from_word(&word) {
            roles.entry(folder).or_insert(role);
        }
    }
    Ok(roles)
}
