//! The probes: `/livez` says that the process answers, `/readyz` that every pipeline streams, is degraded or is paused,
//! `/health` both in words. A broken sink degrades its pipeline and never takes the process down.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use syncline_api as api;
use syncline_engine::pipeline::PipelineState;

use super::Shared;

/// Whether the process lives.
#[utoipa::path(get, path = "/livez", tag = "probes", responses((status = 200, description = "The process answers", body = String)))]
pub async fn livez() -> &'static str {
    "ok\n"
}

/// Whether every pipeline is streaming, degraded or paused.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "probes",
    responses(
        (status = 200, description = "Every pipeline is streaming, degraded or paused", body = api::Health),
        (status = 503, description = "Some pipeline is not", body = api::Health)
    )
)]
pub async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, Json<api::Health>) {
    let health = look(&shared);
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}

/// How the pipelines are.
#[utoipa::path(get, path = "/health", tag = "probes", responses((status = 200, description = "How the pipelines are", body = api::Health)))]
pub async fn health(State(shared): State<Arc<Shared>>) -> Json<api::Health> {
    Json(look(&shared))
}

fn look(shared: &Shared) -> api::Health {
    let states: Vec<(String, PipelineState)> =
        shared.pipelines.iter().map(|p| (p.name().to_owned(), p.status().state)).collect();
    let ready = states.iter().all(|(_, state)| is_ready(*state));
    let well = states.iter().all(|(_, state)| *state == PipelineState::Streaming);
    let failed = states.iter().any(|(_, s)| matches!(s, PipelineState::Halted | PipelineState::Degraded));
    let status = match (ready, well, failed) {
        (true, true, _) => "ok",
        (_, _, true) => "degraded",
        (true, false, false) => "paused",
        (false, _, false) => "starting",
    };
    let named =
        |(name, state): (String, PipelineState)| api::PipelineHealth { name, state: state.name().to_owned() };
    api::Health {
        status: status.to_owned(),
        ready,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pipelines: states.into_iter().map(named).collect(),
    }
}

fn is_ready(state: PipelineState) -> bool {
    matches!(state, PipelineState::Streaming | PipelineState::Degraded | PipelineState::Paused)
}
