//! What a comparison counted of each tenant. Plain data: whose a row or a document is, `verify/` tells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Tenants that one comparison counts each by itself; what is of others beyond is counted together.
pub const MOST_TENANTS: usize = 10_000;

/// Documents of one tenant, of one table in one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<u64>", into = "Vec<u64>")]
pub struct TenantCounts {
    /// Documents that should be there or are there.
    pub compared: u64,
    pub missing: u64,
    pub different: u64,
    pub extra: u64,
    /// Documents that nobody can tell of.
    pub unsettled: u64,
    /// How many of those that differed were put right.
    pub repaired: u64,
}

impl TenantCounts {
    /// How many documents were not what they should be.
    pub fn drift(&self) -> u64 {
        self.missing + self.different + self.extra
    }

    /// Adds term by term.
    pub fn add(&mut self, other: &TenantCounts) {
        self.compared += other.compared;
        self.missing += other.missing;
        self.different += other.different;
        self.extra += other.extra;
        self.unsettled += other.unsettled;
        self.repaired += other.repaired;
    }
}

// Most tenants are clean, so what is kept of them is one number.
impl From<TenantCounts> for Vec<u64> {
    fn from(counts: TenantCounts) -> Vec<u64> {
        let TenantCounts { compared, missing, different, extra, unsettled, repaired } = counts;
        let mut numbers = vec![compared, missing, different, extra, unsettled, repaired];
        numbers.truncate(numbers.iter().rposition(|n| *n > 0).map_or(0, |last| last + 1));
        numbers
    }
}

impl From<Vec<u64>> for TenantCounts {
    fn from(numbers: Vec<u64>) -> TenantCounts {
        let at = |place: usize| numbers.get(place).copied().unwrap_or(0);
        TenantCounts {
            compared: at(0),
            missing: at(1),
            different: at(2),
            extra: at(3),
            unsettled: at(4),
            repaired: at(5),
        }
    }
}

/// The counts of one table in one target, tenant by tenant. Rows and documents that are nobody's are in no count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByTenant {
    /// Those that have anything there.
    pub tenants: BTreeMap<String, TenantCounts>,
    /// All tenants beyond [`MOST_TENANTS`] together.
    pub beyond: TenantCounts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_as_short_as_they_can_be() {
        let clean = TenantCounts { compared: 7, ..TenantCounts::default() };
        let wrong =
            TenantCounts { compared: 7, missing: 1, different: 2, extra: 3, unsettled: 4, repaired: 5 };
        for (counts, text) in [(TenantCounts::default(), "[]"), (clean, "[7]"), (wrong, "[7,1,2,3,4,5]")] {
            assert_eq!(serde_json::to_string(&counts).unwrap(), text);
            assert_eq!(serde_json::from_str::<TenantCounts>(text).unwrap(), counts);
        }
    }
}
