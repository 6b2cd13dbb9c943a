//! The consistency report (docs/report.md): what `syncline report --json` prints and `GET /consistency/report` answers.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What of `GET /consistency/report`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// Of so many hours until now; 24 if absent.
    #[serde(default)]
    pub hours: Option<u32>,
    /// Only comparisons of this tenant's rows, and its part of those that counted by tenant.
    #[serde(default)]
    pub tenant: Option<String>,
}

/// The report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConsistencyReport {
    /// The time's beginning.
    pub from: String,
    /// Its end: when the report was made.
    pub to: String,
    pub hours: u32,
    /// Whose rows it is about; absent for everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    pub pipelines: Vec<PipelineReport>,
}

/// One pipeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PipelineReport {
    pub pipeline: String,
    /// Comparisons that ended in the time.
    pub runs: u64,
    /// How many of them gave up.
    pub failed: u64,
    /// How many of them found more than they might put right.
    pub limited: u64,
    /// Documents that they found missing, different or extra.
    pub drift: u64,
    /// What of that they put right.
    pub repaired: u64,
    /// The largest lag of the time; null if nothing ran.
    pub worst_lag_seconds: Option<f64>,
    /// Dead letters that wait now.
    pub dead_letters: u64,
    pub tables: Vec<TargetReport>,
    /// One point a comparison, oldest first; of more than 500 the worst of each stretch of time.
    pub series: Vec<DriftPoint>,
}

/// One table in one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetReport {
    /// `database.table`.
    pub table: String,
    pub target: String,
    /// Comparisons of the time that looked at it to the end. The next five are sums over them.
    pub runs: u64,
    pub compared: u64,
    pub missing: u64,
    pub different: u64,
    pub extra: u64,
    pub repaired: u64,
    /// When it was last looked at as a whole, also before the time; null if never. The next three are of that.
    pub last_full_at: Option<String>,
    /// Documents that were not what they should be and were not put right.
    pub open: Option<u64>,
    /// Documents that nobody could tell of.
    pub unsettled: Option<u64>,
    /// 1 - open / compared.
    pub consistency_rate: Option<f64>,
    /// Dead letters that wait now.
    pub dead_letters: u64,
}

/// One comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DriftPoint {
    /// When it ended.
    pub at: String,
    /// Who or what asked for it: a token's name, `local`, `http`, `schedule`.
    pub why: String,
    /// What of the tables was looked at: `full` for all of it.
    pub mode: String,
    pub compared: u64,
    pub missing: u64,
    pub different: u64,
    pub extra: u64,
    pub unsettled: u64,
    pub repaired: u64,
    /// It found more than it might put right.
    pub limited: bool,
    /// It gave up.
    pub failed: bool,
}
