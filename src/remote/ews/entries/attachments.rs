//! Attachments: pictures of contacts, files of events. They come and go in requests of their own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::super::EwsClient;
use super::super::answer::Response;
use super::super::ask::own_error;
use super::super::bodies;
use super::super::payload::Payload;
use super::super::property::Property;
use super::super::request::Version;
use super::super::settle::{Fate, Writes};
use super::super::shape::is_true;
use super::super::xml::Element;
use super::reading::{only, still_there};
use super::request::{self, BodyType, ItemRef, NewFile};
use crate::pim::{ChangeKey, ItemId};
use crate::remote::{ItemError, ItemErrorClass, PerItem, RemoteError};

pub(super) const ATTACHMENTS: Property = Property::Field("item:Attachments");

/// What an attachment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// The picture of a contact.
    Picture,
    /// Any other file.
    File,
    /// An item, or a link to what lies elsewhere.
    Other,
}

/// What an item tells of an attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) id: String,
    pub(super) sort: Sort,
    pub(super) name: String,
    pub(super) media_type: String,
    pub(super) content_id: String,
    pub(super) size: u64,
}

/// The attachments of an item, in the server's order.
pub(super) fn places(item: &Element) -> impl Iterator<Item = Place> {
    ATTACHMENTS.find(item).into_iter().flat_map(|list| &list.children).filter_map(|found| {
        let text = |name: &str| found.value(name).unwrap_or_default().to_owned();
        let sort = match &*found.name {
            "FileAttachment" if is_true(found.value("IsContactPhoto")) => Sort::Picture,
            "FileAttachment" => Sort::File,
            _ => Sort::Other,
        };
        Some(Place {
            id: found.child("AttachmentId")?.attribute("Id")?.to_owned(),
            sort,
            name: found.child("Name").map(|name| name.text.clone()).unwrap_or_default(),
            media_type: text("ContentType"),
            content_id: text("ContentId"),
            size: text("Size").parse().unwrap_or(0),
        })
    })
}

/// An item and its attachments.
pub(super) struct Holder {
    pub(super) change_key: ChangeKey,
    pub(super) places: Vec<Place>,
}

impl EwsClient {
    /// The bytes of these attachments.
    pub(super) async fn contents(&self, places: &[&Place]) -> Result<Vec<PerItem<Bytes>>, RemoteError> {
        let mut contents = Vec::new();
        for batch in bodies::cut(places.iter().enumerate().map(|(at, place)| (at, place.size))) {
            let batch: Vec<&Place> = batch.into_iter().filter_map(|at| places.get(at).copied()).collect();
            let responses = self
                .ask_for_each("GetAttachment", &batch, batch.len(), |version, places| {
                    let ids: Vec<&str> = places.iter().map(|place| place.id.as_str()).collect();
                    request::get_attachments(version, &ids)
                })
                .await?;
            contents.extend(batch.into_iter().zip(responses).map(|(place, response)| read(place, response)));
        }
        Ok(contents)
    }

    /// What is attached to an item now.
    pub(super) async fn holder(&self, item: &ItemId) -> Result<PerItem<Holder>, RemoteError> {
        let found = only(self.get(&[ItemRef::Item(item)], BodyType::Text, &[ATTACHMENTS]).await?);
        Ok(found.map(|(_, change_key, item)| Holder { change_key, places: places(&item).collect() }))
    }

    /// Takes attachments away, which were there with that version of their item; tells its new one.
    pub(super) async fn detach(
        &self,
        item: &ItemId,
        mut change_key: ChangeKey,
        ids: &[String],
    ) -> Result<PerItem<ChangeKey>, RemoteError> {
        for removed in self.settle(&Removal { item, ids }, Vec::new()).await? {
            match removed {
                Ok(key) => change_key = key.unwrap_or(change_key),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(change_key))
    }

    /// Attaches a file; tells the new version of the item.
    pub(super) async fn attach(
        &self,
        item: &ItemId,
        file: &NewFile<'_>,
        content: &Bytes,
    ) -> Result<PerItem<ChangeKey>, RemoteError> {
        let creation = Creation { item, file, content, base64: STANDARD.encode(content) };
        match only(self.settle(&creation, Vec::new()).await?) {
            Ok(Some(change_key)) => Ok(Ok(change_key)),
            Ok(None) => Ok(self.holder(item).await?.map(|now| now.change_key)),
            Err(error) => Ok(Err(error)),
        }
    }
}

fn read(place: &Place, response: Response) -> PerItem<Bytes> {
    let attachment = response.checked().map_err(still_there)?.body.children_of("Attachments").next();
    let told = attachment.and_then(|found| found.child("AttachmentId")?.attribute("Id"));
    let is_it = told == Some(place.id.as_str());
    response.attached.filter(|_| is_it).ok_or_else(|| {
        let message = format!("its attachment {:?} came without its bytes", place.name);
        own_error(ItemErrorClass::Transient, "AttachmentUnreadable", message)
    })
}

/// The new version of the item: told beside an attachment that is gone, and with the id of a new one.
fn root_key(response: &Response) -> Option<ChangeKey> {
    let attachment = response.body.children_of("Attachments").next();
    let roots = [response.body.child("RootItemId"), attachment.and_then(|attachment| attachment.child("AttachmentId"))];
    let mut keys = roots.into_iter().flatten().filter_map(|root| root.attribute("RootItemChangeKey"));
    let key = keys.find(|key| !key.is_empty());
    key.map(ChangeKey::new)
}

struct Removal<'a> {
    item: &'a ItemId,
    ids: &'a [String],
}

impl Writes for Removal<'_> {
    /// The item's new version, where the server tells it.
    type Done = Option<ChangeKey>;
    const OPERATION: &'static str = "DeleteAttachment";
    const REPEATABLE: bool = true;

    fn count(&self) -> usize {
        self.ids.len()
    }

    fn payload(&self, version: Version, slots: &[usize]) -> Payload<'_> {
        let ids: Vec<&str> = slots.iter().filter_map(|slot| self.ids.get(*slot)).map(String::as_str).collect();
        Payload::text(request::delete_attachments(version, &ids))
    }

    fn read(&self, _: usize, response: &Response) -> PerItem<Self::Done> {
        Ok(root_key(response))
    }

    /// What is no longer among its attachments was removed.
    async fn fates(&self, client: &EwsClient, slots: &[usize]) -> Result<Vec<Fate<Self::Done>>, RemoteError> {
        let now = client.holder(self.item).await?;
        let has = |now: &Holder, slot: &usize| {
            self.ids.get(*slot).is_some_and(|id| now.places.iter().any(|place| place.id == *id))
        };
        let fate = |slot: &usize| match &now {
            Ok(now) if has(now, slot) => Fate::NotDone,
            Ok(now) => Fate::Settled(Ok(Some(now.change_key.clone()))),
            Err(error) => Fate::Settled(Err(error.clone())),
        };
        Ok(slots.iter().map(fate).collect())
    }
}

struct Creation<'a> {
    item: &'a ItemId,
    file: &'a NewFile<'a>,
    content: &'a Bytes,
    base64: String,
}

impl Creation<'_> {
    /// Whether that is the file, which nothing was before. There is one picture at most.
    async fn is_there(&self, client: &EwsClient, now: &Holder) -> Result<PerItem<bool>, RemoteError> {
        let alike = now.places.iter().filter(|place| place.sort == self.file.sort);
        if self.file.sort == Sort::Picture {
            return Ok(Ok(alike.count() > 0));
        }
        let alike: Vec<&Place> = alike.filter(|place| place.name == self.file.name).collect();
        let contents: PerItem<Vec<Bytes>> = client.contents(&alike).await?.into_iter().collect();
        Ok(contents.map(|contents| contents.contains(self.content)))
    }
}

impl Writes for Creation<'_> {
    /// The item's new version, where the server tells it.
    type Done = Option<ChangeKey>;
    const OPERATION: &'static str = "CreateAttachment";
    const REPEATABLE: bool = false;

    fn count(&self) -> usize {
        1
    }

    fn payload(&self, version: Version, _: &[usize]) -> Payload<'_> {
        Payload::text(request::create_attachment(version, self.item, self.file, &self.base64))
    }

    fn read(&self, _: usize, response: &Response) -> PerItem<Self::Done> {
        Ok(root_key(response))
    }

    async fn fates(&self, client: &EwsClient, _: &[usize]) -> Result<Vec<Fate<Self::Done>>, RemoteError> {
        let unknown = |error: ItemError| Fate::Settled(Err(ItemError { class: ItemErrorClass::Unknown, ..error }));
        let now = match client.holder(self.item).await? {
            Ok(now) => now,
            Err(error) => return Ok(vec![unknown(error)]),
        };
        Ok(vec![match self.is_there(client, &now).await? {
            Ok(true) => Fate::Settled(Ok(Some(now.change_key))),
            Ok(false) => Fate::NotDone,
            Err(error) => unknown(error),
        }])
    }
}
