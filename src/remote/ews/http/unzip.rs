//! Answers that were compressed with gzip (RFC 1952), unpacked as they come.

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::write::GzDecoder;

/// How much is unpacked at a time: what comes of it is a thousand times as much at most.
const PIECE: usize = 4096;

/// Unpacks a stream.
pub(super) struct Unzip {
    decoder: GzDecoder<Vec<u8>>,
    packed: Bytes,
}

impl Unzip {
    pub(super) fn new() -> Self {
        Self { decoder: GzDecoder::new(Vec::new()), packed: Bytes::new() }
    }

    /// Takes the next bytes; those before must have been unpacked.
    pub(super) fn take(&mut self, packed: Bytes) {
        self.packed = packed;
    }

    /// The next piece; `None` when more must be taken before.
    pub(super) fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.packed.is_empty() {
            let piece = self.packed.split_to(self.packed.len().min(PIECE));
            self.decoder.write_all(&piece)?;
            self.decoder.flush()?;
            let out = std::mem::take(self.decoder.get_mut());
            if !out.is_empty() {
                return Ok(Some(out.into()));
            }
        }
        Ok(None)
    }

    /// The end of all bytes.
    ///
    /// # Errors
    /// It is not the end of what was compressed, or its checksum is another.
    pub(super) fn finish(&mut self) -> io::Result<Bytes> {
        self.decoder.try_finish()?;
        Ok(std::mem::take(self.decoder.get_mut()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(packed: &[u8], step: usize) -> io::Result<(Vec<u8>, usize)> {
        let (mut out, mut largest) = (Vec::new(), 0);
        let mut unzip = Unzip::new();
        for chunk in packed.chunks(step) {
            unzip.take(Bytes::copy_from_slice(chunk));
            while let Some(piece) = unzip.next()? {
                largest = largest.max(piece.len());
                out.extend_from_slice(&piece);
            }
        }
        out.extend_from_slice(&unzip.finish()?);
        Ok((out, largest))
    }

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn however_it_comes_the_same_comes_out() {
        let content: Vec<u8> = (0..100_000_u32).flat_map(|number| number.wrapping_mul(number).to_le_bytes()).collect();
        for step in [1, 7, 5000, 1 << 20] {
            assert_eq!(unpacked(&packed(&content), step).unwrap().0, content);
        }
    }

    #[test]
    fn a_bomb_goes_off_in_small_pieces() {
        let (out, largest) = unpacked(&packed(&vec![0; 64 << 20]), 1 << 20).unwrap();
        assert_eq!(out.len(), 64 << 20);
        assert!(largest <= 5 << 20, "{largest}");
    }

    #[test]
    fn what_was_cut_off_or_spoilt_is_noticed() {
        let whole = packed(b"some text that is somewhat longer");
        assert!(unpacked(&whole[..whole.len() - 9], 5).is_err());
        let mut spoilt = whole.clone();
        let at = spoilt.len() - 6;
        spoilt[at] ^= 1;
        assert!(unpacked(&spoilt, 5).is_err());
    }
}
