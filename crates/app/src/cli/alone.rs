//! What needs a pipeline when no process runs: it is started here, does the one thing (a backfill, a redrive), stops
//! cleanly and leaves its checkpoint behind. The ledger's lock keeps a second process away meanwhile.

use futures_util::future::join_all;
use syncline_api as api;
use syncline_connectors::registry;
use syncline_engine::error::Error;
use syncline_engine::ledger::DeadLetterFilter;
use syncline_engine::pipeline::{self, PipelineHandle, RedriveReport};
use syncline_engine::route::PipelineSpec;

use super::preflight;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::serve::audit;
use crate::signals::{Signals, Stop};
use crate::{assemble, out, phases, shape};

/// Who did it, when it was done from this terminal without a process.
pub const LOCAL: &str = "local";

/// Reads tables again, until every sink holds them.
pub async fn backfill(
    config: &Config,
    specs: &[PipelineSpec],
    request: &api::BackfillRequest,
    json: bool,
) -> Result<Exit, Failure> {
    out::note("no syncline runs for this file: the backfill runs here");
    let work = |handles: Vec<PipelineHandle>| async move {
        for handle in &handles {
            let wanted =
                pipeline::BackfillRequest { tables: request.tables.clone(), sinks: request.sinks.clone() };
            let run = handle.backfill(&wanted).await?;
            let done = api::Control {
                pipeline: handle.name().to_owned(),
                action: "backfill".to_owned(),
                run: Some(run),
            };
            tell(&done, json)?;
        }
        let results = join_all(handles.iter().map(PipelineHandle::until_current)).await;
        let errors: Vec<Error> = results.into_iter().filter_map(Result::err).collect();
        if errors.is_empty() { Ok(()) } else { Err(Failure::from(errors)) }
    };
    with_pipelines(config, specs, "backfill", request, work).await
}

/// Tries dead letters again.
pub async fn redrive(
    config: &Config,
    specs: &[PipelineSpec],
    filter: &DeadLetterFilter,
    action: &api::DeadLetterAction,
    tell: impl FnOnce(api::RedriveReport) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    let work = |handles: Vec<PipelineHandle>| async move {
        let mut sum = RedriveReport::default();
        for handle in &handles {
            let filter = DeadLetterFilter { pipeline: Some(handle.name().to_owned()), ..filter.clone() };
            let report = handle.redrive(&filter, action.dry_run).await?;
            sum.selected += report.selected;
            sum.applied += report.applied;
            sum.superseded += report.superseded;
            sum.failed.extend(report.failed);
        }
        tell(shape::redrive(sum, action.dry_run))
    };
    with_pipelines(config, specs, "redrive", action, work).await
}

/// Starts the pipelines, has the work done, stops them.
async fn with_pipelines<F: Future<Output = Result<(), Failure>>>(
    config: &Config,
    specs: &[PipelineSpec],
    action: &str,
    detail: &impl serde::Serialize,
    work: impl FnOnce(Vec<PipelineHandle>) -> F,
) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    let ledger = registry::ledger(&config.data)?;
    let parts = assemble::parts(config, specs, &ledger, &phases::from_environment()?)?;
    preflight::preflight(config, &parts).await?;
    for spec in specs {
        audit(&*ledger, LOCAL, action, &spec.name, detail).await?;
    }
    let handles = assemble::start(parts).await?;
    let result = tokio::select! {
        result = work(handles.clone()) => result.map(|()| Exit::Ok),
        stop = signals.next() => Ok(interrupted(stop)),
    };
    tokio::select! {
        () = assemble::stop(&handles) => result,
        stop = signals.next() => Ok(interrupted(stop)),
    }
}

fn interrupted(stop: Stop) -> Exit {
    match stop {
        Stop::Interrupt => Exit::Interrupted,
        Stop::Terminate => Exit::Partly,
    }
}

/// Prints what was done.
pub fn tell(done: &api::Control, json: bool) -> Result<(), Failure> {
    if json {
        return out::json_line(done);
    }
    let run = done.run.map_or_else(String::new, |n| format!(" {n}"));
    out::data(&format!("{}: {}{run}\n", done.pipeline, done.action))
}
