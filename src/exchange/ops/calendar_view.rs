//! FindItem with a CalendarView: what takes place between two instants, each occurrence of a series by itself.

use super::super::kinds::values;
use super::super::soap::Refusal;
use super::super::store::{self, FolderRow};
use super::super::xml::{Element, XmlOut};
use super::fields::{self, Depth};
use super::shape::Shape;
use super::{Context, Slot, find, occurrences};

/// The widest view: two years.
const WIDEST: i64 = 2 * 366 * 86_400_000;
/// The most rows of an answer.
const MOST: usize = 1000;

pub(super) fn find(
    context: &Context<'_>,
    request: &Element,
    view: &Element,
    folder: &FolderRow,
    shape: &Shape,
) -> Slot {
    if folder.class.as_deref().is_none_or(|class| !class.starts_with("IPF.Appointment")) {
        return Err(Refusal::new("ErrorCalendarFolderIsInvalidForCalendarView"));
    }
    if request.child("Restriction").is_some() || request.child("SortOrder").is_some() {
        return Err(Refusal::because("ErrorInvalidOperation", "A calendar view is neither searched nor sorted."));
    }
    let time = |name: &str| view.attribute(name).and_then(|text| context.zone.parse(text));
    let (Some(from), Some(until)) = (time("StartDate"), time("EndDate")) else {
        return Err(Refusal::because("ErrorInvalidRequest", "The view has no start or no end."));
    };
    if until < from {
        return Err(Refusal::new("ErrorCalendarEndDateIsEarlierThanStartDate"));
    }
    if until - from > WIDEST {
        return Err(Refusal::new("ErrorCalendarViewRangeTooBig"));
    }
    let db = context.store.read();
    let mut found = Vec::new();
    for item in store::items_in(&db, folder.id, false)? {
        found.extend(occurrences::within(context, &db, item, from, until)?);
    }
    found.sort_by_key(|item| values::time(&item.meta.fields, "Start"));
    let limit =
        view.attribute("MaxEntriesReturned").and_then(|most| most.parse::<usize>().ok()).unwrap_or(MOST).min(MOST);
    let total = found.len();
    found.truncate(limit);
    let mut out = XmlOut::new();
    find::root_open(&mut out, false, found.len(), total);
    out.raw("<t:Items>");
    for item in &found {
        out.raw(&fields::render(context, &db, item, shape, Depth::Find)?);
    }
    out.raw("</t:Items></m:RootFolder>");
    Ok(out.buffer)
}
