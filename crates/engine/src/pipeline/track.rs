//! One sink's part of the tracker: what it was handed, what of it is finished, and what the next commit says of it.
//! The rules over all sinks are `tracker.rs`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::ticket::{Ticket, Unit};
use crate::ledger::{ChunkKey, Counts, PipelineRecord};
use crate::position::{Position, StoredPosition};
use crate::version::Version;

/// So many stream tickets may wait for one before them as they are.
const MANY: usize = 1024;

/// See above.
pub(super) struct SinkTrack {
    pub(super) name: String,
    /// Changes below it are durable in this sink already: replays are not handed to it again.
    pub(super) skip_below: Version,
    pub(super) committed: Option<StoredPosition>,
    /// Stream tickets in capture order.
    pub(super) stream: VecDeque<Arc<Ticket>>,
    /// Their number at which those that are finished are joined.
    pub(super) many: usize,
    /// Counts of the finished pieces of a transaction whose end has not come yet.
    pub(super) open: Vec<(Arc<str>, Counts)>,
    pub(super) open_letters: Letters,
    pub(super) chunks: BTreeMap<ChunkKey, ChunkTrack>,
    pub(super) redrives: Vec<Arc<Ticket>>,
    /// What the next commit writes.
    pub(super) next: Pending,
    /// `committed` as the ledger holds it.
    pub(super) durable: Option<Version>,
    /// Chunks of the commit that is being written.
    pub(super) committing_chunks: Vec<ChunkKey>,
    /// Taken into the commit that is being written.
    pub(super) committing: BTreeMap<Arc<str>, Counts>,
    /// Everything committed since the pipeline's first start.
    pub(super) totals: BTreeMap<Arc<str>, Counts>,
    /// Halted: nothing it was given finishes any more.
    pub(super) dead: bool,
}

#[derive(Default)]
pub(super) struct ChunkTrack {
    pub(super) tickets: Vec<Arc<Ticket>>,
    pub(super) closed: bool,
}

#[derive(Default)]
pub(super) struct Pending {
    pub(super) checkpoint: Option<Position>,
    pub(super) counts: BTreeMap<Arc<str>, Counts>,
    pub(super) chunks: Vec<ChunkKey>,
    pub(super) letters: Letters,
}

/// Dead letters that become settled, or counted, with a commit.
#[derive(Default)]
pub(super) struct Letters {
    pub(super) settled: Vec<i64>,
    pub(super) redriven: Vec<i64>,
    pub(super) parked: Vec<(Arc<str>, i64)>,
}

impl Letters {
    pub(super) fn take(&mut self, settled: Vec<i64>, parked: Vec<(Arc<str>, i64)>) {
        self.settled.extend(settled);
        self.parked.extend(parked);
    }
}

impl SinkTrack {
    pub(super) fn new(name: &str, record: &PipelineRecord) -> SinkTrack {
        let committed = record.checkpoints.get(name).cloned();
        let counts = record.counts.iter().filter(|(key, _)| key.sink == name);
        SinkTrack {
            name: name.to_owned(),
            skip_below: committed.as_ref().map_or(Version::ZERO, |p| p.version),
            committed,
            stream: VecDeque::new(),
            many: MANY,
            open: Vec::new(),
            open_letters: Letters::default(),
            chunks: BTreeMap::new(),
            redrives: Vec::new(),
            next: Pending::default(),
            durable: record.checkpoints.get(name).map(|position| position.version),
            committing_chunks: Vec::new(),
            committing: BTreeMap::new(),
            totals: counts.map(|(key, counts)| (key.table.as_str().into(), counts.clone())).collect(),
            dead: false,
        }
    }

    /// Folds finished tickets from the front.
    pub(super) fn advance(&mut self) {
        while self.stream.front().is_some_and(|t| t.is_done()) {
            let Some(ticket) = self.stream.pop_front() else { break };
            let Unit::Stream { start, resume } = &ticket.unit else { continue };
            let finished = ticket.take();
            // A line about a whole table counts nothing, and no transaction goes on after it.
            for (table, counts) in finished.counts.iter().filter(|(_, counts)| *counts != Counts::default()) {
                match self.open.iter_mut().find(|(name, _)| name == table) {
                    Some((_, sum)) => sum.add(counts),
                    None => self.open.push((Arc::clone(table), counts.clone())),
                }
            }
            self.open_letters.take(finished.settled, finished.parked);
            if resume.version != start.version {
                let counts = std::mem::take(&mut self.open);
                self.fold(counts);
                let letters = std::mem::take(&mut self.open_letters);
                self.next.letters.take(letters.settled, letters.parked);
                self.next.checkpoint = Some(resume.clone());
            } else if self.open.is_empty() {
                self.next.checkpoint = Some(resume.clone());
            }
        }
        self.advance_chunks();
        self.advance_redrives();
    }

    /// Takes the ticket of the next batch. One that stays open for long, as what a quota holds does, has many finished ones
    /// behind it: neighbours are joined, so that their number follows from what is open.
    pub(super) fn push(&mut self, ticket: &Arc<Ticket>) {
        self.stream.push_back(Arc::clone(ticket));
        if self.stream.len() < self.many {
            return;
        }
        let mut joined: VecDeque<Arc<Ticket>> = VecDeque::new();
        for ticket in self.stream.drain(..) {
            match joined.back().and_then(|last| last.join(&ticket)) {
                Some(both) => {
                    joined.pop_back();
                    joined.push_back(both);
                }
                None => joined.push_back(ticket),
            }
        }
        self.stream = joined;
        self.many = MANY.max(2 * self.stream.len());
    }

    fn advance_chunks(&mut self) {
        let done: Vec<ChunkKey> = self
            .chunks
            .iter()
            .filter(|(_, c)| c.closed && c.tickets.iter().all(|t| t.is_done()))
            .map(|(key, _)| key.clone())
            .collect();
        for key in done {
            for ticket in self.chunks.remove(&key).map(|c| c.tickets).unwrap_or_default() {
                let finished = ticket.take();
                self.next.letters.take(finished.settled, finished.parked);
                self.fold(finished.counts);
            }
            self.next.chunks.push(key);
        }
    }

    fn advance_redrives(&mut self) {
        let (done, rest) = std::mem::take(&mut self.redrives).into_iter().partition(|t| t.is_done());
        self.redrives = rest;
        let done: Vec<Arc<Ticket>> = done;
        for ticket in done {
            let finished = ticket.take();
            match ticket.letter() {
                Some(letter) if ticket.was_applied() => self.next.letters.redriven.push(letter),
                // The target holds something newer, or the row is not for it any more.
                Some(letter) if !ticket.was_refused() => self.next.letters.settled.push(letter),
                _ => {}
            }
            self.next.letters.take(finished.settled, finished.parked);
            self.fold(finished.counts);
        }
    }

    fn fold(&mut self, counts: Vec<(Arc<str>, Counts)>) {
        for (table, counts) in counts {
            self.next.counts.entry(table).or_default().add(&counts);
        }
    }
}
