//! Which keyword letters stand for which categories in a folder: its file `dovecot-keywords`.
//!
//! The convention of Dovecot (<https://doc.dovecot.org>, "Maildir", `dovecot-keywords`) and OfflineIMAP: a line a letter, `0 Name`
//! for `a`, up to `25` for `z`. The names are IMAP keywords, which are atoms; what a category's name has beyond that is encoded.

use crate::pim::{Categories, Category};

use super::Letters;

/// The letters of a folder and the categories that they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keywords {
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Assigned {
        letter: u8,
        raw: String,
        category: Category,
    },
    /// Kept as it is.
    Other(Vec<u8>),
}

const LETTERS: usize = 26;

impl Keywords {
    /// Reads the file's content. Lines that make no sense are kept, not used.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut keywords = Self::default();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let assigned = read_line(line).filter(|(letter, _)| keywords.raw(*letter).is_none());
            keywords.lines.push(match assigned {
                Some((letter, raw)) => Line::Assigned { letter, raw: raw.to_owned(), category: Category(decode(raw)) },
                None => Line::Other(line.to_owned()),
            });
        }
        keywords
    }

    /// The file's content.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in &self.lines {
            match line {
                Line::Assigned { letter, raw, .. } => {
                    bytes.extend_from_slice(format!("{} {raw}", letter - b'a').as_bytes())
                }
                Line::Other(line) => bytes.extend_from_slice(line),
            }
            bytes.push(b'\n');
        }
        bytes
    }

    /// The categories that these letters stand for. A letter without an assignment stands for nothing that could be named.
    pub fn categories(&self, letters: Letters) -> Categories {
        self.assigned().filter(|(letter, _)| letters.has(*letter)).map(|(_, category)| category.clone()).collect()
    }

    /// The letters among these that no line assigns.
    pub fn unassigned(&self, letters: Letters) -> Letters {
        self.assigned().fold(letters, |left, (letter, _)| left.without(Letters::NONE.with(letter)))
    }

    /// The letter of a category.
    pub fn letter(&self, category: &Category) -> Option<u8> {
        self.assigned().find(|(_, assigned)| *assigned == category).map(|(letter, _)| letter)
    }

    /// The letters of these categories, and the categories that have none.
    pub fn letters_for(&self, categories: &Categories) -> (Letters, Categories) {
        let mut left_out = Categories::new();
        let mut letters = Letters::NONE;
        for category in categories {
            match self.letter(category) {
                Some(letter) => letters = letters.with(letter),
                None => {
                    left_out.insert(category.clone());
                }
            }
        }
        (letters, left_out)
    }

    /// Gives each of the categories that has no letter the lowest free one, while there are any. Returns whether it changed.
    pub(super) fn assign(&mut self, categories: &Categories) -> bool {
        let mut changed = false;
        for category in categories {
            if self.letter(category).is_some() || category.0.is_empty() {
                continue;
            }
            let Some(letter) = self.free_letter() else { break };
            let raw = encode(&category.0);
            self.lines.push(Line::Assigned { letter, raw, category: category.clone() });
            changed = true;
        }
        changed
    }

    fn assigned(&self) -> impl Iterator<Item = (u8, &Category)> {
        self.lines.iter().filter_map(|line| match line {
            Line::Assigned { letter, category, .. } => Some((*letter, category)),
            Line::Other(_) => None,
        })
    }

    fn raw(&self, wanted: u8) -> Option<&str> {
        self.lines.iter().find_map(|line| match line {
            Line::Assigned { letter, raw, .. } if *letter == wanted => Some(raw.as_str()),
            Line::Assigned { .. } | Line::Other(_) => None,
        })
    }

    fn free_letter(&self) -> Option<u8> {
        (b'a'..=b'z').find(|letter| self.raw(*letter).is_none())
    }
}

fn read_line(line: &[u8]) -> Option<(u8, &str)> {
    let line = std::str::from_utf8(line).ok()?;
    let (number, raw) = line.trim_end_matches('\r').split_once(' ')?;
    let number = number.parse::<usize>().ok().filter(|number| *number < LETTERS)?;
    let letter = u8::try_from(number).ok()? + b'a';
    (!raw.is_empty()).then_some((letter, raw))
}

/// Whether an IMAP atom may hold the byte (RFC 3501 §9 `ATOM-CHAR`).
fn is_atom(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte)
}

/// A category's name as an IMAP keyword: a space becomes `_`, any other byte that no atom holds, and `_` and `+` themselves,
/// become `+` and two hexadecimal digits.
pub(super) fn encode(name: &str) -> String {
    let mut raw = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b' ' => raw.push('_'),
            b'_' | b'+' => raw.push_str(&format!("+{byte:02X}")),
            byte if is_atom(byte) => raw.push(char::from(byte)),
            byte => raw.push_str(&format!("+{byte:02X}")),
        }
    }
    raw
}

/// The name that a keyword stands for. What [`encode`] cannot have made is a name as it stands.
pub(super) fn decode(raw: &str) -> String {
    if !raw.bytes().all(is_atom) {
        return raw.to_owned();
    }
    let mut name = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'_' => name.push(b' '),
            b'+' => match hex_pair(&mut bytes) {
                Some(decoded) => name.push(decoded),
                None => return raw.to_owned(),
            },
            byte => name.push(byte),
        }
    }
    let nameable = |name: &String| !name.chars().any(char::is_control);
    String::from_utf8(name).ok().filter(nameable).unwrap_or_else(|| raw.to_owned())
}

fn hex_pair(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let mut digit = || char::from(bytes.next()?).to_digit(16);
    u8::try_from(digit()? << 4 | digit()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn categories(names: &[&str]) -> Categories {
        names.iter().map(|name| Category((*name).to_owned())).collect()
    }

    #[test]
    fn a_file_of_another_program_is_read_and_kept() {
        let text = b"0 $Forwarded\n1 Red_Category\nrubbish\n2 Gr\xc3\xbcn raw\n1 Again\n30 TooFar\n25 Caf+C3+A9\n";
        let keywords = Keywords::parse(text);
        let all = Letters::from_bits(u32::MAX);
        assert_eq!(keywords.categories(all), categories(&["$Forwarded", "Red Category", "Grün raw", "Café"]));
        assert_eq!(keywords.to_bytes(), text);
        assert_eq!(keywords.letter(&Category("red category".into())), Some(b'b'));
        assert_eq!(keywords.unassigned(Letters::from_bytes(b"abx")), Letters::from_bytes(b"x"));
    }

    #[test]
    fn a_file_with_foreign_line_ends_is_read() {
        let keywords = Keywords::parse(b"0 Red\r\n1 Blue\r\r\n");
        assert_eq!(keywords.categories(Letters::from_bytes(b"ab")), categories(&["Red", "Blue"]));
    }

    #[test]
    fn names_become_atoms() {
        for (name, raw) in [
            ("Red Category", "Red_Category"),
            ("a_b+c", "a+5Fb+2Bc"),
            ("50 % (é)", "50_+25_+28+C3+A9+29"),
            ("$Junk", "$Junk"),
        ] {
            assert_eq!(encode(name), raw);
        }
        for raw in ["1+1", "+ZZ", "+C3", "a+0A", "+"] {
            assert_eq!(decode(raw), raw, "no encoding of ours: as it stands");
        }
    }

    #[test]
    fn more_categories_than_letters_are_left_out_visibly() {
        let names: Vec<String> = (0..30).map(|number| format!("C{number:02}")).collect();
        let all: Categories = names.iter().cloned().map(Category).collect();
        let mut keywords = Keywords::default();
        assert!(keywords.assign(&all) && !keywords.assign(&all));
        let (letters, left_out) = keywords.letters_for(&all);
        assert_eq!((letters.bytes().count(), left_out), (26, categories(&["C26", "C27", "C28", "C29"])));
        assert_eq!(Keywords::parse(&keywords.to_bytes()), keywords);
    }

    proptest! {
        #[test]
        fn names_round_trip(name in "\\PC{1,20}") {
            let raw = encode(&name);
            prop_assert!(raw.bytes().all(is_atom));
            prop_assert_eq!(decode(&raw), name);
        }

        #[test]
        fn any_file_is_given_back(text in "([0-9]{1,2} [^\n]{1,8}\n|[^\n]{1,8}\n){0,12}") {
            let keywords = Keywords::parse(text.as_bytes());
            let again = Keywords::parse(&keywords.to_bytes());
            prop_assert_eq!(&again, &keywords);
        }
    }
}
