//! Items that are no mail, made as a client's CreateItem makes them, and the master category list.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;

use super::super::Error;
use super::super::ops::Maker;
use super::super::store::{self, Configuration, MailboxRow};
use super::super::xml::XmlOut;
use super::{picture, put};

/// The categories of the master list, their colours and shortcuts.
pub(super) const CATEGORIES: &[(&str, i64, i64)] = &[
    ("Red category", 0, 0),
    ("Harbour", 7, 2),
    ("Library", 4, 3),
    ("Waiting for", 3, 0),
    ("Private", 8, 0),
    ("Friends", 14, 0),
    ("No colour", -1, 0),
];

/// Given name, surname, mail address, company, birthday, and more elements that stand between the addresses and the
/// anniversary.
type Card = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

const CONTACTS: &[Card] = &[
    (
        "Ada",
        "Brandt",
        "ada.brandt@example.com",
        "Example",
        "1981-12-10",
        "<t:PhysicalAddresses><t:Entry Key=\"Business\"><t:Street>Quay 4</t:Street><t:City>Hamburg</t:City>\
         <t:CountryOrRegion>Germany</t:CountryOrRegion><t:PostalCode>20457</t:PostalCode></t:Entry></t:PhysicalAddresses>\
         <t:PhoneNumbers><t:Entry Key=\"BusinessPhone\">+49 40 123456</t:Entry><t:Entry Key=\"MobilePhone\">+49 170 1234567\
         </t:Entry></t:PhoneNumbers><t:Department>Survey</t:Department><t:JobTitle>Engineer</t:JobTitle>",
    ),
    (
        "Jörg",
        "Weiß",
        "joerg@harbour.example.net",
        "Harbour works",
        "",
        "<t:PhoneNumbers><t:Entry Key=\"BusinessPhone\">+49 40 987</t:Entry><t:Entry Key=\"BusinessFax\">+49 40 988</t:Entry>\
         </t:PhoneNumbers><t:AssistantName>Frau Sörensen</t:AssistantName><t:Manager>Ada Brandt</t:Manager>",
    ),
    (
        "Мария",
        "Орлова",
        "orlova@example.ru",
        "Смета",
        "1975-02-28",
        "<t:ImAddresses><t:Entry Key=\"ImAddress1\">xmpp:orlova@example.ru</t:Entry></t:ImAddresses>",
    ),
    (
        "Sean",
        "O'Neill",
        "sean.oneill@example.ie",
        "",
        "1990-07-01",
        "<t:PhysicalAddresses><t:Entry Key=\"Home\"><t:Street>1 High St&#xD;\nFlat 2</t:Street><t:City>Cork</t:City>\
         <t:CountryOrRegion>Ireland</t:CountryOrRegion></t:Entry></t:PhysicalAddresses>\
         <t:Children><t:String>Aoife</t:String><t:String>Conor</t:String></t:Children><t:SpouseName>Niamh</t:SpouseName>",
    ),
    (
        "Chloé",
        "Lefèvre",
        "chloe.lefevre@example.fr",
        "Atelier",
        "",
        "<t:BusinessHomePage>https://atelier.example.fr/</t:BusinessHomePage>",
    ),
    ("花子", "田中", "hanako@example.jp", "港湾局", "1988-03-03", ""),
    ("Anna-Lena", "Übermaß", "al@example.de", "", "2000-02-29", "<t:Nickname>Leni</t:Nickname>"),
    (
        "Tom",
        "",
        "tom@example.com",
        "",
        "",
        "<t:PhoneNumbers><t:Entry Key=\"HomePhone\">0815</t:Entry></t:PhoneNumbers>",
    ),
];

/// Tasks: everything but the element around it.
const TASKS: &[&str] = &[
    "<t:Subject>Order the new shelves</t:Subject><t:Body BodyType=\"Text\">Twelve, oak.</t:Body>\
     <t:DueDate>2026-11-30T00:00:00Z</t:DueDate>",
    "<t:Subject>Figures for March</t:Subject><t:Categories><t:String>Harbour</t:String></t:Categories>\
     <t:Importance>High</t:Importance><t:DueDate>2026-11-27T00:00:00Z</t:DueDate><t:PercentComplete>50</t:PercentComplete>\
     <t:StartDate>2026-11-16T00:00:00Z</t:StartDate>",
    "<t:Subject>Return library books</t:Subject><t:CompleteDate>2026-10-09T00:00:00Z</t:CompleteDate>\
     <t:DueDate>2026-10-10T00:00:00Z</t:DueDate>",
    "<t:Subject>Water the plants</t:Subject><t:DueDate>2026-11-27T00:00:00Z</t:DueDate><t:Recurrence><t:WeeklyRecurrence>\
     <t:Interval>1</t:Interval><t:DaysOfWeek>Friday</t:DaysOfWeek></t:WeeklyRecurrence><t:NoEndRecurrence>\
     <t:StartDate>2026-11-27</t:StartDate></t:NoEndRecurrence></t:Recurrence><t:StartDate>2026-11-27T00:00:00Z</t:StartDate>",
    "<t:Subject>Service the boiler</t:Subject><t:DueDate>2027-03-01T00:00:00Z</t:DueDate><t:Recurrence><t:YearlyRegeneration>\
     <t:Interval>1</t:Interval></t:YearlyRegeneration><t:NoEndRecurrence><t:StartDate>2027-03-01</t:StartDate>\
     </t:NoEndRecurrence></t:Recurrence>",
    "<t:Subject>Antwort vom Ministerium</t:Subject><t:Categories><t:String>Waiting for</t:String></t:Categories>\
     <t:ReminderDueBy>2026-12-01T08:00:00Z</t:ReminderDueBy><t:ReminderIsSet>true</t:ReminderIsSet>\
     <t:Status>WaitingOnOthers</t:Status>",
    "<t:Subject>Plan B</t:Subject><t:Sensitivity>Private</t:Sensitivity><t:Status>Deferred</t:Status>",
];

/// Notes: their text, and their colour.
const NOTES: &[(&str, i64)] = &[
    ("Door code\r\nask Tom", 3),
    ("Einkauf\r\nMilch\r\nBrot\r\n\r\nGrüße ☕", 1),
    ("Measurements\r\n\r\n  shelf  82 cm\r\n  desk  160 cm", 0),
    ("リスト\r\n- 図面\r\n- 見積", 2),
];

/// Puts them into a new mailbox.
pub(super) fn seed(db: &Connection, mailbox: &MailboxRow, maker: &Maker<'_>) -> Result<(), Error> {
    for (number, card) in CONTACTS.iter().enumerate() {
        put(db, mailbox, maker, "contacts", &contact(number, card))?;
    }
    put(db, mailbox, maker, "contacts", FRIENDS)?;
    for task in TASKS {
        put(db, mailbox, maker, "tasks", &format!("<t:Task>{task}</t:Task>"))?;
    }
    for (text, colour) in NOTES {
        put(db, mailbox, maker, "notes", &note(text, *colour))?;
    }
    put(db, mailbox, maker, "journal", CALL)?;
    category_list(db, mailbox)
}

const FRIENDS: &str = "<t:DistributionList><t:DisplayName>Friends</t:DisplayName><t:Members><t:Member><t:Mailbox>\
    <t:Name>Tom</t:Name><t:EmailAddress>tom@example.com</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType>\
    <t:MailboxType>OneOff</t:MailboxType></t:Mailbox></t:Member></t:Members></t:DistributionList>";

const CALL: &str = "<t:Item><t:ItemClass>IPM.Activity</t:ItemClass><t:Subject>Telephone call</t:Subject>\
    <t:Body BodyType=\"Text\">Rang the ministry.</t:Body></t:Item>";

fn contact(number: usize, (given, last, mail, company, born, more): &Card) -> String {
    let mut out = XmlOut::new();
    out.raw("<t:Contact>");
    if number.is_multiple_of(2) {
        // Every other one has a picture, in a colour of its own.
        let picture = STANDARD.encode(picture::square(u8::try_from(number * 30 % 256).unwrap_or(0)));
        out.raw("<t:Attachments><t:FileAttachment><t:Name>ContactPicture.jpg</t:Name><t:ContentType>image/png</t:ContentType>");
        out.raw("<t:IsContactPhoto>true</t:IsContactPhoto>");
        out.put("t:Content", &picture);
        out.raw("</t:FileAttachment></t:Attachments>");
    }
    if number.is_multiple_of(3) {
        out.raw("<t:Categories><t:String>Harbour</t:String></t:Categories>");
    }
    out.raw("<t:FileAsMapping>LastCommaFirst</t:FileAsMapping>");
    for (name, value) in [("GivenName", given), ("CompanyName", company), ("Surname", last)] {
        if !value.is_empty() {
            out.put(&format!("t:{name}"), value);
        }
    }
    out.raw("<t:EmailAddresses>");
    out.leaf("t:Entry", &[("Key", "EmailAddress1")], mail);
    out.raw("</t:EmailAddresses>");
    out.raw(more);
    if !born.is_empty() {
        out.put("t:Birthday", &format!("{born}T00:00:00Z"));
    }
    out.raw("</t:Contact>");
    out.buffer
}

fn note(text: &str, colour: i64) -> String {
    let mut out = XmlOut::new();
    out.raw("<t:Message><t:ItemClass>IPM.StickyNote</t:ItemClass>");
    out.put("t:Subject", text.lines().next().unwrap_or_default());
    out.leaf("t:Body", &[("BodyType", "Text")], text);
    out.raw("<t:ExtendedProperty>");
    let path = [
        ("PropertySetId", "0006200e-0000-0000-c000-000000000046"),
        ("PropertyId", "35584"),
        ("PropertyType", "Integer"),
    ];
    out.leaf("t:ExtendedFieldURI", &path, "");
    out.put("t:Value", &colour.to_string());
    out.raw("</t:ExtendedProperty></t:Message>");
    out.buffer
}

fn category_list(db: &Connection, mailbox: &MailboxRow) -> Result<(), Error> {
    let Some(calendar) = store::distinguished_folder(db, mailbox.id, "calendar")? else { return Ok(()) };
    let mut xml = String::from(
        "<?xml version=\"1.0\"?>\r\n<categories default=\"Red category\" lastSavedSession=\"5\" \
         lastSavedTime=\"2026-10-30T10:00:00.000\" xmlns=\"CategoryList.xsd\">",
    );
    for (number, (name, color, shortcut)) in CATEGORIES.iter().enumerate() {
        xml.push_str(&format!(
            "<category name=\"{name}\" color=\"{color}\" keyboardShortcut=\"{shortcut}\" usageCount=\"{number}\" \
             lastTimeUsed=\"1601-01-01T00:00:00.000\" lastSessionUsed=\"0\" \
             guid=\"{{5A5AF0C{number}-43A6-4B0E-8E5D-1D4CB0C7B29E}}\" renameOnFirstUse=\"0\"/>"
        ));
    }
    xml.push_str("</categories>");
    let list = Configuration { xml: Some(xml.into_bytes()), ..Configuration::default() };
    Ok(store::put_configuration(db, mailbox.id, calendar.id, "CategoryList", &list)?)
}
