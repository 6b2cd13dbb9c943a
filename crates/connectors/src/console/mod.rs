//! The targets `stdout` and `discard`: change lines to standard output, or hashed and dropped.
//! How a change becomes a line is the engine's; nothing here looks into one.

mod discard;
mod stdout;
#[cfg(test)]
mod tests;

use bytes::Bytes;
pub use discard::{Digest, DiscardSink};
pub use stdout::StdoutSink;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::sink::{Body, Delivery, Feeding};

/// Large calls: both targets cost next to nothing per line, so what a call itself costs would be what one sees.
const FEEDING: Feeding = Feeding::CaptureOrder { max_items: 16_384, max_bytes: 8 << 20 };

/// The change line of a delivery. Anything else is not for targets that keep lines.
fn line(delivery: &Delivery) -> Result<&Bytes> {
    match &delivery.body {
        Body::Line(line) => Ok(line),
        Body::Document(_) | Body::Absent => {
            let what = format!("{} was given a document instead of a change line", delivery.plan.label);
            Err(Error::new(Code::Internal, what))
        }
    }
}
