//! VTIMEZONE (RFC 5545 §3.6.5): the offsets that one tells, the zone that has the same, and one that tells those of a zone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::super::content::{Component, Property};
use super::{database, table};

/// For so many years the offsets of two zones must be the same, and one that is written tells the truth.
const YEARS: i16 = 10;

/// No definition that a program made has more; Outlook writes up to some 80 for one zone.
const MOST_OBSERVANCES: usize = 500;

/// An offset from some moment on.
type Onset = (Timestamp, Offset);

/// The zone whose offsets are those of the definition, in the ten years from `around` on. Ids of Windows come first, since it is they that
/// the server knows.
pub(super) fn zone_with(definition: &Component, around: Date) -> Option<(&'static str, TimeZone)> {
    let years = around.year()..=around.year().checked_add(YEARS)?;
    let onsets = onsets(definition, *years.start() - 1, *years.end())?;
    let from = Date::new(*years.start(), 1, 1).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let until = Date::new(*years.end(), 1, 1).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let mut seen = BTreeSet::new();
    let names = table::WINDOWS.iter().map(|row| row.1).filter(|name| seen.insert(*name));
    names.filter_map(|name| Some((name, database(name)?))).find(|(_, rules)| is_same(&onsets, rules, from, until))
}

fn is_same(onsets: &[Onset], rules: &TimeZone, from: Timestamp, until: Timestamp) -> bool {
    let own = rules.following(from).map(|transition| transition.timestamp()).take_while(|at| *at < until);
    let told = onsets.iter().map(|onset| onset.0).filter(|at| (from..until).contains(at));
    let second = SignedDuration::from_secs(1);
    let moments = own.chain(told).flat_map(|at| [Some(at), at.checked_sub(second).ok()]).flatten().chain([from]);
    moments.into_iter().all(|at| offset_at(onsets, at) == Some(rules.to_offset(at)))
}

/// The offset that holds at a moment: that of the last onset before it.
fn offset_at(onsets: &[Onset], at: Timestamp) -> Option<Offset> {
    let after = onsets.partition_point(|onset| onset.0 <= at);
    after.checked_sub(1).and_then(|last| onsets.get(last)).map(|onset| onset.1)
}

/// All onsets that matter for those years, in order; `None` where the definition has a rule that is not understood.
fn onsets(definition: &Component, first: i16, last: i16) -> Option<Vec<Onset>> {
    let parts = ["STANDARD", "DAYLIGHT"].map(|name| definition.components(name).collect::<Vec<_>>()).concat();
    if parts.is_empty() || parts.len() > MOST_OBSERVANCES {
        return None;
    }
    let mut onsets = Vec::new();
    for part in parts {
        let before = offset(&part.property("TZOFFSETFROM")?.value)?;
        let after = offset(&part.property("TZOFFSETTO")?.value)?;
        let start = local(&part.property("DTSTART")?.value)?;
        let mut starts = vec![start];
        for more in part.properties("RDATE").flat_map(|dates| dates.value.split(',').map(local).collect::<Vec<_>>()) {
            starts.push(more?);
        }
        if let Some(rule) = part.property("RRULE") {
            let rule = Yearly::parse(&rule.value)?;
            let until =
                |at: &DateTime| rule.until.is_none_or(|until| before.to_timestamp(*at).is_ok_and(|at| at <= until));
            let years = (first.max(start.year())..=last).filter_map(|year| rule.date(year));
            starts.extend(years.map(|date| date.to_datetime(start.time())).filter(|at| *at >= start && until(at)));
        }
        onsets.extend(starts.into_iter().filter_map(|at| Some((before.to_timestamp(at).ok()?, after))));
    }
    onsets.sort_unstable_by_key(|onset| onset.0);
    Some(onsets)
}

/// `+0100`, `-033000` (RFC 5545 §3.3.14).
fn offset(text: &str) -> Option<Offset> {
    let (sign, digits) = text.trim().split_at_checked(1)?;
    let sign = match sign {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let number = |range: std::ops::Range<usize>| match digits.get(range)? {
        "" => Some(0),
        two => two.parse::<i32>().ok(),
    };
    let seconds = if digits.len() > 4 { number(4..6)? } else { 0 };
    Offset::from_seconds(sign * (number(0..2)? * 3600 + number(2..4)? * 60 + seconds)).ok()
}

fn local(text: &str) -> Option<DateTime> {
    DateTime::strptime("%Y%m%dT%H%M%S", text.trim().trim_end_matches('Z')).ok()
}

/// A day of each year.
struct Yearly {
    month: i8,
    /// 1 to 4, or −1 for the last one.
    number: i8,
    day: Weekday,
    until: Option<Timestamp>,
}

impl Yearly {
    /// `FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU`, or with the seven days of the month that the weekday may be: `BYMONTHDAY=8,9,10,11,12,13,14;BYDAY=SU`.
    fn parse(rule: &str) -> Option<Self> {
        let parts: BTreeMap<&str, &str> = rule.trim().split(';').filter_map(|part| part.split_once('=')).collect();
        let known = ["FREQ", "BYMONTH", "BYDAY", "BYMONTHDAY", "INTERVAL", "UNTIL", "WKST"];
        let is_understood =
            parts.keys().all(|name| known.contains(name)) && parts.get("INTERVAL").is_none_or(|one| *one == "1");
        if !is_understood || parts.get("FREQ") != Some(&"YEARLY") {
            return None;
        }
        let (number, code) = parts.get("BYDAY")?.split_at_checked(parts.get("BYDAY")?.len().checked_sub(2)?)?;
        let number = match (number, parts.get("BYMONTHDAY")) {
            ("", Some(days)) => week_of(days)?,
            (number, None) => number.parse().ok()?,
            _ => return None,
        };
        let day = match code {
            "MO" => Weekday::Monday,
            "TU" => Weekday::Tuesday,
            "WE" => Weekday::Wednesday,
            "TH" => Weekday::Thursday,
            "FR" => Weekday::Friday,
            "SA" => Weekday::Saturday,
            "SU" => Weekday::Sunday,
            _ => return None,
        };
        let until = match parts.get("UNTIL") {
            None => None,
            Some(until) => Some(TimeZone::UTC.to_timestamp(local(until)?).ok()?),
        };
        Some(Self { month: parts.get("BYMONTH")?.parse().ok()?, number, day, until })
    }

    fn date(&self, year: i16) -> Option<Date> {
        Date::new(year, self.month, 1).ok()?.nth_weekday_of_month(self.number, self.day).ok()
    }
}

/// Which week the days `8,9,…,14` are.
fn week_of(days: &str) -> Option<i8> {
    let days: Vec<i8> = days.split(',').map(|day| day.trim().parse().ok()).collect::<Option<_>>()?;
    (1..=4).find(|week| (week * 7 - 6..=week * 7).eq(days.iter().copied()))
}

/// A change of the offset as a zone tells it.
struct Change {
    local: DateTime,
    before: Offset,
    after: Offset,
    is_daylight: bool,
    name: String,
}

/// A VTIMEZONE that tells the offsets of a zone in the ten years from that day on: by rules where the zone has such, one by one otherwise.
pub fn define(tzid: &str, rules: &TimeZone, from: Date) -> Component {
    let mut definition = Component::new("VTIMEZONE");
    definition.push(&Property::new("TZID", super::super::content::escape(tzid)));
    let changes = changes(rules, from);
    let observances = match (changes.is_empty(), yearly(&changes)) {
        (true, _) => vec![constant(rules, from)],
        (false, Some(observances)) => observances,
        (false, None) => changes.iter().map(|change| observance(change, None)).collect(),
    };
    observances.into_iter().for_each(|observance| definition.push_component(observance));
    definition
}

/// From the year before on, so that one of them lies before the first occurrence.
fn changes(rules: &TimeZone, from: Date) -> Vec<Change> {
    let bound = |year: i16| Some(Date::new(year, 1, 1).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    let (Some(first), Some(last)) = (bound(from.year() - 2), bound(from.year().saturating_add(YEARS + 2))) else {
        return Vec::new();
    };
    let mut before = rules.to_offset(first);
    let mut changes = Vec::new();
    for transition in rules.following(first).take_while(|transition| transition.timestamp() < last) {
        let after = transition.offset();
        if after != before {
            changes.push(Change {
                local: before.to_datetime(transition.timestamp()),
                before,
                after,
                is_daylight: transition.dst().is_dst(),
                name: transition.abbreviation().to_owned(),
            });
        }
        before = after;
    }
    changes
}

/// Two changes a year, each on the same day of the same month: then a rule tells them all.
fn yearly(changes: &[Change]) -> Option<Vec<Component>> {
    let mut kinds: BTreeMap<(i8, i8, jiff::civil::Time, i32, i32), Vec<&Change>> = BTreeMap::new();
    for change in changes {
        let date = change.local.date();
        let day = date.weekday().to_monday_zero_offset();
        let key = (date.month(), day, change.local.time(), change.before.seconds(), change.after.seconds());
        kinds.entry(key).or_default().push(change);
    }
    let years = usize::try_from(YEARS + 4).ok()?;
    let mut observances = Vec::new();
    for kind in kinds.values() {
        let weeks: BTreeSet<i8> = kind.iter().map(|change| (change.local.day() - 1) / 7 + 1).collect();
        let is_last = |change: &&Change| change.local.day() + 7 > change.local.date().days_in_month();
        let number = match weeks.iter().collect::<Vec<_>>().as_slice() {
            _ if kind.iter().all(is_last) => -1,
            [number] => **number,
            _ => return None,
        };
        let first = kind.first().filter(|_| kind.len() == years)?;
        let code = super::super::icalendar::rule::code(first.local.date().weekday());
        let rule = format!("FREQ=YEARLY;BYMONTH={};BYDAY={number}{code}", first.local.month());
        observances.push(observance(first, Some(&rule)));
    }
    Some(observances)
}

fn observance(change: &Change, rule: Option<&str>) -> Component {
    let mut part = Component::new(if change.is_daylight { "DAYLIGHT" } else { "STANDARD" });
    part.set("DTSTART", Some(&change.local.strftime("%Y%m%dT%H%M%S").to_string()));
    part.set("TZOFFSETFROM", Some(&written(change.before)));
    part.set("TZOFFSETTO", Some(&written(change.after)));
    part.set("TZNAME", Some(&change.name));
    part.set("RRULE", rule);
    part
}

fn constant(rules: &TimeZone, from: Date) -> Component {
    let at = from.to_zoned(TimeZone::UTC).map_or(Timestamp::UNIX_EPOCH, |day| day.timestamp());
    let offset = rules.to_offset(at);
    let name = rules.to_offset_info(at).abbreviation().to_owned();
    let local = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    observance(&Change { local, before: offset, after: offset, is_daylight: false, name }, None)
}

fn written(offset: Offset) -> String {
    let (sign, seconds) = if offset.seconds() < 0 { ('-', -offset.seconds()) } else { ('+', offset.seconds()) };
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest == 0 { format!("{sign}{hours:02}{minutes:02}") } else { format!("{sign}{hours:02}{minutes:02}{rest:02}") }
}
