//! Forgets changes that every pipeline of the file has acknowledged, once they are old enough. Rarely and in short transactions: each of them holds
//! the file's write lock, and not every program waits for it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior, params};
use syncline_engine::clock::now_millis;
use syncline_engine::error::Result;

use super::token::Token;
use super::{Shared, layout, recent};
use crate::sqlite::file;

/// Prunings are so far apart at least.
const APART: Duration = Duration::from_secs(1);
/// Changes forgotten in one transaction.
const STEP: i64 = 5000;
/// A pipeline that was not seen for so long holds nothing any more: it finds a gap, and says so, when it comes back.
const FORGOTTEN_MILLIS: i64 = 7 * 24 * 3600 * 1000;

/// What is acknowledged, and when there was last pruned.
pub struct Pruner {
    state: Mutex<State>,
    /// How long changes stay after they were taken, in milliseconds.
    kept: AtomicI64,
}

impl Default for Pruner {
    fn default() -> Pruner {
        Pruner { state: Mutex::default(), kept: AtomicI64::new(recent::KEPT_MILLIS) }
    }
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    done: i64,
    at: Option<Instant>,
}

impl Pruner {
    /// From now on changes stay for so long after they were taken.
    #[cfg(test)]
    pub fn keep_for(&self, millis: i64) {
        self.kept.store(millis, Ordering::Relaxed);
    }

    /// Notes an acknowledgement; answers whether it is time to prune.
    pub fn acknowledged(&self, token: Token) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.token = Some(token);
        state.due()
    }

    /// Whether something is left to do and the last time is long enough ago.
    pub fn due(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).due()
    }

    /// Prunes up to the acknowledged change, or as far as the other pipelines let it. A busy file is left for next time.
    pub fn run(&self, shared: &Shared, consumer: &str) -> Result<()> {
        let token = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.at = Some(Instant::now());
            state.token.clone()
        };
        let Some(token) = token else { return Ok(()) };
        match prune(shared, consumer, &token, self.kept.load(Ordering::Relaxed)) {
            Ok(()) => {}
            Err(error) if file::is_busy(&error) => return Ok(()),
            Err(error) => return Err(shared.failed(&error)),
        }
        self.state.lock().unwrap_or_else(PoisonError::into_inner).done = token.id;
        Ok(())
    }
}

impl State {
    fn due(&self) -> bool {
        self.token.as_ref().is_some_and(|token| token.id > self.done)
            && self.at.is_none_or(|at| at.elapsed() >= APART)
    }
}

fn prune(shared: &Shared, consumer: &str, token: &Token, kept: i64) -> rusqlite::Result<()> {
    let mut c = file::open(&shared.path, Duration::from_millis(500))?;
    let wal: String = c.pragma_query_value(None, "journal_mode", |r| r.get(0))?;
    if wal.eq_ignore_ascii_case("wal") {
        // What a power cut undoes here is simply pruned again.
        c.pragma_update(None, "synchronous", "NORMAL")?;
    }
    while step(&mut c, consumer, token, kept)? {}
    Ok(())
}

/// One transaction; whether more is left.
fn step(c: &mut Connection, consumer: &str, token: &Token, kept: i64) -> rusqlite::Result<bool> {
    let t = c.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !layout::exists(&t)? || layout::identity(&t)? != *token.identity {
        return Ok(false);
    }
    let now = now_millis();
    let sql = "INSERT INTO _syncline_consumers (name, acknowledged, seen) VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET acknowledged = excluded.acknowledged, seen = excluded.seen";
    t.prepare_cached(sql)?.execute(params![consumer, token.id, now])?;
    t.prepare_cached("DELETE FROM _syncline_consumers WHERE seen < ?1")?.execute([now - FORGOTTEN_MILLIS])?;
    let sql = "SELECT min(acknowledged) FROM _syncline_consumers";
    let lowest: i64 = t.prepare_cached(sql)?.query_row([], |r| r.get(0))?;
    // The last acknowledged change stays: by it a stream that starts there knows that the history is the same.
    let pruned = layout::pruned(&t)?;
    let upto = (lowest - 1).min(pruned + STEP);
    // What is young stays, for whoever asks what changed of late.
    let young = "SELECT min(id) FROM _syncline_changes WHERE id > ?1 AND id <= ?2 AND at > ?3";
    let young: Option<i64> = t.prepare_cached(young)?.query_row([pruned, upto, now - kept], |r| r.get(0))?;
    let upto = young.map_or(upto, |id| id - 1);
    if upto > pruned {
        t.prepare_cached("DELETE FROM _syncline_changes WHERE id <= ?1")?.execute([upto])?;
        t.prepare_cached("UPDATE _syncline_meta SET value = ?1 WHERE name = 'pruned'")?.execute([upto])?;
    }
    t.commit()?;
    Ok(young.is_none() && upto < lowest - 1)
}

/// Makes a pipeline's first position known, so that nothing above it is pruned. Inside a write transaction.
pub fn register(c: &Connection, consumer: &str, token: &Token) -> rusqlite::Result<()> {
    let sql = "INSERT INTO _syncline_consumers (name, acknowledged, seen) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    c.prepare_cached(sql)?.execute(params![consumer, token.id, now_millis()]).map(drop)
}
