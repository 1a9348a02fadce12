//! Meetings: answers go to the server once, what is somebody else's is left alone, and nobody is mailed unless that is asked for.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::date;

use super::series::silent_from;
use crate::world::others::Others;
use crate::world::{CutAt, USER, World};
use pimsync::exchange::{Action, Options, Personality, Rule, Server, User};
use pimsync::local::MailTree;
use pimsync::pim::event::{Attendee, Details, Mailing, Person, When};
use pimsync::pim::{Entry, Event, SpecialFolder, Tag};
use pimsync::plan::ConflictPolicy;
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{EwsClient, Settings};
use pimsync::remote::{EntryUpload, RemoteRead, RemoteWrite};
use pimsync::sync::{Fault, NoticeKind, Report, Request, SyncError, Tally};

const BOTH: [Personality; 2] = [Personality::Exchange, Personality::Gromox];
const BEN: &str = "ben@example.org";

/// A world with a second person in it.
fn world(like: Personality) -> World {
    let home = World::home();
    let user = |address: &str| User { address: address.to_owned(), password: "demo".to_owned() };
    let record = home.path().join("record");
    fs::create_dir_all(&record).unwrap();
    let options = Options { like, users: vec![user(USER), user(BEN)], record: Some(record), ..Options::default() };
    let server = Server::start(options).unwrap();
    let mailbox = server.mailbox(USER).unwrap();
    let clock: Arc<crate::world::TestClock> = Arc::default();
    let world = World { home, mailbox, server, clock, policy: ConflictPolicy::KeepBoth, next: 1.into() };
    fs::create_dir_all(world.database()).unwrap();
    MailTree::create(&world.database(), crate::world::ACCOUNT, world.clock.clone()).unwrap();
    world
}

fn client(world: &World, user: &str, mailing: Mailing) -> EwsClient {
    let sign_in = Box::new(Basic::new(user, "demo".to_owned().into()));
    let settings = Settings::new(world.server.url(), sign_in, world.clock.clone());
    EwsClient::new(Settings { mailing, ..settings }).unwrap()
}

fn try_sync(world: &World, mailing: Mailing, fault: Arc<dyn Fault>) -> Result<Report, SyncError> {
    let mut engine = world.engine(fault);
    engine.remote = Arc::new(client(world, USER, mailing));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(engine.run(&Request::default()))
}

fn sync(world: &World, mailing: Mailing) -> Report {
    try_sync(world, mailing, Arc::new(CutAt::default())).unwrap()
}

/// A sync, after which there is nothing to do.
fn settled(world: &World, mailing: Mailing) -> Report {
    let report = sync(world, mailing);
    let again = sync(world, mailing);
    assert!(again.folders.values().all(Tally::is_empty), "a second sync did something: {again:?} after {report:?}");
    report
}

fn guest(address: &str) -> Attendee {
    Attendee { person: Person { name: "".into(), address: address.into() }, ..Attendee::default() }
}

fn meeting(guests: &[&str]) -> Entry {
    let day = date(2131, 5, 6);
    let when = When::AllDay { first: day, end: day.tomorrow().unwrap() };
    Entry::Event(Box::new(Event {
        uid: "plans@example.org".into(),
        details: Details { subject: "Plans".into(), location: "Hall".into(), when, ..Details::default() },
        attendees: guests.iter().map(|address| guest(address)).collect(),
        ..Event::default()
    }))
}

/// Ben invites.
fn invite(world: &World) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let ben = client(world, BEN, Mailing::Concerned);
    runtime.block_on(async {
        let special = ben.special_folders().await.unwrap().special;
        let calendar = special.into_iter().find(|(role, _)| *role == SpecialFolder::Calendar).unwrap().1;
        let (tag, entry) = (Tag::new("f".repeat(32)), meeting(&[USER]));
        let upload = EntryUpload { tag: &tag, entry: &entry, extra: None };
        ben.create_entries(&calendar, &[upload]).await.unwrap().remove(0).unwrap();
    });
}

fn files(world: &World) -> Vec<PathBuf> {
    let listed = fs::read_dir(world.account_dir().join("Calendar")).unwrap();
    let files = listed.map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "ics")).collect()
}

fn file(world: &World) -> (PathBuf, String) {
    let files = files(world);
    assert_eq!(files.len(), 1, "{files:?}");
    (files[0].clone(), fs::read_to_string(&files[0]).unwrap())
}

/// Writes the owner's answer into the file.
fn answer(world: &World, word: &str) {
    let (path, text) = file(world);
    let line = |line: &str| {
        if !(line.starts_with("ATTENDEE") && line.contains(USER)) {
            return line.to_owned();
        }
        let (name, address) = line.split_once(":mailto").unwrap();
        let name = name.split(";PARTSTAT=").next().unwrap();
        format!("{name};PARTSTAT={word}:mailto{address}")
    };
    let lines: Vec<String> = text.split("\r\n").map(line).collect();
    assert_ne!(lines.join("\r\n"), text);
    fs::write(path, lines.join("\r\n")).unwrap();
}

fn subjects(world: &World, user: &str, folder: &str) -> Vec<String> {
    let items = world.server.mailbox(user).unwrap().items(folder).unwrap();
    items.into_iter().map(|item| item.subject).collect()
}

/// What the server says of the only entry of the owner's calendar.
fn entry(world: &World) -> String {
    let items = world.mailbox.items("Calendar").unwrap();
    assert_eq!(items.len(), 1);
    world.mailbox.item_xml(&items[0].id).unwrap()
}

#[test]
fn an_answer_is_given_once_and_mailed_only_when_that_is_asked_for() {
    for like in BOTH {
        for (mailing, mailed) in [(Mailing::Nobody, 0), (Mailing::Concerned, 1)] {
            let world = world(like);
            invite(&world);
            settled(&world, mailing);
            assert!(!file(&world).1.contains("PARTSTAT=ACCEPTED"));
            answer(&world, "ACCEPTED");
            assert_eq!(settled(&world, mailing).notices, []);
            assert!(entry(&world).contains("MyResponseType>Accept<"), "{}", entry(&world));
            assert!(file(&world).1.contains("PARTSTAT=ACCEPTED"), "{}", file(&world).1);
            assert_eq!(subjects(&world, BEN, "Inbox").len(), mailed);

            // Somewhere else the answer is changed.
            answer(&world, "TENTATIVE");
            assert_eq!(settled(&world, mailing).notices, []);
            assert!(entry(&world).contains("MyResponseType>Tentative<"));
            assert_eq!(subjects(&world, BEN, "Inbox").len(), 2 * mailed);

            // What is declined goes to Deleted Items, and does not come back as a meeting of one's own.
            answer(&world, "DECLINED");
            settled(&world, mailing);
            assert_eq!(files(&world), Vec::<PathBuf>::new());
            assert_eq!(world.mailbox.items("Calendar").unwrap().len(), 0);
            assert!(subjects(&world, USER, "Deleted Items").contains(&"Plans".to_owned()));
            assert_eq!(subjects(&world, BEN, "Inbox").len(), 3 * mailed);
        }
    }
}

#[test]
fn cut_off_at_any_step_an_answer_is_still_given_once() {
    for like in BOTH {
        for word in ["ACCEPTED", "DECLINED"] {
            let prepared = || {
                let world = world(like);
                invite(&world);
                sync(&world, Mailing::Concerned);
                answer(&world, word);
                world
            };
            let fault = Arc::new(CutAt::default());
            try_sync(&prepared(), Mailing::Concerned, fault.clone()).unwrap();
            let steps = fault.passed.lock().unwrap().len();
            for at in 1..=steps {
                let world = prepared();
                let fault = Arc::new(CutAt { at: Some(at), ..CutAt::default() });
                let cut = try_sync(&world, Mailing::Concerned, fault.clone());
                let step = fault.passed.lock().unwrap().last().copied();
                assert!(matches!(cut, Err(SyncError::CutOff(_))), "{cut:?}");
                settled(&world, Mailing::Concerned);
                let told = format!("{like:?}, {word}, cut off at step {at} of {steps}, {step:?}");
                assert_eq!(subjects(&world, BEN, "Inbox").len(), 1, "{told}");
                let left = usize::from(word == "ACCEPTED");
                assert_eq!(
                    (files(&world).len(), world.mailbox.items("Calendar").unwrap().len()),
                    (left, left),
                    "{told}"
                );
            }
        }
    }
}

#[test]
fn a_lost_answer_to_an_answer_is_looked_up() {
    for like in BOTH {
        for word in ["ACCEPTED", "DECLINED"] {
            let world = world(like);
            invite(&world);
            sync(&world, Mailing::Concerned);
            answer(&world, word);
            world.server.faults().add(Rule::on("CreateItem", Action::ResetAfterCommit).times(1));
            settled(&world, Mailing::Concerned);
            assert_eq!(subjects(&world, BEN, "Inbox").len(), 1);
            assert_eq!(files(&world).len(), usize::from(word == "ACCEPTED"));
        }
    }
}

#[test]
fn what_is_the_organisers_stays_as_it_is_and_is_told() {
    for like in BOTH {
        for mailing in [Mailing::Nobody, Mailing::Concerned] {
            let world = world(like);
            invite(&world);
            settled(&world, mailing);
            let (path, text) = file(&world);
            fs::write(&path, text.replace("LOCATION:Hall", "LOCATION:Cellar")).unwrap();
            let report = settled(&world, mailing);
            let held = report.notices.iter().find(|notice| notice.kind == NoticeKind::Refused).unwrap();
            assert!(held.text.contains("location") && held.text.contains("organiser's alone"), "{held:?}");
            assert!(entry(&world).contains(">Hall<") && file(&world).1.contains("LOCATION:Cellar"));
            assert_eq!(subjects(&world, BEN, "Inbox"), Vec::<String>::new());
            assert_eq!(subjects(&world, USER, "Sent Items"), Vec::<String>::new());
        }
    }
}

fn write_own(world: &World, year: i16) {
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:mine@example.org\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART;VALUE=DATE:{year}0506\r\nDTEND;VALUE=DATE:{year}0507\r\nSUMMARY:Mine\r\nORGANIZER:mailto:{USER}\r\n\
         ATTENDEE:mailto:{BEN}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    fs::write(world.account_dir().join("Calendar/mine.ics"), text).unwrap();
}

#[test]
fn guests_of_an_own_meeting_learn_of_it_only_when_that_is_asked_for() {
    for like in BOTH {
        for (mailing, year) in [(Mailing::Nobody, 2131), (Mailing::Concerned, 2131), (Mailing::Concerned, 2031)] {
            let is_told = usize::from(mailing == Mailing::Concerned && year == 2131);
            let world = world(like);
            settled(&world, mailing);
            write_own(&world, year);
            assert_eq!(settled(&world, mailing).notices, [], "other names of the same people are no refusal");
            let there = Others(&world).all(SpecialFolder::Calendar);
            let Entry::Event(event) = &there[0].entry else { panic!("{there:?}") };
            assert_eq!(event.attendees.len(), 1, "its guests are there");
            assert_eq!(subjects(&world, BEN, "Inbox").len(), is_told, "{mailing:?} {year}");

            // What concerns nobody else is told to nobody.
            let (path, text) = file(&world);
            fs::write(&path, text.replace("SUMMARY:Mine", "CATEGORIES:Red\r\nSUMMARY:Mine")).unwrap();
            settled(&world, mailing);
            assert_eq!(subjects(&world, BEN, "Inbox").len(), is_told);
            let (path, text) = file(&world);
            fs::write(&path, text.replace("SUMMARY:Mine", "SUMMARY:Ours")).unwrap();
            settled(&world, mailing);
            assert_eq!(subjects(&world, BEN, "Inbox").len(), 2 * is_told);

            fs::remove_file(file(&world).0).unwrap();
            settled(&world, mailing);
            assert_eq!(world.mailbox.items("Calendar").unwrap().len(), 0);
            let told = subjects(&world, BEN, "Inbox");
            assert_eq!(told.len(), 3 * is_told, "{told:?}");
            assert_eq!(told.iter().filter(|subject| subject.starts_with("Canceled")).count(), is_told);
        }
    }
}

/// The line of a file with an attachment.
fn attach(name: &str) -> String {
    format!("ATTACH;ENCODING=BASE64;VALUE=BINARY;FILENAME={name}:QQ==\r\n")
}

/// What the guest was sent: of each mail, whether the attachment of that name came along.
fn mailed_with(world: &World, name: &str) -> Vec<bool> {
    let ben = world.server.mailbox(BEN).unwrap();
    let mails = ben.items("Inbox").unwrap().into_iter();
    mails.map(|mail| ben.item_xml(&mail.id).unwrap().contains(&format!("<t:Name>{name}</t:Name>"))).collect()
}

/// Plays what `prepared` prepares, cut off at each step, and at each request before and after the server acted. What is told of a change is told
/// by its last request, so that nobody is told of it twice.
fn cut_anywhere(prepared: &dyn Fn(Personality) -> World, check: &dyn Fn(&World, &str)) {
    for like in BOTH {
        let world = prepared(like);
        let whole = Arc::new(CutAt::default());
        let before = world.server.requests().len();
        try_sync(&world, Mailing::Concerned, whole.clone()).unwrap();
        let requests = (world.server.requests().len() - before) as u64;
        settled(&world, Mailing::Concerned);
        check(&world, &format!("{like:?}, whole"));
        for at in 1..=whole.passed.lock().unwrap().len() {
            let world = prepared(like);
            drop(try_sync(&world, Mailing::Concerned, Arc::new(CutAt { at: Some(at), ..CutAt::default() })));
            settled(&world, Mailing::Concerned);
            check(&world, &format!("{like:?}, cut off at step {at}"));
        }
        for nth in 1..=requests {
            for action in [Action::ResetAfterCommit, Action::ResetBeforeCommit] {
                let world = prepared(like);
                silent_from(&world, nth, action.clone());
                drop(try_sync(&world, Mailing::Concerned, Arc::new(CutAt::default())));
                world.server.faults().clear();
                // What did not get through waits for a while.
                world.advance(2 * 86_400);
                settled(&world, Mailing::Concerned);
                check(&world, &format!("{like:?}, silent from request {nth}, {action:?}"));
            }
        }
    }
}

#[test]
fn an_invitation_brings_the_files_of_its_meeting_whatever_cuts_it_off() {
    let prepared = |like| {
        let world = world(like);
        sync(&world, Mailing::Concerned);
        write_own(&world, 2131);
        let (path, text) = file(&world);
        fs::write(&path, text.replace("SUMMARY:Mine", &format!("{}SUMMARY:Mine", attach("plan.txt")))).unwrap();
        world
    };
    cut_anywhere(&prepared, &|world, told| {
        assert_eq!(mailed_with(world, "plan.txt"), [true], "{told}");
        let text = file(world).1;
        assert_eq!((text.matches("ATTENDEE").count(), text.matches("ATTACH").count()), (1, 1), "{told}: {text}");
        let there = Others(world).all(SpecialFolder::Calendar);
        let Entry::Event(event) = &there[0].entry else { panic!("{there:?}") };
        assert_eq!((there.len(), event.attendees.len(), event.attachments.iter().count()), (1, 1, 1), "{told}");
    });
}

/// The server has it without guests, since whoever makes a meeting there is its organiser. The file goes on saying who comes.
#[test]
fn nobody_is_invited_to_a_meeting_of_somebody_else_whatever_cuts_its_upload_off() {
    for files in [String::new(), attach("plan.txt")] {
        let prepared = |like| {
            let world = world(like);
            sync(&world, Mailing::Concerned);
            write_own(&world, 2131);
            let (path, text) = file(&world);
            let text = text.replace(&format!("ORGANIZER:mailto:{USER}"), "ORGANIZER:mailto:eva@example.org");
            fs::write(&path, text.replace("SUMMARY:Mine", &format!("{files}SUMMARY:Mine"))).unwrap();
            world
        };
        cut_anywhere(&prepared, &|world, told| {
            assert_eq!(subjects(world, BEN, "Inbox"), Vec::<String>::new(), "{told}");
            let text = file(world).1;
            assert!(text.contains("eva@example.org") && text.contains(BEN), "{told}: {text}");
            let there = Others(world).all(SpecialFolder::Calendar);
            let Entry::Event(event) = &there[0].entry else { panic!("{there:?}") };
            assert_eq!((there.len(), event.attendees.len()), (1, 0), "{told}");
            assert_eq!(super::entries::copies(world), Vec::<String>::new(), "{told}");
        });
    }
}

#[test]
fn guests_who_are_told_of_a_change_get_the_files_that_come_with_it() {
    let prepared = |like| {
        let world = world(like);
        sync(&world, Mailing::Nobody);
        write_own(&world, 2131);
        settled(&world, Mailing::Nobody);
        let (path, text) = file(&world);
        fs::write(&path, text.replace("SUMMARY:Mine", &format!("{}SUMMARY:Ours", attach("plan.txt")))).unwrap();
        world
    };
    cut_anywhere(&prepared, &|world, told| {
        assert_eq!(mailed_with(world, "plan.txt"), [true], "{told}");
        assert_eq!(file(world).1.matches("ATTACH").count(), 1, "{told}");
    });
}

/// Names that the server has for those who are invited are no change of the file's owner.
#[test]
fn a_cut_off_invitation_is_not_sent_again_for_the_names_that_the_server_gives_to_guests() {
    let invited = |like| {
        let world = world(like);
        sync(&world, Mailing::Concerned);
        write_own(&world, 2131);
        world
    };
    let changed = |like| {
        let world = world(like);
        sync(&world, Mailing::Concerned);
        write_own(&world, 2131);
        let (path, text) = file(&world);
        let own = format!("ATTENDEE:mailto:{BEN}\r\n");
        assert!(text.contains(&own));
        fs::write(&path, text.replace(&own, "ATTENDEE:mailto:eva@example.org\r\n")).unwrap();
        settled(&world, Mailing::Nobody);
        let (path, text) = file(&world);
        fs::write(&path, text.replace("END:VEVENT", &format!("{own}END:VEVENT"))).unwrap();
        world
    };
    for prepared in [&invited as &dyn Fn(Personality) -> World, &changed] {
        cut_anywhere(prepared, &|world, told| {
            assert_eq!(subjects(world, BEN, "Inbox").len(), 1, "{told}");
            assert!(file(world).1.contains(&format!("CN={BEN}")), "{told}: {}", file(world).1);
            assert_eq!(super::entries::copies(world), Vec::<String>::new(), "{told}");
        });
    }
}

#[test]
fn guests_who_are_told_of_an_occurrence_get_its_files() {
    for like in BOTH {
        let world = world(like);
        sync(&world, Mailing::Nobody);
        write_own(&world, 2131);
        let (path, text) = file(&world);
        let series = text.replace("SUMMARY:Mine", "RRULE:FREQ=DAILY;COUNT=9\r\nSUMMARY:Mine");
        fs::write(&path, &series).unwrap();
        settled(&world, Mailing::Nobody);
        let one = format!(
            "BEGIN:VEVENT\r\nUID:mine@example.org\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID;VALUE=DATE:21310508\r\nDTSTART;VALUE=DATE:21310508\r\n\
             DTEND;VALUE=DATE:21310509\r\nSUMMARY:Ours\r\n{}END:VEVENT\r\nEND:VCALENDAR",
            attach("plan.txt")
        );
        let (path, text) = file(&world);
        fs::write(&path, text.replace("END:VCALENDAR", &one)).unwrap();
        settled(&world, Mailing::Concerned);
        assert_eq!(mailed_with(&world, "plan.txt"), [true], "{like:?}");
    }
}

/// The values of an attribute in all requests of a run.
fn sent(folder: &Path, attribute: &str) -> Vec<String> {
    let mut values = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().contains("request") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let begin = format!(" {attribute}=\"");
        let found = text.split(&begin).skip(1);
        values.extend(found.map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    values.sort();
    values.dedup();
    values
}

#[test]
fn by_default_no_request_mails_anybody() {
    for like in BOTH {
        let world = world(like);
        invite(&world);
        // What Ben sent is none of ours.
        let record = world.home.path().join("record");
        fs::read_dir(&record).unwrap().for_each(|entry| fs::remove_file(entry.unwrap().path()).unwrap());
        sync(&world, Mailing::default());
        answer(&world, "TENTATIVE");
        sync(&world, Mailing::default());
        answer(&world, "DECLINED");
        sync(&world, Mailing::default());
        write_own(&world, 2131);
        sync(&world, Mailing::default());
        let (path, text) = file(&world);
        fs::write(&path, text.replace("SUMMARY:Mine", "RRULE:FREQ=DAILY;COUNT=9\r\nSUMMARY:Ours")).unwrap();
        sync(&world, Mailing::default());
        let (path, text) = file(&world);
        fs::write(&path, text.replace("SUMMARY:Ours", "EXDATE;VALUE=DATE:21310508\r\nSUMMARY:Ours")).unwrap();
        sync(&world, Mailing::default());
        fs::remove_file(file(&world).0).unwrap();
        world.put("Drafts", "letter", ":2,DS");
        sync(&world, Mailing::default());
        for attribute in ["SendMeetingInvitations", "SendMeetingInvitationsOrCancellations", "SendMeetingCancellations"]
        {
            assert_eq!(sent(&record, attribute), ["SendToNone"], "{attribute}");
        }
        assert_eq!(sent(&record, "MessageDisposition"), ["SaveOnly"]);
        let operations = sent(&record, "xmlns:s").len();
        assert_eq!(operations, 1, "the requests were read");
        for folder in ["Inbox", "Calendar"] {
            let expected = usize::from(folder == "Calendar");
            assert_eq!(subjects(&world, BEN, folder).len(), expected, "{folder}: only his own meeting");
        }
    }
}
