//! What folders of contacts and their like hold on the server that no file here has: items of other kinds, and what is attached to events and has
//! no place in their files. Noted so that `status` can name it.

use rusqlite::params;

use super::{AccountKey, Reader, StateError, Writer};
use crate::pim::{FolderKey, ItemId};

/// Something that is on the server only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlyThere {
    /// Its folder.
    pub folder: FolderKey,
    /// The item that it is, or is attached to.
    pub id: ItemId,
    /// The class of the item; empty where it is something attached.
    pub class: String,
    /// What people know it by.
    pub name: String,
}

impl Reader<'_> {
    /// All that an account has on the server only, folder by folder, by name.
    pub fn only_there(&self, account: AccountKey) -> Result<Vec<OnlyThere>, StateError> {
        let mut statement = self.0.prepare_cached(
            "SELECT only_there.* FROM only_there JOIN folder ON folder.key = only_there.folder
             WHERE folder.account = ?1 ORDER BY only_there.folder, only_there.class, only_there.name",
        )?;
        let rows = statement.query_map([account.0], |row| {
            Ok(OnlyThere {
                folder: FolderKey(row.get("folder")?),
                id: ItemId::new(row.get::<_, String>("remote_id")?),
                class: row.get("class")?,
                name: row.get("name")?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Writer<'_> {
    /// Notes something that is on the server only.
    pub fn add_only_there(&self, row: &OnlyThere) -> Result<(), StateError> {
        self.prepare_cached(
            "INSERT OR REPLACE INTO only_there (folder, remote_id, class, name) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![row.folder.0, row.id.as_str(), row.class, row.name])?;
        Ok(())
    }

    /// Forgets what is known of an item in that folder.
    pub fn end_only_there(&self, folder: FolderKey, id: &ItemId) -> Result<(), StateError> {
        self.prepare_cached("DELETE FROM only_there WHERE folder = ?1 AND remote_id = ?2")?
            .execute(params![folder.0, id.as_str()])?;
        Ok(())
    }

    /// Forgets all that is known of a folder: it is listed anew.
    pub fn clear_only_there(&self, folder: FolderKey) -> Result<(), StateError> {
        self.prepare_cached("DELETE FROM only_there WHERE folder = ?1")?.execute([folder.0])?;
        Ok(())
    }
}
