//! When an event is: instants in answers and requests, and the zones in which they are times of day.
//!
//! Exchange has no times without a zone, and many zones are one to it: what it cannot say is kept beside it, and believed as long as its own
//! zone is the one that goes with it.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::super::property::{Content, Property, node};
use super::super::shape::{is_true, parse_time};
use super::super::xml::Element;
use super::spelling::Spelled;
use super::{day, zone};
use crate::format::timezone;
use crate::pim::event::{At, When, ZoneName};
use crate::pim::{Text, UnixTime};

pub(super) const START: Property = Property::Field("calendar:Start");
pub(super) const END: Property = Property::Field("calendar:End");
pub(super) const ALL_DAY: Property = Property::Field("calendar:IsAllDayEvent");
pub(super) const START_ZONE: Property = Property::Field("calendar:StartTimeZone");
pub(super) const END_ZONE: Property = Property::Field("calendar:EndTimeZone");

/// The names that files have for the zones. One text: the times are in no zone, and were put into that of the server. Two or four: the name
/// and the IANA name, of the start's zone and of the end's where that is another one.
pub(super) const ZONES: Property = Property::Public("pimsync-zones", "StringArray");

/// What stands for UTC among the names in [`ZONES`], twice: no zone is called so in the IANA database.
const UTC_MARK: &str = "Z";

/// The server's name for UTC.
const UTC_ID: &str = "UTC";

/// A zone of the server.
#[derive(Clone, Debug)]
pub(super) struct ServerZone {
    iana: Text,
    rules: TimeZone,
}

impl ServerZone {
    fn utc() -> Self {
        Self { iana: "Etc/UTC".into(), rules: TimeZone::UTC }
    }

    /// The zone of an IANA name.
    fn named(iana: &str) -> Option<Self> {
        let zone = timezone::resolve(iana, None, Date::constant(2026, 1, 1)).ok()?;
        Some(Self { iana: Text::new(&zone.iana), rules: zone.rules })
    }

    /// The zone that an item names, shows to people, or tells the rules of; for these, years matter.
    fn of_element(zone: &Element, around: Date) -> Option<Self> {
        let id = zone.attribute("Id").filter(|id| !id.trim().is_empty())?;
        let shown = || Self::named(zone.attribute("Name")?);
        Self::named(id).or_else(shown).or_else(|| {
            let found = timezone::resolve(id, Some(&zone::definition(zone, around)?), around).ok()?;
            Some(Self { iana: Text::new(&found.iana), rules: found.rules })
        })
    }

    /// Its IANA name.
    pub(super) fn iana(&self) -> &Text {
        &self.iana
    }

    /// The server's name for it.
    fn id(&self) -> &'static str {
        timezone::windows(self.iana.as_str()).unwrap_or(UTC_ID)
    }

    /// How a file calls it where nobody chose a name.
    fn name(&self) -> ZoneName {
        match self.id() {
            UTC_ID => ZoneName::Utc,
            _ => ZoneName::Named { tzid: self.iana.clone(), iana: self.iana.clone() },
        }
    }

    fn at(&self, instant: Timestamp) -> DateTime {
        self.rules.to_datetime(instant)
    }
}

/// The zones of the start and of the end, where the server names zones that are known. Each stands in for the other.
pub(super) fn zones(item: &Element) -> Option<(ServerZone, ServerZone)> {
    // Some servers answer a property twice.
    let start = START.of(item).and_then(parse_time).and_then(day::of_instant);
    let around = start.unwrap_or(Date::constant(2026, 1, 1));
    let of = |name: &str| {
        let named = item.children.iter().filter(|child| &*child.name == name);
        named.filter_map(|zone| ServerZone::of_element(zone, around)).next()
    };
    match (of("StartTimeZone"), of("EndTimeZone")) {
        (Some(start), Some(end)) => Some((start, end)),
        (Some(zone), None) | (None, Some(zone)) => Some((zone.clone(), zone)),
        (None, None) => None,
    }
}

/// Whether the item names a zone, though nobody knows which one that is.
pub(super) fn has_unknown_zone(item: &Element) -> bool {
    let names = |property: Property| {
        property.find(item).and_then(|zone| zone.attribute("Id")).is_some_and(|id| !id.trim().is_empty())
    };
    zones(item).is_none() && (names(START_ZONE) || names(END_ZONE))
}

fn timestamp(time: UnixTime) -> Option<Timestamp> {
    Timestamp::from_second(time.0).ok()
}

/// When the item is.
pub(super) fn read(item: &Element) -> When {
    let instant = |property: Property| property.of(item).and_then(parse_time).and_then(timestamp);
    let Some(start) = instant(START) else {
        return When::default();
    };
    let end = instant(END).filter(|end| *end >= start).unwrap_or(start);
    let zones = zones(item);
    if is_true(ALL_DAY.of(item)) {
        return whole_days(start, end, zones.map(|(zone, _)| zone));
    }
    let (start_zone, end_zone) = zones.unwrap_or_else(|| (ServerZone::utc(), ServerZone::utc()));
    let kept: Vec<Text> = ZONES.texts(item);
    let kept: Vec<&str> = kept.iter().map(Text::as_str).collect();
    let believed =
        |zone: &ServerZone, tzid: &str, iana: &str| believed(zone, tzid, iana).unwrap_or_else(|| zone.name());
    let (start_name, end_name) = match *kept.as_slice() {
        [id] if id == start_zone.id() && id == end_zone.id() => {
            return When::Floating { start: start_zone.at(start), end: end_zone.at(end) };
        }
        [tzid, iana] => (believed(&start_zone, tzid, iana), believed(&end_zone, tzid, iana)),
        [tzid, iana, end_tzid, end_iana] => {
            (believed(&start_zone, tzid, iana), believed(&end_zone, end_tzid, end_iana))
        }
        _ => (start_zone.name(), end_zone.name()),
    };
    When::Zoned { start: at(start, start_name, &start_zone), end: at(end, end_name, &end_zone) }
}

/// The time in a zone as its file calls it.
fn at(instant: Timestamp, name: ZoneName, zone: &ServerZone) -> At {
    let rules = match &name {
        ZoneName::Utc => TimeZone::UTC,
        // Zones that are one to the server may differ in years long ago.
        ZoneName::Named { iana, .. } => {
            ServerZone::named(iana.as_str()).map_or_else(|| zone.rules.clone(), |known| known.rules)
        }
    };
    At { time: rules.to_datetime(instant), zone: name }
}

/// The name that is kept, if it is one of that zone.
fn believed(zone: &ServerZone, tzid: &str, iana: &str) -> Option<ZoneName> {
    let is_utc = (tzid, iana) == (UTC_MARK, UTC_MARK);
    let known = if is_utc { ServerZone::utc() } else { ServerZone::named(iana)? };
    let name = if is_utc { ZoneName::Utc } else { ZoneName::Named { tzid: tzid.into(), iana: iana.into() } };
    (known.id() == zone.id()).then_some(name)
}

/// Whole days are from midnight to midnight in the item's zone.
fn whole_days(start: Timestamp, end: Timestamp, zone: Option<ServerZone>) -> When {
    let day_of = |instant: Timestamp| match &zone {
        Some(zone) => Some(zone.at(instant)),
        None => day::of_instant(UnixTime(instant.as_second())).map(|day| day.to_datetime(Time::midnight())),
    };
    let Some(first) = day_of(start).map(DateTime::date) else {
        return When::default();
    };
    let next = first.tomorrow().unwrap_or(first);
    let end = day_of(end).map(|end| match end.time() == Time::midnight() {
        true => end.date(),
        // A day that began is one of them.
        false => end.date().tomorrow().unwrap_or(Date::MAX),
    });
    When::AllDay { first, end: end.filter(|end| *end > first).unwrap_or(next) }
}

/// The day on which an occurrence is, where the series is. It is told as an instant.
pub(super) fn day_in(zone: Option<&ServerZone>, instant: UnixTime) -> Option<Date> {
    match zone {
        Some(zone) => timestamp(instant).map(|instant| zone.at(instant).date()),
        None => day::of_instant(instant),
    }
}

/// Says when something is. All at once: a new zone alone would move it.
pub(super) fn spell(when: &When, to: &mut Spelled<'_>) {
    let home = ServerZone::named(to.context.home.as_str()).unwrap_or_else(ServerZone::utc);
    let told = match when {
        When::AllDay { first, end } => {
            let midnight = |day: &Date| instant(&home, day.to_datetime(Time::midnight()));
            Told { start: midnight(first), end: midnight(end), zones: [home.id(); 2], kept: Vec::new() }
        }
        When::Floating { start, end } => Told {
            start: instant(&home, *start),
            end: instant(&home, *end),
            zones: [home.id(); 2],
            kept: vec![home.id().to_owned()],
        },
        When::Zoned { start, end } => {
            let zones = [start, end].map(|at| server_zone(&at.zone));
            Told {
                start: instant(&zones[0], start.time),
                end: instant(&zones[1], end.time),
                zones: [zones[0].id(), zones[1].id()],
                kept: kept(start, end, &zones),
            }
        }
    };
    let is_all_day = matches!(when, When::AllDay { .. });
    to.time(START, told.start);
    to.time(END, told.end);
    to.word(ALL_DAY, if is_all_day { "true" } else { "false" });
    for (property, id) in [START_ZONE, END_ZONE].into_iter().zip(told.zones) {
        let mut zone = node(property.holding(Content::Tree(Vec::new())).name.as_ref(), Vec::new());
        zone.attributes.push(("Id".into(), id.to_owned()));
        to.put_element(property, Some(zone));
    }
    to.put(ZONES, Some(told.kept).filter(|kept| !kept.is_empty()).map(Content::Texts));
}

/// When something is, as the server is told.
struct Told {
    start: Option<UnixTime>,
    end: Option<UnixTime>,
    zones: [&'static str; 2],
    kept: Vec<String>,
}

/// A zone that the server has no name for is UTC to it.
fn server_zone(name: &ZoneName) -> ServerZone {
    match name {
        ZoneName::Utc => ServerZone::utc(),
        ZoneName::Named { iana, .. } => ServerZone::named(iana.as_str()).unwrap_or_else(ServerZone::utc),
    }
}

/// Whether the server has a name for a zone. Times of day of a series are wrong in another one.
pub(super) fn is_known_there(name: &ZoneName) -> bool {
    match name {
        ZoneName::Utc => true,
        ZoneName::Named { iana, .. } => timezone::windows(iana.as_str()).is_some(),
    }
}

/// The instant of a time somewhere; one that a clock skips is as much later as it skips.
fn instant(zone: &ServerZone, time: DateTime) -> Option<UnixTime> {
    let zoned = zone.rules.to_ambiguous_zoned(time).compatible().ok()?;
    Some(UnixTime(zoned.timestamp().as_second()))
}

/// The names of the zones, where the server's are not the same.
fn kept(start: &At, end: &At, zones: &[ServerZone; 2]) -> Vec<String> {
    let by_itself =
        |zone: &ServerZone| ServerZone::named(timezone::iana(zone.id()).unwrap_or("Etc/UTC")).map(|zone| zone.name());
    if [start, end].iter().zip(zones).all(|(at, zone)| by_itself(zone).as_ref() == Some(&at.zone)) {
        return Vec::new();
    }
    let names = |at: &At| match &at.zone {
        ZoneName::Utc => [UTC_MARK.to_owned(), UTC_MARK.to_owned()],
        ZoneName::Named { tzid, iana } => [tzid, iana].map(|name| name.as_str().to_owned()),
    };
    let mut kept = names(start).to_vec();
    if start.zone != end.zone {
        kept.extend(names(end));
    }
    kept
}
