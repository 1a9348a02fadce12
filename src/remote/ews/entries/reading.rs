//! Reading entries: by their ids, and then what else belongs to them, each in few requests.

use std::collections::HashMap;

use super::super::EwsClient;
use super::super::answer::Response;
use super::super::ask::{ITEMS_PER_CALL, own_error};
use super::super::property::{Property, leaf};
use super::super::read::mixed_up;
use super::super::request::Version;
use super::super::shape::{self, SEARCH_KEY};
use super::super::xml::Element;
use super::attachments::{ATTACHMENTS, places};
use super::event::Exception;
use super::files::{self, Chosen, Files, OfOccurrence};
use super::request::{BodyType, ItemRef};
use super::spelling::{self, BODY};
use super::{contact, event, note, request, task};
use crate::pim::event::Details;
use crate::pim::{ChangeKey, Contact, Entry, EntryKind, Event, ItemId, LeftThere, SearchKey, ServerEntry, Tag};
use crate::remote::{ItemError, ItemErrorClass, PerItem, RemoteError, RemoteRead};

/// What the file of an entry says besides.
pub(super) const EXTRA: Property = Property::Public("pimsync-file", "String");
const CLASS: Property = Property::Field("item:ItemClass");

/// So many items may spoil an answer before the server itself is taken for spoilt.
const MOST_SPOILERS: usize = 3;

/// An item with its id and its version.
pub(super) type Found = (ItemId, ChangeKey, Element);

fn asked(kind: EntryKind) -> Vec<Property> {
    let mut properties = vec![CLASS, SEARCH_KEY, Property::Tag, EXTRA];
    match kind {
        EntryKind::Contact => {
            properties.extend(spelling::asked(contact::ROWS));
            properties.push(ATTACHMENTS);
        }
        EntryKind::Event => properties.extend(event::asked()),
        EntryKind::Note => properties.extend(spelling::asked(note::ROWS)),
        EntryKind::Task => properties.extend(spelling::asked(task::ROWS)),
    }
    properties
}

impl EwsClient {
    pub(in super::super) async fn read_entries(
        &self,
        kind: EntryKind,
        ids: &[ItemId],
    ) -> Result<Vec<PerItem<ServerEntry>>, RemoteError> {
        self.read_with_occurrences(kind, ids, &[]).await
    }

    /// What these entries say, which is this as far as we know: occurrences that are different then are asked for along with their series. Others
    /// take another request.
    pub(in super::super) async fn read_like(
        &self,
        kind: EntryKind,
        expected: &[(ItemId, &Entry)],
    ) -> Result<Vec<PerItem<ServerEntry>>, RemoteError> {
        let ids: Vec<ItemId> = expected.iter().map(|(id, _)| id.clone()).collect();
        let mut occurrences = Vec::new();
        for (id, entry) in expected {
            let Entry::Event(event) = entry else { continue };
            let rule = event.recurrence.as_ref();
            let numbers = event.overrides.keys().filter_map(|day| rule?.index_of(*day));
            occurrences.extend(numbers.map(|number| (id, number)));
        }
        let mut entries = self.read_with_occurrences(kind, &ids, &occurrences).await?;
        let rest = ids.get(entries.len()..).unwrap_or_default();
        entries.extend(self.entries(kind, rest).await?);
        Ok(entries)
    }

    async fn read_with_occurrences(
        &self,
        kind: EntryKind,
        ids: &[ItemId],
        occurrences: &[(&ItemId, usize)],
    ) -> Result<Vec<PerItem<ServerEntry>>, RemoteError> {
        let expected = occurrences.iter().map(|(series, number)| ItemRef::Occurrence(series, *number));
        let expected = expected.take(ITEMS_PER_CALL.saturating_sub(ids.len()));
        let refs: Vec<ItemRef<'_>> = ids.iter().map(ItemRef::Item).chain(expected).collect();
        let mut found = self.items(&refs, kind).await?;
        let met = found.split_off(ids.len().min(found.len())).into_iter().filter_map(Result::ok);
        let met: HashMap<ItemId, Element> = met.map(|(id, _, item)| (id, item)).collect();
        let found = ids.iter().zip(found).map(|(asked, found)| {
            let (id, _, item) = found?;
            if id != *asked {
                return Err(mixed_up("GetItem"));
            }
            is_of_class(&item, kind).then_some(item).ok_or_else(|| other_class(kind))
        });
        let mut found: Vec<PerItem<Element>> = found.collect();
        let entries: Vec<PerItem<Made>> = match kind {
            EntryKind::Contact => {
                let photos = self.photos(&found).await?;
                each(&found, photos, |item, photo| {
                    let contact: Contact = spelling::read(contact::ROWS, item);
                    Ok((Entry::Contact(Box::new(Contact { photo, ..contact })), Vec::new()))
                })
            }
            EntryKind::Event => {
                let parts = self.parts(&mut found, met).await?;
                each(&found, parts, |item, (exceptions, files)| self.event(item, exceptions, files))
            }
            EntryKind::Note => alone(&found, |item| Entry::Note(spelling::read(note::ROWS, item))),
            EntryKind::Task => alone(&found, |item| Entry::Task(Box::new(spelling::read(task::ROWS, item)))),
        };
        Ok(found
            .iter()
            .zip(entries)
            .map(|(item, entry)| server_entry(item.as_ref().map_err(Clone::clone)?, entry?))
            .collect())
    }

    /// What belongs to these events: their exceptions and files. Where those are large, the last events are left out.
    async fn parts(
        &self,
        events: &mut Vec<PerItem<Element>>,
        met: HashMap<ItemId, Element>,
    ) -> Result<Vec<PerItem<(Vec<Different>, Files)>>, RemoteError> {
        let of_series: Vec<Chosen> = events.iter().map(|event| chosen(event, &Ok(Vec::new()))).collect();
        events.truncate(files::at_once(&of_series));
        let mut exceptions = self.exceptions(events, met).await?;
        let mut chosen: Vec<Chosen> = events.iter().zip(&exceptions).map(|(event, own)| chosen(event, own)).collect();
        chosen.truncate(files::at_once(&chosen));
        events.truncate(chosen.len());
        exceptions.truncate(chosen.len());
        let parts = exceptions.into_iter().zip(self.files(chosen).await?);
        Ok(parts.map(|(exceptions, files)| Ok((exceptions?, files?))).collect())
    }

    fn event(&self, item: &Element, exceptions: Vec<Different>, files: Files) -> PerItem<Made> {
        let Files { attachments, mut of_occurrences, left } = files;
        let exceptions = exceptions.into_iter().map(|Different { details, attached: OfOccurrence { day, .. } }| {
            (day, Details { files: of_occurrences.remove(&day).unwrap_or_default(), ..details })
        });
        let mut event = Event { attachments, ..event::read(item, exceptions.collect())? };
        event.settle_files();
        self.meetings.add_answer(&mut event, item);
        Ok((Entry::Event(Box::new(event)), left))
    }

    /// These items with the properties of that kind.
    async fn items(&self, refs: &[ItemRef<'_>], kind: EntryKind) -> Result<Vec<PerItem<Found>>, RemoteError> {
        let body = match kind {
            EntryKind::Event => BodyType::Best,
            EntryKind::Contact | EntryKind::Note | EntryKind::Task => BodyType::Text,
        };
        let mut found = self.get(refs, body, &asked(kind)).await?;
        if kind == EntryKind::Event && !self.transport.version().has_text_body() {
            self.add_texts(&mut found).await?;
        }
        Ok(found)
    }

    /// The text of bodies in HTML, from servers that tell only one of the two at a time.
    async fn add_texts(&self, found: &mut [PerItem<Found>]) -> Result<(), RemoteError> {
        let has_html = |item: &Element| BODY.find(item).and_then(|body| body.attribute("BodyType")) == Some("HTML");
        let with_html = found.iter().filter_map(|found| found.as_ref().ok()).filter(|(_, _, item)| has_html(item));
        let ids: Vec<ItemId> = with_html.map(|(id, _, _)| id.clone()).collect();
        let refs: Vec<ItemRef<'_>> = ids.iter().map(ItemRef::Item).collect();
        let mut texts = self.get(&refs, BodyType::Text, &[BODY]).await?.into_iter();
        for place in found.iter_mut() {
            let Some((_, _, item)) = place.as_mut().ok().filter(|(_, _, item)| has_html(item)) else { continue };
            match texts.next() {
                Some(Ok((_, _, text))) => item.children.push(leaf("TextBody", BODY.text(&text).as_str())),
                Some(Err(error)) => *place = Err(error),
                None => {}
            }
        }
        Ok(())
    }

    /// Items, in the order asked.
    pub(super) async fn get(
        &self,
        refs: &[ItemRef<'_>],
        body: BodyType,
        properties: &[Property],
    ) -> Result<Vec<PerItem<Found>>, RemoteError> {
        let responses = self
            .ask_for_each("GetItem", refs, ITEMS_PER_CALL, |version, refs| {
                request::get(version, refs.iter().map(|item| **item), body, properties)
            })
            .await?;
        let found = |response: Response| {
            let item = response.checked()?.first().ok_or_else(|| mixed_up("GetItem"))?;
            let (id, change_key) = shape::item_id(item).ok_or_else(|| mixed_up("GetItem"))?;
            Ok((id, change_key, item.clone()))
        };
        Ok(responses.into_iter().map(found).collect())
    }

    /// One response for each, also where the answer for one of them cannot be read: it must not hold up the others.
    pub(super) async fn ask_for_each<T: Sync>(
        &self,
        operation: &'static str,
        items: &[T],
        per_call: usize,
        write: impl Fn(Version, &[&T]) -> String + Send + Sync,
    ) -> Result<Vec<Response>, RemoteError> {
        let mut responses = Vec::new();
        let mut spoilers = 0;
        for chunk in items.chunks(per_call.max(1)) {
            match self.ask_each(operation, chunk, per_call, &write).await {
                Ok(answered) => {
                    responses.extend(answered);
                    continue;
                }
                Err(RemoteError::Protocol { .. }) if chunk.len() > 1 => {}
                Err(error) => return Err(error),
            }
            for item in chunk {
                match self.ask_each(operation, std::slice::from_ref(item), 1, &write).await {
                    Ok(answered) => responses.extend(answered),
                    Err(RemoteError::Protocol { reason, .. }) if spoilers < MOST_SPOILERS => {
                        spoilers += 1;
                        responses.push(Response::refused("AnswerUnreadable", &reason));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(responses)
    }

    /// The occurrences that are different, of each of these series; some of them were met already.
    async fn exceptions(
        &self,
        series: &[PerItem<Element>],
        mut met: HashMap<ItemId, Element>,
    ) -> Result<Vec<PerItem<Vec<Different>>>, RemoteError> {
        let wanted: Vec<Vec<Exception>> =
            series.iter().map(|item| item.as_ref().map(event::exceptions).unwrap_or_default()).collect();
        let open = wanted.iter().flatten().filter(|exception| !met.contains_key(&exception.id));
        let refs: Vec<ItemRef<'_>> = open.map(|exception| ItemRef::Item(&exception.id)).collect();
        let mut found = self.items(&refs, EntryKind::Event).await?.into_iter();
        let mut different = |wanted: Exception| {
            let item = match met.remove(&wanted.id) {
                Some(item) => item,
                None => found.next().unwrap_or_else(|| Err(mixed_up("GetItem"))).map_err(still_there)?.2,
            };
            let attached = OfOccurrence { day: wanted.day, places: places(&item).collect() };
            Ok(Different { details: event::details(&item), attached })
        };
        let each = |wanted: Vec<Exception>| {
            // All of them, whatever becomes of one: the answers are in their order.
            let all: Vec<PerItem<Different>> = wanted.into_iter().map(&mut different).collect();
            all.into_iter().collect()
        };
        Ok(wanted.into_iter().map(each).collect())
    }
}

/// That something of an item is gone does not mean that the item is.
pub(super) fn still_there(error: ItemError) -> ItemError {
    match error.class {
        ItemErrorClass::Gone => ItemError { class: ItemErrorClass::Transient, ..error },
        _ => error,
    }
}

/// The single result of a single thing.
pub(super) fn only<T>(results: Vec<PerItem<T>>) -> PerItem<T> {
    results.into_iter().next().unwrap_or_else(|| Err(mixed_up("the request")))
}

/// An occurrence that is different.
struct Different {
    details: Details,
    /// The day on which it was, and what is attached to it.
    attached: OfOccurrence,
}

/// What is to be fetched of the files of an event and its exceptions.
fn chosen(event: &PerItem<Element>, exceptions: &PerItem<Vec<Different>>) -> Chosen {
    let (Ok(event), Ok(exceptions)) = (event, exceptions) else { return Chosen::default() };
    Chosen::of(event, exceptions.iter().map(|different| &different.attached))
}

/// An entry, and what is attached to it besides.
type Made = (Entry, Vec<LeftThere>);

/// Makes entries of items and what was fetched for each of them.
fn each<T>(
    found: &[PerItem<Element>],
    fetched: Vec<PerItem<T>>,
    entry: impl Fn(&Element, T) -> PerItem<Made>,
) -> Vec<PerItem<Made>> {
    let pairs = found.iter().zip(fetched);
    pairs.map(|(item, fetched)| entry(item.as_ref().map_err(Clone::clone)?, fetched?)).collect()
}

fn alone(found: &[PerItem<Element>], entry: impl Fn(&Element) -> Entry) -> Vec<PerItem<Made>> {
    found.iter().map(|item| item.as_ref().map(|item| (entry(item), Vec::new())).map_err(Clone::clone)).collect()
}

/// Sub-classes count.
fn is_of_class(item: &Element, kind: EntryKind) -> bool {
    let class = CLASS.of(item).filter(|class| !class.is_empty()).unwrap_or_else(|| shape::class_of_element(&item.name));
    let wanted = kind.class();
    let begins = class.get(..wanted.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(wanted));
    begins && class.get(wanted.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn other_class(kind: EntryKind) -> ItemError {
    own_error(ItemErrorClass::Permanent, "OtherClass", format!("it is no {}", kind.word()))
}

fn server_entry(item: &Element, (entry, left): Made) -> PerItem<ServerEntry> {
    let (id, change_key) = shape::item_id(item).ok_or_else(|| mixed_up("GetItem"))?;
    Ok(ServerEntry {
        id,
        change_key,
        search_key: SEARCH_KEY.of(item).filter(|key| !key.is_empty()).map(SearchKey::new),
        tag: Property::Tag.of(item).filter(|tag| !tag.is_empty()).map(Tag::new),
        entry,
        extra: Some(EXTRA.text(item)).filter(|extra| !extra.is_empty()),
        left,
    })
}
