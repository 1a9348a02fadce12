//! Groups: files of their owner's alone, which follow the contacts, lose nothing that another program wrote, and that no server hears of.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use crate::support::{ANNA, Machine, Ran, tree};

fn groups(machine: &Machine) -> PathBuf {
    machine.database().join("On My Computer/Groups")
}

fn group(machine: &Machine, arguments: &[&str]) -> Ran {
    machine.run(&[&["group"], arguments].concat())
}

/// A contact, in a folder of the account or of On My Computer.
fn contact(machine: &Machine, file: &str, uid: &str, name: &str, emails: &[&str]) -> PathBuf {
    let path = machine.database().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let emails: String = emails.iter().map(|email| format!("EMAIL:{email}\r\n")).collect();
    fs::write(&path, format!("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{name}\r\nUID:{uid}\r\n{emails}END:VCARD\r\n")).unwrap();
    path
}

fn write_group(machine: &Machine, file: &str, lines: &str) -> PathBuf {
    let path = groups(machine).join(file);
    fs::write(&path, format!("BEGIN:VCARD\nVERSION:4.0\nKIND:group\n{lines}END:VCARD\n")).unwrap();
    path
}

/// What `expand` prints, line by line.
fn expanded(machine: &Machine, name: &str) -> Vec<String> {
    group(machine, &["expand", name]).expect_code(0).out.lines().map(str::to_owned).collect()
}

fn files(machine: &Machine) -> Vec<String> {
    let entries = fs::read_dir(groups(machine)).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_group_from_its_beginning_to_its_end() {
    let machine = Machine::set_up();
    group(&machine, &["list"]).expect_code(0).expect_out("There is no group");
    group(&machine, &["create", "Team", "ben@example.org"]).expect_code(0).expect_out("Team is created");
    let path = groups(&machine).join("Team.vcf");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("BEGIN:VCARD\r\nVERSION:4.0\r\nKIND:group\r\nFN:Team\r\nUID:urn:uuid:"), "{text}");
    group(&machine, &["add", "team", "Carla Conti <carla@example.org>", "BEN@example.org"])
        .expect_code(0)
        .expect_out("added: Carla Conti <carla@example.org>")
        .expect_out("there already: BEN@example.org");
    group(&machine, &["create", "All", "Team", "dan@example.org"]).expect_code(0);
    group(&machine, &["show", "All"]).expect_code(0).expect_out("All (On My Computer/Groups/All.vcf): 2 members");
    assert_eq!(expanded(&machine, "All"), ["ben@example.org", "carla@example.org", "dan@example.org"]);
    group(&machine, &["remove", "Team.vcf", "carla conti"]).expect_code(0).expect_out("removed: Carla Conti");
    group(&machine, &["rename", "Team", "Crew"]).expect_code(0).expect_out("Team is now Crew");
    assert_eq!(files(&machine), ["All.vcf", "Crew.vcf"]);
    assert_eq!(expanded(&machine, "All"), ["ben@example.org", "dan@example.org"]);
    let list = machine.json(&["group", "list"], 0);
    let names: Vec<_> =
        list["groups"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["All", "Crew"]);
    group(&machine, &["delete", "Crew"]).expect_code(0).expect_out("Crew is still a member of All");
    let ran =
        group(&machine, &["expand", "All"]).expect_code(3).expect_err("Team is no contact and no group that is here");
    assert_eq!(ran.out, "dan@example.org\n");
    group(&machine, &["remove", "All", "Team"]).expect_code(0);
    assert_eq!(expanded(&machine, "All"), ["dan@example.org"]);
}

#[test]
fn a_member_follows_its_contact_and_outlives_it() {
    let machine = Machine::set_up();
    let in_account = format!("Exchange/{ANNA}/Contacts/Old friends/1.vcf");
    let anna = contact(&machine, &in_account, "u-anna", "Anna Berg", &["anna@old.example", "anna@home.example"]);
    contact(&machine, "On My Computer/Contacts/b.vcf", "u-ben", "Ben Holt", &["ben@old.example"]);
    let json = machine.json(&["group", "create", "Team", "ANNA@home.example", "Ben Holt", "nobody@example.org"], 0);
    assert_eq!(json["added"][0]["kind"], "contact");
    assert_eq!(json["added"][2]["kind"], "address");
    contact(&machine, &in_account, "u-anna", "Anna Berg-Holt", &["anna@old.example", "anna@new-home.example"]);
    let ben = contact(&machine, "On My Computer/Contacts/b.vcf", "u-ben", "Ben Holt", &["ben@new.example"]);
    assert_eq!(expanded(&machine, "Team"), ["anna@new-home.example", "ben@new.example", "nobody@example.org"]);
    // What was seen when the group was last written is what stays.
    group(&machine, &["add", "Team", "dora@example.org"]).expect_code(0);
    fs::remove_file(anna).unwrap();
    fs::remove_file(ben).unwrap();
    let left = ["anna@new-home.example", "ben@new.example", "nobody@example.org", "dora@example.org"];
    assert_eq!(expanded(&machine, "Team"), left);
    let shown = machine.json(&["group", "show", "Team"], 0);
    assert_eq!(
        (&shown["members"][0]["state"], &shown["members"][0]["name"]),
        (&"gone".into(), &"Anna Berg-Holt".into())
    );
    group(&machine, &["remove", "Team", "anna@new-home.example", "u-ben"]).expect_code(0);
    assert_eq!(expanded(&machine, "Team"), left[2..]);
}

#[test]
fn an_address_becomes_the_contact_that_has_it_and_a_contact_can_be_in_twice() {
    let machine = Machine::set_up();
    group(&machine, &["create", "Team", "ANNA@old.example", "ben@example.org"]).expect_code(0);
    let file = "On My Computer/Contacts/a.vcf";
    contact(&machine, file, "u-anna", "Anna Berg", &["anna@old.example", "anna@home.example"]);
    group(&machine, &["add", "Team", "anna@old.example"]).expect_code(0).expect_out("follows the contact");
    group(&machine, &["add", "Team", "anna@old.example"]).expect_code(0).expect_out("there already");
    group(&machine, &["add", "Team", "anna@home.example"]).expect_code(0).expect_out("added");
    assert_eq!(expanded(&machine, "Team"), ["anna@old.example", "ben@example.org", "anna@home.example"]);
    contact(&machine, file, "u-anna", "Anna Berg", &["anna@new.example", "anna@home.example"]);
    assert_eq!(expanded(&machine, "Team"), ["anna@new.example", "ben@example.org", "anna@home.example"]);
    let before = fs::read_to_string(groups(&machine).join("Team.vcf")).unwrap();
    group(&machine, &["remove", "Team", "anna@new.example"]).expect_code(0);
    assert_eq!(expanded(&machine, "Team"), ["ben@example.org", "anna@home.example"]);
    let after = fs::read_to_string(groups(&machine).join("Team.vcf")).unwrap();
    assert!(after.lines().all(|line| before.contains(line)), "the other lines stay: {after}");
    group(&machine, &["remove", "Team", "Anna Berg"]).expect_code(0);
    assert_eq!(expanded(&machine, "Team"), ["ben@example.org"]);
}

#[test]
fn names_that_differ_in_case_and_names_of_attackers_are_only_names() {
    let machine = Machine::set_up();
    let hostile = ["../../../../tmp/x", "%2E%2E", "a/b", "con\u{202E}txt", "-rf", "$(id)`id`"];
    for name in ["Team", "TEAM", "team"].into_iter().chain(hostile) {
        group(&machine, &["create", "--", name, &format!("{}@example.org", name.len())]).expect_code(0);
    }
    assert_eq!(files(&machine).len(), 9);
    assert!(machine.database().join("On My Computer/Groups/TEAM%~2.vcf").exists());
    group(&machine, &["create", "TEAM"]).expect_code(2).expect_err("there is a group of that name");
    group(&machine, &["rename", "team", "Team"]).expect_code(2).expect_err("there is a group of that name");
    group(&machine, &["add", "TEAM", "upper@example.org"]).expect_code(0);
    assert_eq!(expanded(&machine, "Team"), ["4@example.org"]);
    assert_eq!(expanded(&machine, "TEAM"), ["4@example.org", "upper@example.org"]);
    group(&machine, &["show", "tEAM"]).expect_code(2).expect_err("several groups are");
    group(&machine, &["show", "nobody"]).expect_code(2).expect_err("there is no group \"nobody\"");
    for bad in ["", " ", "a\nb", &"x".repeat(256)] {
        group(&machine, &["create", bad]).expect_code(2).expect_err("cannot name a group");
    }
    for bad in ["two@example.org,three@example.org", "-oQ@example.org", "no such contact"] {
        group(&machine, &["add", "Team", "--", "good@example.org", bad]).expect_code(2);
    }
    assert_eq!(expanded(&machine, "Team"), ["4@example.org"], "all or nothing");
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_goes_on() {
    let machine = Machine::set_up();
    group(&machine, &["create", "Team", "ben@example.org"]).expect_code(0);
    let at = groups(&machine);
    fs::write(at.join("broken.vcf"), "BEGIN:VCARD\nKIND:group\nFN:x\n").unwrap();
    fs::write(at.join("person.vcf"), "BEGIN:VCARD\nVERSION:4.0\nFN:x\nEND:VCARD\n").unwrap();
    fs::write(at.join("latin.vcf"), b"BEGIN:VCARD\nVERSION:4.0\nKIND:group\nFN:K\xF6ln\nEND:VCARD\n").unwrap();
    fs::File::create(at.join("huge.vcf")).unwrap().set_len(1 << 40).unwrap();
    std::os::unix::fs::symlink("/dev/zero", at.join("link.vcf")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, at.join("pipe.vcf"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let ran = group(&machine, &["list"]).expect_code(3).expect_out("Team");
    for (file, why) in [
        ("broken.vcf", "cut short"),
        ("person.vcf", "no KIND:group"),
        ("latin.vcf", "UTF-8"),
        ("huge.vcf", "1099511627776 bytes"),
        ("link.vcf", "no regular file"),
        ("pipe.vcf", "no regular file"),
    ] {
        assert!(ran.err.lines().any(|line| line.contains(file) && line.contains(why)), "{file}: {}", ran.err);
    }
    let json = machine.json(&["group", "expand"], 3);
    assert_eq!(
        (json["problems"].as_array().unwrap().len(), &json["addresses"][0]["address"]),
        (6, &"ben@example.org".into())
    );
    let numbers = || -> Vec<(String, u64)> {
        files(&machine)
            .into_iter()
            .map(|name| (name.clone(), fs::symlink_metadata(at.join(name)).unwrap().ino()))
            .collect()
    };
    let before = numbers();
    group(&machine, &["add", "Team", "carla@example.org"]).expect_code(3).expect_out("added: carla@example.org");
    let changed: Vec<_> = numbers().into_iter().filter(|file| !before.contains(file)).map(|(name, _)| name).collect();
    assert_eq!(changed, ["Team.vcf"]);
}

#[test]
fn two_files_of_one_uid_are_told() {
    let machine = Machine::set_up();
    contact(&machine, "On My Computer/Contacts/a.vcf", "u1", "Anna", &["anna@one.example"]);
    let in_account = format!("Exchange/{ANNA}/Contacts/a.vcf");
    contact(&machine, &in_account, "u1", "Anna", &["anna@one.example"]);
    group(&machine, &["create", "Team", "anna@one.example"]).expect_code(0);
    assert_eq!(expanded(&machine, "Team"), ["anna@one.example"], "the same in two places is no trouble");
    contact(&machine, &in_account, "u1", "Anna", &["anna@two.example"]);
    let ran = group(&machine, &["expand", "Team"])
        .expect_code(3)
        .expect_err("have different addresses")
        .expect_err(&in_account);
    assert_eq!(ran.out, "anna@one.example\n");
    fs::copy(groups(&machine).join("Team.vcf"), groups(&machine).join("Copy.vcf")).unwrap();
    group(&machine, &["list"]).expect_code(3).expect_err("Team.vcf has the UID of On My Computer/Groups/Copy.vcf");
}

#[test]
fn what_another_program_keeps_in_a_group_stays() {
    let machine = Machine::set_up();
    let lines = "FN:Chor\\, Alt\nX-ODD;x=\"a;b\":kept\nMEMBER;X-CN=Ida:mailto:ida@\n example.org\nMEMBER:mailto:otto@example.org\nNOTE:n\n";
    let path = write_group(&machine, "4711.vcf", lines);
    group(&machine, &["add", "Chor, Alt", "uwe@example.org"]).expect_code(0);
    group(&machine, &["remove", "4711", "otto@example.org"]).expect_code(0);
    group(&machine, &["rename", "4711.vcf", "Chor"]).expect_code(0);
    let expected = "BEGIN:VCARD\nVERSION:4.0\nKIND:group\nFN:Chor\nX-ODD;x=\"a;b\":kept\nMEMBER;X-CN=Ida:mailto:ida@\n example.org\n\
        MEMBER:mailto:uwe@example.org\nNOTE:n\nEND:VCARD\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    // Put into another group, it gets the UID that it lacks.
    group(&machine, &["create", "All", "Chor"]).expect_code(0);
    assert_eq!(expanded(&machine, "All"), ["ida@example.org", "uwe@example.org"]);
    assert!(fs::read_to_string(&path).unwrap().contains("\nUID:urn:uuid:"));
}

#[test]
fn a_group_is_never_in_itself_but_one_that_is_does_no_harm() {
    let machine = Machine::set_up();
    group(&machine, &["create", "A", "a@example.org"]).expect_code(0);
    group(&machine, &["create", "B", "A", "b@example.org"]).expect_code(0);
    group(&machine, &["add", "A", "B"]).expect_code(2).expect_err("cannot be in itself");
    group(&machine, &["add", "A", "A"]).expect_code(2).expect_err("cannot be in itself");
    write_group(&machine, "x.vcf", "FN:X\nUID:x\nMEMBER:urn:uuid:y\nMEMBER:mailto:x@example.org\n");
    write_group(&machine, "y.vcf", "FN:Y\nUID:y\nMEMBER:mailto:X@EXAMPLE.org\nMEMBER:urn:uuid:x\nMEMBER:urn:uuid:y\n");
    assert_eq!(expanded(&machine, "X"), ["X@EXAMPLE.org"]);
    assert_eq!(expanded(&machine, "Y"), ["X@EXAMPLE.org"]);
}

#[test]
fn a_dry_run_writes_nothing_and_takes_no_lock() {
    let machine = Machine::set_up();
    group(&machine, &["create", "Team", "ben@example.org"]).expect_code(0);
    let before = tree(&machine.identity());
    let lock = fs::File::open(machine.identity().join("lock")).unwrap();
    lock.try_lock().unwrap();
    for arguments in [
        &["create", "New", "x@example.org"][..],
        &["add", "Team", "x@example.org"],
        &["remove", "Team", "ben@example.org"],
        &["rename", "Team", "Crew"],
        &["delete", "Team"],
    ] {
        group(&machine, &[arguments, &["--dry-run"]].concat()).expect_code(0).expect_out("nothing was written");
        let json = machine.json(&[&["group"], arguments, &["--dry-run"]].concat(), 0);
        assert_eq!((&json["dry_run"], &json["action"]), (&true.into(), &arguments[0].into()));
        group(&machine, arguments).expect_code(5);
    }
    for arguments in [&["list"][..], &["show", "Team"], &["expand"]] {
        group(&machine, arguments).expect_code(0);
    }
    assert_eq!(tree(&machine.identity()), before);
}

#[test]
fn of_many_who_write_at_once_none_loses_a_change() {
    let machine = Machine::set_up();
    group(&machine, &["create", "Team"]).expect_code(0);
    std::thread::scope(|scope| {
        for writer in 0..6 {
            let machine = &machine;
            scope.spawn(move || {
                for number in 0..4 {
                    let address = format!("{writer}-{number}@example.org");
                    while group(machine, &["add", "Team", &address]).code == 5 {}
                }
            });
        }
    });
    assert_eq!(expanded(&machine, "Team").len(), 24);
    assert_eq!(files(&machine), ["Team.vcf"]);
}

#[test]
fn no_server_hears_of_groups() {
    let machine = Machine::with_messages(1);
    contact(&machine, "On My Computer/Contacts/a.vcf", "u1", "Anna", &["anna@one.example"]);
    machine.server.clear_requests();
    for arguments in [
        &["create", "Team", "anna@one.example"][..],
        &["list"],
        &["show", "Team"],
        &["add", "Team", "x@example.org"],
        &["remove", "Team", "x@example.org"],
        &["rename", "Team", "Crew"],
        &["expand", "--format", "mutt"],
        &["delete", "Crew"],
    ] {
        group(&machine, arguments).expect_code(0);
    }
    assert_eq!(machine.server.requests().len(), 0);
}

#[test]
fn groups_are_counted_and_come_back_from_a_backup_byte_for_byte() {
    let machine = Machine::set_up();
    group(&machine, &["create", "Team", "ben@example.org"]).expect_code(0);
    write_group(&machine, "odd.vcf", "FN:Odd\nX-ODD:\tkept \nMEMBER:mailto:a\n @example.org\n");
    machine.run(&["status"]).expect_code(0).expect_out("Groups (groups, 2 items)");
    machine.run(&["backup"]).expect_code(0);
    let listed = machine.json(&["restore", "--list", "--only-local"], 0);
    let kinds: Vec<_> =
        listed["listed"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["group", "group"]);
    let to = machine.home.path().join("back");
    machine.run(&["restore", "--to", &to.display().to_string()]).expect_code(0);
    for name in ["Team.vcf", "odd.vcf"] {
        let restored = fs::read(to.join("On My Computer/Groups").join(name)).unwrap();
        assert_eq!(restored, fs::read(groups(&machine).join(name)).unwrap(), "{name}");
    }
    group(&machine, &["delete", "Team"]).expect_code(0);
    machine.run(&["restore", "--into", "Main", "--item", "Team.vcf"]).expect_code(0);
    assert_eq!(expanded(&machine, "Team"), ["ben@example.org"]);
}

#[test]
fn mutt_gets_an_alias_of_each_group() {
    let machine = Machine::set_up();
    group(&machine, &["create", "Team A", "Ben `id` <ben@example.org>", "carla@example.org"]).expect_code(0);
    group(&machine, &["create", "Empty"]).expect_code(0);
    let ran = group(&machine, &["expand", "--format", "mutt"]).expect_code(0);
    assert_eq!(ran.out, "alias Team-A \"Ben \\`id\\`\" <ben@example.org>, carla@example.org\n");
    group(&machine, &["expand", "--format", "mutt", "--json"]).expect_code(2);
}
