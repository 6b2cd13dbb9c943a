//! The wait between two tries of a peer that is away, which ends early once somebody sees that the peer answers again. How long a wait
//! is, and what is tried then, is not decided here.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// All that wait for one peer.
#[derive(Default)]
pub(crate) struct Wait {
    awake: Notify,
    waiting: AtomicUsize,
}

/// One that waits; it is not counted any more when it is dropped.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Wait {
    /// Until this has ended, or the peer is back.
    pub async fn during(&self, delay: impl Future<Output = ()>) {
        // Made first: who is counted hears of what is told from then on.
        let awake = self.awake.notified();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(&self.waiting);
        tokio::select! {
            () = delay => {}
            () = awake => {}
        }
    }

    /// Whether anybody waits.
    pub fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// The peer is back: whoever waits asks it now.
    pub fn end(&self) {
        self.awake.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_is_back_is_not_waited_for() {
        let wait = Wait::default();
        let began = Instant::now();
        let back = async {
            assert!(wait.is_awaited());
            sleep(Duration::from_secs(1)).await;
            wait.end();
        };
        tokio::join!(wait.during(sleep(Duration::from_secs(30))), back);
        assert_eq!(began.elapsed(), Duration::from_secs(1));
        assert!(!wait.is_awaited());
        // A word that nobody waited for ends no later wait.
        wait.end();
        wait.during(sleep(Duration::from_secs(2))).await;
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_dropped_does_not_wait() {
        let wait = Wait::default();
        let long = wait.during(sleep(Duration::from_secs(30)));
        assert!(tokio::time::timeout(Duration::from_secs(1), long).await.is_err());
        assert!(!wait.is_awaited());
    }
}
