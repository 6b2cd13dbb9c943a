//! Tests of the source: what triggers record, how streams and readers hand it on, and what happens to odd files.

mod ddl;
mod gaps;
mod live;
mod reading;
mod replay;
mod statements;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use syncline_engine::change::{CaptureBatch, Captured, Change, TableEvent};
use syncline_engine::error::Result;
use syncline_engine::position::{Position, StoredPosition};
use syncline_engine::route::{PipelineSpec, RouteSpec, SourceSpec, TargetKind, TargetSpec};
use syncline_engine::row::RowImage;
use syncline_engine::schema::TableSchema;
use syncline_engine::source::{CaptureStream, Source};
use syncline_engine::value::OwnedValue;
use syncline_engine::version::Version;

use super::SqliteSource;
use crate::connection::{ConnectionOptions, ConnectionSpec};
use crate::sqlite::ledger::SqliteLedger;

/// A pipeline that captures the patterns and sends everything to `discard`.
fn pipeline(name: &str, tables: &[&str]) -> PipelineSpec {
    let target = TargetSpec::new("discard", TargetKind::Discard, "");
    let route = RouteSpec::new("main.*", vec![target]);
    let source = SourceSpec {
        exclude: vec!["main.temp_*".into()],
        chunk_rows: 1000,
        chunk_workers: 1,
        ..SourceSpec::new("shop", tables)
    };
    PipelineSpec::new(name, source, vec![route])
}

fn connection(path: &Path) -> ConnectionSpec {
    let options = ConnectionOptions::default();
    ConnectionSpec { name: "shop".into(), url: format!("sqlite:{}", path.display()), options }
}

/// A source on `shop.db` in a folder, with a ledger of its own.
fn source(folder: &Path, spec: &PipelineSpec) -> SqliteSource {
    let ledger = SqliteLedger::exclusive(&folder.join(format!("data-{}", spec.name))).unwrap();
    SqliteSource::new(&connection(&folder.join("shop.db")), spec, Arc::new(ledger)).unwrap()
}

/// A row as text, with the storage class of each value.
fn shown(values: &[OwnedValue]) -> Vec<String> {
    values.iter().map(|value| format!("{value:?}")).collect()
}

/// The user's program: a connection with SQLite's own defaults.
fn program(folder: &Path, sql: &str) -> Connection {
    let c = Connection::open(folder.join("shop.db")).unwrap();
    c.busy_timeout(Duration::from_secs(10)).unwrap();
    c.execute_batch("PRAGMA synchronous = OFF").unwrap();
    c.execute_batch(sql).unwrap();
    c
}

/// A stream under test, with what came out of it so far.
struct Tap {
    stream: Box<dyn CaptureStream>,
    changes: Vec<Change>,
    events: Vec<String>,
    position: Position,
}

impl Tap {
    async fn open(source: &SqliteSource, from: Option<&StoredPosition>) -> Result<Tap> {
        let stream = source.stream(from).await?;
        let position = stream.start();
        Ok(Tap { stream, changes: vec![], events: vec![], position })
    }

    /// Takes one thing.
    async fn step(&mut self) -> Result<()> {
        let next = tokio::time::timeout(Duration::from_secs(5), self.stream.next());
        match next.await.expect("something is said within a second")? {
            Captured::Batch(batch) => self.batch(batch),
            Captured::Table(event, position) => {
                assert!(position.version >= self.position.version, "positions rise");
                self.position = position;
                self.events.push(match event {
                    TableEvent::Appeared(schema) => format!("{} appeared", schema.table),
                    TableEvent::Altered { schema, reread } => {
                        let names: Vec<&str> = schema.columns.iter().map(|c| &*c.name).collect();
                        format!("{} altered to {} reread {reread}", schema.table, names.join(","))
                    }
                    TableEvent::Truncated { schema, .. } => format!("{} truncated", schema.table),
                    TableEvent::Unseen { schema, .. } => format!("{} unseen", schema.table),
                    TableEvent::Dropped { table, .. } => format!("{table} dropped"),
                    TableEvent::Halted { table, error } => format!("{table} halted {}", error.code()),
                });
            }
        }
        Ok(())
    }

    fn batch(&mut self, batch: CaptureBatch) {
        assert_eq!(batch.start.version, self.position.version, "no batch is missing");
        let mut last = batch.start.version;
        for change in &batch.changes {
            assert!(last < change.before_version || change.before_version == change.version);
            assert!(last < change.version && change.version < batch.resume.version, "versions rise");
            last = change.version;
        }
        self.position = batch.resume;
        self.changes.extend(batch.changes);
    }

    /// Takes everything up to what is committed now.
    async fn current(&mut self, source: &SqliteSource) -> Result<()> {
        let mark = source.mark().await?;
        while !mark.passed(&self.position) {
            self.step().await?;
        }
        Ok(())
    }

    /// Takes things until an event has come.
    async fn event(&mut self) -> String {
        while self.events.is_empty() {
            self.step().await.unwrap();
        }
        self.events.remove(0)
    }

    fn stored(&self) -> StoredPosition {
        StoredPosition::from(&self.position)
    }
}

/// A table and the texts of a key.
type TableKey = (String, Vec<String>);

/// What a target would hold: per table and key, the version and the row.
#[derive(Default)]
struct Replica {
    rows: BTreeMap<TableKey, (Version, Option<Vec<String>>)>,
}

impl Replica {
    fn apply(&mut self, change: &Change) {
        let before = change.before.as_ref().map(|image| (key(&change.schema, image), None));
        let after = change.after.as_ref().map(|image| {
            let all: Vec<usize> = (0..change.schema.columns.len()).collect();
            (key(&change.schema, image), Some(shown(&columns(image, &all))))
        });
        let moved = match (&before, &after) {
            (Some((old, _)), Some((new, _))) => old != new,
            _ => true,
        };
        if let Some((key, row)) = before.filter(|_| moved) {
            self.write(&change.schema, key, change.before_version, row);
        }
        if let Some((key, row)) = after {
            self.write(&change.schema, key, change.version, row);
        }
    }

    fn write(&mut self, schema: &TableSchema, key: Vec<String>, version: Version, row: Option<Vec<String>>) {
        if key.iter().any(|part| part == "Null") {
            // SQLite lets keys hold nulls, and then they tell nothing apart: such rows have no address.
            return;
        }
        let slot = self.rows.entry((schema.table.to_string(), key)).or_insert((Version::ZERO, None));
        if slot.0 <= version {
            *slot = (version, row);
        }
    }

    /// The rows of a table that are there.
    fn table(&self, table: &str) -> Vec<Vec<String>> {
        let rows = self.rows.iter().filter(|((name, _), _)| name == table);
        let mut rows: Vec<Vec<String>> = rows.filter_map(|(_, (_, row))| row.clone()).collect();
        rows.sort();
        rows
    }
}

fn columns(image: &RowImage, wanted: &[usize]) -> Vec<OwnedValue> {
    image.columns(wanted).unwrap().into_iter().map(|value| value.expect("rows are whole")).collect()
}

fn key(schema: &TableSchema, image: &RowImage) -> Vec<String> {
    shown(&columns(image, &schema.primary_key))
}

/// The rows of a table, as [`Replica::table`] shows them.
fn stored(c: &Connection, table: &str) -> Vec<Vec<String>> {
    let schema = super::catalog::find(c, table).unwrap().unwrap().schema;
    let names: Vec<String> = schema.columns.iter().map(|c| crate::sqlite::file::quote(&c.name)).collect();
    let table = crate::sqlite::file::quote(table);
    let mut statement = c.prepare(&format!("SELECT {} FROM {table}", names.join(", "))).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let values = (0..names.len()).map(|n| super::values::value(row.get_ref(n).unwrap()).to_owned());
        let row = shown(&values.collect::<Vec<_>>());
        if schema.primary_key.iter().all(|n| row[*n] != "Null") {
            found.push(row);
        }
    }
    found.sort();
    found
}
