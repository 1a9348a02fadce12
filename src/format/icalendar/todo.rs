//! Tasks as VTODO (RFC 5545 §3.6.2).

use jiff::civil::Date;

use super::super::classes;
use super::super::content::{Component, Document};
use super::rule::{self, Start};
use super::{CalendarError, parts};
use crate::pim::recurrence::{End, Inexpressible, Interval, Pattern, Recurrence};
use crate::pim::task::{Percent, RegenerationUnit, TaskRecurrence, TaskStatus};
use crate::pim::{Task, TaskField as Field, UnixTime};

/// A task's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TodoFile {
    document: Document,
}

impl TodoFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It holds no VTODO, or more than one.
    pub fn parse(bytes: impl Into<bytes::Bytes>) -> Result<Self, CalendarError> {
        let (document, count) = super::parse(bytes, "VTODO")?;
        if count > 1 { Err(CalendarError::Several { name: "VTODO", count }) } else { Ok(Self { document }) }
    }

    /// A file for a task that has none, made at `now`.
    pub fn new(task: &Task, now: UnixTime) -> Self {
        let mut todo = Component::new("VTODO");
        todo.set("DTSTAMP", parts::write_instant(now).as_deref());
        let mut calendar = super::empty();
        calendar.push_component(todo);
        let mut file = Self { document: Document::of(calendar) };
        file.patch(task);
        file
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.document.to_bytes()
    }

    /// What the file says.
    ///
    /// # Errors
    ///
    /// It repeats in a way that the server cannot.
    pub fn task(&self) -> Result<Task, CalendarError> {
        let todo = self.todo().ok_or(CalendarError::Missing("VTODO"))?;
        let recurrence = recurrence(todo)?;
        Ok(Task { recurrence, ..read(todo) })
    }

    /// What the file says besides what a task has fields for: its lines and components as they are.
    pub fn besides(&self) -> String {
        let mut rest = self.clone();
        rest.patch(&Task::default());
        rest.todo().map(|todo| todo.besides(super::BOOKKEEPING)).unwrap_or_default()
    }

    /// Adds what another file of the task said besides.
    pub fn append(&mut self, besides: &str) {
        let todos = self.document.components_mut("VCALENDAR").flat_map(|calendar| calendar.components_mut("VTODO"));
        todos.take(1).for_each(|todo| todo.append(besides));
    }

    /// Brings the file to what `task` says. Only the lines of fields that differ are written; a repetition that the server cannot say stays
    /// unless `task` has one.
    pub fn patch(&mut self, task: &Task) {
        let Some(todo) =
            self.document.components_mut("VCALENDAR").flat_map(|calendar| calendar.components_mut("VTODO")).next()
        else {
            return;
        };
        let before = Task { recurrence: recurrence(todo).ok().flatten(), ..read(todo) };
        let mut changed = before.diff(task);
        let moved = changed.contains(&Field::Start) || changed.contains(&Field::Due);
        if moved && !changed.contains(&Field::Recurrence) && task.recurrence.is_some() {
            // The rule begins where the task does, unless it says otherwise.
            changed.push(Field::Recurrence);
        }
        for row in ROWS.iter().filter(|row| changed.contains(&row.field)) {
            (row.write)(todo, task);
        }
    }

    fn todo(&self) -> Option<&Component> {
        self.document.components("VCALENDAR").flat_map(|calendar| calendar.components("VTODO")).next()
    }
}

/// A property.
pub struct Row {
    /// The field that it holds.
    pub field: Field,
    /// How files spell it.
    pub ical: &'static str,
    /// How the server spells it: a property of MS-OXWSTASK or MS-OXWSCORE, or a name in PublicStrings (`P:`).
    pub ews: &'static str,
    read: fn(&Component, &mut Task),
    write: fn(&mut Component, &Task),
}

macro_rules! row {
    ($field:ident, $member:ident, $ical:literal, $ews:literal, text) => {
        row!($field, $member, $ical, $ews, |todo| parts::text(todo, $ical), |todo, task| parts::set_text(
            todo,
            $ical,
            &task.$member
        ))
    };
    ($field:ident, $member:ident, $ical:literal, $ews:literal, day) => {
        row!($field, $member, $ical, $ews, |todo| parts::day(todo, $ical), |todo, task| parts::set_day(
            todo,
            $ical,
            task.$member
        ))
    };
    ($field:ident, $member:ident, $ical:literal, $ews:literal, |$todo:ident| $read:expr, |$to:ident, $task:ident| $write:expr) => {
        Row {
            field: Field::$field,
            ical: $ical,
            ews: $ews,
            read: |$todo, task| task.$member = $read,
            write: |$to, $task| $write,
        }
    };
}

/// Up to 3 is high, up to 6 normal.
const PRIORITIES: [u8; 2] = [3, 6];

/// All properties; the start and the end come before the rule, which begins with them.
pub const ROWS: &[Row] = &[
    row!(Uid, uid, "UID", "P:urn:schemas:calendar:uid", text),
    row!(Subject, subject, "SUMMARY", "item:Subject", text),
    row!(Body, body, "DESCRIPTION", "item:Body", text),
    row!(Status, status, "STATUS", "task:Status", |todo| status(todo), |todo, task| set_status(todo, task.status)),
    row!(Percent, percent, "PERCENT-COMPLETE", "task:PercentComplete", |todo| percent(todo), |todo, task| set_percent(
        todo,
        task.percent
    )),
    row!(
        Completed,
        completed,
        "COMPLETED",
        "task:CompleteDate",
        |todo| todo.property("COMPLETED").and_then(|completed| parts::instant(&completed.value)),
        |todo, task| todo.set("COMPLETED", task.completed.and_then(parts::write_instant).as_deref())
    ),
    row!(Start, start, "DTSTART", "task:StartDate", day),
    row!(Due, due, "DUE", "task:DueDate", day),
    // Reading it can fail, so it is read apart.
    row!(Recurrence, recurrence, "RRULE", "task:Recurrence", |_todo| None, |todo, task| set_recurrence(
        todo,
        task.recurrence.as_ref()
    )),
    row!(
        Reminder,
        reminder,
        "VALARM",
        "item:ReminderIsSet item:ReminderDueBy",
        |todo| parts::absolute_alarm(todo),
        |todo, task| parts::set_absolute_alarm(todo, task.reminder)
    ),
    row!(
        Importance,
        importance,
        "PRIORITY",
        "item:Importance",
        |todo| parts::importance(todo, PRIORITIES),
        |todo, task| parts::set_importance(todo, task.importance)
    ),
    row!(Sensitivity, sensitivity, "CLASS", "item:Sensitivity", |todo| classes::sensitivity(todo), |todo, task| {
        classes::set_sensitivity(todo, task.sensitivity)
    }),
    row!(Categories, categories, "CATEGORIES", "item:Categories", |todo| classes::categories(todo), |todo, task| {
        classes::set_categories(todo, &task.categories)
    }),
];

fn read(todo: &Component) -> Task {
    let mut task = Task::default();
    for row in ROWS {
        (row.read)(todo, &mut task);
    }
    task
}

/// What iCalendar has no word for stands beside STATUS. A program that knows only that and changes it is believed.
const EXACT_STATUS: &str = "X-EWS-STATUS";

/// Each status with its STATUS and its name on the server; the first one with a STATUS is what that means alone.
///
/// NEEDS-ACTION is what most programs write for a task that nobody began (todoman, Tasks.org), so it is not "waiting on others" by itself.
const STATUSES: [(TaskStatus, &str, &str); 5] = [
    (TaskStatus::NotStarted, "NEEDS-ACTION", "NotStarted"),
    (TaskStatus::InProgress, "IN-PROCESS", "InProgress"),
    (TaskStatus::Completed, "COMPLETED", "Completed"),
    (TaskStatus::WaitingOnOthers, "NEEDS-ACTION", "WaitingOnOthers"),
    (TaskStatus::Deferred, "CANCELLED", "Deferred"),
];

fn status(todo: &Component) -> TaskStatus {
    let written = todo.property("STATUS").map(|status| status.value.trim().to_ascii_uppercase());
    let written = written.unwrap_or_else(|| "NEEDS-ACTION".to_owned());
    let exact = todo.property(EXACT_STATUS).map(|status| status.value);
    let mut rows = STATUSES.iter().filter(|row| row.1 == written);
    let named = rows.clone().find(|row| exact.as_deref().is_some_and(|name| name.trim().eq_ignore_ascii_case(row.2)));
    named.or_else(|| rows.next()).map_or(TaskStatus::NotStarted, |row| row.0)
}

fn set_status(todo: &mut Component, status: TaskStatus) {
    let row = STATUSES.iter().find(|row| row.0 == status);
    let is_default = status == TaskStatus::NotStarted && todo.property("STATUS").is_none();
    todo.set("STATUS", row.map(|row| row.1).filter(|_| !is_default));
    todo.set(EXACT_STATUS, row.map(|row| row.2).filter(|_| status == TaskStatus::WaitingOnOthers));
}

fn percent(todo: &Component) -> Percent {
    let written = todo.property("PERCENT-COMPLETE").and_then(|percent| percent.value.trim().parse().ok());
    written.and_then(Percent::new).unwrap_or_default()
}

fn set_percent(todo: &mut Component, percent: Percent) {
    let is_default = percent == Percent::default() && todo.property("PERCENT-COMPLETE").is_none();
    let number = percent.get().to_string();
    todo.set("PERCENT-COMPLETE", Some(number.as_str()).filter(|_| !is_default));
}

/// The first day of the repetition, where it is not the task's own: completing an occurrence moves the task on, and not its repetition.
const FIRST: &str = "X-EWS-RECURRENCE-START";

/// A repetition that no RRULE says: so long after the task was completed.
const REGENERATION: &str = "X-EWS-REGENERATION";

/// The day that a rule counts from in a file.
fn own_start(todo: &Component) -> Option<Date> {
    parts::day(todo, "DTSTART").or_else(|| parts::day(todo, "DUE"))
}

fn recurrence(todo: &Component) -> Result<Option<TaskRecurrence>, CalendarError> {
    for (name, shown) in
        [("RDATE", "RDATE"), ("EXDATE", "EXDATE"), ("EXRULE", "EXRULE"), ("RECURRENCE-ID", "RECURRENCE-ID")]
    {
        if todo.property(name).is_some() {
            return Err(Inexpressible::Property(shown).into());
        }
    }
    let start = parts::day(todo, FIRST).or_else(|| own_start(todo));
    let no_start = || CalendarError::NoStart;
    if let Some(regeneration) = todo.property(REGENERATION) {
        return regenerating(&regeneration.value, start.ok_or_else(no_start)?).map(Some);
    }
    let mut rules = todo.properties("RRULE");
    let Some(rule) = rules.next() else {
        return Ok(None);
    };
    if rules.next().is_some() {
        return Err(Inexpressible::Property("a second RRULE").into());
    }
    let recurrence = rule::read(&rule.value, &Start::Day(start.ok_or_else(no_start)?))?;
    Ok(Some(TaskRecurrence::Regular(recurrence)))
}

/// The units by the pattern of a rule that counts in them.
const UNITS: [(RegenerationUnit, &str); 4] = [
    (RegenerationUnit::Days, "DAILY"),
    (RegenerationUnit::Weeks, "WEEKLY"),
    (RegenerationUnit::Months, "MONTHLY"),
    (RegenerationUnit::Years, "YEARLY"),
];

/// `WEEKLY;INTERVAL=2;COUNT=5`: a unit, and the rest of a rule that counts in days.
fn regenerating(value: &str, start: Date) -> Result<TaskRecurrence, CalendarError> {
    let odd = || CalendarError::Value { property: REGENERATION, value: value.chars().take(60).collect() };
    let (unit, rest) = value.split_once(';').unwrap_or((value, ""));
    let unit = UNITS.iter().find(|row| row.1.eq_ignore_ascii_case(unit.trim())).ok_or_else(odd)?.0;
    match rule::read(&format!("FREQ=DAILY;{rest}"), &Start::Day(start))? {
        Recurrence { pattern: Pattern::Daily { interval }, end, .. } => {
            Ok(TaskRecurrence::Regenerating { unit, interval, start, end })
        }
        _ => Err(odd()),
    }
}

fn write_regeneration(unit: RegenerationUnit, interval: Interval, start: Date, end: End) -> String {
    let counted = Recurrence { pattern: Pattern::Daily { interval }, start, end };
    let name = UNITS.iter().find(|row| row.0 == unit).map_or("", |row| row.1);
    rule::write(&counted, &Start::Day(start)).replacen("FREQ=DAILY", name, 1)
}

fn set_recurrence(todo: &mut Component, recurrence: Option<&TaskRecurrence>) {
    let (rule, regeneration) = match recurrence {
        None => (None, None),
        Some(TaskRecurrence::Regular(recurrence)) => {
            (Some(rule::write(recurrence, &Start::Day(recurrence.start))), None)
        }
        Some(TaskRecurrence::Regenerating { unit, interval, start, end }) => {
            (None, Some(write_regeneration(*unit, *interval, *start, *end)))
        }
    };
    let is_written = |todo: &Component| self::recurrence(todo).is_ok_and(|found| found.as_ref() == recurrence);
    if is_written(todo) {
        return;
    }
    let first = recurrence.map(TaskRecurrence::start).filter(|start| own_start(todo) != Some(*start));
    parts::set_day(todo, FIRST, first);
    if is_written(todo) {
        return;
    }
    todo.set(REGENERATION, regeneration.as_deref());
    todo.rewrite("RRULE", |mut old| {
        old.truncate(1);
        let line = old.pop().unwrap_or_else(|| super::super::content::Property::new("RRULE", ""));
        rule.map(|rule| line.with_value(rule)).into_iter().collect()
    });
}

#[cfg(test)]
pub(crate) mod tests;
