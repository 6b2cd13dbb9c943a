//! How far rows are read: a table from its first key to its last, or a range of it. Only the source orders keys.

use super::portion::{Portion, Range};
use crate::error::Result;
use crate::position::Position;
use crate::schema::TableSchema;
use crate::source::{Bound, ReadRows, TableReader};
use crate::value::OwnedValue;

/// Keys of a table that are read.
pub(super) struct Span {
    /// A key that is read by itself, since ranges begin behind their lower end.
    first: Option<Vec<OwnedValue>>,
    pub after: Option<Bound>,
    pub last: Bound,
    /// Rows of the table, about; 0 if unknown.
    pub rows: u64,
}

impl Span {
    /// What has to be read for these rows; `None` if the table is empty.
    pub async fn of(
        reader: &dyn TableReader,
        schema: &TableSchema,
        key: &[usize],
        portion: Option<&Portion>,
    ) -> Result<Option<Span>> {
        let Some(extent) = reader.extent(schema, key).await? else { return Ok(None) };
        let mut span = Span { first: None, after: None, last: extent.last, rows: extent.rows };
        if let Some(Portion::Keys(Range { from, to })) = portion {
            if let Some(to) = to {
                span.last = reader.bound(schema, key, to).await?;
            }
            if let Some(from) = from {
                span.after = Some(reader.bound(schema, key, from).await?);
                span.first = Some(from.clone());
            }
        }
        Ok(Some(span))
    }

    /// The row at the lower end, if there is one.
    pub async fn first(
        &self,
        reader: &dyn TableReader,
        schema: &TableSchema,
        key: &[usize],
        opened: &Position,
    ) -> Result<Option<ReadRows>> {
        match &self.first {
            Some(first) => reader.read_keys(schema, key, std::slice::from_ref(first), opened).await.map(Some),
            None => Ok(None),
        }
    }
}
