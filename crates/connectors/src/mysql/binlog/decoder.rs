//! Turns whole events into [`Event`]s: checks size and checksum, keeps the file's format and the table maps, hands the
//! body to its parser. It follows one stream; a new connection or file begins with a new format event.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use syncline_engine::error::{Code, Error, Result};

use super::body;
use super::checksum::{CRC32_LEN, Checksum, crc32_matches, crc32_matches_format};
use super::cursor::{Cursor, malformed};
use super::event::{Event, EventBody};
use super::format::{Flavor, Format};
use super::header::{EventHeader, HEADER_LEN, flag, kind};
use super::payload::Payload;
use super::rows::RowsEvent;
use super::table_map::TableMap;

/// Byte of the header in which a format event's in-use flag stands.
const FLAGS_AT: usize = 17;
/// Table maps that are remembered; a server rarely has so many tables open.
const MAX_MAPS: usize = 16_384;

/// The state of one stream.
pub struct Decoder {
    format: Option<Arc<Format>>,
    verify: bool,
    maps: HashMap<u64, (Bytes, Arc<TableMap>)>,
}

impl Decoder {
    /// `verify`: whether checksums are compared (they are cut off in either case).
    pub fn new(verify: bool) -> Decoder {
        Decoder { format: None, verify, maps: HashMap::new() }
    }

    /// The current file's format, once its event was seen.
    pub fn format(&self) -> Option<&Arc<Format>> {
        self.format.as_ref()
    }

    /// Decodes one event as it stands in the file or packet: header, body, checksum. Rows keep slices of `event`.
    ///
    /// Errors: `MysqlChecksum`, `MysqlUnknownEvent` (a type that is unknown and not marked ignorable), `MysqlDecode`.
    pub fn decode(&mut self, event: &Bytes) -> Result<Event> {
        let header = header_of(event)?;
        if header.event_type == kind::FORMAT_DESCRIPTION {
            return self.take_format(header, event);
        }
        let checksum = match &self.format {
            _ if header.artificial() && header.event_type == kind::ROTATE => guess_checksum(event),
            Some(format) => format.checksum,
            None => return Err(malformed("stream").cause("an event before the format description event")),
        };
        let end = match checksum {
            Checksum::None => event.len(),
            Checksum::Crc32 => {
                if self.verify && !crc32_matches(event) {
                    return Err(bad_checksum(&header));
                }
                event.len().saturating_sub(CRC32_LEN)
            }
        };
        if end < HEADER_LEN {
            return Err(malformed("event").cause("too short for its checksum"));
        }
        self.body(header, event.slice(HEADER_LEN..end))
    }

    /// Decodes an event out of a transaction payload: these carry no checksum.
    pub fn decode_inner(&mut self, event: &Bytes) -> Result<Event> {
        let header = header_of(event)?;
        if matches!(header.event_type, kind::FORMAT_DESCRIPTION | kind::TRANSACTION_PAYLOAD) {
            return Err(malformed("transaction payload").cause(format!("event {} inside", header.event_type)));
        }
        self.body(header, event.slice(HEADER_LEN..))
    }

    fn take_format(&mut self, header: EventHeader, event: &Bytes) -> Result<Event> {
        let format = Arc::new(Format::parse(event)?);
        if self.verify
            && format.checksum == Checksum::Crc32
            && !crc32_matches_format(event, FLAGS_AT, flag::IN_USE as u8)
        {
            return Err(bad_checksum(&header));
        }
        self.format = Some(format.clone());
        self.maps.clear();
        Ok(Event { header, body: EventBody::Format(format) })
    }

    fn body(&mut self, header: EventHeader, body: Bytes) -> Result<Event> {
        let flavor = self.flavor();
        let body = match header.event_type {
            kind::TABLE_MAP => self.table_map(&body)?,
            kind::TRANSACTION_PAYLOAD => EventBody::Payload(Payload::parse(&body)?),
            t if RowsEvent::is_rows(t) => EventBody::Rows(RowsEvent::parse(t, &body, self.id_len(t))?),
            _ => body::parse(&header, &body, flavor)?,
        };
        Ok(Event { header, body })
    }

    fn flavor(&self) -> Flavor {
        self.format.as_ref().map_or(Flavor::MySql, |f| f.flavor)
    }

    fn id_len(&self, event_type: u8) -> usize {
        self.format.as_ref().map_or(6, |f| f.table_id_len(event_type))
    }

    /// Servers repeat a table's map before every statement: the same id with the same bytes is the same map.
    fn table_map(&mut self, body: &Bytes) -> Result<EventBody> {
        let id_len = self.id_len(kind::TABLE_MAP);
        let table_id = Cursor::new(body, "table map event").uint(id_len)?;
        if let Some((known, map)) = self.maps.get(&table_id)
            && known == body
        {
            return Ok(EventBody::TableMap { table_id, map: map.clone() });
        }
        let map = Arc::new(TableMap::parse(body, id_len, self.flavor() == Flavor::MariaDb)?);
        if self.maps.len() >= MAX_MAPS {
            self.maps.clear();
        }
        // A copy of its own: the slice would keep the whole packet alive.
        self.maps.insert(table_id, (Bytes::copy_from_slice(body), map.clone()));
        Ok(EventBody::TableMap { table_id, map })
    }
}

fn header_of(event: &Bytes) -> Result<EventHeader> {
    let header = EventHeader::parse(event)?;
    if header.size as usize != event.len() {
        return Err(malformed("event").cause(format!(
            "{} bytes, but its header says {}",
            event.len(),
            header.size
        )));
    }
    Ok(header)
}

/// The rotate event that a server makes up comes before the format event, so nothing says whether it has a checksum.
fn guess_checksum(event: &[u8]) -> Checksum {
    if crc32_matches(event) { Checksum::Crc32 } else { Checksum::None }
}

#[cold]
fn bad_checksum(header: &EventHeader) -> Error {
    Error::new(
        Code::MysqlChecksum,
        format!(
            "the event of type {} that ends at {} has a bad checksum",
            header.event_type, header.end_position
        ),
    )
}
