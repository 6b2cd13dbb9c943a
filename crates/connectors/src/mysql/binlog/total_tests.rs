//! Any bytes give a value or an error: events of real servers, damaged at random, never panic and never hang.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use proptest::prelude::*;
use syncline_engine::error::Result;
use syncline_engine::row::RowVisitor;
use syncline_engine::value::Value;

use super::*;
use crate::mysql::codec::ColumnDetail;

/// Events as a server sent them, and what is known of the table in them.
pub struct Fixture {
    pub name: &'static str,
    pub events: Vec<Bytes>,
    pub details: Vec<ColumnDetail>,
}

pub fn fixtures() -> &'static [Fixture] {
    static ALL: LazyLock<Vec<Fixture>> = LazyLock::new(read_fixtures);
    &ALL
}

fn read_fixtures() -> Vec<Fixture> {
    macro_rules! fixture {
        ($name:literal) => {
            fixture(
                $name,
                include_bytes!(concat!("fixtures/", $name, ".binlog")),
                include_str!(concat!("fixtures/", $name, ".json")),
            )
        };
    }
    vec![
        fixture!("mariadb"),
        fixture!("mariadb-compressed"),
        fixture!("mysql"),
        fixture!("mysql-compressed"),
        fixture!("mysql-5.6"),
    ]
}

fn fixture(name: &'static str, mut bytes: &'static [u8], details: &str) -> Fixture {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let size = EventHeader::parse(bytes).unwrap().size as usize;
        let (event, rest) = bytes.split_at(size);
        events.push(Bytes::from_static(event));
        bytes = rest;
    }
    Fixture { name, events, details: serde_json::from_str(details).unwrap() }
}

/// Counts what it is shown.
#[derive(Default)]
pub struct Count {
    pub values: usize,
}

impl RowVisitor for Count {
    fn wants(&self, column: usize) -> bool {
        column != 3
    }
    fn value(&mut self, _: usize, _: Value<'_>) -> Result<()> {
        self.values += 1;
        Ok(())
    }
}

/// Reads events to the last value. Answers how many there were, and how many errors.
pub struct Reader<'a> {
    pub decoder: Decoder,
    details: &'a [ColumnDetail],
    maps: HashMap<u64, (Arc<TableMap>, Option<Arc<BinlogFormat>>)>,
    pub values: usize,
    pub errors: usize,
}

impl<'a> Reader<'a> {
    pub fn new(verify: bool, details: &'a [ColumnDetail]) -> Reader<'a> {
        Reader { decoder: Decoder::new(verify), details, maps: HashMap::new(), values: 0, errors: 0 }
    }

    pub fn event(&mut self, bytes: &Bytes) {
        match self.decoder.decode(bytes) {
            Ok(event) => self.body(event.body, &Place::plain(4)),
            Err(_) => self.errors += 1,
        }
    }

    fn body(&mut self, body: EventBody, place: &Place) {
        match body {
            EventBody::TableMap { table_id, map } => {
                let format = BinlogFormat::new(&map, self.details).ok();
                self.maps.insert(table_id, (map, format));
            }
            EventBody::Rows(event) => self.errors += usize::from(self.rows(&event, place).is_err()),
            EventBody::Payload(payload) => self.errors += usize::from(self.payload(&payload).is_err()),
            EventBody::Query(query) => drop(query.text().into_owned()),
            _ => {}
        }
    }

    fn payload(&mut self, payload: &Payload) -> Result<()> {
        let mut events = payload.open()?;
        let (mut place, mut read) = (payload.place(4, 1000), 0);
        while let Some(bytes) = events.next_event()? {
            let event = self.decoder.decode_inner(&bytes)?;
            place.enter(read);
            read += bytes.len() as u64;
            self.body(event.body, &place);
        }
        Ok(())
    }

    fn rows(&mut self, event: &RowsEvent, place: &Place) -> Result<()> {
        let Some((map, Some(format))) = self.maps.get(&event.table_id) else { return Ok(()) };
        for images in event.rows(map, place)? {
            let images = images?;
            let mut count = Count::default();
            for (image, layout) in [(&images.before, event.before()), (&images.after, event.after())] {
                if let (Some(image), Some(layout)) = (image, layout)
                    && format.with_layout(layout).visit(&image.bytes, &mut count).is_err()
                {
                    self.errors += 1;
                }
            }
            if let (Some(merged), Some(before), Some(after)) =
                (event.merged(&images), event.before(), event.after())
                && format.merged(before, after).visit(&merged.bytes, &mut count).is_err()
            {
                self.errors += 1;
            }
            self.values += count.values;
        }
        Ok(())
    }
}

#[test]
fn fixtures_read_without_an_error() {
    for fixture in fixtures() {
        let mut reader = Reader::new(true, &fixture.details);
        fixture.events.iter().for_each(|event| reader.event(event));
        assert_eq!(reader.errors, 0, "{}", fixture.name);
        assert!(reader.values > 15 * fixture.details.len(), "{}: {} values", fixture.name, reader.values);
    }
}

#[test]
fn fixtures_hold_what_is_compressed() {
    let has = |name: &str, kinds: &[u8]| {
        let fixture = fixtures().iter().find(|f| f.name == name).unwrap();
        fixture.events.iter().any(|event| kinds.contains(&event[4]))
    };
    assert!(has(
        "mariadb-compressed",
        &[kind::MARIADB_WRITE_ROWS_COMPRESSED_V1, kind::MARIADB_WRITE_ROWS_COMPRESSED]
    ));
    assert!(has("mysql-compressed", &[kind::TRANSACTION_PAYLOAD]));
    assert!(has("mysql-compressed", &[kind::GTID_TAGGED]));
}

/// What is done to an event: a byte changed, cut out or put in; at last its header tells its true size again.
#[derive(Clone, Debug)]
enum Damage {
    Flip(usize, u8),
    Cut(usize, usize),
    Insert(usize, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        6 => (any::<usize>(), 1..=255u8).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        1 => (any::<usize>(), 1..200usize).prop_map(|(at, n)| Damage::Cut(at, n)),
        1 => (any::<usize>(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, new)| Damage::Insert(at, new)),
    ]
}

fn apply(event: &[u8], damages: &[Damage]) -> Bytes {
    let mut bytes = event.to_vec();
    for damage in damages {
        let body = bytes.len().saturating_sub(HEADER_LEN).max(1);
        match damage {
            Damage::Flip(at, bits) => {
                if let Some(byte) = bytes.get_mut(HEADER_LEN + at % body) {
                    *byte ^= bits;
                }
            }
            Damage::Cut(at, n) => {
                let from = (HEADER_LEN + at % body).min(bytes.len());
                let to = (from + n).min(bytes.len());
                bytes.drain(from..to);
            }
            Damage::Insert(at, new) => {
                let from = (HEADER_LEN + at % body).min(bytes.len());
                bytes.splice(from..from, new.iter().copied());
            }
        }
    }
    let size = bytes.len() as u32;
    if let Some(field) = bytes.get_mut(9..13) {
        field.copy_from_slice(&size.to_le_bytes());
    }
    bytes.into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn damaged_events_end_in_values_or_errors(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let fixtures = fixtures();
        let fixture = &fixtures[which.index(fixtures.len())];
        let at = at.index(fixture.events.len());
        let mut reader = Reader::new(false, &fixture.details);
        for (n, event) in fixture.events.iter().enumerate() {
            if n == at {
                reader.event(&apply(event, &damages));
            } else {
                reader.event(event);
            }
        }
    }

    #[test]
    fn any_body_of_any_type_ends_in_a_value_or_an_error(
        event_type in any::<u8>(),
        flags in any::<u16>(),
        body in prop::collection::vec(any::<u8>(), 0..300),
        inner in any::<bool>(),
    ) {
        let mut event = vec![1, 0, 0, 0, event_type, 1, 0, 0, 0];
        event.extend_from_slice(&((HEADER_LEN + body.len()) as u32).to_le_bytes());
        event.extend_from_slice(&[200, 0, 0, 0]);
        event.extend_from_slice(&flags.to_le_bytes());
        event.extend_from_slice(&body);
        for fixture in fixtures() {
            let mut reader = Reader::new(false, &fixture.details);
            reader.event(&fixture.events[0]);
            reader.event(&fixture.events[1]);
            if inner {
                let _ = reader.decoder.decode_inner(&event.clone().into());
            } else {
                reader.event(&event.clone().into());
            }
        }
    }

    #[test]
    fn any_bytes_are_no_event_or_one(bytes in prop::collection::vec(any::<u8>(), 0..100), verify in any::<bool>()) {
        let _ = Decoder::new(verify).decode(&bytes.into());
    }

    #[test]
    fn texts_of_ids_parse_or_not(text in "\\PC{0,60}", hex in "[0-9a-f:,\\-X' ]{0,80}") {
        for text in [&text, &hex] {
            let _ = gtid_mysql::GtidSet::parse(text);
            let _ = gtid_mysql::Gtid::parse(text);
            let _ = gtid_mariadb::GtidPosition::parse(text);
            let _ = Xid::parse(text);
            let _ = Xid::parse(&format!("XA COMMIT {text}"));
        }
    }
}
