//! `/consistency`: starts comparisons, which go on by themselves, tells how far they have come and what they found, and reports
//! what all of them found.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Json};
use syncline_api as api;
use syncline_engine::clock::now_millis;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::pipeline::PipelineHandle;
use syncline_engine::verify::{
    MOST_REPAIRS, Only, Part, RepairRequest, VerifyProgress, VerifyReport, VerifyRequest,
};
use tokio::sync::watch;

use super::access::Actor;
use super::pipelines::audit;
use super::problem::Refusal;
use super::{Shared, request};
use crate::config::units;
use crate::{report, shape};

/// Rows named per target unless asked otherwise.
const LISTED: u64 = 1000;
/// And never more than this.
const MOST_LISTED: u64 = 100_000;
/// Runs that are remembered.
const KEPT: usize = 20;

/// The runs of this process.
pub struct Runs {
    folder: PathBuf,
    known: Mutex<BTreeMap<u64, Run>>,
}

enum Run {
    Running(watch::Receiver<VerifyProgress>),
    Ended(Result<Vec<VerifyReport>>),
}

impl Runs {
    /// `data`: the data folder.
    pub fn new(data: &std::path::Path) -> Runs {
        Runs { folder: folder(data), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<u64, Run>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, progress: watch::Receiver<VerifyProgress>) -> u64 {
        let mut known = self.known();
        let id = known.last_key_value().map_or(1, |(id, _)| id + 1);
        while known.len() >= KEPT {
            known.pop_first();
        }
        known.insert(id, Run::Running(progress));
        id
    }
}

/// Where comparisons keep what does not fit in memory.
pub fn folder(data: &std::path::Path) -> PathBuf {
    data.join("verify")
}

/// What was asked for, in the engine's words. `actor`: who asked.
pub fn wanted(asked: &api::ComparisonRequest, folder: PathBuf, actor: &str) -> Result<VerifyRequest> {
    let most = asked.max_repairs.unwrap_or(MOST_REPAIRS);
    Ok(VerifyRequest {
        tables: asked.tables.clone(),
        sinks: asked.targets.clone(),
        part: part(asked)?,
        keys: keys(asked)?,
        only: asked.tenant.clone().map(Only::Tenant),
        per_tenant: per_tenant(asked)?,
        resume: asked.resume,
        rows_per_second: asked.rows_per_second,
        readers: asked.readers,
        listed: usize::try_from(asked.limit.unwrap_or(LISTED).min(MOST_LISTED)).unwrap_or(0),
        repair: asked.apply.then(|| RepairRequest { actor: actor.to_owned(), most }),
        folder,
        why: actor.to_owned(),
    })
}

fn part(asked: &api::ComparisonRequest) -> Result<Part> {
    let wrong = |what: String| Error::new(Code::HttpRequest, what);
    match (&asked.since, asked.sample) {
        (None, None) => Ok(Part::All),
        (None, Some(0)) => Err(wrong("a sample of no rows".to_owned()).fix("name how many: 1000")),
        (None, Some(rows)) => Ok(Part::Sample(rows)),
        (Some(since), None) => {
            let ago = units::duration(since).and_then(|ago| i64::try_from(ago.as_millis()).ok());
            let ago =
                ago.ok_or_else(|| wrong(format!("`{since}` is no duration")).fix("write 10m, 2h, 1d"))?;
            Ok(Part::Since(now_millis().saturating_sub(ago)))
        }
        (Some(_), Some(_)) => {
            Err(wrong("either `since` or `sample`".to_owned()).fix("leave one of them out"))
        }
    }
}

fn per_tenant(asked: &api::ComparisonRequest) -> Result<bool> {
    if asked.per_tenant && (asked.tenant.is_some() || !asked.keys.is_empty()) {
        let error = Error::new(Code::HttpRequest, "`per_tenant` counts everybody's rows");
        return Err(error.fix("leave out tenant and keys"));
    }
    Ok(asked.per_tenant)
}

fn keys(asked: &api::ComparisonRequest) -> Result<Vec<String>> {
    let wrong = |what: &str, fix: &str| Err(Error::new(Code::HttpRequest, what).fix(fix));
    match &*asked.tables {
        _ if asked.keys.is_empty() => Ok(Vec::new()),
        _ if asked.since.is_some() || asked.sample.is_some() || asked.tenant.is_some() || asked.resume => {
            wrong("`keys` are all that is compared", "leave out since, sample, tenant and resume")
        }
        [table] if !table.contains(['*', '?']) => Ok(asked.keys.clone()),
        _ => wrong("`keys` are those of one table", "name it: database.table"),
    }
}

/// Compares pipelines, one after the other.
pub async fn compare(
    pipelines: &[PipelineHandle],
    wanted: &VerifyRequest,
    progress: &watch::Sender<VerifyProgress>,
) -> Result<Vec<VerifyReport>> {
    let mut reports = Vec::new();
    for pipeline in pipelines {
        let folder = wanted.folder.join(pipeline.name());
        let wanted = VerifyRequest { folder, ..wanted.clone() };
        reports.push(pipeline.verify(&wanted, progress).await?);
    }
    Ok(reports)
}

/// Starts a comparison of sources and targets. It changes nothing.
#[utoipa::path(post, path = "/consistency/runs", tag = "consistency", request_body = api::ComparisonRequest, responses((status = 202, body = api::ComparisonRun), (status = "default", body = api::Problem)))]
pub async fn begin(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    body: Bytes,
) -> std::result::Result<(StatusCode, Json<api::ComparisonRun>), Refusal> {
    let asked: api::ComparisonRequest = request::json(&body)?;
    if asked.apply || asked.max_repairs.is_some() {
        return Err(Error::new(Code::HttpRequest, "a comparison changes nothing")
            .fix("POST /consistency/repairs takes `apply` and `max_repairs`")
            .into());
    }
    Ok(started(shared, &actor, "verify", asked).await?)
}

/// Starts a comparison that puts right what it finds, if it is told to `apply`; else it tells what it would put right.
#[utoipa::path(post, path = "/consistency/repairs", tag = "consistency", request_body = api::ComparisonRequest, responses((status = 202, body = api::ComparisonRun), (status = "default", body = api::Problem)))]
pub async fn repair(
    State(shared): State<Arc<Shared>>,
    Extension(actor): Extension<Actor>,
    body: Bytes,
) -> std::result::Result<(StatusCode, Json<api::ComparisonRun>), Refusal> {
    let asked: api::ComparisonRequest = request::json(&body)?;
    let action = if asked.apply { "repair run" } else { "repair preview" };
    Ok(started(shared, &actor, action, asked).await?)
}

async fn started(
    shared: Arc<Shared>,
    actor: &Actor,
    action: &str,
    asked: api::ComparisonRequest,
) -> Result<(StatusCode, Json<api::ComparisonRun>)> {
    let mut pipelines = Vec::new();
    for name in &asked.pipelines {
        pipelines.push(shared.pipeline(name)?.clone());
    }
    if pipelines.is_empty() {
        pipelines.clone_from(&shared.pipelines);
    }
    let wanted = wanted(&asked, shared.runs.folder.clone(), &actor.0)?;
    for pipeline in &pipelines {
        audit(&*shared.ledger, &actor.0, action, pipeline.name(), &asked).await?;
    }
    let (progress, seen) = watch::channel(VerifyProgress::default());
    let id = shared.runs.begin(seen);
    // In a task of its own: a client that hangs up does not stop it.
    tokio::spawn(async move {
        let ended = compare(&pipelines, &wanted, &progress).await;
        if let Some(run) = shared.runs.known().get_mut(&id) {
            *run = Run::Ended(ended);
        }
    });
    let run = api::ComparisonRun { id, state: "running".to_owned(), ..Default::default() };
    Ok((StatusCode::ACCEPTED, Json(run)))
}

/// What comparisons found over the last hours, per table and target; a page for `Accept: text/html`.
#[utoipa::path(get, path = "/consistency/report", tag = "consistency", params(api::ReportQuery), responses((status = 200, body = api::ConsistencyReport), (status = "default", body = api::Problem)))]
pub async fn report(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    query: std::result::Result<Query<api::ReportQuery>, QueryRejection>,
) -> std::result::Result<Response, Refusal> {
    let Query(query) =
        query.map_err(|e| Error::new(Code::HttpRequest, "the query cannot be read").cause(e))?;
    let hours = query.hours.unwrap_or(report::USUAL_HOURS);
    if hours == 0 || i64::from(hours) > report::MOST_HOURS {
        let text = format!("hours must be from 1 to {}", report::MOST_HOURS);
        return Err(Error::new(Code::HttpRequest, text).into());
    }
    let names: Vec<&str> = shared.pipelines.iter().map(PipelineHandle::name).collect();
    let report = report::make(Some(&*shared.ledger), &names, hours, query.tenant.as_deref()).await?;
    if !wants_page(&headers) {
        return Ok(Json(report).into_response());
    }
    let policy = [(header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'")];
    Ok((policy, Html(report::page(&report))).into_response())
}

/// Whether a page is named before JSON in what the client takes.
fn wants_page(headers: &HeaderMap) -> bool {
    let taken = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = taken.flat_map(|value| value.split(','));
    let kind = |range: &str| range.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    kinds.find_map(|range| match &*kind(range) {
        "text/html" => Some(true),
        "application/json" => Some(false),
        _ => None,
    }) == Some(true)
}

/// How far a comparison has come, or what it found.
#[utoipa::path(get, path = "/consistency/runs/{id}", tag = "consistency", params(("id" = u64, Path)), responses((status = 200, body = api::ComparisonRun), (status = "default", body = api::Problem)))]
pub async fn one(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
) -> std::result::Result<Json<api::ComparisonRun>, Refusal> {
    let known = shared.runs.known();
    let run = known.get(&id).ok_or_else(|| {
        Error::new(Code::Unknown, format!("there is no comparison {id}"))
            .fix("POST /consistency/runs starts one; a process remembers its last twenty")
    })?;
    Ok(Json(match run {
        Run::Running(progress) => api::ComparisonRun {
            id,
            state: "running".to_owned(),
            progress: Some(shape::progress(&progress.borrow())),
            ..Default::default()
        },
        Run::Ended(Ok(reports)) => api::ComparisonRun {
            id,
            state: "completed".to_owned(),
            reports: reports.iter().map(shape::comparison).collect(),
            ..Default::default()
        },
        Run::Ended(Err(error)) => api::ComparisonRun {
            id,
            state: "failed".to_owned(),
            error: Some(shape::error_body(error)),
            ..Default::default()
        },
    }))
}
