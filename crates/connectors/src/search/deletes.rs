//! Deletes of late: the servers forget a delete after `index.gc_deletes` and when they restart, and would then take an
//! older write. This remembers them for as long as the process runs, within a bound.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use syncline_engine::sink::Address;
use syncline_engine::version::Version;
use xxhash_rust::xxh3::Xxh3;

/// Deletes in one generation; there are two. About 40 bytes each.
const GENERATION: usize = 250_000;

/// Remembers the newest deletes of a sink: between one and two generations of them.
pub(super) struct Deletes {
    any: AtomicBool,
    generation: usize,
    kept: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<u128, Version>,
    old: HashMap<u128, Version>,
}

impl Default for Deletes {
    fn default() -> Deletes {
        Deletes::with_generation(GENERATION)
    }
}

impl Deletes {
    pub(super) fn with_generation(generation: usize) -> Deletes {
        Deletes { any: AtomicBool::new(false), generation, kept: Mutex::default() }
    }

    /// The target has deleted what is at the address.
    pub(super) fn remember(&self, address: &Address, version: Version) {
        self.any.store(true, Ordering::Release);
        let key = key(address);
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = kept.old.get(&key).copied().unwrap_or(Version::ZERO);
        let newest = kept.young.entry(key).or_insert(known);
        *newest = version.max(*newest);
        if kept.young.len() >= self.generation {
            kept.old = std::mem::take(&mut kept.young);
        }
    }

    /// Whether the address was deleted by something newer than `version`.
    pub(super) fn newer(&self, address: &Address, version: Version) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let key = key(address);
        let kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.young.get(&key).or_else(|| kept.old.get(&key)).is_some_and(|deleted| *deleted > version)
    }
}

/// 128 bits: two addresses that share them are not to be expected in the life of the universe.
fn key(address: &Address) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&(address.target.len() as u64).to_le_bytes());
    hash.update(address.target.as_bytes());
    hash.update(address.id.as_bytes());
    hash.digest128()
}
