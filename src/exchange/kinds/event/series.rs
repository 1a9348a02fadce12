//! When the occurrences of a series take place.

use jiff::Span;
use jiff::civil::{Date, DateTime, Time};

use super::super::super::store::Meta;
use super::super::super::zones::Zone;
use super::super::recurrence::{End, Recurrence};
use super::super::values;

/// The times of a series. They are those of a clock on the wall, so that a meeting at nine is at nine in summer, too.
#[derive(Debug)]
pub(in super::super::super) struct Series {
    pub(in super::super::super) recurrence: Recurrence,
    pub(in super::super::super) zone: Zone,
    time: Time,
    length: Span,
}

/// One occurrence as the series has it: its number from 1 on, and when it begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super::super) struct Instance {
    pub(in super::super::super) number: i64,
    pub(in super::super::super) day: Date,
    pub(in super::super::super) start: i64,
    pub(in super::super::super) end: i64,
}

impl Series {
    /// The series that an appointment is; none for a single one.
    pub(in super::super::super) fn of(meta: &Meta) -> Option<Series> {
        let recurrence = Recurrence::read(&values::element(&meta.fields, "Recurrence")?).ok()?;
        let zone = super::zone_of(meta);
        let wall = |name: &str| values::time(&meta.fields, name).map(|at| zone.wall(at));
        let (start, end) = (wall("Start")?, wall("End")?);
        Some(Series { time: start.time(), length: start.until(end).ok()?, recurrence, zone })
    }

    fn instance(&self, number: i64, day: Date) -> Instance {
        let start = DateTime::from_parts(day, self.time);
        let end = start.checked_add(self.length).unwrap_or(start);
        Instance { number, day, start: self.zone.instant(start), end: self.zone.instant(end) }
    }

    /// All of them, deleted ones and exceptions as they were meant first.
    pub(in super::super::super) fn instances(&self) -> impl Iterator<Item = Instance> + '_ {
        self.recurrence.days().zip(1..).map(|(day, number)| self.instance(number, day))
    }

    /// The one with this number.
    pub(in super::super::super) fn nth(&self, number: i64) -> Option<Instance> {
        let skipped = usize::try_from(number.checked_sub(1)?).ok()?;
        self.recurrence.days().nth(skipped).map(|day| self.instance(number, day))
    }

    /// The last one that was not deleted; none for a series without an end.
    pub(in super::super::super) fn last(&self, deleted: &[i64]) -> Option<Instance> {
        if self.recurrence.end == End::Never {
            return None;
        }
        let numbered = self.recurrence.days().zip(1..).filter(|(_, number)| !deleted.contains(number));
        numbered.last().map(|(day, number)| self.instance(number, day))
    }

    /// The first one that was not deleted.
    pub(in super::super::super) fn first(&self, deleted: &[i64]) -> Option<Instance> {
        self.instances().find(|instance| !deleted.contains(&instance.number))
    }
}
