//! Accounts set up from a file that says how they are to be, by a script that runs it again and again.

use std::fs;

use crate::support::{ANNA, Machine, PASSWORD, tree};

const BEN: &str = "ben@example.org";

fn accounts(machine: &Machine, text: &str) -> String {
    let file = machine.home.path().join("accounts.toml");
    fs::write(&file, text.replace("SERVER", &machine.server.url())).unwrap();
    file.display().to_string()
}

fn two(machine: &Machine) -> String {
    accounts(
        machine,
        "[[account]]\nemail = 'anna@example.org'\nserver = 'SERVER'\npassword_file = 'password'\n\n\
         [[account]]\nidentity = 'Work'\nemail = 'ben@example.org'\nserver = 'SERVER'\npassword_command = 'cat password'\nconflicts = 'server'\n",
    )
}

#[test]
fn accounts_come_about_as_described_and_a_second_run_changes_nothing() {
    let machine = Machine::new();
    machine.arrive("Inbox", "hello");
    let file = two(&machine);
    let checked = machine.json(&["setup", "--from", &file, "--check"], 0);
    assert!(!machine.root().exists(), "a check writes nothing");
    let changes = checked["accounts"][1]["changes"].to_string();
    assert!(changes.contains("conflicts: server") && changes.contains("cat password"), "{changes}");

    let json = machine.json(&["setup", "--from", &file], 0);
    let (anna, ben) = (&json["accounts"][0], &json["accounts"][1]);
    assert_eq!((anna["identity"].as_str(), anna["email"].as_str()), (Some("Main"), Some(ANNA)));
    assert_eq!((ben["identity"].as_str(), ben["email"].as_str()), (Some("Work"), Some(BEN)));
    assert_eq!((&anna["changed"], &ben["changed"]), (&true.into(), &true.into()));
    assert_eq!(anna["sync"]["total"]["downloaded"], 1);
    let settings = fs::read_to_string(machine.root().join("Identities/Work/Database/identity.toml")).unwrap();
    assert!(settings.contains("conflicts = \"server\"") && settings.contains("auth = \"basic\""), "{settings}");

    let before = tree(&machine.root());
    let json = machine.json(&["setup", "--from", &file, "--non-interactive"], 0);
    for account in json["accounts"].as_array().unwrap() {
        assert_eq!((&account["changed"], &account["changes"]), (&false.into(), &serde_json::json!([])));
    }
    let after = tree(&machine.root());
    let settings = |tree: &crate::support::Tree| {
        let is_settings = |path: &std::path::Path| path.ends_with("identity.toml") || path.starts_with("Secrets");
        tree.iter()
            .filter(|(path, _)| is_settings(path))
            .map(|(path, what)| (path.clone(), what.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(settings(&before), settings(&after));
    machine.run(&["setup", "--from", &file]).expect_code(0).expect_out("nothing was changed");
}

#[test]
fn what_differs_is_changed_and_what_a_person_wrote_stays() {
    let machine = Machine::new();
    machine.run(&["setup", "--from", &two(&machine), "--no-sync"]).expect_code(0);
    let config = fs::read_to_string(machine.config()).unwrap();
    fs::write(machine.config(), format!("# mine\n{config}push_delay = 5\n")).unwrap();
    let file = accounts(
        &machine,
        "[[account]]\nemail = 'anna@example.org'\npassword_credential = 'mail'\nmeetings = 'send'\nfolders_at_a_time = 2\n",
    );
    let credentials = machine.home.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::write(credentials.join("mail"), PASSWORD).unwrap();
    let run = |arguments: &[&str]| -> crate::support::Ran {
        let mut command = machine.command();
        command.env("CREDENTIALS_DIRECTORY", &credentials).args(["setup", "--from", &file, "--no-sync"]);
        command.args(arguments).output().unwrap().into()
    };
    let before = tree(&machine.root());
    let checked = run(&["--check"]).expect_code(0).expect_out("meetings: send").expect_out("the sign-in works");
    assert!(checked.out.contains("password: file is removed") && checked.out.contains("password_credential: mail"));
    assert!(!checked.out.contains(PASSWORD));
    assert_eq!(before, tree(&machine.root()), "a check writes nothing");
    run(&[]).expect_code(0).expect_out("is set up");
    let config = fs::read_to_string(machine.config()).unwrap();
    for line in
        ["# mine", "push_delay = 5", "meetings = \"send\"", "folders_at_a_time = 2", "password_credential = \"mail\""]
    {
        assert!(config.contains(line), "{line} is not in:\n{config}");
    }
    run(&["--check"]).expect_code(0).expect_out("nothing would be changed");
}

#[test]
fn one_that_fails_holds_up_no_other_and_tells_the_exit_code() {
    let machine = Machine::new();
    let file = accounts(
        &machine,
        "[[account]]\nemail = 'anna@example.org'\nserver = 'SERVER'\npassword_command = 'echo wrong'\n\n\
         [[account]]\nidentity = 'Work'\nemail = 'ben@example.org'\nserver = 'SERVER'\npassword_command = 'cat password'\n",
    );
    let json = machine.json(&["setup", "--from", &file, "--no-sync"], 4);
    assert_eq!(json["accounts"][0]["error"]["kind"], "sign-in-refused", "{json}");
    assert_eq!(json["accounts"][1]["changed"], true, "{json}");
    assert!(!machine.config().exists() && machine.root().join("Identities/Work/Database/identity.toml").exists());
    machine
        .run(&["setup", "--from", &file, "--check"])
        .expect_code(4)
        .expect_err("anna@example.org:")
        .expect_out("ben");
}

#[test]
fn a_file_that_makes_no_sense_changes_nothing_and_is_told_with_its_line() {
    let machine = Machine::new();
    let good = "[[account]]\nemail = 'anna@example.org'\nserver = 'SERVER'\npassword_command = 'cat password'\n";
    for (more, told) in [
        ("password = 'hunter2'\n", "\"password\" is no key"),
        ("password_file = 7\n", "password_file must be a text"),
        ("password_credential = 'x'\n", "cannot be used with"),
        ("auth = 'kerberos'\n", "invalid value"),
        ("identity = '../x'\n", "identity"),
        ("conflicts = 'mine'\n", "conflicts has a value"),
        ("folders_at_a_time = 9\n", "folders_at_a_time must be 1 to 4"),
        ("\n[[account]]\nemail = 'Anna@example.org'\n", "is there twice"),
        ("hunter2\n", "line 5"),
    ] {
        let file = accounts(&machine, &format!("{good}{more}"));
        let ran =
            machine.run(&["setup", "--from", &file]).expect_code(2).expect_err(told).expect_err("accounts.toml, line");
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    }
    machine.run(&["setup", "--from", "nothing.toml"]).expect_code(2).expect_err("nothing.toml");
    machine.run(&["setup", ANNA, "--from", "nothing.toml"]).expect_code(2).expect_err("cannot be used with");
    assert!(!machine.root().exists(), "nothing was written");
}

#[test]
fn one_account_can_be_checked_too() {
    let machine = Machine::new();
    let mut arguments = machine.setup_arguments();
    arguments.push("--check".to_owned());
    machine.run(&arguments).expect_code(0).expect_out("the sign-in works. This would be changed");
    assert!(!machine.root().exists());
    machine.run(&machine.setup_arguments()).expect_code(0);
    machine.run(&arguments).expect_code(0).expect_out("nothing would be changed");
    arguments.extend(["--user", "nobody@example.org"].map(str::to_owned));
    machine.run(&arguments).expect_code(4);
}
