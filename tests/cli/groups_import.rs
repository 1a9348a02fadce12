//! Lists of the server as groups: their present members, those who cannot be copied told, and nothing changed on the server.

use std::fs;

use pimsync::exchange::{Action, NewMember, Rule};

use crate::support::{ANNA, Machine, tree};

fn expanded(machine: &Machine, name: &str) -> Vec<String> {
    let ran = machine.run(&["group", "expand", name]).expect_code(0);
    ran.out.lines().map(str::to_owned).collect()
}

fn operations(machine: &Machine) -> Vec<String> {
    machine.server.requests().into_iter().map(|request| request.operation).collect()
}

#[test]
fn a_list_of_the_directory_becomes_a_group() {
    let machine = Machine::set_up();
    let contacts = machine.database().join("On My Computer/Contacts");
    let card = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ada\r\nUID:u-ada\r\nEMAIL:ada.brandt@example.com\r\nEND:VCARD\r\n";
    fs::write(contacts.join("ada.vcf"), card).unwrap();
    machine.server.clear_requests();
    let before = tree(&machine.identity());
    machine.run(&["group", "import", "harbour", "--dry-run"]).expect_code(0).expect_out("nothing was written");
    assert_eq!(tree(&machine.identity()), before);
    machine.run(&["group", "import", "harbour"]).expect_code(0).expect_out("Harbour Project is created");
    assert_eq!(operations(&machine), ["ResolveNames", "ExpandDL"].repeat(2), "nothing else is asked");
    machine.server.clear_requests();
    let members =
        ["ada.brandt@example.com", "joerg@harbour.example.net", "orlova@example.ru", "sean.oneill@example.ie"];
    let list = "library-team@example.org";
    assert_eq!(expanded(&machine, "Harbour Project"), [&members[..], &[list]].concat());
    // From now on it is a group as any other one.
    fs::write(contacts.join("ada.vcf"), card.replace("ada.brandt@", "ada@")).unwrap();
    assert_eq!(expanded(&machine, "Harbour Project")[0], "ada@example.com");
    assert_eq!(operations(&machine), Vec::<String>::new());
    machine.run(&["group", "import", "harbour-project@example.org"]).expect_code(2).expect_err("--name");
    machine.run(&["group", "import", "Harbour Project", "--name", "Quay"]).expect_code(0);
    machine.run(&["group", "show", "Quay"]).expect_code(0).expect_out("O'Neill, Sean <sean.oneill@example.ie>");
}

#[test]
fn a_personal_list_is_copied_with_those_in_it() {
    let machine = Machine::set_up();
    let inner = [NewMember::Address("Ida", "ida@example.com"), NewMember::Address("Odd", "no address")];
    let inner = machine.mailbox.add_list("Contacts", "Inner", &inner).unwrap();
    let entries = [
        NewMember::Address("Ben", "ben@example.org"),
        NewMember::List("Inner", &inner),
        NewMember::List("Inner", &inner),
        NewMember::Address("Ida again", "IDA@example.com"),
    ];
    machine.mailbox.add_list("Contacts", "Rowers", &entries).unwrap();
    let gone = machine.mailbox.add_list("Contacts", "Gone", &[]).unwrap();
    machine.mailbox.add_list("Contacts", "Half", &[NewMember::List("Gone", &gone), entries[0]]).unwrap();
    machine.mailbox.delete_item(&gone).unwrap();
    let before = machine.mailbox.items("Contacts").unwrap();
    machine
        .run(&["group", "import", "rowers"])
        .expect_code(3)
        .expect_err("Odd was not copied: it has no address of mail");
    assert_eq!(expanded(&machine, "Rowers"), ["ben@example.org", "ida@example.com"]);
    machine.run(&["group", "import", "half"]).expect_code(3).expect_err("the list Gone within Half was not copied");
    assert_eq!(expanded(&machine, "Half"), ["ben@example.org"]);
    assert_eq!(machine.mailbox.items("Contacts").unwrap(), before);
}

#[test]
fn what_is_no_list_or_can_be_several_is_told() {
    let machine = Machine::set_up();
    for name in ["Rowing A", "Rowing B", "ROWING"] {
        machine.mailbox.add_list("Contacts", name, &[]).unwrap();
    }
    let several = machine.run(&["group", "import", "row"]).expect_code(2).expect_err("can be several lists");
    assert!(several.err.contains("Rowing A (a personal list)"), "{}", several.err);
    machine.run(&["group", "import", "rowing"]).expect_code(0).expect_out("ROWING is created");
    machine.run(&["group", "import", ANNA]).expect_code(2).expect_err("no distribution list");
    machine.run(&["group", "import", "nobody <&>"]).expect_code(2).expect_err("no distribution list");
    machine.server.clear_requests();
    machine.run(&["group", "import", "row", "--name", "a\nb"]).expect_code(2);
    machine.run(&["group", "import", "row", "--account", "nobody@example.org"]).expect_code(2);
    assert_eq!(operations(&machine), Vec::<String>::new());
}

#[test]
fn a_server_that_fails_leaves_no_half_a_group() {
    let machine = Machine::set_up();
    let refused = || "ErrorAccessDenied".to_owned();
    for action in [Action::Fault { code: refused() }, Action::ItemError { code: refused() }] {
        machine.server.faults().add(Rule::on("ExpandDL", action));
        machine.run(&["group", "import", "harbour"]).expect_code(1);
        machine.server.faults().clear();
    }
    let groups = machine.database().join("On My Computer/Groups");
    assert_eq!(fs::read_dir(groups).unwrap().count(), 0);
}
