//! Time and chance: one source of both, made at the top and handed down, so that tests need neither wait nor roll dice.
#![allow(clippy::disallowed_methods, reason = "the one place that asks the machine")]

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::pim::UnixTime;

/// Ends when a time has passed.
pub type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Gives the time, waits, and rolls the dice.
pub trait Clock: Send + Sync {
    /// The time of day, as fine as file systems note it. It may be set back.
    fn wall(&self) -> SystemTime;

    /// The time since some fixed moment. It never runs back.
    fn elapsed(&self) -> Duration;

    /// A wait of our own choice; takes no time where time is only played.
    fn sleep(&self, time: Duration) -> Wait;

    /// The end of our patience with others, who need real time even where ours is only played.
    fn alarm(&self, time: Duration) -> Wait;

    /// Any number, new each time. Good for the password of a server that lives as long as this run, and for no other secret.
    fn random(&self) -> u64;

    /// The time of day in seconds.
    fn now(&self) -> UnixTime {
        let since = self.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixTime(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    /// A number from 0 (included) to 1 (not), new each time.
    fn chance(&self) -> f64 {
        (self.random() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An identifier that nobody else has.
    fn unique(&self) -> u128 {
        u128::from(self.random()) << 64 | u128::from(self.random())
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose time begins now.
    #[expect(clippy::new_without_default, reason = "two of them do not tell the same time")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, time: Duration) -> Wait {
        Box::pin(tokio::time::sleep(time))
    }

    fn alarm(&self, time: Duration) -> Wait {
        Box::pin(tokio::time::sleep(time))
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }
}

/// What comes of `future`, unless the alarm goes first.
pub async fn within<F: Future>(clock: &dyn Clock, limit: Duration, future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = clock.alarm(limit) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_come_in_time_is_given_up() {
        let clock = SystemClock::new();
        assert_eq!(within(&clock, Duration::from_secs(600), std::future::ready(5)).await, Some(5));
        assert_eq!(within(&clock, Duration::from_millis(1), std::future::pending::<()>()).await, None);
    }

    #[test]
    fn chance_lies_between_none_and_certainty() {
        let clock = SystemClock::new();
        assert!((0..1000).all(|_| (0.0..1.0).contains(&clock.chance())));
        assert_ne!(clock.unique(), clock.unique());
    }
}
