//! Bodies of the events that are neither table maps nor rows. Which type is parsed by what is decided here alone.

use bytes::Bytes;
use syncline_engine::error::{Code, Error, Result};

use super::cursor::Cursor;
use super::event::EventBody;
use super::format::Flavor;
use super::gtid_event::GtidEvent;
use super::gtid_mariadb::GtidPosition;
use super::gtid_mysql::GtidSet;
use super::header::{EventHeader, flag, kind};
use super::query::Query;
use super::xa::XaPrepare;

/// Parses a body without header and checksum.
pub fn parse(header: &EventHeader, body: &Bytes, flavor: Flavor) -> Result<EventBody> {
    Ok(match header.event_type {
        kind::QUERY => EventBody::Query(Query::parse(body)?),
        kind::MARIADB_QUERY_COMPRESSED => EventBody::Query(Query::parse_compressed(body)?),
        kind::EXECUTE_LOAD_QUERY => EventBody::Query(Query::parse_load(body)?),
        kind::ROTATE => rotate(body)?,
        kind::XID => EventBody::Xid(Cursor::new(body, "xid event").u64()?),
        kind::GTID | kind::ANONYMOUS_GTID => {
            EventBody::Gtid(GtidEvent::parse_mysql(body, header.event_type == kind::ANONYMOUS_GTID)?)
        }
        kind::GTID_TAGGED => EventBody::Gtid(GtidEvent::parse_tagged(body)?),
        kind::MARIADB_GTID => EventBody::Gtid(GtidEvent::parse_mariadb(body, header.server_id)?),
        kind::PREVIOUS_GTIDS => EventBody::PreviousGtids(GtidSet::decode(body)?),
        kind::MARIADB_GTID_LIST => EventBody::GtidList(GtidPosition::decode(body)?),
        kind::XA_PREPARE => EventBody::XaPrepare(XaPrepare::parse(body)?),
        kind::ROWS_QUERY => EventBody::RowsQuery(body.slice(1.min(body.len())..)),
        kind::MARIADB_ANNOTATE_ROWS => EventBody::RowsQuery(body.clone()),
        kind::HEARTBEAT => heartbeat(header, body, flavor)?,
        kind::HEARTBEAT_V2 => heartbeat_v2(header, body)?,
        kind::INCIDENT => incident(body)?,
        kind::STOP => EventBody::Stop,
        kind::INTVAR | kind::RAND | kind::USER_VAR | kind::BEGIN_LOAD_QUERY => EventBody::StatementContext,
        kind::TRANSACTION_CONTEXT
        | kind::VIEW_CHANGE
        | kind::IGNORABLE
        | kind::MARIADB_BINLOG_CHECKPOINT
        | kind::MARIADB_START_ENCRYPTION => EventBody::Nothing,
        _ if header.flags & flag::IGNORABLE != 0 => EventBody::Nothing,
        unknown => return Err(unknown_event(unknown, header)),
    })
}

#[cold]
fn unknown_event(event_type: u8, header: &EventHeader) -> Error {
    Error::new(
        Code::MysqlUnknownEvent,
        format!("event type {event_type} is unknown (the event ends at {})", header.end_position),
    )
}

fn rotate(body: &[u8]) -> Result<EventBody> {
    let mut c = Cursor::new(body, "rotate event");
    let position = c.u64()?;
    let file = file_name(&mut c)?;
    Ok(EventBody::Rotate { position: possible(&c, position)?, file })
}

/// A place in a file is counted on from: one that no file is long enough for would overflow.
fn possible(c: &Cursor<'_>, position: u64) -> Result<u64> {
    if i64::try_from(position).is_ok() { Ok(position) } else { Err(c.bad()) }
}

/// A binlog file's name that takes up the rest of the body.
fn file_name(c: &mut Cursor<'_>) -> Result<String> {
    let left = c.left();
    let name = c.text(left)?;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(c.bad());
    }
    Ok(name.to_owned())
}

fn heartbeat(header: &EventHeader, body: &[u8], flavor: Flavor) -> Result<EventBody> {
    let mut c = Cursor::new(body, "heartbeat event");
    // MariaDB puts positions beyond 4 GiB into eight bytes before the name.
    let position = match header.end_position {
        0 if flavor == Flavor::MariaDb => c.u64()?,
        position => u64::from(position),
    };
    let file = file_name(&mut c)?;
    Ok(EventBody::Heartbeat { file, position: possible(&c, position)? })
}

/// Fields of type, length and value, type 0 ends them.
fn heartbeat_v2(header: &EventHeader, body: &[u8]) -> Result<EventBody> {
    let mut c = Cursor::new(body, "heartbeat event");
    let (mut file, mut position) = (String::new(), u64::from(header.end_position));
    while c.left() > 0 {
        let field = c.lenenc()?;
        if field == 0 {
            break;
        }
        let value = c.lenenc_bytes()?;
        let mut v = Cursor::new(value, "heartbeat event");
        match field {
            1 => file = file_name(&mut v)?,
            2 => position = v.lenenc()?,
            _ => {}
        }
    }
    Ok(EventBody::Heartbeat { file, position: possible(&c, position)? })
}

fn incident(body: &[u8]) -> Result<EventBody> {
    let mut c = Cursor::new(body, "incident event");
    let number = c.u16()?;
    let len = if c.left() == 0 { 0 } else { usize::from(c.u8()?) };
    let message = String::from_utf8_lossy(c.take(len)?).into_owned();
    Ok(EventBody::Incident { number, message })
}
