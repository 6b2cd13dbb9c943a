//! The consistency report as users read it: as a shape for JSON, a table, and a page. Everything comes from the ledger; what the
//! numbers mean is the engine's.

mod page;
#[cfg(test)]
mod page_tests;
mod picture;
mod text;

pub use page::page;
pub use text::text;

use syncline_api as api;
use syncline_engine::clock::now_millis;
use syncline_engine::consistency::{Known, PipelineReport, Point, TargetReport};
use syncline_engine::error::Result;
use syncline_engine::ledger::Ledger;

use crate::shape::moment;

/// Hours unless asked otherwise.
pub const USUAL_HOURS: u32 = 24;
/// Ten years: nothing is kept that long.
pub const MOST_HOURS: i64 = 87_600;
const HOUR: i64 = 3_600_000;

/// Makes the report of these pipelines; without a ledger nothing is known of them.
pub async fn make(
    ledger: Option<&dyn Ledger>,
    pipelines: &[&str],
    hours: u32,
    tenant: Option<&str>,
) -> Result<api::ConsistencyReport> {
    let to = now_millis();
    let from = to - i64::from(hours) * HOUR;
    let mut reports = Vec::new();
    for name in pipelines {
        let known = match ledger {
            Some(ledger) => Known::of(ledger, name, tenant, from).await?,
            None => Known::default(),
        };
        reports.push(pipeline(known.report(name, tenant)));
    }
    let tenant = tenant.map(str::to_owned);
    Ok(api::ConsistencyReport { from: moment(from), to: moment(to), hours, tenant, pipelines: reports })
}

fn pipeline(report: PipelineReport) -> api::PipelineReport {
    api::PipelineReport {
        pipeline: report.pipeline,
        runs: report.runs,
        failed: report.failed,
        limited: report.limited,
        drift: report.drift,
        repaired: report.repaired,
        worst_lag_seconds: report.worst_lag.map(|millis| millis as f64 / 1000.0),
        dead_letters: report.dead_letters,
        tables: report.targets.into_iter().map(target).collect(),
        series: report.series.into_iter().map(point).collect(),
    }
}

fn target(report: TargetReport) -> api::TargetReport {
    let last = report.last;
    api::TargetReport {
        table: report.table,
        target: report.target,
        runs: report.runs,
        compared: report.compared,
        missing: report.missing,
        different: report.different,
        extra: report.extra,
        repaired: report.repaired,
        last_full_at: last.map(|last| moment(last.at)),
        open: last.map(|last| last.open),
        unsettled: last.map(|last| last.unsettled),
        consistency_rate: last.map(|last| last.rate()),
        dead_letters: report.dead_letters,
    }
}

fn point(point: Point) -> api::DriftPoint {
    api::DriftPoint {
        at: moment(point.at),
        why: point.why,
        mode: point.mode,
        compared: point.compared,
        missing: point.missing,
        different: point.different,
        extra: point.extra,
        unsettled: point.unsettled,
        repaired: point.repaired,
        limited: point.limited,
        failed: point.failed,
    }
}

/// A rate as a percentage that says 100 only when it is.
fn percent(rate: Option<f64>) -> String {
    match rate {
        None => "never".to_owned(),
        Some(1.0) => "100 %".to_owned(),
        Some(rate) => format!("{:.4} %", (rate * 100.0).min(99.9999)),
    }
}

/// A number that may be unknown.
fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// A lag that may be unknown.
fn lag(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "unknown".to_owned(), |seconds| format!("{seconds:.1} s"))
}
