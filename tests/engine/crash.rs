//! Cut off at every step: the next run ends where a run that was not cut off ends, and after that there is nothing to do.

use std::fs;
use std::sync::Arc;

use crate::world::{CutAt, Side, World};
use pimsync::exchange::{Action, Flag, NewMessage, Personality, Rule};
use pimsync::sync::{CutOff, Fault, Report, Request, Step, SyncError};

/// What was there at the last agreement, and what was done on either side since.
struct Scenario {
    name: &'static str,
    before: fn(&World),
    edits: fn(&World),
    request: fn() -> Request,
}

const fn scenario(name: &'static str, before: fn(&World), edits: fn(&World)) -> Scenario {
    Scenario { name, before, edits, request: Request::default }
}

fn read() -> NewMessage<'static> {
    NewMessage { read: true, ..NewMessage::default() }
}

fn draft() -> NewMessage<'static> {
    NewMessage { draft: true, ..NewMessage::default() }
}

fn three(world: &World) {
    world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
    for name in ["a", "b", "c"] {
        world.arrive("Inbox", name);
    }
}

fn nothing(_world: &World) {}

const SCENARIOS: &[Scenario] = &[
    scenario("first sync", nothing, three),
    scenario("first sync with mail here already", nothing, |world| {
        three(world);
        world.put("Inbox", "mine", ":2,S");
        world.put_bytes("Inbox", &World::mime("a"), ":2,F");
    }),
    scenario("new on both sides", three, |world| {
        world.arrive("Inbox", "d");
        world.put("Inbox", "e", ":2,S");
        world.put("Archive", "f", "");
    }),
    scenario("marks on both sides", three, |world| {
        world.flag("a", "FS");
        world.mailbox.set_categories(&world.id("a"), &["Blue"]).unwrap();
        world.mailbox.set_read(&world.id("b"), true).unwrap();
        world.flag("c", "R");
    }),
    scenario("moved here", three, |world| {
        world.shift("a", "Archive");
        world.shift("b", "Archive");
    }),
    scenario("moved there", three, |world| {
        world.mailbox.move_item(&world.id("a"), "Archive").unwrap();
        world.mailbox.move_item(&world.id("b"), "Archive").unwrap();
    }),
    scenario("moved and marked on both sides", three, |world| {
        world.mailbox.move_item(&world.id("a"), "Archive").unwrap();
        world.flag("a", "S");
        world.shift("b", "Archive");
        world.mailbox.set_flag(&world.id("b"), Flag::Flagged).unwrap();
    }),
    scenario("moved apart", three, |world| {
        world.mailbox.create_folder("", "Other", "IPF.Note").unwrap();
        world.mailbox.move_item(&world.id("a"), "Other").unwrap();
        world.shift("a", "Archive");
    }),
    scenario("deleted here", three, |world| {
        world.remove("a");
        world.remove("b");
    }),
    scenario("deleted there", three, |world| {
        world.mailbox.delete_item(&world.id("a")).unwrap();
        world.mailbox.delete_item(&world.id("c")).unwrap();
    }),
    scenario("deleted on one side, edited on the other", three, |world| {
        world.mailbox.delete_item(&world.id("a")).unwrap();
        world.flag("a", "F");
        world.remove("b");
        world.mailbox.set_flag(&world.id("b"), Flag::Flagged).unwrap();
    }),
    scenario("deleted and thrown away there", three, |world| {
        world.mailbox.move_item(&world.id("a"), "Deleted Items").unwrap();
        world.remove("b");
    }),
    scenario(
        "draft edited here",
        |world| drop(world.arrive_as("Drafts", "letter", draft())),
        |world| fs::write(world.file("letter"), World::mime_with("letter", "mine")).unwrap(),
    ),
    scenario(
        "draft edited there",
        |world| drop(world.arrive_as("Drafts", "letter", draft())),
        |world| world.mailbox.replace_mime(&world.id("letter"), &World::mime_with("letter", "theirs")).unwrap(),
    ),
    scenario(
        "draft edited on both sides",
        |world| drop(world.arrive_as("Drafts", "letter", draft())),
        |world| {
            fs::write(world.file("letter"), World::mime_with("letter", "mine")).unwrap();
            world.mailbox.replace_mime(&world.id("letter"), &World::mime_with("letter", "theirs")).unwrap();
        },
    ),
    Scenario {
        name: "a message rewritten here",
        before: three,
        edits: |world| fs::write(world.file("a"), World::mime_with("a", "rewritten")).unwrap(),
        request: World::full,
    },
    scenario(
        "a draft finished here",
        |world| drop(world.arrive_as("Drafts", "letter", draft())),
        |world| {
            world.flag("letter", "S");
        },
    ),
    scenario("lost replies to uploads", three, |world| {
        for name in ["d", "e", "f"] {
            world.put("Inbox", name, ":2,S");
        }
        world.server.faults().add(Rule::on("CreateItem", Action::ResetAfterCommit).times(1));
    }),
    scenario("lost replies to moves and deletions", three, |world| {
        world.shift("a", "Archive");
        world.remove("b");
        world.server.faults().add(Rule::on("MoveItem", Action::ResetAfterCommit).times(1));
        world.server.faults().add(Rule::on("DeleteItem", Action::ResetAfterCommit).times(1));
    }),
    scenario("lost replies to marks", three, |world| {
        world.flag("a", "FS");
        world.server.faults().add(Rule::on("UpdateItem", Action::ResetAfterCommit).times(1));
    }),
    scenario("folders made on both sides", three, |world| {
        world.mailbox.create_folder("Inbox", "Theirs", "IPF.Note").unwrap();
        world.arrive("Inbox/Theirs", "d");
        world.mkdir("Inbox/Mine/Deep");
        world.put("Inbox/Mine/Deep", "e", ":2,S");
    }),
    scenario("the same folder made on both sides", three, |world| {
        world.mailbox.create_folder("Inbox", "Same", "IPF.Note").unwrap();
        world.arrive("Inbox/Same", "d");
        world.mkdir("Inbox/Same");
        world.put("Inbox/Same", "e", ":2,S");
    }),
    scenario("folders renamed and moved", folders, |world| {
        world.mailbox.rename_folder("One", "Uno").unwrap();
        fs::rename(world.account_dir().join("Two"), world.account_dir().join("Due")).unwrap();
        world.mailbox.move_folder("Three", "Inbox").unwrap();
        fs::rename(world.account_dir().join("Four"), world.account_dir().join("Inbox/Four")).unwrap();
    }),
    scenario("folders removed", folders, |world| {
        world.mailbox.delete_folder("One").unwrap();
        fs::remove_dir_all(world.account_dir().join("Two")).unwrap();
    }),
    scenario("a folder removed there, with something new in it here", folders, |world| {
        world.mailbox.delete_folder("One").unwrap();
        world.put("One", "new", ":2,S");
    }),
    scenario("a folder removed here, with something new in it there", folders, |world| {
        fs::remove_dir_all(world.account_dir().join("Two")).unwrap();
        world.arrive("Two", "new");
    }),
    scenario("everything at once", folders, |world| {
        world.arrive_as("Inbox", "n1", read());
        world.put("Inbox", "n2", ":2,S");
        world.mailbox.move_item(&world.id("in-One"), "Inbox").unwrap();
        world.shift("in-Two", "Three");
        world.mailbox.rename_folder("Three", "Tres").unwrap();
        world.remove("in-Four");
        fs::rename(world.account_dir().join("Four"), world.account_dir().join("Quattro")).unwrap();
    }),
];

fn folders(world: &World) {
    for name in ["One", "Two", "Three", "Four"] {
        world.mailbox.create_folder("", name, "IPF.Note").unwrap();
        world.arrive(name, &format!("in-{name}"));
    }
}

/// How a run ends that is never cut off, and how many steps it takes.
fn whole_run(like: Personality, scenario: &Scenario) -> (Ends, usize) {
    let world = prepared(World::new(like), scenario);
    let fault = Arc::new(CutAt::default());
    world.try_sync(&(scenario.request)(), fault.clone()).unwrap();
    let steps = fault.passed.lock().unwrap().len();
    world.assert_settled();
    (ends(&world), steps)
}

type Ends = (Side, Side, Vec<String>);

fn ends(world: &World) -> Ends {
    (world.remote(), world.local(), world.conflicts())
}

fn prepared(world: World, scenario: &Scenario) -> World {
    (scenario.before)(&world);
    world.sync();
    world.advance(60);
    (scenario.edits)(&world);
    world
}

fn cut_everywhere(like: Personality, scenarios: &[Scenario]) {
    for scenario in scenarios {
        let (wanted, steps) = whole_run(like, scenario);
        for at in 1..=steps {
            let world = prepared(World::unrecorded(like), scenario);
            let fault = Arc::new(CutAt { at: Some(at), ..CutAt::default() });
            let cut: Result<Report, SyncError> = world.try_sync(&(scenario.request)(), fault.clone());
            let step = fault.passed.lock().unwrap().last().copied();
            let told = format!("{like:?}, {:?}, cut off at step {at} of {steps}, {step:?}", scenario.name);
            assert!(matches!(cut, Err(SyncError::CutOff(_))), "{told}: {cut:?}");
            world.advance(60);
            world
                .try_sync(&(scenario.request)(), Arc::new(CutAt::default()))
                .unwrap_or_else(|error| panic!("{told}: {error}"));
            assert_eq!(ends(&world), wanted, "{told}");
            world.assert_settled();
        }
    }
}

/// Four tests, so that they run side by side.
fn quarter(like: Personality, number: usize) {
    let size = SCENARIOS.len().div_ceil(4);
    cut_everywhere(like, &SCENARIOS[number * size..SCENARIOS.len().min((number + 1) * size)]);
}

#[test]
fn exchange_first_quarter() {
    quarter(Personality::Exchange, 0);
}

#[test]
fn exchange_second_quarter() {
    quarter(Personality::Exchange, 1);
}

#[test]
fn exchange_third_quarter() {
    quarter(Personality::Exchange, 2);
}

#[test]
fn exchange_fourth_quarter() {
    quarter(Personality::Exchange, 3);
}

#[test]
fn gromox_everything_at_once() {
    cut_everywhere(Personality::Gromox, &SCENARIOS[SCENARIOS.len() - 1..]);
}

#[test]
fn gromox_ends_like_exchange() {
    for scenario in SCENARIOS {
        let (exchange, _) = whole_run(Personality::Exchange, scenario);
        let (gromox, _) = whole_run(Personality::Gromox, scenario);
        assert_eq!(exchange, gromox, "{:?}", scenario.name);
    }
}

/// Cuts a run off at the first step of a kind.
struct First(Step);

impl Fault for First {
    fn at(&self, step: Step) -> Result<(), CutOff> {
        if step == self.0 { Err(CutOff(step)) } else { Ok(()) }
    }
}

/// Else the first sync of a large mailbox over a bad line would begin anew each time, and never end.
#[test]
fn a_listing_that_was_cut_off_goes_on_behind_its_last_page() {
    let world = World::unrecorded(Personality::Exchange);
    for number in 0..600 {
        world.arrive("Inbox", &format!("m{number}"));
    }
    let listed = || {
        let asked = world.server.requests();
        asked
            .iter()
            .filter(|request| request.operation == "SyncFolderItems")
            .map(|request| request.bytes_out)
            .sum::<u64>()
    };
    let inbox = Request { folders: vec!["Inbox".to_owned()], ..Request::default() };
    let cut = world.try_sync(&inbox, Arc::new(First(Step::PageNoted)));
    assert!(matches!(cut, Err(SyncError::CutOff(_))), "{cut:?}");
    let before = listed();
    world.server.clear_requests();
    world.sync_with(&inbox);
    assert!(listed() < before / 2, "the first page was listed again: {} bytes after {before}", listed());
    assert_eq!(world.local()["Inbox"].len(), 600);
}

/// Its file lies here, and nothing but the note of its arrival tells that it is not a new message of somebody here.
#[test]
fn a_message_deleted_there_after_a_cut_off_delivery_does_not_come_back() {
    for like in [Personality::Exchange, Personality::Gromox] {
        let world = World::new(like);
        three(&world);
        let cut = world.try_sync(&Request::default(), Arc::new(First(Step::Delivered)));
        assert!(matches!(cut, Err(SyncError::CutOff(_))), "{cut:?}");
        assert!(world.find_file("a").is_some(), "it was delivered");
        world.mailbox.delete_item(&world.id("a")).unwrap();
        world.settle();
        assert_eq!(world.find("a"), None, "it came back there");
        assert_eq!(world.find_file("a"), None);
        assert_eq!(world.local()["Inbox"].len(), 2);
    }
}
