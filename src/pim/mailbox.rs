//! Mailboxes beside one's own.

use std::fmt;
use std::str::FromStr;

/// A mailbox that is synchronized beside the account's own, as the settings name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtherMailbox {
    /// That of somebody else, or one that several people share: `shared@example.org`, its primary address (MS-OXWSCDATA `EmailAddressType`).
    Of(String),
    /// One's own archive: `archive`.
    Archive,
    /// The archive of another mailbox: `archive:shared@example.org`.
    ArchiveOf(String),
}

/// The word for an archive.
const ARCHIVE: &str = "archive";

impl OtherMailbox {
    /// The address of the mailbox, where it is not one's own.
    pub fn owner(&self) -> Option<&str> {
        match self {
            Self::Of(owner) | Self::ArchiveOf(owner) => Some(owner),
            Self::Archive => None,
        }
    }

    /// Whether it is an archive.
    pub fn is_archive(&self) -> bool {
        matches!(self, Self::Archive | Self::ArchiveOf(_))
    }

    /// Its name for people and for its directory.
    pub fn title(&self) -> String {
        match self {
            Self::Of(owner) => owner.clone(),
            Self::Archive => "Archive".to_owned(),
            Self::ArchiveOf(owner) => format!("Archive of {owner}"),
        }
    }
}

impl fmt::Display for OtherMailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(owner) => f.write_str(owner),
            Self::Archive => f.write_str(ARCHIVE),
            Self::ArchiveOf(owner) => write!(f, "{ARCHIVE}:{owner}"),
        }
    }
}

impl FromStr for OtherMailbox {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_lowercase();
        match text.split_once(':') {
            None if text == ARCHIVE => Ok(Self::Archive),
            Some((ARCHIVE, owner)) if is_address(owner) => Ok(Self::ArchiveOf(owner.to_owned())),
            None if is_address(&text) => Ok(Self::Of(text)),
            _ => Err(format!(
                "a mailbox is named by its address, such as shared@example.org, or as {ARCHIVE} or {ARCHIVE}:shared@example.org"
            )),
        }
    }
}

/// Whether it is an address that a directory can have for its name, too.
fn is_address(text: &str) -> bool {
    let is_plain =
        |character: char| !character.is_control() && !character.is_whitespace() && !"/\\:%\"<>".contains(character);
    text.chars().all(is_plain)
        && !text.starts_with(['.', '-'])
        && !text.ends_with('.')
        && text.len() <= 150
        && matches!(text.split_once('@'), Some((name, domain)) if !name.is_empty() && !domain.is_empty() && !domain.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_written_as_it_is_read() {
        for (text, mailbox) in [
            ("shared@example.org", OtherMailbox::Of("shared@example.org".to_owned())),
            ("archive", OtherMailbox::Archive),
            ("archive:team@x.org", OtherMailbox::ArchiveOf("team@x.org".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(mailbox.clone()));
            assert_eq!(mailbox.to_string(), text);
        }
        assert_eq!(
            "Shared@Example.org".parse::<OtherMailbox>().map(|mailbox| mailbox.title()),
            Ok("shared@example.org".to_owned())
        );
        for bad in [
            "",
            "shared",
            "@x.org",
            "a@",
            "a@b@c",
            "archive:",
            "archive:x",
            "other:a@x.org",
            "../a@x.org",
            "a b@x.org",
            "a/b@x.org",
        ] {
            assert!(bad.parse::<OtherMailbox>().is_err(), "{bad}");
        }
    }
}
