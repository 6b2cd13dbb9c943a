//! From the engine's and the ledger's own structures to the shapes users read (`syncline_api`), and back for what they
//! send. The only place where the two meet: nothing is computed here that the engine should know.

mod letters;

pub use letters::*;

use serde_json::value::RawValue;
use syncline_api as api;
use syncline_engine::audit::AuditEntry;
use syncline_engine::consistency::{ByTenant, TenantCounts};
use syncline_engine::error::{Code, Error, Place};
use syncline_engine::ledger::{AuditRecord, Counts, PipelineRecord, ROUTER, TableState};
use syncline_engine::pipeline::{BackfillStatus, PipelineStatus, SinkStatus, TableStatus, TenantStatus};
use syncline_engine::recovery::{ProbeStatus, RecoveryStatus};
use syncline_engine::tasks::TaskStatus;
use syncline_engine::verify::{Drift, TargetReport, Verified, VerifyProgress, VerifyReport};

/// A running pipeline.
pub fn pipeline(status: PipelineStatus) -> api::PipelineStatus {
    api::PipelineStatus {
        name: status.name,
        state: status.state.name().to_owned(),
        position: status.position,
        epoch: status.epoch,
        lag_seconds: Some(status.lag_seconds),
        rate_per_second: status.rate_per_second,
        tables: status.tables.into_iter().map(table).collect(),
        sinks: status.sinks.into_iter().map(sink).collect(),
        dead_letters: status.dead_letters,
        verified_at: status.verified.map(|verified| moment(verified.at)),
        drift: status.verified.map(|verified| verified.drift),
        schedule: status.schedule.into_iter().map(scheduled).collect(),
        backfill: status.backfill.into_iter().map(backfill).collect(),
        tenants: status.tenants.into_iter().map(tenant).collect(),
        error: status.error.as_ref().map(error_body),
        probes: status.probes.into_iter().map(probe).collect(),
        recovery: recoveries(status.recovery),
    }
}

fn tenant(status: TenantStatus) -> api::TenantStatus {
    let TenantStatus { tenant, applied, held, lag_seconds } = status;
    api::TenantStatus { tenant, applied, held, lag_seconds }
}

fn probe(status: ProbeStatus) -> api::ProbeStatus {
    let ProbeStatus { of, ok, since, latency_seconds, error } = status;
    api::ProbeStatus { of, ok, since: moment(since), latency_seconds, error: error.as_ref().map(error_body) }
}

/// What recovery did of late.
pub fn recoveries(steps: Vec<RecoveryStatus>) -> Vec<api::RecoveryStatus> {
    steps.into_iter().map(recovery).collect()
}

fn recovery(status: RecoveryStatus) -> api::RecoveryStatus {
    let RecoveryStatus { cause, of, step, steps, last_at, limited } = status;
    api::RecoveryStatus { cause, of, step, steps, last_at: moment(last_at), limited }
}

fn table(status: TableStatus) -> api::TableStatus {
    counted(status.table, status.state, status.error, &status.counts, status.in_flight)
}

fn counted(
    table: String,
    state: TableState,
    error: Option<serde_json::Value>,
    counts: &Counts,
    in_flight: u64,
) -> api::TableStatus {
    api::TableStatus {
        table,
        state: table_state(state).to_owned(),
        error,
        accepted: counts.accepted,
        applied: counts.applied,
        superseded: counts.superseded,
        filtered: counts.filtered.clone(),
        dead: counts.dead,
        in_flight,
        coerced: counts.coerced,
    }
}

/// The word in JSON.
pub fn table_state(state: TableState) -> &'static str {
    match state {
        TableState::Ok => "ok",
        TableState::Halted => "halted",
        TableState::Dropped => "dropped",
        TableState::Stale => "stale",
    }
}

fn sink(status: SinkStatus) -> api::SinkStatus {
    api::SinkStatus {
        connection: status.connection,
        state: status.state.name().to_owned(),
        retrying_since: status.retrying_since.map(moment),
        error: status.error.as_ref().map(error_body),
        position: status.position,
        retries: status.retries,
        queued: status.queued,
        holds_back: status.holds_back,
        held_full: status.held_full,
    }
}

fn backfill(status: BackfillStatus) -> api::BackfillStatus {
    api::BackfillStatus {
        run: status.run,
        table: status.table,
        rows: status.rows,
        estimate: status.estimate,
        rows_per_second: status.rows_per_second,
        eta_seconds: status.eta_seconds,
        finished: status.finished,
    }
}

fn scheduled(status: TaskStatus) -> api::ScheduleStatus {
    let outcome = status.past.as_ref().map(|past| &past.outcome);
    api::ScheduleStatus {
        task: status.task.to_owned(),
        cron: status.cron,
        next_at: status.next_at.map(moment),
        last_at: status.past.as_ref().map(|past| moment(past.at)),
        last_outcome: outcome.map(|outcome| outcome.kind.name().to_owned()),
        last_message: outcome.and_then(|outcome| outcome.message.clone()),
        runs: status.runs,
        skipped: status.skipped,
        missed: status.missed,
    }
}

/// A pipeline that does not run, as the ledger knows it. Counters were committed with the checkpoint: nothing is in flight.
pub fn stopped(
    name: &str,
    record: &PipelineRecord,
    dead_letters: u64,
    verified: Option<Verified>,
    schedule: Vec<TaskStatus>,
) -> api::PipelineStatus {
    let lowest = record.checkpoints.values().min_by_key(|p| p.version);
    api::PipelineStatus {
        name: name.to_owned(),
        state: "stopped".to_owned(),
        position: lowest.map(|p| p.text.clone()),
        epoch: record.epoch,
        lag_seconds: None,
        rate_per_second: 0.0,
        tables: recorded_tables(record),
        sinks: recorded_sinks(record),
        dead_letters,
        verified_at: verified.map(|verified| moment(verified.at)),
        drift: verified.map(|verified| verified.drift),
        schedule: schedule.into_iter().map(scheduled).collect(),
        backfill: Vec::new(),
        tenants: Vec::new(),
        error: None,
        probes: Vec::new(),
        recovery: Vec::new(),
    }
}

fn recorded_tables(record: &PipelineRecord) -> Vec<api::TableStatus> {
    let mut sums = std::collections::BTreeMap::<String, Counts>::new();
    for (key, counts) in &record.counts {
        sums.entry(key.table.clone()).or_default().add(counts);
    }
    for table in record.tables.keys() {
        sums.entry(table.clone()).or_default();
    }
    let describe = |(table, counts): (String, Counts)| {
        let known = record.tables.get(&table);
        let state = known.map_or(TableState::Ok, |r| r.state);
        let error = known.and_then(|r| r.error.clone());
        counted(table, state, error, &counts, 0)
    };
    sums.into_iter().map(describe).collect()
}

fn recorded_sinks(record: &PipelineRecord) -> Vec<api::SinkStatus> {
    let named = record.checkpoints.iter().filter(|(sink, _)| sink.as_str() != ROUTER);
    named
        .map(|(connection, position)| api::SinkStatus {
            connection: connection.clone(),
            state: "ok".to_owned(),
            retrying_since: None,
            error: None,
            position: Some(position.text.clone()),
            retries: 0,
            queued: 0,
            holds_back: false,
            held_full: false,
        })
        .collect()
}

/// An error as users read it.
pub fn error_body(error: &Error) -> api::ErrorBody {
    api::ErrorBody {
        code: error.code().to_string(),
        message: error.message().to_owned(),
        cause: error.cause_text().map(str::to_owned),
        fix: error.fix_text().to_owned(),
        place: error.place().map(|p| api::Place { file: p.file.clone(), line: p.line, column: p.column }),
    }
}

/// An error as another process told it.
pub fn error_from(problem: api::Problem) -> Error {
    let code = Code::parse(&problem.code).unwrap_or(Code::Internal);
    let error = Error::new(code, problem.detail).fix(problem.fix);
    match problem.cause {
        Some(cause) => error.cause(cause),
        None => error,
    }
}

/// An error that was stored as JSON.
pub fn error_from_body(body: api::ErrorBody) -> Error {
    let code = Code::parse(&body.code).unwrap_or(Code::Internal);
    let mut error = Error::new(code, body.message).fix(body.fix);
    if let Some(cause) = body.cause {
        error = error.cause(cause);
    }
    match body.place {
        Some(p) => error.at(Place { file: p.file, line: p.line, column: p.column }),
        None => error,
    }
}

/// An entry of the audit as users read it. What is no JSON on one line, which no entry is unless somebody changed it, is
/// shown as the text it is.
pub fn audit_entry(entry: AuditEntry) -> api::AuditEntry {
    let AuditRecord { at, actor, action, pipeline, detail } = entry.record;
    let as_text = serde_json::value::to_raw_value(&detail).unwrap_or_default();
    let one_line = Some(detail).filter(|detail| !detail.contains('\n'));
    let detail = one_line.and_then(|detail| RawValue::from_string(detail).ok()).unwrap_or(as_text);
    let (number, previous, hash) = (entry.number, entry.previous, entry.hash);
    api::AuditEntry { number, at: moment(at), actor, action, pipeline, detail, previous, hash }
}

/// What a comparison found.
pub fn comparison(report: &VerifyReport) -> api::ComparisonReport {
    api::ComparisonReport {
        pipeline: report.pipeline.clone(),
        drift: report.drift(),
        repaired: report.drift() - report.open(),
        tables: report.targets.iter().map(compared).collect(),
        seconds: report.seconds,
        limited: report.limited,
    }
}

fn tenant_counts(tenant: &str, counts: &TenantCounts) -> api::ComparedTenant {
    let TenantCounts { compared, missing, different, extra, unsettled, repaired } = *counts;
    api::ComparedTenant {
        tenant: tenant.to_owned(),
        compared,
        missing,
        different,
        extra,
        unsettled,
        repaired,
    }
}

fn other_tenants(counts: &TenantCounts) -> api::OtherTenants {
    let TenantCounts { compared, missing, different, extra, unsettled, repaired } = *counts;
    api::OtherTenants { compared, missing, different, extra, unsettled, repaired }
}

fn compared(target: &TargetReport) -> api::ComparedTarget {
    let by_tenant = target.by_tenant.as_ref();
    let tenants =
        |by: &ByTenant| by.tenants.iter().map(|(name, counts)| tenant_counts(name, counts)).collect();
    let others = |by: &ByTenant| (by.beyond != TenantCounts::default()).then(|| other_tenants(&by.beyond));
    let row = |drift: &Drift| api::ComparedRow {
        key: serde_json::from_str(&drift.key).unwrap_or_default(),
        kind: drift.kind.name().to_owned(),
        fields: drift.fields.clone(),
        name: drift.address.target.to_string(),
        id: drift.address.id.to_string(),
        version: drift.version.to_string(),
    };
    api::ComparedTarget {
        table: target.table.clone(),
        target: target.target.clone(),
        compared: target.compared,
        missing: target.missing,
        different: target.different,
        extra: target.extra,
        unsettled: target.unsettled,
        repaired: target.repaired,
        rows: target.rows.iter().map(row).collect(),
        truncated: target.truncated(),
        tenants: by_tenant.map(tenants),
        other_tenants: by_tenant.and_then(others),
    }
}

/// How far a comparison has come.
pub fn progress(progress: &VerifyProgress) -> api::ComparisonProgress {
    api::ComparisonProgress {
        table: progress.table.clone(),
        rows: progress.rows,
        estimate: progress.estimate,
        documents: progress.documents,
        suspects: progress.suspects,
    }
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub fn moment(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).map_or_else(|_| millis.to_string(), |t| t.to_string())
}
