//! `pimsync status`: what it leaves out, nobody knows of until it is lost.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{ANNA, Machine, tree};
use serde_json::Value;

fn folder<'j>(status: &'j Value, path: &str) -> &'j Value {
    let folders = status["accounts"][0]["folders"].as_array().unwrap();
    folders.iter().find(|folder| folder["path"] == path).unwrap_or_else(|| panic!("{path} is not in {status}"))
}

#[test]
fn before_the_first_sync_there_is_nothing_to_tell() {
    let machine = Machine::set_up();
    machine.run(&["status"]).expect_code(0).expect_out("Never synchronized.");
    let status = machine.json(&["status"], 0);
    assert_eq!(status["accounts"][0]["last_run"], Value::Null);
    assert_eq!(status["accounts"][0]["folders"], serde_json::json!([]));
}

#[test]
fn local_changes_are_counted_by_folder() {
    let machine = Machine::with_messages(4);
    let calm = machine.json(&["status"], 0);
    assert_eq!(folder(&calm, "Inbox")["pending"], serde_json::json!({"new": 0, "changed": 0, "gone": 0}));
    assert_eq!((&folder(&calm, "Inbox")["items"], &folder(&calm, "Inbox")["result"]), (&4.into(), &"done".into()));

    let files = machine.messages("Inbox");
    let name = files[0].file_name().unwrap().to_str().unwrap().split(':').next().unwrap().to_owned();
    fs::rename(&files[0], machine.folder("Inbox/cur").join(format!("{name}:2,FS"))).unwrap();
    fs::remove_file(&files[1]).unwrap();
    machine.deliver("Inbox", "mine");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(machine.folder("Plans").join(part)).unwrap();
    }
    machine.deliver("Plans", "plan");
    let before = tree(machine.home.path());
    let status = machine.json(&["status"], 0);
    assert_eq!(folder(&status, "Inbox")["pending"], serde_json::json!({"new": 1, "changed": 1, "gone": 1}));
    assert_eq!(folder(&status, "Plans")["pending"]["new"], 1);
    assert_eq!(folder(&status, "Plans")["result"], "never");
    machine.run(&["status"]).expect_code(0).expect_out("1 new, 1 changed, 1 gone");
    assert_eq!(tree(machine.home.path()), before, "status only reads");

    machine.run(&["sync"]).expect_code(0);
    let after = machine.json(&["status"], 0);
    for path in ["Inbox", "Plans"] {
        assert_eq!(folder(&after, path)["pending"], serde_json::json!({"new": 0, "changed": 0, "gone": 0}), "{path}");
    }
}

#[test]
fn folders_of_other_kinds_are_told_of() {
    let machine = Machine::with_messages(1);
    let status = machine.json(&["status"], 0);
    let contacts = folder(&status, "Contacts");
    assert_eq!((&contacts["synced"], &contacts["kind"]), (&true.into(), &"contacts".into()));
    let journal = folder(&status, "Journal");
    assert_eq!((&journal["synced"], &journal["result"]), (&false.into(), &"not-synced".into()));
    assert_eq!((&journal["kind"], &journal["pending"]), (&"journal".into(), &Value::Null));
    machine.run(&["status"]).expect_code(0).expect_out("Not synced yet:").expect_out("Journal (journal");
}

#[test]
fn what_has_no_file_is_named_and_left_where_it_is() {
    let machine = Machine::with_messages(1);
    machine.mailbox.add_list("Contacts", "Rowers", &[]).unwrap();
    let entry = "<t:Message><t:ItemClass>IPM.Activity</t:ItemClass><t:Subject>Rang Bob</t:Subject></t:Message>";
    machine.mailbox.add_item("Calendar", entry).unwrap();
    let odd = "<t:Message><t:ItemClass>IPM.Odd.Thing</t:ItemClass><t:Subject>Odd</t:Subject></t:Message>";
    let odd = machine.mailbox.add_item("Contacts", odd).unwrap();
    machine.run(&["sync"]).expect_code(0);
    machine
        .run(&["status"])
        .expect_code(0)
        .expect_out("On the server only, where they stay")
        .expect_out("  Calendar: journal entry \"Rang Bob\"\n")
        .expect_out("  Contacts: distribution list \"Rowers\"; item \"Odd\" of class IPM.Odd.Thing\n");
    let status = machine.json(&["status"], 0);
    assert_eq!(
        folder(&status, "Contacts")["only_there"][0],
        serde_json::json!({"class": "IPM.DistList", "name": "Rowers"})
    );
    assert_eq!(fs::read_dir(machine.folder("Contacts")).unwrap().count(), 0);
    machine.run(&["sync", "--full"]).expect_code(0).expect_out("nothing to do");
    // What is gone there is no longer named; what was met before it could be named is counted.
    machine.mailbox.delete_item(&odd).unwrap();
    machine.run(&["sync"]).expect_code(0);
    machine.run(&["status"]).expect_code(0).expect_out("  Contacts: distribution list \"Rowers\"\n");
}

#[test]
fn what_waits_in_a_folder_of_contacts_is_counted() {
    let machine = Machine::with_messages(1);
    let card = |uid: &str| format!("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{uid}\r\nFN:{uid}\r\nEND:VCARD\r\n");
    for uid in ["a", "b"] {
        fs::write(machine.folder("Contacts").join(format!("{uid}.vcf")), card(uid)).unwrap();
    }
    machine.run(&["sync"]).expect_code(0).expect_out("2 uploaded");
    fs::write(machine.folder("Contacts/a.vcf"), card("a").replace("FN:a", "FN:A")).unwrap();
    fs::remove_file(machine.folder("Contacts/b.vcf")).unwrap();
    fs::write(machine.folder("Contacts/c.vcf"), card("c")).unwrap();
    let status = machine.json(&["status"], 0);
    let contacts = folder(&status, "Contacts");
    assert_eq!(contacts["pending"], serde_json::json!({"new": 1, "changed": 1, "gone": 1}));
    assert_eq!((&contacts["items"], &contacts["server_items"]), (&2.into(), &2.into()));
    machine.run(&["sync"]).expect_code(0);
    let status = machine.json(&["status"], 0);
    assert_eq!(folder(&status, "Contacts")["pending"], serde_json::json!({"new": 0, "changed": 0, "gone": 0}));
}

#[test]
fn what_cannot_be_looked_at_is_told() {
    let machine = Machine::with_messages(1);
    fs::remove_dir(machine.folder("Outbox/new")).unwrap();
    std::os::unix::fs::symlink("/etc", machine.folder("Elsewhere")).unwrap();
    let ran = machine.run(&["status"]).expect_code(0);
    ran.expect_out("Left alone:").expect_out("symbolic link");
}

#[test]
fn every_member_of_every_document_is_in_the_manual() {
    let machine = Machine::with_messages(30);
    let mut members = BTreeSet::new();
    machine.arrive("Inbox", "one-more");
    collect(&machine.json(&["sync", "--dry-run"], 0), &mut members);
    for file in machine.messages("Inbox").iter().take(10) {
        fs::remove_file(file).unwrap();
    }
    collect(&machine.json(&["sync"], 3), &mut members);
    collect(&machine.json(&["status"], 0), &mut members);
    collect(&machine.json(&machine.setup_arguments(), 0), &mut members);
    collect(&machine.json(&["sync", "Nowhere"], 2), &mut members);
    let page = fs::read_to_string("man/pimsync-json.5").unwrap();
    for member in members {
        assert!(page.contains(&member), "{member} is not in pimsync-json(5)");
    }
}

/// The members of a document, but for those named after a folder.
fn collect(json: &Value, members: &mut BTreeSet<String>) {
    match json {
        Value::Object(object) => {
            for (name, value) in object {
                if !name.starts_with(|first: char| first.is_uppercase()) {
                    members.insert(name.clone());
                }
                collect(value, members);
            }
        }
        Value::Array(array) => array.iter().for_each(|value| collect(value, members)),
        _ => {}
    }
}

#[test]
fn an_account_can_be_picked() {
    let machine = Machine::set_up();
    machine.run(&["setup", "--demo", "--no-sync"]).expect_code(0);
    assert_eq!(machine.json(&["status"], 0)["accounts"].as_array().unwrap().len(), 2);
    let one = machine.json(&["status", "--account", ANNA], 0);
    assert_eq!(one["accounts"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_only_here_is_counted() {
    let machine = Machine::set_up();
    let local = machine.database().join("On My Computer");
    machine.run(&["status"]).expect_code(0);
    fs::write(local.join("Inbox/cur/1:2,S"), "Subject: x\n\nx\n").unwrap();
    fs::write(local.join("Groups/club.vcf"), "BEGIN:VCARD\n").unwrap();
    let status = machine.json(&["status"], 0);
    let folders = status["only_here"].as_array().unwrap();
    let items = |path: &str| folders.iter().find(|folder| folder["path"] == path).unwrap()["items"].as_u64();
    assert_eq!((items("Inbox"), items("Groups"), items("Notes")), (Some(1), Some(1), Some(0)));
    machine.run(&["status"]).expect_code(0).expect_out("Only here").expect_out("Inbox (mail, 1 item)");
}

#[test]
fn a_backup_that_is_not_made_any_more_or_never_verified_does_not_go_unnoticed() {
    let machine = Machine::with_messages(2);
    machine.run(&["status"]).expect_code(0).expect_out("Never backed up");
    machine.run(&["status", "--max-age", "1d"]).expect_code(3).expect_err("no backup was ever made");
    machine.run(&["backup"]).expect_code(0);
    let ran =
        machine.run(&["status", "--max-age", "1d"]).expect_code(3).expect_err("no backup in").expect_err("000001 of");
    assert_eq!((ran.out.as_str(), ran.err.lines().count()), ("", 1));
    let json = machine.json(&["status"], 0);
    assert_eq!(
        (&json["backups"][0]["last"]["number"], &json["backups"][0]["last_verified"]),
        (&1.into(), &Value::Null)
    );
    // Footer and manifest tell little.
    machine.run(&["backup", "verify"]).expect_code(0);
    machine.run(&["status", "--max-age", "1d"]).expect_code(3);
    machine.run(&["backup", "verify", "--rehearse"]).expect_code(0);
    let ran = machine.run(&["status", "--max-age", "1d"]).expect_code(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""), "monitoring hears nothing");
    let json = machine.json(&["status", "--max-age", "1d"], 0);
    let verified = &json["backups"][0]["last_verified"];
    assert_eq!((&verified["number"], &verified["rehearsed"]), (&1.into(), &true.into()));
    assert!((0..600).contains(&verified["age"].as_i64().unwrap()));
    machine.run(&["status"]).expect_code(0).expect_out("Last backups:").expect_out("; verified");
    // What was verified and is damaged since is verified no more.
    let archive = std::fs::read_dir(machine.identity().join("Backups")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&archive).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    machine.run(&["backup", "verify", "--read-data"]).expect_code(1);
    machine.run(&["status", "--max-age", "1d"]).expect_code(3).expect_err("was verified");
    machine.run(&["status", "--max-age", "soon"]).expect_code(2).expect_err("is no duration");
}

#[test]
fn each_target_has_an_age_of_its_own_also_while_it_is_not_mounted() {
    let machine = Machine::with_messages(2);
    let disk = machine.home.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let name = disk.display().to_string();
    machine.run(&["backup", "--verify"]).expect_code(0);
    machine.run(&["backup", "--to", &name]).expect_code(0);
    std::fs::rename(&disk, machine.home.path().join("unmounted")).unwrap();
    let ran = machine.run(&["status", "--max-age", "1d"]).expect_code(3).expect_err(&name);
    assert_eq!(ran.err.lines().count(), 1);
    let own = machine.identity().join("Backups").display().to_string();
    machine.run(&["status", "--max-age", "1d", "--target", &own]).expect_code(0);
    machine
        .run(&["status", "--max-age", "1d", "--target", "elsewhere"])
        .expect_code(3)
        .expect_err("ever made in elsewhere");
    assert_eq!(machine.json(&["status"], 0)["backups"].as_array().unwrap().len(), 2);
}
