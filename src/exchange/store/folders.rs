//! Folders: the tree, its counters, and what every mailbox begins with.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::props::ExtendedProperty;
use super::super::time;
use super::{events, items, next_change};

/// A folder as it is stored.
#[derive(Debug, Clone)]
pub(in super::super) struct FolderRow {
    pub(in super::super) id: i64,
    pub(in super::super) mailbox: i64,
    pub(in super::super) parent: Option<i64>,
    pub(in super::super) name: String,
    pub(in super::super) class: Option<String>,
    /// The name of a distinguished folder: `inbox`, `sentitems` …
    pub(in super::super) distinguished: Option<String>,
    pub(in super::super) hidden: bool,
    pub(in super::super) extended: Vec<ExtendedProperty>,
    pub(in super::super) changed_cn: i64,
    /// PidTagLocalCommitTimeMax, in 100 ns since 1970: moves with every change in the folder.
    pub(in super::super) commit_time: i64,
    /// PidTagDeletedCountTotal: how many items ever left the folder.
    pub(in super::super) deleted_count: i64,
    pub(in super::super) total: i64,
    pub(in super::super) unread: i64,
    pub(in super::super) children: i64,
}

const COLUMNS: &str = "f.id, f.mailbox, f.parent, f.name, f.class, f.distinguished, f.hidden, f.ext, f.changed_cn, \
    f.commit_time, f.deleted_count, f.total, f.unread, \
    (SELECT COUNT(*) FROM folders c WHERE c.mailbox = f.mailbox AND c.parent = f.id)";

fn read(row: &Row<'_>) -> rusqlite::Result<FolderRow> {
    let extended: String = row.get(7)?;
    Ok(FolderRow {
        id: row.get(0)?,
        mailbox: row.get(1)?,
        parent: row.get(2)?,
        name: row.get(3)?,
        class: row.get(4)?,
        distinguished: row.get(5)?,
        hidden: row.get(6)?,
        extended: serde_json::from_str(&extended).unwrap_or_default(),
        changed_cn: row.get(8)?,
        commit_time: row.get(9)?,
        deleted_count: row.get(10)?,
        total: row.get(11)?,
        unread: row.get(12)?,
        children: row.get(13)?,
    })
}

/// Name, display name, parent, class and whether it is hidden, of the folders that every mailbox has.
const STANDARD: &[(&str, &str, &str, Option<&str>, bool)] = &[
    ("root", "root", "", None, false),
    ("msgfolderroot", "Top of Information Store", "root", Some("IPF"), false),
    ("inbox", "Inbox", "msgfolderroot", Some("IPF.Note"), false),
    ("outbox", "Outbox", "msgfolderroot", Some("IPF.Note"), false),
    ("deleteditems", "Deleted Items", "msgfolderroot", Some("IPF.Note"), false),
    ("sentitems", "Sent Items", "msgfolderroot", Some("IPF.Note"), false),
    ("drafts", "Drafts", "msgfolderroot", Some("IPF.Note"), false),
    ("junkemail", "Junk Email", "msgfolderroot", Some("IPF.Note"), false),
    ("calendar", "Calendar", "msgfolderroot", Some("IPF.Appointment"), false),
    ("contacts", "Contacts", "msgfolderroot", Some("IPF.Contact"), false),
    ("tasks", "Tasks", "msgfolderroot", Some("IPF.Task"), false),
    ("notes", "Notes", "msgfolderroot", Some("IPF.StickyNote"), false),
    ("journal", "Journal", "msgfolderroot", Some("IPF.Journal"), false),
    ("", "Conversation Action Settings", "msgfolderroot", Some("IPF.Configuration"), true),
    ("", "Common Views", "root", None, true),
    ("", "Finder", "root", None, false),
];

/// Makes the root of the public folders.
pub(super) fn create_public(db: &Connection, mailbox: i64) -> rusqlite::Result<()> {
    let root = create_folder(db, mailbox, None, "IPM_SUBTREE", Some("IPF"), &[])?;
    db.prepare_cached("UPDATE folders SET distinguished = 'publicfoldersroot' WHERE id = ?1")?.execute([root])?;
    Ok(())
}

/// The same of the folders that every archive has.
const ARCHIVE: &[(&str, &str, &str, Option<&str>, bool)] = &[
    ("archiveroot", "root", "", None, false),
    ("archivemsgfolderroot", "Top of Information Store", "archiveroot", Some("IPF"), false),
    ("archivedeleteditems", "Deleted Items", "archivemsgfolderroot", Some("IPF.Note"), false),
];

/// Makes the folders that every mailbox has.
pub(super) fn create_standard(db: &Connection, mailbox: i64) -> rusqlite::Result<()> {
    create_all(db, mailbox, STANDARD)
}

/// Makes the folders that every archive has.
pub(super) fn create_archive(db: &Connection, mailbox: i64) -> rusqlite::Result<()> {
    create_all(db, mailbox, ARCHIVE)
}

fn create_all(
    db: &Connection,
    mailbox: i64,
    folders: &[(&str, &str, &str, Option<&str>, bool)],
) -> rusqlite::Result<()> {
    for (distinguished, name, parent, class, hidden) in folders {
        let parent = distinguished_folder(db, mailbox, parent)?.map(|folder| folder.id);
        let id = create_folder(db, mailbox, parent, name, *class, &[])?;
        let distinguished = Some(*distinguished).filter(|name| !name.is_empty());
        db.prepare_cached("UPDATE folders SET distinguished = ?2, hidden = ?3 WHERE id = ?1")?.execute(params![
            id,
            distinguished,
            hidden
        ])?;
    }
    Ok(())
}

/// The folder with this number, of this mailbox.
pub(in super::super) fn folder(db: &Connection, mailbox: i64, id: i64) -> rusqlite::Result<Option<FolderRow>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM folders f WHERE f.mailbox = ?1 AND f.id = ?2"))?
        .query_row([mailbox, id], read)
        .optional()
}

/// The distinguished folder of this name.
pub(in super::super) fn distinguished_folder(
    db: &Connection,
    mailbox: i64,
    name: &str,
) -> rusqlite::Result<Option<FolderRow>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM folders f WHERE f.mailbox = ?1 AND f.distinguished = ?2"))?
        .query_row(params![mailbox, name], read)
        .optional()
}

/// Where deleted items of a mailbox or an archive go.
pub(in super::super) fn deleted_items(db: &Connection, mailbox: i64) -> rusqlite::Result<Option<FolderRow>> {
    match distinguished_folder(db, mailbox, "deleteditems")? {
        None => distinguished_folder(db, mailbox, "archivedeleteditems"),
        found => Ok(found),
    }
}

/// The folders directly (or, when `deep`, anywhere) below a folder: parents before children, else by name.
pub(in super::super) fn folders_under(
    db: &Connection,
    mailbox: i64,
    parent: i64,
    deep: bool,
) -> rusqlite::Result<Vec<FolderRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM folders f WHERE f.mailbox = ?1 AND f.parent = ?2 ORDER BY f.name COLLATE NOCASE, f.id"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = Vec::new();
    let mut waiting = vec![parent];
    while let Some(parent) = waiting.pop() {
        let children: Vec<FolderRow> = statement.query_map([mailbox, parent], read)?.collect::<Result<_, _>>()?;
        if deep {
            waiting.extend(children.iter().rev().map(|child| child.id));
        }
        found.extend(children);
    }
    Ok(found)
}

/// Makes a folder; the caller has looked that its name is free.
pub(in super::super) fn create_folder(
    db: &Connection,
    mailbox: i64,
    parent: Option<i64>,
    name: &str,
    class: Option<&str>,
    extended: &[ExtendedProperty],
) -> rusqlite::Result<i64> {
    let cn = next_change(db, mailbox)?;
    let extended = serde_json::to_string(extended).unwrap_or_else(|_| "[]".to_owned());
    db.prepare_cached(
        "INSERT INTO folders (mailbox, parent, name, class, ext, created_cn, changed_cn, commit_time)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7)",
    )?
    .execute(params![mailbox, parent, name, class, extended, cn, time::now_ticks()])?;
    let id = db.last_insert_rowid();
    events::note_folder(db, "CreatedEvent", mailbox, id, parent.unwrap_or(id), None)?;
    Ok(id)
}

/// Stores a folder's name, class and extended properties, as a change of the folder.
pub(in super::super) fn save_folder(db: &Connection, folder: &FolderRow) -> rusqlite::Result<()> {
    let cn = next_change(db, folder.mailbox)?;
    let extended = serde_json::to_string(&folder.extended).unwrap_or_else(|_| "[]".to_owned());
    db.prepare_cached("UPDATE folders SET name = ?2, class = ?3, ext = ?4, changed_cn = ?5 WHERE id = ?1")?
        .execute(params![folder.id, folder.name, folder.class, extended, cn])?;
    let parent = folder.parent.unwrap_or(folder.id);
    events::note_folder(db, "ModifiedEvent", folder.mailbox, folder.id, parent, None)
}

/// Puts a folder below another one; its id stays.
pub(in super::super) fn move_folder(
    db: &Connection,
    folder: &FolderRow,
    parent: i64,
    name: &str,
) -> rusqlite::Result<()> {
    let cn = next_change(db, folder.mailbox)?;
    db.prepare_cached("UPDATE folders SET parent = ?2, name = ?3, changed_cn = ?4 WHERE id = ?1")?
        .execute(params![folder.id, parent, name, cn])?;
    events::note_folder(db, "MovedEvent", folder.mailbox, folder.id, parent, folder.parent)
}

/// Removes a folder, its items and all below it for good.
pub(in super::super) fn delete_folder(db: &Connection, folder: &FolderRow) -> rusqlite::Result<()> {
    let mut doomed = folders_under(db, folder.mailbox, folder.id, true)?;
    doomed.reverse();
    doomed.push(folder.clone());
    for folder in doomed {
        items::delete_all(db, folder.id)?;
        let cn = next_change(db, folder.mailbox)?;
        db.prepare_cached(
            "INSERT INTO folder_tombstones (mailbox, folder, created_cn, deleted_cn)
             SELECT mailbox, id, created_cn, ?2 FROM folders WHERE id = ?1",
        )?
        .execute([folder.id, cn])?;
        db.prepare_cached("DELETE FROM folders WHERE id = ?1")?.execute([folder.id])?;
        db.prepare_cached("DELETE FROM configurations WHERE folder = ?1")?.execute([folder.id])?;
        let parent = folder.parent.unwrap_or(folder.id);
        events::note_folder(db, "DeletedEvent", folder.mailbox, folder.id, parent, None)?;
    }
    Ok(())
}

/// Records a change of what a folder holds: its counters, and the time that the cheap change hint tells.
pub(super) fn touch(db: &Connection, folder: i64, total: i64, unread: i64, deleted: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE folders SET total = total + ?2, unread = unread + ?3, deleted_count = deleted_count + ?4,
         commit_time = MAX(?5, commit_time + 1) WHERE id = ?1",
    )?
    .execute([folder, total, unread, deleted, time::now_ticks()])?;
    events::note_content(db, folder)
}
