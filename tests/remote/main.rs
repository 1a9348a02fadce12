//! The way to a server: what every implementation of the remote traits must do, recorded exchanges, and answers that are out of taste.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../world/authority.rs"]
mod authority;
mod canned;
mod client;
#[path = "../world/clock.rs"]
mod clock;
mod contract;
#[path = "../golden/mod.rs"]
mod golden;
mod golden_files;
mod house;
mod oauth;
mod odd_answers;
mod odd_entries;
mod samples;
mod sending;
mod sign_in;
mod tls;
