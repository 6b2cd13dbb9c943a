//! The one list of connectors: which URL scheme can play which role, and who builds it. A scheme that this binary was
//! built without names the feature that brings it.

use std::sync::Arc;

use async_trait::async_trait;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::Ledger;
use syncline_engine::route::{PipelineSpec, TargetKind};
use syncline_engine::sink::Sink;
use syncline_engine::source::Source;

use crate::connection::ConnectionSpec;
use crate::notice::Notifier;

/// Roles a connection can play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `source:`
    Source,
    /// A route's target.
    Target(TargetKind),
}

/// Whether the connection's scheme can play the role in this binary; the error says what can, or which feature is lacking.
pub fn supports(connection: &ConnectionSpec, role: Role) -> Result<()> {
    if matches!(
        (connection.scheme(), role),
        ("stdout", Role::Target(TargetKind::Stdout)) | ("discard", Role::Target(TargetKind::Discard))
    ) {
        return Ok(());
    }
    let (name, scheme) = (&connection.name, connection.scheme());
    let wrong = |text: String| Error::new(Code::ConfigConnection, text);
    let Some((_, roles)) = SCHEMES.iter().find(|(known, _)| *known == scheme) else {
        let all: Vec<&str> = SCHEMES.iter().map(|(known, _)| *known).collect();
        let text = format!("connection `{name}`: `{scheme}:` is not a scheme this program knows");
        return Err(wrong(text).fix(format!("use one of {}", all.join(", "))));
    };
    match roles.iter().find(|(known, _)| *known == role) {
        Some((_, true)) => match feature_of(scheme) {
            Some(feature) if !built_in(feature) => {
                let text = format!("connection `{name}`: this binary was built without `{scheme}:`");
                Err(Error::new(Code::ConfigFeature, text).fix(format!("build with --features {feature}")))
            }
            _ => Ok(()),
        },
        Some((_, false)) => {
            let text =
                format!("connection `{name}`: `{scheme}:` cannot be {} in this version yet", role.name());
            Err(Error::new(Code::ConfigLater, text))
        }
        None => {
            let fits = |(_, roles): &&(&str, &[(Role, bool)])| roles.contains(&(role, true));
            let can: Vec<&str> = SCHEMES.iter().filter(fits).map(|(scheme, _)| *scheme).collect();
            let text = format!("connection `{name}`: `{scheme}:` cannot be {}", role.name());
            Err(wrong(text).fix(format!("use one of {}", can.join(", "))))
        }
    }
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Source => "a source",
            Role::Target(TargetKind::Search) => "a search target (`index:`)",
            Role::Target(TargetKind::Cache) => "a cache target (`key:`)",
            Role::Target(TargetKind::Document) => "a document target (`collection:`)",
            Role::Target(TargetKind::Table) => "a SQL target (`table:`)",
            Role::Target(TargetKind::Archive) => "an archive target (`path:`)",
            Role::Target(TargetKind::Message) => "a message target (`topic:`)",
            Role::Target(TargetKind::Webhook) => "a webhook target (`url:`)",
            Role::Target(TargetKind::Stdout | TargetKind::Discard) => "stdout",
        }
    }
}

const SEARCH: Role = Role::Target(TargetKind::Search);
const CACHE: Role = Role::Target(TargetKind::Cache);
const DOCUMENT: Role = Role::Target(TargetKind::Document);
const TABLE: Role = Role::Target(TargetKind::Table);
const ARCHIVE: Role = Role::Target(TargetKind::Archive);
const MESSAGE: Role = Role::Target(TargetKind::Message);
const WEBHOOK: Role = Role::Target(TargetKind::Webhook);

/// Schemes and their roles; `false`: the role is planned, this version does not have it.
const SCHEMES: &[(&str, &[(Role, bool)])] = &[
    ("mysql", &[(Role::Source, true), (TABLE, false)]),
    ("sqlite", &[(Role::Source, true), (SEARCH, true), (CACHE, true), (DOCUMENT, true), (TABLE, false)]),
    ("opensearch", &[(SEARCH, true)]),
    ("elasticsearch", &[(SEARCH, true)]),
    ("redis", &[(CACHE, true), (Role::Source, false)]),
    ("rediss", &[(CACHE, true), (Role::Source, false)]),
    ("redis-sentinel", &[(CACHE, true), (Role::Source, false)]),
    ("redis-cluster", &[(CACHE, true), (Role::Source, false)]),
    ("file", &[(ARCHIVE, true)]),
    ("s3", &[(ARCHIVE, true)]),
    ("postgres", &[(TABLE, false), (Role::Source, false)]),
    ("kafka", &[(Role::Source, false), (MESSAGE, false)]),
    ("mongodb", &[(DOCUMENT, false), (Role::Source, false)]),
    ("http", &[(WEBHOOK, true)]),
    ("https", &[(WEBHOOK, true)]),
];

/// Features, and whether they are part of this binary.
const FEATURES: &[(&str, bool)] = &[
    ("mysql", cfg!(feature = "mysql")),
    ("sqlite", cfg!(feature = "sqlite")),
    ("search", cfg!(feature = "search")),
    ("redis", cfg!(feature = "redis")),
    ("archive", cfg!(feature = "archive")),
    ("s3", cfg!(feature = "s3")),
    ("webhook", cfg!(feature = "webhook")),
];

fn built_in(feature: &str) -> bool {
    FEATURES.contains(&(feature, true))
}

/// Builds a pipeline's source. Connects to nothing yet.
pub fn source(
    connection: &ConnectionSpec,
    pipeline: &PipelineSpec,
    ledger: Arc<dyn Ledger>,
) -> Result<Arc<dyn Source>> {
    supports(connection, Role::Source)?;
    match connection.scheme() {
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(crate::sqlite::source::SqliteSource::new(connection, pipeline, ledger)?)),
        #[cfg(feature = "mysql")]
        "mysql" => Ok(Arc::new(crate::mysql::MysqlSource::new(connection, pipeline, ledger)?)),
        _ => {
            let _ = (pipeline, ledger);
            Err(Error::new(Code::Internal, "no connector"))
        }
    }
}

/// Builds the sink of one connection for one pipeline. Connects to nothing yet. `kinds`: what its targets are.
/// `stdout` and `discard` stand on [`ConnectionSpec::built_in`].
pub fn sink(
    connection: &ConnectionSpec,
    pipeline: &PipelineSpec,
    kinds: &[TargetKind],
) -> Result<Arc<dyn Sink>> {
    let _ = pipeline;
    for kind in kinds {
        supports(connection, Role::Target(*kind))?;
    }
    match connection.scheme() {
        "stdout" => Ok(Arc::new(crate::console::StdoutSink::default())),
        "discard" => Ok(Arc::new(crate::console::DiscardSink::default())),
        #[cfg(feature = "search")]
        "elasticsearch" | "opensearch" => Ok(Arc::new(crate::search::SearchSink::new(connection, pipeline)?)),
        #[cfg(feature = "archive")]
        "file" | "s3" => Ok(Arc::new(crate::archive::sink(connection, pipeline)?)),
        #[cfg(feature = "redis")]
        "redis" | "rediss" | "redis-sentinel" | "redis-cluster" => {
            Ok(Arc::new(crate::redis::sink(connection, pipeline)?))
        }
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(crate::sqlite::sink::SqliteSink::new(connection, &pipeline.name, kinds)?)),
        #[cfg(feature = "webhook")]
        "http" | "https" => Ok(Arc::new(crate::webhook::sink(connection, pipeline)?)),
        _ => Err(no_sink(connection)),
    }
}

/// Builds who sends Syncline's own messages to a connection. `path` is added to its URL. Connects to nothing yet.
pub fn notifier(connection: &ConnectionSpec, path: &str) -> Result<Arc<dyn Notifier>> {
    supports(connection, Role::Target(TargetKind::Webhook))?;
    match connection.scheme() {
        #[cfg(feature = "webhook")]
        "http" | "https" => Ok(Arc::new(crate::webhook::notifier(connection, path)?)),
        _ => {
            let _ = path;
            Err(no_sink(connection))
        }
    }
}

/// What stands behind the alias of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// The index that the alias stands for.
    pub live: String,
    /// What the next one is called; there is none of that name.
    pub next: String,
    /// The pipelines that have written there.
    pub writers: Vec<String>,
}

/// The indices that one name has stood for and will stand for, at one connection.
#[async_trait]
pub trait Generations: Send + Sync {
    /// What the alias stands for now, and what comes next.
    async fn look(&self, alias: &str) -> Result<Generation>;
    /// The index that the alias stands for; `None` if there is no such alias.
    async fn live(&self, alias: &str) -> Result<Option<String>>;
    /// From now on the alias stands for this index. Atomic: every search asks one of the two, as a whole.
    async fn swap(&self, alias: &str, to: &str) -> Result<()>;
    /// Deletes an index, unless the alias stands for it; one that is gone is deleted.
    async fn delete(&self, alias: &str, index: &str) -> Result<()>;
    /// An index that no alias stands for gets a name by which it is written to. One that is gone is an error.
    async fn name(&self, index: &str, name: &str) -> Result<()>;
    /// Takes that name away again; it may be gone.
    async fn unname(&self, index: &str, name: &str) -> Result<()>;
}

/// Of a connection whose targets are names that can stand for another index; `None` for all others.
pub fn generations(connection: &ConnectionSpec) -> Result<Option<Box<dyn Generations>>> {
    match connection.scheme() {
        #[cfg(feature = "search")]
        "elasticsearch" | "opensearch" => {
            Ok(Some(Box::new(crate::search::SearchGenerations::new(connection)?)))
        }
        _ => Ok(None),
    }
}

/// What can be said about a connection without its peer. The others are read when their source or sink is built.
pub fn lint(connection: &ConnectionSpec) -> Result<()> {
    match connection.scheme() {
        #[cfg(feature = "webhook")]
        "http" | "https" => crate::webhook::lint(connection),
        _ => Ok(()),
    }
}

/// A document that a query found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Hit {
    pub id: String,
    /// How well it fits; `None` when the query does not score.
    pub score: Option<f64>,
    /// The document as it was written.
    pub document: Box<serde_json::value::RawValue>,
}

/// Asks a search index of a pipeline for the best `limit` documents. `index` may hold wildcards where dates would stand.
pub async fn search(
    connection: &ConnectionSpec,
    pipeline: &PipelineSpec,
    index: &str,
    query: &str,
    limit: usize,
) -> Result<Vec<Hit>> {
    supports(connection, Role::Target(TargetKind::Search))?;
    match connection.scheme() {
        #[cfg(feature = "search")]
        "elasticsearch" | "opensearch" => {
            crate::search::SearchSink::new(connection, pipeline)?.search(index, query, limit).await
        }
        #[cfg(feature = "sqlite")]
        "sqlite" => {
            let sink = crate::sqlite::sink::SqliteSink::new(connection, "", &[TargetKind::Search])?;
            let hits = sink.search(index, query, limit).await?.into_iter();
            Ok(hits.map(|h| Hit { id: h.id, score: Some(h.score), document: h.document }).collect())
        }
        _ => {
            let _ = (pipeline, index, query, limit);
            Err(no_sink(connection))
        }
    }
}

/// Why nothing takes this connection as a sink.
fn no_sink(connection: &ConnectionSpec) -> Error {
    let (name, scheme) = (&connection.name, connection.scheme());
    match feature_of(scheme) {
        Some(feature) => {
            let what = format!("connection `{name}`: this binary was built without `{scheme}:`");
            Error::new(Code::ConfigFeature, what).fix(format!("build with --features {feature}"))
        }
        None => {
            Error::new(Code::ConfigConnection, format!("connection `{name}`: `{scheme}:` cannot be a target"))
        }
    }
}

/// The feature that brings a scheme this program knows.
fn feature_of(scheme: &str) -> Option<&'static str> {
    Some(match scheme {
        "redis" | "rediss" | "redis-sentinel" | "redis-cluster" => "redis",
        "file" => "archive",
        "s3" => "s3",
        "sqlite" => "sqlite",
        "elasticsearch" | "opensearch" => "search",
        "mysql" => "mysql",
        "http" | "https" => "webhook",
        _ => return None,
    })
}

/// Opens the ledger in the data folder (created if absent), locked against a second process.
pub fn ledger(data: &std::path::Path) -> Result<Arc<dyn Ledger>> {
    #[cfg(feature = "sqlite")]
    return Ok(Arc::new(crate::sqlite::ledger::SqliteLedger::exclusive(data)?));
    #[cfg(not(feature = "sqlite"))]
    Err(no_ledger(data))
}

/// Opens the ledger without the lock, beside a running process or without one: for looking, and for short writes such as
/// `dlq discard`. `None` if the data folder has no ledger yet.
pub fn ledger_shared(data: &std::path::Path) -> Result<Option<Arc<dyn Ledger>>> {
    #[cfg(feature = "sqlite")]
    return Ok(
        crate::sqlite::ledger::SqliteLedger::shared(data)?.map(|ledger| Arc::new(ledger) as Arc<dyn Ledger>)
    );
    #[cfg(not(feature = "sqlite"))]
    Err(no_ledger(data))
}

#[cfg(not(feature = "sqlite"))]
fn no_ledger(data: &std::path::Path) -> Error {
    Error::new(Code::ConfigFeature, format!("{} needs the ledger", data.display()))
        .fix("build with --features sqlite")
}
