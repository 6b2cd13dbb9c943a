//! Values of a SELECT: the expression that reads a column, and the values of a result row. The session must have
//! `time_zone = '+00:00'` and `character_set_results = utf8mb4`, and the statement must be a prepared one (the binary
//! protocol): the text protocol rounds FLOAT.

use mysql_async::Row;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::value::Value;

use super::detail::ColumnDetail;

/// The expression that reads a column, its name quoted. Join them with commas in the order of the schema.
pub fn select_list(column: &ColumnDetail) -> String {
    format!("`{}`", column.name.replace('`', "``"))
}

/// Reads result rows of one table. Buffers are reused from row to row.
pub struct RowReader {
    columns: Vec<ColumnDetail>,
}

impl RowReader {
    /// For rows whose first columns are those of `select_list` for each detail, in order; columns behind them are left
    /// alone.
    pub fn new(columns: &[ColumnDetail]) -> RowReader {
        RowReader { columns: columns.to_vec() }
    }

    /// Hands each column's value to `push`, in order (`|value| writer.push(value)` of the engine's packed row).
    pub fn read(&mut self, row: &Row, mut push: impl FnMut(Value<'_>) -> Result<()>) -> Result<()> {
        let _ = (row, &mut push, &self.columns);
        Err(Error::new(Code::MysqlUnreadable, "the codec is being built"))
    }
}
