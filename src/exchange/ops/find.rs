//! FindItem: listing, sorting and searching a folder.

use rusqlite::Connection;

use super::super::kinds::{self, Kind};
use super::super::props::{PropertyPath, tag};
use super::super::soap::{Answer, Refusal};
use super::super::store::{self, Item};
use super::super::xml::{Element, XmlOut};
use super::fields::{self, Depth};
use super::restriction::{self, Value};
use super::shape::{Shape, element_of};
use super::{Context, Slot, calendar_view};

/// The most rows of an answer, whatever the client asks for.
const MOST: usize = 1000;
/// The most rows of an answer to a search.
const MOST_SEARCHED: usize = 250;

/// Where a page begins, and how many rows it may have, by an IndexedPage view.
pub(super) fn page(request: &Element, view: &str, total: usize) -> (usize, usize) {
    let most = if request.child("Restriction").is_some() { MOST_SEARCHED } else { MOST };
    let Some(view) = request.child(view) else { return (0, most) };
    let number = |name: &str| view.attribute(name).and_then(|value| value.parse::<usize>().ok());
    let offset = number("Offset").unwrap_or(0).min(total);
    let limit = number("MaxEntriesReturned").unwrap_or(most).min(most);
    if view.attribute("BasePoint") == Some("End") {
        let end = total - offset;
        return (end.saturating_sub(limit), limit.min(end));
    }
    (offset, limit)
}

/// Writes the start of a RootFolder with its paging attributes.
pub(super) fn root_open(out: &mut XmlOut, paged: bool, next: usize, total: usize) {
    let (next_text, total_text) = (next.to_string(), total.to_string());
    let last = if next >= total { "true" } else { "false" };
    let mut attributes = Vec::new();
    if paged {
        attributes.push(("IndexedPagingOffset", next_text.as_str()));
    }
    attributes.push(("TotalItemsInView", total_text.as_str()));
    attributes.push(("IncludesLastItemInRange", last));
    out.open("m:RootFolder", &attributes);
}

pub(super) fn find(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    context.batch(answer, request.list("ParentFolderIds"), |_, folder| find_in(context, request, folder));
}

fn find_in(context: &Context<'_>, request: &Element, folder: &Element) -> Slot {
    const UNSUPPORTED: &[&str] =
        &["GroupBy", "DistinguishedGroupBy", "FractionalPageItemView", "SeekToConditionPageItemView"];
    if let Some(name) = UNSUPPORTED.iter().find(|name| request.child(name).is_some()) {
        return Err(Refusal::because("ErrorInvalidOperation", format!("{name} is not supported.")));
    }
    let shape = Shape::read(request.child("ItemShape"))?;
    fields::check_depth(context, &shape, Depth::Find)?;
    let db = context.store.read();
    let folder = context.folder(&db, folder)?;
    if let Some(view) = request.child("CalendarView") {
        drop(db);
        return calendar_view::find(context, request, view, &folder, &shape);
    }
    check_search(context, request)?;
    let associated = match request.attribute("Traversal") {
        Some("Associated") => true,
        Some("SoftDeleted") => return rows(context, &db, request, &shape, &[], 0, 0),
        _ => false,
    };
    let plain = request.child("Restriction").is_none() && request.child("QueryString").is_none();
    match sort_by_receipt(request).filter(|_| plain) {
        Some(ascending) => {
            let total = usize::try_from(store::count_items(&db, folder.id, associated)?).unwrap_or(0);
            let (offset, limit) = page(request, "IndexedPageItemView", total);
            let number = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
            let items = store::items_page(&db, folder.id, associated, ascending, number(offset), number(limit))?;
            rows(context, &db, request, &shape, &items, offset, total)
        }
        None => {
            let mut items = store::items_in(&db, folder.id, associated)?;
            narrow(&db, request, &mut items);
            sort(&db, request, &mut items);
            let (offset, limit) = page(request, "IndexedPageItemView", items.len());
            let total = items.len();
            let page = items.get(offset..).unwrap_or_default();
            rows(context, &db, request, &shape, page.get(..limit).unwrap_or(page), offset, total)
        }
    }
}

/// What cannot be searched for.
const UNSEARCHABLE: &[&str] =
    &["UID", "RequiredAttendees", "OptionalAttendees", "Resources", "Recurrence", "MeetingTimeZone"];

fn check_search(context: &Context<'_>, request: &Element) -> Result<(), Refusal> {
    fn names(condition: &Element) -> bool {
        let own = condition.attribute("FieldURI").is_some_and(|uri| UNSEARCHABLE.contains(&element_of(uri)));
        own || condition.children.iter().any(names)
    }
    match request.child("Restriction").is_some_and(names) && !context.is_gromox() {
        true => Err(Refusal::new("ErrorUnsupportedPathForQuery")),
        false => Ok(()),
    }
}

/// Whether the order wanted is the one that the store has an index for; true when it is ascending.
fn sort_by_receipt(request: &Element) -> Option<bool> {
    match request.list("SortOrder") {
        [] => Some(false),
        [only] => {
            let path = only.children.first()?.attribute("FieldURI")?;
            Some(only.attribute("Order") == Some("Ascending")).filter(|_| path == "item:DateTimeReceived")
        }
        _ => None,
    }
}

fn narrow(db: &Connection, request: &Element, items: &mut Vec<Item>) {
    if let Some(restriction) = request.child("Restriction") {
        items.retain(|item| restriction::holds(restriction, &|path| value_of(db, item, path)));
    }
    if let Some(query) = request.child_text("QueryString") {
        let words = query.trim_start_matches("subject:").trim_matches('"').to_lowercase();
        items.retain(|item| item.subject.to_lowercase().contains(&words));
    }
}

fn sort(db: &Connection, request: &Element, items: &mut [Item]) {
    for order in request.list("SortOrder").iter().rev() {
        let Some(path) = order.children.first() else { continue };
        items.sort_by_cached_key(|item| sort_key(value_of(db, item, path)));
        if order.attribute("Order") == Some("Descending") {
            items.reverse();
        }
    }
}

fn sort_key(value: Option<Value>) -> (i64, String) {
    match value {
        Some(Value::Number(number) | Value::Time(number)) => (number, String::new()),
        Some(Value::Bool(flag)) => (i64::from(flag), String::new()),
        Some(Value::Text(text)) => (0, text.to_lowercase()),
        Some(Value::Many(texts)) => (0, texts.join(",").to_lowercase()),
        None => (i64::MIN, String::new()),
    }
}

fn rows(
    context: &Context<'_>,
    db: &Connection,
    request: &Element,
    shape: &Shape,
    items: &[Item],
    offset: usize,
    total: usize,
) -> Slot {
    let mut out = XmlOut::new();
    root_open(&mut out, request.child("IndexedPageItemView").is_some(), offset + items.len(), total);
    if items.is_empty() {
        out.raw("<t:Items/>");
    } else {
        out.raw("<t:Items>");
        for item in items {
            out.raw(&fields::render(context, db, item, shape, Depth::Find)?);
        }
        out.raw("</t:Items>");
    }
    out.raw("</m:RootFolder>");
    Ok(out.buffer)
}

/// The value of an element that is kept.
fn kept_value(item: &Item, name: &str) -> Option<Value> {
    use kinds::Value as Kept;
    let field = Kind::of(&item.element).field(name);
    let (meta, default) = (&item.meta, field.map(|field| field.default).unwrap_or_default());
    let text =
        || kinds::values::text(&meta.fields, name).or_else(|| Some(default.to_owned()).filter(|text| !text.is_empty()));
    Some(match field.map(|field| field.value) {
        Some(Kept::Time | Kept::Wall | Kept::Day | Kept::Noon) => Value::Time(kinds::values::time(&meta.fields, name)?),
        Some(Kept::Bool) => Value::Bool(super::is_true(&text()?)),
        Some(Kept::Number) => Value::Number(text()?.parse().ok()?),
        Some(Kept::Tree | Kept::Attendees) => {
            let tree = kinds::values::element(&meta.fields, name)?;
            Value::Many(tree.children.into_iter().map(|child| child.text).collect())
        }
        Some(Kept::Text | Kept::Entries | Kept::Zone | Kept::OldZone) | None => Value::Text(text()?),
    })
}

/// The value of an item's property, to compare or sort by.
fn value_of(db: &Connection, item: &Item, path: &Element) -> Option<Value> {
    if path.name == "ExtendedFieldURI" {
        let path = PropertyPath::read(path)?;
        let values = fields::extended(item, &path)?;
        return Some(match path.kind.as_str() {
            _ if path.tag() == Some(tag::SEARCH_KEY) => Value::Text(values.into_iter().next().unwrap_or_default()),
            kind if kind.ends_with("Array") => Value::Many(values),
            "Integer" | "Short" | "Long" => Value::Number(values.first()?.trim().parse().ok()?),
            "Boolean" => Value::Bool(super::is_true(values.first()?)),
            "SystemTime" => Value::Time(super::super::time::parse(values.first()?)?),
            _ => Value::Text(values.into_iter().next()?),
        });
    }
    if path.name == "IndexedFieldURI" {
        let list = kinds::values::element(&item.meta.fields, element_of(path.attribute("FieldURI")?))?;
        let entry = list.children.iter().find(|entry| entry.attribute("Key") == path.attribute("FieldIndex"))?;
        let part = path.attribute("FieldURI").and_then(|uri| uri.split(':').nth(2));
        return part.map_or(Some(entry), |part| entry.child(part)).map(|entry| Value::Text(entry.text.clone()));
    }
    Some(match element_of(path.attribute("FieldURI")?) {
        "Subject" => Value::Text(item.subject.clone()),
        "ItemClass" => Value::Text(item.class.clone()),
        "InternetMessageId" => Value::Text(item.message_id.clone()?),
        "IsRead" => Value::Bool(item.is_read),
        "IsDraft" => Value::Bool(item.is_draft),
        "HasAttachments" => Value::Bool(item.has_attachments),
        "Size" => Value::Number(item.size),
        "DateTimeReceived" => Value::Time(item.received),
        "DateTimeSent" => Value::Time(item.sent),
        "DateTimeCreated" => Value::Time(item.created),
        "LastModifiedTime" => Value::Time(item.modified),
        "Categories" => Value::Many(item.meta.categories.clone()),
        "Importance" => Value::Text(item.meta.importance.clone().unwrap_or_else(|| "Normal".to_owned())),
        "Sensitivity" => Value::Text(item.meta.sensitivity.clone().unwrap_or_else(|| "Normal".to_owned())),
        "From" | "Sender" => {
            let from = item.meta.from.as_ref()?;
            Value::Many(vec![from.name.clone(), from.address.clone()])
        }
        "DisplayTo" | "ToRecipients" => Value::Text(fields::display(&item.meta.to)),
        "DisplayCc" | "CcRecipients" => Value::Text(fields::display(&item.meta.cc)),
        "Body" | "TextBody" => Value::Text(fields::body_text(db, item)?),
        name => kept_value(item, name)?,
    })
}
