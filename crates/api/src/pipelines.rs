//! What a client sends to steer a pipeline, and what it is told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ErrorBody;

/// The body of `POST /v1/pipelines/{name}/backfill`: which tables to read again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackfillRequest {
    /// Names or patterns of `database.table`; empty for all captured tables.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Connections to read for; empty for all.
    #[serde(default)]
    pub sinks: Vec<String>,
    /// Stops the running backfill instead.
    #[serde(default)]
    pub cancel: bool,
}

/// The answer: what now holds for the pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Control {
    pub pipeline: String,
    /// `paused`, `resumed`, `backfill` or `cancelled`.
    pub action: String,
    /// The backfill's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<i64>,
}

/// The body of `POST /v1/pipelines/{name}/resync`: what to make anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResyncRequest {
    /// `database.table`.
    pub table: String,
    /// The connection; needed where the table has several targets that hold documents.
    #[serde(default)]
    pub target: Option<String>,
    /// Only these rows, in place; all of them if absent.
    #[serde(default)]
    pub part: Option<ResyncPart>,
}

/// Some rows of a table: those of a tenant, those of a range of keys, or those for which a condition is true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResyncPart {
    /// By the pipeline's `tenant:` column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The lowest key, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The highest key, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// As a filter's `when:`.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
}

/// A resync.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResyncTask {
    pub id: u64,
    pub pipeline: String,
    pub table: String,
    /// The connection.
    pub target: String,
    /// `pending`, `running`, `verifying`, `swapping`, `completed`, `failed` or `cancelled`.
    pub state: String,
    /// The name that searches ask, where another index is filled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The index that is filled, and that the alias stands for once the task is completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// The index that the alias stood for before, as long as it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// The resync that it undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolls_back: Option<u64>,
    /// The rows whose documents are made anew, if not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<ResyncPart>,
    pub asked_by: String,
    pub started_at: String,
    #[serde(default)]
    pub ended_at: Option<String>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<ErrorBody>,
}

/// Resyncs, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResyncTasks {
    pub tasks: Vec<ResyncTask>,
}
