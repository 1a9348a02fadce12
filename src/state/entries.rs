//! Entries of the base tree: what both sides last agreed that contacts, events, notes and tasks say.

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::items::{IdColumn, hash, id_text};
use super::{AccountKey, Reader, StateError, Writer};
use crate::local::FileStat;
use crate::pim::{ChangeKey, Digest, EntryKey, FolderKey, ItemId, Said, Tag};

/// How an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryStanding {
    /// Both sides agreed.
    Agreed,
    /// Its file is about to be written; whether it was is for the next run to find out.
    Arriving,
    /// The server reported it gone; the file is still here.
    Gone,
    /// It changed on the server, and could not be taken in: it has to be read there again.
    Stale,
}

impl EntryStanding {
    fn of(stored: i64) -> Self {
        match stored {
            0 => Self::Agreed,
            1 => Self::Arriving,
            2 => Self::Gone,
            _ => Self::Stale,
        }
    }
}

/// What a file is about to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coming {
    /// Its hash.
    pub digest: Digest,
    /// Whose words these are.
    pub words: Words,
}

/// Whose words a file is about to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// What both sides agreed on, and nothing else.
    Agreed,
    /// Also some of its own that are still to be sent.
    Own,
}

/// What a comparison with a directory and with a listing needs of each entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryBrief {
    /// Its number; 0 before it is added.
    pub key: EntryKey,
    /// The folder it lies in.
    pub folder: FolderKey,
    /// Its id on the server.
    pub id: ItemId,
    /// The server's version that was taken in.
    pub change_key: ChangeKey,
    /// Hash of its search key (0x300B).
    pub search: Option<i64>,
    /// Its file's name.
    pub file: String,
    /// Hash of its file when both sides agreed, or when it was written.
    pub digest: Digest,
    /// The file's size and time, where they tell that it did not change since.
    pub stat: Option<FileStat>,
    /// The file's number on the file system, by which it is known under another name.
    pub ino: Option<u64>,
    /// What the file is about to say: of a note, which has no UID and is not known otherwise; of others where both sides agreed on that.
    pub coming: Option<Coming>,
    /// How it stands.
    pub standing: EntryStanding,
}

/// An entry that both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRow {
    /// Where it lies, and its versions.
    pub brief: EntryBrief,
    /// What the server says.
    pub server: Said,
    /// What the file says, where the server keeps another value of its own.
    pub here: Option<Said>,
    /// What the server was told, and has not answered: it may say so by now.
    pub sent: Option<Said>,
}

/// An entry's file, as the base knows it.
#[derive(Clone, Debug)]
pub struct KnownEntry {
    /// The account's name.
    pub account: String,
    /// The folder's directory below the account's.
    pub dir: String,
    /// The file's name.
    pub file: String,
    /// The hash of its content when both sides agreed.
    pub digest: Digest,
    /// What it says of itself; empty for a note.
    pub uid: String,
}

/// An upload that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryUploadRow {
    /// What finds it on the server.
    pub tag: Tag,
    /// The file's name.
    pub file: String,
    /// What was sent.
    pub said: Said,
}

impl EntryRow {
    /// What the file said when both sides agreed.
    pub fn said_here(&self) -> &Said {
        self.here.as_ref().unwrap_or(&self.server)
    }
}

const BRIEF: &str = "entry.key, entry.folder, entry.remote_id, entry.change_key, search_hash, file, digest, len, mtime_ns, entry.ino, coming, coming_agreed, standing";

fn brief(row: &Row<'_>) -> rusqlite::Result<EntryBrief> {
    let ino = row.get::<_, Option<i64>>("ino")?.map(i64::cast_unsigned);
    let words = if row.get("coming_agreed")? { Words::Agreed } else { Words::Own };
    let stat = match (row.get::<_, Option<i64>>("len")?, row.get("mtime_ns")?, ino) {
        (Some(len), Some(mtime_ns), Some(ino)) => Some(FileStat { len: len.unsigned_abs(), mtime_ns, ino }),
        _ => None,
    };
    Ok(EntryBrief {
        key: EntryKey(row.get("key")?),
        folder: FolderKey(row.get("folder")?),
        id: ItemId::new(id_text(row, "remote_id")?),
        change_key: ChangeKey::new(id_text(row, "change_key")?),
        search: row.get("search_hash")?,
        file: row.get("file")?,
        digest: Digest(row.get("digest")?),
        stat,
        ino,
        coming: row.get::<_, Option<_>>("coming")?.map(|digest| Coming { digest: Digest(digest), words }),
        standing: EntryStanding::of(row.get("standing")?),
    })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<EntryRow> {
    let [here, sent] = ["here", "sent"].map(|column| row.get::<_, Option<String>>(column));
    Ok(EntryRow {
        brief: brief(row)?,
        server: said(&row.get::<_, String>("server")?)?,
        here: here?.as_deref().map(said).transpose()?,
        sent: sent?.as_deref().map(said).transpose()?,
    })
}

fn said(json: &str) -> rusqlite::Result<Said> {
    serde_json::from_str(json)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

fn written(said: &Said) -> String {
    // Plain values: there is nothing in them that JSON could not hold.
    serde_json::to_string(said).unwrap_or_default()
}

impl Reader<'_> {
    /// Every entry of a folder.
    pub fn entry_briefs(&self, folder: FolderKey) -> Result<Vec<EntryBrief>, StateError> {
        let sql = format!("SELECT {BRIEF} FROM entry WHERE folder = ?1 ORDER BY key");
        let mut statement = self.0.prepare_cached(&sql)?;
        let rows = statement.query_map([folder.0], brief)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One entry, with what it says.
    pub fn entry(&self, key: EntryKey) -> Result<Option<EntryRow>, StateError> {
        let sql = format!("SELECT {BRIEF}, server, here, sent FROM entry WHERE key = ?1");
        Ok(self.0.prepare_cached(&sql)?.query_row([key.0], entry).optional()?)
    }

    /// The entry of an account that has this id on the server.
    pub fn entry_by_id(&self, account: AccountKey, id: &ItemId) -> Result<Option<EntryBrief>, StateError> {
        let sql = format!(
            "SELECT {BRIEF} FROM entry JOIN folder ON folder.key = entry.folder WHERE remote_hash = ?1 AND folder.account = ?2"
        );
        let mut statement = self.0.prepare_cached(&sql)?;
        let found = statement.query_map(params![hash(id.as_str().as_bytes()), account.0], brief)?;
        Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().find(|brief| brief.id == *id))
    }

    /// The entries of an account with this search key: one and its copies.
    pub fn entries_by_search_key(&self, account: AccountKey, search: i64) -> Result<Vec<EntryBrief>, StateError> {
        let sql = format!(
            "SELECT {BRIEF} FROM entry JOIN folder ON folder.key = entry.folder
             WHERE search_hash = ?1 AND folder.account = ?2 ORDER BY entry.key"
        );
        let mut statement = self.0.prepare_cached(&sql)?;
        let rows = statement.query_map(params![search, account.0], brief)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every entry's file that the base knows and both sides agreed on, in all accounts.
    pub fn all_entry_files(&self, mut visit: impl FnMut(KnownEntry)) -> Result<(), StateError> {
        let mut statement = self.0.prepare_cached(
            "SELECT account.name, dir, file, digest, server FROM entry
             JOIN folder ON folder.key = entry.folder JOIN account ON account.key = folder.account
             WHERE dir IS NOT NULL AND standing = 0",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            visit(KnownEntry {
                account: row.get(0)?,
                dir: row.get(1)?,
                file: row.get(2)?,
                digest: Digest(row.get(3)?),
                uid: said(&row.get::<_, String>(4)?)?.entry.uid().to_owned(),
            });
        }
        Ok(())
    }

    /// How many entries a folder holds.
    pub fn count_entries(&self, folder: FolderKey) -> Result<u64, StateError> {
        let mut statement = self.0.prepare_cached("SELECT count(*) FROM entry WHERE folder = ?1")?;
        Ok(statement.query_row([folder.0], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    /// Uploads into a folder of which it is not known whether the server has them.
    pub fn entry_uploads(&self, folder: FolderKey) -> Result<Vec<EntryUploadRow>, StateError> {
        let mut statement =
            self.0.prepare_cached("SELECT tag, file, said FROM entry_upload WHERE folder = ?1 ORDER BY tag")?;
        let rows = statement.query_map([folder.0], |row| {
            let tag = Tag::new(row.get::<_, String>(0)?);
            Ok(EntryUploadRow { tag, file: row.get(1)?, said: said(&row.get::<_, String>(2)?)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Writer<'_> {
    /// Adds an entry; its `key` is not looked at.
    pub fn add_entry(&self, entry: &EntryRow) -> Result<EntryKey, StateError> {
        let sql = "INSERT INTO entry (key, folder, remote_id, remote_hash, change_key, search_hash, server, here, sent, file, digest, len, mtime_ns,
                   ino, coming, coming_agreed, standing)
                   VALUES (:key, :folder, :id, :id_hash, :change_key, :search, :server, :here, :sent, :file, :digest, :len, :mtime, :ino, :coming,
                   :coming_agreed, :standing)";
        self.store_entry(sql, entry, None)?;
        Ok(EntryKey(self.last_insert_rowid()))
    }

    /// Notes all of an entry anew.
    pub fn set_entry(&self, entry: &EntryRow) -> Result<(), StateError> {
        let sql = "UPDATE entry SET folder = :folder, remote_id = :id, remote_hash = :id_hash, change_key = :change_key,
                   search_hash = :search, server = :server, here = :here, sent = :sent, file = :file, digest = :digest, len = :len, mtime_ns = :mtime,
                   ino = :ino, coming = :coming, coming_agreed = :coming_agreed, standing = :standing WHERE key = :key";
        self.store_entry(sql, entry, Some(entry.brief.key))
    }

    fn store_entry(&self, sql: &str, entry: &EntryRow, key: Option<EntryKey>) -> Result<(), StateError> {
        let brief = &entry.brief;
        self.prepare_cached(sql)?.execute(named_params! {
            ":key": key.map(|key| key.0),
            ":folder": brief.folder.0,
            ":id": IdColumn(brief.id.as_str()),
            ":id_hash": hash(brief.id.as_str().as_bytes()),
            ":change_key": IdColumn(brief.change_key.as_str()),
            ":search": brief.search,
            ":server": written(&entry.server),
            ":here": entry.here.as_ref().map(written),
            ":sent": entry.sent.as_ref().map(written),
            ":file": brief.file,
            ":digest": brief.digest.0,
            ":len": brief.stat.map(|stat| stat.len.cast_signed()),
            ":mtime": brief.stat.map(|stat| stat.mtime_ns),
            ":ino": brief.ino.map(u64::cast_signed),
            ":coming": brief.coming.map(|coming| coming.digest.0),
            ":coming_agreed": brief.coming.is_some_and(|coming| coming.words == Words::Agreed),
            ":standing": brief.standing as i64,
        })?;
        Ok(())
    }

    /// Notes how an entry stands.
    pub fn set_entry_standing(&self, key: EntryKey, standing: EntryStanding) -> Result<(), StateError> {
        self.prepare_cached("UPDATE entry SET standing = ?2 WHERE key = ?1")?
            .execute(params![key.0, standing as i64])?;
        Ok(())
    }

    /// Notes that the file with that size, time and number is what was agreed.
    pub fn set_entry_stat(&self, key: EntryKey, stat: Option<FileStat>, ino: u64) -> Result<(), StateError> {
        self.prepare_cached("UPDATE entry SET len = ?2, mtime_ns = ?3, ino = ?4 WHERE key = ?1")?.execute(params![
            key.0,
            stat.map(|stat| stat.len.cast_signed()),
            stat.map(|stat| stat.mtime_ns),
            ino.cast_signed(),
        ])?;
        Ok(())
    }

    /// Notes what an entry's file is about to say.
    pub fn note_coming(&self, key: EntryKey, coming: Coming) -> Result<(), StateError> {
        self.prepare_cached("UPDATE entry SET coming = ?2, coming_agreed = ?3 WHERE key = ?1")?.execute(params![
            key.0,
            coming.digest.0,
            coming.words == Words::Agreed
        ])?;
        Ok(())
    }

    /// Notes what the server is about to be told.
    pub fn note_sent(&self, key: EntryKey, sent: &Said) -> Result<(), StateError> {
        self.prepare_cached("UPDATE entry SET sent = ?2 WHERE key = ?1")?.execute(params![key.0, written(sent)])?;
        Ok(())
    }

    /// Notes that the file of an entry has another name or lies in another folder; on the server it is still where it was.
    pub fn set_entry_file(&self, key: EntryKey, file: &str) -> Result<(), StateError> {
        self.prepare_cached("UPDATE entry SET file = ?2 WHERE key = ?1")?.execute(params![key.0, file])?;
        Ok(())
    }

    /// Forgets an entry.
    pub fn forget_entry(&self, key: EntryKey) -> Result<(), StateError> {
        self.prepare_cached("DELETE FROM entry WHERE key = ?1")?.execute([key.0])?;
        Ok(())
    }

    /// Notes that an upload begins.
    pub fn add_entry_upload(&self, folder: FolderKey, upload: &EntryUploadRow) -> Result<(), StateError> {
        let EntryUploadRow { tag, file, said } = upload;
        self.prepare_cached("INSERT OR REPLACE INTO entry_upload (tag, folder, file, said) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![tag.as_str(), folder.0, file, written(said)])?;
        Ok(())
    }

    /// An upload is settled.
    pub fn end_entry_upload(&self, tag: &Tag) -> Result<(), StateError> {
        self.prepare_cached("DELETE FROM entry_upload WHERE tag = ?1")?.execute([tag.as_str()])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pim::{Contact, Entry, FolderId, FolderKind, SearchKey, Text};
    use crate::state::{FolderRow, Listing, State, search_hash};

    fn row(folder: FolderKey) -> EntryRow {
        let contact = Contact { uid: "u1".into(), emails: vec!["a@x".into()], ..Contact::default() };
        let server = Said { entry: Entry::Contact(Box::new(contact)), extra: Text::default() };
        EntryRow {
            brief: EntryBrief {
                key: EntryKey(0),
                folder,
                id: ItemId::new("AAEC"),
                change_key: ChangeKey::new("k1"),
                search: Some(search_hash(&SearchKey::new("s"))),
                file: "u1.vcf".to_owned(),
                digest: Digest([7; 16]),
                stat: Some(FileStat { len: 5, mtime_ns: -3, ino: u64::MAX }),
                ino: Some(u64::MAX),
                coming: None,
                standing: EntryStanding::Agreed,
            },
            server,
            here: None,
            sent: None,
        }
    }

    #[test]
    fn an_entry_comes_back_as_it_was_noted() {
        let state = State::in_memory().unwrap();
        let account = state.write(|tx| tx.ensure_account("a")).unwrap();
        let folder = FolderRow {
            key: FolderKey(0),
            id: FolderId::new("f"),
            parent: None,
            name: "Contacts".to_owned(),
            kind: FolderKind::Contacts,
            special: None,
            dir: Some("Contacts".to_owned()),
            dir_id: None,
            listing: Listing::default(),
            on_server: true,
            total: None,
        };
        let folder = state.write(|tx| tx.add_folder(account, &folder)).unwrap();
        let mut noted = row(folder);
        noted.brief.key = state.write(|tx| tx.add_entry(&row(folder))).unwrap();
        let by_id = state.read(|tx| tx.entry_by_id(account, &ItemId::new("AAEC"))).unwrap();
        assert_eq!(by_id.as_ref(), Some(&noted.brief));
        assert_eq!(state.read(|tx| tx.entry(noted.brief.key)).unwrap().as_ref(), Some(&noted));
        noted.here = Some(Said { extra: "X-A:1".into(), ..noted.server.clone() });
        noted.brief.stat = None;
        noted.brief.coming = Some(Coming { digest: Digest([9; 16]), words: Words::Agreed });
        noted.brief.standing = EntryStanding::Stale;
        state.write(|tx| tx.set_entry(&noted)).unwrap();
        assert_eq!(state.read(|tx| tx.entry(noted.brief.key)).unwrap().as_ref(), Some(&noted));
        assert_eq!(state.read(|tx| tx.entry_briefs(folder)).unwrap(), [noted.brief.clone()]);
        assert_eq!(state.read(|tx| tx.entries_by_search_key(account, noted.brief.search.unwrap())).unwrap().len(), 1);
        let upload = EntryUploadRow { tag: Tag::new("t"), file: "x.vcf".to_owned(), said: noted.server.clone() };
        state.write(|tx| tx.add_entry_upload(folder, &upload)).unwrap();
        assert_eq!(state.read(|tx| tx.entry_uploads(folder)).unwrap(), [upload]);
        let sent = Said { extra: "X-B:2".into(), ..noted.server.clone() };
        state.write(|tx| tx.note_sent(noted.brief.key, &sent)).unwrap();
        assert_eq!(state.read(|tx| tx.entry(noted.brief.key)).unwrap().unwrap().sent, Some(sent));
        state.write(|tx| tx.forget_folder(folder)).unwrap();
        assert_eq!(state.read(|tx| tx.entry(noted.brief.key)).unwrap(), None);
    }
}
