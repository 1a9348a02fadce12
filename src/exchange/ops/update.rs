//! UpdateItem: property by property, against the change key that the client last saw.

use rusqlite::Connection;

use super::super::faults::Action;
use super::super::kinds::{self, Draft, Kind, Stage, twins};
use super::super::props::{ExtendedProperty, PropertyName, PropertyPath, is_keywords, tag};
use super::super::soap::{Answer, Refusal};
use super::super::store::{self, Change, Item};
use super::super::xml::Element;
use super::super::{intake, mime, time};
use super::create::{READ_ONLY, decode_mime, is_meta, set_body, set_extended, set_meta};
use super::shape::element_of;
use super::{Context, Slot, is_true, meetings, occurrences};

/// What gromox takes without a word and does not do.
const GROMOX_IGNORES: &[&str] = &["ReminderIsSet", "ReminderMinutesBeforeStart", "LegacyFreeBusyStatus", "From"];

pub(super) fn update(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    context.batch(answer, request.list("ItemChanges"), |slot, change| {
        context.store.write(|db| update_one(context, db, request, slot, change))
    });
}

fn update_one(context: &Context<'_>, db: &Connection, request: &Element, slot: usize, change: &Element) -> Slot {
    let id = change.children.first().ok_or_else(|| Refusal::new("ErrorInvalidId"))?;
    let item = context.item(db, id)?;
    context.spare(slot, &context.item_id(&item), &item.subject)?;
    check_attributes(context, db, request, &item)?;
    check_conflict(context, request, id, &item)?;
    if context.has(&Action::SilentlyUnchanged) {
        return Ok(format!("{}<m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>", context.items_xml(&item)));
    }
    let mut item = change_item(context, db, item, change.list("Updates"))?;
    if item.element == "CalendarItem" {
        meetings::invite(context, db, &mut item, request.attribute("SendMeetingInvitationsOrCancellations"))?;
    }
    Ok(format!("{}<m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>", context.items_xml(&item)))
}

/// Changes an item by SetItemField, DeleteItemField and AppendToItemField elements.
pub(in super::super) fn change_item(
    context: &Context<'_>,
    db: &Connection,
    item: Item,
    updates: &[Element],
) -> Result<Item, Refusal> {
    let before = item.clone();
    let mut edit = Edit {
        context,
        item,
        before,
        mime: None,
        db,
        full: false,
        read: false,
        touched: Vec::new(),
        drops_exceptions: false,
    };
    for update in updates {
        edit.apply(update)?;
    }
    edit.save()
}

fn check_attributes(context: &Context<'_>, db: &Connection, request: &Element, item: &Item) -> Result<(), Refusal> {
    let bin = store::deleted_items(db, context.mailbox.id)?;
    let in_bin = bin.is_some_and(|bin| bin.id == item.folder) && !context.is_gromox();
    let sends = request.attribute("SendMeetingInvitationsOrCancellations") != Some("SendToNone");
    let missing = |name: &str| request.attribute(name).is_none() && !context.is_gromox();
    match item.element.as_str() {
        "Message" if missing("MessageDisposition") => Err(Refusal::new("ErrorMessageDispositionRequired")),
        "CalendarItem" if missing("SendMeetingInvitationsOrCancellations") => {
            Err(Refusal::new("ErrorSendMeetingInvitationsOrCancellationsRequired"))
        }
        "CalendarItem" if sends && in_bin => Err(Refusal::new("ErrorCalendarCannotUpdateDeletedItem")),
        _ => Ok(()),
    }
}

fn check_conflict(context: &Context<'_>, request: &Element, id: &Element, item: &Item) -> Result<(), Refusal> {
    if context.is_gromox() {
        return Ok(());
    }
    let resolution = request.attribute("ConflictResolution").unwrap_or("AutoResolve");
    let Some(key) = id.attribute("ChangeKey").filter(|key| !key.is_empty()) else {
        return match resolution {
            "AlwaysOverwrite" => Ok(()),
            _ => Err(Refusal::new("ErrorChangeKeyRequiredForWriteOperations")),
        };
    };
    match context.ids.read_change_key(key) {
        None => Err(Refusal::new("ErrorInvalidChangeKey")),
        Some(key) if key != item.key_cn && resolution == "NeverOverwrite" => {
            Err(Refusal::new("ErrorIrresolvableConflict"))
        }
        Some(_) => Ok(()),
    }
}

struct Edit<'a> {
    context: &'a Context<'a>,
    db: &'a Connection,
    item: Item,
    /// The item as it was.
    before: Item,
    mime: Option<Vec<u8>>,
    /// Something besides the read flag changed.
    full: bool,
    /// The read flag changed.
    read: bool,
    /// The elements of its kind that were set or cleared.
    touched: Vec<String>,
    /// A series that is now another one: its exceptions go.
    drops_exceptions: bool,
}

impl Edit<'_> {
    /// Looks at the item as one of its kind.
    fn draft<T>(&mut self, look: impl FnOnce(&mut Draft<'_>) -> T) -> T {
        let mut draft = Draft {
            kind: Kind::of(&self.item.element),
            subject: &mut self.item.subject,
            meta: &mut self.item.meta,
            like: self.context.like,
            zone: &self.context.zone,
            now: time::now_millis(),
            stage: if self.before.master > 0 { Stage::Occurrence } else { Stage::Update },
            touched: std::mem::take(&mut self.touched),
            before: Some(&self.before.meta),
            drops_exceptions: self.drops_exceptions,
        };
        let seen = look(&mut draft);
        (self.touched, self.drops_exceptions) = (draft.touched, draft.drops_exceptions);
        seen
    }

    fn save(mut self) -> Result<Item, Refusal> {
        if self.full {
            self.draft(|draft| draft.finish())?;
        }
        let splits = kinds::splits(&self.before.meta, &self.item.meta, &self.touched);
        if splits && let Some(split) = self.split()? {
            return Ok(split);
        }
        let change = match (self.full, self.read) {
            (false, false) => return Ok(self.item),
            (false, true) if !self.context.is_gromox() => Change::ReadFlag,
            _ => Change::Full,
        };
        if self.item.master > 0 {
            let mut named: Vec<&str> = self.touched.iter().map(String::as_str).collect();
            if ["Start", "End", "IsAllDayEvent"].iter().any(|name| named.contains(name)) {
                named.extend(["Start", "End"]);
            }
            occurrences::save(self.context, self.db, &mut self.item, &named, self.mime.as_deref())?;
            return Ok(self.item);
        }
        if self.drops_exceptions {
            store::drop_exceptions(self.db, self.item.id)?;
        }
        store::save_item(self.db, &mut self.item, change, self.mime.as_deref())?;
        Ok(self.item)
    }

    /// Makes the current occurrence of a recurring task a task of its own, with the changes, and moves the recurring one
    /// on to its next occurrence; none when this was the last one.
    fn split(&mut self) -> Result<Option<Item>, Refusal> {
        let mut series = self.before.clone();
        let completed = kinds::values::day(&self.item.meta.fields, "CompleteDate");
        if !kinds::advance(&mut series.meta, completed) {
            return Ok(None);
        }
        let mut split = store::copy_item(self.db, &self.before, self.before.folder)?;
        split.subject = std::mem::take(&mut self.item.subject);
        split.meta = std::mem::take(&mut self.item.meta);
        split.meta.fields.remove("Recurrence");
        store::save_item(self.db, &mut split, Change::Full, self.mime.as_deref())?;
        store::save_item(self.db, &mut series, Change::Full, None)?;
        Ok(Some(split))
    }

    fn apply(&mut self, update: &Element) -> Result<(), Refusal> {
        let path = update.children.first().ok_or_else(|| Refusal::new("ErrorInvalidPropertySet"))?;
        let value = update.children.get(1);
        if update.name == "AppendToItemField" {
            return self.append(path, value);
        }
        let holder = value.map(|value| value.children.as_slice());
        if holder.is_some_and(|children| children.len() != 1) {
            return Err(Refusal::because("ErrorIncorrectUpdatePropertyCount", "An update sets exactly one property."));
        }
        let value = holder.and_then(<[Element]>::first);
        if path.name == "ExtendedFieldURI" {
            return self.apply_extended(path, value);
        }
        let name = element_of(path.attribute("FieldURI").unwrap_or_default()).to_owned();
        if let Some(value) = value.filter(|value| value.name != name) {
            let text = format!("The property {name} does not match the element {}.", value.name);
            return Err(Refusal::because("ErrorUpdatePropertyMismatch", text));
        }
        if self.context.is_gromox() && GROMOX_IGNORES.contains(&name.as_str()) {
            return Ok(());
        }
        if path.name == "IndexedFieldURI" {
            return self.apply_indexed(path, &name, value);
        }
        self.apply_field(&name, value)
    }

    fn apply_field(&mut self, name: &str, value: Option<&Element>) -> Result<(), Refusal> {
        if name == "IsRead" && Kind::of(&self.item.element) == Kind::Other {
            return self.set_read(value);
        }
        let sent_mail = !self.item.is_draft && self.item.element == "Message";
        let of_drafts = matches!(
            name,
            "ToRecipients"
                | "CcRecipients"
                | "BccRecipients"
                | "From"
                | "Sender"
                | "InternetMessageId"
                | "References"
                | "MimeContent"
        );
        if READ_ONLY.contains(&name) || (of_drafts && sent_mail && !self.context.is_gromox()) {
            return match self.context.is_gromox() {
                true => Ok(()),
                false => Err(Refusal::new("ErrorInvalidPropertySet")),
            };
        }
        self.full = true;
        if Kind::of(&self.item.element).field(name).is_none() {
            self.touched.push(name.to_owned());
        }
        match (name, value) {
            ("Subject", value) => self.item.subject = value.map(|value| value.text.clone()).unwrap_or_default(),
            ("ItemClass", Some(value)) => self.item.class = value.text.trim().to_owned(),
            ("Body", value) => self.set_body(value)?,
            ("MimeContent", Some(value)) => self.replace(decode_mime(&value.text)?),
            ("MimeContent" | "ItemClass", None) => return Err(Refusal::new("ErrorInvalidPropertyDelete")),
            ("InternetMessageId", value) => self.item.message_id = value.map(|value| value.text.trim().to_owned()),
            (name, value) if is_meta(name) => match value {
                Some(value) => set_meta(&mut self.item.meta, value),
                None => clear_meta(&mut self.item, name),
            },
            (name, value) => self.draft(|draft| draft.set(name, value))?,
        }
        Ok(())
    }

    fn set_read(&mut self, value: Option<&Element>) -> Result<(), Refusal> {
        let value = value.ok_or_else(|| Refusal::new("ErrorInvalidPropertyDelete"))?;
        let read = is_true(&value.text);
        self.read |= read != self.item.is_read;
        self.item.is_read = read;
        Ok(())
    }

    fn set_body(&mut self, value: Option<&Element>) -> Result<(), Refusal> {
        let mut message = mime::disassemble(&self.content()?);
        match value {
            Some(value) => set_body(&mut message, Some(value)),
            None => (message.text, message.html) = (None, None),
        }
        self.mime = Some(mime::assemble(&message));
        Ok(())
    }

    fn content(&self) -> Result<Vec<u8>, Refusal> {
        match &self.mime {
            Some(mime) => Ok(mime.clone()),
            None => Ok(store::content(self.db, &self.item)?),
        }
    }

    /// Takes over what a new MIME says.
    fn replace(&mut self, bytes: Vec<u8>) {
        let new = intake::from_mime(bytes);
        self.item.subject = new.subject;
        self.item.message_id = new.message_id;
        self.item.sent = new.sent;
        self.item.has_attachments = new.has_attachments;
        let meta = &mut self.item.meta;
        (meta.from, meta.sender, meta.to, meta.cc) = (new.meta.from, new.meta.sender, new.meta.to, new.meta.cc);
        (meta.bcc, meta.reply_to) = (new.meta.bcc, new.meta.reply_to);
        (meta.in_reply_to, meta.references) = (new.meta.in_reply_to, new.meta.references);
        self.mime = Some(new.mime);
    }

    fn append(&mut self, path: &Element, value: Option<&Element>) -> Result<(), Refusal> {
        if self.context.is_gromox() {
            return Ok(());
        }
        let name = element_of(path.attribute("FieldURI").unwrap_or_default());
        let value =
            value.and_then(|value| value.children.first()).ok_or_else(|| Refusal::new("ErrorInvalidPropertyAppend"))?;
        match name {
            "Body" => {
                let mut message = mime::disassemble(&self.content()?);
                let slot = if message.html.is_some() { &mut message.html } else { &mut message.text };
                slot.get_or_insert_default().push_str(&value.text);
                self.mime = Some(mime::assemble(&message));
            }
            "Categories" => {
                let more = value.children.iter().map(|category| category.text.clone());
                let known = self.item.meta.categories.clone();
                self.item.meta.categories.extend(more.filter(|category| !known.contains(category)));
            }
            "ToRecipients" if self.item.is_draft => self.item.meta.to.extend(super::create::people(value)),
            "CcRecipients" if self.item.is_draft => self.item.meta.cc.extend(super::create::people(value)),
            "BccRecipients" if self.item.is_draft => self.item.meta.bcc.extend(super::create::people(value)),
            name => self.draft(|draft| draft.append(name, value))?,
        }
        self.full = true;
        Ok(())
    }

    fn apply_extended(&mut self, path: &Element, value: Option<&Element>) -> Result<(), Refusal> {
        let path = PropertyPath::read(path).ok_or_else(|| Refusal::new("ErrorInvalidExtendedProperty"))?;
        let read_only = [tag::SEARCH_KEY, tag::SIZE, tag::CREATION_TIME, tag::MODIFICATION_TIME];
        if path.tag().is_some_and(|tag| read_only.contains(&tag)) {
            return Ok(());
        }
        if path.name == PropertyName::Tag(tag::MESSAGE_FLAGS) {
            return self.set_flags(value);
        }
        self.full = true;
        self.touched.push("ExtendedProperty".to_owned());
        match value.and_then(ExtendedProperty::read) {
            Some(property) => {
                if let Some(twin) = set_extended(&self.item.element, &mut self.item.meta, property) {
                    return self.apply_field(&twin.name.clone(), Some(&twin));
                }
            }
            None if let Some(twin) = twins::element_of(&path.name)
                && Kind::of(&self.item.element).field(twin).is_some() =>
            {
                return self.apply_field(twin, None);
            }
            None => match path.tag() {
                Some(tag::LAST_VERB) => self.item.meta.last_verb = None,
                Some(tag::ICON) => self.item.meta.icon = None,
                Some(tag::FLAG_STATUS) => self.item.meta.flag = 0,
                _ if is_keywords(&path.name) => self.item.meta.categories.clear(),
                _ => self.item.meta.extended.retain(|known| known.name != path.name),
            },
        }
        Ok(())
    }

    /// PidTagMessageFlags: only its read bit still counts after the first save.
    fn set_flags(&mut self, value: Option<&Element>) -> Result<(), Refusal> {
        if let Some(flags) = value.and_then(ExtendedProperty::read).and_then(|property| property.number()) {
            let read = flags & 1 != 0;
            self.read |= read != self.item.is_read;
            self.item.is_read = read;
        }
        Ok(())
    }

    /// Sets or clears one entry of a list such as the phone numbers of a contact.
    fn apply_indexed(&mut self, path: &Element, name: &str, value: Option<&Element>) -> Result<(), Refusal> {
        self.full = true;
        let index = path.attribute("FieldIndex").unwrap_or_default();
        let part = path.attribute("FieldURI").and_then(|uri| uri.split(':').nth(2)).filter(|part| *part != "Member");
        let old = kinds::values::element(&self.item.meta.fields, name).map(|list| list.children).unwrap_or_default();
        let same = |entry: &Element| entry.attribute("Key") == Some(index);
        let mut list: Vec<Element> = old;
        let new = value.and_then(|value| value.children.iter().find(|entry| same(entry))).cloned();
        match part {
            Some(part) => merge_part(&mut list, index, part, new),
            None => {
                list.retain(|entry| !same(entry));
                list.extend(new);
            }
        }
        if self.context.is_gromox() && name == "ImAddresses" && index != "ImAddress1" {
            return Ok(());
        }
        let xml: String = list.iter().map(Element::to_xml).collect();
        if list.is_empty() {
            self.item.meta.fields.remove(name);
        } else {
            self.item.meta.fields.insert(name.to_owned(), format!("<t:{name}>{xml}</t:{name}>"));
        }
        Ok(())
    }
}

/// Sets one part (a city, a street) of an entry.
fn merge_part(list: &mut Vec<Element>, index: &str, part: &str, new: Option<Element>) {
    let value = new.as_ref().and_then(|entry| entry.child(part)).cloned();
    match list.iter_mut().find(|entry| entry.attribute("Key") == Some(index)) {
        Some(entry) => {
            entry.children.retain(|child| child.name != part);
            entry.children.extend(value);
            entry.children.sort_by_key(|child| kinds::FIELD_PARTS.iter().position(|name| *name == child.name));
        }
        None => list.extend(new),
    }
}

fn clear_meta(item: &mut Item, name: &str) {
    let meta = &mut item.meta;
    match name {
        "Sensitivity" => meta.sensitivity = None,
        "Importance" => meta.importance = None,
        "Categories" => meta.categories.clear(),
        "ToRecipients" => meta.to.clear(),
        "CcRecipients" => meta.cc.clear(),
        "BccRecipients" => meta.bcc.clear(),
        "ReplyTo" => meta.reply_to.clear(),
        "From" => meta.from = None,
        "Sender" => meta.sender = None,
        "References" => meta.references = None,
        "InReplyTo" => meta.in_reply_to = None,
        "Flag" => {
            meta.flag = 0;
            meta.flag_times.clear();
        }
        _ => {}
    }
}
