//! The token bucket of one tenant at one sink. Time is told to it; it waits for nothing.

use std::time::{Duration, Instant};

use super::spec::TenantLimit;

/// A bucket holds at least what comes in so many parts of a second: timers are no finer, and would cost the rate.
const FINEST: u64 = 50;

/// Tokens of one tenant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// Of a tenant that has had nothing for long.
    pub fn full(limit: &TenantLimit, now: Instant) -> Bucket {
        Bucket { tokens: most(limit), at: now }
    }

    fn refill(&mut self, limit: &TenantLimit, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * limit.rows_per_second as f64).min(most(limit));
        self.at = self.at.max(now);
    }

    /// Takes a token if there is one.
    pub fn take(&mut self, limit: &TenantLimit, now: Instant) -> bool {
        self.refill(limit, now);
        let any = self.tokens >= 1.0;
        if any {
            self.tokens -= 1.0;
        }
        any
    }

    /// How long until there is one.
    pub fn wait(&self, limit: &TenantLimit) -> Duration {
        Duration::from_secs_f64((1.0 - self.tokens).max(0.0) / limit.rows_per_second.max(1) as f64)
    }

    /// Whether it is as if nothing had ever been taken.
    pub fn is_full(&mut self, limit: &TenantLimit, now: Instant) -> bool {
        self.refill(limit, now);
        self.tokens >= most(limit)
    }
}

fn most(limit: &TenantLimit) -> f64 {
    limit.burst.max(limit.rows_per_second / FINEST).max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let limit = TenantLimit { rows_per_second: 10, burst: 3, concurrency: 1 };
        let start = Instant::now();
        let mut bucket = Bucket::full(&limit, start);
        let taken =
            |bucket: &mut Bucket, at: Instant| (0..100).take_while(|_| bucket.take(&limit, at)).count();
        assert_eq!(taken(&mut bucket, start), 3);
        assert!(
            bucket.wait(&limit) > Duration::from_millis(99)
                && bucket.wait(&limit) < Duration::from_millis(101)
        );
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(99)), 0);
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(101)), 1);
        assert!(!bucket.is_full(&limit, start + Duration::from_millis(101)));
        assert_eq!(
            taken(&mut bucket, start + Duration::from_secs(60)),
            3,
            "no more than a burst is saved up"
        );
        assert!(bucket.is_full(&limit, start + Duration::from_secs(90)));
    }

    proptest! {
        /// However it is asked, never more than a burst and the rate, and hardly less.
        #[test]
        fn no_more_than_the_rate(steps in prop::collection::vec(0u64..40, 1..200), rows in 1u64..5000, burst in 1u64..500) {
            let limit = TenantLimit { rows_per_second: rows, burst, concurrency: 1 };
            let start = Instant::now();
            let (mut bucket, mut now, mut taken) = (Bucket::full(&limit, start), start, 0u64);
            for step in steps {
                now += Duration::from_millis(step);
                while bucket.take(&limit, now) {
                    taken += 1;
                }
            }
            let passed = (now - start).as_secs_f64();
            let allowed = most(&limit) + passed * rows as f64;
            prop_assert!(taken as f64 <= allowed + 1e-3, "{taken} of {allowed}");
            prop_assert!(taken as f64 >= most(&limit) - 1.0, "{taken}");
        }
    }
}
