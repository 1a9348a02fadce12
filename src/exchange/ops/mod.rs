//! The operations: each takes its request as a tree and writes its response messages.

mod access;
mod attachments;
mod calendar_view;
mod configuration;
mod create;
mod directory;
mod fields;
mod find;
mod folders;
mod items;
mod meetings;
mod names;
pub(super) mod notifications;
mod occurrences;
mod restriction;
mod send;
mod shape;
mod sync;
mod update;

use std::cell::OnceCell;
use std::sync::Arc;

use rusqlite::Connection;

use super::faults::{Action, Faults, Victim};
use super::ids::{BadId, Id, Ids, key_kind};
use super::kinds::Reader;
use super::soap::{Answer, Refusal, stops_batch};
use super::store::{self, FolderRow, Item, MailboxRow, Store};
use super::stream::Plan;
use super::subscriptions::Subscriptions;
use super::xml::{Element, XmlOut};
use super::zones::Zone;
use super::{List, Personality};

pub(super) use access::{Access, addressed};
pub(super) use attachments::set_picture;
pub(super) use create::{Maker, build};
pub(super) use fields::all_properties;
pub(super) use occurrences::{delete as delete_occurrence, nth as nth_occurrence};
pub(super) use update::change_item;

/// What answers one slot of a batch.
type Slot = Result<String, Refusal>;

/// One request being answered.
pub(super) struct Context<'a> {
    pub(super) store: &'a Store,
    /// The mailbox that the request is about.
    pub(super) mailbox: &'a MailboxRow,
    /// What may be done in it.
    pub(super) access: &'a Access,
    pub(super) ids: Ids,
    pub(super) like: Personality,
    /// The zone in which the request tells times and wants them told.
    pub(super) zone: Zone,
    pub(super) operation: &'a str,
    pub(super) faults: &'a Faults,
    /// The lists of the directory.
    pub(super) lists: &'a [List],
    /// What befalls the whole request.
    pub(super) actions: &'a [Action],
    pub(super) subscriptions: &'a Arc<Subscriptions>,
    /// Takes what a streaming connection goes on with.
    pub(super) plan: &'a OnceCell<Plan>,
}

/// Answers a request whose operation is known. An error is for the whole request.
pub(super) fn answer(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) -> Result<(), Refusal> {
    if let Some(busy) = context.busy_message() {
        let element = format!("m:{}ResponseMessage", context.operation);
        for _ in 0..slots_of(request) {
            answer.message(&element, &Err(busy.clone()), on_error(context.operation));
        }
        return Ok(());
    }
    match context.operation {
        "GetFolder" => folders::get(context, request, answer),
        "FindFolder" => folders::find(context, request, answer),
        "CreateFolder" => folders::create(context, request, answer),
        "UpdateFolder" => folders::update(context, request, answer),
        "MoveFolder" => folders::relocate(context, request, answer),
        "DeleteFolder" => folders::delete(context, request, answer),
        "EmptyFolder" => folders::empty(context, request, answer),
        "SyncFolderHierarchy" => sync::hierarchy(context, request, answer),
        "SyncFolderItems" => sync::items(context, request, answer),
        "FindItem" => find::find(context, request, answer),
        "GetItem" => items::get(context, request, answer),
        "CreateItem" => return create::create(context, request, answer),
        "UpdateItem" => update::update(context, request, answer),
        "DeleteItem" => items::delete(context, request, answer),
        "MoveItem" | "CopyItem" => items::relocate(context, request, answer),
        "SendItem" => send::send(context, request, answer),
        "MarkAllItemsAsRead" => items::mark_all(context, request, answer),
        "CreateAttachment" => attachments::create(context, request, answer),
        "GetAttachment" => attachments::get(context, request, answer),
        "DeleteAttachment" => attachments::delete(context, request, answer),
        "ResolveNames" => names::resolve(context, request, answer),
        "ExpandDL" => names::expand(context, request, answer),
        "Subscribe" => notifications::subscribe(context, request, answer),
        "GetEvents" => notifications::get_events(context, request, answer),
        "Unsubscribe" => notifications::unsubscribe(context, request, answer),
        "GetStreamingEvents" => {
            if let Some(plan) = notifications::open_stream(context, request, answer)? {
                // It is empty until then.
                let _ = context.plan.set(plan);
            }
        }
        "GetServerTimeZones" => directory::time_zones(context, request, answer),
        "ConvertId" => directory::convert(context, request, answer),
        "CreateUserConfiguration" => configuration::create(context, request, answer),
        "GetUserConfiguration" => configuration::get(context, request, answer),
        "UpdateUserConfiguration" => configuration::update(context, request, answer),
        "DeleteUserConfiguration" => configuration::delete(context, request, answer),
        _ => return Err(Refusal::because("ErrorInvalidRequest", "The request is invalid.")),
    }
    Ok(())
}

/// How many response messages a request gets.
fn slots_of(request: &Element) -> usize {
    const LISTS: &[&str] =
        &["ItemIds", "FolderIds", "Items", "Folders", "ItemChanges", "FolderChanges", "AttachmentIds", "Attachments"];
    LISTS.iter().map(|name| request.list(name).len()).max().unwrap_or(0).max(1)
}

/// What a refused response message still has to hold.
fn on_error(operation: &str) -> &'static str {
    match operation {
        "GetFolder" | "CreateFolder" | "UpdateFolder" | "MoveFolder" => "<m:Folders/>",
        "GetItem" | "CreateItem" | "UpdateItem" | "MoveItem" | "CopyItem" => "<m:Items/>",
        "CreateAttachment" | "GetAttachment" => "<m:Attachments/>",
        "SyncFolderItems" => "<m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>",
        "SyncFolderHierarchy" => "<m:SyncState/><m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange>",
        _ => "",
    }
}

impl Context<'_> {
    fn busy_message(&self) -> Option<Refusal> {
        self.actions.iter().find_map(|action| match action {
            Action::ServerBusyInMessage { backoff_ms } => {
                let busy = Refusal::new("ErrorServerBusy");
                Some(backoff_ms.map_or(busy.clone(), |ms| busy.with_value("BackOffMilliseconds", ms)))
            }
            Action::InternalServerErrorWithInnerBusy => Some(
                Refusal::new("ErrorInternalServerError")
                    .with_value(
                        "InnerErrorMessageText",
                        "The server cannot service this request right now. Try again later.",
                    )
                    .with_value("InnerErrorResponseCode", "ErrorServerBusy"),
            ),
            _ => None,
        })
    }

    /// Answers every entry of a batch in its order.
    fn batch(&self, answer: &mut Answer<'_>, entries: &[Element], mut handle: impl FnMut(usize, &Element) -> Slot) {
        let element = format!("m:{}ResponseMessage", self.operation);
        let mut stopped = false;
        for (slot, entry) in entries.iter().enumerate() {
            let result = if stopped { Err(Refusal::new("ErrorBatchProcessingStopped")) } else { handle(slot, entry) };
            stopped = stopped || result.as_ref().is_err_and(|refusal| stops_batch(&refusal.code));
            answer.message(&element, &result, on_error(self.operation));
        }
    }

    /// Refuses when a rule says so for this item.
    fn spare(&self, slot: usize, id: &str, subject: &str) -> Result<(), Refusal> {
        match self.faults.for_item(self.operation, &Victim { slot, id, subject }) {
            Some(code) => Err(Refusal::new(&code)),
            None => Ok(()),
        }
    }

    fn has(&self, action: &Action) -> bool {
        self.actions.contains(action)
    }

    fn reader(&self) -> Reader<'_> {
        Reader { zone: &self.zone, like: self.like }
    }

    fn is_gromox(&self) -> bool {
        self.like == Personality::Gromox
    }

    /// The folder that a FolderId or DistinguishedFolderId names.
    fn folder(&self, db: &Connection, id: &Element) -> Result<FolderRow, Refusal> {
        let value = id.attribute("Id").unwrap_or_default();
        if id.name == "DistinguishedFolderId" {
            self.own_mailbox(db, id)?;
            let found = store::distinguished_folder(db, self.mailbox.id, value)?.ok_or_else(|| {
                Refusal::new(if self.is_gromox() { "ErrorFolderNotFound" } else { "ErrorItemNotFound" })
            })?;
            return self.check_folder(&found).map(|()| found);
        }
        match self.ids.read(value) {
            Ok(Id::Folder(number)) => {
                let found = store::folder(db, self.mailbox.id, number)?;
                let found = found.ok_or_else(|| Refusal::new("ErrorItemNotFound"))?;
                self.check_folder(&found).map(|()| found)
            }
            Ok(Id::Item(_) | Id::Occurrence(..) | Id::Attachment(..)) => {
                Err(Refusal::because("ErrorInvalidFolderId", "The id is not a folder's."))
            }
            Err(bad) => Err(bad_id(bad)),
        }
    }

    fn own_mailbox(&self, db: &Connection, id: &Element) -> Result<(), Refusal> {
        let Some(address) = id.child("Mailbox").and_then(|mailbox| mailbox.child_text("EmailAddress")) else {
            return Ok(());
        };
        let is_archive = access::is_of_archive(id) && self.mailbox.address == store::archive_of(address);
        match store::mailbox(db, address)? {
            Some(mailbox) if mailbox.id == self.mailbox.id || is_archive => Ok(()),
            Some(_) => Err(Refusal::new("ErrorItemNotFound")),
            None => Err(Refusal::new("ErrorNonExistentMailbox")),
        }
    }

    /// The folder that an element of this name holds.
    fn folder_in(&self, db: &Connection, request: &Element, name: &str) -> Result<FolderRow, Refusal> {
        let id = request.list(name).first().ok_or_else(|| Refusal::new("ErrorInvalidFolderId"))?;
        let found = self.folder(db, id).and_then(|folder| self.check_target(&folder, name).map(|()| folder));
        found.map_err(|refusal| match refusal.code.as_str() {
            "ErrorItemNotFound" => Refusal::new("ErrorFolderNotFound"),
            _ => refusal,
        })
    }

    /// The item that an ItemId, an OccurrenceItemId or a RecurringMasterItemId names.
    fn item(&self, db: &Connection, id: &Element) -> Result<Item, Refusal> {
        match id.name.as_str() {
            "OccurrenceItemId" => {
                let number = id.attribute("InstanceIndex").and_then(|number| number.parse().ok()).unwrap_or(0);
                let master = self.item_of(db, id.attribute("RecurringMasterId").unwrap_or_default())?;
                occurrences::nth(db, &master, number)
            }
            "RecurringMasterItemId" if !self.is_gromox() => {
                let item = self.item_of(db, id.attribute("OccurrenceId").unwrap_or_default())?;
                let master = occurrences::master(self, db, &item)?;
                master.ok_or_else(|| Refusal::new("ErrorCalendarCannotUseIdForRecurringMasterId"))
            }
            "ItemId" | "ParentItemId" | "ReferenceItemId" => self.item_of(db, id.attribute("Id").unwrap_or_default()),
            "RecurringMasterItemIdRanges" if !self.is_gromox() => {
                Err(Refusal::because("ErrorInvalidOperation", "Ranges of occurrences are not supported."))
            }
            _ => Err(Refusal::because("ErrorInvalidId", "The id is of a kind that is not supported.")),
        }
    }

    pub(super) fn item_of(&self, db: &Connection, id: &str) -> Result<Item, Refusal> {
        let stored = |number: i64| {
            let item = store::item(db, self.mailbox.id, number)?.filter(|item| item.master == 0);
            let item = item.ok_or_else(|| Refusal::new("ErrorItemNotFound"))?;
            self.check_item(db, &item).map(|()| item)
        };
        match self.ids.read(id) {
            Ok(Id::Item(number)) => stored(number),
            Ok(Id::Occurrence(master, number)) => occurrences::nth(db, &stored(master)?, number),
            Ok(Id::Folder(_) | Id::Attachment(..)) => {
                Err(Refusal::because("ErrorCannotUseFolderIdForItemId", "The id is not an item's."))
            }
            Err(bad) => Err(bad_id(bad)),
        }
    }

    pub(super) fn item_id(&self, item: &Item) -> String {
        if item.master > 0 {
            return self.ids.occurrence(item.folder, item.master, item.instance);
        }
        self.ids.item(item.folder, item.id)
    }

    pub(super) fn change_key(&self, item: &Item) -> String {
        self.ids.change_key(key_kind(&item.element), item.key_cn)
    }

    /// `<t:ItemId …/>`
    fn item_id_xml(&self, item: &Item) -> String {
        let mut out = XmlOut::new();
        out.leaf("t:ItemId", &[("Id", &self.item_id(item)), ("ChangeKey", &self.change_key(item))], "");
        out.buffer
    }

    /// `<m:Items>` with one item that shows only its id.
    fn items_xml(&self, item: &Item) -> String {
        format!("<m:Items><t:{0}>{1}</t:{0}></m:Items>", item.element, self.item_id_xml(item))
    }
}

fn bad_id(bad: BadId) -> Refusal {
    match bad {
        BadId::Malformed => Refusal::new("ErrorInvalidIdMalformed"),
        BadId::Foreign => Refusal::new("ErrorItemNotFound"),
    }
}

/// A boolean as XML writes it.
fn is_true(text: &str) -> bool {
    matches!(text.trim(), "true" | "1")
}
