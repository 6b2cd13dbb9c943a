//! What is durable where: per sink the lowest unfinished position, and the counters that belong below it.
//! A checkpoint is never a maximum of finished work (rule 3). Writing it is `committer.rs`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::ticket::{Ticket, Unit};
use super::track::SinkTrack;
use crate::ledger::{ChunkKey, Commit, CountKey, Counts, PipelineRecord};
use crate::position::{Position, StoredPosition};
use crate::version::Version;

/// All sinks of one pipeline.
pub(crate) struct Tracker {
    sinks: Mutex<Vec<SinkTrack>>,
}

/// A chunk that is unfinished at these sinks. Only the tracker makes one, and rows of a chunk go nowhere without it: so no
/// row can be on its way while its table looks finished.
#[derive(Debug)]
pub(crate) struct ExpectedChunk {
    key: ChunkKey,
    sinks: Arc<Vec<usize>>,
}

impl ExpectedChunk {
    /// Which chunk.
    pub fn key(&self) -> &ChunkKey {
        &self.key
    }

    /// For the sinks of these indices.
    pub fn sinks(&self) -> &[usize] {
        &self.sinks
    }
}

impl Tracker {
    /// `names`: the sinks, in the order of their indices.
    pub fn new(names: &[String], record: &PipelineRecord) -> Tracker {
        let sinks = names.iter().map(|name| SinkTrack::new(name, record)).collect();
        Tracker { sinks: Mutex::new(sinks) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SinkTrack>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Per sink: changes below this version are not handed to it.
    pub fn skip_below(&self) -> Vec<Version> {
        self.lock().iter().map(|s| s.skip_below).collect()
    }

    /// Below this version some sink is not handed what the stream brings again after a restart.
    pub fn replayed_below(&self) -> Version {
        self.lock().iter().map(|s| s.skip_below).max().unwrap_or_default()
    }

    /// Queues the ticket of a batch. Stream tickets come in capture order.
    pub fn push(&self, sink: usize, ticket: &Arc<Ticket>) {
        let track = &mut self.lock()[sink];
        if track.dead {
            return;
        }
        match &ticket.unit {
            Unit::Stream { .. } => track.push(ticket),
            Unit::Chunk(key) => {
                track.chunks.entry(key.clone()).or_default().tickets.push(Arc::clone(ticket));
            }
            Unit::Redrive(_) | Unit::Repair => track.redrives.push(Arc::clone(ticket)),
        }
    }

    #[cfg(test)]
    pub fn tickets(&self, sink: usize) -> usize {
        self.lock()[sink].stream.len()
    }

    /// The rows of a chunk are on their way to the dispatcher: from now on the chunk is unfinished at these sinks.
    pub fn expect_chunk(&self, key: ChunkKey, sinks: Arc<Vec<usize>>) -> Arc<ExpectedChunk> {
        let mut tracks = self.lock();
        for sink in &*sinks {
            let track = &mut tracks[*sink];
            if !track.dead {
                track.chunks.entry(key.clone()).or_default();
            }
        }
        Arc::new(ExpectedChunk { key, sinks })
    }

    /// All rows of a chunk were handed to its sinks.
    pub fn close_chunk(&self, chunk: &ExpectedChunk) {
        let mut tracks = self.lock();
        for sink in &*chunk.sinks {
            let track = &mut tracks[*sink];
            if !track.dead {
                track.chunks.entry(chunk.key.clone()).or_default().closed = true;
            }
        }
    }

    /// The stream starts over at the beginning of the transaction that is open: its pieces are not counted.
    pub fn restart_open_transaction(&self) {
        for track in self.lock().iter_mut() {
            let pieces = track.stream.iter().rev().take_while(|ticket| ticket.is_piece());
            let voided = pieces.map(|ticket| ticket.void()).count();
            if voided == track.stream.len() {
                // Otherwise these are pieces of an earlier transaction, whose end is still under way.
                track.open.clear();
                // They are parked again, under the same ids; what was settled is gone and stays so.
                track.open_letters.parked.clear();
            }
        }
    }

    /// The sink will finish nothing more: forget what it holds, so that its memory is free. Its checkpoint stays.
    pub fn abandon(&self, sink: usize) {
        let track = &mut self.lock()[sink];
        track.dead = true;
        track.stream.clear();
        track.chunks.clear();
        track.redrives.clear();
    }

    /// A person gave a dead letter up: it counts as superseded.
    pub fn discard(&self, sink: usize, letter: i64) {
        self.lock()[sink].next.letters.settled.push(letter);
    }

    /// What became durable since the last commit, or `None` if nothing did.
    pub fn take_commit(&self) -> Option<Commit> {
        let mut commit = Commit::default();
        for track in self.lock().iter_mut() {
            track.advance();
            let next = std::mem::take(&mut track.next);
            if let Some(position) = next.checkpoint {
                let stored = StoredPosition::from(&position);
                // A sink that is ahead passes again what another one lacks: a checkpoint never goes back.
                if track.committed.as_ref().is_none_or(|held| stored.version > held.version) {
                    track.committed = Some(stored.clone());
                    commit.checkpoints.push((track.name.clone(), stored));
                }
            }
            let key = |table: &Arc<str>| CountKey { sink: track.name.clone(), table: table.to_string() };
            commit.counts.extend(next.counts.iter().map(|(table, counts)| (key(table), counts.clone())));
            track.committing_chunks.clone_from(&next.chunks);
            commit.chunks.extend(next.chunks.into_iter().map(|chunk| (track.name.clone(), chunk)));
            commit.settled.extend(next.letters.settled);
            commit.redriven.extend(next.letters.redriven);
            commit.parked.extend(next.letters.parked.iter().map(|(table, id)| (key(table), *id)));
            for (table, counts) in next.counts {
                track.committing.entry(table).or_default().add(&counts);
            }
        }
        (!commit.is_empty()).then_some(commit)
    }

    /// The commit is durable: its counts, and what the ledger says its dead letters did, are part of the totals.
    pub fn committed(&self, letters: &[(CountKey, Counts)]) {
        for track in self.lock().iter_mut() {
            track.durable = track.committed.as_ref().map(|position| position.version);
            track.committing_chunks.clear();
            for (table, counts) in std::mem::take(&mut track.committing) {
                track.totals.entry(table).or_default().add(&counts);
            }
            for (key, counts) in letters.iter().filter(|(key, _)| key.sink == track.name) {
                track.totals.entry(key.table.as_str().into()).or_default().add(counts);
            }
        }
    }

    /// The lowest checkpoint over all sinks (halted ones too: they resume there), once each has one.
    pub fn lowest(&self) -> Option<StoredPosition> {
        let sinks = self.lock();
        let all: Option<Vec<_>> = sinks.iter().map(|s| s.committed.as_ref()).collect();
        all?.into_iter().min_by_key(|p| p.version).cloned()
    }

    /// Indices of sinks that have no checkpoint yet.
    pub fn new_sinks(&self) -> Vec<usize> {
        let sinks = self.lock();
        sinks.iter().enumerate().filter(|(_, s)| s.committed.is_none()).map(|(index, _)| index).collect()
    }

    /// Gives these sinks their first checkpoint. What they lack must be planned already: from now on a restart takes them
    /// for known.
    pub fn begin(&self, new: &[usize], position: &Position) {
        let mut sinks = self.lock();
        for index in new {
            let track = &mut sinks[*index];
            track.skip_below = position.version;
            track.next.checkpoint = Some(position.clone());
        }
    }

    /// Whether a living sink still has unfinished stream work or chunks.
    pub fn idle(&self) -> bool {
        let mut sinks = self.lock();
        sinks.iter_mut().filter(|s| !s.dead).all(|track| {
            track.advance();
            track.stream.is_empty() && track.chunks.is_empty() && track.redrives.is_empty()
        })
    }

    /// Whether one of these sinks has been abandoned.
    pub fn any_abandoned(&self, sinks: &[usize]) -> bool {
        let tracks = self.lock();
        sinks.iter().any(|sink| tracks[*sink].dead)
    }

    /// Whether every chunk of the table that is expected is durable at every living sink.
    pub fn table_done(&self, run: i64, table: &str) -> bool {
        let mut sinks = self.lock();
        sinks.iter_mut().filter(|s| !s.dead).all(|track| {
            track.chunks.keys().all(|key| key.run != run || key.table != table)
                && (track.next.chunks.iter().chain(&track.committing_chunks))
                    .all(|key| key.run != run || key.table != table)
        })
    }

    /// Whether everything below `version` is durable at those of these sinks that live, and no chunk that an earlier run
    /// has read of the table is under way.
    pub fn passed(&self, sinks: &[usize], version: Version, run: i64, table: &str) -> bool {
        let tracks = self.lock();
        let earlier = |key: &ChunkKey| key.table == table && key.run < run;
        let passed = |track: &SinkTrack| {
            track.dead
                || track.durable.is_some_and(|durable| durable >= version)
                    && !track.chunks.keys().any(earlier)
        };
        sinks.iter().all(|sink| passed(&tracks[*sink]))
    }

    /// Whether every living sink's durable checkpoint is at or past `version`, and no chunk is unfinished.
    pub fn reached(&self, version: Version) -> bool {
        let sinks = self.lock();
        sinks.iter().filter(|s| !s.dead).all(|track| {
            track.durable.is_some_and(|durable| durable >= version)
                && track.chunks.is_empty()
                && track.next.chunks.is_empty()
                && track.committing_chunks.is_empty()
        })
    }

    /// Calls `into(sink, table, counts, in_flight)` for everything counted, and answers the checkpoints by sink.
    pub fn snapshot(&self, mut into: impl FnMut(&str, &str, &Counts, u64)) -> Vec<(String, Option<String>)> {
        let mut sinks = self.lock();
        for track in sinks.iter_mut() {
            track.advance();
            let mut flying: BTreeMap<Arc<str>, u64> = BTreeMap::new();
            let mut fly = |table: &Arc<str>, n: u64| *flying.entry(Arc::clone(table)).or_default() += n;
            let chunks = track.chunks.values().flat_map(|c| &c.tickets);
            for ticket in track.stream.iter().chain(chunks) {
                ticket.accepted(&mut fly);
            }
            for (table, counts) in &track.open {
                fly(table, counts.accepted);
            }
            for (table, counts) in track.committing.iter().chain(&track.next.counts) {
                fly(table, counts.accepted);
            }
            let none = Counts::default();
            for (table, counts) in &track.totals {
                into(&track.name, table, counts, flying.remove(table).unwrap_or(0));
            }
            for (table, n) in flying {
                into(&track.name, &table, &none, n);
            }
        }
        sinks.iter().map(|t| (t.name.clone(), t.committed.as_ref().map(|c| c.text.clone()))).collect()
    }
}
