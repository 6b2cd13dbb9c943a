//! `run`: configuration, ledger, parts, preflight, pipelines, and then waiting: for the end, for being current, or for a
//! signal. The first signal stops cleanly; a second one leaves at once, which loses nothing because nothing is
//! acknowledged before it is durable.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use syncline_connectors::registry;
use syncline_engine::error::Error;
use syncline_engine::ledger::TableState;
use syncline_engine::pipeline::{Ended, PipelineHandle};
use syncline_engine::recovery::Keeper;
use tokio::task::JoinHandle;

use super::alone::LOCAL;
use super::{names, preflight, progress, revision};
use crate::alerts::Desk;
use crate::arguments::RunArgs;
use crate::exit::{Exit, Failure, exit_of};
use crate::resync::Resyncs;
use crate::signals::{Signals, Stop};
use crate::{assemble, out, phases, serve};

/// How long work of the schedules may take to end with its pipeline.
const SCHEDULES: Duration = Duration::from_secs(10);

/// Runs the pipelines of a file.
pub async fn run(args: RunArgs) -> Result<Exit, Failure> {
    let config = Arc::new(names::load(&args.file)?);
    let specs = names::pipelines(&config, &args.pipelines)?;
    let mut signals = Signals::listen()?;
    let ledger = registry::ledger(&config.data)?;
    let phases = phases::from_environment()?;
    let folder = serve::comparison_folder(&config.data);
    let resyncs = Resyncs::new(Arc::clone(&config), Arc::clone(&ledger), phases.clone(), folder.clone());
    let resyncs = Arc::new(resyncs);
    let parts = assemble::parts(&config, &resyncs.specs(&specs).await?, &ledger, &phases)?;
    let desk = Desk::new(&config)?;
    let doors = serve::bind(&config).await?;
    tokio::select! {
        found = preflight::preflight(&config, &parts) => found?,
        stop = signals.next() => return Ok(clean(stop)),
    }
    revision::note(&config, &specs, &*ledger, LOCAL).await?;
    let handles = assemble::start(parts).await?;
    let server = doors.open(handles.clone(), ledger, desk.tallies(), Arc::clone(&resyncs));
    let alerts = desk.open(config.alerts.clone(), handles.clone());
    let shown = tokio::spawn(progress::show(handles.clone()));
    // Before anybody waits for an end: what follows a halt is theirs to decide.
    let keepers = handles.iter().map(PipelineHandle::keeper).collect();
    let scheduled = tokio::spawn(keep_at_work(handles.clone(), keepers, folder, resyncs));
    let ended = work(&handles, args.until_current, &mut signals, scheduled).await;
    shown.abort();
    alerts.close().await;
    server.close().await;
    ended
}

/// What the file wants done at set times and about trouble, and resyncs, until the last pipeline has ended.
async fn keep_at_work(
    handles: Vec<PipelineHandle>,
    keepers: Vec<Keeper>,
    folder: PathBuf,
    resyncs: Arc<Resyncs>,
) {
    let scheduled = join_all(handles.iter().map(|handle| handle.keep_schedule(&folder)));
    let renewed = join_all(handles.iter().map(|handle| resyncs.drive(handle.clone())));
    let kept = join_all(keepers.into_iter().map(|keeper| keeper.run(&*resyncs)));
    tokio::join!(scheduled, renewed, kept);
}

/// Waits for whatever comes first, then stops what still runs.
async fn work(
    handles: &[PipelineHandle],
    until_current: bool,
    signals: &mut Signals,
    scheduled: JoinHandle<()>,
) -> Result<Exit, Failure> {
    let result = tokio::select! {
        result = all_current(handles), if until_current => result,
        result = all_ended(handles), if !until_current => result,
        stop = signals.next() => {
            tracing::info!("stopping: what was read is flushed, then the checkpoint is written");
            Ok(clean(stop))
        }
    };
    let stopped = async {
        assemble::stop(handles).await;
        drop(tokio::time::timeout(SCHEDULES, scheduled).await);
    };
    tokio::select! {
        () = stopped => result,
        stop = signals.next() => {
            out::note("stopped at once; what was not acknowledged is read again at the next start");
            Ok(if stop == Stop::Interrupt { Exit::Interrupted } else { Exit::Failed })
        }
    }
}

fn clean(stop: Stop) -> Exit {
    match stop {
        Stop::Interrupt => Exit::Interrupted,
        Stop::Terminate => Exit::Ok,
    }
}

/// Until every pipeline holds what the source had, or cannot.
async fn all_current(handles: &[PipelineHandle]) -> Result<Exit, Failure> {
    let results = join_all(handles.iter().map(PipelineHandle::until_current)).await;
    for handle in handles {
        progress::summary(&handle.status());
    }
    let mut errors: Vec<Error> = results.into_iter().filter_map(Result::err).collect();
    let halted = handles.iter().map(halted_tables);
    let (halted, tables) = halted.fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1));
    if !errors.is_empty() && errors.len() < handles.len() {
        out::errors(&errors);
        return Ok(Exit::Partly);
    }
    if !errors.is_empty() {
        errors.sort_by_key(|e| exit_of(e) != Exit::Config);
        return Err(errors.into());
    }
    Ok(match (halted, tables) {
        (0, _) => Exit::Ok,
        (halted, tables) if halted < tables => Exit::Partly,
        _ => Exit::Failed,
    })
}

/// How many tables halted, of how many.
fn halted_tables(handle: &PipelineHandle) -> (usize, usize) {
    let status = handle.status();
    let halted: Vec<_> = status.tables.iter().filter(|t| t.state == TableState::Halted).collect();
    for table in &halted {
        let error = table.error.clone().and_then(|e| serde_json::from_value(e).ok());
        if let Some(body) = error {
            out::note(&format!("{}: {} halted", handle.name(), table.table));
            out::errors(&[crate::shape::error_from_body(body)]);
        }
    }
    (halted.len(), status.tables.len())
}

/// Until no pipeline runs any more. One that halts leaves the others alone.
async fn all_ended(handles: &[PipelineHandle]) -> Result<Exit, Failure> {
    let mut waiting: Vec<_> =
        handles.iter().map(|h| Box::pin(async move { (h.name(), h.ended().await) })).collect();
    let mut errors = Vec::new();
    while !waiting.is_empty() {
        let ((name, ended), _, rest) = select_all(waiting).await;
        waiting = rest;
        if let Ended::Halted(error) = ended {
            tracing::error!(pipeline = name, fix = error.fix_text(), "halted: {error}");
            errors.push(error);
        }
    }
    if errors.is_empty() { Ok(Exit::Ok) } else { Err(errors.into()) }
}
