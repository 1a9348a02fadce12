//! The plan: decisions without a server, a disk or a clock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod folders;
mod items;
mod marks;
mod model;
mod table;
