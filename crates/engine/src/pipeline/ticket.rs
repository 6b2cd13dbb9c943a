//! One ticket per captured batch and sink: how much of it is still under way and what became of the rest.
//! Which tickets make a checkpoint is `tracker.rs`.

use std::sync::{Arc, Mutex, PoisonError};

use crate::ledger::{ChunkKey, Counts};
use crate::position::Position;

/// What a ticket stands for.
#[derive(Clone, Debug)]
pub(crate) enum Unit {
    /// Changes of the stream between two positions. `start` and `resume` as in `CaptureBatch`.
    Stream { start: Position, resume: Position },
    /// Rows of a backfill chunk.
    Chunk(ChunkKey),
    /// The dead letter of this id, tried again.
    Redrive(i64),
    /// What a comparison found to be wrong.
    Repair,
}

/// Shared by the deliveries of one batch at one sink.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub unit: Unit,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outstanding: usize,
    /// Set once all deliveries are handed out.
    closed: bool,
    /// Counted elsewhere, or not at all: the transaction was started over.
    void: bool,
    counts: Vec<(Arc<str>, Counts)>,
    settled: Vec<i64>,
    parked: Vec<(Arc<str>, i64)>,
    refused: bool,
    applied: bool,
    taken: bool,
}

/// What a finished ticket leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Finished {
    pub counts: Vec<(Arc<str>, Counts)>,
    pub settled: Vec<i64>,
    pub parked: Vec<(Arc<str>, i64)>,
}

impl Ticket {
    pub fn new(unit: Unit) -> Arc<Ticket> {
        Arc::new(Ticket { unit, state: Mutex::default() })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out `n` more deliveries.
    pub fn expect(&self, n: usize) {
        self.state().outstanding += n;
    }

    /// Nothing more is handed out.
    pub fn close(&self) {
        self.state().closed = true;
    }

    /// Adds to the counts of a table and takes back `finished` deliveries. True if that was the last.
    pub fn settle(&self, finished: usize, tallies: &mut Tallies) -> bool {
        let mut state = self.state();
        state.outstanding -= finished;
        for (table, counts) in tallies.counts.drain(..) {
            add(&mut state.counts, &table, &counts);
        }
        state.settled.append(&mut tallies.settled);
        state.parked.append(&mut tallies.parked);
        state.refused |= std::mem::take(&mut tallies.refused);
        state.applied |= std::mem::take(&mut tallies.applied);
        state.closed && state.outstanding == 0
    }

    pub fn is_done(&self) -> bool {
        let state = self.state();
        state.closed && state.outstanding == 0
    }

    /// Whether it is a piece of a transaction that goes on after it.
    pub fn is_piece(&self) -> bool {
        matches!(&self.unit, Unit::Stream { start, resume } if start.version == resume.version)
    }

    /// Its counts never happened: the same transaction comes again from its start.
    pub fn void(&self) {
        self.state().void = true;
    }

    /// One finished ticket for two neighbours that are; `None` if one of them is not, or is a piece of a transaction that may
    /// begin again.
    pub fn join(self: &Arc<Ticket>, next: &Arc<Ticket>) -> Option<Arc<Ticket>> {
        let (Unit::Stream { start, .. }, Unit::Stream { resume, .. }) = (&self.unit, &next.unit) else {
            return None;
        };
        if !self.is_done() || !next.is_done() || self.is_piece() || next.is_piece() {
            return None;
        }
        let unit = Unit::Stream { start: start.clone(), resume: resume.clone() };
        let mut all = State { closed: true, ..State::default() };
        for ticket in [self, next] {
            let finished = ticket.take();
            finished.counts.iter().for_each(|(table, counts)| add(&mut all.counts, table, counts));
            all.settled.extend(finished.settled);
            all.parked.extend(finished.parked);
        }
        Some(Arc::new(Ticket { unit, state: Mutex::new(all) }))
    }

    /// Takes what a finished ticket leaves.
    pub fn take(&self) -> Finished {
        let mut state = self.state();
        state.taken = true;
        let counts = std::mem::take(&mut state.counts);
        let counts = if state.void { Vec::new() } else { counts };
        let parked = std::mem::take(&mut state.parked);
        let parked = if state.void { Vec::new() } else { parked };
        Finished { counts, settled: std::mem::take(&mut state.settled), parked }
    }

    /// Whether its counts have not been taken into a commit yet.
    pub fn is_untaken(&self) -> bool {
        !self.state().taken
    }

    /// The letter that it tries again, if it does.
    pub fn letter(&self) -> Option<i64> {
        match self.unit {
            Unit::Redrive(letter) => Some(letter),
            _ => None,
        }
    }

    /// Whether the target took one of its deliveries.
    pub fn was_applied(&self) -> bool {
        self.state().applied
    }

    /// Whether one of its deliveries was parked.
    pub fn was_refused(&self) -> bool {
        self.state().refused
    }

    /// Deliveries accepted per table so far, for the in-flight figure.
    pub fn accepted(&self, into: &mut impl FnMut(&Arc<str>, u64)) {
        let state = self.state();
        if !state.void {
            for (table, counts) in &state.counts {
                into(table, counts.accepted);
            }
        }
    }
}

/// Counts gathered without a lock, before they are settled on a ticket.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    pub counts: Vec<(Arc<str>, Counts)>,
    pub settled: Vec<i64>,
    pub parked: Vec<(Arc<str>, i64)>,
    pub refused: bool,
    pub applied: bool,
}

impl Tallies {
    /// The counts of a table. The last table asked for is found first: runs of one table are the rule.
    pub fn of(&mut self, table: &Arc<str>) -> &mut Counts {
        let found = self.counts.iter().rposition(|(name, _)| Arc::ptr_eq(name, table) || name == table);
        let index = found.unwrap_or_else(|| {
            self.counts.push((Arc::clone(table), Counts::default()));
            self.counts.len() - 1
        });
        &mut self.counts[index].1
    }
}

fn add(all: &mut Vec<(Arc<str>, Counts)>, table: &Arc<str>, counts: &Counts) {
    match all.iter_mut().find(|(name, _)| name == table) {
        Some((_, sum)) => sum.add(counts),
        None => all.push((Arc::clone(table), counts.clone())),
    }
}
