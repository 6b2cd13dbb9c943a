//! The input of the target `events`: a server, and what it sends. One byte picks the fixture, then come steps of one byte
//! that says how an event travels, its length in two bytes, and the event. The packing is done here, because a mutated
//! zstd or zlib stream would hardly ever open again.

use bytes::Bytes;
use syncline_connectors::mysql::binlog::{Checksum, Format, HEADER_LEN, kind};

use crate::bytes_in::Input;

/// How an event travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As it is.
    Plain,
    /// Together with its neighbours of the same way in a transaction payload.
    Inside,
    /// The same, but the payload is not compressed.
    InsidePlain,
    /// Compressed as MariaDB does, except so many bytes at the body's beginning.
    Deflated(u8),
}

/// The bit of the first byte that asks for checksums to be compared; they are made right before.
pub const VERIFY: u8 = 0x80;

/// The next step; `None` at the end.
pub fn step<'a>(input: &mut Input<'a>) -> Option<(Way, &'a [u8])> {
    if input.is_empty() {
        return None;
    }
    let way = match input.byte() & 3 {
        0 => Way::Plain,
        1 => Way::Inside,
        2 => Way::InsidePlain,
        _ => Way::Deflated(input.byte()),
    };
    let len = input.short().into();
    Some((way, input.take(len)))
}

/// Adds a step.
pub fn push(out: &mut Vec<u8>, way: Way, event: &[u8]) {
    match way {
        Way::Plain => out.push(0),
        Way::Inside => out.push(1),
        Way::InsidePlain => out.push(2),
        Way::Deflated(plain) => out.extend([3, plain]),
    }
    let len = u16::try_from(event.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&event[..usize::from(len)]);
}

/// An event of this type and body, from nowhere.
pub fn event(event_type: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 0, event_type, 1, 0, 0, 0];
    bytes.extend_from_slice(&[0; 10]);
    bytes.extend_from_slice(body);
    sized(bytes)
}

/// With its true size in its header.
pub fn sized(mut event: Vec<u8>) -> Vec<u8> {
    let size = event.len() as u32;
    if let Some(field) = event.get_mut(9..13) {
        field.copy_from_slice(&size.to_le_bytes());
    }
    event
}

/// As the server would send it: its size and its checksum are right.
pub fn sent(event: Vec<u8>, format: Option<&Format>) -> Bytes {
    let mut event = sized(event);
    let summed = format.is_some_and(|format| format.checksum == Checksum::Crc32);
    if summed && let Some((body, sum)) = event.split_last_chunk_mut::<4>() {
        *sum = crc32fast::hash(body).to_le_bytes();
    }
    event.into()
}

/// A payload event with `inside` in it, and room for a checksum.
pub fn payload(inside: &[u8], compressed: bool) -> Vec<u8> {
    let data = match compressed {
        true => zstd::bulk::compress(inside, 1).expect("zstd takes any bytes"),
        false => inside.to_vec(),
    };
    let mut body = vec![2];
    body.extend_from_slice(if compressed { &[1, 0] } else { &[3, 0xfc, 0xff, 0] });
    body.extend_from_slice(&[1, 9, 0xfe]);
    body.extend_from_slice(&(data.len() as u64).to_le_bytes());
    body.push(0);
    body.extend_from_slice(&data);
    body.extend_from_slice(b"sum.");
    event(kind::TRANSACTION_PAYLOAD, &body)
}

/// The event with its body compressed behind the first `plain` bytes, its checksum kept.
pub fn deflated(event: &[u8], plain: u8, summed: bool) -> Vec<u8> {
    let end = event.len().saturating_sub(if summed { 4 } else { 0 });
    let from = (HEADER_LEN + usize::from(plain)).min(end);
    let data = &event[from..end];
    let mut out = event[..from].to_vec();
    out.push(0x84);
    out.extend_from_slice(&(data.len() as u32).to_be_bytes());
    out.extend(zlib(data));
    out.extend_from_slice(&event[end..]);
    out
}

fn zlib(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).expect("writing into memory cannot fail");
    encoder.finish().expect("writing into memory cannot fail")
}
