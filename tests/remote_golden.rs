//! What goes over the wire, byte for byte: for each operation the requests that the client sends, and what it makes of an answer
//! in the manner of Exchange and of one in the manner of gromox. A change in `tests/golden/*.request.xml` is a change in what
//! servers see: whoever renews those files shows it to the reviewer.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod golden;
mod remote;
