//! What a running pipeline tells about itself: one snapshot, taken without stopping anything.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::ledger::{Counts, TableState};
use crate::recovery::{ProbeStatus, RecoveryStatus, StepCount};
use crate::tasks::TaskStatus;
use crate::verify::Verified;

/// See SURFACE `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipelineState {
    Starting,
    Backfilling,
    Streaming,
    Degraded,
    Paused,
    Halted,
    Stopped,
}

impl PipelineState {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Backfilling => "backfilling",
            Self::Streaming => "streaming",
            Self::Degraded => "degraded",
            Self::Paused => "paused",
            Self::Halted => "halted",
            Self::Stopped => "stopped",
        }
    }
}

/// One snapshot.
#[derive(Clone, Debug)]
pub struct PipelineStatus {
    pub name: String,
    pub state: PipelineState,
    /// Text of the lowest checkpoint.
    pub position: Option<String>,
    pub epoch: u16,
    /// Seconds between the commit of the newest applied change and now; 0 when the source has nothing more.
    pub lag_seconds: f64,
    /// Deliveries finished per second, over the last few seconds.
    pub rate_per_second: f64,
    pub tables: Vec<TableStatus>,
    pub sinks: Vec<SinkStatus>,
    pub dead_letters: u64,
    pub backfill: Vec<BackfillStatus>,
    /// When all of it was last compared, and what that found.
    pub verified: Option<Verified>,
    /// What the file has started at set times.
    pub schedule: Vec<TaskStatus>,
    /// Comparisons of this process that found more than they might put right.
    pub limits_reached: u64,
    /// Documents that this process put right, and found so when it looked again.
    pub repairs_confirmed: u64,
    /// Documents that it tried to put right, and that were still wrong or were not looked at again.
    pub repairs_unconfirmed: u64,
    /// Tenants with something held, then the busiest, where they have quotas; not all of them.
    pub tenants: Vec<TenantStatus>,
    /// The same for metrics: a bounded number of series that stay.
    pub tenant_series: Vec<TenantSeries>,
    /// What probes have found.
    pub probes: Vec<ProbeStatus>,
    /// Steps that count against the limits of recovery.
    pub recovery: Vec<RecoveryStatus>,
    /// All steps that recovery has ever taken.
    pub recovered: Vec<StepCount>,
    /// What keeps the pipeline from running.
    pub error: Option<Error>,
}

/// One table, summed over the sinks.
#[derive(Clone, Debug)]
pub struct TableStatus {
    pub table: String,
    pub state: TableState,
    pub error: Option<serde_json::Value>,
    pub counts: Counts,
    pub in_flight: u64,
    /// The same per sink, for metrics.
    pub by_sink: BTreeMap<String, (Counts, u64)>,
}

/// One sink.
#[derive(Clone, Debug)]
pub struct SinkStatus {
    pub connection: String,
    pub state: SinkState,
    /// Milliseconds since 1970.
    pub retrying_since: Option<i64>,
    pub error: Option<Error>,
    /// Text of its checkpoint.
    pub position: Option<String>,
    pub retries: u64,
    /// Deliveries queued in front of it.
    pub queued: u64,
    /// It is the reason why the source is read more slowly.
    pub holds_back: bool,
    /// So much is held of tenants for it that the source is read no further.
    pub held_full: bool,
}

/// One tenant, summed over the sinks, since the pipeline was started.
#[derive(Clone, Debug)]
pub struct TenantStatus {
    pub tenant: String,
    /// Rows that targets hold.
    pub applied: u64,
    /// Rows that wait for its quota.
    pub held: u64,
    /// Age of the commit of the oldest of them, about; 0 without any.
    pub lag_seconds: f64,
}

/// One series of the metrics. Those without one of their own are summed under `other`.
#[derive(Clone, Debug, Default)]
pub struct TenantSeries {
    /// Its label.
    pub tenant: String,
    /// As in [`TenantStatus`].
    pub applied: u64,
    pub held: u64,
    pub lag_seconds: f64,
}

/// A sink's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkState {
    Ok,
    Retrying,
    Halted,
}

impl SinkState {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Retrying => "retrying",
            Self::Halted => "halted",
        }
    }
}

/// One table of a running backfill.
#[derive(Clone, Debug)]
pub struct BackfillStatus {
    pub run: i64,
    pub table: String,
    pub rows: u64,
    /// 0 if unknown.
    pub estimate: u64,
    pub rows_per_second: f64,
    pub eta_seconds: Option<f64>,
    pub finished: bool,
}
