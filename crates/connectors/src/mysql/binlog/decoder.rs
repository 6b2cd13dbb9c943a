//! Turns whole events into [`Event`]s: checks header and checksum, keeps the file's format and the table maps, hands the
//! body to its parser. It follows one stream; a new connection or file begins with a new format event.

use std::sync::Arc;

use bytes::Bytes;
use syncline_engine::error::{Code, Error, Result};

use super::event::Event;
use super::format::Format;

/// The state of one stream.
pub struct Decoder {
    format: Option<Arc<Format>>,
    verify: bool,
}

impl Decoder {
    /// `verify`: whether checksums are compared (they are cut off in either case).
    pub fn new(verify: bool) -> Decoder {
        Decoder { format: None, verify }
    }

    /// The current file's format, once its event was seen.
    pub fn format(&self) -> Option<&Arc<Format>> {
        self.format.as_ref()
    }

    /// Decodes one event as it stands in the file or packet: header, body, checksum. Rows keep slices of `event`.
    ///
    /// Errors: `MysqlChecksum`, `MysqlUnknownEvent` (a type that is unknown and not marked ignorable), `MysqlDecode`.
    pub fn decode(&mut self, event: &Bytes) -> Result<Event> {
        let _ = (event, self.verify);
        Err(Error::new(Code::MysqlDecode, "the decoder is being built"))
    }

    /// Decodes an event out of a transaction payload: these carry no checksum.
    pub fn decode_inner(&mut self, event: &Bytes) -> Result<Event> {
        self.decode(event)
    }
}
