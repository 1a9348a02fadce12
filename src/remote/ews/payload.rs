//! What is sent: XML with bodies of messages in it, streamed from their files, of a length that is known before.
//!
//! IIS takes no chunked requests by default, so each body is read twice: once to count, once to send.

use std::io::{self, Read};

use bytes::Bytes;
use tokio::sync::mpsc::Sender;

use super::request;
use super::xml::base64::{encode, encoded_length};
use super::xml::source::Witness;
use crate::remote::BodySource;

/// How much of a body is in memory at a time. A multiple of three, so that no padding appears in the middle.
const BLOCK: usize = 48 * 1024;

/// A request body in parts.
pub(super) struct Payload<'a>(pub(super) Vec<Part<'a>>);

/// A part of a request body.
pub(super) enum Part<'a> {
    /// XML.
    Text(String),
    /// A message body, to be sent in base64 with CRLF line ends.
    Mime(Mime<'a>),
}

/// A message body and how long it is with CRLF line ends.
#[derive(Clone, Copy)]
pub(super) struct Mime<'a> {
    source: &'a dyn BodySource,
    pub(super) length: u64,
}

/// A body to be sent could not be read, or changed while it was.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// Which of the bodies.
    pub(super) mime: usize,
    pub(super) error: io::Error,
}

impl<'a> Mime<'a> {
    /// Reads the body once, to count.
    pub(super) fn measure(source: &'a dyn BodySource) -> io::Result<Self> {
        let mut length = 0;
        Blocks::open(source)?.each(|block| {
            length += block.len() as u64;
            Ok(())
        })?;
        Ok(Self { source, length })
    }

    pub(super) fn encoded_length(&self) -> u64 {
        encoded_length(self.length)
    }
}

impl Payload<'_> {
    /// A request without bodies of messages.
    pub(super) fn text(text: String) -> Self {
        Self(vec![Part::Text(text)])
    }

    /// The same request, done as if by the owner of another mailbox.
    pub(super) fn acting_as(&self, address: &str) -> Self {
        let mut parts = self.0.iter().map(|part| match part {
            Part::Text(text) => Part::Text(text.clone()),
            Part::Mime(mime) => Part::Mime(*mime),
        });
        let first = parts.next().map(|part| match part {
            Part::Text(text) => Part::Text(request::acting_as(&text, address)),
            other @ Part::Mime(_) => other,
        });
        Self(first.into_iter().chain(parts).collect())
    }

    /// `Content-Length`.
    pub(super) fn length(&self) -> u64 {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.len() as u64,
                Part::Mime(mime) => mime.encoded_length(),
            })
            .sum()
    }

    /// The text, if there is nothing else.
    pub(super) fn only_text(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Sends all parts into `to`. Comes back early, without error, when nobody listens any more. `alive` is called for each block.
    pub(super) async fn feed(
        &self,
        to: Sender<io::Result<Bytes>>,
        mut witness: Option<Witness>,
        alive: impl Fn(),
    ) -> Result<(), Unreadable> {
        let mut number = 0;
        for part in &self.0 {
            let mut pieces = match part {
                Part::Text(text) => Pieces::Text(Some(text.clone())),
                Part::Mime(mime) => {
                    number += 1;
                    Pieces::mime(mime).map_err(|error| Unreadable { mime: number - 1, error })?
                }
            };
            while let Some(piece) = pieces.next().map_err(|error| Unreadable { mime: number.max(1) - 1, error })? {
                alive();
                if let Some(witness) = &mut witness {
                    witness(&piece);
                }
                if to.send(Ok(piece)).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// A part as blocks of bytes.
enum Pieces {
    Text(Option<String>),
    Mime { blocks: Blocks, left: u64 },
}

impl Pieces {
    fn mime(mime: &Mime<'_>) -> io::Result<Self> {
        Ok(Self::Mime { blocks: Blocks::open(mime.source)?, left: mime.length })
    }

    fn next(&mut self) -> io::Result<Option<Bytes>> {
        let (blocks, left) = match self {
            Self::Text(text) => return Ok(text.take().map(Bytes::from)),
            Self::Mime { blocks, left } => (blocks, left),
        };
        let block = blocks.next()?;
        let changed = || io::Error::other("the message changed while it was sent");
        *left = left.checked_sub(block.len() as u64).ok_or_else(changed)?;
        match (block.is_empty(), *left) {
            (true, 0) => Ok(None),
            (true, _) => Err(changed()),
            (false, _) => Ok(Some(Bytes::from(encode(block)))),
        }
    }
}

/// A body in blocks of [`BLOCK`] bytes with CRLF line ends; only the last is shorter.
struct Blocks {
    reader: Box<dyn Read + Send>,
    raw: Vec<u8>,
    ready: Vec<u8>,
    used: usize,
    after_cr: bool,
}

impl Blocks {
    fn open(source: &dyn BodySource) -> io::Result<Self> {
        Ok(Self { reader: source.open()?, raw: vec![0; BLOCK], ready: Vec::new(), used: 0, after_cr: false })
    }

    fn each(&mut self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        loop {
            let block = self.next()?;
            if block.is_empty() {
                return Ok(());
            }
            take(block)?;
        }
    }

    /// The next block; empty at the end.
    fn next(&mut self) -> io::Result<&[u8]> {
        self.ready.drain(..self.used);
        while self.ready.len() < BLOCK {
            let length = self.read()?;
            if length == 0 {
                break;
            }
        }
        self.used = self.ready.len().min(BLOCK);
        Ok(self.ready.get(..self.used).unwrap_or_default())
    }

    fn read(&mut self) -> io::Result<usize> {
        let length = loop {
            match self.reader.read(&mut self.raw) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        let raw = self.raw.get(..length).unwrap_or_default();
        let mut from = 0;
        for at in memchr::memchr_iter(b'\n', raw) {
            let line = raw.get(from..at).unwrap_or_default();
            let has_cr = line.last().map_or(from == 0 && self.after_cr, |byte| *byte == b'\r');
            self.ready.extend_from_slice(line);
            self.ready.extend_from_slice(if has_cr { b"\n" } else { b"\r\n" });
            from = at + 1;
        }
        self.ready.extend_from_slice(raw.get(from..).unwrap_or_default());
        self.after_cr = if length == 0 { self.after_cr } else { raw.last() == Some(&b'\r') };
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives its bytes in pieces of a fixed length.
    struct Slow(Vec<u8>, usize);

    impl BodySource for Slow {
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            Ok(Box::new(SlowReader(io::Cursor::new(self.0.clone()), self.1)))
        }
    }

    struct SlowReader(io::Cursor<Vec<u8>>, usize);

    impl Read for SlowReader {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let length = into.len().min(self.1);
            self.0.read(&mut into[..length])
        }
    }

    fn normalised(source: &Slow) -> Vec<u8> {
        let mut out = Vec::new();
        let mut blocks = Blocks::open(source).unwrap();
        blocks
            .each(|block| {
                out.extend_from_slice(block);
                Ok(())
            })
            .unwrap();
        out
    }

    #[test]
    fn line_ends_become_crlf_and_nothing_else_changes() {
        for (given, sent) in [("a\nb\r\nc", "a\r\nb\r\nc"), ("\n\n", "\r\n\r\n"), ("\r\r\n\n", "\r\r\n\r\n"), ("", "")]
        {
            for step in 1..4 {
                let source = Slow(given.as_bytes().to_vec(), step);
                assert_eq!(normalised(&source), sent.as_bytes(), "{given:?} by {step}");
                assert_eq!(Mime::measure(&source).unwrap().length, sent.len() as u64);
            }
        }
    }

    proptest! {
        #[test]
        fn any_way_of_reading_gives_the_same(text in "[ab\r\n]{0,60}", step in 1usize..9) {
            let whole = normalised(&Slow(text.clone().into_bytes(), 1000));
            prop_assert_eq!(normalised(&Slow(text.into_bytes(), step)), whole);
        }
    }
}
