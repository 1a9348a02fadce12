//! How an item is shown: which elements a shape brings, what they hold, and in which order they come.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;

use super::super::kinds::{self, Kind, event};
use super::super::mime::{self, Headers, Message};
use super::super::props::{PropertyPath, is_keywords, tag};
use super::super::schema;
use super::super::soap::Refusal;
use super::super::store::{self, Item, Person};
use super::super::time;
use super::super::xml::XmlOut;
use super::Context;
use super::folders::{extended_xml, id_xml};
use super::shape::{Base, BodyType, Shape};
use super::{attachments, occurrences};

/// How deep an operation looks into an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// GetItem: everything.
    Get,
    /// FindItem and SyncFolderItems: only what lies in the folder's table.
    Find,
}

/// The elements that only GetItem answers.
const DEEP: &[&str] = &[
    "MimeContent",
    "Body",
    "TextBody",
    "UniqueBody",
    "NormalizedBody",
    "Attachments",
    "ToRecipients",
    "CcRecipients",
    "BccRecipients",
    "ReplyTo",
    "InternetMessageHeaders",
    "ResponseObjects",
    "MimeContentUTF8",
];

const DEFAULT: &[&str] = &[
    "Subject",
    "Sensitivity",
    "Body",
    "Attachments",
    "Size",
    "DateTimeSent",
    "DateTimeCreated",
    "HasAttachments",
    "ToRecipients",
    "CcRecipients",
    "BccRecipients",
    "From",
    "IsRead",
    "IsReadReceiptRequested",
    "IsDeliveryReceiptRequested",
    "References",
    "InternetMessageId",
    "IsResponseRequested",
];

const ALL: &[&str] = &[
    "ParentFolderId",
    "ItemClass",
    "Subject",
    "Sensitivity",
    "Body",
    "Attachments",
    "DateTimeReceived",
    "Size",
    "Categories",
    "Importance",
    "InReplyTo",
    "IsSubmitted",
    "IsDraft",
    "IsFromMe",
    "IsResend",
    "IsUnmodified",
    "DateTimeSent",
    "DateTimeCreated",
    "DisplayCc",
    "DisplayTo",
    "HasAttachments",
    "EffectiveRights",
    "LastModifiedName",
    "LastModifiedTime",
    "IsAssociated",
    "ConversationId",
    "Flag",
    "Sender",
    "ToRecipients",
    "CcRecipients",
    "BccRecipients",
    "IsReadReceiptRequested",
    "IsDeliveryReceiptRequested",
    "ConversationIndex",
    "ConversationTopic",
    "From",
    "InternetMessageId",
    "IsRead",
    "IsResponseRequested",
    "References",
    "ReplyTo",
    "InternetMessageHeaders",
];

const RIGHTS: &str = "<t:CreateAssociated>false</t:CreateAssociated><t:CreateContents>false</t:CreateContents>\
    <t:CreateHierarchy>false</t:CreateHierarchy><t:Delete>true</t:Delete><t:Modify>true</t:Modify><t:Read>true</t:Read>\
    <t:ViewPrivateItems>true</t:ViewPrivateItems>";

/// The schema's type of an item element.
pub(super) fn type_of(element: &str) -> String {
    match element {
        "Contact" => "ContactItemType".to_owned(),
        "MeetingRequest" | "MeetingResponse" | "MeetingCancellation" => format!("{element}MessageType"),
        other => format!("{other}Type"),
    }
}

/// Refuses a shape that asks FindItem or SyncFolderItems for what only GetItem answers.
pub(super) fn check_depth(context: &Context<'_>, shape: &Shape, depth: Depth) -> Result<(), Refusal> {
    let too_deep = shape.mime || shape.fields.iter().any(|field| is_deep(field));
    if depth == Depth::Find && too_deep && !context.is_gromox() {
        return Err(Refusal::new("ErrorInvalidPropertyForOperation"));
    }
    Ok(())
}

fn is_deep(element: &str) -> bool {
    DEEP.contains(&element) || kinds::is_deep(element)
}

/// The elements that a shape wants of an item.
fn wanted<'a>(context: &Context<'_>, item: &'a Item, shape: &'a Shape, depth: Depth) -> BTreeSet<&'a str> {
    let (kind, all) = (Kind::of(&item.element), shape.base == Base::All);
    let mut wanted: BTreeSet<&str> = match shape.base {
        Base::IdOnly => BTreeSet::new(),
        Base::Default => DEFAULT.iter().copied().chain(kinds::base(kind, all)).collect(),
        Base::All => ALL.iter().copied().chain(kinds::base(kind, all)).collect(),
    };
    if all && kind == Kind::Other {
        wanted.extend(item.meta.fields.keys().map(String::as_str));
    }
    if all && context.is_gromox() {
        wanted.retain(|name| !kinds::NOT_IN_GROMOX.contains(name));
    }
    wanted.extend(shape.fields.iter().map(String::as_str));
    if shape.mime {
        wanted.insert("MimeContent");
    }
    if context.is_gromox() && shape.base == Base::IdOnly && depth == Depth::Get {
        wanted.insert("DateTimeReceived");
    }
    wanted.retain(|name| depth == Depth::Get || !is_deep(name));
    wanted
}

/// An item as a shape wants it.
pub(super) fn render(
    context: &Context<'_>,
    db: &Connection,
    item: &Item,
    shape: &Shape,
    depth: Depth,
) -> Result<String, Refusal> {
    let view = View { context, db, item, shape, message: OnceCell::new() };
    let bodies = matches!(Kind::of(&item.element), Kind::Contact | Kind::Task) && !context.is_gromox();
    if bodies && shape.names("UniqueBody") {
        // No conversation, no unique part of it: Exchange stumbles over this.
        return Err(Refusal::new("ErrorInternalServerError"));
    }
    let wanted = wanted(context, item, shape, depth);
    let element = format!("t:{}", item.element);
    let mut out = XmlOut::new();
    out.open(&element, &[]);
    for name in schema::order(&type_of(&item.element)) {
        match name {
            "ItemId" => out.raw(&context.item_id_xml(item)),
            "ExtendedProperty" => view.extended(&mut out),
            name if wanted.contains(name) => view.field(&mut out, name)?,
            _ => {}
        }
    }
    out.close(&element);
    Ok(out.buffer)
}

/// Everything of an item, as GetItem answers it.
pub(in super::super) fn all_properties(context: &Context<'_>, db: &Connection, item: &Item) -> Result<String, Refusal> {
    render(context, db, item, &Shape { base: Base::All, ..Shape::id_only() }, Depth::Get)
}

struct View<'a> {
    context: &'a Context<'a>,
    db: &'a Connection,
    item: &'a Item,
    shape: &'a Shape,
    message: OnceCell<Message>,
}

impl View<'_> {
    fn message(&self) -> Result<&Message, Refusal> {
        if let Some(message) = self.message.get() {
            return Ok(message);
        }
        let message = mime::disassemble(&store::content(self.db, self.item)?);
        Ok(self.message.get_or_init(|| message))
    }

    fn extended(&self, out: &mut XmlOut) {
        for path in &self.shape.extended {
            if let Some(values) = extended(self.item, path) {
                extended_xml(out, path, &values);
            }
        }
    }

    fn field(&self, out: &mut XmlOut, name: &str) -> Result<(), Refusal> {
        if let Some(xml) = self.of_series(name)? {
            out.raw(&xml);
            return Ok(());
        }
        if let Some(xml) = kinds::shown(self.context.reader(), self.item, name) {
            out.raw(&xml);
            return Ok(());
        }
        match name {
            "MimeContent" | "Body" | "TextBody" | "UniqueBody" | "NormalizedBody" | "Attachments" => {
                self.deep(out, name)
            }
            "ParentFolderId" => {
                out.raw(&id_xml(self.context, "t:ParentFolderId", self.item.folder, self.item.folder));
                Ok(())
            }
            _ => {
                self.people(out, name);
                if let Some(value) = self.simple(name) {
                    out.put(&format!("t:{name}"), &value);
                }
                self.structured(out, name);
                Ok(())
            }
        }
    }

    /// What a series tells of its occurrences.
    fn of_series(&self, name: &str) -> Result<Option<String>, Refusal> {
        match name {
            "FirstOccurrence" | "LastOccurrence" | "ModifiedOccurrences" | "DeletedOccurrences" => {
                occurrences::told(self.context, self.db, self.item, name)
            }
            _ => Ok(None),
        }
    }

    fn deep(&self, out: &mut XmlOut, name: &str) -> Result<(), Refusal> {
        match name {
            // Exchange makes a text/calendar of an appointment; this server makes none.
            "MimeContent" if self.item.element == "CalendarItem" && !self.context.is_gromox() => {}
            "MimeContent" => {
                let mime = mime::regenerate(&headers_of(self.item), self.message()?, self.context.is_gromox());
                out.raw("<t:MimeContent CharacterSet=\"UTF-8\">");
                STANDARD.encode_string(mime, &mut out.buffer);
                out.raw("</t:MimeContent>");
            }
            "Attachments" => {
                let message = self.message()?;
                if !message.attachments.is_empty() && message.verbatim.is_none() {
                    out.raw("<t:Attachments>");
                    for attachment in &message.attachments {
                        out.raw(&attachments::summary(self.context, self.item, attachment));
                    }
                    out.raw("</t:Attachments>");
                }
            }
            "TextBody" => {
                let (_, text) = body(self.message()?, BodyType::Text);
                out.leaf("t:TextBody", &[("BodyType", "Text")], &text);
            }
            name => {
                let (kind, text) = body(self.message()?, self.shape.body);
                out.leaf(&format!("t:{name}"), &[("BodyType", kind)], &text);
            }
        }
        Ok(())
    }

    fn people(&self, out: &mut XmlOut, name: &str) {
        let meta = &self.item.meta;
        let owner = Person { name: String::new(), address: self.context.mailbox.address.clone() };
        let list: Vec<&Person> = match name {
            "Organizer" if self.item.element == "CalendarItem" => vec![&owner],
            "From" => meta.from.iter().collect(),
            "Sender" => meta.sender.iter().chain(&meta.from).take(1).collect(),
            "ToRecipients" => meta.to.iter().collect(),
            "CcRecipients" => meta.cc.iter().collect(),
            "BccRecipients" => meta.bcc.iter().collect(),
            "ReplyTo" => meta.reply_to.iter().collect(),
            _ => return,
        };
        if list.is_empty() {
            return;
        }
        let name = format!("t:{name}");
        out.open(&name, &[]);
        for person in list {
            out.raw("<t:Mailbox>");
            out.put("t:Name", if person.name.is_empty() { &person.address } else { &person.name });
            out.put("t:EmailAddress", &person.address);
            out.raw("<t:RoutingType>SMTP</t:RoutingType><t:MailboxType>OneOff</t:MailboxType></t:Mailbox>");
        }
        out.close(&name);
    }

    /// Elements that hold one value.
    fn simple(&self, name: &str) -> Option<String> {
        let item = self.item;
        let meta = &item.meta;
        let message = matches!(type_of(&item.element).as_str(), "MessageType" | "PostItemType")
            || item.element.starts_with("Meeting");
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        match name {
            "ItemClass" => text(&item.class),
            "Subject" => text(&item.subject),
            "Sensitivity" => Some(meta.sensitivity.clone().unwrap_or_else(|| "Normal".to_owned())),
            "Importance" => Some(meta.importance.clone().unwrap_or_else(|| "Normal".to_owned())),
            "DateTimeReceived" => Some(self.time(item.received)),
            "DateTimeSent" => Some(self.time(item.sent)),
            "DateTimeCreated" => Some(self.time(item.created)),
            "LastModifiedTime" => Some(self.time(item.modified)),
            "LastModifiedName" => text(&self.context.mailbox.address),
            "Size" => Some(item.size.to_string()),
            "InReplyTo" => meta.in_reply_to.clone(),
            "References" => meta.references.clone(),
            "IsDraft" => Some(item.is_draft.to_string()),
            "IsUnmodified" => Some((!item.is_draft && item.changed_cn == item.created_cn).to_string()),
            "IsSubmitted" | "IsFromMe" | "IsResend" => Some("false".to_owned()),
            "IsReadReceiptRequested" | "IsDeliveryReceiptRequested" | "IsResponseRequested" if message => {
                Some("false".to_owned())
            }
            "DisplayTo" => text(&display(&meta.to)),
            "DisplayCc" => text(&display(&meta.cc)),
            "DisplayBcc" => text(&display(&meta.bcc)),
            "HasAttachments" => Some(item.has_attachments.to_string()),
            "IsAssociated" => Some(item.associated.to_string()),
            "IsRead" => Some(item.is_read.to_string()),
            "InternetMessageId" => item.message_id.clone(),
            "ConversationTopic" => text(topic(&item.subject)),
            "ConversationIndex" => Some(STANDARD.encode(conversation(&item.subject, 22))),
            _ => None,
        }
    }

    /// Elements that hold others.
    fn structured(&self, out: &mut XmlOut, name: &str) {
        let meta = &self.item.meta;
        match name {
            "Categories" if !meta.categories.is_empty() => {
                out.raw("<t:Categories>");
                for category in &meta.categories {
                    out.put("t:String", category);
                }
                out.raw("</t:Categories>");
            }
            "EffectiveRights" => {
                out.raw("<t:EffectiveRights>");
                out.raw(RIGHTS);
                out.raw("</t:EffectiveRights>");
            }
            "ConversationId" => {
                out.leaf("t:ConversationId", &[("Id", &STANDARD.encode(conversation(&self.item.subject, 30)))], "")
            }
            "Flag" => {
                out.raw("<t:Flag>");
                let status = ["NotFlagged", "Complete", "Flagged"];
                let index = usize::try_from(meta.flag).unwrap_or(0);
                out.put("t:FlagStatus", status.get(index).copied().unwrap_or("NotFlagged"));
                for name in ["StartDate", "DueDate", "CompleteDate"] {
                    if let Some(value) = meta.flag_times.get(name) {
                        out.put(&format!("t:{name}"), value);
                    }
                }
                out.raw("</t:Flag>");
            }
            "InternetMessageHeaders" => self.internet_headers(out),
            _ => {}
        }
    }

    fn internet_headers(&self, out: &mut XmlOut) {
        let headers = headers_of(self.item);
        let date = headers.date.map(time::rfc2822);
        let list = [
            ("Message-ID", &headers.message_id),
            ("In-Reply-To", &headers.in_reply_to),
            ("References", &headers.references),
            ("Date", &date),
        ];
        if self.item.element != "Message" || list.iter().all(|(_, value)| value.is_none()) {
            return;
        }
        out.raw("<t:InternetMessageHeaders>");
        for (name, value) in list {
            if let Some(value) = value {
                out.leaf("t:InternetMessageHeader", &[("HeaderName", name)], value);
            }
        }
        out.raw("</t:InternetMessageHeaders>");
    }

    fn time(&self, millis: i64) -> String {
        self.context.reader().time(millis)
    }
}

/// The headers that an item's properties make.
pub(super) fn headers_of(item: &Item) -> Headers {
    let meta = &item.meta;
    Headers {
        subject: item.subject.clone(),
        from: meta.from.clone(),
        sender: meta.sender.clone(),
        to: meta.to.clone(),
        cc: meta.cc.clone(),
        bcc: meta.bcc.clone(),
        reply_to: meta.reply_to.clone(),
        date: Some(item.sent),
        message_id: item.message_id.clone(),
        in_reply_to: meta.in_reply_to.clone(),
        references: meta.references.clone(),
        importance: meta.importance.clone().filter(|importance| importance != "Normal"),
    }
}

fn body(message: &Message, wanted: BodyType) -> (&'static str, String) {
    match (wanted, &message.text, &message.html) {
        (BodyType::Best | BodyType::Html, _, Some(html)) => ("HTML", html.clone()),
        (BodyType::Text, Some(text), _) => ("Text", text.clone()),
        (BodyType::Text, None, Some(html)) => ("Text", mime::to_text(html)),
        (BodyType::Html, Some(text), None) => ("HTML", mime::to_html(text)),
        (BodyType::Best, Some(text), None) => ("Text", text.clone()),
        (BodyType::Html, None, None) => ("HTML", String::new()),
        (BodyType::Best | BodyType::Text, None, None) => ("Text", String::new()),
    }
}

/// The text of an item's body, to search in.
pub(super) fn body_text(db: &Connection, item: &Item) -> Option<String> {
    let message = mime::disassemble(&store::content(db, item).ok()?);
    Some(body(&message, BodyType::Text).1)
}

/// Names as the columns To and Cc show them.
pub(super) fn display(people: &[Person]) -> String {
    let name = |person: &Person| if person.name.is_empty() { person.address.clone() } else { person.name.clone() };
    people.iter().map(name).collect::<Vec<_>>().join("; ")
}

/// A subject without the marks of replies and forwards.
fn topic(subject: &str) -> &str {
    let mut rest = subject.trim();
    for mark in ["Re:", "RE:", "Fwd:", "FW:", "AW:", "WG:"].iter().cycle().take(18) {
        rest = rest.strip_prefix(mark).map_or(rest, str::trim_start);
    }
    rest
}

fn conversation(subject: &str, length: usize) -> Vec<u8> {
    blake3::hash(topic(subject).to_lowercase().as_bytes()).as_bytes().iter().take(length).copied().collect()
}

/// The entry id of an item, which changes when it moves.
fn entry_id(item: &Item) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend(item.mailbox.to_be_bytes());
    bytes.extend(item.folder.to_be_bytes());
    bytes.extend(item.id.to_be_bytes());
    bytes
}

/// The values of an item's extended property; none when it has no such property.
pub(super) fn extended(item: &Item, path: &PropertyPath) -> Option<Vec<String>> {
    let flags = i64::from(item.is_read) + i64::from(item.is_draft) * 8 + i64::from(item.has_attachments) * 16;
    if is_keywords(&path.name) {
        return Some(item.meta.categories.clone()).filter(|categories| !categories.is_empty());
    }
    let computed = match path.tag() {
        Some(tag::MESSAGE_FLAGS) => Some(flags.to_string()),
        Some(tag::DELIVERY_TIME) => Some(time::iso(item.received)),
        Some(tag::SUBMIT_TIME) => Some(time::iso(item.sent)),
        Some(tag::CREATION_TIME) => Some(time::iso(item.created)),
        Some(tag::MODIFICATION_TIME) => Some(time::iso(item.modified)),
        Some(tag::SEARCH_KEY) => Some(STANDARD.encode(&item.search_key)),
        Some(tag::SIZE) => Some(item.size.to_string()),
        Some(tag::SUBJECT) => Some(item.subject.clone()),
        Some(tag::MESSAGE_CLASS) => Some(item.class.clone()),
        Some(tag::MESSAGE_ID) => item.message_id.clone(),
        Some(tag::HAS_ATTACHMENTS) => Some(item.has_attachments.to_string()),
        Some(tag::ARTICLE_NUMBER) => Some(item.id.to_string()),
        Some(tag::RECORD_KEY | tag::ENTRY_ID) => Some(STANDARD.encode(entry_id(item))),
        Some(tag::DISPLAY_TO) => Some(display(&item.meta.to)),
        Some(tag::DISPLAY_CC) => Some(display(&item.meta.cc)),
        Some(tag::READ) => Some(item.is_read.to_string()),
        Some(tag::IMPORTANCE) => Some(match item.meta.importance.as_deref() {
            Some("High") => "2".to_owned(),
            Some("Low") => "0".to_owned(),
            _ => "1".to_owned(),
        }),
        Some(tag::LAST_VERB) => item.meta.last_verb.map(|verb| verb.to_string()),
        Some(tag::ICON) => item.meta.icon.map(|icon| icon.to_string()),
        Some(tag::FLAG_STATUS) => Some(item.meta.flag).filter(|flag| *flag > 0).map(|flag| flag.to_string()),
        _ => None,
    };
    computed.or_else(|| twin(item, path)).map(|value| vec![value]).or_else(|| {
        let stored = item.meta.extended.iter().find(|property| property.name == path.name)?;
        Some(stored.values.clone())
    })
}

/// The value of a property that is an element, too.
fn twin(item: &Item, path: &PropertyPath) -> Option<String> {
    if item.element == "CalendarItem"
        && let Some(value) = event::property(item, &path.name)
    {
        return Some(value);
    }
    if kinds::twins::is_private(&path.name) {
        return Some((item.meta.sensitivity.as_deref() == Some("Private")).to_string());
    }
    let element = kinds::twins::element_of(&path.name)?;
    kinds::values::text(&item.meta.fields, element)
}
