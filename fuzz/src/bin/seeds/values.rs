//! Seeds of the target `values`: the fixtures' tables and rows, as images of the binlog and as values of a SELECT.

use std::sync::Arc;

use syncline_connectors::mysql::binlog::{
    BinlogFormat, Decoder, EventBody, MapColumn, Place, RowImages, RowOperation, RowsEvent, TableMap,
};
use syncline_connectors::mysql::codec::{Charset, ColumnDetail, ColumnType};
use syncline_engine::error::Result;
use syncline_engine::row::{RowFormat, RowVisitor};
use syncline_engine::value::Value;
use syncline_fuzz::fixtures::{Fixture, fixtures};
use syncline_fuzz::table::{ColumnBytes, Table, flag};

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for fixture in fixtures() {
        let mut decoder = Decoder::new(false);
        let mut map = None;
        for event in &fixture.events {
            let body = decoder.decode(event).expect("a fixture's event").body;
            add(body, fixture, &mut decoder, &mut map, &mut seeds);
        }
    }
    seeds
}

type Known = Option<Arc<TableMap>>;

fn add(body: EventBody, fixture: &Fixture, decoder: &mut Decoder, map: &mut Known, seeds: &mut Vec<Vec<u8>>) {
    match body {
        EventBody::TableMap { map: new, .. } => *map = Some(new),
        EventBody::Payload(payload) => {
            let mut events = payload.open().expect("a fixture's payload");
            while let Some(event) = events.next_event().expect("a fixture's payload") {
                let body = decoder.decode_inner(&event).expect("a fixture's event").body;
                add(body, fixture, decoder, map, seeds);
            }
        }
        EventBody::Rows(event) => {
            let Some(map) = map else { return };
            for images in event.rows(map, &Place::plain(4)).expect("a fixture's rows") {
                let images = images.expect("a fixture's rows");
                seeds.extend(
                    [0, flag::SIGNS | flag::NAMES | flag::CHARSETS | flag::LABELS]
                        .map(|flags| streamed(fixture, map, &event, &images, flags)),
                );
                seeds.extend(selected(fixture, map, &event, &images));
            }
        }
        _ => {}
    }
}

fn table(fixture: &Fixture, map: &TableMap, flags: u8, select: bool) -> Table {
    let flags = flags | if fixture.mariadb { flag::MARIADB } else { 0 };
    let columns =
        map.columns.iter().zip(&fixture.details).map(|(column, detail)| bytes(column, detail)).collect();
    Table { flags, select, columns }
}

fn streamed(fixture: &Fixture, map: &TableMap, event: &RowsEvent, images: &RowImages, flags: u8) -> Vec<u8> {
    let index = match event.operation {
        RowOperation::Write => 0,
        RowOperation::Update if event.is_partial_json() => 2,
        RowOperation::Update => 1,
        RowOperation::Delete => 3,
    };
    let mut out = Vec::new();
    table(fixture, map, flags | flag::BITMAPS | index << flag::EVENT_SHIFT, false).write(&mut out);
    for layout in [event.before(), event.after()].into_iter().flatten() {
        let bits = |byte: usize| (0..8).fold(0, |b, n| b | u8::from(layout.present.get(byte * 8 + n)) << n);
        out.extend((0..layout.present.len().div_ceil(8)).map(bits));
    }
    for image in [&images.before, &images.after].into_iter().flatten() {
        out.extend_from_slice(&image.bytes);
    }
    out
}

fn selected(
    fixture: &Fixture,
    map: &Arc<TableMap>,
    event: &RowsEvent,
    images: &RowImages,
) -> Option<Vec<u8>> {
    let (image, layout) = (images.after.as_ref()?, event.after()?);
    let mut values = Values::default();
    table(fixture, map, 0, true).write(&mut values.out);
    let format: Arc<dyn RowFormat> =
        BinlogFormat::new(map, &fixture.details).expect("a fixture's columns").with_layout(layout);
    format.visit(&image.bytes, &mut values).ok().map(|()| values.out)
}

/// The column so that the target makes the same of it.
fn bytes(column: &MapColumn, detail: &ColumnDetail) -> ColumnBytes {
    let index = |charset: &Charset| Charset::all().iter().position(|c| c == charset).unwrap_or(0) as u8;
    let (of, charset) = match &detail.kind {
        ColumnType::Integer { unsigned, .. } => (u8::from(*unsigned), 0),
        ColumnType::Text { charset, .. } => (0, index(charset)),
        ColumnType::JsonText { charset } => (2, index(charset)),
        ColumnType::Bytes { pad } => (3, pad.unwrap_or(0) as u8),
        ColumnType::Uuid => (4, 0),
        ColumnType::Inet4 => (5, 0),
        ColumnType::Inet6 => (6, 0),
        ColumnType::Vector => (7, 0),
        ColumnType::Enum { labels, charset } | ColumnType::Set { labels, charset } => {
            (labels.len() as u8, index(charset))
        }
        _ => (0, 0),
    };
    ColumnBytes { kind: column.kind, meta: column.meta, of, charset }
}

/// Values as the target reads those of a SELECT.
#[derive(Default)]
struct Values {
    out: Vec<u8>,
}

impl Values {
    fn number(&mut self, tag: u8, number: u64) {
        self.out.push(tag);
        self.out.extend(number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.out.push(8);
        self.out.extend((bytes.len() as u16).to_le_bytes());
        self.out.extend_from_slice(bytes);
    }
}

impl RowVisitor for Values {
    fn wants(&self, _: usize) -> bool {
        true
    }

    fn value(&mut self, _: usize, value: Value<'_>) -> Result<()> {
        match value {
            Value::Null => self.out.push(0),
            Value::Int(n) => self.number(1, n.cast_unsigned()),
            Value::UInt(n) => self.number(2, n),
            Value::Float(f) => self.number(3, f.to_bits().into()),
            Value::Double(d) => self.number(4, d.to_bits()),
            Value::Decimal(text) | Value::Text(text) | Value::Json(text) | Value::ZeroDate(text) => {
                self.bytes(text.as_bytes());
            }
            Value::Bytes(bytes) | Value::Vector(bytes) => self.bytes(bytes),
            Value::Geometry { srid, wkb } => self.bytes(&[&srid.to_le_bytes()[..], wkb].concat()),
            Value::Set(labels) => self.bytes(labels.iter().collect::<Vec<_>>().join(",").as_bytes()),
            Value::Date(date) | Value::DateTime { date, .. } => {
                self.out.push(5);
                self.out.extend(date.year.to_le_bytes());
                self.out.extend([0, 1, date.month, date.day, 12, 30, 59]);
            }
            Value::Time { negative, time } => {
                self.out.push(6);
                self.out.extend([2, 0, 0, 0, 1, u8::from(negative), 20, time.minute, time.second]);
            }
        }
        Ok(())
    }
}
