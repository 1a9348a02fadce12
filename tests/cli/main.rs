//! Whole runs of the program in a temporary folder.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, unreachable_pub)]

#[path = "../world/authority.rs"]
mod authority;
mod backup;
mod chain;
mod discovery;
mod disk;
mod doctor;
mod elsewhere;
mod groups;
mod groups_import;
mod local;
mod oauth;
mod provision;
mod public;
mod restore_into;
mod retention;
mod sealed;
mod secrets;
mod send;
mod setup;
mod shared;
mod stage;
mod status;
mod support;
mod sync;
mod tls;
mod watch;
