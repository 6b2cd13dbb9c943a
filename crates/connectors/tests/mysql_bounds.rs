//! Events that promise far more than they hold cost no memory. A process of its own, because it looks at the most memory
//! that the process ever had.
#![cfg(all(target_os = "linux", feature = "mysql"))]
#![allow(clippy::unwrap_used)]

use std::io::Write;

use bytes::Bytes;
use syncline_connectors::mysql::binlog::{Decoder, EventBody, HEADER_LEN, kind};

fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// A decoder that knows a format.
fn decoder(file: &'static [u8]) -> Decoder {
    let mut decoder = Decoder::new(false);
    let mut at = 0;
    while decoder.format().is_none() {
        let size = u32::from_le_bytes(file[at + 9..at + 13].try_into().unwrap()) as usize;
        decoder.decode(&Bytes::from_static(&file[at..at + size])).unwrap();
        at += size;
    }
    decoder
}

fn event(event_type: u8, body: &[u8]) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, event_type, 7, 0, 0, 0];
    bytes.extend_from_slice(&((HEADER_LEN + body.len()) as u32).to_le_bytes());
    bytes.extend_from_slice(&[0; 6]);
    bytes.extend_from_slice(body);
    bytes.into()
}

const MYSQL: &[u8] = include_bytes!("../src/mysql/binlog/fixtures/mysql.binlog");
const MARIADB: &[u8] = include_bytes!("../src/mysql/binlog/fixtures/mariadb.binlog");

/// What an event may cost beside what it holds.
const MOST: usize = 32 << 20;

/// A length of eight bytes that no event has.
const HUGE: &[u8] = b"\xfe\xff\xff\xff\xff\xff\xff\xff\x0f";

/// How many events come out of a payload event.
fn drain(event: &Bytes) -> usize {
    let mut decoder = decoder(MYSQL);
    let EventBody::Payload(payload) = decoder.decode(event).unwrap().body else { panic!("no payload") };
    let mut events = payload.open().unwrap();
    let mut count = 0;
    while let Ok(Some(_)) = events.next_event() {
        count += 1;
    }
    count
}

/// A payload event with `inside` in it `times` times; never whole in memory, or it would count as the most there was.
fn payload(inside: &[u8], times: usize) -> Bytes {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    for _ in 0..times {
        encoder.write_all(inside).unwrap();
    }
    let compressed = encoder.finish().unwrap();
    let mut body = vec![2, 1, 0, 1, 9, 0xfe];
    body.extend_from_slice(&(compressed.len() as u64).to_le_bytes());
    body.push(0);
    body.extend_from_slice(&compressed);
    body.extend_from_slice(b"sum.");
    event(kind::TRANSACTION_PAYLOAD, &body)
}

#[test]
fn promises_cost_nothing() {
    let mut mysql = decoder(MYSQL);
    let mut mariadb = decoder(MARIADB);
    let bomb = zlib_of(64 << 20);
    let before = most_memory();

    let map = [b"\x05\0\0\0\0\0\x01\0\x01d\0\x01t\0", HUGE, b"\x03"].concat();
    assert!(mysql.decode_inner(&event(kind::TABLE_MAP, &map)).is_err());
    // Labels of an ENUM: one column, metadata field 6 with a huge count.
    let labels = [&b"\x05\0\0\0\0\0\x01\0\x01d\0\x01t\0\x01\xfe\x02\xf7\x01\0\x06\x09"[..], HUGE].concat();
    assert!(mysql.decode_inner(&event(kind::TABLE_MAP, &labels)).is_err());
    let rows = [b"\x05\0\0\0\0\0\x01\0\x02\0", HUGE, b"\xff\xff"].concat();
    assert!(mysql.decode_inner(&event(kind::WRITE_ROWS, &rows)).is_err());
    let gtids = [&(1u64 << 50).to_le_bytes()[..], &[1; 16], &u64::MAX.to_le_bytes()].concat();
    assert!(mysql.decode_inner(&event(kind::PREVIOUS_GTIDS, &gtids)).is_err());
    assert!(mariadb.decode_inner(&event(kind::MARIADB_GTID_LIST, &[0xff, 0xff, 0xff, 0x0f, 0, 0])).is_err());
    // Compressed rows that promise 1 GiB and hold nothing, and such that hold more than they promise.
    for (promised, data) in [(1u32 << 30, b"\x78\x9c\x03\0\0\0\0\x01".to_vec()), (3, bomb)] {
        let head = [&b"\x05\0\0\0\0\0\x01\0\x01\x01\x84"[..], &promised.to_be_bytes(), &data].concat();
        assert!(mariadb.decode_inner(&event(kind::MARIADB_WRITE_ROWS_COMPRESSED_V1, &head)).is_err());
    }
    let mut lying = event(kind::QUERY, &[0; 20]).to_vec();
    lying[9..13].copy_from_slice(&(1u32 << 30).to_le_bytes());
    assert_eq!(drain(&payload(&lying, 1)), 0);
    let grown = most_memory() - before;
    assert!(grown < MOST, "{grown} bytes");

    // A hundred megabytes of small events out of a few kilobytes are read one by one.
    let bomb = payload(&event(kind::QUERY, &[0; 2000]), 50_000);
    let before = most_memory();
    assert_eq!(drain(&bomb), 50_000);
    let grown = most_memory() - before;
    assert!(grown < MOST, "{grown} bytes");
}

fn zlib_of(len: usize) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    for _ in 0..len >> 10 {
        encoder.write_all(&[0; 1 << 10]).unwrap();
    }
    encoder.finish().unwrap()
}
