//! Source `sqlite:PATH`: changes recorded by triggers in the user's own file, whoever writes it, and read from there. What
//! is kept in the file is `layout.rs`, how it is recorded `triggers.rs`, how it is read `log.rs` and `stream.rs`; rows beside
//! the stream are `reader.rs`. Windows, retries and checkpoints are the engine's.

mod bound;
mod catalog;
mod check;
mod index_sql;
mod install;
mod layout;
mod log;
mod named;
mod prune;
mod reader;
mod recent;
mod schemas;
mod stream;
#[cfg(test)]
mod tests;
mod token;
mod triggers;
mod values;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::Ledger;
use syncline_engine::position::StoredPosition;
use syncline_engine::route::{Pattern, PipelineSpec, Selection};
use syncline_engine::schema::TableSchema;
use syncline_engine::source::{CaptureStream, HighMark, Recent, Source, TableReader};
use tokio::sync::mpsc;

use crate::connection::ConnectionSpec;
use crate::sqlite::file;

/// How long a statement waits for another program's lock before it is tried again later.
const BUSY: Duration = Duration::from_secs(5);

/// The source of one pipeline.
pub struct SqliteSource {
    shared: Arc<Shared>,
}

/// What streams, readers and the source share.
struct Shared {
    path: PathBuf,
    pipeline: String,
    selection: Selection,
    /// Per route: its pattern, and whether it names a key.
    routes: Vec<(Pattern, bool)>,
    ledger: Arc<dyn Ledger>,
    schemas: schemas::Schemas,
    pruner: prune::Pruner,
    /// The epoch of the last stream.
    epoch: Mutex<Option<u16>>,
    consumer: OnceLock<String>,
}

impl SqliteSource {
    /// Reads the configuration; opens nothing yet.
    pub fn new(
        connection: &ConnectionSpec,
        pipeline: &PipelineSpec,
        ledger: Arc<dyn Ledger>,
    ) -> Result<SqliteSource> {
        let route = |route: &syncline_engine::route::RouteSpec| {
            Ok((Pattern::parse(&route.table)?, route.key.is_some()))
        };
        let shared = Shared {
            path: file::path(connection)?,
            pipeline: pipeline.name.clone(),
            selection: Selection::parse(&pipeline.source.tables, &pipeline.source.exclude)?,
            routes: pipeline.routes.iter().map(route).collect::<Result<_>>()?,
            ledger,
            schemas: schemas::Schemas::default(),
            pruner: prune::Pruner::default(),
            epoch: Mutex::default(),
            consumer: OnceLock::new(),
        };
        Ok(SqliteSource { shared: Arc::new(shared) })
    }
}

impl Shared {
    /// Runs blocking work away from the async threads.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&shared)).await.map_err(|e| {
            Error::new(Code::SqliteQuery, "a read of the SQLite file stopped in the middle").cause(e)
        })?
    }

    fn open(&self) -> Result<Connection> {
        file::open(&self.path, BUSY).map_err(|e| self.failed(&e))
    }

    /// SQLite's error as ours.
    fn failed(&self, error: &rusqlite::Error) -> Error {
        let shown = self.path.display();
        match file::is_unfit(error) {
            true => Error::new(Code::SqliteOpen, format!("{shown} cannot be used")).cause(error),
            false => Error::new(Code::SqliteQuery, format!("{shown}: a statement failed")).cause(error),
        }
    }

    fn stopped(&self, stop: log::Stop) -> Error {
        match stop {
            log::Stop::Gap(what) => self.gap(&what),
            log::Stop::Sqlite(error) => self.failed(&error),
        }
    }

    fn gap(&self, what: &str) -> Error {
        Error::new(Code::SqliteGap, format!("{}: {what}", self.path.display()))
    }

    /// Whether the pipeline captures `main.table`; SQLite compares names without case.
    fn wants(&self, table: &str) -> bool {
        self.selection.takes(table, true)
    }

    /// Why rows of the table cannot be told apart, if a route takes it.
    fn lacks_key(&self, schema: &TableSchema) -> Option<Error> {
        let (_, named) = self.routes.iter().find(|(pattern, _)| pattern.matches(&schema.name, true))?;
        (!named && schema.primary_key.is_empty()).then(|| {
            Error::new(Code::SqliteNoKey, format!("{} has no primary key", schema.name)).fix(format!(
                "add a primary key, or name the columns that tell its rows apart: `key: [..]` in the route of {}",
                schema.name
            ))
        })
    }

    /// The epoch that versions carry: the stream's, or the ledger's before there is one.
    async fn epoch(&self) -> Result<u16> {
        let known = *self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        match known {
            Some(epoch) => Ok(epoch),
            None => self.fresh_epoch().await,
        }
    }

    async fn fresh_epoch(&self) -> Result<u16> {
        let epoch = self.ledger.pipeline(&self.pipeline).await?.epoch;
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = Some(epoch);
        Ok(epoch)
    }

    /// The name under which this pipeline of this ledger holds on to changes it has not taken.
    async fn consumer(self: &Arc<Self>) -> Result<String> {
        const PROPERTY: &str = "sqlite_consumer";
        if let Some(name) = self.consumer.get() {
            return Ok(name.clone());
        }
        let name = match self.ledger.property(&self.pipeline, PROPERTY).await? {
            Some(name) => name,
            None => {
                let random = self.blocking(|shared| {
                    let sql = "SELECT lower(hex(randomblob(6)))";
                    shared
                        .open()?
                        .query_row(sql, [], |r| r.get::<_, String>(0))
                        .map_err(|e| shared.failed(&e))
                });
                let name = format!("{}-{}", self.pipeline, random.await?);
                self.ledger.set_property(&self.pipeline, PROPERTY, &name).await?;
                name
            }
        };
        Ok(self.consumer.get_or_init(|| name).clone())
    }
}

#[async_trait]
impl Source for SqliteSource {
    async fn tables(&self) -> Result<Vec<Arc<TableSchema>>> {
        let read = |shared: &Shared| {
            let c = shared.open()?;
            let tables = catalog::tables(&c, &|name| shared.wants(name)).map_err(|e| shared.failed(&e))?;
            let fit = tables.into_iter().filter(|table| table.unfit.is_none());
            Ok(fit.map(|table| shared.schemas.known(table.schema)).collect())
        };
        self.shared.blocking(read).await
    }

    async fn stream(&self, from: Option<&StoredPosition>) -> Result<Box<dyn CaptureStream>> {
        let from = from.map(token::Token::read).transpose()?;
        let epoch = self.shared.fresh_epoch().await?;
        let consumer = self.shared.consumer().await?;
        let shared = Arc::clone(&self.shared);
        let open = move |_: &Shared| stream::Stream::open(shared, from, epoch, &consumer);
        Ok(Box::new(self.shared.blocking(open).await?))
    }

    fn reader(&self) -> Arc<dyn TableReader> {
        Arc::new(reader::Reader { shared: Arc::clone(&self.shared) })
    }

    async fn mark(&self) -> Result<Box<dyn HighMark>> {
        let epoch = self.shared.epoch().await?;
        let read = move |shared: &Shared| {
            let c = shared.open()?;
            let last = layout::exists(&c).and_then(|made| if made { layout::last(&c) } else { Ok(0) });
            last.map_err(|e| shared.failed(&e))
        };
        let last = self.shared.blocking(read).await?;
        Ok(Box::new(token::Mark(token::version_after(epoch, last))))
    }

    async fn recent(&self, since: i64, pieces: &mpsc::Sender<Recent>) -> Result<()> {
        let (shared, epoch) = (Arc::clone(&self.shared), self.shared.epoch().await?);
        let pieces = pieces.clone();
        self.shared.blocking(move |_| recent::read(&shared, epoch, since, &pieces)).await
    }

    async fn position(&self, text: &str, known: &StoredPosition) -> Result<StoredPosition> {
        let (text, known) = (text.to_owned(), known.clone());
        self.shared.blocking(move |shared| named::position(shared, &text, &known)).await
    }

    async fn acknowledge(&self, position: &StoredPosition) -> Result<()> {
        let token = token::Token::read(position)?;
        if !self.shared.pruner.acknowledged(token) {
            return Ok(());
        }
        let consumer = self.shared.consumer().await?;
        self.shared.blocking(move |shared| shared.pruner.run(shared, &consumer)).await
    }

    async fn check(&self) -> Result<Vec<Error>> {
        self.shared.blocking(|shared| Ok(check::findings(shared))).await
    }
}
