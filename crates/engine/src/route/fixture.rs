//! What tests of routes share: a table of test cases, routes made of few words, changes, and deliveries as text.

use std::sync::Arc;

use super::*;
use crate::change::{CaptureBatch, Change, Operation, Origin};
use crate::packed;
use crate::position::Position;
use crate::row::RowImage;
use crate::schema::{Column, ColumnKind, TableSchema};
use crate::sink::{Body, Counted, Delivery};
use crate::value::{Date, Value};
use crate::version::Version;

pub(crate) fn column(name: &str, kind: ColumnKind) -> Column {
    Column { name: name.into(), kind, nullable: true }
}

pub(crate) fn integer() -> ColumnKind {
    ColumnKind::Integer { bits: 32, unsigned: false }
}

pub(crate) fn text() -> ColumnKind {
    ColumnKind::Text { length: None }
}

/// `shop.cases`: id, title, status, day.
pub(crate) fn cases() -> Arc<TableSchema> {
    let columns = vec![
        column("id", integer()),
        column("title", text()),
        column("status", text()),
        column("day", ColumnKind::Date),
    ];
    Arc::new(TableSchema::new("shop", "cases", columns, vec![0]))
}

pub(crate) fn route(table: &str, targets: Vec<TargetSpec>) -> RouteSpec {
    RouteSpec::new(table, targets)
}

pub(crate) fn target(connection: &str, kind: TargetKind, template: &str) -> TargetSpec {
    TargetSpec::new(connection, kind, template)
}

pub(crate) fn pipeline(routes: Vec<RouteSpec>) -> PipelineSpec {
    PipelineSpec::new("p", SourceSpec::new("db", &["shop.*"]), routes)
}

pub(crate) fn when(name: &str, text: &str) -> FilterSpec {
    FilterSpec { name: name.into(), test: FilterTest::When(text.into()) }
}

pub(crate) fn transform(field: &str, action: TransformAction) -> TransformSpec {
    TransformSpec { field: field.into(), action }
}

pub(crate) fn row(values: &[Value<'_>]) -> RowImage {
    let mut writer = packed::Writer::new();
    values.iter().for_each(|value| writer.push(*value));
    packed::image(writer.finish())
}

/// A row of [`cases`]; month 0 means no day at all.
pub(crate) fn case(id: i64, title: &str, status: &str, month: u8) -> RowImage {
    let day = match month {
        0 => Value::Null,
        month => Value::Date(Date { year: 2026, month, day: 1 }),
    };
    row(&[Value::Int(id), Value::Text(title), Value::Text(status), day])
}

/// A row of [`cases`] of which only the key is known.
pub(crate) fn only_id(id: i64) -> RowImage {
    packed::partial_image(row(&[Value::Int(id)]).bytes)
}

pub(crate) fn change(
    schema: &Arc<TableSchema>,
    operation: Operation,
    before: Option<RowImage>,
    after: Option<RowImage>,
) -> Change {
    let origin = Origin { server_id: 7, file: "bin.1".into(), gtid: None, committed_at: 1_769_860_800_000 };
    Change {
        schema: Arc::clone(schema),
        operation,
        before,
        after,
        version: Version::new(0, 1, 20),
        before_version: Version::new(0, 1, 10),
        offset: 20,
        ordinal: 0,
        origin: Arc::new(origin),
    }
}

pub(crate) fn batch(changes: Vec<Change>) -> Arc<CaptureBatch> {
    Arc::new(CaptureBatch::at(Position::nowhere(Version::ZERO), changes))
}

pub(crate) fn table(routes: Vec<RouteSpec>) -> RouteTable {
    let mut sinks: Vec<String> =
        routes.iter().flat_map(|r| &r.targets).map(|t| t.connection.clone()).collect();
    sinks.dedup();
    RouteTable::new(&pipeline(routes), &sinks).unwrap()
}

/// Routes the changes and shows everything that comes of them, one text each.
pub(crate) fn deliver(table: &RouteTable, changes: Vec<Change>) -> Vec<String> {
    let batch = batch(changes);
    let mut out = Deliveries::default();
    let mut shown = Vec::new();
    for index in 0..batch.changes.len() {
        out.clear();
        if table.deliver(&batch, index as u32, &mut out).unwrap() == Routed::NoRoute {
            shown.push("no route".to_owned());
        }
        shown.extend(out.items.iter().map(|(_, delivery)| show(delivery)));
        shown.extend(out.dropped.iter().map(|(_, rule)| format!("dropped by {rule}")));
        shown.extend(
            out.refused.iter().map(|(_, d, e)| format!("refused {}: {} {}", place(d), e.code(), e.message())),
        );
    }
    shown
}

fn place(delivery: &Delivery) -> String {
    format!("{}/{}", delivery.address.target, delivery.address.id)
}

fn show(delivery: &Delivery) -> String {
    let body = match &delivery.body {
        Body::Absent => "absent".to_owned(),
        Body::Document(bytes) | Body::Line(bytes) => {
            serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
            String::from_utf8(bytes.to_vec()).unwrap()
        }
    };
    let counted = match &delivery.counted {
        Counted::Delivery => String::new(),
        Counted::Filtered(rule) => format!(" filtered by {rule}"),
        Counted::No => " uncounted".to_owned(),
    };
    format!("{} @{} {body}{counted}", place(delivery), delivery.version.offset())
}
