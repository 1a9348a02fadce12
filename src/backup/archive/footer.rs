//! The end of a whole archive: a zstd skippable frame, which other programs pass over.

/// Where the manifest is, and what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    /// The version of the format.
    pub(super) format: u64,
    /// The first byte of the manifest's frame.
    pub(super) at: u64,
    /// Its bytes in the file.
    pub(super) length: u64,
    /// Its bytes when decompressed.
    pub(super) plain: u64,
    /// The hash of its bytes in the file.
    pub(super) hash: blake3::Hash,
}

/// A skippable frame (RFC 8878 §3.1.2), with the number that is ours among the sixteen.
const SKIPPABLE: u32 = 0x184D_2A5B;
const MAGIC: &[u8; 8] = b"PIMSYNC\n";
const PAYLOAD: usize = 8 + 4 * 8 + 2 * blake3::OUT_LEN;

impl Footer {
    /// Its length in the file.
    pub(super) const LENGTH: usize = 8 + PAYLOAD;

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LENGTH);
        bytes.extend(SKIPPABLE.to_le_bytes());
        bytes.extend(u32::try_from(PAYLOAD).unwrap_or_default().to_le_bytes());
        bytes.extend(MAGIC);
        for number in [self.format, self.at, self.length, self.plain] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.hash.as_bytes());
        let own = blake3::hash(&bytes);
        bytes.extend(own.as_bytes());
        bytes
    }

    /// Reads it from the last bytes of a file; `None` when they are no footer, or one that was changed.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (content, own) = bytes.split_last_chunk::<{ blake3::OUT_LEN }>()?;
        if bytes.len() != Self::LENGTH || blake3::hash(content) != blake3::Hash::from_bytes(*own) {
            return None;
        }
        let number = |index: usize| {
            let at = 16 + index * 8;
            Some(u64::from_le_bytes(content.get(at..at + 8)?.try_into().ok()?))
        };
        let hash = blake3::Hash::from_bytes(*content.last_chunk()?);
        let footer = Self { format: number(0)?, at: number(1)?, length: number(2)?, plain: number(3)?, hash };
        (footer.to_bytes() == bytes).then_some(footer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_changed_footer_is_believed() {
        let footer = Footer { format: 1, at: 5, length: 6, plain: 7, hash: blake3::hash(b"x") };
        let bytes = footer.to_bytes();
        assert_eq!(bytes.len(), Footer::LENGTH);
        assert_eq!(Footer::parse(&bytes), Some(footer));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Footer::parse(&changed), None, "byte {at}");
            assert_eq!(Footer::parse(&bytes[..at]), None, "cut at {at}");
        }
    }
}
