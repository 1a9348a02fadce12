//! The embedded Exchange, asked as any client asks it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod basics;
mod calendar;
mod client;
mod faults;
mod kinds;
mod meetings;
mod names;
mod notifications;
mod public;
mod shared;
mod strict;
mod sync;
