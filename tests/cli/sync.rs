//! `pimsync sync`: what a person, cron or a script sees of it, and what it leaves behind.

use std::fs;
use std::io::Read as _;
use std::process::Stdio;

use crate::support::{ANNA, Machine, tree};
use pimsync::identity::{IdentityLock, IdentityName, Layout};
use pimsync::pim::UnixTime;

fn total(json: &serde_json::Value, count: &str) -> u64 {
    json["accounts"][0]["total"][count].as_u64().unwrap()
}

#[test]
fn mail_goes_both_ways() {
    let machine = Machine::set_up();
    machine.arrive("Inbox", "from-there");
    let first = machine.json(&["sync"], 0);
    assert_eq!((total(&first, "downloaded"), total(&first, "uploaded")), (1, 0));
    assert_eq!(first["accounts"][0]["folders"]["Inbox"]["downloaded"], 1);

    machine.deliver("Inbox", "from-here");
    let second = machine.json(&["sync"], 0);
    assert_eq!((total(&second, "downloaded"), total(&second, "uploaded")), (0, 1));
    assert_eq!(machine.subjects("Inbox"), ["from-here", "from-there"]);
    machine.run(&["sync"]).expect_code(0).expect_out("nothing to do");
}

#[test]
fn flags_moves_and_deletions_are_carried_over() {
    let machine = Machine::with_messages(3);
    let files = machine.messages("Inbox");
    let flagged = |name: &str| format!("{}:2,FS", name.split(':').next().unwrap());
    let name = files[0].file_name().unwrap().to_str().unwrap();
    fs::rename(&files[0], machine.folder("Inbox/cur").join(flagged(name))).unwrap();
    fs::rename(&files[1], machine.folder("Drafts/cur").join(files[1].file_name().unwrap())).unwrap();
    fs::remove_file(&files[2]).unwrap();
    let json = machine.json(&["sync"], 0);
    let counts = ["changed_there", "moved_there", "deleted_there"].map(|count| total(&json, count));
    assert_eq!(counts, [1, 1, 1], "{json}");
    assert_eq!(machine.subjects("Inbox").len(), 1);
    assert!(machine.mailbox.items("Inbox").unwrap()[0].read);
    assert_eq!((machine.subjects("Drafts").len(), machine.subjects("Deleted Items").len()), (1, 1));
}

#[test]
fn people_are_told_what_was_done() {
    let machine = Machine::set_up();
    machine.arrive("Inbox", "one");
    machine.arrive("Sent Items", "two");
    let ran = machine.run(&["sync"]).expect_code(0);
    assert_eq!(ran.err, "");
    let expected = "anna@example.org: 2 downloaded (10 folders looked at)\n  Inbox       1 downloaded\n  Sent Items  1 downloaded\n";
    assert_eq!(ran.out, expected);
}

#[test]
fn a_dry_run_writes_nothing_anywhere() {
    let machine = Machine::with_messages(2);
    machine.arrive("Inbox", "to-come");
    fs::remove_file(&machine.messages("Inbox")[0]).unwrap();
    machine.deliver("Inbox", "to-go");
    let before = tree(machine.home.path());
    let subjects = machine.subjects("Inbox");
    let json = machine.json(&["sync", "--dry-run"], 0);
    assert_eq!(json["dry_run"], true);
    let planned = json["accounts"][0]["planned"].as_array().unwrap();
    let actions: Vec<&str> = planned.iter().map(|step| step["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["download", "upload", "delete-there"]);
    let ran = machine.run(&["sync", "--dry-run"]).expect_code(0);
    ran.expect_out("nothing was written").expect_out("Inbox: download: ").expect_out("Inbox: upload: ");
    assert_eq!(tree(machine.home.path()), before);
    assert_eq!(machine.subjects("Inbox"), subjects);
}

#[test]
fn a_dry_run_before_the_first_sync_writes_nothing_either() {
    let machine = Machine::set_up();
    machine.arrive("Inbox", "to-come");
    let before = tree(machine.home.path());
    machine.run(&["sync", "--dry-run"]).expect_code(0).expect_out("Inbox: download: ");
    assert_eq!(tree(machine.home.path()), before);
}

#[test]
fn many_deletions_are_held_until_they_are_allowed() {
    let machine = Machine::with_messages(30);
    for file in &machine.messages("Inbox")[..10] {
        fs::remove_file(file).unwrap();
    }
    let json = machine.json(&["sync"], 3);
    assert_eq!(json["result"], "held");
    assert_eq!(json["accounts"][0]["notices"][0]["kind"], "held");
    machine.run(&["sync", "--quiet"]).expect_code(3).expect_out("--allow-deletes");
    assert_eq!(machine.subjects("Inbox").len(), 30);
    machine.run(&["status"]).expect_code(0).expect_out("Held back:").expect_out("10 gone");
    assert_eq!(total(&machine.json(&["sync", "--allow-deletes"], 0), "deleted_there"), 10);
    assert_eq!(machine.subjects("Inbox").len(), 20);
}

#[test]
fn only_the_named_folders_are_synchronized() {
    let machine = Machine::set_up();
    machine.run(&["sync"]).expect_code(0);
    machine.arrive("Inbox", "one");
    machine.arrive("Sent Items", "two");
    machine.run(&["sync", "inbox"]).expect_code(0);
    assert_eq!((machine.messages("Inbox").len(), machine.messages("Sent Items").len()), (1, 0));
    machine.run(&["sync", "Sent Items"]).expect_code(0);
    assert_eq!(machine.messages("Sent Items").len(), 1);
}

#[test]
fn folders_and_accounts_that_do_not_exist_are_told() {
    let machine = Machine::set_up();
    machine.run(&["sync", "Nowhere"]).expect_code(2).expect_err("no folder \"Nowhere\"");
    machine.run(&["sync", "--account", "nobody"]).expect_code(2).expect_err("it has: anna@example.org");
    machine.run(&["status", "--account", "nobody"]).expect_code(2);
    let failed = machine.json(&["sync", "Nowhere"], 2);
    assert_eq!(failed["accounts"][0]["error"]["kind"], "no-such-folder");
}

#[test]
fn a_complete_comparison_finds_what_no_listing_tells() {
    let machine = Machine::with_messages(2);
    machine.run(&["sync", "--full"]).expect_code(0).expect_out("nothing to do");
}

#[test]
fn one_run_at_a_time() {
    let machine = Machine::set_up();
    let layout = Layout::new(Some(&machine.root()), IdentityName::new("Main").unwrap()).unwrap();
    let lock = IdentityLock::acquire(&layout, UnixTime(1_800_000_000)).unwrap();
    machine.run(&["sync"]).expect_code(5).expect_err("another run").expect_err("hint:");
    machine.run(&["sync", "--dry-run"]).expect_code(5);
    let status = machine.json(&["status"], 0);
    assert_eq!(status["running"]["pid"], std::process::id());
    drop(lock);
    machine.run(&["sync"]).expect_code(0);
}

#[test]
fn a_disk_that_is_not_mounted_is_no_empty_mailbox() {
    let machine = Machine::with_messages(3);
    let away = machine.home.path().join("away");
    fs::rename(machine.database(), &away).unwrap();
    fs::create_dir(machine.database()).unwrap();
    machine.run(&["sync"]).expect_code(1).expect_err("not mounted");
    machine.run(&["status"]).expect_code(1).expect_err("not mounted");
    assert_eq!(machine.subjects("Inbox").len(), 3);
}

#[test]
fn a_password_that_is_no_longer_right_is_told_by_the_exit_code() {
    let machine = Machine::set_up();
    fs::write(machine.root().join("Secrets/Main").join(ANNA), "wrong\n").unwrap();
    machine.run(&["sync"]).expect_code(4).expect_err("pimsync setup");
    let status = machine.json(&["status"], 0);
    assert_eq!(status["accounts"][0]["last_run"]["result"], "failed");
}

#[test]
fn a_password_command_that_fails_is_told() {
    let machine = Machine::set_up();
    let text = fs::read_to_string(machine.config()).unwrap().replace("password = \"file\"\n", "");
    fs::write(machine.config(), format!("{text}password_command = \"exit 7\"\n")).unwrap();
    machine.run(&["sync"]).expect_code(1).expect_err("password_command");
}

#[test]
fn a_mistake_in_the_settings_is_told_with_its_line() {
    let machine = Machine::set_up();
    let text = fs::read_to_string(machine.config()).unwrap();
    fs::write(machine.config(), format!("{text}colour = \"blue\"\n")).unwrap();
    machine.run(&["sync"]).expect_code(1).expect_err("identity.toml, line ").expect_err("pimsync-identity");
}

#[test]
fn a_server_that_is_away_is_told_by_the_exit_code() {
    let mut machine = Machine::with_messages(1);
    let other = Machine::new();
    machine.server = other.server;
    machine.run(&["sync"]).expect_code(6).expect_err("cannot be reached");
    assert_eq!(machine.messages("Inbox").len(), 1);
}

#[test]
fn one_account_that_fails_does_not_stop_the_other() {
    let machine = Machine::set_up();
    let mut arguments = machine.setup_arguments();
    arguments[1] = "ben@example.org".to_owned();
    machine.run(&arguments).expect_code(0);
    fs::write(machine.root().join("Secrets/Main").join(ANNA), "wrong\n").unwrap();
    let mime = crate::support::mime("for-ben");
    let ben = machine.server.mailbox("ben@example.org").unwrap();
    let message = pimsync::exchange::NewMessage { mime: mime.as_bytes(), ..Default::default() };
    ben.add_message("Inbox", message).unwrap();
    let json = machine.json(&["sync"], 4);
    assert_eq!(json["accounts"][0]["error"]["kind"], "sign-in-refused");
    assert_eq!(json["accounts"][1]["total"]["downloaded"], 1);
    machine.run(&["sync", "--account", "ben@example.org"]).expect_code(0);
    machine.run(&["sync", "Inbox"]).expect_code(2).expect_err("--account");
}

#[test]
fn quiet_is_quiet() {
    let machine = Machine::set_up();
    machine.arrive("Inbox", "one");
    let ran = machine.run(&["sync", "--quiet"]).expect_code(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    machine.run(&["sync", "--quiet", "--verbose"]).expect_code(2);
}

#[test]
fn who_reads_the_results_may_stop_reading() {
    let machine = Machine::with_messages(1);
    for arguments in [&["status"][..], &["status", "--json"], &["sync"]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pimsync"));
        command.env("PIMSYNC_ROOT", machine.root()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!((child.wait().unwrap().code(), told.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn the_list_of_categories_is_a_file_and_a_held_one_is_named() {
    let machine = Machine::set_up();
    let list = "<categories><category name=\"Work\" color=\"7\"/><category name=\"Home\" color=\"4\"/></categories>";
    machine.mailbox.set_category_list(list).unwrap();
    machine.run(&["sync", "--full"]).expect_code(0).expect_out("categories.toml  1 changed here");
    let path = machine.folder("categories.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("name = \"Work\"\ncolour = \"blue\""), "{text}");

    fs::write(&path, text.replace("blue", "red")).unwrap();
    machine.run(&["sync", "--dry-run"]).expect_code(0).expect_out("categories.toml: change on the server: 1 category");
    machine.run(&["sync"]).expect_code(0).expect_out("categories.toml  1 changed on the server");
    assert!(machine.mailbox.category_list().unwrap().unwrap().contains("name=\"Work\" color=\"0\""));

    fs::write(&path, text.replace("blue", "pink")).unwrap();
    let held = machine.run(&["sync"]).expect_code(3);
    held.expect_out("held back: categories.toml: the colour of \"Work\" is none of: none, red");
    machine.run(&["status"]).expect_code(0).expect_out("categories.toml: the colour of \"Work\"");
    let json = machine.json(&["status"], 0);
    assert!(json["accounts"][0]["problems"][0].as_str().unwrap().starts_with("categories.toml: "), "{json}");

    fs::write(&path, "").unwrap();
    machine.run(&["sync"]).expect_code(3).expect_out("2 categories are not deleted on the server");
    machine.run(&["status"]).expect_code(0).expect_out("the deletion of Home, Work is held");
    machine.run(&["sync", "--allow-deletes"]).expect_code(0);
    assert!(!machine.mailbox.category_list().unwrap().unwrap().contains("Work"));
    let json = machine.json(&["status"], 0);
    assert_eq!(json["accounts"][0]["problems"], serde_json::json!([]));
}
