//! The master list of categories as both sides last agreed on it.

use rusqlite::{OptionalExtension, Row, named_params};

use super::{AccountKey, Reader, StateError, Writer};
use crate::local::FileStat;
use crate::pim::{ActivityMark, Categories, CategoryList, Digest, UnixTime};

/// An account's master list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CategoryListRow {
    /// What was agreed.
    pub base: CategoryList,
    /// Hash of the file as it was left; `None` where there was none.
    pub digest: Option<Digest>,
    /// The file's size and time, where they tell that it did not change since.
    pub stat: Option<FileStat>,
    /// Hash of the file that the server did not take: it is not sent again before it changes.
    pub refused: Option<Digest>,
    /// Which deletions wait for a word of the list's owner.
    pub held: Categories,
    /// Why the list is not in step.
    pub trouble: Option<String>,
    /// When the server was last asked.
    pub asked_at: Option<UnixTime>,
    /// The calendar's hint at that time.
    pub activity: Option<ActivityMark>,
}

fn digest(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Digest>> {
    let bytes: Option<Vec<u8>> = row.get(column)?;
    Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map(Digest))
}

fn list_row(row: &Row<'_>) -> rusqlite::Result<CategoryListRow> {
    let stat = match (row.get::<_, Option<i64>>("len")?, row.get("mtime_ns")?, row.get::<_, Option<i64>>("ino")?) {
        (Some(len), Some(mtime_ns), Some(ino)) => {
            Some(FileStat { len: len.cast_unsigned(), mtime_ns, ino: ino.cast_unsigned() })
        }
        _ => None,
    };
    Ok(CategoryListRow {
        // What cannot be read was not agreed: the sides are compared anew, and nothing is deleted.
        base: serde_json::from_str(&row.get::<_, String>("base")?).unwrap_or_default(),
        digest: digest(row, "digest")?,
        stat,
        refused: digest(row, "refused")?,
        held: row
            .get::<_, Option<String>>("held")?
            .and_then(|names| serde_json::from_str(&names).ok())
            .unwrap_or_default(),
        trouble: row.get("trouble")?,
        asked_at: row.get::<_, Option<i64>>("asked_at")?.map(UnixTime),
        activity: row.get::<_, Option<String>>("activity")?.map(ActivityMark),
    })
}

impl Reader<'_> {
    /// The account's master list; nothing agreed where none was met.
    pub fn category_list(&self, account: AccountKey) -> Result<CategoryListRow, StateError> {
        let mut statement = self.0.prepare_cached("SELECT * FROM category_list WHERE account = ?1")?;
        Ok(statement.query_row([account.0], list_row).optional()?.unwrap_or_default())
    }
}

impl Writer<'_> {
    /// Notes how the account's master list stands.
    pub fn set_category_list(&self, account: AccountKey, row: &CategoryListRow) -> Result<(), StateError> {
        self.prepare_cached(
            "INSERT OR REPLACE INTO category_list (account, base, digest, len, mtime_ns, ino, refused, held, trouble, asked_at, activity)
             VALUES (:account, :base, :digest, :len, :mtime, :ino, :refused, :held, :trouble, :asked, :activity)",
        )?
        .execute(named_params! {
            ":account": account.0,
            ":base": serde_json::to_string(&row.base).unwrap_or_default(),
            ":digest": row.digest.map(|digest| digest.0),
            ":len": row.stat.map(|stat| stat.len.cast_signed()),
            ":mtime": row.stat.map(|stat| stat.mtime_ns),
            ":ino": row.stat.map(|stat| stat.ino.cast_signed()),
            ":refused": row.refused.map(|digest| digest.0),
            ":held": (!row.held.is_empty()).then(|| serde_json::to_string(&row.held).unwrap_or_default()),
            ":trouble": row.trouble,
            ":asked": row.asked_at.map(|time| time.0),
            ":activity": row.activity.as_ref().map(|mark| &mark.0),
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pim::MasterCategory;
    use crate::state::State;

    #[test]
    fn what_is_noted_of_the_list_is_read_back() {
        let state = State::in_memory().unwrap();
        let account = state.write(|tx| tx.ensure_account("a")).unwrap();
        assert_eq!(state.read(|state| state.category_list(account)).unwrap(), CategoryListRow::default());
        let row = CategoryListRow {
            base: [MasterCategory::named("Work"), MasterCategory { shortcut: 3, ..MasterCategory::named("Home") }]
                .into_iter()
                .collect(),
            digest: Some(Digest([1; 16])),
            stat: Some(FileStat { len: 5, mtime_ns: -3, ino: u64::MAX }),
            refused: Some(Digest([2; 16])),
            held: [crate::pim::Category("two".to_owned())].into(),
            trouble: Some("no".to_owned()),
            asked_at: Some(UnixTime(9)),
            activity: Some(ActivityMark("x".to_owned())),
        };
        for row in [row.clone(), row] {
            state.write(|tx| tx.set_category_list(account, &row)).unwrap();
            assert_eq!(state.read(|state| state.category_list(account)).unwrap(), row);
        }
    }
}
