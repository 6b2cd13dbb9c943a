//! Which route takes a table, what a route tells about itself, and what captured changes look like as lines.

use super::*;
use crate::change::Operation;
use crate::route::fixture::*;
use crate::route::{Routed, TargetKind};
use crate::value::Value;

fn table_with(routes: Vec<RouteSpec>, sinks: &[&str]) -> RouteTable {
    let sinks: Vec<String> = sinks.iter().map(|s| (*s).to_owned()).collect();
    RouteTable::new(&pipeline(routes), &sinks).unwrap()
}

fn routes() -> Vec<RouteSpec> {
    let one = route(
        "shop.cases",
        vec![
            target("search", TargetKind::Search, "a"),
            target("search", TargetKind::Search, "b"),
            target("hot", TargetKind::Cache, "c:{id}"),
        ],
    );
    let two = RouteSpec {
        key: Some(vec!["title".into()]),
        ..route("shop.*", vec![target("stdout", TargetKind::Stdout, "")])
    };
    vec![one, two]
}

#[test]
fn a_route_tells_its_sinks_keys_and_labels() {
    let table = table_with(routes(), &["", "hot", "search", "stdout"]);
    let s = cases();
    let other = TableSchema::new("shop", "other", s.columns.clone(), vec![]);
    let foreign = TableSchema::new("bank", "x", s.columns.clone(), vec![]);
    assert_eq!(
        (table.sinks_of(&s), table.sinks_of(&other), table.sinks_of(&foreign)),
        (vec![1, 2], vec![3], vec![])
    );
    assert_eq!((table.key_columns(&s), table.key_columns(&other)), (Some(vec![0]), Some(vec![1])));
    assert_eq!(table.key_columns(&foreign), None);
    let labels: Vec<_> = table.plans().map(|plan| (plan.id, plan.label.clone())).collect();
    let expected = [(0, "search/a"), (1, "search/b"), (2, "hot"), (3, "stdout")];
    assert_eq!(labels, expected.map(|(id, label)| (id, label.to_owned())));
    assert_eq!(table.plans_of("shop.zzz").count(), 1);
}

#[test]
fn a_route_that_does_not_fit_a_table_is_an_error_each_time() {
    let spec = RouteSpec {
        partition_by: Some("dya".into()),
        ..route("shop.*", vec![target("s", TargetKind::Search, "x")])
    };
    let table = table_with(vec![spec], &["s"]);
    let batch = batch(vec![change(&cases(), Operation::Insert, None, Some(case(1, "a", "b", 1)))]);
    let mut out = Deliveries::default();
    for _ in 0..2 {
        let error = table.deliver(&batch, 0, &mut out).unwrap_err();
        assert_eq!((error.code(), error.fix_text()), (Code::RouteColumn, "did you mean day?"));
    }
    let keyless = Arc::new(TableSchema::new("shop", "k", cases().columns.clone(), vec![]));
    let spec = route("shop.*", vec![target("s", TargetKind::Search, "x")]);
    assert_eq!(table_with(vec![spec], &["s"]).plan(&keyless).unwrap_err().code(), Code::RouteNoKey);
}

#[test]
fn table_names_fold_only_where_the_server_does() {
    let spec = || vec![route("shop.Cases", vec![target("s", TargetKind::Search, "x")])];
    let batch = batch(vec![change(&cases(), Operation::Insert, None, Some(case(1, "a", "b", 1)))]);
    let routed = |table: RouteTable| table.deliver(&batch, 0, &mut Deliveries::default()).unwrap();
    assert_eq!(routed(table_with(spec(), &["s"])), Routed::NoRoute);
    assert_eq!(routed(table_with(spec(), &["s"]).folding_case(true)), Routed::Taken);
}

#[test]
fn a_schema_change_is_followed_from_row_to_row() {
    let table = table_with(vec![route("shop.cases", vec![target("s", TargetKind::Search, "x")])], &["s"]);
    let old = cases();
    let mut columns = old.columns.clone();
    columns.push(column("added", integer()));
    let new = Arc::new(TableSchema::new("shop", "cases", columns, vec![0]));
    let long = row(&[Value::Int(2), Value::Text("b"), Value::Text("s"), Value::Null, Value::Int(9)]);
    let shown = deliver(
        &table,
        vec![
            change(&old, Operation::Insert, None, Some(case(1, "a", "s", 0))),
            change(&new, Operation::Insert, None, Some(long)),
            change(&old, Operation::Insert, None, Some(case(3, "c", "s", 0))),
        ],
    );
    let expected = [
        "x/1 @20 {\"id\":1,\"title\":\"a\",\"status\":\"s\",\"day\":null}",
        "x/2 @20 {\"id\":2,\"title\":\"b\",\"status\":\"s\",\"day\":null,\"added\":9}",
        "x/3 @20 {\"id\":3,\"title\":\"c\",\"status\":\"s\",\"day\":null}",
    ];
    assert_eq!(shown, expected);
    assert_eq!(table.schema("shop.cases").unwrap().id, old.id);
}

#[test]
fn captured_lines_know_no_route() {
    let schema = cases();
    let mut lines = CapturedLines::new(&schema, &[0]);
    let mut out = Vec::new();
    let update = change(&schema, Operation::Update, Some(case(1, "a", "s", 0)), Some(case(2, "a", "s", 0)));
    lines.write(&update, &mut out);
    let tail = "\"committed_at\":\"2026-01-31T12:00:00.000Z\",\"source\":{\"server_id\":7,\"file\":\"bin.1\",\"pos\":20,\"gtid\":null}}\n";
    let expected = format!(
        "{{\"table\":\"shop.cases\",\"op\":\"delete\",\"key\":{{\"id\":1}},\"before\":{{\"id\":1,\"title\":\"a\",\"status\":\"s\",\"day\":null}},\"after\":null,\"version\":\"{}\",{tail}\
         {{\"table\":\"shop.cases\",\"op\":\"insert\",\"key\":{{\"id\":2}},\"before\":null,\"after\":{{\"id\":2,\"title\":\"a\",\"status\":\"s\",\"day\":null}},\"version\":\"{}\",{tail}",
        update.before_version, update.version
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    let mut keyless = CapturedLines::new(&schema, &[]);
    let mut out = Vec::new();
    keyless.write(&update, &mut out);
    let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((line["op"].as_str(), line["key"].to_string()), (Some("update"), "{}".to_owned()));
}

#[test]
fn dead_letters_show_key_and_change() {
    let table = table_with(vec![route("shop.cases", vec![target("s", TargetKind::Search, "x")])], &["s"]);
    let batch = batch(vec![change(
        &cases(),
        Operation::Update,
        Some(case(1, "a", "s", 0)),
        Some(case(2, "b", "s", 0)),
    )]);
    let mut out = Deliveries::default();
    table.deliver(&batch, 0, &mut out).unwrap();
    let texts = table.letter_texts(&out.items[1].1);
    assert_eq!(texts.key, "{\"id\":2}");
    let line: serde_json::Value = serde_json::from_str(&texts.change).unwrap();
    assert_eq!(
        (line["op"].as_str(), line["before"]["title"].as_str(), line["after"]["title"].as_str()),
        (Some("update"), Some("a"), Some("b"))
    );
}

#[test]
fn a_damaged_row_is_parked_with_what_can_be_read() {
    let table = table_with(vec![route("shop.cases", vec![target("s", TargetKind::Search, "x")])], &["s"]);
    let mut bytes = case(4, "a", "s", 0).bytes.to_vec();
    let title = bytes.iter().position(|b| *b == b'a').unwrap();
    bytes[title] = 0xff;
    let damaged = crate::packed::image(bytes.into());
    let batch = batch(vec![change(&cases(), Operation::Insert, None, Some(damaged))]);
    let mut out = Deliveries::default();
    table.deliver(&batch, 0, &mut out).unwrap();
    assert!(out.items.is_empty());
    let (_, delivery, error) = &out.refused[0];
    assert_eq!(
        (&*delivery.address.target, &*delivery.address.id, error.code()),
        ("x", "4", Code::RowDamaged)
    );
    let line: serde_json::Value = serde_json::from_str(&table.letter_texts(delivery).change).unwrap();
    assert_eq!(line["after"].to_string(), "{\"id\":4,\"status\":\"s\",\"day\":null}");
}
