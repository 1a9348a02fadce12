//! Public folders on the command line: found, named, kept in step beside the mailbox, and told where something is wrong with them.

use std::fs;

use crate::support::{ANNA, Machine, messages_in, mime};
use pimsync::exchange::{Mailbox, NewMessage, Role};
use serde_json::Value;

/// A machine whose server has public folders; those are named.
fn machine(named: &str) -> (Machine, Mailbox) {
    let machine = Machine::set_up();
    let there = machine.server.public_folders().unwrap();
    there.create_folder("", "Team", "IPF.Note").unwrap();
    there.create_folder("Team", "Plans/2026", "IPF.Note").unwrap();
    there.create_folder("Team", "Contacts", "IPF.Contact").unwrap();
    there.set_role("Team/Contacts", Some(ANNA), Role::Reviewer).unwrap();
    let text = fs::read_to_string(machine.config()).unwrap();
    fs::write(machine.config(), format!("{text}public_folders = [{named}]\n")).unwrap();
    (machine, there)
}

fn post(there: &Mailbox, folder: &str, name: &str) {
    let message = mime(name);
    there.add_message(folder, NewMessage { mime: message.as_bytes(), ..NewMessage::default() }).unwrap();
}

/// The id of the folder of that name, which a path cannot tell.
fn id(there: &Mailbox, name: &str) -> String {
    there.folders().unwrap().into_iter().find(|folder| folder.name == name).unwrap().id
}

#[test]
fn what_there_is_can_be_named_as_it_is_listed() {
    let (machine, there) = machine("");
    machine.run(&["sync"]).expect_code(0);
    assert!(!machine.folder("Public Folders").exists(), "nothing is named");
    let listed = machine.json(&["folders", "--public"], 0);
    let lines: Vec<(&str, &str, &str, bool)> = listed["accounts"][0]["folders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap();
            (text("path"), text("kind"), text("rights"), line["synced"].as_bool().unwrap())
        })
        .collect();
    let expected = [
        ("Team", "mail", "write", false),
        ("Team/Contacts", "contacts", "read", false),
        ("Team/Plans%2F2026", "mail", "write", false),
    ];
    assert_eq!(lines, expected);
    let text = fs::read_to_string(machine.config()).unwrap();
    fs::write(machine.config(), text.replace("[]", "['Team/Plans%2F2026', 'Team/Contacts']")).unwrap();
    post(&there, &id(&there, "Plans/2026"), "theirs");
    machine.arrive("Inbox", "mine");
    machine
        .run(&["sync"])
        .expect_code(0)
        .expect_out("anna@example.org/Public Folders: 1 downloaded (2 folders looked at)");
    assert_eq!(messages_in(&machine.folder("Public Folders/Team/Plans%2F2026")).len(), 1);
    assert!(machine.folder("Public Folders/Team/Contacts").is_dir());
    assert!(!machine.folder("Public Folders/Team/cur").exists(), "what only leads there is no mail folder");
    machine.run(&["folders", "--public"]).expect_code(0).expect_out("You may").expect_out("yes");
    let again = machine.json(&["sync"], 0);
    assert_eq!(again["accounts"].as_array().unwrap().len(), 2);
    machine.run(&["folders"]).expect_code(0).expect_out("Team/Plans%2F2026").expect_out("Inbox");
}

#[test]
fn a_folder_is_named_on_the_command_line_as_it_lies() {
    let (machine, there) = machine("'Team'");
    machine.run(&["sync"]).expect_code(0);
    post(&there, "Team", "theirs");
    machine.arrive("Inbox", "mine");
    let run = machine.json(&["sync", "Public Folders/Team"], 0);
    let accounts = run["accounts"].as_array().unwrap();
    assert_eq!((accounts.len(), &accounts[0]["total"]["downloaded"]), (1, &Value::from(1)));
    assert_eq!(machine.json(&["sync", "Inbox"], 0)["accounts"][0]["total"]["downloaded"], 1);
    let named = format!("{ANNA}/Public Folders");
    assert_eq!(machine.json(&["sync", "--account", &named], 0)["accounts"][0]["account"], named.as_str());
    machine.run(&["sync", "Public Folders/Else"]).expect_code(2).expect_err("no folder");
}

#[test]
fn what_is_wrong_with_them_is_told_and_holds_up_nothing_else() {
    let (machine, there) = machine("'Team/Contacts', 'Team/Gone', 'Team'");
    post(&there, "Team", "theirs");
    machine.arrive("Inbox", "mine");
    let told = machine.run(&["sync"]).expect_code(3);
    let told = told.expect_out("folder failed: Team/Gone: the server shows no public folder \"Gone\" there");
    drop(told.expect_out("anna@example.org: 1 downloaded"));
    assert_eq!(messages_in(&machine.folder("Public Folders/Team")).len(), 1);
    machine.run(&["status"]).expect_code(0).expect_out("Team/Gone: the server shows no public folder");
    // Read-only: what is written there stays here, with the reason.
    let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:a\r\nFN:Ada\r\nN:Ada;;;;\r\nEND:VCARD\r\n";
    fs::write(machine.folder("Public Folders/Team/Contacts/a.vcf"), card).unwrap();
    let told = machine.run(&["sync"]).expect_code(3);
    drop(told.expect_out(
        "held back: Team/Contacts: you may only read this folder, so what was changed here stays here (changes: 1)",
    ));
    machine
        .run(&["status"])
        .expect_code(0)
        .expect_out("Team/Contacts: you may only read this folder on the remote side (read-only)");
    assert!(there.items("Team/Contacts").unwrap().is_empty());
    assert!(machine.folder("Public Folders/Team/Contacts/a.vcf").exists());
    // A directory that is not mounted is no wish.
    fs::rename(machine.folder("Public Folders"), machine.home.path().join("away")).unwrap();
    machine.run(&["sync"]).expect_code(1).expect_err("is its disk mounted?");
    assert_eq!(there.items("Team").unwrap().len(), 1);
}

#[test]
fn they_are_in_backups_and_nothing_counts_as_lost() {
    let (machine, there) = machine("'Team'");
    post(&there, "Team", "theirs");
    machine.run(&["sync"]).expect_code(0);
    machine.run(&["backup", "--verify"]).expect_code(0);
    let back = machine.home.path().join("back");
    machine.run(&["restore", "--to", back.to_str().unwrap()]).expect_code(0);
    let restored = back.join("Exchange").join(ANNA).join("Public Folders/Team");
    assert_eq!(messages_in(&restored).len(), 1);
}
