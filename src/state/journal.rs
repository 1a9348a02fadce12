//! What is under way, and what was done: intents of uploads and of new bodies of drafts, and the runs.
//!
//! Other writes to the server need no intent. A delivery has its row before its file (`Standing::Arriving`); a move on the server is found again by the
//! search key; changes of flags and deletions can be repeated without harm.

use rusqlite::{OptionalExtension, params};

use super::items::categories_in;
use super::{AccountKey, Reader, StateError, Writer};
use crate::pim::{Digest, FileKey, Flags, FolderKey, ItemKey, Marks, Tag, UnixTime};

/// An upload that was begun and whose answer was not noted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadIntent {
    /// What the message carries if it was created.
    pub tag: Tag,
    /// The folder.
    pub folder: FolderKey,
    /// The unique part of the file's name.
    pub file: FileKey,
    /// Bytes of the file.
    pub len: u64,
    /// Hash of the file.
    pub digest: Digest,
    /// When it was begun.
    pub since: UnixTime,
    /// The item that it is a new version of.
    pub instead_of: Option<ItemKey>,
    /// Of a draft: what it says (semantic digest), so that an edit on the server is told from it.
    pub rendering: Option<Digest>,
    /// What the file said; `None` in what earlier versions noted.
    pub says: Option<Marks>,
}

/// A new body of a draft that was sent and whose answer was not noted yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacing {
    /// Hash of the file that was sent.
    pub digest: Digest,
    /// Its bytes.
    pub len: u64,
    /// What it says (semantic digest).
    pub rendering: Digest,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunResult {
    /// Everything was done.
    Done,
    /// Done, but something was held, skipped or in conflict.
    Held,
    /// It failed.
    Failed,
}

impl RunResult {
    /// Its word in state.db and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }
}

/// A run of the engine over one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// When it began.
    pub started: UnixTime,
    /// When it ended; `None` when it was cut off or is under way.
    pub ended: Option<UnixTime>,
    /// How it ended, in the words of [`RunResult`].
    pub result: Option<String>,
    /// What it did, or why it failed.
    pub summary: Option<String>,
}

impl RunRow {
    /// Whether it came to its end, and did not fail.
    pub fn succeeded(&self) -> bool {
        self.result.as_deref().is_some_and(|result| result != RunResult::Failed.as_str())
    }
}

impl Reader<'_> {
    /// The uploads of an account that were begun and not finished.
    pub fn upload_intents(&self, account: AccountKey) -> Result<Vec<UploadIntent>, StateError> {
        let mut statement = self.0.prepare_cached(
            "SELECT tag, folder, file, len, digest, since, instead_of, rendering, flags, names FROM upload
             JOIN folder ON folder.key = upload.folder LEFT JOIN category_set ON category_set.key = upload.categories
             WHERE folder.account = ?1",
        )?;
        let mut rows = statement.query([account.0])?;
        let mut intents = Vec::new();
        while let Some(row) = rows.next()? {
            let flags = row.get::<_, Option<_>>(8)?.map(Flags::from_bits);
            let categories = categories_in(row, "names")?;
            intents.push(UploadIntent {
                tag: Tag::new(row.get::<_, String>(0)?),
                folder: FolderKey(row.get(1)?),
                file: FileKey::new(row.get::<_, Vec<u8>>(2)?),
                len: row.get::<_, i64>(3)?.unsigned_abs(),
                digest: Digest(row.get(4)?),
                since: UnixTime(row.get(5)?),
                instead_of: row.get::<_, Option<i64>>(6)?.map(ItemKey),
                rendering: row.get::<_, Option<[u8; 16]>>(7)?.map(Digest),
                says: flags.map(|flags| Marks { flags, categories }),
            });
        }
        Ok(intents)
    }

    /// What was last sent as the new body of a draft, if that was not answered.
    pub fn replacing(&self, item: ItemKey) -> Result<Option<Replacing>, StateError> {
        let mut statement = self.0.prepare_cached("SELECT digest, len, rendering FROM replacing WHERE item = ?1")?;
        let sent = statement.query_row([item.0], |row| {
            let (digest, len) = (Digest(row.get(0)?), row.get::<_, i64>(1)?.unsigned_abs());
            Ok(Replacing { digest, len, rendering: Digest(row.get(2)?) })
        });
        Ok(sent.optional()?)
    }

    /// Whether the last run of an account came to its end, the one that is under way left aside: then nothing is left half done.
    pub fn ended_well(&self, account: AccountKey) -> Result<bool, StateError> {
        let mut statement = self.0.prepare_cached(
            "SELECT ended IS NOT NULL, ifnull(result, '') <> ?2 FROM run WHERE account = ?1 ORDER BY key DESC LIMIT 2",
        )?;
        let rows = statement
            .query_map(params![account.0, RunResult::Failed.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<Vec<(bool, bool)>, _>>()?;
        let last = rows.iter().enumerate().find(|(at, (ended, _))| *ended || *at > 0);
        Ok(last.is_some_and(|(_, (ended, well))| *ended && *well))
    }

    /// The last run of an account.
    pub fn last_run(&self, account: AccountKey) -> Result<Option<RunRow>, StateError> {
        let mut statement = self.0.prepare_cached(
            "SELECT started, ended, result, summary FROM run WHERE account = ?1 ORDER BY key DESC LIMIT 1",
        )?;
        let run = statement.query_row([account.0], |row| {
            Ok(RunRow {
                started: UnixTime(row.get(0)?),
                ended: row.get::<_, Option<i64>>(1)?.map(UnixTime),
                result: row.get(2)?,
                summary: row.get(3)?,
            })
        });
        Ok(run.optional()?)
    }
}

impl Writer<'_> {
    /// Notes that an upload begins.
    pub fn add_upload(&self, intent: &UploadIntent) -> Result<(), StateError> {
        let says = intent.says.as_ref();
        let categories = says.map_or(Ok(None), |says| self.category_set(&says.categories))?;
        self.prepare_cached(
            "INSERT OR REPLACE INTO upload (tag, folder, file, len, digest, since, instead_of, rendering, flags, categories)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            intent.tag.as_str(),
            intent.folder.0,
            intent.file.as_bytes(),
            intent.len.cast_signed(),
            intent.digest.0,
            intent.since.0,
            intent.instead_of.map(|key| key.0),
            intent.rendering.map(|digest| digest.0),
            says.map(|says| says.flags.to_bits()),
            categories,
        ])?;
        Ok(())
    }

    /// Notes that a draft's body is about to be sent.
    pub fn begin_replacing(&self, item: ItemKey, sent: &Replacing) -> Result<(), StateError> {
        self.prepare_cached("INSERT OR REPLACE INTO replacing (item, digest, len, rendering) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![item.0, sent.digest.0, sent.len.cast_signed(), sent.rendering.0])?;
        Ok(())
    }

    /// Whatever is noted of an item settles what was begun with it.
    pub(super) fn end_begun(&self, item: ItemKey) -> Result<(), StateError> {
        self.end_pulling(item)?;
        self.prepare_cached("DELETE FROM replacing WHERE item = ?1")?.execute([item.0])?;
        Ok(())
    }

    /// Notes that the fate of an upload is known.
    pub fn end_upload(&self, tag: &Tag) -> Result<(), StateError> {
        self.prepare_cached("DELETE FROM upload WHERE tag = ?1")?.execute([tag.as_str()])?;
        Ok(())
    }

    /// Notes that a run begins. Only the latest thousand are kept.
    pub fn begin_run(&self, account: AccountKey, now: UnixTime) -> Result<i64, StateError> {
        self.execute("INSERT INTO run (account, started) VALUES (?1, ?2)", params![account.0, now.0])?;
        let run = self.last_insert_rowid();
        self.execute("DELETE FROM run WHERE key <= ?1", [run - 1000])?;
        Ok(run)
    }

    /// Notes how a run ended.
    pub fn end_run(&self, run: i64, now: UnixTime, result: RunResult, summary: &str) -> Result<(), StateError> {
        self.execute(
            "UPDATE run SET ended = ?2, result = ?3, summary = ?4 WHERE key = ?1",
            params![run, now.0, result.as_str(), summary],
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    #[test]
    fn a_run_that_was_cut_off_did_not_end_well() {
        let state = State::in_memory().unwrap();
        let account = state.write(|tx| tx.ensure_account("a")).unwrap();
        let begin = || state.jot(|tx| tx.begin_run(account, UnixTime(1))).unwrap();
        let end = |run, result| state.jot(|tx| tx.end_run(run, UnixTime(2), result, "")).unwrap();
        let ended_well = || state.read(|state| state.ended_well(account)).unwrap();
        assert!(!ended_well());
        let first = begin();
        assert!(!ended_well());
        end(first, RunResult::Done);
        assert!(ended_well());
        begin();
        assert!(ended_well(), "the one under way says nothing");
        let third = begin();
        assert!(!ended_well(), "the second was cut off");
        end(third, RunResult::Failed);
        begin();
        assert!(!ended_well());
    }
}
