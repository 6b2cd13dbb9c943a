//! The shape `status`: states, lag, rate and the balance of every table.
//! `accepted = applied + superseded + filtered + dead + in_flight` holds for each table; nobody computes one from the rest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ErrorBody;

/// What `syncline status --json` prints and `GET /v1/pipelines` answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    pub pipelines: Vec<PipelineStatus>,
}

/// One pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PipelineStatus {
    pub name: String,
    /// `starting`, `backfilling`, `streaming`, `degraded`, `paused`, `halted` or `stopped`.
    pub state: String,
    /// The lowest checkpoint, in the source's words.
    pub position: Option<String>,
    /// The source epoch: the high part of every version.
    pub epoch: u16,
    /// Seconds between the commit of the newest applied change and now; 0 when idle, null when it does not run.
    pub lag_seconds: Option<f64>,
    /// Deliveries finished per second.
    pub rate_per_second: f64,
    pub tables: Vec<TableStatus>,
    pub sinks: Vec<SinkStatus>,
    /// Dead letters that wait for a person.
    pub dead_letters: u64,
    /// When it was last verified; null if never.
    pub verified_at: Option<String>,
    /// Rows that differed then; null if it was never verified.
    pub drift: Option<u64>,
    /// What the file has done at set times, in its order.
    #[serde(default)]
    pub schedule: Vec<ScheduleStatus>,
    /// Tables that are being read again.
    #[serde(default)]
    pub backfill: Vec<BackfillStatus>,
    /// Where tenants have quotas: those with something held, then the busiest; 50 at most.
    #[serde(default)]
    pub tenants: Vec<TenantStatus>,
    /// What keeps the pipeline from running.
    #[serde(default)]
    pub error: Option<ErrorBody>,
    /// What the last probe of each thing found.
    #[serde(default)]
    pub probes: Vec<ProbeStatus>,
    /// Steps of recovery that count against its limit.
    #[serde(default)]
    pub recovery: Vec<RecoveryStatus>,
}

/// One thing that is probed every few seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProbeStatus {
    /// `source`, `lag`, or `target/` and the connection's name.
    pub of: String,
    pub ok: bool,
    /// Since when that is so.
    pub since: String,
    /// How long the answer took; of the lag: how far behind the pipeline is.
    pub latency_seconds: f64,
    /// Why it is not ok; always null for the lag.
    pub error: Option<ErrorBody>,
}

/// What recovery did of late about one cause at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecoveryStatus {
    /// As the file names it.
    pub cause: String,
    /// A table or a target's connection; null for the pipeline as a whole.
    pub of: Option<String>,
    /// What was done last.
    pub step: String,
    /// So many steps count against the limit.
    pub steps: u64,
    pub last_at: String,
    /// There may be no more: a person is needed.
    pub limited: bool,
}

/// One table; counts are sums over the sinks since the pipeline's first start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TableStatus {
    /// `database.table`.
    pub table: String,
    /// `ok`, `halted`, `dropped` or `stale`.
    pub state: String,
    /// Why it halted.
    #[schema(value_type = Option<ErrorBody>)]
    pub error: Option<serde_json::Value>,
    /// Deliveries handed to the sinks, filtered ones included.
    pub accepted: u64,
    /// Durable in their targets.
    pub applied: u64,
    /// Overtaken by a newer change of the same document.
    pub superseded: u64,
    /// Kept out, by the name of the rule.
    pub filtered: BTreeMap<String, u64>,
    /// Refused for good.
    pub dead: i64,
    /// On the way.
    pub in_flight: u64,
    /// Values that had to be changed to fit (zero dates).
    pub coerced: u64,
}

/// One entry of the file's schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleStatus {
    /// `verify`, `reprocess` or `retention`.
    pub task: String,
    /// When, as the file says it.
    pub cron: String,
    /// When it comes next; null if nothing runs that would start it.
    pub next_at: Option<String>,
    /// When it last began; null if never.
    pub last_at: Option<String>,
    /// `ok`, `drift`, `limited`, `refused`, `skipped`, `stopped` or `failed`; null if it never began.
    pub last_outcome: Option<String>,
    /// More about that, for people.
    #[serde(default)]
    pub last_message: Option<String>,
    /// Starts since the process started.
    #[serde(default)]
    pub runs: u64,
    /// Times that fell into the entry's own work and were left out.
    #[serde(default)]
    pub skipped: u64,
    /// Times that nobody was awake for.
    #[serde(default)]
    pub missed: u64,
}

/// One sink.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SinkStatus {
    /// The connection's name.
    pub connection: String,
    /// `ok`, `retrying` or `halted`.
    pub state: String,
    /// Since when it is tried again and again; null if all is well.
    pub retrying_since: Option<String>,
    pub error: Option<ErrorBody>,
    /// Its checkpoint, in the source's words.
    #[serde(default)]
    pub position: Option<String>,
    /// Requests tried again since the start.
    #[serde(default)]
    pub retries: u64,
    /// Deliveries queued in front of it.
    #[serde(default)]
    pub queued: u64,
    /// Whether it is the reason why the source is read more slowly.
    #[serde(default)]
    pub holds_back: bool,
    /// Whether so much is held of tenants for it that the source is read no further.
    #[serde(default)]
    pub held_full: bool,
}

/// One tenant, summed over the sinks, since the pipeline was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TenantStatus {
    pub tenant: String,
    /// Rows that its targets hold.
    pub applied: u64,
    /// Rows that wait for its quota.
    pub held: u64,
    /// Age of the commit of the oldest of them, about; 0 without any.
    pub lag_seconds: f64,
}

/// One table of a running backfill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BackfillStatus {
    /// Rises with each request.
    pub run: i64,
    pub table: String,
    pub rows: u64,
    /// The table's size as the source estimates it; 0 if unknown.
    pub estimate: u64,
    pub rows_per_second: f64,
    pub eta_seconds: Option<f64>,
    pub finished: bool,
}
