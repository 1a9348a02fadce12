//! A mailbox from within: what tests look at, and changes as if by another client of it.

mod kinds;

use std::sync::Arc;

use rusqlite::Connection;

use super::ids::{Id, Ids, key_kind};
use super::props::{ExtendedProperty, PropertyName};
use super::store::{self, Change, FolderRow, Item, MailboxRow, Meta, NewItem, Store};
use super::xml::XmlOut;
use super::{Error, Personality, Role, intake, mime, time};

/// The follow-up flag of an item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Flag {
    /// No flag.
    #[default]
    NotFlagged,
    /// Flagged for follow-up.
    Flagged,
    /// Followed up.
    Complete,
}

impl Flag {
    fn number(self) -> i64 {
        match self {
            Flag::NotFlagged => 0,
            Flag::Complete => 1,
            Flag::Flagged => 2,
        }
    }

    fn of(number: i64) -> Flag {
        match number {
            1 => Flag::Complete,
            2 => Flag::Flagged,
            _ => Flag::NotFlagged,
        }
    }
}

/// A folder as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderView {
    /// Its FolderId.
    pub id: String,
    /// The FolderId of its parent; none for the root.
    pub parent: Option<String>,
    /// Its display name.
    pub name: String,
    /// Its class, such as `IPF.Note`.
    pub class: String,
    /// How many items it holds.
    pub total: u64,
    /// How many of them are unread.
    pub unread: u64,
    /// Its path below the message folder root, such as `Inbox/Projects`; empty for what lies elsewhere.
    pub path: String,
}

/// An item as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemView {
    /// Its ItemId.
    pub id: String,
    /// Its ChangeKey.
    pub change_key: String,
    /// Its class, such as `IPM.Note`.
    pub class: String,
    /// Whether it is read.
    pub read: bool,
    /// Its follow-up flag.
    pub flag: Flag,
    /// Its categories.
    pub categories: Vec<String>,
    /// PidTagLastVerbExecuted: 102 replied, 103 replied to all, 104 forwarded.
    pub last_verb: Option<i64>,
    /// Whether it is a draft.
    pub draft: bool,
    /// When it was received, in milliseconds since 1970.
    pub received: i64,
    /// When it was sent, in milliseconds since 1970.
    pub sent: i64,
    /// Its Message-ID with the angle brackets.
    pub message_id: Option<String>,
    /// Its subject.
    pub subject: String,
    /// What the server tells as its size.
    pub size: u64,
    /// Its extended properties: `0x7d` or `{set}/name` or `{set}/number`, and the values.
    pub extended: Vec<(String, Vec<String>)>,
    /// Its MIME as it was stored, which is not what a client reads.
    pub mime: Vec<u8>,
}

/// A message to be put into a folder.
#[derive(Debug, Clone, Default)]
pub struct NewMessage<'a> {
    /// Its MIME.
    pub mime: &'a [u8],
    /// Whether it is read.
    pub read: bool,
    /// Its follow-up flag.
    pub flag: Flag,
    /// Its categories.
    pub categories: Vec<String>,
    /// When it was received, in milliseconds since 1970; its Date when none.
    pub received: Option<i64>,
    /// Whether it is a draft.
    pub draft: bool,
    /// PidTagLastVerbExecuted: 102 replied, 103 replied to all, 104 forwarded.
    pub last_verb: Option<i64>,
}

/// Somebody to be put into a personal distribution list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewMember<'a> {
    /// A name and an address.
    Address(&'a str, &'a str),
    /// The name and the ItemId of another list in the same mailbox.
    List(&'a str, &'a str),
}

impl NewMember<'_> {
    fn write(self, out: &mut XmlOut) {
        let (name, address, routing, kind, id) = match self {
            NewMember::Address(name, address) => (name, address, "SMTP", "OneOff", None),
            NewMember::List(name, id) => (name, name, "MAPIPDL", "PrivateDL", Some(id)),
        };
        out.raw("<t:Member><t:Mailbox>");
        out.put("t:Name", name);
        out.put("t:EmailAddress", address);
        out.put("t:RoutingType", routing);
        out.put("t:MailboxType", kind);
        if let Some(id) = id {
            out.leaf("t:ItemId", &[("Id", id)], "");
        }
        out.raw("</t:Mailbox><t:Status>Normal</t:Status></t:Member>");
    }
}

/// What paths begin at: in a mailbox, in an archive, in the public folders.
const TOPS: [&str; 3] = ["msgfolderroot", "archivemsgfolderroot", "publicfoldersroot"];

/// A mailbox of a running server; clones are the same mailbox.
#[derive(Debug, Clone)]
pub struct Mailbox {
    store: Arc<Store>,
    row: MailboxRow,
    ids: Ids,
    like: Personality,
}

impl Mailbox {
    pub(super) fn new(store: Arc<Store>, row: MailboxRow, like: Personality) -> Mailbox {
        let ids = Ids::new(&row.guid);
        Mailbox { store, row, ids, like }
    }

    /// All folders below the root, parents before children.
    pub fn folders(&self) -> Result<Vec<FolderView>, Error> {
        let db = self.store.read();
        let rows = self.rows(&db)?;
        Ok(rows.iter().map(|row| self.folder_view(row, &rows)).collect())
    }

    /// The id of the folder at a path such as `Inbox/Projects`, below the message folder root. A folder whose name holds
    /// a slash is found by its id only.
    pub fn folder(&self, path: &str) -> Result<String, Error> {
        let row = self.find_folder(&self.store.read(), path)?;
        Ok(self.ids.folder(row.id))
    }

    /// Makes a folder; an empty parent path is the message folder root.
    pub fn create_folder(&self, parent: &str, name: &str, class: &str) -> Result<String, Error> {
        self.store.write(|db| {
            let parent = self.find_folder(db, parent)?;
            let id = store::create_folder(db, self.row.id, Some(parent.id), name, Some(class), &[])?;
            Ok(self.ids.folder(id))
        })
    }

    /// Gives a folder (a path or an id) another name.
    pub fn rename_folder(&self, folder: &str, name: &str) -> Result<(), Error> {
        self.store.write(|db| {
            let row = FolderRow { name: name.to_owned(), ..self.find_folder(db, folder)? };
            Ok(store::save_folder(db, &row)?)
        })
    }

    /// Puts a folder below another one.
    pub fn move_folder(&self, folder: &str, parent: &str) -> Result<(), Error> {
        self.store.write(|db| {
            let (row, parent) = (self.find_folder(db, folder)?, self.find_folder(db, parent)?);
            Ok(store::move_folder(db, &row, parent.id, &row.name)?)
        })
    }

    /// Deletes a folder, its items and the folders below it for good.
    pub fn delete_folder(&self, folder: &str) -> Result<(), Error> {
        self.store.write(|db| Ok(store::delete_folder(db, &self.find_folder(db, folder)?)?))
    }

    /// Puts a message into a folder (a path or an id); answers its ItemId.
    pub fn add_message(&self, folder: &str, message: NewMessage<'_>) -> Result<String, Error> {
        self.store.write(|db| {
            let folder = self.find_folder(db, folder)?;
            let mut new = intake::from_mime(message.mime.to_vec());
            new.is_read = message.read;
            new.is_draft = message.draft;
            new.received = message.received.unwrap_or(new.received);
            new.meta.flag = message.flag.number();
            new.meta.categories = message.categories;
            new.meta.last_verb = message.last_verb;
            let item = store::insert_item(db, self.row.id, folder.id, new)?;
            Ok(self.ids.item(folder.id, item.id))
        })
    }

    /// Puts a personal distribution list into a folder (a path or an id); answers its ItemId.
    pub fn add_list(&self, folder: &str, name: &str, members: &[NewMember<'_>]) -> Result<String, Error> {
        let (mut shown, mut list) = (XmlOut::new(), XmlOut::new());
        shown.put("t:DisplayName", name);
        list.raw("<t:Members>");
        members.iter().for_each(|member| member.write(&mut list));
        list.raw("</t:Members>");
        let fields = [("DisplayName".to_owned(), shown.buffer), ("Members".to_owned(), list.buffer)];
        let new = NewItem {
            class: "IPM.DistList".to_owned(),
            element: "DistributionList".to_owned(),
            subject: name.to_owned(),
            is_read: true,
            received: time::now_millis(),
            sent: time::now_millis(),
            meta: Meta { fields: fields.into(), ..Meta::default() },
            mime: mime::assemble(&mime::Message::default()),
            ..NewItem::default()
        };
        self.store.write(|db| {
            let folder = self.find_folder(db, folder)?;
            let item = store::insert_item(db, self.row.id, folder.id, new)?;
            Ok(self.ids.item(folder.id, item.id))
        })
    }

    /// The items of a folder (a path or an id), the last received first.
    pub fn items(&self, folder: &str) -> Result<Vec<ItemView>, Error> {
        let db = self.store.read();
        let folder = self.find_folder(&db, folder)?;
        store::items_in(&db, folder.id, false)?.iter().map(|item| self.item_view(&db, item)).collect()
    }

    /// One item.
    pub fn item(&self, id: &str) -> Result<ItemView, Error> {
        let db = self.store.read();
        self.item_view(&db, &self.find_item(&db, id)?)
    }

    /// Marks an item read or unread.
    pub fn set_read(&self, id: &str, read: bool) -> Result<(), Error> {
        self.change(id, Change::ReadFlag, None, |item| item.is_read = read)
    }

    /// Sets an item's follow-up flag.
    pub fn set_flag(&self, id: &str, flag: Flag) -> Result<(), Error> {
        self.change(id, Change::Full, None, |item| item.meta.flag = flag.number())
    }

    /// Sets an item's categories.
    pub fn set_categories(&self, id: &str, categories: &[&str]) -> Result<(), Error> {
        let categories = categories.iter().map(|category| (*category).to_owned()).collect();
        self.change(id, Change::Full, None, |item| item.meta.categories = categories)
    }

    /// Sets what was last done with a message: 102 replied, 103 replied to all, 104 forwarded.
    pub fn set_last_verb(&self, id: &str, verb: Option<i64>) -> Result<(), Error> {
        self.change(id, Change::Full, None, |item| item.meta.last_verb = verb)
    }

    /// Replaces the content of an item.
    pub fn replace_mime(&self, id: &str, mime: &[u8]) -> Result<(), Error> {
        let new = intake::from_mime(mime.to_vec());
        self.change(id, Change::Full, Some(mime), |item| {
            item.subject = new.subject;
            item.message_id = new.message_id;
            item.has_attachments = new.has_attachments;
            item.sent = new.sent;
            let meta = &mut item.meta;
            (meta.from, meta.sender, meta.to, meta.cc) = (new.meta.from, new.meta.sender, new.meta.to, new.meta.cc);
            (meta.bcc, meta.reply_to) = (new.meta.bcc, new.meta.reply_to);
            (meta.in_reply_to, meta.references) = (new.meta.in_reply_to, new.meta.references);
        })
    }

    /// Moves an item to a folder (a path or an id); answers its new ItemId.
    pub fn move_item(&self, id: &str, folder: &str) -> Result<String, Error> {
        self.store.write(|db| {
            let (item, folder) = (self.find_item(db, id)?, self.find_folder(db, folder)?);
            let moved = store::move_item(db, &item, folder.id)?;
            Ok(self.ids.item(folder.id, moved.id))
        })
    }

    /// Copies an item to a folder (a path or an id); answers the copy's ItemId.
    pub fn copy_item(&self, id: &str, folder: &str) -> Result<String, Error> {
        self.store.write(|db| {
            let (item, folder) = (self.find_item(db, id)?, self.find_folder(db, folder)?);
            let copy = store::copy_item(db, &item, folder.id)?;
            Ok(self.ids.item(folder.id, copy.id))
        })
    }

    /// Deletes an item for good.
    pub fn delete_item(&self, id: &str) -> Result<(), Error> {
        self.store.write(|db| Ok(store::delete_item(db, &self.find_item(db, id)?)?))
    }

    /// Gives an item a new ChangeKey and changes nothing else: a spurious update.
    pub fn touch(&self, id: &str) -> Result<(), Error> {
        self.change(id, Change::Full, None, |_| {})
    }

    fn change(&self, id: &str, change: Change, mime: Option<&[u8]>, edit: impl FnOnce(&mut Item)) -> Result<(), Error> {
        self.store.write(|db| {
            let mut item = self.find_item(db, id)?;
            edit(&mut item);
            Ok(store::save_item(db, &mut item, change, mime)?)
        })
    }

    /// What paths begin at.
    fn top(&self, db: &Connection) -> Result<Option<FolderRow>, Error> {
        for name in TOPS {
            if let Some(top) = store::distinguished_folder(db, self.row.id, name)? {
                return Ok(Some(top));
            }
        }
        Ok(None)
    }

    /// Says what somebody may do in a folder (a path or an id), or anybody who has no role of their own there.
    pub fn set_role(&self, folder: &str, user: Option<&str>, role: Role) -> Result<(), Error> {
        self.store.write(|db| {
            let folder = self.find_folder(db, folder)?;
            Ok(store::set_role(db, self.row.id, folder.id, user.unwrap_or(store::ANYBODY), role)?)
        })
    }

    /// Says what somebody may do in all folders of the mailbox that say nothing else of them.
    pub fn share(&self, user: &str, role: Role) -> Result<(), Error> {
        self.store.write(|db| Ok(store::set_role(db, self.row.id, store::ALL_FOLDERS, user, role)?))
    }

    /// Puts what is in a public folder (a path or an id) into another mailbox than that of most; requests have to be led there.
    pub fn set_replica(&self, folder: &str, guid: &str) -> Result<(), Error> {
        self.store.write(|db| {
            let mut folder = self.find_folder(db, folder)?;
            let name = PropertyName::Tag(0x6698);
            folder.extended.retain(|property| property.name != name);
            let kind = "Binary".to_owned();
            folder.extended.push(ExtendedProperty { name, kind, values: vec![guid.to_owned()] });
            Ok(store::save_folder(db, &folder)?)
        })
    }

    fn rows(&self, db: &Connection) -> Result<Vec<FolderRow>, Error> {
        let root = match self.row.address == store::PUBLIC {
            true => self.top(db)?,
            false => match store::distinguished_folder(db, self.row.id, "root")? {
                None => store::distinguished_folder(db, self.row.id, "archiveroot")?,
                root => root,
            },
        };
        let below = store::folders_under(db, self.row.id, root.as_ref().map_or(0, |root| root.id), true)?;
        // The root of the public folders is what their paths begin at.
        let root = root.filter(|root| root.distinguished.as_deref() == Some("publicfoldersroot"));
        Ok(root.into_iter().chain(below).collect())
    }

    fn path(row: &FolderRow, rows: &[FolderRow]) -> String {
        let mut names = vec![row.name.as_str()];
        let mut parent = row.parent;
        while let Some(row) = parent.and_then(|id| rows.iter().find(|row| row.id == id)) {
            if row.distinguished.as_deref().is_some_and(|name| TOPS.contains(&name)) {
                names.reverse();
                return names.join("/");
            }
            names.push(&row.name);
            parent = row.parent;
        }
        String::new()
    }

    fn folder_view(&self, row: &FolderRow, rows: &[FolderRow]) -> FolderView {
        FolderView {
            id: self.ids.folder(row.id),
            parent: row.parent.map(|parent| self.ids.folder(parent)),
            name: row.name.clone(),
            class: row.class.clone().unwrap_or_default(),
            total: u64::try_from(row.total).unwrap_or(0),
            unread: u64::try_from(row.unread).unwrap_or(0),
            path: Mailbox::path(row, rows),
        }
    }

    fn find_folder(&self, db: &Connection, folder: &str) -> Result<FolderRow, Error> {
        let missing = || Error::NotFound(format!("folder {folder}"));
        if let Ok(Id::Folder(number)) = self.ids.read(folder) {
            return store::folder(db, self.row.id, number)?.ok_or_else(missing);
        }
        let mut row = self.top(db)?.ok_or_else(missing)?;
        for name in folder.split('/').filter(|name| !name.is_empty()) {
            let children = store::folders_under(db, self.row.id, row.id, false)?;
            let child = children.into_iter().find(|child| child.name.to_lowercase() == name.to_lowercase());
            row = child.ok_or_else(missing)?;
        }
        Ok(row)
    }

    fn find_item(&self, db: &Connection, id: &str) -> Result<Item, Error> {
        let missing = || Error::NotFound(format!("item {id}"));
        let Ok(Id::Item(number)) = self.ids.read(id) else { return Err(missing()) };
        store::item(db, self.row.id, number)?.ok_or_else(missing)
    }

    fn item_view(&self, db: &Connection, item: &Item) -> Result<ItemView, Error> {
        let name = |name: &PropertyName| match name {
            PropertyName::Tag(tag) => format!("0x{tag:x}"),
            PropertyName::Named(set, name) => format!("{{{set}}}/{name}"),
            PropertyName::Numbered(set, number) => format!("{{{set}}}/{number}"),
        };
        let extended = item.meta.extended.iter().map(|property| (name(&property.name), property.values.clone()));
        Ok(ItemView {
            id: self.ids.item(item.folder, item.id),
            change_key: self.ids.change_key(key_kind(&item.element), item.key_cn),
            class: item.class.clone(),
            read: item.is_read,
            flag: Flag::of(item.meta.flag),
            categories: item.meta.categories.clone(),
            last_verb: item.meta.last_verb,
            draft: item.is_draft,
            received: item.received,
            sent: item.sent,
            message_id: item.message_id.clone(),
            subject: item.subject.clone(),
            size: u64::try_from(item.size).unwrap_or(0),
            extended: extended.collect(),
            mime: store::content(db, item)?,
        })
    }
}

impl NewMessage<'_> {
    /// The same message, received now.
    #[must_use]
    pub fn received_now(self) -> Self {
        NewMessage { received: Some(time::now_millis()), ..self }
    }
}
