//! `discard`: hashes every byte that `stdout` would write, in the same order, and keeps none. For benchmarks: that the
//! two hashes are equal proves that the lines were really made.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use syncline_engine::error::{Error, Result};
use syncline_engine::route::{Scope, TargetPlan};
use syncline_engine::schema::TableSchema;
use syncline_engine::sink::{Address, Delivery, Feeding, Held, Look, Outcome, Sink};
use syncline_engine::version::Version;
use tokio::sync::mpsc;
use xxhash_rust::xxh3::Xxh3;

use super::{FEEDING, line};

/// The target `discard: true`.
#[derive(Default)]
pub struct DiscardSink {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hash: Xxh3,
    lines: u64,
    bytes: u64,
}

/// What went by so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Change lines.
    pub lines: u64,
    /// Their bytes, a line feed each included.
    pub bytes: u64,
    /// XXH3-128 of these bytes, as `xxh128sum` prints it for the output of `stdout`.
    pub xxh3: u128,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "discard: {} lines, {} bytes, xxh3-128 {:032x}", self.lines, self.bytes, self.xxh3)
    }
}

impl DiscardSink {
    /// What went by so far.
    pub fn digest(&self) -> Digest {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Digest { lines: state.lines, bytes: state.bytes, xxh3: state.hash.digest128() }
    }
}

#[async_trait]
impl Sink for DiscardSink {
    fn feeding(&self) -> Feeding {
        FEEDING
    }

    async fn prepare(&self, _plan: &Arc<TargetPlan>, _schema: &TableSchema) -> Result<()> {
        Ok(())
    }

    async fn apply(&self, deliveries: &[Delivery]) -> Result<Vec<Outcome>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for delivery in deliveries {
            let line = line(delivery)?;
            state.hash.update(line);
            state.hash.update(b"\n");
            state.lines += 1;
            state.bytes += line.len() as u64 + 1;
        }
        Ok(vec![Outcome::Applied; deliveries.len()])
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    async fn check(&self) -> Result<Vec<Error>> {
        Ok(Vec::new())
    }

    /// Says the digest on stderr, where people and benchmarks read it.
    async fn close(&self) -> Result<()> {
        // Nothing depends on these words, and there is nowhere left to complain to.
        let _ = writeln!(std::io::stderr().lock(), "{}", self.digest());
        Ok(())
    }

    /// Nothing is held.
    async fn scan(&self, _scope: &Scope, _look: Look, _pages: &mpsc::Sender<Vec<Held>>) -> Result<()> {
        Ok(())
    }

    async fn displace(&self, _plan: &TargetPlan, held: &[Held]) -> Result<Vec<bool>> {
        Ok(vec![false; held.len()])
    }

    async fn tombstones(&self, _plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Version>>> {
        Ok(vec![None; addresses.len()])
    }

    async fn read(&self, _plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Held>>> {
        Ok(vec![None; addresses.len()])
    }
}
