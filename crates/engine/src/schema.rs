//! Tables as the engine sees them: names, columns and their kinds as of a position.
//! No vendor's type codes and no SQL live here; a connector translates its own into [`ColumnKind`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// A table's columns as of a position. Immutable: a schema change makes a new one.
#[derive(Clone, Serialize, Deserialize)]
pub struct TableSchema {
    /// The database (SQLite: `main`).
    pub database: Arc<str>,
    /// The table's own name.
    pub table: Arc<str>,
    /// `database.table`, the name users and messages use.
    pub name: Arc<str>,
    /// In the order of the row image.
    pub columns: Vec<Column>,
    /// Indices into `columns`, in the order of the primary key; empty without one.
    pub primary_key: Vec<usize>,
    /// Differs between any two schemas made in this process: plans are cached by it.
    #[serde(skip, default = "next_id")]
    pub id: u64,
}

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl TableSchema {
    /// Puts the parts together and gives the schema its identity.
    pub fn new(database: &str, table: &str, columns: Vec<Column>, primary_key: Vec<usize>) -> TableSchema {
        TableSchema {
            database: database.into(),
            table: table.into(),
            name: format!("{database}.{table}").into(),
            columns,
            primary_key,
            id: next_id(),
        }
    }

    /// The index of a column; column names compare without case, as MySQL and SQLite do.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name))
    }
}

impl fmt::Debug for TableSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}({} columns)", self.name, self.id, self.columns.len())
    }
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// As the server spells it.
    pub name: Arc<str>,
    /// What its values are.
    pub kind: ColumnKind,
    /// Whether NULL is allowed.
    pub nullable: bool,
}

/// What the values of a column are, as far as documents, mappings and keys must tell them apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// `bits` is 8, 16, 24, 32 or 64.
    Integer { bits: u8, unsigned: bool },
    /// YEAR: an integer in documents.
    Year,
    /// BIT(n): an unsigned integer in documents.
    Bit { bits: u8 },
    /// 32-bit float.
    Float,
    /// 64-bit float.
    Double,
    /// Exact decimal, a string in documents.
    Decimal { precision: u16, scale: u16 },
    /// CHAR, VARCHAR, TEXT of any charset, `length` in characters where the source tells.
    Text { length: Option<u32> },
    /// One of the labels.
    Enum { labels: Vec<Arc<str>> },
    /// A subset of the labels, an array in documents.
    Set { labels: Vec<Arc<str>> },
    /// BINARY, VARBINARY, BLOB: base64 in documents.
    Bytes,
    /// Calendar date.
    Date,
    /// Date and time without zone, `digits` of fraction.
    DateTime { digits: u8 },
    /// Moment in UTC, `digits` of fraction.
    Timestamp { digits: u8 },
    /// Signed duration of up to 838 hours, text in documents.
    Time { digits: u8 },
    /// Any JSON value.
    Json,
    /// WKB with its SRID.
    Geometry,
    /// Array of 32-bit floats.
    Vector,
    /// Canonical text of a UUID.
    Uuid,
    /// Canonical text of an IPv4 or IPv6 address.
    Inet,
    /// A dynamically typed column (SQLite without a declared type): each value says what it is.
    Any,
}
