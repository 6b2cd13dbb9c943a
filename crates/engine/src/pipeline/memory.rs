//! The pipeline's memory budget: what is captured and not yet done holds a permit, so a slow sink pushes back on the
//! source instead of filling the machine (rule 9).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::change::CaptureBatch;

/// Permits are counted in units of this many bytes.
const UNIT: usize = 1024;
/// A row is held as it was captured, and as a document, which takes about twice that.
const COPIES: usize = 3;
/// What a change takes besides its bytes.
const CHANGE: usize = 150;
/// What a delivery of it takes besides the document, which all sinks share.
const DELIVERY: usize = 250;

/// Bytes between capture and the last acknowledgement.
pub(crate) struct Memory {
    permits: Arc<Semaphore>,
    units: u32,
    sinks: usize,
    waiting: AtomicUsize,
}

impl Memory {
    /// So many bytes for a pipeline of so many sinks.
    pub fn new(bytes: usize, sinks: usize) -> Memory {
        let units = (bytes / UNIT).clamp(64, 1 << 22) as u32;
        Memory {
            permits: Arc::new(Semaphore::new(units as usize)),
            units,
            sinks,
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits until there is room. One batch larger than the whole budget passes alone.
    pub async fn take(&self, batch: &CaptureBatch) -> Option<OwnedSemaphorePermit> {
        let bytes = batch.bytes * COPIES + batch.changes.len() * (CHANGE + DELIVERY * self.sinks);
        let units = (bytes / UNIT + 1).min(self.units as usize) as u32;
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_many_owned(units) {
            return Some(permit);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let permit = Arc::clone(&self.permits).acquire_many_owned(units).await.ok();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        permit
    }

    /// Whether the source is read more slowly because of what is in flight.
    pub fn full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}
