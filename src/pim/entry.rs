//! An entry: a contact, an event, a note or a task, whichever the folder holds. One entry is one file.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::fields::merge_field;
use super::{
    ChangeKey, Contact, ContactField, Event, EventField, FolderKind, ItemId, Merged, Note, NoteField, Photo, SearchKey,
    Tag, Task, TaskField, Text,
};

/// The kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// Contacts.
    Contact,
    /// Events.
    Event,
    /// Notes.
    Note,
    /// Tasks.
    Task,
}

impl EntryKind {
    /// What lies in folders of a kind; `None` where they hold messages, or what is not mirrored.
    pub fn of_folder(kind: FolderKind) -> Option<Self> {
        match kind {
            FolderKind::Contacts => Some(Self::Contact),
            FolderKind::Calendar => Some(Self::Event),
            FolderKind::Notes => Some(Self::Note),
            FolderKind::Tasks => Some(Self::Task),
            FolderKind::Mail | FolderKind::Journal | FolderKind::Branch | FolderKind::Internal => None,
        }
    }

    /// The item class (PidTagMessageClass) of such items on the server; sub-classes count.
    pub fn class(self) -> &'static str {
        match self {
            Self::Contact => "IPM.Contact",
            Self::Event => "IPM.Appointment",
            Self::Note => "IPM.StickyNote",
            Self::Task => "IPM.Task",
        }
    }

    /// What people call one.
    pub fn word(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Event => "event",
            Self::Note => "note",
            Self::Task => "task",
        }
    }
}

/// A contact, an event, a note or a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A contact.
    Contact(Box<Contact>),
    /// An event.
    Event(Box<Event>),
    /// A note.
    Note(Note),
    /// A task.
    Task(Box<Task>),
}

/// A field of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryField {
    /// Of a contact.
    Contact(ContactField),
    /// Of an event.
    Event(EventField),
    /// Of a note.
    Note(NoteField),
    /// Of a task.
    Task(TaskField),
    /// What its file says besides.
    Extra,
    /// All of it: two entries of different kinds differ in everything.
    Kind,
}

/// As people call it: `job title`.
impl fmt::Display for EntryField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Contact(field) => format!("{field:?}"),
            Self::Event(EventField::Details(field)) => format!("{field:?}"),
            Self::Event(EventField::Occurrence(day)) => return write!(f, "the occurrence of {day}"),
            Self::Event(field) => format!("{field:?}"),
            Self::Note(field) => format!("{field:?}"),
            Self::Task(field) => format!("{field:?}"),
            Self::Extra => return f.write_str("what it has no fields for"),
            Self::Kind => return f.write_str("all of it"),
        };
        for (at, letter) in name.char_indices() {
            if at > 0 && letter.is_uppercase() {
                f.write_str(" ")?;
            }
            write!(f, "{}", letter.to_lowercase())?;
        }
        Ok(())
    }
}

/// All that one side says of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// What both sides have fields for.
    pub entry: Entry,
    /// What the file says besides: the server has no fields for it, and keeps it for us in one of our own.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub extra: Text,
}

impl Said {
    /// The fields in which two differ.
    pub fn diff(&self, other: &Self) -> Vec<EntryField> {
        let mut fields = self.entry.diff(&other.entry);
        if self.extra != other.extra {
            fields.push(EntryField::Extra);
        }
        fields
    }

    /// Takes one field over from another one.
    pub fn take(&mut self, from: &Self, field: EntryField) {
        match field {
            EntryField::Extra => self.extra.clone_from(&from.extra),
            field => self.entry.take(&from.entry, field),
        }
    }

    /// Makes one of what both sides changed since `base`, field by field. Of fields in conflict, it has the server's.
    pub fn merge(base: &Self, remote: &Self, local: &Self) -> Merged<Self, EntryField> {
        let Merged { item: entry, mut conflicts } = Entry::merge(&base.entry, &remote.entry, &local.entry);
        let (extra, clash) = merge_field(&base.extra, &remote.extra, &local.extra);
        if clash {
            conflicts.push(EntryField::Extra);
        }
        Merged { item: Self { entry, extra }, conflicts }
    }
}

impl Entry {
    /// What it is.
    pub fn kind(&self) -> EntryKind {
        match self {
            Self::Contact(_) => EntryKind::Contact,
            Self::Event(_) => EntryKind::Event,
            Self::Note(_) => EntryKind::Note,
            Self::Task(_) => EntryKind::Task,
        }
    }

    /// What identifies it in files. Empty where nothing does: notes never have it.
    pub fn uid(&self) -> &str {
        match self {
            Self::Contact(contact) => contact.uid.as_str(),
            Self::Event(event) => event.uid.as_str(),
            Self::Task(task) => task.uid.as_str(),
            Self::Note(_) => "",
        }
    }

    /// Gives it a UID, if its kind has any.
    pub fn set_uid(&mut self, uid: Text) {
        match self {
            Self::Contact(contact) => contact.uid = uid,
            Self::Event(event) => event.uid = uid,
            Self::Task(task) => task.uid = uid,
            Self::Note(_) => {}
        }
    }

    /// What people know it by.
    pub fn label(&self) -> &str {
        let told = match self {
            Self::Contact(contact) => {
                let company = Some(&contact.company);
                let names = [&contact.display_name, &contact.file_as].into_iter().chain(&contact.emails);
                names.chain(company).find(|name| !name.is_empty()).map_or("", Text::as_str)
            }
            Self::Event(event) => event.details.subject.as_str(),
            Self::Note(note) => note.title(),
            Self::Task(task) => task.subject.as_str(),
        };
        told.trim()
    }

    /// Gives pictures and attachments that are only remembered their bytes, where the other entry has the same ones with theirs.
    pub fn recall(&mut self, other: &Self) {
        match (self, other) {
            (Self::Contact(contact), Self::Contact(other)) if contact.photo == other.photo => {
                contact.photo.clone_from(&other.photo);
            }
            (Self::Event(event), Self::Event(other)) => {
                event.attachments.recall(&other.attachments);
                for (day, details) in &mut event.overrides {
                    other.overrides.get(day).into_iter().for_each(|other| details.files.recall(&other.files));
                }
            }
            _ => {}
        }
    }

    /// Bytes of the pictures and attachments that it holds.
    pub fn held(&self) -> u64 {
        match self {
            Self::Contact(contact) => contact.photo.as_ref().and_then(Photo::data).map_or(0, |data| data.len() as u64),
            Self::Event(event) => {
                let of_occurrences = event.overrides.values().map(|details| details.files.size());
                event.attachments.size() + of_occurrences.sum::<u64>()
            }
            Self::Note(_) | Self::Task(_) => 0,
        }
    }

    /// The fields in which two entries differ.
    pub fn diff(&self, other: &Self) -> Vec<EntryField> {
        match (self, other) {
            (Self::Contact(one), Self::Contact(other)) => fields(one.diff(other), EntryField::Contact),
            (Self::Event(one), Self::Event(other)) => fields(one.diff(other), EntryField::Event),
            (Self::Note(one), Self::Note(other)) => fields(one.diff(other), EntryField::Note),
            (Self::Task(one), Self::Task(other)) => fields(one.diff(other), EntryField::Task),
            _ => vec![EntryField::Kind],
        }
    }

    /// Takes one field over from another entry.
    pub fn take(&mut self, from: &Self, field: EntryField) {
        match (self, from, field) {
            (Self::Contact(to), Self::Contact(from), EntryField::Contact(field)) => to.take(from, field),
            (Self::Event(to), Self::Event(from), EntryField::Event(field)) => to.take(from, field),
            (Self::Note(to), Self::Note(from), EntryField::Note(field)) => to.take(from, field),
            (Self::Task(to), Self::Task(from), EntryField::Task(field)) => to.take(from, field),
            (to, from, _) => to.clone_from(from),
        }
    }

    /// Makes one entry of what both sides changed since `base`, field by field. Of fields in conflict, it has the server's.
    pub fn merge(base: &Self, remote: &Self, local: &Self) -> Merged<Self, EntryField> {
        match (base, remote, local) {
            (Self::Contact(base), Self::Contact(remote), Self::Contact(local)) => {
                wrap(Contact::merge(base, remote, local), |item| Self::Contact(Box::new(item)), EntryField::Contact)
            }
            (Self::Event(base), Self::Event(remote), Self::Event(local)) => {
                wrap(Event::merge(base, remote, local), |item| Self::Event(Box::new(item)), EntryField::Event)
            }
            (Self::Note(base), Self::Note(remote), Self::Note(local)) => {
                wrap(Note::merge(base, remote, local), Self::Note, EntryField::Note)
            }
            (Self::Task(base), Self::Task(remote), Self::Task(local)) => {
                wrap(Task::merge(base, remote, local), |item| Self::Task(Box::new(item)), EntryField::Task)
            }
            _ if local == base => Merged { item: remote.clone(), conflicts: Vec::new() },
            _ if remote == base => Merged { item: local.clone(), conflicts: Vec::new() },
            _ => Merged { item: remote.clone(), conflicts: vec![EntryField::Kind] },
        }
    }
}

fn fields<F>(fields: Vec<F>, wrap: impl Fn(F) -> EntryField) -> Vec<EntryField> {
    fields.into_iter().map(wrap).collect()
}

fn wrap<T, F>(
    merged: Merged<T, F>,
    item: impl FnOnce(T) -> Entry,
    field: impl Fn(F) -> EntryField,
) -> Merged<Entry, EntryField> {
    Merged { item: item(merged.item), conflicts: fields(merged.conflicts, field) }
}

/// An entry as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerEntry {
    /// Its id, good until it moves.
    pub id: ItemId,
    /// Its version.
    pub change_key: ChangeKey,
    /// Kept through moves, shared by copies.
    pub search_key: Option<SearchKey>,
    /// Left on it by an upload.
    pub tag: Option<Tag>,
    /// What it says. Its UID is empty where the server keeps none.
    pub entry: Entry,
    /// What its file says besides: left on it by a push, since the server has no fields for it.
    pub extra: Option<Text>,
    /// What is attached to it and has no place in its file.
    pub left: Vec<LeftThere>,
}

/// What is attached to an entry and stays on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftThere {
    /// An item, or a link to something.
    Item {
        /// What it is called.
        name: Text,
    },
    /// More than a file can have.
    Large {
        /// What it is called.
        name: Text,
        /// Its size.
        bytes: u64,
    },
    /// Any of these, of a single occurrence.
    OfOccurrence {
        /// Which one: the day on which it was.
        day: Date,
        /// What it is called.
        name: Text,
    },
}

impl fmt::Display for LeftThere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item { name } => write!(f, "the attached item or link {name:?}"),
            Self::Large { name, bytes } => write!(f, "the attachment {name:?} of {} MB", bytes >> 20),
            Self::OfOccurrence { day, name } => write!(f, "the attachment {name:?} of the occurrence of {day}"),
        }
    }
}
