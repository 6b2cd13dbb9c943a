//! Taking the snapshot that `status` and the metrics show.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::Shared;
use super::control::Wish;
use super::port::Port;
use super::quota;
use super::status::{PipelineState, PipelineStatus, SinkState, SinkStatus, TableStatus};
use crate::clock::now_millis;
use crate::ledger::{Counts, ROUTER, TableState};

/// One look at everything.
pub(crate) fn take(shared: &Shared) -> PipelineStatus {
    let mut tables: BTreeMap<String, TableStatus> = BTreeMap::new();
    let checkpoints = shared.tracker.snapshot(|sink, table, counts, in_flight| {
        let status = tables.entry(table.to_owned()).or_insert_with(|| empty(table));
        let mut counts = counts.clone();
        counts.accepted += in_flight;
        status.counts.add(&counts);
        status.in_flight += in_flight;
        status.by_sink.insert(sink.to_owned(), (counts, in_flight));
    });
    for (table, record) in shared.tables.look() {
        let status = tables.entry(table.clone()).or_insert_with(|| empty(&table));
        (status.state, status.error) = (record.state, record.error);
    }
    let mut sinks: Vec<SinkStatus> = shared.ports().iter().map(|port| sink(port, &checkpoints)).collect();
    if shared.memory.full() {
        name_the_slowest(&mut sinks);
    }
    let dead: i64 = tables.values().map(|t| t.counts.dead).sum();
    let (tenants, tenant_series) = quota::look(shared);
    PipelineStatus {
        name: shared.spec.name.clone(),
        state: state(shared, &sinks, &tables),
        position: shared.tracker.lowest().map(|position| position.text),
        epoch: shared.position.borrow().as_ref().map_or(shared.epoch, |position| position.version.epoch()),
        lag_seconds: lag(shared),
        rate_per_second: shared.rate(),
        tables: tables.into_values().collect(),
        sinks,
        dead_letters: dead.max(0) as u64,
        backfill: shared.backfills.look(),
        verified: *shared.verified.borrow(),
        schedule: shared.timetable.look(),
        limits_reached: shared.limits_reached.load(Ordering::Relaxed),
        repairs_confirmed: shared.repairs_confirmed.load(Ordering::Relaxed),
        repairs_unconfirmed: shared.repairs_unconfirmed.load(Ordering::Relaxed),
        tenants,
        tenant_series,
        probes: shared.recovery.probes.look(),
        recovery: shared.recovery.look(),
        recovered: shared.recovery.totals(),
        error: shared.halted().or_else(|| shared.source_trouble()),
    }
}

fn empty(table: &str) -> TableStatus {
    TableStatus {
        table: table.to_owned(),
        state: TableState::Ok,
        error: None,
        counts: Counts::default(),
        in_flight: 0,
        by_sink: BTreeMap::new(),
    }
}

fn sink(port: &Port, checkpoints: &[(String, Option<String>)]) -> SinkStatus {
    let (state, retrying_since, error) = port.health.look();
    let position = checkpoints.iter().find(|(name, _)| *name == port.name && name != ROUTER);
    SinkStatus {
        connection: port.name.clone(),
        state,
        retrying_since,
        error,
        position: position.and_then(|(_, text)| text.clone()),
        retries: port.health.retries.load(Ordering::Relaxed),
        queued: queued(port),
        holds_back: false,
        held_full: port.gate.as_ref().is_some_and(|gate| gate.full()),
    }
}

/// Deliveries handed out and not done. Those of a halted sink were dropped.
fn queued(port: &Port) -> u64 {
    if port.health.halted() { 0 } else { port.health.queued.load(Ordering::Relaxed) }
}

/// When the memory for what is under way is full, the sink with the most to do is why, and the others wait for it.
fn name_the_slowest(sinks: &mut [SinkStatus]) {
    let most = sinks.iter().map(|sink| sink.queued).max().unwrap_or_default();
    for sink in sinks.iter_mut().filter(|sink| sink.queued > 0) {
        sink.holds_back = sink.queued == most;
    }
}

fn state(shared: &Shared, sinks: &[SinkStatus], tables: &BTreeMap<String, TableStatus>) -> PipelineState {
    let wish = *shared.wish.borrow();
    let troubled = shared.source_trouble().is_some()
        || sinks.iter().any(|sink| sink.state != SinkState::Ok)
        || tables.values().any(|table| table.state == TableState::Halted);
    if shared.halted().is_some() {
        PipelineState::Halted
    } else if *shared.ended.borrow() || wish == Wish::Stop {
        PipelineState::Stopped
    } else if wish == Wish::Pause {
        PipelineState::Paused
    } else if troubled {
        PipelineState::Degraded
    } else if !shared.streaming.load(Ordering::Relaxed) {
        PipelineState::Starting
    } else if shared.backfills.running() {
        PipelineState::Backfilling
    } else {
        PipelineState::Streaming
    }
}

/// Age of the newest change that was captured, unless there is nothing left to capture and to apply.
pub(crate) fn lag(shared: &Shared) -> f64 {
    let time = shared.source_time.load(Ordering::Relaxed);
    let current = shared.caught_up.load(Ordering::Relaxed) && shared.tracker.idle();
    if current || time == 0 {
        return 0.0;
    }
    (now_millis() - time).max(0) as f64 / 1000.0
}
