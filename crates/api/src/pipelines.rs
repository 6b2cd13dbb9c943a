//! What a client sends to steer a pipeline, and what it is told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
