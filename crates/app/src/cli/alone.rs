//! What needs a pipeline when no process runs: it is started here, does the one thing (a backfill, a redrive), stops
//! cleanly and leaves its checkpoint behind. The ledger's lock keeps a second process away meanwhile.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;
use syncline_api as api;
use syncline_connectors::registry;
use syncline_engine::error::Error;
use syncline_engine::ledger::{DeadLetterFilter, Ledger};
use syncline_engine::pipeline::{self, PipelineHandle, RedriveReport};
use syncline_engine::route::PipelineSpec;
use syncline_engine::verify::VerifyProgress;
use tokio::sync::watch;

use super::{preflight, revision};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::serve::{self, audit};
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
    let everything = request.tables.is_empty() && request.sinks.is_empty();
    let broken = RefCell::new(BTreeMap::new());
    let (gaps, wanted) = (&broken, wanted(request));
    let work = |handles: Vec<PipelineHandle>| async move {
        let mut errors = Vec::new();
        for (handle, result) in
            handles.iter().zip(join_all(handles.iter().map(|h| read(h, &wanted, json))).await)
        {
            match result {
                Ok(()) => {}
                Err(Failure::Errors(found)) => {
                    if everything && found.iter().any(|error| error.code().is_gap()) {
                        gaps.borrow_mut().insert(handle.name().to_owned(), found.clone());
                    }
                    errors.extend(found);
                }
                Err(failure) => return Err(failure),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(Failure::from(errors)) }
    };
    // One for all of it: tasks of the first try may hold it for a moment longer.
    let ledger = registry::ledger(&config.data)?;
    let ended = with_pipelines(config, specs, &ledger, Some(("backfill", json!(request))), work).await;
    match broken.into_inner() {
        broken if broken.is_empty() => ended,
        broken => {
            let exit = anew(config, specs, &ledger, broken, json).await?;
            match ended {
                Err(Failure::Errors(mut errors)) => {
                    errors.retain(|error| !error.code().is_gap());
                    if errors.is_empty() { Ok(exit) } else { Err(errors.into()) }
                }
                other => other,
            }
        }
    }
}

fn wanted(request: &api::BackfillRequest) -> pipeline::BackfillRequest {
    pipeline::BackfillRequest { tables: request.tables.clone(), sinks: request.sinks.clone() }
}

/// Asks for the rows and waits until every sink holds them.
async fn read(
    handle: &PipelineHandle,
    wanted: &pipeline::BackfillRequest,
    json: bool,
) -> Result<(), Failure> {
    let run = Some(handle.backfill(wanted).await?);
    tell(&api::Control { pipeline: handle.name().to_owned(), action: "backfill".to_owned(), run }, json)?;
    Ok(handle.until_current().await?)
}

/// The sources of these pipelines cannot go on from their checkpoints: they begin anew with all tables.
async fn anew(
    config: &Config,
    specs: &[PipelineSpec],
    ledger: &Arc<dyn Ledger>,
    broken: BTreeMap<String, Vec<Error>>,
    json: bool,
) -> Result<Exit, Failure> {
    let mut begun = Vec::new();
    for (spec, errors) in specs.iter().filter_map(|spec| Some((spec, broken.get(&spec.name)?))) {
        let errors = errors.iter().map(Error::to_string).collect::<Vec<_>>().join("; ");
        let source = assemble::source(config, spec, Arc::clone(ledger))?;
        let sinks = assemble::sinks(config, spec)?;
        let epoch = pipeline::begin_anew(spec, &*source, &sinks, &**ledger, LOCAL, &errors).await?;
        let what = "and all tables are read again";
        out::note(&format!("{}: {errors}; it begins anew as epoch {epoch}, {what}", spec.name));
        begun.push(spec.clone());
    }
    let work = |handles: Vec<PipelineHandle>| async move {
        let results = join_all(handles.iter().map(PipelineHandle::until_current)).await;
        let errors: Vec<Error> = results.into_iter().filter_map(Result::err).collect();
        if !errors.is_empty() {
            return Err(Failure::from(errors));
        }
        let done = |handle: &PipelineHandle| api::Control {
            pipeline: handle.name().to_owned(),
            action: "begun anew".to_owned(),
            run: None,
        };
        handles.iter().try_for_each(|handle| tell(&done(handle), json))
    };
    with_pipelines(config, &begun, ledger, Some(("backfill", json!({ "anew": true }))), work).await
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
    let ledger = registry::ledger(&config.data)?;
    let entry = (!action.dry_run).then(|| ("redrive", json!(action)));
    with_pipelines(config, specs, &ledger, entry, work).await
}

/// One pass over the dead letters whose time has come; no report if it was interrupted.
pub async fn reprocess(
    config: &Config,
    specs: &[PipelineSpec],
    asked: &api::ReprocessRequest,
) -> Result<(Option<api::ReprocessReport>, Exit), Failure> {
    let done = RefCell::new(None);
    let (keep, wanted) = (&done, shape::reprocess(asked));
    let work = |handles: Vec<PipelineHandle>| async move {
        let mut sum = api::ReprocessReport::default();
        for handle in &handles {
            shape::add_reprocessed(&mut sum, &handle.reprocess(&wanted).await?);
        }
        keep.replace(Some(sum));
        Ok(())
    };
    let ledger = registry::ledger(&config.data)?;
    let exit = with_pipelines(config, specs, &ledger, Some(("reprocess", json!(asked))), work).await?;
    Ok((done.into_inner(), exit))
}

/// Compares, once every sink holds everything up to the source's present position.
pub async fn verify(
    config: &Config,
    specs: &[PipelineSpec],
    asked: &api::ComparisonRequest,
    progress: &watch::Sender<VerifyProgress>,
) -> Result<Result<Vec<api::ComparisonReport>, Exit>, Failure> {
    let found = RefCell::new(None);
    let keep = &found;
    let work = |handles: Vec<PipelineHandle>| async move {
        let wanted = serve::comparison(asked, serve::comparison_folder(&config.data), LOCAL)?;
        for handle in &handles {
            handle.until_current().await?;
        }
        let reports = serve::compare(&handles, &wanted, progress).await?;
        keep.replace(Some(reports.iter().map(shape::comparison).collect()));
        Ok(())
    };
    let ledger = registry::ledger(&config.data)?;
    let action = if asked.apply { "repair run" } else { "verify" };
    let exit = with_pipelines(config, specs, &ledger, Some((action, json!(asked))), work).await?;
    Ok(found.into_inner().ok_or(exit))
}

/// Starts the pipelines, has the work done, stops them. `entry`: what the audit says of it; `None` if nothing is changed.
async fn with_pipelines<F: Future<Output = Result<(), Failure>>>(
    config: &Config,
    specs: &[PipelineSpec],
    ledger: &Arc<dyn Ledger>,
    entry: Option<(&str, serde_json::Value)>,
    work: impl FnOnce(Vec<PipelineHandle>) -> F,
) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    let parts = assemble::parts(config, specs, ledger, &phases::from_environment()?)?;
    preflight::preflight(config, &parts).await?;
    revision::note(config, specs, &**ledger, LOCAL).await?;
    for (spec, (action, detail)) in specs.iter().filter_map(|spec| Some((spec, entry.as_ref()?))) {
        audit(&**ledger, LOCAL, action, &spec.name, detail).await?;
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
