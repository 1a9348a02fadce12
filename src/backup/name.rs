//! Names of archives: `IDENTITY-20261122T103000Z-000042.tar.zst`, and `….tar.zst.age` of encrypted ones.

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde::{Deserialize, Serialize};

use crate::pim::UnixTime;

/// What an archive's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveName {
    /// The identity's name.
    pub identity: String,
    /// When the backup began, by the clock of the machine.
    pub created: UnixTime,
    /// The number of the archive: each is one higher than all before it in the same place. Unlike the clock it never goes back.
    pub number: u32,
    /// What its bytes are.
    pub form: Form,
}

/// What an archive's bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A compressed tar.
    #[default]
    Plain,
    /// A compressed tar, encrypted.
    Sealed,
}

impl Form {
    fn suffix(self) -> &'static str {
        match self {
            Self::Plain => ".tar.zst",
            Self::Sealed => SEALED,
        }
    }

    /// What the bytes of a file with that name are.
    pub(super) fn of(name: &str) -> Self {
        if name.ends_with(SEALED) { Self::Sealed } else { Self::Plain }
    }
}

const SEALED: &str = ".tar.zst.age";
const TIME: &str = "%Y%m%dT%H%M%SZ";

impl ArchiveName {
    /// Reads a file's name; `None` when it is no archive's.
    pub fn parse(name: &str) -> Option<Self> {
        let form = Form::of(name);
        let mut parts = name.strip_suffix(form.suffix())?.rsplitn(3, '-');
        let (number, time, identity) = (parts.next()?, parts.next()?, parts.next()?);
        if number.len() < 6 || identity.is_empty() {
            return None;
        }
        let time = civil::DateTime::strptime(TIME, time).ok()?.to_zoned(TimeZone::UTC).ok()?;
        let name = Self {
            identity: identity.to_owned(),
            created: UnixTime(time.timestamp().as_second()),
            number: number.parse().ok()?,
            form,
        };
        // The only spelling, so that a name that was changed by hand stands for no other archive.
        (name.to_string().len() == number.len() + identity.len() + form.suffix().len() + 18).then_some(name)
    }
}

impl fmt::Display for ArchiveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_second(self.created.0).unwrap_or(Timestamp::UNIX_EPOCH);
        write!(f, "{}-{}-{:06}{}", self.identity, time.strftime(TIME), self.number, self.form.suffix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written() {
        let form = Form::Plain;
        let name =
            ArchiveName { identity: "My-Büro 2".to_owned(), created: UnixTime(1_795_343_400), number: 42, form };
        assert_eq!(name.to_string(), "My-Büro 2-20261122T103000Z-000042.tar.zst");
        assert_eq!(ArchiveName::parse(&name.to_string()), Some(name.clone()));
        let sealed = ArchiveName { form: Form::Sealed, ..name };
        assert_eq!(sealed.to_string(), "My-Büro 2-20261122T103000Z-000042.tar.zst.age");
        assert_eq!(ArchiveName::parse(&sealed.to_string()), Some(sealed));
        let high = ArchiveName { identity: "M".to_owned(), created: UnixTime(0), number: 12_345_678, form };
        assert_eq!(ArchiveName::parse(&high.to_string()), Some(high));
    }

    #[test]
    fn other_files_are_no_archives() {
        for other in [
            "",
            "Main.tar.zst",
            "Main-20261122T103000Z-42.tar.zst",
            "-20261122T103000Z-000042.tar.zst",
            "Main-20261322T103000Z-000042.tar.zst",
            "Main-20261122T103000Z-000042.tar.zst.part",
            "Main-2026-000042.tar.zst",
            "Main-20261122T103000Z-000042.age",
            "Main-20261122T103000Z-99999999999.tar.zst",
        ] {
            assert_eq!(ArchiveName::parse(other), None, "{other}");
        }
    }
}
