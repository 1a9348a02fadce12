//! Other mailboxes on the command line: added, kept in step beside one's own, told where something is wrong with them, and backed up.

use std::fs;

use crate::support::{ANNA, Machine, messages_in, mime};
use pimsync::exchange::{Mailbox, NewMessage, Role};

const BEN: &str = "ben@example.org";

fn arrive(there: &Mailbox, folder: &str, name: &str) {
    let message = mime(name);
    there.add_message(folder, NewMessage { mime: message.as_bytes(), ..NewMessage::default() }).unwrap();
}

/// Setting up an account with more mailboxes, and the first sync.
fn setup(machine: &Machine, mailboxes: &[&str]) -> Vec<String> {
    let mut arguments = machine.setup_arguments();
    arguments.retain(|argument| argument != "--no-sync");
    arguments.extend(mailboxes.iter().flat_map(|mailbox| ["--mailbox".to_owned(), (*mailbox).to_owned()]));
    arguments
}

fn shared() -> (Machine, Mailbox) {
    let machine = Machine::new();
    let there = machine.server.mailbox(BEN).unwrap();
    there.share(ANNA, Role::Owner).unwrap();
    arrive(&there, "Inbox", "theirs");
    machine.arrive("Inbox", "mine");
    (machine, there)
}

#[test]
fn setup_adds_them_one_by_one() {
    let (machine, there) = shared();
    there.share(ANNA, Role::Nobody).unwrap();
    let refused = machine.run(&setup(&machine, &[BEN])).expect_code(1);
    drop(refused.expect_err("the server shows no folder of ben@example.org"));
    assert!(!machine.config().exists(), "nothing is written for what cannot be read");
    there.share(ANNA, Role::Owner).unwrap();
    let json = machine.json(&setup(&machine, &[BEN]), 0);
    assert_eq!(json["others"][0]["account"], format!("{ANNA}/Other Mailboxes/{BEN}"));
    assert_eq!(json["others"][0]["total"]["downloaded"], 1);
    assert_eq!(
        (machine.messages("Inbox").len(), machine.messages(&format!("Other Mailboxes/{BEN}/Inbox")).len()),
        (1, 1)
    );
    let archive = machine.server.archive(ANNA).unwrap();
    archive.create_folder("", "2019", "IPF.Note").unwrap();
    arrive(&archive, "2019", "old");
    machine.run(&setup(&machine, &["archive"])).expect_code(0);
    assert_eq!(machine.messages("Other Mailboxes/Archive/2019").len(), 1);
    let text = fs::read_to_string(machine.config()).unwrap();
    assert!(text.contains("mailboxes = [\"ben@example.org\", \"archive\"]"), "{text}");
    machine.run(&setup(&machine, &[])).expect_code(0).expect_out("was set up already; nothing was changed");
    machine.run(&setup(&machine, &["nobody"])).expect_code(2).expect_err("a mailbox is named by its address");
}

#[test]
fn all_commands_know_them() {
    let (machine, there) = shared();
    machine.run(&setup(&machine, &[BEN])).expect_code(0);
    arrive(&there, "Inbox", "more");
    machine.arrive("Inbox", "mine too");
    let inbox = format!("Other Mailboxes/{BEN}/Inbox");
    let run = machine.json(&["sync", &inbox], 0);
    assert_eq!(run["accounts"].as_array().unwrap().len(), 1);
    assert_eq!(run["accounts"][0]["total"]["downloaded"], 1);
    assert_eq!(machine.messages("Inbox").len(), 1, "that was not asked for");
    let named = format!("{ANNA}/Other Mailboxes/{BEN}");
    assert_eq!(machine.json(&["sync", "--account", &named], 0)["accounts"][0]["account"], named.as_str());
    machine.run(&["sync", "--account", &format!("{ANNA}/Other Mailboxes/else@x.org")]).expect_code(2);
    machine.run(&["sync"]).expect_code(0).expect_out(&format!("{named}: in step"));
    let status = machine.json(&["status"], 0);
    let accounts: Vec<&str> =
        status["accounts"].as_array().unwrap().iter().map(|account| account["account"].as_str().unwrap()).collect();
    assert_eq!(accounts, [ANNA, &named]);
    machine.run(&["doctor"]).expect_code(0).expect_out("mailboxes    ben@example.org answers");
    machine.run(&["folders", "--account", &named]).expect_code(0).expect_out("Inbox");
    machine.run(&["backup", "--verify"]).expect_code(0);
    let back = machine.home.path().join("back");
    machine.run(&["restore", "--to", back.to_str().unwrap()]).expect_code(0);
    assert_eq!(messages_in(&back.join("Exchange").join(ANNA).join(inbox)).len(), 2);
}

#[test]
fn what_is_wrong_with_one_holds_up_no_other_and_deletes_nothing() {
    let (machine, there) = shared();
    machine.run(&setup(&machine, &[BEN])).expect_code(0);
    machine.arrive("Inbox", "mine too");
    there.share(ANNA, Role::Nobody).unwrap();
    let failed = machine.run(&["sync"]).expect_code(1).expect_err("the server shows no folder of ben@example.org");
    drop(failed.expect_out(&format!("{ANNA}: 1 downloaded")));
    assert_eq!(machine.messages(&format!("Other Mailboxes/{BEN}/Inbox")).len(), 1);
    machine.run(&["status"]).expect_code(0).expect_out(&format!("{ANNA}/Other Mailboxes/{BEN}"));
    // A directory that is not mounted is no wish.
    there.share(ANNA, Role::Owner).unwrap();
    fs::rename(machine.folder("Other Mailboxes"), machine.home.path().join("away")).unwrap();
    machine.run(&["sync"]).expect_code(1).expect_err("is its disk mounted?");
    assert_eq!(there.items("Inbox").unwrap().len(), 1);
}

#[test]
fn nobody_acts_as_an_owner_who_may_not() {
    let machine = Machine::new();
    let mut arguments = machine.setup_arguments();
    arguments.extend(["--impersonate".to_owned(), BEN.to_owned()]);
    machine.run(&arguments).expect_code(1).expect_err("ErrorImpersonateUserDenied");
    assert!(!machine.config().exists());
}
