//! What a handle stands on: the run of the pipeline that goes on now. A pipeline whose targets change is stopped and
//! started again behind its handles; those who wait for its end, or for it to be current, do not notice. Why it changes
//! is the business of whoever asks for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::control::Wish;
use super::handle::{Ended, PipelineHandle, PipelineParts, ended};
use super::port::Port;
use super::{Shared, supervisor};
use crate::error::{Code, Error, Result};

/// One pipeline of a process, through all its runs.
pub(crate) struct Seat {
    pub name: String,
    run: RwLock<Run>,
    /// Between two runs.
    resting: watch::Sender<bool>,
    /// A run that has halted may be followed by another one: somebody decides that.
    guarded: watch::Sender<bool>,
    /// Somebody asked it to stop for good.
    stopping: AtomicBool,
}

/// One run.
pub(super) struct Run {
    pub shared: Arc<Shared>,
    /// Keeps what status tells about sinks, after their lanes have ended too.
    pub _ports: Arc<[Arc<Port>]>,
}

impl Seat {
    pub(super) fn new(run: Run) -> Seat {
        Seat {
            name: run.shared.spec.name.clone(),
            run: RwLock::new(run),
            resting: watch::Sender::new(false),
            guarded: watch::Sender::new(false),
            stopping: AtomicBool::new(false),
        }
    }

    /// The run that goes on now, or the last one.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.run.read().unwrap_or_else(PoisonError::into_inner).shared)
    }

    /// No further run begins, and this one ends.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.shared().wish.send_replace(Wish::Stop);
    }

    /// Whether another run follows, or has followed, the one that has ended; returns when that is certain.
    pub async fn goes_on(&self, before: &Arc<Shared>) -> bool {
        let (mut resting, mut guarded) = (self.resting.subscribe(), self.guarded.subscribe());
        loop {
            drop(resting.wait_for(|resting| !*resting).await);
            let undecided = *guarded.borrow_and_update();
            let another = !Arc::ptr_eq(before, &self.shared());
            if another || !undecided {
                return another;
            }
            // The senders live as long as this does.
            tokio::select! {
                _ = resting.changed() => {}
                _ = guarded.changed() => {}
            }
        }
    }
}

/// While it lives, a pipeline whose run has halted has not ended.
pub(crate) struct Guard {
    seat: Arc<Seat>,
}

impl Guard {
    /// Whether another run has followed without this one's doing; returns when that is certain.
    pub async fn next_run(&self, before: &Arc<Shared>) -> bool {
        drop(self.seat.resting.subscribe().wait_for(|resting| !*resting).await);
        !Arc::ptr_eq(before, &self.seat.shared())
    }

    /// Whether the pipeline was asked to stop for good.
    pub fn is_stopping(&self) -> bool {
        self.seat.stopping.load(Ordering::SeqCst)
    }

    /// A pipeline that has halted is to be started again.
    pub fn rest_halted(&self) -> Result<Rest> {
        match self.seat.resting.send_replace(true) {
            true => Err(again_already()),
            false => Ok(Rest { seat: Arc::clone(&self.seat) }),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.seat.guarded.send_replace(false);
    }
}

/// A pipeline between two runs. Dropped without [`Rest::resume`], it has ended.
pub struct Rest {
    seat: Arc<Seat>,
}

impl PipelineHandle {
    /// From here on somebody decides what follows a run that has halted, if that is `wanted`.
    pub(crate) fn guard(&self, wanted: bool) -> Guard {
        self.seat.guarded.send_replace(wanted);
        Guard { seat: Arc::clone(&self.seat) }
    }

    /// Stops the run: everything taken is durable and the checkpoint is written. `Err` if the pipeline has halted, was
    /// asked to stop, or rests already.
    pub async fn rest(&self) -> Result<Rest> {
        if self.seat.resting.send_replace(true) {
            return Err(again_already());
        }
        let rest = Rest { seat: Arc::clone(&self.seat) };
        let shared = self.shared();
        shared.wish.send_replace(Wish::Stop);
        match ended(&shared).await {
            Ended::Halted(error) => Err(error),
            Ended::Stopped if rest.seat.stopping.load(Ordering::SeqCst) => Err(stopping()),
            Ended::Stopped => Ok(rest),
        }
    }
}

impl Rest {
    /// Whether the pipeline was asked to stop for good meanwhile.
    pub fn is_stopping(&self) -> bool {
        self.seat.stopping.load(Ordering::SeqCst)
    }

    /// There is no next run, for this reason.
    pub fn halt(self, error: &Error) {
        self.seat.shared().halt(error);
    }

    /// Begins the next run. If it cannot begin, the pipeline has halted.
    pub async fn resume(self, parts: PipelineParts) -> Result<()> {
        if self.is_stopping() {
            return Err(stopping());
        }
        let run = match supervisor::begin_run(parts).await {
            Ok(run) => run,
            Err(error) => {
                self.halt(&error);
                return Err(error);
            }
        };
        let shared = Arc::clone(&run.shared);
        *self.seat.run.write().unwrap_or_else(PoisonError::into_inner) = run;
        // Somebody may have paused or resumed the run before while this one was being made: the ledger knows.
        let paused = shared.ledger.pipeline(&self.seat.name).await?.paused;
        shared.wish.send_if_modified(|wish| {
            let (from, to) = if paused { (Wish::Run, Wish::Pause) } else { (Wish::Pause, Wish::Run) };
            let differs = *wish == from;
            if differs {
                *wish = to;
            }
            differs
        });
        if self.is_stopping() {
            shared.wish.send_replace(Wish::Stop);
        }
        Ok(())
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.seat.resting.send_replace(false);
    }
}

fn again_already() -> Error {
    Error::new(Code::Stopped, "the pipeline is being started again already")
}

fn stopping() -> Error {
    Error::new(Code::Stopped, "the pipeline is stopping")
}
