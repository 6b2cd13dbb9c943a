//! Brings messages to one receiver: a bounded queue, one message after the other, each tried until it is taken or refused for good.
//! What does not fit is dropped, counted and said.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use syncline_connectors::notice::{Notifier, Told};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;

/// Messages that wait for a receiver at most.
const QUEUE: usize = 256;
/// A message is tried again after this, then after twice as long, up to the bound.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How long what waits may take when the process ends.
const LAST_MOMENT: Duration = Duration::from_secs(3);

/// What became of a receiver's messages.
#[derive(Debug, Default)]
pub struct Tally {
    /// The connection and the path, as in the file.
    pub receiver: String,
    pub sent: AtomicU64,
    pub retried: AtomicU64,
    /// Refused for good, or more than could wait.
    pub dropped: AtomicU64,
}

/// One message.
#[derive(Clone)]
pub struct Letter {
    id: String,
    body: String,
}

/// Who brings messages to one receiver.
pub struct Courier {
    queue: mpsc::Sender<Letter>,
    work: JoinHandle<()>,
    tally: Arc<Tally>,
}

impl Letter {
    /// `now`: milliseconds since 1970. The id depends on the body and the process, so that no two messages of a receiver share one.
    pub fn new(now: i64, body: String) -> Letter {
        let mut hash = DefaultHasher::new();
        (std::process::id(), &body).hash(&mut hash);
        Letter { id: format!("msg_alert_{now}_{:016x}", hash.finish()), body }
    }
}

impl Courier {
    /// Waits for messages from now on.
    pub fn new(receiver: String, notifier: Arc<dyn Notifier>) -> Courier {
        let tally = Arc::new(Tally { receiver, ..Tally::default() });
        let (queue, waiting) = mpsc::channel(QUEUE);
        let work = tokio::spawn(bring(notifier, waiting, Arc::clone(&tally)));
        Courier { queue, work, tally }
    }

    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Never waits.
    pub fn take(&self, letter: Letter) {
        if let Err(TrySendError::Full(_) | TrySendError::Closed(_)) = self.queue.try_send(letter) {
            let dropped = self.tally.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(receiver = self.tally.receiver, dropped, "too many alerts wait: one is dropped");
        }
    }

    /// Gives what waits a moment.
    pub async fn end(self) {
        let Courier { queue, mut work, tally } = self;
        let waiting = QUEUE - queue.capacity();
        drop(queue);
        if tokio::time::timeout(LAST_MOMENT, &mut work).await.is_err() {
            work.abort();
            tracing::warn!(
                receiver = tally.receiver,
                waiting,
                "the process ends before all alerts were told"
            );
        }
    }
}

async fn bring(notifier: Arc<dyn Notifier>, mut waiting: mpsc::Receiver<Letter>, tally: Arc<Tally>) {
    while let Some(letter) = waiting.recv().await {
        deliver(&*notifier, &letter, &tally).await;
    }
}

/// Until it is taken or refused for good.
async fn deliver(notifier: &dyn Notifier, letter: &Letter, tally: &Tally) {
    let receiver = &tally.receiver;
    let mut pause = FIRST_WAIT;
    loop {
        match notifier.send(&letter.id, letter.body.clone().into()).await {
            Told::Taken => {
                tally.sent.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Told::Refused(error) => {
                tally.dropped.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    receiver,
                    "an alert was refused and is dropped: {error}; {}",
                    error.fix_text()
                );
                return;
            }
            Told::Later { error, wait } => {
                if pause == FIRST_WAIT {
                    tracing::warn!(receiver, "an alert could not be sent: {error}: trying again");
                }
                tally.retried.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(wait.unwrap_or_default().max(pause).min(LONGEST_WAIT)).await;
                pause = (pause * 2).min(LONGEST_WAIT);
            }
        }
    }
}
