//! The time of day as the runner sees it, behind a trait so that tests can set it. Sleeping is tokio's.

use jiff::Timestamp;

/// Tells the time. It may jump: people set clocks, and machines sleep.
pub trait WallClock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    fn now(&self) -> Timestamp {
        // Out of range only for a clock that is thousands of years off; then nothing is due.
        Timestamp::from_millisecond(crate::clock::now_millis()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}
