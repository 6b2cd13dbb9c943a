//! `status`: from the running process or, if none runs, from the ledger; as a table for people or as one JSON object.
//! Nothing is computed here but widths.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use syncline_api as api;
use syncline_connectors::registry;
use syncline_engine::error::Error;
use syncline_engine::ledger::DeadLetterFilter;
use syncline_engine::recovery::RecoveryStatus;
use syncline_engine::tasks::{Past, TaskSpec, TaskStatus};
use syncline_engine::verify::Verified;

use super::names;
use crate::arguments::StatusArgs;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::process::Process;
use crate::{out, shape};

/// Shows it once, or again every second.
pub async fn status(args: StatusArgs) -> Result<Exit, Failure> {
    let config = names::load(&names::file_or_default(args.file)?)?;
    loop {
        let status = look(&config).await?;
        if args.json {
            out::json_line(&status)?;
        } else {
            let colour = out::colour(&std::io::stdout());
            let clear = if args.watch && colour { "\x1b[H\x1b[2J" } else { "" };
            out::data(&format!("{clear}{}", table(&status, colour)))?;
        }
        if !args.watch {
            return Ok(Exit::Ok);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// What is known now.
pub async fn look(config: &Config) -> Result<api::Status, Error> {
    if let Some(process) = Process::find(&config.data).await? {
        return process.get("/v1/pipelines", &()).await;
    }
    from_ledger(config, &config.data).await
}

async fn from_ledger(config: &Config, data: &Path) -> Result<api::Status, Error> {
    let ledger = registry::ledger_shared(data)?;
    let mut pipelines = Vec::new();
    for spec in &config.pipelines {
        let (record, letters, verified, mut past, recovery) = match &ledger {
            None => Default::default(),
            Some(ledger) => {
                let filter = DeadLetterFilter { pipeline: Some(spec.name.clone()), ..Default::default() };
                let letters = ledger.count_dead_letters(&filter).await?;
                let verified = Verified::of(&**ledger, &spec.name).await?;
                let past = Past::of(&**ledger, &spec.name).await?;
                let recovery = RecoveryStatus::of(Arc::clone(ledger), &spec.name, &spec.recovery).await?;
                (ledger.pipeline(&spec.name).await?, letters, verified, past, recovery)
            }
        };
        let asleep = |entry: &TaskSpec| TaskStatus::asleep(entry, past.remove(entry.schedule.name()));
        let schedule = spec.schedule.iter().map(asleep).collect();
        let stopped = shape::stopped(&spec.name, &record, letters, verified, schedule);
        pipelines.push(api::PipelineStatus { recovery: shape::recoveries(recovery), ..stopped });
    }
    Ok(api::Status { pipelines })
}

/// The table for people.
fn table(status: &api::Status, colour: bool) -> String {
    let mut rows = vec![["PIPELINE", "STATE", "LAG", "RATE", "RETRY", "DLQ", "VERIFIED"].map(str::to_owned)];
    for p in &status.pipelines {
        rows.push([
            p.name.clone(),
            p.state.clone(),
            p.lag_seconds.map_or_else(|| "-".to_owned(), seconds),
            format!("{:.0}/s", p.rate_per_second),
            p.sinks.iter().map(|s| s.retries).sum::<u64>().to_string(),
            p.dead_letters.to_string(),
            p.verified_at.clone().unwrap_or_else(|| "never".to_owned()),
        ]);
    }
    let mut text = columns(&rows);
    for p in &status.pipelines {
        details(&mut text, p, colour);
    }
    text
}

/// Tables with their balance, then whatever is not well.
fn details(text: &mut String, pipeline: &api::PipelineStatus, colour: bool) {
    if !pipeline.tables.is_empty() {
        let head = ["TABLE", "STATE", "ACCEPTED", "APPLIED", "SUPERSEDED", "FILTERED", "DEAD", "IN FLIGHT"];
        let mut rows = vec![head.map(str::to_owned)];
        for t in &pipeline.tables {
            let filtered: u64 = t.filtered.values().sum();
            let counts = [t.accepted, t.applied, t.superseded, filtered].map(|n| n.to_string());
            let [accepted, applied, superseded, filtered] = counts;
            let (dead, in_flight) = (t.dead.to_string(), t.in_flight.to_string());
            rows.push([
                t.table.clone(),
                t.state.clone(),
                accepted,
                applied,
                superseded,
                filtered,
                dead,
                in_flight,
            ]);
        }
        text.push_str(&format!("\n{}\n{}", pipeline.name, columns(&rows)));
    }
    for b in pipeline.backfill.iter().filter(|b| !b.finished) {
        let eta = b.eta_seconds.map_or_else(String::new, |s| format!(", {} left", seconds(s)));
        text.push_str(&format!("backfill {}: {} of {} rows{eta}\n", b.table, b.rows, b.estimate.max(b.rows)));
    }
    tenants(text, pipeline);
    schedule(text, &pipeline.schedule);
    trouble(text, pipeline);
    let mut errors: Vec<api::ErrorBody> = pipeline.error.clone().into_iter().collect();
    for sink in pipeline.sinks.iter().filter(|s| s.state != "ok") {
        text.push_str(&format!("sink {}: {}\n", sink.connection, sink.state));
        errors.extend(sink.error.clone());
    }
    for table in pipeline.tables.iter().filter(|t| t.state == "halted") {
        errors.extend(table.error.clone().and_then(|e| serde_json::from_value(e).ok()));
    }
    for error in errors {
        out::finding(text, &shape::error_from_body(error), colour);
    }
}

/// Those that have something held.
fn tenants(text: &mut String, pipeline: &api::PipelineStatus) {
    let mut rows = vec![["TENANT", "APPLIED", "HELD", "LAG"].map(str::to_owned)];
    for t in pipeline.tenants.iter().filter(|t| t.held > 0) {
        rows.push([t.tenant.clone(), t.applied.to_string(), t.held.to_string(), seconds(t.lag_seconds)]);
    }
    if rows.len() > 1 {
        text.push_str(&columns(&rows));
    }
    for sink in pipeline.sinks.iter().filter(|sink| sink.held_full) {
        let what = "as much is held of its tenants as may be, the source is read no further";
        text.push_str(&format!("sink {}: {what}\n", sink.connection));
    }
}

/// Probes that failed, and what recovery did of late.
fn trouble(text: &mut String, pipeline: &api::PipelineStatus) {
    for probe in pipeline.probes.iter().filter(|probe| !probe.ok) {
        let why = probe.error.as_ref().map_or_else(|| seconds(probe.latency_seconds), |e| e.message.clone());
        text.push_str(&format!(
            "probe {}: failing since {}: {}\n",
            probe.of,
            probe.since,
            out::visible(&why)
        ));
    }
    for done in &pipeline.recovery {
        let of = done.of.as_deref().unwrap_or(&pipeline.name);
        let limited = if done.limited { ", which is the limit" } else { "" };
        let api::RecoveryStatus { cause, step, steps, last_at, .. } = done;
        text.push_str(&format!("recovery {of}: {cause}: {step} {steps}x, last {last_at}{limited}\n"));
    }
}

/// What comes next, and what became of it last.
fn schedule(text: &mut String, entries: &[api::ScheduleStatus]) {
    if entries.is_empty() {
        return;
    }
    let mut rows = vec![["TASK", "CRON", "NEXT", "LAST", "OUTCOME"].map(str::to_owned)];
    let or = |time: &Option<String>, none: &str| time.clone().unwrap_or_else(|| none.to_owned());
    for entry in entries {
        let outcome = match (&entry.last_outcome, &entry.last_message) {
            (Some(outcome), Some(message)) => format!("{outcome}: {message}"),
            (outcome, _) => or(outcome, ""),
        };
        let (next, last) = (or(&entry.next_at, "-"), or(&entry.last_at, "never"));
        rows.push([entry.task.clone(), entry.cron.clone(), next, last, outcome]);
    }
    text.push_str(&columns(&rows));
}

fn seconds(s: f64) -> String {
    match s {
        s if s < 10.0 => format!("{s:.1}s"),
        s if s < 120.0 => format!("{s:.0}s"),
        s if s < 7200.0 => format!("{:.0}m", s / 60.0),
        s => format!("{:.0}h", s / 3600.0),
    }
}

/// Pads every column to its widest cell.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| {
                format!("{}{}", out::visible(cell), " ".repeat(width - cell.chars().count()))
            })
            .collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
