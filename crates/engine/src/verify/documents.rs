//! What a target holds of a table, gathered for the join: one document an address. An archive tells lines instead, of which the
//! newest of each key counts; the others are left out here.

use std::collections::HashMap;

use super::buckets::{Buckets, Record, address_bytes, hash, records};
use super::document::digest;
use super::join::FOREIGN;
use super::portion::Owned;
use crate::error::Result;
use crate::route::{Scope, TargetPlan};
use crate::sink::Held;
use crate::version::Version;

/// First byte of a line's record: a document stands in it.
const THERE: u8 = 1;
/// And it counts only if a row stands behind it.
const ANOTHERS: u8 = 2;

/// Documents, or lines, by the hash of their address.
pub(super) struct Documents {
    buckets: Buckets,
    lines: bool,
    /// Up to this version all lines of the table are void.
    emptied: Option<Version>,
}

impl Documents {
    pub fn new(plan: &TargetPlan, buckets: Buckets) -> Documents {
        Documents { buckets, lines: plan.spec.kind.keeps_lines(), emptied: None }
    }

    /// Keeps what a scan tells. `owned`: those of a portion. `bytes`: a buffer.
    pub fn keep(
        &mut self,
        one: &Held,
        scope: &Scope,
        owned: Option<&Owned>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        if self.lines && one.address.id.is_empty() {
            self.emptied = self.emptied.max(Some(one.version));
            return Ok(());
        }
        if !scope.holds(&one.address) {
            return Ok(());
        }
        let foreign = owned.is_some_and(|owned| !owned.owns(one));
        let address = hash(&scope.plan, &one.address);
        let digest = one.document.as_deref().map_or(0, digest);
        address_bytes(&one.address, bytes);
        if !self.lines {
            let number = if foreign { FOREIGN } else { 0 };
            return self.buckets.push(&Record { address, digest, number, bytes });
        }
        let there = if one.document.is_some() { THERE } else { 0 };
        bytes.insert(0, there | if foreign { ANOTHERS } else { 0 });
        self.buckets.push(&Record { address, digest, number: one.version.get(), bytes })
    }

    /// Takes a bucket out: documents as they are now.
    pub fn take(&mut self, index: usize) -> Result<Vec<u8>> {
        let bucket = self.buckets.take(index)?;
        Ok(if self.lines { newest(&bucket, self.emptied) } else { bucket })
    }
}

/// Of each address the line with the highest version, the later one on a tie, if a document stands in it.
fn newest(bucket: &[u8], emptied: Option<Version>) -> Vec<u8> {
    let mut lines: HashMap<u128, Record<'_>> = HashMap::new();
    for line in records(bucket) {
        let known = lines.entry(line.address).or_insert(line);
        if line.number >= known.number {
            *known = line;
        }
    }
    let emptied = emptied.map(Version::get);
    let mut documents = Vec::new();
    for line in lines.into_values().filter(|line| emptied.is_none_or(|emptied| line.number > emptied)) {
        let Some((flags, address)) = line.bytes.split_first() else { continue };
        if flags & THERE == 0 {
            continue;
        }
        let number = if flags & ANOTHERS == 0 { 0 } else { FOREIGN };
        Record { number, bytes: address, ..line }.write(&mut documents);
    }
    documents
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(address: u128, version: u64, digest: u64, flags: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        Record { address, digest, number: version, bytes: &[flags, 7] }.write(&mut bytes);
        bytes
    }

    fn told(lines: &[Vec<u8>], emptied: Option<u64>) -> Vec<(u128, u64, u64)> {
        let emptied = emptied.and_then(Version::from_raw);
        let bucket = newest(&lines.concat(), emptied);
        let mut told: Vec<_> = records(&bucket).map(|r| (r.address, r.digest, r.number)).collect();
        assert!(records(&bucket).all(|record| record.bytes == [7]));
        told.sort_unstable();
        told
    }

    #[test]
    fn the_highest_version_counts_and_the_later_line_of_two() {
        let lines = [
            line(1, 5, 50, THERE),
            line(1, 4, 40, THERE),
            line(2, 3, 30, THERE),
            line(2, 3, 31, THERE | ANOTHERS),
            line(3, 8, 80, THERE),
            line(3, 9, 0, 0),
            line(4, 9, 0, 0),
            line(4, 9, 91, THERE),
        ];
        assert_eq!(told(&lines, None), [(1, 50, 0), (2, 31, FOREIGN), (4, 91, 0)]);
        assert_eq!(told(&lines, Some(4)), [(1, 50, 0), (4, 91, 0)]);
        assert_eq!(told(&lines, Some(9)), []);
    }
}
