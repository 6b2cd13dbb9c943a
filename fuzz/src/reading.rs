//! Reads events to the last value, as the stream does: the decoder, the place in the file, the table maps and the rows
//! behind them, statements, transaction ids. What a server's event says must come back from its own text.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use syncline_connectors::mysql::binlog::gtid_mariadb::GtidPosition;
use syncline_connectors::mysql::binlog::gtid_mysql::{Gtid, GtidSet};
use syncline_connectors::mysql::binlog::{
    BinlogFormat, Decoder, Event, EventBody, GtidEvent, GtidKind, Payload, Place, RowsEvent, TableMap, Xid,
    gtid_mariadb,
};
use syncline_connectors::mysql::codec::ColumnDetail;
use syncline_connectors::mysql::reach::{self, Dialect, Head, encode_gtids};
use syncline_engine::error::{Error, Result};
use syncline_engine::row::RowFormat;
use syncline_engine::version::Version;

use crate::fitting::{self, Choice};
use crate::rendering;

/// So many rows and so many unpacked bytes are read of one input, that the fuzzer stays quick.
const MOST_ROWS: usize = 2_000;
const MOST_UNPACKED: usize = 2 << 20;

type Mapped = (Arc<TableMap>, Option<Arc<BinlogFormat>>);

/// A stream's reader.
pub struct Reader<'a> {
    pub decoder: Decoder,
    details: &'a [ColumnDetail],
    choices: &'a [Choice],
    maps: HashMap<u64, Mapped>,
    head: Head,
    rows_left: usize,
    unpacked_left: usize,
    /// How much was read without an error.
    pub values: usize,
}

impl<'a> Reader<'a> {
    /// `details`: of the table as the catalog has it. A table map that does not fit them gets others, by `choices`.
    pub fn new(verify: bool, details: &'a [ColumnDetail], choices: &'a [Choice]) -> Reader<'a> {
        Reader {
            decoder: Decoder::new(verify),
            details,
            choices,
            maps: HashMap::new(),
            head: Head::new("bin.000001", 4).expect("a binlog file's name"),
            rows_left: MOST_ROWS,
            unpacked_left: MOST_UNPACKED,
            values: 0,
        }
    }

    /// An event of the stream.
    pub fn event(&mut self, bytes: &Bytes) -> Result<()> {
        let event = self.decoder.decode(bytes)?;
        let size = event.header.size;
        let at = self.head.locate(&event.header)?.unwrap_or(self.head.next);
        let place = match &event.body {
            EventBody::Payload(payload) => payload.place(at, size),
            EventBody::Rows(rows) => rows.place(at, size),
            _ => Place::plain(at),
        };
        self.body(event, &place)
    }

    /// An event out of a payload.
    pub fn inner(&mut self, bytes: &Bytes) -> Result<()> {
        let event = self.decoder.decode_inner(bytes)?;
        self.body(event, &Place::plain(4))
    }

    fn body(&mut self, event: Event, place: &Place) -> Result<()> {
        match event.body {
            EventBody::TableMap { table_id, map } => {
                let format = BinlogFormat::new(&map, self.details)
                    .or_else(|_| BinlogFormat::new(&map, &fitting::details(&map, self.choices)));
                self.maps.insert(table_id, (map, format.as_ref().ok().cloned()));
                format.map(drop)
            }
            EventBody::Rows(rows) => self.rows(&rows, place),
            EventBody::Payload(payload) => self.payload(&payload, place),
            EventBody::Query(query) => {
                statement(&query.text(), self.decoder_is_mariadb());
                Ok(())
            }
            EventBody::Gtid(gtid) => {
                begun(&gtid);
                Ok(())
            }
            EventBody::PreviousGtids(set) => {
                same_set(&set);
                Ok(())
            }
            EventBody::GtidList(position) => {
                same_position(&position);
                Ok(())
            }
            EventBody::XaPrepare(prepare) => {
                same_xid(&prepare.xid);
                Ok(())
            }
            EventBody::Rotate { position, file } => self.head.rotate(&file, position),
            EventBody::Heartbeat { file, position } => {
                self.head.heartbeat(&file, position);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn decoder_is_mariadb(&self) -> bool {
        self.decoder.format().is_some_and(|f| f.flavor == syncline_connectors::mysql::binlog::Flavor::MariaDb)
    }

    fn payload(&mut self, payload: &Payload, place: &Place) -> Result<()> {
        let mut events = payload.open()?;
        while let Some(bytes) = events.next_event()? {
            let Some(left) = self.unpacked_left.checked_sub(bytes.len()) else { return Ok(()) };
            self.unpacked_left = left;
            let event = self.decoder.decode_inner(&bytes)?;
            self.body(event, place)?;
        }
        Ok(())
    }

    fn rows(&mut self, event: &RowsEvent, place: &Place) -> Result<()> {
        let Some((map, Some(format))) = self.maps.get(&event.table_id).cloned() else { return Ok(()) };
        let columns = map.columns.len();
        for images in event.rows(&map, place)? {
            let Some(left) = self.rows_left.checked_sub(1) else { return Ok(()) };
            self.rows_left = left;
            let images = images?;
            let partial = self.rows_left.is_multiple_of(2);
            let mut failed = None;
            let mut read =
                |bytes: &Bytes, format: &Arc<dyn RowFormat>| match rendering::row(bytes, format, columns) {
                    Ok(values) => self.values += values,
                    Err(error) => failed = Some(error),
                };
            for (image, layout) in [(&images.before, event.before()), (&images.after, event.after())] {
                if let (Some(image), Some(layout)) = (image, layout) {
                    let _ = Version::new(1, self.head.number, image.offset);
                    read(
                        &image.bytes,
                        &if partial { format.partial(layout) } else { format.with_layout(layout) },
                    );
                }
            }
            if let (Some(merged), Some(before), Some(after)) =
                (event.merged(&images), event.before(), event.after())
            {
                read(&merged.bytes, &format.merged(before, after));
            }
            if let Some(error) = failed {
                return Err(told(error));
            }
        }
        Ok(())
    }
}

/// The error, once it was written out as people would read it.
pub fn told(error: Error) -> Error {
    let _ = error.to_string();
    error
}

/// A statement, in the dialect of its server.
fn statement(text: &str, mariadb: bool) {
    let version = if mariadb { 101_119 } else { 90_704 };
    let _ = reach::read(text, Dialect { mariadb, version, ..Dialect::default() });
    if let Some(xid) = Xid::parse(text) {
        same_xid(&xid);
    }
}

fn begun(event: &GtidEvent) {
    match &event.id {
        GtidKind::MySql(gtid) => assert_eq!(Gtid::parse(&gtid.to_string()).as_ref().ok(), Some(gtid)),
        GtidKind::MariaDb(gtid) => {
            assert_eq!(gtid_mariadb::Gtid::parse(&gtid.to_string()).ok(), Some(*gtid));
        }
        GtidKind::Anonymous => {}
    }
    for xid in [&event.prepares, &event.completes].into_iter().flatten() {
        same_xid(xid);
    }
}

/// A set comes back from its text, and from the form in which a dump asks for it.
pub fn same_set(set: &GtidSet) {
    assert_eq!(GtidSet::parse(&set.to_string()).as_ref().ok(), Some(set), "{set}");
    assert!(set.is_subset(set), "{set}");
    let mut merged = set.clone();
    merged.merge(set);
    assert_eq!(&merged, set, "a set with itself is another one");
    let event =
        crate::script::event(syncline_connectors::mysql::binlog::kind::PREVIOUS_GTIDS, &encode_gtids(set));
    let decoded = Decoder::new(false).decode_inner(&event.into()).map(|event| event.body);
    assert!(matches!(&decoded, Ok(EventBody::PreviousGtids(back)) if back == set), "{set}: {decoded:?}");
}

/// The newest of each domain come back from the text, which names no others.
pub fn same_position(position: &GtidPosition) {
    let back = GtidPosition::parse(&position.to_string()).expect("a position's own text");
    assert!(back.newest().eq(position.newest()), "{position}");
    assert!(position.is_subset(position) && position.newest().all(|gtid| position.has(gtid)), "{position}");
}

/// An id comes back from the statement that the server would write.
pub fn same_xid(xid: &Xid) {
    assert_eq!(Xid::parse(&format!("XA COMMIT {xid}")).as_ref(), Some(xid));
}
