//! Changes of files that were begun and not noted yet.
//!
//! A file that was changed as the server had it, right before a crash, says something else than the base. As long as the server says the same,
//! that settles itself. Were the server's change taken back meanwhile, the file would look as if its owner had changed it.

use rusqlite::{OptionalExtension, named_params, params};

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

    /// What is noted of an item under an id says nothing of a change that was begun with another.
    pub(super) fn end_begun_under(&self, key: ItemKey, id: &ItemId) -> Result<(), StateError> {
        let begun: Option<i64> = self
            .prepare_cached("SELECT 1 FROM pulling WHERE item = ?1 AND remote_id <> ?2")?
            .query_row(params![key.0, IdColumn(id.as_str())], |row| row.get(0))
            .optional()?;
        if begun.is_some() { Ok(()) } else { self.end_begun(key) }
    }

    /// Whatever is noted of an item settles what was begun.
    pub fn end_pulling(&self, key: ItemKey) -> Result<(), StateError> {
        self.prepare_cached("DELETE FROM pulling WHERE item = ?1")?.execute([key.0])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pim::{Digest, FolderId, FolderKind, ServerMarks};
    use crate::state::{FolderRow, Listing, State};

    /// Two folders' pages are carried out side by side: the one that a message left tells that it is gone while the other one moves its file.
    #[test]
    fn a_message_that_is_gone_under_its_old_id_keeps_what_was_begun_under_the_new_one() {
        let state = State::in_memory().unwrap();
        let account = state.write(|tx| tx.ensure_account("a")).unwrap();
        let folder = |name: &str| FolderRow {
            key: FolderKey(0),
            id: FolderId::new(name),
            parent: None,
            name: name.to_owned(),
            kind: FolderKind::Mail,
            special: None,
            dir: Some(name.to_owned()),
            dir_id: None,
            listing: Listing::default(),
            on_server: true,
            total: None,
        };
        let (inbox, junk) = (folder("Inbox"), folder("Junk Email"));
        let (inbox, junk) =
            state.write(|tx| Ok((tx.add_folder(account, &inbox)?, tx.add_folder(account, &junk)?))).unwrap();
        let mut row = ItemRow {
            key: ItemKey(0),
            folder: inbox,
            id: ItemId::new("AAEC"),
            change_key: ChangeKey::new("k1"),
            search: None,
            size: 1,
            server: ServerMarks::default(),
            file: FileKey::new(b"a".to_vec()),
            flags: Flags::default(),
            len: 1,
            digest: Digest([7; 16]),
            rendering: None,
            standing: Standing::Agreed,
        };
        row.key = state.write(|tx| tx.add_item(&row)).unwrap();
        let moved = ItemRow { folder: junk, id: ItemId::new("AAED"), ..row.clone() };
        let begun = Pulling { row: moved.clone(), lies_in: junk, says: Marks::default() };
        state.write(|tx| tx.begin_pulling(&begun)).unwrap();
        state.write(|tx| tx.set_gone(row.key, &row.id)).unwrap();
        assert_eq!(state.read(|tx| tx.pullings(account)).unwrap(), [begun]);
        state.write(|tx| tx.set_gone(row.key, &moved.id)).unwrap();
        assert_eq!(state.read(|tx| tx.pullings(account)).unwrap(), []);
    }
}
