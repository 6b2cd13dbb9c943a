//! A database of its own on a real server, a writer, a source over it, and readings of what the stream brings.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use syncline_connectors::connection::{ConnectionOptions, ConnectionSpec};
use syncline_connectors::registry;
use syncline_engine::change::{CaptureBatch, Captured, Change, TableEvent};
use syncline_engine::error::Error;
use syncline_engine::ledger::{Ledger, TableRecord, TableState};
use syncline_engine::position::{Position, StoredPosition};
use syncline_engine::route::{PipelineSpec, RouteSpec, SourceSpec};
use syncline_engine::source::{CaptureStream, Source};
use syncline_engine::value::OwnedValue;
use tempfile::TempDir;

/// Server flavours; the name is that of `tests/services/services.sh` in capitals.
pub const ALL: [&str; 6] = ["MARIADB", "MARIADB_FULL", "MARIADB11", "MYSQL", "MYSQL_GTID", "MYSQL56"];
pub const MODERN: [&str; 5] = ["MARIADB", "MARIADB_FULL", "MARIADB11", "MYSQL", "MYSQL_GTID"];
pub const MYSQL9: [&str; 2] = ["MYSQL", "MYSQL_GTID"];
pub const MARIADBS: [&str; 3] = ["MARIADB", "MARIADB_FULL", "MARIADB11"];

/// The URL of a test server.
pub fn url(flavour: &str) -> String {
    let name = format!("SYNCLINE_TEST_{flavour}");
    std::env::var(&name).unwrap_or_else(|_| {
        panic!("{name} is not set: start the servers with tests/services/services.sh start all, then eval its env")
    })
}

/// The host of test accounts: MySQL 5.6 comes with an anonymous account that wins over `%`.
pub fn host(flavour: &str) -> &'static str {
    if flavour == "MYSQL56" { "localhost" } else { "%" }
}

/// A database on a server, with a writer and a ledger.
pub struct Shop {
    pub flavour: &'static str,
    pub database: String,
    pub url: String,
    pub writer: mysql_async::Conn,
    pub ledger: Arc<dyn Ledger>,
    pub spec: PipelineSpec,
    _data: TempDir,
}

fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("cap_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Shop {
    /// An empty database with a pipeline over all its tables.
    pub async fn open(flavour: &'static str) -> Shop {
        let (url, database) = (url(flavour), unique());
        let mut writer = connect(&url).await;
        writer.query_drop(format!("CREATE DATABASE {database} CHARACTER SET utf8mb4")).await.unwrap();
        writer.query_drop(format!("USE {database}")).await.unwrap();
        let data = TempDir::new().unwrap();
        let ledger = registry::ledger(data.path()).unwrap();
        let spec = spec(&database);
        Shop { flavour, database, url, writer, ledger, spec, _data: data }
    }

    /// Runs statements.
    pub async fn run(&mut self, statements: &[&str]) {
        for statement in statements {
            if let Err(error) = self.writer.query_drop(*statement).await {
                panic!("{}: {statement}: {error}", self.flavour);
            }
        }
    }

    pub fn source(&self) -> Arc<dyn Source> {
        let connection = ConnectionSpec {
            name: "shop".into(),
            url: self.url.clone(),
            options: ConnectionOptions::default(),
        };
        registry::source(&connection, &self.spec, Arc::clone(&self.ledger)).unwrap()
    }

    /// A stream from a position, or from now.
    pub async fn stream(&self, from: Option<&StoredPosition>) -> Tape {
        let source = self.source();
        let stream = source.stream(from).await.unwrap_or_else(|e| panic!("{}: {e}", self.flavour));
        Tape::of(source, stream)
    }

    /// Notes in the ledger what the engine would note.
    pub async fn note(&self, tape: &Tape) {
        for table in &tape.halts {
            let record = TableRecord::new(TableState::Halted);
            self.ledger.set_table(&self.spec.name, table, &record).await.unwrap();
        }
    }

    /// Drops the database.
    pub async fn close(mut self) {
        self.run(&[&format!("DROP DATABASE {}", self.database)]).await;
        self.writer.disconnect().await.unwrap();
    }
}

pub async fn connect(url: &str) -> mysql_async::Conn {
    let opts = mysql_async::Opts::from_url(url).unwrap();
    mysql_async::Conn::new(mysql_async::OptsBuilder::from_opts(opts).prefer_socket(false)).await.unwrap()
}

fn spec(database: &str) -> PipelineSpec {
    let tables = format!("{database}.*");
    let source = SourceSpec { chunk_rows: 1000, ..SourceSpec::new("shop", &[&tables]) };
    PipelineSpec {
        max_dead_letters: 100,
        ..PipelineSpec::new(database, source, vec![RouteSpec::new(&tables, Vec::new())])
    }
}

/// One thing that a stream brought, in order.
#[derive(Debug)]
pub enum Item {
    Change(Change),
    Event(TableEvent),
}

/// What a stream brought so far.
pub struct Tape {
    pub source: Arc<dyn Source>,
    pub stream: Box<dyn CaptureStream>,
    pub items: Vec<Item>,
    /// Each batch's first and last item, start and resume.
    pub batches: Vec<(usize, usize, Position, Position)>,
    pub resume: Position,
    /// Tables that the engine would have noted as halted.
    pub halts: Vec<String>,
    /// Tables that an XA transaction may have changed which was prepared before the stream began.
    pub unseen: Vec<String>,
}

const PATIENCE: Duration = Duration::from_secs(30);

impl Tape {
    pub fn of(source: Arc<dyn Source>, stream: Box<dyn CaptureStream>) -> Tape {
        let resume = stream.start();
        Tape {
            source,
            stream,
            items: Vec::new(),
            batches: Vec::new(),
            resume,
            halts: Vec::new(),
            unseen: Vec::new(),
        }
    }

    /// Reads until everything committed before this call was brought.
    pub async fn catch_up(&mut self) {
        self.try_catch_up().await.unwrap();
    }

    pub async fn try_catch_up(&mut self) -> Result<(), Error> {
        let mark = self.source.mark().await?;
        let start = Instant::now();
        while !mark.passed(&self.resume) {
            assert!(start.elapsed() < PATIENCE, "the stream stays at {:?}", self.resume);
            self.step().await?;
        }
        Ok(())
    }

    /// Reads until the condition holds.
    pub async fn until(&mut self, what: &str, done: impl Fn(&Tape) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "no {what} in {} items", self.items.len());
            self.step().await.unwrap();
        }
    }

    pub async fn step(&mut self) -> Result<(), Error> {
        match self.stream.next().await? {
            Captured::Batch(batch) => self.batch(batch),
            Captured::Table(event, _) => {
                if let TableEvent::Halted { table, .. } = &event {
                    self.halts.push(table.to_string());
                }
                match &event {
                    // Transactions of other tests do it, too.
                    TableEvent::Unseen { schema, .. } => self.unseen.push(schema.table.to_string()),
                    _ => self.items.push(Item::Event(event)),
                }
            }
        }
        Ok(())
    }

    fn batch(&mut self, batch: CaptureBatch) {
        assert!(batch.start.version <= batch.resume.version);
        assert!(self.resume.version <= batch.resume.version, "positions never go back");
        let first = self.items.len();
        for change in &batch.changes {
            assert!(change.version >= batch.start.version);
            assert!(batch.start.version == batch.resume.version || change.version < batch.resume.version);
        }
        self.resume = batch.resume.clone();
        self.items.extend(batch.changes.into_iter().map(Item::Change));
        self.batches.push((first, self.items.len(), batch.start, batch.resume));
    }

    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.items.iter().filter_map(|item| match item {
            Item::Change(change) => Some(change),
            Item::Event(_) => None,
        })
    }

    /// Lines such as `update a id=1 n=2 -> id=1 n=3`, and events.
    pub fn lines(&self) -> Vec<String> {
        self.items.iter().map(line).collect()
    }

    pub fn forget(&mut self) {
        self.items.clear();
        self.batches.clear();
    }
}

pub fn line(item: &Item) -> String {
    match item {
        Item::Change(change) => {
            let row = |image: &Option<syncline_engine::row::RowImage>| match image {
                Some(image) => columns(change, image),
                None => String::new(),
            };
            let arrow = if change.before.is_some() && change.after.is_some() { " -> " } else { "" };
            let name = change.operation.name();
            format!("{name} {} {}{arrow}{}", change.schema.table, row(&change.before), row(&change.after))
        }
        Item::Event(TableEvent::Appeared(s)) => format!("appeared {}", shape(s)),
        Item::Event(TableEvent::Altered { schema, reread }) => {
            format!("altered {} reread={reread}", shape(schema))
        }
        Item::Event(TableEvent::Truncated { schema: s, .. }) => format!("truncated {}", s.table),
        Item::Event(TableEvent::Dropped { table, .. }) => {
            format!("dropped {}", table.split('.').nth(1).unwrap_or(""))
        }
        Item::Event(TableEvent::Unseen { schema: s, .. }) => format!("unseen {}", s.table),
        Item::Event(TableEvent::Halted { table, error }) => {
            format!("halted {} {}", table.split('.').nth(1).unwrap_or(""), error.code())
        }
    }
}

fn shape(schema: &syncline_engine::schema::TableSchema) -> String {
    let names: Vec<&str> = schema.columns.iter().map(|c| &*c.name).collect();
    format!("{}({})", schema.table, names.join(","))
}

fn columns(change: &Change, image: &syncline_engine::row::RowImage) -> String {
    let all: Vec<usize> = (0..change.schema.columns.len()).collect();
    let values = image.columns(&all).unwrap();
    let named = change.schema.columns.iter().zip(values);
    named
        .map(|(c, v)| format!("{}={}", c.name, v.map_or("absent".into(), show)))
        .collect::<Vec<_>>()
        .join(" ")
}

pub fn show(value: OwnedValue) -> String {
    match value {
        OwnedValue::Null => "null".into(),
        OwnedValue::Int(n) => n.to_string(),
        OwnedValue::UInt(n) => n.to_string(),
        OwnedValue::Text(t) => t.to_string(),
        OwnedValue::Decimal(t) => t.to_string(),
        OwnedValue::Json(t) => t.to_string(),
        other => format!("{other:?}"),
    }
}
