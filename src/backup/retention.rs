//! Which archives stay: PURE. What is there, what is to be kept and the time go in; a verdict with its reasons comes out for each.
//!
//! Archives are ordered by their numbers, since a clock can be wrong. A time that does not fit to the numbers, or lies ahead, is not believed:
//! an archive with such a time stays, and takes no other one's place.
//!
//! What cannot be read may be built upon anything that is older, so that none of that is dropped.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::pim::UnixTime;

/// How many stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Keep {
    /// Of the newest so many; of none with 0.
    Newest(u32),
    /// Of all.
    #[default]
    All,
}

/// What stays: the newest archives, and the newest one of each of the newest hours, days, weeks, months and years that have any. Hours and
/// what is longer are those of UTC; weeks begin on Monday (ISO 8601).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Archives.
    pub last: Keep,
    /// Hours.
    pub hourly: Keep,
    /// Days.
    pub daily: Keep,
    /// Weeks.
    pub weekly: Keep,
    /// Months.
    pub monthly: Keep,
    /// Years.
    pub yearly: Keep,
}

impl Retention {
    /// Nothing but what always stays.
    pub const NONE: Self = Self {
        last: Keep::Newest(0),
        hourly: Keep::Newest(0),
        daily: Keep::Newest(0),
        weekly: Keep::Newest(0),
        monthly: Keep::Newest(0),
        yearly: Keep::Newest(0),
    };

    /// As Time Machine does it: one of each hour for 24 hours, of each day for a month, of each week for ever.
    pub const TIME_MACHINE: Self =
        Self { hourly: Keep::Newest(24), daily: Keep::Newest(31), weekly: Keep::All, ..Self::NONE };
}

/// An archive that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub number: u32,
    /// When it was made, as its name says.
    pub created: UnixTime,
    /// What is known of it.
    pub condition: Condition,
    /// Whether all of it was read and found to be what was written.
    pub verified: bool,
}

/// What is known of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is whole, as its footer and manifest tell.
    Whole {
        /// The numbers of the archives that it builds upon.
        needs: Vec<u32>,
        /// How many items were lost or unreadable when it was made.
        alarms: u64,
    },
    /// It is whole, and another identity's of the same name.
    Foreign,
    /// It cannot be read, so that it is not known what it needs.
    Unreadable,
}

/// Why an archive stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is the newest that is whole.
    Newest,
    /// It is the newest of those that were read as a whole.
    NewestVerified,
    /// It is the newest from a time when nothing was lost.
    NewestSound,
    /// It is among the last ones.
    Last,
    /// It is the newest of its hour.
    Hour,
    /// Of its day.
    Day,
    /// Of its week.
    Week,
    /// Of its month.
    Month,
    /// Of its year.
    Year,
    /// The archive with this number stays, and builds upon it.
    Needed(u32),
    /// The archive with this number cannot be read, and may build upon it.
    MayBeNeeded(u32),
    /// Its time does not fit to its number.
    OddTime,
    /// It is another identity's.
    Foreign,
    /// It cannot be read.
    Unreadable,
}

/// What is to become of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays: why, at least one reason.
    Keep(BTreeSet<Reason>),
    /// It goes.
    Drop(Superseded),
}

impl Verdict {
    /// The number of the archive that stands in for this one; none where it stays.
    pub(super) fn superseded_by(&self) -> Option<u32> {
        match self {
            Self::Keep(_) => None,
            Self::Drop(proof) => Some(proof.by),
        }
    }
}

/// The proof that an archive may go. Only [`decide`] makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superseded {
    by: u32,
}

impl Superseded {
    /// The number of the next newer whole archive that stays.
    pub fn by(self) -> u32 {
        self.by
    }
}

/// Decides on each archive; the verdicts are in the order of `archives`.
pub fn decide(archives: &[Candidate], retention: &Retention, now: UnixTime) -> Vec<Verdict> {
    let mut order: Vec<usize> = (0..archives.len()).collect();
    order.sort_by_key(|at| archives.get(*at).map(|archive| (archive.number, archive.created, *at)));
    let sorted: Vec<&Candidate> = order.iter().filter_map(|at| archives.get(*at)).collect();
    let mut reasons = vec![BTreeSet::new(); sorted.len()];
    keep_what_is_not_understood(&sorted, now, &mut reasons);
    keep_the_newest(&sorted, &mut reasons);
    keep_by_time(&sorted, retention, &mut reasons);
    keep_what_is_needed(&sorted, &mut reasons);
    let mut verdicts = vec![Verdict::Keep(BTreeSet::new()); archives.len()];
    let mut next = None;
    for ((at, archive), reasons) in order.into_iter().zip(sorted).zip(reasons).rev() {
        let verdict = match next {
            Some(by) if reasons.is_empty() => Verdict::Drop(Superseded { by }),
            _ => Verdict::Keep(reasons),
        };
        if archive.own() && matches!(verdict, Verdict::Keep(_)) {
            next = Some(archive.number);
        }
        if let Some(place) = verdicts.get_mut(at) {
            *place = verdict;
        }
    }
    verdicts
}

type Reasons = [BTreeSet<Reason>];

impl Candidate {
    /// Whether it is a whole one of this identity.
    fn own(&self) -> bool {
        matches!(self.condition, Condition::Whole { .. })
    }

    fn sound(&self) -> bool {
        matches!(self.condition, Condition::Whole { alarms: 0, .. })
    }
}

fn keep_what_is_not_understood(sorted: &[&Candidate], now: UnixTime, reasons: &mut Reasons) {
    let fitting = fitting_times(sorted, now);
    for ((archive, fits), reasons) in sorted.iter().zip(fitting).zip(reasons) {
        match &archive.condition {
            Condition::Whole { .. } if fits => None,
            Condition::Whole { .. } => Some(Reason::OddTime),
            Condition::Foreign => Some(Reason::Foreign),
            Condition::Unreadable => Some(Reason::Unreadable),
        }
        .map(|reason| reasons.insert(reason));
    }
}

/// Which times fit: the most archives whose times rise with their numbers, of those that do not lie ahead.
fn fitting_times(sorted: &[&Candidate], now: UnixTime) -> Vec<bool> {
    // The last of the best row of each length, and for each archive the one before it in its row.
    let mut ends: Vec<(UnixTime, usize)> = Vec::new();
    let mut before = vec![None; sorted.len()];
    for (at, archive) in sorted.iter().enumerate().filter(|(_, archive)| archive.own() && archive.created <= now) {
        let length = ends.partition_point(|(created, _)| *created <= archive.created);
        if let Some(place) = before.get_mut(at) {
            *place = length.checked_sub(1).and_then(|last| ends.get(last)).map(|(_, at)| *at);
        }
        match ends.get_mut(length) {
            Some(end) => *end = (archive.created, at),
            None => ends.push((archive.created, at)),
        }
    }
    let mut fits = vec![false; sorted.len()];
    let mut row = ends.last().map(|(_, at)| *at);
    while let Some(at) = row {
        if let Some(fits) = fits.get_mut(at) {
            *fits = true;
        }
        row = before.get(at).copied().flatten();
    }
    fits
}

fn keep_the_newest(sorted: &[&Candidate], reasons: &mut Reasons) {
    let mut keep = |is_meant: fn(&Candidate) -> bool, reason| {
        let newest = sorted.iter().rposition(|archive| archive.own() && is_meant(archive));
        if let Some(reasons) = newest.and_then(|at| reasons.get_mut(at)) {
            reasons.insert(reason);
        }
    };
    keep(|_| true, Reason::Newest);
    keep(|archive| archive.verified, Reason::NewestVerified);
    keep(Candidate::sound, Reason::NewestSound);
}

/// The number of the hour, day, week, month or year of a date and its seconds since 1970.
type Period = fn(Date, i64) -> i64;

fn keep_by_time(sorted: &[&Candidate], retention: &Retention, reasons: &mut Reasons) {
    // What is kept since its time is odd has no time to go by, but counts among the last ones.
    let timed = |reasons: &BTreeSet<Reason>| !reasons.contains(&Reason::OddTime);
    let rules: [(Keep, Reason, Period); 5] = [
        (retention.hourly, Reason::Hour, |_, seconds| seconds.div_euclid(3600)),
        (retention.daily, Reason::Day, |_, seconds| seconds.div_euclid(86_400)),
        (retention.weekly, Reason::Week, |date, _| week(date)),
        (retention.monthly, Reason::Month, |date, _| i64::from(date.year()) * 12 + i64::from(date.month())),
        (retention.yearly, Reason::Year, |date, _| i64::from(date.year())),
    ];
    for (keep, reason, period) in rules {
        let mut left = keep;
        let mut last = None;
        for (archive, reasons) in sorted.iter().zip(reasons.iter_mut()).rev() {
            if !archive.own() || !timed(reasons) {
                continue;
            }
            let period = Some(period(date(archive.created), archive.created.0));
            if period != last && left.takes() {
                reasons.insert(reason);
            }
            last = period;
        }
    }
    let mut left = retention.last;
    for (_, reasons) in sorted.iter().zip(reasons).rev().filter(|(archive, _)| archive.own()) {
        if left.takes() {
            reasons.insert(Reason::Last);
        }
    }
}

impl Keep {
    /// Takes one, if there is one left to take.
    fn takes(&mut self) -> bool {
        match self {
            Self::All => true,
            Self::Newest(0) => false,
            Self::Newest(left) => {
                *left -= 1;
                true
            }
        }
    }
}

fn date(time: UnixTime) -> Date {
    let time = Timestamp::from_second(time.0).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_zoned(TimeZone::UTC).date()
}

fn week(date: Date) -> i64 {
    let week = date.iso_week_date();
    i64::from(week.year()) * 100 + i64::from(week.week())
}

fn keep_what_is_needed(sorted: &[&Candidate], reasons: &mut Reasons) {
    let mut unknown = None;
    for (archive, reasons) in sorted.iter().zip(reasons.iter_mut()).rev() {
        if reasons.is_empty() {
            reasons.extend(unknown.map(Reason::MayBeNeeded));
        }
        if archive.condition == Condition::Unreadable {
            unknown = Some(archive.number);
        }
    }
    let mut places: HashMap<u32, Vec<usize>> = HashMap::new();
    for (at, archive) in sorted.iter().enumerate() {
        places.entry(archive.number).or_default().push(at);
    }
    let mut waiting: Vec<usize> =
        (0..sorted.len()).filter(|at| reasons.get(*at).is_some_and(|r| !r.is_empty())).collect();
    while let Some(archive) = waiting.pop().and_then(|at| sorted.get(at)) {
        let Condition::Whole { needs, .. } = &archive.condition else { continue };
        for at in needs.iter().filter_map(|number| places.get(number)).flatten() {
            let Some(reasons) = reasons.get_mut(*at) else { continue };
            if reasons.is_empty() {
                waiting.push(*at);
            }
            reasons.insert(Reason::Needed(archive.number));
        }
    }
}

#[cfg(test)]
mod tests;
