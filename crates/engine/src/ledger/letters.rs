//! Dead letters as the ledger keeps them: what one is, which are asked for, and who takes care of them. When one is tried
//! again, and what comes of it, is the pipeline's (`pipeline/redrive.rs`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AuditRecord, Ledger};
use crate::error::Result;
use crate::sink::Address;
use crate::version::Version;

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Given by the ledger.
    pub id: i64,
    pub pipeline: String,
    /// Connection name.
    pub sink: String,
    /// `database.table`.
    pub table: String,
    /// The target as users see it (SURFACE: connection, plus `/` and the pattern when there are several).
    pub target: String,
    /// Rendered address, to find it again.
    pub address_target: String,
    pub address_id: String,
    /// Key object as JSON text.
    pub key: String,
    /// Whose row it is, if the pipeline has a tenant column and the row a value in it.
    pub tenant: Option<String>,
    /// `SYN-….`
    pub error: String,
    /// The refusal in the target's words.
    pub message: String,
    /// How often it was refused, the first time included.
    pub attempts: u32,
    /// Milliseconds since 1970.
    pub first_at: i64,
    /// Milliseconds since 1970.
    pub last_at: i64,
    pub version: Version,
    /// The `change` line as JSON text.
    pub change: String,
    /// The row's bytes as captured (before image, after image), for sources that cannot be read again.
    pub original: Vec<u8>,
    /// Who takes care of it.
    pub state: LetterState,
}

impl DeadLetter {
    /// Where it was refused.
    pub fn address(&self) -> Address {
        Address { target: self.address_target.as_str().into(), id: self.address_id.as_str().into() }
    }
}

/// Who takes care of a letter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LetterState {
    /// Whoever comes first: a person, or the pipeline by itself.
    #[default]
    Waiting,
    /// A person, with a note that says what it waits for. The pipeline leaves it alone.
    Manual(String),
}

/// What became of a letter that was to be parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// It is the first at its address.
    New(i64),
    /// It took the place of an older change (and has an id of its own, but its attempts and its state). The older one is
    /// hidden, and removed by the commit whose `parked` names this one.
    ReplacedOlder(i64),
    /// The same change (version) was there already: attempts added.
    Again(i64),
    /// A newer change is parked there: nothing was added.
    Older(i64),
}

/// Which dead letters; all that is given must fit.
#[derive(Clone, Debug, Default)]
pub struct DeadLetterFilter {
    pub pipeline: Option<String>,
    pub table: Option<String>,
    pub sink: Option<String>,
    pub tenant: Option<String>,
    pub id: Option<i64>,
    pub error: Option<String>,
    /// Only those whose turn it is.
    pub turn: Option<Turn>,
    /// Only what is listed behind the letter of this `first_at` and id.
    pub after: Option<(i64, i64)>,
    /// At most so many; 0 for all.
    pub limit: usize,
}

/// Whose turn it is among the letters that the pipeline tries by itself. A letter that no checkpoint covers yet has no
/// turn: a restart makes it anew. Attempts count from the first refusal, or from when a person released the letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// All of them, their time come or not.
    Any,
    /// Those whose time has come by `now` (milliseconds since 1970) and that have attempts left.
    Due { retry: Retry, now: i64 },
    /// Those without attempts left.
    Spent { most_attempts: u32 },
}

/// When a refused letter is tried again, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Refusals after which it is left to a person, the first one included.
    pub most_attempts: u32,
    /// After the first refusal. It doubles with each further one.
    pub first_delay: Duration,
    /// It grows no further than this.
    pub longest_delay: Duration,
}

impl Default for Retry {
    fn default() -> Retry {
        let (first_delay, longest_delay) = (Duration::from_secs(60), Duration::from_secs(3600));
        Retry { most_attempts: 8, first_delay, longest_delay }
    }
}

/// Letters that were refused for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterGroup {
    pub pipeline: String,
    pub table: String,
    pub target: String,
    pub error: String,
    /// See [`super::cause`].
    pub cause: String,
    pub letters: u64,
    /// How many of them are left to a person.
    pub manual: u64,
    /// The most that one of them has.
    pub attempts: u32,
    /// Milliseconds since 1970: the earliest first refusal.
    pub oldest: i64,
    /// Milliseconds since 1970: the latest refusal.
    pub newest: i64,
    /// The id of one of them.
    pub example: i64,
}

/// How many letters of a table were refused by a target with one error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterCode {
    pub table: String,
    pub target: String,
    pub error: String,
    pub letters: u64,
}

/// A letter that was tried again for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedAgain {
    pub pipeline: String,
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub error: String,
    pub message: String,
}

/// Letters that change hands.
#[derive(Clone, Debug)]
pub struct StateChange {
    pub pipeline: String,
    pub ids: Vec<i64>,
    /// `Waiting` gives a letter all its attempts again.
    pub state: LetterState,
    /// Leaves letters alone that a person has taken meanwhile.
    pub only_waiting: bool,
    pub audit: AuditRecord,
}

/// Letters are read in pages of so many: they hold whole rows, and there may be a million.
const PAGE: usize = 500;

/// The next page of a filter without a limit, which remembers how far it has come; empty at the end.
pub async fn next_letters(ledger: &dyn Ledger, filter: &mut DeadLetterFilter) -> Result<Vec<DeadLetter>> {
    let page = ledger.dead_letters(&DeadLetterFilter { limit: PAGE, ..filter.clone() }).await?;
    if let Some(last) = page.last() {
        filter.after = Some((last.first_at, last.id));
    }
    Ok(page)
}
