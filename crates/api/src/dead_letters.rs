//! Dead letters as users see them, and what can be asked for them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The shape `dlq`: a change that a sink refused for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    pub id: i64,
    pub pipeline: String,
    /// `database.table`.
    pub table: String,
    /// The connection, plus `/` and the pattern when the table has several targets on it.
    pub target: String,
    /// The row's key, an object of its columns.
    #[schema(value_type = Object)]
    pub key: serde_json::Value,
    /// `SYN-1601`.
    pub error: String,
    /// The refusal in the target's words.
    pub message: String,
    pub attempts: u32,
    pub first_at: String,
    pub last_at: String,
    /// The change as captured, in the shape `change`.
    #[schema(value_type = Object)]
    pub change: serde_json::Value,
}

/// What `GET /v1/dead-letters` answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetters {
    pub dead_letters: Vec<DeadLetter>,
    /// Whether there are more than were asked for.
    pub truncated: bool,
}

/// Which dead letters; all that are given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeadLetterQuery {
    pub pipeline: Option<String>,
    /// `database.table`.
    pub table: Option<String>,
    /// Connection name.
    pub sink: Option<String>,
    pub id: Option<i64>,
    /// `SYN-1601`.
    pub error: Option<String>,
    /// At most so many (default 1000).
    pub limit: Option<u32>,
}

/// The body of `POST /v1/dead-letters/redrive` and `/discard`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterAction {
    #[serde(default)]
    pub pipeline: Option<String>,
    #[serde(default)]
    pub table: Option<String>,
    #[serde(default)]
    pub sink: Option<String>,
    #[serde(default)]
    pub id: Option<i64>,
    #[serde(default)]
    pub error: Option<String>,
    /// Says what it would do and does nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a redrive did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RedriveReport {
    pub selected: u64,
    pub applied: u64,
    pub superseded: u64,
    pub failed: Vec<RedriveFailure>,
    pub dry_run: bool,
}

/// A dead letter that was refused again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RedriveFailure {
    pub id: i64,
    pub message: String,
}

/// What a discard did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiscardReport {
    pub selected: u64,
    pub discarded: u64,
    pub dry_run: bool,
}
