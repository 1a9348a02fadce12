//! A server that fails in every way it can, at every operation: while it does, a run ends with an error that says what happened or goes on
//! with the rest; after it, a sync ends whole. Nothing is lost, nothing is there twice.

use std::sync::Arc;

use crate::world::day::{before, difference, edits, ends, wanted};
use crate::world::{CutAt, Side, World};
use pimsync::exchange::{Action, Flag, Personality, Rule};
use pimsync::sync::{NoticeKind, Report, Request, SyncError};

const BOTH: [Personality; 2] = [Personality::Exchange, Personality::Gromox];

fn try_sync(world: &World) -> Result<Report, SyncError> {
    world.try_sync(&Request::default(), Arc::new(CutAt::default()))
}

fn refuse(code: &str) -> Action {
    Action::ItemError { code: code.to_owned() }
}

/// What a sync asks of a server: first to read, then to write.
const OPERATIONS: [&str; 12] = [
    "SyncFolderHierarchy",
    "GetFolder",
    "SyncFolderItems",
    "GetItem",
    "FindItem",
    "CreateItem",
    "UpdateItem",
    "MoveItem",
    "DeleteItem",
    "CreateFolder",
    "UpdateFolder",
    "DeleteFolder",
];

fn actions() -> Vec<Action> {
    let mut actions = vec![
        Action::ServerBusyFault { backoff_ms: Some(2000) },
        Action::ServerBusyInMessage { backoff_ms: None },
        Action::InternalServerErrorWithInnerBusy,
        Action::Http429 { retry_after: Some(3) },
        Action::Http503 { retry_after: None },
        Action::Unauthorized401,
        Action::Redirect302,
        Action::HtmlErrorPage,
        Action::ExceededConnectionCount,
        Action::ResetBeforeCommit,
        Action::ResetAfterCommit,
        Action::CutBody { at: 600 },
        Action::InvalidSyncState,
        Action::SilentlyResetSyncState,
        Action::IllegalXml,
        Action::OddBase64,
        Action::Garbage,
        Action::DuplicateChanges,
    ];
    for code in ["ErrorAccessDenied", "ErrorInternalServerError", "ErrorMailboxStoreUnavailable", "ErrorQuotaExceeded"]
    {
        actions.push(Action::Fault { code: code.to_owned() });
    }
    for code in ["ErrorItemCorrupt", "ErrorAccessDenied", "ErrorQuotaExceeded", "ErrorInternalServerError"] {
        actions.push(refuse(code));
    }
    actions
}

/// Whether an action makes a difference to the operation.
fn shows(action: &Action, operation: &str) -> bool {
    match action {
        Action::InvalidSyncState | Action::SilentlyResetSyncState | Action::DuplicateChanges => {
            operation.starts_with("Sync")
        }
        Action::OddBase64 => operation == "GetItem",
        Action::ItemError { .. } => !operation.starts_with("Sync"),
        _ => true,
    }
}

fn befall(like: Personality, rules: impl Fn(Rule) -> Rule, operations: &[&str]) {
    let wanted = wanted(like);
    let mut failed = Vec::new();
    for operation in operations {
        for action in actions().into_iter().filter(|action| shows(action, operation)) {
            let told = format!("{like:?}, {operation}, {action:?}");
            let rule = rules(Rule::on(operation, action));
            if let Err(how) = recovers(like, rule, &wanted) {
                failed.push(format!("{told}: {how}"));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// What is wrong after a run under a fault and one after it.
fn recovers(like: Personality, rule: Rule, wanted: &(Side, Side)) -> Result<(), String> {
    let world = World::unrecorded(like);
    before(&world);
    edits(&world);
    world.server.faults().add(rule);
    // Whatever it says, it comes back.
    if let Err(error @ (SyncError::Internal(_) | SyncError::CutOff(_))) = try_sync(&world) {
        return Err(error.to_string());
    }
    world.server.faults().clear();
    world.advance(2 * 86_400);
    let report = try_sync(&world).map_err(|error| error.to_string())?;
    let (remote, local) = ends(&world);
    let differences = [difference(&remote, &wanted.0), difference(&local, &wanted.1)].concat();
    let again = world.sync();
    let busy = !again.folders.is_empty() || !world.dry_run().planned.is_empty();
    if differences.is_empty() && report.is_clean() && world.troubles().is_empty() && !busy {
        return Ok(());
    }
    Err(format!("{differences:?}, {:?}, {:?}, again {again:?}", report.notices, world.troubles()))
}

#[test]
fn a_fault_that_passes_at_reading() {
    befall(Personality::Exchange, |rule| rule.times(1), &OPERATIONS[..5]);
}

#[test]
fn a_fault_that_passes_at_writing() {
    befall(Personality::Exchange, |rule| rule.times(1), &OPERATIONS[5..]);
}

#[test]
fn a_fault_that_stays_for_the_run_at_reading() {
    befall(Personality::Exchange, |rule| rule, &OPERATIONS[..5]);
}

#[test]
fn a_fault_that_stays_for_the_run_at_writing() {
    befall(Personality::Exchange, |rule| rule, &OPERATIONS[5..]);
}

#[test]
fn gromox_fails_in_the_middle() {
    befall(Personality::Gromox, |rule| rule.nth(2), &["GetItem", "CreateItem", "MoveItem", "SyncFolderItems"]);
}

#[test]
fn a_sync_state_that_is_lost_costs_no_message() {
    for like in BOTH {
        for action in [Action::InvalidSyncState, Action::SilentlyResetSyncState] {
            let world = World::unrecorded(like);
            before(&world);
            world.server.clear_requests();
            world.arrive("Inbox", "new");
            world.server.faults().add(Rule::on("SyncFolderItems", action.clone()).times(1));
            world.server.faults().add(Rule::on("SyncFolderHierarchy", action).times(1));
            let report = world.settle();
            assert_eq!(report.total().downloaded, 1, "{report:?}");
        }
    }
}

#[test]
fn a_message_that_cannot_be_read_waits_and_stops_nobody() {
    for like in BOTH {
        let world = World::unrecorded(like);
        world.sync();
        for name in ["a", "bad", "c"] {
            world.arrive("Inbox", name);
        }
        let bad = world.id("bad");
        for code in ["ErrorItemCorrupt", "ErrorMimeContentConversionFailed", "ErrorInternalServerError"] {
            world.server.faults().add(Rule::on("GetItem", refuse(code)).for_item(&bad));
        }
        let report = world.sync();
        assert_eq!(report.total().downloaded, 2);
        let told = |report: &Report| {
            report.notices.iter().any(|notice| notice.kind == NoticeKind::Skipped && notice.item.is_some())
        };
        assert!(told(&report), "{report:?}");
        assert_eq!(world.troubles().len(), 1);
        // It is not asked for each minute.
        world.server.clear_requests();
        world.advance(30);
        world.sync();
        let asked = world.server.requests();
        assert!(asked.iter().all(|request| request.operation != "GetItem"), "{asked:?}");
        // But later, and each time after a longer while.
        world.advance(60);
        world.sync();
        assert!(world.server.requests().iter().any(|request| request.operation == "GetItem"));
        assert_eq!(world.troubles().len(), 1);
        world.server.faults().clear();
        world.advance(3600);
        let report = world.settle();
        assert_eq!(report.total().downloaded, 1);
        assert_eq!(world.troubles(), Vec::<String>::new());
    }
}

#[test]
fn a_message_that_is_listed_but_gone_is_passed_over() {
    for like in BOTH {
        let world = World::unrecorded(like);
        world.sync();
        world.arrive("Inbox", "a");
        world.arrive("Inbox", "ghost");
        let ghost = world.id("ghost");
        world.server.faults().add(Rule::on("GetItem", refuse("ErrorItemNotFound")).for_item(&ghost));
        let report = world.sync();
        assert_eq!(report.total().downloaded, 1);
        world.server.faults().clear();
        world.mailbox.delete_item(&ghost).unwrap();
        world.advance(3600);
        world.settle();
        assert_eq!(world.troubles(), Vec::<String>::new());
    }
}

#[test]
fn a_full_mailbox_stops_uploads_only() {
    for like in BOTH {
        for action in [refuse("ErrorQuotaExceeded"), Action::Fault { code: "ErrorQuotaExceeded".to_owned() }] {
            let world = World::unrecorded(like);
            before(&world);
            world.put("Inbox", "mine", ":2,S");
            world.put("Archive", "mine-too", ":2,S");
            world.arrive("Inbox", "theirs");
            world.flag("kept", "F");
            world.server.faults().add(Rule::on("CreateItem", action));
            let report = world.sync();
            assert_eq!((report.total().downloaded, report.total().changed_there), (1, 1), "{report:?}");
            assert!(report.notices.iter().any(|notice| notice.text.contains("quota")), "{report:?}");
            assert!(world.find_file("mine").is_some());
            world.server.faults().clear();
            world.settle();
            assert_eq!(world.find("mine").unwrap().1, "Inbox");
        }
    }
}

#[test]
fn a_folder_that_may_not_be_read_does_not_keep_the_others() {
    for like in BOTH {
        let world = World::unrecorded(like);
        before(&world);
        world.arrive("Archive", "closed");
        world.arrive("Inbox", "open");
        world.put("Archive", "mine", ":2,S");
        let archive = world.mailbox.folder("Archive").unwrap();
        let denied = Action::Fault { code: "ErrorAccessDenied".to_owned() };
        world.server.faults().add(Rule::on("SyncFolderItems", denied).containing(&archive));
        let report = world.sync();
        assert!(world.find_file("open").is_some() && world.find_file("closed").is_none());
        assert!(report.notices.iter().any(|notice| notice.kind == NoticeKind::FolderFailed), "{report:?}");
        world.server.faults().clear();
        world.settle();
        assert!(world.find_file("closed").is_some() && world.find("mine").is_some());
    }
}

#[test]
fn an_upload_whose_answer_is_lost_is_there_once_even_if_the_run_dies() {
    for like in BOTH {
        for steps in 0..12 {
            let world = World::unrecorded(like);
            world.mailbox.create_folder("", "Archive", "IPF.Note").unwrap();
            world.sync();
            for name in ["a", "b", "c"] {
                world.put("Inbox", name, ":2,S");
            }
            // The answer is lost, and so are those that would tell what became of it.
            world.server.faults().add(Rule::on("CreateItem", Action::ResetAfterCommit).times(1));
            world.server.faults().add(Rule::on("FindItem", Action::ResetBeforeCommit));
            let cut = Arc::new(CutAt { at: (steps > 0).then_some(steps), ..CutAt::default() });
            drop(world.try_sync(&Request::default(), cut));
            world.server.faults().clear();
            // Somebody moves one of them before it is looked for.
            if world.find("b").is_some() {
                world.mailbox.move_item(&world.id("b"), "Archive").unwrap();
                world.mailbox.set_flag(&world.id("c"), Flag::Flagged).unwrap();
            }
            world.advance(86_400);
            world.sync();
            world.settle();
            let all: usize = world.remote().values().map(Vec::len).sum();
            assert_eq!(all, 3, "{like:?}, {steps} steps: {:?}", world.remote());
        }
    }
}

#[test]
fn a_refused_change_is_tried_again_and_the_trouble_ends() {
    for like in BOTH {
        let world = World::unrecorded(like);
        before(&world);
        world.flag("kept", "F");
        world.shift("m-here", "Archive");
        world.remove("d-here");
        for operation in ["UpdateItem", "MoveItem", "DeleteItem"] {
            world.server.faults().add(Rule::on(operation, refuse("ErrorAccessDenied")));
        }
        let report = world.sync();
        assert!(!report.is_clean() && world.find("d-here").is_some());
        assert!(!world.troubles().is_empty());
        world.server.faults().clear();
        world.advance(86_400);
        world.sync();
        world.assert_settled();
        assert_eq!(world.troubles(), Vec::<String>::new());
        assert_eq!(world.find("m-here").unwrap().1, "Archive");
    }
}
