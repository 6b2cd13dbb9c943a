//! Tests of the targets: gates, tombstones, lifetimes, search, odd files, and what survives a kill.

mod files;
mod gates;
mod scan;
mod searching;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::Connection;
use syncline_engine::change::{CaptureBatch, Change, Operation, Origin};
use syncline_engine::packed;
use syncline_engine::position::Position;
use syncline_engine::route::{RouteSpec, TargetKind, TargetPlan, TargetSpec};
use syncline_engine::schema::{Column, ColumnKind, TableSchema};
use syncline_engine::sink::{Address, Body, Counted, Delivery, Outcome, Sink};
use syncline_engine::value::Value;
use syncline_engine::version::Version;

use super::SqliteSink;
use crate::connection::{ConnectionOptions, ConnectionSpec};
use crate::testing::stored;

fn plan(kind: TargetKind, ttl: Option<Duration>) -> Arc<TargetPlan> {
    let spec = TargetSpec { ttl, ..TargetSpec::new("target", kind, "t") };
    let route = RouteSpec::new("main.t", vec![spec.clone()]);
    Arc::new(TargetPlan { id: kind as u32, spec, route: Arc::new(route), label: "target".into() })
}

fn schema() -> TableSchema {
    let column = |name: &str, kind| Column { name: name.into(), kind, nullable: true };
    let columns = vec![
        column("id", ColumnKind::Integer { bits: 64, unsigned: false }),
        column("title", ColumnKind::Text { length: None }),
        column("photo", ColumnKind::Bytes),
    ];
    TableSchema::new("main", "t", columns, vec![0])
}

fn sink(path: &Path) -> SqliteSink {
    let url = format!("sqlite:{}", path.display());
    let connection = ConnectionSpec { name: "target".into(), url, options: ConnectionOptions::default() };
    SqliteSink::new(&connection, "shop", &[TargetKind::Search, TargetKind::Cache, TargetKind::Document])
        .unwrap()
}

/// A sink that is ready for all three roles.
async fn ready(path: &Path) -> SqliteSink {
    let sink = sink(path);
    sink.probe().await.unwrap();
    for kind in [TargetKind::Search, TargetKind::Cache, TargetKind::Document] {
        sink.prepare(&plan(kind, None), &schema()).await.unwrap();
    }
    sink
}

fn address(kind: TargetKind, id: &str) -> Address {
    let target = if kind == TargetKind::Cache { "" } else { "t" };
    Address { target: target.into(), id: id.into() }
}

/// A delivery to an id; `None` deletes.
fn delivery(plan: &Arc<TargetPlan>, id: &str, version: Version, document: Option<&str>) -> Delivery {
    let mut writer = packed::Writer::new();
    writer.push(Value::Int(1));
    let origin = Arc::new(Origin { server_id: 0, file: "f".into(), gtid: None, committed_at: 0 });
    let change = Change {
        schema: Arc::new(schema()),
        operation: Operation::Insert,
        before: None,
        after: Some(packed::image(writer.finish())),
        version,
        before_version: version,
        offset: 0,
        ordinal: 0,
        origin,
    };
    let batch = CaptureBatch::at(Position::nowhere(version), vec![change]);
    Delivery {
        address: address(plan.spec.kind, id),
        plan: Arc::clone(plan),
        body: document
            .map_or(Body::Absent, |document| Body::Document(Bytes::copy_from_slice(document.as_bytes()))),
        version,
        batch: Arc::new(batch),
        index: 0,
        counted: Counted::Delivery,
        coerced: 0,
    }
}

fn at(number: u64) -> Version {
    Version::from_number(1, number)
}

/// The outcomes' names.
async fn apply(sink: &SqliteSink, deliveries: &[Delivery]) -> Vec<String> {
    let outcomes = sink.apply(deliveries).await.unwrap();
    assert_eq!(outcomes.len(), deliveries.len());
    let name = |outcome: &Outcome| match outcome {
        Outcome::Applied => "applied".to_owned(),
        Outcome::Superseded => "superseded".to_owned(),
        Outcome::Retry(error) => format!("retry {}", error.code()),
        Outcome::Refused(error) => format!("refused {}", error.code()),
    };
    outcomes.iter().map(name).collect()
}

async fn read(sink: &SqliteSink, plan: &TargetPlan, id: &str) -> Option<String> {
    let found = stored(sink, plan, &address(plan.spec.kind, id)).await;
    found.map(|document| String::from_utf8(document.to_vec()).unwrap())
}

fn look(path: &Path) -> Connection {
    Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}
