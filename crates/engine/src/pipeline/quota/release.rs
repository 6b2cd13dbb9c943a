//! Letting go what a gate holds, as tokens come and rows end. A tenant's rows go in the order in which they came; tenants take
//! turns.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::gate::{Gate, State, changed};
use super::share::Share;
use crate::error::Result;
use crate::pipeline::Port;
use crate::pipeline::port::Item;
use crate::pipeline::queue::Queue;

/// Tokens gather for so long: rows that go together cost the target less.
const TICK: Duration = Duration::from_millis(5);
/// The longest sleep while something is held.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes that were held and are on the way to one sink at once: they have no share of the memory budget any more.
const BYTES: usize = 8 << 20;

/// When there is something to do again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// When something is held.
    Woken,
    /// After so long, or when a row ends that is waited for.
    After(Duration),
    Closed,
}

/// Runs until the gate is closed, or what it holds cannot be read back.
pub(crate) async fn run(gate: Arc<Gate>, port: Arc<Port>, queue: Arc<Queue>) {
    loop {
        if port.health.halted() {
            return gate.close();
        }
        let (let_go, next) = match gate.release(&queue, Instant::now()) {
            Ok(done) => done,
            Err(error) => {
                // What was held is lost here, and not in the source: the checkpoint has not moved past it.
                port.health.halt(&error);
                port.shared.tracker.abandon(port.index);
                queue.halt();
                return gate.close();
            }
        };
        port.health.queued.fetch_add(let_go, Ordering::Relaxed);
        match next {
            Next::Closed => return,
            Next::Woken => gate.way.wake.notified().await,
            Next::After(wait) => {
                let wait = wait.clamp(TICK, LOOK);
                // Woken early or not, it looks again; a halt of the sink wakes nobody.
                drop(tokio::time::timeout(wait, gate.way.wake.notified()).await);
            }
        }
    }
}

/// Why a tenant's turn ends.
enum Turn {
    /// It has nothing more.
    Done,
    /// Its next row waits for a token, so long at least.
    Token(Duration),
    /// Its next row waits for one on the way to end.
    Way,
}

impl Gate {
    /// Lets go what may go now; answers how many that was.
    pub(super) fn release(&self, queue: &Queue, now: Instant) -> Result<(u64, Next)> {
        let mut state = self.state();
        if state.closed {
            return Ok((0, Next::Closed));
        }
        // Before the rows on the way are looked at: one that ends meanwhile is seen here, or wakes.
        self.way.awaited.store(!state.holding.is_empty(), Ordering::SeqCst);
        let (mut next, mut awaited, mut going) = (Next::Woken, false, Vec::new());
        for _ in 0..state.holding.len() {
            let Some(name) = state.holding.pop_front() else { break };
            let wait = match self.turn(&mut state, &name, now, &mut going)? {
                Turn::Done => continue,
                Turn::Token(wait) => wait,
                Turn::Way => {
                    awaited = true;
                    LOOK
                }
            };
            state.holding.push_back(name);
            next = match next {
                Next::After(other) => Next::After(wait.min(other)),
                Next::Woken | Next::Closed => Next::After(wait),
            };
        }
        if !awaited {
            self.way.awaited.store(false, Ordering::SeqCst);
        }
        let let_go = going.len() as u64;
        queue.push(&mut going);
        self.measure(&mut state);
        Ok((let_go, next))
    }

    /// One tenant's turn.
    fn turn(&self, state: &mut State, name: &Arc<str>, now: Instant, going: &mut Vec<Item>) -> Result<Turn> {
        let State { tenants, spill, moved, size, .. } = state;
        let Some(tenant) = tenants.get_mut(name) else { return Ok(Turn::Done) };
        let before = tenant.hold.size();
        let turn = loop {
            if tenant.hold.is_empty() {
                break Turn::Done;
            }
            let on_the_way = tenant.flight.rows.load(Ordering::SeqCst);
            if on_the_way >= tenant.limit.concurrency || self.way.bytes.load(Ordering::SeqCst) > BYTES {
                break Turn::Way;
            }
            if !tenant.bucket.take(&tenant.limit, now) {
                break Turn::Token(tenant.bucket.wait(&tenant.limit));
            }
            let Some(waited) = tenant.hold.pop(spill)? else { break Turn::Done };
            tenant.rows -= 1;
            if waited.follows
                && let Some(address) = moved.get_mut(&waited.delivery.address)
            {
                address.waiting -= 1;
                if address.waiting == 0 {
                    moved.remove(&waited.delivery.address);
                }
            }
            let share = Some(Share::new(&tenant.flight, &self.way, waited.bytes));
            going.push(Item { share, ..Item::new(waited.delivery, waited.ticket, None) });
        };
        changed(size, before, tenant.hold.size());
        Ok(turn)
    }
}
