//! Transfer encodings (RFC 2045 §6), undone as the bytes come, and the content brought into one form.

/// How a part's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 7bit, 8bit, binary, and whatever is not known.
    Identity,
    QuotedPrintable,
    Base64,
}

impl Encoding {
    pub(super) fn of(field: Option<&str>) -> Self {
        match field.map(|text| text.trim().to_ascii_lowercase()).as_deref() {
            Some("base64") => Self::Base64,
            Some("quoted-printable") => Self::QuotedPrintable,
            _ => Self::Identity,
        }
    }
}

/// Takes a part's bytes in pieces of any size and gives its content.
pub(super) enum Decoder {
    Identity,
    QuotedPrintable(QuotedPrintable),
    Base64 { bits: u32, count: u32 },
}

#[derive(Default)]
pub(super) struct QuotedPrintable {
    state: Quoted,
    /// White space that counts only if something follows it on its line.
    spaces: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
enum Quoted {
    #[default]
    Text,
    /// After `=`.
    Escape,
    /// After `=` and a digit.
    Digit(u8),
}

impl Decoder {
    pub(super) fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Identity => Self::Identity,
            Encoding::QuotedPrintable => Self::QuotedPrintable(QuotedPrintable::default()),
            Encoding::Base64 => Self::Base64 { bits: 0, count: 0 },
        }
    }

    pub(super) fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Identity => out.extend_from_slice(bytes),
            Self::QuotedPrintable(quoted) => bytes.iter().for_each(|byte| quoted.take(*byte, out)),
            Self::Base64 { bits, count } => bytes.iter().for_each(|byte| base64_digit(bits, count, *byte, out)),
        }
    }
}

/// Anything outside the alphabet is passed over (RFC 2045 §6.8); padding ends a group.
fn base64_digit(bits: &mut u32, count: &mut u32, byte: u8, out: &mut Vec<u8>) {
    let digit = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        b'=' => {
            (*bits, *count) = (0, 0);
            return;
        }
        _ => return,
    };
    *bits = (*bits << 6) | u32::from(digit);
    *count += 6;
    if *count >= 8 {
        *count -= 8;
        out.push((*bits >> *count) as u8);
        *bits &= (1 << *count) - 1;
    }
}

impl QuotedPrintable {
    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.state, byte) {
            (Quoted::Text, b'=') => {
                out.append(&mut self.spaces);
                self.state = Quoted::Escape;
            }
            (Quoted::Text, b' ' | b'\t' | b'\r') => self.spaces.push(byte),
            (Quoted::Text, b'\n') => {
                self.spaces.clear();
                out.push(b'\n');
            }
            (Quoted::Text, _) => {
                out.append(&mut self.spaces);
                out.push(byte);
            }
            // A soft break may have white space before its line end.
            (Quoted::Escape, b' ' | b'\t' | b'\r') => {}
            (Quoted::Escape, b'\n') => self.state = Quoted::Text,
            (Quoted::Escape, _) if byte.is_ascii_hexdigit() => self.state = Quoted::Digit(byte),
            (Quoted::Escape, _) => {
                out.push(b'=');
                self.state = Quoted::Text;
                self.take(byte, out);
            }
            (Quoted::Digit(first), _) => {
                self.state = Quoted::Text;
                match (value(first), value(byte)) {
                    (Some(high), Some(low)) => out.push((high << 4) | low),
                    _ => {
                        out.extend([b'=', first]);
                        self.take(byte, out);
                    }
                }
            }
        }
    }
}

fn value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Makes every CR LF an LF, also when it comes in two pieces.
#[derive(Default)]
pub(super) struct LineEnds {
    held: bool,
}

impl LineEnds {
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            if std::mem::take(&mut self.held) && *byte != b'\n' {
                out.push(b'\r');
            }
            match byte {
                b'\r' => self.held = true,
                byte => out.push(*byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use proptest::prelude::*;

    use super::*;

    fn decoded(encoding: Encoding, bytes: &[u8], piece: usize) -> Vec<u8> {
        let (mut decoder, mut out) = (Decoder::new(encoding), Vec::new());
        bytes.chunks(piece).for_each(|piece| decoder.decode(piece, &mut out));
        out
    }

    #[test]
    fn quoted_text_is_read_as_leniently_as_it_is_written() {
        for (text, content) in [
            ("Gr=C3=BC=c3=9fe", "Grüße"),
            ("soft=\r\nbreak=  \r\n!", "softbreak!"),
            ("trailing  \r\nnext =20\r\n", "trailing\nnext  \n"),
            ("a=b=zz=4=", "a=b=zz=4"),
        ] {
            assert_eq!(String::from_utf8(decoded(Encoding::QuotedPrintable, text.as_bytes(), 1)).unwrap(), content);
        }
    }

    #[test]
    fn names_of_encodings_are_read_in_any_case() {
        assert_eq!(Encoding::of(Some(" BASE64 ")), Encoding::Base64);
        assert_eq!(Encoding::of(Some("x-uuencode")), Encoding::Identity);
    }

    proptest! {
        #[test]
        fn base64_is_decoded_in_any_pieces(bytes in prop::collection::vec(any::<u8>(), 0..100), piece in 1usize..9) {
            let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
            let broken: String = text.chars().flat_map(|digit| [digit, '\r', '\n']).collect();
            prop_assert_eq!(decoded(Encoding::Base64, text.as_bytes(), piece), bytes.clone());
            prop_assert_eq!(decoded(Encoding::Base64, broken.as_bytes(), piece), bytes);
        }

        #[test]
        fn pieces_make_no_difference(bytes in "[=A-F0-9 \t\r\nx]{0,60}", piece in 1usize..9) {
            for encoding in [Encoding::QuotedPrintable, Encoding::Base64, Encoding::Identity] {
                prop_assert_eq!(decoded(encoding, bytes.as_bytes(), piece), decoded(encoding, bytes.as_bytes(), 99));
            }
        }
    }
}
