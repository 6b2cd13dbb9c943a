//! Starts a pipeline's tasks, keeps the stream alive over reconnects and pauses, and ends everything in an order that
//! loses nothing: capture, dispatcher, lanes, last commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::backfill::Backfill;
use super::backoff::Backoff;
use super::capture::{Capture, Left, Request};
use super::control::{Control, Wish};
use super::dispatch::{Dispatcher, Work};
use super::handle::{PipelineHandle, PipelineParts};
use super::phase::Phase;
use super::port::{Feed, Port};
use super::queue::Queue;
use super::recall::{self, Memory};
use super::seat::{Run, Seat};
use super::shared::{Shared, SharedParts};
use super::verdict::{Verdict, verdict};
use super::{changed, committer, lane, quota};
use crate::error::Result;
use crate::ledger::{ROUTER, TableState};
use crate::mark::Marks;
use crate::position::{Position, StoredPosition};
use crate::recovery::Recovery;
use crate::route::RouteTable;
use crate::sink::Sink;
use crate::verify::Verified;

/// Batches between capture and the dispatcher.
const WORK: usize = 4;
/// How long a stop waits for sinks that do not answer. What they do not hold is read again at the next start.
const DRAIN: Duration = Duration::from_secs(10);

/// Starts a pipeline. Fails only for what must be right before anything runs: the ledger and the routes.
pub async fn spawn(parts: PipelineParts) -> Result<PipelineHandle> {
    Ok(PipelineHandle { seat: Arc::new(Seat::new(begin_run(parts).await?)) })
}

/// Starts one run of it.
pub(super) async fn begin_run(parts: PipelineParts) -> Result<Run> {
    let PipelineParts { spec, source, sinks, ledger, phases } = parts;
    ledger.forget_uncounted_letters(&spec.name).await?;
    let mut record = ledger.pipeline(&spec.name).await?;
    let returned = changed::returned(&spec.name, &*ledger, &mut record).await?;
    let mut written_before = recall::written_before(&spec.name, &sinks, &*ledger, &mut record).await?;
    written_before.extend(returned);
    let marks = record.marks.clone();
    let verified = Verified::of(&*ledger, &spec.name).await?;
    let recovery = Recovery::open(Arc::clone(&ledger), &spec.name, &spec.recovery).await?;
    let names: Vec<String> = std::iter::once(ROUTER.to_owned()).chain(sinks.keys().cloned()).collect();
    let routes = RouteTable::new(&spec, &names)?.folding_case(true);
    let (requests, asked) = mpsc::channel(64);
    let checkpoints = record.checkpoints.clone();
    let shared = Shared::new(SharedParts {
        spec,
        source,
        ledger,
        routes,
        phases,
        names,
        record,
        written_before,
        requests,
        verified,
        recovery,
    });
    let ports = open_ports(&shared, sinks, marks).await?;
    let ports: Arc<[Arc<Port>]> = ports.into();
    let weak = ports.iter().map(Arc::downgrade).collect();
    shared.ports.set(weak).unwrap_or_else(|_| unreachable!("the ports are set once, here"));
    tokio::spawn(Box::pin(supervise(Arc::clone(&shared), Arc::clone(&ports), asked, checkpoints)));
    Ok(Run { shared, _ports: ports })
}

async fn open_ports(
    shared: &Arc<Shared>,
    sinks: BTreeMap<String, Arc<dyn Sink>>,
    mut marks: BTreeMap<String, Marks>,
) -> Result<Vec<Arc<Port>>> {
    let mut ports = Vec::with_capacity(sinks.len());
    for (index, (name, sink)) in sinks.into_iter().enumerate() {
        let memory = Memory::new(marks.remove(&name));
        ports.push(Port::open(index + 1, &name, sink, memory, Arc::clone(shared)).await?);
    }
    Ok(ports)
}

async fn supervise(
    shared: Arc<Shared>,
    ports: Arc<[Arc<Port>]>,
    asked: mpsc::Receiver<Request>,
    checkpoints: BTreeMap<String, StoredPosition>,
) {
    let mut lane_tasks = JoinSet::new();
    let feeds = start_lanes(&ports, &mut lane_tasks);
    let (work, queue) = mpsc::channel(WORK);
    let dispatcher = tokio::spawn(Dispatcher::new(Arc::clone(&shared), feeds).run(queue));
    let committer = tokio::spawn(committer::run(Arc::clone(&shared), Arc::clone(&shared.source)));
    let backfill = tokio::spawn(
        Backfill::new(
            Arc::clone(&shared),
            shared.source.reader(),
            shared.requests.clone(),
            Control::new(&shared.wish),
        )
        .run(Arc::clone(&shared.source)),
    );
    let recall = tokio::spawn(recall::run(Arc::clone(&shared)));
    let lowest = lowest(&shared, &checkpoints);
    if let Err(error) = stream(&shared, work, asked, lowest).await {
        shared.halt(&error);
    }
    shared.streaming.store(false, Ordering::Relaxed);
    let _draining = shared.phases.enter(Phase::Drain);
    let drained = tokio::time::timeout(DRAIN, async {
        drop(dispatcher.await);
        while lane_tasks.join_next().await.is_some() {}
    })
    .await;
    if drained.is_err() {
        tracing::warn!(
            pipeline = shared.spec.name,
            "a target does not answer: what it lacks is read again at the next start"
        );
    }
    lane_tasks.shutdown().await;
    for task in [backfill, recall] {
        task.abort();
        // Its end is all that is waited for.
        drop(task.await);
    }
    finish(&shared).await;
    committer.abort();
    shared.ended.send_replace(true);
}

/// Last commit, and the sinks are closed.
async fn finish(shared: &Arc<Shared>) {
    for port in shared.ports().iter().filter(|port| !port.health.halted()) {
        match tokio::time::timeout(DRAIN, port.sink.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(sink = port.name, "{error}"),
            Err(_) => tracing::warn!(sink = port.name, "did not close in time"),
        }
    }
    if let Err(error) = committer::commit(shared, &*shared.source).await {
        shared.halt(&error);
    }
}

fn start_lanes(ports: &[Arc<Port>], tasks: &mut JoinSet<()>) -> Vec<Option<Feed>> {
    let mut all = vec![None];
    for port in ports {
        let (lanes, most) = port.lanes();
        let queue = Queue::new(most);
        queue.set_width(lanes);
        port.queue.set(Arc::clone(&queue)).unwrap_or_else(|_| unreachable!("lanes start once, here"));
        for lane in 0..most {
            tasks.spawn(lane::run(Arc::clone(port), Arc::clone(&queue), lane));
        }
        if let Some(gate) = &port.gate {
            tasks.spawn(quota::write(Arc::clone(gate)));
            tasks.spawn(quota::release(Arc::clone(gate), Arc::clone(port), Arc::clone(&queue)));
        }
        all.push(Some(Feed::new(port, queue)));
    }
    all
}

/// Where to read from: the lowest checkpoint of the sinks that have one.
fn lowest(shared: &Shared, checkpoints: &BTreeMap<String, StoredPosition>) -> Option<StoredPosition> {
    let ours = checkpoints.iter().filter(|(name, _)| shared.names.contains(name));
    ours.map(|(_, position)| position).min_by_key(|p| p.version).cloned()
}

/// Streams until stop, over reconnects and pauses.
async fn stream(
    shared: &Arc<Shared>,
    work: mpsc::Sender<Work>,
    asked: mpsc::Receiver<Request>,
    mut from: Option<StoredPosition>,
) -> Result<()> {
    let mut control = Control::new(&shared.wish);
    let mut capture = Capture::new(Arc::clone(shared), work, asked);
    let mut backoff = Backoff::default();
    while control.unpaused().await == Wish::Run {
        let answers = capture.answers();
        let next = async {
            let mut stream = shared.source.stream(from.as_ref()).await?;
            shared.source_recovered();
            capture.restart(stream.start()).await;
            shared.streaming_from(&stream.start());
            if !*shared.begun.borrow() {
                begin(shared, &stream.start()).await?;
                shared.begun.send_replace(true);
            }
            shared.streaming.store(true, Ordering::Relaxed);
            capture.run(&mut *stream, &mut control).await
        };
        let left = next.await;
        shared.streaming.store(false, Ordering::Relaxed);
        from = capture.position().map(StoredPosition::from).or(from);
        // A stream that opens and breaks off at once has not worked; it answers every second, though nothing comes.
        if capture.answers() > answers {
            backoff.reset();
        }
        match left {
            Ok(Left::Asked) => {}
            Ok(Left::Closed) => return Ok(()),
            Err(error) if verdict(&error) == Verdict::Retry => {
                shared.source_failed(&error);
                shared.recovery.source_wait.during(control.sleep(backoff.next())).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// First contact: what sinks without a checkpoint lack is read, and they get their first one. Begun again if it fails.
async fn begin(shared: &Arc<Shared>, start: &Position) -> Result<()> {
    let new = shared.tracker.new_sinks();
    if !shared.unfinished().await?.is_empty() {
        shared.backfills.want();
        shared.backfill_wanted.notify_one();
    }
    let sinks = new.iter().filter(|index| **index > 0).map(|index| shared.names[*index].clone());
    let (before, empty): (Vec<_>, Vec<_>) = sinks.partition(|name| shared.written_before.contains(name));
    if !before.is_empty() {
        let tables = first_tables(shared, &new).await?;
        shared.want_swept(tables, &before, start.version).await?;
    }
    if !empty.is_empty() && shared.spec.source.backfill {
        let tables = first_tables(shared, &new).await?;
        shared.want_backfill(tables, empty).await?;
    }
    shared.tracker.begin(&new, start);
    // Before the routes: a sink that came back must not be known again before it has a new one.
    committer::commit(shared, &*shared.source).await?;
    shared.compare_routes(&new, start).await
}

/// Tables that feed one of the new sinks.
async fn first_tables(shared: &Arc<Shared>, new: &[usize]) -> Result<Vec<String>> {
    let tables = shared.source.tables().await?;
    let fed = tables.iter().filter(|schema| {
        let halted = shared.tables.get(&schema.name).is_some_and(|r| r.state == TableState::Halted);
        !halted && shared.routes.sinks_of(schema).iter().any(|sink| new.contains(sink))
    });
    Ok(fed.map(|schema| schema.name.to_string()).collect())
}
