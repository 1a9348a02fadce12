//! A password in a file, a trace or a message is a password that somebody else has.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::support::{ANNA, Machine, PASSWORD, Ran, tree};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Reads the arguments and the environment of all processes of the machine, again and again, until it is told to stop.
struct Spy {
    stop: Arc<AtomicBool>,
    seen: JoinHandle<BTreeMap<Vec<u8>, usize>>,
}

impl Spy {
    fn send() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let seen = std::thread::spawn(move || {
            let mut seen = BTreeMap::new();
            while !told.load(Ordering::SeqCst) {
                for entry in fs::read_dir("/proc").unwrap().flatten() {
                    for file in ["cmdline", "environ"] {
                        if let Ok(content) = fs::read(entry.path().join(file)) {
                            *seen.entry(content).or_default() += 1;
                        }
                    }
                }
                std::thread::yield_now();
            }
            seen
        });
        Self { stop, seen }
    }

    fn report(self) -> Vec<Vec<u8>> {
        self.stop.store(true, Ordering::SeqCst);
        self.seen.join().unwrap().into_keys().collect()
    }
}

/// A secret in all forms in which it could leak.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let (pair, shouted) = (format!("{ANNA}:{secret}"), format!("{secret:?}").trim_matches('"').to_owned());
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let utf16: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    // In the middle of something else base64 shows all but the ends.
    let shifted = (0..3).map(|shift| {
        let encoded = STANDARD.encode([vec![b'x'; shift], secret.as_bytes().to_vec()].concat());
        encoded.as_bytes()[4..encoded.len() - 4].to_vec()
    });
    let whole = [
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        STANDARD.encode(pair),
        shouted,
        hex,
        secret.to_owned(),
    ];
    whole.into_iter().map(String::into_bytes).chain(shifted).chain([utf16]).collect()
}

fn holds(content: &[u8], forms: &[Vec<u8>]) -> bool {
    forms.iter().any(|form| content.windows(form.len()).any(|window| window == form))
}

/// Whether a file is where the secret was put, by the person or by setup.
fn is_its_place(path: &Path) -> bool {
    path.starts_with("root/Secrets") || path == Path::new("password") || path.starts_with("credentials")
}

/// Runs `watch` until its first check is done, and ends it; what it said.
fn watch(machine: &Machine, trace: &str) -> String {
    let mut watch = Command::new(env!("CARGO_BIN_EXE_pimsync"))
        .args(["watch", "--json", "--trace-soap", trace, "-vvv"])
        .env("HOME", machine.home.path())
        .env("PIMSYNC_ROOT", machine.root())
        .env("CREDENTIALS_DIRECTORY", machine.home.path().join("credentials"))
        .env("RUST_BACKTRACE", "full")
        .current_dir(machine.home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut out, mut err) = (BufReader::new(watch.stdout.take().unwrap()), watch.stderr.take().unwrap());
    let complaints = std::thread::spawn(move || std::io::read_to_string(&mut err).unwrap());
    let mut said = String::new();
    while !said.contains("\"event\":\"run\"") {
        assert!(out.read_line(&mut said).unwrap() > 0, "watch ended: {said}");
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", watch.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "no core dump shows a password");
    assert!(Command::new("kill").args(["-TERM", &watch.id().to_string()]).status().unwrap().success());
    out.read_to_string(&mut said).unwrap();
    assert!(watch.wait().unwrap().success());
    said + &complaints.join().unwrap()
}

/// A whole session of an account whose password comes from there: set up, synchronized, watched, backed up, looked at; and all that goes wrong.
fn session(way: &[&str], stdin: &str) {
    let machine = Machine::new();
    machine.arrive("Inbox", "hello");
    let credentials = machine.home.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::write(credentials.join("mail"), format!("{PASSWORD}\n")).unwrap();
    let spy = Spy::send();
    let trace = machine.trace().display().to_string();
    let mut said = String::new();
    let mut run = |arguments: &[&str], code: i32| {
        let mut command = machine.command();
        command.env("CREDENTIALS_DIRECTORY", &credentials).env("RUST_BACKTRACE", "full").write_stdin(stdin.to_owned());
        let ran: Ran = command.args(arguments).args(["-vvv", "--trace-soap", &trace]).output().unwrap().into();
        let ran = ran.expect_code(code);
        said.push_str(&ran.out);
        said.push_str(&ran.err);
    };
    let url = machine.server.url();
    let setup = ["setup", ANNA, "--server", &url, "--no-sync", "--non-interactive"];
    run(&[&setup[..], way].concat(), 0);
    run(&["sync"], 0);
    machine.deliver("Drafts", "written");
    for arguments in [&["sync", "--json"][..], &["doctor"], &["doctor", "--json"], &["backup"], &["status", "--json"]] {
        run(arguments, 0);
    }
    let watched = watch(&machine, &trace);
    // What goes wrong talks most: a server that is none, one that refuses, settings that make no sense.
    run(&[&["setup", ANNA, "--server", "http://127.0.0.1:1/"], &setup[4..], way].concat(), 6);
    run(&[&setup[..], way, &["--user", "nobody@example.org"]].concat(), 4);
    run(&[&setup[..], way, &["--auth", "ntlm"]].concat(), 4);
    let config = fs::read_to_string(machine.config()).unwrap();
    fs::write(machine.config(), config.replace("email", "e_mail")).unwrap();
    run(&["sync"], 1);
    fs::write(machine.home.path().join("said"), said + &watched).unwrap();

    let forms = forms(PASSWORD);
    let files = tree(machine.home.path());
    assert!(files.keys().any(|path| path.display().to_string().contains("SyncFolderItems-request")), "it was traced");
    assert!(files.keys().any(|path| path.starts_with("root/Identities/Main/Backups")), "it was backed up");
    for (path, (.., content)) in &files {
        assert!(is_its_place(path) || !holds(content, &forms), "{way:?}: {} holds the password", path.display());
        let is_traced = path.starts_with("trace");
        assert!(!is_traced || !holds(content, &[b"Authorization".to_vec()]), "{}", path.display());
    }
    let processes = spy.report();
    let is_ours = |process: &&Vec<u8>| holds(process, &[b"--trace-soap".to_vec()]);
    assert!(processes.iter().filter(is_ours).count() > 5, "the spy saw who was at work");
    assert!(!processes.iter().any(|process| holds(process, &forms)), "{way:?}: a process shows the password");
}

#[test]
fn a_password_from_a_file_is_nowhere_else() {
    session(&["--password-file", "password"], "");
}

#[test]
fn a_password_from_standard_input_is_nowhere_else() {
    session(&["--password-stdin"], &format!("{PASSWORD}\n"));
}

#[test]
fn a_password_from_a_command_is_nowhere_else() {
    session(&["--password-command", "cat password"], "");
}

#[test]
fn a_password_from_the_service_manager_is_nowhere_else() {
    session(&["--password-credential", "mail"], "");
}

#[test]
fn what_is_looked_for_would_be_found() {
    let forms = forms(PASSWORD);
    let basic = format!("Basic {}", STANDARD.encode(format!("someone@else:{PASSWORD}")));
    for leak in [PASSWORD, &basic, &STANDARD.encode(format!("x{PASSWORD}y")), &format!("{:?}", PASSWORD)] {
        assert!(holds(format!("a log: {leak}!").as_bytes(), &forms), "{leak}");
    }
    assert!(!holds(b"a log: Sesame-4712", &forms));
}

#[test]
fn a_stored_password_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = Machine::set_up();
    let file = machine.root().join("Secrets/Main").join(ANNA);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    machine.run(&["sync"]).expect_code(1).expect_err("chmod 600");
}

#[test]
fn a_credential_that_nobody_hands_over_is_missed_by_name() {
    let machine = Machine::new();
    let url = machine.server.url();
    let arguments = ["setup", ANNA, "--server", &url, "--password-credential", "mail", "--non-interactive"];
    machine.run(&arguments).expect_code(1).expect_err("LoadCredential=mail");
    assert!(!machine.root().exists(), "nothing was written");
}
