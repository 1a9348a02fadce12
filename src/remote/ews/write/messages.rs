//! Messages that are there: marked, moved, deleted. What changed on the server since its version is left alone.

use super::super::EwsClient;
use super::super::answer::Response;
use super::super::ask::{ITEMS_PER_CALL, own_error};
use super::super::payload::Payload;
use super::super::read::mixed_up;
use super::super::request::{self, Version};
use super::super::settle::{Fate, Writes};
use super::super::shape::{self, Property, SEARCH_KEY};
use crate::pim::event::Mailing;
use crate::pim::{ChangeKey, FolderId, ItemId, SearchKey, ServerMarks, ServerMessage};
use crate::remote::{
    Disposal, ItemError, ItemErrorClass, MarkUpdate, PerItem, Placed, RemoteError, RemoteRead, Versioned,
};

impl EwsClient {
    pub(super) async fn set_marks(&self, updates: &[MarkUpdate]) -> Result<Vec<PerItem<ChangeKey>>, RemoteError> {
        let mut results: Vec<Option<PerItem<ChangeKey>>> =
            updates.iter().map(|update| unchanged(update).then(|| Ok(update.change_key.clone()))).collect();
        if !self.checks_change_keys() {
            let items: Vec<Versioned> = updates.iter().map(MarkUpdate::versioned).collect();
            for (result, compared) in results.iter_mut().zip(self.compare(&items).await?) {
                if let (None, Err(error)) = (&result, compared) {
                    *result = Some(Err(error));
                }
            }
        }
        self.settle(&Marking { updates }, results).await
    }

    pub(super) async fn put_messages_into(
        &self,
        items: &[Versioned],
        to: &FolderId,
    ) -> Result<Vec<PerItem<Placed>>, RemoteError> {
        let known = self.compare(items).await?;
        let settled = known.iter().map(|known| known.as_ref().err().cloned().map(Err)).collect();
        let moving = Moving { items, to, known: &known };
        let mut results = Vec::new();
        for (slot, result) in self.settle(&moving, settled).await?.into_iter().enumerate() {
            results.push(match result {
                Ok(Some(placed)) => Ok(placed),
                Ok(None) => moving.find(self, slot).await?.ok_or_else(unknown_place),
                Err(error) => Err(error),
            });
        }
        Ok(results)
    }

    pub(in super::super) async fn remove_messages(
        &self,
        items: &[Versioned],
        disposal: Disposal,
    ) -> Result<Vec<PerItem<()>>, RemoteError> {
        let known = self.compare(items).await?;
        // What goes out of Deleted Items was called off when it went there.
        let events = known.iter().flatten().filter(|known| known.class.is_of("IPM.Appointment"));
        let events: Vec<ItemId> =
            events.filter(|_| disposal == Disposal::ToDeletedItems).map(|event| event.id.clone()).collect();
        let told = self.meetings_to_call_off(&events).await?;
        let settled = known.into_iter().map(|known| known.err().map(Err)).collect();
        self.settle(&Removal { items, disposal, told: &told }, settled).await
    }

    /// Whether the server itself refuses stale versions; not before it has said what it is.
    pub(in super::super) fn checks_change_keys(&self) -> bool {
        self.transport.build().is_some_and(|build| build.checks_change_keys())
    }

    /// These items, if each still has the version that it must have. A small race remains: the server offers nothing better.
    pub(in super::super) async fn compare(
        &self,
        items: &[Versioned],
    ) -> Result<Vec<PerItem<ServerMessage>>, RemoteError> {
        let ids: Vec<ItemId> = items.iter().map(|item| item.id.clone()).collect();
        let now = self.messages_with(&ids, &shape::WHEREABOUTS).await?;
        let compare = |(item, now): (&Versioned, PerItem<ServerMessage>)| match now {
            Ok(now) if now.change_key != item.change_key => Err(conflict()),
            now => now,
        };
        Ok(items.iter().zip(now).map(compare).collect())
    }
}

impl MarkUpdate {
    fn versioned(&self) -> Versioned {
        Versioned { id: self.id.clone(), change_key: self.change_key.clone() }
    }
}

fn unchanged(update: &MarkUpdate) -> bool {
    // Whether it is a draft cannot be changed, so it does not count.
    ServerMarks { draft: update.to.draft, ..update.from.clone() } == update.to
}

pub(in super::super) fn conflict() -> ItemError {
    own_error(ItemErrorClass::Conflict, "ErrorIrresolvableConflict", "it was changed on the server meanwhile")
}

/// The code of what was moved, and is not found where it is now.
pub(super) const NEW_ID_UNKNOWN: &str = "NewIdUnknown";

fn unknown_place() -> ItemError {
    own_error(ItemErrorClass::Unknown, NEW_ID_UNKNOWN, "it was moved, but cannot be found in its new folder")
}

/// The version of the item in a response; the id must be the one that was asked for.
pub(in super::super) fn new_key(operation: &str, id: &ItemId, response: &Response) -> PerItem<ChangeKey> {
    let found = response.first().and_then(shape::item_id).filter(|(answered, _)| answered == id);
    found.map(|(_, key)| key).ok_or_else(|| mixed_up(operation))
}

struct Marking<'a> {
    updates: &'a [MarkUpdate],
}

impl Marking<'_> {
    fn chosen(&self, slots: &[usize]) -> impl Iterator<Item = &MarkUpdate> {
        slots.iter().filter_map(|slot| self.updates.get(*slot))
    }
}

impl Writes for Marking<'_> {
    type Done = ChangeKey;
    const OPERATION: &'static str = "UpdateItem";
    const REPEATABLE: bool = true;

    fn count(&self) -> usize {
        self.updates.len()
    }

    fn payload(&self, version: Version, slots: &[usize]) -> Payload<'_> {
        Payload::text(request::update_marks(version, self.chosen(slots)))
    }

    fn read(&self, slot: usize, response: &Response) -> PerItem<ChangeKey> {
        let update = self.updates.get(slot).ok_or_else(|| mixed_up(Self::OPERATION))?;
        new_key(Self::OPERATION, &update.id, response)
    }

    /// What says now what it shall say was done.
    async fn fates(&self, client: &EwsClient, slots: &[usize]) -> Result<Vec<Fate<ChangeKey>>, RemoteError> {
        let ids: Vec<ItemId> = self.chosen(slots).map(|update| update.id.clone()).collect();
        let now = client.messages(&ids).await?;
        let fate = |(update, now): (&MarkUpdate, PerItem<ServerMessage>)| match now {
            Ok(now) if now.change_key == update.change_key && !says(&now.marks, update) => Fate::NotDone,
            Ok(now) if says(&now.marks, update) => Fate::Settled(Ok(now.change_key)),
            Ok(_) => Fate::Settled(Err(conflict())),
            Err(error) => Fate::Settled(Err(error)),
        };
        Ok(self.chosen(slots).zip(now).map(fate).collect())
    }
}

/// Whether everything that the update changes is as it shall be.
fn says(now: &ServerMarks, update: &MarkUpdate) -> bool {
    let (from, to) = (&update.from, &update.to);
    (from.read == to.read || now.read == to.read)
        && (from.follow_up == to.follow_up || now.follow_up == to.follow_up)
        && (from.verb == to.verb || now.verb == to.verb)
        && (from.categories == to.categories || now.categories == to.categories)
}

struct Moving<'a> {
    items: &'a [Versioned],
    to: &'a FolderId,
    /// The items before they were moved.
    known: &'a [PerItem<ServerMessage>],
}

impl Moving<'_> {
    /// The item in its new folder, by what it keeps when it moves. Copies share a search key: only a single find counts.
    async fn find(&self, client: &EwsClient, slot: usize) -> Result<Option<Placed>, RemoteError> {
        let Some(Ok(known)) = self.known.get(slot) else { return Ok(None) };
        let by_key = known.search_key.as_ref().map(|key| (SEARCH_KEY, key.as_str()));
        let by_id = known.message_id.as_deref().map(|id| (Property::Field("message:InternetMessageId"), id));
        let by_tag = known.tag.as_ref().map(|tag| (Property::Tag, tag.as_str()));
        for (property, value) in [by_key, by_tag, by_id].into_iter().flatten() {
            let mut found = match client.find_messages(self.to, property, &[value]).await {
                // Not every server can search for every property.
                Err(RemoteError::Rejected { .. }) => continue,
                found => found?,
            };
            found.retain(|message| same_key(message.search_key.as_ref(), known.search_key.as_ref()));
            if let (Some(message), true) = (found.pop(), found.is_empty()) {
                return Ok(Some(Placed { id: message.id, change_key: message.change_key }));
            }
        }
        Ok(None)
    }
}

fn same_key(one: Option<&SearchKey>, other: Option<&SearchKey>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one == other)
}

impl Writes for Moving<'_> {
    /// `None`: moved, and the server does not tell where to (into public folders, or because it never does).
    type Done = Option<Placed>;
    const OPERATION: &'static str = "MoveItem";
    const REPEATABLE: bool = true;

    fn count(&self) -> usize {
        self.items.len()
    }

    fn payload(&self, version: Version, slots: &[usize]) -> Payload<'_> {
        Payload::text(request::move_items(version, ids_of(self.items, slots), self.to))
    }

    fn read(&self, _: usize, response: &Response) -> PerItem<Option<Placed>> {
        Ok(response.first().and_then(shape::item_id).map(|(id, change_key)| Placed { id, change_key }))
    }

    /// What keeps its id was not moved; what lost it is looked for where it was to go.
    async fn fates(&self, client: &EwsClient, slots: &[usize]) -> Result<Vec<Fate<Self::Done>>, RemoteError> {
        let ids: Vec<ItemId> = ids_of(self.items, slots).cloned().collect();
        let mut fates = Vec::new();
        for (slot, now) in slots.iter().zip(client.messages_with(&ids, &[]).await?) {
            fates.push(match now {
                Ok(_) => Fate::NotDone,
                Err(error) if error.class == ItemErrorClass::Gone => {
                    Fate::Settled(self.find(client, *slot).await?.map(Some).ok_or_else(unknown_place))
                }
                Err(error) => Fate::Settled(Err(error)),
            });
        }
        Ok(fates)
    }
}

fn ids_of<'a>(items: &'a [Versioned], slots: &[usize]) -> impl Iterator<Item = &'a ItemId> {
    slots.iter().filter_map(|slot| items.get(*slot)).map(|item| &item.id)
}

struct Removal<'a> {
    items: &'a [Versioned],
    disposal: Disposal,
    /// Meetings whose guests are to learn of it.
    told: &'a [ItemId],
}

impl Removal<'_> {
    fn mailing(&self, slot: Option<&usize>) -> Mailing {
        let item = slot.and_then(|slot| self.items.get(*slot));
        if item.is_some_and(|item| self.told.contains(&item.id)) { Mailing::Concerned } else { Mailing::Nobody }
    }
}

impl Writes for Removal<'_> {
    type Done = ();
    const OPERATION: &'static str = "DeleteItem";
    const REPEATABLE: bool = true;

    fn count(&self) -> usize {
        self.items.len()
    }

    fn cut(&self, slots: Vec<usize>) -> Vec<Vec<usize>> {
        let (told, untold): (Vec<usize>, Vec<usize>) =
            slots.into_iter().partition(|slot| self.mailing(Some(slot)) == Mailing::Concerned);
        [told, untold].iter().flat_map(|slots| slots.chunks(ITEMS_PER_CALL)).map(<[usize]>::to_vec).collect()
    }

    fn payload(&self, version: Version, slots: &[usize]) -> Payload<'_> {
        let mailing = self.mailing(slots.first());
        Payload::text(request::delete_items(version, ids_of(self.items, slots), self.disposal, mailing))
    }

    fn read(&self, _: usize, _: &Response) -> PerItem<()> {
        Ok(())
    }

    /// What is no longer there was deleted: it was there just before.
    async fn fates(&self, client: &EwsClient, slots: &[usize]) -> Result<Vec<Fate<()>>, RemoteError> {
        let items: Vec<Versioned> = slots.iter().filter_map(|slot| self.items.get(*slot)).cloned().collect();
        let fate = |now: PerItem<ServerMessage>| match now {
            Ok(_) => Fate::NotDone,
            Err(error) if error.class == ItemErrorClass::Gone => Fate::Settled(Ok(())),
            Err(error) => Fate::Settled(Err(error)),
        };
        Ok(client.compare(&items).await?.into_iter().map(fate).collect())
    }
}
