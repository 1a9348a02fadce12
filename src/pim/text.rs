//! Text that every format and the server can hold.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text without control characters but tabulator and line feed: whatever ends a line elsewhere (CR LF, CR) is a line feed here.
///
/// XML 1.0 §2.2 forbids other control characters and two code points, content lines (RFC 5545 §3.1) forbid them, too, and both sides
/// change line ends as they like. So one that came either way compares equal. Empty text is the same as none.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(Box<str>);

impl Text {
    /// Takes any text, without what cannot be held.
    pub fn new(text: &str) -> Self {
        let may_stay = |c: char| {
            matches!(c, '\t' | '\n') || !(c.is_control() && c.is_ascii() || matches!(c, '\u{FFFE}' | '\u{FFFF}'))
        };
        if text.chars().all(may_stay) {
            return Self(text.into());
        }
        let unified = text.replace("\r\n", "\n").replace('\r', "\n");
        Self(unified.chars().filter(|character| may_stay(*character)).collect::<String>().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_every_side_can_hold() {
        assert_eq!(Text::new("a\r\nb\rc\nd\te").as_str(), "a\nb\nc\nd\te");
        assert_eq!(Text::new("a\0\u{1b}b\u{FFFF}\u{7f}").as_str(), "ab");
        assert_eq!(Text::new("ä\u{85}\u{200E}").as_str(), "ä\u{85}\u{200E}");
    }
}
