//! XML as EWS speaks it: out of taste on the way in, beyond reproach on the way out.
//!
//! The way in: chunks from the socket → [`filter`] → [`source`] → [`tree`], and what is in base64 → [`base64`] → a file.

pub(super) mod base64;
pub(super) mod filter;
pub(super) mod source;
pub(super) mod tree;
pub(super) mod write;

pub(super) use source::Source;
pub(super) use tree::{Element, XmlError, XmlReader};
pub(super) use write::{Xml, sendable};
