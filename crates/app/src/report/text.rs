//! The report as a table for a terminal.

use std::fmt::Write as _;

use syncline_api as api;

use super::{lag, number, percent};
use crate::cli::status::columns;

/// One table a pipeline.
pub fn text(report: &api::ConsistencyReport) -> String {
    let whose = report.tenant.as_ref().map(|tenant| format!(", tenant {}", crate::out::visible(tenant)));
    let mut text = format!("{} to {}{}\n", report.from, report.to, whose.unwrap_or_default());
    for pipeline in &report.pipelines {
        let api::PipelineReport { runs, failed, limited, drift, repaired, dead_letters, .. } = pipeline;
        let _ = writeln!(
            text,
            "\n{}: {runs} comparisons ({failed} failed, {limited} at their limit), {drift} differed, {repaired} repaired, \
             worst lag {}, {dead_letters} dead letters",
            crate::out::visible(&pipeline.pipeline),
            lag(pipeline.worst_lag_seconds)
        );
        if !pipeline.tables.is_empty() {
            text.push_str(&table(&pipeline.tables));
        }
    }
    text
}

fn table(targets: &[api::TargetReport]) -> String {
    let head = [
        "TABLE",
        "TARGET",
        "RATE",
        "OPEN",
        "UNSETTLED",
        "LAST FULL",
        "RUNS",
        "COMPARED",
        "MISSING",
        "DIFFERENT",
        "EXTRA",
        "REPAIRED",
        "DEAD",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    for t in targets {
        let counts = [t.runs, t.compared, t.missing, t.different, t.extra, t.repaired, t.dead_letters];
        let [runs, compared, missing, different, extra, repaired, dead] = counts.map(|n| n.to_string());
        let (open, unsettled) = (number(t.open), number(t.unsettled));
        let last = t.last_full_at.clone().unwrap_or_else(|| "never".to_owned());
        let (name, target, rate) = (t.table.clone(), t.target.clone(), percent(t.consistency_rate));
        rows.push([
            name, target, rate, open, unsettled, last, runs, compared, missing, different, extra, repaired,
            dead,
        ]);
    }
    columns(&rows)
}
