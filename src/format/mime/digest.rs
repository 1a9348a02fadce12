//! A digest of what a message says, whatever server or program wrote it down.
//!
//! It covers the subject, the sender and the recipients, the date as an instant, every text, and every attachment's name and
//! bytes; of attached messages the same. It does not cover what each rendering by a server makes anew or may change: the order
//! and folding of header fields, trace, list and `X-` fields, Message-ID, boundaries and the nesting of multiparts, transfer
//! encodings, character sets, line ends, white space at the ends of lines and texts, the order of attachments.
//!
//! A text of more than 4 MiB is compared in its own character set, with its white space.

use std::io::{self, BufReader, Read};

use charset::Charset;
use mailparse::{MailAddr, MailHeader, SingleInfo};

use super::date::parse_date;
use super::decode::{Decoder, Encoding, LineEnds};
use super::header::{Header, fold};
use super::walk::{PartKind, Visit, walk};
use crate::pim::Digest;

/// Longer texts are not held to be converted.
const MAX_TEXT: usize = 4 << 20;

const ADDRESS_FIELDS: [&str; 5] = ["From", "To", "Cc", "Bcc", "Reply-To"];

/// The digest of a message, read in one pass.
///
/// # Errors
/// Only the reader's; every sequence of bytes has a digest.
pub fn semantic_digest(reader: impl Read) -> io::Result<Digest> {
    let mut teller = Teller::default();
    walk(&mut BufReader::with_capacity(64 * 1024, reader), &mut teller)?;
    Ok(teller.digest())
}

/// Collects what is told of a message.
#[derive(Default)]
struct Teller {
    told: blake3::Hasher,
    attachments: Vec<[u8; 32]>,
    part: Option<Part>,
}

/// A part that is being read.
struct Part {
    kind: PartKind,
    decoder: Decoder,
    ends: LineEnds,
    /// A line end that belongs to the boundary, if nothing follows.
    line_end: bool,
    text: Vec<u8>,
    rest: Option<Box<blake3::Hasher>>,
    raw: Vec<u8>,
}

/// Adds a field so that no two sequences of fields look alike.
fn add(hasher: &mut blake3::Hasher, field: &[u8]) {
    hasher.update(&(field.len() as u64).to_le_bytes());
    hasher.update(field);
}

impl Visit for Teller {
    fn message(&mut self, header: &Header<'_>) {
        add(&mut self.told, b"message");
        add(&mut self.told, header.text("Subject").unwrap_or_default().as_bytes());
        for name in ADDRESS_FIELDS {
            let addresses: Vec<String> = header.all(name).flat_map(addresses).collect();
            add(&mut self.told, addresses.join("\n").as_bytes());
        }
        let date = header.text("Date").unwrap_or_default();
        add(&mut self.told, parse_date(&date).map_or(date, |time| time.0.to_string()).as_bytes());
    }

    fn begin(&mut self, kind: PartKind) {
        self.part = Some(Part {
            decoder: Decoder::new(kind.encoding),
            ends: LineEnds::default(),
            line_end: false,
            text: Vec::new(),
            rest: None,
            raw: Vec::new(),
            kind,
        });
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(part) = &mut self.part {
            part.take(bytes);
        }
    }

    fn end(&mut self) {
        let Some(part) = self.part.take() else { return };
        if part.kind.name.is_none() && part.is_text() {
            if let Some(content) = part.inline() {
                add(&mut self.told, part.kind.mimetype.as_bytes());
                add(&mut self.told, &content);
            }
            return;
        }
        let mut attachment = blake3::Hasher::new();
        add(&mut attachment, part.kind.name.as_deref().unwrap_or_default().trim().as_bytes());
        add(&mut attachment, &part.attached());
        self.attachments.push(*attachment.finalize().as_bytes());
    }

    fn stray(&mut self, hash: &[u8; 32]) {
        add(&mut self.told, hash);
    }
}

impl Teller {
    fn digest(mut self) -> Digest {
        self.attachments.sort_unstable();
        add(&mut self.told, b"attachments");
        self.attachments.iter().for_each(|attachment| add(&mut self.told, attachment));
        Digest::of(&self.told)
    }
}

impl Part {
    fn is_text(&self) -> bool {
        self.kind.mimetype.starts_with("text/")
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut raw = std::mem::take(&mut self.raw);
        raw.clear();
        self.decoder.decode(bytes, &mut raw);
        // In base64 the bytes of a file are safe; in any other way line ends change on the way.
        if self.is_text() || self.kind.encoding != Encoding::Base64 {
            let mut plain = Vec::with_capacity(raw.len() + 1);
            if std::mem::take(&mut self.line_end) {
                plain.push(b'\n');
            }
            self.ends.take(&raw, &mut plain);
            self.line_end = plain.pop_if(|byte| *byte == b'\n').is_some();
            self.hold(&plain);
        } else {
            self.hold(&raw);
        }
        self.raw = raw;
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.rest.is_none() && self.is_text() && self.text.len() + bytes.len() <= MAX_TEXT {
            return self.text.extend_from_slice(bytes);
        }
        let text = &mut self.text;
        let rest = self.rest.get_or_insert_with(|| {
            let mut hasher = Box::new(blake3::Hasher::new());
            hasher.update(text);
            *text = Vec::new();
            hasher
        });
        rest.update(bytes);
    }

    /// A text that is read in the message; `None` for one that says nothing.
    fn inline(&self) -> Option<Vec<u8>> {
        if let Some(rest) = &self.rest {
            return Some(rest.finalize().as_bytes().to_vec());
        }
        let text = self.to_utf8();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let text = lines.join("\n");
        let text = text.trim_end();
        (!text.is_empty()).then(|| text.as_bytes().to_vec())
    }

    fn attached(&self) -> Vec<u8> {
        match &self.rest {
            Some(rest) => rest.finalize().as_bytes().to_vec(),
            None => blake3::hash(self.to_utf8().as_bytes()).as_bytes().to_vec(),
        }
    }

    /// Many texts say nothing of their character set, or "us-ascii" of what is not.
    fn to_utf8(&self) -> String {
        let label = self.kind.charset.as_deref().unwrap_or("us-ascii");
        if label.eq_ignore_ascii_case("us-ascii")
            && let Ok(text) = std::str::from_utf8(&self.text)
        {
            return text.to_owned();
        }
        match Charset::for_label(label.as_bytes()) {
            Some(charset) => charset.decode(&self.text).0.into_owned(),
            None => String::from_utf8_lossy(&self.text).into_owned(),
        }
    }
}

/// The addresses in a field, names and all; the field's text where they cannot be told apart.
fn addresses(field: &MailHeader<'_>) -> Vec<String> {
    let Ok(list) = mailparse::addrparse_header(field) else { return vec![fold(&field.get_value())] };
    list.iter()
        .flat_map(|address| match address {
            MailAddr::Single(single) => vec![one_address(single)],
            MailAddr::Group(group) => group.addrs.iter().map(one_address).collect(),
        })
        .collect()
}

fn one_address(single: &SingleInfo) -> String {
    let address = single.addr.to_lowercase();
    match single.display_name.as_deref().map(fold) {
        // Many servers put the address where a name is missing.
        Some(name) if name.to_lowercase() != address => format!("{name} <{address}>"),
        Some(_) | None => address,
    }
}

#[cfg(test)]
mod tests;
