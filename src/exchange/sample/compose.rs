//! Writes letters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::time;
use super::words::{LANGUAGES, Language, PEOPLE, TOPICS};

/// A small generator of numbers that only look random.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// One of a list that is not empty.
    pub(super) fn one<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        let last = list.len().saturating_sub(1);
        let at = usize::try_from(self.below(list.len() as u64)).unwrap_or(0).min(last);
        #[expect(clippy::indexing_slicing, reason = "the lists are constants that are not empty")]
        &list[at]
    }
}

/// A letter, and what an answer to it needs to know.
#[derive(Debug, Clone, Default)]
pub(super) struct Letter {
    subject: String,
    message_id: String,
    references: String,
    pub(super) mime: Vec<u8>,
}

/// The ways in which bodies are written.
#[derive(Debug, Clone, Copy)]
enum Charset {
    Utf8,
    Latin1,
    Windows1251,
}

/// Writes a letter of this time, perhaps as an answer.
pub(super) fn letter(
    random: &mut Random,
    number: usize,
    when: i64,
    owner: &str,
    sent: bool,
    answered: &Letter,
) -> Letter {
    let language = random.one(LANGUAGES);
    let (name, address) = *random.one(PEOPLE);
    let reply = !answered.subject.is_empty();
    let topic = random.one(TOPICS);
    let subject = match reply {
        true if answered.subject.starts_with("Re: ") => answered.subject.clone(),
        true => format!("Re: {}", answered.subject),
        false => format!("{} {}", language.opening, topic),
    };
    let message_id = format!("<{:08x}.{number}@{}>", random.below(u64::from(u32::MAX)), host(address));
    let references = format!("{} {}", answered.references, answered.message_id).trim().to_owned();
    let owner = format!("<{owner}>");
    let other = format!("{} <{address}>", encode(name));
    let (from, to) = if sent { (owner, other) } else { (other, owner) };
    let mut head =
        format!("From: {from}\r\nTo: {to}\r\nSubject: {}\r\nDate: {}\r\n", encode(&subject), time::rfc2822(when));
    head.push_str(&format!("Message-ID: {message_id}\r\n"));
    if random.below(5) == 0 {
        let (name, address) = *random.one(PEOPLE);
        head.push_str(&format!("Cc: {} <{address}>\r\n", encode(name)));
    }
    if reply {
        head.push_str(&format!("In-Reply-To: {}\r\nReferences: {references}\r\n", answered.message_id));
    }
    head.push_str("X-Mailer: Kontor 4.2\r\nMIME-Version: 1.0\r\n");
    let mut mime = head.into_bytes();
    body(random, number, language, name, &mut mime);
    Letter { subject, message_id, references, mime }
}

fn host(address: &str) -> &str {
    address.split('@').nth(1).unwrap_or("example.org")
}

/// A header's text in an encoded word when it needs one.
fn encode(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { format!("=?utf-8?B?{}?=", STANDARD.encode(text)) }
}

fn body(random: &mut Random, number: usize, language: &Language, name: &str, out: &mut Vec<u8>) {
    let text = paragraphs(random, language, name);
    let html = random.below(2) == 0;
    let files = if random.below(8) == 0 { 1 + random.below(2) } else { 0 };
    let boundary = format!("=_part_{number:08}");
    if files == 0 {
        return text_part(random, number, language, &text, html, out);
    }
    out.extend_from_slice(
        format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n").as_bytes(),
    );
    text_part(random, number, language, &text, html, out);
    for file in 0..files {
        out.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
        attachment(random, number, file, out);
    }
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
}

fn paragraphs(random: &mut Random, language: &Language, name: &str) -> String {
    let mut text = format!("{},\r\n\r\n", language.greeting);
    for _ in 0..3 + random.below(14) {
        for _ in 0..3 + random.below(5) {
            text.push_str(random.one::<&str>(language.sentences));
            text.push(' ');
        }
        text.push_str("\r\n\r\n");
    }
    text.push_str(&format!("{}\r\n{name}\r\n", language.closing));
    text
}

fn text_part(random: &mut Random, number: usize, language: &Language, text: &str, html: bool, out: &mut Vec<u8>) {
    let charset = match language.charset {
        "iso-8859-1" => Charset::Latin1,
        "windows-1251" => Charset::Windows1251,
        _ => Charset::Utf8,
    };
    // Some old programs write everything in UTF-8, some newer ones don't.
    let charset = if random.below(3) == 0 { Charset::Utf8 } else { charset };
    if !html {
        return leaf("text/plain", charset, text, out);
    }
    let boundary = format!("=_alternative_{number:08}");
    out.extend_from_slice(
        format!("Content-Type: multipart/alternative; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n").as_bytes(),
    );
    leaf("text/plain", charset, text, out);
    out.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace("\r\n\r\n", "</p>\r\n<p>");
    let page = format!("<html><body style=\"font-family: sans-serif\">\r\n<p>{escaped}</p>\r\n</body></html>");
    leaf("text/html", charset, &page, out);
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
}

fn leaf(kind: &str, charset: Charset, text: &str, out: &mut Vec<u8>) {
    let (name, bytes) = match charset {
        Charset::Utf8 => ("utf-8", text.as_bytes().to_vec()),
        Charset::Latin1 => ("iso-8859-1", single_bytes(text, 0)),
        Charset::Windows1251 => ("windows-1251", single_bytes(text, 0x350)),
    };
    out.extend_from_slice(
        format!("Content-Type: {kind}; charset={name}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n").as_bytes(),
    );
    out.extend_from_slice(&bytes);
}

/// Text in a charset of single bytes, whose letters lie at a distance from their code points.
fn single_bytes(text: &str, distance: u32) -> Vec<u8> {
    let byte = |character: char| match u32::from(character) {
        point @ 0..0x80 => u8::try_from(point).unwrap_or(b'?'),
        point => u8::try_from(point.wrapping_sub(distance)).unwrap_or(b'?'),
    };
    text.chars().map(byte).collect()
}

fn attachment(random: &mut Random, number: usize, file: u64, out: &mut Vec<u8>) {
    let (name, kind) = *random.one(&[
        ("Plan.pdf", "application/pdf"),
        ("Foto Baustelle.jpg", "image/jpeg"),
        ("figures.csv", "text/csv"),
        ("Protokoll.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ]);
    let length = 2_000 + random.below(16_000) + if random.below(12) == 0 { random.below(160_000) } else { 0 };
    let mut noise = Random::new(number as u64 * 31 + file + 7);
    let data: Vec<u8> = (0..length).map(|_| u8::try_from(noise.below(256)).unwrap_or(0)).collect();
    out.extend_from_slice(
        format!(
            "Content-Type: {kind}; name=\"{name}\"\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n"
        )
        .as_bytes(),
    );
    for line in data.chunks(57) {
        out.extend_from_slice(STANDARD.encode(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}
