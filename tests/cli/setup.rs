//! `pimsync setup`: an account that is set up wrongly, or half, costs a person the first impression; one that overwrites, their mail.

use std::fs;
use std::path::Path;

use crate::support::{ANNA, Machine, PASSWORD, messages_in, tree};
use pimsync::exchange::Way;
use pimsync::identity::{IdentityLock, IdentityName, Layout};
use pimsync::pim::UnixTime;

/// The arguments with one of them in the place of another.
fn with(arguments: &[String], from: &str, to: &str) -> Vec<String> {
    arguments.iter().map(|argument| if argument == from { to.to_owned() } else { argument.clone() }).collect()
}

#[test]
fn the_demo_is_set_up_synchronized_and_still_there_afterwards() {
    let machine = Machine::new();
    let setup = machine.json(&["setup", "--demo"], 0);
    let demo = machine.database().join("Exchange/demo@example.org");
    assert_eq!(setup["directory"], demo.display().to_string());
    assert_eq!(setup["server"], "demo:");
    let downloaded = setup["sync"]["total"]["downloaded"].as_u64().unwrap();
    assert!(downloaded >= 100, "{downloaded}");
    assert!(!messages_in(&demo.join("Inbox")).is_empty());

    machine.run(&["sync"]).expect_code(0).expect_out("nothing to do");
    machine.run(&["status"]).expect_code(0).expect_out("Inbox").expect_out("Not synced yet").expect_out("journal");
    for (folder, extension) in [("Contacts", "vcf"), ("Notes", "md"), ("Tasks", "ics"), ("Calendar", "ics")] {
        let files = fs::read_dir(demo.join(folder)).unwrap().map(|file| file.unwrap().path());
        let entries = files.filter(|path| path.extension().is_some_and(|is| is == extension)).count();
        assert!(entries > 0, "nothing is in {folder}");
    }

    // What goes up is there when the server is started again.
    let file = demo.join("Inbox/cur/my-own:2,S");
    fs::write(&file, crate::support::mime("my-own")).unwrap();
    assert_eq!(machine.json(&["sync"], 0)["accounts"][0]["total"]["uploaded"], 1);
    fs::remove_file(file).unwrap();
    assert_eq!(machine.json(&["sync"], 0)["accounts"][0]["total"]["deleted_there"], 1);
    let trash: Vec<_> = messages_in(&demo.join("Deleted Items"));
    assert!(trash.iter().any(|file| fs::read_to_string(file).is_ok_and(|text| text.contains("Subject: my-own"))));
}

#[test]
fn the_words_after_setup_say_where_the_mail_is_and_what_to_do_next() {
    let machine = Machine::new();
    let ran = machine.run(&["setup", "--demo"]).expect_code(0);
    let directory = machine.database().join("Exchange/demo@example.org");
    let ran = ran.expect_out(&directory.display().to_string()).expect_out("pimsync sync --dry-run");
    assert_eq!(ran.err, "", "only results are told without a terminal");
}

#[test]
fn the_way_to_sign_in_is_the_servers_and_stays() {
    let machine = Machine::offering(&[Way::Negotiate, Way::Ntlm, Way::Basic]);
    machine.arrive("Inbox", "hello");
    machine.run(&machine.setup_arguments()).expect_code(0);
    let says = |way: &str| fs::read_to_string(machine.config()).unwrap().contains(&format!("\nauth = \"{way}\"\n"));
    assert!(says("ntlm"));
    machine.run(&["sync"]).expect_code(0).expect_out("1 downloaded");
    machine.run(&machine.setup_arguments()).expect_code(0).expect_out("nothing was changed");
    for (way, kept) in [("basic", "basic"), ("negotiate", "negotiate"), ("auto", "ntlm")] {
        machine.run(&["setup", ANNA, "--non-interactive", "--auth", way]).expect_code(0);
        assert!(says(kept), "{way}");
        machine.run(&["sync"]).expect_code(0).expect_out("nothing to do");
    }
}

#[test]
fn a_way_to_sign_in_that_the_server_does_not_offer_is_told_and_nothing_is_written() {
    let machine = Machine::new();
    let mut arguments = machine.setup_arguments();
    arguments.extend(["--auth", "ntlm"].map(str::to_owned));
    let ran = machine.run(&arguments).expect_code(4).expect_err("by NTLM: it offers Basic").expect_err("--auth auto");
    assert!(!ran.err.contains(PASSWORD) && !machine.root().exists());
}

#[test]
fn a_wrong_password_costs_one_try_whatever_the_way() {
    for way in [Way::Basic, Way::Ntlm, Way::Negotiate] {
        let machine = Machine::offering(&[way]);
        fs::write(machine.home.path().join("password"), "wrong\n").unwrap();
        let ran = machine
            .run(&machine.setup_arguments())
            .expect_code(4)
            .expect_err("refused the sign-in of anna@example.org by");
        assert!(ran.err.contains("--auth basic") || way == Way::Basic, "{}", ran.err);
        // One asks what is offered, one begins the handshake where there is one, and one is the try.
        let requests = machine.server.requests().len();
        assert_eq!(requests, if way == Way::Basic { 2 } else { 3 });
        assert!(!machine.root().exists());
    }
}

#[test]
fn an_account_is_set_up_and_its_mail_comes() {
    let machine = Machine::new();
    machine.arrive("Inbox", "hello");
    let arguments: Vec<String> =
        machine.setup_arguments().into_iter().filter(|argument| argument != "--no-sync").collect();
    let setup = machine.json(&arguments, 0);
    assert_eq!((&setup["account"], &setup["changed"]), (&ANNA.into(), &true.into()));
    assert_eq!(setup["sync"]["total"]["downloaded"], 1);
    assert_eq!(machine.messages("Inbox").len(), 1);
}

#[test]
fn everything_is_its_owners_alone() {
    let machine = Machine::with_messages(1);
    machine.run(&["setup", "--demo"]).expect_code(0);
    for (path, (mode, ..)) in tree(&machine.root()) {
        assert!(mode & 0o077 == 0, "{} has the mode {mode:o}", path.display());
    }
}

#[test]
fn a_wrong_password_writes_nothing() {
    let machine = Machine::new();
    fs::write(machine.home.path().join("password"), "wrong\n").unwrap();
    let before = tree(machine.home.path());
    machine
        .run(&machine.setup_arguments())
        .expect_code(4)
        .expect_err("refused the sign-in of anna@example.org")
        .expect_err("hint:");
    assert_eq!(tree(machine.home.path()), before);
    let failed = machine.json(&machine.setup_arguments(), 4);
    assert_eq!(failed["error"]["kind"], "sign-in-refused");
    assert_eq!(failed["result"], "failed");
}

#[test]
fn an_unreachable_server_writes_nothing() {
    let machine = Machine::new();
    let before = tree(machine.home.path());
    let arguments = with(&machine.setup_arguments(), &machine.server.url(), "http://127.0.0.1:9/EWS/Exchange.asmx");
    machine.run(&arguments).expect_code(6).expect_err("cannot be reached").expect_err("hint:");
    assert_eq!(tree(machine.home.path()), before);
}

#[test]
fn again_with_the_same_values_changes_nothing() {
    let machine = Machine::set_up();
    machine.arrive("Inbox", "hello");
    machine.run(&["sync"]).expect_code(0);
    let text = fs::read_to_string(machine.config()).unwrap();
    fs::write(machine.config(), format!("# my own words\n{text}")).unwrap();
    let before = tree(&machine.root());
    let again = machine.run(&machine.setup_arguments()).expect_code(0);
    again.expect_out("nothing was changed");
    // Without --no-sync: the first sync was made already.
    let arguments: Vec<String> =
        machine.setup_arguments().into_iter().filter(|argument| argument != "--no-sync").collect();
    let again = machine.json(&arguments, 0);
    assert_eq!((&again["changed"], &again["sync"]), (&false.into(), &serde_json::Value::Null));
    // Known values need not be given again.
    machine.run(&["setup", ANNA, "--non-interactive"]).expect_code(0);
    assert_eq!(tree(&machine.root()), before);
}

#[test]
fn again_after_a_first_sync_that_failed_goes_on() {
    let machine = Machine::set_up();
    machine.arrive("Inbox", "hello");
    let setup = machine.json(&["setup", ANNA, "--non-interactive"], 0);
    assert_eq!(setup["changed"], false);
    assert_eq!(setup["sync"]["total"]["downloaded"], 1);
}

#[test]
fn another_value_changes_that_alone() {
    let machine = Machine::set_up();
    let text = fs::read_to_string(machine.config()).unwrap();
    fs::write(machine.config(), format!("# my own words\n{text}conflicts = \"local\" # I know best\n")).unwrap();
    let command = format!("cat '{}'", machine.home.path().join("password").display());
    machine.run(&["setup", ANNA, "--password-command", &command, "--non-interactive", "--no-sync"]).expect_code(0);
    let text = fs::read_to_string(machine.config()).unwrap();
    assert!(text.starts_with("# my own words\n"), "{text}");
    assert!(text.contains("conflicts = \"local\" # I know best"), "{text}");
    assert!(text.contains("password_command"), "{text}");
    machine.run(&["sync"]).expect_code(0);
}

#[test]
fn the_password_can_come_by_standard_input() {
    let machine = Machine::new();
    let mut command = machine.command();
    command.args(["setup", ANNA, "--server", &machine.server.url(), "--password-stdin", "--no-sync"]);
    let ran: crate::support::Ran = command.write_stdin(format!("{PASSWORD}\r\n")).output().unwrap().into();
    ran.expect_code(0);
    machine.run(&["sync"]).expect_code(0);
}

#[test]
fn what_is_missing_or_wrong_is_told_before_anything_is_done() {
    let machine = Machine::new();
    let url = machine.server.url();
    let before = tree(machine.home.path());
    for (arguments, words) in [
        (vec!["setup"], "EMAIL is missing"),
        (vec!["setup", "--non-interactive"], "EMAIL is missing"),
        (
            vec!["setup", ANNA, "--non-interactive"],
            "--password-command, --password-stdin or --password-file is missing",
        ),
        (vec!["setup", ANNA, "--server", &url], "--password-command, --password-stdin or --password-file is missing"),
        (vec!["setup", "anna", "--server", &url], "\"anna\" cannot be used as an e-mail address: it must be like"),
        (vec!["setup", ANNA, "--server", "http://mail.example.org", "--password-stdin"], "https"),
        (vec!["setup", ANNA, "--server", "https://anna:secret@mail.example.org"], "user or password"),
        (vec!["setup", ANNA, "--server", &url, "--password-stdin", "--password-command", "x"], "cannot be used with"),
        (vec!["setup", ANNA, "--server", &url, "--password-file", "nowhere"], "--password-file nowhere"),
        (vec!["setup", ANNA, "--server", &url, "--password-stdin"], "empty password"),
        (vec!["setup", ANNA, "--server", &url, "--password-stdin", "--ca-file", "nowhere"], "--ca-file nowhere"),
        (vec!["setup", "--demo", ANNA], "cannot be used with"),
        (vec!["setup", "--frobnicate"], "unexpected argument"),
        (vec!["setup", ANNA, "--identity", "../elsewhere"], "cannot be used as"),
        (vec!["setup", ANNA, "--root", ""], "root"),
        (vec!["frobnicate"], "unrecognized subcommand"),
        (vec![], "Usage"),
    ] {
        let ran = machine.run(&arguments).expect_code(2);
        assert!(ran.err.contains(words), "{arguments:?}: {words:?} is not in: {}", ran.err);
        assert!(!ran.err.contains("secret"), "{}", ran.err);
    }
    assert_eq!(tree(machine.home.path()), before);
}

#[test]
fn help_and_version_are_no_errors() {
    let machine = Machine::new();
    machine.run(&["--version"]).expect_code(0).expect_out(env!("CARGO_PKG_VERSION"));
    for arguments in [&["--help"][..], &["setup", "--help"], &["sync", "-h"], &["status", "--help"]] {
        machine.run(arguments).expect_code(0).expect_out("Usage");
    }
}

#[test]
fn while_a_run_is_under_way_setup_waits_its_turn() {
    let machine = Machine::set_up();
    let layout = Layout::new(Some(&machine.root()), IdentityName::new("Main").unwrap()).unwrap();
    let _lock = IdentityLock::acquire(&layout, UnixTime(1_800_000_000)).unwrap();
    let before = tree(&machine.root());
    machine.run(&machine.setup_arguments()).expect_code(5).expect_err(&format!("process {}", std::process::id()));
    assert_eq!(tree(&machine.root()), before);
}

#[test]
fn a_directory_that_is_missing_is_not_made_anew() {
    let machine = Machine::with_messages(3);
    let away = machine.home.path().join("away");
    fs::rename(machine.folder(""), &away).unwrap();
    machine.run(&machine.setup_arguments()).expect_code(1).expect_err("is missing").expect_err("hint:");
    machine.run(&["sync"]).expect_code(1);
    assert_eq!(machine.subjects("Inbox").len(), 3, "nothing was deleted on the server");
    fs::rename(&away, machine.folder("")).unwrap();
    machine.run(&["sync"]).expect_code(0).expect_out("nothing to do");
}

#[test]
fn the_sample_mailbox_never_meets_a_real_one() {
    let machine = Machine::new();
    machine.run(&["setup", "--demo", "--no-sync"]).expect_code(0);
    let arguments = with(&machine.setup_arguments(), ANNA, "demo@example.org");
    machine.run(&arguments).expect_code(2).expect_err("--identity");
}

#[test]
fn identities_are_apart() {
    let machine = Machine::set_up();
    let mut arguments = machine.setup_arguments();
    arguments.extend(["--identity", "Work"].map(str::to_owned));
    machine.run(&arguments).expect_code(0);
    assert!(machine.root().join("Identities/Work/Database/.pimsync").exists());
    machine.run(&["sync", "--identity", "Nobody"]).expect_code(1).expect_err("not mounted");
    assert!(!machine.root().join("Identities/Nobody").exists());
}

#[test]
fn the_platforms_data_folder_is_the_root_when_none_is_given() {
    let machine = Machine::new();
    let mut command = machine.command();
    command.env_remove("PIMSYNC_ROOT").args(machine.setup_arguments());
    let ran: crate::support::Ran = command.output().unwrap().into();
    ran.expect_code(0);
    let folder = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
    assert!(Path::new(&machine.home.path().join(folder).join("pimsync/Identities/Main/Database/.pimsync")).exists());
}
