//! Which archive is meant.

use std::path::Path;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use crate::backup::{BackupError, Found, Stored, Target};
use crate::cli::context::Context;
use crate::cli::failure::UsageError;
use crate::pim::UnixTime;

/// How an archive is asked for.
pub(in crate::cli) struct Pick<'a> {
    /// Its file, its file's name, or its number.
    pub(in crate::cli) archive: Option<&'a str>,
    /// The target that it lies in.
    pub(in crate::cli) from: Option<&'a Path>,
    /// The newest that is not younger.
    pub(in crate::cli) at: Option<UnixTime>,
    /// The file with what opens encrypted archives, instead of the one that the environment names.
    pub(in crate::cli) keys: Option<&'a Path>,
}

impl Pick<'_> {
    /// The target that is looked in.
    pub(in crate::cli) fn target(&self, context: &Context) -> anyhow::Result<Target> {
        let at = self.from.map_or_else(|| context.layout.backups(), Path::to_owned);
        context.target(&at, self.keys)
    }

    /// The one that is meant; without more, the newest.
    pub(in crate::cli) fn one(&self, context: &Context) -> anyhow::Result<Stored> {
        if let Some((at, file)) =
            self.archive.filter(|archive| archive.starts_with("s3://")).and_then(|url| url.rsplit_once('/'))
        {
            return Ok(context.target(Path::new(at), self.keys)?.file(file));
        }
        if let Some(path) = self.archive.map(Path::new).filter(|path| path.components().count() > 1 || path.is_file()) {
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            return Ok(context.target(dir, self.keys)?.file(path.file_name().unwrap_or_default()));
        }
        let target = self.target(context)?;
        let identity = context.layout.identity().as_str();
        let found = target.archives(identity)?.into_iter().rev().find(|found| self.is_meant(found));
        let none = || BackupError::NoArchive {
            target: target.location().clone(),
            wanted: match (self.archive, self.at) {
                (Some(archive), _) => archive.to_owned(),
                (None, Some(_)) => format!("of identity {identity} from that time or before"),
                (None, None) => format!("of identity {identity}"),
            },
        };
        Ok(found.map(|found| found.stored).ok_or_else(none)?)
    }

    fn is_meant(&self, found: &Found) -> bool {
        let named = self.archive.is_none_or(|wanted| {
            wanted == found.name.to_string() || wanted.parse().is_ok_and(|number: u32| number == found.name.number)
        });
        named && self.at.is_none_or(|at| found.name.created <= at)
    }
}

/// Which end of a day a date without a time means.
#[derive(Clone, Copy)]
pub(in crate::cli) enum Day {
    Start,
    End,
}

/// A time as people give it: `2026-11-22`, `2026-11-22 10:30` (of this machine's zone), `2026-11-22T10:30:00Z`.
pub(in crate::cli) fn moment(text: &str, day: Day) -> Result<UnixTime, UsageError> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(UnixTime(time.as_second()));
    }
    let date = text.parse::<civil::Date>().ok().filter(|_| text.len() <= 10);
    let time = match (date, day) {
        (Some(date), Day::Start) => Some(date.at(0, 0, 0, 0)),
        (Some(date), Day::End) => Some(date.at(23, 59, 59, 0)),
        (None, _) => text.parse::<civil::DateTime>().ok(),
    };
    let zoned = time.and_then(|time| time.to_zoned(TimeZone::system()).ok());
    zoned.map(|zoned| UnixTime(zoned.timestamp().as_second())).ok_or_else(|| {
        UsageError(format!(
            "{text:?} is no time: write it like 2026-11-22, \"2026-11-22 10:30\" or 2026-11-22T10:30:00Z"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_taken_as_people_write_it() {
        assert_eq!(moment("2026-11-22T10:30:00Z", Day::End).unwrap(), UnixTime(1_795_343_400));
        let day = |day| moment("2026-11-22", day).unwrap().0;
        assert_eq!(day(Day::End) - day(Day::Start), 86_399);
        assert_eq!(moment("2026-11-22 00:00", Day::End).unwrap().0, day(Day::Start));
        for bad in ["", "yesterday", "2026-13-01", "10:30"] {
            assert!(moment(bad, Day::Start).is_err(), "{bad}");
        }
    }
}
