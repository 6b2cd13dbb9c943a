//! MySQL's compressed transactions: one event that holds all events of a transaction in one zstd stream. They are read
//! one by one; the whole is never expanded.

use std::io::{Cursor as IoCursor, Read};

use bytes::{Bytes, BytesMut};
use syncline_engine::error::{Error, Result};

use super::cursor::{Cursor, malformed};
use super::header::{EventHeader, HEADER_LEN};
use super::inflate::MAX_EVENT;
use super::rows::Place;

const WHAT: &str = "transaction payload event";
/// Memory for an event's body grows in steps, so that a header that lies costs nothing.
const FIRST_STEP: usize = 64 << 10;

/// Fields of the event.
mod field {
    pub const END: u64 = 0;
    pub const SIZE: u64 = 1;
    pub const COMPRESSION: u64 = 2;
    pub const UNCOMPRESSED_SIZE: u64 = 3;
}

/// How the events inside are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    Zstd,
    None,
}

/// A transaction payload event.
#[derive(Clone, Debug)]
pub struct Payload {
    data: Bytes,
    compression: Compression,
    uncompressed_size: Option<u64>,
}

impl Payload {
    /// The body of event 40: fields of type, length and value, then the data.
    pub(super) fn parse(body: &Bytes) -> Result<Payload> {
        let mut c = Cursor::new(body, WHAT);
        let (mut size, mut compression, mut uncompressed_size) = (None, None, None);
        loop {
            let field = c.lenenc()?;
            if field == field::END {
                break;
            }
            let mut value = Cursor::new(c.lenenc_bytes()?, WHAT);
            match field {
                field::SIZE => size = Some(value.lenenc()?),
                field::COMPRESSION => compression = Some(value.lenenc()?),
                field::UNCOMPRESSED_SIZE => uncompressed_size = Some(value.lenenc()?),
                _ => {}
            }
        }
        if size.is_some_and(|size| size != c.left() as u64) {
            return Err(c.bad());
        }
        let compression = match compression {
            Some(0) => Compression::Zstd,
            Some(255) => Compression::None,
            other => return Err(malformed(WHAT).cause(format!("compression {other:?} is unknown"))),
        };
        Ok(Payload { data: body.slice(c.at()..), compression, uncompressed_size })
    }

    /// Where its images' places come from, if it stands at `start` and has `size` bytes. For each event inside
    /// [`Place::enter`] wants to know where it begins.
    pub fn place(&self, start: u64, size: u32) -> Place {
        Place::compressed(start, size, self.uncompressed_size.unwrap_or(u64::from(size)))
    }

    /// Begins to read the events inside.
    pub fn open(&self) -> Result<PayloadEvents> {
        let data = IoCursor::new(self.data.clone());
        let reader = match self.compression {
            Compression::None => Reader::Plain(data),
            Compression::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(data).map_err(damaged)?;
                Reader::Zstd(Box::new(decoder))
            }
        };
        Ok(PayloadEvents { reader, failed: false })
    }
}

#[cold]
fn damaged(error: std::io::Error) -> Error {
    malformed(WHAT).cause(error)
}

enum Reader {
    Zstd(Box<zstd::stream::read::Decoder<'static, IoCursor<Bytes>>>),
    Plain(IoCursor<Bytes>),
}

/// The events inside, one after the other, each with header and body and without checksum. Give them to
/// `Decoder::decode_inner`; images inside take their places from that of the outer event.
pub struct PayloadEvents {
    reader: Reader,
    failed: bool,
}

impl PayloadEvents {
    /// The next event; `None` after the last. An event cut short is an error, and the end.
    pub fn next_event(&mut self) -> Result<Option<Bytes>> {
        if self.failed {
            return Ok(None);
        }
        let next = self.read();
        self.failed = !matches!(next, Ok(Some(_)));
        next
    }

    fn read(&mut self) -> Result<Option<Bytes>> {
        let mut event = BytesMut::new();
        match self.fill(&mut event, HEADER_LEN)? {
            0 => return Ok(None),
            HEADER_LEN => {}
            _ => return Err(malformed(WHAT).cause("an event inside is cut short")),
        }
        let size = EventHeader::parse(&event)?.size as usize;
        if !(HEADER_LEN..=MAX_EVENT).contains(&size) {
            return Err(malformed(WHAT).cause(format!("an event inside says it has {size} bytes")));
        }
        if self.fill(&mut event, size)? != size {
            return Err(malformed(WHAT).cause("an event inside is cut short"));
        }
        Ok(Some(event.freeze()))
    }

    /// Reads until `out` has `size` bytes or the data ends; answers how many it has.
    fn fill(&mut self, out: &mut BytesMut, size: usize) -> Result<usize> {
        while out.len() < size {
            let at = out.len();
            let step = (size - at).min(at.max(FIRST_STEP));
            out.resize(at + step, 0);
            let read = match &mut self.reader {
                Reader::Zstd(reader) => reader.read(&mut out[at..]),
                Reader::Plain(reader) => reader.read(&mut out[at..]),
            };
            let read = read.map_err(damaged)?;
            out.truncate(at + read);
            if read == 0 {
                break;
            }
        }
        Ok(out.len())
    }
}
