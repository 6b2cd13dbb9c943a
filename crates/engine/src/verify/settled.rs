//! Waiting until the pipeline has applied what it has captured, or what the source holds: only then source and targets can be
//! held against each other.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::error::{Code, Error, Result};
use crate::pipeline::{Shared, Wish};
use crate::position::Position;

const LOOK: Duration = Duration::from_millis(5);
/// A checkpoint is asked for so often.
const ASK: Duration = Duration::from_millis(50);
/// So long nothing may move.
const PATIENCE: Duration = Duration::from_secs(30);

/// A target that is waited for.
pub(super) struct Waiting<'a> {
    pub shared: &'a Arc<Shared>,
    pub sink: usize,
    pub table: &'a str,
}

impl Waiting<'_> {
    /// Until everything captured before the call is durable in the target, and nothing that was read of the table is on its
    /// way there. Answers where the stream was at the call.
    pub async fn settled(&self) -> Result<Position> {
        let mut patience = Patience::new(self.shared);
        let position = loop {
            let position = self.shared.position.borrow().clone();
            match position.filter(|_| self.shared.streaming.load(Ordering::Relaxed)) {
                Some(position) => break position,
                None => patience.look(self).await?,
            }
        };
        let mut asked = None::<Instant>;
        while !self.shared.tracker.passed(&[self.sink], position.version, i64::MAX, self.table) {
            // Asking more often than checkpoints are written anyway would only cost the stream its disk.
            if asked.is_none_or(|asked| asked.elapsed() >= ASK) {
                self.shared.commit_wanted.notify_one();
                asked = Some(Instant::now());
            }
            patience.look(self).await?;
        }
        // A target that has halted counts as passed.
        self.alive()?;
        Ok(position)
    }

    /// Until everything committed at the source before the call is durable in the target.
    pub async fn overtaken(&self) -> Result<Position> {
        let mark = self.shared.source.mark().await?;
        let mut patience = Patience::new(self.shared);
        while !self.shared.position.borrow().as_ref().is_some_and(|position| mark.passed(position)) {
            patience.look(self).await?;
        }
        self.settled().await
    }

    /// Until no backfill of the table is under way: what it has not written yet is not missing.
    pub async fn filled(&self) -> Result<()> {
        let mut patience = Patience::new(self.shared);
        while self.shared.unfinished().await?.iter().any(|plan| plan.table == self.table) {
            patience.look(self).await?;
        }
        Ok(())
    }

    /// Whether source and target are read and written at all.
    fn alive(&self) -> Result<()> {
        if let Some(error) = self.shared.halted() {
            return Err(error);
        }
        match *self.shared.wish.borrow() {
            Wish::Run => {}
            Wish::Pause => {
                let what = format!("pipeline {} is paused: nothing can be judged", self.shared.spec.name);
                return Err(Error::new(Code::VerifyStopped, what).fix("syncline resume FILE"));
            }
            Wish::Stop => return Err(Error::new(Code::Stopped, "the pipeline is stopping")),
        }
        let port = self.shared.ports().into_iter().find(|port| port.index == self.sink);
        match port.map(|port| port.health.look()) {
            Some((_, _, Some(error))) if self.shared.tracker.any_abandoned(&[self.sink]) => Err(error),
            _ => Ok(()),
        }
    }
}

struct Patience {
    progress: u64,
    since: Instant,
}

impl Patience {
    fn new(shared: &Shared) -> Patience {
        Patience { progress: shared.progress.load(Ordering::Relaxed), since: Instant::now() }
    }

    /// Waits a little. `Err` if what is waited for cannot come, or nothing has moved for too long.
    async fn look(&mut self, waiting: &Waiting<'_>) -> Result<()> {
        waiting.alive()?;
        let progress = waiting.shared.progress.load(Ordering::Relaxed);
        if progress != self.progress {
            *self = Patience { progress, since: Instant::now() };
        }
        if self.since.elapsed() > PATIENCE {
            let what = format!("pipeline {} does not move", waiting.shared.spec.name);
            let error = Error::new(Code::VerifyStopped, what);
            return Err(match waiting.shared.source_trouble() {
                Some(cause) => error.cause(cause),
                None => error,
            });
        }
        tokio::time::sleep(LOOK).await;
        Ok(())
    }
}
