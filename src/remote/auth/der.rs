//! As much of DER (X.690) as certificates and SPNEGO take here: elements with a tag and a length, one within the other.

/// SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;
/// OBJECT IDENTIFIER.
pub(crate) const OID: u8 = 0x06;
/// OCTET STRING.
pub(crate) const OCTETS: u8 = 0x04;
/// ENUMERATED.
pub(crate) const ENUMERATED: u8 = 0x0a;

/// The tag of what is `[number]` in a SEQUENCE.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Reads elements one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Der<'d>(pub(crate) &'d [u8]);

impl<'d> Der<'d> {
    /// The next element's tag and content; `None` at the end and where the bytes make no sense.
    pub(crate) fn next(&mut self) -> Option<(u8, &'d [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, which must have that tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The content of the first element with that tag among those that are left.
    pub(crate) fn find(mut self, tag: u8) -> Option<&'d [u8]> {
        std::iter::from_fn(|| self.next()).find(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

/// An element with that content.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let digits = bytes.get(bytes.iter().take_while(|byte| **byte == 0).count()..).unwrap_or_default();
            // Eight digits at most.
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or_default());
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(tag: u8, content in prop::collection::vec(any::<u8>(), 0..70_000), after in prop::collection::vec(any::<u8>(), 0..4)) {
            let mut bytes = element(tag, &content);
            bytes.extend_from_slice(&after);
            let mut der = Der(&bytes);
            prop_assert_eq!(der.next(), Some((tag, content.as_slice())));
            prop_assert_eq!(der.0, after.as_slice());
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut der = Der(&bytes);
            while let Some((_, content)) = der.next() {
                prop_assert!(content.len() < bytes.len());
            }
        }
    }
}
