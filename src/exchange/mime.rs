//! Mail as bytes and as properties. Exchange does not keep the bytes: it takes a message apart when it comes and makes
//! another one, with new boundaries and without the headers that it has no property for, each time it is read.

mod parse;
mod render;

use super::store::Person;

pub(super) use parse::{disassemble, parse};
pub(super) use render::{assemble, regenerate, to_html, to_text};

/// A file that hangs on a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attachment {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) content_id: Option<String>,
    pub(super) inline: bool,
    pub(super) data: Vec<u8>,
}

impl Attachment {
    /// What tells this attachment from the item's others, whatever their order.
    pub(super) fn key(&self) -> u64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.name.as_bytes());
        hasher.update(&[0]);
        hasher.update(&self.data);
        let bytes = hasher.finalize();
        bytes.as_bytes().iter().take(8).fold(0, |key, byte| (key << 8) | u64::from(*byte))
    }
}

/// The headers that are properties.
#[derive(Debug, Clone, Default)]
pub(super) struct Headers {
    pub(super) subject: String,
    pub(super) from: Option<Person>,
    pub(super) sender: Option<Person>,
    pub(super) to: Vec<Person>,
    pub(super) cc: Vec<Person>,
    pub(super) bcc: Vec<Person>,
    pub(super) reply_to: Vec<Person>,
    /// Milliseconds since 1970.
    pub(super) date: Option<i64>,
    pub(super) message_id: Option<String>,
    pub(super) in_reply_to: Option<String>,
    pub(super) references: Option<String>,
    pub(super) importance: Option<String>,
}

/// A message taken apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    pub(super) headers: Headers,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    pub(super) attachments: Vec<Attachment>,
    /// Signed, encrypted and report messages keep their body as it is: its type and its bytes.
    pub(super) verbatim: Option<(String, Vec<u8>)>,
}

/// What is known of a message without its bodies.
#[derive(Debug, Clone, Default)]
pub(super) struct Summary {
    pub(super) headers: Headers,
    pub(super) has_attachments: bool,
    pub(super) class: &'static str,
}
