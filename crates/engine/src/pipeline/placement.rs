//! Which lane a delivery takes: the one in which its address is under way already, else the one with the least to do.
//! So writes to one address stay in order (rule 4), a lonely row never waits behind a busy lane, and a small transaction
//! is one request instead of one per lane. Nothing is queued or sent here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::sink::Address;

/// Addresses share a slot when their hashes do: then they share a lane too while both are under way, which costs a
/// little spread and no order.
const SLOTS: usize = 1 << 15;
/// So many deliveries follow each other into one lane before the least busy one is looked for again.
const RUN: usize = 256;
/// A slot holds the lane above this bit and the count of deliveries under way below it.
const LANE_SHIFT: u32 = 48;
const COUNT: u64 = (1 << LANE_SHIFT) - 1;

/// Shared by the lanes of one sink.
#[derive(Debug)]
pub(crate) struct Placement {
    slots: Box<[AtomicU64]>,
    /// Deliveries under way per lane.
    loads: Box<[AtomicUsize]>,
}

/// Held by a delivery from its lane's choice to its end, whatever the end is.
#[derive(Debug)]
pub(crate) struct Place {
    placement: Arc<Placement>,
    slot: u32,
    lane: u32,
}

/// Places deliveries; there is one per sink, for only one task may choose.
#[derive(Debug)]
pub(crate) struct Placer {
    placement: Arc<Placement>,
    lane: u32,
    /// How many more follow into `lane`.
    left: usize,
}

impl Placer {
    /// For so many lanes, at least one.
    pub fn new(lanes: usize) -> Placer {
        let placement = Placement {
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            loads: (0..lanes.max(1)).map(|_| AtomicUsize::new(0)).collect(),
        };
        Placer { placement: Arc::new(placement), lane: 0, left: 0 }
    }

    /// What was placed so far was handed to the lanes: the next one goes to the least busy of them.
    pub fn handed_out(&mut self) {
        self.left = 0;
    }

    /// The lane for one more delivery to this address, and what keeps the address there; `None` where there is only one
    /// lane.
    pub fn place(&mut self, address: &Address) -> (usize, Option<Place>) {
        if self.placement.loads.len() == 1 {
            return (0, None);
        }
        let slot = slot_of(address);
        let lane = match self.placement.join(slot) {
            Some(lane) => lane,
            None => {
                let lane = self.free_lane();
                // Nobody else fills an empty slot.
                self.placement.slots[slot].store(u64::from(lane) << LANE_SHIFT | 1, Ordering::Relaxed);
                lane
            }
        };
        self.placement.loads[lane as usize].fetch_add(1, Ordering::Relaxed);
        (lane as usize, Some(Place { placement: Arc::clone(&self.placement), slot: slot as u32, lane }))
    }

    fn free_lane(&mut self) -> u32 {
        if self.left == 0 {
            let loads = self.placement.loads.iter().map(|load| load.load(Ordering::Relaxed));
            self.lane = loads.enumerate().min_by_key(|(_, load)| *load).map_or(0, |(lane, _)| lane as u32);
            self.left = RUN;
        }
        self.left -= 1;
        self.lane
    }
}

impl Placement {
    /// One more where others are under way; `None` if none is.
    fn join(&self, slot: usize) -> Option<u32> {
        let one_more = |held: u64| (held & COUNT > 0).then_some(held + 1);
        // Acquire: what ended before the count fell to zero has ended for the lane that comes next, too.
        let held = self.slots[slot].fetch_update(Ordering::Acquire, Ordering::Acquire, one_more).ok()?;
        Some((held >> LANE_SHIFT) as u32)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.placement.slots[self.slot as usize].fetch_sub(1, Ordering::Release);
        self.placement.loads[self.lane as usize].fetch_sub(1, Ordering::Relaxed);
    }
}

fn slot_of(address: &Address) -> usize {
    let target = xxh3_64_with_seed(address.target.as_bytes(), 0);
    (xxh3_64_with_seed(address.id.as_bytes(), target) % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(id: &str) -> Address {
        Address { target: "items".into(), id: id.into() }
    }

    #[test]
    fn an_address_stays_in_its_lane_until_its_last_delivery_ends() {
        let mut placer = Placer::new(3);
        let (lane, first) = placer.place(&address("a"));
        placer.handed_out();
        let (other, _busy) = placer.place(&address("b"));
        assert_ne!(lane, other, "the least busy lane is another one");
        placer.handed_out();
        let (again, second) = placer.place(&address("a"));
        assert_eq!(lane, again);
        drop(first);
        placer.handed_out();
        let (still, third) = placer.place(&address("a"));
        assert_eq!(lane, still, "one delivery is still under way");
        drop((second, third));
        let keep: Vec<_> = (0..3).map(|n| placer.place(&address(&format!("{lane} is busy: {n}")))).collect();
        assert!(placer.placement.slots[slot_of(&address("a"))].load(Ordering::Relaxed) & COUNT == 0);
        drop(keep);
        assert!(placer.placement.loads.iter().map(|load| load.load(Ordering::Relaxed)).sum::<usize>() == 1);
    }

    #[test]
    fn what_comes_together_goes_together_and_a_flood_is_spread() {
        let mut placer = Placer::new(4);
        let few: Vec<_> = (0..20).map(|n| placer.place(&address(&n.to_string()))).collect();
        assert!(few.iter().all(|(lane, _)| *lane == few[0].0));
        drop(few);
        placer.handed_out();
        let many: Vec<_> = (0..4 * RUN).map(|n| placer.place(&address(&n.to_string()))).collect();
        for lane in 0..4 {
            let share = many.iter().filter(|(at, _)| *at == lane).count();
            assert!(share > RUN / 2, "lane {lane} got {share} of {}", many.len());
        }
    }

    #[test]
    fn one_lane_needs_no_bookkeeping() {
        assert!(Placer::new(1).place(&address("a")).1.is_none());
    }
}
