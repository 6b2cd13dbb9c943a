//! Waiting until every sink holds what the source held: `run --until-current`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::control::Wish;
use super::status::SinkState;
use super::verdict::{Verdict, verdict};
use super::{Shared, recall};
use crate::error::{Code, Error, Result};
use crate::recovery::{self, Cause};
use crate::source::HighMark;

/// Without any progress for so long, waiting ends with an error.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(25);

/// Waits for backfills, then for everything up to a mark that is taken after them.
pub(crate) async fn wait(shared: &Arc<Shared>) -> Result<()> {
    let mut patience = Patience::new(shared);
    loop {
        while !shared.streaming.load(Ordering::Relaxed) || shared.backfills.running() {
            patience.look(shared).await?;
        }
        let mark = mark(shared, &mut patience).await?;
        while !passed(shared, &*mark) {
            patience.look(shared).await?;
        }
        let Some(position) = shared.position.borrow().clone() else { continue };
        while !shared.tracker.reached(position.version) {
            shared.commit_wanted.notify_one();
            patience.look(shared).await?;
        }
        while !recall::all_recalled(shared).await {
            patience.look(shared).await?;
        }
        if !shared.backfills.running() && !tables_pend(shared) {
            return patience.look(shared).await;
        }
        patience.look(shared).await?;
    }
}

/// Whether a table that does not go on is about to be read again by itself; not one that waits for a change at the source.
fn tables_pend(shared: &Shared) -> bool {
    let tables = shared.tables.look();
    tables.iter().any(|(table, record)| {
        let cause = recovery::cause_of(shared, table, Some(record));
        shared.is_past(record.at) && shared.recovery.pends(&shared.spec.recovery, cause, table)
    })
}

/// Whether a target that has halted is about to be opened again by itself.
fn sink_pends(shared: &Shared, name: &str, error: &Error) -> bool {
    let cause = Cause::of_target(error.code()).filter(|cause| *cause == Cause::TargetRefused);
    shared.recovery.pends(&shared.spec.recovery, cause, name)
}

fn passed(shared: &Shared, mark: &dyn HighMark) -> bool {
    shared.position.borrow().as_ref().is_some_and(|position| mark.passed(position))
}

async fn mark(shared: &Arc<Shared>, patience: &mut Patience) -> Result<Box<dyn HighMark>> {
    loop {
        match shared.source.mark().await {
            Ok(mark) => return Ok(mark),
            Err(error) if verdict(&error) == Verdict::Retry => {
                shared.source_failed(&error);
                patience.look(shared).await?;
            }
            Err(error) => return Err(error),
        }
    }
}

struct Patience {
    progress: u64,
    position: u64,
    since: Instant,
}

impl Patience {
    fn new(shared: &Shared) -> Patience {
        Patience { progress: shared.progress.load(Ordering::Relaxed), position: 0, since: Instant::now() }
    }

    /// Waits a little. `Err` if the pipeline halted, a sink halted, or nothing has moved for too long.
    async fn look(&mut self, shared: &Arc<Shared>) -> Result<()> {
        if let Some(error) = shared.halted() {
            return Err(error);
        }
        if *shared.wish.borrow() == Wish::Stop {
            return Err(Error::new(Code::Stopped, "stopped before it was current"));
        }
        let mut last = shared.source_trouble();
        for port in shared.ports() {
            let (state, _, error) = port.health.look();
            match (state, error) {
                (SinkState::Halted, Some(error)) if sink_pends(shared, &port.name, &error) => {
                    last = Some(error);
                }
                (SinkState::Halted, Some(error)) => return Err(error),
                (SinkState::Retrying, error) => last = error.or(last),
                _ => {}
            }
        }
        let progress = shared.progress.load(Ordering::Relaxed);
        let position = shared.position.borrow().as_ref().map_or(0, |p| p.version.get());
        if (progress, position) != (self.progress, self.position) {
            *self = Patience { progress, position, since: Instant::now() };
        }
        if self.since.elapsed() > PATIENCE {
            let error = Error::new(Code::NoProgress, format!("pipeline {} does not move", shared.spec.name));
            return Err(match last {
                Some(cause) => error.cause(cause),
                None => error,
            });
        }
        tokio::time::sleep(LOOK).await;
        Ok(())
    }
}
