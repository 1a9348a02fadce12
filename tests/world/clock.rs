//! Time that tests turn by hand, and waits that take none.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use pimsync::clock::{Clock, Wait};

/// The time of day moves when a test says so; waits only count, and chance is none.
pub struct TestClock {
    /// Milliseconds since 1970.
    wall: AtomicI64,
    /// Milliseconds that were waited.
    waited: AtomicU64,
}

impl TestClock {
    pub fn at(wall: SystemTime) -> Self {
        let since = wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, milliseconds);
        Self { wall: AtomicI64::new(since.cast_signed()), waited: AtomicU64::new(0) }
    }

    /// Ahead of the machine's clock, by which file systems stamp.
    pub fn ahead(time: Duration) -> Self {
        Self::at(SystemTime::now() + time)
    }

    /// By seconds, which may lead back.
    pub fn advance(&self, seconds: i64) {
        self.wall.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Default for TestClock {
    /// A day in 2096: stamps of files are only believed when they are older than two seconds, and those of tests then are.
    fn default() -> Self {
        Self::at(SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000))
    }
}

impl Clock for TestClock {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.wall.load(Ordering::SeqCst).cast_unsigned())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.waited.load(Ordering::SeqCst))
    }

    fn sleep(&self, time: Duration) -> Wait {
        self.waited.fetch_add(milliseconds(time), Ordering::SeqCst);
        Box::pin(tokio::task::yield_now())
    }

    /// Servers are real, and take their time.
    fn alarm(&self, time: Duration) -> Wait {
        Box::pin(tokio::time::sleep(time))
    }

    fn random(&self) -> u64 {
        0
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
