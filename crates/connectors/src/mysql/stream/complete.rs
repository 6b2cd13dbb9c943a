//! Rows of which the binlog holds only a part (`binlog_row_image` other than FULL, partial JSON): the after image is read at
//! the source by its primary key, not before the source shows what stands in the binlog up to there. The image may be of a
//! later state than its change; then that state's own change follows, with a higher version. Before images stay partial.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use syncline_engine::change::{CaptureBatch, Change, Operation};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::packed;
use syncline_engine::position::Position;
use syncline_engine::row::RowImage;
use syncline_engine::schema::{Column, TableSchema};
use syncline_engine::value::OwnedValue;

use super::follow::Follow;
use crate::mysql::reader::{MysqlReader, identity};
use crate::mysql::schema::TableName;

/// What one stream needs to complete its rows.
#[derive(Default)]
pub struct Completion {
    /// Rows that were captured and not handed on yet lack columns.
    pub is_due: bool,
    reader: Option<MysqlReader>,
}

/// A primary key's values, in its order.
type Key = Vec<OwnedValue>;
/// The index of a change in its batch, and its row's key.
type Wanted = (usize, Key);
/// Rows by key; `None` if the table is gone, and all its rows with it.
type Found = Option<HashMap<Bytes, RowImage>>;

impl Follow {
    /// Gives every change of the batch a whole after image. One whose row is no longer there becomes a delete.
    pub(super) async fn complete(&mut self, batch: &mut CaptureBatch) -> Result<()> {
        if !self.completion.is_due {
            return Ok(());
        }
        let mut partial: BTreeMap<u64, (Arc<TableSchema>, Vec<Wanted>)> = BTreeMap::new();
        for (index, change) in batch.changes.iter().enumerate() {
            if change.after.as_ref().is_some_and(RowImage::is_partial) {
                let of_schema = partial
                    .entry(change.schema.id)
                    .or_insert_with(|| (Arc::clone(&change.schema), Vec::new()));
                of_schema.1.push((index, key_of(change)?));
            }
        }
        let seen = self.seen();
        for (schema, rows) in partial.into_values() {
            let keys: Vec<Key> = rows.iter().map(|(_, key)| key.clone()).collect();
            let found = self.read_now(&schema, keys, &seen).await?;
            for (index, key) in rows {
                let image = found.as_ref().and_then(|found| found.get(&identity(&key)));
                complete_one(&mut batch.changes[index], image);
            }
        }
        self.completion.is_due = !self.builder.is_empty();
        Ok(())
    }

    /// What has been read of the binlog, the transaction that is open included: whoever sees this much sees all of it.
    fn seen(&self) -> Position {
        let mut gtids = Arc::clone(&self.gtids);
        if let Some(gtid) = self.transaction.as_ref().and_then(|transaction| transaction.gtid.as_ref()) {
            Arc::make_mut(&mut gtids).add(gtid);
        }
        self.head.position(self.head.next, &gtids, &self.identity, self.epoch)
    }

    async fn read_now(&mut self, schema: &TableSchema, keys: Vec<Key>, seen: &Position) -> Result<Found> {
        let context = &self.context;
        let reader = self.completion.reader.get_or_insert_with(|| MysqlReader::new(Arc::clone(context)));
        let name = TableName::new(&schema.database, &schema.table);
        let columns: Vec<&str> = schema.primary_key.iter().map(|n| &*schema.columns[*n].name).collect();
        let Some(read) = reader.read_now(&name, &columns, keys, seen).await? else { return Ok(None) };
        let same = read.schema.columns == schema.columns;
        let places = places(&read.schema, schema);
        let mut rows = HashMap::with_capacity(read.rows.len());
        for row in read.rows {
            let row = if same { row } else { rearranged(&row, &places)? };
            let key: Option<Key> = row.columns(&schema.primary_key)?.into_iter().collect();
            rows.insert(identity(&key.ok_or_else(no_key)?), row);
        }
        Ok(Some(rows))
    }
}

fn no_key() -> Error {
    Error::new(Code::MysqlDecode, "a row without its primary key")
}

/// The primary key after the change: what the after image lacks is as it was before.
fn key_of(change: &Change) -> Result<Key> {
    let columns = &change.schema.primary_key;
    let of = |image: &Option<RowImage>| match image {
        Some(image) => image.columns(columns),
        None => Ok(vec![None; columns.len()]),
    };
    let key: Option<Key> = of(&change.after)?
        .into_iter()
        .zip(of(&change.before)?)
        .map(|(after, before)| after.or(before))
        .collect();
    key.ok_or_else(no_key)
}

fn complete_one(change: &mut Change, image: Option<&RowImage>) {
    let Some(image) = image else {
        // Its own end follows. Until then it stands nowhere; and at the old place of a row that moved, another one may
        // stand since.
        let after = change.after.take();
        change.before = change.before.take().or(after);
        change.operation = Operation::Delete;
        change.version = change.before_version;
        return;
    };
    change.after = Some(image.clone());
}

/// For each column of a schema, which one of another it is: by name, and a key's by its place in the key.
fn places(from: &TableSchema, to: &TableSchema) -> Vec<Option<usize>> {
    let named = |column: &Column| from.columns.iter().position(|c| c.name == column.name);
    let mut places: Vec<Option<usize>> = to.columns.iter().map(named).collect();
    if from.primary_key.len() == to.primary_key.len() {
        for (old, new) in to.primary_key.iter().zip(&from.primary_key) {
            places[*old] = places[*old].or(Some(*new));
        }
    }
    places
}

/// A row of the table as it is now, as one of the table as it was: columns added since are left out.
fn rearranged(row: &RowImage, places: &[Option<usize>]) -> Result<RowImage> {
    let wanted: Vec<usize> = places.iter().flatten().copied().collect();
    let mut values = row.columns(&wanted)?.into_iter();
    let mut writer = packed::Writer::new();
    for place in places {
        match place.and_then(|_| values.next().flatten()) {
            Some(value) => writer.push(value.borrow()),
            None => writer.absent(),
        }
    }
    Ok(packed::image(writer.finish()))
}

#[cfg(test)]
mod tests {
    use syncline_engine::schema::ColumnKind;
    use syncline_engine::value::Value;

    use super::*;

    fn schema(names: &[&str], key: usize) -> TableSchema {
        let column = |name: &&str| Column { name: (*name).into(), kind: ColumnKind::Any, nullable: true };
        TableSchema::new("shop", "cases", names.iter().map(column).collect(), vec![key])
    }

    #[test]
    fn a_row_of_the_present_becomes_one_of_the_past() {
        let (past, present) = (schema(&["id", "a", "b"], 0), schema(&["new", "b", "number"], 2));
        let mut writer = packed::Writer::new();
        [1, 2, 3].into_iter().for_each(|n| writer.push(Value::Int(n)));
        let row = packed::image(writer.finish());
        let rearranged = rearranged(&row, &places(&present, &past)).unwrap();
        let values = rearranged.columns(&[0, 1, 2]).unwrap();
        assert_eq!(values, [Some(OwnedValue::Int(3)), None, Some(OwnedValue::Int(2))]);
    }
}
