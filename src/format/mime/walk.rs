//! Goes through a message's parts in one pass (RFC 2046), holding no more than a header and a piece of a line.

use std::io::{self, BufRead, Read};

use super::decode::Encoding;
use super::header::{Header, MAX_HEADER};

/// Longer lines are handed on in pieces.
const MAX_LINE: usize = 64 * 1024;

/// Deeper parts count as bytes. Nobody nests so deep but to do harm.
const MAX_DEPTH: usize = 40;

/// What a part says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PartKind {
    /// Lower case; `text/plain` where nothing is said.
    pub(super) mimetype: String,
    pub(super) charset: Option<String>,
    /// The attachment's file name.
    pub(super) name: Option<String>,
    pub(super) encoding: Encoding,
    boundary: Option<String>,
}

/// Is told what is met, in order.
pub(super) trait Visit {
    /// The message, or one that is attached to it, begins.
    fn message(&mut self, header: &Header<'_>);
    /// A part that holds content begins.
    fn begin(&mut self, kind: PartKind);
    /// The next bytes of it, still encoded.
    fn bytes(&mut self, bytes: &[u8]);
    /// It ends.
    fn end(&mut self);
    /// Content was met that belongs to no part, since the message is malformed: its lines' hash.
    fn stray(&mut self, hash: &[u8; 32]);
}

/// What ended a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delimiter {
    /// Another part of the multipart of this level begins.
    Part(usize),
    /// The multipart of this level ends.
    Close(usize),
    /// The message ends.
    End,
}

/// Reads a whole message.
pub(super) fn walk(reader: &mut dyn BufRead, visit: &mut dyn Visit) -> io::Result<()> {
    let mut walker = Walker { reader, visit, boundaries: Vec::new(), line: Vec::new(), at_start: true };
    walker.entity(true, 0).map(drop)
}

struct Walker<'a> {
    reader: &'a mut dyn BufRead,
    visit: &'a mut dyn Visit,
    /// Of the multiparts that are open, outermost first.
    boundaries: Vec<Vec<u8>>,
    line: Vec<u8>,
    at_start: bool,
}

impl Walker<'_> {
    /// A message or part, from its header on.
    fn entity(&mut self, is_message: bool, depth: usize) -> io::Result<Delimiter> {
        let (block, delimiter) = self.header()?;
        let header = Header::parse(&block);
        if is_message {
            self.visit.message(&header);
        }
        if let Some(delimiter) = delimiter {
            // A part without an empty line: its content was taken for its header.
            if !is_message && !block.is_empty() {
                let mut hasher = blake3::Hasher::new();
                block.split(|byte| *byte == b'\n').for_each(|line| add_line(&mut hasher, line));
                self.visit.stray(hasher.finalize().as_bytes());
            }
            return Ok(delimiter);
        }
        let kind = PartKind::of(&header);
        match &kind.boundary {
            Some(boundary) if depth < MAX_DEPTH => {
                self.boundaries.push(format!("--{boundary}").into_bytes());
                self.parts(depth)
            }
            _ if kind.mimetype == "message/rfc822" && kind.encoding == Encoding::Identity && depth < MAX_DEPTH => {
                self.entity(true, depth + 1)
            }
            _ => self.content(kind),
        }
    }

    fn parts(&mut self, depth: usize) -> io::Result<Delimiter> {
        let level = self.boundaries.len() - 1;
        let mut delimiter = self.preamble(level)?;
        loop {
            match delimiter {
                Delimiter::Part(at) if at == level => delimiter = self.entity(false, depth + 1)?,
                Delimiter::Close(at) if at == level => {
                    self.boundaries.truncate(level);
                    return self.skip();
                }
                Delimiter::Part(_) | Delimiter::Close(_) | Delimiter::End => {
                    self.boundaries.truncate(level);
                    return Ok(delimiter);
                }
            }
        }
    }

    /// What stands before the first part; where none comes, it is all there is.
    fn preamble(&mut self, level: usize) -> io::Result<Delimiter> {
        let mut hasher = blake3::Hasher::new();
        loop {
            if let Some(delimiter) = self.next()? {
                if delimiter != Delimiter::Part(level) {
                    self.visit.stray(hasher.finalize().as_bytes());
                }
                return Ok(delimiter);
            }
            add_line(&mut hasher, &self.line);
        }
    }

    /// What stands after the last part. No mail reader shows it, no more than a preamble, and servers write both anew.
    fn skip(&mut self) -> io::Result<Delimiter> {
        loop {
            if let Some(delimiter) = self.next()? {
                return Ok(delimiter);
            }
        }
    }

    fn content(&mut self, kind: PartKind) -> io::Result<Delimiter> {
        self.visit.begin(kind);
        loop {
            if let Some(delimiter) = self.next()? {
                self.visit.end();
                return Ok(delimiter);
            }
            self.visit.bytes(&self.line);
        }
    }

    /// The header block, and what ended it if that was no empty line.
    fn header(&mut self) -> io::Result<(Vec<u8>, Option<Delimiter>)> {
        let mut block = Vec::new();
        loop {
            let fresh = self.at_start;
            if let Some(delimiter) = self.next()? {
                return Ok((block, Some(delimiter)));
            }
            if fresh && matches!(self.line.as_slice(), b"\n" | b"\r\n") {
                return Ok((block, None));
            }
            if block.len() + self.line.len() <= MAX_HEADER {
                block.extend_from_slice(&self.line);
            }
        }
    }

    /// Reads the next line, or piece of one, or says what ended the part.
    fn next(&mut self) -> io::Result<Option<Delimiter>> {
        self.line.clear();
        let count = (&mut *self.reader).take(MAX_LINE as u64).read_until(b'\n', &mut self.line)?;
        if count == 0 {
            return Ok(Some(Delimiter::End));
        }
        let fresh = std::mem::replace(&mut self.at_start, self.line.ends_with(b"\n"));
        Ok(if fresh { self.delimiter() } else { None })
    }

    fn delimiter(&self) -> Option<Delimiter> {
        let line = self.line.trim_ascii_end();
        if !line.starts_with(b"--") {
            return None;
        }
        self.boundaries.iter().enumerate().rev().find_map(|(level, boundary)| match line.strip_prefix(&**boundary)? {
            b"" => Some(Delimiter::Part(level)),
            b"--" => Some(Delimiter::Close(level)),
            _ => None,
        })
    }
}

fn add_line(hasher: &mut blake3::Hasher, line: &[u8]) {
    hasher.update(line.trim_ascii_end());
    hasher.update(b"\n");
}

impl PartKind {
    fn of(header: &Header<'_>) -> Self {
        let kind = header.text("Content-Type").map(|text| mailparse::parse_content_type(&text));
        let disposition = header.text("Content-Disposition").map(|text| mailparse::parse_content_disposition(&text));
        let param = |name: &str| kind.as_ref().and_then(|kind| kind.params.get(name)).cloned();
        let file = disposition.as_ref().and_then(|disposition| disposition.params.get("filename")).cloned();
        let mimetype = kind.as_ref().map_or("", |kind| kind.mimetype.trim());
        Self {
            mimetype: if mimetype.contains('/') { mimetype.to_owned() } else { "text/plain".to_owned() },
            charset: param("charset"),
            name: file.or_else(|| param("name")),
            encoding: Encoding::of(header.text("Content-Transfer-Encoding").as_deref()),
            // RFC 2046 §5.1.1: trailing space is no part of it. A multipart without one cannot be taken apart.
            boundary: param("boundary")
                .map(|boundary| boundary.trim_end().to_owned())
                .filter(|boundary| mimetype.starts_with("multipart/") && !boundary.is_empty()),
        }
    }
}
