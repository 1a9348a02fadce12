//! On My Computer: what lies there is its owner's alone, and no server ever hears of it.

use std::fs;
use std::path::PathBuf;

use crate::support::{Machine, mime, tree};

const ALL: [&str; 8] = ["Calendar", "Contacts", "Drafts", "Groups", "Inbox", "Notes", "Sent Items", "Tasks"];

fn local(machine: &Machine) -> PathBuf {
    machine.database().join("On My Computer")
}

fn folders(machine: &Machine) -> Vec<String> {
    let entries = fs::read_dir(local(machine)).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_identity_has_its_local_folders_from_the_beginning() {
    let machine = Machine::set_up();
    assert_eq!(folders(&machine), ALL);
    assert!(local(&machine).join("Sent Items/cur").is_dir());
}

#[test]
fn an_identity_of_an_earlier_version_gets_them_with_the_next_sync() {
    let machine = Machine::with_messages(1);
    for name in ["Groups", "Tasks", "Drafts"] {
        fs::remove_dir_all(local(&machine).join(name)).unwrap();
    }
    let before = tree(&machine.database());
    machine.run(&["sync", "--dry-run"]).expect_code(0);
    assert_eq!(tree(&machine.database()), before, "a dry run writes nothing");
    machine.run(&["sync"]).expect_code(0);
    assert_eq!(folders(&machine), ALL);
}

#[test]
fn a_local_folder_that_cannot_be_made_stops_no_sync() {
    let machine = Machine::with_messages(1);
    fs::remove_dir_all(local(&machine)).unwrap();
    fs::write(local(&machine), "a file in its place").unwrap();
    machine.arrive("Inbox", "later");
    machine.run(&["sync"]).expect_code(0).expect_err("On My Computer");
    assert_eq!(machine.messages("Inbox").len(), 2);
    assert_eq!(fs::read(local(&machine)).unwrap(), b"a file in its place");
}

/// Each request that a sync made, by its operation and its body.
fn heard(machine: &Machine, arguments: &[&str]) -> Vec<String> {
    machine.server.clear_requests();
    let trace = tempfile::tempdir().unwrap();
    let trace_argument = trace.path().display().to_string();
    machine.run(&[arguments, &["--trace-soap", &trace_argument]].concat()).expect_code(0);
    let mut files: Vec<PathBuf> = fs::read_dir(trace.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let requests = files.iter().filter(|path| path.to_string_lossy().contains("request"));
    let requests: Vec<String> = requests.map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(requests.len(), machine.server.requests().len(), "the trace is not all that the server heard");
    requests
}

#[test]
fn nothing_in_it_ever_causes_a_request() {
    let machine = Machine::with_messages(3);
    let operations = |machine: &Machine| -> Vec<String> {
        machine.server.requests().into_iter().map(|request| request.operation).collect()
    };
    for arguments in [&["sync"][..], &["sync", "--full"]] {
        heard(&machine, arguments);
        let mut quiet = operations(&machine);
        let calendar = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:only-here\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let group = "BEGIN:VCARD\r\nVERSION:4.0\r\nKIND:group\r\nFN:only-here\r\nEND:VCARD\r\n";
        let number = arguments.len();
        for (path, content) in [
            ("Inbox/new/only-here", mime("only-here").as_str()),
            ("Drafts/cur/only-here:2,D", &mime("only-here")),
            ("Sent Items/cur/only-here:2,S", &mime("only-here")),
            ("Calendar/only-here.ics", calendar),
            ("Contacts/only-here.vcf", group),
            ("Tasks/only-here.ics", calendar),
            ("Notes/only-here.md", "only-here\n"),
            ("Groups/only-here.vcf", group),
        ] {
            fs::write(local(&machine).join(format!("{path}{number}")), content).unwrap();
        }
        fs::create_dir_all(local(&machine).join(format!("Inbox/only-here {number}/cur"))).unwrap();
        let requests = heard(&machine, arguments);
        let mut now = operations(&machine);
        quiet.sort();
        now.sort();
        assert_eq!(now, quiet, "{arguments:?} asked for more");
        assert!(requests.iter().all(|request| !request.contains("only-here")), "{requests:?}");
    }
    assert_eq!(machine.subjects("Inbox").len(), 3);
}

#[test]
fn a_message_that_is_moved_there_leaves_the_server_and_one_moved_from_there_is_uploaded() {
    let machine = Machine::with_messages(2);
    let out = machine.messages("Inbox").remove(0);
    let kept = local(&machine).join("Inbox/cur/kept:2,S");
    fs::rename(&out, &kept).unwrap();
    machine.run(&["sync"]).expect_code(0);
    assert_eq!(machine.subjects("Inbox").len(), 1);
    let content = fs::read_to_string(&kept).unwrap();
    assert!(content.contains("Subject: message-"), "{content}");
    fs::rename(&kept, machine.folder("Inbox/cur/kept:2,S")).unwrap();
    machine.run(&["sync"]).expect_code(0);
    assert_eq!(machine.subjects("Inbox"), ["message-0", "message-1"]);
}
