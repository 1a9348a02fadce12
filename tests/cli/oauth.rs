//! Accounts that sign in by tokens: set up by a person, renewed from then on, and never a word of them anywhere else.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::authority::{Authority, CLIENT_ID, CLIENT_SECRET, MARK};
use crate::support::{ANNA, Machine, PROGRAM, Ran, tree};
use pimsync::exchange::Way;

struct Office {
    machine: Arc<Machine>,
    authority: Authority,
}

impl Office {
    fn new() -> Self {
        let machine = Arc::new(Machine::offering(&[Way::Bearer]));
        let authority = Authority::start();
        fs::write(machine.home.path().join("ca.pem"), &authority.ca).unwrap();
        let granting = Arc::downgrade(&machine);
        {
            let mut state = authority.state.lock().unwrap();
            state.who = ANNA.to_owned();
            state.interval = 1;
            state.issued = Box::new(move |token, grant| {
                let whose = if grant == "client_credentials" { PROGRAM } else { ANNA };
                if let Some(machine) = granting.upgrade() {
                    machine.server.grant(token, whose, SystemTime::now() + Duration::from_secs(3600));
                }
            });
        }
        Self { machine, authority }
    }

    fn setup(&self, more: &[&str]) -> Ran {
        let (server, authority) = (self.machine.server.url(), self.authority.url());
        let mut arguments = vec!["setup", ANNA, "--server", &server, "--auth", "oauth2", "--client-id", CLIENT_ID];
        arguments.extend(["--authority", &authority, "--ca-file", "ca.pem", "--no-sync"]);
        arguments.extend(more);
        self.machine.run(&arguments)
    }

    /// The last access token is good no more, neither here nor there.
    fn end_tokens(&self) {
        let file = self.machine.root().join("Secrets/Main").join(ANNA);
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        self.machine.server.revoke(lines[2]);
        fs::write(&file, format!("{}\n{}\n{}\n1 2\n", lines[0], lines[1], lines[2])).unwrap();
    }
}

#[test]
fn a_person_signs_in_once_and_runs_go_on_from_there() {
    let office = Office::new();
    office.machine.arrive("Inbox", "hello");
    office.setup(&["--non-interactive"]).expect_code(4).expect_err("is not signed in").expect_err("pimsync setup");
    assert!(!office.machine.root().exists(), "nothing was written");

    let ran = office.setup(&["-vvv"]).expect_code(0).expect_err("WDJB-MJHT").expect_err("/go");
    let text = fs::read_to_string(office.machine.config()).unwrap();
    for line in [
        "auth = \"oauth2\"",
        "grant = \"device\"",
        &format!("client_id = \"{CLIENT_ID}\""),
        "authority = \"https://127",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
    let trace = office.machine.trace().display().to_string();
    let synced =
        office.machine.run(&["sync", "--trace-soap", &trace, "-vvv"]).expect_code(0).expect_out("1 downloaded");
    office.setup(&["--non-interactive"]).expect_code(0).expect_out("nothing was changed");
    let asked = || office.authority.state.lock().unwrap().asked_for("refresh_token");
    assert_eq!(asked(), 0, "one token served all runs");

    office.end_tokens();
    office.machine.run(&["sync"]).expect_code(0);
    office.machine.run(&["doctor"]).expect_code(0).expect_out("sign-in");
    office.machine.run(&["backup"]).expect_code(0);
    assert_eq!(asked(), 1);

    fs::write(office.machine.home.path().join("said"), ran.out + &ran.err + &synced.out + &synced.err).unwrap();
    for (path, (.., content)) in tree(office.machine.home.path()) {
        let holds = content.windows(MARK.len()).any(|window| window == MARK.as_bytes());
        assert_eq!(holds, path == std::path::Path::new("root/Secrets/Main").join(ANNA), "{}", path.display());
    }
}

#[test]
fn what_was_revoked_is_told_and_mended_by_setup() {
    let office = Office::new();
    office.setup(&[]).expect_code(0);
    office.authority.revoke();
    office.end_tokens();
    let json = office.machine.json(&["sync"], 4);
    assert_eq!(json["accounts"][0]["error"]["kind"], "sign-in-again", "{json}");
    let ran = office.machine.run(&["sync"]).expect_code(4).expect_err("pimsync setup");
    assert!(!ran.err.contains(MARK), "{}", ran.err);
    office.machine.run(&["doctor"]).expect_code(4).expect_out("FAILED   sign-in");

    office.machine.run(&["setup", ANNA, "--no-sync"]).expect_code(0).expect_err("WDJB-MJHT");
    office.machine.run(&["sync"]).expect_code(0);

    office.end_tokens();
    office.authority.state.lock().unwrap().refuses = Some(("invalid_grant", "AADSTS53003: Access has been blocked."));
    office.machine.run(&["sync"]).expect_code(4).expect_err("AADSTS53003").expect_err("conditional access");
}

#[test]
fn somebody_elses_token_sets_nothing_up() {
    let office = Office::new();
    office.authority.state.lock().unwrap().who = "ben@example.org".to_owned();
    office.setup(&[]).expect_code(4).expect_err("it is ben@example.org who signed in").expect_err("--user");
    assert!(!office.machine.root().exists(), "nothing was written");
    office.setup(&["--user", "ben@example.org"]).expect_code(0);
}

#[test]
fn a_command_can_print_the_token() {
    let office = Office::new();
    let machine = &office.machine;
    machine.server.grant("printed-1", ANNA, SystemTime::now() + Duration::from_secs(3600));
    let arguments =
        ["setup", ANNA, "--server", &machine.server.url(), "--token-command", "echo printed-1", "--no-sync"];
    machine.run(&arguments).expect_code(0);
    machine.run(&["sync"]).expect_code(0);
    machine.run(&["setup", ANNA, "--non-interactive"]).expect_code(0).expect_out("nothing was changed");
    machine.server.revoke("printed-1");
    machine.run(&["sync"]).expect_code(1).expect_err("the server refuses");
    let text = fs::read_to_string(machine.config()).unwrap();
    assert!(text.contains("token_command = \"echo printed-1\"") && text.contains("auth = \"oauth2\""), "{text}");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let office = Office::new();
    let machine = &office.machine;
    let url = machine.server.url();
    let setup = |more: &[&str]| {
        let mut arguments = vec!["setup", ANNA, "--server", &url, "--non-interactive"];
        arguments.extend(more);
        machine.run(&arguments).expect_code(2)
    };
    setup(&["--auth", "oauth2"]).expect_err("--client-id is missing");
    setup(&["--auth", "ntlm", "--client-id", "x"]).expect_err("only go with --auth oauth2");
    setup(&["--client-id", "x", "--password-command", "echo x"]).expect_err("there is no password");
    setup(&["--client-id", "x", "--authority", "http://login.example.org"]).expect_err("https");
    setup(&["--client-id", "x", "--token-command", "y"]).expect_err("cannot be used with");
    setup(&["--password-command", "echo x", "--token-command", "y"]).expect_err("cannot be used with");
    assert!(!machine.root().exists(), "nothing was written");
    assert!(office.authority.state.lock().unwrap().asked.is_empty());
}

#[test]
fn an_application_acts_for_the_owner_of_the_mailbox() {
    let office = Office::new();
    office.machine.arrive("Inbox", "hello");
    let secret = office.machine.home.path().join("program-secret");
    let application = ["--grant", "application", "--password-file", "program-secret", "--non-interactive"];
    fs::write(&secret, "wrong\n").unwrap();
    office.setup(&application).expect_code(4).expect_err("AADSTS7000215").expect_err("secret's");
    assert!(!office.machine.root().exists(), "nothing was written");

    fs::write(&secret, CLIENT_SECRET).unwrap();
    office.setup(&application).expect_code(0);
    let text = fs::read_to_string(office.machine.config()).unwrap();
    assert!(text.contains("grant = \"application\"") && text.contains("password = \"file\""), "{text}");
    office.machine.run(&["sync"]).expect_code(0).expect_out("1 downloaded");
    office.machine.deliver("Drafts", "written");
    office.machine.run(&["sync"]).expect_code(0).expect_out("1 uploaded");
    assert_eq!(office.machine.subjects("Drafts"), ["written"]);
    office.machine.run(&["doctor"]).expect_code(0);
    office.setup(&application).expect_code(0).expect_out("nothing was changed");
    for (path, (.., content)) in tree(office.machine.home.path()) {
        let is_its_place = path.starts_with("root/Secrets") || path == std::path::Path::new("program-secret");
        let holds = content.windows(CLIENT_SECRET.len()).any(|window| window == CLIENT_SECRET.as_bytes());
        assert!(!holds || is_its_place, "{} holds the program's secret", path.display());
    }
}
