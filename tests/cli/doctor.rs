//! `pimsync doctor`: what is wrong is named, in the step where it is wrong, and nothing is changed by looking.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{ANNA, Machine, tree};
use serde_json::Value;

/// The outcome of a step.
fn outcome<'j>(found: &'j Value, check: &str) -> &'j str {
    let checks = found["checks"].as_array().unwrap();
    let check = checks.iter().find(|one| one["check"] == check).unwrap_or_else(|| panic!("no {check} in {found}"));
    check["outcome"].as_str().unwrap()
}

#[test]
fn where_all_is_well_each_step_is_and_nothing_is_changed() {
    let machine = Machine::with_messages(1);
    let before = tree(machine.home.path());
    let found = machine.json(&["doctor"], 0);
    for check in
        ["identity", "disk", "lock", "state.db", "password", "name", "connection", "sign-in", "mailbox", "clock"]
    {
        assert_eq!(outcome(&found, check), "ok", "{check}");
    }
    machine.run(&["doctor"]).expect_code(0).expect_out("sign-in");
    assert_eq!(machine.run(&["doctor", "--quiet"]).expect_code(0).out, "");
    assert_eq!(tree(machine.home.path()), before, "doctor only looks");
}

#[test]
fn a_password_that_is_wrong_or_open_to_others_is_found_out() {
    let machine = Machine::set_up();
    let secret = machine.root().join("Secrets/Main").join(ANNA);
    fs::write(&secret, "wrong\n").unwrap();
    let found = machine.json(&["doctor"], 4);
    assert_eq!((outcome(&found, "password"), outcome(&found, "sign-in")), ("ok", "failed"));
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = machine.run(&["doctor"]).expect_code(1).expect_out("chmod 600");
    assert!(!ran.out.contains("wrong\n"));
}

#[test]
fn a_server_that_is_not_there_is_told_apart_from_a_name_that_is_not() {
    let machine = Machine::set_up();
    let config = machine.config();
    let text = fs::read_to_string(&config).unwrap();
    let served = machine.server.url();
    // Port 9 (discard) of this machine, where nobody listens.
    fs::write(&config, text.replace(&served, "https://127.0.0.1:9/EWS/Exchange.asmx")).unwrap();
    let found = machine.json(&["doctor"], 6);
    assert_eq!((outcome(&found, "name"), outcome(&found, "connection")), ("ok", "failed"));
    assert_eq!(outcome(&found, "sign-in"), "skipped");
    // RFC 6761 §6.4: never found.
    fs::write(&config, text.replace(&served, "https://mail.invalid/EWS/Exchange.asmx")).unwrap();
    let found = machine.json(&["doctor"], 6);
    assert_eq!(outcome(&found, "name"), "failed");
}

#[test]
fn a_damaged_state_is_found_out() {
    let machine = Machine::with_messages(1);
    fs::write(machine.database().join("state.db"), [7; 8192]).unwrap();
    for journal in ["state.db-wal", "state.db-shm"] {
        drop(fs::remove_file(machine.database().join(journal)));
    }
    let found = machine.json(&["doctor"], 1);
    assert_eq!((outcome(&found, "state.db"), outcome(&found, "mailbox")), ("failed", "ok"));
}
