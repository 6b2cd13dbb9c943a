//! Table map events: the columns of row events that follow, as the server logged them.

use std::sync::Arc;

use super::bitmap::Bitmap;

/// A table as its map event describes it. Shared while the server repeats the same bytes, so that what is derived from
/// it can be cached by the `Arc`'s address.
#[derive(Debug, PartialEq, Eq)]
pub struct TableMap {
    pub database: String,
    pub table: String,
    /// In the order of the row image.
    pub columns: Vec<MapColumn>,
    /// Whether the event carried names, that is `binlog_row_metadata=FULL`.
    pub full_metadata: bool,
    /// Columns of the primary key with their prefix length (0: the whole column); only with FULL metadata.
    pub primary_key: Vec<(usize, u32)>,
    /// Whether signedness came with the event (not before MySQL 8.0, not with MariaDB's NO_LOG).
    pub has_signedness: bool,
    nullable: Bitmap,
}

/// One column of a map event. What the event does not tell is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MapColumn {
    /// The type number in the row image (`MYSQL_TYPE_*`), with ENUM and SET told apart from CHAR.
    pub kind: u8,
    /// The type's own metadata.
    pub meta: u16,
    pub nullable: bool,
    pub unsigned: Option<bool>,
    pub name: Option<Arc<str>>,
    /// Collation id of text, ENUM and SET columns; 63 is binary.
    pub collation: Option<u32>,
    /// Raw labels of an ENUM or SET, in the column's character set.
    pub labels: Option<Arc<[Vec<u8>]>>,
    /// MySQL's geometry type number.
    pub geometry: Option<u32>,
    pub visible: Option<bool>,
    pub vector_dimensions: Option<u32>,
}

impl TableMap {
    /// Whether column `n` may be NULL.
    pub fn nullable(&self, n: usize) -> bool {
        self.nullable.get(n)
    }
}
