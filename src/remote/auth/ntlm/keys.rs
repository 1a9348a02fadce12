//! The keys of NTLMv2, each made from the one before (MS-NLMP §3.3.2, §3.4.5).

use hmac::{Hmac, KeyInit as _, Mac as _};
use md4::Md4;
use md5::{Digest as _, Md5};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A key of 16 bytes.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Key([u8; 16]);

impl Key {
    /// NTOWFv2: what a name and a password become.
    pub(super) fn of_response(name: &str, domain: &str, password: &str) -> Self {
        let password = Zeroizing::new(utf16(password));
        let hash = Self(Md4::digest(&*password).into());
        hash.derive(&[&utf16(&upper_case(name)), &utf16(domain)])
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// HMAC-MD5.
    pub(super) fn mac(&self, parts: &[&[u8]]) -> [u8; 16] {
        // A key shorter than a block is filled up with zeros (RFC 2104 §2).
        let mut block = Zeroizing::new([0; 64]);
        for (to, from) in block.iter_mut().zip(&self.0) {
            *to = *from;
        }
        let mut mac = Hmac::<Md5>::new(&(*block).into());
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// The key that comes from this one and a text.
    pub(super) fn derive(&self, parts: &[&[u8]]) -> Self {
        Self(self.mac(parts))
    }

    /// The client's first signature under this session key, with extended session security and without key exchange.
    pub(super) fn sign(&self, text: &[u8]) -> [u8; 16] {
        let magic = b"session key to client-to-server signing key magic constant\0";
        let signing = Self(Md5::new().chain_update(self.0).chain_update(magic).finalize().into());
        let (version, number) = (1_u32.to_le_bytes(), 0_u32.to_le_bytes());
        let mac = signing.mac(&[&number, text]);
        let mut signature = [0; 16];
        let bytes = version.into_iter().chain(mac.into_iter().take(8)).chain(number);
        for (to, from) in signature.iter_mut().zip(bytes) {
            *to = from;
        }
        signature
    }
}

/// As Windows does it: a character for a character, so that `ß` stays.
fn upper_case(name: &str) -> String {
    let upper = |character: char| {
        let mut upper = character.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(upper), None) => upper,
            _ => character,
        }
    };
    name.chars().map(upper).collect()
}

/// UTF-16, little-endian.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    // Never grows, so that no part of a password is left behind in freed memory.
    let mut bytes = Vec::with_capacity(text.len() * 2);
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_specifications() {
        // MS-NLMP §4.2.4.1.1.
        let key = Key::of_response("User", "Domain", "Password");
        assert_eq!(u128::from_be_bytes(key.0), 0x0c86_8a40_3bfd_7a93_a300_1ef2_2ef0_2e3f);
    }

    #[test]
    fn upper_case_is_windowss() {
        assert_eq!(upper_case("jürgen.groß@example.org"), "JÜRGEN.GROß@EXAMPLE.ORG");
    }
}
