//! What source, streams and readers of one pipeline share: configuration, which tables are meant and by which key, the
//! ledger, and who the stream's server is.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::time::{Duration, Instant};

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::Ledger;
use syncline_engine::position::StoredPosition;
use syncline_engine::route::{Pattern, PipelineSpec, RouteTable, Selection};
use syncline_engine::schema::TableSchema;
use syncline_engine::version::Version;
use tokio::sync::Notify;

use super::client::{self, Session};
use super::config::MysqlConfig;
use super::schema::{TableDetail, TableName};
use super::server::Identity;

const SELECTION: &str = "mysql.selection";
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// One pipeline's view of its source.
pub struct Context {
    pub config: MysqlConfig,
    pub pipeline: String,
    pub selection: Selection,
    pub ledger: Arc<dyn Ledger>,
    pub server_id: Option<u32>,
    routes: Vec<RouteKey>,
    /// What addresses are made of.
    table: RouteTable,
    /// `tables` and `exclude` as JSON.
    patterns: String,
    /// The server that the newest stream reads from.
    identity: Mutex<Option<Identity>>,
    revive: Mutex<Revive>,
    any_asked: AtomicBool,
    pruned: Mutex<Option<Instant>>,
    acknowledged: AtomicU64,
    /// Told when a table is asked back.
    pub asked: Notify,
    /// Told when one is back.
    pub revived: Notify,
}

struct RouteKey {
    pattern: Pattern,
    key: Option<Vec<String>>,
    accept_cascade: bool,
}

#[derive(Default)]
struct Revive {
    halted: BTreeSet<TableName>,
    asked: BTreeSet<TableName>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    pub fn new(config: MysqlConfig, spec: &PipelineSpec, ledger: Arc<dyn Ledger>) -> Result<Context> {
        let route = |route: &syncline_engine::route::RouteSpec| {
            Ok(RouteKey {
                pattern: Pattern::parse(&route.table)?,
                key: route.key.clone(),
                accept_cascade: route.accept_cascade,
            })
        };
        let targets = spec.routes.iter().flat_map(|route| &route.targets);
        let sinks: Vec<String> = targets.map(|target| target.connection.clone()).collect();
        Ok(Context {
            table: RouteTable::new(spec, &sinks)?,
            config,
            pipeline: spec.name.clone(),
            selection: Selection::parse(&spec.source.tables, &spec.source.exclude)?,
            ledger,
            server_id: spec.source.server_id,
            routes: spec.routes.iter().map(route).collect::<Result<_>>()?,
            patterns: serde_json::json!([spec.source.tables, spec.source.exclude]).to_string(),
            identity: Mutex::default(),
            revive: Mutex::default(),
            any_asked: AtomicBool::new(false),
            pruned: Mutex::default(),
            acknowledged: AtomicU64::new(0),
            revived: Notify::new(),
            asked: Notify::new(),
        })
    }

    fn route(&self, table: &str, folds: bool) -> Option<&RouteKey> {
        self.routes.iter().find(|r| r.pattern.matches(table, folds))
    }

    /// The columns by which the table's documents are told apart; `None` if no route takes the table.
    pub fn key_of<'a>(
        &'a self,
        name: &TableName,
        detail: &'a TableDetail,
        folds: bool,
    ) -> Option<&'a [String]> {
        let route = self.route(&name.to_string(), folds)?;
        Some(route.key.as_deref().unwrap_or(&detail.primary_key))
    }

    /// Whether foreign-key actions on the table that the server does not log were accepted.
    pub fn accepts_cascade(&self, table: &str, folds: bool) -> bool {
        self.route(table, folds).is_none_or(|r| r.accept_cascade)
    }

    /// Columns beside the primary key that addresses of the table's rows are made of. Where its row before a change is not
    /// whole, they do not tell where it stands.
    pub fn addressed_by(&self, schema: &Arc<TableSchema>) -> Vec<usize> {
        // A route that does not fit its table is told elsewhere.
        let Ok(Some(route)) = self.table.plan(schema) else { return Vec::new() };
        let beside = route.address_columns().iter().filter(|column| !schema.primary_key.contains(column));
        beside.copied().collect()
    }

    /// Why the table cannot be captured for want of a key.
    pub fn lacks_key(&self, name: &TableName, detail: &TableDetail, folds: bool) -> Option<Error> {
        self.key_of(name, detail, folds)?.is_empty().then(|| {
            Error::new(Code::MysqlNoKey, format!("{name} has no primary key")).fix(format!(
                "add a primary key, or name the columns that tell its rows apart: `key: [..]` in the route of {name}"
            ))
        })
    }

    /// Everything below is durable everywhere.
    pub fn acknowledged(&self) -> Version {
        Version::from_raw(self.acknowledged.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// Forgets columns that no checkpoint can need any more, from time to time.
    pub async fn prune(&self, position: &StoredPosition) -> Result<()> {
        self.acknowledged.store(position.version.get(), Ordering::Relaxed);
        {
            let mut pruned = lock(&self.pruned);
            if pruned.is_some_and(|at| at.elapsed() < PRUNE_EVERY) {
                return Ok(());
            }
            *pruned = Some(Instant::now());
        }
        self.ledger.prune_schemas(&self.pipeline, position.version).await
    }

    /// The tables that the pipeline's last stream captured; `None` before the first.
    pub async fn last_selection(&self) -> Result<Option<Selection>> {
        let Some(text) = self.ledger.property(&self.pipeline, SELECTION).await? else { return Ok(None) };
        let [tables, exclude]: [Vec<String>; 2] = serde_json::from_str(&text).map_err(|e| {
            Error::new(Code::LedgerFormat, "the last run's table patterns cannot be read").cause(e)
        })?;
        Selection::parse(&tables, &exclude).map(Some)
    }

    /// Every table of the present patterns has its place in the history: the next stream needs to look for no others.
    pub async fn remember_selection(&self) -> Result<()> {
        if self.ledger.property(&self.pipeline, SELECTION).await?.as_ref() == Some(&self.patterns) {
            return Ok(());
        }
        self.ledger.set_property(&self.pipeline, SELECTION, &self.patterns).await
    }

    /// A session on the stream's server; on any endpoint before there is a stream.
    pub async fn session(&self) -> Result<Session> {
        let identity = lock(&self.identity).clone();
        client::connect(&self.config, identity.as_ref()).await
    }

    /// From now on sessions must be on this server.
    pub fn set_identity(&self, identity: &Identity) {
        *lock(&self.identity) = Some(identity.clone());
    }

    /// The stream's server.
    pub fn identity(&self) -> Option<Identity> {
        lock(&self.identity).clone()
    }

    /// A new stream begins, with these tables halted.
    pub fn set_halted(&self, halted: BTreeSet<TableName>) {
        *lock(&self.revive) = Revive { halted, asked: BTreeSet::new() };
        self.any_asked.store(false, Ordering::Relaxed);
    }

    /// The stream gives up on a table.
    pub fn halted(&self, name: &TableName) {
        lock(&self.revive).halted.insert(name.clone());
    }

    /// The stream captures a table again.
    pub fn is_back(&self, name: &TableName) {
        let mut revive = lock(&self.revive);
        revive.halted.remove(name);
        revive.asked.remove(name);
        self.any_asked.store(!revive.asked.is_empty(), Ordering::Relaxed);
        drop(revive);
        self.revived.notify_waiters();
    }

    /// Asks the stream to capture a halted table again; whether it is (still) halted.
    pub fn ask_back(&self, name: &TableName) -> bool {
        let mut revive = lock(&self.revive);
        let halted = revive.halted.contains(name);
        if halted && revive.asked.insert(name.clone()) {
            self.any_asked.store(true, Ordering::Relaxed);
            self.asked.notify_one();
        }
        halted
    }

    /// Whether any table was asked back.
    pub fn is_asked(&self) -> bool {
        self.any_asked.load(Ordering::Relaxed)
    }

    /// The tables that were asked back.
    pub fn asked_back(&self) -> Vec<TableName> {
        lock(&self.revive).asked.iter().cloned().collect()
    }
}
