//! Items to bytes and back.

pub mod content;
pub mod mime;
