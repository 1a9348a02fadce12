//! Tasks: status, percentage and completion make each other, and a recurring task that is completed leaves a finished
//! copy behind and goes on to its next occurrence.

use jiff::civil::Date;

use super::super::Personality;
use super::super::soap::Refusal;
use super::super::store::{Item, Meta};
use super::super::zones::Zone;
use super::recurrence::{Pattern, Recurrence};
use super::values;
use super::{Access, Draft, Field, Reader, Shown, Value, field};

/// The properties of a task (MS-OXWSTASK `TaskType`).
pub(super) const FIELDS: &[Field] = &[
    field("ActualWork", Value::Number, Access::Write, Shown::All, ""),
    field("AssignedTime", Value::Time, Access::Read, Shown::Named, ""),
    field("BillingInformation", Value::Text, Access::Write, Shown::All, ""),
    field("ChangeCount", Value::Number, Access::Read, Shown::All, ""),
    field("Companies", Value::Tree, Access::Write, Shown::All, ""),
    field("CompleteDate", Value::Day, Access::Write, Shown::All, ""),
    field("Contacts", Value::Tree, Access::Write, Shown::All, ""),
    field("DelegationState", Value::Text, Access::Read, Shown::Named, "NoMatch"),
    field("Delegator", Value::Text, Access::Read, Shown::Named, ""),
    field("DueDate", Value::Day, Access::Write, Shown::Default, ""),
    field("IsAssignmentEditable", Value::Number, Access::Read, Shown::Named, "0"),
    field("IsComplete", Value::Bool, Access::Read, Shown::All, ""),
    field("IsRecurring", Value::Bool, Access::Read, Shown::All, ""),
    field("IsTeamTask", Value::Bool, Access::Read, Shown::Named, "false"),
    field("Mileage", Value::Text, Access::Write, Shown::All, ""),
    field("Owner", Value::Text, Access::Read, Shown::Named, ""),
    field("PercentComplete", Value::Number, Access::Write, Shown::Default, "0"),
    field("Recurrence", Value::Tree, Access::Write, Shown::Deep, ""),
    field("StartDate", Value::Day, Access::Write, Shown::Default, ""),
    field("Status", Value::Text, Access::Write, Shown::Default, "NotStarted"),
    field("StatusDescription", Value::Text, Access::Read, Shown::All, ""),
    field("TotalWork", Value::Number, Access::Write, Shown::All, ""),
];

const STATUSES: [(&str, &str); 5] = [
    ("NotStarted", "Not Started"),
    ("InProgress", "In Progress"),
    ("Completed", "Completed"),
    ("WaitingOnOthers", "Waiting on someone else"),
    ("Deferred", "Deferred"),
];

fn status(meta: &Meta) -> String {
    values::text(&meta.fields, "Status").unwrap_or_else(|| "NotStarted".to_owned())
}

fn percent(meta: &Meta) -> f64 {
    values::text(&meta.fields, "PercentComplete").and_then(|text| text.parse().ok()).unwrap_or(0.0)
}

/// Makes the two others follow whichever of status, percentage and date of completion was set: the last one wins.
pub(super) fn changed(draft: &mut Draft<'_>, name: &str) -> Result<(), Refusal> {
    if draft.like == Personality::Gromox {
        gromox_changed(draft, name);
        return Ok(());
    }
    if !(0.0..=100.0).contains(&percent(draft.meta)) {
        return Err(Refusal::new("ErrorInvalidPercentCompleteValue"));
    }
    match name {
        "Status" => match status(draft.meta).as_str() {
            "Completed" => complete(draft),
            "NotStarted" => reopen(draft, "0"),
            _ if percent(draft.meta) >= 100.0 => reopen(draft, "0"),
            _ => drop(draft.meta.fields.remove("CompleteDate")),
        },
        "PercentComplete" => match percent(draft.meta) {
            done if done >= 100.0 => {
                values::put(&mut draft.meta.fields, "Status", "Completed");
                complete(draft);
            }
            begun => {
                let status = if begun > 0.0 { "InProgress" } else { "NotStarted" };
                values::put(&mut draft.meta.fields, "Status", status);
                draft.meta.fields.remove("CompleteDate");
            }
        },
        "CompleteDate" if draft.meta.fields.contains_key("CompleteDate") => {
            values::put(&mut draft.meta.fields, "Status", "Completed");
            values::put(&mut draft.meta.fields, "PercentComplete", "100");
        }
        "CompleteDate" if status(draft.meta) == "Completed" => {
            values::put(&mut draft.meta.fields, "Status", "NotStarted");
            reopen(draft, "0");
        }
        "StartDate" => in_order(draft.meta, "StartDate", "DueDate"),
        "DueDate" => in_order(draft.meta, "DueDate", "StartDate"),
        _ => {}
    }
    Ok(())
}

/// gromox keeps no recurrence, and a percentage as a hundred times what it is.
fn gromox_changed(draft: &mut Draft<'_>, name: &str) {
    match name {
        "Recurrence" => drop(draft.meta.fields.remove("Recurrence")),
        "PercentComplete" => {
            let hundredfold = percent(draft.meta) * 100.0;
            values::put(&mut draft.meta.fields, "PercentComplete", &hundredfold.to_string());
        }
        _ => {}
    }
}

fn complete(draft: &mut Draft<'_>) {
    values::put(&mut draft.meta.fields, "PercentComplete", "100");
    if !draft.meta.fields.contains_key("CompleteDate") {
        values::put_day(&mut draft.meta.fields, "CompleteDate", draft.zone.wall(draft.now).date());
    }
}

fn reopen(draft: &mut Draft<'_>, percent: &str) {
    values::put(&mut draft.meta.fields, "PercentComplete", percent);
    draft.meta.fields.remove("CompleteDate");
}

/// A task is not due before it starts: the day that was set last wins.
fn in_order(meta: &mut Meta, set: &str, other: &str) {
    let day = |name: &str| values::day(&meta.fields, name);
    let (Some(start), Some(due), Some(new)) = (day("StartDate"), day("DueDate"), day(set)) else { return };
    if due < start {
        values::put_day(&mut meta.fields, other, new);
    }
}

/// Refuses what no task can be.
pub(super) fn finish(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    if draft.like == Personality::Gromox {
        return Ok(());
    }
    let today = draft.zone.wall(draft.now).date();
    if values::day(&draft.meta.fields, "CompleteDate").is_some_and(|day| day > today) {
        return Err(Refusal::new("ErrorInvalidCompleteDate"));
    }
    if let Some(recurrence) = values::element(&draft.meta.fields, "Recurrence") {
        let recurrence = Recurrence::read(&recurrence)?;
        draft.meta.fields.insert("Recurrence".to_owned(), recurrence.xml("", ""));
    }
    let count = values::text(&draft.meta.fields, "ChangeCount").and_then(|text| text.parse::<i64>().ok());
    values::put(&mut draft.meta.fields, "ChangeCount", &(count.unwrap_or(0) + 1).to_string());
    Ok(())
}

fn recurrence(meta: &Meta) -> Option<Recurrence> {
    Recurrence::read(&values::element(&meta.fields, "Recurrence")?).ok()
}

/// Whether an update of a recurring task is one of its current occurrence alone, which then becomes a task of its own:
/// it is completed, or its days are changed, and its recurrence is not.
pub(in super::super) fn splits(before: &Meta, after: &Meta, touched: &[String]) -> bool {
    let Some(known) = recurrence(before) else { return false };
    let has = |name: &str| touched.iter().any(|touched| touched == name);
    if recurrence(after).as_ref() != Some(&known) {
        return false;
    }
    let done = status(after) == "Completed" && status(before) != "Completed";
    let moved = |name: &str| has(name) && values::day(&before.fields, name) != values::day(&after.fields, name);
    let dated = moved("StartDate") || moved("DueDate");
    done || (dated && !matches!(known.pattern, Pattern::Regenerating(..)))
}

/// Moves a recurring task on to its next occurrence; false when there is none.
pub(in super::super) fn advance(meta: &mut Meta, completed: Option<Date>) -> bool {
    let Some(known) = recurrence(meta) else { return false };
    let current = values::day(&meta.fields, "StartDate").or_else(|| values::day(&meta.fields, "DueDate"));
    let current = current.unwrap_or(known.start);
    let Some(next) = known.advanced(completed.unwrap_or(current)) else { return false };
    let shift = next.start.since(current).unwrap_or_default();
    for name in ["StartDate", "DueDate"] {
        if let Some(day) = values::day(&meta.fields, name) {
            values::put_day(&mut meta.fields, name, day.checked_add(shift).unwrap_or(day));
        }
    }
    if let Some(due) = values::time(&meta.fields, "ReminderDueBy") {
        let wall = Zone::utc().wall(due);
        let moved = wall.checked_add(shift).unwrap_or(wall);
        values::put_time(&mut meta.fields, "ReminderDueBy", Zone::utc().instant(moved));
    }
    meta.fields.insert("Recurrence".to_owned(), next.xml("", ""));
    true
}

/// What is made of other properties.
pub(super) fn computed(reader: Reader<'_>, item: &Item, name: &str) -> Option<String> {
    let meta = &item.meta;
    let text = match name {
        "IsComplete" => (reader.like == Personality::Exchange && status(meta) == "Completed").to_string(),
        "IsRecurring" => meta.fields.contains_key("Recurrence").to_string(),
        "StatusDescription" => {
            let known = STATUSES.iter().find(|(known, _)| *known == status(meta));
            known.map_or_else(String::new, |(_, description)| (*description).to_owned())
        }
        _ => return None,
    };
    Some(format!("<t:{name}>{text}</t:{name}>"))
}
