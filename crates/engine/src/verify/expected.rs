//! What rows should have become: what each of their targets should hold, as routing makes it, and their keys.

use bytes::Bytes;

use super::buckets::hash_at;
use super::portion::Portion;
use crate::error::Result;
use crate::packed;
use crate::route::{CapturedLines, Deliveries, RouteTable, Standing};
use crate::row::{RowImage, RowVisitor};
use crate::source::ReadRows;
use crate::value::{OwnedValue, Value};

/// What one target should hold of one row.
pub(super) struct Expected<'a> {
    pub standing: Standing<'a>,
    /// [`hash_at`] of the address.
    pub hash: u128,
    /// Place of the row among those that were read.
    pub row: usize,
}

/// Rows that were read.
pub(super) struct Rows {
    read: ReadRows,
    key: Vec<usize>,
}

impl Rows {
    pub fn new(read: ReadRows, key: &[usize]) -> Rows {
        Rows { read, key: key.to_vec() }
    }

    /// Calls `into` for what each target should hold of each row.
    pub fn expected(
        &self,
        routes: &RouteTable,
        out: &mut Deliveries,
        mut into: impl FnMut(Expected<'_>) -> Result<()>,
    ) -> Result<()> {
        let ReadRows { schema, rows, origin, .. } = &self.read;
        for (row, image) in rows.iter().enumerate() {
            routes.standing(schema, image, origin.committed_at, out, |standing| {
                let hash = hash_at(standing.plan, standing.target, standing.id);
                into(Expected { standing, hash, row })
            })?;
        }
        Ok(())
    }

    /// Only those of a portion, if one is wanted.
    pub fn of(mut self, portion: Option<&Portion>) -> Rows {
        if let Some(portion) = portion {
            self.read.rows.retain(|row| portion.owns(row));
        }
        self
    }

    pub fn image(&self, row: usize) -> Option<&RowImage> {
        self.read.rows.get(row)
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
        let lines = CapturedLines::new(&self.read.schema, &self.key);
        self.image(row).map_or_else(|| "{}".to_owned(), |image| lines.key_json(image))
    }
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

/// Back again; `columns`: how many they are.
pub(super) fn unpacked(key: &Bytes, columns: usize) -> Option<Vec<OwnedValue>> {
    let columns: Vec<usize> = (0..columns).collect();
    packed::image(key.clone()).columns(&columns).ok()?.into_iter().collect()
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
