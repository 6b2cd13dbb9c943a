//! Gathers changes into batches: whole transactions, or a piece of one that is too large. Nothing is decoded here.

use syncline_engine::change::{CaptureBatch, Change};
use syncline_engine::position::Position;

/// A batch is cut when it holds so many changes,
const MAX_CHANGES: usize = 2000;
/// or so many bytes.
const MAX_BYTES: usize = 1 << 20;

/// The batch that is being filled.
#[derive(Default)]
pub struct Builder {
    changes: Vec<Change>,
    bytes: usize,
    /// How many of `changes` belong to whole transactions, and their bytes.
    whole: usize,
    whole_bytes: usize,
    /// Start of the transaction of the first change.
    start: Option<Position>,
    /// Commit time of the newest transaction in it.
    source_time: Option<i64>,
    whole_time: Option<i64>,
}

impl Builder {
    /// Adds a change. `start` makes the position of its transaction's start, when it is the first.
    pub fn push(&mut self, change: Change, bytes: usize, start: impl FnOnce() -> Position) {
        if self.start.is_none() {
            self.start = Some(start());
            self.changes.reserve(MAX_CHANGES.min(64));
        }
        self.source_time = Some(change.origin.committed_at);
        self.changes.push(change);
        self.bytes += bytes;
    }

    /// Whether it must be cut.
    pub fn full(&self) -> bool {
        self.changes.len() >= MAX_CHANGES || self.bytes >= MAX_BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether it holds whole transactions.
    pub fn has_whole(&self) -> bool {
        self.whole > 0
    }

    /// The transaction that was being added is whole.
    pub fn commit(&mut self) {
        self.whole = self.changes.len();
        self.whole_bytes = self.bytes;
        self.whole_time = self.source_time;
    }

    /// Takes the whole transactions; what was begun after them stays. `resume`: where the begun one starts, or the end
    /// of the last whole one.
    pub fn take_whole(&mut self, resume: Position) -> CaptureBatch {
        let rest = self.changes.split_off(self.whole);
        let changes = std::mem::replace(&mut self.changes, rest);
        let start = self.start.take().unwrap_or_else(|| resume.clone());
        if !self.changes.is_empty() {
            self.start = Some(resume.clone());
        }
        let bytes = self.whole_bytes;
        self.bytes -= bytes;
        self.whole = 0;
        self.whole_bytes = 0;
        CaptureBatch {
            changes,
            start,
            resume,
            source_time: self.whole_time.take(),
            caught_up: false,
            bytes,
            permit: None,
        }
    }

    /// Takes everything: a piece of the one transaction that is open.
    pub fn take_piece(&mut self, start: Position) -> CaptureBatch {
        let batch = CaptureBatch {
            changes: std::mem::take(&mut self.changes),
            start: self.start.take().unwrap_or_else(|| start.clone()),
            resume: start,
            source_time: self.source_time,
            caught_up: false,
            bytes: self.bytes,
            permit: None,
        };
        *self = Builder::default();
        batch
    }
}

/// A batch that only moves the position.
pub fn empty(position: Position, source_time: Option<i64>, caught_up: bool) -> CaptureBatch {
    CaptureBatch { source_time, caught_up, ..CaptureBatch::at(position, Vec::new()) }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
