//! Folder names as directory names and back. Exchange allows any text of up to 255 characters as a name; file systems do not.
//!
//! | a name with | becomes |
//! |---|---|
//! | `/`, NUL, control characters, line separators, marks that turn the direction of text, `%` | `%HH` for each UTF-8 byte |
//! | a leading `.`, a trailing space or `.` | that character as `%HH` |
//! | nothing but `cur`, `new`, `tmp`, `Public Folders`, `Other Mailboxes` or a file name of ours, in any case | its first character as `%HH` |
//! | the same spelling as a sibling's, but for case or Unicode form | the suffix `%~2`, `%~3`, … |
//! | more than 200 bytes | its beginning, `%~`, 16 hexadecimal digits; the name itself is in the folder's file `displayname` |
//! | nothing at all | `%~1` |

use unicode_normalization::UnicodeNormalization;

/// Most bytes of a directory's name before a twin's suffix: file systems take 255, and some add to names (eCryptfs: 143 at most,
/// but there any long name fails, not only ours).
const MAX_BYTES: usize = 200;

/// What stands between a shortened or twin name and its suffix. Never the beginning of an encoded byte.
const MARK: &str = "%~";

const HASH_DIGITS: usize = 16;

/// What lies in folders beside sub-folders, so that no sub-folder can have the name.
const RESERVED: [&str; 9] = [
    "cur",
    "new",
    "tmp",
    "displayname",
    "color",
    "maildirfolder",
    "categories.toml",
    "public folders",
    "other mailboxes",
];
const RESERVED_PREFIXES: [&str; 2] = ["dovecot-", "dovecot."];

/// A directory name for a folder's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirName {
    /// The name of the directory.
    pub name: String,
    /// Whether [`decode`] gives the folder's name back; where not, the folder's file `displayname` has to.
    pub reversible: bool,
}

/// The directory name for a folder's name, unlike all siblings': `taken` is asked with the [`twin_key`] of each candidate.
pub fn encode(name: &str, taken: &dyn Fn(&str) -> bool) -> DirName {
    let escaped = escape(name);
    let reversible = escaped.len() <= MAX_BYTES;
    let base = if reversible { escaped } else { shorten(name) };
    let first = if base.is_empty() { format!("{MARK}1") } else { base.clone() };
    let name = std::iter::once(first)
        .chain((2u32..).map(|number| format!("{base}{MARK}{number}")))
        .find(|candidate| !taken(&twin_key(candidate)))
        .unwrap_or(base);
    DirName { name, reversible }
}

/// The folder's name that a directory's name stands for. Total: what [`encode`] cannot have made stands for itself.
///
/// Of a shortened name ([`is_shortened`]) only the beginning is known.
pub fn decode(dir_name: &str) -> String {
    let base = without_twin_suffix(dir_name);
    let body = without_hash(base).unwrap_or(base);
    match unescape(body) {
        Some(name) if base != body || escape(&name) == body => name,
        _ => dir_name.to_owned(),
    }
}

/// Equal for directory names that some file system takes for the same: names that differ in case or in Unicode form only.
pub fn twin_key(dir_name: &str) -> String {
    if dir_name.is_ascii() {
        return dir_name.to_ascii_lowercase();
    }
    // Upper case first: it joins what only lower case tells apart (ß and ss, σ and ς).
    dir_name.nfc().collect::<String>().to_uppercase().to_lowercase().nfc().collect()
}

/// Whether the directory's name is a shortened one, so that its file `displayname` has the folder's name.
pub fn is_shortened(dir_name: &str) -> bool {
    without_hash(without_twin_suffix(dir_name)).is_some()
}

/// Whether a shortened directory name was made from this name. A `displayname` that says something else is not about it.
pub fn is_shortened_from(dir_name: &str, name: &str) -> bool {
    is_shortened(dir_name) && without_twin_suffix(dir_name) == shorten(name)
}

fn without_twin_suffix(dir_name: &str) -> &str {
    match dir_name.rsplit_once(MARK) {
        Some((base, number)) if (1..=6).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            base
        }
        _ => dir_name,
    }
}

fn without_hash(base: &str) -> Option<&str> {
    let is_hash =
        |text: &str| text.len() == HASH_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    base.rsplit_once(MARK).filter(|(_, hash)| is_hash(hash)).map(|(body, _)| body)
}

fn shorten(name: &str) -> String {
    let room = MAX_BYTES - MARK.len() - HASH_DIGITS;
    let mut short = String::new();
    for piece in pieces(name) {
        if short.len() + piece.len() > room {
            break;
        }
        short.push_str(&piece);
    }
    let hash = blake3::hash(name.as_bytes()).to_hex();
    short.push_str(MARK);
    short.extend(hash.chars().take(HASH_DIGITS));
    short
}

fn escape(name: &str) -> String {
    pieces(name).collect()
}

/// The name, character by character, each as it stands or escaped.
fn pieces(name: &str) -> impl Iterator<Item = String> {
    let key = twin_key(name);
    let reserved = RESERVED.contains(&key.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| key.starts_with(prefix));
    let last = name.char_indices().next_back().map(|(at, _)| at);
    name.char_indices().map(move |(at, character)| {
        let hide = never(character)
            || (at == 0 && (reserved || character == '.'))
            || (Some(at) == last && matches!(character, ' ' | '.'));
        let mut bytes = [0; 4];
        let text = character.encode_utf8(&mut bytes);
        if hide { text.bytes().map(|byte| format!("%{byte:02X}")).collect() } else { text.to_owned() }
    })
}

fn never(character: char) -> bool {
    matches!(character,
        '/' | '%'
        | '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
        | '\u{2028}' | '\u{2029}')
        || character.is_control()
}

fn unescape(body: &str) -> Option<String> {
    let mut name = Vec::with_capacity(body.len());
    let mut bytes = body.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            name.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        name.push(u8::try_from((digit()? << 4) | digit()?).ok()?);
    }
    String::from_utf8(name).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn alone(name: &str) -> DirName {
        encode(name, &|_| false)
    }

    #[test]
    fn names_become_what_the_table_says() {
        for (name, dir) in [
            ("Inbox", "Inbox"),
            ("Zürich 2024", "Zürich 2024"),
            ("AC/DC", "AC%2FDC"),
            ("100 %", "100 %25"),
            (".hidden", "%2Ehidden"),
            ("..", "%2E%2E"),
            ("etc. ", "etc.%20"),
            ("etc.", "etc%2E"),
            ("cur", "%63ur"),
            ("TMP", "%54MP"),
            ("displayname", "%64isplayname"),
            ("Categories.toml", "%43ategories.toml"),
            ("dovecot-keywords", "%64ovecot-keywords"),
            ("Dovecot", "Dovecot"),
            ("tab\there", "tab%09here"),
            ("\u{202E}cod.exe", "%E2%80%AEcod.exe"),
            ("", "%~1"),
        ] {
            assert_eq!(alone(name), DirName { name: dir.into(), reversible: true });
            assert_eq!(decode(dir), name);
        }
    }

    #[test]
    fn what_people_name_directories_stands_for_itself() {
        for dir in ["100% sure", "%", "a%2", "a%zz", "%FF", "50%41", "%2e", "x%~", "x%~old", ".config"] {
            assert_eq!(decode(dir), dir);
        }
    }

    #[test]
    fn siblings_that_differ_in_case_or_form_are_told_apart() {
        let taken = BTreeSet::from([twin_key("Straße"), twin_key("caf\u{E9}"), twin_key("a"), twin_key("A%~2")]);
        for (name, dir) in [("STRASSE", "STRASSE%~2"), ("cafe\u{301}", "cafe\u{301}%~2"), ("A", "A%~3"), ("b", "b")] {
            assert_eq!(encode(name, &|key| taken.contains(key)).name, dir);
            assert_eq!(decode(dir), name);
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let name = "ü/".repeat(120);
        let short = alone(&name);
        assert!(!short.reversible && short.name.len() <= MAX_BYTES && is_shortened(&short.name));
        assert!(is_shortened_from(&short.name, &name) && !is_shortened_from(&short.name, "ü/ü/"));
        assert!(name.starts_with(&decode(&short.name)));
        let taken = twin_key(&short.name);
        let twin = encode(&name, &|key| key == taken);
        assert!(is_shortened_from(&twin.name, &name) && twin.name != short.name);
        assert!(!is_shortened("deadbeefdeadbeef") && !is_shortened("x%~123456"));
    }

    fn odd_names() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[a-zA-Z.%/ ~0-9]{0,12}",
            "(cur|NEW|Tmp|\\.|\\.\\.|displayname|%~2|x%~2| )",
            "[äÄßσςΣéi̇İ%]{0,90}",
        ]
    }

    proptest! {
        #[test]
        fn every_name_has_a_directory_and_comes_back(name in odd_names()) {
            let dir = alone(&name);
            prop_assert!(!dir.name.is_empty() && !dir.name.contains(['/', '\0']) && !dir.name.starts_with('.'));
            prop_assert!(dir.name.len() <= MAX_BYTES + 8);
            prop_assert!(!RESERVED.contains(&twin_key(&dir.name).as_str()));
            if dir.reversible {
                prop_assert_eq!(decode(&dir.name), name);
            } else {
                prop_assert!(is_shortened_from(&dir.name, &name));
            }
        }

        #[test]
        fn siblings_never_share_a_directory(names in prop::collection::vec(odd_names(), 0..12)) {
            let mut keys = BTreeSet::new();
            for name in names {
                let dir = encode(&name, &|key| keys.contains(key));
                if dir.reversible {
                    prop_assert_eq!(decode(&dir.name), name);
                }
                prop_assert!(keys.insert(twin_key(&dir.name)), "{:?}", dir);
            }
        }

        #[test]
        fn decoding_is_total(dir in any::<String>()) {
            decode(&dir);
            is_shortened(&dir);
        }
    }
}
