//! Time zones: by the ids of Windows, or by rules that a request tells.

use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::xml::{Element, XmlOut};

/// A time zone.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    pub(super) id: String,
    /// What people see.
    pub(super) name: String,
    pub(super) rules: TimeZone,
    /// The definition by which a request told it, when it is none of Windows.
    definition: Option<String>,
}

/// The id under which UTC is answered where nobody named a zone.
const UTC: &str = "tzone://Microsoft/Utc";

/// Id, IANA name and places of each zone.
fn table() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    include_str!("zones/table.txt").lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut cells = line.split('\t');
        Some((cells.next()?, cells.next()?, cells.next()?))
    })
}

fn rules(iana: &str) -> Option<TimeZone> {
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    DATABASE.get_or_init(TimeZoneDatabase::bundled).get(iana).ok()
}

fn from_row((id, iana, places): (&str, &str, &str)) -> Option<Zone> {
    let rules = rules(iana)?;
    let name = format!("({}) {places}", offset_name(&rules));
    Some(Zone { id: id.to_owned(), name, rules, definition: None })
}

/// `UTC+01:00`, of winter.
fn offset_name(rules: &TimeZone) -> String {
    let minutes = standard_minutes(rules);
    match minutes {
        0 => "UTC".to_owned(),
        _ => {
            let sign = if minutes < 0 { '-' } else { '+' };
            format!("UTC{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
        }
    }
}

/// Minutes east of Greenwich when there is no summer time.
fn standard_minutes(rules: &TimeZone) -> i32 {
    let at = |month| Date::new(2026, month, 15).map(|day| instant(rules, day.at(12, 0, 0, 0)));
    let offset = |month| at(month).map_or(0, |at| rules.to_offset(stamp(at)).seconds() / 60);
    offset(1).min(offset(7))
}

fn stamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The instant of a wall clock's time; of one that is left out in spring the one as much later.
fn instant(rules: &TimeZone, wall: DateTime) -> i64 {
    rules.to_ambiguous_timestamp(wall).compatible().map_or(0, Timestamp::as_millisecond)
}

impl Zone {
    /// UTC, as it is answered where nobody named a zone.
    pub(super) fn utc() -> Zone {
        let name = "(UTC) Coordinated Universal Time".to_owned();
        Zone { id: UTC.to_owned(), name, rules: TimeZone::UTC, definition: None }
    }

    /// All zones that the server knows.
    pub(super) fn all() -> impl Iterator<Item = Zone> {
        table().filter_map(from_row)
    }

    /// The zone with this id.
    pub(super) fn named(id: &str) -> Option<Zone> {
        if id.eq_ignore_ascii_case(UTC) {
            return Some(Zone::utc());
        }
        table().find(|row| row.0.eq_ignore_ascii_case(id)).and_then(from_row)
    }

    /// The zone that a StartTimeZone, EndTimeZone or TimeZoneDefinition tells: by its id, or else by its rules.
    pub(super) fn read(element: &Element) -> Option<Zone> {
        let id = element.attribute("Id").unwrap_or_default();
        if let Some(zone) = Zone::named(id) {
            return Some(zone);
        }
        let rules = TimeZone::posix(&posix(element)?).ok()?;
        let id = if id.is_empty() { "tzone://Microsoft/Custom" } else { id };
        let name = element.attribute("Name").unwrap_or(id).to_owned();
        let inner: String = element.children.iter().map(Element::to_xml).collect();
        Some(Zone { id: id.to_owned(), name, rules, definition: Some(inner) })
    }

    /// The zone that a MeetingTimeZone tells, by its name or by an offset that is the same all year.
    pub(super) fn read_old(element: &Element) -> Option<Zone> {
        if let Some(zone) = element.attribute("TimeZoneName").and_then(Zone::named) {
            return Some(zone);
        }
        let west = minutes(element.child_text("BaseOffset")?)?;
        let rules = TimeZone::posix(&posix_offset(west)).ok()?;
        let id = element.attribute("TimeZoneName").unwrap_or("tzone://Microsoft/Custom").to_owned();
        Some(Zone { name: id.clone(), id, rules, definition: None })
    }

    /// The element `name` that tells this zone.
    pub(super) fn xml(&self, name: &str) -> String {
        let mut out = XmlOut::new();
        out.open(&format!("t:{name}"), &[("Id", &self.id), ("Name", &self.name)]);
        out.raw(self.definition.as_deref().unwrap_or_default());
        out.close(&format!("t:{name}"));
        out.buffer
    }

    /// What a clock on the wall shows then.
    pub(super) fn wall(&self, millis: i64) -> DateTime {
        self.rules.to_datetime(stamp(millis))
    }

    /// When a clock on the wall shows that.
    pub(super) fn instant(&self, wall: DateTime) -> i64 {
        instant(&self.rules, wall)
    }

    /// The instant at which a day begins here.
    pub(super) fn midnight(&self, day: Date) -> i64 {
        self.instant(day.at(0, 0, 0, 0))
    }

    /// A time as XML tells it: with its offset, or with none and then in this zone.
    pub(super) fn parse(&self, text: &str) -> Option<i64> {
        let text = text.trim();
        if let Ok(stamp) = text.parse::<Timestamp>() {
            return Some(stamp.as_millisecond());
        }
        text.parse::<DateTime>().ok().map(|wall| self.instant(wall))
    }

    /// A time as it is answered to somebody in this zone: with its offset, `Z` for UTC.
    pub(super) fn iso(&self, millis: i64) -> String {
        let wall = self.wall(millis).strftime("%Y-%m-%dT%H:%M:%S").to_string();
        format!("{wall}{}", self.offset(millis))
    }

    /// `+01:00`, or `Z`.
    pub(super) fn offset(&self, millis: i64) -> String {
        if self.rules == TimeZone::UTC {
            return "Z".to_owned();
        }
        let minutes = self.rules.to_offset(stamp(millis)).seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    }

    /// Minutes west of Greenwich in winter, and when summer time begins and ends in a year, as (month, occurrence of the
    /// weekday in the month with 5 for the last, weekday, minutes of the day).
    pub(super) fn summer(&self, year: i16) -> (i32, Option<[Switch; 2]>) {
        let west = -standard_minutes(&self.rules);
        let begin = Date::new(year, 1, 1).map_or(0, |day| self.midnight(day));
        let until = Date::new(year, 12, 31).map_or(0, |day| self.midnight(day));
        let switches = self.rules.following(stamp(begin)).take_while(|next| next.timestamp() < stamp(until));
        let mut found: Vec<(bool, Switch)> = switches
            .map(|next| {
                let before = self.rules.to_offset(stamp(next.timestamp().as_millisecond() - 1000));
                let wall = before.to_datetime(next.timestamp());
                (next.offset().seconds() / 60 > -west, Switch::at(wall))
            })
            .collect();
        found.sort_by_key(|(summer, _)| !summer);
        match found.as_slice() {
            [(true, begin), (false, end)] => (west, Some([*begin, *end])),
            _ => (west, None),
        }
    }
}

/// When clocks are put forward or back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Switch {
    pub(super) month: i8,
    /// 1 to 4, or -1 for the last such day of the month.
    pub(super) occurrence: i8,
    pub(super) weekday: jiff::civil::Weekday,
    /// Minutes after midnight.
    pub(super) minutes: i32,
}

impl Switch {
    fn at(wall: DateTime) -> Switch {
        let last = wall.day() + 7 > wall.days_in_month();
        let occurrence = if last { -1 } else { (wall.day() - 1) / 7 + 1 };
        let minutes = i32::from(wall.hour()) * 60 + i32::from(wall.minute());
        Switch { month: wall.month(), occurrence, weekday: wall.weekday(), minutes }
    }
}

/// The English names of the days, Sunday first.
pub(super) const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Minutes of an xs:duration such as `-PT1H30M`.
fn minutes(text: &str) -> Option<i32> {
    let (sign, rest) = text.trim().strip_prefix('-').map_or((1, text.trim()), |rest| (-1, rest));
    let span: jiff::SignedDuration = rest.parse().ok()?;
    i32::try_from(span.as_mins()).ok().map(|minutes| sign * minutes)
}

/// A POSIX zone that is always so many minutes west.
fn posix_offset(west: i32) -> String {
    format!("<STD>{}", posix_time(west))
}

fn posix_time(minutes: i32) -> String {
    let sign = if minutes < 0 { "-" } else { "" };
    format!("{sign}{}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// A full definition as a POSIX zone: its last group of transitions is the one in force.
fn posix(definition: &Element) -> Option<String> {
    let periods = definition.list("Periods");
    let bias = |id: &str| {
        let period = periods.iter().find(|period| period.attribute("Id") == Some(id))?;
        minutes(period.attribute("Bias")?)
    };
    let group = definition.list("TransitionsGroups").last()?;
    let moves: Vec<&Element> = group.children.iter().filter(|child| child.name == "RecurringDayTransition").collect();
    let target = |transition: &Element| transition.child_text("To").and_then(bias);
    match moves.as_slice() {
        [one, other] => {
            let (first, second) = (target(one)?, target(other)?);
            let (summer, winter) = if first < second { (one, other) } else { (other, one) };
            let (west, summer_west) = (first.max(second), first.min(second));
            Some(format!(
                "<STD>{}<DST>{},{},{}",
                posix_time(west),
                posix_time(summer_west),
                posix_switch(summer)?,
                posix_switch(winter)?
            ))
        }
        _ => {
            let west = group
                .children
                .first()
                .and_then(target)
                .or_else(|| periods.first().and_then(|period| period.attribute("Bias")).and_then(minutes));
            west.map(posix_offset)
        }
    }
}

/// `M3.5.0/2:00`
fn posix_switch(transition: &Element) -> Option<String> {
    let month: u8 = transition.child_text("Month")?.parse().ok()?;
    let occurrence: i8 = transition.child_text("Occurrence")?.parse().ok()?;
    let day = DAYS.iter().position(|day| Some(*day) == transition.child_text("DayOfWeek"))?;
    let occurrence = if occurrence < 0 { 5 } else { occurrence };
    Some(format!("M{month}.{occurrence}.{day}/{}", posix_time(minutes(transition.child_text("TimeOffset")?)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::xml;

    #[test]
    fn every_zone_of_windows_has_rules() {
        let zones: Vec<Zone> = Zone::all().collect();
        assert_eq!(zones.len(), table().count());
        assert!(zones.len() > 130);
        let berlin = Zone::named("w. europe standard time").unwrap();
        assert_eq!(berlin.name, "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna");
        assert_eq!(berlin.iso(1_793_620_800_000), "2026-11-02T13:00:00+01:00");
    }

    #[test]
    fn a_time_without_an_offset_is_one_of_the_zone() {
        let berlin = Zone::named("W. Europe Standard Time").unwrap();
        let at = |text| berlin.parse(text).map(|at| Zone::utc().iso(at)).unwrap();
        assert_eq!(at("2026-07-01T09:00:00"), "2026-07-01T07:00:00Z");
        assert_eq!(at("2026-07-01T09:00:00Z"), "2026-07-01T09:00:00Z");
        assert_eq!(at("2026-07-01T09:00:00.000-07:00"), "2026-07-01T16:00:00Z");
        assert_eq!(berlin.parse("soon"), None);
    }

    #[test]
    fn a_definition_is_believed_when_its_id_is_not_known() {
        let text = "<z Id='tzone://Microsoft/Custom' Name='Mine'><Periods><Period Bias='-PT1H' Name='Standard' Id='s'/>\
             <Period Bias='-PT2H' Name='Daylight' Id='d'/></Periods><TransitionsGroups><TransitionsGroup Id='0'>\
             <RecurringDayTransition><To Kind='Period'>d</To><TimeOffset>PT2H</TimeOffset><Month>3</Month>\
             <DayOfWeek>Sunday</DayOfWeek><Occurrence>-1</Occurrence></RecurringDayTransition>\
             <RecurringDayTransition><To Kind='Period'>s</To><TimeOffset>PT3H</TimeOffset><Month>10</Month>\
             <DayOfWeek>Sunday</DayOfWeek><Occurrence>-1</Occurrence></RecurringDayTransition></TransitionsGroup>\
             </TransitionsGroups></z>";
        let zone = Zone::read(&xml::parse(text).unwrap()).unwrap();
        let berlin = Zone::named("W. Europe Standard Time").unwrap();
        for month in 1..=12 {
            for day in 1..=28 {
                let wall = jiff::civil::date(2027, month, day).at(12, 0, 0, 0);
                assert_eq!(zone.instant(wall), berlin.instant(wall), "{wall}");
            }
        }
        assert!(Zone::read(&xml::parse("<z Id='Nowhere'/>").unwrap()).is_none());
    }

    #[test]
    fn summer_time_is_found_in_the_rules() {
        let (west, summer) = Zone::named("Eastern Standard Time").unwrap().summer(2026);
        let [begin, end] = summer.unwrap();
        assert_eq!((west, begin.month, begin.occurrence, begin.minutes), (300, 3, 2, 120));
        assert_eq!((end.month, end.occurrence, end.minutes), (11, 1, 120));
        assert!(Zone::named("India Standard Time").unwrap().summer(2026).1.is_none());
    }
}
