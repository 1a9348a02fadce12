//! CreateAttachment, GetAttachment, DeleteAttachment.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;

use super::super::ids::Id;
use super::super::mime::{self, Attachment};
use super::super::soap::{Answer, Refusal};
use super::super::store::{self, Change, Item};
use super::super::xml::{Element, XmlOut};
use super::shape::Shape;
use super::{Context, bad_id, create, occurrences};

/// The element that shows an attachment.
fn element_for(attachment: &Attachment) -> &'static str {
    if attachment.content_type == "message/rfc822" { "t:ItemAttachment" } else { "t:FileAttachment" }
}

fn id_xml(context: &Context<'_>, item: &Item, attachment: &Attachment, with_root: bool) -> String {
    // An occurrence that is no exception has the attachments of its series.
    let holder = if item.id == 0 { item.master } else { item.id };
    let id = context.ids.attachment(item.folder, holder, attachment.key());
    let (root, key) = (context.item_id(item), context.change_key(item));
    let mut attributes = vec![("Id", id.as_str())];
    if with_root {
        attributes.extend([("RootItemId", root.as_str()), ("RootItemChangeKey", key.as_str())]);
    }
    let mut out = XmlOut::new();
    out.leaf("t:AttachmentId", &attributes, "");
    out.buffer
}

/// An attachment that shows only its id.
pub(super) fn id_only(context: &Context<'_>, item: &Item, attachment: &Attachment) -> String {
    let element = element_for(attachment);
    format!("<{element}>{}</{element}>", id_xml(context, item, attachment, true))
}

/// An attachment without its content.
pub(super) fn summary(context: &Context<'_>, item: &Item, attachment: &Attachment) -> String {
    let mut out = XmlOut::new();
    let element = element_for(attachment);
    out.open(element, &[]);
    describe(&mut out, context, item, attachment);
    if element == "t:FileAttachment" {
        out.put("t:IsContactPhoto", &is_photo_of(item, attachment).to_string());
    }
    out.close(element);
    out.buffer
}

fn is_photo_of(item: &Item, attachment: &Attachment) -> bool {
    item.meta.photo == Some(attachment.key())
}

/// Whether a FileAttachment is told to be a contact's picture.
pub(super) fn is_photo(element: &Element) -> bool {
    element.child_text("IsContactPhoto").is_some_and(super::is_true)
}

fn describe(out: &mut XmlOut, context: &Context<'_>, item: &Item, attachment: &Attachment) {
    out.raw(&id_xml(context, item, attachment, false));
    out.put("t:Name", &attachment.name);
    out.put("t:ContentType", &attachment.content_type);
    if let Some(id) = &attachment.content_id {
        out.put("t:ContentId", id);
    }
    out.put("t:Size", &(attachment.data.len() + 64).to_string());
    out.put("t:LastModifiedTime", &super::super::time::iso(item.modified));
    out.put("t:IsInline", &attachment.inline.to_string());
}

/// The attachment that a FileAttachment or ItemAttachment describes.
pub(super) fn from_element(element: &Element) -> Attachment {
    let text = |name: &str| element.child_text(name).map(str::to_owned);
    if element.name == "ItemAttachment" {
        let item = element
            .children
            .iter()
            .find(|child| child.child("MimeContent").is_some() || child.child("Subject").is_some());
        return Attachment {
            name: text("Name").unwrap_or_default(),
            content_type: "message/rfc822".to_owned(),
            content_id: text("ContentId"),
            inline: false,
            data: item.map(inner_mime).unwrap_or_default(),
        };
    }
    let compact: String = text("Content").unwrap_or_default().split_ascii_whitespace().collect();
    let name = text("Name").unwrap_or_default();
    Attachment {
        content_type: text("ContentType").unwrap_or_else(|| guess_type(&name).to_owned()),
        name,
        content_id: text("ContentId"),
        inline: text("IsInline").is_some_and(|value| super::is_true(&value)),
        data: STANDARD.decode(compact).unwrap_or_default(),
    }
}

fn guess_type(name: &str) -> &'static str {
    match name.rsplit('.').next().map(str::to_ascii_lowercase).as_deref() {
        Some("txt") => "text/plain",
        Some("html" | "htm") => "text/html",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("pdf") => "application/pdf",
        _ => "application/octet-stream",
    }
}

fn inner_mime(item: &Element) -> Vec<u8> {
    if let Some(content) = item.child("MimeContent") {
        return create::decode_mime(&content.text).unwrap_or_default();
    }
    let mut message = mime::Message::default();
    message.headers.subject = item.child("Subject").map(|subject| subject.text.clone()).unwrap_or_default();
    message.headers.to = item.child("ToRecipients").map(create::people).unwrap_or_default();
    create::set_body(&mut message, item.child("Body"));
    mime::assemble(&message)
}

/// Changes the attachments of an item.
fn change(
    context: &Context<'_>,
    db: &Connection,
    item: &mut Item,
    edit: impl FnOnce(&mut Vec<Attachment>),
) -> Result<(), Refusal> {
    let mut message = mime::disassemble(&store::content(db, item)?);
    message.verbatim = None;
    edit(&mut message.attachments);
    item.has_attachments = message.attachments.iter().any(|attachment| !attachment.inline);
    occurrences::save(context, db, item, &["Attachments"], Some(&mime::assemble(&message)))
}

pub(super) fn create(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    context.batch(answer, request.list("Attachments"), |slot, wanted| {
        context.store.write(|db| {
            let parent = request.child("ParentItemId").ok_or_else(|| Refusal::new("ErrorInvalidId"))?;
            let mut item = context.item(db, parent)?;
            context.spare(slot, &context.item_id(&item), &item.subject)?;
            if context.is_gromox() && wanted.name == "ItemAttachment" {
                return Ok("<m:Attachments/>".to_owned());
            }
            let attachment = from_element(wanted);
            let before = item.has_attachments;
            if is_photo(wanted) {
                if item.element != "Contact" {
                    return Err(Refusal::because("ErrorInvalidOperation", "Only contacts have a picture."));
                }
                item.meta.photo = Some(attachment.key());
            }
            change(context, db, &mut item, |list| list.push(attachment.clone()))?;
            if context.is_gromox() && item.has_attachments != before {
                item.has_attachments = before;
                store::save_item(db, &mut item, Change::Full, None)?;
            }
            Ok(format!("<m:Attachments>{}</m:Attachments>", id_only(context, &item, &attachment)))
        })
    });
}

/// Gives a contact another picture, or none.
pub(in super::super) fn set_picture(
    context: &Context<'_>,
    db: &Connection,
    item: &mut Item,
    picture: Option<&[u8]>,
) -> Result<(), Refusal> {
    let old = item.meta.photo.take();
    let new = picture.map(|data| Attachment {
        name: "ContactPicture.jpg".to_owned(),
        content_type: "image/jpeg".to_owned(),
        data: data.to_vec(),
        ..Attachment::default()
    });
    item.meta.photo = new.as_ref().map(Attachment::key);
    change(context, db, item, |list| {
        list.retain(|known| Some(known.key()) != old);
        list.extend(new);
    })
}

/// The item and the attachment that an AttachmentId names.
fn find(context: &Context<'_>, db: &Connection, id: &Element) -> Result<(Item, Attachment), Refusal> {
    let (number, key) = match context.ids.read(id.attribute("Id").unwrap_or_default()) {
        Ok(Id::Attachment(number, key)) => (number, key),
        Ok(_) => return Err(Refusal::because("ErrorInvalidAttachmentId", "The id is not an attachment's.")),
        Err(bad) => return Err(bad_id(bad)),
    };
    let item = store::item(db, context.mailbox.id, number)?.ok_or_else(|| Refusal::new("ErrorItemNotFound"))?;
    context.check_item(db, &item)?;
    let list = mime::disassemble(&store::content(db, &item)?).attachments;
    let found = list.into_iter().find(|attachment| attachment.key() == key);
    let attachment =
        found.ok_or_else(|| Refusal::because("ErrorItemNotFound", "The attachment could not be found."))?;
    Ok((item, attachment))
}

pub(super) fn get(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    context.batch(answer, request.list("AttachmentIds"), |slot, id| {
        let shape = Shape::read(request.child("AttachmentShape"))?;
        let db = context.store.read();
        let (item, attachment) = find(context, &db, id)?;
        context.spare(slot, &context.item_id(&item), &item.subject)?;
        let mut out = XmlOut::new();
        let element = element_for(&attachment);
        out.raw("<m:Attachments>");
        out.open(element, &[]);
        describe(&mut out, context, &item, &attachment);
        if element == "t:FileAttachment" {
            out.put("t:IsContactPhoto", &is_photo_of(&item, &attachment).to_string());
            out.raw("<t:Content>");
            STANDARD.encode_string(&attachment.data, &mut out.buffer);
            out.raw("</t:Content>");
        } else {
            inner_item(&mut out, &attachment, &shape);
        }
        out.close(element);
        out.raw("</m:Attachments>");
        Ok(out.buffer)
    });
}

fn inner_item(out: &mut XmlOut, attachment: &Attachment, shape: &Shape) {
    let message = mime::disassemble(&attachment.data);
    out.raw("<t:Message>");
    if shape.mime {
        out.raw("<t:MimeContent CharacterSet=\"UTF-8\">");
        STANDARD.encode_string(mime::regenerate(&message.headers, &message, false), &mut out.buffer);
        out.raw("</t:MimeContent>");
    }
    out.put("t:ItemClass", "IPM.Note");
    out.put("t:Subject", &message.headers.subject);
    if let Some(html) = &message.html {
        out.leaf("t:Body", &[("BodyType", "HTML")], html);
    } else if let Some(text) = &message.text {
        out.leaf("t:Body", &[("BodyType", "Text")], text);
    }
    out.raw("</t:Message>");
}

pub(super) fn delete(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    context.batch(answer, request.list("AttachmentIds"), |slot, id| {
        context.store.write(|db| {
            let (mut item, attachment) = find(context, db, id)?;
            context.spare(slot, &context.item_id(&item), &item.subject)?;
            let key = attachment.key();
            item.meta.photo = item.meta.photo.filter(|photo| *photo != key);
            change(context, db, &mut item, |list| list.retain(|other| other.key() != key))?;
            let mut out = XmlOut::new();
            let (root, change_key) = (context.item_id(&item), context.change_key(&item));
            out.leaf("m:RootItemId", &[("RootItemId", &root), ("RootItemChangeKey", &change_key)], "");
            Ok(out.buffer)
        })
    });
}
