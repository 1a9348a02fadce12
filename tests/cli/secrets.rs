//! A password in a file, a trace or a message is a password that somebody else has.

use std::fs;

use crate::support::{ANNA, Machine, PASSWORD, tree};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

#[test]
fn the_password_is_nowhere_but_where_it_is_stored() {
    let machine = Machine::new();
    machine.arrive("Inbox", "hello");
    let trace = machine.trace().display().to_string();
    let mut said = String::new();
    let mut setup = machine.setup_arguments();
    setup.extend(["--trace-soap".to_owned(), trace.clone(), "-vvv".to_owned()]);
    for arguments in [setup, ["sync", "--trace-soap", &trace, "-vvv"].map(str::to_owned).to_vec()] {
        let ran = machine.run(&arguments).expect_code(0);
        said.push_str(&ran.out);
        said.push_str(&ran.err);
    }
    fs::write(machine.home.path().join("said"), said).unwrap();
    let traced = tree(&machine.trace());
    assert!(
        traced.keys().any(|path| path.display().to_string().contains("SyncFolderItems-request")),
        "{:?}",
        traced.keys()
    );

    let forms = [
        PASSWORD.as_bytes().to_vec(),
        STANDARD.encode(PASSWORD).into_bytes(),
        STANDARD.encode(format!("{ANNA}:{PASSWORD}")).into_bytes(),
        b"Authorization".to_vec(),
    ];
    for (path, (.., content)) in tree(machine.home.path()) {
        let is_its_place = path.starts_with("root/Secrets") || path.ends_with("password");
        for form in &forms {
            let found = content.windows(form.len()).any(|window| window == form);
            assert!(!found || is_its_place, "{} holds the password", path.display());
        }
    }
}

#[test]
fn a_stored_password_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = Machine::set_up();
    let file = machine.root().join("Secrets/Main").join(ANNA);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    machine.run(&["sync"]).expect_code(1).expect_err("chmod 600");
}
