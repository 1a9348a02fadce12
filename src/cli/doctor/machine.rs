//! What is looked at on this machine: the identity, its disk, its lock, its state, and what the system lets `watch` watch.

use std::fs;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use super::super::context::{Context, Identity};
use super::Check;
use crate::identity::{IdentityLock, LockError};
use crate::local::notice;
use crate::state::State;

/// With less room than this, a sync soon ends.
const LITTLE_ROOM: u64 = 1 << 30;

/// How many directories the system lets a user watch.
const MOST_WATCHES: &str = "/proc/sys/fs/inotify/max_user_watches";

pub(super) fn checks(context: &Context) -> (Vec<Check>, Option<Identity>) {
    let layout = &context.layout;
    let identity = match context.identity() {
        Ok(identity) => identity,
        Err(error) => return (vec![Check::error("identity", error)], None),
    };
    let accounts = identity.config.accounts.len();
    let told = format!("{}: accounts: {accounts}", layout.home().display());
    let checks = vec![
        Check::ok("identity", told),
        disk(&layout.database()),
        lock(context),
        state(&layout.state()),
        watching(&layout.database()),
    ];
    (checks, Some(identity))
}

fn disk(database: &Path) -> Check {
    let failed = |error: rustix::io::Errno| {
        let path = database.display();
        Check::error("disk", anyhow::anyhow!("{path} cannot be written: {}", std::io::Error::from(error)))
    };
    if let Err(error) = access(database, Access::WRITE_OK | Access::EXEC_OK) {
        return failed(error);
    }
    let free = match statvfs(database) {
        Ok(room) => room.f_bavail.saturating_mul(room.f_frsize),
        Err(error) => return failed(error),
    };
    let told = format!("{} MiB free", free >> 20);
    if free < LITTLE_ROOM {
        Check::warning("disk", told, "make room: a sync ends where there is none")
    } else {
        Check::ok("disk", told)
    }
}

fn lock(context: &Context) -> Check {
    match IdentityLock::check(&context.layout) {
        Ok(()) => Check::ok("lock", "nobody works on the identity"),
        // As it should be while `watch` runs.
        Err(error @ LockError::Held { .. }) => Check::ok("lock", error.to_string()),
        Err(error) => Check::error("lock", error),
    }
}

fn state(path: &Path) -> Check {
    if !path.exists() {
        return Check::skipped("state.db", "there is none before the first sync");
    }
    match State::open_to_read(path).and_then(|state| state.check()) {
        Ok(()) => Check::ok("state.db", "it is whole"),
        Err(error) => Check::error("state.db", error),
    }
}

/// Whether the system tells what changes.
fn watching(database: &Path) -> Check {
    if let Ok(Some(kind)) = notice::network_kind(database) {
        let told =
            format!("{} lies on a network file system ({kind}), which does not tell what changes", database.display());
        return Check::warning("watching", told, "pimsync watch looks through all folders each minute instead");
    }
    let most = fs::read_to_string(MOST_WATCHES).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let Some(most) = most else { return Check::skipped("watching", "the system names no limit") };
    let directories = directories(database);
    let told = format!("{directories} directories, and the system lets you watch {most}");
    if directories >= most {
        Check::warning(
            "watching",
            told,
            "raise fs.inotify.max_user_watches with sysctl; till then, all folders are looked through each minute",
        )
    } else {
        Check::ok("watching", told)
    }
}

/// How many directories there are, links not followed.
fn directories(top: &Path) -> u64 {
    let Ok(listed) = fs::read_dir(top) else { return 1 };
    let below = listed.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    1 + below.map(|entry| directories(&entry.path())).sum::<u64>()
}
