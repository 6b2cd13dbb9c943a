//! What a sink was handed and none of its lanes has begun. A lane that has nothing to do takes what has waited longest,
//! so a row waits for the first lane that is free and for no other; only what goes to an address that a lane has in its
//! hands waits for that lane, so writes to one address stay in order (rule 4). Nothing is sent here.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::port::Item;
use crate::sink::Address;

/// Addresses share a slot when their hashes do: then they share a lane too while both are under way, which costs a
/// little spread and no order.
const SLOTS: usize = 1 << 15;
/// A lane leaves no less than this to another one that is free.
const SHARE: usize = 256;
/// A slot holds the lane above this bit and the count of deliveries under way below it.
const LANE_SHIFT: u32 = 48;
const COUNT: u64 = (1 << LANE_SHIFT) - 1;

/// Shared by the lanes of one sink and the dispatcher.
pub(crate) struct Queue {
    state: Mutex<State>,
    slots: Arc<[AtomicU64]>,
    /// One per lane.
    work: Box<[Notify]>,
}

struct State {
    /// For any lane, in the order of arrival.
    open: VecDeque<Item>,
    /// Per lane: to addresses that it has in its hands.
    bound: Box<[VecDeque<Item>]>,
    /// Lanes that wait. The last to come is the first to go: its connection is the one just used.
    idle: Vec<usize>,
    /// Lanes that were woken and have not come yet.
    woken: Vec<usize>,
    /// Lanes from this one on take nothing new: they end what they have in their hands, and what is bound to them.
    width: usize,
    /// Nothing more comes.
    closed: bool,
    /// Nothing more is wanted.
    halted: bool,
}

/// What fits one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub items: usize,
    pub bytes: usize,
}

/// Held by a delivery from the choice of its lane to its end, whatever the end is.
#[derive(Debug)]
pub(crate) struct Place {
    slots: Arc<[AtomicU64]>,
    slot: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.slots[self.slot].fetch_sub(1, Ordering::Release);
    }
}

impl Queue {
    /// For so many lanes, at least one.
    pub fn new(lanes: usize) -> Arc<Queue> {
        let lanes = lanes.max(1);
        // One lane needs no bookkeeping: everything is in its hands.
        let slots = if lanes > 1 { SLOTS } else { 0 };
        let state = State {
            open: VecDeque::new(),
            bound: (0..lanes).map(|_| VecDeque::new()).collect(),
            idle: Vec::with_capacity(lanes),
            woken: Vec::with_capacity(lanes),
            width: lanes,
            closed: false,
            halted: false,
        };
        Arc::new(Queue {
            state: Mutex::new(state),
            slots: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            work: (0..lanes).map(|_| Notify::new()).collect(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over deliveries, in order. What comes after a halt is dropped.
    pub fn push(&self, items: &mut Vec<Item>) {
        let mut state = self.state();
        match state.halted {
            true => items.clear(),
            false => state.open.extend(items.drain(..)),
        }
        self.wake_one(&mut state);
    }

    /// Nothing more comes: lanes end when they have done what waits.
    pub fn close(&self) {
        self.state().closed = true;
        self.wake_all();
    }

    /// The sink has halted: what waits is dropped, so that its memory is free for the others, and the lanes end. Nothing
    /// is lost, since the sink's checkpoint does not move.
    pub fn halt(&self) {
        let mut state = self.state();
        state.halted = true;
        let open = std::mem::take(&mut state.open);
        let bound: Vec<_> = state.bound.iter_mut().map(std::mem::take).collect();
        drop(state);
        // Dropped outside the lock: it may be much.
        drop((open, bound));
        self.wake_all();
    }

    /// So many lanes take what is new from here on, at least one.
    pub fn set_width(&self, width: usize) {
        let mut state = self.state();
        state.width = width.max(1);
        // A lane that leaves something wakes the next.
        self.wake_one(&mut state);
    }

    /// Adds to what a lane has pending, up to what fits; waits if that is nothing. False: there is nothing and nothing
    /// more comes.
    pub async fn fill(&self, lane: usize, pending: &mut Vec<Item>, room: Room) -> bool {
        loop {
            {
                let mut state = self.state();
                state.idle.retain(|idle| *idle != lane);
                state.woken.retain(|woken| *woken != lane);
                self.take(&mut state, lane, pending, room);
                if !state.open.is_empty() {
                    self.wake_one(&mut state);
                }
                if !pending.is_empty() {
                    return true;
                }
                if state.closed || state.halted {
                    return false;
                }
                state.idle.push(lane);
            }
            self.work[lane].notified().await;
        }
    }

    fn take(&self, state: &mut State, lane: usize, pending: &mut Vec<Item>, room: Room) {
        let mut bytes: usize = pending.iter().map(Item::size).sum();
        let width = state.width;
        let waiting = state.idle.iter().chain(&state.woken).filter(|lane| **lane < width).count();
        let free = 1 + waiting;
        let share = (state.open.len() / free).max(SHARE).min(room.items);
        while pending.len() < room.items && bytes < room.bytes {
            let Some(item) = state.bound[lane].pop_front() else { break };
            bytes += item.size();
            pending.push(item);
        }
        while lane < width && pending.len() < share && bytes < room.bytes {
            let Some(mut item) = state.open.pop_front() else { break };
            let (to, place) = self.place(&item.delivery.address, lane);
            item.place = place;
            if to == lane {
                bytes += item.size();
                pending.push(item);
            } else {
                // Whoever holds the address is at work and looks here before it rests.
                state.bound[to].push_back(item);
            }
        }
    }

    /// The lane that has the address in its hands, else this one, and what keeps the address there.
    fn place(&self, address: &Address, lane: usize) -> (usize, Option<Place>) {
        if self.slots.is_empty() {
            return (lane, None);
        }
        let slot = slot_of(address);
        let one_more = |held: u64| (held & COUNT > 0).then_some(held + 1);
        // Acquire: what ended before the count fell to zero has ended for the lane that comes next, too.
        let to = match self.slots[slot].fetch_update(Ordering::Acquire, Ordering::Acquire, one_more) {
            Ok(held) => (held >> LANE_SHIFT) as usize,
            Err(_) => {
                // Nobody else fills an empty slot: the state is locked.
                self.slots[slot].store((lane as u64) << LANE_SHIFT | 1, Ordering::Relaxed);
                lane
            }
        };
        (to, Some(Place { slots: Arc::clone(&self.slots), slot }))
    }

    /// A lane that leaves something wakes the next, so one is enough here.
    fn wake_one(&self, state: &mut State) {
        if let Some(last) = state.idle.iter().rposition(|lane| *lane < state.width) {
            let lane = state.idle.remove(last);
            state.woken.push(lane);
            self.work[lane].notify_one();
        }
    }

    fn wake_all(&self) {
        self.work.iter().for_each(Notify::notify_one);
    }
}

fn slot_of(address: &Address) -> usize {
    let target = xxh3_64_with_seed(address.target.as_bytes(), 0);
    (xxh3_64_with_seed(address.id.as_bytes(), target) % SLOTS as u64) as usize
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
