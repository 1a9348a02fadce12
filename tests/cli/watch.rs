//! `pimsync watch`: what it brings and takes without being asked, how it ends, and what runs beside it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::support::{ANNA, Machine, PASSWORD};
use pimsync::exchange::{Action, Options, Rule, Server, User};

/// Longer than anything takes here, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A watch that runs. It is killed when a test ends early.
struct Watch {
    child: Child,
    lines: Receiver<Value>,
}

impl Watch {
    fn begin(machine: &Machine) -> Self {
        Self::begin_with(machine, &[])
    }

    fn begin_with(machine: &Machine, arguments: &[&str]) -> Self {
        let mut child = command(machine)
            .args(["watch", "--json"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = follow(child.stdout.take().unwrap());
        let watch = Self { child, lines };
        watch.wait_for(|line| line["only"].as_array().unwrap().is_empty());
        watch
    }

    /// The next line about a run that says so.
    #[track_caller]
    fn wait_for(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_for_line(|line| line["event"] == "run" && wanted(line))
    }

    #[track_caller]
    fn wait_for_line(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("watch says nothing");
            if wanted(&line) {
                return line;
            }
        }
    }

    /// Waits until the server tells what happens, in that way.
    #[track_caller]
    fn wait_until_told(&self, how: &str) {
        self.wait_for_line(|line| line["event"] == "listening" && line["how"] == how);
    }

    /// Waits for a run that did that.
    #[track_caller]
    fn wait_for_done(&self, done: &str) -> Value {
        self.wait_for(|line| line["total"][done].as_u64() > Some(0))
    }

    fn tell(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn end(mut self) -> ExitStatus {
        self.tell("-TERM");
        self.child.wait().unwrap()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(machine: &Machine) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pimsync"));
    command.env("HOME", machine.home.path()).env("PIMSYNC_ROOT", machine.root()).env("TZ", "UTC");
    command
}

fn follow(out: ChildStdout) -> Receiver<Value> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if tell.send(line).is_err() {
                break;
            }
        }
    });
    told
}

/// Sets what the account's table says besides.
fn set(machine: &Machine, settings: &str) {
    let text = fs::read_to_string(machine.config()).unwrap();
    fs::write(machine.config(), format!("{text}\n{settings}\n")).unwrap();
}

#[test]
fn both_sides_are_kept_in_step_until_it_is_told_to_stop() {
    let machine = Machine::set_up();
    set(&machine, "poll_interval = 10\npush_delay = 1");
    let metrics = machine.home.path().join("pimsync.prom");
    let watch = Watch::begin_with(&machine, &["--metrics", metrics.to_str().unwrap()]);
    machine.deliver("Sent Items", "sent");
    let push = watch.wait_for_done("uploaded");
    let at_once = push["only"].as_array().unwrap();
    assert!(at_once.contains(&"Sent Items".into()), "at once, before the next check: {push}");
    machine.deliver("Inbox", "from-here");
    watch.wait_for_done("uploaded");
    assert_eq!(machine.subjects("Inbox"), ["from-here"]);
    machine.arrive("Inbox", "from-there");
    watch.wait_for_done("downloaded");
    assert_eq!(machine.messages("Inbox").len(), 2);
    assert!(fs::read_to_string(&metrics).unwrap().contains("pimsync_watch_up{identity=\"Main\"} 1"));

    assert_eq!(watch.end().code(), Some(0));
    assert!(fs::read_to_string(&metrics).unwrap().contains("pimsync_watch_up{identity=\"Main\"} 0"));
    assert!(!machine.identity().join("watch.sock").exists());
    machine.run(&["sync"]).expect_code(0).expect_out("nothing to do");
}

/// What happens on the server is in a file without a check of all folders, which would come an hour later.
#[track_caller]
fn is_told(machine: &Machine, watch: &Watch, name: &str) {
    for number in 0..3 {
        let before = machine.messages("Inbox").len();
        machine.arrive("Inbox", &format!("{name}-{number}"));
        let run = watch.wait_for_done("downloaded");
        assert_eq!(machine.messages("Inbox").len(), before + 1);
        if run["only"] == serde_json::json!(["Inbox"]) {
            return;
        }
        // After each subscription everything is looked at once; that was before the hint.
    }
    panic!("everything was looked through to find it");
}

fn asked(machine: &Machine, operation: &str) -> usize {
    machine.server.requests().iter().filter(|request| request.operation == operation).count()
}

#[test]
fn what_happens_on_the_server_is_told_and_does_not_wait_for_the_next_check() {
    let machine = Machine::set_up();
    set(&machine, "poll_interval = 3600\npush_delay = 1");
    let watch = Watch::begin(&machine);
    watch.wait_until_told("streaming");
    is_told(&machine, &watch, "first");
    // A flag, a move and a deletion, too.
    let item = machine.mailbox.items("Inbox").unwrap().remove(0);
    machine.mailbox.set_read(&item.id, true).unwrap();
    watch.wait_for_done("changed_here");
    let there = machine.mailbox.move_item(&item.id, "Drafts").unwrap();
    watch.wait_for(|_| machine.messages("Drafts").len() == 1);
    machine.mailbox.delete_item(&there).unwrap();
    watch.wait_for(|_| machine.messages("Drafts").is_empty());

    // The server's answer to what goes out from here brings a run, which is the last.
    machine.deliver("Inbox", "from-here");
    watch.wait_for_done("uploaded");
    let again = watch.lines.recv_timeout(PATIENCE).unwrap();
    assert_eq!((&again["event"], &again["only"]), (&"run".into(), &serde_json::json!(["Inbox"])), "{again}");
    is_told(&machine, &watch, "second");

    // A connection that breaks, and a server that forgets.
    let subscribed = asked(&machine, "Subscribe");
    machine.server.break_streams();
    watch.wait_for(|run| run["only"] == serde_json::json!([]));
    is_told(&machine, &watch, "after a break");
    machine.server.forget_subscriptions();
    watch.wait_for(|run| run["only"] == serde_json::json!([]));
    is_told(&machine, &watch, "after a loss");
    assert_eq!(asked(&machine, "Subscribe"), subscribed + 2);
    assert_eq!(watch.end().code(), Some(0));
    assert_eq!(asked(&machine, "Unsubscribe"), 1, "it says farewell");
}

#[test]
fn where_the_server_does_not_tell_at_once_it_is_asked() {
    let machine = Machine::set_up();
    set(&machine, "poll_interval = 3600");
    let no = Action::Fault { code: "ErrorInvalidRequest".to_owned() };
    machine.server.faults().add(Rule::on("Subscribe", no).containing("Streaming"));
    let watch = Watch::begin(&machine);
    watch.wait_until_told("pull");
    is_told(&machine, &watch, "asked");
    assert_eq!((asked(&machine, "GetStreamingEvents"), asked(&machine, "GetEvents") > 1), (0, true));
    assert_eq!(watch.end().code(), Some(0));
}

#[test]
fn what_waits_to_be_sent_goes_out_and_what_is_sent_beside_it_is_there_at_once() {
    let machine = Machine::with_messages(1);
    set(&machine, "poll_interval = 3600\nnotifications = 'off'");
    let send = |subject: &str| {
        let text = format!("To: ben@example.org\nSubject: {subject}\n\ntext\n");
        let sent = machine.command().args(["send", "-t"]).write_stdin(text).output().unwrap();
        assert_eq!(sent.status.code(), Some(0), "{}", String::from_utf8_lossy(&sent.stderr));
    };
    machine.server.faults().add(Rule::always(Action::Unauthorized401));
    send("waits");
    machine.server.faults().clear();
    let watch = Watch::begin(&machine);
    assert_eq!((machine.subjects("Sent Items"), machine.messages("Sent Items").len()), (vec!["waits".to_owned()], 1));
    send("beside it");
    assert_eq!(machine.messages("Sent Items").len(), 2, "watch was told to fetch it");
    let ben = machine.server.mailbox("ben@example.org").unwrap();
    assert_eq!(ben.items("Inbox").unwrap().len(), 2);
    assert_eq!(watch.end().code(), Some(0));
}

#[test]
fn a_sync_beside_it_is_done_by_it() {
    let machine = Machine::set_up();
    set(&machine, "poll_interval = 3600\npush_delay = 3600\nnotifications = 'off'");
    let watch = Watch::begin(&machine);
    machine.deliver("Inbox", "from-here");
    machine.arrive("Inbox", "from-there");
    let dry = machine.json(&["sync", "--dry-run"], 0);
    assert_eq!(dry["accounts"][0]["planned"].as_array().unwrap().len(), 2, "{dry}");
    let json = machine.json(&["sync"], 0);
    assert_eq!(json["accounts"][0]["total"]["downloaded"], 1, "{json}");
    assert_eq!(json["accounts"][0]["total"]["uploaded"], 1, "{json}");
    assert_eq!(json["result"], "done");
    machine.run(&["sync"]).expect_code(0).expect_out("anna@example.org: in step, nothing to do");
    machine.run(&["sync", "No Such Folder"]).expect_code(2).expect_err("there is no folder \"No Such Folder\"");
    machine.run(&["sync", "--account", "nobody"]).expect_code(2).expect_err("there is no account");
    assert_eq!(watch.end().code(), Some(0));
}

#[test]
fn status_tells_what_waits() {
    let machine = Machine::set_up();
    set(&machine, "poll_interval = 3600\npush_delay = 3600");
    let watch = Watch::begin(&machine);
    machine.deliver("Inbox", "waits");
    let waits = || {
        let json = machine.json(&["status"], 0);
        let account = &json["running"]["watch"][0];
        assert_eq!((&account["account"], account["connected_since"].is_string()), (&ANNA.into(), true), "{json}");
        account["pending"].as_array().unwrap().iter().any(|push| push["folder"] == "Inbox")
    };
    assert!((0..200).any(|_| waits()), "the change is not told");
    machine.run(&["status"]).expect_code(0).expect_out("Inbox: local changes go out").expect_out("connected since");
    assert!(machine.subjects("Inbox").is_empty());
    assert_eq!(watch.end().code(), Some(0));
}

#[test]
fn only_one_watch_at_a_time_and_a_stale_socket_is_no_obstacle() {
    let machine = Machine::set_up();
    let socket = machine.identity().join("watch.sock");
    std::os::unix::fs::symlink(machine.config(), &socket).unwrap();
    let mut watch = Watch::begin(&machine);
    assert!(machine.config().is_file(), "what the link led to stays");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&socket).unwrap().permissions()) & 0o777, 0o600);
    machine.run(&["watch"]).expect_code(5).expect_err("another run of pimsync works on this identity");
    watch.child.kill().unwrap();
    watch.child.wait().unwrap();
    assert!(socket.exists());
    machine.run(&["sync"]).expect_code(0);
    assert_eq!(Watch::begin(&machine).end().code(), Some(0));
}

#[test]
fn an_outage_is_sat_out_and_settings_are_read_anew() {
    let mut machine = Machine::set_up();
    set(&machine, "poll_interval = 10\npush_delay = 1");
    let watch = Watch::begin(&machine);
    let address = machine.server.url().split('/').nth(2).unwrap().parse().unwrap();
    let user = User { address: ANNA.to_owned(), password: PASSWORD.to_owned() };
    let options = Options { users: vec![user.clone()], ..Options::default() };
    // Another server, at another place: the old one is gone.
    machine.server = Server::start(options).unwrap();
    machine.deliver("Inbox", "meanwhile");
    let failed = watch.wait_for(|line| !line["error"].is_null());
    assert_eq!(failed["error"]["kind"], "unreachable", "{failed}");
    // It is back, having forgotten everything.
    machine.server = Server::start(Options { listen: address, users: vec![user], ..Options::default() }).unwrap();
    machine.mailbox = machine.server.mailbox(ANNA).unwrap();
    watch.wait_for(|line| line["error"].is_null());

    let text = fs::read_to_string(machine.config()).unwrap();
    fs::write(machine.config(), text.replace("poll_interval = 10", "poll_interval = 0")).unwrap();
    watch.tell("-HUP");
    watch.wait_for(|line| line["only"].as_array().unwrap().is_empty());
    assert_eq!(watch.end().code(), Some(0), "settings that make no sense leave the old ones in force");
}

#[test]
fn whoever_supervises_it_is_told_how_it_stands() {
    let machine = Machine::set_up();
    let path = machine.home.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = |wanted: &str| {
        let mut heard = [0; 4096];
        loop {
            let count = socket.recv(&mut heard).unwrap_or_else(|error| panic!("{wanted} is not told: {error}"));
            if heard[..count].starts_with(wanted.as_bytes()) {
                return;
            }
        }
    };
    let ready = machine.home.path().join("ready");
    let mut child = command(&machine);
    // A shell opens the descriptor, as a supervisor does.
    let script = "exec 7>\"$1\"; exec \"$0\" watch --quiet --ready-fd 7";
    let mut child = {
        let program = child.get_program().to_owned();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", script])
            .arg(program)
            .arg(&ready)
            .envs(child.get_envs().filter_map(|(key, value)| Some((key, value?))));
        child = shell;
        child.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000").spawn().unwrap()
    };
    hear("READY=1");
    assert_eq!(fs::read(&ready).unwrap_or_default().first(), Some(&b'\n'));
    hear("WATCHDOG=1");
    hear("STATUS=anna@example.org: in step");
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    hear("STOPPING=1");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_identity_whose_path_is_too_long_for_a_socket_has_one_all_the_same() {
    let mut machine = Machine::new();
    let home = tempfile::tempdir_in(machine.home.path()).unwrap();
    let deep = home.path().join("d".repeat(120));
    fs::create_dir(&deep).unwrap();
    fs::copy(machine.home.path().join("password"), deep.join("password")).unwrap();
    let kept = std::mem::replace(&mut machine.home, tempfile::tempdir_in(&deep).unwrap());
    fs::copy(kept.path().join("password"), machine.home.path().join("password")).unwrap();
    machine.run(&machine.setup_arguments()).expect_code(0);
    let watch = Watch::begin(&machine);
    machine.run(&["sync"]).expect_code(0).expect_out("nothing to do");
    assert_eq!(watch.end().code(), Some(0));
}

#[test]
fn what_is_put_into_a_public_folder_goes_out_at_once() {
    let machine = Machine::set_up();
    let there = machine.server.public_folders().unwrap();
    there.create_folder("", "Team", "IPF.Note").unwrap();
    set(&machine, "poll_interval = 3600\npush_delay = 3600\npublic_folders = [\"Team\"]");
    machine.run(&["sync"]).expect_code(0);
    let watch = Watch::begin(&machine);
    watch.wait_for(|line| line["account"] == format!("{ANNA}/Public Folders"));
    machine.deliver("Public Folders/Team", "ours");
    let push = watch.wait_for_done("uploaded");
    assert_eq!((&push["account"], &push["only"][0]), (&format!("{ANNA}/Public Folders").into(), &"Team".into()));
    assert_eq!(there.items("Team").unwrap().len(), 1);
    let status = machine.json(&["status"], 0);
    let watched = status["running"]["watch"].as_array().unwrap();
    assert_eq!((watched.len(), &watched[1]["heard"]), (2, &"checks".into()));
    assert!(watch.end().success());
}

#[test]
fn another_mailbox_is_watched_by_itself() {
    let machine = Machine::set_up();
    let there = machine.server.mailbox("ben@example.org").unwrap();
    there.share(ANNA, pimsync::exchange::Role::Owner).unwrap();
    set(&machine, "poll_interval = 10\npush_delay = 0\nmailboxes = [\"ben@example.org\"]");
    machine.run(&["sync"]).expect_code(0);
    let watch = Watch::begin(&machine);
    let tree = format!("{ANNA}/Other Mailboxes/ben@example.org");
    watch.wait_for(|line| line["account"] == tree.as_str());
    machine.deliver("Other Mailboxes/ben@example.org/Inbox", "ours");
    let push = watch.wait_for_done("uploaded");
    assert_eq!((&push["account"], &push["only"][0]), (&tree.as_str().into(), &"Inbox".into()));
    assert_eq!(there.items("Inbox").unwrap().len(), 1);
    assert!(machine.subjects("Inbox").is_empty());
    let message = pimsync::exchange::NewMessage { mime: b"Subject: theirs\r\n\r\nx\r\n", ..Default::default() };
    there.add_message("Inbox", message).unwrap();
    assert_eq!(watch.wait_for_done("downloaded")["account"], tree.as_str());
    let status = machine.json(&["status"], 0);
    assert_eq!(status["running"]["watch"][1]["heard"], "checks");
    assert!(watch.end().success());
}

#[test]
fn what_a_watch_writes_itself_is_no_change_of_somebody() {
    let machine = Machine::set_up();
    set(&machine, "poll_interval = 3600\npush_delay = 0");
    machine.run(&["sync"]).expect_code(0);
    let watch = Watch::begin(&machine);
    watch.wait_until_told("streaming");
    let id = machine.arrive("Inbox", "theirs");
    watch.wait_for_done("downloaded");
    machine.mailbox.set_read(&id, true).unwrap();
    watch.wait_for_done("changed_here");
    machine.deliver("Drafts", "ours");
    let next = watch.lines.recv_timeout(PATIENCE).unwrap();
    assert_eq!((&next["only"], &next["total"]["uploaded"]), (&serde_json::json!(["Drafts"]), &1.into()), "{next}");
    // What somebody does to what was just written counts.
    machine.arrive("Inbox", "more");
    watch.wait_for_done("downloaded");
    let new = machine.messages("Inbox").into_iter().find(|path| path.parent().unwrap().ends_with("new")).unwrap();
    let read = machine.folder("Inbox/cur").join(format!("{}:2,S", new.file_name().unwrap().to_str().unwrap()));
    fs::rename(new, read).unwrap();
    watch.wait_for_done("changed_there");
    assert!(watch.end().success());
}
