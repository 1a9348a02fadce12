//! What did not go: items in trouble, held deletions, conflict copies. `status` shows them until they are settled.

use rusqlite::{Row, params};

use super::{AccountKey, Reader, StateError, Writer};
use crate::pim::{FileKey, FolderKey, ItemId, ItemKey, UnixTime};
use crate::plan::Side;

/// What the trouble is with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A message of the server that cannot be brought here.
    Message(ItemId),
    /// A file that cannot be brought to the server.
    File(FileKey),
}

impl Subject {
    fn side(&self) -> &'static str {
        match self {
            Self::Message(_) => "remote",
            Self::File(_) => "local",
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Message(id) => id.as_str().as_bytes(),
            Self::File(file) => file.as_bytes(),
        }
    }
}

/// An item that could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its folder.
    pub folder: FolderKey,
    /// What it is about.
    pub subject: Subject,
    /// What people know it by: a Message-ID, a file's name.
    pub label: String,
    /// The server's response code, or a word of ours.
    pub code: String,
    /// What happened, for people.
    pub reason: String,
    /// Since when.
    pub since: UnixTime,
    /// How often it was tried.
    pub tries: u32,
    /// Not to be tried again before.
    pub retry_at: UnixTime,
}

/// A copy of the version that lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The folder of the item.
    pub folder: FolderKey,
    /// The copy, below the Database directory.
    pub path: String,
    /// When it was made.
    pub at: UnixTime,
}

/// What a run held back in a folder for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRow {
    /// The folder.
    pub folder: FolderKey,
    /// The side that would be changed: `remote` or `local`.
    pub side: String,
    /// A word for the reason.
    pub reason: String,
    /// What it is about, for people.
    pub detail: String,
    /// How many items.
    pub count: u64,
}

fn trouble_row(row: &Row<'_>) -> rusqlite::Result<Trouble> {
    let subject: Vec<u8> = row.get("subject")?;
    let subject = match row.get::<_, String>("side")?.as_str() {
        "remote" => Subject::Message(ItemId::new(String::from_utf8_lossy(&subject).into_owned())),
        _ => Subject::File(FileKey::new(subject)),
    };
    Ok(Trouble {
        folder: FolderKey(row.get("folder")?),
        subject,
        label: row.get("label")?,
        code: row.get("code")?,
        reason: row.get("reason")?,
        since: UnixTime(row.get("since")?),
        tries: row.get("tries")?,
        retry_at: UnixTime(row.get("retry_at")?),
    })
}

impl Reader<'_> {
    /// All trouble of an account.
    pub fn troubles(&self, account: AccountKey) -> Result<Vec<Trouble>, StateError> {
        let mut statement = self.0.prepare_cached(
            "SELECT trouble.* FROM trouble JOIN folder ON folder.key = trouble.folder WHERE folder.account = ?1 ORDER BY trouble.key",
        )?;
        let rows = statement.query_map([account.0], trouble_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// All conflict copies noted for an account, whether they are still there or not.
    pub fn conflicts(&self, account: AccountKey) -> Result<Vec<Conflict>, StateError> {
        let mut statement = self.0.prepare_cached(
            "SELECT conflict.folder, conflict.path, conflict.at FROM conflict JOIN folder ON folder.key = conflict.folder
             WHERE folder.account = ?1 ORDER BY conflict.key",
        )?;
        let rows = statement.query_map([account.0], |row| {
            Ok(Conflict { folder: FolderKey(row.get(0)?), path: row.get(1)?, at: UnixTime(row.get(2)?) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What was held in the last run.
    pub fn held(&self, account: AccountKey) -> Result<Vec<HeldRow>, StateError> {
        let mut statement = self.0.prepare_cached(
            "SELECT held.folder, side, reason, detail, count(*) FROM held JOIN folder ON folder.key = held.folder
             WHERE folder.account = ?1 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        )?;
        let rows = statement.query_map([account.0], |row| {
            Ok(HeldRow {
                folder: FolderKey(row.get(0)?),
                side: row.get(1)?,
                reason: row.get(2)?,
                detail: row.get(3)?,
                count: row.get::<_, i64>(4)?.unsigned_abs(),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// The longest wait before an item in trouble is tried again, in seconds.
pub const LONGEST_PATIENCE: i64 = 86_400;

/// The code of trouble with a file that somebody changed in the very instant: it is looked at again at once.
pub const CHANGED: &str = "Changed";

/// The code of trouble with a message that waits for its local folder to be readable: it may lie there already.
pub const WAITS_FOR_FOLDER: &str = "Held";

/// The code of trouble with a message that the server cannot render: what is here was put together from its headers and text, or is an older
/// version.
pub const UNRENDERED: &str = "Unrendered";

/// Waits before an item in trouble is tried again: a minute, doubled with each try, a day at most.
fn patience(tries: u32) -> i64 {
    60_i64.checked_shl(tries.min(16)).unwrap_or(i64::MAX).min(LONGEST_PATIENCE)
}

impl Writer<'_> {
    /// Notes trouble, or that it goes on: then what was noted is kept, but for what happened last.
    pub fn add_trouble(
        &self,
        folder: FolderKey,
        subject: &Subject,
        label: &str,
        (code, reason): (&str, &str),
        now: UnixTime,
    ) -> Result<(), StateError> {
        let (side, bytes) = (subject.side(), subject.bytes());
        let mut statement = self.prepare_cached(
            "INSERT INTO trouble (folder, side, subject, label, code, reason, since, tries, retry_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?7)
             ON CONFLICT (folder, side, subject) DO UPDATE SET code = ?5, reason = ?6, tries = tries + 1
             RETURNING tries",
        )?;
        let noted = params![folder.0, side, bytes, label, code, reason, now.0];
        let tries: u32 = statement.query_row(noted, |row| row.get(0))?;
        let wait = match code {
            WAITS_FOR_FOLDER => 0,
            CHANGED if tries < 4 => 0,
            _ => patience(tries),
        };
        self.prepare_cached("UPDATE trouble SET retry_at = ?4 WHERE folder = ?1 AND side = ?2 AND subject = ?3")?
            .execute(params![folder.0, side, bytes, now.0.saturating_add(wait)])?;
        Ok(())
    }

    /// The trouble is over.
    pub fn end_trouble(&self, folder: FolderKey, subject: &Subject) -> Result<(), StateError> {
        self.prepare_cached("DELETE FROM trouble WHERE folder = ?1 AND side = ?2 AND subject = ?3")?
            .execute(params![folder.0, subject.side(), subject.bytes()])?;
        Ok(())
    }

    /// Notes a conflict copy.
    pub fn add_conflict(&self, folder: FolderKey, item: ItemKey, path: &str, now: UnixTime) -> Result<(), StateError> {
        self.prepare_cached("INSERT OR IGNORE INTO conflict (folder, item, path, at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![folder.0, item.0, path, now.0])?;
        Ok(())
    }

    /// Notes what this run held back in an account, in place of what the last one did.
    pub fn set_held(
        &self,
        account: AccountKey,
        held: &[(FolderKey, Option<ItemKey>, Side, &'static str, String)],
    ) -> Result<(), StateError> {
        self.execute("DELETE FROM held WHERE folder IN (SELECT key FROM folder WHERE account = ?1)", [account.0])?;
        let mut statement =
            self.prepare_cached("INSERT INTO held (folder, item, side, reason, detail) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for (folder, item, side, reason, detail) in held {
            let side = match side {
                Side::Remote => "remote",
                Side::Local => "local",
            };
            statement.execute(params![folder.0, item.map(|key| key.0), side, reason, detail])?;
        }
        Ok(())
    }
}
