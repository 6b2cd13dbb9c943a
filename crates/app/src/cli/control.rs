//! `pause`, `resume` and `backfill`: through the running process, or, when none runs, in the ledger (pause, resume) or by
//! running the pipelines here until the backfill is done.

use std::sync::Arc;

use syncline_api as api;
use syncline_connectors::registry;
use syncline_engine::error::Error;
use syncline_engine::ledger::Ledger;
use syncline_engine::route::PipelineSpec;

use super::alone::{self, LOCAL, tell};
use super::names;
use crate::arguments::{BackfillArgs, ControlArgs};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::process::Process;
use crate::serve::audit;

/// Stops reading until `resume`.
pub async fn pause(args: ControlArgs) -> Result<Exit, Failure> {
    set_paused(args, true).await
}

/// Goes on.
pub async fn resume(args: ControlArgs) -> Result<Exit, Failure> {
    set_paused(args, false).await
}

async fn set_paused(args: ControlArgs, paused: bool) -> Result<Exit, Failure> {
    let config = names::load(&args.file)?;
    let specs = names::pipelines(&config, &args.pipelines)?;
    let verb = if paused { "pause" } else { "resume" };
    let process = Process::find(&config.data).await?;
    let ledger = match &process {
        Some(_) => None,
        None => Some(registry::ledger(&config.data)?),
    };
    for spec in &specs {
        let done = match (&process, &ledger) {
            (Some(process), _) => process.post(&format!("/v1/pipelines/{}/{verb}", spec.name), &()).await?,
            (None, Some(ledger)) => in_ledger(ledger, spec, paused).await?,
            (None, None) => continue,
        };
        tell(&done, args.json)?;
    }
    Ok(Exit::Ok)
}

/// Writes it where the next `run` finds it.
async fn in_ledger(
    ledger: &Arc<dyn Ledger>,
    spec: &PipelineSpec,
    paused: bool,
) -> Result<api::Control, Error> {
    let verb = if paused { "pause" } else { "resume" };
    audit(&**ledger, LOCAL, verb, &spec.name, &()).await?;
    ledger.set_paused(&spec.name, paused).await?;
    let action = if paused { "paused" } else { "resumed" };
    Ok(api::Control { pipeline: spec.name.clone(), action: action.to_owned(), run: None })
}

/// Reads tables again, or stops doing so.
pub async fn backfill(args: BackfillArgs) -> Result<Exit, Failure> {
    let config = names::load(&args.file)?;
    let specs = names::pipelines(&config, &args.pipelines)?;
    names::targets(&specs, &args.targets)?;
    names::tables(&specs, &args.tables)?;
    let request = api::BackfillRequest { tables: args.tables, sinks: args.targets, cancel: args.cancel };
    match Process::find(&config.data).await? {
        Some(process) => {
            for spec in takers(&specs, &request.tables, &request.sinks) {
                let path = format!("/v1/pipelines/{}/backfill", spec.name);
                tell(&process.post(&path, &request).await?, args.json)?;
            }
            Ok(Exit::Ok)
        }
        None if request.cancel => cancel_stopped(&config, &specs, args.json).await,
        None => {
            alone::backfill(&config, &takers(&specs, &request.tables, &request.sinks), &request, args.json)
                .await
        }
    }
}

/// Pipelines that have such tables and targets.
pub fn takers(specs: &[PipelineSpec], tables: &[String], sinks: &[String]) -> Vec<PipelineSpec> {
    let has_table =
        |spec: &PipelineSpec| tables.is_empty() || tables.iter().any(|t| names::captures(spec, t));
    let has_sink = |spec: &PipelineSpec| {
        let mut targets = spec.routes.iter().flat_map(|r| &r.targets);
        sinks.is_empty() || targets.any(|t| sinks.contains(&t.connection))
    };
    specs.iter().filter(|s| has_table(s) && has_sink(s)).cloned().collect()
}

/// A backfill that was under way when the process ended would go on at the next start: it is marked as finished.
async fn cancel_stopped(config: &Config, specs: &[PipelineSpec], json: bool) -> Result<Exit, Failure> {
    let ledger = registry::ledger(&config.data)?;
    for spec in specs {
        let (_, tables) = ledger.backfills(&spec.name).await?;
        if tables.is_empty() {
            continue;
        }
        audit(&*ledger, LOCAL, "backfill", &spec.name, &serde_json::json!({ "cancel": true })).await?;
        for mut table in tables {
            table.finished = true;
            ledger.set_backfill(&spec.name, &table).await?;
        }
        tell(&api::Control { pipeline: spec.name.clone(), action: "cancelled".to_owned(), run: None }, json)?;
    }
    Ok(Exit::Ok)
}
