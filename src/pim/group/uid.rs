//! What contacts and groups are known by.

use std::fmt;
use std::fmt::Write as _;

const SCHEME: &str = "urn:uuid:";

/// The UID of a contact or a group (RFC 6350 §6.7.6), in the one form by which two are compared: without `urn:uuid:`, a UUID in small letters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(Box<str>);

impl Uid {
    /// The UID that the property `UID` tells, or an address such as that of `MEMBER` (RFC 6350 §6.6.5). What has no scheme is a UID as it stands,
    /// as some programs write it. `None` when it tells nothing.
    pub fn new(text: &str) -> Option<Self> {
        match without_scheme(text.trim()) {
            Some(rest) => Self::plain(&decode(rest)),
            None => Self::plain(text),
        }
    }

    /// A new UUID (RFC 9562 §5.4) from 128 random bits.
    pub fn random(bits: u128) -> Self {
        let bits = bits & !(0xF << 76) & !(0b11 << 62) | (0x4 << 76) | (0b10 << 62);
        let digits = format!("{bits:032x}");
        let (head, tail) = digits.split_at(20);
        let (first, rest) = head.split_at(8);
        let (second, rest) = rest.split_at(4);
        let (third, fourth) = rest.split_at(4);
        Self(format!("{first}-{second}-{third}-{fourth}-{tail}").into())
    }

    fn plain(text: &str) -> Option<Self> {
        let text = super::super::Text::new(text);
        let text = text.as_str().trim();
        let text = if is_uuid(text) { text.to_ascii_lowercase() } else { text.to_owned() };
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// The UID.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The UID as an address: `urn:uuid:`, also before what is no UUID, as all programs have it; or the UID itself where it is an address already.
    pub fn to_uri(&self) -> String {
        if is_uri(&self.0) {
            return self.0.to_string();
        }
        self.0.bytes().fold(SCHEME.to_owned(), |mut uri, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~!$'()*+=:@/".contains(&byte) {
                uri.push(char::from(byte));
            } else {
                let _ = write!(uri, "%{byte:02X}");
            }
            uri
        })
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({})", self.0)
    }
}

fn without_scheme(text: &str) -> Option<&str> {
    let head = text.get(..SCHEME.len())?;
    head.eq_ignore_ascii_case(SCHEME).then(|| text.get(SCHEME.len()..)).flatten()
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether it is an address of some other scheme than those that mean something else in `MEMBER` (RFC 3986 §3).
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let others = !scheme.eq_ignore_ascii_case("mailto") && without_scheme(text).is_none();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+=:@/?#[]%".contains(&byte);
    is_scheme && others && !rest.is_empty() && rest.bytes().all(fits)
}

/// Takes `%HH` apart; what is no such thing, or no UTF-8 then, stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high << 4 | low).unwrap_or_default());
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uid(text: &str) -> Option<Uid> {
        Uid::new(text)
    }

    #[test]
    fn one_uid_has_many_spellings() {
        let one = uid("03A0E51F-D1AA-4385-8A53-E29025ACD8AF");
        for spelling in [
            "03a0e51f-d1aa-4385-8a53-e29025acd8af",
            "urn:uuid:03a0e51f-d1aa-4385-8a53-e29025acd8af",
            "URN:UUID:03A0E51F-D1AA-4385-8A53-E29025ACD8AF",
        ] {
            assert_eq!(uid(spelling), one, "{spelling}");
        }
        assert_ne!(uid("Anna-1"), uid("anna-1"), "what is no UUID is as it is");
        assert_eq!(uid(" "), None);
        assert_eq!(uid("urn:uuid:"), None);
    }

    #[test]
    fn a_uid_becomes_an_address() {
        let uri = |text: &str| uid(text).unwrap().to_uri();
        assert_eq!(uri("4CF5:ABPerson"), "urn:uuid:4CF5:ABPerson", "no scheme begins with a digit");
        assert_eq!(uri("a b,c;ä%"), "urn:uuid:a%20b%2Cc%3B%C3%A4%25");
        assert_eq!(uri("https://example.org/~anna"), "https://example.org/~anna");
        assert_eq!(uri("mailto:a@x"), "urn:uuid:mailto:a@x");
    }

    #[test]
    fn a_new_one_is_a_uuid_of_version_4() {
        for bits in [0, u128::MAX, 0x1234_5678_9abc_def0] {
            let new = Uid::random(bits);
            assert!(is_uuid(new.as_str()), "{new}");
            assert_eq!((&new.as_str()[14..15], Uid::new(new.as_str())), ("4", Some(new.clone())));
            assert!(matches!(&new.as_str()[19..20], "8" | "9" | "a" | "b"), "{new}");
        }
    }

    proptest! {
        #[test]
        fn every_uid_comes_back_from_its_address(text in prop_oneof![any::<String>(), "(urn:uuid:|mailto:|http:|a:)?[ -~ä%]{0,30}"]) {
            if let Some(uid) = Uid::new(&text) {
                let uri = uid.to_uri();
                prop_assert!(uri.is_ascii() && !uri.contains([' ', ',', ';', '\\', '"']), "{}", uri);
                prop_assert!(!uri.to_ascii_lowercase().starts_with("mailto:"));
                prop_assert_eq!(Uid::new(&uri), Some(uid));
            }
        }
    }
}
