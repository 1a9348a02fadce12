//! `pimsync restore --into`: everything comes back, and the sync after it does no harm.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::backup::{bytes_below, kill_when};
use crate::support::{ANNA, Machine, messages_in, mime, tree};
use pimsync::exchange::{Flag, NewMessage};

const BEN: &str = "ben@example.org";

/// Where messages are moved between.
const FOLDERS: [&str; 2] = ["Inbox", "Sent Items"];

/// The subjects of all messages on the server, each with its folder, sorted; the same message twice is there twice.
fn on_server(machine: &Machine) -> Vec<String> {
    let folders = ["Inbox", "Sent Items", "Deleted Items", "Drafts"];
    let mut all: Vec<String> = folders
        .iter()
        .flat_map(|folder| machine.subjects(folder).into_iter().map(move |subject| format!("{folder}: {subject}")))
        .collect();
    all.sort();
    all
}

/// The file of a message in Anna's folders.
fn local(machine: &Machine, wanted: &str) -> Option<PathBuf> {
    FOLDERS.iter().flat_map(|folder| machine.messages(folder)).find(|path| subject(path) == wanted)
}

fn subject(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().trim_end().to_owned()
}

fn restore(machine: &Machine) {
    machine.run(&["restore", "--into", "Main"]).expect_code(0).expect_out("What was there before is now");
}

/// Both sides hold the same messages, each once in its folder, and a sync has nothing to do.
#[track_caller]
fn assert_settled(machine: &Machine, story: &str) {
    let json = machine.json(&["sync"], 0);
    assert!(json["accounts"][0]["folders"].as_object().unwrap().is_empty(), "{story}: {json}");
    for folder in FOLDERS {
        let there = machine.subjects(folder);
        let mut here: Vec<String> = machine.messages(folder).iter().map(|path| subject(path)).collect();
        here.sort();
        assert_eq!(here, there, "{story}: {folder}");
        here.dedup();
        assert_eq!(here.len(), there.len(), "{story}: something is twice in {folder}");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Backup,
    There,
    Here,
    Sync,
    Restore,
}

impl Act {
    fn play(self, machine: &Machine) {
        match self {
            Self::Backup => drop(machine.run(&["backup"])),
            Self::There => {
                machine.arrive("Inbox", "new-there");
                let items = machine.mailbox.items("Inbox").unwrap();
                let id = |subject: &str| items.iter().find(|item| item.subject == subject).map(|item| item.id.clone());
                id("message-0").into_iter().for_each(|id| machine.mailbox.delete_item(&id).unwrap());
                id("message-1").into_iter().for_each(|id| machine.mailbox.set_flag(&id, Flag::Flagged).unwrap());
                id("message-2")
                    .into_iter()
                    .for_each(|id| machine.mailbox.move_item(&id, "Sent Items").map(drop).unwrap());
            }
            Self::Here => {
                machine.deliver("Inbox", "new-here");
                if let Some(path) = local(machine, "message-3") {
                    fs::rename(&path, machine.folder("Sent Items/cur").join(path.file_name().unwrap())).unwrap();
                }
                local(machine, "message-4").into_iter().for_each(|path| fs::remove_file(path).unwrap());
            }
            Self::Sync => drop(machine.run(&["sync"])),
            Self::Restore => restore(machine),
        }
    }
}

/// All orders of the acts in which the backup comes before the restore.
fn orders() -> Vec<Vec<Act>> {
    let acts = [Act::Backup, Act::There, Act::Here, Act::Sync, Act::Restore];
    let mut orders: Vec<Vec<Act>> = vec![Vec::new()];
    for act in acts {
        let longer = |order: Vec<Act>| {
            (0..=order.len()).map(move |at| {
                let mut longer = order.clone();
                longer.insert(at, act);
                longer
            })
        };
        orders = orders.into_iter().flat_map(longer).collect();
    }
    let place = |order: &[Act], act| order.iter().position(|found| *found == act);
    orders.retain(|order| place(order, Act::Backup) < place(order, Act::Restore));
    orders
}

#[test]
fn in_every_order_of_backup_changes_restore_and_sync_nothing_is_lost_or_there_twice() {
    let orders = orders();
    assert_eq!(orders.len(), 60);
    std::thread::scope(|scope| {
        for part in orders.chunks(20) {
            scope.spawn(move || part.iter().for_each(|order| play(order)));
        }
    });
}

fn play(order: &[Act]) {
    let story = format!("{order:?}");
    let machine = Machine::with_messages(6);
    let mut restored = false;
    for act in order {
        let before = on_server(&machine);
        act.play(&machine);
        restored |= *act == Act::Restore;
        if restored && *act == Act::Sync {
            assert_none_went(&machine, &before, &story);
        }
    }
    let place = |act| order.iter().position(|found| *found == act);
    let in_order = |acts: [Act; 3]| acts.is_sorted_by_key(|act| place(*act));
    // What was deleted here after both sides were compared anew.
    let held = in_order([Act::Restore, Act::Sync, Act::Here]);
    let before = on_server(&machine);
    machine.run(&["sync"]).expect_code(if held { 3 } else { 0 });
    assert_none_went(&machine, &before, &story);
    if !held {
        assert_settled(&machine, &story);
    }
    // What was in the archive is there, and what is new on the server.
    let now: BTreeSet<String> = FOLDERS.iter().flat_map(|folder| machine.subjects(folder)).collect();
    let not_archived = in_order([Act::There, Act::Sync, Act::Backup]);
    let deleted_since = in_order([Act::Restore, Act::Sync, Act::There]);
    for (subject, must) in [
        ("message-0", !not_archived && !deleted_since),
        ("message-1", true),
        ("message-2", true),
        ("message-3", true),
        ("message-4", place(Act::Here) > place(Act::Backup)),
        ("message-5", true),
        ("new-there", true),
        ("new-here", place(Act::Here) < place(Act::Backup) || place(Act::Here) > place(Act::Restore)),
    ] {
        assert!(!must || now.contains(subject), "{story}: {subject} is gone; there is {now:?}");
    }
    // What is deleted here stays on the server until that is allowed.
    fs::remove_file(local(&machine, "message-5").unwrap()).unwrap();
    let before = on_server(&machine);
    let ran = machine.run(&["sync"]).expect_code(3);
    assert!(ran.out.contains("restored from a backup") && ran.out.contains("--allow-deletes"), "{story}: {}", ran.out);
    assert_eq!(on_server(&machine), before, "{story}");
    machine.run(&["sync", "--allow-deletes"]).expect_code(0);
    assert!(!machine.subjects("Inbox").contains(&"message-5".to_owned()), "{story}");
    assert_settled(&machine, &story);
    fs::remove_file(local(&machine, "message-1").unwrap()).unwrap();
    machine.run(&["sync"]).expect_code(0);
    assert!(!machine.subjects("Inbox").contains(&"message-1".to_owned()), "{story}: the fence is still there");
}

/// A message may be moved, and there may be more than before.
#[track_caller]
fn assert_none_went(machine: &Machine, before: &[String], story: &str) {
    let live = |lines: &[String]| -> Vec<String> {
        lines.iter().filter(|line| !line.starts_with("Deleted Items")).cloned().collect()
    };
    let (before, after) = (live(before), live(&on_server(machine)));
    let name = |line: &String| line.split_once(": ").map(|(_, subject)| subject.to_owned());
    let left: BTreeSet<Option<String>> = after.iter().map(name).collect();
    for line in &before {
        assert!(left.contains(&name(line)), "{story}: {line} went from the server");
    }
    let once: BTreeSet<&String> = after.iter().collect();
    assert_eq!(once.len(), after.len(), "{story}: something is there twice: {after:?}");
}

#[test]
fn an_identity_is_moved_aside_and_never_overwritten() {
    let machine = Machine::with_messages(3);
    machine.run(&["backup"]).expect_code(0);
    let note = machine.database().join("On My Computer/Notes/later.md");
    fs::write(&note, "written after the backup").unwrap();
    let before = tree(&machine.database());
    let json = machine.json(&["restore", "--into", "Main"], 0);
    let aside = PathBuf::from(json["moved_aside"].as_str().unwrap());
    assert!(aside.parent() == Some(&machine.identity()) && aside != machine.database());
    assert_eq!(tree(&aside), before);
    assert!(!note.exists() && !machine.database().join("state.db").exists());
    // Nothing else is left behind, and the archives are where they were.
    let names: BTreeSet<String> = fs::read_dir(machine.identity())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let aside = aside.file_name().unwrap().to_str().unwrap().to_owned();
    let wanted = ["Backups", "Database", "backup.lock", "backups.json", "backups.lock", "lock"].map(str::to_owned);
    assert_eq!(names, wanted.into_iter().chain([aside]).collect());
    machine.run(&["status"]).expect_code(0).expect_out("nothing is deleted on the server until");
    // At once again: the name that tells the time is taken, or not; either way nothing is overwritten.
    machine.run(&["restore", "--into", "Main"]).expect_code(0);
    let marker = fs::read_to_string(machine.database().join(".pimsync")).unwrap();
    assert!(marker.contains("epoch = 2"), "{marker}");
    let asides = fs::read_dir(machine.identity())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("Database-until-"));
    assert_eq!(asides.count(), 2);
}

#[test]
fn a_new_machine_gets_the_identity_from_a_disk() {
    let machine = Machine::with_messages(3);
    fs::write(machine.database().join("On My Computer/Notes/only.md"), "only here").unwrap();
    let disk = machine.home.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let disk = disk.display().to_string();
    machine.run(&["backup", "--to", &disk]).expect_code(0);
    let root = machine.home.path().join("new machine").display().to_string();
    let other = |arguments: &[&str]| machine.run(&[&["--root", &root], arguments].concat());
    other(&["restore", "--from", &disk, "--into", "Main", "--dry-run"]).expect_code(0).expect_out("would be restored");
    assert!(!PathBuf::from(&root).exists());
    other(&["restore", "--from", &disk, "--into", "Main"]).expect_code(0).expect_out("pimsync --identity Main sync");
    let database = PathBuf::from(&root).join("Identities/Main/Database");
    assert_eq!(fs::read(database.join("On My Computer/Notes/only.md")).unwrap(), b"only here");
    // The password is in no archive.
    other(&["sync"]).expect_code(1);
    let password = machine.home.path().join("password").display().to_string();
    let url = machine.server.url();
    other(&["setup", ANNA, "--server", &url, "--password-file", &password, "--non-interactive", "--no-sync"])
        .expect_code(0);
    other(&["sync"]).expect_code(0).expect_out("3 found on both sides");
    assert_eq!(machine.subjects("Inbox").len(), 3);
}

#[test]
fn a_restore_waits_for_nobody_and_a_damaged_archive_leaves_everything_as_it_was() {
    let machine = Machine::with_messages(3);
    machine.run(&["backup"]).expect_code(0);
    let before = tree(&machine.database());
    for name in ["lock", "backup.lock"] {
        let lock = fs::File::create(machine.identity().join(name)).unwrap();
        lock.try_lock().unwrap();
        machine.run(&["restore", "--into", "Main"]).expect_code(5);
    }
    let archive = fs::read_dir(machine.identity().join("Backups")).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&archive).unwrap();
    let mut bad = good.clone();
    bad[200] ^= 1;
    fs::write(&archive, bad).unwrap();
    machine.run(&["restore", "--into", "Main"]).expect_code(1).expect_err("is damaged");
    machine.run(&["restore", "--into", "../x"]).expect_code(2);
    machine.run(&["restore", "--into", "Main", "--to", "x"]).expect_code(2);
    assert_eq!(tree(&machine.database()), before);
    // What a killed run has left is cleared.
    let left = machine.identity().join(".restoring/Database");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("half"), "x").unwrap();
    fs::write(&archive, good).unwrap();
    machine.run(&["restore", "--into", "Main"]).expect_code(0);
    assert!(!machine.identity().join(".restoring").exists());
}

#[test]
fn single_items_go_back_as_new_ones_and_are_uploaded() {
    let machine = Machine::with_messages(4);
    let items = machine.mailbox.items("Inbox").unwrap();
    let id = |subject: &str| items.iter().find(|item| item.subject == subject).map(|item| item.id.clone()).unwrap();
    machine.mailbox.set_categories(&id("message-1"), &["Blue", "Red"]).unwrap();
    machine.mailbox.set_flag(&id("message-1"), Flag::Flagged).unwrap();
    machine.run(&["sync"]).expect_code(0);
    let contacts = machine.database().join("On My Computer/Contacts");
    fs::write(contacts.join("ada.vcf"), "BEGIN:VCARD\r\nUID:ada\r\nFN:Ada\r\nEND:VCARD\r\n").unwrap();
    machine.run(&["backup"]).expect_code(0);
    for subject in ["message-1", "message-2"] {
        fs::remove_file(local(&machine, subject).unwrap()).unwrap();
    }
    fs::write(contacts.join("ada.vcf"), "BEGIN:VCARD\r\nUID:ada\r\nFN:Ada Byron\r\nEND:VCARD\r\n").unwrap();
    machine.run(&["sync"]).expect_code(0);
    assert_eq!(machine.subjects("Inbox"), ["message-0", "message-3"]);
    // Letters may have come to stand for other categories meanwhile.
    fs::write(machine.folder("Inbox/dovecot-keywords"), "0 Green\n1 Red\n").unwrap();
    let before = tree(&machine.database());
    machine.run(&["restore", "--into", "Main", "--folder", "Inbox", "--dry-run"]).expect_code(0);
    assert_eq!(tree(&machine.database()), before);
    let json = machine.json(&["restore", "--into", "Main", "--folder", "Inbox"], 0);
    assert_eq!(
        (&json["items"], &json["already_there"], &json["moved_aside"]),
        (&2.into(), &2.into(), &serde_json::Value::Null)
    );
    machine.run(&["sync"]).expect_code(0).expect_out("2 uploaded");
    assert_eq!(machine.subjects("Inbox"), ["message-0", "message-1", "message-2", "message-3"]);
    let item = machine.mailbox.items("Inbox").unwrap().into_iter().find(|item| item.subject == "message-1").unwrap();
    let mut categories = item.categories.clone();
    categories.sort();
    assert_eq!((categories, item.flag), (vec!["Blue".to_owned(), "Red".to_owned()], Flag::Flagged));
    machine.run(&["sync"]).expect_code(0).expect_out("nothing to do");
    // A second time there is nothing to put back, and what differs gets a name of its own.
    let json = machine.json(&["restore", "--into", "Main", "--folder", "Inbox"], 0);
    assert_eq!((&json["items"], &json["already_there"]), (&0.into(), &4.into()));
    machine.run(&["restore", "--into", "Main", "--message-id", "ada"]).expect_code(0);
    let back = fs::read_to_string(contacts.join("ada (restored 1).vcf")).unwrap();
    assert!(back.contains("FN:Ada\r\n") && fs::read_to_string(contacts.join("ada.vcf")).unwrap().contains("Byron"));
    // No fence: nothing but these items changed.
    fs::remove_file(local(&machine, "message-0").unwrap()).unwrap();
    machine.run(&["sync"]).expect_code(0).expect_out("1 deleted on the server");
    machine.run(&["restore", "--into", "Other", "--message-id", "ada"]).expect_code(1).expect_err("was never set up");
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_identity_or_the_new_one() {
    let machine = Machine::with_messages(3);
    let notes = machine.database().join("On My Computer/Notes");
    let mut random = fastrand::Rng::with_seed(23);
    let large: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(8 << 20).collect();
    fs::write(notes.join("large.md"), &large).unwrap();
    machine.run(&["backup"]).expect_code(0);
    fs::write(notes.join("later.md"), "written after the backup").unwrap();
    let (mut before, mut killed) = (tree(&machine.database()), 0);
    let stage = machine.identity().join(".restoring");
    for _ in 0..25 {
        // Also when it is nearly done.
        let enough = random.u64(1..large.len() as u64 + 10_000);
        killed +=
            u32::from(kill_when(&machine, &["restore", "--quiet", "--into", "Main"], || bytes_below(&stage) >= enough));
        if !machine.database().exists() {
            machine.run(&["sync"]).expect_code(1).expect_err("nothing was changed");
            machine.run(&["restore", "--into", "Main"]).expect_code(0);
        }
        let now = tree(&machine.database());
        if now != before {
            assert!(fs::read_to_string(machine.database().join(".pimsync")).unwrap().contains("fence"));
            assert!(!notes.join("later.md").exists());
            assert_eq!(fs::read(notes.join("large.md")).unwrap(), large);
            fs::write(notes.join("later.md"), "written after the restore").unwrap();
            before = tree(&machine.database());
        }
    }
    assert!(killed > 5, "only {killed} runs were killed before they ended");
}

/// An identity with Anna's and Ben's accounts, both with three messages.
fn two_accounts() -> (Machine, pimsync::exchange::Mailbox) {
    let machine = Machine::with_messages(3);
    let ben = machine.server.mailbox(BEN).unwrap();
    for number in 0..3 {
        let mime = mime(&format!("to-ben-{number}"));
        ben.add_message("Inbox", NewMessage { mime: mime.as_bytes(), ..NewMessage::default() }).unwrap();
    }
    let arguments: Vec<String> =
        machine.setup_arguments().into_iter().map(|word| if word == ANNA { BEN.to_owned() } else { word }).collect();
    machine.run(&arguments).expect_code(0);
    machine.run(&["sync"]).expect_code(0);
    (machine, ben)
}

fn subjects_of(ben: &pimsync::exchange::Mailbox) -> Vec<String> {
    ben.items("Inbox").unwrap().into_iter().map(|item| item.subject).collect()
}

/// Removes a message here.
fn remove(machine: &Machine, account: &str, wanted: &str) {
    let inbox = machine.database().join("Exchange").join(account).join("Inbox");
    let path = messages_in(&inbox).into_iter().find(|path| subject(path) == wanted).unwrap();
    fs::remove_file(path).unwrap();
}

#[test]
fn the_fence_stands_before_every_account_until_a_run_over_all_of_them_was_allowed_to_delete() {
    let (machine, ben) = two_accounts();
    machine.run(&["backup"]).expect_code(0);
    restore(&machine);
    machine.run(&["sync"]).expect_code(0);
    remove(&machine, ANNA, "message-0");
    remove(&machine, BEN, "to-ben-0");
    let everything = |anna: usize, of_ben: usize| {
        assert_eq!((machine.subjects("Inbox").len(), subjects_of(&ben).len()), (anna, of_ben));
    };
    machine.run(&["sync"]).expect_code(3).expect_out("restored from a backup");
    everything(3, 3);
    // What is allowed for one account is allowed for that one, and this once.
    machine.run(&["sync", "--account", ANNA, "--allow-deletes"]).expect_code(0);
    everything(2, 3);
    remove(&machine, ANNA, "message-1");
    machine.run(&["sync"]).expect_code(3);
    everything(2, 3);
    // A run that did not reach all accounts does not speak for all.
    let secret = machine.root().join("Secrets/Main").join(BEN);
    let aside = machine.home.path().join("secret");
    fs::rename(&secret, &aside).unwrap();
    machine.run(&["sync", "--allow-deletes"]).expect_code(1);
    fs::rename(&aside, &secret).unwrap();
    everything(1, 3);
    remove(&machine, ANNA, "message-2");
    machine.run(&["sync"]).expect_code(3);
    everything(1, 3);
    machine.run(&["sync", "--allow-deletes"]).expect_code(0);
    everything(0, 2);
    remove(&machine, BEN, "to-ben-1");
    machine.run(&["sync"]).expect_code(0);
    everything(0, 1);
}
