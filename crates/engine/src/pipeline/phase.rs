//! Phases in which a kill is interesting, and who is told that a pipeline enters or leaves one.
//! Nothing in the pipeline depends on them.

use std::sync::Arc;

/// What a pipeline can be in the middle of, several at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A chunk of a table is being read.
    Backfill,
    /// The window of a read is open.
    Window,
    /// A request to a target has been sent, and its answer is not yet here.
    Bulk,
    /// Checkpoints and counters are being written.
    Checkpoint,
    /// The stream has ended, and what it brought is still on its way.
    Drain,
}

impl Phase {
    /// The word in phase logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Backfill => "backfill",
            Self::Window => "window",
            Self::Bulk => "bulk",
            Self::Checkpoint => "checkpoint",
            Self::Drain => "drain",
        }
    }
}

/// Which end of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    Enter,
    Leave,
}

/// Who is told.
#[derive(Clone)]
pub struct Phases(Arc<dyn Fn(Phase, Edge) + Send + Sync>);

impl Default for Phases {
    /// Nobody.
    fn default() -> Phases {
        Phases::new(|_, _| {})
    }
}

impl Phases {
    /// Calls `listener` at both edges of every phase; it must not block for long.
    pub fn new(listener: impl Fn(Phase, Edge) + Send + Sync + 'static) -> Phases {
        Phases(Arc::new(listener))
    }

    /// Tells of the phase now, and of its end when the answer is dropped.
    pub(crate) fn enter(&self, phase: Phase) -> Inside {
        (self.0)(phase, Edge::Enter);
        Inside { phases: self.clone(), phase }
    }
}

/// While this lives, the pipeline is in the phase.
pub(crate) struct Inside {
    phases: Phases,
    phase: Phase,
}

impl Drop for Inside {
    fn drop(&mut self) {
        (self.phases.0)(self.phase, Edge::Leave);
    }
}
