//! The works with contacts, events, notes and tasks. The bare client makes the very requests that pimsync made before, and makes nothing of the
//! answers.

use std::fs;
use std::path::{Path, PathBuf};

use pimsync::exchange::{Mailbox, Options, Server};

use super::home::{Home, Rubbish, bare, directory};
use super::mailbox::USER;
use super::works::told;
use super::{compare, scaled};

const EVENTS: usize = 10_000;
const CONTACTS: usize = 10_000;
const TASKS: usize = 5000;
const NOTES: usize = 5000;

fn all() -> usize {
    [EVENTS, CONTACTS, TASKS, NOTES].map(scaled).iter().sum()
}

/// 10,000 events, a third of them series, each with an exception and a deletion; 10,000 contacts, half of them with pictures of 12 KB; 5,000
/// tasks; 5,000 notes.
fn fill(mailbox: &Mailbox) {
    for number in 0..scaled(EVENTS) {
        fill_event(mailbox, number);
    }
    let picture: Vec<u8> =
        [0xFF, 0xD8, 0xFF, 0xE0].into_iter().chain((0..12_000_u32).map(|at| ((at * 7919) >> 5) as u8)).collect();
    for number in 0..scaled(CONTACTS) {
        let id = mailbox.add_item("Contacts", &contact(number)).unwrap();
        if number.is_multiple_of(2) {
            mailbox.set_picture(&id, Some(&picture)).unwrap();
        }
    }
    for number in 0..scaled(TASKS) {
        let task = format!(
            "<t:Task><t:Subject>Task {number}</t:Subject><t:Body BodyType=\"Text\">What is to be done.</t:Body>\
             <t:DueDate>2026-{:02}-{:02}T00:00:00Z</t:DueDate></t:Task>",
            number % 12 + 1,
            number % 28 + 1
        );
        mailbox.add_item("Tasks", &task).unwrap();
    }
    for number in 0..scaled(NOTES) {
        let note = format!(
            "<t:Message><t:ItemClass>IPM.StickyNote</t:ItemClass><t:Subject>Note {number}</t:Subject>\
             <t:Body BodyType=\"Text\">Note {number}\r\nand a second line</t:Body></t:Message>"
        );
        mailbox.add_item("Notes", &note).unwrap();
    }
}

fn fill_event(mailbox: &Mailbox, number: usize) {
    let (month, day, hour) = (number % 12 + 1, number % 28 + 1, number % 9 + 8);
    let is_series = number.is_multiple_of(3);
    let recurrence = if is_series {
        format!(
            "<t:Recurrence><t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday Thursday</t:DaysOfWeek></t:WeeklyRecurrence>\
             <t:NumberedRecurrence><t:StartDate>2026-{month:02}-{day:02}</t:StartDate>\
             <t:NumberOfOccurrences>20</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>"
        )
    } else {
        String::new()
    };
    let event = format!(
        "<t:CalendarItem><t:Subject>Event {number}</t:Subject><t:Body BodyType=\"Text\">What it is about.</t:Body>\
         <t:Start>2026-{month:02}-{day:02}T{hour:02}:00:00Z</t:Start><t:End>2026-{month:02}-{day:02}T{hour:02}:45:00Z</t:End>\
         <t:Location>Quay {}</t:Location>{recurrence}\
         <t:StartTimeZone Id=\"W. Europe Standard Time\"/><t:EndTimeZone Id=\"W. Europe Standard Time\"/></t:CalendarItem>",
        number % 20
    );
    let id = mailbox.add_item("Calendar", &event).unwrap();
    if is_series {
        let third = mailbox.occurrence(&id, 3).unwrap();
        mailbox.set_fields(&third, "<t:Location>Gate B</t:Location>").unwrap();
        let fifth = mailbox.occurrence(&id, 5).unwrap();
        mailbox.delete_occurrence(&fifth).unwrap();
    }
}

fn contact(number: usize) -> String {
    format!(
        "<t:Contact><t:DisplayName>Person {number}</t:DisplayName><t:GivenName>Person</t:GivenName><t:CompanyName>Works {}</t:CompanyName>\
         <t:EmailAddresses><t:Entry Key=\"EmailAddress1\">person{number}@example.org</t:Entry></t:EmailAddresses>\
         <t:PhoneNumbers><t:Entry Key=\"MobilePhone\">+49 40 {number}</t:Entry></t:PhoneNumbers>\
         <t:Surname>Number {number}</t:Surname></t:Contact>",
        number % 100
    )
}

/// A server that keeps its store in a directory, so that another can go on with it.
fn serve(dir: &Path, record: Option<PathBuf>) -> Server {
    Server::start(Options { store: Some(dir.join("store.db")), record, ..Options::default() }).unwrap()
}

/// The requests of a first sync, and nothing else of it.
fn record(dir: &Path) -> PathBuf {
    let recorded = dir.join("recorded");
    fs::create_dir(&recorded).unwrap();
    let server = serve(dir, Some(recorded.clone()));
    Home::set_up(&server).sync();
    drop(server);
    for entry in fs::read_dir(&recorded).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with("-response.xml") {
            fs::remove_file(path).unwrap();
        }
    }
    recorded
}

/// The first sync of all of them.
pub fn first_sync() {
    let dir = directory();
    fill(&serve(dir.path(), None).mailbox(USER).unwrap());
    let recorded = record(dir.path());
    let server = serve(dir.path(), None);
    let rubbish = Rubbish::default();
    compare(
        "bare client",
        || {
            let dir = directory();
            std::os::unix::fs::symlink(&recorded, dir.path().join("requests")).unwrap();
            let cost = bare("again", &server.url(), dir.path());
            assert!(fs::read_dir(dir.path().join("items")).unwrap().count() >= all());
            rubbish.put(dir);
            cost
        },
        || {
            let home = Home::set_up(&server);
            server.clear_requests();
            let cost = home.sync();
            assert_eq!(entries(&home.account()).len(), all());
            rubbish.put(home.into_directory());
            cost
        },
    );
    println!("requests: {}", told(&server));
}

/// A mailbox with all of them that is in step.
fn in_step() -> (Server, Mailbox, Home) {
    let server = Server::start(Options::default()).unwrap();
    let mailbox = server.mailbox(USER).unwrap();
    fill(&mailbox);
    let home = Home::set_up(&server);
    home.sync();
    home.sync();
    (server, mailbox, home)
}

/// Nothing changed in any of them.
pub fn nothing() {
    let (server, _, home) = in_step();
    compare(
        "bare walk",
        || bare("stat", &server.url(), &home.account()),
        || {
            server.clear_requests();
            home.sync()
        },
    );
    println!("requests: {}", told(&server));
}

/// One event of 10,000 changed, there and here in turn.
pub fn one_of_many() {
    let (server, mailbox, home) = in_step();
    let items = mailbox.items("Calendar").unwrap();
    let id = items.iter().find(|item| item.subject.ends_with(" 1")).unwrap().id.clone();
    let mut number = 0;
    compare(
        "nothing to do",
        || home.sync(),
        || {
            number += 1;
            mailbox.set_fields(&id, &format!("<t:Location>Room {number}</t:Location>")).unwrap();
            server.clear_requests();
            home.sync()
        },
    );
    println!("changed there; requests: {}", told(&server));
    let file = entries(&home.account().join("Calendar")).remove(1);
    compare(
        "nothing to do",
        || home.sync(),
        || {
            number += 1;
            let text = fs::read_to_string(&file).unwrap();
            let at = text.find("LOCATION:").unwrap();
            let end = at + text[at..].find("\r\n").unwrap();
            fs::write(&file, format!("{}LOCATION:Hall {number}{}", &text[..at], &text[end..])).unwrap();
            server.clear_requests();
            home.sync()
        },
    );
    println!("changed here; requests: {}", told(&server));
}

/// The files of entries below a directory.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(entries(&path));
        } else if path.extension().is_some_and(|extension| ["ics", "vcf", "md"].iter().any(|known| extension == *known))
        {
            found.push(path);
        }
    }
    found.sort();
    found
}
