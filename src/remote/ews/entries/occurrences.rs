//! Occurrences of a series that are deleted or different. They are changed one by one, each by its number in the series, and only after the
//! server said that the number means the day that is meant.
//!
//! Each such change may give the series a new version, so the version of an occurrence is asked for just before.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};

use super::super::EwsClient;
use super::super::answer::Response;
use super::super::ask::own_error;
use super::super::payload::Payload;
use super::super::property::Property;
use super::super::request::Version;
use super::super::settle::{Fate, Writes};
use super::super::shape::parse_time;
use super::super::write::messages::conflict;
use super::event::{ORIGINAL_START, cannot_restore};
use super::reading::{Found, only};
use super::request::{self, BodyType, Edit, ItemRef};
use super::spelling::{self, Context, TaskRules, Value};
use super::{event, when};
use crate::pim::event::{At, Details, DetailsField, Mailing, When};
use crate::pim::{ChangeKey, EntryKind, Event, ItemId, Text};
use crate::remote::{Disposal, ItemError, ItemErrorClass, PerItem, RemoteError};

/// What tells which occurrence it is.
const WHEREABOUTS: [Property; 5] =
    [when::START, ORIGINAL_START, when::START_ZONE, when::END_ZONE, Property::Field("calendar:CalendarItemType")];

/// The code for what is deleted already.
const DELETED_ALREADY: &str = "ErrorCalendarOccurrenceIsDeletedFromRecurrence";

/// What is to become of the occurrences of a series.
struct Plan<'a> {
    /// To be deleted, by day, with their numbers.
    deleted: BTreeMap<Date, usize>,
    /// To be different, with their numbers.
    edited: Vec<(Date, usize, Details, &'a Details)>,
}

impl<'a> Plan<'a> {
    fn of(from: &Event, to: &'a Event) -> PerItem<Self> {
        if let Some(day) = from.restored_in(to) {
            return Err(cannot_restore(day, "there is no operation for that"));
        }
        let number = |day: Date| {
            let rule = to.recurrence.as_ref();
            rule.and_then(|rule| rule.index_of(day)).ok_or_else(|| no_occurrence(day))
        };
        let deleted = to.deleted.difference(&from.deleted).map(|day| Ok((*day, number(*day)?)));
        let mut edited = Vec::new();
        for (day, details) in &to.overrides {
            let before = from.overrides.get(day).cloned().unwrap_or_else(|| as_ever(&from.details, *day));
            if before != *details {
                edited.push((*day, number(*day)?, before, details));
            }
        }
        Ok(Self { deleted: deleted.collect::<PerItem<_>>()?, edited })
    }
}

/// What the occurrence of a day says where nothing is different about it.
pub(super) fn as_ever(series: &Details, day: Date) -> Details {
    let days = series.when.first_day().until(day).map(|span| span.get_days()).unwrap_or(0);
    let date = |date: Date| date.checked_add(days.days()).unwrap_or(date);
    let time = |time: DateTime| time.checked_add(days.days()).unwrap_or(time);
    let at = |at: &At| At { time: time(at.time), zone: at.zone.clone() };
    let when = match &series.when {
        When::AllDay { first, end } => When::AllDay { first: date(*first), end: date(*end) },
        When::Floating { start, end } => When::Floating { start: time(*start), end: time(*end) },
        When::Zoned { start, end } => When::Zoned { start: at(start), end: at(end) },
    };
    Details { when, ..series.clone() }
}

fn no_occurrence(day: Date) -> ItemError {
    let message = format!("the series has no occurrence on {day}");
    own_error(ItemErrorClass::Permanent, "NoSuchOccurrence", message)
}

fn other_occurrence(day: Date) -> ItemError {
    let message = format!("the server counts the occurrences in another way: that of {day} is not where it should be");
    own_error(ItemErrorClass::Permanent, "OtherOccurrence", message)
}

impl EwsClient {
    /// Makes the exceptions of a series, which are `from`'s now, those of `to`; tells the new version of the series.
    pub(super) async fn apply_exceptions(
        &self,
        series: &ItemId,
        from: &Event,
        to: &Event,
        mailing: Mailing,
    ) -> Result<PerItem<ChangeKey>, RemoteError> {
        let result = match Plan::of(from, to) {
            Ok(plan) => self.carry_out(series, &plan, mailing).await?,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            return Ok(Err(error));
        }
        Ok(only(self.get(&[ItemRef::Item(series)], BodyType::Best, &[]).await?).map(|(_, change_key, _)| change_key))
    }

    async fn carry_out(&self, series: &ItemId, plan: &Plan<'_>, mailing: Mailing) -> Result<PerItem<()>, RemoteError> {
        let days: Vec<(Date, usize)> = plan.deleted.iter().map(|(day, number)| (*day, *number)).collect();
        let mut numbers = Vec::new();
        for ((_, number), found) in days.iter().zip(self.occurrences(series, &days).await?.1) {
            match found {
                Ok(_) => numbers.push(*number),
                Err(error) if error.code == DELETED_ALREADY => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        // Who works in a mailbox of others may not delete to Deleted Items, and no occurrence can be moved there.
        let disposal = if self.whose.is_shared() { Disposal::Dispose } else { Disposal::ToDeletedItems };
        let removal = Removal { series, numbers: &numbers, disposal, mailing };
        if let Some(error) = self.settle(&removal, Vec::new()).await?.into_iter().find_map(Result::err) {
            return Ok(Err(error));
        }
        for (day, number, before, after) in &plan.edited {
            let at = (*day, *number);
            let result = match self.set_own_files(series, at, before, after).await? {
                Ok(()) => self.edit_occurrence(series, at, before, after, mailing).await?,
                error => error,
            };
            if let Err(error) = result {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// Whoever is told of the change of an occurrence gets its files along, so they come first.
    async fn set_own_files(
        &self,
        series: &ItemId,
        at: (Date, usize),
        before: &Details,
        after: &Details,
    ) -> Result<PerItem<()>, RemoteError> {
        if before.files == after.files {
            return Ok(Ok(()));
        }
        let (id, key, _) = match only(self.occurrences(series, &[at]).await?.1) {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        Ok(self.set_files(&id, key, &before.files, &after.files).await?.map(|_| ()))
    }

    async fn edit_occurrence(
        &self,
        series: &ItemId,
        at: (Date, usize),
        before: &Details,
        after: &Details,
        mailing: Mailing,
    ) -> Result<PerItem<()>, RemoteError> {
        let (home, found) = self.occurrences(series, &[at]).await?;
        let (id, change_key, _) = match only(found) {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let edit = OccurrenceEdit { home: &home, id: &id, change_key: &change_key, before, after, mailing };
        Ok(self.settle(&edit, Vec::new()).await?.into_iter().find_map(Result::err).map_or(Ok(()), Err))
    }

    /// The occurrences with these numbers, if they are those of these days; and the zone of the series, which tells on which day one is.
    async fn occurrences(
        &self,
        series: &ItemId,
        days: &[(Date, usize)],
    ) -> Result<(Text, Vec<PerItem<Found>>), RemoteError> {
        if days.is_empty() {
            return Ok((self.zone.clone(), Vec::new()));
        }
        let master = std::iter::once(ItemRef::Item(series));
        let refs: Vec<ItemRef<'_>> =
            master.chain(days.iter().map(|(_, number)| ItemRef::Occurrence(series, *number))).collect();
        let mut found = self.get(&refs, BodyType::Best, &WHEREABOUTS).await?.into_iter();
        let zone = match found.next() {
            Some(Ok((_, _, master))) => when::zones(&master).map(|(zone, _)| zone),
            Some(Err(error)) => return Ok((self.zone.clone(), days.iter().map(|_| Err(error.clone())).collect())),
            None => None,
        };
        let checked = |((day, _), found): (&(Date, usize), PerItem<Found>)| {
            let found = found?;
            let start = [ORIGINAL_START, when::START].into_iter().find_map(|property| property.of(&found.2));
            let start = start.and_then(parse_time).and_then(|start| when::day_in(zone.as_ref(), start));
            if start == Some(*day) { Ok(found) } else { Err(other_occurrence(*day)) }
        };
        let occurrences = days.iter().zip(found).map(checked).collect();
        Ok((zone.map_or_else(|| self.zone.clone(), |zone| zone.iana().clone()), occurrences))
    }
}

struct Removal<'a> {
    series: &'a ItemId,
    numbers: &'a [usize],
    disposal: Disposal,
    mailing: Mailing,
}

impl Writes for Removal<'_> {
    type Done = ();
    const OPERATION: &'static str = "DeleteItem";
    const REPEATABLE: bool = true;

    fn count(&self) -> usize {
        self.numbers.len()
    }

    fn payload(&self, version: Version, slots: &[usize]) -> Payload<'_> {
        let numbers: Vec<usize> = slots.iter().filter_map(|slot| self.numbers.get(*slot)).copied().collect();
        Payload::text(request::delete_occurrences(version, self.series, &numbers, self.disposal, self.mailing))
    }

    fn read(&self, _: usize, _: &Response) -> PerItem<()> {
        Ok(())
    }

    async fn fates(&self, client: &EwsClient, slots: &[usize]) -> Result<Vec<Fate<()>>, RemoteError> {
        let numbers = slots.iter().filter_map(|slot| self.numbers.get(*slot));
        let refs: Vec<ItemRef<'_>> = numbers.map(|number| ItemRef::Occurrence(self.series, *number)).collect();
        let fate = |now: PerItem<Found>| match now {
            Ok(_) => Fate::NotDone,
            Err(error) if error.code == DELETED_ALREADY => Fate::Settled(Ok(())),
            Err(error) => Fate::Settled(Err(error)),
        };
        Ok(client.get(&refs, BodyType::Best, &[]).await?.into_iter().map(fate).collect())
    }
}

struct OccurrenceEdit<'a> {
    /// The zone of the series.
    home: &'a Text,
    id: &'a ItemId,
    change_key: &'a ChangeKey,
    before: &'a Details,
    after: &'a Details,
    mailing: Mailing,
}

impl OccurrenceEdit<'_> {
    /// What says of its zone what the series says already is left out: not every server lets an occurrence have a zone of its own.
    fn values(&self, version: Version) -> Vec<Value> {
        let context = Context { version, home: self.home.clone(), task_rules: TaskRules::OneForAll };
        let before = spelling::spell(event::DETAILS, self.before, &context);
        let is_new = |value: &Value| match value.0 {
            when::ALL_DAY | when::START_ZONE | when::END_ZONE | when::ZONES => !before.contains(value),
            _ => true,
        };
        spelling::changes(event::DETAILS, self.before, self.after, &context).into_iter().filter(is_new).collect()
    }
}

impl Writes for OccurrenceEdit<'_> {
    type Done = ();
    const OPERATION: &'static str = "UpdateItem";
    const REPEATABLE: bool = true;

    fn count(&self) -> usize {
        // Some differences cannot be told: whether it is cancelled.
        usize::from(!self.values(Version::Exchange2013Sp1).is_empty())
    }

    fn payload(&self, version: Version, _: &[usize]) -> Payload<'_> {
        let edit =
            Edit { id: self.id, change_key: self.change_key, kind: EntryKind::Event, values: self.values(version) };
        Payload::text(request::update(version, &[edit], self.mailing))
    }

    /// The id may be another one now: what was an occurrence is an exception.
    fn read(&self, _: usize, _: &Response) -> PerItem<()> {
        Ok(())
    }

    async fn fates(&self, client: &EwsClient, _: &[usize]) -> Result<Vec<Fate<()>>, RemoteError> {
        let properties: Vec<Property> = spelling::asked(event::DETAILS).collect();
        let now = only(client.get(&[ItemRef::Item(self.id)], BodyType::Best, &properties).await?);
        Ok(vec![match now {
            Ok((_, change_key, _)) if change_key == *self.change_key => Fate::NotDone,
            Ok((_, _, item)) => {
                let missing = event::details(&item).diff(self.after);
                // Files come and go by themselves.
                let sent = self.before.diff(self.after).into_iter().filter(|field| *field != DetailsField::Files);
                let is_done = sent.into_iter().all(|field| !missing.contains(&field));
                Fate::Settled(if is_done { Ok(()) } else { Err(conflict()) })
            }
            Err(error) => Fate::Settled(Err(error)),
        }])
    }
}
