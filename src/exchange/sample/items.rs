//! A few items that are no mail, and the master category list.

use rusqlite::Connection;

use super::super::Error;
use super::super::mime::{self, Message};
use super::super::store::{self, Configuration, MailboxRow, NewItem};

/// The categories of the master list and their colours.
pub(super) const CATEGORIES: &[(&str, i64)] =
    &[("Red category", 0), ("Harbour", 7), ("Library", 4), ("Waiting for", 3), ("Private", 8)];

/// An item: folder, class, element, subject, body, and the elements that make it what it is.
type Sample =
    (&'static str, &'static str, &'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const ITEMS: &[Sample] = &[
    (
        "calendar",
        "IPM.Appointment",
        "CalendarItem",
        "Site meeting",
        "At the quay, bring boots.",
        &[
            ("Start", "2026-11-10T09:00:00Z"),
            ("End", "2026-11-10T10:00:00Z"),
            ("Location", "Quay 4"),
            ("LegacyFreeBusyStatus", "Busy"),
        ],
    ),
    (
        "calendar",
        "IPM.Appointment",
        "CalendarItem",
        "Dentist",
        "",
        &[("Start", "2026-11-12T14:30:00Z"), ("End", "2026-11-12T15:00:00Z"), ("LegacyFreeBusyStatus", "OOF")],
    ),
    (
        "contacts",
        "IPM.Contact",
        "Contact",
        "Ada Brandt",
        "Met at the harbour.",
        &[
            ("FileAs", "Brandt, Ada"),
            ("DisplayName", "Ada Brandt"),
            ("GivenName", "Ada"),
            ("CompanyName", "Example"),
            ("Surname", "Brandt"),
        ],
    ),
    (
        "contacts",
        "IPM.Contact",
        "Contact",
        "Jörg Weiß",
        "",
        &[("FileAs", "Weiß, Jörg"), ("DisplayName", "Jörg Weiß"), ("GivenName", "Jörg"), ("Surname", "Weiß")],
    ),
    (
        "tasks",
        "IPM.Task",
        "Task",
        "Order the new shelves",
        "Twelve, oak.",
        &[("DueDate", "2026-11-30T00:00:00Z"), ("PercentComplete", "0"), ("Status", "NotStarted")],
    ),
    ("notes", "IPM.StickyNote", "Message", "Door code", "Door code\r\nask Tom", &[]),
    ("journal", "IPM.Activity", "Item", "Telephone call", "Rang the ministry.", &[]),
];

/// Puts them into a new mailbox.
pub(super) fn seed(db: &Connection, mailbox: &MailboxRow) -> Result<(), Error> {
    for (folder, class, element, subject, text, fields) in ITEMS {
        let Some(folder) = store::distinguished_folder(db, mailbox.id, folder)? else { continue };
        let message = Message { text: Some((*text).to_owned()), ..Message::default() };
        let mut item = NewItem {
            class: (*class).to_owned(),
            element: (*element).to_owned(),
            subject: (*subject).to_owned(),
            is_read: true,
            received: super::UNTIL,
            sent: super::UNTIL,
            mime: mime::assemble(&message),
            ..NewItem::default()
        };
        for (name, value) in *fields {
            item.meta.fields.insert((*name).to_owned(), format!("<t:{name}>{value}</t:{name}>"));
        }
        store::insert_item(db, mailbox.id, folder.id, item)?;
    }
    category_list(db, mailbox)
}

fn category_list(db: &Connection, mailbox: &MailboxRow) -> Result<(), Error> {
    let Some(calendar) = store::distinguished_folder(db, mailbox.id, "calendar")? else { return Ok(()) };
    let mut xml = String::from(
        "<?xml version=\"1.0\"?>\r\n<categories default=\"Red category\" lastSavedSession=\"5\" \
         lastSavedTime=\"2026-10-30T10:00:00.000\" xmlns=\"CategoryList.xsd\">",
    );
    for (number, (name, color)) in CATEGORIES.iter().enumerate() {
        xml.push_str(&format!(
            "<category name=\"{name}\" color=\"{color}\" keyboardShortcut=\"0\" usageCount=\"{number}\" \
             lastTimeUsed=\"1601-01-01T00:00:00.000\" lastSessionUsed=\"0\" \
             guid=\"{{5A5AF0C{number}-43A6-4B0E-8E5D-1D4CB0C7B29E}}\" renameOnFirstUse=\"0\"/>"
        ));
    }
    xml.push_str("</categories>");
    let list = Configuration { xml: Some(xml.into_bytes()), ..Configuration::default() };
    Ok(store::put_configuration(db, mailbox.id, calendar.id, "CategoryList", &list)?)
}
