//! The kinds of work, and what each does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::now_millis;
use crate::error::{Code, Error, Result};
use crate::pipeline::{self, Reprocess, ReprocessReport, Shared};
use crate::schedule::{Cron, Schedule};
use crate::verify::{self, Only, Part, RepairRequest, VerifyProgress, VerifyReport, VerifyRequest};

/// Who does it, for the audit.
const ACTOR: &str = "syncline";
/// Why it is done, for the records of comparisons.
const WHY: &str = "schedule";

/// A piece of work and when it is done.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSpec {
    pub task: Task,
    pub schedule: Schedule,
}

impl TaskSpec {
    /// `jitter`: each start is delayed by less than this.
    pub fn new(pipeline: &str, task: Task, cron: Cron, zone: TimeZone, jitter: Duration) -> TaskSpec {
        let place = zone.iana_name().unwrap_or("UTC");
        let name = format!("{pipeline}: {} {} {place}", task.shown(), cron);
        TaskSpec { task, schedule: Schedule::new(name, cron, zone).with_jitter(jitter) }
    }
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Compares, and puts right what it finds if that is wanted.
    Verify(VerifyTask),
    /// Tries dead letters again whose turn it is.
    Reprocess(Reprocess),
    /// Forgets records of comparisons that are older than the pipeline keeps them.
    Retention,
}

/// A comparison that is to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyTask {
    /// Names or patterns of `database.table`; empty for all captured tables.
    pub tables: Vec<String>,
    /// Connections whose targets are compared; empty for all.
    pub sinks: Vec<String>,
    /// Which rows.
    pub rows: Rows,
    /// Only rows of this tenant.
    pub tenant: Option<String>,
    /// What is counted is counted by tenant, too.
    pub per_tenant: bool,
    /// At most so many rows a second are read of each side.
    pub rows_per_second: Option<u64>,
    /// So many documents are put right at most; `None`: nothing is.
    pub max_repairs: Option<u64>,
}

/// Which rows a comparison looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rows {
    #[default]
    All,
    /// About so many of each table.
    Sample(u64),
    /// What changed within so long before it begins.
    Since(Duration),
}

/// How a piece of work ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub kind: OutcomeKind,
    /// More about it, for people.
    pub message: Option<String>,
}

/// The word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeKind {
    /// All is as it should be now.
    Ok,
    /// Documents are not what they should be.
    Drift,
    /// The same, and more of them than might be put right.
    Limited,
    /// Rows were refused again.
    Refused,
    /// It did not begin: another one was under way.
    Skipped,
    /// It ended with the pipeline.
    Stopped,
    /// It gave up.
    Failed,
}

impl OutcomeKind {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Drift => "drift",
            Self::Limited => "limited",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// What work needs.
pub(super) struct Bench<'a> {
    pub shared: &'a Arc<Shared>,
    /// Where comparisons keep what does not fit in memory.
    pub folder: &'a Path,
}

impl Task {
    /// The word in the file.
    pub fn name(&self) -> &'static str {
        match self {
            Task::Verify(_) => "verify",
            Task::Reprocess(_) => "reprocess",
            Task::Retention => "retention",
        }
    }

    /// Name and options: two entries of a file that differ in them are two.
    fn shown(&self) -> String {
        match self {
            Task::Verify(VerifyTask { tables, sinks, rows, tenant, per_tenant, .. }) => {
                let tenant = tenant.as_deref().unwrap_or_default();
                let each = if *per_tenant { "per tenant" } else { "" };
                format!("verify {} {} {rows:?} {tenant}{each}", tables.join(","), sinks.join(","))
            }
            Task::Reprocess(wanted) => format!("reprocess {}", wanted.tenant.as_deref().unwrap_or_default()),
            Task::Retention => "retention".to_owned(),
        }
    }

    /// Does it.
    pub(super) async fn perform(&self, bench: &Bench<'_>) -> Outcome {
        let done = match self {
            Task::Verify(task) => task.perform(bench).await,
            Task::Reprocess(wanted) => reprocess(bench, wanted).await,
            Task::Retention => retention(bench).await,
        };
        done.unwrap_or_else(|error| failed(bench, self.name(), &error))
    }
}

fn failed(bench: &Bench<'_>, task: &str, error: &Error) -> Outcome {
    let pipeline = &bench.shared.spec.name;
    let kind = match error.code() {
        Code::VerifyBusy => OutcomeKind::Skipped,
        Code::Stopped => OutcomeKind::Stopped,
        _ => OutcomeKind::Failed,
    };
    match kind {
        OutcomeKind::Failed => tracing::warn!(pipeline, task, "{error}; {}", error.fix_text()),
        kind => tracing::info!(pipeline, task, "{}: {error}", kind.name()),
    }
    Outcome { kind, message: Some(error.to_string()) }
}

impl VerifyTask {
    async fn perform(&self, Bench { shared, folder }: &Bench<'_>) -> Result<Outcome> {
        let repair = self.max_repairs.map(|most| RepairRequest { actor: ACTOR.to_owned(), most });
        let ago = |ago: Duration| i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
        let part = match self.rows {
            Rows::All => Part::All,
            Rows::Sample(rows) => Part::Sample(rows),
            Rows::Since(since) => Part::Since(now_millis().saturating_sub(ago(since))),
        };
        let request = VerifyRequest {
            tables: self.tables.clone(),
            sinks: self.sinks.clone(),
            part,
            keys: Vec::new(),
            only: self.tenant.clone().map(Only::Tenant),
            per_tenant: self.per_tenant,
            // What a restart has interrupted is not begun anew.
            resume: part == Part::All,
            rows_per_second: self.rows_per_second,
            readers: None,
            listed: 0,
            repair,
            folder: folder.join(&shared.spec.name),
            why: WHY.to_owned(),
        };
        let progress = watch::Sender::new(VerifyProgress::default());
        let report = Box::pin(verify::run(shared, &request, &progress)).await?;
        Ok(outcome(&shared.spec.name, &report))
    }
}

fn outcome(pipeline: &str, report: &VerifyReport) -> Outcome {
    let (drift, open, unsettled) = (report.drift(), report.open(), report.unsettled());
    let repaired = drift - open;
    let kind = match (report.limited, open + unsettled) {
        (_, 0) => OutcomeKind::Ok,
        (true, _) => OutcomeKind::Limited,
        (false, _) => OutcomeKind::Drift,
    };
    let message = format!("{drift} differed, {repaired} repaired, {unsettled} unsettled");
    if drift + unsettled > 0 {
        tracing::warn!(pipeline, drift, repaired, unsettled, "targets differed from the source");
    }
    Outcome { kind, message: Some(message) }
}

async fn reprocess(Bench { shared, .. }: &Bench<'_>, wanted: &Reprocess) -> Result<Outcome> {
    let ReprocessReport { tried, applied, superseded, refused, given_up, not_yet } =
        pipeline::reprocess(shared, wanted).await?;
    let kind = if refused + given_up == 0 { OutcomeKind::Ok } else { OutcomeKind::Refused };
    let done = format!("{tried} tried: {applied} applied, {superseded} superseded, {refused} refused");
    Ok(Outcome { kind, message: Some(format!("{done}; {given_up} given up, {not_yet} not yet")) })
}

async fn retention(Bench { shared, .. }: &Bench<'_>) -> Result<Outcome> {
    let pipeline = &shared.spec.name;
    let kept = i64::try_from(shared.spec.keep_reports.as_millis()).unwrap_or(i64::MAX);
    let forgotten = shared.ledger.forget_comparisons(pipeline, now_millis().saturating_sub(kept)).await?;
    if forgotten > 0 {
        tracing::info!(pipeline, forgotten, "old records of comparisons are gone");
    }
    Ok(Outcome { kind: OutcomeKind::Ok, message: Some(format!("{forgotten} records forgotten")) })
}
