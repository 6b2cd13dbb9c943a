//! What `run` shows while it works: bars for a backfill on a terminal, a log line now and then elsewhere, and the balance
//! at the end. It only looks; nothing waits for it.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use syncline_engine::pipeline::{BackfillStatus, PipelineHandle, PipelineStatus};

use crate::{logging, out};

/// More bars than a screen has lines help nobody.
const MOST_BARS: usize = 12;

/// Shows progress until it is dropped.
pub async fn show(handles: Vec<PipelineHandle>) {
    if std::io::stderr().is_terminal() {
        bars(&handles).await;
    } else {
        lines(&handles).await;
    }
}

async fn bars(handles: &[PipelineHandle]) {
    let screen = logging::screen();
    let mut bars = BTreeMap::<(String, i64, String), ProgressBar>::new();
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        for handle in handles {
            let status = handle.status();
            for part in &status.backfill {
                let key = (status.name.clone(), part.run, part.table.clone());
                if part.finished {
                    if let Some(bar) = bars.remove(&key) {
                        bar.finish_and_clear();
                    }
                } else if bars.len() < MOST_BARS || bars.contains_key(&key) {
                    let bar = bars.entry(key).or_insert_with(|| bar(&screen, &part.table));
                    bar.set_length(part.estimate.max(part.rows));
                    bar.set_position(part.rows);
                    bar.set_message(rate(part));
                }
            }
        }
    }
}

fn bar(screen: &MultiProgress, table: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:24} {bar:30} {percent:>3} % {pos} rows {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    screen.add(ProgressBar::new(0).with_style(style).with_prefix(table.to_owned()))
}

fn rate(part: &BackfillStatus) -> String {
    match part.eta_seconds {
        Some(eta) => format!("{:.0}/s, {eta:.0} s left", part.rows_per_second),
        None => format!("{:.0}/s", part.rows_per_second),
    }
}

async fn lines(handles: &[PipelineHandle]) {
    let started = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_secs(10)).await;
        for status in handles.iter().map(PipelineHandle::status) {
            for part in status.backfill.iter().filter(|p| !p.finished) {
                let percent = percent(part).map_or_else(String::new, |p| format!(", {p:.0} %"));
                tracing::info!(
                    pipeline = status.name,
                    "backfill {}: {} rows{percent}, {}",
                    part.table,
                    part.rows,
                    rate(part)
                );
            }
            tracing::debug!(pipeline = status.name, elapsed = ?started.elapsed(), state = status.state.name(), "alive");
        }
    }
}

/// How much of a table has been read; `None` if the source gave no estimate.
pub fn percent(part: &BackfillStatus) -> Option<f64> {
    let whole = part.estimate.max(part.rows);
    (part.estimate > 0).then(|| part.rows as f64 * 100.0 / whole as f64)
}

/// The balance of each table, for the person who waited for it.
pub fn summary(status: &PipelineStatus) {
    out::note(&format!("{}: {}", status.name, status.state.name()));
    for table in &status.tables {
        let c = &table.counts;
        let filtered: u64 = c.filtered.values().sum();
        out::note(&format!(
            "  {}: {} accepted = {} applied + {} superseded + {filtered} filtered + {} dead + {} in flight",
            table.table, c.accepted, c.applied, c.superseded, c.dead, table.in_flight
        ));
    }
}
