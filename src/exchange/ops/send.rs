//! Sending: SendItem, and what CreateItem does when it sends.

use rusqlite::Connection;

use super::super::kinds::Kind;
use super::super::soap::{Answer, Refusal};
use super::super::store::{self, Change, Item, NewItem, Person};
use super::super::xml::Element;
use super::super::{intake, mime, time};
use super::fields::headers_of;
use super::{Context, Slot, is_true};

/// Gives a message what a message gets when it leaves.
pub(super) fn prepare(context: &Context<'_>, new: &mut NewItem) {
    new.is_draft = false;
    new.sent = time::now_millis();
    new.received = new.sent;
    if new.message_id.is_none() {
        let hash = blake3::hash(&[new.mime.as_slice(), &new.sent.to_le_bytes()].concat());
        let host = context.mailbox.address.split('@').nth(1).unwrap_or("localhost");
        let local = hash.to_hex().get(..32).unwrap_or_default().to_owned();
        new.message_id = Some(format!("<{local}@{host}>"));
    }
    let owner = Person { name: context.mailbox.address.clone(), address: context.mailbox.address.clone() };
    new.meta.from.get_or_insert(owner);
}

/// Puts a message into the inbox of each recipient that the server knows.
pub(super) fn deliver(context: &Context<'_>, db: &Connection, new: &NewItem) -> Result<(), Refusal> {
    let meta = &new.meta;
    let recipients: Vec<&Person> = meta.to.iter().chain(&meta.cc).chain(&meta.bcc).collect();
    if recipients.is_empty() {
        return Err(Refusal::because("ErrorInvalidRecipients", "At least one recipient is needed."));
    }
    if let Some(person) = recipients.iter().find(|person| !person.address.contains('@')) {
        let text = format!("At least one recipient isn't valid: {:?}.", person.address);
        return Err(Refusal::because("ErrorInvalidRecipients", text));
    }
    let message = mime::disassemble(&new.mime);
    let headers = mime::Headers {
        subject: new.subject.clone(),
        from: meta.from.clone(),
        sender: meta.sender.clone(),
        to: meta.to.clone(),
        cc: meta.cc.clone(),
        reply_to: meta.reply_to.clone(),
        date: Some(new.sent),
        message_id: new.message_id.clone(),
        in_reply_to: meta.in_reply_to.clone(),
        references: meta.references.clone(),
        importance: meta.importance.clone(),
        ..mime::Headers::default()
    };
    let bytes = mime::regenerate(&headers, &message, false);
    for person in recipients {
        let Some(mailbox) = store::mailbox(db, &person.address)? else { continue };
        let Some(inbox) = store::distinguished_folder(db, mailbox.id, "inbox")? else { continue };
        let item = store::insert_item(db, mailbox.id, inbox.id, intake::from_mime(bytes.clone()))?;
        store::note_new_mail(db, &item)?;
    }
    tracing::debug!(mailbox = %context.mailbox.address, "embedded Exchange: delivered a message");
    Ok(())
}

pub(super) fn send(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    context.batch(answer, request.list("ItemIds"), |slot, id| {
        context.store.write(|db| {
            let item = context.item(db, id)?;
            context.spare(slot, &context.item_id(&item), &item.subject)?;
            send_one(context, db, request, id, item)
        })
    });
}

fn send_one(context: &Context<'_>, db: &Connection, request: &Element, id: &Element, mut item: Item) -> Slot {
    if Kind::of(&item.element) != Kind::Other {
        return Err(Refusal::new("ErrorInvalidItemForOperationSendItem"));
    }
    if !context.is_gromox() {
        let key = id.attribute("ChangeKey").ok_or_else(|| Refusal::new("ErrorChangeKeyRequired"))?;
        match context.ids.read_change_key(key) {
            None => return Err(Refusal::new("ErrorInvalidChangeKey")),
            Some(key) if key != item.key_cn => return Err(Refusal::new("ErrorStaleObject")),
            Some(_) => {}
        }
    }
    let mut message = mime::disassemble(&store::content(db, &item)?);
    message.headers = headers_of(&item);
    let mut new = intake::from_mime(mime::assemble(&message));
    new.meta.bcc = item.meta.bcc.clone();
    prepare(context, &mut new);
    deliver(context, db, &new)?;
    if context.is_gromox() {
        return Ok(String::new());
    }
    if !request.attribute("SaveItemToFolder").is_some_and(is_true) {
        store::delete_item(db, &item)?;
        return Ok(String::new());
    }
    let folder = match request.child("SavedItemFolderId") {
        Some(_) => context.folder_in(db, request, "SavedItemFolderId")?,
        None => store::distinguished_folder(db, context.mailbox.id, "sentitems")?
            .ok_or_else(|| Refusal::new("ErrorFolderNotFound"))?,
    };
    (item.is_draft, item.is_read, item.sent, item.received) = (false, true, new.sent, new.received);
    item.message_id = new.message_id;
    store::save_item(db, &mut item, Change::Full, None)?;
    store::move_item(db, &item, folder.id)?;
    Ok(String::new())
}
