//! How much goes into one bulk: as much as the configuration allows, less for a while after the server said "too much".

use std::sync::atomic::{AtomicUsize, Ordering};

/// Below this a bulk is not made smaller: requests themselves would become the load.
const FEWEST_ITEMS: usize = 32;
const FEWEST_BYTES: usize = 64 << 10;

/// Shared by all lanes of a sink.
pub(super) struct Pace {
    most_items: usize,
    items: AtomicUsize,
    bytes: AtomicUsize,
}

impl Pace {
    pub(super) fn new(items: usize, bytes: usize) -> Pace {
        Pace { most_items: items, items: AtomicUsize::new(items), bytes: AtomicUsize::new(bytes) }
    }

    /// Items of one bulk, at most.
    pub(super) fn items(&self) -> usize {
        self.items.load(Ordering::Relaxed)
    }

    /// Bytes of one bulk, at most (a single larger item is sent alone).
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The server was too busy for a bulk of this many items.
    pub(super) fn slower(&self, items: usize) {
        let half = (items / 2).max(FEWEST_ITEMS).min(self.most_items);
        self.items.fetch_min(half, Ordering::Relaxed);
    }

    /// A bulk went through: grow again by an eighth.
    pub(super) fn faster(&self) {
        let now = self.items();
        if now < self.most_items {
            let more = (now + now / 8 + 1).min(self.most_items);
            let _raced = self.items.compare_exchange(now, more, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Something between us and the server takes no body of this size; that does not change by itself.
    pub(super) fn smaller(&self, bytes: usize) {
        self.bytes.fetch_min((bytes / 2).max(FEWEST_BYTES), Ordering::Relaxed);
    }
}
