//! Items to bytes and back.

pub mod mime;
