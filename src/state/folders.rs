//! Accounts and folders of the base tree.

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::{Reader, StateError, Writer};
use crate::pim::{ActivityMark, FolderId, FolderKey, FolderKind, SpecialFolder, SyncState, UnixTime};

/// The number of an account in `state.db`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey(pub i64);

/// An account as the base knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub key: AccountKey,
    /// The root of the server's tree, once it was asked for.
    pub root: Option<FolderId>,
    /// Where the listing of folders goes on.
    pub hierarchy: Option<SyncState>,
}

/// A folder that both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderRow {
    /// Its number.
    pub key: FolderKey,
    /// Its id on the server.
    pub id: FolderId,
    /// The folder it lies in; `None` at the top.
    pub parent: Option<FolderKey>,
    /// Its true name.
    pub name: String,
    /// What it holds.
    pub kind: FolderKind,
    /// Its fixed role.
    pub special: Option<SpecialFolder>,
    /// Its directory below the account's, with `/` between; `None` when it has none.
    pub dir: Option<String>,
    /// Device and inode of the directory.
    pub dir_id: Option<(u64, u64)>,
    /// How far its items were listed.
    pub listing: Listing,
    /// Whether the server has it. One that is gone there is kept until its items are dealt with.
    pub on_server: bool,
    /// Items that the server counts in it.
    pub total: Option<u64>,
}

/// How far a folder's items were listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Where the server's listing goes on; `None`: from the beginning.
    pub state: Option<SyncState>,
    /// The server's hint at that time.
    pub activity: Option<ActivityMark>,
    /// When the server was last asked.
    pub asked_at: Option<UnixTime>,
    /// When the server's items were last listed from the beginning.
    pub listed_at: Option<UnixTime>,
    /// When the files were last compared with the base one by one, and no edit was left to be pushed.
    pub compared_at: Option<UnixTime>,
    /// The directory's stamp at the last scan that left nothing to do.
    pub stamp: Option<String>,
}

const FOLDER_COLUMNS: &str = "key, remote_id, parent, name, kind, special, dir, dev, ino, sync_state, activity, asked_at, listed_at, compared_at, stamp, on_server, total";

impl Reader<'_> {
    /// The account of that name, if any.
    pub fn account(&self, name: &str) -> Result<Option<Account>, StateError> {
        let mut statement = self.0.prepare_cached("SELECT key, root, hierarchy_state FROM account WHERE name = ?1")?;
        let account = statement.query_row([name], |row| {
            Ok(Account {
                key: AccountKey(row.get(0)?),
                root: row.get::<_, Option<String>>(1)?.map(FolderId::new),
                hierarchy: row.get::<_, Option<String>>(2)?.map(SyncState::new),
            })
        });
        Ok(account.optional()?)
    }

    /// All folders of an account.
    pub fn folders(&self, account: AccountKey) -> Result<Vec<FolderRow>, StateError> {
        let sql = format!("SELECT {FOLDER_COLUMNS} FROM folder WHERE account = ?1 ORDER BY key");
        let mut statement = self.0.prepare_cached(&sql)?;
        let rows = statement.query_map([account.0], folder_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether a folder of an account has this id on the server.
    pub fn knows_folder(&self, account: AccountKey, id: &FolderId) -> Result<bool, StateError> {
        let mut statement =
            self.0.prepare_cached("SELECT EXISTS (SELECT 1 FROM folder WHERE account = ?1 AND remote_id = ?2)")?;
        Ok(statement.query_row(params![account.0, id.as_str()], |row| row.get(0))?)
    }

    /// Whether another folder lies in this one.
    pub fn has_folders_in(&self, key: FolderKey) -> Result<bool, StateError> {
        let mut statement = self.0.prepare_cached("SELECT EXISTS (SELECT 1 FROM folder WHERE parent = ?1)")?;
        Ok(statement.query_row([key.0], |row| row.get(0))?)
    }

    /// One folder.
    pub fn folder(&self, key: FolderKey) -> Result<Option<FolderRow>, StateError> {
        let sql = format!("SELECT {FOLDER_COLUMNS} FROM folder WHERE key = ?1");
        Ok(self.0.prepare_cached(&sql)?.query_row([key.0], folder_row).optional()?)
    }
}

/// A row of [`FOLDER_COLUMNS`], by their numbers: names would be looked for in each row anew, and each sync reads all folders.
fn folder_row(row: &Row<'_>) -> rusqlite::Result<FolderRow> {
    let dir_id = match (row.get::<_, Option<i64>>(7)?, row.get::<_, Option<i64>>(8)?) {
        (Some(dev), Some(ino)) => Some((dev.cast_unsigned(), ino.cast_unsigned())),
        _ => None,
    };
    Ok(FolderRow {
        key: FolderKey(row.get(0)?),
        id: FolderId::new(row.get::<_, String>(1)?),
        parent: row.get::<_, Option<i64>>(2)?.map(FolderKey),
        name: row.get(3)?,
        kind: FolderKind::from_word(&row.get::<_, String>(4)?).unwrap_or(FolderKind::Internal),
        special: row.get::<_, Option<String>>(5)?.and_then(|word| SpecialFolder::from_word(&word)),
        dir: row.get(6)?,
        dir_id,
        listing: Listing {
            state: row.get::<_, Option<String>>(9)?.map(SyncState::new),
            activity: row.get::<_, Option<String>>(10)?.map(ActivityMark),
            asked_at: row.get::<_, Option<i64>>(11)?.map(UnixTime),
            listed_at: row.get::<_, Option<i64>>(12)?.map(UnixTime),
            compared_at: row.get::<_, Option<i64>>(13)?.map(UnixTime),
            stamp: row.get(14)?,
        },
        on_server: row.get(15)?,
        total: row.get::<_, Option<i64>>(16)?.map(i64::unsigned_abs),
    })
}

impl Writer<'_> {
    /// The account of that name, made where it is missing.
    pub fn ensure_account(&self, name: &str) -> Result<AccountKey, StateError> {
        self.execute("INSERT INTO account (name) VALUES (?1) ON CONFLICT DO NOTHING", [name])?;
        Ok(AccountKey(self.query_row("SELECT key FROM account WHERE name = ?1", [name], |row| row.get(0))?))
    }

    /// Notes the root of the server's tree.
    pub fn set_root(&self, account: AccountKey, root: &FolderId) -> Result<(), StateError> {
        self.execute("UPDATE account SET root = ?2 WHERE key = ?1", params![account.0, root.as_str()])?;
        Ok(())
    }

    /// Notes where the listing of folders goes on.
    pub fn set_hierarchy(&self, account: AccountKey, state: Option<&SyncState>) -> Result<(), StateError> {
        let state = state.map(SyncState::as_str);
        self.execute("UPDATE account SET hierarchy_state = ?2 WHERE key = ?1", params![account.0, state])?;
        Ok(())
    }

    /// Adds a folder; its `key` and `listing` are not looked at.
    pub fn add_folder(&self, account: AccountKey, folder: &FolderRow) -> Result<FolderKey, StateError> {
        self.prepare_cached("INSERT INTO folder (account, remote_id, name, kind) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![account.0, folder.id.as_str(), folder.name, folder.kind.as_str()])?;
        let key = FolderKey(self.last_insert_rowid());
        self.set_folder(&FolderRow { key, ..folder.clone() })?;
        Ok(key)
    }

    /// Notes a folder's id, name, place, role, kind and directory.
    pub fn set_folder(&self, folder: &FolderRow) -> Result<(), StateError> {
        self.prepare_cached(
            "UPDATE folder SET remote_id = :id, parent = :parent, name = :name, kind = :kind, special = :special, dir = :dir,
             dev = :dev, ino = :ino, on_server = :on_server WHERE key = :key",
        )?
        .execute(named_params! {
            ":key": folder.key.0,
            ":on_server": folder.on_server,
            ":id": folder.id.as_str(),
            ":parent": folder.parent.map(|key| key.0),
            ":name": folder.name,
            ":kind": folder.kind.as_str(),
            ":special": folder.special.map(SpecialFolder::as_str),
            ":dir": folder.dir,
            ":dev": folder.dir_id.map(|(dev, _)| dev.cast_signed()),
            ":ino": folder.dir_id.map(|(_, ino)| ino.cast_signed()),
        })?;
        Ok(())
    }

    /// Notes how far a folder was listed.
    pub fn set_listing(&self, folder: FolderKey, listing: &Listing) -> Result<(), StateError> {
        self.prepare_cached(
            "UPDATE folder SET sync_state = ?2, activity = ?3, asked_at = ?4, listed_at = ?5, stamp = ?6, compared_at = ?7 WHERE key = ?1",
        )?
        .execute(params![
            folder.0,
            listing.state.as_ref().map(SyncState::as_str),
            listing.activity.as_ref().map(|mark| &mark.0),
            listing.asked_at.map(|time| time.0),
            listing.listed_at.map(|time| time.0),
            listing.stamp,
            listing.compared_at.map(|time| time.0),
        ])?;
        Ok(())
    }

    /// Notes how many items the server counts in a folder.
    pub fn set_total(&self, folder: FolderKey, total: u64) -> Result<(), StateError> {
        self.execute("UPDATE folder SET total = ?2 WHERE key = ?1", params![folder.0, total.cast_signed()])?;
        Ok(())
    }

    /// Forgets a folder and all that was noted of its items.
    pub fn forget_folder(&self, folder: FolderKey) -> Result<(), StateError> {
        for table in ["item", "entry", "upload", "entry_upload", "trouble", "conflict", "held"] {
            self.execute(&format!("DELETE FROM {table} WHERE folder = ?1"), [folder.0])?;
        }
        self.execute("DELETE FROM folder WHERE key = ?1", [folder.0])?;
        Ok(())
    }
}
