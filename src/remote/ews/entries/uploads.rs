//! New entries: created with their tags, so that one whose answer was lost is found and not created twice. Pictures and exceptions follow.

use super::super::EwsClient;
use super::super::answer::Response;
use super::super::ask::own_error;
use super::super::bodies;
use super::super::payload::Payload;
use super::super::property::{Content, Property};
use super::super::request::Version;
use super::super::settle::{Fate, Writes};
use super::super::shape;
use super::super::write::uploads::{name, slots_without_id, unnamed};
use super::meetings::Meetings;
use super::reading::EXTRA;
use super::spelling::{self, Context, TaskRules, Value};
use super::{contact, event, note, request, task};
use crate::pim::event::{Mailing, Person};
use crate::pim::{ChangeKey, Entry, EntryKind, Event, FolderId, ItemId, Tag, Text};
use crate::remote::{EntryUpload, ItemErrorClass, PerItem, Placed, RemoteError};

impl EwsClient {
    pub(in super::super) async fn upload_entries(
        &self,
        folder: &FolderId,
        uploads: &[EntryUpload<'_>],
    ) -> Result<Vec<PerItem<Placed>>, RemoteError> {
        let organiser = |upload: &EntryUpload<'_>| match upload.entry {
            Entry::Event(event) => Some(event).filter(|event| !event.attendees.is_empty())?.organiser.clone(),
            Entry::Contact(_) | Entry::Note(_) | Entry::Task(_) => None,
        };
        let organisers: Vec<Person> = uploads.iter().filter_map(organiser).collect();
        self.know_owner(organisers.iter().map(|person| person.address.as_str())).await;
        let creation = Creation { client: self, folder, uploads };
        let refused = uploads.iter().map(|upload| check(upload.entry).err().map(Err)).collect();
        let mut results = self.settle(&creation, refused).await?;
        creation.find_unnamed(self, &mut results).await;
        let mut placed = Vec::new();
        for (upload, result) in uploads.iter().zip(results) {
            placed.push(match result.and_then(|placed| placed.ok_or_else(unnamed)) {
                Ok(created) => Box::pin(self.complete(created, upload.entry)).await,
                Err(error) => Err(error),
            });
        }
        Ok(placed)
    }

    /// Adds what cannot come with a new item. The item is there already: where that fails it is to be looked for, and what is missing is a change
    /// then.
    async fn complete(&self, created: Placed, entry: &Entry) -> PerItem<Placed> {
        let reason = match self.add_rest(&created, entry).await {
            Ok(None) => return Ok(created),
            Ok(Some(Ok(change_key))) => return Ok(Placed { change_key, ..created }),
            Ok(Some(Err(error))) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let message = format!("it was created, but not all of it: {reason}; the rest follows");
        Err(own_error(ItemErrorClass::Unknown, "Incomplete", message))
    }

    /// Tells the new version of the item; `None` where there is nothing to add.
    async fn add_rest(&self, created: &Placed, entry: &Entry) -> Result<Option<PerItem<ChangeKey>>, RemoteError> {
        let id = &created.id;
        Ok(match entry {
            Entry::Contact(contact) => match contact.photo.as_ref().filter(|photo| photo.data().is_some()) {
                Some(photo) => Some(self.add_photo(id, photo).await?),
                None => None,
            },
            Entry::Event(event) => {
                let mut attached = self.add_files(id, event.attachments.iter()).await?;
                let event = owned(event, &self.meetings);
                if let (Ok(key), true) = (&attached, invites_later(&event, &self.meetings)) {
                    let key = key.as_ref().unwrap_or(&created.change_key);
                    attached = self.invite(id, key, &event).await?.map(Some);
                }
                let has_more = event.recurrence.is_some() && event::has_exceptions(&event);
                if attached.is_err() || !has_more {
                    return Ok(attached.transpose());
                }
                let mailing = self.meetings.mailing(&event);
                Some(self.apply_exceptions(id, &event::bare(&event), &event, mailing).await?)
            }
            Entry::Note(_) | Entry::Task(_) => None,
        })
    }

    /// Where and for whom entries are spelled now.
    pub(super) fn context(&self, version: Version) -> Context {
        // Of gromox nothing else is known to go by.
        let keeps_all = self.transport.build().is_some_and(|build| !build.checks_change_keys());
        let task_rules = if keeps_all { TaskRules::EachByItself } else { TaskRules::OneForAll };
        Context { version, home: self.zone.clone(), task_rules }
    }
}

/// Whether the server can hold it.
pub(super) fn check(entry: &Entry) -> PerItem<()> {
    match entry {
        Entry::Event(event) => event::check(event),
        Entry::Contact(_) | Entry::Note(_) | Entry::Task(_) => Ok(()),
    }
}

struct Creation<'a> {
    client: &'a EwsClient,
    folder: &'a FolderId,
    uploads: &'a [EntryUpload<'a>],
}

impl Creation<'_> {
    fn chosen(&self, slots: &[usize]) -> impl Iterator<Item = &EntryUpload<'_>> {
        slots.iter().filter_map(|slot| self.uploads.get(*slot))
    }

    /// Who is mailed about these: the first of them tells, for they are cut so.
    fn mailing(&self, slots: &[usize]) -> Mailing {
        match self.chosen(slots).next().map(|upload| upload.entry) {
            Some(Entry::Event(event)) => self.client.meetings.mailing(&at_first(event, &self.client.meetings)),
            _ => Mailing::Nobody,
        }
    }

    async fn find(&self, client: &EwsClient, slots: &[usize]) -> Result<Vec<Option<Placed>>, RemoteError> {
        let tags: Vec<Tag> = self.chosen(slots).map(|upload| upload.tag.clone()).collect();
        client.placed_with(self.folder, &tags).await
    }

    /// Looks for what was created without its id being told.
    async fn find_unnamed(&self, client: &EwsClient, results: &mut [PerItem<Option<Placed>>]) {
        let slots = slots_without_id(results);
        if slots.is_empty() {
            return;
        }
        if let Ok(found) = self.find(client, &slots).await {
            name(results, slots, found);
        }
    }
}

impl Writes for Creation<'_> {
    /// `None`: created, and the server did not tell the id.
    type Done = Option<Placed>;
    const OPERATION: &'static str = "CreateItem";
    const REPEATABLE: bool = false;

    fn count(&self) -> usize {
        self.uploads.len()
    }

    fn cut(&self, slots: Vec<usize>) -> Vec<Vec<usize>> {
        let size = |slot: &usize| self.uploads.get(*slot).map_or(0, |upload| weight(upload.entry, upload.extra));
        let (told, untold): (Vec<usize>, Vec<usize>) =
            slots.into_iter().partition(|slot| self.mailing(std::slice::from_ref(slot)) == Mailing::Concerned);
        let batches = [told, untold].into_iter().filter(|slots| !slots.is_empty());
        batches.flat_map(|slots| bodies::cut(slots.iter().map(|slot| (*slot, size(slot))))).collect()
    }

    fn payload(&self, version: Version, slots: &[usize]) -> Payload<'_> {
        let (context, owner) = (self.client.context(version), &self.client.meetings);
        let item =
            |upload: &EntryUpload<'_>| (upload.entry.kind(), spelling::elements(spell_new(upload, owner, &context)));
        let items: Vec<_> = self.chosen(slots).map(item).collect();
        Payload::text(request::create(version, self.folder, &items, self.mailing(slots)))
    }

    fn read(&self, _: usize, response: &Response) -> PerItem<Option<Placed>> {
        Ok(response
            .first()
            .and_then(shape::item_id)
            .map(|(id, change_key): (ItemId, ChangeKey)| Placed { id, change_key }))
    }

    async fn fates(&self, client: &EwsClient, slots: &[usize]) -> Result<Vec<Fate<Self::Done>>, RemoteError> {
        let found = self.find(client, slots).await?;
        let fate = |placed: Option<Placed>| placed.map_or(Fate::NotDone, |placed| Fate::Settled(Ok(Some(placed))));
        Ok(found.into_iter().map(fate).collect())
    }
}

/// About how many bytes it takes in a request.
pub(super) fn weight(entry: &Entry, extra: Option<&Text>) -> u64 {
    const REST: usize = 4096;
    let long = match entry {
        Entry::Contact(contact) => contact.note.as_str().len(),
        Entry::Event(event) => event.details.body.as_str().len() + event.details.html.as_str().len(),
        Entry::Note(note) => note.text.as_str().len(),
        Entry::Task(task) => task.body.as_str().len(),
    };
    (long + extra.map_or(0, |extra| extra.as_str().len()) + REST) as u64
}

/// All that a new item says.
fn spell_new(upload: &EntryUpload<'_>, owner: &Meetings, context: &Context) -> Vec<Value> {
    let text = |property: Property, value: &str| (property, Some(property.holding(Content::Text(value.to_owned()))));
    let mut values = match upload.entry {
        Entry::Contact(contact) => spelling::spell(contact::ROWS, contact, context),
        Entry::Event(event) => event::spell(&at_first(event, owner), context),
        Entry::Note(note) => spelling::spell(note::ROWS, note, context),
        Entry::Task(task) => spelling::spell(task::ROWS, task, context),
    };
    if upload.entry.kind() == EntryKind::Note {
        values.extend(note::at_birth());
    }
    values.push(text(Property::Tag, upload.tag.as_str()));
    values.extend(upload.extra.filter(|extra| !extra.is_empty()).map(|extra| text(EXTRA, extra.as_str())));
    values
}

/// An event as far as the owner of the mailbox can have it: whoever creates a meeting is its organiser.
fn owned(event: &Event, owner: &Meetings) -> Event {
    let is_other = |organiser: &Person| !owner.is_owner(organiser.address.as_str());
    let attendees = match &event.organiser {
        Some(organiser) if is_other(organiser) => Vec::new(),
        _ => event.attendees.clone(),
    };
    Event { attendees, ..event.clone() }
}

/// Whether its guests are invited only when its files are attached, so that they get those with the invitation.
fn invites_later(owned: &Event, owner: &Meetings) -> bool {
    !owned.attachments.is_empty() && owner.mailing(owned) == Mailing::Concerned
}

/// An event as it is created. Without guests it is no meeting yet, and a run that is cut off before they are invited leaves that to be seen.
fn at_first(event: &Event, owner: &Meetings) -> Event {
    let owned = owned(event, owner);
    let attendees = if invites_later(&owned, owner) { Vec::new() } else { owned.attendees.clone() };
    Event { attendees, ..owned }
}
