//! Values of text: escaped, in lists, in structures (RFC 5545 §3.3.11, RFC 6350 §3.4 and §6.2.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Text as a value.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\\' | ';' | ',' => escaped.extend(['\\', character]),
            '\n' => escaped.push_str("\\n"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The text that a value is. A backslash before anything else than RFC 5545 names stays, as in a path of Windows.
pub fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('n' | 'N') => text.push('\n'),
            Some(escaped @ ('\\' | ';' | ',' | ':' | '"')) => text.push(escaped),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    text
}

/// The bytes that a value in BASE64 stands for (RFC 4648 §4), also where white space is in it.
pub fn decode_base64(value: &str) -> Option<Vec<u8>> {
    STANDARD.decode(value).ok().or_else(|| {
        let value: Vec<u8> = value.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        STANDARD.decode(value).ok()
    })
}

/// Cuts a value at a separator that is not escaped. The pieces are still escaped.
pub fn split(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    value.split(move |character| {
        let cut = character == separator && !escaped;
        escaped = character == '\\' && !escaped;
        cut
    })
}

/// Puts texts together with a separator, each escaped.
pub fn join<'a>(texts: impl IntoIterator<Item = &'a str>, separator: &str) -> String {
    texts.into_iter().map(escape).collect::<Vec<_>>().join(separator)
}
