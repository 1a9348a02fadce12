//! Entries that are there: only what differs is sent, and only to the version that it was compared with.

use jiff::civil::Date;

use super::super::EwsClient;
use super::super::answer::Response;
use super::super::ask::own_error;
use super::super::bodies;
use super::super::payload::Payload;
use super::super::property::{Content, Property};
use super::super::request::Version;
use super::super::settle::{Fate, Writes};
use super::super::write::messages::{conflict, new_key};
use super::super::xml::Element;
use super::attachments::{Place, places};
use super::files::own_places;
use super::reading::{EXTRA, only, still_there};
use super::request::{self, BodyType, Edit, ItemRef};
use super::spelling::{self, Value};
use super::uploads::{check, weight};
use super::{contact, event, note, task};
use crate::pim::event::{Details, Mailing, Person};
use crate::pim::{ChangeKey, Entry, EntryKind, Event, ItemId, ServerEntry, Text};
use crate::remote::{EntryUpdate, ItemError, ItemErrorClass, PerItem, RemoteError, RemoteRead, Versioned};

type Results = Vec<Option<PerItem<ChangeKey>>>;

impl EwsClient {
    pub(in super::super) async fn change_entries(
        &self,
        updates: &[EntryUpdate<'_>],
    ) -> Result<Vec<PerItem<ChangeKey>>, RemoteError> {
        let owners = self.owners(updates).await?;
        let alone = self.without_guests_of_others(updates).await;
        let updates: Vec<EntryUpdate<'_>> = updates
            .iter()
            .zip(&alone)
            .map(|(update, alone)| EntryUpdate { to: alone.as_ref().unwrap_or(update.to), ..*update })
            .collect();
        let updates = updates.as_slice();
        let mut results: Results = updates.iter().map(refused).collect();
        let attached = Box::pin(self.attach_first(updates, &owners, &mut results)).await?;
        let updates: Vec<EntryUpdate<'_>> = updates.iter().zip(&attached).map(after_attaching).collect();
        let updates = updates.as_slice();
        let changing = Changing { client: self, updates, owners: &owners, mailing: Mailing::Concerned };
        self.compare_first(&changing, &mut results).await?;
        // What changes no property is through with this step.
        for slot in 0..updates.len() {
            if let (Some(result @ None), Some(update)) = (results.get_mut(slot), updates.get(slot))
                && changing.values(slot, self.transport.version()).is_empty()
            {
                *result = Some(Ok(update.change_key.clone()));
            }
        }
        let settled = self.settle(&changing, results).await?;
        let mut finished = Vec::new();
        let mut broken: Option<String> = None;
        for ((update, owner), result) in updates.iter().zip(&owners).zip(settled) {
            finished.push(match (result, owner, &broken) {
                (Ok(_), Owner::Mine, Some(reason)) if has_more(update) => Err(not_completed(reason)),
                (Ok(key), Owner::Mine, _) => match Box::pin(self.complete_change(update, key)).await {
                    Ok(result) => result,
                    Err(error) => {
                        let reason = error.to_string();
                        let error = not_completed(&reason);
                        broken = Some(reason);
                        Err(error)
                    }
                },
                (Ok(key), Owner::Others, _) => self.give_answer(update, key).await?,
                (result, _, _) => result,
            });
        }
        Ok(finished)
    }

    /// What these updates are to make of meetings that somebody else organises, as far as the file knows: whoever invites to one on the server is its
    /// organiser, so its guests stay as they are.
    async fn without_guests_of_others(&self, updates: &[EntryUpdate<'_>]) -> Vec<Option<Entry>> {
        let other_organiser = |update: &EntryUpdate<'_>| match (update.from, update.to) {
            (Entry::Event(from), Entry::Event(to)) if from.organiser != to.organiser => to.organiser.clone(),
            _ => None,
        };
        let organisers: Vec<Option<Person>> = updates.iter().map(other_organiser).collect();
        self.know_owner(organisers.iter().flatten().map(|person| person.address.as_str())).await;
        let alone = |(update, organiser): (&EntryUpdate<'_>, Option<Person>)| match organiser {
            Some(organiser) if !self.meetings.is_owner(organiser.address.as_str()) => {
                let (Entry::Event(from), Entry::Event(to)) = (update.from, update.to) else { return None };
                let to = Event { attendees: from.attendees.clone(), ..Event::clone(to) };
                Some(Entry::Event(Box::new(to)))
            }
            _ => None,
        };
        updates.iter().zip(organisers).map(alone).collect()
    }

    /// Guests that are told of a change get the files that come with it: those are attached before.
    async fn attach_first(
        &self,
        updates: &[EntryUpdate<'_>],
        owners: &[Owner],
        results: &mut Results,
    ) -> Result<Vec<Option<Attached>>, RemoteError> {
        let changing = Changing { client: self, updates, owners, mailing: Mailing::Concerned };
        let mut all = Vec::new();
        for (slot, (update, result)) in updates.iter().zip(results).enumerate() {
            let files = changing.files_for_guests(slot).filter(|_| result.is_none());
            let attached = match files {
                Some((from, to)) => self.attach_before(update, from, to).await?.map(Some),
                None => Ok(None),
            };
            all.push(attached.unwrap_or_else(|error| {
                *result = Some(Err(error));
                None
            }));
        }
        Ok(all)
    }

    async fn attach_before(
        &self,
        update: &EntryUpdate<'_>,
        from: &Event,
        to: &Event,
    ) -> Result<PerItem<Attached>, RemoteError> {
        let version = Versioned { id: update.id.clone(), change_key: update.change_key.clone() };
        if let Err(error) = only(self.compare(&[version]).await?) {
            return Ok(Err(error));
        }
        let key = update.change_key.clone();
        let attached = self.set_files(update.id, key, &from.attachments, &to.attachments).await?;
        let from = Event { attachments: to.attachments.clone(), ..from.clone() };
        Ok(attached.map(|change_key| Attached { change_key, from: Entry::Event(Box::new(from)) }))
    }

    /// Invites the guests of a meeting that was created without them; tells its new version.
    pub(super) async fn invite(
        &self,
        id: &ItemId,
        change_key: &ChangeKey,
        meeting: &Event,
    ) -> Result<PerItem<ChangeKey>, RemoteError> {
        let meeting = event::bare(meeting);
        let alone = Event { attendees: Vec::new(), ..meeting.clone() };
        let [from, to] = [alone, meeting].map(|event| Entry::Event(Box::new(event)));
        let update = EntryUpdate { id, change_key, from: &from, to: &to, extra: None };
        let changing =
            Changing { client: self, updates: &[update], owners: &[Owner::Mine], mailing: Mailing::Concerned };
        Ok(only(self.settle(&changing, Vec::new()).await?))
    }

    /// Gives the answer that an update of somebody else's meeting holds, if it does.
    async fn give_answer(&self, update: &EntryUpdate<'_>, key: ChangeKey) -> Result<PerItem<ChangeKey>, RemoteError> {
        let answer = match (update.from, update.to) {
            (Entry::Event(from), Entry::Event(to)) => self.meetings.answer(from, to),
            _ => None,
        };
        match answer {
            Some(answer) => self.answer(update.id, &key, answer).await,
            None => Ok(Ok(key)),
        }
    }

    /// Compares the versions of what the server would change whatever its version.
    async fn compare_first(&self, changing: &Changing<'_>, results: &mut Results) -> Result<(), RemoteError> {
        let checks = self.checks_change_keys();
        let slots: Vec<usize> = (0..changing.count())
            .filter(|slot| {
                let is_open = matches!(results.get(*slot), Some(None));
                is_open && (!checks || changing.values(*slot, self.transport.version()).is_empty())
            })
            .collect();
        let items = slots.iter().filter_map(|slot| changing.updates.get(*slot));
        let items: Vec<Versioned> =
            items.map(|update| Versioned { id: update.id.clone(), change_key: update.change_key.clone() }).collect();
        if items.is_empty() {
            return Ok(());
        }
        for (slot, compared) in slots.into_iter().zip(self.compare(&items).await?) {
            if let (Some(result), Err(error)) = (results.get_mut(slot), compared) {
                *result = Some(Err(error));
            }
        }
        Ok(())
    }

    /// Changes what is no property of the item: its picture, its files, its exceptions.
    async fn complete_change(
        &self,
        update: &EntryUpdate<'_>,
        key: ChangeKey,
    ) -> Result<PerItem<ChangeKey>, RemoteError> {
        match (update.from, update.to) {
            (Entry::Contact(from), Entry::Contact(to)) if from.photo != to.photo => {
                // One that is only remembered cannot be sent.
                match &to.photo {
                    Some(photo) if photo.data().is_none() => Ok(Ok(key)),
                    photo => self.set_photo(update.id, photo.as_ref()).await,
                }
            }
            (Entry::Event(from), Entry::Event(to)) => {
                let key = match from.attachments == to.attachments {
                    true => Ok(key),
                    false => self.set_files(update.id, key, &from.attachments, &to.attachments).await?,
                };
                let Ok(key) = key else { return Ok(key) };
                if to.recurrence.is_none() {
                    return Ok(Ok(key));
                }
                if !from.is_rewritten_as(to) {
                    return match event::has_same_exceptions(from, to) {
                        true => Ok(Ok(key)),
                        false => self.apply_exceptions(update.id, from, to, self.meetings.mailing(to)).await,
                    };
                }
                if !event::has_exceptions(from) && !event::has_exceptions(to) {
                    return Ok(Ok(key));
                }
                // A series that moves may lose its exceptions, or not.
                self.rewrite(update.id, to).await
            }
            _ => Ok(Ok(key)),
        }
    }

    /// Makes the exceptions of a series that is `to` already, but for these, those of `to`. There is no operation that takes one back, so a series
    /// of which an occurrence is to be as ever again becomes a single event for a moment: then it has none, and gets those that it shall have.
    async fn rewrite(&self, id: &ItemId, to: &Event) -> Result<PerItem<ChangeKey>, RemoteError> {
        let (mut key, mut now) = match self.read_event(id).await? {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let Some(day) = now.restored_in(to) else {
            return self.apply_exceptions(id, &now, to, Mailing::Nobody).await;
        };
        if let Err(error) = self.check_put_back(id, day, [&now, to]).await? {
            return Ok(Err(error));
        }
        let single = Event { recurrence: None, ..event::bare(&now) };
        for (from, to) in [(&now, &single), (&single, &event::bare(&now))] {
            let [from, to] = [from, to].map(|event| Entry::Event(Box::new(event.clone())));
            let update = EntryUpdate { id, change_key: &key, from: &from, to: &to, extra: None };
            let changing = Changing {
                client: self,
                updates: &[update],
                owners: &[Owner::Mine],
                // Nobody is to know what it is for a moment.
                mailing: Mailing::Nobody,
            };
            match only(self.settle(&changing, Vec::new()).await?) {
                Ok(next) => key = next,
                Err(error) => return Ok(Err(error)),
            }
        }
        now = match self.read_event(id).await? {
            Ok((_, now)) => now,
            Err(error) => return Ok(Err(error)),
        };
        match now.restored_in(to) {
            Some(day) => Ok(Err(event::cannot_restore(day, "the server keeps it"))),
            None => self.apply_exceptions(id, &now, to, Mailing::Nobody).await,
        }
    }

    async fn read_event(&self, id: &ItemId) -> Result<PerItem<(ChangeKey, Event)>, RemoteError> {
        let found = only(self.read_entries(EntryKind::Event, std::slice::from_ref(id)).await?);
        Ok(found.and_then(|found| match found.entry {
            Entry::Event(event) => Ok((found.change_key, *event)),
            _ => Err(super::super::read::mixed_up("GetItem")),
        }))
    }

    /// Whether all that the occurrences which stay different have `now` can be put back, as far as it is to be there, when that of `day` is to
    /// be as ever.
    async fn check_put_back(&self, id: &ItemId, day: Date, [now, to]: [&Event; 2]) -> Result<PerItem<()>, RemoteError> {
        let asked: Vec<Property> = event::asked().into_iter().chain(event::BESIDES).collect();
        let series = match only(self.get(&[ItemRef::Item(id)], BodyType::Best, &asked).await?) {
            Ok((_, _, series)) => series,
            Err(error) => return Ok(Err(error)),
        };
        let exceptions = event::exceptions(&series);
        let staying: Vec<_> = exceptions.iter().filter(|found| to.overrides.contains_key(&found.day)).collect();
        let refs: Vec<ItemRef<'_>> = staying.iter().map(|found| ItemRef::Item(&found.id)).collect();
        for (found, item) in staying.iter().zip(self.get(&refs, BodyType::Best, &event::BESIDES).await?) {
            match item {
                Ok((_, _, item))
                    if !can_put_back(&item, &series, [now, to].map(|event| event.overrides.get(&found.day))) =>
                {
                    let why =
                        format!("that of {} has attachments or guests of its own, and would lose them", found.day);
                    return Ok(Err(event::cannot_restore(day, &why)));
                }
                Ok(_) => {}
                Err(error) => return Ok(Err(still_there(error))),
            }
        }
        Ok(Ok(()))
    }

    /// Whose the entries are. Of events without an organiser nobody else is.
    async fn owners(&self, updates: &[EntryUpdate<'_>]) -> Result<Vec<Owner>, RemoteError> {
        let is_meeting = |entry: &Entry| matches!(entry, Entry::Event(event) if event.organiser.is_some());
        let meetings: Vec<ItemRef<'_>> =
            updates.iter().filter(|update| is_meeting(update.from)).map(|update| ItemRef::Item(update.id)).collect();
        let mut found = self.get(&meetings, BodyType::Best, &[event::MY_RESPONSE]).await?.into_iter();
        let owner = |update: &EntryUpdate<'_>| match is_meeting(update.from).then(|| found.next()).flatten() {
            Some(Ok((_, _, item))) if event::is_of_others(&item) => Owner::Others,
            // An error will come again with the change.
            _ => Owner::Mine,
        };
        Ok(updates.iter().map(owner).collect())
    }
}

/// Whether an occurrence that is made again gets back what it has besides its series `now` and is to have: guests of its own it would not,
/// nor what is attached to it and no file here.
fn can_put_back(occurrence: &Element, series: &Element, [now, to]: [Option<&Details>; 2]) -> bool {
    let [places, of_series]: [Vec<Place>; 2] = [occurrence, series].map(|item| places(item).collect());
    let is_here = |place: &Place| now.is_some_and(|now| now.files.iter().any(|file| file.has_name(&place.name)));
    let can_be_sent = |details: &Details| details.files.iter().all(|file| file.content.data().is_some());
    event::has_same_guests(occurrence, series)
        && own_places(&places, &of_series).all(is_here)
        && to.is_none_or(can_be_sent)
}

/// What an entry is when its files are as they shall be.
struct Attached {
    change_key: ChangeKey,
    from: Entry,
}

fn after_attaching<'a>((update, attached): (&EntryUpdate<'a>, &'a Option<Attached>)) -> EntryUpdate<'a> {
    match attached {
        Some(attached) => EntryUpdate { change_key: &attached.change_key, from: &attached.from, ..*update },
        None => *update,
    }
}

/// Whether something changes that is no property of the item.
fn has_more(update: &EntryUpdate<'_>) -> bool {
    match (update.from, update.to) {
        (Entry::Contact(from), Entry::Contact(to)) => from.photo != to.photo,
        (Entry::Event(from), Entry::Event(to)) => {
            from.attachments != to.attachments || (to.recurrence.is_some() && from != to)
        }
        _ => false,
    }
}

fn not_completed(reason: &str) -> ItemError {
    own_error(
        ItemErrorClass::Transient,
        "NotDone",
        format!("it was changed, but not in all that is to change: {reason}"),
    )
}

/// Whose an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Mine,
    /// Somebody else organises it: most of it is theirs to say.
    Others,
}

/// What is answered without asking the server.
fn refused(update: &EntryUpdate<'_>) -> Option<PerItem<ChangeKey>> {
    if update.from.kind() != update.to.kind() {
        let message = format!("a {} cannot become a {}", update.from.kind().word(), update.to.kind().word());
        return Some(Err(own_error(ItemErrorClass::Permanent, "OtherClass", message)));
    }
    if update.extra.is_none() && update.from == update.to {
        return Some(Ok(update.change_key.clone()));
    }
    check(update.to).err().map(Err)
}

struct Changing<'a> {
    client: &'a EwsClient,
    updates: &'a [EntryUpdate<'a>],
    owners: &'a [Owner],
    /// Who may be mailed at most.
    mailing: Mailing,
}

impl Changing<'_> {
    fn chosen(&self, slots: &[usize]) -> impl Iterator<Item = &EntryUpdate<'_>> {
        slots.iter().filter_map(|slot| self.updates.get(*slot))
    }

    /// Who is mailed about the change of that slot: a meeting of somebody else's is theirs to tell of.
    fn mailing(&self, slot: usize) -> Mailing {
        let (Some(update), Some(Owner::Mine)) = (self.updates.get(slot), self.owners.get(slot)) else {
            return Mailing::Nobody;
        };
        let (Entry::Event(from), Entry::Event(to)) = (update.from, update.to) else { return Mailing::Nobody };
        let meetings = &self.client.meetings;
        // Those who are no longer invited are told as well.
        let is_told = [from, to].into_iter().any(|event| meetings.mailing(event) == Mailing::Concerned);
        let concerns = || event::concern_guests(&self.values(slot, self.client.transport.version()));
        if is_told && meetings.mailing_when(to) == Mailing::Concerned && concerns() {
            self.mailing
        } else {
            Mailing::Nobody
        }
    }

    /// The event of that slot, as it is and as it shall be, where guests are told of a change that comes with other files.
    fn files_for_guests(&self, slot: usize) -> Option<(&Event, &Event)> {
        let update = self.updates.get(slot)?;
        let (Entry::Event(from), Entry::Event(to)) = (update.from, update.to) else { return None };
        let are_told = from.attachments != to.attachments && self.mailing(slot) == Mailing::Concerned;
        are_told.then_some((&**from, &**to))
    }

    /// The properties that the update of that slot changes.
    fn values(&self, slot: usize, version: Version) -> Vec<Value> {
        let context = self.client.context(version);
        let (Some(update), Some(owner)) = (self.updates.get(slot), self.owners.get(slot)) else { return Vec::new() };
        let mut values = match (update.from, update.to) {
            (Entry::Contact(from), Entry::Contact(to)) => spelling::changes(contact::ROWS, &**from, &**to, &context),
            (Entry::Event(from), Entry::Event(to)) => match owner {
                Owner::Mine => event::changes(from, to, &context),
                Owner::Others => event::own_changes(from, to, &context),
            },
            (Entry::Note(from), Entry::Note(to)) => spelling::changes(note::ROWS, from, to, &context),
            (Entry::Task(from), Entry::Task(to)) => spelling::changes(task::ROWS, &**from, &**to, &context),
            _ => Vec::new(),
        };
        values.extend(update.extra.map(|extra| {
            let content = Some(extra.as_str()).filter(|extra| !extra.is_empty());
            (EXTRA, content.map(|extra| EXTRA.holding(Content::Text(extra.to_owned()))))
        }));
        values
    }
}

impl Writes for Changing<'_> {
    type Done = ChangeKey;
    const OPERATION: &'static str = "UpdateItem";
    const REPEATABLE: bool = true;

    fn count(&self) -> usize {
        self.updates.len()
    }

    fn cut(&self, slots: Vec<usize>) -> Vec<Vec<usize>> {
        let size = |slot: &usize| self.updates.get(*slot).map_or(0, |update| weight(update.to, update.extra));
        let (told, untold): (Vec<usize>, Vec<usize>) =
            slots.into_iter().partition(|slot| self.mailing(*slot) == Mailing::Concerned);
        let batches = [told, untold].into_iter().filter(|slots| !slots.is_empty());
        batches.flat_map(|slots| bodies::cut(slots.iter().map(|slot| (*slot, size(slot))))).collect()
    }

    fn payload(&self, version: Version, slots: &[usize]) -> Payload<'_> {
        let edit = |(update, slot): (&'_ EntryUpdate<'_>, &usize)| {
            let (id, change_key) = (update.id.clone(), update.change_key.clone());
            (id, change_key, update.to.kind(), self.values(*slot, version))
        };
        let edits: Vec<_> = self.chosen(slots).zip(slots).map(edit).collect();
        let edits: Vec<Edit<'_>> = edits
            .iter()
            .map(|(id, change_key, kind, values)| Edit { id, change_key, kind: *kind, values: values.clone() })
            .collect();
        Payload::text(request::update(
            version,
            &edits,
            slots.first().map_or(Mailing::Nobody, |slot| self.mailing(*slot)),
        ))
    }

    fn read(&self, slot: usize, response: &Response) -> PerItem<ChangeKey> {
        let update = self.updates.get(slot).ok_or_else(|| super::super::read::mixed_up(Self::OPERATION))?;
        new_key(Self::OPERATION, update.id, response)
    }

    /// What says now what it shall say was done.
    async fn fates(&self, client: &EwsClient, slots: &[usize]) -> Result<Vec<Fate<ChangeKey>>, RemoteError> {
        let mut fates: Vec<Option<Fate<ChangeKey>>> = slots.iter().map(|_| None).collect();
        for kind in [EntryKind::Contact, EntryKind::Event, EntryKind::Note, EntryKind::Task] {
            let updates = self.chosen(slots).enumerate().filter(|(_, update)| update.to.kind() == kind);
            let updates: Vec<(usize, &EntryUpdate<'_>)> = updates.collect();
            let ids: Vec<ItemId> = updates.iter().map(|(_, update)| update.id.clone()).collect();
            for ((at, update), now) in updates.into_iter().zip(client.entries(kind, &ids).await?) {
                if let Some(place) = fates.get_mut(at) {
                    *place = Some(fate(update, now));
                }
            }
        }
        Ok(fates.into_iter().map(|fate| fate.unwrap_or(Fate::NotDone)).collect())
    }
}

fn fate(update: &EntryUpdate<'_>, now: PerItem<ServerEntry>) -> Fate<ChangeKey> {
    match now {
        Ok(now) if now.change_key == *update.change_key => Fate::NotDone,
        Ok(now) if says(&now, update) => Fate::Settled(Ok(now.change_key)),
        Ok(_) => Fate::Settled(Err(conflict())),
        Err(error) => Fate::Settled(Err(error)),
    }
}

/// Whether everything that the update changes is as it shall be.
fn says(now: &ServerEntry, update: &EntryUpdate<'_>) -> bool {
    let wanted = update.from.diff(update.to);
    let missing = now.entry.diff(update.to);
    let extra = update.extra.map(Text::as_str);
    wanted.iter().all(|field| !missing.contains(field))
        && extra.is_none_or(|extra| now.extra.as_ref().map_or("", Text::as_str) == extra)
}
