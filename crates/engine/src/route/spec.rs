//! A pipeline's routes as validated configuration: plain data, no behaviour. The app's config makes it, `compile.rs`
//! turns it into plans.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::pipeline::TenantQuota;
use crate::recovery::RecoverySpec;
use crate::tasks::TaskSpec;

/// How long records of comparisons stay unless the file says otherwise.
pub const KEEP_REPORTS: Duration = Duration::from_secs(90 * 86_400);

/// A source's tables and where they go.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineSpec {
    /// Its name in the file.
    pub name: String,
    /// The source.
    pub source: SourceSpec,
    /// Column that names the tenant.
    pub tenant: Option<String>,
    /// What each tenant may have of each sink; `None`: as much as it wants.
    pub tenant_quota: Option<TenantQuota>,
    /// In file order: the first that matches a table takes it.
    pub routes: Vec<RouteSpec>,
    /// How many rows of one cause may be parked before their table halts.
    pub max_dead_letters: u64,
    /// Bytes in flight between source and sinks.
    pub memory: usize,
    /// What is done at set times.
    pub schedule: Vec<TaskSpec>,
    /// How long records of comparisons stay.
    pub keep_reports: Duration,
    /// What is done about trouble without a person.
    pub recovery: RecoverySpec,
}

impl PipelineSpec {
    /// As a file with these routes and nothing else means it.
    pub fn new(name: &str, source: SourceSpec, routes: Vec<RouteSpec>) -> PipelineSpec {
        PipelineSpec {
            name: name.to_owned(),
            source,
            tenant: None,
            tenant_quota: None,
            routes,
            max_dead_letters: 1000,
            memory: 32 << 20,
            schedule: Vec::new(),
            keep_reports: KEEP_REPORTS,
            recovery: RecoverySpec::default(),
        }
    }
}

/// The source's part.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSpec {
    /// Connection name.
    pub connection: String,
    /// Patterns of `database.table`.
    pub tables: Vec<String>,
    /// Patterns that win over `tables`.
    pub exclude: Vec<String>,
    /// MySQL replica id; drawn once if absent.
    pub server_id: Option<u32>,
    /// Read existing rows first.
    pub backfill: bool,
    /// Rows per chunk.
    pub chunk_rows: usize,
    /// Chunks read at once.
    pub chunk_workers: usize,
    /// Rows per second at most; `None` for as fast as it goes.
    pub max_rows_per_second: Option<u64>,
}

impl SourceSpec {
    /// As a file with this connection, these tables and nothing else means it.
    pub fn new(connection: &str, tables: &[&str]) -> SourceSpec {
        SourceSpec {
            connection: connection.to_owned(),
            tables: tables.iter().map(|table| (*table).to_owned()).collect(),
            exclude: Vec::new(),
            server_id: None,
            backfill: true,
            chunk_rows: 10_000,
            chunk_workers: 2,
            max_rows_per_second: None,
        }
    }
}

/// One route.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteSpec {
    /// A name or a pattern.
    pub table: String,
    /// Source columns; `None` for the primary key.
    pub key: Option<Vec<String>>,
    /// All must let the row pass.
    pub filters: Vec<FilterSpec>,
    /// In order.
    pub transforms: Vec<TransformSpec>,
    /// These fields of the document and no others.
    pub only: Option<Vec<String>>,
    /// Source column whose date fills date patterns.
    pub partition_by: Option<String>,
    /// What to do when rows change without row events.
    pub on_schema_change: OnSchemaChange,
    /// Whether DROP TABLE empties the targets.
    pub on_drop_delete: bool,
    /// Whether foreign-key actions that the source does not log are accepted.
    pub accept_cascade: bool,
    /// Keep zero dates as text instead of null.
    pub zero_date_text: bool,
    /// Where it goes.
    pub targets: Vec<TargetSpec>,
}

impl RouteSpec {
    /// As a file with this table, these targets and nothing else means it.
    pub fn new(table: &str, targets: Vec<TargetSpec>) -> RouteSpec {
        RouteSpec {
            table: table.to_owned(),
            key: None,
            filters: Vec::new(),
            transforms: Vec::new(),
            only: None,
            partition_by: None,
            on_schema_change: OnSchemaChange::Reread,
            on_drop_delete: false,
            accept_cascade: false,
            zero_date_text: false,
            targets,
        }
    }
}

/// See SURFACE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSchemaChange {
    Reread,
    Continue,
    Halt,
}

/// One filter.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterSpec {
    /// Name under which dropped rows are counted.
    pub name: String,
    /// What passes.
    pub test: FilterTest,
}

/// What a filter looks at.
#[derive(Clone, Debug, PartialEq)]
pub enum FilterTest {
    /// Drops rows whose column's text is one of these; `None` is null.
    Exclude { field: String, values: Vec<Option<String>> },
    /// Keeps only rows whose column's text is one of these.
    Include { field: String, values: Vec<Option<String>> },
    /// Keeps only rows for which the expression is true.
    When(String),
}

/// One transform of a document field.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformSpec {
    /// Field of the document.
    pub field: String,
    /// What is done.
    pub action: TransformAction,
}

/// What a transform does.
#[derive(Clone, Debug, PartialEq)]
pub enum TransformAction {
    /// `from: column`: the field takes that field's value; the old name is gone.
    Rename { from: String },
    /// `drop: true`.
    Drop,
    /// `value: …`: the same JSON value in every document.
    Constant(serde_json::Value),
    /// `template: "{a}-{b}"` of source columns.
    Template(String),
    /// `split: ","`: text to array.
    Split(String),
    /// `type: json`: text that holds JSON becomes the value.
    Json,
    /// `type: date`, read with `format` (else ISO), in `zone`, written in UTC with `Z`.
    Date { format: Option<String>, zone: Option<String> },
    /// `type: integer`.
    Integer,
    /// `type: float`.
    Float,
    /// `type: boolean`.
    Boolean,
    /// `type: text`, with the analyzer of the search mapping.
    Text { analyzer: Option<String> },
    /// `type: keyword`.
    Keyword,
    /// `type: geojson`.
    GeoJson,
}

/// What a target is, from the word it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TargetKind {
    /// `index:`
    Search,
    /// `key:`
    Cache,
    /// `collection:`
    Document,
    /// `table:`
    Table,
    /// `path:`
    Archive,
    /// `topic:`
    Message,
    /// `url:`
    Webhook,
    /// `stdout: true`
    Stdout,
    /// `discard: true`
    Discard,
}

impl TargetKind {
    /// The word that makes it one in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Search => "index",
            Self::Cache => "key",
            Self::Document => "collection",
            Self::Table => "table",
            Self::Archive => "path",
            Self::Message => "topic",
            Self::Webhook => "url",
            Self::Stdout => "stdout",
            Self::Discard => "discard",
        }
    }

    /// Whether documents can be read back, so that they can be compared.
    pub fn reads_back(self) -> bool {
        self == Self::Archive || !self.keeps_lines()
    }

    /// Whether it keeps every change (lines) instead of the newest document per address.
    pub fn keeps_lines(self) -> bool {
        matches!(self, Self::Archive | Self::Message | Self::Webhook | Self::Stdout | Self::Discard)
    }
}

/// One target of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetSpec {
    /// Connection name; `stdout` and `discard` for those two.
    pub connection: String,
    /// What it is.
    pub kind: TargetKind,
    /// The word's value, a template: index, key, collection, path… (empty for stdout and discard).
    pub template: String,
    /// `id:` template; `{key}` if absent.
    pub id: Option<String>,
    /// Lifetime of cache entries.
    pub ttl: Option<Duration>,
    /// Lifetime of tombstones (default a day).
    pub tombstone_ttl: Option<Duration>,
    /// `format: hash` instead of JSON text.
    pub hash: bool,
    /// `invalidate: true`: only deletes.
    pub invalidate: bool,
    /// Index settings.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Mapping per field.
    pub mapping: BTreeMap<String, serde_json::Value>,
    /// The index that is made for the name if there is none; the name's first generation if absent.
    pub first_index: Option<String>,
}

impl TargetSpec {
    /// As a file with this word and nothing else means it.
    pub fn new(connection: &str, kind: TargetKind, template: &str) -> TargetSpec {
        TargetSpec {
            connection: connection.to_owned(),
            kind,
            template: template.to_owned(),
            id: None,
            ttl: None,
            tombstone_ttl: None,
            hash: false,
            invalidate: false,
            settings: serde_json::Map::new(),
            mapping: BTreeMap::new(),
            first_index: None,
        }
    }
}
