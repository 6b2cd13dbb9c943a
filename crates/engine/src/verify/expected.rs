//! What rows should have become: each is routed as if it had just been read, and its documents are kept instead of sent.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::buckets::hash;
use super::portion::Portion;
use crate::change::{CaptureBatch, Change, Operation};
use crate::error::Result;
use crate::packed;
use crate::position::Position;
use crate::route::{CapturedLines, Deliveries, RouteTable};
use crate::row::{RowImage, RowVisitor};
use crate::sink::{Address, Body, Delivery};
use crate::source::ReadRows;
use crate::value::{OwnedValue, Value};
use crate::version::Version;

/// What one target should hold of one row.
pub(super) struct Expected {
    /// Id of the target's plan.
    pub plan: u32,
    /// [`hash`] of the address.
    pub hash: u128,
    pub address: Address,
    /// `None`: its route refuses the row, so what the target holds of it is nobody's word.
    pub document: Option<Bytes>,
    /// Place of the row among those that were read.
    pub row: usize,
}

/// Rows that were read, as changes that routing takes.
pub(super) struct Rows {
    batch: Arc<CaptureBatch>,
    key: Vec<usize>,
}

impl Rows {
    pub fn new(read: ReadRows, key: &[usize]) -> Rows {
        let change = |image| Change {
            schema: Arc::clone(&read.schema),
            operation: Operation::Read,
            before: None,
            after: Some(image),
            version: Version::ZERO,
            before_version: Version::ZERO,
            offset: 0,
            ordinal: 0,
            origin: Arc::clone(&read.origin),
        };
        let changes = read.rows.into_iter().map(change).collect();
        let batch = CaptureBatch::at(Position::nowhere(Version::ZERO), changes);
        Rows { batch: Arc::new(batch), key: key.to_vec() }
    }

    /// Calls `into` for what each target should hold of each row.
    pub fn expected(
        &self,
        routes: &RouteTable,
        out: &mut Deliveries,
        mut into: impl FnMut(Expected) -> Result<()>,
    ) -> Result<()> {
        for row in 0..self.batch.changes.len() {
            out.clear();
            routes.deliver(&self.batch, row as u32, out)?;
            for (_, Delivery { plan, address, body, .. }) in out.items.drain(..) {
                let document = match body {
                    Body::Document(document) => document,
                    Body::Line(line) if plan.spec.kind.reads_back() => match after(&line) {
                        Some(document) => document,
                        None => continue,
                    },
                    // What a rule keeps out is to be absent, as if there were no row.
                    Body::Line(_) | Body::Absent => continue,
                };
                let hash = hash(&plan, &address);
                into(Expected { plan: plan.id, hash, address, document: Some(document), row })?;
            }
            for (_, Delivery { plan, address, .. }, _) in out.refused.drain(..) {
                let hash = hash(&plan, &address);
                into(Expected { plan: plan.id, hash, address, document: None, row })?;
            }
        }
        Ok(())
    }

    /// Only those of a portion, if one is wanted.
    pub fn of(mut self, portion: Option<&Portion>) -> Rows {
        if let (Some(portion), Some(batch)) = (portion, Arc::get_mut(&mut self.batch)) {
            batch.changes.retain(|change| change.after.as_ref().is_none_or(|row| portion.owns(row)));
        }
        self
    }

    pub fn image(&self, row: usize) -> Option<&RowImage> {
        self.batch.changes.get(row)?.after.as_ref()
    }

    /// The packed key of a row; `None` if it cannot be read.
    pub fn packed_key(&self, row: usize) -> Option<Bytes> {
        packed_key(self.image(row)?, &self.key)
    }

    /// The same as the row of a writer; empty if it cannot be read.
    pub fn write_key(&self, row: usize, writer: &mut packed::Writer) {
        if self.image(row).and_then(|image| write_key(image, &self.key, writer)).is_none() {
            writer.clear();
        }
    }

    /// The key of a row as an object, JSON text.
    pub fn key_json(&self, row: usize) -> String {
        let (Some(image), Some(change)) = (self.image(row), self.batch.changes.get(row)) else {
            return "{}".to_owned();
        };
        CapturedLines::new(&change.schema, &self.key).key_json(image)
    }
}

/// The document of a line, if there is one.
fn after(line: &Bytes) -> Option<Bytes> {
    #[derive(serde::Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        after: Option<&'a RawValue>,
    }
    let after = serde_json::from_slice::<Line<'_>>(line).ok()?.after?.get();
    Some(line.slice_ref(after.as_bytes()))
}

/// The values of these columns, packed; `None` if the image lacks one or it cannot be read.
pub(super) fn packed_key(image: &RowImage, columns: &[usize]) -> Option<Bytes> {
    let mut writer = packed::Writer::new();
    write_key(image, columns, &mut writer)?;
    Some(writer.finish())
}

/// Writes them as the writer's row.
fn write_key(image: &RowImage, columns: &[usize], writer: &mut packed::Writer) -> Option<()> {
    struct Walk<'a> {
        columns: &'a [usize],
        found: usize,
        writer: &'a mut packed::Writer,
    }
    impl RowVisitor for Walk<'_> {
        fn wants(&self, column: usize) -> bool {
            self.columns.get(self.found) == Some(&column)
        }
        fn value(&mut self, _: usize, value: Value<'_>) -> Result<()> {
            self.writer.push(value);
            self.found += 1;
            Ok(())
        }
    }
    writer.clear();
    if columns.is_sorted() {
        let mut walk = Walk { columns, found: 0, writer };
        image.visit(&mut walk).ok()?;
        return (walk.found == columns.len()).then_some(());
    }
    let values = image.columns(columns).ok()?.into_iter().collect::<Option<Vec<_>>>()?;
    values.iter().for_each(|value| writer.push(value.borrow()));
    Some(())
}

/// Values of a key, packed.
pub(super) fn packed(values: &[OwnedValue]) -> Bytes {
    let mut writer = packed::Writer::new();
    values.iter().for_each(|value| writer.push(value.borrow()));
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_packed_in_its_own_order() {
        let values = [Value::Int(7), Value::Text("seven"), Value::Null];
        let mut writer = packed::Writer::new();
        values.iter().for_each(|value| writer.push(*value));
        let image = packed::image(writer.finish());
        for columns in [&[0][..], &[0, 1], &[1, 0], &[2, 0, 1]] {
            let wanted: Vec<OwnedValue> = columns.iter().map(|column| values[*column].to_owned()).collect();
            assert_eq!(packed_key(&image, columns), Some(packed(&wanted)), "{columns:?}");
        }
        assert_eq!(packed_key(&image, &[0, 3]), None);
    }
}
