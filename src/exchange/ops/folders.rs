//! Folder operations.

use rusqlite::Connection;

use super::super::props::{ExtendedProperty, PropertyName, PropertyPath, tag};
use super::super::soap::{Answer, Refusal};
use super::super::store::{self, FolderRow};
use super::super::time;
use super::super::xml::{Element, XmlOut};
use super::access::Right;
use super::restriction::{self, Value};
use super::shape::{Base, Shape, element_of};
use super::{Context, Slot, is_true};

/// The distinguished folders that gromox knows.
const GROMOX_KNOWS: &[&str] = &[
    "calendar",
    "conflicts",
    "contacts",
    "deleteditems",
    "drafts",
    "imcontactlist",
    "inbox",
    "journal",
    "junkemail",
    "localfailures",
    "msgfolderroot",
    "notes",
    "outbox",
    "publicfoldersroot",
    "quickcontacts",
    "root",
    "scheduled",
    "sentitems",
    "serverfailures",
    "syncissues",
    "tasks",
];

/// The element that shows a folder of this class.
fn element_for(class: Option<&str>) -> &'static str {
    let class = class.unwrap_or_default();
    let is = |prefix: &str| class == prefix || class.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
    match () {
        () if is("IPF.Appointment") => "t:CalendarFolder",
        () if is("IPF.Contact") => "t:ContactsFolder",
        () if is("IPF.Task") => "t:TasksFolder",
        () => "t:Folder",
    }
}

fn class_for(element: &str) -> Option<&'static str> {
    match element {
        "CalendarFolder" => Some("IPF.Appointment"),
        "ContactsFolder" => Some("IPF.Contact"),
        "TasksFolder" => Some("IPF.Task"),
        _ => None,
    }
}

/// `<t:FolderId …/>`
pub(super) fn id_xml(context: &Context<'_>, name: &str, folder: i64, changed: i64) -> String {
    let mut out = XmlOut::new();
    let key = context.ids.change_key(1, changed);
    out.leaf(name, &[("Id", &context.ids.folder(folder)), ("ChangeKey", &key)], "");
    out.buffer
}

/// A folder as a shape wants it.
pub(super) fn render(context: &Context<'_>, folder: &FolderRow, shape: &Shape) -> String {
    let element = element_for(folder.class.as_deref());
    let default = shape.base != Base::IdOnly;
    let all = shape.base == Base::All;
    let wants = |name: &str, base: bool| base || shape.names(name);
    let mut out = XmlOut::new();
    out.open(element, &[]);
    out.raw(&id_xml(context, "t:FolderId", folder.id, folder.changed_cn));
    if let Some(parent) = folder.parent.filter(|_| wants("ParentFolderId", all)) {
        out.raw(&id_xml(context, "t:ParentFolderId", parent, parent));
    }
    if let Some(class) = folder.class.as_deref().filter(|_| wants("FolderClass", all)) {
        out.put("t:FolderClass", class);
    }
    if wants("DisplayName", default) {
        out.put("t:DisplayName", &folder.name);
    }
    if wants("TotalCount", default) {
        out.put("t:TotalCount", &folder.total.to_string());
    }
    if wants("ChildFolderCount", default) {
        out.put("t:ChildFolderCount", &folder.children.to_string());
    }
    for path in &shape.extended {
        let replica = context.replica_list(folder, path.tag()).map(|list| vec![list]);
        if let Some(values) = replica.or_else(|| extended(folder, path)) {
            extended_xml(&mut out, path, &values);
        }
    }
    if wants("EffectiveRights", all) {
        out.raw(&context.rights_xml(folder));
    }
    if let Some(name) = folder.distinguished.as_deref().filter(|_| shape.names("DistinguishedFolderId")) {
        out.put("t:DistinguishedFolderId", name);
    }
    if matches!(element, "t:Folder" | "t:TasksFolder") && wants("UnreadCount", default) {
        out.put("t:UnreadCount", &folder.unread.to_string());
    }
    out.close(element);
    out.buffer
}

/// Writes an extended property under the name by which it was asked for.
pub(super) fn extended_xml(out: &mut XmlOut, path: &PropertyPath, values: &[String]) {
    let attributes = path.attributes();
    let attributes: Vec<(&str, &str)> = attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    out.raw("<t:ExtendedProperty>");
    out.leaf("t:ExtendedFieldURI", &attributes, "");
    if path.kind.ends_with("Array") {
        out.raw("<t:Values>");
        for value in values {
            out.put("t:Value", value);
        }
        out.raw("</t:Values>");
    } else {
        out.put("t:Value", values.first().map(String::as_str).unwrap_or_default());
    }
    out.raw("</t:ExtendedProperty>");
}

fn extended(folder: &FolderRow, path: &PropertyPath) -> Option<Vec<String>> {
    let computed = match path.tag() {
        Some(tag::HIDDEN) => Some(folder.hidden.to_string()),
        Some(tag::COMMIT_TIME) => Some(time::iso_ticks(folder.commit_time)),
        Some(tag::DELETED_COUNT) => Some(folder.deleted_count.to_string()),
        Some(tag::CONTAINER_CLASS) => folder.class.clone(),
        Some(0x3001) => Some(folder.name.clone()),
        Some(0x3602) => Some(folder.total.to_string()),
        Some(0x3603) => Some(folder.unread.to_string()),
        Some(0x360A) => Some((folder.children > 0).to_string()),
        _ => None,
    };
    computed.map(|value| vec![value]).or_else(|| {
        folder.extended.iter().find(|property| property.name == path.name).map(|property| property.values.clone())
    })
}

fn folders_xml(context: &Context<'_>, folder: &FolderRow, shape: &Shape) -> String {
    format!("<m:Folders>{}</m:Folders>", render(context, folder, shape))
}

pub(super) fn get(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let shape = Shape::read(request.child("FolderShape"));
    context.batch(answer, request.list("FolderIds"), |slot, id| {
        context.spare(slot, id.attribute("Id").unwrap_or_default(), "")?;
        let shape = shape.clone()?;
        let name = id.attribute("Id").unwrap_or_default();
        if context.is_gromox() && id.name == "DistinguishedFolderId" && !GROMOX_KNOWS.contains(&name) {
            return Err(Refusal::new("ErrorFolderNotFound"));
        }
        let folder = context.folder(&context.store.read(), id)?;
        Ok(folders_xml(context, &folder, &shape))
    });
}

pub(super) fn find(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    context.batch(answer, request.list("ParentFolderIds"), |_, parent| {
        let shape = Shape::read(request.child("FolderShape"))?;
        let db = context.store.read();
        let parent = context.folder(&db, parent)?;
        let deep = request.attribute("Traversal") == Some("Deep");
        let mut found = Vec::new();
        if request.attribute("Traversal") != Some("SoftDeleted") {
            found = store::folders_under(&db, context.mailbox.id, parent.id, deep)?;
        }
        found.retain(|folder| context.may(folder.id, Right::See).is_ok());
        if deep && context.is_public() && !context.is_gromox() {
            return Err(Refusal::because(
                "ErrorInvalidOperation",
                "Deep traversal of public folders is not supported.",
            ));
        }
        if let Some(restriction) = request.child("Restriction") {
            found.retain(|folder| restriction::holds(restriction, &|path| value_of(context, folder, path)));
        }
        if found.is_empty() && context.is_gromox() {
            return Ok(String::new());
        }
        Ok(page_of_folders(context, request, &found, &shape))
    });
}

fn value_of(context: &Context<'_>, folder: &FolderRow, path: &Element) -> Option<Value> {
    if path.name == "ExtendedFieldURI" {
        let path = PropertyPath::read(path)?;
        return extended(folder, &path).map(|values| Value::Text(values.into_iter().next().unwrap_or_default()));
    }
    match element_of(path.attribute("FieldURI")?) {
        "DisplayName" => Some(Value::Text(folder.name.clone())),
        "FolderClass" => folder.class.clone().map(Value::Text),
        "TotalCount" => Some(Value::Number(folder.total)),
        "UnreadCount" => Some(Value::Number(folder.unread)),
        "ChildFolderCount" => Some(Value::Number(folder.children)),
        "FolderId" => Some(Value::Text(context.ids.folder(folder.id))),
        _ => None,
    }
}

fn page_of_folders(context: &Context<'_>, request: &Element, found: &[FolderRow], shape: &Shape) -> String {
    let (offset, limit) = super::find::page(request, "IndexedPageFolderView", found.len());
    let page = found.get(offset..).unwrap_or_default();
    let page = page.get(..limit).unwrap_or(page);
    let next = offset + page.len();
    let mut out = XmlOut::new();
    super::find::root_open(&mut out, request.child("IndexedPageFolderView").is_some(), next, found.len());
    if page.is_empty() {
        out.raw("<t:Folders/>");
    } else {
        out.raw("<t:Folders>");
        for folder in page {
            out.raw(&render(context, folder, shape));
        }
        out.raw("</t:Folders>");
    }
    out.raw("</m:RootFolder>");
    out.buffer
}

/// Refuses a name that a sibling has already, in any case.
fn free_name(db: &Connection, mailbox: i64, parent: i64, name: &str, but: Option<i64>) -> Result<(), Refusal> {
    let same = |folder: &FolderRow| Some(folder.id) != but && folder.name.to_lowercase() == name.to_lowercase();
    match store::folders_under(db, mailbox, parent, false)?.iter().find(|folder| same(folder)) {
        Some(_) => Err(Refusal::new("ErrorFolderExists")),
        None => Ok(()),
    }
}

pub(super) fn create(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    context.batch(answer, request.list("Folders"), |slot, wanted| {
        let name = wanted.child("DisplayName").map(|name| name.text.clone()).unwrap_or_default();
        context.spare(slot, "", &name)?;
        context.store.write(|db| {
            let parent = context.folder_in(db, request, "ParentFolderId")?;
            if name.trim().is_empty() {
                return Err(Refusal::because("ErrorFolderSave", "The folder has no name."));
            }
            let given = wanted.child_text("FolderClass");
            if given.is_some() && wanted.name != "Folder" && !context.is_gromox() {
                return Err(Refusal::new("ErrorNoFolderClassOverride"));
            }
            if wanted.name == "SearchFolder" {
                return Err(Refusal::because("ErrorInvalidOperation", "Search folders are not supported."));
            }
            free_name(db, context.mailbox.id, parent.id, &name, None)?;
            let inherited =
                parent.class.clone().filter(|class| class.starts_with("IPF.")).unwrap_or("IPF.Note".to_owned());
            let class = given.or(class_for(&wanted.name)).unwrap_or(&inherited);
            let extended = extended_of(wanted);
            let id = store::create_folder(db, context.mailbox.id, Some(parent.id), &name, Some(class), &extended)?;
            made(context, db, id)
        })
    });
}

fn extended_of(folder: &Element) -> Vec<ExtendedProperty> {
    let properties = folder.children.iter().filter(|child| child.name == "ExtendedProperty");
    properties.filter_map(ExtendedProperty::read).collect()
}

fn made(context: &Context<'_>, db: &Connection, id: i64) -> Slot {
    let folder = store::folder(db, context.mailbox.id, id)?.ok_or_else(|| Refusal::new("ErrorFolderNotFound"))?;
    Ok(folders_xml(context, &folder, &Shape::id_only()))
}

pub(super) fn update(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    context.batch(answer, request.list("FolderChanges"), |slot, change| {
        let id = change.children.first().ok_or_else(|| Refusal::new("ErrorInvalidFolderId"))?;
        context.spare(slot, id.attribute("Id").unwrap_or_default(), "")?;
        context.store.write(|db| {
            let mut folder = context.folder(db, id)?;
            check_key(context, &folder, id)?;
            for update in change.list("Updates") {
                apply(context, db, &mut folder, update)?;
            }
            store::save_folder(db, &folder)?;
            made(context, db, folder.id)
        })
    });
}

fn check_key(context: &Context<'_>, folder: &FolderRow, id: &Element) -> Result<(), Refusal> {
    if context.is_gromox() || id.name != "FolderId" {
        return Ok(());
    }
    match id.attribute("ChangeKey").map(|key| context.ids.read_change_key(key)) {
        Some(None) => Err(Refusal::new("ErrorInvalidChangeKey")),
        Some(Some(key)) if key != folder.changed_cn => Err(Refusal::new("ErrorIrresolvableConflict")),
        Some(Some(_)) | None => Ok(()),
    }
}

fn apply(context: &Context<'_>, db: &Connection, folder: &mut FolderRow, update: &Element) -> Result<(), Refusal> {
    let path = update.children.first().ok_or_else(|| Refusal::new("ErrorInvalidPropertySet"))?;
    let value = update.children.get(1);
    if path.name == "ExtendedFieldURI" {
        let name = PropertyPath::read(path).ok_or_else(|| Refusal::new("ErrorInvalidExtendedProperty"))?.name;
        return apply_extended(folder, &name, value);
    }
    let new = value.and_then(|value| value.children.first()).map(|value| value.text.clone());
    match (element_of(path.attribute("FieldURI").unwrap_or_default()), new) {
        ("DisplayName", Some(name)) => {
            if folder.distinguished.is_some() {
                return Err(Refusal::because("ErrorFolderSave", "Distinguished folders cannot be renamed."));
            }
            free_name(db, context.mailbox.id, folder.parent.unwrap_or_default(), &name, Some(folder.id))?;
            folder.name = name;
            Ok(())
        }
        ("FolderClass", Some(class)) => {
            folder.class = Some(class);
            Ok(())
        }
        _ if context.is_gromox() => Ok(()),
        _ => Err(Refusal::new("ErrorInvalidPropertySet")),
    }
}

fn apply_extended(folder: &mut FolderRow, name: &PropertyName, value: Option<&Element>) -> Result<(), Refusal> {
    let property = value.and_then(|value| value.child("ExtendedProperty")).and_then(ExtendedProperty::read);
    if *name == PropertyName::Tag(tag::HIDDEN) {
        folder.hidden = property.is_some_and(|property| property.values.first().is_some_and(|value| is_true(value)));
        return Ok(());
    }
    folder.extended.retain(|known| known.name != *name);
    folder.extended.extend(property);
    Ok(())
}

pub(super) fn relocate(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    context.batch(answer, request.list("FolderIds"), |slot, id| {
        context.spare(slot, id.attribute("Id").unwrap_or_default(), "")?;
        context.store.write(|db| {
            let target = context.folder_in(db, request, "ToFolderId")?;
            let folder = context.folder(db, id)?;
            if folder.distinguished.is_some() {
                return Err(Refusal::new("ErrorMoveDistinguishedFolder"));
            }
            let below = store::folders_under(db, context.mailbox.id, folder.id, true)?;
            if target.id == folder.id || below.iter().any(|child| child.id == target.id) {
                return Err(Refusal::because("ErrorMoveCopyFailed", "A folder cannot be moved into itself."));
            }
            free_name(db, context.mailbox.id, target.id, &folder.name, Some(folder.id))?;
            store::move_folder(db, &folder, target.id, &folder.name)?;
            made(context, db, folder.id)
        })
    });
}

pub(super) fn delete(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let to_bin = request.attribute("DeleteType") == Some("MoveToDeletedItems");
    context.batch(answer, request.list("FolderIds"), |slot, id| {
        context.spare(slot, id.attribute("Id").unwrap_or_default(), "")?;
        context.store.write(|db| {
            let folder = context.folder(db, id)?;
            if folder.distinguished.is_some() {
                return Err(Refusal::new("ErrorDeleteDistinguishedFolder"));
            }
            if to_bin {
                bin(db, &folder)?
            } else {
                store::delete_folder(db, &folder)?
            }
            Ok(String::new())
        })
    });
}

/// Moves a folder into Deleted Items, under a name that is free there.
fn bin(db: &Connection, folder: &FolderRow) -> Result<(), Refusal> {
    let bin = store::deleted_items(db, folder.mailbox)?.ok_or_else(|| Refusal::new("ErrorFolderNotFound"))?;
    let names = (1..).map(|number| if number == 1 { folder.name.clone() } else { format!("{}{number}", folder.name) });
    for name in names {
        match free_name(db, folder.mailbox, bin.id, &name, Some(folder.id)) {
            Ok(()) => return Ok(store::move_folder(db, folder, bin.id, &name)?),
            Err(refusal) if refusal.code == "ErrorFolderExists" => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(())
}

pub(super) fn empty(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let to_bin = request.attribute("DeleteType") == Some("MoveToDeletedItems");
    let folders_too = request.attribute("DeleteSubFolders").is_some_and(is_true);
    context.batch(answer, request.list("FolderIds"), |_, id| {
        context.store.write(|db| {
            let folder = context.folder(db, id)?;
            let bin = store::deleted_items(db, context.mailbox.id)?;
            for item in store::items_in(db, folder.id, false)? {
                match bin.as_ref().filter(|bin| to_bin && bin.id != folder.id) {
                    Some(bin) => drop(store::move_item(db, &item, bin.id)?),
                    None => store::delete_item(db, &item)?,
                }
            }
            let children = store::folders_under(db, context.mailbox.id, folder.id, false)?;
            for child in children.iter().filter(|child| folders_too && child.distinguished.is_none()) {
                if to_bin { self::bin(db, child)? } else { store::delete_folder(db, child)? }
            }
            Ok(String::new())
        })
    });
}
