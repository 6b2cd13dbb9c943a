//! A schedule: an expression in a time zone, with a delay of its own for each start so that many that share an
//! expression do not start together. It reads no clock; who waits is `runner.rs`.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::cron::Cron;

/// When something is to start, again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    name: String,
    cron: Cron,
    zone: TimeZone,
    jitter: Duration,
}

/// One start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// What the expression says. It tells one start from another.
    pub due: Timestamp,
    /// When to begin: `due` and its delay.
    pub at: Timestamp,
}

impl Schedule {
    /// `name` tells schedules apart in logs and in their delays; it should hold whatever differs between instances
    /// that run the same configuration.
    pub fn new(name: impl Into<String>, cron: Cron, zone: TimeZone) -> Schedule {
        Schedule { name: name.into(), cron, zone, jitter: Duration::ZERO }
    }

    /// Delays every start by less than this, always the same for the same name and time. No delay reaches the next
    /// start.
    #[must_use]
    pub fn with_jitter(mut self, jitter: Duration) -> Schedule {
        self.jitter = jitter;
        self
    }

    /// The expression.
    pub fn cron(&self) -> &Cron {
        &self.cron
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The longest delay.
    pub fn jitter(&self) -> Duration {
        self.jitter
    }

    /// The first start that begins later than `now`; `None` if there is none any more.
    pub fn next(&self, now: Timestamp) -> Option<Start> {
        let first = self.after(now)?;
        // One that is due already may still be delayed, though never beyond the one that is due after it.
        let apart =
            self.after(first.due).map_or(SignedDuration::MAX, |next| next.due.duration_since(first.due));
        let jitter = SignedDuration::try_from(self.jitter).unwrap_or(SignedDuration::MAX);
        let mut start = self.after(now.checked_sub(jitter.min(apart)).unwrap_or(now))?;
        while start.at <= now {
            start = self.after(start.due)?;
        }
        Some(start)
    }

    /// The first start that is due later than `due`; `None` if there is none any more.
    pub fn after(&self, due: Timestamp) -> Option<Start> {
        let due = self.cron.next_after(due, &self.zone)?;
        Some(Start { due, at: due.checked_add(self.delay(due)).unwrap_or(due) })
    }

    /// Whether it comes over and over rather than at set times.
    pub(super) fn repeats(&self) -> bool {
        self.cron.repeats()
    }

    fn delay(&self, due: Timestamp) -> SignedDuration {
        if self.jitter.is_zero() {
            return SignedDuration::ZERO;
        }
        let jitter = i64::try_from(self.jitter.as_millis()).unwrap_or(i64::MAX);
        let room =
            self.cron.next_after(due, &self.zone).map(|next| next.as_millisecond() - due.as_millisecond());
        let most = room.map_or(jitter, |room| jitter.min(room)).max(1).unsigned_abs();
        let hash = xxh3_64_with_seed(self.name.as_bytes(), due.as_second().unsigned_abs());
        SignedDuration::from_millis(i64::try_from(hash % most).unwrap_or(0))
    }
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
