//! Starts a job at the times of a schedule, one run at a time. It goes by the clock on the wall, which may jump, and
//! wakes often enough to notice; what the job does and whether it worked is not known here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::clock::WallClock;
use super::start::{Schedule, Start};

/// The longest sleep. A timer does not see that the clock was set or that the machine slept; so late a start may be.
const STEP: Duration = Duration::from_secs(30);
/// A clock that goes back by more than this was wrong before, as in cronie, and its new time counts. By less, what
/// has run at a set time does not run again.
const CORRECTION: SignedDuration = SignedDuration::from_hours(3);
/// The same for what runs over and over, which would stand still meanwhile. Clocks are often set by a little.
const SMALL_CORRECTION: SignedDuration = SignedDuration::from_mins(1);
/// So many starts are counted one by one when time has passed over them; of more the rest is not counted.
const COUNTED: u64 = 10_000;

/// What became of the starts of one schedule.
#[derive(Debug, Default)]
pub struct Tally {
    runs: AtomicU64,
    skipped: AtomicU64,
    missed: AtomicU64,
}

impl Tally {
    /// Jobs that were started.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Starts that fell into a running job and were left out.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Starts that nobody was awake for, but for the last of each time, which runs late.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

/// Runs `job` at every start of the schedule from now on, until `stop` says so (or its sender is gone) or no start is
/// left. Runs never overlap. A job that is running when the stop comes is waited for: give it the same `stop` if it is
/// to end sooner.
pub async fn every<C, J, F>(
    schedule: &Schedule,
    clock: &C,
    tally: &Tally,
    mut stop: watch::Receiver<bool>,
    mut job: J,
) where
    C: WallClock,
    J: FnMut(Start) -> F,
    F: Future<Output = ()>,
{
    // What is due up to here is dealt with.
    let mut done = clock.now();
    while let Some(Passed { starts, last }) = next(schedule, clock, &mut done, &mut stop).await {
        if starts > 1 {
            tally.missed.fetch_add(starts - 1, Ordering::Relaxed);
            tracing::warn!(
                schedule = schedule.name(),
                missed = starts - 1,
                "starts were missed: one run stands for all"
            );
        }
        done = last.due;
        tally.runs.fetch_add(1, Ordering::Relaxed);
        job(last).await;
        if let Some(Passed { starts, last }) = passed(schedule, done, clock.now()) {
            tally.skipped.fetch_add(starts, Ordering::Relaxed);
            tracing::warn!(
                schedule = schedule.name(),
                skipped = starts,
                "starts were skipped: the job was still running"
            );
            done = last.due;
        }
    }
}

/// Starts whose time has come.
struct Passed {
    /// At least 1.
    starts: u64,
    last: Start,
}

/// Waits until a start has come.
async fn next<C: WallClock>(
    schedule: &Schedule,
    clock: &C,
    done: &mut Timestamp,
    stop: &mut watch::Receiver<bool>,
) -> Option<Passed> {
    let correction = if schedule.repeats() { SMALL_CORRECTION } else { CORRECTION };
    loop {
        let now = clock.now();
        if done.duration_since(now) > correction {
            *done = now;
        }
        let left = schedule.after(*done)?.at.duration_since(now);
        let left = Duration::try_from(left).unwrap_or(Duration::ZERO).min(STEP);
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return None,
            () = tokio::time::sleep(left) => {}
        }
        if let Some(passed) = passed(schedule, *done, clock.now()) {
            return Some(passed);
        }
    }
}

/// The starts after `done` that have come by now, if any.
fn passed(schedule: &Schedule, done: Timestamp, now: Timestamp) -> Option<Passed> {
    let mut passed: Option<Passed> = None;
    let mut due = done;
    while let Some(last) = schedule.after(due).filter(|start| start.at <= now) {
        let starts = passed.map_or(0, |p| p.starts) + 1;
        passed = Some(Passed { starts, last });
        due = last.due;
        if starts == COUNTED {
            let near = SignedDuration::try_from(schedule.jitter()).unwrap_or(SignedDuration::MAX);
            due = now.checked_sub(near).map_or(due, |near| near.max(due));
        }
    }
    passed
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;
