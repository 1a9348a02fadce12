//! `pimsync send`: what goes out when, to whom, how often; and what becomes of what cannot.

use std::fs;

use assert_cmd::Command;

use crate::support::{ANNA, Machine, Ran};
use pimsync::exchange::{Action, Mailbox, Rule};

const BEN: &str = "ben@example.org";

fn message(headers: &str) -> String {
    format!("{headers}\nHello,\n.\nGood bye\n")
}

#[track_caller]
fn send(machine: &Machine, arguments: &[&str], message: &str) -> Ran {
    let mut command: Command = machine.command();
    command.arg("send").args(arguments).write_stdin(message).output().unwrap().into()
}

fn ben(machine: &Machine) -> Mailbox {
    machine.server.mailbox(BEN).unwrap()
}

fn subjects(mailbox: &Mailbox, folder: &str) -> Vec<String> {
    mailbox.items(folder).unwrap().into_iter().map(|item| item.subject).collect()
}

/// The letters that wait.
fn waiting(machine: &Machine) -> usize {
    fs::read_dir(machine.database().join("Outgoing"))
        .map(|entries| {
            entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "json")).count()
        })
        .unwrap_or(0)
}

/// The server refuses everything, until faults are cleared.
fn away(machine: &Machine) {
    machine.server.faults().add(Rule::always(Action::Unauthorized401));
}

#[test]
fn a_message_goes_out_at_once_and_its_copy_is_in_sent_items() {
    let machine = Machine::with_messages(1);
    let text =
        message("From: Anna <anna@example.org>\nTo: Ben <ben@example.org>\nBcc: secret@example.org\nSubject: Grüße\n");
    let ran = send(&machine, &["-t", "-i"], &text).expect_code(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    assert_eq!(subjects(&ben(&machine), "Inbox"), ["Grüße"]);
    let received = String::from_utf8(ben(&machine).items("Inbox").unwrap()[0].mime.clone()).unwrap();
    assert!(!received.contains("secret") && received.contains("Good bye"), "{received}");
    assert_eq!(machine.subjects("Sent Items"), ["Grüße"]);
    assert_eq!(machine.messages("Sent Items").len(), 1, "the copy is here, too");
    assert_eq!(waiting(&machine), 0);
    machine.run(&["sync"]).expect_code(0).expect_out("nothing to do");
}

#[test]
fn it_takes_what_mail_programs_give_sendmail() {
    let machine = Machine::with_messages(1);
    // mutt: all recipients on the command line, those of Bcc with them.
    let text = message("From: anna@example.org\nTo: ben@example.org\nSubject: from mutt\n");
    send(&machine, &["-oem", "-oi", "-f", ANNA, "--", BEN, ANNA], &text).expect_code(0);
    // cron: no From, no domain to speak of, a dot that ends it.
    send(&machine, &["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "-bm", BEN], "Subject: from cron\n\nout\n")
        .expect_code(0);
    send(&machine, &[BEN], "no header at all\n.\nnot sent\n").expect_code(0);
    let inbox = ben(&machine).items("Inbox").unwrap();
    let mut found: Vec<&str> = inbox.iter().map(|item| item.subject.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["", "from cron", "from mutt"]);
    let mail = |subject: &str| {
        String::from_utf8(inbox.iter().find(|item| item.subject == subject).unwrap().mime.clone()).unwrap()
    };
    assert!(mail("from mutt").contains("Good bye"), "a dot does not end it");
    assert!(mail("").contains("no header at all") && !mail("").contains("not sent"));
    assert!(mail("from cron").contains("anna@example.org"), "it has a sender");
    assert!(
        machine.subjects("Inbox").contains(&"from mutt".to_owned()),
        "who is only on the command line gets it, too"
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_the_codes_of_sendmail() {
    let machine = Machine::set_up();
    machine.server.clear_requests();
    let to_ben = message("To: ben@example.org\n");
    send(&machine, &[], &to_ben).expect_code(64).expect_err("nobody is named who gets the message");
    send(&machine, &["--no-such-option"], &to_ben).expect_code(64);
    send(&machine, &["-t"], &message("Subject: x\n")).expect_code(64).expect_err("names no recipient");
    send(&machine, &["carl@example.org"], &to_ben).expect_code(64).expect_err("ben@example.org is in To or Cc");
    send(&machine, &["-t"], &message("To: <<<\n")).expect_code(65).expect_err("the addresses in To make no sense");
    send(&machine, &[BEN], "").expect_code(65).expect_err("the message is empty");
    send(&machine, &["root"], "x\n").expect_code(67).expect_err("\"root\" is no mail address");
    send(&machine, &["--account", "nobody", BEN], "x\n").expect_code(78).expect_err("there is no account");
    assert_eq!((waiting(&machine), machine.server.requests().len()), (0, 0));
}

#[test]
fn while_the_server_is_away_it_is_kept_and_sent_once_later() {
    let machine = Machine::with_messages(1);
    away(&machine);
    let text = message("To: ben@example.org\nSubject: later\n");
    send(&machine, &["-t", "-i"], &text).expect_code(0).expect_err("is kept");
    send(&machine, &["-t", "-i", "--quiet"], &text.replace("later", "even later")).expect_code(0);
    assert_eq!(waiting(&machine), 2);
    let status = machine.json(&["status"], 0);
    assert_eq!(status["outgoing"][0]["subject"], "later", "{status}");
    assert_eq!(status["outgoing"][0]["recipients"], serde_json::json!([BEN]));
    machine.run(&["status"]).expect_code(0).expect_out("To be sent:").expect_out("\"even later\" to ben@example.org");
    // A backup has them, too.
    machine.run(&["backup"]).expect_code(0);
    let back = machine.home.path().join("back");
    machine.run(&["restore", "--to", back.to_str().unwrap()]).expect_code(0);
    let restored = walk(&back);
    assert_eq!(restored.iter().filter(|path| path.contains("Outgoing/")).count(), 4, "{restored:?}");

    machine.server.faults().clear();
    machine.run(&["sync"]).expect_code(0);
    let mut sent = subjects(&ben(&machine), "Inbox");
    sent.sort();
    assert_eq!(sent, ["even later", "later"]);
    assert_eq!((waiting(&machine), machine.messages("Sent Items").len()), (0, 2));
    machine.run(&["sync"]).expect_code(0).expect_out("nothing to do");
    assert_eq!(subjects(&ben(&machine), "Inbox").len(), 2);
}

fn walk(dir: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_lost_answer_sends_nothing_twice() {
    let machine = Machine::with_messages(1);
    machine.server.faults().add(Rule::on("CreateItem", Action::ResetAfterCommit).nth(1));
    let text = message("To: ben@example.org\nSubject: once\n");
    let ran = send(&machine, &["-t", "-i"], &text).expect_code(0);
    assert_eq!(ran.err, "", "it was found in Sent Items");
    machine.run(&["sync"]).expect_code(0);
    assert_eq!(subjects(&ben(&machine), "Inbox"), ["once"]);
    // Nobody knows whether this one was sent: the next run does not send it again at once.
    machine.server.faults().add(Rule::on("CreateItem", Action::ResetBeforeCommit).nth(1));
    send(&machine, &["-t", "-i"], &text.replace("once", "twice?")).expect_code(0).expect_err("did not answer");
    machine.run(&["sync"]).expect_code(3).expect_out("\"twice?\" to ben@example.org");
    machine.run(&["send", "--retry"]).expect_code(69).expect_err("\"twice?\" to ben@example.org");
    assert_eq!((subjects(&ben(&machine), "Inbox").len(), waiting(&machine)), (1, 1));
}

#[test]
fn what_the_server_refuses_names_the_recipients_and_is_kept() {
    let machine = Machine::with_messages(1);
    let refusal = Action::ItemError { code: "ErrorInvalidRecipients".to_owned() };
    machine.server.faults().add(Rule::on("CreateItem", refusal));
    let text = message("To: ben@example.org, nobody@example.invalid\nSubject: refused\n");
    let ran = send(&machine, &["-t"], &text).expect_code(69).expect_err("ErrorInvalidRecipients");
    ran.expect_err("ben@example.org, nobody@example.invalid");
    machine
        .run(&["sync"])
        .expect_code(3)
        .expect_out("refused by the server: Outgoing")
        .expect_out("nobody@example.invalid");
    machine.run(&["status"]).expect_code(0).expect_out("refused: ErrorInvalidRecipients");
    machine.server.faults().clear();
    machine.run(&["sync"]).expect_code(3);
    assert_eq!(waiting(&machine), 1, "a person says when it is tried again");
    machine.run(&["send", "--retry"]).expect_code(0);
    assert_eq!((subjects(&ben(&machine), "Inbox"), waiting(&machine)), (vec!["refused".to_owned()], 0));
}

#[test]
fn an_identity_that_was_restored_sends_nothing_of_before() {
    let machine = Machine::with_messages(1);
    away(&machine);
    send(&machine, &["-t"], &message("To: ben@example.org\nSubject: old\n")).expect_code(0);
    machine.run(&["backup"]).expect_code(0);
    machine.server.faults().clear();
    machine.run(&["sync"]).expect_code(0);
    assert_eq!(subjects(&ben(&machine), "Inbox"), ["old"]);
    // Its copy is gone, so that nothing tells that it was sent.
    let copy = machine.mailbox.items("Sent Items").unwrap().remove(0);
    machine.mailbox.delete_item(&copy.id).unwrap();
    machine.run(&["restore", "--into", "Main"]).expect_code(0);
    machine.run(&["sync"]).expect_code(3).expect_out("the identity was restored from a backup");
    assert_eq!(subjects(&ben(&machine), "Inbox"), ["old"]);
}
