//! Waiting between tries: exponential, jittered, bounded. Time gives liveness here, never order.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

const FIRST: Duration = Duration::from_millis(50);
const MOST: Duration = Duration::from_secs(5);

/// Delays of one series of failures.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next delay: half fixed, half random, so that lanes and instances do not return together.
    pub fn next(&mut self) -> Duration {
        let full = FIRST.saturating_mul(1 << self.failures.min(10)).min(MOST);
        self.failures = self.failures.saturating_add(1);
        let seed = (crate::clock::now_millis(), self.failures, std::ptr::from_ref(self).addr());
        let random = xxh3_64(format!("{seed:?}").as_bytes()) % 1000;
        full / 2 + full / 2 * (random as u32) / 1000
    }

    /// It worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_bound_and_starts_over() {
        let mut backoff = Backoff::default();
        let first = backoff.next();
        assert!(first >= FIRST / 2 && first <= FIRST);
        for _ in 0..50 {
            assert!(backoff.next() <= MOST);
        }
        assert!(backoff.next() >= MOST / 2);
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
