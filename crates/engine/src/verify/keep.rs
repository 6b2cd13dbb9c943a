//! What stays of a comparison when it has ended: its record in the ledger, and that it found more than it might put right.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;

use super::report::{TargetReport, VerifyReport, VerifyRequest};
use crate::clock::now_millis;
use crate::consistency::{ComparedTarget, ComparisonRecord};
use crate::error::{Code, Error, Result};
use crate::ledger::AuditRecord;
use crate::pipeline::Shared;

/// Writes the record, also of one that gave up.
pub(super) async fn keep(
    shared: &Arc<Shared>,
    request: &VerifyRequest,
    report: &VerifyReport,
    began_at: i64,
    error: Option<&Error>,
) -> Result<()> {
    let record = ComparisonRecord {
        id: 0,
        pipeline: shared.spec.name.clone(),
        began_at,
        ended_at: now_millis(),
        why: request.why.clone(),
        mode: request.mode().to_owned(),
        tenant: request.tenant().map(str::to_owned),
        per_tenant: request.per_tenant,
        repair: request.repair.is_some(),
        limited: report.limited,
        error: error.and_then(|error| serde_json::to_value(error).ok()),
        targets: report.targets.iter().map(compared).collect(),
    };
    let kept = shared.ledger.add_comparison(&record).await;
    if let (Err(lost), Some(error)) = (&kept, error) {
        // The caller is told the error that came first.
        tracing::error!(
            pipeline = shared.spec.name,
            "{lost}: that a comparison ended with {error} is not kept"
        );
    }
    kept.map(drop)
}

fn compared(report: &TargetReport) -> ComparedTarget {
    ComparedTarget {
        table: report.table.clone(),
        target: report.target.clone(),
        compared: report.compared,
        missing: report.missing,
        different: report.different,
        extra: report.extra,
        unsettled: report.unsettled,
        repaired: report.repaired,
        by_tenant: report.by_tenant.clone(),
    }
}

/// Tells, once a comparison, that it leaves the rest as it is: in the log, in the audit and for the metrics.
pub(super) async fn limit_reached(
    shared: &Arc<Shared>,
    request: &VerifyRequest,
    actor: &str,
    most: u64,
) -> Result<()> {
    let pipeline = &shared.spec.name;
    let text = format!("more than {most} documents are wrong: the rest is left as it is");
    let error = Error::new(Code::RepairLimit, text);
    tracing::error!(pipeline, "{error}; {}", error.fix_text());
    shared.limits_reached.fetch_add(1, Ordering::Relaxed);
    let detail = json!({
        "max_repairs": most,
        "why": request.why,
        "tables": request.tables,
        "targets": request.sinks,
    });
    shared.ledger.audit(&AuditRecord::now(actor, "repair-limit", pipeline, &detail)).await
}

/// Why a comparison ends with its pipeline.
pub(super) fn stopping(shared: &Shared) -> Error {
    shared.halted().unwrap_or_else(|| Error::new(Code::Stopped, "the pipeline is stopping"))
}
