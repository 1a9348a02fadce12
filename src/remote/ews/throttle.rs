//! The gate that all requests of a mailbox pass. When the server asks one of them to slow down, all of them wait: repeating early
//! prolongs the penalty, whoever repeats.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::remote::RemoteError;

/// The first wait when the server does not say how long; doubled each time. Between what neighbours do (1 s and 60 s).
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// The longest wait of that kind.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The shortest wait, whatever the server says: a server that says 0 would be asked in a tight loop.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// How much of a wait is added by chance, so that clients that were turned away together do not come back together.
const JITTER: f64 = 0.1;

/// Holds back all requests of a mailbox while the server asks for it.
pub(super) struct Throttle {
    clock: Arc<dyn Clock>,
    /// How long a spell of throttling may take in all.
    patience: Duration,
    spell: Mutex<Spell>,
}

/// A time in which the server keeps asking to slow down.
#[derive(Clone, Copy, Default)]
struct Spell {
    /// No request before this moment.
    until: Duration,
    /// When it began: the first refusal.
    since: Option<Duration>,
    /// How often the server refused without saying how long to wait.
    strikes: u32,
}

impl Throttle {
    pub(super) fn new(clock: Arc<dyn Clock>, patience: Duration) -> Self {
        Self { clock, patience, spell: Mutex::default() }
    }

    /// Comes back when requests may go out.
    ///
    /// # Errors
    /// [`RemoteError::Throttled`] when that takes longer than this run is willing to wait.
    pub(super) async fn pass(&self) -> Result<(), RemoteError> {
        loop {
            let now = self.clock.elapsed();
            let spell = *self.spell();
            let wait = spell.until.saturating_sub(now);
            if wait.is_zero() {
                return Ok(());
            }
            if spell.until.saturating_sub(spell.since.unwrap_or(now)) > self.patience {
                return Err(RemoteError::Throttled { wait });
            }
            tracing::info!(seconds = wait.as_secs(), "the server asks to slow down");
            self.clock.sleep(wait).await;
        }
    }

    /// The server asked to slow down, and said for how long or not.
    pub(super) fn hear(&self, said: Option<Duration>) {
        let now = self.clock.elapsed();
        let chance = self.clock.chance();
        let mut spell = self.spell();
        let wait = said.unwrap_or_else(|| {
            let doubled = FIRST_WAIT.saturating_mul(1 << spell.strikes.min(8));
            spell.strikes += 1;
            doubled.min(LONGEST_WAIT)
        });
        let wait = wait.max(SHORTEST_WAIT);
        spell.since.get_or_insert(now);
        spell.until = spell.until.max(now.saturating_add(wait).saturating_add(wait.mul_f64(JITTER * chance)));
    }

    /// A request went through: if it was sent after the last refusal, the spell is over.
    pub(super) fn went_through(&self) {
        let now = self.clock.elapsed();
        let mut spell = self.spell();
        if spell.until <= now {
            *spell = Spell::default();
        }
    }

    /// Waits a little before something that failed in passing is tried again; longer each time. Holds up nobody else.
    pub(super) async fn rest(&self, attempt: u32) {
        let wait = Duration::from_secs(1 << attempt.clamp(1, 6)) / 2;
        self.clock.sleep(wait + wait.mul_f64(self.clock.chance())).await;
    }

    fn spell(&self) -> MutexGuard<'_, Spell> {
        self.spell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wait;
    use std::time::SystemTime;

    /// A clock that stands still until somebody waits.
    #[derive(Default)]
    struct Patient(Mutex<Duration>);

    impl Clock for Patient {
        fn wall(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + self.elapsed()
        }
        fn elapsed(&self) -> Duration {
            *self.0.lock().unwrap()
        }
        fn sleep(&self, time: Duration) -> Wait {
            *self.0.lock().unwrap() += time;
            Box::pin(std::future::ready(()))
        }
        fn alarm(&self, _time: Duration) -> Wait {
            Box::pin(std::future::pending())
        }
        fn random(&self) -> u64 {
            1 << 63
        }
    }

    fn throttle(patience: u64) -> (Arc<Patient>, Throttle) {
        let clock = Arc::new(Patient::default());
        (clock.clone(), Throttle::new(clock, Duration::from_secs(patience)))
    }

    #[tokio::test]
    async fn a_refusal_holds_back_every_request_for_as_long_as_was_said() {
        let (clock, throttle) = throttle(60);
        throttle.pass().await.unwrap();
        assert_eq!(clock.elapsed(), Duration::ZERO);
        throttle.hear(Some(Duration::from_secs(20)));
        throttle.hear(Some(Duration::from_secs(5)));
        throttle.pass().await.unwrap();
        assert_eq!(clock.elapsed(), Duration::from_secs(21), "the longer wait and its jitter");
    }

    #[tokio::test]
    async fn waits_grow_while_nothing_is_said_and_start_over_after_a_success() {
        let (clock, throttle) = throttle(10_000);
        let mut waits = Vec::new();
        for _ in 0..3 {
            let before = clock.elapsed();
            throttle.hear(None);
            throttle.pass().await.unwrap();
            waits.push((clock.elapsed() - before).as_secs_f64());
        }
        assert_eq!(waits, [10.5, 21.0, 42.0]);
        throttle.went_through();
        let before = clock.elapsed();
        throttle.hear(None);
        throttle.pass().await.unwrap();
        assert_eq!((clock.elapsed() - before).as_secs_f64(), 10.5);
    }

    #[tokio::test]
    async fn patience_is_bounded_even_when_the_server_says_zero() {
        let (clock, throttle) = throttle(60);
        let mut refusals = 0;
        let error = loop {
            throttle.hear(Some(Duration::ZERO));
            refusals += 1;
            if let Err(error) = throttle.pass().await {
                break error;
            }
        };
        assert!(matches!(error, RemoteError::Throttled { .. }));
        assert!((50..=61).contains(&refusals) && clock.elapsed() <= Duration::from_secs(61));
        throttle.hear(Some(Duration::from_secs(3600)));
        assert!(
            matches!(throttle.pass().await, Err(RemoteError::Throttled { wait }) if wait > Duration::from_secs(3000))
        );
    }
}
