//! The tables.

pub(super) const SCHEMA: &str = "
CREATE TABLE mailboxes (
    id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE COLLATE NOCASE, guid TEXT NOT NULL, cn INTEGER NOT NULL);
CREATE TABLE folders (
    id INTEGER PRIMARY KEY AUTOINCREMENT, mailbox INTEGER NOT NULL, parent INTEGER, name TEXT NOT NULL,
    class TEXT, distinguished TEXT, hidden INTEGER NOT NULL DEFAULT 0, ext TEXT NOT NULL DEFAULT '[]',
    created_cn INTEGER NOT NULL, changed_cn INTEGER NOT NULL,
    commit_time INTEGER NOT NULL, deleted_count INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0, unread INTEGER NOT NULL DEFAULT 0);
CREATE INDEX folders_parent ON folders (mailbox, parent);
CREATE TABLE folder_tombstones (
    mailbox INTEGER NOT NULL, folder INTEGER NOT NULL, created_cn INTEGER NOT NULL, deleted_cn INTEGER NOT NULL);
CREATE INDEX folder_tombstones_cn ON folder_tombstones (mailbox, deleted_cn);
CREATE TABLE contents (id INTEGER PRIMARY KEY AUTOINCREMENT, mime BLOB NOT NULL);
CREATE TABLE items (
    id INTEGER PRIMARY KEY AUTOINCREMENT, mailbox INTEGER NOT NULL, folder INTEGER NOT NULL, content INTEGER NOT NULL,
    class TEXT NOT NULL, element TEXT NOT NULL, subject TEXT NOT NULL, message_id TEXT,
    is_read INTEGER NOT NULL, is_draft INTEGER NOT NULL, associated INTEGER NOT NULL DEFAULT 0,
    received INTEGER NOT NULL, sent INTEGER NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
    size INTEGER NOT NULL, has_attachments INTEGER NOT NULL, search_key BLOB NOT NULL, meta TEXT NOT NULL,
    created_cn INTEGER NOT NULL, changed_cn INTEGER NOT NULL, read_cn INTEGER NOT NULL, key_cn INTEGER NOT NULL,
    master INTEGER NOT NULL DEFAULT 0, instance INTEGER NOT NULL DEFAULT 0);
CREATE INDEX items_master ON items (master) WHERE master > 0;
CREATE INDEX items_created ON items (folder, associated, created_cn);
CREATE INDEX items_changed ON items (folder, changed_cn);
CREATE INDEX items_read ON items (folder, read_cn);
CREATE INDEX items_received ON items (folder, associated, received);
CREATE INDEX items_message_id ON items (mailbox, message_id);
CREATE INDEX items_content ON items (content);
CREATE TABLE tombstones (
    folder INTEGER NOT NULL, item INTEGER NOT NULL, created_cn INTEGER NOT NULL, deleted_cn INTEGER NOT NULL,
    associated INTEGER NOT NULL);
CREATE INDEX tombstones_cn ON tombstones (folder, deleted_cn);
CREATE TABLE configurations (
    folder INTEGER NOT NULL, name TEXT NOT NULL, dictionary TEXT, xml BLOB, binary BLOB, item INTEGER NOT NULL,
    PRIMARY KEY (folder, name));
PRAGMA user_version = 2;
";

/// What a database of version 1 lacks: exceptions of series.
pub(super) const SECOND: &str = "
ALTER TABLE items ADD COLUMN master INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN instance INTEGER NOT NULL DEFAULT 0;
CREATE INDEX items_master ON items (master) WHERE master > 0;
PRAGMA user_version = 2;
";
