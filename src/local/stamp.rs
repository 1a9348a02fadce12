//! Whether a folder changed since it was listed, without listing it again.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::platform::Looked;

/// The times of the directories and files that change when a message comes, goes or is renamed.
///
/// Only good for a comparison with an earlier one of the same folder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DirStamp {
    pub(super) cur: PathStamp,
    pub(super) new: PathStamp,
    /// `dovecot-keywords`: another letter for a category is a change, too.
    pub(super) keywords: PathStamp,
}

/// The times of one directory or file; all zero where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PathStamp {
    pub(super) ino: u64,
    pub(super) mtime_ns: i64,
    /// Also catches a directory whose `mtime` was set back, as restoring tools do.
    pub(super) ctime_ns: i64,
}

/// Within this time of a change another one may leave the same time behind: clocks of file systems tick coarsely (FAT: 2 s).
const TICK: Duration = Duration::from_secs(2);

impl PathStamp {
    pub(super) fn of(found: &Looked) -> Self {
        Self { ino: found.id.ino, mtime_ns: found.stat.mtime_ns, ctime_ns: found.ctime_ns }
    }
}

impl DirStamp {
    /// Whether any change after `now` is sure to show: no time in it is younger than two seconds, or in the future.
    pub fn is_settled(&self, now: SystemTime) -> bool {
        [self.cur, self.new, self.keywords].iter().all(|stamp| is_settled(stamp.mtime_ns.max(stamp.ctime_ns), now))
    }

    /// The stamp as text, for state.db.
    pub fn to_text(&self) -> String {
        [self.cur, self.new, self.keywords]
            .map(|stamp| format!("{:x} {} {}", stamp.ino, stamp.mtime_ns, stamp.ctime_ns))
            .join(" ")
    }

    /// The stamp that [`Self::to_text`] gave; `None` for anything else, which then counts as changed.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut next = || {
            Some(PathStamp {
                ino: u64::from_str_radix(words.next()?, 16).ok()?,
                mtime_ns: words.next()?.parse().ok()?,
                ctime_ns: words.next()?.parse().ok()?,
            })
        };
        let stamp = Self { cur: next()?, new: next()?, keywords: next()? };
        words.next().is_none().then_some(stamp)
    }
}

/// Whether any change after `now` is sure to leave another time than this one, in nanoseconds since 1970.
pub(super) fn is_settled(time_ns: i64, now: SystemTime) -> bool {
    let limit = now.checked_sub(TICK).and_then(|limit| limit.duration_since(UNIX_EPOCH).ok());
    limit.is_some_and(|limit| i128::from(time_ns) < i128::try_from(limit.as_nanos()).unwrap_or(i128::MAX))
}

impl fmt::Debug for DirStamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirStamp({})", self.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(mtime_ns: i64) -> DirStamp {
        let cur = PathStamp { ino: 77, mtime_ns, ctime_ns: -3 };
        DirStamp { cur, new: PathStamp::default(), keywords: PathStamp { ino: u64::MAX, ..PathStamp::default() } }
    }

    #[test]
    fn a_stamp_survives_the_database() {
        assert_eq!(DirStamp::from_text(&stamp(5).to_text()), Some(stamp(5)));
        for bad in ["", "1 2 3", "1 2 3 4 5 6 7 8 9 10", "x 2 3 4 5 6 7 8 9"] {
            assert_eq!(DirStamp::from_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_change_within_the_clocks_tick_is_not_trusted() {
        let now = UNIX_EPOCH + Duration::from_secs(100);
        assert!(stamp(97_999_999_999).is_settled(now));
        assert!(!stamp(98_000_000_000).is_settled(now));
        assert!(!stamp(200_000_000_000).is_settled(now), "a clock that ran ahead");
        assert!(!stamp(0).is_settled(UNIX_EPOCH));
    }
}
