//! The mapping made for every kind of column refuses no value that such a column can hold, on real servers.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value as Json, json};
use syncline_engine::json::{ZeroDates, write_value_with};
use syncline_engine::schema::{Column, ColumnKind, TableSchema};
use syncline_engine::sink::{Delivery, Outcome, Sink};
use syncline_engine::value::{Clock, Date, Labels, Value};

use super::{Bench, on_each, with_schema, words};

fn date(year: u16, month: u8, day: u8) -> Date {
    Date { year, month, day }
}

fn moment(date: Date, utc: bool, digits: u8) -> Value<'static> {
    let micros = if digits == 0 { 0 } else { 999_999 };
    Value::DateTime { date, time: Clock { hour: 23, minute: 59, second: 59, micros, digits }, utc }
}

/// Values at the edges of what the kind can hold.
fn extremes(kind: &ColumnKind) -> Vec<Value<'static>> {
    let long_text: &'static str = Box::leak("€😀".repeat(60_000).into_boxed_str());
    let one_term: &'static str = Box::leak("x".repeat(40_000).into_boxed_str());
    let blob: &'static [u8] = Box::leak(vec![0xff; 100_000].into_boxed_slice());
    let vector: &'static [u8] = Box::leak(f32::MAX.to_le_bytes().repeat(16_383).into_boxed_slice());
    let digits: &'static str = Box::leak("9".repeat(65).into_boxed_str());
    let labels: &'static [Arc<str>] =
        Box::leak(vec!["a".into(), "b".into(), long_text.into()].into_boxed_slice());
    match kind {
        ColumnKind::Integer { unsigned: true, .. } | ColumnKind::Bit { .. } => {
            vec![Value::UInt(0), Value::UInt(1 << 63), Value::UInt(u64::MAX)]
        }
        ColumnKind::Integer { .. } => vec![Value::Int(i64::MIN), Value::Int(0), Value::Int(i64::MAX)],
        ColumnKind::Year => vec![Value::UInt(0), Value::UInt(1901), Value::UInt(2155)],
        ColumnKind::Float => vec![Value::Float(f32::MAX), Value::Float(-1e-45), Value::Float(f32::NAN)],
        ColumnKind::Double => {
            vec![Value::Double(f64::MAX), Value::Double(-5e-324), Value::Double(f64::INFINITY)]
        }
        ColumnKind::Decimal { .. } => {
            vec![Value::Decimal(digits), Value::Decimal("-0.00"), Value::Decimal("12.50")]
        }
        ColumnKind::Text { .. } | ColumnKind::Any => {
            vec![
                Value::Text(""),
                Value::Text(long_text),
                Value::Text(one_term),
                Value::Text("\0\u{1}\"\\ \u{2028}"),
            ]
        }
        ColumnKind::Enum { .. } => vec![Value::Text(""), Value::Text("label")],
        ColumnKind::Set { .. } => {
            vec![Labels::Bits { labels, bits: 0 }, Labels::List(labels)].map_all(Value::Set)
        }
        ColumnKind::Bytes => vec![Value::Bytes(b""), Value::Bytes(blob), Value::Bytes(b"\0\0")],
        ColumnKind::Date
        | ColumnKind::DateTime { .. }
        | ColumnKind::Timestamp { .. }
        | ColumnKind::Time { .. } => extreme_times(kind),
        ColumnKind::Json => extreme_documents(),
        ColumnKind::Geometry => vec![Value::Geometry { srid: u32::MAX, wkb: blob }],
        ColumnKind::Vector => vec![Value::Vector(b""), Value::Vector(vector)],
        ColumnKind::Uuid => vec![Value::Text("00000000-0000-0000-0000-000000000000")],
        ColumnKind::Inet => {
            ["0.0.0.0", "255.255.255.255", "::", "::ffff:1.2.3.4", "2001:db8::1"].map(Value::Text).to_vec()
        }
    }
}

fn extreme_times(kind: &ColumnKind) -> Vec<Value<'static>> {
    match kind {
        ColumnKind::Date => vec![
            Value::Date(date(0, 1, 1)),
            Value::Date(date(9999, 12, 31)),
            Value::Date(date(2023, 2, 31)),
            Value::ZeroDate("0000-00-00"),
            Value::ZeroDate("2024-00-31"),
        ],
        ColumnKind::DateTime { .. } | ColumnKind::Timestamp { .. } => {
            let utc = matches!(kind, ColumnKind::Timestamp { .. });
            vec![
                moment(date(0, 1, 1), utc, 6),
                moment(date(9999, 12, 31), utc, 6),
                moment(date(2023, 2, 31), utc, 0),
                moment(date(2024, 2, 29), utc, 1),
                Value::ZeroDate("0000-00-00 00:00:00.000000"),
            ]
        }
        ColumnKind::Time { .. } => {
            let time = Clock { hour: 838, minute: 59, second: 59, micros: 0, digits: 6 };
            vec![Value::Time { negative: true, time }, Value::Time { negative: false, time }]
        }
        _ => Vec::new(),
    }
}

fn extreme_documents() -> Vec<Value<'static>> {
    let deep: &'static str =
        Box::leak(format!("{}1{}", "[{\"a\":".repeat(50), "}]".repeat(50)).into_boxed_str());
    [
        "null",
        "true",
        "1",
        "18446744073709551615",
        "-1.5e300",
        "1e400",
        "\"text\"",
        "[]",
        "{}",
        "[1,\"a\",{\"b\":[null]}]",
        r#"{"":1,"a.b":2,".":3,"_id":4," ":5,"a..b":6}"#,
        deep,
    ]
    .map(Value::Json)
    .to_vec()
}

trait MapAll<T> {
    fn map_all<U>(self, f: impl Fn(T) -> U) -> Vec<U>;
}

impl<T> MapAll<T> for Vec<T> {
    fn map_all<U>(self, f: impl Fn(T) -> U) -> Vec<U> {
        self.into_iter().map(f).collect()
    }
}

/// Every kind there is; the match in `extremes` keeps this list honest when a kind is added.
fn kinds() -> Vec<(&'static str, ColumnKind)> {
    let labels = || vec!["a".into(), "b".into()];
    vec![
        ("i8", ColumnKind::Integer { bits: 8, unsigned: false }),
        ("i64", ColumnKind::Integer { bits: 64, unsigned: false }),
        ("u32", ColumnKind::Integer { bits: 32, unsigned: true }),
        ("u64", ColumnKind::Integer { bits: 64, unsigned: true }),
        ("year", ColumnKind::Year),
        ("bit1", ColumnKind::Bit { bits: 1 }),
        ("bit64", ColumnKind::Bit { bits: 64 }),
        ("float", ColumnKind::Float),
        ("double", ColumnKind::Double),
        ("decimal", ColumnKind::Decimal { precision: 65, scale: 30 }),
        ("text", ColumnKind::Text { length: None }),
        ("varchar", ColumnKind::Text { length: Some(255) }),
        ("enum", ColumnKind::Enum { labels: labels() }),
        ("set", ColumnKind::Set { labels: labels() }),
        ("bytes", ColumnKind::Bytes),
        ("date", ColumnKind::Date),
        ("datetime", ColumnKind::DateTime { digits: 6 }),
        ("timestamp", ColumnKind::Timestamp { digits: 6 }),
        ("time", ColumnKind::Time { digits: 6 }),
        ("json", ColumnKind::Json),
        ("geometry", ColumnKind::Geometry),
        ("vector", ColumnKind::Vector),
        ("uuid", ColumnKind::Uuid),
        ("inet", ColumnKind::Inet),
        ("any", ColumnKind::Any),
    ]
}

fn document(name: &str, value: Value<'_>, zero_dates: ZeroDates) -> String {
    let mut out = format!("{{\"{name}\":").into_bytes();
    write_value_with(&mut out, value, zero_dates);
    out.push(b'}');
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn no_kind_of_column_has_a_value_that_is_refused() {
    on_each(async |bench: Bench| {
        bench.sink.probe().await.unwrap();
        let column = |(name, kind): &(&str, ColumnKind)| Column {
            name: (*name).into(),
            kind: kind.clone(),
            nullable: true,
        };
        let schema =
            Arc::new(TableSchema::new("shop", "orders", kinds().iter().map(column).collect(), vec![0]));
        let mut documents = Vec::new();
        for (name, kind) in kinds() {
            documents.push(document(name, Value::Null, ZeroDates::Null));
            for value in extremes(&kind) {
                documents.push(document(name, value, ZeroDates::Null));
                documents.push(document(name, value, ZeroDates::Text));
            }
        }
        let put = |(n, json): (usize, &String)| with_schema(bench.put(&n.to_string(), 1, json), &schema);
        let deliveries: Vec<Delivery> = documents.iter().enumerate().map(put).collect();
        for (document, outcome) in documents.iter().zip(bench.apply(&deliveries).await) {
            let start: String = document.chars().take(100).collect();
            assert!(matches!(outcome, Outcome::Applied), "{start}: {outcome:?}");
        }
        for (n, document) in documents.iter().enumerate().filter(|(_, d)| d.len() < 1000) {
            assert_eq!(bench.stored(&n.to_string()).await.as_ref(), Some(document));
        }
    })
    .await;
}

/// What is mapped is there to be searched: one query of each type finds exactly its document.
#[tokio::test]
async fn values_are_searched_as_what_they_are() {
    on_each(async |bench: Bench| {
        bench.sink.probe().await.unwrap();
        let column = |(name, kind): &(&str, ColumnKind)| Column {
            name: (*name).into(),
            kind: kind.clone(),
            nullable: true,
        };
        let schema = Arc::new(TableSchema::new("shop", "orders", kinds().iter().map(column).collect(), vec![0]));
        let rows = [
            r#"{"i64":9007199254740993,"decimal":"12.50","datetime":"2024-02-29T12:00:00.123456","inet":"10.1.2.3","set":["a","b"],"bytes":"AAE=","u64":18446744073709551615}"#,
            r#"{"i64":9007199254740992,"decimal":"-3.10","datetime":"1999-12-31T00:00:00","inet":"::1","set":["b"],"bytes":"","u64":5}"#,
        ];
        let put = |n: usize| with_schema(bench.put(&n.to_string(), 1, rows[n]), &schema);
        assert_eq!(words(&bench.apply(&[put(0), put(1)]).await), ["applied", "applied"]);
        let queries = [
            json!({"term": {"i64": 9_007_199_254_740_993_u64}}),
            json!({"range": {"decimal": {"gt": 12, "lt": 13}}}),
            json!({"range": {"datetime": {"gte": "2024-01-01", "lt": "2025-01-01"}}}),
            json!({"term": {"inet": "10.0.0.0/8"}}),
            json!({"term": {"set": "a"}}),
            json!({"term": {"bytes": "AAE="}}),
            json!({"term": {"u64": "18446744073709551615"}}),
        ];
        bench.sink.close().await.unwrap();
        for query in queries {
            let (status, found) = bench.ask(Method::POST, "/{}/_search", json!({"query": query})).await;
            let ids: Vec<&Json> = found["hits"]["hits"].as_array().unwrap().iter().map(|h| &h["_id"]).collect();
            assert_eq!((status, ids), (200, vec![&json!("0")]), "{query}: {found}");
        }
    })
    .await;
}
