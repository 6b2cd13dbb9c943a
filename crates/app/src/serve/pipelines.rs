//! `/v1/pipelines`: look at them, pause, resume, backfill. Every change is audited before it is answered.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use syncline_api as api;
use syncline_engine::error::Error;
use syncline_engine::ledger::{AuditRecord, Ledger};
use syncline_engine::pipeline::BackfillRequest;

use super::access::Actor;
use super::problem::Refusal;
use super::{Shared, request};
use crate::shape;

/// All pipelines: states, lag, rate, balance.
#[utoipa::path(get, path = "/v1/pipelines", tag = "pipelines", responses((status = 200, body = api::Status), (status = "default", body = api::Problem)))]
pub async fn list(State(shared): State<Arc<Shared>>) -> Json<api::Status> {
    let pipelines = shared.pipelines.iter().map(|p| shape::pipeline(p.status())).collect();
    Json(api::Status { pipelines })
}

/// One pipeline.
#[utoipa::path(get, path = "/v1/pipelines/{name}", tag = "pipelines", params(("name" = String, Path)), responses((status = 200, body = api::PipelineStatus), (status = "default", body = api::Problem)))]
pub async fn one(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Json<api::PipelineStatus>, Refusal> {
    Ok(Json(shape::pipeline(shared.pipeline(&name)?.status())))
}

/// Stops reading until `resume`, also over restarts.
#[utoipa::path(post, path = "/v1/pipelines/{name}/pause", tag = "pipelines", params(("name" = String, Path)), responses((status = 200, body = api::Control), (status = "default", body = api::Problem)))]
pub async fn pause(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
) -> Result<Json<api::Control>, Refusal> {
    let pipeline = shared.pipeline(&name)?;
    audit(&*shared.ledger, &actor.0, "pause", &name, &()).await?;
    pipeline.pause().await?;
    Ok(Json(done(name, "paused", None)))
}

/// Goes on after `pause`, and lets tables go on that halted for their dead letters.
#[utoipa::path(post, path = "/v1/pipelines/{name}/resume", tag = "pipelines", params(("name" = String, Path)), responses((status = 200, body = api::Control), (status = "default", body = api::Problem)))]
pub async fn resume(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
) -> Result<Json<api::Control>, Refusal> {
    let pipeline = shared.pipeline(&name)?;
    audit(&*shared.ledger, &actor.0, "resume", &name, &()).await?;
    pipeline.resume().await?;
    Ok(Json(done(name, "resumed", None)))
}

/// Reads tables again into the live targets, in the background; or stops doing so.
#[utoipa::path(post, path = "/v1/pipelines/{name}/backfill", tag = "pipelines", params(("name" = String, Path)), request_body = api::BackfillRequest, responses((status = 200, body = api::Control), (status = "default", body = api::Problem)))]
pub async fn backfill(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<api::Control>, Refusal> {
    let asked: api::BackfillRequest = request::json(&body)?;
    let pipeline = shared.pipeline(&name)?;
    audit(&*shared.ledger, &actor.0, "backfill", &name, &asked).await?;
    if asked.cancel {
        pipeline.cancel_backfill();
        return Ok(Json(done(name, "cancelled", None)));
    }
    let wanted = BackfillRequest { tables: asked.tables, sinks: asked.sinks };
    let run = pipeline.backfill(&wanted).await?;
    Ok(Json(done(name, "backfill", Some(run))))
}

fn done(pipeline: String, action: &str, run: Option<i64>) -> api::Control {
    api::Control { pipeline, action: action.to_owned(), run }
}

/// Writes down who asked for what, before it is done.
pub async fn audit(
    ledger: &dyn Ledger,
    actor: &str,
    action: &str,
    pipeline: &str,
    detail: &impl serde::Serialize,
) -> Result<(), Error> {
    ledger.audit(&AuditRecord::now(actor, action, pipeline, detail)).await
}
