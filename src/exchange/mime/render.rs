//! Makes a message from properties.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::store::Person;
use super::super::time;
use super::{Attachment, Headers, Message};

/// Counts the messages made, so that no two have the same boundaries.
static MADE: AtomicU64 = AtomicU64::new(1);

/// Makes the bytes of a new message from what a client gave of it.
pub(in super::super) fn assemble(message: &Message) -> Vec<u8> {
    Renderer::new(false).message(&message.headers, message)
}

/// Makes a stored message anew under these headers, as each reading does: what is no property is lost, boundaries are
/// new. With `alternative`, plain text comes back as HTML too.
pub(in super::super) fn regenerate(headers: &Headers, message: &Message, alternative: bool) -> Vec<u8> {
    Renderer::new(alternative).message(headers, message)
}

struct Renderer {
    out: Vec<u8>,
    serial: u64,
    level: u32,
    alternative: bool,
}

impl Renderer {
    fn new(alternative: bool) -> Renderer {
        let serial = MADE.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Renderer { out: Vec::new(), serial, level: 0, alternative }
    }

    fn line(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    fn message(mut self, headers: &Headers, message: &Message) -> Vec<u8> {
        let size: usize = message.attachments.iter().map(|attachment| attachment.data.len() * 4 / 3 + 256).sum();
        self.out.reserve(size + 8192);
        self.headers(headers);
        self.line("MIME-Version: 1.0");
        match &message.verbatim {
            Some((kind, body)) => {
                self.line(&format!("Content-Type: {kind}"));
                self.line("");
                self.out.extend_from_slice(body);
            }
            None => self.body(message),
        }
        self.out
    }

    fn headers(&mut self, headers: &Headers) {
        if let Some(from) = &headers.from {
            self.people("From", std::slice::from_ref(from));
        }
        if let Some(sender) = headers.sender.as_ref().filter(|sender| headers.from.as_ref() != Some(sender)) {
            self.people("Sender", std::slice::from_ref(sender));
        }
        self.people("To", &headers.to);
        self.people("CC", &headers.cc);
        self.people("BCC", &headers.bcc);
        self.people("Reply-To", &headers.reply_to);
        self.line(&format!("Subject: {}", encode_words(&headers.subject)));
        if let Some(date) = headers.date {
            self.line(&format!("Date: {}", time::rfc2822(date)));
        }
        let plain = [
            ("Message-ID", &headers.message_id),
            ("References", &headers.references),
            ("In-Reply-To", &headers.in_reply_to),
            ("Importance", &headers.importance),
        ];
        for (name, value) in plain {
            if let Some(value) = value {
                self.line(&format!("{name}: {}", one_line(value).replace(' ', "\r\n ")));
            }
        }
    }

    fn people(&mut self, name: &str, people: &[Person]) {
        if people.is_empty() {
            return;
        }
        let list: Vec<String> = people.iter().map(write_person).collect();
        self.line(&format!("{name}: {}", list.join(",\r\n\t")));
    }

    fn boundary(&mut self) -> String {
        let level = self.level;
        self.level += 1;
        format!("_{level:03}_{:016X}{:08X}_", self.serial, self.serial.rotate_left(17) >> 32)
    }

    fn body(&mut self, message: &Message) {
        let (inline, hanging): (Vec<_>, Vec<_>) =
            message.attachments.iter().partition(|attachment| attachment.inline && message.html.is_some());
        if hanging.is_empty() {
            return self.text_body(message, &inline);
        }
        let boundary = self.boundary();
        self.line(&format!("Content-Type: multipart/mixed;\r\n\tboundary=\"{boundary}\""));
        self.line("");
        self.line(&format!("--{boundary}"));
        self.text_body(message, &inline);
        for attachment in hanging {
            self.line(&format!("--{boundary}"));
            self.attachment(attachment);
        }
        self.line(&format!("--{boundary}--"));
    }

    fn text_body(&mut self, message: &Message, inline: &[&Attachment]) {
        if inline.is_empty() {
            return self.alternatives(message);
        }
        let boundary = self.boundary();
        self.line(&format!("Content-Type: multipart/related;\r\n\tboundary=\"{boundary}\";\r\n\ttype=\"text/html\""));
        self.line("");
        self.line(&format!("--{boundary}"));
        self.alternatives(message);
        for attachment in inline {
            self.line(&format!("--{boundary}"));
            self.attachment(attachment);
        }
        self.line(&format!("--{boundary}--"));
    }

    fn alternatives(&mut self, message: &Message) {
        let text = message.text.clone().unwrap_or_else(|| message.html.as_deref().map(to_text).unwrap_or_default());
        let html = message.html.clone().or_else(|| Some(to_html(&text)).filter(|_| self.alternative));
        let Some(html) = html else { return self.leaf("text/plain", &text) };
        let boundary = self.boundary();
        self.line(&format!("Content-Type: multipart/alternative;\r\n\tboundary=\"{boundary}\""));
        self.line("");
        self.line(&format!("--{boundary}"));
        self.leaf("text/plain", &text);
        self.line(&format!("--{boundary}"));
        self.leaf("text/html", &html);
        self.line(&format!("--{boundary}--"));
    }

    fn leaf(&mut self, kind: &str, text: &str) {
        let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
        self.line(&format!("Content-Type: {kind}; charset=\"{charset}\""));
        self.line("Content-Transfer-Encoding: quoted-printable");
        self.line("");
        quoted_printable(&mut self.out, text);
        self.line("");
    }

    fn attachment(&mut self, attachment: &Attachment) {
        let name = encode_words(&attachment.name).replace('"', "'");
        let kind = one_line(&attachment.content_type);
        let whole = attachment.content_type == "message/rfc822";
        self.line(&format!("Content-Type: {kind}; name=\"{name}\""));
        if let Some(id) = &attachment.content_id {
            self.line(&format!("Content-ID: <{}>", one_line(id)));
        }
        let disposition = if attachment.inline { "inline" } else { "attachment" };
        self.line(&format!(
            "Content-Disposition: {disposition}; filename=\"{name}\";\r\n\tsize={}",
            attachment.data.len()
        ));
        if whole {
            self.line("");
            self.out.extend_from_slice(&attachment.data);
            self.line("");
            return;
        }
        self.line("Content-Transfer-Encoding: base64");
        self.line("");
        for chunk in attachment.data.chunks(57) {
            self.line(&STANDARD.encode(chunk));
        }
        self.line("");
    }
}

/// A value that cannot end the header in which it stands.
fn one_line(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

fn write_person(person: &Person) -> String {
    let person = &Person { name: one_line(&person.name), address: one_line(&person.address) };
    if person.name.is_empty() || person.name == person.address {
        return format!("<{}>", person.address);
    }
    if !person.name.is_ascii() {
        return format!("{} <{}>", encode_words(&person.name), person.address);
    }
    format!("\"{}\" <{}>", person.name.replace('\\', "\\\\").replace('"', "\\\""), person.address)
}

/// Text for a header: as it is when it is plain ASCII, else in encoded words.
fn encode_words(text: &str) -> String {
    let plain = text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) && !text.contains("=?");
    if plain {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.chars().filter(|character| !matches!(character, '\r' | '\n')) {
        if word.len() + character.len_utf8() > 42 {
            words.push(std::mem::take(&mut word));
        }
        word.push(character);
    }
    words.push(word);
    let encoded: Vec<String> = words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
    encoded.join("\r\n ")
}

fn quoted_printable(out: &mut Vec<u8>, text: &str) {
    let text = text.replace("\r\n", "\n");
    for line in text.split('\n') {
        let mut width = 0;
        let bytes = line.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            let last = at + 1 == bytes.len();
            let literal = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (matches!(byte, b' ' | b'\t') && !last);
            let needed = if literal { 1 } else { 3 };
            if width + needed > 75 {
                out.extend_from_slice(b"=\r\n");
                width = 0;
            }
            if literal {
                out.push(*byte);
            } else {
                out.extend_from_slice(format!("={byte:02X}").as_bytes());
            }
            width += needed;
        }
        out.extend_from_slice(b"\r\n");
    }
    // The line break after the last line is not part of the text.
    out.truncate(out.len().saturating_sub(2));
}

/// HTML's text, roughly: tags away, the usual entities resolved.
pub(in super::super) fn to_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let Some((tag, after)) = after.split_once('>') else { return text };
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default().to_ascii_lowercase();
        if matches!(name.as_str(), "br" | "p" | "div" | "tr" | "li") && (tag.starts_with('/') || name == "br") {
            text.push_str("\r\n");
        }
        rest = after;
    }
    text.push_str(rest);
    let text = text.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&amp;", "&").trim().to_owned()
}

/// Text as HTML.
pub(in super::super) fn to_html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<html><body><pre>{escaped}</pre></body></html>")
}
