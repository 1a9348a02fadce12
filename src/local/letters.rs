//! The keyword letters in a file's name.

use std::fmt;

/// A set of the keyword letters `a` to `z`, which stand for categories as the folder's `dovecot-keywords` says.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Letters(u32);

impl Letters {
    /// No letter.
    pub const NONE: Self = Self(0);

    /// The letters among `bytes`; other bytes are passed over.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        bytes.iter().filter(|byte| byte.is_ascii_lowercase()).fold(Self::NONE, |set, byte| Self(set.0 | bit(*byte)))
    }

    /// The letters, in order.
    pub fn bytes(self) -> impl Iterator<Item = u8> {
        (b'a'..=b'z').filter(move |letter| self.has(*letter))
    }

    /// Whether the letter is in the set.
    pub fn has(self, letter: u8) -> bool {
        letter.is_ascii_lowercase() && self.0 & bit(letter) != 0
    }

    /// The set with the letter in it. Anything but `a` to `z` changes nothing.
    #[must_use]
    pub fn with(self, letter: u8) -> Self {
        if letter.is_ascii_lowercase() { Self(self.0 | bit(letter)) } else { self }
    }

    /// What is in this set or in the other one.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set but not in the other one.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set as a number, for state.db.
    pub fn to_bits(self) -> u32 {
        self.0
    }

    /// The set that `to_bits` gave the number of.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits & 0x03FF_FFFF)
    }
}

fn bit(letter: u8) -> u32 {
    1 << u32::from(letter - b'a')
}

impl fmt::Debug for Letters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters: String = self.bytes().map(char::from).collect();
        write!(f, "Letters({letters})")
    }
}
