//! Fetches raw binlog events with nothing but a socket, so that what is tested here does not lean on anybody's decoder.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::servers::Server;

const PROTOCOL_41: u32 = 1 << 9;
const SECURE_CONNECTION: u32 = 1 << 15;
const PLUGIN_AUTH: u32 = 1 << 19;

struct Socket {
    stream: TcpStream,
    sequence: u8,
}

impl Socket {
    fn packet(&mut self) -> Vec<u8> {
        let mut whole = Vec::new();
        loop {
            let mut head = [0; 4];
            self.stream.read_exact(&mut head).unwrap();
            self.sequence = head[3].wrapping_add(1);
            let len = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
            let at = whole.len();
            whole.resize(at + len, 0);
            self.stream.read_exact(&mut whole[at..]).unwrap();
            if len < 0xff_ffff {
                return whole;
            }
        }
    }

    fn send(&mut self, payload: &[u8]) {
        let mut packet = (payload.len() as u32).to_le_bytes()[..3].to_vec();
        packet.push(self.sequence);
        packet.extend_from_slice(payload);
        self.stream.write_all(&packet).unwrap();
    }

    fn command(&mut self, payload: &[u8]) {
        self.sequence = 0;
        self.send(payload);
    }

    fn query(&mut self, sql: &str) {
        self.command(&[b"\x03", sql.as_bytes()].concat());
        let answer = self.packet();
        assert_eq!(answer[0], 0, "{sql}: {}", String::from_utf8_lossy(&answer));
    }
}

/// The test servers have a user `root` without a password.
fn connect(server: Server) -> Socket {
    let url = server.url();
    let address = url.rsplit('@').next().unwrap().trim_end_matches('/').to_owned();
    let stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut socket = Socket { stream, sequence: 0 };
    let greeting = socket.packet();
    assert_eq!(greeting[0], 10, "{}", String::from_utf8_lossy(&greeting));
    let mut login = (PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH).to_le_bytes().to_vec();
    login.extend_from_slice(&(64u32 << 20).to_le_bytes());
    login.push(45);
    login.extend_from_slice(&[0; 23]);
    login.extend_from_slice(b"root\0\0mysql_native_password\0");
    socket.send(&login);
    let mut answer = socket.packet();
    if answer[0] == 0xfe {
        socket.send(&[]);
        answer = socket.packet();
    }
    assert_eq!(answer[0], 0, "login: {}", String::from_utf8_lossy(&answer));
    socket
}

/// One for every dump: a server ends the older of two with the same.
fn own_server_id() -> u32 {
    static DUMPS: AtomicU32 = AtomicU32::new(0);
    0x4000_0000 | (std::process::id() & 0xf_ffff) << 10 | DUMPS.fetch_add(1, Ordering::Relaxed) & 0x3ff
}

/// All events from a position to the end of the binlog, each whole with header and checksum, the made-up rotate and the
/// format event first.
pub fn events(server: Server, from: &(String, u64)) -> Vec<Bytes> {
    let mut socket = connect(server);
    socket.query("SET @master_binlog_checksum = @@global.binlog_checksum");
    socket.query("SET @source_binlog_checksum = @@global.binlog_checksum");
    socket.query("SET @mariadb_slave_capability = 4");
    let mut dump = vec![0x12];
    dump.extend_from_slice(&(from.1 as u32).to_le_bytes());
    const NON_BLOCK: u16 = 1;
    dump.extend_from_slice(&NON_BLOCK.to_le_bytes());
    dump.extend_from_slice(&own_server_id().to_le_bytes());
    dump.extend_from_slice(from.0.as_bytes());
    socket.command(&dump);
    let mut events = Vec::new();
    loop {
        let packet = Bytes::from(socket.packet());
        match packet[0] {
            0 => events.push(packet.slice(1..)),
            0xfe => return events,
            _ => panic!("{server:?}: dump: {}", String::from_utf8_lossy(&packet)),
        }
    }
}
