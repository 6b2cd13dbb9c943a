//! What the servers' answers mean: the errors of a whole request and of one item of a bulk, turned into outcomes.
//! The servers differ in the names of their errors; statuses decide, names only where a status is ambiguous.

use serde::Deserialize;
use syncline_engine::error::{Code, Error, Result};

use super::client::Reply;

/// What an error of the server leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The login or a privilege.
    Denied,
    /// The index or cluster takes no writes for now.
    Blocked,
    /// Too much at once.
    Busy,
    /// A node or shard is away.
    Down,
    /// The index or its alias does not exist.
    NoIndex,
    /// The target holds a newer version.
    Conflict,
    /// The request is too large.
    TooLarge,
    /// The alias or index is not as we made it: nothing can be written until a person looks.
    Misused,
    /// The item is bad.
    Bad,
}

/// An error as the server words it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failure {
    pub status: u16,
    pub kind: String,
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Cause {
    Structured {
        #[serde(rename = "type", default)]
        kind: String,
        #[serde(default)]
        reason: Option<String>,
        #[serde(default)]
        caused_by: Option<Box<Cause>>,
    },
    Text(String),
}

/// Failures of documents that make a server stumble instead of saying 400; anything else with 500 is the server's.
const STUMBLES: &[&str] = &[
    "arithmetic_exception",
    "array_index_out_of_bounds_exception",
    "class_cast_exception",
    "index_out_of_bounds_exception",
    "null_pointer_exception",
    "number_format_exception",
    "string_index_out_of_bounds_exception",
];

impl Failure {
    /// The error in an answer's body; of a proxy in between there may be none.
    pub(super) fn of(reply: &Reply) -> Failure {
        #[derive(Deserialize)]
        struct Body {
            error: Cause,
        }
        match serde_json::from_slice::<Body>(&reply.body) {
            Ok(body) => Failure::from_cause(reply.status, body.error),
            Err(_) => {
                let text: String = String::from_utf8_lossy(&reply.body).chars().take(200).collect();
                Failure { status: reply.status, kind: String::new(), reason: text.trim().to_owned() }
            }
        }
    }

    fn from_cause(status: u16, cause: Cause) -> Failure {
        match cause {
            Cause::Text(reason) => Failure { status, kind: String::new(), reason },
            Cause::Structured { kind, reason, caused_by } => {
                let mut reason = reason.unwrap_or_default();
                let deeper = caused_by.map(|c| Failure::from_cause(status, *c).reason);
                // Elasticsearch 8 repeats the cause in the reason, the others do not.
                if let Some(deeper) = deeper.filter(|d| !d.is_empty() && !reason.contains(d.as_str())) {
                    reason.push_str(": ");
                    reason.push_str(&deeper);
                }
                Failure { status, kind, reason }
            }
        }
    }

    pub(super) fn class(&self) -> Class {
        let blocked = self.kind == "cluster_block_exception" || self.kind == "index_create_block_exception";
        match self.status {
            401 => Class::Denied,
            403 if blocked => Class::Blocked,
            403 => Class::Denied,
            404 if self.kind == "index_not_found_exception" => Class::NoIndex,
            409 => Class::Conflict,
            413 => Class::TooLarge,
            429 if blocked => Class::Blocked,
            408 | 429 | 503 => Class::Busy,
            400 if self.kind == "index_closed_exception" => Class::Blocked,
            400 if self.kind == "validation_exception" && self.reason.contains("shards open") => {
                Class::Blocked
            }
            400 if self.reason.starts_with("no write index is defined") => Class::Misused,
            500 if STUMBLES.contains(&self.kind.as_str()) => Class::Bad,
            500.. => Class::Down,
            _ => Class::Bad,
        }
    }

    /// The error to report; `bad` is the code of [`Class::Bad`] and of what cannot happen at this place.
    pub(super) fn error(&self, what: impl Into<String>, bad: Code) -> Error {
        let code = match self.class() {
            Class::Denied => Code::SearchDenied,
            Class::Blocked => Code::SearchBlocked,
            Class::Busy => Code::Overloaded,
            Class::Down => Code::Interrupted,
            Class::Misused => Code::SearchIndex,
            Class::NoIndex | Class::Conflict | Class::TooLarge | Class::Bad => bad,
        };
        Error::new(code, what).cause(self)
    }

    /// The version that the server holds, out of the words of a conflict. The id stands before them and may hold
    /// anything, so the last match counts.
    pub(super) fn current_version(&self) -> Option<u64> {
        let (_, after) = self.reason.rsplit_once("current version [")?;
        after.split_once(']')?.0.parse().ok()
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.kind.is_empty(), self.reason.is_empty()) {
            (false, _) => write!(f, "{}: {}", self.kind, self.reason),
            (true, false) => write!(f, "status {}: {}", self.status, self.reason),
            (true, true) => write!(f, "status {}", self.status),
        }
    }
}

/// What a bulk's answer asks for: nothing but what `Failure` reads.
pub(super) const BULK_FILTER: &str = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,\
                                      items.*.error.caused_by.reason";

/// One entry for each item, in order; `None` means done. An empty list means that all are.
pub(super) type Items = Vec<Option<Failure>>;

/// Reads the answer of a bulk of `expected` items.
pub(super) fn bulk_items(body: &[u8], expected: usize) -> Result<Items> {
    if body.starts_with(b"{\"errors\":false") {
        return Ok(Items::new());
    }
    #[derive(Deserialize)]
    struct Bulk {
        errors: bool,
        #[serde(default)]
        items: Vec<std::collections::BTreeMap<String, Item>>,
    }
    #[derive(Deserialize)]
    struct Item {
        status: u16,
        error: Option<Cause>,
    }
    let unreadable =
        |why: String| Error::new(Code::Interrupted, "the answer of a bulk cannot be read").cause(why);
    let bulk: Bulk = serde_json::from_slice(body).map_err(|e| unreadable(e.to_string()))?;
    if !bulk.errors {
        return Ok(Items::new());
    }
    if bulk.items.len() != expected {
        return Err(unreadable(format!("{} items instead of {expected}", bulk.items.len())));
    }
    let failure = |item: Item| item.error.map(|cause| Failure::from_cause(item.status, cause));
    bulk.items
        .into_iter()
        .map(|item| match item.into_values().next() {
            Some(item) if item.error.is_none() && item.status >= 300 && item.status != 404 => {
                Ok(Some(Failure { status: item.status, ..Failure::default() }))
            }
            Some(item) => Ok(failure(item)),
            None => Err(unreadable("an empty item".into())),
        })
        .collect()
}
