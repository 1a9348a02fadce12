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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_survives_being_made_anew() {
        let inner = b"From: c@example.com\r\nSubject: inner\r\n\r\nforwarded\r\n".to_vec();
        let message = Message {
            headers: Headers {
                subject: "Grüße von der Überfahrt, die ziemlich lange gedauert hat und nun zu Ende ist".to_owned(),
                from: Some(Person { name: "O\"Neill, Zoë".to_owned(), address: "z@example.com".to_owned() }),
                to: vec![
                    Person { name: "A, B".to_owned(), address: "a@example.com".to_owned() },
                    Person { name: String::new(), address: "b@example.com".to_owned() },
                ],
                date: Some(1_700_000_000_000),
                message_id: Some("<x@y>".to_owned()),
                references: Some("<1@y> <2@y>".to_owned()),
                ..Headers::default()
            },
            text: Some("Zeile = eins \r\n.\r\nZeile zwei\t\r\nFrom here: äöü".to_owned()),
            html: Some("<p>äöü</p>".to_owned()),
            attachments: vec![
                Attachment {
                    name: "Üb.bin".to_owned(),
                    content_type: "application/octet-stream".to_owned(),
                    data: (0..=255).collect(),
                    ..Attachment::default()
                },
                Attachment {
                    name: "inner".to_owned(),
                    content_type: "message/rfc822".to_owned(),
                    data: inner.clone(),
                    ..Attachment::default()
                },
            ],
            verbatim: None,
        };
        let mut bytes = assemble(&message);
        for _ in 0..3 {
            let again = disassemble(&bytes);
            assert_eq!(again.headers.subject, message.headers.subject);
            assert_eq!(again.headers.from, message.headers.from);
            assert_eq!(again.headers.to.len(), 2);
            assert_eq!(again.headers.references, message.headers.references);
            assert_eq!((&again.text, &again.html), (&message.text, &message.html));
            assert_eq!(again.attachments[0].name, "Üb.bin");
            assert_eq!(again.attachments[0].data, message.attachments[0].data);
            assert!(again.attachments[1].data.starts_with(&inner[..inner.len() - 2]));
            bytes = regenerate(&again.headers, &again, false);
        }
    }

    #[test]
    fn signed_mail_keeps_its_body() {
        let mail = b"Subject: s\r\nX-Lost: 1\r\nContent-Type: multipart/signed; boundary=q; protocol=\"x/y\"\r\n\r\n--q\r\n\r\ntext\r\n--q\r\n\r\nsig\r\n--q--\r\n";
        let message = disassemble(mail);
        let made = String::from_utf8(regenerate(&message.headers, &message, false)).unwrap();
        assert!(made.ends_with("--q\r\n\r\ntext\r\n--q\r\n\r\nsig\r\n--q--\r\n"), "{made}");
        assert!(!made.contains("X-Lost"));
    }

    #[test]
    fn headers_cannot_be_smuggled_in() {
        let mut message = Message::default();
        message.headers.message_id = Some("<a@b>\r\nBcc: <evil@example.com>".to_owned());
        message.headers.subject = "x\r\nBcc: <evil@example.com>".to_owned();
        assert!(disassemble(&assemble(&message)).headers.bcc.is_empty());
    }
}
