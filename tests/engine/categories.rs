//! The master list of categories: `categories.toml` and the server's list, both ways, and nobody's categories lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::world::{CutAt, World};
use pimsync::exchange::{Action, Personality, Rule};
use pimsync::format::categories::CategoryDocument;
use pimsync::plan::ConflictPolicy;
use pimsync::sync::{CutOff, Fault, NoticeKind, Report, Request, Step, SyncError, Tally};

const BOTH: [Personality; 2] = [Personality::Exchange, Personality::Gromox];
const HOUR: i64 = 3600;

fn path(world: &World) -> PathBuf {
    world.account_dir().join("categories.toml")
}

fn file(world: &World) -> String {
    fs::read_to_string(path(world)).unwrap()
}

fn write(world: &World, text: &str) {
    fs::write(path(world), text).unwrap();
}

fn edit(world: &World, from: &str, to: &str) {
    let text = file(world);
    assert!(text.contains(from), "{from:?} is not in {text}");
    write(world, &text.replace(from, to));
}

/// A list as a server keeps it: names and colours.
fn put(world: &World, categories: &[(&str, i32)]) {
    let mut xml = String::from("<?xml version=\"1.0\"?>\r\n<categories default=\"x\" xmlns=\"CategoryList.xsd\">");
    for (name, colour) in categories {
        xml.push_str(&format!(
            "<category name=\"{name}\" color=\"{colour}\" usageCount=\"7\" guid=\"{{of {name}}}\"/>"
        ));
    }
    world.mailbox.set_category_list(&(xml + "</categories>")).unwrap();
}

/// What the server's list says.
fn there(world: &World) -> BTreeMap<String, i32> {
    let xml = world.mailbox.category_list().unwrap().unwrap_or_default();
    let document = CategoryDocument::parse(xml.as_bytes()).unwrap();
    document.list().iter().map(|category| (category.name.0.clone(), category.colour.0)).collect()
}

/// What the file says.
fn here(world: &World) -> BTreeMap<String, i32> {
    let file = pimsync::format::categories::CategoryFile::parse(file(world).as_bytes()).unwrap();
    file.list().iter().map(|category| (category.name.0.clone(), category.colour.0)).collect()
}

fn list(categories: &[(&str, i32)]) -> BTreeMap<String, i32> {
    categories.iter().map(|(name, colour)| ((*name).to_owned(), *colour)).collect()
}

fn settled(world: &World) -> Report {
    let report = world.sync();
    assert_eq!(world.dry_run().planned, [], "after {report:#?}");
    let again = world.sync();
    assert!(again.folders.values().all(Tally::is_empty), "a second sync did something: {again:?}");
    report
}

fn told(report: &Report, kind: NoticeKind) -> Vec<&str> {
    let of_list = |notice: &&pimsync::sync::Notice| notice.folder == "categories.toml" && notice.kind == kind;
    report.notices.iter().filter(of_list).map(|notice| notice.text.as_str()).collect()
}

fn asked(world: &World, operation: &str) -> usize {
    world.server.requests().iter().filter(|request| request.operation == operation).count()
}

#[test]
fn the_list_comes_and_goes_both_ways() {
    for like in BOTH {
        let world = World::new(like);
        put(&world, &[("Work", 0), ("Home", 4)]);
        settled(&world);
        assert_eq!(here(&world), list(&[("Work", 0), ("Home", 4)]));
        assert!(file(&world).contains("name = \"Work\"\ncolour = \"red\"\n"), "{}", file(&world));

        // Changed here, with what only the file says.
        edit(&world, "colour = \"red\"", "colour = \"blue\" # as the sea\nicon = 3\nshortcut = 5");
        write(&world, &format!("{}\n[[category]]\nname = \"New\"\n", file(&world)));
        settled(&world);
        assert_eq!(there(&world), list(&[("Work", 7), ("Home", 4), ("New", -1)]));
        let xml = world.mailbox.category_list().unwrap().unwrap();
        let kept = "name=\"Work\" color=\"7\" usageCount=\"7\" guid=\"{of Work}\" keyboardShortcut=\"5\"/>";
        assert!(xml.contains(kept) && xml.contains("default=\"x\""), "{xml}");

        // Changed there: an hour later at the latest it is here.
        put(&world, &[("Work", 7), ("home", 5), ("New", -1), ("Theirs", 2)]);
        world.advance(HOUR);
        settled(&world);
        assert_eq!(here(&world), list(&[("Work", 7), ("home", 5), ("New", -1), ("Theirs", 2)]));
        assert!(file(&world).contains("# as the sea\nicon = 3\n"), "{}", file(&world));

        // Gone there, and gone here.
        put(&world, &[("Work", 7), ("home", 5), ("Theirs", 2)]);
        edit(&world, "\n[[category]]\nname = \"Theirs\"\ncolour = \"peach\"\n", "");
        settled(&world);
        assert_eq!(there(&world), list(&[("Work", 7), ("home", 5)]));
        assert_eq!(here(&world), there(&world));
    }
}

#[test]
fn a_list_that_is_only_here_is_made_there() {
    for like in BOTH {
        let world = World::new(like);
        write(&world, "[[category]]\nname = \"A & b\"\ncolour = \"dark grey\"\n");
        settled(&world);
        assert_eq!(there(&world), list(&[("A & b", 13)]));
        assert_eq!(file(&world), "[[category]]\nname = \"A & b\"\ncolour = \"dark grey\"\n");
    }
    let world = World::new(Personality::Exchange);
    settled(&world);
    assert!(!path(&world).exists() && world.mailbox.category_list().unwrap().is_none(), "there was nothing to say");
}

#[test]
fn where_nothing_changed_nothing_is_asked_for_an_hour() {
    for like in BOTH {
        let world = World::new(like);
        put(&world, &[("Work", 0)]);
        settled(&world);
        world.server.clear_requests();
        for _ in 0..5 {
            world.advance(600);
            world.sync();
        }
        assert_eq!(asked(&world, "GetUserConfiguration"), 0);
        world.advance(600);
        world.sync();
        assert_eq!(asked(&world, "GetUserConfiguration"), 1);
        world.sync_with(&World::full());
        assert_eq!(asked(&world, "GetUserConfiguration"), 2);
        // A change here: asked, asked again right before it is written, written, read back.
        edit(&world, "red", "green");
        world.server.clear_requests();
        world.sync();
        assert_eq!((asked(&world, "GetUserConfiguration"), asked(&world, "UpdateUserConfiguration")), (3, 1));
        assert_eq!(there(&world), list(&[("Work", 4)]));
    }
}

/// Who gives something a new category in Outlook changes the calendar often enough.
#[test]
fn a_change_in_the_calendar_is_a_reason_to_ask_every_ten_minutes() {
    use pimsync::pim::{Entry, Event, SpecialFolder};
    let world = World::new(Personality::Exchange);
    put(&world, &[("Work", 0)]);
    settled(&world);
    let others = crate::world::others::Others(&world);
    for (number, minutes, is_here) in [(1, 5, false), (2, 6, true)] {
        put(&world, &[("Work", 0), ("New", 1)]);
        let uid = format!("uid-{number}");
        let event = Event { uid: uid.as_str().into(), ..Event::default() };
        others.create(SpecialFolder::Calendar, &Entry::Event(Box::new(event)));
        world.advance(minutes * 60);
        world.sync();
        assert_eq!(here(&world).contains_key("New"), is_here, "after {minutes} minutes more");
    }
}

#[test]
fn a_file_that_is_gone_is_written_again() {
    for like in BOTH {
        let world = World::new(like);
        put(&world, &[("Work", 0), ("Home", 4)]);
        settled(&world);
        fs::remove_file(path(&world)).unwrap();
        put(&world, &[("Work", 0), ("Home", 3)]);
        settled(&world);
        assert_eq!(here(&world), list(&[("Work", 0), ("Home", 3)]));
        assert_eq!(there(&world), here(&world));
    }
}

#[test]
fn an_emptied_file_empties_the_list_only_when_that_is_meant() {
    for like in BOTH {
        let world = World::new(like);
        put(&world, &[("Work", 0), ("Home", 4)]);
        settled(&world);
        write(&world, "");
        for _ in 0..2 {
            let held = world.sync();
            let told = told(&held, NoticeKind::Held);
            assert!(told.len() == 1 && told[0].contains("2 categories are not deleted on the server"), "{held:?}");
            assert!(told[0].contains("--allow-deletes"));
            assert_eq!(there(&world).len(), 2);
            assert_eq!(file(&world), "", "it is its owner's, as long as nobody knows what is meant");
        }
        world.sync_with(&World::allow_deletes());
        assert_eq!(there(&world), list(&[]));
        assert_eq!(told(&settled(&world), NoticeKind::Held), Vec::<&str>::new());

        // The same the other way round.
        write(&world, "[[category]]\nname = \"a\"\n\n[[category]]\nname = \"b\"\n");
        settled(&world);
        put(&world, &[]);
        world.advance(HOUR);
        let held = world.sync();
        assert!(told(&held, NoticeKind::Held)[0].contains("not deleted in the file"), "{held:?}");
        assert_eq!(here(&world).len(), 2);
        write(&world, &format!("{}\n[[category]]\nname = \"c\"\n", file(&world)));
        world.sync();
        assert_eq!((here(&world).len(), there(&world)), (3, list(&[("c", -1)])), "what is new goes on all the same");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_held_and_the_server_is_left_alone() {
    for (text, reason) in [
        ("[[category]\n", "line 1"),
        ("[[category]]\nname = \"Work\"\ncolour = \"pink\"\n", "the colour of \"Work\" is none of"),
        ("[[category]]\nname = \"a\"\n[[category]]\nname = \"A\"\n", "two categories"),
    ] {
        let world = World::new(Personality::Exchange);
        put(&world, &[("Work", 0)]);
        settled(&world);
        let (good, xml) = (file(&world), world.mailbox.category_list().unwrap());
        write(&world, text);
        world.server.clear_requests();
        world.advance(2 * HOUR);
        for _ in 0..2 {
            let held = world.sync();
            assert!(told(&held, NoticeKind::Held)[0].contains(reason), "{held:?}");
        }
        assert_eq!((world.mailbox.category_list().unwrap(), file(&world)), (xml, text.to_owned()));
        assert_eq!(asked(&world, "UpdateUserConfiguration") + asked(&world, "GetUserConfiguration"), 0);
        write(&world, &good);
        put(&world, &[("Work", 0), ("More", 1)]);
        assert_eq!(settled(&world).notices, []);
        assert_eq!(here(&world), there(&world));
    }
    let world = World::new(Personality::Exchange);
    put(&world, &[("Work", 0)]);
    fs::create_dir(path(&world)).unwrap();
    let held = world.sync();
    assert!(told(&held, NoticeKind::Held)[0].contains("something else than a file"), "{held:?}");
}

#[test]
fn a_contradiction_is_told_and_nobodys_word_is_lost() {
    for (policy, colour, copies) in
        [(ConflictPolicy::KeepBoth, 4, 1), (ConflictPolicy::Server, 4, 0), (ConflictPolicy::Local, 7, 0)]
    {
        let mut world = World::new(Personality::Exchange);
        world.policy = policy;
        put(&world, &[("Work", 0), ("Home", 1)]);
        settled(&world);
        edit(&world, "red", "blue");
        put(&world, &[("Work", 4), ("Home", 2)]);
        let report = settled(&world);
        assert_eq!(told(&report, NoticeKind::Conflict).len(), copies, "{report:?}");
        assert_eq!(there(&world), list(&[("Work", colour), ("Home", 2)]));
        assert_eq!(here(&world), there(&world));
        let dir = world.database().join("On My Computer/Conflicts");
        let kept: Vec<String> = fs::read_dir(dir)
            .map(|listed| listed.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect::<Vec<_>>())
            .unwrap_or_default()
            .iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        assert_eq!(kept.len(), copies);
        assert!(kept.iter().all(|copy| copy.contains("colour = \"blue\"")), "{kept:?}");
    }
}

#[test]
fn a_server_that_keeps_no_lists_is_told_of_once_and_the_rest_goes_on() {
    for like in BOTH {
        let world = World::new(like);
        world
            .server
            .faults()
            .add(Rule::on("GetUserConfiguration", Action::Fault { code: "ErrorInvalidOperation".into() }));
        world.arrive("Inbox", "a");
        write(&world, "[[category]]\nname = \"Mine\"\n");
        let first = world.sync();
        assert_eq!(told(&first, NoticeKind::Held).len(), 1, "{first:?}");
        assert_eq!(world.local()["Inbox"].len(), 1);
        world.server.clear_requests();
        assert_eq!(world.sync().notices, []);
        assert_eq!(asked(&world, "GetUserConfiguration"), 0);
        world.advance(2 * HOUR);
        assert_eq!(world.sync().notices, []);
        // Once it does, the file is not forgotten.
        world.server.faults().clear();
        world.advance(2 * HOUR);
        world.sync();
        assert_eq!(there(&world), list(&[("Mine", -1)]));
    }
}

#[test]
fn a_list_that_the_server_does_not_take_stays_here_and_is_not_sent_for_ever() {
    let world = World::new(Personality::Exchange);
    put(&world, &[("Work", 0), ("Home", 1)]);
    settled(&world);
    world.server.faults().add(Rule::on("UpdateUserConfiguration", Action::Fault { code: "ErrorAccessDenied".into() }));
    edit(&world, "red", "blue");
    let first = world.sync();
    assert!(told(&first, NoticeKind::Refused)[0].contains("did not take"), "{first:?}");
    world.server.clear_requests();
    for _ in 0..3 {
        world.advance(HOUR);
        assert_eq!(world.sync().notices, []);
    }
    assert_eq!(asked(&world, "UpdateUserConfiguration"), 0);
    assert_eq!(here(&world)["Work"], 7, "what its owner wrote stays");
    put(&world, &[("Work", 0), ("Home", 2)]);
    world.advance(HOUR);
    world.sync();
    assert_eq!((here(&world)["Work"], here(&world)["Home"]), (7, 2), "the server's changes come all the same");
    world.server.faults().clear();
    world.sync_with(&World::full());
    assert_eq!(there(&world), list(&[("Work", 7), ("Home", 2)]));
    settled(&world);
}

#[test]
fn a_passing_failure_is_tried_again_by_the_next_run() {
    let world = World::new(Personality::Exchange);
    put(&world, &[("Work", 0)]);
    settled(&world);
    edit(&world, "red", "blue");
    let rule = Rule::on("UpdateUserConfiguration", Action::ResetAfterCommit).times(1);
    world.server.faults().add(rule);
    assert_eq!(settled(&world).notices, [], "a lost answer is looked up");
    assert_eq!(there(&world), list(&[("Work", 7)]));
    edit(&world, "blue", "teal");
    let busy = Action::Fault { code: "ErrorInternalServerTransientError".into() };
    world.server.faults().add(Rule::on("UpdateUserConfiguration", busy).times(20));
    drop(world.try_sync(&Request::default(), Arc::new(CutAt::default())));
    world.server.faults().clear();
    world.advance(60);
    settled(&world);
    assert_eq!(there(&world), list(&[("Work", 5)]));
}

/// Somebody writes the server's list when the file was just written.
struct Race<'w>(&'w World, Mutex<Vec<(&'static str, i32)>>);

impl Fault for Race<'static> {
    fn at(&self, step: Step) -> Result<(), CutOff> {
        let mut list = self.1.lock().unwrap();
        if step == Step::FileChanged && !list.is_empty() {
            put(self.0, &list);
            list.clear();
        }
        Ok(())
    }
}

#[test]
fn what_somebody_else_writes_in_the_very_instant_is_merged() {
    for like in BOTH {
        let world: &'static World = Box::leak(Box::new(World::new(like)));
        put(world, &[("Work", 0), ("Home", 1)]);
        settled(world);
        edit(world, "red", "blue");
        put(world, &[("Work", 0), ("Home", 2)]);
        let race = Race(world, Mutex::new(vec![("Work", 0), ("Home", 2), ("Third", 9)]));
        world.try_sync(&Request::default(), Arc::new(race)).unwrap();
        let wanted = list(&[("Work", 7), ("Home", 2), ("Third", 9)]);
        assert_eq!((there(world), here(world)), (wanted.clone(), wanted));
        settled(world);
        drop(fs::remove_dir_all(world.home.path()));
    }
}

/// What was done on both sides since the last agreement.
fn both_sides(world: &World) {
    edit(world, "red", "blue");
    edit(world, "\n[[category]]\nname = \"Gone here\"\n", "\n[[category]]\nname = \"Mine\"\n");
    put(world, &[("Work", 0), ("Home", 2), ("Gone here", -1), ("Theirs", 3), ("Torn", 4)]);
    edit(world, "olive", "steel");
}

#[test]
fn cut_off_at_any_step_the_next_run_ends_where_it_would_have() {
    type Edits = fn(&World);
    let edits: [(&str, Edits); 3] = [
        ("both sides", both_sides),
        ("lost answer", |world| {
            both_sides(world);
            world.server.faults().add(Rule::on("UpdateUserConfiguration", Action::ResetAfterCommit).times(1));
        }),
        ("no file", |world| {
            fs::remove_file(path(world)).unwrap();
            put(world, &[("Work", 5)]);
        }),
    ];
    for like in BOTH {
        for (name, edits) in edits {
            let prepared = |world: World| {
                put(&world, &[("Work", 0), ("Home", 1), ("Gone here", -1), ("Torn", 6)]);
                world.sync();
                world.advance(HOUR);
                edits(&world);
                world
            };
            let world = prepared(World::unrecorded(like));
            let fault = Arc::new(CutAt::default());
            world.try_sync(&Request::default(), fault.clone()).unwrap();
            let wanted = (here(&world), there(&world));
            let steps = fault.passed.lock().unwrap().len();
            assert!(steps >= 2, "{name}");
            for at in 1..=steps {
                let world = prepared(World::unrecorded(like));
                let fault = Arc::new(CutAt { at: Some(at), ..CutAt::default() });
                let cut = world.try_sync(&Request::default(), fault);
                assert!(matches!(cut, Err(SyncError::CutOff(_))), "{name}: {cut:?}");
                world.advance(60);
                world.sync();
                assert_eq!((here(&world), there(&world)), wanted, "{like:?}, {name}, cut off at step {at} of {steps}");
                settled(&world);
                let ours = fs::read_dir(world.account_dir()).unwrap().map(|entry| entry.unwrap().file_name());
                assert!(!ours.map(|name| name.into_string().unwrap()).any(|name| name.starts_with('.')));
            }
        }
    }
}

#[test]
fn a_dry_run_tells_and_writes_nothing() {
    let world = World::new(Personality::Exchange);
    put(&world, &[("Work", 0)]);
    settled(&world);
    edit(&world, "red", "blue");
    put(&world, &[("Work", 0), ("Theirs", 1)]);
    let (text, xml) = (file(&world), world.mailbox.category_list().unwrap());
    let planned: Vec<_> = world.dry_run().planned.into_iter().map(|op| (op.folder, op.action, op.item)).collect();
    let name = || "categories.toml".to_owned();
    assert_eq!(
        planned,
        [
            (name(), pimsync::sync::Action::ChangeHere, "1 category".to_owned()),
            (name(), pimsync::sync::Action::ChangeThere, "1 category".to_owned())
        ]
    );
    assert_eq!((file(&world), world.mailbox.category_list().unwrap()), (text, xml));
}

#[test]
fn a_document_that_is_no_list_is_left_as_it_is() {
    for bad in ["hello", "<!DOCTYPE a [<!ENTITY b \"c\">]><categories/>", "<categories>"] {
        let world = World::new(Personality::Exchange);
        world.mailbox.set_category_list(bad).unwrap();
        write(&world, "[[category]]\nname = \"Mine\"\n");
        let report = world.sync();
        assert!(told(&report, NoticeKind::Held)[0].contains("no list of categories"), "{report:?}");
        assert_eq!(world.mailbox.category_list().unwrap().as_deref(), Some(bad));
        assert_eq!(world.sync().notices, []);
    }
}

#[test]
fn a_folder_of_that_name_stands_in_nobodys_way() {
    let world = World::new(Personality::Exchange);
    world.mailbox.create_folder("", "categories.toml", "IPF.Note").unwrap();
    world.arrive("categories.toml", "a");
    put(&world, &[("Work", 0)]);
    world.settle();
    assert_eq!(here(&world), list(&[("Work", 0)]));
    assert_eq!(world.local()["categories.toml"].len(), 1);
}
