//! What mail readers write into the header of a message that they store: lengths and states, as mbox files need them.
//!
//! neomutt and mutt add `Content-Length` when they save a message into another folder (and the empty line after it as they like line
//! ends); older readers add `Lines`, `Status` and `X-Status` (mbox conventions; RFC 4155 section 4 tells of them). No server keeps them.

use std::io::{self, BufRead, BufReader, Read};

use crate::pim::Digest;

const FIELDS: [&[u8]; 4] = [b"content-length", b"lines", b"status", b"x-status"];

/// A header that is longer is none.
const MAX_HEADER: u64 = 1 << 20;

/// The digest of a message as it was before a mail reader stored it: without these fields, with the line ends of its first line
/// throughout the header. `None` when it has no such field.
///
/// # Errors
/// Only the reader's.
pub fn digest_before_storing(reader: impl Read) -> io::Result<Option<Digest>> {
    let mut reader = BufReader::with_capacity(64 * 1024, reader);
    let mut header = Vec::new();
    let mut line = Vec::new();
    let (mut left, mut dropped, mut line_end) = (MAX_HEADER, false, None::<&[u8]>);
    let mut hasher = blake3::Hasher::new();
    loop {
        line.clear();
        let read = (&mut reader).take(left).read_until(b'\n', &mut line)?;
        left = left.saturating_sub(read as u64);
        if !line.ends_with(b"\n") {
            // No end of a header: the file holds none, or one that is too long.
            return Ok(None);
        }
        let text = line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n")).unwrap_or(&line);
        let end = *line_end.get_or_insert(if line.ends_with(b"\r\n") { b"\r\n" } else { b"\n" });
        let name = text.split(|byte| *byte == b':').next().unwrap_or_default();
        if FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field)) {
            dropped = true;
            continue;
        }
        header.extend_from_slice(text);
        header.extend_from_slice(end);
        if text.is_empty() {
            break;
        }
    }
    if !dropped {
        return Ok(None);
    }
    hasher.update(&header);
    hasher.update_reader(reader)?;
    Ok(Some(Digest::of(&hasher)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(text: &str) -> Option<Digest> {
        digest_before_storing(text.as_bytes()).unwrap()
    }

    fn digest(text: &str) -> Option<Digest> {
        Some(Digest::of(blake3::Hasher::new().update(text.as_bytes())))
    }

    #[test]
    fn what_a_mail_reader_added_is_left_out() {
        let stored = "Subject: a\r\nContent-Length: 9\nStatus: RO\n\nLines: 1\n";
        assert_eq!(before(stored), digest("Subject: a\r\n\r\nLines: 1\n"));
        assert_eq!(before("Subject: a\nlines: 3\n\nbody"), digest("Subject: a\n\nbody"));
    }

    #[test]
    fn a_message_without_such_fields_has_no_other_digest() {
        for text in ["Subject: a\r\n\r\nStatus: b\r\n", "", "no header", "Status: cut off", "Content-Length: 1\n"] {
            assert_eq!(before(text), None, "{text:?}");
        }
        let endless = format!("Status: a\nSubject: {}\n\n", "a".repeat(2 << 20));
        assert_eq!(before(&endless), None);
    }
}
