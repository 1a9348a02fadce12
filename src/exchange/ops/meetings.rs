//! Meetings: invitations, updates and cancellations that reach the attendees' mailboxes, and their answers.

use rusqlite::Connection;

use super::super::ids::Ids;
use super::super::kinds::event::{self, ATTENDEES};
use super::super::kinds::values::{self, Kept};
use super::super::mime;
use super::super::soap::Refusal;
use super::super::store::{self, Change, Item, MailboxRow, Meta, NewItem, Person};
use super::super::time;
use super::super::xml::{Element, XmlOut};
use super::{Context, Slot, create, occurrences};

/// A message about a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    Request,
    Cancellation,
    /// An answer: the row of [`ANSWERS`] that it is.
    Answer(usize),
}

/// The response object, the answer that it gives, the end of its message's class, what its subject begins with, and the
/// end of the codes that refuse it.
const ANSWERS: [(&str, &str, &str, &str, &str); 3] = [
    ("AcceptItem", "Accept", "Pos", "Accepted", "Accept"),
    ("TentativelyAcceptItem", "Tentative", "Tent", "Tentative", "Tentative"),
    ("DeclineItem", "Decline", "Neg", "Declined", "Decline"),
];

/// How the codes for a wrong item name an answer.
fn refused_as(suffix: &str) -> &str {
    match suffix {
        "Accept" => "AcceptItem",
        "Decline" => "DeclineItem",
        other => other,
    }
}

/// The bits of an appointment's state: it is a meeting, it came from somebody else, it was cancelled.
const MEETING: i64 = 1;
const RECEIVED: i64 = 2;
const CANCELLED: i64 = 4;

/// Whether an element of CreateItem answers an invitation.
pub(super) fn is_answer(element: &str) -> bool {
    ANSWERS.iter().any(|answer| answer.0 == element)
}

/// Whether the attendees are told, by an attribute such as SendMeetingInvitations; and whether a copy is kept.
fn tells(attribute: Option<&str>) -> Option<bool> {
    match attribute {
        Some("SendOnlyToAll" | "SendOnlyToChanged") => Some(false),
        Some("SendToAllAndSaveCopy" | "SendToChangedAndSaveCopy") => Some(true),
        _ => None,
    }
}

fn attendees(meta: &Meta) -> Vec<Person> {
    ATTENDEES.iter().flat_map(|list| event::people(meta, list)).collect()
}

fn text(meta: &Meta, name: &str) -> Option<String> {
    values::text(&meta.fields, name)
}

fn state(meta: &Meta) -> i64 {
    text(meta, "AppointmentState").and_then(|state| state.parse().ok()).unwrap_or(0)
}

fn put_state(meta: &mut Meta, state: i64) {
    values::put(&mut meta.fields, "AppointmentState", &state.to_string());
}

fn owner(mailbox: &MailboxRow) -> Person {
    Person { name: mailbox.address.clone(), address: mailbox.address.clone() }
}

fn organizer_xml(person: &Person) -> String {
    let mut out = XmlOut::new();
    out.raw("<t:Organizer><t:Mailbox>");
    out.put("t:Name", &person.name);
    out.put("t:EmailAddress", &person.address);
    out.raw("<t:RoutingType>SMTP</t:RoutingType></t:Mailbox></t:Organizer>");
    out.buffer
}

fn organizer(meta: &Meta) -> Option<String> {
    let element = values::element(&meta.fields, "Organizer")?;
    element.child("Mailbox")?.child_text("EmailAddress").map(str::to_owned)
}

/// The appointment with this UID in somebody's calendar.
fn by_uid(db: &Connection, mailbox: &MailboxRow, uid: &str) -> Result<Option<Item>, Refusal> {
    let Some(calendar) = store::distinguished_folder(db, mailbox.id, "calendar")? else { return Ok(None) };
    let items = store::items_in(db, calendar.id, false)?;
    Ok(items.into_iter().find(|item| text(&item.meta, "UID").as_deref() == Some(uid)))
}

/// Tells the attendees of a meeting that was made or changed, when the attribute says so.
pub(super) fn invite(
    context: &Context<'_>,
    db: &Connection,
    item: &mut Item,
    attribute: Option<&str>,
) -> Result<(), Refusal> {
    let people = attendees(&item.meta);
    let Some(keeps_copy) = tells(attribute).filter(|_| !people.is_empty() && event::is_organizer(&item.meta)) else {
        return Ok(());
    };
    if text(&item.meta, "MeetingRequestWasSent").as_deref() == Some("true") {
        let number = text(&item.meta, "AppointmentSequenceNumber").and_then(|number| number.parse::<i64>().ok());
        values::put(&mut item.meta.fields, "AppointmentSequenceNumber", &(number.unwrap_or(0) + 1).to_string());
    }
    values::put(&mut item.meta.fields, "MeetingRequestWasSent", "true");
    occurrences::save(context, db, item, &["MeetingRequestWasSent", "AppointmentSequenceNumber"], None)?;
    let content = store::content(db, item)?;
    for person in people.iter().filter(|person| !person.address.eq_ignore_ascii_case(&context.mailbox.address)) {
        let Some(mailbox) = store::mailbox(db, &person.address)? else { continue };
        let theirs = context.of(&mailbox);
        let entry = put_into_calendar(&theirs, db, context.mailbox, item, &content)?;
        let mut new = notice(context.mailbox, item, Notice::Request, &content);
        new.meta.fields.insert("AssociatedCalendarItemId".to_owned(), associated(&theirs, &entry));
        new.meta
            .fields
            .insert("ResponseType".to_owned(), "<t:ResponseType>NoResponseReceived</t:ResponseType>".to_owned());
        put_into(db, &mailbox, "inbox", new)?;
    }
    if keeps_copy {
        put_into(db, context.mailbox, "sentitems", sent(notice(context.mailbox, item, Notice::Request, &content)))?;
    }
    Ok(())
}

/// Writes a meeting into an attendee's calendar, as the server does before anybody answers.
fn put_into_calendar(
    theirs: &Context<'_>,
    db: &Connection,
    organizer: &MailboxRow,
    item: &Item,
    content: &[u8],
) -> Result<Item, Refusal> {
    let uid = text(&item.meta, "UID").unwrap_or_default();
    let mut meta =
        Meta { fields: received(&item.meta, organizer), deleted: item.meta.deleted.clone(), ..Meta::default() };
    put_state(&mut meta, MEETING | RECEIVED);
    match by_uid(db, theirs.mailbox, &uid)? {
        Some(series) if item.master > 0 => {
            let mut one = occurrences::nth(db, &series, item.instance)?;
            take_over(&mut one, item);
            occurrences::save(theirs, db, &mut one, &PASSED_ON, Some(content))?;
            Ok(one)
        }
        Some(mut known) => {
            store::drop_exceptions(db, known.id)?;
            // An answer holds as long as the time does.
            let timing = ["Start", "End", "Recurrence"];
            let same = timing.iter().all(|name| known.meta.fields.get(*name) == meta.fields.get(*name));
            let answer: &[&str] =
                if same { &["MyResponseType", "AppointmentReplyTime", "LegacyFreeBusyStatus"] } else { &[] };
            for own in ["ReminderIsSet", "ReminderMinutesBeforeStart"].iter().chain(answer) {
                meta.fields.remove(*own);
                meta.fields.extend(known.meta.fields.remove_entry(*own));
            }
            known.subject.clone_from(&item.subject);
            (known.meta.fields, known.meta.deleted) = (meta.fields, meta.deleted);
            store::save_item(db, &mut known, Change::Full, Some(content))?;
            pass_exceptions(db, item, &known)?;
            Ok(known)
        }
        None => {
            let new = NewItem {
                class: "IPM.Appointment".to_owned(),
                element: "CalendarItem".to_owned(),
                subject: item.subject.clone(),
                is_read: true,
                received: time::now_millis(),
                sent: time::now_millis(),
                has_attachments: item.has_attachments,
                meta,
                mime: content.to_vec(),
                ..NewItem::default()
            };
            let entry = put_into(db, theirs.mailbox, "calendar", new)?;
            pass_exceptions(db, item, &entry)?;
            Ok(entry)
        }
    }
}

/// What an attendee gets of an exception.
const PASSED_ON: [&str; 5] = ["Subject", "Start", "End", "Location", "IsAllDayEvent"];

fn take_over(one: &mut Item, from: &Item) {
    one.subject.clone_from(&from.subject);
    for name in PASSED_ON.into_iter().filter(|name| *name != "Subject") {
        one.meta.fields.remove(name);
        one.meta.fields.extend(from.meta.fields.get(name).map(|xml| (name.to_owned(), xml.clone())));
    }
}

/// Gives an attendee's series the exceptions of the organizer's.
fn pass_exceptions(db: &Connection, from: &Item, to: &Item) -> Result<(), Refusal> {
    for exception in store::exceptions(db, from)? {
        let exception = occurrences::nth(db, from, exception.instance)?;
        let mut one = occurrences::nth(db, to, exception.instance)?;
        take_over(&mut one, &exception);
        let known = exception.meta.overrides.iter().filter(|name| PASSED_ON.contains(&name.as_str()));
        one.meta.overrides = known.cloned().collect();
        store::save_exception(db, &mut one, None)?;
    }
    Ok(())
}

/// What an attendee gets of a meeting's properties.
fn received(meta: &Meta, from: &MailboxRow) -> Kept {
    let mut kept = meta.fields.clone();
    let busy = kept.remove("LegacyFreeBusyStatus").unwrap_or_default();
    let intended = busy.replace("LegacyFreeBusyStatus", "IntendedFreeBusyStatus");
    if !intended.is_empty() {
        kept.insert("IntendedFreeBusyStatus".to_owned(), intended);
    }
    values::put(&mut kept, "LegacyFreeBusyStatus", "Tentative");
    values::put(&mut kept, "MyResponseType", "NoResponseReceived");
    kept.insert("Organizer".to_owned(), organizer_xml(&owner(from)));
    kept
}

/// The elements of an appointment that its messages tell, too.
const TOLD: [&str; 12] = [
    "UID",
    "RecurrenceId",
    "DateTimeStamp",
    "Start",
    "End",
    "IsAllDayEvent",
    "Location",
    "RequiredAttendees",
    "OptionalAttendees",
    "Resources",
    "AppointmentSequenceNumber",
    "Recurrence",
];
/// Those of them that an answer and a cancellation have.
const TOLD_BRIEFLY: [&str; 6] = ["UID", "RecurrenceId", "DateTimeStamp", "Start", "End", "Location"];

/// A message about a meeting, from the owner of a mailbox.
fn notice(from: &MailboxRow, item: &Item, kind: Notice, content: &[u8]) -> NewItem {
    let (element, class, mark) = match kind {
        Notice::Request => ("MeetingRequest", "IPM.Schedule.Meeting.Request".to_owned(), ""),
        Notice::Cancellation => ("MeetingCancellation", "IPM.Schedule.Meeting.Canceled".to_owned(), "Canceled"),
        Notice::Answer(row) => {
            let answer = ANSWERS.get(row).copied().unwrap_or_default();
            ("MeetingResponse", format!("IPM.Schedule.Meeting.Resp.{}", answer.2), answer.3)
        }
    };
    let names: &[&str] = if kind == Notice::Request { &TOLD } else { &TOLD_BRIEFLY };
    let mut fields: Kept = names
        .iter()
        .filter_map(|name| item.meta.fields.get(*name).map(|xml| ((*name).to_owned(), xml.clone())))
        .collect();
    if kind == Notice::Request {
        values::put(&mut fields, "MeetingRequestType", "NewMeetingRequest");
        values::put(&mut fields, "IsMeeting", "true");
        fields.insert("Organizer".to_owned(), organizer_xml(&owner(from)));
    }
    let now = time::now_millis();
    let person = owner(from);
    let to = match kind {
        Notice::Answer(_) => {
            let address = organizer(&item.meta).unwrap_or_default();
            vec![Person { name: address.clone(), address }]
        }
        Notice::Request | Notice::Cancellation => event::people(&item.meta, "RequiredAttendees"),
    };
    NewItem {
        class,
        element: element.to_owned(),
        subject: [mark, &item.subject].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": "),
        received: now,
        sent: now,
        has_attachments: false,
        meta: Meta {
            from: Some(person.clone()),
            sender: Some(person),
            to,
            cc: event::people(&item.meta, "OptionalAttendees"),
            fields,
            ..Meta::default()
        },
        mime: content.to_vec(),
        ..NewItem::default()
    }
}

fn sent(new: NewItem) -> NewItem {
    NewItem { is_read: true, ..new }
}

fn associated(context: &Context<'_>, entry: &Item) -> String {
    context.item_id_xml(entry).replace("t:ItemId", "t:AssociatedCalendarItemId")
}

fn put_into(db: &Connection, mailbox: &MailboxRow, folder: &str, new: NewItem) -> Result<Item, Refusal> {
    let folder = store::distinguished_folder(db, mailbox.id, folder)?;
    let folder = folder.ok_or_else(|| Refusal::new("ErrorFolderNotFound"))?;
    Ok(store::insert_item(db, mailbox.id, folder.id, new)?)
}

/// Tells the attendees that a meeting, or one occurrence of it, does not take place, when the attribute says so.
pub(super) fn cancel(
    context: &Context<'_>,
    db: &Connection,
    item: &Item,
    attribute: Option<&str>,
) -> Result<(), Refusal> {
    let people = attendees(&item.meta);
    let Some(keeps_copy) = tells(attribute).filter(|_| !people.is_empty() && event::is_organizer(&item.meta)) else {
        return Ok(());
    };
    let content = store::content(db, item)?;
    let uid = text(&item.meta, "UID").unwrap_or_default();
    for person in people.iter().filter(|person| !person.address.eq_ignore_ascii_case(&context.mailbox.address)) {
        let Some(mailbox) = store::mailbox(db, &person.address)? else { continue };
        let theirs = context.of(&mailbox);
        let mut new = notice(context.mailbox, item, Notice::Cancellation, &content);
        if let Some(series) = by_uid(db, &mailbox, &uid)? {
            new.meta.fields.insert("AssociatedCalendarItemId".to_owned(), associated(&theirs, &series));
            call_off(&theirs, db, series, item.instance)?;
        }
        put_into(db, &mailbox, "inbox", new)?;
    }
    if keeps_copy {
        put_into(
            db,
            context.mailbox,
            "sentitems",
            sent(notice(context.mailbox, item, Notice::Cancellation, &content)),
        )?;
    }
    Ok(())
}

/// Marks a meeting in an attendee's calendar as cancelled; of a series only one occurrence, unless that is 0.
fn call_off(theirs: &Context<'_>, db: &Connection, entry: Item, instance: i64) -> Result<(), Refusal> {
    let mut entry = if instance > 0 { occurrences::nth(db, &entry, instance)? } else { entry };
    entry.subject = format!("Canceled: {}", entry.subject);
    put_state(&mut entry.meta, MEETING | RECEIVED | CANCELLED);
    values::put(&mut entry.meta.fields, "LegacyFreeBusyStatus", "Free");
    occurrences::save(theirs, db, &mut entry, &["Subject", "AppointmentState", "LegacyFreeBusyStatus"], None)
}

/// CancelCalendarItem: the organizer calls a meeting off.
pub(super) fn call_off_own(context: &Context<'_>, db: &Connection, wanted: &Element) -> Slot {
    let reference = wanted.child("ReferenceItemId").ok_or_else(|| Refusal::new("ErrorInvalidId"))?;
    let item = context.item(db, reference)?;
    if item.element != "CalendarItem" || !event::is_organizer(&item.meta) {
        return Err(Refusal::new("ErrorCalendarIsNotOrganizer"));
    }
    cancel(context, db, &item, Some("SendToAllAndSaveCopy"))?;
    if item.master > 0 {
        occurrences::delete(context, db, &item)?;
        return Ok("<m:Items/>".to_owned());
    }
    bin(context, db, &item).map(|gone| context.items_xml(&gone))
}

fn bin(context: &Context<'_>, db: &Connection, item: &Item) -> Result<Item, Refusal> {
    let bin = store::deleted_items(db, context.mailbox.id)?;
    let bin = bin.ok_or_else(|| Refusal::new("ErrorFolderNotFound"))?;
    Ok(store::move_item(db, item, bin.id)?)
}

/// AcceptItem, TentativelyAcceptItem, DeclineItem: an attendee's answer.
pub(super) fn respond(context: &Context<'_>, db: &Connection, request: &Element, wanted: &Element) -> Slot {
    let row = ANSWERS.iter().position(|answer| answer.0 == wanted.name).unwrap_or(0);
    let (_, answer, _, _, suffix) = ANSWERS.get(row).copied().unwrap_or_default();
    let disposition =
        request.attribute("MessageDisposition").ok_or_else(|| Refusal::new("ErrorMessageDispositionRequired"))?;
    let reference = wanted.child("ReferenceItemId").ok_or_else(|| Refusal::new("ErrorInvalidId"))?;
    let referred = context.item(db, reference)?;
    let mut entry = match referred.element.as_str() {
        "CalendarItem" => referred.clone(),
        "MeetingRequest" => {
            let uid = text(&referred.meta, "UID").unwrap_or_default();
            by_uid(db, context.mailbox, &uid)?.ok_or_else(|| Refusal::new("ErrorItemNotFound"))?
        }
        _ => return Err(Refusal::new(&format!("ErrorInvalidItemForOperation{}", refused_as(suffix)))),
    };
    if event::is_organizer(&entry.meta) {
        return Err(Refusal::new(&format!("ErrorCalendarIsOrganizerFor{suffix}")));
    }
    if state(&entry.meta) & CANCELLED != 0 {
        return Err(Refusal::new(&format!("ErrorCalendarIsCancelledFor{suffix}")));
    }
    let now = time::now_millis();
    values::put(&mut entry.meta.fields, "MyResponseType", answer);
    values::put_time(&mut entry.meta.fields, "AppointmentReplyTime", now);
    let intended = text(&entry.meta, "IntendedFreeBusyStatus").unwrap_or_else(|| "Busy".to_owned());
    let busy = if answer == "Accept" { intended.as_str() } else { "Tentative" };
    values::put(&mut entry.meta.fields, "LegacyFreeBusyStatus", busy);
    occurrences::save(
        context,
        db,
        &mut entry,
        &["MyResponseType", "AppointmentReplyTime", "LegacyFreeBusyStatus"],
        None,
    )?;
    let mut shown = String::new();
    if disposition != "SaveOnly" {
        shown = send_answer(context, db, &entry, row, wanted, disposition)?;
    }
    if referred.element == "MeetingRequest" {
        let gone = bin(context, db, &referred)?;
        shown.push_str(&shown_as(context, &gone));
    }
    if answer != "Decline" {
        shown.push_str(&shown_as(context, &entry));
    } else if entry.master > 0 {
        occurrences::delete(context, db, &entry)?;
    } else {
        shown.push_str(&shown_as(context, &bin(context, db, &entry)?));
    }
    Ok(format!("<m:Items>{shown}</m:Items>"))
}

fn shown_as(context: &Context<'_>, item: &Item) -> String {
    format!("<t:{0}>{1}</t:{0}>", item.element, context.item_id_xml(item))
}

/// Sends an answer to the organizer, whose server notes it; gives the copy that is kept.
fn send_answer(
    context: &Context<'_>,
    db: &Connection,
    entry: &Item,
    row: usize,
    wanted: &Element,
    disposition: &str,
) -> Result<String, Refusal> {
    let mut message = mime::Message::default();
    create::set_body(&mut message, wanted.child("Body"));
    let content = mime::assemble(&message);
    let answer = ANSWERS.get(row).copied().unwrap_or_default().1;
    let address = organizer(&entry.meta).unwrap_or_default();
    if let Some(mailbox) = store::mailbox(db, &address)? {
        let theirs = context.of(&mailbox);
        let mut new = notice(context.mailbox, entry, Notice::Answer(row), &content);
        values::put(&mut new.meta.fields, "ResponseType", answer);
        let uid = text(&entry.meta, "UID").unwrap_or_default();
        if let Some(mut known) = by_uid(db, &mailbox, &uid)? {
            if entry.master > 0 {
                known = occurrences::nth(db, &known, entry.instance)?;
            }
            new.meta.fields.insert("AssociatedCalendarItemId".to_owned(), associated(&theirs, &known));
            let when = time::iso(time::now_millis());
            if event::answer_of(&mut known.meta, &context.mailbox.address, answer, &when) {
                occurrences::save(&theirs, db, &mut known, &ATTENDEES, None)?;
            }
        }
        put_into(db, &mailbox, "inbox", new)?;
    }
    if disposition != "SendAndSaveCopy" {
        return Ok(String::new());
    }
    let mut copy = notice(context.mailbox, entry, Notice::Answer(row), &content);
    values::put(&mut copy.meta.fields, "ResponseType", answer);
    let copy = put_into(db, context.mailbox, "sentitems", sent(copy))?;
    Ok(shown_as(context, &copy))
}

impl<'a> Context<'a> {
    /// The same request, seen from somebody else's mailbox.
    fn of<'b>(&'b self, mailbox: &'b MailboxRow) -> Context<'b>
    where
        'a: 'b,
    {
        Context { mailbox, ids: Ids::new(&mailbox.guid), zone: self.zone.clone(), ..*self }
    }
}
