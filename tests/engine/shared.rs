//! Other mailboxes: those that somebody shares, archives, and one's own by way of somebody else's sign-in. Each is a tree of its own, and what its owner
//! does not allow is not tried.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use pimsync::exchange::{Mailbox, NewMessage, Options, Personality, Role, Server, User};
use pimsync::local::MailTree;
use pimsync::pim::OtherMailbox;
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{EwsClient, Settings as EwsSettings, Store};
use pimsync::state::State;
use pimsync::sync::{Depth, Engine, Env, NoticeKind, Report, Request, Settings, SyncError, Unobserved};

use crate::local::BOTH;
use crate::world::{CutAt, USER, World, trace_folder};

const TEAM: &str = "team@example.org";

struct Shared {
    world: World,
    there: Mailbox,
    mailbox: OtherMailbox,
}

impl Shared {
    /// A world in which somebody has a role in all folders of another mailbox.
    fn new(like: Personality, role: Option<Role>) -> Self {
        let user = |address: &str| User { address: address.to_owned(), password: "demo".to_owned() };
        let users = vec![user(USER), user(TEAM)];
        let record = trace_folder();
        let server = Server::start(Options { like, record, users, ..Options::default() }).unwrap();
        let there = server.mailbox(TEAM).unwrap();
        if let Some(role) = role {
            there.share(USER, role).unwrap();
        }
        Self::of(World::over(server, World::home()), there, TEAM)
    }

    fn of(world: World, there: Mailbox, mailbox: &str) -> Self {
        let mailbox: OtherMailbox = mailbox.parse().unwrap();
        let shared = Self { world, there, mailbox };
        MailTree::create(&shared.world.database(), &shared.tree(), shared.world.clock.clone()).unwrap();
        shared
    }

    fn tree(&self) -> String {
        format!("{USER}/Other Mailboxes/{}", self.mailbox.title())
    }

    fn dir(&self) -> PathBuf {
        self.world.account_dir().join("Other Mailboxes").join(self.mailbox.title())
    }

    fn engine(&self) -> Engine<Store, MailTree> {
        let sign_in = Box::new(Basic::new(USER, "demo".to_owned().into()));
        let mut settings = EwsSettings::new(self.world.server.url(), sign_in, self.world.clock.clone());
        settings.mailbox = Some(self.mailbox.clone());
        Engine {
            remote: Arc::new(Store::Mailbox(EwsClient::new(settings).unwrap())),
            local: Arc::new(MailTree::open(&self.world.database(), &self.tree(), self.world.clock.clone()).unwrap()),
            state: Arc::new(State::open(&self.world.database().join("state.db")).unwrap()),
            env: Env { clock: self.world.clock.clone(), fault: Arc::new(CutAt::default()) },
            settings: Settings {
                account: self.tree(),
                identity: "0123456789abcdef".to_owned(),
                policy: self.world.policy,
                folders_at_once: 4,
            },
            observer: Arc::new(Unobserved),
        }
    }

    fn try_sync(&self, request: &Request) -> Result<Report, SyncError> {
        self.world.advance(120);
        let engine = self.engine();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(engine.run(request))
    }

    fn sync(&self) -> Report {
        self.try_sync(&Request::default()).unwrap()
    }

    /// A sync after which there is nothing to tell and nothing to do.
    fn settle(&self) -> Report {
        let report = self.sync();
        assert_eq!(report.notices, []);
        let again = self.sync();
        assert!(again.folders.values().all(|tally| tally.is_empty()), "{again:?}");
        report
    }

    fn arrive(&self, folder: &str, name: &str) -> String {
        self.there.add_message(folder, NewMessage { mime: &World::mime(name), ..NewMessage::default() }).unwrap()
    }

    fn subjects(&self, folder: &str) -> Vec<String> {
        subjects(&self.there, folder)
    }

    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.dir().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        files
    }

    fn mail(&self, folder: &str) -> Vec<PathBuf> {
        ["cur", "new"].iter().flat_map(|part| self.files(&format!("{folder}/{part}"))).collect()
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        fs::write(self.dir().join(path), content).unwrap();
    }
}

fn subjects(mailbox: &Mailbox, folder: &str) -> Vec<String> {
    let mut subjects: Vec<String> = mailbox.items(folder).unwrap().into_iter().map(|item| item.subject).collect();
    subjects.sort();
    subjects
}

fn event(name: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:{name}\r\nDTSTAMP:20261101T000000Z\r\n\
         DTSTART:20261110T100000Z\r\nDTEND:20261110T110000Z\r\nSUMMARY:{name}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn card(name: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{name}\r\nFN:{name}\r\nN:{name};;;;\r\nEND:VCARD\r\n")
}

#[test]
fn all_kinds_and_folders_go_both_ways() {
    for like in BOTH {
        let shared = Shared::new(like, Some(Role::Owner));
        shared.arrive("Inbox", "theirs");
        shared.settle();
        assert_eq!(shared.mail("Inbox").len(), 1, "{like:?}");
        shared.write("Calendar/plan.ics", event("plan"));
        shared.write("Contacts/ada.vcf", card("Ada"));
        shared.write("Tasks/todo.ics", event("todo").replace("VEVENT", "VTODO").replace("DTEND", "DUE"));
        shared.write("Notes/note.md", "A note");
        shared.write("Inbox/cur/ours:2,S", World::mime("ours"));
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(shared.dir().join("Inbox/Cases").join(part)).unwrap();
        }
        let report = shared.settle();
        assert_eq!(report.total().uploaded, 5, "{like:?}: {report:?}");
        assert_eq!(shared.subjects("Calendar"), ["plan"]);
        assert_eq!(shared.subjects("Inbox"), ["ours", "theirs"]);
        shared.arrive("Inbox/Cases", "case");
        shared.there.rename_folder("Inbox/Cases", "Files").unwrap();
        let card = shared.there.items("Contacts").unwrap()[0].id.clone();
        shared.there.delete_item(&card).unwrap();
        shared.write("Calendar/plan.ics", event("plan").replace("SUMMARY:plan", "SUMMARY:other plan"));
        shared.settle();
        assert_eq!(shared.mail("Inbox/Files").len(), 1);
        assert_eq!(shared.files("Contacts"), Vec::<PathBuf>::new());
        assert_eq!(shared.subjects("Calendar"), ["other plan"]);
        // What the team deletes goes here, too.
        shared.there.delete_folder("Inbox/Files").unwrap();
        shared.settle();
        assert!(!shared.dir().join("Inbox/Files").exists());
    }
}

#[test]
fn what_is_deleted_goes_to_the_deleted_items_of_that_mailbox() {
    for like in BOTH {
        let shared = Shared::new(like, Some(Role::Owner));
        for name in ["one", "two"] {
            shared.arrive("Inbox", name);
        }
        shared.write_event_there();
        shared.settle();
        fs::remove_file(&shared.mail("Inbox")[0]).unwrap();
        fs::remove_file(&shared.files("Calendar")[0]).unwrap();
        let report = shared.settle();
        assert_eq!(report.total().deleted_there, 2, "{like:?}");
        assert_eq!(shared.subjects("Inbox").len(), 1);
        assert_eq!(shared.subjects("Deleted Items").len(), 2, "{like:?}");
        assert_eq!(subjects(&shared.world.mailbox, "Deleted Items"), Vec::<String>::new());
        // From there it goes for good.
        let binned = shared.mail("Deleted Items");
        fs::remove_file(&binned[0]).unwrap();
        shared.settle();
        assert_eq!(shared.subjects("Deleted Items").len(), 1, "{like:?}");
        // A folder, too.
        shared.there.create_folder("Inbox", "Old", "IPF.Note").unwrap();
        shared.settle();
        fs::remove_dir_all(shared.dir().join("Inbox/Old")).unwrap();
        shared.settle();
        assert!(shared.there.folder("Inbox/Old").is_err());
        assert!(shared.there.folder("Deleted Items/Old").is_ok(), "{like:?}");
    }
}

impl Shared {
    fn write_event_there(&self) {
        self.sync();
        self.write("Calendar/plan.ics", event("plan"));
        self.settle();
    }
}

#[test]
fn trees_are_not_mixed() {
    for like in BOTH {
        let shared = Shared::new(like, Some(Role::Owner));
        shared.world.arrive("Inbox", "mine");
        shared.arrive("Inbox", "theirs");
        shared.world.sync();
        shared.settle();
        shared.world.sync();
        assert_eq!(subjects(&shared.world.mailbox, "Inbox"), ["mine"]);
        assert_eq!(shared.subjects("Inbox"), ["theirs"]);
        // Moved from one to the other with a mail program: it is in the other, and in Deleted Items of the one.
        let from = shared.mail("Inbox")[0].clone();
        let to = shared.world.account_dir().join("Inbox/cur").join(from.file_name().unwrap());
        fs::rename(from, to).unwrap();
        shared.world.sync();
        shared.settle();
        assert_eq!(subjects(&shared.world.mailbox, "Inbox"), ["mine", "theirs"], "{like:?}");
        assert_eq!(shared.subjects("Inbox"), Vec::<String>::new());
        assert_eq!(shared.subjects("Deleted Items"), ["theirs"]);
        // A directory that is not there is no wish of the account's own tree.
        assert!(shared.world.mailbox.folder("Other Mailboxes").is_err());
        assert!(shared.there.folder("Other Mailboxes").is_err());
    }
}

#[test]
fn what_may_only_be_read_is_never_pushed() {
    for like in BOTH {
        let shared = Shared::new(like, Some(Role::Reviewer));
        for name in ["one", "two"] {
            shared.arrive("Inbox", name);
        }
        shared.settle();
        shared.write("Inbox/cur/ours:2,S", World::mime("ours"));
        fs::remove_file(&shared.mail("Inbox")[1]).unwrap();
        shared.world.server.clear_requests();
        let report = shared.sync();
        let told: Vec<_> = report.notices.iter().map(|notice| (notice.folder.as_str(), notice.kind)).collect();
        assert_eq!(told, [("Inbox", NoticeKind::Held)], "{like:?}: {report:?}");
        assert!(report.notices[0].text.starts_with("you may only read this folder"));
        let written = |operation: &str| operation.starts_with("Create") || operation.starts_with("Move");
        assert!(!shared.world.server.requests().iter().any(|request| written(&request.operation)), "{like:?}");
        assert_eq!(shared.subjects("Inbox"), ["one", "two"]);
        // Their changes come in all the same.
        shared.arrive("Inbox", "three");
        shared.sync();
        assert_eq!(shared.mail("Inbox").len(), 3);
        // Nor is a directory deleted there that was removed here.
        fs::remove_dir_all(shared.dir().join("Junk Email")).unwrap();
        shared.sync();
        assert!(shared.there.folder("Junk Email").is_ok());
        // With the right to write all of it goes out.
        shared.there.share(USER, Role::Owner).unwrap();
        shared.sync();
        assert!(shared.subjects("Inbox").contains(&"ours".to_owned()), "{like:?}");
    }
}

#[test]
fn a_folder_that_is_hidden_is_not_taken_for_deleted() {
    for like in BOTH {
        let shared = Shared::new(like, Some(Role::Owner));
        shared.there.create_folder("", "Plans", "IPF.Note").unwrap();
        shared.arrive("Plans", "secret");
        shared.settle();
        shared.there.set_role("Plans", Some(USER), Role::Nobody).unwrap();
        for _ in 0..2 {
            shared.there.touch(&shared.there.items("Plans").unwrap()[0].id).unwrap();
            let full = Request { depth: Depth::Full, ..Request::default() };
            let report = shared.try_sync(&full).unwrap();
            let told: Vec<&str> = report.notices.iter().map(|notice| notice.folder.as_str()).collect();
            assert!(told.contains(&"Plans"), "{like:?}: {report:?}");
            assert_eq!(shared.mail("Plans").len(), 1, "{like:?}");
        }
        // Shown again, all is well.
        shared.there.set_role("Plans", Some(USER), Role::Owner).unwrap();
        shared.sync();
        shared.settle();
        // Hidden, and its directory removed here: it is forgotten here, and nothing happens there.
        shared.there.set_role("Plans", Some(USER), Role::Nobody).unwrap();
        shared.sync();
        fs::remove_dir_all(shared.dir().join("Plans")).unwrap();
        shared.sync();
        shared.settle();
        assert_eq!(shared.subjects("Plans"), ["secret"], "{like:?}");
    }
}

#[test]
fn a_calendar_alone_can_be_shared() {
    for like in BOTH {
        let shared = Shared::new(like, None);
        assert!(shared.try_sync(&Request::default()).is_err(), "nothing is shared");
        shared.there.set_role("Calendar", Some(USER), Role::Editor).unwrap();
        shared.settle();
        shared.write("Calendar/plan.ics", event("plan"));
        shared.settle();
        assert_eq!(shared.subjects("Calendar"), ["plan"], "{like:?}");
        assert!(!shared.dir().join("Inbox").exists());
        // There is no place for a new folder.
        fs::create_dir_all(shared.dir().join("New/cur")).unwrap();
        fs::create_dir_all(shared.dir().join("New/new")).unwrap();
        let report = shared.sync();
        assert!(report.notices.iter().any(|notice| notice.text.contains("is not shown to you")), "{report:?}");
        fs::remove_dir_all(shared.dir().join("New")).unwrap();
        // What is deleted cannot go to Deleted Items, which is not shown; its owner can recover it.
        fs::remove_file(shared.dir().join("Calendar/plan.ics")).unwrap();
        shared.settle();
        assert_eq!(shared.subjects("Calendar"), Vec::<String>::new());
        // More is shown later.
        shared.write("Calendar/other.ics", event("other"));
        shared.settle();
        shared.there.share(USER, Role::Editor).unwrap();
        shared.arrive("Inbox", "theirs");
        shared.settle();
        assert_eq!(shared.mail("Inbox").len(), 1, "{like:?}");
        assert_eq!((shared.files("Calendar").len(), shared.subjects("Calendar").len()), (1, 1));
        // And less again: what is hidden stays, and is told.
        shared.there.share(USER, Role::Nobody).unwrap();
        shared.write("Calendar/third.ics", event("third"));
        let report = shared.sync();
        assert!(report.notices.iter().any(|notice| notice.folder == "Inbox"), "{like:?}: {report:?}");
        assert_eq!((shared.mail("Inbox").len(), shared.subjects("Calendar").len()), (1, 2), "{like:?}");
        shared.there.share(USER, Role::Editor).unwrap();
        shared.sync();
        shared.settle();
        assert_eq!((shared.mail("Inbox").len(), shared.files("Calendar").len()), (1, 2), "{like:?}");
    }
}

#[test]
fn an_archive_is_a_mailbox_of_its_own() {
    let world = World::new(Personality::Exchange);
    let there = world.server.archive(USER).unwrap();
    let shared = Shared::of(world, there, "archive");
    shared.there.create_folder("", "2019", "IPF.Note").unwrap();
    shared.arrive("2019", "old");
    shared.world.arrive("Inbox", "new");
    shared.world.sync();
    shared.settle();
    assert_eq!(shared.mail("2019").len(), 1);
    assert!(!shared.dir().join("Inbox").exists());
    shared.write("2019/cur/ours:2,S", World::mime("ours"));
    shared.settle();
    fs::remove_file(&shared.mail("2019")[0]).unwrap();
    shared.settle();
    assert_eq!(shared.there.items("2019").unwrap().len(), 1);
    assert_eq!(shared.there.items("Deleted Items").unwrap().len(), 1);
    assert_eq!(subjects(&shared.world.mailbox, "Inbox"), ["new"]);
}

#[test]
fn who_may_acts_as_the_owner_of_a_mailbox() {
    let user = |address: &str| User { address: address.to_owned(), password: "demo".to_owned() };
    for may in [true, false] {
        let users = vec![user(USER), user(TEAM)];
        let impersonators = if may { vec![USER.to_owned()] } else { Vec::new() };
        let record = trace_folder();
        let server = Server::start(Options { users, record, impersonators, ..Options::default() }).unwrap();
        let there = server.mailbox(TEAM).unwrap();
        let world = World::over(server, World::home());
        world.arrive("Inbox", "of who signs in");
        let shared = Shared::of(world, there, TEAM);
        shared.arrive("Inbox", "theirs");
        let mut engine = shared.engine();
        let sign_in = Box::new(Basic::new(USER, "demo".to_owned().into()));
        let mut settings = EwsSettings::new(shared.world.server.url(), sign_in, shared.world.clock.clone());
        settings.impersonate = Some(TEAM.to_owned());
        engine.remote = Arc::new(Store::Mailbox(EwsClient::new(settings).unwrap()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let result = runtime.block_on(engine.run(&Request::default()));
        match may {
            true => {
                assert_eq!(result.unwrap().notices, []);
                assert_eq!(shared.mail("Inbox").len(), 1);
                // An upload is streamed: it is theirs, too.
                shared.write("Inbox/cur/ours:2,S", World::mime("ours"));
                shared.world.advance(120);
                runtime.block_on(engine.run(&Request::default())).unwrap();
                assert_eq!(shared.subjects("Inbox"), ["ours", "theirs"]);
                assert_eq!(subjects(&shared.world.mailbox, "Inbox"), ["of who signs in"]);
            }
            false => assert!(result.unwrap_err().to_string().contains("ErrorImpersonateUserDenied")),
        }
    }
}
