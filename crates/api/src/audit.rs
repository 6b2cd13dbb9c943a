//! The audit as users see it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Rises from 1 without gaps.
    pub number: i64,
    pub at: String,
    /// A token's name, `local` for the terminal, `http` without tokens, `syncline` for what happened by itself.
    pub actor: String,
    pub action: String,
    pub pipeline: String,
    /// Byte for byte what was hashed.
    pub detail: Box<RawValue>,
    /// The hash of the entry before it.
    pub previous: String,
    pub hash: String,
}

/// What `audit verify` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditVerdict {
    pub holds: bool,
    pub entries: u64,
    /// `NUMBER:HASH`, if it holds.
    pub head: Option<String>,
    /// The first entry that is wrong.
    pub entry: Option<i64>,
    /// How: `changed`, `replaced`, `missing`, `out-of-order`, `cut-off`, `added`, `no-head` or `rewritten`.
    pub fault: Option<String>,
}
