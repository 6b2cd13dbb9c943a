//! `verify` and `repair`: through the running process, or, when none runs, by running the pipelines here until it is done.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use syncline_api as api;
use syncline_engine::route::PipelineSpec;
use syncline_engine::verify::VerifyProgress;
use tokio::sync::watch;

use super::status::columns;
use super::{alone, by_tenant, control, names};
use crate::arguments::{RepairArgs, VerifyArgs};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::process::Process;
use crate::{logging, out, shape};

const LOOK: Duration = Duration::from_millis(100);
/// How often a line says how far it has come, where there is no terminal.
const TELL: Duration = Duration::from_secs(10);

/// Compares.
pub async fn verify(args: VerifyArgs) -> Result<Exit, Failure> {
    compare(args, "/consistency/runs", None).await
}

/// Compares, and puts right what it finds if that is wanted.
pub async fn repair(args: RepairArgs) -> Result<Exit, Failure> {
    let most = args.yes.then_some(args.max_repairs);
    compare(args.verify, "/consistency/repairs", most).await
}

/// `most`: so many documents of a pipeline may be put right.
async fn compare(args: VerifyArgs, path: &str, most: Option<u64>) -> Result<Exit, Failure> {
    let config = names::load(&args.file)?;
    let specs = names::pipelines(&config, &args.pipelines)?;
    names::targets(&specs, &args.targets)?;
    names::tables(&specs, &args.tables)?;
    let specs = control::takers(&specs, &args.tables, &args.targets);
    let asked = api::ComparisonRequest {
        pipelines: specs.iter().map(|spec| spec.name.clone()).collect(),
        tables: args.tables.clone(),
        targets: args.targets.clone(),
        tenant: args.tenant.clone(),
        per_tenant: args.per_tenant,
        since: args.since.clone(),
        sample: args.sample,
        keys: args.keys.clone(),
        resume: args.resume,
        rows_per_second: args.rows_per_second,
        readers: args.readers,
        limit: Some(args.limit),
        apply: most.is_some(),
        max_repairs: most,
    };
    let reports = match Process::find(&config.data).await? {
        Some(process) => through(&process, path, &asked).await?,
        None => match here(&config, &specs, &asked).await? {
            Ok(reports) => reports,
            Err(exit) => return Ok(exit),
        },
    };
    for report in &reports {
        match args.json {
            true => out::json_line(report)?,
            false => out::data(&text(report))?,
        }
    }
    Ok(exit(&reports))
}

fn exit(reports: &[api::ComparisonReport]) -> Exit {
    let unsettled: u64 = reports.iter().flat_map(|report| &report.tables).map(|table| table.unsettled).sum();
    let sum = |of: fn(&api::ComparisonReport) -> u64| reports.iter().map(of).sum::<u64>();
    match (sum(|report| report.drift), sum(|report| report.repaired)) {
        (drift, repaired) if drift == repaired && unsettled == 0 => Exit::Ok,
        (drift, 0) if drift > 0 => Exit::Drift,
        _ => Exit::Partly,
    }
}

async fn through(
    process: &Process,
    path: &str,
    asked: &api::ComparisonRequest,
) -> Result<Vec<api::ComparisonReport>, Failure> {
    let begun: api::ComparisonRun = process.post(path, asked).await?;
    let mut shown = Shown::new();
    loop {
        let run: api::ComparisonRun = process.get(&format!("/consistency/runs/{}", begun.id), &()).await?;
        if let Some(error) = run.error {
            return Err(shape::error_from_body(error).into());
        }
        if run.state == "completed" {
            return Ok(run.reports);
        }
        shown.show(&run.progress.unwrap_or_default());
        tokio::time::sleep(LOOK).await;
    }
}

async fn here(
    config: &Config,
    specs: &[PipelineSpec],
    asked: &api::ComparisonRequest,
) -> Result<Result<Vec<api::ComparisonReport>, Exit>, Failure> {
    out::note("no syncline runs for this file: its pipelines run here until the comparison is done");
    let (progress, seen) = watch::channel(VerifyProgress::default());
    let show = async move {
        let mut shown = Shown::new();
        loop {
            shown.show(&shape::progress(&seen.borrow()));
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        reports = alone::verify(config, specs, asked, &progress) => reports,
        never = show => never,
    }
}

/// What a person sees while it works.
struct Shown {
    bar: Option<ProgressBar>,
    told: std::time::Instant,
}

impl Shown {
    fn new() -> Shown {
        let style = ProgressStyle::with_template("{prefix:24} {bar:30} {percent:>3} % {msg} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = std::io::stderr()
            .is_terminal()
            .then(|| logging::screen().add(ProgressBar::new(0).with_style(style)));
        Shown { bar, told: std::time::Instant::now() }
    }

    fn show(&mut self, progress: &api::ComparisonProgress) {
        let api::ComparisonProgress { table, rows, estimate, documents, suspects } = progress;
        let words = format!("{rows} rows, {documents} documents, {suspects} looked at again");
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(table.clone());
                bar.set_length((*estimate).max(*rows));
                bar.set_position(*rows);
                bar.set_message(words);
            }
            None if self.told.elapsed() > TELL => {
                self.told = std::time::Instant::now();
                tracing::info!("comparing {table}: {words}");
            }
            None => {}
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A table of targets, then the rows that differ.
fn text(report: &api::ComparisonReport) -> String {
    let head = ["TABLE", "TARGET", "COMPARED", "MISSING", "DIFFERENT", "EXTRA", "UNSETTLED", "REPAIRED"];
    let mut rows = vec![head.map(str::to_owned)];
    for table in &report.tables {
        let counts =
            [table.compared, table.missing, table.different, table.extra, table.unsettled, table.repaired];
        let [compared, missing, different, extra, unsettled, repaired] = counts.map(|n| n.to_string());
        let (name, target) = (table.table.clone(), table.target.clone());
        rows.push([name, target, compared, missing, different, extra, unsettled, repaired]);
    }
    let limit = if report.limited { ", more than may be put right at once" } else { "" };
    let mut text = format!("{}: {} differ{limit}, {:.1} s\n", report.pipeline, report.drift, report.seconds);
    if report.tables.is_empty() {
        out::note(&format!("{}: no target of these tables can be read back", report.pipeline));
    }
    text.push_str(&columns(&rows));
    text.push_str(&by_tenant::text(report));
    for table in &report.tables {
        for row in &table.rows {
            let key = serde_json::Value::Object(row.key.clone());
            let line =
                format!("{} {}: {} {key} {}", table.table, table.target, row.kind, row.fields.join(", "));
            text.push_str(out::visible(&line).trim_end());
            text.push('\n');
        }
        if table.truncated {
            text.push_str(&format!("{} {}: and more (--limit)\n", table.table, table.target));
        }
    }
    text
}
