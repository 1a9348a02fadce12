//! Files of events.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::civil::Date;

use super::super::EwsClient;
use super::super::ask::own_error;
use super::super::xml::Element;
use super::attachments::{Place, Sort, places};
use super::request::NewFile;
use crate::pim::{Attachment, Attachments, Blob, ChangeKey, ItemId, LeftThere};
use crate::remote::{ItemErrorClass, PerItem, RemoteError};

/// So many bytes of files an event has in its own file at most: what does not fit beside those before it stays on the server. In BASE64 it is a
/// third more, and a file is read up to 64 MiB.
const MOST_FILES: u64 = 44 << 20;
/// So many bytes of files are fetched for the events of one request, but for those of the first.
const MOST_AT_ONCE: u64 = 16 << 20;

/// The files of an event, those of its occurrences alone, and what is attached to it besides.
#[derive(Default)]
pub(super) struct Files {
    pub(super) attachments: Attachments,
    pub(super) of_occurrences: BTreeMap<Date, Attachments>,
    pub(super) left: Vec<LeftThere>,
}

/// What is attached to an occurrence that is different.
pub(super) struct OfOccurrence {
    pub(super) day: Date,
    pub(super) places: Vec<Place>,
}

/// What is to become of the attachments of an event.
#[derive(Default)]
pub(super) struct Chosen {
    /// Each with the day of the occurrence that alone has it; of the event itself without one.
    files: Vec<(Option<Date>, Place)>,
    left: Vec<LeftThere>,
    bytes: u64,
}

impl Chosen {
    pub(super) fn of<'a>(event: &Element, occurrences: impl IntoIterator<Item = &'a OfOccurrence>) -> Self {
        let mut chosen = Self::default();
        let of_series: Vec<Place> = places(event).collect();
        of_series.iter().for_each(|place| chosen.add(None, place.clone()));
        for OfOccurrence { day, places } in occurrences {
            own_places(places, &of_series).for_each(|place| chosen.add(Some(*day), place.clone()));
        }
        chosen
    }

    fn add(&mut self, day: Option<Date>, place: Place) {
        let name = place.name.as_str().into();
        match (place.sort, day) {
            (Sort::Picture, _) => {}
            (Sort::File, _) if self.bytes.saturating_add(place.size) <= MOST_FILES => {
                self.bytes += place.size;
                self.files.push((day, place));
            }
            (Sort::File | Sort::Other, Some(day)) => self.left.push(LeftThere::OfOccurrence { day, name }),
            (Sort::File, None) => self.left.push(LeftThere::Large { name, bytes: place.size }),
            (Sort::Other, None) => self.left.push(LeftThere::Item { name }),
        }
    }
}

/// What is attached to an occurrence and not to its series: an exception shows copies of what its series has.
pub(super) fn own_places<'a>(places: &'a [Place], of_series: &'a [Place]) -> impl Iterator<Item = &'a Place> {
    let is_copy = |place: &&Place| of_series.iter().any(|one| (&one.name, one.size) == (&place.name, place.size));
    places.iter().filter(move |place| !is_copy(place))
}

/// How many of these events have files that are fetched together: at least one.
pub(super) fn at_once(events: &[Chosen]) -> usize {
    let sizes = events.iter().map(|chosen| chosen.bytes);
    let sums = sizes.scan(0_u64, |sum, size| {
        *sum = sum.saturating_add(size);
        Some(*sum)
    });
    sums.take_while(|sum| *sum <= MOST_AT_ONCE).count().max(1)
}

impl EwsClient {
    /// The files of these events.
    pub(super) async fn files(&self, chosen: Vec<Chosen>) -> Result<Vec<PerItem<Files>>, RemoteError> {
        let wanted: Vec<&Place> = chosen.iter().flat_map(|chosen| &chosen.files).map(|(_, place)| place).collect();
        let mut contents = self.contents(&wanted).await?.into_iter();
        let of_event = |chosen: Chosen| {
            let taken: Vec<_> = chosen.files.into_iter().zip(contents.by_ref()).collect();
            let mut found: BTreeMap<Option<Date>, Vec<Attachment>> = BTreeMap::new();
            for ((day, place), content) in taken {
                found.entry(day).or_default().push(attachment(&place, content?));
            }
            let mut found: BTreeMap<Option<Date>, Attachments> =
                found.into_iter().map(|(day, files)| (day, files.into_iter().collect())).collect();
            // The server counts what it likes.
            if found.values().map(Attachments::size).sum::<u64>() > MOST_FILES {
                let message = "its attachments are larger than the server says, and too large for a file";
                return Err(own_error(ItemErrorClass::Permanent, "AttachmentsTooLarge", message));
            }
            let attachments = found.remove(&None).unwrap_or_default();
            let of_occurrences = found.into_iter().filter_map(|(day, files)| Some((day?, files))).collect();
            Ok(Files { attachments, of_occurrences, left: chosen.left })
        };
        Ok(chosen.into_iter().map(of_event).collect())
    }

    /// Makes the files of an event, which are `from`'s as far as we know, those of `to`; tells the new version of the event, which is `key` now.
    /// New ones come before old ones go.
    pub(super) async fn set_files(
        &self,
        event: &ItemId,
        key: ChangeKey,
        from: &Attachments,
        to: &Attachments,
    ) -> Result<PerItem<ChangeKey>, RemoteError> {
        let added = match self.add_files(event, to.without(from)).await? {
            Ok(added) => added,
            Err(error) => return Ok(Err(error)),
        };
        let key = added.unwrap_or(key);
        if from.without(to).next().is_none() {
            return Ok(Ok(key));
        }
        let now = match self.holder(event).await? {
            Ok(now) => now,
            Err(error) => return Ok(Err(error)),
        };
        let old: Attachments = from.without(to).cloned().collect();
        let is_named = |place: &&Place| old.iter().any(|file| file.has_name(&place.name));
        let named: Vec<&Place> = now.places.iter().filter(|place| place.sort == Sort::File).filter(is_named).collect();
        let mut ids = Vec::new();
        for (place, content) in named.iter().zip(self.contents(&named).await?) {
            let found = match content {
                Ok(content) => attachment(place, content),
                Err(error) => return Ok(Err(error)),
            };
            // One that became another meanwhile is not what was to go.
            if old.contains(&found) {
                ids.push(place.id.clone());
            }
        }
        self.detach(event, now.change_key, &ids).await
    }

    /// Attaches files; tells the new version of the event, or nothing where there were none. What is only remembered cannot be sent.
    pub(super) async fn add_files(
        &self,
        event: &ItemId,
        files: impl Iterator<Item = &Attachment>,
    ) -> Result<PerItem<Option<ChangeKey>>, RemoteError> {
        let mut key = None;
        for file in files {
            let Some(content) = file.content.data() else { continue };
            let media_type = file.media_type.as_str();
            let new = NewFile {
                sort: Sort::File,
                name: file.name.as_str(),
                media_type: if media_type.is_empty() { "application/octet-stream" } else { media_type },
                content_id: file.content_id.as_str(),
            };
            match self.attach(event, &new, content).await? {
                Ok(next) => key = Some(next),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(key))
    }
}

fn attachment(place: &Place, content: Bytes) -> Attachment {
    Attachment {
        media_type: place.media_type.as_str().into(),
        content_id: place.content_id.as_str().into(),
        ..Attachment::new(&place.name, Blob::new(content))
    }
}
