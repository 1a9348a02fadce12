//! The kinds of items besides mail: which properties each has, and what the server makes of their values.
//!
//! A kind is a table of its elements. Writing goes element by element in the order of the request ([`Draft::set`]) and
//! ends with what must hold for the item as a whole ([`Draft::finish`]); reading fills in what is computed ([`shown`]).

mod contact;
pub(super) mod event;
mod list;
pub(super) mod recurrence;
mod task;
pub(super) mod twins;
pub(super) mod values;

use jiff::Timestamp;

use super::Personality;
use super::soap::Refusal;
use super::store::{Item, Meta};
use super::xml::Element;
use super::zones::Zone;

pub(super) use contact::{FIELD_PARTS, NOT_IN_GROMOX};
pub(super) use task::{advance, splits};

/// What an item is, by the element that shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Contact,
    Event,
    List,
    Task,
    /// A message, a note, or something that has no table of its own.
    Other,
}

impl Kind {
    pub(super) fn of(element: &str) -> Kind {
        match element {
            "Contact" => Kind::Contact,
            "CalendarItem" => Kind::Event,
            "DistributionList" => Kind::List,
            "Task" => Kind::Task,
            _ => Kind::Other,
        }
    }

    /// The kind's own properties.
    pub(super) fn fields(self) -> &'static [Field] {
        match self {
            Kind::Contact => contact::FIELDS,
            Kind::Event => event::FIELDS,
            Kind::List => list::FIELDS,
            Kind::Task => task::FIELDS,
            Kind::Other => &[],
        }
    }

    /// The property that an element holds, be it the kind's own or one that most items have.
    pub(super) fn field(self, element: &str) -> Option<&'static Field> {
        self.fields().iter().chain(COMMON).find(|field| field.element == element)
    }
}

/// A property of a kind.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) element: &'static str,
    pub(super) value: Value,
    pub(super) access: Access,
    pub(super) shown: Shown,
    /// What is answered where there is no value; nothing when it is empty.
    pub(super) default: &'static str,
}

/// What a property holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Text,
    Bool,
    Number,
    /// An instant.
    Time,
    /// An instant that may be told by the clock on a wall, in a zone that is told elsewhere.
    Wall,
    Zone,
    /// A zone as Exchange 2007 told it.
    OldZone,
    Attendees,
    /// A day, kept as midnight of UTC.
    Day,
    /// A day, kept as a minute before noon of UTC, so that it is the same day in nearly every zone.
    Noon,
    /// Entries with keys, each of which is a property by itself.
    Entries,
    /// Elements that are kept as they come.
    Tree,
}

/// Who sets a property, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    /// Only with a new item.
    Create,
    Read,
}

/// Where a property is answered without being asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// In the shapes Default and AllProperties.
    Default,
    All,
    /// In AllProperties, and never by FindItem and SyncFolderItems.
    Deep,
    Named,
}

/// A line of a table.
const fn field(element: &'static str, value: Value, access: Access, shown: Shown, default: &'static str) -> Field {
    Field { element, value, access, shown, default }
}

/// What all items have, as far as it is no column of the store.
const COMMON: &[Field] = &[
    field("ReminderDueBy", Value::Time, Access::Write, Shown::All, ""),
    field("ReminderIsSet", Value::Bool, Access::Write, Shown::All, "false"),
    field("ReminderNextTime", Value::Time, Access::Read, Shown::Named, ""),
    field("ReminderMinutesBeforeStart", Value::Number, Access::Write, Shown::All, "0"),
    field("Culture", Value::Text, Access::Write, Shown::All, "en-US"),
];

/// An item while it is made or changed.
pub(super) struct Draft<'a> {
    pub(super) kind: Kind,
    pub(super) subject: &'a mut String,
    pub(super) meta: &'a mut Meta,
    pub(super) like: Personality,
    /// The zone in which the request tells its times.
    pub(super) zone: &'a Zone,
    /// Milliseconds since 1970.
    pub(super) now: i64,
    pub(super) stage: Stage,
    /// The elements that were set or cleared, in their order.
    pub(super) touched: Vec<String>,
    /// The item as it was, when it is not new.
    pub(super) before: Option<&'a Meta>,
    /// A series that is now another one: its exceptions go.
    pub(super) drops_exceptions: bool,
}

/// Whether the item is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Create,
    Update,
    /// An update of one occurrence of a series.
    Occurrence,
}

fn not_settable(element: &str) -> Refusal {
    Refusal::because("ErrorInvalidPropertySet", format!("Set action is invalid for property {element}."))
}

impl Draft<'_> {
    fn is_gromox(&self) -> bool {
        self.like == Personality::Gromox
    }

    fn has_touched(&self, name: &str) -> bool {
        self.touched.iter().any(|touched| touched == name)
    }

    /// Sets (or, without a value, clears) what an element holds.
    pub(super) fn set(&mut self, name: &str, value: Option<&Element>) -> Result<(), Refusal> {
        let Some(field) = self.kind.field(name) else { return self.set_unknown(name, value) };
        let whole_list = field.value == Value::Entries && self.stage == Stage::Update && value.is_some();
        let late = field.access == Access::Create && self.stage != Stage::Create;
        if let (Kind::Contact, "Notes", Personality::Exchange) = (self.kind, name, self.like) {
            return Err(Refusal::new("ErrorInvalidPropertyRequest"));
        }
        if field.access == Access::Read || late || whole_list {
            return if self.is_gromox() { Ok(()) } else { Err(not_settable(name)) };
        }
        if self.kind == Kind::Event && !self.is_gromox() {
            event::check(self, name)?;
        }
        if value.is_none() && matches!(field.value, Value::Wall) && !self.is_gromox() {
            return Err(Refusal::new("ErrorInvalidPropertyDelete"));
        }
        self.touched.push(name.to_owned());
        match value {
            Some(value) => self.keep(field, value)?,
            None => drop(self.meta.fields.remove(name)),
        }
        match self.kind {
            Kind::Task => task::changed(self, name)?,
            Kind::Contact | Kind::List => contact::changed(self, name, value),
            Kind::Event | Kind::Other => {}
        }
        Ok(())
    }

    /// What has no table (journal entries …) keeps what it is given; what has one takes nothing else.
    fn set_unknown(&mut self, name: &str, value: Option<&Element>) -> Result<(), Refusal> {
        match value {
            _ if self.kind != Kind::Other && self.is_gromox() => {}
            _ if self.kind != Kind::Other => return Err(not_settable(name)),
            Some(value) => drop(self.meta.fields.insert(name.to_owned(), value.to_xml())),
            None => drop(self.meta.fields.remove(name)),
        }
        Ok(())
    }

    fn keep(&mut self, field: &Field, value: &Element) -> Result<(), Refusal> {
        let name = field.element;
        let text = value.text.trim();
        let time = || {
            let wrong = || Refusal::because("ErrorInvalidValueForProperty", format!("{name} is no time."));
            self.zone.parse(text).ok_or_else(wrong)
        };
        match field.value {
            Value::Bool => values::put(&mut self.meta.fields, name, &matches!(text, "true" | "1").to_string()),
            Value::Number => values::put(&mut self.meta.fields, name, text),
            Value::Time => values::put_time(&mut self.meta.fields, name, time()?),
            Value::Day => values::put_day(&mut self.meta.fields, name, self.zone.wall(time()?).date()),
            Value::Noon if self.is_gromox() => values::put_time(&mut self.meta.fields, name, time()?),
            Value::Noon => {
                let day = self.zone.wall(time()?).date();
                values::put(&mut self.meta.fields, name, &format!("{day}T11:59:00Z"));
            }
            Value::Text => values::put(&mut self.meta.fields, name, &value.text),
            Value::Wall => {
                let at = time()?;
                // Without an offset the time waits for its zone.
                match text.parse::<Timestamp>() {
                    Ok(_) => values::put_time(&mut self.meta.fields, name, at),
                    Err(_) => values::put(&mut self.meta.fields, name, text),
                }
            }
            Value::Zone | Value::OldZone => event::keep_zone(self.meta, name, value)?,
            Value::Attendees => event::keep_attendees(self.meta, name, value),
            Value::Entries | Value::Tree => drop(self.meta.fields.insert(name.to_owned(), value.to_xml())),
        }
        Ok(())
    }

    /// Adds to what an element holds.
    pub(super) fn append(&mut self, name: &str, value: &Element) -> Result<(), Refusal> {
        let takes_more = match self.kind {
            Kind::List => name == "Members",
            Kind::Event => event::ATTENDEES.contains(&name),
            Kind::Contact | Kind::Task | Kind::Other => false,
        };
        if !takes_more {
            return Err(Refusal::because("ErrorInvalidPropertyAppend", "Append action is invalid for property."));
        }
        let mut all = value.clone();
        if let Some(known) = values::element(&self.meta.fields, name) {
            all.children.splice(0..0, known.children);
        }
        self.set(name, Some(&all))
    }

    /// Sees to what must hold for the item as a whole.
    pub(super) fn finish(&mut self) -> Result<(), Refusal> {
        match self.kind {
            Kind::Contact => contact::finish(self),
            Kind::List => return list::finish(self),
            Kind::Task => return task::finish(self),
            Kind::Event => return event::finish(self),
            Kind::Other => {}
        }
        Ok(())
    }
}

/// The elements that a kind answers for a shape without their being named.
pub(super) fn base(kind: Kind, all: bool) -> impl Iterator<Item = &'static str> {
    let wanted = move |field: &&Field| match field.shown {
        Shown::Default => true,
        Shown::All | Shown::Deep => all,
        Shown::Named => false,
    };
    kind.fields().iter().chain(COMMON).filter(wanted).map(|field| field.element)
}

/// Whether only GetItem answers an element.
pub(super) fn is_deep(element: &str) -> bool {
    let tables = [contact::FIELDS, event::FIELDS, list::FIELDS, task::FIELDS];
    tables.iter().any(|table| table.iter().any(|field| field.element == element && field.shown == Shown::Deep))
}

/// Somebody who reads: in which zone times are told, and whose manners the server has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) zone: &'a Zone,
    pub(super) like: Personality,
}

impl Reader<'_> {
    /// A time as it is answered.
    pub(super) fn time(&self, millis: i64) -> String {
        match self.like {
            Personality::Gromox => super::time::iso_ticks(millis.saturating_mul(10_000)),
            Personality::Exchange => self.zone.iso(millis),
        }
    }
}

/// The element of this name as an item shows it; none when it has none.
pub(super) fn shown(reader: Reader<'_>, item: &Item, name: &str) -> Option<String> {
    let kind = Kind::of(&item.element);
    let computed = match kind {
        Kind::Contact => contact::computed(reader, item, name),
        Kind::Event => event::computed(reader, item, name),
        Kind::Task => task::computed(reader, item, name),
        Kind::List | Kind::Other => None,
    };
    let kept = &item.meta.fields;
    let Some(field) = kind.field(name) else { return computed.or_else(|| kept.get(name).cloned()) };
    let told = |millis: i64| Some(format!("<t:{name}>{}</t:{name}>", reader.time(millis)));
    let time = || values::time(kept, name).and_then(told);
    let stored = || match field.value {
        // The same day wherever it is read.
        Value::Day => values::day(kept, name).and_then(|day| told(reader.zone.midnight(day))),
        Value::Time | Value::Wall | Value::Noon => time().or_else(|| kept.get(name).cloned()),
        _ => kept.get(name).cloned(),
    };
    let default = || Some(format!("<t:{name}>{}</t:{name}>", field.default)).filter(|_| !field.default.is_empty());
    computed.or_else(stored).or_else(default)
}
