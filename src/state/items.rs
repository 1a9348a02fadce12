//! Items of the base tree.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{OptionalExtension, Row, ToSql, named_params, params};

use super::{AccountKey, Reader, StateError, Writer};
use crate::pim::{
    Categories, Category, ChangeKey, Digest, FileKey, Flags, FolderKey, FollowUp, ItemId, ItemKey, LastVerb, SearchKey,
    ServerMarks,
};

/// How an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Both sides agreed.
    Agreed,
    /// Its file is about to be put in place; whether it was is for recovery to find out.
    Arriving,
    /// The server reported it gone; the file is still here.
    Gone,
}

/// An item that both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemRow {
    /// Its number; 0 before it is added.
    pub key: ItemKey,
    /// The folder it lies in.
    pub folder: FolderKey,
    /// Its id on the server.
    pub id: ItemId,
    /// The server's version that was taken in.
    pub change_key: ChangeKey,
    /// Hash of its search key (0x300B).
    pub search: Option<i64>,
    /// Bytes as the server counts; 0 when not yet told.
    pub size: u64,
    /// What the server says. Its categories are the file's too: they are one shared set.
    pub server: ServerMarks,
    /// The unique part of its file's name.
    pub file: FileKey,
    /// What the file says.
    pub flags: Flags,
    /// Bytes of the file.
    pub len: u64,
    /// Hash of the file.
    pub digest: Digest,
    /// Semantic digest of the server's rendering, where it is not that of the file.
    pub rendering: Option<Digest>,
    /// How it stands.
    pub standing: Standing,
}

/// What a scan of a directory needs of each item: little, since there can be hundreds of thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brief {
    /// Its number.
    pub key: ItemKey,
    /// What its file says.
    pub flags: Flags,
    /// Whether it has categories: then the caller looks at the row.
    pub categories: bool,
    /// Whether the server says that it is a draft: drafts are edited in place.
    pub draft: bool,
}

/// What a backup compares of each file that the base knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownFile {
    /// The name of its account.
    pub account: String,
    /// Its folder's directory below the account's.
    pub dir: String,
    /// The unique part of its name.
    pub key: FileKey,
    /// Hash of its content.
    pub digest: Digest,
    /// Whether the server says that it is a draft: drafts are edited in place.
    pub draft: bool,
    /// How it stands.
    pub standing: Standing,
}

/// The hash by which a file name is looked up.
pub fn name_hash(file: &FileKey) -> i64 {
    hash(file.as_bytes())
}

/// The hash by which a search key is kept.
pub fn search_hash(key: &SearchKey) -> i64 {
    hash(key.as_str().as_bytes())
}

pub(super) fn hash(bytes: &[u8]) -> i64 {
    let digest = blake3::hash(bytes);
    let mut first = [0; 8];
    first.copy_from_slice(digest.as_bytes().first_chunk::<8>().unwrap_or(&[0; 8]));
    i64::from_le_bytes(first)
}

/// An id in a column: decoded where it is base64 in its usual form, else as text.
pub(super) struct IdColumn<'a>(pub(super) &'a str);

impl ToSql for IdColumn<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let decoded = BASE64.decode(self.0).ok().filter(|bytes| BASE64.encode(bytes) == self.0);
        Ok(match decoded {
            Some(bytes) => ToSqlOutput::Owned(Value::Blob(bytes)),
            None => ToSqlOutput::Borrowed(ValueRef::Text(self.0.as_bytes())),
        })
    }
}

pub(super) fn id_text(row: &Row<'_>, column: &str) -> rusqlite::Result<String> {
    Ok(match row.get_ref(column)? {
        ValueRef::Blob(bytes) => BASE64.encode(bytes),
        other => other.as_str()?.to_owned(),
    })
}

/// What the server says but for categories, in one number: bit 0 read, bit 1 draft, bits 2–3 follow-up, the verb above.
pub(super) fn pack(server: &ServerMarks) -> i64 {
    let follow_up = match server.follow_up {
        FollowUp::NotFlagged => 0,
        FollowUp::Flagged => 1,
        FollowUp::Complete => 2,
    };
    i64::from(server.read)
        | i64::from(server.draft) << 1
        | follow_up << 2
        | i64::from(server.verb.number().cast_unsigned()) << 4
}

pub(super) fn unpack(packed: i64, categories: Categories) -> ServerMarks {
    let verb = u32::try_from(packed >> 4 & 0xFFFF_FFFF).unwrap_or(0).cast_signed();
    ServerMarks {
        read: packed & 1 != 0,
        draft: packed & 2 != 0,
        follow_up: match packed >> 2 & 3 {
            1 => FollowUp::Flagged,
            2 => FollowUp::Complete,
            _ => FollowUp::NotFlagged,
        },
        verb: LastVerb::from_number(verb),
        categories,
    }
}

fn standing(stored: i64) -> Standing {
    match stored {
        1 => Standing::Arriving,
        2 => Standing::Gone,
        _ => Standing::Agreed,
    }
}

const ITEM: &str = "SELECT item.*, names FROM item LEFT JOIN category_set ON category_set.key = item.categories";

/// A set of categories in a column: a JSON array.
pub(super) fn categories_in(row: &Row<'_>, column: &str) -> rusqlite::Result<Categories> {
    let names: Option<String> = row.get(column)?;
    let names = names.and_then(|json| serde_json::from_str::<Vec<String>>(&json).ok()).unwrap_or_default();
    Ok(names.into_iter().map(Category).collect())
}

fn item_row(row: &Row<'_>) -> rusqlite::Result<ItemRow> {
    Ok(ItemRow {
        key: ItemKey(row.get("key")?),
        folder: FolderKey(row.get("folder")?),
        id: ItemId::new(id_text(row, "remote_id")?),
        change_key: ChangeKey::new(id_text(row, "change_key")?),
        search: row.get("search_hash")?,
        size: row.get::<_, i64>("size")?.unsigned_abs(),
        server: unpack(row.get("server")?, categories_in(row, "names")?),
        file: FileKey::new(row.get::<_, Vec<u8>>("file")?),
        flags: Flags::from_bits(row.get("flags")?),
        len: row.get::<_, i64>("len")?.unsigned_abs(),
        digest: Digest(row.get("digest")?),
        rendering: row.get::<_, Option<[u8; 16]>>("rendering")?.map(Digest),
        standing: standing(row.get("standing")?),
    })
}

impl Reader<'_> {
    /// Every item of a folder, in brief: the hash of its file's name, and what a scan compares.
    pub fn briefs(&self, folder: FolderKey, mut visit: impl FnMut(i64, Brief)) -> Result<(), StateError> {
        let mut statement = self.0.prepare_cached(
            "SELECT file_hash, key, flags, categories IS NOT NULL, server & 2 FROM item WHERE folder = ?1",
        )?;
        let mut rows = statement.query([folder.0])?;
        while let Some(row) = rows.next()? {
            let brief = Brief {
                key: ItemKey(row.get(1)?),
                flags: Flags::from_bits(row.get(2)?),
                categories: row.get(3)?,
                draft: row.get::<_, i64>(4)? != 0,
            };
            visit(row.get(0)?, brief);
        }
        Ok(())
    }

    /// Every file that the base knows, in all accounts.
    pub fn all_files(&self, mut visit: impl FnMut(KnownFile)) -> Result<(), StateError> {
        let mut statement = self.0.prepare_cached(
            "SELECT account.name, dir, file, digest, server & 2, standing FROM item
             JOIN folder ON folder.key = item.folder JOIN account ON account.key = folder.account
             WHERE dir IS NOT NULL AND item.len > 0",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            visit(KnownFile {
                account: row.get(0)?,
                dir: row.get(1)?,
                key: FileKey::new(row.get::<_, Vec<u8>>(2)?),
                digest: Digest(row.get(3)?),
                draft: row.get::<_, i64>(4)? != 0,
                standing: standing(row.get(5)?),
            });
        }
        Ok(())
    }

    /// One item.
    pub fn item(&self, key: ItemKey) -> Result<Option<ItemRow>, StateError> {
        Ok(self.0.prepare_cached(&format!("{ITEM} WHERE item.key = ?1"))?.query_row([key.0], item_row).optional()?)
    }

    /// The item of a folder whose file has this name.
    pub fn item_of_file(&self, folder: FolderKey, file: &FileKey) -> Result<Option<ItemRow>, StateError> {
        let sql = format!("{ITEM} WHERE folder = ?1 AND file_hash = ?2");
        let mut statement = self.0.prepare_cached(&sql)?;
        let mut rows = statement.query(params![folder.0, name_hash(file)])?;
        while let Some(row) = rows.next()? {
            let item = item_row(row)?;
            if item.file == *file {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// The item that has this id on the server of that account.
    pub fn item_by_id(&self, account: AccountKey, id: &ItemId) -> Result<Option<ItemRow>, StateError> {
        let sql =
            format!("{ITEM} JOIN folder ON folder.key = item.folder WHERE remote_hash = ?1 AND folder.account = ?2");
        let mut statement = self.0.prepare_cached(&sql)?;
        let mut rows = statement.query(params![hash(id.as_str().as_bytes()), account.0])?;
        while let Some(row) = rows.next()? {
            let item = item_row(row)?;
            if item.id == *id {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// The items of an account with this search key: one and its copies.
    pub fn items_by_search(&self, account: AccountKey, search: i64) -> Result<Vec<ItemRow>, StateError> {
        let sql = format!(
            "{ITEM} JOIN folder ON folder.key = item.folder WHERE search_hash = ?1 AND folder.account = ?2 ORDER BY item.key LIMIT 100"
        );
        let mut statement = self.0.prepare_cached(&sql)?;
        let rows = statement.query_map(params![search, account.0], item_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The items of an account whose search keys no listing has told: they were uploaded lately.
    pub fn items_without_search(&self, account: AccountKey) -> Result<Vec<ItemRow>, StateError> {
        let sql = format!(
            "{ITEM} JOIN folder ON folder.key = item.folder
             WHERE search_hash IS NULL AND folder.account = ?1 ORDER BY item.key DESC LIMIT 1000"
        );
        let mut statement = self.0.prepare_cached(&sql)?;
        let rows = statement.query_map([account.0], item_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The items of an account that stand so.
    pub fn items_standing(&self, account: AccountKey, standing: Standing) -> Result<Vec<ItemRow>, StateError> {
        let sql = format!(
            "{ITEM} JOIN folder ON folder.key = item.folder
             WHERE standing = ?1 AND standing <> 0 AND folder.account = ?2 ORDER BY item.key"
        );
        let mut statement = self.0.prepare_cached(&sql)?;
        let rows = statement.query_map(params![standing as i64, account.0], item_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every item of a folder that the server has, for a comparison with a complete listing.
    pub fn item_keys(&self, folder: FolderKey) -> Result<HashSet<ItemKey>, StateError> {
        let mut statement = self.0.prepare_cached("SELECT key FROM item WHERE folder = ?1 AND standing <> 2")?;
        let rows = statement.query_map([folder.0], |row| Ok(ItemKey(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether a folder has drafts: they are edited in place, which no directory tells.
    pub fn has_drafts(&self, folder: FolderKey) -> Result<bool, StateError> {
        let mut statement =
            self.0.prepare_cached("SELECT EXISTS (SELECT 1 FROM item WHERE folder = ?1 AND (server & 2) <> 0)")?;
        Ok(statement.query_row([folder.0], |row| row.get(0))?)
    }

    /// The folders of an account that have drafts.
    pub fn folders_with_drafts(&self, account: AccountKey) -> Result<HashSet<FolderKey>, StateError> {
        let mut statement = self.0.prepare_cached(
            "SELECT key FROM folder WHERE account = ?1
             AND EXISTS (SELECT 1 FROM item WHERE item.folder = folder.key AND (server & 2) <> 0)",
        )?;
        let folders = statement.query_map([account.0], |row| Ok(FolderKey(row.get(0)?)))?;
        Ok(folders.collect::<Result<_, _>>()?)
    }

    /// How many items of a folder the server should have, as far as it told.
    pub fn count_present(&self, folder: FolderKey) -> Result<u64, StateError> {
        let mut statement = self.0.prepare_cached("SELECT count(*) FROM item WHERE folder = ?1 AND standing <> ?2")?;
        Ok(statement.query_row(params![folder.0, Standing::Gone as i64], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    /// How many items the base has in a folder.
    pub fn count_items(&self, folder: FolderKey) -> Result<u64, StateError> {
        let mut statement = self.0.prepare_cached("SELECT count(*) FROM item WHERE folder = ?1")?;
        Ok(statement.query_row([folder.0], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }
}

impl Writer<'_> {
    /// Adds an item; its `key` is not looked at.
    pub fn add_item(&self, item: &ItemRow) -> Result<ItemKey, StateError> {
        self.store_item(
            "INSERT INTO item (key, folder, remote_id, remote_hash, change_key, search_hash, size, server, categories, file, file_hash,
             flags, len, digest, rendering, standing)
             VALUES (:key, :folder, :id, :id_hash, :change_key, :search, :size, :server, :categories, :file, :file_hash,
             :flags, :len, :digest, :rendering, :standing)",
            item,
            None,
        )?;
        Ok(ItemKey(self.last_insert_rowid()))
    }

    /// Notes all of an item anew.
    pub fn set_item(&self, item: &ItemRow) -> Result<(), StateError> {
        self.end_begun(item.key)?;
        self.store_item(
            "UPDATE item SET folder = :folder, remote_id = :id, remote_hash = :id_hash, change_key = :change_key, search_hash = :search,
             size = :size, server = :server, categories = :categories, file = :file, file_hash = :file_hash, flags = :flags, len = :len,
             digest = :digest, rendering = :rendering, standing = :standing WHERE key = :key",
            item,
            Some(item.key),
        )
    }

    fn store_item(&self, sql: &str, item: &ItemRow, key: Option<ItemKey>) -> Result<(), StateError> {
        self.prepare_cached(sql)?.execute(named_params! {
            ":key": key.map(|key| key.0),
            ":folder": item.folder.0,
            ":id": IdColumn(item.id.as_str()),
            ":id_hash": hash(item.id.as_str().as_bytes()),
            ":change_key": IdColumn(item.change_key.as_str()),
            ":search": item.search,
            ":size": item.size.cast_signed(),
            ":server": pack(&item.server),
            ":categories": self.category_set(&item.server.categories)?,
            ":file": item.file.as_bytes(),
            ":file_hash": name_hash(&item.file),
            ":flags": item.flags.to_bits(),
            ":len": item.len.cast_signed(),
            ":digest": item.digest.0,
            ":rendering": item.rendering.map(|digest| digest.0),
            ":standing": item.standing as i64,
        })?;
        Ok(())
    }

    pub(super) fn category_set(&self, categories: &Categories) -> Result<Option<i64>, StateError> {
        if categories.is_empty() {
            return Ok(None);
        }
        let names: Vec<&str> = categories.iter().map(|category| category.0.as_str()).collect();
        let names = serde_json::Value::from(names).to_string();
        self.prepare_cached("INSERT INTO category_set (names) VALUES (?1) ON CONFLICT DO NOTHING")?
            .execute([&names])?;
        let key = self
            .prepare_cached("SELECT key FROM category_set WHERE names = ?1")?
            .query_row([&names], |row| row.get(0))?;
        Ok(Some(key))
    }

    /// Notes how an item stands.
    pub fn set_standing(&self, key: ItemKey, standing: Standing) -> Result<(), StateError> {
        self.end_begun(key)?;
        self.prepare_cached("UPDATE item SET standing = ?2 WHERE key = ?1")?
            .execute(params![key.0, standing as i64])?;
        Ok(())
    }

    /// Notes that the file of an arriving item is in place. One that another folder's listing has found meanwhile stands as that noted.
    pub fn set_arrived(&self, key: ItemKey) -> Result<(), StateError> {
        self.prepare_cached("UPDATE item SET standing = 0 WHERE key = ?1 AND standing = 1")?.execute([key.0])?;
        Ok(())
    }

    /// Notes that the server reported the item gone from under that id. An item that another folder's listing has found again meanwhile has a
    /// new id, and is not gone; one that it is about to note under a new id keeps what was begun.
    pub fn set_gone(&self, key: ItemKey, id: &ItemId) -> Result<(), StateError> {
        self.end_begun_under(key, id)?;
        self.prepare_cached("UPDATE item SET standing = ?3 WHERE key = ?1 AND remote_hash = ?2")?.execute(params![
            key.0,
            hash(id.as_str().as_bytes()),
            Standing::Gone as i64
        ])?;
        Ok(())
    }

    /// A new version of the message was uploaded as an item of its own. What the server still has of the old one is to be deleted: the row
    /// stays, without a file and without content that one could be known by, until that is done.
    pub fn supersede(&self, item: &ItemRow) -> Result<(), StateError> {
        if item.standing == Standing::Gone {
            return self.forget_item(item.key);
        }
        let file = FileKey::new(format!(".superseded.{}", item.key.0).into_bytes());
        self.set_item(&ItemRow { file, len: 0, digest: Digest([0; 16]), ..item.clone() })
    }

    /// Forgets an item.
    pub fn forget_item(&self, key: ItemKey) -> Result<(), StateError> {
        self.end_begun(key)?;
        self.prepare_cached("DELETE FROM item WHERE key = ?1")?.execute([key.0])?;
        Ok(())
    }
}
