//! SQLite as a target: search index, cache and document store in one file, told apart by the word a route gives them.
//! The file's layout is `layout.rs`, what is written per role `write.rs`, the query `search.rs`. Retries are the engine's.

mod layout;
mod mark;
mod scan;
mod search;
#[cfg(test)]
mod tests;
mod texts;
mod write;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use serde_json::value::RawValue;
use syncline_engine::clock::now_millis;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::mark::Marks;
use syncline_engine::route::{Scope, TargetKind, TargetPlan};
use syncline_engine::schema::TableSchema;
use syncline_engine::shown::Shown;
use syncline_engine::sink::{Address, Body, Delivery, Feeding, Held, Look, Outcome, Sink};
use syncline_engine::version::Version;
use tokio::sync::mpsc;

use crate::connection::ConnectionSpec;
use crate::sqlite::file;

/// How long another program's lock is waited for.
const BUSY: Duration = Duration::from_secs(10);
/// Deliveries and bytes of one transaction.
const ITEMS: usize = 5000;
const BYTES: usize = 16 << 20;

/// The sink of one file.
pub struct SqliteSink {
    shared: Arc<Shared>,
    feeding: Feeding,
}

struct Shared {
    pipeline: String,
    path: PathBuf,
    kinds: Vec<TargetKind>,
    state: Mutex<State>,
    /// As the last transaction left them.
    shown: Shown,
}

#[derive(Default)]
struct State {
    open: Option<Connection>,
    /// The file that is open.
    file: Option<file::Inode>,
    /// A write to the disk failed: nobody knows what of the WAL it holds.
    suspect: bool,
    /// When expired entries were last removed.
    purged_at: i64,
    binary: texts::BinaryFields,
}

/// A document that a query found.
pub struct Hit {
    pub id: String,
    pub score: f64,
    pub document: Box<RawValue>,
}

/// One delivery as a thread of its own can have it.
pub(crate) struct Item {
    plan: Arc<TargetPlan>,
    address: Address,
    body: Body,
    version: Version,
}

impl SqliteSink {
    /// Reads the configuration; opens nothing yet. `kinds`: the roles it plays.
    pub fn new(connection: &ConnectionSpec, pipeline: &str, kinds: &[TargetKind]) -> Result<SqliteSink> {
        let (items, bytes) = (connection.options.batch_items, connection.options.batch_bytes);
        let feeding = Feeding::Lanes {
            lanes: 1,
            max_items: items.unwrap_or(ITEMS).max(1),
            max_bytes: bytes.unwrap_or(BYTES).max(1),
        };
        let shared = Shared {
            pipeline: pipeline.to_owned(),
            path: file::path(connection)?,
            kinds: kinds.to_vec(),
            state: Mutex::default(),
            shown: Shown::default(),
        };
        Ok(SqliteSink { shared: Arc::new(shared), feeding })
    }

    /// The best `limit` documents of an index for a query in FTS5's syntax; `*` in `index` stands for any characters.
    pub async fn search(&self, index: &str, query: &str, limit: usize) -> Result<Vec<Hit>> {
        let (index, query) = (index.to_owned(), query.to_owned());
        self.with(move |shared, state| {
            let Some(c) = shared.existing(state)? else {
                return Err(Error::new(Code::Unknown, format!("there is no {}", shared.path.display())));
            };
            search::search(c, &index, &query, limit, &shared.path)
        })
        .await
    }

    /// Runs blocking work on the one connection, away from the async threads.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared, &mut State) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        let run = move || {
            let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            let result = work(&shared, &mut state);
            if result.is_err() {
                // A fresh connection finds out what is the matter.
                state.open = None;
            }
            result
        };
        tokio::task::spawn_blocking(run).await.map_err(|e| {
            Error::new(Code::SqliteSinkWrite, "a write to the SQLite target stopped in the middle").cause(e)
        })?
    }
}

impl Shared {
    /// The connection, made with its file if there is none.
    fn open<'s>(&self, state: &'s mut State) -> Result<&'s mut Connection> {
        let c = match state.open.take() {
            Some(c) => c,
            None => {
                let c = file::open_or_make(&self.path, BUSY)
                    .and_then(|c| layout::prepare(c, state.suspect))
                    .map_err(|e| self.failed(&e))?;
                state.suspect = false;
                state.file = Some(file::Inode::of(&self.path));
                c
            }
        };
        Ok(state.open.insert(c))
    }

    /// The connection, if the file is there: looking makes no file.
    fn existing<'s>(&self, state: &'s mut State) -> Result<Option<&'s mut Connection>> {
        if state.open.is_none() && !self.path.exists() {
            return Ok(None);
        }
        self.open(state).map(Some)
    }

    /// SQLite's error as ours.
    fn failed(&self, error: &rusqlite::Error) -> Error {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let code = match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Code::SqliteSinkLayout,
            _ => Code::SqliteSinkWrite,
        };
        Error::new(code, format!("{} cannot be used", self.path.display())).cause(error)
    }

    fn stopped(&self, stop: layout::Stop) -> Error {
        match stop {
            layout::Stop::Sqlite(error) => self.failed(&error),
            layout::Stop::Layout(error) => error,
        }
    }

    /// What is wrong with the file as it is now. Makes and changes nothing.
    fn findings(&self) -> Result<Vec<Error>> {
        let shown = self.path.display();
        let finding = |what: String| vec![Error::new(Code::SqliteSinkLayout, what)];
        if !self.path.exists() {
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            return Ok(match folder {
                Some(folder) if !folder.is_dir() => {
                    let what = format!("{shown} cannot be made: there is no folder {}", folder.display());
                    finding(what)
                }
                _ => Vec::new(),
            });
        }
        let c = file::open(&self.path, BUSY).map_err(|e| self.failed(&e))?;
        if c.is_readonly(rusqlite::MAIN_DB).map_err(|e| self.failed(&e))? {
            return Ok(finding(format!("{shown} cannot be written")));
        }
        let looked = self.kinds.iter().filter_map(|kind| layout::check(&c, *kind, &self.path).err());
        Ok(looked.map(|stop| self.stopped(stop)).collect())
    }

    /// The last row to walk; `None` if the file holds nothing of the role.
    fn last_row(&self, state: &mut State, kind: TargetKind, walk: &scan::Walk) -> Result<Option<i64>> {
        let Some(c) = self.existing(state)? else { return Ok(None) };
        layout::check(c, kind, &self.path).map_err(|stop| self.stopped(stop))?;
        walk.end(c).map_err(|e| self.failed(&e))
    }

    fn apply(&self, state: &mut State, items: &[Item]) -> Result<Vec<Outcome>> {
        self.open(state)?;
        let State { open, suspect, purged_at, binary, .. } = state;
        let Some(c) = open else { return Err(Error::new(Code::Internal, "the connection is not there")) };
        let now = now_millis();
        let result = write::apply(c, &self.pipeline, items, now, binary);
        let (outcomes, marks) = result.map_err(|stop| match stop {
            write::Stop::Sqlite(error) => {
                *suspect |= error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure);
                self.failed(&error)
            }
            write::Stop::Foreign(what) => {
                Error::new(Code::SqliteSinkForeign, format!("{}: {what}", self.path.display()))
            }
        })?;
        self.shown.answered(marks);
        if items.iter().any(|item| item.plan.spec.kind == TargetKind::Cache)
            && now - *purged_at >= write::PURGE_MILLIS
        {
            *purged_at = now;
            write::purge(c, now).map_err(|e| self.failed(&e))?;
        }
        Ok(outcomes)
    }
}

#[async_trait]
impl Sink for SqliteSink {
    fn feeding(&self) -> Feeding {
        self.feeding
    }

    async fn prepare(&self, plan: &Arc<TargetPlan>, schema: &TableSchema) -> Result<()> {
        let binary = texts::binary_fields(plan, schema)?;
        let plan = Arc::clone(plan);
        self.with(move |shared, state| {
            let c = shared.open(state)?;
            layout::make(c, plan.spec.kind, &shared.path).map_err(|stop| shared.stopped(stop))?;
            state.binary.set(plan.id, binary);
            Ok(())
        })
        .await
    }

    async fn apply(&self, deliveries: &[Delivery]) -> Result<Vec<Outcome>> {
        let item = |delivery: &Delivery| Item {
            plan: Arc::clone(&delivery.plan),
            address: delivery.address.clone(),
            body: delivery.body.clone(),
            version: delivery.version,
        };
        let items: Vec<Item> = deliveries.iter().map(item).collect();
        self.with(move |shared, state| shared.apply(state, &items)).await
    }

    async fn probe(&self) -> Result<()> {
        self.with(|shared, state| {
            let c = shared.open(state)?;
            layout::probe(c).map_err(|e| shared.failed(&e))
        })
        .await
    }

    async fn ping(&self) -> Result<()> {
        self.with(|shared, state| match shared.existing(state)? {
            Some(c) => layout::ping(c).map_err(|e| shared.failed(&e)),
            None => Ok(()),
        })
        .await
    }

    async fn check(&self) -> Result<Vec<Error>> {
        self.with(|shared, _| Ok(shared.findings().unwrap_or_else(|error| vec![error]))).await
    }

    /// A file that was moved over the one that is open, or deleted, is noticed here.
    async fn marks(&self, _known: &Marks) -> Result<Marks> {
        self.with(|shared, state| {
            if state.file.as_ref().is_some_and(|file| *file != file::Inode::of(&shared.path)) {
                (state.open, state.file) = (None, None);
            }
            let marks = match shared.existing(state)? {
                Some(c) => mark::read(c, &shared.pipeline).map_err(|e| shared.failed(&e))?,
                None => Marks::default(),
            };
            shared.shown.asked(&shared.shown.seen(), marks.clone());
            Ok(marks)
        })
        .await
    }

    fn acknowledged(&self) -> Marks {
        self.shared.shown.marks()
    }

    async fn close(&self) -> Result<()> {
        self.with(|shared, state| {
            let Some(c) = state.open.take() else { return Ok(()) };
            c.close().map_err(|(_, e)| shared.failed(&e))
        })
        .await
    }

    async fn scan(&self, scope: &Scope, look: Look, pages: &mpsc::Sender<Vec<Held>>) -> Result<()> {
        let walk = scan::Walk::new(scope, look);
        let (kind, first) = (scope.plan.spec.kind, walk.clone());
        let end = self.with(move |shared, state| shared.last_row(state, kind, &first)).await?;
        let Some(end) = end else { return Ok(()) };
        let mut after = Some(i64::MIN);
        while let Some(row) = after.filter(|_| !pages.is_closed()) {
            let walk = walk.clone();
            let step = self.with(move |shared, state| {
                let Some(c) = shared.existing(state)? else { return Ok(scan::Step::default()) };
                walk.step(c, row, end, now_millis()).map_err(|e| shared.failed(&e))
            });
            let step = step.await?;
            if !step.held.is_empty() && pages.send(step.held).await.is_err() {
                break;
            }
            after = step.last;
        }
        Ok(())
    }

    async fn displace(&self, plan: &TargetPlan, held: &[Held]) -> Result<Vec<bool>> {
        let (kind, held) = (plan.spec.kind, held.to_vec());
        self.with(move |shared, state| {
            let Some(c) = shared.existing(state)? else { return Ok(vec![false; held.len()]) };
            write::displace(c, kind, &held).map_err(|e| shared.failed(&e))
        })
        .await
    }

    async fn tombstones(&self, plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Version>>> {
        let (kind, addresses) = (plan.spec.kind, addresses.to_vec());
        self.with(move |shared, state| {
            let Some(c) = shared.existing(state)? else { return Ok(vec![None; addresses.len()]) };
            scan::tombstones(c, kind, &addresses).map_err(|e| shared.failed(&e))
        })
        .await
    }

    async fn read(&self, plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Held>>> {
        let (kind, addresses) = (plan.spec.kind, addresses.to_vec());
        self.with(move |shared, state| {
            let Some(c) = shared.existing(state)? else { return Ok(vec![None; addresses.len()]) };
            scan::read(c, kind, &addresses, now_millis()).map_err(|e| shared.failed(&e))
        })
        .await
    }
}
