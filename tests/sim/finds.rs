//! What the simulation found, each in the smallest form that fails without its fix.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use crate::world::{CutAt, Side, World, body_of, files};
use pimsync::clock::Clock as _;
use pimsync::exchange::{Action, Flag, NewMessage, Personality, Rule};
use pimsync::plan::ConflictPolicy;
use pimsync::sync::{CutOff, Fault, Report, Request, Step};

const BOTH: [Personality; 2] = [Personality::Exchange, Personality::Gromox];

/// What is done, once, when so many times are left.
type Edit = (usize, Option<Box<dyn FnOnce() + Send>>);

/// Does something at the `n`th time that a run comes to a step.
struct During {
    step: Step,
    left: Mutex<Edit>,
}

impl During {
    fn nth(nth: usize, step: Step, edit: impl FnOnce() + Send + 'static) -> Arc<Self> {
        Arc::new(Self { step, left: Mutex::new((nth, Some(Box::new(edit)))) })
    }
}

impl Fault for During {
    fn at(&self, step: Step) -> Result<(), CutOff> {
        let mut left = self.left.lock().unwrap();
        if step == self.step {
            left.0 = left.0.saturating_sub(1);
        }
        if left.0 == 0
            && let Some(edit) = left.1.take()
        {
            edit();
        }
        Ok(())
    }
}

/// Cuts a run off at the `n`th time that it comes to a step.
struct CutAtNth {
    step: Step,
    left: Mutex<usize>,
}

impl CutAtNth {
    fn new(nth: usize, step: Step) -> Arc<Self> {
        Arc::new(Self { step, left: Mutex::new(nth) })
    }
}

impl Fault for CutAtNth {
    fn at(&self, step: Step) -> Result<(), CutOff> {
        let mut left = self.left.lock().unwrap();
        if step == self.step {
            *left = left.saturating_sub(1);
        }
        if *left == 0 { Err(CutOff(step)) } else { Ok(()) }
    }
}

/// A sync of one folder after the other, in the order in which the server made them.
fn sync_in_order(world: &World, request: &Request, fault: Arc<dyn Fault>) -> Report {
    let mut engine = world.engine(fault);
    engine.settings.folders_at_once = 1;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(engine.run(request)).unwrap()
}

fn only(folder: &str) -> Request {
    Request { folders: vec![folder.to_owned()], ..Request::default() }
}

fn draft() -> NewMessage<'static> {
    NewMessage { draft: true, ..NewMessage::default() }
}

fn lose_state(world: &World) {
    for suffix in ["", "-wal", "-shm"] {
        drop(fs::remove_file(world.database().join(format!("state.db{suffix}"))));
    }
}

fn copies(world: &World, name: &str) -> usize {
    world.remote().values().flatten().filter(|seen| seen.id == format!("{name}@example.org")).count()
}

/// The move was taken for a deletion, and the message went to Deleted Items while it was uploaded anew later.
#[test]
fn a_move_out_of_the_only_folder_asked_for_is_a_move() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
        let id = world.arrive("Inbox", "a");
        world.sync();
        world.shift("a", "Archive");
        let report = world.sync_with(&only("Inbox"));
        assert_eq!((report.total().moved_there, report.total().deleted_there), (1, 0));
        assert_eq!(world.find("a").unwrap().1, "Archive");
        assert!(world.mailbox.item(&id).is_err() && copies(&world, "a") == 1);
        world.settle();
    }
}

/// The draft was taken for the server's because of its name, and the edit was never seen again.
#[test]
fn a_draft_that_was_edited_before_the_state_was_lost_is_kept() {
    let world = World::new(Personality::Exchange);
    world.arrive_as("Drafts", "letter", draft());
    world.arrive_as("Drafts", "other", draft());
    world.sync();
    world.put("Drafts", "mine", ":2,DS");
    world.settle();
    fs::write(world.file("letter"), World::mime_with("letter", "edited")).unwrap();
    lose_state(&world);
    let report = world.sync();
    assert_eq!((report.total().conflicts, report.total().adopted), (1, 3));
    assert_eq!((world.remote()["Drafts"][0].body.as_str(), world.conflicts()), ("letter", vec!["edited".to_owned()]));
    world.assert_settled();
}

#[test]
fn a_message_that_was_rewritten_before_the_state_was_lost_is_kept() {
    let world = World::new(Personality::Exchange);
    world.arrive("Inbox", "a");
    world.arrive("Inbox", "b");
    world.sync();
    fs::write(world.file("a"), World::mime_with("a", "rewritten")).unwrap();
    lose_state(&world);
    let report = world.sync();
    assert_eq!((report.total().conflicts, report.total().adopted), (1, 2));
    assert_eq!(world.conflicts(), ["rewritten"]);
    world.assert_settled();
}

/// The directory that it was to come into is not there, and that ended each and every run.
#[test]
fn a_folder_comes_from_the_server_into_one_that_was_removed_here() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["One", "Two", "Three"] {
            world.mailbox.create_folder("", name, "IPF.Note").unwrap();
        }
        world.mailbox.create_folder("Three", "Deep", "IPF.Note").unwrap();
        world.arrive("Two", "a");
        world.sync();
        for name in ["One", "Three"] {
            fs::remove_dir_all(world.account_dir().join(name)).unwrap();
        }
        world.mailbox.move_folder("Two", "One").unwrap();
        world.mailbox.create_folder("Three/Deep", "Fresh", "IPF.Note").unwrap();
        world.sync();
        assert!(world.file("a").starts_with(world.account_dir().join("One/Two")));
        assert!(world.account_dir().join("Three/Deep/Fresh/cur").is_dir());
        world.assert_settled();
    }
}

/// The folder that it went to had been listed already, so that it was taken for deleted and uploaded anew.
#[test]
fn a_message_that_is_moved_there_during_the_run_and_was_flagged_here_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Last", "IPF.Note").unwrap();
        world.arrive("Last", "a");
        world.sync();
        world.flag("a", "F");
        let (mailbox, id) = (world.mailbox.clone(), world.id("a"));
        let moved = During::nth(6, Step::PageNoted, move || drop(mailbox.move_item(&id, "Inbox").unwrap()));
        let report = sync_in_order(&world, &World::full(), moved);
        assert_eq!((report.total().uploaded, report.total().downloaded, report.total().moved_here), (0, 0, 1));
        assert_eq!(copies(&world, "a"), 1);
        assert_eq!(world.remote()["Inbox"][0].flags, "F");
        world.assert_settled();
    }
}

#[test]
fn a_message_that_moved_to_a_folder_that_was_not_asked_for_waits() {
    let world = World::new(Personality::Exchange);
    world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
    world.arrive("Inbox", "a");
    world.sync();
    world.flag("a", "F");
    world.mailbox.move_item(&world.id("a"), "Archive").unwrap();
    world.sync_with(&only("Inbox"));
    assert!(world.file("a").starts_with(world.account_dir().join("Inbox")));
    world.settle();
    assert_eq!((copies(&world, "a"), world.remote()["Archive"][0].flags.as_str()), (1, "F"));
}

/// It was uploaded anew, and then deleted where it came from.
#[test]
fn a_move_into_the_only_folder_asked_for_is_a_move() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
        world.arrive("Inbox", "a");
        world.sync();
        world.shift("a", "Archive");
        let report = world.sync_with(&only("Archive"));
        assert_eq!((report.total().moved_there, report.total().uploaded), (1, 0));
        assert_eq!((world.find("a").unwrap().1.as_str(), copies(&world, "a")), ("Archive", 1));
        world.settle();
    }
}

/// The server refused each deletion, since the version was not the noted one, and the version was never noted.
#[test]
fn a_message_that_was_deleted_here_goes_although_its_version_changed_there() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        world.remove("a");
        world.mailbox.touch(&world.id("a")).unwrap();
        world.settle();
        assert_eq!(world.find("a").unwrap().1, "Deleted Items");
    }
}

/// The run was killed between the delivery and its note; the message was moved before the next one, and fetched once more.
#[test]
fn a_message_that_is_moved_right_after_a_crash_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
        world.sync();
        world.arrive("Inbox", "a");
        let cut = Arc::new(CutAt { at: Some(3), ..CutAt::default() });
        drop(world.try_sync(&Request::default(), cut.clone()).unwrap_err());
        assert_eq!(cut.passed.lock().unwrap().get(2), Some(&Step::ArrivalsNoted));
        assert!(world.find_file("a").is_none());
        let cut = Arc::new(CutAt { at: Some(4), ..CutAt::default() });
        drop(world.try_sync(&Request::default(), cut.clone()).unwrap_err());
        assert_eq!(cut.passed.lock().unwrap().get(3), Some(&Step::Delivered));
        world.shift("a", "Archive");
        world.settle();
        assert_eq!((world.find("a").unwrap().1.as_str(), copies(&world, "a")), ("Archive", 1));
    }
}

/// No list of changes had it, so that each run asked for it again, and what was put into it here was never taken anywhere.
#[test]
fn a_folder_that_we_made_there_and_that_was_deleted_before_the_next_run_is_gone() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        world.mkdir("Mine");
        world.sync_with(&only("Inbox"));
        world.mailbox.delete_folder("Mine").unwrap();
        world.put("Mine", "a", ":2,S");
        let report = world.sync();
        assert!(report.is_clean(), "{report:?}");
        world.assert_settled();
        assert_eq!(world.find("a").unwrap().1, "Mine");
    }
}

/// The server refused each time to make the new one in one that is not there.
#[test]
fn a_folder_that_is_put_into_one_that_was_deleted_there_goes_up_with_it() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["One", "Two"] {
            world.mailbox.create_folder("", name, "IPF.Note").unwrap();
        }
        world.arrive("Two", "b");
        world.sync();
        world.mailbox.delete_folder("One").unwrap();
        world.mkdir("One/New");
        world.put("One/New", "a", ":2,S");
        fs::rename(world.account_dir().join("Two"), world.account_dir().join("One/Two")).unwrap();
        let report = world.settle();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!((world.find("a").unwrap().1.as_str(), world.find("b").unwrap().1.as_str()), ("One/New", "One/Two"));
    }
}

/// The directory went back to where it was, while the folder was moved there: each side had its own tree from then on.
#[test]
fn a_folder_that_is_moved_here_and_renamed_there_is_both() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["One", "Two", "Into"] {
            world.mailbox.create_folder("", name, "IPF.Note").unwrap();
        }
        world.arrive("One", "a");
        world.arrive("Two", "b");
        world.sync();
        let dir = |path: &str| world.account_dir().join(path);
        fs::rename(dir("One"), dir("Into/One")).unwrap();
        world.mailbox.rename_folder("One", "Uno").unwrap();
        fs::rename(dir("Two"), dir("Due")).unwrap();
        world.mailbox.move_folder("Two", "Into").unwrap();
        world.settle();
        assert_eq!(
            (world.find("a").unwrap().1.as_str(), world.find("b").unwrap().1.as_str()),
            ("Into/Uno", "Into/Due")
        );
    }
}

#[test]
fn two_folders_that_are_moved_into_each_other_lie_as_the_server_has_them() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["One", "Two"] {
            world.mailbox.create_folder("", name, "IPF.Note").unwrap();
            world.arrive(name, &format!("in-{name}"));
        }
        world.sync();
        fs::rename(world.account_dir().join("One"), world.account_dir().join("Two/One")).unwrap();
        world.mailbox.move_folder("Two", "One").unwrap();
        let report = world.settle();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(world.find("in-Two").unwrap().1, "One/Two");
    }
}

/// Its letter meant nothing in the folder that it came from, so that it was taken for nothing.
#[test]
fn a_category_that_is_given_right_after_a_move_goes_there() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
        let plain = world.arrive("Inbox", "plain");
        let red = world.arrive("Inbox", "red");
        world.mailbox.set_categories(&red, &["Red"]).unwrap();
        world.sync();
        assert!(world.mailbox.item(&plain).unwrap().categories.is_empty());
        fs::write(world.account_dir().join("Archive/dovecot-keywords"), "0 Blue\n1 Green\n").unwrap();
        // The program does not know of letters, and takes `a` along.
        for (name, letters) in [("plain", "b"), ("red", "ab")] {
            world.shift(name, "Archive");
            world.flag(name, letters);
        }
        world.settle();
        let categories: Vec<_> = world.remote()["Archive"].iter().map(|seen| seen.categories.clone()).collect();
        assert_eq!(categories, [vec!["Green".to_owned()], vec!["Green".to_owned(), "Red".to_owned()]]);
    }
}

/// The old version was taken for what had been moved, since it held the same; so the new one was deleted, and a third one uploaded.
#[test]
fn a_finished_draft_that_is_moved_before_its_old_version_is_deleted_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive_as("Drafts", "a", draft());
        world.sync();
        world.flag("a", "");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::PushNoted)).unwrap_err());
        world.shift("a", "Sent Items");
        let report = world.settle();
        assert_eq!((report.total().uploaded, report.total().moved_there, report.total().deleted_there), (0, 1, 1));
        assert_eq!((world.remote()["Sent Items"].len(), copies(&world, "a")), (1, 2));
    }
}

/// Its body was the server's, but was taken for an edit when something else about it was changed here: it was uploaded anew.
#[test]
fn a_message_that_was_replaced_right_before_a_crash_and_is_flagged_since_is_not_uploaded() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        let body = "a longer text\r\n".repeat(200);
        world.mailbox.replace_mime(&world.id("a"), &World::mime_with("a", &body)).unwrap();
        drop(world.try_sync(&World::full(), CutAtNth::new(1, Step::FileChanged)).unwrap_err());
        world.flag("a", "R");
        let report = world.sync_with(&World::full());
        assert_eq!((report.total().uploaded, report.total().deleted_there, report.total().changed_there), (0, 0, 1));
        world.assert_settled();
        assert_eq!((copies(&world, "a"), world.sync_with(&World::full()).total().uploaded), (1, 0));
    }
}

/// What it held was noted as agreed on, so that the edit never went anywhere.
#[test]
fn a_draft_that_followed_right_before_a_crash_and_is_edited_since_goes_there() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive_as("Drafts", "a", draft());
        world.sync();
        world.mailbox.move_item(&world.id("a"), "Junk Email").unwrap();
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::FileChanged)).unwrap_err());
        fs::write(world.file("a"), World::mime_with("a", "edited")).unwrap();
        world.settle();
        assert_eq!(world.remote()["Junk Email"][0].body, "edited");
    }
}

/// The old version changed there, so that it came back; but the name that follows from its id belonged to the new one by then.
#[test]
fn both_versions_are_here_when_the_old_one_changed_there_in_the_last_instant() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        fs::write(world.file("a"), World::mime_with("a", "rewritten")).unwrap();
        let (mailbox, id) = (world.mailbox.clone(), world.id("a"));
        let flagged = During::nth(1, Step::UploadsSent, move || mailbox.set_flag(&id, Flag::Flagged).unwrap());
        let report = sync_in_order(&world, &World::full(), flagged);
        assert!(report.is_clean(), "{report:?}");
        world.assert_settled();
        let bodies: Vec<_> = world.local()["Inbox"].iter().map(|seen| seen.body.clone()).collect();
        assert_eq!(bodies, ["rewritten", "a"]);
    }
}

/// The server's message could not be compared with what was not there, and was not asked for again before that was uploaded.
#[test]
fn a_folder_that_is_moved_while_it_is_adopted_keeps_its_messages_one() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["One", "Two"] {
            world.mailbox.create_folder("", name, "IPF.Note").unwrap();
        }
        world.arrive("Inbox", "other");
        world.arrive("Two", "a");
        world.sync();
        world.flag("other", "S");
        lose_state(&world);
        let (from, to) = (world.account_dir().join("Two"), world.account_dir().join("One/Two"));
        let moved = During::nth(1, Step::FoldersNoted, move || fs::rename(from, to).unwrap());
        let report = sync_in_order(&world, &Request::default(), moved);
        assert_eq!(report.total().uploaded, 0);
        world.settle();
        assert_eq!((world.find("a").unwrap().1.as_str(), copies(&world, "a")), ("One/Two", 1));
    }
}

/// Neither its name nor what it held was known any more, so that it was fetched once more, and the file uploaded.
#[test]
fn a_draft_that_was_renamed_here_and_replaced_right_before_a_crash_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive_as("Drafts", "a", draft());
        world.sync();
        world.shift("a", "Drafts");
        world.mailbox.replace_mime(&world.id("a"), &World::mime_with("a", "edited there")).unwrap();
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::FileChanged)).unwrap_err());
        let report = world.settle();
        assert_eq!((report.total().downloaded, report.total().uploaded, copies(&world, "a")), (0, 0, 1));
        assert_eq!(world.remote()["Drafts"][0].body, "edited there");
    }
}

/// Nothing told which side had edited it; where the server was to win, the edit was lost.
#[test]
fn a_draft_from_here_that_is_edited_here_and_marked_there_is_no_conflict() {
    for like in BOTH {
        let world = World { policy: ConflictPolicy::Server, ..World::new(like) };
        world.sync();
        world.put("Drafts", "a", ":2,DS");
        world.settle();
        world.mailbox.set_categories(&world.id("a"), &["Blue"]).unwrap();
        fs::write(world.file("a"), World::mime_with("a", "edited")).unwrap();
        world.settle();
        let drafts = &world.remote()["Drafts"];
        assert_eq!((drafts[0].body.as_str(), drafts[0].categories.as_slice()), ("edited", &["Blue".to_owned()][..]));
    }
}

/// Its search key was not known yet, so that it was taken for deleted there, and for another one where it lay; and was uploaded anew.
#[test]
fn an_upload_that_is_moved_there_before_it_is_listed_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        world.put("Inbox", "a", ":2,S");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::PushNoted)).unwrap_err());
        world.mailbox.move_item(&world.id("a"), "Junk Email").unwrap();
        world.flag("a", "FS");
        let report = world.settle();
        assert_eq!((report.total().uploaded, report.total().downloaded, copies(&world, "a")), (0, 0, 1));
        assert_eq!(world.remote()["Junk Email"][0].flags, "FS");
    }
}

#[test]
fn an_upload_that_is_copied_there_before_it_is_listed_is_not_moved() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        world.put("Inbox", "a", ":2,S");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::PushNoted)).unwrap_err());
        world.mailbox.copy_item(&world.id("a"), "Junk Email").unwrap();
        world.settle();
        assert_eq!((world.remote()["Inbox"].len(), world.remote()["Junk Email"].len()), (1, 1));
    }
}

/// Its directory was made again where the folder had been, and stayed there.
#[test]
fn a_folder_that_is_removed_here_and_moved_there_comes_back_where_it_is_now() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("Inbox", "One", "IPF.Note").unwrap();
        world.mailbox.create_folder("Inbox/One", "Deep", "IPF.Note").unwrap();
        world.sync();
        fs::remove_dir_all(world.account_dir().join("Inbox/One")).unwrap();
        world.mailbox.move_folder("Inbox/One", "").unwrap();
        world.mailbox.rename_folder("One", "Uno").unwrap();
        world.arrive("Uno/Deep", "a");
        world.settle();
        assert!(world.file("a").starts_with(world.account_dir().join("Uno/Deep")));
    }
}

/// The folder that it had come from was looked at too late to see where its file was.
#[test]
fn a_message_that_moved_there_into_the_only_folder_asked_for_is_not_fetched_anew() {
    for like in BOTH {
        let world = World::new(like);
        for name in ["One", "Two"] {
            world.mailbox.create_folder("", name, "IPF.Note").unwrap();
        }
        for name in ["renamed", "moved"] {
            world.arrive("One", name);
        }
        world.sync();
        world.shift("renamed", "One");
        world.shift("moved", "Two");
        for name in ["renamed", "moved"] {
            world.mailbox.move_item(&world.id(name), "Junk Email").unwrap();
        }
        let report = world.sync_with(&only("Junk Email"));
        assert_eq!(report.total().downloaded, 0);
        world.settle();
        assert_eq!((copies(&world, "renamed"), copies(&world, "moved")), (1, 1));
    }
}

/// The folder that it had been moved out of was not looked at again, so that it was taken for a new one where it lay.
#[test]
fn a_message_whose_move_was_refused_is_not_uploaded() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        world.shift("a", "Junk Email");
        let code = "ErrorAccessDenied".to_owned();
        world.server.faults().add(Rule::on("MoveItem", Action::Fault { code }).times(1));
        assert_eq!(world.sync().total().moved_there, 0);
        let report = world.sync();
        assert_eq!((report.total().moved_there, report.total().uploaded, copies(&world, "a")), (1, 0, 1));
        world.assert_settled();
    }
}

/// The comparison of the bodies was refused, and the new version was noted all the same: nobody looked at it again.
#[test]
fn a_draft_edited_there_that_could_not_be_compared_is_fetched_later() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive_as("Drafts", "a", NewMessage { draft: true, ..NewMessage::default() });
        world.sync();
        world.mailbox.replace_mime(&world.id("a"), &World::mime_with("a", "theirs")).unwrap();
        let code = "ErrorAccessDenied".to_owned();
        world.server.faults().add(Rule::on("GetItem", Action::Fault { code }));
        let _ = world.try_sync(&Request::default(), Arc::new(CutAt::default()));
        world.server.faults().clear();
        world.advance(2 * 86_400);
        world.sync();
        assert_eq!(world.local()["Drafts"][0].body, "theirs");
        world.assert_settled();
    }
}

/// Gives a message's file a name of another program's making and another text, as a mail reader that saves a copy elsewhere does.
fn rewritten_elsewhere(world: &World, name: &str, folder: &str, text: &str) {
    world.remove(name);
    world.put_bytes(folder, &World::mime_with(name, text), ":2,S");
}

/// It was taken for a deletion, and its text for the text of the message that the deletion moved there.
#[test]
fn a_message_rewritten_and_moved_here_into_deleted_items_is_rewritten_there() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        rewritten_elsewhere(&world, "a", "Deleted Items", "mine");
        world.sync_with(&only("Inbox"));
        world.settle();
        let trash = |side: Side| side["Deleted Items"].iter().filter(|seen| seen.body == "mine").count();
        assert_eq!((trash(world.remote()), trash(world.local())), (1, 1));
        world.assert_alike();
    }
}

/// The server's text had been put in the place of the file's, where it had been moved to: it was taken for a new message.
#[test]
fn a_message_moved_here_and_rewritten_there_stays_one_when_the_run_is_cut_off() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        let file = world.shift("a", "Junk Email");
        fs::rename(&file, file.with_file_name("1800000001.R7.host:2,S")).unwrap();
        world
            .mailbox
            .replace_mime(&world.id("a"), &World::mime_with("a", "a text that is a good deal longer"))
            .unwrap();
        drop(world.try_sync(&World::full(), CutAtNth::new(1, Step::FileChanged)).unwrap_err());
        world.settle();
        assert_eq!((copies(&world, "a"), world.remote()["Junk Email"].len()), (1, 1));
    }
}

/// They changed places, a draft and what had become of it, so that both were made anew.
#[test]
fn copies_that_get_other_names_do_not_change_places() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "a");
        world.sync();
        let original = world.file("a");
        let copy = world.account_dir().join("Junk Email/cur/1800000002.C1.host:2,FS");
        fs::copy(&original, &copy).unwrap();
        world.settle();
        fs::rename(&copy, copy.with_file_name("1800000003.C2.host:2,FS")).unwrap();
        fs::rename(&original, original.with_file_name("1800000004.C3.host")).unwrap();
        let total = world.settle().total();
        assert_eq!((total.uploaded, total.moved_there, total.changed_there), (0, 0, 0));
    }
}

/// What was in the file was noted as agreed, though the server said something else, until the push that never came.
#[test]
fn an_adopted_draft_that_wins_against_the_server_is_pushed_even_if_it_is_moved_meanwhile() {
    for nth in 1..8 {
        let mut world = World::new(Personality::Exchange);
        world.policy = ConflictPolicy::Local;
        world.arrive_as("Drafts", "a", NewMessage { draft: true, ..NewMessage::default() });
        world.sync();
        lose_state(&world);
        fs::write(world.file("a"), World::mime_with("a", "mine")).unwrap();
        drop(world.try_sync(&Request::default(), CutAtNth::new(nth, Step::PageNoted)));
        world.shift("a", "Sent Items");
        world.settle();
        let texts: Vec<String> = world.remote()["Sent Items"].iter().map(|seen| seen.body.clone()).collect();
        assert_eq!(texts, ["mine"], "cut off at page {nth}");
        world.assert_alike();
    }
}

/// Nothing told that it was not the text that had been uploaded.
#[test]
fn an_upload_rewritten_there_before_it_is_listed_is_fetched() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        world.put("Inbox", "a", ":2,S");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::PushNoted)).unwrap_err());
        world.mailbox.replace_mime(&world.id("a"), &World::mime_with("a", "theirs")).unwrap();
        world.settle();
        assert_eq!(world.local()["Inbox"][0].body, "theirs");
    }
}

/// What somebody wrote into it there counted as what had been uploaded.
#[test]
fn a_draft_whose_upload_was_not_answered_and_that_is_edited_there_is_fetched() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        world.put("Drafts", "a", ":2,DS");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::UploadsSent)).unwrap_err());
        world.mailbox.replace_mime(&world.id("a"), &World::mime_with("a", "theirs")).unwrap();
        world.settle();
        assert_eq!((world.local()["Drafts"][0].body.as_str(), copies(&world, "a")), ("theirs", 1));
        world.assert_alike();
    }
}

/// The server refuses to render a message, twice: once in a batch, once alone.
fn refuse_to_render(world: &World, id: &str) {
    let code = "ErrorContentConversionFailed".to_owned();
    world.server.faults().add(Rule::on("GetItem", Action::ItemError { code }).for_item(id).times(2));
}

/// It stayed as it was put together from its headers, for good.
#[test]
fn a_message_that_the_server_can_render_again_is_fetched_whole() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive("Inbox", "a");
        let is_rebuilt = || fs::read_to_string(world.file("a")).unwrap().contains("X-Pimsync-Rebuilt");
        refuse_to_render(&world, &id);
        world.sync();
        assert!(is_rebuilt());
        world.advance(3_600);
        refuse_to_render(&world, &id);
        world.sync();
        assert_eq!((is_rebuilt(), world.troubles().len()), (true, 1));
        world.server.faults().clear();
        world.advance(2 * 86_400);
        world.sync();
        assert_eq!((is_rebuilt(), world.troubles().len()), (false, 0));
        world.assert_settled();
    }
}

#[test]
fn a_whole_file_is_kept_while_the_server_cannot_render_a_new_version() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive_as("Drafts", "a", NewMessage { draft: true, ..NewMessage::default() });
        world.sync();
        let whole = fs::read(world.file("a")).unwrap();
        world.mailbox.replace_mime(&id, &World::mime_with("a", "theirs")).unwrap();
        refuse_to_render(&world, &id);
        world.sync();
        assert_eq!(fs::read(world.file("a")).unwrap(), whole);
        world.advance(2 * 86_400);
        world.sync();
        assert_eq!(world.local()["Drafts"][0].body, "theirs");
        world.assert_settled();
    }
}

/// The server's change, which the run had carried out here before it was cut off, was then taken back there: the file looked as if its owner had
/// made the change.
#[test]
fn a_change_that_is_taken_back_there_after_a_crash_is_taken_back_here() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive("Inbox", "flagged");
        world.arrive("Inbox", "moved");
        world.sync();
        world.mailbox.set_flag(&world.id("flagged"), Flag::Flagged).unwrap();
        world.mailbox.move_item(&world.id("moved"), "Junk Email").unwrap();
        for _ in 0..2 {
            drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::FileChanged)));
        }
        world.mailbox.set_flag(&world.id("flagged"), Flag::NotFlagged).unwrap();
        world.mailbox.move_item(&world.id("moved"), "Inbox").unwrap();
        world.settle();
        let report = world.remote();
        assert!(report["Inbox"].iter().all(|seen| !seen.flags.contains('F')), "{report:?}");
        assert_eq!((report["Inbox"].len(), report["Junk Email"].len()), (2, 0));
        world.assert_alike();
    }
}

/// What was written into it between the comparison and the noting counted as compared.
#[test]
fn a_draft_that_is_edited_while_it_is_adopted_is_edited() {
    for like in BOTH {
        let world = World::new(like);
        world.arrive_as("Drafts", "a", NewMessage { draft: true, ..NewMessage::default() });
        world.sync();
        lose_state(&world);
        world.arrive_as("Drafts", "b", NewMessage { draft: true, ..NewMessage::default() });
        let file = world.file("a");
        let edit = During::nth(1, Step::BodiesStaged, move || fs::write(file, World::mime_with("a", "mine")).unwrap());
        world.try_sync(&Request::default(), edit).unwrap();
        world.settle();
        assert!(world.remote()["Drafts"].iter().any(|seen| seen.body == "mine"), "{:?}", world.remote());
        world.assert_alike();
    }
}

/// The server's text had been put into the file; a sync that reads no files then noted the message as agreed, and the next one took the text
/// for an edit made here.
#[test]
fn a_text_taken_over_right_before_a_crash_is_no_edit() {
    for like in BOTH {
        let world = World { policy: ConflictPolicy::Local, ..World::new(like) };
        let id = world.arrive("Inbox", "a");
        world.sync();
        world.mailbox.replace_mime(&id, &World::mime_with("a", "theirs, and longer than what it was before")).unwrap();
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::FileChanged)).unwrap_err());
        world.sync();
        let report = world.sync_with(&World::full());
        assert_eq!((report.total().uploaded, copies(&world, "a")), (0, 1));
    }
}

/// The copy has the search key of the draft that was deleted: it was taken for it, and its text for the newer one.
#[test]
fn a_draft_edited_here_and_deleted_there_is_not_taken_for_a_copy_of_another() {
    for like in BOTH {
        let world = World { policy: ConflictPolicy::Server, ..World::new(like) };
        let first = world.arrive_as("Drafts", "a", draft());
        let second = world.mailbox.copy_item(&first, "Sent Items").unwrap();
        world.sync();
        world.mailbox.replace_mime(&second, &World::mime_with("a", "another")).unwrap();
        world.sync();
        let file = files(&world.account_dir().join("Drafts")).pop().unwrap();
        fs::write(file, World::mime_with("a", "mine")).unwrap();
        world.mailbox.copy_item(&second, "Junk Email").unwrap();
        world.mailbox.delete_item(&first).unwrap();
        world.settle();
        let remote = world.remote();
        assert!(remote.values().flatten().any(|seen| seen.body == "mine"), "{remote:?}");
    }
}

/// Its Message-ID could not be asked for, since it had another id there by now.
#[test]
fn a_draft_that_is_moved_there_and_edited_under_another_name_here_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive_as("Drafts", "a", draft());
        world.sync();
        world.mailbox.move_item(&id, "Deleted Items").unwrap();
        world.remove("a");
        world.put_bytes("Drafts", &World::mime_with("a", "mine"), ":2,DS");
        world.settle();
        let moved = &world.remote()["Deleted Items"];
        assert_eq!((copies(&world, "a"), moved[0].body.as_str()), (1, "mine"));
    }
}

/// What somebody had changed on it there counted as uploaded, and never came here.
#[test]
fn an_upload_that_is_marked_there_before_its_answer_comes_is_marked_here() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        world.put("Inbox", "a", ":2,S");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::UploadsSent)).unwrap_err());
        world.mailbox.set_categories(&world.id("a"), &["Blue"]).unwrap();
        world.settle();
        assert_eq!(
            (world.local()["Inbox"][0].categories.as_slice(), copies(&world, "a")),
            (&["Blue".to_owned()][..], 1)
        );
    }
}

/// It was read only after it had been told that it lies there already, so that the edit counted as agreed.
#[test]
fn a_message_that_is_edited_while_it_is_adopted_is_edited() {
    let world = World::new(Personality::Exchange);
    world.arrive("Inbox", "a");
    world.arrive("Inbox", "b");
    world.sync();
    lose_state(&world);
    let id = world.id("b");
    world.mailbox.set_read(&id, true).unwrap();
    world.mailbox.set_flag(&world.id("a"), Flag::Flagged).unwrap();
    let (first, second) = (world.file("a"), world.file("b"));
    // One of the two is renamed first; the other is not read yet.
    let edit = During::nth(1, Step::FileChanged, move || {
        for (name, file) in [("a", first), ("b", second)].into_iter().filter(|(_, file)| file.exists()) {
            fs::write(file, World::mime_with(name, "mine")).unwrap();
        }
    });
    world.try_sync(&Request::default(), edit).unwrap();
    world.sync_with(&World::full());
    world.assert_alike();
    assert!(world.remote()["Inbox"].iter().any(|seen| seen.body == "mine"), "{:?}", world.remote());
}

/// The letter of the category could not be assigned where the folder no longer was; nothing ever did it again.
#[test]
fn a_category_of_a_message_in_a_folder_that_is_moved_here_meanwhile_comes_here() {
    let world = World::new(Personality::Exchange);
    world.mailbox.create_folder("Inbox", "One", "").unwrap();
    world.mailbox.create_folder("", "Two", "").unwrap();
    world.arrive("Inbox/One", "a");
    world.sync();
    world.mailbox.set_categories(&world.id("a"), &["Green"]).unwrap();
    let root = world.account_dir();
    let edit = During::nth(1, Step::ChangesNoted, move || {
        fs::rename(root.join("Inbox/One"), root.join("Two/One")).unwrap();
    });
    world.try_sync(&Request::default(), edit).unwrap();
    world.settle();
    assert_eq!(world.local()["Two/One"][0].categories, ["Green"]);
}

/// The server says what was sent to it: that is no edit by somebody else.
#[test]
fn a_draft_that_is_edited_again_after_a_push_without_an_answer_is_no_conflict() {
    {
        let world = World::new(Personality::Exchange);
        world.arrive_as("Drafts", "a", draft());
        world.sync();
        let edit = |text: &str| fs::write(world.file("a"), World::mime_with("a", text)).unwrap();
        edit("second");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::DraftReplaced)).unwrap_err());
        edit("third");
        let report = world.settle();
        assert_eq!((report.total().conflicts, world.remote()["Drafts"][0].body.as_str()), (0, "third"));
        edit("fourth");
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::DraftReplaced)).unwrap_err());
        edit("third");
        let report = world.settle();
        assert_eq!((report.total().conflicts, world.remote()["Drafts"][0].body.as_str()), (0, "third"));
    }
}

/// The Message-ID told nothing, and the file was taken for the other message's.
#[test]
fn messages_of_one_message_id_are_known_by_what_they_say() {
    for names in [["1.elsewhere:2,", "2.elsewhere:2,"], ["2.elsewhere:2,", "1.elsewhere:2,"]] {
        let world = World::new(Personality::Exchange);
        let (old, new) = (World::mime_with("a", "old"), World::mime_with("a", "new"));
        world.mailbox.add_message("Inbox", NewMessage { mime: &old, ..NewMessage::default() }).unwrap();
        world.mailbox.add_message("Inbox", NewMessage { mime: &new, ..NewMessage::default() }).unwrap();
        world.sync();
        lose_state(&world);
        for file in files(&world.account_dir().join("Inbox")) {
            let bytes = fs::read(&file).unwrap();
            fs::remove_file(&file).unwrap();
            let elsewhere = world.put_bytes("Inbox", &bytes, ":2,");
            fs::rename(&elsewhere, elsewhere.with_file_name(names[usize::from(body_of(&bytes) == "old")])).unwrap();
        }
        world.settle();
        let ids: Vec<String> = world.mailbox.items("Inbox").unwrap().into_iter().map(|item| item.id).collect();
        world.mailbox.set_flag(&ids[0], Flag::Flagged).unwrap();
        world.settle();
        assert_eq!(copies(&world, "a"), 2);
    }
}

/// gromox says in its own way what it was sent: nobody can tell whether it is that, and the later edit was lost where the server was to win.
#[test]
fn a_draft_that_may_have_been_sent_does_not_replace_a_later_one_without_a_trace() {
    let world = World { policy: ConflictPolicy::Server, ..World::new(Personality::Gromox) };
    world.arrive_as("Drafts", "a", draft());
    world.sync();
    let edit = |text: &str| fs::write(world.file("a"), World::mime_with("a", text)).unwrap();
    edit("second");
    drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::DraftReplaced)).unwrap_err());
    edit("third");
    world.settle();
    assert_eq!((world.conflicts().len(), world.remote()["Drafts"][0].body.as_str()), (1, "second"));
}

/// Two folders are listed at a time: the item was taken for the one message and for the other, and the other never came.
#[test]
fn a_message_that_was_moved_there_and_copied_comes_twice() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive("Inbox", "a");
        world.sync();
        let moved = world.mailbox.move_item(&id, "Sent Items").unwrap();
        world.mailbox.copy_item(&moved, "Junk Email").unwrap();
        world.mailbox.copy_item(&moved, "Outbox").unwrap();
        world.settle();
    }
}

/// The answer that was lost had said that the name is taken: the folder of that name was taken for the new one, and the run failed.
#[test]
fn a_folder_is_not_taken_for_one_of_its_name_when_the_answer_is_lost() {
    let world = World::new(Personality::Exchange);
    world.mailbox.create_folder("", "One", "").unwrap();
    world.sync();
    world.mailbox.rename_folder("One", "Two").unwrap();
    world.mkdir("Two");
    world.server.faults().add(Rule::on("CreateFolder", Action::CutBody { at: 200 }).times(4));
    world.sync();
    world.server.faults().clear();
    let report = world.sync();
    assert!(report.notices.iter().any(|notice| notice.text.contains("exists")), "{:?}", report.notices);
}

/// The base said what was read before, the server what was read later: the same text was uploaded once more.
#[test]
fn what_is_written_into_a_file_while_it_is_uploaded_is_an_edit() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        let file = world.put("Inbox", "a", ":2,S");
        let edit = During::nth(1, Step::UploadsNoted, move || fs::write(file, World::mime_with("a", "mine")).unwrap());
        world.try_sync(&Request::default(), edit).unwrap();
        world.sync_with(&World::full());
        let texts = |folder: &str| world.remote()[folder].iter().map(|seen| seen.body.clone()).collect::<Vec<_>>();
        assert_eq!((texts("Inbox"), texts("Deleted Items")), (vec!["mine".to_owned()], vec!["a".to_owned()]));
    }
}

/// Whether the old id is gone could not be asked, and the message was fetched as a new one, while the file was uploaded anew.
#[test]
fn a_message_that_may_have_been_moved_there_waits_until_that_can_be_asked() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive("Inbox", "a");
        world.sync();
        world.mailbox.move_item(&id, "Sent Items").unwrap();
        world.flag("a", "F");
        world.server.faults().add(Rule::on("GetItem", Action::InternalServerErrorWithInnerBusy).containing(&id));
        drop(world.try_sync(&Request::default(), Arc::new(CutAt::default())));
        world.server.faults().clear();
        world.advance(2 * 86_400);
        world.settle();
        assert_eq!(copies(&world, "a"), 1);
        assert_eq!(world.remote()["Sent Items"][0].flags, "F");
    }
}

/// Neither its name nor its text was known any more, nor its Message-ID, since the message had another id there by now.
#[test]
fn a_draft_moved_here_and_there_and_replaced_right_before_a_crash_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive_as("Drafts", "a", draft());
        world.sync();
        world.mailbox.replace_mime(&id, &World::mime_with("a", "theirs")).unwrap();
        world.mailbox.move_item(&id, "Deleted Items").unwrap();
        let moved = world.shift("a", "Outbox");
        fs::rename(&moved, moved.with_file_name("1.another:2,DS")).unwrap();
        drop(world.try_sync(&Request::default(), CutAtNth::new(1, Step::FileChanged)).unwrap_err());
        world.settle();
        assert_eq!(copies(&world, "a"), 1);
    }
}

/// The server's side was looked at in full after a week, and the files counted as compared, too.
#[test]
fn a_message_rewritten_here_is_found_although_the_server_was_listed_anew_meanwhile() {
    let world = World::new(Personality::Exchange);
    world.sync();
    let file = world.put("Inbox", "a", ":2,S");
    world.settle();
    world.advance(8 * 86_400);
    fs::write(&file, World::mime_with("a", "b")).unwrap();
    let now = UNIX_EPOCH + Duration::from_secs(world.clock.now().0.cast_unsigned());
    fs::File::options().write(true).open(&file).unwrap().set_modified(now).unwrap();
    world.advance(8 * 86_400);
    world.sync();
    world.sync_with(&World::full());
    assert_eq!(world.remote()["Inbox"][0].body, "b");
}

/// The listing told of its read state alone, so that nothing was known of it but that: neither what it could be found again by, nor its time.
#[test]
fn a_message_deleted_here_and_marked_there_comes_back_whole() {
    for like in BOTH {
        let world = World::new(like);
        let id = world.arrive_as("Deleted Items", "a", NewMessage { read: true, ..NewMessage::default() });
        world.sync();
        let name = world.file("a").file_name().unwrap().to_owned();
        world.remove("a");
        world.mailbox.set_read(&id, false).unwrap();
        world.sync();
        assert_eq!(delivered_part(world.file("a").file_name().unwrap()), delivered_part(&name));
        world.mailbox.move_item(&id, "Junk Email").unwrap();
        world.flag("a", "F");
        world.settle();
        assert_eq!(copies(&world, "a"), 1);
    }
}

fn delivered_part(name: &std::ffi::OsStr) -> String {
    name.to_string_lossy().split(':').next().unwrap_or_default().to_owned()
}

/// It was in no folder that could be read: it was deleted there, and uploaded anew.
#[test]
fn a_message_moved_here_into_a_folder_that_is_renamed_during_the_run_stays_one() {
    for like in BOTH {
        let world = World::new(like);
        world.mailbox.create_folder("", "One", "").unwrap();
        world.arrive("Inbox", "a");
        world.sync();
        world.shift("a", "One");
        let root = world.account_dir();
        let edit = During::nth(1, Step::FoldersNoted, move || fs::rename(root.join("One"), root.join("Two")).unwrap());
        world.try_sync(&Request::default(), edit).unwrap();
        world.settle();
        assert_eq!((world.find("a").unwrap().1.as_str(), copies(&world, "a")), ("Two", 1));
    }
}
