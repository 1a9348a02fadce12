//! Events (item class `IPM.Appointment`): what one is, how a series of them repeats, and which of its occurrences are different.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};

use super::fields::{Merged, is_default, item, merge_field};
use super::recurrence::Recurrence;
use super::{Attachment, Attachments, Categories, Importance, Sensitivity, Text};

item! {
    /// What every occurrence of a series has of its own.
    Details,
    /// A field of an occurrence.
    DetailsField {
        /// What it is.
        subject / Subject: Text,
        /// Where it is.
        location / Location: Text,
        /// More about it, as plain text.
        body / Body: Text,
        /// The same as HTML.
        html / Html: Text,
        /// When it is.
        when / When: When,
        /// What it makes of the time.
        busy / Busy: Busy,
        /// Whether it takes place.
        state / State: EventState,
        /// Minutes before the start at which one is reminded.
        reminder / Reminder: Option<u32>,
        /// How urgent it is.
        importance / Importance: Importance,
        /// Who may see it.
        sensitivity / Sensitivity: Sensitivity,
        /// Categories.
        categories / Categories: Categories,
        /// Files that belong to this occurrence alone, besides those of the whole series. A series itself has its files in [`Event::attachments`].
        files / Files: Attachments,
    }
}

/// When an event is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// On whole days, wherever one is.
    AllDay {
        /// The first one.
        first: Date,
        /// The day after the last one.
        end: Date,
    },
    /// At a time by the clock, wherever one is.
    Floating {
        /// Start.
        start: DateTime,
        /// End.
        end: DateTime,
    },
    /// At a time somewhere.
    Zoned {
        /// Start.
        start: At,
        /// End; a flight ends in another zone.
        end: At,
    },
}

impl Default for When {
    /// The first of January 1970.
    fn default() -> Self {
        Self::AllDay { first: Date::constant(1970, 1, 1), end: Date::constant(1970, 1, 2) }
    }
}

impl When {
    /// The day on which it starts, where it starts.
    pub fn first_day(&self) -> Date {
        match self {
            Self::AllDay { first, .. } => *first,
            Self::Floating { start, .. } => start.date(),
            Self::Zoned { start, .. } => start.time.date(),
        }
    }
}

/// A time somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// What the clock shows.
    pub time: DateTime,
    /// Where.
    pub zone: ZoneName,
}

/// A zone by its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ZoneName {
    /// Coordinated universal time.
    Utc,
    /// Any other.
    Named {
        /// The name that the file has.
        tzid: Text,
        /// The name in the IANA database.
        iana: Text,
    },
}

/// What an event makes of the time (MS-OXWSCDATA `LegacyFreeBusyType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the server's names")]
pub enum Busy {
    Free,
    Tentative,
    #[default]
    Busy,
    OutOfOffice,
    WorkingElsewhere,
}

/// Whether an event takes place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventState {
    /// It does.
    #[default]
    Planned,
    /// Its organiser cancelled it.
    Cancelled,
}

/// An event, or a series of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// What identifies it, on both sides (RFC 5545 §3.8.4.7).
    pub uid: Text,
    /// The event, or each occurrence that is not different.
    pub details: Details,
    /// Who invites.
    pub organiser: Option<Person>,
    /// Who is invited.
    pub attendees: Vec<Attendee>,
    /// Files that belong to it.
    #[serde(skip_serializing_if = "is_default")]
    pub attachments: Attachments,
    /// How it repeats.
    pub recurrence: Option<Recurrence>,
    /// The days whose occurrence was deleted.
    pub deleted: BTreeSet<Date>,
    /// The occurrences that are different, by the day on which they were.
    pub overrides: BTreeMap<Date, Details>,
}

/// A field of an event. Overrides count one by one, and each field of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventField {
    /// UID.
    Uid,
    /// A field of the event itself.
    Details(DetailsField),
    /// Who invites.
    Organiser,
    /// Who is invited.
    Attendees,
    /// Files that belong to it.
    Attachments,
    /// How it repeats.
    Recurrence,
    /// Whether the occurrence of that day is there, as ever, or different in those respects.
    Occurrence(Date),
}

/// Who is mailed about meetings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mailing {
    /// Nobody, whatever changes.
    #[default]
    Nobody,
    /// Those whom it concerns: guests of a new, changed or cancelled meeting, and the organiser of an answered one.
    Concerned,
}

impl Mailing {
    /// The word that a settings file has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "quiet",
            Self::Concerned => "send",
        }
    }

    /// What a settings file's word means.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Nobody, Self::Concerned].into_iter().find(|mailing| mailing.as_str() == word)
    }
}

/// Somebody with an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The name.
    pub name: Text,
    /// The address of mail.
    pub address: Text,
}

/// Somebody who is invited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attendee {
    /// Who.
    pub person: Person,
    /// As what.
    pub role: Role,
    /// What they answered.
    pub answer: Answer,
}

/// As what somebody is invited: RequiredAttendees, OptionalAttendees, Resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the server's names")]
pub enum Role {
    #[default]
    Required,
    Optional,
    Resource,
}

/// What somebody answered (MS-OXWSCDATA `ResponseTypeType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the server's names")]
pub enum Answer {
    #[default]
    None,
    Accepted,
    Tentative,
    Declined,
}

/// What became of an occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Occurrence<'a> {
    AsEver,
    Deleted,
    Different(&'a Details),
}

impl Event {
    fn occurrence(&self, day: Date) -> Occurrence<'_> {
        match self.overrides.get(&day) {
            _ if self.deleted.contains(&day) => Occurrence::Deleted,
            Some(details) => Occurrence::Different(details),
            None => Occurrence::AsEver,
        }
    }

    fn exceptional_days(&self) -> impl Iterator<Item = Date> + '_ {
        self.deleted.iter().chain(self.overrides.keys()).copied()
    }

    /// The fields in which two events differ.
    pub fn diff(&self, other: &Self) -> Vec<EventField> {
        let mut fields = Vec::new();
        let mut check = |differs: bool, field| {
            if differs {
                fields.push(field);
            }
        };
        check(self.uid != other.uid, EventField::Uid);
        self.details.diff(&other.details).into_iter().for_each(|field| check(true, EventField::Details(field)));
        check(self.organiser != other.organiser, EventField::Organiser);
        check(self.attendees != other.attendees, EventField::Attendees);
        check(self.attachments != other.attachments, EventField::Attachments);
        check(self.recurrence != other.recurrence, EventField::Recurrence);
        let days: BTreeSet<Date> = self.exceptional_days().chain(other.exceptional_days()).collect();
        for day in days {
            check(self.occurrence(day) != other.occurrence(day), EventField::Occurrence(day));
        }
        fields
    }

    /// Takes one field over from another event.
    pub fn take(&mut self, from: &Self, field: EventField) {
        match field {
            EventField::Uid => self.uid.clone_from(&from.uid),
            EventField::Details(field) => self.details.take(&from.details, field),
            EventField::Organiser => self.organiser.clone_from(&from.organiser),
            EventField::Attendees => self.attendees.clone_from(&from.attendees),
            EventField::Attachments => self.attachments.clone_from(&from.attachments),
            EventField::Recurrence => self.recurrence.clone_from(&from.recurrence),
            EventField::Occurrence(day) => {
                self.deleted.remove(&day);
                self.overrides.remove(&day);
                match from.occurrence(day) {
                    Occurrence::AsEver => {}
                    Occurrence::Deleted => drop(self.deleted.insert(day)),
                    Occurrence::Different(details) => drop(self.overrides.insert(day, details.clone())),
                }
            }
        }
        if matches!(field, EventField::Attachments | EventField::Occurrence(_)) {
            self.settle_files();
        }
    }

    /// What belongs to the whole series is no file of an occurrence alone.
    pub fn settle_files(&mut self) {
        for details in self.overrides.values_mut().filter(|details| !details.files.is_empty()) {
            details.files = details.files.without(&self.attachments).cloned().collect();
        }
    }

    /// An occurrence that was deleted or different, and is to be as ever in `to`, or there again; the first one.
    pub fn restored_in(&self, to: &Self) -> Option<Date> {
        let is_back = |day: &Date| {
            let (before, after) = (self.occurrence(*day), to.occurrence(*day));
            after == Occurrence::AsEver || (before == Occurrence::Deleted && after != before)
        };
        self.exceptional_days().filter(is_back).min()
    }

    /// Whether a server that makes it `to` may drop all exceptions on the way, and put back those that `to` has: where the days or the times
    /// become others, and where an occurrence is to be as ever again.
    pub fn is_rewritten_as(&self, to: &Self) -> bool {
        let is_series = self.recurrence.is_some() && to.recurrence.is_some();
        let has_moved = self.recurrence != to.recurrence || self.details.when != to.details.when;
        is_series && (has_moved || self.restored_in(to).is_some())
    }

    /// What is missing from a series that was on its way to `to` when its rewriting was cut off, and says `now`: nobody took that away.
    pub fn missing_on_the_way(&self, to: &Self, now: &Self) -> Vec<EventField> {
        if !self.is_rewritten_as(to) {
            return Vec::new();
        }
        let recurrence = Some(EventField::Recurrence).filter(|_| now.recurrence.is_none());
        let days: BTreeSet<Date> = self.exceptional_days().chain(to.exceptional_days()).collect();
        let missing = days.into_iter().filter(|day| now.occurrence(*day) == Occurrence::AsEver);
        recurrence.into_iter().chain(missing.map(EventField::Occurrence)).collect()
    }

    /// Drops files of occurrences that `now` does not have and `to` was to have: they are sent one by one, after the occurrence itself.
    pub fn drop_files_on_the_way(&mut self, to: &Self, now: &Self) {
        for (day, details) in &mut self.overrides {
            let [to, now] = [to, now].map(|event| event.overrides.get(day).map(|details| &details.files));
            let is_on_the_way = |file: &Attachment| {
                to.is_some_and(|files| files.contains(file)) && now.is_none_or(|files| !files.contains(file))
            };
            details.files = details.files.iter().filter(|file| !is_on_the_way(file)).cloned().collect();
        }
    }

    /// What is missing from a series that was just created and says `now`: exceptions follow one by one.
    pub fn missing_after_creation(&self, now: &Self) -> Vec<EventField> {
        let missing = self.exceptional_days().filter(|day| now.occurrence(*day) == Occurrence::AsEver);
        missing.map(EventField::Occurrence).collect()
    }

    /// Makes one event of what both sides changed since `base`: field by field, and occurrence by occurrence.
    ///
    /// A deleted occurrence that the other side edited stays, as edited: an edit wins over a deletion.
    pub fn merge(base: &Self, remote: &Self, local: &Self) -> Merged<Self, EventField> {
        let details = Details::merge(&base.details, &remote.details, &local.details);
        let mut conflicts: Vec<_> = details.conflicts.into_iter().map(EventField::Details).collect();
        let mut told = |conflict, field| {
            if conflict {
                conflicts.push(field);
            }
        };
        let (uid, conflict) = merge_field(&base.uid, &remote.uid, &local.uid);
        told(conflict, EventField::Uid);
        let (organiser, conflict) = merge_field(&base.organiser, &remote.organiser, &local.organiser);
        told(conflict, EventField::Organiser);
        let (attendees, conflict) = merge_field(&base.attendees, &remote.attendees, &local.attendees);
        told(conflict, EventField::Attendees);
        let (attachments, conflict) = merge_field(&base.attachments, &remote.attachments, &local.attachments);
        told(conflict, EventField::Attachments);
        let (recurrence, conflict) = merge_field(&base.recurrence, &remote.recurrence, &local.recurrence);
        told(conflict, EventField::Recurrence);
        let mut item = Self {
            uid,
            details: details.item,
            organiser,
            attendees,
            attachments,
            recurrence,
            deleted: BTreeSet::new(),
            overrides: BTreeMap::new(),
        };
        let days = remote.exceptional_days().chain(local.exceptional_days()).chain(base.exceptional_days());
        for day in days.collect::<BTreeSet<Date>>() {
            let conflict = item.merge_occurrence(day, [base, remote, local]);
            told(conflict, EventField::Occurrence(day));
        }
        item.settle_files();
        Merged { item, conflicts }
    }

    /// Puts what both sides made of an occurrence into this event; tells whether they contradict.
    fn merge_occurrence(&mut self, day: Date, sides: [&Self; 3]) -> bool {
        let [base, remote, local] = sides.map(|side| side.occurrence(day));
        let (chosen, conflict) = match (remote, local) {
            (remote, local) if local == base || local == remote => (remote, false),
            (remote, local) if remote == base => (local, false),
            (Occurrence::Different(there), Occurrence::Different(here)) => {
                let before = match base {
                    Occurrence::Different(before) => before,
                    Occurrence::AsEver | Occurrence::Deleted => &sides[0].details,
                };
                let merged = Details::merge(before, there, here);
                self.overrides.insert(day, merged.item);
                return !merged.conflicts.is_empty();
            }
            (Occurrence::Different(edited), Occurrence::Deleted)
            | (Occurrence::Deleted, Occurrence::Different(edited)) => (Occurrence::Different(edited), false),
            (remote, _) => (remote, true),
        };
        match chosen {
            Occurrence::AsEver => {}
            Occurrence::Deleted => drop(self.deleted.insert(day)),
            Occurrence::Different(details) => drop(self.overrides.insert(day, details.clone())),
        }
        conflict
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn called(subject: &str) -> Details {
        Details { subject: subject.into(), ..Details::default() }
    }

    #[test]
    fn occurrences_are_merged_one_by_one() {
        let [first, second, third] = [1, 2, 3].map(|day| date(2026, 3, day));
        let base = Event { details: called("a"), overrides: [(second, called("b"))].into(), ..Event::default() };
        let remote = Event { deleted: [first].into(), ..base.clone() };
        let mut local = base.clone();
        local.overrides.insert(third, called("c"));
        local.overrides.insert(second, Details { location: "here".into(), ..called("b") });
        let merged = Event::merge(&base, &remote, &local);
        assert_eq!(merged.conflicts, []);
        assert_eq!((&merged.item.deleted, &merged.item.overrides), (&remote.deleted, &local.overrides));
        assert_eq!(base.diff(&merged.item), [first, second, third].map(EventField::Occurrence));
    }

    fn daily(event: &Event) -> Event {
        use crate::pim::recurrence::{End, Interval, Pattern, Recurrence};
        let pattern = Pattern::Daily { interval: Interval::new(1).unwrap() };
        let recurrence = Some(Recurrence { pattern, start: date(2026, 3, 1), end: End::Never });
        Event { recurrence, ..event.clone() }
    }

    #[test]
    fn what_a_rewriting_drops_for_a_while_is_known() {
        let [first, second, third] = [1, 2, 3].map(|day| date(2026, 3, day));
        let overrides = BTreeMap::from([(second, called("b"))]);
        let from = daily(&Event { deleted: [first, third].into(), overrides, ..Event::default() });
        let fewer = Event { deleted: [third].into(), ..from.clone() };
        let more = Event { overrides: [(second, called("c"))].into(), ..from.clone() };
        assert_eq!((from.restored_in(&fewer), from.restored_in(&more)), (Some(first), None));
        let undeleted = Event { overrides: [(first, called("a")), (second, called("b"))].into(), ..fewer.clone() };
        assert_eq!(from.restored_in(&undeleted), Some(first), "different is not deleted any more");
        assert_eq!(more.restored_in(&Event { overrides: BTreeMap::new(), ..more.clone() }), Some(second));
        let single = Event { recurrence: None, deleted: BTreeSet::new(), overrides: BTreeMap::new(), ..from.clone() };
        let bare = daily(&single);
        let all = [first, second, third].map(EventField::Occurrence);
        assert_eq!(from.missing_on_the_way(&fewer, &bare), all);
        assert_eq!(from.missing_on_the_way(&fewer, &single)[1..], all);
        assert_eq!(from.missing_on_the_way(&fewer, &single)[0], EventField::Recurrence);
        assert_eq!(from.missing_on_the_way(&fewer, &fewer), all[..1]);
        assert_eq!(from.missing_on_the_way(&more, &bare), [], "nothing is dropped for that: somebody did it");
        assert_eq!(from.missing_on_the_way(&single, &single), [], "no series is what it is to be");
    }

    #[test]
    fn an_edited_occurrence_outlives_its_deletion() {
        let day = date(2026, 3, 1);
        let base = Event { details: called("a"), ..Event::default() };
        let deleted = Event { deleted: [day].into(), ..base.clone() };
        let edited = Event { overrides: [(day, called("b"))].into(), ..base.clone() };
        for (remote, local) in [(&deleted, &edited), (&edited, &deleted)] {
            let merged = Event::merge(&base, remote, local);
            assert_eq!((merged.item, merged.conflicts), (edited.clone(), vec![]));
        }
    }

    #[test]
    fn two_edits_of_one_field_of_an_occurrence_are_a_conflict() {
        let day = date(2026, 3, 1);
        let base = Event { details: called("a"), ..Event::default() };
        let edited = |subject| Event { overrides: [(day, called(subject))].into(), ..base.clone() };
        let merged = Event::merge(&base, &edited("b"), &edited("c"));
        assert_eq!(merged.conflicts, [EventField::Occurrence(day)]);
        assert_eq!(merged.item, edited("b"), "the server's stays in place");
        let both = Event::merge(
            &base,
            &Event { details: called("x"), ..base.clone() },
            &Event { details: called("y"), ..base.clone() },
        );
        assert_eq!(both.conflicts, [EventField::Details(DetailsField::Subject)]);
    }
}
