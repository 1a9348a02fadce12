//! One content line with its bytes.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::{memchr, memchr_iter, memchr2};

use super::property::{self, Property};

/// How lines end in a file. New lines end as its first one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    CrLf,
    Lf,
}

impl Ending {
    /// The end of the first line; CRLF, as RFC 5545 §3.1 wants it, where there is none.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match memchr(b'\n', bytes) {
            Some(at) if at == 0 || bytes.get(at - 1) != Some(&b'\r') => Self::Lf,
            Some(_) | None => Self::CrLf,
        }
    }

    pub(super) fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::CrLf => b"\r\n",
            Self::Lf => b"\n",
        }
    }
}

/// A content line: its bytes with folds and line end, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    raw: Bytes,
    /// In upper case, without a group; empty where this is no content line.
    name: Box<str>,
}

impl Line {
    /// Takes the bytes of one line, folds and line end included. They are UTF-8 once unfolded.
    pub(super) fn new(raw: Bytes) -> Self {
        let name = match head(&raw) {
            Some(head) => property::name(&text(head)),
            None => property::name(&text(&unfold(&raw))),
        };
        Self { raw, name: name.unwrap_or_default().into_boxed_str() }
    }

    /// The bytes as they lie in the file.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The property's name in upper case, without a group; empty where the line is none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The property that it holds.
    pub fn property(&self) -> Option<Property> {
        Property::of(self, &text(&unfold(&self.raw)))
    }

    pub(super) fn with_ending(&self, ending: Ending) -> Self {
        match self.property() {
            Some(property) => property.to_new_line(ending),
            None => self.clone(),
        }
    }
}

/// What is UTF-8 as a rule; looking for what is not takes longer.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The line up to its first colon, where no fold lies in that: a picture has a long value, and its name is told without looking through it.
fn head(raw: &[u8]) -> Option<&[u8]> {
    let raw = raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw);
    match memchr2(b':', b'\n', raw) {
        Some(at) if raw.get(at) == Some(&b':') => raw.get(..=at),
        Some(_) | None => None,
    }
}

/// The line without its folds and its end (RFC 5545 §3.1). A byte order mark is no part of it.
pub(super) fn unfold(raw: &[u8]) -> Cow<'_, [u8]> {
    let raw = raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw);
    let whole = without_end(raw);
    if memchr(b'\n', whole).is_none() {
        return Cow::Borrowed(whole);
    }
    let mut line = Vec::with_capacity(whole.len());
    let mut begin = 0;
    let mut take = |piece: &[u8], begin: usize| {
        line.extend_from_slice(if begin == 0 { piece } else { piece.get(1..).unwrap_or_default() });
    };
    for end in memchr_iter(b'\n', raw) {
        let piece = raw.get(begin..end).unwrap_or_default();
        take(piece.strip_suffix(b"\r").unwrap_or(piece), begin);
        begin = end + 1;
    }
    take(raw.get(begin..).unwrap_or_default(), begin);
    Cow::Owned(line)
}

fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Folds after at most 75 bytes (RFC 5545 §3.1, RFC 6350 §3.2), never within a character.
pub(super) fn fold(line: &str, ending: Ending) -> Bytes {
    const WIDTH: usize = 75;
    let mut folded = Vec::with_capacity(line.len() + line.len() / 24 + 2);
    if line.is_ascii() {
        let (first, mut rest) = line.as_bytes().split_at(line.len().min(WIDTH));
        folded.extend_from_slice(first);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(WIDTH - 1));
            folded.extend_from_slice(ending.as_bytes());
            folded.push(b' ');
            folded.extend_from_slice(piece);
            rest = after;
        }
        folded.extend_from_slice(ending.as_bytes());
        return Bytes::from(folded);
    }
    let mut width = 0;
    for character in line.chars() {
        if width + character.len_utf8() > WIDTH {
            folded.extend_from_slice(ending.as_bytes());
            folded.push(b' ');
            width = 1;
        }
        let mut buffer = [0; 4];
        folded.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        width += character.len_utf8();
    }
    folded.extend_from_slice(ending.as_bytes());
    Bytes::from(folded)
}
