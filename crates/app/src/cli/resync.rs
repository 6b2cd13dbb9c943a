//! `resync`: through the running process, or, when none runs, by running the pipeline here until the task has ended. What a
//! resync does is in `crates/app/src/resync`.

use std::sync::Arc;
use std::time::Duration;

use syncline_api as api;
use syncline_connectors::registry;
use syncline_engine::error::{Code, Error};
use syncline_engine::pipeline::{Ended, PipelineHandle};

use super::alone::LOCAL;
use super::{names, preflight, revision};
use crate::arguments::{ResyncArgs, ResyncBegin, ResyncCommand, ResyncOne};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::process::Process;
use crate::resync::{Resyncs, Task};
use crate::signals::{Signals, Stop};
use crate::{assemble, out, phases, serve, shape};

/// How often a running process is asked how far it is.
const LOOK: Duration = Duration::from_millis(250);

/// Does what was typed.
pub async fn resync(args: ResyncArgs) -> Result<Exit, Failure> {
    match (args.command, args.begin) {
        (Some(ResyncCommand::List { file, json }), _) => list(names::load(&file)?, json).await,
        (Some(ResyncCommand::Cancel(one)), _) => change(one, "cancel").await,
        (Some(ResyncCommand::Forget(one)), _) => change(one, "forget").await,
        (Some(ResyncCommand::Rollback(one)), _) => rollback(one).await,
        (None, Some(begin)) => start(begin).await,
        (None, None) => Err(Error::new(Code::Unknown, "no FILE was named").into()),
    }
}

async fn start(args: ResyncBegin) -> Result<Exit, Failure> {
    let config = names::load(&args.file)?;
    let wanted: Vec<String> = args.pipeline.iter().cloned().collect();
    let mut specs = names::pipelines(&config, &wanted)?;
    names::targets(&specs, args.target.as_slice())?;
    names::tables(&specs, std::slice::from_ref(&args.table))?;
    specs.retain(|spec| names::captures(spec, &args.table));
    let [spec] = specs.as_slice() else {
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        let error = Error::new(Code::Unknown, format!("several pipelines capture {}", args.table));
        return Err(error.fix(format!("name one with --pipeline: {}", names.join(", "))).into());
    };
    let wish = Wish::Begin { pipeline: spec.name.clone(), asked: request(&args) };
    wait(config, &wish, args.json).await
}

async fn rollback(args: ResyncOne) -> Result<Exit, Failure> {
    wait(names::load(&args.file)?, &Wish::Rollback(args.id), args.json).await
}

/// What is to be made anew.
enum Wish {
    Begin { pipeline: String, asked: api::ResyncRequest },
    Rollback(u64),
}

impl Wish {
    /// Asks a process for it.
    async fn ask(&self, process: &Process) -> Result<api::ResyncTask, Failure> {
        Ok(match self {
            Wish::Begin { pipeline, asked } => {
                process.post(&format!("/v1/pipelines/{pipeline}/resync"), asked).await?
            }
            Wish::Rollback(id) => process.post(&format!("/tasks/{id}/rollback"), &()).await?,
        })
    }

    /// Begins it here.
    async fn begin(&self, resyncs: &Resyncs) -> Result<Task, Error> {
        match self {
            Wish::Begin { pipeline, asked } => resyncs.begin(pipeline, asked, LOCAL).await,
            Wish::Rollback(id) => resyncs.rollback(*id, LOCAL).await,
        }
    }

    /// Whose it is.
    async fn pipeline(&self, resyncs: &Resyncs) -> Result<String, Error> {
        match self {
            Wish::Begin { pipeline, .. } => Ok(pipeline.clone()),
            Wish::Rollback(id) => Ok(resyncs.find(*id).await?.pipeline),
        }
    }
}

fn request(args: &ResyncBegin) -> api::ResyncRequest {
    let ResyncBegin { tenant, from, to, condition, .. } = args;
    let part = api::ResyncPart {
        tenant: tenant.clone(),
        from: from.clone(),
        to: to.clone(),
        condition: condition.clone(),
    };
    let some = part != api::ResyncPart::default();
    api::ResyncRequest { table: args.table.clone(), target: args.target.clone(), part: some.then_some(part) }
}

async fn wait(config: Config, wish: &Wish, json: bool) -> Result<Exit, Failure> {
    let ended = match Process::find(&config.data).await? {
        Some(process) => through(&process, wish).await?,
        None => here(config, wish).await?,
    };
    match ended {
        Ok(task) => told(&task, json),
        Err(exit) => Ok(exit),
    }
}

/// Prints the task that has ended.
fn told(task: &api::ResyncTask, json: bool) -> Result<Exit, Failure> {
    show(task, json)?;
    match (&task.error, task.state.as_str()) {
        (Some(body), _) => Err(shape::error_from_body(body.clone()).into()),
        (None, "completed") => Ok(Exit::Ok),
        (None, _) => Ok(Exit::Partly),
    }
}

/// Asks the process and waits, telling every new state.
async fn through(process: &Process, wish: &Wish) -> Result<Result<api::ResyncTask, Exit>, Failure> {
    let mut signals = Signals::listen()?;
    let mut task = wish.ask(process).await?;
    let mut state = String::new();
    while task.ended_at.is_none() {
        state = tell(&task, state);
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            stop = signals.next() => return Ok(Err(left(task.id, stop))),
        }
        task = process.get(&format!("/tasks/{}", task.id), &()).await?;
    }
    Ok(Ok(task))
}

/// Runs the pipeline here until the task has ended.
async fn here(config: Config, wish: &Wish) -> Result<Result<api::ResyncTask, Exit>, Failure> {
    out::note("no syncline runs for this file: the resync runs here");
    let mut signals = Signals::listen()?;
    let resyncs = open(config)?;
    let config = &resyncs.config;
    let pipeline = wish.pipeline(&resyncs).await?;
    let chosen = names::pipelines(config, &[pipeline])?;
    let specs = resyncs.specs(&chosen).await?;
    let parts = assemble::parts(config, &specs, &resyncs.ledger, &resyncs.phases)?;
    preflight::preflight(config, &parts).await?;
    revision::note(config, &chosen, &*resyncs.ledger, LOCAL).await?;
    let handles = assemble::start(parts).await?;
    let work = async {
        handles[0].until_current().await?;
        let task = wish.begin(&resyncs).await?;
        until_ended(&resyncs, &handles[0], &task).await
    };
    let driven = handles[0].clone();
    let ended = tokio::select! {
        task = work => task.map(|task| Ok(task.shown())),
        () = async { resyncs.drive(driven).await; std::future::pending().await } => Ok(Err(Exit::Failed)),
        stop = signals.next() => Ok(Err(left(0, stop))),
    };
    assemble::stop(&handles).await;
    Ok(ended?)
}

/// Waits until the task has ended and left nothing, or the pipeline cannot go on.
async fn until_ended(resyncs: &Resyncs, handle: &PipelineHandle, task: &Task) -> Result<Task, Error> {
    let mut changes = resyncs.book.changes();
    let mut state = String::new();
    loop {
        changes.mark_unchanged();
        let now = resyncs.find(task.id).await?;
        if now.state.is_terminal() && !now.leftover {
            return Ok(now);
        }
        state = tell(&now.shown(), state);
        tokio::select! {
            _ = changes.changed() => {}
            ended = handle.ended() => return Err(match ended {
                Ended::Halted(error) => error,
                Ended::Stopped => Error::new(Code::Stopped, "the pipeline was stopped"),
            }),
        }
    }
}

/// Tells a state that is new; answers it.
fn tell(task: &api::ResyncTask, before: String) -> String {
    if task.state == before {
        return before;
    }
    out::note(&format!("resync {}: {}", task.id, task.state));
    task.state.clone()
}

fn left(id: u64, stop: Stop) -> Exit {
    out::note(match id {
        0 => "the resync goes on with the next run",
        _ => "the resync goes on in the process; see: syncline resync list FILE",
    });
    match stop {
        Stop::Interrupt => Exit::Interrupted,
        Stop::Terminate => Exit::Partly,
    }
}

fn open(config: Config) -> Result<Resyncs, Failure> {
    let ledger = registry::ledger(&config.data)?;
    let folder = serve::comparison_folder(&config.data);
    Ok(Resyncs::new(Arc::new(config), ledger, phases::from_environment()?, folder))
}

async fn list(config: Config, json: bool) -> Result<Exit, Failure> {
    let tasks: Vec<api::ResyncTask> = match Process::find(&config.data).await? {
        Some(process) => process.get::<api::ResyncTasks>("/tasks", &()).await?.tasks,
        None => open(config)?.all().await?.iter().map(Task::shown).collect(),
    };
    tasks.iter().try_for_each(|task| show(task, json))?;
    Ok(Exit::Ok)
}

/// Cancels or forgets.
async fn change(args: ResyncOne, verb: &str) -> Result<Exit, Failure> {
    let config = names::load(&args.file)?;
    let task = match Process::find(&config.data).await? {
        Some(process) => process.post(&format!("/tasks/{}/{verb}", args.id), &()).await?,
        None => {
            let resyncs = open(config)?;
            match verb {
                "cancel" => resyncs.cancel(args.id, LOCAL).await?,
                _ => resyncs.forget(args.id, LOCAL).await?,
            }
            .shown()
        }
    };
    show(&task, args.json)?;
    Ok(Exit::Ok)
}

fn show(task: &api::ResyncTask, json: bool) -> Result<(), Failure> {
    if json {
        return out::json_line(task);
    }
    let index = task.index.as_ref().map_or_else(String::new, |index| format!(" {index}"));
    let kept = task.kept.as_ref().map_or_else(String::new, |index| format!(", keeps {index}"));
    let api::ResyncTask { id, table, target, state, .. } = task;
    out::data(&format!("{id}: {table} at {target}{index}: {state}{kept}\n"))
}
