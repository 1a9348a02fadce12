//! GetItem, DeleteItem, MoveItem, CopyItem and MarkAllItemsAsRead.

use rusqlite::Connection;

use super::super::kinds;
use super::super::soap::{Answer, Refusal};
use super::super::store::{self, Change, FolderRow, Item};
use super::super::xml::Element;
use super::fields::{self, Depth};
use super::shape::Shape;
use super::{Context, is_true, meetings, occurrences};

pub(super) fn get(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let shape = Shape::read(request.child("ItemShape"));
    context.batch(answer, request.list("ItemIds"), |slot, id| {
        let shape = shape.clone()?;
        let db = context.store.read();
        let item = context.item(&db, id)?;
        context.spare(slot, &context.item_id(&item), &item.subject)?;
        Ok(format!("<m:Items>{}</m:Items>", fields::render(context, &db, &item, &shape, Depth::Get)?))
    });
}

pub(super) fn delete(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let to_bin = request.attribute("DeleteType") == Some("MoveToDeletedItems");
    context.batch(answer, request.list("ItemIds"), |slot, id| {
        context.store.write(|db| {
            let item = context.item(db, id)?;
            context.spare(slot, &context.item_id(&item), &item.subject)?;
            check_attributes(context, request, &item)?;
            if request.attribute("AffectedTaskOccurrences") == Some("SpecifiedOccurrenceOnly") && skip(db, &item)? {
                return Ok(String::new());
            }
            if item.element == "CalendarItem" {
                meetings::cancel(context, db, &item, request.attribute("SendMeetingCancellations"))?;
            }
            if item.master > 0 {
                return occurrences::delete(context, db, &item).map(|()| String::new());
            }
            if to_bin && !context.is_own() && !context.is_gromox() {
                return Err(Refusal::new("ErrorCannotDeleteObject"));
            }
            if to_bin {
                let bin =
                    store::deleted_items(db, context.mailbox.id)?.ok_or_else(|| Refusal::new("ErrorFolderNotFound"))?;
                store::move_item(db, &item, bin.id)?;
            } else {
                store::delete_item(db, &item)?;
            }
            Ok(String::new())
        })
    });
}

/// Deletes the current occurrence of a recurring task, which goes on to its next one; false when it has no other.
fn skip(db: &Connection, item: &Item) -> Result<bool, Refusal> {
    let mut series = item.clone();
    if item.element != "Task" || !kinds::advance(&mut series.meta, None) {
        return Ok(false);
    }
    store::save_item(db, &mut series, Change::Full, None)?;
    Ok(true)
}

fn check_attributes(context: &Context<'_>, request: &Element, item: &Item) -> Result<(), Refusal> {
    let missing = |name: &str| request.attribute(name).is_none() && !context.is_gromox();
    match item.element.as_str() {
        "CalendarItem" if missing("SendMeetingCancellations") => {
            Err(Refusal::new("ErrorSendMeetingCancellationsRequired"))
        }
        "Task" if missing("AffectedTaskOccurrences") => Err(Refusal::new("ErrorAffectedTaskOccurrencesRequired")),
        _ => Ok(()),
    }
}

pub(super) fn relocate(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    // gromox answers new ids unless it is asked for them.
    let silent = context.is_gromox() && request.child_text("ReturnNewItemIds").is_some_and(is_true);
    context.batch(answer, request.list("ItemIds"), |slot, id| {
        context.store.write(|db| {
            let target = context.folder_in(db, request, "ToFolderId")?;
            let item = context.item(db, id)?;
            context.spare(slot, &context.item_id(&item), &item.subject)?;
            let new = place(context, db, &item, &target)?;
            Ok(if silent { "<m:Items/>".to_owned() } else { context.items_xml(&new) })
        })
    });
}

fn place(context: &Context<'_>, db: &Connection, item: &Item, target: &FolderRow) -> Result<Item, Refusal> {
    if item.master > 0 {
        return Err(Refusal::new("ErrorCalendarCannotMoveOrCopyOccurrence"));
    }
    if target.class.as_deref() == Some("IPF") || target.distinguished.as_deref() == Some("root") {
        return Err(Refusal::because("ErrorMoveCopyFailed", "The folder cannot hold items."));
    }
    let new = match context.operation {
        "CopyItem" => store::copy_item(db, item, target.id)?,
        _ => store::move_item(db, item, target.id)?,
    };
    Ok(new)
}

pub(super) fn mark_all(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let read = request.child_text("ReadFlag").is_some_and(is_true);
    context.batch(answer, request.list("FolderIds"), |_, id| {
        context.store.write(|db| {
            let folder = context.folder(db, id)?;
            for mut item in store::items_in(db, folder.id, false)?.into_iter().filter(|item| item.is_read != read) {
                item.is_read = read;
                store::save_item(db, &mut item, Change::ReadFlag, None)?;
            }
            Ok(String::new())
        })
    });
}
