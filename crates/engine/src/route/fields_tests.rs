//! Which fields documents have, what their values are said to be, and that documents agree.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::change::Operation;
use crate::route::fixture::*;
use crate::route::{Missing, TargetKind};
use crate::value::{Clock, Date, Labels, Value};

fn shown(route: &RouteSpec, schema: &TableSchema) -> Vec<(String, FieldKind)> {
    fields(route, schema).unwrap().into_iter().map(|f| (f.name.to_string(), f.kind)).collect()
}

fn named(list: &[(&str, FieldKind)]) -> Vec<(String, FieldKind)> {
    list.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone())).collect()
}

fn missing(route: &RouteSpec, schema: &TableSchema) -> Vec<(String, &'static str, usize)> {
    missing_fields(route, schema)
        .into_iter()
        .map(|Missing { field, key, index, .. }| (field, key, index))
        .collect()
}

const TEXT: FieldKind = FieldKind::Text { length: None };
const INT: FieldKind = FieldKind::Integer { bits: 32, unsigned: false };

#[test]
fn transforms_move_and_change_fields() {
    let mut spec = route("shop.cases", Vec::new());
    spec.transforms = vec![
        transform("state", TransformAction::Rename { from: "status".into() }),
        transform("ID", TransformAction::Keyword),
        transform("title", TransformAction::Text { analyzer: Some("english".into()) }),
        transform("day", TransformAction::Date { format: None, zone: None }),
        transform("kind", TransformAction::Constant(json!(["a", "b"]))),
        transform("rank", TransformAction::Constant(json!(18_446_744_073_709_551_615_u64))),
        transform("label", TransformAction::Template("{id}".into())),
        transform("label", TransformAction::Integer),
    ];
    let long = |unsigned| FieldKind::Integer { bits: 64, unsigned };
    let expected = [
        ("id", FieldKind::Keyword),
        ("title", TEXT),
        ("state", TEXT),
        ("day", FieldKind::DateTime { utc: true }),
        ("kind", FieldKind::Keyword),
        ("rank", long(true)),
        ("label", long(false)),
    ];
    assert_eq!(shown(&spec, &cases()), named(&expected));
    let title = &fields(&spec, &cases()).unwrap()[1];
    assert_eq!((title.analyzer.as_deref(), title.column), (Some("english"), Some(1)));
}

#[test]
fn a_rename_takes_the_place_of_the_field_it_replaces() {
    let mut spec = route("shop.cases", Vec::new());
    spec.transforms = vec![
        transform("title", TransformAction::Rename { from: "id".into() }),
        transform("status", TransformAction::Drop),
        transform("day", TransformAction::Constant(json!(true))),
    ];
    spec.only = Some(vec!["day".into(), "TITLE".into()]);
    let expected = [("title", INT), ("day", FieldKind::Boolean)];
    assert_eq!(shown(&spec, &cases()), named(&expected));
    let table = table(vec![RouteSpec { targets: vec![target("s", TargetKind::Search, "c")], ..spec }]);
    let documents =
        deliver(&table, vec![change(&cases(), Operation::Insert, None, Some(case(7, "x", "y", 1)))]);
    assert_eq!(documents, ["c/7 @20 {\"title\":7,\"day\":true}"]);
}

#[test]
fn fields_that_a_table_lacks_are_left_out_and_told() {
    let mut spec = route("shop.*", Vec::new());
    spec.transforms = vec![
        transform("secret", TransformAction::Drop),
        transform("x", TransformAction::Rename { from: "y".into() }),
    ];
    spec.only = Some(vec!["id".into(), "nothing".into()]);
    assert_eq!(shown(&spec, &cases()), named(&[("id", INT)]));
    let expected = [
        ("secret".to_owned(), "transform", 0),
        ("y".to_owned(), "transform", 1),
        ("nothing".to_owned(), "only", 1),
    ];
    assert_eq!(missing(&spec, &cases()), expected);
}

#[test]
fn every_kind_of_column_has_a_kind_of_field() {
    let labels: Vec<Arc<str>> = vec!["a".into()];
    let kinds = [
        (ColumnKind::Integer { bits: 24, unsigned: true }, FieldKind::Integer { bits: 32, unsigned: true }),
        (ColumnKind::Year, FieldKind::Integer { bits: 16, unsigned: true }),
        (ColumnKind::Bit { bits: 33 }, FieldKind::Integer { bits: 64, unsigned: true }),
        (ColumnKind::Float, FieldKind::Float),
        (ColumnKind::Decimal { precision: 9, scale: 2 }, FieldKind::Decimal { precision: 9, scale: 2 }),
        (ColumnKind::Text { length: Some(9) }, FieldKind::Text { length: Some(9) }),
        (ColumnKind::Enum { labels: labels.clone() }, FieldKind::Keyword),
        (ColumnKind::Set { labels }, FieldKind::Keyword),
        (ColumnKind::Bytes, FieldKind::Binary),
        (ColumnKind::Date, FieldKind::Date),
        (ColumnKind::DateTime { digits: 6 }, FieldKind::DateTime { utc: false }),
        (ColumnKind::Timestamp { digits: 0 }, FieldKind::DateTime { utc: true }),
        (ColumnKind::Time { digits: 0 }, FieldKind::Keyword),
        (ColumnKind::Json, FieldKind::Json),
        (ColumnKind::Geometry, FieldKind::Geometry),
        (ColumnKind::Vector, FieldKind::Vector),
        (ColumnKind::Uuid, FieldKind::Uuid),
        (ColumnKind::Inet, FieldKind::Inet),
        (ColumnKind::Any, FieldKind::Any),
    ];
    for (column_kind, expected) in kinds {
        let schema = TableSchema::new("d", "t", vec![column("c", column_kind.clone())], vec![0]);
        let found = shown(&route("d.t", Vec::new()), &schema);
        assert_eq!(found, named(&[("c", expected)]), "{column_kind:?}");
        let zero = RouteSpec { zero_date_text: true, ..route("d.t", Vec::new()) };
        let dated = matches!(
            column_kind,
            ColumnKind::Date | ColumnKind::DateTime { .. } | ColumnKind::Timestamp { .. }
        );
        assert_eq!(shown(&zero, &schema)[0].1 == FieldKind::Keyword && dated, dated, "{column_kind:?}");
    }
}

#[test]
fn zero_dates_are_null_and_counted_or_text() {
    let columns = vec![column("id", integer()), column("d", ColumnKind::Date)];
    let schema = Arc::new(TableSchema::new("shop", "z", columns, vec![0, 1]));
    let zero = || Some(row(&[Value::Int(1), Value::ZeroDate("0000-00-00")]));
    let coerced = |zero_date_text, transforms: Vec<TransformSpec>| {
        let to = target("s", TargetKind::Search, "z");
        let table = table(vec![RouteSpec { zero_date_text, transforms, ..route("shop.z", vec![to]) }]);
        let batch = batch(vec![change(&schema, Operation::Insert, None, zero())]);
        let mut out = crate::route::Deliveries::default();
        table.deliver(&batch, 0, &mut out).unwrap();
        let (_, delivery) = &out.items[0];
        let crate::sink::Body::Document(body) = &delivery.body else { panic!("no document") };
        // A zero date in a key keeps the server's text.
        assert_eq!(&*delivery.address.id, "1:0000-00-00");
        (String::from_utf8(body.to_vec()).unwrap(), delivery.coerced)
    };
    assert_eq!(coerced(false, Vec::new()), ("{\"id\":1,\"d\":null}".into(), 1));
    assert_eq!(coerced(true, Vec::new()), ("{\"id\":1,\"d\":\"0000-00-00\"}".into(), 0));
    let keyword = || vec![transform("d", TransformAction::Keyword)];
    assert_eq!(coerced(false, keyword()), ("{\"id\":1,\"d\":null}".into(), 1));
    assert_eq!(coerced(true, keyword()), ("{\"id\":1,\"d\":\"0000-00-00\"}".into(), 0));
    let date = vec![transform("d", TransformAction::Date { format: None, zone: None })];
    assert_eq!(coerced(true, date), ("{\"id\":1,\"d\":null}".into(), 1));
}

#[test]
fn templates_and_constants_fill_fields_of_their_own() {
    let labels: Vec<Arc<str>> = vec!["x".into(), "y".into()];
    let columns = vec![
        column("id", integer()),
        column("tags", ColumnKind::Set { labels: labels.clone() }),
        column("at", ColumnKind::Timestamp { digits: 0 }),
        column("note", text()),
    ];
    let schema = Arc::new(TableSchema::new("shop", "t", columns, vec![0]));
    let time = Clock { hour: 1, minute: 2, second: 3, micros: 0, digits: 0 };
    let date = Date { year: 2026, month: 1, day: 31 };
    let values = [
        Value::Int(5),
        Value::Set(Labels::List(&labels)),
        Value::DateTime { date, time, utc: true },
        Value::Null,
    ];
    let mut spec = route("shop.t", vec![target("s", TargetKind::Search, "t")]);
    spec.only = Some(vec!["label".into(), "none".into(), "v".into()]);
    spec.transforms = vec![
        transform("label", TransformAction::Template("{table}/{id}/{tags}/{at}/{key}".into())),
        transform("none", TransformAction::Template("{id}{note}".into())),
        transform("v", TransformAction::Constant(json!({"a": [1, 2.50]}))),
    ];
    let shown =
        deliver(&table(vec![spec]), vec![change(&schema, Operation::Insert, None, Some(row(&values)))]);
    let expected =
        "t/5 @20 {\"label\":\"t/5/x,y/2026-01-31T01:02:03Z/5\",\"none\":null,\"v\":{\"a\":[1,2.5]}}";
    assert_eq!(shown, [expected]);
}
