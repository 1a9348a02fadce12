//! Bodies on their way up: new messages, and drafts that were edited.

use super::super::EwsClient;
use super::super::answer::Response;
use super::super::ask::own_error;
use super::super::bodies;
use super::super::payload::{Mime, Payload};
use super::super::request::{self, NewMessage, Version};
use super::super::settle::{Fate, Writes};
use super::super::shape;
use super::messages::{conflict, new_key};
use super::only;
use crate::pim::{ChangeKey, FolderId, ItemId, Tag};
use crate::remote::{
    BodySource, ItemError, ItemErrorClass, PerItem, Placed, RemoteError, RemoteRead, Upload, Versioned,
};

impl EwsClient {
    pub(super) async fn upload(
        &self,
        folder: &FolderId,
        uploads: &[Upload<'_>],
    ) -> Result<Vec<PerItem<Placed>>, RemoteError> {
        let mut settled = Vec::new();
        let mut messages = Vec::new();
        for upload in uploads {
            match Mime::measure(upload.body) {
                Ok(mime) => {
                    let (tag, marks, received) = (upload.tag.as_str(), &upload.marks, upload.received);
                    messages.push(Some(NewMessage { tag, marks, received, mime }));
                    settled.push(None);
                }
                Err(error) => {
                    messages.push(None);
                    settled.push(Some(Err(unreadable(&error))));
                }
            }
        }
        let creation = Creation { folder, messages };
        let mut results = self.settle(&creation, settled).await?;
        creation.find_unnamed(self, &mut results).await;
        Ok(results.into_iter().map(|result| result.and_then(|placed| placed.ok_or_else(unnamed))).collect())
    }

    pub(super) async fn replace_body(
        &self,
        item: &Versioned,
        body: &dyn BodySource,
    ) -> Result<PerItem<ChangeKey>, RemoteError> {
        let mime = match Mime::measure(body) {
            Ok(mime) => mime,
            Err(error) => return Ok(Err(unreadable(&error))),
        };
        if !self.checks_change_keys()
            && let Err(error) = only(self.compare(std::slice::from_ref(item)).await?)
        {
            return Ok(Err(error));
        }
        Ok(only(self.settle(&Replacement { item, mime }, Vec::new()).await?))
    }
}

impl EwsClient {
    /// What in the folder carries these tags, in their order.
    pub(in super::super) async fn placed_with(
        &self,
        folder: &FolderId,
        tags: &[Tag],
    ) -> Result<Vec<Option<Placed>>, RemoteError> {
        let found = self.find_tagged(folder, tags).await?;
        let placed = |tag: &Tag| {
            let item = found.iter().find(|item| item.tag.as_ref() == Some(tag))?;
            Some(Placed { id: item.id.clone(), change_key: item.change_key.clone() })
        };
        Ok(tags.iter().map(placed).collect())
    }
}

pub(super) fn unreadable(error: &std::io::Error) -> ItemError {
    own_error(ItemErrorClass::Transient, "BodyUnreadable", error.to_string())
}

pub(in super::super) fn unnamed() -> ItemError {
    own_error(ItemErrorClass::Unknown, "NewIdUnknown", "it was created, but the server does not tell its id")
}

/// Those that were created without their ids being told.
pub(in super::super) fn slots_without_id(results: &[PerItem<Option<Placed>>]) -> Vec<usize> {
    results.iter().enumerate().filter(|(_, result)| matches!(result, Ok(None))).map(|(slot, _)| slot).collect()
}

/// Gives these the ids under which they were found.
pub(in super::super) fn name(results: &mut [PerItem<Option<Placed>>], slots: Vec<usize>, found: Vec<Option<Placed>>) {
    for (slot, placed) in slots.into_iter().zip(found) {
        if let Some(result) = results.get_mut(slot) {
            *result = Ok(placed);
        }
    }
}

struct Creation<'a> {
    folder: &'a FolderId,
    /// `None` for those whose body cannot be read.
    messages: Vec<Option<NewMessage<'a>>>,
}

impl Creation<'_> {
    fn message(&self, slot: usize) -> Option<&NewMessage<'_>> {
        self.messages.get(slot)?.as_ref()
    }

    /// The messages in the folder that carry these slots' tags.
    async fn find(&self, client: &EwsClient, slots: &[usize]) -> Result<Vec<Option<Placed>>, RemoteError> {
        let tag = |slot: &usize| Tag::new(self.message(*slot).map(|message| message.tag).unwrap_or_default());
        let tags: Vec<Tag> = slots.iter().map(tag).collect();
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
        self.messages.len()
    }

    fn cut(&self, slots: Vec<usize>) -> Vec<Vec<usize>> {
        let size = |slot: &usize| self.message(*slot).map_or(0, |message| message.mime.length);
        bodies::cut(slots.iter().map(|slot| (*slot, size(slot))))
    }

    fn payload(&self, version: Version, slots: &[usize]) -> Payload<'_> {
        let messages: Vec<&NewMessage<'_>> = slots.iter().filter_map(|slot| self.message(*slot)).collect();
        request::create_messages(version, self.folder, &messages)
    }

    fn read(&self, _: usize, response: &Response) -> PerItem<Option<Placed>> {
        Ok(response.first().and_then(shape::item_id).map(|(id, change_key)| Placed { id, change_key }))
    }

    async fn fates(&self, client: &EwsClient, slots: &[usize]) -> Result<Vec<Fate<Self::Done>>, RemoteError> {
        let found = self.find(client, slots).await?;
        let fate = |placed: Option<Placed>| placed.map_or(Fate::NotDone, |placed| Fate::Settled(Ok(Some(placed))));
        Ok(found.into_iter().map(fate).collect())
    }
}

struct Replacement<'a> {
    item: &'a Versioned,
    mime: Mime<'a>,
}

impl Writes for Replacement<'_> {
    type Done = ChangeKey;
    const OPERATION: &'static str = "UpdateItem";
    const REPEATABLE: bool = false;

    fn count(&self) -> usize {
        1
    }

    fn payload(&self, version: Version, _: &[usize]) -> Payload<'_> {
        request::replace_mime(version, self.item, self.mime)
    }

    fn read(&self, _: usize, response: &Response) -> PerItem<ChangeKey> {
        new_key(Self::OPERATION, &self.item.id, response)
    }

    /// An untouched draft was not replaced. One that changed may be ours or somebody else's edit: nobody can tell.
    async fn fates(&self, client: &EwsClient, _: &[usize]) -> Result<Vec<Fate<ChangeKey>>, RemoteError> {
        let id: &ItemId = &self.item.id;
        let now = only(client.messages(std::slice::from_ref(id)).await?);
        Ok(vec![match now {
            Ok(now) if now.change_key == self.item.change_key => Fate::NotDone,
            Ok(_) => Fate::Settled(Err(ItemError { class: ItemErrorClass::Unknown, ..conflict() })),
            Err(error) => Fate::Settled(Err(error)),
        }])
    }
}
