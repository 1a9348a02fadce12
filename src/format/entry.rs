//! Entries as files, whichever kind they are: vCards, iCalendar files, Markdown.

use bytes::Bytes;

use super::icalendar::CalendarError;
use super::icalendar::event::{EventError, EventFile};
use super::icalendar::todo::TodoFile;
use super::note::{NoteError, NoteFile};
use super::vcard::{VcardError, VcardFile};
use crate::pim::{Entry, EntryKind, Said, Text, UnixTime};

/// So much of what a file says besides is kept on the server, too; more stays in the file alone.
const MOST_BESIDES: usize = 24 << 10;

/// So many characters of a note's title go into the name of its file.
const TITLE: usize = 60;

/// Why a file is no entry that the server can hold: what in it, and what would work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A contact.
    #[error(transparent)]
    Contact(#[from] VcardError),
    /// An event.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A task.
    #[error(transparent)]
    Task(#[from] CalendarError),
}

/// An entry's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryFile {
    /// Of a contact.
    Contact(VcardFile),
    /// Of an event.
    Event(EventFile),
    /// Of a note.
    Note(NoteFile),
    /// Of a task.
    Task(TodoFile),
}

/// What names of such files end in.
pub fn extension(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Contact => ".vcf",
        EntryKind::Event | EntryKind::Task => ".ics",
        EntryKind::Note => ".md",
    }
}

/// What a new file of the entry would like to be called, without the extension: its UID, as the vdir convention has it; a note by its title.
pub fn stem(entry: &Entry) -> String {
    match entry {
        Entry::Note(note) if note.title().is_empty() => "Note".to_owned(),
        Entry::Note(note) => note.title().chars().take(TITLE).collect::<String>().trim_end().to_owned(),
        entry => entry.uid().to_owned(),
    }
}

impl EntryFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It holds no entry of that kind.
    pub fn parse(kind: EntryKind, bytes: Bytes) -> Result<Self, EntryError> {
        Ok(match kind {
            EntryKind::Contact => Self::Contact(VcardFile::parse(bytes)?),
            EntryKind::Event => Self::Event(EventFile::parse(bytes)?),
            EntryKind::Note => Self::Note(NoteFile::parse(bytes.to_vec())?),
            EntryKind::Task => Self::Task(TodoFile::parse(bytes)?),
        })
    }

    /// A file for an entry that has none, made at `now`.
    ///
    /// # Errors
    /// No file can hold the entry.
    pub fn new(said: &Said, now: UnixTime) -> Result<Self, EntryError> {
        let besides = said.extra.as_str();
        Ok(match &said.entry {
            Entry::Contact(contact) => {
                let mut file = VcardFile::new(contact);
                file.append(besides);
                Self::Contact(file)
            }
            Entry::Event(event) => {
                let mut file = EventFile::new(event, now)?;
                file.append(besides);
                Self::Event(file)
            }
            Entry::Note(note) if besides.is_empty() => Self::Note(NoteFile::new(note)?),
            Entry::Note(note) => Self::Note(NoteFile::with_besides(note, besides)?),
            Entry::Task(task) => {
                let mut file = TodoFile::new(task, now);
                file.append(besides);
                Self::Task(file)
            }
        })
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Contact(file) => file.to_bytes(),
            Self::Event(file) => file.to_bytes(),
            Self::Note(file) => file.as_bytes().to_vec(),
            Self::Task(file) => file.to_bytes(),
        }
    }

    /// What the file says.
    ///
    /// # Errors
    /// It says something that the server cannot hold: which property, and what would work.
    pub fn said(&self) -> Result<Said, EntryError> {
        let (entry, besides) = match self {
            Self::Contact(file) => {
                let contact = file.contact();
                let besides = file.besides(&contact);
                (Entry::Contact(Box::new(contact)), besides)
            }
            Self::Event(file) => {
                let event = file.event()?;
                let besides = file.besides(&event);
                (Entry::Event(Box::new(event)), besides)
            }
            Self::Note(file) => (Entry::Note(file.note()), file.besides()),
            Self::Task(file) => (Entry::Task(Box::new(file.task()?)), file.besides()),
        };
        let extra = if besides.len() > MOST_BESIDES { Text::default() } else { Text::new(&besides) };
        Ok(Said { entry, extra })
    }

    /// Brings the file to what `said` says. Only the lines of fields that differ are written; but where what it says besides is another, the file
    /// is made anew.
    ///
    /// # Errors
    /// No file can hold the entry; then the file stays as it is.
    pub fn patch(&mut self, said: &Said, now: UnixTime) -> Result<(), EntryError> {
        if self.said().is_ok_and(|before| before.extra != said.extra) {
            *self = Self::new(said, now)?;
            return Ok(());
        }
        match (self, &said.entry) {
            (Self::Contact(file), Entry::Contact(contact)) => file.patch(contact),
            (Self::Event(file), Entry::Event(event)) => file.patch(event)?,
            (Self::Note(file), Entry::Note(note)) => file.patch(note)?,
            (Self::Task(file), Entry::Task(task)) => file.patch(task),
            (file, _) => *file = Self::new(said, now)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
