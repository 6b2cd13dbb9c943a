//! What one tenant has waiting at one sink, first in, first out: a piece in memory at either end, the rest in the spill file.
//! When something may go is not decided here.

use std::collections::VecDeque;
use std::sync::Arc;

use super::record::{self, Shape};
use super::spill::{SLOT, Segment, Spill};
use crate::error::{Code, Error, Result};
use crate::pipeline::ticket::Ticket;
use crate::sink::Delivery;

/// The newest deliveries of a tenant gather in memory up to so many bytes before they are written.
pub(super) const PIECE: usize = 4 * SLOT;

/// See above.
#[derive(Default)]
pub(super) struct Hold {
    runs: VecDeque<Run>,
    /// The oldest, read up to `read`.
    head: Vec<u8>,
    read: usize,
    /// What comes between, the oldest first.
    pieces: VecDeque<Piece>,
    /// Bytes of those pieces that are not written.
    unwritten: usize,
    /// The newest.
    tail: Vec<u8>,
}

/// A piece of the middle.
enum Piece {
    /// To be written.
    Memory(Arc<Vec<u8>>),
    Disk(Segment),
}

/// Deliveries one behind the other that have all of this in common.
struct Run {
    ticket: Arc<Ticket>,
    shape: Shape,
    /// Whether they wait behind a tenant that is not theirs.
    follows: bool,
    /// Milliseconds since 1970: when the first of them was committed at the source.
    since: i64,
    left: u64,
}

/// One that waited.
pub(super) struct Waited {
    pub delivery: Delivery,
    pub ticket: Arc<Ticket>,
    pub follows: bool,
    /// Bytes of its record.
    pub bytes: usize,
}

impl Hold {
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Since when the oldest waits, by the clock of its commit.
    pub fn since(&self) -> Option<i64> {
        self.runs.front().map(|run| run.since)
    }

    /// What it takes of the memory: bytes of records, and runs.
    pub fn size(&self) -> (usize, usize) {
        (self.head.len() + self.unwritten + self.tail.len(), self.runs.len())
    }

    /// Adds a delivery at the end. `now`: milliseconds since 1970, for rows that were read and not committed.
    pub fn push(&mut self, delivery: &Delivery, ticket: &Arc<Ticket>, follows: bool, now: i64) {
        let fits = |run: &&mut Run| {
            run.follows == follows && Arc::ptr_eq(&run.ticket, ticket) && run.shape.fits(delivery)
        };
        match self.runs.back_mut().filter(fits) {
            Some(run) => run.left += 1,
            None => {
                let committed = delivery.change().origin.committed_at;
                let since = if committed > 0 { committed } else { now };
                let (ticket, shape) = (Arc::clone(ticket), Shape::of(delivery));
                self.runs.push_back(Run { ticket, shape, follows, since, left: 1 });
            }
        }
        record::write(delivery, &mut self.tail);
    }

    /// Makes a piece of what has gathered, if it is as much as that; answers whether there is one more to write.
    pub fn piece(&mut self, least: usize) -> bool {
        if self.tail.len() < least {
            return false;
        }
        let tail = std::mem::take(&mut self.tail);
        if self.read == self.head.len() && self.pieces.is_empty() {
            // Its turn comes next anyway.
            (self.head, self.read) = (tail, 0);
            return false;
        }
        self.unwritten += tail.len();
        self.pieces.push_back(Piece::Memory(Arc::new(tail)));
        true
    }

    /// The piece that is to be written next.
    pub fn unwritten(&self) -> Option<Arc<Vec<u8>>> {
        // They are written in their order: those that are not are the last.
        let memory = self.pieces.iter().rev().map_while(|piece| match piece {
            Piece::Memory(bytes) => Some(bytes),
            Piece::Disk(_) => None,
        });
        memory.last().cloned()
    }

    /// Where this piece is now; gives that back if the piece is here no more.
    pub fn written(&mut self, bytes: &Arc<Vec<u8>>, segment: Segment) -> Option<Segment> {
        let is = |piece: &&mut Piece| matches!(piece, Piece::Memory(here) if Arc::ptr_eq(here, bytes));
        let Some(piece) = self.pieces.iter_mut().rev().find(is) else { return Some(segment) };
        *piece = Piece::Disk(segment);
        self.unwritten -= bytes.len();
        None
    }

    /// Takes the oldest.
    pub fn pop(&mut self, spill: &mut Spill) -> Result<Option<Waited>> {
        if self.runs.is_empty() {
            return Ok(None);
        }
        if self.read == self.head.len() {
            self.head = match self.pieces.pop_front() {
                Some(Piece::Disk(segment)) => {
                    spill.read(&segment).map_err(|error| cannot_hold(spill, error))?
                }
                Some(Piece::Memory(bytes)) => {
                    self.unwritten -= bytes.len();
                    Arc::unwrap_or_clone(bytes)
                }
                None => std::mem::take(&mut self.tail),
            };
            self.read = 0;
        }
        let Some(run) = self.runs.front_mut() else { return Ok(None) };
        let (delivery, bytes) = record::read(&self.head[self.read..], &run.shape)?;
        let waited = Waited { delivery, ticket: Arc::clone(&run.ticket), follows: run.follows, bytes };
        self.read += bytes;
        run.left -= 1;
        if run.left == 0 {
            self.runs.pop_front();
        }
        if self.read == self.head.len() {
            (self.head, self.read) = (Vec::new(), 0);
        }
        Ok(Some(waited))
    }
}

/// The spill file fails.
pub(super) fn cannot_hold(spill: &Spill, error: std::io::Error) -> Error {
    Error::new(
        Code::TenantSpill,
        format!("{} cannot hold what waits for its quota", spill.folder().display()),
    )
    .cause(error)
}
