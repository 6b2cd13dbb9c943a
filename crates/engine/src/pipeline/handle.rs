//! How the rest of the program holds a running pipeline: look, pause, resume, backfill, redrive, stop.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ledger::{DeadLetterFilter, Ledger};
use crate::route::PipelineSpec;
use crate::sink::Sink;
use crate::source::Source;

/// Everything a pipeline is made of.
pub struct PipelineParts {
    /// Validated configuration.
    pub spec: PipelineSpec,
    /// Where changes come from.
    pub source: Arc<dyn Source>,
    /// By connection name (`stdout` and `discard` under those names).
    pub sinks: BTreeMap<String, Arc<dyn Sink>>,
    /// The book.
    pub ledger: Arc<dyn Ledger>,
    /// Told when the pipeline passes a phase that tests care about (backfill, window, bulk, checkpoint, drain).
    pub phases: Arc<dyn Fn(Phase) + Send + Sync>,
}

/// Moments at which a kill is interesting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Backfill,
    Window,
    Bulk,
    Checkpoint,
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

/// What a redrive did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedriveReport {
    pub selected: u64,
    pub applied: u64,
    pub superseded: u64,
    pub failed: Vec<(i64, String)>,
}

/// Which tables to read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackfillRequest {
    /// Names or patterns of `database.table`; empty for all captured tables.
    pub tables: Vec<String>,
    /// Connections to read for; empty for all.
    pub sinks: Vec<String>,
}

/// How a pipeline ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// Asked to stop; everything taken is durable.
    Stopped,
    /// A person is needed.
    Halted(Error),
}

/// A running pipeline. Cheap to clone.
///
/// The methods (all callable from any task):
/// `status() -> PipelineStatus` · `pause()` · `resume()` · `backfill(BackfillRequest) -> Result<i64>` (answers the run's
/// id; it goes on in the background) · `cancel_backfill()` · `redrive(&DeadLetterFilter, dry_run) -> Result<RedriveReport>`
/// · `until_current() -> Result<()>` (returns once backfill is done and every sink holds everything up to the source's
/// position read after that; error after 30 s without progress) · `stop()` (asks; idempotent) · `ended() -> Ended`
/// (waits for the end).
#[derive(Clone)]
pub struct PipelineHandle {
    pub(crate) shared: Arc<super::Shared>,
}
