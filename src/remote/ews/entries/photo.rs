//! Pictures of contacts: attachments that are marked as such. They come and go in requests of their own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

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
use super::super::xml::base64::Decoder;
use super::reading::{only, still_there};
use super::request::{self, BodyType, ItemRef};
use crate::pim::{ChangeKey, ItemId, Photo};
use crate::remote::{ItemError, ItemErrorClass, PerItem, RemoteError};

pub(super) const ATTACHMENTS: Property = Property::Field("item:Attachments");

/// Where a picture is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    id: String,
    size: u64,
}

/// The pictures that an item has; more than one is odd, but possible.
fn places(item: &Element) -> impl Iterator<Item = Place> {
    let photos = ATTACHMENTS.find(item).into_iter().flat_map(|list| &list.children);
    photos.filter(|attachment| is_true(attachment.value("IsContactPhoto"))).filter_map(|attachment| {
        let id = attachment.child("AttachmentId")?.attribute("Id")?.to_owned();
        Some(Place { id, size: attachment.value("Size").and_then(|size| size.parse().ok()).unwrap_or(0) })
    })
}

impl EwsClient {
    /// The pictures of these contacts.
    pub(super) async fn photos(
        &self,
        contacts: &[PerItem<Element>],
    ) -> Result<Vec<PerItem<Option<Photo>>>, RemoteError> {
        let mut photos: Vec<PerItem<Option<Photo>>> = contacts.iter().map(|_| Ok(None)).collect();
        let found = contacts.iter().enumerate().filter_map(|(slot, contact)| {
            let place = places(contact.as_ref().ok()?).next()?;
            Some((slot, place))
        });
        let found: Vec<(usize, Place)> = found.collect();
        for batch in bodies::cut(found.iter().enumerate().map(|(at, (_, place))| (at, place.size))) {
            let batch: Vec<&(usize, Place)> = batch.into_iter().filter_map(|at| found.get(at)).collect();
            let responses = self
                .ask_for_each("GetAttachment", &batch, batch.len(), |version, places| {
                    let ids: Vec<&str> = places.iter().map(|(_, place)| place.id.as_str()).collect();
                    request::get_attachments(version, &ids)
                })
                .await?;
            for ((slot, place), response) in batch.into_iter().zip(responses) {
                if let Some(photo) = photos.get_mut(*slot) {
                    *photo = read(place, &response).map(Some).map_err(still_there);
                }
            }
        }
        Ok(photos)
    }

    /// Gives a contact another picture, or none; tells the new version of the contact.
    pub(super) async fn set_photo(
        &self,
        contact: &ItemId,
        photo: Option<&Photo>,
    ) -> Result<PerItem<ChangeKey>, RemoteError> {
        let now = match self.photo_places(contact).await? {
            Ok(now) => now,
            Err(error) => return Ok(Err(error)),
        };
        let mut change_key = now.change_key;
        for removed in self.settle(&Removal { contact, ids: &now.places }, Vec::new()).await? {
            match removed {
                Ok(key) => change_key = key.unwrap_or(change_key),
                Err(error) => return Ok(Err(error)),
            }
        }
        match photo {
            Some(photo) => self.add_photo(contact, photo).await,
            None => Ok(Ok(change_key)),
        }
    }

    /// Gives a contact a picture that has none; tells the new version of the contact.
    pub(super) async fn add_photo(&self, contact: &ItemId, photo: &Photo) -> Result<PerItem<ChangeKey>, RemoteError> {
        let data = STANDARD.encode(photo.data().map(AsRef::as_ref).unwrap_or_default());
        match only(self.settle(&Creation { contact, photo, data }, Vec::new()).await?) {
            Ok(Some(change_key)) => Ok(Ok(change_key)),
            Ok(None) => Ok(self.photo_places(contact).await?.map(|now| now.change_key)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn photo_places(&self, contact: &ItemId) -> Result<PerItem<Now>, RemoteError> {
        let found = only(self.get(&[ItemRef::Item(contact)], BodyType::Text, &[ATTACHMENTS]).await?);
        Ok(found.map(|(_, change_key, item)| Now { change_key, places: places(&item).map(|place| place.id).collect() }))
    }
}

/// A contact and its pictures.
struct Now {
    change_key: ChangeKey,
    places: Vec<String>,
}

fn read(place: &Place, response: &Response) -> PerItem<Photo> {
    let attachment = response.checked()?.body.children_of("Attachments").next();
    let attachment =
        attachment.filter(|found| found.at(&["AttachmentId"]).is_some_and(|id| id.attribute("Id") == Some(&place.id)));
    let content = attachment.and_then(|attachment| attachment.child("Content"));
    let data = content.and_then(|content| decode(&content.text)).filter(|data| !data.is_empty());
    data.map(|data| Photo::new(kind(attachment), data)).ok_or_else(|| {
        own_error(ItemErrorClass::Transient, "PhotoUnreadable", "the picture of the contact came without its bytes")
    })
}

fn decode(base64: &str) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    let mut take = |bytes: &[u8]| {
        data.extend_from_slice(bytes);
        Ok(())
    };
    let mut decoder = Decoder::default();
    decoder.push(base64.as_bytes(), &mut take).ok()?;
    decoder.finish(&mut take).ok()?.ok()?;
    Some(data)
}

/// What the second half of the media type is.
fn kind(attachment: Option<&Element>) -> &str {
    let media_type = attachment.and_then(|attachment| attachment.value("ContentType")).unwrap_or_default();
    media_type.strip_prefix("image/").unwrap_or_default()
}

/// The new version of the contact: told beside an attachment that is gone, and with the id of a new one.
fn root_key(response: &Response) -> Option<ChangeKey> {
    let attachment = response.body.children_of("Attachments").next();
    let roots = [response.body.child("RootItemId"), attachment.and_then(|attachment| attachment.child("AttachmentId"))];
    let mut keys = roots.into_iter().flatten().filter_map(|root| root.attribute("RootItemChangeKey"));
    let key = keys.find(|key| !key.is_empty());
    key.map(ChangeKey::new)
}

struct Removal<'a> {
    contact: &'a ItemId,
    ids: &'a [String],
}

impl Writes for Removal<'_> {
    /// The contact's new version, where the server tells it.
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
        let now = client.photo_places(self.contact).await?;
        let fate = |slot: &usize| match &now {
            Ok(now) if self.ids.get(*slot).is_some_and(|id| now.places.contains(id)) => Fate::NotDone,
            Ok(now) => Fate::Settled(Ok(Some(now.change_key.clone()))),
            Err(error) => Fate::Settled(Err(error.clone())),
        };
        Ok(slots.iter().map(fate).collect())
    }
}

struct Creation<'a> {
    contact: &'a ItemId,
    photo: &'a Photo,
    data: String,
}

impl Writes for Creation<'_> {
    /// The contact's new version, where the server tells it.
    type Done = Option<ChangeKey>;
    const OPERATION: &'static str = "CreateAttachment";
    const REPEATABLE: bool = false;

    fn count(&self) -> usize {
        1
    }

    fn payload(&self, version: Version, _: &[usize]) -> Payload<'_> {
        Payload::text(request::create_photo(version, self.contact, self.photo, &self.data))
    }

    fn read(&self, _: usize, response: &Response) -> PerItem<Self::Done> {
        Ok(root_key(response))
    }

    /// There was no picture before.
    async fn fates(&self, client: &EwsClient, _: &[usize]) -> Result<Vec<Fate<Self::Done>>, RemoteError> {
        Ok(vec![match client.photo_places(self.contact).await? {
            Ok(now) if now.places.is_empty() => Fate::NotDone,
            Ok(now) => Fate::Settled(Ok(Some(now.change_key.clone()))),
            Err(error) => Fate::Settled(Err(ItemError { class: ItemErrorClass::Unknown, ..error })),
        }])
    }
}
