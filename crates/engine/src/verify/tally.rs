//! What a comparison counts of each tenant in one target. What matches is counted at the join, under its row's tenant; what is
//! judged, under the tenant that its row says by then, or, without a row, its document.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::join::{Joined, Suspect, join, join_each};
use super::judge::Finding;
use super::report::DriftKind;
use super::tenants::{Names, Whose};
use crate::consistency::{ByTenant, TenantCounts};

/// What the join of one bucket tells of tenants.
#[derive(Default)]
pub(super) struct Part {
    /// Addresses of each where both sides say the same.
    matching: HashMap<Whose, u64>,
    /// The others, and whose row stands there.
    suspects: Vec<(u128, Whose)>,
}

/// Joins a bucket, with its part in what is counted by tenant if that is asked for.
pub(super) fn join_part(source: &[u8], target: &[u8], touched: &[u8], counted: bool) -> (Joined, Part) {
    let mut part = Part::default();
    if !counted {
        return (join(source, target, touched), part);
    }
    let joined = join_each(source, target, touched, |address, rows, matches| {
        let whose = rows.last().map_or(Whose::NOBODY, |row| Whose::of(row.number));
        match matches {
            true => *part.matching.entry(whose).or_default() += 1,
            false => part.suspects.push((address, whose)),
        }
    });
    (joined, part)
}

/// The counts of one target.
#[derive(Default)]
pub(super) struct Tally {
    counts: Vec<TenantCounts>,
    /// Whose row stood at the address of a suspect when both sides were read, until it is judged.
    rows: HashMap<u128, Whose>,
    /// Addresses that are being judged and count as compared.
    judged: Vec<u128>,
    /// Whose the documents are that were found to be wrong, until they are put right.
    found: HashMap<u128, Whose>,
}

impl Tally {
    /// One bucket.
    pub fn joined(&mut self, part: Part) {
        for (whose, matching) in part.matching {
            self.of(whose).compared += matching;
        }
        self.rows.extend(part.suspects);
    }

    /// These are judged next.
    pub fn judging(&mut self, suspects: &[Suspect]) {
        let counts = |suspect: &&Suspect| suspect.address.is_some() || self.rows.contains_key(&suspect.hash);
        self.judged = suspects.iter().filter(counts).map(|suspect| suspect.hash).collect();
    }

    /// And this came of it. `whose`: what was last seen at the addresses.
    pub fn found(&mut self, findings: &[Finding], whose: &HashMap<u128, Whose>) {
        let mut then = HashMap::new();
        for address in std::mem::take(&mut self.judged) {
            let before = self.rows.remove(&address).unwrap_or(Whose::NOBODY);
            let now = whose.get(&address).copied().unwrap_or(before);
            self.of(now).compared += 1;
            then.insert(address, now);
        }
        self.found.clear();
        for finding in findings {
            let known = whose.get(&finding.hash).or_else(|| then.get(&finding.hash));
            let known = known.copied().unwrap_or(Whose::NOBODY);
            let counts = self.of(known);
            match finding.drift.kind {
                DriftKind::Missing => counts.missing += 1,
                DriftKind::Different => counts.different += 1,
                DriftKind::Extra => counts.extra += 1,
                DriftKind::Unsettled => counts.unsettled += 1,
            }
            self.found.insert(finding.hash, known);
        }
    }

    /// These were tried to be put right, and of them `still` are wrong.
    pub fn repaired(&mut self, tried: &[u128], still: &[Finding]) {
        let still: HashSet<u128> = still.iter().map(|finding| finding.hash).collect();
        for address in tried.iter().filter(|address| !still.contains(address)) {
            let whose = self.found.get(address).copied().unwrap_or(Whose::NOBODY);
            self.of(whose).repaired += 1;
        }
    }

    /// All of it, with the names.
    pub fn end(self, names: &Names) -> ByTenant {
        let mut tenants = BTreeMap::new();
        for (place, counts) in
            self.counts.iter().enumerate().filter(|(_, counts)| **counts != TenantCounts::default())
        {
            if let Some(name) = names.at(place) {
                tenants.insert(name.to_string(), *counts);
            }
        }
        let beyond = self.counts.get(Whose::BEYOND.place()).copied().unwrap_or_default();
        ByTenant { tenants, beyond }
    }

    fn of(&mut self, whose: Whose) -> &mut TenantCounts {
        let place = whose.place();
        if self.counts.len() <= place {
            self.counts.resize(place + 1, TenantCounts::default());
        }
        &mut self.counts[place]
    }
}
