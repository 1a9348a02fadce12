//! Tasks (MS-OXWSTASK `TaskType`): a row for each field, as in the table of their files.
//!
//! Status, percentage and date of completion are one to Exchange: whichever it is told last sets the other two.

use super::super::property::{Content, Property};
use super::super::shape::{is_true, parse_time};
use super::super::xml::Element;
use super::classes::{categories_row, importance_row, name_of, named, sensitivity_row};
use super::spelling::{Change, Row, Spelled, TaskRules, body_row, text_row};
use super::{day, recurrence};
use crate::pim::Task;
use crate::pim::task::{Percent, TaskStatus};

const fn field(uri: &'static str) -> Property {
    Property::Field(uri)
}

const UID: Property = Property::Public("urn:schemas:calendar:uid", "String");
const STATUS: Property = field("task:Status");
const PERCENT: Property = field("task:PercentComplete");
const COMPLETED: Property = field("task:CompleteDate");
const RECURRENCE: Property = field("task:Recurrence");
const REMINDER_IS_SET: Property = field("item:ReminderIsSet");
const REMINDER_DUE_BY: Property = field("item:ReminderDueBy");

/// The row of a day: the server keeps no times of a task.
macro_rules! day {
    ($member:ident, $property:expr) => {
        Row {
            properties: &[$property],
            read: |item, task| task.$member = $property.of(item).and_then(parse_time).and_then(day::of_instant),
            spell: |task, to| to.time($property, task.$member.and_then(day::to_instant)),
            change: Change::Each,
        }
    };
}

/// All rows.
pub(super) const ROWS: &[Row<Task>] = &[
    text_row!(uid, UID),
    text_row!(subject, field("item:Subject")),
    body_row!(body),
    sensitivity_row!(),
    importance_row!(),
    categories_row!(),
    // Before the days, since it moves them.
    Row {
        properties: &[RECURRENCE],
        read: |item, task| task.recurrence = RECURRENCE.find(item).and_then(recurrence::read_task),
        spell: |task, to| {
            let version = to.context.version;
            let elements = task.recurrence.as_ref().map(|found| recurrence::task_elements(found, version));
            to.put(RECURRENCE, elements.map(Content::Tree));
        },
        change: Change::Each,
    },
    day!(start, field("task:StartDate")),
    day!(due, field("task:DueDate")),
    Row {
        properties: &[STATUS, PERCENT, COMPLETED],
        read: read_progress,
        spell: spell_progress,
        change: Change::Own(change_progress),
    },
    Row {
        properties: &[REMINDER_IS_SET, REMINDER_DUE_BY],
        read: |item, task| {
            let is_set = is_true(REMINDER_IS_SET.of(item));
            task.reminder = REMINDER_DUE_BY.of(item).and_then(parse_time).filter(|_| is_set);
        },
        spell: |task, to| {
            if task.reminder.is_some() {
                to.time(REMINDER_DUE_BY, task.reminder);
            }
            to.word(REMINDER_IS_SET, if task.reminder.is_some() { "true" } else { "false" });
        },
        change: Change::Each,
    },
];

const STATUSES: [(TaskStatus, &str); 5] = [
    (TaskStatus::NotStarted, "NotStarted"),
    (TaskStatus::InProgress, "InProgress"),
    (TaskStatus::Completed, "Completed"),
    (TaskStatus::WaitingOnOthers, "WaitingOnOthers"),
    (TaskStatus::Deferred, "Deferred"),
];

fn read_progress(item: &Element, task: &mut Task) {
    task.status = named(&STATUSES, STATUS.of(item));
    task.percent = PERCENT.of(item).map(percent).unwrap_or_default();
    task.completed = COMPLETED.of(item).and_then(parse_time);
}

/// A percentage is a number with a fraction. gromox has it a hundred times too large.
fn percent(text: &str) -> Percent {
    let number: f64 = text.parse().unwrap_or_default();
    let number = if number > 100.0 { number / 100.0 } else { number };
    // No number at all, and less than nothing, count as nothing.
    Percent::new(number.round().clamp(0.0, 100.0) as u8).unwrap_or_default()
}

/// Says how far a new task is.
fn spell_progress(task: &Task, to: &mut Spelled<'_>) {
    match (to.context.task_rules, task.status) {
        (TaskRules::EachByItself, _) => spell_each(task, to),
        // Somebody says that nobody began, and how far they came: the number is more.
        (TaskRules::OneForAll, TaskStatus::NotStarted) if is_between(task.percent) => spell_percent(task, to),
        (TaskRules::OneForAll, _) => spell_decisive(task, to),
    }
}

/// Says what changed of it.
fn change_progress(from: &Task, task: &Task, to: &mut Spelled<'_>) {
    let (status, percent) = (from.status != task.status, from.percent != task.percent);
    let completed = from.completed != task.completed;
    if !(status || percent || completed) {
        return;
    }
    match to.context.task_rules {
        TaskRules::EachByItself => spell_each(task, to),
        TaskRules::OneForAll if status || is_beside(task) => spell_decisive(task, to),
        TaskRules::OneForAll if percent => spell_percent(task, to),
        TaskRules::OneForAll if task.completed.is_some() => to.time(COMPLETED, task.completed),
        TaskRules::OneForAll => spell_decisive(task, to),
    }
}

fn is_between(percent: Percent) -> bool {
    (1..100).contains(&percent.get())
}

/// Whether the status says something that no percentage says. Then that has to come first, for it sets the status.
fn is_beside(task: &Task) -> bool {
    match task.status {
        TaskStatus::WaitingOnOthers | TaskStatus::Deferred => true,
        TaskStatus::InProgress => !is_between(task.percent),
        TaskStatus::NotStarted | TaskStatus::Completed => false,
    }
}

/// Says the one that the other two follow from.
fn spell_decisive(task: &Task, to: &mut Spelled<'_>) {
    match task.status {
        TaskStatus::Completed if task.completed.is_some() => to.time(COMPLETED, task.completed),
        TaskStatus::InProgress if is_between(task.percent) => spell_percent(task, to),
        _ => {
            if is_beside(task) {
                spell_percent(task, to);
            }
            spell_status(task, to);
        }
    }
}

fn spell_each(task: &Task, to: &mut Spelled<'_>) {
    spell_percent(task, to);
    spell_status(task, to);
    to.time(COMPLETED, task.completed);
}

fn spell_percent(task: &Task, to: &mut Spelled<'_>) {
    to.word(PERCENT, &task.percent.get().to_string());
}

fn spell_status(task: &Task, to: &mut Spelled<'_>) {
    to.word(STATUS, name_of(&STATUSES, task.status));
}
