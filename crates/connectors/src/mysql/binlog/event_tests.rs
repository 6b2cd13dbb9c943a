//! Events that no test server writes at will: heartbeats, incidents, rotation, unknown types, images without repetition.

use bytes::Bytes;
use syncline_engine::error::{Code, Result};
use syncline_engine::row::{RowFormat, RowVisitor};
use syncline_engine::value::{OwnedValue, Value};

use super::total_tests::fixtures;
use super::*;
use crate::mysql::codec::{ColumnDetail, ColumnType};

fn event(event_type: u8, end_position: u32, flags: u16, body: &[u8]) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, event_type, 7, 0, 0, 0];
    bytes.extend_from_slice(&((HEADER_LEN + body.len()) as u32).to_le_bytes());
    bytes.extend_from_slice(&end_position.to_le_bytes());
    bytes.extend_from_slice(&flags.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes.into()
}

/// A decoder that has seen the format event of a fixture; `decode_inner` then takes events without checksums.
fn decoder(name: &str) -> Decoder {
    let fixture = fixtures().iter().find(|f| f.name == name).unwrap();
    let mut decoder = Decoder::new(true);
    for event in &fixture.events[..2] {
        decoder.decode(event).unwrap();
    }
    assert!(decoder.format().is_some());
    decoder
}

#[test]
fn heartbeats_of_all_kinds() {
    let beat = |name: &str, event: &Bytes| match decoder(name).decode_inner(event).unwrap().body {
        EventBody::Heartbeat { file, position } => (file, position),
        other => panic!("{other:?}"),
    };
    let file = "bin.000007".to_owned();
    assert_eq!(beat("mysql", &event(kind::HEARTBEAT, 900, 0, file.as_bytes())), (file.clone(), 900));
    let wide = [&5_000_000_000u64.to_le_bytes()[..], file.as_bytes()].concat();
    assert_eq!(beat("mariadb", &event(kind::HEARTBEAT, 0, 0, &wide)), (file.clone(), 5_000_000_000));
    let mut fields = vec![1, file.len() as u8];
    fields.extend_from_slice(file.as_bytes());
    fields.extend_from_slice(&[9, 2, 0, 0]);
    fields.extend_from_slice(&[2, 9, 0xfe]);
    fields.extend_from_slice(&6_000_000_000u64.to_le_bytes());
    fields.push(0);
    assert_eq!(beat("mysql", &event(kind::HEARTBEAT_V2, 0, 0, &fields)), (file, 6_000_000_000));
}

#[test]
fn rotation_incident_and_stop() {
    let body = [&4u64.to_le_bytes()[..], b"bin.000008"].concat();
    match decoder("mysql").decode_inner(&event(kind::ROTATE, 10, 0, &body)).unwrap().body {
        EventBody::Rotate { position, file } => assert_eq!((position, file.as_str()), (4, "bin.000008")),
        other => panic!("{other:?}"),
    }
    match decoder("mysql").decode_inner(&event(kind::INCIDENT, 10, 0, b"\x01\x00\x04lost")).unwrap().body {
        EventBody::Incident { number, message } => assert_eq!((number, message.as_str()), (1, "lost")),
        other => panic!("{other:?}"),
    }
    let stop = decoder("mysql").decode_inner(&event(kind::STOP, 10, 0, b"")).unwrap();
    assert!(matches!(stop.body, EventBody::Stop));
    // The made-up rotate comes before anybody knows of checksums.
    let mut artificial = event(kind::ROTATE, 0, flag::ARTIFICIAL, &body).to_vec();
    assert!(Decoder::new(true).decode(&artificial.clone().into()).is_ok());
    let size = artificial.len() as u32 + 4;
    artificial[9..13].copy_from_slice(&size.to_le_bytes());
    artificial.extend_from_slice(&crc32fast::hash(&artificial).to_le_bytes());
    match Decoder::new(true).decode(&artificial.into()).unwrap().body {
        EventBody::Rotate { file, .. } => assert_eq!(file, "bin.000008"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_no_server_counts_up_to_is_refused() {
    let refused = |name: &str, event: &Bytes| {
        let error = decoder(name).decode_inner(event).unwrap_err();
        assert_eq!(error.code(), Code::MysqlDecode);
    };
    let file = b"bin.000008";
    let far = [&(1u64 << 63).to_le_bytes()[..], file].concat();
    refused("mysql", &event(kind::ROTATE, 10, 0, &far));
    refused("mariadb", &event(kind::HEARTBEAT, 0, 0, &far));
    let fields = [&[1, file.len() as u8][..], file, &[2, 9, 0xfe], &u64::MAX.to_le_bytes()].concat();
    refused("mysql", &event(kind::HEARTBEAT_V2, 0, 0, &fields));
    for number in [0, i64::MAX as u64, u64::MAX] {
        let gtid = [&[0u8][..], &[7; 16], &number.to_le_bytes()].concat();
        refused("mysql", &event(kind::GTID, 10, 0, &gtid));
    }
    let last = [&[0u8][..], &[7; 16], &(i64::MAX as u64 - 1).to_le_bytes()].concat();
    match decoder("mysql").decode_inner(&event(kind::GTID, 10, 0, &last)).unwrap().body {
        EventBody::Gtid(gtid) => assert!(gtid_mysql::Gtid::parse(&gtid.id.to_string()).is_ok()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn unknown_types_stop_the_stream_unless_they_may_be_passed_over() {
    let error = decoder("mysql").decode_inner(&event(99, 10, 0, b"x")).unwrap_err();
    assert_eq!(error.code(), Code::MysqlUnknownEvent);
    let passed = decoder("mysql").decode_inner(&event(99, 10, flag::IGNORABLE, b"x")).unwrap();
    assert!(matches!(passed.body, EventBody::Nothing));
}

#[test]
fn nothing_comes_before_the_format_event() {
    let error = Decoder::new(true).decode(&event(kind::XID, 10, 0, &[0; 8])).unwrap_err();
    assert_eq!(error.code(), Code::MysqlDecode);
    let error = decoder("mysql").decode(&event(kind::XID, 10, 0, &[0; 12])).unwrap_err();
    assert_eq!(error.code(), Code::MysqlChecksum);
}

/// A table of an id, a text and a number, as MariaDB logs it without metadata.
const MAP: &[u8] = b"\x05\0\0\0\0\0\x01\0\x01d\0\x01t\0\x03\x03\x0f\x03\x02\x14\0\x06";

fn details() -> Vec<ColumnDetail> {
    let detail = |name: &str, kind| ColumnDetail {
        name: name.into(),
        kind,
        nullable: true,
        generated: false,
        invisible: false,
        type_text: String::new(),
    };
    let charset = crate::mysql::codec::Charset::named("utf8mb4").unwrap();
    let integer = ColumnType::Integer { bits: 32, unsigned: false };
    let text = ColumnType::Text { charset, length: Some(5) };
    vec![detail("id", integer.clone()), detail("v", text), detail("n", integer)]
}

struct All(Vec<(usize, OwnedValue)>);

impl RowVisitor for All {
    fn wants(&self, _: usize) -> bool {
        true
    }
    fn value(&mut self, column: usize, value: Value<'_>) -> Result<()> {
        self.0.push((column, value.to_owned()));
        Ok(())
    }
}

fn visit(format: &dyn RowFormat, image: &[u8]) -> Vec<(usize, OwnedValue)> {
    let mut all = All(Vec::new());
    format.visit(image, &mut all).unwrap();
    all.0
}

#[test]
fn images_without_repetition_are_merged() {
    let mut decoder = decoder("mariadb");
    let map = match decoder.decode_inner(&event(kind::TABLE_MAP, 10, 0, MAP)).unwrap().body {
        EventBody::TableMap { table_id: 5, map } => map,
        other => panic!("{other:?}"),
    };
    let format = BinlogFormat::new(&map, &details()).unwrap();
    // Before: id 7, v 'ab', n null. After, without the id: v null and n 9, then both null.
    let mut body = b"\x05\0\0\0\0\0\x01\0\x03\x07\x06".to_vec();
    for after in [&b"\x01\x09\0\0\0"[..], b"\x03"] {
        body.extend_from_slice(b"\x04\x07\0\0\0\x02ab");
        body.extend_from_slice(after);
    }
    let rows = match decoder.decode_inner(&event(kind::UPDATE_ROWS_V1, 10, 0, &body)).unwrap().body {
        EventBody::Rows(rows) => rows,
        other => panic!("{other:?}"),
    };
    assert!(rows.ends_statement && !rows.after().unwrap().is_full() && rows.before().unwrap().is_full());
    let place = Place::plain(1000);
    let images: Vec<RowImages> = rows.rows(&map, &place).unwrap().collect::<Result<_>>().unwrap();
    let first = HEADER_LEN as u64 + 1000 + 11;
    assert_eq!(images[0].before.as_ref().unwrap().offset, first);
    assert_eq!(images[0].after.as_ref().unwrap().offset, first + 8);
    let merged = format.merged(rows.before().unwrap(), rows.after().unwrap());
    let (id, null) = (OwnedValue::Int(7), OwnedValue::Null);
    let all = visit(&*merged, &rows.merged(&images[0]).unwrap().bytes);
    assert_eq!(all, [(0, id.clone()), (1, null.clone()), (2, OwnedValue::Int(9))]);
    let all = visit(&*merged, &rows.merged(&images[1]).unwrap().bytes);
    assert_eq!(all, [(0, id), (1, null.clone()), (2, null)]);
    let after = format.with_layout(rows.after().unwrap());
    assert_eq!(visit(&*after, &images[1].after.as_ref().unwrap().bytes).len(), 2);
}

#[test]
fn a_row_of_no_columns_is_one_row() {
    let mut decoder = decoder("mysql");
    let map = match decoder.decode_inner(&event(kind::TABLE_MAP, 10, 0, MAP)).unwrap().body {
        EventBody::TableMap { map, .. } => map,
        other => panic!("{other:?}"),
    };
    let count = |body: &[u8]| match decoder.decode_inner(&event(kind::WRITE_ROWS, 10, 0, body)).unwrap().body
    {
        EventBody::Rows(rows) => {
            rows.rows(&map, &Place::plain(0)).map(|rows| rows.filter(Result::is_ok).count())
        }
        other => panic!("{other:?}"),
    };
    let mut count = count;
    assert_eq!(count(b"\x05\0\0\0\0\0\x01\0\x02\0\x03\0").unwrap(), 1);
    assert_eq!(count(b"\x05\0\0\0\0\0\x01\0\x02\0\x03\x07").unwrap(), 0);
    assert_eq!(count(b"\x05\0\0\0\0\0\x01\0\x02\0\x02\x03").unwrap_err().code(), Code::MysqlSchema);
}

#[test]
fn places_inside_compressed_events_rise_and_offsets_stay_inside() {
    let mut place = Place::compressed(100, 3, 7);
    let mut last = None;
    let mut offsets = Vec::new();
    for inner in [0, 4, 8] {
        place.enter(inner);
        for at in 0..4 {
            let (offset, ordinal) = place.of(at);
            assert!(last.is_none_or(|last| last < ordinal));
            last = Some(ordinal);
            offsets.push(offset);
        }
    }
    // More comes out than was promised, and stays at the last byte.
    assert_eq!(offsets, [100, 100, 100, 101, 101, 102, 102, 102, 102, 102, 102, 102]);
    let after = Place::plain(103).of(0);
    assert_eq!(after.0, 103);
    assert!(last.unwrap() < after.1);
    assert_eq!(Place::plain(5_000_000_000).of(30).0, 5_000_000_030);
    let far = Place::compressed(u64::MAX - 1, u32::MAX, 0).of(usize::MAX);
    assert_eq!(far, (u64::MAX - 1, u64::MAX));
}

#[test]
fn xa_ids_are_found_in_statements() {
    let xid = |format, global: &str, branch: &str| {
        Some(Xid { format, global: global.as_bytes().to_vec(), branch: branch.as_bytes().to_vec() })
    };
    assert_eq!(Xid::parse("XA COMMIT X'6162',X'',1"), xid(1, "ab", ""));
    assert_eq!(Xid::parse("xa  rollback x'61' , 0x62 , 4294967295"), xid(u32::MAX, "a", "b"));
    assert_eq!(Xid::parse("XA START 'g'"), xid(1, "g", ""));
    assert_eq!(Xid::parse("XA COMMIT X'61',X'62',7 ONE PHASE"), xid(7, "a", "b"));
    assert_eq!(Xid::parse("XA COMMIT X'6',X'',1"), None);
    assert_eq!(Xid::parse("COMMIT"), None);
}
