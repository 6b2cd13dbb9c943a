//! One change of every kind of column in each dialect; the expected lines follow the custom of the programs they imitate.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use syncline_engine::change::{Change, Operation, Origin};
use syncline_engine::packed;
use syncline_engine::row::RowImage;
use syncline_engine::schema::{Column, ColumnKind, TableSchema};
use syncline_engine::value::{Clock, Date, Labels, Value};
use syncline_engine::version::Version;

use super::columns::{days, decimal_bytes};
use super::dialect::Server;
use super::{canal, debezium, maxwell, wkt};

fn labels() -> Vec<Arc<str>> {
    ["red", "green", "blue"].map(Arc::from).to_vec()
}

fn kinds() -> Vec<(&'static str, ColumnKind)> {
    vec![
        ("id", ColumnKind::Integer { bits: 32, unsigned: false }),
        ("big", ColumnKind::Integer { bits: 64, unsigned: true }),
        ("price", ColumnKind::Decimal { precision: 10, scale: 2 }),
        ("name", ColumnKind::Text { length: Some(20) }),
        ("colour", ColumnKind::Enum { labels: labels() }),
        ("colours", ColumnKind::Set { labels: labels() }),
        ("raw", ColumnKind::Bytes),
        ("day", ColumnKind::Date),
        ("at", ColumnKind::DateTime { digits: 3 }),
        ("exact", ColumnKind::DateTime { digits: 6 }),
        ("utc", ColumnKind::Timestamp { digits: 0 }),
        ("took", ColumnKind::Time { digits: 0 }),
        ("zero", ColumnKind::Date),
        ("doc", ColumnKind::Json),
        ("spot", ColumnKind::Geometry),
        ("flag", ColumnKind::Bit { bits: 1 }),
        ("bits", ColumnKind::Bit { bits: 10 }),
        ("none", ColumnKind::Text { length: None }),
    ]
}

fn schema() -> Arc<TableSchema> {
    let column =
        |(name, kind): (&str, ColumnKind)| Column { name: name.into(), kind, nullable: name != "id" };
    Arc::new(TableSchema::new("shop", "things", kinds().into_iter().map(column).collect(), vec![0]))
}

fn point() -> Vec<u8> {
    let mut wkb = vec![1, 1, 0, 0, 0];
    wkb.extend_from_slice(&1.5f64.to_le_bytes());
    wkb.extend_from_slice(&(-2f64).to_le_bytes());
    wkb
}

fn row(id: i64, name: &str) -> RowImage {
    let date = Date { year: 2026, month: 1, day: 31 };
    let time = |micros, digits| Clock { hour: 12, minute: 30, second: 5, micros, digits };
    let (labels, point) = (labels(), point());
    let values = [
        Value::Int(id),
        Value::UInt(u64::MAX),
        Value::Decimal("-12.50"),
        Value::Text(name),
        Value::Text("green"),
        Value::Set(Labels::Bits { labels: &labels, bits: 0b101 }),
        Value::Bytes(&[0, 0xff, b'a']),
        Value::Date(date),
        Value::DateTime { date, time: time(250_000, 3), utc: false },
        Value::DateTime { date, time: time(250_001, 6), utc: false },
        Value::DateTime { date, time: time(0, 0), utc: true },
        Value::Time { negative: true, time: Clock { hour: 100, minute: 0, second: 1, micros: 0, digits: 0 } },
        Value::ZeroDate("0000-00-00"),
        Value::Json("{\"a\":1.10}"),
        Value::Geometry { srid: 4326, wkb: &point },
        Value::UInt(1),
        Value::UInt(0x0201),
        Value::Null,
    ];
    let mut writer = packed::Writer::new();
    for value in values {
        writer.push(value);
    }
    packed::image(writer.finish())
}

fn change(operation: Operation, before: Option<RowImage>, after: Option<RowImage>) -> Change {
    Change {
        schema: schema(),
        operation,
        before,
        after,
        version: Version::new(0, 3, 1547),
        before_version: Version::new(0, 3, 1500),
        offset: 1547,
        ordinal: 0,
        origin: Arc::new(Origin {
            server_id: 7,
            file: "bin.000003".into(),
            gtid: Some("0-7-42".into()),
            committed_at: 1_769_862_605_123,
        }),
    }
}

fn lines(text: Vec<u8>) -> Vec<Json> {
    let text = String::from_utf8(text).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn update(before: RowImage, after: RowImage) -> Change {
    change(Operation::Update, Some(before), Some(after))
}

#[test]
fn debezium_values_follow_its_defaults() {
    let server = Server { name: "shop".to_owned(), connector: "mysql".to_owned() };
    let mut out = Vec::new();
    debezium::write(&change(Operation::Insert, None, Some(row(1, "a"))), &[0], &server, &mut out).unwrap();
    let line = lines(out).remove(0);
    let after = json!({
        "id": 1, "big": -1, "price": "+x4=", "name": "a", "colour": "green", "colours": "red,blue", "raw": "AP9h",
        "day": 20484, "at": 1_769_862_605_250u64, "exact": 1_769_862_605_250_001u64, "utc": "2026-01-31T12:30:05Z",
        "took": -360_001_000_000i64, "zero": null, "doc": "{\"a\":1.10}",
        "spot": {"wkb": "AQEAAAAAAAAAAAD4PwAAAAAAAADA", "srid": 4326}, "flag": true, "bits": "AQI=", "none": null,
    });
    assert_eq!(line["after"], after);
    assert_eq!((&line["before"], &line["op"]), (&Json::Null, &json!("c")));
    assert_eq!(line["source"]["ts_ms"], json!(1_769_862_605_123u64));
    assert_eq!(line["source"]["pos"], json!(1547));
}

#[test]
fn debezium_splits_a_changed_key() {
    let server = Server { name: "shop".to_owned(), connector: "mysql".to_owned() };
    let mut out = Vec::new();
    debezium::write(&update(row(1, "a"), row(2, "a")), &[0], &server, &mut out).unwrap();
    debezium::write(&update(row(2, "a"), row(2, "b")), &[0], &server, &mut out).unwrap();
    let ops: Vec<Json> =
        lines(out).into_iter().map(|l| json!([l["op"], l["before"]["id"], l["after"]["id"]])).collect();
    assert_eq!(ops, [json!(["d", 1, null]), json!(["c", null, 2]), json!(["u", 2, 2])]);
}

#[test]
fn an_emptied_table_is_told_where_the_form_has_a_word_for_it() {
    let server = Server { name: "shop".to_owned(), connector: "mysql".to_owned() };
    let emptied = || change(Operation::Truncate, None, None);
    let mut out = Vec::new();
    debezium::write(&emptied(), &[0], &server, &mut out).unwrap();
    let line = lines(out).remove(0);
    assert_eq!([&line["op"], &line["before"], &line["after"]], [&json!("t"), &Json::Null, &Json::Null]);
    let mut out = Vec::new();
    canal::write(&emptied(), &[0], 9, &mut out).unwrap();
    maxwell::write(&emptied(), &[0], &mut out).unwrap();
    assert!(out.is_empty(), "neither has a word for it that is no statement");
}

#[test]
fn canal_values_are_text_and_old_holds_what_changed() {
    let mut out = Vec::new();
    canal::write(&update(row(1, "a"), row(1, "b")), &[0], 9, &mut out).unwrap();
    let line = lines(out).remove(0);
    let data = json!({
        "id": "1", "big": "18446744073709551615", "price": "-12.50", "name": "b", "colour": "2", "colours": "5",
        "raw": "\u{0}ÿa", "day": "2026-01-31", "at": "2026-01-31 12:30:05.250", "exact": "2026-01-31 12:30:05.250001",
        "utc": "2026-01-31 12:30:05", "took": "-100:00:01", "zero": "0000-00-00", "doc": "{\"a\":1.10}",
        "spot": line["data"][0]["spot"], "flag": "1", "bits": "513", "none": null,
    });
    assert_eq!(line["data"], json!([data]));
    assert_eq!(line["old"], json!([{"name": "a"}]));
    assert_eq!(line["mysqlType"]["big"], "bigint unsigned");
    assert_eq!(line["mysqlType"]["colours"], "set('red','green','blue')");
    assert_eq!((&line["sqlType"]["price"], &line["sqlType"]["at"]), (&json!(3), &json!(93)));
    assert_eq!((&line["pkNames"], &line["type"], &line["id"]), (&json!(["id"]), &json!("UPDATE"), &json!(9)));
    assert_eq!(line["es"], json!(1_769_862_605_123u64));
}

#[test]
fn maxwell_values_and_members() {
    let mut out = Vec::new();
    maxwell::write(&update(row(1, "a"), row(2, "a")), &[0], &mut out).unwrap();
    maxwell::write(&change(Operation::Delete, Some(row(2, "a")), None), &[0], &mut out).unwrap();
    let text = String::from_utf8(out.clone()).unwrap();
    assert!(text.contains("\"price\":-12.50,"), "the decimal is a number with its scale");
    let found = lines(out);
    let (update, delete) = (&found[0], &found[1]);
    assert_eq!((&update["type"], &update["old"]), (&json!("update"), &json!({"id": 1})));
    assert_eq!((&update["primary_key"], &update["ts"]), (&json!([2]), &json!(1_769_862_605)));
    assert_eq!((&update["position"], &update["gtid"]), (&json!("bin.000003:1547"), &json!("0-7-42")));
    let data = &update["data"];
    assert_eq!(
        (&data["at"], &data["utc"]),
        (&json!("2026-01-31 12:30:05.250"), &json!("2026-01-31 12:30:05"))
    );
    assert_eq!((&data["colours"], &data["spot"]), (&json!(["red", "blue"]), &json!("POINT (1.5 -2)")));
    assert_eq!((&data["zero"], &data["doc"]["a"]), (&Json::Null, &serde_json::from_str("1.10").unwrap()));
    assert_eq!((&delete["type"], delete.get("old")), (&json!("delete"), None));
}

#[test]
fn decimals_are_the_shortest_twos_complement() {
    let cases: [(&str, &[u8]); 9] = [
        ("0.00", &[0]),
        ("-0.00", &[0]),
        ("1.27", &[0x7f]),
        ("1.28", &[0, 0x80]),
        ("-1.28", &[0x80]),
        ("-1.29", &[0xff, 0x7f]),
        ("2.56", &[1, 0]),
        ("-12.50", &[0xfb, 0x1e]),
        ("655.35", &[0, 0xff, 0xff]),
    ];
    for (text, bytes) in cases {
        assert_eq!(decimal_bytes(text), bytes, "{text}");
    }
}

#[test]
fn days_count_from_1970() {
    let day = |year, month, day| days(Date { year, month, day });
    assert_eq!(
        [day(1970, 1, 1), day(1969, 12, 31), day(2000, 3, 1), day(1600, 2, 29)],
        [0, -1, 11017, -135_081]
    );
}

#[test]
fn bytes_that_are_no_geometry_give_nothing() {
    for bytes in [&[][..], &[1, 1, 0, 0, 0], &[2, 1, 0, 0, 0], &[1, 2, 0, 0, 0, 255, 255, 255, 255], &[1; 64]]
    {
        assert_eq!(wkt::text(bytes), None);
    }
    let nested = [1u8, 7, 0, 0, 0, 1, 0, 0, 0].repeat(1000);
    assert_eq!(wkt::text(&nested), None);
}
