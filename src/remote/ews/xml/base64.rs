//! Base64 as a stream, in and out.

use std::io;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Takes base64 without padding too: some servers leave it out.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// How much is gathered before it is decoded where base64 comes with white space in it. A multiple of four.
const GATHERED: usize = 8192;

/// Decodes base64 that comes in pieces as it stands in XML: with line breaks, `&#xD;`, or without padding.
#[derive(Default)]
pub(crate) struct Decoder {
    /// Digits that are not decoded yet.
    held: Vec<u8>,
    decoded: Vec<u8>,
    in_reference: bool,
    /// Padding was seen: nothing may follow.
    closed: bool,
    broken: bool,
}

/// The text was not base64.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotBase64;

impl Decoder {
    /// Decodes the next piece into `take`. Once something is no base64, the rest is passed over; `finish` tells.
    pub(crate) fn push(&mut self, piece: &[u8], take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut rest = piece.iter();
        while (!self.held.is_empty() || self.in_reference) && self.held.len() < 4 {
            let Some(byte) = rest.next() else { break };
            self.gather(*byte);
        }
        if self.held.len() >= 4 {
            self.decode_held(take)?;
        }
        let rest = rest.as_slice();
        let (aligned, tail) = rest.split_at(rest.len() & !3);
        if self.held.is_empty() && !self.in_reference && !self.closed && self.decode(aligned).is_ok() {
            self.closed = aligned.last() == Some(&b'=');
            take(&self.decoded)?;
            tail.iter().for_each(|byte| self.gather(*byte));
            return Ok(());
        }
        let mut rest = rest;
        while let Some((first, after)) = rest.split_first() {
            self.gather(*first);
            rest = after;
            if !self.in_reference {
                // The usual line is without anything special in it.
                let length = rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len());
                let (line, after) = rest.split_at(length);
                self.held.extend_from_slice(line);
                rest = after;
            }
            if self.held.len() >= GATHERED {
                self.decode_held(take)?;
            }
        }
        self.decode_held(take)
    }

    /// Decodes what is left.
    pub(crate) fn finish(mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<Result<(), NotBase64>> {
        let held = std::mem::take(&mut self.held);
        if self.broken || self.decode(&held).is_err() {
            return Ok(Err(NotBase64));
        }
        take(&self.decoded)?;
        Ok(Ok(()))
    }

    fn gather(&mut self, byte: u8) {
        match byte {
            b';' if self.in_reference => self.in_reference = false,
            _ if self.in_reference => {}
            b'&' => self.in_reference = true,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => self.held.push(byte),
        }
    }

    /// Decodes as much of `held` as is whole.
    fn decode_held(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let rest = self.held.split_off(self.held.len() & !3);
        let whole = std::mem::replace(&mut self.held, rest);
        if whole.is_empty() {
            return Ok(());
        }
        let sound = !self.closed && !self.broken && self.decode(&whole).is_ok();
        self.closed |= whole.last() == Some(&b'=');
        self.broken |= !sound;
        if sound { take(&self.decoded) } else { Ok(()) }
    }

    fn decode(&mut self, digits: &[u8]) -> Result<(), NotBase64> {
        self.decoded.resize(digits.len() / 4 * 3 + 3, 0);
        let length = TOLERANT.decode_slice(digits, &mut self.decoded).map_err(|_| NotBase64)?;
        self.decoded.truncate(length);
        Ok(())
    }
}

/// Whether a byte may be something else than a digit of base64.
fn is_special(byte: u8) -> bool {
    byte <= b' ' || byte == b'&' || byte == b';'
}

/// How long that many bytes are in base64.
pub(crate) fn encoded_length(bytes: u64) -> u64 {
    bytes.div_ceil(3) * 4
}

/// Bytes in base64.
pub(crate) fn encode(bytes: &[u8]) -> String {
    TOLERANT.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(pieces: &[&[u8]]) -> Result<Vec<u8>, NotBase64> {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        let mut take = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok(())
        };
        for piece in pieces {
            decoder.push(piece, &mut take).unwrap();
        }
        decoder.finish(&mut take).unwrap()?;
        Ok(out)
    }

    #[test]
    fn base64_comes_in_many_dresses() {
        for text in
            ["SGVsbG8=", "SGVsbG8", " SGVs\r\nbG8=\n", "SGVs&#xD;\nbG8=", "S G V s b G 8 =", "SGVs&#13;&#10;bG8"]
        {
            assert_eq!(decoded(&[text.as_bytes()]), Ok(b"Hello".to_vec()), "{text}");
            for cut in 0..text.len() {
                let (head, tail) = text.as_bytes().split_at(cut);
                assert_eq!(decoded(&[head, tail]), Ok(b"Hello".to_vec()), "{text} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_base64_is_an_error() {
        for text in ["S", "SGVsb", "SG*s", "SGVsbG8=SGVs", "SGVs====", "é"] {
            assert_eq!(decoded(&[text.as_bytes()]), Err(NotBase64), "{text}");
        }
        assert_eq!(decoded(&[b"SGVsbG8=", b"SGVs"]), Err(NotBase64));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0usize..400) {
            let text = encode(&bytes);
            prop_assert_eq!(text.len() as u64, encoded_length(bytes.len() as u64));
            let (head, tail) = text.as_bytes().split_at(cut.min(text.len()));
            prop_assert_eq!(decoded(&[head, tail]), Ok(bytes));
        }
    }
}
