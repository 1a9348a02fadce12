//! Public folders: a tree of their own, found by its names, listed where the server tells no changes, and never taken for deleted because it is not shown.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use pimsync::exchange::{Action, Mailbox, NewMessage, Personality, Role, Rule};
use pimsync::local::MailTree;
use pimsync::pim::PublicPath;
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{PublicFolders, Settings as EwsSettings, Store};
use pimsync::state::State;
use pimsync::sync::{Engine, Env, NoticeKind, Report, Request, Settings, Unobserved};

use crate::local::BOTH;
use crate::world::{ACCOUNT, CutAt, USER, World};

const TREE: &str = "demo@example.org/Public Folders";
/// The mailbox that a folder of the second kind lies in.
const ELSEWHERE: &str = "11111111-2222-3333-4444-555555555555";

struct Public {
    world: World,
    there: Mailbox,
    named: Vec<&'static str>,
}

impl Public {
    fn new(like: Personality, named: &[&'static str]) -> Self {
        let world = World::new(like);
        let there = world.server.public_folders().unwrap();
        there.create_folder("", "Team", "IPF.Note").unwrap();
        for (name, class) in [
            ("Mail", "IPF.Note"),
            ("Calendar", "IPF.Appointment"),
            ("Contacts", "IPF.Contact"),
            ("Notes", "IPF.StickyNote"),
        ] {
            there.create_folder("Team", name, class).unwrap();
        }
        there.create_folder("Team", "Tasks", "IPF.Task").unwrap();
        MailTree::create(&world.database(), TREE, world.clock.clone()).unwrap();
        Self { world, there, named: named.to_vec() }
    }

    fn dir(&self) -> PathBuf {
        self.world.account_dir().join("Public Folders")
    }

    fn engine(&self) -> Engine<Store, MailTree> {
        let sign_in = Box::new(Basic::new(USER, "demo".to_owned().into()));
        let settings = EwsSettings::new(self.world.server.url(), sign_in, self.world.clock.clone());
        let path = |text: &&str| PublicPath::new(*text, text.split('/').map(str::to_owned).collect()).unwrap();
        let named = self.named.iter().map(path).collect();
        Engine {
            remote: Arc::new(Store::Public(Box::new(PublicFolders::new(settings, named).unwrap()))),
            local: Arc::new(MailTree::open(&self.world.database(), TREE, self.world.clock.clone()).unwrap()),
            state: Arc::new(State::open(&self.world.database().join("state.db")).unwrap()),
            env: Env { clock: self.world.clock.clone(), fault: Arc::new(CutAt::default()) },
            settings: Settings {
                account: TREE.to_owned(),
                identity: "0123456789abcdef".to_owned(),
                policy: self.world.policy,
                folders_at_once: 4,
            },
            observer: Arc::new(Unobserved),
        }
    }

    fn sync_with(&self, request: &Request) -> Report {
        let engine = self.engine();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(engine.run(request)).unwrap()
    }

    fn sync(&self) -> Report {
        self.world.advance(120);
        self.sync_with(&Request::default())
    }

    /// A sync after which there is nothing to tell and nothing to do.
    fn settle(&self) -> Report {
        let report = self.sync();
        assert_eq!(report.notices, []);
        let again = self.sync();
        assert!(again.folders.values().all(|tally| tally.is_empty()), "{again:?}");
        report
    }

    fn post(&self, folder: &str, name: &str) -> String {
        self.there.add_message(folder, NewMessage { mime: &World::mime(name), ..NewMessage::default() }).unwrap()
    }

    fn subjects(&self, folder: &str) -> Vec<String> {
        let mut subjects: Vec<String> =
            self.there.items(folder).unwrap().into_iter().map(|item| item.subject).collect();
        subjects.sort();
        subjects
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

    fn mail(&self) -> usize {
        ["cur", "new"].iter().map(|part| self.files(&format!("Team/Mail/{part}")).len()).sum()
    }
}

const ALL: [&str; 5] = ["Team/Mail", "Team/Calendar", "Team/Contacts", "Team/Tasks", "Team/Notes"];

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
fn all_kinds_go_both_ways() {
    for like in BOTH {
        let public = Public::new(like, &ALL);
        public.post("Team/Mail", "theirs");
        public.settle();
        assert_eq!(public.mail(), 1, "{like:?}");
        fs::write(public.dir().join("Team/Calendar/plan.ics"), event("plan")).unwrap();
        fs::write(public.dir().join("Team/Contacts/ada.vcf"), card("Ada")).unwrap();
        fs::write(
            public.dir().join("Team/Tasks/todo.ics"),
            event("todo").replace("VEVENT", "VTODO").replace("DTEND", "DUE"),
        )
        .unwrap();
        fs::write(public.dir().join("Team/Notes/note.md"), "A note").unwrap();
        fs::write(public.dir().join("Team/Mail/cur/ours:2,S"), World::mime("ours")).unwrap();
        let report = public.settle();
        assert_eq!(report.total().uploaded, 5, "{like:?}: {report:?}");
        assert_eq!(public.subjects("Team/Calendar"), ["plan"]);
        assert_eq!(public.subjects("Team/Notes").len(), 1);
        assert_eq!(public.subjects("Team/Mail"), ["ours", "theirs"]);
        // Changed there, deleted there; changed here, deleted here.
        let id = public.there.items("Team/Contacts").unwrap()[0].id.clone();
        public.there.delete_item(&id).unwrap();
        let mail = public.there.items("Team/Mail").unwrap().into_iter().find(|item| item.subject == "theirs").unwrap();
        public.there.set_categories(&mail.id, &["Red"]).unwrap();
        fs::write(
            public.dir().join("Team/Calendar/plan.ics"),
            event("plan").replace("SUMMARY:plan", "SUMMARY:other plan"),
        )
        .unwrap();
        fs::remove_file(&public.files("Team/Notes")[0]).unwrap();
        let report = public.settle();
        let total = report.total();
        assert_eq!(
            (total.deleted_here, total.changed_here, total.changed_there, total.deleted_there),
            (1, 1, 1, 1),
            "{like:?}"
        );
        assert_eq!(public.files("Team/Contacts"), Vec::<PathBuf>::new());
        assert_eq!(public.subjects("Team/Calendar"), ["other plan"]);
        assert_eq!(public.subjects("Team/Notes"), Vec::<String>::new());
    }
}

#[test]
fn the_mailbox_knows_nothing_of_them() {
    for like in BOTH {
        let public = Public::new(like, &["Team/Mail"]);
        public.world.settle();
        public.post("Team/Mail", "theirs");
        public.settle();
        let report = public.world.sync();
        assert!(report.notices.is_empty() && report.folders.values().all(|tally| tally.is_empty()), "{report:?}");
        assert!(public.world.mailbox.folders().unwrap().iter().all(|folder| folder.name != "Team"), "{like:?}");
        // One that the mailbox has under that name lies elsewhere.
        public.world.mailbox.create_folder("", "Public Folders", "IPF.Note").unwrap();
        public.world.arrive("Public Folders", "mine");
        assert_eq!(public.world.sync().total().downloaded, 1);
        let again = public.world.sync();
        assert!(again.folders.values().all(|tally| tally.is_empty()), "{again:?}");
        assert_eq!(public.mail(), 1, "{like:?}");
        assert!(!public.dir().join("cur").exists());
        assert!(public.world.mailbox.folder("Public Folders").is_ok());
    }
}

#[test]
fn a_folder_with_many_items_is_listed_page_by_page() {
    let public = Public::new(Personality::Exchange, &["Team/Mail"]);
    (0..1100).for_each(|number| drop(public.post("Team/Mail", &format!("m{number}"))));
    public.settle();
    assert_eq!(public.mail(), 1100);
    public.world.server.clear_requests();
    public.sync();
    let asked: Vec<String> = public.world.server.requests().into_iter().map(|request| request.operation).collect();
    assert!(!asked.iter().any(|operation| operation == "FindItem"), "a quiet folder is not listed: {asked:?}");
    assert!(asked.len() <= 6, "{asked:?}");
}

#[test]
fn a_listing_that_lacks_something_deletes_nothing() {
    let public = Public::new(Personality::Exchange, &["Team/Mail"]);
    (0..20).for_each(|number| drop(public.post("Team/Mail", &format!("m{number}"))));
    public.settle();
    // Each page is answered with a refusal in mid-listing, then with an answer that is cut off.
    for action in [Action::Fault { code: "ErrorInternalServerError".to_owned() }, Action::CutBody { at: 900 }] {
        public.post("Team/Mail", "more");
        public.world.server.faults().add(Rule::on("FindItem", action).times(30));
        let engine = public.engine();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        public.world.advance(120);
        drop(runtime.block_on(engine.run(&Request::default())));
        assert!(public.mail() >= 20);
        public.world.server.faults().clear();
        public.world.advance(3600);
    }
    public.settle();
    assert_eq!(public.mail(), 22);
}

#[test]
fn what_may_only_be_read_is_never_pushed_and_is_told() {
    for like in BOTH {
        let public = Public::new(like, &["Team/Mail", "Team/Calendar"]);
        public.post("Team/Mail", "theirs");
        public.post("Team/Mail", "theirs too");
        fs::create_dir_all(public.dir()).unwrap();
        public.settle();
        fs::write(public.dir().join("Team/Calendar/plan.ics"), event("plan")).unwrap();
        public.settle();
        for folder in ["Team/Mail", "Team/Calendar"] {
            public.there.set_role(folder, Some(USER), Role::Reviewer).unwrap();
        }
        fs::write(public.dir().join("Team/Mail/cur/ours:2,S"), World::mime("ours")).unwrap();
        fs::remove_file(
            ["cur", "new"]
                .iter()
                .flat_map(|part| public.files(&format!("Team/Mail/{part}")))
                .find(|path| !path.ends_with("ours:2,S"))
                .unwrap(),
        )
        .unwrap();
        fs::write(public.dir().join("Team/Calendar/plan.ics"), event("plan").replace("SUMMARY:plan", "SUMMARY:x"))
            .unwrap();
        fs::write(public.dir().join("Team/Calendar/new.ics"), event("new")).unwrap();
        public.world.server.clear_requests();
        for _ in 0..2 {
            let report = public.sync();
            let held: Vec<_> = report.notices.iter().map(|notice| (notice.folder.as_str(), notice.kind)).collect();
            assert_eq!(held, [("Team/Calendar", NoticeKind::Held), ("Team/Mail", NoticeKind::Held)], "{like:?}");
            assert!(report.notices.iter().all(|notice| notice.text.contains("stays here (changes: 2)")), "{report:?}");
        }
        let asked = public.world.server.requests();
        let writes = ["CreateItem", "UpdateItem", "DeleteItem", "MoveItem"];
        assert!(!asked.iter().any(|request| writes.contains(&request.operation.as_str())), "{like:?}");
        let state = State::open_to_read(&public.world.database().join("state.db")).unwrap();
        let account = state.read(|state| state.account(TREE)).unwrap().unwrap();
        let held = state.read(|state| state.held(account.key)).unwrap();
        assert!(held.len() == 2 && held.iter().all(|held| held.reason == "read-only" && held.count == 2), "{held:?}");
        // What comes from there comes in all the same.
        public.post("Team/Mail", "news");
        assert_eq!(public.sync().total().downloaded, 1);
        // With the right to write, everything goes out.
        for folder in ["Team/Mail", "Team/Calendar"] {
            public.there.set_role(folder, Some(USER), Role::Editor).unwrap();
        }
        let total = public.settle().total();
        assert_eq!((total.uploaded, total.changed_there, total.deleted_there), (2, 1, 1), "{like:?}");
    }
}

#[test]
fn what_was_read_in_a_folder_that_may_only_be_read_is_no_trouble() {
    let public = Public::new(Personality::Exchange, &["Team/Mail"]);
    public.post("Team/Mail", "theirs");
    public.there.set_role("Team/Mail", Some(USER), Role::Reviewer).unwrap();
    public.settle();
    let file = ["cur", "new"].iter().flat_map(|part| public.files(&format!("Team/Mail/{part}"))).next().unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let read = public.dir().join("Team/Mail/cur").join(format!("{}:2,FS", name.split(':').next().unwrap()));
    fs::rename(&file, &read).unwrap();
    let report = public.settle();
    assert_eq!(report.total().changed_there, 0);
    assert!(read.exists());
}

#[test]
fn a_single_denied_change_is_told_with_its_reason() {
    let public = Public::new(Personality::Exchange, &["Team/Calendar"]);
    public.sync();
    fs::write(public.dir().join("Team/Calendar/plan.ics"), event("plan")).unwrap();
    public.settle();
    public.there.set_role("Team/Calendar", Some(USER), Role::Poster).unwrap();
    fs::write(public.dir().join("Team/Calendar/plan.ics"), event("plan").replace("SUMMARY:plan", "SUMMARY:x")).unwrap();
    fs::write(public.dir().join("Team/Calendar/new.ics"), event("new")).unwrap();
    let report = public.sync();
    assert_eq!(report.total().uploaded, 1);
    let told: Vec<_> = report.notices.iter().map(|notice| (notice.item.as_deref(), notice.text.as_str())).collect();
    assert!(told.len() == 1 && told[0].0 == Some("plan.ics") && told[0].1.contains("Access is denied"), "{told:?}");
    assert_eq!(public.subjects("Team/Calendar"), ["new", "plan"]);
}

#[test]
fn a_folder_that_is_not_shown_any_more_is_named_and_loses_nothing() {
    for like in BOTH {
        for how in ["gone", "renamed", "invisible", "unreadable", "above"] {
            let public = Public::new(like, &["Team/Mail", "Team/Contacts"]);
            public.post("Team/Mail", "theirs");
            public.sync();
            fs::write(public.dir().join("Team/Contacts/ada.vcf"), card("Ada")).unwrap();
            public.settle();
            match how {
                "gone" => public.there.delete_folder("Team/Mail").unwrap(),
                "renamed" => public.there.rename_folder("Team/Mail", "Post").unwrap(),
                "invisible" => public.there.set_role("Team/Mail", Some(USER), Role::Nobody).unwrap(),
                "unreadable" => public.there.set_role("Team/Mail", Some(USER), Role::Visitor).unwrap(),
                _ => public.there.delete_folder("Team").unwrap(),
            }
            let both = how == "above";
            for request in [Request::default(), World::full(), World::allow_deletes()] {
                public.world.advance(7200);
                let report = public.sync_with(&request);
                let failed: Vec<&str> = report.notices.iter().map(|notice| notice.folder.as_str()).collect();
                let expected: &[&str] = if both { &["Team/Contacts", "Team/Mail"] } else { &["Team/Mail"] };
                assert_eq!(failed, expected, "{like:?} {how}: {:?}", report.notices);
                assert!(report.notices.iter().all(|notice| notice.kind == NoticeKind::FolderFailed));
                assert_eq!((public.mail(), public.files("Team/Contacts").len()), (1, 1), "{like:?} {how}");
            }
            // Lost bookkeeping makes no deletions of it, either; nor does a change here reach anything there.
            fs::remove_file(
                ["cur", "new"].iter().flat_map(|part| public.files(&format!("Team/Mail/{part}"))).next().unwrap(),
            )
            .unwrap();
            fs::write(public.dir().join("Team/Mail/cur/late:2,S"), World::mime("late")).unwrap();
            let report = public.sync();
            assert_eq!((report.total().deleted_there, report.total().uploaded), (0, 0), "{like:?} {how}");
            if how == "renamed" {
                public.there.rename_folder("Team/Post", "Mail").unwrap();
                let total = public.settle().total();
                assert_eq!((total.deleted_there, total.uploaded, total.deleted_here), (1, 1, 0), "{like:?}");
            }
        }
    }
}

#[test]
fn directories_are_no_way_to_change_the_folders() {
    let public = Public::new(Personality::Exchange, &["Team/Mail", "Team/Contacts"]);
    public.post("Team/Mail", "theirs");
    public.sync();
    fs::write(public.dir().join("Team/Contacts/ada.vcf"), card("Ada")).unwrap();
    public.settle();
    // Renamed: it goes back. New: it is told.
    fs::rename(public.dir().join("Team/Contacts"), public.dir().join("Team/People")).unwrap();
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(public.dir().join("Team/Own").join(part)).unwrap();
    }
    let report = public.sync();
    assert!(
        report.notices.iter().any(|notice| notice.folder == "Team/Own" && notice.kind == NoticeKind::Held),
        "{:?}",
        report.notices
    );
    assert_eq!(public.files("Team/Contacts").len(), 1);
    fs::remove_dir_all(public.dir().join("Team/Own")).unwrap();
    public.settle();
    let names: Vec<String> = public.there.folders().unwrap().into_iter().map(|folder| folder.path).collect();
    assert!(names.contains(&"Team/Contacts".to_owned()) && !names.contains(&"Team/Own".to_owned()), "{names:?}");
}

#[test]
fn one_that_is_not_named_any_more_is_left_as_it_is_and_comes_back_in_step() {
    let mut public = Public::new(Personality::Exchange, &["Team/Mail", "Team"]);
    public.post("Team/Mail", "theirs");
    public.post("Team", "above");
    public.settle();
    public.named = vec!["Team"];
    public.post("Team/Mail", "unseen");
    public.settle();
    assert_eq!(public.mail(), 1);
    public.named = vec!["Team/Mail"];
    public.post("Team", "unseen above");
    let report = public.settle();
    assert_eq!((report.total().downloaded, public.mail()), (1, 2));
    public.named = vec!["Team/Mail", "Team"];
    assert_eq!(public.settle().total().downloaded, 1);
}

#[test]
fn requests_are_led_to_where_a_folder_lies() {
    let public = Public::new(Personality::Exchange, &["Team/Mail", "Team/Contacts", "Team/Calendar"]);
    public.there.set_replica("Team/Mail", ELSEWHERE).unwrap();
    public.there.set_replica("Team/Calendar", ELSEWHERE).unwrap();
    for number in 0..3 {
        public.post("Team/Mail", &format!("m{number}"));
    }
    public.settle();
    assert_eq!(public.mail(), 3);
    fs::write(public.dir().join("Team/Contacts/ada.vcf"), card("Ada")).unwrap();
    fs::write(public.dir().join("Team/Calendar/plan.ics"), event("plan")).unwrap();
    public.settle();
    // A process that has listed nothing yet changes things in both places.
    fs::write(public.dir().join("Team/Contacts/ada.vcf"), card("Ada").replace("FN:Ada", "FN:Ada B")).unwrap();
    fs::write(public.dir().join("Team/Calendar/plan.ics"), event("plan").replace("SUMMARY:plan", "SUMMARY:x")).unwrap();
    fs::remove_file(["cur", "new"].iter().flat_map(|part| public.files(&format!("Team/Mail/{part}"))).next().unwrap())
        .unwrap();
    let total = public.settle().total();
    assert_eq!((total.changed_there, total.deleted_there, total.deleted_here), (2, 1, 0));
    assert_eq!(public.mail(), 2);
    // Nothing is taken for gone because it was asked for in the wrong place.
    public.world.advance(8 * 86_400);
    let report = public.sync_with(&World::full());
    assert!(report.folders.values().all(|tally| tally.is_empty()), "{report:?}");
}

#[test]
fn accounts_are_kept_apart() {
    let public = Public::new(Personality::Exchange, &["Team/Mail"]);
    assert!(TREE.starts_with(ACCOUNT));
    public.post("Team/Mail", "theirs");
    public.settle();
    let state = State::open_to_read(&public.world.database().join("state.db")).unwrap();
    assert!(state.read(|state| state.account(ACCOUNT)).unwrap().is_none());
}
