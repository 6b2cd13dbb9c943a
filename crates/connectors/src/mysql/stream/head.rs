//! Counts where the stream stands, in 64 bits: an event's own position wraps at 4 GiB, and some events carry none.

use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::position::Position;

use crate::mysql::binlog::{EventHeader, kind};
use crate::mysql::position::{Gtids, Token};
use crate::mysql::server::{Identity, file_number};

const WRAP: u64 = 1 << 32;

/// The place in the server's binlog up to which events were taken.
pub struct Head {
    pub file: Arc<str>,
    /// The number at the file's end.
    pub number: u64,
    /// Where the next event stands.
    pub next: u64,
    /// The end of the last transaction, or of whatever stands between transactions.
    pub settled: u64,
    /// Hash of the file's format event; 0 until it was seen.
    pub format: u64,
    /// Another file may follow: this one has said that it ends, or nothing was read of it since the server proved that it is
    /// the one which we know.
    pub may_end: bool,
}

impl Head {
    /// At a byte of a file.
    pub fn new(file: &str, offset: u64) -> Result<Head> {
        Ok(Head {
            file: file.into(),
            number: file_number(file)?,
            next: offset,
            settled: offset,
            format: 0,
            may_end: true,
        })
    }

    /// Another file begins.
    pub fn rotate(&mut self, file: &str, offset: u64) -> Result<()> {
        if *self.file == *file {
            return Ok(());
        }
        *self = Head::new(file, offset)?;
        Ok(())
    }

    /// Where the event stands, and moves past it; `None` for an event that the server made for us.
    pub fn locate(&mut self, header: &EventHeader) -> Result<Option<u64>> {
        let size = u64::from(header.size);
        let end = u64::from(header.end_position);
        if header.artificial() || matches!(header.event_type, kind::HEARTBEAT | kind::HEARTBEAT_V2) {
            return Ok(None);
        }
        let start = if (self.next + size) % WRAP == end {
            self.next
        } else if end == 0 {
            // A format event that begins a dump in the middle of a file does not stand there. MariaDB from 11.4 on leaves
            // positions out within transactions; they stand one after the other there, but for annotations, which are
            // not sent: what follows one is counted a little low, the same on every replay, up to the transaction's end.
            if header.event_type == kind::FORMAT_DESCRIPTION && self.next != 4 {
                return Ok(None);
            }
            self.next
        } else {
            self.skipped_to(end, size)?
        };
        self.next = start + size;
        self.may_end = matches!(header.event_type, kind::ROTATE | kind::STOP);
        Ok(Some(start))
    }

    /// The server left events out (transactions that we have, events that replicas do not get): the event stands
    /// further on.
    fn skipped_to(&self, end: u64, size: u64) -> Result<u64> {
        let low = (end + WRAP - size % WRAP) % WRAP;
        let mut start = self.next - self.next % WRAP + low;
        if start < self.next {
            // Over the border of 4 GiB, or backwards, which no server does.
            start += WRAP;
            if start - self.next > WRAP / 2 {
                return Err(Error::new(
                    Code::MysqlDecode,
                    format!("{}:{}: the server's positions go back to {end}", self.file, self.next),
                ));
            }
        }
        Ok(start)
    }

    /// The server says that nothing for us lies before `position` (a heartbeat between transactions).
    pub fn heartbeat(&mut self, file: &str, position: u64) {
        if *self.file == *file && position > self.next {
            self.next = position;
            self.settled = position;
        }
    }

    /// A resume point of this file.
    pub fn position(
        &self,
        offset: u64,
        gtids: &Arc<Gtids>,
        identity: &Arc<Identity>,
        epoch: u16,
    ) -> Position {
        let token = Token {
            file: Arc::clone(&self.file),
            offset,
            gtids: Arc::clone(gtids),
            identity: Arc::clone(identity),
            format: self.format,
        };
        let version = syncline_engine::version::Version::new(epoch, self.number, offset);
        Position { version, token: Arc::new(token) }
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
