//! Occurrences of series: found by their numbers, told by their series, and changed one by one.

use jiff::civil::Date;
use rusqlite::Connection;

use super::super::kinds::event::{Instance, Series};
use super::super::kinds::values;
use super::super::soap::Refusal;
use super::super::store::{self, Change, Item};
use super::super::xml::XmlOut;
use super::Context;

/// The occurrence of a series that has this number.
pub(in super::super) fn nth(db: &Connection, master: &Item, number: i64) -> Result<Item, Refusal> {
    let series = Series::of(&master.meta).ok_or_else(|| Refusal::new("ErrorCalendarCannotUseIdForOccurrenceId"))?;
    if master.meta.deleted.contains(&number) {
        return Err(Refusal::new("ErrorCalendarOccurrenceIsDeletedFromRecurrence"));
    }
    let instance =
        series.nth(number).ok_or_else(|| Refusal::new("ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange"))?;
    let exceptions = store::exceptions(db, master)?;
    Ok(occurrence(master, &exceptions, instance))
}

/// An occurrence as it takes place.
fn occurrence(master: &Item, exceptions: &[Item], instance: Instance) -> Item {
    let exception = exceptions.iter().find(|exception| exception.instance == instance.number);
    let mut item = exception.unwrap_or(master).clone();
    if exception.is_none() {
        (item.id, item.master, item.instance) = (0, master.id, instance.number);
    }
    let meta = &mut item.meta;
    meta.deleted.clear();
    meta.fields.remove("Recurrence");
    for (name, at) in [("Start", instance.start), ("End", instance.end)] {
        if !meta.overrides.iter().any(|known| known == name) {
            values::put_time(&mut meta.fields, name, at);
        }
    }
    for name in ["RecurrenceId", "OriginalStart"] {
        values::put_time(&mut meta.fields, name, instance.start);
    }
    item
}

/// The series of an occurrence; none of a single item or of a series itself.
pub(super) fn master(context: &Context<'_>, db: &Connection, item: &Item) -> Result<Option<Item>, Refusal> {
    match item.master {
        0 => Ok(None),
        master => Ok(store::item(db, context.mailbox.id, master)?),
    }
}

fn start(item: &Item) -> i64 {
    values::time(&item.meta.fields, "Start").unwrap_or_default()
}

fn end(item: &Item) -> i64 {
    values::time(&item.meta.fields, "End").unwrap_or_default()
}

/// What takes place between two instants, by its start: the item itself, or the occurrences of a series.
pub(super) fn within(
    context: &Context<'_>,
    db: &Connection,
    item: Item,
    from: i64,
    until: i64,
) -> Result<Vec<Item>, Refusal> {
    let overlaps =
        |item: &Item| start(item) < until && (end(item) > from || (end(item) == from && start(item) == from));
    let Some(series) = Series::of(&item.meta).filter(|_| !context.is_gromox()) else {
        return Ok(Some(item).into_iter().filter(overlaps).collect());
    };
    let exceptions = store::exceptions(db, &item)?;
    let moved_here = |number: i64| exceptions.iter().any(|exception| exception.instance == number);
    let last = exceptions.iter().map(|exception| exception.instance).max().unwrap_or(0);
    let found = series
        .instances()
        .take_while(|instance| instance.start < until || instance.number <= last)
        .filter(|instance| instance.end >= from || moved_here(instance.number))
        .filter(|instance| !item.meta.deleted.contains(&instance.number))
        .map(|instance| occurrence(&item, &exceptions, instance));
    Ok(found.filter(overlaps).collect())
}

/// What a series tells of its occurrences, as the element of this name; none when it has nothing to tell.
pub(super) fn told(
    context: &Context<'_>,
    db: &Connection,
    master: &Item,
    name: &str,
) -> Result<Option<String>, Refusal> {
    let Some(series) = Series::of(&master.meta) else { return Ok(None) };
    let deleted = &master.meta.deleted;
    let exceptions = store::exceptions(db, master)?;
    let info = |element: &str, instance: Instance| {
        let item = occurrence(master, &exceptions, instance);
        let original = match context.is_gromox() {
            true => series.zone.midnight(instance.day),
            false => instance.start,
        };
        let mut out = XmlOut::new();
        out.open(element, &[]);
        out.raw(&context.item_id_xml(&item));
        for (name, at) in [("t:Start", start(&item)), ("t:End", end(&item)), ("t:OriginalStart", original)] {
            out.put(name, &context.reader().time(at));
        }
        out.close(element);
        out.buffer
    };
    Ok(match name {
        "FirstOccurrence" => series.first(deleted).map(|instance| info("t:FirstOccurrence", instance)),
        "LastOccurrence" => series.last(deleted).map(|instance| info("t:LastOccurrence", instance)),
        "ModifiedOccurrences" if !exceptions.is_empty() => {
            let instances = exceptions.iter().filter_map(|exception| series.nth(exception.instance));
            let list: String = instances.map(|instance| info("t:Occurrence", instance)).collect();
            Some(format!("<t:ModifiedOccurrences>{list}</t:ModifiedOccurrences>"))
        }
        "DeletedOccurrences" if !deleted.is_empty() => {
            let mut out = XmlOut::new();
            out.raw("<t:DeletedOccurrences>");
            for instance in deleted.iter().filter_map(|number| series.nth(*number)) {
                out.raw("<t:DeletedOccurrence>");
                out.put("t:Start", &context.reader().time(instance.start));
                out.raw("</t:DeletedOccurrence>");
            }
            out.raw("</t:DeletedOccurrences>");
            Some(out.buffer)
        }
        _ => None,
    })
}

/// How a change of one occurrence shows on its series: gromox tells nobody who synchronizes.
fn change_of_series(context: &Context<'_>) -> Change {
    if context.is_gromox() { Change::Untold } else { Change::Full }
}

/// Stores an item that was changed in the elements named; an occurrence becomes an exception, and its series changes.
pub(super) fn save(
    context: &Context<'_>,
    db: &Connection,
    item: &mut Item,
    named: &[&str],
    mime: Option<&[u8]>,
) -> Result<(), Refusal> {
    let Some(mut master) = master(context, db, item)? else {
        return Ok(store::save_item(db, item, Change::Full, mime)?);
    };
    for name in named {
        let overrides = &mut item.meta.overrides;
        if !overrides.iter().any(|known| known == name) {
            overrides.push((*name).to_owned());
        }
    }
    if !context.is_gromox() {
        check_neighbours(db, &master, item)?;
    }
    store::save_exception(db, item, mime)?;
    store::save_item(db, &mut master, change_of_series(context), None)?;
    item.key_cn = master.key_cn;
    Ok(())
}

/// An occurrence stays between its neighbours: on a day after the one and before the other.
fn check_neighbours(db: &Connection, master: &Item, item: &Item) -> Result<(), Refusal> {
    let Some(series) = Series::of(&master.meta) else { return Ok(()) };
    let exceptions = store::exceptions(db, master)?;
    let day = |at: i64| series.zone.wall(at).date();
    let is_there = |instance: &Instance| !master.meta.deleted.contains(&instance.number);
    let held = |instance: Instance| day(start(&occurrence(master, &exceptions, instance)));
    let before: Option<Date> =
        series.instances().take_while(|one| one.number < item.instance).filter(is_there).last().map(held);
    let after: Option<Date> = series.instances().find(|one| one.number > item.instance && is_there(one)).map(held);
    let own = day(start(item));
    if before.is_some_and(|before| own <= before) || after.is_some_and(|after| own >= after) {
        return Err(Refusal::new("ErrorOccurrenceCrossingBoundary"));
    }
    Ok(())
}

/// Deletes an occurrence from its series.
pub(in super::super) fn delete(context: &Context<'_>, db: &Connection, item: &Item) -> Result<(), Refusal> {
    let mut master = master(context, db, item)?.ok_or_else(|| Refusal::new("ErrorItemNotFound"))?;
    master.meta.deleted.push(item.instance);
    master.meta.deleted.sort_unstable();
    if Series::of(&master.meta).is_some_and(|series| series.first(&master.meta.deleted).is_none()) {
        return Err(Refusal::new("ErrorRecurrenceHasNoOccurrence"));
    }
    if item.id > 0 {
        store::remove_exception(db, item)?;
    }
    Ok(store::save_item(db, &mut master, change_of_series(context), None)?)
}
