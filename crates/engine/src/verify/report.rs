//! What is asked of a comparison and what it tells.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::consistency::{ByTenant, FULL};
use crate::error::Result;
use crate::ledger::Ledger;
use crate::sink::Address;
use crate::version::Version;

/// Documents of a pipeline that are put right at once unless asked otherwise.
pub const MOST_REPAIRS: u64 = 10_000;

/// Ranges of the source that are read at once unless asked otherwise.
pub const READERS: usize = 2;
/// And at most.
pub const MOST_READERS: usize = 16;

/// The property of a pipeline that holds its [`Verified`].
const VERIFIED: &str = "verified";

/// Which rows of a table are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// All of them, and whatever else the targets hold.
    #[default]
    All,
    /// About so many of each table, at places drawn anew each time. Strays are found by a whole comparison only.
    Sample(u64),
    /// Those that the source's log tells of since then, in milliseconds since 1970: what they are now, and that what they
    /// were before is gone.
    Since(i64),
}

impl Part {
    /// The word in records and reports.
    pub fn name(self) -> &'static str {
        match self {
            Part::All => FULL,
            Part::Sample(_) => "sample",
            Part::Since(_) => "since",
        }
    }
}

/// Some rows of a table, by what they hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Only {
    /// Those of this tenant, by the pipeline's `tenant:` column.
    Tenant(String),
    /// Those whose keys lie between two, both included, in the source's order. Keys are texts, as `{key}` writes them.
    Keys { from: Option<String>, to: Option<String> },
    /// Those for which this is true, in the language of a filter's `when:`.
    Where(String),
}

/// Which tables and targets to compare, and how gently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyRequest {
    /// Names or patterns of `database.table`; empty for all captured tables.
    pub tables: Vec<String>,
    /// Connections whose targets are compared; empty for all.
    pub sinks: Vec<String>,
    pub part: Part,
    /// Only these keys, as people write them; empty for all. `part` means nothing then.
    pub keys: Vec<String>,
    /// Only these rows and their documents; all of them if absent.
    pub only: Option<Only>,
    /// What is counted is counted by tenant, too.
    pub per_tenant: bool,
    /// Goes on with a comparison that asked the same and was interrupted: tables that it was done with are not read again.
    pub resume: bool,
    /// At most so many rows a second are read from the source, and of each target; `None` as fast as they come.
    pub rows_per_second: Option<u64>,
    /// So many ranges of the source are read at once; `None`: [`READERS`].
    pub readers: Option<usize>,
    /// Rows named per target; all are counted. 0: none is named.
    pub listed: usize,
    /// What is found is put right.
    pub repair: Option<RepairRequest>,
    /// A folder of its own for what does not fit in memory; about 60 bytes a row of the largest table and of its targets.
    pub folder: PathBuf,
    /// Who or what asked for it, for the record that stays in the ledger.
    pub why: String,
}

impl VerifyRequest {
    /// Whether nothing is left out that could be compared.
    pub fn is_whole(&self) -> bool {
        let part = self.part == Part::All && self.keys.is_empty();
        part && self.tables.is_empty() && self.sinks.is_empty() && self.only.is_none()
    }

    /// The tenant that it is about.
    pub fn tenant(&self) -> Option<&str> {
        match &self.only {
            Some(Only::Tenant(name)) => Some(name),
            _ => None,
        }
    }

    /// The word in records and reports. Of a tenant it may be everything.
    pub fn mode(&self) -> &'static str {
        match self.only {
            _ if !self.keys.is_empty() => "keys",
            Some(Only::Keys { .. } | Only::Where(_)) => "part",
            Some(Only::Tenant(_)) | None => self.part.name(),
        }
    }
}

/// How far putting right may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairRequest {
    /// Who asked for it, for the audit.
    pub actor: String,
    /// At most so many documents of a pipeline are put right; what is found beyond is only told.
    pub most: u64,
}

/// How a document differs from what its row should have become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DriftKind {
    /// The row has none.
    Missing,
    /// Its members differ.
    Different,
    /// No row stands behind it.
    Extra,
    /// It changed each time it was looked at: nobody can say.
    Unsettled,
}

impl DriftKind {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            DriftKind::Missing => "missing",
            DriftKind::Different => "different",
            DriftKind::Extra => "extra",
            DriftKind::Unsettled => "unsettled",
        }
    }
}

/// One document that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    pub kind: DriftKind,
    /// The key as an object, JSON text; `{}` where it cannot be told from the address.
    pub key: String,
    /// Where it is, or should be.
    pub address: Address,
    /// Names of the members that differ.
    pub fields: Vec<String>,
    /// The version that the target holds; zero if it holds none.
    pub version: Version,
}

/// What was found of one table in one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetReport {
    /// `database.table`.
    pub table: String,
    /// As users see it (SURFACE: connection, plus `/` and the pattern when there are several).
    pub target: String,
    /// Connection.
    pub sink: String,
    /// Documents that should be there or are there.
    pub compared: u64,
    pub missing: u64,
    pub different: u64,
    pub extra: u64,
    pub unsettled: u64,
    /// How many of them were put right, and were as they should be afterwards.
    pub repaired: u64,
    /// The first of them.
    pub rows: Vec<Drift>,
    /// The counts by tenant, if that was asked for and the table has a column that names it.
    #[serde(default)]
    pub by_tenant: Option<ByTenant>,
}

impl TargetReport {
    /// How many documents are not what they should be.
    pub fn drift(&self) -> u64 {
        self.missing + self.different + self.extra
    }

    /// Whether more were found than are named.
    pub fn truncated(&self) -> bool {
        (self.rows.len() as u64) < self.drift() + self.unsettled
    }

    pub(super) fn add(&mut self, drift: Drift, listed: usize) {
        let count = match drift.kind {
            DriftKind::Missing => &mut self.missing,
            DriftKind::Different => &mut self.different,
            DriftKind::Extra => &mut self.extra,
            DriftKind::Unsettled => &mut self.unsettled,
        };
        *count += 1;
        if self.rows.len() < listed {
            self.rows.push(drift);
        }
    }
}

/// What a comparison of one pipeline found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VerifyReport {
    pub pipeline: String,
    pub targets: Vec<TargetReport>,
    /// How long it took.
    pub seconds: f64,
    /// More was found than might be put right.
    pub limited: bool,
}

impl VerifyReport {
    /// How many documents are not what they should be.
    pub fn drift(&self) -> u64 {
        self.targets.iter().map(TargetReport::drift).sum()
    }

    /// How many are still not what they should be.
    pub fn open(&self) -> u64 {
        self.targets.iter().map(|target| target.drift() - target.repaired).sum()
    }

    /// How many nobody can tell of.
    pub fn unsettled(&self) -> u64 {
        self.targets.iter().map(|target| target.unsettled).sum()
    }
}

/// When all of a pipeline was last compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// When it ended, in milliseconds since 1970.
    pub at: i64,
    /// Documents that were not what they should be, and were not put right.
    pub drift: u64,
}

impl Verified {
    /// As the ledger has it.
    pub async fn of(ledger: &dyn Ledger, pipeline: &str) -> Result<Option<Verified>> {
        let known = ledger.property(pipeline, VERIFIED).await?;
        Ok(known.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Into the ledger.
    pub(super) async fn keep(self, ledger: &dyn Ledger, pipeline: &str) -> Result<()> {
        let text = serde_json::to_string(&self).unwrap_or_default();
        ledger.set_property(pipeline, VERIFIED, &text).await
    }
}

/// How far a comparison has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyProgress {
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
