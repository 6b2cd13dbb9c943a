//! The binlog dump: registers as a replica, asks for the log and receives one event per packet. What an event means is
//! `binlog/`, what is done with it `stream/`.

use std::time::Duration;

use bytes::Bytes;
use syncline_engine::error::{Code, Error, Result};
use tokio::time::timeout;

use super::connection::Wire;
use super::packet::protocol;
use super::reply::{ServerError, is_eof, is_ok};
use crate::mysql::sql::text_literal;

const COM_BINLOG_DUMP: u8 = 0x12;
const COM_REGISTER_SLAVE: u8 = 0x15;
const COM_BINLOG_DUMP_GTID: u8 = 0x1e;
/// The server sends one after this much silence.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Ten heartbeats missed: the peer is gone though the socket has not noticed.
const SILENCE: Duration = Duration::from_secs(10);

/// Where a dump begins.
#[derive(Clone, Debug)]
pub enum DumpStart {
    /// At a byte of a file.
    File { name: String, offset: u64 },
    /// MySQL: after the transactions of a GTID set, in the server's binary encoding.
    Gtid { encoded: Vec<u8> },
    /// MariaDB: after the last transaction of each domain (`0-1-5,1-2-7`).
    Behind { gtids: String },
}

/// A running dump.
pub struct Dump {
    wire: Wire,
}

impl Dump {
    /// Registers as replica `server_id` and asks for the log.
    pub async fn start(mut wire: Wire, server_id: u32, mariadb: bool, start: &DumpStart) -> Result<Dump> {
        for statement in settings(server_id, mariadb, start) {
            wire.execute(&statement).await?;
        }
        wire.packets.begin_command();
        wire.packets.send(&register(server_id)).await?;
        let reply = timeout(SILENCE, wire.packets.receive()).await.map_err(|_| silent(&wire.name))??;
        if !is_ok(&reply) {
            return Err(dump_error(&wire.name, &ServerError::parse(&reply)?));
        }
        wire.packets.expect_events();
        wire.packets.begin_command();
        wire.packets.send(&request(server_id, start)?).await?;
        Ok(Dump { wire })
    }

    /// The next event, whole. Cancel safe. No packet for ten seconds means that the peer is gone.
    pub async fn next(&mut self) -> Result<Bytes> {
        match timeout(SILENCE, self.wire.packets.receive()).await {
            Ok(packet) => self.event(packet?),
            Err(_) => Err(silent(&self.wire.name)),
        }
    }

    /// The next event if it has arrived.
    pub fn next_now(&mut self) -> Result<Option<Bytes>> {
        match self.wire.packets.receive_now()? {
            Some(packet) => self.event(packet).map(Some),
            None => Ok(None),
        }
    }

    fn event(&self, packet: Bytes) -> Result<Bytes> {
        match packet.first() {
            Some(0) => Ok(packet.slice(1..)),
            Some(0xff) => Err(dump_error(&self.wire.name, &ServerError::parse(&packet)?)),
            Some(0xfe) if is_eof(&packet) => Err(Error::new(
                Code::Interrupted,
                format!("{}: the server ended the binlog dump", self.wire.name),
            )),
            _ => Err(protocol("a dump packet")),
        }
    }
}

/// What must be said before: that we understand checksums and MariaDB's events, how often we want a sign of life, and
/// an identity by which the server finds an older connection of ours and ends it.
fn settings(server_id: u32, mariadb: bool, start: &DumpStart) -> Vec<String> {
    let nanos = HEARTBEAT.as_nanos();
    let mut settings = vec![
        "SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32'".to_owned(),
        format!("SET @master_heartbeat_period = {nanos}, @source_heartbeat_period = {nanos}"),
        format!("SET @slave_uuid = '{0}', @replica_uuid = '{0}'", replica_uuid(server_id)),
        "SET NAMES utf8mb4".to_owned(),
    ];
    if mariadb {
        settings.push("SET @mariadb_slave_capability = 4".to_owned());
    }
    if let DumpStart::Behind { gtids } = start {
        let gtids = text_literal(gtids);
        settings.push(format!("SET @slave_connect_state = {gtids}, @slave_gtid_strict_mode = 1"));
    }
    settings
}

/// Made of the server id alone: two with the same id must meet.
fn replica_uuid(server_id: u32) -> String {
    format!("{server_id:08x}-5359-4e43-4c49-4e4500000000")
}

fn register(server_id: u32) -> Vec<u8> {
    let mut packet = vec![COM_REGISTER_SLAVE];
    packet.extend_from_slice(&server_id.to_le_bytes());
    for text in ["syncline", "", ""] {
        packet.push(text.len() as u8);
        packet.extend_from_slice(text.as_bytes());
    }
    // Port, rank, id of our own source: none.
    packet.extend_from_slice(&[0; 2 + 4 + 4]);
    packet
}

fn request(server_id: u32, start: &DumpStart) -> Result<Vec<u8>> {
    let mut packet = Vec::new();
    match start {
        DumpStart::File { name, offset } => {
            let offset = u32::try_from(*offset).map_err(|_| {
                Error::new(
                    Code::MysqlDecode,
                    format!("{name}:{offset}: the server cannot begin a dump beyond 4 GiB of a file"),
                )
            })?;
            packet.push(COM_BINLOG_DUMP);
            packet.extend_from_slice(&offset.to_le_bytes());
            packet.extend_from_slice(&[0; 2]);
            packet.extend_from_slice(&server_id.to_le_bytes());
            packet.extend_from_slice(name.as_bytes());
        }
        DumpStart::Gtid { encoded } => {
            // Flag 4: go by the GTID set, not by the file.
            packet.push(COM_BINLOG_DUMP_GTID);
            packet.extend_from_slice(&4u16.to_le_bytes());
            packet.extend_from_slice(&server_id.to_le_bytes());
            packet.extend_from_slice(&0u32.to_le_bytes());
            packet.extend_from_slice(&4u64.to_le_bytes());
            let len = u32::try_from(encoded.len()).map_err(|_| protocol("a GTID set too long to send"))?;
            packet.extend_from_slice(&len.to_le_bytes());
            packet.extend_from_slice(encoded);
        }
        DumpStart::Behind { .. } => {
            // The server finds file and position itself.
            packet.push(COM_BINLOG_DUMP);
            packet.extend_from_slice(&4u32.to_le_bytes());
            packet.extend_from_slice(&[0; 2]);
            packet.extend_from_slice(&server_id.to_le_bytes());
        }
    }
    Ok(packet)
}

fn silent(name: &str) -> Error {
    Error::new(Code::Interrupted, format!("{name}: no sign of life for {SILENCE:?}"))
}

/// MariaDB: a file that its index names is not there.
const FILE_NOT_FOUND: u16 = 29;

/// How servers say that a file of theirs is damaged. An event that is too large for them is one whose size is: to replicas
/// they send up to 1 GiB, whatever `max_allowed_packet` is.
const DAMAGE: [&str; 7] = [
    "checksum",
    "crc",
    "truncated",
    "bogus data",
    "corrupt",
    "bad magic number",
    "exceeded max_allowed_packet",
];

/// Errors of the dump come under one number; the text tells them apart.
fn dump_error(name: &str, error: &ServerError) -> Error {
    let text = error.message.to_ascii_lowercase();
    let has = |what: &str| text.contains(what);
    let same_id = has("same server_uuid") || has("same server_id") || has("same replica_uuid");
    if !matches!(error.number, 1236 | FILE_NOT_FOUND) && !same_id {
        return super::reply::server_error(name, "reading the binlog", error);
    }
    let code = if same_id {
        Code::MysqlServerId
    } else if ["purged", "could not find first log", "could not open log file"].iter().any(|what| has(what))
        || error.number == FILE_NOT_FOUND
        || has("log file") && has("not found")
    {
        Code::MysqlPurged
    } else if DAMAGE.iter().any(|what| has(what)) {
        Code::MysqlChecksum
    } else if has("position") || has("impossible") || has("gtid") {
        Code::MysqlIdentity
    } else {
        Code::MysqlQuery
    };
    let refused = Error::new(code, format!("{name}: the server refuses the binlog dump")).cause(error);
    match has("gtid_mode") {
        true => refused.fix(
            "switch gtid_mode back until all was read, or read everything again: syncline backfill FILE --pipeline NAME",
        ),
        false => refused,
    }
}
