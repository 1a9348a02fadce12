//! Names of archives: `IDENTITY-20261122T103000Z-000042.tar.zst`.

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

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
}

const SUFFIX: &str = ".tar.zst";
const TIME: &str = "%Y%m%dT%H%M%SZ";

impl ArchiveName {
    /// Reads a file's name; `None` when it is no archive's.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(SUFFIX)?.rsplitn(3, '-');
        let (number, time, identity) = (parts.next()?, parts.next()?, parts.next()?);
        if number.len() < 6 || identity.is_empty() {
            return None;
        }
        let time = civil::DateTime::strptime(TIME, time).ok()?.to_zoned(TimeZone::UTC).ok()?;
        let name = Self {
            identity: identity.to_owned(),
            created: UnixTime(time.timestamp().as_second()),
            number: number.parse().ok()?,
        };
        // The only spelling, so that a name that was changed by hand stands for no other archive.
        (name.to_string().len() == number.len() + identity.len() + SUFFIX.len() + 18).then_some(name)
    }
}

impl fmt::Display for ArchiveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_second(self.created.0).unwrap_or(Timestamp::UNIX_EPOCH);
        write!(f, "{}-{}-{:06}{SUFFIX}", self.identity, time.strftime(TIME), self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written() {
        let name = ArchiveName { identity: "My-Büro 2".to_owned(), created: UnixTime(1_795_343_400), number: 42 };
        assert_eq!(name.to_string(), "My-Büro 2-20261122T103000Z-000042.tar.zst");
        assert_eq!(ArchiveName::parse(&name.to_string()), Some(name));
        let high = ArchiveName { identity: "M".to_owned(), created: UnixTime(0), number: 12_345_678 };
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
            "Main-20261122T103000Z-99999999999.tar.zst",
        ] {
            assert_eq!(ArchiveName::parse(other), None, "{other}");
        }
    }
}
