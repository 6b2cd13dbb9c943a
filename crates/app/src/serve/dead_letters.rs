//! `/v1/dead-letters`: list them, try them again at the sink that refused them, give them up.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use syncline_api as api;
use syncline_engine::error::{Code, Error};
use syncline_engine::ledger::{Commit, DeadLetterFilter, Ledger, next_letters};
use syncline_engine::pipeline::RedriveReport;

use super::access::Actor;
use super::pipelines::audit;
use super::problem::Refusal;
use super::{Shared, request};
use crate::shape;

/// So many are listed unless asked otherwise.
const USUAL: u32 = 1000;
/// And never more than this in one answer.
const MOST: u32 = 10_000;

/// Dead letters, oldest first.
#[utoipa::path(get, path = "/v1/dead-letters", tag = "dead letters", params(api::DeadLetterQuery), responses((status = 200, body = api::DeadLetters), (status = "default", body = api::Problem)))]
pub async fn list(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<api::DeadLetterQuery>, QueryRejection>,
) -> Result<Json<api::DeadLetters>, Refusal> {
    Ok(Json(listed(&*shared.ledger, &asked(query)?).await?))
}

fn asked(query: Result<Query<api::DeadLetterQuery>, QueryRejection>) -> Result<api::DeadLetterQuery, Error> {
    let Query(query) =
        query.map_err(|e| Error::new(Code::HttpRequest, "the query cannot be read").cause(e))?;
    Ok(query)
}

/// Dead letters by what refused them, the largest group first.
#[utoipa::path(get, path = "/v1/dead-letters/groups", tag = "dead letters", params(api::DeadLetterQuery), responses((status = 200, body = api::DeadLetterGroups), (status = "default", body = api::Problem)))]
pub async fn groups(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<api::DeadLetterQuery>, QueryRejection>,
) -> Result<Json<api::DeadLetterGroups>, Refusal> {
    Ok(Json(grouped(&*shared.ledger, &asked(query)?).await?))
}

/// Groups from a ledger.
pub async fn grouped(
    ledger: &dyn Ledger,
    query: &api::DeadLetterQuery,
) -> Result<api::DeadLetterGroups, Error> {
    let limit = query.limit.unwrap_or(USUAL).min(MOST) as usize;
    let mut groups = ledger.dead_letter_groups(&shape::filter(query, limit + 1)).await?;
    let truncated = groups.len() > limit;
    groups.truncate(limit);
    Ok(api::DeadLetterGroups {
        groups: groups.into_iter().map(shape::dead_letter_group).collect(),
        truncated,
    })
}

/// Lists from a ledger.
pub async fn listed(ledger: &dyn Ledger, query: &api::DeadLetterQuery) -> Result<api::DeadLetters, Error> {
    let limit = query.limit.unwrap_or(USUAL).min(MOST) as usize;
    let mut letters = ledger.dead_letters(&shape::filter(query, limit + 1)).await?;
    let truncated = letters.len() > limit;
    letters.truncate(limit);
    let dead_letters = letters.into_iter().map(shape::dead_letter).collect();
    Ok(api::DeadLetters { dead_letters, truncated })
}

/// Reads the rows again and tries them at the sink that refused them.
#[utoipa::path(post, path = "/v1/dead-letters/redrive", tag = "dead letters", request_body = api::DeadLetterAction, responses((status = 200, body = api::RedriveReport), (status = "default", body = api::Problem)))]
pub async fn redrive(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    body: Bytes,
) -> Result<Json<api::RedriveReport>, Refusal> {
    let action: api::DeadLetterAction = request::json(&body)?;
    if let Some(name) = &action.pipeline {
        shared.pipeline(name)?;
    }
    let filter = filter(&action);
    let mut sum = RedriveReport::default();
    for pipeline in &shared.pipelines {
        if action.pipeline.as_deref().is_some_and(|p| p != pipeline.name()) {
            continue;
        }
        if !action.dry_run {
            audit(&*shared.ledger, &actor.0, "redrive", pipeline.name(), &action).await?;
        }
        let filter = DeadLetterFilter { pipeline: Some(pipeline.name().to_owned()), ..filter.clone() };
        // In a task of its own: a client that hangs up does not stop it half-way.
        let (pipeline, dry_run) = (pipeline.clone(), action.dry_run);
        let task = tokio::spawn(async move { pipeline.redrive(&filter, dry_run).await });
        let report =
            task.await.map_err(|e| Error::new(Code::Internal, "the redrive broke off").cause(e))??;
        sum.selected += report.selected;
        sum.applied += report.applied;
        sum.superseded += report.superseded;
        sum.failed.extend(report.failed);
    }
    Ok(Json(shape::redrive(sum, action.dry_run)))
}

/// Gives dead letters up: they leave the list and count as superseded.
#[utoipa::path(post, path = "/v1/dead-letters/discard", tag = "dead letters", request_body = api::DeadLetterAction, responses((status = 200, body = api::DiscardReport), (status = "default", body = api::Problem)))]
pub async fn discard(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    body: Bytes,
) -> Result<Json<api::DiscardReport>, Refusal> {
    let action: api::DeadLetterAction = request::json(&body)?;
    if let Some(name) = &action.pipeline {
        shared.pipeline(name)?;
    }
    let mut report = api::DiscardReport { dry_run: action.dry_run, ..Default::default() };
    for pipeline in &shared.pipelines {
        if action.pipeline.as_deref().is_some_and(|p| p != pipeline.name()) {
            continue;
        }
        let filter = DeadLetterFilter { pipeline: Some(pipeline.name().to_owned()), ..filter(&action) };
        if action.dry_run {
            report.selected += shared.ledger.count_dead_letters(&filter).await?;
            continue;
        }
        audit(&*shared.ledger, &actor.0, "discard", pipeline.name(), &action).await?;
        let discarded = pipeline.discard(&filter).await?;
        report.selected += discarded;
        report.discarded += discarded;
    }
    Ok(Json(report))
}

/// Discards in the ledger of a file that no process runs. Letters above the checkpoint are not part of the balance yet:
/// their changes come again, so they are forgotten instead.
pub async fn discarded(
    ledger: &dyn Ledger,
    pipeline: &str,
    action: &api::DeadLetterAction,
) -> Result<api::DiscardReport, Error> {
    ledger.forget_uncounted_letters(pipeline).await?;
    let mut wanted = DeadLetterFilter { pipeline: Some(pipeline.to_owned()), ..filter(action) };
    let selected = ledger.count_dead_letters(&wanted).await?;
    if action.dry_run || selected == 0 {
        return Ok(api::DiscardReport { selected, discarded: 0, dry_run: action.dry_run });
    }
    audit(ledger, "local", "discard", pipeline, action).await?;
    let mut discarded = 0;
    loop {
        let letters = next_letters(ledger, &mut wanted).await?;
        if letters.is_empty() {
            return Ok(api::DiscardReport { selected, discarded, dry_run: false });
        }
        let settled: Vec<i64> = letters.iter().map(|l| l.id).collect();
        discarded += settled.len() as u64;
        ledger.commit(pipeline, Commit { settled, ..Commit::default() }).await?;
    }
}

/// What an action is for: all that match, without a limit.
fn filter(action: &api::DeadLetterAction) -> DeadLetterFilter {
    shape::filter(&shape::as_query(action), 0)
}
