//! The master list of categories: the file, and the document that the server keeps.
//!
//! Neither is ever made anew where there is one: what a change is not about stays as it is, byte by byte.

mod document;
mod file;
#[cfg(test)]
mod tests;

pub use document::CategoryDocument;
pub use file::CategoryFile;

/// Bytes of a list; nobody has that many categories.
pub const MAX_LIST: usize = 1 << 20;
/// Categories of a list.
pub const MOST_CATEGORIES: usize = 5000;
/// Characters of a name: what Outlook takes.
const LONGEST_NAME: usize = 255;

/// Why a list cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CategoriesError {
    /// Too many bytes.
    #[error("it has {0} bytes, more than the {MAX_LIST} that a list of categories may have")]
    TooLarge(usize),
    /// Too many categories.
    #[error("it has more than {MOST_CATEGORIES} categories")]
    TooMany,
    /// Another encoding.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// The file is no TOML.
    #[error("line {line}: {reason}")]
    NotToml {
        /// From 1 on.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// The file does not say what it should.
    #[error("{0}")]
    Unclear(String),
    /// The server's document is no list.
    #[error("the server's document is no list of categories: {0}")]
    NoList(String),
    /// What was written cannot be read back.
    #[error(
        "the file is laid out in a way that cannot be changed without loss; write each category as a [[category]] table"
    )]
    Unwritable,
}

/// Whether it can be the name of a category on both sides.
fn is_name(name: &str) -> bool {
    !name.trim().is_empty()
        && name.chars().count() <= LONGEST_NAME
        && !name.chars().any(|character| character.is_control() || matches!(character, '\u{FFFE}' | '\u{FFFF}'))
}
