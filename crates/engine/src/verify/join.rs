//! Holds the two sides of a bucket against each other: what matches is done with, what does not is a suspect. Nothing is judged
//! here: the sides were read at different times.

use std::collections::HashMap;

use bytes::Bytes;

use super::buckets::{Record, address_of, records};
use crate::sink::Address;

/// In [`Record::number`] of the source's side: the route refuses the row.
pub(super) const REFUSED: u64 = 1;
/// In [`Record::number`] of the target's side: it counts only if a row stands behind it.
pub(super) const FOREIGN: u64 = 1;

/// An address whose two sides do not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspect {
    /// Hash of its address.
    pub hash: u128,
    /// The address, if the target holds anything there.
    pub address: Option<Address>,
    /// Packed keys of rows that may stand behind it.
    pub keys: Vec<Bytes>,
}

/// What became of one bucket.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Joined {
    /// Addresses on either side.
    pub compared: u64,
    pub suspects: Vec<Suspect>,
}

/// `source`, `target` and `touched` are the same bucket of each.
pub(super) fn join(source: &[u8], target: &[u8], touched: &[u8]) -> Joined {
    let touched: HashMap<u128, &[u8]> = records(touched).map(|note| (note.address, note.bytes)).collect();
    let (source, target) = (sorted(source), sorted(target));
    let (mut rows, mut documents) = (&source[..], &target[..]);
    let mut joined = Joined::default();
    while let Some(hash) = lower(rows.first(), documents.first()) {
        let (here, there) = (split(&mut rows, hash), split(&mut documents, hash));
        let foreign = here.is_empty() && there.iter().all(|document| document.number == FOREIGN);
        if foreign || here.iter().any(|row| row.number == REFUSED) {
            continue;
        }
        joined.compared += 1;
        let same = |row: &Record<'_>| there.iter().any(|document| document.digest == row.digest);
        if !here.is_empty() && here.iter().any(same) {
            continue;
        }
        let known = here.iter().map(|row| row.bytes).chain(touched.get(&hash).copied());
        let mut keys: Vec<Bytes> = known.filter(|key| !key.is_empty()).map(Bytes::copy_from_slice).collect();
        keys.sort_unstable();
        keys.dedup();
        let address = there.last().and_then(|document| address_of(document.bytes));
        joined.suspects.push(Suspect { hash, address, keys });
    }
    joined
}

fn sorted(bucket: &[u8]) -> Vec<Record<'_>> {
    let all: Vec<Record<'_>> = records(bucket).collect();
    // What is moved about is small; of one address the records keep their order.
    let mut order: Vec<(u128, usize)> = all.iter().enumerate().map(|(n, one)| (one.address, n)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, n)| all[n]).collect()
}

fn lower(a: Option<&Record<'_>>, b: Option<&Record<'_>>) -> Option<u128> {
    a.into_iter().chain(b).map(|record| record.address).min()
}

/// Takes the records of an address off the front.
fn split<'s, 'r>(side: &mut &'s [Record<'r>], hash: u128) -> &'s [Record<'r>] {
    let (these, rest) = side.split_at(side.iter().take_while(|record| record.address == hash).count());
    *side = rest;
    these
}

#[cfg(test)]
mod tests {
    use super::super::buckets::{Buckets, address_bytes, hash_of};
    use super::*;

    fn address(id: &str) -> Address {
        Address { target: "t".into(), id: id.into() }
    }

    /// One bucket with a record for each `(id, digest, number, bytes)`.
    fn bucket(records: &[(&str, u64, u64, &[u8])]) -> Vec<u8> {
        let mut all = Vec::new();
        for (id, digest, number, bytes) in records {
            let mut one = Buckets::new(std::path::Path::new("/nowhere"), "x");
            let address = hash_of("t", id);
            one.push(&Record { address, digest: *digest, number: *number, bytes }).unwrap();
            all.extend((0..super::super::buckets::BUCKETS).flat_map(|n| one.take(n).unwrap()));
        }
        all
    }

    fn held(id: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        address_bytes(&address(id), &mut bytes);
        bytes
    }

    #[test]
    fn tells_what_matches_from_what_does_not() {
        let (a, b, c, d) = (held("same"), held("different"), held("extra"), held("refused"));
        let source = bucket(&[
            ("same", 1, 0, b"k1"),
            ("different", 2, 0, b"k2"),
            ("missing", 3, 0, b"k3"),
            ("refused", 0, REFUSED, b"k4"),
        ]);
        let target = bucket(&[
            ("extra", 9, 0, &c),
            ("another tenant's", 9, FOREIGN, &c),
            ("same", 1, 0, &a),
            ("different", 5, FOREIGN, &b),
            ("refused", 7, 0, &d),
        ]);
        let touched = bucket(&[("extra", 0, 0, b"old"), ("extra", 0, 0, b"k9"), ("different", 0, 0, b"k2")]);
        let mut joined = join(&source, &target, &touched);
        joined.suspects.sort_by_key(|suspect| suspect.keys.clone());
        assert_eq!(joined.compared, 4);
        let suspect = |id: &str, there: bool, key: &'static [u8]| Suspect {
            hash: hash_of("t", id),
            address: there.then(|| address(id)),
            keys: vec![Bytes::from_static(key)],
        };
        assert_eq!(
            joined.suspects,
            [
                suspect("different", true, b"k2"),
                suspect("missing", false, b"k3"),
                suspect("extra", true, b"k9")
            ]
        );
    }

    #[test]
    fn one_of_several_readings_that_matches_is_enough() {
        let a = held("a");
        let source = bucket(&[("a", 1, 0, b"k"), ("a", 2, 0, b"k")]);
        assert!(join(&source, &bucket(&[("a", 7, 0, &a), ("a", 2, 0, &a)]), &[]).suspects.is_empty());
        assert_eq!(join(&source, &bucket(&[("a", 7, 0, &a)]), &[]).suspects.len(), 1);
        assert_eq!(join(&[], &[], &[]), Joined::default());
    }
}
