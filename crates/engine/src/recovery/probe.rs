//! Probes: every few seconds the source, each target and the lag are looked at, on connections of their own. What a probe finds is told,
//! and whoever waits for a peer that answers again is woken. No probe halts or delays anything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::policy::Cause;
use crate::clock::now_millis;
use crate::error::{Code, Error, Result};
use crate::pipeline::{Port, Shared, Wait, lag};

/// A peer that has not answered after this, or after the time between two probes if that is longer, is taken for gone.
const PATIENCE: Duration = Duration::from_secs(5);
/// A lag above this is told, unless the file says when to widen.
const BEHIND: Duration = Duration::from_secs(30);
/// What the audit calls the end of a wait.
const WAKE: &str = "wake";

/// What the last probe of one thing found.
#[derive(Clone, Debug)]
pub struct ProbeStatus {
    /// `source`, `lag`, or `target/` and the connection's name.
    pub of: String,
    pub ok: bool,
    /// Since when that is so, milliseconds since 1970.
    pub since: i64,
    /// How long the answer took; of the lag: how far behind the pipeline is.
    pub latency_seconds: f64,
    /// Why it is not; the lag needs no reason.
    pub error: Option<Error>,
}

/// What was found last.
#[derive(Default)]
pub(crate) struct Probes(Mutex<BTreeMap<String, ProbeStatus>>);

impl Probes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, ProbeStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, by name.
    pub fn look(&self) -> Vec<ProbeStatus> {
        self.lock().values().cloned().collect()
    }

    /// Takes over what was found; answers whether that is well and was not before.
    fn set(&self, of: &str, latency: Duration, ok: bool, error: Option<Error>) -> bool {
        let mut all = self.lock();
        let before = all.get(of).map(|status| (status.ok, status.since));
        let since = before.filter(|(was, _)| *was == ok).map_or_else(now_millis, |(_, since)| since);
        if let (Some(error), true) = (&error, before.is_none_or(|(was, _)| was)) {
            tracing::warn!("probe of {of}: {error}");
        }
        let latency_seconds = latency.as_secs_f64();
        all.insert(of.to_owned(), ProbeStatus { of: of.to_owned(), ok, since, latency_seconds, error });
        ok && before.is_some_and(|(was, _)| !was)
    }
}

/// Probes until it is dropped. Each thing for itself: one that hangs keeps no other waiting.
pub(super) async fn run(shared: &Arc<Shared>) {
    let apart = shared.spec.recovery.probe;
    if apart.is_zero() {
        return std::future::pending().await;
    }
    let ports = shared.ports();
    let targets = join_all(ports.iter().map(|port| target(shared, port, apart)));
    tokio::join!(source(shared, apart), lag_of(shared, apart), targets);
}

/// A mark is the present position, asked for on a connection of its own.
async fn source(shared: &Arc<Shared>, apart: Duration) {
    loop {
        let began = Instant::now();
        let found = within(apart, "the source", async { shared.source.mark().await.map(drop) }).await;
        if shared.recovery.probes.set("source", began.elapsed(), found.is_ok(), found.err()) {
            end(shared, &shared.recovery.source_wait, "").await;
        }
        tokio::time::sleep(apart).await;
    }
}

async fn target(shared: &Arc<Shared>, port: &Arc<Port>, apart: Duration) {
    let of = format!("target/{}", port.name);
    loop {
        let began = Instant::now();
        let found = within(apart, &port.name, port.sink.ping()).await;
        if shared.recovery.probes.set(&of, began.elapsed(), found.is_ok(), found.err()) {
            end(shared, &port.health.wait, &port.name).await;
        }
        tokio::time::sleep(apart).await;
    }
}

/// Whoever waits to try the peer at this place again does so now.
async fn end(shared: &Shared, wait: &Wait, place: &str) {
    if wait.is_awaited()
        && let Err(error) = shared.recovery.tell(Cause::Unreachable.name(), place, WAKE, None).await
    {
        tracing::warn!(pipeline = shared.spec.name, "{error}: a step is not in the audit");
    }
    wait.end();
}

async fn lag_of(shared: &Arc<Shared>, apart: Duration) {
    let behind = shared.spec.recovery.widen.map_or(BEHIND, |widen| widen.behind);
    loop {
        let lag = Duration::try_from_secs_f64(lag(shared)).unwrap_or(Duration::MAX);
        shared.recovery.probes.set("lag", lag, lag <= behind, None);
        tokio::time::sleep(apart).await;
    }
}

/// A connection that hangs half open is an error, too.
async fn within(apart: Duration, of: &str, probe: impl Future<Output = Result<()>>) -> Result<()> {
    let patience = apart.max(PATIENCE);
    tokio::time::timeout(patience, probe).await.unwrap_or_else(|_| {
        let what = format!("{of} did not answer a probe within {patience:?}");
        Err(Error::new(Code::Interrupted, what))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> Error {
        Error::new(Code::Unreachable, "down")
    }

    #[test]
    fn only_a_peer_that_was_gone_is_back() {
        let probes = Probes::default();
        let set = |ok| probes.set("source", Duration::from_millis(5), ok, (!ok).then(down));
        let backs = [set(true), set(false), set(false), set(true), set(true)];
        assert_eq!(backs, [false, false, false, true, false]);
    }

    #[test]
    fn since_is_when_it_began_and_not_when_it_was_last_seen() {
        let probes = Probes::default();
        probes.set("source", Duration::ZERO, false, Some(down()));
        let first = probes.look()[0].since;
        std::thread::sleep(Duration::from_millis(5));
        probes.set("source", Duration::ZERO, false, Some(down()));
        let status = probes.look().remove(0);
        assert_eq!((status.ok, status.since), (false, first));
        assert_eq!(status.error.map(|error| error.code()), Some(Code::Unreachable));
        probes.set("source", Duration::ZERO, true, None);
        assert!(probes.look()[0].since > first && probes.look()[0].error.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_answers_is_seen() {
        let never = std::future::pending::<Result<()>>();
        let error = within(Duration::from_secs(1), "hot", never).await.unwrap_err();
        assert_eq!(error.code(), Code::Interrupted);
    }
}
