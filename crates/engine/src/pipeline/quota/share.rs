//! What a row of a tenant holds from the gate to its end in the target, whatever the end is: its place among the rows that its
//! tenant may have on the way at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::census::Standing;

/// What a gate learns of rows that have passed it.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Bytes of rows that were held and are on the way now.
    pub bytes: AtomicUsize,
    /// Somebody waits for a row to end.
    pub awaited: AtomicBool,
    /// Wakes who lets rows go.
    pub wake: Notify,
}

/// One tenant's rows on the way to one sink.
#[derive(Debug)]
pub(super) struct Flight {
    pub rows: AtomicU64,
    pub standing: Arc<Standing>,
}

/// See above.
#[derive(Debug)]
pub(crate) struct Share {
    flight: Arc<Flight>,
    way: Arc<Way>,
    bytes: usize,
}

impl Share {
    /// `bytes`: of a row that was held, and so has no share of the memory budget.
    pub(super) fn new(flight: &Arc<Flight>, way: &Arc<Way>, bytes: usize) -> Share {
        flight.rows.fetch_add(1, Ordering::AcqRel);
        way.bytes.fetch_add(bytes, Ordering::AcqRel);
        Share { flight: Arc::clone(flight), way: Arc::clone(way), bytes }
    }

    /// The target holds the row.
    pub fn applied(&self) {
        self.flight.standing.applied();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // In one order with the gate's look at the rows behind its wish to be woken: one of the two sees the other.
        self.flight.rows.fetch_sub(1, Ordering::SeqCst);
        self.way.bytes.fetch_sub(self.bytes, Ordering::SeqCst);
        if self.way.awaited.load(Ordering::SeqCst) {
            self.way.wake.notify_one();
        }
    }
}
