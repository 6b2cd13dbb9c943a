//! The records that the ledger keeps of comparisons, and of how pipelines were in between. Plain data.

use serde::{Deserialize, Serialize};

use super::by_tenant::{ByTenant, TenantCounts};

/// The mode of a comparison that looks at every row and document of the tables and targets it was asked for.
pub const FULL: &str = "full";

/// A comparison or repair that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonRecord {
    /// Given by the ledger.
    pub id: i64,
    pub pipeline: String,
    /// Milliseconds since 1970.
    pub began_at: i64,
    /// Milliseconds since 1970.
    pub ended_at: i64,
    /// Who or what asked for it: a token's name, `local` for the terminal, `http`, `schedule`.
    pub why: String,
    /// What of the tables was looked at: [`FULL`], or another word.
    pub mode: String,
    /// Whose rows were looked at; `None` for all.
    pub tenant: Option<String>,
    /// It was counted by tenant.
    pub per_tenant: bool,
    /// What was found was to be put right.
    pub repair: bool,
    /// More was found than might be put right.
    pub limited: bool,
    /// Why it gave up (shape `error`); what it had compared by then is in `targets`.
    pub error: Option<serde_json::Value>,
    /// What was compared to the end.
    pub targets: Vec<ComparedTarget>,
}

/// What was found of one table in one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedTarget {
    /// `database.table`.
    pub table: String,
    /// As users see it (connection, plus `/` and the pattern when there are several).
    pub target: String,
    /// Documents that should be there or are there.
    pub compared: u64,
    pub missing: u64,
    pub different: u64,
    pub extra: u64,
    /// Documents that nobody can tell of.
    pub unsettled: u64,
    /// How many of those that differed were put right.
    pub repaired: u64,
    /// The same by tenant, where it was counted so. The ledger takes it, and tells of it one tenant at a time: a record that it
    /// answers has none here.
    pub by_tenant: Option<ByTenant>,
}

impl ComparedTarget {
    /// What one tenant has of it.
    pub fn of_tenant(self, counts: TenantCounts) -> ComparedTarget {
        let TenantCounts { compared, missing, different, extra, unsettled, repaired } = counts;
        let (table, target) = (self.table, self.target);
        ComparedTarget {
            table,
            target,
            compared,
            missing,
            different,
            extra,
            unsettled,
            repaired,
            by_tenant: None,
        }
    }

    /// How many documents were not what they should be.
    pub fn drift(&self) -> u64 {
        self.missing + self.different + self.extra
    }

    /// How many still were not when it ended.
    pub fn open(&self) -> u64 {
        self.drift().saturating_sub(self.repaired)
    }
}

impl ComparisonRecord {
    /// How many documents were not what they should be.
    pub fn drift(&self) -> u64 {
        self.targets.iter().map(ComparedTarget::drift).sum()
    }
}

/// Which records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComparisonFilter {
    pub pipeline: String,
    /// Those that name this tenant; `None` for all.
    pub tenant: Option<String>,
    /// Those that ended then or later, in milliseconds since 1970.
    pub since: i64,
}

/// How a pipeline was over one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The minute's beginning, in milliseconds since 1970.
    pub at: i64,
    /// The largest lag seen, in milliseconds.
    pub worst_lag: u64,
    /// At the minute's end.
    pub dead_letters: u64,
}
