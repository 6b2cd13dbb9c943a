//! What `json.rs` writes, value by value, against SURFACE section 2 and against serde_json as an independent reader.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::value::Labels;

fn json(value: Value<'_>) -> String {
    let mut out = Vec::new();
    write_value(&mut out, value);
    String::from_utf8(out).unwrap()
}

fn clock(hour: u16, minute: u8, second: u8, micros: u32, digits: u8) -> Clock {
    Clock { hour, minute, second, micros, digits }
}

const JANUARY: Date = Date { year: 2026, month: 1, day: 31 };

#[test]
fn each_kind_has_one_form() {
    let labels: Vec<Arc<str>> = vec!["a".into(), "b\"".into(), "c".into()];
    let noon = clock(12, 0, 0, 123_456, 6);
    let cases: Vec<(Value<'_>, &str)> = vec![
        (Value::Null, "null"),
        (Value::Int(i64::MIN), "-9223372036854775808"),
        (Value::UInt(u64::MAX), "18446744073709551615"),
        (Value::Float(0.1), "0.1"),
        (Value::Double(0.1), "0.1"),
        (Value::Double(-0.0), "-0.0"),
        (Value::Double(1e300), "1e300"),
        (Value::Decimal("-12.50"), "\"-12.50\""),
        (Value::Text("a\u{1}\n\"\\é"), "\"a\\u0001\\n\\\"\\\\é\""),
        (Value::Set(Labels::Bits { labels: &labels, bits: 0b011 }), "[\"a\",\"b\\\"\"]"),
        (Value::Set(Labels::Bits { labels: &labels, bits: 0 }), "[]"),
        (Value::Bytes(&[0, 255, 1, 0]), "\"AP8BAA==\""),
        (Value::Bytes(&[]), "\"\""),
        (Value::Date(JANUARY), "\"2026-01-31\""),
        (Value::Date(Date { year: 7, month: 2, day: 3 }), "\"0007-02-03\""),
        (Value::DateTime { date: JANUARY, time: noon, utc: false }, "\"2026-01-31T12:00:00.123456\""),
        (Value::DateTime { date: JANUARY, time: clock(1, 2, 3, 40_000, 2), utc: true }, {
            "\"2026-01-31T01:02:03.04Z\""
        }),
        (Value::Time { negative: true, time: clock(838, 59, 59, 0, 6) }, "\"-838:59:59.000000\""),
        (Value::Time { negative: false, time: clock(1, 2, 3, 0, 0) }, "\"01:02:03\""),
        (Value::Json("{\"a\":1.10}"), "{\"a\":1.10}"),
        (Value::Json(" {\n \"a b\" : \"c\\\" \td\" ,\"e\":[ 1 ] }\r\n"), {
            "{\"a b\":\"c\\\" \\td\",\"e\":[1]}"
        }),
        (Value::Json(""), "null"),
        (Value::Geometry { srid: 4326, wkb: &[1, 2] }, "{\"srid\":4326,\"wkb\":\"AQI=\"}"),
        (Value::Vector(&[0, 0, 128, 63, 205, 204, 204, 61]), "[1.0,0.1]"),
        (Value::Vector(&[]), "[]"),
    ];
    for (value, expected) in cases {
        assert_eq!(json(value), expected, "{value:?}");
        serde_json::from_str::<serde_json::Value>(expected).unwrap();
    }
}

#[test]
fn what_json_lacks_is_null_and_counted() {
    let infinite = f32::INFINITY.to_le_bytes();
    let cases = [
        (Value::Float(f32::NAN), "null", 1),
        (Value::Double(f64::NEG_INFINITY), "null", 1),
        (Value::ZeroDate("0000-00-00"), "null", 1),
        (Value::Vector(&infinite), "[null]", 1),
        (Value::Double(1.0), "1.0", 0),
    ];
    for (value, expected, count) in cases {
        let mut out = Vec::new();
        assert_eq!(write_value(&mut out, value), count, "{value:?}");
        assert_eq!(out, expected.as_bytes());
    }
    let mut out = Vec::new();
    assert_eq!(write_value_with(&mut out, Value::ZeroDate("2026-00-00 00:00:00"), ZeroDates::Text), 0);
    assert_eq!(out, b"\"2026-00-00 00:00:00\"");
}

proptest! {
    #[test]
    fn any_text_reads_back(text in any::<String>(), prefix in "[a-z]{0,9}") {
        let text = format!("{prefix}{text}");
        let read: String = serde_json::from_str(&json(Value::Text(&text))).unwrap();
        prop_assert_eq!(read, text);
    }

    #[test]
    fn any_bytes_of_seven_bits_are_escaped_where_json_says(bytes in prop::collection::vec(0u8..128, 0..40)) {
        let text = String::from_utf8(bytes).unwrap();
        let read: String = serde_json::from_str(&json(Value::Text(&text))).unwrap();
        prop_assert_eq!(read, text);
    }

    #[test]
    fn numbers_read_back_exactly(int in any::<i64>(), unsigned in any::<u64>(), double in any::<f64>(), float in any::<f32>()) {
        prop_assert_eq!(json(Value::Int(int)).parse::<i64>().unwrap(), int);
        prop_assert_eq!(json(Value::UInt(unsigned)).parse::<u64>().unwrap(), unsigned);
        if double.is_finite() {
            prop_assert_eq!(json(Value::Double(double)).parse::<f64>().unwrap().to_bits(), double.to_bits());
        }
        if float.is_finite() {
            prop_assert_eq!(json(Value::Float(float)).parse::<f32>().unwrap().to_bits(), float.to_bits());
        }
    }

    #[test]
    fn compacting_keeps_the_value(value in json_value()) {
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let compact = json(Value::Json(&pretty));
        prop_assert!(!compact.contains('\n'));
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&compact).unwrap(), value);
    }

    #[test]
    fn any_value_is_one_line_of_utf8(bytes in prop::collection::vec(any::<u8>(), 0..64), text in any::<String>()) {
        for value in [Value::Bytes(&bytes), Value::Vector(&bytes), Value::Json(&text), Value::Text(&text)] {
            prop_assert!(!json(value).contains(['\n', '\r']));
        }
    }
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
}
