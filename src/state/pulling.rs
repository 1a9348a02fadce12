//! Changes of files that were begun and not noted yet.
//!
//! A file that was changed as the server had it, right before a crash, says something else than the base. As long as the server says the same,
//! that settles itself. Were the server's change taken back meanwhile, the file would look as if its owner had changed it.

use rusqlite::named_params;

use super::items::{IdColumn, categories_in, id_text, pack, unpack};
use super::{AccountKey, ItemRow, Reader, Standing, StateError, Writer};
use crate::pim::{ChangeKey, FileKey, Flags, FolderKey, ItemId, ItemKey, Marks};

/// A change of a file that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulling {
    /// The item as it is noted when the change is done.
    pub row: ItemRow,
    /// The folder in which the file lies then.
    pub lies_in: FolderKey,
    /// What the file says then.
    pub says: Marks,
}

impl Reader<'_> {
    /// The changes of an account's files that were begun and not noted.
    pub fn pullings(&self, account: AccountKey) -> Result<Vec<Pulling>, StateError> {
        let mut statement = self.0.prepare_cached(
            "SELECT pulling.*, now.names AS names, then_.names AS says_names FROM pulling
             JOIN folder ON folder.key = pulling.lies_in
             LEFT JOIN category_set AS now ON now.key = pulling.categories
             LEFT JOIN category_set AS then_ ON then_.key = pulling.says_categories
             WHERE folder.account = ?1 ORDER BY item",
        )?;
        let mut rows = statement.query([account.0])?;
        let mut begun = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(before) = self.item(ItemKey(row.get("item")?))? else { continue };
            let after = ItemRow {
                folder: FolderKey(row.get("folder")?),
                id: ItemId::new(id_text(row, "remote_id")?),
                change_key: ChangeKey::new(id_text(row, "change_key")?),
                search: row.get("search_hash")?,
                size: row.get::<_, i64>("size")?.unsigned_abs(),
                server: unpack(row.get("server")?, categories_in(row, "names")?),
                file: FileKey::new(row.get::<_, Vec<u8>>("file")?),
                flags: Flags::from_bits(row.get("flags")?),
                standing: Standing::Agreed,
                ..before
            };
            let flags = Flags::from_bits(row.get("says")?);
            let says = Marks { flags, categories: categories_in(row, "says_names")? };
            begun.push(Pulling { row: after, lies_in: FolderKey(row.get("lies_in")?), says });
        }
        Ok(begun)
    }
}

impl Writer<'_> {
    /// Notes that a file is about to be changed.
    pub fn begin_pulling(&self, pulling: &Pulling) -> Result<(), StateError> {
        let row = &pulling.row;
        self.prepare_cached(
            "INSERT OR REPLACE INTO pulling (item, lies_in, file, says, says_categories, folder, remote_id, change_key, search_hash,
             size, server, categories, flags)
             VALUES (:item, :lies_in, :file, :says, :says_categories, :folder, :id, :change_key, :search, :size, :server, :categories, :flags)",
        )?
        .execute(named_params! {
            ":item": row.key.0,
            ":lies_in": pulling.lies_in.0,
            ":file": row.file.as_bytes(),
            ":says": pulling.says.flags.to_bits(),
            ":says_categories": self.category_set(&pulling.says.categories)?,
            ":folder": row.folder.0,
            ":id": IdColumn(row.id.as_str()),
            ":change_key": IdColumn(row.change_key.as_str()),
            ":search": row.search,
            ":size": row.size.cast_signed(),
            ":server": pack(&row.server),
            ":categories": self.category_set(&row.server.categories)?,
            ":flags": row.flags.to_bits(),
        })?;
        Ok(())
    }

    /// Whatever is noted of an item settles what was begun.
    pub fn end_pulling(&self, key: ItemKey) -> Result<(), StateError> {
        self.prepare_cached("DELETE FROM pulling WHERE item = ?1")?.execute([key.0])?;
        Ok(())
    }
}
