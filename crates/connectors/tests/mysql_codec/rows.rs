//! Rows of one table both ways: through a SELECT and through the binlog.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use syncline_connectors::mysql::binlog::{
    BinlogFormat, Decoder, Event, EventBody, Image, Layout, Place, RowOperation, RowsEvent, TableMap,
};
use syncline_connectors::mysql::codec::{ColumnDetail, ResultFormat, select_list};
use syncline_engine::error::Result;
use syncline_engine::json::write_value;
use syncline_engine::packed;
use syncline_engine::row::{RowFormat, RowImage, RowVisitor};
use syncline_engine::value::{OwnedValue, Value};

use super::dump;
use super::servers::Session;

/// A row's values; `None` where the image lacks the column.
pub type Row = Vec<Option<OwnedValue>>;

struct Collect(Row);

impl RowVisitor for Collect {
    fn wants(&self, _: usize) -> bool {
        true
    }
    fn value(&mut self, column: usize, value: Value<'_>) -> Result<()> {
        self.0[column] = Some(value.to_owned());
        Ok(())
    }
}

pub fn read(format: &dyn RowFormat, image: &[u8], columns: usize) -> Result<Row> {
    let mut collect = Collect(vec![None; columns]);
    format.visit(image, &mut collect)?;
    Ok(collect.0)
}

/// The rows of a table as a SELECT reads them, through the engine's packed row.
pub async fn selected(session: &mut Session, table: &str, details: &[ColumnDetail]) -> Vec<Row> {
    let list: Vec<String> = details.iter().map(select_list).collect();
    let sql = format!("SELECT {} FROM `{table}` ORDER BY 1", list.join(", "));
    let mut rows = Vec::new();
    let mut reading = session.reading().await;
    let result = reading.stream(&sql, |columns, bytes| {
        let image = RowImage { bytes, format: Arc::new(ResultFormat::new(columns, details)?) };
        let packed = packed::repack(&image, details.len())?;
        rows.push(read(&*packed::format(), &packed, details.len())?);
        Ok(())
    });
    result.await.unwrap_or_else(|e| panic!("{:?} {sql}: {e}", session.server));
    rows
}

/// One row event's row.
#[derive(Clone, Debug)]
pub struct Logged {
    pub operation: RowOperation,
    pub before: Option<Row>,
    pub after: Option<Row>,
    /// Offset and ordinal of each image.
    pub places: [Option<(u64, u64)>; 2],
}

/// Decodes events, payloads opened, and hands each with its place to `take`.
pub fn decode(events: &[Bytes], mut take: impl FnMut(Event, &Place)) {
    let mut decoder = Decoder::new(true);
    let mut next = 0;
    for bytes in events {
        let event =
            decoder.decode(bytes).unwrap_or_else(|e| panic!("{e}: {:02x?}", &bytes[..bytes.len().min(64)]));
        // MariaDB 11 leaves positions out within transactions.
        let start = match u64::from(event.header.end_position) {
            0 => next,
            end => end.saturating_sub(u64::from(event.header.size)),
        };
        next = start + u64::from(event.header.size);
        if let EventBody::Payload(payload) = &event.body {
            let mut place = payload.place(start, event.header.size);
            let (mut inner, mut read) = (payload.open().unwrap(), 0);
            while let Some(bytes) = inner.next_event().unwrap() {
                place.enter(read);
                read += bytes.len() as u64;
                take(decoder.decode_inner(&bytes).unwrap(), &place);
            }
        }
        let place = match &event.body {
            EventBody::Rows(rows) => rows.place(start, event.header.size),
            _ => Place::plain(start),
        };
        take(event, &place);
    }
}

/// The rows of a table that the binlog brings.
pub fn logged(session: &Session, from: &(String, u64), table: &str, details: &[ColumnDetail]) -> Vec<Logged> {
    try_logged(session, from, table, details).unwrap_or_else(|e| panic!("{:?} {table}: {e}", session.server))
}

pub fn try_logged(
    session: &Session,
    from: &(String, u64),
    table: &str,
    details: &[ColumnDetail],
) -> Result<Vec<Logged>> {
    let events = dump::events(session.server, from);
    let mut maps: HashMap<u64, Arc<TableMap>> = HashMap::new();
    let mut rows = Vec::new();
    let mut failure = Ok(());
    decode(&events, |event, place| match event.body {
        EventBody::TableMap { table_id, map } => {
            maps.insert(table_id, map);
        }
        EventBody::Rows(event) if !event.is_dummy() && failure.is_ok() => {
            let map = &maps[&event.table_id];
            if map.table == table && map.database == session.database {
                failure = read_rows(&event, map, place, details, &mut rows);
            }
        }
        _ => {}
    });
    failure.map(|()| rows)
}

fn read_rows(
    event: &RowsEvent,
    map: &Arc<TableMap>,
    place: &Place,
    details: &[ColumnDetail],
    rows: &mut Vec<Logged>,
) -> Result<()> {
    let format = BinlogFormat::new(map, details)?;
    let row = |image: &Option<Image>, layout: Option<&Layout>| -> Result<Option<Row>> {
        let Some(image) = image else { return Ok(None) };
        read(&*format.with_layout(layout.unwrap()), &image.bytes, details.len()).map(Some)
    };
    for images in event.rows(map, place)? {
        let images = images?;
        rows.push(Logged {
            operation: event.operation,
            before: row(&images.before, event.before())?,
            after: row(&images.after, event.after())?,
            places: [images.before, images.after].map(|image| image.map(|i| (i.offset, i.ordinal))),
        });
    }
    Ok(())
}

/// The canonical JSON of a value.
pub fn json(value: &Option<OwnedValue>) -> String {
    let Some(value) = value else { return "absent".to_owned() };
    let mut out = Vec::new();
    write_value(&mut out, value.borrow());
    String::from_utf8(out).unwrap()
}
