//! How one sink is doing, shared by its lanes: the breaker that lets a single lane probe a target that is down, and
//! what `status` tells about it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::backoff::Backoff;
use super::status::SinkState;
use super::verdict::{Verdict, verdict};
use super::wait::Wait;
use crate::clock::now_millis;
use crate::error::{Error, Result};
use crate::sink::Sink;

async fn opened(open: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and the lane with it.
    drop(open.wait_for(|open| *open).await);
}

/// One sink's health.
pub(crate) struct Health {
    state: Mutex<State>,
    /// Only its holder probes.
    probing: tokio::sync::Mutex<Backoff>,
    open: watch::Sender<bool>,
    /// Of the one who probes. Ends early when somebody else has seen that the target answers again.
    pub wait: Wait,
    pub retries: AtomicU64,
    pub queued: AtomicU64,
}

#[derive(Clone, Debug)]
struct State {
    state: SinkState,
    since: Option<i64>,
    error: Option<Error>,
}

impl Health {
    pub fn new() -> Arc<Health> {
        Arc::new(Health {
            state: Mutex::new(State { state: SinkState::Ok, since: None, error: None }),
            probing: tokio::sync::Mutex::default(),
            open: watch::Sender::new(true),
            wait: Wait::default(),
            retries: AtomicU64::new(0),
            queued: AtomicU64::new(0),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// State, since when it is tried again (milliseconds since 1970), last error.
    pub fn look(&self) -> (SinkState, Option<i64>, Option<Error>) {
        let state = self.lock().clone();
        (state.state, state.since, state.error)
    }

    pub fn halted(&self) -> bool {
        self.lock().state == SinkState::Halted
    }

    /// The target is down or busy.
    pub fn failed(&self, error: &Error) {
        self.retries.fetch_add(1, Ordering::Relaxed);
        let mut state = self.lock();
        if state.state == SinkState::Ok {
            tracing::warn!("{error}: trying again");
            state.since = Some(now_millis());
            state.state = SinkState::Retrying;
        }
        state.error = Some(error.clone());
        self.open.send_replace(false);
    }

    /// A person is needed.
    pub fn halt(&self, error: &Error) {
        let mut state = self.lock();
        if state.state != SinkState::Halted {
            tracing::error!("{error}; {}", error.fix_text());
            *state = State { state: SinkState::Halted, since: None, error: Some(error.clone()) };
        }
        self.open.send_replace(false);
    }

    /// It has halted, and there is more to say about that.
    pub fn say(&self, error: &Error) {
        let mut state = self.lock();
        if state.state == SinkState::Halted {
            state.error = Some(error.clone());
        }
    }

    fn recovered(&self) {
        let mut state = self.lock();
        if state.state == SinkState::Retrying {
            tracing::info!("the target answers again");
            *state = State { state: SinkState::Ok, since: None, error: None };
            self.open.send_replace(true);
        }
    }

    /// Returns when the target answers. While it is down one caller probes it with growing delays and the others wait.
    /// `Err`: it halted.
    pub async fn ready(&self, sink: &dyn Sink) -> Result<()> {
        while !*self.open.borrow() {
            let mut open = self.open.subscribe();
            tokio::select! {
                mut backoff = self.probing.lock() => {
                    if *self.open.borrow() {
                        return Ok(());
                    }
                    self.check_halted()?;
                    let delay = backoff.next();
                    self.wait.during(tokio::time::sleep(delay)).await;
                    self.probe(sink, &mut backoff).await?;
                }
                () = opened(&mut open) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Asks a target that was down once.
    pub async fn knock(&self, sink: &dyn Sink) -> Result<()> {
        self.check_halted()?;
        if !*self.open.borrow() {
            sink.probe().await?;
            self.recovered();
        }
        Ok(())
    }

    fn check_halted(&self) -> Result<()> {
        let state = self.lock();
        match (&state.state, &state.error) {
            (SinkState::Halted, Some(error)) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    async fn probe(&self, sink: &dyn Sink, backoff: &mut Backoff) -> Result<()> {
        match sink.probe().await {
            Ok(()) => {
                backoff.reset();
                self.recovered();
                Ok(())
            }
            Err(error) if verdict(&error) == Verdict::Retry => {
                self.failed(&error);
                Ok(())
            }
            Err(error) => {
                self.halt(&error);
                Err(error)
            }
        }
    }
}
