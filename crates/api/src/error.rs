//! How an error looks: the shape `error` of the command line, and the problem document that HTTP answers with.
//! Codes and their pages are the engine's; here they are text.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The shape `error`: what happened, why, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// `SYN-1204`; `syncline errors SYN-1204` prints its page.
    pub code: String,
    /// What happened, with names and observed values.
    pub message: String,
    /// The underlying reason, in the words of the server or library.
    pub cause: Option<String>,
    /// What to do next.
    pub fix: String,
    /// Where in the configuration file.
    #[serde(rename = "where")]
    pub place: Option<Place>,
}

/// A place in a file, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    pub file: String,
    pub line: u64,
    pub column: u64,
}

/// An answer that is not a success (RFC 9457, `application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:syncline:error:SYN-2102`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One line that names the problem; the same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// `SYN-2102`.
    pub code: String,
    /// The underlying reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to do next.
    pub fix: String,
}
