//! Where the dead letters of one sink lie, in memory, so that a write can tell at once which letter it makes obsolete.
//! What becomes of a letter in the ledger, and in the counts, is decided there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sink::{Address, Held};
use crate::version::Version;

/// Id and version of the newest letter at each address.
#[derive(Default)]
pub(crate) struct ParkedLetters {
    by_address: Mutex<HashMap<Address, (i64, Version)>>,
    /// So that nothing is locked while there are none.
    count: AtomicUsize,
}

impl ParkedLetters {
    fn lock(&self) -> MutexGuard<'_, HashMap<Address, (i64, Version)>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Remembers that a letter lies at the address.
    pub fn add(&self, address: Address, id: i64, version: Version) {
        let mut letters = self.lock();
        letters.insert(address, (id, version));
        self.count.store(letters.len(), Ordering::Release);
    }

    /// The letter that the end of a delivery at `version` makes obsolete, if one lies there. It is forgotten here.
    /// A delivery that was not `written` gave way to another one: of two copies of one change, of which a stream that
    /// starts over makes any number, that is the one whose letter this is.
    pub fn overtake(&self, address: &Address, version: Version, written: bool) -> Option<i64> {
        if self.is_empty() {
            return None;
        }
        let mut letters = self.lock();
        let (id, at) = *letters.get(address)?;
        if at > version || at == version && !written {
            return None;
        }
        letters.remove(address);
        self.count.store(letters.len(), Ordering::Release);
        Some(id)
    }

    /// Whether this letter lies at the address still: it may have been overtaken since it was looked up.
    pub fn holds(&self, address: &Address, id: i64) -> bool {
        !self.is_empty() && self.lock().get(address).is_some_and(|(known, _)| *known == id)
    }

    /// Whether a letter of this version or above lies at the address.
    pub fn lies_since(&self, address: &Address, since: Version) -> bool {
        !self.is_empty() && self.lock().get(address).is_some_and(|(_, version)| *version >= since)
    }

    /// Where letters below a version lie.
    pub fn below(&self, below: Version) -> Vec<Held> {
        let letters = self.lock();
        let old = letters.iter().filter(|(_, (_, version))| *version < below);
        old.map(|(address, (_, version))| Held {
            address: address.clone(),
            version: *version,
            document: None,
        })
        .collect()
    }

    /// Forgets a letter that is no more, unless another one lies there by now.
    pub fn forget(&self, address: &Address, id: i64) {
        let mut letters = self.lock();
        if letters.get(address).is_some_and(|(known, _)| *known == id) {
            letters.remove(address);
        }
        self.count.store(letters.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64) -> Version {
        Version::from_number(0, number)
    }

    #[test]
    fn a_letter_is_overtaken_by_its_own_change_only_if_that_was_written() {
        let letters = ParkedLetters::default();
        let address = Address { target: "items".into(), id: "7".into() };
        let overtake = |number, written| letters.overtake(&address, version(number), written);
        letters.add(address.clone(), 1, version(5));
        assert_eq!([overtake(4, true), overtake(4, false), overtake(5, false)], [None; 3]);
        assert_eq!([overtake(5, true), overtake(5, true)], [Some(1), None]);
        letters.add(address.clone(), 2, version(6));
        assert_eq!(overtake(7, false), Some(2), "something newer is there or on its way");
    }

    #[test]
    fn letters_are_found_by_version_and_forgotten_by_id() {
        let letters = ParkedLetters::default();
        let address = Address { target: "items".into(), id: "7".into() };
        letters.add(address.clone(), 1, version(5));
        assert_eq!([4, 5, 6].map(|since| letters.lies_since(&address, version(since))), [true, true, false]);
        assert_eq!([5, 6].map(|below| letters.below(version(below)).len()), [0, 1]);
        assert!(letters.holds(&address, 1) && !letters.holds(&address, 2));
        letters.forget(&address, 2);
        assert!(letters.lies_since(&address, version(5)));
        letters.forget(&address, 1);
        assert!(!letters.lies_since(&address, version(5)));
    }
}
