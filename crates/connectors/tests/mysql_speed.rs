//! How fast rows are decoded, without a server: `cargo test --release --test mysql_speed -- --ignored --nocapture`.
#![cfg(feature = "mysql")]
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use bytes::Bytes;
use syncline_connectors::mysql::binlog::{BinlogFormat, Decoder, EventBody, HEADER_LEN, Place, kind};
use syncline_connectors::mysql::codec::{CatalogColumn, ColumnDetail};
use syncline_engine::error::Result;
use syncline_engine::row::{RowFormat, RowVisitor};
use syncline_engine::value::Value;

/// A column: its type for people, its type number and metadata in a table map, its value in a row image.
type Column = (&'static str, u8, &'static [u8], &'static [u8]);

/// The table of the design's prototype: 14 columns, 180 bytes a row.
const COLUMNS: [Column; 14] = [
    ("bigint", 8, b"", b"\x15\xcd\x5b\x07\0\0\0\0"),
    ("int", 3, b"", b"\x2a\0\0\0"),
    ("varchar(64)", 15, b"\0\x01", b"\x15\0a title of 21 letters"),
    ("varchar(255)", 15, b"\xfc\x03", b"\x2b\0a description that says what the case shows"),
    ("enum('open','held','done')", 254, b"\xf7\x01", b"\x02"),
    ("set('a','b','c')", 254, b"\xf8\x01", b"\x05"),
    ("decimal(12,2)", 246, b"\x0c\x02", b"\x80\0\x30\x39\x32\x19"),
    ("datetime(6)", 18, b"\x06", b"\x99\xb9\x7e\xc8\xb8\x01\xe2\x40"),
    ("timestamp", 17, b"\0", b"\x69\x7d\xf5\xb0"),
    ("double", 5, b"\x08", b"\x1f\x85\xeb\x51\xb8\x1e\x09\x40"),
    ("tinyint", 1, b"", b"\x01"),
    ("date", 10, b"", b"\x3f\xd4\x0f"),
    ("text", 252, b"\x02", b"\x1c\0{\"kind\": \"json kept as text\""),
    ("varchar(16)", 15, b"\x40\0", "\u{6}größ".as_bytes()),
];

fn event(event_type: u8, body: &[u8]) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, event_type, 7, 0, 0, 0];
    bytes.extend_from_slice(&((HEADER_LEN + body.len()) as u32).to_le_bytes());
    bytes.extend_from_slice(&[0; 6]);
    bytes.extend_from_slice(body);
    bytes.into()
}

fn table_map() -> Bytes {
    let mut body = b"\x05\0\0\0\0\0\x01\0\x01d\0\x01t\0\x0e".to_vec();
    body.extend(COLUMNS.iter().map(|c| c.1));
    let meta: Vec<u8> = COLUMNS.iter().flat_map(|c| c.2.iter().copied()).collect();
    body.push(meta.len() as u8);
    body.extend_from_slice(&meta);
    body.extend_from_slice(b"\xff\x3f");
    event(kind::TABLE_MAP, &body)
}

/// About 8 KiB of rows, as servers write them.
fn rows_event(rows: usize) -> Bytes {
    let mut body = b"\x05\0\0\0\0\0\x01\0\x02\0\x0e\xff\x3f".to_vec();
    for _ in 0..rows {
        body.extend_from_slice(b"\0\xc0");
        body.extend(COLUMNS.iter().flat_map(|c| c.3.iter().copied()));
    }
    event(kind::WRITE_ROWS, &body)
}

fn details() -> Vec<ColumnDetail> {
    let detail = |column: &Column| {
        let column = CatalogColumn {
            name: "c",
            column_type: column.0,
            charset: Some("utf8mb4"),
            nullable: true,
            ..CatalogColumn::default()
        };
        ColumnDetail::from_catalog(&column).unwrap()
    };
    COLUMNS.iter().map(detail).collect()
}

/// Looks at each value, so that nothing is optimised away.
struct Sum(u64);

impl RowVisitor for Sum {
    fn wants(&self, _: usize) -> bool {
        true
    }
    fn value(&mut self, _: usize, value: Value<'_>) -> Result<()> {
        self.0 += match value {
            Value::Int(n) => n.cast_unsigned(),
            Value::Text(text) | Value::Decimal(text) => text.len() as u64,
            Value::DateTime { date, .. } | Value::Date(date) => u64::from(date.year),
            _ => 1,
        };
        Ok(())
    }
}

#[test]
#[ignore = "a measurement: run it with --release"]
fn decoded_rows_a_second() {
    const ROWS: usize = 45;
    let events = if cfg!(debug_assertions) { 200 } else { 60_000 };
    let mut decoder = Decoder::new(true);
    let EventBody::TableMap { map, .. } = decoder.decode_inner(&table_map()).unwrap().body else {
        panic!("no map")
    };
    let format = BinlogFormat::new(&map, &details()).unwrap();
    let bytes = rows_event(ROWS);
    let mut sum = Sum(0);
    let begin = Instant::now();
    for _ in 0..events {
        let EventBody::Rows(event) = decoder.decode_inner(&bytes).unwrap().body else { panic!("no rows") };
        for images in event.rows(&map, &Place::plain(4)).unwrap() {
            format.visit(&images.unwrap().after.unwrap().bytes, &mut sum).unwrap();
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    assert!(sum.0 > 0);
    println!(
        "{:.2} million rows a second, {} bytes an event",
        (events * ROWS) as f64 / seconds / 1e6,
        bytes.len()
    );
}
