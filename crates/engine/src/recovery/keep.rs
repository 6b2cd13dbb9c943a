//! Keeps a pipeline going through what would else wait for a person: takes the steps that the file wants, for as long as its process lives.
//! A pipeline that has halted is started again behind its handles; who waits for its end does not notice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;

use super::book::Turn;
use super::policy::{Cause, Strategy};
use super::{probe, tables, widen};
use crate::error::{Code, Error, Kind, Result};
use crate::pipeline::{
    Ended, Guard, PipelineHandle, PipelineParts, Rest, Shared, SinkState, begin_anew, run_ended,
};

/// Who does it, for the audit.
pub(crate) const ACTOR: &str = "recovery";
/// How often targets that have halted are looked at, and how soon a stop is noticed.
const LOOK: Duration = Duration::from_millis(200);
/// Until what could not be done is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What recovery needs of those who know the file.
#[async_trait]
pub trait Workshop: Send + Sync {
    /// What the next run of a pipeline is made of.
    async fn parts(&self, pipeline: &str) -> Result<PipelineParts>;

    /// Begins a resync of a table in one of its targets.
    async fn resync(&self, pipeline: &str, table: &str, target: &str) -> Result<()>;
}

/// From here on the pipeline has not ended when a run of it has: this decides whether another one follows.
pub struct Keeper {
    handle: PipelineHandle,
    guard: Guard,
}

/// What stands still as a whole.
struct Standstill {
    cause: Cause,
    /// The target's connection; nothing for the pipeline.
    place: String,
    error: Error,
}

impl PipelineHandle {
    /// To be called before anybody waits for the pipeline's end.
    pub fn keeper(&self) -> Keeper {
        let starts_again = self.shared().spec.recovery.starts_again();
        Keeper { handle: self.clone(), guard: self.guard(starts_again) }
    }
}

impl Keeper {
    /// Until the pipeline has ended for good.
    pub async fn run(self, workshop: &dyn Workshop) {
        loop {
            let shared = self.handle.shared();
            shared.recovery.kept_up.store(true, Ordering::Relaxed);
            let stands = tokio::select! {
                biased;
                ended = run_ended(&shared) => match ended {
                    Ended::Halted(error) => of_pipeline(error),
                    Ended::Stopped => None,
                },
                stands = target_halted(&shared) => Some(stands),
                () = beside(&shared, workshop) => None,
            };
            let goes_on = match &stands {
                Some(stands) => self.start_again(&shared, stands, workshop).await,
                // Its end is somebody else's doing: a resync that goes on, or a stop.
                None => self.guard.next_run(&shared).await,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// `false`: it has ended.
    async fn start_again(&self, shared: &Arc<Shared>, stands: &Standstill, workshop: &dyn Workshop) -> bool {
        let strategy = shared.spec.recovery.strategy(stands.cause);
        if strategy == Strategy::Manual || !self.turn_comes(shared, stands).await {
            return false;
        }
        let noted = shared.recovery.note(stands.cause, &stands.place, strategy.name(), Some(&stands.error));
        if let Err(error) = noted.await {
            tracing::error!(pipeline = shared.spec.name, "{error}");
            return false;
        }
        loop {
            match self.step(strategy, stands, workshop).await {
                Ok(()) => return true,
                Err(error) if self.guard.is_stopping() => {
                    tracing::debug!(pipeline = shared.spec.name, "{error}");
                    return false;
                }
                Err(error) if error.kind() == Kind::Retry || error.code() == Code::Stopped => {
                    tracing::warn!(pipeline = shared.spec.name, "recovery is tried again: {error}");
                    self.sleep(AGAIN).await;
                }
                Err(error) => {
                    tracing::error!(pipeline = shared.spec.name, "recovery failed: {error}");
                    // If the pipeline has halted meanwhile, that is a cause of its own.
                    return !stands.place.is_empty();
                }
            }
        }
    }

    /// Waits for it; `false` if there may be no more steps, or nobody wants them any more.
    async fn turn_comes(&self, shared: &Arc<Shared>, stands: &Standstill) -> bool {
        loop {
            match shared.recovery.turn(stands.cause, &stands.place) {
                Turn::Now => return true,
                Turn::Never(times) => {
                    tell_limit(shared, stands, times);
                    return false;
                }
                Turn::Later(left) => self.sleep(Duration::from_millis(left)).await,
            }
            if self.guard.is_stopping() {
                return false;
            }
        }
    }

    async fn step(&self, strategy: Strategy, stands: &Standstill, workshop: &dyn Workshop) -> Result<()> {
        let rest = match stands.place.is_empty() {
            true => self.guard.rest_halted()?,
            false => self.handle.rest().await?,
        };
        match self.parts(strategy, stands, workshop).await {
            Ok(parts) => rest.resume(parts).await,
            Err(error) if stands.place.is_empty() => Err(error),
            // Its run has been stopped for this, so it must go on.
            Err(error) => halt(rest, error),
        }
    }

    async fn parts(
        &self,
        strategy: Strategy,
        stands: &Standstill,
        workshop: &dyn Workshop,
    ) -> Result<PipelineParts> {
        let parts = workshop.parts(self.handle.name()).await?;
        if strategy == Strategy::Backfill {
            let because = stands.error.to_string();
            none_is_foreign(&parts).await?;
            let PipelineParts { spec, source, sinks, ledger, .. } = &parts;
            begin_anew(spec, &**source, sinks, &**ledger, ACTOR, &because).await?;
        }
        Ok(parts)
    }

    /// Sleeps unless a stop is asked for.
    async fn sleep(&self, duration: Duration) {
        let stopping = async {
            while !self.guard.is_stopping() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = stopping => {}
        }
    }
}

/// Beginning anew writes above all that targets hold. What a later history wrote there is for a person to judge.
async fn none_is_foreign(parts: &PipelineParts) -> Result<()> {
    let record = parts.ledger.pipeline(&parts.spec.name).await?;
    for (name, sink) in &parts.sinks {
        let known = record.marks.get(name).cloned().unwrap_or_default();
        if let Some(theirs) = sink.marks(&known).await?.epoch().filter(|epoch| *epoch > record.epoch) {
            let what =
                format!("{name} was written in epoch {theirs}, and the ledger is in epoch {}", record.epoch);
            return Err(Error::new(Code::TargetForeign, what));
        }
    }
    Ok(())
}

fn halt(rest: Rest, error: Error) -> Result<()> {
    rest.halt(&error);
    Err(error)
}

fn of_pipeline(error: Error) -> Option<Standstill> {
    let cause = Cause::of_pipeline(error.code())?;
    Some(Standstill { cause, place: String::new(), error })
}

fn tell_limit(shared: &Shared, stands: &Standstill, times: u32) {
    let told = shared.recovery.at_limit(&stands.error, times);
    match shared.ports().into_iter().find(|port| port.name == stands.place) {
        Some(port) => port.health.say(&told),
        None => shared.say(&told),
    }
}

/// What goes on beside the pipeline. It has no end of its own.
async fn beside(shared: &Arc<Shared>, workshop: &dyn Workshop) {
    tokio::join!(probe::run(shared), widen::run(shared), tables::run(shared, workshop));
}

/// The first target that has halted for a cause that the file wants something done about, once its turn has come.
async fn target_halted(shared: &Arc<Shared>) -> Standstill {
    loop {
        tokio::time::sleep(LOOK).await;
        for port in shared.ports() {
            let (SinkState::Halted, _, Some(error)) = port.health.look() else { continue };
            let Some(cause) = Cause::of_target(error.code()) else { continue };
            if shared.spec.recovery.strategy(cause) != Strategy::Retry {
                continue;
            }
            let stands = Standstill { cause, place: port.name.clone(), error };
            match shared.recovery.turn(cause, &stands.place) {
                Turn::Now => return stands,
                Turn::Later(_) => {}
                Turn::Never(times) => tell_limit(shared, &stands, times),
            }
        }
    }
}
