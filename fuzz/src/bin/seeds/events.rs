//! Seeds of the target `events`: the fixtures' streams, each of their events with the table map it needs, the same packed
//! in the other ways, and small events of the types that the fixtures lack.

use syncline_connectors::mysql::binlog::{Decoder, EventBody, HEADER_LEN, kind};
use syncline_fuzz::fixtures::{Fixture, HEAD, fixtures};
use syncline_fuzz::script::{VERIFY, Way, event, push};

/// An event's checksum.
const SUM: usize = 4;

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (n, fixture) in fixtures().iter().enumerate() {
        let first = n as u8;
        for first in [first, first | VERIFY] {
            seeds.push(script(first, Way::Plain, fixture.events[HEAD..].iter().map(|e| e.to_vec())));
        }
        for events in statements(fixture) {
            seeds.push(script(first, Way::Plain, events.iter().cloned()));
            if fixture.mariadb {
                let mut packed = vec![first];
                events.iter().for_each(|event| push_deflated(&mut packed, event));
                seeds.push(packed);
            } else {
                let bare = || events.iter().map(|e| e[..e.len().saturating_sub(SUM)].to_vec());
                seeds.push(script(first, Way::Inside, bare()));
                seeds.push(script(first, Way::InsidePlain, bare()));
            }
        }
        seeds.push(script(first, Way::Inside, unpacked(fixture).into_iter()));
        seeds.extend(small_events().into_iter().map(|event| script(first, Way::Plain, [event].into_iter())));
    }
    seeds
}

fn script(first: u8, way: Way, events: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut out = vec![first];
    events.for_each(|event| push(&mut out, way, &event));
    out
}

/// Each event, rows with the table map before them.
fn statements(fixture: &Fixture) -> Vec<Vec<Vec<u8>>> {
    let mut map = None;
    let mut all = Vec::new();
    for event in &fixture.events[HEAD..] {
        match event[4] {
            kind::TABLE_MAP => map = Some(event.to_vec()),
            23..=25 | 30..=32 | 39 | 166..=171 => {
                all.push(map.clone().into_iter().chain([event.to_vec()]).collect());
            }
            _ => all.push(vec![event.to_vec()]),
        }
    }
    all
}

/// What is inside of the fixture's payloads.
fn unpacked(fixture: &Fixture) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new(false);
    let mut all = Vec::new();
    for event in &fixture.events {
        if let EventBody::Payload(payload) = decoder.decode(event).expect("a fixture's event").body {
            let mut events = payload.open().expect("a fixture's payload");
            while let Some(event) = events.next_event().expect("a fixture's payload") {
                all.push(event.to_vec());
            }
        }
    }
    all
}

/// Statements and rows as MariaDB would compress them, everything else as it is.
fn push_deflated(out: &mut Vec<u8>, event: &[u8]) {
    let body = &event[HEADER_LEN..];
    let (event_type, plain) = match event[4] {
        kind::QUERY => {
            let status = usize::from(u16::from_le_bytes([body[11], body[12]]));
            (kind::MARIADB_QUERY_COMPRESSED, 13 + status + usize::from(body[8]) + 1)
        }
        rows @ 23..=25 => {
            let bitmap = usize::from(body[8]).div_ceil(8);
            let bitmaps = if rows == kind::UPDATE_ROWS_V1 { 2 * bitmap } else { bitmap };
            (rows + (kind::MARIADB_WRITE_ROWS_COMPRESSED_V1 - kind::WRITE_ROWS_V1), 9 + bitmaps)
        }
        _ => return push(out, Way::Plain, event),
    };
    let mut event = event.to_vec();
    event[4] = event_type;
    push(out, Way::Deflated(u8::try_from(plain).unwrap_or(u8::MAX)), &event);
}

fn small_events() -> Vec<Vec<u8>> {
    let gtid = [&[0u8][..], &[7; 16], &9u64.to_le_bytes(), &[2], &[0; 16], &[1; 7], &[5], b"sum."].concat();
    let tagged = b"\x02\x40\x00\x00\x00\x02\x0e\x0e\x0e\x0e\x0e\x0e\x0e\x0e\x0e\x0e\x0e\x0e\x0e\x0e\x0e\x0e\x04\x14\x06\x06tagsum.";
    let mariadb_gtid = b"\x09\0\0\0\0\0\0\0\x01\0\0\0\x42\0\0\0\0\0\0\0\0\x01\0\0\0\x02\x01abcsum.";
    let previous =
        [&1u64.to_le_bytes()[..], &[1; 16], &1u64.to_le_bytes(), &1u64.to_le_bytes(), &9u64.to_le_bytes()];
    let list = b"\x02\0\0\0\0\0\0\0\x01\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x07\0\0\0\0\0\0\0sum.";
    let list_of: [(u8, &[u8]); 19] = [
        (kind::ROTATE, b"\x04\0\0\0\0\0\0\0bin.000002sum."),
        (kind::HEARTBEAT, b"bin.000001sum."),
        (kind::HEARTBEAT, b"\x04\0\0\0\x01\0\0\0bin.000001sum."),
        (kind::HEARTBEAT_V2, b"\x01\x0abin.000001\x02\x05\xfd\0\0\x01\0\0sum."),
        (kind::INCIDENT, b"\x01\0\x05lost!sum."),
        (kind::STOP, b"sum."),
        (kind::XID, b"\x01\0\0\0\0\0\0\0sum."),
        (kind::XA_PREPARE, b"\0\x01\0\0\0\x02\0\0\0\x01\0\0\0abcsum."),
        (kind::GTID, &gtid),
        (kind::ANONYMOUS_GTID, &gtid),
        (kind::GTID_TAGGED, tagged),
        (kind::MARIADB_GTID, mariadb_gtid),
        (kind::PREVIOUS_GTIDS, &[&previous.concat()[..], b"sum."].concat()),
        (kind::MARIADB_GTID_LIST, list),
        (kind::ROWS_QUERY, b"\x05INSERsum."),
        (kind::EXECUTE_LOAD_QUERY, b"\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0d\0LOAD DATA INFILE 'x' INTO TABLE tsum."),
        (kind::INTVAR, b"\x01\x01\0\0\0\0\0\0\0sum."),
        (kind::QUERY, b"\x01\0\0\0\0\0\0\0\x01\0\0\x10\0\x01\0\0\0\0\0\0\0\0\x04\x21\0\x21\0\x08\0d\0XA COMMIT X'61',X'',1sum."),
        (200, b"unknownsum."),
    ];
    list_of.iter().map(|(event_type, body)| event(*event_type, body)).collect()
}
