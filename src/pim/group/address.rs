//! Addresses of mail.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::super::Text;

/// Most bytes of an address (RFC 5321 §4.5.3.1.3, less the angle brackets).
const MAX_BYTES: usize = 254;

/// An address of mail, such as `anna@example.org`, that fits on a line, into a list and into a mail program's arguments.
///
/// Two are equal when they differ in case only. Quoted names before the `@` (RFC 5321 §4.1.2), which nobody uses, are not taken.
#[derive(Clone)]
pub struct EmailAddress {
    text: Box<str>,
    key: Box<str>,
}

/// Why text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Nothing before or after the `@`, or none.
    #[error("it must be like name@example.org")]
    Form,
    /// Longer than any address may be.
    #[error("it is longer than {MAX_BYTES} bytes")]
    Long,
    /// Spaces, quotes, brackets, commas, and characters that nobody sees.
    #[error("it holds a character that no address has")]
    Character,
    /// Programs would take it for an option.
    #[error("it begins with -")]
    Dash,
}

impl EmailAddress {
    /// Checks the address. Spaces around it do not count.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, BadAddress> {
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err(BadAddress::Long);
        }
        if text.starts_with('-') {
            return Err(BadAddress::Dash);
        }
        if text.chars().any(never) {
            return Err(BadAddress::Character);
        }
        match text.split_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() && !domain.contains('@') => {
                Ok(Self { text: text.into(), key: text.to_lowercase().into() })
            }
            _ => Err(BadAddress::Form),
        }
    }

    /// The address, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same for addresses that differ in case only.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Characters that would end the address where it is written into a list, a file or a terminal.
fn never(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '<' | '>' | '(' | ')' | ',' | ';' | '"' | '\\')
        || matches!(character, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
        || matches!(character, '\u{FFFE}' | '\u{FFFF}')
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl Eq for EmailAddress {}

impl PartialOrd for EmailAddress {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for EmailAddress {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl Hash for EmailAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// An address with the name of whoever has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The name; often empty.
    pub name: Text,
    /// The address.
    pub address: EmailAddress,
}

impl Mailbox {
    /// Reads `anna@example.org` or `Anna Berg <anna@example.org>` (RFC 5322 §3.4).
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let text = text.trim();
        match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => Ok(Self { name: unquote(name.trim()), address: EmailAddress::new(address)? }),
            None => Ok(Self { name: Text::default(), address: EmailAddress::new(text)? }),
        }
    }
}

fn unquote(name: &str) -> Text {
    let Some(quoted) = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) else {
        return Text::new(name);
    };
    let mut plain = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        plain.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    Text::from(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_address_is_told() {
        for good in ["anna@example.org", " o'hara+list@xn--bcher-kva.example ", "jörg@bücher.example", "a@[192.0.2.1]"]
        {
            assert!(EmailAddress::new(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", BadAddress::Form),
            ("anna", BadAddress::Form),
            ("@example.org", BadAddress::Form),
            ("anna@", BadAddress::Form),
            ("a@b@c", BadAddress::Form),
            ("-oQ/tmp@x", BadAddress::Dash),
            ("a b@x", BadAddress::Character),
            ("a@x\nb@y", BadAddress::Character),
            ("a@x,b@y", BadAddress::Character),
            ("\"a\"@x", BadAddress::Character),
            ("a\u{202E}@x", BadAddress::Character),
        ] {
            assert_eq!(EmailAddress::new(bad), Err(why), "{bad:?}");
        }
        assert_eq!(EmailAddress::new(&format!("{}@x", "a".repeat(300))), Err(BadAddress::Long));
    }

    #[test]
    fn a_name_may_stand_before_the_address() {
        let parsed =
            |text: &str| Mailbox::parse(text).map(|mailbox| (mailbox.name.to_string(), mailbox.address.to_string()));
        let both = |name: &str| Ok((name.to_owned(), "a@x".to_owned()));
        assert_eq!(parsed("a@x"), both(""));
        assert_eq!(parsed("<a@x>"), both(""));
        assert_eq!(parsed("Anna Berg <a@x>"), both("Anna Berg"));
        assert_eq!(parsed(r#""Berg, \"Anna\"" < a@x >"#), both("Berg, \"Anna\""));
        assert_eq!(parsed("Anna <a x>"), Err(BadAddress::Character));
    }

    proptest! {
        #[test]
        fn an_address_is_one_word(text in "[ -~ä\u{202E}\n@]{0,40}") {
            if let Ok(address) = EmailAddress::new(&text) {
                prop_assert_eq!(address.as_str().split_whitespace().count(), 1);
                prop_assert!(!address.as_str().starts_with('-'));
                prop_assert_eq!(EmailAddress::new(&address.as_str().to_uppercase()).ok(), Some(address));
            }
        }
    }
}
