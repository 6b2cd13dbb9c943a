//! From captured batches to the lanes: routes every change, opens the tickets, fills the lanes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;

use super::Shared;
use super::port::Lanes;
use super::settle::count_filtered;
use super::ticket::{Tallies, Ticket, Unit};
use super::tracker::ExpectedChunk;
use super::verdict::{Verdict, verdict};
use crate::change::{CaptureBatch, Operation};
use crate::error::{Error, Kind, Result};
use crate::route::{Deliveries, Routed};
use crate::sink::{Counted, Delivery};
use crate::version::Version;

/// What capture hands on, in order.
pub(crate) enum Work {
    /// Changes of the stream.
    Stream(CaptureBatch),
    /// The transaction that is open begins again: what came of it so far is not counted.
    Restart,
    /// Rows of a chunk.
    Chunk { batch: CaptureBatch, chunk: Arc<ExpectedChunk>, last: bool },
    /// Deliveries of a sweep, for one sink; they belong to the chunk.
    Sweep { sink: usize, deliveries: Vec<Delivery>, chunk: Arc<ExpectedChunk>, last: bool },
    /// A parked row, read again, for the sink that refused it; `Absent` at the address if the batch has no row.
    Redrive { batch: CaptureBatch, sink: usize, ticket: Arc<Ticket> },
}

/// Routes and hands out until capture is gone.
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    /// Index 0 is the router itself; a sink's index is its place in the tracker.
    lanes: Vec<Option<Lanes>>,
    skip_below: Vec<Version>,
    out: Deliveries,
}

impl Dispatcher {
    pub fn new(shared: Arc<Shared>, lanes: Vec<Option<Lanes>>) -> Dispatcher {
        Dispatcher { skip_below: shared.tracker.skip_below(), shared, lanes, out: Deliveries::default() }
    }

    pub async fn run(mut self, mut work: mpsc::Receiver<Work>) {
        while let Some(work) = work.recv().await {
            if let Err(error) = self.take(work).await {
                self.shared.halt(&error);
                return;
            }
        }
    }

    async fn take(&mut self, work: Work) -> Result<()> {
        match work {
            Work::Stream(batch) => {
                self.skip_below = self.shared.tracker.skip_below();
                let unit = Unit::Stream { start: batch.start.clone(), resume: batch.resume.clone() };
                let all: Vec<usize> = (0..self.lanes.len()).collect();
                self.route(batch, unit, &all).await
            }
            Work::Restart => {
                self.shared.tracker.restart_open_transaction();
                Ok(())
            }
            Work::Chunk { batch, chunk, last } => {
                self.route(batch, Unit::Chunk(chunk.key().clone()), chunk.sinks()).await?;
                self.end_chunk(&chunk, last);
                Ok(())
            }
            Work::Sweep { sink, deliveries, chunk, last } => {
                let ticket = Ticket::new(Unit::Chunk(chunk.key().clone()));
                self.shared.tracker.push(sink, &ticket);
                if let Some(lanes) = &mut self.lanes[sink] {
                    deliveries.into_iter().for_each(|delivery| lanes.push(&ticket, delivery, None));
                }
                self.hand_out().await?;
                ticket.close();
                self.end_chunk(&chunk, last);
                Ok(())
            }
            Work::Redrive { batch, sink, ticket } => self.redrive(batch, sink, ticket).await,
        }
    }

    fn end_chunk(&self, chunk: &ExpectedChunk, last: bool) {
        if last {
            self.shared.tracker.close_chunk(chunk);
            self.shared.commit_wanted.notify_one();
        }
    }

    async fn route(&mut self, batch: CaptureBatch, unit: Unit, sinks: &[usize]) -> Result<()> {
        let batch = Arc::new(batch);
        let mut tickets: Vec<Option<(Arc<Ticket>, Tallies)>> = self.lanes.iter().map(|_| None).collect();
        for sink in sinks {
            let ticket = Ticket::new(unit.clone());
            self.shared.tracker.push(*sink, &ticket);
            tickets[*sink] = Some((ticket, Tallies::default()));
        }
        for index in 0..batch.changes.len() {
            if let Err(error) = self.route_one(&batch, index as u32, &mut tickets) {
                self.unroutable(&batch.changes[index].schema.name, error).await?;
            }
        }
        self.shared.progressed(batch.changes.len() as u64);
        for (ticket, tallies) in tickets.iter_mut().flatten() {
            ticket.settle(0, tallies);
        }
        self.hand_out().await?;
        let mut done = false;
        for (ticket, _) in tickets.iter().flatten() {
            ticket.close();
            done |= ticket.is_done();
        }
        if done {
            self.shared.commit_wanted.notify_one();
        }
        Ok(())
    }

    /// A route does not fit its table at all: the table halts, the others flow.
    async fn unroutable(&self, table: &str, error: Error) -> Result<()> {
        match verdict(&error) {
            Verdict::Halt if error.kind() != Kind::Config => Err(error),
            _ => self.shared.halt_table(table, &error).await,
        }
    }

    /// Routes one change into the buckets, counting what it is accepted as.
    fn route_one(
        &mut self,
        batch: &Arc<CaptureBatch>,
        index: u32,
        tickets: &mut [Option<(Arc<Ticket>, Tallies)>],
    ) -> Result<()> {
        let change = &batch.changes[index as usize];
        let table = &change.schema.name;
        let replay =
            |sink: usize| change.operation != Operation::Read && change.version < self.skip_below[sink];
        self.out.clear();
        if self.shared.routes.deliver(batch, index, &mut self.out)? == Routed::NoRoute {
            if let (Some((_, tallies)), false) = (&mut tickets[0], replay(0)) {
                let counts = tallies.of(table);
                counts.accepted += 1;
                count_filtered(counts, crate::route::NO_ROUTE);
            }
            return Ok(());
        }
        for (sink, rule) in self.out.dropped.drain(..) {
            if let (Some((_, tallies)), false) = (&mut tickets[sink], replay(sink)) {
                let counts = tallies.of(table);
                counts.accepted += 1;
                count_filtered(counts, &rule);
            }
        }
        for (sink, delivery) in self.out.items.drain(..) {
            let Some((ticket, tallies)) = &mut tickets[sink] else { continue };
            if replay(sink) {
                continue;
            }
            if delivery.counted != Counted::No {
                tallies.of(table).accepted += 1;
            }
            if let Some(lanes) = &mut self.lanes[sink] {
                lanes.push(ticket, delivery, None);
            }
        }
        for (sink, delivery, error) in self.out.refused.drain(..) {
            let Some((ticket, tallies)) = &mut tickets[sink] else { continue };
            if !replay(sink) {
                tallies.of(table).accepted += 1;
                if let Some(lanes) = &mut self.lanes[sink] {
                    lanes.push(ticket, delivery, Some(error));
                }
            }
        }
        Ok(())
    }

    async fn redrive(&mut self, batch: CaptureBatch, sink: usize, ticket: Arc<Ticket>) -> Result<()> {
        let batch = Arc::new(batch);
        self.shared.tracker.push(sink, &ticket);
        for index in 0..batch.changes.len() {
            self.out.clear();
            self.shared.routes.deliver(&batch, index as u32, &mut self.out)?;
            for (_, delivery) in self.out.items.drain(..).filter(|(to, _)| *to == sink) {
                if let Some(lanes) = &mut self.lanes[sink] {
                    lanes.push(&ticket, delivery, None);
                }
            }
            for (_, delivery, error) in self.out.refused.drain(..).filter(|(to, ..)| *to == sink) {
                if let Some(lanes) = &mut self.lanes[sink] {
                    lanes.push(&ticket, delivery, Some(error));
                }
            }
        }
        self.hand_out().await?;
        ticket.close();
        self.shared.commit_wanted.notify_one();
        Ok(())
    }

    /// Sends the filled buckets to their lanes; waits where a lane is full, and says whose fault it is.
    async fn hand_out(&mut self) -> Result<()> {
        for lanes in self.lanes.iter_mut().flatten() {
            lanes.placer.handed_out();
            for (bucket, sender) in lanes.buckets.iter_mut().zip(&lanes.senders) {
                if bucket.is_empty() {
                    continue;
                }
                let health = &lanes.port.health;
                health.queued.fetch_add(bucket.len() as u64, Ordering::Relaxed);
                let items = std::mem::take(bucket);
                if let Err(mpsc::error::TrySendError::Full(items)) = sender.try_send(items) {
                    health.holds_back.store(true, Ordering::Relaxed);
                    // A closed lane has halted: its checkpoint stays, nothing is lost.
                    let _closed = sender.send(items).await;
                    health.holds_back.store(false, Ordering::Relaxed);
                }
            }
        }
        Ok(())
    }
}
