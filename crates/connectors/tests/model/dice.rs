//! Seeded chance, the same for every part of one run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A shared xorshift generator. Tasks interleave, so a seed fixes the script, not the schedule.
#[derive(Clone)]
pub struct Dice(Arc<AtomicU64>);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(Arc::new(AtomicU64::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)))
    }

    /// 0 up to below `n`.
    pub fn roll(&self, n: u64) -> u64 {
        let mut x = self.0.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.store(x, Ordering::Relaxed);
        (x >> 11) % n.max(1)
    }

    pub fn one_in(&self, n: u64) -> bool {
        self.roll(n) == 0
    }
}
