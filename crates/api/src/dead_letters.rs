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
    /// Whose row it is, if the pipeline has a tenant column and the row a value in it.
    #[serde(default)]
    pub tenant: Option<String>,
    /// `SYN-1601`.
    pub error: String,
    /// The refusal in the target's words.
    pub message: String,
    /// How often it was refused, the first time included.
    pub attempts: u32,
    pub first_at: String,
    pub last_at: String,
    /// `waiting`, or `manual`: left to a person.
    #[serde(default)]
    pub state: String,
    /// What a letter that is left to a person waits for.
    #[serde(default)]
    pub note: Option<String>,
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
    /// Only this tenant's.
    pub tenant: Option<String>,
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
    pub tenant: Option<String>,
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

/// Dead letters that were refused for the same reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterGroup {
    pub pipeline: String,
    /// `database.table`.
    pub table: String,
    pub target: String,
    /// `SYN-1601`.
    pub error: String,
    /// The message without what differs from row to row: quoted texts are `"…"`, words with a digit `#`.
    pub cause: String,
    pub count: u64,
    /// How many of them are left to a person.
    pub manual: u64,
    /// The most that one of them has.
    pub attempts: u32,
    /// The earliest first refusal.
    pub oldest: String,
    /// The latest refusal.
    pub newest: String,
    /// The number of one of them.
    pub example: i64,
}

/// What `GET /v1/dead-letters/groups` answers, the largest group first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterGroups {
    pub groups: Vec<DeadLetterGroup>,
    /// Whether there are more than were asked for.
    pub truncated: bool,
}

/// The body of `POST /v1/dead-letters/{id}/manual`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ManualNote {
    /// What the letter waits for; not empty, at most 1000 characters.
    pub note: String,
}

/// The body of `POST /v1/dead-letters/reprocess`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReprocessRequest {
    #[serde(default)]
    pub pipeline: Option<String>,
    /// Only this tenant's.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Refusals after which a letter is left to a person, the first one included (default 8).
    #[serde(default)]
    pub most_attempts: Option<u32>,
    /// Milliseconds from the first refusal to the next try (default 60,000). They double with each further one.
    #[serde(default)]
    pub first_delay_ms: Option<u64>,
    /// Milliseconds beyond which that grows no further (default 3,600,000).
    #[serde(default)]
    pub longest_delay_ms: Option<u64>,
    /// At most so many letters; all whose time has come if absent.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// What a pass over the dead letters did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReprocessReport {
    /// Applied, superseded and refused ones.
    pub tried: u64,
    pub applied: u64,
    /// The target held something newer, or the row was not for it any more.
    pub superseded: u64,
    /// Stay dead letters, those that were given up included.
    pub refused: u64,
    /// Left to a person from here on.
    pub given_up: u64,
    /// Wait and were not tried: their time has not come, the limit was reached, or their target is down.
    pub not_yet: u64,
}
