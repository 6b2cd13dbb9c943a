//! The first events of a dump: from them it is known where the stream stands, and that the file is the one that is meant.
//! What is read further on is `follow.rs`.

use bytes::Bytes;
use syncline_engine::error::{Code, Error, Result};
use xxhash_rust::xxh3::xxh3_64;

use super::head::Head;
use super::resume;
use crate::mysql::binlog::{Decoder, EventBody, EventHeader, Format, kind};
use crate::mysql::position::Token;
use crate::mysql::server::Coordinate;
use crate::mysql::wire::{Dump, DumpStart};

/// What tells one binlog file from another of the same name: when it was begun, by whom.
pub fn format_hash(header: &EventHeader, format: &Format) -> u64 {
    let text = format!("{} {} {}", header.timestamp, header.server_id, format.server_version);
    xxh3_64(text.as_bytes()).max(1)
}

/// The first events of a dump.
pub struct Opening {
    pub dump: Dump,
    pub decoder: Decoder,
    /// Read already, to be taken by the stream.
    pub ahead: Vec<Bytes>,
    head: Option<Head>,
    format: u64,
}

impl Opening {
    /// Of a dump that was just asked for.
    pub fn new(dump: Dump) -> Opening {
        Opening { dump, decoder: Decoder::new(true), head: None, ahead: Vec::new(), format: 0 }
    }

    /// Reads until the place of the stream is known and the file's format event was seen. `at`: the place, if it is known
    /// before the server says. `token`: of the same file.
    pub async fn head(
        &mut self,
        start: &DumpStart,
        at: Option<&Coordinate>,
        token: Option<&Token>,
    ) -> Result<Head> {
        if let Some(at) = at {
            let mut head = Head::new(&at.file, at.offset)?;
            if let DumpStart::File { offset, .. } = start {
                head.next = *offset;
            }
            self.head = Some(head);
        }
        loop {
            let packet = self.dump.next().await?;
            let header = EventHeader::parse(&packet)?;
            if header.event_type == kind::FORMAT_DESCRIPTION || header.event_type == kind::ROTATE {
                self.begin_file(&header, &packet, token)?;
            } else if self.place(&header, &packet)? {
                break;
            }
            let placed = self.head.as_ref().is_some_and(|head| head.format != 0);
            if placed && at.is_some() {
                break;
            }
        }
        let head = self.head.take().ok_or_else(|| Error::new(Code::Internal, "a dump without a file"))?;
        Ok(Head { may_end: true, ..head })
    }

    /// Rotate (made for us) and format events.
    fn begin_file(&mut self, header: &EventHeader, packet: &Bytes, token: Option<&Token>) -> Result<()> {
        match self.decoder.decode(packet)?.body {
            EventBody::Rotate { file, position } => match &mut self.head {
                Some(head) => head.rotate(&file, position)?,
                None => self.head = Some(Head::new(&file, position)?),
            },
            EventBody::Format(format) => {
                self.format = format_hash(header, &format);
                if let Some(token) = token.filter(|t| t.format != 0 && t.format != self.format) {
                    return Err(resume::other_file(token));
                }
                if let Some(head) = &mut self.head {
                    head.format = self.format;
                    if head.locate(header)?.is_some() && head.settled < head.next {
                        head.settled = head.next;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Any other event, in a dump by GTIDs: the first that is part of a transaction, or a sign of life, says where we
    /// are. The event is kept for the stream.
    fn place(&mut self, header: &EventHeader, packet: &Bytes) -> Result<bool> {
        let Some(head) = &mut self.head else { return Ok(false) };
        if matches!(header.event_type, kind::HEARTBEAT | kind::HEARTBEAT_V2) {
            if let EventBody::Heartbeat { file, position } = self.decoder.decode(packet)?.body {
                head.heartbeat(&file, position);
            }
            return Ok(true);
        }
        let Some(start) = head.locate(header)? else { return Ok(false) };
        if header.event_type == kind::PREVIOUS_GTIDS {
            head.settled = head.next;
            return Ok(false);
        }
        // Not taken yet: the stream takes it again from `ahead`.
        head.next = start;
        head.settled = start;
        self.ahead.push(packet.clone());
        Ok(true)
    }
}
