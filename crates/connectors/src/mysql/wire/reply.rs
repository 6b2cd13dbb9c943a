//! What a server answers to a command: OK, an error, or a small table of text. Errors become numbered errors here.

use std::fmt;

use bytes::Bytes;
use syncline_engine::error::{Code, Error, Result};

use super::packet::protocol;

/// The server's own error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    pub number: u16,
    pub message: String,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.number)
    }
}

impl ServerError {
    /// Reads an error packet (first byte 0xff). Before the login is done some servers leave the SQL state out.
    pub fn parse(packet: &[u8]) -> Result<ServerError> {
        let (Some(0xff), Some(number)) = (packet.first(), packet.get(1..).and_then(|p| p.first_chunk::<2>()))
        else {
            return Err(protocol("an error packet cut short"));
        };
        let text = &packet[3..];
        let text = if text.first() == Some(&b'#') { text.get(6..).unwrap_or_default() } else { text };
        let message = String::from_utf8_lossy(text).into_owned();
        Ok(ServerError { number: u16::from_le_bytes(*number), message })
    }
}

/// The numbered error that a server's error leads to. `server` names the connection, `doing` what was asked.
pub fn server_error(server: &str, doing: &str, error: &ServerError) -> Error {
    let code = match error.number {
        // Login: access denied, host refused or blocked, password expired, plugin not known, account locked.
        1044 | 1045 | 1129 | 1130 | 1251 | 1275 | 1524 | 1698 | 1820 | 1862 | 2059 | 3118 | 4151 => {
            Code::Denied
        }
        // A privilege on a table, column, database or the server; SHOW needs one; read lock needs one.
        1142 | 1143 | 1227 | 1370 | 1410 => Code::MysqlGrant,
        // Secure transport required.
        3159 => Code::Tls,
        // Connections used up, or out of resources.
        1040 | 1041 | 1135 | 1203 | 1226 => Code::Overloaded,
        // Shutting down, killed, packets out of order, timed out.
        1053 | 1077 | 1152..=1161 | 1317 | 1927 | 3024 | 4031 => Code::Interrupted,
        _ => Code::MysqlQuery,
    };
    Error::new(code, format!("{server}: {doing}")).cause(error)
}

/// A packet that ends something well.
pub fn is_ok(packet: &[u8]) -> bool {
    packet.first() == Some(&0)
}

/// EOF of the old protocol, which is what we speak.
pub fn is_eof(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() < 9
}

/// Reads a row of the text protocol.
pub fn text_row(packet: &Bytes) -> Result<Vec<Option<String>>> {
    let mut row = Vec::new();
    let mut at = 0;
    while at < packet.len() {
        if packet[at] == 0xfb {
            row.push(None);
            at += 1;
            continue;
        }
        let (len, used) = lenenc(&packet[at..]).ok_or_else(|| protocol("a row cut short"))?;
        at += used;
        let end =
            usize::try_from(len).ok().and_then(|len| at.checked_add(len)).filter(|end| *end <= packet.len());
        let end = end.ok_or_else(|| protocol("a row cut short"))?;
        row.push(Some(String::from_utf8_lossy(&packet[at..end]).into_owned()));
        at = end;
    }
    Ok(row)
}

/// A length-encoded number and how many bytes it took.
pub fn lenenc(bytes: &[u8]) -> Option<(u64, usize)> {
    let size = match bytes.first()? {
        small @ 0..=0xfa => return Some((u64::from(*small), 1)),
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        _ => return None,
    };
    let raw = bytes.get(1..=size)?;
    Some((raw.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)), size + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_packet_reads_with_and_without_a_state() {
        let with = ServerError::parse(b"\xff\x15\x04#28000Access denied").unwrap();
        assert_eq!(with, ServerError { number: 1045, message: "Access denied".into() });
        let without = ServerError::parse(b"\xff\x10\x04Too many connections").unwrap();
        assert_eq!(without.number, 1040);
        assert_eq!(server_error("shop", "logging in", &with).code(), Code::Denied);
        assert_eq!(server_error("shop", "logging in", &without).code(), Code::Overloaded);
        assert!(ServerError::parse(b"\xff\x10").is_err());
    }

    #[test]
    fn rows_of_text_read_and_cut_ones_are_refused() {
        let row = text_row(&Bytes::from_static(b"\x03abc\xfb\x00")).unwrap();
        assert_eq!(row, [Some("abc".to_owned()), None, Some(String::new())]);
        for cut in [&b"\x05abc"[..], b"\xfc\x01", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff", b"\xff"] {
            assert!(text_row(&Bytes::copy_from_slice(cut)).is_err());
        }
    }
}
