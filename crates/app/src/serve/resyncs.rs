//! `/v1/pipelines/{name}/resync` and `/tasks`: begins resyncs, which go on by themselves and over restarts, tells how far
//! they are, ends them, and gives up what they have kept. Every change is audited before it is done.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use syncline_api as api;

use super::access::Actor;
use super::problem::Refusal;
use super::{Shared, request};

/// Makes the documents of a table in one target anew, in the background.
#[utoipa::path(post, path = "/v1/pipelines/{name}/resync", tag = "pipelines", params(("name" = String, Path)), request_body = api::ResyncRequest, responses((status = 202, body = api::ResyncTask), (status = "default", body = api::Problem)))]
pub async fn begin(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<api::ResyncTask>), Refusal> {
    let asked: api::ResyncRequest = request::json(&body)?;
    shared.pipeline(&name)?;
    let task = shared.resyncs.begin(&name, &asked, &actor.0).await?;
    Ok((StatusCode::ACCEPTED, Json(task.shown())))
}

/// All resyncs that are remembered, oldest first.
#[utoipa::path(get, path = "/tasks", tag = "tasks", responses((status = 200, body = api::ResyncTasks), (status = "default", body = api::Problem)))]
pub async fn list(State(shared): State<Arc<Shared>>) -> Result<Json<api::ResyncTasks>, Refusal> {
    let tasks = shared.resyncs.all().await?;
    Ok(Json(api::ResyncTasks { tasks: tasks.iter().map(crate::resync::Task::shown).collect() }))
}

/// How far a resync is.
#[utoipa::path(get, path = "/tasks/{id}", tag = "tasks", params(("id" = u64, Path)), responses((status = 200, body = api::ResyncTask), (status = "default", body = api::Problem)))]
pub async fn one(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
) -> Result<Json<api::ResyncTask>, Refusal> {
    Ok(Json(shared.resyncs.find(id).await?.shown()))
}

/// Ends a resync; the live target stays as it is.
#[utoipa::path(post, path = "/tasks/{id}/cancel", tag = "tasks", params(("id" = u64, Path)), responses((status = 200, body = api::ResyncTask), (status = "default", body = api::Problem)))]
pub async fn cancel(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<u64>,
) -> Result<Json<api::ResyncTask>, Refusal> {
    Ok(Json(shared.resyncs.cancel(id, &actor.0).await?.shown()))
}

/// Deletes the index that a resync has kept.
#[utoipa::path(post, path = "/tasks/{id}/forget", tag = "tasks", params(("id" = u64, Path)), responses((status = 200, body = api::ResyncTask), (status = "default", body = api::Problem)))]
pub async fn forget(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<u64>,
) -> Result<Json<api::ResyncTask>, Refusal> {
    Ok(Json(shared.resyncs.forget(id, &actor.0).await?.shown()))
}

/// Makes the index live again that a resync has kept, once it holds what it has missed. In the background.
#[utoipa::path(post, path = "/tasks/{id}/rollback", tag = "tasks", params(("id" = u64, Path)), responses((status = 202, body = api::ResyncTask), (status = "default", body = api::Problem)))]
pub async fn rollback(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<u64>,
) -> Result<(StatusCode, Json<api::ResyncTask>), Refusal> {
    let pipeline = shared.resyncs.find(id).await?.pipeline;
    shared.pipeline(&pipeline)?;
    Ok((StatusCode::ACCEPTED, Json(shared.resyncs.rollback(id, &actor.0).await?.shown())))
}
