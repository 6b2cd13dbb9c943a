//! From captured batches to the lanes: routes every change, opens the tickets, feeds the sinks.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Shared;
use super::port::Feed;
use super::settle::count_filtered;
use super::sweep::{Deletes, Doomed};
use super::ticket::{Tallies, Ticket, Unit};
use super::tracker::ExpectedChunk;
use super::verdict::{Verdict, verdict};
use crate::change::CaptureBatch;
use crate::error::{Error, Kind, Result};
use crate::route::{Deliveries, Routed};
use crate::sink::Counted;
use crate::version::Version;

/// What capture hands on, in order.
pub(crate) enum Work {
    /// Changes of the stream.
    Stream(CaptureBatch),
    /// The transaction that is open begins again: what came of it so far is not counted.
    Restart,
    /// Rows of a chunk.
    Chunk { batch: CaptureBatch, chunk: Arc<ExpectedChunk>, last: bool },
    /// What a sweep deletes.
    Sweep(Doomed),
    /// What a comparison found to be there though no row stands behind it.
    Erase { doomed: Deletes, sink: usize, ticket: Arc<Ticket> },
    /// Rows that a comparison found to be wrong in one sink, read again.
    Repair { batch: CaptureBatch, sink: usize, ticket: Arc<Ticket> },
    /// A parked row, read again, for the target that refused it.
    Redrive { batch: CaptureBatch, sink: usize, target: String, ticket: Arc<Ticket> },
}

/// By the index of the sink.
type Tickets = Vec<Option<(Arc<Ticket>, Tallies)>>;

/// Routes and hands out until capture is gone.
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    /// Index 0 is the router itself; a sink's index is its place in the tracker.
    feeds: Vec<Option<Feed>>,
    skip_below: Vec<Version>,
    out: Deliveries,
}

impl Dispatcher {
    pub fn new(shared: Arc<Shared>, feeds: Vec<Option<Feed>>) -> Dispatcher {
        Dispatcher { skip_below: shared.tracker.skip_below(), shared, feeds, out: Deliveries::default() }
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
                let all: Vec<usize> = (0..self.feeds.len()).collect();
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
            Work::Sweep(doomed) => {
                self.sweep(doomed);
                Ok(())
            }
            Work::Erase { doomed, sink, ticket } => {
                self.erase(doomed, sink, &ticket);
                Ok(())
            }
            Work::Repair { batch, sink, ticket } => {
                let mut tickets = self.no_tickets();
                self.shared.tracker.push(sink, &ticket);
                tickets[sink] = Some((ticket, Tallies::default()));
                self.route_for(batch, false, tickets).await
            }
            Work::Redrive { batch, sink, target, ticket } => self.redrive(batch, sink, &target, ticket).await,
        }
    }

    fn sweep(&mut self, doomed: Doomed) {
        let (sink, chunk, last) = (doomed.sink, Arc::clone(&doomed.chunk), doomed.last);
        let ticket = Ticket::new(Unit::Chunk(chunk.key().clone()));
        self.erase(doomed.deletes, sink, &ticket);
        self.end_chunk(&chunk, last);
    }

    fn erase(&mut self, deletes: Deletes, sink: usize, ticket: &Arc<Ticket>) {
        self.shared.tracker.push(sink, ticket);
        if let Some(feed) = &mut self.feeds[sink] {
            deletes.deliveries().for_each(|delivery| feed.push(ticket, delivery, None));
        }
        self.hand_out();
        ticket.close();
        self.shared.commit_wanted.notify_one();
    }

    fn end_chunk(&self, chunk: &ExpectedChunk, last: bool) {
        if last {
            self.shared.tracker.close_chunk(chunk);
            self.shared.commit_wanted.notify_one();
        }
    }

    async fn route(&mut self, batch: CaptureBatch, unit: Unit, sinks: &[usize]) -> Result<()> {
        let mut tickets = self.no_tickets();
        for sink in sinks {
            let ticket = Ticket::new(unit.clone());
            self.shared.tracker.push(*sink, &ticket);
            tickets[*sink] = Some((ticket, Tallies::default()));
        }
        // What is read comes once; the stream comes again after a restart.
        self.route_for(batch, matches!(unit, Unit::Stream { .. }), tickets).await
    }

    fn no_tickets(&self) -> Tickets {
        self.feeds.iter().map(|_| None).collect()
    }

    /// For the sinks that have a ticket.
    async fn route_for(&mut self, batch: CaptureBatch, again: bool, mut tickets: Tickets) -> Result<()> {
        let batch = Arc::new(batch);
        for index in 0..batch.changes.len() {
            if let Err(error) = self.route_one(&batch, index as u32, again, &mut tickets) {
                self.unroutable(&batch.changes[index].schema.name, error).await?;
            }
        }
        self.shared.progressed(batch.changes.len() as u64);
        for (ticket, tallies) in tickets.iter_mut().flatten() {
            ticket.settle(0, tallies);
        }
        self.hand_out();
        let mut done = false;
        for (ticket, _) in tickets.iter().flatten() {
            ticket.close();
            done |= ticket.is_done();
        }
        if done {
            self.shared.commit_wanted.notify_one();
        }
        for feed in self.feeds.iter().flatten() {
            feed.room().await;
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
        again: bool,
        tickets: &mut Tickets,
    ) -> Result<()> {
        let change = &batch.changes[index as usize];
        let table = &change.schema.name;
        let replay = |sink: usize| again && change.version < self.skip_below[sink];
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
            if let Some(feed) = &mut self.feeds[sink] {
                feed.push(ticket, delivery, None);
            }
        }
        for (sink, delivery, error) in self.out.refused.drain(..) {
            let Some((ticket, tallies)) = &mut tickets[sink] else { continue };
            if !replay(sink) {
                tallies.of(table).accepted += 1;
                if let Some(feed) = &mut self.feeds[sink] {
                    feed.push(ticket, delivery, Some(error));
                }
            }
        }
        Ok(())
    }

    /// Only for the target that refused it: another target of the same connection has its own letter, or took the row.
    async fn redrive(
        &mut self,
        batch: CaptureBatch,
        sink: usize,
        target: &str,
        ticket: Arc<Ticket>,
    ) -> Result<()> {
        let batch = Arc::new(batch);
        self.shared.tracker.push(sink, &ticket);
        for index in 0..batch.changes.len() {
            self.out.clear();
            if let Err(error) = self.shared.routes.deliver(&batch, index as u32, &mut self.out) {
                ticket.settle(0, &mut Tallies { refused: true, ..Tallies::default() });
                self.unroutable(&batch.changes[index].schema.name, error).await?;
            }
            let good = self.out.items.drain(..).map(|(to, delivery)| (to, delivery, None));
            let bad = self.out.refused.drain(..).map(|(to, delivery, error)| (to, delivery, Some(error)));
            for (_, delivery, error) in
                good.chain(bad).filter(|(to, d, _)| *to == sink && d.plan.label == target)
            {
                if let Some(feed) = &mut self.feeds[sink] {
                    feed.push(&ticket, delivery, error);
                }
            }
        }
        self.hand_out();
        ticket.close();
        self.shared.commit_wanted.notify_one();
        Ok(())
    }

    fn hand_out(&mut self) {
        self.feeds.iter_mut().flatten().for_each(Feed::hand_out);
    }
}
