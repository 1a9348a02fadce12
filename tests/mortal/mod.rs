//! Permissions mean nothing to the superuser, whom tests run as in many containers.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Whom nothing belongs to.
const NOBODY: u32 = 65_534;

/// Whether the caller is bound by permissions. If not, the one test that has this in its name is run by somebody who is, and must pass; the caller has nothing
/// left to do.
pub fn is_mortal(test: &str) -> bool {
    if !rustix::process::geteuid().is_root() {
        return true;
    }
    // Where the program lies may be closed to others.
    let place = tempfile::tempdir().unwrap();
    let open = |path: &std::path::Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    let program = place.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    open(place.path());
    open(&program);
    let mut command = Command::new(&program);
    // Nor may others write where traffic is recorded.
    command.args([test]).current_dir("/").env_remove("PIMSYNC_TEST_TRACE");
    let ran = command.uid(NOBODY).gid(NOBODY).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&ran.stderr));
    false
}
