//! The pipeline's memory budget: what is captured and not yet done holds a permit, so a slow sink pushes back on the
//! source instead of filling the machine (rule 9).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits are counted in units of this many bytes.
const UNIT: usize = 1024;

/// Bytes between capture and the last acknowledgement.
pub(crate) struct Memory {
    permits: Arc<Semaphore>,
    units: u32,
    waiting: AtomicUsize,
}

impl Memory {
    pub fn new(bytes: usize) -> Memory {
        let units = (bytes / UNIT).clamp(64, 1 << 22) as u32;
        Memory { permits: Arc::new(Semaphore::new(units as usize)), units, waiting: AtomicUsize::new(0) }
    }

    /// Waits until there is room. One batch larger than the whole budget passes alone.
    pub async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
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
