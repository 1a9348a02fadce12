//! Time and chance, so that tests need neither.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// Gives the time, waits, and rolls the dice.
pub trait Pause: Send + Sync {
    /// The time since some fixed moment.
    fn now(&self) -> Duration;
    /// Comes back after that time.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    /// A number from 0 (included) to 1 (not), new each time.
    fn chance(&self) -> f64;
}

/// The clock on the wall.
#[derive(Debug)]
pub struct WallClock {
    start: Instant,
}

impl Default for WallClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Pause for WallClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(time))
    }

    fn chance(&self) -> f64 {
        fastrand::f64()
    }
}
