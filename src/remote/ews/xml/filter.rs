//! Makes the bytes of an answer fit for an XML parser.
//!
//! Exchange sends characters that XML 1.0 forbids, mostly as references (`&#x1F;`, `&#xFFFF;`) in subjects and names; a strict
//! parser then loses the whole batch. They are dropped here. Bytes that are not UTF-8 become U+FFFD.

use bytes::Bytes;

/// The longest reference that is looked at; a longer one is left to the parser.
const LONGEST_REFERENCE: usize = 16;

/// Filters an answer piece by piece. However it is cut, the result is the same.
#[derive(Default)]
pub(crate) struct Filter {
    /// The end of the last piece, if it may be the start of something.
    held: Vec<u8>,
    /// Whether anything was seen: a byte order mark counts as one only at the very start.
    started: bool,
}

impl Filter {
    /// The next piece, filtered. What may be cut in the middle is held back for the next call.
    pub(crate) fn push(&mut self, piece: Bytes) -> Bytes {
        if self.held.is_empty() && is_plain(&piece) {
            self.started |= !piece.is_empty();
            return piece;
        }
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(&piece);
        self.held = bytes.split_off(unfinished(&bytes));
        self.clean(&bytes)
    }

    /// What was held back, now that nothing follows.
    pub(crate) fn finish(&mut self) -> Bytes {
        let bytes = std::mem::take(&mut self.held);
        self.clean(&bytes)
    }

    fn clean(&mut self, bytes: &[u8]) -> Bytes {
        let mut clean = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            let mut text = chunk.valid();
            if !self.started {
                text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
            }
            self.started |= !bytes.is_empty();
            clean_text(text, &mut clean);
            if !chunk.invalid().is_empty() {
                clean.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Bytes::from(clean)
    }
}

/// Whether there is nothing to look at. Without early exit, so that the compiler can take many bytes at once.
fn is_plain(bytes: &[u8]) -> bool {
    let plain = |b: u8| (0x20..0x80).contains(&b) & (b != b'&') | (b == b'\t') | (b == b'\n') | (b == b'\r');
    bytes.chunks(4096).all(|block| block.iter().fold(true, |all, b| all & plain(*b)))
}

/// Where a character or reference begins that the end of `bytes` cuts; their length if none does.
fn unfinished(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(LONGEST_REFERENCE);
    let ends = |b: &u8| matches!(b, b'&' | b';' | b'<');
    let reference = bytes.iter().skip(tail).rposition(ends).map(|at| at + tail);
    if let Some(at) = reference.filter(|at| bytes.get(*at) == Some(&b'&')) {
        return at;
    }
    let starts = |b: &u8| *b >= 0xC0;
    let tail = bytes.len().saturating_sub(3);
    match bytes.iter().skip(tail).rposition(starts).map(|at| at + tail) {
        Some(at) if bytes.len() - at < utf8_length(bytes.get(at).copied().unwrap_or(0)) => at,
        _ => bytes.len(),
    }
}

/// How many bytes a character has that begins with this one.
fn utf8_length(first: u8) -> usize {
    match first {
        0xF0.. => 4,
        0xE0.. => 3,
        _ => 2,
    }
}

fn clean_text(text: &str, clean: &mut String) {
    let suspect = |c: char| !is_legal(c) || c == '&';
    let mut rest = text;
    while let Some(at) = rest.find(suspect) {
        let (good, from) = rest.split_at(at);
        clean.push_str(good);
        let (kept, length) = judge(from);
        clean.push_str(kept);
        rest = from.get(length..).unwrap_or_default();
    }
    clean.push_str(rest);
}

/// What stays of the suspect thing at the start of `text`, and how long it is. An ampersand that begins no reference is escaped:
/// so nothing that is dropped after it can make it begin one.
fn judge(text: &str) -> (&str, usize) {
    let Some(inside) = text.strip_prefix('&') else { return ("", text.chars().next().map_or(0, char::len_utf8)) };
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'#';
    let length = inside.bytes().take(LONGEST_REFERENCE - 1).take_while(is_name).count();
    let reference = text.get(..length + 2).filter(|reference| length > 0 && reference.ends_with(';'));
    match (reference, inside.get(..length).and_then(|name| name.strip_prefix('#'))) {
        (None, _) => ("&amp;", 1),
        (Some(reference), Some(number)) if !is_legal_number(number) => ("", reference.len()),
        (Some(reference), _) => (reference, reference.len()),
    }
}

/// Whether the number of a character reference (without `&#` and `;`) stands for a character of XML 1.0.
fn is_legal_number(digits: &str) -> bool {
    let number = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    number.ok().and_then(char::from_u32).is_some_and(is_legal)
}

/// Whether XML 1.0 allows the character (§2.2, production 2).
pub(crate) fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filtered(pieces: &[&[u8]]) -> String {
        let mut filter = Filter::default();
        let mut out = Vec::new();
        for piece in pieces {
            out.extend_from_slice(&filter.push(Bytes::copy_from_slice(piece)));
        }
        out.extend_from_slice(&filter.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_xml_forbids_is_dropped_and_the_rest_stays() {
        for (given, kept) in [
            ("plain", "plain"),
            ("\u{FEFF}<a/>", "<a/>"),
            ("a\u{1}b\tc\r\n", "ab\tc\r\n"),
            ("a&#x1F;b&#31;c&#X1f;", "abc"),
            ("&#xFFFF;&#xFFFE;\u{FFFE}\u{FFFF}\u{FFFD}", "\u{FFFD}"),
            ("&#xD800;&#55296;&#x110000;&#;&#x;", ""),
            ("&#x9;&#xD;&#65;&#x1F600;", "&#x9;&#xD;&#65;&#x1F600;"),
            ("&amp;&lt;&unknown; & &", "&amp;&lt;&unknown; &amp; &amp;"),
            ("&\u{0}#x1;&#x1&;&;", "&amp;#x1;&amp;#x1&amp;;&amp;;"),
        ] {
            assert_eq!(filtered(&[given.as_bytes()]), kept, "{given:?}");
        }
        assert_eq!(filtered(&[b"a\xFFb\xED\xA0\x80c"]), "a\u{FFFD}b\u{FFFD}\u{FFFD}\u{FFFD}c");
    }

    #[test]
    fn a_reference_cut_at_every_byte_is_still_dropped() {
        let whole = "x&#x1F;y\u{FFFF}z&amp;é".as_bytes();
        for cut in 0..=whole.len() {
            assert_eq!(filtered(&[&whole[..cut], &whole[cut..]]), "xyz&amp;é", "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            text in "([a-z<>&;#x0-9 ]|&#x1F;|&#xFFFF;|&amp;|[\u{0}-\u{8}]|é|\u{FFFF}|\u{1F600}|\u{FEFF}){0,40}",
            noise in proptest::collection::vec(any::<u8>(), 0..8),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut whole = text.into_bytes();
            let at = whole.len() / 2;
            whole.splice(at..at, noise);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
            let once = filtered(&[&whole]);
            prop_assert_eq!(filtered(&pieces), once.clone());
            prop_assert!(once.chars().all(is_legal));
        }
    }
}
