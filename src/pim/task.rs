//! Tasks (item class `IPM.Task`).

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::fields::item;
use super::recurrence::{End, Interval, Recurrence};
use super::{Categories, Importance, Sensitivity, Text, UnixTime};

item! {
    /// A task. The server keeps days for its start and its end, and no times.
    Task,
    /// A field of a task.
    TaskField {
        /// What identifies it in files (RFC 5545 §3.8.4.7).
        uid / Uid: Text,
        /// What is to be done.
        subject / Subject: Text,
        /// More about it.
        body / Body: Text,
        /// How far it is.
        status / Status: TaskStatus,
        /// How much of it is done, in per cent.
        percent / Percent: Percent,
        /// When it was completed.
        completed / Completed: Option<UnixTime>,
        /// The day on which it starts.
        start / Start: Option<Date>,
        /// The day on which it is due.
        due / Due: Option<Date>,
        /// How it repeats.
        recurrence / Recurrence: Option<TaskRecurrence>,
        /// When one is reminded of it.
        reminder / Reminder: Option<UnixTime>,
        /// How urgent it is.
        importance / Importance: Importance,
        /// Who may see it.
        sensitivity / Sensitivity: Sensitivity,
        /// Categories.
        categories / Categories: Categories,
    }
}

/// How far a task is (MS-OXWSTASK `TaskStatusType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TaskStatus {
    /// Nobody began.
    #[default]
    NotStarted,
    /// Somebody is at it.
    InProgress,
    /// It is done.
    Completed,
    /// Others are at it.
    WaitingOnOthers,
    /// It was put off.
    Deferred,
}

/// 0 to 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Percent(u8);

impl Percent {
    /// `None` for more than 100.
    pub fn new(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// How a task repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskRecurrence {
    /// On days of a pattern.
    Regular(Recurrence),
    /// So long after it was completed (MS-OXWSCDATA `RegeneratingPatternBaseType`); no RRULE says that.
    Regenerating {
        /// What is counted.
        unit: RegenerationUnit,
        /// How many of them.
        interval: Interval,
        /// The first day.
        start: Date,
        /// The last one.
        end: End,
    },
}

impl TaskRecurrence {
    /// The first day that counts.
    pub fn start(&self) -> Date {
        match self {
            Self::Regular(recurrence) => recurrence.start,
            Self::Regenerating { start, .. } => *start,
        }
    }
}

/// What a regenerating task counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RegenerationUnit {
    /// DailyRegeneration.
    Days,
    /// WeeklyRegeneration.
    Weeks,
    /// MonthlyRegeneration.
    Months,
    /// YearlyRegeneration.
    Years,
}
