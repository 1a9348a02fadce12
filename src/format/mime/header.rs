//! A header block and the fields in it.

use std::io::{self, BufRead, Read};

use mailparse::{MailHeader, MailHeaderMap};

/// So much of a header is read; what follows is as if it were not there.
pub(super) const MAX_HEADER: usize = 1 << 20;

/// A header block, taken apart.
pub(super) struct Header<'a>(Vec<MailHeader<'a>>);

/// Reads up to the first empty line, or the limit.
pub(super) fn read_block(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut block = Vec::new();
    loop {
        let room = MAX_HEADER - block.len();
        let start = block.len();
        let count = reader.by_ref().take(room as u64).read_until(b'\n', &mut block)?;
        let line = block.get(start..).unwrap_or_default();
        if count == 0 || matches!(line, b"\n" | b"\r\n") || block.len() >= MAX_HEADER {
            return Ok(block);
        }
    }
}

impl<'a> Header<'a> {
    /// Takes the block apart, field by field: one that makes no sense is passed over, as is what mbox files put first.
    pub(super) fn parse(mut block: &'a [u8]) -> Self {
        let mut fields = Vec::new();
        while !block.is_empty() && !matches!(block.first(), Some(b'\r' | b'\n')) {
            let field = match mailparse::parse_header(block) {
                Ok((field, used)) if used > 0 => {
                    fields.push(field);
                    used
                }
                _ => 0,
            };
            let line = block.iter().position(|byte| *byte == b'\n').map_or(block.len(), |at| at + 1);
            block = block.get(if field > 0 { field } else { line }..).unwrap_or_default();
        }
        Self(fields)
    }

    /// The field's first occurrence, decoded, with its white space folded; `None` when there is none or nothing in it.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = self.0.get_first_value(name)?;
        Some(fold(&value)).filter(|text| !text.is_empty())
    }

    /// The field's first occurrence as it stands.
    pub(super) fn raw(&self, name: &str) -> Option<String> {
        self.0.get_first_header(name).map(|field| String::from_utf8_lossy(field.get_value_raw()).into_owned())
    }

    /// All occurrences of the field.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &MailHeader<'a>> {
        self.0.iter().filter(move |field| field.get_key_ref().eq_ignore_ascii_case(name))
    }
}

/// With one space for any white space, and none around.
pub(super) fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
