//! Who takes care of dead letters: a person takes one with a note and gives it back, or the pipeline tries them by itself.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde_json::json;
use syncline_api as api;
use syncline_engine::error::{Code, Error};
use syncline_engine::ledger::{AuditRecord, DeadLetterFilter, Ledger, LetterState, StateChange};

use super::access::Actor;
use super::pipelines::audit;
use super::problem::Refusal;
use super::{Shared, request};
use crate::shape;

/// Characters that a note may have.
const LONGEST_NOTE: usize = 1000;

/// Leaves a dead letter to a person: it is not tried again by itself.
#[utoipa::path(post, path = "/v1/dead-letters/{id}/manual", tag = "dead letters", params(("id" = i64, Path)), request_body = api::ManualNote, responses((status = 200, body = api::DeadLetter), (status = "default", body = api::Problem)))]
pub async fn manual(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<api::DeadLetter>, Refusal> {
    let asked: api::ManualNote = request::json(&body)?;
    Ok(Json(taken(&*shared.ledger, &actor.0, number(&id)?, &asked.note).await?))
}

/// Gives a dead letter back: it is tried again by itself, with all its attempts.
#[utoipa::path(post, path = "/v1/dead-letters/{id}/release", tag = "dead letters", params(("id" = i64, Path)), responses((status = 200, body = api::DeadLetter), (status = "default", body = api::Problem)))]
pub async fn release(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<Json<api::DeadLetter>, Refusal> {
    Ok(Json(released(&*shared.ledger, &actor.0, number(&id)?).await?))
}

/// Tries the dead letters whose time has come, once.
#[utoipa::path(post, path = "/v1/dead-letters/reprocess", tag = "dead letters", request_body = api::ReprocessRequest, responses((status = 200, body = api::ReprocessReport), (status = "default", body = api::Problem)))]
pub async fn reprocess(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    body: Bytes,
) -> Result<Json<api::ReprocessReport>, Refusal> {
    let asked: api::ReprocessRequest = request::json(&body)?;
    if let Some(name) = &asked.pipeline {
        shared.pipeline(name)?;
    }
    let wanted = shape::reprocess(&asked);
    let mut sum = api::ReprocessReport::default();
    let chosen = |name: &str| asked.pipeline.as_deref().is_none_or(|pipeline| pipeline == name);
    for pipeline in shared.pipelines.iter().filter(|pipeline| chosen(pipeline.name())) {
        audit(&*shared.ledger, &actor.0, "reprocess", pipeline.name(), &asked).await?;
        // In a task of its own: a client that hangs up does not stop it half-way.
        let (pipeline, wanted) = (pipeline.clone(), wanted.clone());
        let task = tokio::spawn(async move { pipeline.reprocess(&wanted).await });
        let report = task.await.map_err(|e| Error::new(Code::Internal, "the pass broke off").cause(e))??;
        shape::add_reprocessed(&mut sum, &report);
    }
    Ok(Json(sum))
}

fn number(id: &str) -> Result<i64, Error> {
    id.parse().map_err(|_| Error::new(Code::HttpRequest, format!("{id} is no number of a dead letter")))
}

/// Leaves a letter to a person; answers it as it is then.
pub async fn taken(ledger: &dyn Ledger, actor: &str, id: i64, note: &str) -> Result<api::DeadLetter, Error> {
    let note = note.trim();
    if note.is_empty() || note.chars().count() > LONGEST_NOTE {
        return Err(Error::new(Code::HttpRequest, "the note says nothing, or too much")
            .fix(format!("say what the letter waits for, in at most {LONGEST_NOTE} characters")));
    }
    let detail = json!({ "id": id, "note": note });
    changed(ledger, actor, "dead letter manual", id, LetterState::Manual(note.to_owned()), &detail).await
}

/// Gives a letter back; answers it as it is then.
pub async fn released(ledger: &dyn Ledger, actor: &str, id: i64) -> Result<api::DeadLetter, Error> {
    changed(ledger, actor, "dead letter released", id, LetterState::Waiting, &json!({ "id": id })).await
}

async fn changed(
    ledger: &dyn Ledger,
    actor: &str,
    action: &str,
    id: i64,
    state: LetterState,
    detail: &serde_json::Value,
) -> Result<api::DeadLetter, Error> {
    let pipeline = one(ledger, id).await?.pipeline;
    let audit = AuditRecord::now(actor, action, &pipeline, detail);
    let change = StateChange { pipeline, ids: vec![id], state, only_waiting: false, audit };
    ledger.set_letter_state(&change).await?;
    one(ledger, id).await
}

async fn one(ledger: &dyn Ledger, id: i64) -> Result<api::DeadLetter, Error> {
    let filter = DeadLetterFilter { id: Some(id), ..DeadLetterFilter::default() };
    let found = ledger.dead_letters(&filter).await?.pop();
    found.map(shape::dead_letter).ok_or_else(|| no_letter(id))
}

/// Nothing has this number.
pub fn no_letter(id: i64) -> Error {
    Error::new(Code::Unknown, format!("there is no dead letter {id}"))
        .fix("syncline dlq list FILE shows their numbers")
}
