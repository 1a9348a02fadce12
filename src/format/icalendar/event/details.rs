//! One row per property of an occurrence: how it is spelled in a file, how on the server, and how it is read and written.

use super::super::super::classes;
use super::super::super::content::{Component, Property, escape, unescape};
use super::super::parts;
use super::EventError;
use super::time::{self, Zones, read_duration};
use crate::pim::Text;
use crate::pim::event::{Busy, Details, DetailsField as Field, EventState};

/// A property.
pub struct Row {
    /// The fields that it holds.
    pub fields: &'static [Field],
    /// How files spell it.
    pub ical: &'static str,
    /// How the server spells it: a property of MS-OXWSMTGS or MS-OXWSCORE.
    pub ews: &'static str,
    read: fn(&Component, &mut Details),
    write: fn(&mut Component, &Details),
}

macro_rules! row {
    ([$($field:ident),+], $ical:literal, $ews:literal, |$from:ident, $found:ident| $read:expr, |$to:ident, $details:ident| $write:expr) => {
        Row {
            fields: &[$(Field::$field),+],
            ical: $ical,
            ews: $ews,
            read: |$from, $found| $read,
            write: |$to, $details| $write,
        }
    };
}

macro_rules! text {
    ($field:ident, $member:ident, $ical:literal, $ews:literal) => {
        row!([$field], $ical, $ews, |event, found| found.$member = parts::text(event, $ical), |event, details| {
            parts::set_text(event, $ical, &details.$member);
        })
    };
}

/// Up to 4 is high, 5 is normal (RFC 5545 §3.8.1.9).
const PRIORITIES: [u8; 2] = [4, 5];

/// All properties but the UID, people and what makes a series.
pub const ROWS: &[Row] = &[
    // Reading it can fail, so it is read apart.
    row!(
        [When],
        "DTSTART DTEND",
        "calendar:Start calendar:End calendar:IsAllDayEvent calendar:StartTimeZone calendar:EndTimeZone",
        |_event, _found| (),
        |event, details| time::write(event, &details.when)
    ),
    text!(Subject, subject, "SUMMARY", "item:Subject"),
    text!(Location, location, "LOCATION", "calendar:Location"),
    text!(Body, body, "DESCRIPTION", "item:TextBody, or item:Body of type Text"),
    row!(
        [Html],
        "X-ALT-DESC;FMTTYPE=text/html",
        "item:Body of type HTML",
        |event, found| found.html = html(event),
        |event, details| set_html(event, &details.html)
    ),
    row!(
        [Busy, State],
        "TRANSP STATUS",
        "calendar:LegacyFreeBusyStatus calendar:IsCancelled",
        |event, found| (found.busy, found.state) = busy(event),
        |event, details| set_busy(event, details.busy, details.state)
    ),
    row!(
        [Reminder],
        "VALARM",
        "item:ReminderIsSet item:ReminderMinutesBeforeStart",
        |event, found| found.reminder = event.components("VALARM").find_map(minutes_before),
        |event, details| set_reminder(event, details.reminder)
    ),
    row!(
        [Importance],
        "PRIORITY",
        "item:Importance",
        |event, found| found.importance = parts::importance(event, PRIORITIES),
        |event, details| parts::set_importance(event, details.importance)
    ),
    row!(
        [Sensitivity],
        "CLASS",
        "item:Sensitivity",
        |event, found| found.sensitivity = classes::sensitivity(event),
        |event, details| classes::set_sensitivity(event, details.sensitivity)
    ),
    row!(
        [Categories],
        "CATEGORIES",
        "item:Categories",
        |event, found| found.categories = classes::categories(event),
        |event, details| classes::set_categories(event, &details.categories)
    ),
];

/// What an occurrence says.
pub(super) fn read(event: &Component, zones: &Zones) -> Result<Details, EventError> {
    let mut details = Details { when: time::read(event, zones)?, ..Details::default() };
    for row in ROWS {
        (row.read)(event, &mut details);
    }
    Ok(details)
}

/// Writes the rows of those fields.
pub(super) fn write(event: &mut Component, changed: &[Field], details: &Details) -> Result<(), EventError> {
    if let crate::pim::event::When::Zoned { start, end } = &details.when {
        time::rules(&start.zone)?;
        time::rules(&end.zone)?;
    }
    for row in ROWS.iter().filter(|row| row.fields.iter().any(|field| changed.contains(field))) {
        (row.write)(event, details);
    }
    Ok(())
}

const HTML: &str = "X-ALT-DESC";

fn is_html(property: &Property) -> bool {
    property.parameter("FMTTYPE").is_none_or(|kind| kind.eq_ignore_ascii_case("text/html"))
}

fn html(event: &Component) -> Text {
    event.properties(HTML).find(is_html).map(|property| Text::from(unescape(&property.value))).unwrap_or_default()
}

fn set_html(event: &mut Component, html: &Text) {
    event.rewrite(HTML, |old| {
        let (mut own, others): (Vec<_>, Vec<_>) = old.into_iter().partition(is_html);
        own.truncate(1);
        let line = own.pop().unwrap_or_else(|| Property::new(HTML, "").with("FMTTYPE", "text/html"));
        let line = (!html.is_empty()).then(|| line.with_value(escape(html.as_str())));
        line.into_iter().chain(others).collect()
    });
}

/// What TRANSP cannot say stands beside it, under the name that Outlook gives it. A program that knows only TRANSP and changes that is
/// believed.
const EXACT: &str = "X-MICROSOFT-CDO-BUSYSTATUS";

const BUSY: [(Busy, &str, &str); 5] = [
    (Busy::Free, "TRANSPARENT", "FREE"),
    (Busy::Busy, "OPAQUE", "BUSY"),
    (Busy::Tentative, "OPAQUE", "TENTATIVE"),
    (Busy::OutOfOffice, "OPAQUE", "OOF"),
    (Busy::WorkingElsewhere, "OPAQUE", "WORKINGELSEWHERE"),
];

fn upper(event: &Component, name: &str) -> Option<String> {
    event.property(name).map(|property| property.value.trim().to_ascii_uppercase())
}

fn busy(event: &Component) -> (Busy, EventState) {
    let status = upper(event, "STATUS");
    let state = if status.as_deref() == Some("CANCELLED") { EventState::Cancelled } else { EventState::Planned };
    let transparency = upper(event, "TRANSP");
    let exact = upper(event, EXACT);
    let named = BUSY.iter().find(|row| exact.as_deref() == Some(row.2));
    let is_true = |row: &&(Busy, &str, &str)| transparency.as_deref().is_none_or(|transparency| transparency == row.1);
    let busy = match (named.filter(is_true), transparency.as_deref()) {
        (Some(row), _) => row.0,
        (None, Some("TRANSPARENT")) => Busy::Free,
        (None, _) if status.as_deref() == Some("TENTATIVE") => Busy::Tentative,
        (None, _) => Busy::Busy,
    };
    (busy, state)
}

fn set_busy(event: &mut Component, busy: Busy, state: EventState) {
    let (now, state_now) = self::busy(event);
    if state_now != state || (busy == Busy::Tentative) != (now == Busy::Tentative) {
        let was_told = event.property("STATUS").is_some();
        let status = match (state, busy) {
            (EventState::Cancelled, _) => Some("CANCELLED"),
            (EventState::Planned, Busy::Tentative) => Some("TENTATIVE"),
            (EventState::Planned, _) => Some("CONFIRMED").filter(|_| was_told),
        };
        event.set("STATUS", status);
    }
    if self::busy(event).0 == busy {
        return;
    }
    let row = BUSY.iter().find(|row| row.0 == busy);
    event.set("TRANSP", row.map(|row| row.1));
    event.set(EXACT, row.map(|row| row.2));
}

/// Minutes before the start, of an alarm that is at the start or before it; others have no place on the server.
fn minutes_before(alarm: &Component) -> Option<u32> {
    let trigger = alarm.property("TRIGGER")?;
    if trigger.parameter("RELATED").is_some_and(|related| related.eq_ignore_ascii_case("END")) {
        return None;
    }
    let seconds = -read_duration(&trigger.value)?.as_secs();
    u32::try_from(seconds / 60).ok().filter(|_| seconds >= 0 && seconds % 60 == 0)
}

/// Sets the first such alarm; others stay as they are.
fn set_reminder(event: &mut Component, minutes: Option<u32>) {
    let Some(minutes) = minutes else {
        return event.retain_components(|inner| inner.name() != "VALARM" || minutes_before(inner).is_none());
    };
    let trigger = format!("-PT{minutes}M");
    if let Some(alarm) = event.components_mut("VALARM").find(|alarm| minutes_before(alarm).is_some()) {
        return alarm.set("TRIGGER", Some(&trigger));
    }
    let mut alarm = Component::new("VALARM");
    alarm.set("ACTION", Some("DISPLAY"));
    alarm.set("DESCRIPTION", Some("Reminder"));
    alarm.set("TRIGGER", Some(&trigger));
    event.push_component(alarm);
}
