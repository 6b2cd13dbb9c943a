//! What a client asks of comparisons and repairs, and what it is told (SURFACE, `verify`).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ErrorBody;

/// The body of `POST /consistency/runs` and `/consistency/repairs`: what to compare.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparisonRequest {
    /// Pipelines; empty for all of the process.
    #[serde(default)]
    pub pipelines: Vec<String>,
    /// Names or patterns of `database.table`; empty for all captured tables.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Connections whose targets are compared; empty for all.
    #[serde(default)]
    pub targets: Vec<String>,
    /// Only rows of this tenant, by the pipelines' `tenant:` columns.
    #[serde(default)]
    pub tenant: Option<String>,
    /// What is counted is counted by tenant, too, in one comparison of all of them.
    #[serde(default)]
    pub per_tenant: bool,
    /// Only what the source's log tells of since so long ago (`10m`).
    #[serde(default)]
    pub since: Option<String>,
    /// Only about so many rows of each table, at places drawn anew each time.
    #[serde(default)]
    pub sample: Option<u64>,
    /// Only these keys of the one table that `tables` names: parts joined by `:`, `%` as %25 and `:` as %3A.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Goes on with a comparison that asked the same and was interrupted.
    #[serde(default)]
    pub resume: bool,
    /// At most so many rows a second are read of each side.
    #[serde(default)]
    pub rows_per_second: Option<u64>,
    /// So many ranges of the source are read at once (1 to 16; 2 if absent).
    #[serde(default)]
    pub readers: Option<usize>,
    /// Rows named per target; all are counted.
    #[serde(default)]
    pub limit: Option<u64>,
    /// `/consistency/repairs` only: what is found is put right; without it, it is only told.
    #[serde(default)]
    pub apply: bool,
    /// `/consistency/repairs` only: at most so many documents of a pipeline are put right.
    #[serde(default)]
    pub max_repairs: Option<u64>,
}

/// A comparison or repair that was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComparisonRun {
    pub id: u64,
    /// `running`, `completed` or `failed`.
    pub state: String,
    /// How far it has come, while it runs.
    #[serde(default)]
    pub progress: Option<ComparisonProgress>,
    /// One a pipeline, once it is completed.
    #[serde(default)]
    pub reports: Vec<ComparisonReport>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<ErrorBody>,
}

/// How far a comparison has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComparisonProgress {
    /// The table in hand.
    pub table: String,
    /// Rows read of it at the source.
    pub rows: u64,
    /// About how many it has; 0 if unknown.
    pub estimate: u64,
    /// Documents read of its targets.
    pub documents: u64,
    /// Documents that are being looked at again.
    pub suspects: u64,
}

/// What was found of one pipeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComparisonReport {
    pub pipeline: String,
    /// Documents that are missing, different or extra.
    pub drift: u64,
    /// How many of them were put right.
    #[serde(default)]
    pub repaired: u64,
    pub tables: Vec<ComparedTarget>,
    pub seconds: f64,
    /// More was found than might be put right.
    #[serde(default)]
    pub limited: bool,
}

/// One table in one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComparedTarget {
    /// `database.table`.
    pub table: String,
    pub target: String,
    /// Documents that should be there or are there.
    pub compared: u64,
    pub missing: u64,
    pub different: u64,
    pub extra: u64,
    /// Changed each time they were looked at: nobody can say.
    #[serde(default)]
    pub unsettled: u64,
    /// What was put right.
    #[serde(default)]
    pub repaired: u64,
    pub rows: Vec<ComparedRow>,
    /// More were found than `rows` names.
    pub truncated: bool,
    /// The counts by tenant, in the order of their names: with `per_tenant`, if the table has the pipeline's `tenant:` column. What
    /// is nobody's is in none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Vec<ComparedTenant>>,
    /// All tenants together that have no counts of their own: a comparison counts ten thousand each by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_tenants: Option<OtherTenants>,
}

/// One tenant, of one table in one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComparedTenant {
    /// The canonical text of its column.
    pub tenant: String,
    pub compared: u64,
    pub missing: u64,
    pub different: u64,
    pub extra: u64,
    pub unsettled: u64,
    pub repaired: u64,
}

/// Several tenants together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OtherTenants {
    pub compared: u64,
    pub missing: u64,
    pub different: u64,
    pub extra: u64,
    pub unsettled: u64,
    pub repaired: u64,
}

/// One document that is not what it should be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComparedRow {
    /// The row's key; empty where the address does not tell it.
    pub key: serde_json::Map<String, serde_json::Value>,
    /// `missing`, `different`, `extra` or `unsettled`.
    pub kind: String,
    /// Members that differ.
    pub fields: Vec<String>,
    /// Where it is, or should be: index, collection; empty for a cache.
    #[serde(default)]
    pub name: String,
    /// Its id, or the cache's key.
    #[serde(default)]
    pub id: String,
    /// The version that the target holds; zeros if it holds none.
    #[serde(default)]
    pub version: String,
}
