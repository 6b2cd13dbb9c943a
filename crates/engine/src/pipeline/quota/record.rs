//! A delivery as bytes, to wait in memory or on the disk without the batch that it came in: that one holds rows of other
//! tenants and a share of the memory budget. What many deliveries have in common is named by reference and not part of it.

use std::sync::Arc;

use bytes::Bytes;

use crate::change::{CaptureBatch, Change, Operation, Origin};
use crate::error::{Code, Error, Result};
use crate::position::Position;
use crate::route::TargetPlan;
use crate::row::{RowFormat, RowImage};
use crate::schema::TableSchema;
use crate::sink::{Address, Body, Counted, Delivery};
use crate::version::Version;

/// What a delivery shares with others of its batch.
#[derive(Clone)]
pub(super) struct Shape {
    plan: Arc<TargetPlan>,
    schema: Arc<TableSchema>,
    before: Option<Arc<dyn RowFormat>>,
    after: Option<Arc<dyn RowFormat>>,
}

impl Shape {
    pub fn of(delivery: &Delivery) -> Shape {
        let change = delivery.change();
        let format = |image: &Option<RowImage>| image.as_ref().map(|image| Arc::clone(&image.format));
        Shape {
            plan: Arc::clone(&delivery.plan),
            schema: Arc::clone(&change.schema),
            before: format(&change.before),
            after: format(&change.after),
        }
    }

    /// Whether the delivery is of it.
    pub fn fits(&self, delivery: &Delivery) -> bool {
        let change = delivery.change();
        Arc::ptr_eq(&self.plan, &delivery.plan)
            && Arc::ptr_eq(&self.schema, &change.schema)
            && same(&self.before, &change.before)
            && same(&self.after, &change.after)
    }
}

fn same(format: &Option<Arc<dyn RowFormat>>, image: &Option<RowImage>) -> bool {
    match (format, image) {
        (None, None) => true,
        (Some(format), Some(image)) => Arc::ptr_eq(format, &image.format),
        _ => false,
    }
}

/// Appends the delivery; answers how many bytes that took.
pub(super) fn write(delivery: &Delivery, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    put(out, delivery.address.target.as_bytes());
    put(out, delivery.address.id.as_bytes());
    match &delivery.body {
        Body::Absent => out.push(0),
        Body::Document(bytes) => put_tagged(out, 1, bytes),
        Body::Line(bytes) => put_tagged(out, 2, bytes),
    }
    match &delivery.counted {
        Counted::No => out.push(0),
        Counted::Delivery => out.push(1),
        Counted::Filtered(rule) => put_tagged(out, 2, rule.as_bytes()),
    }
    out.extend_from_slice(&delivery.version.get().to_le_bytes());
    out.extend_from_slice(&delivery.coerced.to_le_bytes());
    write_change(delivery.change(), out);
    let length = out.len() - start;
    out[start..start + 8].copy_from_slice(&(length as u64).to_le_bytes());
    length
}

fn write_change(change: &Change, out: &mut Vec<u8>) {
    out.push(match change.operation {
        Operation::Insert => 0,
        Operation::Update => 1,
        Operation::Delete => 2,
        Operation::Read => 3,
        Operation::Truncate => 4,
    });
    for number in [change.version.get(), change.before_version.get(), change.offset, change.ordinal] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for image in [&change.before, &change.after].into_iter().flatten() {
        put(out, &image.bytes);
    }
    let Origin { server_id, file, gtid, committed_at } = &*change.origin;
    out.extend_from_slice(&server_id.to_le_bytes());
    out.extend_from_slice(&committed_at.to_le_bytes());
    put(out, file.as_bytes());
    match gtid {
        None => out.push(0),
        Some(gtid) => put_tagged(out, 1, gtid.as_bytes()),
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn put_tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    put(out, bytes);
}

/// The delivery at the front of `bytes`, alone in a batch without a permit, and how long its record is.
pub(super) fn read(bytes: &[u8], shape: &Shape) -> Result<(Delivery, usize)> {
    let length = Cursor(bytes).number().and_then(|length| usize::try_from(length).ok());
    let record = length.and_then(|length| bytes.get(8..length)).ok_or_else(damaged)?;
    Ok((delivery(&mut Cursor(record), shape).ok_or_else(damaged)?, record.len() + 8))
}

fn damaged() -> Error {
    Error::new(Code::TenantSpill, "what was held does not read back as it was written")
}

fn delivery(from: &mut Cursor<'_>, shape: &Shape) -> Option<Delivery> {
    let address = Address { target: from.text()?, id: from.text()? };
    let body = match from.byte()? {
        0 => Body::Absent,
        1 => Body::Document(from.copied()?),
        2 => Body::Line(from.copied()?),
        _ => return None,
    };
    let counted = match from.byte()? {
        0 => Counted::No,
        1 => Counted::Delivery,
        2 => Counted::Filtered(from.text()?),
        _ => return None,
    };
    let version = Version::from_raw(from.number()?)?;
    let coerced = u32::from_le_bytes(from.array()?);
    let change = change(from, shape)?;
    let batch = Arc::new(CaptureBatch::at(Position::nowhere(change.version), vec![change]));
    Some(Delivery {
        plan: Arc::clone(&shape.plan),
        address,
        body,
        version,
        batch,
        index: 0,
        counted,
        coerced,
    })
}

fn change(from: &mut Cursor<'_>, shape: &Shape) -> Option<Change> {
    let operation = match from.byte()? {
        0 => Operation::Insert,
        1 => Operation::Update,
        2 => Operation::Delete,
        3 => Operation::Read,
        4 => Operation::Truncate,
        _ => return None,
    };
    let (version, before_version) = (Version::from_raw(from.number()?)?, Version::from_raw(from.number()?)?);
    let (offset, ordinal) = (from.number()?, from.number()?);
    let before = image(from, &shape.before)?;
    let after = image(from, &shape.after)?;
    let server_id = u32::from_le_bytes(from.array()?);
    let committed_at = i64::from_le_bytes(from.array()?);
    let file = from.text()?;
    let gtid = match from.byte()? {
        0 => None,
        _ => Some(from.text()?),
    };
    let origin = Arc::new(Origin { server_id, file, gtid, committed_at });
    let schema = Arc::clone(&shape.schema);
    Some(Change { schema, operation, before, after, version, before_version, offset, ordinal, origin })
}

fn image(from: &mut Cursor<'_>, format: &Option<Arc<dyn RowFormat>>) -> Option<Option<RowImage>> {
    let Some(format) = format else { return Some(None) };
    Some(Some(RowImage { bytes: from.copied()?, format: Arc::clone(format) }))
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn copied(&mut self) -> Option<Bytes> {
        self.bytes().map(Bytes::copy_from_slice)
    }

    fn text(&mut self) -> Option<Arc<str>> {
        std::str::from_utf8(self.bytes()?).ok().map(Arc::from)
    }
}
