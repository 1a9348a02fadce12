//! CreateItem: from MIME, from properties, or from both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;

use super::super::kinds::{Draft, Kind, Stage, twins};
use super::super::props::{ExtendedProperty, PropertyName, is_keywords, tag};
use super::super::soap::{Answer, Refusal};
use super::super::store::{self, FolderRow, Item, Meta, NewItem, Person};
use super::super::xml::Element;
use super::super::zones::Zone;
use super::super::{Personality, intake, mime, time};
use super::send;
use super::{Context, Slot, attachments, is_true, meetings};

/// Elements that clients can't set.
pub(super) const READ_ONLY: &[&str] = &[
    "ItemId",
    "ParentFolderId",
    "DateTimeReceived",
    "Size",
    "IsSubmitted",
    "IsDraft",
    "IsFromMe",
    "IsResend",
    "IsUnmodified",
    "DateTimeSent",
    "DateTimeCreated",
    "ResponseObjects",
    "DisplayCc",
    "DisplayTo",
    "DisplayBcc",
    "HasAttachments",
    "EffectiveRights",
    "LastModifiedName",
    "LastModifiedTime",
    "IsAssociated",
    "ConversationId",
    "UniqueBody",
    "StoreEntryId",
    "InstanceKey",
    "NormalizedBody",
    "Preview",
    "TextBody",
    "ConversationTopic",
    "ReceivedBy",
    "ReceivedRepresenting",
    "WebClientReadFormQueryString",
    "WebClientEditFormQueryString",
];

/// Elements of messages that are computed or not kept.
const OF_MAIL: &[&str] =
    &["InternetMessageHeaders", "IsReadReceiptRequested", "IsDeliveryReceiptRequested", "IsResponseRequested"];

/// The response objects that this server does not make.
const RESPONSES: &[&str] = &[
    "ReplyToItem",
    "ForwardItem",
    "ReplyAllToItem",
    "RemoveItem",
    "SuppressReadReceipt",
    "PostReplyItem",
    "AcceptSharingInvitation",
];

pub(super) fn create(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) -> Result<(), Refusal> {
    let unknown = |item: &Element| matches!(item.name.as_str(), "DistributionList" | "PostItem");
    if context.is_gromox() && request.list("Items").iter().any(unknown) {
        return Err(Refusal::because("ErrorInvalidRequest", "Unknown item type"));
    }
    context.batch(answer, request.list("Items"), |slot, wanted| {
        context.store.write(|db| create_one(context, db, request, slot, wanted))
    });
    Ok(())
}

fn create_one(context: &Context<'_>, db: &Connection, request: &Element, slot: usize, wanted: &Element) -> Slot {
    if RESPONSES.contains(&wanted.name.as_str()) {
        return Err(Refusal::because("ErrorInvalidOperation", format!("{} is not supported.", wanted.name)));
    }
    if meetings::is_answer(&wanted.name) {
        return meetings::respond(context, db, request, wanted);
    }
    if wanted.name == "CancelCalendarItem" {
        return meetings::call_off_own(context, db, wanted);
    }
    check_attributes(context, request, wanted)?;
    let disposition = request.attribute("MessageDisposition").unwrap_or("SaveOnly");
    let folder = target(context, db, request, wanted, disposition)?;
    let mut new = build(&context.maker(), wanted)?;
    context.spare(slot, "", &new.subject)?;
    check_folder(context, &folder, wanted)?;
    if disposition == "SaveOnly" || !is_mail(&wanted.name) {
        let mut item = store::insert_item(db, context.mailbox.id, folder.id, new)?;
        if item.element == "CalendarItem" {
            meetings::invite(context, db, &mut item, request.attribute("SendMeetingInvitations"))?;
        }
        return saved(context, db, &item);
    }
    send::prepare(context, &mut new);
    send::deliver(context, db, &new)?;
    if disposition == "SendAndSaveCopy" {
        new.is_read = true;
        store::insert_item(db, context.mailbox.id, folder.id, new)?;
    }
    Ok("<m:Items/>".to_owned())
}

fn saved(context: &Context<'_>, db: &Connection, item: &Item) -> Slot {
    let files = mime::disassemble(&store::content(db, item)?).attachments;
    if files.is_empty() || item.class.starts_with("IPM.Note.SMIME") {
        return Ok(context.items_xml(item));
    }
    let list: String = files.iter().map(|file| attachments::id_only(context, item, file)).collect();
    let id = context.item_id_xml(item);
    Ok(format!("<m:Items><t:{0}>{id}<t:Attachments>{list}</t:Attachments></t:{0}></m:Items>", item.element))
}

fn is_mail(element: &str) -> bool {
    matches!(
        element,
        "Message" | "Item" | "MeetingRequest" | "MeetingResponse" | "MeetingCancellation" | "MeetingMessage"
    )
}

fn check_attributes(context: &Context<'_>, request: &Element, wanted: &Element) -> Result<(), Refusal> {
    if context.is_gromox() {
        return Ok(());
    }
    let missing = |name: &str| request.attribute(name).is_none();
    match wanted.name.as_str() {
        "Message" if missing("MessageDisposition") => Err(Refusal::new("ErrorMessageDispositionRequired")),
        "CalendarItem" if missing("SendMeetingInvitations") => Err(Refusal::new("ErrorSendMeetingInvitationsRequired")),
        _ => Ok(()),
    }
}

fn target(
    context: &Context<'_>,
    db: &Connection,
    request: &Element,
    wanted: &Element,
    disposition: &str,
) -> Result<FolderRow, Refusal> {
    if request.child("SavedItemFolderId").is_some() {
        return context.folder_in(db, request, "SavedItemFolderId");
    }
    let name = match wanted.name.as_str() {
        _ if context.is_gromox() => "outbox",
        "CalendarItem" => "calendar",
        "Contact" | "DistributionList" => "contacts",
        "Task" => "tasks",
        _ if disposition == "SaveOnly" => "drafts",
        _ => "sentitems",
    };
    store::distinguished_folder(db, context.mailbox.id, name)?.ok_or_else(|| Refusal::new("ErrorFolderNotFound"))
}

fn check_folder(context: &Context<'_>, folder: &FolderRow, wanted: &Element) -> Result<(), Refusal> {
    let in_class = |class: &str| folder.class.as_deref().is_some_and(|found| found.starts_with(class));
    let bin = matches!(folder.distinguished.as_deref(), Some("deleteditems" | "archivedeleteditems"));
    if context.is_gromox() || bin {
        return Ok(());
    }
    match wanted.name.as_str() {
        "CalendarItem" if !in_class("IPF.Appointment") => {
            Err(Refusal::new("ErrorCannotCreateCalendarItemInNonCalendarFolder"))
        }
        "Contact" | "DistributionList" if !in_class("IPF.Contact") => {
            Err(Refusal::new("ErrorCannotCreateContactInNonContactFolder"))
        }
        "Task" if !in_class("IPF.Task") => Err(Refusal::new("ErrorCannotCreateTaskInNonTaskFolder")),
        _ => Ok(()),
    }
}

/// Who makes an item, and how.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Maker<'a> {
    pub(in super::super) like: Personality,
    /// The zone in which times are told.
    pub(in super::super) zone: &'a Zone,
    /// The address of the mailbox's owner.
    pub(in super::super) owner: &'a str,
}

impl Maker<'_> {
    fn is_gromox(&self) -> bool {
        self.like == Personality::Gromox
    }
}

impl Context<'_> {
    pub(in super::super) fn maker(&self) -> Maker<'_> {
        Maker { like: self.like, zone: &self.zone, owner: &self.mailbox.address }
    }
}

/// The item that a request describes.
pub(in super::super) fn build(maker: &Maker<'_>, wanted: &Element) -> Result<NewItem, Refusal> {
    if let Some(name) = wanted.children.iter().map(|child| child.name.as_str()).find(|name| READ_ONLY.contains(name))
        && !maker.is_gromox()
    {
        return Err(Refusal::because("ErrorInvalidPropertySet", format!("Set action is invalid for property {name}.")));
    }
    let mut new = match wanted.child("MimeContent") {
        Some(content) => from_mime(maker, wanted, content)?,
        None => from_properties(maker, wanted),
    };
    new.element = wanted.name.clone();
    new.class = default_class(&wanted.name, &new.class).to_owned();
    // Items are drafts until they are sent; gromox makes them read and done.
    new.is_draft = is_mail(&wanted.name) && !maker.is_gromox();
    new.is_read = true;
    overlay(maker, &mut new, wanted)?;
    Ok(new)
}

fn default_class<'a>(element: &str, found: &'a str) -> &'a str {
    match element {
        "CalendarItem" => "IPM.Appointment",
        "Contact" => "IPM.Contact",
        "DistributionList" => "IPM.DistList",
        "Task" => "IPM.Task",
        "PostItem" => "IPM.Post",
        "MeetingRequest" => "IPM.Schedule.Meeting.Request",
        "MeetingResponse" => "IPM.Schedule.Meeting.Resp.Pos",
        "MeetingCancellation" => "IPM.Schedule.Meeting.Canceled",
        _ if found.is_empty() => "IPM.Note",
        _ => found,
    }
}

fn from_mime(maker: &Maker<'_>, wanted: &Element, content: &Element) -> Result<NewItem, Refusal> {
    let takes_mime = is_mail(&wanted.name) || matches!(wanted.name.as_str(), "PostItem" | "CalendarItem");
    if !takes_mime && !maker.is_gromox() {
        return Err(Refusal::because("ErrorUnsupportedMimeConversion", "MIME content is not supported for this item."));
    }
    if wanted.name == "CalendarItem" && !maker.is_gromox() {
        return Err(Refusal::because("ErrorInvalidOperation", "Calendars in MIME are not read."));
    }
    let mut new = intake::from_mime(decode_mime(&content.text)?);
    // Received is when the server got it, unless the request tells another time.
    new.received = time::now_millis();
    if wanted.child("Body").is_some() || wanted.child("Attachments").is_some() {
        let mut message = mime::disassemble(&new.mime);
        message.verbatim = None;
        set_body(&mut message, wanted.child("Body"));
        message.attachments.extend(wanted.list("Attachments").iter().map(attachments::from_element));
        new.has_attachments = !message.attachments.is_empty();
        new.mime = mime::assemble(&message);
    }
    Ok(new)
}

/// Decodes a MimeContent.
pub(super) fn decode_mime(text: &str) -> Result<Vec<u8>, Refusal> {
    let compact: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(compact).map_err(|_| Refusal::new("ErrorMimeContentInvalidBase64String"))?;
    if bytes.is_empty() { Err(Refusal::new("ErrorMimeContentInvalid")) } else { Ok(bytes) }
}

fn from_properties(maker: &Maker<'_>, wanted: &Element) -> NewItem {
    let now = time::now_millis();
    let mut message = mime::Message::default();
    message.headers.date = Some(now);
    set_body(&mut message, wanted.child("Body"));
    message.attachments = wanted.list("Attachments").iter().map(attachments::from_element).collect();
    let owner = Person { name: maker.owner.to_owned(), address: maker.owner.to_owned() };
    let photo = wanted.list("Attachments").iter().find(|file| attachments::is_photo(file));
    NewItem {
        received: now,
        sent: now,
        has_attachments: message.attachments.iter().any(|file| !file.inline),
        meta: Meta {
            from: Some(owner).filter(|_| is_mail(&wanted.name)),
            photo: photo.map(|file| attachments::from_element(file).key()),
            ..Meta::default()
        },
        mime: mime::assemble(&message),
        ..NewItem::default()
    }
}

/// Replaces the body of a message by a `Body` element's.
pub(super) fn set_body(message: &mut mime::Message, body: Option<&Element>) {
    let Some(body) = body else { return };
    message.verbatim = None;
    if body.attribute("BodyType") == Some("HTML") {
        message.html = Some(body.text.clone());
        message.text = None;
    } else {
        message.text = Some(body.text.clone());
        message.html = None;
    }
}

/// The people of a recipient list, or of `From` and `Sender`.
pub(super) fn people(element: &Element) -> Vec<Person> {
    let person = |mailbox: &Element| Person {
        name: mailbox.child_text("Name").unwrap_or_default().to_owned(),
        address: mailbox.child_text("EmailAddress").unwrap_or_default().to_owned(),
    };
    element.children.iter().filter(|child| child.name == "Mailbox").map(person).collect()
}

fn overlay(maker: &Maker<'_>, new: &mut NewItem, wanted: &Element) -> Result<(), Refusal> {
    let kind = Kind::of(&wanted.name);
    let mut kept = Vec::new();
    for child in &wanted.children {
        match child.name.as_str() {
            "MimeContent" | "Body" | "Attachments" => {}
            "Subject" => new.subject = child.text.clone(),
            "ItemClass" => new.class = child.text.trim().to_owned(),
            "IsRead" if kind == Kind::Other => new.is_read = is_true(&child.text),
            "InternetMessageId" => new.message_id = Some(child.text.trim().to_owned()),
            "ExtendedProperty" => {
                kept.extend(ExtendedProperty::read(child).and_then(|property| set_extended_new(new, property)))
            }
            name if is_meta(name) => set_meta(&mut new.meta, child),
            name if READ_ONLY.contains(&name) => {}
            name if OF_MAIL.contains(&name) && kind.field(name).is_none() => {}
            _ => kept.push(child.clone()),
        }
    }
    let mut draft = Draft {
        kind,
        subject: &mut new.subject,
        meta: &mut new.meta,
        like: maker.like,
        zone: maker.zone,
        now: time::now_millis(),
        stage: Stage::Create,
        touched: Vec::new(),
        before: None,
        drops_exceptions: false,
    };
    for element in &kept {
        draft.set(&element.name, Some(element))?;
    }
    draft.finish()
}

/// Sets an extended property of a new item; gives the element back that it sets instead.
fn set_extended_new(new: &mut NewItem, property: ExtendedProperty) -> Option<Element> {
    let first = property.values.first().cloned().unwrap_or_default();
    match (&property.name, property.number(), time::parse(&first)) {
        (PropertyName::Tag(tag::MESSAGE_FLAGS), Some(flags), _) => {
            new.is_read = flags & 1 != 0;
            new.is_draft = flags & 8 != 0;
        }
        (PropertyName::Tag(tag::DELIVERY_TIME), _, Some(millis)) => new.received = millis,
        (PropertyName::Tag(tag::SUBMIT_TIME), _, Some(millis)) => new.sent = millis,
        _ => return set_extended(&new.element, &mut new.meta, property),
    }
    None
}

/// Sets an extended property of an item. Where it is an element, too, that is what must be set, and is given back.
pub(super) fn set_extended(element: &str, meta: &mut Meta, property: ExtendedProperty) -> Option<Element> {
    let number = property.number();
    let twin = twins::element_of(&property.name).filter(|twin| Kind::of(element).field(twin).is_some());
    match &property.name {
        _ if let Some(twin) = twin => {
            return Some(Element::leaf(twin, property.values.first().map(String::as_str).unwrap_or_default()));
        }
        name if twins::is_private(name) => {
            let private = property.values.first().is_some_and(|value| is_true(value));
            meta.sensitivity = Some(if private { "Private" } else { "Normal" }.to_owned());
        }
        PropertyName::Tag(tag::LAST_VERB) => meta.last_verb = number,
        PropertyName::Tag(tag::ICON) => meta.icon = number,
        PropertyName::Tag(tag::FLAG_STATUS) => meta.flag = number.unwrap_or(0),
        name if is_keywords(name) => meta.categories = property.values,
        _ => {
            meta.extended.retain(|known| known.name != property.name);
            meta.extended.push(property);
        }
    }
    None
}

/// Whether an element is a property that `Meta` has a place of its own for.
pub(super) fn is_meta(name: &str) -> bool {
    matches!(
        name,
        "Sensitivity"
            | "Importance"
            | "Categories"
            | "ToRecipients"
            | "CcRecipients"
            | "BccRecipients"
            | "ReplyTo"
            | "From"
            | "Sender"
            | "References"
            | "InReplyTo"
            | "Flag"
    )
}

/// Sets a property that an element of an item holds.
pub(super) fn set_meta(meta: &mut Meta, element: &Element) {
    let text = element.text.trim().to_owned();
    match element.name.as_str() {
        "Sensitivity" => meta.sensitivity = Some(text),
        "Importance" => meta.importance = Some(text),
        "Categories" => meta.categories = element.children.iter().map(|category| category.text.clone()).collect(),
        "ToRecipients" => meta.to = people(element),
        "CcRecipients" => meta.cc = people(element),
        "BccRecipients" => meta.bcc = people(element),
        "ReplyTo" => meta.reply_to = people(element),
        "From" => meta.from = people(element).into_iter().next(),
        "Sender" => meta.sender = people(element).into_iter().next(),
        "References" => meta.references = Some(text),
        "InReplyTo" => meta.in_reply_to = Some(text),
        "Flag" => {
            meta.flag = match element.child_text("FlagStatus") {
                Some("Flagged") => 2,
                Some("Complete") => 1,
                _ => 0,
            };
            let times = element.children.iter().filter(|child| child.name != "FlagStatus");
            meta.flag_times = times.map(|child| (child.name.clone(), child.text.trim().to_owned())).collect();
        }
        _ => {}
    }
}
