//! When the identity was last backed up, and whether that is too long ago.

use std::path::{Path, PathBuf};

use jiff::{Span, SpanRelativeTo, Unit};
use serde::Serialize;

use crate::backup::{Known, Made, Record};
use crate::cli::context::Context;
use crate::cli::failure::UsageError;
use crate::cli::time::{self, for_people};
use crate::pim::UnixTime;

/// What is known of a directory that backups go to.
#[derive(Serialize)]
pub(super) struct BackupStanding {
    target: String,
    /// The last archive that was made.
    last: Option<Archived>,
    /// The newest one all of whose bytes were read and found to be what was written.
    last_verified: Option<Archived>,
}

#[derive(Serialize)]
struct Archived {
    number: u32,
    #[serde(serialize_with = "time::serialize")]
    created: UnixTime,
    /// Seconds since then; negative where its time lies ahead.
    age: i64,
    /// When it was last verified.
    #[serde(serialize_with = "time::serialize_option")]
    verified: Option<UnixTime>,
    /// Whether it was restored, too, to see whether everything comes back.
    rehearsed: bool,
}

/// How it stands with all targets, or with those that are named.
pub(super) fn standing(context: &Context, only: &[PathBuf]) -> anyhow::Result<Vec<BackupStanding>> {
    let record = Record::read(&context.layout)?;
    let now = context.now();
    if only.is_empty() {
        let targets = record.targets(&context.layout);
        return Ok(targets.map(|(dir, known)| BackupStanding::of(&dir, Some(known), now)).collect());
    }
    only.iter().map(|dir| Ok(BackupStanding::of(dir, record.target(&context.layout, dir)?, now))).collect()
}

/// A line for each target whose last verified archive is older than so many seconds.
pub(super) fn overdue(standing: &[BackupStanding], most: i64) -> Vec<String> {
    if standing.is_empty() {
        return vec!["no backup was ever made: run pimsync backup --verify".to_owned()];
    }
    standing.iter().filter_map(|standing| standing.overdue(most)).collect()
}

/// `36h`, `2 days`, as seconds.
pub(super) fn duration(text: &str) -> Result<i64, UsageError> {
    let span: Option<Span> = text.parse().ok();
    let seconds = span.and_then(|span| span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).ok());
    match seconds {
        // No duration comes near the numbers that an f64 does not hold.
        Some(seconds) if seconds > 0.0 => Ok(seconds as i64),
        _ => Err(UsageError(format!("{text:?} is no duration: write it like 36h or \"2 days\""))),
    }
}

impl BackupStanding {
    fn of(dir: &Path, known: Option<&Known>, now: UnixTime) -> Self {
        let verified = known.and_then(Known::last_verified);
        let last = known.and_then(|known| known.last.as_ref());
        Self {
            target: dir.display().to_string(),
            last: last.map(|made| {
                let verified =
                    known.and_then(|known| known.verified.iter().rfind(|verified| verified.archive == *made));
                Archived::of(made, verified.map(|verified| (verified.at, verified.rehearsed)), now)
            }),
            last_verified: verified
                .map(|verified| Archived::of(&verified.archive, Some((verified.at, verified.rehearsed)), now)),
        }
    }

    fn overdue(&self, most: i64) -> Option<String> {
        let target = &self.target;
        match (&self.last_verified, &self.last) {
            (Some(verified), _) if (0..=most).contains(&verified.age) => None,
            (Some(verified), _) => {
                let (number, created) = (verified.number, for_people(verified.created));
                let ahead = if verified.age < 0 { ", which lies ahead: a clock is or was wrong" } else { "" };
                Some(format!("the last verified backup in {target} is {number:06} of {created}{ahead}"))
            }
            (None, Some(last)) => {
                let (number, created) = (last.number, for_people(last.created));
                let hint = "run pimsync backup verify --read-data, or pimsync backup --verify";
                Some(format!("no backup in {target} was verified; the last one is {number:06} of {created}: {hint}"))
            }
            (None, None) => Some(format!("no backup was ever made in {target}: run pimsync backup --verify")),
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let words = |archived: &Archived| format!("{:06} of {}", archived.number, for_people(archived.created));
        let last = self.last.as_ref().map_or_else(|| "none".to_owned(), words);
        let verified = match (&self.last_verified, &self.last) {
            (None, _) => "none was verified".to_owned(),
            (Some(verified), Some(last)) if verified.number == last.number => "verified".to_owned(),
            (Some(verified), _) => format!("the last verified one is {}", words(verified)),
        };
        format!("{}: {last}; {verified}", self.target)
    }
}

impl Archived {
    fn of(made: &Made, verified: Option<(i64, bool)>, now: UnixTime) -> Self {
        Self {
            number: made.number,
            created: UnixTime(made.created),
            age: now.0.saturating_sub(made.created),
            verified: verified.map(|(at, _)| UnixTime(at)),
            rehearsed: verified.is_some_and(|(_, rehearsed)| rehearsed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Verification;

    #[test]
    fn a_duration_is_taken_as_people_write_it() {
        for (text, seconds) in
            [("36h", 129_600), ("2d", 172_800), ("2 days", 172_800), ("1w", 604_800), ("90 min", 5400)]
        {
            assert_eq!(duration(text).unwrap(), seconds, "{text}");
        }
        for bad in ["", "2", "-1d", "0s", "1 month", "soon"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_backup_is_overdue_when_its_last_verified_one_is_too_old_or_of_tomorrow() {
        let made = |number, created| Made { number, id: number.to_string(), created };
        let known = |last, verified: Option<(u32, i64)>| Known {
            last: Some(last),
            verified: verified
                .map(|(number, created)| Verification { archive: made(number, created), at: 0, rehearsed: false })
                .into_iter()
                .collect(),
            ..Known::default()
        };
        let overdue = |known: Option<&Known>| {
            let standing = BackupStanding::of(Path::new("/disk"), known, UnixTime(1000));
            overdue(&[standing], 100).pop().unwrap_or_default()
        };
        assert_eq!(overdue(Some(&known(made(2, 950), Some((2, 900))))), "");
        assert!(overdue(Some(&known(made(2, 950), Some((1, 899))))).contains("is 000001 of"));
        assert!(overdue(Some(&known(made(2, 950), Some((1, 1001))))).contains("clock"));
        assert!(overdue(Some(&known(made(2, 950), None))).contains("no backup in /disk was verified"));
        assert!(overdue(None).contains("was ever made in /disk"));
    }
}
