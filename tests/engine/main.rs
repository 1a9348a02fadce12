//! The engine between an embedded Exchange and a temporary directory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod attachments;
#[path = "../remote/canned.rs"]
mod canned;
mod categories;
#[path = "../exchange/client.rs"]
mod client;
mod crash;
mod disk;
mod dry_run;
mod entries;
mod faults;
mod folders;
mod hostile;
mod later;
mod local;
mod mail;
mod meddling;
mod meetings;
mod month;
#[path = "../mortal/mod.rs"]
mod mortal;
mod odd_files;
mod public;
mod series;
mod shared;
mod state_lost;
#[path = "../world/mod.rs"]
mod world;
