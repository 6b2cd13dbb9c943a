//! A table as the connector knows it: the engine's schema and what decoding and DDL need beyond it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_engine::schema::TableSchema;

use crate::mysql::codec::ColumnDetail;

/// `database` and `table`, as the server stores them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    pub database: String,
    pub table: String,
}

impl TableName {
    pub fn new(database: &str, table: &str) -> TableName {
        TableName { database: database.to_owned(), table: table.to_owned() }
    }

    /// The name under which servers that compare names without case find it.
    #[must_use]
    pub fn key(&self, folds: bool) -> TableName {
        if folds {
            TableName::new(&self.database.to_lowercase(), &self.table.to_lowercase())
        } else {
            self.clone()
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

/// A table's columns with all that is needed to decode its rows and to apply DDL to it. Kept as JSON in the schema
/// history: fields may be added, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDetail {
    pub columns: Vec<ColumnDetail>,
    /// Column names, in the order of the key.
    pub primary_key: Vec<String>,
    /// Character set of columns that name none.
    pub charset: String,
}

impl TableDetail {
    /// Index of a column; names compare without case.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| same_column(&c.name, name))
    }

    /// Whether rows are read the same way, whatever the columns' texts in messages say.
    pub fn same_rows(&self, other: &TableDetail) -> bool {
        let plain = |detail: &TableDetail| {
            let mut detail = detail.clone();
            detail.columns.iter_mut().for_each(|c| c.type_text.clear());
            detail
        };
        plain(self) == plain(other)
    }

    /// The engine's view.
    pub fn schema(&self, name: &TableName) -> TableSchema {
        let columns = self.columns.iter().map(ColumnDetail::column).collect();
        let key = self.primary_key.iter().filter_map(|k| self.position(k)).collect();
        TableSchema::new(&name.database, &name.table, columns, key)
    }
}

/// Column names compare without case.
pub fn same_column(a: &str, b: &str) -> bool {
    a == b || a.eq_ignore_ascii_case(b) || a.to_lowercase() == b.to_lowercase()
}

/// A table as of a position.
#[derive(Clone, Debug)]
pub struct Known {
    pub schema: Arc<TableSchema>,
    pub detail: Arc<TableDetail>,
}

impl Known {
    pub fn new(name: &TableName, detail: TableDetail) -> Known {
        Known { schema: Arc::new(detail.schema(name)), detail: Arc::new(detail) }
    }
}
