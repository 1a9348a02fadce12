//! Sample public folders: some that all may write in, and one that all may only read.

use rusqlite::Connection;

use super::super::ops::Maker;
use super::super::store::{self, MailboxRow};
use super::super::zones::Zone;
use super::super::{Error, Personality, Role};
use super::compose::{Letter, Random, letter};
use super::{UNTIL, intake, put_into};

/// Whom the letters in public folders are sent to.
const OFFICE: &str = "harbour-office@example.org";

const EVENTS: [&str; 3] = [
    "<t:CalendarItem><t:Subject>Spring tide</t:Subject><t:Start>2026-11-24T05:40:00Z</t:Start><t:End>2026-11-24T07:10:00Z</t:End>\
     <t:LegacyFreeBusyStatus>Free</t:LegacyFreeBusyStatus><t:Location>Quay 4</t:Location></t:CalendarItem>",
    "<t:CalendarItem><t:Subject>Crane inspection</t:Subject><t:Start>2026-12-01T08:00:00Z</t:Start><t:End>2026-12-01T11:00:00Z</t:End>\
     <t:LegacyFreeBusyStatus>Busy</t:LegacyFreeBusyStatus><t:Location>Quay 2</t:Location></t:CalendarItem>",
    "<t:CalendarItem><t:Subject>Office closed</t:Subject><t:Start>2026-12-24T00:00:00Z</t:Start><t:End>2026-12-27T00:00:00Z</t:End>\
     <t:IsAllDayEvent>true</t:IsAllDayEvent><t:LegacyFreeBusyStatus>OOF</t:LegacyFreeBusyStatus></t:CalendarItem>",
];

const SUPPLIERS: [&str; 2] = [
    "<t:Contact><t:FileAs>Chandlery Holm</t:FileAs><t:DisplayName>Chandlery Holm</t:DisplayName><t:CompanyName>Chandlery Holm</t:CompanyName>\
     <t:EmailAddresses><t:Entry Key=\"EmailAddress1\">orders@chandlery.example.net</t:Entry></t:EmailAddresses></t:Contact>",
    "<t:Contact><t:FileAs>Rope works</t:FileAs><t:DisplayName>Rope works</t:DisplayName><t:CompanyName>Rope works</t:CompanyName>\
     <t:PhoneNumbers><t:Entry Key=\"BusinessPhone\">+49 40 555123</t:Entry></t:PhoneNumbers></t:Contact>",
];

/// Makes the folders and what is in them.
pub(in super::super) fn seed(db: &Connection) -> Result<(), Error> {
    let (Some(public), zone) = (store::mailbox(db, store::PUBLIC)?, Zone::utc()) else { return Ok(()) };
    let root = store::distinguished_folder(db, public.id, "publicfoldersroot")?.map(|root| root.id);
    let office = store::create_folder(db, public.id, root, "Harbour Office", Some("IPF.Note"), &[])?;
    let make = |name, class| store::create_folder(db, public.id, Some(office), name, Some(class), &[]);
    let (notices, tides) = (make("Announcements", "IPF.Note")?, make("Tides", "IPF.Appointment")?);
    let suppliers = make("Suppliers", "IPF.Contact")?;
    store::set_role(db, public.id, notices, store::ANYBODY, Role::Reviewer)?;
    announce(db, &public, notices)?;
    let maker = Maker { like: Personality::Exchange, zone: &zone, owner: OFFICE };
    let items = EVENTS.map(|xml| (tides, xml)).into_iter().chain(SUPPLIERS.map(|xml| (suppliers, xml)));
    for (folder, xml) in items {
        put_into(db, &public, &maker, folder, xml)?;
    }
    Ok(())
}

fn announce(db: &Connection, public: &MailboxRow, folder: i64) -> Result<(), Error> {
    const WEEK: i64 = 7 * 86_400_000;
    let mut random = Random::new(0xF01D);
    for number in 0..6 {
        let when = UNTIL - WEEK * i64::try_from(number).unwrap_or(0);
        let letter = letter(&mut random, number, when, OFFICE, false, &Letter::default());
        let mut item = intake::from_mime(letter.mime);
        item.is_read = true;
        store::insert_item(db, public.id, folder, item)?;
    }
    Ok(())
}
