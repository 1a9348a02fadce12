//! User configurations: Create, Get, Update, Delete.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;

use super::super::soap::{Answer, Refusal};
use super::super::store::{self, Configuration, FolderRow};
use super::super::xml::{Element, XmlOut};
use super::{Context, Slot};

/// The folder and the name that a UserConfigurationName tells.
fn place(context: &Context<'_>, db: &Connection, name: Option<&Element>) -> Result<(FolderRow, String), Refusal> {
    let name = name.ok_or_else(|| Refusal::new("ErrorInvalidRequest"))?;
    let folder = name.children.first().ok_or_else(|| Refusal::new("ErrorInvalidFolderId"))?;
    let folder = context.folder(db, folder).map_err(|refusal| match refusal.code.as_str() {
        "ErrorItemNotFound" => Refusal::new("ErrorFolderNotFound"),
        _ => refusal,
    })?;
    Ok((folder, name.attribute("Name").unwrap_or_default().to_owned()))
}

fn answer_slot(context: &Context<'_>, answer: &mut Answer<'_>, slot: &Slot) {
    answer.message(&format!("m:{}ResponseMessage", context.operation), slot, "");
}

fn decode(element: &Element, name: &str) -> Option<Vec<u8>> {
    let text: String = element.child(name)?.text.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok()
}

fn overlay(target: &mut Configuration, given: &Element) {
    if let Some(dictionary) = given.child("Dictionary") {
        target.dictionary = Some(dictionary.children.iter().map(Element::to_xml).collect());
    }
    target.xml = decode(given, "XmlData").or(target.xml.take());
    target.binary = decode(given, "BinaryData").or(target.binary.take());
}

pub(super) fn create(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let slot = context.store.write(|db| {
        let given = request.child("UserConfiguration").ok_or_else(|| Refusal::new("ErrorInvalidRequest"))?;
        let (folder, name) = place(context, db, given.child("UserConfigurationName"))?;
        if store::get_configuration(db, folder.id, &name)?.is_some() {
            return Err(Refusal::because("ErrorItemSave", "The user configuration exists already."));
        }
        let mut new = Configuration::default();
        overlay(&mut new, given);
        store::put_configuration(db, context.mailbox.id, folder.id, &name, &new)?;
        Ok(String::new())
    });
    answer_slot(context, answer, &slot);
}

pub(super) fn update(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let slot = context.store.write(|db| {
        let given = request.child("UserConfiguration").ok_or_else(|| Refusal::new("ErrorInvalidRequest"))?;
        let (folder, name) = place(context, db, given.child("UserConfigurationName"))?;
        let mut known =
            store::get_configuration(db, folder.id, &name)?.ok_or_else(|| Refusal::new("ErrorItemNotFound"))?;
        overlay(&mut known, given);
        store::put_configuration(db, context.mailbox.id, folder.id, &name, &known)?;
        Ok(String::new())
    });
    answer_slot(context, answer, &slot);
}

pub(super) fn delete(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let slot = context.store.write(|db| {
        let (folder, name) = place(context, db, request.child("UserConfigurationName"))?;
        match store::delete_configuration(db, folder.id, &name)? {
            true => Ok(String::new()),
            false => Err(Refusal::new("ErrorItemNotFound")),
        }
    });
    answer_slot(context, answer, &slot);
}

pub(super) fn get(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let slot = get_slot(context, request);
    answer_slot(context, answer, &slot);
}

fn get_slot(context: &Context<'_>, request: &Element) -> Slot {
    let db = context.store.read();
    let (folder, name) = place(context, &db, request.child("UserConfigurationName"))?;
    let known = store::get_configuration(&db, folder.id, &name)?.ok_or_else(|| Refusal::new("ErrorItemNotFound"))?;
    let wanted = request.child_text("UserConfigurationProperties").unwrap_or_default();
    let wants = |name: &str| wanted.split_ascii_whitespace().any(|word| word == name || word == "All");
    // gromox has the values in another namespace than the schema.
    let prefix = if context.is_gromox() { "m" } else { "t" };
    let mut out = XmlOut::new();
    out.raw("<m:UserConfiguration>");
    out.open("t:UserConfigurationName", &[("Name", &name)]);
    match folder.distinguished.as_deref() {
        Some(distinguished) => out.leaf("t:DistinguishedFolderId", &[("Id", distinguished)], ""),
        None => out.leaf("t:FolderId", &[("Id", &context.ids.folder(folder.id))], ""),
    }
    out.close("t:UserConfigurationName");
    if wants("Id") {
        let (id, key) = (context.ids.item(folder.id, known.item), context.ids.change_key(9, known.item));
        out.leaf("t:ItemId", &[("Id", &id), ("ChangeKey", &key)], "");
    }
    if let Some(dictionary) = known.dictionary.filter(|_| wants("Dictionary")) {
        out.raw("<t:Dictionary>");
        out.raw(&dictionary);
        out.raw("</t:Dictionary>");
    }
    if let Some(xml) = known.xml.filter(|_| wants("XmlData")) {
        out.put(&format!("{prefix}:XmlData"), &STANDARD.encode(xml));
    }
    if let Some(binary) = known.binary.filter(|_| wants("BinaryData")) {
        out.put(&format!("{prefix}:BinaryData"), &STANDARD.encode(binary));
    }
    out.raw("</m:UserConfiguration>");
    Ok(out.buffer)
}
