//! What the probes answer. `/livez` speaks of the process only, `/readyz` of its pipelines, `/health` tells both in words.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer of `/health` and `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`: every pipeline is streaming. `degraded`: all are ready, not all are well. `starting`: not ready yet.
    pub status: String,
    /// Whether `/readyz` answers 200.
    pub ready: bool,
    /// The version of this binary.
    pub version: String,
    /// Each pipeline's state.
    pub pipelines: Vec<PipelineHealth>,
}

/// One pipeline's part of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PipelineHealth {
    pub name: String,
    /// `starting`, `backfilling`, `streaming`, `degraded`, `paused`, `halted` or `stopped`.
    pub state: String,
}
