//! Values that no test server writes at will, and totality: any bytes give a value or none.

use std::sync::Arc;

use proptest::prelude::*;
use syncline_engine::value::{Clock, Date, Value};

use super::value::{Read, Scratch};
use super::{
    CatalogColumn, Charset, ColumnDetail, ColumnType, compressed, json_binary, json_text, type_text,
};

fn read(how: &Read, bytes: &[u8], check: impl FnOnce(Option<Value<'_>>)) {
    check(how.value(bytes, &mut Scratch::default()));
}

#[test]
fn times_of_servers_before_5_6() {
    let clock = |hour, minute, second| Clock { hour, minute, second, micros: 0, digits: 0 };
    let date = Date { year: 2011, month: 12, day: 31 };
    let n = 20_111_231_235_958u64.to_le_bytes();
    read(&Read::OldDateTime, &n, |value| {
        assert_eq!(value, Some(Value::DateTime { date, time: clock(23, 59, 58), utc: false }));
    });
    read(&Read::OldDateTime, &[0; 8], |value| {
        assert_eq!(value, Some(Value::ZeroDate("0000-00-00 00:00:00")))
    });
    let negative = (-8_385_959i32).to_le_bytes();
    read(&Read::OldTime, &negative[..3], |value| {
        assert_eq!(value, Some(Value::Time { negative: true, time: clock(838, 59, 59) }));
    });
    read(&Read::OldTime, &[57, 0, 0], |value| {
        assert_eq!(value, Some(Value::Time { negative: false, time: clock(0, 0, 57) }));
    });
    let seconds = 1_325_375_998u32.to_le_bytes();
    read(&Read::OldTimestamp, &seconds, |value| {
        assert_eq!(value, Some(Value::DateTime { date, time: clock(23, 59, 58), utc: true }));
    });
    // MariaDB 11.5 counts on to 2106.
    read(&Read::Timestamp { digits: 0 }, &u32::MAX.to_be_bytes(), |value| {
        let date = Date { year: 2106, month: 2, day: 7 };
        assert_eq!(value, Some(Value::DateTime { date, time: clock(6, 28, 15), utc: true }));
    });
}

#[test]
fn labels_beyond_the_known_are_no_values() {
    let labels: Arc<[Arc<str>]> = Arc::from([Arc::from("a"), Arc::from("b")]);
    let choice = Read::Enum { labels: labels.clone() };
    read(&choice, &[0], |value| assert_eq!(value, Some(Value::Text(""))));
    read(&choice, &[2], |value| assert_eq!(value, Some(Value::Text("b"))));
    read(&choice, &[3], |value| assert_eq!(value, None));
    let some = Read::Set { labels };
    read(&some, &[3], |value| assert!(value.is_some()));
    read(&some, &[4], |value| assert_eq!(value, None));
}

#[test]
fn text_that_is_none_is_refused() {
    let text = |charset: &str, bytes: &[u8]| {
        let mut scratch = String::new();
        Charset::named(charset).unwrap().decode(bytes, &mut scratch).map(str::to_owned)
    };
    assert_eq!(text("utf8mb4", b"\xff"), None);
    assert_eq!(text("utf8mb3", b"\xed\xa0\x80"), None);
    assert_eq!(text("ucs2", b"\xd8\x00"), None);
    assert_eq!(text("ucs2", b"\x00"), None);
    assert_eq!(text("utf32", b"\0\x11\0\0"), None);
    assert_eq!(text("UTF8", "é".as_bytes()).as_deref(), Some("é"));
    assert_eq!(text("cp850", b"\x82\xd5").as_deref(), Some("éı"));
    assert_eq!(text("latin1", b"\x80\x81").as_deref(), Some("€\u{81}"));
    assert_eq!(text("swe7", b"{|}").as_deref(), Some("äöå"));
}

#[test]
fn json_text_is_made_compact() {
    let compact = |text: &str| {
        let mut out = String::new();
        json_text::compact(text, &mut out).map(|()| out)
    };
    for (text, expected) in [
        (
            " { \"a\" : [ 1 , 2.50 , -0 , 1E+3 ] , \"b\" : { } , \"c\" : [ ] } ",
            "{\"a\":[1,2.50,-0,1E+3],\"b\":{},\"c\":[]}",
        ),
        ("{\"a\":1,\"a\":2}", "{\"a\":2}"),
        ("{\"a\":1,\"b\":2,\"a\":3,\"c\":4,\"b\":5}", "{\"a\":3,\"c\":4,\"b\":5}"),
        ("{\"\\u0061\":1,\"a\":2}", "{\"a\":2}"),
        ("{\"a\\/b\":\"x\\/y\"}", "{\"a/b\":\"x\\/y\"}"),
        ("[{\"a\":{\"b\":1,\"b\":2}},{\"a\":1}]", "[{\"a\":{\"b\":2}},{\"a\":1}]"),
        ("\"\\ud83d\\ude00\"", "\"\\ud83d\\ude00\""),
    ] {
        assert_eq!(compact(text).as_deref(), Some(expected), "{text}");
    }
    let many: Vec<String> = (0..40).map(|n| format!("\"k{}\":{n}", n % 20)).collect();
    let last: Vec<String> = (20..40).map(|n| format!("\"k{}\":{n}", n % 20)).collect();
    assert_eq!(compact(&format!("{{{}}}", many.join(","))).unwrap(), format!("{{{}}}", last.join(",")));
    for wrong in [
        "",
        "{",
        "[1,]",
        "{\"a\"}",
        "{\"a\":1,}",
        "01",
        "1.",
        ".5",
        "1e",
        "+1",
        "nul",
        "'a'",
        "\"\\x\"",
        "\"\n\"",
        "1 2",
    ] {
        assert_eq!(compact(wrong), None, "{wrong}");
    }
    assert_eq!(compact(&"[".repeat(100_000)), None);
}

#[test]
fn parts_that_point_at_each_other_do_not_explode() {
    // Each array of two points twice at the next one: 2 to the power of the depth, if anybody followed.
    let mut document = vec![0x02u8];
    let levels = 60u16;
    let size = 10 * levels + 20;
    for level in 0..levels {
        let _ = level;
        document.extend_from_slice(&2u16.to_le_bytes());
        document.extend_from_slice(&size.to_le_bytes());
        for _ in 0..2 {
            document.push(0x02);
            document.extend_from_slice(&10u16.to_le_bytes());
        }
    }
    document.resize(usize::from(size) * 3, 0);
    let mut out = String::new();
    let _ = json_binary::text(&document, &mut out);
    assert!(out.len() <= 20 * document.len());
}

#[test]
fn catalog_types_are_read() {
    let detail = |column_type: &str, extra: &str| {
        ColumnDetail::from_catalog(&CatalogColumn {
            name: "c",
            column_type,
            charset: Some("latin1"),
            nullable: true,
            extra,
            json_valid: false,
        })
    };
    let labels = |text: &str| match detail(text, "").unwrap().kind {
        ColumnType::Enum { labels, .. } | ColumnType::Set { labels, .. } => labels,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        *labels("enum('a','it''s','b\\\\s','x,y)','')"),
        ["a", "it's", "b\\s", "x,y)", ""].map(Arc::from)
    );
    assert_eq!(*labels("set('n\\nl')"), ["n\nl"].map(Arc::from));
    assert_eq!(
        detail("timestamp(3) /* mariadb-5.3 */", "").unwrap().kind,
        ColumnType::Timestamp { digits: 3 }
    );
    assert_eq!(
        detail("tinyint(1) unsigned zerofill", "").unwrap().kind,
        ColumnType::Integer { bits: 8, unsigned: true }
    );
    assert!(detail("int", "VIRTUAL GENERATED INVISIBLE").unwrap().generated);
    assert!(!detail("datetime", "DEFAULT_GENERATED on update CURRENT_TIMESTAMP").unwrap().generated);
    for wrong in
        ["", "xmltype", "enum('a", "enum(a)", "decimal(70,2)", "decimal(2,3)", "bit(65)", "time(7)", "int(x)"]
    {
        assert!(detail(wrong, "").is_err(), "{wrong}");
    }
    // The schema history keeps details for ever.
    let old = r#"{"name":"c","kind":{"text":{"charset":"latin1","length":5}},"nullable":true}"#;
    let read: ColumnDetail = serde_json::from_str(old).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap()["kind"]["text"]["charset"], "latin1");
}

fn kinds() -> Vec<Read> {
    let labels: Arc<[Arc<str>]> = Arc::from([Arc::from("a")]);
    let charset = Charset::named("utf8mb4").unwrap();
    vec![
        Read::Int { unsigned: false },
        Read::Float,
        Read::Double,
        Read::Year,
        Read::Bit,
        Read::Decimal { precision: 65, scale: 30 },
        Read::Decimal { precision: 7, scale: 7 },
        Read::Date,
        Read::OldTime,
        Read::OldDateTime,
        Read::OldTimestamp,
        Read::Time { digits: 6 },
        Read::DateTime { digits: 3 },
        Read::Timestamp { digits: 1 },
        Read::Enum { labels: labels.clone() },
        Read::Set { labels },
        Read::JsonText { charset },
        Read::Bytes { pad: Some(10) },
        Read::Json,
        Read::Geometry,
        Read::Vector,
        Read::Uuid,
        Read::Inet4,
        Read::Inet6,
        Read::Compressed(Box::new(Read::Text { charset })),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_a_value_or_none(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut scratch = Scratch::default();
        for how in kinds() {
            let _ = how.value(&bytes, &mut scratch);
        }
        for charset in Charset::all() {
            let _ = charset.decode(&bytes, &mut scratch.text);
        }
        let _ = compressed::inflate(&bytes, &mut scratch.bytes);
    }

    #[test]
    fn any_text_is_json_for_both_or_for_none(text in "[\\[\\]{}\",:0-9a-e.\\\\ u+-]{0,40}") {
        let mut out = String::new();
        let ours = json_text::compact(&text, &mut out).is_some();
        let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
        // Escapes of surrogates alone are JSON by its grammar; not all readers take them.
        prop_assert!(ours == theirs || text.contains("\\ud"), "{text}");
        if ours {
            let mut again = String::new();
            prop_assert!(json_text::compact(&out, &mut again).is_some());
            prop_assert_eq!(out, again);
        }
    }

    #[test]
    fn type_texts_parse_or_not(text in "(enum|set|int|decimal|varchar|time)?[(),' a-z0-9\\\\]{0,30}") {
        let _ = type_text::parse(&text, Some("utf8mb4"));
    }
}
