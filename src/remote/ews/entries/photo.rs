//! Pictures of contacts: attachments that are marked as such.

use super::super::EwsClient;
use super::super::ask::own_error;
use super::super::xml::Element;
use super::attachments::{Place, Sort, places};
use super::request::NewFile;
use crate::pim::{ChangeKey, ItemId, Photo};
use crate::remote::{ItemErrorClass, PerItem, RemoteError};

fn pictures(item: &Element) -> impl Iterator<Item = Place> {
    places(item).filter(|place| place.sort == Sort::Picture)
}

impl EwsClient {
    /// The pictures of these contacts; where one has several, which is odd, the first.
    pub(super) async fn photos(
        &self,
        contacts: &[PerItem<Element>],
    ) -> Result<Vec<PerItem<Option<Photo>>>, RemoteError> {
        let mut photos: Vec<PerItem<Option<Photo>>> = contacts.iter().map(|_| Ok(None)).collect();
        let found = contacts.iter().enumerate();
        let found: Vec<(usize, Place)> =
            found.filter_map(|(slot, contact)| Some((slot, pictures(contact.as_ref().ok()?).next()?))).collect();
        let wanted: Vec<&Place> = found.iter().map(|(_, place)| place).collect();
        for ((slot, place), content) in found.iter().zip(self.contents(&wanted).await?) {
            if let Some(photo) = photos.get_mut(*slot) {
                *photo = content.and_then(|data| match data.is_empty() {
                    true => Err(own_error(ItemErrorClass::Transient, "PhotoUnreadable", "the picture is empty")),
                    false => Ok(Some(Photo::new(kind(&place.media_type), data))),
                });
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
        let now = match self.holder(contact).await? {
            Ok(now) => now,
            Err(error) => return Ok(Err(error)),
        };
        let old = now.places.into_iter().filter(|place| place.sort == Sort::Picture);
        let ids: Vec<String> = old.map(|place| place.id).collect();
        match (self.detach(contact, now.change_key, &ids).await?, photo) {
            (Ok(_), Some(photo)) => self.add_photo(contact, photo).await,
            (result, _) => Ok(result),
        }
    }

    /// Gives a contact a picture that has none, under the name by which Outlook knows it; tells the new version of the contact.
    pub(super) async fn add_photo(&self, contact: &ItemId, photo: &Photo) -> Result<PerItem<ChangeKey>, RemoteError> {
        let kind = Some(photo.kind().as_str()).filter(|kind| !kind.is_empty()).unwrap_or("jpeg");
        let media_type = format!("image/{kind}");
        let file = NewFile { sort: Sort::Picture, name: "ContactPicture.jpg", media_type: &media_type, content_id: "" };
        let data = photo.data().cloned().unwrap_or_default();
        self.attach(contact, &file, &data).await
    }
}

/// What the second half of the media type is.
fn kind(media_type: &str) -> &str {
    media_type.strip_prefix("image/").unwrap_or_default()
}
